//! What is said of a test's runs. Data first; text is made here only.

use std::fmt::{self, Write as _};

use rekindle_actor::Panic;
use rekindle_scheduler::{TaskId, TraceEvent, TraceWhat};

use crate::capture::LogRecord;
use crate::strategy::Strategy;

/// How many events of a trace are printed.
const SHOWN: usize = 50;
/// How many characters of a line of the log are printed.
const LOG_LINES: usize = 6;

/// Why a run failed.
///
/// Two are equal if they say the same but for the frames of a backtrace, which tell who ran the test.
///
/// ```
/// use rekindle::testkit::{Test, TestRun};
///
/// let fails = TestRun::new("fails").seeds(1).explore(|_t: Test| async { panic!("no disk") as () });
/// let failure = fails.found.unwrap().failure;
/// assert!(failure.kind.starts_with("panic at ")); // and the place
/// assert!(failure.text.ends_with("no disk"));
/// ```
#[derive(Debug, Clone, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What kind of failure, and where: the same for the same cause under another seed, as a rule.
    pub kind: String,
    /// All of it.
    pub text: String,
}

impl PartialEq for Failure {
    fn eq(&self, other: &Failure) -> bool {
        self.kind == other.kind && self.said() == other.said()
    }
}

impl Failure {
    /// The text, without a backtrace.
    fn said(&self) -> &str {
        self.text.split("\n   0: ").next().unwrap_or_default()
    }

    pub(crate) fn new(kind: &str, text: impl Into<String>) -> Failure {
        Failure {
            kind: kind.to_owned(),
            text: text.into(),
        }
    }

    pub(crate) fn panic(panic: &Panic) -> Failure {
        let at = panic.location.as_deref().unwrap_or("an unknown place");
        let mut text = format!("panicked at {at}:\n{}", panic.message);
        if let Some(backtrace) = &panic.backtrace {
            let _ = write!(text, "\n{}", backtrace.trim_end());
        }
        Failure::new(&format!("panic at {at}"), text)
    }
}

/// What came of a test's runs.
///
/// ```
/// use rekindle::testkit::{Test, TestRun, assert_receive};
/// use rekindle::prelude::*;
///
/// let explored = TestRun::new("both_arrive").seeds(50).explore(|mut t: Test<u32>| async move {
///     for n in [1, 2] {
///         let to = t.recipient();
///         spawn(async move { to.send(n) });
///     }
///     assert_receive!(t, 1);
///     assert_receive!(t, 2);
/// });
/// assert!(explored.found.is_none(), "{explored}"); // the whole story, if there is one
/// assert_eq!(explored.runs, 50);
/// assert!(explored.distinct > 1); // in some, 2 came first
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// How many schedules ran.
    pub runs: u64,
    /// How many of them were different: by the hash of all choices.
    pub distinct: u64,
    /// How many steps they had together.
    pub steps: u64,
    /// The failure, if one was found. Exploring ends with the first; then a shorter run with the
    /// same failure is looked for.
    pub found: Option<Found>,
}

/// A failure that was found, and how to see it again.
///
/// ```
/// use rekindle::testkit::{Test, TestRun};
/// use rekindle::prelude::*;
///
/// async fn first_come_first_served(_t: Test) {
///     let first = Agent::start_link(String::new).await.unwrap();
///     for name in ["Ada", "Bob"] {
///         let first = first.clone();
///         spawn(async move { first.cast(move |first| if first.is_empty() { *first = name.into() }) });
///     }
///     sleep(Duration::from_millis(1)).await;
///     assert_eq!(first.get(String::clone).await.unwrap(), "Ada"); // who says so?
/// }
///
/// let test = TestRun::new("first_come_first_served").seeds(100);
/// let found = test.explore(first_come_first_served).found.expect("Bob is first now and then");
/// assert!(found.replays && found.replay.starts_with("REKINDLE_SEED="));
/// // The same seed and strategy take the same way.
/// let again = test.seeds(1).seed(found.seed).strategy(found.strategy);
/// assert_eq!(again.explore(first_come_first_served).found.unwrap().hash, found.hash);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Why the run failed.
    pub failure: Failure,
    /// Its seed.
    pub seed: u64,
    /// Its strategy.
    pub strategy: Strategy,
    /// How many steps it had.
    pub steps: u64,
    /// The hash of its choices: a replay has the same.
    pub hash: u64,
    /// Whether the run gave the same choices and the same failure a second time. If not, the test
    /// depends on something that does not follow from the seed.
    pub replays: bool,
    /// How many schedules ran until the first failure.
    pub first_at: u64,
    /// How many failing runs the shown one is the shortest of.
    pub among: u64,
    /// The command that shows it again.
    pub replay: String,
    /// The last events before the failure.
    pub trace: Vec<String>,
    /// The last warnings and errors of its log.
    pub log: Vec<LogRecord>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explored { runs, distinct, .. } = self;
        let Some(found) = &self.found else {
            return write!(f, "{runs} schedules ran, {distinct} of them distinct");
        };
        let Found {
            seed,
            strategy,
            steps,
            first_at,
            among,
            replay,
            ..
        } = found;
        writeln!(f, "{}", found.failure.text)?;
        writeln!(f, "  seed      {seed}, strategy {strategy}, {steps} steps")?;
        write!(
            f,
            "  explored  {runs} schedules, {distinct} of them distinct; "
        )?;
        write!(f, "the first failure was number {first_at}")?;
        match among {
            1 => writeln!(f)?,
            among => writeln!(f, ", and this is the shortest of {among}")?,
        }
        writeln!(f, "  replay    {replay}")?;
        if !found.replays {
            writeln!(
                f,
                "  WARNING   the same seed gave another run: the test depends on something that \
                 does not follow from\n            the seed (another thread, the machine's clock, \
                 a random source, the order of a HashMap)"
            )?;
        }
        write_log(f, &found.log)?;
        write!(f, "  the last {} events:", found.trace.len())?;
        for line in &found.trace {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

pub(crate) fn write_log(f: &mut impl fmt::Write, log: &[LogRecord]) -> fmt::Result {
    if log.is_empty() {
        return Ok(());
    }
    writeln!(f, "  logged meanwhile, warnings and errors:")?;
    for record in log {
        let text = record.to_string();
        for (n, line) in text.lines().take(LOG_LINES).enumerate() {
            let indent = if n == 0 { "    " } else { "      " };
            writeln!(f, "{indent}{line}")?;
        }
    }
    Ok(())
}

/// The last events as lines: a turn, and beneath it what was done in it.
pub(crate) fn trace_lines(events: &[TraceEvent]) -> Vec<String> {
    let first = events.len().saturating_sub(SHOWN);
    let mut names = Names::default();
    events
        .iter()
        .take(first)
        .for_each(|event| names.learn(event));
    let line = |event: &TraceEvent| {
        names.learn(event);
        let at = event.at.as_nanos() as f64 / 1e9;
        match &event.what {
            TraceWhat::Note { text, .. } => {
                // A panic's text may have several lines; the failure shows it in full.
                let text = names.named(text.lines().next().unwrap_or_default());
                format!("{:>6} {at:>12.6} s    . {text}", event.step)
            }
            TraceWhat::Turn { task, .. } => {
                format!("{:>6} {at:>12.6} s  {}", event.step, names.of(*task))
            }
            other => format!("{:>6} {at:>12.6} s  {other}", event.step),
        }
    };
    events[first..].iter().map(line).collect()
}

/// Who is who in a trace.
#[derive(Default)]
struct Names(std::collections::BTreeMap<String, String>);

impl Names {
    fn learn(&mut self, event: &TraceEvent) {
        if let TraceWhat::Turn { task, who } = &event.what {
            let name = short(who);
            if !name.is_empty() {
                self.0.insert(format!("{task:?}"), name);
            }
        }
    }

    fn of(&self, task: TaskId) -> String {
        let id = format!("{task:?}");
        match self.0.get(&id) {
            Some(name) => format!("{id} {name}"),
            None => id,
        }
    }

    /// A note with the receiver's name behind its pid.
    fn named(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix("-> ") else {
            return match text.split_once(" process ") {
                Some((head, who)) => format!("{head} {}", short(who)),
                None => text.to_owned(),
            };
        };
        let Some((pid, what)) = rest.split_once(": ") else {
            return text.to_owned();
        };
        match self.0.get(pid) {
            Some(name) => format!("-> {pid} {name}: {what}"),
            None => text.to_owned(),
        }
    }
}

/// A process's description in few words: its type without paths, and its name.
fn short(who: &str) -> String {
    let who = who.strip_prefix("process ").unwrap_or(who);
    let who = who.split(" (spawned at").next().unwrap_or(who);
    let (kind, name) = match who.find(" \"") {
        Some(at) => who.split_at(at),
        None => (who, ""),
    };
    let mut text = String::new();
    let mut word = String::new();
    for c in kind.chars() {
        match c {
            ':' => word.clear(),
            '<' | '>' | ',' | ' ' | '(' | ')' | '&' => {
                text.push_str(&word);
                word.clear();
                text.push(c);
            }
            c => word.push(c),
        }
    }
    text.push_str(&word);
    if text.contains("{{closure}}") {
        let path = kind.trim_end_matches("::{{closure}}");
        let outer = path.rsplit("::").next().unwrap_or(path);
        text = format!("closure in {outer}");
    }
    text + name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_described_in_few_words() {
        assert_eq!(
            short("process app::cart::Cart<std::string::String> \"main\" (spawned at a.rs:1:2)"),
            "Cart<String> \"main\""
        );
        assert_eq!(
            short("app::run::{{closure}}::{{closure}}"),
            "closure in run"
        );
    }
}
