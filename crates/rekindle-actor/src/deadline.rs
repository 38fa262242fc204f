//! The end of a wait.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use rekindle_scheduler::{self as scheduler, Sleep, Time};

use crate::process::{Owner, now_for};
use crate::runtimes;

/// When a wait ends without its result.
#[derive(Debug)]
pub(crate) struct Deadline {
    /// Nanoseconds; `NEVER` for as long as it takes.
    limit: u64,
    /// The end; `Time::ZERO` until the wait has begun. (No wait ends then: a limit of zero is looked at
    /// before.)
    at: Time,
    /// A timer of its own, where the process's alarm does not serve.
    sleep: Option<Pin<Box<Sleep>>>,
}

const NEVER: u64 = u64::MAX;

#[inline]
fn nanos(timeout: Option<Duration>) -> u64 {
    let nanos = timeout.map_or(u128::from(NEVER), |timeout| timeout.as_nanos());
    u64::try_from(nanos).unwrap_or(NEVER)
}

impl Deadline {
    /// A limit that is longer than 584 years is none.
    #[inline]
    pub(crate) fn after(timeout: Option<Duration>) -> Deadline {
        Deadline {
            limit: nanos(timeout),
            at: Time::ZERO,
            sleep: None,
        }
    }

    /// Another limit; a wait that has begun already begins anew. (Field by field, so that whoever has just been
    /// made need not lie in memory for it.)
    #[inline]
    pub(crate) fn set_limit(&mut self, timeout: Option<Duration>) {
        self.limit = nanos(timeout);
        self.at = Time::ZERO;
        drop(self.sleep.take());
    }

    /// How long the wait may last.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_nanos(self.limit)
    }

    /// Whether the time is up; if not, sees to it that the wait is polled when it is.
    ///
    /// `node` is a runtime whose clock serves where none is running.
    #[inline]
    pub(crate) fn is_past(&mut self, cx: &mut Context<'_>, node: u32) -> bool {
        self.limit != NEVER && self.is_past_in(cx, node)
    }

    fn is_past_in(&mut self, cx: &mut Context<'_>, node: u32) -> bool {
        Owner::current(|owner| self.is_past_for(owner, cx, node))
    }

    /// As [`is_past`](Self::is_past), where the running process is at hand.
    #[inline(always)]
    pub(crate) fn is_past_for(
        &mut self,
        owner: Option<Owner<'_>>,
        cx: &mut Context<'_>,
        node: u32,
    ) -> bool {
        if self.limit == NEVER {
            return false;
        }
        if self.limit == 0 {
            // What is not there is not waited for, as with `after 0` in Erlang.
            return true;
        }
        if self.sleep.is_none()
            && let Some(owner) = owner
        {
            let past = match owner.view().is_at_home() {
                true => self.by_alarm(owner, cx),
                false => self.by_alarm_at_home(owner, cx),
            };
            if let Some(past) = past {
                return past;
            }
        }
        self.by_timer(cx, node)
    }

    /// The body has entered another runtime, whose clock and timers are not the process's.
    #[cold]
    fn by_alarm_at_home(&mut self, owner: Owner<'_>, cx: &Context<'_>) -> Option<bool> {
        runtimes::with(owner.pid().node(), |handle| {
            let _home = handle.enter();
            self.by_alarm(owner, cx)
        })
    }

    /// Inside a process, polled by its own waker: the alarm serves.
    #[inline(always)]
    fn by_alarm(&mut self, owner: Owner<'_>, cx: &Context<'_>) -> Option<bool> {
        if !owner.owns(cx.waker()) {
            return None;
        }
        let now = now_for(self.limit)?;
        if self.at == Time::ZERO {
            self.at = Time::from_nanos(now.as_nanos().saturating_add(self.limit));
        } else if now >= self.at {
            return Some(true);
        }
        owner.alarm(self.at, now);
        Some(false)
    }

    #[cold]
    fn by_timer(&mut self, cx: &mut Context<'_>, node: u32) -> bool {
        let timeout = self.limit();
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
