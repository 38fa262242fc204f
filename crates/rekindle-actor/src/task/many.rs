//! Several tasks, awaited together.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Task;
use crate::deadline::Deadline;
use crate::exit::ExitReason;
use crate::pid::Pid;
use crate::signal::exit_signal;

/// How long these wait unless told otherwise: 5 s, as a call.
const PATIENCE: Duration = Duration::from_secs(5);

impl<T: Send + 'static> Task<T> {
    /// Waits for the values of all these tasks, at most 5 s unless told otherwise (TASK-010).
    ///
    /// Gives the values in the order of the tasks; of no tasks, at once. Fails as soon as one task
    /// fails. The others then go on by themselves; those that are linked with the running process
    /// still are.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::new()?;
    /// # runtime.block_on(async {
    /// use rekindle_actor::Task;
    /// let tasks = (1..=3).map(|n| Task::spawn(async move { n * n }));
    /// assert_eq!(Task::await_many(tasks).await, Ok(vec![1, 4, 9]));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn await_many(tasks: impl IntoIterator<Item = Task<T>>) -> AwaitMany<T> {
        let tasks: Vec<_> = tasks.into_iter().map(|task| (task, None)).collect();
        AwaitMany {
            tasks,
            deadline: Deadline::after(Some(PATIENCE)),
        }
    }

    /// Waits for these tasks within one common time, 5 s unless told otherwise, and gives for each
    /// its value, the reason of its failure, or `None` if it still runs (TASK-013).
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use std::time::Duration;
    /// use rekindle_actor::{OnTimeout, Task, sleep};
    ///
    /// let mut tasks: Vec<_> = [10, 10_000]
    ///     .map(|ms| Task::spawn(async move { sleep(Duration::from_millis(ms)).await; ms }))
    ///     .into();
    /// let results = Task::yield_many(&mut tasks)
    ///     .timeout(Duration::from_millis(100))
    ///     .on_timeout(OnTimeout::Kill)
    ///     .await;
    /// assert_eq!(results, [Some(Ok(10)), None]);
    /// # });
    /// ```
    pub fn yield_many(tasks: &mut [Task<T>]) -> YieldMany<'_, T> {
        YieldMany {
            tasks,
            timeout: Some(PATIENCE),
            on_timeout: OnTimeout::Keep,
            limit: usize::MAX,
        }
    }

    /// Gives the work up where the handle stays: without a link, and without an answer later.
    fn detach(&mut self) {
        if let Some(pid) = self.pid() {
            self.take_link_away(pid);
            self.work = super::Work::Consumed;
        }
    }

    fn begin_kill(&mut self) -> Option<Pid> {
        let pid = self.pid()?;
        self.take_link_away(pid);
        exit_signal(pid, ExitReason::Kill);
        Some(pid)
    }
}

/// Why [`Task::await_many`] gave no values.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{AwaitManyError, Task, sleep};
/// use std::time::Duration;
///
/// let tasks = [1, 3600].map(|seconds| Task::spawn(sleep(Duration::from_secs(seconds))));
/// let limit = Duration::from_secs(60);
/// let late = Task::await_many(tasks).timeout(limit).await;
/// assert_eq!(late.unwrap_err(), AwaitManyError::Timeout(limit));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AwaitManyError {
    /// The task at this place ended with this reason.
    Failed(usize, ExitReason),
    /// Not all of them were done in this time.
    Timeout(Duration),
}

impl fmt::Display for AwaitManyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AwaitManyError::Failed(place, reason) => {
                write!(f, "task {place} of those awaited failed: {reason}")
            }
            AwaitManyError::Timeout(limit) => {
                write!(f, "not all of the tasks awaited were done within {limit:?}")
            }
        }
    }
}

impl std::error::Error for AwaitManyError {}

/// The wait of [`Task::await_many`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{AwaitMany, Task, sleep};
/// use std::time::Duration;
///
/// // Two hours, of which the default would wait for 5 s.
/// let naps = (1..=2).map(|hours| Task::spawn(sleep(Duration::from_secs(hours * 3600))));
/// let all: AwaitMany<()> = Task::await_many(naps);
/// assert_eq!(all.no_timeout().await, Ok(vec![(), ()]));
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct AwaitMany<T> {
    /// Each with its value, once it has come.
    tasks: Vec<(Task<T>, Option<T>)>,
    deadline: Deadline,
}

impl<T> AwaitMany<T> {
    /// Waits at most this long for all of them.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.deadline.set_limit(Some(limit));
        self
    }

    /// Waits as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.deadline.set_limit(None);
        self
    }
}

// Values are moved, never pinned.
impl<T> Unpin for AwaitMany<T> {}

impl<T: Send + 'static> Future for AwaitMany<T> {
    type Output = Result<Vec<T>, AwaitManyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut waits = None;
        for (place, (task, value)) in this.tasks.iter_mut().enumerate() {
            if value.is_some() {
                continue;
            }
            match Pin::new(&mut *task).poll(cx) {
                Poll::Ready(Ok(ready)) => *value = Some(ready),
                Poll::Ready(Err(reason)) => {
                    return Poll::Ready(Err(AwaitManyError::Failed(place, reason)));
                }
                Poll::Pending => waits = task.pid(),
            }
        }
        let Some(pid) = waits else {
            let values = this.tasks.drain(..).filter_map(|(_, value)| value);
            return Poll::Ready(Ok(values.collect()));
        };
        if this.deadline.is_past(cx, pid.node()) {
            return Poll::Ready(Err(AwaitManyError::Timeout(this.deadline.limit())));
        }
        Poll::Pending
    }
}

impl<T> fmt::Debug for AwaitMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.tasks.iter().map(|(task, _)| task);
        f.debug_list().entries(tasks).finish()
    }
}

/// What becomes of tasks that are not done in time: see [`YieldMany::on_timeout`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{OnTimeout, Task, is_alive, sleep};
/// use std::time::Duration;
///
/// for what in [OnTimeout::Keep, OnTimeout::Ignore, OnTimeout::Kill] {
///     let mut nap = [Task::spawn(sleep(Duration::from_secs(60)))];
///     let pid = nap[0].pid().unwrap();
///     let wait = Task::yield_many(&mut nap).timeout(Duration::from_secs(1));
///     assert_eq!(wait.on_timeout(what).await, [None]);
///     assert_eq!(is_alive(pid), what != OnTimeout::Kill);
///     // Only what was kept can be asked again.
///     assert_eq!(nap[0].pid().is_some(), what == OnTimeout::Keep);
/// }
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnTimeout {
    /// Nothing: they may be asked again.
    #[default]
    Keep,
    /// They are killed.
    Kill,
    /// They go on, unlinked, and their results are thrown away.
    Ignore,
}

/// A wait for several tasks, to be awaited: see [`Task::yield_many`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Task, YieldMany, sleep};
/// use std::time::Duration;
///
/// /// The same question to several shops: one answer is enough.
/// let mut asked = [3, 1, 2].map(|seconds| {
///     Task::spawn(async move {
///         sleep(Duration::from_secs(seconds)).await;
///         seconds
///     })
/// });
/// let first: YieldMany<'_, u64> = Task::yield_many(&mut asked).limit(1);
/// assert_eq!(first.await, [None, Some(Ok(1)), None]);
/// # });
/// ```
#[must_use = "nothing is waited for until this is awaited"]
pub struct YieldMany<'a, T> {
    tasks: &'a mut [Task<T>],
    timeout: Option<Duration>,
    on_timeout: OnTimeout,
    limit: usize,
}

impl<'a, T: Send + 'static> YieldMany<'a, T> {
    /// Waits at most this long for all of them together.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Waits as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Says what becomes of those that are not done in time (TASK-014).
    pub fn on_timeout(mut self, what: OnTimeout) -> Self {
        self.on_timeout = what;
        self
    }

    /// Is content with this many results; nothing becomes of the other tasks then (TASK-015).
    pub fn limit(mut self, results: usize) -> Self {
        self.limit = results;
        self
    }

    async fn wait(self) -> Vec<Option<Result<T, ExitReason>>> {
        let YieldMany {
            tasks,
            timeout,
            on_timeout,
            limit,
        } = self;
        let mut results: Vec<_> = tasks.iter().map(|_| None).collect();
        let enough = limit.min(tasks.len());
        let mut deadline = Deadline::after(timeout);
        let in_time = std::future::poll_fn(|cx| {
            let mut got = 0;
            for (task, result) in tasks.iter_mut().zip(&mut results) {
                if got == enough {
                    break;
                }
                if result.is_none()
                    && let Poll::Ready(ready) = Pin::new(&mut *task).poll(cx)
                {
                    *result = Some(ready);
                }
                got += usize::from(result.is_some());
            }
            if got == enough {
                return Poll::Ready(true);
            }
            let node = tasks
                .iter()
                .find_map(|task| task.pid())
                .map_or(0, Pid::node);
            match deadline.is_past(cx, node) {
                true => Poll::Ready(false),
                false => Poll::Pending,
            }
        })
        .await;
        tasks.iter_mut().for_each(|task| task.mark(false));
        if !in_time {
            late(tasks, &mut results, on_timeout).await;
        }
        results
    }
}

/// Does with the tasks that are late as was asked.
async fn late<T: Send + 'static>(
    tasks: &mut [Task<T>],
    results: &mut [Option<Result<T, ExitReason>>],
    what: OnTimeout,
) {
    let mut late: Vec<_> = tasks
        .iter_mut()
        .zip(results)
        .filter(|(_, result)| result.is_none())
        .collect();
    match what {
        OnTimeout::Keep => {}
        OnTimeout::Ignore => late.iter_mut().for_each(|(task, _)| task.detach()),
        OnTimeout::Kill => {
            // All are told before any is awaited.
            late.iter_mut().for_each(|(task, _)| {
                task.begin_kill();
            });
            for (task, result) in late {
                // One that was done just before says so.
                *result = match (&mut *task).await {
                    Err(ExitReason::Killed) => None,
                    ended => Some(ended),
                };
            }
        }
    }
}

impl<'a, T: Send + 'static> IntoFuture for YieldMany<'a, T> {
    type Output = Vec<Option<Result<T, ExitReason>>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}

impl<T> fmt::Debug for YieldMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YieldMany")
            .field("tasks", &self.tasks)
            .field("timeout", &self.timeout)
            .field("on_timeout", &self.on_timeout)
            .finish_non_exhaustive()
    }
}
