//! What a machine has still to do before it looks into its mailbox, and what it waits for.
//!
//! Everything here decides only. Time is read, and alarms are set, by way of [`Clock`].
//!
//! Invariants
//! 1. `ready` is in the order of handling: inserted events, then postponed ones that came back,
//!    then whatever was in it before.
//! 2. `postponed` is in the order in which the events came first, and is empty after a change of
//!    state.
//! 3. There is at most one timeout of each kind and name. `timeouts` is in the order in which they
//!    were set, and those of zero time come in that order.
//! 4. A tag is never used twice. So an alarm that goes off for a timeout that was cancelled, or
//!    replaced, finds no timeout (FSM-022).

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use rekindle_scheduler::Time;

use super::GenStatem;
use super::event::StatemEvent;
use super::transition::{Action, Change, TimeoutKind, When};

/// How an agenda learns the time, and lets the machine be woken.
pub(super) trait Clock {
    /// An alarm that is set; dropped, it is off.
    type Armed;

    fn now(&self) -> Time;

    fn arm(&self, moment: Time, tag: u64) -> Self::Armed;
}

/// See the head of the module. Without a box while there is nothing to remember: most machines
/// that are idle wait for a message and nothing else.
pub(super) struct Agenda<M: GenStatem, A>(Option<Box<Book<M, A>>>);

struct Book<M: GenStatem, A> {
    ready: VecDeque<StatemEvent<M>>,
    postponed: Vec<StatemEvent<M>>,
    timeouts: Vec<Timeout<M, A>>,
    next_tag: u64,
}

struct Timeout<M: GenStatem, A> {
    kind: TimeoutKind<M::Timer>,
    content: M::Content,
    due: Due<A>,
}

/// A change to be made to a timeout.
type ChangeTo<M> = (
    TimeoutKind<<M as GenStatem>::Timer>,
    Change<<M as GenStatem>::Content>,
);

enum Due<A> {
    /// When nothing is ready.
    Zero,
    At {
        moment: Time,
        tag: u64,
        /// Keeps the alarm set.
        _armed: A,
    },
}

impl<M: GenStatem, A> Default for Book<M, A> {
    fn default() -> Self {
        Book {
            ready: VecDeque::new(),
            postponed: Vec::new(),
            timeouts: Vec::new(),
            next_tag: 0,
        }
    }
}

impl<M: GenStatem, A> Agenda<M, A> {
    pub(super) fn new() -> Self {
        Agenda(None)
    }

    /// Makes a transition: `changed` says whether the state is another one than before.
    ///
    /// In the order of OTP: what was postponed, what comes back, which timeouts end, which begin,
    /// what is inserted.
    pub(super) fn transition(
        &mut self,
        changed: bool,
        actions: Vec<Action<M>>,
        clock: &impl Clock<Armed = A>,
    ) {
        if actions.is_empty() && (!changed || self.0.is_none()) {
            return;
        }
        let book = self.0.get_or_insert_default();
        let mut inserted = Vec::new();
        let mut changes: Vec<ChangeTo<M>> = Vec::new();
        for action in actions {
            match action {
                Action::Postpone(event) => book.postponed.push(event),
                Action::Next(event) => inserted.push(event),
                Action::Timeout(kind, change) => {
                    // Of several changes only the last counts.
                    changes.retain(|(earlier, _)| *earlier != kind);
                    changes.push((kind, change));
                }
            }
        }
        if changed {
            for event in std::mem::take(&mut book.postponed).into_iter().rev() {
                book.ready.push_front(event);
            }
            book.take_timeout(|timeout| timeout.kind == TimeoutKind::State);
        }
        for (kind, change) in changes {
            book.change(kind, change, clock);
        }
        for event in inserted.into_iter().rev() {
            book.ready.push_front(event);
        }
    }

    /// What to handle before the mailbox: what is ready, then timeouts of zero time.
    pub(super) fn next(&mut self) -> Option<StatemEvent<M>> {
        let book = self.0.as_mut()?;
        book.ready
            .pop_front()
            .or_else(|| book.take_timeout(|timeout| matches!(timeout.due, Due::Zero)))
    }

    /// An alarm has gone off: the event that it stands for, if it still stands for one.
    pub(super) fn alarm(&mut self, gone_off: u64) -> Option<StatemEvent<M>> {
        self.0
            .as_mut()?
            .take_timeout(|timeout| matches!(timeout.due, Due::At { tag, .. } if tag == gone_off))
    }

    /// An event is about to be handled, whatever it is.
    pub(super) fn cancel_event_timeout(&mut self) {
        if let Some(book) = &mut self.0 {
            book.take_timeout(|timeout| timeout.kind == TimeoutKind::Event);
        }
    }

    /// Gives back what room is not needed.
    pub(super) fn shrink(&mut self) {
        let Some(book) = &mut self.0 else { return };
        book.ready.shrink_to_fit();
        book.postponed.shrink_to_fit();
        book.timeouts.shrink_to_fit();
        // The count of tags must go on, for old alarms may lie in the mailbox.
        let empty = book.ready.is_empty() && book.postponed.is_empty() && book.timeouts.is_empty();
        if empty && book.next_tag == 0 {
            self.0 = None;
        }
    }

    /// What is postponed, in its order.
    pub(super) fn postponed(&self) -> &[StatemEvent<M>] {
        self.0.as_ref().map_or(&[], |book| &book.postponed)
    }

    /// Which timeouts are running, and how much time they have left.
    pub(super) fn timeouts(&self, now: Time) -> impl Iterator<Item = (String, Duration)> + '_ {
        let book = self.0.iter();
        book.flat_map(|book| &book.timeouts).map(move |timeout| {
            let left = match timeout.due {
                Due::Zero => Duration::ZERO,
                Due::At { moment, .. } => moment.saturating_since(now),
            };
            (timeout.kind.to_string(), left)
        })
    }
}

impl<M: GenStatem, A> Book<M, A> {
    fn change(
        &mut self,
        kind: TimeoutKind<M::Timer>,
        change: Change<M::Content>,
        clock: &impl Clock<Armed = A>,
    ) {
        let (when, content) = match change {
            Change::Set(when, content) => (when, Some(content)),
            Change::Cancel => (When::Never, None),
            Change::Update(content) => {
                match self
                    .timeouts
                    .iter_mut()
                    .find(|timeout| timeout.kind == kind)
                {
                    Some(running) => running.content = content,
                    None => self.timeouts.push(Timeout {
                        kind,
                        content,
                        due: Due::Zero,
                    }),
                }
                return;
            }
        };
        self.take_timeout(|timeout| timeout.kind == kind);
        let moment = match when {
            When::Never | When::After(Duration::MAX) => None,
            When::After(Duration::ZERO) => Some(None),
            When::After(after) => Some(Some(clock.now().saturating_add(after))),
            When::At(moment) => Some(Some(moment)),
        };
        let (Some(moment), Some(content)) = (moment, content) else {
            return;
        };
        let due = moment.map_or(Due::Zero, |moment| {
            self.next_tag += 1;
            Due::At {
                moment,
                tag: self.next_tag,
                _armed: clock.arm(moment, self.next_tag),
            }
        });
        self.timeouts.push(Timeout { kind, content, due });
    }

    /// Takes the first timeout that `is_it` accepts, as the event that it becomes.
    fn take_timeout(&mut self, is_it: impl Fn(&Timeout<M, A>) -> bool) -> Option<StatemEvent<M>> {
        let at = self.timeouts.iter().position(is_it)?;
        // Not `swap_remove`: by invariant 3 the order says which comes first.
        let timeout = self.timeouts.remove(at);
        Some(match timeout.kind {
            TimeoutKind::Event => StatemEvent::EventTimeout(timeout.content),
            TimeoutKind::State => StatemEvent::StateTimeout(timeout.content),
            TimeoutKind::Named(name) => StatemEvent::Timeout(name, timeout.content),
        })
    }
}

impl<N: fmt::Debug> fmt::Display for TimeoutKind<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeoutKind::Event => f.write_str("event"),
            TimeoutKind::State => f.write_str("state"),
            TimeoutKind::Named(name) => write!(f, "{name:?}"),
        }
    }
}

#[cfg(test)]
mod tests;
