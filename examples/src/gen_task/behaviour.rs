//! `GenTask`: a behaviour of one's own. Read this to write yours.
//!
//! A *behaviour* is a generic loop plus callbacks: the loop is written once, with all that a good
//! process must do, and its user writes the callbacks. [`GenServer`](rekindle::GenServer) is one;
//! this is another. It needs no private door: all that is used here is public.
//!
//! A `GenTask` is a worker for one job at a time. The unsafe part of the job, [`run`], goes into a
//! task: a process under a [`TaskSupervisor`], *not linked* with the worker. So the worker, which
//! knows whom to tell about the job, outlives whatever the task does, and hears of it as an
//! [`Outcome`] in [`handle_result`].
//!
//! # The parts of a behaviour
//!
//! | part                            | made of                                   | here                  |
//! |---------------------------------|-------------------------------------------|-----------------------|
//! | the callbacks                   | a trait                                   | [`GenTask`]           |
//! | a start that waits for `init`   | [`Starter`], [`Ack`]                      | [`GenTask::start_link`], `serve` |
//! | a place in a supervisor         | [`ChildSpec::worker`]                     | [`GenTask::child`]    |
//! | panics of callbacks             | [`guarded`]                               | wherever one is called |
//! | waiting for whatever comes      | [`Mailbox::next_event`]                   | `Worker::outcome`     |
//! | suspend, resume, status, stop   | [`SystemMessage::handle`], [`SystemState`], [`Mailbox::next_system`] | `Worker::attend` |
//! | the end of the parent           | [`trap_exit`], [`parent`]                 | `Worker::attend`      |
//! | the end, with a report          | the [`ExitReason`] that the body gives    | `serve`               |
//!
//! [`SystemMessage::handle`]: rekindle::sys::SystemMessage::handle
//! [`run`]: GenTask::run
//! [`handle_result`]: GenTask::handle_result

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use rekindle::sys::{SystemState, SystemVerdict};
use rekindle::{
    Ack, ChildSpec, Event, Exit, ExitReason, Mailbox, Never, Restart, StartChildError, Starter,
    Starting, Task, TaskSupervisor, TaskSupervisorRef, guarded, now, parent, trap_exit,
};

/// The name of the supervisor under which all tasks run.
pub const TASK_SUPERVISOR: &str = "GenTask.TaskSupervisor";

/// How long a worker waits for its task unless it says otherwise: 5 s.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a task may take to stop when its worker does; then it is killed.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// What must run before any [`GenTask`], and before [`start_task`]: put it into your tree.
///
/// Tasks are temporary: they are never restarted, so however many crash, their supervisor has no
/// reason to give up.
pub fn supervisor() -> TaskSupervisor {
    TaskSupervisor::child().name(TASK_SUPERVISOR)
}

/// What became of a task.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It gave a value.
    Ok(T),
    /// It gave none, because it ended with this reason; or because it could not be started.
    Exit(ExitReason),
    /// It has not ended in time. It still runs: shut it down, or wait on.
    Timeout(Task<T>),
}

/// How `init` goes on.
#[derive(Debug)]
pub enum Begin<S, J> {
    /// With a state, and a job that runs at once.
    Run(S, J),
    /// Not at all, on purpose. The starter gets [`StartError::Ignore`](rekindle::StartError).
    Ignore,
}

/// What a worker does after `handle_result`.
#[derive(Debug)]
pub enum Then<J, T> {
    /// Runs another job.
    Run(J),
    /// Waits on for the task of [`Outcome::Timeout`], as long as the first time.
    Wait(Task<T>),
    /// Runs `terminate`, and ends with this reason.
    Stop(ExitReason),
}

/// What `handle_result` decides. `?` on any error means: crash with that reason.
pub type Verdict<G> = Result<Then<<G as GenTask>::Job, <G as GenTask>::Output>, ExitReason>;

/// The callbacks, and the verbs that come with them.
///
/// The implementing type is the worker's state. It is in the worker's process, and the job is in
/// the task's: what both need is cloned into the job, and that is the whole of what a crash of the
/// job can spoil.
///
/// A future is declared as `-> impl Future + Send`, because processes move between threads; an
/// implementation writes `async fn` all the same.
pub trait GenTask: Sized + Send + 'static {
    /// What the start passes to `init`.
    type Args: Send + 'static;
    /// What `run` gets.
    type Job: Send + 'static;
    /// What `run` gives.
    type Output: Send + 'static;

    /// Makes the state and the first job, in the worker. The starter waits meanwhile.
    ///
    /// # Errors
    ///
    /// The start fails with the reason.
    fn init(
        args: Self::Args,
    ) -> impl Future<Output = Result<Begin<Self, Self::Job>, ExitReason>> + Send;

    /// Does the job, in the task. It may panic, block or hang: the worker goes on.
    fn run(job: Self::Job) -> impl Future<Output = Self::Output> + Send + 'static;

    /// Hears what became of the job, in the worker.
    ///
    /// # Errors
    ///
    /// The worker crashes with the reason.
    fn handle_result(
        &mut self,
        outcome: Outcome<Self::Output>,
    ) -> impl Future<Output = Verdict<Self>> + Send;

    /// Cleans up, unless the worker is killed.
    fn terminate(&mut self, reason: &ExitReason) -> impl Future<Output = ()> + Send {
        let _ = reason;
        async {}
    }

    /// How long to wait for a task before it is [`Outcome::Timeout`].
    fn timeout(&self) -> Duration {
        DEFAULT_TIMEOUT
    }

    /// The state as text, for `sys::get_status`; nothing by default, for a state may hold secrets.
    fn format_status(&self) -> Option<String> {
        None
    }

    /// Starts a worker, linked with the running process. Awaited, it says how `init` went.
    ///
    /// The handle is a [`Sender`](rekindle::Sender) of [`Never`]: a `GenTask` takes no message from
    /// its users, but has a pid to monitor, `stop`, and `exit`. A behaviour that has messages gives
    /// them a type instead, and wraps the sender in a handle with a method for each.
    #[track_caller]
    fn start_link(args: Self::Args) -> Starting<Never> {
        // `start_behaviour`, so that reports and `info` name the worker's type, and not a closure.
        let body = move |inbox: Mailbox<Never>, ack: Ack| serve::<Self>(args, inbox, ack);
        Starter::new("GenTask")
            .link()
            .start_behaviour::<Self, _, _, _>(body)
    }

    /// The worker as a child of any supervisor: transient, for it is done when it ends well.
    ///
    /// The arguments must be `Clone`, as they are needed again at each restart.
    fn child(args: Self::Args) -> ChildSpec
    where
        Self::Args: Clone + Sync,
    {
        let start = move || Self::start_link(args.clone());
        ChildSpec::worker("GenTask", start).restart(Restart::Transient)
    }
}

/// Runs a function in a task that is not linked with the running process, and waits for it at most
/// this long: a `GenTask` in one line, for whoever needs no worker.
pub async fn start_task<T, F>(
    limit: Duration,
    work: impl FnOnce() -> F + Send + 'static,
) -> Outcome<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    // The function is called in the task too: it may panic before there is a future.
    match in_a_task(async move { work().await }).await {
        Err(error) => Outcome::Exit(error.into()),
        Ok(mut task) => match task.yield_for(limit).await {
            Some(Ok(value)) => Outcome::Ok(value),
            Some(Err(reason)) => Outcome::Exit(reason),
            None => Outcome::Timeout(task),
        },
    }
}

/// Starts work under the supervisor of tasks, whichever process that is now.
async fn in_a_task<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Task<T>, StartChildError> {
    TaskSupervisorRef::named(TASK_SUPERVISOR)
        .async_nolink(work)
        .await
}

/// The life of a worker: the body of its process.
///
/// The reason that it gives is the reason with which the process ends. If it is not a clean one,
/// that makes the crash report, and the supervisor restarts the worker: there is nothing more to
/// do for it here.
async fn serve<G: GenTask>(args: G::Args, inbox: Mailbox<Never>, ack: Ack) -> ExitReason {
    // Until the acknowledgement the starter waits. Each way out says how the start went: `ready`,
    // `ignore`, or a dropped `ack`, which tells the reason once the process is gone.
    let (state, job) = match guarded(G::init(args)).await {
        Ok(Ok(Begin::Run(state, job))) => (state, job),
        Ok(Ok(Begin::Ignore)) => return ack.ignore(),
        Ok(Err(reason)) | Err(reason) => return reason,
    };
    // From here on an exit signal is an event: a task runs, and must not be left alone.
    trap_exit(true);
    ack.ready();
    let mut worker = Worker {
        state,
        inbox,
        system: SystemState::new(),
    };
    let reason = worker.work(job).await;
    match guarded(worker.state.terminate(&reason)).await {
        Ok(()) => reason,
        Err(panic) => panic,
    }
}

/// A worker that has started.
struct Worker<G> {
    state: G,
    inbox: Mailbox<Never>,
    /// Whether it is suspended, and who waits for its stop. It lives as long as the process does.
    system: SystemState,
}

impl<G: GenTask> Worker<G> {
    /// The loop: a job, its outcome, the verdict. Gives the reason to end with.
    async fn work(&mut self, job: G::Job) -> ExitReason {
        let mut then = Then::Run(job);
        loop {
            let ended = match then {
                Then::Stop(reason) => return reason,
                Then::Wait(task) => self.outcome(task).await,
                Then::Run(job) => match in_a_task(G::run(job)).await {
                    Ok(task) => self.outcome(task).await,
                    Err(error) => Ok(Outcome::Exit(error.into())),
                },
            };
            let outcome = match ended {
                Ok(outcome) => outcome,
                Err(reason) => return reason,
            };
            // Two results in one: the callback's own, and whether it panicked.
            match guarded(self.state.handle_result(outcome)).await {
                Ok(Ok(verdict)) => then = verdict,
                Ok(Err(reason)) | Err(reason) => return reason,
            }
        }
    }

    /// Waits for the task, and attends to whatever else comes. An `Err` is the reason to end with;
    /// the task is gone then.
    async fn outcome(
        &mut self,
        mut task: Task<G::Output>,
    ) -> Result<Outcome<G::Output>, ExitReason> {
        let deadline = now().saturating_add(self.state.timeout());
        loop {
            let first = if self.system.is_suspended() {
                // Nothing but `sys` and the parent's end. The result waits in the task.
                First::Event(self.inbox.next_system().await)
            } else {
                let left = deadline.saturating_since(now());
                first_of(&mut task, self.inbox.next_event(Some(left))).await
            };
            match first {
                First::Task(Ok(value)) => return Ok(Outcome::Ok(value)),
                First::Task(Err(reason)) => return Ok(Outcome::Exit(reason)),
                First::Event(Event::Timeout) => return Ok(Outcome::Timeout(task)),
                First::Event(event) => {
                    if let Some(reason) = self.attend(event) {
                        task.shutdown(SHUTDOWN).await;
                        return Err(reason);
                    }
                }
            }
        }
    }

    /// Handles what any behaviour must handle; gives the reason if it means the end.
    fn attend(&mut self, event: Event<Never>) -> Option<ExitReason> {
        match event {
            Event::System(message) => {
                let shown = |state: &G| state.format_status();
                match message.handle(&mut self.system, &mut self.state, shown) {
                    SystemVerdict::Continue => None,
                    SystemVerdict::Stop(reason) => Some(reason),
                }
            }
            Event::Exit(exit) => ends_with(exit),
            Event::Message(never) => match never {},
            // A monitor that a callback made and did not take away; a time that is not up.
            _ => None,
        }
    }
}

/// The parent's end is the worker's, whatever the reason; of anybody else it is when it would be
/// without trapping: unless it was a normal one.
fn ends_with(exit: Exit) -> Option<ExitReason> {
    let fatal = Some(exit.from) == parent() || !exit.reason.is_normal();
    fatal.then_some(exit.reason)
}

/// What came first.
enum First<T> {
    Task(Result<T, ExitReason>),
    Event(Event<Never>),
}

/// Waits for two things at once: both are polled, and the one that is ready first is taken. The
/// receive may be dropped without harm: it takes an event when it is ready, and not before.
async fn first_of<T: Send + 'static>(
    task: &mut Task<T>,
    event: impl Future<Output = Event<Never>>,
) -> First<T> {
    let mut event = pin!(event);
    poll_fn(|cx| match Pin::new(&mut *task).poll(cx) {
        Poll::Ready(result) => Poll::Ready(First::Task(result)),
        Poll::Pending => event.as_mut().poll(cx).map(First::Event),
    })
    .await
}
