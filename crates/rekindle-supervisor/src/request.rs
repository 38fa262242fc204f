//! What supervisors are asked, and how the question reaches them.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::{CallError, ExitReason, Pid, ReplyTo, Sender, Stop, StopError, TaskBody};

use crate::children::{ChildCount, Key};
use crate::errors::{
    DeleteChildError, FindChildError, RestartChildError, StartChildError, TerminateChildError,
};
use crate::spec::{ChildKind, ChildSpec, Shutdown};
use crate::started::ChildHandle;

/// Tells supervisors of different kinds apart, so that a handle is never on the wrong one.
pub(crate) trait Kind: Send + 'static {
    /// The type that stands for the supervisor in reports.
    type Behaviour: ?Sized;
    /// What such a supervisor is called when it has no name.
    const LABEL: &'static str;
}

/// The message of a supervisor of a kind.
pub(crate) struct Message<K>(pub(crate) Request, pub(crate) PhantomData<fn(K)>);

impl<K> Message<K> {
    pub(crate) fn new(request: Request) -> Self {
        Message(request, PhantomData)
    }
}

/// Which child.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    Id(Arc<str>),
    Pid(Pid),
}

/// A question, with the way back.
pub(crate) enum Request {
    Start(
        Box<ChildSpec>,
        ReplyTo<Result<ChildHandle, StartChildError>>,
    ),
    /// A piece of work that can run only once.
    StartTask(TaskBody, Shutdown, ReplyTo<Result<Pid, StartChildError>>),
    Terminate(Who, ReplyTo<Result<(), TerminateChildError>>),
    Restart(Arc<str>, ReplyTo<Result<ChildHandle, RestartChildError>>),
    Delete(Arc<str>, ReplyTo<Result<(), DeleteChildError>>),
    WhichAll(ReplyTo<Vec<ChildEntry>>),
    Which(Arc<str>, ReplyTo<Result<ChildEntry, FindChildError>>),
    Spec(Arc<str>, ReplyTo<Result<ChildSpec, FindChildError>>),
    Count(ReplyTo<ChildCount>),
    /// From the supervisor to itself: the next attempt at a restart.
    Retry(Key, u32),
}

impl Request {
    /// What is asked, for those who watch the supervisor.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Request::Start(..) => "start_child",
            Request::StartTask(..) => "start_task",
            Request::Terminate(..) => "terminate_child",
            Request::Restart(..) => "restart_child",
            Request::Delete(..) => "delete_child",
            Request::WhichAll(..) => "which_children",
            Request::Which(..) => "which_child",
            Request::Spec(..) => "child_spec",
            Request::Count(..) => "count_children",
            Request::Retry(..) => "retry",
        }
    }
}

/// One child, as `which_children` tells of it.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{ChildKind, ChildSpec, ChildState, Supervisor};
/// use std::time::Duration;
///
/// let work = ChildSpec::task(|| rekindle_actor::sleep(Duration::from_secs(60))).id("nap");
/// let tree = Supervisor::one_for_one().child(work).start_link().await.unwrap();
/// let children = tree.which_children().await.unwrap();
/// assert_eq!((&*children[0].id, children[0].kind), ("nap", ChildKind::Worker));
/// assert!(matches!(children[0].state, ChildState::Running(_)));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildEntry {
    /// What it is called. Under a dynamic supervisor ids mean nothing, and several children may
    /// share one.
    pub id: Arc<str>,
    /// What it is doing.
    pub state: ChildState,
    /// What it is.
    pub kind: ChildKind,
}

/// What a child is doing.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{ChildSpec, ChildState, Restart, Supervisor};
/// use std::time::Duration;
///
/// let work = ChildSpec::task(|| rekindle_actor::sleep(Duration::from_secs(60)));
/// let work = work.id("nap").restart(Restart::Permanent);
/// let tree = Supervisor::one_for_one().child(work).start_link().await.unwrap();
/// tree.terminate_child("nap").await.unwrap();
/// assert_eq!(tree.which_children().await.unwrap()[0].state, ChildState::Stopped);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// It runs as this process.
    Running(Pid),
    /// It does not run.
    Stopped,
    /// It does not run, and its supervisor is about to start it again.
    Restarting,
}

impl ChildState {
    /// The process, if it runs.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, whereis};
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    ///
    /// let tree = Supervisor::one_for_one().child(Agent::child(|| 0).name("cache"));
    /// let tree = tree.start_link().await.unwrap();
    /// let state = tree.which_child("cache").await.unwrap().state;
    /// assert_eq!(state.pid(), whereis("cache"));
    /// tree.terminate_child("cache").await.unwrap();
    /// assert_eq!(tree.which_child("cache").await.unwrap().state.pid(), None);
    /// # });
    /// ```
    #[must_use]
    pub fn pid(self) -> Option<Pid> {
        match self {
            ChildState::Running(pid) => Some(pid),
            _ => None,
        }
    }
}

/// Where a supervisor is found.
pub(crate) enum Target<K> {
    /// One life.
    Life(Sender<Message<K>>),
    /// Whoever holds the name when it is asked.
    Name(Arc<str>),
}

impl<K: Kind> Target<K> {
    pub(crate) fn resolve(&self) -> Option<Sender<Message<K>>> {
        match self {
            Target::Life(sender) => Some(sender.clone()),
            Target::Name(name) => Sender::whereis(name),
        }
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        match self {
            Target::Life(sender) => Some(sender.pid()),
            Target::Name(name) => Sender::<Message<K>>::whereis(name).map(|sender| sender.pid()),
        }
    }

    fn into_sender(self) -> Option<Sender<Message<K>>> {
        match self {
            Target::Life(sender) => Some(sender),
            Target::Name(name) => Sender::whereis(&name),
        }
    }

    /// Asks, and waits for as long as it takes: a supervisor that starts a child answers when the
    /// child's init is done.
    #[track_caller]
    pub(crate) fn ask<T: Send + 'static, F>(
        &self,
        make: F,
    ) -> impl Future<Output = Result<T, CallError>> + Send + use<K, T, F>
    where
        F: FnOnce(ReplyTo<T>) -> Request + Send,
    {
        self.ask_then(make, |answer| answer)
    }

    /// As [`ask`](Self::ask), and makes something of the answer: in one future, for each one around
    /// another is moved as often as that is.
    #[track_caller]
    pub(crate) fn ask_then<T: Send + 'static, F, H, R>(
        &self,
        make: F,
        then: H,
    ) -> impl Future<Output = R> + Send + use<K, T, F, H, R>
    where
        F: FnOnce(ReplyTo<T>) -> Request + Send,
        H: FnOnce(Result<T, CallError>) -> R + Send,
    {
        let (target, at) = (self.clone(), Location::caller());
        async move {
            let Some(sender) = target.into_sender() else {
                return then(Err(CallError::NoProc));
            };
            let call = sender.call(|reply| Message::new(make(reply)));
            then(call.called_at(at).no_timeout().await)
        }
    }

    /// Starts a child; `then` makes the handle.
    #[track_caller]
    pub(crate) fn start<H>(
        &self,
        spec: ChildSpec,
        then: fn(ChildHandle) -> Result<H, StartChildError>,
    ) -> impl Future<Output = Result<H, StartChildError>> + Send + use<K, H> {
        let spec = Box::new(spec);
        self.ask_then(
            |reply| Request::Start(spec, reply),
            move |answer| then(answer.map_err(StartChildError::Supervisor)??),
        )
    }

    #[track_caller]
    pub(crate) fn terminate(
        &self,
        who: Who,
    ) -> impl Future<Output = Result<(), TerminateChildError>> + Send + use<K> {
        self.ask_then(
            |reply| Request::Terminate(who, reply),
            |answer| answer.map_err(TerminateChildError::Supervisor)?,
        )
    }
}

impl<K> Clone for Target<K> {
    fn clone(&self) -> Self {
        match self {
            Target::Life(sender) => Target::Life(sender.clone()),
            Target::Name(name) => Target::Name(name.clone()),
        }
    }
}

impl<K> fmt::Debug for Target<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Life(sender) => fmt::Debug::fmt(sender, f),
            Target::Name(name) => fmt::Debug::fmt(name, f),
        }
    }
}

/// Stops a supervisor with all its children, the last one first, and waits until all are gone.
///
/// By default with `Normal`, and for as long as it takes. Nothing happens before it is awaited.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, sleep};
/// use rekindle_supervisor::{ChildSpec, Supervisor};
/// use std::time::Duration;
///
/// let work = ChildSpec::task(|| sleep(Duration::MAX));
/// let tree = Supervisor::one_for_one().child(work).start().await.unwrap();
/// let stop = tree.stop().reason(ExitReason::shutdown_with("maintenance"));
/// assert!(tree.is_alive()); // so far nobody has been told
/// stop.timeout(Duration::from_secs(10)).await.unwrap();
/// assert!(!tree.is_alive());
/// # });
/// ```
#[derive(Debug)]
#[must_use = "nothing is stopped until this is awaited"]
pub struct StopSupervisor {
    pid: Option<Pid>,
    reason: ExitReason,
    timeout: Option<Duration>,
}

impl StopSupervisor {
    pub(crate) fn new(pid: Option<Pid>) -> StopSupervisor {
        StopSupervisor {
            pid,
            reason: ExitReason::Normal,
            timeout: None,
        }
    }

    /// With this reason.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{ExitReason, sleep};
    /// use rekindle_supervisor::{Restart, Supervisor, SupervisorHandle};
    /// use std::time::Duration;
    ///
    /// let part = Supervisor::one_for_one().name("part").restart(Restart::Transient);
    /// let tree = Supervisor::one_for_one().child(part).start_link().await.unwrap();
    /// let part = SupervisorHandle::whereis("part").unwrap();
    /// // To the supervisor above this is a failure: it starts another. After `Normal` it would not.
    /// part.stop().reason(ExitReason::msg("to begin anew")).await.unwrap();
    /// sleep(Duration::from_millis(1)).await;
    /// assert!(SupervisorHandle::whereis("part").is_some_and(|next| next.pid() != part.pid()));
    /// # });
    /// ```
    pub fn reason(mut self, reason: ExitReason) -> Self {
        self.reason = reason;
        self
    }

    /// Waits at most this long; the supervisor still ends later.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{StopError, sleep, trap_exit};
    /// use rekindle_supervisor::{ChildSpec, Supervisor};
    /// use std::time::Duration;
    ///
    /// let slow = ChildSpec::task(|| async { trap_exit(true); sleep(Duration::from_secs(3)).await });
    /// let tree = Supervisor::one_for_one().child(slow).start().await.unwrap();
    /// let limit = Duration::from_secs(1);
    /// assert_eq!(tree.stop().timeout(limit).await, Err(StopError::Timeout(limit)));
    /// sleep(Duration::from_secs(5)).await;
    /// assert!(!tree.is_alive()); // it was told, and ends in its own time
    /// # });
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

impl IntoFuture for StopSupervisor {
    type Output = Result<(), StopError>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let pid = self.pid.ok_or(StopError::NoProc)?;
            let mut stop = Stop::new(pid).reason(self.reason);
            if let Some(limit) = self.timeout {
                stop = stop.timeout(limit);
            }
            stop.await
        })
    }
}

/// A reference and a handle to supervisors of one kind, and what the kinds have in common.
macro_rules! handles {
    ($kind:ty, $reference:ident, $handle:ident, $what:literal, $builder:ident, $new:literal) => {
        #[doc = concat!("A way to ", $what, " on one life or on a name.")]
        ///
        /// A named one survives restarts: it finds out at each use who holds the name. Its
        /// operations fail with `NoProc` while nobody does. It keeps nothing alive.
        ///
        /// ```
        /// # rekindle_actor::Runtime::simulated(1).block_on(async {
        /// use rekindle_actor::{ExitReason, exit, sleep};
        #[doc = concat!("use rekindle_supervisor::{", stringify!($builder), ", ", stringify!($reference), "};")]
        /// # use rekindle_supervisor::Supervisor as Above;
        ///
        #[doc = concat!("let part = ", $new, ".name(\"part\");")]
        /// # let tree = Above::one_for_one().child(part).start_link().await.unwrap();
        #[doc = concat!("let part = ", stringify!($reference), "::named(\"part\");")]
        /// let before = part.resolve().unwrap();
        /// exit(before.pid(), ExitReason::Kill);
        /// sleep(std::time::Duration::from_millis(1)).await;
        /// // The supervisor above has started another, and the name leads there.
        /// assert!(!before.is_alive() && part.resolve().unwrap().is_alive());
        /// assert_eq!(part.count_children().await.unwrap().active, 0);
        /// # });
        /// ```
        pub struct $reference {
            target: Target<$kind>,
        }

        impl $reference {
            #[doc = concat!("The way to ", $what, " that holds a name, whenever it is used.")]
            #[must_use]
            pub fn named(name: impl Into<std::sync::Arc<str>>) -> $reference {
                $reference {
                    target: Target::Name(name.into()),
                }
            }

            /// The handle on the one there is now.
            #[must_use]
            pub fn resolve(&self) -> Option<$handle> {
                self.target.resolve().map($handle::new)
            }

            /// How many children there are.
            ///
            /// # Errors
            ///
            /// If the supervisor does not answer.
            #[track_caller]
            pub fn count_children(
                &self,
            ) -> impl Future<Output = Result<ChildCount, CallError>> + Send + use<> {
                self.target.ask(Request::Count)
            }

            /// Stops the supervisor, after its children, and waits for it (SUP-040).
            pub fn stop(&self) -> StopSupervisor {
                StopSupervisor::new(self.target.pid())
            }
        }

        impl Clone for $reference {
            fn clone(&self) -> Self {
                $reference {
                    target: self.target.clone(),
                }
            }
        }

        impl std::fmt::Debug for $reference {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($reference))
                    .field(&self.target)
                    .finish()
            }
        }

        #[doc = concat!("A handle on one life of ", $what, ".")]
        ///
        /// It keeps nothing alive; when the supervisor is restarted, this handle is on the one
        /// that died. It can do whatever a
        #[doc = concat!("[`", stringify!($reference), "`] can.")]
        ///
        /// ```
        /// # rekindle_actor::Runtime::simulated(1).block_on(async {
        #[doc = concat!("use rekindle_supervisor::{", stringify!($builder), ", ", stringify!($handle), "};")]
        ///
        #[doc = concat!("let part = ", $new, ".name(\"part\").start_link().await.unwrap();")]
        #[doc = concat!("let found = ", stringify!($handle), "::whereis(\"part\").unwrap();")]
        /// assert_eq!(found.pid(), part.pid());
        /// assert_eq!(found.count_children().await.unwrap().specs, 0);
        /// found.stop().await.unwrap();
        /// assert!(!part.is_alive());
        /// # });
        /// ```
        #[derive(Clone)]
        pub struct $handle {
            pid: Pid,
            reference: $reference,
        }

        impl $handle {
            pub(crate) fn new(sender: Sender<Message<$kind>>) -> $handle {
                let pid = sender.pid();
                $handle {
                    pid,
                    reference: $reference {
                        target: Target::Life(sender),
                    },
                }
            }

            /// The handle on a process, if it lives and is such a supervisor.
            #[must_use]
            pub fn from_pid(pid: Pid) -> Option<$handle> {
                Sender::from_pid(pid).map($handle::new)
            }

            /// The handle on the process that holds a name now, if it is such a supervisor.
            #[must_use]
            pub fn whereis(name: &str) -> Option<$handle> {
                Sender::whereis(name).map($handle::new)
            }

            /// The supervisor's process.
            #[must_use]
            pub fn pid(&self) -> Pid {
                self.pid
            }

            /// Whether the supervisor lives: it may have ended by the time this returns.
            #[must_use]
            pub fn is_alive(&self) -> bool {
                rekindle_actor::is_alive(self.pid)
            }
        }

        impl std::ops::Deref for $handle {
            type Target = $reference;

            fn deref(&self) -> &$reference {
                &self.reference
            }
        }

        impl std::fmt::Debug for $handle {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($handle), "({})"), self.pid)
            }
        }

        impl IntoStarted for $handle {
            fn into_started(self) -> Result<ChildHandle, StartError> {
                Ok(ChildHandle::with_info(self.pid, self))
            }
        }
    };
}
pub(crate) use handles;
