//! What is printed: tables for people, lines for scripts.

use std::fmt::Write;

use rekindle_bench_protocol::Kind;

use crate::figures::{Climb, Comparison, Outcome, Row, Spread};
use crate::options::Allocator;
use crate::systems::{OURS, System};

/// Who takes part, and why others do not.
pub(crate) fn systems(systems: &[System]) -> String {
    let line = |system: &System| match &system.program {
        Ok(_) => format!("  {} {}", system.name, system.version),
        Err(why) => format!("  {}: left out, {why}", system.name),
    };
    systems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The tables.
pub(crate) fn tables(comparisons: &[Comparison], climbs: &[Climb]) -> String {
    let mut text = String::new();
    for comparison in comparisons {
        table(&mut text, comparison);
    }
    let gains = scaling(comparisons);
    if !gains.is_empty() {
        text.push_str("\ntwo workers against one: throughput of rekindle\n");
    }
    for (name, gain) in gains {
        put(&mut text, format_args!("  {name:<20} x {gain:.2}"));
    }
    if !climbs.is_empty() {
        text.push_str("\nladders: ns per operation on each rung\n");
    }
    for climb in climbs {
        let rungs: Vec<String> = climb
            .rungs
            .iter()
            .map(|(rung, cost)| format!("{} at {}", number(cost.median), grouped(*rung)))
            .collect();
        let growth = climb
            .growth()
            .map_or("?".to_owned(), |growth| format!("{growth:.2}"));
        let verdict = match climb.holds() {
            Some(true) => "holds",
            Some(false) => "EXCEEDED",
            None => "?",
        };
        let (property, bound) = (climb.ladder.property, climb.bound());
        if let Some(why) = &climb.failed {
            put(&mut text, format_args!("  {property:<20} FAILED {why}"));
            continue;
        }
        let rungs = rungs.join(", ");
        put(
            &mut text,
            format_args!("  {property:<20} x {growth:<7} ({bound}: {verdict})  {rungs}"),
        );
    }
    text
}

fn table(text: &mut String, comparison: &Comparison) {
    let (variant, task) = (&comparison.variant, &comparison.task);
    let workers = if variant.workers == 1 {
        "1 worker"
    } else {
        "2 workers"
    };
    let (name, allocator) = (variant.name(), variant.allocator.name());
    put(
        text,
        format_args!(
            "\n{name}: {workers}, {allocator} allocator; {}",
            variant.benchmark.what
        ),
    );
    let unit = match variant.benchmark.kind {
        Kind::Throughput => "ns per operation",
        Kind::Bytes => "bytes",
        Kind::Latency => "ns, of p99.9",
        Kind::Idle => "ns of processor time in all",
    };
    let repeated = match comparison.repeated {
        0 => String::new(),
        n => format!("; {n} repeated: the host was busy, or had moved the processors apart"),
    };
    let (n, k, m) = (task.n, task.k, task.m);
    put(
        text,
        format_args!("  N = {n}, K = {k}, M = {m}; {unit}{repeated}"),
    );
    let heads = ["", "min", "median", "max", "cpu", "x ours", "rounds"].map(str::to_owned);
    put(text, format_args!("{}", columns(&heads)));
    let ours = ours(comparison).and_then(|row| comparison.main(row));
    for row in &comparison.rows {
        let system = row.system;
        match &row.outcome {
            Outcome::Empty(why) => put(text, format_args!("  {system:<16}  - {why}")),
            Outcome::Failed(why) => put(text, format_args!("  {system:<16}  FAILED {why}")),
            Outcome::Measured(answers) => {
                let Some(spread) = comparison.main(row) else {
                    continue;
                };
                let cpu = comparison
                    .cpu(row)
                    .map_or(String::new(), |cpu| number(cpu.median));
                let ratio =
                    ratio(spread, ours).map_or(String::new(), |ratio| format!("{ratio:.2}"));
                let [min, median, max] = [spread.min, spread.median, spread.max].map(number);
                let rounds = answers.len().to_string();
                let cells = [system.to_owned(), min, median, max, cpu, ratio, rounds];
                put(
                    text,
                    format_args!("{}  {}", columns(&cells), details(comparison, row)),
                );
            }
        }
    }
}

fn columns([name, min, median, max, cpu, ratio, rounds]: &[String; 7]) -> String {
    format!("  {name:<16}{min:>15}{median:>15}{max:>15}{cpu:>12}{ratio:>9}{rounds:>8}")
}

/// What else a row has to tell.
fn details(comparison: &Comparison, row: &Row) -> String {
    let keys: &[&str] = match comparison.variant.benchmark.kind {
        Kind::Throughput => &["sleeps", "steals"],
        Kind::Bytes => &["more"],
        Kind::Latency => &["p50", "p99", "max", "lost"],
        Kind::Idle => &["wakes"],
    };
    let values = keys.iter().filter_map(|key| {
        let value = comparison.named(row, key)?;
        Some(format!("{key} {}", number(value.median)))
    });
    values.collect::<Vec<_>>().join(", ")
}

/// The lines for scripts; `docs/BENCHMARKS.md` says what they mean.
pub(crate) fn lines(comparisons: &[Comparison], climbs: &[Climb]) -> String {
    let mut text = String::new();
    for comparison in comparisons {
        for name in names(comparison) {
            comparison_lines(&mut text, comparison, &name);
        }
    }
    for (name, gain) in scaling(comparisons) {
        put(&mut text, format_args!("SCALING {name} {gain:.2}"));
    }
    for climb in climbs {
        if let Some(growth) = climb.growth() {
            put(
                &mut text,
                format_args!("GROWTH {} {growth:.3}", climb.ladder.property),
            );
        }
    }
    text
}

/// What two workers do in the time of one, by rekindle and with the system's allocator: the cost
/// of an operation with one worker by that with two.
fn scaling(comparisons: &[Comparison]) -> Vec<(&'static str, f64)> {
    let cost = |comparison: &Comparison| {
        let spread = ours(comparison).and_then(|row| comparison.main(row))?;
        Some(spread.median)
    };
    let with_two = comparisons.iter().filter(|comparison| {
        let variant = &comparison.variant;
        variant.workers == 2
            && variant.allocator == Allocator::System
            && variant.benchmark.kind == Kind::Throughput
    });
    let gain = |two: &Comparison| {
        let name = two.variant.benchmark.name;
        let one = comparisons.iter().find(|one| {
            let variant = &one.variant;
            variant.benchmark.name == name
                && variant.workers == 1
                && variant.allocator == Allocator::System
        })?;
        Some((name, cost(one)? / cost(two)?))
    };
    with_two.filter_map(gain).collect()
}

/// The variant's name; where both worker counts are measured, also with the suffix `_w2`.
fn names(comparison: &Comparison) -> Vec<String> {
    let variant = &comparison.variant;
    let name = variant.name();
    if variant.workers != 2 || variant.benchmark.workers.len() < 2 {
        return vec![name];
    }
    let allocator = match variant.allocator {
        Allocator::System => "",
        Allocator::Mimalloc => "_mimalloc",
    };
    vec![name, format!("{}_w2{allocator}", variant.benchmark.name)]
}

fn comparison_lines(text: &mut String, comparison: &Comparison, name: &str) {
    let Some((row, ours)) = ours(comparison).and_then(|row| Some((row, comparison.main(row)?)))
    else {
        return;
    };
    match comparison.variant.benchmark.kind {
        Kind::Throughput => put(text, format_args!("ABS {name} {:.1}", ours.median)),
        Kind::Bytes => put(text, format_args!("BYTES {name} {:.0}", ours.median)),
        Kind::Latency => {
            for key in ["p50", "p99", "p999", "max"] {
                if let Some(value) = comparison.named(row, key) {
                    put(text, format_args!("ABS {name}_{key} {:.0}", value.median));
                }
            }
        }
        Kind::Idle => {
            put(text, format_args!("ABS {name} {:.0}", ours.median));
            if let Some(wakes) = comparison.named(row, "wakes") {
                put(text, format_args!("ABS {name}_wakes {:.0}", wakes.median));
            }
        }
    }
    for row in comparison.rows.iter().filter(|row| row.system != OURS) {
        let spread = comparison.main(row);
        if let Some(ratio) = spread.and_then(|spread| ratio(spread, Some(ours))) {
            put(text, format_args!("RATIO {name} {} {ratio:.2}", row.system));
        }
    }
}

fn ours(comparison: &Comparison) -> Option<&Row> {
    comparison.rows.iter().find(|row| row.system == OURS)
}

/// Theirs by ours, of the medians; above 1 is in our favour.
pub(crate) fn ratio(theirs: Spread, ours: Option<Spread>) -> Option<f64> {
    let ours = ours?.median;
    (ours > 0.0).then(|| theirs.median / ours)
}

/// A number in as many digits as mean something.
fn number(value: f64) -> String {
    if value >= 100.0 {
        grouped(value.round() as u64)
    } else {
        format!("{value:.1}")
    }
}

/// 1234567 as 1,234,567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One more line. Writing to a `String` cannot fail.
fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{}", line.to_string().trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(99.99), "100.0");
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(grouped(100), "100");
        assert_eq!(grouped(0), "0");
    }
}
