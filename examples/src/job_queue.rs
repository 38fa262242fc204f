//! A queue that hands every job to a task, and the task's way back to the caller.
//!
//! ```text
//! my_app_supervisor
//!   JobSupervisor
//!     Job1, Job2, Job3 ...
//!   JobQueue
//! ```

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rekindle::prelude::*;
use rekindle::{DynamicSupervisorRef, tree_text};

use crate::dice::Dice;
use crate::stage::Stage;
use crate::watch::ended;

/// The name of the root.
pub const APP_SUPERVISOR: &str = "my_app_supervisor";
/// The name of the supervisor of the jobs.
pub const JOB_SUPERVISOR: &str = "JobSupervisor";
/// The name of the queue.
pub const JOB_QUEUE: &str = "JobQueue";

/// A job: makes its result anew each time it is run.
pub type Job = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// A job from a closure that gives a future.
pub fn job<F>(work: impl Fn() -> F + Send + Sync + 'static) -> Job
where
    F: Future<Output = String> + Send + 'static,
{
    Arc::new(move || Box::pin(work()))
}

/// Takes jobs and hands each to a task of its own, so that none waits for another.
#[derive(Debug)]
pub struct JobQueue {
    /// When the tasks are restarted.
    restart: Restart,
}

/// What the queue is asked.
#[allow(missing_debug_implementations, reason = "a job is a function")]
pub enum Request {
    /// To have this job run.
    ScheduleJob(Job, ReplyTo<String>),
}

impl GenServer for JobQueue {
    type Args = Restart;
    type Call = Request;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(restart: Restart, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(JobQueue { restart }))
    }

    async fn handle_call(
        &mut self,
        Request::ScheduleJob(job, from): Request,
        _cx: &mut Context<Self>,
    ) -> Step<Self> {
        let answer = Answer::new(from);
        let task = ChildSpec::task(move || run_job(answer.clone(), job.clone()));
        // A task is temporary unless its specification is told otherwise.
        let task = task.restart(self.restart);
        DynamicSupervisorRef::named(JOB_SUPERVISOR)
            .start_child(task)
            .await?;
        // No reply from here: the task gives it.
        Ok(Next::Wait)
    }
}

impl JobQueue {
    /// Has a job run, and waits for its result.
    ///
    /// # Errors
    ///
    /// If there will be no result.
    pub async fn schedule_job(job: Job) -> Result<String, CallError> {
        let queue = Name::<JobQueue>::new(JOB_QUEUE);
        queue.call(|from| Request::ScheduleJob(job, from)).await
    }
}

async fn run_job(answer: Answer, job: Job) {
    let result = job().await;
    answer.give(result);
}

/// The way back to the caller, shared by all attempts at one job.
///
/// A `ReplyTo` answers once, so an attempt that took it along would drop it when it crashes, and
/// with it the caller's hope. The attempts share it instead, and the one that succeeds takes it.
/// As long as the supervisor keeps the specification for another attempt, the caller waits; when
/// it forgets it (at once, if the task is temporary), the last owner is the task itself.
#[derive(Debug, Clone)]
struct Answer(Arc<Mutex<Option<ReplyTo<String>>>>);

impl Answer {
    fn new(from: ReplyTo<String>) -> Answer {
        Answer(Arc::new(Mutex::new(Some(from))))
    }

    fn give(&self, result: String) {
        let from = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(from) = from {
            from.reply(result);
        }
    }
}

/// The application: the queue, and beside it the supervisor of what it starts.
pub fn tree(stage: &Stage, restart: Restart) -> Supervisor {
    Supervisor::one_for_one()
        .name(APP_SUPERVISOR)
        // A job fails in 30% of its runs: four failures in a row, which the default would take
        // for hopeless, are just bad luck.
        .child(
            DynamicSupervisor::child()
                .name(JOB_SUPERVISOR)
                .intensity(100, stage.seconds(5.0)),
        )
        .child(JobQueue::child(restart).name(JOB_QUEUE))
}

/// Tells the story. What is left to chance is drawn from the seed.
///
/// # Errors
///
/// If the tree does not do as it should.
pub async fn run(stage: Stage, seed: u64) -> Result<(), ExitReason> {
    let dice = Arc::new(Dice::new(seed));
    tasks_under_a_supervisor(&stage).await?;
    tasks_under_a_dynamic_supervisor(&stage).await?;

    let app = tree(&stage, Restart::Temporary).start_link().await?;
    a_job_gives_its_result(&stage).await?;
    jobs_run_at_the_same_time(&stage).await?;
    a_failing_job_gives_an_error(&stage, &dice).await?;
    app.stop().await?;

    let app = tree(&stage, Restart::Transient).start_link().await?;
    a_failing_job_is_tried_again(&stage, &dice).await?;
    app.stop().await?;
    Ok(())
}

async fn tasks_under_a_supervisor(stage: &Stage) -> Result<(), ExitReason> {
    stage.act("Tasks join an ordinary supervisor while it runs.");
    let supervisor = Supervisor::one_for_one().start_link().await?;
    for _ in 0..2 {
        let task = supervisor.start_child(hello(stage)).await?;
        // Ids are unique here: the next one must wait until this one is gone.
        ended(task.pid()).await;
    }
    supervisor.stop().await?;
    Ok(())
}

async fn tasks_under_a_dynamic_supervisor(stage: &Stage) -> Result<(), ExitReason> {
    stage.act("They join a dynamic one, which is made for that.");
    let supervisor = DynamicSupervisor::new().start_link().await?;
    for _ in 0..2 {
        let task = supervisor.start_child(hello(stage)).await?;
        ended(task.pid()).await;
    }
    supervisor.stop().await?;
    Ok(())
}

fn hello(stage: &Stage) -> ChildSpec {
    let stage = stage.clone();
    ChildSpec::task(move || {
        let stage = stage.clone();
        async move { stage.say("Hello from a task spawned dynamically under a supervisor") }
    })
}

async fn a_job_gives_its_result(stage: &Stage) -> Result<(), ExitReason> {
    stage.act("A job queue: the task that runs the job answers the caller.");
    let on = stage.clone();
    schedule(stage, job(move || simple(on.clone()))).await?;
    Ok(())
}

/// Schedules a job and says what came of it.
async fn schedule(stage: &Stage, job: Job) -> Result<String, CallError> {
    let result = JobQueue::schedule_job(job).await;
    match &result {
        Ok(result) => stage.say(format!("JobQueue.schedule_job gives {result:?}")),
        Err(error) => stage.say(format!("JobQueue.schedule_job fails: {error}")),
    }
    result
}

async fn simple(stage: Stage) -> String {
    stage.say(format!("{}: Running a job", self_pid()));
    stage.pause(0.1).await;
    "Job result".to_owned()
}

async fn jobs_run_at_the_same_time(stage: &Stage) -> Result<(), ExitReason> {
    stage.act("Three jobs at once: the queue waits for none of them.");
    let visit = Arc::new(Visit::default());
    let job = {
        let (stage, visit) = (stage.clone(), visit.clone());
        job(move || visited(stage.clone(), visit.clone()))
    };
    let callers: Vec<_> = (0..3)
        .map(|_| Task::spawn(JobQueue::schedule_job(job.clone())))
        .collect();
    while visit.waiting.load(Ordering::Relaxed) < callers.len() {
        stage.pause(0.1).await;
    }
    tree_text().lines().for_each(|line| stage.say(line));
    visit.made.store(true, Ordering::Relaxed);
    for caller in callers {
        stage.say(format!("JobQueue.schedule_job gives {:?}", caller.await??));
    }
    Ok(())
}

/// Jobs that run until somebody has looked at them all together. If the queue were a bottleneck,
/// the second would wait for the end of the first, and the first for the second.
#[derive(Debug, Default)]
struct Visit {
    /// How many jobs wait for it.
    waiting: AtomicUsize,
    /// Whether the jobs may end.
    made: AtomicBool,
}

async fn visited(stage: Stage, visit: Arc<Visit>) -> String {
    let result = simple(stage.clone()).await;
    visit.waiting.fetch_add(1, Ordering::Relaxed);
    while !visit.made.load(Ordering::Relaxed) {
        stage.pause(0.1).await;
    }
    result
}

async fn a_failing_job_gives_an_error(stage: &Stage, dice: &Arc<Dice>) -> Result<(), ExitReason> {
    stage.act("A job that fails now and then. Its task is temporary: the caller gets an error.");
    let (job, _) = failing(stage, dice);
    let error = loop {
        if let Err(error) = schedule(stage, job.clone()).await {
            break error;
        }
    };
    if error != CallError::NoReply {
        return Err(error.into());
    }
    stage.say("The caller knows at once: no task is left that could answer, so no timeout is due.");
    Ok(())
}

async fn a_failing_job_is_tried_again(stage: &Stage, dice: &Arc<Dice>) -> Result<(), ExitReason> {
    stage.act("The same job as a transient task: the caller gets its answer from the retry.");
    let (job, runs) = failing(stage, dice);
    let mut jobs = 0;
    // Once more than there were jobs: one was tried again.
    while runs.load(Ordering::Relaxed) == jobs {
        schedule(stage, job.clone()).await?;
        jobs += 1;
    }
    Ok(())
}

/// A job that fails in about 30% of its runs, and the number of runs.
fn failing(stage: &Stage, dice: &Arc<Dice>) -> (Job, Arc<AtomicU32>) {
    let (stage, dice, runs) = (stage.clone(), dice.clone(), Arc::new(AtomicU32::new(0)));
    let counted = runs.clone();
    let job = job(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        by_chance(stage.clone(), dice.clone())
    });
    (job, runs)
}

async fn by_chance(stage: Stage, dice: Arc<Dice>) -> String {
    stage.say(format!("{}: Running a job", self_pid()));
    if dice.uniform() > 0.7 {
        panic!("Job failure");
    }
    "Job result".to_owned()
}
