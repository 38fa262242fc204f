//! What a person reads at the end, and what scripts read: lines `SCORE name=value unit=.. n=..`,
//! and JSON.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::invariants::Invariant;
use crate::vitals::Vitals;
use crate::world::{Area, World};

/// Lines of the log, which are crash reports and stuck workers.
static WARNINGS: AtomicU64 = AtomicU64::new(0);
static ERRORS: AtomicU64 = AtomicU64::new(0);

struct Counting;

impl log::Log for Counting {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        let counter = match record.level() {
            log::Level::Error => &ERRORS,
            _ => &WARNINGS,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn flush(&self) {}
}

/// Counts crash reports instead of printing them: thousands are meant to come.
pub(crate) fn count_reports() {
    if log::set_logger(&Counting).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

/// One line for the scoreboard.
pub(crate) fn score(name: &str, value: f64, unit: &str, n: u64) {
    println!("SCORE {name}={value} unit={unit} n={n}");
}

/// One line while the run goes on.
pub(crate) fn print_sample(world: &World, samples: &[Vitals]) {
    let Some(last) = samples.last() else { return };
    // The first sample, and then about one each minute.
    if samples.len() % 6 == 1 {
        println!(
            "{:>6} s  {:>7} processes  {:>7.1} MiB live  {:>7.1} MiB resident  {:>4} threads  {} violations",
            samples.len() * 10,
            last.processes,
            mebibytes(last.live as u64),
            last.resident.map_or(0.0, mebibytes),
            last.threads.unwrap_or(0),
            world.findings.failures(),
        );
    }
}

/// Prints what there is, and ends the program.
pub(crate) fn give_up(world: &World) -> ! {
    tables(world);
    println!("FAILED: no progress");
    std::process::exit(1)
}

/// Prints everything; the exit status.
pub(crate) fn print(
    world: &World,
    took: Duration,
    spawned: u64,
    before: Vitals,
    after: Vitals,
    samples: &[Vitals],
) -> ExitCode {
    tables(world);
    let highest = samples.iter().max_by_key(|sample| sample.live).copied();
    let highest = highest.unwrap_or(after);
    println!(
        "\n{:<10}{:>14}{:>14}{:>10}{:>8}",
        "", "live MiB", "resident MiB", "threads", "files"
    );
    for (when, vitals) in [("start", before), ("highest", highest), ("end", after)] {
        println!(
            "{when:<10}{:>14.2}{:>14.2}{:>10}{:>8}",
            mebibytes(vitals.live as u64),
            vitals.resident.map_or(0.0, mebibytes),
            vitals.threads.unwrap_or(0),
            vitals.files.unwrap_or(0),
        );
    }
    let letters = world.letters.balance();
    let (errors, warnings) = (
        ERRORS.load(Ordering::Relaxed),
        WARNINGS.load(Ordering::Relaxed),
    );
    let deaths = world.done(Area::Chaos);
    let failures = world.findings.failures();
    println!(
        "\n{:.1} minutes, seed {}, {spawned} processes spawned; {} letters sent, {} handled, {} \
         died with their receiver; {errors} errors and {warnings} warnings logged",
        took.as_secs_f64() / 60.0,
        world.options.seed,
        letters.sent,
        letters.handled,
        letters.dropped,
    );
    score("soak_minutes", took.as_secs_f64() / 60.0, "minutes", 1);
    score("soak_processes_spawned", spawned as f64, "processes", 1);
    score("soak_letters", letters.sent as f64, "messages", 1);
    score("soak_acts_of_chaos", deaths as f64, "acts", 1);
    score(
        "soak_live_growth",
        after.live as f64 - before.live as f64,
        "bytes",
        spawned,
    );
    score(
        "soak_violations",
        failures as f64,
        "violations",
        checks(world),
    );
    if let Some(path) = &world.options.json {
        let text = format!(
            "{:#}\n",
            in_json(world, took, spawned, before, after, samples)
        );
        if let Err(error) = std::fs::write(path, text) {
            eprintln!("soak: {} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if failures == 0 {
        println!("ok: every invariant held");
        return ExitCode::SUCCESS;
    }
    println!("FAILED:");
    for text in world.findings.texts() {
        println!("  {text}");
    }
    ExitCode::FAILURE
}

fn tables(world: &World) {
    println!("\n{:<10}{:>14}  what one is", "area", "operations");
    for area in Area::ALL {
        println!("{area:<10}{:>14}  {}", world.done(*area), area.operation());
    }
    println!("\n{:<50}{:>14}{:>10}", "invariant", "checked", "failed");
    for invariant in Invariant::ALL {
        let (checked, failed) = world.findings.of(*invariant);
        println!("{invariant:<50}{checked:>14}{failed:>10}");
    }
}

fn checks(world: &World) -> u64 {
    let checked = Invariant::ALL
        .iter()
        .map(|which| world.findings.of(*which).0);
    checked.sum()
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

fn in_json(
    world: &World,
    took: Duration,
    spawned: u64,
    before: Vitals,
    after: Vitals,
    samples: &[Vitals],
) -> serde_json::Value {
    let vitals = |vitals: &Vitals| {
        json!({
            "live_bytes": vitals.live,
            "resident_bytes": vitals.resident,
            "threads": vitals.threads,
            "files": vitals.files,
            "processes": vitals.processes,
        })
    };
    let areas: serde_json::Map<_, _> = Area::ALL
        .iter()
        .map(|area| (area.to_string(), json!(world.done(*area))))
        .collect();
    let invariants: Vec<_> = Invariant::ALL
        .iter()
        .map(|invariant| {
            let (checked, failed) = world.findings.of(*invariant);
            json!({ "invariant": invariant.to_string(), "checked": checked, "failed": failed })
        })
        .collect();
    let letters = world.letters.balance();
    json!({
        "seed": world.options.seed,
        "seconds": took.as_secs_f64(),
        "processes_spawned": spawned,
        "letters": { "sent": letters.sent, "handled": letters.handled, "dropped": letters.dropped },
        "areas": areas,
        "invariants": invariants,
        "start": vitals(&before),
        "end": vitals(&after),
        "samples": samples.iter().map(vitals).collect::<Vec<_>>(),
        "violations": world.findings.texts(),
    })
}
