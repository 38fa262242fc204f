//! Waiting for a future on a thread that may block.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::budget;
use crate::context;
use crate::pool::{Parked, ThreadParker};

/// A parker as a waker.
struct Signal(ThreadParker);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// Signals of this thread that no `block_on` uses at present; more than one only if calls
    /// were nested.
    static SIGNALS: RefCell<Vec<Arc<Signal>>> = const { RefCell::new(Vec::new()) };
}

/// Polls a future on this thread until it is ready, and sleeps in between.
///
/// It needs no runtime and brings none: what runs is this one future. To have a runtime around
/// the future use [`Runtime::block_on`](crate::Runtime::block_on).
///
/// ```
/// assert_eq!(rekindle_scheduler::block_on(async { 6 * 7 }), 42);
/// ```
///
/// # Panics
///
/// On a worker of any runtime, and inside a simulation: there it would hold up everybody else.
/// Await the future instead.
pub fn block_on<F: Future>(future: F) -> F::Output {
    refuse_inside();
    let signal = SIGNALS.with_borrow_mut(Vec::pop);
    let signal = signal.unwrap_or_else(|| Arc::new(Signal(ThreadParker::new())));
    let output = wait(&signal, future);
    // A token that came late makes the next user poll once for nothing.
    SIGNALS.with_borrow_mut(|signals| signals.push(signal));
    output
}

fn wait<F: Future>(signal: &Arc<Signal>, future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::clone(signal));
    let mut context = Context::from_waker(&waker);
    loop {
        budget::reset(true);
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => {
                let woken = signal.0.park(None);
                debug_assert_eq!(woken, Parked::Notified);
            }
        }
    }
}

/// # Panics
///
/// If this thread must not block.
pub(crate) fn refuse_inside() {
    assert!(
        !context::must_not_block(),
        "`block_on` was called by a task: it would block the worker, and with it every task that \
         the worker runs. Await the future instead, or move the call into `blocking`"
    );
}
