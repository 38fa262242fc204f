//! The command line.

use std::path::PathBuf;
use std::time::Duration;

/// How to use the program.
const HELP: &str = "\
usage: soak [OPTIONS]

  --minutes N        how long to run; fractions are fine (1)
  --processes N      how large the supervised tree is (10,000)
  --workers N        workers of the runtime (one per processor)
  --seed N           seed of what is drawn: whom to kill, what to send (from the clock)
  --patience N       seconds without progress of some area after which the run fails (120)
  --check memory     instead: spawns and ends processes, and compares memory
  --check runtimes   instead: starts and drops runtimes, and compares memory, threads and files
  --count N          how many (10,000,000 processes, or 10,000 runtimes)
  --json FILE        all figures, for scripts

The exit status is 0 if every invariant held, 1 if one did not, 2 if the command line is wrong.";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Soak(Options),
    Memory(Options),
    Runtimes(Options),
    Help,
}

/// How to run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) length: Duration,
    pub(crate) processes: u64,
    /// `None`: one per processor.
    pub(crate) workers: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) patience: Duration,
    pub(crate) count: u64,
    pub(crate) json: Option<PathBuf>,
}

/// The usage text.
pub(crate) fn help() -> &'static str {
    HELP
}

/// Reads the command line; the error is a sentence for the user.
pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut options = Options {
        length: Duration::from_secs(60),
        processes: 10_000,
        workers: None,
        seed: seed_of_the_clock(),
        patience: Duration::from_secs(120),
        count: 0,
        json: None,
    };
    let (mut memory, mut runtimes) = (false, false);
    let mut words = words;
    while let Some(word) = words.next() {
        if word == "--help" || word == "-h" {
            return Ok(Asked::Help);
        }
        let value = words
            .next()
            .ok_or_else(|| format!("`{word}` is not an option, or lacks its value"))?;
        match word.as_str() {
            "--minutes" => {
                let minutes: f64 = number(&word, &value)?;
                options.length = Duration::try_from_secs_f64(minutes * 60.0)
                    .map_err(|_| format!("`--minutes {value}` is not a length of time"))?;
            }
            "--processes" => options.processes = number(&word, &value)?,
            "--workers" => options.workers = Some(number(&word, &value)?),
            "--seed" => options.seed = number(&word, &value)?,
            "--patience" => options.patience = Duration::from_secs(number(&word, &value)?),
            "--count" => options.count = number(&word, &value)?,
            "--json" => options.json = Some(value.into()),
            "--check" if value == "memory" => memory = true,
            "--check" if value == "runtimes" => runtimes = true,
            "--check" => {
                return Err(format!(
                    "there is no check `{value}`, only `memory` and `runtimes`"
                ));
            }
            _ => return Err(format!("`{word}` is not an option")),
        }
    }
    if options.processes < 100 {
        return Err("`--processes` must be at least 100: a tree has many branches".to_owned());
    }
    if options.count == 0 {
        options.count = if runtimes { 10_000 } else { 10_000_000 };
    }
    if options.count < 100 || (memory && options.count < 100_000) {
        let least = if memory { "100,000" } else { "100" };
        return Err(format!(
            "`--count` must be at least {least}: it is compared with its tenth"
        ));
    }
    Ok(match (memory, runtimes) {
        (true, true) => return Err("one `--check` at a time".to_owned()),
        (true, false) => Asked::Memory(options),
        (false, true) => Asked::Runtimes(options),
        (false, false) => Asked::Soak(options),
    })
}

fn number<N: std::str::FromStr>(option: &str, value: &str) -> Result<N, String> {
    let digits = value.replace([',', '_'], "");
    digits
        .parse()
        .map_err(|_| format!("`{option} {value}`: `{value}` is not such a number"))
}

fn seed_of_the_clock() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed();
    since.map_or(1, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
}
