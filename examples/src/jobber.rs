//! Jobs that finish, jobs that fail, and jobs that crash, and who feels it.
//!
//! ```text
//! Jobber.Supervisor            Jobber.Supervisor
//!   Jobber.JobRunner             Jobber.JobRunner
//!     Job good                     Supervisor of good
//!     Job bad                        Job good
//!     Job doomed                   Supervisor of bad
//!                                    Job bad           ... and so on
//! ```
//!
//! On the left the jobs share the restarts that their runner allows; on the right, which is the
//! cure, each has its own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rekindle::prelude::*;
use rekindle::{
    AutoShutdown, ChildBuilder, DEFAULT_INTENSITY, DynamicSupervisorRef, StartChildError,
    SupervisorHandle, SupervisorRef, recent_crashes, set_label,
};

use crate::stage::Stage;
use crate::watch::ended;

/// The name of the root.
pub const SUPERVISOR: &str = "Jobber.Supervisor";
/// The name of the supervisor of the jobs.
pub const JOB_RUNNER: &str = "Jobber.JobRunner";

/// What a job does, five seconds long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It succeeds.
    Good,
    /// It says that it failed.
    Bad,
    /// It crashes.
    Doomed,
}

/// What a job says that failed.
#[derive(Debug)]
struct Errored;

impl Work {
    async fn run(self, stage: &Stage) -> Result<(), Errored> {
        stage.pause(5.0).await;
        match self {
            Work::Good => Ok(()),
            Work::Bad => Err(Errored),
            Work::Doomed => panic!("boom"),
        }
    }
}

/// A job that somebody wants done. In a file: a line `good|bad|doomed NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What to do.
    pub work: Work,
    /// What the job is called.
    pub id: Arc<str>,
    /// How often it is tried again after it has failed.
    pub max_retries: u32,
}

impl Order {
    /// An order with the usual number of retries: 3.
    pub fn new(work: Work, id: impl Into<Arc<str>>) -> Order {
        Order {
            work,
            id: id.into(),
            max_retries: 3,
        }
    }
}

/// A line that is no order.
#[derive(Debug, PartialEq, Eq)]
pub struct BadOrder(String);

impl FromStr for Order {
    type Err = BadOrder;

    fn from_str(line: &str) -> Result<Order, BadOrder> {
        let bad = || BadOrder(line.trim().to_owned());
        let (work, id) = line.trim().split_once(' ').ok_or_else(bad)?;
        let work = match work {
            "good" => Work::Good,
            "bad" => Work::Bad,
            "doomed" => Work::Doomed,
            _ => return Err(bad()),
        };
        Ok(Order::new(work, id.trim()))
    }
}

impl fmt::Display for BadOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not `good|bad|doomed NAME`", self.0)
    }
}

impl std::error::Error for BadOrder {}

/// The orders in a file's text: one a line; empty lines do not count.
///
/// # Errors
///
/// The first line that is no order.
pub fn orders(text: &str) -> Result<Vec<Order>, BadOrder> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(str::parse).collect()
}

/// A job: does its work as soon as it is started, tries again if that failed, and then ends.
#[derive(Debug)]
pub struct Job {
    order: Order,
    stage: Stage,
    status: Status,
    retries: u32,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    New,
    Errored,
    Done,
    Failed,
}

/// How a job goes on after its init: it runs.
#[derive(Debug)]
pub struct Run;

/// What a job sends itself, to try again.
#[derive(Debug)]
pub struct Retry;

impl GenServer for Job {
    type Args = (Order, Stage);
    type Call = Never;
    type Cast = Never;
    type Info = Retry;
    type Continue = Run;

    async fn init(
        (order, stage): (Order, Stage),
        _cx: &mut Context<Self>,
    ) -> Result<Init<Self>, ExitReason> {
        set_label(order.id.clone());
        let job = Job {
            order,
            stage,
            status: Status::New,
            retries: 0,
        };
        // The starter does not wait for the work: init is over, the work comes right after it.
        Ok(Init::Continue(job, Run))
    }

    async fn handle_continue(&mut self, Run: Run, cx: &mut Context<Self>) -> Step<Self> {
        let result = self.order.work.run(&self.stage).await;
        self.status = self.handle_job_result(result);
        if self.status == Status::Errored {
            cx.send_after(self.stage.seconds(5.0), Retry);
            return Ok(Next::Wait);
        }
        self.say("Job exiting");
        Ok(Next::Stop(ExitReason::Normal))
    }

    async fn handle_info(&mut self, info: Info<Retry>, cx: &mut Context<Self>) -> Step<Self> {
        match info {
            Info::Message(Retry) => Ok(Next::Continue(Run)),
            other => cx.unexpected(other),
        }
    }

    fn format_status(&self) -> Option<String> {
        Some(format!("{:?}, {} retries", self.status, self.retries))
    }
}

impl Job {
    fn handle_job_result(&mut self, result: Result<(), Errored>) -> Status {
        match (result, self.status) {
            (Ok(()), _) => {
                self.say("Job completed");
                Status::Done
            }
            (Err(Errored), Status::New) => {
                self.say("Job errored");
                Status::Errored
            }
            (Err(Errored), _) => {
                self.say("Job retry failed");
                self.retries += 1;
                if self.retries >= self.order.max_retries {
                    Status::Failed
                } else {
                    Status::Errored
                }
            }
        }
    }

    fn say(&self, what: &str) {
        self.stage.say(format!("{what} {}", self.order.id));
    }
}

/// The root, over a runner.
pub fn tree(runner: DynamicSupervisor) -> Supervisor {
    Supervisor::one_for_one()
        .name(SUPERVISOR)
        .child(runner.name(JOB_RUNNER))
}

/// A runner that allows the default number of restarts, 3, in this many seconds.
pub fn runner(stage: &Stage, max_seconds: f64) -> DynamicSupervisor {
    DynamicSupervisor::child().intensity(DEFAULT_INTENSITY, stage.seconds(max_seconds))
}

/// A job as a child. Unless told otherwise it is permanent, as every server is.
pub fn job(order: Order, stage: &Stage) -> ChildBuilder<Job> {
    Job::child((order, stage.clone()))
}

/// The cure: a supervisor for one job, and for nobody else. It goes when its job is done.
pub fn job_supervisor(order: Order, stage: &Stage) -> Supervisor {
    Supervisor::one_for_one()
        .id(order.id.clone())
        .restart(Restart::Temporary)
        .intensity(DEFAULT_INTENSITY, stage.seconds(30.0))
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(
            job(order, stage)
                .restart(Restart::Transient)
                .significant(true),
        )
}

/// Starts a job that is restarted only if it crashes: a finished one is finished.
async fn start_job(order: Order, stage: &Stage) -> Result<Addr<Job>, StartChildError> {
    job_runner()
        .start_child(job(order, stage).restart(Restart::Transient))
        .await
}

/// Starts a job under a supervisor of its own.
async fn start_cured(order: Order, stage: &Stage) -> Result<SupervisorHandle, StartChildError> {
    job_runner().start_child(job_supervisor(order, stage)).await
}

/// Whoever is the runner when it is asked.
fn job_runner() -> DynamicSupervisorRef {
    DynamicSupervisorRef::named(JOB_RUNNER)
}

/// Tells the story.
///
/// # Errors
///
/// If the tree does not do as it should.
pub async fn run(stage: Stage) -> Result<(), ExitReason> {
    let jobber = tree(runner(&stage, 5.0)).start_link().await?;
    a_permanent_job_is_requeued(&stage).await?;
    a_transient_job_is_not(&stage).await?;
    jobber.stop().await?;

    let jobber = tree(runner(&stage, 30.0)).start_link().await?;
    the_runner_gives_up(&stage).await?;
    the_cure(&stage).await?;
    jobber.stop().await?;
    Ok(())
}

/// Runs jobs of yours, each under a supervisor of its own.
///
/// # Errors
///
/// If the tree does not do as it should.
pub async fn run_orders(stage: Stage, orders: Vec<Order>) -> Result<(), ExitReason> {
    let jobber = tree(runner(&stage, 30.0)).start_link().await?;
    let mut supervisors = Vec::new();
    for order in orders {
        supervisors.push(start_cured(order, &stage).await?);
    }
    for supervisor in supervisors {
        ended(supervisor.pid()).await;
    }
    stage.say("All jobs are over.");
    jobber.stop().await?;
    Ok(())
}

/// To a supervisor, a permanent child that ends is one that must be started again.
async fn a_permanent_job_is_requeued(stage: &Stage) -> Result<(), ExitReason> {
    stage.act("A job is permanent unless it says otherwise: it is requeued for ever.");
    let mut pid = job_runner()
        .start_child(job(Order::new(Work::Good, "good"), stage))
        .await?
        .pid();
    for _ in 0..2 {
        ended(pid).await;
        pid = only_job().await?;
        stage.say(format!("{JOB_RUNNER} has requeued good as {pid}"));
    }
    job_runner().terminate_child(pid).await?;
    Ok(())
}

/// The pid of the only job there is.
async fn only_job() -> Result<Pid, ExitReason> {
    let jobs = job_runner().which_children().await?;
    let pid = jobs.first().and_then(|job| job.state.pid());
    pid.ok_or_else(|| ExitReason::msg("there is no job"))
}

/// A crash every 5 seconds is not more than 3 in 5 seconds, however long it goes on.
async fn a_transient_job_is_not(stage: &Stage) -> Result<(), ExitReason> {
    stage.act("Transient jobs: good is done once, bad is tried four times, doomed for ever.");
    let before = job_runner_pid().await?;
    start_job(Order::new(Work::Good, "good"), stage).await?;
    stage.pause(1.0).await;
    let bad = start_job(Order::new(Work::Bad, "bad"), stage).await?;
    stage.pause(1.0).await;
    start_job(Order::new(Work::Doomed, "doomed"), stage).await?;
    ended(bad.pid()).await;
    let crashes = recent_crashes().len();
    let same = if job_runner_pid().await? == before {
        "the same"
    } else {
        "another one"
    };
    stage.say(format!(
        "doomed has crashed {crashes} times, and {JOB_RUNNER} is {same}"
    ));
    Ok(())
}

/// With more time to count restarts in, the runner has had enough: for all of its jobs.
async fn the_runner_gives_up(stage: &Stage) -> Result<(), ExitReason> {
    stage.act("More than 3 restarts in 30 seconds: the runner gives up on doomed, and on bad.");
    let before = show_runner(stage).await?;
    start_job(Order::new(Work::Bad, "bad"), stage).await?;
    stage.pause(1.0).await;
    start_job(Order::new(Work::Doomed, "doomed"), stage).await?;
    let reason = ended(before).await;
    stage.say(format!("{JOB_RUNNER} {before} has ended: {reason}"));
    show_runner(stage).await?;
    Ok(())
}

/// Only what shares a supervisor shares its end.
async fn the_cure(stage: &Stage) -> Result<(), ExitReason> {
    stage.act("The cure: one supervisor per job. It gives up on doomed, and bad goes on.");
    let bad = Order {
        max_retries: 2,
        ..Order::new(Work::Bad, "bad")
    };
    let bad = start_cured(bad, stage).await?;
    stage.pause(1.0).await;
    let doomed = start_cured(Order::new(Work::Doomed, "doomed"), stage).await?;
    let reason = ended(doomed.pid()).await;
    stage.say(format!("The supervisor of doomed has ended: {reason}"));
    show_runner(stage).await?;
    ended(bad.pid()).await;
    show_runner(stage).await?;
    Ok(())
}

/// Says who the runner is, and what it has to do.
async fn show_runner(stage: &Stage) -> Result<Pid, ExitReason> {
    let pid = job_runner_pid().await?;
    let jobs = job_runner().count_children().await?.active;
    stage.say(format!("{JOB_RUNNER} is {pid} and has {jobs} jobs"));
    Ok(pid)
}

/// The runner's pid, as its supervisor knows it: so a restart that is due has been made.
async fn job_runner_pid() -> Result<Pid, ExitReason> {
    let runner = SupervisorRef::named(SUPERVISOR)
        .which_child(JOB_RUNNER)
        .await?;
    runner
        .state
        .pid()
        .ok_or_else(|| ExitReason::msg("the runner does not run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_from_lines() {
        let read = orders("good tea\n\n  bad  two words\n").unwrap();
        let expected = [
            Order::new(Work::Good, "tea"),
            Order::new(Work::Bad, "two words"),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn a_line_that_is_no_order_is_named() {
        let bad = orders("good tea\nugly duck").unwrap_err();
        assert_eq!(
            bad.to_string(),
            "\"ugly duck\" is not `good|bad|doomed NAME`"
        );
        assert!(orders("good").is_err());
    }
}
