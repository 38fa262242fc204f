//! A piece of work in a process of its own, whose result is awaited.

mod body;
mod many;
mod stream;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::exit::{ExitReason, IntoExitReason};
use crate::link::{link, unlink};
use crate::mailbox::{self, Awaiting, Lost, ReplyTo};
use crate::pid::Pid;
use crate::process::{Owner, TurnStamp};
use crate::signal::exit_signal;
use crate::spawn::Tie;
use crate::wait::WaitKind;

pub use body::{Origin, TaskBody};
pub use many::{AwaitMany, AwaitManyError, OnTimeout, YieldMany};
pub use stream::{ItemError, ItemFailure, ItemWork, Launching, TaskStream, ZeroConcurrency};

/// A piece of work that runs in a process of its own.
///
/// Await it for the value, or for the reason why there is none. It is *linked* to its owner unless
/// it was made otherwise: if the work crashes, so does an owner that does not trap exits, and if
/// the owner dies, so does the work. Dropping the handle lets the work go on.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::Task;
/// let sum = Task::spawn(async { (1..=10).sum::<u32>() });
/// assert_eq!(sum.await, Ok(55));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Several pieces of work run side by side, and are awaited together; or one per item of some input:
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use std::time::Duration;
/// use rekindle_actor::{Task, sleep};
///
/// async fn price(shop: u64) -> u64 {
///     sleep(Duration::from_millis(10 * shop)).await;
///     100 - shop
/// }
///
/// let asked: Vec<Task<u64>> = (1..=3).map(|shop| Task::spawn(price(shop))).collect();
/// assert_eq!(Task::await_many(asked).await, Ok(vec![99, 98, 97]));
///
/// let prices = Task::async_stream(1..=3, price).max_concurrency(2).unwrap().collect().await;
/// assert_eq!(prices.into_iter().map(Result::unwrap).min(), Some(97));
/// # });
/// ```
///
/// # What waiting gives
///
/// | way                                    | the work is done | it has failed                          | it still runs               |
/// |----------------------------------------|------------------|----------------------------------------|-----------------------------|
/// | `task.await`                           | `Ok(value)`      | `Err(reason)`                          | waits on                    |
/// | [`yield_for`](Self::yield_for)         | `Some(Ok(..))`   | `Some(Err(..))`                        | `None`: ask again           |
/// | [`shutdown`](Self::shutdown)           | `Some(Ok(..))`   | `Some(Err(..))`                        | stops it; `None`            |
/// | [`kill`](Self::kill)                   | `Some(Ok(..))`   | `Some(Err(..))`                        | kills it; `None`            |
/// | [`ignore`](Self::ignore)               | `Some(Ok(..))`   | `Some(Err(..))`                        | lets it go on; `None`       |
/// | dropping it                            |                  |                                        | lets it go on, still linked |
///
/// An owner that does not trap exits does not live to see the failure of a *linked* task. A result is
/// given once; a task that is asked again says `NoProc`.
///
/// # Timeouts
///
/// Awaiting a task has no limit: work takes as long as it takes. Use
/// [`yield_for`](Self::yield_for) and then [`shutdown`](Self::shutdown), or a limit for many
/// ([`await_many`](Self::await_many), [`yield_many`](Self::yield_many)). An item of a stream has 5 s,
/// unless told otherwise.
///
/// # Names
///
/// A task has none; its [`pid`](Self::pid) is what others can monitor or stop.
///
/// # Supervision
///
/// A task ends with its owner, which is enough for many. With `rekindle-supervisor` a `TaskSupervisor`
/// runs tasks as its children, linked with whoever asked or not, and ends them in an orderly way when
/// the program stops.
///
/// # Debugging
///
/// A report of a task that crashed calls it like its work, and says on which line that was given. A
/// process that awaits one is said to wait for a task by [`info`](crate::info()), and on which line.
///
/// # When not to use this
/// For work whose result nobody awaits, [`spawn`](crate::spawn), or a task supervisor's
/// `start_child`, says what is meant.
#[must_use = "await the task, or `ignore` it"]
pub struct Task<T> {
    work: Work<T>,
    linked: bool,
    at: &'static Location<'static>,
    waits: bool,
}

enum Work<T> {
    Running(Pid, Awaiting<T>),
    /// It has failed, as the owner saw in this turn. If an exit signal comes with that, the owner's
    /// next turn begins with it, and there is nobody left to hear the reason.
    Failed(Pid, ExitReason, TurnStamp),
    /// Made with its value: there is no process.
    Completed(T),
    /// The result has been given out.
    Consumed,
}

/// Reports name the process of a task by this type and the type of its work.
pub(crate) struct TaskOf<F>(std::marker::PhantomData<F>);

impl<T: Send + 'static> Task<T> {
    /// Starts work linked to the running process (TASK-001).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Task, is_alive, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let owner = spawn(async {
    ///     let _ = Task::spawn(async { if true { panic!("it takes its owner along") } });
    ///     sleep(Duration::from_secs(60)).await;
    /// });
    /// sleep(Duration::from_secs(1)).await;
    /// assert!(!is_alive(owner));
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn<F>(work: F) -> Task<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        Task::start(work, Tie::Link, Origin::of_task::<F>(Location::caller()))
    }

    /// Starts work without a link: a crash reaches the owner only as the task's result.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Task;
    ///
    /// let risky = Task::spawn_nolink(async { "seven".parse::<u32>().expect("a number") });
    /// let failed = risky.await.unwrap_err();
    /// assert!(failed.is_panic(), "and the owner goes on");
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_nolink<F>(work: F) -> Task<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        Task::start(work, Tie::None, Origin::of_task::<F>(Location::caller()))
    }

    fn start<F>(work: F, tie: Tie, origin: Origin) -> Task<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (reply, awaiting) = mailbox::acknowledgement::<T>(Owner::own_waker());
        // That the spawner asks for it is known without a word: see `Process::callers`.
        let callers = Callers::of_running_task();
        let pid = origin.spawn(tie, run(work, reply, callers));
        Task::over(pid, awaiting, tie == Tie::Link, origin.at())
    }

    fn over(
        pid: Pid,
        awaiting: Awaiting<T>,
        linked: bool,
        at: &'static Location<'static>,
    ) -> Task<T> {
        Task {
            work: Work::Running(pid, awaiting),
            linked,
            at,
            waits: false,
        }
    }

    /// For supervisors of tasks: the work as the body of a process that somebody else starts, and
    /// what makes the task's handle once the pid is known.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, TaskBody, Task, ReplyTo, Pid, spawn};
    ///
    /// /// Runs what it is given, and says as what process.
    /// let pool = spawn(|mut inbox: Mailbox<(TaskBody, ReplyTo<Pid>)>| async move {
    ///     let (body, from) = inbox.recv().await;
    ///     from.reply(body.spawn_link());
    ///     inbox.recv().await;
    /// });
    /// let (body, handle) = Task::prepare(async { 6 * 7 });
    /// let pid = pool.call(|from| (body, from)).await.unwrap();
    /// assert_eq!(handle(pid).await, Ok(42));
    /// # });
    /// ```
    #[track_caller]
    pub fn prepare<F>(work: F) -> (TaskBody, impl FnOnce(Pid) -> Task<T> + Send)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let at = Location::caller();
        let (reply, awaiting) = mailbox::acknowledgement::<T>(Owner::own_waker());
        let reply = Prepared(Some(reply));
        let callers = Callers::of_running();
        let body = async move { run(work, reply.begin(), callers).await };
        let body = TaskBody::over(body, Origin::of::<F>(at));
        (body, move |pid| Task::over(pid, awaiting, false, at))
    }

    /// As [`prepare`](Self::prepare), for work that is linked with the running process, whoever runs
    /// the body. The link is made with the handle, and the work begins then, not before: so the
    /// owner never has a task that is not linked yet. A handle that is not made ends the body.
    ///
    /// # Panics
    ///
    /// Outside of a process; so does making the handle.
    #[track_caller]
    pub fn prepare_linked<F>(work: F) -> (TaskBody, impl FnOnce(Pid) -> Task<T> + Send)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let at = Location::caller();
        let (reply, awaiting) = mailbox::acknowledgement::<T>(Owner::own_waker());
        let reply = Prepared(Some(reply));
        let (linked, mut linking) = mailbox::acknowledgement::<()>(None);
        let linked = Prepared(Some(linked));
        let callers = Callers::of_running();
        let body = async move {
            let reply = reply.begin();
            if poll_fn(|cx| linking.poll(cx)).await.is_err() {
                // The owner has ended, or wants no task any more.
                return ExitReason::Shutdown;
            }
            run(work, reply, callers).await
        };
        let body = TaskBody::over(body, Origin::of::<F>(at));
        (body, move |pid| {
            link(pid);
            linked.begin().reply(());
            Task::over(pid, awaiting, true, at)
        })
    }

    /// A task that is done from the start (TASK-008).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Task;
    ///
    /// /// One type for both, whoever knows the answer already.
    /// fn square(n: u64) -> Task<u64> {
    ///     match n {
    ///         0 | 1 => Task::completed(n),
    ///         n => Task::spawn(async move { n * n }),
    ///     }
    /// }
    /// assert_eq!(square(1).pid(), None);
    /// assert_eq!(Task::await_many([square(1), square(7)]).await, Ok(vec![1, 49]));
    /// # });
    /// ```
    #[track_caller]
    pub fn completed(value: T) -> Task<T> {
        let at = Location::caller();
        Task {
            work: Work::Completed(value),
            linked: false,
            at,
            waits: false,
        }
    }

    /// The process that does the work; `None` for a completed task.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        match &self.work {
            Work::Running(pid, _) | Work::Failed(pid, ..) => Some(*pid),
            _ => None,
        }
    }

    /// Waits at most this long: the value, the reason of a failed task, or `None` if it still
    /// runs, in which case it may be asked again (TASK-011).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Task, sleep};
    /// use std::time::Duration;
    ///
    /// let mut nap = Task::spawn(sleep(Duration::from_secs(25)));
    /// let mut asked = 1;
    /// while nap.yield_for(Duration::from_secs(10)).await.is_none() {
    ///     asked += 1;
    /// }
    /// assert_eq!(asked, 3);
    /// # });
    /// ```
    #[track_caller]
    pub fn yield_for(&mut self, limit: Duration) -> YieldFor<'_, T> {
        YieldFor {
            task: self,
            deadline: Deadline::after(Some(limit)),
        }
    }

    /// Stops the work: takes the link away, sends `Shutdown`, and kills it if it is still there
    /// after `limit` (TASK-017, TASK-018).
    ///
    /// Gives the value if it came before that; the reason, if it ended with another one than it
    /// was told to; `None` if it ended as told.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Task, sleep};
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(5);
    /// let mut slow = Task::spawn(sleep(Duration::from_secs(3600)));
    /// // The usual pair: wait for a while, and then no longer.
    /// let done = match slow.yield_for(limit).await {
    ///     Some(result) => Some(result),
    ///     None => slow.shutdown(limit).await,
    /// };
    /// assert_eq!(done, None);
    /// # });
    /// ```
    pub async fn shutdown(mut self, limit: Duration) -> Option<Result<T, ExitReason>> {
        let Some(pid) = self.pid() else {
            return self.take_completed();
        };
        self.take_link_away(pid);
        exit_signal(pid, ExitReason::Shutdown);
        let ended = match self.yield_for(limit).await {
            Some(result) => result,
            None => {
                exit_signal(pid, ExitReason::Kill);
                (&mut self).await
            }
        };
        match ended {
            Err(ExitReason::Shutdown) => None,
            other => Some(other),
        }
    }

    /// Kills the work and waits for its end; `None` if it died of that.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Task, is_alive, sleep};
    /// use std::time::Duration;
    ///
    /// let task = Task::spawn(sleep(Duration::from_secs(3600)));
    /// let pid = task.pid().unwrap();
    /// assert_eq!(task.kill().await, None);
    /// assert!(!is_alive(pid));
    /// # });
    /// ```
    pub async fn kill(mut self) -> Option<Result<T, ExitReason>> {
        let Some(pid) = self.pid() else {
            return self.take_completed();
        };
        self.take_link_away(pid);
        exit_signal(pid, ExitReason::Kill);
        match (&mut self).await {
            Err(ExitReason::Killed) => None,
            other => Some(other),
        }
    }

    /// Lets the work go on by itself, unlinked: the result if it is there, the reason if it has
    /// failed, else `None` (TASK-016).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Task, is_alive, sleep};
    /// use std::time::Duration;
    ///
    /// let task = Task::spawn(sleep(Duration::from_secs(3600)));
    /// let pid = task.pid().unwrap();
    /// assert_eq!(task.ignore(), None);
    /// assert!(is_alive(pid), "it goes on, and would not take this process along");
    /// # });
    /// ```
    pub fn ignore(mut self) -> Option<Result<T, ExitReason>> {
        let Some(pid) = self.pid() else {
            return self.take_completed();
        };
        self.take_link_away(pid);
        match Pin::new(&mut self).poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    fn take_completed(&mut self) -> Option<Result<T, ExitReason>> {
        match std::mem::replace(&mut self.work, Work::Consumed) {
            Work::Completed(value) => Some(Ok(value)),
            _ => Some(Err(ExitReason::NoProc)),
        }
    }

    fn take_link_away(&mut self, pid: Pid) {
        if std::mem::take(&mut self.linked) && crate::ambient::try_self_pid().is_some() {
            unlink(pid);
        }
    }

    /// Keeps a failure until the owner's next turn, if an exit signal may come with it that the owner
    /// does not live through: who dies of a failure must not act on it first (TASK-005).
    ///
    /// The signal was sent before the failure was told, so a later turn has begun with it.
    fn hold_back(&mut self, result: Result<T, ExitReason>) -> Option<Result<T, ExitReason>> {
        let Err(reason) = &result else {
            return Some(result);
        };
        if !self.linked || reason.is_normal() {
            return Some(result);
        }
        let now = Owner::current(|owner| {
            let owner = owner?;
            let traps = owner.process().shared.traps.load(Ordering::Relaxed);
            (!traps).then(|| (owner.process().turn_stamp(), owner.private().is_doomed()))
        });
        let (pid, seen) = match &self.work {
            Work::Running(pid, _) => (*pid, None),
            Work::Failed(pid, _, seen) => (*pid, Some(*seen)),
            Work::Completed(_) | Work::Consumed => return Some(result),
        };
        match now {
            Some((now, is_doomed)) if is_doomed || seen.is_none_or(|seen| seen == now) => {
                self.work = Work::Failed(pid, reason.clone(), now);
                None
            }
            _ => Some(result),
        }
    }

    fn mark(&mut self, waits: bool) {
        if self.waits != waits {
            self.waits = waits;
            let at = self.at;
            Owner::current(|owner| match owner {
                Some(owner) if waits => owner.process().waiting.begin(WaitKind::Task, at),
                Some(owner) => owner.process().waiting.end(),
                None => {}
            });
        }
    }
}

impl Task<()> {
    /// For supervisors of tasks: work that nobody awaits, as the body of a process that somebody
    /// else starts. The running process is the one that asked for it: see
    /// [`callers`](crate::callers).
    #[track_caller]
    pub fn prepare_unawaited<F>(work: F) -> TaskBody
    where
        F: Future + Send + 'static,
        F::Output: IntoExitReason,
    {
        let callers = Callers::of_running();
        let body = async move {
            if let Some(callers) = callers {
                callers.note();
            }
            work.await.into_exit_reason()
        };
        TaskBody::over(body, Origin::of::<F>(Location::caller()))
    }
}

/// The process that asks for work, and those that had asked it.
struct Callers(Arc<Vec<Pid>>);

impl Callers {
    fn of_running() -> Option<Callers> {
        Owner::current(|owner| {
            let owner = owner?;
            let mut callers = owner.process().callers(owner.node());
            callers.insert(0, owner.pid());
            Some(Callers(Arc::new(callers)))
        })
    }

    /// None, and nothing allocated, if nobody had asked the running process.
    fn of_running_task() -> Option<Callers> {
        let asked = Owner::current(|owner| owner.is_some_and(|o| o.process().works_for_others()));
        asked.then(Callers::of_running).flatten()
    }

    /// Writes them down in the process that does the work.
    fn note(self) {
        Owner::current(|owner| {
            if let Some(owner) = owner {
                owner.process().shared().make_rare().callers = Some(self.0);
            }
        });
    }
}

/// The reply of a task whose body has not begun. A body that is thrown away unused says so to
/// whoever waits for its value.
struct Prepared<T>(Option<ReplyTo<T>>);

impl<T> Prepared<T> {
    fn begin(mut self) -> ReplyTo<T> {
        self.0.take().expect("it begins once")
    }
}

impl<T> Drop for Prepared<T> {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            reply.never_began();
        }
    }
}

/// The body of every task.
async fn run<T: Send + 'static>(
    work: impl Future<Output = T> + Send,
    reply: ReplyTo<T>,
    callers: Option<Callers>,
) -> ExitReason {
    if let Some(callers) = callers {
        callers.note();
    }
    reply.reply(work.await);
    ExitReason::Normal
}

impl<T: Send + 'static> Future for Task<T> {
    type Output = Result<T, ExitReason>;

    /// A task whose result was given out already gives [`ExitReason::NoProc`].
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = match &mut this.work {
            Work::Running(_, awaiting) => awaiting.poll(cx).map_err(|lost| match lost {
                Lost::Exited(reason) => reason,
                Lost::Gone | Lost::NoReply => ExitReason::NoProc,
            }),
            Work::Failed(_, reason, _) => Poll::Ready(Err(reason.clone())),
            _ => {
                let value = this.take_completed();
                return Poll::Ready(value.unwrap_or(Err(ExitReason::NoProc)));
            }
        };
        let polled = polled.map(|result| this.hold_back(result));
        let polled = match polled {
            Poll::Ready(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(result)) => {
                this.work = Work::Consumed;
                Poll::Ready(result)
            }
            Poll::Pending => Poll::Pending,
        };
        this.mark(polled.is_pending());
        polled
    }
}

// The value is moved out of the task, never pinned in it.
impl<T> Unpin for Task<T> {}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::Running(pid, _) | Work::Failed(pid, ..) => write!(f, "Task({pid})"),
            Work::Completed(_) => f.write_str("Task(completed)"),
            Work::Consumed => f.write_str("Task(consumed)"),
        }
    }
}

/// The wait of [`Task::yield_for`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Task, YieldFor, sleep};
/// use std::time::Duration;
///
/// let mut nap = Task::spawn(sleep(Duration::from_secs(3)));
/// let wait: YieldFor<'_, ()> = nap.yield_for(Duration::from_secs(1));
/// assert_eq!(wait.await, None, "it still sleeps");
/// assert_eq!(nap.yield_for(Duration::from_secs(5)).await, Some(Ok(())));
/// # });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldFor<'a, T> {
    task: &'a mut Task<T>,
    deadline: Deadline,
}

impl<T: Send + 'static> Future for YieldFor<'_, T> {
    type Output = Option<Result<T, ExitReason>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(result) = Pin::new(&mut *this.task).poll(cx) {
            return Poll::Ready(Some(result));
        }
        let node = this.task.pid().map_or(0, Pid::node);
        if this.deadline.is_past(cx, node) {
            this.task.mark(false);
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}
