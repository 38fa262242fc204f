//! What a callback may give instead of the full `Step`: for callbacks that are written as plain
//! methods, as those under `#[gen_server]` are.

use super::gen_server::{GenServer, Init, Next, Step};
use crate::exit::ExitReason;

/// What a callback may give: nothing, a [`Next`], or a `Result` of either, whose error is the
/// reason to crash with. A [`Step`] is one of the latter.
///
/// ```
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never};
/// # struct Idle;
/// # impl GenServer for Idle {
/// #     type Args = (); type Call = Never; type Cast = Never; type Info = Never; type Continue = Never;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Idle)) }
/// # }
/// use rekindle_actor::{IntoStep, Next, Step};
///
/// fn parse(text: &str) -> Result<(), std::num::ParseIntError> { text.parse::<i64>().map(drop) }
///
/// let step: Step<Idle> = parse("7").into_step();
/// assert!(matches!(step, Ok(Next::Wait)));
/// let step: Step<Idle> = parse("seven").into_step();
/// assert!(step.is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "a callback cannot give `{Self}`",
    label = "not what a callback gives",
    note = "a `#[cast]`, `#[info]` or `#[continues]` gives nothing, a `Next<Self>`, a `Step<Self>`, or a `Result<(), E>` whose error is the reason to crash with",
    note = "an error becomes a reason if it implements `std::error::Error`; text does by `ExitReason::msg(..)`"
)]
pub trait IntoStep<G: GenServer> {
    /// The full decision.
    ///
    /// # Errors
    ///
    /// The server is to crash with the reason.
    fn into_step(self) -> Step<G>;
}

impl<G: GenServer> IntoStep<G> for () {
    #[inline]
    fn into_step(self) -> Step<G> {
        Ok(Next::Wait)
    }
}

impl<G: GenServer> IntoStep<G> for Next<G> {
    #[inline]
    fn into_step(self) -> Step<G> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<G: GenServer, T: IntoStep<G>, E: Into<ExitReason>> IntoStep<G> for Result<T, E> {
    #[inline]
    fn into_step(self) -> Step<G> {
        self.map_err(Into::into).and_then(T::into_step)
    }
}

/// How an `init` may end: with the state, an [`Init`], or a `Result` of either, whose error is the
/// reason that the start fails with.
///
/// ```
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never};
/// # struct Idle;
/// # impl GenServer for Idle {
/// #     type Args = (); type Call = Never; type Cast = Never; type Info = Never; type Continue = Never;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Idle)) }
/// # }
/// use rekindle_actor::IntoInit;
///
/// assert!(matches!(Idle.into_init(), Ok(Init::Ready(Idle))));
/// let failed: Result<Idle, ExitReason> = Err(ExitReason::msg("no database"));
/// assert!(failed.into_init().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "an `init` of `{G}` cannot give `{Self}`",
    label = "not how an `init` ends",
    note = "`init` gives `Self`, an `Init<Self>`, or a `Result` of either; its error is the reason that the start fails with"
)]
pub trait IntoInit<G: GenServer> {
    /// The full decision.
    ///
    /// # Errors
    ///
    /// The start is to fail with the reason.
    fn into_init(self) -> Result<Init<G>, ExitReason>;
}

impl<G: GenServer> IntoInit<G> for G {
    #[inline]
    fn into_init(self) -> Result<Init<G>, ExitReason> {
        Ok(Init::Ready(self))
    }
}

impl<G: GenServer> IntoInit<G> for Init<G> {
    #[inline]
    fn into_init(self) -> Result<Init<G>, ExitReason> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<G: GenServer, T: IntoInit<G>, E: Into<ExitReason>> IntoInit<G> for Result<T, E> {
    #[inline]
    fn into_init(self) -> Result<Init<G>, ExitReason> {
        self.map_err(Into::into).and_then(T::into_init)
    }
}
