//! A job queue that runs every job in a task of its own.
//!
//! **Shows** children that are added while a supervisor runs; a call that is answered by another
//! process than the one that was called; processes with names; the tree as text; a job that fails:
//! first the caller's error, then a task specification that is told to be transient.
//!
//! **Run**
//!
//! ```sh
//! cargo run --release --example job_queue
//! ```
//!
//! **What you will see** (without the two crash reports, which go to stderr):
//!
//! ```text
//! Main (#0.1)
//!   Supervisor "my_app_supervisor" (#1.3)
//!     DynamicSupervisor "JobSupervisor" (#2.5)
//!       closure in run_job (#260.1)
//!       closure in run_job (#261.1)
//!       closure in run_job (#262.1)
//!     JobQueue "JobQueue" (#3.5)
//! ...
//! --- A job that fails now and then. Its task is temporary: the caller gets an error.
//! #6.2: Running a job
//! JobQueue.schedule_job gives "Job result"
//! #6.3: Running a job
//! JobQueue.schedule_job fails: the request was dropped without an answer
//! --- The same job as a transient task: the caller gets its answer from the retry.
//! #7.2: Running a job
//! #7.3: Running a job
//! JobQueue.schedule_job gives "Job result"
//! ```
//!
//! The caller of a failed job does not wait until its time is up: when the last one who could
//! answer is gone, the call fails at once.
//!
//! **Now break it.** Let `Answer::give` be called before the job is done: a retry then has nobody
//! to answer. Let the job fail always: the supervisor gives up, and the caller hears of it.

use std::process::ExitCode;

use rekindle_examples::{cli, job_queue, stage::Stage};

const USAGE: &str = "usage: job_queue [--fast]";

/// By this seed both the first and the second failure come soon.
const SEED: u64 = 1;

fn main() -> ExitCode {
    match cli::options(USAGE, &[], 0) {
        Ok(options) => cli::tell(job_queue::run(Stage::stdout(options.pace), SEED)),
        Err(status) => status,
    }
}
