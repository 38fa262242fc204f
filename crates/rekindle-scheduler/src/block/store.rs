//! Where blocks come from, and where they go when their worker has enough of them.
//!
//! A block is cut from a slab of its size, and goes back to that slab; when all blocks of a slab are back,
//! the slab is free for another size, and when all slabs of a chunk are, the chunk may go back to the
//! global allocator. A size keeps the last slab with room, until [`Store::trim`]. Of several slabs with room the
//! lowest is cut first, so that the higher ones may become whole. So blocks are handed out in the order of their
//! addresses, in whatever order they came back.
//!
//! Each [`Home`] has a heap of its own: the blocks of two workers do not lie side by side, and two workers meet at
//! a lock only where one of them frees what the other has made.
//!
//! There is one store in a program: a block may outlive the runtime that it was made in.
//!
//! Invariants
//! 1. A slab belongs to the shelf of its home and class from [`Chunk::give`] to [`Chunk::take_back`], and is
//!    reached under the shelf's lock.
//! 2. `with_room` of a shelf are its slabs that have a free block.
//! 3. Who takes the lock of a shelf and that of the chunks takes the shelf's first.
//!
//! [`Chunk::give`]: super::chunk::Chunk::give
//! [`Chunk::take_back`]: super::chunk::Chunk::take_back

use std::collections::BTreeSet;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::time::Instant;

use parking_lot::Mutex;

use super::chunk::{Slab, WholeChunk, home_of};
use super::chunks::Chunks;
use super::{CLASSES, Link};
use crate::home::Home;

/// The blocks of a program that no worker has.
pub(super) struct Store {
    heaps: [OnceLock<Box<Heap>>; Home::COUNT],
    chunks: Mutex<Chunks>,
}

/// The slabs of one home.
struct Heap {
    shelves: [Mutex<Shelf>; CLASSES],
}

/// The slabs of one home and class.
struct Shelf {
    with_room: BTreeSet<NonNull<Slab>>,
}

// SAFETY: what the pointers lead to is ours, and is reached by who has the shelf (invariant 1).
unsafe impl Send for Shelf {}

impl Store {
    pub(super) const fn new() -> Store {
        Store {
            heaps: [const { OnceLock::new() }; Home::COUNT],
            chunks: Mutex::new(Chunks::new()),
        }
    }

    fn shelf(&self, class: usize, home: Home) -> &Mutex<Shelf> {
        let heap = &self.heaps[usize::from(home.number())];
        &heap.get_or_init(|| Box::new(Heap::new())).shelves[class]
    }

    /// So many blocks, each linked to the next, of the slabs of a home. There is one at least, and they are the
    /// caller's.
    pub(super) fn cut(&self, class: usize, home: Home, count: u32) -> NonNull<Link> {
        let mut shelf = self.shelf(class, home).lock();
        let first = shelf.cut(count, || self.slab(class, home));
        NonNull::new(first).expect("one block at least was asked for")
    }

    /// Takes blocks back, each linked to the next.
    ///
    /// # Safety
    ///
    /// They are the caller's, and came from [`cut`](Self::cut) for this class and this home.
    pub(super) unsafe fn give_back(&self, class: usize, home: Home, first: NonNull<Link>) {
        let mut released = Vec::new();
        let mut shelf = self.shelf(class, home).lock();
        let mut next = first.as_ptr();
        while let Some(block) = NonNull::new(next) {
            // SAFETY: the block is ours, and came from a slab.
            debug_assert_eq!(unsafe { home_of(block.cast()) }, home, "not its home");
            // SAFETY: the caller's promise.
            let (others, whole) = unsafe { shelf.put(block) };
            next = others;
            if let Some(whole) = whole {
                released.extend(self.chunks.lock().take_back(whole));
            }
        }
        // The system may take its time over each.
        drop(shelf);
        drop(released);
    }

    /// A monitor is awake, and ticks.
    pub(super) fn mind(&self) {
        self.chunks.lock().mind();
    }

    /// A monitor goes to sleep; with the last one everything goes that nobody uses.
    pub(super) fn unmind(&self) {
        let was_last = self.chunks.lock().unmind();
        if was_last {
            self.trim();
        }
    }

    /// As [`trim`](Self::trim), where nobody ticks.
    pub(super) fn trim_unless_minded(&self) {
        let is_minded = self.chunks.lock().is_minded();
        if !is_minded {
            self.trim();
        }
    }

    /// Gives some of what was not needed lately back to the global allocator; to be called at each tick of a
    /// monitor.
    pub(super) fn tick(&self) {
        let now = Instant::now();
        // The system may take its time over each, without the lock.
        let unneeded = self.chunks.lock().tick(now);
        drop(unneeded);
    }

    /// Gives back to the global allocator what is kept although nobody uses it.
    fn trim(&self) {
        let mut released = Vec::new();
        for heap in self.heaps.iter().filter_map(OnceLock::get) {
            for shelf in &heap.shelves {
                let mut shelf = shelf.lock();
                for whole in shelf.take_whole() {
                    released.extend(self.chunks.lock().take_back(whole));
                }
            }
        }
        released.extend(self.chunks.lock().take_all_spare());
        drop(released);
    }

    /// Another slab for a shelf that the caller has.
    #[cold]
    fn slab(&self, class: usize, home: Home) -> NonNull<Slab> {
        let mut chunks = self.chunks.lock();
        if let Some(slab) = chunks.give(class, home) {
            return slab;
        }
        let is_first = chunks.announce();
        drop(chunks);
        let chunk = WholeChunk::allocate(!is_first);
        self.chunks.lock().give_of(chunk.into_inner(), class, home)
    }

    /// How many chunks there are.
    pub(super) fn chunks(&self) -> usize {
        self.chunks.lock().count()
    }
}

impl Heap {
    fn new() -> Heap {
        Heap {
            shelves: [const {
                Mutex::new(Shelf {
                    with_room: BTreeSet::new(),
                })
            }; CLASSES],
        }
    }
}

impl Shelf {
    /// Blocks of the lowest slabs that have some, and then of other slabs, in the order of their addresses:
    /// what is used in that order is fetched before it is asked for, three times as fast as in any other.
    fn cut(&mut self, count: u32, mut another: impl FnMut() -> NonNull<Slab>) -> *mut Link {
        let mut first: *mut Link = ptr::null_mut();
        let mut end = &raw mut first;
        let mut missing = count;
        while missing > 0 {
            let lowest = self.with_room.first().copied();
            let mut slab = lowest.unwrap_or_else(&mut another);
            // SAFETY: by invariant 1 it is ours.
            let inside = unsafe { slab.as_mut() };
            missing -= inside.take(missing, |block| {
                // SAFETY: the block is ours, and large enough and aligned for a link; `end` is the
                // last one's link, or `first`.
                unsafe {
                    end.write(block.as_ptr());
                    end = &raw mut (*block.as_ptr()).next;
                }
            });
            if !inside.has_room() {
                self.with_room.remove(&slab);
            } else if lowest.is_none() {
                self.with_room.insert(slab);
            }
        }
        // SAFETY: as above.
        unsafe { end.write(ptr::null_mut()) };
        first
    }

    /// Puts blocks back where the first one came from, each linked to the next. Gives those that are left, because
    /// they are of other slabs; and the slab, if that is whole now and there is another one: it is nobody's then.
    ///
    /// # Safety
    ///
    /// The blocks are the caller's, and came from slabs of this shelf.
    unsafe fn put(&mut self, first: NonNull<Link>) -> (*mut Link, Option<NonNull<Slab>>) {
        // SAFETY: the caller's promise.
        let mut slab = unsafe { Slab::of(first) };
        // SAFETY: by invariant 1 it is ours.
        let inside = unsafe { slab.as_mut() };
        let had_room = inside.has_room();
        // SAFETY: the caller's promise.
        let others = unsafe { inside.put(first) };
        let is_last = self.with_room.len() == usize::from(had_room);
        if inside.is_whole() && !is_last {
            self.with_room.remove(&slab);
            return (others, Some(slab));
        }
        if !had_room {
            self.with_room.insert(slab);
        }
        (others, None)
    }

    /// Takes the slabs out of which no block is in use: they are nobody's then.
    fn take_whole(&mut self) -> Vec<NonNull<Slab>> {
        // SAFETY: by invariant 1 they are ours.
        let is_whole = |slab: &&NonNull<Slab>| unsafe { slab.as_ref() }.is_whole();
        let whole: Vec<_> = self.with_room.iter().filter(is_whole).copied().collect();
        for slab in &whole {
            self.with_room.remove(slab);
        }
        whole
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("chunks", &self.chunks())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{chunk, size_of_class};
    use super::*;

    const ONE: Home = Home::from_number(1);
    const OTHER: Home = Home::from_number(2);

    /// Blocks with their links taken out, as their users have them: each full of its own number.
    fn cut(store: &Store, class: usize, count: u32) -> Vec<NonNull<Link>> {
        cut_for(ONE, store, class, count)
    }

    fn cut_for(home: Home, store: &Store, class: usize, count: u32) -> Vec<NonNull<Link>> {
        let mut blocks = Vec::new();
        let mut next = store.cut(class, home, count).as_ptr();
        while let Some(block) = NonNull::new(next) {
            // SAFETY: the block is ours and begins with a link.
            next = unsafe { block.as_ref() }.next;
            blocks.push(block);
        }
        for &block in &blocks {
            let bytes = block.cast::<u8>();
            // SAFETY: so many bytes of the block are ours.
            unsafe { bytes.write_bytes(mark(block), size_of_class(class)) };
        }
        assert_eq!(blocks.len() as u32, count);
        blocks
    }

    fn mark(block: NonNull<Link>) -> u8 {
        (block.addr().get() / 16 % 251) as u8
    }

    /// Gives blocks back, in this order, after a look whether anybody else has written to them.
    fn give_back(store: &Store, class: usize, blocks: &[NonNull<Link>]) {
        give_back_to(ONE, store, class, blocks);
    }

    fn give_back_to(home: Home, store: &Store, class: usize, blocks: &[NonNull<Link>]) {
        for &block in blocks {
            // SAFETY: so many bytes of the block are ours, and were written.
            let bytes = unsafe {
                std::slice::from_raw_parts(block.cast::<u8>().as_ptr(), size_of_class(class))
            };
            assert!(bytes.iter().all(|&byte| byte == mark(block)));
        }
        let mut first = ptr::null_mut();
        for block in blocks.iter().rev() {
            // SAFETY: the block is ours, and large enough and aligned for a link.
            unsafe { block.write(Link { next: first }) };
            first = block.as_ptr();
        }
        if let Some(first) = NonNull::new(first) {
            // SAFETY: they are ours, and came from this store for this class.
            unsafe { store.give_back(class, home, first) };
        }
    }

    #[test]
    fn blocks_are_cut_in_order_and_the_lowest_first() {
        let store = Store::new();
        // Two slabs of them are full, and one in part.
        let mut blocks = cut(&store, 2, 3_000);
        assert!(blocks.is_sorted());
        let back: Vec<_> = [2_950, 7, 1_500].map(|n| blocks[n]).to_vec();
        give_back(&store, 2, &back);
        let again = cut(&store, 2, 3);
        assert_eq!(again, [7, 1_500, 2_950].map(|n| blocks[n]));
        blocks.reverse();
        give_back(&store, 2, &blocks);
        store.trim();
        assert_eq!(store.chunks(), 0);
    }

    #[test]
    fn each_home_has_slabs_of_its_own() {
        let store = Store::new();
        let slabs = |blocks: &[NonNull<Link>]| {
            // SAFETY: they come from a store.
            let slabs = blocks.iter().map(|&block| unsafe { Slab::of(block) });
            slabs.collect::<BTreeSet<_>>()
        };
        let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            of_one.extend(cut_for(ONE, &store, 2, 300));
            of_other.extend(cut_for(OTHER, &store, 2, 200));
        }
        assert!(slabs(&of_one).is_disjoint(&slabs(&of_other)));
        // SAFETY: they come from a store, and are ours.
        let home_of = |block: &NonNull<Link>| unsafe { chunk::home_of(block.cast()) };
        assert!(of_one.iter().all(|block| home_of(block) == ONE));
        assert!(of_other.iter().all(|block| home_of(block) == OTHER));
        // They are cut for the same home again.
        give_back_to(OTHER, &store, 2, &of_other[..50]);
        give_back(&store, 2, &of_one[..50]);
        assert_eq!(cut_for(OTHER, &store, 2, 50), of_other[..50]);
        assert_eq!(cut_for(ONE, &store, 2, 50), of_one[..50]);
        // A slab that is whole is anybody's, but each keeps its last one.
        give_back(&store, 2, &of_one);
        let slab = cut_for(OTHER, &store, 3, 1);
        assert!(slabs(&of_one).is_superset(&slabs(&slab)));
        give_back_to(OTHER, &store, 3, &slab);
        give_back_to(OTHER, &store, 2, &of_other);
        let with_room = |home| store.shelf(2, home).lock().with_room.len();
        assert_eq!([ONE, OTHER].map(with_room), [1, 1]);
        store.trim();
        assert_eq!(store.chunks(), 0);
    }

    #[test]
    fn the_last_slab_of_a_size_stays_with_it() {
        let store = Store::new();
        let first = cut(&store, 2, 1);
        give_back(&store, 2, &first);
        let slab_stays = |stays| {
            let shelf = store.shelf(2, ONE).lock();
            assert_eq!(shelf.with_room.len(), usize::from(stays));
        };
        slab_stays(true);
        assert_eq!(cut(&store, 2, 1), first);
        give_back(&store, 2, &first);
        store.trim();
        slab_stays(false);
        assert_eq!(store.chunks(), 0);
    }

    #[test]
    fn a_full_slab_that_comes_back_at_once_goes_if_another_has_room() {
        let store = Store::new();
        let blocks = cut(&store, 2, 700);
        // SAFETY: they were cut just now.
        let slab = |block: &NonNull<Link>| unsafe { Slab::of(*block) };
        let (full, others) =
            blocks.split_at(blocks.partition_point(|b| slab(b) == slab(&blocks[0])));
        assert!(!others.is_empty());
        give_back(&store, 2, full);
        let with_room: Vec<_> = store
            .shelf(2, ONE)
            .lock()
            .with_room
            .iter()
            .copied()
            .collect();
        assert_eq!(with_room, [slab(&others[0])]);
        give_back(&store, 2, others);
        store.trim();
        assert_eq!(store.chunks(), 0);
    }

    #[test]
    fn every_class_has_blocks_of_its_own() {
        let store = Store::new();
        let all: Vec<_> = (0..CLASSES).map(|class| cut(&store, class, 3)).collect();
        let mut ranges: Vec<_> = (0..CLASSES)
            .flat_map(|class| {
                let size = size_of_class(class);
                all[class].iter().map(move |b| (b.addr().get(), size))
            })
            .collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|w| w[0].0 + w[0].1 <= w[1].0));
        assert!(ranges.iter().all(|range| range.0 % 16 == 0));
        for (class, blocks) in all.iter().enumerate() {
            give_back(&store, class, blocks);
        }
        store.trim();
        assert_eq!(store.chunks(), 0);
    }

    #[test]
    fn a_chunk_that_is_whole_is_kept_for_the_next_size_until_the_store_is_trimmed() {
        let store = Store::new();
        store.mind();
        // Some 3 chunks of blocks of 2,048 bytes.
        let blocks = cut(&store, CLASSES - 1, 3_000);
        assert_eq!(store.chunks(), 3);
        give_back(&store, CLASSES - 1, &blocks);
        assert_eq!(store.chunks(), 3, "they may be needed again");
        // Two chunks of others, of any size and of any home.
        let others = cut_for(OTHER, &store, 3, 60_000);
        assert_eq!(store.chunks(), 3);
        store.trim();
        assert_eq!(store.chunks(), 2, "they are in use");
        give_back_to(OTHER, &store, 3, &others[1..]);
        store.trim();
        assert_eq!(store.chunks(), 1, "one of its blocks is");
        give_back_to(OTHER, &store, 3, &others[..1]);
        store.trim();
        assert_eq!(store.chunks(), 0);
    }

    #[test]
    fn whatever_is_cut_and_given_back_no_block_is_had_twice_and_none_is_lost() {
        let rounds = if cfg!(miri) { 60 } else { 3_000 };
        let store = Store::new();
        let classes = [0, 1, 5, 31, 100, CLASSES - 1];
        let mut had: Vec<Vec<NonNull<Link>>> = vec![Vec::new(); classes.len()];
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut dice = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        for _ in 0..rounds {
            let n = dice(classes.len());
            if dice(100) < 48 || had[n].is_empty() {
                // Each block says by its mark whether somebody else has it as well.
                had[n].extend(cut(&store, classes[n], 1 + dice(90) as u32));
            } else {
                let some = 1 + dice(had[n].len());
                let chosen: Vec<_> = (0..some)
                    .map(|_| {
                        let at = dice(had[n].len());
                        had[n].swap_remove(at)
                    })
                    .collect();
                give_back(&store, classes[n], &chosen);
            }
        }
        for (class, blocks) in classes.iter().zip(&had) {
            let mut sorted = blocks.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), blocks.len());
            give_back(&store, *class, blocks);
        }
        store.trim();
        assert_eq!(store.chunks(), 0);
    }

    #[test]
    fn threads_that_cut_and_give_back_at_once_lose_nothing() {
        let rounds = if cfg!(miri) { 5 } else { 500 };
        let store = Store::new();
        std::thread::scope(|scope| {
            for class in [4, 4, 9] {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..rounds {
                        let blocks = cut(store, class, 1 + round % 70);
                        give_back(store, class, &blocks);
                    }
                });
            }
        });
        store.trim();
        assert_eq!(store.chunks(), 0);
    }
}
