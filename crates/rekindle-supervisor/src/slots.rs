//! A slab whose entries are found by their keys, or by something in them.
//!
//! It grows by pieces of one size, and moves none but those of the first, while that is small. What an entry is
//! found by lies in the entry, and so does the chain of those that are looked for in the same place: beside the
//! entries there are four bytes for each, the heads of the chains.

use std::hash::{BuildHasher, BuildHasherDefault, Hash};
use std::num::NonZeroU32;

use crate::pid_map::PidHasher;

/// Where an entry is. It may be used again when the entry is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(NonZeroU32);

impl Key {
    fn at(index: usize) -> Key {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Key(number.expect("fewer than 2^32 - 1 entries"))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What can be an entry.
pub(crate) trait Slot {
    /// By what it is found.
    type By: Copy + Eq + Hash;

    fn found_by(&self) -> Option<Self::By>;

    /// The next one of its chain.
    fn link(&self) -> Option<Key>;

    fn link_mut(&mut self) -> &mut Option<Key>;
}

/// See the head of the file.
pub(crate) struct Slots<S> {
    /// All full but the last. The first grows up to its size, for most are small.
    pieces: Vec<Vec<Option<S>>>,
    free: Vec<Key>,
    /// As many as a power of two, or none.
    heads: Vec<Option<Key>>,
    /// How many entries are in the chains: as many as there are heads, at most.
    shown: usize,
}

/// Entries in one piece.
const PIECE: usize = 256;

/// Heads, if there are any.
const FEWEST: usize = 8;

impl<S> Slots<S> {
    pub(crate) fn new() -> Self {
        Slots {
            pieces: Vec::new(),
            free: Vec::new(),
            heads: Vec::new(),
            shown: 0,
        }
    }

    /// Puts an entry in, which is not found but by its key.
    pub(crate) fn insert(&mut self, entry: S) -> Key {
        if let Some(key) = self.free.pop() {
            self.pieces[key.index() / PIECE][key.index() % PIECE] = Some(entry);
            return key;
        }
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            let room = if self.pieces.is_empty() { 0 } else { PIECE };
            self.pieces.push(Vec::with_capacity(room));
        }
        let last = self.pieces.len() - 1;
        let piece = &mut self.pieces[last];
        piece.push(Some(entry));
        Key::at(last * PIECE + piece.len() - 1)
    }

    /// Drops an entry, which is [hidden](Self::hide).
    pub(crate) fn remove(&mut self, key: Key) {
        let at = key.index();
        let piece = self.pieces.get_mut(at / PIECE);
        if let Some(slot @ Some(_)) = piece.and_then(|piece| piece.get_mut(at % PIECE)) {
            self.free.push(key);
            *slot = None;
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&S> {
        let at = key.index();
        self.pieces.get(at / PIECE)?.get(at % PIECE)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut S> {
        let at = key.index();
        let slot = self.pieces.get_mut(at / PIECE)?.get_mut(at % PIECE)?;
        slot.as_mut()
    }
}

impl<S: Slot> Slots<S> {
    /// The entry that is found by this.
    pub(crate) fn find(&self, by: S::By) -> Option<Key> {
        let mut at = *self.heads.get(self.place(by))?;
        while let Some(key) = at {
            let entry = self.get(key)?;
            if entry.found_by() == Some(by) {
                return at;
            }
            at = entry.link();
        }
        None
    }

    /// From now on the entry is found by what is in it, if anything is.
    pub(crate) fn show(&mut self, key: Key) {
        let Some(by) = self.get(key).and_then(Slot::found_by) else {
            return;
        };
        self.shown += 1;
        if self.shown > self.heads.len() {
            // This one is among those that are put into the chains anew.
            return self.grow();
        }
        let place = self.place(by);
        let head = self.heads[place].replace(key);
        if let Some(entry) = self.get_mut(key) {
            *entry.link_mut() = head;
        }
    }

    /// From now on the entry is found by its key only. To be called before what it is found by is changed.
    pub(crate) fn hide(&mut self, key: Key) {
        let Some(entry) = self.get_mut(key) else {
            return;
        };
        let Some(by) = entry.found_by() else { return };
        let after = entry.link_mut().take();
        let place = self.place(by);
        let mut link = &mut self.heads[place];
        while *link != Some(key) {
            let at = link.expect("what is found by something is in a chain");
            let (piece, slot) = (at.index() / PIECE, at.index() % PIECE);
            let entry = self.pieces[piece][slot].as_mut();
            link = entry.expect("a chain is one of entries").link_mut();
        }
        *link = after;
        self.shown -= 1;
    }

    fn place(&self, by: S::By) -> usize {
        let hash = BuildHasherDefault::<PidHasher>::default().hash_one(by);
        hash as usize & self.heads.len().wrapping_sub(1)
    }

    /// Makes the chains anew, with twice as many heads: entry after entry, as they lie.
    fn grow(&mut self) {
        let doubled = (2 * self.heads.len()).max(FEWEST);
        self.heads = vec![None; doubled];
        for piece in 0..self.pieces.len() {
            for slot in 0..self.pieces[piece].len() {
                let entry = self.pieces[piece][slot].as_ref();
                let Some(by) = entry.and_then(Slot::found_by) else {
                    continue;
                };
                let place = self.place(by);
                let head = self.heads[place].replace(Key::at(piece * PIECE + slot));
                if let Some(entry) = &mut self.pieces[piece][slot] {
                    *entry.link_mut() = head;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    struct Word(Option<u32>, Option<Key>);

    impl Slot for Word {
        type By = u32;

        fn found_by(&self) -> Option<u32> {
            self.0
        }

        fn link(&self) -> Option<Key> {
            self.1
        }

        fn link_mut(&mut self) -> &mut Option<Key> {
            &mut self.1
        }
    }

    fn put(slots: &mut Slots<Word>, by: Option<u32>) -> Key {
        let key = slots.insert(Word(by, None));
        slots.show(key);
        key
    }

    #[test]
    fn more_entries_than_a_piece_has_room_for() {
        let mut slots = Slots::new();
        assert_eq!(slots.find(0), None);
        let count = 2 * PIECE as u32 + 1;
        let keys: Vec<Key> = (0..count).map(|n| put(&mut slots, Some(n))).collect();
        assert!((0..count).all(|n| slots.find(n) == Some(keys[n as usize])));
        assert_eq!(slots.find(count), None);
        assert_eq!((slots.pieces.len(), slots.pieces[0].len()), (3, PIECE));
        let gone = keys[PIECE];
        slots.hide(gone);
        assert!(slots.get(gone).is_some() && slots.find(PIECE as u32).is_none());
        slots.remove(gone);
        assert!(slots.get(gone).is_none());
        // Again, which must not free the place twice.
        slots.remove(gone);
        let next = [(); 2].map(|()| put(&mut slots, None));
        assert!(next[0] == gone && next[1] != gone);
    }

    proptest! {
        /// Whatever is shown, hidden, added and removed: it is found as in a map.
        #[test]
        fn entries_are_found_as_in_a_map(
            steps in prop::collection::vec((0..4_u8, 0..40_u32), 0..200),
        ) {
            let mut slots = Slots::new();
            let mut map: HashMap<u32, Key> = HashMap::new();
            for (deed, n) in steps {
                match (deed, map.get(&n).copied()) {
                    (0 | 1, None) => {
                        map.insert(n, put(&mut slots, Some(n)));
                    }
                    (2, Some(key)) => {
                        slots.hide(key);
                        slots.remove(key);
                        map.remove(&n);
                    }
                    (3, Some(key)) => {
                        // Known by something else from now on.
                        let other = n + 1000;
                        if let Some(entry) = slots.get(key) {
                            prop_assert_eq!(entry.found_by(), Some(n));
                        }
                        slots.hide(key);
                        slots.get_mut(key).unwrap().0 = Some(other);
                        slots.show(key);
                        prop_assert_eq!(slots.find(other), Some(key));
                        slots.hide(key);
                        slots.get_mut(key).unwrap().0 = Some(n);
                        slots.show(key);
                    }
                    _ => {}
                }
                prop_assert_eq!(slots.shown, map.len());
                prop_assert!((0..40).all(|n| slots.find(n) == map.get(&n).copied()));
            }
        }
    }
}
