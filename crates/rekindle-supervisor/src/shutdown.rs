//! Stopping children: ask, wait, kill.
//!
//! The link tells of the end, with the true reason and the crash report. But a child may take it away,
//! at any time: then a monitor tells. One tells besides of whoever is overdue.
//!
//! | `Shutdown`  | first signal | and after the time is up |
//! |-------------|--------------|--------------------------|
//! | `Kill`      | `Kill`       |                          |
//! | `Within(d)` | `Shutdown`   | `Kill`                   |
//! | `Infinite`  | `Shutdown`   |                          |

use std::collections::BTreeMap;
use std::time::Duration;

use rekindle_actor::{
    Event, Exit, ExitReason, PendingReport, Pid, exit, is_linked, monitor, now, unlink, yield_now,
};

use crate::inbox::{Inbox, Told, begin_of};
use crate::pid_map::PidMap;
use crate::spec::Shutdown;

/// How many children are told to end before those that were are let end: what they and their supervisor
/// touch fits a cache together.
const TOLD_AT_A_TIME: usize = 128;

/// Children that are to be stopped together.
pub(crate) trait Leaving {
    /// One that was not told yet, and how it is to be stopped.
    fn next(&mut self) -> Option<(Pid, Shutdown)>;

    /// One that was told has ended.
    fn ended(&mut self, pid: Pid, ended: Ended);
}

/// How a child ended that was to be stopped.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) reason: ExitReason,
    pub(crate) report: Option<PendingReport>,
    /// It did not end in time and was killed for that.
    pub(crate) overdue: bool,
}

impl Ended {
    /// `down` is what a monitor says, which may have come too late to know.
    fn new(death: Option<Exit>, down: ExitReason, overdue: bool) -> Ended {
        match death {
            Some(exit) => Ended {
                reason: exit.reason,
                report: exit.report,
                overdue,
            },
            None => Ended {
                reason: down,
                report: None,
                overdue,
            },
        }
    }
}

impl Shutdown {
    fn first_signal(self) -> ExitReason {
        match self {
            Shutdown::Kill => ExitReason::Kill,
            Shutdown::Within(_) | Shutdown::Infinite => ExitReason::Shutdown,
        }
    }

    fn limit(self) -> Option<Duration> {
        match self {
            Shutdown::Within(limit) => Some(limit),
            Shutdown::Kill | Shutdown::Infinite => None,
        }
    }
}

impl<M: Send + 'static> Inbox<M> {
    /// Stops one child, and returns when it is gone.
    pub(crate) async fn stop(&mut self, pid: Pid, how: Shutdown) -> Ended {
        if let Some(death) = self.take_death(pid) {
            return Ended::new(Some(death), ExitReason::NoProc, false);
        }
        let mut monitoring = (!is_linked(pid)).then(|| monitor(pid));
        exit(pid, how.first_signal());
        let mut deadline = how
            .limit()
            .map(|limit| begin_of(limit).saturating_add(limit));
        let mut overdue = false;
        loop {
            match self.end_of(pid, &mut monitoring, deadline).await {
                Told::ByLink(death) => return Ended::new(Some(death), ExitReason::NoProc, overdue),
                Told::ByMonitor(down) => {
                    let death = self.take_death(pid);
                    if death.is_none() {
                        // Nothing must come from it any more.
                        unlink(pid);
                    }
                    return Ended::new(death, down.reason, overdue);
                }
                Told::TimeIsUp => {
                    // It may have ended without a word, if this process did not trap exits for a while.
                    monitoring.get_or_insert_with(|| monitor(pid));
                    exit(pid, ExitReason::Kill);
                    (overdue, deadline) = (true, None);
                }
            }
        }
    }

    /// Stops many children: tells all, then waits for those that are left; each limit counts from the same
    /// moment, when the last has been told (SUP-039). Linear, however many there are.
    ///
    /// After some of them it makes way for others, and takes note of those that have ended: their
    /// memory is at hand then, and who stops a million is not a million ahead of them.
    pub(crate) async fn stop_together(&mut self, children: &mut impl Leaving) {
        let mut left: PidMap<Pid, bool> = PidMap::default();
        let mut limits: BTreeMap<Duration, Vec<Pid>> = BTreeMap::new();
        while self.tell_some(children, &mut left, &mut limits) {
            yield_now().await;
            // Not all that comes: others may send without end, and the rest is to be told.
            for _ in 0..2 * TOLD_AT_A_TIME {
                match self.next_here().await {
                    Event::Timeout => break,
                    event => self.note_end(event, children, &mut left),
                }
            }
            if left.is_empty() {
                limits.clear();
            }
        }
        let begun = now();
        while !left.is_empty() {
            let deadline = limits
                .first_key_value()
                .map(|(limit, _)| begun.saturating_add(*limit));
            match self.next_until(deadline).await {
                Event::Timeout => {
                    let late = limits.pop_first().map(|(_, late)| late).unwrap_or_default();
                    for pid in late {
                        if let Some(overdue) = left.get_mut(&pid) {
                            *overdue = true;
                            let _ = monitor(pid);
                            exit(pid, ExitReason::Kill);
                        }
                    }
                }
                event => self.note_end(event, children, &mut left),
            }
        }
    }

    /// Tells the next children to end; `false` when there are no more.
    fn tell_some(
        &mut self,
        children: &mut impl Leaving,
        left: &mut PidMap<Pid, bool>,
        limits: &mut BTreeMap<Duration, Vec<Pid>>,
    ) -> bool {
        for _ in 0..TOLD_AT_A_TIME {
            let Some((pid, how)) = children.next() else {
                return false;
            };
            if let Some(death) = self.take_death(pid) {
                children.ended(pid, Ended::new(Some(death), ExitReason::NoProc, false));
                continue;
            }
            if !is_linked(pid) {
                let _ = monitor(pid);
            }
            exit(pid, how.first_signal());
            left.insert(pid, false);
            if let Some(limit) = how.limit() {
                limits.entry(limit).or_default().push(pid);
            }
        }
        true
    }

    /// Takes note of the end of a child that was told, if that is what came, and keeps it otherwise.
    fn note_end(
        &mut self,
        event: Event<M>,
        children: &mut impl Leaving,
        left: &mut PidMap<Pid, bool>,
    ) {
        match event {
            Event::Exit(exit) if exit.came_by_link() && left.contains_key(&exit.from) => {
                let overdue = left.remove(&exit.from) == Some(true);
                let pid = exit.from;
                children.ended(pid, Ended::new(Some(exit), ExitReason::NoProc, overdue));
            }
            Event::Unlinked(pid) if left.contains_key(&pid) => {
                let _ = monitor(pid);
            }
            Event::Down(down) => {
                if let Some(pid) = down.pid
                    && let Some(overdue) = left.remove(&pid)
                {
                    children.ended(pid, Ended::new(None, down.reason, overdue));
                }
            }
            event => self.hold(event),
        }
    }
}
