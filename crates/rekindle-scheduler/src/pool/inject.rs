//! The pool's common queue: work that comes from outside, and what is left behind by workers that
//! lose their seat or stop.

use std::fmt;

use crossbeam_deque::{Injector, Steal, Worker as Deque};

use crate::task::Runnable;

/// How many entries a worker takes at most at once.
const BATCH: usize = 32;

/// Entries that belong to no worker, oldest first.
pub(crate) struct Inject(Injector<Runnable>);

impl Inject {
    pub(crate) fn new() -> Inject {
        Inject(Injector::new())
    }

    /// Appends an entry. The caller wakes a worker for it.
    #[inline]
    pub(crate) fn push(&self, runnable: Runnable) {
        self.0.push(runnable);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes one entry.
    pub(crate) fn pop(&self) -> Option<Runnable> {
        until_decided(|| self.0.steal())
    }

    /// Takes a worker's share: one entry to run now, the rest to the back of its deque.
    ///
    /// The share is one part in `workers` of what there is, so that the others find some too.
    pub(crate) fn pop_share(&self, deque: &Deque<Runnable>, workers: usize) -> Option<Runnable> {
        if self.is_empty() {
            return None;
        }
        let share = (self.len() / workers + 1).min(BATCH);
        until_decided(|| self.0.steal_batch_with_limit_and_pop(deque, share))
    }
}

impl fmt::Debug for Inject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inject").field("len", &self.len()).finish()
    }
}

/// Repeats a steal that lost a race: somebody else made progress, so this ends.
pub(crate) fn until_decided<T>(mut steal: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(taken) => return Some(taken),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
