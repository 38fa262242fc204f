//! Three counters, and what the failure of one does to the others.
//!
//! `Counter.One` fails at 22, `Counter.Two` never, `Counter.Three` at 5. They are started in this
//! order, and each works once a second.
//!
//! **Shows** the three strategies of a supervisor; a child with a start function of its own; crash
//! reports with the last message and the state.
//!
//! **Run**
//!
//! ```sh
//! cargo run --release --example counter -- --strategy one_for_one
//! cargo run --release --example counter -- --strategy rest_for_one
//! cargo run --release --example counter -- --strategy one_for_all --fast
//! ```
//!
//! **What you will see** (here `rest_for_one`, after 6 seconds; the crash report, on stderr, is
//! shortened):
//!
//! ```text
//! Counter.One: working and my state is 5
//! Counter.Two: working and my state is 5
//! Counter.Three: starting
//! Counter.Three: working and my state is 0
//! Counter.Three: started
//! [ERROR] rekindle_examples::counter::Counter (#4.1) crashed
//!   panicked at examples/src/counter.rs:90:13: I'm Counter.Three and I'm gonna error now
//!   last message   message Work
//!   state          5
//!   parent         Counter.Supervisor (rest_for_one) -> restarted as #4.2, 1 of 3 in 5s
//!   mailbox        0 waiting       alive 19s        spawned at examples/src/counter.rs:78:23
//! Counter.One: working and my state is 6
//! ```
//!
//! | strategy       | `Counter.Three` fails at 5        | `Counter.One` fails at 22 |
//! |----------------|-----------------------------------|---------------------------|
//! | `one_for_one`  | it is restarted                   | it is restarted           |
//! | `rest_for_one` | it is restarted: it is the last   | all three are restarted   |
//! | `one_for_all`  | all three are restarted           | it never comes that far   |
//!
//! **Now break it.** In `tree`, move `Counter.Three` to the front: under `rest_for_one` it now
//! takes the others with it. Let it fail at 0: the tree does not even start, and says why.

use std::process::ExitCode;

use rekindle::Strategy;
use rekindle_examples::{cli, counter, stage::Stage};

const USAGE: &str = "usage: counter [--strategy one_for_one|rest_for_one|one_for_all] [--fast]";

fn main() -> ExitCode {
    let options = match cli::options(USAGE, &["--strategy"], 0) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let strategy = match options.value("--strategy") {
        None | Some("one_for_one") => Strategy::OneForOne,
        Some("rest_for_one") => Strategy::RestForOne,
        Some("one_for_all") => Strategy::OneForAll,
        Some(other) => return cli::wrong_use(USAGE, format!("unknown strategy {other}")),
    };
    cli::tell(counter::run(Stage::stdout(options.pace), strategy))
}
