//! All crash points: a process killed at each of its turns, each time in a run of its own.

use std::fmt;
use std::sync::Arc;

use rekindle_scheduler::Exploration;

use crate::kit::Crash;
use crate::once::{self, Once, Outcome, Verdict};
use crate::report::{trace_lines, write_log};
use crate::run::{MAX_STEPS, RECORDED};
use crate::test::Test;

/// Seeds unless told otherwise.
const SEEDS: u64 = 3;

/// Runs a body again and again under the simulator; each time the victim is killed one turn later,
/// until it has been killed at every receive and await of its life.
///
/// The body says who the victim is, by [`Test::victim`]; from there on its turns count. There may
/// be several, which die one at a time. The body must hold whenever the victim dies: it asserts
/// what is true after every crash, and that is the point.
///
/// ```
/// use rekindle::testkit::{Test, for_each_crash_point};
/// use rekindle::prelude::*;
///
/// let report = for_each_crash_point(|mut t: Test| async move {
///     let worker = spawn(async {
///         register("worker", self_pid()).unwrap();
///         for _ in 0..5 { sleep(Duration::from_secs(1)).await }
///     });
///     t.victim(worker);
///     t.advance(Duration::from_secs(10)).await;
///     assert_eq!(whereis("worker"), None);
/// });
/// assert!(report.pairs >= 6, "{report}");
/// ```
///
/// # Panics
///
/// If a run fails, with the seed, the victim and the turn. [`CrashPoints`] has options.
pub fn for_each_crash_point<M, F, Fut>(body: F) -> CrashPointsReport
where
    M: Send + 'static,
    F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Verdict,
{
    CrashPoints::new().run(body)
}

/// Options for [`for_each_crash_point`].
///
/// ```
/// use rekindle::testkit::{CrashPoints, Test};
/// use rekindle::prelude::*;
///
/// let body = |mut t: Test| async move {
///     let counter = t.start_supervised(Agent::child(|| 0).name("counter")).await;
///     t.victim(counter.pid().unwrap());
///     let _ = counter.update(|n| *n += 1).await; // may fail: it is being killed
///     t.settle().await;
///     assert!(whereis("counter").is_some()); // whenever it died, there is one
/// };
/// let report = CrashPoints::new().seeds(5).seed(100).run(body);
/// assert_eq!(report.scenarios, 5);
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing runs until `run`"]
pub struct CrashPoints {
    seeds: u64,
    seed: u64,
    max_steps: u64,
}

impl Default for CrashPoints {
    fn default() -> CrashPoints {
        CrashPoints::new()
    }
}

/// What was run.
///
/// ```
/// use rekindle::testkit::{Test, for_each_crash_point};
/// use rekindle::prelude::*;
///
/// let report = for_each_crash_point(|mut t: Test| async move {
///     let walker = spawn(async { for _ in 0..3 { sleep(Duration::from_secs(1)).await } });
///     t.victim(walker);
///     t.advance(Duration::from_secs(5)).await;
///     assert!(!is_alive(walker));
/// });
/// // It has four turns, under each of three seeds: was it ever killed at all?
/// assert_eq!((report.scenarios, report.pairs), (3, 12), "{report}");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashPointsReport {
    /// Scenarios: one for each seed.
    pub scenarios: u64,
    /// Pairs of a scenario and a turn in it at which a victim was killed.
    pub pairs: u64,
    /// Steps of all runs.
    pub steps: u64,
}

impl fmt::Display for CrashPointsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CrashPointsReport {
            scenarios,
            pairs,
            steps,
        } = self;
        write!(
            f,
            "{pairs} pairs of a scenario and a crash point, in {scenarios} scenarios and {steps} steps"
        )
    }
}

impl CrashPoints {
    /// Three seeds, from 0 on.
    pub fn new() -> CrashPoints {
        CrashPoints {
            seeds: SEEDS,
            seed: 0,
            max_steps: MAX_STEPS,
        }
    }

    /// Says under how many seeds: each gives another order, and another set of crash points.
    pub fn seeds(mut self, seeds: u64) -> CrashPoints {
        self.seeds = seeds;
        self
    }

    /// Says which seed is the first.
    pub fn seed(mut self, seed: u64) -> CrashPoints {
        self.seed = seed;
        self
    }

    /// Says after how many steps a run counts as endless.
    pub fn max_steps(mut self, steps: u64) -> CrashPoints {
        self.max_steps = steps;
        self
    }

    /// Runs the body for each crash point.
    ///
    /// # Panics
    ///
    /// If a run fails, or the body names no victim.
    pub fn run<M, F, Fut>(self, body: F) -> CrashPointsReport
    where
        M: Send + 'static,
        F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Verdict,
    {
        let body = Arc::new(body);
        let mut report = CrashPointsReport {
            scenarios: 0,
            pairs: 0,
            steps: 0,
        };
        let run = |seed, crash, record| {
            let once = Once {
                seed,
                exploration: Exploration::Random,
                max_steps: self.max_steps,
                record,
                crash,
            };
            once::simulated(once, &body)
        };
        let check = |seed, crash: Crash, outcome: &Outcome| {
            if outcome.failure.is_some() {
                fails(seed, crash, &run(seed, crash, Some(RECORDED)));
            }
        };
        for seed in (self.seed..).take(usize::try_from(self.seeds).unwrap_or(usize::MAX)) {
            let calm = run(seed, Crash::Count, None);
            check(seed, Crash::Count, &calm);
            assert!(
                !calm.victims.is_empty(),
                "the body of a test of crash points says whom to kill: `t.victim(pid)`"
            );
            report.scenarios += 1;
            report.steps += calm.steps;
            for (victim, turns) in calm.victims.iter().enumerate() {
                for turn in 1..=*turns {
                    let crash = Crash::At(victim, turn);
                    let outcome = run(seed, crash, None);
                    check(seed, crash, &outcome);
                    report.pairs += 1;
                    report.steps += outcome.steps;
                }
            }
        }
        report
    }
}

fn fails(seed: u64, crash: Crash, shown: &Outcome) -> ! {
    let when = match crash {
        Crash::At(victim, turn) => format!("victim {} killed at its turn {turn}", victim + 1),
        Crash::Off | Crash::Count => "nobody killed".to_owned(),
    };
    let failure = shown.failure.as_ref();
    let what = failure.map_or("the failure did not come again", |f| f.text.as_str());
    let mut text = format!("{what}\n  seed {seed}, {when}, {} steps\n", shown.steps);
    // Writing to a string cannot fail.
    let _ = write_log(&mut text, &shown.log);
    let lines = trace_lines(&shown.trace);
    text.push_str(&format!("  the last {} events:\n    ", lines.len()));
    text.push_str(&lines.join("\n    "));
    panic!("{text}");
}
