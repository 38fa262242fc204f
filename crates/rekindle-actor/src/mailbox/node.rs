//! The blocks that lie in a process's inbox.
//!
//! | class   | block                     | holds                                             |
//! |---------|---------------------------|---------------------------------------------------|
//! | Letter  | [`Letter<M>`]             | a message                                         |
//! | Request | `reply::Request<M, T>`    | a message whose sender waits, and the reply's way |
//! | Signal  | [`SignalBlock`]           | link, exit, monitor, `sys`: see `signal.rs`       |
//!
//! Invariants
//! 1. Every node that reaches a process's inbox is the first field of one of these blocks, and
//!    its table is the `base` of a [`Kind`]. (Only this folder calls `TaskView::push`.)
//! 2. A letter's or request's `M` is the message type of the process it is pushed to: pushes go
//!    through `Address<M>`, which is made for a process whose `protocol` is `M` only.
//! 3. A block in the inbox or the private queue has one owner, the queue.

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use rekindle_scheduler::{Node, NodePtr, NodeVtable, block};

use super::reply;
use crate::signal::Signal;
use crate::unwind;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Letter,
    Request,
    Signal,
}

/// The scheduler's table with what we must know besides.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Kind {
    pub(super) base: NodeVtable,
    pub(super) class: Class,
}

/// A message.
#[repr(C)]
pub(super) struct Letter<M> {
    node: Node,
    message: M,
}

/// A signal.
#[repr(C)]
struct SignalBlock {
    node: Node,
    signal: Signal,
}

impl Kind {
    /// Signals act when they are received, and nothing else does.
    pub(super) const fn new(class: Class, discard: unsafe fn(NodePtr)) -> Kind {
        let acts = matches!(class, Class::Signal);
        Kind {
            base: NodeVtable { discard, acts },
            class,
        }
    }
}

impl<M> Letter<M> {
    const KIND: Kind = Kind::new(Class::Letter, discard_block::<Letter<M>>);
}

static SIGNAL: Kind = Kind::new(Class::Signal, discard_block::<SignalBlock>);

/// # Safety
///
/// `node` is the first field of a `B` in a block of its own that nobody else has.
unsafe fn discard_block<B>(node: NodePtr) {
    // SAFETY: the caller's promise.
    let dropped = unwind::catch(|| unsafe { block::drop_in_place(node.cast::<B>()) });
    unwind::discard(dropped);
}

/// A block for a message; it owns itself until it is pushed or opened.
#[inline]
pub(crate) fn letter<M: Send + 'static>(message: M) -> NodePtr {
    let letter = Letter {
        node: Node::new(const { &Letter::<M>::KIND.base }),
        message,
    };
    block::put(letter).cast()
}

/// A block for a signal.
#[inline]
pub(crate) fn signal(signal: Signal) -> NodePtr {
    let block = block::allocate::<SignalBlock>().cast::<SignalBlock>();
    let at = block.as_ptr();
    // Each to its place, for a copy of the whole would have to wait for the parts.
    // SAFETY: the block is ours and made for this; both fields are written.
    unsafe {
        (&raw mut (*at).node).write(Node::new(&SIGNAL.base));
        (&raw mut (*at).signal).write(signal);
    }
    block.cast()
}

/// What the block is.
#[inline]
pub(crate) fn class(node: NodePtr) -> Class {
    // SAFETY: by invariants 1 and 3 the node is alive and its table is the first field of a
    // `Kind` of static life.
    unsafe {
        NonNull::from(node.as_ref().vtable())
            .cast::<Kind>()
            .as_ref()
    }
    .class
}

/// Takes the signal out of a block of that class.
pub(crate) fn open_signal(node: NodePtr) -> Signal {
    debug_assert_eq!(class(node), Class::Signal);
    // SAFETY: by invariant 1 this is a `SignalBlock`, and by 3 it is ours.
    unsafe { block::take(node.cast::<SignalBlock>()) }.signal
}

/// A signal that was taken out of the queue, in its block still: so it is small, and is moved only where
/// it is looked at.
#[derive(Debug)]
pub(crate) struct Unopened(NodePtr);

// SAFETY: whoever has it has the block, alone; and signals go from thread to thread.
unsafe impl Send for Unopened {}

impl Unopened {
    /// `node` is the block of a signal, and the caller's.
    #[inline]
    pub(super) fn new(node: NodePtr) -> Unopened {
        debug_assert_eq!(class(node), Class::Signal);
        Unopened(node)
    }

    /// Takes the signal out, for what is made of it at once.
    #[inline]
    pub(crate) fn open_as<R>(self, make: impl FnOnce(Signal) -> R) -> R {
        let block = ManuallyDrop::new(self).0.cast::<SignalBlock>();
        let _emptied = Emptied(block);
        // SAFETY: by invariant 1 this is a `SignalBlock`, and it is ours.
        make(unsafe { block.read() }.signal)
    }

    pub(crate) fn peek(&self) -> &Signal {
        // SAFETY: the block is ours, and stays as long as we do.
        unsafe { peek_signal(self.0) }
    }
}

impl Drop for Unopened {
    fn drop(&mut self) {
        discard(self.0);
    }
}

/// A message that was taken out of the queue, in its block still: it is moved once, to where it is used.
///
/// Invariant: it is the block of a letter or a request whose message is an `M`, its owner's by value. A request is
/// the party SERVER's, so it is opened or dropped before the process settles what it has received.
pub(crate) struct Unread<M>(NodePtr, PhantomData<fn() -> M>);

// SAFETY: whoever has it has the message, alone.
unsafe impl<M: Send> Send for Unread<M> {}

impl<M> Unread<M> {
    /// # Safety
    ///
    /// As [`open_as`].
    #[inline]
    pub(super) unsafe fn new(node: NodePtr) -> Unread<M> {
        Unread(node, PhantomData)
    }

    /// Looks at the message.
    #[inline]
    pub(crate) fn peek(&self) -> &M {
        // SAFETY: the invariant, and the block stays as long as we do.
        unsafe { peek(self.0) }
    }

    /// Takes the message out, for what is made of it at once.
    #[inline]
    pub(crate) fn open_as<R>(self, make: impl FnOnce(M) -> R) -> R {
        let node = ManuallyDrop::new(self).0;
        // SAFETY: the invariant, and nobody uses the block after us.
        unsafe { open_as(node, make) }
    }
}

impl<M> Drop for Unread<M> {
    /// For the message only: of a request the process has noted that it is handled.
    fn drop(&mut self) {
        // SAFETY: as for `Unread::open_as`, and we are being dropped.
        unsafe { open_as(self.0, drop::<M>) };
    }
}

/// Frees a block when what was in it is where it belongs: so what is made of it is made there at once, and not
/// beside a call.
struct Emptied<B>(NonNull<B>);

impl<B> Drop for Emptied<B> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: whoever makes one has the block, and moves out what is in it.
        unsafe { block::deallocate(self.0) };
    }
}

/// Looks at the signal of a block of that class.
///
/// # Safety
///
/// The block stays in its queue, untouched, while the result is used.
pub(super) unsafe fn peek_signal<'a>(node: NodePtr) -> &'a Signal {
    // SAFETY: by invariant 1, and the caller's promise.
    &unsafe { node.cast::<SignalBlock>().as_ref() }.signal
}

/// Lends the signal of a block of that class, which is the caller's, as for [`open_signal`]: a signal
/// is not small, and acts where it lies.
pub(crate) fn with_signal<R>(node: NodePtr, act: impl FnOnce(&mut Signal) -> R) -> R {
    debug_assert_eq!(class(node), Class::Signal);
    // SAFETY: by invariant 1 this is a `SignalBlock`, and by 3 it is the caller's, until `act` is done.
    act(&mut unsafe { node.cast::<SignalBlock>().as_mut() }.signal)
}

/// Takes the message out of a letter or a request, for what is made of it at once; of a request, what is left is
/// the party SERVER's, whoever that is.
///
/// # Safety
///
/// The block is of one of those classes and its `M` is this one (invariant 2); it is the
/// caller's, and is not used afterwards.
#[inline]
pub(super) unsafe fn open_as<M, R>(node: NodePtr, make: impl FnOnce(M) -> R) -> R {
    match class(node) {
        Class::Letter => {
            let block = node.cast::<Letter<M>>();
            let _emptied = Emptied(block);
            // SAFETY: the caller's promise.
            make(unsafe { (&raw const (*block.as_ptr()).message).read() })
        }
        // SAFETY: the caller's promise.
        _ => make(unsafe { reply::open(node) }),
    }
}

/// Looks at the message of a letter or a request.
///
/// # Safety
///
/// As [`open_as`], but the block stays where it is while the result is used.
#[inline]
pub(super) unsafe fn peek<'a, M>(node: NodePtr) -> &'a M {
    match class(node) {
        // SAFETY: the caller's promise.
        Class::Letter => unsafe { &(*node.cast::<Letter<M>>().as_ptr()).message },
        // SAFETY: the caller's promise.
        _ => unsafe { reply::peek(node) },
    }
}

/// Throws a block away that no process will see.
pub(crate) fn discard(node: NodePtr) {
    // SAFETY: the block is the caller's, by value; no list holds it.
    unsafe { (node.as_ref().vtable().discard)(node) }
}

/// The type of a process's messages, for the checks behind invariant 2.
pub(crate) type Protocol = fn() -> TypeId;
