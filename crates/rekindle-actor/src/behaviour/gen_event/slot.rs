//! A handler as its manager holds it: without its type, and with its supervision.
//!
//! Types are erased at one seam. What a manager does to all handlers alike goes through
//! [`Installed`]; what somebody does to one handler comes as an order that knows the handler's
//! type (`order.rs`), and finds its [`Typed`] by a downcast that cannot fail, for the entry has
//! been compared first.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::errors::HandoverError;
use super::handler::{
    EventHandler, HandlerContext, HandlerStep, HandlerSwap, Handover, Reaction, Removal,
};
use super::id::{HandlerEntry, Kind};
use crate::ambient::self_pid;
use crate::behaviour::guarded;
use crate::exit::ExitReason;
use crate::mailbox::Info;
use crate::monitor::{demonitor_flush, monitor};
use crate::pid::{MonitorRef, Pid};
use crate::process::Owner;
use crate::recipient::Recipient;
use crate::unwind;

pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the manager must do after a callback.
#[derive(Debug)]
#[must_use]
pub(super) enum Outcome {
    Keep,
    Hibernate,
    Remove,
    /// The wish is kept in the handler: see [`Installed::swap_out`].
    Swap,
    Failed(ExitReason),
}

/// Why a handler is removed, but for the reasons that come with arguments of its own.
#[derive(Debug, Clone)]
pub(super) enum Retirement {
    Asked,
    Failed(ExitReason),
    AdderExited(ExitReason),
    ManagerStops(ExitReason),
}

/// A handler of whatever type. No panic of the handler's own code leaves these functions.
pub(super) trait Installed<E>: Any + Send {
    fn handle_event<'a>(&'a mut self, event: &'a E) -> BoxFuture<'a, Outcome>;
    fn handle_info<'a>(&'a mut self, info: &'a Info<E>) -> BoxFuture<'a, Outcome>;
    /// Runs terminate; `Err` if that panicked.
    fn retire(self: Box<Self>, why: Retirement) -> BoxFuture<'static, Result<(), ExitReason>>;
    /// Runs terminate, and gives the successor that the handler wished for.
    fn swap_out(self: Box<Self>) -> BoxFuture<'static, Option<Box<dyn Newcomer<E>>>>;
    fn hibernate(&mut self) -> Result<(), ExitReason>;
    fn status(&self) -> Option<String>;
}

/// A handler with its type.
pub(super) struct Typed<H: EventHandler> {
    state: H,
    cx: HandlerContext<H>,
    wish: Option<HandlerSwap<H>>,
}

impl<H: EventHandler> Typed<H> {
    pub(super) fn state(&self) -> &H {
        &self.state
    }

    pub(super) fn state_mut(&mut self) -> &mut H {
        &mut self.state
    }

    pub(super) async fn handle_call(&mut self, request: H::Call) -> Outcome {
        let Typed { state, cx, .. } = self;
        let step = guarded(async { state.handle_call(request, cx).await }).await;
        self.decide(step)
    }

    pub(super) async fn terminate(self, why: Removal<H>) -> Result<H::Output, ExitReason> {
        let Typed { state, mut cx, .. } = self;
        guarded(async { state.terminate(why, &mut cx).await }).await
    }

    fn decide(&mut self, step: Result<HandlerStep<H>, ExitReason>) -> Outcome {
        let asked = std::mem::take(&mut self.cx.hibernate);
        match step {
            Ok(Ok(Reaction::Keep)) if asked => Outcome::Hibernate,
            Ok(Ok(Reaction::Keep)) => Outcome::Keep,
            Ok(Ok(Reaction::Hibernate)) => Outcome::Hibernate,
            Ok(Ok(Reaction::Remove)) => Outcome::Remove,
            Ok(Ok(Reaction::Swap(swap))) => {
                self.wish = Some(swap);
                Outcome::Swap
            }
            Ok(Err(reason)) | Err(reason) => Outcome::Failed(reason),
        }
    }
}

impl<H: EventHandler> Installed<H::Event> for Typed<H> {
    fn handle_event<'a>(&'a mut self, event: &'a H::Event) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Typed { state, cx, .. } = self;
            let step = guarded(async { state.handle_event(event, cx).await }).await;
            self.decide(step)
        })
    }

    fn handle_info<'a>(&'a mut self, info: &'a Info<H::Event>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Typed { state, cx, .. } = self;
            let step = guarded(async { state.handle_info(info, cx).await }).await;
            self.decide(step)
        })
    }

    fn retire(self: Box<Self>, why: Retirement) -> BoxFuture<'static, Result<(), ExitReason>> {
        Box::pin(async move {
            let why = match why {
                Retirement::Asked => Removal::Asked,
                Retirement::Failed(reason) => Removal::Failed(reason),
                Retirement::AdderExited(reason) => Removal::AdderExited(reason),
                Retirement::ManagerStops(reason) => Removal::ManagerStops(reason),
            };
            let output = self.terminate(why).await?;
            unwind::discard(output);
            Ok(())
        })
    }

    fn swap_out(mut self: Box<Self>) -> BoxFuture<'static, Option<Box<dyn Newcomer<H::Event>>>> {
        Box::pin(async move {
            let HandlerSwap { args, next } = self.wish.take()?;
            let handover: Handover<H> = self
                .terminate(Removal::Swapped(args))
                .await
                .map_err(HandoverError::Failed);
            Some(next(handover))
        })
    }

    fn hibernate(&mut self) -> Result<(), ExitReason> {
        unwind::catch(|| self.state.hibernate()).map_err(ExitReason::from_panic)
    }

    fn status(&self) -> Option<String> {
        unwind::catch(|| self.state.format_status()).ok().flatten()
    }
}

/// A handler to be, of whatever type.
pub(super) trait Newcomer<E>: Send {
    fn kind(&self) -> Kind;
    fn id(&self) -> Option<&Arc<str>>;
    /// Runs init. The flag: whether it asked for hibernation.
    fn init(self: Box<Self>, serial: u64) -> BoxFuture<'static, Result<Born<E>, ExitReason>>;
}

pub(super) type Born<E> = (Box<dyn Installed<E>>, bool);

/// A handler to be: its id, and what gives its arguments, in the manager.
pub(super) struct Candidate<H: EventHandler> {
    id: Option<Arc<str>>,
    args: Box<dyn FnOnce() -> H::Args + Send>,
}

impl<H: EventHandler> Candidate<H> {
    pub(super) fn new(id: Option<Arc<str>>, args: H::Args) -> Self {
        Candidate::later(id, move || args)
    }

    pub(super) fn later(
        id: Option<Arc<str>>,
        args: impl FnOnce() -> H::Args + Send + 'static,
    ) -> Self {
        Candidate {
            id,
            args: Box::new(args),
        }
    }
}

impl<H: EventHandler> Newcomer<H::Event> for Candidate<H> {
    fn kind(&self) -> Kind {
        Kind::of::<H>()
    }

    fn id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    fn init(
        self: Box<Self>,
        serial: u64,
    ) -> BoxFuture<'static, Result<Born<H::Event>, ExitReason>> {
        Box::pin(async move {
            let Candidate { id, args } = *self;
            let mut cx = HandlerContext::<H>::new(serial, id);
            let state = guarded(async { H::init(args(), &mut cx).await }).await??;
            let hibernate = std::mem::take(&mut cx.hibernate);
            let typed = Typed {
                state,
                cx,
                wish: None,
            };
            Ok((Box::new(typed) as Box<dyn Installed<H::Event>>, hibernate))
        })
    }
}

/// A handler in its place.
pub(super) struct Slot<E> {
    pub(super) handler: Box<dyn Installed<E>>,
    pub(super) entry: HandlerEntry,
    pub(super) supervision: Option<Supervision>,
}

/// Tells of the end of a supervised handler: sent to the process that added it (EVT-012).
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
/// use rekindle_actor::{ExitReason, GenEvent, HandlerExit, Mailbox, spawn};
///
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let adder = spawn(|mut inbox: Mailbox<HandlerExit>| async move {
///     let sum = manager.add_sup_handler::<Sum>(0, &inbox.recipient()).await.unwrap();
///     manager.exit(ExitReason::Kill);
///     let exit = inbox.recv().await;
///     assert!(sum.is(&exit.handler) && exit.manager == manager.pid());
///     assert_eq!((exit.reason, exit.successor), (ExitReason::Killed, None));
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !adder.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HandlerExit {
    /// The manager.
    pub manager: Pid,
    /// The handler.
    pub handler: HandlerEntry,
    /// `Normal`: it was removed on purpose, or another took its place. `Shutdown`: the manager
    /// stops. Otherwise the failure of the handler, or the end of a manager that could not stop
    /// in order: `Killed`, say.
    pub reason: ExitReason,
    /// The handler that took its place. The process supervises that one from now on, unless
    /// another process swapped it in for itself: [`HandlerEntry::adder`] tells.
    pub successor: Option<HandlerEntry>,
}

/// The tie between a handler and the process that added it. Dropped in whatever way, it tells
/// that process: even a kill of the manager is heard of.
#[derive(Debug)]
pub(super) struct Supervision {
    pub(super) adder: Pid,
    pub(super) monitor: MonitorRef,
    tell: Recipient<HandlerExit>,
    /// The handler, until its end has been told.
    handler: Option<HandlerEntry>,
}

impl Supervision {
    /// Begins to watch the adder of a handler that is not there yet.
    pub(super) fn begin(adder: Pid, tell: Recipient<HandlerExit>) -> Supervision {
        Supervision {
            adder,
            monitor: monitor(adder),
            tell,
            handler: None,
        }
    }

    /// From now on of this handler; if it was of another, this one has taken its place.
    pub(super) fn pass_to(mut self, handler: HandlerEntry) -> Supervision {
        self.report(ExitReason::Normal, Some(handler.clone()));
        self.handler = Some(handler);
        self
    }

    /// The handler is gone; if there was none yet, there is nothing to tell.
    pub(super) fn end(mut self, reason: ExitReason) {
        self.report(reason, None);
    }

    /// The adder is gone, so there is nobody to be told.
    pub(super) fn forget(mut self) {
        self.handler = None;
    }

    /// Another handler has taken the place, and another process supervises that.
    pub(super) fn end_by(mut self, successor: HandlerEntry) {
        self.report(ExitReason::Normal, Some(successor));
    }

    fn report(&mut self, reason: ExitReason, successor: Option<HandlerEntry>) {
        if let Some(handler) = self.handler.take() {
            let exit = HandlerExit {
                manager: self_pid(),
                handler,
                reason,
                successor,
            };
            // The recipient's conversion is foreign code.
            unwind::discard(unwind::catch(|| self.tell.send(exit)));
        }
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        let ending = Owner::current(|owner| {
            let reason = owner?.private().exiting().cloned();
            Some(reason)
        });
        match ending {
            Some(None) if std::thread::panicking() => {
                self.report(ExitReason::msg("the event manager panicked"), None);
            }
            Some(None) => {
                demonitor_flush(self.monitor);
            }
            Some(Some(reason)) => self.report(reason, None),
            None => {}
        }
    }
}
