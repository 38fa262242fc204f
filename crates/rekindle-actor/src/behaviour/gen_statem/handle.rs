//! Handles on state machines: on one life, and on a name.

use std::any::type_name;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::GenStatem;
use super::event::Envelope;
use crate::behaviour::named::NamedAddress;
use crate::call::Call;
use crate::exit::ExitReason;
use crate::mailbox::ReplyTo;
use crate::pid::Pid;
use crate::process::Process;
use crate::recipient::{Recipient, Via};
use crate::report::short_type_name;
use crate::sender::{SendError, Sender};
use crate::sys::Stop;

/// A handle on one life of a state machine: what [`Addr`](crate::Addr) is for a server.
///
/// It never keeps the machine alive. When the machine is restarted, this handle is on the one that
/// died: casts vanish, calls say [`CallError::NoProc`](crate::CallError::NoProc). Use a
/// [`StatemName`] to follow restarts.
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
/// use rekindle_actor::{CallError, StatemAddr};
///
/// // `Lamp` is a machine that is on or off; a cast is a press of its button.
/// let lamp: StatemAddr<Lamp> = Lamp::start(()).await.unwrap();
/// lamp.cast(());
/// assert_eq!(lamp.call(|from| from).await, Ok(true));
/// assert_eq!(StatemAddr::from_pid(lamp.pid()), Some(lamp.clone()));
/// lamp.stop().await.unwrap();
/// assert_eq!(lamp.call(|from| from).await, Err(CallError::NoProc));
/// # });
/// ```
pub struct StatemAddr<M: GenStatem>(Sender<Envelope<M>>);

impl<M: GenStatem> StatemAddr<M> {
    pub(super) fn new(sender: Sender<Envelope<M>>) -> Self {
        StatemAddr(sender)
    }

    pub(crate) fn process(&self) -> &Process {
        self.0.address().process()
    }

    /// A call to a machine that was looked for, and perhaps found.
    pub(crate) fn call_resolved<T: Send + 'static>(
        found: Option<StatemAddr<M>>,
        make: impl FnOnce(ReplyTo<T>) -> M::Call,
        called_at: &'static Location<'static>,
    ) -> Call<'static, T> {
        let address = found.map(|addr| addr.0.address().clone());
        Call::to_resolved(address, |from| Envelope::<M>::Call(make(from)), called_at)
    }

    /// The handle on a process, if it lives and is such a machine.
    #[must_use]
    pub fn from_pid(pid: Pid) -> Option<StatemAddr<M>> {
        Sender::from_pid(pid).map(StatemAddr)
    }

    /// The handle on the process that holds a name now, if it is such a machine.
    #[must_use]
    pub fn whereis(name: &str) -> Option<StatemAddr<M>> {
        Sender::whereis(name).map(StatemAddr)
    }

    /// The machine's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// Whether the machine lives: it may have ended by the time this returns.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    /// Sends a request and waits for the answer: see [`Call`]. `make` puts the `ReplyTo` into the
    /// request; a variant that holds nothing else can stand for it: `call(Request::Get)`.
    ///
    /// While the request is postponed, the caller waits on; its time limit goes on as well.
    #[track_caller]
    #[inline]
    pub fn call<T: Send + 'static>(&self, make: impl FnOnce(ReplyTo<T>) -> M::Call) -> Call<'_, T> {
        Call::to(
            self.0.address(),
            |from| Envelope::Call(make(from)),
            Location::caller(),
        )
    }

    /// Sends a message that is not answered.
    ///
    /// # Delivery
    ///
    /// In order with whatever the same process sent there before, at most once, and without a
    /// word if the machine is dead or its mailbox drops what is too much. Never waits.
    #[inline]
    pub fn cast(&self, message: M::Cast) {
        self.0.send(Envelope::Cast(message));
    }

    /// As [`cast`](Self::cast), and tells.
    ///
    /// # Errors
    ///
    /// Gives the message back if the machine is dead, or its mailbox is full and refuses it.
    pub fn try_cast(&self, message: M::Cast) -> Result<(), SendError<M::Cast>> {
        let sent = self.0.try_send(Envelope::Cast(message));
        sent.map_err(|error| {
            error.map(|envelope| match envelope {
                Envelope::Cast(message) => message,
                _ => unreachable!("what comes back is what was sent"),
            })
        })
    }

    /// Sends a plain message, which arrives as
    /// [`StatemEvent::Info`](crate::StatemEvent::Info). Delivery is as for [`cast`](Self::cast).
    #[inline]
    pub fn send(&self, message: impl Into<M::Info>) {
        self.0.send(Envelope::Info(message.into()));
    }

    /// As [`send`](Self::send), and tells.
    ///
    /// # Errors
    ///
    /// Gives the message back if the machine is dead, or its mailbox is full and refuses it.
    pub fn try_send(&self, message: impl Into<M::Info>) -> Result<(), SendError<M::Info>> {
        let sent = self.0.try_send(Envelope::Info(message.into()));
        sent.map_err(|error| {
            error.map(|envelope| match envelope {
                Envelope::Info(message) => message,
                _ => unreachable!("what comes back is what was sent"),
            })
        })
    }

    /// Stops the machine: `terminate` runs, and awaiting this waits until the machine and its name
    /// are gone.
    pub fn stop(&self) -> Stop {
        self.0.stop()
    }

    /// Sends an exit signal to the machine.
    pub fn exit(&self, reason: ExitReason) {
        self.0.exit(reason);
    }

    /// A handle for one kind of plain message that this machine takes, whoever it is.
    #[must_use]
    pub fn recipient<T>(&self) -> Recipient<T>
    where
        T: Send + 'static,
        M::Info: From<T>,
    {
        Recipient::new(Via {
            target: self.clone(),
            send: |addr, message: T| addr.try_send(message).map_err(|error| error.map(drop)),
            pid: |addr| Some(addr.pid()),
        })
    }

    /// A handle for one kind of cast that this machine takes, whoever it is.
    #[must_use]
    pub fn cast_recipient<T>(&self) -> Recipient<T>
    where
        T: Send + 'static,
        M::Cast: From<T>,
    {
        Recipient::new(Via {
            target: self.clone(),
            send: |addr, message: T| addr.try_cast(message.into()).map_err(|e| e.map(drop)),
            pid: |addr| Some(addr.pid()),
        })
    }
}

impl<M: GenStatem> Clone for StatemAddr<M> {
    fn clone(&self) -> Self {
        StatemAddr(self.0.clone())
    }
}

impl<M: GenStatem> PartialEq for StatemAddr<M> {
    fn eq(&self, other: &Self) -> bool {
        let (own, other) = (self.0.address(), other.0.address());
        own.task().view().is_same(other.task().view())
    }
}

impl<M: GenStatem> Eq for StatemAddr<M> {}

impl<M: GenStatem> fmt::Debug for StatemAddr<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = short_type_name(type_name::<M>());
        write!(f, "StatemAddr<{machine}>({})", self.pid())
    }
}

/// A handle on whichever machine holds a name: what [`Name`](crate::Name) is for a server. It
/// survives restarts.
///
/// It resolves at each use, in the running runtime, and keeps the last target. If nobody holds the
/// name, or the holder is not such a machine, casts vanish and calls say `NoProc`.
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
/// use rekindle_actor::{CallError, StatemName};
///
/// let hall: StatemName<Lamp> = StatemName::new("hall");
/// assert_eq!(hall.call(|from| from).await, Err(CallError::NoProc));
/// let lamp = Lamp::start(()).name("hall").await.unwrap();
/// hall.cast(());
/// lamp.stop().await.unwrap();
///
/// // Another life under the same name: a lamp that nobody has switched on yet.
/// Lamp::start(()).name("hall").await.unwrap();
/// assert_eq!(hall.call(|from| from).await, Ok(false));
/// # });
/// ```
pub struct StatemName<M: GenStatem>(NamedAddress<Envelope<M>>);

impl<M: GenStatem> StatemName<M> {
    /// The handle on a name. Nobody needs to hold it yet.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> StatemName<M> {
        StatemName(NamedAddress::new(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.name()
    }

    /// Who holds the name now.
    #[must_use]
    pub fn resolve(&self) -> Option<StatemAddr<M>> {
        let address = self.0.resolve()?;
        Some(StatemAddr(Sender::new(address)))
    }

    /// The holder's pid.
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
        Call::to_resolved(
            self.0.resolve(),
            |from| Envelope::<M>::Call(make(from)),
            Location::caller(),
        )
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
    /// As [`StatemAddr::try_cast`]; `NoProc` as well if nobody holds the name.
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
    /// As [`StatemAddr::try_send`]; `NoProc` as well if nobody holds the name.
    pub fn try_send(&self, message: impl Into<M::Info>) -> Result<(), SendError<M::Info>> {
        match self.resolve() {
            Some(addr) => addr.try_send(message),
            None => Err(SendError::NoProc(message.into())),
        }
    }

    /// A handle for one kind of plain message that the holder takes, whoever holds the name when
    /// a message is sent.
    #[must_use]
    pub fn recipient<T>(&self) -> Recipient<T>
    where
        T: Send + 'static,
        M::Info: From<T>,
    {
        Recipient::new(Via {
            target: self.clone(),
            send: |name, message: T| name.try_send(message).map_err(|error| error.map(drop)),
            pid: |name| name.pid(),
        })
    }
}

impl<M: GenStatem> Clone for StatemName<M> {
    fn clone(&self) -> Self {
        StatemName::new(self.0.name().clone())
    }
}

impl<M: GenStatem> From<&str> for StatemName<M> {
    fn from(name: &str) -> Self {
        StatemName::new(name)
    }
}

impl<M: GenStatem> fmt::Debug for StatemName<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatemName").field(self.0.name()).finish()
    }
}
