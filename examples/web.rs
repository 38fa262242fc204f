//! A web service of axum's whose connections are rekindle's processes.
//!
//! **Shows** feature `tokio`: tokio's sockets, hyper and axum inside of processes, without a
//! wrapper; handlers that call a server by its name; a mistake in a handler, which ends one
//! connection; a mistake in the server, which its callers are told of, and which a supervisor
//! answers with a fresh start.
//!
//! **Run**
//!
//! ```sh
//! cargo run --release --example web --features tokio
//! ```
//!
//! **What you will see** (without the crash reports, which go to stderr):
//!
//! ```text
//! --- The server has a mistake: the client is told, and the server starts again.
//! POST /audit   503 the process exited: panicked at examples/src/web.rs:64:37: the books ...
//!  GET /stock   200 10 in stock
//! ```
//!
//! **Now break it.** Take `.tokio()` out of `main`: tokio says that there is no reactor. Or serve
//! by `axum::serve`: the handlers run on tokio then, where names are nobody's, and a crash is
//! reported to nobody.

use std::process::ExitCode;

use rekindle::Builder;
use rekindle_examples::{cli, stage::Stage, web};

const USAGE: &str = "usage: web [--fast]";

fn main() -> ExitCode {
    match cli::options(USAGE, &[], 0) {
        Ok(options) => cli::tell_on(
            Builder::new().tokio(),
            web::run(Stage::stdout(options.pace)),
        ),
        Err(status) => status,
    }
}
