//! What a process can ask and say about itself.

use std::sync::atomic::Ordering;

use crate::exit::{ExitReason, Raised};
use crate::link::within;
use crate::pid::Pid;
use crate::process::Owner;

/// The running process.
///
/// # Panics
///
/// Outside of a process.
#[track_caller]
#[must_use]
pub fn self_pid() -> Pid {
    within("self_pid", |owner| owner.pid())
}

/// The running process, or `None` outside of one.
#[must_use]
pub fn try_self_pid() -> Option<Pid> {
    Owner::current(|owner| owner.map(|owner| owner.pid()))
}

/// The process that spawned the running one. It may be dead.
///
/// # Panics
///
/// Outside of a process.
#[must_use]
pub fn parent() -> Option<Pid> {
    within("parent", |owner| owner.process().parent())
}

/// The process whose exit is the running one's end: see [`Process::guardian`].
///
/// [`Process::guardian`]: crate::process::Process::guardian
pub(crate) fn guardian() -> Option<Pid> {
    within("guardian", |owner| owner.process().guardian())
}

/// Sets whether the running process receives exit signals as messages; gives the old setting.
///
/// Off at the start of every process (TRAP-001, TRAP-005). What counts is the setting at the
/// moment when a signal is received, not when it was sent. [`ExitReason::Kill`] cannot be
/// trapped.
///
/// # Panics
///
/// Outside of a process.
pub fn trap_exit(on: bool) -> bool {
    within("trap_exit", |owner| {
        owner.process().traps.swap(on, Ordering::Relaxed)
    })
}

/// Ends the running process with a reason, from any depth of its code, as if by a panic: values
/// on the way are dropped. A behaviour runs its `terminate` first.
///
/// # Panics
///
/// That is how it works; outside of a process it is an ordinary panic.
pub fn raise(reason: ExitReason) -> ! {
    if try_self_pid().is_none() {
        panic!("`raise` outside of a process, with the reason: {reason}");
    }
    // Without the panic hook: this is an end on purpose.
    std::panic::resume_unwind(Box::new(Raised(reason)))
}
