//! Streams that belong to a process: each item becomes a message.
//!
//! An attached stream lies among the process's own things and is polled by the process itself,
//! when it waits for a message and finds none. So there is no second process and no queue in
//! between, one item is under way at a time, and the stream ends with the process, whatever ends
//! that. A process without attached streams pays nothing but a look at a pointer before it waits.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;
use rekindle_scheduler::NodePtr;

use crate::link::within;
use crate::mailbox::{Address, letter};
use crate::pid::Pid;
use crate::process::Owner;
use crate::unwind;

/// A stream that is attached to a process: see [`attach`].
///
/// To drop this changes nothing: the stream stays until it ends, is [detached](Self::detach), or
/// its process ends.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<u64>| async move {
/// use rekindle_actor::Task;
/// use std::time::Duration;
///
/// let endless = Task::async_stream(1_u64.., |n| async move { n });
/// let counting = inbox.attach(endless, |n| n.unwrap_or(0));
/// assert_eq!([inbox.recv().await, inbox.recv().await], [1, 2]);
/// counting.detach();
/// assert!(!counting.is_attached());
/// assert_eq!(inbox.recv_timeout(Duration::from_secs(1)).await, None);
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
#[derive(Clone)]
#[must_use = "keep it to detach the stream, or say `let _ =` to leave it until its end"]
pub struct Attached {
    pid: Pid,
    /// Set when the stream is to be dropped, or was.
    over: Arc<AtomicBool>,
}

impl Attached {
    /// Takes the stream away and drops it; no further item of it is received. In the process it is
    /// attached to this happens at once, from elsewhere when that process waits for its next
    /// message.
    pub fn detach(&self) {
        self.over.store(true, Ordering::Release);
        let gone = Owner::current(|owner| {
            let owner = owner.filter(|owner| owner.pid() == self.pid)?;
            let mut private = owner.private();
            let attached = &mut private.rare_mut()?.attached;
            let place = attached
                .iter()
                .position(|one| Arc::ptr_eq(&one.over, &self.over))?;
            Some(attached.remove(place))
        });
        // Foreign code, so not with the process's things borrowed.
        drop(gone);
    }

    /// Whether more may come of it.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        !self.over.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("pid", &self.pid)
            .field("attached", &self.is_attached())
            .finish()
    }
}

/// An attached stream, as its process keeps it.
pub(crate) struct Attachment {
    source: Box<dyn Source>,
    over: Arc<AtomicBool>,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

/// A stream with its types erased.
trait Source: Send {
    /// The next block, of the process's own message type; `None` after the last.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<NodePtr>>;
}

struct Feed<S, F, M> {
    /// `None` when it has ended.
    stream: Option<Pin<Box<S>>>,
    into_message: F,
    at_end: Option<M>,
}

impl<S, F, M> Source for Feed<S, F, M>
where
    S: Stream + Send,
    F: FnMut(S::Item) -> M + Send,
    M: Send + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<NodePtr>> {
        if let Some(stream) = &mut self.stream {
            match stream.as_mut().poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    return Poll::Ready(Some(letter((self.into_message)(item))));
                }
                Poll::Ready(None) => self.stream = None,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(self.at_end.take().map(letter))
    }
}

/// Attaches a stream to the running process, whose messages are `M`: each item becomes a message.
///
/// For callbacks there are [`Context::attach`](crate::Context::attach) and
/// [`StatemContext::attach`](crate::StatemContext::attach), which know the type; for plain
/// processes [`Mailbox::attach`](crate::Mailbox::attach).
///
/// The stream belongs to the process, is polled by it, and is dropped with it, before anyone hears
/// of the end. If it panics, the process has crashed.
///
/// # Delivery
///
/// An item is taken when the process waits for a message and its mailbox has none: so messages
/// come first, the next item is asked for when the last has been handled, and a stream is never
/// read ahead, whatever the process does meanwhile. Several streams take turns. A receive that
/// selects ([`Mailbox::recv_match`](crate::Mailbox::recv_match)), and a process suspended by
/// [`sys::suspend`](crate::sys::suspend), leave streams alone. A bound of the mailbox does not
/// count items, for none of them waits there.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # let sum = runtime.block_on(async {
/// use rekindle_actor::{Mailbox, ReplyTo, Task, attach_until_end, spawn};
///
/// enum Message { Square(u64), Done, Sum(ReplyTo<u64>) }
///
/// let adder = spawn(|mut inbox: Mailbox<Message>| async move {
///     let squares = Task::async_stream(1..=3, |n| async move { n * n });
///     let _ = attach_until_end(squares, |n| Message::Square(n.unwrap_or(0)), Message::Done);
///     let mut sum = 0;
///     while let Message::Square(n) = inbox.recv().await {
///         sum += n;
///     }
///     if let Message::Sum(from) = inbox.recv_match(|m| matches!(m, Message::Sum(_))).await {
///         from.reply(sum);
///     }
/// });
/// # while rekindle_actor::info(adder.pid()).unwrap().mailbox > 0 { rekindle_actor::yield_now().await; }
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// adder.call(Message::Sum).await
/// # });
/// # assert_eq!(sum, Ok(14));
/// ```
///
/// # Panics
///
/// Outside of a process, and in one whose messages are not `M`.
pub fn attach<M, S>(stream: S, into_message: impl FnMut(S::Item) -> M + Send + 'static) -> Attached
where
    M: Send + 'static,
    S: Stream + Send + 'static,
{
    add(stream, into_message, None)
}

/// As [`attach`]; the end of the stream becomes a message too.
///
/// # Panics
///
/// As [`attach`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let done = rekindle_actor::spawn(|mut inbox: rekindle_actor::Mailbox<Option<u64>>| async move {
/// use rekindle_actor::{Task, attach_until_end};
///
/// // Items are `Some`, and `None` says that there are no more.
/// let squares = Task::async_stream(1..=3_u64, |n| async move { n * n });
/// let _ = attach_until_end(squares, Result::ok, None);
/// let mut seen = Vec::new();
/// while let Some(square) = inbox.recv().await {
///     seen.push(square);
/// }
/// assert_eq!(seen, [1, 4, 9]);
/// # });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
/// # });
/// ```
pub fn attach_until_end<M, S>(
    stream: S,
    into_message: impl FnMut(S::Item) -> M + Send + 'static,
    at_end: M,
) -> Attached
where
    M: Send + 'static,
    S: Stream + Send + 'static,
{
    add(stream, into_message, Some(at_end))
}

fn add<M, S>(
    stream: S,
    into_message: impl FnMut(S::Item) -> M + Send + 'static,
    at_end: Option<M>,
) -> Attached
where
    M: Send + 'static,
    S: Stream + Send + 'static,
{
    let over = Arc::new(AtomicBool::new(false));
    let attachment = Attachment {
        source: Box::new(Feed {
            stream: Some(Box::pin(stream)),
            into_message,
            at_end,
        }),
        over: over.clone(),
    };
    let pid = within("attach", |owner| {
        // The blocks that the source makes are received as messages of this process, so they must
        // be of its type (invariant 2 of `mailbox::node`).
        assert!(
            Address::<M>::of(owner.view()).is_some(),
            "`attach`: the messages of this process are not `{}`",
            std::any::type_name::<M>()
        );
        owner.private().make_rare().attached.push(attachment);
        owner.pid()
    });
    Attached { pid, over }
}

/// Asks the process's streams for an item, each in its turn, when it has no message.
pub(crate) fn poll(owner: Owner<'_>, cx: &mut Context<'_>) -> Poll<NodePtr> {
    // Streams are foreign: they may look at their own process, attach others, or panic. So they are
    // taken out while they run.
    let mut attached = match owner.private().rare_mut() {
        Some(rare) if !rare.attached.is_empty() => std::mem::take(&mut rare.attached),
        _ => return Poll::Pending,
    };
    let polled = unwind::catch(|| {
        let mut at = 0;
        while let Some(one) = attached.get_mut(at) {
            if one.over.load(Ordering::Acquire) {
                drop(attached.remove(at));
                continue;
            }
            match one.source.poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(None) => drop(attached.remove(at)),
                Poll::Ready(Some(node)) => {
                    // The others first, the next time.
                    attached.rotate_left(at + 1);
                    return Poll::Ready(node);
                }
            }
        }
        Poll::Pending
    });
    let mut private = owner.private();
    let rare = private.make_rare();
    attached.append(&mut rare.attached);
    rare.attached = attached;
    drop(private);
    polled.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}
