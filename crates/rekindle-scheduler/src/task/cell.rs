//! The heap cell, its header, and one poll.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::task::Poll;

use super::body::{self, Body, Marks};
use super::state::{Begun, Ended, Given, Spares, Woken, Word};
use super::{Host, NodeList, TaskId, TaskView, Turn, waker};
use crate::block;
use crate::context::{self, Running};
use crate::core::{Core, CoreRef};
use crate::cores::CoreNumber;
use crate::sync::UnsafeCell;
use crate::sync::atomic::{AtomicU32, Ordering};

/// The part of a cell that does not depend on what it holds.
#[repr(C)]
pub(crate) struct Header {
    /// State and inbox.
    word: Word,
    /// What depends on host and future.
    vtable: &'static Vtable,
    /// How many counted references there are.
    count: AtomicU32,
    /// References that the task lends out: counted, and the task's own.
    spares: Spares,
    /// What is gone already.
    marks: Marks,
    /// The runtime, counted until the cell is freed.
    core: CoreNumber,
    /// Where the table has this task.
    id: TaskId,
}

/// The operations that depend on host and future.
pub(super) struct Vtable {
    run: unsafe fn(NonNull<Header>) -> Ran,
    cancel: unsafe fn(NonNull<Header>),
    free: unsafe fn(NonNull<Header>),
    pub(super) describe: unsafe fn(&Header, &mut fmt::Formatter<'_>) -> fmt::Result,
    pub(super) host_type: &'static TypeId,
}

/// The whole cell. `repr(C)`, so that a pointer to the header is a pointer to the cell, and the
/// host lies at the same place whatever the future is.
#[repr(C)]
struct Cell<H: Host, F> {
    header: Header,
    host: H,
    future: UnsafeCell<MaybeUninit<F>>,
}

/// What a poll left behind.
#[derive(Debug)]
#[must_use]
pub(crate) enum Ran {
    /// The task waits; it must not be touched any more.
    Idle,
    /// The task wants another turn; the caller puts it at the back of its queue.
    Again(Runnable),
    /// The task waits for the one in the slot of this worker, which decides what comes next.
    Holds(Runnable),
    /// The task has finished; it must not be touched any more.
    Finished,
}

/// The right to poll a task once. Whoever holds one must run or cancel it.
#[derive(Debug)]
pub(crate) struct Runnable(NonNull<Header>);

// SAFETY: a `Runnable` is the ownership of SCHEDULED (invariant 1), which may pass between
// threads: host and future are `Send`.
unsafe impl Send for Runnable {}

impl Runnable {
    #[inline]
    pub(super) fn of(header: &Header) -> Runnable {
        Runnable(NonNull::from(header))
    }

    /// For a slot that holds a bare pointer.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        self.0
    }

    /// # Safety
    ///
    /// `header` came from `into_raw` and is turned back once.
    #[inline]
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Runnable {
        Runnable(header)
    }

    #[inline]
    pub(crate) fn view(&self) -> TaskView<'_> {
        // SAFETY: by invariant 3 the cell lives at least until this right is used up.
        unsafe { TaskView::from_raw(self.0) }
    }

    #[inline]
    pub(crate) fn id(&self) -> TaskId {
        self.view().id()
    }

    /// Polls once. While it lasts, the task is the thread's running one (`context::running`).
    #[inline]
    pub(crate) fn run(self) -> Ran {
        // SAFETY: the cell is alive (invariant 3) and we own SCHEDULED.
        unsafe { (self.0.as_ref().vtable.run)(self.0) }
    }

    /// Puts the task to rest after a turn; gives the right back if something came in meanwhile.
    #[inline]
    pub(crate) fn rest(self) -> Option<Runnable> {
        // SAFETY: the cell is alive (invariant 3) and we own SCHEDULED.
        let header = unsafe { self.0.as_ref() };
        match header.word.end_turn(&header.spares) {
            Ended::Again => Some(self),
            Ended::Idle => None,
        }
    }

    /// Whether something came in since the last turn began.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        let header = self.view().header();
        header.word.has_news(&header.spares)
    }

    /// Takes over a counted reference.
    ///
    /// # Safety
    ///
    /// The caller owns it.
    #[inline]
    pub(crate) unsafe fn keep_reference(&self) {
        self.view().header().keep();
    }

    /// Ends the task instead.
    pub(crate) fn cancel(self) {
        // SAFETY: as in `run`.
        unsafe { (self.0.as_ref().vtable.cancel)(self.0) }
    }
}

/// As [`create_with`], where host and future do not depend on the id.
#[inline]
pub(crate) fn create<H, F, R>(
    core: &CoreRef,
    host: H,
    future: F,
    prepare: impl FnOnce(TaskView<'_>) -> R,
) -> (Runnable, R)
where
    H: Host,
    F: Future<Output = H::Output> + Send + 'static,
{
    create_with(core, |_| future, |_| host, prepare)
}

/// An id that was taken and a block without a cell; they are given back if making the task unwinds.
struct Taken<'a, C> {
    core: &'a CoreRef,
    id: TaskId,
    cell: NonNull<C>,
}

impl<C> Drop for Taken<'_, C> {
    fn drop(&mut self) {
        context::with_slots(self.core, |cache| self.core.table.vacate(self.id, cache));
        // SAFETY: the block is ours, and nothing is in it.
        unsafe { block::deallocate(self.cell) };
    }
}

/// Makes a task, enters it in the table and lets `prepare` see it before anyone can run it.
///
/// `make_future` may be foreign code and may panic; `make_host` and `prepare` are ours. They are
/// two, so that each result is written where it stays: a host is not small.
#[inline]
pub(crate) fn create_with<H, F, R>(
    core: &CoreRef,
    make_future: impl FnOnce(TaskId) -> F,
    make_host: impl FnOnce(TaskId) -> H,
    prepare: impl FnOnce(TaskView<'_>) -> R,
) -> (Runnable, R)
where
    H: Host,
    F: Future<Output = H::Output> + Send + 'static,
{
    let (id, slot) = context::with_slots(core, |cache| core.table.take(cache));
    let cell = block::allocate::<Cell<H, F>>().cast::<Cell<H, F>>();
    let taken = Taken { core, id, cell };
    // Field by field, straight into the block: a cell is not small, and the stack is no way station.
    let at = cell.as_ptr();
    // SAFETY: the block is ours and has room for a cell; each field is written once. Only
    // `make_future` unwinds, and then nothing has been written (if another did, the block would be
    // lost, and no more).
    unsafe {
        (&raw mut (*at).future).write(UnsafeCell::new(MaybeUninit::new(make_future(id))));
        std::mem::forget(taken);
        (&raw mut (*at).host).write(make_host(id));
        (&raw mut (*at).header).write(Header {
            word: Word::scheduled(),
            vtable: const { &Cell::<H, F>::VTABLE },
            count: AtomicU32::new(1),
            spares: Spares::new(),
            marks: Marks::none(),
            core: core.for_cell(),
            id,
        });
    }
    let header = cell.cast::<Header>();
    slot.publish(header);
    let runnable = Runnable(header);
    let prepared = prepare(runnable.view());
    (runnable, prepared)
}

/// Where the host of `header`'s cell lies.
///
/// # Safety
///
/// The cell's host is an `H`.
#[inline]
pub(super) unsafe fn host_of<H: Host>(header: &Header) -> NonNull<H> {
    let offset = offset_of!(Cell<H, ()>, host);
    // SAFETY: in a `repr(C)` struct the offset of the second field depends on the first two
    // types alone, so `Cell<H, ()>` tells it for every future; it lies inside the cell.
    unsafe { NonNull::from(header).byte_add(offset).cast::<H>() }
}

impl<H, F> Cell<H, F>
where
    H: Host,
    F: Future<Output = H::Output> + Send + 'static,
{
    const VTABLE: Vtable = Vtable {
        run: Self::run,
        cancel: Self::cancel,
        free: Self::free,
        describe: Self::describe,
        host_type: const { &TypeId::of::<H>() },
    };

    /// # Safety
    ///
    /// `header` is that of a live `Cell<H, F>` and the caller owns SCHEDULED.
    unsafe fn run(header: NonNull<Header>) -> Ran {
        // SAFETY: the caller's promise; the cell stays until we give SCHEDULED up.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        cell.host.begins_turn();
        let inbox = cell.header.begin_turn();
        // SAFETY: as above.
        let view = unsafe { TaskView::from_raw(header) };
        let running = context::enter_task(view);
        // SAFETY: the borrowed waker does not outlive this poll, during which the cell lives.
        let waker = unsafe { waker::borrowed(header) };
        let mut turn = Turn {
            inbox,
            view,
            waker: &waker,
            again: false,
        };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            cell.future.with_mut(|future| {
                // SAFETY: by invariant 2 we alone may reach the future.
                let body = unsafe { Body::of(&mut *future, &cell.header.marks) };
                cell.host.poll(body, &mut turn)
            })
        }));
        match polled {
            Ok(Poll::Pending) => {
                cell.hand_back(&mut turn.inbox);
                // With the id gone, only the host's own wish brings a turn.
                debug_assert!(
                    turn.again || !cell.header.marks.has(body::ID),
                    "a host that gave its id up waits for nothing"
                );
                if turn.again {
                    return Ran::Again(Runnable(header));
                }
                if context::holds(header) {
                    return Ran::Holds(Runnable(header));
                }
                match Runnable(header).rest() {
                    Some(again) => Ran::Again(again),
                    None => Ran::Idle,
                }
            }
            over => {
                if let Err(payload) = over {
                    complain(view, payload);
                }
                // SAFETY: we own SCHEDULED, and give it up for good.
                unsafe { Self::finish(header, turn.inbox, running) };
                Ran::Finished
            }
        }
    }

    /// # Safety
    ///
    /// As `run`.
    unsafe fn cancel(header: NonNull<Header>) {
        // SAFETY: the caller's promise.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        cell.host.begins_turn();
        let inbox = cell.header.begin_turn();
        // SAFETY: as above.
        let view = unsafe { TaskView::from_raw(header) };
        let running = context::enter_task(view);
        // SAFETY: as in `run`.
        let waker = unsafe { waker::borrowed(header) };
        let mut turn = Turn {
            inbox,
            view,
            waker: &waker,
            again: false,
        };
        let cancelled = catch_unwind(AssertUnwindSafe(|| {
            cell.future.with_mut(|future| {
                // SAFETY: as in `run`.
                let body = unsafe { Body::of(&mut *future, &cell.header.marks) };
                cell.host.cancel(body, &mut turn);
            });
        }));
        if let Err(payload) = cancelled {
            discard_payload(payload);
        }
        // SAFETY: we own SCHEDULED, and give it up for good.
        unsafe { Self::finish(header, turn.inbox, running) };
    }

    /// Gives what a turn left in its inbox back to the host.
    #[inline]
    fn hand_back(&self, inbox: &mut NodeList) {
        if !inbox.is_empty() {
            self.hand_back_all(inbox);
        }
    }

    #[cold]
    fn hand_back_all(&self, inbox: &mut NodeList) {
        while let Some(node) = inbox.pop() {
            let handed = catch_unwind(AssertUnwindSafe(|| self.host.undelivered(node)));
            if let Err(payload) = handed {
                discard_payload(payload);
            }
        }
    }

    /// The end: drops the future, gives up id, inbox and the task's own reference.
    ///
    /// # Safety
    ///
    /// The caller owns SCHEDULED and does not touch the task afterwards.
    // Not by `&self`: a reference that is an argument must not outlive what it refers to.
    #[inline(always)]
    unsafe fn finish(header: NonNull<Header>, mut inbox: NodeList, running: Running) {
        // SAFETY: the caller's promise; the cell stays until it is freed below, and is not used after.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        if !cell.header.marks.has(body::FUTURE) {
            cell.drop_future();
        }
        cell.header.vacate();
        cell.hand_back(&mut inbox);
        if cell.header.is_alone() {
            drop(running);
            // SAFETY: nobody else can reach the cell, now or later; so the word need not say that
            // the task is dead, and the count need not be counted down.
            return unsafe { Self::free(header) };
        }
        let mut last = cell.header.word.finish(&cell.header.spares);
        cell.hand_back(&mut last.inbox);
        let spares = u32::from(cell.header.spares.count()) + u32::from(last.surplus);
        // What drops with the cell is foreign code, and must not find the task any more.
        drop(running);
        // SAFETY: these are the task's own reference (invariant 3) and what it had to lend.
        if unsafe { Header::gives_up_last(header, 1 + spares) } {
            // SAFETY: the count is zero.
            unsafe { Self::free(header) };
        }
    }

    /// The caller owns SCHEDULED, and ends the task.
    #[cold]
    fn drop_future(&self) {
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            self.future.with_mut(|future| {
                // SAFETY: by invariant 2 we alone may reach the future.
                unsafe { Body::of(&mut *future, &self.header.marks) }.drop_in_place();
            });
        }));
        if let Err(payload) = dropped {
            discard_payload(payload);
        }
    }

    /// # Safety
    ///
    /// The count is zero.
    unsafe fn free(header: NonNull<Header>) {
        let mut cell = header.cast::<Self>();
        // SAFETY: by invariant 4 nobody else has the cell any more.
        let core = unsafe { cell.as_ref() }.header.core;
        // SAFETY: as above. The future went with the task's end (invariant 2), and what is left of
        // the header has no drop.
        if unsafe { cell.as_mut() }.host.is_bare() {
            // SAFETY: the block was filled in `create_with`, with a cell of this type, and nothing
            // in it is owed a drop.
            unsafe { block::deallocate(cell) };
        } else {
            // SAFETY: as above.
            let freed = catch_unwind(AssertUnwindSafe(|| unsafe { block::drop_in_place(cell) }));
            if let Err(payload) = freed {
                discard_payload(payload);
            }
        }
        // SAFETY: the header was filled with what `for_cell` gave, and is gone.
        unsafe { CoreRef::release_from_cell(core) };
    }

    /// # Safety
    ///
    /// `header` is that of a `Cell<H, F>`.
    unsafe fn describe(header: &Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the caller's promise.
        unsafe { host_of::<H>(header).as_ref() }.describe(f)
    }
}

impl Header {
    #[inline]
    pub(super) fn word(&self) -> &Word {
        &self.word
    }

    #[inline]
    pub(super) fn vtable(&self) -> &'static Vtable {
        self.vtable
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: it is counted as long as the cell is there, and was put in its place before.
        unsafe { &*self.core.core() }
    }

    #[inline]
    pub(super) fn number(&self) -> CoreNumber {
        self.core
    }

    /// Queues the task, which was woken or got a message; the caller owns SCHEDULED, and gives it up.
    // Apart, so that a push is short enough to become part of each send: most find the task queued.
    #[inline(never)]
    pub(super) fn schedule(&self) {
        let runnable = Runnable::of(self);
        context::with_worker(self.core, |worker| match worker {
            Some(worker) => worker.schedule(runnable),
            None => self.core().schedule_from_outside(runnable),
        });
    }

    /// As [`schedule`](Self::schedule), where the task got a request from the running one, which awaits
    /// the answer.
    #[inline]
    pub(super) fn schedule_callee(&self) {
        let runnable = Runnable::of(self);
        context::with_worker(self.core, |worker| match worker {
            Some(worker) => worker.schedule_callee(runnable, context::running_header()),
            None => self.core().schedule_from_outside(runnable),
        });
    }

    /// Whether both tasks live in one runtime.
    #[inline]
    pub(super) fn is_beside(&self, other: &Header) -> bool {
        self.core == other.core
    }

    #[inline]
    pub(super) fn id(&self) -> TaskId {
        self.id
    }

    /// Takes what came in since the turn began. Whoever has the turn may ask.
    pub(crate) fn take_news(&self) -> NodeList {
        self.word.take_news()
    }

    /// Gives the id up, once: the slot may be another task's right after.
    #[inline]
    pub(super) fn vacate(&self) {
        if self.marks.has(body::ID) {
            return;
        }
        self.marks.set(body::ID);
        let core = self.core();
        context::with_slots(core, |cache| core.table.vacate(self.id, cache));
    }

    /// As [`vacate`](Self::vacate), if that leaves nobody who can reach the task, and if `too` says so.
    ///
    /// It is asked under the slot's lock: meanwhile nobody finds the task, and whoever has found it is done, or
    /// has a reference. Those that gave their references up are seen with what they did.
    #[inline]
    pub(super) fn vacate_if_alone(&self, too: impl FnOnce() -> bool) -> bool {
        if self.marks.has(body::ID) {
            return self.is_alone() && too();
        }
        let core = self.core();
        let vacated = context::with_slots(core, |cache| {
            let is_alone = || self.has_no_references() && self.word.is_quiet() && too();
            core.table.vacate_if(self.id, cache, is_alone)
        });
        if vacated {
            self.marks.set(body::ID);
        }
        vacated
    }

    /// Whether nobody but the owner of SCHEDULED, who asks, can reach the task any more, and nothing
    /// has come in.
    ///
    /// Lookups by id find nobody, and those that did are over: the slot's lock came between. And
    /// no counted reference is left but the task's own. So nobody can do anything to the word, and
    /// what was done to it is seen here: it happened before the lock, or before the count fell.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        self.marks.has(body::ID) && self.has_no_references() && self.word.is_quiet()
    }

    /// Whether there are no counted references but the task's own.
    #[inline]
    fn has_no_references(&self) -> bool {
        // Acquire: pairs with the Release of whoever gave up the others.
        self.count.load(Ordering::Acquire) == 1 + u32::from(self.spares.count())
    }

    /// The caller owns SCHEDULED.
    #[inline]
    fn begin_turn(&self) -> NodeList {
        let Begun { inbox, surplus } = self.word.begin_turn(&self.spares);
        if surplus {
            // Not the last: the task's own is there.
            self.count.fetch_sub(1, Ordering::Release);
        }
        inbox
    }

    /// Takes over a counted reference; the caller owns SCHEDULED.
    #[inline]
    fn keep(&self) {
        if !self.spares.collect() {
            // Not the last: the task's own is there.
            self.count.fetch_sub(1, Ordering::Release);
        }
    }

    /// A reference for the task itself, in its own turn: one of those it has to spare, or one more.
    #[inline]
    pub(super) fn lend(&self) {
        if !self.spares.lend() {
            self.retain();
        }
    }

    /// Wakes the task and gives up one counted reference.
    ///
    /// # Safety
    ///
    /// The caller owns the reference and does not use the cell afterwards.
    #[inline]
    pub(super) unsafe fn wake_giving(this: NonNull<Header>) {
        if context::wakes_held(this) {
            return;
        }
        // SAFETY: the caller's reference keeps the cell.
        let header = unsafe { this.as_ref() };
        match header.word.wake_giving() {
            Given::Accepted(Woken::Schedule) => {
                // By value: once it is queued the cell may go.
                let (runnable, core) = (Runnable::of(header), header.core);
                context::with_worker(core, move |worker| match worker {
                    Some(worker) => worker.schedule(runnable),
                    None => {
                        // The right to poll keeps the cell (invariant 3), but only until it is queued:
                        // then the task may end, and the runtime with it, before this returns. (A worker
                        // keeps its runtime.)
                        // SAFETY: as above; this reference owns no count, and is never dropped.
                        let core = ManuallyDrop::new(unsafe { CoreRef::numbered(core) });
                        CoreRef::clone(&core).schedule_from_outside(runnable);
                    }
                });
            }
            Given::Accepted(Woken::Nothing) => {}
            Given::Refused(woken) => {
                debug_assert_eq!(
                    woken,
                    Woken::Nothing,
                    "an idle task accepts what it is given"
                );
                // SAFETY: the reference is still the caller's.
                unsafe { Header::release(this) };
            }
        }
    }

    #[inline]
    pub(super) fn retain(&self) {
        // Relaxed: whoever calls has a live reference already, which came to it by some ordering
        // of its own.
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        if before > i32::MAX as u32 {
            // As in `Arc`: a count that wraps would free a cell in use.
            std::process::abort();
        }
    }

    /// Gives up one counted reference, and frees the cell with the last.
    ///
    /// # Safety
    ///
    /// The caller owns the reference and does not use the cell afterwards.
    #[inline]
    pub(crate) unsafe fn release(this: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe { Header::release_some(this, 1) };
    }

    /// As [`release`](Self::release), for several references.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    unsafe fn release_some(this: NonNull<Header>, references: u32) {
        // SAFETY: the caller's promise; then the count is used up.
        unsafe {
            if Header::gives_up_last(this, references) {
                (this.as_ref().vtable.free)(this);
            }
        }
    }

    /// Whether these were the last, so that the cell is to be freed.
    ///
    /// # Safety
    ///
    /// As above.
    #[inline]
    unsafe fn gives_up_last(this: NonNull<Header>, references: u32) -> bool {
        // SAFETY: the references keep the cell until they are given up below.
        let header = unsafe { this.as_ref() };
        // A sole owner needs no read-modify-write: nobody is left to count, and lookups by id
        // cannot find the task (its slot was vacated before its own reference went). Acquire
        // pairs with the Release of whoever gave up the other references.
        if header.count.load(Ordering::Acquire) != references {
            // Release: publishes our use of the cell to whoever frees it.
            if header.count.fetch_sub(references, Ordering::Release) != references {
                return false;
            }
            // Acquire: pairs with every other owner's Release. A load and not a fence, for fences
            // are nothing to ThreadSanitizer.
            header.count.load(Ordering::Acquire);
        }
        true
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("id", &self.id)
            .field("word", &self.word)
            .finish()
    }
}

/// A host must not panic.
#[cold]
fn complain(view: TaskView<'_>, payload: Box<dyn std::any::Any + Send>) {
    crate::log_guarded(|| {
        log::error!(
            "{} panicked in its own machinery; this is a defect",
            view.describe()
        )
    });
    discard_payload(payload);
}

/// Drops what a panic carried. A payload whose own drop panics is forgotten.
pub(crate) fn discard_payload(payload: Box<dyn std::any::Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
