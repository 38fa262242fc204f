//! What a machine's callback is handed.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use futures_core::Stream;

use super::event::{Envelope, StatemEvent};
use super::handle::StatemAddr;
use super::transition::Transition;
use super::{GenStatem, StatemStep};
use crate::ambient::{parent, self_pid};
use crate::attach::{Attached, attach, attach_until_end};
use crate::link::within;
use crate::mailbox::Address;
use crate::pid::Pid;
use crate::recipient::Recipient;
use crate::report::short_type_name;
use crate::sender::Sender;
use crate::time::{Interval, TimerRef, ZeroPeriod, send_after, send_interval};

/// A state machine's view of itself, for its callbacks.
///
/// ```
/// use rekindle_actor::{CallError, StatemContext, StatemEvent, StatemStep, Transition};
/// # use rekindle_actor::{ExitReason, GenStatem, Never, ReplyTo, StatemInit};
/// # struct Gate;
/// # #[derive(PartialEq)] enum State { Shut }
/// # impl GenStatem for Gate {
/// #     type Args = (); type State = State; type Call = ReplyTo<()>; type Cast = (); type Info = Never;
/// #     type Internal = Never; type Timer = Never; type Content = ();
/// #     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Shut, Gate)) }
///
/// async fn handle_event(
///     &mut self,
///     _: &State,
///     event: StatemEvent<Self>,
///     cx: &mut StatemContext<Self>,
/// ) -> StatemStep<Self> {
///     match event {
///         StatemEvent::Cast(()) => Ok(Transition::keep()),
///         other => cx.unexpected(other), // logs it, and keeps the state
///     }
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let gate = Gate::start(()).await.unwrap();
/// gate.cast(());
/// assert_eq!(gate.call(|from| from).await, Err(CallError::NoReply));
/// # });
/// ```
pub struct StatemContext<M> {
    /// Nanoseconds; 0 for never.
    hibernate_after: u64,
    machine: PhantomData<fn() -> M>,
}

impl<M: GenStatem> StatemContext<M> {
    pub(super) fn new(hibernate_after: Option<Duration>) -> Self {
        let nanos = hibernate_after.map_or(0, |after| after.as_nanos().max(1));
        StatemContext {
            hibernate_after: u64::try_from(nanos).unwrap_or(u64::MAX),
            machine: PhantomData,
        }
    }

    /// The machine's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self_pid()
    }

    /// The machine's parent.
    #[must_use]
    pub fn parent(&self) -> Option<Pid> {
        parent()
    }

    /// A handle on the machine itself, to be passed on.
    ///
    /// # Panics
    ///
    /// In another process than the machine's own.
    #[must_use]
    pub fn addr(&self) -> StatemAddr<M> {
        within("StatemContext::addr", |owner| {
            let address = Address::<Envelope<M>>::of(owner.view());
            let address = address.expect("a context is used by its own machine");
            StatemAddr::new(Sender::new(address))
        })
    }

    /// A handle by which others send plain messages to the machine.
    #[must_use]
    pub fn recipient(&self) -> Recipient<M::Info> {
        self.addr().recipient()
    }

    /// Attaches a stream to the machine: each item arrives as [`StatemEvent::Info`]. See
    /// [`attach`](crate::attach) for the details.
    pub fn attach<S: Stream + Send + 'static>(
        &self,
        stream: S,
        mut into_info: impl FnMut(S::Item) -> M::Info + Send + 'static,
    ) -> Attached {
        attach(stream, move |item| Envelope::<M>::Info(into_info(item)))
    }

    /// As [`attach`](Self::attach); the end of the stream arrives as an event too.
    pub fn attach_until_end<S: Stream + Send + 'static>(
        &self,
        stream: S,
        mut into_info: impl FnMut(S::Item) -> M::Info + Send + 'static,
        at_end: M::Info,
    ) -> Attached {
        let into_message = move |item| Envelope::<M>::Info(into_info(item));
        attach_until_end(stream, into_message, Envelope::Info(at_end))
    }

    /// Sends a message to the machine itself after `delay`; it arrives as [`StatemEvent::Info`]. A
    /// timeout of the machine's own is cheaper, and ends with it.
    pub fn send_after(&self, delay: Duration, message: impl Into<M::Info>) -> TimerRef {
        send_after(delay, &self.recipient(), message.into())
    }

    /// Sends a clone of a message to the machine itself every `period`.
    ///
    /// # Errors
    ///
    /// If the period is zero.
    pub fn send_interval(
        &self,
        period: Duration,
        message: impl Into<M::Info>,
    ) -> Result<Interval, ZeroPeriod>
    where
        M::Info: Clone,
    {
        send_interval(period, &self.recipient(), message.into())
    }

    /// After how much idle time the machine sheds memory, if it was asked to at its start.
    #[must_use]
    pub fn hibernate_after(&self) -> Option<Duration> {
        (self.hibernate_after != 0).then(|| Duration::from_nanos(self.hibernate_after))
    }

    /// For an event that the state does not expect: logs it, and keeps the state. A request is
    /// thrown away, so that its caller hears [`CallError::NoReply`](crate::CallError::NoReply).
    ///
    /// # Errors
    ///
    /// Never; the type is that of a callback's result.
    pub fn unexpected(&self, event: StatemEvent<M>) -> StatemStep<M> {
        let what = match &event {
            StatemEvent::Down(down) => match down.pid {
                Some(pid) => format!("down of {pid}: {}", down.reason),
                None => format!("down: {}", down.reason),
            },
            StatemEvent::Exit(exit) => format!("exit of {}: {}", exit.from, exit.reason),
            other => other.kind().describe::<M>(),
        };
        let machine = short_type_name(type_name::<M>());
        rekindle_scheduler::log_guarded(
            || log::error!(target: "rekindle", "{machine} ({}) received an unexpected {what}", self.pid()),
        );
        Ok(Transition::keep())
    }
}

impl<M> fmt::Debug for StatemContext<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatemContext").finish_non_exhaustive()
    }
}
