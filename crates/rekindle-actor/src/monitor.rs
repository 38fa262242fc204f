//! Monitors: one process is told when another ends.

use std::sync::Arc;

use crate::exit::ExitReason;
use crate::link::within;
use crate::mailbox;
use crate::names;
use crate::pid::{MonitorRef, Pid};
use crate::process::Owner;
use crate::signal::{self, Signal};

/// A monitored process has ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Down {
    /// Which monitor.
    pub reference: MonitorRef,
    /// Which process; `None` when a name was monitored that nobody held.
    pub pid: Option<Pid>,
    /// The name, when the monitor was made by name.
    pub name: Option<Arc<str>>,
    /// Why it ended; [`ExitReason::NoProc`] when it was not there to begin with.
    pub reason: ExitReason,
}

/// What a process watches.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) pid: Option<Pid>,
}

/// Watches a process: when it ends, the running process gets one [`Down`].
///
/// If it is dead already, `Down` comes at once, with [`ExitReason::NoProc`]. Each call makes a
/// monitor of its own. A monitor on oneself never fires.
///
/// # Panics
///
/// Outside of a process.
pub fn monitor(target: Pid) -> MonitorRef {
    within("monitor", |owner| watch(owner, Some(target), None))
}

/// Watches whoever holds a name now; `Down` then carries the name.
///
/// # Panics
///
/// Outside of a process.
pub fn monitor_name(name: &str) -> MonitorRef {
    within("monitor_name", |owner| {
        watch(owner, names::whereis(name), Some(name.into()))
    })
}

fn watch(owner: Owner<'_>, target: Option<Pid>, name: Option<Arc<str>>) -> MonitorRef {
    let reference = expect_down(owner, target);
    if target == Some(owner.pid()) {
        return reference;
    }
    let sent = target.is_some_and(|pid| {
        signal::try_send(
            pid,
            Signal::Monitor {
                reference,
                name: name.clone(),
            },
        )
        .is_ok()
    });
    if !sent {
        let down = Down {
            reference,
            pid: target,
            name,
            reason: ExitReason::NoProc,
        };
        signal::send(owner.pid(), Signal::Down(down));
    }
    reference
}

/// Notes that a `Down` of `target` is expected.
pub(crate) fn expect_down(owner: Owner<'_>, target: Option<Pid>) -> MonitorRef {
    let serial = owner.private().next_serial();
    owner
        .process()
        .shared
        .lock()
        .rare()
        .monitors
        .insert(serial, Watched { pid: target });
    MonitorRef::new(owner.pid(), serial)
}

/// Takes a monitor away; `true` if it was still there, that is, no `Down` has been received.
///
/// A `Down` that is in the mailbox already stays there; see [`demonitor_flush`]. A reference that
/// is unknown, used up, or another process's has no effect (MON-007, MON-008).
///
/// # Panics
///
/// Outside of a process.
pub fn demonitor(reference: MonitorRef) -> bool {
    within("demonitor", |owner| {
        if reference.watcher() != owner.pid() {
            return false;
        }
        let mut shared = owner.process().shared.lock();
        let watched = shared
            .rare
            .as_mut()
            .and_then(|r| r.monitors.remove(&reference.serial()));
        drop(shared);
        let Some(watched) = watched else { return false };
        if let Some(pid) = watched.pid {
            signal::send(pid, Signal::Demonitor { reference });
        }
        true
    })
}

/// As [`demonitor`], and takes its `Down` out of the mailbox if it is there already.
///
/// # Panics
///
/// Outside of a process.
pub fn demonitor_flush(reference: MonitorRef) -> bool {
    let was_there = demonitor(reference);
    if !was_there {
        within("demonitor_flush", |owner| {
            let found = mailbox::take_down(owner, reference);
            found.into_iter().for_each(mailbox::discard);
        });
    }
    was_there
}

/// Whether the monitor still stands; it is used up by the question.
pub(crate) fn is_watched(owner: Owner<'_>, reference: MonitorRef) -> bool {
    let mut shared = owner.process().shared.lock();
    let Some(rare) = &mut shared.rare else {
        return false;
    };
    rare.monitors.remove(&reference.serial()).is_some()
}

/// Tells a watcher of the end of `dead`.
pub(crate) fn notify(dead: Pid, reference: MonitorRef, name: Option<Arc<str>>, why: &ExitReason) {
    let down = Down {
        reference,
        pid: Some(dead),
        name,
        reason: why.clone(),
    };
    signal::send(reference.watcher(), Signal::Down(down));
}
