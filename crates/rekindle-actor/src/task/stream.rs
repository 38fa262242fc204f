//! A task per item of some input, so many at a time.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use rekindle_scheduler as scheduler;

use super::{Origin, Task};
use crate::ambient::raise;
use crate::deadline::Deadline;
use crate::exit::ExitReason;
use crate::link::unlink_flush;
use crate::signal::exit_signal;
use crate::spawn::Tie;

/// How long an item may take unless told otherwise: 5 s, as a call.
const PATIENCE: Duration = Duration::from_secs(5);

/// The work on one item: a future.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ItemWork, Task, TaskStream};
///
/// // A stream whose tasks somebody else starts: here without a link.
/// let launch = |work: ItemWork<u32>| -> rekindle_actor::Launching<u32> {
///     Box::pin(async move {
///         println!("{:?}", work.origin());
///         Ok(Task::spawn_nolink(work))
///     })
/// };
/// let squares = TaskStream::launched_by(1..=3, |n| async move { n * n }, launch);
/// let squares = squares.collect().await.into_iter().map(Result::unwrap);
/// assert_eq!(squares.sum::<u32>(), 14);
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct ItemWork<T> {
    work: Pin<Box<dyn Future<Output = T> + Send>>,
    origin: Origin,
}

impl<T> ItemWork<T> {
    /// What the work is, and where the stream was made: for
    /// [`TaskBody::with_origin`](crate::TaskBody::with_origin).
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

impl<T> Future for ItemWork<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.work.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for ItemWork<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ItemWork").field(&self.origin).finish()
    }
}

/// A task that is about to be started: see [`TaskStream::launched_by`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, ItemFailure, ItemWork, Launching, Task, TaskStream};
///
/// /// Has room for two tasks, and no more.
/// fn small_pool() -> impl FnMut(ItemWork<u32>) -> Launching<u32> + Send + 'static {
///     let mut room = 2;
///     move |work| {
///         if room == 0 {
///             return Box::pin(async { Err(ExitReason::msg("no room")) });
///         }
///         room -= 1;
///         Box::pin(async move { Ok(Task::spawn_nolink(work)) })
///     }
/// }
///
/// let numbers = TaskStream::launched_by(1..=3, |n| async move { n }, small_pool());
/// let last = numbers.collect().await.pop().unwrap().unwrap_err();
/// assert_eq!(last.failure, ItemFailure::Exited(ExitReason::msg("no room")));
/// # });
/// ```
pub type Launching<T> = Pin<Box<dyn Future<Output = Result<Task<T>, ExitReason>> + Send>>;

/// What makes a task of the work on one item.
enum Launch<T> {
    /// Linked with the consumer.
    Linked,
    Unlinked,
    By(Box<dyn FnMut(ItemWork<T>) -> Launching<T> + Send>),
}

/// What is done about an item that takes too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    /// It is the last result; all other tasks are ended.
    EndsAll,
    /// Its task is killed, and the others go on.
    Killed,
}

/// Results of the same work on each item of some input: so many at a time, in order or as they
/// come.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::Task;
///
/// let mut squares = Task::async_stream(1..=4, |n| async move { n * n });
/// let mut sum = 0;
/// while let Some(square) = squares.next().await {
///     sum += square.unwrap();
/// }
/// assert_eq!(sum, 30);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Items are taken from the input only as there is room for another task (TASK-034), by the process
/// that asks for results, whoever has made the stream (TASK-033). Dropped, the stream kills what
/// still runs; no process and no link remains (TASK-032).
///
/// | option                  | default                     |
/// |-------------------------|-----------------------------|
/// | [`max_concurrency`](Self::max_concurrency) | as many as the runtime has workers |
/// | [`unordered`](Self::unordered)       | in the order of the input   |
/// | [`timeout`](Self::timeout), [`no_timeout`](Self::no_timeout) | 5 s for an item |
/// | [`kill_on_timeout`](Self::kill_on_timeout) | an item that is late ends the stream |
/// | [`zip_input_on_exit`](Self::zip_input_on_exit) | errors do not carry the item |
///
/// # When not to use this
///
/// For a handful of tasks [`Task::await_many`] is simpler. For work that should outlive its consumer,
/// start children of a task supervisor.
#[must_use = "nothing runs until results are asked for"]
pub struct TaskStream<I: Iterator, T> {
    /// `None` once it has ended.
    input: Option<I>,
    work: Box<dyn FnMut(I::Item) -> ItemWork<T> + Send>,
    /// Goes with the stream: work whose task is started too late does not begin.
    alive: Arc<()>,
    launch: Launch<T>,
    max_concurrency: Option<usize>,
    ordered: bool,
    timeout: Option<Duration>,
    late: Late,
    keep: Option<Keep<I::Item>>,
    /// Items on which work has begun and whose results were not given out, in order.
    items: VecDeque<Item<I::Item, T>>,
    /// Nothing more comes.
    ended: bool,
}

/// Makes a clone, where items can be cloned.
type Keep<V> = fn(&V) -> V;

/// One item on its way.
struct Item<V, T> {
    input: Option<V>,
    stage: Stage<T>,
    deadline: Deadline,
}

enum Stage<T> {
    Starting(Launching<T>),
    Running(Task<T>),
    Done(Result<T, ItemFailure>),
    /// Given out; only for the moment before it is removed.
    Gone,
}

/// Why there is no result for an item.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ItemFailure, Task, sleep};
/// use std::time::Duration;
///
/// let mut results = Task::async_stream_nolink([1, 3600], |seconds| async move {
///     sleep(Duration::from_secs(seconds)).await;
///     seconds
/// })
/// .timeout(Duration::from_secs(5))
/// .kill_on_timeout();
/// assert_eq!(results.next().await.unwrap().unwrap(), 1);
/// let late = results.next().await.unwrap().unwrap_err();
/// assert!(matches!(late.failure, ItemFailure::Timeout(limit) if limit == Duration::from_secs(5)));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ItemFailure {
    /// Its task ended with this reason, or could not be started because of it.
    Exited(ExitReason),
    /// Its task was not done in this time, and was killed.
    Timeout(Duration),
}

/// An item without a result.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::Task;
///
/// let mut results = Task::async_stream_nolink(["7", "seven"], |text| async move {
///     text.parse::<i32>().expect("a number")
/// })
/// .zip_input_on_exit();
/// assert_eq!(results.next().await.unwrap().unwrap(), 7);
/// let error = results.next().await.unwrap().unwrap_err();
/// assert_eq!(error.input, Some("seven"));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ItemError<V> {
    /// The item, if the stream was asked to keep it: see [`TaskStream::zip_input_on_exit`].
    pub input: Option<V>,
    /// Why.
    pub failure: ItemFailure,
}

impl fmt::Display for ItemFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemFailure::Exited(reason) => write!(f, "the item's task ended: {reason}"),
            ItemFailure::Timeout(limit) => write!(f, "the item was not done within {limit:?}"),
        }
    }
}

impl<V> fmt::Display for ItemError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl<V: fmt::Debug> std::error::Error for ItemError<V> {}

/// A stream cannot run no tasks at a time.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Task, ZeroConcurrency};
///
/// let stream = Task::async_stream([1, 2], |n| async move { n });
/// assert_eq!(stream.max_concurrency(0).err(), Some(ZeroConcurrency));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZeroConcurrency;

impl fmt::Display for ZeroConcurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stream with no tasks at a time would never give a result")
    }
}

impl std::error::Error for ZeroConcurrency {}

impl<T: Send + 'static> Task<T> {
    /// A task per item, linked with the process that consumes the stream: if one fails, so does a
    /// consumer that does not trap exits (TASK-026, TASK-029). See [`TaskStream`].
    #[track_caller]
    pub fn async_stream<I, F, Fut>(items: I, work: F) -> TaskStream<I::IntoIter, T>
    where
        I: IntoIterator,
        F: FnMut(I::Item) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        TaskStream::new(items.into_iter(), work, Launch::Linked)
    }

    /// As [`async_stream`](Self::async_stream), without links: a task that fails is its item's
    /// error, and nothing else.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Task;
    ///
    /// let numbers = Task::async_stream_nolink(["1", "two", "3"], |text| async move {
    ///     text.parse::<u32>().expect("a number")
    /// });
    /// let good: Vec<u32> = numbers.collect().await.into_iter().flatten().collect();
    /// assert_eq!(good, [1, 3]);
    /// # });
    /// ```
    #[track_caller]
    pub fn async_stream_nolink<I, F, Fut>(items: I, work: F) -> TaskStream<I::IntoIter, T>
    where
        I: IntoIterator,
        F: FnMut(I::Item) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        TaskStream::new(items.into_iter(), work, Launch::Unlinked)
    }
}

impl<I: Iterator, T: Send + 'static> TaskStream<I, T> {
    #[track_caller]
    fn new<F, Fut>(input: I, mut work: F, launch: Launch<T>) -> Self
    where
        F: FnMut(I::Item) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let origin = Origin::of::<Fut>(Location::caller());
        TaskStream {
            input: Some(input),
            work: Box::new(move |item| ItemWork {
                work: Box::pin(work(item)),
                origin,
            }),
            alive: Arc::new(()),
            launch,
            max_concurrency: None,
            ordered: true,
            timeout: Some(PATIENCE),
            late: Late::EndsAll,
            keep: None,
            items: VecDeque::new(),
            ended: false,
        }
    }

    /// For supervisors of tasks: the tasks are started by `launch`.
    #[track_caller]
    pub fn launched_by<F, Fut>(
        items: impl IntoIterator<IntoIter = I>,
        work: F,
        launch: impl FnMut(ItemWork<T>) -> Launching<T> + Send + 'static,
    ) -> Self
    where
        F: FnMut(I::Item) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        TaskStream::new(items.into_iter(), work, Launch::By(Box::new(launch)))
    }

    /// Lets at most this many tasks run at a time (TASK-028).
    ///
    /// # Errors
    ///
    /// If that is none.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Task, now, sleep};
    /// use std::time::Duration;
    ///
    /// let begun = now();
    /// let naps = Task::async_stream(0..4, |_| sleep(Duration::from_secs(1)));
    /// naps.max_concurrency(2).unwrap().collect().await;
    /// assert_eq!(now() - begun, Duration::from_secs(2));
    /// # });
    /// ```
    pub fn max_concurrency(mut self, tasks: usize) -> Result<Self, ZeroConcurrency> {
        self.max_concurrency = Some(tasks);
        if tasks == 0 {
            Err(ZeroConcurrency)
        } else {
            Ok(self)
        }
    }

    /// Gives results as they come (TASK-027).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Task, sleep};
    /// use std::time::Duration;
    ///
    /// let naps = Task::async_stream([3, 1, 2], |seconds| async move {
    ///     sleep(Duration::from_secs(seconds)).await;
    ///     seconds
    /// });
    /// let naps = naps.max_concurrency(3).unwrap().unordered().collect().await;
    /// assert!(naps.into_iter().map(Result::unwrap).eq([1, 2, 3]));
    /// # });
    /// ```
    pub fn unordered(mut self) -> Self {
        self.ordered = false;
        self
    }

    /// Gives each item this much time, from the start of its task.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Gives each item the time that it takes.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Kills the task of an item that is late, and goes on with the others (TASK-030).
    pub fn kill_on_timeout(mut self) -> Self {
        self.late = Late::Killed;
        self
    }

    /// Keeps a clone of each item, for [`ItemError::input`] (TASK-031).
    pub fn zip_input_on_exit(mut self) -> Self
    where
        I::Item: Clone,
    {
        self.keep = Some(Clone::clone);
        self
    }

    /// The next result; `None` when there are no more.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot wait")]
    pub fn next(&mut self) -> impl Future<Output = Option<Result<T, ItemError<I::Item>>>> + '_ {
        std::future::poll_fn(|cx| self.poll_next(cx))
    }

    /// All results that are still to come.
    pub async fn collect(mut self) -> Vec<Result<T, ItemError<I::Item>>> {
        let mut results = Vec::new();
        while let Some(result) = self.next().await {
            results.push(result);
        }
        results
    }

    /// As [`next`](Self::next), for adapters.
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, ItemError<I::Item>>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            self.fill();
            let progress = self.advance(cx);
            if let Some(result) = self.give() {
                return Poll::Ready(Some(result));
            }
            if self.items.is_empty() && self.input.is_none() {
                self.ended = true;
                return Poll::Ready(None);
            }
            // A task that is done makes room for another.
            if !progress {
                return Poll::Pending;
            }
        }
    }

    /// Begins work on as many items as there is room for.
    fn fill(&mut self) {
        let room = *self.max_concurrency.get_or_insert_with(|| {
            scheduler::with_handle(|handle| handle.map_or(1, |handle| handle.worker_count()))
        });
        let mut running = self.items.iter().filter(|item| item.is_running()).count();
        while running < room
            && let Some(input) = &mut self.input
        {
            let Some(item) = input.next() else {
                self.input = None;
                return;
            };
            let kept = self.keep.map(|keep| keep(&item));
            let work = (self.work)(item);
            let stage = match &mut self.launch {
                Launch::Linked => {
                    let origin = work.origin;
                    Stage::Running(Task::start(work, Tie::Link, origin))
                }
                Launch::Unlinked => {
                    let origin = work.origin;
                    Stage::Running(Task::start(work, Tie::None, origin))
                }
                Launch::By(launch) => {
                    let alive = Arc::downgrade(&self.alive);
                    let origin = work.origin;
                    let work = Box::pin(async move {
                        if alive.strong_count() == 0 {
                            raise(ExitReason::Normal);
                        }
                        work.await
                    });
                    Stage::Starting(launch(ItemWork { work, origin }))
                }
            };
            self.items.push_back(Item {
                input: kept,
                stage,
                deadline: Deadline::after(self.timeout),
            });
            running += 1;
        }
    }

    /// Looks at all that runs; `true` if anything is done now that was not.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        let mut over = false;
        for item in &mut self.items {
            match item.advance(cx) {
                Advanced::Waits => {}
                Advanced::Done => progress = true,
                Advanced::Late => {
                    progress = true;
                    over |= self.late == Late::EndsAll;
                }
            }
        }
        if over {
            self.input = None;
            for item in &mut self.items {
                item.kill();
            }
            let late =
                |item: &Item<_, _>| matches!(item.stage, Stage::Done(Err(ItemFailure::Timeout(_))));
            let first = self.items.iter().position(late);
            // What was done before the late one is still given out, and nothing after it.
            if let Some(first) = first {
                self.items.truncate(first + 1);
                self.items
                    .retain(|item| matches!(item.stage, Stage::Done(_)));
            }
        }
        progress
    }

    /// Takes a result out that may be given.
    fn give(&mut self) -> Option<Result<T, ItemError<I::Item>>> {
        let is_done = |item: &Item<_, _>| matches!(item.stage, Stage::Done(_));
        let place = match self.ordered {
            true => self.items.front().is_some_and(is_done).then_some(0),
            false => self.items.iter().position(is_done),
        };
        let mut item = self.items.remove(place?)?;
        match std::mem::replace(&mut item.stage, Stage::Gone) {
            Stage::Done(Ok(value)) => Some(Ok(value)),
            Stage::Done(Err(failure)) => Some(Err(ItemError {
                input: item.input.take(),
                failure,
            })),
            _ => None,
        }
    }
}

/// What looking at an item has brought.
enum Advanced {
    Waits,
    Done,
    Late,
}

impl<V, T: Send + 'static> Item<V, T> {
    fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Starting(_) | Stage::Running(_))
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Advanced {
        if let Stage::Starting(launching) = &mut self.stage
            && let Poll::Ready(started) = launching.as_mut().poll(cx)
        {
            self.stage = match started {
                Ok(task) => Stage::Running(task),
                Err(reason) => {
                    self.stage = Stage::Done(Err(ItemFailure::Exited(reason)));
                    return Advanced::Done;
                }
            };
        }
        if let Stage::Running(task) = &mut self.stage {
            let pid = task.pid();
            if let Poll::Ready(result) = Pin::new(&mut *task).poll(cx) {
                if task.linked
                    && let Some(pid) = pid
                {
                    unlink_flush(pid);
                }
                self.stage = Stage::Done(result.map_err(ItemFailure::Exited));
                return Advanced::Done;
            }
        }
        if !self.is_running() {
            return Advanced::Waits;
        }
        if self.deadline.is_past(cx, 0) {
            self.kill();
            self.stage = Stage::Done(Err(ItemFailure::Timeout(self.deadline.limit())));
            return Advanced::Late;
        }
        Advanced::Waits
    }
}

impl<V, T> Item<V, T> {
    /// Ends the task, and the link with it.
    fn kill(&mut self) {
        if let Stage::Running(task) = &mut self.stage
            && let super::Work::Running(pid, _) = &task.work
        {
            let pid = *pid;
            if task.linked && crate::ambient::try_self_pid().is_some() {
                unlink_flush(pid);
            }
            exit_signal(pid, ExitReason::Kill);
        }
    }
}

impl<V, T> Drop for Item<V, T> {
    fn drop(&mut self) {
        self.kill();
    }
}

impl<I: Iterator, T: Send + 'static> Stream for TaskStream<I, T> {
    type Item = Result<T, ItemError<I::Item>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        TaskStream::poll_next(&mut self, cx)
    }
}

// Nothing of the user's is pinned in it: work is boxed.
impl<I: Iterator, T> Unpin for TaskStream<I, T> {}

impl<I: Iterator, T> fmt::Debug for TaskStream<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskStream")
            .field("under_way", &self.items.len())
            .field("max_concurrency", &self.max_concurrency)
            .field("ordered", &self.ordered)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
