//! Options of a machine's start.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::GenStatem;
use super::event::Envelope;
use super::handle::StatemAddr;
use super::run::run;
use crate::behaviour::start::{StartError, Starter, Starting};
use crate::mailbox::MailboxPolicy;
use crate::pid::MonitorRef;
use crate::registry::Registration;

/// The start of a machine: await it, or say more first.
///
/// Nothing happens before it is awaited. Defaults: no name, no time limit, an unbounded mailbox.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod lamp {
/// #     use rekindle_actor::*;
/// #     #[derive(Clone, Copy, Debug, PartialEq)] pub enum State { Off, On }
/// #     pub struct Lamp;
/// #     impl GenStatem for Lamp {
/// #         type Args = (); type State = State; type Call = ReplyTo<bool>; type Cast = (); type Info = Never;
/// #         type Internal = Never; type Timer = Never; type Content = ();
/// #         async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Off, Lamp)) }
/// #         async fn handle_event(&mut self, state: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #             Ok(match (state, event) {
/// #                 (State::Off, StatemEvent::Cast(())) => Transition::next(State::On),
/// #                 (State::On, StatemEvent::Cast(())) => Transition::next(State::Off),
/// #                 (state, StatemEvent::Call(from)) => Transition::keep().reply(from, *state == State::On),
/// #                 (_, other) => return cx.unexpected(other),
/// #             })
/// #         }
/// #     }
/// # }
/// # use lamp::Lamp; use rekindle_actor::GenStatem as _;
/// use rekindle_actor::{StartError, StatemName};
/// use std::time::Duration;
///
/// // `Lamp` is a machine that is on or off; a cast is a press of its button.
/// let lamp = Lamp::start(()).name("lamp").timeout(Duration::from_secs(1)).await.unwrap();
/// StatemName::<Lamp>::new("lamp").cast(());
/// assert_eq!(lamp.call(|from| from).await, Ok(true));
///
/// let second = Lamp::start(()).name("lamp").await;
/// assert_eq!(second.unwrap_err(), StartError::AlreadyStarted(lamp.pid()));
/// # });
/// ```
#[must_use = "nothing is started until this is awaited"]
pub struct StatemStart<M: GenStatem> {
    args: M::Args,
    starter: Starter,
    hibernate_after: Option<Duration>,
    at: &'static Location<'static>,
}

impl<M: GenStatem> StatemStart<M> {
    #[track_caller]
    pub(super) fn new(args: M::Args, link: bool) -> StatemStart<M> {
        let starter = Starter::default();
        StatemStart {
            args,
            starter: starter.link_if(link),
            hibernate_after: None,
            at: Location::caller(),
        }
    }

    /// Registers the machine under this name before its init runs.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.starter = self.starter.name(name);
        self
    }

    /// Registers the machine under a key of a registry before its init runs: see
    /// [`Registry::statem_via`](crate::Registry::statem_via). If the key is held, the start fails
    /// with [`StartError::AlreadyStarted`] (REG-012).
    pub fn via(mut self, key: impl Into<Registration<M>>) -> Self {
        self.starter = self.starter.via(key);
        self
    }

    /// Kills the machine if its init is not done in this time, and fails with
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

    /// Runs [`GenStatem::hibernate`] after this much time without a message, once per wait.
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

    fn begin(mut self, monitored: bool) -> Starting<Envelope<M>> {
        self.starter.monitor_if(monitored);
        let (args, hibernate_after, at) = (self.args, self.hibernate_after, self.at);
        self.starter.start_as::<M, _, _, _>(
            move |inbox, ack| run::<M>(args, inbox, ack, hibernate_after),
            true,
            at,
        )
    }
}

impl<M: GenStatem> IntoFuture for StatemStart<M> {
    type Output = Result<StatemAddr<M>, StartError>;
    type IntoFuture = StatemStartFuture<M>;

    fn into_future(self) -> StatemStartFuture<M> {
        StatemStartFuture(self.begin(false))
    }
}

/// The wait for a [`StatemStart`].
///
/// Dropped early, it lets the start go on by itself:
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod lamp {
/// #     use rekindle_actor::*;
/// #     #[derive(Clone, Copy, Debug, PartialEq)] pub enum State { Off, On }
/// #     pub struct Lamp;
/// #     impl GenStatem for Lamp {
/// #         type Args = (); type State = State; type Call = ReplyTo<bool>; type Cast = (); type Info = Never;
/// #         type Internal = Never; type Timer = Never; type Content = ();
/// #         async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Off, Lamp)) }
/// #         async fn handle_event(&mut self, state: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #             Ok(match (state, event) {
/// #                 (State::Off, StatemEvent::Cast(())) => Transition::next(State::On),
/// #                 (State::On, StatemEvent::Cast(())) => Transition::next(State::Off),
/// #                 (state, StatemEvent::Call(from)) => Transition::keep().reply(from, *state == State::On),
/// #                 (_, other) => return cx.unexpected(other),
/// #             })
/// #         }
/// #     }
/// # }
/// # use lamp::Lamp; use rekindle_actor::GenStatem as _;
/// use rekindle_actor::{StatemName, StatemStartFuture};
/// use std::time::Duration;
///
/// let starting: StatemStartFuture<Lamp> = Lamp::start(()).name("lamp").into_future();
/// drop(starting);
/// rekindle_actor::sleep(Duration::from_secs(1)).await;
/// assert_eq!(StatemName::<Lamp>::new("lamp").call(|from| from).await, Ok(false));
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct StatemStartFuture<M: GenStatem>(Starting<Envelope<M>>);

impl<M: GenStatem> Future for StatemStartFuture<M> {
    type Output = Result<StatemAddr<M>, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|result| result.map(|sender| StatemAddr::new(sender)))
    }
}

/// As [`StatemStart`], with a monitor: it gives the handle and the monitor's reference.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod lamp {
/// #     use rekindle_actor::*;
/// #     #[derive(Clone, Copy, Debug, PartialEq)] pub enum State { Off, On }
/// #     pub struct Lamp;
/// #     impl GenStatem for Lamp {
/// #         type Args = (); type State = State; type Call = ReplyTo<bool>; type Cast = (); type Info = Never;
/// #         type Internal = Never; type Timer = Never; type Content = ();
/// #         async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Off, Lamp)) }
/// #         async fn handle_event(&mut self, state: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #             Ok(match (state, event) {
/// #                 (State::Off, StatemEvent::Cast(())) => Transition::next(State::On),
/// #                 (State::On, StatemEvent::Cast(())) => Transition::next(State::Off),
/// #                 (state, StatemEvent::Call(from)) => Transition::keep().reply(from, *state == State::On),
/// #                 (_, other) => return cx.unexpected(other),
/// #             })
/// #         }
/// #     }
/// # }
/// # use lamp::Lamp; use rekindle_actor::GenStatem as _;
/// use rekindle_actor::{Info, Mailbox, spawn};
///
/// let watching = spawn(|mut inbox: Mailbox<()>| async move {
///     let (lamp, reference) = Lamp::start_monitor(()).name("lamp").await.unwrap();
///     lamp.stop().await.unwrap();
///     let Info::Down(down) = inbox.next().await else { panic!("nothing else comes") };
///     assert!(down.reference == reference && down.reason.is_normal());
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !watching.is_alive());
/// # });
/// ```
#[must_use = "nothing is started until this is awaited"]
pub struct StatemStartMonitor<M: GenStatem>(StatemStart<M>);

impl<M: GenStatem> StatemStartMonitor<M> {
    pub(super) fn new(start: StatemStart<M>) -> Self {
        StatemStartMonitor(start)
    }

    /// As [`StatemStart::name`].
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        StatemStartMonitor(self.0.name(name))
    }

    /// As [`StatemStart::via`].
    pub fn via(self, key: impl Into<Registration<M>>) -> Self {
        StatemStartMonitor(self.0.via(key))
    }

    /// As [`StatemStart::timeout`].
    pub fn timeout(self, limit: Duration) -> Self {
        StatemStartMonitor(self.0.timeout(limit))
    }

    /// As [`StatemStart::mailbox`].
    pub fn mailbox(self, policy: MailboxPolicy) -> Self {
        StatemStartMonitor(self.0.mailbox(policy))
    }

    /// As [`StatemStart::hibernate_after`].
    pub fn hibernate_after(self, idle: Duration) -> Self {
        StatemStartMonitor(self.0.hibernate_after(idle))
    }
}

impl<M: GenStatem> IntoFuture for StatemStartMonitor<M> {
    type Output = Result<(StatemAddr<M>, MonitorRef), StartError>;
    type IntoFuture = StatemStartMonitorFuture<M>;

    fn into_future(self) -> StatemStartMonitorFuture<M> {
        let starting = self.0.begin(true);
        let reference = starting.monitor();
        StatemStartMonitorFuture(StatemStartFuture(starting), reference)
    }
}

/// The wait for a [`StatemStartMonitor`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod lamp {
/// #     use rekindle_actor::*;
/// #     #[derive(Clone, Copy, Debug, PartialEq)] pub enum State { Off, On }
/// #     pub struct Lamp;
/// #     impl GenStatem for Lamp {
/// #         type Args = (); type State = State; type Call = ReplyTo<bool>; type Cast = (); type Info = Never;
/// #         type Internal = Never; type Timer = Never; type Content = ();
/// #         async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Off, Lamp)) }
/// #         async fn handle_event(&mut self, state: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #             Ok(match (state, event) {
/// #                 (State::Off, StatemEvent::Cast(())) => Transition::next(State::On),
/// #                 (State::On, StatemEvent::Cast(())) => Transition::next(State::Off),
/// #                 (state, StatemEvent::Call(from)) => Transition::keep().reply(from, *state == State::On),
/// #                 (_, other) => return cx.unexpected(other),
/// #             })
/// #         }
/// #     }
/// # }
/// # use lamp::Lamp; use rekindle_actor::GenStatem as _;
/// use rekindle_actor::{StatemStartMonitorFuture, self_pid};
///
/// let starting: StatemStartMonitorFuture<Lamp> = Lamp::start_monitor(()).into_future();
/// let (lamp, reference) = starting.await.unwrap();
/// assert_eq!(reference.watcher(), self_pid());
/// assert_eq!(lamp.call(|from| from).await, Ok(false));
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct StatemStartMonitorFuture<M: GenStatem>(StatemStartFuture<M>, Option<MonitorRef>);

impl<M: GenStatem> Future for StatemStartMonitorFuture<M> {
    type Output = Result<(StatemAddr<M>, MonitorRef), StartError>;

    /// # Panics
    ///
    /// If what is started was not asked for by a process: there would be nobody to tell.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let started = ready!(Pin::new(&mut self.0).poll(cx));
        let reference = |addr| (addr, self.1.expect("`start_monitor` is for processes"));
        Poll::Ready(started.map(reference))
    }
}

impl<M: GenStatem> fmt::Debug for StatemStart<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatemStart")
            .field("starter", &self.starter)
            .finish_non_exhaustive()
    }
}

impl<M: GenStatem> fmt::Debug for StatemStartMonitor<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatemStartMonitor").field(&self.0).finish()
    }
}

impl<M: GenStatem> fmt::Debug for StatemStartFuture<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatemStartFuture").field(&self.0).finish()
    }
}

impl<M: GenStatem> fmt::Debug for StatemStartMonitorFuture<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatemStartMonitorFuture")
            .field(&self.0)
            .finish()
    }
}
