//! The process of a scope: it alone changes the table, and watches the members.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::time::Duration;

use rekindle_scheduler::yield_now;

use super::table::{Member, Published};
use crate::behaviour::{Context, GenServer, Init, Never, Next, Step};
use crate::exit::ExitReason;
use crate::mailbox::{Info, ReplyTo};
use crate::monitor::{demonitor_flush, monitor};
use crate::pid::{MonitorRef, Pid};
use crate::recipient::Recipient;
use crate::unwind;

/// What happened to a group.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{GroupChange, GroupEvent, Pid};
/// use std::collections::BTreeSet;
/// # use rekindle_actor::{Groups, Mailbox, self_pid, sleep, spawn};
///
/// /// Keeps a list of its own of who is in a group.
/// fn heed(present: &mut BTreeSet<Pid>, event: &GroupEvent<&str>) {
///     match event.change {
///         GroupChange::Joined => present.extend(&event.pids),
///         GroupChange::Left => present.retain(|pid| !event.pids.contains(pid)),
///     }
/// }
/// # let rooms = Groups::<&str, u32>::start("rooms").await.unwrap();
/// # let done = spawn(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
/// #     let guest = spawn(|mut inbox: Mailbox<u32>| async move { drop(inbox.recv().await) });
/// #     let mut present = BTreeSet::new();
/// #     rooms.monitor("lobby", &inbox.recipient()).await.unwrap();
/// #     rooms.join("lobby", &guest.recipient()).await.unwrap();
/// #     heed(&mut present, &inbox.recv().await);
/// #     assert!(present.contains(&guest.pid()) && !present.contains(&self_pid()));
/// #     guest.send(7);
/// #     heed(&mut present, &inbox.recv().await);
/// #     assert!(present.is_empty());
/// # });
/// # sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupChange {
    /// Processes joined.
    Joined,
    /// Processes left, or ended.
    Left,
}

/// Tells whoever watches a group or a scope of a change (PG-007).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{GroupChange, GroupEvent, Groups, Mailbox, spawn};
///
/// let rooms = Groups::<&str, u32>::start("rooms").await.unwrap();
/// let porter = spawn(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
///     let (_, present) = rooms.monitor("lobby", &inbox.recipient()).await.unwrap();
///     assert!(present.is_empty());
///     let guest = spawn(|mut inbox: Mailbox<u32>| async move { drop(inbox.recv().await) });
///     rooms.join("lobby", &guest.recipient()).await.unwrap();
///     let event = inbox.recv().await;
///     assert_eq!((event.group, event.change), ("lobby", GroupChange::Joined));
///     assert_eq!(event.pids, [guest.pid()]);
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !porter.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupEvent<K> {
    /// Which monitor this is of.
    pub monitor: GroupMonitor,
    /// The group.
    pub group: K,
    /// What happened.
    pub change: GroupChange,
    /// The processes that joined or left, once for each membership.
    pub pids: Vec<Pid>,
}

/// One monitor of a group or of a scope.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{GroupEvent, Groups, Mailbox, spawn};
///
/// let rooms = Groups::<&str, u32>::start("rooms").await.unwrap();
/// let porter = spawn(|mut inbox: Mailbox<GroupEvent<&'static str>>| async move {
///     let (of_lobby, _) = rooms.monitor("lobby", &inbox.recipient()).await.unwrap();
///     let (of_all, _) = rooms.monitor_scope(&inbox.recipient()).await.unwrap();
///     let guest = spawn(|mut inbox: Mailbox<u32>| async move { drop(inbox.recv().await) });
///     rooms.join("bar", &guest.recipient()).await.unwrap();
///     // Each event says which monitor it is of.
///     assert_eq!(inbox.recv().await.monitor, of_all);
///     assert_eq!(rooms.demonitor(of_lobby).await, Ok(true));
///     assert_eq!(rooms.demonitor(of_lobby).await, Ok(false));
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !porter.is_alive());
/// # });
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupMonitor {
    scope: Pid,
    serial: u64,
}

impl fmt::Debug for GroupMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupMonitor({}/{})", self.scope, self.serial)
    }
}

/// Where the events of a monitor go: the process, and its address.
pub(super) struct Watcher<K> {
    pub(super) pid: Pid,
    pub(super) tell: Recipient<GroupEvent<K>>,
}

/// What a scope is asked.
pub(super) enum Request<K, M> {
    Join(K, Vec<Member<M>>, ReplyTo<()>),
    /// The answer: whether anybody was a member.
    Leave(K, Vec<Pid>, ReplyTo<bool>),
    Monitor(K, Watcher<K>, ReplyTo<(GroupMonitor, Vec<Pid>)>),
    MonitorScope(Watcher<K>, ReplyTo<(GroupMonitor, BTreeMap<K, Vec<Pid>>)>),
    Demonitor(GroupMonitor, ReplyTo<bool>),
}

/// The dead leave a group together, when they are one in so many of its members, or no message waits: to take one
/// out is to look at all of them.
const SHARE: usize = 16;

/// The state of a scope.
pub(super) struct Scope<K: Ord + Clone, M> {
    published: Published<K, M>,
    pid: Pid,
    /// Members and watchers.
    processes: BTreeMap<Pid, Known<K>>,
    monitors: BTreeMap<u64, Watched<K>>,
    /// The monitors of one group; those of the whole scope are under `None`.
    watchers: BTreeMap<Option<K>, Vec<u64>>,
    /// Who has ended and is listed still, with how many memberships.
    gone: BTreeMap<K, Vec<(Pid, usize)>>,
    last_serial: u64,
}

/// A process that is a member, or watches, or both.
struct Known<K> {
    monitor: MonitorRef,
    /// In which groups it is, and how often.
    joined: BTreeMap<K, usize>,
    watches: Vec<u64>,
}

/// A monitor and what it is of.
struct Watched<K> {
    group: Option<K>,
    watcher: Watcher<K>,
}

impl<K, M> GenServer for Scope<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    type Args = ();
    type Call = Request<K, M>;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init((): (), cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Scope {
            published: Published::by(cx.pid()),
            pid: cx.pid(),
            processes: BTreeMap::new(),
            monitors: BTreeMap::new(),
            watchers: BTreeMap::new(),
            gone: BTreeMap::new(),
            last_serial: 0,
        }))
    }

    async fn handle_call(&mut self, request: Request<K, M>, _: &mut Context<Self>) -> Step<Self> {
        // Whoever asks is answered by what has come before.
        self.take_out_all().await;
        match request {
            Request::Join(group, joining, from) => {
                self.join(&group, &joining);
                from.reply(());
            }
            Request::Leave(group, leaving, from) => from.reply(self.leave(&group, &leaving)),
            Request::Monitor(group, watcher, from) => {
                let members = self.published.table.members(&group);
                let pids = members.iter().map(|member| member.pid).collect();
                from.reply((self.watch(Some(group), watcher), pids));
            }
            Request::MonitorScope(watcher, from) => {
                let groups = self.published.table.all_pids();
                from.reply((self.watch(None, watcher), groups));
            }
            Request::Demonitor(monitor, from) => {
                let known = monitor.scope == self.pid && self.unwatch(monitor.serial);
                from.reply(known);
            }
        }
        Ok(Next::Wait)
    }

    async fn handle_info(&mut self, info: Info<Never>, cx: &mut Context<Self>) -> Step<Self> {
        match info {
            Info::Down(down) => {
                if let Some(pid) = down.pid {
                    self.ended(pid, down.reference).await;
                }
                match self.gone.is_empty() {
                    true => Ok(Next::Wait),
                    false => Ok(Next::Timeout(Duration::ZERO)),
                }
            }
            Info::Timeout => {
                self.take_out_all().await;
                Ok(Next::Wait)
            }
            other => cx.unexpected(other),
        }
    }

    fn format_status(&self) -> Option<String> {
        let (groups, processes) = (self.published.table.groups().len(), self.processes.len());
        let monitors = self.monitors.len();
        Some(format!(
            "{groups} groups, {processes} processes, {monitors} monitors"
        ))
    }
}

impl<K, M> Scope<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    fn join(&mut self, group: &K, joining: &[Member<M>]) {
        if joining.is_empty() {
            return;
        }
        for member in joining {
            let known = self.know(member.pid);
            *known.joined.entry(group.clone()).or_default() += 1;
        }
        self.published.table.join(group, joining);
        let pids = joining.iter().map(|member| member.pid).collect();
        self.tell(group, GroupChange::Joined, pids);
    }

    /// Whether any of them was a member. Each that is named leaves once for each time it is.
    fn leave(&mut self, group: &K, leaving: &[Pid]) -> bool {
        let (mut left, mut times_each) = (Vec::new(), BTreeMap::new());
        for pid in leaving {
            let Some(known) = self.processes.get_mut(pid) else {
                continue;
            };
            let Entry::Occupied(mut times) = known.joined.entry(group.clone()) else {
                continue;
            };
            *times.get_mut() -= 1;
            if *times.get() == 0 {
                times.remove();
            }
            *times_each.entry(*pid).or_default() += 1;
            left.push(*pid);
            self.forget_if_idle(*pid);
        }
        let any = !left.is_empty();
        if any {
            self.published.table.leave(group, times_each);
            self.tell(group, GroupChange::Left, left);
        }
        any
    }

    fn watch(&mut self, group: Option<K>, watcher: Watcher<K>) -> GroupMonitor {
        self.last_serial += 1;
        let serial = self.last_serial;
        self.know(watcher.pid).watches.push(serial);
        self.watchers.entry(group.clone()).or_default().push(serial);
        self.monitors.insert(serial, Watched { group, watcher });
        GroupMonitor {
            scope: self.pid,
            serial,
        }
    }

    /// Takes a monitor away; `false` if there was none.
    fn unwatch(&mut self, serial: u64) -> bool {
        let Some(watched) = self.monitors.remove(&serial) else {
            return false;
        };
        if let Entry::Occupied(mut watchers) = self.watchers.entry(watched.group) {
            watchers.get_mut().retain(|watching| *watching != serial);
            if watchers.get().is_empty() {
                watchers.remove();
            }
        }
        if let Some(known) = self.processes.get_mut(&watched.watcher.pid) {
            known.watches.retain(|watching| *watching != serial);
        }
        self.forget_if_idle(watched.watcher.pid);
        true
    }

    /// A process has ended: it leaves all its groups, and watches no more (PG-005, PG-009).
    async fn ended(&mut self, pid: Pid, reference: MonitorRef) {
        let Entry::Occupied(known) = self.processes.entry(pid) else {
            return;
        };
        if known.get().monitor != reference {
            return;
        }
        let known = known.remove();
        for serial in known.watches {
            self.unwatch(serial);
        }
        for (group, times) in known.joined {
            let gone = self.gone.entry(group.clone()).or_default();
            gone.push((pid, times));
            if gone.len() * SHARE >= self.published.table.len(&group)
                && let Some(gone) = self.gone.remove(&group)
            {
                self.take_out(&group, gone).await;
            }
        }
    }

    /// Those of a group who have ended leave it, each with so many memberships.
    async fn take_out(&mut self, group: &K, gone: Vec<(Pid, usize)>) {
        let times_each = gone.iter().copied().collect();
        self.published.table.leave(group, times_each);
        for (pid, times) in gone {
            if self.tell(group, GroupChange::Left, vec![pid; times]) {
                // A watcher whose mailbox is full holds us here, and not when all have been told of.
                yield_now().await;
            }
        }
    }

    async fn take_out_all(&mut self) {
        while let Some((group, gone)) = self.gone.pop_first() {
            self.take_out(&group, gone).await;
        }
    }

    fn know(&mut self, pid: Pid) -> &mut Known<K> {
        self.processes.entry(pid).or_insert_with(|| Known {
            monitor: monitor(pid),
            joined: BTreeMap::new(),
            watches: Vec::new(),
        })
    }

    /// A process that is in no group and watches none need not be watched itself.
    fn forget_if_idle(&mut self, pid: Pid) {
        if let Entry::Occupied(known) = self.processes.entry(pid)
            && known.get().joined.is_empty()
            && known.get().watches.is_empty()
        {
            demonitor_flush(known.remove().monitor);
        }
    }

    /// Tells those who watch this group, then those who watch the scope. Says whether there was anybody.
    fn tell(&self, group: &K, change: GroupChange, pids: Vec<Pid>) -> bool {
        let mut any = false;
        let of_group = self.watchers.get(&Some(group.clone()));
        let of_scope = self.watchers.get(&None);
        for serial in of_group.into_iter().chain(of_scope).flatten() {
            let Some(Watched { watcher, .. }) = self.monitors.get(serial) else {
                continue;
            };
            let event = GroupEvent {
                monitor: GroupMonitor {
                    scope: self.pid,
                    serial: *serial,
                },
                group: group.clone(),
                change,
                pids: pids.clone(),
            };
            // The recipient's conversion is foreign code.
            unwind::discard(unwind::catch(|| watcher.tell.send(event)));
            any = true;
        }
        any
    }
}
