//! What the features `tracing` and `metrics` tell, beside the log; without them every function here
//! is empty.
//!
//! Nothing is told of single messages, spawns or polls: that would cost more than the messages. How
//! long servers take for theirs is told when a program asks for it.

#[cfg(feature = "metrics")]
use std::sync::atomic::{AtomicBool, Ordering};

use crate::process::Owner;
use crate::report::CrashReport;

/// A process has crashed, whether or not its report is printed.
#[inline]
pub(crate) fn crash(report: &CrashReport) {
    #[cfg(feature = "metrics")]
    metrics::counter!("rekindle_crashes_total", "behaviour" => report.behaviour).increment(1);
    let _ = report;
}

/// Whether servers tell how long they take for each message.
#[cfg(feature = "metrics")]
static TIMED: AtomicBool = AtomicBool::new(false);

/// Feature `metrics`: has every generic server of the program tell, from now on or no more, how long
/// it takes for each message: as the histogram `rekindle_processing_seconds`, with the labels
/// `behaviour` and `kind` (`call`, `cast`, `message`, `down`, `exit`, `timeout`, `continue`).
///
/// Off at first, because it costs two looks at the clock and a look-up in the recorder for each
/// message; what it costs when it is off is the look at a flag. The time is the runtime's, so a
/// simulated server takes none unless it waits, and it counts what a callback awaits.
///
/// How long a message waited before is not told: it would have to carry its time of sending, which
/// no message does. [`publish_metrics`](crate::publish_metrics) tells how full mailboxes are.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, time_messages};
///
/// time_messages(true);
/// let agent = Agent::start(|| 0).await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// time_messages(false);
/// # });
/// ```
#[cfg(feature = "metrics")]
pub fn time_messages(on: bool) {
    TIMED.store(on, Ordering::Relaxed);
}

/// When a server began with a message, if anybody wants to know.
#[cfg(feature = "metrics")]
#[derive(Clone, Copy)]
pub(crate) struct Begun(Option<rekindle_scheduler::Time>);

#[cfg(not(feature = "metrics"))]
#[derive(Clone, Copy)]
pub(crate) struct Begun;

/// A server begins with a message.
#[inline]
pub(crate) fn handling() -> Begun {
    #[cfg(feature = "metrics")]
    return Begun(TIMED.load(Ordering::Relaxed).then(crate::time::now));
    #[cfg(not(feature = "metrics"))]
    Begun
}

/// It is done with it, be it by a crash.
#[inline]
pub(crate) fn handled(begun: Begun, behaviour: &'static str, kind: &'static str) {
    #[cfg(feature = "metrics")]
    if let Begun(Some(begun)) = begun {
        let taken = crate::time::now() - begun;
        metrics::histogram!("rekindle_processing_seconds", "behaviour" => behaviour, "kind" => kind)
            .record(taken);
    }
    let _ = (begun, behaviour, kind);
}

/// The report of a crash is printed, and stands for so many others.
#[inline]
pub(crate) fn crash_report(report: &CrashReport, repeated: u64) {
    #[cfg(feature = "tracing")]
    rekindle_scheduler::log_guarded(|| {
        tracing::error!(
            target: "rekindle::crash",
            pid = %report.pid,
            behaviour = report.behaviour,
            name = report.name.as_deref(),
            label = report.label.as_deref(),
            reason = %report.reason,
            last_message = report.last_message.as_deref(),
            mailbox = report.mailbox,
            parent = report.ancestors.first().map(|(pid, _)| tracing::field::display(pid)),
            spawned_at = %report.spawned_at,
            action = report.action.as_deref(),
            repeated,
            "process crashed"
        )
    });
    let _ = (report, repeated);
}

/// Polls the body of a process, inside of its span if it has one.
#[inline]
pub(crate) fn in_span<R>(owner: Owner<'_>, poll: impl FnOnce() -> R) -> R {
    #[cfg(feature = "tracing")]
    {
        // Taken by clone, for the body may change it.
        let span = owner.private().rare().and_then(|rare| rare.span.clone());
        if let Some(span) = span {
            return span.in_scope(poll);
        }
    }
    let _ = owner;
    poll()
}

#[cfg(feature = "tracing")]
pub use with_tracing::{enter_process_span, process_span};

#[cfg(feature = "tracing")]
mod with_tracing {
    use tracing::{Span, info_span};

    use crate::link::within;
    use crate::{inspect, self_pid};

    /// Feature `tracing`: a span that says which process runs: its pid, behaviour, name and label.
    ///
    /// For a part of a process's work; [`enter_process_span`] is for all of it.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// runtime.block_on(async {
    ///     let span = rekindle_actor::process_span();
    ///     span.in_scope(|| tracing::info!("one event with the process's fields"));
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a process.
    #[must_use]
    pub fn process_span() -> Span {
        let pid = self_pid();
        let known = inspect::info(pid);
        let known = known.as_ref();
        info_span!(
            target: "rekindle::process",
            "process",
            %pid,
            behaviour = known.map(|known| known.behaviour),
            name = known.and_then(|known| known.name.as_deref()),
            label = known.and_then(|known| known.label.as_deref()),
        )
    }

    /// Feature `tracing`: has every turn of the running process run inside of its
    /// [`process_span`], from the next on, so that all its events say whose they are. Called in
    /// `init`, as a rule.
    ///
    /// It is asked for by each process that wants it, because a subscriber is called twice a turn
    /// then. Name and label are those of the moment; say it again when they have changed.
    ///
    /// # Panics
    ///
    /// Outside of a process.
    pub fn enter_process_span() {
        let span = process_span();
        within("enter_process_span", |owner| {
            let span = Some(std::sync::Arc::new(span));
            let before = std::mem::replace(&mut owner.private().make_rare().span, span);
            // The subscriber's code.
            drop(before);
        });
    }
}
