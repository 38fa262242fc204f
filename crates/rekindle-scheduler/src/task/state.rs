//! The one word of a task: its state and its inbox.
//!
//! A task needs a state that wakers change and a queue that senders fill. Kept apart, a send
//! costs one atomic operation on each, and a window between the two in which a wake-up can be
//! lost. Here both are one word: the low bits are the state, the rest points to the newest node
//! of the inbox. A send is one compare-and-swap, and the value it replaced says whether the
//! sender must now schedule the receiver.
//!
//! The node that finds the task idle does not go into the word: it lies beside it, in `first`, and
//! the turn that it brings need not take anything out of the word. So a process that gets its
//! messages one by one pays one exchange less for each.
//!
//! ```text
//!   63          48 47                                  4     3      2      1       0
//!  +--------------+-------------------------------------+-------+------+-------+-----------+
//!  |  in transit  |  newest node (16-aligned), or null  | GIVEN | DEAD | WOKEN | SCHEDULED |
//!  +--------------+-------------------------------------+-------+------+-------+-----------+
//! ```
//!
//! | SCHEDULED | WOKEN | DEAD | inbox    | meaning                                | who may touch the future |
//! |-----------|-------|------|----------|----------------------------------------|--------------------------|
//! |     0     |   0   |  0   | empty    | idle; nothing happens until a wake     | nobody                   |
//! |     1     |   0   |  0   | any      | one `Runnable` exists, or it is polled | the holder of it         |
//! |     1     |   1   |  0   | any      | the same, and woken since              | the holder of it         |
//! |     0     |   0   |  1   | empty    | finished                               | nobody: it is gone       |
//!
//! Invariants
//! 1. SCHEDULED is a lock: whoever sets it owns the task's one `Runnable`, until it is cleared
//!    by [`Word::end_turn`] or replaced by [`Word::finish`], which only that owner calls.
//! 2. An idle word has no node and no WOKEN: a push or a wake of an idle task sets SCHEDULED in
//!    the same operation. Hence no message and no wake-up is ever left behind.
//! 3. DEAD is final, and a dead word never holds a node: a push that meets DEAD gives the node
//!    back to its sender.
//! 4. A node belongs to its sender before the successful push, to the word until a take, and to
//!    the taker from then on.
//! 5. Nodes of one sender are in the inbox in the order in which they were sent: `first` is older
//!    than all that the word holds, for its push was the one that set SCHEDULED.
//! 6. GIVEN says that one counted reference on the cell has come with a wake-up. It is set by a
//!    wake that finds it clear, together with SCHEDULED or while SCHEDULED is set, and belongs to
//!    the owner of SCHEDULED from then on: see [`Spares`].
//! 7. `first` belongs to the owner of SCHEDULED. It is filled by the push or the claim that sets
//!    SCHEDULED, before the `Runnable` goes anywhere, and emptied by the turn that follows; in
//!    between nobody reads it but people who look in.
//!
//! Orderings. Each change of the word is a read-modify-write, so there is one modification order.
//! A successful push, wake and `end_turn` release; take, wake, push and `finish` acquire. So a
//! taker sees the contents of each node (push to take), and the next owner of SCHEDULED sees all
//! that the previous owner did to the future (`end_turn` to push or wake). What is in `first`, and
//! what the owner of SCHEDULED has seen, comes to the turn with the `Runnable`: whatever passes that
//! on between threads releases and acquires.
//!
//! The in-transit count saturates and exists only where pointers have 64 bits; it is there for
//! people who look in from outside, never for a decision.

use std::ptr::{self, NonNull};

use super::node::{Node, NodeList, NodePtr};
use crate::collision;
use crate::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// One `Runnable` exists.
const SCHEDULED: usize = 1;
/// Woken while SCHEDULED: poll once more.
const WOKEN: usize = 2;
/// Finished.
const DEAD: usize = 4;
/// A counted reference came with a wake-up.
const GIVEN: usize = 8;
const STATE: usize = 0xf;

#[cfg(target_pointer_width = "64")]
mod count {
    const SHIFT: u32 = 48;
    const ONE: usize = 1 << SHIFT;
    pub(super) const MASK: usize = usize::MAX << SHIFT;

    /// The count field of a word with one node more.
    #[inline(always)]
    pub(super) fn incremented(word: usize) -> usize {
        let count = word & MASK;
        if count == MASK { count } else { count + ONE }
    }

    pub(super) fn of(word: usize) -> usize {
        word >> SHIFT
    }
}

#[cfg(not(target_pointer_width = "64"))]
mod count {
    pub(super) const MASK: usize = 0;

    #[inline(always)]
    pub(super) fn incremented(_: usize) -> usize {
        0
    }

    pub(super) fn of(_: usize) -> usize {
        0
    }
}

/// What the sender of a node must do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Pushed {
    /// The receiver was idle and is now the caller's to schedule.
    Schedule,
    /// Somebody else runs it anyway.
    Delivered,
    /// The receiver has finished; the node is still the caller's.
    Dead,
}

/// What the caller of a wake must do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Woken {
    /// The task was idle and is now the caller's to schedule.
    Schedule,
    /// It runs anyway, or has finished.
    Nothing,
}

/// What a wake that brings its own reference did with it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Given {
    /// The reference is the task's now.
    Accepted(Woken),
    /// It is still the caller's.
    Refused(Woken),
}

/// What the start of a turn found.
#[derive(Debug)]
#[must_use]
pub(crate) struct Begun {
    /// What came in since the last turn.
    pub(crate) inbox: NodeList,
    /// A reference came that the spares have no room for: the caller must release it.
    pub(crate) surplus: bool,
}

impl Begun {
    fn nothing() -> Begun {
        Begun {
            inbox: NodeList::new(),
            surplus: false,
        }
    }
}

/// References on its own cell that a task keeps, to lend them out as wakers.
///
/// A task that waits for an answer gives a waker away and gets it back with the answer, over and
/// over. To count it up and down each time costs two read-modify-writes; instead the reference
/// travels: a wake by value leaves it in the word, by the same operation that wakes.
///
/// Read and written by the owner of SCHEDULED only. GIVEN stays in the word after its reference
/// was collected, until an operation that changes the word anyway clears it; meanwhile it is STALE.
#[derive(Debug)]
pub(crate) struct Spares(AtomicU8);

/// GIVEN was collected already.
const STALE: u8 = 0x80;
/// More wakers than this at a time are counted up and down.
const MOST: u8 = 8;

impl Spares {
    pub(crate) fn new() -> Spares {
        Spares(AtomicU8::new(0))
    }

    #[inline]
    fn is_stale(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STALE != 0
    }

    #[inline]
    fn set_stale(&self, stale: bool) {
        let count = self.count();
        self.0
            .store(if stale { count | STALE } else { count }, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn count(&self) -> u8 {
        self.0.load(Ordering::Relaxed) & !STALE
    }

    /// Takes one, if there is one.
    #[inline]
    pub(crate) fn lend(&self) -> bool {
        let spares = self.0.load(Ordering::Relaxed);
        if spares & !STALE == 0 {
            return false;
        }
        self.0.store(spares - 1, Ordering::Relaxed);
        true
    }

    /// Keeps one more, if there is room.
    #[inline]
    pub(crate) fn collect(&self) -> bool {
        let spares = self.0.load(Ordering::Relaxed);
        if spares & !STALE == MOST {
            return false;
        }
        self.0.store(spares + 1, Ordering::Relaxed);
        true
    }
}

/// What the end of a turn found.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Ended {
    /// The task is idle: the caller must not touch it again.
    Idle,
    /// Something came in meanwhile: the caller still owns the `Runnable`.
    Again,
}

/// The word, and the node that set it going.
#[derive(Debug)]
pub(crate) struct Word {
    bits: AtomicPtr<Node>,
    /// By invariant 7 the owner's; atomic for those who look in.
    first: AtomicPtr<Node>,
}

#[inline(always)]
fn pointer(word: *mut Node) -> *mut Node {
    word.map_addr(|address| address & !(STATE | count::MASK))
}

/// Whether another sender has changed the word. (The receiver is no rival: who makes way for it, lets it run out of
/// messages.)
#[inline]
fn is_other_senders(before: *mut Node, now: *mut Node) -> bool {
    let newest = pointer(now);
    !newest.is_null() && newest != pointer(before)
}

#[inline(always)]
fn bare(bits: usize) -> *mut Node {
    ptr::without_provenance_mut(bits)
}

impl Word {
    /// A word whose creator owns the first `Runnable`.
    pub(crate) fn scheduled() -> Word {
        Word {
            bits: AtomicPtr::new(bare(SCHEDULED)),
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Appends a node, and tries again at once where another sender was quicker: for who holds a lock.
    ///
    /// # Safety
    ///
    /// The caller owns the node, and the node is alive and 16-aligned.
    #[inline]
    pub(crate) unsafe fn push(&self, node: NodePtr) -> Pushed {
        // SAFETY: the caller's promise.
        unsafe { self.push_or(node, || ()) }
    }

    /// As [`push`](Self::push), but stands back for who was quicker.
    ///
    /// # Safety
    ///
    /// As `push`.
    #[inline]
    pub(crate) unsafe fn push_politely(&self, node: NodePtr) -> Pushed {
        // SAFETY: the caller's promise.
        unsafe { self.push_or(node, collision::stand_back) }
    }

    /// Appends a node; `collided` is called after each exchange that failed because of another sender.
    #[inline]
    unsafe fn push_or(&self, node: NodePtr, collided: impl Fn()) -> Pushed {
        let mut seen = self.bits.load(Ordering::Relaxed);
        loop {
            if seen.addr() & DEAD != 0 {
                return Pushed::Dead;
            }
            let new = if seen.addr() & SCHEDULED == 0 {
                // By invariant 2 there is nothing else in the word.
                bare(SCHEDULED)
            } else {
                // SAFETY: by invariant 4 the node is the caller's until the exchange below succeeds.
                unsafe { node.as_ref().set_next(pointer(seen)) };
                let bits = (seen.addr() & STATE) | count::incremented(seen.addr());
                node.as_ptr().map_addr(|address| address | bits)
            };
            // AcqRel: publishes the node to the take in `begin_turn`; acquires from `end_turn`
            // what the last turn did to the future, in case we are to schedule the next one.
            match self
                .bits
                .compare_exchange_weak(seen, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if seen.addr() & SCHEDULED == 0 => {
                    // SAFETY: the node is the caller's, and so is the task now.
                    unsafe { self.put_first(node) };
                    return Pushed::Schedule;
                }
                Ok(_) => return Pushed::Delivered,
                Err(now) if is_other_senders(seen, now) && cfg!(not(loom)) => {
                    collided();
                    seen = self.bits.load(Ordering::Relaxed);
                }
                Err(now) => seen = now,
            }
        }
    }

    /// Makes sure that the task is polled at least once after this call.
    #[inline]
    pub(crate) fn wake(&self) -> Woken {
        let mut seen = self.bits.load(Ordering::Relaxed);
        loop {
            let bits = seen.addr() & STATE;
            let new = if bits & DEAD != 0 {
                return Woken::Nothing;
            } else if bits & SCHEDULED == 0 {
                // By invariant 2 there is neither a node nor WOKEN.
                bare(SCHEDULED)
            } else {
                // Even where WOKEN is set already the write is needed: it publishes what the
                // waker did before to the poll that clears the bit.
                seen.map_addr(|address| address | WOKEN)
            };
            match self
                .bits
                .compare_exchange_weak(seen, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if bits & SCHEDULED == 0 => return Woken::Schedule,
                Ok(_) => return Woken::Nothing,
                Err(now) => seen = now,
            }
        }
    }

    /// As [`wake`](Self::wake), by someone who owns a counted reference and wants to get rid of it.
    #[inline]
    pub(crate) fn wake_giving(&self) -> Given {
        let mut seen = self.bits.load(Ordering::Relaxed);
        loop {
            let bits = seen.addr() & STATE;
            let new = if bits & DEAD != 0 {
                return Given::Refused(Woken::Nothing);
            } else if bits & SCHEDULED == 0 {
                bare(SCHEDULED | GIVEN)
            } else {
                seen.map_addr(|address| address | WOKEN | GIVEN)
            };
            // Orderings as in `wake`.
            match self
                .bits
                .compare_exchange_weak(seen, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if bits & SCHEDULED == 0 => return Given::Accepted(Woken::Schedule),
                Ok(_) if bits & GIVEN == 0 => return Given::Accepted(Woken::Nothing),
                Ok(_) => return Given::Refused(Woken::Nothing),
                Err(now) => seen = now,
            }
        }
    }

    /// Leaves a node for the turn that comes.
    ///
    /// # Safety
    ///
    /// The caller owns the node, and SCHEDULED, which it set itself just now: by a push or a
    /// [`claim`](Self::claim).
    #[inline]
    pub(crate) unsafe fn put_first(&self, node: NodePtr) {
        // Relaxed: invariant 7.
        self.first.store(node.as_ptr(), Ordering::Relaxed);
    }

    /// Takes an idle task for its owner-to-be, without a node or a wake-up.
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        self.bits
            .compare_exchange(
                ptr::null_mut(),
                bare(SCHEDULED),
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Starts a turn: takes the inbox and forgets wake-ups, for this poll covers them.
    ///
    /// The caller owns SCHEDULED.
    #[inline]
    pub(crate) fn begin_turn(&self, spares: &Spares) -> Begun {
        let seen = self.bits.load(Ordering::Relaxed).addr();
        let quiet = seen == SCHEDULED || (seen == SCHEDULED | GIVEN && spares.is_stale());
        let mut begun = match quiet {
            true => Begun::nothing(),
            false => self.take_turn(spares),
        };
        if let Some(first) = NonNull::new(self.first.load(Ordering::Relaxed)) {
            // Release: whoever looks in and finds it empty sees that this turn has begun.
            self.first.store(ptr::null_mut(), Ordering::Release);
            // SAFETY: by invariant 7 the node is ours.
            unsafe { begun.inbox.push_front(first) };
        }
        begun
    }

    /// As [`begin_turn`](Self::begin_turn), where the word has something new to say.
    fn take_turn(&self, spares: &Spares) -> Begun {
        let seen = self.bits.load(Ordering::Relaxed);
        let (inbox, given, stays) = if seen.addr() == SCHEDULED | GIVEN {
            (NodeList::new(), true, true)
        } else {
            // AcqRel: acquires the nodes from their pushes and the wakers' work from their wakes;
            // the release half keeps the release sequence of those unbroken.
            let taken = self.bits.swap(bare(SCHEDULED), Ordering::AcqRel);
            // SAFETY: by invariant 4 the chain that the swap took out is ours alone.
            let inbox = unsafe { NodeList::from_newest(pointer(taken)) };
            (inbox, taken.addr() & GIVEN != 0, false)
        };
        let mut surplus = false;
        if given {
            surplus = !spares.is_stale() && !spares.collect();
            spares.set_stale(stays);
        }
        Begun { inbox, surplus }
    }

    /// Takes what came in since the turn began, in the middle of it. If there was anything, the task
    /// has another turn after this one: what was taken may ask for more than this one can do.
    ///
    /// The caller owns SCHEDULED.
    pub(crate) fn take_news(&self) -> NodeList {
        let mut seen = self.bits.load(Ordering::Relaxed);
        while !pointer(seen).is_null() {
            let rest = bare((seen.addr() & STATE) | WOKEN);
            // Orderings as in `begin_turn`. Wake-ups stay, for this is no poll that covers them.
            match self
                .bits
                .compare_exchange_weak(seen, rest, Ordering::AcqRel, Ordering::Relaxed)
            {
                // SAFETY: by invariant 4 the chain that the exchange took out is ours alone.
                Ok(_) => return unsafe { NodeList::from_newest(pointer(seen)) },
                Err(now) => seen = now,
            }
        }
        NodeList::new()
    }

    /// Ends a turn whose task waits. The caller owns SCHEDULED, and gives it up on `Idle`.
    #[inline]
    pub(crate) fn end_turn(&self, spares: &Spares) -> Ended {
        let stale = spares.is_stale();
        // Not after the exchange: the spares are the next owner's then.
        spares.set_stale(false);
        // Release: publishes this turn's changes to the future to whoever schedules it next.
        let idle = self.bits.compare_exchange(
            bare(if stale { SCHEDULED | GIVEN } else { SCHEDULED }),
            ptr::null_mut(),
            Ordering::Release,
            Ordering::Relaxed,
        );
        if idle.is_ok() {
            return Ended::Idle;
        }
        spares.set_stale(stale);
        Ended::Again
    }

    /// Whether anything came in since the turn began. The caller owns SCHEDULED.
    #[inline]
    pub(crate) fn has_news(&self, spares: &Spares) -> bool {
        let known = if spares.is_stale() {
            SCHEDULED | GIVEN
        } else {
            SCHEDULED
        };
        self.bits.load(Ordering::Relaxed).addr() != known
    }

    /// Finishes the task and takes what the inbox still holds; what GIVEN brought is surplus. The
    /// caller owns SCHEDULED.
    pub(crate) fn finish(&self, spares: &Spares) -> Begun {
        debug_assert!(
            self.first.load(Ordering::Relaxed).is_null(),
            "the last turn has begun, and by invariant 7 emptied it"
        );
        let taken = self.bits.swap(bare(DEAD), Ordering::AcqRel);
        Begun {
            // SAFETY: by invariants 3 and 4 the chain is ours alone and nobody can add to it.
            inbox: unsafe { NodeList::from_newest(pointer(taken)) },
            surplus: taken.addr() & GIVEN != 0 && !spares.is_stale(),
        }
    }

    /// Whether the word says SCHEDULED and nothing else.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.bits.load(Ordering::Relaxed).addr() == SCHEDULED
    }

    /// Whether the task has finished.
    pub(crate) fn is_dead(&self) -> bool {
        self.bits.load(Ordering::Acquire).addr() & DEAD != 0
    }

    /// Whether a `Runnable` exists, at some moment near this call.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.bits.load(Ordering::Relaxed).addr() & SCHEDULED != 0
    }

    /// How many nodes wait to be taken, at some moment near this call (at most 65,536).
    pub(crate) fn in_transit(&self) -> usize {
        let first = usize::from(!self.first.load(Ordering::Relaxed).is_null());
        first + count::of(self.bits.load(Ordering::Relaxed).addr())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sender_makes_way_for_other_senders_alone() {
        let word = |node: usize, bits: usize| bare(node | bits);
        let mine = word(0x40, SCHEDULED);
        assert!(is_other_senders(mine, word(0x80, SCHEDULED)));
        assert!(is_other_senders(bare(SCHEDULED), mine));
        // The receiver has been woken, has taken the messages, has come to rest, has ended.
        for now in [
            word(0x40, SCHEDULED | WOKEN),
            bare(SCHEDULED),
            bare(0),
            bare(DEAD),
        ] {
            assert!(!is_other_senders(mine, now), "{now:p}");
        }
    }
}
