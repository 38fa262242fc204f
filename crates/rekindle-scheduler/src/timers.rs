//! The timers of a runtime: one wheel per seat, and when each must be looked at next.
//!
//! A worker looks at the clock often and at its wheel seldom: the time of the next expiry is kept
//! beside the wheel, so that "nothing is due" costs one load.
//!
//! Invariants
//! 1. `next` is written under the wheel's lock, and is never later than the wheel's earliest
//!    expiry, and past while `ready` holds something. (After a cancellation it may be too early.)
//! 2. Once the runtime has stopped no wheel accepts an entry, and those that were in are taken
//!    out and dropped. Else a waker in a wheel would keep its task, and the task the runtime.
//! 3. Actions are fired and dropped outside the locks.
//! 4. A thread takes one function at a time. If that one blocks, the others are still in `ready`,
//!    for whoever minds the seat then.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, Padded};
use crate::time::wheel::{Expired, Sweep, Wheel};
use crate::time::{Time, TimerAction, TimerKey};

/// How many entries are taken out per visit to the lock.
const BATCH: usize = 64;

/// What became of a timer that was to be started.
#[must_use]
pub(crate) enum Started {
    /// It runs. `first` says that the seat's worker must look earlier than it knew.
    Running { key: TimerKey, first: bool },
    /// The runtime has stopped: the action is the caller's to drop.
    Refused(TimerKey, TimerAction),
}

/// All wheels of a runtime.
pub(crate) struct Timers {
    seats: Box<[Padded<Seat>]>,
}

struct Seat {
    /// Nanoseconds; `u64::MAX` when there is nothing to wait for.
    next: AtomicU64,
    wheel: Mutex<Locked>,
}

struct Locked {
    wheel: Wheel<TimerAction>,
    /// What is due and no longer on the wheel, in order.
    ready: VecDeque<TimerAction>,
    closed: bool,
}

/// In which order a batch is fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By deadline, then by start.
    Strict,
    /// Wake-ups before functions: a function may take its time, and the tasks that were due with
    /// it shall not wait for that.
    WakesFirst,
}

impl Seat {
    /// Restores invariant 1; the caller has the lock.
    fn note_next(&self, locked: &Locked) {
        let next = match locked.ready.is_empty() {
            true => locked.wheel.next_expiry().unwrap_or(Time::MAX),
            false => Time::ZERO,
        };
        self.next.store(next.as_nanos(), Ordering::Relaxed);
    }
}

impl Locked {
    fn new(now: Time) -> Locked {
        Locked {
            wheel: Wheel::new(now),
            ready: VecDeque::new(),
            closed: false,
        }
    }

    /// Takes out what is to be fired now: any number of wake-ups, and at most one function.
    fn take_due(&mut self, now: Time, order: Order, due: &mut Vec<TimerAction>) -> Sweep {
        let mut sweep = Sweep::More;
        if self.ready.is_empty() {
            let mut expired: Vec<Expired<TimerAction>> = Vec::new();
            sweep = self.wheel.expire(now, BATCH, &mut expired);
            for Expired { action, .. } in expired {
                match (&action, order) {
                    (TimerAction::Run(_), _) | (_, Order::Strict) => self.ready.push_back(action),
                    (_, Order::WakesFirst) => due.push(action),
                }
            }
        }
        due.extend(self.ready.pop_front());
        if self.ready.is_empty() {
            sweep
        } else {
            Sweep::More
        }
    }
}

impl Timers {
    pub(crate) fn new(seats: usize, now: Time) -> Timers {
        let seat = || Seat {
            next: AtomicU64::new(u64::MAX),
            wheel: Mutex::new(Locked::new(now)),
        };
        Timers {
            seats: (0..seats).map(|_| Padded(seat())).collect(),
        }
    }

    pub(crate) fn seats(&self) -> usize {
        self.seats.len()
    }

    /// When this seat's wheel must be looked at next; [`Time::MAX`] for never.
    #[inline]
    pub(crate) fn next(&self, seat: u32) -> Time {
        Time::from_nanos(self.seats[seat as usize].next.load(Ordering::Relaxed))
    }

    /// Starts a timer on a seat's wheel.
    pub(crate) fn start(&self, seat: u32, deadline: Time, action: TimerAction) -> Started {
        let place = &self.seats[seat as usize];
        let mut locked = place.wheel.lock();
        let key = |key| TimerKey { seat, key };
        if locked.closed {
            // A key that names nothing: of an entry that was there and is gone at once.
            let stale = locked.wheel.insert(deadline, action);
            let (action, _) = locked
                .wheel
                .remove(stale)
                .expect("it has just been inserted");
            return Started::Refused(key(stale), action);
        }
        let inserted = locked.wheel.insert(deadline, action);
        let first = deadline.as_nanos() < place.next.load(Ordering::Relaxed);
        if first {
            place.note_next(&locked);
        }
        Started::Running {
            key: key(inserted),
            first,
        }
    }

    /// Takes a timer out before its time.
    pub(crate) fn cancel(&self, key: TimerKey) -> Option<(TimerAction, Time)> {
        self.seats
            .get(key.seat as usize)?
            .wheel
            .lock()
            .wheel
            .remove(key.key)
    }

    /// The deadline of a timer that still runs.
    pub(crate) fn deadline(&self, key: TimerKey) -> Option<Time> {
        self.seats
            .get(key.seat as usize)?
            .wheel
            .lock()
            .wheel
            .deadline(key.key)
    }

    /// Fires what is due on a seat's wheel. Returns how many.
    pub(crate) fn fire(&self, seat: u32, now: Time, order: Order) -> usize {
        let place = &self.seats[seat as usize];
        let mut fired = 0;
        let mut due = Vec::new();
        loop {
            let sweep = {
                let mut locked = place.wheel.lock();
                let sweep = locked.take_due(now, order, &mut due);
                place.note_next(&locked);
                sweep
            };
            fired += due.len();
            due.drain(..).for_each(TimerAction::fire);
            if sweep == Sweep::Done {
                return fired;
            }
        }
    }

    /// How many timers run.
    pub(crate) fn len(&self) -> usize {
        self.seats
            .iter()
            .map(|seat| seat.wheel.lock().wheel.len())
            .sum()
    }

    /// Takes everything out, and nothing in any more.
    pub(crate) fn close(&self) {
        for seat in &self.seats {
            let actions = {
                let mut locked = seat.wheel.lock();
                locked.closed = true;
                seat.next.store(u64::MAX, Ordering::Relaxed);
                (locked.wheel.clear(), std::mem::take(&mut locked.ready))
            };
            for action in actions.0.into_iter().chain(actions.1) {
                crate::core::guarded("a timer's action, on being dropped,", || drop(action));
            }
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("running", &self.len())
            .finish_non_exhaustive()
    }
}

/// What is left of the time until `deadline`.
pub(crate) fn left(deadline: Time, now: Time) -> Duration {
    deadline.saturating_since(now)
}

#[cfg(all(loom, test))]
mod loom_tests {
    //! The shipped timers. An action counts how often it was carried out and how often dropped.

    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::model::explore;
    use crate::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Tally {
        fired: AtomicUsize,
        dropped: AtomicUsize,
    }

    impl Tally {
        fn ends(&self) -> (usize, usize) {
            let count = |n: &AtomicUsize| n.load(Ordering::Relaxed);
            (count(&self.fired), count(&self.dropped))
        }
    }

    struct Counted(Arc<Tally>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn action(tally: &Arc<Tally>) -> TimerAction {
        let counted = Counted(Arc::clone(tally));
        TimerAction::Run(Box::new(move || {
            counted.0.fired.fetch_add(1, Ordering::Relaxed);
        }))
    }

    fn ms(n: u64) -> Time {
        Time::from_nanos(n * 1_000_000)
    }

    fn timers() -> (Arc<Timers>, Arc<Tally>) {
        (Arc::new(Timers::new(1, Time::ZERO)), Arc::default())
    }

    #[test]
    fn loom_a_cancel_against_the_firing_is_one_or_the_other() {
        explore(|| {
            let (timers, tally) = timers();
            let Started::Running { key, .. } = timers.start(0, ms(1), action(&tally)) else {
                panic!("the timers are open");
            };
            let canceller = {
                let timers = Arc::clone(&timers);
                thread::spawn(move || timers.cancel(key).is_some())
            };
            timers.fire(0, ms(1), Order::WakesFirst);
            let cancelled = canceller.join().unwrap();
            assert_eq!(tally.ends(), (usize::from(!cancelled), 1));
            assert!(timers.cancel(key).is_none(), "a key is good for one cancel");
            assert_eq!(timers.len(), 0);
        });
    }

    #[test]
    fn loom_two_cancels_of_one_timer() {
        explore(|| {
            let (timers, tally) = timers();
            let Started::Running { key, .. } = timers.start(0, ms(1), action(&tally)) else {
                panic!("the timers are open");
            };
            let other = {
                let timers = Arc::clone(&timers);
                thread::spawn(move || timers.cancel(key).is_some())
            };
            let own = timers.cancel(key).is_some();
            assert!(own != other.join().unwrap());
            assert_eq!(tally.ends(), (0, 1));
        });
    }

    #[test]
    fn loom_an_earlier_timer_against_the_firing_is_told() {
        explore(|| {
            let (timers, tally) = timers();
            let _later = timers.start(0, ms(9), action(&tally));
            let starter = {
                let (timers, tally) = (Arc::clone(&timers), Arc::clone(&tally));
                thread::spawn(move || timers.start(0, ms(3), action(&tally)))
            };
            timers.fire(0, ms(1), Order::WakesFirst);
            assert!(matches!(
                starter.join().unwrap(),
                Started::Running { first: true, .. }
            ));
            assert!(timers.next(0) <= ms(3), "invariant 1");
        });
    }

    #[test]
    fn loom_a_start_against_the_end_leaves_nothing() {
        explore(|| {
            let (timers, tally) = timers();
            let starter = {
                let (timers, tally) = (Arc::clone(&timers), Arc::clone(&tally));
                thread::spawn(move || drop(timers.start(0, ms(1), action(&tally))))
            };
            timers.close();
            starter.join().unwrap();
            assert_eq!((timers.len(), tally.ends()), (0, (0, 1)));
        });
    }
}
