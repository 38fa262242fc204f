//! A method of one server on the handle of another.
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

struct Door;

#[gen_server]
impl Door {
    #[cast]
    fn open(&mut self) {}
}

fn main() {
    let counter: Addr<Counter> = Addr::whereis("counter").unwrap();
    counter.open();
}
