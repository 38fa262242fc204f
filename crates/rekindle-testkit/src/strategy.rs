//! How the runs of a simulated test explore the orders in which things can happen.

use std::fmt;
use std::str::FromStr;

use rekindle_scheduler::Exploration;

/// How a simulated test explores orders. Each run's order follows from its seed.
///
/// | strategy   | a run takes next                                 | use it for                            |
/// |------------|--------------------------------------------------|---------------------------------------|
/// | `random`   | anything that can happen, at random              | the ordinary case                     |
/// | `pct(..)`  | the process of the highest priority; priorities are random and change `depth - 1` times | bugs that need a rare order of few steps |
///
/// ```
/// use rekindle::testkit::{Strategy, Test, TestRun};
/// use rekindle::prelude::*;
///
/// // Two steps must come in a rare order: depth 2.
/// let run = TestRun::new("both_pay_in").strategy(Strategy::pct(2)).seeds(100);
/// let explored = run.explore(|_t: Test| async {
///     let account = Agent::start_link(|| 0).await.unwrap();
///     let payments = [10, 20].map(|sum| {
///         let account = account.clone();
///         Task::spawn(async move {
///             let before = account.get(|balance| *balance).await.unwrap();
///             account.update(move |balance| *balance = before + sum).await.unwrap(); // loses the other
///         })
///     });
///     for payment in payments { payment.await.unwrap() }
///     assert_eq!(account.get(|balance| *balance).await, Ok(30));
/// });
/// assert!(explored.found.is_some());
/// // In text, as in `REKINDLE_STRATEGY` and in the attribute:
/// assert_eq!("pct(depth = 2)".parse(), Ok(Strategy::pct(2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// Whatever can happen is as likely as anything else.
    #[default]
    Random,
    /// By priorities: probabilistic concurrency testing, as published in 2010.
    Pct {
        /// How many steps must come in a certain order for the bug to show: 1 or more.
        depth: u32,
        /// About how many steps a run has. `None`: a first run, at random, is measured.
        steps: Option<u64>,
    },
}

/// The depth of `pct` without arguments.
const DEPTH: u32 = 3;

impl Strategy {
    /// By priorities with this depth.
    #[must_use]
    pub fn pct(depth: u32) -> Strategy {
        Strategy::Pct { depth, steps: None }
    }

    /// For the attribute.
    #[doc(hidden)]
    #[must_use]
    pub fn with(depth: u32, steps: Option<u64>) -> Strategy {
        Strategy::Pct { depth, steps }
    }

    /// What the scheduler is told, for runs of about `measured` steps.
    pub(crate) fn exploration(self, measured: u64) -> Exploration {
        match self {
            Strategy::Random => Exploration::Random,
            Strategy::Pct { depth, steps } => Exploration::Priorities {
                changes: depth.saturating_sub(1),
                steps: steps.unwrap_or(measured).max(1),
            },
        }
    }

    /// Whether a run must be measured first.
    pub(crate) fn needs_steps(self) -> bool {
        matches!(self, Strategy::Pct { steps: None, .. })
    }

    /// The same with the number of steps filled in: what replays without a first run.
    pub(crate) fn fixed(self, measured: u64) -> Strategy {
        match self {
            Strategy::Pct { depth, steps: None } => Strategy::Pct {
                depth,
                steps: Some(measured.max(1)),
            },
            fixed => fixed,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strategy::Random => f.write_str("random"),
            Strategy::Pct { depth, steps: None } => write!(f, "pct(depth = {depth})"),
            Strategy::Pct {
                depth,
                steps: Some(steps),
            } => write!(f, "pct(depth = {depth}, steps = {steps})"),
        }
    }
}

/// A text is no strategy.
///
/// ```
/// use rekindle::testkit::Strategy;
///
/// let error = "fifo".parse::<Strategy>().unwrap_err();
/// assert!(error.to_string().ends_with("there are `random` and `pct(depth = 3, steps = 500)`"));
/// assert!("pct(depth = 0)".parse::<Strategy>().is_err()); // no order of no steps
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseStrategyError(String);

impl fmt::Display for ParseStrategyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no strategy: there are `random` and `pct(depth = 3, steps = 500)`",
            self.0
        )
    }
}

impl std::error::Error for ParseStrategyError {}

impl FromStr for Strategy {
    type Err = ParseStrategyError;

    fn from_str(text: &str) -> Result<Strategy, ParseStrategyError> {
        let wrong = || ParseStrategyError(text.to_owned());
        let text = text.trim();
        if text == "random" {
            return Ok(Strategy::Random);
        }
        let rest = text.strip_prefix("pct").ok_or_else(wrong)?.trim();
        let (mut depth, mut steps) = (DEPTH, None);
        if !rest.is_empty() {
            let inner = rest
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'));
            for part in inner.ok_or_else(wrong)?.split(',') {
                match part
                    .split_once('=')
                    .map(|(key, value)| (key.trim(), value.trim()))
                {
                    Some(("depth", value)) => depth = value.parse().map_err(|_| wrong())?,
                    Some(("steps", value)) => steps = Some(value.parse().map_err(|_| wrong())?),
                    None if part.trim().is_empty() => {}
                    _ => return Err(wrong()),
                }
            }
        }
        match depth {
            0 => Err(wrong()),
            depth => Ok(Strategy::Pct { depth, steps }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_read_as_it_is_written() {
        let strategies = [
            Strategy::Random,
            Strategy::pct(2),
            Strategy::pct(2).fixed(77),
        ];
        for strategy in strategies {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        assert_eq!("pct".parse(), Ok(Strategy::pct(3)));
        assert_eq!("pct()".parse(), Ok(Strategy::pct(3)));
    }

    #[test]
    fn wrong_strategies_are_refused() {
        for text in [
            "",
            "fifo",
            "pct(",
            "pct(depth = 0)",
            "pct(depth)",
            "pct(width = 1)",
        ] {
            let error = text.parse::<Strategy>().unwrap_err();
            assert!(error.to_string().contains("there are `random` and `pct"));
        }
    }
}
