//! rekindle with the system's allocator, as a subject of `compare`.

fn main() -> std::process::ExitCode {
    rekindle_benches::subject::main()
}
