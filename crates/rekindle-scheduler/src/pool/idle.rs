//! Who sleeps, who searches, and whom to wake. The protocol and its proof are in `SLEEP.md`.
//!
//! Waking a worker for every piece of work costs more than most work; waking none leaves work
//! lying. The obvious middle, a periodic rescan, was rejected: it burns the processor of an idle
//! program and hides mistakes in the protocol. So sleepers are counted, and nobody sleeps without
//! a last look *after* being counted.
//!
//! | word      | meaning                                                                        |
//! |-----------|--------------------------------------------------------------------------------|
//! | busy      | has work, or is about to become one of the others; counted nowhere             |
//! | searching | has no work and looks for some, spinning; a promise to find what was posted    |
//! | sleeping  | is on the list of sleepers; parked, or on its way there or back                |
//!
//! Invariants
//! 1. `counts` says how many workers search and how many are on the list. The list and the count
//!    of sleepers change together, under the lock.
//! 2. A worker that leaves the list, by whatever way, is searching: whoever takes it off counts
//!    it so in the same step.
//! 3. Whoever takes *another* worker off the list leaves exactly one token at its parker; a worker
//!    that takes itself off gets none. So a worker that finds itself off the list takes a token.
//! 4. A worker stops searching by finding work or by going on the list, and looks once more after
//!    either: hence what is posted while somebody searches is found.

use std::fmt;
use std::time::Duration;

use super::park::{Parked, Parker};
use crate::sync::atomic::{AtomicU64, Ordering, fence};
use crate::sync::{Mutex, Padded};

const SEARCHER: u64 = 1 << 32;
const SLEEPER: u64 = 1;

/// Both counts in one word, so that they can be read together.
#[derive(Clone, Copy)]
struct Counts(u64);

impl Counts {
    fn searching(self) -> u64 {
        self.0 / SEARCHER
    }

    fn sleeping(self) -> u64 {
        self.0 % SEARCHER
    }

    /// Whether a post must wake somebody.
    fn wants_searcher(self) -> bool {
        self.searching() == 0 && self.sleeping() > 0
    }
}

/// What a worker saw in its last look before sleep.
#[derive(Debug)]
pub(crate) enum Look {
    /// Something to do after all.
    Work,
    /// Nothing; sleep, but at most that long.
    Nothing(Option<Duration>),
}

/// The bookkeeping of one pool.
pub(crate) struct Idle {
    /// Written only when a worker changes between busy, searching and sleeping.
    counts: Padded<AtomicU64>,
    /// The seats whose workers sleep; the one that fell asleep last is woken first.
    sleepers: Mutex<Vec<u32>>,
    /// Where they sleep, by seat.
    parkers: Box<[Padded<Parker>]>,
}

impl Idle {
    /// For workers that are all busy.
    pub(crate) fn new(seats: usize) -> Idle {
        Idle {
            counts: Padded(AtomicU64::new(0)),
            sleepers: Mutex::new(Vec::with_capacity(seats)),
            parkers: (0..seats).map(|_| Padded(Parker::new())).collect(),
        }
    }

    /// Wakes a sleeper for work that the caller has published where every searcher looks.
    #[inline]
    pub(crate) fn posted(&self) {
        // The poster's half of the protocol: publish, fence, read the counts. Pairs with the
        // fences in `sleep` and `found`: either we see the sleeper, or it sees the work.
        fence(Ordering::SeqCst);
        if self.wants_searcher() {
            self.wake_searcher();
        }
    }

    /// Whether somebody sleeps and nobody searches, at some moment near this call.
    #[inline]
    pub(crate) fn wants_searcher(&self) -> bool {
        Counts(self.counts.load(Ordering::Relaxed)).wants_searcher()
    }

    /// Wakes one sleeper, unless somebody searches by now.
    #[cold]
    pub(crate) fn wake_searcher(&self) {
        let seat = {
            let mut sleepers = self.sleepers.lock();
            // Looked at again under the lock, so that two posters do not wake two.
            if !self.wants_searcher() {
                return;
            }
            let Some(seat) = sleepers.pop() else { return };
            self.count_off_the_list(1);
            seat
        };
        self.parkers[seat as usize].unpark();
    }

    /// Wakes the worker of this seat if it sleeps: something concerns it alone.
    pub(crate) fn wake_seat(&self, seat: u32) {
        fence(Ordering::SeqCst);
        if self.withdraw(seat) {
            self.parkers[seat as usize].unpark();
        }
    }

    /// Wakes every sleeper: the pool stops.
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        let woken = {
            let mut sleepers = self.sleepers.lock();
            self.count_off_the_list(sleepers.len() as u64);
            std::mem::take(&mut *sleepers)
        };
        for seat in woken {
            self.parkers[seat as usize].unpark();
        }
    }

    /// Makes a busy worker a searcher, unless half of all search already.
    #[must_use]
    pub(crate) fn begin_search(&self) -> bool {
        let mut seen = self.counts.load(Ordering::Relaxed);
        loop {
            if 2 * Counts(seen).searching() >= self.parkers.len() as u64 {
                return false;
            }
            let new = seen + SEARCHER;
            match self
                .counts
                .compare_exchange_weak(seen, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Makes a searcher busy: it has found work. The last one to stop looks whether there is
    /// more, and if so wakes another to search in its stead.
    pub(crate) fn found(&self, is_there_more: impl FnOnce() -> bool) {
        let before = Counts(self.counts.fetch_sub(SEARCHER, Ordering::AcqRel));
        if before.searching() == 1 && before.sleeping() > 0 {
            // A poster may have relied on us. Pairs with the fence in `posted`.
            fence(Ordering::SeqCst);
            if is_there_more() {
                self.wake_searcher();
            }
        }
    }

    /// Sleeps on this seat until woken, or until the time is up. The caller is a searcher
    /// afterwards, whatever it was before.
    ///
    /// `last_look` is called between getting on the list and falling asleep.
    pub(crate) fn sleep(&self, seat: u32, searching: bool, last_look: impl FnOnce() -> Look) {
        self.get_on_the_list(seat, searching);
        // The sleeper's half: be counted, fence, look. Pairs with the fence in `posted`.
        fence(Ordering::SeqCst);
        let parker = &self.parkers[seat as usize];
        let woken = match last_look() {
            Look::Work => Parked::TimedOut,
            Look::Nothing(limit) => parker.park(limit),
        };
        if woken == Parked::TimedOut && !self.withdraw(seat) {
            // Invariant 3: somebody took us off, so a token is here or on its way.
            let _token = parker.park(None);
        }
    }

    /// Whether every worker sleeps.
    pub(crate) fn all_asleep(&self) -> bool {
        Counts(self.counts.load(Ordering::Acquire)).sleeping() == self.parkers.len() as u64
    }

    fn get_on_the_list(&self, seat: u32, searching: bool) {
        let mut sleepers = self.sleepers.lock();
        sleepers.push(seat);
        if searching {
            self.counts.fetch_sub(SEARCHER - SLEEPER, Ordering::AcqRel);
        } else {
            self.counts.fetch_add(SLEEPER, Ordering::AcqRel);
        }
    }

    /// Takes a seat off the list, if it is on it.
    fn withdraw(&self, seat: u32) -> bool {
        let mut sleepers = self.sleepers.lock();
        let Some(place) = sleepers.iter().position(|sleeper| *sleeper == seat) else {
            return false;
        };
        sleepers.remove(place);
        self.count_off_the_list(1);
        true
    }

    /// Invariant 2; the caller holds the lock.
    fn count_off_the_list(&self, workers: u64) {
        self.counts
            .fetch_add(workers * (SEARCHER - SLEEPER), Ordering::AcqRel);
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Counts(self.counts.load(Ordering::Relaxed));
        f.debug_struct("Idle")
            .field("searching", &counts.searching())
            .field("sleeping", &counts.sleeping())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn counts(idle: &Idle) -> (u64, u64) {
        let counts = Counts(idle.counts.load(Ordering::Relaxed));
        (counts.searching(), counts.sleeping())
    }

    #[test]
    fn at_most_half_of_the_workers_search_but_at_least_one_may() {
        let one = Idle::new(1);
        assert!(one.begin_search());
        assert!(!one.begin_search());
        let four = Idle::new(4);
        assert!(four.begin_search());
        assert!(four.begin_search());
        assert!(!four.begin_search());
    }

    #[test]
    fn a_worker_that_sees_work_in_its_last_look_does_not_sleep() {
        let idle = Idle::new(1);
        assert!(idle.begin_search());
        idle.sleep(0, true, || Look::Work);
        assert_eq!(counts(&idle), (1, 0));
    }

    #[test]
    fn a_worker_whose_time_is_up_is_a_searcher_and_leaves_no_token() {
        let idle = Idle::new(1);
        idle.sleep(0, false, || Look::Nothing(Some(Duration::ZERO)));
        assert_eq!(counts(&idle), (1, 0));
        assert_eq!(idle.parkers[0].park(Some(Duration::ZERO)), Parked::TimedOut);
    }

    #[test]
    fn a_post_during_the_last_look_is_not_lost() {
        let idle = Idle::new(1);
        idle.sleep(0, false, || {
            idle.posted();
            Look::Nothing(None)
        });
        assert_eq!(counts(&idle), (1, 0));
    }

    #[test]
    fn a_post_wakes_nobody_while_somebody_searches() {
        let idle = Idle::new(2);
        assert!(idle.begin_search());
        idle.get_on_the_list(1, false);
        idle.posted();
        assert_eq!(counts(&idle), (1, 1));
    }

    #[test]
    fn the_last_searcher_to_find_work_hands_the_search_on_if_there_is_more() {
        let idle = Idle::new(2);
        idle.get_on_the_list(1, false);
        assert!(idle.begin_search());
        idle.found(|| true);
        assert_eq!(counts(&idle), (1, 0));
        idle.get_on_the_list(1, true);
        assert!(idle.begin_search());
        idle.found(|| false);
        assert_eq!(counts(&idle), (0, 1));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! Every interleaving of posters and workers, with the time limit of sleep off: a lost
    //! wake-up is a deadlock, and loom reports it.

    use std::sync::Arc;

    use super::*;
    use crate::model::explore_up_to;
    use crate::sync::atomic::AtomicUsize;

    /// A pool whose queue is a number.
    struct Toy {
        idle: Idle,
        queue: AtomicUsize,
        stopping: AtomicUsize,
        done: AtomicUsize,
    }

    impl Toy {
        fn new(workers: usize) -> Arc<Toy> {
            Arc::new(Toy {
                idle: Idle::new(workers),
                queue: AtomicUsize::new(0),
                stopping: AtomicUsize::new(0),
                done: AtomicUsize::new(0),
            })
        }

        fn post(&self) {
            self.queue.fetch_add(1, Ordering::Release);
            self.idle.posted();
        }

        fn stop(&self) {
            self.stopping.store(1, Ordering::Release);
            self.idle.wake_all();
        }

        fn take(&self) -> bool {
            let mut seen = self.queue.load(Ordering::Acquire);
            while seen > 0 {
                match self.queue.compare_exchange(
                    seen,
                    seen - 1,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => return true,
                    Err(now) => seen = now,
                }
            }
            false
        }

        fn has_work(&self) -> bool {
            self.queue.load(Ordering::Acquire) > 0
        }

        /// The worker's loop, as in `worker.rs`; it ends after `share` pieces or at the stop.
        fn work(&self, seat: u32, share: usize) {
            let mut finished = 0;
            let mut searching = false;
            while finished < share {
                if self.take() {
                    if std::mem::take(&mut searching) {
                        self.idle.found(|| self.has_work());
                    }
                    finished += 1;
                    self.done.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                if self.stopping.load(Ordering::Acquire) == 1 {
                    return;
                }
                if !searching && self.idle.begin_search() {
                    searching = true;
                    continue;
                }
                self.idle.sleep(seat, searching, || {
                    if self.has_work() || self.stopping.load(Ordering::Acquire) == 1 {
                        Look::Work
                    } else {
                        Look::Nothing(None)
                    }
                });
                searching = true;
            }
        }
    }

    #[test]
    fn loom_a_post_reaches_a_worker_that_falls_asleep() {
        explore_up_to(4, || {
            let toy = Toy::new(1);
            let worker = Arc::clone(&toy);
            let thread = loom::thread::spawn(move || worker.work(0, 1));
            toy.post();
            thread.join().unwrap();
            assert_eq!(toy.done.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn loom_two_posts_to_one_worker_are_both_found() {
        explore_up_to(3, || {
            let toy = Toy::new(1);
            let worker = Arc::clone(&toy);
            let thread = loom::thread::spawn(move || worker.work(0, 2));
            toy.post();
            toy.post();
            thread.join().unwrap();
            assert_eq!(toy.done.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn loom_two_workers_find_one_piece_each() {
        // Each ends after one piece and never helps the other out: so the wake-up for the second
        // piece must not be spent on the worker that has already got the first.
        explore_up_to(2, || {
            let toy = Toy::new(2);
            let threads = [0, 1].map(|seat| {
                let toy = Arc::clone(&toy);
                loom::thread::spawn(move || toy.work(seat, 1))
            });
            toy.post();
            toy.post();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(toy.done.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn loom_a_stop_reaches_everyone() {
        explore_up_to(2, || {
            let toy = Toy::new(2);
            let threads = [0, 1].map(|seat| {
                let toy = Arc::clone(&toy);
                loom::thread::spawn(move || toy.work(seat, usize::MAX))
            });
            toy.post();
            toy.stop();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn loom_a_wake_of_one_seat_reaches_it() {
        explore_up_to(3, || {
            let toy = Toy::new(1);
            let due = Arc::new(AtomicUsize::new(0));
            let (theirs, theirs_due) = (Arc::clone(&toy), Arc::clone(&due));
            let thread = loom::thread::spawn(move || {
                let mut searching = false;
                while theirs_due.load(Ordering::Acquire) == 0 {
                    theirs.idle.sleep(0, searching, || {
                        if theirs_due.load(Ordering::Acquire) == 1 {
                            Look::Work
                        } else {
                            Look::Nothing(None)
                        }
                    });
                    searching = true;
                }
            });
            due.store(1, Ordering::Release);
            toy.idle.wake_seat(0);
            thread.join().unwrap();
        });
    }
}
