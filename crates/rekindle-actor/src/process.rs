//! What one process owns, and how it is run.
//!
//! A process is a task whose host is a [`Process`]: the future in the same cell is its body.
//!
//! | part              | touched by                                                              |
//! |-------------------|-------------------------------------------------------------------------|
//! | atomics           | anyone; each says who writes it                                         |
//! | `shared`          | anyone, under its lock; held for a few instructions, never over foreign code |
//! | `private`         | the process itself, while it runs: by way of an [`Owner`]               |
//!
//! Invariant: an [`Owner`] of a process exists only on the thread that has its turn, inside that
//! turn. So `private` is reached by one thread at a time; its `RefCell` keeps that thread from
//! reaching it twice.

use std::any::TypeId;
use std::cell::RefMut;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_scheduler::{self as scheduler, TaskId, TaskView, Time, TimerAction, TimerKey};

use crate::exit::ExitReason;
use crate::link::Links;
use crate::mailbox::{Bound, PrivateCell, Protocol, Queue, Served};
use crate::monitor::Watched;
use crate::pid::{MonitorRef, Pid};
use crate::run::Teardown;
use crate::wait::Waiting;

/// What all processes of one body have in common.
#[derive(Debug)]
pub(crate) struct ProcessKind {
    /// What runs: the type of a behaviour, or of a plain body.
    pub(crate) behaviour: fn() -> &'static str,
    /// The type of its messages.
    pub(crate) protocol: Protocol,
}

/// The host of a process's task.
pub(crate) struct Process {
    /// The runtime it lives in.
    pub(crate) node: u32,
    /// Set by the process, read by whoever sends it an exit signal's effect: itself.
    pub(crate) traps: AtomicBool,
    /// Whether it prints the crash reports of its children: see `report_for_children`.
    pub(crate) reports: AtomicBool,
    /// How many full mailboxes hold this process back (policy *slow*).
    pub(crate) muted: AtomicU32,
    /// The process whose answer it waits for, packed; 0 if it waits for none.
    pub(crate) calling: AtomicU64,
    /// Changes whenever the process gets or loses a name; written under the lock of `shared`.
    pub(crate) name_epoch: AtomicU32,
    /// How long its private queue is, for those who look in; written by the process only.
    pub(crate) queued: AtomicUsize,
    /// What it waits for, since when, and from which line.
    pub(crate) waiting: Waiting,
    /// When it was spawned.
    pub(crate) started: Time,
    pub(crate) parent: Option<Pid>,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) kind: &'static ProcessKind,
    pub(crate) bound: Option<Box<Bound>>,
    pub(crate) private: PrivateCell<Private>,
    pub(crate) shared: Mutex<Shared>,
}

/// What only the process itself touches.
pub(crate) struct Private {
    /// Received and not yet handled.
    pub(crate) queue: Queue,
    /// A fatal signal has been received.
    pub(crate) doomed: Option<ExitReason>,
    /// The end has begun, for this reason.
    pub(crate) exiting: Option<ExitReason>,
    /// Name and pid are gone; what is to be done at exit is done at once from now on.
    pub(crate) gone: bool,
    /// The last of serials for links, monitors and timers.
    pub(crate) serial: u64,
    /// The one timer that stands for every deadline of this process: see `alarm`.
    pub(crate) alarm: Option<(TimerKey, Time)>,
    /// What only few processes need.
    pub(crate) rare: Option<Box<PrivateRare>>,
}

#[derive(Default)]
pub(crate) struct PrivateRare {
    /// Requests that were handled and are still owed an answer.
    pub(crate) deferred: Vec<Served>,
    /// To be done when the process and its name are gone.
    pub(crate) at_exit: Vec<AtExit>,
    /// Wakers of combinators inside the body, to be woken at the start of the next turn.
    pub(crate) wakers: Vec<Waker>,
    /// The end, if it takes more than one turn.
    pub(crate) teardown: Option<Teardown>,
    /// What the last message was, and the state, as far as the behaviour shows them.
    pub(crate) last_message: Option<LastMessage>,
    pub(crate) state_text: Option<String>,
}

pub(crate) type AtExit = Box<dyn FnOnce(&ExitReason) + Send>;

/// The message that was being handled when a process crashed.
#[derive(Debug, Clone)]
pub(crate) struct LastMessage {
    pub(crate) what: String,
    pub(crate) from: Option<Pid>,
}

/// What others may look at, or change, under a lock.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) links: Links,
    /// How the process ended, once it has.
    pub(crate) ended: Option<ExitReason>,
    pub(crate) rare: Option<Box<SharedRare>>,
}

/// What only few processes need.
#[derive(Default)]
pub(crate) struct SharedRare {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) label: Option<Arc<str>>,
    /// Those this process watches, by serial.
    pub(crate) monitors: BTreeMap<u64, Watched>,
    /// Those who watch this process, with the name they used.
    pub(crate) watchers: BTreeMap<MonitorRef, Option<Arc<str>>>,
}

impl Shared {
    pub(crate) fn rare(&mut self) -> &mut SharedRare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.rare.as_ref()?.name.clone()
    }
}

/// How to make a process.
pub(crate) struct Birth {
    pub(crate) kind: &'static ProcessKind,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) bound: Option<Box<Bound>>,
    pub(crate) links: Links,
}

impl Process {
    pub(crate) fn new(node: u32, started: Time, parent: Option<Pid>, birth: Birth) -> Process {
        Process {
            node,
            traps: AtomicBool::new(false),
            reports: AtomicBool::new(false),
            muted: AtomicU32::new(0),
            calling: AtomicU64::new(0),
            name_epoch: AtomicU32::new(0),
            queued: AtomicUsize::new(0),
            waiting: Waiting::default(),
            started,
            parent,
            spawned_at: birth.spawned_at,
            kind: birth.kind,
            bound: birth.bound,
            private: PrivateCell::new(Private {
                queue: Queue::new(),
                doomed: None,
                exiting: None,
                gone: false,
                serial: 0,
                alarm: None,
                rare: None,
            }),
            shared: Mutex::new(Shared {
                links: birth.links,
                ..Shared::default()
            }),
        }
    }

    pub(crate) fn speaks<M: 'static>(&self) -> bool {
        (self.kind.protocol)() == TypeId::of::<M>()
    }

    /// Writes who this is: behaviour, then name or label.
    pub(crate) fn write_identity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.kind.behaviour)())?;
        // Whoever asks may be a panic's report or the monitor thread: never wait here.
        let Some(shared) = self.shared.try_lock() else {
            return Ok(());
        };
        let rare = shared.rare.as_deref();
        let name = rare.and_then(|rare| rare.name.clone().or_else(|| rare.label.clone()));
        drop(shared);
        match name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

impl Private {
    pub(crate) fn rare(&mut self) -> &mut PrivateRare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// A process that has its turn on this thread, from the inside.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    process: &'a Process,
    view: TaskView<'a>,
    /// Never leaves the thread.
    thread: PhantomData<*const ()>,
}

impl<'a> Owner<'a> {
    /// The process that has its turn on this thread, if any.
    #[inline]
    pub(crate) fn current<R>(f: impl FnOnce(Option<Owner<'_>>) -> R) -> R {
        scheduler::running(|view| f(view.and_then(Owner::of)))
    }

    /// The running task, if it is a process. To be called with the running task only.
    #[inline]
    pub(crate) fn of(view: TaskView<'a>) -> Option<Owner<'a>> {
        let process = view.host::<Process>()?;
        Some(Owner {
            process,
            view,
            thread: PhantomData,
        })
    }

    #[inline]
    pub(crate) fn process(self) -> &'a Process {
        self.process
    }

    #[inline]
    pub(crate) fn view(self) -> TaskView<'a> {
        self.view
    }

    #[inline]
    pub(crate) fn pid(self) -> Pid {
        Pid::new(self.process.node, self.view.id())
    }

    /// What only the process may touch. Never held while foreign code runs.
    #[inline]
    pub(crate) fn private(self) -> RefMut<'a, Private> {
        self.process.private.of_running(self)
    }

    pub(crate) fn exiting(self) -> Option<ExitReason> {
        self.private().exiting.clone()
    }

    /// Does `f` when the running process has ended; at once if there is none, or if it has.
    pub(crate) fn at_exit(f: AtExit) {
        Owner::current(|owner| {
            let Some(owner) = owner else {
                return f(&ExitReason::NoProc);
            };
            let mut private = owner.private();
            if !private.gone {
                return private.rare().at_exit.push(f);
            }
            let reason = private.exiting.clone().unwrap_or(ExitReason::NoProc);
            drop(private);
            f(&reason);
        });
    }

    /// Takes a request that was handled: it is done with, or owed an answer.
    pub(crate) fn settle(served: Served) {
        if served.is_settled() {
            return served.let_go();
        }
        Owner::current(|owner| {
            let Some(owner) = owner else {
                return served.fail(&ExitReason::NoProc);
            };
            if let Some(reason) = owner.exiting() {
                return served.fail(&reason);
            }
            owner.defer(served);
        });
    }

    fn defer(self, served: Served) {
        // The caller waits for whoever has the `ReplyTo` now, no longer for us: see `cycle`.
        if let Some(caller) = served.caller() {
            crate::call::Edge::redirect(caller, self.pid());
        }
        let mut private = self.private();
        let deferred = &mut private.rare().deferred;
        // Sweep what was answered since, when the list would have to grow.
        let mut answered = Vec::new();
        if deferred.len() == deferred.capacity() {
            answered.extend(deferred.extract_if(.., |owed| owed.is_settled()));
        }
        deferred.push(served);
        drop(private);
        for served in answered {
            served.let_go();
        }
    }

    /// Sees to it that the process has a turn at `deadline`, at the latest.
    ///
    /// Most deadlines are never met: a call that has five seconds takes a microsecond. So a
    /// process keeps *one* timer for all of its deadlines, and does not cancel it when a deadline
    /// is dropped: the next one, which is later as a rule, finds it armed. When it fires, whoever
    /// still waits asks again. A call thus pays for a comparison, not for a timer.
    pub(crate) fn alarm(self, deadline: Time) {
        let armed = self.private().alarm;
        if let Some((key, at)) = armed {
            if at <= deadline {
                return;
            }
            scheduler::with_handle(|handle| handle.and_then(|h| h.cancel_timer(key)));
        }
        let action = TimerAction::Task(self.view.to_ref());
        let key = scheduler::with_handle(|handle| Some(handle?.start_timer(deadline, action)));
        self.private().alarm = key.map(|key| (key, deadline));
    }

    /// Forgets an alarm that has fired.
    #[inline]
    pub(crate) fn check_alarm(self) {
        let mut private = self.private();
        if let Some((_, at)) = private.alarm {
            let now = scheduler::with_handle(|handle| handle.map(|h| h.coarse_now()));
            if now.is_none_or(|now| now >= at) {
                private.alarm = None;
            }
        }
    }

    /// Whether `waker` is the process's own, and not one of a combinator inside its body.
    #[inline]
    pub(crate) fn owns(self, waker: &Waker) -> bool {
        self.view.owns_waker(waker)
    }

    /// Has `waker` woken at the start of the next turn, unless it is the process's own.
    #[inline]
    pub(crate) fn wake_next_turn(self, waker: &Waker) {
        if !self.owns(waker) {
            self.private().rare().wakers.push(waker.clone());
        }
    }

    /// Whether a full mailbox holds the process back.
    #[inline]
    pub(crate) fn is_muted(self) -> bool {
        self.process.muted.load(Ordering::Acquire) != 0
    }
}

/// The current time of the running runtime, as fresh as its last look at the clock: good for
/// deadlines of 100 ms and more, which may be a few ms early by it.
pub(crate) fn deadline_in(timeout: Duration) -> Option<Time> {
    scheduler::with_handle(|handle| {
        let handle = handle?;
        let exact = timeout < Duration::from_millis(100);
        let now = if exact {
            handle.now()
        } else {
            handle.coarse_now()
        };
        Some(now.saturating_add(timeout))
    })
}

/// A task id in one word; 0 is nobody, for generations start at one.
#[inline]
pub(crate) fn pack(task: TaskId) -> u64 {
    u64::from(task.index()) << 32 | u64::from(task.generation())
}

#[inline]
pub(crate) fn unpack(packed: u64) -> Option<TaskId> {
    let task = TaskId::from_parts((packed >> 32) as u32, packed as u32);
    (packed != 0).then_some(task)
}
