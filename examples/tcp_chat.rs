//! A chat server with a process per guest, and its guests.
//!
//! **Shows** a `TcpServer`: callbacks for what comes over the socket and for what other processes
//! say; a room that is a process group; a crash that closes one socket; a guest who does not read
//! and is let go, because what waits for it is bounded; a stop that tells everybody first. The
//! guests are plain processes with `async-net` in them: no feature, no wrapping.
//!
//! **Run**
//!
//! ```sh
//! cargo run --release --example tcp_chat              # it needs no time of the story's
//! cargo run --release --example tcp_chat -- --serve   # then: nc 127.0.0.1 4000
//! ```
//!
//! **What you will see** (without the crash report, which goes to stderr):
//!
//! ```text
//! --- Bob's process crashes. His socket is closed, and nobody else minds.
//!   bob is out
//!   ann hears  * bob has left: in a crash
//! --- The deaf guest does not read. What waits for it is bounded, and then it has to go.
//!   cat hears  * deaf has left: more than 65536 bytes would wait for the peer
//! ```
//!
//! **Now break it.** With `--serve`, connect twice and say `/crash` in one. Then take the
//! `Overflow::Close` out of `tree`: now one deaf guest holds nobody up but itself, and what is said
//! gathers in its mailbox instead. Bound that too, with `mailbox`.

use std::process::ExitCode;

use rekindle_examples::{cli, stage::Stage, tcp_chat};

const USAGE: &str = "usage: tcp_chat [--fast] [--serve]";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--serve") {
        cli::log_to_stderr();
        return rekindle::app::run(|| tcp_chat::tree("127.0.0.1:4000"));
    }
    match cli::options(USAGE, &[], 0) {
        Ok(options) => cli::tell(tcp_chat::run(Stage::stdout(options.pace))),
        Err(status) => status,
    }
}
