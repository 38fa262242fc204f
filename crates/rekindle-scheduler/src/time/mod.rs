//! Time as the runtime sees it: points in time, the clock they come from, and the timers that wait
//! for them.
//!
//! Nothing above this module asks the operating system for the time, so that a simulated runtime
//! can say what time it is. Hence [`Time`], a point on *one runtime's* axis, and not
//! [`std::time::Instant`]: an `Instant` cannot be made up, and a simulator must make up every one.
//!
//! Suggested reading order: [`clock`] (where a `Time` comes from), [`wheel`] (who waits for which),
//! then [`sleep`](mod@sleep) (the future over both).
//!
//! | word     | meaning                                                         |
//! |----------|-----------------------------------------------------------------|
//! | time     | nanoseconds since the runtime started; 584 years fit            |
//! | tick     | one millisecond of that axis; what timers are sorted by         |
//! | deadline | the time before which a timer must not fire                     |
//! | fire     | carry out the timer's [`TimerAction`], once, outside every lock |
//!
//! All arithmetic here saturates. A deadline that does not fit lies at [`Time::MAX`], 584 years on,
//! and that is what the caller who asked for `Duration::MAX` meant.

pub(crate) mod clock;
pub(crate) mod wheel;

pub(crate) mod sleep;

use std::any::Any;
use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::Duration;

use crate::task::{TaskRef, discard_payload};

pub use self::sleep::{Sleep, sleep, sleep_until};

/// A point in time: nanoseconds since the start of one runtime.
///
/// Times of different runtimes cannot be compared in any useful way. In a simulated runtime time
/// moves only when the simulation moves it.
///
/// Addition saturates at [`Time::MAX`] and subtraction at zero; nothing here panics.
///
/// ```
/// use std::time::Duration;
/// use rekindle_scheduler::Time;
///
/// let later = Time::ZERO + Duration::from_millis(5);
/// assert_eq!(later - Time::ZERO, Duration::from_millis(5));
/// assert_eq!(Time::ZERO - later, Duration::ZERO);
/// assert_eq!(later + Duration::MAX, Time::MAX);
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The start of the runtime.
    pub const ZERO: Time = Time(0);

    /// The last time there is, 584 years after the start. In practice: never.
    pub const MAX: Time = Time(u64::MAX);

    /// The time `nanos` nanoseconds after the start of the runtime.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the start of the runtime.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// What has passed since the start of the runtime.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time `duration` later, or `None` if that lies after [`Time::MAX`].
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Time> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Time)
    }

    /// The time `duration` later, at most [`Time::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Time {
        self.checked_add(duration).unwrap_or(Time::MAX)
    }

    /// What passed between `earlier` and this time; zero if `earlier` is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// [`Time::saturating_add`].
    fn add(self, duration: Duration) -> Time {
        self.saturating_add(duration)
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, duration: Duration) {
        *self = self.saturating_add(duration);
    }
}

impl Sub for Time {
    type Output = Duration;

    /// [`Time::saturating_since`].
    fn sub(self, earlier: Time) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Time({:?})", self.as_duration())
    }
}

/// What a timer does when its deadline has come.
///
/// The runtime carries it out at most once, on one of its workers, with none of its locks held. An
/// action whose timer is cancelled is dropped instead.
///
/// ```
/// use rekindle_scheduler::{Runtime, TimerAction};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// let (ring, bell) = std::sync::mpsc::channel();
/// let egg = runtime.handle().now() + Duration::from_secs(270);
/// let action = TimerAction::Run(Box::new(move || ring.send("ready").unwrap()));
/// runtime.handle().start_timer(egg, action);
///
/// let simulation = runtime.simulation().unwrap();
/// simulation.advance(Duration::from_secs(269));
/// assert!(bell.try_recv().is_err());
/// simulation.advance(Duration::from_secs(1));
/// assert_eq!(bell.try_recv(), Ok("ready"));
/// ```
pub enum TimerAction {
    /// Calls the waker.
    Wake(Waker),
    /// Wakes the task; nothing happens if it has finished. Cheaper than its waker: no call through
    /// a vtable.
    Task(TaskRef),
    /// Calls the function. It must be short: a worker does nothing else meanwhile. A panic in it is
    /// caught and logged.
    Run(Box<dyn FnOnce() + Send>),
}

impl TimerAction {
    /// Carries the action out. The caller holds no lock.
    ///
    /// Wakers and functions are the user's and may panic. A worker that fires many timers at once
    /// must get to the rest of them, so a panic ends here, in the log.
    pub(crate) fn fire(self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| match self {
            TimerAction::Wake(waker) => waker.wake(),
            TimerAction::Task(task) => task.view().wake(),
            TimerAction::Run(function) => function(),
        }));
        if let Err(payload) = outcome {
            crate::log_guarded(|| {
                log::error!("a timer's action panicked: {}", panic_text(payload))
            });
        }
    }
}

impl fmt::Debug for TimerAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            TimerAction::Wake(_) => "Wake",
            TimerAction::Task(_) => "Task",
            TimerAction::Run(_) => "Run",
        };
        f.debug_tuple(kind).finish_non_exhaustive()
    }
}

/// Names one timer that was started, for as long as the runtime exists.
///
/// A key is never given out twice: the key of a timer that fired or was cancelled names nothing
/// from then on, so cancelling late is harmless.
///
/// ```
/// use rekindle_scheduler::{Runtime, TimerAction};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// let handle = runtime.handle();
/// let alarm = TimerAction::Run(Box::new(|| unreachable!("it is cancelled")));
/// let key = handle.start_timer(handle.now() + Duration::from_secs(60), alarm);
/// runtime.simulation().unwrap().advance(Duration::from_secs(20));
/// assert_eq!(handle.cancel_timer(key), Some(Duration::from_secs(40)));
/// assert_eq!(handle.cancel_timer(key), None); // too late, and harmless
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    /// Whose wheel the timer sits on.
    pub(crate) seat: u32,
    /// Which entry of that wheel it is.
    pub(crate) key: wheel::Key,
}

/// The text of a panic, and the end of its payload.
///
/// The payload is any type, and its destructor may panic once more. That second payload is leaked:
/// to drop it could go on like this for ever.
pub(crate) fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a payload that is not text".to_owned()
    };
    discard_payload(payload);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addition_saturates_at_the_end_of_time() {
        let almost = Time::from_nanos(u64::MAX - 1);
        assert_eq!(almost + Duration::from_nanos(1), Time::MAX);
        assert_eq!(almost + Duration::from_nanos(2), Time::MAX);
        assert_eq!(Time::MAX + Duration::MAX, Time::MAX);
        assert_eq!(Time::ZERO + Duration::MAX, Time::MAX);
    }

    #[test]
    fn checked_addition_says_when_the_end_of_time_is_passed() {
        let almost = Time::from_nanos(u64::MAX - 1);
        assert_eq!(almost.checked_add(Duration::from_nanos(1)), Some(Time::MAX));
        assert_eq!(almost.checked_add(Duration::from_nanos(2)), None);
        assert_eq!(Time::ZERO.checked_add(Duration::MAX), None);
    }

    #[test]
    fn subtraction_saturates_at_zero() {
        let (early, late) = (Time::from_nanos(3), Time::from_nanos(10));
        assert_eq!(late - early, Duration::from_nanos(7));
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(Time::MAX - Time::ZERO, Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn a_panicking_action_does_not_unwind_into_the_worker() {
        TimerAction::Run(Box::new(|| panic!("on purpose"))).fire();
    }

    #[test]
    fn panic_text_survives_a_payload_whose_destructor_panics() {
        struct Grenade;
        impl Drop for Grenade {
            fn drop(&mut self) {
                panic!("on purpose, from drop");
            }
        }
        assert_eq!(panic_text(Box::new(Grenade)), "a payload that is not text");
        assert_eq!(panic_text(Box::new("static")), "static");
        assert_eq!(panic_text(Box::new(String::from("owned"))), "owned");
    }
}
