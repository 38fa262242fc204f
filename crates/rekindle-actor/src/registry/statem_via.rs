//! State machines that are known by a key of a registry.

use std::fmt;
use std::panic::Location;

use super::holder::Holder;
use super::kept::Kept;
use super::via::Registration;
use super::{Registry, RegistryKey, RegistryValue};
use crate::behaviour::{GenStatem, StatemAddr};
use crate::call::Call;
use crate::mailbox::ReplyTo;
use crate::pid::Pid;
use crate::recipient::{self, Recipient};
use crate::sender::SendError;
use crate::sys::{Stop, Target};

/// A handle on whichever state machine holds a key of a registry, and the way to start one there:
/// what [`Via`](crate::Via) is for a server. Made by [`Registry::statem_via`].
///
/// It resolves at each use, keeps the last target, and survives restarts of the machine, and of the
/// registry if it was made from a handle by name. If nobody holds the key, or the holder is not such
/// a machine, casts vanish, calls say `NoProc`, and `try_send` fails.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{
///     ExitReason, GenStatem, Never, Registry, ReplyTo, StartError, StatemAddr, StatemContext,
///     StatemEvent, StatemInit, StatemStep, Transition,
/// };
///
/// struct Door;
///
/// #[derive(Debug, Clone, Copy, PartialEq)]
/// enum Is { Open, Closed }
///
/// enum Request { Look(ReplyTo<Is>) }
///
/// struct Push;
///
/// impl GenStatem for Door {
///     type Args = ();
///     type State = Is;
///     type Call = Request;
///     type Cast = Push;
///     type Info = Never;
///     type Internal = Never;
///     type Timer = Never;
///     type Content = ();
///
///     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
///         Ok(StatemInit::ready(Is::Closed, Door))
///     }
///     async fn handle_event(
///         &mut self,
///         state: &Is,
///         event: StatemEvent<Self>,
///         cx: &mut StatemContext<Self>,
///     ) -> StatemStep<Self> {
///         Ok(match event {
///             StatemEvent::Call(Request::Look(from)) => Transition::keep().reply(from, *state),
///             StatemEvent::Cast(Push) => Transition::next(Is::Open),
///             other => return cx.unexpected(other),
///         })
///     }
/// }
///
/// let doors = Registry::<&str, StatemAddr<Door>>::unique().start_link().await.unwrap();
/// let front = doors.statem_via::<Door>("front");
/// let started = Door::start_link(()).via(&front).await.unwrap();
/// front.cast(Push);
/// assert_eq!(front.call(Request::Look).await, Ok(Is::Open));
///
/// let again = Door::start_link(()).via(&front).await;
/// assert_eq!(again.unwrap_err(), StartError::AlreadyStarted(started.pid()));
/// # });
/// ```
pub struct StatemVia<K: RegistryKey, V: RegistryValue, M: GenStatem> {
    holder: Holder<K, V, StatemAddr<M>>,
}

impl<K: RegistryKey, V: RegistryValue, M: GenStatem> StatemVia<K, V, M> {
    pub(super) fn new(registry: Registry<K, V>, key: Kept<K>) -> Self {
        StatemVia {
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
    pub fn resolve(&self) -> Option<StatemAddr<M>> {
        self.holder.resolve()
    }

    /// The holder's pid, whatever kind of process it is.
    #[must_use]
    pub fn whereis(&self) -> Option<Pid> {
        self.holder.whereis()
    }

    /// As [`StatemAddr::stop`], for whoever holds the key now.
    pub fn stop(&self) -> Stop {
        Stop::new(self)
    }

    /// The holder's pid, if it is such a machine.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.resolve().map(|addr| addr.pid())
    }

    /// As [`StatemAddr::call`].
    #[track_caller]
    pub fn call<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> M::Call,
    ) -> Call<'static, T> {
        StatemAddr::call_resolved(self.resolve(), make, Location::caller())
    }

    /// As [`StatemAddr::cast`].
    pub fn cast(&self, message: M::Cast) {
        if let Some(addr) = self.resolve() {
            addr.cast(message);
        }
    }

    /// As [`StatemAddr::try_cast`].
    ///
    /// # Errors
    ///
    /// As [`StatemAddr::try_cast`]; `NoProc` as well if nobody holds the key.
    pub fn try_cast(&self, message: M::Cast) -> Result<(), SendError<M::Cast>> {
        match self.resolve() {
            Some(addr) => addr.try_cast(message),
            None => Err(SendError::NoProc(message)),
        }
    }

    /// As [`StatemAddr::send`].
    pub fn send(&self, message: impl Into<M::Info>) {
        if let Some(addr) = self.resolve() {
            addr.send(message);
        }
    }

    /// As [`StatemAddr::try_send`].
    ///
    /// # Errors
    ///
    /// As [`StatemAddr::try_send`]; `NoProc` as well if nobody holds the key (REG-014).
    pub fn try_send(&self, message: impl Into<M::Info>) -> Result<(), SendError<M::Info>> {
        match self.resolve() {
            Some(addr) => addr.try_send(message),
            None => Err(SendError::NoProc(message.into())),
        }
    }

    /// A handle for one kind of plain message that the holder takes, whoever holds the key when a
    /// message is sent.
    #[must_use]
    pub fn recipient<T>(&self) -> Recipient<T>
    where
        T: Send + 'static,
        M::Info: From<T>,
    {
        Recipient::new(recipient::Via {
            target: self.clone(),
            send: |via, message: T| via.try_send(message).map_err(|error| error.map(drop)),
            pid: |via| via.pid(),
        })
    }

    /// To start a machine under the key with this value, instead of one that the registry makes of
    /// the machine: `Door::start_link(()).via(doors.statem_via(7).with_value("front"))`.
    pub fn with_value(&self, value: V) -> Registration<M>
    where
        V: Clone,
    {
        self.with(move |_| value.clone())
    }

    /// To start a machine under the key with a value that is made of the machine's handle, in its
    /// own process.
    pub fn with(
        &self,
        value: impl Fn(StatemAddr<M>) -> V + Send + Sync + 'static,
    ) -> Registration<M> {
        Registration::new(self.holder.registering(value))
    }
}

impl<K: RegistryKey, V: RegistryValue, M: GenStatem> Clone for StatemVia<K, V, M> {
    fn clone(&self) -> Self {
        StatemVia {
            holder: self.holder.clone(),
        }
    }
}

impl<K: RegistryKey + fmt::Debug, V: RegistryValue, M: GenStatem> fmt::Debug
    for StatemVia<K, V, M>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatemVia")
            .field("registry", self.registry())
            .field("key", self.key())
            .finish()
    }
}

/// A value that a registry can make of a state machine which starts under one of its keys: nothing,
/// the pid, the [`StatemAddr`], or a [`Recipient`] of plain messages. For any other, see
/// [`StatemVia::with_value`] and [`StatemVia::with`]; or implement it.
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
/// use rekindle_actor::{Registry, StatemAddr, StatemViaValue};
///
/// /// What the registry keeps for each lamp.
/// struct Entry { lamp: StatemAddr<Lamp>, watts: u32 }
///
/// impl StatemViaValue<Lamp> for Entry {
///     fn of_machine(lamp: StatemAddr<Lamp>) -> Entry {
///         Entry { lamp, watts: 40 }
///     }
/// }
///
/// let lamps = Registry::<&str, Entry>::unique().start().await.unwrap();
/// let hall = Lamp::start(()).via(lamps.statem_via("hall")).await.unwrap();
/// let found = lamps.count_match("hall", |entry| entry.lamp == hall && entry.watts == 40);
/// assert_eq!(found, Ok(1));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "a registry cannot make the value `{Self}` of a state machine `{M}`",
    note = "give the value: `.via(registry.statem_via(key).with_value(value))`"
)]
pub trait StatemViaValue<M: GenStatem>: RegistryValue {
    /// The value for the machine.
    fn of_machine(machine: StatemAddr<M>) -> Self;
}

impl<M: GenStatem> StatemViaValue<M> for () {
    fn of_machine(_: StatemAddr<M>) {}
}

impl<M: GenStatem> StatemViaValue<M> for Pid {
    fn of_machine(machine: StatemAddr<M>) -> Pid {
        machine.pid()
    }
}

impl<M: GenStatem> StatemViaValue<M> for StatemAddr<M> {
    fn of_machine(machine: StatemAddr<M>) -> StatemAddr<M> {
        machine
    }
}

impl<M: GenStatem, T: Send + 'static> StatemViaValue<M> for Recipient<T>
where
    M::Info: From<T>,
{
    fn of_machine(machine: StatemAddr<M>) -> Recipient<T> {
        machine.recipient()
    }
}

impl<K: RegistryKey, V: StatemViaValue<M>, M: GenStatem> From<&StatemVia<K, V, M>>
    for Registration<M>
{
    fn from(via: &StatemVia<K, V, M>) -> Self {
        via.with(V::of_machine)
    }
}

impl<K: RegistryKey, V: StatemViaValue<M>, M: GenStatem> From<StatemVia<K, V, M>>
    for Registration<M>
{
    fn from(via: StatemVia<K, V, M>) -> Self {
        Registration::from(&via)
    }
}

impl<K: RegistryKey, V: RegistryValue, M: GenStatem> Target for StatemVia<K, V, M> {
    fn target_pid(&self) -> Option<Pid> {
        self.pid()
    }
}
