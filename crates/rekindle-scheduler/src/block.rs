//! Memory for cells and nodes, kept by the worker whose it is.
//!
//! A message lives for less than a microsecond, a short task for little more, and the allocator
//! is a good part of what they cost. So a worker keeps the blocks that are freed on it, by size,
//! and hands them out again; the next one is as a rule still in its cache. What it keeps is bounded
//! (two chains of a size, and one of what it has not cut itself). More than that goes to the store of the program, a
//! chain at a time. The store cuts blocks from slabs, of which each worker has its own (see
//! `home.rs`), and slabs from chunks of two megabytes; threads that are no workers use it directly.
//!
//! | what              | whose         | in what          | behind                             |
//! |-------------------|---------------|------------------|------------------------------------|
//! | `BlockCache`      | a worker      | single blocks    | nothing: it is the thread's own    |
//! | a heap of `Store` | a home        | slabs            | a lock for each size               |
//! | `Chunks`          | the program   | chunks           | one lock                           |
//!
//! It is for the layer above, whose messages are such blocks ([`Node`](crate::Node) shows one); what
//! [`put`] gives must be taken back by [`take`] or [`drop_in_place`], which takes `unsafe`.
//!
//! A block may be freed on any thread: where it goes then is nobody's business but this module's. With
//! `--cfg rekindle_plain_blocks` each is one of the global allocator's, for tools that watch that.
//!
//! Invariants
//! 1. A block of class `c` was cut by the store for `c`, and nothing else is in list `c`.
//! 2. A block in a list belongs to the list: its first word is the link, the rest is not looked at.
//! 3. A list is reached by its own thread only (it lies in a `Local`: invariant 2 of `context`).
//! 4. A chain of class `c` has blocks of it and of one home, as many as its `len` says, each the link to the
//!    next, and owns them. What is in a list is of the worker's own home.
//! 5. What is `away` belongs to the list too; it is of its class, and of any home.

mod chunk;
mod chunks;
mod in_block;
mod store;

use std::cell::Cell;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::context;
use crate::home::Home;

pub use in_block::InBlock;

use store::Store;

/// Sizes are rounded up to this, as the common allocators do themselves, and so is alignment.
const GRAIN: usize = 16;
/// A line of a cache. What is larger than three of them is a process, as a rule, and has lines of its own: two that
/// run on different workers would wait for each other's writes to the line that they share.
pub(crate) const LINE: usize = 64;
/// Larger blocks are the global allocator's. (A message of 1,024 bytes and its link fit.)
const LARGEST: usize = 2048;
const CLASSES: usize = LARGEST / GRAIN;
const THREE_LINES: usize = 3 * LINE;

/// Blocks that travel together. A worker keeps up to twice as many of one size: of small ones more
/// than a burst of a hundred, of large ones less, lest it keep megabytes.
const fn chain_len(class: usize) -> u32 {
    if class < 512 / GRAIN { 64 } else { 16 }
}

/// Of a chain, what a worker takes at once where there is none: less, lest a size that is used once cost
/// much memory.
const fn cut_len(class: usize) -> u32 {
    chain_len(class) / 2
}

static STORE: Store = Store::new();

/// The free blocks of one worker.
pub(crate) struct BlockCache {
    /// Whose blocks it keeps.
    home: Home,
    lists: [List; CLASSES],
}

/// Free blocks of one size.
struct List {
    first: Cell<*mut Link>,
    len: Cell<u32>,
    /// A full chain besides, or none.
    spare: Cell<Option<Chain>>,
    /// Blocks of other homes, to be sent there together.
    away: Cell<*mut Link>,
    away_len: Cell<u32>,
}

/// What a free block begins with.
struct Link {
    next: *mut Link,
}

impl Link {
    /// Makes a block the one in front of `next`.
    ///
    /// # Safety
    ///
    /// The block is the caller's, and of a class.
    #[inline]
    unsafe fn write(block: NonNull<u8>, next: *mut Link) -> NonNull<Link> {
        let link = block.cast::<Link>();
        // SAFETY: the caller's promise; by invariant 1 it is large enough and aligned for a link.
        unsafe { link.write(Link { next }) };
        link
    }
}

/// Blocks that go together.
struct Chain {
    first: NonNull<Link>,
    class: usize,
    len: u32,
    /// Whose they are.
    home: Home,
}

impl BlockCache {
    pub(crate) fn new(home: Home) -> BlockCache {
        BlockCache {
            home,
            lists: std::array::from_fn(|_| List {
                first: Cell::new(ptr::null_mut()),
                len: Cell::new(0),
                spare: Cell::new(None),
                away: Cell::new(ptr::null_mut()),
                away_len: Cell::new(0),
            }),
        }
    }

    /// A block of this class.
    #[inline]
    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        self.lists[class].pop()
    }

    /// Keeps a block, if it is one of ours and there is room at hand: says whether it did.
    ///
    /// # Safety
    ///
    /// The block is the caller's and of this class.
    #[inline]
    unsafe fn keep(&self, class: usize, block: NonNull<u8>) -> bool {
        let list = &self.lists[class];
        // SAFETY: the block is the caller's; by invariant 1 the store has cut it.
        let is_ours = unsafe { chunk::home_of(block) } == self.home;
        let keeps = is_ours && list.len.get() < chain_len(class);
        if keeps {
            // SAFETY: the caller's promise, and it is of our home.
            unsafe { list.push(block) };
        }
        keeps
    }

    /// Makes room for a block of ours, or sends one where it belongs.
    ///
    /// # Safety
    ///
    /// The block is the caller's and of this class.
    unsafe fn put(&self, class: usize, block: NonNull<u8>) {
        let list = &self.lists[class];
        // SAFETY: as in `keep`.
        let home = unsafe { chunk::home_of(block) };
        if home == self.home {
            list.put_by(class, home);
            // SAFETY: the caller's promise, and it is of our home.
            unsafe { list.push(block) };
        } else {
            // SAFETY: the caller's promise.
            unsafe { list.send_home(class, block) };
        }
    }
}

impl Chain {
    fn into_first(self) -> NonNull<Link> {
        ManuallyDrop::new(self).first
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: by invariants 1 and 4.
        unsafe { STORE.give_back(self.class, self.home, self.first) };
    }
}

impl List {
    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let first = NonNull::new(self.first.get())?;
        // SAFETY: by invariant 2 the block is ours and begins with a link.
        self.first.set(unsafe { first.as_ref() }.next);
        self.len.set(self.len.get() - 1);
        Some(first.cast())
    }

    /// Keeps a block. The list must not be full.
    ///
    /// # Safety
    ///
    /// The block is the caller's, of this list's class and of the worker's home.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        let link = unsafe { Link::write(block, self.first.get()) };
        self.first.set(link.as_ptr());
        self.len.set(self.len.get() + 1);
    }

    /// Makes room: what is at hand becomes the spare chain, and that one goes to the store.
    fn put_by(&self, class: usize, home: Home) {
        let len = self.len.replace(0);
        let Some(first) = NonNull::new(self.first.replace(ptr::null_mut())) else {
            return;
        };
        let chain = Chain {
            first,
            class,
            len,
            home,
        };
        drop(self.spare.replace(Some(chain)));
    }

    /// Collects a block of another home with others of other homes.
    ///
    /// # Safety
    ///
    /// The block is the caller's and of this list's class, which is `class`.
    unsafe fn send_home(&self, class: usize, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        let link = unsafe { Link::write(block, self.away.get()) };
        self.away.set(link.as_ptr());
        self.away_len.set(self.away_len.get() + 1);
        if self.away_len.get() == chain_len(class) {
            self.send_all_home(class);
        }
    }

    /// Gives what was collected to the store, those of one home together.
    fn send_all_home(&self, class: usize) {
        self.away_len.set(0);
        let mut left = self.away.replace(ptr::null_mut());
        while let Some(first) = NonNull::new(left) {
            // SAFETY: by invariant 5 the block is ours, and of a slab.
            let home = unsafe { chunk::home_of(first.cast()) };
            let (mut others, mut end) = (ptr::null_mut::<Link>(), first);
            // SAFETY: by invariant 5 all of them are ours, and begin with a link.
            unsafe {
                let mut next = first.as_ref().next;
                while let Some(block) = NonNull::new(next) {
                    next = block.as_ref().next;
                    if chunk::home_of(block.cast()) == home {
                        (*end.as_ptr()).next = block.as_ptr();
                        end = block;
                    } else {
                        (*block.as_ptr()).next = others;
                        others = block.as_ptr();
                    }
                }
                (*end.as_ptr()).next = ptr::null_mut();
                STORE.give_back(class, home, first);
            }
            left = others;
        }
    }

    /// The first block of the spare chain, or of some that the store has; the list is empty.
    fn refill(&self, class: usize, home: Home) -> Option<NonNull<u8>> {
        let (len, first) = match self.spare.take() {
            Some(chain) => (chain.len, chain.into_first()),
            None => (cut_len(class), STORE.cut(class, home, cut_len(class))),
        };
        self.first.set(first.as_ptr());
        self.len.set(len);
        self.pop()
    }
}

impl Drop for BlockCache {
    fn drop(&mut self) {
        for (class, list) in self.lists.iter().enumerate() {
            if let Some(first) = NonNull::new(list.first.replace(ptr::null_mut())) {
                // SAFETY: by invariants 1 and 2.
                unsafe { STORE.give_back(class, self.home, first) };
            }
            list.send_all_home(class);
        }
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept: u32 = self.lists.iter().map(|list| list.len.get()).sum();
        f.debug_struct("BlockCache").field("kept", &kept).finish()
    }
}

const fn size_of_class(class: usize) -> usize {
    (class + 1) * GRAIN
}

/// The class of a type's blocks; `None` for what is too large, has no size, or wants a larger
/// alignment, which are boxes. Under loom and Miri everything is: they watch the global allocator.
const fn class_of<T>() -> Option<usize> {
    let (size, align) = (size_of::<T>(), align_of::<T>());
    if size == 0 || size > LARGEST || align > GRAIN || cfg!(any(loom, miri, rekindle_plain_blocks))
    {
        return None;
    }
    let room = match size {
        ..=THREE_LINES => size,
        _ => size.next_multiple_of(LINE),
    };
    Some((room - 1) / GRAIN)
}

/// Memory for a `T`.
#[inline]
#[must_use]
pub fn allocate<T>() -> NonNull<MaybeUninit<T>> {
    let Some(class) = (const { class_of::<T>() }) else {
        return NonNull::from(Box::leak(Box::<T>::new_uninit()));
    };
    let kept = context::with_blocks(|cache| cache?.take(class));
    match kept {
        Some(block) => block.cast(),
        None => from_elsewhere(class).cast(),
    }
}

/// A block that is not at hand.
#[inline(never)]
fn from_elsewhere(class: usize) -> NonNull<u8> {
    let kept = context::with_blocks(|cache| {
        let cache = cache?;
        cache.lists[class].refill(class, cache.home)
    });
    kept.unwrap_or_else(|| STORE.cut(class, Home::NOBODY, 1).cast())
}

/// Gives the memory of a `T` back, without looking at what is in it.
///
/// # Safety
///
/// It came from [`allocate`] for the same type, and nobody uses it any more.
#[inline]
pub unsafe fn deallocate<T>(block: NonNull<T>) {
    let Some(class) = (const { class_of::<T>() }) else {
        // SAFETY: the caller's promise; such blocks are boxes.
        return drop(unsafe { Box::from_raw(block.cast::<MaybeUninit<T>>().as_ptr()) });
    };
    let block = block.cast();
    let kept = context::with_blocks(|cache| match cache {
        // SAFETY: by the caller's promise the block is ours, and was allocated for this class.
        Some(cache) => unsafe { cache.keep(class, block) },
        None => false,
    });
    if !kept {
        // SAFETY: as above.
        unsafe { give_up(class, block) };
    }
}

/// What a runtime does about memory that nobody uses.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// How often its monitor has gone to sleep.
    rests: AtomicUsize,
}

impl Upkeep {
    /// Its monitor works from now on, and ticks.
    pub(crate) fn mind(&self) -> Minding<'_> {
        STORE.mind();
        Minding(self)
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        STORE.trim_unless_minded();
    }
}

/// Until this is dropped, somebody gives back what is not needed lately, and the rest may stay.
#[derive(Debug)]
pub(crate) struct Minding<'a>(&'a Upkeep);

impl Minding<'_> {
    /// To be called at each tick.
    pub(crate) fn tick(&self) {
        STORE.tick();
    }
}

impl Drop for Minding<'_> {
    fn drop(&mut self) {
        self.0.rests.fetch_add(1, Ordering::Relaxed);
        STORE.unmind();
    }
}

/// A block that is not to be kept at hand.
///
/// # Safety
///
/// The block is of this class and the caller's.
#[inline(never)]
unsafe fn give_up(class: usize, block: NonNull<u8>) {
    context::with_blocks(|cache| match cache {
        // SAFETY: the caller's promise.
        Some(cache) => unsafe { cache.put(class, block) },
        // SAFETY: as above.
        None => unsafe { release(class, block) },
    });
}

/// Gives a block back to the store.
///
/// # Safety
///
/// The block is of this class and the caller's.
unsafe fn release(class: usize, block: NonNull<u8>) {
    // SAFETY: the caller's promise.
    let link = unsafe { Link::write(block, ptr::null_mut()) };
    // SAFETY: by invariant 1 and the caller's promise; and it is of that home.
    unsafe { STORE.give_back(class, chunk::home_of(block), link) };
}

/// Moves a value into a block of its own.
#[inline]
#[must_use]
pub fn put<T>(value: T) -> NonNull<T> {
    let block = allocate::<T>().cast::<T>();
    // SAFETY: the block is ours, and made for a `T`.
    unsafe { block.write(value) };
    block
}

/// Moves the value out again, and gives the block back.
///
/// # Safety
///
/// `block` came from [`put`] (or from [`allocate`], and was filled since), and nobody uses it any
/// more.
#[inline]
pub unsafe fn take<T>(block: NonNull<T>) -> T {
    // SAFETY: the caller's promise.
    unsafe {
        let value = block.read();
        deallocate(block);
        value
    }
}

/// Drops the value where it is, and gives the block back, even if the drop panics.
///
/// # Safety
///
/// As [`take`].
pub unsafe fn drop_in_place<T>(block: NonNull<T>) {
    struct Emptied<T>(NonNull<T>);
    impl<T> Drop for Emptied<T> {
        fn drop(&mut self) {
            // SAFETY: the promise of the function below.
            unsafe { deallocate(self.0) };
        }
    }
    let emptied = Emptied(block);
    // SAFETY: the caller's promise.
    unsafe { ptr::drop_in_place(emptied.0.as_ptr()) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Builder;

    #[repr(align(64))]
    struct Aligned([u8; 64]);

    /// Whether there are blocks of ours at all.
    fn cached() -> bool {
        class_of::<u64>().is_some()
    }

    #[test]
    fn what_is_larger_than_three_lines_has_lines_of_its_own() {
        if !cached() {
            return;
        }
        let size = |class: Option<usize>| class.map(size_of_class);
        assert_eq!(size(class_of::<[u8; 3 * LINE]>()), Some(192));
        assert_eq!(size(class_of::<[u8; 3 * LINE + 1]>()), Some(256));
        assert_eq!(size(class_of::<[u8; LARGEST]>()), Some(LARGEST));
        assert_eq!(size(class_of::<[u8; LARGEST + 1]>()), None);
        let blocks: Vec<_> = (0..300).map(|n| put([n; 29_usize])).collect();
        assert!(blocks.iter().all(|block| block.addr().get() % LINE == 0));
        for block in blocks {
            // SAFETY: it came from `put`, and is ours.
            unsafe { drop_in_place(block) };
        }
    }

    /// A chain of fresh blocks of a home.
    fn chain_of(class: usize, home: Home) -> Chain {
        let len = chain_len(class);
        Chain {
            first: STORE.cut(class, home, len),
            class,
            len,
            home,
        }
    }

    impl Chain {
        /// The blocks, which are the caller's now.
        fn into_blocks(self) -> Vec<NonNull<u8>> {
            let len = self.len as usize;
            let blocks = linked(self.into_first().as_ptr());
            assert_eq!(blocks.len(), len, "a chain has as many as it says");
            blocks
        }
    }

    /// The blocks from this one on.
    fn linked(first: *mut Link) -> Vec<NonNull<u8>> {
        let mut next = first;
        let mut blocks = Vec::new();
        while let Some(block) = NonNull::new(next) {
            blocks.push(block.cast());
            // SAFETY: by invariants 2 and 4 the block is a list's or a chain's and begins with a link.
            next = unsafe { block.as_ref() }.next;
        }
        blocks
    }

    /// How many blocks of a class this thread has at hand: in its list, and in the chain besides.
    fn at_hand(class: usize) -> (usize, usize) {
        context::with_blocks(|cache| {
            let list = &cache.expect("it keeps some").lists[class];
            let first = linked(list.first.get()).len();
            assert_eq!(first, list.len.get() as usize);
            let spare = list.spare.take();
            let besides = spare.as_ref().map_or(0, |chain| {
                let blocks = linked(chain.first.as_ptr()).len();
                assert_eq!(blocks, chain.len as usize);
                blocks
            });
            list.spare.set(spare);
            (first, besides)
        })
    }

    /// How many blocks of other homes wait to be sent there.
    fn away(class: usize) -> u32 {
        context::with_blocks(|cache| {
            let list = &cache.expect("it keeps some").lists[class];
            let blocks = linked(list.away.get());
            assert_eq!(blocks.len(), list.away_len.get() as usize);
            list.away_len.get()
        })
    }

    fn in_a_worker<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
        let runtime = Builder::new().workers(1).start().expect("a runtime");
        let task = runtime.handle().spawn(async move { f() });
        runtime.block_on(task).expect("the test's body")
    }

    #[test]
    fn a_worker_gets_back_what_it_freed_last() {
        if !cached() {
            return;
        }
        in_a_worker(|| {
            let first = put([7_u64; 5]);
            // SAFETY: it is not used any more.
            assert_eq!(unsafe { take(first) }, [7; 5]);
            let second = put([8_u64; 5]);
            assert_eq!(first, second);
            // Another type of the same class shares its blocks, one of another does not.
            // SAFETY: as above.
            unsafe { deallocate(second) };
            let smaller = put([0_u64; 3]);
            assert_ne!(smaller.addr(), second.addr());
            let same = put([0_u32; 9]);
            assert_eq!(same.addr(), second.addr());
            // SAFETY: as above.
            unsafe {
                deallocate(smaller);
                deallocate(same);
            }
        });
    }

    #[test]
    fn a_worker_keeps_two_chains_and_what_comes_back_is_had_once() {
        if !cached() {
            return;
        }
        in_a_worker(|| {
            let class = class_of::<[u64; 6]>().expect("a small block");
            let (chain, many) = (chain_len(class) as usize, 4 * chain_len(class) + 7);
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..10 {
                let take = |n| {
                    // It knows what it has, at each step.
                    at_hand(class);
                    put([u64::from(n); 6])
                };
                let blocks: Vec<_> = (0..many).map(take).collect();
                let mut known: Vec<_> = blocks.iter().map(|block| block.addr()).collect();
                known.sort_unstable();
                known.dedup();
                assert_eq!(known.len(), many as usize);
                for block in blocks {
                    // SAFETY: it is not used any more.
                    unsafe { deallocate(block) };
                }
                let (list, besides) = at_hand(class);
                assert_eq!(besides, chain, "it is full");
                assert!((1..=chain).contains(&list));
                seen.extend(known);
            }
            let most = many as usize + 3 * chain;
            assert!(seen.len() <= most, "what came back is used again");
        });
    }

    #[test]
    fn what_another_worker_frees_goes_home() {
        if !cached() {
            return;
        }
        in_a_worker(|| {
            let class = class_of::<[u64; 6]>().expect("a small block");
            // Nobody else has these.
            let [stranger, third] = [1_001, 1_002].map(Home::from_number);
            let mut blocks = chain_of(class, stranger).into_blocks();
            blocks.sort_unstable();
            let mut others = chain_of(class, third).into_blocks();
            others.sort_unstable();
            let free = |block: NonNull<u8>| {
                // SAFETY: it is ours, of this class, and not used any more.
                unsafe { deallocate(block.cast::<[u64; 6]>()) };
            };
            // They go when there are enough of them, each where it belongs.
            let half = chain_len(class) as usize / 2;
            for n in 0..half {
                assert_eq!(away(class) as usize, 2 * n);
                free(others[n]);
                free(blocks[half - 1 - n]);
            }
            assert_eq!(away(class), 0);
            let again = |home| linked(STORE.cut(class, home, half as u32).as_ptr());
            assert_eq!(again(stranger), blocks[..half]);
            assert_eq!(again(third), others[..half]);
            for block in blocks.into_iter().chain(others) {
                // SAFETY: as above.
                unsafe { release(class, block) };
            }
        });
    }

    #[test]
    fn what_is_on_its_way_home_gets_there_when_the_worker_ends() {
        if !cached() {
            return;
        }
        let class = class_of::<[u64; 5]>().expect("a small block");
        // Nobody else has this.
        let stranger = Home::from_number(1_003);
        // With one that stays, lest the slab be anybody's afterwards.
        let stays = STORE.cut(class, stranger, 1);
        let made = in_a_worker(move || {
            let blocks = linked(STORE.cut(class, stranger, 3).as_ptr());
            for &block in &blocks {
                // SAFETY: it is ours, of this class, and not used any more.
                unsafe { deallocate(block.cast::<[u64; 5]>()) };
            }
            assert_eq!(away(class), 3);
            blocks.iter().map(|block| block.addr()).collect::<Vec<_>>()
        });
        let again = linked(STORE.cut(class, stranger, 3).as_ptr());
        assert_eq!(again.iter().map(|b| b.addr()).collect::<Vec<_>>(), made);
        for block in again.into_iter().chain([stays.cast()]) {
            // SAFETY: as above.
            unsafe { release(class, block) };
        }
    }

    #[test]
    fn a_runtime_at_rest_hoards_nothing() {
        let runtime = Builder::new().workers(2).start().expect("a runtime");
        let burst = runtime.handle().spawn(async {
            let blocks: Vec<_> = (0..64_000_u64).map(|n| put([n; 6])).collect();
            for block in blocks {
                // SAFETY: it is not used any more.
                unsafe { deallocate(block) };
            }
        });
        runtime.block_on(burst).expect("the burst");
        let rests = || runtime.core().upkeep.rests.load(Ordering::Relaxed);
        // A guard against hanging for ever, not a measure of anything.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while rests() == 0 {
            assert!(std::time::Instant::now() < patience, "it keeps everything");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_no_class_fits_goes_to_the_allocator() {
        fn there_and_back() {
            let aligned = put(Aligned([3; 64]));
            assert!(aligned.addr().get().is_multiple_of(64));
            let large = put([1_u8; LARGEST + 1]);
            let nothing = put(());
            // SAFETY: each is taken once.
            unsafe {
                assert_eq!(take(aligned).0, [3; 64]);
                assert_eq!(take(large)[LARGEST], 1);
                take(nothing);
            }
        }
        there_and_back();
        in_a_worker(there_and_back);
    }

    #[test]
    fn a_block_may_be_freed_by_another_thread() {
        let made = in_a_worker(|| {
            put(String::from("made by a worker"))
                .as_ptr()
                .expose_provenance()
        });
        let block = ptr::with_exposed_provenance_mut::<String>(made);
        let block = NonNull::new(block).expect("an address");
        // SAFETY: the block above, used once.
        assert_eq!(unsafe { take(block) }, "made by a worker");
    }

    #[test]
    fn a_drop_that_panics_leaves_no_block_behind() {
        struct Bad(#[allow(dead_code, reason = "it gives the block a size")] u64);
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("as told");
            }
        }
        let block = put(Bad(1));
        // SAFETY: it is not used any more.
        let dropped = std::panic::catch_unwind(|| unsafe { drop_in_place(block) });
        assert!(dropped.is_err());
    }
}
