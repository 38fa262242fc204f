//! A start that is acknowledged: the starter waits until init has succeeded, and hears why it did
//! not (`proc_lib` in OTP).

use std::fmt;
use std::future::Future;
use std::num::NonZeroU64;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use rekindle_scheduler::TaskView;

use crate::ambient::self_pid;
use crate::deadline::Deadline;
use crate::exit::ExitReason;
use crate::mailbox::{self, Address, Awaiting, Lost, Mailbox, MailboxPolicy, ReplyTo};
use crate::names::{self, RegisterError};
use crate::pid::{MonitorRef, Pid};
use crate::process::{AtExit, Owner, Process};
use crate::registry::Registration;
use crate::sender::Sender;
use crate::signal::exit_signal;
use crate::spawn::{Order, Tie, kind_of};
use crate::wait::WaitKind;

/// Why a process did not start. When the starter sees one of these, the process is gone and its
/// name is free.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, RegisterError, StartError};
///
/// let first = Agent::start(|| 0).name("count").await.unwrap();
/// let second = Agent::start(|| 0).name("count").await;
/// assert_eq!(second.unwrap_err(), StartError::AlreadyStarted(first.pid().unwrap()));
/// let nameless = Agent::start(|| 0).name("").await;
/// assert_eq!(nameless.unwrap_err(), StartError::BadName(RegisterError::Empty));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StartError {
    /// The name is held by this process. Init was not run (GEN-009).
    AlreadyStarted(Pid),
    /// Init chose not to start (GEN-004).
    Ignore,
    /// Init failed, panicked, or was killed, with this reason.
    Failed(ExitReason),
    /// Init was not done in this time; the process was killed (GEN-012).
    Timeout(Duration),
    /// The name cannot be given. If it is empty, no process was made (GEN-012).
    BadName(RegisterError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::AlreadyStarted(pid) => write!(f, "already started as {pid}"),
            StartError::Ignore => f.write_str("init chose not to start"),
            StartError::Failed(reason) => write!(f, "init failed: {reason}"),
            StartError::Timeout(limit) => write!(f, "init was not done within {limit:?}"),
            StartError::BadName(error) => write!(f, "the name cannot be given: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::BadName(error) => Some(error),
            StartError::Failed(ExitReason::Error(failure)) => Some(failure.error()),
            _ => None,
        }
    }
}

/// The child's side of a start: it says when init is done, or that it will not be.
///
/// Dropped unused, it tells the starter the reason with which the process ends.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Ack, ExitReason, Mailbox, StartError, Starter};
///
/// /// A body: it says whether it has begun, and the starter waits for that.
/// async fn listener(port: u16, mut inbox: Mailbox<()>, ack: Ack) -> ExitReason {
///     if port == 0 {
///         return ack.fail(ExitReason::msg("no such port"));
///     }
///     ack.ready();
///     inbox.recv().await;
///     ExitReason::Normal
/// }
///
/// let start = |port| Starter::new("listener").start(move |inbox, ack| listener(port, inbox, ack));
/// assert!(start(80).await.unwrap().is_alive());
/// let failed = start(0).await.unwrap_err();
/// assert_eq!(failed, StartError::Failed(ExitReason::msg("no such port")));
/// # });
/// ```
#[derive(Debug)]
pub struct Ack {
    reply: Option<ReplyTo<Acknowledged>>,
}

/// The answer to a start: one word, for nearly all go well.
type Acknowledged = Result<(), Box<StartError>>;

impl Ack {
    /// Init is done: the starter goes on.
    pub fn ready(mut self) {
        if let Some(reply) = self.reply.take() {
            reply.reply(Ok(()));
        }
    }

    /// Does not start, on purpose. The starter hears of it when the process has ended, for which
    /// the reason is given back.
    #[must_use]
    pub fn ignore(self) -> ExitReason {
        self.refuse(StartError::Ignore)
    }

    /// Fails without a crash report (START-003, GEN-006): the starter hears the reason, and the
    /// process ends with `Normal`, which is given back.
    #[must_use]
    pub fn fail(self, reason: ExitReason) -> ExitReason {
        self.refuse(StartError::Failed(reason))
    }

    fn refuse(mut self, error: StartError) -> ExitReason {
        if let Some(reply) = self.reply.take() {
            self.dissolve_link();
            Owner::current(|owner| {
                let Some(owner) = owner else { return };
                let tell = Box::new(move |_: &ExitReason| reply.reply(Err(Box::new(error))));
                owner.private().at_exit().push(AtExit::Act(tell));
            });
        }
        ExitReason::Normal
    }

    /// A start that fails is told by its result alone, and not by an exit signal as well
    /// (GEN-008).
    fn dissolve_link(&self) {
        Owner::current(|owner| {
            let owner = owner?;
            // Who starts a process is its parent.
            let parent = owner.process().parent(owner.node())?;
            owner.with_links(|mut links| links.remove(parent))
        });
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if self.reply.is_some() {
            // The reply tells the reason itself, when it drops.
            self.dissolve_link();
        }
    }
}

/// Starts a process that acknowledges its start: the first half of an own behaviour.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{Ack, ExitReason, Mailbox, Starter};
///
/// async fn echo(mut inbox: Mailbox<String>, ack: Ack) -> ExitReason {
///     // init goes here; `return ack.fail(reason)` if it fails
///     ack.ready();
///     println!("{}", inbox.recv().await);
///     ExitReason::Normal
/// }
///
/// let echo = Starter::new("Echo").name("echo").link().start(echo).await.unwrap();
/// echo.send("hello".to_owned());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is started until `start`"]
pub struct Starter {
    name: Option<Arc<str>>,
    via: Option<Registration>,
    timeout: Option<Duration>,
    tie: Tie,
    heeds_parent: bool,
    mailbox: MailboxPolicy,
    label: Option<Arc<str>>,
    at: Option<&'static Location<'static>>,
    /// In nanoseconds.
    hibernate_after: Option<NonZeroU64>,
}

impl Default for Starter {
    /// A start with the defaults of [`Starter::new`], and without a label.
    fn default() -> Starter {
        Starter {
            name: None,
            via: None,
            timeout: None,
            tie: Tie::None,
            heeds_parent: true,
            mailbox: MailboxPolicy::unbounded(),
            label: None,
            at: None,
            hibernate_after: None,
        }
    }
}

impl Starter {
    /// A start with the defaults: no name, no link, no time limit, an unbounded mailbox. `label`
    /// says in reports what is started; an empty one says nothing.
    pub fn new(label: impl Into<Arc<str>>) -> Starter {
        let label = label.into();
        Starter {
            label: (!label.is_empty()).then_some(label),
            ..Starter::default()
        }
    }

    /// Says where the start was asked for: this is what reports and
    /// [`ProcessInfo`](crate::ProcessInfo) show as the place of the spawn. By default that is the
    /// caller of [`start`](Self::start); a behaviour whose own functions call it, or whose start
    /// is awaited elsewhere than it was made, passes its user's line on.
    pub fn spawned_at(mut self, at: &'static Location<'static>) -> Starter {
        self.at = Some(at);
        self
    }

    /// Registers the process under this name before its init runs.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Starter {
        self.name = Some(name.into());
        self
    }

    /// Registers the process in a registry before its init runs: see
    /// [`Registry::registration`](crate::Registry::registration). A key that is held makes the
    /// start fail with [`StartError::AlreadyStarted`].
    pub fn via<G>(mut self, registration: impl Into<Registration<G>>) -> Starter {
        self.via = Some(registration.into().of_any());
        self
    }

    /// Kills the process if its init is not done in this time.
    pub fn timeout(mut self, limit: Duration) -> Starter {
        self.timeout = Some(limit);
        self
    }

    /// For the behaviours here, as in OTP: who is started with a link has the starter for its
    /// parent, and who is started without has none.
    pub(in crate::behaviour) fn link_if(mut self, linked: bool) -> Starter {
        self.heeds_parent = linked;
        if linked { self.link() } else { self }
    }

    /// Links the process with the starter.
    pub fn link(mut self) -> Starter {
        self.tie = Tie::Link;
        self
    }

    /// Lets the starter monitor the process. A failed start gives no `Down` (GEN-008).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<()>| async move {
    /// use rekindle_actor::{Ack, ExitReason, Info, Mailbox, Starter};
    ///
    /// let starting = Starter::new("brief").monitor().start(|_inbox: Mailbox<()>, ack: Ack| async {
    ///     ack.ready();
    ///     ExitReason::Normal
    /// });
    /// let reference = starting.monitor();
    /// starting.await.unwrap();
    /// assert!(matches!(inbox.next().await, Info::Down(down) if Some(down.reference) == reference));
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    pub fn monitor(mut self) -> Starter {
        self.tie = Tie::Monitor;
        self
    }

    /// For a generic server: see [`Context::hibernate_after`](crate::Context::hibernate_after).
    pub(in crate::behaviour) fn hibernate_after(mut self, idle: Duration) -> Starter {
        // At once is when nothing is there: a wait of no time at all would not look.
        let nanos = u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX);
        self.hibernate_after = Some(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN));
        self
    }

    pub(in crate::behaviour) fn monitor_if(&mut self, monitored: bool) {
        if monitored {
            self.tie = Tie::Monitor;
        }
    }

    /// Bounds the mailbox.
    pub fn mailbox(mut self, policy: MailboxPolicy) -> Starter {
        self.mailbox = policy;
        self
    }

    /// Starts a process that runs `body`. It begins at once; awaiting the result waits for its
    /// acknowledgement.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn start<M, B, F>(mut self, body: B) -> Starting<M>
    where
        M: Send + 'static,
        B: FnOnce(Mailbox<M>, Ack) -> F + Send + 'static,
        F: Future<Output = ExitReason> + Send + 'static,
    {
        let at = self.at.unwrap_or(Location::caller());
        self.start_as::<B, M, B, F>(body, false, at)
    }

    /// As [`start`](Self::start), with the type that stands for the behaviour in reports and in
    /// [`ProcessInfo`](crate::ProcessInfo): by default that is the type of `body`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Ack, ExitReason, Mailbox, Starter, info};
    ///
    /// /// Stands for the behaviour, whatever function is its body.
    /// struct Echo;
    ///
    /// async fn body(mut inbox: Mailbox<String>, ack: Ack) -> ExitReason {
    ///     ack.ready();
    ///     println!("{}", inbox.recv().await);
    ///     ExitReason::Normal
    /// }
    ///
    /// let echo = Starter::default().start_behaviour::<Echo, _, _, _>(body).await.unwrap();
    /// assert!(info(echo.pid()).unwrap().behaviour.ends_with("Echo"));
    /// # });
    /// ```
    #[track_caller]
    pub fn start_behaviour<Who, M, B, F>(mut self, body: B) -> Starting<M>
    where
        Who: ?Sized,
        M: Send + 'static,
        B: FnOnce(Mailbox<M>, Ack) -> F + Send + 'static,
        F: Future<Output = ExitReason> + Send + 'static,
    {
        let at = self.at.unwrap_or(Location::caller());
        self.start_as::<Who, M, B, F>(body, false, at)
    }

    /// As [`start_behaviour`](Self::start_behaviour), for a start that was asked for elsewhere.
    /// `direct`: the body is a function of ours that only makes a future.
    ///
    /// Takes what the starter has: so that it need not be moved.
    pub(crate) fn start_as<Who, M, B, F>(
        &mut self,
        body: B,
        direct: bool,
        at: &'static Location<'static>,
    ) -> Starting<M>
    where
        Who: ?Sized,
        M: Send + 'static,
        B: FnOnce(Mailbox<M>, Ack) -> F + Send + 'static,
        F: Future<Output = ExitReason> + Send + 'static,
    {
        let (reply, awaiting) = mailbox::acknowledgement(Owner::own_waker());
        let mut starting = Starting {
            sender: None,
            monitor: None,
            linked: self.tie == Tie::Link,
            awaiting,
            deadline: Deadline::after(self.timeout),
            timed_out: false,
            waits: false,
            at,
        };
        // No process could take this name: so none is made (GEN-012).
        if self.name.as_deref() == Some("") {
            reply.reply(Err(Box::new(StartError::BadName(RegisterError::Empty))));
            return starting;
        }
        let ack = Ack { reply: Some(reply) };
        let order = Order {
            kind: kind_of::<Who, M>(),
            tie: self.tie,
            policy: self.mailbox,
            at,
        };
        let (mut label, heeds_parent) = (self.label.take(), self.heeds_parent);
        // What it gives lies where it stays: what is moved as a whole waits for its parts.
        let (sender, monitor) = (&mut starting.sender, &mut starting.monitor);
        let note = |view: TaskView<'_>, _: Pid, reference: Option<MonitorRef>| {
            if let Some(process) = view.host::<Process>() {
                process
                    .private
                    .heeds_parent
                    .store(heeds_parent, Ordering::Relaxed);
                if let Some(label) = label.take() {
                    process.shared().make_rare().label = Some(label);
                }
            }
            let address = Address::of(view).expect("the process was made for this message");
            *sender = Some(Sender::new(address));
            if reference.is_some() {
                *monitor = reference;
            }
        };
        // A body of ours is called here, as a rule, to save the room of a wrapper; a user's is called in its
        // own process, for what it drops at once (its `Ack`, say) must be dropped there.
        let hibernate_after = self.hibernate_after;
        match (self.name.take(), self.via.take()) {
            (None, None) if direct && hibernate_after.is_none() => {
                order.spawn(|inbox| body(inbox, ack), note)
            }
            (name, via) => {
                let first = |inbox| First {
                    via,
                    name,
                    hibernate_after,
                    inbox,
                    ack,
                    body,
                };
                order.spawn(|inbox| inside(Box::new(first(inbox))), note)
            }
        }
        starting
    }
}

/// What a process needs for its first step.
struct First<M, B> {
    via: Option<Registration>,
    name: Option<Arc<str>>,
    hibernate_after: Option<NonZeroU64>,
    inbox: Mailbox<M>,
    ack: Ack,
    body: B,
}

/// Registers the process under a key of a registry and under a name, if it is to have them, and then
/// makes its body: so init can find itself (GEN-010). Gives the reason to end with if it may not start.
#[expect(
    clippy::boxed_local,
    reason = "the process's future would keep room for it as long as it lives"
)]
fn begin<M, B, F>(first: Box<First<M, B>>) -> Result<F, ExitReason>
where
    B: FnOnce(Mailbox<M>, Ack) -> F,
{
    let First {
        via,
        name,
        hibernate_after,
        inbox,
        ack,
        body,
    } = *first;
    if let Some(nanos) = hibernate_after {
        Owner::current(|owner| owner.map(|owner| owner.private().set_hibernate_after(nanos)));
    }
    if let Some(Err(error)) = via.map(|via| via.register()) {
        return Err(ack.refuse(error));
    }
    match name.map_or(Ok(()), |name| names::register(name, self_pid())) {
        Ok(()) => Ok(body(inbox, ack)),
        Err(RegisterError::Taken(pid)) => Err(ack.refuse(StartError::AlreadyStarted(pid))),
        Err(error) => Err(ack.refuse(StartError::BadName(error))),
    }
}

/// The life of a process that does not begin with its body at once.
async fn inside<M, B, F>(first: Box<First<M, B>>) -> ExitReason
where
    B: FnOnce(Mailbox<M>, Ack) -> F + Send + 'static,
    F: Future<Output = ExitReason> + Send + 'static,
{
    let body = match begin(first) {
        Ok(body) => body,
        Err(reason) => return reason,
    };
    body.await
}

/// A start that waits for its acknowledgement. Dropped early, the start goes on by itself.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Ack, ExitReason, Mailbox, Starter, StartError, exit};
///
/// /// Its init never ends.
/// async fn stuck(_inbox: Mailbox<()>, _ack: Ack) -> ExitReason {
///     std::future::pending().await
/// }
///
/// let starting = Starter::new("stuck").start(stuck);
/// // The process is there while its start is still waited for.
/// exit(starting.pid(), ExitReason::Kill);
/// assert_eq!(starting.await.unwrap_err(), StartError::Failed(ExitReason::Killed));
/// # });
/// ```
#[must_use = "await this to learn whether the start succeeded"]
pub struct Starting<M> {
    sender: Option<Sender<M>>,
    monitor: Option<MonitorRef>,
    linked: bool,
    awaiting: Awaiting<Acknowledged>,
    deadline: Deadline,
    timed_out: bool,
    waits: bool,
    at: &'static Location<'static>,
}

impl<M: Send + 'static> Starting<M> {
    /// The process that starts.
    ///
    /// # Panics
    ///
    /// After the start was awaited to its end; and if the name is empty, for then there is no
    /// process, and the start gives [`StartError::BadName`].
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.sender
            .as_ref()
            .expect("a process starts, and its start is not over")
            .pid()
    }

    /// The starter's monitor, if [`Starter::monitor`] asked for one and there is a process.
    #[must_use]
    pub fn monitor(&self) -> Option<MonitorRef> {
        self.monitor
    }

    /// Takes back what a failed start left with the starter.
    fn forget(&self, pid: Pid) {
        Owner::current(|owner| {
            let Some(owner) = owner else { return };
            if self.linked {
                owner.with_links(|mut links| links.remove(pid));
            }
            let Some(reference) = self.monitor else {
                return;
            };
            if reference.watcher() == owner.pid() {
                crate::monitor::demonitor_flush(reference);
            }
        });
    }
}

impl<M: Send + 'static> Future for Starting<M> {
    type Output = Result<Sender<M>, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let pid = this.sender.as_ref().map(Sender::pid);
        let polled = this.awaiting.poll(cx);
        if polled.is_pending() {
            if let Some(pid) = pid
                && !this.timed_out
                && this.deadline.is_past(cx, pid.node())
            {
                this.timed_out = true;
                exit_signal(pid, ExitReason::Kill);
            }
            if !this.waits {
                this.waits = true;
                let at = this.at;
                Owner::current(|o| o.map(|o| o.process().waiting.begin(WaitKind::Start, at)));
            }
            return Poll::Pending;
        }
        if this.waits {
            this.waits = false;
            Owner::current(|owner| owner.map(|owner| owner.process().waiting.end()));
        }
        let no_proc = StartError::Failed(ExitReason::NoProc);
        // So do most end. Looked at where it lies, for a move of the whole would wait for its parts.
        if !this.timed_out && matches!(polled, Poll::Ready(Ok(Ok(())))) {
            return Poll::Ready(this.sender.take().ok_or(no_proc));
        }
        let Poll::Ready(result) = polled else {
            return Poll::Pending;
        };
        let result = match result {
            _ if this.timed_out => Err(StartError::Timeout(this.deadline.limit())),
            Ok(result) => result.map_err(|error| *error),
            Err(Lost::Exited(reason)) => Err(StartError::Failed(reason)),
            Err(Lost::Gone | Lost::NoReply) => Err(no_proc.clone()),
        };
        if let Some(pid) = pid
            && result.is_err()
        {
            this.forget(pid);
        }
        let sender = this.sender.take();
        Poll::Ready(result.and_then(|()| sender.ok_or(no_proc)))
    }
}

impl<M> fmt::Debug for Starting<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting")
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}
