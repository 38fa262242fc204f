//! The task supervisor: pieces of work in processes of their own.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::{
    CallError, IntoExitReason, Pid, Sender, StartError, Task, TaskBody, TaskStream,
};

use crate::children::ChildCount;
use crate::errors::{StartChildError, SupervisorError, TerminateChildError};
use crate::request::{Kind, Message, Request, StopSupervisor, Target, Who, handles};
use crate::server::{self, Charter, Place, Settings, Shape};
use crate::spec::{
    ChildKind, ChildOptions, ChildSpec, DEFAULT_SHUTDOWN, Shutdown, child_options, start_fn,
};
use crate::started::{Child, ChildHandle, IntoStarted};

/// Pieces of work, each in a process of its own: the value from which such a supervisor is
/// started, or becomes the child of another.
///
/// Work is temporary: it runs once, and is forgotten when it ends. When the supervisor stops, its
/// tasks are stopped with it.
///
/// | started by                                        | linked with the caller? | gives            | if it crashes        |
/// |---------------------------------------------------|-------------------------|------------------|----------------------|
/// | [`async_`](TaskSupervisorRef::async_)             | yes                     | an awaitable `Task` | the caller crashes, unless it traps exits |
/// | [`async_nolink`](TaskSupervisorRef::async_nolink) | no                      | an awaitable `Task` | the result says so   |
/// | [`start_child`](TaskSupervisorRef::start_child)   | no                      | its pid          | there is a report    |
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_supervisor::TaskSupervisor;
///
/// let tasks = TaskSupervisor::new().name("tasks").start_link().await.unwrap();
/// let sum = tasks.async_(async { (1..=10).sum::<u32>() }).await.unwrap();
/// assert_eq!(sum.await, Ok(55));
/// let bad = tasks.async_nolink(async { "x".parse::<u32>().unwrap() }).await.unwrap();
/// assert!(bad.await.is_err());
/// # });
/// ```
///
/// A server stays ready while work is done for it: it starts an unlinked task, and answers when it is
/// done, or lets the task answer.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use std::time::Duration;
/// use rekindle_actor::sleep;
/// use rekindle_supervisor::TaskSupervisor;
///
/// let tasks = TaskSupervisor::new().start_link().await.unwrap();
/// let mut slow = tasks.async_nolink(sleep(Duration::from_secs(60))).await.unwrap();
/// // Whoever is tired of waiting stops the task, and not itself.
/// if slow.yield_for(Duration::from_secs(1)).await.is_none() {
///     assert_eq!(slow.shutdown(Duration::from_secs(5)).await, None);
/// }
/// # });
/// ```
///
/// # What starting gives
///
/// [`start_link`](Self::start_link) gives a [`TaskSupervisorHandle`], or a [`SupervisorError`]. What starts
/// a task gives a [`Task`] or a pid, or a [`StartChildError`]: `MaxChildren` if there are as many as there
/// may be, `Supervisor` if the supervisor does not answer; the work is dropped then. What awaiting a task
/// gives is said at [`Task`].
///
/// # Timeouts
///
/// Starting waits until all children are ready; [`start_timeout`](Self::start_timeout) limits it. A
/// supervisor does one thing at a time: while a child starts or stops, whoever asks it something waits,
/// without a limit.
///
/// # Names
///
/// With [`name`](Self::name) it can be found by [`TaskSupervisorRef::named`], which survives restarts.
/// Tasks have none.
///
/// # Supervision
///
/// The value is a child as it stands: `.child(TaskSupervisor::child().name("tasks"))`. Put it before those
/// who use it: they are stopped first then, and what is left of their work after them.
///
/// # Debugging
///
/// [`sys::get_status`](rekindle_actor::sys::get_status) shows strategy, intensity and counts;
/// [`tree_text`](rekindle_actor::tree_text()) the processes below it, without a message to anybody. A crash
/// report of a child says what this supervisor did: `cart_sup (one_for_one) -> restarted as #813.1, 2 of 3
/// in 5s`. At the level `debug` the log has each start.
///
/// # When not to use this
/// When nothing but the caller depends on the work, [`Task::spawn`] does without a supervisor.
#[derive(Debug, Clone, Default)]
#[must_use = "a supervisor is nothing until it is started, or made a child"]
pub struct TaskSupervisor {
    settings: Settings,
    max_children: Option<usize>,
    name: Option<Arc<str>>,
    options: ChildOptions,
}

impl TaskSupervisor {
    /// A supervisor with the defaults: no limit of tasks, 3 restarts in 5 s, no name.
    #[track_caller]
    pub fn new() -> TaskSupervisor {
        TaskSupervisor {
            options: ChildOptions::here(),
            ..TaskSupervisor::default()
        }
    }

    /// The same as [`new`](Self::new), to be read as the child of another supervisor.
    #[track_caller]
    pub fn child() -> TaskSupervisor {
        TaskSupervisor::new()
    }

    child_options!("`TaskSupervisor`", "as long as it takes");

    /// Limits the number of tasks that run at once; the default is no limit.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::sleep;
    /// use rekindle_supervisor::{StartChildError, TaskSupervisor};
    /// use std::time::Duration;
    ///
    /// let tasks = TaskSupervisor::new().max_children(1).start_link().await.unwrap();
    /// let one = tasks.async_(sleep(Duration::from_secs(1))).await.unwrap();
    /// let two = tasks.async_(sleep(Duration::from_secs(1))).await;
    /// assert_eq!(two.unwrap_err(), StartChildError::MaxChildren); // not queued: refused
    /// one.await.unwrap();
    /// assert!(tasks.async_(async {}).await.is_ok());
    /// # });
    /// ```
    pub fn max_children(mut self, max_children: usize) -> Self {
        self.max_children = Some(max_children);
        self
    }

    /// Allows this many restarts within a period, of tasks that are not temporary. The default is
    /// 3 in 5 s.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.settings.intensity = restarts;
        self.settings.period = period;
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
    ) -> impl Future<Output = Result<TaskSupervisorHandle, SupervisorError>> + Send {
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
    ) -> impl Future<Output = Result<TaskSupervisorHandle, SupervisorError>> + Send {
        let at = self.options.made_at();
        self.launch(false, at)
    }

    async fn launch(
        self,
        linked: bool,
        at: Place,
    ) -> Result<TaskSupervisorHandle, SupervisorError> {
        let TaskSupervisor {
            settings,
            max_children,
            name,
            options,
        } = self;
        let charter = Charter {
            settings,
            shape: Shape::Dynamic { max_children },
            role: Some("tasks"),
        };
        server::start_dynamic::<Tasks>(charter, name, options.start_timeout, linked, at)
            .await
            .map(TaskSupervisorHandle::new)
    }
}

impl From<TaskSupervisor> for ChildSpec {
    fn from(supervisor: TaskSupervisor) -> ChildSpec {
        let (options, name) = (supervisor.options.clone(), supervisor.name.clone());
        let at = options.made_at();
        let start = start_fn(move || supervisor.clone().launch(true, at));
        options.into_spec(ChildKind::Supervisor, name, "TaskSupervisor", start)
    }
}

impl Child for TaskSupervisor {
    type Handle = TaskSupervisorHandle;

    fn handle(started: ChildHandle) -> Option<TaskSupervisorHandle> {
        started.into_info()
    }
}

/// The kind of task supervisors.
pub(crate) struct Tasks;

impl Kind for Tasks {
    type Behaviour = TaskSupervisor;
    const LABEL: &'static str = "TaskSupervisor";
}

handles!(
    Tasks,
    TaskSupervisorRef,
    TaskSupervisorHandle,
    "a task supervisor",
    TaskSupervisor,
    "TaskSupervisor::new()"
);

/// How a task is stopped unless asked otherwise.
const TASK_SHUTDOWN: Shutdown = Shutdown::Within(DEFAULT_SHUTDOWN);

impl TaskSupervisorRef {
    /// Starts work as a child of the supervisor, linked with the running process: each dies with
    /// the other (TASK-020). It is stopped within 5 s when the supervisor stops.
    ///
    /// # Errors
    ///
    /// If there are as many tasks as there may be, or the supervisor does not answer. The work is
    /// dropped.
    ///
    /// # Panics
    ///
    /// Outside of a process.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_supervisor::TaskSupervisor;
    ///
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let sum = tasks.async_(async { (1..=100).sum::<u32>() }).await.unwrap();
    /// let product = tasks.async_(async { (1..=10).product::<u32>() }).await.unwrap();
    /// // Both run, each in a process of its own; the results come when they are awaited.
    /// assert_eq!((sum.await, product.await), (Ok(5050), Ok(3_628_800)));
    /// # });
    /// ```
    #[track_caller]
    pub fn async_<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<Task<T>, StartChildError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.async_with(TASK_SHUTDOWN, work)
    }

    /// As [`async_`](Self::async_), with another way to be stopped.
    ///
    /// # Errors
    ///
    /// As [`async_`](Self::async_).
    ///
    /// # Panics
    ///
    /// Outside of a process.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{now, sleep, trap_exit};
    /// use rekindle_supervisor::{Shutdown, TaskSupervisor};
    /// use std::time::Duration;
    ///
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let upload = async { trap_exit(true); sleep(Duration::from_secs(30)).await };
    /// let upload = tasks.async_with(Shutdown::Infinite, upload).await.unwrap();
    /// sleep(Duration::from_secs(1)).await;
    /// // The end of the program waits for the upload, and not for 5 s only.
    /// tasks.stop().await.unwrap();
    /// assert_eq!(now().as_duration().as_secs(), 30);
    /// # drop(upload);
    /// # });
    /// ```
    #[track_caller]
    pub fn async_with<T, F>(
        &self,
        shutdown: Shutdown,
        work: F,
    ) -> impl Future<Output = Result<Task<T>, StartChildError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (body, task) = Task::prepare_linked(work);
        let started = self.run(body, shutdown);
        async move { Ok(task(started.await?)) }
    }

    /// Starts work as a child of the supervisor, not linked with the running process: a crash
    /// reaches it as the task's result only (TASK-021).
    ///
    /// # Errors
    ///
    /// As [`async_`](Self::async_).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::ExitReason;
    /// use rekindle_supervisor::TaskSupervisor;
    ///
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let parsed = tasks.async_nolink(async { "x".parse::<u32>().expect("a number") }).await.unwrap();
    /// match parsed.await {
    ///     Err(ExitReason::Panic(panic)) => assert!(panic.message.starts_with("a number")),
    ///     other => panic!("{other:?} of a text that is no number"),
    /// }
    /// # });
    /// ```
    #[track_caller]
    pub fn async_nolink<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<Task<T>, StartChildError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.async_nolink_with(TASK_SHUTDOWN, work)
    }

    /// As [`async_nolink`](Self::async_nolink), with another way to be stopped.
    ///
    /// # Errors
    ///
    /// As [`async_`](Self::async_).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{ExitReason, now, sleep, trap_exit};
    /// use rekindle_supervisor::{Shutdown, TaskSupervisor};
    /// use std::time::Duration;
    ///
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let stubborn = async { trap_exit(true); sleep(Duration::from_secs(60)).await };
    /// let stubborn = tasks.async_nolink_with(Shutdown::Kill, stubborn).await.unwrap();
    /// tasks.terminate_child(stubborn.pid().unwrap()).await.unwrap();
    /// assert_eq!(stubborn.await, Err(ExitReason::Killed));
    /// assert_eq!(now().as_duration(), Duration::ZERO); // it was not asked, and not waited for
    /// # });
    /// ```
    #[track_caller]
    pub fn async_nolink_with<T, F>(
        &self,
        shutdown: Shutdown,
        work: F,
    ) -> impl Future<Output = Result<Task<T>, StartChildError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (body, task) = Task::prepare(work);
        let started = self.run(body, shutdown);
        async move { Ok(task(started.await?)) }
    }

    /// A task per item, as a child of the supervisor and linked with the process that consumes the
    /// stream: see [`TaskStream`].
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{now, sleep};
    /// use rekindle_supervisor::TaskSupervisor;
    /// use std::time::Duration;
    ///
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let pages = tasks.async_stream(1..=8_u64, |page| async move {
    ///     sleep(Duration::from_secs(1)).await; // fetches it
    ///     page * 100
    /// });
    /// let pages = pages.max_concurrency(4).unwrap().collect().await;
    /// assert_eq!(pages[7], Ok(800)); // in the order of the items
    /// assert_eq!(now().as_duration().as_secs(), 2); // four at a time
    /// # });
    /// ```
    #[track_caller]
    pub fn async_stream<I, T, F, Fut>(&self, items: I, work: F) -> TaskStream<I::IntoIter, T>
    where
        I: IntoIterator,
        T: Send + 'static,
        F: FnMut(I::Item) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let tasks = self.clone();
        TaskStream::launched_by(items, work, move |work| {
            let origin = work.origin();
            let (body, task) = Task::prepare_linked(work);
            let started = tasks.run(body.with_origin(origin), TASK_SHUTDOWN);
            Box::pin(async move { Ok(task(started.await?)) })
        })
    }

    /// As [`async_stream`](Self::async_stream), without links: a task that fails is its item's
    /// error, and nothing else (TASK-029).
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_supervisor::TaskSupervisor;
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let results = tasks.async_stream_nolink(["1", "two", "3"], |text| async move {
    ///     text.parse::<u32>().expect("a number")
    /// });
    /// let results = results.collect().await;
    /// assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn async_stream_nolink<I, T, F, Fut>(&self, items: I, work: F) -> TaskStream<I::IntoIter, T>
    where
        I: IntoIterator,
        T: Send + 'static,
        F: FnMut(I::Item) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let tasks = self.clone();
        TaskStream::launched_by(items, work, move |work| {
            let origin = work.origin();
            let (body, task) = Task::prepare(work);
            let started = tasks.run(body.with_origin(origin), TASK_SHUTDOWN);
            Box::pin(async move { Ok(task(started.await?)) })
        })
    }

    /// Starts work that nobody awaits (TASK-022). It runs once.
    ///
    /// # Errors
    ///
    /// As [`async_`](Self::async_).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, sleep};
    /// use rekindle_supervisor::TaskSupervisor;
    /// use std::time::Duration;
    ///
    /// let sent = Agent::start_link(|| 0).await.unwrap();
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let mail = sent.clone();
    /// tasks.start_child(async move { mail.update(|n| *n += 1).await.unwrap() }).await.unwrap();
    /// sleep(Duration::from_millis(1)).await;
    /// assert_eq!(sent.get(|n| *n).await, Ok(1));
    /// assert_eq!(tasks.children().await, Ok(vec![])); // it has done its work, and is forgotten
    /// # });
    /// ```
    #[track_caller]
    pub fn start_child<F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<Pid, StartChildError>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: IntoExitReason,
    {
        self.run(Task::prepare_unawaited(work), TASK_SHUTDOWN)
    }

    /// Starts work that nobody awaits, by a specification: for work that is restarted, or stopped
    /// in its own way.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_supervisor::{ChildSpec, Restart, Shutdown, TaskSupervisor};
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let job = ChildSpec::task(|| async { println!("tries until it ends well") });
    /// let pid = tasks
    ///     .start_child_with(job.restart(Restart::Transient).shutdown(Shutdown::Kill))
    ///     .await
    ///     .unwrap();
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// See [`StartChildError`].
    #[track_caller]
    pub fn start_child_with(
        &self,
        spec: ChildSpec,
    ) -> impl Future<Output = Result<Pid, StartChildError>> + Send + use<> {
        self.target.start(spec, |started| Ok(started.pid()))
    }

    /// The tasks that run, the newest first (TASK-023).
    ///
    /// # Errors
    ///
    /// If the supervisor does not answer.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::sleep;
    /// use rekindle_supervisor::TaskSupervisor;
    /// use std::time::Duration;
    ///
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let first = tasks.start_child(sleep(Duration::from_secs(2))).await.unwrap();
    /// let second = tasks.start_child(sleep(Duration::from_secs(1))).await.unwrap();
    /// assert_eq!(tasks.children().await.unwrap(), [second, first]);
    /// sleep(Duration::from_millis(1500)).await;
    /// assert_eq!(tasks.children().await.unwrap(), [first]);
    /// # });
    /// ```
    #[track_caller]
    pub fn children(&self) -> impl Future<Output = Result<Vec<Pid>, CallError>> + Send + use<> {
        self.target.ask_then(Request::WhichAll, |children| {
            let children = children?.into_iter();
            Ok(children.filter_map(|child| child.state.pid()).collect())
        })
    }

    /// Stops a task by its shutdown (TASK-023).
    ///
    /// # Errors
    ///
    /// If the process is no task of this supervisor (any more).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{ExitReason, sleep};
    /// use rekindle_supervisor::TaskSupervisor;
    /// use std::time::Duration;
    ///
    /// let tasks = TaskSupervisor::new().start_link().await.unwrap();
    /// let slow = tasks.async_nolink(sleep(Duration::MAX)).await.unwrap();
    /// tasks.terminate_child(slow.pid().unwrap()).await.unwrap();
    /// assert_eq!(slow.await, Err(ExitReason::Shutdown));
    /// # });
    /// ```
    #[track_caller]
    pub fn terminate_child(
        &self,
        pid: Pid,
    ) -> impl Future<Output = Result<(), TerminateChildError>> + Send + use<> {
        self.target.terminate(Who::Pid(pid))
    }

    #[track_caller]
    fn run(
        &self,
        body: TaskBody,
        shutdown: Shutdown,
    ) -> impl Future<Output = Result<Pid, StartChildError>> + Send + use<> {
        let ask = move |reply| Request::StartTask(body, shutdown, reply);
        self.target
            .ask_then(ask, |answer| answer.map_err(StartChildError::Supervisor)?)
    }
}
