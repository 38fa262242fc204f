//! An application: one root supervisor, run until it ends or the system asks it to stop.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rekindle_actor::{
    Builder, ExitReason, Info, Mailbox, Pid, ReplyTo, Runtime, Sender, exit, log_guarded, monitor,
    spawn, trap_exit,
};
use rekindle_supervisor::Supervisor;

/// How an application ended. [`run`] makes an exit status of it:
///
/// | what happened                                          | exit status               |
/// |--------------------------------------------------------|---------------------------|
/// | a signal asked for the end, and the tree stopped       | 0                         |
/// | the root supervisor was stopped from inside, `Normal`  | 0                         |
/// | the root supervisor gave up, or crashed                | 1                         |
/// | the tree did not start, or the system gave no threads  | 1                         |
/// | a second signal came before the tree had stopped       | 128 + the signal's number |
///
/// ```
/// use rekindle::AutoShutdown;
/// use rekindle::app::{self, Outcome};
/// use rekindle::prelude::*;
///
/// // When its one significant child has ended, the root has nothing left to do.
/// let outcome = app::run_on(&Runtime::simulated(1), || {
///     let work = ChildSpec::task(|| sleep(Duration::from_secs(60)));
///     Supervisor::one_for_one()
///         .auto_shutdown(AutoShutdown::AnySignificant)
///         .child(work.restart(Restart::Transient).significant(true))
/// });
/// assert_eq!(outcome, Outcome::Ended { reason: ExitReason::Shutdown });
/// assert!(!outcome.is_success()); // it was not asked to end
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// A signal asked for the end, and the tree stopped.
    Stopped,
    /// The root supervisor ended by itself, with this reason. One that gives up ends with
    /// `Shutdown`; one that was stopped from inside the tree, with `Normal`.
    Ended {
        /// The supervisor's exit reason.
        reason: ExitReason,
    },
    /// The tree, or the runtime, did not start.
    NotStarted(String),
}

impl Outcome {
    /// Whether the application did what it was asked to.
    #[must_use]
    pub fn is_success(&self) -> bool {
        // A root supervisor that ends by itself has given up: nobody inside the tree may stop it
        // with anything but `Normal`.
        matches!(
            self,
            Outcome::Stopped
                | Outcome::Ended {
                    reason: ExitReason::Normal
                }
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Stopped => f.write_str("stopped by a signal"),
            Outcome::Ended { reason } => write!(f, "the root supervisor ended: {reason}"),
            Outcome::NotStarted(why) => write!(f, "the application did not start: {why}"),
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        if outcome.is_success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// What the process in charge of the application is told.
enum Order {
    /// A signal came.
    Stop { signal: i32 },
    /// Whoever runs the application waits for its end.
    Await(ReplyTo<Outcome>),
}

/// Runs a tree on a runtime with the default settings, until the root supervisor ends, or
/// SIGTERM or SIGINT asks for the end; gives the exit status for `main`.
///
/// The tree is stopped as supervisors stop: children in reverse order, each within its own
/// deadline. A second signal ends the program at once.
///
/// ```no_run
/// use rekindle::prelude::*;
/// # struct Counter;
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = Never; type Cast = Never; type Info = Never; type Continue = Never;
/// #     async fn init(_: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter)) }
/// # }
/// fn main() -> std::process::ExitCode {
///     rekindle::app::run(|| Supervisor::one_for_one()
///         .intensity(3, Duration::from_secs(5))
///         .child(Counter::child(0).id("one"))
///         .child(DynamicSupervisor::child().name("jobs")))
/// }
/// ```
pub fn run(root: impl FnOnce() -> Supervisor + Send + 'static) -> ExitCode {
    run_with(Builder::new(), root)
}

/// As [`run`], with settings for the runtime.
///
/// ```
/// use rekindle::{SupervisorRef, app, prelude::*};
/// use std::process::ExitCode;
///
/// let status = app::run_with(Builder::new().workers(2).thread_name("shop"), || {
///     let work = ChildSpec::task(|| async {
///         spawn(async { SupervisorRef::named("shop").stop().await });
///     });
///     Supervisor::one_for_one().name("shop").child(work)
/// });
/// assert_eq!(status, ExitCode::SUCCESS); // it was stopped from inside, in good order
/// ```
pub fn run_with(builder: Builder, root: impl FnOnce() -> Supervisor + Send + 'static) -> ExitCode {
    let outcome = match builder.start() {
        Ok(runtime) => run_on(&runtime, root),
        Err(error) => Outcome::NotStarted(error.to_string()),
    };
    match &outcome {
        outcome if outcome.is_success() => {
            log_guarded(|| log::info!(target: "rekindle", "{outcome}"))
        }
        outcome => {
            log_guarded(|| log::error!(target: "rekindle", "{outcome}"));
            if log::max_level() == log::LevelFilter::Off {
                say(format_args!("{outcome}"));
            }
        }
    }
    outcome.into()
}

/// As [`run`], on a runtime of yours, which goes on afterwards. Inside of a simulation no signals
/// are listened to.
///
/// ```
/// use rekindle::app::{self, Outcome};
/// use rekindle::prelude::*;
///
/// let runtime = Runtime::simulated(1);
/// let outcome = app::run_on(&runtime, || {
///     let broken = ChildSpec::task(|| async {})
///         .id("database")
///         .before_start(|| async { Err(StartError::Failed(ExitReason::msg("no disk"))) });
///     Supervisor::one_for_one().child(broken)
/// });
/// match outcome {
///     Outcome::NotStarted(why) => assert!(why.contains("no disk")),
///     other => panic!("{other}, without a disk"),
/// }
/// // The runtime is there still, and can try again.
/// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
/// ```
pub fn run_on(runtime: &Runtime, root: impl FnOnce() -> Supervisor + Send + 'static) -> Outcome {
    let simulated = runtime.simulation().is_some();
    let ended = runtime.run(async move {
        let chief = spawn(|inbox: Mailbox<Order>| command(inbox, root));
        let signals = if simulated {
            None
        } else {
            Signals::listen(&chief)
        };
        let outcome = chief.call(Order::Await).no_timeout().await;
        drop(signals);
        outcome
    });
    match ended {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::NotStarted(error.to_string()),
        Err(reason) => Outcome::Ended { reason },
    }
}

/// The process in charge: starts the tree, waits for its end or for an order, stops it.
async fn command(mut inbox: Mailbox<Order>, root: impl FnOnce() -> Supervisor) {
    trap_exit(true);
    let (tree, failure) = match root().start_link().await {
        Ok(handle) => (Some(handle.pid()), None),
        Err(error) => (None, Some(Outcome::NotStarted(error.to_string()))),
    };
    if let Some(tree) = tree {
        monitor(tree);
    }
    let mut awaited: Option<ReplyTo<Outcome>> = None;
    let mut outcome = failure;
    let mut asked = false;
    loop {
        if let (Some(_), Some(from)) = (&outcome, awaited.take_if(|_| outcome.is_some())) {
            return from.reply(outcome.take().unwrap_or(Outcome::Stopped));
        }
        match inbox.next().await {
            Info::Message(Order::Await(from)) => awaited = Some(from),
            Info::Message(Order::Stop { signal }) if !asked => {
                asked = true;
                log_guarded(
                    || log::info!(target: "rekindle", "signal {signal}: stopping the tree"),
                );
                tell(tree);
            }
            Info::Message(Order::Stop { .. }) => {}
            Info::Down(down) if down.pid == tree => {
                outcome = Some(if asked && down.reason.is_clean() {
                    Outcome::Stopped
                } else {
                    Outcome::Ended {
                        reason: down.reason,
                    }
                });
            }
            _ => {}
        }
    }
}

/// Asks the root supervisor to stop, as its parent does.
fn tell(tree: Option<Pid>) {
    if let Some(tree) = tree {
        exit(tree, ExitReason::Shutdown);
    }
}

/// Says something on stderr; if that is closed, nobody hears it, and nothing else happens.
fn say(what: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Listens for SIGTERM and SIGINT while the value lives.
struct Signals {
    #[cfg(unix)]
    handle: signal_hook::iterator::Handle,
}

impl Signals {
    /// The first signal is passed to the chief; the second ends the program at once.
    #[cfg(unix)]
    fn listen(chief: &Sender<Order>) -> Option<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut signals = match signal_hook::iterator::Signals::new([SIGTERM, SIGINT]) {
            Ok(signals) => signals,
            Err(error) => {
                log_guarded(
                    || log::error!(target: "rekindle", "signals cannot be listened to: {error}"),
                );
                return None;
            }
        };
        let handle = signals.handle();
        let chief = chief.clone();
        let asked = Arc::new(AtomicBool::new(false));
        // The wait for signals blocks, for as long as the application lives.
        drop(rekindle_actor::blocking(move || {
            for signal in signals.forever() {
                if asked.swap(true, Ordering::Relaxed) {
                    say(format_args!("second signal: ending at once"));
                    std::process::exit(128 + signal);
                }
                chief.send(Order::Stop { signal });
            }
        }));
        Some(Signals { handle })
    }

    /// Where there are no such signals the tree ends by itself.
    #[cfg(not(unix))]
    fn listen(_: &Sender<Order>) -> Option<Signals> {
        None
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        #[cfg(unix)]
        self.handle.close();
    }
}
