//! What a sender does when another one was quicker.
//!
//! Each push to an inbox is an exchange of one word, and for that the processor must own the word's line.
//! Where two processors push as fast as they can, the line goes from one to the other for nearly every
//! message, which takes longer than all the rest of it. So a sender whose exchange fails because another one's
//! came first lets that one go on for a while: it then pushes hundreds of messages while the line is its own.
//! (Who fails because of the receiver tries again at once: else the receiver would have nothing to do.)
//!
//! A collision is no reason to wait, for it is rare where turns send little. What tells the bulk
//! senders is that they collide again in the same turn; they wait twice as long each time, up to some
//! microseconds, a small part of what their turn takes anyway. A thread that has no turns always waits the
//! shortest time; and who holds a lock never does.

use std::cell::Cell;
use std::hint;

/// Pauses after the second collision of a turn, and doublings of that: some 0.3 us up to 5 us where a pause is
/// 60 cycles, and twice as much where it is 140.
const SHORTEST: u32 = 16;
const DOUBLINGS: u32 = 4;
/// In place of a count, on threads that have no turns.
const NO_TURN: u32 = u32::MAX;

thread_local! {
    /// Collisions in the present turn.
    static COLLISIONS: Cell<u32> = const { Cell::new(NO_TURN) };
}

/// A turn begins.
#[inline]
pub(crate) fn begin_turn() {
    COLLISIONS.set(0);
}

/// Waits as long as is good for all, after an exchange that failed.
#[cold]
pub(crate) fn stand_back() {
    let before = COLLISIONS.get();
    // NO_TURN stays what it is.
    COLLISIONS.set(before.saturating_add(1));
    for _ in 0..pauses(before) {
        hint::spin_loop();
    }
}

/// After so many collisions before this one.
fn pauses(before: u32) -> u32 {
    match before {
        0 => 0,
        NO_TURN => SHORTEST,
        _ => SHORTEST << (before - 1).min(DOUBLINGS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_collides_again_waits_longer_up_to_a_limit() {
        let waits: Vec<_> = (0..8).map(pauses).collect();
        assert_eq!(waits, [0, 16, 32, 64, 128, 256, 256, 256]);
        assert_eq!(pauses(1_000_000), 256);
    }

    #[test]
    fn a_thread_without_turns_never_waits_long() {
        let collide = || {
            (0..100).for_each(|_| stand_back());
            pauses(COLLISIONS.get())
        };
        let waits = std::thread::spawn(collide).join();
        assert_eq!(waits.ok(), Some(SHORTEST));
    }

    #[test]
    fn each_turn_begins_anew() {
        begin_turn();
        (0..3).for_each(|_| stand_back());
        assert_eq!(COLLISIONS.get(), 3);
        begin_turn();
        assert_eq!(COLLISIONS.get(), 0);
    }
}
