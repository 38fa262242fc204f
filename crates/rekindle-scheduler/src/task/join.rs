//! Waiting for the output of a plain task.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::cell::discard_payload;
use super::{Body, Host, NodePtr, TaskId, TaskRef, Turn};

/// Why a task has no output.
///
/// ```
/// use rekindle_scheduler::{JoinError, Runtime, sleep, spawn};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// runtime.block_on(async {
///     let failed = spawn(async { "x".parse::<u32>().expect("a number") }).await.unwrap_err();
///     assert!(failed.is_panic() && failed.message().unwrap().starts_with("a number"));
///
///     let endless = spawn(sleep(Duration::MAX));
///     endless.abort();
///     assert!(matches!(endless.await, Err(JoinError::Cancelled)));
/// });
/// ```
pub enum JoinError {
    /// It was aborted, or its runtime shut down.
    Cancelled,
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
}

impl JoinError {
    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked(_))
    }

    /// The text of the panic, if it had one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let JoinError::Panicked(payload) = self else {
            return None;
        };
        let text = payload.downcast_ref::<&'static str>().copied();
        text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Cancelled => f.write_str("Cancelled"),
            JoinError::Panicked(_) => f.debug_tuple("Panicked").field(&self.message()).finish(),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.message()) {
            (JoinError::Cancelled, _) => f.write_str("the task was cancelled"),
            (_, Some(text)) => write!(f, "the task panicked: {text}"),
            (_, None) => f.write_str("the task panicked"),
        }
    }
}

impl std::error::Error for JoinError {}

/// Where the output is on its way from the task to the handle.
enum Slot<T> {
    /// Not there yet; the waker of the one who waits.
    Running(Option<Waker>),
    /// There.
    Done(Result<T, JoinError>),
    /// Fetched, or nobody will fetch it.
    Gone,
}

/// The host of a plain future.
pub(crate) struct Plain<T> {
    slot: Mutex<Slot<T>>,
    aborted: AtomicBool,
    spawned_at: &'static Location<'static>,
}

/// A host for one plain future.
pub(crate) fn joinable<T>(spawned_at: &'static Location<'static>) -> Plain<T> {
    Plain {
        slot: Mutex::new(Slot::Running(None)),
        aborted: AtomicBool::new(false),
        spawned_at,
    }
}

impl<T: Send + 'static> Plain<T> {
    /// Stores the output, if anyone still wants it, and wakes them.
    fn complete(&self, result: Result<T, JoinError>) {
        let mut slot = self.slot.lock();
        let (unwanted, waker) = match &mut *slot {
            Slot::Running(waker) => {
                let waker = waker.take();
                *slot = Slot::Done(result);
                (None, waker)
            }
            Slot::Done(_) | Slot::Gone => (Some(result), None),
        };
        drop(slot);
        // Neither the output nor the waker is touched under the lock: both are foreign code.
        if let Some(Err(payload)) =
            unwanted.map(|output| catch_unwind(AssertUnwindSafe(|| drop(output))))
        {
            discard_payload(payload);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Drops the future in its place; a panic on the way is swallowed.
fn drop_in_place<F>(mut body: Body<'_, F>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body.drop_in_place())) {
        discard_payload(payload);
    }
}

impl<T: Send + 'static> Host for Plain<T> {
    type Output = T;

    fn poll<F>(&self, mut body: Body<'_, F>, turn: &mut Turn<'_>) -> Poll<()>
    where
        F: Future<Output = T>,
    {
        if self.aborted.load(Ordering::Acquire) {
            self.cancel(body, turn);
            return Poll::Ready(());
        }
        let mut context = turn.context();
        let result = match catch_unwind(AssertUnwindSafe(|| body.poll(&mut context))) {
            Ok(Some(Poll::Pending)) => return Poll::Pending,
            Ok(Some(Poll::Ready(output))) => Ok(output),
            Ok(None) => return Poll::Ready(()),
            Err(payload) => Err(JoinError::Panicked(payload)),
        };
        drop_in_place(body);
        self.complete(result);
        Poll::Ready(())
    }

    fn cancel<F>(&self, body: Body<'_, F>, _: &mut Turn<'_>)
    where
        F: Future<Output = T>,
    {
        drop_in_place(body);
        self.complete(Err(JoinError::Cancelled));
    }

    fn undelivered(&self, node: NodePtr) {
        // SAFETY: the node was given to us, and is in no list any more.
        unsafe { (node.as_ref().vtable().discard)(node) };
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task spawned at {}", self.spawned_at)
    }
}

/// Aborts a task without owning its output.
///
/// ```
/// use rekindle_scheduler::{JoinError, Runtime, sleep, spawn};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// runtime.block_on(async {
///     let work = spawn(sleep(Duration::from_secs(60)));
///     let stop = work.abort_handle();
///     // Somebody else watches the time, while we wait for the output.
///     drop(spawn(async move { sleep(Duration::from_secs(1)).await; stop.abort() }));
///     assert!(matches!(work.await, Err(JoinError::Cancelled)));
/// });
/// ```
#[derive(Debug, Clone)]
pub struct AbortHandle(TaskRef, fn(&TaskRef));

impl AbortHandle {
    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        (self.1)(&self.0);
    }
}

fn abort<T: Send + 'static>(task: &TaskRef) {
    if let Some(host) = task.view().host::<Plain<T>>() {
        host.aborted.store(true, Ordering::Release);
        task.view().wake();
    }
}

/// A handle on a spawned future: await it for the output, drop it to let the task go its way.
///
/// Dropping the handle does *not* cancel the task.
///
/// ```
/// use rekindle_scheduler::{Runtime, spawn};
///
/// let runtime = Runtime::simulated(1);
/// runtime.block_on(async {
///     let (say, said) = std::sync::mpsc::channel();
///     drop(spawn(async move { say.send("I go on").unwrap() })); // nobody waits for this one
///     let sum = spawn(async { (1..=10).sum::<u32>() });
///     assert_eq!(sum.await.unwrap(), 55);
///     # rekindle_scheduler::sleep(std::time::Duration::from_millis(1)).await;
///     assert_eq!(said.recv(), Ok("I go on"));
/// });
/// ```
#[must_use = "dropping a join handle detaches the task; await it, or say `drop` to mean that"]
pub struct JoinHandle<T> {
    task: TaskRef,
    output: PhantomData<fn() -> T>,
}

impl<T: Send + 'static> JoinHandle<T> {
    pub(crate) fn new(task: TaskRef) -> Self {
        JoinHandle {
            task,
            output: PhantomData,
        }
    }

    fn host(&self) -> &Plain<T> {
        self.task
            .view()
            .host()
            .expect("a join handle is only made for a task with such a host")
    }

    /// Cancels the task at its next await, unless it has finished by then.
    ///
    /// The future is dropped on a worker; awaiting the handle then gives
    /// [`JoinError::Cancelled`].
    ///
    /// ```
    /// use rekindle_scheduler::{JoinError, Runtime, sleep, spawn};
    /// use std::sync::mpsc::{TryRecvError, channel};
    ///
    /// let runtime = Runtime::simulated(1);
    /// runtime.block_on(async {
    ///     let (open, opened) = channel::<()>();
    ///     let task = spawn(async move { let _open = open; sleep(std::time::Duration::MAX).await });
    ///     task.abort();
    ///     assert!(matches!(task.await, Err(JoinError::Cancelled)));
    ///     // The future is gone, with all that it held.
    ///     assert_eq!(opened.try_recv(), Err(TryRecvError::Disconnected));
    /// });
    /// ```
    pub fn abort(&self) {
        abort::<T>(&self.task);
    }

    /// A handle that can only abort.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(self.task.clone(), abort::<T>)
    }

    /// Whether the task has finished.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.view().is_finished()
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.task.view().id()
    }
}

impl<T: Send + 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// When polled again after it gave the output.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut slot = self.host().slot.lock();
        let replaced = match &mut *slot {
            Slot::Running(waiting) => waiting.replace(waker),
            Slot::Done(_) | Slot::Gone => match std::mem::replace(&mut *slot, Slot::Gone) {
                Slot::Done(result) => return Poll::Ready(result),
                _ => panic!("a join handle was polled after it had given its output"),
            },
        };
        drop(slot);
        drop(replaced);
        Poll::Pending
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle")
            .field(&self.task.view().id())
            .finish()
    }
}
