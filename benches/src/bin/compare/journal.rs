//! What has been measured so far, in a file: a run of hours that was stopped goes on from there.
//!
//! The file is text: a line that says what kind of run it is, then for each benchmark its name, the
//! answers as the programs gave them, and `end`. What has no `end` is measured again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rekindle_bench_protocol::Answer;

use crate::figures::{Comparison, Outcome};
use crate::machine::Machine;
use crate::options::Options;
use crate::systems::{Program, System};

/// The file, and what was in it.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    known: HashMap<String, Entry>,
}

/// A benchmark that was measured before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) repeated: usize,
    /// By system, those of one in the order of its rounds.
    pub(crate) answers: Vec<(String, Answer)>,
}

/// What must be the same for figures to belong together.
pub(crate) fn kind_of_run(machine: &Machine, systems: &[System], options: &Options) -> String {
    let (cpus, processor) = (machine.cpus.len(), &machine.processor);
    let mut text = format!(
        "compare quick={} rounds={} millis={} | {cpus} of {processor}, {}",
        options.quick, options.rounds, options.millis, machine.system
    );
    for system in systems {
        let _ = write!(text, " | {} {}", system.name, system.version);
    }
    // Ours has one version for many builds.
    if let Some(Ok(Program::Rust { system, .. })) = systems.first().map(|s| &s.program)
        && let Ok(built) = fs::metadata(system).and_then(|data| data.modified())
    {
        let since = built.duration_since(UNIX_EPOCH).unwrap_or_default();
        let _ = write!(text, " | built {}", since.as_secs());
    }
    text
}

impl Journal {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// It cannot be read or written, or is of another kind of run.
    pub(crate) fn open(path: &Path, kind: &str) -> Result<Journal, String> {
        let failed = |error| format!("{}: {error}", path.display());
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
        if !head.is_empty() && head != kind {
            return Err(format!(
                "{} is of another run; remove it, or give another file\n  it: {head}\nthis: {kind}",
                path.display()
            ));
        }
        let known = parse(rest);
        let whole: String = known
            .iter()
            .map(|(name, entry)| block(name, entry))
            .collect();
        fs::write(path, format!("{kind}\n{whole}")).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Journal {
            path: path.to_owned(),
            file,
            known: known.into_iter().collect(),
        })
    }

    /// What was measured before under this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.known.get(name)
    }

    /// Writes down what has just been measured.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) fn add(&mut self, comparison: &Comparison) -> Result<(), String> {
        let mut answers = Vec::new();
        for row in &comparison.rows {
            let system = row.system.to_owned();
            match &row.outcome {
                Outcome::Measured(all) => {
                    answers.extend(all.iter().map(|answer| (system.clone(), answer.clone())));
                }
                Outcome::Empty(why) => answers.push((system, Answer::Unsupported(why.clone()))),
                Outcome::Failed(why) => answers.push((system, Answer::Failed(why.clone()))),
            }
        }
        let repeated = comparison.repeated;
        let text = block(&comparison.variant.name(), &Entry { repeated, answers });
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

fn block(name: &str, entry: &Entry) -> String {
    let mut text = format!("benchmark {name} {}\n", entry.repeated);
    for (system, answer) in &entry.answers {
        // One line each, whatever a program had to say.
        let answer = answer.to_string().replace(['\n', '\r'], " ");
        let _ = writeln!(text, "{system} {answer}");
    }
    text + "end\n"
}

/// The blocks that are whole.
fn parse(text: &str) -> Vec<(String, Entry)> {
    let mut whole = Vec::new();
    let mut open: Option<(String, Entry)> = None;
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("benchmark"), Some(name), Some(repeated)) => {
                let entry = Entry {
                    repeated: repeated.parse().unwrap_or(0),
                    answers: Vec::new(),
                };
                open = Some((name.to_owned(), entry));
            }
            (Some("end"), None, _) => whole.extend(open.take()),
            (Some(system), Some(_), _) => {
                if let Some((_, entry)) = &mut open {
                    let answer = Answer::parse(&line[system.len()..]);
                    entry.answers.push((system.to_owned(), answer));
                }
            }
            _ => open = None,
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let ok = |ns| Answer::ok([("passes", 2), ("wall_ns", ns)]);
        Entry {
            repeated: 1,
            answers: vec![
                ("rekindle".to_owned(), ok(100)),
                ("rekindle".to_owned(), ok(110)),
                (
                    "go".to_owned(),
                    Answer::Unsupported("no such thing".to_owned()),
                ),
                ("beam".to_owned(), Answer::Failed("it fell".to_owned())),
            ],
        }
    }

    fn file(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn what_was_whole_is_known_again_and_the_rest_is_not() {
        let path = file("journal-whole");
        drop(Journal::open(&path, "a run").unwrap());
        let torn = "benchmark cast 0\nrekindle ok passes=1\n";
        let text = format!("a run\n{}{torn}", block("call_w1", &entry()));
        fs::write(&path, text).unwrap();
        let journal = Journal::open(&path, "a run").unwrap();
        assert_eq!(journal.find("call_w1"), Some(&entry()));
        assert_eq!(journal.find("cast"), None);
        // What is added now does not come behind half a block.
        assert!(!fs::read_to_string(&path).unwrap().contains("cast"));
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn figures_of_another_run_are_not_mixed_in() {
        let path = file("journal-other");
        drop(Journal::open(&path, "a run").unwrap());
        let error = Journal::open(&path, "another").unwrap_err();
        assert!(error.contains("is of another run"), "{error}");
        assert!(
            error.contains("it: a run") && error.contains("this: another"),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
    }
}
