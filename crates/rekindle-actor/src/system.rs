//! A runtime with processes: the scheduler's, and what the processes of one runtime share.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rekindle_scheduler::{self as scheduler, Handle, Simulation};

use crate::exit::ExitReason;
use crate::groups::Tables;
use crate::names::Names;
use crate::report::Reports;
use crate::runtimes::Known;
use crate::spawn;
use crate::unwind;

/// What the processes of one runtime share.
#[derive(Debug, Default)]
pub(crate) struct System {
    pub(crate) names: Names,
    pub(crate) reports: Reports,
    pub(crate) tables: Tables,
}

impl System {
    pub(crate) fn of(handle: &Handle) -> Option<&System> {
        handle.extension::<System>()
    }
}

/// Settings for a [`Runtime`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder(scheduler::Builder);

impl Default for Builder {
    fn default() -> Self {
        Builder::new()
    }
}

impl Builder {
    /// The defaults: a worker per processor, a worker counts as stuck after 10 ms.
    pub fn new() -> Builder {
        Builder(scheduler::Builder::new().extension(Arc::new(System::default())))
    }

    /// How many workers run processes; the default is one per processor.
    pub fn workers(self, workers: usize) -> Builder {
        Builder(self.0.workers(workers))
    }

    /// How the threads are named, before a number; the default is `rekindle`.
    pub fn thread_name(self, name: impl Into<String>) -> Builder {
        Builder(self.0.thread_name(name))
    }

    /// How long one poll may take before its worker is replaced and the culprit is named in the
    /// log; the default is 10 ms.
    pub fn stuck_after(self, limit: Duration) -> Builder {
        Builder(self.0.stuck_after(limit))
    }

    /// How many threads [`blocking`](crate::blocking) may use at once; the default is 512.
    pub fn blocking_threads(self, threads: usize) -> Builder {
        Builder(self.0.blocking_threads(threads))
    }

    /// Does `f` at the start of each worker thread.
    pub fn on_worker_start(self, f: impl Fn() + Send + Sync + 'static) -> Builder {
        Builder(self.0.on_worker_start(f))
    }

    /// Does `f` at the end of each worker thread.
    pub fn on_worker_stop(self, f: impl Fn() + Send + Sync + 'static) -> Builder {
        Builder(self.0.on_worker_stop(f))
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense (the text says which), or the system gives no thread.
    pub fn start(self) -> io::Result<Runtime> {
        unwind::install_hook();
        Ok(Runtime::over(self.0.start()?))
    }

    /// Makes a runtime that runs on the calling thread, in virtual time, in an order drawn from
    /// `seed`: the same seed gives the same run.
    #[must_use]
    pub fn simulated(self, seed: u64) -> Runtime {
        unwind::install_hook();
        Runtime::over(self.0.simulated(seed))
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
}

impl Runtime {
    fn over(scheduler: scheduler::Runtime) -> Runtime {
        Runtime {
            known: Known::new(scheduler.handle().clone()),
            scheduler,
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
    #[track_caller]
    pub fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ExitReason> {
        let waiting = spawn::main_process(self.handle(), future);
        self.scheduler.block_on(waiting)
    }

    /// Stops at once: kills every process, joins every thread.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(system) = System::of(self.scheduler.handle()) {
            system.reports.flush();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("node", &self.known)
            .finish_non_exhaustive()
    }
}
