//! Where a runtime's time comes from: the machine's monotonic clock, or a simulation.
//!
//! Reading the machine's clock costs some 20 to 40 ns, a good part of a short poll. Hence the
//! *coarse* time: a cell with the result of a recent reading, free to read. It is shared by all
//! workers, so it is written sparingly, or its cache line would travel with every reading on every
//! worker.
//!
//! | question                        | ask        | error                                                   |
//! |---------------------------------|------------|---------------------------------------------------------|
//! | has this deadline come?         | `now()`    | none                                                    |
//! | roughly when is it, in passing? | `coarse()` | behind by the age of anybody's last reading, and `STEP` |
//!
//! Invariants
//! 1. The coarse time never goes back.
//! 2. The coarse time is never ahead of the clock.
//! 3. A thread that has seen a tick of the timer wheel begin, by `now()`, finds `coarse()` at or
//!    after that beginning. So whoever compares a deadline that is a whole tick with either comes
//!    to the same answer.
//!
//! Orderings: the cell is a number that publishes nothing else, so every access is relaxed.
//! Invariants 1 and 3 are about a single location, where the order of modifications suffices.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Time;

/// The coarse time is refreshed when it is this far behind: 60,000 writes of the shared line a
/// second at most, and a timer's tick is sixty times longer.
const STEP: u64 = 16_384;

/// The wheel's tick, for invariant 3.
const TICK: u64 = 1_000_000;

/// The clock of one runtime.
#[derive(Debug)]
pub(crate) struct Clock {
    source: Source,
    /// Nanoseconds: the coarse time, or, in a simulation, the time.
    cell: AtomicU64,
}

#[derive(Debug)]
enum Source {
    /// The machine's monotonic clock: `start` plus what has passed since `origin`.
    Machine { origin: Instant, start: Time },
    /// Whatever it was last advanced to.
    Simulated,
}

impl Clock {
    /// A clock that runs with the machine's, and reads `start` now.
    ///
    /// A runtime starts at [`Time::ZERO`]; tests also near [`Time::MAX`].
    pub(crate) fn machine(start: Time) -> Clock {
        Clock {
            source: Source::Machine {
                origin: Instant::now(),
                start,
            },
            cell: AtomicU64::new(start.as_nanos()),
        }
    }

    /// A clock that reads `start` until it is advanced.
    pub(crate) fn simulated(start: Time) -> Clock {
        Clock {
            source: Source::Simulated,
            cell: AtomicU64::new(start.as_nanos()),
        }
    }

    /// The time. Refreshes the coarse time; stops at [`Time::MAX`].
    pub(crate) fn now(&self) -> Time {
        match self.source {
            Source::Machine { origin, start } => {
                let now = start.saturating_add(origin.elapsed());
                self.refresh(now.as_nanos());
                now
            }
            Source::Simulated => self.coarse(),
        }
    }

    /// The time at which somebody last asked, or a little before. Costs one load.
    #[inline]
    pub(crate) fn coarse(&self) -> Time {
        Time::from_nanos(self.cell.load(Relaxed))
    }

    /// Moves a simulated clock forward; a time that is past already changes nothing.
    ///
    /// # Panics
    ///
    /// If the clock is the machine's.
    pub(crate) fn advance_to(&self, time: Time) {
        assert!(self.is_simulated(), "only a simulation moves the clock");
        self.cell.fetch_max(time.as_nanos(), Relaxed);
    }

    /// Whether time moves only by [`Clock::advance_to`].
    pub(crate) fn is_simulated(&self) -> bool {
        matches!(self.source, Source::Simulated)
    }

    /// Brings the cell forward to `now` if it lags enough to matter.
    fn refresh(&self, now: u64) {
        let mut cell = self.cell.load(Relaxed);
        while lags(cell, now) {
            // A failure means that another thread has refreshed it, perhaps to a later time than
            // ours.
            match self.cell.compare_exchange_weak(cell, now, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(newer) => cell = newer,
            }
        }
    }
}

/// Whether a coarse time of `cell` is too old now, or from before the current tick (invariant 3).
fn lags(cell: u64, now: u64) -> bool {
    now > cell && (now - cell >= STEP || now / TICK > cell / TICK)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn machine_clock_starts_where_it_is_told_and_never_goes_back() {
        let start = Time::from_nanos(1 << 50);
        let clock = Clock::machine(start);
        assert_eq!(clock.coarse(), start);
        let mut before = clock.now();
        assert!(before >= start);
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(now >= before);
            before = now;
        }
    }

    #[test]
    fn machine_clock_stops_at_the_end_of_time() {
        let clock = Clock::machine(Time::from_nanos(u64::MAX - 1));
        while clock.now() < Time::MAX {
            std::hint::spin_loop();
        }
        assert_eq!(clock.now(), Time::MAX);
        assert!(clock.coarse() <= Time::MAX);
    }

    #[test]
    fn coarse_time_is_never_ahead_and_at_most_a_step_behind_a_reading() {
        let clock = Clock::machine(Time::ZERO);
        for _ in 0..1_000 {
            let read = clock.now();
            let coarse = clock.coarse();
            assert!(coarse <= read);
            assert!(read - coarse < Duration::from_nanos(STEP));
        }
    }

    #[test]
    fn coarse_time_is_refreshed_by_a_step_or_by_the_beginning_of_a_tick() {
        assert!(!lags(0, 0));
        assert!(!lags(0, STEP - 1));
        assert!(lags(0, STEP));
        assert!(lags(TICK - 1, TICK));
        assert!(!lags(TICK, TICK + 1));
        assert!(!lags(u64::MAX, 0));
        assert!(lags(0, u64::MAX));
    }

    #[test]
    fn coarse_time_never_goes_back_under_a_stampede() {
        let clock = Clock::machine(Time::ZERO);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut before = Time::ZERO;
                    for _ in 0..5_000 {
                        let read = clock.now();
                        let coarse = clock.coarse();
                        assert!(coarse >= before);
                        assert!(coarse.as_nanos() / TICK >= read.as_nanos() / TICK);
                        before = coarse;
                    }
                });
            }
        });
    }

    #[test]
    fn simulated_clock_moves_only_when_advanced_and_only_forward() {
        let clock = Clock::simulated(Time::ZERO);
        assert!(clock.is_simulated());
        assert_eq!(clock.now(), Time::ZERO);
        let later = Time::ZERO + Duration::from_secs(3600);
        clock.advance_to(later);
        assert_eq!(clock.now(), later);
        assert_eq!(clock.coarse(), later);
        clock.advance_to(Time::ZERO);
        assert_eq!(clock.now(), later);
        clock.advance_to(Time::MAX);
        assert_eq!(clock.now(), Time::MAX);
    }

    #[test]
    #[should_panic(expected = "only a simulation moves the clock")]
    fn machine_clock_cannot_be_advanced() {
        Clock::machine(Time::ZERO).advance_to(Time::MAX);
    }
}
