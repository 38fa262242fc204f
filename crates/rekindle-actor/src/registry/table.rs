//! What a registry keeps: entries by key, and for each process which entries are its own.
//!
//! | part      | is                                          | changed by                           |
//! |-----------|---------------------------------------------|--------------------------------------|
//! | `stores`  | slot of a key → entries, by serial          | the process that holds the entry     |
//! | `holders` | process → ids of its entries, with the keys | that process                         |
//! | `locks`   | key → who holds its lock, and who waits     | whoever asks for the lock            |
//!
//! Invariants
//! 1. Only the process itself adds, changes and removes its entries: in its turn, or in its end. So
//!    the two maps need not be locked together; a reader may see an entry in one and not yet, or no
//!    more, in the other.
//! 2. An entry's serial is unique in the registry and grows: it is the order of registration.
//! 3. No lock is held while a user's code runs: not for hashing, comparing, cloning, dropping, nor
//!    for a predicate. See `keyed`.
//! 4. A process that has an entry has the table among its `holdings`, and a link with the keeper
//!    of its partition.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::errors::{NotHeld, RegistrationError};
use super::kept::Kept;
use super::keyed::{Closed, Content, Keyed, SlotId, hash_of};
use super::listener::{Listener, News};
use super::lock::Locks;
use super::meta::Meta;
use crate::few::Few;
use crate::link::{link, unlink};
use crate::pid::Pid;
use crate::process::{Holding, Owner};

/// Shards of each map, so that processes which register or end at once do not meet.
const SHARDS: usize = 64;

/// Entries that are looked at, or released, under a lock at a time.
const PAGE: usize = 128;

pub(super) struct Table<K, V> {
    pub(super) name: Option<Arc<str>>,
    /// The processes with which holders are linked, one for each partition.
    partitions: Box<[Pid]>,
    unique: bool,
    /// One; or, if entries are partitioned by process, one for each partition.
    stores: Box<[Keyed<K, Entries<V>>]>,
    holders: Box<[Holders<K>]>,
    serials: Serials,
    pub(super) locks: Locks<K>,
    pub(super) meta: Meta,
    listeners: Vec<Listener<K, V>>,
    closed: AtomicBool,
}

/// The entries of one key, by serial.
type Entries<V> = Few<u64, Held<V>>;

/// One entry: who holds the key, with what value.
pub(super) struct Held<V> {
    pub(super) pid: Pid,
    pub(super) value: Kept<V>,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EntryId {
    slot: SlotId,
    serial: u64,
}

/// Some of the processes that hold keys. Apart from its neighbours' cache lines.
#[repr(align(128))]
struct Holders<K>(Mutex<HeldBy<K>>);

struct HeldBy<K> {
    closed: bool,
    /// Of all processes in this shard.
    entries: usize,
    by_pid: BTreeMap<Pid, Few<EntryId, Kept<K>>>,
}

/// Apart from what is only read.
#[repr(align(128))]
struct Serials(AtomicU64);

/// What a table is made of.
pub(super) struct Blueprint<K, V> {
    pub(super) name: Option<Arc<str>>,
    pub(super) partitions: Box<[Pid]>,
    pub(super) unique: bool,
    pub(super) by_pid: bool,
    pub(super) meta: Meta,
    pub(super) listeners: Vec<Listener<K, V>>,
}

impl<V> Content for Entries<V> {
    fn is_vacant(&self) -> bool {
        self.is_empty()
    }
}

impl<V> Clone for Held<V> {
    fn clone(&self) -> Self {
        Held {
            pid: self.pid,
            value: self.value.clone(),
        }
    }
}

impl<K, V> Table<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(plan: Blueprint<K, V>) -> Table<K, V> {
        let stores = if plan.by_pid {
            plan.partitions.len()
        } else {
            1
        };
        let holders = |_| {
            Holders(Mutex::new(HeldBy {
                closed: false,
                entries: 0,
                by_pid: BTreeMap::new(),
            }))
        };
        Table {
            name: plan.name,
            partitions: plan.partitions,
            unique: plan.unique,
            stores: (0..stores)
                .map(|_| Keyed::new(SHARDS.div_ceil(stores)))
                .collect(),
            holders: (0..SHARDS).map(holders).collect(),
            serials: Serials(AtomicU64::new(1)),
            locks: Locks::new(SHARDS / 4),
            meta: plan.meta,
            listeners: plan.listeners,
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn store_of(&self, pid: Pid) -> &Keyed<K, Entries<V>> {
        &self.stores[self.partition_of(pid) % self.stores.len()]
    }

    pub(super) fn partition_of(&self, pid: Pid) -> usize {
        pid.task().index() as usize % self.partitions.len()
    }

    fn holders_of(&self, pid: Pid) -> &Mutex<HeldBy<K>> {
        &self.holders[pid.task().index() as usize % SHARDS].0
    }

    fn keeper_of(&self, pid: Pid) -> Pid {
        self.partitions[self.partition_of(pid)]
    }

    /// Gives the running process an entry.
    pub(super) fn register(
        self: &Arc<Self>,
        owner: Owner<'_>,
        key: Kept<K>,
        value: V,
    ) -> Result<(), RegistrationError> {
        if owner.private().exiting().is_some() {
            return Err(RegistrationError::Ending);
        }
        let pid = owner.pid();
        let hash = hash_of(&*key);
        let held = Held {
            pid,
            value: Kept::new(value),
        };
        let serial = self.serials.0.fetch_add(1, Ordering::Relaxed);
        let entered = self.store_of(pid).enter(hash, &key, |slot, entries| {
            match entries.first() {
                Some((_, holder)) if self.unique => return Err(holder.pid),
                _ => entries.insert(serial, held.clone()),
            }
            Ok(EntryId { slot, serial })
        });
        let id = match entered {
            Ok(Ok(id)) => id,
            Ok(Err(holder)) => return Err(RegistrationError::AlreadyRegistered(holder)),
            Err(Closed) => return Err(RegistrationError::ended()),
        };
        let mut holders = self.holders_of(pid).lock();
        if holders.closed {
            // Whoever closed the table has taken the entry with the others.
            return Err(RegistrationError::ended());
        }
        holders.entries += 1;
        let own = holders.by_pid.entry(pid).or_default();
        let first = own.is_empty();
        own.insert(id, key.clone());
        drop(holders);
        if first {
            owner.hold(self.clone());
            link(self.keeper_of(pid));
        }
        self.tell(pid, &News::Registered(&key, &held.value));
        Ok(())
    }

    /// Takes away the running process's entries under a key, as far as `chosen` says so of the
    /// value. How many there were.
    pub(super) fn unregister<Q>(
        self: &Arc<Self>,
        owner: Owner<'_>,
        key: &Q,
        mut chosen: impl FnMut(&V) -> bool,
    ) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let pid = owner.pid();
        let Some((slot, ())) = self.store_of(pid).find(hash_of(key), key, |_| ()) else {
            return 0;
        };
        let all = self.held_in(pid, slot);
        let found = all.len();
        let leaving: Vec<_> = all
            .into_iter()
            .filter(|(_, held)| chosen(&held.value))
            .map(|(id, _)| id)
            .collect();
        let mut keys = Vec::new();
        for id in &leaving {
            // Gone, if `chosen` has taken it away itself.
            let Some(key) = self.forget(pid, *id) else {
                continue;
            };
            let removed = self
                .store_of(pid)
                .at(id.slot, |held| held.remove(id.serial));
            drop(removed);
            keys.push(key);
        }
        let Some(key) = keys.first() else { return 0 };
        // Whoever remembers that the process held the key looks again.
        owner
            .process()
            .shared
            .name_epoch
            .fetch_add(1, Ordering::AcqRel);
        if !self.holds_any(pid) {
            let holding: Arc<dyn Holding> = self.clone();
            owner.let_go(&holding);
            unlink(self.keeper_of(pid));
        }
        if leaving.len() == found {
            self.tell(pid, &News::Unregistered(key));
        }
        keys.len()
    }

    /// Takes an entry out of a process's own list.
    fn forget(&self, pid: Pid, id: EntryId) -> Option<Kept<K>> {
        let mut holders = self.holders_of(pid).lock();
        let own = holders.by_pid.get_mut(&pid)?;
        let key = own.remove(id)?;
        if own.is_empty() {
            holders.by_pid.remove(&pid);
        }
        holders.entries -= 1;
        Some(key)
    }

    fn holds_any(&self, pid: Pid) -> bool {
        self.holders_of(pid).lock().by_pid.contains_key(&pid)
    }

    /// The entries of a process in one slot, in order.
    fn held_in(&self, pid: Pid, slot: SlotId) -> Vec<(EntryId, Held<V>)> {
        let mut found = Vec::new();
        let mut after = Some(EntryId { slot, serial: 0 });
        loop {
            let page: Vec<EntryId> = match self.holders_of(pid).lock().by_pid.get(&pid) {
                Some(own) => own
                    .after(after)
                    .map(|(id, _)| id)
                    .take_while(|id| id.slot == slot)
                    .take(PAGE)
                    .collect(),
                None => return found,
            };
            after = page.last().copied();
            for id in &page {
                let held = self
                    .store_of(pid)
                    .at(slot, |entries| entries.get(id.serial).cloned());
                found.extend(held.flatten().map(|held| (*id, held)));
            }
            if page.len() < PAGE {
                return found;
            }
        }
    }

    /// Replaces the value of the running process's entry by what `f` makes of it.
    pub(super) fn update<Q>(
        &self,
        owner: Owner<'_>,
        key: &Q,
        f: impl FnOnce(&V) -> V,
    ) -> Result<(V, V), NotHeld>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        let store = self.store_of(owner.pid());
        let first = |entries: &Entries<V>| {
            let (serial, held) = entries.first()?;
            Some((serial, held.clone()))
        };
        let found = store.find(hash_of(key), key, first);
        let Some((slot, Some((serial, held)))) = found else {
            return Err(NotHeld::Nobody);
        };
        if held.pid != owner.pid() {
            return Err(NotHeld::By(held.pid));
        }
        let (new, old) = (f(&held.value), (*held.value).clone());
        let mut kept = Kept::new(new.clone());
        let replaced = store.at(slot, |entries| {
            let held = entries.get_mut(serial)?;
            std::mem::swap(&mut held.value, &mut kept);
            Some(())
        });
        match replaced.flatten() {
            Some(()) => Ok((new, old)),
            // `f` has unregistered the key.
            None => Err(NotHeld::Nobody),
        }
    }

    /// The entries of a key, in order of registration.
    pub(super) fn lookup<Q>(&self, key: &Q) -> Vec<Held<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = hash_of(key);
        let mut found = Vec::new();
        for store in &self.stores {
            let page = |entries: &Entries<V>, after: Option<u64>| -> Vec<(u64, Held<V>)> {
                let page = entries.after(after).take(PAGE);
                page.map(|(serial, held)| (serial, held.clone())).collect()
            };
            let Some((slot, mut some)) = store.find(hash, key, |entries| page(entries, None))
            else {
                continue;
            };
            loop {
                let (full, last) = (some.len() == PAGE, some.last().map(|(serial, _)| *serial));
                found.append(&mut some);
                if !full {
                    break;
                }
                some = store
                    .at(slot, |entries| page(entries, last))
                    .unwrap_or_default();
            }
        }
        if self.stores.len() > 1 {
            found.sort_by_key(|(serial, _)| *serial);
        }
        found.into_iter().map(|(_, held)| held).collect()
    }

    /// The holder of a key, in a registry of unique keys.
    pub(super) fn first<Q>(&self, key: &Q) -> Option<Held<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let first = |entries: &Entries<V>| entries.first().map(|(_, held)| held.clone());
        self.stores[0].find(hash_of(key), key, first)?.1
    }

    /// The entries of a key, by partition, for the partitions that have any.
    pub(super) fn lookup_by_partition<Q>(&self, key: &Q) -> Vec<Vec<Held<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut groups: BTreeMap<usize, Vec<Held<V>>> = BTreeMap::new();
        for held in self.lookup(key) {
            let group = self.partition_of(held.pid) % self.stores.len();
            groups.entry(group).or_default().push(held);
        }
        groups.into_values().collect()
    }

    /// The keys of a process, one for each of its entries.
    pub(super) fn keys(&self, pid: Pid) -> Vec<Kept<K>> {
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let holders = self.holders_of(pid).lock();
            let Some(own) = holders.by_pid.get(&pid) else {
                break;
            };
            let before = keys.len();
            for (id, key) in own.after(after).take(PAGE) {
                after = Some(id);
                keys.push((id.serial, key.clone()));
            }
            drop(holders);
            if keys.len() - before < PAGE {
                break;
            }
        }
        keys.sort_by_key(|(serial, _)| *serial);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// The values of a process under a key, in order of registration.
    pub(super) fn values<Q>(&self, key: &Q, pid: Pid) -> Vec<Kept<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let Some((slot, ())) = self.store_of(pid).find(hash_of(key), key, |_| ()) else {
            return Vec::new();
        };
        let held = self.held_in(pid, slot).into_iter();
        held.map(|(_, held)| held.value).collect()
    }

    pub(super) fn count(&self) -> usize {
        let entries = |holders: &Holders<K>| holders.0.lock().entries;
        self.holders.iter().map(entries).sum()
    }

    /// Shows every entry, page by page.
    pub(super) fn each(&self, mut show: impl FnMut(&K, Pid, &V)) {
        for store in &self.stores {
            for shard in 0..store.shards() {
                let mut last: Option<EntryId> = None;
                loop {
                    let mut page = Vec::new();
                    store.look(shard, last.map(|id| id.slot), |slots| {
                        for (slot, content) in slots {
                            let after = last.filter(|last| last.slot == slot).map(|id| id.serial);
                            for (serial, held) in content.content.after(after) {
                                if page.len() == PAGE {
                                    return;
                                }
                                page.push((content.key.clone(), held.clone()));
                                last = Some(EntryId { slot, serial });
                            }
                        }
                    });
                    for (key, held) in &page {
                        show(key, held.pid, &held.value);
                    }
                    if page.len() < PAGE {
                        break;
                    }
                }
            }
        }
    }

    /// The registry ends: it is empty, and takes nothing any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for store in &self.stores {
            store.close().for_each(drop);
        }
        for holders in &self.holders {
            let mut holders = holders.0.lock();
            holders.closed = true;
            holders.entries = 0;
            let by_pid = std::mem::take(&mut holders.by_pid);
            drop(holders);
            drop(by_pid);
        }
        self.locks.close();
    }

    fn tell(&self, pid: Pid, news: &News<'_, K, V>) {
        for listener in &self.listeners {
            listener.tell(self.name.as_ref(), pid, news);
        }
    }
}

impl<K, V> Holding for Table<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn release(&self, holder: Pid) -> bool {
        let mut page = Vec::new();
        let mut holders = self.holders_of(holder).lock();
        let Some(own) = holders.by_pid.get_mut(&holder) else {
            return true;
        };
        while page.len() < PAGE
            && let Some(entry) = own.pop_first()
        {
            page.push(entry);
        }
        let done = own.is_empty();
        if done {
            holders.by_pid.remove(&holder);
        }
        holders.entries -= page.len();
        drop(holders);
        for (id, _key) in page {
            let store = self.store_of(holder);
            drop(store.at(id.slot, |entries| entries.remove(id.serial)));
        }
        done
    }

    fn is_over(&self) -> bool {
        self.is_closed()
    }
}
