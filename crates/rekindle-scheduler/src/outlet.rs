//! What is written to the log, by a logger that is the user's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::task::discard_payload;

/// Calls `write`, which writes to the log. A panic in it ends here, and what was to be written is
/// lost.
///
/// Many loggers print with macros that panic when standard error cannot be written to: when the
/// disk is full, or whoever reads the pipe has gone. That must not end the process that has
/// something to say, and still less the thread of a runtime, with which the program would end.
///
/// ```
/// rekindle_scheduler::log_guarded(|| panic!("no space left on device"));
/// ```
pub fn log_guarded(write: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(write)) {
        discard_payload(payload);
    }
}
