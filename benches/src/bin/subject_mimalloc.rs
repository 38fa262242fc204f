//! rekindle with mimalloc, as a subject of `compare`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    rekindle_benches::subject::main()
}
