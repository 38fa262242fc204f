//! How one asks a scope, and reads its groups.

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::scope::{GroupEvent, GroupMonitor, Request, Scope, Watcher};
use super::table::{Member, Table, find};
use crate::behaviour::gen_server::ServerMessage;
use crate::behaviour::{GenServer, NamedAddress, Start, StartError, StartFuture};
use crate::call::{Call, CallError};
use crate::mailbox::ReplyTo;
use crate::pid::Pid;
use crate::recipient::Recipient;
use crate::report::short_type_name;

/// Why a process did not join a group.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{CallError, Groups, JoinError, Mailbox, spawn};
///
/// let guest = spawn(|mut inbox: Mailbox<String>| async move { drop(inbox.recv().await) });
/// // Nobody has started this scope.
/// let rooms = Groups::<&str, String>::named("rooms");
/// let joined = rooms.join("lobby", &guest.recipient()).await;
/// assert_eq!(joined, Err(JoinError::Scope(CallError::NoProc)));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum JoinError {
    /// Nobody stands behind the recipient: it is of a name that nobody holds.
    NoMember,
    /// The scope could not be asked; it is not running, if this is
    /// [`NoProc`](CallError::NoProc) (PG-006).
    Scope(CallError),
}

/// Why a process did not leave a group.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Groups, LeaveError, self_pid};
///
/// let rooms = Groups::<&str, ()>::start("rooms").await.unwrap();
/// assert_eq!(rooms.leave(&"lobby", self_pid()).await, Err(LeaveError::NotJoined));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LeaveError {
    /// It was no member; of several processes, none was (PG-003).
    NotJoined,
    /// The scope could not be asked.
    Scope(CallError),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::NoMember => f.write_str("nobody stands behind the recipient"),
            JoinError::Scope(error) => write!(f, "the scope could not be asked: {error}"),
        }
    }
}

impl std::error::Error for JoinError {}

impl fmt::Display for LeaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaveError::NotJoined => f.write_str("the process is not a member of the group"),
            LeaveError::Scope(error) => write!(f, "the scope could not be asked: {error}"),
        }
    }
}

impl std::error::Error for LeaveError {}

/// Process groups: under each key `K` any number of processes, to which one sends `M`.
///
/// Groups belong to a *scope*: a process with a name, started by [`start`](Self::start) or as a
/// child of a supervisor. This is a handle on the scope that holds the name at each use, whatever
/// its life: as [`Name`](crate::Name) is for servers. Members are typed addresses
/// ([`Recipient`]), so whoever is found in a group can be sent to.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{Groups, Mailbox, spawn};
///
/// let rooms = Groups::<&str, String>::start("rooms").await.unwrap();
/// let guest = spawn(|mut inbox: Mailbox<String>| async move {
///     assert_eq!(inbox.recv().await, "welcome");
/// });
/// rooms.join("lobby", &guest.recipient()).await.unwrap();
///
/// assert_eq!(rooms.pids(&"lobby"), [guest.pid()]);
/// assert_eq!(rooms.broadcast(&"lobby", "welcome".to_owned()), 1);
///
/// // The same scope by its name, from anywhere:
/// let same = Groups::<&str, String>::named("rooms");
/// same.leave(&"lobby", guest.pid()).await.ok();
/// assert!(same.which_groups().is_empty());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Rules
///
/// - A group is there while it has members (PG-001, PG-002). A process may join a group several
///   times; it is then listed, and sent to, several times, and must leave as often (PG-004).
/// - A member that ends leaves all its groups, a little later: until then it is listed, and what
///   is sent to it vanishes (PG-005).
/// - [`join`](Self::join), [`leave`](Self::leave) and the monitors go through the scope's
///   process, one after the other, and wait as long as that takes. Reading and sending do not: they
///   cost a look into a table that is shared by the whole runtime (PG-011). Whoever has seen `join`
///   return, or heard of it by an event, finds the member there.
/// - When the scope ends, its groups are gone, nobody is told by an event, and the members live
///   on: they must join again when it is restarted, as with OTP's `pg`. Whoever must know watches
///   the scope's process: [`monitor_name`](crate::monitor_name).
/// - A scope is of one `K` and one `M`; for a handle of other types it is as if it did not run.
///   Names are those of the running runtime.
///
/// # What operations give
///
/// | operation                                                     | gives                              | if the scope does not run             |
/// |---------------------------------------------------------------|------------------------------------|---------------------------------------|
/// | [`join`](Self::join), [`leave`](Self::leave)                  | `Ok` when all can see it           | an error with `CallError::NoProc`     |
/// | [`members`](Self::members), [`pids`](Self::pids), [`which_groups`](Self::which_groups) | what is there now | nothing, as if there were no groups |
/// | [`broadcast`](Self::broadcast)                                | to how many it was sent            | 0                                     |
/// | [`monitor`](Self::monitor), [`monitor_scope`](Self::monitor_scope) | the members now, and events from then on | `CallError::NoProc`        |
///
/// # Timeouts
///
/// What goes through the scope's process waits without a limit. The scope runs no code of yours but the
/// comparison of keys, so it is never held up by a member.
///
/// # Names
///
/// A scope always has a name, and [`named`](Self::named) is the handle on it; it survives restarts of the
/// scope. Groups have keys.
///
/// # Supervision
///
/// With `rekindle-supervisor`, `Groups::<K, M>::child("rooms")` is a child; put it before its members, as
/// in `Supervisor::rest_for_one()`, so that they are restarted, and join again, when it is.
///
/// # Debugging
///
/// [`which_groups`](Self::which_groups) and [`members`](Self::members) look into the table without a
/// message. The scope is a server to [`sys`](crate::sys), and a process to [`info`](crate::info()).
///
/// # When not to use this
/// For one process under a key, found by one sender at a time, use a registry or
/// [`Name`](crate::Name). When all receivers may live in one process, a
/// [`GenEvent`](crate::GenEvent) manager is cheaper, and gives an order among them.
pub struct Groups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    scope: NamedAddress<ServerMessage<Scope<K, M>>>,
    known: Mutex<Option<Known<K, M>>>,
}

/// The table of the scope that was found last.
type Known<K, M> = (Pid, Arc<Table<K, M>>);

impl<K, M> Groups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    /// Starts a scope of this name, without a link.
    #[track_caller]
    pub fn start(name: impl Into<Arc<str>>) -> StartGroups<K, M> {
        StartGroups::new(name.into(), Scope::start(()))
    }

    /// Starts a scope of this name, linked with the running process.
    #[track_caller]
    pub fn start_link(name: impl Into<Arc<str>>) -> StartGroups<K, M> {
        StartGroups::new(name.into(), Scope::start_link(()))
    }

    /// The handle on the scope of this name. It need not run yet.
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Groups {
            scope: NamedAddress::new(name),
            known: Mutex::new(None),
        }
    }

    /// The name of the scope.
    #[must_use]
    pub fn scope(&self) -> &str {
        self.scope.name()
    }

    /// The scope's process, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.scope.resolve().map(|address| address.pid())
    }

    /// Puts a process into a group, and waits until it is in it.
    ///
    /// # Errors
    ///
    /// See [`JoinError`].
    #[track_caller]
    pub fn join(
        &self,
        group: K,
        member: &Recipient<M>,
    ) -> impl Future<Output = Result<(), JoinError>> + Send + use<K, M> {
        self.join_all(group, [member.clone()])
    }

    /// Puts several processes into a group, in one step: whoever watches hears of one change. A
    /// process may be given several times.
    ///
    /// # Errors
    ///
    /// See [`JoinError`]. Then none has joined.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Groups, Mailbox, spawn};
    ///
    /// let pool = Groups::<&str, u32>::start("pool").await.unwrap();
    /// let worker = || spawn(|mut inbox: Mailbox<u32>| async move { drop(inbox.recv().await) });
    /// let (one, two) = (worker(), worker());
    /// pool.join_all("idle", [one.recipient(), two.recipient()]).await.unwrap();
    /// assert_eq!(pool.pids(&"idle"), [one.pid(), two.pid()]);
    /// # });
    /// ```
    #[track_caller]
    pub fn join_all<I: IntoIterator<Item = Recipient<M>>>(
        &self,
        group: K,
        members: I,
    ) -> impl Future<Output = Result<(), JoinError>> + Send + use<K, M, I> {
        let member = |recipient: Recipient<M>| {
            let pid = recipient.pid()?;
            Some(Member { pid, recipient })
        };
        let members: Option<Vec<_>> = members.into_iter().map(member).collect();
        let asked = members.map(|members| self.ask(|from| Request::Join(group, members, from)));
        async move {
            match asked {
                Some(call) => call.await.map_err(JoinError::Scope),
                None => Err(JoinError::NoMember),
            }
        }
    }

    /// Takes a process out of a group: one membership, if it has several.
    ///
    /// # Errors
    ///
    /// See [`LeaveError`].
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Groups, LeaveError, Mailbox, spawn};
    ///
    /// let rooms = Groups::<&str, u32>::start("rooms").await.unwrap();
    /// let guest = spawn(|mut inbox: Mailbox<u32>| async move { drop(inbox.recv().await) });
    /// for _ in 0..2 {
    ///     rooms.join("lobby", &guest.recipient()).await.unwrap();
    /// }
    /// // Once for each time it has joined.
    /// assert_eq!(rooms.leave(&"lobby", guest.pid()).await, Ok(()));
    /// assert_eq!(rooms.pids(&"lobby"), [guest.pid()]);
    /// assert_eq!(rooms.leave(&"lobby", guest.pid()).await, Ok(()));
    /// assert_eq!(rooms.leave(&"lobby", guest.pid()).await, Err(LeaveError::NotJoined));
    /// # });
    /// ```
    #[track_caller]
    pub fn leave(
        &self,
        group: &K,
        pid: Pid,
    ) -> impl Future<Output = Result<(), LeaveError>> + Send + use<K, M> {
        self.leave_all(group, [pid])
    }

    /// Takes several processes out of a group, in one step.
    ///
    /// # Errors
    ///
    /// See [`LeaveError`]; `NotJoined` if none of them was a member.
    #[track_caller]
    pub fn leave_all<I: IntoIterator<Item = Pid>>(
        &self,
        group: &K,
        pids: I,
    ) -> impl Future<Output = Result<(), LeaveError>> + Send + use<K, M, I> {
        let (group, pids) = (group.clone(), pids.into_iter().collect());
        let call = self.ask(|from| Request::Leave(group, pids, from));
        async move {
            match call.await {
                Ok(true) => Ok(()),
                Ok(false) => Err(LeaveError::NotJoined),
                Err(error) => Err(LeaveError::Scope(error)),
            }
        }
    }

    /// The members of a group, in the order in which they joined; none, if there is no such
    /// group, or the scope does not run.
    #[must_use]
    pub fn members(&self, group: &K) -> Vec<Member<M>> {
        self.dispatch(group, <[Member<M>]>::to_vec)
    }

    /// The pids of the members.
    #[must_use]
    pub fn pids(&self, group: &K) -> Vec<Pid> {
        self.dispatch(group, |members| members.iter().map(Member::pid).collect())
    }

    /// The groups that have members, in order.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Groups, Mailbox, spawn};
    ///
    /// let rooms = Groups::<u8, ()>::start("rooms").await.unwrap();
    /// let guest = spawn(|mut inbox: Mailbox<()>| async move { inbox.recv().await });
    /// for room in [2, 1] {
    ///     rooms.join(room, &guest.recipient()).await.unwrap();
    /// }
    /// assert_eq!(rooms.which_groups(), [1, 2]);
    /// rooms.leave(&1, guest.pid()).await.unwrap();
    /// assert_eq!(rooms.which_groups(), [2]);
    /// # });
    /// ```
    #[must_use]
    pub fn which_groups(&self) -> Vec<K> {
        self.table().map(|table| table.groups()).unwrap_or_default()
    }

    /// Runs `f` on the members as they are now, without copying them: to choose one, or to send
    /// to each something of its own.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::new()?;
    /// # runtime.block_on(async {
    /// use rekindle_actor::{Groups, Mailbox, spawn};
    ///
    /// let pools = Groups::<u8, u64>::start("pools").await.unwrap();
    /// # for _ in 0..3 {
    /// #     let worker = spawn(|mut inbox: Mailbox<u64>| async move { inbox.recv().await; });
    /// #     pools.join(1, &worker.recipient()).await.unwrap();
    /// # }
    /// // One of the workers, by the job's number.
    /// let job = 17;
    /// pools.dispatch(&1, |workers| workers[job as usize % workers.len()].send(job));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dispatch<R>(&self, group: &K, f: impl FnOnce(&[Member<M>]) -> R) -> R {
        match self.table() {
            Some(table) => f(&table.members(group)),
            None => f(&[]),
        }
    }

    /// Sends a copy of a message to every member, in the order in which they joined; never waits.
    /// How many took it: a dead member, or one whose full mailbox refuses, does not.
    pub fn broadcast(&self, group: &K, message: M) -> usize
    where
        M: Clone,
    {
        self.dispatch(group, |members| send_to(members.iter(), message))
    }

    /// As [`broadcast`](Self::broadcast), but not to one process: the sender itself, as a rule.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Groups, Mailbox, spawn};
    /// use std::time::Duration;
    ///
    /// let chat = Groups::<&str, String>::start("chat").await.unwrap();
    /// let room = chat.clone();
    /// let ada = spawn(|mut inbox: Mailbox<String>| async move {
    ///     room.join("tea", &inbox.recipient()).await.unwrap();
    ///     room.broadcast_from(&"tea", inbox.pid(), "hello".to_owned());
    ///     // It need not hear itself.
    ///     assert_eq!(inbox.recv_timeout(Duration::from_secs(1)).await, None);
    /// });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(2)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !ada.is_alive());
    /// # assert!(chat.which_groups().is_empty());
    /// # });
    /// ```
    pub fn broadcast_from(&self, group: &K, from: Pid, message: M) -> usize
    where
        M: Clone,
    {
        self.dispatch(group, |members| {
            send_to(members.iter().filter(|member| member.pid != from), message)
        })
    }

    /// Watches a group: gives the monitor and the members of this moment; from then on `tell`
    /// gets every change, in order (PG-007). The group need not exist. The monitor ends with the
    /// process that `tell` is of.
    ///
    /// # Errors
    ///
    /// If the scope could not be asked, or nobody stands behind `tell`
    /// ([`NoProc`](CallError::NoProc)).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{GroupChange, GroupEvent, Groups, Mailbox, spawn};
    ///
    /// let rooms = Groups::<&str, ()>::start("rooms").await.unwrap();
    /// let porter = spawn(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
    ///     let guest = spawn(|mut inbox: Mailbox<()>| async move { inbox.recv().await });
    ///     rooms.join("lobby", &guest.recipient()).await.unwrap();
    ///     let (_, present) = rooms.monitor("lobby", &inbox.recipient()).await.unwrap();
    ///     assert_eq!(present, [guest.pid()]);
    ///     guest.send(()); // which ends it
    ///     assert_eq!(inbox.recv().await.change, GroupChange::Left);
    /// });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(2)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !porter.is_alive());
    /// # });
    /// ```
    #[track_caller]
    pub fn monitor(
        &self,
        group: K,
        tell: &Recipient<GroupEvent<K>>,
    ) -> impl Future<Output = Result<(GroupMonitor, Vec<Pid>), CallError>> + Send + use<K, M> {
        let asked =
            watcher(tell).map(|watcher| self.ask(|from| Request::Monitor(group, watcher, from)));
        async move { asked.ok_or(CallError::NoProc)?.await }
    }

    /// Watches all groups of the scope: gives the monitor and all members of this moment; from
    /// then on as [`monitor`](Self::monitor).
    ///
    /// # Errors
    ///
    /// As [`monitor`](Self::monitor).
    #[track_caller]
    #[allow(clippy::type_complexity, reason = "a name for it would say less")]
    pub fn monitor_scope(
        &self,
        tell: &Recipient<GroupEvent<K>>,
    ) -> impl Future<Output = Result<(GroupMonitor, BTreeMap<K, Vec<Pid>>), CallError>> + Send + use<K, M>
    {
        let asked =
            watcher(tell).map(|watcher| self.ask(|from| Request::MonitorScope(watcher, from)));
        async move { asked.ok_or(CallError::NoProc)?.await }
    }

    /// Ends a monitor: `true` if it stood, `false` if it is unknown or ended already (PG-008).
    /// No event is sent afterwards; one that lies in the mailbox already stays there.
    ///
    /// # Errors
    ///
    /// If the scope could not be asked.
    #[track_caller]
    pub fn demonitor(&self, monitor: GroupMonitor) -> Call<'static, bool> {
        self.ask(|from| Request::Demonitor(monitor, from))
    }

    #[track_caller]
    fn ask<R: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<R>) -> Request<K, M>,
    ) -> Call<'static, R> {
        let at = Location::caller();
        Call::to_resolved(
            self.scope.resolve(),
            |from| ServerMessage::Call(make(from)),
            at,
        )
        .no_timeout()
    }

    /// The table of the scope that holds the name now.
    fn table(&self) -> Option<Arc<Table<K, M>>> {
        let scope = self.scope.resolve()?.pid();
        let mut known = self.known.lock();
        match &*known {
            Some((pid, table)) if *pid == scope => Some(table.clone()),
            _ => {
                let table = find(scope)?;
                *known = Some((scope, Arc::clone(&table)));
                Some(table)
            }
        }
    }
}

fn watcher<K>(tell: &Recipient<GroupEvent<K>>) -> Option<Watcher<K>>
where
    K: Send + 'static,
{
    let pid = tell.pid()?;
    let tell = tell.clone();
    Some(Watcher { pid, tell })
}

fn send_to<'a, M: Clone + Send + 'static>(
    members: impl Iterator<Item = &'a Member<M>>,
    message: M,
) -> usize {
    let sent = members.filter(|member| member.recipient.try_send(message.clone()).is_ok());
    sent.count()
}

impl<K, M> Clone for Groups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    fn clone(&self) -> Self {
        Groups::named(self.scope.name().clone())
    }
}

impl<K, M> fmt::Debug for Groups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, message) = (type_name::<K>(), type_name::<M>());
        let (key, message) = (short_type_name(key), short_type_name(message));
        write!(f, "Groups<{key}, {message}>({:?})", self.scope)
    }
}

/// The start of a scope: nothing happens before it is awaited. The name makes it fail with
/// [`StartError::AlreadyStarted`] if somebody holds it.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Groups, StartError, StartGroups};
///
/// let start = || -> StartGroups<&str, String> { Groups::start("rooms") };
/// let rooms = start().await.unwrap();
/// assert_eq!(rooms.scope(), "rooms");
/// let again = start().await.unwrap_err();
/// assert_eq!(again, StartError::AlreadyStarted(rooms.pid().unwrap()));
/// # });
/// ```
#[must_use = "nothing is started until this is awaited"]
pub struct StartGroups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    name: Arc<str>,
    start: Start<Scope<K, M>>,
}

impl<K, M> StartGroups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    fn new(name: Arc<str>, start: Start<Scope<K, M>>) -> Self {
        StartGroups {
            start: start.name(name.clone()),
            name,
        }
    }

    /// As [`Start::spawned_at`].
    pub fn spawned_at(mut self, at: &'static Location<'static>) -> Self {
        self.start = self.start.spawned_at(at);
        self
    }
}

impl<K, M> IntoFuture for StartGroups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    type Output = Result<Groups<K, M>, StartError>;
    type IntoFuture = StartGroupsFuture<K, M>;

    fn into_future(self) -> StartGroupsFuture<K, M> {
        StartGroupsFuture {
            name: self.name,
            start: self.start.into_future(),
        }
    }
}

/// The wait for a [`StartGroups`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Groups, StartGroupsFuture};
///
/// let starting: StartGroupsFuture<&str, u32> = Groups::start_link("rooms").into_future();
/// // It gives a handle by name, which another one is as good as.
/// let rooms = starting.await.unwrap();
/// assert_eq!(rooms.pid(), Groups::<&str, u32>::named("rooms").pid());
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct StartGroupsFuture<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    name: Arc<str>,
    start: StartFuture<Scope<K, M>>,
}

impl<K, M> Future for StartGroupsFuture<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    type Output = Result<Groups<K, M>, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let started = Pin::new(&mut self.start).poll(cx);
        started.map(|result| result.map(|_| Groups::named(self.name.clone())))
    }
}

impl<K, M> fmt::Debug for StartGroups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartGroups").field(&self.name).finish()
    }
}

impl<K, M> fmt::Debug for StartGroupsFuture<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartGroupsFuture")
            .field(&self.name)
            .finish()
    }
}
