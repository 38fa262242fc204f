//! Messages in the future, and sleep.

mod interval;

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rekindle_scheduler::{self as scheduler, Handle, Time, TimerAction, TimerKey};

use crate::exit::ExitReason;
use crate::pid::Pid;
use crate::process::Owner;
use crate::recipient::Recipient;
use crate::signal::{self, Signal, exit_signal};
use crate::wait::WaitKind;

pub use interval::{
    Interval, ZeroPeriod, apply_after, apply_interval, apply_repeatedly, send_interval,
};

/// One timer, to be cancelled or read.
///
/// It is a plain value: dropping it does not cancel the timer.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, exit_after, is_alive, sleep, spawn};
/// use std::time::Duration;
///
/// let pid = spawn(sleep(Duration::from_secs(60)));
/// let timer = exit_after(Duration::from_secs(5), pid, ExitReason::Shutdown);
/// sleep(Duration::from_secs(1)).await;
/// assert_eq!(timer.cancel(), Some(Duration::from_secs(4)));
/// sleep(Duration::from_secs(10)).await;
/// assert!(is_alive(pid));
/// # });
/// ```
#[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
pub struct TimerRef(TimerKey);

impl TimerRef {
    /// Cancels the timer. Gives the time that was left, or `None` if it has fired, was cancelled,
    /// or never was (TIME-004). If there was time left, nothing will be delivered; if there was
    /// none, what the timer sends has been sent, or is being sent at this very moment.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{exit_after, ExitReason, is_alive, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let pid = spawn(sleep(Duration::MAX));
    /// let timer = exit_after(Duration::from_secs(2), pid, ExitReason::Shutdown);
    /// sleep(Duration::from_secs(3)).await;
    /// assert_eq!(timer.cancel(), None, "it has fired");
    /// assert!(!is_alive(pid));
    /// # });
    /// ```
    pub fn cancel(self) -> Option<Duration> {
        with(|handle| handle.cancel_timer(self.0))
    }

    /// As [`cancel`](Self::cancel), but the result comes as a message (TIME-010). It is not waited
    /// for, and lost if `to` is dead.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<rekindle_actor::TimerLeft>| async move {
    /// use rekindle_actor::{kill_after, self_pid};
    /// use std::time::Duration;
    ///
    /// let timer = kill_after(Duration::from_secs(5), self_pid());
    /// timer.cancel_async(&inbox.recipient());
    /// assert_eq!(inbox.recv().await.left, Some(Duration::from_secs(5)));
    /// timer.cancel_async(&inbox.recipient());
    /// assert_eq!(inbox.recv().await.left, None, "cancelled before");
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    pub fn cancel_async<M>(self, to: &Recipient<M>)
    where
        M: From<TimerLeft> + Send + 'static,
    {
        let left = self.cancel();
        to.send(M::from(TimerLeft { timer: self, left }));
    }

    /// As [`cancel`](Self::cancel), for whoever does not want to know whether it was in time.
    pub fn cancel_quietly(self) {
        let _ = self.cancel();
    }

    /// As [`read`](Self::read), but the result comes as a message (TIME-010).
    pub fn read_async<M>(self, to: &Recipient<M>)
    where
        M: From<TimerLeft> + Send + 'static,
    {
        let left = self.read();
        to.send(M::from(TimerLeft { timer: self, left }));
    }

    /// The time left, or `None` if it has fired or was cancelled (TIME-003).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{kill_after, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let timer = kill_after(Duration::from_secs(5), spawn(sleep(Duration::MAX)));
    /// sleep(Duration::from_secs(2)).await;
    /// assert_eq!(timer.read(), Some(Duration::from_secs(3)));
    /// assert_eq!(timer.read(), Some(Duration::from_secs(3)), "it still runs");
    /// # });
    /// ```
    #[must_use]
    pub fn read(self) -> Option<Duration> {
        with(|handle| handle.read_timer(self.0))
    }
}

/// The answer to [`TimerRef::cancel_async`] and [`TimerRef::read_async`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{TimerLeft, send_after};
/// use std::time::Duration;
///
/// enum Message { Wake, Left(TimerLeft) }
///
/// impl From<TimerLeft> for Message {
///     fn from(left: TimerLeft) -> Message { Message::Left(left) }
/// }
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<Message>| async move {
///
/// let own = inbox.recipient();
/// let timer = send_after(Duration::from_secs(60), &own, Message::Wake);
/// timer.read_async(&own);
/// let Message::Left(answer) = inbox.recv().await else { panic!("it is not yet time") };
/// assert_eq!((answer.timer, answer.left), (timer, Some(Duration::from_secs(60))));
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimerLeft {
    /// Which timer.
    pub timer: TimerRef,
    /// The time that was left; `None` if it has fired, was cancelled before, or never was.
    pub left: Option<Duration>,
}

/// Takes a timer off its wheel, whether it has fired or not; outside of a runtime there is none left.
pub(crate) fn stop(key: TimerKey) {
    scheduler::with_handle(|handle| handle.map(|handle| handle.stop_timer(key)));
}

/// Runs `f` with the running runtime.
#[track_caller]
fn with<R>(f: impl FnOnce(&Handle) -> R) -> R {
    let at = Location::caller();
    scheduler::with_handle(|handle| match handle {
        Some(handle) => f(handle),
        None => panic!("a timer was used outside of a runtime, at {at}"),
    })
}

/// The time since the runtime started: real, or virtual under the simulator.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{now, sleep};
/// use std::time::Duration;
///
/// let before = now();
/// sleep(Duration::from_secs(3600)).await;
/// assert_eq!(now() - before, Duration::from_secs(3600), "virtual, in this example");
/// # });
/// ```
#[must_use]
pub fn now() -> Time {
    with(Handle::now)
}

/// Sends `message` to `target` after `delay`: once, and not earlier (TIME-001).
///
/// If the target is dead by then, the message vanishes. See
/// [`Context::send_after`](crate::Context::send_after) for a message to oneself.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Mailbox, now, send_after, spawn};
/// use std::time::Duration;
///
/// spawn(|mut inbox: Mailbox<&'static str>| async move {
///     let begun = now();
///     let later = send_after(Duration::from_secs(5), &inbox.recipient(), "later");
///     send_after(Duration::from_secs(1), &inbox.recipient(), "soon");
///     assert_eq!(inbox.recv().await, "soon");
///     assert_eq!(now().saturating_since(begun), Duration::from_secs(1));
///     assert!(later.cancel().is_some(), "it had time left");
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn send_after<M>(delay: Duration, target: &Recipient<M>, message: M) -> TimerRef
where
    M: Send + 'static,
{
    let target = target.clone();
    run_after(delay, move || target.send(message))
}

/// Sends `message` at a moment; at once, if it has passed (TIME-008).
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, now, send_at, sleep, spawn};
/// use std::time::Duration;
///
/// let noon = now() + Duration::from_secs(60);
/// let cook = spawn(move |mut inbox: Mailbox<&'static str>| async move {
///     assert_eq!(inbox.recv().await, "lunch");
///     assert_eq!(now(), noon);
/// });
/// send_at(noon, &cook.recipient(), "lunch");
/// # sleep(Duration::from_secs(61)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !cook.is_alive());
/// # });
/// ```
pub fn send_at<M>(moment: Time, target: &Recipient<M>, message: M) -> TimerRef
where
    M: Send + 'static,
{
    let target = target.clone();
    let action = TimerAction::Run(Box::new(move || target.send(message)));
    TimerRef(with(|handle| handle.start_timer(moment, action)))
}

/// A message that a tagged timer delivers.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<rekindle_actor::TimerFired<&'static str>>| async move {
/// use rekindle_actor::{TimerFired, start_timer};
/// use std::time::Duration;
///
/// let (_, reminder) = start_timer(Duration::from_secs(1), &inbox.recipient(), "tea");
/// let TimerFired { timer, message } = inbox.recv().await;
/// assert_eq!((timer, message), (reminder, "tea"));
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerFired<M> {
    /// The timer, as [`start_timer`] gave it.
    pub timer: TimerTag,
    /// What was to be sent.
    pub message: M,
}

/// Tells the timers of [`start_timer`] apart.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<rekindle_actor::TimerFired<u32>>| async move {
/// use rekindle_actor::{TimerTag, start_timer};
/// use std::collections::HashMap;
/// use std::time::Duration;
///
/// // Several timers at once, and what each is for.
/// let mut purposes: HashMap<TimerTag, &str> = HashMap::new();
/// for (seconds, what) in [(2, "coffee"), (1, "tea")] {
///     let (_, tag) = start_timer(Duration::from_secs(seconds), &inbox.recipient(), 0);
///     purposes.insert(tag, what);
/// }
/// assert_eq!(purposes.remove(&inbox.recv().await.timer), Some("tea"));
/// assert_eq!(purposes.remove(&inbox.recv().await.timer), Some("coffee"));
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerTag(u64);

/// As [`send_after`], but what arrives is a [`TimerFired`] with the tag that is returned here, so
/// that a timer which fired too early to be cancelled can be told from its successor (TIME-002).
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, TimerFired, sleep, spawn, start_timer};
/// use std::time::Duration;
///
/// let waiting = spawn(|mut inbox: Mailbox<TimerFired<&'static str>>| async move {
///     let own = inbox.recipient();
///     let (old, _) = start_timer(Duration::from_secs(1), &own, "old");
///     let (_, new) = start_timer(Duration::from_secs(2), &own, "new");
///     old.cancel();
///     // The tag tells which timer it was, should a late one have come meanwhile.
///     let fired = inbox.recv().await;
///     assert_eq!((fired.timer, fired.message), (new, "new"));
/// });
/// # sleep(Duration::from_secs(3)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !waiting.is_alive());
/// # });
/// ```
pub fn start_timer<M>(
    delay: Duration,
    target: &Recipient<TimerFired<M>>,
    message: M,
) -> (TimerRef, TimerTag)
where
    M: Send + 'static,
{
    static TAGS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let timer = TimerTag(TAGS.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    (
        send_after(delay, target, TimerFired { timer, message }),
        timer,
    )
}

fn run_after(delay: Duration, run: impl FnOnce() + Send + 'static) -> TimerRef {
    TimerRef(with(|handle| {
        let deadline = handle.now().saturating_add(delay);
        handle.start_timer(deadline, TimerAction::Run(Box::new(run)))
    }))
}

/// Sends an exit signal after `delay` (TIME-013).
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, exit_after, is_alive, sleep, spawn};
/// use std::time::Duration;
///
/// let worker = spawn(sleep(Duration::from_secs(60)));
/// exit_after(Duration::from_secs(1), worker, ExitReason::Shutdown);
/// sleep(Duration::from_secs(2)).await;
/// assert!(!is_alive(worker));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn exit_after(delay: Duration, target: Pid, reason: ExitReason) -> TimerRef {
    run_after(delay, move || exit_signal(target, reason))
}

/// Kills a process after `delay` (TIME-013).
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{is_alive, kill_after, sleep, spawn};
/// use std::time::Duration;
///
/// let stubborn = spawn(sleep(Duration::MAX));
/// kill_after(Duration::from_secs(5), stubborn);
/// sleep(Duration::from_secs(6)).await;
/// assert!(!is_alive(stubborn));
/// # });
/// ```
pub fn kill_after(delay: Duration, target: Pid) -> TimerRef {
    exit_after(delay, target, ExitReason::Kill)
}

/// A moment of which a process will be told, until this is dropped: see
/// [`Mailbox::alarm_at`](crate::Mailbox::alarm_at).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<()>| async move {
/// use rekindle_actor::{Alarm, Event, now};
/// use std::time::Duration;
///
/// let soon: Alarm = inbox.alarm_at(now() + Duration::from_secs(1), 1);
/// let _later = inbox.alarm_at(now() + Duration::from_secs(2), 2);
/// drop(soon); // cancelled
/// assert!(matches!(inbox.next_event(None).await, Event::Alarm(2)));
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Debug)]
#[must_use = "an alarm is cancelled when this is dropped"]
pub struct Alarm(TimerKey);

impl Alarm {
    pub(crate) fn set(pid: Pid, moment: Time, tag: u64) -> Alarm {
        let ring = move || signal::send(pid, Signal::Alarm(tag));
        let action = TimerAction::Run(Box::new(ring));
        Alarm(with(|handle| handle.start_timer(moment, action)))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        stop(self.0);
    }
}

/// Waits for `duration`, at least.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Sleep, now, sleep};
/// use std::time::Duration;
///
/// // Its time begins when it is made, and not when it is awaited.
/// let begun = now();
/// let tea: Sleep = sleep(Duration::from_secs(180));
/// sleep(Duration::from_secs(120)).await;
/// tea.await;
/// assert_eq!(now() - begun, Duration::from_secs(180));
/// # });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    inner: scheduler::Sleep,
    at: &'static Location<'static>,
    waits: bool,
}

/// Suspends the running process (or any other future) for `duration`, at least.
///
/// The process stays killable meanwhile.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{now, sleep};
/// use std::time::Duration;
///
/// let begun = now();
/// sleep(Duration::from_secs(3)).await;
/// assert!(now().saturating_since(begun) >= Duration::from_secs(3));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        inner: scheduler::sleep(duration),
        at: Location::caller(),
        waits: false,
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll(cx);
        if polled.is_pending() != this.waits {
            this.waits = polled.is_pending();
            let at = this.at;
            Owner::current(|owner| match owner {
                Some(owner) if polled.is_pending() => {
                    owner.process().waiting.begin(WaitKind::Sleep, at);
                }
                Some(owner) => owner.process().waiting.end(),
                None => {}
            });
        }
        polled
    }
}
