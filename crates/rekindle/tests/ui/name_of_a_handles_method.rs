//! `addr.stop()` stops the server: a cast of that name could not be sent.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[cast]
    fn stop(&mut self) {
        self.n = 0;
    }
}

fn main() {}
