//! Starting a registry, and the processes behind it.
//!
//! | process    | is                                                                              |
//! |------------|---------------------------------------------------------------------------------|
//! | [`Server`] | the registry: holds the table, has the name; the parent of the keepers          |
//! | [`Keeper`] | one for each partition; the holders of the partition's keys are linked with it  |
//!
//! Neither is on the way of an operation: those work on the table at once, in the process that asks.
//! They are there so that the registry has a life: if it dies, its holders do (REG-018), and a
//! supervisor can start it again.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use super::Registry;
use super::kind::{Duplicate, RegistryKind};
use super::listener::{Listener, RegistryEvent};
use super::meta::{Meta, MetaKey};
use super::table::{Blueprint, Table};
use super::{RegistryKey, RegistryValue};
use crate::ambient::trap_exit;
use crate::behaviour::{
    Addr, Context, GenServer, Init, Never, Next, StartError, StartFuture, Step,
};
use crate::exit::ExitReason;
use crate::mailbox::Info;
use crate::pid::Pid;
use crate::process::{self, Owner};
use crate::recipient::Recipient;
use crate::sys::Stop;

/// A registry to be started: [`start_link`](Self::start_link) it, or make it the child of a
/// supervisor. Made by [`Registry::unique`] and [`Registry::duplicate`].
///
/// Defaults: no name, one partition, no listeners, no metadata.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{MetaKey, Registry, StartRegistry, Unique};
///
/// const GREETING: MetaKey<&str> = MetaKey::new("greeting");
///
/// let plan: StartRegistry<u32, (), Unique> = Registry::unique()
///     .name("rooms")
///     .partitions(4)
///     .meta(GREETING, "welcome");
/// // It can be used again, as a supervisor does.
/// for _life in 0..2 {
///     let rooms = plan.clone().start_link().await.unwrap();
///     assert_eq!(rooms.meta(GREETING), Ok(Some("welcome")));
///     rooms.stop().await.unwrap();
/// }
/// # });
/// ```
#[must_use = "a registry is nothing until it is started, or made a child"]
pub struct StartRegistry<K, V, Kind> {
    plan: Plan<K, V>,
    limit: Option<Duration>,
    at: &'static Location<'static>,
    kind: PhantomData<fn() -> Kind>,
}

/// What the server makes its table of. Not `Clone`, because deriving it would ask too much.
pub(super) struct Plan<K, V> {
    name: Option<Arc<str>>,
    partitions: NonZeroUsize,
    by_pid: bool,
    meta: Meta,
    listeners: Vec<Listener<K, V>>,
}

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> StartRegistry<K, V, Kind> {
    #[track_caller]
    pub(super) fn new() -> Self {
        StartRegistry {
            plan: Plan {
                name: None,
                partitions: NonZeroUsize::MIN,
                by_pid: !Kind::UNIQUE,
                meta: Meta::default(),
                listeners: Vec::new(),
            },
            limit: None,
            at: Location::caller(),
            kind: PhantomData,
        }
    }

    /// Registers the registry under this name: [`Registry::named`] finds it.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.plan.name = Some(name.into());
        self
    }

    /// The name, if one was given.
    #[must_use]
    pub fn get_name(&self) -> Option<&Arc<str>> {
        self.plan.name.as_ref()
    }

    /// Spreads holders over this many processes of the registry; 0 counts as 1, which is the
    /// default. What operations do stays the same (REG-019).
    ///
    /// Operations do not need it in order not to meet: the maps are sharded anyway. It spreads the
    /// signals of holders that come and go, and
    /// [`dispatch_parallel`](Registry::dispatch_parallel) runs once for each partition.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.plan.partitions = NonZeroUsize::new(partitions).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Tells somebody about every `register` and `unregister`: see [`RegistryEvent`].
    ///
    /// For a generic server that is restarted, pass
    /// [`Name::recipient`](crate::Name::recipient).
    ///
    /// # Delivery
    ///
    /// From the process that registers, when it has done so; in order for each such process, at
    /// most once, and without a word if nobody listens.
    pub fn listener(mut self, recipient: Recipient<RegistryEvent<K, V>>) -> Self
    where
        K: Clone,
        V: Clone,
    {
        self.plan.listeners.push(Listener::new(recipient));
        self
    }

    /// As [`listener`](Self::listener), for whichever process holds a name when there is something
    /// to tell. It must be a process whose messages are [`RegistryEvent`]s.
    pub fn listener_named(mut self, name: impl Into<Arc<str>>) -> Self
    where
        K: Clone,
        V: Clone,
    {
        self.plan.listeners.push(Listener::named(name.into()));
        self
    }

    /// Gives the registry a piece of metadata from the start, and after each restart.
    pub fn meta<T: Send + Sync + 'static>(self, key: MetaKey<T>, value: T) -> Self {
        self.plan.meta.put(key, value);
        self
    }

    /// Kills the registry if it does not start in this time, and fails with
    /// [`StartError::Timeout`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Says where the registry was asked for, for reports and
    /// [`ProcessInfo`](crate::ProcessInfo). By default that is where this value was made.
    pub fn spawned_at(mut self, at: &'static Location<'static>) -> Self {
        self.at = at;
        self
    }

    /// Starts the registry, linked with the running process. Await the result.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn start_link(self) -> StartingRegistry<K, V, Kind> {
        self.launch(true)
    }

    /// Starts the registry without a link. Await the result.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn start(self) -> StartingRegistry<K, V, Kind> {
        self.launch(false)
    }

    #[track_caller]
    fn launch(self, link: bool) -> StartingRegistry<K, V, Kind> {
        let name = self.plan.name.clone();
        let mut start = match link {
            true => Server::<K, V, Kind>::start_link(self.plan),
            false => Server::<K, V, Kind>::start(self.plan),
        };
        if let Some(name) = name {
            start = start.name(name);
        }
        if let Some(limit) = self.limit {
            start = start.timeout(limit);
        }
        start = start.spawned_at(self.at);
        StartingRegistry(start.into_future())
    }
}

impl<K: RegistryKey, V: RegistryValue> StartRegistry<K, V, Duplicate> {
    /// Keeps all entries of a key in one partition. By default an entry is in the partition of its
    /// process: better for few keys with many entries each, while this is better for many keys with
    /// few entries each.
    pub fn by_key(mut self) -> Self {
        self.plan.by_pid = false;
        self
    }
}

impl<K, V, Kind> Clone for StartRegistry<K, V, Kind> {
    fn clone(&self) -> Self {
        StartRegistry {
            plan: Plan {
                name: self.plan.name.clone(),
                partitions: self.plan.partitions,
                by_pid: self.plan.by_pid,
                meta: self.plan.meta.clone(),
                listeners: self.plan.listeners.clone(),
            },
            limit: self.limit,
            at: self.at,
            kind: PhantomData,
        }
    }
}

impl<K, V, Kind> fmt::Debug for StartRegistry<K, V, Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartRegistry")
            .field("name", &self.plan.name)
            .field("partitions", &self.plan.partitions)
            .field("listeners", &self.plan.listeners.len())
            .finish_non_exhaustive()
    }
}

/// A start of a registry that waits for the registry to be there.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Registry, StartingRegistry, Unique};
///
/// let starting: StartingRegistry<u32, (), Unique> = Registry::unique().name("rooms").start();
/// let by_name = Registry::<u32, ()>::named("rooms");
/// assert!(by_name.count().is_err(), "it has only begun to start");
/// let rooms = starting.await.unwrap();
/// assert_eq!(by_name.pid(), rooms.pid());
/// # });
/// ```
#[must_use = "await this to learn whether the start succeeded"]
pub struct StartingRegistry<K: RegistryKey, V: RegistryValue, Kind: RegistryKind>(
    StartFuture<Server<K, V, Kind>>,
);

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> Future for StartingRegistry<K, V, Kind> {
    type Output = Result<Registry<K, V, Kind>, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|started| {
            let addr = started?;
            // It may have been killed since.
            let table = table_of(&addr).ok_or(StartError::Failed(ExitReason::NoProc))?;
            Ok(Registry::life(addr.pid(), table))
        })
    }
}

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> fmt::Debug
    for StartingRegistry<K, V, Kind>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartingRegistry").field(&self.0).finish()
    }
}

/// The table of a registry that runs.
pub(super) fn table_of<K: RegistryKey, V: RegistryValue, Kind: RegistryKind>(
    addr: &Addr<Server<K, V, Kind>>,
) -> Option<Arc<Table<K, V>>> {
    process::published(addr.process())
}

/// The process that is a registry.
pub(super) struct Server<K: RegistryKey, V: RegistryValue, Kind> {
    table: Arc<Table<K, V>>,
    keepers: Box<[Pid]>,
    kind: PhantomData<fn() -> Kind>,
}

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> GenServer for Server<K, V, Kind> {
    type Args = Plan<K, V>;
    type Call = Never;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(plan: Plan<K, V>, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        trap_exit(true);
        let mut keepers = Vec::new();
        for _ in 0..plan.partitions.get() {
            keepers.push(Keeper::start_link(()).await?.pid());
        }
        let keepers: Box<[Pid]> = keepers.into();
        let table = Arc::new(Table::new(Blueprint {
            name: plan.name,
            partitions: keepers.clone(),
            unique: Kind::UNIQUE,
            by_pid: plan.by_pid,
            meta: plan.meta,
            listeners: plan.listeners,
        }));
        let shown = table.clone();
        Owner::current(|owner| owner.map(|owner| owner.publish(Some(shown))));
        Ok(Init::Ready(Server {
            table,
            keepers,
            kind: PhantomData,
        }))
    }

    async fn handle_info(&mut self, info: Info<Never>, cx: &mut Context<Self>) -> Step<Self> {
        match info {
            // Holders are linked with the keeper that has died: without it, nobody could say to
            // them that the registry is gone.
            Info::Exit(exit) if self.keepers.contains(&exit.from) => Ok(Next::Stop(exit.reason)),
            Info::Exit(_) => Ok(Next::Wait),
            other => cx.unexpected(other),
        }
    }

    /// Ends the keepers, and by that the holders, as a supervisor ends its children.
    async fn terminate(&mut self, _reason: &ExitReason, _cx: &mut Context<Self>) {
        self.table.close();
        for keeper in &self.keepers {
            // Whatever comes of it: the keeper is gone then.
            let _ = Stop::new(*keeper).reason(ExitReason::Shutdown).await;
        }
    }
}

impl<K: RegistryKey, V: RegistryValue, Kind> Drop for Server<K, V, Kind> {
    fn drop(&mut self) {
        // Perhaps it was killed.
        self.table.close();
        Owner::current(|owner| owner.map(|owner| owner.publish(None)));
    }
}

impl<K: RegistryKey, V: RegistryValue, Kind> fmt::Debug for Server<K, V, Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.table.name)
            .field("keepers", &self.keepers)
            .finish_non_exhaustive()
    }
}

/// The process with which the holders of one partition are linked.
struct Keeper;

impl GenServer for Keeper {
    type Args = ();
    type Call = Never;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init((): (), _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        trap_exit(true);
        Ok(Init::Ready(Keeper))
    }

    async fn handle_info(&mut self, info: Info<Never>, cx: &mut Context<Self>) -> Step<Self> {
        match info {
            // A holder has ended, and has taken its entries with it.
            Info::Exit(_) => Ok(Next::Wait),
            other => cx.unexpected(other),
        }
    }
}
