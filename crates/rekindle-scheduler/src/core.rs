//! The shared heart of one runtime, and its end.
//!
//! | reference         | counted | is                                                           |
//! |-------------------|---------|--------------------------------------------------------------|
//! | [`CoreRef`]       | yes     | in handles and threads                                       |
//! | a cell's number   | yes     | leads to the core: see `cores`                               |
//! | a thread's stock  | yes     | counts taken in advance, 4,096 at a time (`context`)         |
//! | `&Core`           | no      | borrowed from one of those                                   |
//!
//! An `Arc` would make every spawn and every end of a task write the one line that holds its
//! count. Here a worker takes counts in bulk and passes them on by plain additions.
//!
//! | stage    | spawning                | queues               | wheels             | threads      |
//! |----------|-------------------------|----------------------|--------------------|--------------|
//! | Running  | starts a task           | are run              | fire               | run          |
//! | Stopping | cancels the new task    | are cancelled        | accept, never fire | end          |
//! | Stopped  | cancels the new task    | are cancelled by the | refuse, are empty  | have ended   |
//! |          |                         | one who adds to them |                    |              |
//!
//! Shutdown, by the thread that drops the runtime
//! 1. The stage becomes Stopping, and every thread of the pool is woken.
//! 2. Whatever waits, in a queue or idle, is cancelled while the last turns go on. (A turn that
//!    blocks until another task acts would otherwise never end.)
//! 3. The pool's threads are joined. Nobody polls any more.
//! 4. The tasks of those last turns, and what they woke, are cancelled.
//! 5. The threads for blocking calls are joined; calls that were not begun end as `Shutdown`.
//! 6. The stage becomes Stopped. The queues are emptied once more, for those who were about to
//!    add when they saw an earlier stage; the wheels are closed and emptied.
//!
//! Invariants
//! 1. The core is freed when the count falls to zero, and nothing touches it afterwards.
//! 2. After step 6 no entry stays in a queue: whoever adds one looks at the stage after adding,
//!    and whoever empties has set the stage before; see invariant 2 of `life`.
//! 3. No foreign code runs with one of our locks held.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crate::around::Around;
use crate::block::Upkeep;
use crate::blocking::BlockingPool;
use crate::context;
use crate::cores::{CoreNumber, Place};
use crate::life::Life;
use crate::metrics::{Counter, Metrics};
use crate::pool::Pool;
use crate::random::SharedRandom;
use crate::sim::Sim;
use crate::sync::Padded;
use crate::table::Table;
use crate::task::Runnable;
use crate::time::clock::Clock;
use crate::time::{Time, TimerAction, TimerKey, panic_text};
use crate::timers::{Started, Timers};

pub(crate) use crate::life::Stage;

/// How many tasks one slot of the table serves before it is given up: an id never comes back.
const GENERATIONS: u32 = u32::MAX - 1;
/// How many tasks are looked at per visit to the table.
const WINDOW: usize = 256;

/// What runs the tasks.
// There is one per runtime; a box would cost a load on every path.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Kind {
    Pool(Pool),
    Sim(Sim),
}

/// What a builder puts into a core.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) random: SharedRandom,
    pub(crate) blocking: BlockingPool,
    pub(crate) extension: Option<Arc<dyn Any + Send + Sync>>,
    pub(crate) around: Option<Around>,
    pub(crate) seats: usize,
    pub(crate) kind: Kind,
}

/// The heart of one runtime. Read-mostly; what is written often lies in a line of its own.
pub(crate) struct Core {
    pub(crate) table: Table,
    pub(crate) clock: Clock,
    pub(crate) timers: Timers,
    pub(crate) blocking: BlockingPool,
    pub(crate) random: SharedRandom,
    kind: Kind,
    life: Life,
    /// Whether a spawn after the end was complained of already.
    complained: AtomicBool,
    id: u32,
    /// Where the tasks find it.
    place: Place,
    extension: Option<Arc<dyn Any + Send + Sync>>,
    around: Option<Around>,
    /// Tasks that threads other than workers started and ended.
    outside: Padded<Outside>,
    refs: Padded<AtomicUsize>,
    /// The last, for all that comes before may give memory back.
    pub(crate) upkeep: Upkeep,
}

#[derive(Debug, Default)]
struct Outside {
    spawned: Counter,
    finished: Counter,
}

thread_local! {
    /// The core whose queues this thread is emptying: cancelling one task may wake the next, and
    /// the loop that empties them takes that one too, instead of a recursion a million deep.
    static EMPTYING: Cell<*const Core> = const { Cell::new(std::ptr::null()) };
}

impl Core {
    /// # Errors
    ///
    /// If there are as many cores as there are numbers for.
    pub(crate) fn start(parts: Parts) -> io::Result<CoreRef> {
        static IDS: AtomicU32 = AtomicU32::new(1);
        let place = Place::take()?;
        let now = parts.clock.now();
        let core = Box::new(Core {
            table: Table::new(GENERATIONS),
            clock: parts.clock,
            timers: Timers::new(parts.seats, now),
            blocking: parts.blocking,
            random: parts.random,
            kind: parts.kind,
            life: Life::new(),
            complained: AtomicBool::new(false),
            id: IDS.fetch_add(1, Ordering::Relaxed),
            place,
            extension: parts.extension,
            around: parts.around,
            outside: Padded::default(),
            refs: Padded(AtomicUsize::new(1)),
            upkeep: Upkeep::default(),
        });
        let core = NonNull::from(Box::leak(core));
        // SAFETY: it was made just now.
        let known = unsafe { core.as_ref() };
        known.place.put(core.as_ptr(), known.id);
        Ok(CoreRef(core))
    }

    /// What every thread that runs foreign code is wrapped in.
    pub(crate) fn around(&self) -> Option<&Around> {
        self.around.as_ref()
    }

    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    #[inline]
    pub(crate) fn number(&self) -> CoreNumber {
        self.place.number()
    }

    #[inline]
    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    pub(crate) fn sim(&self) -> Option<&Sim> {
        match &self.kind {
            Kind::Sim(sim) => Some(sim),
            Kind::Pool(_) => None,
        }
    }

    pub(crate) fn extension(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.extension.as_deref()
    }

    #[inline]
    pub(crate) fn stage(&self) -> Stage {
        self.life.stage()
    }

    /// Queues a task that was woken or got a message, where this thread is no worker of ours.
    #[inline(never)]
    pub(crate) fn schedule_from_outside(&self, runnable: Runnable) {
        match &self.kind {
            Kind::Pool(pool) => self.submit(pool, runnable),
            Kind::Sim(sim) => {
                sim.push(runnable);
                self.after_adding();
            }
        }
    }

    /// Queues a new task. Unlike a woken one it does not go ahead of others.
    #[inline]
    pub(crate) fn schedule_spawned(&self, runnable: Runnable) {
        match &self.kind {
            Kind::Pool(pool) => context::with_worker(self.number(), |worker| match worker {
                Some(worker) => worker.schedule_spawned(runnable),
                None => {
                    self.outside.spawned.add_shared(1);
                    self.submit(pool, runnable);
                }
            }),
            Kind::Sim(sim) => {
                self.outside.spawned.add_shared(1);
                sim.push(runnable);
                self.after_adding();
            }
        }
    }

    /// Queues a task from a thread that is no worker.
    #[cold]
    fn submit(&self, pool: &Pool, runnable: Runnable) {
        pool.inject.push(runnable);
        pool.idle.posted();
        self.after_adding();
    }

    /// Invariant 2, the adder's side.
    fn after_adding(&self) {
        if self.life.is_over() {
            self.cancel_queued();
        }
    }

    /// Ends a task that was started too late.
    #[cold]
    pub(crate) fn refuse(&self, runnable: Runnable) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            crate::log_guarded(|| {
                log::error!(
                    "{} was started after its runtime was shut down; it is cancelled at once, and so \
                 are others (said once per runtime)",
                    runnable.view().describe(),
                )
            });
        }
        self.outside.spawned.add_shared(1);
        self.cancel(runnable);
    }

    /// A task ended on a thread that is no worker.
    pub(crate) fn note_finished(&self) {
        self.outside.finished.add_shared(1);
    }

    fn cancel(&self, runnable: Runnable) {
        runnable.cancel();
        self.note_finished();
    }

    /// Starts a timer, on this worker's wheel if the thread is a worker.
    pub(crate) fn start_timer(&self, deadline: Time, action: TimerAction) -> TimerKey {
        let own = context::with_worker(self.number(), |worker| worker.map(|worker| worker.seat()));
        let seat = own.unwrap_or_else(|| self.any_seat());
        match self.timers.start(seat, deadline, action) {
            Started::Running { key, first } => {
                if first {
                    self.note_first_timer(seat, own.is_some());
                }
                key
            }
            Started::Refused(key, action) => {
                guarded("a timer's action, on being dropped,", || drop(action));
                key
            }
        }
    }

    /// The seat for a timer that no worker starts. Any will do, but not always the same.
    fn any_seat(&self) -> u32 {
        match self.timers.seats() {
            1 => 0,
            seats => (self.random.next() % seats as u64) as u32,
        }
    }

    /// Makes sure that the worker who minds this wheel sees that it has to look earlier.
    fn note_first_timer(&self, seat: u32, own: bool) {
        let Kind::Pool(pool) = &self.kind else { return };
        let minded_by_us = own
            && context::with_worker(self.number(), |worker| {
                worker.is_some_and(|worker| worker.has_seat())
            });
        if !minded_by_us {
            pool.idle.wake_seat(seat);
        }
    }

    /// The time, exact on other threads, as of the last look at the clock on workers.
    #[inline]
    pub(crate) fn coarse_now(&self) -> Time {
        match context::is_inside(self.number()) {
            true => self.clock.coarse(),
            false => self.clock.now(),
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics {
            blocking_threads: self.blocking.thread_count(),
            spawned: self.outside.spawned.get(),
            finished: self.outside.finished.get(),
            timers: self.timers.len(),
            ..Metrics::default()
        };
        match &self.kind {
            Kind::Pool(pool) => pool.add_to(&mut metrics),
            Kind::Sim(sim) => sim.add_to(&mut metrics),
        }
        metrics
    }

    /// Calls `f` with every task there is, a window at a time.
    pub(crate) fn for_each_task(&self, mut f: impl FnMut(&crate::task::TaskRef) -> bool) {
        let mut from = Some(0);
        while let Some(start) = from {
            let (window, next) = self.table.window(start, WINDOW);
            if !window.iter().all(&mut f) {
                return;
            }
            from = next;
        }
    }

    /// The end; see the module's numbered steps. Returns when it is done.
    pub(crate) fn shut_down(&self) {
        if !self.life.begin_stop() {
            return;
        }
        if let Kind::Pool(pool) = &self.kind {
            pool.tell_to_stop();
        }
        self.cancel_everything();
        if let Kind::Pool(pool) = &self.kind {
            pool.join_threads();
        }
        self.cancel_everything();
        self.blocking.shutdown();
        self.life.end();
        self.cancel_everything();
        self.timers.close();
    }

    /// Cancels what waits, until nothing does.
    pub(crate) fn cancel_everything(&self) {
        loop {
            let queued = self.cancel_queued();
            if self.cancel_idle() + queued == 0 {
                return;
            }
        }
    }

    /// Cancels the tasks in the queues. Returns how many.
    fn cancel_queued(&self) -> usize {
        let before = EMPTYING.replace(self);
        if before == std::ptr::from_ref(self) {
            return 0;
        }
        let mut cancelled = 0;
        while let Some(runnable) = self.take_queued() {
            self.cancel(runnable);
            cancelled += 1;
        }
        EMPTYING.set(before);
        cancelled
    }

    fn take_queued(&self) -> Option<Runnable> {
        match &self.kind {
            Kind::Pool(pool) => pool.take_queued(),
            Kind::Sim(sim) => sim.take_queued(),
        }
    }

    /// Cancels the tasks that wait for a wake-up. Returns how many.
    fn cancel_idle(&self) -> usize {
        let mut cancelled = 0;
        self.for_each_task(|task| {
            if let Some(runnable) = task.view().take_idle() {
                self.cancel(runnable);
                cancelled += 1;
            }
            true
        });
        cancelled
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("id", &self.id)
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}

/// A counted reference on a core.
pub(crate) struct CoreRef(NonNull<Core>);

// SAFETY: a core is shared by design, every field of it is `Send + Sync` (checked below), and the
// count is atomic.
unsafe impl Send for CoreRef {}
// SAFETY: as above.
unsafe impl Sync for CoreRef {}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Core>();
};

impl CoreRef {
    /// Takes over a count, or none if the result is never dropped.
    ///
    /// # Safety
    ///
    /// `core` came from `as_ptr`, and is counted as long as the result is used.
    #[inline]
    pub(crate) unsafe fn from_raw(core: NonNull<Core>) -> CoreRef {
        CoreRef(core)
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *const Core {
        self.0.as_ptr()
    }

    /// Whether both belong to one runtime.
    #[inline]
    pub(crate) fn same(&self, other: &CoreRef) -> bool {
        self.0 == other.0
    }

    /// The core with this number, as [`from_raw`](Self::from_raw).
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub(crate) unsafe fn numbered(number: CoreNumber) -> CoreRef {
        // SAFETY: the caller's promise; a core that is counted has its number.
        unsafe { CoreRef(NonNull::new_unchecked(number.core())) }
    }

    /// Counts a new cell, which keeps the number.
    #[inline]
    pub(crate) fn for_cell(&self) -> CoreNumber {
        std::mem::forget(self.clone());
        self.number()
    }

    /// Gives the count of a freed cell back.
    ///
    /// # Safety
    ///
    /// `number` came from [`for_cell`](Self::for_cell), and is not used afterwards.
    #[inline]
    pub(crate) unsafe fn release_from_cell(number: CoreNumber) {
        if !context::give_count(number) {
            // SAFETY: the caller's promise; the count goes once, here.
            ManuallyDrop::new(unsafe { CoreRef::numbered(number) }).count_down();
        }
    }

    /// Gives up the count of `self`, which is not used afterwards.
    #[cold]
    fn count_down(&mut self) {
        // Release: publishes our use of the core to whoever frees it.
        if self.refs.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Acquire: pairs with every other owner's Release. A load and not a fence, for fences are
        // nothing to ThreadSanitizer.
        self.refs.load(Ordering::Acquire);
        // SAFETY: by invariant 1 nobody else has the core any more; it came out of a box.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }

    /// Adds counts.
    pub(crate) fn retain(&self, counts: usize) {
        // Relaxed: the caller has a count already.
        let before = self.refs.fetch_add(counts, Ordering::Relaxed);
        if before > isize::MAX as usize {
            // As in `Arc`: a count that wraps would free a core in use.
            std::process::abort();
        }
    }

    /// Gives up counts other than the one of `self`, which therefore are not the last.
    pub(crate) fn release_some(&self, counts: usize) {
        // Release: publishes our use of the core to whoever frees it.
        self.refs.fetch_sub(counts, Ordering::Release);
    }
}

impl Deref for CoreRef {
    type Target = Core;

    #[inline(always)]
    fn deref(&self) -> &Core {
        // SAFETY: by invariant 1 the core lives at least as long as this counted reference.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for CoreRef {
    #[inline]
    fn clone(&self) -> CoreRef {
        context::take_count(self);
        CoreRef(self.0)
    }
}

impl Drop for CoreRef {
    #[inline]
    fn drop(&mut self) {
        if !context::give_count(self.number()) {
            self.count_down();
        }
    }
}

impl fmt::Debug for CoreRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Runs what is the user's; a panic in it ends in the log. `what` is the subject of that line.
pub(crate) fn guarded(what: &str, function: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(function)) {
        crate::log_guarded(|| log::error!("{what} panicked: {}", panic_text(payload)));
    }
}
