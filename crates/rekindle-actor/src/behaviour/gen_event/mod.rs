//! The event manager: handlers that are added and removed while it runs.
//!
//! Reading order: [`handler`] has the callbacks, [`id`] and [`errors`] what they are called and
//! what can go wrong; [`slot`] holds one handler without its type, [`handlers`] all of them;
//! [`order`] is what the manager is asked to do, [`serve`] its loop; [`manager`], [`operations`]
//! and [`start`] are the handle, its requests, and the start.

mod handler;

mod errors;
mod id;

mod slot;

mod handlers;

mod order;
mod serve;

mod manager;
mod operations;
mod start;

pub use errors::{
    AddHandlerError, CallHandlerError, DeleteHandlerError, HandlerStateError, HandoverError,
    SwapHandlerError,
};
pub use handler::{
    EventHandler, HandlerContext, HandlerStep, HandlerSwap, Handover, Reaction, Removal,
};
pub use handlers::Handlers;
pub use id::{HandlerEntry, HandlerRef};
pub use manager::{EventManager, EventManagerName, ManagerByName, ManagerLife, ManagerTarget};
pub use operations::{AddHandler, DeleteHandler, HandlerCall, SwapHandler};
pub use slot::HandlerExit;
pub use start::{
    GenEvent, StartEvents, StartEventsFuture, StartEventsMonitor, StartEventsMonitorFuture,
};
