//! A job runner, and three ways to come to grief in it.
//!
//! **Shows** jobs as servers under a dynamic supervisor that has a name; work that begins after
//! init, by a continue; retries by a message to oneself; what the restart classes mean for work
//! that ends; how a supervisor gives up, and whom that hurts; one supervisor per job as the cure.
//!
//! **Run**
//!
//! ```sh
//! cargo run --release --example jobber              # a minute and a half
//! cargo run --release --example jobber -- --fast    # a second is a millisecond
//! cargo run --release --example jobber -- jobs.txt  # jobs of yours: lines `good|bad|doomed NAME`
//! ```
//!
//! **What you will see** (without the crash reports of `doomed`, which go to stderr):
//!
//! ```text
//! --- More than 3 restarts in 30 seconds: the runner gives up on doomed, and on bad.
//! Jobber.JobRunner is #4.6 and has 0 jobs
//! Job errored bad
//! Job retry failed bad
//! Jobber.JobRunner #4.6 has ended: shutdown
//! Jobber.JobRunner is #5.2 and has 0 jobs
//! --- The cure: one supervisor per job. It gives up on doomed, and bad goes on.
//! ```
//!
//! **Now break it.** Give `the_cure` a runner with `.max_children(1)` and read what `start_child`
//! says. Or make the jobs in `job_supervisor` permanent: it says at once that a significant child
//! cannot be.

use std::process::ExitCode;

use rekindle_examples::{cli, jobber, stage::Stage};

const USAGE: &str = "usage: jobber [--fast] [FILE]
FILE has a job on each line: good|bad|doomed NAME";

fn main() -> ExitCode {
    let options = match cli::options(USAGE, &[], 1) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let stage = Stage::stdout(options.pace);
    let Some(file) = options.free.first() else {
        return cli::tell(jobber::run(stage));
    };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return cli::wrong_use(USAGE, format!("{file}: {error}")),
    };
    match jobber::orders(&text) {
        Ok(orders) => cli::tell(jobber::run_orders(stage, orders)),
        Err(bad) => cli::wrong_use(USAGE, format!("{file}: {bad}")),
    }
}
