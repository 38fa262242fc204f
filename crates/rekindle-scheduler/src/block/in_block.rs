//! A value in a block.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::{drop_in_place, put, take};

/// A value in a block of its own: what a [`Box`] is, for what many processes have and other workers than the
/// one that made it may drop.
///
/// ```
/// use rekindle_scheduler::block::InBlock;
///
/// let mut names = InBlock::new(vec!["ada"]);
/// names.push("grace");
/// assert_eq!(names.into_inner(), ["ada", "grace"]);
/// ```
pub struct InBlock<T> {
    block: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: it is the only owner of its value, and a block may be given back on any thread.
unsafe impl<T: Send> Send for InBlock<T> {}
// SAFETY: a shared reference to it gives shared references to the value, and no more.
unsafe impl<T: Sync> Sync for InBlock<T> {}

impl<T> InBlock<T> {
    /// Moves a value into a block.
    #[inline]
    #[must_use]
    pub fn new(value: T) -> InBlock<T> {
        InBlock {
            block: put(value),
            owns: PhantomData,
        }
    }

    /// Moves the value out again.
    #[inline]
    #[must_use]
    pub fn into_inner(self) -> T {
        let own = ManuallyDrop::new(self);
        // SAFETY: `new` has put it there, and nobody drops `own`.
        unsafe { take(own.block) }
    }
}

impl<T> Deref for InBlock<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value is there until we are dropped, and is reached through us only.
        unsafe { self.block.as_ref() }
    }
}

impl<T> DerefMut for InBlock<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.block.as_mut() }
    }
}

impl<T> Drop for InBlock<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `new` has put it there, and nobody uses it after us.
        unsafe { drop_in_place(self.block) };
    }
}

impl<T: Default> Default for InBlock<T> {
    fn default() -> Self {
        InBlock::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for InBlock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn its_value_is_dropped_once_wherever_it_goes() {
        let value = Arc::new(());
        let mut block = InBlock::new((1_u64, Arc::clone(&value)));
        block.0 += 1;
        assert_eq!((block.0, Arc::strong_count(&value)), (2, 2));
        thread::spawn(move || drop(block)).join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn a_value_that_is_taken_out_is_not_dropped_with_its_block() {
        let value = Arc::new(());
        let (number, taken) = InBlock::new((7_u8, Arc::clone(&value))).into_inner();
        assert_eq!((number, Arc::strong_count(&value)), (7, 2));
        drop(taken);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn it_is_shown_as_its_value() {
        assert_eq!(format!("{:?}", InBlock::<Vec<u8>>::default()), "[]");
    }
}
