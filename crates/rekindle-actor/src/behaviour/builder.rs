//! Options of a server's start.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::gen_server::{GenServer, ServerMessage, serve};
use super::handle::Addr;
use super::start::{StartError, Starter, Starting};
use crate::mailbox::MailboxPolicy;
use crate::pid::MonitorRef;
use crate::registry::Registration;

/// The start of a server: await it, or say more first.
///
/// Nothing happens before it is awaited. Defaults: no name, no time limit, an unbounded mailbox.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod slow {
/// #     use rekindle_actor::*;
/// #     pub struct Slow;
/// #     impl GenServer for Slow {
/// #         type Args = std::time::Duration; type Call = Never; type Cast = Never; type Info = Never; type Continue = Never;
/// #         async fn init(takes: std::time::Duration, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { sleep(takes).await; Ok(Init::Ready(Slow)) }
/// #     }
/// # }
/// # use slow::Slow; use rekindle_actor::GenServer as _;
/// use rekindle_actor::{StartError, whereis};
/// use std::time::Duration;
///
/// // `Slow` is a server whose init takes as long as it is told.
/// let limit = Duration::from_secs(2);
/// let started = Slow::start(Duration::from_secs(1)).name("quick").timeout(limit).await;
/// assert_eq!(whereis("quick"), Some(started.unwrap().pid()));
/// let started = Slow::start(Duration::from_secs(3)).name("slow").timeout(limit).await;
/// assert_eq!(started.unwrap_err(), StartError::Timeout(limit));
/// assert_eq!(whereis("slow"), None);
/// # });
/// ```
#[must_use = "nothing is started until this is awaited"]
pub struct Start<G: GenServer> {
    args: G::Args,
    starter: Starter,
    at: &'static Location<'static>,
}

impl<G: GenServer> Start<G> {
    #[track_caller]
    pub(super) fn new(args: G::Args, link: bool) -> Start<G> {
        let starter = Starter::default();
        Start {
            args,
            starter: starter.link_if(link),
            at: Location::caller(),
        }
    }

    /// Registers the server under this name before its init runs.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.starter = self.starter.name(name);
        self
    }

    /// Registers the server under a key of a registry before its init runs: see
    /// [`Registry::via`](crate::Registry::via). If the key is held, the start fails with
    /// [`StartError::AlreadyStarted`] (REG-012).
    pub fn via(mut self, key: impl Into<Registration<G>>) -> Self {
        self.starter = self.starter.via(key);
        self
    }

    /// Kills the server if its init is not done in this time, and fails with
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

    /// Runs [`GenServer::hibernate`] after this much time without a message, once per wait.
    pub fn hibernate_after(mut self, idle: Duration) -> Self {
        self.starter = self.starter.hibernate_after(idle);
        self
    }

    /// Says where the start was asked for: see [`Starter::spawned_at`]. By default that is where
    /// this value was made.
    pub fn spawned_at(mut self, at: &'static Location<'static>) -> Self {
        self.at = at;
        self
    }

    #[inline]
    fn begin(mut self, monitored: bool) -> Starting<ServerMessage<G>> {
        self.starter.monitor_if(monitored);
        let (args, at) = (self.args, self.at);
        self.starter.start_as::<G, _, _, _>(
            move |inbox, ack| serve::<G>(args, inbox, ack),
            true,
            at,
        )
    }
}

impl<G: GenServer> IntoFuture for Start<G> {
    type Output = Result<Addr<G>, StartError>;
    type IntoFuture = StartFuture<G>;

    #[inline]
    fn into_future(self) -> StartFuture<G> {
        StartFuture(self.begin(false))
    }
}

/// The wait for a [`Start`].
///
/// It begins when it is made, by `into_future` or by `.await`; two can run side by side.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod slow {
/// #     use rekindle_actor::*;
/// #     pub struct Slow;
/// #     impl GenServer for Slow {
/// #         type Args = (); type Call = Never; type Cast = Never; type Info = Never; type Continue = Never;
/// #         async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { sleep(std::time::Duration::from_secs(1)).await; Ok(Init::Ready(Slow)) }
/// #     }
/// # }
/// # use slow::Slow; use rekindle_actor::GenServer as _;
/// use rekindle_actor::{StartFuture, now};
/// use std::time::Duration;
///
/// // `Slow` is a server whose init takes a second.
/// let begun = now();
/// let start = || -> StartFuture<Slow> { Slow::start(()).into_future() };
/// for starting in [start(), start()] {
///     assert!(starting.await.unwrap().is_alive());
/// }
/// assert_eq!(now() - begun, Duration::from_secs(1));
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct StartFuture<G: GenServer>(Starting<ServerMessage<G>>);

impl<G: GenServer> Future for StartFuture<G> {
    type Output = Result<Addr<G>, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|result| result.map(|sender| Addr::new(sender.into_address())))
    }
}

/// As [`Start`], with a monitor: it gives the handle and the monitor's reference.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod counter {
/// #     use rekindle_actor::*;
/// #     pub struct Counter { pub n: i64 }
/// #     impl GenServer for Counter {
/// #         type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Never; type Continue = Never;
/// #         async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter { n })) }
/// #         async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.n); Ok(Next::Wait) }
/// #         async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> { self.n += k; Ok(Next::Wait) }
/// #     }
/// # }
/// # use counter::Counter; use rekindle_actor::GenServer as _;
/// use rekindle_actor::{ExitReason, Info, Mailbox, spawn};
///
/// let watching = spawn(|mut inbox: Mailbox<()>| async move {
///     let (counter, reference) = Counter::start_monitor(0).name("counter").await.unwrap();
///     counter.exit(ExitReason::Shutdown);
///     let Info::Down(down) = inbox.next().await else { panic!("nothing else comes") };
///     assert_eq!((down.reference, down.reason), (reference, ExitReason::Shutdown));
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !watching.is_alive());
/// # });
/// ```
#[must_use = "nothing is started until this is awaited"]
pub struct StartMonitor<G: GenServer>(Start<G>);

impl<G: GenServer> StartMonitor<G> {
    pub(super) fn new(start: Start<G>) -> Self {
        StartMonitor(start)
    }

    /// As [`Start::name`].
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        StartMonitor(self.0.name(name))
    }

    /// As [`Start::via`].
    pub fn via(self, key: impl Into<Registration<G>>) -> Self {
        StartMonitor(self.0.via(key))
    }

    /// As [`Start::timeout`].
    pub fn timeout(self, limit: Duration) -> Self {
        StartMonitor(self.0.timeout(limit))
    }

    /// As [`Start::mailbox`].
    pub fn mailbox(self, policy: MailboxPolicy) -> Self {
        StartMonitor(self.0.mailbox(policy))
    }
}

impl<G: GenServer> IntoFuture for StartMonitor<G> {
    type Output = Result<(Addr<G>, MonitorRef), StartError>;
    type IntoFuture = StartMonitorFuture<G>;

    fn into_future(self) -> StartMonitorFuture<G> {
        let starting = self.0.begin(true);
        let reference = starting.monitor();
        StartMonitorFuture(StartFuture(starting), reference)
    }
}

/// The wait for a [`StartMonitor`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod counter {
/// #     use rekindle_actor::*;
/// #     pub struct Counter { pub n: i64 }
/// #     impl GenServer for Counter {
/// #         type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Never; type Continue = Never;
/// #         async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter { n })) }
/// #         async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.n); Ok(Next::Wait) }
/// #         async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> { self.n += k; Ok(Next::Wait) }
/// #     }
/// # }
/// # use counter::Counter; use rekindle_actor::GenServer as _;
/// use rekindle_actor::{StartMonitorFuture, demonitor};
///
/// let starting: StartMonitorFuture<Counter> = Counter::start_monitor(7).into_future();
/// let (counter, reference) = starting.await.unwrap();
/// assert!(demonitor(reference), "the monitor stood");
/// assert_eq!(counter.call(|from| from).await, Ok(7));
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct StartMonitorFuture<G: GenServer>(StartFuture<G>, Option<MonitorRef>);

impl<G: GenServer> Future for StartMonitorFuture<G> {
    type Output = Result<(Addr<G>, MonitorRef), StartError>;

    /// # Panics
    ///
    /// If what is started was not asked for by a process: there would be nobody to tell.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let started = ready!(Pin::new(&mut self.0).poll(cx));
        let reference = |addr| (addr, self.1.expect("`start_monitor` is for processes"));
        Poll::Ready(started.map(reference))
    }
}

impl<G: GenServer> fmt::Debug for Start<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("starter", &self.starter)
            .finish_non_exhaustive()
    }
}

impl<G: GenServer> fmt::Debug for StartMonitor<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartMonitor").field(&self.0).finish()
    }
}

impl<G: GenServer> fmt::Debug for StartFuture<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartFuture").field(&self.0).finish()
    }
}

impl<G: GenServer> fmt::Debug for StartMonitorFuture<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartMonitorFuture").field(&self.0).finish()
    }
}
