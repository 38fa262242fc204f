//! Which chunks have room, and how long a chunk stays of which nothing is in use.
//!
//! What a program needs again and again, in bursts, must not go to the system in between: to give two
//! megabytes back and to ask for them anew takes longer than to use them. So chunks that are free are kept for
//! a while: [`Chunks::tick`] gives back what a whole window did not need, little by little. That takes somebody who
//! ticks, however seldom: where no monitor is awake, one free chunk stays, and no more.
//!
//! Invariants
//! 1. `with_room` are the chunks that have a free slab and others, and `spare` those of which all are free.
//!    What a chunk knows of its slabs is changed by who has the lock of all chunks, and so reaches us.
//! 2. The global allocator is asked for chunks, and given them back, without that lock.

use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::chunk::{Chunk, SLABS, Slab, WholeChunk};
use crate::home::Home;

/// What is looked at as one: what a program needs again and again in that time, with pauses between, is in use. Not
/// counted in ticks, of which a program that mostly rests has few, and several runtimes have many.
const WINDOW: Duration = Duration::from_secs(1);
/// So many stay until the last monitor sleeps.
const FLOOR: usize = 1;
/// Of what a whole window did not need beyond the floor, one part in so many is given back in the next.
const PART: usize = 2;
/// Chunks that one tick gives back at most: some 0.2 ms' work.
const MOST: usize = 4;

/// The chunks of a program.
pub(super) struct Chunks {
    with_room: BTreeSet<NonNull<Chunk>>,
    /// The one that became free last is the last.
    spare: Vec<WholeChunk>,
    /// The fewest that were spare in this window: so many were not needed.
    fewest: usize,
    /// How many the last window has left to be given back in this one.
    surplus: usize,
    /// When the window is over; `None` before the first.
    window_ends: Option<Instant>,
    /// The monitors that are awake.
    minders: usize,
    /// How many there are in all, with those that are full, and those about to be.
    count: usize,
}

// SAFETY: what the pointers lead to is ours, and is reached by who reaches us (invariant 2 of `chunk`).
unsafe impl Send for Chunks {}

impl Chunks {
    pub(super) const fn new() -> Chunks {
        Chunks {
            with_room: BTreeSet::new(),
            spare: Vec::new(),
            fewest: 0,
            surplus: 0,
            window_ends: None,
            minders: 0,
            count: 0,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn mind(&mut self) {
        self.minders += 1;
    }

    /// A monitor goes to sleep. Says whether it was the last one.
    pub(super) fn unmind(&mut self) -> bool {
        self.minders -= 1;
        !self.is_minded()
    }

    pub(super) fn is_minded(&self) -> bool {
        self.minders > 0
    }

    /// Another chunk is about to be allocated. Says whether it is the only one.
    pub(super) fn announce(&mut self) -> bool {
        self.count += 1;
        self.count == 1
    }

    /// A slab of the lowest chunk that has one, or of a spare one.
    pub(super) fn give(&mut self, class: usize, home: Home) -> Option<NonNull<Slab>> {
        let known = self.with_room.first().copied();
        let chunk = known.or_else(|| {
            let spare = self.spare.pop()?;
            self.fewest = self.fewest.min(self.spare.len());
            Some(spare.into_inner())
        })?;
        Some(self.give_of(chunk, class, home))
    }

    /// A slab of a chunk of ours that has one.
    pub(super) fn give_of(
        &mut self,
        chunk: NonNull<Chunk>,
        class: usize,
        home: Home,
    ) -> NonNull<Slab> {
        // SAFETY: the chunk is ours, for we are reached by who has the lock (invariant 1).
        let (slab, left) = unsafe { Chunk::give(chunk, class, home) };
        if left == 0 {
            self.with_room.remove(&chunk);
        } else {
            self.with_room.insert(chunk);
        }
        slab
    }

    /// Takes a slab back of which no block is out, and that nobody uses any more. Gives a chunk that nobody would give
    /// back later.
    pub(super) fn take_back(&mut self, slab: NonNull<Slab>) -> Option<WholeChunk> {
        let chunk = Chunk::of(slab);
        // SAFETY: as in `give_of`.
        if unsafe { Chunk::take_back(chunk, slab) } < SLABS {
            self.with_room.insert(chunk);
            return None;
        }
        self.with_room.remove(&chunk);
        // SAFETY: all of it is free, and by invariant 1 we alone know it.
        self.spare.push(unsafe { WholeChunk::from_inner(chunk) });
        if self.is_minded() || self.spare.len() <= FLOOR {
            return None;
        }
        self.take_spare(1).pop()
    }

    /// Some of what was not needed lately; to be called at each tick of a monitor.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<WholeChunk> {
        if self.window_ends.is_none_or(|end| now >= end) {
            self.window_ends = now.checked_add(WINDOW);
            self.surplus = self.fewest.saturating_sub(FLOOR).div_ceil(PART);
            self.fewest = self.spare.len();
        }
        // They are needed after all, if there were fewer since.
        let unneeded = self.fewest.saturating_sub(FLOOR);
        let given = self.surplus.min(unneeded).min(MOST);
        self.surplus -= given;
        self.fewest -= given;
        self.take_spare(given)
    }

    /// All of which nothing is in use.
    pub(super) fn take_all_spare(&mut self) -> Vec<WholeChunk> {
        self.fewest = 0;
        self.surplus = 0;
        self.take_spare(self.spare.len())
    }

    /// Those that have been spare for longest.
    fn take_spare(&mut self, how_many: usize) -> Vec<WholeChunk> {
        self.count -= how_many;
        self.spare.drain(..how_many).collect()
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;

    const ONE: Home = Home::from_number(1);

    /// Slabs of as many chunks as `chunks`, all that these have.
    fn take(chunks: &mut Chunks, how_many: usize) -> Vec<NonNull<Slab>> {
        let slab = |_| {
            chunks.give(5, ONE).unwrap_or_else(|| {
                chunks.announce();
                chunks.give_of(WholeChunk::allocate(false).into_inner(), 5, ONE)
            })
        };
        (0..how_many * SLABS).map(slab).collect()
    }

    fn give_back(chunks: &mut Chunks, slabs: Vec<NonNull<Slab>>) {
        for slab in slabs {
            assert!(chunks.take_back(slab).is_none());
        }
    }

    /// Ticks in a window.
    const TICKS: u32 = 100;

    /// Somebody who ticks, and the time.
    struct Clock(Instant);

    impl Clock {
        /// So many ticks, so far apart. Says how many chunks they gave back.
        fn ticks(&mut self, how_many: u32, apart: Duration, chunks: &mut Chunks) -> usize {
            let tick = |_| {
                let given = chunks.tick(self.0).len();
                self.0 += apart;
                given
            };
            (0..how_many).map(tick).sum()
        }

        fn tick(&mut self, chunks: &mut Chunks) -> usize {
            self.ticks(1, WINDOW / TICKS, chunks)
        }

        fn a_window_passes(&mut self, chunks: &mut Chunks) -> usize {
            self.ticks(TICKS, WINDOW / TICKS, chunks)
        }

        /// What is left of the window after its first tick.
        fn the_rest_passes(&mut self, chunks: &mut Chunks) -> usize {
            self.ticks(TICKS - 1, WINDOW / TICKS, chunks)
        }
    }

    /// Some chunks of which nothing is in use, and who ticks.
    fn spare(how_many: usize) -> (Chunks, Clock) {
        let mut chunks = Chunks::new();
        chunks.mind();
        let slabs = take(&mut chunks, how_many);
        give_back(&mut chunks, slabs);
        assert_eq!(chunks.count(), how_many);
        (chunks, Clock(Instant::now()))
    }

    #[test]
    fn what_is_used_within_a_window_stays() {
        let (mut chunks, mut clock) = spare(11);
        assert_eq!(clock.a_window_passes(&mut chunks), 0, "they have just come");
        for _ in 0..5 {
            let slabs = take(&mut chunks, 11);
            // What is in use for a while is not spare.
            assert_eq!(clock.tick(&mut chunks), 0);
            give_back(&mut chunks, slabs);
            let later = clock.the_rest_passes(&mut chunks);
            assert_eq!(later, 0, "all of it was in use");
        }
        // Nobody uses it.
        assert_eq!(clock.a_window_passes(&mut chunks), 0);
        for given in [5, 3, 1, 1, 0] {
            assert_eq!(clock.a_window_passes(&mut chunks), given);
        }
        assert_eq!(chunks.count(), FLOOR);
        assert_eq!(chunks.take_all_spare().len(), FLOOR);
        assert_eq!(chunks.count(), 0);
    }

    #[test]
    fn much_that_is_not_used_goes_in_parts() {
        let (mut chunks, mut clock) = spare(41);
        assert_eq!(
            clock.a_window_passes(&mut chunks),
            0,
            "nothing is known of it yet"
        );
        assert_eq!(clock.tick(&mut chunks), MOST);
        let later = clock.the_rest_passes(&mut chunks);
        assert_eq!(MOST + later, 20);
        drop(chunks.take_all_spare());
    }

    #[test]
    fn what_is_needed_after_all_is_not_given_back() {
        let (mut chunks, mut clock) = spare(41);
        clock.a_window_passes(&mut chunks);
        assert_eq!(clock.tick(&mut chunks), MOST);
        let slabs = take(&mut chunks, 37);
        give_back(&mut chunks, slabs);
        let later = clock.the_rest_passes(&mut chunks);
        assert_eq!(later, 0);
        drop(chunks.take_all_spare());
    }

    #[test]
    fn one_stays_whatever_comes_and_goes() {
        let (mut chunks, mut clock) = spare(11);
        clock.a_window_passes(&mut chunks);
        clock.tick(&mut chunks);
        let slabs = take(&mut chunks, 6);
        give_back(&mut chunks, slabs);
        let later = clock.the_rest_passes(&mut chunks);
        assert_eq!(later, 0, "all but one were needed");
        drop(chunks.take_all_spare());
    }

    #[test]
    fn a_window_is_as_long_for_who_ticks_seldom() {
        let (mut chunks, mut clock) = spare(11);
        assert_eq!(clock.ticks(2, WINDOW / 2, &mut chunks), 0);
        // The monitor of a program that mostly rests: two ticks in a window, and as much goes.
        for given in [5, 3, 1, 1, 0] {
            assert_eq!(clock.ticks(2, WINDOW / 2, &mut chunks), given);
        }
        drop(chunks.take_all_spare());
    }

    #[test]
    fn where_nobody_ticks_nothing_stays_but_one() {
        let (mut chunks, _) = spare(3);
        let slabs = take(&mut chunks, 3);
        chunks.mind();
        assert!(!chunks.unmind(), "there is another one");
        assert!(chunks.unmind());
        let released: usize = slabs
            .into_iter()
            .filter_map(|slab| chunks.take_back(slab))
            .count();
        assert_eq!((released, chunks.count()), (2, FLOOR));
        drop(chunks.take_all_spare());
    }
}
