//! What a mailbox with a bound does when it is full.

use std::sync::atomic::{AtomicU64, Ordering};

use rekindle_scheduler::{TaskRef, TaskView};

use super::gate::Gate;
use crate::exit::ExitReason;
use crate::process::{Owner, Process};
use crate::signal::{self, Signal};

/// How many messages a mailbox takes, and what happens to the next one.
///
/// The bound counts what was sent and not yet handled. Exit signals, monitors, `sys` messages and
/// replies are never held up by it, and no way of sending slips past it.
///
/// ```
/// use rekindle_actor::{MailboxPolicy, Overflow};
/// let policy = MailboxPolicy::bounded(1000).when_full(Overflow::Fail);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailboxPolicy {
    /// `None`: as many as memory holds.
    limit: Option<(usize, Overflow)>,
}

/// What becomes of a message that finds the mailbox full.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, MailboxPolicy, Overflow, SendError, SpawnOptions, spawn_with};
///
/// let one = SpawnOptions::new().mailbox(MailboxPolicy::bounded(1).when_full(Overflow::Fail));
/// let busy = spawn_with(one, |mut inbox: Mailbox<u32>| async move {
///     loop { inbox.recv().await; }
/// });
/// assert_eq!(busy.try_send(1), Ok(()));
/// assert_eq!(busy.try_send(2), Err(SendError::Full(2)));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// It is taken, and the *sending process* is suspended at its next await until there is room
    /// (as Pony mutes senders). Code that is no process cannot be suspended: its messages are
    /// taken. This is the default.
    #[default]
    Slow,
    /// It is refused: `try_cast`, `try_send` and `call` say `Full`; `cast` and `send` drop it.
    Fail,
    /// The oldest unread message makes room. While the receiver does not come to a receive, up to
    /// twice the bound may wait; beyond that the newest is dropped.
    DropOldest,
    /// It is dropped; `call` says `Full`.
    DropNewest,
    /// The receiver is stopped with [`MailboxOverflow`](crate::MailboxOverflow) as its reason.
    Stop,
}

impl MailboxPolicy {
    /// No bound; the default.
    #[must_use]
    pub const fn unbounded() -> MailboxPolicy {
        MailboxPolicy { limit: None }
    }

    /// At most `limit` messages (one, if it is zero), and [`Overflow::Slow`] beyond.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, MailboxPolicy, SpawnOptions, Task, now, spawn_with};
    /// use rekindle_actor::{sleep, yield_now};
    /// use std::time::Duration;
    ///
    /// let options = SpawnOptions::new().mailbox(MailboxPolicy::bounded(1));
    /// let slow = spawn_with(options, |mut inbox: Mailbox<u32>| async move {
    ///     loop {
    ///         sleep(Duration::from_secs(1)).await;
    ///         inbox.recv().await;
    ///     }
    /// });
    /// let fast = Task::spawn(async move {
    ///     for n in 0..3 {
    ///         slow.send(n);
    ///         yield_now().await; // held up here for as long as the mailbox is full
    ///     }
    /// });
    /// let begun = now();
    /// fast.await.unwrap();
    /// assert!(now() - begun >= Duration::from_secs(2));
    /// # });
    /// ```
    #[must_use]
    pub const fn bounded(limit: usize) -> MailboxPolicy {
        let limit = if limit == 0 { 1 } else { limit };
        MailboxPolicy {
            limit: Some((limit, Overflow::Slow)),
        }
    }

    /// Says what a full mailbox does. Without a bound this has no effect.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, MailboxPolicy, Overflow, SpawnOptions, spawn_with};
    ///
    /// let latest = MailboxPolicy::bounded(1).when_full(Overflow::DropOldest);
    /// let options = SpawnOptions::new().mailbox(latest);
    /// let screen = spawn_with(options, |mut inbox: Mailbox<u32>| async move {
    ///     assert_eq!(inbox.recv().await, 2, "what was drawn over is not shown");
    /// });
    /// screen.send(1);
    /// screen.send(2);
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !screen.is_alive());
    /// # });
    /// ```
    #[must_use]
    pub const fn when_full(mut self, overflow: Overflow) -> MailboxPolicy {
        if let Some((_, policy)) = &mut self.limit {
            *policy = overflow;
        }
        self
    }

    #[inline]
    pub(crate) fn bound(self) -> Option<Box<Bound>> {
        let (limit, overflow) = self.limit?;
        Some(Box::new(Bound {
            overflow,
            dropped: AtomicU64::new(0),
            gate: Gate::new(limit),
        }))
    }
}

/// A mailbox with this reason for its end was full, and its policy was [`Overflow::Stop`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Info, Mailbox, MailboxOverflow, MailboxPolicy, Overflow, SpawnOptions};
/// use rekindle_actor::{monitor, spawn, spawn_with};
///
/// let watching = spawn(|mut inbox: Mailbox<()>| async move {
///     let policy = MailboxPolicy::bounded(2).when_full(Overflow::Stop);
///     let options = SpawnOptions::new().mailbox(policy);
///     let idle = spawn_with(options, |_inbox: Mailbox<u32>| std::future::pending::<()>());
///     monitor(idle.pid());
///     (1..=3).for_each(|n| idle.send(n));
///     let Info::Down(down) = inbox.next().await else { panic!("nothing else comes") };
///     assert_eq!(down.reason.downcast_ref(), Some(&MailboxOverflow { limit: 2 }));
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(!watching.is_alive() && !rekindle_actor::recent_crashes().iter().any(|crash| crash.pid == watching.pid()));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxOverflow {
    /// The bound.
    pub limit: usize,
}

impl std::fmt::Display for MailboxOverflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "its mailbox overflowed its bound of {} messages",
            self.limit
        )
    }
}

impl std::error::Error for MailboxOverflow {}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Dead,
    Full,
}

fn has_ended(process: &Process) -> bool {
    process.shared().ended().is_some()
}

/// The bound of one mailbox.
#[derive(Debug)]
pub(crate) struct Bound {
    overflow: Overflow,
    /// Dropped by policy.
    dropped: AtomicU64,
    /// How many there are, and the senders that wait for room.
    gate: Gate<TaskRef>,
}

impl Bound {
    /// Counts one message more, or refuses it.
    pub(crate) fn admit(&self, receiver: TaskView<'_>) -> Result<(), Refusal> {
        let limit = self.gate.limit();
        let before = self.gate.count_up();
        if before < limit {
            return Ok(());
        }
        match self.overflow {
            Overflow::Slow => {
                self.hold_back_sender(receiver);
                Ok(())
            }
            Overflow::DropOldest if before < limit.saturating_mul(2) => Ok(()),
            overflow => {
                self.gate.count_down();
                let process: Option<&Process> = receiver.host();
                if process.is_none_or(has_ended) {
                    // A dead process has no mailbox that could be full.
                    return Err(Refusal::Dead);
                }
                if overflow == Overflow::Stop {
                    let pid = crate::pid::Pid::new(receiver.runtime_id(), receiver.id());
                    let reason = ExitReason::error(MailboxOverflow { limit });
                    signal::send(pid, Signal::doom(pid, reason));
                } else {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(Refusal::Full)
            }
        }
    }

    fn hold_back_sender(&self, receiver: TaskView<'_>) {
        Owner::current(|sender| {
            let Some(sender) = sender else { return };
            if sender.view().is_same(receiver) {
                // A process that waits for room in its own mailbox would wait for ever.
                return;
            }
            self.gate.hold_back(|| {
                sender.process().muted.fetch_add(1, Ordering::AcqRel);
                sender.view().to_ref()
            });
        });
    }

    /// Counts one message less, and lets held-back senders go on once half the room is free.
    pub(crate) fn handled(&self) {
        let has_room = self.gate.count_down();
        if self.overflow == Overflow::Slow && has_room {
            self.release_senders();
        }
    }

    /// Whether the reader must drop its oldest message.
    pub(crate) fn is_over(&self) -> bool {
        self.overflow == Overflow::DropOldest && self.gate.is_over()
    }

    pub(crate) fn count_dropped(&self) {
        self.gate.count_down();
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn release_senders(&self) {
        for sender in self.gate.open() {
            if let Some(process) = sender.view().host::<Process>() {
                process.muted.fetch_sub(1, Ordering::AcqRel);
                sender.view().wake();
            }
        }
    }
}
