//! Memory for cells and nodes, kept by the worker that frees it.
//!
//! A message lives for less than a microsecond, a short task for little more, and the allocator
//! is a good part of what they cost. So a worker keeps the blocks that are freed on it, by size,
//! and hands them out again; the next one is as a rule still in its cache. What it keeps is bounded
//! (two chains of a size). More than that goes to the depot of its runtime, a chain at a time. So does what it
//! frees and did not cut itself: the depot has it for the worker whose it is (see [`Home`]). What nobody has, and
//! what nobody wants, is in the store of the program, which cuts blocks from chunks of two megabytes; threads
//! that are no workers use it directly.
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
//! A block may be freed on any thread: where it goes then is nobody's business but this module's. With
//! `--cfg rekindle_plain_blocks` each is one of the global allocator's, for tools that watch that.
//!
//! Invariants
//! 1. A block of class `c` was cut by the store for `c`, and nothing else is in list `c`.
//! 2. A block in a list belongs to the list: its first word is the link, the rest is not looked at.
//! 3. A list is reached by its own thread only (it lies in a `Local`: invariant 2 of `context`).
//! 4. A chain of class `c` has blocks of it, as many as its `len` says, each the link to the next, and owns
//!    them.
//!
//! Whom a chain is for (its `home`) is advice: what a worker has borrowed from another goes on with its own.

mod chunk;
mod depot;
mod store;

use std::cell::Cell;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};

use crate::context;
use crate::home::Home;

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
    /// Blocks of one other home, to be sent there together.
    away: Cell<Option<Chain>>,
}

/// What a free block begins with.
struct Link {
    next: *mut Link,
}

/// Blocks that go together.
struct Chain {
    first: NonNull<Link>,
    class: usize,
    len: u32,
    /// Whose they are, most of them.
    home: Home,
}

// SAFETY: by invariant 4 it owns its blocks, which are plain memory.
unsafe impl Send for Chain {}

impl BlockCache {
    pub(crate) fn new(home: Home) -> BlockCache {
        BlockCache {
            home,
            lists: std::array::from_fn(|_| List {
                first: Cell::new(ptr::null_mut()),
                len: Cell::new(0),
                spare: Cell::new(None),
                away: Cell::new(None),
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
            // SAFETY: the caller's promise.
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
            // SAFETY: as in `keep`.
            unsafe { list.push(block) };
        } else {
            // SAFETY: the caller's promise.
            unsafe { list.send_home(class, home, block) };
        }
    }
}

impl Chain {
    /// A chain of one block.
    ///
    /// # Safety
    ///
    /// The block is the caller's and of this class.
    unsafe fn of(class: usize, home: Home, block: NonNull<u8>) -> Chain {
        let first = block.cast::<Link>();
        let next = ptr::null_mut();
        // SAFETY: the block is ours, and by invariant 1 large enough and aligned for a link.
        unsafe { first.write(Link { next }) };
        Chain {
            first,
            class,
            len: 1,
            home,
        }
    }

    /// Adds a block in front.
    ///
    /// # Safety
    ///
    /// The block is the caller's and of this chain's class.
    unsafe fn push(&mut self, block: NonNull<u8>) {
        let next = self.first.as_ptr();
        self.first = block.cast();
        // SAFETY: the block is ours, and by invariant 1 large enough and aligned for a link.
        unsafe { self.first.write(Link { next }) };
        self.len += 1;
    }

    fn into_first(self) -> NonNull<Link> {
        ManuallyDrop::new(self).first
    }

    /// Hands it over to whoever needs it next.
    fn hand_in(self) {
        context::with_depot(|depot| match depot {
            // What nobody calls his own was cut by the store for a thread that asks there again.
            Some(depot) if self.home != Home::NOBODY => depot.give(self),
            _ => drop(self),
        });
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

    /// Keeps a block. The list must not be full.
    ///
    /// # Safety
    ///
    /// The block is the caller's and of this list's class.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>) {
        let next = self.first.get();
        let link = block.cast::<Link>();
        // SAFETY: the block is ours, and by invariant 1 large enough and aligned for a link.
        unsafe { link.write(Link { next }) };
        self.first.set(link.as_ptr());
        self.len.set(self.len.get() + 1);
    }

    /// Makes room: what is at hand becomes the spare chain, and that one goes to the depot.
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
        if let Some(chain) = self.spare.replace(Some(chain)) {
            chain.hand_in();
        }
    }

    /// Collects a block of another home with others of that home.
    ///
    /// # Safety
    ///
    /// The block is the caller's and of this list's class, which is `class`.
    unsafe fn send_home(&self, class: usize, home: Home, block: NonNull<u8>) {
        let chain = match self.away.take() {
            Some(mut chain) if chain.home == home => {
                // SAFETY: the caller's promise.
                unsafe { chain.push(block) };
                chain
            }
            others => {
                if let Some(chain) = others {
                    chain.hand_in();
                }
                // SAFETY: the caller's promise.
                unsafe { Chain::of(class, home, block) }
            }
        };
        if chain.len < chain_len(class) {
            self.away.set(Some(chain));
        } else {
            chain.hand_in();
        }
    }

    /// The first block of the spare chain, of one of the depot's, or of some that the store has; the
    /// list is empty.
    fn refill(&self, class: usize, home: Home) -> Option<NonNull<u8>> {
        let chain = self.spare.take();
        let chain = chain.or_else(|| context::with_depot(|depot| depot?.take(class, home)));
        let (len, first) = match chain {
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
        chain_of(class, Home::from_number(1))
    }

    /// A chain of fresh blocks of a home.
    pub(super) fn chain_of(class: usize, home: Home) -> Chain {
        let len = chain_len(class);
        Chain {
            first: STORE.cut(class, home, len),
            class,
            len,
            home,
        }
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

    /// Whose blocks this thread keeps.
    fn own_home() -> Home {
        context::with_blocks(|cache| cache.expect("it keeps some").home)
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
            let home = own_home();
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
                    let chains: Vec<_> = std::iter::from_fn(|| depot.take(class, home)).collect();
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
    fn what_another_worker_frees_goes_home() {
        if !cached() {
            return;
        }
        in_a_worker(|| {
            let class = class_of::<[u64; 6]>().expect("a small block");
            let stranger = Home::from_number(own_home().number() + 1);
            let third = Home::from_number(own_home().number() + 2);
            let free = |chain: Chain, count: u32| {
                let len = chain.len;
                let mut next = chain.into_first().as_ptr();
                for freed in 0..len {
                    let block = NonNull::new(next).expect("a chain has as many as it says");
                    // SAFETY: by invariant 4 the block is ours and begins with a link.
                    next = unsafe { block.as_ref() }.next;
                    // SAFETY: as above; each goes one way.
                    unsafe {
                        if freed < count {
                            deallocate(block.cast::<[u64; 6]>());
                        } else {
                            release(class, block.cast());
                        }
                    }
                }
            };
            let in_the_depot = |home| {
                context::with_depot(|depot| depot.expect("this is a worker").take(class, home)).map(
                    |chain| {
                        assert_eq!(chain.count(), chain.len);
                        chain.len
                    },
                )
            };
            // A full chain goes at once, one that is not waits for more.
            free(chain_of(class, stranger), chain_len(class));
            free(chain_of(class, stranger), 5);
            assert_eq!(in_the_depot(stranger), Some(chain_len(class)));
            assert_eq!(in_the_depot(stranger), None);
            // It goes when others are on their way.
            free(chain_of(class, third), 1);
            assert_eq!(in_the_depot(stranger), Some(5));
            assert_eq!(in_the_depot(third), None);
            // Nobody asks the depot for nobody's.
            free(chain_of(class, Home::NOBODY), chain_len(class));
            assert_eq!(in_the_depot(third), Some(1));
            assert_eq!(in_the_depot(Home::NOBODY), None);
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
            let given =
                context::with_depot(|depot| depot.map(|d| d.take(class, own_home()).is_some()));
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
