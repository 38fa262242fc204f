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
    Event, Exit, ExitReason, PendingReport, Pid, exit, is_linked, monitor, now, unlink,
};

use crate::inbox::{Inbox, Told, begin_of};
use crate::pid_map::PidMap;
use crate::spec::Shutdown;

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

    /// Stops many children: tells all, then waits for all; each limit counts from the same
    /// moment (SUP-039). Linear, however many there are. `ended` hears of each.
    pub(crate) async fn stop_together(
        &mut self,
        children: Vec<(Pid, Shutdown)>,
        mut ended: impl FnMut(Pid, Ended) + Send,
    ) {
        let mut left: PidMap<Pid, bool> = PidMap::default();
        left.reserve(children.len());
        let mut limits: BTreeMap<Duration, Vec<Pid>> = BTreeMap::new();
        for (pid, how) in children {
            if let Some(death) = self.take_death(pid) {
                ended(pid, Ended::new(Some(death), ExitReason::NoProc, false));
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
        let begun = now();
        while !left.is_empty() {
            let deadline = limits
                .first_key_value()
                .map(|(limit, _)| begun.saturating_add(*limit));
            match self.next_until(deadline).await {
                Event::Exit(exit) if exit.came_by_link() && left.contains_key(&exit.from) => {
                    let overdue = left.remove(&exit.from) == Some(true);
                    ended(
                        exit.from,
                        Ended::new(Some(exit), ExitReason::NoProc, overdue),
                    );
                }
                Event::Unlinked(pid) if left.contains_key(&pid) => {
                    let _ = monitor(pid);
                }
                Event::Down(down) => {
                    let Some(pid) = down.pid else { continue };
                    if let Some(overdue) = left.remove(&pid) {
                        ended(pid, Ended::new(None, down.reason, overdue));
                    }
                }
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
                event => self.hold(event),
            }
        }
    }
}
