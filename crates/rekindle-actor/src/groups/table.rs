//! Who is in which group: read by everybody, written by the scope's process alone.
//!
//! Reading takes no message. A group's members lie behind an `Arc`, so that a reader holds the
//! lock for as long as it takes to count one reference, and never while it sends: foreign code
//! runs on what the reader holds, not under the lock. (Comparing keys is the exception.) A change
//! copies the list only if a reader holds it.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rekindle_scheduler as scheduler;

use crate::pid::Pid;
use crate::recipient::Recipient;
use crate::runtimes;
use crate::system::System;
use crate::unwind;

/// A member of a group, and how to send to it.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Groups, Mailbox, info, spawn};
///
/// let pool = Groups::<&str, u32>::start("pool").await.unwrap();
/// for _ in 0..2 {
///     let worker = spawn(|mut inbox: Mailbox<u32>| async move { drop(inbox.recv().await) });
///     pool.join("idle", &worker.recipient()).await.unwrap();
/// }
/// // The one with the least to do.
/// let members = pool.members(&"idle");
/// let waiting = |pid| info(pid).map_or(usize::MAX, |seen| seen.mailbox);
/// let member = members.iter().min_by_key(|member| waiting(member.pid())).unwrap();
/// member.send(7);
/// assert_eq!(waiting(member.pid()), 1);
/// # });
/// ```
pub struct Member<M> {
    pub(super) pid: Pid,
    pub(super) recipient: Recipient<M>,
}

impl<M: Send + 'static> Member<M> {
    /// The process that joined.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The address it joined with.
    #[must_use]
    pub fn recipient(&self) -> &Recipient<M> {
        &self.recipient
    }

    /// Sends to it; without a word if it is dead. Never waits.
    pub fn send(&self, message: M) {
        self.recipient.send(message);
    }
}

impl<M> Clone for Member<M> {
    fn clone(&self) -> Self {
        Member {
            pid: self.pid,
            recipient: self.recipient.clone(),
        }
    }
}

impl<M> fmt::Debug for Member<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.pid).finish()
    }
}

/// The members of one group, in the order in which they joined.
type Members<M> = Arc<Vec<Member<M>>>;

/// The groups of one scope. A group without members is not there.
pub(super) struct Table<K, M>(RwLock<BTreeMap<K, Members<M>>>);

impl<K: Ord + Clone, M> Table<K, M> {
    pub(super) fn new() -> Self {
        Table(RwLock::new(BTreeMap::new()))
    }

    pub(super) fn members(&self, group: &K) -> Members<M> {
        self.0.read().get(group).cloned().unwrap_or_default()
    }

    /// How many memberships there are in a group.
    pub(super) fn len(&self, group: &K) -> usize {
        self.0.read().get(group).map_or(0, |members| members.len())
    }

    pub(super) fn groups(&self) -> Vec<K> {
        self.0.read().keys().cloned().collect()
    }

    pub(super) fn all_pids(&self) -> BTreeMap<K, Vec<Pid>> {
        let groups = self.0.read();
        let pids = |members: &Members<M>| members.iter().map(|member| member.pid).collect();
        groups.iter().map(|(k, m)| (k.clone(), pids(m))).collect()
    }

    pub(super) fn join(&self, group: &K, joining: &[Member<M>]) {
        let mut groups = self.0.write();
        match groups.get_mut(group) {
            Some(members) => Arc::make_mut(members).extend_from_slice(joining),
            None => drop(groups.insert(group.clone(), Arc::new(joining.to_vec()))),
        }
    }

    /// Takes memberships away, of each of these processes so many, the oldest. Looks once at every member,
    /// however many leave.
    pub(super) fn leave(&self, group: &K, mut leaving: BTreeMap<Pid, usize>) {
        let mut groups = self.0.write();
        let Some(members) = groups.get_mut(group) else {
            return;
        };
        let list = Arc::make_mut(members);
        let leaves = |member: &mut Member<M>| match leaving.get_mut(&member.pid) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        };
        let left: Vec<_> = list.extract_if(.., leaves).collect();
        let emptied = list.is_empty().then(|| groups.remove_entry(group));
        drop(groups);
        // Outside of the lock: keys and recipients are foreign.
        unwind::discard(emptied);
        unwind::discard(left);
    }

    fn clear(&self) {
        let groups = std::mem::take(&mut *self.0.write());
        unwind::discard(groups);
    }
}

/// The tables of the scopes of one runtime, by the pids of their processes.
#[derive(Default)]
pub(crate) struct Tables(Mutex<BTreeMap<Pid, Arc<dyn Any + Send + Sync>>>);

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().keys()).finish()
    }
}

/// The table of a scope's process.
pub(super) fn find<K, M>(scope: Pid) -> Option<Arc<Table<K, M>>>
where
    K: Send + Sync + 'static,
    M: Send + 'static,
{
    let found = scheduler::with_handle(|handle| {
        let system = handle.and_then(System::of)?;
        system.tables.0.lock().get(&scope).cloned()
    });
    found?.downcast().ok()
}

/// A table that others can find, until this is dropped with the state of the scope's process:
/// before the name of the scope is free again.
pub(super) struct Published<K: Ord + Clone, M> {
    scope: Pid,
    pub(super) table: Arc<Table<K, M>>,
}

impl<K, M> Published<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    pub(super) fn by(scope: Pid) -> Self {
        let table = Arc::new(Table::<K, M>::new());
        runtimes::with(scope.node(), |handle| {
            let tables = &System::of(handle)?.tables;
            tables.0.lock().insert(scope, table.clone())
        });
        Published { scope, table }
    }
}

impl<K: Ord + Clone, M> Drop for Published<K, M> {
    fn drop(&mut self) {
        let gone = runtimes::with(self.scope.node(), |handle| {
            System::of(handle)?.tables.0.lock().remove(&self.scope)
        });
        drop(gone);
        // Whoever still has the table must not take the dead scope's members for members.
        self.table.clear();
    }
}
