#![forbid(unsafe_code)]
//! The Rust peers: one file each, every benchmark written as the peer's own documentation would
//! have it. What a peer has no words for is answered by `unsupported`, never emulated.
//!
//! The rules are the same for all: the driver is a task on a worker, bodies share no counter,
//! handlers do one addition, and the sum proves that the work was done.

use std::process::ExitCode;

use rekindle_bench_protocol::{Answer, Task};

mod actix;
mod async_executor;
mod hydra;
mod kameo;
mod ractor;
mod tokio;

/// Why a benchmark has no figure for a peer.
const NOT_HERE: &str = "no such thing, or not written for this peer";

/// The program: reads its task from the arguments and prints its answer.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let answer = match Task::parse(&arguments) {
        Ok(task) => answer(task),
        Err(error) => Answer::Failed(error),
    };
    println!("{answer}");
    match answer {
        Answer::Failed(_) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn answer(task: Task) -> Answer {
    match task.system.as_str() {
        "tokio" => on_tokio(task.workers, tokio::answer(task)),
        "ractor" => on_tokio(task.workers, ractor::answer(task)),
        "kameo" => on_tokio(task.workers, kameo::answer(task)),
        "hydra" => on_tokio(task.workers, hydra::answer(task)),
        "actix" => actix::answer(task),
        "async_executor" => async_executor::answer(task),
        other => Answer::Failed(format!("no system {other}")),
    }
}

/// Runs a driver as a task of a multi-thread runtime: `block_on` alone would poll it on the main
/// thread, from where every spawn is an injection.
fn on_tokio(workers: usize, driver: impl Future<Output = Answer> + Send + 'static) -> Answer {
    let runtime = ::tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let driven = runtime.block_on(async { ::tokio::spawn(driver).await });
            driven.unwrap_or_else(|error| Answer::Failed(error.to_string()))
        }
        Err(error) => Answer::Failed(format!("no runtime: {error}")),
    }
}

/// The growth of the resident memory by the first `n`, and by another `n`.
fn bytes(at: [Option<u64>; 3], n: u64) -> Answer {
    let [Some(before), Some(first), Some(second)] = at else {
        return Answer::unsupported("this system does not tell the resident memory");
    };
    Answer::ok([
        ("bytes", first.saturating_sub(before) / n),
        ("more", second.saturating_sub(first) / n),
    ])
}
