//! Crash reports: data first, text in `text` only.
//!
//! There is one report per crash, not one per link. It is made by the process that crashed, and
//! printed once: by the supervisor, which adds what it did, if the parent asked for that by
//! [`report_for_children`]; by the process itself otherwise. A parent that takes too long, or dies
//! first, loses it its outcome and not the report. A crash that repeats is counted, and the count
//! is printed, so that a restart storm does not bury its cause.
//!
//! | file      | is                                                         |
//! |-----------|------------------------------------------------------------|
//! | `mod`     | the report as data, and how it gets from who crashed to who prints it |
//! | `pending` | a report that waits for what its parent does               |
//! | `storms`  | which crashes are printed, and which are counted; pure     |
//! | `text`    | a report as people read it; where it is written            |

mod pending;
mod storms;
mod text;

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_scheduler::{self as scheduler, Time, TimerAction};

use crate::exit::ExitReason;
use crate::interests::Interest;
use crate::link::within;
use crate::pid::Pid;
use crate::process::{Owner, Process};
use crate::runtimes;
use crate::system::System;
use crate::wait::{Wait, WaitKind};

use storms::{Looks, Repeated, Storms, Verdict, WindowEnd};

pub(crate) use text::short_type_name;

pub use pending::{CrashOutcome, PendingReport};

/// Reports that a runtime remembers: see [`recent_crashes`].
const REMEMBERED: usize = 64;
/// Ancestors that are looked up.
const ANCESTORS: usize = 16;

/// Everything that is known of a crash.
///
/// Its `Display` is the text that people read:
///
/// ```text
/// orders::Cart "cart:42" (#1.812) crashed
///   panicked at src/cart.rs:88:17: index out of bounds: the len is 3 but the index is 3
///   last message   call AddItem from #1.77 "http:conn" (waiting at src/web.rs:31:22)
///   label          user 9c1e
///   parent         cart_sup (dynamic, one_for_one) -> restarted as #1.813, 2 of 3 in 5s
///   mailbox        14 waiting      alive 3m12s      spawned at src/cart_sup.rs:20:14
///   links          #1.70           backtrace: set RUST_BACKTRACE=1
/// ```
///
/// A crash that repeats within 5 s, by the same behaviour, spawned at the same place, with the
/// same reason and the same outcome, is counted; its last report is printed with the count when
/// the 5 s are over.
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
    /// The name of that process.
    pub last_sender_name: Option<Arc<str>>,
    /// What that process waits for: its call to this one, and from which line. `None` if it has
    /// its answer, has given up, or is dead.
    pub last_sender_waits: Option<Wait>,
    /// The state, where the behaviour shows it.
    pub state: Option<String>,
    /// The parent, its parent, and so on, as far as they live.
    pub ancestors: Vec<(Pid, Option<Arc<str>>)>,
    /// Who asked for the work of a task: see [`callers`](crate::callers).
    pub callers: Vec<Pid>,
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
    /// What kind of supervisor its parent is, if it said so: `dynamic, one_for_one`.
    pub supervisor: Option<String>,
    /// What was done about the crash, in a word for machines, if somebody said so: see
    /// [`CrashOutcome`].
    pub outcome: Option<&'static str>,
    /// What was done about the crash, in a sentence.
    pub action: Option<String>,
}

/// Collects the report of the running process, which ends with `reason`.
pub(crate) fn gather(owner: Owner<'_>, reason: &ExitReason) -> PendingReport {
    let process = owner.process();
    let private = owner.private();
    let rare = private.rare();
    let last = rare.and_then(|rare| rare.last_message.clone());
    let state = rare.and_then(|rare| rare.state_text.clone());
    let left_waiting = rare.and_then(|rare| rare.left_waiting);
    // A body that panicked has left its last request here.
    let owes = last
        .as_ref()
        .and_then(|last| last.from)
        .is_some_and(|from| {
            let mut deferred = rare.into_iter().flat_map(|rare| &rare.deferred);
            deferred.any(|owed| owed.caller() == Some(from) && !owed.is_settled())
        });
    let mailbox = process.received.len();
    drop(private);
    let parent = process.parent(owner.node());
    let mut shared = process.shared();
    let links = shared.links_of(parent).pids();
    let rare = shared.rare();
    let (name, label) = rare
        .map(|r| (r.name.clone(), r.label.clone()))
        .unwrap_or_default();
    drop(shared);
    let (now, reports) = scheduler::with_handle(|handle| match handle {
        Some(handle) => {
            let system = System::of(handle);
            (handle.now(), system.map(|system| system.reports.clone()))
        }
        None => (Time::ZERO, None),
    });
    let sender = last.as_ref().and_then(|last| last.from);
    let sender_name = sender.and_then(|pid| {
        runtimes::with_process(pid, |_, process| process.shared().name()).flatten()
    });
    let sender_waits = sender.and_then(|pid| match left_waiting {
        Some((left, wait)) if left == pid => Some(wait),
        _ if owes => wait_of(pid).map(|(_, wait)| wait),
        _ => None,
    });
    let report = CrashReport {
        pid: owner.pid(),
        behaviour: (process.kind.behaviour)(),
        name,
        label,
        reason: reason.clone(),
        last_sender: sender,
        last_sender_name: sender_name,
        last_sender_waits: sender_waits,
        last_message: last.map(|last| last.what),
        state,
        ancestors: ancestors(process.parent(owner.node())),
        callers: process.callers(owner.node()),
        links,
        mailbox,
        traps_exits: process.shared.traps.load(Ordering::Relaxed),
        age: now.saturating_since(process.private.started.time()),
        spawned_at: process.spawned_at,
        supervisor: None,
        outcome: None,
        action: None,
    };
    PendingReport::new(report, reports.unwrap_or_default(), owner.node())
}

/// A process that waits for the answer to a call, and in what.
pub(crate) fn wait_of(caller: Pid) -> Option<(Pid, Wait)> {
    runtimes::with(caller.node(), |handle| {
        let now = handle.now();
        handle.with_task(caller.task(), |view| {
            let wait = view.host::<Process>()?.waiting.look(now)?;
            (wait.kind == WaitKind::Call).then_some((caller, wait))
        })?
    })
}

/// The chain of parents, as far as they live.
pub(crate) fn ancestors(parent: Option<Pid>) -> Vec<(Pid, Option<Arc<str>>)> {
    let mut chain = Vec::new();
    let mut at = parent;
    while let Some(pid) = at {
        let seen = runtimes::with_process(pid, |_, process: &Process| {
            (process.shared().name(), process.parent(pid.node()))
        });
        chain.push((pid, seen.as_ref().and_then(|(name, _)| name.clone())));
        at = seen.and_then(|(_, parent)| parent);
        if chain.len() == ANCESTORS {
            break;
        }
    }
    chain
}

/// Asks that the crash reports of the running process's children be given to it, in the
/// [`Exit`](crate::Exit) messages of their deaths, instead of being printed at once. A supervisor
/// does this, to print what it did in the same report.
///
/// # Delivery
///
/// A report that its parent has not printed 5 s after the crash prints itself, without what was
/// done; so does one whose parent dies, or drops it.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{
///     CrashOutcome, ExitReason, Info, Mailbox, recent_crashes, report_for_children, sleep, spawn,
///     spawn_link, trap_exit,
/// };
///
/// spawn(|mut inbox: Mailbox<()>| async move {
///     trap_exit(true);
///     report_for_children(true);
///     spawn_link(async { ExitReason::msg("no paper") });
///     let Info::Exit(exit) = inbox.next().await else { panic!("nobody else sends") };
///     if let Some(report) = exit.report {
///         report.print(CrashOutcome::new("not_restarted", "left alone: it is Sunday"));
///     }
/// });
/// # sleep(std::time::Duration::from_secs(1)).await;
/// assert_eq!(recent_crashes()[0].outcome, Some("not_restarted"));
/// # });
/// ```
pub fn report_for_children(on: bool) {
    within("report_for_children", |owner| {
        owner.process().shared.interests.set(Interest::Reports, on);
    });
}

/// The last crashes of the running runtime, oldest first, at most 64: all of them, also those
/// that are only counted in the log.
///
/// ```
/// use rekindle_actor::{Runtime, is_alive, recent_crashes, spawn, yield_now};
///
/// # let runtime = Runtime::simulated(1);
/// let crashes = runtime.block_on(async {
///     let pid = spawn(async { Err::<(), _>("x".parse::<u8>().unwrap_err()) });
///     while is_alive(pid) {
///         yield_now().await;
///     }
///     recent_crashes()
/// });
/// assert_eq!(crashes[0].reason.to_string(), "invalid digit found in string");
/// ```
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
                .for_each(|text| text::shorten(text, limit));
        }
    }
}

#[derive(Debug, Default)]
struct ReportsState {
    recent: VecDeque<CrashReport>,
    storms: Storms,
    /// When the last report came: the time for those that come when the clock has gone.
    latest: Time,
}

impl Reports {
    pub(crate) fn edited_by(editing: Editing) -> Reports {
        Reports {
            editing,
            ..Reports::default()
        }
    }

    /// Takes a report of a process of the runtime `node`: prints it, or counts it.
    fn accept(self: &Arc<Reports>, mut report: CrashReport, node: u32) {
        self.editing.apply(&mut report);
        crate::telemetry::crash(&report);
        let looks = Looks::of(&report);
        let now = runtimes::with(node, |handle| Some(handle.now()));
        let mut state = self.state.lock();
        let now = now.unwrap_or(state.latest);
        state.latest = now;
        if state.recent.len() == REMEMBERED {
            state.recent.pop_front();
        }
        state.recent.push_back(report.clone());
        let verdict = state.storms.accept(looks, report, now);
        drop(state);
        match verdict {
            Verdict::Print { report, before } => {
                before.iter().for_each(print_repeated);
                text::emit(&report, None);
            }
            Verdict::First { ends_at } => self.look_at(looks, ends_at, node),
            Verdict::Counted => {}
        }
    }

    /// Looks again at a crash that is being counted, when its window ends.
    fn look_at(self: &Arc<Reports>, looks: Looks, ends_at: Time, node: u32) {
        let reports = Arc::downgrade(self);
        let look = move || {
            if let Some(reports) = Weak::upgrade(&reports) {
                reports.window_ends(looks, node);
            }
        };
        // If the runtime is going: it flushes when it has gone.
        runtimes::with(node, |handle| {
            handle.start_timer(ends_at, TimerAction::Run(Box::new(look)));
            Some(())
        });
    }

    fn window_ends(self: &Arc<Reports>, looks: Looks, node: u32) {
        let Some(now) = runtimes::with(node, |handle| Some(handle.now())) else {
            return;
        };
        let end = self.state.lock().storms.window_ends(looks, now);
        match end {
            WindowEnd::Over => {}
            WindowEnd::Repeated(repeated) => print_repeated(&repeated),
            WindowEnd::Later(ends_at) => self.look_at(looks, ends_at, node),
        }
    }

    /// Prints what was only counted so far.
    pub(crate) fn flush(&self) {
        let counted = {
            let mut state = self.state.lock();
            let latest = state.latest;
            state.storms.drain(latest)
        };
        counted.iter().for_each(print_repeated);
    }
}

fn print_repeated(repeated: &Repeated) {
    text::emit(&repeated.last, Some((repeated.count, repeated.over)));
}
