//! Names: a process may hold one, and is found by it.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::Mutex;
use rekindle_scheduler as scheduler;

use crate::pid::Pid;
use crate::runtimes;
use crate::system::System;

/// Shards, so that registration scales, and a table that grows stops those of one shard only, for
/// as long as a sixty-fourth of all names takes (none of them is looked at).
const SHARDS: usize = 64;

/// Below so many places a table does not shrink.
const SMALL: usize = 64;

/// The names of one runtime.
#[derive(Debug)]
pub(crate) struct Names {
    shards: [Mutex<HashTable<Named>>; SHARDS],
    /// Nobody can choose names that lie in one place: its seed is chance, and nothing that can be
    /// seen depends on it.
    hasher: DefaultHashBuilder,
}

impl Default for Names {
    fn default() -> Self {
        Names {
            shards: [const { Mutex::new(HashTable::new()) }; SHARDS],
            hasher: DefaultHashBuilder::default(),
        }
    }
}

/// Two of them are a line.
#[derive(Debug)]
struct Named {
    name: Arc<str>,
    pid: Pid,
    hash: Hash,
}

/// Half of what the hasher makes: enough for a shard, and a place in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hash(u32);

impl Hash {
    /// For the table: it takes a place from the lower bits, and a tag from the uppermost.
    fn spread(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }

    /// From bits beside the tag's, which only a table of half a million places has a use for.
    fn shard(self) -> usize {
        (self.0 >> 19) as usize % SHARDS
    }
}

impl Named {
    fn is(&self, name: &str, hash: Hash) -> bool {
        self.hash == hash && *self.name == *name
    }
}

impl Names {
    fn hash(&self, name: &str) -> Hash {
        Hash(self.hasher.hash_one(name) as u32)
    }

    fn shard(&self, hash: Hash) -> &Mutex<HashTable<Named>> {
        &self.shards[hash.shard()]
    }

    pub(crate) fn get(&self, name: &str) -> Option<Pid> {
        let hash = self.hash(name);
        let shard = self.shard(hash).lock();
        let named = shard.find(hash.spread(), |named| named.is(name, hash))?;
        Some(named.pid)
    }

    /// Enters a name for a process, if `allow` says so; it is asked under the lock, and only if the
    /// name is free.
    fn enter(
        &self,
        name: Arc<str>,
        pid: Pid,
        allow: impl FnOnce(&Arc<str>) -> Result<(), RegisterError>,
    ) -> Result<(), RegisterError> {
        let hash = self.hash(&name);
        let mut shard = self.shard(hash).lock();
        let is = |named: &Named| named.is(&name, hash);
        match shard.entry(hash.spread(), is, |named| named.hash.spread()) {
            Entry::Occupied(named) => Err(RegisterError::Taken(named.get().pid)),
            Entry::Vacant(place) => {
                allow(&name)?;
                place.insert(Named { name, pid, hash });
                Ok(())
            }
        }
    }

    /// Takes a name away from a process, if it holds it and `allow` says so, which is asked under
    /// the lock.
    fn remove(&self, name: &str, pid: Pid, allow: impl FnOnce() -> bool) -> bool {
        let hash = self.hash(name);
        let mut shard = self.shard(hash).lock();
        let is = |named: &Named| named.pid == pid && named.is(name, hash);
        let Ok(named) = shard.find_entry(hash.spread(), is) else {
            return false;
        };
        if !allow() {
            return false;
        }
        let (gone, _) = named.remove();
        if shard.capacity() > SMALL && shard.len() < shard.capacity() / 8 {
            let room = shard.len() * 2;
            shard.shrink_to(room, |named| named.hash.spread());
        }
        drop(shard);
        drop(gone);
        true
    }

    pub(crate) fn all(&self) -> Vec<(Arc<str>, Pid)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            all.extend(shard.iter().map(|named| (named.name.clone(), named.pid)));
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
        // Lock order: a shard, then a process.
        let entered = System::of(handle)?.names.enter(name, pid, |name| {
            let mut shared = process.shared();
            if shared.ended().is_some() {
                return Err(RegisterError::NoProc);
            }
            let slot = &mut shared.make_rare().name;
            if let Some(name) = slot {
                return Err(RegisterError::HasName(name.clone()));
            }
            *slot = Some(name.clone());
            process.shared.name_epoch.fetch_add(1, Ordering::AcqRel);
            Ok(())
        });
        Some(entered)
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
        let freed = System::of(handle)?.names.remove(name, holder, || {
            let mut shared = process.shared();
            let Some(slot) = shared.rare_mut().map(|rare| &mut rare.name) else {
                return false;
            };
            if slot.as_deref() != Some(name) {
                return false;
            }
            *slot = None;
            process.shared.name_epoch.fetch_add(1, Ordering::AcqRel);
            true
        });
        freed.then_some(())
    });
    freed.ok_or(NotRegistered)
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
        System::of(handle)?.names.remove(name, holder, || true);
        Some(())
    });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use rekindle_scheduler::TaskId;

    use super::*;

    fn pid(n: u32) -> Pid {
        Pid::new(0, TaskId::from_parts(n, 1))
    }

    fn name(n: u32) -> Arc<str> {
        format!("process {n}").into()
    }

    fn places(names: &Names) -> usize {
        let capacity = |shard: &Mutex<HashTable<Named>>| shard.lock().capacity();
        names.shards.iter().map(capacity).sum()
    }

    #[test]
    fn many_names_come_and_go_and_leave_no_room_behind() {
        const MANY: u32 = 50_000;
        let names = Names::default();
        for n in 0..MANY {
            assert_eq!(names.enter(name(n), pid(n), |_| Ok(())), Ok(()));
        }
        let taken = names.enter(name(7), pid(MANY), |_| Ok(()));
        assert_eq!(taken, Err(RegisterError::Taken(pid(7))));
        assert_eq!(names.all().len(), MANY as usize);
        assert!(places(&names) >= MANY as usize);

        for n in 0..MANY {
            assert_eq!(names.get(&name(n)), Some(pid(n)));
            // Not as long as its holder says no, nor for another one.
            assert!(!names.remove(&name(n), pid(n), || false));
            assert!(!names.remove(&name(n), pid(n + 1), || true));
            assert!(names.remove(&name(n), pid(n), || true));
            assert_eq!(names.get(&name(n)), None);
        }
        assert_eq!(names.all(), []);
        assert!(places(&names) <= SHARDS * SMALL);
    }

    #[test]
    fn a_name_that_was_refused_is_free() {
        let names = Names::default();
        let refused = names.enter(name(1), pid(1), |_| Err(RegisterError::NoProc));
        assert_eq!(refused, Err(RegisterError::NoProc));
        assert_eq!(names.get(&name(1)), None);
        assert_eq!(names.enter(name(1), pid(2), |_| Ok(())), Ok(()));
    }
}
