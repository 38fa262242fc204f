//! All figures of all rounds, as JSON.

use rekindle_bench_protocol::{Answer, Kind};

use crate::figures::{Climb, Comparison, Outcome, Row, Spread};
use crate::machine::Machine;
use crate::options::Options;
use crate::systems::System;

/// The document.
pub(crate) fn document(
    machine: &Machine,
    systems: &[System],
    options: &Options,
    comparisons: &[Comparison],
    climbs: &[Climb],
) -> String {
    let machine = object([
        ("processor", string(&machine.processor)),
        ("processors", machine.cpus.len().to_string()),
        ("system", string(&machine.system)),
        ("bound", machine.pins.to_string()),
        ("load", machine.load.map_or("null".to_owned(), number)),
    ]);
    let options = object([
        ("quick", options.quick.to_string()),
        ("rounds", options.rounds.to_string()),
        ("millis", options.millis.to_string()),
    ]);
    let systems = systems.iter().map(|system| {
        let missing = system.program.as_ref().err();
        object([
            ("name", string(system.name)),
            ("version", string(&system.version)),
            (
                "missing",
                missing.map_or("null".to_owned(), |why| string(why)),
            ),
        ])
    });
    let mut text = object([
        ("machine", machine),
        ("options", options),
        ("systems", array(systems)),
        ("results", array(comparisons.iter().map(comparison_value))),
        ("ladders", array(climbs.iter().map(climb_value))),
    ]);
    text.push('\n');
    text
}

fn comparison_value(comparison: &Comparison) -> String {
    let (variant, task) = (&comparison.variant, &comparison.task);
    let kind = match variant.benchmark.kind {
        Kind::Throughput => "throughput",
        Kind::Bytes => "bytes",
        Kind::Latency => "latency",
        Kind::Idle => "idle",
    };
    object([
        ("name", string(&variant.name())),
        ("benchmark", string(variant.benchmark.name)),
        ("kind", string(kind)),
        ("workers", variant.workers.to_string()),
        ("allocator", string(variant.allocator.name())),
        ("n", task.n.to_string()),
        ("k", task.k.to_string()),
        ("m", task.m.to_string()),
        ("repeated", comparison.repeated.to_string()),
        (
            "rows",
            array(comparison.rows.iter().map(|row| row_value(comparison, row))),
        ),
    ])
}

fn row_value(comparison: &Comparison, row: &Row) -> String {
    let system = ("system", string(row.system));
    match &row.outcome {
        Outcome::Empty(why) => object([system, ("empty", string(why))]),
        Outcome::Failed(why) => object([system, ("failed", string(why))]),
        Outcome::Measured(answers) => object([
            system,
            ("figure", spread(comparison.main(row))),
            ("cpu", spread(comparison.cpu(row))),
            ("rounds", array(answers.iter().map(answer))),
        ]),
    }
}

fn answer(answer: &Answer) -> String {
    let Answer::Ok(values) = answer else {
        return "null".to_owned();
    };
    object(
        values
            .iter()
            .map(|(key, value)| (key.as_str(), value.to_string())),
    )
}

fn climb_value(climb: &Climb) -> String {
    let rungs = climb
        .rungs
        .iter()
        .map(|(rung, cost)| object([("n", rung.to_string()), ("ns", spread(Some(*cost)))]));
    object([
        ("property", string(climb.ladder.property)),
        ("growth", climb.growth().map_or("null".to_owned(), number)),
        ("bound", string(&climb.bound())),
        (
            "holds",
            climb
                .holds()
                .map_or("null".to_owned(), |holds| holds.to_string()),
        ),
        (
            "failed",
            climb
                .failed
                .as_ref()
                .map_or("null".to_owned(), |why| string(why)),
        ),
        ("rungs", array(rungs)),
    ])
}

fn spread(spread: Option<Spread>) -> String {
    let Some(Spread { min, median, max }) = spread else {
        return "null".to_owned();
    };
    object([
        ("min", number(min)),
        ("median", number(median)),
        ("max", number(max)),
    ])
}

/// JSON has no infinities.
fn number(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.3}")
    } else {
        "null".to_owned()
    }
}

fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", control as u32));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let members = members
        .into_iter()
        .map(|(key, value)| format!("{}:{value}", string(key)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_wants_escaped() {
        assert_eq!(
            string("a \"b\" \\ \n \u{1}"),
            "\"a \\\"b\\\" \\\\ \\n \\u0001\""
        );
        assert_eq!(
            object([("a", number(1.0)), ("b", number(f64::NAN))]),
            "{\"a\":1.000,\"b\":null}"
        );
        assert_eq!(array(["1".to_owned(), "2".to_owned()]), "[1,\n2]");
    }
}
