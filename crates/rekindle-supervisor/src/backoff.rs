//! Pauses before restarts.

use std::time::Duration;

/// Pauses before restarts, longer from one to the next: a dependency that is down for a while
/// does not eat up the restart intensity in a moment.
///
/// Off unless asked for; OTP has none. The pause doubles with each restart of the same child, up
/// to a cap, and starts over when the child has run for longer than the cap. Half of each pause is
/// drawn at random, so that children that fell together do not rise together; `without_jitter`
/// makes it fixed. The supervisor answers and serves its other children meanwhile. A group restart
/// stops the group at once, and pauses before it starts it.
///
/// ```
/// use std::time::Duration;
/// use rekindle_supervisor::{Backoff, Supervisor};
///
/// let supervisor = Supervisor::one_for_one()
///     .backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)))
///     .intensity(20, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    jitter: bool,
}

impl Backoff {
    /// A pause of `first` before the first restart, and of at most `cap` before any.
    #[must_use]
    pub const fn exponential(first: Duration, cap: Duration) -> Backoff {
        Backoff {
            first,
            cap,
            jitter: true,
        }
    }

    /// Pauses that are not random.
    ///
    /// ```
    /// use rekindle_supervisor::Backoff;
    /// use std::time::Duration;
    ///
    /// // For tests, and for a single client: pauses of 1 s, 2 s, 4 s, 8 s, and 8 s from then on.
    /// const PAUSES: Backoff =
    ///     Backoff::exponential(Duration::from_secs(1), Duration::from_secs(8)).without_jitter();
    /// assert_ne!(PAUSES, Backoff::exponential(Duration::from_secs(1), Duration::from_secs(8)));
    /// ```
    #[must_use]
    pub const fn without_jitter(mut self) -> Backoff {
        self.jitter = false;
        self
    }

    /// A child that ran for longer than this starts over from the first pause.
    pub(crate) fn forgives_after(&self) -> Duration {
        self.cap
    }

    /// The pause before a restart that has this many before it.
    pub(crate) fn pause(&self, before: u32, random: u64) -> Duration {
        let factor = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.cap);
        if !self.jitter {
            return full;
        }
        let half = full / 2;
        // The high half of the product: a number from zero up to, and without, the other half.
        let nanos = (half.as_nanos().min(u128::from(u64::MAX)) * u128::from(random)) >> 64;
        half + Duration::from_nanos(nanos as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_the_cap() {
        let backoff = Backoff::exponential(100 * MS, 1000 * MS).without_jitter();
        let pauses = [0, 1, 2, 3, 4, 31, 32, 1000].map(|before| backoff.pause(before, 0));
        assert_eq!(
            pauses,
            [100, 200, 400, 800, 1000, 1000, 1000, 1000].map(|n| n * MS)
        );
    }

    #[test]
    fn half_of_a_pause_is_random() {
        let backoff = Backoff::exponential(100 * MS, 1000 * MS);
        assert_eq!(backoff.pause(0, 0), 50 * MS);
        assert_eq!(backoff.pause(0, u64::MAX / 2 + 1), 75 * MS);
        assert!(backoff.pause(0, u64::MAX) < 100 * MS);
    }

    proptest::proptest! {
        #[test]
        fn a_pause_lies_between_half_and_whole_of_the_fixed_one(
            first in 0..10_000_u32,
            cap in 0..100_000_u32,
            before: u32,
            random: u64,
        ) {
            let backoff = Backoff::exponential(first * MS / 7, cap * MS / 3);
            let fixed = backoff.without_jitter();
            let (pause, full) = (backoff.pause(before, random), fixed.pause(before, random));
            proptest::prop_assert!(full / 2 <= pause && pause <= full);
            proptest::prop_assert!(full <= cap * MS / 3);
            let next = fixed.pause(before.saturating_add(1), random);
            proptest::prop_assert!(full <= next && next <= 2 * full.max(first * MS / 7));
        }
    }
}
