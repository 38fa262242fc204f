//! The pool: workers that steal from each other, and the monitor that watches them.
//!
//! Suggested reading order: [`worker`] (what a worker does all day), [`run_queue`] and [`ring`] (where
//! its work lies), [`idle`] with `SLEEP.md` (how it goes to sleep and is woken), [`handover`] with
//! `HANDOVER.md` and [`monitor`] (what happens when it is stuck), [`inject`], [`park`].
//!
//! | word    | meaning                                                                            |
//! |---------|------------------------------------------------------------------------------------|
//! | seat    | a worker's number, with a wheel and a parker; there are as many as workers          |
//! | context | what others see of a thread that may hold a seat: its queue's far end, its counters |
//! | spare   | a thread without a seat, waiting for one at its desk                                |
//! | stuck   | in one and the same turn for longer than `stuck_after`                              |
//! | retire  | take the seat from a stuck thread, and give it to a spare                           |
//!
//! Invariants
//! 1. Each seat has at most one thread that minds it: the one whose context the seat names.
//! 2. Contexts are never freed before the pool, so whoever read a seat may look into the context
//!    it named, even if the seat has another by now.
//! 3. Every thread that was started and has not ended is in `Threads::handles`.

mod doze;
pub(crate) mod handover;
pub(crate) mod idle;
mod inject;
mod monitor;
mod park;
mod ring;
mod run_queue;
pub(crate) mod worker;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::around::within;
use crate::core::{CoreRef, Kind, guarded};
use crate::metrics::Metrics;
use crate::task::Runnable;

use idle::Idle;
use inject::Inject;
use monitor::Monitor;
use park::Parker;
use run_queue::RunQueue;
use worker::{Context, Worker};

pub(crate) use park::Parked;
pub(crate) use park::Parker as ThreadParker;

/// How many threads without a seat are kept.
const SPARES: usize = 16;

/// Something of the user's that each thread of the pool calls.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// What the builder decided.
pub(crate) struct Settings {
    /// How many workers run at once.
    pub(crate) workers: usize,
    /// What threads are called, before their number.
    pub(crate) thread_name: String,
    /// How long one turn may last before the monitor steps in.
    pub(crate) stuck_after: Duration,
    /// How many threads there may be, with and without a seat.
    pub(crate) max_threads: usize,
    /// Called by each thread when it starts.
    pub(crate) on_start: Option<Hook>,
    /// Called by each thread when it ends.
    pub(crate) on_stop: Option<Hook>,
}

/// The workers of one runtime.
pub(crate) struct Pool {
    pub(crate) inject: Inject,
    pub(crate) idle: Idle,
    monitor: Monitor,
    settings: Settings,
    /// By seat, which context minds it.
    seats: Box<[AtomicUsize]>,
    /// Every context there ever was; they are used again, so there are at most `max_threads`.
    contexts: Box<[OnceLock<Arc<Context>>]>,
    threads: Mutex<Threads>,
}

/// Everything about threads, under the pool's lock.
#[derive(Default)]
struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// How many were ever started, for their names.
    started: usize,
    /// Contexts without a thread, with their queues.
    bodies: Vec<Body>,
    /// How many contexts there are.
    contexts: usize,
    /// Threads without a seat.
    spares: Vec<Arc<Desk>>,
    /// Seats without a thread: the system gave none.
    vacant: Vec<u32>,
    /// No thread is started any more.
    stopping: bool,
    /// Whether the log says already that there are no more threads to be had.
    complained: bool,
}

/// The owner's end of a context.
struct Body {
    index: usize,
    context: Arc<Context>,
    queue: RunQueue,
}

/// Where a spare waits.
struct Desk {
    /// The spare's context.
    index: usize,
    parker: Parker,
    /// The seat it is to take; `NO_SEAT` until the parker is told, and when it is to end.
    seat: AtomicU32,
}

const NO_SEAT: u32 = u32::MAX;

impl Pool {
    pub(crate) fn new(settings: Settings) -> Pool {
        let workers = settings.workers;
        let pool = Pool {
            inject: Inject::new(),
            idle: Idle::new(workers),
            monitor: Monitor::new(),
            seats: (0..workers).map(AtomicUsize::new).collect(),
            contexts: (0..settings.max_threads).map(|_| OnceLock::new()).collect(),
            threads: Mutex::default(),
            settings,
        };
        {
            let mut threads = pool.threads.lock();
            let bodies: Vec<_> = (0..workers).map(|_| pool.new_body(&mut threads)).collect();
            // The first thread gets the first context, as the seats say.
            threads.bodies.extend(bodies.into_iter().rev());
        }
        pool
    }

    /// Starts the threads. After an error the caller shuts the runtime down.
    pub(crate) fn start(&self, core: &CoreRef) -> io::Result<()> {
        let mut threads = self.threads.lock();
        for seat in 0..self.settings.workers {
            self.start_thread(core, &mut threads, seat as u32)?;
        }
        let monitor = thread::Builder::new()
            .name(format!("{}-monitor", self.settings.thread_name))
            .spawn({
                let core = core.clone();
                move || monitor_main(core)
            })?;
        self.monitor.started(monitor);
        Ok(())
    }

    pub(crate) fn workers(&self) -> usize {
        self.seats.len()
    }

    /// The context that minds a seat.
    #[inline]
    fn context(&self, seat: usize) -> (usize, &Context) {
        // Acquire: pairs with the Release in `staff`.
        let index = self.seats[seat].load(Ordering::Acquire);
        (
            index,
            self.contexts[index]
                .get()
                .expect("a seat names a context that exists"),
        )
    }

    fn all_contexts(&self) -> impl Iterator<Item = &Arc<Context>> {
        self.contexts.iter().map_while(OnceLock::get)
    }

    fn new_body(&self, threads: &mut Threads) -> Body {
        let index = threads.contexts;
        threads.contexts += 1;
        let queue = RunQueue::new();
        let context = Arc::new(Context::new(queue.far_end()));
        let fresh = self.contexts[index].set(Arc::clone(&context)).is_ok();
        assert!(
            fresh,
            "contexts are made under the lock, each at its own index"
        );
        Body {
            index,
            context,
            queue,
        }
    }

    /// Starts a thread for a seat.
    fn start_thread(&self, core: &CoreRef, threads: &mut Threads, seat: u32) -> io::Result<()> {
        let body = threads
            .bodies
            .pop()
            .unwrap_or_else(|| self.new_body(threads));
        let index = body.index;
        let core = core.clone();
        let name = format!("{}-{}", self.settings.thread_name, threads.started);
        // Lent to the thread in a box of its own, so that it comes back if none starts.
        let lent = Arc::new(Mutex::new(Some(body)));
        let handle = thread::Builder::new().name(name).spawn({
            let lent = Arc::clone(&lent);
            move || {
                let body = lent.lock().take();
                let body = body.expect("lent to one thread");
                let wrapped = core.clone();
                within(wrapped.around(), || thread_main(core, body, seat));
            }
        });
        let handle = match handle {
            Ok(handle) => handle,
            Err(error) => {
                threads.bodies.extend(lent.lock().take());
                return Err(error);
            }
        };
        threads.handles.retain(|handle| !handle.is_finished());
        threads.handles.push(handle);
        threads.started += 1;
        // Release: publishes the context to `context`.
        self.seats[seat as usize].store(index, Ordering::Release);
        Ok(())
    }

    /// Whether a thread can be had for another seat.
    fn can_staff(&self) -> bool {
        let mut threads = self.threads.lock();
        let possible = !threads.stopping
            && (!threads.spares.is_empty()
                || !threads.bodies.is_empty()
                || threads.contexts < self.settings.max_threads);
        if !possible && !threads.stopping && !threads.complained {
            threads.complained = true;
            crate::log_guarded(|| {
                log::error!(
                    "all {} threads of the pool are in use and workers are stuck: what waits behind \
                 them waits on (said once per runtime; see `Builder::max_threads`)",
                    self.settings.max_threads,
                )
            });
        }
        possible
    }

    /// Gives a seat to a spare, or to a new thread.
    fn staff(&self, core: &CoreRef, seat: u32) {
        let mut threads = self.threads.lock();
        if threads.stopping {
            return;
        }
        if let Some(desk) = threads.spares.pop() {
            self.seats[seat as usize].store(desk.index, Ordering::Release);
            desk.seat.store(seat, Ordering::Release);
            drop(threads);
            desk.parker.unpark();
            return;
        }
        if let Err(error) = self.start_thread(core, &mut threads, seat) {
            if !threads.complained {
                threads.complained = true;
                crate::log_guarded(|| {
                    log::error!("no thread for worker {seat}: {error}; trying on")
                });
            }
            threads.vacant.push(seat);
        }
    }

    /// Tries again for the seats that found no thread.
    fn staff_vacant(&self, core: &CoreRef) {
        let vacant = std::mem::take(&mut self.threads.lock().vacant);
        for seat in vacant {
            self.staff(core, seat);
        }
    }

    /// A thread that has lost its seat: another seat, at once or later, or `None` to end.
    fn await_seat(&self, index: usize) -> Option<u32> {
        let desk = {
            let mut threads = self.threads.lock();
            if threads.stopping {
                return None;
            }
            if let Some(seat) = threads.vacant.pop() {
                self.seats[seat as usize].store(index, Ordering::Release);
                return Some(seat);
            }
            if threads.spares.len() >= SPARES {
                return None;
            }
            let seat = AtomicU32::new(NO_SEAT);
            let desk = Arc::new(Desk {
                index,
                parker: Parker::new(),
                seat,
            });
            threads.spares.push(Arc::clone(&desk));
            desk
        };
        let _token = desk.parker.park(None);
        match desk.seat.load(Ordering::Acquire) {
            NO_SEAT => None,
            seat => Some(seat),
        }
    }

    /// A thread has come to its end; its context may serve another.
    fn thread_ends(&self, body: Body) {
        let mut threads = self.threads.lock();
        threads.bodies.push(body);
    }

    /// Shutdown, step 1: every thread will see that the stage has changed.
    pub(crate) fn tell_to_stop(&self) {
        let spares = {
            let mut threads = self.threads.lock();
            threads.stopping = true;
            std::mem::take(&mut threads.spares)
        };
        for desk in spares {
            desk.parker.unpark();
        }
        for context in self.all_contexts() {
            context.handover.ask_to_look();
        }
        self.idle.wake_all();
        self.monitor.rouse();
    }

    /// Shutdown, step 3.
    pub(crate) fn join_threads(&self) {
        // Nobody starts a thread any more, so this is all of them.
        let handles = std::mem::take(&mut self.threads.lock().handles);
        for handle in handles {
            join(handle);
        }
        // The monitor stays to the last: it frees what a stuck turn may wait for.
        self.monitor.stop();
    }

    /// An entry of any queue, for cancelling.
    pub(crate) fn take_queued(&self) -> Option<Runnable> {
        self.inject
            .pop()
            .or_else(|| self.all_contexts().find_map(|context| context.queue.take()))
    }

    pub(crate) fn add_to(&self, metrics: &mut Metrics) {
        metrics.workers = self.workers();
        metrics.worker_threads = self.threads.lock().started;
        metrics.injected = self.inject.len();
        metrics.retired = self.monitor.retired();
        for context in self.all_contexts() {
            context.add_to(metrics);
        }
    }
}

/// The pool of a core that has one.
#[inline]
fn pool_of(core: &CoreRef) -> &Pool {
    match core.kind() {
        Kind::Pool(pool) => pool,
        Kind::Sim(_) => unreachable!("a simulation has no threads"),
    }
}

/// The life of a thread: one seat after another.
fn thread_main(core: CoreRef, body: Body, seat: u32) {
    let _abort = AbortOnUnwind;
    let pool = pool_of(&core);
    let Body {
        index,
        context,
        queue,
    } = body;
    let worker = Worker::new(core.clone(), index, context, queue);
    let own = crate::context::own_worker(&worker);
    call(
        &pool.settings.on_start,
        "the hook for the start of a worker",
    );
    let mut next = Some(seat);
    while let Some(seat) = next {
        next = match worker.mind(seat) {
            worker::End::SeatLost => pool.await_seat(index),
            worker::End::Stopped => None,
        };
    }
    call(&pool.settings.on_stop, "the hook for the end of a worker");
    drop(own);
    let (context, queue) = worker.into_parts();
    pool.thread_ends(Body {
        index,
        context,
        queue,
    });
}

fn monitor_main(core: CoreRef) {
    let _abort = AbortOnUnwind;
    monitor::run(&core, pool_of(&core));
}

fn call(hook: &Option<Hook>, what: &str) {
    if let Some(hook) = hook {
        guarded(what, || hook());
    }
}

fn join(handle: JoinHandle<()>) {
    // Threads of ours do not unwind: they abort.
    let _never_an_error = handle.join();
}

/// A panic in the scheduler itself has broken its promises to every task: stop at once.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        if thread::panicking() {
            crate::log_guarded(|| {
                log::error!(
                    "the scheduler itself panicked; this is a defect, and the program stops"
                )
            });
            std::process::abort();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("workers", &self.workers())
            .field("idle", &self.idle)
            .field("inject", &self.inject)
            .finish_non_exhaustive()
    }
}
