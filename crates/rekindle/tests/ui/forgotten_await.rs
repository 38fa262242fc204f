//! A call is made when it is awaited, and a start as well.
#![deny(unused_must_use)]

use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[call]
    fn get(&self) -> i64 {
        self.n
    }
}

async fn forgetful() {
    Counter::start_link(Counter { n: 0 });
    let counter: Addr<Counter> = Addr::whereis("counter").unwrap();
    counter.get();
}

fn main() {}
