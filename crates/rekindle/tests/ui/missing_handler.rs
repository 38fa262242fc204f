//! A method without an attribute is the server's own business, and no message.
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
    fn reset(&mut self) {
        self.n = 0;
    }
}

fn main() {
    let counter: Addr<Counter> = Addr::whereis("counter").unwrap();
    counter.reset();
}
