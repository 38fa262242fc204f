//! Handles on event managers: on one life, and on a name.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use super::errors::HandlerStateError;
use super::handler::{EventHandler, Handover};
use super::handlers::{Handlers, replace};
use super::id::{HandlerEntry, HandlerRef};
use super::operations::{AddHandler, DeleteHandler, HandlerCall, SwapHandler};
use super::order::{Ask, Order, Which};
use super::serve::Message;
use super::slot::HandlerExit;
use crate::behaviour::named::NamedAddress;
use crate::call::Call;
use crate::exit::ExitReason;
use crate::link::within;
use crate::mailbox::{Address, ReplyTo};
use crate::pid::Pid;
use crate::recipient::{Deliver, Recipient};
use crate::report::short_type_name;
use crate::sender::{SendError, Sender};
use crate::signal::exit_signal;
use crate::sys::{self, Stop, SysError};
use crate::{inspect, names};

/// What a handle on an event manager stands for: [`ManagerLife`] or [`ManagerByName`]. Nobody else implements
/// it.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{EventManager, EventManagerName, GenEvent, ManagerTarget};
///
/// /// Takes a handle of either kind.
/// fn warn<T: ManagerTarget<String>>(manager: &EventManager<String, T>) -> bool {
///     manager.try_notify("it is getting warm".to_owned()).is_ok()
/// }
///
/// let alarms = GenEvent::start().name("alarms").await.unwrap();
/// assert!(warn(&alarms));
/// assert!(warn(&EventManagerName::new("alarms")));
/// assert!(!warn(&EventManagerName::new("nobody")));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which event manager is meant",
    note = "the handles are `EventManager<E>`, on one life, and `EventManagerName<E>`, on a name"
)]
pub trait ManagerTarget<E>: Clone + Send + Sync + fmt::Debug + sealed::Reach<E> + 'static {}

pub(super) mod sealed {
    use super::{Address, Message};

    #[allow(unnameable_types, reason = "it seals a public trait")]
    pub trait Reach<E> {
        #[doc(hidden)]
        fn reach(&self) -> Option<Reached<E>>;
    }

    #[allow(unnameable_types, reason = "it seals a public trait")]
    #[allow(missing_debug_implementations, reason = "nobody sees one")]
    pub struct Reached<E>(pub(in super::super) Address<Message<E>>);
}

use sealed::{Reach, Reached};

/// One life of an event manager.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{EventManager, GenEvent, ManagerLife};
///
/// // What a start gives; `EventManager<u32>` is short for this.
/// let manager: EventManager<u32, ManagerLife<u32>> = GenEvent::start().await.unwrap();
/// manager.stop().await.unwrap();
/// assert!(manager.try_notify(7).is_err(), "its life is over");
/// # });
/// ```
pub struct ManagerLife<E>(Address<Message<E>>);

/// Whichever event manager holds a name.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{EventManager, GenEvent, ManagerByName};
///
/// // `EventManagerName<u32>` is short for this.
/// let alarms: EventManager<u32, ManagerByName<u32>> = EventManager::new("alarms");
/// for _life in 0..2 {
///     let manager = GenEvent::<u32>::start().name("alarms").await.unwrap();
///     assert_eq!(alarms.pid(), Some(manager.pid()));
///     manager.stop().await.unwrap();
/// }
/// assert_eq!(alarms.pid(), None);
/// # });
/// ```
pub struct ManagerByName<E>(NamedAddress<Message<E>>);

/// A handle on an event manager.
///
/// As it is given by a start, it stands for one life of the manager, as
/// [`Addr`](crate::Addr) does for a server. An [`EventManagerName`] has the same methods, and
/// stands for whoever holds the name at each use. Handles never keep a manager alive.
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
/// use rekindle_actor::{EventManager, GenEvent};
///
/// // `Sum` is a handler that adds events up, and whose one request asks for the sum.
/// let numbers: EventManager<u32> = GenEvent::start_link().await.unwrap();
/// let all = numbers.add_handler::<Sum>(0).await.unwrap();
/// numbers.notify(1);
/// let late = numbers.add_handler::<Sum>(0).await.unwrap();
/// numbers.sync_notify(2).await.unwrap();
/// assert_eq!(numbers.call(&all, |from| from).await, Ok(3));
/// assert_eq!(numbers.call(&late, |from| from).await, Ok(2));
/// # });
/// ```
pub struct EventManager<E, T = ManagerLife<E>> {
    target: T,
    events: PhantomData<fn(E)>,
}

/// A handle on whichever event manager holds a name: it survives restarts. If nobody holds the
/// name, or the holder is another kind of process, events vanish and calls say `NoProc`.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{CallError, EventManagerName, GenEvent};
///
/// let alarms = EventManagerName::<String>::new("alarms");
/// assert_eq!(alarms.sync_notify("fire".to_owned()).await, Err(CallError::NoProc));
/// GenEvent::<String>::start().name("alarms").await.unwrap();
/// assert_eq!(alarms.sync_notify("fire".to_owned()).await, Ok(()));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub type EventManagerName<E> = EventManager<E, ManagerByName<E>>;

impl<E: Send + Sync + 'static> EventManager<E> {
    pub(super) fn over(address: Address<Message<E>>) -> Self {
        EventManager {
            target: ManagerLife(address),
            events: PhantomData,
        }
    }

    /// The handle on a process, if it lives and is a manager of such events.
    #[must_use]
    pub fn from_pid(pid: Pid) -> Option<Self> {
        Sender::from_pid(pid).map(|sender| EventManager::over(sender.into_address()))
    }

    /// The handle on the process that holds a name now, if it is a manager of such events.
    #[must_use]
    pub fn whereis(name: &str) -> Option<Self> {
        EventManager::from_pid(names::whereis(name)?)
    }

    /// The running manager.
    pub(super) fn of_running() -> Self {
        within("HandlerContext::manager", |owner| {
            let address = Address::<Message<E>>::of(owner.view());
            EventManager::over(address.expect("a context is used by its own manager"))
        })
    }

    /// The manager's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.target.0.pid()
    }

    /// Whether the manager lives: it may have ended by the time this returns.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        inspect::is_alive(self.pid())
    }

    /// Stops the manager: every handler's terminate runs, newest first, and awaiting this waits
    /// until the manager and its name are gone (EVT-014).
    pub fn stop(&self) -> Stop {
        Stop::new(self.pid())
    }

    /// Sends an exit signal to the manager. It traps exits: unless the signal is
    /// [`Kill`](ExitReason::Kill) or comes from its parent, its handlers see it in `handle_info`.
    pub fn exit(&self, reason: ExitReason) {
        exit_signal(self.pid(), reason);
    }
}

impl<E: Send + Sync + 'static> EventManagerName<E> {
    /// The handle on a name. Nobody needs to hold it yet.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        EventManager {
            target: ManagerByName(NamedAddress::new(name)),
            events: PhantomData,
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.target.0.name()
    }

    /// Who holds the name now.
    #[must_use]
    pub fn resolve(&self) -> Option<EventManager<E>> {
        self.target.0.resolve().map(EventManager::over)
    }

    /// The holder's pid.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.resolve().map(|manager| manager.pid())
    }
}

impl<E: Send + Sync + 'static, T: ManagerTarget<E>> EventManager<E, T> {
    pub(super) fn address(&self) -> Option<Address<Message<E>>> {
        self.target.reach().map(|Reached(address)| address)
    }

    fn post(&self, message: Message<E>) -> Result<(), SendError<E>> {
        let Some(address) = self.address() else {
            return Err(SendError::NoProc(message).map(Message::into_event));
        };
        address
            .post(message)
            .map_err(|refused| SendError::new(refused).map(Message::into_event))
    }

    /// Sends an event to every handler, and does not wait.
    ///
    /// # Delivery
    ///
    /// Each handler that the manager has when it takes the event sees it once. Events of one
    /// process keep their order, among themselves and with whatever else that process sends to
    /// the manager (EVT-004). To a dead manager, or a mailbox that drops what is too much, the
    /// event vanishes without a word.
    pub fn notify(&self, event: E) {
        // A dead manager is no error, as in OTP: whoever must know monitors it.
        let _ = self.try_notify(event);
    }

    /// As [`notify`](Self::notify), and tells.
    ///
    /// # Errors
    ///
    /// Gives the event back if the manager is dead, or its mailbox is full and refuses it.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{EventManagerName, SendError};
    ///
    /// let alarms = EventManagerName::<String>::new("nobody");
    /// let lost = alarms.try_notify("fire".to_owned());
    /// assert_eq!(lost, Err(SendError::NoProc("fire".to_owned())), "the event comes back");
    /// # });
    /// ```
    pub fn try_notify(&self, event: E) -> Result<(), SendError<E>> {
        self.post(Message::Notify(event))
    }

    /// Sends an event to every handler, and waits until all have handled it (EVT-005), for as
    /// long as it takes unless told otherwise by `.timeout(d)`. A handler that fails over the
    /// event is no error here.
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
    /// use rekindle_actor::{GenEvent, HandlerRef};
    ///
    /// let manager = GenEvent::<u32>::start().handler::<Sum>(0).await.unwrap();
    /// manager.sync_notify(7).await.unwrap();
    /// // Every handler has seen it.
    /// let sum = manager.get_state(&HandlerRef::<Sum>::of_type()).await.unwrap();
    /// assert_eq!(sum.0, 7);
    /// # });
    /// ```
    #[track_caller]
    pub fn sync_notify(&self, event: E) -> Call<'static, ()> {
        let at = Location::caller();
        Call::to_resolved(self.address(), |from| Message::SyncNotify(event, from), at).no_timeout()
    }

    /// Sends a plain message, which every handler sees in `handle_info` (EVT-013). Delivery is as
    /// for [`notify`](Self::notify).
    pub fn send(&self, message: impl Into<E>) {
        let _ = self.try_send(message);
    }

    /// As [`send`](Self::send), and tells.
    ///
    /// # Errors
    ///
    /// Gives the message back if the manager is dead, or its mailbox is full and refuses it.
    pub fn try_send(&self, message: impl Into<E>) -> Result<(), SendError<E>> {
        self.post(Message::Info(message.into()))
    }

    /// A handle by which others [`notify`](Self::notify) with what an event can be built from:
    /// timers, groups, other managers.
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
    /// use rekindle_actor::{GenEvent, HandlerRef, send_interval, sleep};
    /// use std::time::Duration;
    ///
    /// let manager = GenEvent::<u32>::start().handler::<Sum>(0).await.unwrap();
    /// // Events may be made of what others send: of a `u8` here.
    /// let events = manager.event_recipient::<u8>();
    /// let _ticking = send_interval(Duration::from_secs(1), &events, 2).unwrap();
    /// sleep(Duration::from_millis(3_500)).await;
    /// assert_eq!(manager.call(&HandlerRef::<Sum>::of_type(), |from| from).await, Ok(6));
    /// # });
    /// ```
    #[must_use]
    pub fn event_recipient<M>(&self) -> Recipient<M>
    where
        M: Send + 'static,
        E: From<M>,
    {
        self.via(|manager, message: M| manager.try_notify(message.into()))
    }

    /// A handle by which others [`send`](Self::send) plain messages.
    #[must_use]
    pub fn recipient<M>(&self) -> Recipient<M>
    where
        M: Send + 'static,
        E: From<M>,
    {
        self.via(|manager, message: M| manager.try_send(message))
    }

    fn via<M: Send + 'static>(
        &self,
        send: impl Fn(&Self, M) -> Result<(), SendError<E>> + Send + Sync + 'static,
    ) -> Recipient<M> {
        Recipient::new(Through {
            manager: self.clone(),
            send: move |manager: &Self, message| {
                send(manager, message).map_err(|error| error.map(drop))
            },
        })
    }

    /// A handle by which others send requests to one handler, without waiting for an answer.
    #[must_use]
    pub fn handler_recipient<H: EventHandler<Event = E>>(
        &self,
        handler: &HandlerRef<H>,
    ) -> Recipient<H::Call> {
        let handler = handler.clone();
        Recipient::new(Through {
            manager: self.clone(),
            send: move |manager: &Self, request| {
                let order = Ask::<H> {
                    handler: handler.clone(),
                    request,
                    verdict: None,
                };
                let Some(address) = manager.address() else {
                    return Err(SendError::NoProc(()));
                };
                address
                    .post(Message::Order(Box::new(order)))
                    .map_err(|refused| SendError::new(refused).map(drop))
            },
        })
    }

    /// Adds a handler: its init runs in the manager, with these arguments. Await it for the
    /// handler's reference, or say more first: see [`AddHandler`].
    ///
    /// ```text
    /// let file = manager.add_handler::<FileLog>(path).id("audit").await?;
    /// ```
    #[track_caller]
    pub fn add_handler<H: EventHandler<Event = E>>(&self, args: H::Args) -> AddHandler<H> {
        AddHandler::new(self.address(), args, None)
    }

    /// As [`add_handler`](Self::add_handler), supervised by the running process (EVT-012).
    ///
    /// If this process ends, the handler is removed, with
    /// [`Removal::AdderExited`](crate::Removal::AdderExited). If the handler is removed by
    /// anything else, or its manager ends in whatever way, `tell` gets one [`HandlerExit`]. A
    /// monitor stands behind this, and no link: the end of the manager kills nobody.
    #[track_caller]
    pub fn add_sup_handler<H: EventHandler<Event = E>>(
        &self,
        args: H::Args,
        tell: &Recipient<HandlerExit>,
    ) -> AddHandler<H> {
        AddHandler::new(self.address(), args, Some(tell.clone()))
    }

    /// Removes a handler: its terminate gets `args`, and what that returns is given back
    /// (EVT-007).
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
    /// use rekindle_actor::GenEvent;
    ///
    /// let manager = GenEvent::<u32>::start().await.unwrap();
    /// let sum = manager.add_handler::<Sum>(0).await.unwrap();
    /// manager.notify(7);
    /// assert_eq!(manager.delete_handler(&sum, ()).await, Ok(7), "what its terminate gives");
    /// # });
    /// ```
    #[track_caller]
    pub fn delete_handler<H: EventHandler<Event = E>>(
        &self,
        handler: &HandlerRef<H>,
        args: H::DeleteArgs,
    ) -> DeleteHandler<H> {
        DeleteHandler::new(self.address(), handler.clone(), args)
    }

    /// Replaces a handler by a new one, with no event in between (EVT-010).
    ///
    /// The old one's terminate gets `args`; `make`, which runs in the manager, is given what that
    /// returned and gives the arguments of the new one. If there is no such handler, or its
    /// terminate panicked, `make` is told so and the new one starts all the same. If the new
    /// one's init fails, neither is there. The new one is the newest in the list, and whoever
    /// supervised the old one supervises it.
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
    /// use rekindle_actor::GenEvent;
    ///
    /// let manager = GenEvent::<u32>::start().await.unwrap();
    /// let old = manager.add_handler::<Sum>(0).await.unwrap();
    /// manager.notify(7);
    /// // The new one goes on where the old one has ended; no event falls in between.
    /// let new = manager.swap_handler::<Sum, Sum>(&old, (), |sum| sum.unwrap_or(0)).await.unwrap();
    /// manager.notify(1);
    /// assert_eq!(manager.call(&new, |from| from).await, Ok(8));
    /// # });
    /// ```
    #[track_caller]
    pub fn swap_handler<Old, New>(
        &self,
        old: &HandlerRef<Old>,
        args: Old::DeleteArgs,
        make: impl FnOnce(Handover<Old>) -> New::Args + Send + 'static,
    ) -> SwapHandler<Old, New>
    where
        Old: EventHandler<Event = E>,
        New: EventHandler<Event = E>,
    {
        SwapHandler::new(self.address(), old.clone(), args, Box::new(make), None)
    }

    /// As [`swap_handler`](Self::swap_handler); the running process supervises the new one.
    #[track_caller]
    pub fn swap_sup_handler<Old, New>(
        &self,
        old: &HandlerRef<Old>,
        args: Old::DeleteArgs,
        make: impl FnOnce(Handover<Old>) -> New::Args + Send + 'static,
        tell: &Recipient<HandlerExit>,
    ) -> SwapHandler<Old, New>
    where
        Old: EventHandler<Event = E>,
        New: EventHandler<Event = E>,
    {
        let tell = Some(tell.clone());
        SwapHandler::new(self.address(), old.clone(), args, Box::new(make), tell)
    }

    /// Sends a request to one handler, and waits for the answer (EVT-006): 5 s, unless told
    /// otherwise. `make` puts the `ReplyTo` into the request.
    #[track_caller]
    pub fn call<H, R>(
        &self,
        handler: &HandlerRef<H>,
        make: impl FnOnce(ReplyTo<R>) -> H::Call,
    ) -> HandlerCall<R>
    where
        H: EventHandler<Event = E>,
        R: Send + 'static,
    {
        HandlerCall::new(self.address(), handler.clone(), make, Location::caller())
    }

    /// Which handlers there are, newest first (EVT-003).
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
    /// use rekindle_actor::GenEvent;
    ///
    /// let manager = GenEvent::<u32>::start().await.unwrap();
    /// for id in ["first", "second"] {
    ///     manager.add_handler::<Sum>(0).id(id).await.unwrap();
    /// }
    /// let handlers = manager.which_handlers().await.unwrap();
    /// let ids: Vec<_> = handlers.iter().filter_map(|entry| entry.id()).collect();
    /// assert_eq!(ids, ["second", "first"]);
    /// # });
    /// ```
    #[track_caller]
    pub fn which_handlers(&self) -> Call<'static, Vec<HandlerEntry>> {
        let at = Location::caller();
        let make = |from| Message::Order(Box::new(Which(from)) as Box<dyn Order<E>>);
        Call::to_resolved(self.address(), make, at)
    }

    /// All handlers, newest first, each with its state as far as it shows it by
    /// [`format_status`](EventHandler::format_status) (EVT-016). Works while the manager is
    /// suspended.
    ///
    /// # Errors
    ///
    /// As [`sys::get_state`].
    pub async fn get_states(&self) -> Result<Vec<(HandlerEntry, Option<String>)>, SysError> {
        self.look(|handlers| handlers.states()).await
    }

    /// A copy of the state of a handler. Works while the manager is suspended.
    ///
    /// # Errors
    ///
    /// See [`HandlerStateError`].
    pub async fn get_state<H: EventHandler<Event = E> + Clone>(
        &self,
        handler: &HandlerRef<H>,
    ) -> Result<H, HandlerStateError> {
        self.replace_state(handler, |_| ()).await
    }

    /// Changes the state of a handler, and gives a copy of the new one. If `f` panics, the state
    /// is as it was. Works while the manager is suspended.
    ///
    /// # Errors
    ///
    /// See [`HandlerStateError`].
    pub async fn replace_state<H: EventHandler<Event = E> + Clone>(
        &self,
        handler: &HandlerRef<H>,
        f: impl FnOnce(&mut H) + Send + 'static,
    ) -> Result<H, HandlerStateError> {
        let handler = handler.clone();
        let replaced = self.look(move |handlers| match handlers.get_mut(&handler) {
            Some(state) => replace(state, f).map_err(HandlerStateError::Failed),
            None => Err(HandlerStateError::BadHandler),
        });
        replaced.await.map_err(HandlerStateError::Manager)?
    }

    /// Changes the states of all handlers of one type, newest first, and gives the new ones. A
    /// state over which `f` panics stays as it was, and the others are changed all the same
    /// (EVT-016).
    ///
    /// # Errors
    ///
    /// As [`sys::get_state`].
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
    /// use rekindle_actor::{GenEvent, HandlerRef};
    ///
    /// let start = GenEvent::<u32>::start().handler_with_id::<Sum>("a", 1);
    /// let manager = start.handler_with_id::<Sum>("b", 2).await.unwrap();
    /// let changed = manager.replace_states(|_, sum: &mut Sum| sum.0 *= 10).await.unwrap();
    /// assert!(changed.iter().all(|(_, state)| state.is_ok()));
    /// let b = manager.get_state(&HandlerRef::<Sum>::by_id("b")).await.unwrap();
    /// assert_eq!(b.0, 20);
    /// # });
    /// ```
    pub async fn replace_states<H: EventHandler<Event = E> + Clone>(
        &self,
        mut f: impl FnMut(&HandlerEntry, &mut H) + Send + 'static,
    ) -> Result<Vec<(HandlerEntry, Result<H, ExitReason>)>, SysError> {
        self.look(move |handlers| {
            let states = handlers.iter_mut::<H>();
            states
                .map(|(entry, state)| (entry.clone(), replace(state, |state| f(entry, state))))
                .collect()
        })
        .await
    }

    async fn look<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Handlers<E>) -> R + Send + 'static,
    ) -> Result<R, SysError> {
        let address = self.address().ok_or(SysError::NoProc)?;
        sys::with_state(address.pid(), f).await
    }
}

/// A recipient that goes by a manager.
struct Through<E, T, F> {
    manager: EventManager<E, T>,
    send: F,
}

impl<E, T, F, M> Deliver<M> for Through<E, T, F>
where
    E: Send + Sync + 'static,
    T: ManagerTarget<E>,
    F: Fn(&EventManager<E, T>, M) -> Result<(), SendError<()>> + Send + Sync + 'static,
{
    fn deliver(&self, message: M) -> Result<(), SendError<()>> {
        (self.send)(&self.manager, message)
    }

    fn pid(&self) -> Option<Pid> {
        self.manager.address().map(|address| address.pid())
    }
}

impl<E: Send + Sync + 'static> Reach<E> for ManagerLife<E> {
    fn reach(&self) -> Option<Reached<E>> {
        Some(Reached(self.0.clone()))
    }
}

impl<E: Send + Sync + 'static> Reach<E> for ManagerByName<E> {
    fn reach(&self) -> Option<Reached<E>> {
        self.0.resolve().map(Reached)
    }
}

impl<E: Send + Sync + 'static> ManagerTarget<E> for ManagerLife<E> {}
impl<E: Send + Sync + 'static> ManagerTarget<E> for ManagerByName<E> {}

impl<E: Send + Sync + 'static> Clone for ManagerLife<E> {
    fn clone(&self) -> Self {
        ManagerLife(self.0.clone())
    }
}

impl<E: Send + Sync + 'static> Clone for ManagerByName<E> {
    fn clone(&self) -> Self {
        ManagerByName(self.0.clone())
    }
}

impl<E, T: Clone> Clone for EventManager<E, T> {
    fn clone(&self) -> Self {
        EventManager {
            target: self.target.clone(),
            events: PhantomData,
        }
    }
}

impl<E: Send + Sync + 'static> PartialEq for EventManager<E> {
    fn eq(&self, other: &Self) -> bool {
        self.pid() == other.pid()
    }
}

impl<E: Send + Sync + 'static> Eq for EventManager<E> {}

impl<E: Send + Sync + 'static> fmt::Debug for ManagerLife<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.pid(), f)
    }
}

impl<E> fmt::Debug for ManagerByName<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<E, T: fmt::Debug> fmt::Debug for EventManager<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = short_type_name(type_name::<E>());
        write!(f, "EventManager<{events}>({:?})", self.target)
    }
}
