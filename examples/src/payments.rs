//! A worker that pays drivers once a second, from a database, and what its crashes do to others.
//!
//! ```text
//! Application                  Application
//!   Payment.Worker               Payment.Supervisor
//!   Dispatcher                     Payment.Worker
//!                                Dispatcher
//! ```
//!
//! On the left the worker's crashes use up the restarts of the whole application; on the right it
//! has a supervisor of its own, whose limit is computed from the worker's interval, so that it
//! can crash in every round and never takes anyone along.
//!
//! Money is moved in one transaction a round. A crash in the middle rolls it back, so a job is
//! paid once or not at all, however often the worker is restarted.

mod folder;
mod repo;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rekindle::prelude::*;
use rekindle::{ChildBuilder, DEFAULT_INTENSITY};
use rusqlite::Connection;

use crate::stage::Stage;
use crate::watch::ended;

pub use folder::Folder;
pub use repo::{Job, Paid, PaymentError, Release, Repo};

/// Seconds between two rounds.
pub const INTERVAL: f64 = 1.0;
/// Seconds in which a supervisor counts restarts, unless told otherwise.
const DEFAULT_MAX_SECONDS: f64 = 5.0;
/// A second of this story cannot be shorter: a round at a real database takes real time.
const SHORTEST_SECOND: Duration = Duration::from_millis(30);

/// What the worker works with.
#[derive(Debug, Clone)]
pub struct Setup {
    stage: Stage,
    repo: Repo,
    deployed: Deployed,
}

impl Setup {
    /// This release, at work on this database.
    #[must_use]
    pub fn new(stage: Stage, repo: Repo, release: Release) -> Setup {
        let deployed = Deployed::default();
        deployed.deploy(release);
        Setup {
            stage,
            repo,
            deployed,
        }
    }

    fn seconds(&self, seconds: f64) -> Duration {
        let second = self.stage.seconds(1.0).max(SHORTEST_SECOND);
        second.mul_f64(seconds)
    }

    async fn pause(&self, seconds: f64) {
        sleep(self.seconds(seconds)).await;
    }

    /// Asks the database, without blocking anybody.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Repo) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ExitReason> {
        let repo = self.repo.clone();
        Ok(blocking(move || question(&repo)).await??)
    }
}

/// The release that the next worker to start will be of. Clones are one.
#[derive(Debug, Clone, Default)]
struct Deployed {
    good: Arc<AtomicBool>,
}

impl Deployed {
    fn deploy(&self, release: Release) {
        self.good.store(release == Release::Good, Ordering::Relaxed);
    }

    fn release(&self) -> Release {
        if self.good.load(Ordering::Relaxed) {
            Release::Good
        } else {
            Release::Doubled
        }
    }
}

/// The server that pays.
#[derive(Debug)]
pub struct Worker {
    setup: Setup,
    /// Its own release: a deployment reaches it by a restart.
    release: Release,
    /// Away while a round is under way.
    connection: Option<Connection>,
}

/// It is time for a round.
#[derive(Debug)]
pub struct Work;

impl GenServer for Worker {
    type Args = Setup;
    type Call = Never;
    type Cast = Never;
    type Info = Work;
    type Continue = Never;

    async fn init(setup: Setup, cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        let release = setup.deployed.release();
        let connection = setup.ask(Repo::connect).await?;
        setup
            .stage
            .say(format!("Payment.Worker starts: {release:?}"));
        cx.send_after(setup.seconds(INTERVAL), Work);
        Ok(Init::Ready(Worker {
            setup,
            release,
            connection: Some(connection),
        }))
    }

    async fn handle_info(&mut self, info: Info<Work>, cx: &mut Context<Self>) -> Step<Self> {
        let Info::Message(Work) = info else {
            return cx.unexpected(info);
        };
        let stage = self.setup.stage.clone();
        let paid = self.round().await.inspect_err(|reason| {
            stage.say(format!("Payment.Worker: {reason}"));
        })?;
        stage.say(format!("Payment.Worker: paid {paid} jobs"));
        cx.send_after(self.setup.seconds(INTERVAL), Work);
        Ok(Next::Wait)
    }
}

impl Worker {
    /// Pays for all completed jobs. Gives their number.
    ///
    /// The connection goes along to the thread that may block, and comes back with the result.
    /// Whoever holds it last closes it: if the round fails or panics, or the worker is killed
    /// meanwhile, that is the thread, which by then has committed the round or rolled it back.
    async fn round(&mut self) -> Result<usize, ExitReason> {
        let Some(mut connection) = self.connection.take() else {
            return Err(ExitReason::msg("the last round kept the connection"));
        };
        let release = self.release;
        let round = blocking(move || {
            let paid = repo::pay_the_drivers(&mut connection, release)?;
            Ok::<_, PaymentError>((connection, paid))
        });
        let (connection, paid) = round.await??;
        self.connection = Some(connection);
        Ok(paid)
    }
}

/// The rest of the application, which has nothing to do with payments.
#[derive(Debug)]
pub struct Dispatcher;

impl GenServer for Dispatcher {
    type Args = ();
    type Call = Never;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Dispatcher))
    }
}

/// The first try: the worker beside everything else.
pub fn application(setup: &Setup) -> Supervisor {
    main_supervisor(setup, worker(setup))
}

/// The second: the worker under a supervisor of its own.
pub fn application_with_own_supervisor(setup: &Setup) -> Supervisor {
    main_supervisor(setup, payment_supervisor(setup))
}

fn main_supervisor(setup: &Setup, payments: impl Into<ChildSpec>) -> Supervisor {
    Supervisor::one_for_one()
        .name("Application")
        // The defaults, but for the pace of the story.
        .intensity(DEFAULT_INTENSITY, setup.seconds(DEFAULT_MAX_SECONDS))
        .child(payments)
        .child(Dispatcher::child(()).name("Dispatcher"))
}

/// The worker crashes at most once in an interval; its supervisor allows one restart more than
/// that makes in its period, and so never gives up.
fn payment_supervisor(setup: &Setup) -> Supervisor {
    Supervisor::one_for_one()
        .name("Payment.Supervisor")
        .intensity(max_restarts(), setup.seconds(DEFAULT_MAX_SECONDS))
        .child(worker(setup))
}

fn max_restarts() -> u32 {
    (DEFAULT_MAX_SECONDS / INTERVAL).ceil() as u32 + 1
}

fn worker(setup: &Setup) -> ChildBuilder<Worker> {
    Worker::child(setup.clone()).name("Payment.Worker")
}

/// Tells the story, with a database in this folder.
///
/// # Errors
///
/// If something does not go as the story says.
pub async fn run(stage: Stage, folder: Arc<Folder>) -> Result<(), ExitReason> {
    let repo = blocking(move || three_completed_jobs(&folder)).await??;
    let setup = Setup::new(stage, repo, Release::Doubled);
    the_application_goes_down(&setup).await?;
    nothing_is_paid(&setup).await?;
    the_application_stays_up(&setup).await?;
    nobody_is_paid_twice(&setup).await
}

fn three_completed_jobs(folder: &Folder) -> rusqlite::Result<Repo> {
    let repo = Repo::create(folder.path())?;
    for job in the_jobs() {
        repo.complete(&job)?;
    }
    Ok(repo)
}

fn the_jobs() -> [Job; 3] {
    [
        Job::completed(1, "Ada", 120),
        Job::completed(2, "Bert", 80),
        Job::completed(3, "Cora", 200),
    ]
}

async fn the_application_goes_down(setup: &Setup) -> Result<(), ExitReason> {
    let stage = &setup.stage;
    stage.act("A wrong release, and all defaults: 3 restarts in 5 seconds for the application.");
    // Linked, the end of the application would be ours.
    let application = application(setup).start().await?;
    let reason = ended(application.pid()).await;
    stage.say(format!("Application has ended: {reason}"));
    say_who_is_up(stage);
    Ok(())
}

async fn the_application_stays_up(setup: &Setup) -> Result<(), ExitReason> {
    let stage = &setup.stage;
    let limit = max_restarts();
    stage.act(&format!(
        "The worker gets its own supervisor: {limit} restarts in 5 seconds."
    ));
    let application = application_with_own_supervisor(setup).start_link().await?;
    setup.pause(8.5).await;
    say_who_is_up(stage);

    stage.act("The corrected release is deployed; the next restart takes it up.");
    setup.deployed.deploy(Release::Good);
    all_is_paid(setup).await?;
    // One round more, with nothing left to do.
    setup.pause(INTERVAL).await;
    application.stop().await?;
    Ok(())
}

fn say_who_is_up(stage: &Stage) {
    stage.say(format!("Application is {}", up_or_down("Application")));
    stage.say(format!(
        "Dispatcher, the rest of the application, is {}",
        up_or_down("Dispatcher")
    ));
}

fn up_or_down(name: &str) -> &'static str {
    if whereis(name).is_some() {
        "up"
    } else {
        "down"
    }
}

/// Waits until no job is unpaid, which should not take long.
async fn all_is_paid(setup: &Setup) -> Result<(), ExitReason> {
    for _ in 0..60 {
        if setup.ask(Repo::unpaid).await?.is_empty() {
            return Ok(());
        }
        setup.pause(INTERVAL).await;
    }
    Err(ExitReason::msg("some jobs are still not paid"))
}

/// In every round so far, job 1 was paid before job 2 failed.
async fn nothing_is_paid(setup: &Setup) -> Result<(), ExitReason> {
    let payments = setup.ask(Repo::payments).await?;
    if !payments.is_empty() {
        return Err(ExitReason::msg(format!("not rolled back: {payments:?}")));
    }
    let stage = &setup.stage;
    stage.say("The database has no payment: each round that failed was rolled back.");
    Ok(())
}

async fn nobody_is_paid_twice(setup: &Setup) -> Result<(), ExitReason> {
    let stage = &setup.stage;
    stage.act("What the database says.");
    let payments = setup.ask(Repo::payments).await?;
    for paid in &payments {
        stage.say(format!(
            "job {}: paid {} time, {} in all",
            paid.job_id, paid.times, paid.amount
        ));
    }
    if payments != the_jobs().map(|job| paid_once(&job)) {
        return Err(ExitReason::msg(format!(
            "somebody was not paid as is due: {payments:?}"
        )));
    }
    stage.say("Nobody is paid twice, and everybody once.");
    Ok(())
}

/// What the database should say about a job in the end.
#[must_use]
pub fn paid_once(job: &Job) -> Paid {
    Paid {
        job_id: job.job_id,
        times: 1,
        amount: job.to_be_paid,
    }
}
