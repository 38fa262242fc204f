//! The two parts of a process that only one may reach at a time, and small things that anyone may reach
//! beside them.
//!
//! They do what `RefCell` and `Mutex` of the libraries do. But there a whole word goes for a flag or a lock of one
//! byte, and there are many processes: here the other seven are in use.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rekindle_scheduler::{ByteGuard, ByteLock, Time};

use crate::interests::Interests;
use crate::process::{Owner, Private};

/// A value that only the running process reaches.
pub(crate) struct PrivateCell<T> {
    value: UnsafeCell<T>,
    /// Whether there is a [`PrivateMut`].
    borrowed: Cell<bool>,
    /// Whether the exit of its parent is its own end, should it trap exits.
    pub(crate) heeds_parent: AtomicBool,
    /// When it was spawned.
    pub(crate) started: Started,
}

// SAFETY: `value` and `borrowed` are reached only by way of an `Owner`, which exists on one thread at a time
// (the invariant of `process.rs`); between turns the scheduler's state word orders the threads.
unsafe impl<T: Send> Sync for PrivateCell<T> {}

/// The value, as long as this lives.
pub(crate) struct PrivateMut<'a, T> {
    cell: &'a PrivateCell<T>,
    /// Never leaves the thread.
    thread: PhantomData<*const ()>,
}

impl<T> PrivateCell<T> {
    #[inline]
    pub(crate) fn new(value: T, started: Time) -> Self {
        PrivateCell {
            value: UnsafeCell::new(value),
            borrowed: Cell::new(false),
            heeds_parent: AtomicBool::new(true),
            started: Started::at(started),
        }
    }

    /// The value, for whoever has the cell alone.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // Each field by name: who finds nothing to drop in the value drops nothing beside it either (`is_bare`).
        let PrivateCell {
            value,
            borrowed: _,
            heeds_parent: _,
            started: _,
        } = self;
        value.get_mut()
    }
}

impl PrivateCell<Private> {
    /// The value, for the process that has its turn.
    ///
    /// # Panics
    ///
    /// If the process has it already.
    #[inline]
    pub(crate) fn of_running<'a>(&'a self, owner: Owner<'a>) -> PrivateMut<'a, Private> {
        assert!(
            std::ptr::eq(self, &raw const owner.process().private),
            "a foreign owner"
        );
        assert!(!self.borrowed.replace(true), "it is borrowed already");
        PrivateMut {
            cell: self,
            thread: PhantomData,
        }
    }
}

impl<T> Deref for PrivateMut<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: there is one of us at a time (`borrowed`), on the thread of the cell's owner.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for PrivateMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T> Drop for PrivateMut<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.borrowed.set(false);
    }
}

/// A value under a lock, which is held for a few instructions.
pub(crate) struct SharedCell<T> {
    lock: ByteLock,
    /// Whether anybody has ever had the lock, or there was something to be found to begin with.
    touched: AtomicBool,
    /// Set by the process, read by whoever sends it an exit signal's effect: itself.
    pub(crate) traps: AtomicBool,
    /// What the process hears of those it is linked with, beside their exits.
    pub(crate) interests: Interests,
    /// Changes whenever the process gets or loses a name; written under the lock.
    pub(crate) name_epoch: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached only by who has the lock, which passes it on between threads.
unsafe impl<T: Send> Sync for SharedCell<T> {}

/// The value, as long as this lives: the lock is held.
pub(crate) struct SharedMut<'a, T> {
    cell: &'a SharedCell<T>,
    _taken: ByteGuard<'a>,
    /// Never leaves the thread: the lock is let go where it was taken.
    thread: PhantomData<*const ()>,
}

impl<T> SharedCell<T> {
    #[inline]
    pub(crate) fn new(value: T, touched: bool) -> Self {
        SharedCell {
            lock: ByteLock::new(),
            touched: AtomicBool::new(touched),
            traps: AtomicBool::new(false),
            interests: Interests::default(),
            name_epoch: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> SharedMut<'_, T> {
        self.locked(self.lock.lock())
    }

    pub(crate) fn try_lock(&self) -> Option<SharedMut<'_, T>> {
        self.lock.try_lock().map(|taken| self.locked(taken))
    }

    /// The lock was taken just now.
    #[inline]
    fn locked<'a>(&'a self, taken: ByteGuard<'a>) -> SharedMut<'a, T> {
        // Relaxed: see `is_untouched`.
        self.touched.store(true, Ordering::Relaxed);
        SharedMut {
            cell: self,
            _taken: taken,
            thread: PhantomData,
        }
    }

    /// Whether the value is as it was made, with nothing to be found. A hint, unless the caller knows that nobody can
    /// reach the cell any more, and sees what they did.
    #[inline]
    pub(crate) fn is_untouched(&self) -> bool {
        !self.touched.load(Ordering::Relaxed)
    }

    /// The value, for whoever has the cell alone.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // As for the other one.
        let SharedCell {
            lock: _,
            touched: _,
            traps: _,
            interests: _,
            name_epoch: _,
            value,
        } = self;
        value.get_mut()
    }
}

impl<T> Deref for SharedMut<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is ours.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for SharedMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is ours.
        unsafe { &mut *self.cell.value.get() }
    }
}

/// A time in six bytes: in microseconds, up to nine years of them.
#[derive(Clone, Copy)]
pub(crate) struct Started([u8; 6]);

const NANOS_PER_MICRO: u64 = 1_000;

impl Started {
    #[inline]
    fn at(time: Time) -> Started {
        let micros = (time.as_nanos() / NANOS_PER_MICRO).min((1 << 48) - 1);
        let [a, b, c, d, e, f, _, _] = micros.to_le_bytes();
        Started([a, b, c, d, e, f])
    }

    pub(crate) fn time(self) -> Time {
        let [a, b, c, d, e, f] = self.0;
        let micros = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        Time::from_nanos(micros * NANOS_PER_MICRO)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_start_is_kept_to_the_microsecond_for_nine_years() {
        let kept = |nanos| Started::at(Time::from_nanos(nanos)).time().as_nanos();
        let year = 365 * 86_400 * 1_000_000_000;
        for exact in [0, 1_000, 3_600_000_000_000, 8 * year] {
            assert_eq!(kept(exact), exact);
        }
        assert_eq!(kept(1_999), 1_000);
        // Whoever runs for longer seems to have begun later.
        assert_eq!(kept(10 * year), ((1 << 48) - 1) * 1_000);
    }

    #[test]
    fn a_lock_lets_in_one_at_a_time() {
        let cell = Arc::new(SharedCell::new(0_u64, false));
        let rounds = if cfg!(miri) { 50 } else { 10_000 };
        let add = || {
            let cell = Arc::clone(&cell);
            move || (0..rounds).for_each(|_| *cell.lock() += 1)
        };
        for adder in [thread::spawn(add()), thread::spawn(add())] {
            adder.join().unwrap();
        }
        let held = cell.lock();
        assert_eq!(*held, 2 * rounds);
        assert!(cell.try_lock().is_none());
        drop(held);
        assert!(cell.try_lock().is_some_and(|value| *value == 2 * rounds));
    }

    #[test]
    fn a_flag_and_a_lock_take_no_word_of_their_own() {
        assert_eq!(size_of::<PrivateCell<u64>>(), 2 * size_of::<u64>());
        assert_eq!(size_of::<SharedCell<u64>>(), 2 * size_of::<u64>());
    }
}
