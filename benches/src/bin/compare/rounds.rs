//! The rounds: A B C, A B C, … of all systems, each in a fresh process.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rekindle_bench_protocol::{Answer, Kind, Task};

use crate::distance::Distance;
use crate::figures::{Climb, Comparison, Outcome, Row, Spread};
use crate::journal::{self, Entry, Journal};
use crate::machine::{Machine, Ticks};
use crate::options::{Allocator, Options};
use crate::plan::{Plan, Variant};
use crate::systems::{Program, System};

/// A round of which the host took more than this share is repeated.
const STOLEN: f64 = 0.01;
/// How often a round is repeated for that reason before it is kept as it is. The same for an answer, if the host moved
/// the processors apart meanwhile.
const REPEATS: usize = 3;

/// Where it is measured.
pub(crate) struct Place<'a> {
    pub(crate) machine: &'a Machine,
    /// Of the processors that subjects with two workers run on; `None` where nothing is repeated.
    pub(crate) distance: Option<Distance>,
}

impl Place<'_> {
    /// Starts a subject and waits for its answer; again, if two workers of it were far apart. Says how often it
    /// was repeated. An answer that is no measurement is not asked for again: who hangs does so until the limit.
    fn ask(
        &mut self,
        command: impl Fn() -> Command,
        workers: usize,
        limit: Duration,
    ) -> (Answer, usize) {
        let mut is_near = || match &mut self.distance {
            Some(distance) if workers > 1 => distance.is_near(),
            _ => true,
        };
        let mut repeated = 0;
        loop {
            let was_near = is_near();
            let answer = ask(&mut command(), limit);
            let is_measured = matches!(answer, Answer::Ok(_));
            if !is_measured || (was_near && is_near()) || repeated == REPEATS {
                return (answer, repeated);
            }
            repeated += 1;
        }
    }
}

/// Measures every variant. An error is a wrong sum, or that rekindle itself failed.
pub(crate) fn run_all(
    plan: &Plan,
    systems: &[System],
    options: &Options,
    place: &mut Place<'_>,
) -> Result<Vec<Comparison>, String> {
    let mut journal = match &options.journal {
        Some(path) => {
            let kind = journal::kind_of_run(place.machine, systems, options);
            Some(Journal::open(path, &kind)?)
        }
        None => None,
    };
    let begun = Instant::now();
    // What the ladders will need is set aside: they come last.
    let parts = plan.variants.len() + 3 * plan.ladders.len();
    let mut comparisons = Vec::new();
    for (done, variant) in plan.variants.iter().enumerate() {
        progress(done, plan.variants.len(), &variant.name());
        if let Some(entry) = journal.as_ref().and_then(|j| j.find(&variant.name())) {
            comparisons.push(again(*variant, systems, options, entry)?);
            continue;
        }
        // What is left of the budget, shared evenly among what is left of the plan.
        let share = options
            .budget
            .map(|budget| budget.saturating_sub(begun.elapsed()) / (parts - done) as u32);
        let comparison = compare(*variant, systems, options, place, share)?;
        if let Some(journal) = &mut journal {
            journal.add(&comparison)?;
        }
        comparisons.push(comparison);
    }
    Ok(comparisons)
}

/// No answers yet.
fn no_rows(systems: &[System]) -> Vec<Row> {
    let row = |system: &System| Row {
        system: system.name,
        outcome: Outcome::Measured(Vec::new()),
    };
    systems.iter().map(row).collect()
}

/// What was measured in an earlier part of the run.
fn again(
    variant: Variant,
    systems: &[System],
    options: &Options,
    entry: &Entry,
) -> Result<Comparison, String> {
    let (task, mut rows) = (variant.task(options), no_rows(systems));
    for (system, answer) in &entry.answers {
        if let Some(row) = rows.iter_mut().find(|row| row.system == system) {
            add(row, answer.clone(), &variant, &task)?;
        }
    }
    Ok(Comparison {
        variant,
        task,
        rows,
        repeated: entry.repeated,
    })
}

fn compare(
    variant: Variant,
    systems: &[System],
    options: &Options,
    place: &mut Place<'_>,
    share: Option<Duration>,
) -> Result<Comparison, String> {
    let (task, mut rows) = (variant.task(options), no_rows(systems));
    let (begun, mut repeated, mut taken) = (Instant::now(), 0, 0);
    let mut repeated_answers = 0;
    while taken < options.rounds {
        // A round takes as long as the last one did: is there room for it?
        let next = begun.elapsed() * (taken as u32 + 1) / (taken as u32).max(1);
        if taken > 0 && share.is_some_and(|share| next > share) {
            break;
        }
        let before = Ticks::now();
        let answers = one_round(&variant, &task, systems, &rows, place, options);
        let stolen = before
            .zip(Ticks::now())
            .map_or(0.0, |(a, b)| a.stolen_until(b));
        if stolen > STOLEN && repeated < REPEATS && !options.quick {
            repeated += 1;
            continue;
        }
        taken += 1;
        for (row, answer) in rows.iter_mut().zip(answers) {
            if let Some((answer, again)) = answer {
                repeated_answers += again;
                add(row, answer, &variant, &task)?;
            }
        }
    }
    Ok(Comparison {
        variant,
        task,
        rows,
        repeated: repeated + repeated_answers,
    })
}

/// An answer from each system that still takes part, and how often it was repeated.
fn one_round(
    variant: &Variant,
    task: &Task,
    systems: &[System],
    rows: &[Row],
    place: &mut Place<'_>,
    options: &Options,
) -> Vec<Option<(Answer, usize)>> {
    let machine = place.machine;
    let mut ask = |(system, row): (&System, &Row)| match (&system.program, &row.outcome) {
        (_, Outcome::Empty(_) | Outcome::Failed(_)) => None,
        (Err(why), _) => Some((Answer::Unsupported(why.clone()), 0)),
        (Ok(program), _) => {
            let command = || system.command(program, task, variant.allocator, machine);
            Some(place.ask(command, task.workers, limit(options)))
        }
    };
    systems.iter().zip(rows).map(&mut ask).collect()
}

fn add(row: &mut Row, answer: Answer, variant: &Variant, task: &Task) -> Result<(), String> {
    let benchmark = variant.benchmark;
    match answer {
        Answer::Unsupported(why) => row.outcome = Outcome::Empty(why),
        Answer::Failed(why) if row.system == crate::systems::OURS => {
            return Err(format!("{} of rekindle failed: {why}", variant.name()));
        }
        Answer::Failed(why) => row.outcome = Outcome::Failed(why),
        answer => {
            let passes = answer.get("passes").unwrap_or(0);
            let expected = benchmark.sum(task) * passes;
            if benchmark.kind == Kind::Throughput && answer.get("sum") != Some(expected) {
                let (name, system) = (variant.name(), row.system);
                return Err(format!(
                    "{name}: wrong sum of {system}, {answer} for {expected}"
                ));
            }
            if let Outcome::Measured(answers) = &mut row.outcome {
                answers.push(answer);
            }
        }
    }
    Ok(())
}

/// Measures every ladder, of rekindle alone, with two workers.
pub(crate) fn run_ladders(
    plan: &Plan,
    systems: &[System],
    options: &Options,
    place: &mut Place<'_>,
) -> Result<Vec<Climb>, String> {
    let Some((ours, Ok(program))) = systems.first().map(|ours| (ours, &ours.program)) else {
        return Err("rekindle is not there".to_owned());
    };
    let mut climbs = Vec::new();
    for (done, &ladder) in plan.ladders.iter().enumerate() {
        progress(done, plan.ladders.len(), ladder.property);
        let rungs = if options.quick {
            ladder.quick
        } else {
            ladder.full
        };
        let mut costs = vec![Vec::new(); rungs.len()];
        let mut failed = None;
        // The rungs in turn, so that a slow moment hits all of them.
        'rounds: for _ in 0..options.rounds.min(3) {
            for (rung, costs) in rungs.iter().zip(&mut costs) {
                let property = ladder.property;
                let probes = ladder.probes;
                match rung_cost(ours, program, property, *rung, probes, options, place) {
                    Ok(cost) => costs.push(cost),
                    Err(why) => {
                        failed = Some(why);
                        break 'rounds;
                    }
                }
            }
        }
        let spreads = costs.iter().filter_map(|costs| Spread::of(costs));
        climbs.push(Climb {
            ladder,
            rungs: rungs.iter().copied().zip(spreads).collect(),
            failed,
        });
    }
    progress(0, 0, "");
    Ok(climbs)
}

fn rung_cost(
    ours: &System,
    program: &Program,
    property: &str,
    rung: u64,
    probes: u64,
    options: &Options,
    place: &mut Place<'_>,
) -> Result<f64, String> {
    let task = Task {
        system: ours.name.to_owned(),
        benchmark: format!("ladder_{property}"),
        workers: 2,
        millis: options.millis,
        n: rung,
        k: probes,
        m: 0,
    };
    let machine = place.machine;
    let command = || ours.command(program, &task, Allocator::System, machine);
    let (answer, _) = place.ask(command, task.workers, limit(options));
    match (answer.get("wall_ns"), answer.get("ops")) {
        (Some(wall), Some(operations)) if operations > 0 => Ok(wall as f64 / operations as f64),
        _ => Err(format!("ladder {property}, rung {rung}: {answer}")),
    }
}

fn limit(options: &Options) -> Duration {
    Duration::from_secs(if options.quick { 30 } else { 120 })
}

/// Starts a subject and waits for its answer, no longer than that.
fn ask(command: &mut Command, limit: Duration) -> Answer {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Answer::Failed(format!("{:?}: {error}", command.get_program())),
    };
    let (said, output) = mpsc::channel();
    let (complained, complaints) = mpsc::channel();
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        thread::spawn(move || said.send(read(stdout)));
        thread::spawn(move || complained.send(read(stderr)));
    }
    let Ok(output) = output.recv_timeout(limit) else {
        // It may have ended just now; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
        return Answer::Failed(format!("no answer within {} s", limit.as_secs()));
    };
    let ended = child.wait();
    match Answer::parse(&output) {
        Answer::Failed(why) => {
            let complaints = complaints
                .recv_timeout(Duration::from_secs(1))
                .unwrap_or_default();
            let last = complaints.lines().rfind(|line| !line.trim().is_empty());
            let ended = ended.map_or("?".to_owned(), |status| status.to_string());
            Answer::Failed(format!("{why} ({ended}) {}", last.unwrap_or("")))
        }
        answer => answer,
    }
}

fn read(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    // What came before an error may hold the answer.
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One line on stderr that says what runs now.
fn progress(done: usize, all: usize, name: &str) {
    let mut stderr = std::io::stderr();
    let line = if all == 0 {
        String::new()
    } else {
        format!("{}/{all} {name}", done + 1)
    };
    let _ = write!(stderr, "\r{line:<60}{}", if all == 0 { "\r" } else { "" });
    let _ = stderr.flush();
}
