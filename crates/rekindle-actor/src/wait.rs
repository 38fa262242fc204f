//! What a process waits for, since when, and from which line of code.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rekindle_scheduler::{self as scheduler, StaticCell, Time};

/// What a process waits for.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, WaitKind, info, sleep, spawn};
///
/// let idle = spawn(|mut inbox: Mailbox<()>| async move { inbox.recv().await });
/// sleep(std::time::Duration::from_secs(1)).await;
/// assert_eq!(info(idle.pid()).unwrap().waits.unwrap().kind, WaitKind::Receive);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitKind {
    /// Nothing of ours: it runs, or awaits a future that is not rekindle's.
    Other,
    /// A message.
    Receive,
    /// The answer to a call.
    Call,
    /// The start of another process.
    Start,
    /// The end of another process.
    Stop,
    /// A span of time.
    Sleep,
    /// The result of a task.
    Task,
}

impl WaitKind {
    const ALL: [WaitKind; 7] = [
        WaitKind::Other,
        WaitKind::Receive,
        WaitKind::Call,
        WaitKind::Start,
        WaitKind::Stop,
        WaitKind::Sleep,
        WaitKind::Task,
    ];
}

/// One wait, as seen from outside.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{WaitKind, info, sleep, spawn};
/// use std::time::Duration;
///
/// let sleeper = spawn(sleep(Duration::from_secs(60)));
/// sleep(Duration::from_secs(1)).await;
/// let wait = info(sleeper).unwrap().waits.unwrap();
/// assert_eq!(wait.kind, WaitKind::Sleep);
/// assert!(wait.at.file().ends_with(".rs"), "the line of the `sleep`");
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// For what.
    pub kind: WaitKind,
    /// From which line.
    pub at: &'static Location<'static>,
    /// For how long already.
    pub since: Duration,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            WaitKind::Other => "elsewhere",
            WaitKind::Receive => "for a message",
            WaitKind::Call => "for the answer to a call",
            WaitKind::Start => "for a start",
            WaitKind::Stop => "for an end",
            WaitKind::Sleep => "for time to pass",
            WaitKind::Task => "for a task",
        };
        write!(f, "waits {what} at {} since {:?}", self.at, self.since)
    }
}

/// The record. Written by the process alone, by plain stores; a reader may see the parts of two
/// waits, which is good enough for people.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    at: StaticCell<Location<'static>>,
    /// Nanoseconds, with the kind in the highest bits.
    since: AtomicU64,
}

/// How far the kind is shifted: eight kinds, and 73 years of nanoseconds.
const KIND: u32 = 61;

impl Waiting {
    #[inline]
    pub(crate) fn begin(&self, kind: WaitKind, at: &'static Location<'static>) {
        let now = scheduler::coarse_now().unwrap_or(Time::ZERO);
        let nanos = now.as_nanos() & ((1 << KIND) - 1);
        self.at.store(at);
        self.since
            .store((kind as u64) << KIND | nanos, Ordering::Release);
    }

    #[inline]
    pub(crate) fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    pub(crate) fn look(&self, now: Time) -> Option<Wait> {
        let packed = self.since.load(Ordering::Acquire);
        let kind = *WaitKind::ALL.get((packed >> KIND) as usize)?;
        if kind == WaitKind::Other {
            return None;
        }
        let since = Time::from_nanos(packed & ((1 << KIND) - 1));
        Some(Wait {
            kind,
            at: self.at.load()?,
            since: now.saturating_since(since),
        })
    }
}
