//! A worker's queue: a ring for what is ordinary, and a deque behind it for what is more.
//!
//! The deque of `crossbeam` has no end, and for that it doubles and halves its buffer, from 64 entries on:
//! a worker that queues a hundred tasks at a time and runs them would have two buffers made and thrown away
//! each time. So what is ordinary lies in a [`Ring`], and only what finds no place there stays in the deque.
//! Tasks keep their order: while anything is in the deque, all that is new goes there; and when that has
//! become little, it goes on into the ring.
//!
//! Both may be taken from by any thread at any time, so nothing waits behind a worker that is stuck.
//!
//! Invariant: an address goes into the ring by `Runnable::into_raw` and comes out to one taker
//! (invariant 2 of [`super::ring`]), so turning it back makes the one `Runnable`.

use std::cell::Cell;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crossbeam_deque::{Stealer, Worker as Deque};

use super::inject::{Inject, until_decided};
use super::ring::{ROOM, Ring};
use crate::prefetch::prefetch;
use crate::task::{Header, Runnable};

/// Which task is asked for: so many turns ahead of its own, for one is shorter than memory takes to come.
const AHEAD: u64 = 3;
/// The lines of a server; a plain process has three.
const TASK_LINES: usize = 4;

/// How much a thief takes at most.
const LOOT: usize = 32;

/// The owner's end. Whoever drops it has emptied it before, for it does not look at what it holds.
pub(crate) struct RunQueue {
    ring: Arc<Ring<Header>>,
    deque: Deque<Runnable>,
    /// Whether there may be anything in the deque.
    spilled: Cell<bool>,
}

/// The end for others.
pub(crate) struct FarEnd {
    ring: Arc<Ring<Header>>,
    deque: Stealer<Runnable>,
}

fn runnable(entry: *mut Header) -> Option<Runnable> {
    // SAFETY: by the invariant above.
    NonNull::new(entry).map(|header| unsafe { Runnable::from_raw(header) })
}

impl RunQueue {
    pub(super) fn new() -> RunQueue {
        RunQueue {
            ring: Arc::new(Ring::new()),
            deque: Deque::new_fifo(),
            spilled: Cell::new(false),
        }
    }

    pub(super) fn far_end(&self) -> FarEnd {
        FarEnd {
            ring: Arc::clone(&self.ring),
            deque: self.deque.stealer(),
        }
    }

    /// Appends an entry.
    #[inline]
    pub(super) fn push(&self, runnable: Runnable) {
        if self.spilled.get() {
            return self.deque.push(runnable);
        }
        let entry = runnable.into_raw();
        if !self.ring.push(entry.as_ptr()) {
            self.spill(entry);
        }
    }

    #[cold]
    fn spill(&self, entry: NonNull<Header>) {
        self.spilled.set(true);
        // SAFETY: by the invariant, for the ring has not taken it.
        self.deque.push(unsafe { Runnable::from_raw(entry) });
    }

    /// Takes the oldest entry.
    #[inline]
    pub(super) fn pop(&self) -> Option<Runnable> {
        match self.ring.pop() {
            Some(entry) => runnable(entry),
            None if self.spilled.get() => self.pop_spilled(),
            None => None,
        }
    }

    fn pop_spilled(&self) -> Option<Runnable> {
        let oldest = self.deque.pop();
        // At once: a task that is alone in the deque may queue a hundred more in its turn.
        self.settle();
        oldest
    }

    /// What is in the deque goes on into the ring, which has nothing that is younger.
    fn settle(&self) {
        while self.ring.len() < ROOM
            && let Some(runnable) = self.deque.pop()
        {
            let pushed = self.ring.push(runnable.into_raw().as_ptr());
            debug_assert!(pushed, "others only take");
        }
        self.spilled.set(!self.deque.is_empty());
    }

    /// Asks for the memory of a task whose turn comes soon. (Before the oldest is taken: what is loaded after an
    /// exchange waits for it.)
    #[inline]
    pub(super) fn fetch_ahead(&self) {
        if let Some(task) = self.ring.ahead(AHEAD) {
            prefetch::<_, TASK_LINES>(task);
        }
    }

    /// How many entries there are; others may take some meanwhile.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let spilled = if self.spilled.get() {
            self.deque.len()
        } else {
            0
        };
        self.ring.len() + spilled
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a share of the common queue: one entry to run now, the rest behind all others.
    pub(super) fn pop_share(&self, common: &Inject, workers: usize) -> Option<Runnable> {
        let first = common.pop_share(&self.deque, workers)?;
        self.settle();
        Some(first)
    }

    /// Takes from another worker: one entry to run now, the rest behind all others.
    pub(super) fn steal_from(&self, victim: &FarEnd) -> Option<Runnable> {
        let mut loot = [ptr::null_mut(); LOOT];
        let share = victim.ring.take_half(&mut loot);
        let mut entries = loot[..share].iter().filter_map(|entry| runnable(*entry));
        let mut first = entries.next();
        entries.for_each(|runnable| self.push(runnable));
        if share < LOOT / 2 && !victim.deque.is_empty() {
            if first.is_none() {
                first = until_decided(|| {
                    victim
                        .deque
                        .steal_batch_with_limit_and_pop(&self.deque, LOOT)
                });
            } else {
                // If another thief is quicker, that one has it.
                let _ = victim.deque.steal_batch_with_limit(&self.deque, LOOT);
            }
            self.settle();
        }
        first
    }
}

impl FarEnd {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ring.len() == 0 && self.deque.is_empty()
    }

    /// Takes the oldest entry.
    pub(super) fn take(&self) -> Option<Runnable> {
        match self.ring.pop() {
            Some(entry) => runnable(entry),
            None => until_decided(|| self.deque.steal()),
        }
    }
}

impl fmt::Debug for RunQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunQueue")
            .field("len", &self.len())
            .finish()
    }
}

impl fmt::Debug for FarEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FarEnd")
            .field("is_empty", &self.is_empty())
            .finish()
    }
}
