//! What happens again and again.

use std::cell::RefCell;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::ReentrantMutex;
use rekindle_scheduler::{self as scheduler, Time, TimerAction, TimerKey};

use super::{TimerRef, now, run_after};
use crate::process::{AtExit, Owner};
use crate::recipient::Recipient;
use crate::spawn::spawn_at;

/// Something that happens again and again, until it is cancelled or dropped.
///
/// Made by [`send_interval`], [`apply_interval`] and [`apply_repeatedly`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{apply_repeatedly, sleep};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use std::time::Duration;
///
/// let runs = Arc::new(AtomicU32::new(0));
/// let counted = runs.clone();
/// let interval = apply_repeatedly(Duration::from_secs(1), move || {
///     let counted = counted.clone();
///     async move { drop(counted.fetch_add(1, Relaxed)) }
/// })
/// .unwrap();
/// sleep(Duration::from_millis(3500)).await;
/// interval.cancel();
/// sleep(Duration::from_secs(10)).await;
/// assert_eq!(runs.load(Relaxed), 3);
/// # });
/// ```
#[derive(Debug)]
#[must_use = "an interval ends when this is dropped"]
pub struct Interval {
    /// `None` once it is detached.
    state: Option<Shared>,
}

/// The lock is held while something happens, so that nothing does once `cancel` has returned. It
/// is a reentrant one, for what happens may drop a message that is refused, and with it anything.
type Shared = Arc<ReentrantMutex<RefCell<State>>>;

#[derive(Debug)]
struct State {
    /// The next time; `None` once cancelled, and while it happens.
    next: Option<TimerKey>,
    cancelled: bool,
}

impl Interval {
    /// Stops the interval. What it sent before may still lie in the mailbox, and what it started
    /// goes on; nothing more comes.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<()>| async move {
    /// use rekindle_actor::send_interval;
    /// use std::time::Duration;
    ///
    /// let ticking = send_interval(Duration::from_secs(1), &inbox.recipient(), ()).unwrap();
    /// inbox.recv().await;
    /// ticking.cancel();
    /// assert_eq!(inbox.recv_timeout(Duration::from_secs(5)).await, None);
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    pub fn cancel(self) {
        drop(self);
    }

    /// Lets the interval go on for as long as its runtime lives.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<()>| async move {
    /// use rekindle_actor::send_interval;
    /// use std::time::Duration;
    ///
    /// // Dropped, the handle would end it.
    /// send_interval(Duration::from_secs(1), &inbox.recipient(), ()).unwrap().detach();
    /// for _ in 0..3 {
    ///     inbox.recv().await;
    /// }
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    pub fn detach(mut self) {
        self.state = None;
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        let Some(state) = &self.state else { return };
        let guard = state.lock();
        let mut state = guard.borrow_mut();
        state.cancelled = true;
        let next = state.next.take();
        drop(state);
        drop(guard);
        if let Some(key) = next {
            super::stop(key);
        }
    }
}

/// The period of an interval was zero.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ZeroPeriod, apply_repeatedly};
/// use std::time::Duration;
///
/// let never = apply_repeatedly(Duration::ZERO, || async {});
/// assert_eq!(never.err(), Some(ZeroPeriod));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZeroPeriod;

impl std::fmt::Display for ZeroPeriod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an interval needs a period longer than zero")
    }
}

impl std::error::Error for ZeroPeriod {}

/// Sends a clone of `message` to `target` every `period`, for the first time after one period.
///
/// The moments are multiples of the period, so lateness does not add up; moments that were missed
/// altogether are left out (TIME-011).
///
/// # Errors
///
/// [`ZeroPeriod`], if the period is zero.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Mailbox, send_interval, spawn};
/// use std::time::Duration;
///
/// spawn(|mut inbox: Mailbox<&'static str>| async move {
///     let ticks = send_interval(Duration::from_secs(1), &inbox.recipient(), "tick").unwrap();
///     for _ in 0..3 {
///         assert_eq!(inbox.recv().await, "tick");
///     }
///     ticks.cancel();
///     assert_eq!(inbox.recv_timeout(Duration::from_secs(5)).await, None);
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn send_interval<M>(
    period: Duration,
    target: &Recipient<M>,
    message: M,
) -> Result<Interval, ZeroPeriod>
where
    M: Clone + Send + 'static,
{
    let (beat, interval) = Beat::new(period)?;
    let target = target.clone();
    beat.arm(move |beat| send_again(beat, target, message));
    Ok(interval)
}

fn send_again<M: Clone + Send + 'static>(beat: Beat, target: Recipient<M>, message: M) {
    let copy = message.clone();
    if beat.unless_cancelled(|| target.send(copy)) {
        let beat = beat.at_next_multiple();
        beat.arm(move |beat| send_again(beat, target, message));
    }
}

/// Runs `f` after `delay`, in a process of its own. Cancelled in time, it does not run.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{apply_after, sleep};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// use std::time::Duration;
///
/// let done = Arc::new(AtomicBool::new(false));
/// let here = done.clone();
/// apply_after(Duration::from_secs(1), move || async move { here.store(true, Relaxed) });
/// sleep(Duration::from_secs(2)).await;
/// assert!(done.load(Relaxed));
/// # });
/// ```
#[track_caller]
pub fn apply_after<F, Fut>(delay: Duration, f: F) -> TimerRef
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let at = Location::caller();
    run_after(delay, move || start(at, async move { f().await }))
}

/// Runs `f` every `period`, each time in a process of its own, for the first time after one
/// period. The next run starts in time, whether or not the last one has ended (TIME-012).
///
/// A run that crashes is reported, and has no effect on the others.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// # use std::time::Duration;
/// use rekindle_actor::{apply_interval, sleep};
///
/// let beats = apply_interval(Duration::from_secs(1), || async { println!("beat") })?;
/// sleep(Duration::from_millis(2_500)).await;
/// beats.cancel(); // after the second one
/// # Ok::<(), rekindle_actor::ZeroPeriod>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// [`ZeroPeriod`], if the period is zero.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn apply_interval<F, Fut>(period: Duration, f: F) -> Result<Interval, ZeroPeriod>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let at = Location::caller();
    let (beat, interval) = Beat::new(period)?;
    let f = Arc::new(f);
    beat.arm(move |beat| run_again(beat, f, at));
    Ok(interval)
}

fn run_again<F, Fut>(beat: Beat, f: Arc<F>, at: &'static Location<'static>)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let run = f.clone();
    if beat.unless_cancelled(|| start(at, async move { run().await })) {
        let beat = beat.at_next_multiple();
        beat.arm(move |beat| run_again(beat, f, at));
    }
}

/// As [`apply_interval`], but a run starts only when the last one has ended, however it ended: if
/// it took longer than the period, at once (TIME-012).
///
/// # Errors
///
/// [`ZeroPeriod`], if the period is zero.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{apply_repeatedly, sleep};
/// use std::time::Duration;
///
/// // One at a time: a run that takes longer than the period is not overtaken by the next.
/// let interval = apply_repeatedly(Duration::from_secs(1), || sleep(Duration::from_secs(5))).unwrap();
/// sleep(Duration::from_secs(60)).await;
/// interval.cancel();
/// # });
/// ```
#[track_caller]
pub fn apply_repeatedly<F, Fut>(period: Duration, f: F) -> Result<Interval, ZeroPeriod>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let at = Location::caller();
    let (beat, interval) = Beat::new(period)?;
    let f = Arc::new(f);
    beat.arm(move |beat| run_in_turn(beat, f, at));
    Ok(interval)
}

fn run_in_turn<F, Fut>(beat: Beat, f: Arc<F>, at: &'static Location<'static>)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let state = beat.state.clone();
    let guard = state.lock();
    if guard.borrow().cancelled {
        return;
    }
    let run = f.clone();
    let next = AtEnd(Some(move || {
        let beat = beat.at_next_or_now();
        beat.arm(move |beat| run_in_turn(beat, f, at));
    }));
    start(at, async move {
        let _next = next;
        run().await;
    });
}

/// Dropped with the body of a process, it does something when that process and its name are gone.
struct AtEnd<F: FnOnce() + Send + 'static>(Option<F>);

impl<F: FnOnce() + Send + 'static> Drop for AtEnd<F> {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            Owner::at_exit(AtExit::Act(Box::new(move |_| act())));
        }
    }
}

fn start(at: &'static Location<'static>, body: impl Future<Output = ()> + Send + 'static) {
    spawn_at(body, at);
}

/// The next moment of an interval.
struct Beat {
    state: Shared,
    period: Duration,
    due: Time,
}

impl Beat {
    fn new(period: Duration) -> Result<(Beat, Interval), ZeroPeriod> {
        if period.is_zero() {
            return Err(ZeroPeriod);
        }
        let state = Arc::new(ReentrantMutex::new(RefCell::new(State {
            next: None,
            cancelled: false,
        })));
        let beat = Beat {
            state: state.clone(),
            period,
            due: now().saturating_add(period),
        };
        let interval = Interval { state: Some(state) };
        Ok((beat, interval))
    }

    /// Has `act` done at the moment, unless the interval is cancelled before.
    fn arm(self, act: impl FnOnce(Beat) + Send + 'static) {
        let (state, due) = (self.state.clone(), self.due);
        let guard = state.lock();
        if guard.borrow().cancelled {
            return;
        }
        let action = TimerAction::Run(Box::new(move || act(self)));
        let next = scheduler::with_handle(|handle| Some(handle?.start_timer(due, action)));
        guard.borrow_mut().next = next;
    }

    /// Does `act` unless the interval is cancelled; whether it did. A cancel waits for its end.
    fn unless_cancelled(&self, act: impl FnOnce()) -> bool {
        let guard = self.state.lock();
        if guard.borrow().cancelled {
            return false;
        }
        act();
        true
    }

    /// The first multiple of the period that is still to come.
    fn at_next_multiple(mut self) -> Beat {
        let now = now();
        self.due = self.due.saturating_add(self.period);
        while self.due <= now {
            self.due = self.due.saturating_add(self.period);
        }
        self
    }

    /// One period later, or now if that has passed.
    fn at_next_or_now(mut self) -> Beat {
        let now = scheduler::with_handle(|handle| Some(handle?.now()));
        let due = self.due.saturating_add(self.period);
        self.due = due.max(now.unwrap_or(due));
        self
    }
}
