//! From an id to a task.
//!
//! A slot holds a pointer to the cell and a generation. Slots lie in buckets that double in size
//! and never move, so a lookup is two loads and no lock protects the table as a whole. What needs
//! protection is the pointer: a sender that found it must not be overtaken by the end of the
//! task. Each slot therefore has a lock of one bit, held for the few instructions of one push.
//! Reference counts at each lookup were rejected (two contended operations more), and epochs too
//! (they delay the reuse of the memory, which spawning lives on); `docs/design/process-table.md`
//! has the comparison.
//!
//! Free slots live in the stock of a worker ([`SlotCache`]) and travel to and from the common
//! pool 256 at a time, so that spawning and ending touch no line that another worker writes.
//!
//! | LOCKED | task     | meaning                                                      |
//! |--------|----------|--------------------------------------------------------------|
//! |   0    | null     | free: in a stock, in the common pool, or about to be filled  |
//! |   0    | a cell   | occupied                                                     |
//! |   1    | any      | somebody pushes, or the task's end takes the pointer out     |
//!
//! Invariants
//! 1. `task` is written by whoever took the slot from a stock (once, publishing) and by the
//!    task's end, under the lock.
//! 2. A cell's own reference is released only after its slot was vacated. So a pointer read
//!    under the lock points to live memory until the lock is released.
//! 3. The generation changes under the lock, when the slot is vacated. An id matches only while
//!    the very task it was made for is in the slot.
//! 4. A slot whose generation reaches the limit is never used again: an id never comes back.
//! 5. No foreign code runs under a slot's lock.

use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use crate::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use crate::sync::{Mutex, hint, thread};
use crate::task::{Header, TaskId, TaskRef, TaskView};

/// Slots that travel together between a stock and the common pool.
const BATCH: usize = if cfg!(loom) { 2 } else { 256 };
/// Slots in the first bucket; each further bucket doubles the table.
const FIRST: u32 = if cfg!(loom) { 2 } else { 256 };
/// Enough buckets for every index of 32 bits.
const BUCKETS: usize = 24;
/// Spins before a waiting thread gives its processor away.
const SPINS: u32 = 64;

/// One place in the table.
#[derive(Debug)]
pub(crate) struct Slot {
    locked: AtomicU32,
    generation: AtomicU32,
    task: AtomicPtr<Header>,
}

/// Free slots at a worker's hand.
#[derive(Debug, Default)]
pub(crate) struct SlotCache(Vec<u32>);

/// The free slots that belong to nobody, and how far the table has grown.
#[derive(Debug, Default)]
struct Common {
    free: Vec<u32>,
    fresh: u32,
}

/// The table of one runtime.
pub(crate) struct Table {
    buckets: [OnceLock<Box<[Slot]>>; BUCKETS],
    common: Mutex<Common>,
    generation_limit: u32,
}

/// The bucket of an index and the place in it.
#[inline]
fn locate(index: u32) -> (usize, usize) {
    let shifted = u64::from(index) + u64::from(FIRST);
    let bucket = shifted.ilog2() - FIRST.ilog2();
    (
        bucket as usize,
        (shifted - (u64::from(FIRST) << bucket)) as usize,
    )
}

impl Slot {
    fn empty() -> Slot {
        Slot {
            locked: AtomicU32::new(0),
            generation: AtomicU32::new(1),
            task: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Enters a task under the id that [`Table::take`] gave with this slot.
    #[inline]
    pub(crate) fn publish(&self, task: NonNull<Header>) {
        // Release: publishes the cell's contents to the Acquire load in `locked_task`.
        self.task.store(task.as_ptr(), Ordering::Release);
    }

    /// Runs `f` under the slot's lock.
    #[inline]
    fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        // Acquire: pairs with the Release of the guard, so that we see what the last holder did.
        while self
            .locked
            .compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            self.wait();
        }
        let _unlock = Unlock(self);
        f()
    }

    #[cold]
    fn wait(&self) {
        if cfg!(loom) {
            // A load may see an old value again and again; the exchange sees the last one.
            return thread::yield_now();
        }
        let mut spins = 0;
        while self.locked.load(Ordering::Relaxed) != 0 {
            spins += 1;
            if spins < SPINS {
                hint::spin_loop();
            } else {
                // The holder was pre-empted: let it run.
                thread::yield_now();
            }
        }
    }
}

/// Releases the lock, also when `f` unwinds.
struct Unlock<'a>(&'a Slot);

impl Drop for Unlock<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.locked.store(0, Ordering::Release);
    }
}

impl Table {
    /// A table whose slots serve `generation_limit` tasks each, and no more.
    pub(crate) fn new(generation_limit: u32) -> Table {
        Table {
            buckets: [const { OnceLock::new() }; BUCKETS],
            common: Mutex::default(),
            generation_limit,
        }
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot> {
        let (bucket, place) = locate(index);
        self.buckets.get(bucket)?.get()?.get(place)
    }

    /// Takes a free slot, from the worker's stock where there is one.
    #[inline]
    pub(crate) fn take(&self, cache: Option<&mut SlotCache>) -> (TaskId, &Slot) {
        let index = match cache {
            Some(SlotCache(stock)) => match stock.pop() {
                Some(index) => index,
                None => self.restock(stock),
            },
            None => self.take_common(),
        };
        let slot = self.slot(index).expect("a free index has a slot");
        // Relaxed: the index came to us by its stock, or by the common pool's lock.
        let id = TaskId::from_parts(index, slot.generation.load(Ordering::Relaxed));
        (id, slot)
    }

    #[cold]
    fn restock(&self, stock: &mut Vec<u32>) -> u32 {
        let mut common = self.common.lock();
        let keep = common.free.len().saturating_sub(BATCH);
        stock.extend(common.free.drain(keep..));
        if stock.is_empty() {
            let fresh = common.fresh;
            common.fresh = fresh
                .checked_add(BATCH as u32)
                .expect("fewer than 2^32 live tasks");
            self.grow(fresh, common.fresh);
            // Low numbers last, for they are popped first.
            stock.extend((fresh..common.fresh).rev());
        }
        stock.pop().expect("the stock has just been filled")
    }

    #[cold]
    fn take_common(&self) -> u32 {
        let mut common = self.common.lock();
        if let Some(index) = common.free.pop() {
            return index;
        }
        let fresh = common.fresh;
        common.fresh = fresh.checked_add(1).expect("fewer than 2^32 live tasks");
        self.grow(fresh, common.fresh);
        fresh
    }

    /// Makes sure that the buckets of `from..to` exist.
    fn grow(&self, from: u32, to: u32) {
        for bucket in locate(from).0..=locate(to - 1).0 {
            self.buckets[bucket].get_or_init(|| {
                let size = (FIRST as usize) << bucket;
                (0..size).map(|_| Slot::empty()).collect()
            });
        }
    }

    /// Frees the slot of a task that ends, if it is still that task's.
    #[inline]
    pub(crate) fn vacate(&self, id: TaskId, cache: Option<&mut SlotCache>) {
        let slot = self
            .slot(id.index())
            .expect("an id that was taken has a slot");
        let generation = slot.locked(|| {
            slot.task.store(ptr::null_mut(), Ordering::Relaxed);
            let next = id.generation() + 1;
            slot.generation.store(next, Ordering::Relaxed);
            next
        });
        if generation >= self.generation_limit {
            // Invariant 4: the slot stays empty for ever.
            return;
        }
        match cache {
            Some(SlotCache(stock)) => {
                stock.push(id.index());
                if stock.len() >= 2 * BATCH {
                    self.common.lock().free.extend(stock.drain(..BATCH));
                }
            }
            None => self.common.lock().free.push(id.index()),
        }
    }

    /// Gives a worker's stock back.
    pub(crate) fn return_stock(&self, SlotCache(stock): &mut SlotCache) {
        if !stock.is_empty() {
            self.common.lock().free.append(stock);
        }
    }

    /// Calls `f` with the task of this id, under the slot's lock: `f` must be short, and must not
    /// run foreign code nor look up the same id again.
    #[inline]
    pub(crate) fn with<R>(&self, id: TaskId, f: impl FnOnce(TaskView<'_>) -> R) -> Option<R> {
        // SAFETY: by invariant 2 the cell lives until the lock is released, after `f`.
        self.with_header(id, |task| f(unsafe { TaskView::from_raw(task) }))
    }

    #[inline]
    fn with_header<R>(&self, id: TaskId, f: impl FnOnce(NonNull<Header>) -> R) -> Option<R> {
        let slot = self.slot(id.index())?;
        slot.locked(|| {
            if slot.generation.load(Ordering::Relaxed) != id.generation() {
                return None;
            }
            Some(f(NonNull::new(slot.task.load(Ordering::Acquire))?))
        })
    }

    /// Up to `limit` tasks from slot `from` on, and the slot to go on from, if any is left.
    pub(crate) fn window(&self, from: u32, limit: usize) -> (Vec<TaskRef>, Option<u32>) {
        let end = self.common.lock().fresh;
        let mut found = Vec::new();
        for index in from..end {
            if found.len() >= limit {
                return (found, Some(index));
            }
            let Some(slot) = self.slot(index) else { break };
            if slot.task.load(Ordering::Relaxed).is_null() {
                continue;
            }
            found.extend(slot.locked(|| {
                let task = NonNull::new(slot.task.load(Ordering::Acquire))?;
                // SAFETY: by invariant 2, as in `with`.
                Some(unsafe { TaskView::from_raw(task) }.to_ref())
            }));
        }
        (found, None)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("common", &self.common)
            .finish_non_exhaustive()
    }
}

#[cfg(all(not(loom), test))]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_one_place() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(255), (0, 255));
        assert_eq!(locate(256), (1, 0));
        assert_eq!(locate(767), (1, 511));
        assert_eq!(locate(768), (2, 0));
        assert!(locate(u32::MAX).0 <= BUCKETS);
    }

    #[test]
    fn an_id_never_comes_back_though_its_slot_does() {
        let table = Table::new(u32::MAX);
        let mut stock = SlotCache::default();
        let (first, _) = table.take(Some(&mut stock));
        table.vacate(first, Some(&mut stock));
        let (second, _) = table.take(Some(&mut stock));
        assert_eq!(first.index(), second.index());
        assert_ne!(first, second);
        assert!(table.with(first, |_| ()).is_none());
    }

    #[test]
    fn an_old_id_does_not_find_the_successor() {
        let table = Table::new(u32::MAX);
        // Never looked into.
        let task = NonNull::<Header>::dangling();
        let (first, slot) = table.take(None);
        slot.publish(task);
        assert_eq!(table.with_header(first, |found| found), Some(task));
        table.vacate(first, None);
        let (second, slot) = table.take(None);
        slot.publish(task);
        assert_eq!(first.index(), second.index());
        assert_eq!(table.with_header(first, |found| found), None);
        assert_eq!(table.with_header(second, |found| found), Some(task));
    }

    #[test]
    fn a_slot_at_its_generation_limit_is_retired() {
        let table = Table::new(8);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let (id, _) = table.take(None);
            assert!(seen.insert(id), "{id:?} came back");
            assert!(id.generation() < 8, "{id:?} is beyond the limit");
            table.vacate(id, None);
        }
    }

    #[test]
    fn stocks_give_their_surplus_back_in_batches() {
        let table = Table::new(u32::MAX);
        let mut one = SlotCache::default();
        let ids: Vec<_> = (0..10 * BATCH)
            .map(|_| table.take(Some(&mut one)).0)
            .collect();
        let mut other = SlotCache::default();
        for id in ids {
            table.vacate(id, Some(&mut other));
        }
        assert!(other.0.len() < 2 * BATCH);
        table.return_stock(&mut other);
        table.return_stock(&mut one);
        let common = table.common.lock();
        assert_eq!(common.free.len(), common.fresh as usize);
    }
}

#[cfg(all(loom, test))]
mod loom_tests {
    //! The shipped table, with slots that travel two at a time. A task is a plain cell that is
    //! written when the task is freed: loom reports who reads it then, or after.

    use loom::sync::Arc;

    use super::*;
    use crate::model::explore;
    use crate::sync::UnsafeCell;

    struct Tenant(UnsafeCell<usize>);

    impl Tenant {
        fn new(number: usize) -> Arc<Tenant> {
            Arc::new(Tenant(UnsafeCell::new(number)))
        }

        /// What the table keeps of it; only `read` looks behind it.
        fn header(&self) -> NonNull<Header> {
            NonNull::from(self).cast()
        }

        /// # Safety
        ///
        /// `header` came from [`Tenant::header`], and the tenant's memory is still there.
        unsafe fn read(header: NonNull<Header>) -> usize {
            // SAFETY: the caller's promise.
            let tenant = unsafe { header.cast::<Tenant>().as_ref() };
            // SAFETY: nobody writes it before it was vacated: that is what loom checks.
            tenant.0.with(|number| unsafe { *number })
        }

        fn free(&self) {
            // SAFETY: nobody reads it any more: that is what loom checks.
            self.0.with_mut(|number| unsafe { *number = usize::MAX });
        }
    }

    #[test]
    fn loom_a_lookup_finds_its_own_task_or_nobody() {
        explore(|| {
            let table = Arc::new(Table::new(u32::MAX));
            let (first, second) = (Tenant::new(1), Tenant::new(2));
            let (id, slot) = table.take(None);
            slot.publish(first.header());
            let finder = {
                let table = Arc::clone(&table);
                thread::spawn(move || {
                    // SAFETY: the tenants are dropped after the thread has ended.
                    table.with_header(id, |task| unsafe { Tenant::read(task) })
                })
            };
            table.vacate(id, None);
            first.free();
            let (next, slot) = table.take(None);
            assert_eq!(next.index(), id.index());
            slot.publish(second.header());
            let found = finder.join().unwrap();
            assert_ne!(found, Some(2), "an old id finds no successor");
            // SAFETY: as above.
            let found = table.with_header(next, |task| unsafe { Tenant::read(task) });
            assert_eq!(found, Some(2));
        });
    }

    #[test]
    fn loom_two_workers_never_have_one_slot() {
        explore(|| {
            let table = Arc::new(Table::new(u32::MAX));
            let worker = |table: &Table| {
                let mut stock = SlotCache::default();
                let (first, _) = table.take(Some(&mut stock));
                table.vacate(first, Some(&mut stock));
                table.return_stock(&mut stock);
                table.take(None).0
            };
            let other = {
                let table = Arc::clone(&table);
                thread::spawn(move || worker(&table))
            };
            let own = worker(&table);
            assert_ne!(own.index(), other.join().unwrap().index());
        });
    }

    #[test]
    fn loom_a_task_is_published_whole() {
        explore(|| {
            let table = Arc::new(Table::new(u32::MAX));
            let tenant = Tenant::new(1);
            let (id, slot) = table.take(None);
            let finder = {
                let table = Arc::clone(&table);
                // SAFETY: the tenant is dropped after the thread has ended.
                thread::spawn(move || table.with_header(id, |task| unsafe { Tenant::read(task) }))
            };
            slot.publish(tenant.header());
            let found = finder.join().unwrap();
            assert!(
                found.is_none() || found == Some(1),
                "published whole or not at all"
            );
            table.vacate(id, None);
            tenant.free();
        });
    }
}
