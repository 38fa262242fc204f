//! Free blocks that no worker has at hand, in chains, each for the worker whose they are.
//!
//! Where one worker allocates and another frees, blocks go back to the one through here,
//! and the allocator sees neither of them. To free on another thread what this one allocates is what
//! allocators are worst at: glibc's takes the lock of the first thread's arena for each block, and
//! two threads at it sleep and wake in turn.
//!
//! What is here and not used goes back to the store: the monitor calls [`Depot::trim`] at each of
//! its ticks, and [`Depot::clear`] when all sleep. A simulation has no monitor, and keeps nothing
//! here; its one thread has no use for it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::{CLASSES, Chain, STORE};
use crate::home::Home;

/// So many of a size may lie here unused while anybody works: to give them back and to ask for them
/// anew, over and over, would cost more than they are worth.
const FLOOR: usize = 16;
/// So many ticks are looked at as one (64 ms): what a program needs again and again in that time, with
/// pauses between, is in use.
const WINDOW: u32 = 32;
/// Of what a whole window did not need beyond the floor, one part in so many is given back in the next.
const PART: usize = 2;
/// A home that has so many of a size lends some to another: it has moved on, or has no use for them now.
const LENDS: usize = FLOOR;
/// Where nobody has taken any for so many windows, blocks come in and do not go out: they are freed here and
/// made elsewhere. Then those beyond the floor go on to the store at once, at the cost of who frees them.
const UNTAKEN: u32 = 4;
/// Chains that one trim frees at most, of one size: some 0.2 ms' work.
const MOST: usize = 64;

/// The free blocks of one runtime.
pub(crate) struct Depot {
    keeps: bool,
    /// Trims so far.
    ticks: AtomicU32,
    shelves: [Shelf; CLASSES],
}

/// Chains of one size. In a line of its own, for different workers use different sizes.
#[repr(align(64))]
#[derive(Default)]
struct Shelf {
    /// As many as in all of `stocks`, to be looked at without the lock.
    count: AtomicUsize,
    stocks: Mutex<BTreeMap<Home, Stock>>,
}

/// Those of one home.
#[derive(Default)]
struct Stock {
    /// Oldest first.
    chains: VecDeque<Chain>,
    /// The fewest that there were in this window: so many were not needed.
    fewest: usize,
    /// How many the last window has left to be given back in this one.
    surplus: usize,
    /// Windows in a row in which none was taken; the present one counts.
    untaken: u32,
}

impl Depot {
    /// One that is trimmed by someone, or else must not keep anything.
    pub(crate) fn new(keeps: bool) -> Depot {
        Depot {
            keeps,
            ticks: AtomicU32::new(0),
            shelves: std::array::from_fn(|_| Shelf::default()),
        }
    }

    /// Takes a full chain over.
    pub(super) fn give(&self, chain: Chain) {
        if self.keeps {
            self.shelves[chain.class].give(chain);
        }
    }

    /// The chain of this home that was given last; or else one of the home that has most, if that has many.
    pub(super) fn take(&self, class: usize, home: Home) -> Option<Chain> {
        self.shelves[class].take(home)
    }

    /// Gives some of what was not needed lately back to the store. To be called at each tick.
    pub(crate) fn trim(&self) {
        let tick = self.ticks.fetch_add(1, Ordering::Relaxed);
        let is_first = tick.is_multiple_of(WINDOW);
        for shelf in &self.shelves {
            drop(shelf.oldest(|stock| stock.unneeded(is_first)));
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
        let mut stocks = self.stocks.lock();
        let stock = stocks.entry(chain.home).or_default();
        if stock.untaken > UNTAKEN && stock.chains.len() >= FLOOR {
            drop(stocks);
            return drop(chain);
        }
        stock.chains.push_back(chain);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self, home: Home) -> Option<Chain> {
        // Who misses what has just been given asks the store, and finds it the next time.
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut stocks = self.stocks.lock();
        let may_give = |(whose, stock): &(&Home, &mut Stock)| {
            let keeps = if **whose == home { 1 } else { LENDS };
            stock.chains.len() >= keeps
        };
        let can = stocks.iter_mut().filter(may_give);
        // Its own first.
        let (_, stock) = can.max_by_key(|(whose, stock)| (**whose == home, stock.chains.len()))?;
        let chain = stock.chains.pop_back()?;
        stock.untaken = 0;
        stock.fewest = stock.fewest.min(stock.chains.len());
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(chain)
    }

    /// Takes as many of each stock as `choose` says. They are given back by the caller, for that takes its time.
    fn oldest(&self, mut choose: impl FnMut(&mut Stock) -> usize) -> Vec<Chain> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut oldest = Vec::new();
        let mut stocks = self.stocks.lock();
        stocks.retain(|_, stock| {
            let how_many = choose(stock);
            oldest.extend(stock.chains.drain(..how_many));
            stock.fewest = stock.fewest.saturating_sub(how_many);
            !stock.chains.is_empty()
        });
        self.count.fetch_sub(oldest.len(), Ordering::Relaxed);
        oldest
    }
}

impl Stock {
    /// How many are to be given back at this tick, which may be the first of its window.
    fn unneeded(&mut self, is_first: bool) -> usize {
        if is_first {
            self.surplus = self.fewest.saturating_sub(FLOOR).div_ceil(PART);
            self.fewest = self.chains.len();
            self.untaken = self.untaken.saturating_add(1);
        }
        // They are needed after all, if there are fewer by now.
        let now = self.surplus.min(self.fewest).min(MOST);
        self.surplus -= now;
        now
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
    use super::super::tests::{chain, chain_of};
    use super::*;

    const ONE: Home = Home::from_number(1);
    const OTHER: Home = Home::from_number(2);

    #[test]
    fn what_was_given_last_is_taken_first() {
        let depot = Depot::new(true);
        let (one, two) = (chain(3), chain(3));
        let (first, second) = (one.address(), two.address());
        depot.give(one);
        depot.give(two);
        depot.give(chain(4));
        assert_eq!(depot.take(3, ONE).map(|c| c.address()), Some(second));
        assert_eq!(depot.take(3, ONE).map(|c| c.address()), Some(first));
        assert!(depot.take(3, ONE).is_none());
        assert_eq!(depot.len(), 1);
    }

    #[test]
    fn chains_are_for_the_home_that_they_are_of() {
        let depot = Depot::new(true);
        let ours = chain(3);
        let first = ours.address();
        depot.give(ours);
        depot.give(chain_of(3, OTHER));
        assert_eq!(depot.take(3, ONE).map(|c| c.address()), Some(first));
        assert!(depot.take(3, ONE).is_none());
        assert_eq!(depot.len(), 1);
        assert!(depot.take(3, OTHER).is_some());
    }

    #[test]
    fn a_home_that_has_many_lends_some() {
        let depot = Depot::new(true);
        (0..LENDS + 1).for_each(|_| depot.give(chain_of(3, OTHER)));
        let ours = chain(3);
        let first = ours.address();
        depot.give(ours);
        assert_eq!(depot.take(3, ONE).map(|c| c.address()), Some(first));
        assert!((0..2).all(|_| depot.take(3, ONE).is_some()));
        assert!(depot.take(3, ONE).is_none());
        assert_eq!(depot.len(), LENDS - 1);
    }

    #[test]
    fn a_depot_that_nobody_trims_keeps_nothing() {
        let depot = Depot::new(false);
        depot.give(chain(0));
        assert!(depot.take(0, ONE).is_none());
    }

    /// As many trims as are looked at as one.
    fn a_window_passes(depot: &Depot) {
        (0..WINDOW).for_each(|_| depot.trim());
    }

    #[test]
    fn what_is_used_within_a_window_stays() {
        const MANY: usize = FLOOR + 10;
        let depot = Depot::new(true);
        (0..MANY).for_each(|_| depot.give(chain(2)));
        a_window_passes(&depot);
        assert_eq!(depot.len(), MANY, "it has just come");
        for _ in 0..5 {
            let all: Vec<_> = std::iter::from_fn(|| depot.take(2, ONE)).collect();
            // What is away for a while is not unused.
            depot.trim();
            all.into_iter().for_each(|c| depot.give(c));
            (1..WINDOW).for_each(|_| depot.trim());
            assert_eq!(depot.len(), MANY, "all of it was in use");
        }
        // Nobody uses it.
        a_window_passes(&depot);
        for left in [5, 2, 1, 0] {
            a_window_passes(&depot);
            assert_eq!(depot.len(), FLOOR + left);
        }
        a_window_passes(&depot);
        assert_eq!(depot.len(), FLOOR);
    }

    #[test]
    fn much_that_is_not_used_goes_in_parts() {
        const MANY: usize = 1_000;
        let depot = Depot::new(true);
        (0..MANY).for_each(|_| depot.give(chain(1)));
        a_window_passes(&depot);
        assert_eq!(depot.len(), MANY, "nothing is known of it yet");
        depot.trim();
        assert_eq!(depot.len(), MANY - MOST);
        (1..WINDOW).for_each(|_| depot.trim());
        assert_eq!(depot.len(), MANY - (MANY - FLOOR) / PART);
        depot.clear();
        assert_eq!(depot.len(), 0);
    }

    #[test]
    fn what_comes_in_and_never_goes_out_does_not_stay() {
        let depot = Depot::new(true);
        let give = || (0..2 * FLOOR).for_each(|_| depot.give(chain(1)));
        give();
        assert_eq!(depot.len(), 2 * FLOOR);
        (0..=UNTAKEN + 8).for_each(|_| a_window_passes(&depot));
        assert_eq!(depot.len(), FLOOR);
        give();
        assert_eq!(depot.len(), FLOOR, "nobody has taken any for long");
        // Somebody takes one: they may be needed.
        let one = depot.take(1, ONE).expect("there are some");
        depot.give(one);
        give();
        assert_eq!(depot.len(), 3 * FLOOR);
        depot.clear();
        depot.trim();
        give();
        assert_eq!(depot.len(), 2 * FLOOR, "what was is forgotten");
    }

    #[test]
    fn what_is_needed_after_all_is_not_given_back() {
        const MANY: usize = FLOOR + 1_000;
        let depot = Depot::new(true);
        (0..MANY).for_each(|_| depot.give(chain(1)));
        a_window_passes(&depot);
        depot.trim();
        assert_eq!(depot.len(), MANY - MOST);
        let all: Vec<_> = std::iter::from_fn(|| depot.take(1, ONE)).collect();
        all.into_iter().for_each(|c| depot.give(c));
        (1..WINDOW).for_each(|_| depot.trim());
        assert_eq!(depot.len(), MANY - MOST);
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
                    match depot.take(5, ONE) {
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
