//! Backtraces off: for the first one of a process the standard library reads the program's debug
//! information, and keeps it. That is some 30 MB which no check of live bytes can tell from a leak.

use std::process::Command;

/// Whether panics of this process come with a backtrace.
fn are_on() -> bool {
    let on = |name| std::env::var_os(name).map(|value| value != "0");
    on("RUST_LIB_BACKTRACE")
        .or(on("RUST_BACKTRACE"))
        .unwrap_or(false)
}

/// Begins the program anew without them, if they are on. Returns only if there is no need, or no
/// way.
pub(crate) fn turn_off() {
    if !are_on() {
        return;
    }
    eprintln!("soak: without backtraces, for what is kept for them would count as a leak");
    let Ok(this) = std::env::current_exe() else {
        return;
    };
    let mut again = Command::new(this);
    again
        .args(std::env::args_os().skip(1))
        .env("RUST_BACKTRACE", "0")
        .env_remove("RUST_LIB_BACKTRACE");
    begin(again);
}

#[cfg(unix)]
fn begin(mut again: Command) {
    use std::os::unix::process::CommandExt;
    let error = again.exec();
    eprintln!("soak: could not begin anew: {error}");
}

#[cfg(not(unix))]
fn begin(_: Command) {
    eprintln!("soak: set RUST_BACKTRACE=0 if live bytes grow by 30 MB");
}
