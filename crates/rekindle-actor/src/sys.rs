//! Looking into a running behaviour: state, suspend, resume, stop.
//!
//! A `sys` message lies in the mailbox in order with the others (SYS-012), is handled by the
//! behaviour's loop and never shown to its callbacks. It is not held up by a bound. A loop handles
//! it by [`SystemMessage::handle`]; a plain process that does not is simply silent, and these
//! functions time out.

use std::any::{Any, type_name};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::exit::ExitReason;
use crate::inspect;
use crate::mailbox::{self, Awaiting, Lost, ReplyTo};
use crate::pid::Pid;
use crate::process::Owner;
use crate::signal::{self, Signal};
use crate::wait::WaitKind;

/// How long these functions wait for an answer: 5 s, as a call.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why looking in failed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SysError {
    /// There is no such process.
    NoProc,
    /// It ended before it answered.
    Exited(ExitReason),
    /// It did not answer: it is busy, or handles no `sys` messages.
    Timeout(Duration),
    /// Its state is not of the type that was asked for; here is what it is.
    WrongType(&'static str),
    /// The function that was to change the state panicked. Nothing has changed, and the process
    /// goes on.
    Panicked(ExitReason),
    /// A process cannot look into itself, or stop itself, this way: it would wait for its own
    /// next receive.
    CallingSelf,
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SysError::NoProc => f.write_str("there is no such process"),
            SysError::Exited(reason) => write!(f, "the process ended: {reason}"),
            SysError::Timeout(limit) => {
                write!(f, "the process handled no system message within {limit:?}")
            }
            SysError::WrongType(found) => write!(f, "the state of the process is a `{found}`"),
            SysError::Panicked(reason) => write!(f, "the function for the state failed: {reason}"),
            SysError::CallingSelf => f.write_str("a process cannot wait for itself"),
        }
    }
}

impl std::error::Error for SysError {}

/// What a behaviour says of itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// The process.
    pub pid: Pid,
    /// The type of its behaviour.
    pub behaviour: &'static str,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// The process that started it.
    pub parent: Option<Pid>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// How many messages it has received and not yet handled.
    pub mailbox: usize,
    /// Its state, as far as the behaviour shows it.
    pub state: Option<String>,
}

/// A message to a behaviour's loop.
pub struct SystemMessage(Request);

/// Looks at a state; the text is the name of its type.
type Look = Box<dyn FnOnce(&mut dyn Any, &'static str) + Send>;

enum Request {
    WithState(Look),
    Status(ReplyTo<Status>),
    Suspend(ReplyTo<()>),
    Resume(ReplyTo<()>),
    Stop(ExitReason, ReplyTo<Infallible>),
}

/// What a loop knows of the `sys` messages it has handled.
#[derive(Debug, Default)]
pub struct SystemState(Option<Box<Handled>>);

/// What a loop remembers; most never handle a `sys` message, and have no room for it.
#[derive(Debug, Default)]
struct Handled {
    suspended: bool,
    /// Told by its drop, when the process and its name are gone.
    stopping: Option<ReplyTo<Infallible>>,
}

impl SystemState {
    /// Nothing handled yet.
    #[must_use]
    pub fn new() -> Self {
        SystemState::default()
    }

    fn handled(&mut self) -> &mut Handled {
        self.0.get_or_insert_default()
    }

    /// Whether the loop must handle nothing but `sys` messages and exit signals: it waits by
    /// [`Mailbox::next_system`](crate::Mailbox::next_system).
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.0.as_ref().is_some_and(|handled| handled.suspended)
    }
}

/// What a loop must do after a `sys` message.
#[derive(Debug)]
#[must_use]
pub enum SystemVerdict {
    /// Go on.
    Continue,
    /// Run terminate and end with this reason.
    Stop(ExitReason),
}

impl SystemMessage {
    /// Whether the verdict on it will be to stop.
    #[must_use]
    pub fn stops(&self) -> bool {
        matches!(self.0, Request::Stop(..))
    }

    /// Handles the message on behalf of a behaviour with this state. `shown` gives the state as
    /// text, as far as it may be shown.
    pub fn handle<S: 'static>(
        self,
        system: &mut SystemState,
        state: &mut S,
        shown: impl FnOnce(&S) -> Option<String>,
    ) -> SystemVerdict {
        match self.0 {
            Request::WithState(f) => f(state, type_name::<S>()),
            Request::Status(from) => {
                let status = Owner::current(|owner| {
                    let owner = owner?;
                    Some(inspect::status(owner, system.is_suspended()))
                });
                if let Some(mut status) = status {
                    status.state = shown(state);
                    from.reply(status);
                }
            }
            Request::Suspend(from) => {
                system.handled().suspended = true;
                from.reply(());
            }
            Request::Resume(from) => {
                system.handled().suspended = false;
                from.reply(());
            }
            Request::Stop(reason, done) => {
                system.handled().stopping = Some(done);
                return SystemVerdict::Stop(reason);
            }
        }
        SystemVerdict::Continue
    }
}

impl fmt::Debug for SystemMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Request::WithState(_) => "SystemMessage(WithState)",
            Request::Status(_) => "SystemMessage(Status)",
            Request::Suspend(_) => "SystemMessage(Suspend)",
            Request::Resume(_) => "SystemMessage(Resume)",
            Request::Stop(..) => "SystemMessage(Stop)",
        })
    }
}

/// A copy of the state of a behaviour, also while it is suspended (SYS-001).
///
/// # Errors
///
/// See [`SysError`]; among others, if the state is not an `S`.
#[track_caller]
pub fn get_state<S: Clone + Send + 'static>(
    pid: Pid,
) -> impl Future<Output = Result<S, SysError>> + Send {
    with_state(pid, |state: &mut S| state.clone())
}

/// Changes the state of a behaviour, and gives a copy of the new one (SYS-002). `f` works on a
/// copy: if it panics, nothing changes, and the process goes on (FSM-025).
///
/// # Errors
///
/// As [`get_state`]; `Panicked` if `f` does.
#[track_caller]
pub fn replace_state<S: Clone + Send + 'static>(
    pid: Pid,
    f: impl FnOnce(&mut S) + Send + 'static,
) -> impl Future<Output = Result<S, SysError>> + Send {
    let asked = with_state(pid, |state: &mut S| {
        let mut changed = state.clone();
        crate::unwind::catch(|| f(&mut changed)).map_err(ExitReason::from_panic)?;
        *state = changed.clone();
        Ok(changed)
    });
    async move { asked.await?.map_err(SysError::Panicked) }
}

/// Runs `f` on the state of a behaviour, in its own process: if it panics, so does that process.
///
/// # Errors
///
/// As [`get_state`].
#[track_caller]
pub fn with_state<S: 'static, R: Send + 'static>(
    pid: Pid,
    f: impl FnOnce(&mut S) -> R + Send + 'static,
) -> impl Future<Output = Result<R, SysError>> + Send {
    let asked = Ask::new(pid, |from: ReplyTo<Result<R, &'static str>>| {
        Request::WithState(Box::new(move |state, found| {
            from.reply(match state.downcast_mut::<S>() {
                Some(state) => Ok(f(state)),
                None => Err(found),
            });
        }))
    });
    async move { asked.await?.map_err(SysError::WrongType) }
}

/// What a behaviour says of itself (SYS-005).
///
/// # Errors
///
/// See [`SysError`].
#[track_caller]
pub fn get_status(pid: Pid) -> impl Future<Output = Result<Status, SysError>> + Send {
    Ask::new(pid, Request::Status)
}

/// Lets a behaviour handle nothing but `sys` messages and exit signals (SYS-003).
///
/// # Errors
///
/// See [`SysError`].
#[track_caller]
pub fn suspend(pid: Pid) -> impl Future<Output = Result<(), SysError>> + Send {
    Ask::new(pid, Request::Suspend)
}

/// Ends a suspension, however often it was asked for (SYS-004).
///
/// # Errors
///
/// See [`SysError`].
#[track_caller]
pub fn resume(pid: Pid) -> impl Future<Output = Result<(), SysError>> + Send {
    Ask::new(pid, Request::Resume)
}

/// Sends a request; gives it back if there is no such process.
fn send(pid: Pid, request: Request) -> Result<(), Signal> {
    signal::try_send(pid, in_signal(request))
}

fn in_signal(request: Request) -> Signal {
    Signal::System(SystemMessage(request))
}

fn is_running(pid: Pid) -> bool {
    Owner::current(|owner| owner.is_some_and(|owner| owner.pid() == pid))
}

/// One question and the wait for its answer.
struct Ask<T> {
    pid: Pid,
    waiting: Result<Awaiting<T>, SysError>,
    deadline: Deadline,
}

impl<T: Send + 'static> Ask<T> {
    #[track_caller]
    fn new(pid: Pid, request: impl FnOnce(ReplyTo<T>) -> Request) -> Ask<T> {
        let (reply, awaiting) = mailbox::acknowledgement();
        let sent = match is_running(pid) {
            true => Err((in_signal(request(reply)), SysError::CallingSelf)),
            false => send(pid, request(reply)).map_err(|unsent| (unsent, SysError::NoProc)),
        };
        let waiting = match sent {
            Ok(()) => Ok(awaiting),
            Err((unsent, error)) => {
                // Dropped here, it must not be taken for a promise of this process.
                awaiting.never_promised();
                drop(unsent);
                Err(error)
            }
        };
        Ask {
            pid,
            waiting,
            deadline: Deadline::after(Some(PATIENCE)),
        }
    }
}

impl<T: Send + 'static> Future for Ask<T> {
    type Output = Result<T, SysError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let awaiting = match &mut this.waiting {
            Ok(awaiting) => awaiting,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        if let Poll::Ready(result) = awaiting.poll(cx) {
            return Poll::Ready(result.map_err(|lost| match lost {
                Lost::Exited(reason) => SysError::Exited(reason),
                Lost::Gone | Lost::NoReply => SysError::NoProc,
            }));
        }
        if this.deadline.is_past(cx, this.pid.node()) {
            return Poll::Ready(Err(SysError::Timeout(PATIENCE)));
        }
        Poll::Pending
    }
}

/// Why a process did not stop as asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StopError {
    /// There is no such process (GEN-038).
    NoProc,
    /// It ended, but with another reason.
    Exited(ExitReason),
    /// It did not end in this time. It may still.
    Timeout(Duration),
    /// A process cannot wait for its own end (GEN-039).
    CallingSelf,
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopError::NoProc => f.write_str("there is no such process"),
            StopError::Exited(reason) => write!(f, "the process ended otherwise: {reason}"),
            StopError::Timeout(limit) => write!(f, "the process did not stop within {limit:?}"),
            StopError::CallingSelf => f.write_str("a process cannot wait for its own end"),
        }
    }
}

impl std::error::Error for StopError {}

/// Stops a behaviour and waits until it and its name are gone (GEN-037).
///
/// By default with `Normal`, and for as long as it takes. Nothing happens before it is awaited.
#[derive(Debug)]
#[must_use = "nothing is stopped until this is awaited"]
pub struct Stop {
    pid: Pid,
    reason: ExitReason,
    timeout: Option<Duration>,
}

impl Stop {
    /// Stops the process with this pid. The handles' own `stop` is this.
    pub fn new(pid: Pid) -> Stop {
        Stop {
            pid,
            reason: ExitReason::Normal,
            timeout: None,
        }
    }

    /// With this reason.
    pub fn reason(mut self, reason: ExitReason) -> Stop {
        self.reason = reason;
        self
    }

    /// Waits at most this long; the process may still end later.
    pub fn timeout(mut self, limit: Duration) -> Stop {
        self.timeout = Some(limit);
        self
    }
}

impl IntoFuture for Stop {
    type Output = Result<(), StopError>;
    type IntoFuture = Stopping;

    fn into_future(self) -> Stopping {
        let asked = self.reason.clone();
        let mut ask = Ask::new(self.pid, |done| Request::Stop(self.reason, done));
        ask.deadline = Deadline::after(self.timeout);
        Stopping {
            ask,
            asked,
            waits: false,
        }
    }
}

/// The wait of a [`Stop`].
#[must_use = "futures do nothing unless awaited"]
pub struct Stopping {
    ask: Ask<Infallible>,
    asked: ExitReason,
    waits: bool,
}

impl Future for Stopping {
    type Output = Result<(), StopError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.waits {
            this.waits = true;
            let at = std::panic::Location::caller();
            Owner::current(|owner| owner.map(|o| o.process().waiting.begin(WaitKind::Stop, at)));
        }
        let polled = Pin::new(&mut this.ask).poll(cx);
        let Poll::Ready(result) = polled else {
            return Poll::Pending;
        };
        Owner::current(|owner| owner.map(|o| o.process().waiting.end()));
        Poll::Ready(match result {
            Ok(never) => match never {},
            Err(SysError::Exited(reason)) if reason == this.asked => Ok(()),
            Err(SysError::Exited(reason)) => Err(StopError::Exited(reason)),
            Err(SysError::CallingSelf) => Err(StopError::CallingSelf),
            Err(SysError::Timeout(_)) => Err(StopError::Timeout(this.ask.deadline.limit())),
            Err(SysError::NoProc | SysError::WrongType(_) | SysError::Panicked(_)) => {
                Err(StopError::NoProc)
            }
        })
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopping")
            .field("pid", &self.ask.pid)
            .finish_non_exhaustive()
    }
}
