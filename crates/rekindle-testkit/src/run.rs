//! The runs of one test: which, how many, and what becomes of a failure.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use crate::kit::Crash;
use crate::once::{self, Once, Outcome, Verdict};
use crate::report::{Explored, Found, trace_lines, write_log};
use crate::strategy::Strategy;
use crate::test::Test;

/// Seeds of a simulated test unless told otherwise.
const SEEDS: u64 = 10;
/// Workers of a test on real threads unless told otherwise.
const WORKERS: usize = 2;
/// Steps after which a simulated run counts as endless.
pub(crate) const MAX_STEPS: u64 = 5_000_000;
/// When a test on real threads counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);
/// Events that are kept of a run that is shown.
pub(crate) const RECORDED: usize = 2_000;
/// Further runs, and steps, that are spent on finding a shorter one that fails in the same way.
const SHRINKING_RUNS: u64 = 200;
const SHRINKING_STEPS: u64 = 1_000_000;

/// A test: what `#[rekindle::test]` writes, and what a program can run by itself.
///
/// | option          | default             | environment                                        |
/// |-----------------|---------------------|----------------------------------------------------|
/// | `workers`       | 2 (real threads)    |                                                    |
/// | `patience`      | 60 s (real threads) |                                                    |
/// | `simulated`     | no                  |                                                    |
/// | `seeds`         | 10                  | `REKINDLE_SEEDS=n`: that many                      |
/// | `seed`          | 0: the first one    | `REKINDLE_SEED=n`: this one alone                  |
/// | `strategy`      | `random`            | `REKINDLE_STRATEGY="pct(depth = 3)"`               |
/// | `max_steps`     | 5,000,000           |                                                    |
///
/// ```
/// use rekindle::testkit::{Test, TestRun};
/// use rekindle::prelude::*;
///
/// let explored = TestRun::new("two_tasks").seeds(100).explore(|_t: Test| async {
///     let one = Task::spawn(async { 1 });
///     let two = Task::spawn(async { 2 });
///     assert_eq!(one.await.unwrap() + two.await.unwrap(), 3);
/// });
/// assert!(explored.found.is_none());
/// assert!(explored.distinct > 10);
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing runs until `run` or `explore`"]
pub struct TestRun {
    name: String,
    package: Option<String>,
    workers: usize,
    patience: Duration,
    simulated: bool,
    seeds: u64,
    seed: u64,
    strategy: Strategy,
    max_steps: u64,
    from_environment: bool,
}

impl TestRun {
    /// A test of this name, on real threads.
    pub fn new(name: impl Into<String>) -> TestRun {
        TestRun {
            name: name.into(),
            package: None,
            workers: WORKERS,
            patience: PATIENCE,
            simulated: false,
            seeds: SEEDS,
            seed: 0,
            strategy: Strategy::Random,
            max_steps: MAX_STEPS,
            from_environment: false,
        }
    }

    /// For the attribute: the test of this package at this path, which the environment may change.
    #[doc(hidden)]
    pub fn of_attribute(package: &str, path: &str) -> TestRun {
        // The test harness leaves the crate's name out.
        let name = path.split_once("::").map_or(path, |(_, name)| name);
        TestRun {
            package: Some(package.to_owned()),
            from_environment: true,
            ..TestRun::new(name)
        }
    }

    /// Says how many workers a test on real threads has.
    pub fn workers(mut self, workers: usize) -> TestRun {
        self.workers = workers;
        self
    }

    /// Says after how much real time a test on real threads counts as hung.
    pub fn patience(mut self, patience: Duration) -> TestRun {
        self.patience = patience;
        self
    }

    /// Runs the test under the simulator.
    pub fn simulated(mut self) -> TestRun {
        self.simulated = true;
        self
    }

    /// Says under how many seeds the test runs, under the simulator.
    pub fn seeds(mut self, seeds: u64) -> TestRun {
        self.seeds = seeds;
        self.simulated()
    }

    /// Says which seed is the first, under the simulator.
    pub fn seed(mut self, seed: u64) -> TestRun {
        self.seed = seed;
        self.simulated()
    }

    /// Says how orders are explored, under the simulator.
    pub fn strategy(mut self, strategy: Strategy) -> TestRun {
        self.strategy = strategy;
        self.simulated()
    }

    /// Says after how many steps a simulated run counts as endless.
    pub fn max_steps(mut self, steps: u64) -> TestRun {
        self.max_steps = steps;
        self
    }

    /// What the environment says counts more than what the code says.
    fn heed_environment(&mut self) {
        if !self.from_environment || !self.simulated {
            return;
        }
        if let Some(strategy) = variable("REKINDLE_STRATEGY") {
            self.strategy = strategy;
        }
        if let Some(seeds) = variable("REKINDLE_SEEDS") {
            self.seeds = seeds;
        }
        if let Some(seed) = variable("REKINDLE_SEED") {
            (self.seed, self.seeds) = (seed, 1);
        }
    }

    /// Runs the test.
    ///
    /// # Panics
    ///
    /// If it fails, with all that is known of the failure.
    pub fn run<M, F, Fut>(mut self, body: F)
    where
        M: Send + 'static,
        F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Verdict,
    {
        self.heed_environment();
        let body = Arc::new(body);
        if self.simulated {
            let explored = self.explore_shared(&body);
            match explored.found {
                Some(_) => panic!("{explored}"),
                None => println!(
                    "{explored} (strategy {}, seeds {} to {})",
                    self.strategy,
                    self.seed,
                    self.seed + self.seeds.saturating_sub(1)
                ),
            }
            return;
        }
        let outcome = once::threaded(self.workers, self.patience, &body);
        if let Some(failure) = outcome.failure {
            let mut text = failure.text;
            text.push('\n');
            // Writing to a string cannot fail.
            let _ = write_log(&mut text, &outcome.log);
            panic!("{}", text.trim_end());
        }
    }

    /// Runs the test under the simulator, and says what came of it instead of panicking. It heeds
    /// no environment.
    ///
    /// ```
    /// use rekindle::testkit::{Test, TestRun};
    /// use rekindle::prelude::*;
    ///
    /// let explored = TestRun::new("waits_for_ever").seeds(10).explore(|_t: Test| async {
    ///     Task::spawn(std::future::pending::<()>()).await
    /// });
    /// let found = explored.found.unwrap();
    /// assert!(found.failure.text.contains("nothing will ever happen"));
    /// assert_eq!(found.first_at, 1);
    /// ```
    pub fn explore<M, F, Fut>(&self, body: F) -> Explored
    where
        M: Send + 'static,
        F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Verdict,
    {
        self.explore_shared(&Arc::new(body))
    }

    fn explore_shared<M, F, Fut>(&self, body: &Arc<F>) -> Explored
    where
        M: Send + 'static,
        F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Verdict,
    {
        let mut search = Search {
            test: self,
            hashes: BTreeSet::new(),
            runs: 0,
            steps: 0,
            measured: 0,
        };
        let run = |search: &mut Search<'_>, seed, strategy: Strategy| {
            let outcome = once::simulated(search.once(seed, strategy, None), body);
            search.note(&outcome);
            outcome
        };
        let mut failed = None;
        if self.strategy.needs_steps() {
            let outcome = run(&mut search, self.seed, Strategy::Random);
            search.measured = outcome.steps;
            failed = outcome
                .failure
                .map(|failure| (self.seed, Strategy::Random, outcome.steps, failure));
        }
        for seed in (self.seed..).take(usize::try_from(self.seeds).unwrap_or(usize::MAX)) {
            if failed.is_some() {
                break;
            }
            let outcome = run(&mut search, seed, self.strategy);
            failed = outcome
                .failure
                .map(|failure| (seed, self.strategy, outcome.steps, failure));
        }
        let Some((mut seed, mut strategy, mut steps, failure)) = failed else {
            return search.explored(None);
        };

        // A shorter one, of the same kind: by other seeds, and by few changes of priority, which
        // make long stretches of one process.
        let (first_at, mut among) = (search.runs, 1);
        if search.measured == 0 {
            search.measured = steps;
        }
        let budget = search.steps + SHRINKING_STEPS;
        let attempts = if self.seeds > 1 { SHRINKING_RUNS } else { 0 };
        for attempt in 0..attempts {
            if search.steps >= budget {
                break;
            }
            let tried = match attempt % 3 {
                0 => self.strategy,
                1 => Strategy::pct(1),
                _ => Strategy::pct(2),
            };
            let tried = match tried == self.strategy {
                true => tried,
                false => tried.fixed(search.measured),
            };
            let tried_seed = seed.wrapping_add(1 + attempt / 3);
            let outcome = run(&mut search, tried_seed, tried);
            if outcome.failure.is_some_and(|f| f.kind == failure.kind) {
                among += 1;
                // The test's own strategy replays by the seed alone; another one must be worth it.
                let needed = match tried == self.strategy {
                    true => steps,
                    false => steps / 3 * 2,
                };
                if outcome.steps < needed {
                    (seed, strategy, steps) = (tried_seed, tried, outcome.steps);
                }
            }
        }

        let shown = once::simulated(search.once(seed, strategy, Some(RECORDED)), body);
        let again = once::simulated(search.once(seed, strategy, None), body);
        let replays = shown.hash == again.hash && shown.failure == again.failure;
        let found = Found {
            failure: shown.failure.unwrap_or(failure),
            seed,
            strategy,
            steps: shown.steps,
            hash: shown.hash,
            replays,
            first_at,
            among,
            replay: self.replay(seed, strategy),
            trace: trace_lines(&shown.trace),
            log: shown.log,
        };
        search.explored(Some(found))
    }

    /// The command that shows a run again.
    fn replay(&self, seed: u64, strategy: Strategy) -> String {
        let mut command = format!("REKINDLE_SEED={seed} ");
        if strategy != self.strategy {
            // Writing to a string cannot fail.
            let _ = write!(command, "REKINDLE_STRATEGY='{strategy}' ");
        }
        command.push_str("cargo test ");
        if let Some(package) = &self.package {
            let _ = write!(command, "-p {package} ");
        }
        let _ = write!(command, "{} -- --exact", self.name);
        command
    }
}

/// The runs so far.
struct Search<'a> {
    test: &'a TestRun,
    hashes: BTreeSet<u64>,
    runs: u64,
    steps: u64,
    /// About how many steps a run has.
    measured: u64,
}

impl Search<'_> {
    fn once(&self, seed: u64, strategy: Strategy, record: Option<usize>) -> Once {
        Once {
            seed,
            exploration: strategy.exploration(self.measured),
            max_steps: self.test.max_steps,
            record,
            crash: Crash::Off,
        }
    }

    fn note(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.steps += outcome.steps;
        self.hashes.insert(outcome.hash);
    }

    fn explored(self, found: Option<Found>) -> Explored {
        Explored {
            runs: self.runs,
            distinct: self.hashes.len() as u64,
            steps: self.steps,
            found,
        }
    }
}

/// What the environment says, if it says anything.
///
/// # Panics
///
/// If it makes no sense: a replay that silently runs something else helps nobody.
fn variable<T>(name: &str) -> Option<T>
where
    T: std::str::FromStr,
    T::Err: fmt::Display,
{
    let text = std::env::var(name).ok()?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => panic!("{name}={text:?} makes no sense: {error}"),
    }
}
