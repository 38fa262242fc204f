//! Which crashes are printed, and which are only counted.
//!
//! The first crash of its looks is printed, and opens a window. Those that look the same are
//! counted while it lasts; when it ends, the last of them is printed with the count, and the next
//! window begins. A window without a repetition ends silently, and the crash is forgotten.
//!
//! Invariants
//! 1. Each crash is printed at once, or is one of exactly one count.
//! 2. Somebody looks at the end of each window in which there is something to count.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rekindle_scheduler::Time;

use super::CrashReport;

/// How long a window lasts.
const WINDOW: Duration = Duration::from_secs(5);
/// How many crashes are known before those that are over are looked for.
const FEW: usize = 64;

/// What a crash looks like: the crash itself, and what was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Looks {
    crash: u64,
    outcome: u64,
}

impl Looks {
    /// Without pid and name: one cause may bring a hundred processes down.
    pub(super) fn of(report: &CrashReport) -> Looks {
        let mut crash = DefaultHasher::new();
        report.behaviour.hash(&mut crash);
        let at = report.spawned_at;
        (at.file(), at.line(), at.column()).hash(&mut crash);
        report.reason.to_string().hash(&mut crash);
        let mut outcome = DefaultHasher::new();
        report.outcome.hash(&mut outcome);
        Looks {
            crash: crash.finish(),
            outcome: outcome.finish(),
        }
    }
}

/// What becomes of a report.
#[derive(Debug)]
#[must_use]
pub(super) enum Verdict {
    /// It is printed, after what was counted before of the same crash.
    Print {
        report: Box<CrashReport>,
        before: Vec<Repeated>,
    },
    /// It is counted, the first one in its window: look again when that ends.
    First { ends_at: Time },
    /// It is counted.
    Counted,
}

/// What there is to do at the end of a window.
#[derive(Debug)]
#[must_use]
pub(super) enum WindowEnd {
    /// Nothing.
    Over,
    /// To be printed.
    Repeated(Repeated),
    /// It has not ended yet.
    Later(Time),
}

/// Crashes that were counted and not printed.
#[derive(Debug)]
pub(super) struct Repeated {
    pub(super) last: Box<CrashReport>,
    pub(super) count: u64,
    /// Since the last one that was printed.
    pub(super) over: Duration,
}

/// The crashes of the last moments, by their looks.
#[derive(Debug, Default)]
pub(super) struct Storms {
    known: BTreeMap<Looks, Storm>,
    /// How many there may be before the next sweep; zero before the first.
    room: usize,
}

#[derive(Debug)]
struct Storm {
    since: Time,
    counted: u64,
    last: Option<Box<CrashReport>>,
}

impl Storm {
    fn is_over(&self, now: Time) -> bool {
        now >= self.since.saturating_add(WINDOW)
    }

    /// What was counted; the next window begins.
    fn take(&mut self, now: Time) -> Option<Repeated> {
        let over = now.saturating_since(self.since);
        self.since = now;
        let count = std::mem::take(&mut self.counted);
        let last = self.last.take()?;
        Some(Repeated { last, count, over })
    }
}

impl Storms {
    pub(super) fn accept(&mut self, looks: Looks, report: CrashReport, now: Time) -> Verdict {
        if let Some(storm) = self.known.get_mut(&looks)
            && (!storm.is_over(now) || storm.counted > 0)
        {
            storm.counted += 1;
            storm.last = Some(Box::new(report));
            return match storm.counted {
                1 => Verdict::First {
                    ends_at: storm.since.saturating_add(WINDOW),
                },
                _ => Verdict::Counted,
            };
        }
        self.sweep(now);
        // Another outcome of the same crash is news, and comes after what led to it.
        let all = (u64::MIN, u64::MAX);
        let same = |outcome| Looks { outcome, ..looks };
        let before = self
            .known
            .range_mut(same(all.0)..=same(all.1))
            .filter_map(|(_, storm)| storm.take(now))
            .collect();
        self.known.insert(
            looks,
            Storm {
                since: now,
                counted: 0,
                last: None,
            },
        );
        Verdict::Print {
            report: Box::new(report),
            before,
        }
    }

    pub(super) fn window_ends(&mut self, looks: Looks, now: Time) -> WindowEnd {
        let Some(storm) = self.known.get_mut(&looks) else {
            return WindowEnd::Over;
        };
        if storm.counted == 0 {
            // Printed meanwhile, before a crash with another outcome.
            return WindowEnd::Over;
        }
        if !storm.is_over(now) {
            return WindowEnd::Later(storm.since.saturating_add(WINDOW));
        }
        match storm.take(now) {
            Some(repeated) => WindowEnd::Repeated(repeated),
            None => WindowEnd::Over,
        }
    }

    /// Everything that was counted; nothing is known afterwards.
    pub(super) fn drain(&mut self, now: Time) -> Vec<Repeated> {
        std::mem::take(&mut self.known)
            .into_values()
            .filter_map(|mut storm| storm.take(now))
            .collect()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.len()
    }

    /// Forgets what is over, whenever there is twice as much as the last time.
    fn sweep(&mut self, now: Time) {
        if self.known.len() >= self.room.max(FEW) {
            self.known
                .retain(|_, storm| storm.counted > 0 || !storm.is_over(now));
            self.room = 2 * self.known.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::report;
    use super::*;
    use crate::exit::ExitReason;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    /// Has a crash with this outcome at this time; what is printed, as counts, the crash itself
    /// as 0.
    fn crash(storms: &mut Storms, outcome: &'static str, millis: u64) -> Vec<u64> {
        let report = CrashReport {
            outcome: Some(outcome),
            ..report()
        };
        match storms.accept(Looks::of(&report), report, at(millis)) {
            Verdict::Print { before, .. } => {
                let before = before.into_iter().map(|repeated| repeated.count);
                before.chain([0]).collect()
            }
            Verdict::First { ends_at } => {
                assert!(ends_at > at(millis));
                Vec::new()
            }
            Verdict::Counted => Vec::new(),
        }
    }

    #[test]
    fn a_storm_is_counted_in_windows() {
        let mut storms = Storms::default();
        let looks = Looks::of(&report());
        assert_eq!(crash(&mut storms, "restarted", 0), [0]);
        for n in 1..=999 {
            assert_eq!(crash(&mut storms, "restarted", n), [] as [u64; 0]);
        }
        assert!(matches!(
            storms.window_ends(looks, at(4_999)),
            WindowEnd::Later(end) if end == at(5_000)
        ));
        let WindowEnd::Repeated(repeated) = storms.window_ends(looks, at(5_000)) else {
            panic!("999 were counted");
        };
        assert_eq!(
            (repeated.count, repeated.over),
            (999, Duration::from_secs(5))
        );
        // The next window has begun, and one that ends without a crash ends silently.
        assert_eq!(crash(&mut storms, "restarted", 6_000), [] as [u64; 0]);
        assert!(matches!(
            storms.window_ends(looks, at(10_000)),
            WindowEnd::Repeated(repeated) if repeated.count == 1
        ));
        assert!(matches!(
            storms.window_ends(looks, at(15_000)),
            WindowEnd::Over
        ));
        assert_eq!(crash(&mut storms, "restarted", 15_000), [0]);
    }

    #[test]
    fn another_outcome_is_news_and_comes_after_what_led_to_it() {
        let mut storms = Storms::default();
        assert_eq!(crash(&mut storms, "restarted", 0), [0]);
        assert_eq!(crash(&mut storms, "restarted", 1), [] as [u64; 0]);
        assert_eq!(crash(&mut storms, "restarted", 2), [] as [u64; 0]);
        assert_eq!(crash(&mut storms, "gave_up", 3), [2, 0]);
        assert_eq!(crash(&mut storms, "restarted", 4), [] as [u64; 0]);
        assert_eq!(crash(&mut storms, "gave_up", 5), [] as [u64; 0]);
        let drained: u64 = storms
            .drain(at(6))
            .iter()
            .map(|repeated| repeated.count)
            .sum();
        assert_eq!(drained, 2);
        assert!(storms.drain(at(7)).is_empty());
    }

    #[test]
    fn many_different_crashes_are_not_remembered_for_ever() {
        let mut storms = Storms::default();
        for n in 0..10_000 {
            let report = CrashReport {
                reason: ExitReason::msg(format!("{n}")),
                ..report()
            };
            let verdict = storms.accept(Looks::of(&report), report, at(n * 100));
            assert!(matches!(verdict, Verdict::Print { .. }));
        }
        assert!(storms.len() < 200, "{}", storms.len());
    }
}
