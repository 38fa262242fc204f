//! The command line that all programs share, and the pace of their stories.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use rekindle::{Builder, ExitReason};

/// How long a story's second takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    second: Duration,
}

impl Pace {
    /// A second is a second.
    pub const REAL: Pace = Pace {
        second: Duration::from_secs(1),
    };
    /// A second is a millisecond: `--fast`.
    pub const FAST: Pace = Pace {
        second: Duration::from_millis(1),
    };

    /// This many seconds of the story.
    #[must_use]
    pub fn seconds(self, seconds: f64) -> Duration {
        self.second.mul_f64(seconds)
    }
}

/// What was asked for on the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pace: `--fast` or real time.
    pub pace: Pace,
    /// The values of the options that the program knows besides, in the order given.
    pub values: Vec<(String, String)>,
    /// Arguments that are no options.
    pub free: Vec<String>,
}

impl Options {
    /// The value of an option, if it was given.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads the command line. `known` are the options with a value that the program takes besides
/// `--fast`; `free` is how many other arguments it takes at most.
///
/// # Errors
///
/// The exit status to end with: 0 after `--help`, 2 after a mistake, which has been explained.
pub fn options(usage: &str, known: &[&str], free: usize) -> Result<Options, ExitCode> {
    parse(std::env::args().skip(1), known, free).map_err(|mistake| match mistake {
        None => {
            println!("{usage}");
            ExitCode::SUCCESS
        }
        Some(mistake) => wrong_use(usage, mistake),
    })
}

/// Explains a mistake on the command line; gives the exit status to end with: 2.
pub fn wrong_use(usage: &str, mistake: impl Display) -> ExitCode {
    eprintln!("{mistake}\n{usage}");
    ExitCode::from(2)
}

/// Tells a story to its end, in real time, on a runtime of its own; gives the exit status.
pub fn tell(story: impl Future<Output = Result<(), ExitReason>> + Send + 'static) -> ExitCode {
    tell_on(Builder::new(), story)
}

/// As [`tell`], with settings for the runtime.
pub fn tell_on(
    builder: Builder,
    story: impl Future<Output = Result<(), ExitReason>> + Send + 'static,
) -> ExitCode {
    log_to_stderr();
    match run(builder, story) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("the story broke off: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    builder: Builder,
    story: impl Future<Output = Result<(), ExitReason>> + Send + 'static,
) -> Result<(), ExitReason> {
    // The outer error is that of the process which tells the story, the inner one the story's.
    builder.start()?.run(story)?
}

fn parse(
    args: impl Iterator<Item = String>,
    known: &[&str],
    free: usize,
) -> Result<Options, Option<String>> {
    let mut options = Options {
        pace: Pace::REAL,
        values: Vec::new(),
        free: Vec::new(),
    };
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--fast" => options.pace = Pace::FAST,
            "--help" | "-h" => return Err(None),
            name if known.contains(&name) => {
                let value = args
                    .next()
                    .ok_or_else(|| Some(format!("{name} needs a value")))?;
                options.values.push((arg, value));
            }
            name if name.starts_with('-') => return Err(Some(format!("unknown option {name}"))),
            _ if options.free.len() < free => options.free.push(arg),
            _ => return Err(Some(format!("unexpected argument {arg}"))),
        }
    }
    Ok(options)
}

/// Sends the log to stderr: crash reports and warnings, unless `RUST_LOG` says otherwise.
pub fn log_to_stderr() {
    let env = env_logger::Env::default().default_filter_or("warn");
    env_logger::Builder::from_env(env)
        .format_timestamp_millis()
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, Option<String>> {
        parse(args.iter().map(ToString::to_string), &["--strategy"], 1)
    }

    #[test]
    fn fast_makes_seconds_milliseconds() {
        let options = parsed(&["--fast", "--strategy", "x", "file"]).unwrap();
        assert_eq!(options.pace.seconds(5.0), Duration::from_millis(5));
        assert_eq!(options.value("--strategy"), Some("x"));
        assert_eq!(options.free, ["file"]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            parsed(&["--fats"]).unwrap_err(),
            Some("unknown option --fats".to_owned())
        );
        assert_eq!(
            parsed(&["--strategy"]).unwrap_err(),
            Some("--strategy needs a value".to_owned())
        );
        assert_eq!(
            parsed(&["a", "b"]).unwrap_err(),
            Some("unexpected argument b".to_owned())
        );
        assert_eq!(parsed(&["--help"]).unwrap_err(), None);
    }
}
