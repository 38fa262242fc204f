//! How full a bounded mailbox is, and who waits for room.
//!
//! Invariant: nobody is held back once the mailbox is empty. A sender counts its message, then looks
//! under the lock whether there is still too much, and only then gets on the list; the reader counts
//! down, and then takes the list under the same lock. So one of them sees the other.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// The count of one mailbox. `S` is a sender that waits.
#[derive(Debug)]
pub(super) struct Gate<S> {
    limit: usize,
    /// Sent and not yet handled.
    queued: AtomicUsize,
    held_back: Mutex<Vec<S>>,
}

impl<S> Gate<S> {
    pub(super) fn new(limit: usize) -> Gate<S> {
        Gate {
            limit,
            queued: AtomicUsize::new(0),
            held_back: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// One message more. How many there were before.
    pub(super) fn count_up(&self) -> usize {
        self.queued.fetch_add(1, Ordering::AcqRel)
    }

    /// One message less. Whether half the room is free, so that senders may go on.
    pub(super) fn count_down(&self) -> bool {
        self.queued.fetch_sub(1, Ordering::AcqRel) <= self.limit / 2 + 1
    }

    /// Whether there is more than the limit.
    pub(super) fn is_over(&self) -> bool {
        self.queued.load(Ordering::Acquire) > self.limit
    }

    /// Puts a sender on the list, if there is still too much; `sender` says who, and marks it.
    pub(super) fn hold_back(&self, sender: impl FnOnce() -> S) {
        let mut held_back = self.held_back.lock();
        if self.is_over() {
            held_back.push(sender());
        }
    }

    /// Takes all who wait.
    pub(super) fn open(&self) -> Vec<S> {
        std::mem::take(&mut *self.held_back.lock())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_gate_opens_once_half_the_room_is_free() {
        let gate = Gate::<()>::new(4);
        for before in 0..5 {
            assert_eq!(gate.count_up(), before);
        }
        assert!(gate.is_over());
        let opens = [(); 5].map(|()| gate.count_down());
        assert_eq!(opens, [false, false, true, true, true]);
    }
}

#[cfg(all(loom, test))]
mod loom_tests {
    //! A reader that handles whatever comes, against senders that are held back.

    use loom::sync::Arc;
    use loom::thread;
    use rekindle_scheduler::model::explore;

    use super::*;

    /// As the reader and the sender of a bounded mailbox do it: `messages` is the inbox.
    struct Toy {
        gate: Gate<usize>,
        messages: AtomicUsize,
        released: AtomicUsize,
        held: AtomicUsize,
    }

    impl Toy {
        fn new(limit: usize) -> Arc<Toy> {
            Arc::new(Toy {
                gate: Gate::new(limit),
                messages: AtomicUsize::new(0),
                released: AtomicUsize::new(0),
                held: AtomicUsize::new(0),
            })
        }

        fn send(&self, sender: usize) {
            if self.gate.count_up() >= self.gate.limit() {
                self.gate.hold_back(|| {
                    self.held.fetch_add(1, Ordering::Relaxed);
                    sender
                });
            }
            self.messages.fetch_add(1, Ordering::Release);
        }

        fn handle_what_is_there(&self) {
            for _ in 0..self.messages.swap(0, Ordering::Acquire) {
                self.handle_one();
            }
        }

        fn handle_one(&self) {
            if self.gate.count_down() {
                let released = self.gate.open().len();
                self.released.fetch_add(released, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn loom_nobody_is_held_back_by_an_empty_mailbox() {
        explore(|| {
            let toy = Toy::new(1);
            let senders = [1, 2].map(|sender| {
                let toy = Arc::clone(&toy);
                thread::spawn(move || toy.send(sender))
            });
            toy.handle_what_is_there();
            senders
                .into_iter()
                .for_each(|sender| sender.join().unwrap());
            // What came in meanwhile gives the process another turn.
            toy.handle_what_is_there();
            assert_eq!(toy.gate.open(), []);
            let count = |n: &AtomicUsize| n.load(Ordering::Relaxed);
            assert_eq!(count(&toy.held), count(&toy.released));
            assert!(!toy.gate.is_over());
        });
    }

    /// Half the room is free once the reader has handled what was there: who comes too late for the
    /// list must see that, for nobody looks at the list until its own message is handled.
    #[test]
    fn loom_nobody_is_held_back_where_there_is_room() {
        explore(|| {
            let toy = Toy::new(2);
            for _ in 0..2 {
                toy.send(0);
            }
            let theirs = Arc::clone(&toy);
            let reader = thread::spawn(move || {
                for _ in 0..2 {
                    theirs.handle_one();
                }
            });
            toy.send(1);
            reader.join().unwrap();
            assert_eq!(toy.gate.open(), []);
        });
    }
}
