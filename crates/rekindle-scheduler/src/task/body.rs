//! A task's future, in its place in the cell.
//!
//! Invariants
//! 1. The future is in its place unless the cell's marks say that it is gone.
//! 2. It is never moved from there.
//! 3. A [`Body`] is had by the owner of SCHEDULED alone, and one at a time.

use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::sync::atomic::{AtomicU8, Ordering};

/// What is gone of a task before its cell is. Written by the owner of SCHEDULED.
pub(super) struct Marks(AtomicU8);

/// The future was dropped.
pub(super) const FUTURE: u8 = 1;
/// The id was given up, maybe many turns before the end.
pub(super) const ID: u8 = 2;

impl Marks {
    pub(super) fn none() -> Marks {
        Marks(AtomicU8::new(0))
    }

    #[inline]
    pub(super) fn has(&self, mark: u8) -> bool {
        self.0.load(Ordering::Relaxed) & mark != 0
    }

    /// By the owner of SCHEDULED.
    #[inline]
    pub(super) fn set(&self, mark: u8) {
        let marks = self.0.load(Ordering::Relaxed);
        self.0.store(marks | mark, Ordering::Relaxed);
    }
}

/// The future of a task, for its [`Host`](super::Host) in one turn.
pub struct Body<'a, F> {
    place: &'a mut MaybeUninit<F>,
    marks: &'a Marks,
}

impl<'a, F> Body<'a, F> {
    /// # Safety
    ///
    /// `place` and `marks` are those of one cell. The caller owns SCHEDULED, and has no other.
    #[inline]
    pub(super) unsafe fn of(place: &'a mut MaybeUninit<F>, marks: &'a Marks) -> Body<'a, F> {
        Body { place, marks }
    }

    /// Whether it has been dropped.
    #[inline]
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.marks.has(FUTURE)
    }

    /// Polls the future; `None` once it has been dropped.
    ///
    /// # Panics
    ///
    /// As the future does.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Option<Poll<F::Output>>
    where
        F: Future,
    {
        if self.is_gone() {
            return None;
        }
        // SAFETY: by invariants 1 and 3 it is there, and ours.
        let future = unsafe { self.place.assume_init_mut() };
        // SAFETY: by invariant 2.
        Some(unsafe { Pin::new_unchecked(future) }.poll(cx))
    }

    /// Drops the future, if that has not been done.
    ///
    /// # Panics
    ///
    /// As its drop does. It is gone all the same.
    #[inline]
    pub fn drop_in_place(&mut self) {
        if self.is_gone() {
            return;
        }
        self.marks.set(FUTURE);
        // SAFETY: by invariants 1 and 3 it is there, and ours; nobody finds it any more.
        unsafe { self.place.assume_init_drop() };
    }
}

impl<F> fmt::Debug for Body<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("is_gone", &self.is_gone())
            .finish()
    }
}
