//! Crash reports: data first, text in this file only.
//!
//! There is one report per crash, not one per link. It is made by the process that crashed, and
//! printed once: by the supervisor, which adds what it did, if the parent asked for that by
//! [`report_for_children`]; by the process itself otherwise. A crash that repeats is counted, and
//! the count is printed, so that a restart storm does not bury its cause.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_scheduler::{self as scheduler, Time};

use crate::exit::ExitReason;
use crate::link::within;
use crate::pid::Pid;
use crate::process::{Owner, Process};
use crate::runtimes;
use crate::system::System;

/// Reports that a runtime remembers: see [`recent_crashes`].
const REMEMBERED: usize = 64;
/// How long after a report its repetitions are only counted.
const QUIET: Duration = Duration::from_secs(5);
/// Identical reports that are printed before counting begins.
const LOUD: u64 = 3;
/// Ancestors that are looked up.
const ANCESTORS: usize = 16;

/// Everything that is known of a crash.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CrashReport {
    /// The process.
    pub pid: Pid,
    /// The type of its behaviour or body.
    pub behaviour: &'static str,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Its label.
    pub label: Option<Arc<str>>,
    /// Why it ended.
    pub reason: ExitReason,
    /// The message that was being handled: what it was, and its text where the behaviour shows it.
    pub last_message: Option<String>,
    /// Who sent that message, if it was a call of a process.
    pub last_sender: Option<Pid>,
    /// The state, where the behaviour shows it.
    pub state: Option<String>,
    /// The parent, its parent, and so on, as far as they live.
    pub ancestors: Vec<(Pid, Option<Arc<str>>)>,
    /// The processes it was linked with.
    pub links: Vec<Pid>,
    /// How many messages lay unread.
    pub mailbox: usize,
    /// Whether it trapped exits.
    pub traps_exits: bool,
    /// How long it had lived.
    pub age: Duration,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What the supervisor did, if it said so.
    pub action: Option<String>,
}

/// Collects the report of the running process, which ends with `reason`.
pub(crate) fn gather(owner: Owner<'_>, reason: &ExitReason) -> PendingReport {
    let process = owner.process();
    let private = owner.private();
    let last = private
        .rare
        .as_ref()
        .and_then(|rare| rare.last_message.clone());
    let state = private
        .rare
        .as_ref()
        .and_then(|rare| rare.state_text.clone());
    let mailbox = private.queue.len();
    drop(private);
    let shared = process.shared();
    let links = shared.links.pids();
    let rare = shared.rare.as_deref();
    let (name, label) = rare
        .map(|r| (r.name.clone(), r.label.clone()))
        .unwrap_or_default();
    drop(shared);
    let now = scheduler::with_handle(|handle| handle.map_or(Time::ZERO, |h| h.now()));
    let report = CrashReport {
        pid: owner.pid(),
        behaviour: (process.kind.behaviour)(),
        name,
        label,
        reason: reason.clone(),
        last_message: last.as_ref().map(|last| last.what.clone()),
        last_sender: last.and_then(|last| last.from),
        state,
        ancestors: ancestors(process.parent()),
        links,
        mailbox,
        traps_exits: process.traps.load(Ordering::Relaxed),
        age: now.saturating_since(process.started),
        spawned_at: process.spawned_at,
        action: None,
    };
    PendingReport(Arc::new(Pending {
        report: Mutex::new(Some(report)),
        node: process.node,
    }))
}

/// The chain of parents, as far as they live.
pub(crate) fn ancestors(parent: Option<Pid>) -> Vec<(Pid, Option<Arc<str>>)> {
    let mut chain = Vec::new();
    let mut at = parent;
    while let Some(pid) = at {
        let seen = runtimes::with_process(pid, |_, process: &Process| {
            (process.shared().name(), process.parent())
        });
        chain.push((pid, seen.as_ref().and_then(|(name, _)| name.clone())));
        at = seen.and_then(|(_, parent)| parent);
        if chain.len() == ANCESTORS {
            break;
        }
    }
    chain
}

/// A crash report on its way to whoever prints it. Dropped unprinted, it prints itself.
#[derive(Debug, Clone)]
pub struct PendingReport(Arc<Pending>);

#[derive(Debug)]
struct Pending {
    report: Mutex<Option<CrashReport>>,
    node: u32,
}

impl PendingReport {
    /// Prints the report, with what was done about the crash. Once: later calls do nothing.
    pub fn print(&self, action: impl Into<String>) {
        let report = self.0.report.lock().take();
        if let Some(mut report) = report {
            report.action = Some(action.into());
            self.0.deliver(report);
        }
    }

    /// Throws the report away: the process was killed on purpose, by the one who holds it.
    pub fn discard(&self) {
        drop(self.0.report.lock().take());
    }

    /// The report, if it has not been printed.
    #[must_use]
    pub fn report(&self) -> Option<CrashReport> {
        self.0.report.lock().clone()
    }
}

impl Pending {
    fn deliver(&self, report: CrashReport) {
        let mut report = Some(report);
        runtimes::with(self.node, |handle| {
            let now = handle.now();
            System::of(handle)?.reports.accept(report.take()?, now);
            Some(())
        });
        // The runtime is gone already.
        if let Some(report) = report {
            emit(&report, 0);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(report) = self.report.get_mut().take() {
            self.deliver(report);
        }
    }
}

/// Asks that the crash reports of the running process's children be given to it, in the
/// [`Exit`](crate::Exit) messages of their deaths, instead of being printed at once. A supervisor
/// does this, to print what it did in the same report.
///
/// # Panics
///
/// Outside of a process.
pub fn report_for_children(on: bool) {
    within("report_for_children", |owner| {
        owner.process().reports.store(on, Ordering::Relaxed)
    });
}

/// The last crashes of the running runtime, oldest first, at most 64.
#[must_use]
pub fn recent_crashes() -> Vec<CrashReport> {
    scheduler::with_handle(|handle| {
        let system = handle.and_then(System::of)?;
        Some(system.reports.state.lock().recent.iter().cloned().collect())
    })
    .unwrap_or_default()
}

/// The reports of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    editing: Editing,
    state: Mutex<ReportsState>,
}

type Edit = Arc<dyn Fn(&mut CrashReport) + Send + Sync>;

/// What is done to a report before anybody sees it.
#[derive(Clone, Default)]
pub(crate) struct Editing {
    /// How long a text may be, in characters.
    pub(crate) limit: Option<usize>,
    pub(crate) edit: Option<Edit>,
}

impl fmt::Debug for Editing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Editing")
            .field("limit", &self.limit)
            .field("edit", &self.edit.as_ref().map(|_| ".."))
            .finish()
    }
}

impl Editing {
    fn apply(&self, report: &mut CrashReport) {
        if let Some(edit) = &self.edit {
            let mut edited = report.clone();
            if crate::unwind::catch(|| edit(&mut edited)).is_ok() {
                edited.pid = report.pid;
                edited.reason = report.reason.clone();
                *report = edited;
            }
        }
        if let Some(limit) = self.limit {
            let texts = [&mut report.last_message, &mut report.state];
            texts
                .into_iter()
                .flatten()
                .for_each(|text| shorten(text, limit));
        }
    }
}

/// Cuts a text after so many characters, and says how many are left out.
fn shorten(text: &mut String, limit: usize) {
    if let Some((at, _)) = text.char_indices().nth(limit) {
        let left = text[at..].chars().count();
        text.truncate(at);
        // Writing to a string cannot fail.
        let _ = write!(text, "... ({left} more)");
    }
}

#[derive(Debug, Default)]
struct ReportsState {
    recent: VecDeque<CrashReport>,
    /// By what the crash looks like.
    storms: BTreeMap<u64, Storm>,
}

/// Repetitions of one crash.
#[derive(Debug)]
struct Storm {
    printed_at: Time,
    printed: u64,
    /// Since the last one that was printed.
    silent: u64,
    last: Option<CrashReport>,
}

impl Reports {
    pub(crate) fn edited_by(editing: Editing) -> Reports {
        Reports {
            editing,
            ..Reports::default()
        }
    }

    fn accept(&self, mut report: CrashReport, now: Time) {
        self.editing.apply(&mut report);
        let mut hasher = DefaultHasher::new();
        report.behaviour.hash(&mut hasher);
        report.name.hash(&mut hasher);
        report.reason.to_string().hash(&mut hasher);
        let looks = hasher.finish();

        let mut state = self.state.lock();
        if state.recent.len() == REMEMBERED {
            state.recent.pop_front();
        }
        state.recent.push_back(report.clone());
        // Storms that are over, and were printed to the end, are forgotten.
        if state.storms.len() > REMEMBERED {
            state
                .storms
                .retain(|_, s| s.silent > 0 || now.saturating_since(s.printed_at) < QUIET);
        }
        let fresh = Storm {
            printed_at: now,
            printed: 0,
            silent: 0,
            last: None,
        };
        let storm = state.storms.entry(looks).or_insert(fresh);
        if now.saturating_since(storm.printed_at) >= QUIET {
            storm.printed = 0;
        }
        if storm.printed >= LOUD {
            storm.silent += 1;
            storm.last = Some(report);
            return;
        }
        storm.printed += 1;
        storm.printed_at = now;
        let counted = std::mem::take(&mut storm.silent);
        storm.last = None;
        drop(state);
        emit(&report, counted);
    }

    /// Prints what was only counted.
    pub(crate) fn flush(&self) {
        let storms = std::mem::take(&mut self.state.lock().storms);
        for storm in storms.into_values() {
            if let (Some(report), silent @ 1..) = (storm.last, storm.silent) {
                emit(&report, silent - 1);
            }
        }
    }
}

/// Prints a report through `log`; to stderr where no logger is installed, for a crash must never
/// go unseen. A closed stderr harms nobody.
fn emit(report: &CrashReport, counted: u64) {
    let text = Text { report, counted };
    if log::max_level() == log::LevelFilter::Off {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let mut line = format!("ERROR {text}\n");
        if !TOLD.swap(true, Ordering::Relaxed) {
            line.push_str("(no logger is installed: crash reports go to stderr)\n");
        }
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
        return;
    }
    log::error!(
        target: "rekindle::crash",
        pid:% = report.pid,
        behaviour = report.behaviour,
        name = report.name.as_deref().unwrap_or(""),
        reason:% = report.reason,
        mailbox = report.mailbox,
        repeated = counted;
        "{text}"
    );
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text {
            report: self,
            counted: 0,
        }
        .fmt(f)
    }
}

/// A report as people read it.
struct Text<'a> {
    report: &'a CrashReport,
    counted: u64,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.report;
        write!(f, "{}", short_type_name(r.behaviour))?;
        if let Some(name) = &r.name {
            write!(f, " {name:?}")?;
        }
        writeln!(f, " ({}) crashed", r.pid)?;
        write!(f, "  {}", r.reason)?;
        if let Some(message) = &r.last_message {
            write!(f, "\n  last message   {message}")?;
            if let Some(from) = r.last_sender {
                write!(f, " from {from}")?;
            }
        }
        if let Some(state) = &r.state {
            write!(f, "\n  state          {state}")?;
        }
        if let Some(label) = &r.label {
            write!(f, "\n  label          {label}")?;
        }
        if let Some((parent, name)) = r.ancestors.first() {
            write!(f, "\n  parent         ")?;
            match name {
                Some(name) => write!(f, "{name:?} ({parent})")?,
                None => write!(f, "{parent}")?,
            }
            if let Some(action) = &r.action {
                write!(f, " -> {action}")?;
            }
        }
        if r.ancestors.len() > 1 {
            let mut line = String::new();
            for (pid, name) in &r.ancestors[1..] {
                match name {
                    Some(name) => write!(line, " {name:?}")?,
                    None => write!(line, " {pid}")?,
                }
            }
            write!(f, "\n  ancestors     {line}")?;
        }
        write!(f, "\n  mailbox        {} waiting", r.mailbox)?;
        write!(
            f,
            "      alive {:?}      spawned at {}",
            r.age, r.spawned_at
        )?;
        if !r.links.is_empty() {
            write!(f, "\n  links         ")?;
            for link in r.links.iter().take(8) {
                write!(f, " {link}")?;
            }
            if r.links.len() > 8 {
                write!(f, " and {} more", r.links.len() - 8)?;
            }
        }
        if self.counted > 0 {
            write!(
                f,
                "\n  repeated       {} identical crashes since the last report",
                self.counted
            )?;
        }
        if let ExitReason::Panic(panic) = &r.reason {
            match &panic.backtrace {
                Some(backtrace) => write!(f, "\n{}", backtrace.trim_end())?,
                None => write!(f, "\n  backtrace      set RUST_BACKTRACE=1")?,
            }
        }
        Ok(())
    }
}

/// A type's name without the paths: `app::Cart<alloc::string::String>` is `Cart<String>`.
#[must_use]
pub(crate) fn short_type_name(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut word = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '_' || c == '{' || c == '}' {
            word.push(c);
        } else if c == ':' {
            // `{{closure}}` says nothing without what it is in.
            if !word.is_empty() {
                word.clear();
            }
        } else {
            short.push_str(&word);
            word.clear();
            short.push(c);
        }
    }
    if word == "{{closure}}" {
        return match name.trim_end_matches("::{{closure}}").rsplit("::").next() {
            Some(outer) if !outer.is_empty() => format!("{short}closure in {outer}"),
            _ => short + &word,
        };
    }
    short + &word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_are_shortened() {
        assert_eq!(
            short_type_name("app::cart::Cart<alloc::string::String>"),
            "Cart<String>"
        );
        assert_eq!(
            short_type_name("app::main::{{closure}}::{{closure}}"),
            "closure in main"
        );
        assert_eq!(short_type_name("u8"), "u8");
    }
}
