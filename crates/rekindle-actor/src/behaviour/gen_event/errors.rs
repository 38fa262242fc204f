//! What can go wrong with a handler: one enum per operation.

use std::fmt;

use super::id::HandlerEntry;
use crate::call::CallError;
use crate::exit::ExitReason;
use crate::sys::SysError;

/// Why a handler was not added. Nothing was.
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
/// use rekindle_actor::{AddHandlerError, GenEvent};
///
/// // `Sum` is a handler that begins with a number, which must not be above 100.
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// manager.add_handler::<Sum>(0).id("total").await.unwrap();
/// match manager.add_handler::<Sum>(0).id("total").await {
///     Err(AddHandlerError::AlreadyAdded(entry)) => assert_eq!(entry.id(), Some("total")),
///     other => panic!("{other:?}"),
/// }
/// let failed = manager.add_handler::<Sum>(101).await.unwrap_err();
/// assert_eq!(failed.to_string(), "the handler's init failed: too much to begin with");
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AddHandlerError {
    /// A handler of this type has the id. Its init was not run.
    AlreadyAdded(HandlerEntry),
    /// Its init failed or panicked, with this reason (EVT-002).
    Failed(ExitReason),
    /// A supervised handler must be added by a process: there is nobody to supervise it.
    NoAdder,
    /// The manager could not be asked. After a timeout the handler may still be added.
    Manager(CallError),
}

/// Why [`delete_handler`](crate::EventManager::delete_handler) gave no value.
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
/// use rekindle_actor::{DeleteHandlerError, GenEvent};
///
/// // `Sum` is a handler whose terminate gives the sum.
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let sum = manager.add_handler::<Sum>(7).await.unwrap();
/// assert_eq!(manager.delete_handler(&sum, ()).await, Ok(7));
/// assert_eq!(manager.delete_handler(&sum, ()).await, Err(DeleteHandlerError::NotFound));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DeleteHandlerError {
    /// The manager has no such handler (EVT-007).
    NotFound,
    /// Its terminate panicked. It is removed all the same.
    Failed(ExitReason),
    /// The manager could not be asked.
    Manager(CallError),
}

/// Why the successor of a swap gets no value of its predecessor.
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
/// use rekindle_actor::{GenEvent, HandlerRef, HandoverError};
///
/// // There is no `Sum` yet: the new one is told so, and begins anew.
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let nobody = HandlerRef::<Sum>::of_type();
/// let sum = manager.swap_handler::<Sum, Sum>(&nobody, (), |given| match given {
///     Ok(sum) => sum,
///     Err(HandoverError::NotFound) => 1,
///     Err(_) => 0,
/// });
/// assert_eq!(manager.call(&sum.await.unwrap(), |from| from).await, Ok(1));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HandoverError {
    /// There was no such handler; the successor starts in its place (EVT-010).
    NotFound,
    /// The terminate of the predecessor panicked.
    Failed(ExitReason),
}

/// Why a handler was not swapped for another.
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
/// use rekindle_actor::{GenEvent, SwapHandlerError};
///
/// // The successor's init does not take more than 100.
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let old = manager.add_handler::<Sum>(99).await.unwrap();
/// let swapped = manager.swap_handler::<Sum, Sum>(&old, (), |given| given.unwrap_or(0) + 2).await;
/// assert!(matches!(swapped, Err(SwapHandlerError::Failed(_))));
/// assert_eq!(manager.which_handlers().await, Ok(Vec::new()), "the old one is gone as well");
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SwapHandlerError {
    /// A third handler of the new one's type has the id. Nothing was done.
    AlreadyAdded(HandlerEntry),
    /// The new one's init failed or panicked. The old one is removed, and none took its place.
    Failed(ExitReason),
    /// A supervised handler must be swapped in by a process.
    NoAdder,
    /// The manager could not be asked. After a timeout the swap may still be made.
    Manager(CallError),
}

/// Why a call to a handler gave no answer.
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
/// use rekindle_actor::{CallError, CallHandlerError, GenEvent, HandlerRef};
///
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let nobody = HandlerRef::<Sum>::by_id("total");
/// let call = manager.call(&nobody, |from| from).await;
/// assert_eq!(call, Err(CallHandlerError::BadHandler));
///
/// manager.stop().await.unwrap();
/// let call = manager.call(&nobody, |from| from).await;
/// assert_eq!(call, Err(CallHandlerError::Manager(CallError::NoProc)));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CallHandlerError {
    /// The manager has no such handler; the request was not handled (EVT-006).
    BadHandler,
    /// The handler failed over the request, with this reason, and is removed.
    Failed(ExitReason),
    /// As for any call: the manager is gone, busy for too long, and so on.
    Manager(CallError),
}

/// Why the state of a handler could not be looked at or replaced.
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
/// use rekindle_actor::{GenEvent, HandlerStateError};
///
/// // `Sum(u32)` is a handler, and its own state.
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let sum = manager.add_handler::<Sum>(7).await.unwrap();
/// let changed = manager.replace_state(&sum, |state| state.0 /= state.0 - 7).await;
/// assert!(matches!(changed, Err(HandlerStateError::Failed(reason)) if reason.is_panic()));
/// assert_eq!(manager.get_state(&sum).await.map(|state| state.0), Ok(7));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HandlerStateError {
    /// The manager has no such handler.
    BadHandler,
    /// The given function panicked; the state is unchanged.
    Failed(ExitReason),
    /// The manager could not be asked.
    Manager(SysError),
}

macro_rules! display {
    ($error:ident { $($variant:pat => $text:literal $(, $value:ident)? ;)* }) => {
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($variant => write!(f, $text $(, $value)?),)*
                }
            }
        }

        impl std::error::Error for $error {}
    };
}

display!(AddHandlerError {
    AddHandlerError::AlreadyAdded(entry) => "there is a handler {} already", entry;
    AddHandlerError::Failed(reason) => "the handler's init failed: {}", reason;
    AddHandlerError::NoAdder => "a supervised handler must be added by a process";
    AddHandlerError::Manager(error) => "the event manager could not be asked: {}", error;
});
display!(DeleteHandlerError {
    DeleteHandlerError::NotFound => "the event manager has no such handler";
    DeleteHandlerError::Failed(reason) => "the handler's terminate failed: {}", reason;
    DeleteHandlerError::Manager(error) => "the event manager could not be asked: {}", error;
});
display!(HandoverError {
    HandoverError::NotFound => "there was no handler to be replaced";
    HandoverError::Failed(reason) => "the terminate of the replaced handler failed: {}", reason;
});
display!(SwapHandlerError {
    SwapHandlerError::AlreadyAdded(entry) => "there is a handler {} already", entry;
    SwapHandlerError::Failed(reason) => "the new handler's init failed: {}", reason;
    SwapHandlerError::NoAdder => "a supervised handler must be swapped in by a process";
    SwapHandlerError::Manager(error) => "the event manager could not be asked: {}", error;
});
display!(CallHandlerError {
    CallHandlerError::BadHandler => "the event manager has no such handler";
    CallHandlerError::Failed(reason) => "the handler failed over the request: {}", reason;
    CallHandlerError::Manager(error) => "{}", error;
});
display!(HandlerStateError {
    HandlerStateError::BadHandler => "the event manager has no such handler";
    HandlerStateError::Failed(reason) => "the function given for the state failed: {}", reason;
    HandlerStateError::Manager(error) => "{}", error;
});
