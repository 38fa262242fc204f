//! What a runtime has done so far, in numbers.
//!
//! Every worker counts for itself, with plain stores into its own lines, and a reader adds up. So
//! the numbers cost next to nothing, and they are not a snapshot of one moment: while the runtime
//! runs, one may be ahead of another.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one runtime since its start.
///
/// ```
/// use rekindle_scheduler::Runtime;
///
/// let runtime = Runtime::simulated(1);
/// for _ in 0..10 {
///     drop(runtime.handle().spawn(async {}));
/// }
/// drop(runtime.handle().spawn(std::future::pending::<()>()));
/// runtime.simulation().unwrap().run_until_idle();
/// let metrics = runtime.handle().metrics();
/// assert_eq!((metrics.spawned, metrics.finished), (11, 10));
/// assert_eq!(metrics.alive(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Workers that run at once; 1 in a simulation.
    pub workers: usize,
    /// Threads that were ever given to workers: more than `workers` once one was stuck.
    pub worker_threads: usize,
    /// Threads for blocking calls that exist now.
    pub blocking_threads: usize,
    /// Tasks started.
    pub spawned: u64,
    /// Tasks that came to their end, in whatever way.
    pub finished: u64,
    /// Turns given to tasks, and rounds in which a worker fired timers.
    pub polls: u64,
    /// Times a worker took work from another.
    pub steals: u64,
    /// Times a worker went to sleep.
    pub sleeps: u64,
    /// Workers that lost their seat because they were stuck in one poll.
    pub retired: u64,
    /// Timers that run now.
    pub timers: usize,
    /// Entries in the common queue now.
    pub injected: usize,
}

impl Metrics {
    /// Tasks that were started and have not come to their end.
    #[must_use]
    pub fn alive(&self) -> u64 {
        self.spawned.saturating_sub(self.finished)
    }
}

/// A number that one thread writes and any may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds; only the owner calls this.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        // A load and a store, not a read-modify-write: there is one writer.
        self.0
            .store(self.0.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    }

    /// Adds; anybody may call this, if nobody calls `add`.
    pub(crate) fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
