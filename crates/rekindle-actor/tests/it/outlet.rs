//! Crash reports that cannot be written: the process that crashed has ended, all others go on.

#[cfg(target_os = "linux")]
use std::fs::OpenOptions;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rekindle_actor::{ExitReason, spawn};

use crate::alone;
use crate::record::passed_on;
use crate::support::*;

/// Processes crash, of one kind and of many; those who watch them are told, and others work on.
fn crashes_harm_nobody() {
    for workers in [1, 2] {
        pool(workers).block_on(async {
            let neighbour = Puppet::new();
            let told = Arc::new(AtomicUsize::new(0));
            for n in 0..100 {
                let told = told.clone();
                with_inbox(move |mut inbox: rekindle_actor::Mailbox<()>| async move {
                    let crashing = spawn(async move {
                        if n % 2 == 0 {
                            panic!("number {n}");
                        }
                        ExitReason::msg("the same each time")
                    });
                    let reason = reason_of(&mut inbox, crashing).await;
                    assert!(!reason.is_clean(), "{reason}");
                    told.fetch_add(1, Ordering::SeqCst);
                })
                .await;
            }
            assert_eq!(told.load(Ordering::SeqCst), 100);
            assert_eq!(neighbour.run(|| 7).await, 7);
        });
    }
}

/// Runs the test of this name in a program with such a standard error, and `child` there.
#[track_caller]
fn with_stderr(test: &str, stderr: impl FnOnce() -> Stdio, child: impl FnOnce()) {
    if alone::is_child() {
        return child();
    }
    alone::run(test, &[], stderr());
    passed_on("pool");
}

#[cfg(target_os = "linux")]
fn full_disk() -> Stdio {
    let full = OpenOptions::new().write(true).open("/dev/full");
    full.unwrap().into()
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_standard_error() {
    let name = "outlet::a_full_disk_under_standard_error";
    with_stderr(name, full_disk, crashes_harm_nobody);
}

#[test]
fn a_broken_pipe_as_standard_error() {
    let name = "outlet::a_broken_pipe_as_standard_error";
    with_stderr(name, Stdio::piped, crashes_harm_nobody);
}

#[test]
#[cfg(target_os = "linux")]
fn a_closed_standard_error() {
    use std::os::fd::{FromRawFd as _, OwnedFd};

    // The standard library opens a descriptor that is missing at the start: so it is closed later.
    with_stderr("outlet::a_closed_standard_error", Stdio::null, || {
        // SAFETY: this program is here for this only, and nothing in it owns the descriptor.
        drop(unsafe { OwnedFd::from_raw_fd(2) });
        crashes_harm_nobody();
    });
}

/// Prints as many loggers do, by a macro that panics if it cannot.
#[cfg(target_os = "linux")]
#[derive(Default)]
struct Printing {
    failed: AtomicUsize,
}

#[cfg(target_os = "linux")]
impl log::Log for Printing {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.failed.fetch_add(1, Ordering::SeqCst);
        eprintln!("{}", record.args());
        self.failed.fetch_sub(1, Ordering::SeqCst);
    }
    fn flush(&self) {}
}

#[test]
#[cfg(target_os = "linux")]
fn a_logger_that_panics_on_a_full_disk() {
    let name = "outlet::a_logger_that_panics_on_a_full_disk";
    with_stderr(name, full_disk, || {
        let logger: &Printing = Box::leak(Box::default());
        log::set_logger(logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        crashes_harm_nobody();
        assert!(logger.failed.load(Ordering::SeqCst) >= 100);
    });
}
