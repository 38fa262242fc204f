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
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::sync::Padded;
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
