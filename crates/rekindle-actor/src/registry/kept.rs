//! A user's value that several hold.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::unwind;

/// A user's key or value, dropped with the last of those who hold it. That may be a reader, or the
/// end of a process: a panic of its drop is nobody's crash there, so it is logged and goes no
/// further.
pub(super) struct Kept<T>(Arc<Value<T>>);

/// `None` while it is dropped.
struct Value<T>(Option<T>);

impl<T> Kept<T> {
    pub(super) fn new(value: T) -> Kept<T> {
        Kept(Arc::new(Value(Some(value))))
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Kept(self.0.clone())
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.0.as_ref().expect("it is taken by its drop only")
    }
}

impl<T> Drop for Value<T> {
    fn drop(&mut self) {
        if !unwind::discard(self.0.take()) {
            let ty = std::any::type_name::<T>();
            rekindle_scheduler::log_guarded(
                || log::error!(target: "rekindle", "the drop of a `{ty}` that a registry kept panicked"),
            );
        }
    }
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(..)")
    }
}
