//! Every signal, and in one `match` what its reception does.
//!
//! A signal takes the same way as a message, so the two never overtake each other (per pair of
//! processes). The difference is at the other end: a signal *acts* when it is received, at the
//! start of the receiver's turn, however many messages lie unread before it.

use std::fmt;

use rekindle_scheduler::{self as scheduler, NodePtr};

use crate::exit::{ExitReason, Origin, Reception, receive_exit};
use crate::faults;
use crate::interests::Interest;
use crate::link::{self, LinkId, LinkIds};
use crate::mailbox;
use crate::monitor::{self, Down};
use crate::pid::{MonitorRef, Pid};
use crate::process::{Ahead, Owner};
use crate::report::PendingReport;
use crate::runtimes;
use crate::sys::SystemMessage;
use crate::unwind;

/// What one process can do to another, besides sending it a message.
#[derive(Debug)]
pub(crate) enum Signal {
    /// The sender has linked itself to the receiver.
    Link { from: Pid, id: LinkId },
    /// The sender has taken the link away again.
    Unlink { from: Pid, ids: LinkIds },
    /// An exit signal: over a link (then `link` says which), or sent by hand.
    Exit {
        from: Pid,
        reason: ExitReason,
        link: Option<LinkIds>,
        report: Option<PendingReport>,
    },
    /// The sender watches the receiver.
    Monitor {
        reference: MonitorRef,
        name: Option<std::sync::Arc<str>>,
    },
    /// It no longer does.
    Demonitor { reference: MonitorRef },
    /// One whom the receiver watches has ended.
    Down(Down),
    /// Somebody looks in.
    System(SystemMessage),
    /// A moment has come that the receiver itself has asked to be told of.
    Alarm(u64),
}

impl Signal {
    /// An exit signal that cannot be trapped and carries its own reason: the mailbox overflowed.
    pub(crate) fn doom(to: Pid, reason: ExitReason) -> Signal {
        // From itself and over a link that stands for ever: see `reception`.
        Signal::Exit {
            from: to,
            reason,
            link: Some(LinkIds::DOOM),
            report: None,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signal::Link { .. } => f.write_str("links"),
            Signal::Unlink { .. } => f.write_str("unlinks"),
            Signal::Exit { reason, .. } => write!(f, "exit signal ({reason})"),
            Signal::Monitor { .. } => f.write_str("monitors"),
            Signal::Demonitor { .. } => f.write_str("demonitors"),
            Signal::Down(down) => write!(f, "Down ({})", down.reason),
            Signal::System(_) => f.write_str("sys message"),
            Signal::Alarm(_) => f.write_str("alarm"),
        }
    }
}

/// Sends a signal; gives it back if there is no such process.
#[inline]
pub(crate) fn try_send(to: Pid, signal: Signal) -> Result<(), Signal> {
    send_block(to, mailbox::signal(signal)).map_err(mailbox::open_signal)
}

/// Sends a signal; to a dead process it vanishes.
#[inline]
pub(crate) fn send(to: Pid, signal: Signal) {
    if let Err(node) = send_block(to, mailbox::signal(signal)) {
        mailbox::discard(node);
    }
}

/// Sends the block of a signal; gives it back if there is no such process.
fn send_block(to: Pid, node: NodePtr) -> Result<(), NodePtr> {
    let mut unsent = Some(node);
    runtimes::with(to.node(), |handle| {
        let node = unsent.take()?;
        let text = || mailbox::with_signal(node, |signal| signal.to_string());
        unsent = match faults::detour(|| Some(to), text) {
            None => mailbox::push_by_id(handle, to.task(), node).err(),
            Some(to) => match mailbox::parcel_by_id(handle, to.task(), node) {
                Ok(parcel) => {
                    faults::put(to, parcel);
                    None
                }
                Err(node) => Some(node),
            },
        };
        Some(())
    });
    unsent.map_or(Ok(()), Err)
}

/// What the receiver of a signal must do with it.
enum Received {
    /// It has acted.
    Done,
    /// It becomes a message.
    Queue,
    /// The receiver ends.
    Doomed(ExitReason),
}

/// Lets everything act that came in since the last turn, and queues the messages.
#[inline]
pub(crate) fn receive_all(owner: Owner<'_>, inbox: &mut rekindle_scheduler::NodeList) -> Ahead {
    let mut private = owner.private();
    if private.exiting().is_some() {
        owner.process().end_receiving();
        return Ahead::End;
    }
    if let Some(messages) = inbox.take_plain() {
        private.queue.append(&owner.process().received, messages);
    }
    drop(private);
    if let Some(signal) = inbox.pop() {
        receive_rest(owner, signal, inbox);
    }
    received(owner)
}

/// All of it is in the queue, or has acted: what a full mailbox has no room for goes, and the rest counts.
#[inline]
fn received(owner: Owner<'_>) -> Ahead {
    let process = owner.process();
    if process.bound.is_some() {
        discard_excess(owner);
    }
    let private = owner.private();
    process.end_receiving();
    private.ahead()
}

/// As [`receive_all`], in the middle of a turn: for who is about to say that there is no message.
/// `false` if nothing came in, or if the process is at its end or was just brought to it; then
/// there is nothing to look at.
pub(crate) fn receive_news(owner: Owner<'_>) -> bool {
    if owner.private().exiting().is_some() {
        return false;
    }
    let process = owner.process();
    process.begin_receiving();
    let mut news = rekindle_scheduler::take_news();
    if news.is_empty() {
        process.end_receiving();
        return false;
    }
    receive_all(owner, &mut news) != Ahead::End && !owner.private().is_doomed()
}

/// From the first signal on.
fn receive_rest(owner: Owner<'_>, first: NodePtr, inbox: &mut rekindle_scheduler::NodeList) {
    let received = &owner.process().received;
    let queue = |node| owner.private().queue.push(received, node);
    let mut next = Some(first);
    while let Some(node) = next {
        next = inbox.pop();
        if mailbox::class(node) != mailbox::Class::Signal {
            queue(node);
            continue;
        }
        match mailbox::with_signal(node, |signal| act(owner, signal)) {
            Received::Queue => queue(node),
            Received::Done => mailbox::discard(node),
            Received::Doomed(reason) => {
                mailbox::discard(node);
                // The first fatal signal counts.
                owner.doom(reason);
            }
        }
    }
}

/// Throws away what a bounded mailbox has no room for.
fn discard_excess(owner: Owner<'_>) {
    for node in mailbox::trim(owner) {
        mailbox::discard(node);
    }
}

/// The table of signals.
fn act(owner: Owner<'_>, signal: &mut Signal) -> Received {
    match signal {
        Signal::Link { from, id } => {
            owner.with_links(|mut links| links.add_theirs(*from, *id));
            owner.linked_with(*from);
            Received::Done
        }
        Signal::Unlink { from, ids } => {
            let ended = owner.with_links(|mut links| links.remove_ids(*from, *ids));
            match ended && owner.process().shared.interests.has(Interest::Unlinks) {
                true => Received::Queue,
                false => Received::Done,
            }
        }
        Signal::Exit {
            from, reason, link, ..
        } => exit(owner, *from, reason, *link),
        Signal::Monitor { reference, name } => {
            let mut shared = owner.process().shared();
            let watchers = &mut shared.make_watches().watchers;
            // One that was suspended and stands again is known by its first name.
            if watchers.get(*reference).is_none() {
                watchers.insert(*reference, name.take());
            }
            Received::Done
        }
        Signal::Demonitor { reference } => {
            if let Some(watches) = owner.process().shared().watches_mut() {
                watches.watchers.remove(*reference);
            }
            Received::Done
        }
        Signal::Down(down) => match monitor::receive_down(owner, down) {
            true => Received::Queue,
            false => Received::Done,
        },
        Signal::System(_) | Signal::Alarm(_) => Received::Queue,
    }
}

fn exit(owner: Owner<'_>, from: Pid, reason: &ExitReason, link: Option<LinkIds>) -> Received {
    if link == Some(LinkIds::DOOM) {
        return Received::Doomed(reason.clone());
    }
    let origin = match link {
        None => Origin::Explicit,
        Some(ids) => {
            let active = owner.with_links(|mut links| links.remove_ids(from, ids));
            Origin::Link { active }
        }
    };
    let traps = owner
        .process()
        .shared
        .traps
        .load(std::sync::atomic::Ordering::Relaxed);
    match receive_exit(origin, reason, traps, from == owner.pid()) {
        Reception::Drop => Received::Done,
        Reception::Deliver => Received::Queue,
        Reception::Terminate(reason) => Received::Doomed(reason),
    }
}

/// Answers what reaches a process that ends with `reason`, or is `gone` already.
pub(crate) fn refuse(pid: Pid, node: NodePtr, reason: &ExitReason, gone: bool) {
    match mailbox::class(node) {
        mailbox::Class::Letter => mailbox::discard(node),
        mailbox::Class::Request => mailbox::refuse(node, (!gone).then_some(reason)),
        mailbox::Class::Signal => match mailbox::open_signal(node) {
            Signal::Link { from, id } => link::refuse(pid, from, id, reason),
            Signal::Monitor { reference, name } => {
                monitor::notify(pid, reference, name, reason);
            }
            // The rest is of no interest to the dead. A `sys` message that is dropped tells its
            // sender so; and what it carries is foreign, as is what a reason does.
            other => {
                unwind::discard(other);
            }
        },
    }
}

/// Sends an exit signal to a process: as if by the running process, or by nobody if none runs.
///
/// | receiver         | reason            | effect                                            |
/// |------------------|-------------------|---------------------------------------------------|
/// | any              | `Kill`            | it ends with `Killed`; this cannot be trapped      |
/// | traps exits      | any other         | it gets the message [`Exit`](crate::Exit)          |
/// | does not         | `Normal`          | nothing, unless it is the sender itself            |
/// | does not         | any other         | it ends with that reason                           |
///
/// # Delivery
///
/// In order with the sender's messages to the same process. It acts when the receiver next
/// yields, before messages that are still unread. To a dead process it vanishes (EXIT-011).
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, exit, is_alive, sleep, spawn, trap_exit};
/// use std::time::Duration;
///
/// let worker = spawn(async {
///     trap_exit(true);
///     sleep(Duration::from_secs(60)).await;
/// });
/// sleep(Duration::from_secs(1)).await;
/// exit(worker, ExitReason::Shutdown);
/// sleep(Duration::from_secs(1)).await;
/// assert!(is_alive(worker), "to a process that traps exits it is a message");
/// exit(worker, ExitReason::Kill);
/// sleep(Duration::from_secs(1)).await;
/// assert!(!is_alive(worker), "this cannot be trapped");
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn exit_signal(pid: Pid, reason: ExitReason) {
    let from = Owner::current(|owner| owner.map(Owner::pid)).unwrap_or(pid_of_nobody(pid));
    send(
        pid,
        Signal::Exit {
            from,
            reason,
            link: None,
            report: None,
        },
    );
}

/// The sender of signals that come from no process: a pid that no process ever has.
fn pid_of_nobody(receiver: Pid) -> Pid {
    Pid::new(receiver.node(), scheduler::TaskId::from_parts(u32::MAX, 0))
}
