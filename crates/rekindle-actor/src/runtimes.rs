//! Which runtimes there are in this program.
//!
//! A pid names its runtime. Nearly always that is the running one, and nothing here is touched
//! but a comparison; a message to a process of another runtime, or from a thread of none, looks
//! the runtime up. A transport to other nodes will join here: this is the one path of signals by
//! pid.

use parking_lot::Mutex;
use rekindle_scheduler::{self as scheduler, Handle, TaskView};

use crate::pid::Pid;
use crate::process::Process;

static LIVING: Mutex<Vec<Handle>> = Mutex::new(Vec::new());

/// Makes a runtime known, while the value lives.
#[derive(Debug)]
pub(crate) struct Known(u32);

impl Known {
    pub(crate) fn new(handle: Handle) -> Known {
        let node = handle.runtime_id();
        LIVING.lock().push(handle);
        Known(node)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        let mut living = LIVING.lock();
        let at = living
            .iter()
            .position(|handle| handle.runtime_id() == self.0);
        let handle = at.map(|at| living.swap_remove(at));
        drop(living);
        // The handle may be the last of its runtime; it must not go under the lock.
        drop(handle);
    }
}

/// Runs `f` with the runtime of this number, if it lives. `f`'s own `None` is `None` as well.
#[inline]
pub(crate) fn with<R>(node: u32, f: impl FnOnce(&Handle) -> Option<R>) -> Option<R> {
    scheduler::with_handle(|running| match running {
        Some(handle) if handle.runtime_id() == node => f(handle),
        _ => {
            let living = LIVING.lock();
            let found = living
                .iter()
                .find(|handle| handle.runtime_id() == node)
                .cloned();
            drop(living);
            f(&found?)
        }
    })
}

/// Looks at a process, under its slot's lock: `f` must be short and must not call foreign code.
pub(crate) fn with_process<R>(pid: Pid, f: impl FnOnce(TaskView<'_>, &Process) -> R) -> Option<R> {
    with(pid.node(), |handle| {
        handle
            .with_task(pid.task(), |view| Some(f(view, view.host::<Process>()?)))
            .flatten()
    })
}
