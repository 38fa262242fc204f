//! The simulator: everything on one thread, in an order that follows from a seed.
//!
//! A test of a concurrent program that fails once in a thousand runs is worth little: it cannot
//! be looked at again. Here the same cells, table, wheels and clock run without a second thread.
//! Whenever several things could happen next, a generator picks one; when nothing can happen, time
//! jumps to the next timer. The same seed makes the same choices, so a failure can be repeated as
//! often as one likes, and a thousand seeds are a thousand interleavings.
//!
//! | word   | meaning                                                                            |
//! |--------|------------------------------------------------------------------------------------|
//! | entry  | something that can happen next: a turn of a task, a blocking call, a poll of the    |
//! |        | future given to `block_on`                                                         |
//! | step   | one entry, or one jump of the clock with the timers that fire then                  |
//! | trace  | the sequence of steps: what was picked, and when                                   |
//!
//! Guarantee: one seed and one program make one trace, as long as the program itself is
//! deterministic: no other thread, no clock and no random source but the runtime's, no iteration
//! over a `HashMap` with a random state, no addresses compared.
//!
//! What other threads do to a simulated runtime (wake a task, spawn one) works, but comes when it
//! comes: it is outside the guarantee. `block_on` does not wait for it.
//!
//! Time stands still during a step, and as long as anything can run. A task that yields in a loop
//! until some time has come therefore waits for ever; it must sleep.
//!
//! Invariants
//! 1. One thread at a time drives a simulation, and not from inside one of its own steps.
//! 2. An entry is taken out of the list before it is carried out, with the lock released.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use crate::blocking::Job;
use crate::budget;
use crate::context::{self, Local};
use crate::core::{CoreRef, guarded};
use crate::metrics::Metrics;
use crate::random::SplitMix64;
use crate::task::{Ran, Runnable};
use crate::time::Time;
use crate::timers::Order;

/// How many waiting tasks the text about a standstill names.
const NAMED: usize = 20;

/// Stands in the trace for what has no id.
const MAIN: u64 = u64::MAX;
const JOB: u64 = u64::MAX - 1;
const CLOCK: u64 = u64::MAX - 2;

/// Something that can happen next.
enum Entry {
    Task(Runnable),
    Job(Job),
    Main(Arc<Main>),
}

/// The simulated counterpart of the pool.
pub(crate) struct Sim {
    state: Mutex<State>,
    /// Whether a thread drives (invariant 1).
    driven: AtomicBool,
}

struct State {
    runnable: Vec<Entry>,
    random: SplitMix64,
    steps: u64,
    trace: u64,
    polls: u64,
}

/// What a step did.
enum Step {
    /// An entry was carried out, or the clock was moved.
    Done,
    /// The future given to `block_on` is to be polled.
    Main(Arc<Main>),
    /// Nothing can happen.
    Nothing,
}

/// How far a step may move the clock.
#[derive(Clone, Copy)]
enum Until {
    /// Not at all.
    Now,
    /// To a timer that is due by then.
    Time(Time),
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Sim {
        Sim {
            state: Mutex::new(State {
                runnable: Vec::new(),
                // Not the stream that the program draws from, or each draw would change the order.
                random: SplitMix64::new(seed ^ 0x5157_u64.rotate_left(32)),
                steps: 0,
                trace: 0xcbf2_9ce4_8422_2325,
                polls: 0,
            }),
            driven: AtomicBool::new(false),
        }
    }

    /// Makes a task one of the things that can happen next.
    pub(crate) fn push(&self, runnable: Runnable) {
        self.add(Entry::Task(runnable));
    }

    /// Makes a blocking call one of them.
    pub(crate) fn push_job(&self, job: Job) {
        self.add(Entry::Job(job));
    }

    fn add(&self, entry: Entry) {
        self.state.lock().runnable.push(entry);
    }

    /// A task that waits for its turn, for cancelling. Calls that were not begun are dropped.
    pub(crate) fn take_queued(&self) -> Option<Runnable> {
        loop {
            let entry = self.state.lock().runnable.pop()?;
            match entry {
                Entry::Task(runnable) => return Some(runnable),
                Entry::Job(job) => guarded("a blocking call, on being dropped,", || drop(job)),
                Entry::Main(_) => {}
            }
        }
    }

    pub(crate) fn add_to(&self, metrics: &mut Metrics) {
        let state = self.state.lock();
        metrics.workers = 1;
        metrics.polls = state.polls;
        metrics.injected = state.runnable.len();
    }

    /// Picks what happens next and takes it out.
    fn pick(&self, now: Time) -> Option<Entry> {
        let mut state = self.state.lock();
        let candidates = state.runnable.len();
        if candidates == 0 {
            return None;
        }
        let choice = state.random.below(candidates);
        let entry = state.runnable.swap_remove(choice);
        let who = match &entry {
            Entry::Task(runnable) => u64::from(runnable.id().index()),
            Entry::Job(_) => JOB,
            Entry::Main(_) => MAIN,
        };
        state.note(who, now);
        state.polls += u64::from(matches!(entry, Entry::Task(_)));
        Some(entry)
    }
}

impl State {
    /// Counts a step and folds it into the trace.
    fn note(&mut self, who: u64, now: Time) {
        self.steps += 1;
        for part in [self.steps, who, now.as_nanos()] {
            self.trace = (self.trace ^ part)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(23);
        }
    }
}

/// A thread that drives a simulation.
struct Driver<'a> {
    core: &'a CoreRef,
    sim: &'a Sim,
}

impl<'a> Driver<'a> {
    /// Calls `f` with the thread set up to drive.
    ///
    /// # Panics
    ///
    /// If another thread drives, or this one does already.
    fn drive<R>(core: &'a CoreRef, sim: &'a Sim, f: impl FnOnce(&Driver<'a>) -> R) -> R {
        assert!(
            !sim.driven.swap(true, Ordering::Acquire),
            "a simulated runtime is driven by one thread at a time, and not from inside its tasks"
        );
        let _released = Released(sim);
        let local = Local::new(core.clone());
        let _own = context::own(&local);
        f(&Driver { core, sim })
    }

    fn step(&self, until: Until) -> Step {
        let now = self.core.clock.now();
        if self.core.timers.next(0) <= now {
            self.core.timers.fire(0, now, Order::Strict);
        }
        match self.sim.pick(now) {
            Some(Entry::Task(runnable)) => {
                self.turn(runnable);
                Step::Done
            }
            Some(Entry::Job(job)) => {
                guarded("a blocking call's destructor or waker", job);
                Step::Done
            }
            Some(Entry::Main(main)) => Step::Main(main),
            None => self.jump(until),
        }
    }

    fn turn(&self, runnable: Runnable) {
        budget::reset(false);
        match runnable.run() {
            Ran::Idle => {}
            Ran::Holds(_) => unreachable!("there is no worker"),
            Ran::Again(runnable) => self.sim.push(runnable),
            Ran::Finished => self.core.note_finished(),
        }
    }

    /// Moves the clock to the next timer that fires, and fires what is due then.
    fn jump(&self, until: Until) -> Step {
        let Until::Time(limit) = until else {
            return Step::Nothing;
        };
        loop {
            let next = self.core.timers.next(0);
            if next == Time::MAX || next > limit {
                return Step::Nothing;
            }
            self.core.clock.advance_to(next);
            // A wheel may ask to be looked at before anything is due.
            if self.core.timers.fire(0, next, Order::Strict) > 0 {
                self.sim.state.lock().note(CLOCK, next);
                return Step::Done;
            }
        }
    }

    /// Steps until the future is ready.
    fn complete<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let main = Arc::new(Main {
            core: self.core.clone(),
            queued: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&main));
        let mut context = Context::from_waker(&waker);
        waker.wake_by_ref();
        loop {
            match self.step(Until::Time(Time::MAX)) {
                Step::Done => {}
                Step::Main(woken) if Arc::ptr_eq(&woken, &main) => {
                    main.queued.store(false, Ordering::Release);
                    budget::reset(false);
                    if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                        return output;
                    }
                }
                // Left behind by an earlier `block_on`.
                Step::Main(_) => {}
                Step::Nothing => self.stand_still(),
            }
        }
    }

    /// # Panics
    ///
    /// Always.
    fn stand_still(&self) -> ! {
        let mut waiting = Vec::new();
        let mut others = 0;
        self.core.for_each_task(|task| {
            if waiting.len() < NAMED {
                waiting.push(format!(
                    "\n  {:?} {}",
                    task.view().id(),
                    task.view().describe()
                ));
            } else {
                others += 1;
            }
            true
        });
        let list = match (waiting.is_empty(), others) {
            (true, _) => " No task is left.".to_owned(),
            (false, 0) => format!(" These tasks wait:{}", waiting.concat()),
            (false, others) => {
                format!(
                    " These tasks wait, and {others} others:{}",
                    waiting.concat()
                )
            }
        };
        panic!(
            "the simulation stands still: the future given to `block_on` waits, no task can run \
             and no timer is set, so nothing will ever happen.{list}"
        );
    }
}

/// Ends a drive, also when a panic does.
struct Released<'a>(&'a Sim);

impl Drop for Released<'_> {
    fn drop(&mut self) {
        self.0.driven.store(false, Ordering::Release);
    }
}

/// The waker of the future given to `block_on`.
struct Main {
    core: CoreRef,
    /// Whether it is among the things that can happen next.
    queued: AtomicBool,
}

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel: publishes the waker's work to the poll that clears the flag.
        if !self.queued.swap(true, Ordering::AcqRel)
            && let Some(sim) = self.core.sim()
        {
            sim.add(Entry::Main(Arc::clone(self)));
        }
    }
}

/// Drives a simulation until the future is ready.
pub(crate) fn block_on<F: Future>(core: &CoreRef, sim: &Sim, future: F) -> F::Output {
    Driver::drive(core, sim, |driver| driver.complete(future))
}

/// A simulated runtime, to be moved by hand.
///
/// Made by [`Runtime::simulation`](crate::Runtime::simulation). `Runtime::block_on` drives the
/// simulation by itself; this is for tests that look in between.
#[derive(Clone, Copy)]
pub struct Simulation<'a> {
    core: &'a CoreRef,
    sim: &'a Sim,
}

impl<'a> Simulation<'a> {
    pub(crate) fn of(core: &'a CoreRef) -> Option<Simulation<'a>> {
        core.sim().map(|sim| Simulation { core, sim })
    }

    /// Carries out one thing that can happen; if there is none, moves the clock to the next timer.
    /// `false` if nothing can ever happen again by itself.
    ///
    /// # Panics
    ///
    /// If the simulation is being driven, by another thread or further up the stack. So do the
    /// other methods that move it.
    #[allow(clippy::must_use_candidate)]
    pub fn step(&self) -> bool {
        Driver::drive(self.core, self.sim, |driver| {
            !matches!(driver.step(Until::Time(Time::MAX)), Step::Nothing)
        })
    }

    /// Carries out all that can happen without the clock moving. Returns the number of steps.
    ///
    /// # Panics
    ///
    /// As [`step`](Simulation::step).
    #[allow(clippy::must_use_candidate)]
    pub fn run_until_idle(&self) -> u64 {
        Driver::drive(self.core, self.sim, |driver| {
            let before = self.steps();
            while !matches!(driver.step(Until::Now), Step::Nothing) {}
            self.steps() - before
        })
    }

    /// Moves the clock forward, and carries out all that can happen on the way and then.
    ///
    /// # Panics
    ///
    /// As [`step`](Simulation::step).
    pub fn advance(&self, duration: Duration) {
        Driver::drive(self.core, self.sim, |driver| {
            let target = self.now().saturating_add(duration);
            while !matches!(driver.step(Until::Time(target)), Step::Nothing) {}
            self.core.clock.advance_to(target);
            while !matches!(driver.step(Until::Now), Step::Nothing) {}
        });
    }

    /// How many steps there were since the start.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.sim.state.lock().steps
    }

    /// A number that stands for all steps since the start: who was picked, and when. Two runs with
    /// the same number took the same way.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.sim.state.lock().trace
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.core.clock.now()
    }
}

impl fmt::Debug for Simulation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("steps", &self.steps())
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}
