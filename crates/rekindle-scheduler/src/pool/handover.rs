//! What the monitor may take from a worker that is stuck, and how the worker notices.
//! The protocol in numbered steps, with its proof, is in `HANDOVER.md`.
//!
//! A worker in the middle of a poll can be asked nothing. The queue of such a worker can be
//! stolen from, as by any thief; its next-task slot cannot, because the worker uses it with plain
//! loads and stores: that is what makes a ping-pong of two tasks fast. So the monitor first says
//! RETIRED, then makes the worker's processor pass a barrier ([`heavy_barrier`]), and only then
//! takes the slot. The worker looks at RETIRED after each change of the slot or the queue and
//! after each turn.
//!
//! | RETIRED | verdict  | meaning                                                     |
//! |---------|----------|-------------------------------------------------------------|
//! |    0    | Kept     | the worker has its seat                                     |
//! |    1    | (locked) | the monitor is deciding                                     |
//! |    1    | Taken(t) | the seat is lost; `t` was in the slot when it was taken     |
//!
//! Invariants
//! 1. `turns` is odd inside a turn. Only the owner writes it, and it never goes back.
//! 2. `slot` and `held` are written by the owner by plain stores, and, at most once for each time
//!    the owner is armed, by the monitor's swaps.
//! 3. The swaps happen only while the owner is inside the very turn that the monitor judged, or
//!    will find out before it takes from either.
//! 4. A pointer put into either comes out once: to the owner or to the monitor, never to both.
//! 5. The owner writes `held` between turns only.

use std::fmt;
use std::ptr;

use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, heavy_barrier, light_barrier};

/// The seat is taken away, or the monitor is deciding that.
const RETIRED: u32 = 1;
/// The monitor asks the owner to look at clock and queue at the end of this turn.
const LOOK: u32 = 2;

/// What the owner learns about its seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Tenure {
    /// Go on.
    Kept,
    /// Go on, but look at clock and queue now.
    Look,
    /// The seat is another thread's: give everything away and leave.
    Lost,
}

/// What became of a pointer that the owner put into the slot.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Put<T> {
    /// It is there; this was there before, or null.
    There { displaced: *mut T },
    /// The seat is lost; these are the owner's to give away, where they are not null.
    Lost { leftovers: [*mut T; 2] },
}

/// The monitor's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Kept,
    /// The address of what was in the slot; for comparison only, hence not a pointer.
    Taken(usize),
}

/// The part of a worker that the monitor may reach into. `T` is what the slot points to.
pub(crate) struct Handover<T> {
    turns: AtomicU64,
    alert: AtomicU32,
    slot: AtomicPtr<T>,
    /// A task that waits for the one that is polled, and goes on right after it.
    held: AtomicPtr<T>,
    verdict: Mutex<Verdict>,
}

impl<T> Handover<T> {
    pub(crate) fn new() -> Handover<T> {
        Handover {
            turns: AtomicU64::new(0),
            alert: AtomicU32::new(0),
            slot: AtomicPtr::new(ptr::null_mut()),
            held: AtomicPtr::new(ptr::null_mut()),
            verdict: Mutex::new(Verdict::Kept),
        }
    }

    /// Owner: starts a turn.
    #[inline]
    pub(crate) fn begin_turn(&self) {
        let turns = self.turns.load(Ordering::Relaxed);
        // Release: whoever reads this number sees who is polled, which was written before.
        self.turns.store(turns + 1, Ordering::Release);
    }

    /// Owner: ends a turn.
    #[inline]
    pub(crate) fn end_turn(&self) -> Tenure {
        let turns = self.turns.load(Ordering::Relaxed);
        self.turns.store(turns + 1, Ordering::Release);
        // Pairs with the heavy barrier in `retire`: either we see RETIRED below, or the monitor
        // sees that the turn has ended.
        light_barrier();
        match self.alert.load(Ordering::Relaxed) {
            0 => Tenure::Kept,
            _ => self.answer_alert(),
        }
    }

    #[cold]
    fn answer_alert(&self) -> Tenure {
        let before = self.alert.fetch_and(!LOOK, Ordering::Relaxed);
        match self.await_verdict() {
            Verdict::Taken(_) => Tenure::Lost,
            Verdict::Kept if before & LOOK != 0 => Tenure::Look,
            Verdict::Kept => Tenure::Kept,
        }
    }

    /// Waits until the monitor has decided, which is a matter of microseconds.
    fn await_verdict(&self) -> Verdict {
        *self.verdict.lock()
    }

    /// Owner: puts a pointer into the slot.
    #[inline]
    pub(crate) fn put(&self, new: *mut T) -> Put<T> {
        let displaced = self.slot.load(Ordering::Relaxed);
        // Release: what `new` points to is seen by the monitor's swap.
        store_against_swap(&self.slot, new);
        // Pairs with the heavy barrier in `retire`: either we see RETIRED below, or the
        // monitor's swap sees `new`.
        light_barrier();
        if self.alert.load(Ordering::Relaxed) & RETIRED == 0 {
            return Put::There { displaced };
        }
        self.put_while_retired(displaced)
    }

    #[cold]
    fn put_while_retired(&self, displaced: *mut T) -> Put<T> {
        match self.await_verdict() {
            Verdict::Kept => Put::There { displaced },
            Verdict::Taken(taken) => {
                // The swap came before our load (then we read null), between load and store
                // (then we both read the same, and it is the monitor's), or after the store.
                let displaced = if displaced.addr() == taken {
                    ptr::null_mut()
                } else {
                    displaced
                };
                // The monitor swaps once (invariant 2), so what lies there now is ours.
                let rest = self.slot.swap(ptr::null_mut(), Ordering::AcqRel);
                Put::Lost {
                    leftovers: [displaced, rest],
                }
            }
        }
    }

    /// Owner, between turns: takes what is in the slot, or null.
    #[inline]
    pub(crate) fn take(&self) -> *mut T {
        // By invariant 3 the monitor does not swap now.
        let taken = self.slot.load(Ordering::Relaxed);
        if !taken.is_null() {
            self.slot.store(ptr::null_mut(), Ordering::Relaxed);
        }
        taken
    }

    /// Owner, between turns: keeps a pointer by over the next turn.
    #[inline]
    pub(crate) fn hold(&self, held: *mut T) {
        // Release: what it points to is seen by the monitor's swap. The next `begin_turn` comes
        // after this, and the monitor swaps inside a turn that it has seen.
        self.held.store(held, Ordering::Release);
    }

    /// Owner, between turns and with its seat: takes back what was kept by.
    #[inline]
    pub(crate) fn take_held(&self) -> *mut T {
        // By invariant 3 the monitor does not swap now.
        let held = self.held.load(Ordering::Relaxed);
        self.held.store(ptr::null_mut(), Ordering::Relaxed);
        held
    }

    /// Owner: whether the monitor has taken the seat, or is deciding that; after a store that the
    /// monitor must see otherwise.
    #[inline]
    pub(crate) fn may_be_lost(&self) -> bool {
        light_barrier();
        self.alert.load(Ordering::Relaxed) & RETIRED != 0
    }

    /// Owner: whether the seat is still its own, after it has put something where the successor
    /// would look (its queue, its wheel).
    #[inline]
    pub(crate) fn still_kept(&self) -> bool {
        light_barrier();
        self.alert.load(Ordering::Relaxed) & RETIRED == 0 || self.await_verdict() == Verdict::Kept
    }

    /// Owner, without a seat and with an empty slot: ready for the next seat.
    pub(crate) fn rearm(&self) {
        let mut verdict = self.verdict.lock();
        *verdict = Verdict::Kept;
        self.alert.store(0, Ordering::Relaxed);
    }

    /// Monitor: the number of the present turn; odd inside one.
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// Monitor: whether slot or hand holds something, at some moment near this call.
    pub(crate) fn is_occupied(&self) -> bool {
        !self.slot.load(Ordering::Relaxed).is_null() || !self.held.load(Ordering::Relaxed).is_null()
    }

    /// Monitor: asks the owner to look at clock and queue at the end of this turn.
    pub(crate) fn ask_to_look(&self) {
        self.alert.fetch_or(LOOK, Ordering::Relaxed);
    }

    /// Monitor: takes the seat away if the owner is still in turn number `stuck`. Returns what
    /// was in the slot and what was held (or null), or `None` if the owner has moved on.
    #[must_use]
    pub(crate) fn retire(&self, stuck: u64) -> Option<[*mut T; 2]> {
        let mut verdict = self.verdict.lock();
        if stuck.is_multiple_of(2) || matches!(*verdict, Verdict::Taken(_)) {
            return None;
        }
        self.alert.fetch_or(RETIRED, Ordering::Relaxed);
        heavy_barrier();
        if self.turns.load(Ordering::Relaxed) != stuck {
            self.alert.fetch_and(!RETIRED, Ordering::Relaxed);
            return None;
        }
        // Acquire: pairs with the Release in `put`.
        let taken = self.slot.swap(ptr::null_mut(), Ordering::AcqRel);
        let held = self.held.swap(ptr::null_mut(), Ordering::AcqRel);
        *verdict = Verdict::Taken(taken.addr());
        Some([taken, held])
    }
}

/// A Release store into a place into which another thread may swap.
///
/// Loom forgets that nothing comes between what a swap reads and what it writes: of a store and a
/// swap that are not ordered otherwise it lets either be the later one, even where the swap has not
/// read what was stored. Between two swaps it makes no such mistake, so that is what it gets; as
/// its loads may see old values, it still finds what a missing barrier does.
#[inline(always)]
fn store_against_swap<T>(place: &AtomicPtr<T>, new: *mut T) {
    #[cfg(not(loom))]
    place.store(new, Ordering::Release);
    #[cfg(loom)]
    place.swap(new, Ordering::Release);
}

impl<T> fmt::Debug for Handover<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover")
            .field("turns", &self.turns.load(Ordering::Relaxed))
            .field("alert", &self.alert.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pointer(number: usize) -> *mut u8 {
        ptr::without_provenance_mut(number)
    }

    #[test]
    fn a_worker_that_moved_on_keeps_its_seat() {
        let handover = Handover::<u8>::new();
        handover.begin_turn();
        let stuck = handover.turns();
        assert_eq!(handover.end_turn(), Tenure::Kept);
        assert_eq!(handover.retire(stuck), None);
        assert_eq!(handover.retire(handover.turns()), None);
        handover.begin_turn();
        assert_eq!(handover.end_turn(), Tenure::Kept);
    }

    #[test]
    fn a_stuck_worker_loses_slot_and_seat_once() {
        let handover = Handover::new();
        handover.begin_turn();
        assert_eq!(
            handover.put(pointer(1)),
            Put::There {
                displaced: ptr::null_mut()
            }
        );
        let stuck = handover.turns();
        assert_eq!(handover.retire(stuck), Some([pointer(1), ptr::null_mut()]));
        assert_eq!(handover.retire(stuck), None);
        assert!(!handover.still_kept());
        let lost = Put::Lost {
            leftovers: [ptr::null_mut(), pointer(2)],
        };
        assert_eq!(handover.put(pointer(2)), lost);
        assert_eq!(handover.end_turn(), Tenure::Lost);
        handover.rearm();
        assert!(handover.still_kept());
    }

    #[test]
    fn what_is_held_goes_to_one_hand() {
        let handover = Handover::new();
        handover.hold(pointer(7));
        assert!(handover.is_occupied());
        handover.begin_turn();
        assert!(!handover.may_be_lost());
        assert_eq!(handover.end_turn(), Tenure::Kept);
        assert_eq!(handover.take_held(), pointer(7));
        assert!(!handover.is_occupied());
        handover.hold(pointer(8));
        handover.begin_turn();
        let stuck = handover.turns();
        assert_eq!(handover.retire(stuck), Some([ptr::null_mut(), pointer(8)]));
        assert!(handover.may_be_lost());
        assert_eq!(handover.end_turn(), Tenure::Lost);
    }

    #[test]
    fn a_request_to_look_is_answered_once() {
        let handover = Handover::<u8>::new();
        handover.begin_turn();
        handover.ask_to_look();
        assert!(handover.still_kept());
        assert_eq!(handover.end_turn(), Tenure::Look);
        handover.begin_turn();
        assert_eq!(handover.end_turn(), Tenure::Kept);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! The owner's turns against the monitor, with both barriers as fences. Each entry is a
    //! number; whoever gets it counts it, and each must be counted once.
    //!
    //! The owner is the thread that runs first. Loom compares an access with the last one to the
    //! same place only: were the monitor first, its look at `turns` would be hidden by the owner's
    //! own, and loom would find nothing to try.

    use std::sync::Arc;

    use super::*;
    use crate::model::{explore, explore_up_to};
    use crate::sync::atomic::AtomicUsize;

    struct Toy {
        handover: Handover<u8>,
        runs: [AtomicUsize; 4],
    }

    impl Toy {
        fn new() -> Arc<Toy> {
            Arc::new(Toy {
                handover: Handover::new(),
                runs: std::array::from_fn(|_| AtomicUsize::new(0)),
            })
        }

        fn run(&self, entry: *mut u8) {
            if !entry.is_null() {
                self.runs[entry.addr()].fetch_add(1, Ordering::Relaxed);
            }
        }

        /// A push from inside a turn; `false` once the seat is lost. What is displaced would go
        /// into the queue, which anyone may steal from: here it counts as run.
        fn push(&self, entry: usize) -> bool {
            match self.handover.put(ptr::without_provenance_mut(entry)) {
                Put::There { displaced } => {
                    self.run(displaced);
                    true
                }
                Put::Lost { leftovers } => {
                    leftovers.into_iter().for_each(|entry| self.run(entry));
                    false
                }
            }
        }

        /// A worker with one turn that pushes twice, and one turn that pushes once.
        fn own(&self) {
            self.handover.begin_turn();
            let mut kept = self.push(1);
            if kept {
                kept = self.push(2);
            } else {
                self.run(ptr::without_provenance_mut(2));
            }
            kept &= self.handover.end_turn() != Tenure::Lost;
            if kept {
                self.run(self.handover.take());
                self.handover.begin_turn();
                kept = self.push(3);
                kept &= self.handover.end_turn() != Tenure::Lost;
            } else {
                self.run(ptr::without_provenance_mut(3));
            }
            if kept {
                self.run(self.handover.take());
            }
        }

        /// The monitor's part; `true` if the seat was taken.
        fn try_to_retire(&self) -> bool {
            let Some(taken) = self.handover.retire(self.handover.turns()) else {
                return false;
            };
            taken.into_iter().for_each(|entry| self.run(entry));
            true
        }

        fn assert_each_ran_once(&self) {
            for (entry, runs) in self.runs.iter().enumerate().skip(1) {
                assert_eq!(runs.load(Ordering::Relaxed), 1, "entry {entry}");
            }
        }
    }

    #[test]
    fn loom_each_entry_of_the_slot_is_run_once() {
        explore(|| {
            let toy = Toy::new();
            let theirs = Arc::clone(&toy);
            let monitor = loom::thread::spawn(move || theirs.try_to_retire());
            toy.own();
            monitor.join().unwrap();
            toy.assert_each_ran_once();
        });
    }

    #[test]
    fn loom_a_monitor_that_fails_may_try_again() {
        explore_up_to(3, || {
            let toy = Toy::new();
            let theirs = Arc::clone(&toy);
            let monitor =
                loom::thread::spawn(move || theirs.try_to_retire() || theirs.try_to_retire());
            toy.own();
            monitor.join().unwrap();
            toy.assert_each_ran_once();
        });
    }

    #[test]
    fn loom_what_is_queued_is_seen_by_one_side() {
        // The queue is a number that both may take from, as from a deque; the monitor takes after
        // it has retired the worker, the worker after it has found that out.
        explore(|| {
            let shared = Arc::new((Handover::<u8>::new(), AtomicUsize::new(0)));
            let theirs = Arc::clone(&shared);
            shared.0.begin_turn();
            let thread = loom::thread::spawn(move || {
                theirs.1.fetch_add(1, Ordering::Relaxed);
                match theirs.0.still_kept() {
                    true => 0,
                    false => theirs.1.swap(0, Ordering::Relaxed),
                }
            });
            assert!(shared.0.retire(1).is_some());
            let drained = shared.1.swap(0, Ordering::Relaxed);
            let leftovers = thread.join().unwrap();
            assert_eq!(drained + leftovers, 1);
        });
    }

    /// A worker that holds entry 1 over a turn in which entry 1 is answered: it must be run after
    /// the answer, once, by one side or the other. `woken` counts the ordinary wake-ups that the
    /// owner falls back to.
    #[test]
    fn loom_what_is_held_is_run_once_and_after_its_answer() {
        explore(|| {
            let toy = Toy::new();
            let answer = Arc::new(AtomicUsize::new(0));
            let (theirs, their_answer) = (Arc::clone(&toy), Arc::clone(&answer));
            let monitor = loom::thread::spawn(move || {
                // Whoever runs the entry without the answer must be woken by it.
                !theirs.try_to_retire() || their_answer.load(Ordering::Relaxed) == 1
            });
            toy.handover.hold(ptr::without_provenance_mut(1));
            toy.handover.begin_turn();
            answer.store(1, Ordering::Relaxed);
            let woken = toy.handover.may_be_lost();
            if toy.handover.end_turn() != Tenure::Lost {
                toy.run(toy.handover.take_held());
            }
            let saw_answer = monitor.join().unwrap();
            assert_eq!(toy.runs[1].load(Ordering::Relaxed), 1);
            assert!(saw_answer || woken, "the answer is not left unseen");
        });
    }
}
