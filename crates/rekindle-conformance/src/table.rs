//! The page.

use std::fmt::Write as _;

use crate::cases::{AREAS, Case, DO_NOT_APPLY};
use crate::record::{Kind, Record};

const HEAD: &str = "\
# Conformance

Each case of the catalogue of what Erlang/OTP and Elixir promise, and what our tests of it have
shown. This page is written by the tests: `CONTRIBUTING.md` has the command, and CI checks that it
is up to date. A test is named after its case, so `cargo test sup_017` runs the tests of SUP-017.

*Pool* is the work-stealing pool with real time, *simulator* virtual time under several seeds. A test
that runs on one of them only needs what the other does not have: exact times, or real threads.
";

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: Case,
    /// What the tests' names say, the shortest first.
    titles: Vec<String>,
    pool: bool,
    simulator: bool,
    /// Why the case means nothing here.
    excused: Option<&'static str>,
}

impl Row {
    pub(crate) fn is_missing(&self) -> bool {
        self.titles.is_empty() && self.excused.is_none()
    }
}

/// A row for each case there is.
pub(crate) fn rows(record: &Record) -> Vec<Row> {
    Case::all().map(|case| row(case, record)).collect()
}

fn row(case: Case, record: &Record) -> Row {
    let tests = record.tests.get(&case);
    let kinds = |kind| tests.is_some_and(|tests| tests.values().any(|kinds| kinds.contains(&kind)));
    let mut titles: Vec<_> = tests
        .into_iter()
        .flat_map(|tests| tests.keys())
        .map(|name| title(name))
        .collect();
    titles.sort_by_key(|title| (title.len(), title.clone()));
    Row {
        case,
        titles,
        pool: kinds(Kind::Pool),
        simulator: kinds(Kind::Simulator),
        excused: DO_NOT_APPLY
            .iter()
            .find(|(excused, _)| *excused == case)
            .map(|(_, why)| *why),
    }
}

/// `sup_017_a_child_ends` is "a child ends".
fn title(name: &str) -> String {
    name.splitn(3, '_')
        .nth(2)
        .unwrap_or_default()
        .replace('_', " ")
}

/// The whole page.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    let tested = rows.iter().filter(|row| !row.titles.is_empty()).count();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{tested} of {} cases have a test that passes.",
        rows.len()
    );
    for (area, (name, about, _)) in AREAS.iter().enumerate() {
        let _ = write!(text, "\n## {name}: {about}\n\n");
        text.push_str("| case | what was tested | pool | simulator |\n|---|---|---|---|\n");
        for row in rows.iter().filter(|row| row.case.area() == area) {
            let _ = writeln!(text, "{}", line(row));
        }
    }
    text
}

fn line(row: &Row) -> String {
    let yes = |passed| if passed { "passed" } else { "" };
    let about = match (row.titles.is_empty(), row.excused) {
        (_, Some(why)) => format!("*does not apply: {why}*"),
        (true, None) => "**no test yet**".to_owned(),
        (false, None) => row.titles.join("; "),
    };
    format!(
        "| {} | {about} | {} | {} |",
        row.case,
        yes(row.pool),
        yes(row.simulator)
    )
}

/// The first line in which two pages differ.
pub(crate) fn first_difference(there: &str, now: &str) -> String {
    let mut lines = there.lines().zip(now.lines());
    match lines.find(|(there, now)| there != now) {
        Some((there, now)) => format!("it says `{there}`, the tests say `{now}`"),
        None => "one of them is longer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_without_a_test_is_a_row_as_well() {
        let rows = rows(&Record::default());
        assert_eq!(rows.len(), 347);
        assert!(rows.iter().all(Row::is_missing));
        let text = text(&rows);
        assert!(text.contains("| SUP-063 | **no test yet** |  |  |"));
        assert!(text.contains("0 of 347"));
    }

    #[test]
    fn a_title_is_the_rest_of_the_name() {
        assert_eq!(title("sup_017_a_child_ends"), "a child ends");
        assert_eq!(title("sup_017"), "");
    }

    #[test]
    fn a_difference_is_shown() {
        assert!(first_difference("a\nb", "a\nc").contains("`b`"));
        assert!(first_difference("a", "a\nc").contains("longer"));
    }
}
