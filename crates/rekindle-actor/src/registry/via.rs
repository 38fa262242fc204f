//! Servers that are known by a key of a registry.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::holder::Holder;
use super::kept::Kept;
use super::{Registry, RegistryKey, RegistryValue};
use crate::behaviour::{Addr, GenServer, StartError};
use crate::call::Call;
use crate::mailbox::ReplyTo;
use crate::pid::Pid;
use crate::recipient::{self, Recipient};
use crate::sender::SendError;
use crate::sys::{Stop, Target};

/// A handle on whichever server holds a key of a registry, and the way to start one there.
///
/// Made by [`Registry::via`]. It is to a key what a [`Name`](crate::Name) is to a name: it
/// resolves at each use, keeps the last target, and survives restarts of the server, and of the
/// registry if it was made from a handle by name. If nobody holds the key, or the holder is
/// another kind of server, casts vanish, calls say `NoProc`, and `try_send` fails (REG-014).
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
/// # struct Cart(u32);
/// # enum Request { Total(ReplyTo<u32>) }
/// # impl GenServer for Cart {
/// #     type Args = (); type Call = Request; type Cast = u32; type Info = Never; type Continue = Never;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Cart(0))) }
/// #     async fn handle_call(&mut self, r: Request, _: &mut Context<Self>) -> Step<Self> {
/// #         let Request::Total(from) = r; from.reply(self.0); Ok(Next::Wait)
/// #     }
/// #     async fn handle_cast(&mut self, k: u32, _: &mut Context<Self>) -> Step<Self> { self.0 += k; Ok(Next::Wait) }
/// # }
/// use rekindle_actor::{Addr, Registry, StartError};
///
/// let carts = Registry::<u64, Addr<Cart>>::unique().start_link().await.unwrap();
/// let seventh = carts.via::<Cart>(7);
///
/// let started = Cart::start_link(()).via(&seventh).await.unwrap();
/// seventh.cast(3);
/// assert_eq!(seventh.call(Request::Total).await, Ok(3));
/// assert_eq!(carts.get(&7), Ok(Some(started.clone())));
///
/// let again = Cart::start_link(()).via(&seventh).await;
/// assert_eq!(again.unwrap_err(), StartError::AlreadyStarted(started.pid()));
/// # });
/// ```
pub struct Via<K: RegistryKey, V: RegistryValue, G: GenServer> {
    holder: Holder<K, V, Addr<G>>,
}

impl<K: RegistryKey, V: RegistryValue, G: GenServer> Via<K, V, G> {
    pub(super) fn new(registry: Registry<K, V>, key: Kept<K>) -> Self {
        Via {
            holder: Holder::new(registry, key),
        }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &K {
        self.holder.key()
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Registry<K, V> {
        self.holder.registry()
    }

    /// Who holds the key now. Nobody, if there is no such registry.
    #[must_use]
    pub fn resolve(&self) -> Option<Addr<G>> {
        self.holder.resolve()
    }

    /// The holder's pid, whatever kind of process it is.
    #[must_use]
    pub fn whereis(&self) -> Option<Pid> {
        self.holder.whereis()
    }

    /// As [`Addr::stop`], for whoever holds the key now.
    pub fn stop(&self) -> Stop {
        Stop::new(self)
    }

    /// The holder's pid, if it is such a server.
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
        Addr::call_resolved(self.resolve(), make, Location::caller())
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
    /// As [`Addr::try_cast`]; `NoProc` as well if nobody holds the key.
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

    /// As [`Addr::try_send`].
    ///
    /// # Errors
    ///
    /// As [`Addr::try_send`]; `NoProc` as well if nobody holds the key (REG-014).
    pub fn try_send(&self, message: impl Into<G::Info>) -> Result<(), SendError<G::Info>> {
        match self.resolve() {
            Some(addr) => addr.try_send(message),
            None => Err(SendError::NoProc(message.into())),
        }
    }

    /// A handle for one kind of plain message that the holder takes, whoever holds the key when a
    /// message is sent.
    #[must_use]
    pub fn recipient<M>(&self) -> Recipient<M>
    where
        M: Send + 'static,
        G::Info: From<M>,
    {
        Recipient::new(recipient::Via {
            target: self.clone(),
            send: |via, message: M| via.try_send(message).map_err(|error| error.map(drop)),
            pid: |via| via.pid(),
        })
    }

    /// To start a server under the key with this value, instead of one that the registry makes of
    /// the server: `Cart::start_link(()).via(carts.via(7).with_value("vip"))`.
    pub fn with_value(&self, value: V) -> Registration<G>
    where
        V: Clone,
    {
        self.with(move |_| value.clone())
    }

    /// To start a server under the key with a value that is made of the server's handle, in its
    /// own process.
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
    /// use rekindle_actor::{Addr, Registry};
    ///
    /// type Entry = (Addr<Counter>, &'static str);
    ///
    /// let counters = Registry::<u32, Entry>::unique().start().await.unwrap();
    /// let first = counters.via::<Counter>(1).with(|counter| (counter, "by the door"));
    /// let started = Counter::start(0).via(first).await.unwrap();
    /// assert_eq!(counters.get(&1), Ok(Some((started, "by the door"))));
    /// # });
    /// ```
    pub fn with(&self, value: impl Fn(Addr<G>) -> V + Send + Sync + 'static) -> Registration<G> {
        Registration::new(self.holder.registering(value))
    }
}

impl<K: RegistryKey, V: RegistryValue, G: GenServer> Clone for Via<K, V, G> {
    fn clone(&self) -> Self {
        Via {
            holder: self.holder.clone(),
        }
    }
}

impl<K: RegistryKey + fmt::Debug, V: RegistryValue, G: GenServer> fmt::Debug for Via<K, V, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Via")
            .field("registry", self.registry())
            .field("key", self.key())
            .finish()
    }
}

/// A value that a registry can make of a server which starts under one of its keys: nothing, the
/// pid, the [`Addr`], or a [`Recipient`] of plain messages. For any other, see
/// [`Via::with_value`] and [`Via::with`]; or implement it.
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
/// use rekindle_actor::{Addr, Registry, Time, ViaValue, now};
///
/// /// What the registry keeps for each counter: the way to it, and since when it is there.
/// #[derive(Clone)]
/// struct Entry { counter: Addr<Counter>, since: Time }
///
/// impl ViaValue<Counter> for Entry {
///     fn of_server(counter: Addr<Counter>) -> Entry {
///         Entry { counter, since: now() }
///     }
/// }
///
/// let counters = Registry::<&str, Entry>::unique().start().await.unwrap();
/// Counter::start(7).via(&counters.via("visits")).await.unwrap();
/// let entry = counters.get("visits").unwrap().unwrap();
/// assert_eq!(entry.counter.call(|from| from).await, Ok(7));
/// assert!(entry.since <= now());
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "a registry cannot make the value `{Self}` of a server `{G}`",
    note = "give the value: `.via(registry.via(key).with_value(value))`"
)]
pub trait ViaValue<G: GenServer>: RegistryValue {
    /// The value for the server.
    fn of_server(server: Addr<G>) -> Self;
}

impl<G: GenServer> ViaValue<G> for () {
    fn of_server(_: Addr<G>) {}
}

impl<G: GenServer> ViaValue<G> for Pid {
    fn of_server(server: Addr<G>) -> Pid {
        server.pid()
    }
}

impl<G: GenServer> ViaValue<G> for Addr<G> {
    fn of_server(server: Addr<G>) -> Addr<G> {
        server
    }
}

impl<G: GenServer, M: Send + 'static> ViaValue<G> for Recipient<M>
where
    G::Info: From<M>,
{
    fn of_server(server: Addr<G>) -> Recipient<M> {
        server.recipient()
    }
}

/// Where a process is to be registered at its start, before its init runs: for
/// [`Start::via`](crate::Start::via), [`Starter::via`](crate::Starter::via) and children.
///
/// Made of a [`Via`], or by [`Registry::registration`] for processes that are no generic servers.
/// It can be used again, at each restart. `G` is the server, or `()` for any process.
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
/// use rekindle_actor::{Registration, Registry, StartError};
///
/// let counters = Registry::<&str, &str>::unique().start().await.unwrap();
/// let at_door: Registration<Counter> = counters.via("door").with_value("by the door");
/// let first = Counter::start(0).via(at_door.clone()).await.unwrap();
/// assert_eq!(counters.get("door"), Ok(Some("by the door")));
/// let second = Counter::start(0).via(at_door).await;
/// assert_eq!(second.unwrap_err(), StartError::AlreadyStarted(first.pid()));
/// # });
/// ```
pub struct Registration<G = ()> {
    register: Arc<dyn Fn() -> Result<(), StartError> + Send + Sync>,
    server: std::marker::PhantomData<fn(G)>,
}

impl<G> Registration<G> {
    pub(super) fn new(
        register: impl Fn() -> Result<(), StartError> + Send + Sync + 'static,
    ) -> Registration<G> {
        Registration {
            register: Arc::new(register),
            server: std::marker::PhantomData,
        }
    }

    /// Registers the running process.
    pub(crate) fn register(&self) -> Result<(), StartError> {
        (self.register)()
    }

    /// The same for a start that does not know the kind of server any more.
    pub(crate) fn of_any(self) -> Registration {
        Registration {
            register: self.register,
            server: std::marker::PhantomData,
        }
    }
}

impl<G> Clone for Registration<G> {
    fn clone(&self) -> Self {
        Registration {
            register: self.register.clone(),
            server: std::marker::PhantomData,
        }
    }
}

impl<G> fmt::Debug for Registration<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

impl<K: RegistryKey, V: ViaValue<G>, G: GenServer> From<&Via<K, V, G>> for Registration<G> {
    fn from(via: &Via<K, V, G>) -> Self {
        via.with(V::of_server)
    }
}

impl<K: RegistryKey, V: ViaValue<G>, G: GenServer> From<Via<K, V, G>> for Registration<G> {
    fn from(via: Via<K, V, G>) -> Self {
        Registration::from(&via)
    }
}

impl<K: RegistryKey, V: RegistryValue, G: GenServer> Target for Via<K, V, G> {
    fn target_pid(&self) -> Option<Pid> {
        self.pid()
    }
}
