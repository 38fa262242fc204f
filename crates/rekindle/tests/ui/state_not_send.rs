//! The state of a server moves between worker threads: it must be `Send`.
use std::rc::Rc;

use rekindle::prelude::*;

struct Counter {
    n: Rc<i64>,
}

#[gen_server]
impl Counter {
    #[call]
    fn get(&self) -> i64 {
        *self.n
    }
}

fn main() {}
