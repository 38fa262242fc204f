//! What those see who watch a behaviour at work.

use std::fmt;
use std::sync::Arc;

use rekindle_scheduler::Time;

use crate::exit::ExitReason;
use crate::pid::Pid;

/// One thing that a behaviour's loop did.
///
/// Texts show what the behaviour shows, and no more: the type of a message, unless
/// [`GenServer::show_message`](crate::GenServer::show_message) gives its text; no state, unless
/// [`GenServer::format_status`](crate::GenServer::format_status) does.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::sys::{self, SystemEvent};
/// use rekindle_actor::Agent;
///
/// let agent = Agent::start(|| 0).name("agent").await.unwrap();
/// sys::start_log("agent", 10).await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// agent.cast(|n| *n += 1);
/// let log = sys::get_log("agent").await.unwrap();
/// let came = log.iter().filter_map(|traced| match &traced.event {
///     SystemEvent::In { kind, .. } => Some(*kind),
///     _ => None,
/// });
/// assert_eq!(came.collect::<Vec<_>>(), ["call", "cast"]);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SystemEvent {
    /// A message came in, and is about to be handled.
    In {
        /// What kind of message: `"call"`, `"cast"`, `"message"`, `"down"`, `"exit"`, or a word of
        /// the behaviour's own.
        kind: &'static str,
        /// The message, as far as it is shown.
        what: String,
        /// Who waits for the answer, if a process does.
        from: Option<Pid>,
    },
    /// The behaviour goes on without a message: an idle time is over, or a callback has put
    /// something off.
    Inner(String),
    /// A reply went out, given by this process; possibly long after its request.
    Out {
        /// The reply's type.
        what: String,
        /// Who had asked, if it was a process.
        to: Option<Pid>,
    },
    /// What came in has been handled; this is the state now, as far as it is shown.
    Handled(Option<String>),
    /// The behaviour has decided to end, and cleans up.
    Ending(ExitReason),
    /// Whatever else a behaviour tells of itself.
    Other(String),
}

impl fmt::Display for SystemEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SystemEvent::In { kind, what, from } => {
                write!(f, "got {kind} {what}")?;
                from.map_or(Ok(()), |from| write!(f, " from {from}"))
            }
            SystemEvent::Inner(what) => write!(f, "goes on with {what}"),
            SystemEvent::Out { what, to } => {
                write!(f, "replied with {what}")?;
                to.map_or(Ok(()), |to| write!(f, " to {to}"))
            }
            SystemEvent::Handled(Some(state)) => write!(f, "has the state {state}"),
            SystemEvent::Handled(None) => f.write_str("has handled it"),
            SystemEvent::Ending(reason) => write!(f, "ends: {reason}"),
            SystemEvent::Other(text) => f.write_str(text),
        }
    }
}

/// A [`SystemEvent`], and whose it is. Its text is one line.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).name("count").await.unwrap();
/// sys::start_log("count", 10).await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// let log = sys::get_log("count").await.unwrap();
/// assert_eq!((log[0].name.as_deref(), log[0].number), (Some("count"), 1));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Traced {
    /// The process watched.
    pub pid: Pid,
    /// The name it had at that moment.
    pub name: Option<Arc<str>>,
    /// When.
    pub at: Time,
    /// Its place among the events of the process, counted from 1 since the first watch began.
    pub number: u64,
    /// What happened.
    pub event: SystemEvent,
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, " {}", self.event)
    }
}

/// What a behaviour has done since its statistics were switched on (SYS-006).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// let pid = agent.pid().unwrap();
/// sys::start_statistics(pid).await.unwrap();
/// for _ in 0..3 {
///     agent.update(|n| *n += 1).await.unwrap();
/// }
/// let seen = sys::get_statistics(pid).await.unwrap().unwrap();
/// assert_eq!(seen.messages_in, 3);
/// assert!(seen.since <= seen.now);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// When they were switched on.
    pub since: Time,
    /// The moment of the question.
    pub now: Time,
    /// Messages that were handled, or are being: calls, casts, plain messages, `Down`s, `Exit`s.
    pub messages_in: u64,
    /// Replies that the process has given.
    pub messages_out: u64,
}
