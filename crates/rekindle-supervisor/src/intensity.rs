//! How many restarts in how long. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use rekindle_actor::Time;

/// The restarts of the last period.
///
/// A restart counts for as long as it is at most one period old, the limits included, as in
/// OTP's `add_restart`. No more moments are kept than it takes to exceed the limit.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u32,
    period: Duration,
    /// Oldest first.
    restarts: VecDeque<Time>,
}

/// Whether one more restart is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// It is, as this many of the period.
    Allowed(usize),
    /// It is one too many: the supervisor gives up.
    Exceeded,
}

impl Window {
    pub(crate) fn new(limit: u32, period: Duration) -> Window {
        Window {
            limit,
            period,
            restarts: VecDeque::new(),
        }
    }

    /// Notes a restart.
    pub(crate) fn record(&mut self, now: Time) -> Verdict {
        self.restarts.push_back(now);
        while let Some(&oldest) = self.restarts.front() {
            if now.saturating_since(oldest) <= self.period {
                break;
            }
            self.restarts.pop_front();
        }
        let count = self.restarts.len();
        if count > self.limit as usize {
            // The next verdict must not be milder: the newest restart stays counted.
            self.restarts.pop_front();
            return Verdict::Exceeded;
        }
        Verdict::Allowed(count)
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    pub(crate) fn period(&self) -> Duration {
        self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO.saturating_add(Duration::from_secs(seconds))
    }

    fn verdicts(limit: u32, period: u64, moments: &[u64]) -> Vec<Verdict> {
        let mut window = Window::new(limit, Duration::from_secs(period));
        moments
            .iter()
            .map(|&moment| window.record(at(moment)))
            .collect()
    }

    #[test]
    fn the_limit_is_inclusive() {
        use Verdict::{Allowed, Exceeded};
        let rows: [(u32, u64, &[u64], &[Verdict]); 6] = [
            (
                3,
                5,
                &[0, 0, 0, 0],
                &[Allowed(1), Allowed(2), Allowed(3), Exceeded],
            ),
            (0, 5, &[0], &[Exceeded]),
            // A restart counts for exactly one period, its end included.
            (1, 5, &[0, 5], &[Allowed(1), Exceeded]),
            (1, 5, &[0, 6, 12], &[Allowed(1), Allowed(1), Allowed(1)]),
            (
                2,
                5,
                &[0, 3, 6, 9],
                &[Allowed(1), Allowed(2), Allowed(2), Allowed(2)],
            ),
            (2, 5, &[0, 3, 5], &[Allowed(1), Allowed(2), Exceeded]),
        ];
        for (limit, period, moments, expected) in rows {
            assert_eq!(
                verdicts(limit, period, moments),
                expected,
                "{limit} in {period}"
            );
        }
    }

    #[test]
    fn memory_is_bounded_by_the_limit() {
        let mut window = Window::new(3, Duration::from_secs(5));
        for _ in 0..1000 {
            let _ = window.record(at(0));
        }
        assert_eq!(window.restarts.len(), 3);
    }

    proptest::proptest! {
        /// As many moments as lie in the last period, both ends included, against the limit.
        #[test]
        fn the_window_counts_as_a_list_does(
            limit in 0..6_u32,
            period in 1..20_u64,
            gaps in proptest::collection::vec(0..12_u64, 0..60),
        ) {
            let mut window = Window::new(limit, Duration::from_secs(period));
            let mut moments: Vec<u64> = Vec::new();
            for gap in gaps {
                let moment = moments.last().unwrap_or(&0) + gap;
                moments.push(moment);
                let counted = moments.iter().filter(|m| **m + period >= moment).count();
                match window.record(at(moment)) {
                    Verdict::Allowed(count) => {
                        proptest::prop_assert_eq!(count, counted);
                        proptest::prop_assert!(counted <= limit as usize);
                    }
                    // Then the supervisor ends.
                    Verdict::Exceeded => {
                        proptest::prop_assert!(counted > limit as usize);
                        break;
                    }
                }
            }
        }
    }
}
