//! Identities: which process, which monitor.

use std::fmt;

use rekindle_scheduler::TaskId;

/// One life of one process.
///
/// A pid is a plain value: copy it, compare it, send it, keep it in maps. It keeps nothing alive
/// and is never used again for another process (PROC-010). Its first part says which runtime the
/// process lives in, so that pids of two runtimes of one program are never mistaken for each
/// other.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Pid, self_pid, sleep, spawn};
/// use std::time::Duration;
///
/// let pid: Pid = spawn(sleep(Duration::from_secs(1)));
/// assert_ne!(pid, self_pid());
/// // `#` and two numbers, for people: the process's place, and how often that was taken.
/// assert!(pid.to_string().starts_with('#'));
/// # });
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid {
    node: u32,
    task: TaskId,
}

impl Pid {
    pub(crate) fn new(node: u32, task: TaskId) -> Pid {
        Pid { node, task }
    }

    /// The runtime that the process lives in.
    #[must_use]
    pub fn node(self) -> u32 {
        self.node
    }

    pub(crate) fn task(self) -> TaskId {
        self.task
    }
}

/// A pid or nobody's, in the room of a pid.
#[derive(Clone, Copy)]
pub(crate) struct MaybePid(Pid);

impl MaybePid {
    /// Generations start at one.
    pub(crate) const NOBODY: MaybePid = MaybePid(Pid {
        node: 0,
        task: TaskId::from_parts(0, 0),
    });

    #[inline]
    pub(crate) fn get(self) -> Option<Pid> {
        (self.0.task.generation() != 0).then_some(self.0)
    }
}

impl From<Option<Pid>> for MaybePid {
    #[inline]
    fn from(pid: Option<Pid>) -> MaybePid {
        pid.map_or(MaybePid::NOBODY, MaybePid)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("#{}.{}", self.task.index(), self.task.generation());
        f.pad(&text)
    }
}

/// One monitor: made by [`monitor`](crate::monitor), named in the [`Down`](crate::Down) it gives.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{MonitorRef, demonitor, monitor, sleep, spawn};
/// use std::time::Duration;
///
/// let watched = spawn(sleep(Duration::from_secs(1)));
/// // Each monitor has a reference of its own, which its `Down` carries.
/// let (one, two): (MonitorRef, MonitorRef) = (monitor(watched), monitor(watched));
/// assert_ne!(one, two);
/// assert!(demonitor(one) && demonitor(two));
/// # });
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorRef {
    watcher: Pid,
    serial: u64,
}

impl MonitorRef {
    pub(crate) fn new(watcher: Pid, serial: u64) -> MonitorRef {
        MonitorRef { watcher, serial }
    }

    /// The process that watches.
    #[must_use]
    pub fn watcher(self) -> Pid {
        self.watcher
    }

    pub(crate) fn serial(self) -> u64 {
        self.serial
    }
}

impl fmt::Debug for MonitorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MonitorRef({}/{})", self.watcher, self.serial)
    }
}
