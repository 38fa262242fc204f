//! The end of a wait.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use rekindle_scheduler::{self as scheduler, Sleep, Time};

use crate::process::{Owner, now_for};
use crate::runtimes;

/// When a wait ends without its result.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    pub(crate) after: Option<Duration>,
    at: Option<Time>,
    /// A timer of its own, where the process's alarm does not serve.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn after(timeout: Option<Duration>) -> Deadline {
        Deadline {
            after: timeout,
            at: None,
            sleep: None,
        }
    }

    /// Whether the time is up; if not, sees to it that the wait is polled when it is.
    ///
    /// `node` is a runtime whose clock serves where none is running.
    pub(crate) fn is_past(&mut self, cx: &mut Context<'_>, node: u32) -> bool {
        Owner::current(|owner| self.is_past_for(owner, cx, node))
    }

    /// As [`is_past`](Self::is_past), where the running process is at hand.
    #[inline]
    pub(crate) fn is_past_for(
        &mut self,
        owner: Option<Owner<'_>>,
        cx: &mut Context<'_>,
        node: u32,
    ) -> bool {
        let Some(timeout) = self.after else {
            return false;
        };
        if self.sleep.is_none()
            && let Some(owner) = owner
            && let Some(past) = self.by_alarm(owner, cx, timeout)
        {
            return past;
        }
        self.by_timer(cx, timeout, node)
    }

    /// Inside a process, polled by its own waker: the alarm serves.
    #[inline]
    fn by_alarm(
        &mut self,
        owner: Owner<'_>,
        cx: &mut Context<'_>,
        timeout: Duration,
    ) -> Option<bool> {
        if !owner.owns(cx.waker()) {
            return None;
        }
        let now = now_for(timeout)?;
        let at = match self.at {
            Some(at) if now >= at => return Some(true),
            Some(at) => at,
            None => *self.at.insert(now.saturating_add(timeout)),
        };
        owner.alarm(at, now);
        Some(false)
    }

    fn by_timer(&mut self, cx: &mut Context<'_>, timeout: Duration, node: u32) -> bool {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(scheduler::sleep(timeout)));
        if scheduler::with_handle(|handle| handle.is_some()) {
            return sleep.as_mut().poll(cx).is_ready();
        }
        let polled = runtimes::with(node, |handle| {
            let _entered = handle.enter();
            Some(sleep.as_mut().poll(cx).is_ready())
        });
        polled.unwrap_or(true)
    }
}
