//! Work that is made in one process and started by another: what supervisors of tasks run.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TaskOf;
use crate::exit::{ExitReason, IntoExitReason};
use crate::mailbox::{Mailbox, MailboxPolicy};
use crate::pid::Pid;
use crate::process::ProcessKind;
use crate::spawn::{Order, Tie, kind_of, kind_of_task};

/// What a piece of work is, and where it was asked for: what reports and
/// [`ProcessInfo`](crate::ProcessInfo) say of its process, whoever starts it.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Origin, TaskBody, info};
/// use std::panic::Location;
///
/// /// For a library that runs what its user gives it: reports then show the user's line.
/// #[track_caller]
/// fn work_of<F>(work: F) -> TaskBody
/// where
///     F: Future<Output = ()> + Send + 'static,
/// {
///     TaskBody::new(work).with_origin(Origin::of::<F>(Location::caller()))
/// }
///
/// let line = line!() + 1;
/// let pid = work_of(async {}).spawn_link();
/// assert_eq!(info(pid).unwrap().spawned_at.line(), line);
/// # });
/// ```
#[derive(Clone, Copy)]
pub struct Origin {
    kind: &'static ProcessKind,
    at: &'static Location<'static>,
}

impl Origin {
    /// Work of the type `F`, asked for at `at`.
    #[must_use]
    pub fn of<F>(at: &'static Location<'static>) -> Origin {
        Origin {
            kind: kind_of::<TaskOf<F>, Infallible>(),
            at,
        }
    }

    /// As [`of`](Self::of), where whoever spawns it is the one who asks for it.
    pub(super) fn of_task<F>(at: &'static Location<'static>) -> Origin {
        Origin {
            kind: kind_of_task::<TaskOf<F>>(),
            at,
        }
    }

    /// Where it was asked for.
    #[must_use]
    pub fn at(self) -> &'static Location<'static> {
        self.at
    }

    /// Starts such work.
    pub(super) fn spawn(
        self,
        tie: Tie,
        work: impl Future<Output = ExitReason> + Send + 'static,
    ) -> Pid {
        let order = Order {
            kind: self.kind,
            tie,
            policy: MailboxPolicy::unbounded(),
            at: self.at,
        };
        order.spawn(|_: Mailbox<Infallible>| work, |_, pid, _| pid)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({} at {})", (self.kind.behaviour)(), self.at)
    }
}

/// The body of a process that somebody else starts, and where it comes from: see
/// [`Task::prepare`](crate::Task::prepare). It is a future as well.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Mailbox, TaskBody, info, self_pid, spawn};
///
/// // A pool that runs what it is given. What it runs says where it was made, and not this line.
/// let pool = spawn(|mut inbox: Mailbox<TaskBody>| async move {
///     loop {
///         inbox.recv().await.spawn_link();
///     }
/// });
/// let made_at = line!() + 1;
/// pool.send(TaskBody::new(async move {
///     assert_eq!(info(self_pid()).unwrap().spawned_at.line(), made_at);
/// }));
/// # });
/// ```
#[must_use = "work does nothing until it is started"]
pub struct TaskBody {
    work: Pin<Box<dyn Future<Output = ExitReason> + Send>>,
    origin: Origin,
}

impl TaskBody {
    /// This work.
    #[track_caller]
    pub fn new<F>(work: F) -> TaskBody
    where
        F: Future + Send + 'static,
        F::Output: IntoExitReason,
    {
        let origin = Origin::of::<F>(Location::caller());
        TaskBody::over(async move { work.await.into_exit_reason() }, origin)
    }

    pub(super) fn over(
        work: impl Future<Output = ExitReason> + Send + 'static,
        origin: Origin,
    ) -> TaskBody {
        TaskBody {
            work: Box::pin(work),
            origin,
        }
    }

    /// Says where the work comes from, if not from where this body was made: see
    /// [`ItemWork::origin`](crate::ItemWork::origin).
    pub fn with_origin(mut self, origin: Origin) -> TaskBody {
        self.origin = origin;
        self
    }

    /// Starts a process that runs it, linked with the running one.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn spawn_link(self) -> Pid {
        self.origin.spawn(Tie::Link, self.work)
    }
}

impl Future for TaskBody {
    type Output = ExitReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ExitReason> {
        self.work.as_mut().poll(cx)
    }
}

impl fmt::Debug for TaskBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskBody").field(&self.origin).finish()
    }
}
