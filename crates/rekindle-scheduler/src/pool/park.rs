//! Where one thread waits for another's word.
//!
//! `std::thread::park` would do, were it not that user code inside a poll may call it too and
//! swallow our token. Ours belongs to a place (a seat, a spare's desk, the monitor), not to a
//! thread, so a seat keeps its parker when another thread takes the seat over.
//!
//! | state    | meaning                                   | who may change it           |
//! |----------|-------------------------------------------|-----------------------------|
//! | EMPTY    | nobody waits, no token                     | anybody                     |
//! | PARKED   | the owner waits on the condition variable  | an unparker; owner, timeout |
//! | NOTIFIED | a token lies here for the next `park`      | the owner                   |
//!
//! Invariants
//! 1. One thread at a time parks here: the owner of the place.
//! 2. A token is never lost: `unpark` either leaves NOTIFIED for the next `park`, or wakes the
//!    one that has set PARKED under the lock.
//! 3. What came before `unpark` is seen after the `park` that took its token.

use std::time::Duration;

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Condvar, Mutex};

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Parked {
    /// A token was taken.
    Notified,
    /// The time was up first.
    TimedOut,
}

/// A place to wait at.
#[derive(Debug)]
pub(crate) struct Parker {
    state: AtomicU32,
    lock: Mutex<()>,
    woken: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Parker {
        Parker {
            state: AtomicU32::new(EMPTY),
            lock: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    /// Waits for a token, for ever or for at most `limit`.
    pub(crate) fn park(&self, limit: Option<Duration>) -> Parked {
        if self.take_token() {
            return Parked::Notified;
        }
        let mut guard = self.lock.lock();
        // Acquire on failure: the value can only be a token, and pairs with `unpark`.
        let parked =
            self.state
                .compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Acquire);
        if parked.is_err() {
            self.state.store(EMPTY, Ordering::Relaxed);
            return Parked::Notified;
        }
        match limit {
            None => loop {
                guard = self.woken.wait(guard);
                if self.take_token() {
                    return Parked::Notified;
                }
            },
            Some(limit) => {
                // One wait only: an early return without a token looks like a timeout, and the
                // caller looks at the clock in any case.
                let _guard = self.woken.wait_for(guard, limit);
                match self.state.swap(EMPTY, Ordering::Acquire) {
                    NOTIFIED => Parked::Notified,
                    _ => Parked::TimedOut,
                }
            }
        }
    }

    /// Leaves a token and wakes the waiter, if there is one.
    pub(crate) fn unpark(&self) {
        // AcqRel: publishes the caller's work to the `park` that takes the token.
        if self.state.swap(NOTIFIED, Ordering::AcqRel) == PARKED {
            // The waiter sets PARKED under the lock and gives the lock up only by waiting; so
            // once we have had the lock it does wait, and the notification reaches it.
            drop(self.lock.lock());
            self.woken.notify_one();
        }
    }

    fn take_token(&self) -> bool {
        self.state
            .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_token_left_before_the_wait_ends_it_at_once() {
        let parker = Parker::new();
        parker.unpark();
        parker.unpark();
        assert_eq!(parker.park(None), Parked::Notified);
        assert_eq!(parker.park(Some(Duration::ZERO)), Parked::TimedOut);
    }

    #[test]
    fn a_waiter_is_woken_from_another_thread() {
        let parker = Parker::new();
        std::thread::scope(|scope| {
            scope.spawn(|| parker.unpark());
            assert_eq!(parker.park(None), Parked::Notified);
        });
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::explore;
    use crate::sync::atomic::AtomicUsize;

    #[test]
    fn loom_no_token_is_lost_and_the_work_before_it_is_seen() {
        explore(|| {
            let shared = Arc::new((Parker::new(), AtomicUsize::new(0)));
            let theirs = Arc::clone(&shared);
            let thread = loom::thread::spawn(move || {
                theirs.1.store(1, Ordering::Relaxed);
                theirs.0.unpark();
            });
            assert_eq!(shared.0.park(None), Parked::Notified);
            assert_eq!(shared.1.load(Ordering::Relaxed), 1);
            thread.join().unwrap();
        });
    }
}
