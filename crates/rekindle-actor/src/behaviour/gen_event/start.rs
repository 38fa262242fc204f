//! Starting a manager.

use std::any::type_name;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::handler::EventHandler;
use super::manager::EventManager;
use super::serve::{Message, serve};
use super::slot::{Candidate, Newcomer};
use crate::behaviour::{StartError, Starter, Starting};
use crate::mailbox::MailboxPolicy;
use crate::pid::MonitorRef;
use crate::report::short_type_name;

#[doc = include_str!("page.md")]
pub struct GenEvent<E>(Infallible, PhantomData<fn(E)>);

impl<E: Send + Sync + 'static> GenEvent<E> {
    /// Starts a manager without a link (EVT-001). Await it, or say more first: see
    /// [`StartEvents`].
    #[track_caller]
    pub fn start() -> StartEvents<E> {
        StartEvents::new(false)
    }

    /// Starts a manager, linked with the running process.
    #[track_caller]
    pub fn start_link() -> StartEvents<E> {
        StartEvents::new(true)
    }

    /// Starts a manager, monitored by the running process.
    #[track_caller]
    pub fn start_monitor() -> StartEventsMonitor<E> {
        StartEventsMonitor(StartEvents::new(false))
    }
}

impl<E> fmt::Debug for GenEvent<E> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

/// The start of an event manager: await it, or say more first.
///
/// Nothing happens before it is awaited. Defaults: no name, no handlers, no time limit, an
/// unbounded mailbox.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod sum {
/// #     use rekindle_actor::*;
/// #     #[derive(Clone)] pub struct Sum(pub u32);
/// #     impl EventHandler for Sum {
/// #         type Event = u32; type Args = u32; type Call = ReplyTo<u32>; type DeleteArgs = (); type Output = u32;
/// #         async fn init(n: u32, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
/// #             if n > 100 { Err(ExitReason::msg("too much to begin with")) } else { Ok(Sum(n)) }
/// #         }
/// #         async fn handle_event(&mut self, n: &u32, _: &mut HandlerContext<Self>) -> HandlerStep<Self> { self.0 += n; Ok(Reaction::Keep) }
/// #         async fn handle_call(&mut self, from: ReplyTo<u32>, _: &mut HandlerContext<Self>) -> HandlerStep<Self> { from.reply(self.0); Ok(Reaction::Keep) }
/// #         async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) -> u32 { self.0 }
/// #     }
/// # }
/// # use sum::Sum;
/// use rekindle_actor::{GenEvent, HandlerRef, StartError};
///
/// // The handlers are there before anybody can send an event.
/// let start = GenEvent::<u32>::start_link().name("numbers").handler::<Sum>(0);
/// let numbers = start.handler_with_id::<Sum>("from ten", 10).await.unwrap();
/// numbers.notify(1);
/// let from_ten = HandlerRef::<Sum>::by_id("from ten");
/// assert_eq!(numbers.call(&from_ten, |from| from).await, Ok(11));
///
/// // `Sum` does not begin with more than 100.
/// let failed = GenEvent::<u32>::start_link().handler::<Sum>(101).await;
/// assert!(matches!(failed, Err(StartError::Failed(_))));
/// # });
/// ```
#[must_use = "nothing is started until this is awaited"]
pub struct StartEvents<E> {
    starter: Starter,
    first: Vec<Box<dyn Newcomer<E>>>,
    hibernate_after: Option<Duration>,
    at: &'static Location<'static>,
}

impl<E: Send + Sync + 'static> StartEvents<E> {
    #[track_caller]
    fn new(link: bool) -> Self {
        let starter = Starter::default();
        StartEvents {
            starter: starter.link_if(link),
            first: Vec::new(),
            hibernate_after: None,
            at: Location::caller(),
        }
    }

    /// Registers the manager under this name before it starts.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.starter = self.starter.name(name);
        self
    }

    /// Starts it with this handler: one that is there from the first event on, and comes back
    /// when a supervisor restarts the manager. If its init fails, so does the start. The first
    /// that is given is the oldest.
    pub fn handler<H: EventHandler<Event = E>>(mut self, args: H::Args) -> Self {
        self.first.push(Box::new(Candidate::<H>::new(None, args)));
        self
    }

    /// As [`handler`](Self::handler), under an id.
    pub fn handler_with_id<H: EventHandler<Event = E>>(
        mut self,
        id: impl Into<Arc<str>>,
        args: H::Args,
    ) -> Self {
        let candidate = Candidate::<H>::new(Some(id.into()), args);
        self.first.push(Box::new(candidate));
        self
    }

    /// Kills the manager if its first handlers are not there in this time, and fails with
    /// [`StartError::Timeout`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.starter = self.starter.timeout(limit);
        self
    }

    /// Bounds the mailbox.
    pub fn mailbox(mut self, policy: MailboxPolicy) -> Self {
        self.starter = self.starter.mailbox(policy);
        self
    }

    /// Runs [`EventHandler::hibernate`] on all handlers after this much time without a message,
    /// once per wait (EVT-015).
    pub fn hibernate_after(mut self, idle: Duration) -> Self {
        self.hibernate_after = Some(idle);
        self
    }

    /// Says where the start was asked for: see [`Starter::spawned_at`](crate::Starter::spawned_at). By default that is where
    /// this value was made.
    pub fn spawned_at(mut self, at: &'static Location<'static>) -> Self {
        self.at = at;
        self
    }

    fn begin(mut self, monitored: bool) -> Starting<Message<E>> {
        self.starter.monitor_if(monitored);
        let (first, hibernate_after, at) = (self.first, self.hibernate_after, self.at);
        self.starter.start_as::<GenEvent<E>, _, _, _>(
            move |inbox, ack| serve(first, inbox, ack, hibernate_after),
            true,
            at,
        )
    }
}

impl<E: Send + Sync + 'static> IntoFuture for StartEvents<E> {
    type Output = Result<EventManager<E>, StartError>;
    type IntoFuture = StartEventsFuture<E>;

    fn into_future(self) -> StartEventsFuture<E> {
        StartEventsFuture(self.begin(false))
    }
}

/// The wait for a [`StartEvents`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{EventManagerName, GenEvent, StartEventsFuture};
///
/// /// A function that starts something can name what it gives, and need not be `async`.
/// fn start_alarms() -> StartEventsFuture<String> {
///     GenEvent::start_link().name("alarms").into_future()
/// }
///
/// let alarms = start_alarms().await.unwrap();
/// assert_eq!(EventManagerName::<String>::new("alarms").pid(), Some(alarms.pid()));
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct StartEventsFuture<E>(Starting<Message<E>>);

impl<E: Send + Sync + 'static> Future for StartEventsFuture<E> {
    type Output = Result<EventManager<E>, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|result| result.map(|sender| EventManager::over(sender.into_address())))
    }
}

/// As [`StartEvents`], with a monitor: it gives the handle and the monitor's reference.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, GenEvent, Info, Mailbox, spawn};
///
/// let watching = spawn(|mut inbox: Mailbox<()>| async move {
///     let (alarms, reference) = GenEvent::<String>::start_monitor().name("alarms").await.unwrap();
///     alarms.exit(ExitReason::Kill);
///     let Info::Down(down) = inbox.next().await else { panic!("nothing else comes") };
///     assert_eq!((down.reference, down.reason), (reference, ExitReason::Killed));
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !watching.is_alive());
/// # });
/// ```
#[must_use = "nothing is started until this is awaited"]
pub struct StartEventsMonitor<E>(StartEvents<E>);

impl<E: Send + Sync + 'static> StartEventsMonitor<E> {
    /// As [`StartEvents::name`].
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        StartEventsMonitor(self.0.name(name))
    }

    /// As [`StartEvents::handler`].
    pub fn handler<H: EventHandler<Event = E>>(self, args: H::Args) -> Self {
        StartEventsMonitor(self.0.handler::<H>(args))
    }

    /// As [`StartEvents::timeout`].
    pub fn timeout(self, limit: Duration) -> Self {
        StartEventsMonitor(self.0.timeout(limit))
    }

    /// As [`StartEvents::mailbox`].
    pub fn mailbox(self, policy: MailboxPolicy) -> Self {
        StartEventsMonitor(self.0.mailbox(policy))
    }
}

impl<E: Send + Sync + 'static> IntoFuture for StartEventsMonitor<E> {
    type Output = Result<(EventManager<E>, MonitorRef), StartError>;
    type IntoFuture = StartEventsMonitorFuture<E>;

    fn into_future(self) -> StartEventsMonitorFuture<E> {
        let starting = self.0.begin(true);
        let reference = starting.monitor();
        StartEventsMonitorFuture(StartEventsFuture(starting), reference)
    }
}

/// The wait for a [`StartEventsMonitor`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{GenEvent, StartEventsMonitorFuture, info, self_pid};
///
/// let starting: StartEventsMonitorFuture<u32> = GenEvent::start_monitor().into_future();
/// let (numbers, _) = starting.await.unwrap();
/// assert_eq!(info(numbers.pid()).unwrap().monitored_by, [self_pid()]);
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct StartEventsMonitorFuture<E>(StartEventsFuture<E>, Option<MonitorRef>);

impl<E: Send + Sync + 'static> Future for StartEventsMonitorFuture<E> {
    type Output = Result<(EventManager<E>, MonitorRef), StartError>;

    /// # Panics
    ///
    /// If what is started was not asked for by a process: there would be nobody to tell.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let started = ready!(Pin::new(&mut self.0).poll(cx));
        let reference = |manager| (manager, self.1.expect("`start_monitor` is for processes"));
        Poll::Ready(started.map(reference))
    }
}

fn describe<E>(f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
    write!(f, "{what}<{}>", short_type_name(type_name::<E>()))
}

impl<E> fmt::Debug for StartEvents<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartEvents")
            .field("starter", &self.starter)
            .finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for StartEventsMonitor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartEventsMonitor").field(&self.0).finish()
    }
}

impl<E> fmt::Debug for StartEventsFuture<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe::<E>(f, "StartEventsFuture")
    }
}

impl<E> fmt::Debug for StartEventsMonitorFuture<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe::<E>(f, "StartEventsMonitorFuture")
    }
}
