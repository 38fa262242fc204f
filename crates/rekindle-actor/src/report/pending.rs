//! A crash report on its way to whoever prints it.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_scheduler::{TimerAction, TimerKey};

use super::{CrashReport, Reports};
use crate::runtimes;

/// How long a parent may take before the report prints itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was done about a crash: what a supervisor adds to its report.
///
/// ```
/// use rekindle_actor::CrashOutcome;
///
/// let outcome = CrashOutcome::new("restarted", "restarted as #1.813, 2 of 3 in 5s")
///     .by("dynamic, one_for_one");
/// assert_eq!(outcome.to_string(), "restarted as #1.813, 2 of 3 in 5s");
/// // A text alone will do.
/// let outcome = CrashOutcome::from("given to the night shift");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashOutcome {
    word: Option<&'static str>,
    text: Cow<'static, str>,
    by: Option<String>,
}

impl CrashOutcome {
    /// `word` is for machines, and one of few: repeated crashes are counted together if it is the
    /// same. Supervisors say `restarted`, `restart_later`, `restart_failed`, `not_restarted`,
    /// `gave_up`, `shut_down`, `stopping` and `not_a_child`. `text` is for people, and may hold
    /// what is new each time.
    #[must_use]
    pub fn new(word: &'static str, text: impl Into<Cow<'static, str>>) -> CrashOutcome {
        CrashOutcome {
            word: Some(word),
            text: text.into(),
            by: None,
        }
    }

    /// Says what kind of supervisor did it; the report shows this beside the parent's name.
    #[must_use]
    pub fn by(mut self, kind: impl Into<String>) -> CrashOutcome {
        self.by = Some(kind.into());
        self
    }
}

impl From<&'static str> for CrashOutcome {
    fn from(text: &'static str) -> CrashOutcome {
        CrashOutcome {
            word: None,
            text: text.into(),
            by: None,
        }
    }
}

impl From<String> for CrashOutcome {
    fn from(text: String) -> CrashOutcome {
        CrashOutcome {
            word: None,
            text: text.into(),
            by: None,
        }
    }
}

impl fmt::Display for CrashOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A crash report on its way to whoever prints it. Dropped unprinted, it prints itself.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, Info, Mailbox, PendingReport, recent_crashes};
/// use rekindle_actor::{report_for_children, sleep, spawn, spawn_link, trap_exit};
///
/// spawn(|mut inbox: Mailbox<()>| async move {
///     trap_exit(true);
///     report_for_children(true);
///     spawn_link(async { ExitReason::msg("no paper") });
///     let Info::Exit(exit) = inbox.next().await else { panic!("nothing else comes") };
///     let pending: PendingReport = exit.report.expect("it has crashed");
///     let known = pending.report().is_some_and(|report| report.reason == exit.reason);
///     pending.print(if known { "new paper is ordered" } else { "who knows" });
/// });
/// # sleep(std::time::Duration::from_secs(1)).await;
/// assert_eq!(recent_crashes()[0].action.as_deref(), Some("new paper is ordered"));
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct PendingReport(Arc<Pending>);

#[derive(Debug)]
struct Pending {
    waits: Mutex<Waits>,
    reports: Arc<Reports>,
    node: u32,
}

#[derive(Debug, Default)]
struct Waits {
    /// `None` once it is printed, or thrown away.
    report: Option<CrashReport>,
    /// When that is, it prints itself.
    alarm: Option<TimerKey>,
}

impl PendingReport {
    pub(super) fn new(report: CrashReport, reports: Arc<Reports>, node: u32) -> PendingReport {
        PendingReport(Arc::new(Pending {
            waits: Mutex::new(Waits {
                report: Some(report),
                alarm: None,
            }),
            reports,
            node,
        }))
    }

    /// Prints the report, with what was done about the crash. Once: later calls do nothing, and
    /// none does anything after 5 s, when it has printed itself.
    pub fn print(&self, outcome: impl Into<CrashOutcome>) {
        if let Some(mut report) = self.0.take() {
            let CrashOutcome { word, text, by } = outcome.into();
            report.outcome = word;
            report.action = Some(text.into_owned());
            report.supervisor = by;
            self.0.reports.accept(report, self.0.node);
        }
    }

    /// Throws the report away: the process was killed on purpose, by the one who holds it.
    pub fn discard(&self) {
        drop(self.0.take());
    }

    /// The report, if it has not been printed.
    #[must_use]
    pub fn report(&self) -> Option<CrashReport> {
        self.0.waits.lock().report.clone()
    }

    /// It is given to somebody else, who is to print it before long.
    pub(crate) fn handed_over(&self) {
        let pending = Arc::downgrade(&self.0);
        let overdue = move || {
            if let Some(report) = Weak::upgrade(&pending).map(PendingReport) {
                let text = format!("nothing heard of it for {}s", PATIENCE.as_secs());
                report.print(CrashOutcome::new("unknown", text));
            }
        };
        let alarm = runtimes::with(self.0.node, |handle| {
            let at = handle.now().saturating_add(PATIENCE);
            Some(handle.start_timer(at, TimerAction::Run(Box::new(overdue))))
        });
        self.0.waits.lock().alarm = alarm;
    }
}

impl Pending {
    fn take(&self) -> Option<CrashReport> {
        let Waits { report, alarm } = std::mem::take(&mut *self.waits.lock());
        if let Some(alarm) = alarm {
            runtimes::with(self.node, |handle| Some(handle.stop_timer(alarm)));
        }
        report
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(report) = self.take() {
            self.reports.accept(report, self.node);
        }
    }
}
