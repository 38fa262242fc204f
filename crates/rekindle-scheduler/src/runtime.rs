//! The runtime as its users hold it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use crate::around::within;
use crate::block_on::{block_on, refuse_inside};
use crate::blocking::{self, Blocking};
use crate::config::Builder;
use crate::context::{self, EnterGuard};
use crate::core::{CoreRef, Kind, Stage};
use crate::metrics::Metrics;
use crate::sim::{self, Simulation};
use crate::task::{self, Host, JoinHandle, NodePtr, Plain, Runnable, TaskId, TaskRef, TaskView};
use crate::time::{Time, TimerAction, TimerKey};
use crate::timers;

const NO_RUNTIME: &str = "there is no current runtime on this thread: call this from a task, inside \
                          `Runtime::block_on`, or after `Handle::enter`";

/// An executor: threads that run tasks, or a simulation of them.
///
/// Several may live in one program; each test can have its own. Dropping it shuts it down: it
/// waits for the turns and the blocking calls that are in progress, cancels every task, and joins
/// every thread. Dropped by one of its own tasks, where waiting would be for ever, it does the
/// same from a thread of its own, and says so in the log.
///
/// ```
/// use rekindle_scheduler::{Runtime, spawn};
/// use std::sync::mpsc::{TryRecvError, channel};
///
/// let runtime = Runtime::new()?;
/// let (open, opened) = channel::<()>();
/// runtime.block_on(async move {
///     drop(spawn(async move {
///         let _open = open;
///         std::future::pending::<()>().await
///     }));
/// });
/// drop(runtime); // cancels the task, and returns when it is gone
/// assert_eq!(opened.try_recv(), Err(TryRecvError::Disconnected));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    handle: Handle,
}

impl Runtime {
    /// A runtime with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn new() -> io::Result<Runtime> {
        Builder::new().start()
    }

    /// A runtime without threads: [`block_on`](Runtime::block_on) runs every task on the calling
    /// thread, one step at a time, in an order that follows from the seed, and time jumps to the
    /// next timer when nothing can run.
    ///
    /// The same seed and the same deterministic program make the same run.
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(7);
    /// runtime.block_on(sleep(Duration::from_secs(30 * 24 * 3600))); // takes no time
    /// assert!(runtime.handle().now().as_duration().as_secs() >= 30 * 24 * 3600);
    /// assert_eq!(runtime.simulation().unwrap().seed(), 7);
    /// ```
    ///
    /// # Panics
    ///
    /// If 65,536 runtimes live in this program already.
    #[must_use]
    pub fn simulated(seed: u64) -> Runtime {
        Builder::new().simulated(seed)
    }

    pub(crate) fn of(core: CoreRef) -> Runtime {
        Runtime {
            handle: Handle { core },
        }
    }

    pub(crate) fn core(&self) -> &CoreRef {
        &self.handle.core
    }

    /// A handle, which can be cloned and sent anywhere.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future on this thread until it is ready, with this runtime as the current one. The
    /// future itself is no task: it need not be `Send`, and nobody can kill it.
    ///
    /// # Panics
    ///
    /// On a worker of any runtime, and inside a simulation. In a simulated runtime also when
    /// nothing can ever happen again and the future still waits; the text lists who waits.
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, spawn};
    /// use std::rc::Rc;
    ///
    /// let runtime = Runtime::new()?;
    /// let local = Rc::new(20); // stays on this thread, as the future does
    /// let sum = runtime.block_on(async {
    ///     let far = spawn(async { 22 }); // and this does not
    ///     *local + far.await.unwrap()
    /// });
    /// assert_eq!(sum, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        refuse_inside();
        match self.core().kind() {
            Kind::Sim(sim) => sim::block_on(self.core(), sim, future),
            Kind::Pool(_) => {
                let _entered = self.handle.enter();
                within(self.core().around(), || block_on(future))
            }
        }
    }

    /// Shuts the runtime down; the same as dropping it, in so many words.
    ///
    /// ```
    /// use rekindle_scheduler::{JoinError, Runtime, block_on};
    ///
    /// let runtime = Runtime::new()?;
    /// let waits = runtime.handle().spawn(std::future::pending::<()>());
    /// runtime.shutdown();
    /// assert!(matches!(block_on(waits), Err(JoinError::Cancelled)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(self) {
        drop(self);
    }

    /// The controls of a simulated runtime; `None` for one with threads.
    #[must_use]
    pub fn simulation(&self) -> Option<Simulation<'_>> {
        Simulation::of(self.core())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let core = self.core();
        if !context::is_inside(core.number()) {
            let _entered = context::enter(core);
            within(core.around(), || core.shut_down());
            return;
        }
        crate::log_guarded(|| {
            log::error!(
                "a runtime was dropped by one of its own tasks: it shuts down on a thread of its own, \
             and nobody waits for that"
            )
        });
        let theirs = self.handle.clone();
        let started = thread::Builder::new()
            .name("rekindle-shutdown".to_owned())
            .spawn(move || {
                let _entered = theirs.enter();
                within(theirs.core.around(), || theirs.core.shut_down());
            });
        if let Err(error) = started {
            crate::log_guarded(|| {
                log::error!(
                    "no thread to shut a runtime down: {error}; its threads are left running"
                )
            });
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runtime").field(&self.handle.core).finish()
    }
}

/// A counted reference on a runtime. It keeps the memory, and not the runtime running.
///
/// ```
/// use rekindle_scheduler::Runtime;
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.handle().clone();
/// // A thread of somebody else gives the runtime work.
/// let task = std::thread::spawn(move || handle.spawn(async { 6 * 7 })).join().unwrap();
/// assert_eq!(runtime.block_on(task).unwrap(), 42);
///
/// let handle = runtime.handle().clone();
/// drop(runtime);
/// assert!(handle.is_shut_down()); // the handle has not kept it running
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[repr(transparent)]
pub struct Handle {
    core: CoreRef,
}

impl Handle {
    #[inline]
    pub(crate) fn from_core(core: &CoreRef) -> &Handle {
        // SAFETY: `repr(transparent)`: both types are the same in memory, and neither promises
        // more than the other.
        unsafe { &*std::ptr::from_ref(core).cast::<Handle>() }
    }

    /// The current runtime: that of the running task, of `block_on`, or the one entered last.
    ///
    /// # Panics
    ///
    /// If there is none.
    ///
    /// ```
    /// use rekindle_scheduler::{Handle, Runtime};
    ///
    /// let runtime = Runtime::simulated(1);
    /// let same = runtime.block_on(async { Handle::current() });
    /// assert!(same.is_same(runtime.handle()));
    /// ```
    #[must_use]
    pub fn current() -> Handle {
        Handle::try_current().expect(NO_RUNTIME)
    }

    /// The current runtime, if there is one.
    ///
    /// ```
    /// use rekindle_scheduler::{Handle, Runtime};
    ///
    /// // A library that can do without.
    /// let in_parallel = || Handle::try_current().is_some_and(|runtime| runtime.worker_count() > 1);
    /// assert!(!in_parallel());
    /// let runtime = rekindle_scheduler::Builder::new().workers(2).start()?;
    /// assert!(runtime.block_on(async { in_parallel() }));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn try_current() -> Option<Handle> {
        context::with_handle(|handle| handle.cloned())
    }

    /// Makes this runtime the current one of this thread until the guard is dropped.
    pub fn enter(&self) -> EnterGuard<'_> {
        context::enter(&self.core)
    }

    /// Starts a task. It runs whether or not the handle is kept.
    ///
    /// After shutdown the future is dropped at once, and the handle says `Cancelled`.
    ///
    /// ```
    /// use rekindle_scheduler::{JoinError, Runtime, block_on};
    ///
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.handle().clone();
    /// assert_eq!(block_on(handle.spawn(async { 7 })).unwrap(), 7);
    /// runtime.shutdown();
    /// assert!(matches!(block_on(handle.spawn(async { 7 })), Err(JoinError::Cancelled)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let host = task::joinable::<F::Output>(Location::caller());
        self.spawn_with::<Plain<F::Output>, F, _>(host, future, |view| {
            JoinHandle::new(view.to_ref())
        })
    }

    /// Starts a task whose future is run by a host. `prepare` sees the task before it can run.
    ///
    /// After shutdown the host's [`cancel`](Host::cancel) runs at once, on this thread.
    #[inline]
    pub fn spawn_with<H, F, R>(
        &self,
        host: H,
        future: F,
        prepare: impl FnOnce(TaskView<'_>) -> R,
    ) -> R
    where
        H: Host,
        F: Future<Output = H::Output> + Send + 'static,
    {
        let (runnable, prepared) = task::create(&self.core, host, future, prepare);
        self.launch(runnable);
        prepared
    }

    /// As [`spawn_with`](Handle::spawn_with), for a host or a future that must know the task's id.
    /// The future is made first; that may panic, and then there is no task.
    #[inline]
    pub fn spawn_with_id<H, F, R>(
        &self,
        make_future: impl FnOnce(TaskId) -> F,
        make_host: impl FnOnce(TaskId) -> H,
        prepare: impl FnOnce(TaskView<'_>) -> R,
    ) -> R
    where
        H: Host,
        F: Future<Output = H::Output> + Send + 'static,
    {
        let (runnable, prepared) = task::create_with(&self.core, make_future, make_host, prepare);
        self.launch(runnable);
        prepared
    }

    #[inline]
    fn launch(&self, runnable: Runnable) {
        if self.core.stage() == Stage::Running {
            self.core.schedule_spawned(runnable);
        } else {
            self.core.refuse(runnable);
        }
    }

    /// Appends a node to the inbox of the task with this id.
    ///
    /// # Errors
    ///
    /// Gives the node back if there is no such task any more.
    ///
    /// # Safety
    ///
    /// As [`TaskView::push`].
    #[inline]
    pub unsafe fn push(&self, task: TaskId, node: NodePtr) -> Result<(), NodePtr> {
        // SAFETY: the caller's promise.
        let pushed = self
            .core
            .table
            .with(task, |view| unsafe { view.push_locked(node) });
        pushed.unwrap_or(Err(node))
    }

    /// Calls `f` with the task with this id, if it still lives.
    ///
    /// The task cannot end meanwhile, so `f` must be short and must not wait, nor look up the same
    /// id again.
    ///
    /// ```
    /// use rekindle_scheduler::Runtime;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let task = runtime.handle().spawn(async {});
    /// let who = |id| runtime.handle().with_task(id, |view| view.describe());
    /// assert!(who(task.id()).unwrap().starts_with("task spawned at "));
    /// runtime.simulation().unwrap().run_until_idle();
    /// assert_eq!(who(task.id()), None);
    /// ```
    #[inline]
    pub fn with_task<R>(&self, task: TaskId, f: impl FnOnce(TaskView<'_>) -> R) -> Option<R> {
        self.core.table.with(task, f)
    }

    /// A counted reference on the task with this id, if it still lives.
    #[must_use]
    pub fn lookup(&self, task: TaskId) -> Option<TaskRef> {
        self.with_task(task, |view| view.to_ref())
    }

    /// Up to `limit` live tasks whose ids' index is at least `from`, in order of index, and the
    /// index to go on from, if any may be left.
    ///
    /// ```
    /// use rekindle_scheduler::Runtime;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let tasks = [(); 5].map(|()| runtime.handle().spawn(std::future::pending::<()>()));
    /// // All of them, two at a time: what ends or begins meanwhile may be missing.
    /// let (mut seen, mut from) = (0, Some(0));
    /// while let Some(index) = from {
    ///     let (window, next) = runtime.handle().tasks(index, 2);
    ///     seen += window.len();
    ///     from = next;
    /// }
    /// assert_eq!(seen, tasks.len());
    /// ```
    #[must_use]
    pub fn tasks(&self, from: u32, limit: usize) -> (Vec<TaskRef>, Option<u32>) {
        self.core.table.window(from, limit)
    }

    /// The time.
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let before = runtime.handle().now();
    /// runtime.block_on(sleep(Duration::from_secs(5)));
    /// assert_eq!((runtime.handle().now() - before).as_secs(), 5);
    /// ```
    #[must_use]
    pub fn now(&self) -> Time {
        self.core.clock.now()
    }

    /// The time, on a worker as of its last look at the clock: free, and some microseconds late.
    #[inline]
    #[must_use]
    pub fn coarse_now(&self) -> Time {
        self.core.coarse_now()
    }

    /// Starts a timer: the action is carried out once the deadline has come, unless it is
    /// cancelled. After shutdown the action is dropped.
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, TimerAction};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let task = runtime.handle().spawn(std::future::pending::<()>());
    /// runtime.simulation().unwrap().run_until_idle();
    /// let polls = runtime.handle().metrics().polls;
    /// // Wakes the task, though nothing that it waits for has come.
    /// let task = runtime.handle().lookup(task.id()).unwrap();
    /// let at = runtime.handle().now() + Duration::from_secs(1);
    /// runtime.handle().start_timer(at, TimerAction::Task(task));
    /// runtime.simulation().unwrap().advance(Duration::from_secs(1));
    /// assert_eq!(runtime.handle().metrics().polls, polls + 1);
    /// ```
    pub fn start_timer(&self, deadline: Time, action: TimerAction) -> TimerKey {
        self.core.start_timer(deadline, action)
    }

    /// Stops a timer. Returns what was left of its time, or `None` if it has fired already.
    ///
    /// By the exact clock: the coarse one lags, and then more would be left than was asked for.
    pub fn cancel_timer(&self, key: TimerKey) -> Option<Duration> {
        let (action, deadline) = self.core.timers.cancel(key)?;
        drop(action);
        Some(timers::left(deadline, self.now()))
    }

    /// As [`cancel_timer`](Self::cancel_timer), without a look at the clock: whether it was in time.
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, TimerAction};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let handle = runtime.handle();
    /// let at = handle.now() + Duration::from_secs(10);
    /// let key = handle.start_timer(at, TimerAction::Run(Box::new(|| unreachable!())));
    /// assert!(handle.stop_timer(key));
    /// assert!(!handle.stop_timer(key)); // there is nothing left to stop
    /// runtime.simulation().unwrap().advance(Duration::from_secs(10));
    /// ```
    pub fn stop_timer(&self, key: TimerKey) -> bool {
        self.core.timers.cancel(key).is_some()
    }

    /// What is left of a timer's time, or `None` if it has fired or was cancelled.
    ///
    /// ```
    /// use rekindle_scheduler::{Runtime, TimerAction};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::simulated(1);
    /// let handle = runtime.handle();
    /// let at = handle.now() + Duration::from_secs(10);
    /// let key = handle.start_timer(at, TimerAction::Run(Box::new(|| {})));
    /// runtime.simulation().unwrap().advance(Duration::from_secs(4));
    /// assert_eq!(handle.read_timer(key), Some(Duration::from_secs(6)));
    /// runtime.simulation().unwrap().advance(Duration::from_secs(6));
    /// assert_eq!(handle.read_timer(key), None);
    /// ```
    #[must_use]
    pub fn read_timer(&self, key: TimerKey) -> Option<Duration> {
        let deadline = self.core.timers.deadline(key)?;
        Some(timers::left(deadline, self.now()))
    }

    /// A random number, which in a simulated runtime follows from the seed. Not for secrets.
    ///
    /// ```
    /// use rekindle_scheduler::Runtime;
    ///
    /// let draw = |seed| Runtime::simulated(seed).handle().random();
    /// assert_eq!(draw(1), draw(1));
    /// assert_ne!(draw(1), draw(2));
    /// ```
    #[must_use]
    pub fn random(&self) -> u64 {
        self.core.random.next()
    }

    /// A number that no other runtime of this program has.
    #[must_use]
    pub fn runtime_id(&self) -> u32 {
        self.core.id()
    }

    /// How many tasks are polled at the same time at most.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        match self.core.kind() {
            Kind::Pool(pool) => pool.workers(),
            Kind::Sim(_) => 1,
        }
    }

    /// Whether time and order are simulated.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.core.sim().is_some()
    }

    /// The controls of a simulated runtime; `None` for one with threads. Inside a simulation those
    /// that move it panic, and the others work.
    #[must_use]
    pub fn simulation(&self) -> Option<Simulation<'_>> {
        Simulation::of(&self.core)
    }

    /// Whether the runtime shuts down, or has.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.core.stage() != Stage::Running
    }

    /// What the layer above gave to [`Builder::extension`], if it is a `T`.
    ///
    /// ```
    /// use rekindle_scheduler::{Builder, Runtime};
    /// use std::sync::Arc;
    ///
    /// let runtime = Builder::new().extension(Arc::new("the layer above".to_owned())).simulated(1);
    /// let above: Option<&String> = runtime.handle().extension();
    /// assert_eq!(above.map(String::as_str), Some("the layer above"));
    /// assert!(runtime.handle().extension::<u32>().is_none()); // it is no `u32`
    /// ```
    #[inline]
    #[must_use]
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.core.extension()?.downcast_ref()
    }

    /// What the runtime has done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.core.metrics()
    }

    /// Calls a function that may block, on a thread of its own; see [`blocking`](fn@blocking).
    pub fn blocking<T, F>(&self, function: F) -> Blocking<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let handle = self.clone();
        let (job, future) = blocking::split(move || {
            let _entered = handle.enter();
            function()
        });
        match self.core.kind() {
            Kind::Pool(_) => self.core.blocking.run(job),
            Kind::Sim(_) if self.is_shut_down() => drop(job),
            Kind::Sim(sim) => sim.push_job(job),
        }
        future
    }

    /// Whether both are handles on one runtime.
    ///
    /// ```
    /// use rekindle_scheduler::Runtime;
    ///
    /// let (one, other) = (Runtime::simulated(1), Runtime::simulated(1));
    /// assert!(one.handle().is_same(&one.handle().clone()));
    /// assert!(!one.handle().is_same(other.handle()));
    /// ```
    #[must_use]
    pub fn is_same(&self, other: &Handle) -> bool {
        self.core.same(&other.core)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.core).finish()
    }
}

/// Starts a task on the current runtime; see [`Handle::spawn`].
///
/// # Panics
///
/// If there is no current runtime.
///
/// ```
/// use rekindle_scheduler::{Runtime, spawn};
///
/// let runtime = Runtime::new()?;
/// let longest = runtime.block_on(async {
///     let lengths = ["one", "three", "five"].map(|word| spawn(async move { word.len() }));
///     let mut longest = 0;
///     for length in lengths {
///         longest = longest.max(length.await.unwrap());
///     }
///     longest
/// });
/// assert_eq!(longest, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // Not by a closure: the place in the log shall be the caller's.
    let host = task::joinable::<F::Output>(Location::caller());
    context::with_handle(|handle| {
        let handle = handle.expect(NO_RUNTIME);
        handle.spawn_with::<Plain<F::Output>, F, _>(host, future, |view| {
            JoinHandle::new(view.to_ref())
        })
    })
}

/// Calls a function that may block, on a thread where it holds up nobody. The future gives its
/// result; dropping the future lets the function go its way. In a simulation the call is a step
/// of its own, later.
///
/// # Panics
///
/// If there is no current runtime.
///
/// ```
/// use rekindle_scheduler::{Runtime, blocking};
///
/// let runtime = Runtime::new()?;
/// let manifest = runtime.block_on(async {
///     blocking(|| std::fs::read_to_string("Cargo.toml")).await.expect("it does not panic")
/// })?;
/// assert!(manifest.starts_with("[package]"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn blocking<T, F>(function: F) -> Blocking<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    context::with_handle(|handle| handle.expect(NO_RUNTIME).blocking(function))
}

/// Lets the others run first: ready at the second poll.
///
/// ```
/// use rekindle_scheduler::{Runtime, spawn, yield_now};
///
/// let runtime = Runtime::simulated(1);
/// runtime.block_on(async {
///     let long = spawn(async { for _ in 0..10_000 { yield_now().await } });
///     let short = spawn(async { 1 + 1 });
///     assert_eq!(short.await.unwrap(), 2);
///     assert!(!long.is_finished()); // it has let the other come first
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
///
/// ```
/// use rekindle_scheduler::{YieldNow, yield_now};
/// use std::{future::Future, pin::pin, task::{Context, Waker}};
///
/// let pause: YieldNow = yield_now();
/// let mut pause = pin!(pause);
/// let mut context = Context::from_waker(Waker::noop());
/// assert!(pause.as_mut().poll(&mut context).is_pending());
/// assert!(pause.as_mut().poll(&mut context).is_ready());
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
