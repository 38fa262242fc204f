//! The generic parts of processes; your part is the callbacks.

mod builder;
mod context;
mod gen_event;
pub(crate) mod gen_server;
mod gen_statem;
mod guarded;
mod handle;
mod named;
mod outcome;
mod parts;
mod server_handle;
mod start;

pub use builder::{Start, StartFuture, StartMonitor, StartMonitorFuture};
pub use context::Context;
pub use gen_event::{
    AddHandler, AddHandlerError, CallHandlerError, DeleteHandler, DeleteHandlerError, EventHandler,
    EventManager, EventManagerName, GenEvent, HandlerCall, HandlerContext, HandlerEntry,
    HandlerExit, HandlerRef, HandlerStateError, HandlerStep, HandlerSwap, Handlers, Handover,
    HandoverError, ManagerByName, ManagerLife, ManagerTarget, Reaction, Removal, StartEvents,
    StartEventsFuture, StartEventsMonitor, StartEventsMonitorFuture, SwapHandler, SwapHandlerError,
};
pub use gen_server::{
    GenServer, Init, Never, Next, ServerMessage, Shown, Step, enter_loop, enter_loop_as,
};
pub use gen_statem::{
    Enter, GenStatem, StatemAddr, StatemContext, StatemEvent, StatemInit, StatemName, StatemStart,
    StatemStartFuture, StatemStartMonitor, StatemStartMonitorFuture, StatemStatus, StatemStep,
    Transition, When,
};
pub use guarded::guarded;
pub use handle::{Addr, Name};
pub(crate) use named::NamedAddress;
pub use outcome::{IntoInit, IntoStep};
pub use parts::{begin_ending, give_back_memory, note_last_message, note_state};
pub use server_handle::ServerHandle;
pub use start::{Ack, StartError, Starter, Starting};
