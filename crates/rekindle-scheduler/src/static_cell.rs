//! An atomic reference to something that lives for ever.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A place for a `&'static T` that one thread writes and others read, without a lock.
///
/// For a hook that is set once and asked often:
///
/// ```
/// use rekindle_scheduler::StaticCell;
///
/// static SHOUT: StaticCell<fn(&str) -> String> = StaticCell::new();
///
/// let say = |word: &str| SHOUT.load().map_or(word.to_owned(), |shout| shout(word));
/// assert_eq!(say("hello"), "hello");
/// static LOUD: fn(&str) -> String = |word| word.to_uppercase();
/// SHOUT.store(&LOUD);
/// assert_eq!(std::thread::spawn(move || say("hello")).join().unwrap(), "HELLO");
/// ```
pub struct StaticCell<T: 'static>(AtomicPtr<T>, PhantomData<&'static T>);

impl<T: Sync> StaticCell<T> {
    /// An empty place.
    #[must_use]
    pub const fn new() -> Self {
        StaticCell(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    /// Puts a reference in.
    #[inline]
    pub fn store(&self, value: &'static T) {
        self.0
            .store(ptr::from_ref(value).cast_mut(), Ordering::Release);
    }

    /// What was put in last, if anything was.
    #[inline]
    pub fn load(&self) -> Option<&'static T> {
        // SAFETY: the pointer is null or came from a `&'static T`, which is valid for ever and
        // never written through; `T: Sync` lets any thread read it.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }
}

impl<T: Sync> Default for StaticCell<T> {
    fn default() -> Self {
        StaticCell::new()
    }
}

impl<T: Sync + fmt::Debug> fmt::Debug for StaticCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}
