//! Foreign code in a behaviour's loop.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::exit::ExitReason;
use crate::unwind;

/// Runs a future, and gives a panic in it, or a [`raise`](crate::raise), as the reason: for a
/// behaviour that survives what its callbacks do, or cleans up after it.
///
/// # Errors
///
/// The reason with which the process would have ended.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, guarded, raise};
///
/// assert_eq!(guarded(async { 7 }).await, Ok(7));
/// assert!(guarded(async { panic!("oh") }).await.is_err_and(|reason: ExitReason| reason.is_panic()));
/// assert_eq!(guarded(async { raise(ExitReason::Shutdown) }).await, Err::<(), _>(ExitReason::Shutdown));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn guarded<F: Future>(future: F) -> impl Future<Output = Result<F::Output, ExitReason>> {
    Guarded { future }
}

pin_project! {
    /// See [`guarded`](fn@guarded).
    pub(super) struct Guarded<F> {
        #[pin]
        pub(super) future: F,
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, ExitReason>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match unwind::catch(|| future.poll(cx)) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(ExitReason::from_panic(payload))),
        }
    }
}

/// Drops the state of a behaviour that ends with a reason, and gives the reason that results.
pub(super) fn ended_by<S>(reason: ExitReason, state: S) -> ExitReason {
    reason.after_drop(unwind::catch(move || drop(state)))
}

/// As [`guarded`](fn@guarded), but awaits a callback in its place, so that its future is stored
/// once.
macro_rules! guard {
    ($callback:expr) => {
        $crate::behaviour::guarded::Guarded { future: $callback }.await
    };
}

pub(super) use guard;
