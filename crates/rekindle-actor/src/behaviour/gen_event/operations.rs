//! What is asked of a manager, on its way: each may be told more before it is awaited.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::errors::{AddHandlerError, CallHandlerError, DeleteHandlerError, SwapHandlerError};
use super::handler::{EventHandler, Handover};
use super::id::HandlerRef;
use super::order::{self, Adder, Order, Unanswered, Verdict};
use super::serve::Message;
use super::slot::{Candidate, HandlerExit};
use crate::ambient::try_self_pid;
use crate::call::{Call, CallError};
use crate::mailbox::{Address, ReplyTo};
use crate::recipient::Recipient;
use crate::report::short_type_name;

/// Where a request goes, from which line, and how long its caller waits.
struct Way<E> {
    address: Option<Address<Message<E>>>,
    at: &'static Location<'static>,
    timeout: Option<Duration>,
}

impl<E: Send + 'static> Way<E> {
    fn new(address: Option<Address<Message<E>>>, at: &'static Location<'static>) -> Self {
        Way {
            address,
            at,
            timeout: None,
        }
    }

    /// Makes the call.
    fn ask<R: Send + 'static>(
        self,
        order: impl FnOnce(ReplyTo<R>) -> Box<dyn Order<E>>,
    ) -> Call<'static, R> {
        let call = Call::to_resolved(self.address, |from| Message::Order(order(from)), self.at);
        match self.timeout {
            Some(limit) => call.timeout(limit),
            None => call.no_timeout(),
        }
    }
}

/// The running process as the adder of a handler, if the handler is to be supervised.
fn adder(tell: Option<Recipient<HandlerExit>>) -> Option<Adder> {
    match tell {
        None => Some(None),
        Some(tell) => Some(Some((try_self_pid()?, tell))),
    }
}

/// A handler on its way into a manager: await it for the reference, or say more first.
///
/// It waits as long as init takes, unless told otherwise. Nothing happens before it is awaited.
/// The errors are those of [`AddHandlerError`].
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
/// use rekindle_actor::{AddHandler, AddHandlerError, CallError, GenEvent, sys};
/// use std::time::Duration;
///
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let limit = Duration::from_secs(1);
/// let add = |n| -> AddHandler<Sum> { manager.add_handler::<Sum>(n).id("total").timeout(limit) };
/// sys::suspend(manager.pid()).await.unwrap();
/// let late = add(7).await;
/// assert_eq!(late, Err(AddHandlerError::Manager(CallError::Timeout(limit))));
///
/// // It may still be added, and was, as soon as the manager went on.
/// sys::resume(manager.pid()).await.unwrap();
/// assert!(matches!(add(8).await, Err(AddHandlerError::AlreadyAdded(_))));
/// # });
/// ```
#[must_use = "nothing is added until this is awaited"]
pub struct AddHandler<H: EventHandler> {
    way: Way<H::Event>,
    id: Option<Arc<str>>,
    args: H::Args,
    tell: Option<Recipient<HandlerExit>>,
}

impl<H: EventHandler> AddHandler<H> {
    #[track_caller]
    pub(super) fn new(
        address: Option<Address<Message<H::Event>>>,
        args: H::Args,
        tell: Option<Recipient<HandlerExit>>,
    ) -> Self {
        AddHandler {
            way: Way::new(address, Location::caller()),
            id: None,
            args,
            tell,
        }
    }

    /// Adds it under this id, which must be free among the handlers of this type. Handlers
    /// without an id may be as many as one likes (EVT-003).
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Waits at most this long; the handler may still be added later.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.way.timeout = Some(limit);
        self
    }
}

impl<H: EventHandler> IntoFuture for AddHandler<H> {
    type Output = Result<HandlerRef<H>, AddHandlerError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let AddHandler {
            way,
            id,
            args,
            tell,
        } = self;
        let candidate = Candidate::new(id, args);
        let asked = adder(tell).map(|adder| {
            way.ask(|from| {
                Box::new(order::Add {
                    candidate,
                    adder,
                    from,
                })
            })
        });
        Box::pin(async move {
            match asked {
                Some(call) => call.await.map_err(AddHandlerError::Manager)?,
                None => Err(AddHandlerError::NoAdder),
            }
        })
    }
}

/// A handler on its way out: await it for what its terminate returns.
///
/// It waits as long as terminate takes, unless told otherwise. The errors are those of
/// [`DeleteHandlerError`].
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
/// use rekindle_actor::{DeleteHandler, GenEvent, HandlerRef};
/// use std::time::Duration;
///
/// // `Sum` is a handler whose terminate gives the sum.
/// let manager = GenEvent::<u32>::start().handler::<Sum>(7).await.unwrap();
/// let delete: DeleteHandler<Sum> = manager.delete_handler(&HandlerRef::of_type(), ());
/// assert_eq!(delete.timeout(Duration::from_secs(1)).await, Ok(7));
/// # });
/// ```
#[must_use = "nothing is deleted until this is awaited"]
pub struct DeleteHandler<H: EventHandler> {
    way: Way<H::Event>,
    handler: HandlerRef<H>,
    args: H::DeleteArgs,
}

impl<H: EventHandler> DeleteHandler<H> {
    #[track_caller]
    pub(super) fn new(
        address: Option<Address<Message<H::Event>>>,
        handler: HandlerRef<H>,
        args: H::DeleteArgs,
    ) -> Self {
        DeleteHandler {
            way: Way::new(address, Location::caller()),
            handler,
            args,
        }
    }

    /// Waits at most this long; the handler may still be deleted later.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.way.timeout = Some(limit);
        self
    }
}

impl<H: EventHandler> IntoFuture for DeleteHandler<H> {
    type Output = Result<H::Output, DeleteHandlerError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let DeleteHandler { way, handler, args } = self;
        let call = way.ask(|from| {
            Box::new(order::Delete {
                handler,
                args,
                from,
            })
        });
        Box::pin(async move { call.await.map_err(DeleteHandlerError::Manager)? })
    }
}

/// A swap on its way: await it for the reference to the new handler, or say more first.
///
/// It waits as long as it takes, unless told otherwise. The errors are those of
/// [`SwapHandlerError`].
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
/// use rekindle_actor::{GenEvent, HandlerRef, SwapHandler};
///
/// let manager = GenEvent::<u32>::start().handler_with_id::<Sum>("today", 7).await.unwrap();
/// // The new one begins with half of what the old one had, under an id of its own.
/// let today = HandlerRef::by_id("today");
/// let swap: SwapHandler<Sum, Sum> = manager.swap_handler(&today, (), |sum| sum.unwrap_or(0) / 2);
/// let tomorrow = swap.id("tomorrow").await.unwrap();
/// assert_eq!(manager.call(&tomorrow, |from| from).await, Ok(3));
/// assert_eq!(manager.which_handlers().await.unwrap()[0].id(), Some("tomorrow"));
/// # });
/// ```
#[must_use = "nothing is swapped until this is awaited"]
pub struct SwapHandler<Old: EventHandler, New: EventHandler<Event = Old::Event>> {
    way: Way<Old::Event>,
    old: HandlerRef<Old>,
    args: Old::DeleteArgs,
    id: Option<Arc<str>>,
    make: Box<dyn FnOnce(Handover<Old>) -> New::Args + Send>,
    tell: Option<Recipient<HandlerExit>>,
}

impl<Old: EventHandler, New: EventHandler<Event = Old::Event>> SwapHandler<Old, New> {
    #[track_caller]
    pub(super) fn new(
        address: Option<Address<Message<Old::Event>>>,
        old: HandlerRef<Old>,
        args: Old::DeleteArgs,
        make: Box<dyn FnOnce(Handover<Old>) -> New::Args + Send>,
        tell: Option<Recipient<HandlerExit>>,
    ) -> Self {
        SwapHandler {
            way: Way::new(address, Location::caller()),
            old,
            args,
            id: None,
            make,
            tell,
        }
    }

    /// Adds the new one under this id; it may be the old one's.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Waits at most this long; the swap may still be made later.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.way.timeout = Some(limit);
        self
    }
}

impl<Old, New> IntoFuture for SwapHandler<Old, New>
where
    Old: EventHandler,
    New: EventHandler<Event = Old::Event>,
{
    type Output = Result<HandlerRef<New>, SwapHandlerError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let SwapHandler {
            way,
            old,
            args,
            id,
            make,
            tell,
        } = self;
        let asked = adder(tell).map(|adder| {
            way.ask(|from| {
                Box::new(order::Swap::<Old, New> {
                    old,
                    args,
                    id,
                    make,
                    adder,
                    from,
                })
            })
        });
        Box::pin(async move {
            match asked {
                Some(call) => call.await.map_err(SwapHandlerError::Manager)?,
                None => Err(SwapHandlerError::NoAdder),
            }
        })
    }
}

/// A call to one handler, which waits for its answer: as [`Call`], with the errors of
/// [`CallHandlerError`].
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
/// use rekindle_actor::{CallError, CallHandlerError, GenEvent, HandlerCall, HandlerRef, sys};
/// use std::time::Duration;
///
/// let manager = GenEvent::<u32>::start().handler::<Sum>(7).await.unwrap();
/// let sum = HandlerRef::<Sum>::of_type();
/// let call: HandlerCall<u32> = manager.call(&sum, |from| from);
/// assert_eq!(call.no_timeout().await, Ok(7));
///
/// sys::suspend(manager.pid()).await.unwrap();
/// let limit = Duration::from_secs(1);
/// let late = manager.call(&sum, |from| from).timeout(limit).await;
/// assert_eq!(late, Err(CallHandlerError::Manager(CallError::Timeout(limit))));
/// # });
/// ```
#[must_use = "a call is made when it is awaited"]
pub struct HandlerCall<R> {
    call: Call<'static, R>,
    verdict: Verdict,
}

impl<R: Send + 'static> HandlerCall<R> {
    pub(super) fn new<H: EventHandler>(
        address: Option<Address<Message<H::Event>>>,
        handler: HandlerRef<H>,
        make: impl FnOnce(ReplyTo<R>) -> H::Call,
        at: &'static Location<'static>,
    ) -> Self {
        let verdict = Verdict::default();
        let judge = Some(verdict.clone());
        let call = Call::to_resolved(
            address,
            |from| {
                Message::Order(Box::new(order::Ask {
                    handler,
                    request: make(from),
                    verdict: judge,
                }) as Box<dyn Order<H::Event>>)
            },
            at,
        );
        HandlerCall { call, verdict }
    }

    /// Waits at most this long.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.call = self.call.timeout(limit);
        self
    }

    /// Waits as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.call = self.call.no_timeout();
        self
    }
}

impl<R: Send + 'static> Future for HandlerCall<R> {
    type Output = Result<R, CallHandlerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.call).poll(cx);
        polled.map(|result| {
            result.map_err(|error| match (error, self.verdict.get()) {
                (CallError::NoReply, Some(Unanswered::BadHandler)) => CallHandlerError::BadHandler,
                (CallError::NoReply, Some(Unanswered::Failed(reason))) => {
                    CallHandlerError::Failed(reason.clone())
                }
                (error, _) => CallHandlerError::Manager(error),
            })
        })
    }
}

impl<H: EventHandler> fmt::Debug for AddHandler<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddHandler")
            .field("handler", &short_type_name(type_name::<H>()))
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<H: EventHandler> fmt::Debug for DeleteHandler<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteHandler")
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}

impl<Old, New> fmt::Debug for SwapHandler<Old, New>
where
    Old: EventHandler,
    New: EventHandler<Event = Old::Event>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwapHandler")
            .field("old", &self.old)
            .field("new", &short_type_name(type_name::<New>()))
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for HandlerCall<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerCall").field(&self.call).finish()
    }
}
