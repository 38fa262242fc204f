//! Each message has a name of its own.
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
    #[cast]
    fn get(&mut self, n: i64) {
        self.n = n;
    }
}

fn main() {}
