//! How a process waits for its messages.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use rekindle_scheduler::{NodePtr, Time, budget};

use super::cells::PrivateMut;
use super::node::{self, Class, Unopened, Unread};
use super::{Address, Position, Queue, Served};
use crate::attach::{self, Attached};
use crate::exit::Exit;
use crate::interests::Interest;
use crate::monitor::Down;
use crate::pid::Pid;
use crate::process::{Owner, Private, Process, now_for};
use crate::recipient::Recipient;
use crate::signal::{self, Signal};
use crate::sys::SystemMessage;
use crate::time::Alarm;
use crate::wait::WaitKind;

/// What a process can find in its mailbox besides requests and casts.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Info, Mailbox, monitor, sleep, spawn};
/// use std::time::Duration;
///
/// let watching = spawn(|mut inbox: Mailbox<&'static str>| async move {
///     let short = spawn(sleep(Duration::from_secs(2)));
///     monitor(short);
///     assert!(matches!(inbox.next().await, Info::Message("hello")));
///     assert!(matches!(inbox.next_timeout(Duration::from_secs(1)).await, Info::Timeout));
///     assert!(matches!(inbox.next().await, Info::Down(down) if down.pid == Some(short)));
/// });
/// watching.send("hello");
/// # sleep(Duration::from_secs(5)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !watching.is_alive());
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Info<T> {
    /// An ordinary message.
    Message(T),
    /// No message came within the time that the last callback had asked for.
    Timeout,
    /// A monitored process has ended.
    Down(Down),
    /// An exit signal, received while trapping exits.
    Exit(Exit),
}

/// What a behaviour's loop can find in its mailbox.
///
/// ```
/// use rekindle_actor::sys::{SystemState, SystemVerdict};
/// use rekindle_actor::{Ack, Event, ExitReason, Mailbox};
/// # use rekindle_actor::{Starter, sys};
/// use std::time::Duration;
///
/// /// Counts what it is sent, and ends when nothing comes for a minute.
/// async fn counter(mut inbox: Mailbox<()>, ack: Ack) -> ExitReason {
///     let (mut count, mut system) = (0_u32, SystemState::new());
///     ack.ready();
///     loop {
///         match inbox.next_event(Some(Duration::from_secs(60))).await {
///             Event::Message(()) => count += 1,
///             Event::System(message) => match message.handle(&mut system, &mut count, |_| None) {
///                 SystemVerdict::Continue => {}
///                 SystemVerdict::Stop(reason) => return reason,
///             },
///             Event::Timeout => return ExitReason::Normal,
///             _ => {}
///         }
///     }
/// }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let counter = Starter::new("counter").start(counter).await.unwrap();
/// # counter.send(());
/// # assert_eq!(sys::get_state::<u32>(&counter).await, Ok(1));
/// # rekindle_actor::sleep(Duration::from_secs(59)).await;
/// # assert!(counter.is_alive());
/// # rekindle_actor::sleep(Duration::from_secs(2)).await;
/// # assert!(!counter.is_alive());
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<M> {
    /// An ordinary message; if somebody waits for an answer, it carries the `ReplyTo`.
    Message(M),
    /// A monitored process has ended.
    Down(Down),
    /// An exit signal, received while trapping exits.
    Exit(Exit),
    /// Somebody looks in: see [`sys`](crate::sys).
    System(SystemMessage),
    /// A moment has come: see [`Mailbox::alarm_at`].
    Alarm(u64),
    /// A process has taken its link with this one away: see [`Mailbox::hear_unlinks`].
    Unlinked(Pid),
    /// No event came in time. Only [`Mailbox::next_event`] with a timeout gives this.
    Timeout,
}

/// The receiving end of a process, given to its body.
///
/// Messages of one sender are received in the order in which they were sent; nothing is promised
/// between senders. A mailbox never closes: handles keep no process alive, and a process that
/// should end when nobody needs it must be told so.
///
/// It can be used by its own process only; anywhere else its methods panic.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{Mailbox, spawn};
/// let echo = spawn(|mut inbox: Mailbox<(u32, rekindle_actor::ReplyTo<u32>)>| async move {
///     loop {
///         let (n, from) = inbox.recv().await;
///         from.reply(n);
///     }
/// });
/// assert_eq!(echo.call(|from| (7, from)).await, Ok(7));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Mailbox<M> {
    pid: Pid,
    messages: PhantomData<fn() -> M>,
}

impl<M: Send + 'static> Mailbox<M> {
    /// For the loop that is the body of the process; see [`BodysInbox`].
    #[inline]
    pub(crate) fn of_body(self) -> BodysInbox<M> {
        // It has not received.
        mem::forget(self);
        BodysInbox(PhantomData)
    }

    /// The mailbox of the process that is about to be spawned with this id.
    pub(crate) fn of(pid: Pid) -> Self {
        Mailbox {
            pid,
            messages: PhantomData,
        }
    }

    /// The process whose mailbox this is.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for the next ordinary message. `Down`s and `Exit`s stay where they are; a process
    /// that monitors or traps takes them by [`next`](Self::next).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<&'static str>| async move {
    /// use rekindle_actor::{Info, monitor, spawn};
    ///
    /// monitor(spawn(async {}));
    /// inbox.recipient().send("hello");
    /// assert_eq!(inbox.recv().await, "hello");
    /// // The `Down` waits for a `next`.
    /// assert!(matches!(inbox.next().await, Info::Down(_)));
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = M> + Send + '_ {
        self.receive::<_, Message>(None, Messages)
    }

    /// As [`recv`](Self::recv), but gives up after `timeout`. A timeout of zero takes a message
    /// that is there already, or returns at once (PROC-016).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u32>| async move {
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(1);
    /// assert_eq!(inbox.recv_timeout(limit).await, None);
    /// inbox.recipient().send(7);
    /// assert_eq!(inbox.recv_timeout(limit).await, Some(7));
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[track_caller]
    pub fn recv_timeout(
        &mut self,
        timeout: Duration,
    ) -> impl Future<Output = Option<M>> + Send + '_ {
        self.receive::<_, MaybeMessage>(Some(timeout), Messages)
    }

    /// Waits for the first ordinary message that `wanted` accepts; what is skipped keeps its
    /// order (PROC-016). Each message is looked at once, however many come.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u32>| async move {
    /// let own = inbox.recipient();
    /// (1..=4).for_each(|n| own.send(n));
    /// assert_eq!(inbox.recv_match(|n| n % 2 == 0).await, 2);
    /// assert_eq!(inbox.recv().await, 1);
    /// assert_eq!(inbox.recv().await, 3);
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[track_caller]
    pub fn recv_match<'a>(
        &'a mut self,
        wanted: impl FnMut(&M) -> bool + Send + 'a,
    ) -> impl Future<Output = M> + Send + 'a {
        self.receive::<_, Message>(None, Matching(wanted, PhantomData))
    }

    /// As [`recv_match`](Self::recv_match), but gives up after `timeout`.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u32>| async move {
    /// use std::time::Duration;
    ///
    /// inbox.recipient().send(7);
    /// let large = inbox.recv_match_timeout(Duration::from_secs(1), |n| *n > 100).await;
    /// assert_eq!(large, None);
    /// assert_eq!(inbox.recv().await, 7, "it was skipped, and is there");
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[track_caller]
    pub fn recv_match_timeout<'a>(
        &'a mut self,
        timeout: Duration,
        wanted: impl FnMut(&M) -> bool + Send + 'a,
    ) -> impl Future<Output = Option<M>> + Send + 'a {
        self.receive::<_, MaybeMessage>(Some(timeout), Matching(wanted, PhantomData))
    }

    /// Takes an ordinary message that is there already, without a wait.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u32>| async move {
    /// let own = inbox.recipient();
    /// (1..=3).for_each(|n| own.send(n));
    /// assert_eq!(inbox.try_recv(), Some(1));
    /// // Waits for one, and takes what is there besides.
    /// let mut batch = vec![inbox.recv().await];
    /// batch.extend(std::iter::from_fn(|| inbox.try_recv()));
    /// assert_eq!(batch, [2, 3]);
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    pub fn try_recv(&mut self) -> Option<M> {
        self.settle();
        let found = self.owned(|owner| {
            let queued = take_from(owner, &mut None, &mut Messages);
            queued.or_else(|| take_news(owner, &mut None, &mut Messages))
        })?;
        Some(unread(self, found).open_as(|message| message))
    }

    /// Waits for whatever comes next: a message, a `Down`, or an `Exit`. `sys` messages, alarms and
    /// news of links are left to behaviours and stay unread.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<()>| async move {
    /// use rekindle_actor::{ExitReason, Info, spawn_link, trap_exit};
    ///
    /// trap_exit(true);
    /// let child = spawn_link(async { ExitReason::Shutdown });
    /// let Info::Exit(exit) = inbox.next().await else { panic!("nothing else comes") };
    /// assert_eq!((exit.from, exit.reason), (child, ExitReason::Shutdown));
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot wait")]
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Info<M>> + Send + '_ {
        self.receive::<_, AsInfo>(None, Infos)
    }

    /// As [`next`](Self::next), but gives `Info::Timeout` after `timeout`.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<()>| async move {
    /// use rekindle_actor::{Info, monitor, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// monitor(spawn(sleep(Duration::from_secs(3))));
    /// let waited = inbox.next_timeout(Duration::from_secs(2)).await;
    /// assert!(matches!(waited, Info::Timeout));
    /// let waited = inbox.next_timeout(Duration::from_secs(2)).await;
    /// assert!(matches!(waited, Info::Down(_)));
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[track_caller]
    pub fn next_timeout(&mut self, timeout: Duration) -> impl Future<Output = Info<M>> + Send + '_ {
        self.receive::<_, AsInfo>(Some(timeout), Infos)
    }

    /// For behaviours: whatever comes next, `sys` messages included, or `Event::Timeout` at the
    /// end of the time, if there is one.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u32>| async move {
    /// use rekindle_actor::Event;
    /// use std::time::Duration;
    ///
    /// let limit = Some(Duration::from_secs(1));
    /// assert!(matches!(inbox.next_event(limit).await, Event::Timeout));
    /// inbox.recipient().send(7);
    /// assert!(matches!(inbox.next_event(limit).await, Event::Message(7)));
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[track_caller]
    pub fn next_event(
        &mut self,
        timeout: Option<Duration>,
    ) -> impl Future<Output = Event<M>> + Send + '_ {
        self.receive::<_, AsEvent>(timeout, Everything)
    }

    /// For behaviours: as [`next_event`](Self::next_event) without a timeout, in a third of the
    /// room. A loop's future keeps that room as long as its process lives.
    #[track_caller]
    #[inline]
    pub fn next_arrival(&mut self) -> NextArrival<'_, M> {
        NextArrival(self.next_heard())
    }

    /// For behaviours: the next `sys` message, or the exit of the parent, while suspended.
    #[track_caller]
    pub fn next_system(&mut self) -> impl Future<Output = Event<M>> + Send + '_ {
        let parent = crate::ambient::guardian();
        self.receive::<_, AsEvent>(None, Systems { parent })
    }

    /// As [`next_event`](Self::next_event), for the behaviours here.
    #[track_caller]
    pub(crate) fn next_heard_within(
        &mut self,
        timeout: Option<Duration>,
    ) -> impl Future<Output = Heard<M>> + Send + '_ {
        self.receive::<_, AsHeard>(timeout, Everything)
    }

    /// As [`next_system`](Self::next_system), for the behaviours here.
    #[track_caller]
    pub(crate) fn next_heard_system(&mut self) -> impl Future<Output = Heard<M>> + Send + '_ {
        let parent = crate::ambient::guardian();
        self.receive::<_, AsHeard>(None, Systems { parent })
    }

    /// For behaviours: puts [`Event::Alarm`] with this tag into the mailbox at a moment, or at once
    /// if that has passed. So a timeout takes its turn among the messages: what came before the
    /// moment is handled before it, and what came after it, later. It is not held up by a bound.
    ///
    /// An alarm that has gone off is in the mailbox, and dropping the [`Alarm`] does not take it
    /// out: a loop that cancels gives each alarm a tag of its own, and ignores tags it does not
    /// wait for.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.run(async {
    /// use std::time::Duration;
    /// use rekindle_actor::{Ack, Event, ExitReason, Mailbox, Starter, now};
    ///
    /// /// Ends after a second, however much it is told meanwhile.
    /// async fn brief(mut inbox: Mailbox<String>, ack: Ack) -> ExitReason {
    ///     let end = inbox.alarm_at(now().saturating_add(Duration::from_secs(1)), 1);
    ///     ack.ready();
    ///     loop {
    ///         if let Event::Alarm(1) = inbox.next_event(None).await {
    ///             drop(end);
    ///             return ExitReason::Normal;
    ///         }
    ///     }
    /// }
    ///
    /// Starter::new("brief").start(brief).await.unwrap();
    /// # }).unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn alarm_at(&self, moment: Time, tag: u64) -> Alarm {
        Alarm::set(self.pid, moment, tag)
    }

    /// For behaviours: whether [`Event::Unlinked`] is put into the mailbox when another process takes its
    /// link with this one away. It is not, by default: as a rule that is no news. Who counts on
    /// hearing of ends by links, as a supervisor does, learns in this way that it must
    /// [`monitor`](crate::monitor) instead.
    ///
    /// # Delivery
    ///
    /// In order with what that process sends, when nothing is left of the link: not while it stands by what
    /// this process did itself. By the time it is read there may be another link; ask
    /// [`is_linked`](crate::is_linked). It is not held up by a bound. Only
    /// [`next_event`](Self::next_event) and [`next_arrival`](Self::next_arrival) take it out.
    ///
    /// # Panics
    ///
    /// In another process than the mailbox's own.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Event, Mailbox, parent, sleep, spawn, spawn_link, unlink};
    ///
    /// let host = spawn(|mut inbox: Mailbox<()>| async move {
    ///     inbox.hear_unlinks(true);
    ///     let guest = spawn_link(async { unlink(parent().unwrap()) });
    ///     assert!(matches!(inbox.next_event(None).await, Event::Unlinked(pid) if pid == guest));
    /// });
    /// # sleep(std::time::Duration::from_secs(1)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !host.is_alive());
    /// # });
    /// ```
    pub fn hear_unlinks(&self, on: bool) {
        self.owned(|owner| owner.process().shared.interests.set(Interest::Unlinks, on));
    }

    /// Attaches a stream to the process: each item is received as a message, when there is no other.
    /// See [`attach`](crate::attach) for the details, and
    /// [`attach_until_end`](crate::attach_until_end) for a message at the end.
    ///
    /// # Panics
    ///
    /// In another process than the mailbox's own.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u64>| async move {
    /// use rekindle_actor::Task;
    ///
    /// let squares = Task::async_stream(1..=3, |n| async move { n * n });
    /// let _ = inbox.attach(squares, |square| square.unwrap_or(0));
    /// let mut sum = 0;
    /// for _ in 0..3 {
    ///     sum += inbox.recv().await;
    /// }
    /// assert_eq!(sum, 14);
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    pub fn attach<S: Stream + Send + 'static>(
        &mut self,
        stream: S,
        into_message: impl FnMut(S::Item) -> M + Send + 'static,
    ) -> Attached {
        attach::attach(stream, into_message)
    }

    /// A handle by which others send to this mailbox.
    ///
    /// # Panics
    ///
    /// In another process than the mailbox's own.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<&'static str>| async move {
    /// use rekindle_actor::{send_after, spawn};
    /// use std::time::Duration;
    ///
    /// // For others, and for one's own timers.
    /// let own = inbox.recipient();
    /// send_after(Duration::from_secs(1), &own, "later");
    /// spawn(async move { own.send("now") });
    /// assert_eq!(inbox.recv().await, "now");
    /// assert_eq!(inbox.recv().await, "later");
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    #[must_use]
    pub fn recipient(&self) -> Recipient<M> {
        self.owned(|owner| {
            let address = Address::<M>::of(owner.view());
            Recipient::plain(address.expect("a mailbox's process speaks its messages"))
        })
    }

    /// How many messages, `Down`s and `Exit`s are there and were not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owned(|owner| {
            signal::receive_news(owner);
            owner.process().received.len()
        })
    }

    /// Whether there is nothing that was not taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who sent the request that was received last, if it was a request of a process; until the next receive
    /// begins. Elsewhere than in the mailbox's own process it is nobody.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, Pid, ReplyTo, self_pid, spawn};
    ///
    /// let who = spawn(|mut inbox: Mailbox<ReplyTo<Option<Pid>>>| async move {
    ///     let from = inbox.recv().await;
    ///     from.reply(inbox.caller());
    /// });
    /// assert_eq!(who.call(|from| from).await, Ok(Some(self_pid())));
    /// # });
    /// ```
    #[must_use]
    pub fn caller(&self) -> Option<Pid> {
        Owner::current(|owner| owner.filter(|owner| owner.pid() == self.pid)?.last_caller())
    }

    /// Runs `f` with the mailbox's own process.
    fn owned<R>(&self, f: impl FnOnce(Owner<'_>) -> R) -> R {
        within(self.pid, f)
    }

    /// The request received last was handled: it has its answer, or is owed one.
    #[inline]
    fn settle(&self) {
        self.owned(|owner| owner.settle_last());
    }

    #[track_caller]
    fn receive<F, G>(&mut self, timeout: Option<Duration>, filter: F) -> Receive<'_, M, F, G>
    where
        F: Filter,
        G: Form<M>,
    {
        Receive {
            mailbox: self,
            filter,
            form: PhantomData,
            place: None,
            wait: Wait {
                timeout,
                deadline: None,
                called_at: Location::caller(),
                waits: false,
            },
        }
    }
}

/// What a node is that was taken from our own process's queue.
#[inline]
fn hear<M>(inbox: &impl Inbox<M>, node: NodePtr) -> Heard<M> {
    match node::class(node) {
        Class::Signal => Heard::Signal(Unopened::new(node)),
        _ => Heard::Message(unread(inbox, node)),
    }
}

/// The message of a letter or a request that was taken from our own process's queue.
#[inline]
fn unread<M>(_: &impl Inbox<M>, node: NodePtr) -> Unread<M> {
    // SAFETY: the node came out of the queue of our own process, whose messages are `M`: a mailbox is made by
    // `spawn` for a process with the protocol `M`, and any other inbox of one.
    unsafe { Unread::new(node) }
}

impl Unopened {
    /// Makes an event of a signal that was in the queue.
    #[inline]
    pub(crate) fn into_event<M>(self) -> Event<M> {
        self.open_as(|signal| match signal {
            Signal::Down(down) => Event::Down(down),
            Signal::Exit {
                from,
                reason,
                link,
                report,
            } => Event::Exit(Exit {
                from,
                reason,
                report,
                by_link: link.is_some(),
            }),
            Signal::System(message) => Event::System(message),
            Signal::Alarm(tag) => Event::Alarm(tag),
            Signal::Unlink { from, .. } => Event::Unlinked(from),
            other => unreachable!("{other:?} acts when it is received, and is never queued"),
        })
    }
}

/// A mailbox as a stream of its ordinary messages, for adapters: as [`recv`](Mailbox::recv), again
/// and again. It never ends.
impl<M: Send + 'static> Stream for Mailbox<M> {
    type Item = M;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<M>> {
        let mut receive = self.receive::<_, Message>(None, Messages);
        Pin::new(&mut receive).poll(cx).map(Some)
    }
}

impl<M> Drop for Mailbox<M> {
    fn drop(&mut self) {
        // Nothing more is received; elsewhere than in its own process it has no say.
        Owner::current(|owner| match owner {
            Some(owner) if owner.pid() == self.pid => owner.settle_last(),
            _ => {}
        });
    }
}

/// The wait for an [`Arrival`]: see [`Mailbox::next_arrival`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u32>| async move {
/// use rekindle_actor::{Arrival, NextArrival};
///
/// inbox.recipient().send(7);
/// let waiting: NextArrival<'_, u32> = inbox.next_arrival();
/// assert!(matches!(waiting.await, Arrival::Message(7)));
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct NextArrival<'a, M>(NextHeard<'a, Mailbox<M>, M>);

/// What [`Mailbox::next_arrival`] gives: small, because a loop keeps room for it.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u32>| async move {
/// use rekindle_actor::{Arrival, Event, monitor, spawn};
///
/// let short = spawn(async {});
/// monitor(short);
/// match inbox.next_arrival().await {
///     Arrival::Message(n) => panic!("nobody sends {n}"),
///     Arrival::Other(event) => {
///         assert!(matches!(*event, Event::Down(down) if down.pid == Some(short)));
///     }
/// }
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Debug)]
pub enum Arrival<M> {
    /// An ordinary message; if somebody waits for an answer, it carries the `ReplyTo`.
    Message(M),
    /// Whatever else there is; never a message, nor a timeout.
    Other(Box<Event<M>>),
}

impl<M> From<Event<M>> for Arrival<M> {
    fn from(event: Event<M>) -> Self {
        match event {
            Event::Message(message) => Arrival::Message(message),
            other => Arrival::Other(Box::new(other)),
        }
    }
}

impl<M: Send + 'static> Future for NextArrival<'_, M> {
    type Output = Arrival<M>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arrival<M>> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Heard::Message(message)) => {
                message.open_as(|message| Poll::Ready(Arrival::Message(message)))
            }
            Poll::Ready(Heard::Signal(signal)) => {
                Poll::Ready(Arrival::Other(Box::new(signal.into_event())))
            }
            Poll::Ready(Heard::Timeout) => Poll::Ready(Arrival::Other(Box::new(Event::Timeout))),
        }
    }
}

/// The wait for what a behaviour's loop hears: see [`Inbox::next_heard`].
pub(crate) struct NextHeard<'a, I, M> {
    inbox: &'a mut I,
    messages: PhantomData<fn() -> M>,
    called_at: &'static Location<'static>,
}

/// From where a loop hears.
pub(crate) trait Inbox<M>: Send + Sized {
    /// For the behaviours here: what is no message comes as it is, unopened.
    #[track_caller]
    #[inline]
    fn next_heard(&mut self) -> NextHeard<'_, Self, M> {
        NextHeard {
            inbox: self,
            messages: PhantomData,
            called_at: Location::caller(),
        }
    }

    /// Runs `f` with the process whose inbox this is, which must be the running one.
    fn owned<R>(&self, f: impl FnOnce(Owner<'_>) -> R) -> R;

    /// The mailbox. Not to be dropped, for that is the end of receiving.
    fn mailbox(&self) -> ManuallyDrop<Mailbox<M>>;

    /// The loop receives no more.
    fn settle(&self);
}

impl<M: Send + 'static> Inbox<M> for Mailbox<M> {
    #[inline]
    fn owned<R>(&self, f: impl FnOnce(Owner<'_>) -> R) -> R {
        within(self.pid, f)
    }

    fn mailbox(&self) -> ManuallyDrop<Mailbox<M>> {
        ManuallyDrop::new(Mailbox::of(self.pid))
    }

    /// It does so when it is dropped.
    fn settle(&self) {}
}

/// The mailbox of a process whose body is the loop that has this: so it needs not be told whose it is.
///
/// Invariant: it is nowhere but in the body with which the process was spawned, or in what that body awaits.
pub(crate) struct BodysInbox<M>(PhantomData<fn() -> M>);

impl<M: Send + 'static> Inbox<M> for BodysInbox<M> {
    #[inline]
    fn owned<R>(&self, f: impl FnOnce(Owner<'_>) -> R) -> R {
        Owner::current(|owner| {
            let owner = owner.expect("a body is polled by its process");
            debug_assert!(owner.process().speaks::<M>());
            f(owner)
        })
    }

    fn mailbox(&self) -> ManuallyDrop<Mailbox<M>> {
        ManuallyDrop::new(Mailbox::of(self.owned(|owner| owner.pid())))
    }

    fn settle(&self) {
        self.owned(|owner| owner.settle_last());
    }
}

/// What a behaviour's loop hears: two words, for a loop keeps room for it, and what it is lies where it came.
pub(crate) enum Heard<M> {
    Message(Unread<M>),
    Signal(Unopened),
    /// Only a wait that has an end gives this.
    Timeout,
}

impl<M> Heard<M> {
    /// The message of the system that it is, unless that stops the process.
    pub(crate) fn into_system(self) -> Result<SystemMessage, Heard<M>> {
        match self {
            Heard::Signal(signal) if matches!(signal.peek(), Signal::System(message) if !message.stops()) => {
                Ok(signal.open_as(|signal| match signal {
                    Signal::System(message) => message,
                    other => unreachable!("{other:?} has been seen to be of the system"),
                }))
            }
            other => Err(other),
        }
    }
}

impl<I: Inbox<M>, M: Send + 'static> Future for NextHeard<'_, I, M> {
    type Output = Heard<M>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Heard<M>> {
        let this = self.get_mut();
        let taken = this.inbox.owned(|owner| {
            owner.settle_last();
            if may_be_there(owner) {
                if !may_go_on(owner, cx) {
                    return None;
                }
                let node = take_first(owner).or_else(|| item_of(owner, cx));
                if node.is_some() {
                    owner.process().waiting.end();
                    return node;
                }
            }
            let waiting = &owner.process().waiting;
            waiting.begin(WaitKind::Receive, this.called_at);
            owner.wake_next_turn(cx.waker());
            None
        });
        match taken {
            Some(node) => Poll::Ready(hear(this.inbox, node)),
            None => Poll::Pending,
        }
    }
}

impl<M> fmt::Debug for NextArrival<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextArrival").finish_non_exhaustive()
    }
}

/// An item of an attached stream, if one has any. It was never in the queue, so there are no books
/// to keep.
#[inline]
fn item_of(owner: Owner<'_>, cx: &mut Context<'_>) -> Option<NodePtr> {
    // Most processes have nothing rare, and none of this.
    owner.private().rare()?;
    match attach::poll(owner, cx) {
        Poll::Ready(node) => Some(node),
        Poll::Pending => None,
    }
}

/// Whether a look at the queue and at attached streams may find something.
#[inline]
fn may_be_there(owner: Owner<'_>) -> bool {
    let private = owner.private();
    let has_streams = || private.rare().is_some_and(|rare| !rare.attached.is_empty());
    !private.queue.is_empty() || has_streams()
}

/// Takes the first node and keeps the books.
#[inline]
fn take_first(owner: Owner<'_>) -> Option<NodePtr> {
    let mut private = owner.private();
    let node = private.queue.pop(&owner.process().received)?;
    note_taken(owner.process(), private, node);
    Some(node)
}

/// Takes the first node that a filter accepts, and keeps the books.
#[inline]
fn take_from<F: Filter>(
    owner: Owner<'_>,
    place: &mut Option<Position>,
    filter: &mut F,
) -> Option<NodePtr> {
    if F::FOREIGN {
        return take_by_foreign(owner, place, filter);
    }
    let mut private = owner.private();
    let received = &owner.process().received;
    let node = private
        .queue
        .take(received, place, |node| filter.accepts(node))?;
    note_taken(owner.process(), private, node);
    Some(node)
}

/// The books: which request is handled, and that there is room again.
#[inline]
fn note_taken(process: &Process, mut private: PrivateMut<'_, Private>, node: NodePtr) {
    if node::class(node) == Class::Request {
        // SAFETY: a request, which the queue has just given us.
        private.serving.begin(unsafe { Served::of(node) });
    }
    drop(private);
    if let Some(bound) = &process.bound
        && node::class(node) != Class::Signal
    {
        bound.handled();
    }
}

/// As [`take_from`], of what came in since the turn began, or none if that ends the process.
fn take_news<F: Filter>(
    owner: Owner<'_>,
    place: &mut Option<Position>,
    filter: &mut F,
) -> Option<NodePtr> {
    if signal::receive_news(owner) {
        take_from(owner, place, filter)
    } else {
        None
    }
}

/// As [`take_from`], where the filter is the user's: it may panic, or look at its own mailbox, so the
/// queue is taken out while it runs.
fn take_by_foreign<F: Filter>(
    owner: Owner<'_>,
    place: &mut Option<Position>,
    filter: &mut F,
) -> Option<NodePtr> {
    let mut queue = std::mem::replace(&mut owner.private().queue, Queue::new());
    let received = &owner.process().received;
    let found = crate::unwind::catch(|| queue.take(received, place, |node| filter.accepts(node)));
    let mut private = owner.private();
    debug_assert!(
        private.queue.is_empty(),
        "nothing is received in the middle of a turn"
    );
    private.queue = queue;
    if let Ok(Some(node)) = found {
        note_taken(owner.process(), private, node);
    } else {
        drop(private);
    }
    found.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

/// Which nodes a receive takes.
trait Filter: Send {
    /// Whether it runs the user's code.
    const FOREIGN: bool = false;
    /// Whether it takes items of attached streams when there is no message.
    const STREAMS: bool = true;

    fn accepts(&mut self, node: NodePtr) -> bool;
}

/// Ordinary messages.
struct Messages;

/// Messages, `Down`s and `Exit`s.
struct Infos;

/// Whatever comes.
struct Everything;

/// What a suspended behaviour handles: `sys` messages, and the end of its parent.
struct Systems {
    parent: Option<Pid>,
}

/// Messages that a function of the user's wants.
struct Matching<W, M>(W, PhantomData<fn(&M)>);

impl Filter for Messages {
    #[inline]
    fn accepts(&mut self, node: NodePtr) -> bool {
        node::class(node) != Class::Signal
    }
}

impl Filter for Infos {
    fn accepts(&mut self, node: NodePtr) -> bool {
        Messages.accepts(node)
            || !matches!(
                // SAFETY: filters look at nodes that stay in their queue meanwhile.
                unsafe { node::peek_signal(node) },
                Signal::System(_) | Signal::Alarm(_) | Signal::Unlink { .. }
            )
    }
}

impl Filter for Everything {
    #[inline]
    fn accepts(&mut self, _: NodePtr) -> bool {
        true
    }
}

impl Filter for Systems {
    const STREAMS: bool = false;

    fn accepts(&mut self, node: NodePtr) -> bool {
        if node::class(node) != Class::Signal {
            return false;
        }
        // SAFETY: filters look at nodes that stay in their queue meanwhile.
        match unsafe { node::peek_signal(node) } {
            Signal::System(_) => true,
            Signal::Exit { from, .. } => Some(*from) == self.parent,
            _ => false,
        }
    }
}

impl<W: FnMut(&M) -> bool + Send, M> Filter for Matching<W, M> {
    const FOREIGN: bool = true;
    const STREAMS: bool = false;

    fn accepts(&mut self, node: NodePtr) -> bool {
        // SAFETY: only used with the nodes of a mailbox of `M`, by its own methods above; the
        // node stays in the queue while the function looks at its message.
        Messages.accepts(node) && (self.0)(unsafe { node::peek::<M>(node) })
    }
}

/// What a receive gives: made of the node at once and as it is given, for a message that is moved from one enum
/// into the next waits for its own stores.
trait Form<M>: Send {
    type Given;

    /// Of a node that was taken from the mailbox's own queue.
    fn of(mailbox: &mut Mailbox<M>, node: NodePtr) -> Poll<Self::Given>;

    /// The time is up.
    fn nothing() -> Self::Given;
}

/// The message; for a filter that takes nothing else, and a receive without a limit.
struct Message;

/// The message, or none; for such a filter.
struct MaybeMessage;

struct AsInfo;

struct AsEvent;

struct AsHeard;

impl<M: Send + 'static> Form<M> for Message {
    type Given = M;

    #[inline]
    fn of(mailbox: &mut Mailbox<M>, node: NodePtr) -> Poll<M> {
        unread(mailbox, node).open_as(Poll::Ready)
    }

    fn nothing() -> M {
        unreachable!("there is no limit")
    }
}

impl<M: Send + 'static> Form<M> for MaybeMessage {
    type Given = Option<M>;

    #[inline]
    fn of(mailbox: &mut Mailbox<M>, node: NodePtr) -> Poll<Option<M>> {
        unread(mailbox, node).open_as(|message| Poll::Ready(Some(message)))
    }

    fn nothing() -> Option<M> {
        None
    }
}

impl<M: Send + 'static> Form<M> for AsInfo {
    type Given = Info<M>;

    #[inline]
    fn of(mailbox: &mut Mailbox<M>, node: NodePtr) -> Poll<Info<M>> {
        match hear(mailbox, node) {
            Heard::Message(message) => {
                message.open_as(|message| Poll::Ready(Info::Message(message)))
            }
            Heard::Signal(signal) => match signal.into_event::<M>() {
                Event::Down(down) => Poll::Ready(Info::Down(down)),
                Event::Exit(exit) => Poll::Ready(Info::Exit(exit)),
                _ => unreachable!("`Infos` leaves the rest in the queue"),
            },
            Heard::Timeout => unreachable!("a node is none"),
        }
    }

    fn nothing() -> Info<M> {
        Info::Timeout
    }
}

impl<M: Send + 'static> Form<M> for AsEvent {
    type Given = Event<M>;

    #[inline]
    fn of(mailbox: &mut Mailbox<M>, node: NodePtr) -> Poll<Event<M>> {
        match hear(mailbox, node) {
            Heard::Message(message) => {
                message.open_as(|message| Poll::Ready(Event::Message(message)))
            }
            Heard::Signal(signal) => Poll::Ready(signal.into_event()),
            Heard::Timeout => unreachable!("a node is none"),
        }
    }

    fn nothing() -> Event<M> {
        Event::Timeout
    }
}

impl<M: Send + 'static> Form<M> for AsHeard {
    type Given = Heard<M>;

    #[inline]
    fn of(mailbox: &mut Mailbox<M>, node: NodePtr) -> Poll<Heard<M>> {
        Poll::Ready(hear(mailbox, node))
    }

    fn nothing() -> Heard<M> {
        Heard::Timeout
    }
}

/// One receive of one message.
struct Receive<'a, M, F, G> {
    mailbox: &'a mut Mailbox<M>,
    filter: F,
    form: PhantomData<fn() -> G>,
    /// Up to where the queue has been looked through.
    place: Option<Position>,
    wait: Wait,
}

/// The part of a receive that waits.
struct Wait {
    timeout: Option<Duration>,
    /// The end of the timeout, once the wait has begun.
    deadline: Option<Time>,
    called_at: &'static Location<'static>,
    /// Whether the process is marked as waiting.
    waits: bool,
}

// Nothing in it is ever pinned: the filter is called, the rest is looked at.
impl<M, F, G> Unpin for Receive<'_, M, F, G> {}

impl<M, F, G> Future for Receive<'_, M, F, G>
where
    M: Send + 'static,
    F: Filter,
    G: Form<M>,
{
    type Output = G::Given;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let pid = this.mailbox.pid;
        let taken = within(pid, |owner| {
            owner.settle_last();
            // With a limit each look counts, or a loop of looks that never wait would never yield.
            if this.wait.timeout.is_some() || may_be_there(owner) {
                if !may_go_on(owner, cx) {
                    return Poll::Pending;
                }
                let mut node = take_from(owner, &mut this.place, &mut this.filter);
                if F::STREAMS && node.is_none() {
                    node = item_of(owner, cx);
                }
                if node.is_some() {
                    if std::mem::take(&mut this.wait.waits) {
                        owner.process().waiting.end();
                    }
                    return Poll::Ready(node);
                }
            }
            let waited = this.wait.wait(owner, cx);
            if waited.is_pending() {
                return waited;
            }
            // What came in meanwhile was there in time, though the turn had begun without it; and
            // so was what ends the process.
            match take_news(owner, &mut this.place, &mut this.filter) {
                None if owner.private().is_doomed() => Poll::Pending,
                found => Poll::Ready(found),
            }
        });
        match taken {
            Poll::Ready(Some(node)) => G::of(this.mailbox, node),
            Poll::Ready(None) => Poll::Ready(G::nothing()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Wait {
    /// Nothing is there: waits, or finds that the time is up.
    #[inline(always)]
    fn wait(&mut self, owner: Owner<'_>, cx: &mut Context<'_>) -> Poll<Option<NodePtr>> {
        if let Some(timeout) = self.timeout
            && self.is_over(timeout, owner)
        {
            return Poll::Ready(None);
        }
        if !self.waits {
            self.waits = true;
            owner
                .process()
                .waiting
                .begin(WaitKind::Receive, self.called_at);
        }
        // No waker of our own: every message gives the process a turn, and its body is polled
        // then. Only a combinator that polls by wakers of its own must be told.
        owner.wake_next_turn(cx.waker());
        Poll::Pending
    }

    /// Whether the time is up; if not, sees to it that the process has a turn when it is.
    #[inline(never)]
    fn is_over(&mut self, timeout: Duration, owner: Owner<'_>) -> bool {
        if timeout.is_zero() {
            return true;
        }
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let now = now_for(nanos).unwrap_or(Time::MAX);
        let deadline = *self.deadline.get_or_insert(now.saturating_add(timeout));
        if now >= deadline {
            owner.process().waiting.end();
            return true;
        }
        owner.alarm(deadline, now);
        false
    }
}

/// Runs `f` with the running process, which must be the one of this mailbox: the queue is the
/// *running* process's, and the messages of another are of another type.
#[inline]
fn within<R>(pid: Pid, f: impl FnOnce(Owner<'_>) -> R) -> R {
    Owner::current(|owner| match owner {
        Some(owner) if owner.pid() == pid => f(owner),
        _ => panic!("the mailbox of {pid} was used outside of that process"),
    })
}

/// Whether the process may take one more message in this turn.
#[inline]
fn may_go_on(owner: Owner<'_>, cx: &mut Context<'_>) -> bool {
    if owner.is_held_back(cx.waker()) {
        return false;
    }
    if !budget::consume() {
        cx.waker().wake_by_ref();
        return false;
    }
    true
}

impl<M> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// Drops the oldest messages of a mailbox that drops the oldest.
pub(crate) fn trim(owner: Owner<'_>) -> Vec<NodePtr> {
    let mut trimmed = Vec::new();
    let Some(bound) = &owner.process().bound else {
        return trimmed;
    };
    let received = &owner.process().received;
    let mut private = owner.private();
    while bound.is_over() {
        let taken = private
            .queue
            .take(received, &mut None, |node| Messages.accepts(node));
        let Some(node) = taken else { break };
        bound.count_dropped();
        trimmed.push(node);
    }
    trimmed
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::{CallError, ReplyTo, Runtime, spawn};

    /// Counts its end.
    struct Counted {
        ends: Arc<AtomicU32>,
        _from: Option<ReplyTo<()>>,
    }

    fn counted(ends: &Arc<AtomicU32>, from: Option<ReplyTo<()>>) -> Counted {
        Counted {
            ends: ends.clone(),
            _from: from,
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.ends.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_message_that_nobody_opens_is_dropped_and_who_asked_is_told() {
        let ends = Arc::new(AtomicU32::new(0));
        Runtime::simulated(1).block_on(async move {
            let deaf = spawn(|mut inbox: Mailbox<Counted>| async move {
                for _ in 0..2 {
                    let heard = inbox.next_heard_within(None).await;
                    assert!(matches!(&heard, Heard::Message(message) if message.peek().ends.load(Ordering::Relaxed) < 2));
                }
                std::future::pending::<()>().await;
            });
            deaf.send(counted(&ends, None));
            let asked = deaf.call(|from| counted(&ends, Some(from))).await;
            assert_eq!(asked, Err(CallError::NoReply));
            assert_eq!(ends.load(Ordering::Relaxed), 2);
            assert!(deaf.is_alive());
        });
    }
}
