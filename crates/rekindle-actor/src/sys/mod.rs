//! Looking into a running behaviour: its state, what it does, suspend, resume, stop.
//!
//! A `sys` message lies in the mailbox in order with the others (SYS-012), is handled by the
//! behaviour's loop and never shown to its callbacks. It is not held up by a bound. A loop handles
//! it by [`SystemMessage::handle`]; a plain process that does not is simply silent, and these
//! functions time out.
//!
//! Every function takes a pid, a name, or any handle on the process (see [`Target`]), sends its
//! question at once, and gives an [`Asking`]: await it for the answer. It waits 5 s, unless
//! [`Asking::timeout`] says otherwise.
//!
//! # Watching a process at work
//!
//! | function                                          | keeps, or tells                           |
//! |---------------------------------------------------|-------------------------------------------|
//! | [`start_statistics`], [`get_statistics`]          | how many messages came in and went out    |
//! | [`start_log`], [`get_log`], [`print_log`]         | the last n [events](SystemEvent)          |
//! | [`trace`], [`trace_to`]                           | each event, as text or as a message       |
//! | [`install`]                                       | each event, to a function of yours        |
//!
//! All of it runs in the process watched, between its callbacks, and nothing of it costs a process
//! that nobody watches anything.
//!
//! ```
//! # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
//! # struct Counter { n: i64 }
//! # enum Request { Get(ReplyTo<i64>) }
//! # impl GenServer for Counter {
//! #     type Args = i64;
//! #     type Call = Request;
//! #     type Cast = i64;
//! #     type Info = Never;
//! #     type Continue = Never;
//! #     async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
//! #         Ok(Init::Ready(Counter { n }))
//! #     }
//! #     async fn handle_call(&mut self, request: Request, _cx: &mut Context<Self>) -> Step<Self> {
//! #         let Request::Get(from) = request;
//! #         from.reply(self.n);
//! #         Ok(Next::Wait)
//! #     }
//! #     async fn handle_cast(&mut self, k: i64, _cx: &mut Context<Self>) -> Step<Self> {
//! #         self.n += k;
//! #         Ok(Next::Wait)
//! #     }
//! #     fn format_status(&self) -> Option<String> {
//! #         Some(format!("n = {}", self.n))
//! #     }
//! # }
//! # let runtime = rekindle_actor::Runtime::new()?;
//! # runtime.block_on(async {
//! use rekindle_actor::sys;
//!
//! let counter = Counter::start(0).name("counter").await.unwrap();
//! sys::start_statistics(&counter).await?;
//! sys::start_log("counter", 2).await?;
//! counter.cast(2);
//! counter.cast(3);
//!
//! let statistics = sys::get_statistics("counter").await?.expect("they are on");
//! assert_eq!((statistics.messages_in, statistics.messages_out), (2, 0));
//! let log = sys::get_log("counter").await?;
//! assert!(log[0].to_string().ends_with("\"counter\" got cast i64"));
//! assert!(log[1].to_string().ends_with("\"counter\" has the state n = 5"));
//! # Ok::<(), sys::SysError>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # When not to use this
//!
//! For anything that the program needs in order to work: a state that others depend on is asked
//! for by a call, and what should be counted for ever belongs into metrics.

mod event;
mod target;
mod watch;

use std::any::{Any, type_name};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
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
use crate::recipient::Recipient;
use crate::signal::{self, Signal};
use crate::unwind;
use crate::wait::WaitKind;

pub use event::{Statistics, SystemEvent, Traced};
pub use target::Target;
use watch::Watch;

/// How long these functions wait for an answer: 5 s, as a call.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why looking in failed.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, spawn, sys};
/// use rekindle_actor::sys::SysError;
/// use std::time::Duration;
///
/// // A plain process answers no `sys` messages.
/// let deaf = spawn(|mut inbox: Mailbox<()>| async move { inbox.recv().await });
/// let asked = sys::get_status(deaf.pid()).timeout(Duration::from_secs(1)).await;
/// assert!(matches!(asked, Err(SysError::Timeout(_))));
/// # });
/// ```
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
    /// The function that was to look at the state, or to change it, panicked, or the copy of the
    /// state did. The process is unharmed, and its state is what it was.
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
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, parent, self_pid, sys};
///
/// let agent = Agent::start_link(|| 0).name("agent").await.unwrap();
/// sys::start_statistics("agent").await.unwrap();
/// sys::suspend("agent").await.unwrap();
/// let status: sys::Status = sys::get_status("agent").await.unwrap();
/// assert_eq!((status.name.as_deref(), status.parent), (Some("agent"), Some(self_pid())));
/// assert!(status.suspended);
/// assert_eq!(status.watched.len(), 1);
/// # });
/// ```
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
    /// How it is being watched: statistics, log, trace, debug functions.
    pub watched: Vec<String>,
}

/// A message to a behaviour's loop.
///
/// ```
/// use rekindle_actor::sys::{self, SystemMessage, SystemState, SystemVerdict};
/// use rekindle_actor::{Ack, Event, ExitReason, Mailbox, Starter};
///
/// /// Handles nothing but what `sys` asks.
/// async fn idle(mut inbox: Mailbox<()>, ack: Ack) -> ExitReason {
///     let (mut state, mut system) = ("idle", SystemState::new());
///     ack.ready();
///     loop {
///         let Event::System(message) = inbox.next_system().await else { continue };
///         let message: SystemMessage = message;
///         if let SystemVerdict::Stop(reason) = message.handle(&mut system, &mut state, |_| None) {
///             return reason;
///         }
///     }
/// }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// let idle = Starter::new("idle").start(idle).await.unwrap();
/// assert_eq!(sys::get_state::<&str>(&idle).await, Ok("idle"));
/// # });
/// ```
pub struct SystemMessage(Request);

/// Looks at a state; the text is the name of its type.
type Look = Box<dyn FnOnce(&mut dyn Any, &'static str) + Send>;

/// Changes how the process is watched, or reads what was gathered.
type Adjust = Box<dyn FnOnce(&mut SystemState) + Send>;

/// What comes back.
type Answer<T> = ReplyTo<Result<T, SysError>>;

enum Request {
    WithState(Look),
    Status(Answer<Status>),
    Suspend(Answer<()>),
    Resume(Answer<()>),
    Stop(ExitReason, Answer<Infallible>),
    Watch(Adjust),
}

/// What a loop knows of the `sys` messages it has handled.
///
/// A loop keeps one, passes it to [`SystemMessage::handle`], asks it before each wait whether the
/// process [is suspended](Self::is_suspended), and tells it what it does: by
/// [`message_in`](Self::message_in) when it has received something, by
/// [`handled`](Self::handled) when it is done with that. The two, and [`note`](Self::note), cost a
/// look at one pointer while nobody watches. Replies are told of by the
/// [`ReplyTo`] itself.
///
/// ```
/// use rekindle_actor::sys::{self, SystemState, SystemVerdict};
/// use rekindle_actor::{Ack, Event, ExitReason, Mailbox, Starter};
///
/// /// Adds up what it is sent.
/// async fn adder(mut inbox: Mailbox<i64>, ack: Ack) -> ExitReason {
///     let (mut sum, mut system) = (0, SystemState::new());
///     let shown = |sum: &i64| Some(sum.to_string());
///     ack.ready();
///     loop {
///         let event = match system.is_suspended() {
///             true => inbox.next_system().await,
///             false => inbox.next_event(None).await,
///         };
///         match event {
///             Event::System(message) => match message.handle(&mut system, &mut sum, shown) {
///                 SystemVerdict::Continue => {}
///                 SystemVerdict::Stop(reason) => return reason,
///             },
///             Event::Message(n) => {
///                 system.message_in("number", inbox.caller(), || n.to_string());
///                 sum += n;
///                 system.handled(|| shown(&sum));
///             }
///             _ => {}
///         }
///     }
/// }
///
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// let adder = Starter::new("adder").start(adder).await.unwrap();
/// sys::start_log(&adder, 10).await?;
/// adder.send(7);
/// let log = sys::get_log(&adder).await?;
/// assert!(log[0].to_string().ends_with("got number 7"));
/// assert!(log[1].to_string().ends_with("has the state 7"));
/// # Ok::<(), sys::SysError>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct SystemState(Option<Box<Handled>>);

/// What a loop remembers; most never handle a `sys` message, and have no room for it.
#[derive(Debug, Default)]
struct Handled {
    suspended: bool,
    watch: Option<Watch>,
}

impl SystemState {
    /// Nothing handled yet.
    #[must_use]
    pub fn new() -> Self {
        SystemState::default()
    }

    /// The books that the running server's loop keeps aside, to be [kept](Self::keep) again.
    pub(crate) fn of_running() -> Self {
        Owner::current(|owner| {
            let mut private = owner?.private();
            Some(std::mem::take(&mut private.rare_mut()?.system))
        })
        .unwrap_or_default()
    }

    /// Lays the books of the running server aside; whether there is anything in them.
    pub(crate) fn keep(self) -> bool {
        if self.is_idle() {
            return false;
        }
        Owner::current(|owner| {
            let before = owner.map(|owner| {
                let mut private = owner.private();
                std::mem::replace(&mut private.make_rare().system, self)
            });
            before.map(unwind::discard).is_some()
        })
    }

    fn kept(&mut self) -> &mut Handled {
        self.0.get_or_insert_default()
    }

    fn watch(&mut self) -> &mut Watch {
        self.kept().watch.get_or_insert_default()
    }

    /// Whether there is nothing that a loop must heed.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the loop must handle nothing but `sys` messages and exit signals: it waits by
    /// [`Mailbox::next_system`](crate::Mailbox::next_system).
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.0.as_ref().is_some_and(|handled| handled.suspended)
    }

    /// Whether anybody watches what the loop does.
    #[must_use]
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.watch.is_some())
    }

    /// Those who watch, if any.
    fn watched(&mut self) -> Option<&mut Watch> {
        self.0.as_mut()?.watch.as_mut()
    }

    /// A message came in and is about to be handled: its kind, who waits for the answer
    /// ([`Mailbox::caller`](crate::Mailbox::caller) tells), and its text, which is made only if
    /// somebody watches.
    #[inline]
    pub fn message_in(
        &mut self,
        kind: &'static str,
        from: Option<Pid>,
        what: impl FnOnce() -> String,
    ) {
        if self.is_watched() {
            let what = text(what);
            self.note(|| SystemEvent::In { kind, what, from });
        }
    }

    /// What came in has been handled; the text of the state is made only if somebody watches, and
    /// nothing happens if nothing came in since the last time.
    #[inline]
    pub fn handled(&mut self, shown: impl FnOnce() -> Option<String>) {
        if let Some(watch) = self.watched() {
            let open = watch.close();
            watch.tell_replies();
            if open {
                watch.tell(SystemEvent::Handled(unwind::catch(shown).ok().flatten()));
            }
        }
    }

    /// Tells those who watch of an event, which is made only if there are any. Replies given
    /// since the last event are told of first.
    #[inline]
    pub fn note(&mut self, event: impl FnOnce() -> SystemEvent) {
        if let Some(watch) = self.watched() {
            watch.tell_replies();
            watch.tell(event());
        }
    }

    /// Lets go of what is no longer needed, so that a process which was looked at once is as
    /// quick as before.
    fn tidy(&mut self) {
        let Some(kept) = &mut self.0 else { return };
        if kept.watch.as_ref().is_some_and(Watch::is_over) {
            kept.watch = None;
        }
        Owner::watch_replies(kept.watch.is_some());
        if !kept.suspended && kept.watch.is_none() {
            self.0 = None;
        }
    }
}

/// A text of a user's making; a panic makes none.
fn text(make: impl FnOnce() -> String) -> String {
    unwind::catch(make).unwrap_or_else(|payload| {
        unwind::discard(payload);
        "(its text could not be made)".to_owned()
    })
}

/// What a loop must do after a `sys` message.
///
/// ```
/// use rekindle_actor::sys::{SystemState, SystemVerdict};
/// use rekindle_actor::{Ack, Event, ExitReason, Mailbox, Starter};
///
/// async fn loop_of_ones_own(mut inbox: Mailbox<()>, ack: Ack) -> ExitReason {
///     let (mut state, mut system) = ((), SystemState::new());
///     ack.ready();
///     while let Event::System(message) = inbox.next_event(None).await {
///         match message.handle(&mut system, &mut state, |_| None) {
///             SystemVerdict::Continue => {}
///             // Whoever has asked for it hears of the end when the process and its name are gone.
///             SystemVerdict::Stop(reason) => return reason,
///         }
///     }
///     ExitReason::Normal
/// }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let process = Starter::new("one").start(loop_of_ones_own).await.unwrap();
/// assert_eq!(process.stop().reason(ExitReason::Shutdown).await, Ok(()));
/// assert!(!process.is_alive());
/// # });
/// ```
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
                    status.watched = system.watched().map(|w| w.describe()).unwrap_or_default();
                    from.reply(Ok(status));
                }
            }
            Request::Suspend(from) => {
                system.kept().suspended = true;
                from.reply(Ok(()));
            }
            Request::Resume(from) => {
                if let Some(kept) = &mut system.0 {
                    kept.suspended = false;
                }
                system.tidy();
                from.reply(Ok(()));
            }
            Request::Watch(adjust) => {
                // What the last callback did belongs to those who watched it.
                system.handled(|| shown(state));
                adjust(system);
                system.tidy();
            }
            Request::Stop(reason, done) => {
                // Its drop is told when the process and its name are gone.
                drop(done);
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
            Request::Watch(_) => "SystemMessage(Watch)",
        })
    }
}

/// A copy of the state of a behaviour, also while it is suspended (SYS-001).
///
/// # Errors
///
/// See [`SysError`]; among others, if the state is not an `S`.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Agent, AgentServer, sys};
///
/// let counter = Agent::start_link(|| 7).name("counter").await.unwrap();
///
/// let state: AgentServer<i32> = sys::get_state("counter").await.unwrap();
/// assert_eq!(*state, 7);
/// let wrong = sys::get_state::<String>("counter").await;
/// assert!(wrong.is_err(), "the state is of another type");
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
pub fn get_state<S: Clone + Send + 'static>(target: impl Target) -> Asking<S> {
    ask_state(target, |state: &mut S| {
        unwind::catch(|| state.clone()).map_err(failed)
    })
}

/// Changes the state of a behaviour, and gives a copy of the new one (SYS-002).
///
/// `f` works on a copy, which takes the place of the state when it is done. So if `f` panics, the
/// state is what it was, and the process is unharmed.
///
/// # Errors
///
/// As [`get_state`]; [`SysError::Panicked`] if `f` panics.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Agent, AgentServer, sys};
///
/// let counter = Agent::start_link(|| 7).name("counter").await.unwrap();
///
/// sys::replace_state("counter", |state: &mut AgentServer<i32>| **state += 1).await.unwrap();
/// assert_eq!(counter.get(|n| *n).await, Ok(8));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
pub fn replace_state<S: Clone + Send + 'static>(
    target: impl Target,
    f: impl FnOnce(&mut S) + Send + 'static,
) -> Asking<S> {
    ask_state(target, |state: &mut S| {
        let changed = unwind::catch(|| {
            let mut new = state.clone();
            f(&mut new);
            (new.clone(), new)
        });
        let (copy, new) = changed.map_err(failed)?;
        let old = std::mem::replace(state, new);
        drop(old);
        Ok(copy)
    })
}

/// Runs `f` on the state of a behaviour itself, in its own process.
///
/// If `f` panics, so does the process looked into: what `f` has done to the state by then cannot
/// be undone.
///
/// # Errors
///
/// As [`get_state`].
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Agent, AgentServer, sys};
///
/// let counter = Agent::start_link(|| 7).name("counter").await.unwrap();
///
/// let n = sys::with_state("counter", |state: &mut AgentServer<i32>| **state).await;
/// assert_eq!(n.unwrap(), 7);
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
pub fn with_state<S: 'static, R: Send + 'static>(
    target: impl Target,
    f: impl FnOnce(&mut S) -> R + Send + 'static,
) -> Asking<R> {
    ask_state(target, |state: &mut S| Ok(f(state)))
}

#[track_caller]
fn ask_state<S: 'static, R: Send + 'static>(
    target: impl Target,
    f: impl FnOnce(&mut S) -> Result<R, SysError> + Send + 'static,
) -> Asking<R> {
    Asking::new(target.target_pid(), |from: Answer<R>| {
        Request::WithState(Box::new(move |state, found| {
            from.reply(match state.downcast_mut::<S>() {
                Some(state) => f(state),
                None => Err(SysError::WrongType(found)),
            });
        }))
    })
}

fn failed(payload: Box<dyn Any + Send>) -> SysError {
    SysError::Panicked(ExitReason::from_panic(payload))
}

/// What a behaviour says of itself (SYS-005).
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let counter = Agent::start_link(|| 7).name("counter").await.unwrap();
///
/// let status = sys::get_status("counter").await.unwrap();
/// assert_eq!(Some(status.pid), counter.pid());
/// assert!(!status.suspended);
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
pub fn get_status(target: impl Target) -> Asking<Status> {
    Asking::new(target.target_pid(), Request::Status)
}

/// Lets a behaviour handle nothing but `sys` messages and exit signals (SYS-003).
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let counter = Agent::start_link(|| 7).name("counter").await.unwrap();
///
/// sys::suspend("counter").await.unwrap();
/// counter.cast(|n| *n += 1);
/// // What comes now waits in the mailbox.
/// let limit = std::time::Duration::from_secs(1);
/// assert!(counter.get(|n| *n).timeout(limit).await.is_err());
/// sys::resume("counter").await.unwrap();
/// assert_eq!(counter.get(|n| *n).await, Ok(8));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
pub fn suspend(target: impl Target) -> Asking<()> {
    Asking::new(target.target_pid(), Request::Suspend)
}

/// Ends a suspension, however often it was asked for (SYS-004).
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// sys::suspend(pid).await.unwrap();
/// assert!(sys::get_status(pid).await.unwrap().suspended);
/// sys::resume(pid).await.unwrap();
/// assert_eq!(agent.get(|n| *n).await, Ok(0));
/// # });
/// ```
#[track_caller]
pub fn resume(target: impl Target) -> Asking<()> {
    Asking::new(target.target_pid(), Request::Resume)
}

/// Counts messages from now on (SYS-006). If they are being counted already, the count goes on.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).name("agent").await.unwrap();
/// agent.get(|n| *n).await.unwrap(); // not counted
/// sys::start_statistics("agent").await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// sys::start_statistics("agent").await.unwrap(); // the count goes on
/// agent.cast(|n| *n += 1);
/// let seen = sys::get_statistics("agent").await.unwrap().unwrap();
/// assert_eq!((seen.messages_in, seen.messages_out), (2, 1));
/// # });
/// ```
#[track_caller]
pub fn start_statistics(target: impl Target) -> Asking<()> {
    adjust(target, |system| system.watch().count(true))
}

/// No longer counts messages, and forgets the count.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).name("agent").await.unwrap();
/// sys::start_statistics("agent").await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// sys::stop_statistics("agent").await.unwrap();
/// assert_eq!(sys::get_statistics("agent").await, Ok(None));
/// # });
/// ```
#[track_caller]
pub fn stop_statistics(target: impl Target) -> Asking<()> {
    adjust(target, |system| {
        if let Some(watch) = system.watched() {
            watch.count(false);
        }
    })
}

/// The messages counted so far; `None` if they are not being counted.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// assert_eq!(sys::get_statistics(pid).await, Ok(None), "not asked for");
/// sys::start_statistics(pid).await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// let seen = sys::get_statistics(pid).await.unwrap().unwrap();
/// assert_eq!((seen.messages_in, seen.messages_out), (1, 1));
/// sys::stop_statistics(pid).await.unwrap();
/// # });
/// ```
#[track_caller]
pub fn get_statistics(target: impl Target) -> Asking<Option<Statistics>> {
    adjust(target, |system| system.watched()?.statistics())
}

/// Keeps the last `limit` events from now on (SYS-007). If events are being kept already, those
/// stay as far as they fit. A limit of zero is as [`stop_log`].
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).name("agent").await.unwrap();
/// sys::start_log("agent", 2).await.unwrap();
/// for _ in 0..3 {
///     agent.get(|n| *n).await.unwrap();
/// }
/// // The last two of many; their numbers say how many there were.
/// let log = sys::get_log("agent").await.unwrap();
/// assert_eq!(log.len(), 2);
/// assert!(log[1].number > 6 && log[1].number == log[0].number + 1);
/// # });
/// ```
#[track_caller]
pub fn start_log(target: impl Target, limit: usize) -> Asking<()> {
    adjust(target, move |system| system.watch().log(limit))
}

/// No longer keeps events, and forgets those that were kept.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).name("agent").await.unwrap();
/// sys::start_log("agent", 10).await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// sys::stop_log("agent").await.unwrap();
/// assert_eq!(sys::get_log("agent").await, Ok(vec![]));
/// # });
/// ```
#[track_caller]
pub fn stop_log(target: impl Target) -> Asking<()> {
    start_log(target, 0)
}

/// The events that were kept, oldest first; none if they are not being kept.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
/// use rekindle_actor::sys::SystemEvent;
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// sys::start_log(pid, 10).await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// let log = sys::get_log(pid).await.unwrap();
/// assert!(matches!(log[0].event, SystemEvent::In { kind: "call", .. }));
/// sys::stop_log(pid).await.unwrap();
/// # });
/// ```
#[track_caller]
pub fn get_log(target: impl Target) -> Asking<Vec<Traced>> {
    adjust(target, |system| {
        system.watched().map(|w| w.logged()).unwrap_or_default()
    })
}

/// Prints the events that were kept, oldest first, as [`trace`] does; gives their number.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).name("agent").await.unwrap();
/// sys::start_log("agent", 2).await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// // Two lines: that it has replied, and that it is done.
/// assert_eq!(sys::print_log("agent").await, Ok(2));
/// # });
/// ```
#[track_caller]
pub fn print_log(target: impl Target) -> Asking<usize> {
    adjust(target, |system| {
        let events = system.watched().map(|w| w.logged()).unwrap_or_default();
        events.iter().for_each(watch::print);
        events.len()
    })
}

/// Prints each event from now on, a line each (SYS-008): through `log`, at the level `Info` with
/// the target `rekindle::trace`, or to stderr where no logger is installed.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// sys::trace(pid).await.unwrap();
/// // Prints what comes, and what goes.
/// agent.get(|n| *n).await.unwrap();
/// sys::stop_trace(pid).await.unwrap();
/// # });
/// ```
#[track_caller]
pub fn trace(target: impl Target) -> Asking<()> {
    adjust(target, |system| system.watch().print())
}

/// Sends each event from now on to somebody (SYS-008), in place of whom they went to before. The
/// trace ends by itself when that process has ended.
///
/// A process that is sent its own events would see its receiving of them, and so on without end:
/// send them to another one.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::sys::{self, SystemEvent, Traced};
/// use rekindle_actor::{Agent, Mailbox, spawn};
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// let watching = spawn(move |mut inbox: Mailbox<Traced>| async move {
///     sys::trace_to(pid, &inbox.recipient()).await.unwrap();
///     agent.cast(|n| *n += 1);
///     let traced = inbox.recv().await;
///     assert!(matches!(traced.event, SystemEvent::In { kind: "cast", .. }));
///     assert_eq!(traced.pid, pid);
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !watching.is_alive());
/// # });
/// ```
#[track_caller]
pub fn trace_to(target: impl Target, to: &Recipient<Traced>) -> Asking<()> {
    let to = to.clone();
    adjust(target, move |system| system.watch().forward(to))
}

/// Ends a trace: [`trace`] and [`trace_to`] both.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::sys::{self, Traced};
/// use rekindle_actor::{Agent, Mailbox, spawn};
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// let watching = spawn(move |mut inbox: Mailbox<Traced>| async move {
///     sys::trace_to(pid, &inbox.recipient()).await.unwrap();
///     sys::stop_trace(pid).await.unwrap();
///     agent.update(|n| *n += 1).await.unwrap();
///     assert!(inbox.try_recv().is_none());
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !watching.is_alive());
/// # });
/// ```
#[track_caller]
pub fn stop_trace(target: impl Target) -> Asking<()> {
    adjust(target, |system| {
        if let Some(watch) = system.watched() {
            watch.stop_trace();
        }
    })
}

/// Has `f` called for each event from now on, with a state of its own, until it is
/// [removed](remove) or says `ControlFlow::Break` (SYS-009). It runs in the process watched, which
/// waits for it; if it panics it is removed, and the process is unharmed (SYS-010).
///
/// Gives `false`, and drops `f`, if a function with this id is installed already: that one stays.
///
/// ```
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, Step};
/// # struct Sink;
/// # impl GenServer for Sink {
/// #     type Args = ();
/// #     type Call = Never;
/// #     type Cast = i64;
/// #     type Info = Never;
/// #     type Continue = Never;
/// #     async fn init((): (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         Ok(Init::Ready(Sink))
/// #     }
/// #     async fn handle_cast(&mut self, _: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use std::ops::ControlFlow;
/// use rekindle_actor::sys::{self, SystemEvent};
///
/// # let server = Sink::start(()).await.unwrap();
/// // Says when the third message comes in, and then no more.
/// sys::install(&server, "third", 0, |count, traced| {
///     if let SystemEvent::In { .. } = traced.event {
///         *count += 1;
///     }
///     if *count < 3 {
///         return ControlFlow::Continue(());
///     }
///     println!("the third message: {traced}");
///     ControlFlow::Break(())
/// })
/// .await?;
/// # for n in 0..3 { server.cast(n); }
/// # assert!(!sys::remove(&server, "third").await?);
/// # Ok::<(), sys::SysError>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// See [`SysError`].
#[track_caller]
pub fn install<D: Send + 'static>(
    target: impl Target,
    id: impl Into<String>,
    state: D,
    mut f: impl FnMut(&mut D, &Traced) -> ControlFlow<()> + Send + 'static,
) -> Asking<bool> {
    let (id, mut state) = (id.into(), state);
    adjust(target, move |system| {
        let function = Box::new(move |event: &Traced| f(&mut state, event));
        system.watch().install(id, function)
    })
}

/// Removes what [`install`] has installed; `false` if it was not there, or not any more.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
/// use std::ops::ControlFlow;
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// let installed = sys::install(pid, "print", (), |_, traced| {
///     println!("{traced}");
///     ControlFlow::Continue(())
/// });
/// assert_eq!(installed.await, Ok(true));
/// assert_eq!(sys::remove(pid, "print").await, Ok(true));
/// assert_eq!(sys::remove(pid, "print").await, Ok(false), "it is gone");
/// # });
/// ```
#[track_caller]
pub fn remove(target: impl Target, id: impl Into<String>) -> Asking<bool> {
    let id = id.into();
    adjust(target, move |system| {
        system.watched().is_some_and(|watch| watch.remove(&id))
    })
}

/// Switches everything off that watches the process: statistics, log, trace, debug functions.
///
/// # Errors
///
/// See [`SysError`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).name("agent").await.unwrap();
/// sys::start_statistics("agent").await.unwrap();
/// sys::start_log("agent", 10).await.unwrap();
/// assert_eq!(sys::get_status("agent").await.unwrap().watched.len(), 2);
/// sys::no_debug("agent").await.unwrap();
/// assert!(sys::get_status("agent").await.unwrap().watched.is_empty());
/// # drop(agent);
/// # });
/// ```
#[track_caller]
pub fn no_debug(target: impl Target) -> Asking<()> {
    adjust(target, |system| {
        if let Some(kept) = &mut system.0 {
            kept.watch = None;
        }
    })
}

#[track_caller]
fn adjust<T: Send + 'static>(
    target: impl Target,
    f: impl FnOnce(&mut SystemState) -> T + Send + 'static,
) -> Asking<T> {
    Asking::new(target.target_pid(), |from: Answer<T>| {
        Request::Watch(Box::new(move |system| from.reply(Ok(f(system)))))
    })
}

/// Makes a request and sends it. What it gives is small, so that the wait is made where it stays.
#[inline(never)]
fn ask<T: Send + 'static>(
    pid: Option<Pid>,
    request: impl FnOnce(Answer<T>) -> Request,
) -> Result<Awaiting<Result<T, SysError>>, Unasked> {
    let (reply, awaiting) = mailbox::acknowledgement(Owner::own_waker());
    let (unsent, why) = match pid.is_some_and(is_running) {
        true => (in_signal(request(reply)), Unasked::CallingSelf),
        false => match send(pid, request(reply)) {
            Ok(()) => return Ok(awaiting),
            Err(unsent) => (unsent, Unasked::NoProc),
        },
    };
    // Dropped here, it must not be taken for a promise of this process.
    awaiting.never_promised();
    drop(unsent);
    Err(why)
}

/// Sends a request; gives it back if there is no such process.
#[inline]
fn send(pid: Option<Pid>, request: Request) -> Result<(), Signal> {
    match pid {
        Some(pid) => signal::try_send(pid, in_signal(request)),
        None => Err(in_signal(request)),
    }
}

#[inline]
fn in_signal(request: Request) -> Signal {
    Signal::System(SystemMessage(request))
}

fn is_running(pid: Pid) -> bool {
    Owner::current(|owner| owner.is_some_and(|owner| owner.pid() == pid))
}

/// A question to a behaviour's loop, which is on its way, and the wait for the answer.
///
/// Dropped, it gives up the answer; what was asked for is done all the same.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::sys::{self, Asking, SysError};
/// use rekindle_actor::{Agent, AgentServer};
/// use std::time::Duration;
///
/// let agent = Agent::start(|| 7).await.unwrap();
/// let pid = agent.pid().unwrap();
/// let asking: Asking<i32> = sys::with_state(pid, |n: &mut AgentServer<i32>| **n);
/// assert_eq!(asking.timeout(Duration::from_secs(1)).await, Ok(7));
///
/// agent.stop().await.unwrap();
/// let asking = sys::with_state(pid, |n: &mut AgentServer<i32>| **n);
/// assert_eq!(asking.no_timeout().await, Err(SysError::NoProc));
/// # });
/// ```
#[must_use = "await this to learn whether it was done"]
pub struct Asking<T> {
    pid: Option<Pid>,
    waiting: Result<Awaiting<Result<T, SysError>>, Unasked>,
    deadline: Deadline,
}

/// Why nobody was asked.
#[derive(Debug, Clone, Copy)]
enum Unasked {
    NoProc,
    CallingSelf,
}

impl From<Unasked> for SysError {
    fn from(why: Unasked) -> SysError {
        match why {
            Unasked::NoProc => SysError::NoProc,
            Unasked::CallingSelf => SysError::CallingSelf,
        }
    }
}

impl<T: Send + 'static> Asking<T> {
    #[track_caller]
    #[inline]
    fn new(pid: Option<Pid>, request: impl FnOnce(Answer<T>) -> Request) -> Asking<T> {
        Asking {
            pid,
            waiting: ask(pid, request),
            deadline: Deadline::after(Some(PATIENCE)),
        }
    }

    /// Waits at most this long.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.deadline.set_limit(Some(limit));
        self
    }

    /// Waits as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.deadline.set_limit(None);
        self
    }
}

impl<T: Send + 'static> Future for Asking<T> {
    type Output = Result<T, SysError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let awaiting = match &mut this.waiting {
            Ok(awaiting) => awaiting,
            Err(why) => return Poll::Ready(Err((*why).into())),
        };
        if let Poll::Ready(result) = awaiting.poll(cx) {
            return Poll::Ready(match result {
                Ok(answer) => answer,
                Err(Lost::Exited(reason)) => Err(SysError::Exited(reason)),
                Err(Lost::Gone | Lost::NoReply) => Err(SysError::NoProc),
            });
        }
        if this.deadline.is_past(cx, this.pid.map_or(0, Pid::node)) {
            let limit = this.deadline.limit();
            return Poll::Ready(Err(SysError::Timeout(limit)));
        }
        Poll::Pending
    }
}

impl<T> fmt::Debug for Asking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// Why a process did not stop as asked.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, StopError, is_alive};
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// agent.stop().await.unwrap();
/// assert!(!is_alive(pid));
/// assert_eq!(agent.stop().await, Err(StopError::NoProc));
/// # });
/// ```
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
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, ExitReason, Stop, StopError};
/// use std::time::Duration;
///
/// let agent = Agent::start(|| 0).name("agent").await.unwrap();
/// let limit = Duration::from_secs(1);
/// let stop = Stop::new("agent").reason(ExitReason::Shutdown).timeout(limit);
/// assert_eq!(stop.await, Ok(()));
/// assert_eq!(agent.pid().map(rekindle_actor::is_alive), Some(false));
/// assert_eq!(Stop::new("agent").await, Err(StopError::NoProc));
/// # });
/// ```
#[derive(Debug)]
#[must_use = "nothing is stopped until this is awaited"]
pub struct Stop {
    pid: Option<Pid>,
    reason: ExitReason,
    timeout: Option<Duration>,
}

impl Stop {
    /// Stops this process; a name is looked up now. The handles' own `stop` is this.
    pub fn new(target: impl Target) -> Stop {
        Stop {
            pid: target.target_pid(),
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

    #[inline]
    fn into_future(self) -> Stopping {
        let asked = self.reason.clone();
        let mut ask = Asking::new(self.pid, |done| Request::Stop(self.reason, done));
        ask.deadline.set_limit(self.timeout);
        Stopping {
            ask,
            asked,
            waits: false,
        }
    }
}

/// The wait of a [`Stop`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, Stop, Stopping};
///
/// // All are told to stop, and then waited for.
/// let mut stopping: Vec<Stopping> = Vec::new();
/// for n in 0..3 {
///     let agent = Agent::start(move || n).await.unwrap();
///     stopping.push(Stop::new(agent.pid().unwrap()).into_future());
/// }
/// for stop in stopping {
///     assert_eq!(stop.await, Ok(()));
/// }
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Stopping {
    ask: Asking<Infallible>,
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
