//! How far a runtime's life has come, and how those who add work find that out.
//!
//! Invariants
//! 1. The stage only goes forward, and one thread moves it: the one that [`Life::begin_stop`] chose.
//! 2. Whoever adds to a queue asks [`Life::is_over`] afterwards; whoever empties the queues for the
//!    last time has said [`Life::end`] before. Each side writes, fences, and reads what the other side
//!    writes, so one of them sees the other: nothing is left in a queue.

use crate::sync::atomic::{AtomicU8, Ordering, fence};

/// How far a runtime's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    Running = 0,
    Stopping = 1,
    Stopped = 2,
}

/// The stage of one runtime.
#[derive(Debug)]
pub(crate) struct Life(AtomicU8);

impl Life {
    pub(crate) fn new() -> Life {
        Life(AtomicU8::new(Stage::Running as u8))
    }

    #[inline]
    pub(crate) fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Running,
            1 => Stage::Stopping,
            _ => Stage::Stopped,
        }
    }

    /// Begins the end; `true` for the one who is to bring it about.
    #[must_use]
    pub(crate) fn begin_stop(&self) -> bool {
        let begun = self.0.compare_exchange(
            Stage::Running as u8,
            Stage::Stopping as u8,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        fence(Ordering::SeqCst);
        begun.is_ok()
    }

    /// Nobody runs any more: what is queued from now on is cancelled by whoever queues it.
    pub(crate) fn end(&self) {
        self.0.store(Stage::Stopped as u8, Ordering::SeqCst);
        // Invariant 2, the side that empties.
        fence(Ordering::SeqCst);
    }

    /// Whether what was just queued is the caller's to cancel.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        // Invariant 2, the side that adds.
        fence(Ordering::SeqCst);
        self.stage() == Stage::Stopped
    }
}

#[cfg(all(loom, test))]
mod loom_tests {
    //! Two who add, one who ends, with a queue that is a number: as in `core`.

    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::model::explore;
    use crate::sync::atomic::AtomicUsize;

    struct Toy {
        life: Life,
        queued: AtomicUsize,
        cancelled: AtomicUsize,
    }

    impl Toy {
        fn new() -> Arc<Toy> {
            Arc::new(Toy {
                life: Life::new(),
                queued: AtomicUsize::new(0),
                cancelled: AtomicUsize::new(0),
            })
        }

        /// As `Core::submit`.
        fn add(&self) {
            self.queued.fetch_add(1, Ordering::Relaxed);
            if self.life.is_over() {
                self.cancel_queued();
            }
        }

        fn cancel_queued(&self) {
            let taken = self.queued.swap(0, Ordering::Relaxed);
            self.cancelled.fetch_add(taken, Ordering::Relaxed);
        }

        /// As `Core::shut_down`.
        fn shut_down(&self) -> bool {
            if !self.life.begin_stop() {
                return false;
            }
            self.cancel_queued();
            self.life.end();
            self.cancel_queued();
            true
        }
    }

    #[test]
    fn loom_what_is_queued_at_the_end_is_cancelled() {
        explore(|| {
            let toy = Toy::new();
            let adders = [(); 2].map(|()| {
                let toy = Arc::clone(&toy);
                thread::spawn(move || toy.add())
            });
            assert!(toy.shut_down());
            adders.into_iter().for_each(|adder| adder.join().unwrap());
            assert_eq!(toy.queued.load(Ordering::Relaxed), 0);
            assert_eq!(toy.cancelled.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn loom_one_of_two_ends_a_runtime() {
        explore(|| {
            let toy = Toy::new();
            let other = {
                let toy = Arc::clone(&toy);
                thread::spawn(move || toy.shut_down())
            };
            assert!(toy.shut_down() != other.join().unwrap());
            assert_eq!(toy.life.stage(), Stage::Stopped);
        });
    }
}
