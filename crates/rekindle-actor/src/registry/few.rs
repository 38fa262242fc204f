//! A map that mostly has one entry.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// An ordered map. With at most one entry, which is the rule here, it is not on the heap.
#[derive(Debug, Default)]
pub(super) enum Few<K, V> {
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
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Few::None)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        match std::mem::take(self) {
            Few::None => *self = Few::One(key, value),
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

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        match self {
            Few::One(known, value) if *known == key => Some(value),
            Few::Many(many) => many.get_mut(&key),
            _ => None,
        }
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        match self {
            Few::One(known, value) if *known == key => Some(value),
            Few::Many(many) => many.get(&key),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
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

    pub(super) fn first(&self) -> Option<(K, &V)> {
        self.after(None).next()
    }

    pub(super) fn pop_first(&mut self) -> Option<(K, V)> {
        match std::mem::take(self) {
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
    pub(super) fn after(&self, key: Option<K>) -> impl Iterator<Item = (K, &V)> {
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

#[cfg(test)]
mod tests {
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
}
