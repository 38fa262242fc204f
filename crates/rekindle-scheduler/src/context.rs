//! What a thread knows about itself: whose runtime is current, whether it is one of its workers,
//! which task it polls.
//!
//! Everything hot is a plain cell without a destructor, so that reading it is one load, also
//! while the thread ends.
//!
//! | cell      | set by                               | says                                        |
//! |-----------|--------------------------------------|---------------------------------------------|
//! | `core`    | worker, simulator, [`EnterGuard`]    | the runtime entered last: the current one   |
//! | `local`   | worker, simulator                    | the thread's own stocks of that runtime     |
//! | `inside`  | whoever sets `core` or `local`       | the current runtime, if `local` is of it    |
//! | `worker`  | worker                               | the rest of the worker                      |
//! | `running` | a turn of a task                     | the task that is polled                     |
//!
//! Invariants
//! 1. `core` is null or that of the top entry of `ENTERED`, which owns a count on it. A guard that
//!    is forgotten leaks its entry and does no other harm.
//! 2. `local` and `worker` are null or point to values that only this thread uses; the guard that
//!    set them lies further down this thread's stack and borrows the value.
//! 3. `running` is empty or the task that is polled further down this thread's stack.
//! 4. `inside` is null or both `core` and the runtime of `local`.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use crate::block::BlockCache;
use crate::core::{Core, CoreRef, Kind};
use crate::cores::CoreNumber;
use crate::home::{Home, OwnHome};
use crate::pool::worker::Worker;
use crate::runtime::Handle;
use crate::table::SlotCache;
use crate::task::{Header, NodeList, TaskView};
use crate::time::Time;

/// How many counts on the core travel at once between a thread's stock and the core.
const STOCK: usize = 1 << 12;

struct Tls {
    core: Cell<*const Core>,
    local: Cell<*const Local>,
    inside: Cell<*const Core>,
    worker: Cell<*const Worker>,
    running: Cell<Option<NonNull<Header>>>,
}

impl Tls {
    /// Restores invariant 4.
    fn note_inside(&self) {
        let core = self.core.get();
        // SAFETY: by invariant 2 the pointer is null or to a live value that only this thread uses.
        let is_inside = match unsafe { self.local.get().as_ref() } {
            Some(local) => ptr::eq(local.core.as_ptr(), core),
            None => false,
        };
        self.inside.set(if is_inside { core } else { ptr::null() });
    }
}

thread_local! {
    static TLS: Tls = const {
        Tls {
            core: Cell::new(ptr::null()),
            local: Cell::new(ptr::null()),
            inside: Cell::new(ptr::null()),
            worker: Cell::new(ptr::null()),
            running: Cell::new(None),
        }
    };
    /// The runtimes that were entered and not left, with the number of the guard of each.
    static ENTERED: RefCell<Entered> = const { RefCell::new(Entered { last: 0, stack: Vec::new() }) };
}

struct Entered {
    last: u64,
    stack: Vec<(u64, CoreRef)>,
}

impl Entered {
    /// Restores invariant 1.
    fn note_top(&self) {
        let top = self
            .stack
            .last()
            .map_or(ptr::null(), |(_, core)| core.as_ptr());
        TLS.with(|tls| {
            tls.core.set(top);
            tls.note_inside();
        });
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Only forgotten guards are left when the thread ends; what follows sees no runtime.
        TLS.with(|tls| {
            tls.core.set(ptr::null());
            tls.note_inside();
        });
    }
}

/// The part of a worker that a simulation has as well: what spawning and ending a task take from
/// and give to, so that they touch no shared line.
#[derive(Debug)]
pub(crate) struct Local {
    // Before the core, whose end gives back what the program keeps for nobody.
    blocks: BlockCache,
    core: CoreRef,
    /// The core's.
    number: CoreNumber,
    slots: RefCell<SlotCache>,
    /// Whose the blocks are, and in a pool the slots.
    _home: OwnHome,
    /// Counts on the core that were taken in advance.
    stock: Cell<usize>,
}

impl Local {
    pub(crate) fn new(core: CoreRef) -> Local {
        let home = OwnHome::take();
        let of_slots = match core.kind() {
            Kind::Pool(_) => home.get(),
            // One thread drives it at a time, and what comes of a seed must not depend on which homes others have.
            Kind::Sim(_) => Home::from_number(1),
        };
        Local {
            number: core.number(),
            core,
            slots: RefCell::new(SlotCache::new(of_slots)),
            blocks: BlockCache::new(home.get()),
            _home: home,
            stock: Cell::new(0),
        }
    }

    #[inline]
    pub(crate) fn core(&self) -> &CoreRef {
        &self.core
    }

    /// Takes one count from the stock.
    #[inline]
    fn take_count(&self) {
        let stock = self.stock.get();
        if stock > 0 {
            self.stock.set(stock - 1);
        } else {
            self.core.retain(STOCK);
            self.stock.set(STOCK - 1);
        }
    }

    /// Puts one count back.
    #[inline]
    fn give_count(&self) {
        let stock = self.stock.get() + 1;
        if stock < 2 * STOCK {
            self.stock.set(stock);
        } else {
            self.stock.set(stock - STOCK);
            self.core.release_some(STOCK);
        }
    }

    /// Gives the free slots back to the table.
    pub(crate) fn return_slots(&self) {
        self.core.table.return_stock(&mut self.slots.borrow_mut());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.return_slots();
        self.core.release_some(self.stock.get());
    }
}

/// Makes a worker or a simulation this thread's own for as long as the guard lives.
pub(crate) struct OwnGuard<'a> {
    local: *const Local,
    worker: *const Worker,
    _entered: Entry,
    own: PhantomData<(&'a Local, *const ())>,
}

/// For a simulation: `local` is this thread's until the guard is dropped.
pub(crate) fn own(local: &Local) -> OwnGuard<'_> {
    install(local, ptr::null())
}

/// For a worker.
pub(crate) fn own_worker(worker: &Worker) -> OwnGuard<'_> {
    install(worker.local(), worker)
}

fn install(local: &Local, worker: *const Worker) -> OwnGuard<'_> {
    TLS.with(|tls| OwnGuard {
        local: tls.local.replace(local),
        worker: tls.worker.replace(worker),
        _entered: Entry::push(&local.core),
        own: PhantomData,
    })
}

impl Drop for OwnGuard<'_> {
    fn drop(&mut self) {
        TLS.with(|tls| {
            tls.local.set(self.local);
            tls.worker.set(self.worker);
            tls.note_inside();
        });
    }
}

/// Calls `f` with this thread's stocks, if it runs the core with this number.
#[inline]
fn with_local<R>(core: CoreNumber, f: impl FnOnce(Option<&Local>) -> R) -> R {
    let local = TLS.with(|tls| tls.local.get());
    // SAFETY: by invariant 2 the pointer is null or to a live value that only this thread uses, and
    // stays so during `f`, for the guard is dropped after `f` has returned.
    match unsafe { local.as_ref() } {
        Some(local) if local.number == core => f(Some(local)),
        _ => f(None),
    }
}

/// Calls `f` with the worker that this thread is, if it is one of the core with this number.
#[inline]
pub(crate) fn with_worker<R>(core: CoreNumber, f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = TLS.with(|tls| tls.worker.get());
    // SAFETY: as in `with_local`.
    match unsafe { worker.as_ref() } {
        Some(worker) if worker.local().number == core => f(Some(worker)),
        _ => f(None),
    }
}

/// Calls `f` with the free blocks that this thread keeps, if it keeps any, for whatever runtime.
#[inline]
pub(crate) fn with_blocks<R>(f: impl FnOnce(Option<&BlockCache>) -> R) -> R {
    let local = TLS.with(|tls| tls.local.get());
    // SAFETY: as in `with_local`.
    f(unsafe { local.as_ref() }.map(|local| &local.blocks))
}

/// Calls `f` with the free slots that this thread keeps for `core`, if it keeps any.
#[inline]
pub(crate) fn with_slots<R>(core: &Core, f: impl FnOnce(Option<&mut SlotCache>) -> R) -> R {
    with_local(core.number(), |local| {
        match local.map(|local| local.slots.try_borrow_mut()) {
            Some(Ok(mut slots)) => f(Some(&mut slots)),
            _ => f(None),
        }
    })
}

/// A count on `core`, from this thread's stock if it has one.
#[inline]
pub(crate) fn take_count(core: &CoreRef) {
    with_local(core.number(), |local| match local {
        Some(local) => local.take_count(),
        None => core.retain(1),
    });
}

/// Gives a count back, on the core with this number; the counterpart of [`take_count`]. Returns whether a stock
/// took it.
#[inline]
pub(crate) fn give_count(core: CoreNumber) -> bool {
    with_local(core, |local| match local {
        Some(local) => {
            local.give_count();
            true
        }
        None => false,
    })
}

/// Whether this thread is a worker, or runs a simulation: it must not block.
pub(crate) fn must_not_block() -> bool {
    TLS.with(|tls| !tls.local.get().is_null())
}

/// Whether the core with this number is the one that [`with_core`] finds.
#[inline]
pub(crate) fn is_current(core: CoreNumber) -> bool {
    with_core(|current| current.is_some_and(|current| current.number() == core))
}

/// Whether this thread is a worker or a simulation of the core with this number.
#[inline]
pub(crate) fn is_inside(core: CoreNumber) -> bool {
    with_local(core, |local| local.is_some())
}

/// Says that a task is polled, until dropped.
pub(crate) struct Running {
    before: Option<NonNull<Header>>,
    own: PhantomData<*const ()>,
}

/// Makes `task` the running one of this thread.
#[inline]
pub(crate) fn enter_task(task: TaskView<'_>) -> Running {
    let header = NonNull::from(task.header());
    Running {
        before: TLS.with(|tls| tls.running.replace(Some(header))),
        own: PhantomData,
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        TLS.with(|tls| tls.running.set(self.before));
    }
}

/// Calls `f` with the task that this thread is polling, if any.
///
/// ```
/// use rekindle_scheduler::{Runtime, running};
///
/// let runtime = Runtime::simulated(1);
/// let who = || running(|task| task.map(|task| task.id()));
/// let task = runtime.handle().spawn(async move { who() });
/// let id = task.id();
/// assert_eq!(runtime.block_on(task).unwrap(), Some(id));
/// assert_eq!(who(), None); // this thread polls no task
/// ```
#[inline]
pub fn running<R>(f: impl FnOnce(Option<TaskView<'_>>) -> R) -> R {
    let running = TLS.with(|tls| tls.running.get());
    // SAFETY: by invariant 3 the task's poll ends after `f`, and its cell lives until then.
    f(running.map(|header| unsafe { TaskView::from_raw(header) }))
}

/// Takes what has come into the inbox of the running task since its turn began, oldest first; nothing
/// where no task runs. For a host whose future asks in the middle of a turn whether there is news.
///
/// What is taken was pushed before, and if there was any, the task has another turn after this one.
///
/// ```
/// // Outside of a task there is no inbox.
/// assert!(rekindle_scheduler::take_news().is_empty());
///
/// let runtime = rekindle_scheduler::Runtime::simulated(1);
/// runtime.block_on(async {
///     // A task whose host has no messages, which is any that `spawn` makes, has no news either.
///     assert!(rekindle_scheduler::take_news().is_empty());
/// });
/// ```
#[must_use = "what is taken and not handled is thrown away"]
pub fn take_news() -> NodeList {
    // Whoever polls a task owns its SCHEDULED.
    running(|task| task.map_or_else(NodeList::new, |task| task.header().take_news()))
}

/// The task that this thread is polling.
#[inline]
pub(crate) fn running_header() -> Option<NonNull<Header>> {
    TLS.with(|tls| tls.running.get())
}

/// Calls `f` with the worker that this thread is, of whatever runtime; `false` elsewhere.
#[inline]
fn of_worker(f: impl FnOnce(&Worker) -> bool) -> bool {
    let worker = TLS.with(|tls| tls.worker.get());
    // SAFETY: as in `with_local`.
    unsafe { worker.as_ref() }.is_some_and(f)
}

/// Whether the task that ends its turn here waits for the one that comes next.
#[inline]
pub(crate) fn holds(task: NonNull<Header>) -> bool {
    of_worker(|worker| worker.holds(task.as_ptr()))
}

/// Wakes a task that is held here, if it is; the caller's counted reference is used up then.
#[inline]
pub(crate) fn wakes_held(task: NonNull<Header>) -> bool {
    of_worker(|worker| worker.wakes_held(task.as_ptr()))
}

/// Whether this thread is polling that task.
#[inline]
pub(crate) fn is_running(task: TaskView<'_>) -> bool {
    let header = NonNull::from(task.header());
    TLS.with(|tls| tls.running.get()) == Some(header)
}

/// Calls `f` with the current runtime, if there is one. Touches no reference count.
#[inline]
pub(crate) fn with_core<R>(f: impl FnOnce(Option<&CoreRef>) -> R) -> R {
    let core = TLS.with(|tls| tls.core.get());
    match NonNull::new(core.cast_mut()) {
        // SAFETY: by invariant 1 the core is counted when `f` begins. `f` can end that only by
        // dropping the guard, and the handle that the guard borrows outlives `f`. The reference
        // made here owns no count and is never dropped.
        Some(core) => f(Some(&ManuallyDrop::new(unsafe { CoreRef::from_raw(core) }))),
        None => f(None),
    }
}

/// Calls `f` with a handle on the current runtime, if there is one.
///
/// This touches no reference count, unlike [`Handle::try_current`].
///
/// ```
/// use rekindle_scheduler::{Runtime, with_handle};
///
/// let runtime = Runtime::simulated(1);
/// let time = || with_handle(|handle| handle.map(|handle| handle.now()));
/// assert_eq!(time(), None);
/// assert_eq!(runtime.block_on(async { time() }), Some(runtime.handle().now()));
/// ```
#[inline]
pub fn with_handle<R>(f: impl FnOnce(Option<&Handle>) -> R) -> R {
    with_core(|core| f(core.map(Handle::from_core)))
}

/// The time of the current runtime's last look at its clock, or a little before; `None` outside of
/// a runtime. Costs two loads on a worker; elsewhere it is the time.
///
/// ```
/// use rekindle_scheduler::{Handle, Runtime, coarse_now};
///
/// assert_eq!(coarse_now(), None);
/// let runtime = Runtime::new()?;
/// let task = runtime.handle().spawn(async {
///     // Good enough to stamp a log line; never ahead of the exact time.
///     let stamp = coarse_now().unwrap();
///     stamp <= Handle::current().now()
/// });
/// assert!(runtime.block_on(task).unwrap());
/// # Ok::<(), std::io::Error>(())
/// ```
#[inline]
pub fn coarse_now() -> Option<Time> {
    let inside = TLS.with(|tls| tls.inside.get());
    // SAFETY: by invariant 4 the core is null or counted, by invariant 1, until the guard is dropped.
    match unsafe { inside.as_ref() } {
        Some(core) => Some(core.clock.coarse()),
        None => coarse_now_elsewhere(),
    }
}

#[cold]
fn coarse_now_elsewhere() -> Option<Time> {
    with_core(|core| core.map(|core| core.coarse_now()))
}

/// One entry of `ENTERED`, taken out when dropped.
#[derive(Debug)]
struct Entry {
    number: u64,
}

impl Entry {
    fn push(core: &CoreRef) -> Entry {
        let entered = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            entered.last += 1;
            let number = entered.last;
            entered.stack.push((number, core.clone()));
            entered.note_top();
            number
        });
        // A thread that is past its destructors enters nothing: number 0 is never given.
        Entry {
            number: entered.unwrap_or(0),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let place = entered
                .stack
                .iter()
                .rposition(|(number, _)| *number == self.number)?;
            let (_, left) = entered.stack.remove(place);
            entered.note_top();
            Some(left)
        });
        // The last count on a runtime may go here, so the stack is not borrowed any more.
        drop(left);
    }
}

/// Makes a runtime the current one of this thread until dropped; see [`Handle::enter`].
///
/// Guards may be dropped in any order: of the runtimes that are still entered, the one that was
/// entered last is current.
///
/// ```
/// use rekindle_scheduler::{Handle, Runtime, spawn};
///
/// let runtime = Runtime::simulated(1);
/// let entered = runtime.handle().enter();
/// let task = spawn(async { 2 + 2 }); // finds the runtime, on a thread that is none of its own
/// drop(entered);
/// assert!(Handle::try_current().is_none());
/// assert_eq!(runtime.block_on(task).unwrap(), 4);
/// ```
#[derive(Debug)]
#[must_use = "the runtime is left when the guard is dropped"]
pub struct EnterGuard<'a> {
    _entry: Entry,
    entered: PhantomData<(&'a Handle, *const ())>,
}

/// Enters a runtime by hand.
pub(crate) fn enter(core: &CoreRef) -> EnterGuard<'_> {
    EnterGuard {
        _entry: Entry::push(core),
        entered: PhantomData,
    }
}
