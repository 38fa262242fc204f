//! A callback borrows the state, which stays in the server.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    fn init(&self) -> Self {
        Counter { n: 0 }
    }
    #[call]
    fn take(self) -> i64 {
        self.n
    }
    #[cast]
    fn nothing(k: i64) {
        let _ = k;
    }
}

fn main() {}
