//! Free blocks that no worker has at hand, in chains.
//!
//! Where one worker allocates and another frees, blocks go from the one to the other through here,
//! and the allocator sees neither of them. To free on another thread what this one allocates is what
//! allocators are worst at: glibc's takes the lock of the first thread's arena for each block, and
//! two threads at it sleep and wake in turn.
//!
//! What is here and not used goes back to the allocator: the monitor calls [`Depot::trim`] at each of
//! its ticks, and [`Depot::clear`] when all sleep. A simulation has no monitor, and keeps nothing
//! here; its one thread has no use for it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::{CLASSES, Chain, STORE};

/// So many of a size may lie here unused while anybody works: to give them back and to ask for them
/// anew, over and over, would only crumble the allocator's memory.
const FLOOR: usize = 16;
/// One part in so many of what was not used beyond that is given back per tick: half within 0.1 s.
const PATIENCE: usize = 64;
/// Chains that one trim frees at most, of one size: some 0.2 ms' work.
const MOST: usize = 64;

/// The free blocks of one runtime.
pub(crate) struct Depot {
    keeps: bool,
    shelves: [Shelf; CLASSES],
}

/// Chains of one size. In a line of its own, for different workers use different sizes.
#[repr(align(64))]
#[derive(Default)]
struct Shelf {
    /// As many as in `stock`, to be looked at without the lock.
    count: AtomicUsize,
    stock: Mutex<Stock>,
}

#[derive(Default)]
struct Stock {
    /// Oldest first.
    chains: VecDeque<Chain>,
    /// The fewest that there were since the last trim: so many were not needed.
    fewest: usize,
}

impl Depot {
    /// One that is trimmed by someone, or else must not keep anything.
    pub(crate) fn new(keeps: bool) -> Depot {
        Depot {
            keeps,
            shelves: std::array::from_fn(|_| Shelf::default()),
        }
    }

    /// Takes a full chain over.
    pub(super) fn give(&self, chain: Chain) {
        if self.keeps {
            self.shelves[chain.class()].give(chain);
        }
    }

    /// The chain that was given last.
    pub(super) fn take(&self, class: usize) -> Option<Chain> {
        self.shelves[class].take()
    }

    /// Gives some of what was not needed since the last call back to the allocator.
    pub(crate) fn trim(&self) {
        for shelf in &self.shelves {
            drop(shelf.oldest(|stock| {
                let unused = stock.fewest.saturating_sub(FLOOR);
                unused.div_ceil(PATIENCE).min(MOST)
            }));
        }
    }

    /// Gives everything back, and has the store do likewise.
    pub(crate) fn clear(&self) {
        for shelf in &self.shelves {
            drop(shelf.oldest(|stock| stock.chains.len()));
        }
        STORE.trim();
    }

    /// How many chains there are.
    pub(super) fn len(&self) -> usize {
        let counts = self.shelves.iter().map(|s| s.count.load(Ordering::Relaxed));
        counts.sum()
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Shelf {
    fn give(&self, chain: Chain) {
        let mut stock = self.stock.lock();
        stock.chains.push_back(chain);
        self.count.store(stock.chains.len(), Ordering::Relaxed);
    }

    fn take(&self) -> Option<Chain> {
        // Who misses what has just been given asks the allocator, and finds it the next time.
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut stock = self.stock.lock();
        let chain = stock.chains.pop_back();
        stock.fewest = stock.fewest.min(stock.chains.len());
        self.count.store(stock.chains.len(), Ordering::Relaxed);
        chain
    }

    /// Takes as many as `choose` says, and begins to count anew. They are freed by the caller, for
    /// that takes its time.
    fn oldest(&self, choose: impl FnOnce(&Stock) -> usize) -> Vec<Chain> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut stock = self.stock.lock();
        let how_many = choose(&stock);
        let oldest = stock.chains.drain(..how_many).collect();
        if stock.chains.is_empty() {
            stock.chains = VecDeque::new();
        }
        stock.fewest = stock.chains.len();
        self.count.store(stock.chains.len(), Ordering::Relaxed);
        oldest
    }
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Depot")
            .field("chains", &self.len())
            .finish()
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::super::tests::chain;
    use super::*;

    #[test]
    fn what_was_given_last_is_taken_first() {
        let depot = Depot::new(true);
        let (one, two) = (chain(3), chain(3));
        let (first, second) = (one.address(), two.address());
        depot.give(one);
        depot.give(two);
        depot.give(chain(4));
        assert_eq!(depot.take(3).map(|c| c.address()), Some(second));
        assert_eq!(depot.take(3).map(|c| c.address()), Some(first));
        assert!(depot.take(3).is_none());
        assert_eq!(depot.len(), 1);
    }

    #[test]
    fn a_depot_that_nobody_trims_keeps_nothing() {
        let depot = Depot::new(false);
        depot.give(chain(0));
        assert!(depot.take(0).is_none());
    }

    #[test]
    fn what_is_used_between_two_trims_stays() {
        const MANY: usize = FLOOR + 10;
        let depot = Depot::new(true);
        (0..MANY).for_each(|_| depot.give(chain(2)));
        depot.trim();
        assert_eq!(depot.len(), MANY, "it has just come");
        let all: Vec<_> = std::iter::from_fn(|| depot.take(2)).collect();
        all.into_iter().for_each(|c| depot.give(c));
        depot.trim();
        assert_eq!(depot.len(), MANY, "all of it was in use");
        // Nobody uses it.
        for left in (FLOOR..MANY).rev() {
            depot.trim();
            assert_eq!(depot.len(), left);
        }
        depot.trim();
        assert_eq!(depot.len(), FLOOR);
    }

    #[test]
    fn much_that_is_not_used_goes_in_parts() {
        let depot = Depot::new(true);
        (0..1_000).for_each(|_| depot.give(chain(1)));
        depot.trim();
        depot.trim();
        assert_eq!(depot.len(), 1_000 - (1_000 - FLOOR).div_ceil(PATIENCE));
        depot.clear();
        assert_eq!(depot.len(), 0);
    }

    #[test]
    fn chains_pass_from_one_thread_to_another_and_none_is_lost() {
        const CHAINS: usize = 2_000;
        let depot = Depot::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..CHAINS).for_each(|_| depot.give(chain(5))));
            let taken = scope.spawn(|| {
                let mut taken = 0;
                while taken < CHAINS {
                    match depot.take(5) {
                        Some(_) => taken += 1,
                        None => std::thread::yield_now(),
                    }
                }
                taken
            });
            assert_eq!(taken.join().expect("it ends well"), CHAINS);
        });
        assert_eq!(depot.len(), 0);
    }
}
