//! What a process can ask and say about itself.

use std::sync::atomic::Ordering;

use crate::exit::{ExitReason, Raised};
use crate::link::within;
use crate::pid::Pid;
use crate::process::Owner;

/// The running process.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{self_pid, spawn};
///
/// let parent = self_pid();
/// let child = spawn(async move { assert_ne!(self_pid(), parent) });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
#[must_use]
pub fn self_pid() -> Pid {
    within("self_pid", |owner| owner.pid())
}

/// The running process, or `None` outside of one.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{self_pid, try_self_pid};
///
/// assert_eq!(try_self_pid(), Some(self_pid()));
/// std::thread::spawn(|| assert_eq!(try_self_pid(), None)).join().unwrap();
/// # });
/// ```
#[must_use]
pub fn try_self_pid() -> Option<Pid> {
    Owner::current(|owner| owner.map(|owner| owner.pid()))
}

/// The process that spawned the running one. It may be dead.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{parent, self_pid, spawn};
///
/// let own = self_pid();
/// spawn(async move { assert_eq!(parent(), Some(own)) });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[must_use]
pub fn parent() -> Option<Pid> {
    within("parent", |owner| owner.process().parent(owner.node()))
}

/// Who asked for the work that the running process does: the one that asked for it first, then
/// whoever had asked that one, and so on (START-008; Elixir's `$callers`).
///
/// Known for tasks: a task that a supervisor runs has the supervisor for its parent, and is worked
/// for somebody else. Any other process has none.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Task, callers, self_pid};
/// let outer = self_pid();
/// let of_inner = Task::spawn(async { (self_pid(), Task::spawn(async { callers() }).await) });
/// let (middle, callers) = of_inner.await.unwrap();
/// assert_eq!(callers, Ok(vec![middle, outer]));
/// # });
/// ```
///
/// # Panics
///
/// Outside of a process.
#[track_caller]
#[must_use]
pub fn callers() -> Vec<Pid> {
    within("callers", |owner| owner.process().callers(owner.node()))
}

/// The process whose exit is the running one's end: see [`Process::guardian`].
///
/// [`Process::guardian`]: crate::process::Process::guardian
pub(crate) fn guardian() -> Option<Pid> {
    within("guardian", |owner| owner.process().guardian(owner.node()))
}

/// Sets whether the running process receives exit signals as messages; gives the old setting.
///
/// Off at the start of every process (TRAP-001, TRAP-005). What counts is the setting at the
/// moment when a signal is received, not when it was sent. [`ExitReason::Kill`] cannot be
/// trapped.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, Info, Mailbox, spawn, spawn_link, trap_exit};
///
/// spawn(|mut inbox: Mailbox<()>| async move {
///     trap_exit(true);
///     let child = spawn_link(async { ExitReason::Shutdown });
///     let Info::Exit(exit) = inbox.next().await else { panic!("nobody else sends") };
///     assert_eq!((exit.from, exit.reason), (child, ExitReason::Shutdown));
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn trap_exit(on: bool) -> bool {
    within("trap_exit", |owner| {
        owner.process().shared.traps.swap(on, Ordering::Relaxed)
    })
}

/// Ends the running process with a reason, from any depth of its code, as if by a panic: values
/// on the way are dropped. A behaviour runs its `terminate` first.
///
/// # Panics
///
/// That is how it works; outside of a process it is an ordinary panic.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, is_alive, raise, recent_crashes, spawn, yield_now};
///
/// fn read(text: &str) -> u32 {
///     text.parse().unwrap_or_else(|error| raise(ExitReason::error(error)))
/// }
///
/// let reader = spawn(async { println!("{}", read("seven")) });
/// while is_alive(reader) {
///     yield_now().await;
/// }
/// assert_eq!(recent_crashes()[0].reason.to_string(), "invalid digit found in string");
/// # });
/// ```
pub fn raise(reason: ExitReason) -> ! {
    if try_self_pid().is_none() {
        panic!("`raise` outside of a process, with the reason: {reason}");
    }
    // Without the panic hook: this is an end on purpose.
    std::panic::resume_unwind(Box::new(Raised(reason)))
}
