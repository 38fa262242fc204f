//! A worker that pays drivers, and the application around it.
//!
//! **Shows** a periodic worker over a real database (SQLite), a transaction per round; what the
//! default limits mean for the rest of the application; a supervisor of its own with a computed
//! limit; and that a crash pays nobody twice.
//!
//! **Run** `cargo run --release --example payments`, with `-- --fast` if you are in a hurry.
//!
//! **What you will see**
//!
//! ```text
//! --- A wrong release, and all defaults: 3 restarts in 5 seconds for the application.
//! Payment.Worker starts: Doubled
//! Payment.Worker: Invalid payment for job 2
//! ...
//! Application has ended: shutdown
//! Dispatcher, the rest of the application, is down
//! The database has no payment: each round that failed was rolled back.
//! --- The worker gets its own supervisor: 6 restarts in 5 seconds.
//! ...
//! Application is up
//! Dispatcher, the rest of the application, is up
//! --- The corrected release is deployed; the next restart takes it up.
//! Payment.Worker: Invalid payment for job 2
//! Payment.Worker starts: Good
//! Payment.Worker: paid 3 jobs
//! ...
//! job 1: paid 1 time, 120 in all
//! Nobody is paid twice, and everybody once.
//! ```
//!
//! **Now break it.** Let `max_restarts` be 1: the application restarts `Payment.Supervisor` a few
//! times, and then goes down with it. Or move `transaction.commit()` of `pay_the_drivers` into a
//! transaction for each job: the round that fails at job 2 has then paid job 1, and left it to be
//! paid again.

use std::process::ExitCode;
use std::sync::Arc;

use rekindle_examples::payments::Folder;
use rekindle_examples::{cli, payments, stage::Stage};

fn main() -> ExitCode {
    let options = match cli::options("usage: payments [--fast]", &[], 0) {
        Ok(options) => options,
        Err(status) => return status,
    };
    // Kept here until the end, so that it is removed after everything else is gone.
    let folder = match Folder::fresh() {
        Ok(folder) => Arc::new(folder),
        Err(error) => {
            eprintln!("no folder for the database: {error}");
            return ExitCode::FAILURE;
        }
    };
    cli::tell(payments::run(
        Stage::stdout(options.pace),
        Arc::clone(&folder),
    ))
}
