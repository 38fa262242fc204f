//! A future that is ready at a deadline.
//!
//! | state    | timer on a wheel | meaning                                                        |
//! |----------|------------------|----------------------------------------------------------------|
//! | new      | no               | not polled yet, or polled only after the deadline              |
//! | armed    | one              | was pending; the timer holds the waker of the last poll        |
//! | over     | no               | was ready; stays so                                            |
//!
//! A sleep that is over before it is polled never touches a wheel. One that is dropped takes its
//! timer along, so a thousand timeouts that did not come leave nothing behind.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Time, TimerAction, TimerKey};
use crate::context::with_handle;
use crate::runtime::Handle;

/// Why a poll outside a runtime panics.
const OUTSIDE: &str = "a `Sleep` was polled outside a runtime: nobody is there to wake it";

/// Waits until a time has come. Made by [`sleep`] and [`sleep_until`].
///
/// It is never ready early, and on an idle runtime at most about a millisecond late. Once ready it
/// stays ready. To drop it costs nothing and leaves nothing behind.
///
/// It belongs to the runtime in which it is first polled.
///
/// ```
/// use rekindle_scheduler::{Runtime, sleep};
/// use std::time::Duration;
///
/// let nap = sleep(Duration::from_secs(60));
/// assert_eq!(nap.deadline(), None); // outside of a runtime there is no now
/// let runtime = Runtime::simulated(1);
/// runtime.block_on(async {
///     let start = rekindle_scheduler::Handle::current().now();
///     assert_eq!(sleep(Duration::from_secs(5)).deadline(), Some(start + Duration::from_secs(5)));
///     nap.await;
///     assert!(rekindle_scheduler::Handle::current().now() >= start + Duration::from_secs(60));
/// });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    due: Due,
    /// Present while a timer of ours may be on a wheel.
    armed: Option<Armed>,
}

/// When to be ready.
#[derive(Copy, Clone, Debug)]
enum Due {
    At(Time),
    /// So long after the first poll: made where no runtime could say what time it was.
    After(Duration),
}

/// A timer that was started.
#[derive(Debug)]
struct Armed {
    /// Whose timer it is. The future may be moved to another runtime, or be dropped outside any.
    handle: Handle,
    key: TimerKey,
    /// What the timer wakes.
    waker: Waker,
}

/// Waits for a while.
///
/// The while begins now; outside a runtime, where there is no now, it begins at the first poll. One
/// that is too long for a [`Time`] lasts until [`Time::MAX`], that is, for ever.
///
/// # Panics
///
/// The future panics when it is first polled outside a runtime.
///
/// ```
/// use std::time::Duration;
/// use rekindle_scheduler::{Runtime, sleep};
///
/// let runtime = Runtime::simulated(1);
/// let before = runtime.handle().now();
/// runtime.block_on(sleep(Duration::from_secs(3600)));
/// assert!(runtime.handle().now() - before >= Duration::from_secs(3600));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    let due = with_handle(|handle| match handle {
        Some(handle) => Due::At(handle.now() + duration),
        None => Due::After(duration),
    });
    Sleep { due, armed: None }
}

/// Waits until a time of the current runtime; one that is past already makes it ready at once.
///
/// # Panics
///
/// The future panics when it is first polled outside a runtime.
///
/// In a loop it does not drift, as `sleep` would by the time that the work takes:
///
/// ```
/// use rekindle_scheduler::{Handle, Runtime, sleep, sleep_until};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// runtime.block_on(async {
///     let start = Handle::current().now();
///     for n in 1..=10 {
///         sleep(Duration::from_millis(300)).await; // the work
///         sleep_until(start + n * Duration::from_secs(1)).await;
///     }
///     assert_eq!((Handle::current().now() - start).as_secs(), 10);
/// });
/// ```
pub fn sleep_until(deadline: Time) -> Sleep {
    Sleep {
        due: Due::At(deadline),
        armed: None,
    }
}

impl Sleep {
    /// When it is ready; `None` before the first poll of a sleep that was made outside a runtime.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match self.due {
            Due::At(deadline) => Some(deadline),
            Due::After(_) => None,
        }
    }

    /// Settles when to be ready. The one moment at which it can still be unsettled is the first
    /// poll.
    fn settle(&mut self, now: Time) -> Time {
        let deadline = match self.due {
            Due::At(deadline) => deadline,
            Due::After(duration) => now + duration,
        };
        self.due = Due::At(deadline);
        deadline
    }

    /// Starts a timer for this waker, in place of the one for another waker if there is one.
    fn arm(&mut self, deadline: Time, waker: Waker) {
        let handle = match self.armed.take() {
            Some(Armed { handle, key, .. }) => {
                handle.stop_timer(key);
                handle
            }
            None => Handle::try_current().expect(OUTSIDE),
        };
        let key = handle.start_timer(deadline, TimerAction::Wake(waker.clone()));
        self.armed = Some(Armed { handle, key, waker });
    }

    /// Takes the timer off its wheel, if it is still there.
    fn disarm(&mut self) {
        if let Some(armed) = self.armed.take() {
            armed.handle.stop_timer(armed.key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let now = match &self.armed {
            Some(armed) => armed.handle.now(),
            None => with_handle(|handle| handle.expect(OUTSIDE).now()),
        };
        let deadline = self.settle(now);
        if now >= deadline {
            self.disarm();
            return Poll::Ready(());
        }
        if let Some(armed) = &self.armed
            && armed.waker.will_wake(context.waker())
        {
            return Poll::Pending;
        }
        self.arm(deadline, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;
    use std::task::Wake;

    use super::*;
    use crate::Runtime;

    const HOUR: Duration = Duration::from_secs(3600);

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn counting_waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        (Arc::clone(&count), Waker::from(count))
    }

    fn poll_once(sleep: &mut Sleep, waker: &Waker) -> Poll<()> {
        Pin::new(sleep).poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn is_ready_at_its_deadline_and_not_before() {
        let runtime = Runtime::simulated(1);
        let handle = runtime.handle().clone();
        runtime.block_on(async move {
            let start = handle.now();
            for nanos in [1, 999_999, 1_000_000, 1_000_001, 5_000_000_000] {
                let mut sleep = sleep(Duration::from_nanos(nanos));
                let deadline = sleep.deadline().unwrap();
                (&mut sleep).await;
                assert!(handle.now() >= deadline);
                assert!(handle.now() - deadline < Duration::from_millis(1));
                assert_eq!(poll_once(&mut sleep, Waker::noop()), Poll::Ready(()));
            }
            assert!(handle.now() - start < Duration::from_secs(6));
        });
    }

    #[test]
    fn a_deadline_that_is_past_is_ready_at_once() {
        let runtime = Runtime::simulated(1);
        runtime.block_on(async {
            let now = poll_fn(|_| Poll::Ready(with_handle(|handle| handle.unwrap().now()))).await;
            let mut at_once = sleep_until(now);
            assert_eq!(poll_once(&mut at_once, Waker::noop()), Poll::Ready(()));
            assert!(at_once.armed.is_none());
            assert_eq!(
                poll_once(&mut sleep(Duration::ZERO), Waker::noop()),
                Poll::Ready(())
            );
        });
    }

    #[test]
    fn a_sleep_without_end_can_be_polled_and_dropped() {
        let runtime = Runtime::simulated(1);
        runtime.block_on(async {
            let mut endless = sleep(Duration::MAX);
            assert_eq!(endless.deadline(), Some(Time::MAX));
            assert_eq!(poll_once(&mut endless, Waker::noop()), Poll::Pending);
        });
    }

    #[test]
    fn one_made_outside_a_runtime_begins_at_its_first_poll() {
        let outside = sleep(HOUR);
        assert_eq!(outside.deadline(), None);
        let runtime = Runtime::simulated(1);
        let before = runtime.handle().now();
        runtime.block_on(outside);
        assert!(runtime.handle().now() - before >= HOUR);
    }

    #[test]
    fn dropping_takes_the_timer_along_also_outside_the_runtime() {
        let runtime = Runtime::simulated(1);
        let (count, waker) = counting_waker();
        let mut abandoned = sleep(HOUR);
        {
            let _entered = runtime.handle().enter();
            assert_eq!(poll_once(&mut abandoned, &waker), Poll::Pending);
        }
        let key = abandoned.armed.as_ref().unwrap().key;
        assert!(runtime.handle().read_timer(key).is_some());
        drop(abandoned);
        assert_eq!(runtime.handle().read_timer(key), None);
        runtime.block_on(sleep(2 * HOUR));
        assert_eq!(count.0.load(SeqCst), 0);
        // Neither the future nor a wheel holds the waker any more.
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn the_waker_of_the_last_poll_is_woken_once() {
        let runtime = Runtime::simulated(1);
        let wakers = [counting_waker(), counting_waker()];
        let mut moved = sleep(HOUR);
        let _entered = runtime.handle().enter();
        for (_, waker) in &wakers {
            assert_eq!(poll_once(&mut moved, waker), Poll::Pending);
            let key = moved.armed.as_ref().unwrap().key;
            assert_eq!(poll_once(&mut moved, waker), Poll::Pending);
            assert_eq!(
                moved.armed.as_ref().unwrap().key,
                key,
                "the same waker, the same timer"
            );
        }
        drop(_entered);
        runtime.block_on(sleep(2 * HOUR));
        let woken = wakers.map(|(count, _)| count.0.load(SeqCst));
        assert_eq!(woken, [0, 1]);
        assert_eq!(poll_once(&mut moved, Waker::noop()), Poll::Ready(()));
    }

    #[test]
    #[should_panic(expected = "polled outside a runtime")]
    fn polling_outside_a_runtime_panics() {
        let _ = poll_once(&mut sleep(HOUR), Waker::noop());
    }
}
