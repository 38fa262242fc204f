//! The program: runs the tree until it ends, or until Ctrl-C or SIGTERM asks for the end.

use std::process::ExitCode;

fn main() -> ExitCode {
    rekindle::app::run({{name}}::tree)
}
