//! What a registry knows of itself.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use parking_lot::Mutex;

use super::kept::Kept;

/// Names a piece of a registry's metadata, with its type. Two keys are the same if their names and
/// their types are.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{MetaKey, Registry};
///
/// const LIMIT: MetaKey<u32> = MetaKey::new("limit");
///
/// let rooms = Registry::<String, ()>::unique().meta(LIMIT, 100).start_link().await.unwrap();
/// assert_eq!(rooms.meta(LIMIT), Ok(Some(100)));
/// rooms.put_meta(LIMIT, 200).unwrap();
/// rooms.delete_meta(LIMIT).unwrap();
/// assert_eq!(rooms.meta(LIMIT), Ok(None));
/// # });
/// ```
pub struct MetaKey<T> {
    name: &'static str,
    ty: PhantomData<fn() -> T>,
}

impl<T> MetaKey<T> {
    /// The key of this name for a `T`.
    #[must_use]
    pub const fn new(name: &'static str) -> MetaKey<T> {
        MetaKey {
            name,
            ty: PhantomData,
        }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for MetaKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for MetaKey<T> {}

impl<T> fmt::Debug for MetaKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetaKey<{}>({:?})", type_name::<T>(), self.name)
    }
}

/// Values by name and type.
#[derive(Default)]
pub(super) struct Meta(Mutex<BTreeMap<(&'static str, TypeId), Value>>);

type Value = Arc<dyn Any + Send + Sync>;

impl Meta {
    pub(super) fn get<T: Clone + Send + Sync + 'static>(&self, key: MetaKey<T>) -> Option<T> {
        let value = self.0.lock().get(&slot(key)).cloned()?;
        // The slot's type is the value's, so this never fails.
        let value: &Kept<T> = value.downcast_ref()?;
        Some((**value).clone())
    }

    pub(super) fn put<T: Send + Sync + 'static>(&self, key: MetaKey<T>, value: T) {
        let value: Value = Arc::new(Kept::new(value));
        let old = self.0.lock().insert(slot(key), value);
        drop(old);
    }

    pub(super) fn delete<T: 'static>(&self, key: MetaKey<T>) {
        let old = self.0.lock().remove(&slot(key));
        drop(old);
    }
}

impl Clone for Meta {
    fn clone(&self) -> Self {
        Meta(Mutex::new(self.0.lock().clone()))
    }
}

fn slot<T: 'static>(key: MetaKey<T>) -> (&'static str, TypeId) {
    (key.name, TypeId::of::<T>())
}
