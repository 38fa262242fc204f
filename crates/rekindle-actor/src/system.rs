//! A runtime with processes: the scheduler's, and what the processes of one runtime share.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rekindle_scheduler::{self as scheduler, Exploration, Handle, Simulation};

use crate::exit::ExitReason;
use crate::groups::Tables;
use crate::names::Names;
use crate::report::{CrashReport, Editing, Reports};
use crate::runtimes::Known;
use crate::spawn;
use crate::unwind;

/// What the processes of one runtime share.
#[derive(Debug, Default)]
pub(crate) struct System {
    pub(crate) names: Names,
    /// Shared with reports that outlive the runtime.
    pub(crate) reports: Arc<Reports>,
    pub(crate) tables: Tables,
    pub(crate) detours: crate::faults::Detours,
}

impl System {
    pub(crate) fn of(handle: &Handle) -> Option<&System> {
        handle.extension::<System>()
    }
}

/// Settings for a [`Runtime`].
///
/// ```
/// use rekindle_actor::Builder;
/// use std::time::Duration;
///
/// let runtime = Builder::new()
///     .workers(2)
///     .thread_name("jobs")
///     .stuck_after(Duration::from_millis(50))
///     .start()?;
/// assert_eq!(runtime.handle().worker_count(), 2);
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    scheduler: scheduler::Builder,
    editing: Editing,
    #[cfg(feature = "tokio")]
    companion: crate::companion::Choice,
}

impl Default for Builder {
    fn default() -> Self {
        Builder::new()
    }
}

impl Builder {
    /// The defaults: a worker per processor, a worker counts as stuck after 10 ms.
    pub fn new() -> Builder {
        Builder {
            scheduler: scheduler::Builder::new(),
            editing: Editing::default(),
            #[cfg(feature = "tokio")]
            companion: crate::companion::Choice::default(),
        }
    }

    /// How many workers run processes; the default is one per processor.
    pub fn workers(mut self, workers: usize) -> Builder {
        self.scheduler = self.scheduler.workers(workers);
        self
    }

    /// How the threads are named, before a number; the default is `rekindle`.
    pub fn thread_name(mut self, name: impl Into<String>) -> Builder {
        self.scheduler = self.scheduler.thread_name(name);
        self
    }

    /// How long one poll may take before its worker is replaced and the culprit is named in the
    /// log; the default is 10 ms.
    pub fn stuck_after(mut self, limit: Duration) -> Builder {
        self.scheduler = self.scheduler.stuck_after(limit);
        self
    }

    /// How many threads [`blocking`](crate::blocking) may use at once; the default is 512.
    pub fn blocking_threads(mut self, threads: usize) -> Builder {
        self.scheduler = self.scheduler.blocking_threads(threads);
        self
    }

    /// Does `f` at the start of each worker thread.
    pub fn on_worker_start(mut self, f: impl Fn() + Send + Sync + 'static) -> Builder {
        self.scheduler = self.scheduler.on_worker_start(f);
        self
    }

    /// Does `f` at the end of each worker thread.
    pub fn on_worker_stop(mut self, f: impl Fn() + Send + Sync + 'static) -> Builder {
        self.scheduler = self.scheduler.on_worker_stop(f);
        self
    }

    /// Shortens texts in crash reports, the last message and the state, to this many characters
    /// (START-009). By default they are as long as the behaviour makes them.
    ///
    /// ```
    /// use rekindle_actor::{Builder, ExitReason, note_state, recent_crashes, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let runtime = Builder::new().report_limit(10).simulated(1);
    /// runtime.block_on(async {
    ///     spawn(async {
    ///         note_state("x".repeat(10_000));
    ///         ExitReason::msg("too much")
    ///     });
    ///     sleep(Duration::from_secs(1)).await;
    ///     assert!(recent_crashes()[0].state.as_ref().unwrap().len() < 100);
    /// });
    /// ```
    pub fn report_limit(mut self, characters: usize) -> Builder {
        self.editing.limit = Some(characters);
        self
    }

    /// Lets `f` change each crash report before anybody sees it, to leave out what is secret or
    /// large (START-009). Pid and reason stay what they are. If it panics, the report stays as it
    /// came.
    ///
    /// ```
    /// use rekindle_actor::Builder;
    /// let runtime = Builder::new()
    ///     .edit_reports(|report| report.state = None)
    ///     .simulated(1);
    /// ```
    pub fn edit_reports(mut self, f: impl Fn(&mut CrashReport) + Send + Sync + 'static) -> Builder {
        self.editing.edit = Some(Arc::new(f));
        self
    }

    /// Feature `tokio`: puts a tokio runtime beside this one, so that tokio's types, and the
    /// libraries that stand on them, work in every process and in [`blocking`](crate::blocking)
    /// as they are: no future need be wrapped. See [`tokio_task`](crate::tokio_task) for what to
    /// mind.
    ///
    /// It has one worker, which drives its sockets and timers and whatever is spawned there, and
    /// it ends with this runtime, after the processes. With [`tokio_workers`](Self::tokio_workers)
    /// it has more. [`simulated`](Self::simulated) runtimes have none.
    ///
    /// ```
    /// let runtime = rekindle_actor::Builder::new().tokio().start()?;
    /// runtime.block_on(async {
    ///     // In any process; and what sleeps or listens by tokio works as well.
    ///     assert_eq!(tokio::spawn(async { 7 }).await.unwrap(), 7);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "tokio")]
    pub fn tokio(self) -> Builder {
        self.tokio_workers(1)
    }

    /// As [`tokio`](Self::tokio), with this many workers over there: for programs that spawn much
    /// of their work on tokio.
    #[cfg(feature = "tokio")]
    pub fn tokio_workers(mut self, workers: usize) -> Builder {
        self.companion = crate::companion::Choice::Own { workers };
        self
    }

    /// As [`tokio`](Self::tokio), with a tokio runtime of the user's own, which goes on when this
    /// one ends. It must live as long: once it is shut down, tokio's types fail in processes as
    /// they do anywhere.
    ///
    /// ```
    /// let theirs = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    /// let runtime = rekindle_actor::Builder::new().tokio_handle(theirs.handle().clone()).start()?;
    /// let same = runtime.block_on(async { tokio::runtime::Handle::current().id() });
    /// assert_eq!(same, theirs.handle().id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "tokio")]
    pub fn tokio_handle(mut self, handle: tokio::runtime::Handle) -> Builder {
        self.companion = crate::companion::Choice::Theirs(handle);
        self
    }

    fn into_scheduler(self) -> scheduler::Builder {
        unwind::install_hook();
        let system = System {
            reports: Arc::new(Reports::edited_by(self.editing)),
            ..System::default()
        };
        self.scheduler.extension(Arc::new(system))
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense (the text says which), or the system gives no thread.
    #[cfg(not(feature = "tokio"))]
    pub fn start(self) -> io::Result<Runtime> {
        Ok(Runtime::over(self.into_scheduler().start()?))
    }

    /// Starts the runtime, after the tokio runtime beside it, if it is to have one.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense (the text says which), or the system gives no thread.
    #[cfg(feature = "tokio")]
    pub fn start(mut self) -> io::Result<Runtime> {
        let choice = std::mem::take(&mut self.companion);
        let (handle, companion) = choice.start()?;
        let mut scheduler = self.into_scheduler();
        if let Some(handle) = handle {
            scheduler = scheduler.around_threads(move |life| {
                let _entered = handle.enter();
                life();
            });
        }
        let mut runtime = Runtime::over(scheduler.start()?);
        runtime.companion = companion;
        Ok(runtime)
    }

    /// How a simulated runtime picks what happens next: see [`Exploration`]. The default is at
    /// random.
    pub fn exploration(mut self, exploration: Exploration) -> Builder {
        self.scheduler = self.scheduler.exploration(exploration);
        self
    }

    /// Makes a runtime that runs on the calling thread, in virtual time, in an order drawn from
    /// `seed`: the same seed gives the same run.
    ///
    /// ```
    /// use rekindle_actor::{Builder, sleep, spawn};
    /// use std::sync::{Arc, Mutex};
    /// use std::time::Duration;
    ///
    /// /// In which order ten processes run.
    /// fn order(seed: u64) -> Vec<u32> {
    ///     Builder::new().simulated(seed).block_on(async {
    ///         let seen = Arc::new(Mutex::new(Vec::new()));
    ///         for n in 0..10 {
    ///             let seen = seen.clone();
    ///             spawn(async move { seen.lock().unwrap().push(n) });
    ///         }
    ///         sleep(Duration::from_secs(24 * 3600)).await; // of virtual time
    ///         seen.lock().unwrap().clone()
    ///     })
    /// }
    /// assert_eq!(order(7), order(7));
    /// assert_ne!(order(7), order(8));
    /// ```
    #[must_use]
    pub fn simulated(self, seed: u64) -> Runtime {
        Runtime::over(self.into_scheduler().simulated(seed))
    }
}

/// Runs processes.
///
/// A program may have several; their processes can send to each other. Dropping a runtime kills
/// what still runs in it, joins its threads, and leaves nothing behind. For an orderly end stop
/// the supervisor first: [`app::run`] in the facade crate does.
///
/// ```
/// let runtime = rekindle_actor::Runtime::new()?;
/// let answer = runtime.block_on(async { rekindle_actor::self_pid() });
/// assert_eq!(answer.node(), runtime.handle().runtime_id());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// [`app::run`]: https://docs.rs/rekindle
pub struct Runtime {
    /// Before the scheduler: the runtime is forgotten first.
    known: Known,
    scheduler: scheduler::Runtime,
    /// After the scheduler: processes use it to their end.
    #[cfg(feature = "tokio")]
    companion: Option<crate::companion::Companion>,
    /// After the scheduler: what died with it is counted as well.
    last_words: LastWords,
}

/// Prints what was only counted so far.
struct LastWords(Arc<Reports>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl Runtime {
    fn over(scheduler: scheduler::Runtime) -> Runtime {
        let reports = System::of(scheduler.handle()).map(|system| system.reports.clone());
        Runtime {
            known: Known::new(scheduler.handle().clone()),
            scheduler,
            #[cfg(feature = "tokio")]
            companion: None,
            last_words: LastWords(reports.unwrap_or_default()),
        }
    }

    /// A runtime with the default settings.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn new() -> io::Result<Runtime> {
        Builder::new().start()
    }

    /// A runtime under the simulator: see [`Builder::simulated`].
    #[must_use]
    pub fn simulated(seed: u64) -> Runtime {
        Builder::new().simulated(seed)
    }

    /// The scheduler's handle on this runtime.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.scheduler.handle()
    }

    /// The simulator, if this is a simulated runtime.
    #[must_use]
    pub fn simulation(&self) -> Option<Simulation<'_>> {
        self.scheduler.simulation()
    }

    /// Runs a future as a process and waits for its value. Everything that works in a process
    /// works in it.
    ///
    /// # Panics
    ///
    /// If the process ends without a value: by a panic of its own, or by an exit signal. The text
    /// says why. See [`run`](Self::run) for a version that returns the reason. Panics as well
    /// inside a process: a worker must not wait for its own work.
    ///
    /// ```
    /// use rekindle_actor::{Runtime, Task};
    ///
    /// let runtime = Runtime::new()?;
    /// let sum = runtime.block_on(async {
    ///     Task::await_many((1..=3).map(|n| Task::spawn(async move { n * n }))).await
    /// });
    /// assert_eq!(sum, Ok(vec![1, 4, 9]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.run(future) {
            Ok(value) => value,
            Err(reason) => panic!("the main process ended without a value: {reason}"),
        }
    }

    /// As [`block_on`](Self::block_on), but gives the reason of a process that ended without a
    /// value.
    ///
    /// # Errors
    ///
    /// The exit reason of the process.
    ///
    /// ```
    /// use rekindle_actor::{ExitReason, Runtime, exit, self_pid, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// assert_eq!(runtime.run(async { 7 }), Ok(7));
    /// let ended = runtime.run(async {
    ///     exit(self_pid(), ExitReason::Shutdown);
    ///     sleep(Duration::from_secs(60)).await;
    /// });
    /// assert_eq!(ended, Err(ExitReason::Shutdown));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ExitReason> {
        let waiting = spawn::main_process(self.handle(), future);
        self.scheduler.block_on(waiting)
    }

    /// Stops at once: kills every process, joins every thread.
    ///
    /// ```
    /// use rekindle_actor::{Runtime, sleep, spawn};
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// let held = Arc::new(());
    /// let holds = held.clone();
    /// runtime.block_on(async {
    ///     spawn(async move {
    ///         sleep(Duration::from_secs(3600)).await;
    ///         drop(holds);
    ///     });
    /// });
    /// runtime.shutdown();
    /// assert_eq!(Arc::strong_count(&held), 1, "the process is gone, and what it held");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(system) = System::of(self.scheduler.handle()) {
            system.detours.clear();
        }
        // Before the end as well, in case a thread that is stuck holds it up.
        self.last_words.0.flush();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("node", &self.known)
            .finish_non_exhaustive()
    }
}
