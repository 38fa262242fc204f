//! Many copies of one child, and a key that says which.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use rekindle_actor::{CallError, Handle, Pid, is_alive, self_pid, whereis};

use crate::backoff::Backoff;
use crate::children::ChildCount;
use crate::errors::{RestartChildError, SupervisorError, TerminateChildError};
use crate::request::{ChildEntry, StopSupervisor};
use crate::server::Settings;
use crate::spec::{ChildKind, ChildOptions, ChildSpec, SpecError, child_options, start_fn};
use crate::started::{Child, ChildHandle};
use crate::supervisor::{Supervisor, SupervisorHandle};

/// A supervisor of several copies of one child, the *partitions*: work that one process would be
/// too slow for is spread over them by a key.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_supervisor::{ChildSpec, DynamicSupervisor, PartitionSupervisor};
///
/// let sessions = PartitionSupervisor::new("sessions", DynamicSupervisor::child())
///     .partitions(4)
///     .start_link()
///     .await
///     .unwrap();
/// // The same key is always the same partition.
/// let supervisor = sessions.get(&"user 17").unwrap();
/// supervisor.start_child(ChildSpec::task(|| async {})).await.unwrap();
/// assert_eq!(supervisor.pid(), sessions.get(&"user 17").unwrap().pid());
/// # });
/// ```
///
/// There are as many partitions as the runtime has workers, unless told otherwise (PART-001). It is
/// an ordinary supervisor, one for one, whose children are called by their numbers; so a partition
/// that fails is started again in its place, and the same key leads to the new process (PART-006).
///
/// # Partitions that differ
///
/// [`with`](Self::with) makes each from its number (PART-004):
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_supervisor::{DynamicSupervisor, PartitionSupervisor};
///
/// let sessions = PartitionSupervisor::with("sessions", |partition| {
///     DynamicSupervisor::child().max_children(100 * (partition + 1))
/// });
/// # sessions.partitions(2).start_link().await.unwrap();
/// # });
/// ```
///
/// # Keys
///
/// An integer is its own number: its absolute value modulo the number of partitions. Strings, pids
/// and whatever is wrapped into [`ByHash`] go by their hash (PART-003).
///
/// # What starting gives
///
/// [`start_link`](Self::start_link) gives a [`PartitionsHandle`], or a [`SupervisorError`]: `Invalid` for no
/// partitions at all, `Child` if one did not start. [`PartitionsHandle::get`] gives the handle on the
/// partition of a key, or a [`RouteError`]: never that of another partition.
///
/// # Timeouts
///
/// Starting waits until all children are ready; [`start_timeout`](Self::start_timeout) limits it. A
/// supervisor does one thing at a time: while a child starts or stops, whoever asks it something waits,
/// without a limit.
///
/// # Names
///
/// It always has a name, and [`PartitionsHandle::whereis`] finds it there. Partitions have numbers, which
/// are their ids; do not name the child, for there is one of that name only.
///
/// # Supervision
///
/// The value is a child as it stands: `.child(PartitionSupervisor::new("sessions", DynamicSupervisor::child()))`.
/// A partition that fails is restarted in its place, alone; the others do not notice.
///
/// # Debugging
///
/// [`sys::get_status`](rekindle_actor::sys::get_status) shows strategy, intensity and counts;
/// [`tree_text`](rekindle_actor::tree_text()) the processes below it, without a message to anybody. A crash
/// report of a child says what this supervisor did: `cart_sup (one_for_one) -> restarted as #813.1, 2 of 3
/// in 5s`. At the level `debug` the log has each start.
///
/// # When not to use this
/// When the state cannot be split by a key; or when there is one process per key anyway: then a
/// registry finds it.
#[must_use = "a supervisor does nothing until it is started, or is the child of one that is"]
pub struct PartitionSupervisor<C> {
    make: Arc<dyn Fn(usize) -> C + Send + Sync>,
    partitions: Option<usize>,
    settings: Settings,
    name: Option<Arc<str>>,
    options: ChildOptions,
}

impl<C> PartitionSupervisor<C>
where
    C: Child + Send + 'static,
    C::Handle: Clone + Send + Sync + 'static,
{
    /// A supervisor, registered under this name, whose partitions are all like this child.
    #[track_caller]
    pub fn new(name: impl Into<Arc<str>>, child: C) -> Self
    where
        C: Clone,
    {
        // A mutex, so that the child need not be `Sync`.
        let child = Mutex::new(child);
        PartitionSupervisor::with(name, move |_| {
            child.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }

    /// As [`new`](Self::new), with a child for each partition's number, from 0 on.
    #[track_caller]
    pub fn with(
        name: impl Into<Arc<str>>,
        make: impl Fn(usize) -> C + Send + Sync + 'static,
    ) -> Self {
        PartitionSupervisor {
            make: Arc::new(make),
            partitions: None,
            settings: Settings::default(),
            name: Some(name.into()),
            options: ChildOptions::here(),
        }
    }

    /// Starts this many partitions.
    pub fn partitions(mut self, count: usize) -> Self {
        self.partitions = Some(count);
        self
    }

    child_options!("its name", "as long as it takes");

    /// Allows this many restarts within a period, as [`Supervisor::intensity`].
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

    /// Starts the supervisor and its partitions, linked with the running process.
    ///
    /// # Errors
    ///
    /// If there are to be no partitions (PART-002), a setting is wrong, a partition does not start,
    /// or the supervisor itself does not. Then nothing is left running.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn start_link(
        self,
    ) -> impl Future<Output = Result<PartitionsHandle<C>, SupervisorError>> + Send {
        self.launch(true)
    }

    /// As [`start_link`](Self::start_link), without the link: it lives until it is stopped.
    ///
    /// # Errors
    ///
    /// As [`start_link`](Self::start_link).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn start(
        self,
    ) -> impl Future<Output = Result<PartitionsHandle<C>, SupervisorError>> + Send {
        self.launch(false)
    }

    async fn launch(self, linked: bool) -> Result<PartitionsHandle<C>, SupervisorError> {
        let (supervisor, table) = self.into_supervisor()?;
        let starting = match linked {
            true => supervisor.start_link().await,
            false => supervisor.start().await,
        };
        starting.map(|supervisor| PartitionsHandle { supervisor, table })
    }

    fn into_supervisor(self) -> Result<(Supervisor, Arc<Table<C>>), SupervisorError> {
        let count = self
            .partitions
            .unwrap_or_else(|| Handle::current().worker_count());
        if count == 0 {
            return Err(SupervisorError::Invalid(SpecError::ZeroPartitions));
        }
        let table = Arc::new(Table::<C>::new(count));
        let children = (0..count).map(|partition| table.child((self.make)(partition), partition));
        let mut supervisor = Supervisor::one_for_one()
            .within(&self.options, "partitions, one_for_one")
            .intensity(self.settings.intensity, self.settings.period)
            .children(children);
        if let Some(backoff) = self.settings.backoff {
            supervisor = supervisor.backoff(backoff);
        }
        if let Some(name) = self.name {
            supervisor = supervisor.name(name);
        }
        Ok((supervisor, table))
    }
}

impl<C> Clone for PartitionSupervisor<C> {
    fn clone(&self) -> Self {
        PartitionSupervisor {
            make: self.make.clone(),
            partitions: self.partitions,
            settings: self.settings.clone(),
            name: self.name.clone(),
            options: self.options.clone(),
        }
    }
}

impl<C> From<PartitionSupervisor<C>> for ChildSpec
where
    C: Child + Send + 'static,
    C::Handle: Clone + Send + Sync + 'static,
{
    fn from(supervisor: PartitionSupervisor<C>) -> ChildSpec {
        let (options, name) = (supervisor.options.clone(), supervisor.name.clone());
        let start = start_fn(move || {
            let starting = supervisor.clone().start_link();
            async move {
                let handle = starting.await?;
                Ok::<_, SupervisorError>(ChildHandle::with_info(handle.pid(), handle))
            }
        });
        options.into_spec(ChildKind::Supervisor, name, "PartitionSupervisor", start)
    }
}

impl<C> Child for PartitionSupervisor<C>
where
    C: Child + Send + 'static,
    C::Handle: Clone + Send + Sync + 'static,
{
    type Handle = PartitionsHandle<C>;

    fn handle(started: ChildHandle) -> Option<PartitionsHandle<C>> {
        started.into_info()
    }
}

impl<C> fmt::Debug for PartitionSupervisor<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionSupervisor")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The partitions of one life of a supervisor.
struct Table<C: Child> {
    /// By number, the handle on the partition that was started last.
    slots: Vec<RwLock<Option<C::Handle>>>,
    /// How many of them are in use.
    active: AtomicUsize,
    /// Somebody changes that number.
    resizing: AtomicBool,
}

impl<C> Table<C>
where
    C: Child + Send + 'static,
    C::Handle: Clone + Send + Sync + 'static,
{
    fn new(count: usize) -> Table<C> {
        Table {
            slots: (0..count).map(|_| RwLock::new(None)).collect(),
            active: AtomicUsize::new(count),
            resizing: AtomicBool::new(false),
        }
    }

    /// The child of one partition; each start notes its handle here.
    fn child(self: &Arc<Self>, child: C, partition: usize) -> ChildSpec {
        let mut spec: ChildSpec = child.into().id(partition.to_string());
        let Some(start) = spec.start.take() else {
            return spec;
        };
        let table = Arc::clone(self);
        spec.start = Some(start_fn(move || {
            // In the supervisor's process, which is how others find the table.
            lives().enter(self_pid(), &table);
            let (starting, table) = (start.start(), Arc::clone(&table));
            async move {
                let started = starting.await?;
                let slot = &table.slots[partition];
                *slot.write().unwrap_or_else(PoisonError::into_inner) = C::handle(started.clone());
                Ok::<_, rekindle_actor::StartError>(started)
            }
        }));
        spec
    }

    fn get(&self, key: &(impl PartitionKey + ?Sized)) -> Result<C::Handle, RouteError> {
        let active = self.active.load(Ordering::Acquire);
        if active == 0 {
            return Err(RouteError::NoPartitions);
        }
        let partition = key.partition(active);
        let slot = self.slots[partition].read();
        let handle = slot.unwrap_or_else(PoisonError::into_inner).clone();
        handle.ok_or(RouteError::NotRunning(partition))
    }
}

/// The tables of the partition supervisors that live, by the supervisor's pid.
struct Lives(Mutex<BTreeMap<Pid, Weak<dyn Any + Send + Sync>>>);

fn lives() -> &'static Lives {
    static LIVES: Lives = Lives(Mutex::new(BTreeMap::new()));
    &LIVES
}

impl Lives {
    fn enter<C>(&self, supervisor: Pid, table: &Arc<Table<C>>)
    where
        C: Child + Send + 'static,
        C::Handle: Send + Sync,
    {
        let mut lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !lives.contains_key(&supervisor) {
            // The dead are swept when somebody is born.
            lives.retain(|_, table| table.strong_count() > 0);
            let table: Arc<dyn Any + Send + Sync> = table.clone();
            lives.insert(supervisor, Arc::downgrade(&table));
        }
    }

    fn find<C>(&self, supervisor: Pid) -> Option<Arc<Table<C>>>
    where
        C: Child + Send + 'static,
        C::Handle: Send + Sync,
    {
        let lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lives.get(&supervisor)?.upgrade()?.downcast().ok()
    }
}

/// A handle on one life of a partition supervisor.
///
/// It keeps nothing alive; when the supervisor is restarted, this handle is on the one that died:
/// find the new one by [`whereis`](Self::whereis).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::Agent;
/// use rekindle_supervisor::{
///     AgentChild, AgentChildBuilder, PartitionSupervisor, PartitionsHandle, Supervisor,
/// };
///
/// let hits = PartitionSupervisor::new("hits", Agent::child(|| 0_u64)).partitions(4);
/// let tree = Supervisor::one_for_one().child(hits).start_link().await.unwrap();
/// // Found by its name, wherever one is; the type says what the partitions are.
/// let hits = PartitionsHandle::<AgentChildBuilder<u64>>::whereis("hits").unwrap();
/// for page in ["/", "/about", "/"] {
///     hits.get(page).unwrap().update(|n| *n += 1).await.unwrap();
/// }
/// assert!(hits.get("/").unwrap().get(|n| *n).await.unwrap() >= 2);
/// assert_eq!(hits.partitions(), Ok(4));
/// # });
/// ```
pub struct PartitionsHandle<C: Child> {
    supervisor: SupervisorHandle,
    table: Arc<Table<C>>,
}

impl<C> PartitionsHandle<C>
where
    C: Child + Send + 'static,
    C::Handle: Clone + Send + Sync + 'static,
{
    /// The handle on the partition supervisor that holds a name now, if its partitions are of this
    /// type.
    #[must_use]
    pub fn whereis(name: &str) -> Option<PartitionsHandle<C>> {
        let pid = whereis(name)?;
        Some(PartitionsHandle {
            supervisor: SupervisorHandle::from_pid(pid)?,
            table: lives().find(pid)?,
        })
    }

    /// The supervisor's process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.supervisor.pid()
    }

    /// The handle on the partition of a key: the child that was started last there.
    ///
    /// # Errors
    ///
    /// If the supervisor is gone, has no partitions in use, or this one could not be started.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, ExitReason, exit, sleep};
    /// use rekindle_supervisor::{AgentChild, PartitionSupervisor};
    /// use std::time::Duration;
    ///
    /// let carts = PartitionSupervisor::new("carts", Agent::child(Vec::<u32>::new)).partitions(2);
    /// let carts = carts.start_link().await.unwrap();
    /// let before = carts.get(&17).unwrap();
    /// exit(before.pid().unwrap(), ExitReason::Kill);
    /// sleep(Duration::from_millis(1)).await;
    /// // Ask each time: the same key leads to the process that has taken the place.
    /// let after = carts.get(&17).unwrap();
    /// assert!(!before.is_alive() && after.is_alive());
    /// # });
    /// ```
    pub fn get(&self, key: &(impl PartitionKey + ?Sized)) -> Result<C::Handle, RouteError> {
        if !is_alive(self.pid()) {
            return Err(RouteError::NoProc);
        }
        self.table.get(key)
    }

    /// How many partitions are in use.
    ///
    /// # Errors
    ///
    /// If the supervisor is gone.
    pub fn partitions(&self) -> Result<usize, RouteError> {
        match is_alive(self.pid()) {
            true => Ok(self.table.active.load(Ordering::Acquire)),
            false => Err(RouteError::NoProc),
        }
    }

    /// Puts this many partitions in use: those from there on are stopped, or started again
    /// (PART-007). Keys lead to other partitions from now on.
    ///
    /// # Errors
    ///
    /// See [`ResizeError`].
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    /// use rekindle_supervisor::{AgentChild, PartitionSupervisor};
    ///
    /// let parts = PartitionSupervisor::new("parts", Agent::child(|| 0)).partitions(8);
    /// let parts = parts.start_link().await.unwrap();
    /// parts.resize(2).await.unwrap(); // at night
    /// assert_eq!(parts.count_children().await.unwrap().active, 2);
    /// let least = parts.get(&6).unwrap();
    /// assert_eq!(least.pid(), parts.get(&0).unwrap().pid()); // 6 modulo 2
    /// parts.resize(8).await.unwrap();
    /// assert_eq!(parts.partitions(), Ok(8));
    /// # });
    /// ```
    pub async fn resize(&self, count: usize) -> Result<(), ResizeError> {
        let most = self.table.slots.len();
        if count > most {
            return Err(ResizeError::TooMany { asked: count, most });
        }
        if self.table.resizing.swap(true, Ordering::AcqRel) {
            return Err(ResizeError::InProgress);
        }
        let _done = Resizing(&self.table.resizing);
        let before = self.table.active.load(Ordering::Acquire);
        // Nobody is led to a partition that is about to stop, or that does not run yet.
        self.table
            .active
            .store(count.min(before), Ordering::Release);
        for partition in count..before {
            let stopped = self.supervisor.terminate_child(partition.to_string()).await;
            stopped.map_err(ResizeError::Stop)?;
        }
        for partition in before..count {
            match self.supervisor.restart_child(partition.to_string()).await {
                Ok(_) | Err(RestartChildError::Running) => {}
                Err(error) => return Err(ResizeError::Start(error)),
            }
            self.table.active.store(partition + 1, Ordering::Release);
        }
        Ok(())
    }

    /// The partitions; their ids are their numbers (PART-005).
    ///
    /// # Errors
    ///
    /// If the supervisor does not answer.
    #[track_caller]
    pub fn which_children(
        &self,
    ) -> impl Future<Output = Result<Vec<ChildEntry>, CallError>> + Send + use<C> {
        self.supervisor.which_children()
    }

    /// How many partitions there are.
    ///
    /// # Errors
    ///
    /// If the supervisor does not answer.
    #[track_caller]
    pub fn count_children(
        &self,
    ) -> impl Future<Output = Result<ChildCount, CallError>> + Send + use<C> {
        self.supervisor.count_children()
    }

    /// Stops the supervisor, after its partitions, and waits for it (PART-008).
    pub fn stop(&self) -> StopSupervisor {
        self.supervisor.stop()
    }
}

struct Resizing<'a>(&'a AtomicBool);

impl Drop for Resizing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<C: Child> Clone for PartitionsHandle<C> {
    fn clone(&self) -> Self {
        PartitionsHandle {
            supervisor: self.supervisor.clone(),
            table: Arc::clone(&self.table),
        }
    }
}

impl<C: Child> fmt::Debug for PartitionsHandle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionsHandle")
            .field("supervisor", &self.supervisor)
            .field("partitions", &self.table.active)
            .finish_non_exhaustive()
    }
}

/// Why a key leads nowhere.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{AgentChild as _, PartitionSupervisor, RouteError};
/// use rekindle_actor::Agent;
///
/// let parts = PartitionSupervisor::new("parts", Agent::child(|| 0)).partitions(2).start_link().await.unwrap();
/// assert!(parts.get("some key").is_ok());
/// parts.stop().await.unwrap();
/// assert!(matches!(parts.get("some key"), Err(RouteError::NoProc)));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// The supervisor is gone.
    NoProc,
    /// It has no partitions in use.
    NoPartitions,
    /// This partition has never been started: its init chose not to.
    NotRunning(usize),
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::NoProc => f.write_str("the partition supervisor does not exist"),
            RouteError::NoPartitions => f.write_str("no partition is in use"),
            RouteError::NotRunning(number) => write!(f, "partition {number} does not run"),
        }
    }
}

impl std::error::Error for RouteError {}

/// Why the number of partitions was not changed, or not wholly.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{AgentChild as _, PartitionSupervisor, ResizeError};
/// use rekindle_actor::Agent;
///
/// let parts = PartitionSupervisor::new("parts", Agent::child(|| 0)).partitions(2).start_link().await.unwrap();
/// parts.resize(1).await.unwrap();
/// assert_eq!(parts.partitions(), Ok(1));
/// assert!(matches!(parts.resize(3).await, Err(ResizeError::TooMany { asked: 3, most: 2 })));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ResizeError {
    /// There are never more than the supervisor was started with.
    TooMany {
        /// What was asked for.
        asked: usize,
        /// What there may be.
        most: usize,
    },
    /// Somebody else changes the number just now.
    InProgress,
    /// A partition could not be stopped.
    Stop(TerminateChildError),
    /// A partition did not start; those before it are in use.
    Start(RestartChildError),
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResizeError::TooMany { asked, most } => {
                write!(f, "{asked} partitions are more than the {most} there are")
            }
            ResizeError::InProgress => f.write_str("the number of partitions is being changed"),
            ResizeError::Stop(error) => write!(f, "a partition could not be stopped: {error}"),
            ResizeError::Start(error) => write!(f, "a partition did not start: {error}"),
        }
    }
}

impl std::error::Error for ResizeError {}

/// What leads to a partition.
///
/// Implement it for a key of one's own, to say what must come together:
///
/// ```
/// use rekindle_supervisor::PartitionKey;
///
/// struct Order { customer: u64, number: u32 }
///
/// impl PartitionKey for Order {
///     fn partition(&self, count: usize) -> usize {
///         self.customer.partition(count) // all orders of one customer, in their order
///     }
/// }
///
/// let (first, second) = (Order { customer: 17, number: 1 }, Order { customer: 17, number: 2 });
/// assert_eq!(first.partition(4), 1);
/// assert_eq!(second.partition(4), first.partition(4));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key of a partition",
    note = "pass an integer, a string, a pid, or anything that can be hashed as `ByHash(value)`"
)]
pub trait PartitionKey {
    /// Which of so many; there is at least one.
    fn partition(&self, count: usize) -> usize;
}

/// A key that goes by its hash, which is the same in every run of one build.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::Agent;
/// use rekindle_supervisor::{AgentChild, ByHash, PartitionSupervisor};
///
/// #[derive(Hash)]
/// struct Seat { row: u8, number: u16 }
///
/// let seats = PartitionSupervisor::new("seats", Agent::child(|| 0)).partitions(8);
/// let seats = seats.start_link().await.unwrap();
/// let seat = || ByHash(Seat { row: 12, number: 3 });
/// let partition = seats.get(&seat()).unwrap();
/// assert_eq!(seats.get(&seat()).unwrap().pid(), partition.pid());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByHash<T>(pub T);

fn by_hash(value: &(impl Hash + ?Sized), count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    (hasher.finish() % count as u64) as usize
}

impl<T: Hash> PartitionKey for ByHash<T> {
    fn partition(&self, count: usize) -> usize {
        by_hash(&self.0, count)
    }
}

impl PartitionKey for str {
    fn partition(&self, count: usize) -> usize {
        by_hash(self, count)
    }
}

impl PartitionKey for String {
    fn partition(&self, count: usize) -> usize {
        self.as_str().partition(count)
    }
}

impl PartitionKey for Pid {
    fn partition(&self, count: usize) -> usize {
        by_hash(self, count)
    }
}

impl<K: PartitionKey + ?Sized> PartitionKey for &K {
    fn partition(&self, count: usize) -> usize {
        (**self).partition(count)
    }
}

macro_rules! integer_keys {
    ($($unsigned:ty, $signed:ty;)*) => {$(
        impl PartitionKey for $unsigned {
            fn partition(&self, count: usize) -> usize {
                (u128::from_le_bytes(widen(self.to_le_bytes())) % count as u128) as usize
            }
        }

        impl PartitionKey for $signed {
            fn partition(&self, count: usize) -> usize {
                self.unsigned_abs().partition(count)
            }
        }
    )*};
}
integer_keys! {
    u8, i8;
    u16, i16;
    u32, i32;
    u64, i64;
    u128, i128;
    usize, isize;
}

fn widen<const N: usize>(bytes: [u8; N]) -> [u8; 16] {
    let mut wide = [0; 16];
    wide[..N].copy_from_slice(&bytes);
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_their_own_numbers() {
        assert_eq!(7_u8.partition(4), 3);
        assert_eq!((-7_i32).partition(4), 3);
        assert_eq!(i64::MIN.partition(3), (1_u64 << 63) as usize % 3);
        assert_eq!(u128::MAX.partition(10), 5);
        assert_eq!(0_usize.partition(1), 0);
    }

    #[test]
    fn other_keys_go_by_their_hash() {
        assert_eq!("a key".partition(7), String::from("a key").partition(7));
        assert_eq!(ByHash(("a", 1)).partition(7), ByHash(("a", 1)).partition(7));
        assert!(
            (0..100)
                .map(|n| format!("{n}").partition(7))
                .all(|number| number < 7)
        );
        let used: std::collections::BTreeSet<_> =
            (0..100).map(|n| format!("{n}").partition(7)).collect();
        assert_eq!(used.len(), 7, "all are used");
    }
}
