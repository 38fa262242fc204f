//! Tests of what belongs to a whole program: its standard error, its logger, the size of its stacks.
//! Such a test starts this test program again, with the same test, and looks at how that ends.

use std::env;
use std::process::{Command, Stdio};

/// Says to a test that it is the child.
const CHILD: &str = "REKINDLE_TEST_CHILD";

/// Whether this is the program that [`run`] has started for the test.
pub(crate) fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// Runs the test of this name, which is the running one, in a program of its own, with these
/// variables and this standard error.
#[track_caller]
pub(crate) fn run(test: &str, variables: &[(&str, &str)], stderr: impl Into<Stdio>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, test)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    // If it is a pipe, nobody reads from it.
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{test} in a program of its own: {}\n{said}",
        output.status
    );
}
