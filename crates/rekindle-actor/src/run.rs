//! The process as a task: signals first, then the body, and the order of its end.
//!
//! The end, in this order, whatever the reason:
//!
//! 1. The reason is fixed; from now on requests that are dropped fail with it.
//! 2. The body is dropped, and the state with it. (A behaviour has run `terminate` before, unless
//!    the process was killed.)
//! 3. The keys it holds in registries are free. What lies unread is dropped, up to a number that only
//!    a mailbox out of control has; requests in it, and requests that are still owed an answer, fail
//!    with the reason.
//! 4. The names are free.
//! 5. The pid is dead.
//! 6. Links get their exit signals, watchers their `Down`.
//! 7. What it owes at its end is told with the reason: a start that was never acknowledged fails, so
//!    does a task, and a `stop` is done.
//! 8. What was left unread in step 3 is dropped, in the same way.
//!
//! So whoever sees a `Down` finds the name free and the memory gone (but for step 8), and to whom step 7
//! tells something, the signals of step 6 have been sent before. Steps 3, 6 and 8 take as many turns as they
//! need: the death of a process with a million links, or ten million unread messages, holds nobody
//! up; and with step 8 the news of it does not wait for most of those messages.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use rekindle_scheduler::block::InBlock;
use rekindle_scheduler::{self as scheduler, Body, Host, NodePtr, TaskView, Turn};

use crate::exit::ExitReason;
use crate::faults;
use crate::few;
use crate::interests::Interest;
use crate::link::{LinkIds, Links};
use crate::mailbox::{self, MailboxOverflow, Queue, Served};
use crate::monitor::{self, Watched};
use crate::names;
use crate::pid::{MonitorRef, Pid};
use crate::process::{Ahead, Aside, Owner, PrivateRare, Process};
use crate::report::{self, PendingReport};
use crate::signal::{self, Signal};
use crate::telemetry;
use crate::unwind::{self, Inside};

/// Steps of an end that are done in one turn.
const STEPS_PER_TURN: usize = 1024;

/// Unread messages that are dropped before anybody is told of an end: some 2 ms.
const UNREAD_BEFORE_NEWS: usize = 1 << 16;

/// An end that is under way.
pub(crate) struct Teardown {
    reason: ExitReason,
    queue: Queue,
    /// How many more of the queue are dropped in step 3.
    before_news: usize,
    /// In this order: its holdings, what is deferred, what was given up (after that, for who is owed
    /// an answer hears the reason, not that there is none), and what is to be done at the exit.
    aside: Option<InBlock<Aside>>,
    /// Whether the process had a name.
    named: bool,
    links: few::IntoIter<Pid, LinkIds>,
    watchers: few::IntoIter<MonitorRef, Option<Arc<str>>>,
    /// Whom it watches: they are told that nobody wants their `Down` any more.
    monitors: few::IntoIter<u64, Watched>,
    report: Option<PendingReport>,
    /// Steps 4 and 5 are done.
    announced: bool,
}

impl Teardown {
    fn next_deferred(&mut self) -> Option<Served> {
        self.rare()?.deferred.pop()
    }

    fn rare(&mut self) -> Option<&mut PrivateRare> {
        self.aside.as_deref_mut()?.rare.as_deref_mut()
    }
}

impl Host for Process {
    type Output = ExitReason;

    #[inline]
    fn begins_turn(&self) {
        self.begin_receiving();
    }

    #[inline]
    fn poll<F>(&self, mut body: Body<'_, F>, turn: &mut Turn<'_>) -> Poll<()>
    where
        F: Future<Output = ExitReason>,
    {
        let owner = Owner::hosted(self, turn.view());
        let ahead = if turn.inbox().is_empty() {
            self.end_receiving();
            owner.private().ahead()
        } else {
            signal::receive_all(owner, turn.inbox())
        };
        match ahead {
            Ahead::Body => {}
            Ahead::Look => {
                if let Some(reason) = Process::before_body(owner) {
                    // Who is ended by a signal has not crashed: the report is that of whoever sent
                    // it. An overflow is nobody else's, and has no other report.
                    let silent = reason.downcast_ref::<MailboxOverflow>().is_none();
                    return self.end_with(owner, reason, &mut body, turn, silent);
                }
            }
            Ahead::End => return self.go_on_ending(owner, turn),
        }
        if body.is_gone() {
            return self.go_on_ending(owner, turn);
        }
        // Only now, for an end goes on whoever is held back.
        if owner.is_muted() {
            return Poll::Pending;
        }
        let mut cx = turn.context();
        let polled = {
            let _inside = Inside::enter();
            unwind::catch(|| telemetry::in_span(owner, || body.poll(&mut cx)))
        };
        match polled {
            Ok(Some(Poll::Ready(reason))) => self.end(owner, reason, &mut body, turn),
            // It was there, as seen above.
            Ok(Some(Poll::Pending) | None) => Poll::Pending,
            Err(payload) => self.end(owner, ExitReason::from_panic(payload), &mut body, turn),
        }
    }

    fn cancel<F>(&self, mut body: Body<'_, F>, turn: &mut Turn<'_>)
    where
        F: Future<Output = ExitReason>,
    {
        let owner = Owner::hosted(self, turn.view());
        if body.is_gone() {
            while self.go_on_ending(owner, turn).is_pending() {}
            return;
        }
        let mut inbox = std::mem::take(turn.inbox());
        self.end_receiving();
        let mut teardown = self.begin_end(owner, ExitReason::Killed, &mut body, true);
        while let Some(node) = inbox.pop() {
            signal::refuse(owner.pid(), node, &ExitReason::Killed, false);
        }
        while !self.steps(owner, &mut teardown, turn) {}
    }

    #[inline]
    fn is_bare(&mut self) -> bool {
        Process::is_bare(self)
    }

    fn undelivered(&self, node: NodePtr) {
        self.release_senders();
        let reason = self.shared().ended().cloned().unwrap_or(ExitReason::NoProc);
        // The pid is only for the messages to those who ask; the slot may be another's by now.
        let pid = scheduler::running(|view| view.map(|v| Pid::new(v.runtime_id(), v.id())));
        match pid {
            Some(pid) => signal::refuse(pid, node, &reason, true),
            None => mailbox::discard(node),
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("process ")?;
        self.write_identity(f)?;
        write!(f, " (spawned at {})", self.spawned_at)
    }
}

impl Process {
    /// Looks at what must be looked at before the body has its turn; gives the reason of the fatal
    /// signal, if one has come.
    fn before_body(owner: Owner<'_>) -> Option<ExitReason> {
        let mut private = owner.private();
        let doomed = private.take_doom();
        let ends = doomed.is_some() || private.life.is_ending() || private.exiting().is_some();
        let (mut wakers, mut given_up) = (Vec::new(), Vec::new());
        if let Some(rare) = private.rare_mut() {
            wakers = std::mem::take(&mut rare.wakers);
            if !ends {
                given_up = std::mem::take(&mut rare.given_up);
            }
        }
        drop(private);
        drop(given_up);
        for waker in wakers {
            unwind::discard(unwind::catch(|| waker.wake()));
        }
        doomed
    }

    /// Ends the process; the reason may change if dropping the state panics.
    #[inline]
    fn end<F>(
        &self,
        owner: Owner<'_>,
        reason: ExitReason,
        body: &mut Body<'_, F>,
        turn: &mut Turn<'_>,
    ) -> Poll<()>
    where
        F: Future<Output = ExitReason>,
    {
        if reason.is_normal() && self.quick_end(owner, body, turn) {
            return Poll::Ready(());
        }
        self.end_with(owner, reason, body, turn, false)
    }

    /// The end in steps; `silent` if there is to be no report.
    #[inline(never)]
    fn end_with<F>(
        &self,
        owner: Owner<'_>,
        reason: ExitReason,
        body: &mut Body<'_, F>,
        turn: &mut Turn<'_>,
        silent: bool,
    ) -> Poll<()>
    where
        F: Future<Output = ExitReason>,
    {
        let mut teardown = self.begin_end(owner, reason, body, silent);
        if self.steps(owner, &mut teardown, turn) {
            return Poll::Ready(());
        }
        owner.private().make_rare().teardown = Some(Box::new(teardown));
        turn.again();
        Poll::Pending
    }

    /// The whole end of a process that ends well, and whom nobody knows: most are such. `false`
    /// if it is not one; then nothing has been done but the body may be gone.
    #[inline]
    fn quick_end<F>(&self, owner: Owner<'_>, body: &mut Body<'_, F>, turn: &mut Turn<'_>) -> bool
    where
        F: Future<Output = ExitReason>,
    {
        owner.set_exiting(ExitReason::Normal);
        faults::note(|| "ends: normal".to_owned());
        let dropped = {
            let _inside = Inside::enter();
            unwind::catch(|| body.drop_in_place())
        };
        if let Err(payload) = dropped {
            // The slow way finds the body gone, and reports what its drop did.
            owner.set_exiting(ExitReason::from_panic(payload));
            return false;
        }
        let mut private = owner.private();
        if !private.has_nothing_aside()
            || !private.serving.is_nothing()
            || !private.queue.is_empty()
        {
            return false;
        }
        // Most likely nobody has ever asked for it. If somebody knows it, the id stays for now: they may be about
        // to give it a name, which is to go before the id.
        if self.is_untouched()
            && self.bound.is_none()
            && turn.vacate_if_alone(|| self.is_untouched())
        {
            private.set_gone();
            return true;
        }
        let mut shared = self.shared();
        if !shared.has_nothing_aside() || shared.links != Links::None || self.bound.is_some() {
            return false;
        }
        // None, as seen above: there is nobody to tell.
        let links = shared.links_of(None);
        links.end(ExitReason::Normal, &mut few::IntoIter::default());
        private.set_gone();
        drop((shared, private));
        turn.vacate();
        true
    }

    /// Steps 1 and 2, and gathering what the other steps need.
    fn begin_end<F>(
        &self,
        owner: Owner<'_>,
        reason: ExitReason,
        body: &mut Body<'_, F>,
        silent: bool,
    ) -> Teardown
    where
        F: Future<Output = ExitReason>,
    {
        // `quick_end` may have been here, and may have found a worse reason.
        let before = owner.private().exiting().cloned();
        if before.is_none() {
            faults::note(|| format!("ends: {reason}"));
        }
        let reason = before.unwrap_or(reason);
        owner.set_exiting(reason.clone());
        let dropped = {
            let _inside = Inside::enter();
            unwind::catch(|| body.drop_in_place())
        };
        // A mailbox that is dropped has done so, unless it was carried away; a server's body has none.
        owner.settle_last();
        let reason = reason.after_drop(dropped);
        let report = (!reason.is_clean() && !silent).then(|| report::gather(owner, &reason));
        owner.set_exiting(reason.clone());
        let mut private = owner.private();
        // From here on it is filled where it lies.
        let mut teardown = Teardown {
            reason,
            queue: std::mem::replace(&mut private.queue, Queue::new()),
            before_news: UNREAD_BEFORE_NEWS,
            aside: private.take_aside(),
            named: false,
            links: few::IntoIter::default(),
            watchers: few::IntoIter::default(),
            monitors: few::IntoIter::default(),
            report,
            announced: false,
        };
        drop(private);
        if let Some(rare) = teardown.rare() {
            // Only the process's own turns would have used these.
            unwind::discard(std::mem::take(&mut rare.wakers));
            rare.last_message = None;
            rare.state_text = None;
            unwind::discard(std::mem::take(&mut rare.system));
            // Streams are part of the state.
            if !rare.attached.is_empty() {
                unwind::discard(std::mem::take(&mut rare.attached));
            }
        }
        let aside = teardown.aside.as_deref_mut();
        if let Some(alarm) = aside.and_then(|aside| aside.alarm.take()) {
            crate::time::stop(alarm.key);
        }
        let mut shared = self.shared();
        let links = shared.links_of(self.parent(owner.node()));
        links.end(teardown.reason.clone(), &mut teardown.links);
        // Nobody can give it a name any more: it has ended.
        teardown.named = shared.rare().is_some_and(|rare| rare.name.is_some());
        if let Some(watches) = shared.watches_mut() {
            teardown.watchers = std::mem::take(&mut watches.watchers).into_iter();
            teardown.monitors = std::mem::take(&mut watches.monitors).into_iter();
        }
        drop(shared);
        teardown
    }

    /// Steps 3 to 8, as far as one turn goes; `true` when all is done.
    fn steps(&self, owner: Owner<'_>, teardown: &mut Teardown, turn: &mut Turn<'_>) -> bool {
        let pid = owner.pid();
        for _ in 0..STEPS_PER_TURN {
            if let Some(rare) = teardown.rare()
                && let Some(holding) = rare.holdings.last()
            {
                if holding.release(pid) {
                    rare.holdings.pop();
                    // Whoever remembers that the process held a key looks again.
                    self.shared.name_epoch.fetch_add(1, Ordering::AcqRel);
                }
            } else if teardown.before_news > 0
                && let Some(node) = teardown.queue.pop(&self.received)
            {
                teardown.before_news -= 1;
                signal::refuse(pid, node, &teardown.reason, false);
            } else if let Some(served) = teardown.next_deferred() {
                served.fail(&teardown.reason);
            } else if !teardown.announced {
                teardown.announced = true;
                self.announce(owner, teardown, turn);
            } else if let Some((other, ids)) = teardown.links.next() {
                let report = self.report_for(pid, other, teardown);
                let reason = teardown.reason.clone();
                let link = Some(ids.flipped());
                signal::send(
                    other,
                    Signal::Exit {
                        from: pid,
                        reason,
                        link,
                        report,
                    },
                );
            } else if let Some((reference, name)) = teardown.watchers.next() {
                monitor::notify(pid, reference, name, &teardown.reason);
            } else if let Some((serial, watched)) = teardown.monitors.next() {
                watched.forget(MonitorRef::new(pid, serial));
            } else if let Some(mut aside) = teardown.aside.take() {
                if let Some(rare) = aside.rare.take() {
                    // Foreign things, should the process have come by some on its way out.
                    unwind::discard(rare);
                }
                aside.at_exit.act(&teardown.reason);
            } else if let Some(node) = teardown.queue.pop(&self.received) {
                signal::refuse(pid, node, &teardown.reason, false);
            } else {
                // A report that nobody took is printed here.
                teardown.report = None;
                self.release_senders();
                return true;
            }
        }
        false
    }

    /// Steps 4 and 5.
    fn announce(&self, owner: Owner<'_>, teardown: &mut Teardown, turn: &mut Turn<'_>) {
        self.release_senders();
        if teardown.named {
            let name = self.shared().rare_mut().and_then(|r| r.name.take());
            if let Some(name) = name {
                names::free(owner.pid(), &name);
            }
        }
        turn.vacate();
        let mut private = owner.private();
        private.set_gone();
        let late = private.take_aside();
        drop(private);
        if let Some(rare) = teardown.rare() {
            rare.given_up.clear();
        }
        if let Some(mut late) = late {
            if let Some(rare) = &mut late.rare {
                rare.given_up.clear();
            }
            match &mut teardown.aside {
                Some(aside) => aside.take_over(late.into_inner()),
                none => *none = Some(late),
            }
        }
    }

    /// The crash report, for the parent that wants to print it.
    fn report_for(&self, own: Pid, other: Pid, teardown: &mut Teardown) -> Option<PendingReport> {
        if self.parent(own.node()) != Some(other) || teardown.report.is_none() {
            return None;
        }
        let wants = crate::runtimes::with_process(other, |_, parent| {
            parent.shared.interests.has(Interest::Reports)
        });
        if wants != Some(true) {
            return None;
        }
        let report = teardown.report.take()?;
        report.handed_over();
        Some(report)
    }

    /// One more turn of an end that is under way.
    fn go_on_ending(&self, owner: Owner<'_>, turn: &mut Turn<'_>) -> Poll<()> {
        let mut private = owner.private();
        let taken = private.rare_mut().and_then(|rare| rare.teardown.take());
        drop(private);
        let Some(mut teardown) = taken else {
            return Poll::Ready(());
        };
        if !turn.inbox().is_empty() {
            while let Some(node) = turn.inbox().pop() {
                signal::refuse(owner.pid(), node, &teardown.reason, teardown.announced);
            }
            // Who sends to a full mailbox that nobody reads any more.
            self.release_senders();
        }
        if self.steps(owner, &mut teardown, turn) {
            return Poll::Ready(());
        }
        owner.private().make_rare().teardown = Some(teardown);
        turn.again();
        Poll::Pending
    }
}

/// The pid of a task that is a process.
pub(crate) fn pid_of(view: TaskView<'_>) -> Option<Pid> {
    view.host::<Process>()?;
    Some(Pid::new(view.runtime_id(), view.id()))
}
