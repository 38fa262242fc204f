//! The tutorial is what it says: its programs are these, and print what its pages show.

mod page;
mod redis_cli;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use page::{Block, Page};

/// A page of the tutorial, the folder with its program, and the program.
struct Step {
    page: &'static str,
    folder: &'static str,
    program: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        page: "1-process.md",
        folder: "1_process",
        program: env!("CARGO_BIN_EXE_kv_1_process"),
    },
    Step {
        page: "2-bucket.md",
        folder: "2_bucket",
        program: env!("CARGO_BIN_EXE_kv_2_bucket"),
    },
    Step {
        page: "3-let-it-crash.md",
        folder: "3_let_it_crash",
        program: env!("CARGO_BIN_EXE_kv_3_let_it_crash"),
    },
    Step {
        page: "4-many-buckets.md",
        folder: "4_many_buckets",
        program: env!("CARGO_BIN_EXE_kv_4_many_buckets"),
    },
];

impl Step {
    fn read(&self) -> Page {
        Page::read(self.page)
    }

    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.folder)
    }

    fn run(&self) -> Output {
        Command::new(self.program)
            .env_remove("RUST_LOG")
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program))
    }
}

/// What differs from run to run, or from the reader's folder to ours, made alike.
fn masked(text: &str, folder: &str) -> String {
    let text = text.replace(&format!("examples/kv/{folder}/"), "src/");
    let lines = text.lines().map(|line| {
        let mut words = line.split(' ').map(mask_word).collect::<Vec<_>>();
        if let Some(at) = words.iter().position(|word| word == "alive") {
            words[at + 1] = "TIME".to_owned();
        }
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `#12.3` becomes `#PID`, with what stands around it.
fn mask_word(word: &str) -> String {
    let Some((before, rest)) = word.split_once('#') else {
        return word.to_owned();
    };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    format!("{before}#PID{after}")
}

#[test]
fn the_files_on_the_pages_are_the_files_of_the_programs() {
    for step in STEPS {
        let page = step.read();
        let mut shown: Vec<PathBuf> = Vec::new();
        for (name, block) in page.files() {
            let path = step.folder().join(name);
            let file = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(
                block.text, file,
                "{}: src/{name} is not {path:?}",
                step.page
            );
            shown.push(path);
        }
        // What is not shown is the file of an earlier step.
        for entry in fs::read_dir(step.folder()).expect("the step's folder") {
            let path = entry.expect("an entry of it").path();
            let text = fs::read_to_string(&path).expect("a source file");
            assert!(
                shown.contains(&path) || text.starts_with("include!(\"../"),
                "{}: {path:?} is not on the page",
                step.page
            );
        }
    }
}

#[test]
fn the_programs_print_what_the_pages_show() {
    for step in STEPS {
        let page = step.read();
        let Some(expected) = page.after("prints:") else {
            continue;
        };
        let output = step.run();
        assert!(output.status.success(), "{}: {output:?}", step.page);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            masked(&stdout, step.folder),
            masked(&expected.text, step.folder),
            "{}",
            step.page
        );
        if let Some(Block { text, .. }) = page.after("standard error:") {
            let stderr = masked(&String::from_utf8_lossy(&output.stderr), step.folder);
            let text = masked(text, step.folder);
            assert!(
                stderr.contains(&text),
                "{}: {text}\nis not in\n{stderr}",
                step.page
            );
        }
    }
}
