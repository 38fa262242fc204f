//! What the features `tracing` and `metrics` tell of supervisors, beside the log; without them every
//! function here is empty.

use std::fmt;

use rekindle_actor::{PendingReport, Pid};

/// A child was started again. `pid` is its new life, if its init has not chosen otherwise; `report`
/// is on the end of the old one, if that was a crash.
#[inline]
pub(crate) fn restarted(
    supervisor: impl fmt::Display,
    child: &str,
    pid: Option<Pid>,
    report: Option<&PendingReport>,
) {
    #[cfg(feature = "metrics")]
    {
        // By behaviour: ids are the user's, and may be without number. The new life may be over
        // already, so the old one is asked first.
        let crashed = report.and_then(PendingReport::report);
        let behaviour = crashed.map(|report| report.behaviour).or_else(|| {
            let new = rekindle_actor::info(pid?)?;
            Some(new.behaviour)
        });
        let behaviour = behaviour.unwrap_or("unknown");
        metrics::counter!("rekindle_restarts_total", "behaviour" => behaviour).increment(1);
    }
    #[cfg(feature = "tracing")]
    rekindle_actor::log_guarded(|| {
        tracing::warn!(
            target: "rekindle::supervisor",
            %supervisor,
            child,
            pid = pid.map(tracing::field::display),
            "child restarted"
        )
    });
    let _ = (supervisor, child, pid, report);
}

/// A child could not be started.
#[inline]
pub(crate) fn not_started(supervisor: impl fmt::Display, child: &str, error: impl fmt::Display) {
    #[cfg(feature = "tracing")]
    rekindle_actor::log_guarded(|| {
        tracing::error!(
            target: "rekindle::supervisor",
            %supervisor,
            child,
            reason = %error,
            "child not started"
        )
    });
    let _ = (supervisor, child, error);
}

/// A supervisor would have to restart too often.
#[inline]
pub(crate) fn gave_up(supervisor: impl fmt::Display, child: &str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("rekindle_give_ups_total").increment(1);
    #[cfg(feature = "tracing")]
    rekindle_actor::log_guarded(|| {
        tracing::error!(
            target: "rekindle::supervisor",
            %supervisor,
            child,
            "supervisor gives up"
        )
    });
    let _ = (supervisor, child);
}
