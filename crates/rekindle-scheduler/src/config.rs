//! How a runtime is set up.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::around::Around;
use crate::blocking::BlockingPool;
use crate::core::{Core, Kind, Parts};
use crate::pool::{Hook, Pool, Settings};
use crate::random::SharedRandom;
use crate::runtime::Runtime;
use crate::sim::{Exploration, Sim};
use crate::sync::prepare_barriers;
use crate::time::Time;
use crate::time::clock::Clock;

/// Turns longer than this are named in the log, and their worker's other tasks move on.
const STUCK_AFTER: Duration = Duration::from_millis(10);
/// Threads beyond the workers that may exist because workers are stuck.
const EXTRA_THREADS: usize = 256;
/// Threads for blocking calls.
const BLOCKING_THREADS: usize = 512;

/// Sets up a [`Runtime`].
///
/// ```
/// use rekindle_scheduler::Builder;
///
/// let runtime = Builder::new().workers(2).thread_name("shop").start()?;
/// assert_eq!(runtime.handle().worker_count(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a builder does nothing until `start` or `simulated`"]
pub struct Builder {
    workers: Option<usize>,
    thread_name: String,
    stuck_after: Duration,
    max_threads: Option<usize>,
    blocking_threads: usize,
    extension: Option<Arc<dyn Any + Send + Sync>>,
    on_worker_start: Option<Hook>,
    on_worker_stop: Option<Hook>,
    around_threads: Option<Around>,
    /// What the clock reads at the start.
    epoch: Time,
    exploration: Exploration,
}

impl Builder {
    /// The defaults, each given at its method.
    pub fn new() -> Builder {
        Builder {
            workers: None,
            thread_name: "rekindle".to_owned(),
            stuck_after: STUCK_AFTER,
            max_threads: None,
            blocking_threads: BLOCKING_THREADS,
            extension: None,
            on_worker_start: None,
            on_worker_stop: None,
            around_threads: None,
            epoch: Time::ZERO,
            exploration: Exploration::Random,
        }
    }

    /// How many tasks are polled at the same time. Default: what the system says it can run in
    /// parallel.
    pub fn workers(mut self, workers: usize) -> Builder {
        self.workers = Some(workers);
        self
    }

    /// What the threads are called, before a number. Default: `rekindle`.
    ///
    /// ```
    /// let runtime = rekindle_scheduler::Builder::new().workers(1).thread_name("shop").start()?;
    /// let task = runtime.handle().spawn(async {
    ///     std::thread::current().name().map(str::to_owned)
    /// });
    /// let name = runtime.block_on(task).unwrap().unwrap();
    /// assert!(name.starts_with("shop"), "{name}"); // as a debugger, `top` and panics show it
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_name(mut self, name: impl Into<String>) -> Builder {
        self.thread_name = name.into();
        self
    }

    /// How long one poll may last before the log names it and another thread takes the rest of
    /// the worker's tasks. Default: 10 ms. It is looked at every 2 ms.
    pub fn stuck_after(mut self, limit: Duration) -> Builder {
        self.stuck_after = limit;
        self
    }

    /// How many threads workers may take up, counting those that are stuck. Default: 256 more
    /// than workers.
    ///
    /// ```
    /// use rekindle_scheduler::Builder;
    ///
    /// // Four workers, and at most four more threads to take the places of stuck ones.
    /// let runtime = Builder::new().workers(4).max_threads(8).start()?;
    /// # drop(runtime);
    /// let error = Builder::new().workers(4).max_threads(2).start().unwrap_err();
    /// assert!(error.to_string().contains("`max_threads`"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn max_threads(mut self, threads: usize) -> Builder {
        self.max_threads = Some(threads);
        self
    }

    /// How many [`blocking`](fn@crate::blocking) calls may run at the same time. Default: 512.
    ///
    /// ```
    /// use rekindle_scheduler::{Builder, blocking};
    /// use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    ///
    /// static AT_ONCE: AtomicU32 = AtomicU32::new(0);
    /// let runtime = Builder::new().blocking_threads(1).start()?;
    /// runtime.block_on(async {
    ///     // A library that must not be called twice at a time. The others wait for the one thread.
    ///     let calls = [(); 5].map(|()| blocking(|| {
    ///         assert_eq!(AT_ONCE.fetch_add(1, SeqCst), 0);
    ///         AT_ONCE.fetch_sub(1, SeqCst);
    ///     }));
    ///     for call in calls {
    ///         assert_eq!(call.await, Ok(()));
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn blocking_threads(mut self, threads: usize) -> Builder {
        self.blocking_threads = threads;
        self
    }

    /// Something of the layer above that lives as long as the runtime;
    /// [`Handle::extension`](crate::Handle::extension) finds it.
    ///
    /// ```
    /// use rekindle_scheduler::{Builder, with_handle};
    /// use std::sync::Arc;
    ///
    /// struct Settings { page: usize }
    ///
    /// let runtime = Builder::new().extension(Arc::new(Settings { page: 50 })).simulated(1);
    /// let page = || with_handle(|handle| handle?.extension::<Settings>().map(|found| found.page));
    /// assert_eq!(runtime.block_on(async move { page() }), Some(50));
    /// ```
    pub fn extension(mut self, extension: Arc<dyn Any + Send + Sync>) -> Builder {
        self.extension = Some(extension);
        self
    }

    /// Called by every thread that runs tasks, before its first. Spare threads count too.
    ///
    /// ```
    /// use rekindle_scheduler::Builder;
    /// use std::cell::Cell;
    ///
    /// thread_local!(static SCRATCH: Cell<usize> = const { Cell::new(0) });
    ///
    /// let runtime = Builder::new().workers(1).on_worker_start(|| SCRATCH.set(4096)).start()?;
    /// let task = runtime.handle().spawn(async { SCRATCH.get() });
    /// assert_eq!(runtime.block_on(task).unwrap(), 4096);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_worker_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.on_worker_start = Some(Arc::new(hook));
        self
    }

    /// Called by every thread that ran tasks, after its last.
    ///
    /// ```
    /// use rekindle_scheduler::Builder;
    /// use std::sync::mpsc::channel;
    ///
    /// let (say, said) = channel();
    /// let runtime = Builder::new().workers(2).on_worker_stop(move || say.send("bye").unwrap()).start()?;
    /// drop(runtime); // waits for its threads
    /// assert!(said.iter().count() >= 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_worker_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.on_worker_stop = Some(Arc::new(hook));
        self
    }

    /// Wraps the life of every thread that runs the user's code: workers, spare ones among them,
    /// threads for blocking calls, and whoever calls
    /// [`Runtime::block_on`](crate::Runtime::block_on) or drops the runtime. `around` is given the
    /// life and calls it, once; so it can hold a guard on its own stack meanwhile, which no hook
    /// at the start of a thread can. A simulation has no threads and does not use it.
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// thread_local!(static REGION: Cell<u32> = const { Cell::new(0) });
    ///
    /// let runtime = rekindle_scheduler::Builder::new()
    ///     .around_threads(|life| {
    ///         REGION.set(7);
    ///         life();
    ///         REGION.set(0);
    ///     })
    ///     .start()?;
    /// assert_eq!(runtime.block_on(async { REGION.get() }), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn around_threads(
        mut self,
        around: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
    ) -> Builder {
        self.around_threads = Some(Arc::new(around));
        self
    }

    /// How a simulated runtime picks what happens next. Default: at random. It means nothing to a
    /// runtime with threads.
    pub fn exploration(mut self, exploration: Exploration) -> Builder {
        self.exploration = exploration;
        self
    }

    /// What the clock reads at the start, for tests of its end. Default: zero.
    #[doc(hidden)]
    pub fn epoch(mut self, epoch: Time) -> Builder {
        self.epoch = epoch;
        self
    }

    /// Starts the runtime's threads.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a setting makes no sense, whatever the system says if it gives no thread, and
    /// `Other` if 65,536 runtimes live in this program already.
    ///
    /// ```
    /// use rekindle_scheduler::Builder;
    /// use std::io::ErrorKind;
    ///
    /// let runtime = Builder::new().workers(2).start()?;
    /// assert!(!runtime.handle().is_simulated());
    /// assert_eq!(Builder::new().workers(0).start().unwrap_err().kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start(self) -> io::Result<Runtime> {
        let workers = match self.workers {
            Some(workers) => workers,
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let max_threads = self
            .max_threads
            .unwrap_or(workers.saturating_add(EXTRA_THREADS));
        if workers == 0 {
            return invalid("a runtime needs at least one worker; `workers(0)` would run nothing");
        }
        if workers > u16::MAX as usize {
            return invalid("a runtime has at most 65,535 workers");
        }
        if max_threads < workers {
            return invalid("`max_threads` must be at least the number of workers");
        }
        if cfg!(panic = "abort") {
            crate::log_guarded(|| {
                log::error!(
                    "this program is built with `panic = \"abort\"`: the first panic of any task ends \
                 all of it, and no task is isolated from another"
                )
            });
        }
        prepare_barriers();
        let blocking_name = format!("{}-blocking", self.thread_name);
        let around = self.around_threads;
        let core = Core::start(Parts {
            clock: Clock::machine(self.epoch),
            random: SharedRandom::from_entropy(),
            blocking: BlockingPool::around(&blocking_name, self.blocking_threads, around.clone()),
            extension: self.extension,
            around,
            seats: workers,
            kind: Kind::Pool(Pool::new(Settings {
                workers,
                thread_name: self.thread_name,
                stuck_after: self.stuck_after,
                max_threads,
                on_start: self.on_worker_start,
                on_stop: self.on_worker_stop,
            })),
        })?;
        // From here on an error drops the runtime, which ends the threads that did start.
        let runtime = Runtime::of(core);
        if let Kind::Pool(pool) = runtime.core().kind() {
            pool.start(runtime.core())?;
        }
        Ok(runtime)
    }

    /// A runtime without threads, whose every choice follows from the seed; see
    /// [`Runtime::simulated`]. Settings about threads mean nothing to it.
    ///
    /// ```
    /// use rekindle_scheduler::{Builder, yield_now};
    ///
    /// let way = |seed| {
    ///     let runtime = Builder::new().simulated(seed);
    ///     for _ in 0..10 {
    ///         drop(runtime.handle().spawn(yield_now()));
    ///     }
    ///     runtime.simulation().unwrap().run_until_idle();
    ///     runtime.simulation().unwrap().trace_hash()
    /// };
    /// assert_eq!(way(1), way(1));
    /// assert_ne!(way(1), way(2));
    /// ```
    ///
    /// # Panics
    ///
    /// If 65,536 runtimes live in this program already.
    #[must_use]
    pub fn simulated(self, seed: u64) -> Runtime {
        let core = Core::start(Parts {
            clock: Clock::simulated(self.epoch),
            random: SharedRandom::seeded(seed),
            blocking: BlockingPool::new(&self.thread_name, 1),
            extension: self.extension,
            around: None,
            seats: 1,
            kind: Kind::Sim(Sim::new(seed, self.exploration)),
        });
        match core {
            Ok(core) => Runtime::of(core),
            Err(full) => panic!("{full}"),
        }
    }
}

fn invalid<T>(text: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("thread_name", &self.thread_name)
            .field("stuck_after", &self.stuck_after)
            .field("max_threads", &self.max_threads)
            .field("blocking_threads", &self.blocking_threads)
            .finish_non_exhaustive()
    }
}
