//! Why a process ended, and what an exit signal does to its receiver.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::pid::Pid;
use crate::unwind;

/// Why a process ended.
///
/// Cheap to clone: what is large lies behind an `Arc`. Three classes of reason matter to
/// everybody else:
///
/// | class    | reasons                                | crash report? | `transient` restarted? | kills linked processes? |
/// |----------|----------------------------------------|---------------|------------------------|-------------------------|
/// | normal   | `Normal`                               | no            | no                     | no                      |
/// | shutdown | `Shutdown`, `ShutdownWith`             | no            | no                     | yes                     |
/// | abnormal | everything else                        | yes           | yes                    | yes                     |
///
/// A process that is ended by an exit signal makes no crash report, whatever the reason: it has
/// not crashed; whoever sent the signal has, or wanted it so.
///
/// Any error becomes a reason by `?` in a callback: *crash with that reason*.
///
/// Two reasons are equal when they are of the same kind and read the same.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::ExitReason;
///
/// assert!(ExitReason::Normal.is_normal());
/// let reason = ExitReason::msg("no database");
/// assert_eq!(reason.to_string(), "no database");
///
/// // Any error is a reason, by `?`, and can be had back.
/// fn parse(text: &str) -> Result<i64, ExitReason> { Ok(text.parse()?) }
/// let reason = parse("seven").unwrap_err();
/// assert!(reason.downcast_ref::<std::num::ParseIntError>().is_some());
/// # });
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum ExitReason {
    /// The process did what it had to do.
    Normal,
    /// It was told to stop, by its supervisor as a rule.
    Shutdown,
    /// As `Shutdown`, with a word on why.
    ShutdownWith(Arc<String>),
    /// The argument of an exit signal that cannot be trapped. A process that receives it ends
    /// with `Killed`.
    Kill,
    /// It was killed.
    Killed,
    /// There was no such process.
    NoProc,
    /// The connection to the process's node was lost. (No process of today's ends with this.)
    NoConnection,
    /// A panic in the process's own code: what it said, and where.
    Panic(Arc<Panic>),
    /// An error, or any other reason that user code gave.
    Error(Failure),
}

/// What is known of a panic.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, Task};
///
/// let failed = Task::spawn_nolink(async { if true { panic!("on purpose") } });
/// let Err(ExitReason::Panic(panic)) = failed.await else { panic!("it panics") };
/// assert_eq!(panic.message, "on purpose");
/// assert!(panic.location.as_ref().is_some_and(|at| at.contains(".rs:")));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panic {
    /// The text of the panic.
    pub message: String,
    /// File, line and column, where the panic hook saw it.
    pub location: Option<String>,
    /// The backtrace, if `RUST_BACKTRACE` asked for one.
    pub backtrace: Option<String>,
}

/// An error as an exit reason; the error itself can be had back by
/// [`ExitReason::downcast_ref`].
///
/// ```
/// use rekindle_actor::ExitReason;
///
/// let reason = ExitReason::from("seven".parse::<i32>().unwrap_err());
/// let ExitReason::Error(failure) = reason else { panic!("an error was given") };
/// assert_eq!(failure.error().to_string(), "invalid digit found in string");
/// assert!(failure.error().is::<std::num::ParseIntError>());
/// ```
#[derive(Clone)]
pub struct Failure(Arc<Box<dyn Error + Send + Sync>>);

impl Failure {
    /// The error and its causes.
    fn text(&self) -> String {
        let mut text = self.error().to_string();
        let mut cause = self.error().source();
        while let Some(error) = cause {
            let more = error.to_string();
            // Many errors show their cause themselves: not twice.
            if !text.ends_with(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = error.source();
        }
        text
    }
}

/// What foreign code makes of an error, or that it panicked: a supervisor shows the reasons of its
/// children, and must not end by them.
fn shown(text: impl FnOnce() -> String) -> String {
    unwind::catch(text).unwrap_or_else(|payload| {
        let panic = ExitReason::from_panic(payload);
        format!("an error that cannot be shown: {panic}")
    })
}

impl Failure {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &**self.0
    }
}

/// A reason that was given as text.
#[derive(Debug)]
struct Message(String);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Message {}

/// The reasons that carry nothing.
pub(crate) static WORDS: [ExitReason; 6] = [
    ExitReason::Normal,
    ExitReason::Shutdown,
    ExitReason::Kill,
    ExitReason::Killed,
    ExitReason::NoProc,
    ExitReason::NoConnection,
];

impl ExitReason {
    /// An abnormal reason that carries an error.
    ///
    /// ```
    /// use rekindle_actor::ExitReason;
    ///
    /// // Of any error, also one that is in a box already.
    /// let boxed: Box<dyn std::error::Error + Send + Sync> = "no database".into();
    /// assert_eq!(ExitReason::error(boxed).to_string(), "no database");
    /// ```
    #[must_use]
    pub fn error(error: impl Into<Box<dyn Error + Send + Sync>>) -> ExitReason {
        ExitReason::Error(Failure(Arc::new(error.into())))
    }

    /// An abnormal reason in words.
    ///
    /// ```
    /// use rekindle_actor::ExitReason;
    ///
    /// let reason = ExitReason::msg(format!("{} of {} pages are missing", 2, 7));
    /// assert_eq!(reason.to_string(), "2 of 7 pages are missing");
    /// assert_eq!(reason, ExitReason::msg("2 of 7 pages are missing"));
    /// assert!(!reason.is_clean());
    /// ```
    #[must_use]
    pub fn msg(text: impl Into<String>) -> ExitReason {
        ExitReason::error(Message(text.into()))
    }

    /// A shutdown, with a word on why.
    #[must_use]
    pub fn shutdown_with(why: impl Into<String>) -> ExitReason {
        ExitReason::ShutdownWith(Arc::new(why.into()))
    }

    /// The place in [`WORDS`] of one that carries nothing.
    #[inline]
    pub(crate) fn word(&self) -> Option<u8> {
        Some(match self {
            ExitReason::Normal => 0,
            ExitReason::Shutdown => 1,
            ExitReason::Kill => 2,
            ExitReason::Killed => 3,
            ExitReason::NoProc => 4,
            ExitReason::NoConnection => 5,
            ExitReason::ShutdownWith(_) | ExitReason::Panic(_) | ExitReason::Error(_) => {
                return None;
            }
        })
    }

    /// Whether this is `Normal`.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        matches!(self, ExitReason::Normal)
    }

    /// Whether this is `Normal`, `Shutdown` or `ShutdownWith`: an end on purpose.
    ///
    /// ```
    /// use rekindle_actor::ExitReason;
    ///
    /// assert!(ExitReason::Normal.is_clean() && ExitReason::Shutdown.is_clean());
    /// assert!(ExitReason::shutdown_with("it is late").is_clean());
    /// assert!(!ExitReason::Killed.is_clean() && !ExitReason::msg("broken").is_clean());
    /// ```
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(
            self,
            ExitReason::Normal | ExitReason::Shutdown | ExitReason::ShutdownWith(_)
        )
    }

    /// Whether the process panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, ExitReason::Panic(_))
    }

    /// The error behind the reason, if it is an `E`.
    ///
    /// ```
    /// use rekindle_actor::ExitReason;
    /// let reason = ExitReason::from("x".parse::<i32>().unwrap_err());
    /// assert!(reason.downcast_ref::<std::num::ParseIntError>().is_some());
    /// ```
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            ExitReason::Error(failure) => failure.error().downcast_ref(),
            _ => None,
        }
    }

    /// The reason that results when what ended with this one was dropped: a panic on the way is the
    /// reason of a clean end, and leaves an abnormal one as it is.
    pub(crate) fn after_drop(self, dropped: Result<(), Box<dyn Any + Send>>) -> ExitReason {
        match dropped {
            Err(payload) if self.is_clean() => ExitReason::from_panic(payload),
            Err(payload) => {
                unwind::discard(payload);
                self
            }
            Ok(()) => self,
        }
    }

    /// A reason from what a panic carried.
    pub(crate) fn from_panic(payload: Box<dyn Any + Send>) -> ExitReason {
        let payload = match payload.downcast::<Raised>() {
            Ok(raised) => return raised.0,
            Err(payload) => payload,
        };
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "a panic with a payload that is not text".to_owned()
        };
        crate::unwind::discard(payload);
        let (location, backtrace) = crate::unwind::take_noted();
        ExitReason::Panic(Arc::new(Panic {
            message,
            location,
            backtrace,
        }))
    }
}

/// What [`raise`](crate::raise) unwinds with.
pub(crate) struct Raised(pub(crate) ExitReason);

impl<E: Error + Send + Sync + 'static> From<E> for ExitReason {
    fn from(error: E) -> Self {
        ExitReason::error(error)
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitReason::Normal => f.write_str("normal"),
            ExitReason::Shutdown => f.write_str("shutdown"),
            ExitReason::ShutdownWith(why) => write!(f, "shutdown: {why}"),
            ExitReason::Kill => f.write_str("kill"),
            ExitReason::Killed => f.write_str("killed"),
            ExitReason::NoProc => f.write_str("no such process"),
            ExitReason::NoConnection => f.write_str("no connection to its node"),
            ExitReason::Panic(panic) => match &panic.location {
                Some(at) => write!(f, "panicked at {at}: {}", panic.message),
                None => write!(f, "panicked: {}", panic.message),
            },
            ExitReason::Error(failure) => f.write_str(&shown(|| failure.text())),
        }
    }
}

impl fmt::Debug for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitReason::Normal => f.write_str("Normal"),
            ExitReason::Shutdown => f.write_str("Shutdown"),
            ExitReason::ShutdownWith(why) => f.debug_tuple("ShutdownWith").field(why).finish(),
            ExitReason::Kill => f.write_str("Kill"),
            ExitReason::Killed => f.write_str("Killed"),
            ExitReason::NoProc => f.write_str("NoProc"),
            ExitReason::NoConnection => f.write_str("NoConnection"),
            ExitReason::Panic(panic) => f.debug_tuple("Panic").field(&panic.message).finish(),
            ExitReason::Error(failure) => f.debug_tuple("Error").field(failure).finish(),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not through a text of our own unless it must be: the caller's width and `#` count.
        match unwind::catch(|| fmt::Debug::fmt(self.error(), f)) {
            Ok(written) => written,
            Err(payload) => f.write_str(&shown(|| std::panic::resume_unwind(payload))),
        }
    }
}

impl PartialEq for ExitReason {
    fn eq(&self, other: &Self) -> bool {
        use ExitReason as R;
        match (self, other) {
            (R::ShutdownWith(one), R::ShutdownWith(two)) => one == two,
            (R::Panic(one), R::Panic(two)) => one.message == two.message,
            (R::Error(one), R::Error(two)) => {
                let read = |failure: &Failure| shown(|| failure.error().to_string());
                Arc::ptr_eq(&one.0, &two.0) || read(one) == read(two)
            }
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// How a body may end: with nothing, with a result, or with a reason of its own.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, IntoExitReason};
///
/// assert_eq!(().into_exit_reason(), ExitReason::Normal);
/// let failed: Result<(), ExitReason> = Err(ExitReason::msg("no"));
/// assert_eq!(failed.into_exit_reason(), ExitReason::msg("no"));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "a process's body cannot end with `{Self}`",
    note = "a body ends with nothing, an `ExitReason`, or a `Result<(), E>` whose error is the reason: end it with `;`, or use a `Task` for work with a result"
)]
pub trait IntoExitReason {
    /// The reason.
    fn into_exit_reason(self) -> ExitReason;
}

impl IntoExitReason for () {
    fn into_exit_reason(self) -> ExitReason {
        ExitReason::Normal
    }
}

impl IntoExitReason for ExitReason {
    fn into_exit_reason(self) -> ExitReason {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<ExitReason>> IntoExitReason for Result<(), E> {
    fn into_exit_reason(self) -> ExitReason {
        match self {
            Ok(()) => ExitReason::Normal,
            Err(error) => error.into(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl IntoExitReason for std::convert::Infallible {
    fn into_exit_reason(self) -> ExitReason {
        match self {}
    }
}

/// The type of what a function returns.
#[doc(hidden)]
#[allow(
    unnameable_types,
    reason = "only a way to write a type that has no stable name"
)]
pub trait Returned {
    /// The type.
    type Output;
}

impl<T> Returned for fn() -> T {
    type Output = T;
}

/// The type of `loop {}`, which has no name that stable Rust lets one write.
type NeverReturns = <fn() -> ! as Returned>::Output;

#[diagnostic::do_not_recommend]
impl IntoExitReason for NeverReturns {
    fn into_exit_reason(self) -> ExitReason {
        self
    }
}

/// Where an exit signal came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The other end of a link died. `active`: the link still stands on our side.
    Link { active: bool },
    /// Somebody called [`exit`](crate::exit).
    Explicit,
}

/// What an exit signal does to its receiver.
#[derive(Debug, PartialEq)]
#[must_use]
pub(crate) enum Reception {
    /// Nothing.
    Drop,
    /// It becomes a message.
    Deliver,
    /// The receiver ends with this reason.
    Terminate(ExitReason),
}

/// The exit-signal table; its rows are those of `docs/SEMANTICS.md`, in the same order.
pub(crate) fn receive_exit(
    origin: Origin,
    reason: &ExitReason,
    traps: bool,
    from_self: bool,
) -> Reception {
    match (origin, reason, traps) {
        (Origin::Link { active: false }, _, _) => Reception::Drop,
        (Origin::Explicit, ExitReason::Kill, _) => Reception::Terminate(ExitReason::Killed),
        (_, _, true) => Reception::Deliver,
        (_, ExitReason::Normal, false) if !from_self => Reception::Drop,
        (_, reason, false) => Reception::Terminate(reason.clone()),
    }
}

/// An exit signal that a trapping process received as a message.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, Info, Mailbox, exit, sleep, spawn, spawn_link, trap_exit};
/// use std::time::Duration;
///
/// let host = spawn(|mut inbox: Mailbox<()>| async move {
///     trap_exit(true);
///     let guest = spawn_link(sleep(Duration::MAX));
///     exit(guest, ExitReason::Kill);
///     let Info::Exit(exit) = inbox.next().await else { panic!("nothing else comes") };
///     assert_eq!((exit.from, exit.reason), (guest, ExitReason::Killed));
/// });
/// # sleep(Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !host.is_alive());
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exit {
    /// Who died, or who called [`exit`](crate::exit).
    pub from: Pid,
    /// The reason.
    pub reason: ExitReason,
    /// The crash report of the one who died, for the process that reports for its children: see
    /// [`report_for_children`](crate::report_for_children).
    pub report: Option<crate::report::PendingReport>,
    pub(crate) by_link: bool,
}

impl Exit {
    /// Whether it came over a link: then [`from`](Self::from) has ended. Otherwise somebody called
    /// [`exit`](crate::exit), and may well live on.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{ExitReason, Info, Mailbox, exit, sleep, spawn, spawn_link, trap_exit};
    ///
    /// let host = spawn(|mut inbox: Mailbox<()>| async move {
    ///     trap_exit(true);
    ///     spawn_link(async { ExitReason::Shutdown });
    ///     let Info::Exit(exit) = inbox.next().await else { panic!("nothing else comes") };
    ///     assert!(exit.came_by_link());
    ///     let Info::Exit(exit) = inbox.next().await else { panic!("nothing else comes") };
    ///     assert!(!exit.came_by_link());
    /// });
    /// sleep(std::time::Duration::from_secs(1)).await;
    /// exit(host.pid(), ExitReason::Shutdown);
    /// # sleep(std::time::Duration::from_secs(1)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !host.is_alive());
    /// # });
    /// ```
    #[must_use]
    pub fn came_by_link(&self) -> bool {
        self.by_link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIVE: Origin = Origin::Link { active: true };
    const GONE: Origin = Origin::Link { active: false };

    #[test]
    fn a_reason_that_carries_nothing_is_found_by_its_word() {
        for (place, reason) in WORDS.iter().enumerate() {
            assert_eq!(reason.word().map(usize::from), Some(place), "{reason}");
        }
        assert_eq!(ExitReason::msg("more than a word").word(), None);
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = ExitReason::error("x".parse::<u8>().unwrap_err());
        let call = crate::CallError::Exited(cause);
        // It names its cause itself, and gives it as its source as well.
        let text = ExitReason::from(call).to_string();
        assert_eq!(text.matches("invalid digit").count(), 1, "{text}");
    }

    #[test]
    fn the_exit_signal_table() {
        use ExitReason as R;
        let ends = |r: ExitReason| Reception::Terminate(r);
        let rows = [
            (GONE, R::Killed, false, false, Reception::Drop),
            (GONE, R::Killed, true, false, Reception::Drop),
            (Origin::Explicit, R::Kill, true, false, ends(R::Killed)),
            (Origin::Explicit, R::Kill, false, false, ends(R::Killed)),
            (ACTIVE, R::Killed, true, false, Reception::Deliver),
            (ACTIVE, R::Normal, true, false, Reception::Deliver),
            (
                Origin::Explicit,
                R::Shutdown,
                true,
                false,
                Reception::Deliver,
            ),
            (ACTIVE, R::Normal, false, false, Reception::Drop),
            (Origin::Explicit, R::Normal, false, false, Reception::Drop),
            (Origin::Explicit, R::Normal, false, true, ends(R::Normal)),
            (ACTIVE, R::Shutdown, false, false, ends(R::Shutdown)),
            (ACTIVE, R::Killed, false, false, ends(R::Killed)),
            // A process may *end* with Kill by its own word; over a link it can be trapped.
            (ACTIVE, R::Kill, true, false, Reception::Deliver),
            (ACTIVE, R::Kill, false, false, ends(R::Kill)),
        ];
        for (origin, reason, traps, from_self, expected) in rows {
            let got = receive_exit(origin, &reason, traps, from_self);
            assert_eq!(
                got, expected,
                "{origin:?} {reason:?} traps={traps} self={from_self}"
            );
        }
    }

    #[test]
    fn a_reason_is_two_words() {
        assert_eq!(size_of::<ExitReason>(), 16);
    }
}
