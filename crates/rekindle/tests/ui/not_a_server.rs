//! What has handles is a generic server.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

struct Directory {
    counter: Addr<Counter>,
}

fn main() {
    let _ = Counter::start_link(Counter { n: 0 });
}
