//! What a process waits for, since when, and from which line of code.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use rekindle_scheduler::{self as scheduler, StaticCell, Time};

/// What a process waits for.
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
    kind: AtomicU8,
    at: StaticCell<Location<'static>>,
    since: AtomicU64,
}

impl Waiting {
    #[inline]
    pub(crate) fn begin(&self, kind: WaitKind, at: &'static Location<'static>) {
        let now = scheduler::with_handle(|h| h.map_or(Time::ZERO, |h| h.coarse_now()));
        self.since.store(now.as_nanos(), Ordering::Relaxed);
        self.at.store(at);
        self.kind.store(kind as u8, Ordering::Release);
    }

    #[inline]
    pub(crate) fn end(&self) {
        self.kind.store(WaitKind::Other as u8, Ordering::Relaxed);
    }

    pub(crate) fn look(&self, now: Time) -> Option<Wait> {
        let kind = WaitKind::ALL[usize::from(self.kind.load(Ordering::Acquire))];
        if kind == WaitKind::Other {
            return None;
        }
        let at = self.at.load()?;
        let since = Time::from_nanos(self.since.load(Ordering::Relaxed));
        Some(Wait {
            kind,
            at,
            since: now.saturating_since(since),
        })
    }
}
