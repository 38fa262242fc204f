//! The timer wheel: many deadlines, few of which ever come.
//!
//! Most timers are timeouts, started and cancelled long before they are due. A heap pays `log n`
//! for both; a wheel pays one list insert and one unlink, and sorts a timer finely only when its
//! time draws near. This one is pure: it reads no clock, takes no lock, and calls nothing of the
//! user's. The caller says what time it is, and carries out what [`Wheel::expire`] hands over after
//! letting go of its lock.
//!
//! # Vocabulary
//!
//! | word    | meaning                                                                              |
//! |---------|--------------------------------------------------------------------------------------|
//! | tick    | a millisecond; deadlines round up to it, the clock rounds down, so no timer is early |
//! | elapsed | the tick up to which the wheel has been worked through                               |
//! | level   | one of eight rings of 64 slots; a slot of level `l` spans `64^l` ticks               |
//! | start   | the first tick that a slot spans                                                     |
//! | cascade | to spread a slot that has come up over the levels below it                           |
//!
//! # Where an entry is
//!
//! Write ticks in base 64. An entry belongs to the level of the highest digit in which its tick
//! differs from `elapsed`, in the slot that this digit names. Eight digits hold every tick that a
//! [`Time`] can have (the last is about 2^44), so unlike in wheels with fewer levels no ring ever
//! wraps round and no deadline is too far to be sorted. The two levels that a six-level wheel would
//! save cost 1 KiB.
//!
//! | example, `elapsed` = 100 = (1, 36) | tick | digits      | level | slot |
//! |------------------------------------|------|-------------|-------|------|
//! | in 7 ms                            | 107  | (1, 43)     | 0     | 43   |
//! | in 50 ms                           | 150  | (2, 22)     | 1     | 2    |
//! | in 5 s                             | 5100 | (1, 15, 44) | 2     | 1    |
//! | already past                       | 90   |             | 0     | 36   |
//!
//! # Invariants
//!
//! 1. An entry of level `l` agrees with `elapsed` in every digit above `l`. Hence the start of a
//!    slot follows from its level, its number and `elapsed`.
//! 2. Its digit `l` is greater than that of `elapsed`, or equal to it in two cases: at level 0,
//!    where it is due; and in a slot whose cascade was begun and not finished because the call's
//!    limit was reached. In that case `elapsed` is the slot's start.
//! 3. No slot that starts at or before `elapsed` holds anything, except as in 2.
//! 4. A bit of `occupied` is set exactly when the slot's list is not empty.
//! 5. Sequence numbers are never used twice. Hence a stale [`Key`] matches nothing.
//!
//! Moving `elapsed` forward, to a tick before every start, keeps 1: two numbers that agree in their
//! upper digits agree in them with every number between. Moving it to the *earliest* start keeps 1
//! for the same reason and opens case 2 for that slot alone. Of two slots with the same start the
//! higher is taken first: so a slot is spread completely before any of it fires, and the entries of
//! one tick come out together.

use std::fmt;

use slab::Slab;

use super::Time;

/// Bits of a digit: 64 slots a level, so that a level's occupancy is one word.
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 8;

const NANOS_PER_TICK: u64 = 1_000_000;

/// The tick of [`Time::MAX`]. It begins after the last representable nanosecond, and is taken to
/// begin at it.
const LAST_TICK: u64 = u64::MAX.div_ceil(NANOS_PER_TICK);

const _: () = assert!(LAST_TICK < 1 << (BITS as usize * LEVELS));

/// No entry: the head of an empty list.
const NONE: u32 = u32::MAX;

/// Deadlines, each with an action, sorted as finely as is needed so far.
pub(crate) struct Wheel<A> {
    /// Every entry; the lists below link them by their index here.
    entries: Slab<Entry<A>>,
    /// Every tick up to and including this one has been worked through (invariant 3).
    elapsed: u64,
    /// The next sequence number (invariant 5).
    sequence: u64,
    /// Per level, one bit for each slot that holds something (invariant 4).
    occupied: [u64; LEVELS],
    /// Per slot, the oldest entry of a ring in order of insertion, or `NONE`.
    heads: [[u32; SLOTS]; LEVELS],
}

/// Names an entry; names nothing once it has fired or was removed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Where the entry is in the slab.
    index: u32,
    /// Which of the entries that were ever there it is.
    sequence: u64,
}

/// An entry whose deadline has come.
#[derive(Debug)]
pub(crate) struct Expired<A> {
    /// The deadline as it was asked for, not rounded.
    pub(crate) deadline: Time,
    /// Its place in the order of all insertions into this wheel.
    pub(crate) sequence: u64,
    /// What was to be done.
    pub(crate) action: A,
}

/// What is left to do after [`Wheel::expire`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Sweep {
    /// Everything due was handed over; `next_expiry` lies in the future.
    Done,
    /// The limit was reached first: call again, with the lock released in between if others want
    /// it.
    More,
}

struct Entry<A> {
    action: A,
    deadline: Time,
    sequence: u64,
    /// The neighbours in the slot's ring.
    next: u32,
    previous: u32,
    /// Which slot that is.
    place: Place,
}

/// A slot's address.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Place {
    level: u8,
    slot: u8,
}

/// The slot that comes up first.
#[derive(Copy, Clone, Debug)]
struct Upcoming {
    start: u64,
    place: Place,
}

impl<A> Wheel<A> {
    /// An empty wheel, worked through up to `now`.
    pub(crate) fn new(now: Time) -> Wheel<A> {
        Wheel {
            entries: Slab::new(),
            elapsed: tick_reached(now),
            sequence: 0,
            occupied: [0; LEVELS],
            heads: [[NONE; SLOTS]; LEVELS],
        }
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry. A deadline in the past is due at the next [`Wheel::expire`].
    ///
    /// # Panics
    ///
    /// With 2^32 - 1 entries in the wheel already.
    pub(crate) fn insert(&mut self, deadline: Time, action: A) -> Key {
        let index = u32::try_from(self.entries.vacant_key())
            .ok()
            .filter(|index| *index != NONE)
            .expect("a wheel holds fewer than 2^32 - 1 timers");
        let key = Key {
            index,
            sequence: self.sequence,
        };
        self.sequence += 1;
        let place = self.place_of(deadline);
        self.entries.insert(Entry {
            action,
            deadline,
            sequence: key.sequence,
            next: index,
            previous: index,
            place,
        });
        self.link(index, place);
        key
    }

    /// Takes an entry out before its time: its action and its deadline, or `None` if the key is
    /// stale.
    pub(crate) fn remove(&mut self, key: Key) -> Option<(A, Time)> {
        self.entry(key)?;
        self.unlink(key.index);
        let entry = self.entries.remove(key.index as usize);
        Some((entry.action, entry.deadline))
    }

    /// The deadline of an entry, or `None` if the key is stale.
    pub(crate) fn deadline(&self, key: Key) -> Option<Time> {
        self.entry(key).map(|entry| entry.deadline)
    }

    /// Hands over what is due at `now`, sorted by deadline and then by order of insertion.
    ///
    /// At most `limit` entries (at least one) are moved: handed over, or sorted into a finer level.
    /// Within that, the time for a call does not depend on how many entries there are, nor on how
    /// far `now` has jumped. An entry is moved at most eight times in all. The order holds within a
    /// call; over the calls of one sweep it holds between ticks.
    ///
    /// A `now` before an earlier one is taken for that earlier one's, not for a step back.
    pub(crate) fn expire(&mut self, now: Time, limit: usize, out: &mut Vec<Expired<A>>) -> Sweep {
        let reached = tick_reached(now);
        let handed_over_before = out.len();
        let mut allowance = limit.max(1);
        let sweep = loop {
            let Some(upcoming) = self.upcoming().filter(|slot| slot.start <= reached) else {
                self.elapsed = self.elapsed.max(reached);
                break Sweep::Done;
            };
            if allowance == 0 {
                break Sweep::More;
            }
            self.elapsed = upcoming.start;
            if upcoming.place.level == 0 {
                self.fire(upcoming.place, &mut allowance, out);
            } else {
                self.cascade(upcoming.place, &mut allowance);
            }
        };
        // Entries of one tick lie in order of insertion; their deadlines may differ by nanoseconds.
        out[handed_over_before..]
            .sort_unstable_by_key(|expired| (expired.deadline, expired.sequence));
        sweep
    }

    /// When to call [`Wheel::expire`] next, or `None` if the wheel is empty.
    ///
    /// Never after the time at which the earliest entry fires. It may be before, when a slot must
    /// cascade first: a sleeper then wakes up, at most seven times for an entry, to no other
    /// effect. After a finished sweep it lies after the `now` of that sweep, so nobody who sleeps
    /// until it goes in circles. If only one entry is in the slot that comes first, the answer is
    /// exact: a lone timer costs one wake-up.
    pub(crate) fn next_expiry(&self) -> Option<Time> {
        let upcoming = self.upcoming()?;
        let oldest = self.head(upcoming.place);
        let entry = &self.entries[oldest as usize];
        let alone = entry.next == oldest;
        let tick = if alone {
            tick_of_deadline(entry.deadline).max(upcoming.start)
        } else {
            upcoming.start
        };
        Some(time_of(tick))
    }

    /// Empties the wheel. The actions are returned, so that the caller can drop them outside its
    /// lock.
    pub(crate) fn clear(&mut self) -> Vec<A> {
        self.occupied = [0; LEVELS];
        self.heads = [[NONE; SLOTS]; LEVELS];
        std::mem::take(&mut self.entries)
            .into_iter()
            .map(|(_, entry)| entry.action)
            .collect()
    }

    /// Hands over entries of a slot whose tick has come, oldest first.
    fn fire(&mut self, place: Place, allowance: &mut usize, out: &mut Vec<Expired<A>>) {
        while let Some(index) = self.pop(place, allowance) {
            let entry = self.entries.remove(index as usize);
            out.push(Expired {
                deadline: entry.deadline,
                sequence: entry.sequence,
                action: entry.action,
            });
        }
    }

    /// Sorts entries of a slot that has come up into finer levels, oldest first.
    ///
    /// `elapsed` is the slot's start, so an entry agrees with it in this level's digit too, and its
    /// new level is lower: no entry comes back to the slot that is being emptied.
    fn cascade(&mut self, place: Place, allowance: &mut usize) {
        while let Some(index) = self.pop(place, allowance) {
            let finer = self.place_of(self.entries[index as usize].deadline);
            debug_assert!(finer.level < place.level);
            self.link(index, finer);
        }
    }

    /// Unlinks the oldest entry of a slot, if there is one and the allowance is not used up.
    fn pop(&mut self, place: Place, allowance: &mut usize) -> Option<u32> {
        let index = self.head(place);
        if index == NONE || *allowance == 0 {
            return None;
        }
        *allowance -= 1;
        self.unlink(index);
        Some(index)
    }

    /// The occupied slot with the earliest start; of those with the same start, the one of the
    /// highest level.
    fn upcoming(&self) -> Option<Upcoming> {
        let first_of_level = |level: usize| {
            let occupied = self.occupied[level];
            (occupied != 0).then(|| {
                // Slots of a level come up in the order of their numbers (invariant 1: no ring
                // wraps).
                let place = Place {
                    level: level as u8,
                    slot: occupied.trailing_zeros() as u8,
                };
                Upcoming {
                    start: self.start(place),
                    place,
                }
            })
        };
        // `min_by_key` keeps the first of equals, hence from the top.
        (0..LEVELS)
            .rev()
            .filter_map(first_of_level)
            .min_by_key(|upcoming| upcoming.start)
    }

    /// The first tick of a slot (by invariant 1, in the round that `elapsed` is in).
    fn start(&self, place: Place) -> u64 {
        let shift = BITS * u32::from(place.level);
        let round = self.elapsed >> (shift + BITS) << (shift + BITS);
        round | u64::from(place.slot) << shift
    }

    /// Where an entry with this deadline belongs as things stand.
    fn place_of(&self, deadline: Time) -> Place {
        let tick = tick_of_deadline(deadline).max(self.elapsed);
        // The lowest digit is set so that a tick equal to `elapsed` is of level 0.
        let differing = (tick ^ self.elapsed) | (SLOTS as u64 - 1);
        let level = differing.ilog2() / BITS;
        Place {
            level: level as u8,
            slot: (tick >> (BITS * level)) as u8 & (SLOTS as u8 - 1),
        }
    }

    /// Makes an unlinked entry the youngest of a slot.
    fn link(&mut self, index: u32, place: Place) {
        let head = self.head(place);
        let (next, previous) = if head == NONE {
            *self.head_mut(place) = index;
            self.occupied[usize::from(place.level)] |= 1 << place.slot;
            (index, index)
        } else {
            let youngest = std::mem::replace(&mut self.entries[head as usize].previous, index);
            self.entries[youngest as usize].next = index;
            (head, youngest)
        };
        let entry = &mut self.entries[index as usize];
        entry.next = next;
        entry.previous = previous;
        entry.place = place;
    }

    /// Takes an entry out of its slot's ring; it stays in the slab.
    fn unlink(&mut self, index: u32) {
        let Entry {
            next,
            previous,
            place,
            ..
        } = self.entries[index as usize];
        if next == index {
            *self.head_mut(place) = NONE;
            self.occupied[usize::from(place.level)] &= !(1 << place.slot);
            return;
        }
        self.entries[previous as usize].next = next;
        self.entries[next as usize].previous = previous;
        if self.head(place) == index {
            *self.head_mut(place) = next;
        }
    }

    /// The entry that a key names (invariant 5).
    fn entry(&self, key: Key) -> Option<&Entry<A>> {
        self.entries
            .get(key.index as usize)
            .filter(|entry| entry.sequence == key.sequence)
    }

    fn head(&self, place: Place) -> u32 {
        self.heads[usize::from(place.level)][usize::from(place.slot)]
    }

    fn head_mut(&mut self, place: Place) -> &mut u32 {
        &mut self.heads[usize::from(place.level)][usize::from(place.slot)]
    }
}

impl<A> fmt::Debug for Wheel<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel")
            .field("len", &self.len())
            .field("elapsed", &time_of(self.elapsed))
            .field("next_expiry", &self.next_expiry())
            .finish_non_exhaustive()
    }
}

/// The tick in which the clock is: a tick is reached when all of it up to its first nanosecond has
/// passed.
fn tick_reached(now: Time) -> u64 {
    if now == Time::MAX {
        LAST_TICK
    } else {
        now.as_nanos() / NANOS_PER_TICK
    }
}

/// The first tick that does not begin before the deadline.
fn tick_of_deadline(deadline: Time) -> u64 {
    deadline.as_nanos().div_ceil(NANOS_PER_TICK)
}

/// When a tick begins. `tick_reached` of it is the tick again, also at the end of time.
fn time_of(tick: u64) -> Time {
    Time::from_nanos(tick.saturating_mul(NANOS_PER_TICK))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::random::SplitMix64;

    const ALL: usize = usize::MAX;

    fn ms(ticks: u64) -> Time {
        time_of(ticks)
    }

    /// One complete sweep: the actions in the order in which they came out.
    fn sweep<A>(wheel: &mut Wheel<A>, now: Time) -> Vec<A> {
        let mut out = Vec::new();
        assert_eq!(wheel.expire(now, ALL, &mut out), Sweep::Done);
        out.into_iter().map(|expired| expired.action).collect()
    }

    /// Checks the module's invariants, except those about keys.
    fn check<A>(wheel: &Wheel<A>) {
        let digit = |tick: u64, level: usize| (tick >> (BITS as usize * level)) as usize % SLOTS;
        let above = |tick: u64, level: usize| tick >> (BITS as usize * (level + 1));
        let mut linked = 0;
        for level in 0..LEVELS {
            for slot in 0..SLOTS {
                let head = wheel.heads[level][slot];
                let occupied = wheel.occupied[level] >> slot & 1 == 1;
                assert_eq!(occupied, head != NONE, "invariant 4");
                if head == NONE {
                    continue;
                }
                let unfinished = wheel.elapsed.is_multiple_of(1 << (BITS as usize * level));
                let current = digit(wheel.elapsed, level);
                assert!(slot > current || slot == current && unfinished, "2 and 3");
                let mut index = head;
                loop {
                    let entry = &wheel.entries[index as usize];
                    let tick = tick_of_deadline(entry.deadline).max(wheel.elapsed);
                    assert_eq!(
                        above(tick, level),
                        above(wheel.elapsed, level),
                        "invariant 1"
                    );
                    assert_eq!(digit(tick, level), slot);
                    assert_eq!(wheel.entries[entry.next as usize].previous, index);
                    linked += 1;
                    index = entry.next;
                    if index == head {
                        break;
                    }
                }
            }
        }
        assert_eq!(linked, wheel.len());
    }

    #[test]
    fn smoke() {
        let mut wheel = Wheel::new(Time::ZERO);
        assert_eq!(wheel.next_expiry(), None);
        let kept = wheel.insert(ms(10), "kept");
        let removed = wheel.insert(ms(5), "removed");
        assert_eq!(wheel.len(), 2);
        assert_eq!(wheel.deadline(kept), Some(ms(10)));
        assert_eq!(wheel.remove(removed), Some(("removed", ms(5))));
        assert_eq!(wheel.remove(removed), None);
        assert_eq!(wheel.next_expiry(), Some(ms(10)));
        assert!(sweep(&mut wheel, ms(9)).is_empty());
        assert_eq!(sweep(&mut wheel, ms(10)), ["kept"]);
        assert_eq!(wheel.deadline(kept), None);
        assert_eq!(wheel.remove(kept), None);
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn never_early_not_even_by_a_nanosecond() {
        let mut wheel = Wheel::new(Time::ZERO);
        wheel.insert(Time::from_nanos(5_000_001), ());
        assert!(sweep(&mut wheel, Time::from_nanos(5_000_001)).is_empty());
        assert!(sweep(&mut wheel, Time::from_nanos(5_999_999)).is_empty());
        assert_eq!(wheel.next_expiry(), Some(ms(6)));
        assert_eq!(sweep(&mut wheel, ms(6)).len(), 1);
    }

    #[test]
    fn a_deadline_in_the_past_is_due_at_once() {
        let mut wheel = Wheel::new(ms(1_000));
        wheel.insert(ms(7), "past");
        wheel.insert(ms(1_000), "present");
        wheel.insert(ms(1_001), "future");
        assert_eq!(wheel.next_expiry(), Some(ms(1_000)));
        assert_eq!(sweep(&mut wheel, ms(1_000)), ["past", "present"]);
        assert_eq!(wheel.next_expiry(), Some(ms(1_001)));
    }

    #[test]
    fn entries_of_one_tick_come_by_deadline_then_by_insertion() {
        let mut wheel = Wheel::new(Time::ZERO);
        let within = |nanos: u64| Time::from_nanos(9_000_000 + nanos);
        wheel.insert(within(30), "c");
        wheel.insert(within(10), "a");
        wheel.insert(within(20), "b1");
        wheel.insert(within(20), "b2");
        wheel.insert(ms(11), "d");
        assert_eq!(sweep(&mut wheel, ms(11)), ["a", "b1", "b2", "c", "d"]);
    }

    #[test]
    fn order_does_not_depend_on_the_level_that_an_entry_came_from() {
        let mut wheel = Wheel::new(Time::ZERO);
        wheel.insert(ms(100), "from level 1");
        assert!(sweep(&mut wheel, ms(70)).is_empty());
        wheel.insert(ms(100), "from level 0");
        assert_eq!(sweep(&mut wheel, ms(100)), ["from level 1", "from level 0"]);
    }

    #[test]
    fn a_key_is_never_valid_again_though_its_place_is() {
        let mut wheel = Wheel::new(Time::ZERO);
        let old = wheel.insert(ms(1), "old");
        assert!(wheel.remove(old).is_some());
        let new = wheel.insert(ms(2), "new");
        assert_eq!(old.index, new.index);
        assert_eq!(wheel.deadline(old), None);
        assert_eq!(wheel.remove(old), None);
        assert_eq!(wheel.deadline(new), Some(ms(2)));
        assert_eq!(wheel.clear(), ["new"]);
        let newest = wheel.insert(ms(3), "newest");
        assert_eq!(wheel.remove(new), None);
        assert_eq!(wheel.remove(newest), Some(("newest", ms(3))));
    }

    #[test]
    fn every_boundary_of_every_level_is_kept_to_the_tick() {
        for level in 0..LEVELS as u32 {
            let span = 1u64 << (BITS * level);
            let from_starts = [
                0,
                1,
                63,
                span - 1,
                span,
                span + 1,
                3 * span,
                63 * span,
                64 * span,
            ];
            let distances = [1, 63, 64, span - 1, span, span + 1, 63 * span, 64 * span];
            for from in from_starts {
                for distance in distances {
                    let due = from + distance;
                    if due >= LAST_TICK {
                        continue;
                    }
                    let mut wheel = Wheel::new(ms(from));
                    wheel.insert(ms(due), ());
                    check(&wheel);
                    if distance > 0 {
                        assert!(
                            sweep(&mut wheel, ms(due - 1)).is_empty(),
                            "{from}+{distance}"
                        );
                        check(&wheel);
                    }
                    assert_eq!(wheel.next_expiry(), Some(ms(due)));
                    assert_eq!(sweep(&mut wheel, ms(due)).len(), 1, "{from}+{distance}");
                }
            }
        }
    }

    #[test]
    fn deadlines_past_2_to_the_32_36_and_42_milliseconds_fire_on_time() {
        for power in [32, 36, 42, 44] {
            let boundary = 1u64 << power;
            for from in [0, boundary - 1, boundary, boundary + 1] {
                let mut wheel = Wheel::new(ms(from));
                let offsets = [0, 1, 2, 100, 5_000, 1 << 20];
                for offset in offsets {
                    wheel.insert(ms(boundary + 1 + offset), offset);
                }
                assert!(sweep(&mut wheel, ms(boundary)).is_empty());
                for (fired, offset) in offsets.into_iter().enumerate() {
                    assert!(wheel.next_expiry().unwrap() <= ms(boundary + 1 + offset));
                    assert!(sweep(&mut wheel, ms(boundary + offset)).is_empty());
                    assert_eq!(sweep(&mut wheel, ms(boundary + 1 + offset)), [offset]);
                    check(&wheel);
                    assert_eq!(wheel.len(), offsets.len() - fired - 1);
                }
            }
        }
    }

    #[test]
    fn one_jump_over_everything_hands_over_all_in_order() {
        let mut wheel = Wheel::new(Time::ZERO);
        for power in (0..44).rev() {
            wheel.insert(ms(1 << power), power);
        }
        assert_eq!(sweep(&mut wheel, Time::MAX), (0..44).collect::<Vec<_>>());
        assert_eq!(wheel.next_expiry(), None);
    }

    #[test]
    fn near_the_end_of_time_nothing_overflows() {
        let last_whole_tick = LAST_TICK - 1;
        for start in [last_whole_tick - 5_000, last_whole_tick, LAST_TICK] {
            let mut wheel = Wheel::new(ms(start));
            wheel.insert(Time::MAX, "end");
            wheel.insert(Time::from_nanos(u64::MAX - 1), "just before");
            wheel.insert(ms(start) + Duration::MAX, "saturated");
            wheel.insert(ms(last_whole_tick), "last whole tick");
            check(&wheel);
            let mut fired = sweep(&mut wheel, Time::from_nanos(u64::MAX - 1));
            check(&wheel);
            if start < LAST_TICK {
                // The tick that they round up to begins at the end of time.
                assert_eq!(fired, ["last whole tick"]);
                assert_eq!(wheel.next_expiry(), Some(Time::MAX));
            }
            fired.extend(sweep(&mut wheel, Time::MAX));
            assert_eq!(
                fired,
                ["last whole tick", "just before", "end", "saturated"]
            );
            wheel.insert(Time::ZERO, "late");
            wheel.insert(Time::MAX, "later");
            assert_eq!(wheel.next_expiry(), Some(Time::MAX));
            assert_eq!(sweep(&mut wheel, Time::MAX), ["late", "later"]);
        }
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut wheel = Wheel::new(ms(1_000));
        wheel.insert(ms(1_010), "a");
        assert!(sweep(&mut wheel, ms(3)).is_empty());
        wheel.insert(ms(5), "b");
        assert!(sweep(&mut wheel, ms(3)).is_empty());
        check(&wheel);
        assert_eq!(sweep(&mut wheel, ms(1_010)), ["b", "a"]);
    }

    #[test]
    fn a_call_moves_no_more_than_its_limit() {
        let mut wheel = Wheel::new(Time::ZERO);
        for i in 0..1_000u64 {
            wheel.insert(ms(1 << 20), i);
        }
        let mut out = Vec::new();
        let mut calls = 0;
        while wheel.expire(ms(1 << 21), 100, &mut out) == Sweep::More {
            calls += 1;
            assert!(out.len() <= calls * 100);
            check(&wheel);
            // The rest is still due: whoever would sleep now is told not to.
            assert!(wheel.next_expiry().unwrap() <= ms(1 << 21));
            assert!(calls < LEVELS * 10);
        }
        let order: Vec<u64> = out.iter().map(|expired| expired.sequence).collect();
        assert_eq!(order, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_limit_of_zero_still_makes_progress() {
        let mut wheel = Wheel::new(Time::ZERO);
        wheel.insert(ms(1 << 40), ());
        let mut out = Vec::new();
        let calls = std::iter::repeat_with(|| wheel.expire(Time::MAX, 0, &mut out))
            .take_while(|sweep| *sweep == Sweep::More)
            .count();
        assert!(calls < LEVELS);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn a_slot_is_spread_completely_before_any_of_it_fires() {
        let mut wheel = Wheel::new(Time::ZERO);
        for i in 0..10 {
            wheel.insert(ms(64), i);
        }
        let mut out = Vec::new();
        for handed_over in [0, 0, 5] {
            assert_eq!(wheel.expire(ms(64), 5, &mut out), Sweep::More);
            assert_eq!(out.len(), handed_over);
        }
        assert_eq!(wheel.expire(ms(64), 5, &mut out), Sweep::Done);
        assert_eq!(out.len(), 10);
    }

    #[test]
    fn entries_may_come_and_go_in_the_middle_of_a_sweep() {
        let mut wheel = Wheel::new(Time::ZERO);
        let keys: Vec<_> = (0..10).map(|i| wheel.insert(ms(64), i)).collect();
        let mut out = Vec::new();
        assert_eq!(wheel.expire(ms(64), 5, &mut out), Sweep::More);
        assert!(out.is_empty(), "five were sorted into level 0");
        assert!(wheel.remove(keys[0]).is_some(), "sorted already");
        assert!(wheel.remove(keys[9]).is_some(), "not sorted yet");
        wheel.insert(ms(64), 10);
        wheel.insert(ms(63), 11);
        check(&wheel);
        while wheel.expire(ms(64), 5, &mut out) == Sweep::More {
            check(&wheel);
        }
        let mut fired: Vec<_> = out.into_iter().map(|expired| expired.action).collect();
        fired.sort_unstable();
        assert_eq!(fired, [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]);
    }

    #[test]
    fn a_lone_timer_costs_one_wake_up() {
        for distance in [1, 63, 64, 5_000, 86_400_000, 1 << 43] {
            let mut wheel = Wheel::new(ms(12_345));
            wheel.insert(ms(12_345 + distance), ());
            let at = wheel.next_expiry().unwrap();
            assert_eq!(at, ms(12_345 + distance));
            assert_eq!(sweep(&mut wheel, at).len(), 1);
        }
    }

    #[test]
    fn a_sleeper_wakes_at_most_once_a_level() {
        let mut wheel = Wheel::new(Time::ZERO);
        let due = ms((1 << 43) + 12_345_678_901);
        wheel.insert(due, ());
        wheel.insert(due, ());
        let mut now = Time::ZERO;
        let mut wakes = 0;
        while let Some(next) = wheel.next_expiry() {
            assert!(next > now && next <= due);
            now = next;
            let fired = sweep(&mut wheel, now);
            assert_eq!(fired.is_empty(), now < due);
            wakes += 1;
        }
        assert!(wakes <= LEVELS);
    }

    #[test]
    fn destructors() {
        let witness = std::rc::Rc::new(());
        let mut wheel = Wheel::new(Time::ZERO);
        for i in 0..100 {
            wheel.insert(ms(i * i * i), std::rc::Rc::clone(&witness));
        }
        drop(sweep(&mut wheel, ms(1_000)));
        assert_eq!(std::rc::Rc::strong_count(&witness), 1 + wheel.len());
        let rest = wheel.clear();
        assert_eq!(rest.len() + 1, std::rc::Rc::strong_count(&witness));
        check(&wheel);
        drop(rest);
        assert_eq!(std::rc::Rc::strong_count(&witness), 1);
    }

    /// The same behaviour, slowly: a sorted map, in which the key is the order of firing.
    struct Model {
        wheel: Wheel<u64>,
        expected: BTreeMap<(Time, u64), Key>,
        /// All keys that are not in `expected` any more, up to a few.
        stale: Vec<Key>,
        now: Time,
    }

    impl Model {
        fn new(start: Time) -> Model {
            Model {
                wheel: Wheel::new(start),
                expected: BTreeMap::new(),
                stale: Vec::new(),
                now: start,
            }
        }

        fn insert(&mut self, deadline: Time) {
            let sequence = self.wheel.sequence;
            let key = self.wheel.insert(deadline, sequence);
            assert_eq!(self.wheel.deadline(key), Some(deadline));
            self.expected.insert((deadline, sequence), key);
        }

        fn remove(&mut self, pick: usize) {
            if let Some(stale) = self.stale.get(pick % 16) {
                assert_eq!(self.wheel.remove(*stale), None);
                assert_eq!(self.wheel.deadline(*stale), None);
            }
            // At a distance of any magnitude from now, or else the last one.
            let from = self.now + Duration::from_nanos(pick as u64 >> (pick % 64));
            let next = self.expected.range((from, 0)..).next();
            let found = next.or_else(|| self.expected.last_key_value());
            let Some((&(deadline, sequence), &key)) = found else {
                return;
            };
            self.expected.remove(&(deadline, sequence));
            assert_eq!(self.wheel.remove(key), Some((sequence, deadline)));
            self.retire(key);
        }

        fn retire(&mut self, key: Key) {
            if self.stale.len() == 16 {
                self.stale.remove(0);
            }
            self.stale.push(key);
        }

        fn advance(&mut self, by: Duration, limit: usize) {
            self.now += by;
            let due = tick_reached(self.now);
            let mut calls = 0;
            let most_moves = (LEVELS + 1) * (self.wheel.len() + 1);
            let mut handed_over = Vec::new();
            loop {
                let mut out = Vec::new();
                let sweep = self.wheel.expire(self.now, limit, &mut out);
                assert!(out.len() <= limit);
                assert!(out.is_sorted_by_key(|expired| (expired.deadline, expired.sequence)));
                handed_over.extend(out);
                calls += 1;
                assert!(calls <= 1 + most_moves / limit);
                if sweep == Sweep::Done {
                    break;
                }
            }
            handed_over.sort_by_key(|expired| (expired.deadline, expired.sequence));
            for fired in handed_over {
                assert_eq!(fired.action, fired.sequence);
                let ((deadline, sequence), key) = self.expected.pop_first().expect("one more");
                assert_eq!((deadline, sequence), (fired.deadline, fired.sequence));
                assert!(deadline <= self.now);
                self.retire(key);
            }
            let earliest = self.expected.keys().next().map(|(deadline, _)| *deadline);
            match (earliest, self.wheel.next_expiry()) {
                (None, None) => {}
                (Some(earliest), Some(next)) => {
                    assert!(tick_of_deadline(earliest) > due, "nothing due is left");
                    assert!(next > self.now, "no going in circles");
                    assert!(next <= ms(tick_of_deadline(earliest)), "no oversleeping");
                }
                (expected, found) => panic!("{expected:?} expected, {found:?} found"),
            }
            assert_eq!(self.wheel.len(), self.expected.len());
        }
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Insert {
            after: u64,
        },
        Remove {
            pick: usize,
        },
        Advance {
            by: u64,
            limit: usize,
        },
        /// What a sleeping worker does.
        Sleep,
    }

    /// Nanoseconds of every magnitude up to 2^63, with the neighbourhood of the levels' boundaries.
    fn span() -> impl Strategy<Value = u64> {
        let any_magnitude = (0u32..63, any::<u64>()).prop_map(|(bits, n)| n & ((1 << bits) - 1));
        let boundary = (0u32..44, -2i64..3).prop_map(|(power, off)| {
            (1u64 << power)
                .saturating_add_signed(off)
                .saturating_mul(NANOS_PER_TICK)
        });
        let short = 0..100 * NANOS_PER_TICK;
        prop_oneof![any_magnitude, boundary, short]
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            4 => span().prop_map(|after| Operation::Insert { after }),
            2 => any::<usize>().prop_map(|pick| Operation::Remove { pick }),
            2 => (span(), 1usize..20).prop_map(|(by, limit)| Operation::Advance { by, limit }),
            1 => Just(Operation::Sleep),
        ]
    }

    fn start() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0),
            span(),
            span().prop_map(|before_end| u64::MAX - before_end),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 4 } else { 512 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn behaves_like_a_sorted_map(
            start in start(),
            operations in prop::collection::vec(operation(), 1..200),
        ) {
            let mut model = Model::new(Time::from_nanos(start));
            for operation in operations {
                match operation {
                    Operation::Insert { after } => {
                        model.insert(model.now + Duration::from_nanos(after));
                    }
                    Operation::Remove { pick } => model.remove(pick),
                    Operation::Advance { by, limit } => {
                        model.advance(Duration::from_nanos(by), limit);
                    }
                    Operation::Sleep => {
                        if let Some(next) = model.wheel.next_expiry() {
                            model.advance(next - model.now, 64);
                        }
                    }
                }
                check(&model.wheel);
            }
        }
    }

    #[test]
    fn stress() {
        let mut random = SplitMix64::new(0x5eed);
        let mut model = Model::new(Time::ZERO);
        // Mostly seconds, as timeouts are, and now and then anything.
        let magnitude = |random: &mut SplitMix64| match random.below(16) {
            0 => random.next() >> (2 + random.below(62)),
            _ => random.next() >> 34,
        };
        for _ in 0..if cfg!(miri) { 1_000 } else { 1_000_000 } {
            match random.below(16) {
                0..8 => {
                    let after = magnitude(&mut random);
                    model.insert(model.now + Duration::from_nanos(after));
                }
                8..15 => model.remove(random.next() as usize),
                _ => {
                    let by = random.next() >> (37 + random.below(20));
                    model.advance(Duration::from_nanos(by), 1 + random.below(100));
                }
            }
        }
        check(&model.wheel);
        model.advance(Duration::MAX, 1_000);
        assert_eq!(model.wheel.len(), 0);
    }
}
