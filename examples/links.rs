//! A checker of links: reqwest asks, sqlx keeps what came back.
//!
//! **Shows** feature `tokio` with two libraries that look for a tokio runtime around them: requests
//! of reqwest in tasks, many at a time, each with a limit; a pool of sqlx that a server owns, and
//! closes when it ends; a kill that ends a request at both ends of the wire; a kill that takes a
//! transaction along.
//!
//! **Run**
//!
//! ```sh
//! cargo run --release --example links --features neighbours
//! ```
//!
//! **What you will see** (without the crash report of the page that hangs up, which goes to stderr):
//!
//! ```text
//! --- Each page is asked for in a process of its own, and the answers are kept.
//! /fine      200
//! /gone      404
//! /hangs-up  the connection broke
//! /slow      no answer in time
//! --- Who asks is killed: the other end notices.
//! being answered: 1, and after the kill: 0
//! --- A transaction dies with its process.
//! inside it: 0 pages, and after the kill: 4
//! ```
//!
//! **Now break it.** Take `.tokio()` out of `main`: sqlx finds no runtime, and the book does not
//! start.

use std::process::ExitCode;

use rekindle::Builder;
use rekindle_examples::{cli, links, stage::Stage};

const USAGE: &str = "usage: links [--fast]";

fn main() -> ExitCode {
    match cli::options(USAGE, &[], 0) {
        Ok(options) => cli::tell_on(
            Builder::new().tokio(),
            links::run(Stage::stdout(options.pace)),
        ),
        Err(status) => status,
    }
}
