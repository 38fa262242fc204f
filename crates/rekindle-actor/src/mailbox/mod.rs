//! The mailbox: many senders, one reader.
//!
//! A message is *in transit* in the task's inbox (`rekindle-scheduler`'s state word), then
//! *received* in the private [`queue`], then handled. Reading order: [`node`] says what lies in an
//! inbox, [`reply`] how a request carries its answer back, [`bounded`] what a full mailbox does,
//! [`receive`] how a process waits.
//!
//! This folder is the only unsafe code of the crate. Its arguments are the invariants at the head
//! of `node.rs` and `reply.rs`, and the one of `process.rs` on owners.

mod bounded;
mod cells;
mod gate;
mod node;
mod queue;
mod receive;
mod reply;
mod serving;

use std::fmt;
use std::marker::PhantomData;

use rekindle_scheduler::{Claimed, Handle, NodePtr, TaskId, TaskRef, TaskView};

pub(crate) use bounded::{Bound, Refusal};
pub use bounded::{MailboxOverflow, MailboxPolicy, Overflow};
pub(crate) use cells::{PrivateCell, PrivateMut, SharedCell, SharedMut};
pub(crate) use node::{Class, Protocol, class, discard, letter, open_signal, signal, with_signal};
pub(crate) use queue::{Counts, Position, Queue};
pub(crate) use receive::trim;
pub use receive::{Arrival, Event, Info, Mailbox, NextArrival};
pub(crate) use receive::{Heard, Inbox};
pub use reply::ReplyTo;
pub(crate) use reply::{
    Awaiting, GivenUp, Lost, Owed, Served, acknowledgement, is_awaited_by, refuse, request,
};
pub(crate) use serving::{Sender as RequestSender, Serving};

use crate::faults;
use crate::pid::{MonitorRef, Pid};
use crate::process::{Owner, Process};
use crate::run::pid_of;
use crate::signal::Signal;

/// A typed way into one process's mailbox: what every handle is made of.
pub(crate) struct Address<M> {
    task: TaskRef,
    messages: PhantomData<fn(M)>,
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        Address {
            task: self.task.clone(),
            messages: PhantomData,
        }
    }
}

impl<M> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.view().id().fmt(f)
    }
}

impl<M: Send + 'static> Address<M> {
    /// The address of a process, if its messages are `M`.
    pub(crate) fn of(view: TaskView<'_>) -> Option<Address<M>> {
        let process = view.host::<Process>()?;
        process.speaks::<M>().then(|| Address {
            task: view.to_ref(),
            messages: PhantomData,
        })
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Whose mailbox it is.
    pub(crate) fn pid(&self) -> Pid {
        let view = self.task.view();
        Pid::new(view.runtime_id(), view.id())
    }

    pub(crate) fn process(&self) -> &Process {
        self.task
            .view()
            .host()
            .expect("an address is made for processes only")
    }

    /// Sends a message; gives it back if the receiver is dead or its mailbox refuses it.
    #[inline]
    pub(crate) fn post(&self, message: M) -> Result<(), (M, Refusal)> {
        let process = self.process();
        if let Some(bound) = &process.bound
            && let Err(refusal) = bound.admit(self.task.view())
        {
            return Err((message, refusal));
        }
        let node = node::letter(message);
        if let Some(to) = faults::detour(|| Some(self.pid()), || message_name::<M>("")) {
            faults::put(to, parcel(&self.task, node));
            return Ok(());
        }
        // SAFETY: a fresh letter, and an address is only made for a process whose messages are
        // `M` (`of`, `receive::Mailbox`): invariant 2 of `node.rs`. `M: Send`.
        match unsafe { self.task.view().push(node) } {
            Ok(()) => Ok(()),
            Err(node) => {
                process.release_senders();
                // SAFETY: the node came back to us, and it is a letter of `M`.
                Err((unsafe { node::open_as(node, |m: M| m) }, Refusal::Dead))
            }
        }
    }

    /// Sends a request. On refusal it stays with its caller. `claimed` is the receiver, if the
    /// sender has claimed it.
    #[inline]
    pub(crate) fn post_request<T>(
        task: TaskView<'_>,
        process: &Process,
        claimed: Option<Claimed<'_>>,
        awaiting: &mut Awaiting<T>,
    ) -> Result<(), Refusal> {
        if let Some(bound) = &process.bound {
            bound.admit(task)?;
        }
        let receiver = || pid_of(task);
        if let Some(to) = faults::detour(receiver, || message_name::<T>("request for ")) {
            faults::put(to, parcel(&task.to_ref(), awaiting.node()));
            awaiting.mark_sent();
            return Ok(());
        }
        if let Some(claimed) = claimed {
            // SAFETY: the request was made by `call` for this very address's `M` (invariant 2).
            unsafe { claimed.push_request(awaiting.node()) };
            awaiting.mark_sent();
            return Ok(());
        }
        // SAFETY: as above.
        match unsafe { task.push_request(awaiting.node()) } {
            Ok(()) => {
                awaiting.mark_sent();
                Ok(())
            }
            Err(_) => {
                process.release_senders();
                Err(Refusal::Dead)
            }
        }
    }
}

/// Puts a signal's block into a process's inbox; gives it back if the process is dead.
pub(crate) fn push_by_id(handle: &Handle, task: TaskId, node: NodePtr) -> Result<(), NodePtr> {
    // SAFETY: a fresh signal block (the only caller is `signal::try_send`), and a pid, which the
    // id is part of, is made for processes only (invariant 1 of `node.rs`).
    unsafe { handle.push(task, node) }
}

/// A block that is not in its receiver's inbox yet.
struct OnItsWay {
    task: TaskRef,
    node: Option<NodePtr>,
}

// SAFETY: the value is the only owner of the block, whose contents are `Send`.
unsafe impl Send for OnItsWay {}

impl OnItsWay {
    fn arrive(mut self) {
        let Some(node) = self.node.take() else { return };
        // SAFETY: the block is ours, and `parcel` was given it for this very task, which is a
        // process that knows such blocks.
        self.node = unsafe { self.task.view().push(node) }.err();
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let Some(node) = self.node.take() else { return };
        let view = self.task.view();
        if let Some(process) = view.host::<Process>() {
            process.release_senders();
        }
        match pid_of(view) {
            Some(pid) => crate::signal::refuse(pid, node, &crate::ExitReason::NoProc, true),
            None => discard(node),
        }
    }
}

/// A block that was about to be pushed to this task, to be pushed later. If nobody is there then,
/// it is refused.
fn parcel(task: &TaskRef, node: NodePtr) -> faults::Parcel {
    let way = OnItsWay {
        task: task.clone(),
        node: Some(node),
    };
    Box::new(move || way.arrive())
}

/// A block that was about to be pushed to this process, as [`parcel`]; gives it back if the process
/// is dead.
pub(crate) fn parcel_by_id(
    handle: &Handle,
    task: TaskId,
    node: NodePtr,
) -> Result<faults::Parcel, NodePtr> {
    match handle.lookup(task) {
        Some(task) => Ok(parcel(&task, node)),
        None => Err(node),
    }
}

fn message_name<M>(prefix: &str) -> String {
    let name = crate::report::short_type_name(std::any::type_name::<M>());
    format!("{prefix}{name}")
}

/// Takes the exit of a process out of the queue, if it came by a link.
pub(crate) fn take_exit(owner: Owner<'_>, who: Pid) -> Option<NodePtr> {
    let is_it = |node: NodePtr| {
        // SAFETY: the node stays in the queue while it is looked at.
        class(node) == Class::Signal
            && matches!(unsafe { node::peek_signal(node) },
                Signal::Exit { from, link: Some(_), .. } if *from == who)
    };
    take_aside(owner, is_it)
}

/// Takes the `Down`s of a monitor out of the queue.
pub(crate) fn take_down(owner: Owner<'_>, reference: MonitorRef) -> Option<NodePtr> {
    let is_it = |node: NodePtr| {
        // SAFETY: the node stays in the queue while it is looked at.
        class(node) == Class::Signal
            && matches!(unsafe { node::peek_signal(node) },
                Signal::Down(down) if down.reference == reference)
    };
    take_aside(owner, is_it)
}

/// Takes a block out of the queue past the mailbox, and out of what others see of its length.
fn take_aside(owner: Owner<'_>, is_it: impl FnMut(NodePtr) -> bool) -> Option<NodePtr> {
    let received = &owner.process().received;
    owner.private().queue.take(received, &mut None, is_it)
}
