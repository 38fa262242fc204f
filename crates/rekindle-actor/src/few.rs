//! A map that mostly has one entry: whom a process watches, who watches it, what it holds in a registry.
//!
//! One entry lies in place. A second one makes a tree of them, until the last is gone.

use std::collections::{BTreeMap, btree_map};
use std::mem;
use std::ops::Bound::{Excluded, Unbounded};

/// An ordered map. With at most one entry, which is the rule here, it is not on the heap.
#[derive(Debug, Default)]
pub(crate) enum Few<K, V> {
    #[default]
    None,
    One(K, V),
    #[allow(
        clippy::box_collection,
        reason = "there are many, and most have one entry"
    )]
    Many(Box<BTreeMap<K, V>>),
}

impl<K: Ord + Copy, V> Few<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Few::None)
    }

    /// Adds an entry, or puts the value into the one that there is.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match mem::take(self) {
            Few::None => *self = Few::One(key, value),
            Few::One(known, _) if known == key => *self = Few::One(key, value),
            Few::One(known, old) => {
                let many = BTreeMap::from([(known, old), (key, value)]);
                *self = Few::Many(Box::new(many));
            }
            Few::Many(mut many) => {
                many.insert(key, value);
                *self = Few::Many(many);
            }
        }
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        match self {
            Few::One(known, value) if *known == key => Some(value),
            Few::Many(many) => many.get_mut(&key),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        match self {
            Few::One(known, value) if *known == key => Some(value),
            Few::Many(many) => many.get(&key),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        match self {
            Few::One(known, _) if *known == key => self.pop_first().map(|(_, value)| value),
            Few::Many(many) => {
                let value = many.remove(&key);
                if many.is_empty() {
                    *self = Few::None;
                }
                value
            }
            _ => None,
        }
    }

    pub(crate) fn first(&self) -> Option<(K, &V)> {
        self.after(None).next()
    }

    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        match mem::take(self) {
            Few::None => None,
            Few::One(key, value) => Some((key, value)),
            Few::Many(mut many) => {
                let first = many.pop_first();
                if !many.is_empty() {
                    *self = Few::Many(many);
                }
                first
            }
        }
    }

    /// The entries behind a key, or all of them, in order.
    pub(crate) fn after(&self, key: Option<K>) -> impl Iterator<Item = (K, &V)> {
        let from = key.map_or(Unbounded, Excluded);
        let (one, many) = match self {
            Few::None => (None, None),
            Few::One(known, value) => {
                let behind = key.is_none_or(|key| *known > key);
                (behind.then_some((*known, value)), None)
            }
            Few::Many(many) => (None, Some(many.range((from, Unbounded)))),
        };
        let many = many.into_iter().flatten();
        one.into_iter()
            .chain(many.map(|(key, value)| (*key, value)))
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

    #[test]
    fn it_grows_from_none_to_many_and_back() {
        let mut few = Few::default();
        for n in [3, 1, 2] {
            few.insert(n, n * 10);
        }
        assert_eq!(
            few.after(None).map(|(k, _)| k).collect::<Vec<_>>(),
            [1, 2, 3]
        );
        assert_eq!(
            few.after(Some(1)).map(|(k, _)| k).collect::<Vec<_>>(),
            [2, 3]
        );
        assert_eq!((few.get(2), few.get(9)), (Some(&20), None));
        assert_eq!((few.remove(2), few.remove(2)), (Some(20), None));
        assert_eq!(few.pop_first(), Some((1, 10)));
        assert_eq!(few.first(), Some((3, &30)));
        assert_eq!(few.pop_first(), Some((3, 30)));
        assert!(few.is_empty() && few.pop_first().is_none());
    }

    #[test]
    fn one_entry_is_found_by_its_key_only() {
        let mut few = Few::One(5, 'a');
        assert_eq!(few.get(4), None);
        assert_eq!(few.remove(4), None);
        assert_eq!(few.after(Some(5)).count() + few.after(Some(6)).count(), 0);
        assert_eq!(few.after(Some(4)).count(), 1);
        *few.get_mut(5).unwrap() = 'b';
        assert_eq!(few.remove(5), Some('b'));
    }

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
                    Step::Remove(key) => prop_assert_eq!(few.remove(key), model.remove(&key)),
                }
                prop_assert_eq!(few.is_empty(), model.is_empty());
                prop_assert!((0..4).all(|key| few.get(key) == model.get(&key)));
                prop_assert!(few.after(None).eq(model.iter().map(|(key, value)| (*key, value))));
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
        assert_eq!(few.remove(1), Some("one"));
        assert_eq!(few.remove(2), Some("two"));
        assert!(matches!(few, Few::None));
    }
}
