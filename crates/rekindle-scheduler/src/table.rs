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
//! pool 256 at a time: a page of them, which is one worker's [`Home`]. A slot that another worker frees goes back
//! there. So spawning and ending touch no line that another worker writes.
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
//! 6. A slot's home changes only while it is free, by who has taken it from the common pool.

mod pages;

use std::collections::BTreeMap;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use self::pages::Pages;
use crate::byte_lock::ByteLock;
use crate::home::Home;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicPtr, AtomicU16, AtomicU32, Ordering};
use crate::task::{Header, TaskId, TaskRef, TaskView};

/// Slots that travel together between a stock and the common pool.
const BATCH: usize = if cfg!(loom) { 2 } else { 256 };
/// Free slots of another home that a worker collects before it sends them there.
const AWAY: usize = if cfg!(loom) { 2 } else { 64 };
/// A home with so many batches in the common pool lends one to another: else the table would grow by what each
/// worker once needed.
const LENDS: usize = 4;
/// Slots in the first bucket; each further bucket doubles the table.
const FIRST: u32 = if cfg!(loom) { 2 } else { 256 };
/// Enough buckets for every index of 32 bits.
const BUCKETS: usize = 24;

/// One place in the table.
#[derive(Debug)]
pub(crate) struct Slot {
    lock: ByteLock,
    /// Whose it is when it is free.
    home: AtomicU16,
    generation: AtomicU32,
    task: AtomicPtr<Header>,
}

/// Free slots at a worker's hand.
#[derive(Debug)]
pub(crate) struct SlotCache {
    home: Home,
    stock: Vec<u32>,
    /// Those of other homes, which are to be sent there, with whose they are.
    away: Vec<(Home, u32)>,
}

/// The free slots that no worker has, by whose they are, and how far the table has grown.
#[derive(Debug, Default)]
struct Common {
    free: BTreeMap<Home, Pages>,
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
            lock: ByteLock::new(),
            home: AtomicU16::new(Home::NOBODY.number()),
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
        let _taken = self.lock.lock();
        f()
    }
}

impl SlotCache {
    pub(crate) fn new(home: Home) -> SlotCache {
        SlotCache {
            home,
            stock: Vec::new(),
            away: Vec::new(),
        }
    }
}

impl Common {
    /// Whose free slots a home may take: its own, or those of one that has many.
    fn lender(&mut self, home: Home) -> Option<&mut Pages> {
        let has_own = self.free.get(&home).is_some_and(|own| own.len() > 0);
        if has_own {
            return self.free.get_mut(&home);
        }
        let richest = self.free.values_mut().max_by_key(|free| free.len());
        richest.filter(|free| free.len() >= LENDS * BATCH)
    }

    fn give(&mut self, home: Home, free: impl IntoIterator<Item = u32>) {
        self.free.entry(home).or_default().extend(free);
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
            Some(cache) => match cache.stock.pop() {
                Some(index) => index,
                None => self.restock(cache),
            },
            None => self.take_common(),
        };
        let slot = self.slot(index).expect("a free index has a slot");
        // Relaxed: the index came to us by its stock, or by the common pool's lock.
        let id = TaskId::from_parts(index, slot.generation.load(Ordering::Relaxed));
        (id, slot)
    }

    #[cold]
    fn restock(&self, cache: &mut SlotCache) -> u32 {
        let mut common = self.common.lock();
        let mut stock = common
            .lender(cache.home)
            .map_or_else(Vec::new, Pages::take_batch);
        if stock.is_empty() {
            let fresh = common.fresh;
            // Up to the end of a page.
            common.fresh = fresh
                .checked_add(1)
                .and_then(|next| next.checked_next_multiple_of(BATCH as u32))
                .expect("fewer than 2^32 live tasks");
            self.grow(fresh, common.fresh);
            // Low numbers last, for they are popped first.
            stock.extend((fresh..common.fresh).rev());
        }
        drop(common);
        for &index in &stock {
            let slot = self.slot(index).expect("a free index has a slot");
            // Most are of this home already.
            if slot.home.load(Ordering::Relaxed) != cache.home.number() {
                slot.home.store(cache.home.number(), Ordering::Relaxed);
            }
        }
        cache.stock = stock;
        cache.stock.pop().expect("the stock has just been filled")
    }

    #[cold]
    fn take_common(&self) -> u32 {
        let mut common = self.common.lock();
        if let Some(index) = common.lender(Home::NOBODY).and_then(Pages::pop) {
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
        self.vacate_if(id, cache, || true);
    }

    /// As [`vacate`](Self::vacate), if `free` says so: meanwhile nobody finds the task, and those that have
    /// found it are done, but for the references they took. Says what `free` said.
    #[inline]
    pub(crate) fn vacate_if(
        &self,
        id: TaskId,
        cache: Option<&mut SlotCache>,
        free: impl FnOnce() -> bool,
    ) -> bool {
        let slot = self
            .slot(id.index())
            .expect("an id that was taken has a slot");
        let vacated = slot.locked(|| {
            if !free() {
                return None;
            }
            slot.task.store(ptr::null_mut(), Ordering::Relaxed);
            let next = id.generation() + 1;
            slot.generation.store(next, Ordering::Relaxed);
            Some(next)
        });
        match vacated {
            None => return false,
            // Invariant 4: the slot stays empty for ever.
            Some(generation) if generation >= self.generation_limit => return true,
            Some(_) => {}
        }
        // Relaxed: by invariant 6 it was written before we had the slot.
        let home = Home::from_number(slot.home.load(Ordering::Relaxed));
        match cache {
            Some(cache) if cache.home == home => {
                cache.stock.push(id.index());
                if cache.stock.len() >= 2 * BATCH {
                    // As in `return_away`.
                    cache.stock[..BATCH].sort_unstable();
                    let surplus = cache.stock.drain(..BATCH);
                    self.common.lock().give(home, surplus);
                }
            }
            Some(cache) => self.send_home(home, id.index(), cache),
            None => self.common.lock().give(home, [id.index()]),
        }
        true
    }

    /// Collects a slot of another home with others of other homes.
    #[cold]
    fn send_home(&self, home: Home, index: u32, cache: &mut SlotCache) {
        cache.away.push((home, index));
        if cache.away.len() >= AWAY {
            self.return_away(cache);
        }
    }

    fn return_away(&self, cache: &mut SlotCache) {
        if cache.away.is_empty() {
            return;
        }
        // In order, and before the lock is taken: it is everybody's.
        cache.away.sort_unstable();
        let mut common = self.common.lock();
        for of_one in cache.away.chunk_by(|one, next| one.0 == next.0) {
            common.give(of_one[0].0, of_one.iter().map(|(_, index)| *index));
        }
        drop(common);
        cache.away.clear();
    }

    /// Gives a worker's stock back.
    pub(crate) fn return_stock(&self, cache: &mut SlotCache) {
        self.return_away(cache);
        if !cache.stock.is_empty() {
            let stock = cache.stock.drain(..);
            self.common.lock().give(cache.home, stock);
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

    const ONE: Home = Home::from_number(1);
    const OTHER: Home = Home::from_number(2);

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
        let mut stock = SlotCache::new(ONE);
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
        let mut one = SlotCache::new(ONE);
        let ids = take(&table, &mut one, 10 * BATCH);
        vacate(&table, ids, Some(&mut one));
        assert!(one.stock.len() < 2 * BATCH);
        table.return_stock(&mut one);
        assert_eq!(one.stock.len(), 0);
        assert_eq!(free(&table, ONE), 10 * BATCH);
    }

    fn take(table: &Table, cache: &mut SlotCache, count: usize) -> Vec<TaskId> {
        (0..count).map(|_| table.take(Some(cache)).0).collect()
    }

    fn vacate(table: &Table, ids: Vec<TaskId>, mut cache: Option<&mut SlotCache>) {
        for id in ids {
            table.vacate(id, cache.as_deref_mut());
        }
    }

    /// How many of a home the common pool has.
    fn free(table: &Table, home: Home) -> usize {
        let common = table.common.lock();
        common.free.get(&home).map_or(0, Pages::len)
    }

    #[test]
    fn a_slot_that_another_worker_frees_goes_home() {
        let table = Table::new(u32::MAX);
        let (mut one, mut other) = (SlotCache::new(ONE), SlotCache::new(OTHER));
        let mut ids = take(&table, &mut one, BATCH);
        ids.extend(take(&table, &mut other, AWAY));
        let others = ids.split_off(BATCH);
        vacate(&table, ids, Some(&mut other));
        assert_eq!(free(&table, ONE), BATCH, "each is where it belongs");
        let again = take(&table, &mut one, BATCH);
        assert!(again.iter().all(|id| id.index() < BATCH as u32));
        // Some that are on their way are not forgotten, nor taken for another's.
        let nobodys = table.take(None).0;
        table.vacate(nobodys, Some(&mut one));
        table.vacate(others[0], Some(&mut one));
        assert_eq!(free(&table, OTHER) + free(&table, Home::NOBODY), 0);
        table.return_stock(&mut one);
        assert_eq!(free(&table, OTHER), 1);
        assert_eq!(free(&table, Home::NOBODY), 1);
    }

    #[test]
    fn threads_that_are_no_workers_borrow_as_well() {
        let table = Table::new(u32::MAX);
        let mut one = SlotCache::new(ONE);
        let ids = take(&table, &mut one, 8 * BATCH);
        vacate(&table, ids, Some(&mut one));
        table.return_stock(&mut one);
        let ids: Vec<_> = (0..4 * BATCH).map(|_| table.take(None).0).collect();
        assert_eq!(table.common.lock().fresh as usize, 8 * BATCH);
        vacate(&table, ids, None);
        assert_eq!(free(&table, ONE), 8 * BATCH, "they were borrowed");
    }

    #[test]
    fn pages_of_two_homes_do_not_overlap() {
        let table = Table::new(u32::MAX);
        table.take(None);
        let (mut one, mut other) = (SlotCache::new(ONE), SlotCache::new(OTHER));
        let page = |id: &TaskId| id.index() as usize / BATCH;
        let of_one = take(&table, &mut one, 1);
        let of_other = take(&table, &mut other, 1);
        assert_eq!((page(&of_one[0]), page(&of_other[0])), (0, 1));
        let more_of_one = take(&table, &mut one, BATCH);
        let pages: std::collections::HashSet<_> = more_of_one.iter().map(page).collect();
        assert_eq!(pages, [0, 2].into());
    }

    #[test]
    fn a_home_with_many_free_slots_lends_some() {
        let table = Table::new(u32::MAX);
        let (mut one, mut other) = (SlotCache::new(ONE), SlotCache::new(OTHER));
        let ids = take(&table, &mut one, 16 * BATCH);
        vacate(&table, ids, Some(&mut one));
        table.return_stock(&mut one);
        let lent = take(&table, &mut other, 16 * BATCH);
        let size = table.common.lock().fresh as usize;
        assert_eq!(size, (16 + LENDS - 1) * BATCH, "it keeps some");
        // What was lent belongs to who took it.
        vacate(&table, lent, Some(&mut other));
        table.return_stock(&mut other);
        assert_eq!(free(&table, OTHER), 16 * BATCH);
    }
}

#[cfg(all(loom, test))]
mod loom_tests {
    //! The shipped table, with slots that travel two at a time. A task is a plain cell that is
    //! written when the task is freed: loom reports who reads it then, or after.

    use loom::sync::Arc;

    use super::*;
    use crate::model::explore;
    use crate::sync::{UnsafeCell, thread};

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
            let worker = |table: &Table, home| {
                let mut stock = SlotCache::new(Home::from_number(home));
                let (first, _) = table.take(Some(&mut stock));
                table.vacate(first, Some(&mut stock));
                table.return_stock(&mut stock);
                table.take(None).0
            };
            let other = {
                let table = Arc::clone(&table);
                thread::spawn(move || worker(&table, 1))
            };
            let own = worker(&table, 2);
            assert_ne!(own.index(), other.join().unwrap().index());
        });
    }

    #[test]
    fn loom_a_slot_that_comes_home_is_had_once() {
        explore(|| {
            let table = Arc::new(Table::new(u32::MAX));
            let mut stock = SlotCache::new(Home::from_number(1));
            let take = |stock: &mut SlotCache| [(); 2].map(|()| table.take(Some(stock)).0);
            let first = take(&mut stock);
            let other = {
                let table = Arc::clone(&table);
                thread::spawn(move || {
                    let mut stock = SlotCache::new(Home::from_number(2));
                    for id in first {
                        table.vacate(id, Some(&mut stock));
                    }
                    table.take(Some(&mut stock)).0
                })
            };
            let second = take(&mut stock);
            let third = take(&mut stock);
            let mut had = [&second[..], &third[..], &[other.join().unwrap()]].concat();
            had.sort_unstable_by_key(|id| id.index());
            assert!(had.windows(2).all(|two| two[0].index() != two[1].index()));
            assert!(had.iter().all(|id| !first.contains(id)));
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
