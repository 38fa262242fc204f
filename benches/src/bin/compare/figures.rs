//! What comes out of rounds.

use rekindle_bench_protocol::catalogue::{Bound, Ladder};
use rekindle_bench_protocol::{Answer, Kind, Task};

use crate::plan::Variant;

/// Minimum, median and maximum of some rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of these rounds; `None` if there are none.
    pub(crate) fn of(rounds: &[f64]) -> Option<Spread> {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(Spread {
            min: sorted[0],
            // Of an even number the mean of the two in the middle.
            median: (sorted[last / 2] + sorted[sorted.len() / 2]) / 2.0,
            max: sorted[last],
        })
    }
}

/// All rounds of one system in one variant.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) system: &'static str,
    pub(crate) outcome: Outcome,
}

/// What a system gave.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The answers of its rounds, at least one.
    Measured(Vec<Answer>),
    /// It cannot do this, or is not here.
    Empty(String),
    /// It went wrong.
    Failed(String),
}

/// One variant, by all systems.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) variant: Variant,
    pub(crate) task: Task,
    pub(crate) rows: Vec<Row>,
    /// Rounds that were repeated because the host took more than a hundredth of the time, and answers because it had
    /// moved the processors apart.
    pub(crate) repeated: usize,
}

impl Comparison {
    /// The figure of each round of a row: what the benchmark's kind is about.
    pub(crate) fn main(&self, row: &Row) -> Option<Spread> {
        self.spread(row, |answer| match self.variant.benchmark.kind {
            Kind::Throughput => self.per_operation(answer, "wall_ns"),
            Kind::Bytes => answer.get("bytes").map(|bytes| bytes as f64),
            Kind::Latency => answer.get("p999").map(|ns| ns as f64),
            Kind::Idle => answer.get("cpu_ns").map(|ns| ns as f64),
        })
    }

    /// Processor time per operation.
    pub(crate) fn cpu(&self, row: &Row) -> Option<Spread> {
        let throughput = self.variant.benchmark.kind == Kind::Throughput;
        let per_operation = |answer: &Answer| self.per_operation(answer, "cpu_ns");
        throughput
            .then(|| self.spread(row, per_operation))
            .flatten()
    }

    /// A value by its name.
    pub(crate) fn named(&self, row: &Row, key: &str) -> Option<Spread> {
        self.spread(row, |answer| answer.get(key).map(|value| value as f64))
    }

    fn spread(&self, row: &Row, figure: impl Fn(&Answer) -> Option<f64>) -> Option<Spread> {
        let Outcome::Measured(answers) = &row.outcome else {
            return None;
        };
        Spread::of(&answers.iter().filter_map(figure).collect::<Vec<_>>())
    }

    fn per_operation(&self, answer: &Answer, key: &str) -> Option<f64> {
        let operations = self.variant.benchmark.operations(&self.task) * answer.get("passes")?;
        Some(answer.get(key)? as f64 / operations as f64)
    }
}

/// The rungs of a ladder, each with the cost of one operation.
#[derive(Debug)]
pub(crate) struct Climb {
    pub(crate) ladder: &'static Ladder,
    pub(crate) rungs: Vec<(u64, Spread)>,
    /// What went wrong on a rung; the ladder was left there.
    pub(crate) failed: Option<String>,
}

impl Climb {
    /// Cost at the top by cost at the bottom; `None` if the top was not reached.
    pub(crate) fn growth(&self) -> Option<f64> {
        let (bottom, top) = self.ends()?;
        Some(top / bottom)
    }

    /// Whether the ladder's bound holds.
    pub(crate) fn holds(&self) -> Option<bool> {
        let (bottom, top) = self.ends()?;
        Some(self.ladder.bound.holds(bottom, top))
    }

    /// The bound, in words.
    pub(crate) fn bound(&self) -> String {
        match self.ladder.bound {
            Bound::Growth(most) => format!("at most {most}"),
            Bound::AtMost(most) => format!("top at most {} ms", most / 1e6),
        }
    }

    fn ends(&self) -> Option<(f64, f64)> {
        if self.failed.is_some() {
            return None;
        }
        let ((_, bottom), (_, top)) = (self.rungs.first()?, self.rungs.last()?);
        Some((bottom.median, top.median))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let spread = |rounds: &[f64]| Spread::of(rounds).map(|s| (s.min, s.median, s.max));
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7.0]), Some((7.0, 7.0, 7.0)));
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((1.0, 2.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((1.0, 2.5, 4.0)));
    }
}
