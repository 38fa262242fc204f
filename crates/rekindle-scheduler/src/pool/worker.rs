//! What a worker does all day.
//!
//! Where it takes its next task from, and why in this order:
//!
//! 1. The next-task slot: what the last turn woke. It is in the cache, and of two tasks that talk
//!    to each other one always waits for the other. At most 8 turns in a row, on one budget.
//! 2. Every 64th turn the common queue, lest a busy worker never look there.
//! 3. Its own queue, oldest first. New tasks and those that used up their budget are at its end.
//! 4. The common queue.
//! 5. Other workers' queues, if they are long or old, or behind one long turn.
//!
//! A task that calls another one, which was idle, is *held*: the one called has its turn at once,
//! and if it answers the caller goes on right after it, as if the call had been a function's. The
//! caller's word is not touched meanwhile, so this saves putting it to rest and waking it up. If
//! there is no answer the caller is put to rest then. At most one task is held; the monitor takes
//! it, like the slot, if the other one is stuck.
//!
//! What it does between turns costs one decrement. Every 64 turns it *looks*: reads the clock, fires
//! its timers, offers old work to sleepers; sooner if turns are not short, after every turn if they
//! are long, and after this one if the monitor asks.
//!
//! State by who may touch it: [`Worker`] is the thread's own. [`Context`] is what others see.
//!
//! Invariants
//! 1. Only the thread whose worker it is touches a `Worker`; it is reached through the thread's
//!    own context (`crate::context`).
//! 2. A header's address goes into the slot, or is held, by `Runnable::into_raw` and comes out once
//!    (invariant 4 of [`super::handover`]), so turning it back makes the one `Runnable`.
//! 3. A worker that has lost its seat leaves nothing in its slot and queue.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hint;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::handover::{Handover, Put, Tenure};
use super::idle::Look;
use super::run_queue::{FarEnd, RunQueue};
use super::{Pool, pool_of};
use crate::budget;
use crate::collision;
use crate::context::Local;
use crate::core::{CoreRef, Stage};
use crate::metrics::{Counter, Metrics};
use crate::random::SplitMix64;
use crate::task::{Header, Ran, Runnable, TaskId};
use crate::time::Time;
use crate::timers::Order;

/// Turns in a row out of the slot. tokio has 3, Go one time slice.
const SLOT_TURNS: u32 = 8;
/// Turns between two looks. A look costs some 100 ns, so 2 ns a short turn.
const SHORT_TURNS_PER_LOOK: u32 = 64;
const TURNS_PER_LOOK: u32 = 16;
/// A turn shorter than this is short, and one longer than that is worth a look of its own.
const SHORT_TURN: Duration = Duration::from_nanos(300);
const LONG_TURN: Duration = Duration::from_micros(2);
/// Looks between two visits to the common queue, unless turns are short: then each look is one.
const LOOKS_PER_VISIT: u32 = 4;
/// Work that waited longer than this is offered to thieves: about what waking one costs.
const OLD: Duration = Duration::from_micros(20);
/// A queue longer than this is offered, however fresh.
const LONG: usize = 64;
/// What taking a fresh task over from another worker costs: a task that lives for one turn, and a
/// shorter one than this, is done sooner where it is. (Measured: at 400 ns two workers are even.)
const TAKEOVER: Duration = Duration::from_nanos(400);
/// How often a worker that never rests offers its work whatever it is, and for how long: long
/// enough for a sleeper to wake up and come.
const BALANCE_EVERY: Duration = Duration::from_millis(1);
const BALANCE_FOR: Duration = Duration::from_micros(100);
/// How long a searcher spins: about what being woken would cost.
const SPIN: Duration = Duration::from_micros(30);
/// After so many searches in vain a worker spins no more, until a search succeeds.
const FRUITLESS: u32 = 8;

/// A timer that is later than this may be fired by any worker.
const LATE: Duration = Duration::from_millis(1);

/// In `doing`: nothing that has an id.
const TIMERS: u64 = u64::MAX;

/// What others see of a thread of the pool.
#[repr(align(128))]
pub(crate) struct Context {
    /// The slot and the turn number.
    pub(super) handover: Handover<Header>,
    /// Whom the present turn polls: both halves of the id.
    doing: AtomicU64,
    /// Whether thieves are welcome.
    pub(super) offered: AtomicBool,
    /// The far end of the queue.
    pub(super) queue: FarEnd,
    spawned: Counter,
    finished: Counter,
    steals: Counter,
    sleeps: Counter,
}

/// A worker in a turn: the context, the turn's number, and when it was first seen.
type Sighting = (usize, u64, Time);

/// Why a worker came back.
pub(super) enum End {
    /// The runtime stops.
    Stopped,
    /// The monitor has given the seat to another thread.
    SeatLost,
}

/// A worker: what only its thread touches.
pub(crate) struct Worker {
    local: Local,
    index: usize,
    context: Arc<Context>,
    queue: RunQueue,
    seat: Cell<u32>,
    /// Whether a task is being polled.
    in_turn: Cell<bool>,
    /// Whether the seat is known to be another thread's.
    lost: Cell<bool>,
    /// Turns out of the slot since the last other one.
    slot_turns: Cell<u32>,
    /// The running task, if it has just sent what lies in the slot a request.
    caller: Cell<*const Header>,
    /// The task that is held.
    held: Cell<*const Header>,
    /// Whether that was woken, by someone who left a counted reference on it with us.
    answered: Cell<bool>,
    /// Turns until the next look, and how many there were between the last two.
    until_look: Cell<u32>,
    pace: Cell<u32>,
    looks: Cell<u32>,
    /// When the last look was, and how many tasks had come to their end here by then.
    looked: Cell<Time>,
    finished: Cell<u64>,
    /// Looks since the turns before one were last not worth a takeover.
    worthwhile: Cell<u32>,
    /// When a worker that never rests offers its work for once, whatever it is, and until when.
    balance_at: Cell<Time>,
    balance_until: Cell<Time>,
    /// Whether it has been out of work since the last look.
    rested: Cell<bool>,
    /// How many entries ever came into the queue.
    queued: Cell<u64>,
    /// An earlier moment, and what `queued` was then: whatever is left from before is that old.
    mark: Cell<(Time, u64)>,
    /// Searches in vain since the last that succeeded.
    fruitless: Cell<u32>,
    random: RefCell<SplitMix64>,
    /// By seat, the turn in which its worker was seen last, and when first.
    seen: RefCell<Vec<Sighting>>,
}

impl Context {
    pub(super) fn new(queue: FarEnd) -> Context {
        Context {
            handover: Handover::new(),
            doing: AtomicU64::new(TIMERS),
            offered: AtomicBool::new(false),
            queue,
            spawned: Counter::default(),
            finished: Counter::default(),
            steals: Counter::default(),
            sleeps: Counter::default(),
        }
    }

    /// Who is polled, near this call; `None` for timers.
    pub(super) fn doing(&self) -> Option<TaskId> {
        match self.doing.load(Ordering::Relaxed) {
            TIMERS => None,
            id => Some(TaskId::from_parts(id as u32, (id >> 32) as u32)),
        }
    }

    pub(super) fn add_to(&self, metrics: &mut Metrics) {
        metrics.spawned += self.spawned.get();
        metrics.finished += self.finished.get();
        metrics.polls += self.handover.turns().div_ceil(2);
        metrics.steals += self.steals.get();
        metrics.sleeps += self.sleeps.get();
    }
}

impl Worker {
    pub(super) fn new(
        core: CoreRef,
        index: usize,
        context: Arc<Context>,
        queue: RunQueue,
    ) -> Worker {
        let now = core.clock.now();
        Worker {
            index,
            context,
            queue,
            seat: Cell::new(0),
            in_turn: Cell::new(false),
            lost: Cell::new(true),
            slot_turns: Cell::new(0),
            caller: Cell::new(ptr::null()),
            held: Cell::new(ptr::null()),
            answered: Cell::new(false),
            until_look: Cell::new(0),
            pace: Cell::new(TURNS_PER_LOOK),
            looks: Cell::new(0),
            looked: Cell::new(now),
            finished: Cell::new(0),
            worthwhile: Cell::new(0),
            balance_at: Cell::new(now),
            balance_until: Cell::new(now),
            rested: Cell::new(true),
            queued: Cell::new(0),
            mark: Cell::new((now, 0)),
            fruitless: Cell::new(0),
            random: RefCell::new(core.random.fork()),
            seen: RefCell::new(vec![(usize::MAX, 0, now); pool_of(&core).workers()]),
            local: Local::new(core),
        }
    }

    pub(super) fn into_parts(self) -> (Arc<Context>, RunQueue) {
        (self.context, self.queue)
    }

    #[inline]
    pub(crate) fn local(&self) -> &Local {
        &self.local
    }

    #[inline]
    fn core(&self) -> &CoreRef {
        self.local.core()
    }

    #[inline]
    fn pool(&self) -> &Pool {
        pool_of(self.core())
    }

    /// The seat this thread minds, or minded last.
    pub(crate) fn seat(&self) -> u32 {
        self.seat.get()
    }

    /// Whether the seat is still this thread's, after it has put something on the seat's wheel.
    pub(crate) fn has_seat(&self) -> bool {
        !self.lost.get() && self.context.handover.still_kept()
    }

    /// Runs tasks until the runtime stops or the seat is lost.
    pub(super) fn mind(&self, seat: u32) -> End {
        self.context.handover.rearm();
        self.seat.set(seat);
        self.lost.set(false);
        self.until_look.set(0);
        self.pool().monitor.rouse();
        let end = self.work();
        self.leave();
        end
    }

    fn work(&self) -> End {
        loop {
            let mut first = None;
            if self.until_look.get() == 0 {
                if self.core().stage() != Stage::Running {
                    return End::Stopped;
                }
                first = self.look();
                if self.lost.get() {
                    first
                        .into_iter()
                        .for_each(|runnable| self.give_away(runnable));
                    return End::SeatLost;
                }
            }
            match first.or_else(|| self.next()).or_else(|| self.rest()) {
                Some(runnable) => self.turn(runnable),
                None => self.until_look.set(0),
            }
            if self.lost.get() {
                return End::SeatLost;
            }
        }
    }

    /// Gives one task a turn, and to those that it calls.
    #[inline]
    fn turn(&self, runnable: Runnable) {
        let mut caller = self.turn_of_one(runnable);
        while let Some(waits) = caller {
            caller = self.turn_of_callee(waits);
        }
    }

    /// The caller waits for the task in the slot: gives that a turn, and to the caller another one
    /// if it has its answer then. Gives the caller back if that has called again.
    #[inline]
    fn turn_of_callee(&self, caller: Runnable) -> Option<Runnable> {
        if self.lost.get() || self.until_look.get() == 0 || !self.may_go_on() {
            return self.put_to_rest(caller);
        }
        let Some(callee) = NonNull::new(self.context.handover.take()) else {
            return self.put_to_rest(caller);
        };
        let header = caller.into_raw();
        self.context.handover.hold(header.as_ptr());
        self.held.set(header.as_ptr());
        // SAFETY: by invariant 2.
        let deeper = self.turn_of_one(unsafe { Runnable::from_raw(callee) });
        debug_assert!(deeper.is_none(), "nobody else is held meanwhile");
        self.held.set(ptr::null());
        let answered = self.answered.replace(false);
        if self.lost.get() {
            // The monitor has taken the caller: it is polled elsewhere by now, and sees the answer.
            if answered {
                // SAFETY: whoever woke it left us the reference.
                unsafe { Header::release(header) };
            }
            return None;
        }
        let taken = self.context.handover.take_held();
        debug_assert_eq!(taken, header.as_ptr());
        // SAFETY: by invariant 2.
        let caller = unsafe { Runnable::from_raw(header) };
        if answered {
            // SAFETY: as above.
            unsafe { caller.keep_reference() };
        } else if !caller.has_news() {
            return self.put_to_rest(caller);
        }
        self.turn_of_one(caller)
    }

    /// Whether one more task may go ahead of those in the queue.
    #[inline]
    fn may_go_on(&self) -> bool {
        if self.slot_turns.get() < SLOT_TURNS {
            self.slot_turns.set(self.slot_turns.get() + 1);
            return true;
        }
        if !self.queue.is_empty() {
            return false;
        }
        // There is nobody who would have to wait for it.
        self.slot_turns.set(0);
        budget::reset(true);
        true
    }

    fn put_to_rest(&self, caller: Runnable) -> Option<Runnable> {
        if let Some(again) = caller.rest() {
            self.queue(again);
        }
        None
    }

    /// Takes note that the held task has its answer, if it is the one that `task` is; the caller's
    /// counted reference is then ours.
    #[inline]
    pub(crate) fn wakes_held(&self, task: *const Header) -> bool {
        if self.held.get() != task || self.answered.replace(true) {
            return false;
        }
        // Either we see that the monitor takes the task, or whoever polls it then sees the answer.
        if self.context.handover.may_be_lost() {
            self.answered.set(false);
            return false;
        }
        true
    }

    /// Whether the task that ends its turn waits for the one in the slot.
    #[inline]
    pub(crate) fn holds(&self, task: *const Header) -> bool {
        self.caller.get() == task
    }

    /// One turn of one task. Gives it back if it is to be held.
    #[inline]
    fn turn_of_one(&self, runnable: Runnable) -> Option<Runnable> {
        let id = runnable.id();
        let doing = u64::from(id.generation()) << 32 | u64::from(id.index());
        // Relaxed: `begin_turn` releases it.
        self.context.doing.store(doing, Ordering::Relaxed);
        self.context.handover.begin_turn();
        self.in_turn.set(true);
        budget::begin_turn();
        collision::begin_turn();
        let ran = runnable.run();
        self.in_turn.set(false);
        let tenure = self.context.handover.end_turn();
        self.until_look.set(self.until_look.get().saturating_sub(1));
        match tenure {
            Tenure::Kept => {}
            Tenure::Look => self.until_look.set(0),
            Tenure::Lost => self.lost.set(true),
        }
        self.caller.set(ptr::null());
        match ran {
            Ran::Idle => {}
            Ran::Holds(runnable) => return Some(runnable),
            Ran::Again(runnable) => self.queue(runnable),
            Ran::Finished => self.context.finished.add(1),
        }
        None
    }

    /// The next task of this worker's own.
    #[inline]
    fn next(&self) -> Option<Runnable> {
        if let Some(header) = NonNull::new(self.context.handover.take()) {
            // SAFETY: by invariant 2 this address is the one `Runnable` that was put in.
            let runnable = unsafe { Runnable::from_raw(header) };
            if self.may_go_on() {
                return Some(runnable);
            }
            self.queue(runnable);
        }
        self.slot_turns.set(0);
        budget::reset(true);
        // Who lives for one turn was made just now, and is in the cache.
        if self.worthwhile.get() > 0 {
            self.queue.fetch_ahead();
        }
        self.queue.pop()
    }

    /// Queues a task that was woken here.
    #[inline]
    pub(crate) fn schedule(&self, runnable: Runnable) {
        if !self.in_turn.get() || self.lost.get() {
            // Woken by a timer: there is no turn whose neighbour it could be.
            return self.queue(runnable);
        }
        self.caller.set(ptr::null());
        match self.context.handover.put(runnable.into_raw().as_ptr()) {
            Put::There { displaced } => {
                if let Some(header) = NonNull::new(displaced) {
                    // SAFETY: by invariant 2, as in `next`.
                    self.queue(unsafe { Runnable::from_raw(header) });
                }
            }
            Put::Lost { leftovers } => self.lose_with(leftovers),
        }
    }

    /// The monitor has taken the seat while something was put into the slot.
    #[cold]
    fn lose_with(&self, leftovers: [*mut Header; 2]) {
        for header in leftovers.into_iter().filter_map(NonNull::new) {
            // SAFETY: by invariant 2, as in `next`.
            self.give_away(unsafe { Runnable::from_raw(header) });
        }
        self.lose();
    }

    /// Queues a task to which the running one has sent a request, of which it awaits the answer.
    #[inline]
    pub(crate) fn schedule_callee(&self, runnable: Runnable, caller: Option<NonNull<Header>>) {
        self.schedule(runnable);
        if let Some(caller) = caller
            && self.held.get().is_null()
        {
            self.caller.set(caller.as_ptr());
        }
    }

    /// Queues a task that was made here.
    #[inline]
    pub(crate) fn schedule_spawned(&self, runnable: Runnable) {
        self.context.spawned.add(1);
        self.queue(runnable);
    }

    /// Appends to the own queue, or to the common one if the seat is lost.
    #[inline]
    fn queue(&self, runnable: Runnable) {
        if self.lost.get() {
            return self.give_away(runnable);
        }
        self.queue.push(runnable);
        self.queued.set(self.queued.get() + 1);
        if !self.context.handover.still_kept() {
            self.lose();
        }
    }

    #[cold]
    fn give_away(&self, runnable: Runnable) {
        self.pool().inject.push(runnable);
        self.pool().idle.posted();
    }

    /// Invariant 3, for the queue: the monitor may have emptied it before our last push.
    #[cold]
    fn lose(&self) {
        self.lost.set(true);
        while let Some(runnable) = self.queue.pop() {
            self.give_away(runnable);
        }
    }

    /// Leaves the seat with empty hands, because it is lost or because the runtime stops.
    fn leave(&self) {
        self.lose();
        if let Some(header) = NonNull::new(self.context.handover.take()) {
            // SAFETY: by invariant 2. If the seat is lost the slot is empty: then the monitor has
            // swapped it, and so has whichever `put` came after.
            self.give_away(unsafe { Runnable::from_raw(header) });
        }
        self.context.offered.store(false, Ordering::Relaxed);
        self.local.return_slots();
    }

    // What follows happens between turns, and seldom.

    /// Reads the clock and does what is due. Returns a task from the common queue now and then.
    #[inline(never)]
    fn look(&self) -> Option<Runnable> {
        let now = self.core().clock.now();
        self.set_pace(now);
        self.fire_timers(now);
        self.offer(now);
        self.looks.set(self.looks.get().wrapping_add(1));
        let visits = self.looks.get().is_multiple_of(LOOKS_PER_VISIT)
            || self.pace.get() == SHORT_TURNS_PER_LOOK;
        if self.lost.get() || !visits {
            return None;
        }
        let injected = self.take_injected()?;
        self.slot_turns.set(0);
        budget::reset(true);
        Some(injected)
    }

    /// Looks more often when turns are long, and notes what kind of turns there were.
    fn set_pace(&self, now: Time) {
        let since = now.saturating_since(self.looked.replace(now));
        let turns = self.pace.get();
        let finished = self.context.finished.get();
        let ends = finished - self.finished.replace(finished);
        let ephemeral = 2 * ends > u64::from(turns) && since < TAKEOVER * turns;
        self.worthwhile.set(if ephemeral {
            0
        } else {
            self.worthwhile.get().saturating_add(1)
        });
        let pace = if since > LONG_TURN * turns {
            1
        } else if since > SHORT_TURN * turns {
            TURNS_PER_LOOK
        } else {
            SHORT_TURNS_PER_LOOK
        };
        self.pace.set(pace);
        self.until_look.set(pace);
    }

    fn fire_timers(&self, now: Time) {
        let seat = self.seat.get();
        if now >= self.core().timers.next(seat) {
            self.fire_timers_of(seat, now);
        }
    }

    /// Fires what is due, as a turn: a function among the actions may block like any task.
    #[cold]
    fn fire_timers_of(&self, seat: u32, now: Time) {
        self.context.doing.store(TIMERS, Ordering::Relaxed);
        self.context.handover.begin_turn();
        collision::begin_turn();
        self.core().timers.fire(seat, now, Order::WakesFirst);
        if self.context.handover.end_turn() == Tenure::Lost {
            self.lose();
        }
    }

    /// Wakes a thief if work here is old, or much, and worth its while.
    fn offer(&self, now: Time) {
        let waiting = self.queue.len();
        let gone = self.queued.get().saturating_sub(waiting as u64);
        let (since, mark) = self.mark.get();
        let from_before = gone < mark;
        if !from_before {
            self.mark.set((now, self.queued.get()));
        }
        let old = from_before && now.saturating_since(since) > OLD;
        // Once is no habit: it may have been the one long turn that made all the short ones.
        let worthwhile = (old || waiting > LONG) && self.worthwhile.get() > 1;
        let offered = waiting > 0 && (worthwhile || self.is_balancing(now));
        if self.context.offered.load(Ordering::Relaxed) != offered {
            self.context.offered.store(offered, Ordering::Relaxed);
        }
        if offered && self.pool().idle.wants_searcher() {
            self.pool().idle.wake_searcher();
        }
    }

    /// Whether it is time to share work that by itself is not worth it. Two tasks that are never
    /// out of work keep one worker busy for ever, and neither of them ever waits for long; only
    /// trying shows that there is work for two.
    fn is_balancing(&self, now: Time) -> bool {
        if self.rested.replace(false) {
            self.balance_at.set(now + BALANCE_EVERY);
        } else if now >= self.balance_at.get() {
            self.balance_at.set(now + BALANCE_EVERY);
            self.balance_until.set(now + BALANCE_FOR);
        }
        now < self.balance_until.get()
    }

    fn take_injected(&self) -> Option<Runnable> {
        let pool = self.pool();
        self.counting_what_comes(|| self.queue.pop_share(&pool.inject, pool.workers()))
    }

    /// Keeps `queued` right when something else than `queue` fills the queue.
    fn counting_what_comes<R>(&self, fill: impl FnOnce() -> R) -> R {
        let before = self.queue.len();
        let result = fill();
        // Thieves may take meanwhile; then the count is low, and an old entry looks younger.
        let came = self.queue.len().saturating_sub(before) as u64;
        self.queued.set(self.queued.get() + came);
        result
    }

    /// Out of work: the common queue, other workers, sleep. `None` means: look, then try again.
    #[cold]
    fn rest(&self) -> Option<Runnable> {
        if let Some(runnable) = self.take_injected() {
            return Some(runnable);
        }
        let idle = &self.pool().idle;
        self.rested.set(true);
        if self.context.offered.load(Ordering::Relaxed) {
            self.context.offered.store(false, Ordering::Relaxed);
        }
        let mut searching = idle.begin_search();
        loop {
            if searching {
                match self.search() {
                    Searched::Nothing => {}
                    Searched::Task(runnable) => {
                        idle.found(|| self.is_there_more());
                        return Some(runnable);
                    }
                    Searched::Late(seat) => {
                        // Only now, for a searcher must not run foreign code.
                        idle.found(|| self.is_there_more());
                        self.fire_timers_of(seat, self.core().clock.now());
                        return None;
                    }
                    Searched::Other => {
                        idle.found(|| self.is_there_more());
                        return None;
                    }
                }
            }
            self.context.sleeps.add(1);
            idle.sleep(self.seat.get(), searching, || self.last_look());
            searching = true;
            self.pool().monitor.rouse();
        }
    }

    /// Whether a searcher that becomes busy leaves work for another.
    fn is_there_more(&self) -> bool {
        !self.pool().inject.is_empty() || self.queue.len() > LONG
    }

    /// Looks everywhere, at least twice, a few microseconds apart.
    fn search(&self) -> Searched {
        let core = self.core();
        let pool = self.pool();
        let begun = core.clock.now();
        let spins = self.fruitless.get() < FRUITLESS;
        let mut now = begun;
        for round in 0.. {
            if core.stage() != Stage::Running || now >= core.timers.next(self.seat.get()) {
                return Searched::Other;
            }
            if let Some(runnable) = self.take_injected().or_else(|| self.steal(now)) {
                self.fruitless.set(0);
                return Searched::Task(runnable);
            }
            if let Some(seat) = self.late_seat(now) {
                return Searched::Late(seat);
            }
            if round > 0 && !(spins && now.saturating_since(begun) < SPIN) {
                break;
            }
            pause_unless(|| !pool.inject.is_empty());
            now = core.clock.now();
        }
        self.fruitless.set(self.fruitless.get().saturating_add(1));
        Searched::Nothing
    }

    /// Takes from another worker that offers its work, or that is busy with one long turn.
    fn steal(&self, now: Time) -> Option<Runnable> {
        let pool = self.pool();
        let seats = pool.workers();
        if seats == 1 {
            return None;
        }
        let start = self.random.borrow_mut().below(seats);
        let mut seen = self.seen.borrow_mut();
        (0..seats)
            .map(|offset| (start + offset) % seats)
            .find_map(|seat| {
                let (index, victim) = pool.context(seat);
                if index == self.index {
                    return None;
                }
                let turns = victim.handover.turns();
                let (known_index, known_turns, since) = seen[seat];
                let same_turn = (known_index, known_turns) == (index, turns);
                if !same_turn {
                    seen[seat] = (index, turns, now);
                }
                let in_long_turn = same_turn && turns % 2 == 1 && now.saturating_since(since) > OLD;
                let welcome = in_long_turn || victim.offered.load(Ordering::Relaxed);
                if !welcome || victim.queue.is_empty() {
                    return None;
                }
                let loot = self.counting_what_comes(|| self.queue.steal_from(&victim.queue))?;
                self.context.steals.add(1);
                Some(loot)
            })
    }

    /// A seat whose timers are a whole tick late, because its worker is busy with a long turn.
    fn late_seat(&self, now: Time) -> Option<u32> {
        let timers = &self.core().timers;
        (0..timers.seats() as u32).find(|seat| now.saturating_since(timers.next(*seat)) > LATE)
    }

    /// The sleeper's last look: everything a poster may have relied on us to see.
    fn last_look(&self) -> Look {
        let core = self.core();
        let pool = self.pool();
        let is_offered = |seat| {
            let (index, victim) = pool.context(seat);
            index != self.index
                && victim.offered.load(Ordering::Relaxed)
                && !victim.queue.is_empty()
        };
        if core.stage() != Stage::Running
            || !pool.inject.is_empty()
            || (0..pool.workers()).any(is_offered)
        {
            return Look::Work;
        }
        match core.timers.next(self.seat.get()) {
            Time::MAX => Look::Nothing(None),
            next => match next.saturating_since(core.clock.now()) {
                Duration::ZERO => Look::Work,
                limit => Look::Nothing(Some(limit)),
            },
        }
    }
}

/// What a search brought.
enum Searched {
    Task(Runnable),
    /// Timers of this seat that its own worker does not get to.
    Late(u32),
    /// Nothing to run, but a reason to look.
    Other,
    Nothing,
}

/// Some 2 us of doing nothing, or less.
fn pause_unless(mut early: impl FnMut() -> bool) {
    for _ in 0..8 {
        if early() {
            return;
        }
        for _ in 0..8 {
            hint::spin_loop();
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}
