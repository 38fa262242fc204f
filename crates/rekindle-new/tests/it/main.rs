//! The programs as they are called, and what they make.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// A folder of this test's own, empty.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("rekindle-new")
        .join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(program: &str, arguments: &[&str], at: &Path) -> Output {
    let mut command = Command::new(program);
    // As if it were not run by cargo.
    command.env_remove("CARGO_MANIFEST_DIR");
    command.args(arguments).current_dir(at).output().unwrap()
}

fn new(arguments: &[&str], at: &Path) -> Output {
    run(env!("CARGO_BIN_EXE_rekindle-new"), arguments, at)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_project_is_made_and_the_next_steps_are_said() {
    let at = folder("made");
    let output = new(&["my_app"], &at);
    assert!(output.status.success());
    let said = text(&output.stdout);
    for line in [
        "* creating my_app/src/lib.rs",
        "    cd my_app",
        "    cargo test",
        "(--sup)",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let manifest = fs::read_to_string(at.join("my_app/Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"my_app\"") && manifest.contains("rekindle = \"0.1\""));
    assert_eq!(
        fs::read_to_string(at.join("my_app/.gitignore")).unwrap(),
        "/target\n"
    );
}

#[test]
fn run_from_a_checkout_it_builds_against_that() {
    let at = folder("from-checkout");
    let output = Command::new(env!("CARGO_BIN_EXE_rekindle-new"))
        .args(["my_app"])
        .current_dir(&at)
        .output()
        .unwrap();
    assert!(text(&output.stdout).contains("* against the rekindle in "));
    let manifest = fs::read_to_string(at.join("my_app/Cargo.toml")).unwrap();
    let path = manifest.split_once("rekindle = { path = \"").unwrap().1;
    assert!(
        Path::new(path.split('"').next().unwrap())
            .join("Cargo.toml")
            .exists()
    );
}

#[test]
fn in_the_folder_of_another_workspace_it_is_one_of_its_own() {
    let at = folder("inside");
    fs::write(at.join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    assert!(new(&["inside"], &at).status.success());
    let manifest = fs::read_to_string(at.join("inside/Cargo.toml")).unwrap();
    assert!(manifest.ends_with("[workspace]\n"));
}

#[test]
fn cargo_passes_its_own_word_first() {
    let at = folder("cargo");
    let program = env!("CARGO_BIN_EXE_cargo-rekindle");
    let made = run(program, &["rekindle", "new", "one", "--server"], &at);
    assert!(made.status.success() && at.join("one/src/lib.rs").exists());
    // Called by hand.
    assert!(run(program, &["new", "two"], &at).status.success());
    assert!(
        run(program, &["rekindle", "--version"], &at)
            .status
            .success()
    );
    let wrong = run(program, &["rekindle", "old", "three"], &at);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("the one command is `new`"));
}

#[test]
fn nothing_that_exists_is_written_over() {
    let at = folder("exists");
    fs::create_dir(at.join("taken")).unwrap();
    fs::write(at.join("taken/file"), "mine").unwrap();
    let output = new(&["taken"], &at);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("taken exists already"));
    assert_eq!(fs::read_dir(at.join("taken")).unwrap().count(), 1);
    // An empty folder is nobody's, and a file is no folder.
    fs::create_dir(at.join("empty")).unwrap();
    assert!(new(&["app", "--path", "empty"], &at).status.success());
    assert_eq!(
        new(&["app", "--path", "taken/file"], &at).status.code(),
        Some(1)
    );
}

#[test]
fn a_checkout_without_rekindle_is_refused_before_anything_is_written() {
    let at = folder("checkout");
    let output = new(&["app", "--rekindle-path", "."], &at);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no crate `rekindle`"));
    assert!(!at.join("app").exists());
}

#[test]
fn wrong_use_ends_with_2() {
    let at = folder("wrong");
    for arguments in [
        &[] as &[&str],
        &["2fast"],
        &["a", "--sup", "--server"],
        &["a", "-x"],
    ] {
        let output = new(arguments, &at);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).starts_with("error: "));
    }
    let help = new(&["--help"], &at);
    assert!(help.status.success() && text(&help.stdout).contains("--behaviour"));
}

/// The workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs cargo in a project, with what the workspace has built and locked.
fn cargo<S: AsRef<OsStr>>(arguments: &[S], project: &Path) {
    // target/debug/deps/this-test
    let program = env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(project)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{}\n{out}\n{error}",
        project.display()
    );
}

/// Makes a project against the workspace, and does with it what its owner would.
fn check(name: &str, kind: &str) {
    let at = folder(kind);
    let root = root();
    let checkout = root.to_str().unwrap();
    let made = new(&[name, kind, "--rekindle-path", checkout], &at);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let project = at.join(name);
    fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    cargo(&["fmt", "--check"], &project);
    cargo(
        &[
            "clippy",
            "--offline",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        &project,
    );
    cargo(&["test", "--offline"], &project);
}

#[test]
#[ignore = "builds a project; `.ci/run` does it"]
fn a_supervised_application_passes_its_tests() {
    check("zoo-keeper", "--sup");
}

#[test]
#[ignore = "builds a project; `.ci/run` does it"]
fn a_server_passes_its_tests() {
    check("limits", "--server");
}

#[test]
#[ignore = "builds a project; `.ci/run` does it"]
fn a_behaviour_passes_its_tests() {
    // Lines break elsewhere with a name of this length.
    check("exponential_backoff_poller", "--behaviour");
}
