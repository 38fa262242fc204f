//! The tutorial is what it says: its programs are these, and print what its pages show.

mod page;
mod redis_cli;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::{self, JoinHandle};

use page::{Block, Page};
use redis_cli::RedisCli;

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
    Step {
        page: "5-tcp.md",
        folder: "5_tcp",
        program: env!("CARGO_BIN_EXE_kv_5_tcp"),
    },
    Step {
        page: "6-tasks-and-timeouts.md",
        folder: "6_tasks_and_timeouts",
        program: env!("CARGO_BIN_EXE_kv_6_tasks_and_timeouts"),
    },
    Step {
        page: "7-testing.md",
        folder: "7_testing",
        program: env!("CARGO_BIN_EXE_kv_7_testing"),
    },
    Step {
        page: "8-looking-inside.md",
        folder: "8_looking_inside",
        program: env!("CARGO_BIN_EXE_kv_8_looking_inside"),
    },
    Step {
        page: "9-shipping.md",
        folder: "9_shipping",
        program: env!("CARGO_BIN_EXE_kv_9_shipping"),
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

/// `#12.3` becomes `#PID`, with what stands around it, and a port `PORT`.
fn mask_word(word: &str) -> String {
    if word.starts_with("127.0.0.1:") {
        return "127.0.0.1:PORT".to_owned();
    }
    let Some((before, rest)) = word.split_once('#') else {
        return word.to_owned();
    };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    format!("{before}#PID{after}")
}

/// A source file, and where it lies if it is that of an earlier step.
fn source(path: &Path) -> (PathBuf, String) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let elsewhere = text.strip_prefix("include!(\"");
    match elsewhere.and_then(|rest| rest.split_once('"')) {
        Some((other, _)) => source(&path.parent().expect("a folder").join(other)),
        None => (path.to_owned(), text),
    }
}

#[test]
fn the_files_on_the_pages_are_the_files_of_the_programs() {
    let mut before: Option<&Step> = None;
    for step in STEPS {
        let page = step.read();
        for entry in fs::read_dir(step.folder()).expect("the step's folder") {
            let path = entry.expect("an entry of it").path();
            let name = path.file_name().expect("a file").to_string_lossy();
            let (_, mut text) = source(&path);
            if let Some(block) = page.file(&name) {
                assert_eq!(block.text, text, "{}: src/{name}", step.page);
                continue;
            }
            // What is not shown is as it was, but for the changes that are shown.
            for (old, new) in page.changes(&name).iter().rev() {
                assert!(
                    text.contains(new),
                    "{}: src/{name} has no\n{new}",
                    step.page
                );
                text = text.replacen(new, old, 1);
            }
            let before = before.expect("the first page shows everything");
            let (_, old) = source(&before.folder().join(&*name));
            assert_eq!(text, old, "{}: src/{name}, without its changes", step.page);
        }
        before = Some(step);
    }
}

/// The names of the tests in a file, as they are listed when they run.
fn tests_of(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        let name = line.trim_start_matches("async ").strip_prefix("fn ");
        if let (true, Some((name, _))) = (is_test, name.and_then(|name| name.split_once('('))) {
            names.push(format!("test tests::{name} ... ok"));
        }
        is_test = line == "#[test]" || line.starts_with("#[rekindle::test");
    }
    names.sort();
    names
}

#[test]
fn the_page_on_tests_lists_those_that_there_are() {
    let step = STEPS.iter().find(|step| step.folder == "7_testing");
    let page = step.expect("it is a step").read();
    let shown = page.after("Now `cargo test` says:").expect("a block");
    let tests = tests_of(&page.file("tests.rs").expect("a block").text);
    let count = format!("running {} tests", tests.len());
    let expected: Vec<String> = std::iter::once(count).chain(tests).collect();
    assert_eq!(shown.text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn the_programs_print_what_the_pages_show() {
    for step in STEPS {
        let page = step.read();
        let Some(expected) = page.after("`cargo run` prints:") else {
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

/// A server of the tutorial, which ends with this value.
struct Server {
    child: Child,
    address: SocketAddr,
    /// What it says on its standard error.
    log: Option<JoinHandle<String>>,
}

impl Server {
    fn start(program: &str) -> Server {
        let mut child = Command::new(program)
            .arg("127.0.0.1:0")
            .env_remove("RUST_LOG")
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("a line from the server");
        let address = line.trim().strip_prefix("listening on ");
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{program} does not listen: {line:?}"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let log = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Server {
            child,
            address,
            log: Some(log),
        }
    }

    /// Ends it as a user does, by Ctrl-C or `kill`; gives its exit status and its log.
    fn stop(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").arg(pid).status();
        assert!(told.expect("the command `kill`").success());
        let status = self.child.wait().expect("its exit status");
        let log = self.log.take().expect("taken once").join();
        (status, log.expect("the log's reader"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The session on a page: what was typed, and what was printed.
fn session(text: &str) -> Vec<(&str, String)> {
    let mut session: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("127.0.0.1:6380> "), session.last_mut()) {
            (Some(typed), _) => session.push((typed, String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => panic!("a session begins with a prompt: {line}"),
        }
    }
    session
}

#[test]
fn the_servers_answer_redis_cli_as_the_pages_show() {
    for step in STEPS {
        let page = step.read();
        let mut sessions = page
            .blocks
            .iter()
            .filter(|block| block.kind == "redis")
            .peekable();
        if sessions.peek().is_none() {
            continue;
        }
        let server = Server::start(step.program);
        let mut client = RedisCli::connect(server.address);
        for Block { text, .. } in sessions {
            for (typed, printed) in session(text) {
                let answer = masked(&client.say(typed), step.folder);
                let printed = masked(&printed, step.folder);
                if typed == "INFO" {
                    // Shortened on the page, and siblings have no order of their own.
                    for line in printed.lines() {
                        assert!(answer.contains(line), "{}: {line}\nin\n{answer}", step.page);
                    }
                } else {
                    assert_eq!(answer, printed, "{}: {typed}", step.page);
                }
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn the_application_stops_in_good_order() {
    let step = STEPS.last().expect("there are steps");
    let server = Server::start(step.program);
    // A client that is connected and says nothing does not hold it up.
    let _client = TcpStream::connect(server.address).expect("the server listens");
    let (status, log) = server.stop();
    assert!(status.success(), "{status}: {log}");
    let page = step.read();
    let shown = page
        .after("standard error:")
        .expect("the page shows the log");
    assert_eq!(log, shown.text);
}
