//! A map of which most have at most one entry: whom a process watches, and who watches it.
//!
//! One entry lies in place. A second one makes a tree of them, until the last is gone.

use std::collections::{BTreeMap, btree_map};
use std::mem;

/// An ordered map, small while it has one entry.
#[derive(Debug, Default)]
pub(crate) enum Few<K, V> {
    #[default]
    None,
    One(K, V),
    #[allow(
        clippy::box_collection,
        reason = "most have none, and are two words smaller"
    )]
    Many(Box<BTreeMap<K, V>>),
}

impl<K: Ord, V> Few<K, V> {
    /// Adds an entry, or puts the value into the one that there is.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        *self = match mem::take(self) {
            Few::None => Few::One(key, value),
            Few::One(known, _) if known == key => Few::One(key, value),
            Few::One(known, old) => {
                Few::Many(Box::new(BTreeMap::from([(known, old), (key, value)])))
            }
            Few::Many(mut many) => {
                many.insert(key, value);
                Few::Many(many)
            }
        };
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        match self {
            Few::None => false,
            Few::One(known, _) => known == key,
            Few::Many(many) => many.contains_key(key),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Few::One(known, _) if known == key => match mem::take(self) {
                Few::One(_, value) => Some(value),
                _ => None,
            },
            Few::None | Few::One(..) => None,
            Few::Many(many) => {
                let value = many.remove(key);
                if many.is_empty() {
                    *self = Few::None;
                }
                value
            }
        }
    }

    /// In the order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (one, many) = match self {
            Few::None => (None, None),
            Few::One(key, value) => (Some((key, value)), None),
            Few::Many(many) => (None, Some(many.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

impl<K, V> IntoIterator for Few<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> IntoIter<K, V> {
        match self {
            Few::None => IntoIter::None,
            Few::One(key, value) => IntoIter::One(key, value),
            Few::Many(many) => IntoIter::Many(Box::new(many.into_iter())),
        }
    }
}

/// What is left of one that is taken apart.
#[derive(Debug)]
pub(crate) enum IntoIter<K, V> {
    None,
    One(K, V),
    Many(Box<btree_map::IntoIter<K, V>>),
}

impl<K, V> Iterator for IntoIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        match self {
            IntoIter::None => None,
            IntoIter::Many(many) => many.next(),
            IntoIter::One(..) => match mem::replace(self, IntoIter::None) {
                IntoIter::One(key, value) => Some((key, value)),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u16),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4_u8, any::<u16>()).prop_map(|(key, value)| Step::Insert(key, value)),
            (0..4_u8).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec(step(), 0..40)) {
            let (mut few, mut model) = (Few::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        few.insert(key, value);
                        model.insert(key, value);
                    }
                    Step::Remove(key) => prop_assert_eq!(few.remove(&key), model.remove(&key)),
                }
                prop_assert_eq!(matches!(few, Few::None), model.is_empty());
                prop_assert!((0..4).all(|key| few.contains(&key) == model.contains_key(&key)));
                prop_assert!(few.iter().eq(model.iter()));
            }
            prop_assert!(few.into_iter().eq(model));
        }
    }

    #[test]
    fn one_entry_needs_no_tree() {
        let mut few = Few::default();
        few.insert(1, "one");
        assert!(matches!(few, Few::One(1, "one")));
        few.insert(2, "two");
        assert!(matches!(few, Few::Many(_)));
        assert_eq!(few.remove(&1), Some("one"));
        assert_eq!(few.remove(&2), Some("two"));
        assert!(matches!(few, Few::None));
    }
}
