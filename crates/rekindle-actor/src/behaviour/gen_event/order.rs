//! What a manager is asked to do with one handler: orders that know the handler's type.

use std::sync::{Arc, OnceLock};

use super::errors::{AddHandlerError, DeleteHandlerError, HandoverError, SwapHandlerError};
use super::handler::{EventHandler, Handover, Removal};
use super::handlers::{Doing, Handlers, Turned, log_failure};
use super::id::{HandlerEntry, HandlerRef, Kind};
use super::slot::{BoxFuture, Candidate, HandlerExit, Outcome, Supervision};
use crate::exit::ExitReason;
use crate::mailbox::ReplyTo;
use crate::pid::Pid;
use crate::recipient::Recipient;
use crate::unwind;

/// Something to be done with the handlers. No panic of foreign code leaves it. The result:
/// whether hibernation was asked for.
pub(super) trait Order<E>: Send {
    fn carry_out(self: Box<Self>, handlers: &mut Handlers<E>) -> BoxFuture<'_, bool>;
}

/// Who supervises a handler, and how to tell that process.
pub(super) type Adder = Option<(Pid, Recipient<HandlerExit>)>;

fn begin(adder: Adder) -> Option<Supervision> {
    adder.map(|(pid, tell)| Supervision::begin(pid, tell))
}

/// Adds a handler.
pub(super) struct Add<H: EventHandler> {
    pub(super) candidate: Candidate<H>,
    pub(super) adder: Adder,
    pub(super) from: ReplyTo<Result<HandlerRef<H>, AddHandlerError>>,
}

impl<H: EventHandler> Order<H::Event> for Add<H> {
    fn carry_out(self: Box<Self>, handlers: &mut Handlers<H::Event>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let Add {
                candidate,
                adder,
                from,
            } = *self;
            let installed = handlers
                .install(Box::new(candidate), begin(adder), None)
                .await;
            let (answer, hibernate) = match installed {
                Ok((entry, hibernate)) => (Ok(HandlerRef::exact(entry.serial)), hibernate),
                Err(Turned::AlreadyAdded(rival)) => {
                    (Err(AddHandlerError::AlreadyAdded(rival)), false)
                }
                Err(Turned::Failed(reason)) => (Err(AddHandlerError::Failed(reason)), false),
            };
            from.reply(answer);
            hibernate
        })
    }
}

/// Deletes a handler.
pub(super) struct Delete<H: EventHandler> {
    pub(super) handler: HandlerRef<H>,
    pub(super) args: H::DeleteArgs,
    pub(super) from: ReplyTo<Result<H::Output, DeleteHandlerError>>,
}

impl<H: EventHandler> Order<H::Event> for Delete<H> {
    fn carry_out(self: Box<Self>, handlers: &mut Handlers<H::Event>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let Delete {
                handler,
                args,
                from,
            } = *self;
            let Some((typed, entry, supervision)) = handlers.take(&handler) else {
                unwind::discard(args);
                from.reply(Err(DeleteHandlerError::NotFound));
                return false;
            };
            let output = typed.terminate(Removal::Deleted(args)).await;
            if let Err(reason) = &output {
                log_failure(&entry, Doing::Terminate, reason, None);
            }
            if let Some(supervision) = supervision {
                supervision.end(ExitReason::Normal);
            }
            from.reply(output.map_err(DeleteHandlerError::Failed));
            false
        })
    }
}

/// Swaps a handler for another.
pub(super) struct Swap<Old: EventHandler, New: EventHandler<Event = Old::Event>> {
    pub(super) old: HandlerRef<Old>,
    pub(super) args: Old::DeleteArgs,
    pub(super) id: Option<Arc<str>>,
    pub(super) make: Box<dyn FnOnce(Handover<Old>) -> New::Args + Send>,
    pub(super) adder: Adder,
    pub(super) from: ReplyTo<Result<HandlerRef<New>, SwapHandlerError>>,
}

impl<Old, New> Order<Old::Event> for Swap<Old, New>
where
    Old: EventHandler,
    New: EventHandler<Event = Old::Event>,
{
    fn carry_out(self: Box<Self>, handlers: &mut Handlers<Old::Event>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let Swap {
                old,
                args,
                id,
                make,
                adder,
                from,
            } = *self;
            let (answer, hibernate) = swap::<Old, New>(handlers, &old, args, id, make, adder).await;
            from.reply(answer);
            hibernate
        })
    }
}

async fn swap<Old, New>(
    handlers: &mut Handlers<Old::Event>,
    old: &HandlerRef<Old>,
    args: Old::DeleteArgs,
    id: Option<Arc<str>>,
    make: Box<dyn FnOnce(Handover<Old>) -> New::Args + Send>,
    adder: Adder,
) -> (Result<HandlerRef<New>, SwapHandlerError>, bool)
where
    Old: EventHandler,
    New: EventHandler<Event = Old::Event>,
{
    // Looked for before the old one goes: nothing is done about an id that is taken.
    if let Some(rival) = handlers.rival(Kind::of::<New>(), id.as_ref(), handlers.find(old)) {
        let rival = rival.clone();
        unwind::discard(args);
        unwind::discard(make);
        return (Err(SwapHandlerError::AlreadyAdded(rival)), false);
    }
    let (handover, previous) = match handlers.take(old) {
        None => {
            unwind::discard(args);
            (Err(HandoverError::NotFound), None)
        }
        Some((typed, entry, supervision)) => {
            let output = typed.terminate(Removal::Swapped(args)).await;
            if let Err(reason) = &output {
                log_failure(&entry, Doing::Terminate, reason, None);
            }
            (output.map_err(HandoverError::Failed), supervision)
        }
    };
    // Unless somebody supervises the new one, whoever supervised the old one does (OTP's rule).
    let (supervision, previous) = match begin(adder) {
        None => (previous, None),
        own => (own, previous),
    };
    let candidate = Candidate::<New>::later(id, move || make(handover));
    match handlers
        .install(Box::new(candidate), supervision, None)
        .await
    {
        Ok((successor, hibernate)) => {
            let handler = HandlerRef::exact(successor.serial);
            if let Some(previous) = previous {
                previous.end_by(successor);
            }
            (Ok(handler), hibernate)
        }
        Err(turned) => {
            if let Some(previous) = previous {
                previous.end(turned.reason());
            }
            let error = match turned {
                Turned::AlreadyAdded(rival) => SwapHandlerError::AlreadyAdded(rival),
                Turned::Failed(reason) => SwapHandlerError::Failed(reason),
            };
            (Err(error), false)
        }
    }
}

/// What became of a request that may lose its `ReplyTo` on the way: written by the manager before
/// that is dropped, read by the caller when no answer came.
pub(super) type Verdict = Arc<OnceLock<Unanswered>>;

/// Why a request to a handler was not answered.
#[derive(Debug, Clone)]
pub(super) enum Unanswered {
    BadHandler,
    Failed(ExitReason),
}

/// Gives a request to a handler.
pub(super) struct Ask<H: EventHandler> {
    pub(super) handler: HandlerRef<H>,
    pub(super) request: H::Call,
    /// `None` if nobody waits for an answer.
    pub(super) verdict: Option<Verdict>,
}

impl<H: EventHandler> Order<H::Event> for Ask<H> {
    fn carry_out(self: Box<Self>, handlers: &mut Handlers<H::Event>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let Ask {
                handler,
                request,
                verdict,
            } = *self;
            let judge = |unanswered| {
                if let Some(verdict) = &verdict {
                    // The first word stands; there is no second.
                    let _ = verdict.set(unanswered);
                }
            };
            let Some((at, typed)) = handlers.typed(&handler) else {
                judge(Unanswered::BadHandler);
                unwind::discard(request);
                return false;
            };
            let outcome = typed.handle_call(request).await;
            if let Outcome::Failed(reason) = &outcome {
                // Before anything is awaited: the caller is told of the lost `ReplyTo` at the
                // manager's next turn.
                judge(Unanswered::Failed(reason.clone()));
            }
            handlers.follow(at, outcome, Doing::Call).await
        })
    }
}

/// Tells which handlers there are.
pub(super) struct Which(pub(super) ReplyTo<Vec<HandlerEntry>>);

impl<E: 'static> Order<E> for Which {
    fn carry_out(self: Box<Self>, handlers: &mut Handlers<E>) -> BoxFuture<'_, bool> {
        self.0.reply(handlers.entries());
        Box::pin(std::future::ready(false))
    }
}
