//! The dynamic supervisor: children that come and go while the program runs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::{CallError, Pid, Sender, StartError, is_alive};

use crate::backoff::Backoff;
use crate::children::ChildCount;
use crate::errors::{StartChildError, SupervisorError, TerminateChildError};
use crate::request::{ChildEntry, Kind, Message, Request, StopSupervisor, Target, Who, handles};
use crate::server::{self, Charter, Place, Settings, Shape};
use crate::spec::{ChildKind, ChildOptions, ChildSpec, child_options, start_fn};
use crate::started::{Child, ChildHandle, IntoStarted};
use crate::supervisor::typed;

/// Any number of children, started on demand: the value from which such a supervisor is started,
/// or becomes the child of another.
///
/// It starts empty. Ids mean nothing here, and several children may share one; a failed child is
/// restarted alone, and one that has ended for good is forgotten. When the supervisor stops, all
/// children are told at once and end side by side, each within its own limit. A million children
/// start, restart and stop in linear time.
///
/// The defaults: no limit of children, 3 restarts in 5 s for all of them together, no back-off, no
/// name.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_supervisor::{ChildSpec, DynamicSupervisor, StartChildError};
///
/// let jobs = DynamicSupervisor::new().name("jobs").max_children(1).start_link().await.unwrap();
/// let job = || ChildSpec::task(|| std::future::pending::<()>());
/// let first = jobs.start_child(job()).await.unwrap();
/// assert_eq!(jobs.start_child(job()).await.unwrap_err(), StartChildError::MaxChildren);
/// jobs.terminate_child(first.pid()).await.unwrap();
/// # });
/// ```
///
/// Children that are all made in one way have a [template](Self::template), and are started by what is
/// new in each:
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_supervisor::{ChildSpec, DynamicSupervisor, Restart};
///
/// let jobs = DynamicSupervisor::new().template(|number: u32| {
///     ChildSpec::task(move || async move { println!("job {number}") }).restart(Restart::Transient)
/// });
/// let jobs = jobs.start_link().await.unwrap();
/// for number in 0..10 {
///     jobs.start_child(number).await.unwrap();
/// }
/// # });
/// ```
///
/// # What starting gives
///
/// [`start_link`](Self::start_link) gives a [`DynamicSupervisorHandle`], or a [`SupervisorError`]:
/// `Invalid` if a setting makes no sense, `Start` if the name is taken.
///
/// | [`start_child`](DynamicSupervisorRef::start_child) gives | when                                              |
/// |----------------------------------------------------------|---------------------------------------------------|
/// | the handle of the child                                  | its init is done                                  |
/// | [`StartChildError::MaxChildren`]                         | there are as many as there may be                 |
/// | [`StartChildError::Ignore`]                              | its init chose not to start; it is forgotten      |
/// | [`StartChildError::AlreadyStarted`], [`StartChildError::Failed`], .. | it did not start; it is forgotten     |
/// | [`StartChildError::Supervisor`]                          | the supervisor did not answer                     |
///
/// # Timeouts
///
/// Starting waits until all children are ready; [`start_timeout`](Self::start_timeout) limits it. A
/// supervisor does one thing at a time: while a child starts or stops, whoever asks it something waits,
/// without a limit.
///
/// # Names
///
/// With [`name`](Self::name) it can be found by [`DynamicSupervisorRef::named`], which survives restarts.
/// Children are known by their pids; give them names, or keys of a registry, to find them after a
/// restart.
///
/// # Supervision
///
/// The value is a child as it stands: `.child(DynamicSupervisor::child().name("jobs"))`. After a restart
/// it is empty: children that must come back are started again by whoever knows of them.
///
/// # Debugging
///
/// [`sys::get_status`](rekindle_actor::sys::get_status) shows strategy, intensity and counts;
/// [`tree_text`](rekindle_actor::tree_text()) the processes below it, without a message to anybody. A crash
/// report of a child says what this supervisor did: `cart_sup (one_for_one) -> restarted as #813.1, 2 of 3
/// in 5s`. At the level `debug` the log has each start.
///
/// # When not to use this
/// When the children are known beforehand, or must be started in an order: use a
/// [`Supervisor`](crate::Supervisor). For work whose result is awaited: a
/// [`TaskSupervisor`](crate::TaskSupervisor).
#[derive(Debug, Clone, Default)]
#[must_use = "a supervisor is nothing until it is started, or made a child"]
pub struct DynamicSupervisor {
    settings: Settings,
    max_children: Option<usize>,
    name: Option<Arc<str>>,
    options: ChildOptions,
}

impl DynamicSupervisor {
    /// A supervisor with the defaults.
    #[track_caller]
    pub fn new() -> DynamicSupervisor {
        DynamicSupervisor {
            options: ChildOptions::here(),
            ..DynamicSupervisor::default()
        }
    }

    /// The same as [`new`](Self::new), to be read as the child of another supervisor.
    #[track_caller]
    pub fn child() -> DynamicSupervisor {
        DynamicSupervisor::new()
    }

    child_options!("`DynamicSupervisor`", "as long as it takes");

    /// Limits the number of children; the default is no limit.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, DynamicSupervisor, StartChildError};
    ///
    /// let rooms = DynamicSupervisor::new().max_children(1).start_link().await.unwrap();
    /// let room = rooms.start_child(Agent::child(|| "empty")).await.unwrap();
    /// let refused = rooms.start_child(Agent::child(|| "empty")).await;
    /// assert_eq!(refused.unwrap_err(), StartChildError::MaxChildren);
    /// rooms.terminate_child(room.pid().unwrap()).await.unwrap();
    /// assert!(rooms.start_child(Agent::child(|| "empty")).await.is_ok());
    /// # });
    /// ```
    pub fn max_children(mut self, max_children: usize) -> Self {
        self.max_children = Some(max_children);
        self
    }

    /// Allows this many restarts within a period, for all children together; with one more, the
    /// supervisor stops them all and ends with `Shutdown`. The default is 3 in 5 s.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, ExitReason, exit, sleep};
    /// use rekindle_supervisor::{AgentChild, DynamicSupervisor};
    /// use std::time::Duration;
    ///
    /// // With many children some are always failing: what is rare for one of them is often for all.
    /// let rooms = DynamicSupervisor::new().intensity(1000, Duration::from_secs(5));
    /// let rooms = rooms.start().await.unwrap();
    /// for _ in 0..100 {
    ///     let room = rooms.start_child(Agent::child(|| "empty")).await.unwrap();
    ///     exit(room.pid().unwrap(), ExitReason::Kill);
    /// }
    /// sleep(Duration::from_millis(1)).await;
    /// assert_eq!(rooms.count_children().await.unwrap().active, 100);
    /// # });
    /// ```
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.settings.intensity = restarts;
        self.settings.period = period;
        self
    }

    /// Pauses before restarts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = Some(backoff);
        self
    }

    /// Starts the supervisor, linked with the running process.
    ///
    /// # Errors
    ///
    /// If a setting is wrong, or the name is taken.
    #[track_caller]
    pub fn start_link(
        self,
    ) -> impl Future<Output = Result<DynamicSupervisorHandle, SupervisorError>> + Send {
        let at = self.options.made_at();
        self.launch(true, at)
    }

    /// As [`start_link`](Self::start_link), without the link: it lives until it is stopped.
    ///
    /// # Errors
    ///
    /// As [`start_link`](Self::start_link).
    #[track_caller]
    pub fn start(
        self,
    ) -> impl Future<Output = Result<DynamicSupervisorHandle, SupervisorError>> + Send {
        let at = self.options.made_at();
        self.launch(false, at)
    }

    async fn launch(
        self,
        linked: bool,
        at: Place,
    ) -> Result<DynamicSupervisorHandle, SupervisorError> {
        let DynamicSupervisor {
            settings,
            max_children,
            name,
            options,
        } = self;
        let charter = Charter {
            settings,
            shape: Shape::Dynamic { max_children },
            role: Some("dynamic, one_for_one"),
        };
        server::start_dynamic::<Dynamic>(charter, name, options.start_timeout, linked, at)
            .await
            .map(DynamicSupervisorHandle::new)
    }
}

impl DynamicSupervisor {
    /// Gives the supervisor a template: all its children are made by it, each from what
    /// [`TemplateHandle::start_child`] is given (OTP's `simple_one_for_one`). There is exactly one,
    /// by type (SUP-025). What it captures are *extra arguments*, which all children have, at each
    /// start and restart (DYN-008).
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_supervisor::{ChildSpec, DynamicSupervisor};
    ///
    /// let log = "log"; // the same for all
    /// let jobs = DynamicSupervisor::new().template(move |job: u32| {
    ///     ChildSpec::task(move || async move { println!("{log}: job {job}") })
    /// });
    /// let jobs = jobs.start_link().await.unwrap();
    /// jobs.start_child(1).await.unwrap();
    /// jobs.start_child(2).await.unwrap();
    /// # });
    /// ```
    pub fn template<A, C, F>(self, make: F) -> Template<A, C>
    where
        F: Fn(A) -> C + Send + Sync + 'static,
    {
        Template {
            supervisor: self,
            make: Arc::new(make),
        }
    }
}

/// A dynamic supervisor whose children are all made in one way: see
/// [`DynamicSupervisor::template`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::Agent;
/// use rekindle_supervisor::{AgentChild, DynamicSupervisor, Restart, Supervisor};
///
/// // As any other supervisor, it is a child as it stands.
/// let carts = DynamicSupervisor::child()
///     .name("carts")
///     .template(|owner: String| Agent::child(move || vec![owner.clone()]).restart(Restart::Transient));
/// let shop = Supervisor::one_for_one().start_link().await.unwrap();
/// let carts = shop.start_child(carts).await.unwrap();
/// let cart: Agent<Vec<String>> = carts.start_child("Ada".to_owned()).await.unwrap();
/// assert_eq!(cart.get(|cart| cart[0].clone()).await.unwrap(), "Ada");
/// # });
/// ```
#[must_use = "a supervisor is nothing until it is started, or made a child"]
pub struct Template<A, C> {
    supervisor: DynamicSupervisor,
    make: Make<A, C>,
}

type Make<A, C> = Arc<dyn Fn(A) -> C + Send + Sync>;

impl<A: 'static, C: 'static> Template<A, C> {
    /// As [`DynamicSupervisor::start_link`].
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn start_link(
        self,
    ) -> impl Future<Output = Result<TemplateHandle<A, C>, SupervisorError>> + Send {
        let starting = self.supervisor.start_link();
        async move {
            Ok(TemplateHandle {
                supervisor: starting.await?,
                make: self.make,
            })
        }
    }

    /// As [`DynamicSupervisor::start`].
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn start(
        self,
    ) -> impl Future<Output = Result<TemplateHandle<A, C>, SupervisorError>> + Send {
        let starting = self.supervisor.start();
        async move {
            Ok(TemplateHandle {
                supervisor: starting.await?,
                make: self.make,
            })
        }
    }
}

/// A handle on one life of a supervisor with a template. It can do whatever a
/// [`DynamicSupervisorRef`] can, but start children of another make.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::sleep;
/// use rekindle_supervisor::{ChildSpec, DynamicSupervisor};
/// use std::time::Duration;
///
/// let naps = DynamicSupervisor::new().template(|secs| {
///     ChildSpec::task(move || sleep(Duration::from_secs(secs)))
/// });
/// let naps = naps.start_link().await.unwrap();
/// let short = naps.start_child(1).await.unwrap();
/// let long = naps.start_child(60).await.unwrap();
/// naps.terminate_child(long.pid()).await.unwrap();
/// assert_eq!(naps.count_children().await.unwrap().active, 1);
/// // To end what has ended already is no mistake here.
/// naps.terminate_child(long.pid()).await.unwrap();
/// # });
/// ```
pub struct TemplateHandle<A, C> {
    supervisor: DynamicSupervisorHandle,
    make: Make<A, C>,
}

impl<A, C: Child> TemplateHandle<A, C> {
    /// Starts a child made from this.
    ///
    /// # Errors
    ///
    /// See [`StartChildError`].
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, DynamicSupervisor};
    ///
    /// let tallies = DynamicSupervisor::new().template(|from: u32| Agent::child(move || from));
    /// let tallies = tallies.start_link().await.unwrap();
    /// let tally: Agent<u32> = tallies.start_child(40).await.unwrap();
    /// tally.update(|n| *n += 2).await.unwrap();
    /// assert_eq!(tally.get(|n| *n).await, Ok(42));
    /// # });
    /// ```
    #[track_caller]
    pub fn start_child(
        &self,
        own: A,
    ) -> impl Future<Output = Result<C::Handle, StartChildError>> + Send {
        let child = (self.make)(own);
        self.supervisor.start_child(child)
    }

    /// Stops a child by its shutdown, and forgets it; Ok as well if that process is gone already
    /// (SUP-052).
    ///
    /// # Errors
    ///
    /// If the process lives and is no child of this supervisor, or the supervisor does not answer.
    pub async fn terminate_child(&self, pid: Pid) -> Result<(), TerminateChildError> {
        match self.supervisor.terminate_child(pid).await {
            Err(TerminateChildError::NotFound) if !is_alive(pid) => Ok(()),
            result => result,
        }
    }

    /// The children.
    ///
    /// # Errors
    ///
    /// If the supervisor does not answer.
    #[track_caller]
    pub fn which_children(
        &self,
    ) -> impl Future<Output = Result<Vec<ChildEntry>, CallError>> + Send + use<A, C> {
        self.supervisor.which_children()
    }

    /// How many children there are.
    ///
    /// # Errors
    ///
    /// If the supervisor does not answer.
    #[track_caller]
    pub fn count_children(
        &self,
    ) -> impl Future<Output = Result<ChildCount, CallError>> + Send + use<A, C> {
        self.supervisor.count_children()
    }

    /// Stops the supervisor, after its children, and waits for it.
    pub fn stop(&self) -> StopSupervisor {
        self.supervisor.stop()
    }

    /// The supervisor's process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.supervisor.pid()
    }
}

impl<A, C> Clone for Template<A, C> {
    fn clone(&self) -> Self {
        Template {
            supervisor: self.supervisor.clone(),
            make: self.make.clone(),
        }
    }
}

impl<A, C> Clone for TemplateHandle<A, C> {
    fn clone(&self) -> Self {
        TemplateHandle {
            supervisor: self.supervisor.clone(),
            make: self.make.clone(),
        }
    }
}

impl<A, C> std::fmt::Debug for Template<A, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Template").field(&self.supervisor).finish()
    }
}

impl<A, C> std::fmt::Debug for TemplateHandle<A, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TemplateHandle")
            .field(&self.supervisor)
            .finish()
    }
}

impl<A: 'static, C: 'static> From<Template<A, C>> for ChildSpec {
    fn from(template: Template<A, C>) -> ChildSpec {
        let supervisor = &template.supervisor;
        let (options, name) = (supervisor.options.clone(), supervisor.name.clone());
        let start = start_fn(move || {
            let starting = template.clone().start_link();
            async move {
                let handle = starting.await?;
                let pid = handle.supervisor.pid();
                Ok::<_, SupervisorError>(ChildHandle::with_info(pid, handle))
            }
        });
        options.into_spec(ChildKind::Supervisor, name, "DynamicSupervisor", start)
    }
}

impl<A: 'static, C: 'static> Child for Template<A, C> {
    type Handle = TemplateHandle<A, C>;

    fn handle(started: ChildHandle) -> Option<TemplateHandle<A, C>> {
        started.into_info()
    }
}

impl From<DynamicSupervisor> for ChildSpec {
    fn from(supervisor: DynamicSupervisor) -> ChildSpec {
        let (options, name) = (supervisor.options.clone(), supervisor.name.clone());
        let at = options.made_at();
        let start = start_fn(move || supervisor.clone().launch(true, at));
        options.into_spec(ChildKind::Supervisor, name, "DynamicSupervisor", start)
    }
}

impl Child for DynamicSupervisor {
    type Handle = DynamicSupervisorHandle;

    fn handle(started: ChildHandle) -> Option<DynamicSupervisorHandle> {
        started.into_info()
    }
}

/// The kind of dynamic supervisors.
pub(crate) struct Dynamic;

impl Kind for Dynamic {
    type Behaviour = DynamicSupervisor;
    const LABEL: &'static str = "DynamicSupervisor";
}

handles!(
    Dynamic,
    DynamicSupervisorRef,
    DynamicSupervisorHandle,
    "a dynamic supervisor",
    DynamicSupervisor,
    "DynamicSupervisor::new()"
);

impl DynamicSupervisorRef {
    /// Starts a child, and gives the handle that is usual for its type: an
    /// [`Addr`](rekindle_actor::Addr) for a generic server.
    ///
    /// # Errors
    ///
    /// See [`StartChildError`]. Nothing is left in the books.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, DynamicSupervisor};
    ///
    /// let rooms = DynamicSupervisor::new().start_link().await.unwrap();
    /// let kitchen: Agent<Vec<&str>> = rooms.start_child(Agent::child(Vec::new)).await.unwrap();
    /// kitchen.update(|guests| guests.push("Ada")).await.unwrap();
    /// let count = rooms.count_children().await.unwrap();
    /// assert_eq!(count.active, 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn start_child<C: Child>(
        &self,
        child: C,
    ) -> impl Future<Output = Result<C::Handle, StartChildError>> + Send + use<C> {
        self.target.start(child.into(), typed::<C>)
    }

    /// Stops a child by its shutdown, and forgets it (DYN-013). A child whose process has ended,
    /// and which is about to be started again, is found by the pid of that process, and stays down.
    ///
    /// # Errors
    ///
    /// If the process is no child of this supervisor: also if it was one, and has a successor.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, DynamicSupervisor, TerminateChildError};
    ///
    /// let rooms = DynamicSupervisor::new().start_link().await.unwrap();
    /// let room = rooms.start_child(Agent::child(|| "empty")).await.unwrap().pid().unwrap();
    /// rooms.terminate_child(room).await.unwrap();
    /// assert_eq!(rooms.count_children().await.unwrap().specs, 0); // forgotten, whatever its class
    /// assert_eq!(rooms.terminate_child(room).await, Err(TerminateChildError::NotFound));
    /// # });
    /// ```
    #[track_caller]
    pub fn terminate_child(
        &self,
        pid: Pid,
    ) -> impl Future<Output = Result<(), TerminateChildError>> + Send + use<> {
        self.target.terminate(Who::Pid(pid))
    }

    /// The children, the newest first.
    ///
    /// # Errors
    ///
    /// If the supervisor does not answer.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, DynamicSupervisor};
    ///
    /// let rooms = DynamicSupervisor::new().start_link().await.unwrap();
    /// let first = rooms.start_child(Agent::child(|| "empty")).await.unwrap();
    /// let second = rooms.start_child(Agent::child(|| "empty")).await.unwrap();
    /// let children = rooms.which_children().await.unwrap();
    /// let pids: Vec<_> = children.iter().map(|child| child.state.pid()).collect();
    /// assert_eq!(pids, [second.pid(), first.pid()]);
    /// # });
    /// ```
    #[track_caller]
    pub fn which_children(
        &self,
    ) -> impl Future<Output = Result<Vec<ChildEntry>, CallError>> + Send + use<> {
        self.target.ask(Request::WhichAll)
    }
}
