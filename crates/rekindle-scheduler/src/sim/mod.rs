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
//! `order` has the ways to pick ([`Exploration`]), `trace` what is kept for people to read. Tests
//! that want faults give a hook, which is asked before each turn: [`Simulation::on_turn`].
//!
//! Invariants
//! 1. One thread at a time drives a simulation, and not from inside one of its own steps.
//! 2. An entry is taken out of the list before it is carried out, with the lock released. So are
//!    hooks and wakers called.
//! 3. A task that is stalled is neither in the list nor idle; it comes back at its time, or is
//!    cancelled with those in the list.

mod order;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
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
use crate::task::{Ran, Runnable, TaskView};
use crate::time::Time;
use crate::timers::Order;

pub use order::Exploration;
use order::{Chooser, Ticket, Who};
use trace::Recorder;
pub use trace::{TraceEvent, TraceWhat};

/// How many waiting tasks the text about a standstill names.
const NAMED: usize = 20;

/// Stands in the trace for what has no id.
const MAIN: u64 = u64::MAX;
const JOB: u64 = u64::MAX - 1;
const CLOCK: u64 = u64::MAX - 2;
const SETTLED: u64 = u64::MAX - 3;

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
    /// Taken out while it is called.
    hook: Mutex<Option<TurnHook>>,
    seed: u64,
}

struct State {
    runnable: Vec<(Ticket, Entry)>,
    chooser: Chooser,
    /// Tasks that must not have their turn before a time, with a number to tell them apart.
    stalled: BTreeMap<(Time, u64), Runnable>,
    /// Those who wait until nothing can happen without the clock.
    settling: Vec<(Arc<AtomicBool>, Waker)>,
    random: SplitMix64,
    /// Numbers for tickets.
    tickets: u64,
    steps: u64,
    limit: u64,
    trace: u64,
    polls: u64,
    messages: u64,
    recorder: Option<Recorder>,
}

/// What is asked before each turn.
type TurnHook = Box<dyn FnMut(&TurnAhead<'_>) -> Fate + Send>;

/// A turn that is about to begin, as the hook of [`Simulation::on_turn`] sees it.
///
/// ```
/// use rekindle_scheduler::{Fate, Runtime, yield_now};
///
/// let runtime = Runtime::simulated(1);
/// let simulation = runtime.simulation().unwrap();
/// let (tell, told) = std::sync::mpsc::channel();
/// simulation.on_turn(move |ahead| {
///     tell.send((ahead.step, ahead.task.id())).unwrap();
///     Fate::Run
/// });
/// let task = runtime.handle().spawn(yield_now());
/// simulation.run_until_idle();
/// let turns: Vec<_> = told.try_iter().collect();
/// assert_eq!(turns.len(), 2); // until it yields, and afterwards
/// assert!(turns.iter().all(|(_, whose)| *whose == task.id()));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TurnAhead<'a> {
    /// Whose turn it is.
    pub task: TaskView<'a>,
    /// The number of the step.
    pub step: u64,
    /// The simulated time.
    pub at: Time,
    /// How many messages were sent so far: see [`Simulation::count_message`].
    pub messages: u64,
}

/// What becomes of a turn that is about to begin.
///
/// ```
/// use rekindle_scheduler::{Fate, Runtime};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// let mut slow = true;
/// runtime.simulation().unwrap().on_turn(move |_| match std::mem::take(&mut slow) {
///     true => Fate::Stall(Duration::from_secs(3)), // the first turn comes late,
///     false => Fate::Run,                          // and all others when they come
/// });
/// let task = runtime.handle().spawn(async { "done" });
/// assert_eq!(runtime.block_on(task).unwrap(), "done");
/// assert_eq!(runtime.handle().now().as_duration(), Duration::from_secs(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It begins.
    Run,
    /// It begins after this time, and whatever else can happen comes first.
    Stall(Duration),
}

/// Why a simulation did not come to its end.
///
/// ```
/// use rekindle_scheduler::{Runtime, Stuck, spawn, yield_now};
///
/// let runtime = Runtime::simulated(1);
/// let simulation = runtime.simulation().unwrap();
/// let waits = async { spawn(std::future::pending::<()>()).await };
/// match simulation.complete(waits) {
///     Err(Stuck::Standstill(who)) => assert!(who.contains("task spawned at")),
///     other => panic!("{other:?}, though nobody ever answers"),
/// }
///
/// simulation.limit_steps(1000);
/// let spins = simulation.complete(async { loop { yield_now().await } });
/// assert_eq!(spins, Err::<(), _>(Stuck::Steps(1000)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stuck {
    /// The future waits, no task can run and no timer is set: nothing will ever happen. With a text
    /// that lists who waits.
    Standstill(String),
    /// There were as many steps as [`Simulation::limit_steps`] allows.
    Steps(u64),
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stuck::Standstill(waiting) => write!(
                f,
                "the simulation stands still: the future given to `block_on` waits, no task can \
                 run and no timer is set, so nothing will ever happen.{waiting}"
            ),
            Stuck::Steps(limit) => write!(
                f,
                "the simulation has taken {limit} steps and is not at its end: a loop that waits \
                 for time by yielding waits for ever, for time stands still while anything can run"
            ),
        }
    }
}

impl std::error::Error for Stuck {}

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
    pub(crate) fn new(seed: u64, exploration: Exploration) -> Sim {
        // Not the stream that the program draws from, or each draw would change the order.
        let mut random = SplitMix64::new(seed ^ 0x5157_u64.rotate_left(32));
        Sim {
            state: Mutex::new(State {
                runnable: Vec::new(),
                chooser: Chooser::new(exploration, &mut random),
                stalled: BTreeMap::new(),
                settling: Vec::new(),
                random,
                tickets: 0,
                steps: 0,
                limit: u64::MAX,
                trace: 0xcbf2_9ce4_8422_2325,
                polls: 0,
                messages: 0,
                recorder: None,
            }),
            driven: AtomicBool::new(false),
            hook: Mutex::new(None),
            seed,
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
        self.state.lock().add(entry);
    }

    /// A task that waits for its turn, for cancelling. Calls that were not begun are dropped.
    pub(crate) fn take_queued(&self) -> Option<Runnable> {
        loop {
            let mut state = self.state.lock();
            let stalled = state.stalled.pop_first().map(|(_, task)| Entry::Task(task));
            let entry = stalled.or_else(|| Some(state.runnable.pop()?.1))?;
            drop(state);
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
        let state = &mut *state;
        while let Some(stalled) = state.stalled.first_entry()
            && stalled.key().0 <= now
        {
            let task = stalled.remove();
            state.add(Entry::Task(task));
        }
        if state.runnable.is_empty() {
            return None;
        }
        let choice = state.chooser.pick(&mut state.runnable, &mut state.random);
        let (_, entry) = state.runnable.swap_remove(choice);
        let who = match &entry {
            Entry::Task(runnable) => u64::from(runnable.id().index()),
            Entry::Job(_) => JOB,
            Entry::Main(_) => MAIN,
        };
        state.note(who, now);
        state.polls += u64::from(matches!(entry, Entry::Task(_)));
        if state.recorder.is_some() {
            let what = match &entry {
                Entry::Task(runnable) => TraceWhat::Turn {
                    task: runnable.id(),
                    who: runnable.view().describe(),
                },
                Entry::Job(_) => TraceWhat::Blocking,
                Entry::Main(_) => TraceWhat::Main,
            };
            state.record(now, what);
        }
        Some(entry)
    }

    /// Wakes those who wait for that nothing can happen; `false` if there are none.
    fn wake_settling(&self, now: Time) -> bool {
        let mut state = self.state.lock();
        let settling = std::mem::take(&mut state.settling);
        if settling.is_empty() {
            return false;
        }
        state.note(SETTLED, now);
        drop(state);
        for (settled, waker) in settling {
            settled.store(true, Ordering::Release);
            guarded("a waker", || waker.wake());
        }
        true
    }

    /// What the hook makes of a turn.
    fn ask_hook(&self, task: TaskView<'_>, now: Time) -> Fate {
        let Some(mut hook) = self.hook.lock().take() else {
            return Fate::Run;
        };
        let state = self.state.lock();
        let (step, messages) = (state.steps, state.messages);
        drop(state);
        let ahead = TurnAhead {
            task,
            step,
            at: now,
            messages,
        };
        let fate = hook(&ahead);
        // Not if it has put another in its place.
        self.hook.lock().get_or_insert(hook);
        fate
    }

    /// Says something in the trace, if there is one.
    fn say(&self, now: Time, text: impl FnOnce() -> String) {
        if self.state.lock().recorder.is_none() {
            return;
        }
        // Foreign code may make the text: not under the lock.
        let text = text();
        let task = context::running(|task| task.map(TaskView::id));
        self.state
            .lock()
            .record(now, TraceWhat::Note { task, text });
    }
}

impl State {
    fn add(&mut self, entry: Entry) {
        self.tickets += 1;
        let number = self.tickets;
        let who = match &entry {
            Entry::Task(runnable) => {
                let id = runnable.id();
                Who::Task(u64::from(id.index()) << 32 | u64::from(id.generation()))
            }
            Entry::Job(_) => Who::Job(number),
            Entry::Main(_) => Who::Main,
        };
        let priority = self.chooser.priority(who, &mut self.random);
        let ticket = Ticket {
            who,
            number,
            priority,
        };
        self.runnable.push((ticket, entry));
    }

    fn record(&mut self, at: Time, what: TraceWhat) {
        let step = self.steps;
        if let Some(recorder) = &mut self.recorder {
            recorder.add(TraceEvent { step, at, what });
        }
    }

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
                match self.sim.ask_hook(runnable.view(), now) {
                    Fate::Run => self.turn(runnable),
                    Fate::Stall(time) => self.stall(runnable, now.saturating_add(time)),
                }
                Step::Done
            }
            Some(Entry::Job(job)) => {
                guarded("a blocking call's destructor or waker", job);
                Step::Done
            }
            Some(Entry::Main(main)) => Step::Main(main),
            None if self.sim.wake_settling(now) => Step::Done,
            None => self.jump(until),
        }
    }

    fn stall(&self, runnable: Runnable, until: Time) {
        let mut state = self.sim.state.lock();
        state.tickets += 1;
        let number = state.tickets;
        state.stalled.insert((until, number), runnable);
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
            let stalled = self
                .sim
                .state
                .lock()
                .stalled
                .first_key_value()
                .map(|s| s.0.0);
            let timer = self.core.timers.next(0);
            let next = timer.min(stalled.unwrap_or(Time::MAX));
            if next > limit || (next == Time::MAX && stalled.is_none()) {
                return Step::Nothing;
            }
            self.core.clock.advance_to(next);
            // A wheel may ask to be looked at before anything is due.
            let fired = timer <= next && self.core.timers.fire(0, next, Order::Strict) > 0;
            if fired || stalled.is_some_and(|at| at <= next) {
                let mut state = self.sim.state.lock();
                state.note(CLOCK, next);
                state.record(next, TraceWhat::Clock);
                return Step::Done;
            }
        }
    }

    /// Steps until the future is ready.
    fn complete<F: Future>(&self, future: F) -> Result<F::Output, Stuck> {
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
                        return Ok(output);
                    }
                }
                // Left behind by an earlier `block_on`.
                Step::Main(_) => {}
                Step::Nothing => return Err(Stuck::Standstill(self.who_waits())),
            }
            let state = self.sim.state.lock();
            if state.steps >= state.limit {
                return Err(Stuck::Steps(state.limit));
            }
        }
    }

    /// Who waits, for people to read.
    fn who_waits(&self) -> String {
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
        match (waiting.is_empty(), others) {
            (true, _) => " No task is left.".to_owned(),
            (false, 0) => format!(" These tasks wait:{}", waiting.concat()),
            (false, others) => {
                format!(
                    " These tasks wait, and {others} others:{}",
                    waiting.concat()
                )
            }
        }
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
///
/// # Panics
///
/// If that never happens; the text lists who waits.
pub(crate) fn block_on<F: Future>(core: &CoreRef, sim: &Sim, future: F) -> F::Output {
    match Driver::drive(core, sim, |driver| driver.complete(future)) {
        Ok(output) => output,
        Err(stuck) => panic!("{stuck}"),
    }
}

/// Says something in the trace of the running simulation, if there is one that is
/// [recorded](Simulation::record); else nothing is done, and `text` is not called.
///
/// ```
/// use rekindle_scheduler::{Runtime, trace};
///
/// let runtime = Runtime::simulated(1);
/// // Nobody records, so the text is not even made.
/// runtime.block_on(async { trace(|| unreachable!()) });
///
/// let simulation = runtime.simulation().unwrap();
/// simulation.record(100);
/// runtime.block_on(async { trace(|| format!("{} in the cart", 3)) });
/// let events = simulation.trace();
/// assert!(events.iter().any(|event| event.what.to_string() == "3 in the cart"));
/// ```
pub fn trace(text: impl FnOnce() -> String) {
    context::with_core(|core| {
        let Some(core) = core else { return };
        if let Some(sim) = core.sim() {
            sim.say(core.clock.now(), text);
        }
    });
}

/// A simulated runtime, to be moved by hand.
///
/// Made by [`Runtime::simulation`](crate::Runtime::simulation). `Runtime::block_on` drives the
/// simulation by itself; this is for tests that look in between.
///
/// ```
/// use rekindle_scheduler::{Runtime, sleep};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// let nap = runtime.handle().spawn(sleep(Duration::from_secs(60)));
/// let simulation = runtime.simulation().unwrap();
/// assert_eq!(simulation.run_until_idle(), 1); // one turn: it has gone to sleep
/// simulation.advance(Duration::from_secs(59));
/// assert!(!nap.is_finished());
/// simulation.advance(Duration::from_secs(1));
/// assert!(nap.is_finished());
/// ```
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
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let nap = runtime.handle().spawn(sleep(Duration::from_secs(60)));
    /// let simulation = runtime.simulation().unwrap();
    /// assert!(simulation.step()); // the task goes to sleep
    /// assert!(simulation.step()); // the clock moves to its timer
    /// assert_eq!(simulation.now().as_duration().as_secs(), 60);
    /// assert!(simulation.step()); // the task ends
    /// assert!(!simulation.step()); // nothing can happen any more
    /// assert!(nap.is_finished());
    /// ```
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
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, yield_now};
    ///
    /// let runtime = Runtime::simulated(1);
    /// let simulation = runtime.simulation().unwrap();
    /// drop(runtime.handle().spawn(async { for _ in 0..9 { yield_now().await } }));
    /// assert_eq!(simulation.run_until_idle(), 10);
    /// assert_eq!(simulation.run_until_idle(), 0);
    /// ```
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
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let (tick, ticks) = std::sync::mpsc::channel();
    /// drop(runtime.handle().spawn(async move {
    ///     loop {
    ///         sleep(Duration::from_secs(1)).await;
    ///         tick.send(()).unwrap();
    ///     }
    /// }));
    /// runtime.simulation().unwrap().advance(Duration::from_secs(10));
    /// assert_eq!(ticks.try_iter().count(), 10);
    /// ```
    pub fn advance(&self, duration: Duration) {
        Driver::drive(self.core, self.sim, |driver| {
            let target = self.now().saturating_add(duration);
            while !matches!(driver.step(Until::Time(target)), Step::Nothing) {}
            self.core.clock.advance_to(target);
            while !matches!(driver.step(Until::Now), Step::Nothing) {}
        });
    }

    /// Carries out steps until the future is ready, with the simulated runtime as the current one:
    /// what `block_on` does, without its panic.
    ///
    /// # Errors
    ///
    /// If it never can be, or the steps are used up.
    ///
    /// # Panics
    ///
    /// As [`step`](Simulation::step).
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, Stuck};
    ///
    /// let runtime = Runtime::simulated(1);
    /// let simulation = runtime.simulation().unwrap();
    /// assert_eq!(simulation.complete(async { 6 * 7 }), Ok(42));
    /// // What `block_on` would panic about.
    /// let never = simulation.complete(std::future::pending::<()>());
    /// assert!(matches!(never, Err(Stuck::Standstill(_))));
    /// ```
    pub fn complete<F: Future>(&self, future: F) -> Result<F::Output, Stuck> {
        Driver::drive(self.core, self.sim, |driver| driver.complete(future))
    }

    /// Ends [`complete`](Self::complete) and `block_on` after this many steps, counted from the
    /// start of the simulation.
    ///
    /// ```
    /// use rekindle_scheduler::{Handle, Runtime, Stuck, Time, yield_now};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let simulation = runtime.simulation().unwrap();
    /// simulation.limit_steps(10_000);
    /// // A mistake: time stands still while anything can run. It should sleep.
    /// let waits = async {
    ///     while Handle::current().now() < Time::ZERO + Duration::from_secs(1) { yield_now().await }
    /// };
    /// assert_eq!(simulation.complete(waits), Err(Stuck::Steps(10_000)));
    /// ```
    pub fn limit_steps(&self, limit: u64) {
        self.sim.state.lock().limit = limit;
    }

    /// Waits until nothing can happen without the clock moving. Callable from inside.
    pub fn settled(&self) -> Settled {
        Settled {
            core: self.core.clone(),
            settled: None,
        }
    }

    /// Moves the clock forward at once. What was due meanwhile comes late, in its order. Callable
    /// from inside; to let things happen on the way, sleep.
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let nap = runtime.handle().spawn(sleep(Duration::from_secs(1)));
    /// let simulation = runtime.simulation().unwrap();
    /// simulation.run_until_idle();
    /// simulation.jump_clock(Duration::from_secs(3600)); // as when the lid of a laptop was closed
    /// assert!(!nap.is_finished());
    /// simulation.run_until_idle();
    /// assert!(nap.is_finished()); // an hour late
    /// ```
    pub fn jump_clock(&self, time: Duration) {
        let target = self.core.clock.now().saturating_add(time);
        self.sim
            .say(target, || format!("the clock jumps by {time:?}"));
        self.core.clock.advance_to(target);
    }

    /// Has everything that waits for its turn lose its place, as if the worker whose queue it was
    /// in had been lost: the order among it is drawn anew. Nothing is lost. Callable from inside.
    pub fn drop_worker(&self) {
        let mut state = self.sim.state.lock();
        let state = &mut *state;
        state
            .chooser
            .shuffle(&mut state.runnable, &mut state.random);
        state.record(
            self.core.clock.now(),
            TraceWhat::Note {
                task: None,
                text: format!("a worker is dropped; {} were queued", state.runnable.len()),
            },
        );
    }

    /// Has `hook` asked before each turn. It may send to tasks, and wake them: a signal to the task
    /// whose turn it is acts in that turn. It replaces the one before; it must be deterministic.
    ///
    /// ```
    /// use rekindle_scheduler::{Fate, Runtime, spawn, yield_now};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let simulation = runtime.simulation().unwrap();
    /// // Every third turn is a slow one.
    /// simulation.on_turn(|ahead| match ahead.step % 3 {
    ///     0 => Fate::Stall(Duration::from_millis(1)),
    ///     _ => Fate::Run,
    /// });
    /// runtime.block_on(async { spawn(async { for _ in 0..30 { yield_now().await } }).await }).unwrap();
    /// assert!(simulation.now().as_duration() >= Duration::from_millis(5));
    /// ```
    pub fn on_turn(&self, hook: impl FnMut(&TurnAhead<'_>) -> Fate + Send + 'static) {
        let before = self.sim.hook.lock().replace(Box::new(hook));
        drop(before);
    }

    /// Keeps the last `limit` events from now on: see [`trace`](Self::trace).
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, yield_now};
    ///
    /// let runtime = Runtime::simulated(1);
    /// let simulation = runtime.simulation().unwrap();
    /// simulation.record(3); // the last three are as a rule the ones that tell
    /// drop(runtime.handle().spawn(async { for _ in 0..9 { yield_now().await } }));
    /// simulation.run_until_idle();
    /// let steps: Vec<u64> = simulation.trace().iter().map(|event| event.step).collect();
    /// assert_eq!(steps, [8, 9, 10]);
    /// ```
    pub fn record(&self, limit: usize) {
        self.sim.state.lock().recorder = Some(Recorder::new(limit));
    }

    /// The events that were kept, oldest first.
    #[must_use]
    pub fn trace(&self) -> Vec<TraceEvent> {
        let state = self.sim.state.lock();
        state
            .recorder
            .as_ref()
            .map(Recorder::events)
            .unwrap_or_default()
    }

    /// For the layer that knows what a message is: one was sent.
    pub fn count_message(&self) {
        self.sim.state.lock().messages += 1;
    }

    /// How many messages were counted.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.sim.state.lock().messages
    }

    /// The seed that the simulation was made with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.sim.seed
    }

    /// How many steps there were since the start.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.sim.state.lock().steps
    }

    /// A number that stands for all steps since the start: who was picked, and when. Two runs with
    /// the same number took the same way.
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, yield_now};
    ///
    /// let way = |seed| {
    ///     let runtime = Runtime::simulated(seed);
    ///     for _ in 0..4 {
    ///         drop(runtime.handle().spawn(yield_now()));
    ///     }
    ///     runtime.simulation().unwrap().run_until_idle();
    ///     runtime.simulation().unwrap().trace_hash()
    /// };
    /// let ways: std::collections::BTreeSet<u64> = (0..100).map(way).collect();
    /// assert!(ways.len() > 50); // how many orders a test has really seen
    /// ```
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

/// The future of [`Simulation::settled`].
///
/// ```
/// use rekindle_scheduler::{Handle, Runtime, Time, sleep, spawn, yield_now};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// runtime.block_on(async {
///     let quick = spawn(async { for _ in 0..100 { yield_now().await } });
///     let slow = spawn(sleep(Duration::from_secs(1)));
///     let handle = Handle::current();
///     handle.simulation().unwrap().settled().await;
///     // What can be done at this time is done; what needs time is not.
///     assert!(quick.is_finished() && !slow.is_finished());
///     assert_eq!(handle.now(), Time::ZERO);
/// });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Settled {
    core: CoreRef,
    settled: Option<Arc<AtomicBool>>,
}

impl Future for Settled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(settled) = &this.settled
            && settled.load(Ordering::Acquire)
        {
            return Poll::Ready(());
        }
        let Some(sim) = this.core.sim() else {
            return Poll::Ready(());
        };
        let settled = this.settled.get_or_insert_default();
        let mut state = sim.state.lock();
        state
            .settling
            .retain(|(known, _)| !Arc::ptr_eq(known, settled));
        state
            .settling
            .push((Arc::clone(settled), context.waker().clone()));
        Poll::Pending
    }
}
