//! `cargo rekindle new my_app --sup`: cargo calls `cargo-rekindle rekindle new my_app --sup`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    arguments.next_if(|first| first == "rekindle");
    // What there is without `new` are `--help` and `--version`.
    let is_new = arguments.next_if(|command| command == "new").is_some();
    let is_flag = |next: &std::ffi::OsString| next.as_encoded_bytes().starts_with(b"-");
    if !is_new && !arguments.peek().is_some_and(is_flag) {
        eprintln!("error: the one command is `new`: cargo rekindle new NAME\n");
        eprint!("{}", rekindle_new::USAGE);
        return ExitCode::from(2);
    }
    rekindle_new::main(arguments)
}
