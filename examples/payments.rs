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
//! Payment.Worker: Invalid payment for job 1
//! ...
//! Application has ended: shutdown
//! Dispatcher is down
//! --- The worker gets its own supervisor, with 6 restarts in 5 seconds.
//! Payment.Worker: Invalid payment for job 1
//! ...
//! Application is up
//! Dispatcher is up
//! --- The corrected release is deployed.
//! Payment.Worker: paid 3 jobs
//! job 1: paid 1 time, 120 in all
//! ```
//!
//! **Now break it** Let `payment_supervisor` allow one restart in the period: the application
//! restarts it a few times, and then goes down with it. Or commit before `verify_payment`.

use std::path::PathBuf;
use std::process::ExitCode;

use rekindle_examples::{cli, payments, stage::Stage};

fn main() -> ExitCode {
    let options = match cli::options("usage: payments [--fast]", &[], 0) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let folder = match Folder::create() {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("no folder for the database: {error}");
            return ExitCode::FAILURE;
        }
    };
    cli::tell(payments::run(Stage::stdout(options.pace), folder.0.clone()))
}

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn create() -> std::io::Result<Folder> {
        let name = format!("rekindle-payments-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
