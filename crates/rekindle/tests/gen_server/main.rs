//! `#[gen_server]`: what it makes of an impl block.

mod callbacks;
mod carried;
mod counter;
mod handles;
mod infos;

use rekindle::Runtime;

/// Runs a test as a process of a simulated runtime.
fn simulated(test: impl Future<Output = ()> + Send + 'static) {
    Runtime::simulated(1).block_on(test);
}

/// Waits until a process is gone.
async fn gone(pid: rekindle::Pid) {
    while rekindle::is_alive(pid) {
        rekindle::yield_now().await;
    }
}
