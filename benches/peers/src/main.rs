//! The Rust peers with the system's allocator.

fn main() -> std::process::ExitCode {
    rekindle_bench_peers::main()
}
