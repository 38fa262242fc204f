//! A plain message goes only to a server that has an `#[info]` of its type.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

struct Tick;

#[gen_server]
impl Counter {
    #[info]
    fn set(&mut self, n: i64) {
        self.n = n;
    }
}

fn main() {
    let counter: Addr<Counter> = Addr::whereis("counter").unwrap();
    counter.send(Tick);
}
