//! The one switch between the real primitives and loom's, for the files that have models.
//!
//! `mailbox/reply.rs` takes its atomics, its cells and its memory from here, `mailbox/gate.rs` its
//! count and its lock, and from nowhere else,
//! so its models run the very code that ships. `UnsafeCell` has loom's closure interface in both
//! worlds: it is what lets loom see a data race on plain memory. Under loom, memory is counted
//! and never used again: what touches a block after its end then meets the block, not another one.

#[cfg(loom)]
pub(crate) use loom::{cell::UnsafeCell, sync::atomic};

#[cfg(loom)]
pub(crate) use self::{counted as block, mutex::Mutex};

#[cfg(not(loom))]
pub(crate) use {parking_lot::Mutex, rekindle_scheduler::block, std::sync::atomic};

#[cfg(not(loom))]
pub(crate) use self::cell::UnsafeCell;

/// Says that nobody uses the atomic any more: under loom, that each use *happened before* this.
#[inline(always)]
pub(crate) fn last_use(atomic: &mut atomic::AtomicU32) {
    #[cfg(loom)]
    atomic.with_mut(|_| ());
    #[cfg(not(loom))]
    let _ = atomic;
}

#[cfg(not(loom))]
mod cell {
    /// `std`'s cell behind loom's interface.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        #[inline(always)]
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

/// Loom's lock behind parking_lot's interface.
#[cfg(loom)]
mod mutex {
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}

/// The scheduler's `block`, with a ledger.
#[cfg(loom)]
pub(crate) mod counted {
    use std::cell::RefCell;
    use std::collections::HashSet;
    use std::mem::MaybeUninit;
    use std::ptr::NonNull;

    thread_local! {
        /// The blocks in use. All threads of a model run on one thread of the system.
        static LIVE: RefCell<HashSet<usize>> = RefCell::default();
    }

    pub(crate) fn allocate<T>() -> NonNull<MaybeUninit<T>> {
        let block = rekindle_scheduler::block::allocate::<T>();
        LIVE.with_borrow_mut(|live| live.insert(block.addr().get()));
        block
    }

    /// Strikes the block off the list; its memory stays.
    pub(crate) unsafe fn deallocate<T>(block: NonNull<T>) {
        let lived = LIVE.with_borrow_mut(|live| live.remove(&block.addr().get()));
        assert!(lived, "a block is freed once");
    }

    /// How many blocks there are.
    #[cfg(test)]
    pub(crate) fn live() -> usize {
        LIVE.with_borrow(HashSet::len)
    }
}
