//! An application of [`GenTask`]: a worker per job of a queue, which survives what its job does.
//!
//! ```text
//!   Queue                              a process on its own, as if it were RabbitMQ
//!   MyApp.Supervisor
//!   ├── GenTask.TaskSupervisor         one task per worker, temporary: crashes end here
//!   ├── MyWorkerSupervisor             one worker per delivery, transient: settles it, and ends
//!   └── Consumer                       takes deliveries, starts workers
//! ```

use rekindle::prelude::*;
use rekindle::{ChildHandle, StartChildError, TaskSupervisorRef};

use super::behaviour::{self, Begin, GenTask, Outcome, Then, Verdict, start_task};
use super::queue::{Delivery, Ledger, Queue};
use crate::cli::Pace;
use crate::screen::Screen;

/// The name of the workers' supervisor.
pub const WORKERS: &str = "MyWorkerSupervisor";

/// The name of the process that takes deliveries.
pub const CONSUMER: &str = "Consumer";

/// How many jobs may be under way at a time.
pub const PREFETCH: usize = 4;

/// A job that never ends, the first time.
pub const HANGS: &str = "wait for a service that hangs";

/// A job at whose end the worker itself crashes, the first time.
pub const WORKER_BUG: &str = "find a bug in the worker";

/// One job in so many ends with an error.
const ODDS: u64 = 4;

/// How many ordinary jobs there are.
const PHOTOS: usize = 14;

/// What all parts of the application share.
#[derive(Debug, Clone)]
pub struct MyApp {
    /// Where jobs come from, and are settled.
    pub queue: Queue,
    /// Where the story is told.
    pub screen: Screen,
    /// How fast it goes.
    pub pace: Pace,
}

impl MyApp {
    /// An application with a queue of its own.
    #[must_use]
    pub fn new(screen: &Screen, pace: Pace) -> MyApp {
        MyApp {
            queue: Queue::start(screen),
            screen: screen.clone(),
            pace,
        }
    }

    /// The supervision tree. The order matters: workers need tasks, the consumer needs both.
    pub fn tree(&self) -> Supervisor {
        let app = self.clone();
        let consumer = ChildSpec::worker(CONSUMER, move || {
            let app = app.clone();
            async move { spawn_link(|inbox: Mailbox<Delivery>| app.consume(inbox)) }
        });
        Supervisor::one_for_one()
            .name("MyApp.Supervisor")
            .child(behaviour::supervisor())
            .child(DynamicSupervisor::child().name(WORKERS))
            .child(consumer)
    }

    /// The consumer: a worker for each delivery.
    async fn consume(self, mut inbox: Mailbox<Delivery>) -> Result<(), ExitReason> {
        register(CONSUMER, self_pid())?;
        self.queue.subscribe(inbox.recipient(), PREFETCH);
        loop {
            let delivery = inbox.recv().await;
            let tag = delivery.tag;
            match self.start_worker(delivery).await {
                Ok(_) => {}
                // The delivery is another's, or settled: there is nothing to do.
                Err(StartChildError::Ignore) => {}
                // A worker may have claimed it, and died since: then it is in the queue already.
                Err(error) => {
                    self.screen
                        .say(format!("No worker for job #{tag}: {error}"));
                    if self.queue.claim(tag).await? {
                        self.queue.nack(tag).await?;
                    }
                }
            }
        }
    }

    /// Starts a worker for a delivery.
    ///
    /// # Errors
    ///
    /// If the worker's init fails, or its supervisor does not answer.
    pub async fn start_worker(&self, delivery: Delivery) -> Result<ChildHandle, StartChildError> {
        let child = MyWorker::child((self.clone(), delivery)).id("MyWorker");
        workers().start_child(child).await
    }
}

fn workers() -> rekindle::DynamicSupervisorRef {
    rekindle::DynamicSupervisorRef::named(WORKERS)
}

fn tasks() -> TaskSupervisorRef {
    TaskSupervisorRef::named(behaviour::TASK_SUPERVISOR)
}

/// The worker of one delivery: it knows the tag, and settles it whatever the task does.
#[derive(Debug)]
pub struct MyWorker {
    app: MyApp,
    delivery: Delivery,
}

impl GenTask for MyWorker {
    type Args = (MyApp, Delivery);
    type Job = (MyApp, Delivery);
    type Output = ();

    async fn init((app, delivery): Self::Args) -> Result<Begin<Self, Self::Job>, ExitReason> {
        if !app.queue.claim(delivery.tag).await? {
            // Started again by the supervisor; but the queue has taken the job back meanwhile.
            app.screen.say(format!(
                "No new worker for job #{}: it is not ours",
                delivery.tag
            ));
            return Ok(Begin::Ignore);
        }
        let job = (app.clone(), delivery.clone());
        Ok(Begin::Run(MyWorker { app, delivery }, job))
    }

    /// The business logic. It runs in the task.
    async fn run(
        (
            app,
            Delivery {
                tag,
                payload,
                attempt,
            },
        ): Self::Job,
    ) {
        match (payload.as_str(), attempt) {
            (HANGS, 1) => std::future::pending().await,
            (WORKER_BUG, 1) => {}
            _ => simulated_error(),
        }
        app.screen.say(format!("Processed job #{tag}: {payload}"));
        sleep(app.pace.seconds(0.1)).await;
    }

    /// What becomes of the delivery. It runs in the worker.
    async fn handle_result(&mut self, outcome: Outcome<()>) -> Verdict<Self> {
        let Delivery {
            tag,
            payload,
            attempt,
        } = &self.delivery;
        let reason = match outcome {
            Outcome::Ok(()) if payload == WORKER_BUG && *attempt == 1 => {
                // Not the task's fault: the supervisor deals with this one.
                return Err(ExitReason::msg("a bug in the worker"));
            }
            Outcome::Ok(()) => {
                self.app.queue.ack(*tag).await?;
                return Ok(Then::Stop(ExitReason::Normal));
            }
            Outcome::Exit(reason) => reason.to_string(),
            Outcome::Timeout(task) => {
                task.shutdown(self.timeout()).await;
                "timeout".to_owned()
            }
        };
        let line = format!("Task with tag {tag} terminated with reason: {reason}");
        self.app.screen.say(line);
        self.app.queue.nack(*tag).await?;
        Ok(Then::Stop(ExitReason::Normal))
    }

    fn timeout(&self) -> Duration {
        patience(self.app.pace)
    }

    fn format_status(&self) -> Option<String> {
        Some(format!(
            "delivery {} of {:?}",
            self.delivery.tag, self.delivery.payload
        ))
    }
}

/// How long to wait for a task: 5 s. At a fast pace it is more than it should be, lest a hiccup of
/// the machine look like a job that hangs.
fn patience(pace: Pace) -> Duration {
    pace.seconds(5.0).max(Duration::from_millis(200))
}

/// Crashes one time in [`ODDS`]. The chance is the runtime's, so a simulated run can be repeated.
fn simulated_error() {
    if rekindle::Handle::current().random().is_multiple_of(ODDS) {
        panic!("Error!");
    }
}

/// How the story ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The queue's books.
    pub ledger: Ledger,
    /// Whether both supervisors are the processes that they were before the jobs.
    pub supervisors_survived: bool,
    /// Workers and tasks that still run.
    pub left_over: usize,
}

/// Tells the story; must be called in a process.
///
/// # Errors
///
/// If a supervisor does not start or answer, or the queue does not.
pub async fn run(screen: &Screen, pace: Pace) -> Result<Summary, ExitReason> {
    let app = MyApp::new(screen, pace);
    let tree = app.tree().start_link().await?;
    runner_functions(&app).await;

    let before = supervisors();
    publish(&app);
    let ledger = app.queue.drained().await?;
    let left_over = settled(pace).await?;
    let summary = Summary {
        ledger,
        supervisors_survived: supervisors() == before,
        left_over,
    };
    tell(screen, &summary);

    app.queue.stop();
    tree.stop().await?;
    Ok(summary)
}

/// Three functions under unlinked tasks: one gives a value, one crashes, one never ends.
async fn runner_functions(app: &MyApp) {
    let limit = patience(app.pace);
    let show = |outcome: String| app.screen.say(format!("start_task: {outcome}"));
    show(shown(start_task(limit, || async { (1..=100).sum() }).await));
    show(shown(
        start_task(limit, || async { panic!("Error!") }).await,
    ));
    show(shown(start_task(limit, std::future::pending).await));
}

fn shown(outcome: Outcome<u32>) -> String {
    match outcome {
        Outcome::Ok(value) => format!("ok, {value}"),
        Outcome::Exit(reason) => format!("exit, {reason}"),
        Outcome::Timeout(task) => {
            // Nobody waits for it any more; it is the caller's to stop.
            task.pid()
                .into_iter()
                .for_each(|pid| exit(pid, ExitReason::Shutdown));
            "timeout".to_owned()
        }
    }
}

fn publish(app: &MyApp) {
    for photo in 1..=PHOTOS {
        app.queue.publish(format!("resize photo {photo}"));
        match photo {
            2 => app.queue.publish(HANGS),
            5 => app.queue.publish(WORKER_BUG),
            _ => {}
        }
    }
}

/// The two supervisors that jobs could take down, if they were not kept apart.
fn supervisors() -> [Option<Pid>; 2] {
    [WORKERS, behaviour::TASK_SUPERVISOR].map(whereis)
}

/// Gives the last workers a moment to end; how many processes are left after that.
async fn settled(pace: Pace) -> Result<usize, CallError> {
    let mut left_over = 0;
    for _ in 0..100 {
        left_over = workers().count_children().await?.active + tasks().children().await?.len();
        if left_over == 0 {
            break;
        }
        sleep(pace.seconds(0.01)).await;
    }
    Ok(left_over)
}

/// The table at the end.
fn tell(screen: &Screen, summary: &Summary) {
    let Summary {
        ledger,
        supervisors_survived,
        left_over,
    } = summary;
    let row = |job: &str, deliveries: u64, nacks: u64, acks: u64| {
        screen.say(format!("{job:<32}{deliveries:>10}{nacks:>8}{acks:>8}"));
    };
    screen.say(format!(
        "{:<32}{:>10}{:>8}{:>8}",
        "job", "deliveries", "nacks", "acks"
    ));
    for job in &ledger.jobs {
        row(
            &job.payload,
            job.deliveries.into(),
            job.nacks.into(),
            job.acks.into(),
        );
    }
    row("in all", ledger.deliveries, ledger.nacks, ledger.acks);
    let once = ledger.jobs.iter().filter(|job| job.acks == 1).count();
    screen.say(format!(
        "{once} of {} jobs were acknowledged exactly once; settled twice: {} deliveries; \
         taken back from dead workers: {}; in flight at most: {}, now: {}",
        ledger.jobs.len(),
        ledger.mistakes,
        ledger.orphans,
        ledger.most_in_flight,
        ledger.in_flight,
    ));
    let kept = if *supervisors_survived {
        "the"
    } else {
        "not the"
    };
    screen.say(format!(
        "{WORKERS} and {} are {kept} same processes as before",
        behaviour::TASK_SUPERVISOR
    ));
    screen.say(format!("workers and tasks left over: {left_over}"));
}
