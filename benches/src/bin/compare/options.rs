//! The command line.

use std::path::PathBuf;
use std::time::Duration;

/// How to use the program.
const HELP: &str = "\
usage: compare [OPTIONS]

  --quick            small passes, three short rounds; at most 4 minutes on two cores
  --only NAMES       only these benchmarks or ladders, with commas between; a name may end with
                     _w1, _w2 or _mimalloc (call, call_w1, call_w1_mimalloc)
  --systems NAMES    only these besides rekindle: beam, go, tokio, async_executor, actix, ractor,
                     kameo, hydra
  --ours             rekindle alone: no peer is built or started
  --allocators NAMES system, mimalloc, or both with a comma; both unless --quick
  --rounds N         rounds of each figure (5, with --quick 3)
  --millis N         how long a round repeats its pass, at least (500, with --quick 20)
  --no-ladders       without the ladders
  --no-build         what is built already, as it is
  --json FILE        all figures of all rounds
  --journal FILE     what is measured, as it comes; a run that was stopped goes on from there
  --plot FOLDER      bars and ladders as SVG
  --list             the names of all benchmarks and ladders";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Run(Options),
    Help(String),
}

/// How to run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) only: Option<Vec<String>>,
    /// `None`: all that are there.
    pub(crate) systems: Option<Vec<String>>,
    pub(crate) ours: bool,
    pub(crate) allocators: Vec<Allocator>,
    pub(crate) rounds: usize,
    pub(crate) millis: u64,
    pub(crate) ladders: bool,
    pub(crate) build: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) plot: Option<PathBuf>,
    /// When a quick run stops taking second and third rounds.
    pub(crate) budget: Option<Duration>,
}

/// Which allocator the Rust systems use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocator {
    System,
    Mimalloc,
}

impl Allocator {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Allocator::System => "system",
            Allocator::Mimalloc => "mimalloc",
        }
    }
}

/// A quick run ends within 4 minutes: this is what the rounds may take, so that the last ones,
/// which always run once, have room.
const QUICK_BUDGET: Duration = Duration::from_secs(190);

/// Reads the arguments.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let (mut rounds, mut millis, mut allocators) = (None, None, None);
    let mut options = Options {
        quick: false,
        only: None,
        systems: None,
        ours: false,
        allocators: Vec::new(),
        rounds: 0,
        millis: 0,
        ladders: true,
        build: true,
        json: None,
        journal: None,
        plot: None,
        budget: None,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--ours" => options.ours = true,
            "--no-ladders" => options.ladders = false,
            "--no-build" => options.build = false,
            "--only" => options.only = Some(names(&value()?)),
            "--systems" => options.systems = Some(names(&value()?)),
            "--json" => options.json = Some(value()?.into()),
            "--journal" => options.journal = Some(value()?.into()),
            "--plot" => options.plot = Some(value()?.into()),
            "--rounds" => rounds = Some(number(&argument, &value()?)?),
            "--millis" => millis = Some(number(&argument, &value()?)?),
            "--allocators" => allocators = Some(names(&value()?)),
            "--list" => return Ok(Asked::Help(crate::plan::list())),
            "--help" | "-h" => return Ok(Asked::Help(HELP.to_owned())),
            other => return Err(format!("unknown option {other}; --help lists them")),
        }
    }
    let (default_rounds, default_millis) = if options.quick { (3, 20) } else { (5, 500) };
    options.rounds = rounds.unwrap_or(default_rounds).max(1) as usize;
    options.millis = millis.unwrap_or(default_millis);
    options.budget = options.quick.then_some(QUICK_BUDGET);
    options.allocators = match allocators {
        None if options.quick => vec![Allocator::System],
        None => vec![Allocator::System, Allocator::Mimalloc],
        Some(names) => names
            .iter()
            .map(|name| allocator(name))
            .collect::<Result<_, _>>()?,
    };
    Ok(Asked::Run(options))
}

fn names(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn number(option: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{option}: {text} is not a number"))
}

fn allocator(name: &str) -> Result<Allocator, String> {
    match name {
        "system" => Ok(Allocator::System),
        "mimalloc" => Ok(Allocator::Mimalloc),
        other => Err(format!(
            "no allocator {other}; there are system and mimalloc"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Options, String> {
        match parse(text.split_whitespace().map(str::to_owned))? {
            Asked::Run(options) => Ok(options),
            Asked::Help(text) => Err(text),
        }
    }

    #[test]
    fn defaults_depend_on_quick() {
        let full = run("").unwrap();
        assert_eq!(
            (full.rounds, full.millis, full.allocators.len()),
            (5, 500, 2)
        );
        assert_eq!(full.budget, None);
        let quick = run("--quick --rounds 7").unwrap();
        assert_eq!((quick.rounds, quick.millis), (7, 20));
        assert_eq!(quick.allocators, [Allocator::System]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(run("--json").unwrap_err(), "--json needs a value");
        assert!(run("--rounds many").unwrap_err().contains("many"));
        assert!(
            run("--allocators jemalloc")
                .unwrap_err()
                .contains("jemalloc")
        );
        assert!(run("--fast").unwrap_err().contains("--fast"));
    }
}
