//! The task a subject is told, and the line by which it answers.

use std::fmt;
use std::time::Duration;

/// What a subject shall measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which system, for a program that knows several.
    pub system: String,
    /// The benchmark's name in the catalogue.
    pub benchmark: String,
    /// Threads that run processes.
    pub workers: usize,
    /// How long to repeat passes, at least.
    pub millis: u64,
    /// How many; see the catalogue.
    pub n: u64,
    /// How many of the other kind; see the catalogue.
    pub k: u64,
    /// A size in bytes, or what the catalogue says.
    pub m: u64,
}

impl Task {
    /// The arguments from which [`parse`](Task::parse) makes the same task again.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let numbers = [self.workers as u64, self.millis, self.n, self.k, self.m];
        [self.system.clone(), self.benchmark.clone()]
            .into_iter()
            .chain(numbers.map(|number| number.to_string()))
            .collect()
    }

    /// The task from a program's arguments.
    ///
    /// # Errors
    ///
    /// If they are not a system, a benchmark and five numbers.
    pub fn parse(arguments: &[String]) -> Result<Task, String> {
        let [system, benchmark, numbers @ ..] = arguments else {
            return Err("usage: SYSTEM BENCHMARK WORKERS MILLIS N K M".to_owned());
        };
        let numbers: Vec<u64> = numbers
            .iter()
            .map(|text| text.parse().map_err(|_| format!("{text} is not a number")))
            .collect::<Result<_, _>>()?;
        let &[workers, millis, n, k, m] = numbers.as_slice() else {
            return Err(format!("five numbers are needed, not {}", numbers.len()));
        };
        if workers == 0 {
            return Err("no workers, no work".to_owned());
        }
        Ok(Task {
            system: system.clone(),
            benchmark: benchmark.clone(),
            workers: workers as usize,
            millis,
            n,
            k,
            m,
        })
    }

    /// How long to repeat passes.
    #[must_use]
    pub fn at_least(&self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

/// What a subject says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Measured: named whole numbers, in order.
    Ok(Vec<(String, u64)>),
    /// The system has no such thing, or it would have to be emulated.
    Unsupported(String),
    /// It went wrong.
    Failed(String),
}

impl Answer {
    /// A measured answer.
    #[must_use]
    pub fn ok<'a>(values: impl IntoIterator<Item = (&'a str, u64)>) -> Answer {
        Answer::Ok(
            values
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }

    /// For a benchmark that a system does not have.
    #[must_use]
    pub fn unsupported(why: &str) -> Answer {
        Answer::Unsupported(why.to_owned())
    }

    /// The value of that name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<u64> {
        let Answer::Ok(values) = self else {
            return None;
        };
        values
            .iter()
            .find(|(name, _)| name == key)
            .map(|value| value.1)
    }

    /// The answer in a program's output: its last line that is one.
    #[must_use]
    pub fn parse(output: &str) -> Answer {
        output
            .lines()
            .rev()
            .find_map(Answer::parse_line)
            .unwrap_or_else(|| Answer::Failed("no answer".to_owned()))
    }

    fn parse_line(line: &str) -> Option<Answer> {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match word {
            "ok" => {
                let values = rest.split_whitespace().map(|pair| {
                    let (key, value) = pair.split_once('=')?;
                    Some((key.to_owned(), value.parse().ok()?))
                });
                Some(match values.collect::<Option<Vec<_>>>() {
                    Some(values) => Answer::Ok(values),
                    None => Answer::Failed(format!("not understood: {line}")),
                })
            }
            "unsupported" => Some(Answer::Unsupported(rest.to_owned())),
            "failed" => Some(Answer::Failed(rest.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ok(values) => {
                f.write_str("ok")?;
                values
                    .iter()
                    .try_for_each(|(key, value)| write!(f, " {key}={value}"))
            }
            Answer::Unsupported(why) => write!(f, "unsupported {why}"),
            Answer::Failed(why) => write!(f, "failed {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_survives_its_arguments() {
        let task = Task {
            system: "tokio".to_owned(),
            benchmark: "call".to_owned(),
            workers: 2,
            millis: 500,
            n: 1,
            k: 2,
            m: 3,
        };
        assert_eq!(Task::parse(&task.arguments()), Ok(task));
    }

    #[test]
    fn bad_arguments_are_named() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(Task::parse(&words("tokio")).is_err());
        assert!(Task::parse(&words("tokio call 0 1 2 3 4")).is_err());
        assert!(Task::parse(&words("tokio call 1 2 3 4")).is_err());
        let error = Task::parse(&words("tokio call 1 2 3 4 five")).unwrap_err();
        assert_eq!(error, "five is not a number");
    }

    #[test]
    fn an_answer_survives_its_line_among_others() {
        let answer = Answer::ok([("wall_ns", 7), ("sum", 8)]);
        assert_eq!(
            Answer::parse(&format!("noise\n{answer}\nmore noise")),
            answer
        );
        assert_eq!(answer.get("sum"), Some(8));
        assert_eq!(answer.get("cpu_ns"), None);
        let other = Answer::unsupported("no monitors");
        assert_eq!(Answer::parse(&other.to_string()), other);
        assert!(matches!(Answer::parse("ok sum=x"), Answer::Failed(_)));
        assert!(matches!(Answer::parse(""), Answer::Failed(_)));
    }
}
