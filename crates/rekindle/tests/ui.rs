//! What the compiler says of common mistakes: each file of `tests/ui` is one, and its `.stderr` is
//! what a user reads.
//!
//! The words around ours are the compiler's, and change with it. So the comparison is made with
//! one compiler only. After an update, or a change of a text of ours, look at the difference that
//! this makes:
//!
//! ```sh
//! TRYBUILD=overwrite cargo test -p rekindle --test ui
//! ```

use std::io::Write;
use std::process::Command;

/// The minor version of the compiler that the `.stderr` files were made with: 1.95.
const MADE_WITH: u32 = 95;

#[test]
fn compile_errors_teach() {
    let ours = minor_version();
    if ours != Some(MADE_WITH) {
        let ours = ours.map_or("an unknown version".to_owned(), |minor| {
            format!("1.{minor}")
        });
        // Not by a macro: what those print is kept back from whoever runs the tests.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: tests/ui was made with Rust 1.{MADE_WITH}, and this is {ours}"
        );
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// The minor version of the compiler that cargo uses.
fn minor_version() -> Option<u32> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.strip_prefix("rustc 1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}
