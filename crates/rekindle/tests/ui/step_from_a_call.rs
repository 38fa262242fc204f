//! What a call returns is its answer; whoever decides the next step answers by `ReplyTo`.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[call]
    fn last(&mut self) -> Step<Self> {
        Ok(Next::Stop(ExitReason::Normal))
    }
}

fn main() {}
