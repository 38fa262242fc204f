//! A behaviour of one's own, made of public items, supervised like any other child.
//!
//! **Shows** `GenTask`, in `src/gen_task/behaviour.rs`: a generic loop with an acknowledged start,
//! `sys` messages, and the parent's end, and a user's callbacks `run` and `handle_result`. A worker
//! puts its job into a task that is not linked with it, so that it lives to acknowledge (or reject)
//! the job at the queue, exactly once, whatever the job does: end well, crash, or hang.
//!
//! **Run** `cargo run --release --example gen_task`, with `-- --fast` for a quick one, or with
//! `-- --seed 7` for a simulated one, which is the same each time.
//!
//! **What you will see** (and crash reports of the tasks on stderr)
//!
//! ```text
//! start_task: ok, 5050
//! start_task: exit, panicked at examples/src/gen_task/story.rs:259:38: Error!
//! start_task: timeout
//! Processed job #1: resize photo 1
//! Task with tag 2 terminated with reason: panicked at examples/src/gen_task/story.rs:212:9: Error!
//! Processed job #4: resize photo 3
//! ...
//! Processed job #7: find a bug in the worker
//! Processed job #8: resize photo 6
//! The worker of job #7 died: the queue takes the job back
//! No new worker for job #7: it is not ours
//! ...
//! Task with tag 3 terminated with reason: timeout
//! ...
//! job                             deliveries   nacks    acks
//! resize photo 1                           1       0       1
//! resize photo 2                           2       1       1
//! wait for a service that hangs            3       2       1
//! ...
//! in all                                  23       7      16
//! 16 of 16 jobs were acknowledged exactly once; settled twice: 0 deliveries; taken back from d...
//! MyWorkerSupervisor and GenTask.TaskSupervisor are the same processes as before
//! workers and tasks left over: 0
//! ```
//!
//! **Now break it**
//!
//! 1. In `story.rs`, call `simulated_error()` at the beginning of `handle_result` (in the worker)
//!    instead of in `run` (in the task). The workers crash, their restarts use up what
//!    `MyWorkerSupervisor` allows, and it goes down with workers that had nothing to do with it:
//!    it is not the same process at the end, and jobs are done twice.
//! 2. In `story.rs`, leave out the `nack` at the end of `handle_result`: the worker ends well, and
//!    the queue finds out by its monitor that nobody answers for the delivery any more.

use std::process::ExitCode;

use rekindle::Runtime;
use rekindle_examples::{cli, gen_task, screen::Screen};

const USAGE: &str = "usage: gen_task [--fast] [--seed NUMBER]";

fn main() -> ExitCode {
    let options = match cli::options(USAGE, &["--seed"], 0) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let runtime = match options.value("--seed").map(str::parse) {
        None => Runtime::new(),
        Some(Ok(seed)) => Ok(Runtime::simulated(seed)),
        Some(Err(error)) => {
            eprintln!("--seed: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    cli::log_to_stderr();
    let told = runtime.map(|runtime| {
        runtime.block_on(async move { gen_task::run(&Screen::stdout(), options.pace).await })
    });
    match told {
        Ok(Ok(_)) => ExitCode::SUCCESS,
        Ok(Err(reason)) => {
            eprintln!("the story broke off: {reason}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("no runtime: {error}");
            ExitCode::FAILURE
        }
    }
}
