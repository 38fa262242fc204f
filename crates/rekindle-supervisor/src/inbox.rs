//! A supervisor's mailbox: what comes while a child is being stopped is kept for later.
//!
//! While a supervisor waits for one child to end, requests and the deaths of other children come
//! in. They are set aside in order. Deaths are found by pid, too: the next child to be stopped may
//! be one that has ended meanwhile, and no list is searched for it.

use std::collections::VecDeque;
use std::time::Duration;

use rekindle_actor::{Down, Event, Exit, Mailbox, MonitorRef, Pid, Time, coarse_now, monitor, now};

use crate::pid_map::PidMap;

/// The mailbox, and what was set aside.
#[derive(Debug)]
pub(crate) struct Inbox<M> {
    mailbox: Mailbox<M>,
    held: VecDeque<Held<M>>,
    /// The deaths in `held` that nobody has asked for.
    deaths: PidMap<Pid, Exit>,
    parent: Option<Pid>,
}

/// A wait as long as this counts from the runtime's last look at its clock, as a receive does: it may
/// be a few ms early. Reading the clock for each stop of a child would be a good part of that.
const LONG: Duration = Duration::from_millis(100);

/// The moment from which a wait of this length counts.
pub(crate) fn begin_of(wait: Duration) -> Time {
    match coarse_now() {
        Some(coarse) if wait >= LONG => coarse,
        _ => now(),
    }
}

/// How long it is until then.
fn left_until(deadline: Time) -> Duration {
    match coarse_now().map(|coarse| deadline.saturating_since(coarse)) {
        Some(left) if left >= LONG => left,
        _ => deadline.saturating_since(now()),
    }
}

/// What a wait for the end of a process has brought.
#[derive(Debug)]
pub(crate) enum Told {
    ByLink(Exit),
    ByMonitor(Down),
    TimeIsUp,
}

#[derive(Debug)]
enum Held<M> {
    Event(Event<M>),
    Death(Pid),
}

impl<M: Send + 'static> Inbox<M> {
    /// `parent` is the process whose end is the supervisor's.
    pub(crate) fn new(mailbox: Mailbox<M>, parent: Option<Pid>) -> Self {
        mailbox.hear_unlinks(true);
        Inbox {
            mailbox,
            held: VecDeque::new(),
            deaths: PidMap::default(),
            parent,
        }
    }

    pub(crate) fn mailbox(&self) -> &Mailbox<M> {
        &self.mailbox
    }

    pub(crate) fn is_parent(&self, pid: Pid) -> bool {
        self.parent == Some(pid)
    }

    /// The next event that was set aside: all of these come before [`arriving`](Self::arriving).
    #[inline]
    pub(crate) fn set_aside(&mut self) -> Option<Event<M>> {
        if self.held.is_empty() {
            return None;
        }
        self.next_held()
    }

    fn next_held(&mut self) -> Option<Event<M>> {
        while let Some(held) = self.held.pop_front() {
            match held {
                Held::Event(event) => return Some(event),
                Held::Death(pid) => {
                    if let Some(exit) = self.deaths.remove(&pid) {
                        return Some(Event::Exit(exit));
                    }
                }
            }
        }
        None
    }

    /// The next event that comes.
    pub(crate) fn arriving(&mut self) -> impl Future<Output = Event<M>> + Send + '_ {
        self.mailbox.next_event(None)
    }

    /// The next event that a suspended supervisor must see: a `sys` message, or its parent's end.
    pub(crate) async fn next_while_suspended(&mut self) -> Event<M> {
        loop {
            match self.mailbox.next_system().await {
                Event::Exit(exit) if !self.is_parent(exit.from) => self.hold(Event::Exit(exit)),
                event => return event,
            }
        }
    }

    /// Waits for the end of a process, at most until the deadline. Its link tells; or a monitor, if
    /// there is one, and there is as soon as the process has taken the link away.
    pub(crate) async fn end_of(
        &mut self,
        pid: Pid,
        monitoring: &mut Option<MonitorRef>,
        deadline: Option<Time>,
    ) -> Told {
        loop {
            match (self.next_until(deadline).await, *monitoring) {
                (Event::Timeout, _) => return Told::TimeIsUp,
                (Event::Exit(exit), None) if exit.from == pid && exit.came_by_link() => {
                    return Told::ByLink(exit);
                }
                (Event::Down(down), Some(reference)) if down.reference == reference => {
                    return Told::ByMonitor(down);
                }
                (Event::Unlinked(from), None) if from == pid => {
                    *monitoring = Some(monitor(pid));
                }
                (event, _) => self.hold(event),
            }
        }
    }

    /// The next event that comes, at most until the deadline: then `Event::Timeout`.
    pub(crate) fn next_until(
        &mut self,
        deadline: Option<Time>,
    ) -> impl Future<Output = Event<M>> + Send + '_ {
        self.mailbox.next_event(deadline.map(left_until))
    }

    /// The next event that has come already, or `Event::Timeout`.
    pub(crate) fn next_here(&mut self) -> impl Future<Output = Event<M>> + Send + '_ {
        self.mailbox.next_event(Some(Duration::ZERO))
    }

    /// Sets an event aside, unless it concerns nobody else than who waits.
    pub(crate) fn hold(&mut self, event: Event<M>) {
        match event {
            Event::Unlinked(_) => {}
            Event::Exit(exit) if !self.is_parent(exit.from) && exit.came_by_link() => {
                let pid = exit.from;
                self.deaths.entry(pid).or_insert(exit);
                self.held.push_back(Held::Death(pid));
            }
            event => self.held.push_back(Held::Event(event)),
        }
    }

    /// A death that was set aside.
    pub(crate) fn take_death(&mut self, pid: Pid) -> Option<Exit> {
        // Most have none, and need not look for it.
        if self.deaths.is_empty() {
            return None;
        }
        self.deaths.remove(&pid)
    }
}
