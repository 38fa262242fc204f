//! What can go wrong with a handler: one enum per operation.

use std::fmt;

use super::id::HandlerEntry;
use crate::call::CallError;
use crate::exit::ExitReason;
use crate::sys::SysError;

/// Why a handler was not added. Nothing was.
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
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HandoverError {
    /// There was no such handler; the successor starts in its place (EVT-010).
    NotFound,
    /// The terminate of the predecessor panicked.
    Failed(ExitReason),
}

/// Why a handler was not swapped for another.
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
