//! Blocking calls: functions that wait in the operating system, on threads that have nothing else
//! to do.
//!
//! A worker that waits runs no task. The monitor gets the other tasks out from behind it, but that
//! takes milliseconds and a line in the log; a call that is *known* to block is better made here.
//! The threads are the pool's own, not the workers' spare ones: there may be hundreds, and each
//! holds just one call.
//!
//! | word   | meaning                                                              |
//! |--------|----------------------------------------------------------------------|
//! | job    | the function together with the way back for its result               |
//! | idle   | a thread that waits for a job; after ten seconds without one it ends |
//! | future | the [`Blocking`] that waits for the result                           |
//!
//! What can become of a job, and what its future says:
//!
//! | the job                                  | future kept           | future dropped              |
//! |------------------------------------------|-----------------------|-----------------------------|
//! | returns                                  | `Ok(result)`          | its thread drops the result |
//! | panics                                   | `Err(Panicked(text))` | the panic is logged         |
//! | was not begun when the runtime shut down | `Err(Shutdown)`       | nothing                     |
//!
//! A process that is killed while it waits here dies at once: only its future is dropped. The job
//! goes on, because no thread can be stopped from outside.
//!
//! Invariants
//! 1. While jobs wait, there are at least as many idle threads, or every allowed thread exists, or
//!    the system gave no more. An idle thread looks at the queue before it ends. Hence a job that
//!    waits is taken: by one of those that it can count on, or by the first that is done with its
//!    own.
//! 2. Nothing of the user's (a job, a result, a waker) is called, cloned or dropped with a lock of
//!    this module held.
//! 3. The handle of every thread that was started and not joined is in `Locked`, so shutdown joins
//!    them all.
//! 4. A job completes its slot exactly once: with its result, or as `Shutdown` if it is dropped
//!    instead.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::around::{Around, within};
use crate::time::panic_text;

/// How long a thread waits for another job. Long enough that a program that makes one call a second
/// keeps its thread; short enough that the stacks of a burst do not stay.
const KEEP_IDLE: Duration = Duration::from_secs(10);

/// A blocking call with the way back for its result. To drop it tells its future of the shutdown.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Waits for the result of a blocking call.
///
/// To drop it does not stop the call, which nothing can; its result is dropped when there is one.
///
/// ```
/// use rekindle_scheduler::{Blocking, Runtime, blocking};
///
/// let runtime = Runtime::new()?;
/// let file = runtime.block_on(async {
///     // Both are under way; each has a thread that it may hold up.
///     let file: Blocking<_> = blocking(|| std::fs::read_to_string("Cargo.toml"));
///     let sum: Blocking<u64> = blocking(|| (1..=1000).sum());
///     assert_eq!(sum.await, Ok(500_500));
///     file.await.expect("the function does not panic")
/// })?;
/// assert!(file.contains("rekindle-scheduler"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a future does nothing unless awaited; the call itself goes on either way"]
pub struct Blocking<T> {
    slot: Arc<Slot<T>>,
}

/// Why a blocking call has no result.
///
/// ```
/// use rekindle_scheduler::{BlockingError, Runtime, block_on, blocking};
///
/// let runtime = Runtime::simulated(1);
/// let failed = runtime.block_on(async { blocking(|| "x".parse::<u32>().expect("a number")).await });
/// match failed {
///     Err(BlockingError::Panicked(text)) => assert!(text.starts_with("a number")),
///     other => panic!("{other:?} of a text that is no number"),
/// }
///
/// let handle = runtime.handle().clone();
/// runtime.shutdown();
/// assert_eq!(block_on(handle.blocking(|| 7)), Err(BlockingError::Shutdown));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockingError {
    /// The function panicked, with this text. It had whatever effect it had until then.
    Panicked(String),
    /// The runtime shut down before the function was begun. It had no effect.
    Shutdown,
}

/// The threads of one runtime that may block. None exists until a job needs one.
pub(crate) struct BlockingPool {
    shared: Arc<Shared>,
}

struct Shared {
    /// What threads are called, before their number.
    name: String,
    /// How many threads may exist at once.
    limit: usize,
    /// How long a thread waits for another job before it ends.
    keep_idle: Duration,
    /// What every thread is wrapped in.
    around: Option<Around>,
    locked: Mutex<Locked>,
    /// Told once for each job that an idle thread can take, and to all at shutdown.
    work: Condvar,
}

#[derive(Default)]
struct Locked {
    /// Jobs that no thread has begun, oldest first.
    queue: VecDeque<Job>,
    /// How many threads wait on `work`, counting those that were told and have not got the lock
    /// yet.
    idle: usize,
    /// Threads that run, by number.
    threads: HashMap<u64, JoinHandle<()>>,
    /// The thread that ended last; the next one that ends joins it (invariant 3).
    ended: Option<JoinHandle<()>>,
    /// How many threads were ever started.
    started: u64,
    /// Set by shutdown, never cleared.
    stopping: bool,
}

/// What `run` has to do once the lock is released.
#[must_use]
enum Admission {
    /// A thread will take the job.
    Taken,
    /// The pool is shut down: drop the job.
    Refused(Job),
    /// There is no thread, and the system refuses to start one: run the job here.
    RunHere(Job),
}

impl BlockingPool {
    /// A pool of at most `limit` threads (at least one), named `name` and a number.
    pub(crate) fn new(name: &str, limit: usize) -> BlockingPool {
        BlockingPool::around(name, limit, None)
    }

    /// As [`new`](Self::new); every thread lives inside of `around`, if there is one.
    pub(crate) fn around(name: &str, limit: usize, around: Option<Around>) -> BlockingPool {
        BlockingPool::keeping_idle(name, limit, KEEP_IDLE, around)
    }

    fn keeping_idle(
        name: &str,
        limit: usize,
        keep_idle: Duration,
        around: Option<Around>,
    ) -> BlockingPool {
        BlockingPool {
            shared: Arc::new(Shared {
                name: name.to_owned(),
                limit: limit.max(1),
                keep_idle,
                around,
                locked: Mutex::new(Locked::default()),
                work: Condvar::new(),
            }),
        }
    }

    /// Has a thread run the job; jobs beyond the limit wait their turn. After shutdown the job is
    /// dropped.
    ///
    /// If the system gives no thread at all, the job runs on the calling thread: late is better
    /// than never, and the monitor treats the caller like any other that blocks.
    pub(crate) fn run(&self, job: Job) {
        let admission = Shared::admit(&self.shared, &mut self.shared.locked.lock(), job);
        match admission {
            Admission::Taken => {}
            Admission::Refused(job) => guarded(move || drop(job)),
            Admission::RunHere(job) => guarded(job),
        }
    }

    /// Drops the jobs that were not begun, and returns when the others have returned and all
    /// threads ended.
    ///
    /// A thread of this pool that calls it (a runtime dropped by a job) is not waited for; it ends
    /// when its job does.
    pub(crate) fn shutdown(&self) {
        let (queue, threads) = {
            let mut locked = self.shared.locked.lock();
            locked.stopping = true;
            let queue = std::mem::take(&mut locked.queue);
            let mut threads: Vec<_> = locked.threads.drain().map(|(_, thread)| thread).collect();
            threads.extend(locked.ended.take());
            self.shared.work.notify_all();
            (queue, threads)
        };
        for job in queue {
            guarded(move || drop(job));
        }
        for thread in threads {
            join(thread);
        }
    }

    /// How many threads exist now.
    pub(crate) fn thread_count(&self) -> usize {
        self.shared.locked.lock().threads.len()
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Shared {
    /// Decides who runs the job. Starting a thread happens under the lock, so that shutdown misses
    /// none.
    fn admit(this: &Arc<Shared>, locked: &mut Locked, job: Job) -> Admission {
        if locked.stopping {
            return Admission::Refused(job);
        }
        locked.queue.push_back(job);
        if locked.queue.len() <= locked.idle {
            this.work.notify_one();
            return Admission::Taken;
        }
        if locked.threads.len() >= this.limit {
            return Admission::Taken;
        }
        match Shared::start_thread(this, locked) {
            Ok(()) => Admission::Taken,
            Err(error) => {
                crate::log_guarded(|| log::error!("no thread for a blocking call: {error}"));
                match locked.threads.is_empty() {
                    // Nobody else was there to leave another job behind, so the last is ours.
                    true => locked
                        .queue
                        .pop_back()
                        .map_or(Admission::Taken, Admission::RunHere),
                    false => Admission::Taken,
                }
            }
        }
    }

    fn start_thread(this: &Arc<Shared>, locked: &mut Locked) -> std::io::Result<()> {
        let number = locked.started;
        let shared = Arc::clone(this);
        let thread = thread::Builder::new()
            .name(format!("{}-{number}", this.name))
            .spawn(move || within(shared.around.as_ref(), || shared.thread_main(number)))?;
        locked.started += 1;
        locked.threads.insert(number, thread);
        Ok(())
    }

    /// The life of a thread: jobs, until there was none for a while or the runtime shuts down.
    fn thread_main(&self, number: u64) {
        let previous = loop {
            match self.next(number) {
                Next::Run(job) => guarded(job),
                Next::End { previous } => break previous,
            }
        };
        if let Some(previous) = previous {
            join(previous);
        }
    }

    /// Waits for a job. The end of the thread is decided and noted under one lock, so that no job
    /// counts on a thread that has made up its mind (invariant 1).
    fn next(&self, number: u64) -> Next {
        let mut locked = self.locked.lock();
        let until = Instant::now() + self.keep_idle;
        let mut timed_out = false;
        loop {
            // The queue first, whatever woke us.
            if let Some(job) = locked.queue.pop_front() {
                return Next::Run(job);
            }
            if timed_out || locked.stopping {
                return locked.end(number);
            }
            locked.idle += 1;
            timed_out = self.work.wait_until(&mut locked, until).timed_out();
            locked.idle -= 1;
        }
    }
}

/// What a thread does next.
enum Next {
    Run(Job),
    /// End, and join the thread that ended before.
    End {
        previous: Option<JoinHandle<()>>,
    },
}

impl Locked {
    /// Takes a thread off the list of those that take jobs.
    fn end(&mut self, number: u64) -> Next {
        // If shutdown came first it has taken our handle, and the one of who ended before, and
        // joins both.
        let previous = match self.threads.remove(&number) {
            Some(own) => self.ended.replace(own),
            None => None,
        };
        Next::End { previous }
    }
}

/// Joins a thread of a pool, unless it is this one.
fn join(thread: JoinHandle<()>) {
    if thread.thread().id() == thread::current().id() {
        return;
    }
    // Its body catches what jobs throw.
    if thread.join().is_err() {
        crate::log_guarded(|| log::error!("a thread for blocking calls ended by a panic"));
    }
}

/// Runs what is the user's to the end; a panic in it (say in the destructor of a result) is only
/// logged.
fn guarded(function: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(function)) {
        crate::log_guarded(|| {
            log::error!(
                "a blocking call's destructor or waker panicked: {}",
                panic_text(payload)
            )
        });
    }
}

/// Splits a blocking call in two: the job, to be run somewhere or dropped, and the future of its
/// result.
///
/// Who runs the job is the caller's choice: a [`BlockingPool`], or a simulation as a step of its
/// own.
pub(crate) fn split<T, F>(function: F) -> (Job, Blocking<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let slot = Arc::new(Slot {
        state: Mutex::new(State::Waiting(None)),
    });
    let promise = Promise {
        slot: Some(Arc::clone(&slot)),
    };
    let job = Box::new(move || {
        let outcome = catch_unwind(AssertUnwindSafe(function));
        promise.keep(outcome);
    });
    (job, Blocking { slot })
}

/// Where the result changes hands.
struct Slot<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    /// The job has not completed; the future's waker, once it was polled.
    Waiting(Option<Waker>),
    /// The result, for the future to take.
    Completed(Result<T, BlockingError>),
    /// The future has taken the result, or was dropped.
    Closed,
}

impl<T> Slot<T> {
    /// Puts the result in; gives it back if nobody waits for it any more.
    fn complete(&self, result: Result<T, BlockingError>) -> Option<Result<T, BlockingError>> {
        let waker = {
            let mut state = self.state.lock();
            match &mut *state {
                State::Waiting(waker) => {
                    let waker = waker.take();
                    *state = State::Completed(result);
                    waker
                }
                State::Completed(_) | State::Closed => return Some(result),
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }
}

/// The job's duty to complete the slot (invariant 4).
struct Promise<T> {
    /// Present until the slot was completed.
    slot: Option<Arc<Slot<T>>>,
}

impl<T> Promise<T> {
    fn keep(mut self, outcome: Result<T, Box<dyn Any + Send>>) {
        let Some(slot) = self.slot.take() else { return };
        let result = outcome.map_err(|payload| BlockingError::Panicked(panic_text(payload)));
        // Whoever awaits a panic hears of it; if nobody does, the log must say it.
        if let Some(Err(BlockingError::Panicked(text))) = slot.complete(result) {
            crate::log_guarded(|| {
                log::error!("a blocking call that nobody waits for panicked: {text}")
            });
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            // Refused by a future that is gone: an error without content, nothing to be told.
            let _ = slot.complete(Err(BlockingError::Shutdown));
        }
    }
}

impl<T> Future for Blocking<T> {
    type Output = Result<T, BlockingError>;

    /// # Panics
    ///
    /// When polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The waker is cloned before the lock is taken and dropped after (invariant 2), hence two
        // rounds.
        let mut spare: Option<Waker> = None;
        loop {
            let replaced = {
                let mut state = self.slot.state.lock();
                match &mut *state {
                    State::Completed(_) => {
                        let State::Completed(result) =
                            std::mem::replace(&mut *state, State::Closed)
                        else {
                            unreachable!("matched above, under the same lock");
                        };
                        drop(state);
                        return Poll::Ready(result);
                    }
                    State::Closed => panic!("a `Blocking` was polled after it was ready"),
                    State::Waiting(Some(waker)) if waker.will_wake(context.waker()) => {
                        return Poll::Pending;
                    }
                    State::Waiting(waker) => spare.take().map(|spare| waker.replace(spare)),
                }
            };
            match replaced {
                Some(_old) => return Poll::Pending,
                None => spare = Some(context.waker().clone()),
            }
        }
    }
}

impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        let last = std::mem::replace(&mut *self.slot.state.lock(), State::Closed);
        // A result or a waker: the user's, so outside the lock.
        drop(last);
    }
}

impl<T> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.slot.state.lock() {
            State::Waiting(_) => "waiting",
            State::Completed(_) => "completed",
            State::Closed => "closed",
        };
        f.debug_struct("Blocking").field("state", &state).finish()
    }
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = self.shared.locked.lock();
        f.debug_struct("BlockingPool")
            .field("limit", &self.shared.limit)
            .field("threads", &locked.threads.len())
            .field("idle", &locked.idle)
            .field("waiting", &locked.queue.len())
            .field("stopping", &locked.stopping)
            .finish()
    }
}

impl fmt::Display for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockingError::Panicked(text) => write!(f, "the blocking call panicked: {text}"),
            BlockingError::Shutdown => {
                f.write_str("the runtime shut down before the blocking call was begun")
            }
        }
    }
}

impl std::error::Error for BlockingError {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::mpsc;
    use std::task::Wake;

    use super::*;

    /// Longer than any of these tests waits when all is well.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Wakes the thread that waits in `wait_for`.
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn wait_for<T>(mut future: Blocking<T>) -> Result<T, BlockingError> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut future).poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread::park(),
            }
        }
    }

    fn poll_once<T>(future: &mut Blocking<T>, waker: &Waker) -> Poll<Result<T, BlockingError>> {
        Pin::new(future).poll(&mut Context::from_waker(waker))
    }

    fn submit<T: Send + 'static>(
        pool: &BlockingPool,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> Blocking<T> {
        let (job, future) = split(function);
        pool.run(job);
        future
    }

    /// A job that stays on its thread until the sender is used or dropped.
    fn occupy(pool: &BlockingPool) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        drop(submit(pool, move || {
            let _ = begun.send(());
            let _ = released.recv();
        }));
        has_begun.recv_timeout(PATIENCE).unwrap();
        release
    }

    /// Tells where it was dropped.
    struct Witness(mpsc::Sender<thread::ThreadId>);

    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }

    #[test]
    fn smoke() {
        let pool = BlockingPool::new("smoke", 4);
        assert_eq!(pool.thread_count(), 0);
        let name = wait_for(submit(&pool, || {
            thread::current().name().map(str::to_owned)
        }));
        assert_eq!(name.unwrap().as_deref(), Some("smoke-0"));
        assert_eq!(pool.thread_count(), 1);
    }

    #[test]
    fn stampede() {
        let pool = BlockingPool::new("stampede", 4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let futures: Vec<_> = (0..250).map(|i| submit(&pool, move || i)).collect();
                    for (i, future) in futures.into_iter().enumerate() {
                        assert_eq!(wait_for(future), Ok(i));
                    }
                });
            }
        });
        assert!(pool.thread_count() <= 4);
    }

    #[test]
    fn jobs_beyond_the_limit_wait_their_turn() {
        let pool = BlockingPool::new("limit", 2);
        let (first, second) = (occupy(&pool), occupy(&pool));
        let mut third = submit(&pool, || 3);
        assert_eq!(poll_once(&mut third, Waker::noop()), Poll::Pending);
        assert_eq!(pool.thread_count(), 2);
        drop(first);
        assert_eq!(wait_for(third), Ok(3));
        drop(second);
    }

    #[test]
    fn panic_is_reported_with_its_text_and_the_thread_goes_on() {
        let pool = BlockingPool::new("panic", 1);
        let outcome = wait_for(submit(&pool, || panic!("on {}", "purpose")));
        assert_eq!(
            outcome,
            Err::<(), _>(BlockingError::Panicked("on purpose".to_owned()))
        );
        assert_eq!(wait_for(submit(&pool, || 7)), Ok(7));
        assert_eq!(pool.thread_count(), 1);
    }

    #[test]
    fn dropped_future_leaves_the_result_to_the_jobs_thread() {
        let pool = BlockingPool::new("detach", 1);
        let (sender, dropped_on) = mpsc::channel();
        let (thread_sender, thread_of_job) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let future = submit(&pool, move || {
            let _ = released.recv();
            let _ = thread_sender.send(thread::current().id());
            Witness(sender)
        });
        drop(future);
        drop(release);
        assert_eq!(
            dropped_on.recv_timeout(PATIENCE).unwrap(),
            thread_of_job.recv_timeout(PATIENCE).unwrap()
        );
    }

    #[test]
    fn destructors() {
        // A result whose destructor panics, on the job's thread, costs nobody else anything.
        struct Grenade;
        impl Drop for Grenade {
            fn drop(&mut self) {
                panic!("on purpose, from drop");
            }
        }
        let pool = BlockingPool::new("grenade", 1);
        let release = occupy(&pool);
        drop(submit(&pool, || Grenade));
        let after = submit(&pool, || 1);
        drop(release);
        assert_eq!(wait_for(after), Ok(1));
    }

    #[test]
    fn shutdown_drops_what_waits_and_joins_what_runs() {
        let pool = BlockingPool::new("shutdown", 1);
        let finished = Arc::new(AtomicUsize::new(0));
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let running = submit(&pool, {
            let finished = Arc::clone(&finished);
            move || {
                begun.send(()).unwrap();
                let _ = released.recv();
                finished.fetch_add(1, SeqCst)
            }
        });
        has_begun.recv_timeout(PATIENCE).unwrap();
        let waiting = submit(&pool, || {
            unreachable!("the only thread is busy until shutdown")
        });
        thread::scope(|scope| {
            scope.spawn(|| pool.shutdown());
            assert_eq!(wait_for(waiting), Err::<(), _>(BlockingError::Shutdown));
            drop(release);
        });
        assert_eq!(finished.load(SeqCst), 1);
        assert_eq!(wait_for(running), Ok(0));
        assert_eq!(pool.thread_count(), 0);
        assert_eq!(wait_for(submit(&pool, || 1)), Err(BlockingError::Shutdown));
        pool.shutdown();
    }

    #[test]
    fn shutdown_from_a_job_does_not_wait_for_itself() {
        let pool = Arc::new(BlockingPool::new("inside", 2));
        let outcome = wait_for(submit(&pool, {
            let pool = Arc::clone(&pool);
            move || pool.shutdown()
        }));
        assert_eq!(outcome, Ok(()));
    }

    #[test]
    fn no_job_is_stranded_by_threads_that_end() {
        // Threads end at once when there is nothing to do, so jobs come while they make up their
        // minds.
        let pool = BlockingPool::keeping_idle("fleeting", 1, Duration::ZERO, None);
        for i in 0..500 {
            assert_eq!(wait_for(submit(&pool, move || i)), Ok(i));
        }
    }

    #[test]
    fn a_thread_whose_time_is_up_takes_the_job_that_counts_on_it() {
        let keep_idle = Duration::from_millis(50);
        let pool = BlockingPool::keeping_idle("late", 1, keep_idle, None);
        let mut counted_on = 0;
        while counted_on < 3 {
            assert_eq!(wait_for(submit(&pool, || 1)), Ok(1));
            let (job, future) = split(|| 2);
            let mut locked = pool.shared.locked.lock();
            if locked.idle == 1 {
                counted_on += 1;
                // It cannot have the lock back, so it is still counted when the job comes.
                thread::sleep(3 * keep_idle);
            }
            let admission = Shared::admit(&pool.shared, &mut locked, job);
            drop(locked);
            assert!(matches!(admission, Admission::Taken));
            assert_eq!(wait_for(future), Ok(2));
        }
    }

    #[test]
    fn threads_that_end_are_joined_at_the_latest_by_shutdown() {
        let pool = BlockingPool::keeping_idle("fleeting", 8, Duration::ZERO, None);
        let releases: Vec<_> = (0..8).map(|_| occupy(&pool)).collect();
        assert_eq!(pool.thread_count(), 8);
        drop(releases);
        pool.shutdown();
        assert_eq!(Arc::strong_count(&pool.shared), 1);
    }

    #[test]
    fn start_and_stop_under_load_neither_hangs_nor_loses_an_answer() {
        for _ in 0..100 {
            let pool = BlockingPool::keeping_idle("restless", 2, Duration::ZERO, None);
            thread::scope(|scope| {
                let submitter = scope.spawn(|| {
                    let futures: Vec<_> = (0..20).map(|i| submit(&pool, move || i)).collect();
                    for (i, future) in futures.into_iter().enumerate() {
                        let outcome = wait_for(future);
                        assert!(outcome == Ok(i) || outcome == Err(BlockingError::Shutdown));
                    }
                });
                pool.shutdown();
                submitter.join().unwrap();
            });
        }
    }

    #[test]
    fn a_job_dropped_unrun_says_shutdown_and_wakes() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let (job, mut future) = split(|| 1);
        assert_eq!(poll_once(&mut future, &waker), Poll::Pending);
        assert_eq!(poll_once(&mut future, &waker), Poll::Pending);
        drop(job);
        assert_eq!(count.0.load(SeqCst), 1);
        assert_eq!(
            poll_once(&mut future, &waker),
            Poll::Ready(Err(BlockingError::Shutdown))
        );
    }

    #[test]
    fn the_last_waker_is_the_one_that_is_woken() {
        struct Flag(AtomicUsize);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let flags = [(); 2].map(|()| Arc::new(Flag(AtomicUsize::new(0))));
        let (job, mut future) = split(|| 1);
        for flag in &flags {
            let waker = Waker::from(Arc::clone(flag));
            assert_eq!(poll_once(&mut future, &waker), Poll::Pending);
        }
        assert_eq!(Arc::strong_count(&flags[0]), 1);
        job();
        assert_eq!(flags[0].0.load(SeqCst), 0);
        assert_eq!(flags[1].0.load(SeqCst), 1);
        assert_eq!(poll_once(&mut future, Waker::noop()), Poll::Ready(Ok(1)));
    }

    #[test]
    fn a_waker_that_polls_or_drops_the_future_does_not_deadlock() {
        struct Reenter(Mutex<Option<Blocking<u32>>>);
        impl Wake for Reenter {
            fn wake(self: Arc<Self>) {
                let mut future = self.0.lock().take().unwrap();
                assert_eq!(poll_once(&mut future, Waker::noop()), Poll::Ready(Ok(1)));
            }
        }
        let (job, mut future) = split(|| 1);
        let reenter = Arc::new(Reenter(Mutex::new(None)));
        let waker = Waker::from(Arc::clone(&reenter));
        assert_eq!(poll_once(&mut future, &waker), Poll::Pending);
        *reenter.0.lock() = Some(future);
        job();
        assert!(reenter.0.lock().is_none());
    }

    #[test]
    #[should_panic(expected = "polled after it was ready")]
    fn polling_after_ready_panics() {
        let (job, mut future) = split(|| 1);
        job();
        assert!(poll_once(&mut future, Waker::noop()).is_ready());
        let _ = poll_once(&mut future, Waker::noop());
    }

    #[test]
    fn errors_read_as_sentences() {
        assert_eq!(
            BlockingError::Panicked("no".to_owned()).to_string(),
            "the blocking call panicked: no"
        );
        assert_eq!(
            BlockingError::Shutdown.to_string(),
            "the runtime shut down before the blocking call was begun"
        );
    }
}
