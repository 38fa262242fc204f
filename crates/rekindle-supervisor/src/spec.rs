//! Child specifications: what a supervisor must know to start, restart and stop a child.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rekindle_actor::{ExitReason, IntoExitReason, SpawnOptions, StartError, guarded, spawn_with};

use crate::default_id::default_id;
use crate::started::{Child, ChildHandle, IntoStarted};

/// How long a worker may take to stop unless its specification says otherwise: 5 s (SUP-009).
///
/// ```
/// use rekindle_supervisor::{ChildSpec, DEFAULT_SHUTDOWN, Shutdown};
///
/// let worker = ChildSpec::task(|| async { /* writes a large cache to disk at its end */ });
/// assert_eq!(worker.shutdown, Shutdown::Within(DEFAULT_SHUTDOWN));
/// // It needs twice as long as others.
/// let worker = worker.shutdown(Shutdown::Within(2 * DEFAULT_SHUTDOWN));
/// # assert_eq!(worker.shutdown, Shutdown::Within(std::time::Duration::from_secs(10)));
/// ```
pub const DEFAULT_SHUTDOWN: Duration = Duration::from_secs(5);

/// When a child that ended is started again. The crate's page has the table.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{now, sleep};
/// use rekindle_supervisor::{ChildSpec, Restart, Supervisor};
/// use std::time::Duration;
///
/// // Each ends after a second, in good order: only a permanent child is started again for that.
/// let tree = [Restart::Permanent, Restart::Transient, Restart::Temporary]
///     .into_iter()
///     .fold(Supervisor::one_for_one(), |tree, class| {
///         let work = ChildSpec::task(|| sleep(Duration::from_secs(1)));
///         tree.child(work.id(format!("{class:?}")).restart(class))
///     });
/// let tree = tree.start_link().await.unwrap();
/// sleep(Duration::from_millis(1500)).await;
/// assert_eq!(tree.count_children().await.unwrap().active, 1);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restart {
    /// Always. The default, but for tasks.
    #[default]
    Permanent,
    /// After an abnormal end only: not after `Normal`, `Shutdown` and `ShutdownWith`.
    Transient,
    /// Never. The supervisor forgets the child when it ends. The default for tasks.
    Temporary,
}

/// How a supervisor stops a child.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{now, sleep, trap_exit};
/// use rekindle_supervisor::{ChildSpec, Shutdown, Supervisor};
/// use std::time::Duration;
///
/// // It takes exit signals for messages that it never reads: so it is killed when its time is up.
/// let stubborn = ChildSpec::task(|| async { trap_exit(true); sleep(Duration::MAX).await });
/// let limit = Duration::from_secs(2);
/// let tree = Supervisor::one_for_one().child(stubborn.shutdown(Shutdown::Within(limit)));
/// let tree = tree.start_link().await.unwrap();
/// sleep(Duration::from_secs(1)).await;
/// let before = now();
/// tree.stop().await.unwrap();
/// assert_eq!(now() - before, limit);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Kills it at once; it ends with `Killed` and cleans nothing up.
    Kill,
    /// Sends the exit signal `Shutdown`, and kills it if it is still there after this time. The
    /// default for workers, with 5 s.
    Within(Duration),
    /// Sends the exit signal `Shutdown` and waits as long as it takes. The default for
    /// supervisors, whose children have limits of their own.
    Infinite,
}

/// What a child is, for the books.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{ChildKind, ChildSpec, DynamicSupervisor, Shutdown, Supervisor};
///
/// let jobs = ChildSpec::from(DynamicSupervisor::child().name("jobs"));
/// assert_eq!(jobs.kind, ChildKind::Supervisor);
/// assert_eq!(jobs.shutdown, Shutdown::Infinite); // what stops a whole tree is given the time
///
/// let clock = ChildSpec::task(|| std::future::pending::<()>()).id("clock");
/// assert_eq!(clock.kind, ChildKind::Worker);
/// let tree = Supervisor::one_for_one().child(jobs).child(clock).start_link().await.unwrap();
/// let count = tree.count_children().await.unwrap();
/// assert_eq!((count.supervisors, count.workers), (1, 1));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChildKind {
    /// Not a supervisor.
    Worker,
    /// A supervisor.
    Supervisor,
}

/// The future that one start gives.
pub(crate) type StartFuture = Pin<Box<dyn Future<Output = Result<ChildHandle, StartError>> + Send>>;

/// What can start a child, again and again.
pub(crate) trait Startable: Send + Sync {
    fn start(&self) -> StartFuture;
}

impl<F: Fn() -> StartFuture + Send + Sync> Startable for F {
    fn start(&self) -> StartFuture {
        self()
    }
}

/// A start that can run again.
pub(crate) type StartFn = Arc<dyn Startable>;

/// Everything a supervisor must know of a child: a value, which can be cloned, kept, changed, and
/// given to any supervisor.
///
/// Most are made by builders: [`ServerChild::child`](crate::ServerChild::child) for generic
/// servers, and every supervisor's own builder. For anything else there are
/// [`worker`](Self::worker), [`supervisor`](Self::supervisor) and [`task`](Self::task).
///
/// ```
/// use std::time::Duration;
/// use rekindle_supervisor::{ChildSpec, Restart, Shutdown};
///
/// let spec = ChildSpec::task(|| async { println!("once a start") })
///     .id("greeter")
///     .restart(Restart::Transient)
///     .shutdown(Shutdown::Within(Duration::from_secs(1)));
/// assert_eq!(&*spec.id, "greeter");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ChildSpec {
    /// What the child is called within its supervisor. A dynamic supervisor does not care.
    pub id: Arc<str>,
    /// When it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// What it is.
    pub kind: ChildKind,
    /// Whether its end may end the supervisor: see [`AutoShutdown`](crate::AutoShutdown).
    pub significant: bool,
    /// `None` in what a supervisor tells of a temporary child: it keeps no start for what is
    /// never started again (SUP-018).
    pub(crate) start: Option<StartFn>,
}

impl ChildSpec {
    /// A worker. `start` runs in the supervisor's process, at every start and restart: it must
    /// start a process and give its [`Pid`](rekindle_actor::Pid), its `Sender`, its `Addr`, or
    /// any other [`IntoStarted`]. If it has not linked the process with the supervisor, the
    /// supervisor does.
    ///
    /// Permanent, stopped within 5 s.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::{Mailbox, spawn_link};
    /// use rekindle_supervisor::{ChildSpec, Supervisor};
    ///
    /// let echo = ChildSpec::worker("echo", || async {
    ///     spawn_link(|mut inbox: Mailbox<String>| async move {
    ///         loop {
    ///             println!("{}", inbox.recv().await);
    ///         }
    ///     })
    /// });
    /// let supervisor = Supervisor::one_for_one().child(echo).start_link().await.unwrap();
    /// assert_eq!(supervisor.count_children().await.unwrap().active, 1);
    /// # });
    /// ```
    pub fn worker<S, F>(id: impl Into<Arc<str>>, start: S) -> ChildSpec
    where
        S: Fn() -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: IntoStarted,
    {
        ChildSpec {
            id: id.into(),
            restart: Restart::Permanent,
            shutdown: Shutdown::Within(DEFAULT_SHUTDOWN),
            kind: ChildKind::Worker,
            significant: false,
            start: Some(start_fn(start)),
        }
    }

    /// As [`worker`](Self::worker), for a supervisor: it is given all the time it needs to stop.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_supervisor::{
    ///     ChildKind, ChildSpec, Shutdown, Supervisor, SupervisorError, SupervisorHandle,
    /// };
    ///
    /// // A tree that a function puts together, anew at each start.
    /// async fn storage() -> Result<SupervisorHandle, SupervisorError> {
    ///     Supervisor::one_for_one().name("disks").start_link().await
    /// }
    ///
    /// let storage = ChildSpec::supervisor("storage", storage);
    /// assert_eq!((storage.kind, storage.shutdown), (ChildKind::Supervisor, Shutdown::Infinite));
    /// let tree = Supervisor::one_for_one().child(storage).start_link().await.unwrap();
    /// assert_eq!(tree.count_children().await.unwrap().supervisors, 1);
    /// # });
    /// ```
    pub fn supervisor<S, F>(id: impl Into<Arc<str>>, start: S) -> ChildSpec
    where
        S: Fn() -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: IntoStarted,
    {
        ChildSpec {
            kind: ChildKind::Supervisor,
            shutdown: Shutdown::Infinite,
            ..ChildSpec::worker(id, start)
        }
    }

    /// A process that runs a future: a piece of work, in a process of its own. Temporary unless
    /// asked otherwise (TASK-009), called `Task`.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{ExitReason, sleep};
    /// use rekindle_supervisor::{ChildSpec, Restart, Supervisor};
    /// use std::time::Duration;
    ///
    /// // What the future gives is the reason: this one is tried again until it ends well.
    /// let migration = ChildSpec::task(|| async {
    ///     let tables: u32 = "3".parse()?;
    ///     Ok::<(), ExitReason>(assert_eq!(tables, 3))
    /// });
    /// let migration = migration.id("migration").restart(Restart::Transient);
    /// let tree = Supervisor::one_for_one().child(migration).start_link().await.unwrap();
    /// sleep(Duration::from_millis(1)).await;
    /// assert_eq!(tree.count_children().await.unwrap().active, 0);
    /// # });
    /// ```
    #[track_caller]
    pub fn task<W, F>(work: W) -> ChildSpec
    where
        W: Fn() -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: IntoExitReason,
    {
        let options = SpawnOptions::new().link().spawned_at(Location::caller());
        let start = move || {
            let body = work();
            async move { spawn_with(options, body) }
        };
        ChildSpec::worker("Task", start).restart(Restart::Temporary)
    }

    /// Calls the child this.
    #[must_use]
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = id.into();
        self
    }

    /// Says when the child is started again.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Says how the child is stopped.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Says whether the child's end may end the supervisor.
    #[must_use]
    pub fn significant(mut self, significant: bool) -> Self {
        self.significant = significant;
        self
    }

    /// Has `before` run ahead of each start and restart, in the supervisor's process; if it fails,
    /// the start fails with its reason. For what must be true before a child may start, and for
    /// tests that have a start fail.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::{ExitReason, StartError};
    /// use rekindle_supervisor::{ChildSpec, Supervisor};
    ///
    /// let spec = ChildSpec::task(|| async {})
    ///     .before_start(|| async { Err(StartError::Failed(ExitReason::msg("no disk"))) });
    /// assert!(Supervisor::one_for_one().child(spec).start().await.is_err());
    /// # });
    /// ```
    #[must_use]
    pub fn before_start<B, F>(mut self, before: B) -> Self
    where
        B: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), StartError>> + Send + 'static,
    {
        self.start = self.start.map(|start| {
            let before = Arc::new(before);
            let started: StartFn = Arc::new(move || {
                let (start, before) = (start.clone(), before.clone());
                Box::pin(async move {
                    before().await?;
                    start.start().await
                }) as StartFuture
            });
            started
        });
        self
    }

    /// Starts a child by this specification, in the running process.
    pub(crate) fn start(&self) -> impl Future<Output = Started> + Send + '_ {
        guarded(Starting {
            spec: self,
            future: None,
        })
    }

    /// What remains in the books of a supervisor once the child has been started.
    pub(crate) fn started(mut self) -> ChildSpec {
        if self.restart == Restart::Temporary {
            self.start = None;
        }
        self
    }
}

/// What has become of a start: the outer error is a panic of what starts the child.
pub(crate) type Started = Result<Result<ChildHandle, StartError>, ExitReason>;

/// The start of a child. By hand, because a start goes through as many futures as there are around each other,
/// at each step of it.
struct Starting<'a> {
    spec: &'a ChildSpec,
    /// Made at the first look: the function itself may panic, as may its future.
    future: Option<StartFuture>,
}

impl Future for Starting<'_> {
    type Output = Result<ChildHandle, StartError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Starting { spec, future } = self.get_mut();
        let future = match (future, &spec.start) {
            (Some(future), _) => future,
            (none, Some(start)) => none.insert(start.start()),
            (None, None) => {
                let no_start = SpecError::NoStart(spec.id.clone());
                return Poll::Ready(Err(StartError::Failed(no_start.into())));
            }
        };
        future.as_mut().poll(cx)
    }
}

/// Any function that starts something, as a start that can run again.
pub(crate) fn start_fn<S, F>(start: S) -> StartFn
where
    S: Fn() -> F + Send + Sync + 'static,
    F: Future + Send + 'static,
    F::Output: IntoStarted,
{
    Arc::new(move || {
        let starting = start();
        started(starting)
    })
}

/// The future that a child's start is, of one that gives what can be a child.
pub(crate) fn started<F>(starting: F) -> StartFuture
where
    F: Future + Send + 'static,
    F::Output: IntoStarted,
{
    Box::pin(async move { starting.await.into_started() })
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("kind", &self.kind)
            .field("significant", &self.significant)
            .finish_non_exhaustive()
    }
}

impl Child for ChildSpec {
    type Handle = ChildHandle;

    fn handle(started: ChildHandle) -> Option<ChildHandle> {
        Some(started)
    }
}

/// Why a specification, or a supervisor's setting, makes no sense. Nothing has been started.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{ChildSpec, SpecError, Supervisor, SupervisorError};
///
/// let twice = [(); 2].map(|()| ChildSpec::task(|| async {}).id("same"));
/// let [one, two] = twice;
/// let error = Supervisor::one_for_one().child(one).child(two).start_link().await.unwrap_err();
/// assert_eq!(error, SupervisorError::Invalid(SpecError::DuplicateId("same".into())));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// `id`: an empty id is no id.
    EmptyId,
    /// `id`: two children have this one.
    DuplicateId(Arc<str>),
    /// `start`: the specification of this child has none. Supervisors do not keep the start of a
    /// temporary child, so what they tell of one cannot be used to start another.
    NoStart(Arc<str>),
    /// `significant`: this child is, but the supervisor never shuts itself down.
    SignificantInVain(Arc<str>),
    /// `significant`: this child is, and permanent, so that it never ends for good.
    SignificantPermanent(Arc<str>),
    /// `intensity`: a period of zero.
    ZeroPeriod,
    /// `partitions`: none at all.
    ZeroPartitions,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecError::EmptyId => f.write_str("`id`: a child's id must not be empty"),
            SpecError::DuplicateId(id) => write!(f, "`id`: two children are called {id:?}"),
            SpecError::NoStart(id) => write!(f, "`start`: the child {id:?} has none"),
            SpecError::SignificantInVain(id) => {
                write!(
                    f,
                    "`significant`: {id:?} is, but its supervisor never shuts itself down"
                )
            }
            SpecError::SignificantPermanent(id) => {
                write!(
                    f,
                    "`significant`: {id:?} is permanent, and never ends for good"
                )
            }
            SpecError::ZeroPeriod => f.write_str("`intensity`: the period must not be zero"),
            SpecError::ZeroPartitions => f.write_str("`partitions`: there must be one at least"),
        }
    }
}

impl std::error::Error for SpecError {}

/// Checks specifications as a supervisor would that never shuts itself down (SUP-008).
///
/// # Errors
///
/// The first thing that is wrong.
///
/// ```
/// use rekindle_supervisor::{ChildSpec, SpecError, check_child_specs};
///
/// let task = ChildSpec::task(|| async {});
/// let twice = [task.clone(), task];
/// assert_eq!(check_child_specs(&twice), Err(SpecError::DuplicateId("Task".into())));
/// ```
pub fn check_child_specs(specs: &[ChildSpec]) -> Result<(), SpecError> {
    check_all(specs, AutoShutdown::Never)
}

/// Whether the end of significant children ends the supervisor.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{is_alive, sleep};
/// use rekindle_supervisor::{AutoShutdown, ChildSpec, Restart, Supervisor};
/// use std::time::Duration;
///
/// let work = ChildSpec::task(|| sleep(Duration::from_secs(60)));
/// let tree = Supervisor::one_for_one()
///     .auto_shutdown(AutoShutdown::AllSignificant)
///     .child(work.restart(Restart::Transient).significant(true))
///     .start()
///     .await
///     .unwrap();
/// // The work is done, and with it the supervisor's.
/// sleep(Duration::from_secs(61)).await;
/// assert!(!is_alive(tree.pid()));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AutoShutdown {
    /// Never; no child may be significant. The default.
    #[default]
    Never,
    /// When one of them has ended by itself, and is not started again.
    AnySignificant,
    /// When the last of them has ended by itself, and is not started again.
    AllSignificant,
}

pub(crate) fn check_all(specs: &[ChildSpec], auto: AutoShutdown) -> Result<(), SpecError> {
    let mut ids = std::collections::BTreeSet::new();
    for spec in specs {
        check(spec, auto)?;
        if !ids.insert(&*spec.id) {
            return Err(SpecError::DuplicateId(spec.id.clone()));
        }
    }
    Ok(())
}

pub(crate) fn check(spec: &ChildSpec, auto: AutoShutdown) -> Result<(), SpecError> {
    if spec.id.is_empty() {
        return Err(SpecError::EmptyId);
    }
    if spec.start.is_none() {
        return Err(SpecError::NoStart(spec.id.clone()));
    }
    match (spec.significant, auto, spec.restart) {
        (true, AutoShutdown::Never, _) => Err(SpecError::SignificantInVain(spec.id.clone())),
        (true, _, Restart::Permanent) => Err(SpecError::SignificantPermanent(spec.id.clone())),
        _ => Ok(()),
    }
}

/// How every builder of a child can be told its place in the supervisor above.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChildOptions {
    pub(crate) id: Option<Arc<str>>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Option<Shutdown>,
    pub(crate) significant: bool,
    pub(crate) start_timeout: Option<Duration>,
    /// Where the builder was made: the place of the spawn, for reports.
    at: Option<&'static Location<'static>>,
}

impl ChildOptions {
    /// The defaults, for a builder that is made by the caller of the caller.
    #[track_caller]
    pub(crate) fn here() -> ChildOptions {
        ChildOptions {
            at: Some(Location::caller()),
            ..ChildOptions::default()
        }
    }

    /// Where the builder was made; a builder made by `Default` does not know, and is said to be
    /// from where it is used.
    #[track_caller]
    pub(crate) fn made_at(&self) -> &'static Location<'static> {
        self.at.unwrap_or(Location::caller())
    }

    /// The specification; the id is the given one, else the name, else what the child is: a word, or the
    /// name of its type.
    pub(crate) fn into_spec(
        self,
        kind: ChildKind,
        name: Option<Arc<str>>,
        what: &'static str,
        start: StartFn,
    ) -> ChildSpec {
        ChildSpec {
            id: self.id.or(name).unwrap_or_else(|| default_id(what)),
            restart: self.restart,
            shutdown: self.shutdown.unwrap_or(match kind {
                ChildKind::Worker => Shutdown::Within(DEFAULT_SHUTDOWN),
                ChildKind::Supervisor => Shutdown::Infinite,
            }),
            kind,
            significant: self.significant,
            start: Some(start),
        }
    }
}

/// The setters of a builder's [`ChildOptions`], and its name.
macro_rules! child_options {
    ($default_id:literal, $shutdown:literal) => {
        /// Registers the process under this name before its init runs.
        pub fn name(mut self, name: impl Into<std::sync::Arc<str>>) -> Self {
            self.name = Some(name.into());
            self
        }

        #[doc = concat!(
                    "As a child: calls it this. The default is the name, if there is one, else ",
                    $default_id, "."
                )]
        pub fn id(mut self, id: impl Into<std::sync::Arc<str>>) -> Self {
            self.options.id = Some(id.into());
            self
        }

        /// As a child: says when it is started again; the default is always.
        pub fn restart(mut self, restart: crate::Restart) -> Self {
            self.options.restart = restart;
            self
        }

        #[doc = concat!("As a child: says how it is stopped; the default is ", $shutdown, ".")]
        pub fn shutdown(mut self, shutdown: crate::Shutdown) -> Self {
            self.options.shutdown = Some(shutdown);
            self
        }

        /// As a child: says whether its end may end the supervisor above: see
        /// [`AutoShutdown`](crate::AutoShutdown).
        pub fn significant(mut self, significant: bool) -> Self {
            self.options.significant = significant;
            self
        }

        /// Kills the process if its init is not done in this time; the start then fails. There
        /// is no limit by default, and a supervisor does nothing else while it starts a child.
        pub fn start_timeout(mut self, limit: std::time::Duration) -> Self {
            self.options.start_timeout = Some(limit);
            self
        }
    };
}
pub(crate) use child_options;

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str) -> ChildSpec {
        ChildSpec::task(|| async {}).id(id)
    }

    #[test]
    fn the_defaults() {
        let worker = ChildSpec::worker("w", || async { Err::<ChildHandle, _>(StartError::Ignore) });
        assert_eq!(worker.restart, Restart::Permanent);
        assert_eq!(worker.shutdown, Shutdown::Within(Duration::from_secs(5)));
        assert_eq!(
            (worker.kind, worker.significant),
            (ChildKind::Worker, false)
        );
        let supervisor =
            ChildSpec::supervisor("s", || async { Err::<ChildHandle, _>(StartError::Ignore) });
        assert_eq!(supervisor.shutdown, Shutdown::Infinite);
        assert_eq!(supervisor.kind, ChildKind::Supervisor);
        assert_eq!(task("t").restart, Restart::Temporary);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        use AutoShutdown::{AllSignificant, AnySignificant, Never};
        let significant = |restart| task("t").significant(true).restart(restart);
        let rows = [
            (task(""), Never, Err(SpecError::EmptyId)),
            (
                task("t").started(),
                Never,
                Err(SpecError::NoStart("t".into())),
            ),
            (task("t"), AnySignificant, Ok(())),
            (
                significant(Restart::Transient),
                Never,
                Err(SpecError::SignificantInVain("t".into())),
            ),
            (
                significant(Restart::Permanent),
                AllSignificant,
                Err(SpecError::SignificantPermanent("t".into())),
            ),
            (significant(Restart::Temporary), AllSignificant, Ok(())),
        ];
        for (spec, auto, expected) in rows {
            assert_eq!(check(&spec, auto), expected, "{spec:?} {auto:?}");
        }
        let same = [task("a"), task("b"), task("a")];
        assert_eq!(
            check_child_specs(&same),
            Err(SpecError::DuplicateId("a".into()))
        );
    }
}
