//! Looking at processes from outside, without disturbing them.
//!
//! Nothing here sends a message or waits for the process looked at: a process that is stuck in a
//! handler can be looked at as well as any other.

use std::fmt::Write as _;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rekindle_scheduler::{self as scheduler, Handle, TaskView, Time};

use crate::pid::Pid;
use crate::process::{Owner, Process, unpack};
use crate::report::{ancestors, short_type_name};
use crate::run::pid_of;
use crate::runtimes;
use crate::sys::Status;
use crate::wait::Wait;

/// What is to be seen of a process.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{info, register, self_pid, trap_exit};
///
/// register("main", self_pid()).unwrap();
/// trap_exit(true);
/// let seen = info(self_pid()).unwrap();
/// assert_eq!(seen.name.as_deref(), Some("main"));
/// assert!(seen.running && seen.traps_exits);
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// The process.
    pub pid: Pid,
    /// The type of its behaviour or body, with its path.
    pub behaviour: &'static str,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Its label: see [`set_label`].
    pub label: Option<Arc<str>>,
    /// The process that spawned it.
    pub parent: Option<Pid>,
    /// Whether it has work: it runs, or waits for a worker.
    pub running: bool,
    /// How many messages were sent to it and not yet handled.
    pub mailbox: usize,
    /// How many messages its bounded mailbox has dropped.
    pub dropped: u64,
    /// The processes it is linked with.
    pub links: Vec<Pid>,
    /// The processes it monitors.
    pub monitors: Vec<Pid>,
    /// The processes that monitor it.
    pub monitored_by: Vec<Pid>,
    /// Whether it traps exits.
    pub traps_exits: bool,
    /// How long it has lived.
    pub age: Duration,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What it waits for, since when, from which line; `None` if it runs, or awaits a future
    /// that is not ours.
    pub waits: Option<Wait>,
    /// The process whose answer it waits for.
    pub calls: Option<Pid>,
}

impl ProcessInfo {
    fn of(view: TaskView<'_>, now: Time) -> Option<ProcessInfo> {
        let process: &Process = view.host()?;
        let pid = pid_of(view)?;
        // Before the lock: to count, one may have to wait for a process that waits for the lock.
        let mailbox = process.mailbox_len(view);
        let parent = process.parent(pid.node());
        let mut shared = process.shared();
        if shared.ended().is_some() {
            return None;
        }
        let links = shared.links_of(parent).pids();
        let (watches, rare) = (shared.watches(), shared.rare());
        let running = view.is_scheduled();
        Some(ProcessInfo {
            pid,
            behaviour: (process.kind.behaviour)(),
            name: rare.and_then(|r| r.name.clone()),
            label: rare.and_then(|r| r.label.clone()),
            parent,
            running,
            mailbox,
            dropped: process.bound.as_ref().map_or(0, |bound| bound.dropped()),
            links,
            monitors: watches
                .map(|watches| {
                    watches
                        .monitors
                        .after(None)
                        .filter_map(|(_, watched)| watched.pid)
                        .collect()
                })
                .unwrap_or_default(),
            monitored_by: watches
                .map(|watches| {
                    watches
                        .watchers
                        .after(None)
                        .map(|(reference, _)| reference.watcher())
                        .collect()
                })
                .unwrap_or_default(),
            traps_exits: process.shared.traps.load(Ordering::Relaxed),
            age: now.saturating_since(process.private.started.time()),
            spawned_at: process.spawned_at,
            waits: process.waiting.look(now),
            calls: unpack(process.calling.get()).map(|task| Pid::new(pid.node(), task)),
        })
    }
}

/// What is to be seen of a process; `None` if it is dead.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{WaitKind, info, set_label, sleep, spawn};
/// use std::time::Duration;
///
/// let pid = spawn(async {
///     set_label("the sleeper");
///     sleep(Duration::from_secs(60)).await;
/// });
/// sleep(Duration::from_secs(1)).await;
/// let seen = info(pid).expect("it lives");
/// assert_eq!(seen.label.as_deref(), Some("the sleeper"));
/// let wait = seen.waits.expect("it waits");
/// assert_eq!((wait.kind, wait.at.file()), (WaitKind::Sleep, file!()));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[must_use]
pub fn info(pid: Pid) -> Option<ProcessInfo> {
    runtimes::with(pid.node(), |handle| {
        let task = handle.lookup(pid.task())?;
        ProcessInfo::of(task.view(), handle.now())
    })
}

/// Whether a process lives; `false` once anyone can have seen its end (PROC-005).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{is_alive, self_pid, sleep, spawn};
/// use std::time::Duration;
///
/// let short = spawn(sleep(Duration::from_secs(1)));
/// assert!(is_alive(short) && is_alive(self_pid()));
/// sleep(Duration::from_secs(2)).await;
/// assert!(!is_alive(short));
/// # });
/// ```
#[must_use]
pub fn is_alive(pid: Pid) -> bool {
    runtimes::with_process(pid, |_, _| ()).is_some()
}

/// A part of the list of processes: see [`list`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{list, sleep, spawn};
/// use std::time::Duration;
///
/// for _ in 0..10 {
///     spawn(sleep(Duration::from_secs(1)));
/// }
/// let window = list(0, 4);
/// assert_eq!(window.processes.len(), 4);
/// // The next window begins where this one ends.
/// assert!(list(window.next.unwrap(), 100).next.is_none());
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Window {
    /// What was found.
    pub processes: Vec<ProcessInfo>,
    /// Where to go on, if there may be more.
    pub next: Option<u32>,
}

/// The processes of the running runtime, from place `from` of its table on, at most `limit`.
///
/// Start at 0 and go on at `next`. Bounded work for each call, however many processes there are;
/// those that start or end meanwhile may be seen or not.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{list, sleep, spawn};
/// use std::time::Duration;
///
/// for _ in 0..250 {
///     spawn(sleep(Duration::from_secs(60)));
/// }
/// let (mut count, mut from) = (0, Some(0));
/// while let Some(place) = from {
///     let window = list(place, 100);
///     count += window.processes.len();
///     from = window.next;
/// }
/// assert_eq!(count, 251, "with this one");
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[must_use]
pub fn list(from: u32, limit: usize) -> Window {
    with_runtime("list", |handle| list_of(handle, from, limit))
}

fn list_of(handle: &Handle, from: u32, limit: usize) -> Window {
    let now = handle.now();
    let (tasks, next) = handle.tasks(from, limit);
    let processes = tasks
        .iter()
        .filter_map(|task| ProcessInfo::of(task.view(), now))
        .collect();
    Window { processes, next }
}

#[track_caller]
fn with_runtime<R>(what: &str, f: impl FnOnce(&Handle) -> R) -> R {
    let at = Location::caller();
    scheduler::with_handle(|handle| match handle {
        Some(handle) => f(handle),
        None => panic!("`{what}` was called outside of a runtime, at {at}"),
    })
}

/// A process and those it has spawned.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Tree, self_pid, sleep, spawn_link, tree};
/// use std::time::Duration;
///
/// /// How many processes there are in a tree.
/// fn size(tree: &Tree) -> usize {
///     1 + tree.children.iter().map(size).sum::<usize>()
/// }
///
/// spawn_link(async {
///     spawn_link(sleep(Duration::from_secs(60)));
///     sleep(Duration::from_secs(60)).await;
/// });
/// sleep(Duration::from_secs(1)).await;
/// let own = tree().into_iter().find(|root| root.process.pid == self_pid()).unwrap();
/// assert_eq!(size(&own), 3);
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tree {
    /// The process.
    pub process: ProcessInfo,
    /// Its children, in the order of their pids.
    pub children: Vec<Tree>,
}

/// All processes of the running runtime, as trees of parents and children. The roots are the
/// processes whose parent is dead or none.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{self_pid, sleep, spawn_link, tree};
///
/// let child = spawn_link(sleep(std::time::Duration::from_secs(1)));
/// let roots = tree();
/// let own = roots.iter().find(|root| root.process.pid == self_pid()).unwrap();
/// assert!(own.children.iter().any(|below| below.process.pid == child));
/// # });
/// ```
#[must_use]
pub fn tree() -> Vec<Tree> {
    with_runtime("tree", |handle| {
        let mut all = std::collections::BTreeMap::new();
        let mut from = Some(0);
        while let Some(place) = from {
            let window = list_of(handle, place, 1024);
            all.extend(
                window
                    .processes
                    .into_iter()
                    .map(|process| (process.pid, process)),
            );
            from = window.next;
        }
        grow(all)
    })
}

/// Makes trees of a list; without recursion, for a chain of parents may be long.
fn grow(all: std::collections::BTreeMap<Pid, ProcessInfo>) -> Vec<Tree> {
    let mut depths: Vec<(usize, Pid)> = Vec::with_capacity(all.len());
    let mut known = std::collections::BTreeMap::new();
    for pid in all.keys() {
        let mut path = vec![*pid];
        while let Some(parent) = all[path.last().expect("never empty")].parent
            && all.contains_key(&parent)
            && !known.contains_key(path.last().expect("never empty"))
        {
            path.push(parent);
        }
        let mut depth = known
            .get(path.last().expect("never empty"))
            .copied()
            .unwrap_or(0);
        for at in path.iter().rev() {
            depth = *known.entry(*at).or_insert(depth) + 1;
        }
        depths.push((known[pid], *pid));
    }
    // The deepest first: each is complete when it is hung under its parent.
    depths.sort_unstable_by(|one, two| two.cmp(one));
    let mut trees: std::collections::BTreeMap<Pid, Tree> = all
        .into_iter()
        .map(|(pid, process)| {
            (
                pid,
                Tree {
                    process,
                    children: Vec::new(),
                },
            )
        })
        .collect();
    let mut roots = Vec::new();
    for (_, pid) in depths {
        let Some(mut tree) = trees.remove(&pid) else {
            continue;
        };
        tree.children.reverse();
        match tree
            .process
            .parent
            .and_then(|parent| trees.get_mut(&parent))
        {
            Some(parent) => parent.children.push(tree),
            None => roots.push(tree),
        }
    }
    roots.sort_by_key(|tree| tree.process.pid);
    roots
}

/// The trees as text, a line for each process, indented by depth.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{register, self_pid, sleep, spawn, tree_text};
/// use std::time::Duration;
///
/// register("root", self_pid()).unwrap();
/// let child = spawn(sleep(Duration::from_secs(60)));
/// let text = tree_text();
/// assert!(text.lines().any(|line| line.contains("\"root\"")), "{text}");
/// assert!(text.lines().any(|line| line.contains(&child.to_string())), "{text}");
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[must_use]
pub fn tree_text() -> String {
    let mut text = String::new();
    let mut stack: Vec<(usize, Tree)> = tree().into_iter().rev().map(|tree| (0, tree)).collect();
    while let Some((depth, tree)) = stack.pop() {
        let process = &tree.process;
        let _ = write!(text, "{:indent$}", "", indent = 2 * depth);
        let _ = write!(text, "{}", short_type_name(process.behaviour));
        if let Some(name) = &process.name {
            let _ = write!(text, " {name:?}");
        }
        let _ = write!(text, " ({})", process.pid);
        if let Some(label) = &process.label {
            let _ = write!(text, ", {label}");
        }
        if process.mailbox > 0 {
            let _ = write!(text, ", {} waiting", process.mailbox);
        }
        text.push('\n');
        stack.extend(
            tree.children
                .into_iter()
                .rev()
                .map(|child| (depth + 1, child)),
        );
    }
    text
}

/// The ancestors of a process, parent first, with their names, as far as they live.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ancestors_of, self_pid, sleep, spawn_link};
///
/// let child = spawn_link(sleep(std::time::Duration::from_secs(1)));
/// assert_eq!(ancestors_of(child)[0].0, self_pid());
/// # });
/// ```
#[must_use]
pub fn ancestors_of(pid: Pid) -> Vec<(Pid, Option<Arc<str>>)> {
    let parent = runtimes::with_process(pid, |_, process| process.parent(pid.node())).flatten();
    ancestors(parent)
}

/// Who asked for the work that a process does: see [`callers`](crate::callers). Empty if it is
/// dead.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Task, callers_of, self_pid, sleep};
/// use std::time::Duration;
///
/// let work = Task::spawn(sleep(Duration::from_secs(1)));
/// let pid = work.pid().unwrap();
/// assert_eq!(callers_of(pid), [self_pid()]);
/// work.await.unwrap();
/// assert_eq!(callers_of(pid), []);
/// # });
/// ```
#[must_use]
pub fn callers_of(pid: Pid) -> Vec<Pid> {
    runtimes::with_process(pid, |_, process| process.callers(pid.node())).unwrap_or_default()
}

/// What the running behaviour says of itself, but for its state.
pub(crate) fn status(owner: Owner<'_>, suspended: bool) -> Status {
    let process = owner.process();
    let mailbox = process.received.len();
    Status {
        pid: owner.pid(),
        behaviour: (process.kind.behaviour)(),
        name: process.shared().name(),
        parent: process.parent(owner.node()),
        suspended,
        mailbox,
        state: None,
        watched: Vec::new(),
    }
}

/// Gives the running process a label: free text for tables, reports and logs.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{info, self_pid, set_label};
///
/// set_label("user 9c1e");
/// assert_eq!(info(self_pid()).unwrap().label.as_deref(), Some("user 9c1e"));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn set_label(label: impl Into<Arc<str>>) {
    crate::link::within("set_label", |owner| {
        owner.process().shared().make_rare().label = Some(label.into());
    });
}
