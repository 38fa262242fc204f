//! A queue of fixed size: one thread puts in, any thread takes out, the oldest first.
//!
//! Two numbers count what was ever put in and what was ever taken out; an entry's place is its number's
//! remainder. Whoever takes reads the entries first, and then claims them by moving `taken` on, one or
//! many in one exchange: if that succeeds, nobody else had claimed one of them, and none was replaced
//! meanwhile, since the owner puts nothing into a place before its last entry is claimed.
//!
//! | operation | by       | how                                                              |
//! |-----------|----------|------------------------------------------------------------------|
//! | push      | owner    | R1 load `taken`: is there room? R2 store the entry. R3 move `put` on |
//! | pop, take | anyone   | T1 load `taken`. T2 load `put`. T3 load entries. T4 move `taken` on by exchange |
//! | ahead     | owner    | as T1 to T3, relaxed, and claims nothing: what it gives is an address, and may be gone |
//!
//! Invariants
//! 1. `taken` <= `put` <= `taken` + [`ROOM`]. Neither goes back, and as they have 64 bits, neither comes to
//!    the same number again. (Who reads them one after the other may find more than that between them;
//!    then its claim fails.)
//! 2. Each number between 0 and `put` is claimed by one exchange, and its entry belongs to whoever made it.
//!
//! Orderings. R3 releases and T2 acquires: who sees a number in `put` sees its entry, and what it points
//! to. T4 releases and R1 acquires: the loads T3 of a claim come before the owner's next store R2 to the
//! same place, so no claim that succeeds has read a later entry. A T3 that did read one belongs to a claim
//! that fails: for the owner to store it, `taken` had moved on from what T1 has read.

use std::fmt;
use std::ptr;

use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::sync::hint;

/// How many entries there may be.
pub(super) const ROOM: usize = if cfg!(loom) { 3 } else { 256 };

/// A line of its own: the one is written by the owner, the other by all.
#[derive(Debug)]
#[repr(align(64))]
struct Line<T>(T);

/// The queue. `T` is what its entries point to; it never looks at that.
pub(super) struct Ring<T> {
    taken: Line<AtomicU64>,
    put: Line<AtomicU64>,
    places: [AtomicPtr<T>; ROOM],
}

impl<T> Ring<T> {
    pub(super) fn new() -> Ring<T> {
        Ring {
            taken: Line(AtomicU64::new(0)),
            put: Line(AtomicU64::new(0)),
            places: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    #[inline]
    fn place(&self, number: u64) -> &AtomicPtr<T> {
        &self.places[number as usize % ROOM]
    }

    /// Owner: puts an entry behind all others; `false` if there is no room.
    #[inline]
    pub(super) fn push(&self, entry: *mut T) -> bool {
        let put = self.put.0.load(Ordering::Relaxed);
        if put - self.taken.0.load(Ordering::Acquire) >= ROOM as u64 {
            return false;
        }
        self.place(put).store(entry, Ordering::Relaxed);
        self.put.0.store(put + 1, Ordering::Release);
        true
    }

    /// Takes the oldest entry.
    #[inline]
    pub(super) fn pop(&self) -> Option<*mut T> {
        let mut taken = self.taken.0.load(Ordering::Acquire);
        loop {
            if taken >= self.put.0.load(Ordering::Acquire) {
                return None;
            }
            let entry = self.place(taken).load(Ordering::Relaxed);
            match self.claim(taken, 1) {
                Ok(()) => return Some(entry),
                Err(now) => taken = now,
            }
        }
    }

    /// Owner: what will be taken when so many others have been. A hint: somebody else may have it by now.
    #[inline]
    pub(super) fn ahead(&self, others: u64) -> Option<*const T> {
        let number = self.taken.0.load(Ordering::Relaxed) + others;
        if number >= self.put.0.load(Ordering::Relaxed) {
            return None;
        }
        Some(self.place(number).load(Ordering::Relaxed).cast_const())
    }

    /// Takes half of the entries, the oldest ones and at most as many as `loot` has room for; says how many
    /// that are.
    pub(super) fn take_half(&self, loot: &mut [*mut T]) -> usize {
        let (mut taken, mut most) = (self.taken.0.load(Ordering::Acquire), loot.len());
        loop {
            let there = self.put.0.load(Ordering::Acquire).saturating_sub(taken);
            let share = (there.div_ceil(2) as usize).min(most);
            if share == 0 {
                return 0;
            }
            for (number, entry) in (taken..).zip(&mut loot[..share]) {
                *entry = self.place(number).load(Ordering::Relaxed);
            }
            match self.claim(taken, share) {
                Ok(()) => return share,
                // The owner is quick: it takes many while we read many.
                Err(now) => (taken, most) = (now, most.div_ceil(2)),
            }
            hint::spin_loop();
        }
    }

    /// Step T4.
    #[inline]
    fn claim(&self, taken: u64, how_many: usize) -> Result<(), u64> {
        let claimed = taken + how_many as u64;
        self.taken
            .0
            .compare_exchange(taken, claimed, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }

    /// How many entries there are, near this call.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let taken = self.taken.0.load(Ordering::Acquire);
        self.put.0.load(Ordering::Acquire).saturating_sub(taken) as usize
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("len", &self.len()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn entry(number: usize) -> *mut u8 {
        ptr::without_provenance_mut(number)
    }

    #[test]
    fn it_is_a_queue_with_an_end() {
        let ring = Ring::new();
        assert_eq!((ring.pop(), ring.len()), (None, 0));
        // Many times round.
        for lap in 0..5 {
            for n in 0..ROOM {
                assert!(ring.push(entry(lap * ROOM + n + 1)));
            }
            assert!(!ring.push(entry(1)), "it is full");
            assert_eq!(ring.len(), ROOM);
            for n in 0..ROOM {
                assert_eq!(ring.pop(), Some(entry(lap * ROOM + n + 1)));
            }
            assert_eq!(ring.pop(), None);
        }
    }

    #[test]
    fn what_lies_ahead_is_seen_and_stays() {
        let ring = Ring::new();
        assert_eq!(ring.ahead(0), None);
        (1..=3).for_each(|n| assert!(ring.push(entry(n))));
        let seen = [0, 2, 3].map(|others| ring.ahead(others));
        assert_eq!(
            seen,
            [
                Some(entry(1).cast_const()),
                Some(entry(3).cast_const()),
                None
            ]
        );
        assert_eq!((ring.pop(), ring.len()), (Some(entry(1)), 2));
        assert_eq!(ring.ahead(1), Some(entry(3).cast_const()));
    }

    #[test]
    fn a_thief_takes_the_older_half() {
        let ring = Ring::new();
        let mut loot = [ptr::null_mut(); 3];
        assert_eq!(ring.take_half(&mut loot), 0);
        (1..=9).for_each(|n| assert!(ring.push(entry(n))));
        assert_eq!(ring.take_half(&mut loot), 3, "no more than it can carry");
        assert_eq!(loot, [1, 2, 3].map(entry));
        assert_eq!(ring.take_half(&mut loot), 3);
        assert_eq!(loot, [4, 5, 6].map(entry));
        assert_eq!(ring.take_half(&mut loot), 2);
        assert_eq!((ring.pop(), ring.pop()), (Some(entry(9)), None));
    }

    /// Every entry comes out once, whoever takes it: a ledger of all.
    #[test]
    fn entries_that_several_threads_take_are_taken_once() {
        const ENTRIES: usize = if cfg!(miri) { 500 } else { 200_000 };
        let (ring, done) = (Ring::<u8>::new(), std::sync::atomic::AtomicBool::new(false));
        let mut ledgers: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let thief = || {
                let (mut mine, mut loot) = (Vec::new(), [ptr::null_mut(); 7]);
                while !done.load(Ordering::Acquire) || ring.len() > 0 {
                    let share = ring.take_half(&mut loot);
                    mine.extend(loot[..share].iter().map(|entry| entry.addr()));
                    std::thread::yield_now();
                }
                mine
            };
            let thieves = [scope.spawn(thief), scope.spawn(thief)];
            let mut mine = Vec::new();
            for n in 1..=ENTRIES {
                while !ring.push(entry(n)) {
                    mine.extend(ring.pop().map(|entry| entry.addr()));
                }
                if n % 3 == 0 {
                    mine.extend(ring.pop().map(|entry| entry.addr()));
                }
            }
            done.store(true, Ordering::Release);
            let mut all: Vec<_> = thieves.map(|thief| thief.join().unwrap()).into();
            all.push(mine);
            all
        });
        // Each takes in order, and all together take all.
        assert!(ledgers.iter().all(|ledger| ledger.is_sorted()));
        let mut all: Vec<usize> = ledgers.drain(..).flatten().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(1..=ENTRIES));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::explore;
    use crate::sync::UnsafeCell;
    use crate::sync::atomic::AtomicUsize;

    /// A ring, what its entries point to, and how often each was taken. Numbers stand for pointers.
    struct Toy {
        ring: Ring<u8>,
        written: [UnsafeCell<usize>; 6],
        taken: [AtomicUsize; 6],
    }

    // SAFETY: an entry is written before it is pushed, and read by whoever took it: what the model shows.
    unsafe impl Sync for Toy {}
    // SAFETY: numbers only.
    unsafe impl Send for Toy {}

    impl Toy {
        fn new() -> Arc<Toy> {
            Arc::new(Toy {
                ring: Ring::new(),
                written: std::array::from_fn(|_| UnsafeCell::new(0)),
                taken: std::array::from_fn(|_| AtomicUsize::new(0)),
            })
        }

        fn push(&self, entry: usize) -> bool {
            // SAFETY: nobody has been told of the entry, or has taken it: see `Toy`.
            self.written[entry].with_mut(|written| unsafe { *written = entry });
            self.ring.push(ptr::without_provenance_mut(entry))
        }

        fn note(&self, entry: *mut u8) {
            let entry = entry.addr();
            // SAFETY: as above.
            let written = self.written[entry].with(|written| unsafe { *written });
            assert_eq!(written, entry);
            self.taken[entry].fetch_add(1, Ordering::Relaxed);
        }

        fn pop(&self) -> bool {
            let popped = self.ring.pop();
            popped.into_iter().for_each(|entry| self.note(entry));
            popped.is_some()
        }

        fn take_half(&self) {
            let mut loot = [ptr::null_mut(); 2];
            let share = self.ring.take_half(&mut loot);
            loot[..share].iter().for_each(|entry| self.note(*entry));
        }

        /// What is left is taken, and each entry was taken once.
        fn assert_each_once(&self, pushed: usize) {
            while self.pop() {}
            for entry in 1..=pushed {
                assert_eq!(self.taken[entry].load(Ordering::Relaxed), 1, "{entry}");
            }
        }
    }

    /// Room for three, and more than that comes in: places are used again while a thief looks.
    #[test]
    fn loom_each_entry_of_a_ring_is_taken_once() {
        explore(|| {
            let toy = Toy::new();
            let theirs = Arc::clone(&toy);
            assert!(toy.push(1) && toy.push(2) && toy.push(3));
            // Half of three are two: it claims several at once, if nobody was quicker.
            let thief = loom::thread::spawn(move || theirs.take_half());
            let _ = toy.pop();
            let mut pushed = 3;
            for _ in 0..2 {
                pushed += usize::from(toy.push(pushed + 1));
            }
            let _ = toy.pop();
            thief.join().unwrap();
            toy.assert_each_once(pushed);
        });
    }

    #[test]
    fn loom_two_thieves_take_different_entries() {
        explore(|| {
            let toy = Toy::new();
            let (one, two) = (Arc::clone(&toy), Arc::clone(&toy));
            assert!(toy.push(1));
            let thieves = [
                loom::thread::spawn(move || one.take_half()),
                loom::thread::spawn(move || two.take_half()),
            ];
            assert!(toy.push(2));
            thieves.into_iter().for_each(|thief| thief.join().unwrap());
            toy.assert_each_once(2);
        });
    }
}
