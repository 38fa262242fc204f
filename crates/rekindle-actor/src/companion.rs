//! A tokio runtime beside ours, and futures that run over there.
//!
//! A tokio type looks for its runtime in a variable of the thread, which a guard sets for as long
//! as it lives. So every thread that runs processes holds such a guard, on its own stack, for its
//! whole life (`Builder::around_threads` of the scheduler): a poll costs nothing more, and nothing
//! can be forgotten.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::process::Owner;
use crate::wait::WaitKind;

/// How long the end of a companion waits for functions that block over there, which nothing can
/// stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which tokio runtime there is beside ours.
#[derive(Debug, Default)]
pub(crate) enum Choice {
    #[default]
    None,
    /// One of our own.
    Own { workers: usize },
    /// The user's.
    Theirs(Handle),
}

/// A tokio runtime of our own; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Companion(Option<Runtime>);

impl Choice {
    /// The handle to enter, and what must be kept.
    pub(crate) fn start(self) -> io::Result<(Option<Handle>, Option<Companion>)> {
        let workers = match self {
            Choice::None => return Ok((None, None)),
            Choice::Theirs(handle) => return Ok((Some(handle), None)),
            Choice::Own { workers: 0 } => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a tokio runtime needs at least one worker; `tokio_workers(0)` would run nothing",
                ));
            }
            Choice::Own { workers } => workers,
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name("rekindle-tokio")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok((Some(handle), Some(Companion(Some(runtime)))))
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take() else { return };
        // On a thread of its own: whoever drops us may be a task of another tokio runtime, where
        // waiting is not allowed.
        let ending = thread::Builder::new()
            .name("rekindle-tokio-shutdown".to_owned())
            .spawn(move || runtime.shutdown_timeout(PATIENCE));
        match ending {
            // It does not panic.
            Ok(ending) => drop(ending.join()),
            // The runtime was dropped with the closure.
            Err(error) => rekindle_scheduler::log_guarded(
                || log::error!(target: "rekindle", "no thread to end tokio: {error}"),
            ),
        }
    }
}

/// Runs a future on the tokio runtime beside this one, at once, and gives its value: for what must
/// be polled over there (a `LocalSet`, `block_in_place`, a library that counts on tokio's budget),
/// or is too busy for the workers here.
///
/// Most things need no such thing: with [`Builder::tokio`](crate::Builder::tokio) tokio's types
/// work in every process as they are.
///
/// The future belongs to whoever holds the [`TokioTask`]. If that is dropped, or the process that
/// awaits it dies, the future is aborted: it is dropped over there at its next await.
///
/// ```
/// # let runtime = rekindle_actor::Builder::new().tokio().start()?;
/// runtime.block_on(async {
///     use rekindle_actor::{TokioTaskError, tokio_task};
///
///     assert_eq!(tokio_task(async { 6 * 7 }).await.unwrap(), 42);
///
///     let broken = tokio_task(async { if true { panic!("over there") } });
///     let Err(TokioTaskError::Panicked(text)) = broken.await else { unreachable!() };
///     assert_eq!(text, "over there");
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Four traps
///
/// They lie where two runtimes meet, whether or not this function is used:
///
/// 1. **What a library spawns has escaped.** `tokio::spawn` makes a task that has no links, no
///    supervisor and no crash report, and that outlives the process which called it. Spawn
///    processes, or use this function; a library that spawns by itself (a connection pool) should
///    be owned by one process, and closed in its `terminate`.
/// 2. **There are two clocks.** `tokio::time::pause` and `advance` move tokio's and not ours;
///    [`Runtime::simulated`](crate::Runtime::simulated) moves ours, and has no tokio at all.
/// 3. **Tokio's cooperation budget is not active in a process.** Its channels and sockets do not
///    make a busy loop give way here. Our own receives do, once in 64 messages; a loop that awaits
///    nothing but tokio's types should call [`yield_now`](crate::yield_now) now and then.
/// 4. **Wake-ups come from another thread.** Tokio's driver polls sockets and timers on its own
///    worker and hands the wake-up over. That costs microseconds each time: `async-io` is the
///    nearer neighbour where there is a choice, and our own timers beat both.
///
/// # Under the simulator
///
/// Tokio's threads are real and nothing about them can be repeated from a seed, so a simulated
/// runtime has no tokio: this function gives [`TokioTaskError::NoTokio`], and tokio's own types
/// panic and say that there is no reactor. Hide them behind a process of their own, and put
/// another in its place for such tests.
#[track_caller]
pub fn tokio_task<F>(future: F) -> TokioTask<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    TokioTask {
        handle: Handle::try_current().ok().map(|tokio| tokio.spawn(future)),
        waits: false,
        at: Location::caller(),
    }
}

/// A future that runs on tokio: see [`tokio_task`]. It gives the value, or why there is none; to
/// drop it aborts the future.
///
/// ```
/// # let runtime = rekindle_actor::Builder::new().tokio().start()?;
/// runtime.block_on(async {
///     use rekindle_actor::{TokioTask, sleep, tokio_task};
///     use std::{sync::Arc, time::Duration};
///
///     // Dropped, it has the future dropped over there, and what that held.
///     let held = Arc::new(());
///     let holds = held.clone();
///     let task: TokioTask<()> = tokio_task(async move {
///         std::future::pending::<()>().await;
///         drop(holds);
///     });
///     drop(task);
///     while Arc::strong_count(&held) > 1 {
///         sleep(Duration::from_millis(1)).await;
///     }
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "to drop this aborts the future"]
pub struct TokioTask<T> {
    /// `None` without a tokio runtime.
    handle: Option<JoinHandle<T>>,
    waits: bool,
    at: &'static Location<'static>,
}

/// Why a future on tokio gave no value.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{TokioTaskError, tokio_task};
///
/// // In a simulated runtime there is no tokio; code that is tested there can do without.
/// let answer = match tokio_task(async { 7 }).await {
///     Err(TokioTaskError::NoTokio) => 0,
///     answer => answer.unwrap(),
/// };
/// assert_eq!(answer, 0);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokioTaskError {
    /// It panicked, with this text. It had whatever effect it had until then.
    Panicked(String),
    /// It was aborted: over there, or because that runtime was shut down.
    Cancelled,
    /// It never began: there is no tokio runtime here. The runtime must be built with
    /// [`Builder::tokio`](crate::Builder::tokio) or
    /// [`Builder::tokio_handle`](crate::Builder::tokio_handle), and not be simulated.
    NoTokio,
}

impl fmt::Display for TokioTaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokioTaskError::Panicked(text) => write!(f, "the future panicked on tokio: {text}"),
            TokioTaskError::Cancelled => f.write_str("the future was cancelled on tokio"),
            TokioTaskError::NoTokio => f.write_str(
                "there is no tokio runtime here: build the runtime with `Builder::tokio`",
            ),
        }
    }
}

impl std::error::Error for TokioTaskError {}

impl<T> Future for TokioTask<T> {
    type Output = Result<T, TokioTaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(handle) = &mut this.handle else {
            return Poll::Ready(Err(TokioTaskError::NoTokio));
        };
        let joined = Pin::new(handle).poll(cx);
        if joined.is_ready() == this.waits {
            this.waits = !this.waits;
            let (begins, at) = (this.waits, this.at);
            Owner::current(|owner| match owner {
                Some(owner) if begins => owner.process().waiting.begin(WaitKind::Task, at),
                Some(owner) => owner.process().waiting.end(),
                None => {}
            });
        }
        joined.map_err(|error| match error.try_into_panic() {
            Ok(payload) => TokioTaskError::Panicked(text(payload)),
            Err(_) => TokioTaskError::Cancelled,
        })
    }
}

impl<T> Drop for TokioTask<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}

impl<T> fmt::Debug for TokioTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioTask")
            .field("id", &self.handle.as_ref().map(JoinHandle::id))
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What a panic said.
fn text(payload: Box<dyn Any + Send>) -> String {
    let text = match payload.downcast_ref::<&'static str>() {
        Some(text) => Some((*text).to_owned()),
        None => payload.downcast_ref::<String>().cloned(),
    };
    crate::unwind::discard(payload);
    text.unwrap_or_else(|| "a panic with a payload that is not text".to_owned())
}
