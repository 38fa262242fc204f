//! A sharded map whose keys are a user's.
//!
//! A user's `Hash`, `Eq`, `Clone` and `Drop` may take long, panic, or come back to this very map.
//! So none of them ever runs under a lock of it. A key's hash is made before; whether two keys are
//! equal is asked about a clone of the stored key's `Arc`, with no lock held; what is taken out is
//! dropped after the lock.
//!
//! The map of a shard is ordered by the whole hash and, for keys with one hash, by a number that
//! only grows. Hence:
//!
//! 1. A slot's id (hash and number) is never used again, so whoever has an id can act by it alone:
//!    either the slot is still there and has the same key, or it is gone for good.
//! 2. Who looks for a key and has compared all slots up to some number needs to look only at those
//!    behind it. If there is none behind it while the lock is held, the key is not there.
//! 3. No map grows by rehashing, nor degrades with keys that collide in a part of their hash.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound::{Excluded, Included};

use parking_lot::Mutex;

use super::kept::Kept;

/// Names one slot for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotId {
    hash: u64,
    /// From 1.
    number: u64,
}

/// The map was closed, and is empty for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// What a slot holds; it goes when it says that it is vacant.
pub(super) trait Content: Default {
    fn is_vacant(&self) -> bool;
}

pub(super) struct Keyed<K, T> {
    shards: Box<[Shard<K, T>]>,
}

/// Apart from its neighbours' cache lines.
#[repr(align(128))]
struct Shard<K, T>(Mutex<Locked<K, T>>);

struct Locked<K, T> {
    closed: bool,
    last_number: u64,
    slots: BTreeMap<SlotId, Slot<K, T>>,
}

pub(super) struct Slot<K, T> {
    pub(super) key: Kept<K>,
    pub(super) content: T,
}

/// The hash of a key: the same in every run, as the simulator needs it.
pub(super) fn hash_of<Q: Hash + ?Sized>(key: &Q) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl<K, T: Content> Keyed<K, T> {
    pub(super) fn new(shards: usize) -> Keyed<K, T> {
        let shard = |_| {
            Shard(Mutex::new(Locked {
                closed: false,
                last_number: 0,
                slots: BTreeMap::new(),
            }))
        };
        Keyed {
            shards: (0..shards.max(1)).map(shard).collect(),
        }
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    fn shard(&self, hash: u64) -> &Mutex<Locked<K, T>> {
        // The upper half: the lower bits order nothing, but other maps may use them.
        &self.shards[(hash >> 32) as usize % self.shards.len()].0
    }

    /// Finds a key, and gives what `snapshot` takes from its slot. `snapshot` runs under the lock,
    /// for each slot with this hash.
    pub(super) fn find<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        mut snapshot: impl FnMut(&T) -> R,
    ) -> Option<(SlotId, R)>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let mut seen = SlotId { hash, number: 0 };
        loop {
            let shard = self.shard(hash).lock();
            let (id, slot) = next_candidate(&shard.slots, seen)?;
            let (stored, taken) = (slot.key.clone(), snapshot(&slot.content));
            drop(shard);
            if (*stored).borrow() == key {
                return Some((id, taken));
            }
            seen = id;
        }
    }

    /// Finds a key, or makes a slot for it, and runs `act` on the slot under the lock.
    pub(super) fn enter<R>(
        &self,
        hash: u64,
        key: &Kept<K>,
        act: impl FnOnce(SlotId, &mut T) -> R,
    ) -> Result<R, Closed>
    where
        K: Eq,
    {
        let mut seen = SlotId { hash, number: 0 };
        loop {
            let mut shard = self.shard(hash).lock();
            if shard.closed {
                return Err(Closed);
            }
            let Some((id, slot)) = next_candidate(&shard.slots, seen) else {
                // By invariant 2 the key is not there.
                shard.last_number += 1;
                let number = shard.last_number;
                let id = SlotId { hash, number };
                let slot = shard.slots.entry(id).or_insert_with(|| Slot {
                    key: key.clone(),
                    content: T::default(),
                });
                return Ok(act(id, &mut slot.content));
            };
            let stored = slot.key.clone();
            drop(shard);
            if *stored == **key {
                let mut shard = self.shard(hash).lock();
                if shard.closed {
                    return Err(Closed);
                }
                if let Some(slot) = shard.slots.get_mut(&id) {
                    return Ok(act(id, &mut slot.content));
                }
            }
            seen = id;
        }
    }

    /// Runs `act` on a slot, under the lock, if it is still there.
    pub(super) fn at<R>(&self, id: SlotId, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut shard = self.shard(id.hash).lock();
        let slot = shard.slots.get_mut(&id)?;
        let result = act(&mut slot.content);
        let vacant = slot.content.is_vacant();
        let removed = vacant.then(|| shard.slots.remove(&id));
        drop(shard);
        drop(removed);
        Some(result)
    }

    /// Looks at the slots of one shard, from one on, under the lock.
    pub(super) fn look<R>(
        &self,
        shard: usize,
        from: Option<SlotId>,
        look: impl FnOnce(&mut dyn Iterator<Item = (SlotId, &Slot<K, T>)>) -> R,
    ) -> R {
        let shard = self.shards[shard].0.lock();
        let from = from.unwrap_or(SlotId { hash: 0, number: 0 });
        look(&mut shard.slots.range(from..).map(|(id, slot)| (*id, slot)))
    }

    /// Closes the map; gives what was in it, shard by shard.
    pub(super) fn close(&self) -> impl Iterator<Item = BTreeMap<SlotId, Slot<K, T>>> {
        self.shards.iter().map(|shard| {
            let mut shard = shard.0.lock();
            shard.closed = true;
            std::mem::take(&mut shard.slots)
        })
    }
}

fn next_candidate<K, T>(
    slots: &BTreeMap<SlotId, Slot<K, T>>,
    seen: SlotId,
) -> Option<(SlotId, &Slot<K, T>)> {
    let last = SlotId {
        hash: seen.hash,
        number: u64::MAX,
    };
    let mut behind = slots.range((Excluded(seen), Included(last)));
    behind.next().map(|(id, slot)| (*id, slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Count(u32);

    impl Content for Count {
        fn is_vacant(&self) -> bool {
            self.0 == 0
        }
    }

    fn add(map: &Keyed<&'static str, Count>, hash: u64, key: &'static str) -> SlotId {
        let added = map.enter(hash, &Kept::new(key), |id, count| {
            count.0 += 1;
            id
        });
        added.unwrap()
    }

    /// All keys have one hash: they are told apart all the same, and an id is never used again.
    #[test]
    fn keys_with_one_hash() {
        let map = Keyed::new(4);
        let a = add(&map, 7, "a");
        let b = add(&map, 7, "b");
        assert_eq!(add(&map, 7, "a"), a);
        assert_eq!(map.find(7, "a", |count| count.0), Some((a, 2)));
        assert_eq!(map.find(7, "b", |count| count.0), Some((b, 1)));
        assert_eq!(map.find(7, "c", |count| count.0), None);
        assert_eq!(map.at(a, |count| count.0 = 0), Some(()));
        assert_eq!(map.at(a, |count| count.0), None);
        let again = add(&map, 7, "a");
        assert!(again > b);
        assert_eq!(map.find(7, "a", |count| count.0), Some((again, 1)));
    }

    #[test]
    fn a_closed_map_is_empty_and_takes_nothing() {
        let map = Keyed::new(4);
        add(&map, 7, "a");
        assert_eq!(map.close().map(|slots| slots.len()).sum::<usize>(), 1);
        assert_eq!(map.find(7, "a", |_| ()), None);
        let refused = map.enter(7, &Kept::new("a"), |_, count: &mut Count| count.0 += 1);
        assert_eq!(refused, Err(Closed));
    }
}
