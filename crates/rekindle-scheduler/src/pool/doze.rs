//! How the monitor sleeps while all workers do.
//!
//! Invariant: it sleeps for longer than a tick only after it has set `dozing` and then found all workers
//! asleep; a worker that wakes up looks at `dozing` after it was counted off. A full fence on both
//! sides: one of them sees the other.

use std::time::Duration;

use super::park::{Parked, Parker};
use crate::sync::atomic::{AtomicBool, Ordering, fence};

/// The monitor's bed.
#[derive(Debug)]
pub(super) struct Doze {
    parker: Parker,
    dozing: AtomicBool,
}

impl Doze {
    pub(super) fn new() -> Doze {
        Doze {
            parker: Parker::new(),
            dozing: AtomicBool::new(false),
        }
    }

    /// Anybody who was counted as asleep and no longer is: ends the sleep, if there is one.
    #[inline]
    pub(super) fn rouse(&self) {
        fence(Ordering::SeqCst);
        if self.dozing.load(Ordering::Relaxed) {
            self.parker.unpark();
        }
    }

    /// Anybody: ends the present sleep or wait, or the next.
    pub(super) fn interrupt(&self) {
        self.parker.unpark();
    }

    /// The monitor: waits for so long, or less.
    pub(super) fn wait(&self, limit: Duration) {
        let _either = self.parker.park(Some(limit));
    }

    /// The monitor: sleeps until it is roused, or for so long, unless somebody works. Says whether it slept all the
    /// time (or it was woken for nothing).
    pub(super) fn sleep_if(&self, limit: Option<Duration>, is_quiet: impl Fn() -> bool) -> bool {
        self.dozing.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let slept = is_quiet() && self.parker.park(limit) == Parked::TimedOut;
        self.dozing.store(false, Ordering::Relaxed);
        slept
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! A sleep from which nobody wakes the monitor is a deadlock, and loom reports it.

    use std::sync::Arc;

    use super::*;
    use crate::model::explore;
    use crate::sync::atomic::AtomicUsize;

    #[test]
    fn loom_the_monitor_does_not_sleep_while_a_worker_is_awake() {
        explore(|| {
            let shared = Arc::new((Doze::new(), AtomicUsize::new(1)));
            let theirs = Arc::clone(&shared);
            let worker = loom::thread::spawn(move || {
                let (doze, asleep) = &*theirs;
                asleep.fetch_sub(1, Ordering::AcqRel);
                doze.rouse();
            });
            let (doze, asleep) = &*shared;
            doze.sleep_if(None, || asleep.load(Ordering::Acquire) == 1);
            worker.join().unwrap();
        });
    }
}
