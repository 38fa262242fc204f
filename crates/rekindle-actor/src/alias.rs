//! Aliases: ways to a process that can be closed.
//!
//! An alias is for an answer that may come too late. Whoever has asked, and has waited long enough,
//! closes the alias; what is sent to it afterwards vanishes, and never turns up in the mailbox
//! among later answers.
//!
//! The way is closed under the lock that a message passes under: so when
//! [`unalias`](Alias::unalias) has returned, either a message is in the mailbox, or it will never
//! be. The lock is a reentrant one, for a message that is refused is dropped under it, and its
//! `Drop` may be anybody's.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::ReentrantMutex;

use crate::behaviour::{Context, GenServer};
use crate::inspect;
use crate::link::within;
use crate::mailbox::Mailbox;
use crate::monitor;
use crate::pid::{MonitorRef, Pid};
use crate::process::Owner;
use crate::recipient::{Deliver, Recipient};
use crate::sender::SendError;

/// What ends an alias, besides its [`unalias`](Alias::unalias) and the end of its process.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<&'static str>| async move {
/// use rekindle_actor::AliasMode;
///
/// let once = inbox.alias(AliasMode::Reply);
/// let often = inbox.alias(AliasMode::Explicit);
/// for way in [&once, &often] {
///     way.send("first");
///     way.send("second");
/// }
/// assert!(!once.is_active() && often.is_active());
/// assert_eq!([inbox.recv().await, inbox.recv().await], ["first", "first"]);
/// assert_eq!(inbox.recv().await, "second");
/// assert!(inbox.is_empty());
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasMode {
    /// Nothing.
    Explicit,
    /// The first message that is sent to it (PROC-012).
    Reply,
}

/// What ends the alias of a monitor, besides its [`unalias`](Alias::unalias).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<&'static str>| async move {
/// use rekindle_actor::{ExitReason, Info, MonitorAlias, Monitoring, exit, spawn};
/// use std::time::Duration;
///
/// let worker = spawn(std::future::pending::<()>());
/// let (_, alias) = Monitoring::of(worker)
///     .start_with_alias(MonitorAlias::ReplyDemonitor, &inbox.recipient());
/// alias.send("done");
/// exit(worker, ExitReason::Kill);
///
/// // The answer has taken the monitor away: there is no `Down` after it.
/// assert_eq!(inbox.recv().await, "done");
/// assert!(matches!(inbox.next_timeout(Duration::from_secs(1)).await, Info::Timeout));
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonitorAlias {
    /// Nothing.
    Explicit,
    /// The end of the monitor: its `Down` was received, or it was taken away (PROC-013).
    Demonitor,
    /// The end of the monitor, or the first message that is sent to the alias, which takes the
    /// monitor away as well. So the process gets the message or the `Down`, and never both.
    ReplyDemonitor,
}

/// A way to one process that can be closed: a handle for one message type.
///
/// A message sent to it arrives like any other of that process; once the alias is dead, messages
/// vanish. Made by [`Mailbox::alias`], [`Context::alias`], [`alias`], or with a monitor by
/// [`Monitoring::start_with_alias`](crate::Monitoring::start_with_alias). All clones are the same
/// alias.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use std::time::Duration;
/// use rekindle_actor::{AliasMode, Mailbox, Starter};
/// # let done = Starter::new("example").start(|mut inbox: Mailbox<u32>, ack: rekindle_actor::Ack| async move {
///
/// let alias = inbox.alias(AliasMode::Explicit);
/// alias.send(1);
/// assert!(alias.unalias());
/// alias.send(2);
/// assert!(!alias.unalias(), "it was dead already");
///
/// // What was in the mailbox stays there; what came later does not.
/// assert_eq!(inbox.recv().await, 1);
/// assert_eq!(inbox.recv_timeout(Duration::ZERO).await, None);
/// # ack.ready();
/// # rekindle_actor::ExitReason::Normal
/// # });
/// # done.await.unwrap();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # When not to use this
///
/// For the answer to a request: a [`ReplyTo`](crate::ReplyTo) is such a way already, and a late
/// answer through one never reaches the mailbox.
pub struct Alias<M> {
    shared: Arc<Shared<M>>,
}

struct Shared<M> {
    /// Whose alias it is.
    owner: Pid,
    /// Whether one message is all it takes.
    once: bool,
    /// The monitor that the first message takes away.
    monitor: OnceLock<MonitorRef>,
    /// `None` once it is dead.
    target: ReentrantMutex<RefCell<Option<Recipient<M>>>>,
}

/// Something that can be over.
pub(crate) trait Ends: Send + Sync {
    /// Ends it; whether it was not over before.
    fn end(&self) -> bool;
}

impl fmt::Debug for dyn Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ends")
    }
}

impl<M: Send + 'static> Ends for Shared<M> {
    fn end(&self) -> bool {
        let guard = self.target.lock();
        let target = guard.borrow_mut().take();
        target.is_some()
    }
}

/// An alias of the running process. `own` is what stands behind it: a recipient of that process.
/// [`Mailbox::alias`] and [`Context::alias`] are shorter.
///
/// # Panics
///
/// Outside of a process, or if `own` is another process's: an alias is always one's own.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{AliasMode, Sender, alias, self_pid};
///
/// # #[derive(Debug, PartialEq)]
/// struct Note(String);
/// impl From<u32> for Note {
///     fn from(n: u32) -> Note { Note(n.to_string()) }
/// }
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<Note>| async move {
///
/// // For numbers, in a process whose messages are notes.
/// let own = Sender::<Note>::from_pid(self_pid()).unwrap().recipient::<u32>();
/// let numbers = alias(AliasMode::Explicit, &own);
/// numbers.send(7);
/// assert_eq!(inbox.recv().await, Note("7".to_owned()));
/// assert!(numbers.unalias());
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[track_caller]
#[must_use = "an alias that nobody has is of no use"]
pub fn alias<M: Send + 'static>(mode: AliasMode, own: &Recipient<M>) -> Alias<M> {
    within("alias", |owner| {
        Alias::new(owner, mode == AliasMode::Reply, own)
    })
}

impl<M: Send + 'static> Alias<M> {
    #[track_caller]
    fn new(owner: Owner<'_>, once: bool, own: &Recipient<M>) -> Alias<M> {
        let pid = owner.pid();
        assert!(
            own.pid() == Some(pid),
            "{pid} asked for an alias of another process, {:?}; an alias is always one's own",
            own.pid()
        );
        Alias {
            shared: Arc::new(Shared {
                owner: pid,
                once,
                monitor: OnceLock::new(),
                target: ReentrantMutex::new(RefCell::new(Some(own.clone()))),
            }),
        }
    }

    #[track_caller]
    pub(crate) fn for_monitor(owner: Owner<'_>, mode: MonitorAlias, own: &Recipient<M>) -> Self {
        Alias::new(owner, mode == MonitorAlias::ReplyDemonitor, own)
    }

    /// The monitor that the alias was made with.
    pub(crate) fn set_monitor(&self, reference: MonitorRef) {
        if self.shared.once {
            let _ = self.shared.monitor.set(reference);
        }
    }

    pub(crate) fn ends(&self) -> Weak<dyn Ends> {
        let weak: Weak<Shared<M>> = Arc::downgrade(&self.shared);
        weak
    }

    /// Whose alias it is.
    #[must_use]
    pub fn owner(&self) -> Pid {
        self.shared.owner
    }

    /// Whether a message sent now would be taken; it may be over by the time this returns.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.shared.is_active()
    }

    /// Sends a message; it vanishes if the alias is dead. Never waits.
    ///
    /// # Delivery
    ///
    /// As [`Sender::send`](crate::Sender::send), as long as the alias lives.
    pub fn send(&self, message: M) {
        let _ = self.shared.deliver(message);
    }

    /// As [`send`](Self::send), and tells.
    ///
    /// # Errors
    ///
    /// [`SendError::NoProc`] if the alias is dead, or its process; [`SendError::Full`] if the
    /// mailbox refuses the message: then an alias for one message still takes one.
    pub fn try_send(&self, message: M) -> Result<(), SendError<()>> {
        self.shared.deliver(message)
    }

    /// Ends the alias; whether it still lived (PROC-015). A message that is in the mailbox stays
    /// there; after this, none comes there any more.
    ///
    /// In another process than the [owner](Self::owner) this does nothing, and gives `false`
    /// (PROC-014).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<&'static str>| async move {
    /// use rekindle_actor::{AliasMode, send_after};
    /// use std::time::Duration;
    ///
    /// // Waits for two seconds; what would come later never comes.
    /// let answer = inbox.alias(AliasMode::Explicit);
    /// send_after(Duration::from_secs(3), &answer.recipient(), "late");
    /// assert_eq!(inbox.recv_timeout(Duration::from_secs(2)).await, None);
    /// assert!(answer.unalias());
    /// assert_eq!(inbox.recv_timeout(Duration::from_secs(2)).await, None);
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    pub fn unalias(&self) -> bool {
        let own = self.shared.owner;
        let may = Owner::current(|owner| owner.is_some_and(|owner| owner.pid() == own));
        may && self.shared.end()
    }

    /// The alias as a handle like any other for this message type: for timers, say.
    #[must_use]
    pub fn recipient(&self) -> Recipient<M> {
        Recipient::new(self.clone())
    }
}

impl<M: Send + 'static> Shared<M> {
    fn is_active(&self) -> bool {
        let lives = self.target.lock().borrow().is_some();
        lives && inspect::is_alive(self.owner)
    }

    fn deliver(&self, message: M) -> Result<(), SendError<()>> {
        let guard = self.target.lock();
        if !self.once {
            let target = guard.borrow().clone();
            return match target {
                Some(target) => target.try_send(message),
                None => Err(SendError::NoProc(())),
            };
        }
        // Dead before anybody else can look: the message's `Drop`, say.
        let Some(target) = guard.borrow_mut().take() else {
            return Err(SendError::NoProc(()));
        };
        // Away with the monitor before the message can be seen, lest a `Down` come as well.
        let monitor = match self.monitor.get() {
            None => None,
            Some(reference) => match monitor::suspend(*reference) {
                None => {
                    // Its `Down` was first, and is about to end this alias.
                    drop(guard);
                    return Err(SendError::NoProc(()));
                }
                suspended => suspended,
            },
        };
        let sent = target.try_send(message);
        if let Err(SendError::Full(())) = sent {
            // Not taken: the next one may be.
            *guard.borrow_mut() = Some(target);
            if let Some(monitor) = monitor {
                monitor.resume();
            }
        } else if let Some(monitor) = monitor {
            monitor.end();
        }
        sent
    }
}

impl<M: Send + 'static> Deliver<M> for Alias<M> {
    fn deliver(&self, message: M) -> Result<(), SendError<()>> {
        self.shared.deliver(message)
    }

    fn pid(&self) -> Option<Pid> {
        self.is_active().then_some(self.shared.owner)
    }
}

impl<M: Send + 'static> Mailbox<M> {
    /// A way to this mailbox that can be closed: see [`Alias`] (PROC-011).
    ///
    /// # Panics
    ///
    /// In another process than the mailbox's own.
    #[track_caller]
    #[must_use = "an alias that nobody has is of no use"]
    pub fn alias(&self, mode: AliasMode) -> Alias<M> {
        alias(mode, &self.recipient())
    }
}

impl<G: GenServer> Context<G> {
    /// A way to this server that can be closed, for one kind of plain message: see [`Alias`].
    ///
    /// # Panics
    ///
    /// In another process than the server's own.
    #[track_caller]
    #[must_use = "an alias that nobody has is of no use"]
    pub fn alias<M>(&self, mode: AliasMode) -> Alias<M>
    where
        M: Send + 'static,
        G::Info: From<M>,
    {
        alias(mode, &self.addr().recipient())
    }
}

impl<M> Clone for Alias<M> {
    fn clone(&self) -> Self {
        Alias {
            shared: self.shared.clone(),
        }
    }
}

impl<M> PartialEq for Alias<M> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<M> Eq for Alias<M> {}

impl<M> fmt::Debug for Alias<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, once) = (self.shared.owner, self.shared.once);
        write!(
            f,
            "Alias({owner}{})",
            if once { ", for one message" } else { "" }
        )
    }
}
