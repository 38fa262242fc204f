//! The callbacks of a handler, and what they are handed.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::errors::HandoverError;
use super::id::HandlerRef;
use super::manager::EventManager;
use super::slot::{Candidate, Newcomer};
use crate::ambient::self_pid;
use crate::exit::ExitReason;
use crate::mailbox::Info;
use crate::pid::Pid;
use crate::recipient::Recipient;
use crate::report::short_type_name;
use crate::time::{TimerRef, send_after};

/// What a callback of a handler decides: what becomes of the handler, or to fail with a reason.
/// `?` on any error is the latter.
///
/// ```
/// use rekindle_actor::{HandlerContext, HandlerStep, Reaction};
/// # use rekindle_actor::{EventHandler, ExitReason, GenEvent, Removal};
/// # struct Sum(u32);
/// # impl EventHandler for Sum {
/// #     type Event = String; type Args = (); type Call = rekindle_actor::Never; type DeleteArgs = (); type Output = u32;
/// #     async fn init(_: (), _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> { Ok(Sum(0)) }
/// #     async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) -> u32 { self.0 }
///
/// async fn handle_event(&mut self, text: &String, _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
///     let n: u32 = text.parse()?; // what is no number costs the handler its place
///     self.0 += n;
///     Ok(Reaction::Keep)
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let manager = GenEvent::<String>::start().await.unwrap();
/// # manager.add_handler::<Sum>(()).await.unwrap();
/// manager.sync_notify("7".to_owned()).await.unwrap();
/// assert_eq!(manager.which_handlers().await.unwrap().len(), 1);
/// manager.sync_notify("seven".to_owned()).await.unwrap();
/// assert_eq!(manager.which_handlers().await.unwrap().len(), 0);
/// # });
/// ```
pub type HandlerStep<H> = Result<Reaction<H>, ExitReason>;

/// What the successor of a handler is given by it, or why there is nothing.
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
/// use rekindle_actor::{GenEvent, Handover};
///
/// /// What the successor begins with: what the old one has, or nothing.
/// fn begin_with(given: Handover<Sum>) -> u32 {
///     given.unwrap_or(0)
/// }
///
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let old = manager.add_handler::<Sum>(7).await.unwrap();
/// let new = manager.swap_handler::<Sum, Sum>(&old, (), begin_with).await.unwrap();
/// assert_eq!(manager.call(&new, |from| from).await, Ok(7));
/// # });
/// ```
pub type Handover<H> = Result<<H as EventHandler>::Output, HandoverError>;

/// What becomes of a handler after a callback.
///
/// ```
/// use rekindle_actor::{HandlerContext, HandlerStep, Reaction};
/// # use rekindle_actor::{EventHandler, ExitReason, GenEvent, Removal};
/// # struct Countdown(u32);
/// # impl EventHandler for Countdown {
/// #     type Event = (); type Args = u32; type Call = rekindle_actor::Never; type DeleteArgs = (); type Output = ();
/// #     async fn init(n: u32, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> { Ok(Countdown(n)) }
/// #     async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) {}
///
/// /// Sees so many events, and then no more.
/// async fn handle_event(&mut self, _: &(), _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
///     self.0 -= 1;
///     Ok(if self.0 == 0 { Reaction::Remove } else { Reaction::Keep })
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let manager = GenEvent::<()>::start().await.unwrap();
/// # manager.add_handler::<Countdown>(2).await.unwrap();
/// manager.sync_notify(()).await.unwrap();
/// assert_eq!(manager.which_handlers().await.unwrap().len(), 1);
/// manager.sync_notify(()).await.unwrap();
/// assert_eq!(manager.which_handlers().await.unwrap().len(), 0);
/// # });
/// ```
#[derive(Debug)]
pub enum Reaction<H: EventHandler> {
    /// It stays.
    Keep,
    /// It stays, and the manager sheds memory before it waits for the next event: see
    /// [`EventHandler::hibernate`] (EVT-015).
    Hibernate,
    /// It is removed; its terminate gets [`Removal::Asked`] (EVT-008).
    Remove,
    /// Another takes its place in the list (EVT-011).
    Swap(HandlerSwap<H>),
}

/// A handler's wish to be replaced by another: see [`Reaction::Swap`].
///
/// ```
/// use rekindle_actor::{HandlerContext, HandlerStep, HandlerSwap, Reaction};
/// # use rekindle_actor::{EventHandler, ExitReason, GenEvent, Never, Removal};
/// # struct Steady(u32);
/// # impl EventHandler for Steady {
/// #     type Event = u32; type Args = u32; type Call = Never; type DeleteArgs = (); type Output = u32;
/// #     async fn init(n: u32, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> { Ok(Steady(n)) }
/// #     async fn handle_event(&mut self, _: &u32, _: &mut HandlerContext<Self>) -> HandlerStep<Self> { Ok(Reaction::Keep) }
/// #     async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) -> u32 { self.0 }
/// # }
/// # struct Learning(u32);
/// # impl EventHandler for Learning {
/// #     type Event = u32; type Args = (); type Call = Never; type DeleteArgs = (); type Output = u32;
/// #     async fn init(_: (), _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> { Ok(Learning(0)) }
/// #     async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) -> u32 { self.0 }
///
/// /// Learns until it has seen a hundred, and is then followed by one that begins with that.
/// async fn handle_event(&mut self, n: &u32, _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
///     self.0 += n;
///     if self.0 < 100 {
///         return Ok(Reaction::Keep);
///     }
///     let swap = HandlerSwap::to::<Steady>((), |learnt| learnt.unwrap_or(100));
///     Ok(Reaction::Swap(swap))
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let manager = GenEvent::<u32>::start().await.unwrap();
/// # manager.add_handler::<Learning>(()).await.unwrap();
/// manager.sync_notify(120).await.unwrap();
/// let handlers = manager.which_handlers().await.unwrap();
/// let steady = handlers[0].as_ref::<Steady>().expect("it has followed");
/// assert_eq!(manager.delete_handler(&steady, ()).await, Ok(120));
/// # });
/// ```
pub struct HandlerSwap<H: EventHandler> {
    pub(super) args: H::DeleteArgs,
    pub(super) next: Successor<H>,
}

/// Makes the newcomer of what the predecessor hands over.
type Successor<H> =
    Box<dyn FnOnce(Handover<H>) -> Box<dyn Newcomer<<H as EventHandler>::Event>> + Send>;

impl<H: EventHandler> HandlerSwap<H> {
    /// Replaced by a `New`: the terminate of the old one gets [`Removal::Swapped`] with `args`,
    /// and `make` gives the arguments of the new one from what that returned. It runs in the
    /// manager.
    #[must_use]
    pub fn to<New: EventHandler<Event = H::Event>>(
        args: H::DeleteArgs,
        make: impl FnOnce(Handover<H>) -> New::Args + Send + 'static,
    ) -> HandlerSwap<H> {
        HandlerSwap::prepare::<New>(args, None, make)
    }

    /// As [`to`](Self::to), under an id.
    #[must_use]
    pub fn to_id<New: EventHandler<Event = H::Event>>(
        args: H::DeleteArgs,
        id: impl Into<Arc<str>>,
        make: impl FnOnce(Handover<H>) -> New::Args + Send + 'static,
    ) -> HandlerSwap<H> {
        HandlerSwap::prepare::<New>(args, Some(id.into()), make)
    }

    fn prepare<New: EventHandler<Event = H::Event>>(
        args: H::DeleteArgs,
        id: Option<Arc<str>>,
        make: impl FnOnce(Handover<H>) -> New::Args + Send + 'static,
    ) -> HandlerSwap<H> {
        HandlerSwap {
            args,
            next: Box::new(move |handover| {
                Box::new(Candidate::<New>::later(id, move || make(handover)))
            }),
        }
    }
}

impl<H: EventHandler> fmt::Debug for HandlerSwap<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerSwap").finish_non_exhaustive()
    }
}

/// Why a handler is removed, for its terminate.
///
/// ```
/// use rekindle_actor::{HandlerContext, Removal};
/// # use rekindle_actor::{EventHandler, ExitReason, GenEvent, HandlerStep, Never, Reaction};
/// # struct Log;
/// # impl EventHandler for Log {
/// #     type Event = (); type Args = (); type Call = Never; type DeleteArgs = &'static str; type Output = String;
/// #     async fn init(_: (), _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> { Ok(Log) }
/// #     async fn handle_event(&mut self, _: &(), _: &mut HandlerContext<Self>) -> HandlerStep<Self> { Ok(Reaction::Keep) }
///
/// async fn terminate(self, why: Removal<Self>, _: &mut HandlerContext<Self>) -> String {
///     match why {
///         Removal::Deleted(word) | Removal::Swapped(word) => format!("closed: {word}"),
///         Removal::Failed(reason) | Removal::ManagerStops(reason) => format!("closed: {reason}"),
///         _ => "closed".to_owned(),
///     }
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let manager = GenEvent::<()>::start().await.unwrap();
/// # let log = manager.add_handler::<Log>(()).await.unwrap();
/// let closed = manager.delete_handler(&log, "it is full").await;
/// assert_eq!(closed.as_deref(), Ok("closed: it is full"));
/// # });
/// ```
#[non_exhaustive]
pub enum Removal<H: EventHandler> {
    /// [`delete_handler`](crate::EventManager::delete_handler), with its arguments.
    Deleted(H::DeleteArgs),
    /// Another takes its place, and is given what terminate returns.
    Swapped(H::DeleteArgs),
    /// The handler asked for it: [`Reaction::Remove`].
    Asked,
    /// A callback of the handler failed or panicked with this reason; the state is as that left
    /// it (EVT-009).
    Failed(ExitReason),
    /// The process that supervises the handler ended with this reason (EVT-012).
    AdderExited(ExitReason),
    /// The manager stops with this reason (EVT-014).
    ManagerStops(ExitReason),
}

impl<H: EventHandler> fmt::Debug for Removal<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Removal::Deleted(_) => f.write_str("Deleted(..)"),
            Removal::Swapped(_) => f.write_str("Swapped(..)"),
            Removal::Asked => f.write_str("Asked"),
            Removal::Failed(reason) => f.debug_tuple("Failed").field(reason).finish(),
            Removal::AdderExited(reason) => f.debug_tuple("AdderExited").field(reason).finish(),
            Removal::ManagerStops(reason) => f.debug_tuple("ManagerStops").field(reason).finish(),
        }
    }
}

/// A handler of events: a state, and callbacks that the manager runs in its own process.
///
/// Handlers of different types live in one [`GenEvent`](crate::GenEvent) manager, if they handle
/// the same type of events. The callbacks of all handlers of a manager run one after the other: a
/// callback that waits holds up the whole manager.
///
/// A callback that returns an `Err` or panics costs the handler its place, and nothing else: it is
/// removed, its terminate gets [`Removal::Failed`], a line is logged, and the manager and the
/// other handlers go on (EVT-009).
///
/// A callback must not call its own manager (`sync_notify`, `add_handler` and so on): that would
/// wait for itself, and fails with [`CallError::Cycle`](crate::CallError::Cycle). `notify` is
/// allowed.
///
/// [`GenEvent`](crate::GenEvent) has an example with requests. The smallest handler:
///
/// ```
/// use rekindle_actor::{EventHandler, ExitReason, GenEvent, HandlerContext, HandlerStep};
/// use rekindle_actor::{Never, Reaction, Removal};
///
/// struct Longest(String);
///
/// impl EventHandler for Longest {
///     type Event = String;
///     type Args = ();
///     type Call = Never;
///     type DeleteArgs = ();
///     type Output = String;
///
///     async fn init(_: (), _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
///         Ok(Longest(String::new()))
///     }
///     async fn handle_event(&mut self, word: &String, _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
///         if word.len() > self.0.len() {
///             self.0.clone_from(word);
///         }
///         Ok(Reaction::Keep)
///     }
///     async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) -> String {
///         self.0
///     }
/// }
///
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// let words = GenEvent::start_link().await.unwrap();
/// let longest = words.add_handler::<Longest>(()).await.unwrap();
/// for word in ["let", "it", "crash"] {
///     words.notify(word.to_owned());
/// }
/// assert_eq!(words.delete_handler(&longest, ()).await, Ok("crash".to_owned()));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of events",
    note = "implement `EventHandler` for it: the five associated types, `init`, `handle_event` and `terminate`"
)]
pub trait EventHandler: Sized + Send + 'static {
    /// The events of the managers it can be added to. Handlers see them by reference.
    type Event: Send + Sync + 'static;
    /// What `init` gets.
    type Args: Send + 'static;
    /// Requests to this handler alone. Each variant that is to be answered carries a
    /// [`ReplyTo`](crate::ReplyTo); [`Never`](crate::Never) if there are none.
    type Call: Send + 'static;
    /// What terminate gets of whoever deletes or swaps the handler.
    type DeleteArgs: Send + 'static;
    /// What terminate gives to whoever deletes the handler, or to its successor.
    type Output: Send + 'static;

    /// Makes the state, in the manager's process. Whoever adds the handler waits meanwhile.
    ///
    /// # Errors
    ///
    /// The handler is not added, and whoever adds it gets the reason.
    fn init(
        args: Self::Args,
        cx: &mut HandlerContext<Self>,
    ) -> impl Future<Output = Result<Self, ExitReason>> + Send;

    /// Handles an event.
    ///
    /// # Errors
    ///
    /// The handler is removed.
    fn handle_event(
        &mut self,
        event: &Self::Event,
        cx: &mut HandlerContext<Self>,
    ) -> impl Future<Output = HandlerStep<Self>> + Send;

    /// Handles a request to this handler. The answer is given through the request's `ReplyTo`,
    /// now or later, here or in another process.
    ///
    /// # Errors
    ///
    /// The handler is removed, and the caller gets
    /// [`CallHandlerError::Failed`](crate::CallHandlerError::Failed).
    fn handle_call(
        &mut self,
        request: Self::Call,
        cx: &mut HandlerContext<Self>,
    ) -> impl Future<Output = HandlerStep<Self>> + Send {
        let _ = cx;
        drop(request);
        async {
            Err(ExitReason::msg(format!(
                "{} has no `handle_call`",
                short_type_name(type_name::<Self>())
            )))
        }
    }

    /// Handles whatever else comes to the manager: plain messages, `Down`s and `Exit`s; every
    /// handler sees each of them (EVT-013). By default `Down`s, `Exit`s and messages are logged
    /// and ignored.
    ///
    /// # Errors
    ///
    /// The handler is removed.
    fn handle_info(
        &mut self,
        info: &Info<Self::Event>,
        cx: &mut HandlerContext<Self>,
    ) -> impl Future<Output = HandlerStep<Self>> + Send {
        let step = cx.unexpected(info);
        async { step }
    }

    /// Cleans up when the handler is removed, for whatever reason: not if the manager is killed.
    fn terminate(
        self,
        why: Removal<Self>,
        cx: &mut HandlerContext<Self>,
    ) -> impl Future<Output = Self::Output> + Send;

    /// Sheds memory: called on every handler before a wait that is expected to be long, because
    /// one of them decided [`Reaction::Hibernate`] or nothing came for the time of
    /// [`hibernate_after`](crate::StartEvents::hibernate_after) (EVT-015).
    fn hibernate(&mut self) {}

    /// The state as text, for logs and `sys::get_status`; nothing by default, for a state may
    /// hold secrets.
    fn format_status(&self) -> Option<String> {
        None
    }
}

/// A handler's view of itself, for its callbacks.
///
/// ```
/// use rekindle_actor::{EventHandler, ExitReason, HandlerContext};
/// # use rekindle_actor::{GenEvent, HandlerStep, Reaction, Removal, ReplyTo};
/// use std::time::Duration;
///
/// struct Alarm { of: String, rings: bool }
///
/// enum Request { Ring, Rings(ReplyTo<(String, bool)>) }
///
/// # impl EventHandler for Alarm {
/// #     type Event = (); type Args = (); type Call = Request; type DeleteArgs = (); type Output = ();
/// #     async fn handle_event(&mut self, _: &(), _: &mut HandlerContext<Self>) -> HandlerStep<Self> { Ok(Reaction::Keep) }
/// #     async fn handle_call(&mut self, request: Request, _: &mut HandlerContext<Self>) -> HandlerStep<Self> {
/// #         match request { Request::Ring => self.rings = true, Request::Rings(from) => from.reply((self.of.clone(), self.rings)) }
/// #         Ok(Reaction::Keep)
/// #     }
/// #     async fn terminate(self, _: Removal<Self>, _: &mut HandlerContext<Self>) {}
/// async fn init(_: (), cx: &mut HandlerContext<Self>) -> Result<Self, ExitReason> {
///     cx.send_after(Duration::from_secs(60), Request::Ring);
///     Ok(Alarm { of: cx.id().unwrap_or("nobody").to_owned(), rings: false })
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let manager = GenEvent::<()>::start().await.unwrap();
/// let egg = manager.add_handler::<Alarm>(()).id("egg").await.unwrap();
/// rekindle_actor::sleep(Duration::from_secs(61)).await;
/// assert_eq!(manager.call(&egg, Request::Rings).await, Ok(("egg".to_owned(), true)));
/// # });
/// ```
pub struct HandlerContext<H> {
    pub(super) serial: u64,
    pub(super) id: Option<Arc<str>>,
    /// Asked for by [`hibernate`](Self::hibernate).
    pub(super) hibernate: bool,
    handler: PhantomData<fn() -> H>,
}

impl<H: EventHandler> HandlerContext<H> {
    pub(super) fn new(serial: u64, id: Option<Arc<str>>) -> Self {
        HandlerContext {
            serial,
            id,
            hibernate: false,
            handler: PhantomData,
        }
    }

    /// The manager's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self_pid()
    }

    /// The id under which the handler was added.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The reference to this very handler.
    #[must_use]
    pub fn handler(&self) -> HandlerRef<H> {
        HandlerRef::exact(self.serial)
    }

    /// The manager, to be notified or passed on.
    ///
    /// # Panics
    ///
    /// In another process than the manager's.
    #[must_use]
    pub fn manager(&self) -> EventManager<H::Event> {
        EventManager::of_running()
    }

    /// A handle by which others send requests to this very handler, without waiting for an
    /// answer. What is sent after the handler was removed vanishes.
    #[must_use]
    pub fn recipient(&self) -> Recipient<H::Call> {
        self.manager().handler_recipient(&self.handler())
    }

    /// Sends a request to this very handler after `delay`; it arrives in `handle_call`.
    pub fn send_after(&self, delay: Duration, request: H::Call) -> TimerRef {
        send_after(delay, &self.recipient(), request)
    }

    /// Asks the manager to shed memory before it waits for the next event: as
    /// [`Reaction::Hibernate`], and from `init` as well.
    pub fn hibernate(&mut self) {
        self.hibernate = true;
    }

    /// For what `handle_info` does not expect: logs it, as OTP does, and goes on.
    ///
    /// # Errors
    ///
    /// Never; the type is that of a callback's result.
    pub fn unexpected(&self, info: &Info<H::Event>) -> HandlerStep<H> {
        let what = match info {
            Info::Message(_) => {
                format!("message {}", short_type_name(type_name::<H::Event>()))
            }
            Info::Down(down) => format!("down: {}", down.reason),
            Info::Exit(exit) => format!("exit of {}: {}", exit.from, exit.reason),
            Info::Timeout => "timeout".to_owned(),
        };
        let handler = short_type_name(type_name::<H>());
        rekindle_scheduler::log_guarded(|| {
            log::warn!(
                target: "rekindle",
                "event handler {handler} in {} received an unexpected {what}",
                self.pid()
            )
        });
        Ok(Reaction::Keep)
    }
}

impl<H> fmt::Debug for HandlerContext<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerContext")
            .field("serial", &self.serial)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
