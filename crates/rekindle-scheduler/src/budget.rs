//! How long a task may go on before it must give way.
//!
//! A task that always finds its next message ready would never return to its worker. So each
//! operation of the layers above that could go on without waiting asks [`consume`] first, and
//! yields when the answer is no. A turn has 64 units, and on a real clock at most about 100 us,
//! looked at every 16 units of one turn because a look at the clock costs as much as a message.
//!
//! The budget belongs to the *thread's* turn, not to the task: what runs from the next-task slot
//! inherits what its waker left, so two tasks that wake each other cannot keep a worker to
//! themselves.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Messages per turn; as Akka, Pony and tokio (5, 100 and 128), in between.
const UNITS: u32 = 64;
/// How often the clock is read.
const UNITS_PER_LOOK: u32 = 16;
/// Time per turn.
const SLICE: Duration = Duration::from_micros(100);

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(UNITS) };
    /// Units spent in the present turn.
    static SPENT: Cell<u32> = const { Cell::new(0) };
    /// When the clock was first looked at in the present turn.
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Whether time counts here at all; it does not under the simulator.
    static TIMED: Cell<bool> = const { Cell::new(false) };
}

/// Gives the running thread a whole budget. `timed` says whether the real clock counts.
#[inline]
pub(crate) fn reset(timed: bool) {
    LEFT.set(UNITS);
    SPENT.set(0);
    TIMED.set(timed);
}

/// A turn begins.
#[inline]
pub(crate) fn begin_turn() {
    SPENT.set(0);
}

/// Spends one unit; `false` when the running task should yield now.
///
/// ```
/// use rekindle_scheduler::{Runtime, budget, yield_now};
///
/// let runtime = Runtime::simulated(1);
/// runtime.block_on(async {
///     // As many operations as are always ready, one after the other, without a wait.
///     let in_one_turn = (0..1000).take_while(|_| budget::consume()).count();
///     assert_eq!(in_one_turn, 64);
///     yield_now().await;
///     assert!(budget::consume()); // the next turn has a budget of its own
/// });
/// ```
#[inline]
pub fn consume() -> bool {
    let left = LEFT.get();
    if left == 0 {
        return false;
    }
    LEFT.set(left - 1);
    let spent = SPENT.get() + 1;
    SPENT.set(spent);
    if spent.is_multiple_of(UNITS_PER_LOOK) {
        look_at_clock(spent);
    }
    true
}

#[cold]
fn look_at_clock(spent: u32) {
    if !TIMED.get() {
        return;
    }
    match SINCE.get() {
        Some(since) if spent > UNITS_PER_LOOK => {
            if since.elapsed() >= SLICE {
                LEFT.set(0);
            }
        }
        _ => SINCE.set(Some(Instant::now())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_sixty_four_units() {
        reset(false);
        begin_turn();
        let spent = (0..1000).take_while(|_| consume()).count();
        assert_eq!(spent, UNITS as usize);
        reset(false);
        assert!(consume());
    }
}
