//! What happens to a state machine.

use std::any::type_name;
use std::fmt;

use super::GenStatem;
use crate::exit::Exit;
use crate::monitor::Down;
use crate::report::short_type_name;
use crate::unwind;

/// Something that a state machine handles (FSM-003).
///
/// Not `#[non_exhaustive]`: the kinds are those of OTP, and a machine may want the compiler to say
/// which of them a state forgets.
///
/// ```
/// use rekindle_actor::{StatemContext, StatemEvent, StatemStep, Transition};
/// # use rekindle_actor::{ExitReason, GenStatem, Never, ReplyTo, StatemInit};
/// use std::time::Duration;
/// # struct Lamp;
/// # #[derive(PartialEq)] enum State { Off, On }
/// # impl GenStatem for Lamp {
/// #     type Args = (); type State = State; type Call = ReplyTo<bool>; type Cast = (); type Info = Never;
/// #     type Internal = Never; type Timer = Never; type Content = ();
/// #     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Off, Lamp)) }
/// #     async fn handle_event(&mut self, state: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
///
/// // On for five minutes from the last press of the button, which is a cast.
/// Ok(match (state, event) {
///     (_, StatemEvent::Cast(())) => {
///         Transition::next(State::On).state_timeout(Duration::from_secs(300))
///     }
///     (_, StatemEvent::StateTimeout(())) => Transition::next(State::Off),
///     (state, StatemEvent::Call(from)) => Transition::keep().reply(from, *state == State::On),
///     (_, other) => return cx.unexpected(other),
/// })
/// #     }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let lamp = Lamp::start(()).await.unwrap();
/// # lamp.cast(());
/// # rekindle_actor::sleep(Duration::from_secs(200)).await;
/// # lamp.cast(());
/// # rekindle_actor::sleep(Duration::from_secs(200)).await;
/// # assert_eq!(lamp.call(|from| from).await, Ok(true));
/// # rekindle_actor::sleep(Duration::from_secs(200)).await;
/// # assert_eq!(lamp.call(|from| from).await, Ok(false));
/// # });
/// ```
pub enum StatemEvent<M: GenStatem> {
    /// A request; it carries the [`ReplyTo`](crate::ReplyTo) for its answer.
    Call(M::Call),
    /// A message that is not answered.
    Cast(M::Cast),
    /// A plain message.
    Info(M::Info),
    /// A monitored process has ended. (In a box, for a machine keeps room for its largest event.)
    Down(Box<Down>),
    /// An exit signal, received while trapping exits. The parent's does not come here: it ends the
    /// machine.
    Exit(Box<Exit>),
    /// An event that the machine has given itself: see [`Transition::internal`](crate::Transition::internal).
    Internal(M::Internal),
    /// No event came in time.
    EventTimeout(M::Content),
    /// The state did not change in time.
    StateTimeout(M::Content),
    /// The timeout of this name has run out.
    Timeout(M::Timer, M::Content),
}

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Cast,
    Info,
    Down,
    Exit,
    Internal,
    EventTimeout,
    StateTimeout,
    Timeout,
    /// No event, but a call of `GenStatem::enter`.
    Enter,
}

impl Kind {
    /// What kind of message it came as, if it was one.
    pub(super) fn of_message(self) -> Option<&'static str> {
        match self {
            Kind::Call => Some("call"),
            Kind::Cast => Some("cast"),
            Kind::Info => Some("message"),
            Kind::Down => Some("down"),
            Kind::Exit => Some("exit"),
            _ => None,
        }
    }

    /// The kind as words, with the type of what it carries; never a value, which may be a secret.
    pub(super) fn describe<M: GenStatem>(self) -> String {
        let typed = |kind: &str, ty: &str| format!("{kind} {}", short_type_name(ty));
        match self {
            Kind::Call => typed("call", type_name::<M::Call>()),
            Kind::Cast => typed("cast", type_name::<M::Cast>()),
            Kind::Info => typed("message", type_name::<M::Info>()),
            Kind::Down => "down".to_owned(),
            Kind::Exit => "exit".to_owned(),
            Kind::Internal => typed("internal event", type_name::<M::Internal>()),
            Kind::EventTimeout => "event timeout".to_owned(),
            Kind::StateTimeout => "state timeout".to_owned(),
            Kind::Timeout => typed("timeout", type_name::<M::Timer>()),
            Kind::Enter => "enter call".to_owned(),
        }
    }
}

impl<M: GenStatem> StatemEvent<M> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            StatemEvent::Call(_) => Kind::Call,
            StatemEvent::Cast(_) => Kind::Cast,
            StatemEvent::Info(_) => Kind::Info,
            StatemEvent::Down(_) => Kind::Down,
            StatemEvent::Exit(_) => Kind::Exit,
            StatemEvent::Internal(_) => Kind::Internal,
            StatemEvent::EventTimeout(_) => Kind::EventTimeout,
            StatemEvent::StateTimeout(_) => Kind::StateTimeout,
            StatemEvent::Timeout(..) => Kind::Timeout,
        }
    }

    /// The event as text: as the machine shows it, or else by its kind and type.
    pub(super) fn text(&self) -> String {
        let shown = unwind::catch(|| M::show_event(self)).ok().flatten();
        shown.unwrap_or_else(|| self.kind().describe::<M>())
    }
}

impl<M: GenStatem> fmt::Debug for StatemEvent<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatemEvent::Call(_) => f.write_str("Call(..)"),
            StatemEvent::Cast(_) => f.write_str("Cast(..)"),
            StatemEvent::Info(_) => f.write_str("Info(..)"),
            StatemEvent::Down(down) => f.debug_tuple("Down").field(down).finish(),
            StatemEvent::Exit(exit) => f.debug_tuple("Exit").field(exit).finish(),
            StatemEvent::Internal(_) => f.write_str("Internal(..)"),
            StatemEvent::EventTimeout(_) => f.write_str("EventTimeout(..)"),
            StatemEvent::StateTimeout(_) => f.write_str("StateTimeout(..)"),
            StatemEvent::Timeout(name, _) => write!(f, "Timeout({name:?}, ..)"),
        }
    }
}

/// What lies in a machine's mailbox.
pub(crate) enum Envelope<M: GenStatem> {
    Call(M::Call),
    Cast(M::Cast),
    Info(M::Info),
}
