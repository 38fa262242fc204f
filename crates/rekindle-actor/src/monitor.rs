//! Monitors: one process is told when another ends.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::alias::{Alias, Ends, MonitorAlias};
use crate::exit::ExitReason;
use crate::link::within;
use crate::mailbox;
use crate::names;
use crate::pid::{MonitorRef, Pid};
use crate::process::Owner;
use crate::recipient::Recipient;
use crate::runtimes;
use crate::signal::{self, Signal};
use crate::unwind;

/// A monitored process has ended.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, Info, Mailbox, exit, monitor, sleep, spawn};
/// use std::time::Duration;
///
/// let watched = spawn(sleep(Duration::MAX));
/// let watching = spawn(move |mut inbox: Mailbox<()>| async move {
///     let reference = monitor(watched);
///     exit(watched, ExitReason::Kill);
///     let Info::Down(down) = inbox.next().await else { panic!("nothing else comes") };
///     assert_eq!((down.reference, down.pid), (reference, Some(watched)));
///     assert_eq!(down.reason, ExitReason::Killed);
/// });
/// # sleep(Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !watching.is_alive());
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Down {
    /// Which monitor.
    pub reference: MonitorRef,
    /// Which process; `None` when a name was monitored that nobody held.
    pub pid: Option<Pid>,
    /// The name, when the monitor was made by name.
    pub name: Option<Arc<str>>,
    /// Why it ended; [`ExitReason::NoProc`] when it was not there to begin with.
    pub reason: ExitReason,
    /// The tag that was given to the monitor: see [`Monitoring::tag`].
    pub tag: Option<Tag>,
}

/// A mark of the user's own on a monitor, which its [`Down`] carries: a number or a text.
///
/// ```
/// use rekindle_actor::Tag;
///
/// assert_eq!(Tag::from("db").as_str(), Some("db"));
/// assert_eq!(Tag::from(7).as_number(), Some(7));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<TagValue>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TagValue {
    Number(u64),
    Text(String),
}

impl Tag {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &*self.0 {
            TagValue::Text(text) => Some(text),
            TagValue::Number(_) => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<u64> {
        match &*self.0 {
            TagValue::Number(n) => Some(*n),
            TagValue::Text(_) => None,
        }
    }
}

impl From<u64> for Tag {
    fn from(n: u64) -> Tag {
        Tag(Arc::new(TagValue::Number(n)))
    }
}

impl From<&str> for Tag {
    fn from(text: &str) -> Tag {
        Tag::from(text.to_owned())
    }
}

impl From<String> for Tag {
    fn from(text: String) -> Tag {
        Tag(Arc::new(TagValue::Text(text)))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            TagValue::Number(n) => write!(f, "Tag({n})"),
            TagValue::Text(text) => write!(f, "Tag({text:?})"),
        }
    }
}

/// What a process watches.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) pid: Option<Pid>,
    /// What few monitors have.
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Clone, Default)]
struct Extra {
    tag: Option<Tag>,
    /// The alias that ends with the monitor. Weak, because it leads back to the process.
    alias: Option<Weak<dyn Ends>>,
}

impl Watched {
    pub(crate) fn plain(pid: Option<Pid>) -> Watched {
        Watched { pid, extra: None }
    }

    /// The watcher has ended: whom it watched need not remember it.
    pub(crate) fn forget(self, reference: MonitorRef) {
        if let Some(pid) = self.pid {
            signal::send(pid, Signal::Demonitor { reference });
        }
        // The tag is the user's, and its drop may panic.
        unwind::discard(self.end());
    }

    /// The monitor is over. Gives its tag.
    pub(crate) fn end(self) -> Option<Tag> {
        let extra = *self.extra?;
        if let Some(alias) = extra.alias.and_then(|alias| alias.upgrade()) {
            alias.end();
        }
        extra.tag
    }
}

/// A monitor with a tag, or with an alias: say what it is to have, then [start](Self::start) it.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, Info, Mailbox, Monitoring, Starter, exit, spawn};
/// # let done = Starter::new("example").start(|mut inbox: Mailbox<()>, ack: rekindle_actor::Ack| async move {
///
/// let database = spawn(std::future::pending::<()>());
/// Monitoring::of(database).tag("database").start();
///
/// exit(database, ExitReason::Kill);
/// let Info::Down(down) = inbox.next().await else { panic!("a Down was expected") };
/// assert_eq!(down.tag.unwrap().as_str(), Some("database"));
/// # ack.ready();
/// # ExitReason::Normal
/// # });
/// # done.await.unwrap();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is monitored before `start`"]
pub struct Monitoring {
    target: Option<Pid>,
    name: Option<Arc<str>>,
    tag: Option<Tag>,
}

impl Monitoring {
    /// Of a process.
    pub fn of(target: Pid) -> Monitoring {
        Monitoring {
            target: Some(target),
            name: None,
            tag: None,
        }
    }

    /// Of whoever holds a name at the start; `Down` then carries the name.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<()>| async move {
    /// use rekindle_actor::{ExitReason, Info, Monitoring};
    ///
    /// // Nobody holds it, which is told at once.
    /// Monitoring::of_name("database").start();
    /// let Info::Down(down) = inbox.next().await else { panic!("nothing else comes") };
    /// assert_eq!(down.name.as_deref(), Some("database"));
    /// assert_eq!((down.pid, down.reason), (None, ExitReason::NoProc));
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    pub fn of_name(name: impl Into<Arc<str>>) -> Monitoring {
        Monitoring {
            target: None,
            name: Some(name.into()),
            tag: None,
        }
    }

    /// Marks the monitor: its `Down` carries this (MON-011).
    pub fn tag(mut self, tag: impl Into<Tag>) -> Monitoring {
        self.tag = Some(tag.into());
        self
    }

    /// Starts the monitor, as [`monitor`] does.
    ///
    /// # Panics
    ///
    /// Outside of a process.
    #[track_caller]
    pub fn start(self) -> MonitorRef {
        within("Monitoring::start", |owner| self.watch(owner, None))
    }

    /// Starts the monitor, and makes an [`Alias`] of the running process that ends with it, as
    /// `mode` says. `own` is what stands behind the alias: a recipient of the running process.
    ///
    /// # Panics
    ///
    /// Outside of a process, or if `own` is another process's.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<&'static str>| async move {
    /// use rekindle_actor::{Info, MonitorAlias, Monitoring, spawn};
    ///
    /// // A worker that dies without an answer; one that came now would vanish.
    /// let worker = spawn(async {});
    /// let (_, answer) = Monitoring::of(worker)
    ///     .start_with_alias(MonitorAlias::Demonitor, &inbox.recipient());
    /// assert!(matches!(inbox.next().await, Info::Down(_)));
    /// assert!(!answer.is_active());
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[track_caller]
    pub fn start_with_alias<M: Send + 'static>(
        self,
        mode: MonitorAlias,
        own: &Recipient<M>,
    ) -> (MonitorRef, Alias<M>) {
        within("Monitoring::start_with_alias", |owner| {
            let alias = Alias::for_monitor(owner, mode, own);
            let ends_with_it = mode != MonitorAlias::Explicit;
            let reference = self.watch(owner, ends_with_it.then(|| alias.ends()));
            alias.set_monitor(reference);
            (reference, alias)
        })
    }

    fn watch(self, owner: Owner<'_>, alias: Option<Weak<dyn Ends>>) -> MonitorRef {
        let target = match &self.name {
            Some(name) => names::whereis(name),
            None => self.target,
        };
        let extra = (self.tag.is_some() || alias.is_some()).then(|| {
            Box::new(Extra {
                tag: self.tag,
                alias,
            })
        });
        watch(owner, Watched { pid: target, extra }, self.name)
    }
}

/// Watches a process: when it ends, the running process gets one [`Down`].
///
/// If it is dead already, `Down` comes at once, with [`ExitReason::NoProc`]. Each call makes a
/// monitor of its own. A monitor on oneself never fires.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, Info, Mailbox, monitor, spawn};
///
/// spawn(|mut inbox: Mailbox<()>| async move {
///     let target = spawn(async { ExitReason::Shutdown });
///     let reference = monitor(target);
///     let Info::Down(down) = inbox.next().await else { panic!("nobody else sends") };
///     assert_eq!((down.reference, down.reason), (reference, ExitReason::Shutdown));
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn monitor(target: Pid) -> MonitorRef {
    within("monitor", |owner| {
        watch(owner, Watched::plain(Some(target)), None)
    })
}

/// Watches whoever holds a name now; `Down` then carries the name.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, Info, Mailbox, monitor_name, spawn};
///
/// spawn(|mut inbox: Mailbox<()>| async move {
///     monitor_name("nobody");
///     let Info::Down(down) = inbox.next().await else { panic!("nobody else sends") };
///     assert_eq!((down.name.as_deref(), down.reason), (Some("nobody"), ExitReason::NoProc));
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn monitor_name(name: &str) -> MonitorRef {
    within("monitor_name", |owner| {
        let target = names::whereis(name);
        watch(owner, Watched::plain(target), Some(name.into()))
    })
}

fn watch(owner: Owner<'_>, watched: Watched, name: Option<Arc<str>>) -> MonitorRef {
    let target = watched.pid;
    let reference = expect_down(owner, watched);
    if target == Some(owner.pid()) {
        return reference;
    }
    ask_for_down(reference, target, name);
    reference
}

/// Asks `target` for a `Down`; if it is dead, that comes at once.
fn ask_for_down(reference: MonitorRef, target: Option<Pid>, name: Option<Arc<str>>) {
    let sent = target.is_some_and(|pid| {
        signal::try_send(
            pid,
            Signal::Monitor {
                reference,
                name: name.clone(),
            },
        )
        .is_ok()
    });
    if !sent {
        let down = Down {
            reference,
            pid: target,
            name,
            reason: ExitReason::NoProc,
            tag: None,
        };
        signal::send(reference.watcher(), Signal::Down(down));
    }
}

/// Notes that a `Down` is expected.
pub(crate) fn expect_down(owner: Owner<'_>, watched: Watched) -> MonitorRef {
    let serial = owner.private().next_serial();
    owner
        .process()
        .shared()
        .make_watches()
        .monitors
        .insert(serial, watched);
    MonitorRef::new(owner.pid(), serial)
}

/// A monitor that was taken away on behalf of its process, because the answer is on its way.
pub(crate) struct Suspended {
    reference: MonitorRef,
    watched: Watched,
}

/// Takes a monitor away from its process, from wherever this runs; its target is not told yet.
pub(crate) fn suspend(reference: MonitorRef) -> Option<Suspended> {
    let watched = runtimes::with_process(reference.watcher(), |_, process| {
        let mut shared = process.shared();
        shared.watches_mut()?.monitors.remove(reference.serial())
    });
    watched
        .flatten()
        .map(|watched| Suspended { reference, watched })
}

impl Suspended {
    /// It is over for good.
    pub(crate) fn end(self) {
        if let Some(pid) = self.watched.pid {
            let reference = self.reference;
            signal::send(pid, Signal::Demonitor { reference });
        }
    }

    /// It stands again. A `Down` may have been missed meanwhile, so the target is asked anew.
    pub(crate) fn resume(self) {
        let (reference, target) = (self.reference, self.watched.pid);
        let watched = self.watched;
        runtimes::with_process(reference.watcher(), |_, process| {
            let mut shared = process.shared();
            shared
                .make_watches()
                .monitors
                .insert(reference.serial(), watched);
        });
        ask_for_down(reference, target, None);
    }
}

/// Takes a monitor away; `true` if it was still there, that is, no `Down` has been received.
///
/// A `Down` that is in the mailbox already stays there; see [`demonitor_flush`]. A reference that
/// is unknown, used up, or another process's has no effect (MON-007, MON-008).
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Mailbox, demonitor, monitor, sleep, spawn};
/// use std::time::Duration;
///
/// spawn(|mut inbox: Mailbox<()>| async move {
///     let reference = monitor(spawn(sleep(Duration::from_secs(1))));
///     assert!(demonitor(reference), "it stood");
///     assert_eq!(inbox.recv_timeout(Duration::from_secs(2)).await, None);
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn demonitor(reference: MonitorRef) -> bool {
    within("demonitor", |owner| {
        if reference.watcher() != owner.pid() {
            return false;
        }
        let mut shared = owner.process().shared();
        let watched = shared
            .watches_mut()
            .and_then(|watches| watches.monitors.remove(reference.serial()));
        drop(shared);
        let Some(watched) = watched else { return false };
        if let Some(pid) = watched.pid {
            signal::send(pid, Signal::Demonitor { reference });
        }
        drop(watched.end());
        true
    })
}

/// As [`demonitor`], and takes its `Down` out of the mailbox if it is there already.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{demonitor_flush, monitor, sleep, spawn};
///
/// let watched = spawn(sleep(std::time::Duration::from_secs(1)));
/// let reference = monitor(watched);
/// sleep(std::time::Duration::from_secs(2)).await;
/// // It has ended, and its `Down` is here: nobody shall see that any more.
/// demonitor_flush(reference);
/// # });
/// ```
pub fn demonitor_flush(reference: MonitorRef) -> bool {
    let was_there = demonitor(reference);
    if !was_there {
        within("demonitor_flush", |owner| {
            let found = mailbox::take_down(owner, reference);
            found.into_iter().for_each(mailbox::discard);
        });
    }
    was_there
}

/// A `Down` was received: gives it its tag if the monitor still stands, which is used up by it; `false`
/// if it does not.
pub(crate) fn receive_down(owner: Owner<'_>, down: &mut Down) -> bool {
    let mut shared = owner.process().shared();
    let monitors = shared.watches_mut().map(|watches| &mut watches.monitors);
    let watched = monitors.and_then(|monitors| monitors.remove(down.reference.serial()));
    drop(shared);
    let Some(watched) = watched else {
        return false;
    };
    down.tag = watched.end();
    true
}

/// Tells a watcher of the end of `dead`.
pub(crate) fn notify(dead: Pid, reference: MonitorRef, name: Option<Arc<str>>, why: &ExitReason) {
    let down = Down {
        reference,
        pid: Some(dead),
        name,
        reason: why.clone(),
        tag: None,
    };
    signal::send(reference.watcher(), Signal::Down(down));
}
