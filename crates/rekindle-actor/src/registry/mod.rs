//! The registry: processes by keys of any type, with values.
//!
//! In reading order: `kind`, `errors`, this file (the handle), `table` (what is kept, and why no
//! lock is held over a user's code) with its parts `keyed`, `few` and `kept`, `start` (the processes
//! behind a registry), `via`, `lock`, `listener`, `meta`.

mod errors;
mod holder;
mod kept;
mod keyed;
mod kind;
mod listener;
mod lock;
mod meta;
mod start;
mod statem_via;
mod table;
mod via;

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

pub use errors::{DispatchError, LockError, NoRegistry, RegistrationError, UpdateError};
pub use kind::{Duplicate, RegistryKind, Unique};
pub use listener::RegistryEvent;
pub use meta::MetaKey;
pub use start::{StartRegistry, StartingRegistry};
pub use statem_via::{StatemVia, StatemViaValue};
pub use via::{Registration, Via, ViaValue};

use crate::behaviour::{GenServer, GenStatem, Name, StartError};
use crate::link::within;
use crate::names;
use crate::pid::Pid;
use crate::sys::{Stop, StopError};
use crate::task::Task;
use kept::Kept;
use lock::Acquire;
use start::{Server, table_of};
use table::{Held, Table};

/// What can be a registry's key: anything that can be hashed and compared, and shared.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Registry, self_pid};
///
/// #[derive(PartialEq, Eq, Hash)]
/// enum Place { Table(u32), Bar }
///
/// let guests = Registry::<Place, &str>::unique().start().await.unwrap();
/// guests.register(Place::Table(7), "ada").unwrap();
/// assert_eq!(guests.whereis(&Place::Table(7)), Ok(Some(self_pid())));
/// assert_eq!(guests.whereis(&Place::Bar), Ok(None));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a registry's key",
    note = "derive `Hash`, `PartialEq` and `Eq` for it; it must be `Send + Sync + 'static` as well, for every process may look it up"
)]
pub trait RegistryKey: Hash + Eq + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<K: Hash + Eq + Send + Sync + 'static> RegistryKey for K {}

/// What can be a registry's value: anything that can be shared.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::Registry;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// // Whoever looks the entry up sees the value itself, if that is shared.
/// let visits = Registry::<&str, AtomicU32>::unique().start().await.unwrap();
/// visits.register("museum", AtomicU32::new(0)).unwrap();
/// for _ in 0..3 {
///     let count = |entries: &[(_, &AtomicU32)]| drop(entries[0].1.fetch_add(1, Ordering::Relaxed));
///     visits.dispatch("museum", count).unwrap();
/// }
/// let seen = visits.count_match("museum", |count| count.load(Ordering::Relaxed) == 3);
/// assert_eq!(seen, Ok(1));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a registry's value",
    note = "a value is seen by every process: it must be `Send + Sync + 'static`; put a `Mutex` around what is not `Sync`"
)]
pub trait RegistryValue: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<V: Send + Sync + 'static> RegistryValue for V {}

/// A handle on a registry: a store in which processes register themselves under keys, with values,
/// and are found by whoever knows the key.
///
/// A *name* ([`register`](crate::register)) is a string, one for a process. A *key* is a value of
/// any type `K`, a process may hold many, and each entry carries a value of a type `V`. An entry
/// belongs to the process that made it, and vanishes with it: whoever sees the process's
/// [`Down`](crate::Down) finds its keys free (REG-007).
///
/// There are two kinds. With *unique* keys, `Registry<K, V>`, a key has at most one entry, and finds
/// a server. With *duplicate* keys, `Registry<K, V, Duplicate>`, it has any number, and stands for a
/// topic, say. What makes sense for unique keys only (`via`, `update_value`, `get`, `whereis`) does
/// not exist for the other kind (REG-013).
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Registry, RegistrationError, self_pid};
///
/// let rooms = Registry::<String, u32>::unique().start_link().await.unwrap();
/// rooms.register("kitchen".to_owned(), 4).unwrap();
/// assert_eq!(rooms.lookup("kitchen"), Ok(vec![(self_pid(), 4)]));
///
/// let taken = rooms.register("kitchen".to_owned(), 5);
/// assert_eq!(taken, Err(RegistrationError::AlreadyRegistered(self_pid())));
/// # });
/// ```
///
/// # Typed handles as values
///
/// A pid says nothing of what a process understands. So let the value be a handle: the registry then
/// gives something to talk to. With [`Addr<G>`](crate::Addr) as the value, [`via`](Registry::via)
/// starts servers under keys and finds them. With [`Recipient<M>`](crate::Recipient) it is publish
/// and subscribe, for subscribers of any kind:
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Duplicate, Mailbox, Recipient, Registry, spawn};
///
/// type Topics = Registry<&'static str, Recipient<String>, Duplicate>;
///
/// let topics: Topics = Registry::duplicate().start_link().await.unwrap();
/// let news = topics.clone();
/// let reader = spawn(move |mut inbox: Mailbox<String>| async move {
///     news.register("rust", inbox.recipient()).unwrap();
///     inbox.recv().await
/// #   ; news.put_meta(rekindle_actor::MetaKey::new("seen"), true).unwrap();
/// });
/// # while topics.count() != Ok(1) { rekindle_actor::yield_now().await; }
///
/// topics
///     .dispatch("rust", |subscribers| {
///         for (_pid, subscriber) in subscribers {
///             subscriber.send("a new release".to_owned());
///         }
///     })
///     .unwrap();
/// # while topics.meta(rekindle_actor::MetaKey::new("seen")) != Ok(Some(true)) { rekindle_actor::yield_now().await; }
/// # });
/// ```
///
/// # What operations give
///
/// Each operation works at once, in the process that asks, without a message. Each gives an `Err` if
/// there is no such registry ([`NoRegistry`]): an empty answer is never given in its place. What
/// looks at many entries (`lookup`, `select`, `keys`, ..) sees each that was there all the time, and
/// may or may not see one that comes or goes meanwhile. The entries of a key come in the order in
/// which they were registered; otherwise there is no order, but under the simulator it is the same
/// in each run.
///
/// No lock is held while code of yours runs: hashing, comparing, cloning or dropping keys and
/// values, predicates, what is dispatched. That code may panic, and may use the registry. A panic
/// is the panic of the process that asked; one in a drop is logged, and goes no further.
///
/// # Life and names
///
/// A registry is a process, with one more for each partition. [`Registry::named`] is a handle on
/// whichever registry holds a name, also after a restart; what a start gives is a handle on that one
/// life. A process that registers is linked with the registry for as long as it holds a key
/// (REG-018): if the registry crashes, its holders do, and start again with it. That is what makes
/// its content right after a restart. A holder that traps exits survives, gets an `Exit`, and must
/// register anew. Stopping a registry ends its holders with `Shutdown`.
///
/// # Supervision
///
/// With `rekindle-supervisor` a [`StartRegistry`] is a child as it stands; put it before those who
/// use it: `Supervisor::rest_for_one().child(Registry::<String, ()>::unique().name("rooms"))`.
///
/// # Timeouts
///
/// There are none: no operation waits. Starting a server under a key waits for its `init`, as any start.
///
/// # Debugging
///
/// [`count`](Registry::count), [`select`](Registry::select) and [`keys`](Registry::keys) look into the
/// table at once. [`info`](crate::info()) of a holder shows its link with the registry.
///
/// # When not to use this
/// For a handful of servers known beforehand, names are simpler. For something that all processes
/// read and one writes, a server or a shared map will do: entries here belong to processes. And a
/// registry does not outlive its program: it is no database.
pub struct Registry<K: RegistryKey, V: RegistryValue, Kind: RegistryKind = Unique> {
    target: Target<K, V, Kind>,
}

/// One life of a registry.
struct Life<K, V> {
    pid: Pid,
    table: Arc<Table<K, V>>,
}

/// What a handle is on.
enum Target<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> {
    Life(Life<K, V>),
    Named {
        name: Name<Server<K, V, Kind>>,
        /// What the name meant at the last look.
        last: Mutex<Option<Life<K, V>>>,
    },
}

impl<K: RegistryKey, V: RegistryValue> Registry<K, V> {
    /// A registry of unique keys, to be started.
    #[track_caller]
    pub fn unique() -> StartRegistry<K, V, Unique> {
        StartRegistry::new()
    }

    /// Who holds a key.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Registry, self_pid};
    ///
    /// let rooms = Registry::<String, u32>::unique().start().await.unwrap();
    /// rooms.register("kitchen".to_owned(), 4).unwrap();
    /// assert_eq!(rooms.whereis("kitchen"), Ok(Some(self_pid())));
    /// assert_eq!(rooms.whereis("cellar"), Ok(None));
    /// # });
    /// ```
    pub fn whereis<Q>(&self, key: &Q) -> Result<Option<Pid>, NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Ok(self.table()?.first(key).map(|held| held.pid))
    }

    /// The value under a key: a typed handle on its holder, if that is what the values are.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, Registry, ReplyTo, Sender, spawn};
    ///
    /// type Ask = ReplyTo<u32>;
    ///
    /// let sources = Registry::<&str, Sender<Ask>>::unique().start().await.unwrap();
    /// let registry = sources.clone();
    /// spawn(|mut inbox: Mailbox<Ask>| async move {
    ///     registry.register("seven", Sender::from_pid(inbox.pid()).unwrap()).unwrap();
    ///     inbox.recv().await.reply(7);
    /// });
    /// # while sources.count() != Ok(1) { rekindle_actor::yield_now().await; }
    /// let seven = sources.get("seven").unwrap().expect("it has registered");
    /// assert_eq!(seven.call(|from| from).await, Ok(7));
    /// # });
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        Ok(self.table()?.first(key).map(|held| (*held.value).clone()))
    }

    /// Replaces the value of the running process's entry by what `f` makes of it, and gives the new
    /// and the old one (REG-008). If `f` panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// If the running process does not hold the key; `f` is not run then.
    ///
    /// # Panics
    ///
    /// Outside of a process.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::{Registry, UpdateError};
    ///
    /// let loads = Registry::<&str, u32>::unique().start_link().await.unwrap();
    /// loads.register("worker", 1).unwrap();
    /// assert_eq!(loads.update_value("worker", |load| load + 1), Ok((2, 1)));
    /// let nobody = loads.update_value("other", |load| load + 1);
    /// assert_eq!(nobody, Err(UpdateError::NotRegistered(None)));
    /// # });
    /// ```
    #[track_caller]
    pub fn update_value<Q>(&self, key: &Q, f: impl FnOnce(&V) -> V) -> Result<(V, V), UpdateError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        within("Registry::update_value", |owner| {
            Ok(self.table()?.update(owner, key, f)?)
        })
    }

    /// A handle on whichever server holds a key, and the way to start one there: see [`Via`].
    pub fn via<G: GenServer>(&self, key: K) -> Via<K, V, G> {
        Via::new(self.clone(), Kept::new(key))
    }

    /// A handle on whichever state machine holds a key, and the way to start one under it: see
    /// [`StatemVia`].
    #[must_use]
    pub fn statem_via<M: GenStatem>(&self, key: K) -> StatemVia<K, V, M> {
        StatemVia::new(self.clone(), Kept::new(key))
    }

    /// Where a process that is no generic server is to be registered at its start: for
    /// [`Starter::via`](crate::Starter::via). `value` makes the value, in the new process.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::{Ack, ExitReason, Mailbox, Registry, Starter};
    ///
    /// let rooms = Registry::<u32, &str>::unique().start_link().await.unwrap();
    /// let echo = Starter::new("Echo").via(rooms.registration(1, |_pid| "echo")).start(
    ///     |mut inbox: Mailbox<String>, ack: Ack| async move {
    ///         ack.ready();
    ///         inbox.recv().await;
    ///         ExitReason::Normal
    ///     },
    /// );
    /// let echo = echo.await.unwrap();
    /// assert_eq!(rooms.lookup(&1), Ok(vec![(echo.pid(), "echo")]));
    /// # });
    /// ```
    pub fn registration(
        &self,
        key: K,
        value: impl Fn(Pid) -> V + Send + Sync + 'static,
    ) -> Registration {
        let (registry, key) = (self.clone(), Kept::new(key));
        Registration::new(move || -> Result<(), StartError> {
            let value = value(crate::ambient::self_pid());
            let registered = registry.register_kept(key.clone(), value);
            registered.map_err(holder::into_start_error)
        })
    }
}

impl<K: RegistryKey, V: RegistryValue> Registry<K, V, Duplicate> {
    /// A registry of duplicate keys, to be started.
    #[track_caller]
    pub fn duplicate() -> StartRegistry<K, V, Duplicate> {
        StartRegistry::new()
    }

    /// As [`dispatch`](Self::dispatch), at the same time for all partitions that have entries of the
    /// key: `f` runs once for each, in linked tasks. If there is but one, it runs in the caller
    /// (REG-015).
    ///
    /// # Errors
    ///
    /// If there is no such registry, or if `f` panicked, and the running process has survived that
    /// because it traps exits.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Duplicate, Registry};
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    ///
    /// static TOLD: AtomicUsize = AtomicUsize::new(0);
    ///
    /// let start = Registry::<&str, (), Duplicate>::duplicate().partitions(4);
    /// let topics = start.start().await.unwrap();
    /// # for _ in 0..8 {
    /// #     let topics = topics.clone();
    /// #     rekindle_actor::spawn(async move { topics.register("news", ()).unwrap(); std::future::pending::<()>().await });
    /// # }
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
    /// let told = topics.dispatch_parallel("news", |readers| {
    ///     // Runs once for each partition, with its part of them.
    ///     TOLD.fetch_add(readers.len(), Relaxed);
    /// });
    /// assert_eq!(told.await, Ok(()));
    /// assert_eq!(Ok(TOLD.load(Relaxed)), topics.count());
    /// # });
    /// ```
    pub async fn dispatch_parallel<Q, F>(&self, key: &Q, f: F) -> Result<(), DispatchError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        F: Fn(&[(Pid, &V)]) + Send + Sync + 'static,
    {
        let mut groups = self.table()?.lookup_by_partition(key);
        if groups.len() <= 1 {
            if let Some(group) = groups.pop() {
                f(&refs(&group));
            }
            return Ok(());
        }
        let f = Arc::new(f);
        let tasks: Vec<Task<()>> = groups
            .into_iter()
            .map(|group| {
                let f = f.clone();
                Task::spawn(async move { f(&refs(&group)) })
            })
            .collect();
        let mut outcome = Ok(());
        for task in tasks {
            if let Err(reason) = task.await {
                outcome = Err(DispatchError::Failed(reason));
            }
        }
        outcome
    }
}

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> Registry<K, V, Kind> {
    /// A handle on whichever registry holds a name, in the runtime that runs when it is used. It
    /// survives restarts; there needs to be none yet.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::{NoRegistry, Registry};
    ///
    /// type Rooms = Registry<String, u32>;
    ///
    /// let rooms = Rooms::named("rooms");
    /// assert_eq!(rooms.count(), Err(NoRegistry::Unknown("rooms".into())));
    /// Rooms::unique().name("rooms").start_link().await.unwrap();
    /// assert_eq!(rooms.count(), Ok(0));
    /// # });
    /// ```
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Registry<K, V, Kind> {
        Registry {
            target: Target::Named {
                name: Name::new(name),
                last: Mutex::new(None),
            },
        }
    }

    fn life(pid: Pid, table: Arc<Table<K, V>>) -> Self {
        Registry {
            target: Target::Life(Life { pid, table }),
        }
    }

    fn resolve(&self) -> Result<Life<K, V>, NoRegistry> {
        let (name, last) = match &self.target {
            Target::Life(life) if life.table.is_closed() => return Err(NoRegistry::Ended),
            Target::Life(life) => return Ok(life.clone()),
            Target::Named { name, last } => (name, last),
        };
        let Some(addr) = name.resolve() else {
            let forgotten = last.lock().take();
            drop(forgotten);
            let known: Arc<str> = name.as_str().into();
            return Err(match names::whereis(name.as_str()) {
                Some(pid) => NoRegistry::OtherType(known, pid),
                None => NoRegistry::Unknown(known),
            });
        };
        let known = last.lock().clone();
        let found = match known {
            Some(life) if life.pid == addr.pid() => Some(life.table),
            _ => table_of(&addr),
        };
        match found {
            Some(table) if !table.is_closed() => {
                let pid = addr.pid();
                let life = Life { pid, table };
                let forgotten = last.lock().replace(life.clone());
                drop(forgotten);
                Ok(life)
            }
            // It has its name, and is about to begin, or to end.
            _ => Err(NoRegistry::Unknown(name.as_str().into())),
        }
    }

    fn table(&self) -> Result<Arc<Table<K, V>>, NoRegistry> {
        self.resolve().map(|life| life.table)
    }

    /// The registry's process.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn pid(&self) -> Result<Pid, NoRegistry> {
        self.resolve().map(|life| life.pid)
    }

    /// Stops the registry, and waits until it and its name are gone. Processes that hold keys get an
    /// exit signal with `Shutdown`.
    ///
    /// # Errors
    ///
    /// As for any [`Stop`]; `NoProc` if there is no such registry.
    pub async fn stop(&self) -> Result<(), StopError> {
        let pid = match &self.target {
            Target::Life(life) => life.pid,
            Target::Named { .. } => self.pid().map_err(|_| StopError::NoProc)?,
        };
        Stop::new(pid).await
    }

    /// Registers the running process under a key, with a value. It is linked with the registry while
    /// it holds a key.
    ///
    /// # Errors
    ///
    /// If the keys are unique and somebody holds this one, perhaps the process itself; or if there is
    /// no such registry. Nothing is left of the attempt.
    ///
    /// # Panics
    ///
    /// Outside of a process.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Registry, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let rooms = Registry::<&str, u32>::unique().start().await.unwrap();
    /// let registry = rooms.clone();
    /// spawn(async move {
    ///     registry.register("kitchen", 4).unwrap();
    ///     sleep(Duration::from_secs(10)).await;
    /// });
    /// sleep(Duration::from_secs(1)).await;
    /// assert_eq!(rooms.get("kitchen"), Ok(Some(4)));
    /// sleep(Duration::from_secs(10)).await;
    /// assert_eq!(rooms.get("kitchen"), Ok(None), "its holder has ended");
    /// # });
    /// ```
    #[track_caller]
    pub fn register(&self, key: K, value: V) -> Result<(), RegistrationError> {
        self.register_kept(Kept::new(key), value)
    }

    #[track_caller]
    fn register_kept(&self, key: Kept<K>, value: V) -> Result<(), RegistrationError> {
        within("Registry::register", |owner| {
            self.table()?.register(owner, key, value)
        })
    }

    /// Takes all entries of the running process under a key away. If there are none, nothing happens;
    /// nobody can unregister another process (REG-006).
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    ///
    /// # Panics
    ///
    /// Outside of a process.
    #[track_caller]
    pub fn unregister<Q>(&self, key: &Q) -> Result<(), NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        within("Registry::unregister", |owner| {
            self.table()?.unregister(owner, key, |_| true);
            Ok(())
        })
    }

    /// Takes those entries of the running process under a key away whose value `matches`; gives how
    /// many there were (REG-009). If `matches` panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    ///
    /// # Panics
    ///
    /// Outside of a process.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Duplicate, Registry};
    ///
    /// let readers = Registry::<&str, u32, Duplicate>::duplicate().start().await.unwrap();
    /// for since in [1990, 2005, 2020] {
    ///     readers.register("news", since).unwrap();
    /// }
    /// assert_eq!(readers.unregister_match("news", |since| *since < 2010), Ok(2));
    /// assert_eq!(readers.count(), Ok(1));
    /// # });
    /// ```
    #[track_caller]
    pub fn unregister_match<Q>(
        &self,
        key: &Q,
        matches: impl FnMut(&V) -> bool,
    ) -> Result<usize, NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        within("Registry::unregister_match", |owner| {
            Ok(self.table()?.unregister(owner, key, matches))
        })
    }

    /// The entries of a key: who has registered, with which value. None, if there are none.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Duplicate, Registry, self_pid};
    ///
    /// let readers = Registry::<&str, u32, Duplicate>::duplicate().start().await.unwrap();
    /// readers.register("news", 1).unwrap();
    /// readers.register("news", 2).unwrap();
    /// assert_eq!(readers.lookup("news"), Ok(vec![(self_pid(), 1), (self_pid(), 2)]));
    /// assert_eq!(readers.lookup("gossip"), Ok(vec![]));
    /// # });
    /// ```
    pub fn lookup<Q>(&self, key: &Q) -> Result<Vec<(Pid, V)>, NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        self.lookup_match(key, |_| true)
    }

    /// Those entries of a key whose value `matches` (REG-009).
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn lookup_match<Q>(
        &self,
        key: &Q,
        mut matches: impl FnMut(&V) -> bool,
    ) -> Result<Vec<(Pid, V)>, NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        let held = self.table()?.lookup(key);
        let matching = held.iter().filter(|held| matches(&held.value));
        Ok(matching
            .map(|held| (held.pid, (*held.value).clone()))
            .collect())
    }

    /// How many entries of a key have a value that `matches` (REG-009).
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn count_match<Q>(
        &self,
        key: &Q,
        mut matches: impl FnMut(&V) -> bool,
    ) -> Result<usize, NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let held = self.table()?.lookup(key);
        Ok(held.iter().filter(|held| matches(&held.value)).count())
    }

    /// What `f` makes of all entries, where it makes something (REG-010).
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::Registry;
    ///
    /// let rooms = Registry::<&str, u32>::unique().start_link().await.unwrap();
    /// rooms.register("kitchen", 4).unwrap();
    /// rooms.register("hall", 40).unwrap();
    /// let large = rooms.select(|key, _pid, seats| (*seats > 10).then(|| key.to_string()));
    /// assert_eq!(large, Ok(vec!["hall".to_owned()]));
    /// # });
    /// ```
    pub fn select<T>(
        &self,
        mut f: impl FnMut(&K, Pid, &V) -> Option<T>,
    ) -> Result<Vec<T>, NoRegistry> {
        let mut selected = Vec::new();
        self.table()?
            .each(|key, pid, value| selected.extend(f(key, pid, value)));
        Ok(selected)
    }

    /// How many of all entries `matches` holds for (REG-010).
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn count_select(
        &self,
        mut matches: impl FnMut(&K, Pid, &V) -> bool,
    ) -> Result<usize, NoRegistry> {
        let mut count = 0;
        self.table()?
            .each(|key, pid, value| count += usize::from(matches(key, pid, value)));
        Ok(count)
    }

    /// The keys of a process, one for each of its entries, in the order of registration.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Registry, self_pid};
    ///
    /// let seats = Registry::<(char, u8), ()>::unique().start().await.unwrap();
    /// seats.register(('A', 1), ()).unwrap();
    /// seats.register(('A', 2), ()).unwrap();
    /// assert_eq!(seats.keys(self_pid()), Ok(vec![('A', 1), ('A', 2)]));
    /// # });
    /// ```
    pub fn keys(&self, pid: Pid) -> Result<Vec<K>, NoRegistry>
    where
        K: Clone,
    {
        let keys = self.table()?.keys(pid);
        Ok(keys.iter().map(|key| (**key).clone()).collect())
    }

    /// The values of a process under a key, in the order of registration.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn values<Q>(&self, key: &Q, pid: Pid) -> Result<Vec<V>, NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        let values = self.table()?.values(key, pid);
        Ok(values.iter().map(|value| (**value).clone()).collect())
    }

    /// How many entries there are.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn count(&self) -> Result<usize, NoRegistry> {
        Ok(self.table()?.count())
    }

    /// Runs `f` with all entries of a key, in the caller; not at all if there are none (REG-015).
    /// Whatever is to be done with them is `f`'s affair: to send to all, to one of them, ..
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Duplicate, Mailbox, Recipient, Registry, spawn};
    ///
    /// let workers = Registry::<&str, Recipient<u32>, Duplicate>::duplicate().start().await.unwrap();
    /// let registry = workers.clone();
    /// let worker = spawn(|mut inbox: Mailbox<u32>| async move {
    ///     registry.register("print", inbox.recipient()).unwrap();
    ///     assert_eq!(inbox.recv().await, 7);
    /// });
    /// # while workers.count() != Ok(1) { rekindle_actor::yield_now().await; }
    /// // To one of them, by the job's number.
    /// workers.dispatch("print", |found| found[7 % found.len()].1.send(7)).unwrap();
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !worker.is_alive());
    /// # });
    /// ```
    pub fn dispatch<Q>(&self, key: &Q, f: impl FnOnce(&[(Pid, &V)])) -> Result<(), NoRegistry>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let held = self.table()?.lookup(key);
        if !held.is_empty() {
            f(&refs(&held));
        }
        Ok(())
    }

    /// A piece of metadata, if it is set (REG-017).
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn meta<T: Clone + Send + Sync + 'static>(
        &self,
        key: MetaKey<T>,
    ) -> Result<Option<T>, NoRegistry> {
        Ok(self.table()?.meta.get(key))
    }

    /// Sets a piece of metadata, until the registry ends.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn put_meta<T: Send + Sync + 'static>(
        &self,
        key: MetaKey<T>,
        value: T,
    ) -> Result<(), NoRegistry> {
        self.table()?.meta.put(key, value);
        Ok(())
    }

    /// Takes a piece of metadata away; nothing happens if it is not set.
    ///
    /// # Errors
    ///
    /// If there is no such registry.
    pub fn delete_meta<T: 'static>(&self, key: MetaKey<T>) -> Result<(), NoRegistry> {
        self.table()?.meta.delete(key);
        Ok(())
    }

    /// Runs work while nobody else runs work under the same lock of this registry (REG-020). Whoever
    /// comes later waits, first come, first served. A lock is named by a key, which has nothing to do
    /// with entries.
    ///
    /// The lock is given back when the work ends or panics, or when this future is dropped, be it by
    /// the end of the process. A wait that is dropped gives its place up. If the registry ends, those
    /// who wait hear of it; work that has begun goes on.
    ///
    /// Two processes that take two locks in different orders may wait for each other for ever.
    ///
    /// # Errors
    ///
    /// If there is no such registry, or the running process holds this lock already.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::Registry;
    ///
    /// let rooms = Registry::<String, u32>::unique().start_link().await.unwrap();
    /// let cleaned = rooms.lock("kitchen".to_owned(), || async { "cleaned" }).await;
    /// assert_eq!(cleaned, Ok("cleaned"));
    /// # });
    /// ```
    pub async fn lock<F, Fut>(&self, key: K, work: F) -> Result<Fut::Output, LockError>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let place = Acquire::new(self.table()?, key).await?;
        let output = work().await;
        drop(place);
        Ok(output)
    }
}

/// Entries as a user sees them.
fn refs<V>(held: &[Held<V>]) -> Vec<(Pid, &V)> {
    held.iter().map(|held| (held.pid, &*held.value)).collect()
}

impl<K, V> Clone for Life<K, V> {
    fn clone(&self) -> Self {
        Life {
            pid: self.pid,
            table: self.table.clone(),
        }
    }
}

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> Clone for Registry<K, V, Kind> {
    fn clone(&self) -> Self {
        match &self.target {
            Target::Life(life) => Registry::life(life.pid, life.table.clone()),
            Target::Named { name, .. } => Registry::named(name.as_str()),
        }
    }
}

impl<K: RegistryKey, V: RegistryValue, Kind: RegistryKind> fmt::Debug for Registry<K, V, Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Life(Life { pid, table }) => match &table.name {
                Some(name) => write!(f, "Registry({name:?}, {pid})"),
                None => write!(f, "Registry({pid})"),
            },
            Target::Named { name, .. } => write!(f, "Registry({:?})", name.as_str()),
        }
    }
}
