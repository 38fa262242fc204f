//! A map that mostly has one entry: whom a process is linked with, whom it watches, who watches it, what it
//! holds in a registry.
//!
//! One entry lies in place. Several are a short list, and more than that a tree, until the last is gone.

use std::collections::{BTreeMap, btree_map};
use std::mem;
use std::ops::Bound::{Excluded, Unbounded};
use std::slice;

/// An ordered map. With at most one entry, which is the rule here, it is not on the heap.
#[derive(Debug, Default)]
#[allow(
    clippy::box_collection,
    reason = "most have no tree, and none has the room of one"
)]
pub(crate) enum Few<K, V> {
    #[default]
    None,
    One(K, V),
    /// Up to [`MOST`], in order. A tree would have room for eleven from its second entry on.
    Several(Vec<(K, V)>),
    Many(Box<BTreeMap<K, V>>),
}

/// Entries of a short list: in a longer one a place in the middle is far from both ends.
const MOST: usize = 8;

impl<K: Ord + Copy, V> Few<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Few::None)
    }

    /// Adds an entry, or puts the value into the one that there is.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.get_mut(key) {
            Some(known) => *known = value,
            None => self.insert_new(key, value),
        }
    }

    /// Adds an entry; `false`, and no more, if there is one already.
    pub(crate) fn add(&mut self, key: K, value: V) -> bool {
        let is_new = self.get(key).is_none();
        if is_new {
            self.insert_new(key, value);
        }
        is_new
    }

    fn insert_new(&mut self, key: K, value: V) {
        if let Few::One(..) = self {
            let mut several = Vec::with_capacity(2);
            several.extend(mem::take(self));
            *self = Few::Several(several);
        }
        match self {
            Few::None => *self = Few::One(key, value),
            Few::Several(several) if several.len() < MOST => {
                // Most keys are newer, hence larger, than those before.
                let behind = several.iter().rposition(|(known, _)| *known < key);
                several.insert(behind.map_or(0, |at| at + 1), (key, value));
            }
            Few::Many(many) => {
                many.insert(key, value);
            }
            _ => {
                let mut many: BTreeMap<K, V> = mem::take(self).into_iter().collect();
                many.insert(key, value);
                *self = Few::Many(Box::new(many));
            }
        }
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        match self {
            Few::One(known, value) if *known == key => Some(value),
            Few::Several(several) => {
                let found = several.iter_mut().find(|(known, _)| *known == key);
                found.map(|(_, value)| value)
            }
            Few::Many(many) => many.get_mut(&key),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        match self {
            Few::One(known, value) if *known == key => Some(value),
            Few::Several(several) => {
                let found = several.iter().find(|(known, _)| *known == key);
                found.map(|(_, value)| value)
            }
            Few::Many(many) => many.get(&key),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let (value, is_last) = match self {
            Few::One(known, _) if *known == key => {
                return self.pop_first().map(|(_, value)| value);
            }
            Few::Several(several) => {
                let at = several.iter().position(|(known, _)| *known == key)?;
                (Some(several.remove(at).1), several.is_empty())
            }
            Few::Many(many) => (many.remove(&key), many.is_empty()),
            _ => (None, false),
        };
        if is_last {
            *self = Few::None;
        }
        value
    }

    pub(crate) fn first(&self) -> Option<(K, &V)> {
        self.after(None).next()
    }

    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        match self {
            Few::None => None,
            Few::One(..) => match mem::take(self) {
                Few::One(key, value) => Some((key, value)),
                _ => None,
            },
            Few::Several(several) => {
                let first = several.remove(0);
                if several.is_empty() {
                    *self = Few::None;
                }
                Some(first)
            }
            Few::Many(many) => {
                let first = many.pop_first();
                if many.is_empty() {
                    *self = Few::None;
                }
                first
            }
        }
    }

    /// The entries behind a key, or all of them, in order.
    pub(crate) fn after(&self, key: Option<K>) -> After<'_, K, V> {
        let is_behind = |known: &K| key.is_none_or(|key| *known > key);
        match self {
            Few::None => After::One(None),
            Few::One(known, value) => After::One(is_behind(known).then_some((*known, value))),
            Few::Several(several) => {
                let first = several.partition_point(|(known, _)| !is_behind(known));
                After::Several(several[first..].iter())
            }
            Few::Many(many) => {
                let from = key.map_or(Unbounded, Excluded);
                After::Many(many.range((from, Unbounded)))
            }
        }
    }
}

/// See [`Few::after`].
#[derive(Debug)]
pub(crate) enum After<'a, K, V> {
    One(Option<(K, &'a V)>),
    Several(slice::Iter<'a, (K, V)>),
    Many(btree_map::Range<'a, K, V>),
}

impl<'a, K: Copy, V> Iterator for After<'a, K, V> {
    type Item = (K, &'a V);

    fn next(&mut self) -> Option<(K, &'a V)> {
        match self {
            After::One(one) => one.take(),
            After::Several(several) => several.next().map(|(key, value)| (*key, value)),
            After::Many(many) => many.next().map(|(key, value)| (*key, value)),
        }
    }
}

impl<K, V> IntoIterator for Few<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> IntoIter<K, V> {
        match self {
            Few::None => IntoIter::One(None),
            Few::One(key, value) => IntoIter::One(Some((key, value))),
            Few::Several(several) => IntoIter::Several(several.into_iter()),
            Few::Many(many) => IntoIter::Many(Box::new(many.into_iter())),
        }
    }
}

/// What is left of one that is taken apart.
#[derive(Debug)]
pub(crate) enum IntoIter<K, V> {
    One(Option<(K, V)>),
    Several(std::vec::IntoIter<(K, V)>),
    Many(Box<btree_map::IntoIter<K, V>>),
}

impl<K, V> Default for IntoIter<K, V> {
    fn default() -> Self {
        IntoIter::One(None)
    }
}

impl<K, V> Iterator for IntoIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        match self {
            IntoIter::One(one) => one.take(),
            IntoIter::Several(several) => several.next(),
            IntoIter::Many(many) => many.next(),
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
            (0..16_u8, any::<u16>()).prop_map(|(key, value)| Step::Insert(key, value)),
            (0..16_u8).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec(step(), 0..80)) {
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
                prop_assert!((0..16).all(|key| few.get(key) == model.get(&key)));
                prop_assert!(few.after(None).eq(model.iter().map(|(key, value)| (*key, value))));
                let behind = model.range(8..).map(|(key, value)| (*key, value));
                prop_assert!(few.after(Some(7)).eq(behind));
                prop_assert_eq!(few.first().map(|(key, _)| key), model.keys().next().copied());
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
        assert!(matches!(&few, Few::Several(several) if several.capacity() == 2));
        (3..=MOST).for_each(|n| few.insert(n, "more"));
        assert!(matches!(few, Few::Several(_)));
        few.insert(0, "too many for a list");
        assert!(matches!(few, Few::Many(_)));
        (0..=MOST).for_each(|n| assert!(few.remove(n).is_some()));
        assert!(matches!(few, Few::None));
    }
}
