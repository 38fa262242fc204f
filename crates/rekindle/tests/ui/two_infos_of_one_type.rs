//! An `#[info]` is known by the type of its message.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[info]
    fn add(&mut self, k: i64) {
        self.n += k;
    }
    #[info]
    fn set(&mut self, n: i64) {
        self.n = n;
    }
    #[info]
    fn idle(&mut self) {}
}

fn main() {}
