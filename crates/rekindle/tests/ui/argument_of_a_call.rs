//! The arguments of a call and of a start are those of the methods.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    fn init(n: i64) -> Self {
        Counter { n }
    }
    #[call]
    fn add(&mut self, k: i64) -> i64 {
        self.n += k;
        self.n
    }
}

async fn wrong() {
    let counter = Counter::start("none").await.unwrap();
    let _ = counter.add("one").await;
}

fn main() {}
