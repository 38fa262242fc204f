//! The attribute stands on a plain impl block.
use rekindle::prelude::*;

/// Not here.
#[gen_server]
struct Counter {
    n: i64,
}

#[gen_server]
impl Default for Counter {
    fn default() -> Self {
        Counter { n: 0 }
    }
}

fn main() {}
