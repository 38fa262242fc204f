//! A lock of one byte, for what is held for a few instructions: to let it go is a store.
//!
//! A lock that puts its waiters to sleep must look, when it is let go, whether there are any, and that takes a second
//! read-modify-write. Here whoever finds it taken looks again, makes way for the holder after a while, and
//! sleeps in the end; so nothing that waits or runs for long may be done under it, and no foreign code.
//!
//! Invariant: between `true` that an exchange has written and the next `false` one thread alone has the lock.
//! Orderings: the exchange acquires what the store of the last holder released.

use std::hint;
use std::time::Duration;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread;

/// See the head of the file.
#[derive(Debug)]
pub struct ByteLock(AtomicBool);

/// Who has this has the lock, until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is let go at once"]
pub struct ByteGuard<'a>(&'a ByteLock);

impl Drop for ByteGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

/// Looks before the holder is given way to: it must have been pre-empted.
const SPINS: u32 = 64;

/// Looks before the waiter sleeps.
const YIELDS: u32 = 1_000;

/// A sleep between two looks.
const NAP: Duration = Duration::from_micros(50);

impl ByteLock {
    /// A lock that nobody has.
    #[inline]
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a lock by default says nothing")]
    pub fn new() -> ByteLock {
        ByteLock(AtomicBool::new(false))
    }

    /// Takes the lock, when it is free.
    #[inline]
    pub fn lock(&self) -> ByteGuard<'_> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            self.wait();
        }
    }

    /// Takes the lock, if it is free.
    #[inline]
    #[must_use]
    pub fn try_lock(&self) -> Option<ByteGuard<'_>> {
        self.0
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then(|| ByteGuard(self))
    }

    #[cold]
    fn wait(&self) {
        if cfg!(loom) {
            // A load may see an old value again and again; the exchange sees the last one.
            return thread::yield_now();
        }
        let mut looks = 0;
        while self.0.load(Ordering::Relaxed) {
            looks += 1;
            if looks < SPINS {
                hint::spin_loop();
            } else if looks < YIELDS {
                // The holder was pre-empted: let it run.
                thread::yield_now();
            } else {
                std::thread::sleep(NAP);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_comes_late_sleeps_until_it_is_free() {
        let lock = ByteLock::new();
        let taken = lock.lock();
        assert!(lock.try_lock().is_none());
        std::thread::scope(|scope| {
            let late = scope.spawn(|| drop(lock.lock()));
            std::thread::sleep(Duration::from_millis(20));
            assert!(!late.is_finished());
            drop(taken);
        });
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn a_panic_lets_it_go() {
        let lock = ByteLock::new();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _taken = lock.lock();
            panic!("under the lock")
        }));
        assert!(panicked.is_err() && lock.try_lock().is_some());
    }
}
