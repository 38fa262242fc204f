//! What the micro benches under `benches/` share: a pass is timed as a whole, on a runtime that
//! lives on, so that what a benchmark harness adds is divided by many operations.

use std::time::{Duration, Instant};

use rekindle::{Builder, Runtime};

/// A runtime with so many workers.
#[must_use]
pub fn runtime(workers: usize) -> Runtime {
    let runtime = Builder::new().workers(workers).start();
    runtime.expect("a runtime starts")
}

/// The time of so many passes, one after the other in one process.
pub fn time<P>(runtime: &Runtime, passes: u64, pass: impl Fn() -> P + Send + 'static) -> Duration
where
    P: Future<Output = u64> + Send,
{
    runtime.block_on(async move {
        let begun = Instant::now();
        for _ in 0..passes {
            std::hint::black_box(pass().await);
        }
        begun.elapsed()
    })
}
