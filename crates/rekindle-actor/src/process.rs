//! What one process owns, and how it is run.
//!
//! A process is a task whose host is a [`Process`]: the future in the same cell is its body.
//!
//! | part              | touched by                                                              |
//! |-------------------|-------------------------------------------------------------------------|
//! | atomics           | anyone; each says who writes it                                         |
//! | `shared`          | anyone, under its lock; held for a few instructions, never over foreign code |
//! | `private`         | the process itself, while it runs: by way of an [`Owner`]               |
//!
//! Invariant: an [`Owner`] of a process exists only on the thread that has its turn, inside that
//! turn. So `private` is reached by one thread at a time; the flag in its cell keeps that thread from
//! reaching it twice.

use std::any::{Any, TypeId};
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::task::Waker;

use rekindle_scheduler::block::InBlock;
use rekindle_scheduler::{self as scheduler, TaskId, TaskView, Time, TimerAction, TimerKey};

use crate::attach::Attachment;
use crate::edge::{Calling, Edge};
use crate::exit::{self, ExitReason};
use crate::few::Few;
use crate::life::{Life, Stage};
use crate::link::{self, LinkBook, LinkId, LinkIds, Links};
use crate::mailbox::{
    self, Bound, Counts, GivenUp, Owed, PrivateCell, PrivateMut, Protocol, Queue, RequestSender,
    Served, Serving, SharedCell, SharedMut,
};
use crate::monitor::Watched;
use crate::pid::{MonitorRef, Pid};
use crate::report;
use crate::run::Teardown;
use crate::sys::SystemState;
use crate::unwind;
use crate::wait::{Wait, Waiting};

/// What all processes of one body have in common.
#[derive(Debug)]
pub(crate) struct ProcessKind {
    /// What runs: the type of a behaviour, or of a plain body.
    pub(crate) behaviour: fn() -> &'static str,
    /// The type of its messages.
    pub(crate) protocol: Protocol,
    /// Whether it does a piece of work for the process that spawned it: a task.
    pub(crate) is_task: bool,
}

/// The host of a process's task.
///
/// `repr(C)`, for the order is by who writes: what each sender reads comes first, beside the state and
/// inbox in the header; what the process writes in every turn comes last. A sender on another worker
/// would otherwise wait for lines that the process has just written.
#[repr(C)]
pub(crate) struct Process {
    pub(crate) bound: Option<Box<Bound>>,

    /// The process that spawned it, packed; it lives in the same runtime.
    parent: u64,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) kind: &'static ProcessKind,
    /// Untouched until anybody has held its lock, if there were no links to begin with.
    pub(crate) shared: SharedCell<Shared>,

    /// The process whose answer it waits for.
    pub(crate) calling: Calling,
    /// What it waits for, since when, and from which line.
    pub(crate) waiting: Waiting,
    /// How many full mailboxes hold this process back (policy *slow*).
    pub(crate) muted: AtomicU32,
    /// Odd from before messages are taken until `received` counts them; written by the process only.
    receiving: AtomicU32,
    /// What has been received and not yet handled.
    pub(crate) received: Counts,
    pub(crate) private: PrivateCell<Private>,
}

/// What only the process itself touches.
pub(crate) struct Private {
    /// Received and not yet handled.
    pub(crate) queue: Queue,
    /// How far the life has come. Why it ends, once it is doomed, is there if it is but a word, and else
    /// with what is rare.
    pub(crate) life: Life,
    /// The request that was received last, until the next receive begins.
    pub(crate) serving: Serving,
    aside: Option<InBlock<Aside>>,
}

/// What a process may have, and one that only receives has not.
#[derive(Default)]
pub(crate) struct Aside {
    /// The one timer that stands for every deadline of this process: see [`alarm`](Owner::alarm).
    pub(crate) alarm: Option<Alarm>,
    /// To be done when the process and its name are gone.
    pub(crate) at_exit: ExitList,
    pub(crate) rare: Option<Box<PrivateRare>>,
    /// After how many nanoseconds without a message a server sheds memory.
    pub(crate) hibernate_after: Option<NonZeroU64>,
}

/// What comes next for a process that has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Its body may have its turn.
    Body,
    /// Something other than messages is to be looked at first.
    Look,
    /// It was at its end already, and has received nothing.
    End,
}

/// A timer and its time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alarm {
    pub(crate) key: TimerKey,
    at: Time,
}

#[derive(Default)]
pub(crate) struct PrivateRare {
    /// Why it ends, once it is doomed, if that is more than a word.
    reason: Option<ExitReason>,
    /// Who sent the request that was answered last, if the word in [`Private`] has no room for it.
    caller: Option<Pid>,
    /// A server's books of the system's messages, while its loop has them not in hand.
    pub(crate) system: SystemState,
    /// Requests that were handled and are still owed an answer.
    pub(crate) deferred: Vec<Served>,
    /// Answers that were given up in this turn; whoever waits for them is told in the next, unless
    /// the process is `ending`: then they are told its reason.
    pub(crate) given_up: Vec<GivenUp>,
    /// What is kept of this process elsewhere, to be released with its name.
    pub(crate) holdings: Vec<Arc<dyn Holding>>,
    /// Streams whose items are received when there is no message.
    pub(crate) attached: Vec<Attachment>,
    /// What every turn of the body runs inside of.
    #[cfg(feature = "tracing")]
    pub(crate) span: Option<Arc<tracing::Span>>,
    /// Wakers of combinators inside the body, to be woken at the start of the next turn.
    pub(crate) wakers: Vec<Waker>,
    /// The end, if it takes more than one turn.
    pub(crate) teardown: Option<Box<Teardown>>,
    /// What the last message was, and the state, as far as the behaviour shows them.
    pub(crate) last_message: Option<LastMessage>,
    pub(crate) state_text: Option<String>,
    /// Who still waited for an answer when the process ended, in what.
    pub(crate) left_waiting: Option<(Pid, Wait)>,
    /// The replies given since the last look, while somebody watches: see `sys`.
    pub(crate) replies: Option<Vec<NotedReply>>,
}

/// A reply that the process has given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotedReply {
    /// The type of the answer.
    pub(crate) what: &'static str,
    pub(crate) to: Option<Pid>,
}

/// What is to be done when a process is gone.
pub(crate) enum AtExit {
    /// A start that was never acknowledged fails with the process's reason.
    Owed(Owed),
    Act(Box<dyn FnOnce(&ExitReason) + Send>),
}

impl AtExit {
    pub(crate) fn act(self, reason: &ExitReason) {
        match self {
            AtExit::Owed(owed) => owed.fail(reason.clone()),
            AtExit::Act(act) => act(reason),
        }
    }
}

/// What is to be done when a process is gone, in this order. Most have one thing or none.
#[derive(Default)]
pub(crate) struct ExitList {
    first: Option<AtExit>,
    more: Vec<AtExit>,
}

impl ExitList {
    pub(crate) fn push(&mut self, last: AtExit) {
        match &self.first {
            None => self.first = Some(last),
            Some(_) => self.more.push(last),
        }
    }

    fn append(&mut self, others: ExitList) {
        let others = others.first.into_iter().chain(others.more);
        others.for_each(|other| self.push(other));
    }

    fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn act(&mut self, reason: &ExitReason) {
        if let Some(first) = self.first.take() {
            first.act(reason);
        }
        for last in self.more.drain(..) {
            last.act(reason);
        }
    }

    pub(crate) fn shrink_to_fit(&mut self) {
        self.more.shrink_to_fit();
    }
}

/// What somebody keeps of processes (a registry, say), and lets go of when one of them ends: before
/// anyone hears of the end, as with names.
pub(crate) trait Holding: Send + Sync + 'static {
    /// Releases a part of what is kept of `holder`, so that one turn is not too long; `true` when
    /// nothing is left. It runs in `holder`'s end, must hold no lock while foreign code runs, and
    /// must not panic.
    fn release(&self, holder: Pid) -> bool;
    /// Whether there is nothing to release, nor ever will be.
    fn is_over(&self) -> bool;
}

/// The message that was being handled when a process crashed.
#[derive(Debug, Clone)]
pub(crate) struct LastMessage {
    pub(crate) what: String,
    pub(crate) from: Option<Pid>,
}

/// What others may look at, or change, under a lock.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) links: Links,
    aside: Option<InBlock<SharedAside>>,
}

/// What a process may have that others reach, and most have not.
#[derive(Default)]
pub(crate) struct SharedAside {
    /// With whom it is linked, if not with its parent alone.
    pub(crate) links: Few<Pid, LinkIds>,
    /// How it ended, if that is more than a word.
    pub(crate) ended: Option<ExitReason>,
    watches: Option<InBlock<Watches>>,
    rare: Option<Box<SharedRare>>,
}

/// The monitors that a process is at an end of.
#[derive(Default)]
pub(crate) struct Watches {
    /// Those this process watches, by serial.
    pub(crate) monitors: Few<u64, Watched>,
    /// Those who watch this process, with the name they used.
    pub(crate) watchers: Few<MonitorRef, Option<Arc<str>>>,
}

impl SharedAside {
    fn is_empty(&self) -> bool {
        let SharedAside {
            links,
            ended,
            watches,
            rare,
        } = self;
        let no_monitors = watches.as_deref().is_none_or(Watches::is_empty);
        links.is_empty() && ended.is_none() && no_monitors && rare.is_none()
    }

    /// Of a process that is linked with who spawned it, from another runtime, by that one's id.
    #[cold]
    fn linked_with(spawner: Pid, id: LinkId) -> InBlock<SharedAside> {
        let mut aside = InBlock::<SharedAside>::default();
        aside.links.insert(spawner, LinkIds::theirs(id));
        aside
    }
}

impl Watches {
    fn is_empty(&self) -> bool {
        self.monitors.is_empty() && self.watchers.is_empty()
    }
}

/// What only few processes need.
#[derive(Default)]
pub(crate) struct SharedRare {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) label: Option<Arc<str>>,
    /// What the process shows to whoever knows its type, without a message: see `published`.
    pub(crate) published: Option<Arc<dyn Any + Send + Sync>>,
    /// Who asked for its work, where that is not just its parent.
    pub(crate) callers: Option<Arc<Vec<Pid>>>,
}

impl Shared {
    /// How the process ended, once it has.
    pub(crate) fn ended(&self) -> Option<&ExitReason> {
        link::ended(self.links, self.aside.as_deref())
    }

    /// Of a process that is about to begin, linked with who spawned it by that one's id, or with nobody. `parent` is
    /// who spawned it, if that is of the same runtime. (Nothing is made as a whole and then moved or changed: who
    /// reads it as a whole would wait for its parts.)
    #[inline]
    fn born(spawner: Option<Pid>, parent: Option<Pid>, id: Option<LinkId>) -> Shared {
        let (links, aside) = match (parent, spawner, id) {
            (Some(_), _, Some(id)) => (Links::with_parent(id), None),
            (None, Some(spawner), Some(id)) => {
                (Links::Aside, Some(SharedAside::linked_with(spawner, id)))
            }
            _ => (Links::None, None),
        };
        Shared { links, aside }
    }

    /// The links, of a process with this parent in its own runtime.
    #[inline]
    pub(crate) fn links_of(&mut self, parent: Option<Pid>) -> LinkBook<'_> {
        let Shared { links, aside } = self;
        LinkBook {
            links,
            aside,
            parent,
        }
    }

    /// The monitors, if this one has had any.
    pub(crate) fn watches(&self) -> Option<&Watches> {
        self.aside.as_deref()?.watches.as_deref()
    }

    pub(crate) fn watches_mut(&mut self) -> Option<&mut Watches> {
        self.aside.as_deref_mut()?.watches.as_deref_mut()
    }

    /// As [`watches`](Self::watches), which it has from now on.
    pub(crate) fn make_watches(&mut self) -> &mut Watches {
        let aside = self.aside.get_or_insert_default();
        aside.watches.get_or_insert_default()
    }

    /// What only few processes need, if this one has it.
    pub(crate) fn rare(&self) -> Option<&SharedRare> {
        self.aside.as_deref()?.rare.as_deref()
    }

    pub(crate) fn rare_mut(&mut self) -> Option<&mut SharedRare> {
        self.aside.as_deref_mut()?.rare.as_deref_mut()
    }

    /// As [`rare`](Self::rare), which it has from now on.
    pub(crate) fn make_rare(&mut self) -> &mut SharedRare {
        let aside = self.aside.get_or_insert_default();
        aside.rare.get_or_insert_default()
    }

    /// Whether it has no links but with its parent, no monitors, and nothing rare. (Who had some has room for them
    /// still.)
    pub(crate) fn has_nothing_aside(&self) -> bool {
        self.aside.as_deref().is_none_or(SharedAside::is_empty)
    }

    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.rare()?.name.clone()
    }
}

/// How to make a process.
pub(crate) struct Birth {
    pub(crate) kind: &'static ProcessKind,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) bound: Option<Box<Bound>>,
    /// If it is linked with who spawned it from the start: by that one's id.
    pub(crate) linked: Option<LinkId>,
}

impl Process {
    #[inline]
    pub(crate) fn new(node: u32, started: Time, spawner: Option<Pid>, birth: Birth) -> Process {
        let parent = spawner.filter(|spawner| spawner.node() == node);
        let shared = Shared::born(spawner, parent, birth.linked);
        Process {
            muted: AtomicU32::new(0),
            calling: Calling::nobody(),
            receiving: AtomicU32::new(0),
            received: Counts::new(),
            waiting: Waiting::default(),
            parent: parent.map_or(0, |parent| pack(parent.task())),
            spawned_at: birth.spawned_at,
            kind: birth.kind,
            bound: birth.bound,
            private: PrivateCell::new(
                Private {
                    queue: Queue::new(),
                    life: Life::new(),
                    serving: Serving::NOTHING,
                    aside: None,
                },
                started,
            ),
            shared: SharedCell::new(shared, birth.linked.is_some()),
        }
    }

    /// What others may look at, under its lock.
    #[inline]
    pub(crate) fn shared(&self) -> SharedMut<'_, Shared> {
        self.shared.lock()
    }

    /// As [`shared`](Self::shared), for those who must never wait.
    fn try_shared(&self) -> Option<SharedMut<'_, Shared>> {
        self.shared.try_lock()
    }

    /// Whether `shared` is as it was made, without links. A hint, unless the caller knows that
    /// nobody can reach the process any more, and sees what they did.
    #[inline]
    pub(crate) fn is_untouched(&self) -> bool {
        self.shared.is_untouched()
    }

    /// Whether nothing that it holds needs a drop, as with most that ended well.
    #[inline]
    pub(crate) fn is_bare(&mut self) -> bool {
        // Each field by name, so that a new one that needs a drop is not forgotten here.
        let Process {
            muted: _,
            calling: _,
            receiving: _,
            received: _,
            waiting: _,
            parent: _,
            spawned_at: _,
            kind: _,
            bound,
            private,
            shared,
        } = self;
        let Shared { links: _, aside } = shared.get_mut();
        bound.is_none() && aside.is_none() && private.get_mut().is_bare()
    }

    /// The process that spawned it, if one of the same runtime did; that is `node`.
    pub(crate) fn parent(&self, node: u32) -> Option<Pid> {
        unpack(self.parent).map(|task| Pid::new(node, task))
    }

    /// The process whose exit is this one's end: the parent, unless the start was without a link.
    pub(crate) fn guardian(&self, node: u32) -> Option<Pid> {
        let heeds = self.private.heeds_parent.load(Ordering::Relaxed);
        self.parent(node).filter(|_| heeds)
    }

    /// Who asked for the work that it does, and who had asked those.
    ///
    /// A task of a process that is none itself is asked for by its parent; all other chains are
    /// written down when the work begins.
    pub(crate) fn callers(&self, node: u32) -> Vec<Pid> {
        let shared = self.shared();
        match shared.rare().and_then(|rare| rare.callers.as_ref()) {
            Some(known) => known.to_vec(),
            None if self.kind.is_task => self.parent(node).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Whether it has callers.
    pub(crate) fn works_for_others(&self) -> bool {
        let written = || {
            let shared = self.shared();
            let rare = shared.rare();
            rare.is_some_and(|rare| rare.callers.is_some())
        };
        self.kind.is_task || written()
    }

    /// What comes in is about to be taken.
    #[inline]
    pub(crate) fn begin_receiving(&self) {
        let version = self.receiving.load(Ordering::Relaxed);
        // The swap that takes the messages releases this.
        self.receiving.store(version | 1, Ordering::Relaxed);
    }

    /// Tells the process's turns apart, from the inside.
    pub(crate) fn turn_stamp(&self) -> TurnStamp {
        TurnStamp(self.receiving.load(Ordering::Relaxed))
    }

    /// All that came in is in the queue, and counts.
    #[inline]
    pub(crate) fn end_receiving(&self) {
        let version = self.receiving.load(Ordering::Relaxed);
        // Release: whoever sees the even number sees the count.
        self.receiving
            .store((version | 1).wrapping_add(1), Ordering::Release);
    }

    /// How many messages were sent and not yet handled. Exact, unless the process is taking very
    /// many of them just now.
    pub(crate) fn mailbox_len(&self, view: TaskView<'_>) -> usize {
        let mut seen = 0;
        for _ in 0..10_000 {
            let before = self.receiving.load(Ordering::Acquire);
            seen = self.received.len() + view.in_transit();
            // Pairs with what took the messages out, if `in_transit` saw it.
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.receiving.load(Ordering::Relaxed) == before {
                break;
            }
            std::hint::spin_loop();
        }
        seen
    }

    pub(crate) fn speaks<M: 'static>(&self) -> bool {
        (self.kind.protocol)() == TypeId::of::<M>()
    }

    /// Lets everybody go on who waits for room in the mailbox of this process, which has ended.
    ///
    /// A sender that finds the mailbox full is put on the list before its message is pushed. So
    /// whoever comes upon such a message (the one that refuses it, or the sender whose push
    /// fails) calls this afterwards, and nobody is held back for ever.
    pub(crate) fn release_senders(&self) {
        if let Some(bound) = &self.bound {
            bound.release_senders();
        }
    }

    /// Writes who this is: behaviour, then name or label.
    pub(crate) fn write_identity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.kind.behaviour)())?;
        // Whoever asks may be a panic's report or the monitor thread: never wait here.
        let Some(shared) = self.try_shared() else {
            return Ok(());
        };
        let rare = shared.rare();
        let name = rare.and_then(|rare| rare.name.clone().or_else(|| rare.label.clone()));
        drop(shared);
        match name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

impl Aside {
    /// What has come late, to what was there before.
    pub(crate) fn take_over(&mut self, late: Aside) {
        self.at_exit.append(late.at_exit);
        match (&mut self.rare, late.rare) {
            (Some(rare), Some(mut late)) => {
                rare.holdings.append(&mut late.holdings);
                rare.deferred.append(&mut late.deferred);
                unwind::discard(late);
            }
            (none, late @ Some(_)) => *none = late,
            (_, None) => {}
        }
    }

    fn is_empty(&self) -> bool {
        let Aside {
            alarm,
            at_exit,
            rare,
            hibernate_after: _,
        } = self;
        alarm.is_none() && at_exit.is_empty() && rare.is_none()
    }
}

impl Private {
    #[inline]
    fn is_bare(&mut self) -> bool {
        let Private {
            queue,
            life: _,
            serving,
            aside,
        } = self;
        queue.is_empty() && aside.is_none() && serving.is_nothing()
    }

    /// What only few processes need, if this one has it.
    #[inline]
    pub(crate) fn rare(&self) -> Option<&PrivateRare> {
        self.aside.as_deref()?.rare.as_deref()
    }

    #[inline]
    pub(crate) fn rare_mut(&mut self) -> Option<&mut PrivateRare> {
        self.aside.as_deref_mut()?.rare.as_deref_mut()
    }

    /// As [`rare`](Self::rare), which it has from now on.
    pub(crate) fn make_rare(&mut self) -> &mut PrivateRare {
        let aside = self.aside.get_or_insert_default();
        aside.rare.get_or_insert_default()
    }

    /// The timer, if one is armed.
    #[inline]
    fn alarm(&self) -> Option<&Alarm> {
        self.aside.as_deref()?.alarm.as_ref()
    }

    fn take_alarm(&mut self) -> Option<Alarm> {
        self.aside.as_deref_mut()?.alarm.take()
    }

    /// What is to be done when the process and its name are gone.
    pub(crate) fn at_exit(&mut self) -> &mut ExitList {
        &mut self.aside.get_or_insert_default().at_exit
    }

    /// After how many nanoseconds without a message a server sheds memory, if it does.
    pub(crate) fn hibernate_after(&self) -> Option<NonZeroU64> {
        self.aside.as_deref()?.hibernate_after
    }

    pub(crate) fn set_hibernate_after(&mut self, nanos: NonZeroU64) {
        self.aside.get_or_insert_default().hibernate_after = Some(nanos);
    }

    /// Whether there is no timer, nothing to be done at the end, and nothing rare.
    #[inline]
    pub(crate) fn has_nothing_aside(&self) -> bool {
        self.aside.as_deref().is_none_or(Aside::is_empty)
    }

    /// What is aside; but the reason stays, for there is none without it.
    pub(crate) fn take_aside(&mut self) -> Option<InBlock<Aside>> {
        let mut taken = self.aside.take()?;
        if let Some(rare) = &mut taken.rare
            && let Some(reason) = rare.reason.take()
        {
            self.make_rare().reason = Some(reason);
        }
        Some(taken)
    }

    /// Notes a fatal signal. The first one counts; gives the reason back that does not.
    #[must_use = "whoever drops it must not have the guard"]
    fn doom(&mut self, reason: ExitReason) -> Option<ExitReason> {
        if self.life.stage() != Stage::Lives {
            return Some(reason);
        }
        self.life.set_stage(Stage::Doomed);
        self.set_reason(reason)
    }

    #[inline]
    pub(crate) fn is_doomed(&self) -> bool {
        self.life.stage() == Stage::Doomed
    }

    /// What comes next, where the end has not begun.
    #[inline]
    pub(crate) fn ahead(&self) -> Ahead {
        let has_news = |rare: &PrivateRare| !rare.wakers.is_empty() || !rare.given_up.is_empty();
        match self.is_doomed() || self.rare().is_some_and(has_news) {
            true => Ahead::Look,
            false => Ahead::Body,
        }
    }

    /// The reason of the fatal signal, if there was one; the end must begin.
    pub(crate) fn take_doom(&mut self) -> Option<ExitReason> {
        if !self.is_doomed() {
            return None;
        }
        self.life.set_stage(Stage::Lives);
        let in_full = self.rare_mut().and_then(|rare| rare.reason.take());
        Some(in_full.unwrap_or_else(|| self.word().clone()))
    }

    #[inline]
    fn word(&self) -> &'static ExitReason {
        &exit::WORDS[self.life.word()]
    }

    /// Why the process ends, once it does.
    #[inline]
    pub(crate) fn exiting(&self) -> Option<&ExitReason> {
        let in_full = || self.rare().and_then(|rare| rare.reason.as_ref());
        let reason = || in_full().unwrap_or_else(|| self.word());
        (self.life.stage() >= Stage::Exiting).then(reason)
    }

    /// The end begins, or has another reason; gives the one before back, if that was more than a word.
    #[inline(always)]
    #[must_use = "whoever drops it must not have the guard"]
    fn set_exiting(&mut self, reason: ExitReason) -> Option<ExitReason> {
        let stage = self.life.stage().max(Stage::Exiting);
        self.life.set_stage(stage);
        self.set_reason(reason)
    }

    #[inline(always)]
    fn set_reason(&mut self, reason: ExitReason) -> Option<ExitReason> {
        let Some(word) = reason.word() else {
            return self.make_rare().reason.replace(reason);
        };
        // Nothing of it needs a drop.
        std::mem::forget(reason);
        self.life.set_word(word);
        self.rare_mut()?.reason.take()
    }

    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.life.stage() == Stage::Gone
    }

    pub(crate) fn set_gone(&mut self) {
        self.life.set_stage(Stage::Gone);
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.life.next_serial()
    }
}

/// One turn of a process: see [`Process::turn_stamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TurnStamp(u32);

/// A process that has its turn on this thread, from the inside.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    process: &'a Process,
    view: TaskView<'a>,
    /// Never leaves the thread.
    thread: PhantomData<*const ()>,
}

impl<'a> Owner<'a> {
    /// The process that has its turn on this thread, if any.
    #[inline]
    pub(crate) fn current<R>(f: impl FnOnce(Option<Owner<'_>>) -> R) -> R {
        scheduler::running(|view| f(view.and_then(Owner::of)))
    }

    /// The running task, if it is a process. To be called with the running task only.
    #[inline]
    pub(crate) fn of(view: TaskView<'a>) -> Option<Owner<'a>> {
        let process = view.host::<Process>()?;
        Some(Owner {
            process,
            view,
            thread: PhantomData,
        })
    }

    /// The process whose turn this is, for its host.
    #[inline]
    pub(crate) fn hosted(process: &'a Process, view: TaskView<'a>) -> Owner<'a> {
        debug_assert!(
            view.host::<Process>()
                .is_some_and(|host| std::ptr::eq(host, process))
        );
        Owner {
            process,
            view,
            thread: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn process(self) -> &'a Process {
        self.process
    }

    #[inline]
    pub(crate) fn view(self) -> TaskView<'a> {
        self.view
    }

    /// The runtime it lives in.
    #[inline]
    pub(crate) fn node(self) -> u32 {
        self.view.runtime_id()
    }

    #[inline]
    pub(crate) fn pid(self) -> Pid {
        Pid::new(self.node(), self.view.id())
    }

    /// A waker of the running process, if one runs here.
    #[inline]
    pub(crate) fn own_waker() -> Option<Waker> {
        Owner::current(|owner| owner.map(|owner| owner.view().waker()))
    }

    /// Notes a fatal signal. The first one counts.
    pub(crate) fn doom(self, reason: ExitReason) {
        let other = self.private().doom(reason);
        // What an error's drop does, it does without the guard, and to nobody else.
        other.map(unwind::discard);
    }

    /// The end begins, or has another reason than it had.
    #[inline(always)]
    pub(crate) fn set_exiting(self, reason: ExitReason) {
        let before = self.private().set_exiting(reason);
        if let Some(before) = before {
            unwind::discard(before);
        }
    }

    /// Does something with the links, under the lock.
    #[inline]
    pub(crate) fn with_links<R>(self, f: impl FnOnce(LinkBook<'_>) -> R) -> R {
        let parent = self.process.parent(self.node());
        f(self.process.shared().links_of(parent))
    }

    /// What only the process may touch. Never held while foreign code runs.
    #[inline]
    pub(crate) fn private(self) -> PrivateMut<'a, Private> {
        self.process.private.of_running(self)
    }

    /// Does `f` when the running process has ended; at once if there is none, or if it has.
    pub(crate) fn at_exit(f: AtExit) {
        Owner::current(|owner| {
            let Some(owner) = owner else {
                return f.act(&ExitReason::NoProc);
            };
            let mut private = owner.private();
            if !private.is_gone() {
                return private.at_exit().push(f);
            }
            let reason = private.exiting().cloned().unwrap_or(ExitReason::NoProc);
            drop(private);
            f.act(&reason);
        });
    }

    /// Has `holding` release what it keeps of this process when the process ends.
    pub(crate) fn hold(self, holding: Arc<dyn Holding>) {
        let mut private = self.private();
        let holdings = &mut private.make_rare().holdings;
        // Sweep what is over, when the list would have to grow.
        let mut over = Vec::new();
        if holdings.len() == holdings.capacity() {
            over.extend(holdings.extract_if(.., |known| known.is_over()));
        }
        holdings.push(holding);
        drop(private);
        drop(over);
    }

    /// The opposite of [`hold`](Owner::hold).
    pub(crate) fn let_go(self, holding: &Arc<dyn Holding>) {
        let mut private = self.private();
        let Some(rare) = private.rare_mut() else {
            return;
        };
        let at = rare.holdings.iter().position(|h| Arc::ptr_eq(h, holding));
        let known = at.map(|at| rare.holdings.swap_remove(at));
        drop(private);
        drop(known);
    }

    /// A link has been made. One with the parent makes up for a start without.
    pub(crate) fn linked_with(self, other: Pid) {
        if self.process.parent(self.node()) == Some(other) {
            let heeds = &self.process.private.heeds_parent;
            heeds.store(true, Ordering::Relaxed);
        }
    }

    /// Shows `what` to whoever asks by [`published`], until it is `None` again.
    pub(crate) fn publish(self, what: Option<Arc<dyn Any + Send + Sync>>) {
        let mut shared = self.process.shared();
        let before = std::mem::replace(&mut shared.make_rare().published, what);
        drop(shared);
        drop(before);
    }

    /// Takes a right to answer that was dropped in the running process.
    pub(crate) fn give_up(given_up: GivenUp) {
        Owner::current(|owner| {
            let Some(owner) = owner else { return };
            let mut private = owner.private();
            if private.is_gone() {
                drop(private);
                return drop(given_up);
            }
            private.make_rare().given_up.push(given_up);
            drop(private);
            owner.view.wake();
        });
    }

    /// Takes a request that was handled: it is done with, or owed an answer.
    pub(crate) fn settle(served: Served) {
        Owner::current(|owner| match owner {
            Some(owner) => owner.settle_here(served),
            None if served.is_settled() => served.let_go(),
            None => served.fail(&ExitReason::NoProc),
        });
    }

    /// The request that was received last has been handled: it has its answer, or is owed one.
    #[inline]
    pub(crate) fn settle_last(self) {
        let served = self.private().serving.take();
        if let Some(served) = served {
            self.settle_here(served);
        }
    }

    /// As [`settle`](Owner::settle), in the process at hand.
    fn settle_here(self, served: Served) {
        let private = self.private();
        if served.is_settled() {
            drop(private);
            return served.let_go();
        }
        let exiting = private.exiting().cloned();
        drop(private);
        match exiting {
            Some(reason) => {
                if !reason.is_clean() {
                    // Now, for once it is told it waits no more.
                    let left = served.caller().and_then(report::wait_of);
                    self.private().make_rare().left_waiting = left;
                }
                served.fail(&reason);
            }
            None => self.defer(served),
        }
    }

    /// Takes the request that the running process handles, if `is_it`, and notes the reply that it
    /// is about to get, if somebody watches.
    #[inline]
    pub(crate) fn answers(
        is_it: impl FnOnce(&Served) -> bool,
        note: impl FnOnce() -> Option<NotedReply>,
    ) -> Option<Served> {
        Owner::current(|owner| {
            let mut private = owner?.private();
            if let Some(rare) = private.rare_mut()
                && let Some(replies) = &mut rare.replies
            {
                replies.extend(note());
            }
            let node = owner?.node();
            let (served, elsewhere) = private.serving.answer(is_it, node)?;
            if elsewhere.is_some() {
                private.make_rare().caller = elsewhere;
            }
            Some(served)
        })
    }

    /// Who sent the request that was received last, if a process did.
    pub(crate) fn last_caller(self) -> Option<Pid> {
        let private = self.private();
        match private.serving.sender(self.node()) {
            RequestSender::Nobody => None,
            RequestSender::Process(caller) => Some(caller),
            RequestSender::Elsewhere => private.rare()?.caller,
        }
    }

    /// Whether this process has received a request of `caller`, who waits for the answer still.
    pub(crate) fn has_request_of(self, caller: Pid) -> bool {
        let mut private = self.private();
        let mut found = private.serving.request().is_some_and(|s| s.is_for(caller));
        let received = &self.process.received;
        private.queue.take(received, &mut None, |node| {
            found |= mailbox::is_awaited_by(node, caller);
            false
        });
        found
    }

    /// Whether the running process notes the replies it gives.
    pub(crate) fn watch_replies(on: bool) {
        Owner::current(|owner| {
            let Some(owner) = owner else { return };
            let mut private = owner.private();
            if on {
                private.make_rare().replies.get_or_insert_default();
            } else if let Some(rare) = private.rare_mut() {
                rare.replies = None;
            }
        });
    }

    /// The replies noted since the last time.
    pub(crate) fn take_replies() -> Vec<NotedReply> {
        Owner::current(|owner| {
            let mut private = owner?.private();
            private.rare_mut()?.replies.as_mut().map(std::mem::take)
        })
        .unwrap_or_default()
    }

    fn defer(self, served: Served) {
        // The caller waits for whoever has the `ReplyTo` now, no longer for us: see `cycle`.
        if let Some(caller) = served.caller() {
            Edge::redirect(caller, self.pid());
        }
        let mut private = self.private();
        let deferred = &mut private.make_rare().deferred;
        // Sweep what was answered since, when the list would have to grow.
        let mut answered = Vec::new();
        if deferred.len() == deferred.capacity() {
            answered.extend(deferred.extract_if(.., |owed| owed.is_settled()));
        }
        deferred.push(served);
        drop(private);
        for served in answered {
            served.let_go();
        }
    }

    /// Sees to it that the process has a turn at `deadline`, at the latest.
    ///
    /// Most deadlines are never met: a call that has five seconds takes a microsecond. So a
    /// process keeps *one* timer for all of its deadlines, and does not cancel it when a deadline
    /// is dropped: the next one, which is later as a rule, finds it armed. When it fires, whoever
    /// still waits asks again. A call thus pays for a comparison, not for a timer.
    #[inline]
    pub(crate) fn alarm(self, deadline: Time, now: Time) {
        if let Some(armed) = self.private().alarm()
            && armed.at <= deadline
            && armed.at > now
        {
            return;
        }
        self.arm(deadline);
    }

    #[cold]
    fn arm(self, deadline: Time) {
        let armed = self.private().take_alarm();
        let action = TimerAction::Task(self.view.to_ref());
        let key = scheduler::with_handle(|handle| {
            let handle = handle?;
            // Without effect if it has fired.
            armed.map(|armed| handle.stop_timer(armed.key));
            Some(handle.start_timer(deadline, action))
        });
        let alarm = key.map(|key| Alarm { key, at: deadline });
        self.private().aside.get_or_insert_default().alarm = alarm;
    }

    /// Whether `waker` is the process's own, and not one of a combinator inside its body.
    #[inline]
    pub(crate) fn owns(self, waker: &Waker) -> bool {
        self.view.owns_waker(waker)
    }

    /// Has `waker` woken at the start of the next turn, unless it is the process's own.
    #[inline]
    pub(crate) fn wake_next_turn(self, waker: &Waker) {
        if !self.owns(waker) {
            // Its code is foreign.
            let waker = waker.clone();
            self.private().make_rare().wakers.push(waker);
        }
    }

    /// Whether a full mailbox holds the process back.
    #[inline]
    pub(crate) fn is_muted(self) -> bool {
        self.process.muted.load(Ordering::Acquire) != 0
    }

    /// As [`is_muted`](Self::is_muted), for a part of the body that is polled by `waker`: whoever makes
    /// room wakes the process, but no combinator inside of it, so that is told in the next turn.
    #[inline]
    pub(crate) fn is_held_back(self, waker: &Waker) -> bool {
        if self.is_muted() {
            self.wait_for_room(waker);
            return true;
        }
        false
    }

    #[cold]
    fn wait_for_room(self, waker: &Waker) {
        self.wake_next_turn(waker);
    }
}

/// What a process has published, if it is a `T`.
pub(crate) fn published<T: Any + Send + Sync>(process: &Process) -> Option<Arc<T>> {
    let shared = process.shared();
    let what = shared.rare()?.published.clone();
    drop(shared);
    what?.downcast().ok()
}

/// The time from which a deadline counts: as fresh as the runtime's last look at the clock, which
/// is good enough for 100 ms and more, and makes them a few ms early at most; exact for less.
#[inline]
pub(crate) fn now_for(nanos: u64) -> Option<Time> {
    if nanos < 100_000_000 {
        scheduler::with_handle(|handle| Some(handle?.now()))
    } else {
        scheduler::coarse_now()
    }
}

/// A task id in one word; 0 is nobody, for generations start at one.
#[inline]
pub(crate) fn pack(task: TaskId) -> u64 {
    u64::from(task.index()) << 32 | u64::from(task.generation())
}

#[inline]
pub(crate) fn unpack(packed: u64) -> Option<TaskId> {
    let task = TaskId::from_parts((packed >> 32) as u32, packed as u32);
    (packed != 0).then_some(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_the_end_stays_when_what_is_aside_is_taken() {
        let mut private = Private {
            queue: Queue::new(),
            life: Life::new(),
            serving: Serving::NOTHING,
            aside: None,
        };
        let said = |private: &Private| private.exiting().map(ToString::to_string);
        assert!(
            private
                .set_exiting(ExitReason::msg("a long story"))
                .is_none()
        );
        private.make_rare().state_text = Some("in ruins".to_owned());
        let taken = private
            .take_aside()
            .and_then(|aside| aside.into_inner().rare?.state_text);
        assert_eq!(taken.as_deref(), Some("in ruins"));
        assert_eq!(said(&private).as_deref(), Some("a long story"));
        // The last one counts, and a word needs nothing rare.
        assert!(private.set_exiting(ExitReason::Killed).is_some());
        assert_eq!(said(&private).as_deref(), Some("killed"));
        drop(private.take_aside());
        assert_eq!(said(&private).as_deref(), Some("killed"));
        assert!(private.take_aside().is_none());
    }

    #[test]
    fn nobody_has_the_private_part_twice() {
        let runtime = crate::Runtime::simulated(1);
        let twice = runtime.block_on(async {
            let both = || {
                Owner::current(|owner| {
                    let owner = owner.expect("a process runs");
                    let _mine = owner.private();
                    owner.private().next_serial()
                })
            };
            let panic = crate::unwind::catch(both).expect_err("it is had once");
            // What was had is back.
            Owner::current(|owner| owner.map(|owner| owner.private().next_serial()))
                .zip(panic.downcast_ref::<&str>().copied())
        });
        assert_eq!(twice, Some((1, "it is borrowed already")));
    }

    /// A field more is felt by whoever has a million processes: see *Bytes* in `docs/BENCHMARKS.md`.
    #[test]
    fn every_process_has_eighteen_words() {
        assert_eq!(size_of::<Process>(), 18 * size_of::<u64>());
    }
}
