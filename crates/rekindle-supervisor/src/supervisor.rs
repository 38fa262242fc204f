//! The ordinary supervisor: a list of children, in an order, under one of three strategies.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::{CallError, ExitReason, Pid, Sender, StartError};

use crate::backoff::Backoff;
use crate::children::ChildCount;
use crate::errors::{
    DeleteChildError, FindChildError, RestartChildError, StartChildError, SupervisorError,
    TerminateChildError,
};
use crate::request::{ChildEntry, Kind, Message, Request, StopSupervisor, Target, Who, handles};
use crate::restart::Strategy;
use crate::server::{self, Charter, Place, Resolve, Settings, Shape};
use crate::spec::{AutoShutdown, ChildKind, ChildOptions, ChildSpec, child_options, start_fn};
use crate::started::{Child, ChildHandle, IntoStarted};

/// Children with ids and an order, under a strategy: the value from which such a supervisor is
/// started, or becomes the child of another.
///
/// Children are started in the order of the list, each when the one before it is ready, and
/// stopped in the reverse order. The defaults: 3 restarts in 5 s, no back-off, no name.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use std::time::Duration;
/// use rekindle_actor::sleep;
/// use rekindle_supervisor::{ChildSpec, Restart, Supervisor};
///
/// let worker = || ChildSpec::task(|| sleep(Duration::from_secs(60))).restart(Restart::Permanent);
/// let supervisor = Supervisor::rest_for_one()
///     .intensity(5, Duration::from_secs(10))
///     .child(worker().id("database"))
///     .child(Supervisor::one_for_one().name("connections").child(worker()))
///     .start_link()
///     .await
///     .unwrap();
/// let count = supervisor.count_children().await.unwrap();
/// assert_eq!((count.active, count.supervisors), (2, 1));
/// supervisor.stop().await.unwrap();
/// # });
/// ```
///
/// What is known only when the supervisor starts is decided by [`init`](Self::init), in its own process,
/// at each start.
///
/// # What starting gives
///
/// | [`start_link`](Self::start_link) gives          | when                                                                 |
/// |-------------------------------------------------|----------------------------------------------------------------------|
/// | a [`SupervisorHandle`]                          | all children run, or chose not to start                              |
/// | [`SupervisorError::Invalid`]                    | a setting makes no sense; nothing was started                        |
/// | [`SupervisorError::Child`]                      | a child did not start; those before it have been stopped             |
/// | [`SupervisorError::Start`]                      | the supervisor itself did not: the name is taken, `init` failed or chose not to start |
///
/// What [`start_child`](SupervisorRef::start_child), `terminate_child`, `restart_child`, `delete_child` and
/// `which_children` give is said there, with an error type for each. The tables of
/// [the crate's page](crate) say when a child is started again, and how it is stopped.
///
/// # Timeouts
///
/// Starting waits until all children are ready; [`start_timeout`](Self::start_timeout) limits it. A
/// supervisor does one thing at a time: while a child starts or stops, whoever asks it something waits,
/// without a limit.
///
/// # Names
///
/// With [`name`](Self::name) it can be found by [`SupervisorRef::named`], which survives restarts. What a
/// start gives is a handle on one life. Children have *ids*, which mean something within this supervisor
/// only; a child's name is its own.
///
/// # Supervision
///
/// The value is a child as it stands: `.child(Supervisor::rest_for_one()..)`. It is given all the time it
/// needs to stop. When it gives up, it ends with `Shutdown`, and the supervisor above starts it again if
/// it is permanent, as it is by default.
///
/// # Debugging
///
/// [`sys::get_status`](rekindle_actor::sys::get_status) shows strategy, intensity and counts;
/// [`tree_text`](rekindle_actor::tree_text()) the processes below it, without a message to anybody. A crash
/// report of a child says what this supervisor did: `cart_sup (one_for_one) -> restarted as #813.1, 2 of 3
/// in 5s`. At the level `debug` the log has each start.
///
/// # When not to use this
/// When children come and go while the program runs, use a
/// [`DynamicSupervisor`](crate::DynamicSupervisor); when they are pieces of work, a
/// [`TaskSupervisor`](crate::TaskSupervisor).
#[derive(Clone)]
#[must_use = "a supervisor is nothing until it is started, or made a child"]
pub struct Supervisor {
    settings: Settings,
    strategy: Strategy,
    auto_shutdown: AutoShutdown,
    children: Vec<ChildSpec>,
    init: Option<Init>,
    /// What kind of supervisor it is, where the strategy does not say all.
    role: Option<&'static str>,
    name: Option<Arc<str>>,
    options: ChildOptions,
}

type Decided = Pin<Box<dyn Future<Output = Result<Option<Supervisor>, ExitReason>> + Send>>;
type Init = Arc<dyn Fn() -> Decided + Send + Sync>;

impl Supervisor {
    /// A supervisor without children, under a strategy.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_supervisor::{Strategy, Supervisor};
    ///
    /// // For a strategy that is known only when the program runs.
    /// let strategy = match "strict" {
    ///     "strict" => Strategy::OneForAll,
    ///     _ => Strategy::OneForOne,
    /// };
    /// let tree = Supervisor::new(strategy).start_link().await.unwrap();
    /// assert_eq!(tree.count_children().await.unwrap().specs, 0);
    /// # });
    /// ```
    #[track_caller]
    pub fn new(strategy: Strategy) -> Supervisor {
        Supervisor {
            settings: Settings::default(),
            strategy,
            auto_shutdown: AutoShutdown::Never,
            children: Vec::new(),
            init: None,
            role: None,
            name: None,
            options: ChildOptions::here(),
        }
    }

    /// When a child fails, only that child is started again.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, ExitReason, exit, sleep, whereis};
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    ///
    /// let tree = Supervisor::one_for_one()
    ///     .child(Agent::child(|| 0).name("one"))
    ///     .child(Agent::child(|| 0).name("other"));
    /// tree.start_link().await.unwrap();
    /// let (one, other) = (whereis("one").unwrap(), whereis("other").unwrap());
    /// exit(one, ExitReason::Kill);
    /// sleep(std::time::Duration::from_millis(1)).await;
    /// assert_ne!(whereis("one"), Some(one));
    /// assert_eq!(whereis("other"), Some(other)); // has not noticed
    /// # });
    /// ```
    #[track_caller]
    pub fn one_for_one() -> Supervisor {
        Supervisor::new(Strategy::OneForOne)
    }

    /// When a child fails, all others are stopped, and all are started again.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, ExitReason, exit, sleep, whereis};
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    ///
    /// let tree = Supervisor::one_for_all()
    ///     .child(Agent::child(|| 0).name("reader"))
    ///     .child(Agent::child(|| 0).name("writer"));
    /// tree.start_link().await.unwrap();
    /// let reader = whereis("reader").unwrap();
    /// exit(whereis("writer").unwrap(), ExitReason::Kill);
    /// sleep(std::time::Duration::from_millis(1)).await;
    /// assert_ne!(whereis("reader"), Some(reader)); // begins anew as well
    /// assert!(whereis("reader").is_some());
    /// # });
    /// ```
    #[track_caller]
    pub fn one_for_all() -> Supervisor {
        Supervisor::new(Strategy::OneForAll)
    }

    /// When a child fails, those after it are stopped, and it and they are started again.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, ExitReason, exit, sleep, whereis};
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    ///
    /// let tree = Supervisor::rest_for_one()
    ///     .child(Agent::child(|| 0).name("log"))
    ///     .child(Agent::child(|| 0).name("store"))
    ///     .child(Agent::child(|| 0).name("cache")); // is nothing without the store
    /// tree.start_link().await.unwrap();
    /// let (log, cache) = (whereis("log"), whereis("cache"));
    /// exit(whereis("store").unwrap(), ExitReason::Kill);
    /// sleep(std::time::Duration::from_millis(1)).await;
    /// assert_eq!(whereis("log"), log);
    /// assert_ne!(whereis("cache"), cache);
    /// # });
    /// ```
    #[track_caller]
    pub fn rest_for_one() -> Supervisor {
        Supervisor::new(Strategy::RestForOne)
    }

    /// A supervisor that decides at each start, in its own process, what it supervises. `None` is
    /// not to start; the starter then gets [`StartError::Ignore`]. The name, and its place as a
    /// child, are those of this value, not of the one that `init` gives.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::ExitReason;
    /// use rekindle_supervisor::{ChildSpec, Supervisor};
    ///
    /// let supervisor = Supervisor::init(|| async {
    ///     let workers: usize = "4".parse()?;
    ///     let children = (0..workers).map(|n| {
    ///         ChildSpec::task(|| std::future::pending::<()>()).id(format!("worker {n}"))
    ///     });
    ///     Ok(Some(Supervisor::one_for_one().children(children)))
    /// });
    /// let supervisor = supervisor.start_link().await.unwrap();
    /// assert_eq!(supervisor.count_children().await.unwrap().active, 4);
    /// # });
    /// ```
    #[track_caller]
    pub fn init<I, F>(init: I) -> Supervisor
    where
        I: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Supervisor>, ExitReason>> + Send + 'static,
    {
        let init: Init = Arc::new(move || Box::pin(init()));
        Supervisor {
            init: Some(init),
            ..Supervisor::one_for_one()
        }
    }

    child_options!("`Supervisor`", "as long as it takes");

    /// A supervisor that is part of another kind: made where that was made, and called like it.
    pub(crate) fn within(mut self, options: &ChildOptions, role: &'static str) -> Self {
        self.options = options.clone();
        self.role = Some(role);
        self
    }

    /// Allows this many restarts within a period; with one more, the supervisor stops its
    /// children and ends with `Shutdown`. The default is 3 in 5 s.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, ExitReason, exit, sleep, whereis};
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    /// use std::time::Duration;
    ///
    /// let tree = Supervisor::one_for_one()
    ///     .intensity(1, Duration::from_secs(60))
    ///     .child(Agent::child(|| 0).name("frail"));
    /// let tree = tree.start().await.unwrap();
    /// exit(whereis("frail").unwrap(), ExitReason::Kill);
    /// sleep(Duration::from_secs(30)).await;
    /// exit(whereis("frail").unwrap(), ExitReason::Kill);
    /// sleep(Duration::from_secs(30)).await;
    /// assert!(!tree.is_alive()); // the second restart in a minute was one too many
    /// # });
    /// ```
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.settings.intensity = restarts;
        self.settings.period = period;
        self
    }

    /// Pauses before restarts.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, ExitReason, exit, sleep, whereis};
    /// use rekindle_supervisor::{AgentChild, Backoff, Supervisor};
    /// use std::time::Duration;
    ///
    /// let pauses = Backoff::exponential(Duration::from_secs(2), Duration::from_secs(60));
    /// let tree = Supervisor::one_for_one()
    ///     .backoff(pauses.without_jitter())
    ///     .child(Agent::child(|| 0).name("frail"));
    /// tree.start_link().await.unwrap();
    /// exit(whereis("frail").unwrap(), ExitReason::Kill);
    /// sleep(Duration::from_secs(1)).await;
    /// assert_eq!(whereis("frail"), None);
    /// sleep(Duration::from_secs(2)).await;
    /// assert!(whereis("frail").is_some());
    /// # });
    /// ```
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = Some(backoff);
        self
    }

    /// Says whether the end of significant children ends the supervisor.
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// Adds a child at the end of the order.
    pub fn child(mut self, child: impl Into<ChildSpec>) -> Self {
        self.children.push(child.into());
        self
    }

    /// Adds children at the end of the order.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    ///
    /// let shelves = (0..3).map(|n| Agent::child(Vec::<u8>::new).id(format!("shelf {n}")));
    /// let tree = Supervisor::one_for_one().children(shelves).start_link().await.unwrap();
    /// let newest = &tree.which_children().await.unwrap()[0];
    /// assert_eq!(&*newest.id, "shelf 2");
    /// # });
    /// ```
    pub fn children<C: Into<ChildSpec>>(mut self, children: impl IntoIterator<Item = C>) -> Self {
        self.children.extend(children.into_iter().map(Into::into));
        self
    }

    /// Starts the supervisor and its children, linked with the running process: they live and die
    /// together.
    ///
    /// # Errors
    ///
    /// If a setting is wrong, a child does not start, or the supervisor itself does not. Then
    /// nothing is left running.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, Task, sleep, whereis};
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    /// use std::time::Duration;
    ///
    /// let owner = Task::spawn(async {
    ///     let tree = Supervisor::one_for_one().child(Agent::child(|| 0).name("cache"));
    ///     tree.start_link().await.unwrap();
    ///     whereis("cache").is_some()
    /// });
    /// assert_eq!(owner.await, Ok(true));
    /// sleep(Duration::from_millis(1)).await;
    /// assert_eq!(whereis("cache"), None); // the tree went with its owner
    /// # });
    /// ```
    #[track_caller]
    pub fn start_link(
        self,
    ) -> impl Future<Output = Result<SupervisorHandle, SupervisorError>> + Send {
        let at = self.options.made_at();
        self.launch(true, at)
    }

    /// As [`start_link`](Self::start_link), without the link: it lives until it is stopped.
    ///
    /// # Errors
    ///
    /// As [`start_link`](Self::start_link).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Task;
    /// use rekindle_supervisor::Supervisor;
    ///
    /// let starter = Task::spawn(async { Supervisor::one_for_one().start().await.unwrap() });
    /// let tree = starter.await.unwrap();
    /// assert!(tree.is_alive()); // though its starter has ended
    /// tree.stop().await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn start(self) -> impl Future<Output = Result<SupervisorHandle, SupervisorError>> + Send {
        let at = self.options.made_at();
        self.launch(false, at)
    }

    async fn launch(self, linked: bool, at: Place) -> Result<SupervisorHandle, SupervisorError> {
        let (name, limit) = (self.name.clone(), self.options.start_timeout);
        let resolve: Resolve = match self.init.clone() {
            Some(init) => Box::pin(async move {
                // The function itself may panic: it is called where that is caught.
                Ok(init().await?.map(Supervisor::into_charter))
            }),
            None => {
                let charter = self.into_charter();
                charter.check().map_err(SupervisorError::Invalid)?;
                Box::pin(async move { Ok(Some(charter)) })
            }
        };
        server::start::<Ordered>(name, limit, linked, at, resolve)
            .await
            .map(SupervisorHandle::new)
    }

    fn into_charter(self) -> Charter {
        let Supervisor {
            settings,
            strategy,
            auto_shutdown,
            children,
            role,
            ..
        } = self;
        Charter {
            settings,
            shape: Shape::Ordered {
                strategy,
                auto_shutdown,
                children,
            },
            role,
        }
    }
}

impl From<Supervisor> for ChildSpec {
    fn from(supervisor: Supervisor) -> ChildSpec {
        let (options, name) = (supervisor.options.clone(), supervisor.name.clone());
        let at = options.made_at();
        let start = start_fn(move || supervisor.clone().launch(true, at));
        options.into_spec(ChildKind::Supervisor, name, "Supervisor", start)
    }
}

impl Child for Supervisor {
    type Handle = SupervisorHandle;

    fn handle(started: ChildHandle) -> Option<SupervisorHandle> {
        started.into_info()
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor")
            .field("strategy", &self.strategy)
            .field("settings", &self.settings)
            .field("auto_shutdown", &self.auto_shutdown)
            .field("name", &self.name)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

/// The kind of ordinary supervisors.
pub(crate) struct Ordered;

impl Kind for Ordered {
    type Behaviour = Supervisor;
    const LABEL: &'static str = "Supervisor";
}

handles!(
    Ordered,
    SupervisorRef,
    SupervisorHandle,
    "an ordinary supervisor",
    Supervisor,
    "Supervisor::one_for_one()"
);

impl SupervisorRef {
    /// Starts a child, which joins the end of the order, and gives the handle that is usual for
    /// its type: an [`Addr`](rekindle_actor::Addr) for a generic server. When the supervisor is
    /// itself restarted, the child does not come back (SUP-033).
    ///
    /// # Errors
    ///
    /// See [`StartChildError`]. Except for a child whose init chose not to start, nothing is left
    /// in the books.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, StartChildError, Supervisor};
    ///
    /// let tree = Supervisor::one_for_one().start_link().await.unwrap();
    /// let tally: Agent<u32> = tree.start_child(Agent::child(|| 0).id("tally")).await.unwrap();
    /// tally.update(|n| *n += 1).await.unwrap();
    /// // An id is taken as long as the child is in the books.
    /// let again = tree.start_child(Agent::child(|| 0).id("tally")).await;
    /// assert_eq!(again.unwrap_err(), StartChildError::AlreadyStarted(tally.pid().unwrap()));
    /// # });
    /// ```
    #[track_caller]
    pub fn start_child<C: Child>(
        &self,
        child: C,
    ) -> impl Future<Output = Result<C::Handle, StartChildError>> + Send + use<C> {
        self.target.start(child.into(), typed::<C>)
    }

    /// Stops a child by its shutdown; Ok when it is gone, or did not run. It stays in the books
    /// and is not restarted by itself; a temporary one is forgotten (SUP-046, SUP-047).
    ///
    /// # Errors
    ///
    /// If there is no child with this id.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, sleep, whereis};
    /// use rekindle_supervisor::{AgentChild, ChildState, Supervisor};
    /// use std::time::Duration;
    ///
    /// let tree = Supervisor::one_for_one().child(Agent::child(|| 0).name("cache"));
    /// let tree = tree.start_link().await.unwrap();
    /// tree.terminate_child("cache").await.unwrap();
    /// sleep(Duration::from_secs(60)).await;
    /// assert_eq!(whereis("cache"), None); // it stays down, though it is permanent,
    /// let cache = tree.which_child("cache").await.unwrap();
    /// assert_eq!(cache.state, ChildState::Stopped); // and in the books
    /// # });
    /// ```
    #[track_caller]
    pub fn terminate_child<I: Into<Arc<str>>>(
        &self,
        id: I,
    ) -> impl Future<Output = Result<(), TerminateChildError>> + Send + use<I> {
        self.target.terminate(Who::Id(id.into()))
    }

    /// Starts a child that does not run (SUP-048).
    ///
    /// # Errors
    ///
    /// See [`RestartChildError`].
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, whereis};
    /// use rekindle_supervisor::{AgentChild, RestartChildError, Supervisor};
    ///
    /// let tree = Supervisor::one_for_one().child(Agent::child(|| 0).name("cache"));
    /// let tree = tree.start_link().await.unwrap();
    /// assert_eq!(tree.restart_child("cache").await.unwrap_err(), RestartChildError::Running);
    /// tree.terminate_child("cache").await.unwrap();
    /// let cache = tree.restart_child("cache").await.unwrap();
    /// assert_eq!(whereis("cache"), Some(cache.pid()));
    /// # });
    /// ```
    #[track_caller]
    pub fn restart_child<I: Into<Arc<str>>>(
        &self,
        id: I,
    ) -> impl Future<Output = Result<ChildHandle, RestartChildError>> + Send + use<I> {
        let id = id.into();
        self.target.ask_then(
            |reply| Request::Restart(id, reply),
            |answer| answer.map_err(RestartChildError::Supervisor)?,
        )
    }

    /// Forgets a child that does not run (SUP-049).
    ///
    /// # Errors
    ///
    /// See [`DeleteChildError`].
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, FindChildError, Supervisor};
    ///
    /// let tree = Supervisor::one_for_one().child(Agent::child(|| 0).id("cache"));
    /// let tree = tree.start_link().await.unwrap();
    /// tree.terminate_child("cache").await.unwrap();
    /// tree.delete_child("cache").await.unwrap();
    /// assert_eq!(tree.which_child("cache").await, Err(FindChildError::NotFound));
    /// # });
    /// ```
    #[track_caller]
    pub fn delete_child<I: Into<Arc<str>>>(
        &self,
        id: I,
    ) -> impl Future<Output = Result<(), DeleteChildError>> + Send + use<I> {
        let id = id.into();
        self.target.ask_then(
            |reply| Request::Delete(id, reply),
            |answer| answer.map_err(DeleteChildError::Supervisor)?,
        )
    }

    /// The children, the newest first (SUP-050).
    ///
    /// # Errors
    ///
    /// If the supervisor does not answer.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    ///
    /// let tree = Supervisor::one_for_one()
    ///     .child(Agent::child(|| 0).id("store"))
    ///     .child(Agent::child(|| 0).id("cache"));
    /// let tree = tree.start_link().await.unwrap();
    /// let children = tree.which_children().await.unwrap();
    /// let ids: Vec<&str> = children.iter().map(|child| &*child.id).collect();
    /// assert_eq!(ids, ["cache", "store"]);
    /// # });
    /// ```
    #[track_caller]
    pub fn which_children(
        &self,
    ) -> impl Future<Output = Result<Vec<ChildEntry>, CallError>> + Send + use<> {
        self.target.ask(Request::WhichAll)
    }

    /// One child (SUP-050).
    ///
    /// # Errors
    ///
    /// If there is no child with this id.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, whereis};
    /// use rekindle_supervisor::{AgentChild, Supervisor};
    ///
    /// let tree = Supervisor::one_for_one().child(Agent::child(|| 0).name("cache"));
    /// let tree = tree.start_link().await.unwrap();
    /// let cache = tree.which_child("cache").await.unwrap();
    /// assert_eq!(cache.state.pid(), whereis("cache"));
    /// # });
    /// ```
    #[track_caller]
    pub fn which_child<I: Into<Arc<str>>>(
        &self,
        id: I,
    ) -> impl Future<Output = Result<ChildEntry, FindChildError>> + Send + use<I> {
        let id = id.into();
        self.target.ask_then(
            |reply| Request::Which(id, reply),
            |answer| answer.map_err(FindChildError::Supervisor)?,
        )
    }

    /// The specification of a child, with the defaults filled in (SUP-011). That of a temporary
    /// child comes without its start: it cannot be used to start another.
    ///
    /// # Errors
    ///
    /// If there is no child with this id.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, Restart, Supervisor};
    ///
    /// let tree = Supervisor::one_for_one().child(Agent::child(|| 0).id("tally"));
    /// let tree = tree.start_link().await.unwrap();
    /// let spec = tree.get_childspec("tally").await.unwrap();
    /// assert_eq!(spec.restart, Restart::Permanent);
    /// // The specification of one child makes another.
    /// tree.start_child(spec.id("second tally")).await.unwrap();
    /// assert_eq!(tree.count_children().await.unwrap().active, 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn get_childspec<I: Into<Arc<str>>>(
        &self,
        id: I,
    ) -> impl Future<Output = Result<ChildSpec, FindChildError>> + Send + use<I> {
        let id = id.into();
        self.target.ask_then(
            |reply| Request::Spec(id, reply),
            |answer| answer.map_err(FindChildError::Supervisor)?,
        )
    }
}

/// The typed handle of a child that has just been started.
pub(crate) fn typed<C: Child>(started: ChildHandle) -> Result<C::Handle, StartChildError> {
    let pid = started.pid();
    C::handle(started).ok_or_else(|| {
        let text = format!(
            "{pid} was started, but not as `{}`",
            std::any::type_name::<C>()
        );
        StartChildError::Failed(ExitReason::msg(text))
    })
}
