//! `rekindle-new my_app --sup`

fn main() -> std::process::ExitCode {
    rekindle_new::main(std::env::args_os().skip(1))
}
