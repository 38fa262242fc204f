//! Memory for cells and nodes, kept by the worker that frees it.
//!
//! A message lives for less than a microsecond, a short task for little more, and the allocator
//! is a good part of what they cost. So a worker keeps the blocks that are freed on it, by size,
//! and hands them out again; the next one is as a rule still in its cache. What it keeps is bounded
//! (two chains of a size). More than that goes to the depot of its runtime, a chain at a time, and
//! comes from there to the workers that allocate more than they free. What nobody has, and what nobody
//! wants, is in the store of the program, which cuts blocks from chunks of two megabytes; threads that are
//! no workers use it directly.
//!
//! | what              | whose         | in what          | behind                             |
//! |-------------------|---------------|------------------|------------------------------------|
//! | `BlockCache`      | a worker      | single blocks    | nothing: it is the thread's own    |
//! | `Depot`           | a runtime     | chains           | a lock for each size               |
//! | `Store`           | the program   | slabs, chunks    | a lock for each size, one for all  |
//!
//! It is for the layer above, whose messages are such blocks ([`Node`](crate::Node) shows one); what
//! [`put`] gives must be taken back by [`take`] or [`drop_in_place`], which takes `unsafe`.
//!
//! A block may be freed on any thread: where it goes then is nobody's business but this file's. With
//! `--cfg rekindle_plain_blocks` each is one of the global allocator's, for tools that watch that.
//!
//! Invariants
//! 1. A block of class `c` was cut by the store for `c`, and nothing else is in list `c`.
//! 2. A block in a list belongs to the list: its first word is the link, the rest is not looked at.
//! 3. A list is reached by its own thread only (it lies in a `Local`: invariant 2 of `context`).
//! 4. A chain of class `c` has exactly `chain_len(c)` blocks of it, each the link to the next, and
//!    owns them.

mod chunk;
mod depot;
mod store;

use std::cell::Cell;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};

use crate::context;

pub(crate) use depot::Depot;

use store::Store;

/// Sizes are rounded up to this, as the common allocators do themselves, and so is alignment.
const GRAIN: usize = 16;
/// Larger blocks are the global allocator's. (A message of 1,024 bytes and its link fit.)
const LARGEST: usize = 2048;
const CLASSES: usize = LARGEST / GRAIN;

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
    lists: [List; CLASSES],
}

/// Free blocks of one size.
struct List {
    first: Cell<*mut Link>,
    len: Cell<u32>,
    /// A full chain besides, or none.
    spare: Cell<Option<Chain>>,
}

/// What a free block begins with.
struct Link {
    next: *mut Link,
}

/// Blocks on their way from one worker to another.
struct Chain {
    first: NonNull<Link>,
    class: usize,
}

// SAFETY: by invariant 4 it owns its blocks, which are plain memory.
unsafe impl Send for Chain {}

impl BlockCache {
    pub(crate) fn new() -> BlockCache {
        BlockCache {
            lists: std::array::from_fn(|_| List {
                first: Cell::new(ptr::null_mut()),
                len: Cell::new(0),
                spare: Cell::new(None),
            }),
        }
    }
}

impl Chain {
    fn class(&self) -> usize {
        self.class
    }

    fn into_first(self) -> NonNull<Link> {
        ManuallyDrop::new(self).first
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: by invariants 1 and 4.
        unsafe { STORE.give_back(self.class, self.first) };
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

    /// Keeps a block.
    ///
    /// # Safety
    ///
    /// The block is the caller's and of this list's class, which is `class`.
    #[inline]
    unsafe fn push(&self, class: usize, block: NonNull<u8>) {
        if self.len.get() == chain_len(class) {
            self.put_by(class);
        }
        let next = self.first.get();
        let link = block.cast::<Link>();
        // SAFETY: the block is ours, and by invariant 1 large enough and aligned for a link.
        unsafe { link.write(Link { next }) };
        self.first.set(link.as_ptr());
        self.len.set(self.len.get() + 1);
    }

    /// Makes room: what is at hand becomes the spare chain, and that one goes to the depot.
    #[inline(never)]
    fn put_by(&self, class: usize) {
        self.len.set(0);
        let Some(first) = NonNull::new(self.first.replace(ptr::null_mut())) else {
            return;
        };
        // Invariant 4: it is full.
        if let Some(chain) = self.spare.replace(Some(Chain { first, class })) {
            context::with_depot(|depot| match depot {
                Some(depot) => depot.give(chain),
                None => drop(chain),
            });
        }
    }

    /// The first block of the spare chain, of one of the depot's, or of some that the store has; the
    /// list is empty.
    fn refill(&self, class: usize) -> Option<NonNull<u8>> {
        let chain = self.spare.take();
        let chain = chain.or_else(|| context::with_depot(|depot| depot?.take(class)));
        let (first, len) = match chain {
            Some(chain) => (chain.into_first(), chain_len(class)),
            None => (STORE.cut(class, cut_len(class)), cut_len(class)),
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
                unsafe { STORE.give_back(class, first) };
            }
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
    Some((size - 1) / GRAIN)
}

/// Memory for a `T`.
#[inline]
#[must_use]
pub fn allocate<T>() -> NonNull<MaybeUninit<T>> {
    let Some(class) = (const { class_of::<T>() }) else {
        return NonNull::from(Box::leak(Box::<T>::new_uninit()));
    };
    let kept = context::with_blocks(|cache| cache?.lists[class].pop());
    match kept {
        Some(block) => block.cast(),
        None => from_elsewhere(class).cast(),
    }
}

/// A block that is not at hand.
#[inline(never)]
fn from_elsewhere(class: usize) -> NonNull<u8> {
    let kept = context::with_blocks(|cache| cache?.lists[class].refill(class));
    kept.unwrap_or_else(|| STORE.cut(class, 1).cast())
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
    let kept = context::with_blocks(|cache| match cache {
        Some(cache) => {
            // SAFETY: by the caller's promise the block is ours, and was allocated for this class.
            unsafe { cache.lists[class].push(class, block.cast()) };
            true
        }
        None => false,
    });
    if !kept {
        // SAFETY: invariant 1.
        unsafe { release(class, block.cast()) };
    }
}

/// # Safety
///
/// The block is of this class and the caller's.
#[inline(never)]
unsafe fn release(class: usize, block: NonNull<u8>) {
    let link = block.cast::<Link>();
    // SAFETY: the block is ours, and by invariant 1 large enough and aligned for a link.
    unsafe {
        link.write(Link {
            next: ptr::null_mut(),
        })
    };
    // SAFETY: by invariant 1 and the caller's promise.
    unsafe { STORE.give_back(class, link) };
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
    use crate::{Builder, Runtime};

    #[repr(align(64))]
    struct Aligned([u8; 64]);

    /// Whether there are blocks of ours at all.
    fn cached() -> bool {
        class_of::<u64>().is_some()
    }

    /// A chain of fresh blocks.
    pub(super) fn chain(class: usize) -> Chain {
        let first = STORE.cut(class, chain_len(class));
        Chain { first, class }
    }

    impl Chain {
        pub(super) fn address(&self) -> usize {
            self.first.addr().get()
        }

        /// How many blocks it has.
        fn count(&self) -> u32 {
            let mut count = 0;
            let mut next = self.first.as_ptr();
            while let Some(block) = NonNull::new(next) {
                count += 1;
                // SAFETY: by invariant 4 the block is the chain's and begins with a link.
                next = unsafe { block.as_ref() }.next;
            }
            count
        }
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
    fn what_is_too_much_for_one_worker_is_there_for_all() {
        if !cached() {
            return;
        }
        in_a_worker(|| {
            let class = class_of::<[u64; 6]>().expect("a small block");
            let fill = || {
                let blocks = (0..4 * chain_len(class)).map(|n| put([u64::from(n); 6]));
                blocks.collect::<Vec<_>>()
            };
            let blocks = fill();
            let mut known: Vec<_> = blocks.iter().map(|block| block.addr()).collect();
            for block in blocks {
                // SAFETY: it is not used any more.
                unsafe { deallocate(block) };
            }
            // Two chains are at hand, two in the depot, and each is full.
            let look_into_the_depot = || {
                context::with_depot(|depot| {
                    let depot = depot.expect("this is a worker");
                    let chains: Vec<_> = std::iter::from_fn(|| depot.take(class)).collect();
                    let full = [chain_len(class); 2];
                    assert_eq!(chains.iter().map(Chain::count).collect::<Vec<_>>(), full);
                    chains.into_iter().for_each(|chain| depot.give(chain));
                });
            };
            look_into_the_depot();
            let again = fill();
            let mut found: Vec<_> = again.iter().map(|block| block.addr()).collect();
            known.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, known, "each comes back, and once");
            for block in again {
                // SAFETY: as above.
                unsafe { deallocate(block) };
            }
            look_into_the_depot();
        });
    }

    #[test]
    fn a_runtime_at_rest_hoards_nothing() {
        if !cached() {
            return;
        }
        let runtime = Builder::new().workers(2).start().expect("a runtime");
        let burst = runtime.handle().spawn(async {
            let blocks: Vec<_> = (0..64_000_u64).map(|n| put([n; 6])).collect();
            for block in blocks {
                // SAFETY: it is not used any more.
                unsafe { deallocate(block) };
            }
        });
        runtime.block_on(burst).expect("the burst");
        // A guard against hanging for ever, not a measure of anything.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while runtime.core().depot.len() > 0 {
            assert!(
                std::time::Instant::now() < patience,
                "{:?}",
                runtime.core().depot
            );
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_simulation_hoards_nothing() {
        if !cached() {
            return;
        }
        Runtime::simulated(1).block_on(async {
            let blocks: Vec<_> = (0..256_u64).map(|n| put([n; 6])).collect();
            for block in blocks {
                // SAFETY: it is not used any more.
                unsafe { deallocate(block) };
            }
            let class = class_of::<[u64; 6]>().expect("a small block");
            let given = context::with_depot(|depot| depot.map(|d| d.take(class).is_some()));
            assert_eq!(given, Some(false));
        });
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
