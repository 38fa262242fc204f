//! Names: a process may hold one, and is found by it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use rekindle_scheduler as scheduler;

use crate::pid::Pid;
use crate::runtimes;
use crate::system::System;

/// Shards, so that registration scales and a growing map never stops everybody.
const SHARDS: usize = 64;

/// The names of one runtime.
#[derive(Debug)]
pub(crate) struct Names {
    shards: [Mutex<BTreeMap<Arc<str>, Pid>>; SHARDS],
}

impl Default for Names {
    fn default() -> Self {
        Names {
            shards: [const { Mutex::new(BTreeMap::new()) }; SHARDS],
        }
    }
}

impl Names {
    fn shard(&self, name: &str) -> &Mutex<BTreeMap<Arc<str>, Pid>> {
        // FNV-1a: the same in every run, as the simulator needs it.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        &self.shards[hash as usize % SHARDS]
    }

    pub(crate) fn get(&self, name: &str) -> Option<Pid> {
        self.shard(name).lock().get(name).copied()
    }

    pub(crate) fn all(&self) -> Vec<(Arc<str>, Pid)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.lock().iter().map(|(name, pid)| (name.clone(), *pid)));
        }
        all.sort();
        all
    }
}

/// Why a name was not given.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{RegisterError, register, self_pid};
///
/// assert_eq!(register("", self_pid()), Err(RegisterError::Empty));
/// register("here", self_pid()).unwrap();
/// let again = register("there", self_pid()).unwrap_err();
/// assert_eq!(again.to_string(), r#"the process is named "here" already"#);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// Somebody holds the name.
    Taken(Pid),
    /// The process holds a name already: a process has at most one (PROC-003).
    HasName(Arc<str>),
    /// There is no such process.
    NoProc,
    /// An empty name is no name.
    Empty,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::Taken(pid) => write!(f, "the name is held by {pid}"),
            RegisterError::HasName(name) => write!(f, "the process is named {name:?} already"),
            RegisterError::NoProc => f.write_str("there is no such process"),
            RegisterError::Empty => f.write_str("a name must not be empty"),
        }
    }
}

impl std::error::Error for RegisterError {}

/// Nobody holds the name.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{NotRegistered, unregister};
///
/// assert_eq!(unregister("nobody"), Err(NotRegistered));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRegistered;

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody holds the name")
    }
}

impl std::error::Error for NotRegistered {}

/// Gives a process a name, in its own runtime.
///
/// The name is free again when the process ends, before anyone hears of its end.
///
/// # Errors
///
/// If the name is taken (the holder keeps it), the process has a name, or is dead.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{RegisterError, register, self_pid, sleep, spawn, whereis};
/// use std::time::Duration;
///
/// register("here", self_pid()).unwrap();
/// assert_eq!(whereis("here"), Some(self_pid()));
/// let other = spawn(sleep(Duration::from_secs(1)));
/// assert_eq!(register("here", other), Err(RegisterError::Taken(self_pid())));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn register(name: impl Into<Arc<str>>, pid: Pid) -> Result<(), RegisterError> {
    let name = name.into();
    if name.is_empty() {
        return Err(RegisterError::Empty);
    }
    runtimes::with(pid.node(), |handle| {
        let task = handle.lookup(pid.task())?;
        let process: &crate::process::Process = task.view().host()?;
        let names = &System::of(handle)?.names;
        // Lock order: a shard, then a process.
        let mut shard = names.shard(&name).lock();
        if let Some(holder) = shard.get(&name) {
            return Some(Err(RegisterError::Taken(*holder)));
        }
        let mut shared = process.shared();
        if shared.ended().is_some() {
            return None;
        }
        let slot = &mut shared.make_rare().name;
        if let Some(name) = slot {
            return Some(Err(RegisterError::HasName(name.clone())));
        }
        *slot = Some(name.clone());
        process.shared.name_epoch.fetch_add(1, Ordering::AcqRel);
        shard.insert(name, pid);
        Some(Ok(()))
    })
    .unwrap_or(Err(RegisterError::NoProc))
}

/// Frees a name of the running runtime.
///
/// # Errors
///
/// If nobody holds it.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{register, self_pid, unregister, whereis};
///
/// register("main", self_pid()).unwrap();
/// unregister("main").unwrap();
/// assert_eq!(whereis("main"), None);
/// # });
/// ```
pub fn unregister(name: &str) -> Result<(), NotRegistered> {
    let holder = with_names(|names| names.get(name))
        .flatten()
        .ok_or(NotRegistered)?;
    let freed = runtimes::with(holder.node(), |handle| {
        let task = handle.lookup(holder.task())?;
        let process: &crate::process::Process = task.view().host()?;
        let mut shard = System::of(handle)?.names.shard(name).lock();
        let mut shared = process.shared();
        let slot = &mut shared.rare_mut()?.name;
        if slot.as_deref() != Some(name) {
            return None;
        }
        *slot = None;
        process.shared.name_epoch.fetch_add(1, Ordering::AcqRel);
        shard.remove(name)
    });
    freed.map(drop).ok_or(NotRegistered)
}

/// Who holds a name, in the running runtime.
///
/// Outside of a runtime nobody does.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{register, self_pid, whereis};
///
/// assert_eq!(whereis("main"), None);
/// register("main", self_pid()).unwrap();
/// assert_eq!(whereis("main"), Some(self_pid()));
/// # });
/// ```
#[must_use]
pub fn whereis(name: &str) -> Option<Pid> {
    with_names(|names| names.get(name)).flatten()
}

/// All names of the running runtime with their holders, in order.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{register, registered, self_pid};
///
/// register("main", self_pid()).unwrap();
/// assert_eq!(registered(), [("main".into(), self_pid())]);
/// # });
/// ```
#[must_use]
pub fn registered() -> Vec<(Arc<str>, Pid)> {
    with_names(Names::all).unwrap_or_default()
}

fn with_names<R>(f: impl FnOnce(&Names) -> R) -> Option<R> {
    scheduler::with_handle(|handle| handle.and_then(System::of).map(|system| f(&system.names)))
}

/// The holder ends.
pub(crate) fn free(holder: Pid, name: &Arc<str>) {
    runtimes::with(holder.node(), |handle| {
        let mut shard = System::of(handle)?.names.shard(name).lock();
        if shard.get(name) == Some(&holder) {
            shard.remove(name);
        }
        Some(())
    });
}
