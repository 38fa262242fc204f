//! For test kits: what processes send is counted, said in the simulation's trace, and can be
//! delayed. Compiled in by the feature `faults`; without it sending does not know of any of this.
//!
//! A *detour* is a delay on the way from one process to another. What is sent there while it stands
//! waits in a queue of the pair until its time, and whatever comes later waits behind it: so the
//! order of the pair is kept, also when the delay is made shorter or taken away.
//!
//! On a detour go messages, requests, signals (exits, links, monitors, `Down`s) and replies. A
//! reply that is held back when the process that gave it ends is lost with it, as on a connection
//! that breaks: the caller hears the reason of that end.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_scheduler::{self as scheduler, Handle, TaskId, TaskView, Time, TimerAction};

use crate::pid::Pid;
use crate::process::Owner;
use crate::run;
use crate::system::System;

/// Something on its way: called, it arrives; dropped, it is refused as by a dead receiver.
pub(crate) type Parcel = Box<dyn FnOnce() + Send>;

/// What is on a detour in one runtime.
#[derive(Debug, Default)]
pub(crate) struct Detours {
    /// Whether there is any.
    any: AtomicBool,
    pairs: Mutex<BTreeMap<(Pid, Pid), Detour>>,
}

#[derive(Default)]
struct Detour {
    delay: Duration,
    /// By time; the first one has a timer.
    waiting: VecDeque<(Time, Parcel)>,
}

impl fmt::Debug for Detour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detour")
            .field("delay", &self.delay)
            .field("waiting", &self.waiting.len())
            .finish()
    }
}

impl Detours {
    /// Refuses all that waits: the runtime ends.
    pub(crate) fn clear(&self) {
        drop(std::mem::take(&mut *self.pairs.lock()));
    }
}

/// Delays whatever `from` sends to `to` from now on; a delay of zero takes the detour away.
///
/// # Panics
///
/// Outside of a runtime.
pub fn delay(from: Pid, to: Pid, delay: Duration) {
    with_system(|_, system| {
        let mut pairs = system.detours.pairs.lock();
        let detour = pairs.entry((from, to)).or_default();
        detour.delay = delay;
        if delay.is_zero() && detour.waiting.is_empty() {
            pairs.remove(&(from, to));
        }
        system
            .detours
            .any
            .store(!pairs.is_empty(), Ordering::Relaxed);
    })
    .expect("`faults::delay` was called outside of a runtime");
}

/// The process that a task is, if it is one.
#[must_use]
pub fn pid_of(task: TaskView<'_>) -> Option<Pid> {
    run::pid_of(task)
}

/// The task that a process is.
#[must_use]
pub fn task_of(pid: Pid) -> TaskId {
    pid.task()
}

fn with_system<R>(f: impl FnOnce(&Handle, &System) -> R) -> Option<R> {
    scheduler::with_handle(|handle| {
        let handle = handle?;
        Some(f(handle, System::of(handle)?))
    })
}

/// Notes that something is about to be sent to `to`; gives the receiver back if it must be
/// [`put`] on a detour.
pub(crate) fn detour(
    to: impl FnOnce() -> Option<Pid>,
    what: impl FnOnce() -> String,
) -> Option<Pid> {
    with_system(|handle, system| {
        let simulation = handle.simulation();
        let stands = system.detours.any.load(Ordering::Relaxed);
        if simulation.is_none() && !stands {
            return None;
        }
        let to = to()?;
        if let Some(simulation) = simulation {
            simulation.count_message();
            scheduler::trace(|| format!("-> {to}: {}", what()));
        }
        let from = Owner::current(|owner| owner.map(Owner::pid))?;
        (stands && system.detours.pairs.lock().contains_key(&(from, to))).then_some(to)
    })
    .flatten()
}

/// Sends something on the detour from the running process to `to`.
pub(crate) fn put(to: Pid, parcel: Parcel) {
    let mut parcel = Some(parcel);
    let pair = Owner::current(|owner| owner.map(|owner| (owner.pid(), to)));
    with_system(|handle, system| {
        let pair = pair?;
        let mut pairs = system.detours.pairs.lock();
        let detour = pairs.get_mut(&pair)?;
        let last = detour.waiting.back().map_or(Time::ZERO, |(due, _)| *due);
        let due = handle.now().saturating_add(detour.delay).max(last);
        detour.waiting.push_back((due, parcel.take()?));
        let first = detour.waiting.len() == 1;
        drop(pairs);
        if first {
            arm(handle, pair, due);
        }
        Some(())
    });
    // The detour has gone meanwhile.
    if let Some(parcel) = parcel {
        parcel();
    }
}

fn arm(handle: &Handle, pair: (Pid, Pid), due: Time) {
    handle.start_timer(due, TimerAction::Run(Box::new(move || arrive(pair))));
}

/// Lets arrive what is due.
fn arrive(pair: (Pid, Pid)) {
    with_system(|handle, system| {
        loop {
            let mut pairs = system.detours.pairs.lock();
            let Some(detour) = pairs.get_mut(&pair) else {
                return;
            };
            match detour.waiting.front() {
                Some((due, _)) if *due > handle.now() => {
                    let due = *due;
                    drop(pairs);
                    return arm(handle, pair, due);
                }
                Some(_) => {
                    let parcel = detour.waiting.pop_front();
                    drop(pairs);
                    if let Some((_, parcel)) = parcel {
                        parcel();
                    }
                }
                None => {
                    if detour.delay.is_zero() {
                        pairs.remove(&pair);
                        system
                            .detours
                            .any
                            .store(!pairs.is_empty(), Ordering::Relaxed);
                    }
                    return;
                }
            }
        }
    });
}

/// Says something in the trace of a simulation.
pub(crate) fn note(text: impl FnOnce() -> String) {
    scheduler::trace(text);
}
