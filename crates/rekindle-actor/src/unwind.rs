//! Panics at the edge of a process: noting where they happened, and swallowing what they carry.
//!
//! The standard hook would print each panic to stderr. Inside a process that is the crash
//! report's work, so a hook of ours notes the place for the report and stays silent; outside
//! processes it calls the hook that was there before.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// How many process turns this thread is inside of (more than one under nested runtimes).
    static INSIDE: Cell<usize> = const { Cell::new(0) };
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// What the hook saw of the last panic.
struct Noted {
    location: Option<String>,
    backtrace: Option<String>,
}

/// Installs the hook, once per program.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A thread that ends has no thread-locals any more.
            if INSIDE.try_with(Cell::get).unwrap_or(0) == 0 {
                return previous(info);
            }
            let backtrace = Backtrace::capture();
            let captured = backtrace.status() == BacktraceStatus::Captured;
            let noted = Noted {
                location: info.location().map(ToString::to_string),
                backtrace: captured.then(|| backtrace.to_string()),
            };
            NOTED.with(|slot| {
                if let Ok(mut slot) = slot.try_borrow_mut() {
                    *slot = Some(noted);
                }
            });
        }));
    });
}

/// Marks the thread as inside a process's code while it lives.
pub(crate) struct Inside;

impl Inside {
    #[inline]
    pub(crate) fn enter() -> Inside {
        INSIDE.set(INSIDE.get() + 1);
        Inside
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}

/// Place and backtrace of the panic that was just caught.
pub(crate) fn take_noted() -> (Option<String>, Option<String>) {
    match NOTED.take() {
        Some(noted) => (noted.location, noted.backtrace),
        None => (None, None),
    }
}

/// Runs foreign code; a panic comes back as what it carried.
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops a foreign value; a panic on the way is swallowed. `false` if there was one.
pub(crate) fn discard<T>(value: T) -> bool {
    match catch(move || drop(value)) {
        Ok(()) => true,
        Err(payload) => {
            // The payload's own drop may panic as well; then it is forgotten.
            if let Err(second) = catch(move || drop(payload)) {
                std::mem::forget(second);
            }
            false
        }
    }
}
