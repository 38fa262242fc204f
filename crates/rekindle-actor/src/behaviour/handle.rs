//! Handles on servers: on one life, and on a name.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::gen_server::{GenServer, ServerMessage};
use super::named::NamedAddress;
use crate::call::Call;
use crate::exit::ExitReason;
use crate::mailbox::{Address, ReplyTo};
use crate::pid::Pid;
use crate::process::Process;
use crate::recipient::{Recipient, Via};
use crate::sender::{SendError, Sender};
use crate::signal::exit_signal;
use crate::sys::Stop;
use crate::{inspect, names};

/// A handle on one life of a server.
///
/// It never keeps the server alive. When the server is restarted, this handle is on the one that
/// died: casts vanish, calls say [`CallError::NoProc`](crate::CallError::NoProc). Use a [`Name`]
/// to follow restarts.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Addr, CallError, ExitReason};
///
/// # use rekindle_actor::{Context, GenServer, Init, Never, Next, ReplyTo, Step};
/// # struct Counter { n: i64 }
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Never; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter { n })) }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.n); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> { self.n += k; Ok(Next::Wait) }
/// # }
///
/// // `Counter` is a server whose casts add, and whose one request asks for the sum.
/// let counter: Addr<Counter> = Counter::start(1).await.unwrap();
/// counter.cast(2);
/// assert_eq!(counter.call(|from| from).await, Ok(3));
/// counter.stop().await.unwrap();
/// assert_eq!(counter.call(|from| from).await, Err(CallError::NoProc));
/// # });
/// ```
pub struct Addr<G: GenServer>(Address<ServerMessage<G>>);

impl<G: GenServer> Addr<G> {
    pub(crate) fn new(address: Address<ServerMessage<G>>) -> Self {
        Addr(address)
    }

    pub(crate) fn process(&self) -> &Process {
        self.0.process()
    }

    /// A call to a server that was looked for, and perhaps found.
    pub(crate) fn call_resolved<T: Send + 'static>(
        found: Option<Addr<G>>,
        make: impl FnOnce(ReplyTo<T>) -> G::Call,
        called_at: &'static Location<'static>,
    ) -> Call<'static, T> {
        let address = found.map(|addr| addr.0);
        Call::to_resolved(
            address,
            |from| ServerMessage::<G>::Call(make(from)),
            called_at,
        )
    }

    pub(crate) fn address(&self) -> &Address<ServerMessage<G>> {
        &self.0
    }

    /// The handle on a process, if it lives and is such a server.
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
    /// use rekindle_actor::{Addr, self_pid};
    ///
    /// let counter = Counter::start(0).await.unwrap();
    /// assert_eq!(Addr::from_pid(counter.pid()), Some(counter));
    /// assert_eq!(Addr::<Counter>::from_pid(self_pid()), None, "that is no counter");
    /// # });
    /// ```
    #[must_use]
    pub fn from_pid(pid: Pid) -> Option<Addr<G>> {
        Sender::from_pid(pid).map(|sender| Addr(sender.into_address()))
    }

    /// The handle on the process that holds a name now, if it is such a server.
    #[must_use]
    pub fn whereis(name: &str) -> Option<Addr<G>> {
        Addr::from_pid(names::whereis(name)?)
    }

    /// The server's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// Whether the server lives: it may have ended by the time this returns.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        inspect::is_alive(self.pid())
    }

    /// Sends a request and waits for the answer: see [`Call`]. `make` puts the `ReplyTo` into the
    /// request; a variant that holds nothing else can stand for it: `call(Request::Get)`.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, Step};
    /// use rekindle_actor::ReplyTo;
    /// use std::time::Duration;
    ///
    /// enum Request { Get(ReplyTo<i64>), Swap(i64, ReplyTo<i64>) }
    /// # struct Counter(i64);
    /// # impl GenServer for Counter {
    /// #     type Args = i64; type Call = Request; type Cast = Never; type Info = Never; type Continue = Never;
    /// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter(n))) }
    /// #     async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
    /// #         match request {
    /// #             Request::Get(from) => from.reply(self.0),
    /// #             Request::Swap(n, from) => from.reply(std::mem::replace(&mut self.0, n)),
    /// #         }
    /// #         Ok(Next::Wait)
    /// #     }
    /// # }
    /// # let counter = Counter::start(2).await.unwrap();
    ///
    /// assert_eq!(counter.call(Request::Get).await, Ok(2));
    /// let swap = counter.call(|from| Request::Swap(7, from)).timeout(Duration::from_secs(1));
    /// assert_eq!(swap.await, Ok(2));
    /// # });
    /// ```
    #[track_caller]
    #[inline]
    pub fn call<T: Send + 'static>(&self, make: impl FnOnce(ReplyTo<T>) -> G::Call) -> Call<'_, T> {
        Call::to(
            &self.0,
            |from| ServerMessage::Call(make(from)),
            Location::caller(),
        )
    }

    /// Sends a message that is not answered.
    ///
    /// # Delivery
    ///
    /// In order with whatever the same process sent there before, at most once, and without a
    /// word if the server is dead or its mailbox drops what is too much (GEN-026). Never waits.
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
    /// // `Counter` is a server whose casts add, and whose one request asks for the sum.
    /// let counter = Counter::start(0).await.unwrap();
    /// counter.cast(1);
    /// counter.cast(2);
    /// assert_eq!(counter.call(|from| from).await, Ok(3));
    /// counter.stop().await.unwrap();
    /// counter.cast(4); // without a word
    /// # });
    /// ```
    #[inline]
    pub fn cast(&self, message: G::Cast) {
        // A dead server is no error, as in OTP: whoever must know monitors it.
        let _ = self.0.post(ServerMessage::Cast(message));
    }

    /// As [`cast`](Self::cast), and tells.
    ///
    /// # Errors
    ///
    /// Gives the message back if the server is dead, or its mailbox is full and refuses it.
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
    /// use rekindle_actor::{MailboxPolicy, Overflow, SendError};
    ///
    /// let policy = MailboxPolicy::bounded(1).when_full(Overflow::Fail);
    /// let counter = Counter::start(0).mailbox(policy).await.unwrap();
    /// assert_eq!(counter.try_cast(1), Ok(()));
    /// assert_eq!(counter.try_cast(2), Err(SendError::Full(2)));
    /// counter.stop().await.unwrap();
    /// assert_eq!(counter.try_cast(3), Err(SendError::NoProc(3)));
    /// # });
    /// ```
    pub fn try_cast(&self, message: G::Cast) -> Result<(), SendError<G::Cast>> {
        self.0
            .post(ServerMessage::Cast(message))
            .map_err(|refused| {
                SendError::new(refused).map(|envelope| match envelope {
                    ServerMessage::Cast(message) => message,
                    _ => unreachable!("what comes back is what was sent"),
                })
            })
    }

    /// Sends a plain message, which arrives in `handle_info`. Delivery is as for
    /// [`cast`](Self::cast).
    #[inline]
    pub fn send(&self, message: impl Into<G::Info>) {
        let _ = self.0.post(ServerMessage::Info(message.into()));
    }

    /// As [`send`](Self::send), and tells.
    ///
    /// # Errors
    ///
    /// Gives the message back if the server is dead, or its mailbox is full and refuses it.
    pub fn try_send(&self, message: impl Into<G::Info>) -> Result<(), SendError<G::Info>> {
        self.0
            .post(ServerMessage::Info(message.into()))
            .map_err(|refused| {
                SendError::new(refused).map(|envelope| match envelope {
                    ServerMessage::Info(message) => message,
                    _ => unreachable!("what comes back is what was sent"),
                })
            })
    }

    /// Stops the server: `terminate` runs, and awaiting this waits until the server and its name
    /// are gone.
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
    /// use rekindle_actor::{ExitReason, whereis};
    ///
    /// let counter = Counter::start(0).name("counter").await.unwrap();
    /// counter.stop().reason(ExitReason::Shutdown).await.unwrap();
    /// assert!(!counter.is_alive());
    /// assert_eq!(whereis("counter"), None);
    /// # });
    /// ```
    pub fn stop(&self) -> Stop {
        Stop::new(self.pid())
    }

    /// Sends an exit signal to the server.
    pub fn exit(&self, reason: ExitReason) {
        exit_signal(self.pid(), reason);
    }

    /// A handle for one kind of plain message that this server takes, whoever it is.
    #[must_use]
    pub fn recipient<M>(&self) -> Recipient<M>
    where
        M: Send + 'static,
        G::Info: From<M>,
    {
        Recipient::new(Via {
            target: self.clone(),
            send: |addr, message: M| addr.try_send(message).map_err(|error| error.map(drop)),
            pid: |addr| Some(addr.pid()),
        })
    }

    /// A handle for one kind of cast that this server takes, whoever it is.
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
    /// use rekindle_actor::{Recipient, send_interval, sleep};
    /// use std::time::Duration;
    ///
    /// let counter = Counter::start(0).await.unwrap();
    /// // For timers and others who do not know what a counter is.
    /// let add: Recipient<i64> = counter.cast_recipient();
    /// let _ticking = send_interval(Duration::from_secs(1), &add, 10).unwrap();
    /// sleep(Duration::from_millis(3_500)).await;
    /// assert_eq!(counter.call(|from| from).await, Ok(30));
    /// # });
    /// ```
    #[must_use]
    pub fn cast_recipient<M>(&self) -> Recipient<M>
    where
        M: Send + 'static,
        G::Cast: From<M>,
    {
        Recipient::new(Via {
            target: self.clone(),
            send: |addr, message: M| addr.try_cast(message.into()).map_err(|e| e.map(drop)),
            pid: |addr| Some(addr.pid()),
        })
    }
}

impl<G: GenServer> Clone for Addr<G> {
    fn clone(&self) -> Self {
        Addr(self.0.clone())
    }
}

impl<G: GenServer> PartialEq for Addr<G> {
    fn eq(&self, other: &Self) -> bool {
        self.0.task().view().is_same(other.0.task().view())
    }
}

impl<G: GenServer> Eq for Addr<G> {}

impl<G: GenServer> fmt::Debug for Addr<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = crate::report::short_type_name(std::any::type_name::<G>());
        write!(f, "Addr<{server}>({})", self.pid())
    }
}

/// A handle on whoever holds a name: it survives restarts.
///
/// It resolves at each use, in the running runtime, and keeps the last target, so that a send
/// costs a look at two words. If nobody holds the name, or the holder is another kind of server,
/// casts vanish and calls say `NoProc`.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::Name;
///
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
/// # struct Counter { n: i64 }
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Never; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter { n })) }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.n); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> { self.n += k; Ok(Next::Wait) }
/// # }
///
/// let counter: Name<Counter> = Name::new("counter");
/// assert_eq!(counter.pid(), None);
/// let first = Counter::start(1).name("counter").await.unwrap();
/// assert_eq!(counter.call(|from| from).await, Ok(1));
///
/// // Another life under the same name: the name follows, an `Addr` does not.
/// first.stop().await.unwrap();
/// let second = Counter::start(7).name("counter").await.unwrap();
/// assert_eq!(counter.call(|from| from).await, Ok(7));
/// assert_eq!(counter.pid(), Some(second.pid()));
/// # });
/// ```
pub struct Name<G: GenServer>(NamedAddress<ServerMessage<G>>);

impl<G: GenServer> Name<G> {
    /// The handle on a name. Nobody needs to hold it yet.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Name<G> {
        Name(NamedAddress::new(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.name()
    }

    /// Who holds the name now.
    #[must_use]
    pub fn resolve(&self) -> Option<Addr<G>> {
        self.0.resolve().map(Addr)
    }

    /// The holder's pid.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.resolve().map(|addr| addr.pid())
    }

    /// As [`Addr::call`].
    #[track_caller]
    pub fn call<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> G::Call,
    ) -> Call<'static, T> {
        Call::to_resolved(
            self.0.resolve(),
            |from| ServerMessage::<G>::Call(make(from)),
            Location::caller(),
        )
    }

    /// As [`Addr::cast`].
    pub fn cast(&self, message: G::Cast) {
        if let Some(addr) = self.resolve() {
            addr.cast(message);
        }
    }

    /// As [`Addr::try_cast`].
    ///
    /// # Errors
    ///
    /// As [`Addr::try_cast`]; `NoProc` as well if nobody holds the name.
    pub fn try_cast(&self, message: G::Cast) -> Result<(), SendError<G::Cast>> {
        match self.resolve() {
            Some(addr) => addr.try_cast(message),
            None => Err(SendError::NoProc(message)),
        }
    }

    /// As [`Addr::send`].
    pub fn send(&self, message: impl Into<G::Info>) {
        if let Some(addr) = self.resolve() {
            addr.send(message);
        }
    }

    /// As [`Addr::try_send`]; to a name that nobody holds, this is an error (EXIT-014).
    ///
    /// # Errors
    ///
    /// As [`Addr::try_send`]; `NoProc` as well if nobody holds the name.
    pub fn try_send(&self, message: impl Into<G::Info>) -> Result<(), SendError<G::Info>> {
        match self.resolve() {
            Some(addr) => addr.try_send(message),
            None => Err(SendError::NoProc(message.into())),
        }
    }

    /// As [`Addr::stop`], for whoever holds the name now.
    pub fn stop(&self) -> Stop {
        Stop::new(self)
    }

    /// A handle for one kind of plain message that the holder takes, whoever holds the name when
    /// a message is sent (TIME-009).
    #[must_use]
    pub fn recipient<M>(&self) -> Recipient<M>
    where
        M: Send + 'static,
        G::Info: From<M>,
    {
        Recipient::new(Via {
            target: self.clone(),
            send: |name, message: M| name.try_send(message).map_err(|error| error.map(drop)),
            pid: |name| name.pid(),
        })
    }
}

impl<G: GenServer> Clone for Name<G> {
    fn clone(&self) -> Self {
        Name::new(self.0.name().clone())
    }
}

impl<G: GenServer> From<&str> for Name<G> {
    fn from(name: &str) -> Self {
        Name::new(name)
    }
}

impl<G: GenServer> fmt::Debug for Name<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Name").field(self.0.name()).finish()
    }
}
