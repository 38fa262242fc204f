//! Writes the table of conformance cases from a run of the tests, or checks that it is up to date.
//!
//! ```text
//! rm -rf target/conformance
//! REKINDLE_CONFORMANCE=$PWD/target/conformance cargo test --workspace
//! cargo run -p rekindle-conformance            # writes docs/CONFORMANCE.md
//! cargo run -p rekindle-conformance -- --check # says whether it is what the run gives
//! ```
//!
//! The test kits of the crates leave a line for each test and each kind of runtime on which its
//! body came to its end. A test is a case's by its name: `sup_017_...` is of case SUP-017.

mod cases;
mod record;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use record::Record;

fn main() -> ExitCode {
    let check = match env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            eprintln!("what is {other:?}? There is nothing but --check");
            return ExitCode::from(2);
        }
    };
    match run(check) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(said) => {
            eprintln!("{said}");
            ExitCode::FAILURE
        }
    }
}

fn run(check: bool) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = env::var_os("REKINDLE_CONFORMANCE")
        .map_or_else(|| root.join("target/conformance"), PathBuf::from);
    let record = Record::read(&folder)
        .map_err(|error| format!("no record of a test run in {}: {error}", folder.display()))?;
    let rows = table::rows(&record);
    let text = table::text(&rows);
    let file = root.join("docs/CONFORMANCE.md");
    let missing: Vec<_> = rows.iter().filter(|row| row.is_missing()).collect();
    if check {
        let there = fs::read_to_string(&file).unwrap_or_default();
        if there != text {
            return Err(format!(
                "docs/CONFORMANCE.md is not what the tests have shown: {}; see CONTRIBUTING.md",
                table::first_difference(&there, &text)
            ));
        }
    } else {
        fs::write(&file, &text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let ids: Vec<_> = missing.iter().map(|row| row.case.to_string()).collect();
    if !check || ids.is_empty() {
        return Ok(format!(
            "{} cases, {} without a test: {}",
            rows.len(),
            ids.len(),
            ids.join(" ")
        ));
    }
    Err(format!(
        "these cases have no test and no reason: {}",
        ids.join(" ")
    ))
}
