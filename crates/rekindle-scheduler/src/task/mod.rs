//! A task: one heap cell that holds a future and what the layer above keeps beside it.
//!
//! ```text
//!   cell   [ header: word, table, count, core, id | host | future ]
//! ```
//!
//! The *host* is a value of the layer above ([`Host`]): it is polled in the future's stead, gets
//! the nodes that came in, and decides when and whether the future itself is polled. For a plain
//! spawned future the host keeps the output for the join handle; for a process it is the whole
//! process but for its body. A second allocation is never made.
//!
//! Kinds of reference
//!
//! | type             | counted | is                                                              |
//! |------------------|---------|-----------------------------------------------------------------|
//! | the task's own   | yes     | held from creation until the task has finished                  |
//! | [`TaskRef`]      | yes     | a handle; keeps the memory, never the life                      |
//! | `Waker`          | yes     | a `TaskRef` in the standard library's clothes                   |
//! | the task's spares | yes    | wakers that came back, to be lent again ([`state`])              |
//! | [`TaskView`]     | no      | borrowed from one of the others, from a turn, or a table lookup |
//! | `Runnable`       | no      | the right to poll once; covered by the task's own reference     |
//! | the table's slot | no      | cleared, under the slot's lock, before the own reference goes   |
//!
//! Who may touch what
//!
//! | field          | access                                                                      |
//! |----------------|-----------------------------------------------------------------------------|
//! | `word`         | anyone, by its own operations                                               |
//! | `host`         | anyone, shared; it is `Sync`                                                |
//! | `future`       | the owner of SCHEDULED (invariant 1 of [`state`]) alone                     |
//! | `marks`        | the owner of SCHEDULED alone                                                |
//! | `vtable`, `id`, `core` | anyone; written before the task is published, never after           |
//!
//! Invariants
//! 1. At most one `Runnable` per task exists, exactly while SCHEDULED is set and nobody polls.
//! 2. The future is polled and dropped by the owner of SCHEDULED only, and it is dropped before
//!    the word is DEAD.
//! 3. The own reference is released once, by the owner of SCHEDULED, after the slot in the table
//!    was vacated and the word is DEAD. So a `Runnable`, or a view taken under the slot's lock,
//!    points to live memory.
//! 4. The cell is freed when the count falls to zero, and nothing touches it afterwards.
//! 5. A cell holds one reference on its core, so `core` is valid as long as the cell is.

pub(crate) mod state;

mod body;
mod cell;
mod join;
mod map;
mod node;
mod waker;

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, Waker};

pub use body::Body;
pub(crate) use cell::{Header, Ran, Runnable, create, create_with, discard_payload};
pub use join::{AbortHandle, JoinError, JoinHandle};
pub(crate) use join::{Plain, joinable};
pub use map::{MapOutput, map_output};
pub use node::{Node, NodeChain, NodeList, NodePtr, NodeVtable};

use state::{Pushed, Woken};

/// What lives beside a future in its cell, and stands between it and the scheduler.
///
/// A host that counts the turns of its task. It is sent nothing, and so needs no `unsafe`:
///
/// ```
/// use rekindle_scheduler::{Body, Host, NodePtr, Runtime, Turn, yield_now};
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use std::{fmt, future::Future, task::Poll};
///
/// #[derive(Default)]
/// struct Counted { turns: AtomicU32 }
///
/// impl Host for Counted {
///     type Output = ();
///
///     fn poll<F>(&self, mut body: Body<'_, F>, turn: &mut Turn<'_>) -> Poll<()>
///     where
///         F: Future<Output = ()>,
///     {
///         self.turns.fetch_add(1, Relaxed);
///         body.poll(&mut turn.context()).unwrap_or(Poll::Ready(()))
///     }
///     fn cancel<F>(&self, mut body: Body<'_, F>, _: &mut Turn<'_>)
///     where
///         F: Future<Output = ()>,
///     {
///         body.drop_in_place();
///     }
///     fn undelivered(&self, _: NodePtr) {}
///     fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "a task of {} turns", self.turns.load(Relaxed))
///     }
/// }
///
/// let runtime = Runtime::simulated(1);
/// let task = runtime.handle().spawn_with(Counted::default(), yield_now(), |view| view.to_ref());
/// runtime.simulation().unwrap().run_until_idle();
/// assert_eq!(task.view().describe(), "a task of 2 turns");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot host a task",
    note = "implement `Host` for it: it stands between a task's future and the scheduler"
)]
pub trait Host: Send + Sync + 'static {
    /// What the futures of this host resolve to.
    type Output;

    /// Runs one turn. `body` is the task's future, which the host may drop before the end.
    ///
    /// The nodes that came in since the last turn are in the turn's inbox; those that are still
    /// there at the end of the turn are given to [`Host::undelivered`]. After `Ready` the host
    /// is not polled again.
    ///
    /// A host must not panic: it catches the panics of its future itself.
    fn poll<F>(&self, body: Body<'_, F>, turn: &mut Turn<'_>) -> Poll<()>
    where
        F: Future<Output = Self::Output>;

    /// Called before the nodes that came in are taken, at the start of each turn.
    #[inline]
    fn begins_turn(&self) {}

    /// Ends the task because its runtime shuts down: drops the future and settles all debts.
    fn cancel<F>(&self, body: Body<'_, F>, turn: &mut Turn<'_>)
    where
        F: Future<Output = Self::Output>;

    /// Takes a node that no turn will see, because the task has finished.
    fn undelivered(&self, node: NodePtr);

    /// Whether to drop it would do nothing. Asked when the task is over and nobody else has it;
    /// then it is forgotten instead.
    #[inline]
    fn is_bare(&mut self) -> bool {
        !std::mem::needs_drop::<Self>()
    }

    /// Says who this is, for the log line about a task that blocks its worker.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Which task: a slot of the runtime's table and how often the slot had been used before.
///
/// An id never denotes another task in the life of its runtime.
///
/// ```
/// use rekindle_scheduler::{Runtime, TaskId};
///
/// let runtime = Runtime::simulated(1);
/// let task = runtime.handle().spawn(std::future::pending::<()>());
/// let id = task.id();
/// assert_eq!(format!("{id:?}"), format!("#{}.{}", id.index(), id.generation())); // as in the log
/// // An id that was taken apart, to be written somewhere, finds its task again.
/// let again = TaskId::from_parts(id.index(), id.generation());
/// assert!(runtime.handle().lookup(again).is_some());
/// // The task that had the place before, or has it next, is another.
/// let next = TaskId::from_parts(id.index(), id.generation() + 1);
/// assert!(runtime.handle().lookup(next).is_none());
/// ```
// The slot is in the upper half. One number, so that ids are compared at once; packed, so that it
// can lie beside another u32.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(4))]
pub struct TaskId(u64);

impl TaskId {
    /// Puts an id together again from its parts.
    #[must_use]
    pub const fn from_parts(index: u32, generation: u32) -> TaskId {
        TaskId((index as u64) << 32 | generation as u64)
    }

    /// The slot.
    #[must_use]
    pub const fn index(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How often the slot had been used before, plus one.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index(), self.generation())
    }
}

/// One turn of a task, as its host sees it.
///
/// A host that lets its future run at each third turn only, and asks for the turns between:
///
/// ```
/// # use rekindle_scheduler::{Body, Host, NodePtr, Runtime, Turn, yield_now};
/// # use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// # use std::{fmt, future::Future, task::Poll};
/// # struct Lazy { turns: AtomicU32 }
/// # impl Host for Lazy {
/// #     type Output = ();
/// fn poll<F>(&self, mut body: Body<'_, F>, turn: &mut Turn<'_>) -> Poll<()>
/// # where F: Future<Output = ()>,
/// {
///     assert!(turn.inbox().is_empty()); // nobody sends it anything
///     if self.turns.fetch_add(1, Relaxed) % 3 < 2 {
///         turn.again();
///         return Poll::Pending;
///     }
///     body.poll(&mut turn.context()).unwrap_or(Poll::Ready(()))
/// }
/// #     fn cancel<F>(&self, mut body: Body<'_, F>, _: &mut Turn<'_>)
/// #     where F: Future<Output = ()>,
/// #     { body.drop_in_place() }
/// #     fn undelivered(&self, _: NodePtr) {}
/// #     fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("a lazy task") }
/// # }
/// # let runtime = Runtime::simulated(1);
/// # let host = Lazy { turns: AtomicU32::new(0) };
/// let task = runtime.handle().spawn_with(host, async { yield_now().await }, |view| view.to_ref());
/// # runtime.simulation().unwrap().run_until_idle();
/// assert_eq!(task.view().host::<Lazy>().unwrap().turns.load(Relaxed), 6);
/// ```
#[derive(Debug)]
pub struct Turn<'a> {
    /// What came in since the last turn.
    inbox: NodeList,
    /// The task.
    view: TaskView<'a>,
    /// A waker for the task, borrowed.
    waker: &'a Waker,
    /// The host asked for another turn.
    again: bool,
}

impl<'a> Turn<'a> {
    /// What came in since the last turn, oldest first.
    #[inline]
    pub fn inbox(&mut self) -> &mut NodeList {
        &mut self.inbox
    }

    /// The context to poll the future with.
    #[inline]
    #[must_use]
    pub fn context(&self) -> Context<'a> {
        Context::from_waker(self.waker)
    }

    /// The task that has this turn.
    #[inline]
    #[must_use]
    pub fn view(&self) -> TaskView<'a> {
        self.view
    }

    /// Asks for another turn soon, though nothing may come in.
    pub fn again(&mut self) {
        self.again = true;
    }

    /// Gives up the task's id: from now on lookups find nobody.
    ///
    /// A finished task gives it up by itself. This is for a host that tells others of its end
    /// and wants them to find the id dead already.
    #[inline]
    pub fn vacate(&mut self) {
        self.view.header().vacate();
    }

    /// Gives up the task's id, if nobody can reach the task any more then: there are no counted references,
    /// nothing has come in since the turn began, and `too` says so as well. Says whether it did.
    ///
    /// `too` sees what was done by whoever could reach the task before; it must be short, and is no place for
    /// foreign code.
    #[inline]
    #[must_use]
    pub fn vacate_if_alone(&mut self, too: impl FnOnce() -> bool) -> bool {
        self.view.header().vacate_if_alone(too)
    }
}

/// A counted handle on a task. It keeps the cell's memory, but never the task alive.
///
/// ```
/// use rekindle_scheduler::Runtime;
///
/// let runtime = Runtime::simulated(1);
/// let task = runtime.handle().spawn(async {});
/// let seen = runtime.handle().lookup(task.id()).unwrap();
/// assert!(!seen.view().is_finished());
/// runtime.simulation().unwrap().run_until_idle();
/// // Whoever has one can still look at the task; nobody finds it any more.
/// assert!(seen.view().is_finished());
/// assert!(runtime.handle().lookup(task.id()).is_none());
/// ```
pub struct TaskRef(NonNull<Header>);

// SAFETY: the header is shared by design: `word` and `count` are atomic, the rest is written
// before the task is published, and `Host` is `Send + Sync`. The future is reached only by the
// owner of SCHEDULED (invariant 2), and `create` asks that it be `Send`.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// A view on the task.
    #[inline]
    #[must_use]
    pub fn view(&self) -> TaskView<'_> {
        // SAFETY: our count keeps the cell, for at least as long as `self` is borrowed.
        unsafe { TaskView::from_raw(self.0) }
    }

    /// Takes over one reference that was counted already.
    ///
    /// # Safety
    ///
    /// The caller owns one count on the live cell.
    unsafe fn from_counted(header: NonNull<Header>) -> TaskRef {
        TaskRef(header)
    }
}

impl Clone for TaskRef {
    #[inline]
    fn clone(&self) -> Self {
        self.view().to_ref()
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this handle owns one count and gives it up here.
        unsafe { Header::release(self.0) };
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// A borrowed view on a task.
///
/// ```
/// use rekindle_scheduler::Runtime;
///
/// let runtime = Runtime::simulated(1);
/// let task = runtime.handle().spawn(std::future::pending::<()>());
/// let handle = runtime.handle();
/// let look = || handle.with_task(task.id(), |view| (view.is_scheduled(), view.is_finished()));
/// assert_eq!(look(), Some((true, false))); // waits for its first turn
/// runtime.simulation().unwrap().run_until_idle();
/// assert_eq!(look(), Some((false, false))); // waits for something else
/// ```
#[derive(Copy, Clone)]
pub struct TaskView<'a>(&'a Header);

#[cold]
fn differ(host: &TypeId, asked: &TypeId) -> bool {
    host != asked
}

impl<'a> TaskView<'a> {
    /// # Safety
    ///
    /// The cell outlives `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> TaskView<'a> {
        // SAFETY: the caller's promise.
        TaskView(unsafe { header.as_ref() })
    }

    #[inline]
    pub(crate) fn header(self) -> &'a Header {
        self.0
    }

    /// The task's id.
    #[inline]
    #[must_use]
    pub fn id(self) -> TaskId {
        self.0.id()
    }

    /// The id of the task's runtime: see [`Handle::runtime_id`](crate::Handle::runtime_id).
    #[inline]
    #[must_use]
    pub fn runtime_id(self) -> u32 {
        self.0.number().id()
    }

    /// Whether both tasks are of the same runtime.
    #[inline]
    #[must_use]
    pub fn is_beside(self, other: TaskView<'_>) -> bool {
        self.0.is_beside(other.0)
    }

    /// The task's host, if it is an `H`.
    #[inline]
    #[must_use]
    pub fn host<H: Host>(self) -> Option<&'a H> {
        let (host, asked) = (self.0.vtable().host_type, const { &TypeId::of::<H>() });
        // As a rule the compiler keeps one copy of a constant, so that its place tells already.
        if !ptr::eq(host, asked) && differ(host, asked) {
            return None;
        }
        // SAFETY: the table was made by `create` for a cell whose host is an `H`, as the type id
        // says; the host is shared for the whole life of the cell.
        Some(unsafe { cell::host_of::<H>(self.0).as_ref() })
    }

    /// Appends a node to the task's inbox, and schedules the task if it was idle.
    ///
    /// Nodes that one thread pushes arrive in that order.
    ///
    /// # Errors
    ///
    /// Gives the node back when the task has finished.
    ///
    /// # Safety
    ///
    /// The caller owns the node; it is the first field of a live block whose contents may cross
    /// threads, and the task's host knows such blocks.
    #[inline]
    pub unsafe fn push(self, node: NodePtr) -> Result<(), NodePtr> {
        // SAFETY: the caller's promise.
        self.after(unsafe { self.0.word().push_politely(node) }, node)
    }

    /// As [`push`](Self::push), for who holds a lock, and so does not stand back for other senders.
    ///
    /// # Errors
    ///
    /// As `push`.
    ///
    /// # Safety
    ///
    /// As `push`.
    #[inline]
    pub(crate) unsafe fn push_locked(self, node: NodePtr) -> Result<(), NodePtr> {
        // SAFETY: the caller's promise.
        self.after(unsafe { self.0.word().push(node) }, node)
    }

    #[inline]
    fn after(self, pushed: Pushed, node: NodePtr) -> Result<(), NodePtr> {
        match pushed {
            Pushed::Delivered => Ok(()),
            Pushed::Dead => Err(node),
            Pushed::Schedule => {
                self.schedule();
                Ok(())
            }
        }
    }

    /// As [`push`](Self::push), by a task that from now on waits for an answer: if the receiver was
    /// idle it has its turn next, and the answer finds the sender without a detour.
    ///
    /// # Errors
    ///
    /// As `push`.
    ///
    /// # Safety
    ///
    /// As `push`.
    #[inline]
    pub unsafe fn push_request(self, node: NodePtr) -> Result<(), NodePtr> {
        // SAFETY: the caller's promise.
        match unsafe { self.0.word().push_politely(node) } {
            Pushed::Delivered => Ok(()),
            Pushed::Dead => Err(node),
            Pushed::Schedule => {
                self.0.schedule_callee();
                Ok(())
            }
        }
    }

    /// Makes sure that the task has a turn after this call, unless it has finished.
    #[inline]
    pub fn wake(self) {
        if self.0.word().wake() == Woken::Schedule {
            self.schedule();
        }
    }

    #[inline]
    fn schedule(self) {
        // The word has just made us the owner of the task's one `Runnable` (invariant 1).
        self.0.schedule();
    }

    /// Takes an idle task away from everyone, in order to cancel it.
    pub(crate) fn take_idle(self) -> Option<Runnable> {
        self.0.word().claim().then(|| Runnable::of(self.0))
    }

    /// Sees to it that an idle task has no turn until it has had a request of the caller, who may
    /// look at it meanwhile and think better of it. `None` if the task runs, is about to, or has
    /// finished.
    ///
    /// ```
    /// use rekindle_scheduler::Runtime;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let task = runtime.handle().spawn(std::future::pending::<()>());
    /// let seen = runtime.handle().lookup(task.id()).unwrap();
    /// assert!(seen.view().claim().is_none()); // it waits for its first turn
    /// runtime.simulation().unwrap().run_until_idle();
    /// let claimed = seen.view().claim().expect("it is idle");
    /// assert!(seen.view().claim().is_none());
    /// drop(claimed); // costs the task a turn with nothing in it
    /// runtime.simulation().unwrap().run_until_idle();
    /// assert!(seen.view().claim().is_some());
    /// ```
    #[inline]
    #[must_use]
    pub fn claim(self) -> Option<Claimed<'a>> {
        self.0.word().claim().then(|| Claimed(self))
    }

    /// Whether the task has finished.
    #[must_use]
    pub fn is_finished(self) -> bool {
        self.0.word().is_dead()
    }

    /// Whether the task has work: it runs, or waits for a worker.
    #[must_use]
    pub fn is_scheduled(self) -> bool {
        self.0.word().is_scheduled()
    }

    /// How many nodes no turn has taken yet, at some moment near this call (at most 65,536, and
    /// at most 1 where pointers have less than 64 bits).
    #[must_use]
    pub fn in_transit(self) -> usize {
        self.0.word().in_transit()
    }

    /// A counted handle on the same task.
    #[inline]
    #[must_use]
    pub fn to_ref(self) -> TaskRef {
        self.0.retain();
        // SAFETY: the count was taken on the line above.
        unsafe { TaskRef::from_counted(NonNull::from(self.0)) }
    }

    /// A waker for this task.
    #[inline]
    #[must_use]
    pub fn waker(self) -> Waker {
        if crate::context::is_running(self) {
            self.0.lend();
        } else {
            self.0.retain();
        }
        // SAFETY: the view's cell lives now, and the count was taken above.
        unsafe { waker::owning(NonNull::from(self.0)) }
    }

    /// Whether `waker` wakes this task directly: it was made by the scheduler, and not by a
    /// combinator inside the task's future.
    #[inline]
    #[must_use]
    pub fn owns_waker(self, waker: &Waker) -> bool {
        std::ptr::eq(waker.data(), std::ptr::from_ref(self.0).cast())
    }

    /// Whether the task's runtime is the current one of this thread: in a turn it is, unless the
    /// turn has [entered](crate::Handle::enter) another.
    #[inline]
    #[must_use]
    pub fn is_at_home(self) -> bool {
        crate::context::is_current(self.0.number())
    }

    /// Whether both are the same task.
    #[inline]
    #[must_use]
    pub fn is_same(self, other: TaskView<'_>) -> bool {
        std::ptr::eq(self.0, other.0)
    }

    /// Who this is, in the words of its host.
    #[must_use]
    pub fn describe(self) -> String {
        struct Who<'a>(&'a Header);
        impl fmt::Display for Who<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // SAFETY: the table belongs to this header's cell.
                unsafe { (self.0.vtable().describe)(self.0, f) }
            }
        }
        Who(self.0).to_string()
    }
}

/// An idle task that waits for what one sender has for it: see [`TaskView::claim`].
///
/// What others send comes after that. Dropped, it gives the task a turn with nothing in it.
#[must_use = "dropping it gives the task a turn for nothing"]
#[derive(Debug)]
pub struct Claimed<'a>(TaskView<'a>);

impl Claimed<'_> {
    /// As [`TaskView::push_request`], which cannot fail here.
    ///
    /// # Safety
    ///
    /// As [`TaskView::push`].
    #[inline]
    pub unsafe fn push_request(self, node: NodePtr) {
        let header = self.0.header();
        std::mem::forget(self);
        // SAFETY: the node is the caller's, and the task is ours since it was claimed.
        unsafe { header.word().put_first(node) };
        header.schedule_callee();
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        // And not back to rest: whoever ends all tasks may have passed by meanwhile, and counts on
        // those that are not idle being queued.
        self.0.schedule();
    }
}

impl fmt::Debug for TaskView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({:?})", self.id())
    }
}

#[cfg(all(loom, test))]
mod loom_tests;
#[cfg(all(not(loom), test))]
mod tests;
