//! `init` gives the state.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    fn init(n: i64) -> Option<Self> {
        Some(Counter { n })
    }
}

struct Other;

#[gen_server]
impl Other {
    fn init() {}
}

fn main() {}
