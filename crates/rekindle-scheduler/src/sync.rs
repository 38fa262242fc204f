//! The one switch between the real primitives and loom's.
//!
//! Every file that has a loom model imports its atomics from here and from nowhere else, so the
//! model runs the very code that ships. `UnsafeCell` has loom's closure interface in both worlds:
//! it is what lets loom see a data race on plain memory.
//!
//! The two *asymmetric barriers* are a pair. [`light_barrier`] stands on a hot path and
//! costs nothing there where the system offers `membarrier`; [`heavy_barrier`] stands on the rare
//! path and makes every other thread of the process pass a full barrier. Together they order like
//! two sequentially consistent fences: if the hot side's load misses the rare side's store, the
//! rare side sees everything the hot side stored before its barrier.

#[cfg(loom)]
pub(crate) use loom::{cell::UnsafeCell, hint, sync::atomic, thread};

#[cfg(not(loom))]
pub(crate) use std::{hint, sync::atomic, thread};

#[cfg(not(loom))]
pub(crate) use self::cell::UnsafeCell;

pub(crate) use self::barrier::{heavy_barrier, light_barrier};

#[cfg(not(loom))]
mod cell {
    /// `std`'s cell behind loom's interface.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(loom)]
mod barrier {
    use loom::sync::atomic::{Ordering, fence};

    pub(crate) fn light_barrier() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy_barrier() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(not(loom), target_os = "linux"))]
mod barrier {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;

    /// True until the kernel has agreed to `membarrier`; then the light side is free.
    static SYMMETRIC: AtomicBool = AtomicBool::new(true);

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes three integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    /// Asks the kernel once; every runtime calls this before its first worker starts.
    pub(crate) fn prepare() {
        static ASKED: OnceLock<()> = OnceLock::new();
        ASKED.get_or_init(|| {
            if membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED) {
                SYMMETRIC.store(false, Ordering::SeqCst);
            }
        });
    }

    #[inline(always)]
    pub(crate) fn light_barrier() {
        if SYMMETRIC.load(Ordering::Relaxed) {
            fence(Ordering::SeqCst);
        } else {
            compiler_fence(Ordering::SeqCst);
        }
    }

    pub(crate) fn heavy_barrier() {
        fence(Ordering::SeqCst);
        if !SYMMETRIC.load(Ordering::Relaxed) {
            membarrier(PRIVATE_EXPEDITED);
        }
    }
}

#[cfg(all(not(loom), not(target_os = "linux")))]
mod barrier {
    use std::sync::atomic::{Ordering, fence};

    pub(crate) fn prepare() {}

    #[inline(always)]
    pub(crate) fn light_barrier() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy_barrier() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(not(loom))]
pub(crate) use self::barrier::prepare as prepare_barriers;

#[cfg(loom)]
pub(crate) fn prepare_barriers() {}

/// A lock that loom knows. Poisoning means nothing here: no user code runs under our locks.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(raw::Mutex<T>);

/// What [`Mutex::lock`] returns.
pub(crate) type MutexGuard<'a, T> = raw::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(raw::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The condition variable that goes with [`Mutex`].
#[derive(Debug, Default)]
pub(crate) struct Condvar(raw::Condvar);

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar(raw::Condvar::new())
    }

    /// Waits for a notification; it may also return without one.
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0
            .wait(guard)
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits for a notification for at most `limit`; it may also return earlier without one.
    pub(crate) fn wait_for<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: std::time::Duration,
    ) -> MutexGuard<'a, T> {
        self.0
            .wait_timeout(guard, limit)
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .0
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}

#[cfg(loom)]
use loom::sync as raw;

#[cfg(not(loom))]
use std::sync as raw;

/// Keeps what two threads write apart: two lines, because processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
