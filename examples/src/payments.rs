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

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rekindle::prelude::*;
use rekindle::{BlockingError, SupervisorHandle};
use rusqlite::{Connection, Transaction};

use crate::stage::Stage;
use crate::watch::ended;

/// Seconds between two rounds.
pub const INTERVAL: f64 = 1.0;
/// The period in which a supervisor counts restarts, unless told otherwise.
const PERIOD: f64 = 5.0;
/// A second of this story cannot be shorter: a round at a real database takes real time.
const SHORTEST_SECOND: Duration = Duration::from_millis(30);

/// Which version of the code is in use: the wrong one pays twice the amount.
#[derive(Debug, Clone, Default)]
pub struct Release {
    correct: Arc<AtomicBool>,
}

impl Release {
    /// Deploys the corrected version.
    pub fn correct(&self) {
        self.correct.store(true, Ordering::Relaxed);
    }

    fn is_correct(&self) -> bool {
        self.correct.load(Ordering::Relaxed)
    }
}

/// The driver would have got more than is due to them.
#[derive(Debug)]
struct InvalidPayment {
    job_id: i64,
}

/// The database of the story.
#[derive(Debug, Clone)]
pub struct Repo {
    file: PathBuf,
}

impl Repo {
    /// A database with some completed jobs, in a file that must not exist yet.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn create(file: impl Into<PathBuf>) -> rusqlite::Result<Repo> {
        let repo = Repo { file: file.into() };
        repo.open()?.execute_batch(
            "CREATE TABLE completed (job_id INTEGER PRIMARY KEY, due INTEGER NOT NULL);
             CREATE TABLE paid (job_id INTEGER NOT NULL, amount INTEGER NOT NULL);
             INSERT INTO completed VALUES (1, 120), (2, 80), (3, 200);",
        )?;
        Ok(repo)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        Connection::open(&self.file)
    }

    /// What was paid: the job, how often, and how much in all.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn payments(&self) -> rusqlite::Result<Vec<(i64, i64, i64)>> {
        let connection = self.open()?;
        let mut query = connection.prepare(
            "SELECT job_id, count(*), sum(amount) FROM paid GROUP BY job_id ORDER BY job_id",
        )?;
        query
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect()
    }

    /// One round: pays every completed job, in one transaction. Gives how many were paid.
    fn pay_the_drivers(&self, correct: bool) -> rusqlite::Result<usize> {
        let mut connection = self.open()?;
        // Dropped without a commit, be it by an error or by a panic, it is rolled back.
        let transaction = connection.transaction()?;
        let jobs = completed(&transaction)?;
        for (job_id, due) in &jobs {
            let amount = if correct { *due } else { 2 * due };
            pay(&transaction, *job_id, amount)?;
            if let Err(InvalidPayment { job_id }) = verify_payment(&transaction, *job_id, *due)? {
                panic!("Invalid payment for job {job_id}");
            }
            transaction.execute("DELETE FROM completed WHERE job_id = ?1", [job_id])?;
        }
        transaction.commit()?;
        Ok(jobs.len())
    }
}

fn completed(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut query = transaction.prepare("SELECT job_id, due FROM completed ORDER BY job_id")?;
    query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn pay(transaction: &Transaction<'_>, job_id: i64, amount: i64) -> rusqlite::Result<()> {
    transaction.execute("INSERT INTO paid VALUES (?1, ?2)", [job_id, amount])?;
    Ok(())
}

/// Whether the driver has got no more than is due.
fn verify_payment(
    transaction: &Transaction<'_>,
    job_id: i64,
    due: i64,
) -> rusqlite::Result<Result<(), InvalidPayment>> {
    let sum = "SELECT sum(amount) FROM paid WHERE job_id = ?1";
    let paid: i64 = transaction.query_row(sum, [job_id], |row| row.get(0))?;
    Ok(if paid > due {
        Err(InvalidPayment { job_id })
    } else {
        Ok(())
    })
}

/// The server that pays.
#[derive(Debug)]
pub struct Worker {
    setup: Setup,
}

/// What the worker works with.
#[derive(Debug, Clone)]
pub struct Setup {
    stage: Stage,
    repo: Repo,
    release: Release,
}

impl Setup {
    fn seconds(&self, seconds: f64) -> Duration {
        self.stage
            .seconds(1.0)
            .max(SHORTEST_SECOND)
            .mul_f64(seconds)
    }
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
        cx.send_after(setup.seconds(INTERVAL), Work);
        Ok(Init::Ready(Worker { setup }))
    }

    async fn handle_info(&mut self, info: Info<Work>, cx: &mut Context<Self>) -> Step<Self> {
        let Info::Message(Work) = info else {
            return cx.unexpected(info);
        };
        let (repo, correct) = (self.setup.repo.clone(), self.setup.release.is_correct());
        // The database is asked on a thread for that; the worker can be killed meanwhile, and
        // the transaction is then finished, or rolled back, without it.
        match blocking(move || repo.pay_the_drivers(correct)).await {
            Ok(paid) => self
                .setup
                .stage
                .say(format!("Payment.Worker: paid {} jobs", paid?)),
            Err(BlockingError::Panicked(text)) => {
                self.setup.stage.say(format!("Payment.Worker: {text}"));
                return Err(ExitReason::msg(text));
            }
            Err(error) => return Err(error.into()),
        }
        cx.send_after(self.setup.seconds(INTERVAL), Work);
        Ok(Next::Wait)
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

/// The first try: the worker beside everything else, with the defaults.
pub fn application(setup: &Setup) -> Supervisor {
    Supervisor::one_for_one()
        .name("Application")
        .intensity(rekindle::DEFAULT_INTENSITY, setup.seconds(PERIOD))
        .child(worker(setup))
        .child(Dispatcher::child(()).name("Dispatcher"))
}

/// The second: the worker under a supervisor of its own.
pub fn application_with_own_supervisor(setup: &Setup) -> Supervisor {
    Supervisor::one_for_one()
        .name("Application")
        .intensity(rekindle::DEFAULT_INTENSITY, setup.seconds(PERIOD))
        .child(payment_supervisor(setup))
        .child(Dispatcher::child(()).name("Dispatcher"))
}

/// The worker crashes at most once in an interval; its supervisor allows one restart more than
/// that makes in its period, and so never gives up.
fn payment_supervisor(setup: &Setup) -> Supervisor {
    let max_restarts = (PERIOD / INTERVAL).ceil() as u32 + 1;
    Supervisor::one_for_one()
        .name("Payment.Supervisor")
        .intensity(max_restarts, setup.seconds(PERIOD))
        .child(worker(setup))
}

fn worker(setup: &Setup) -> rekindle::ChildBuilder<Worker> {
    Worker::child(setup.clone()).name("Payment.Worker")
}

/// The story, with a database in this folder, which must exist.
///
/// # Errors
///
/// If something does not go as the story says.
pub async fn run(stage: Stage, folder: PathBuf) -> Result<(), ExitReason> {
    let setup = setup(stage, &folder)?;
    the_application_goes_down(&setup).await?;
    the_application_stays_up(&setup).await?;
    nobody_is_paid_twice(&setup)
}

/// A fresh database, and the wrong release.
///
/// # Errors
///
/// Those of SQLite.
pub fn setup(stage: Stage, folder: &Path) -> rusqlite::Result<Setup> {
    let repo = Repo::create(folder.join("payments.sqlite"))?;
    Ok(Setup {
        stage,
        repo,
        release: Release::default(),
    })
}

async fn the_application_goes_down(setup: &Setup) -> Result<(), ExitReason> {
    let stage = &setup.stage;
    stage.act("A wrong release, and all defaults: 3 restarts in 5 seconds for the application.");
    // Linked, the end of the application would be ours.
    let application: SupervisorHandle = application(setup).start().await?;
    let reason = ended(application.pid()).await;
    stage.say(format!("Application has ended: {reason}"));
    stage.say(format!("Dispatcher is {}", up_or_down("Dispatcher")));
    Ok(())
}

async fn the_application_stays_up(setup: &Setup) -> Result<(), ExitReason> {
    let stage = &setup.stage;
    stage.act("The worker gets its own supervisor, with 6 restarts in 5 seconds.");
    let application = application_with_own_supervisor(setup).start_link().await?;
    sleep(setup.seconds(8.5)).await;
    stage.say(format!("Application is {}", up_or_down("Application")));
    stage.say(format!("Dispatcher is {}", up_or_down("Dispatcher")));
    stage.act("The corrected release is deployed.");
    setup.release.correct();
    sleep(setup.seconds(2.5)).await;
    application.stop().await?;
    Ok(())
}

fn up_or_down(name: &str) -> &'static str {
    if whereis(name).is_some() {
        "up"
    } else {
        "down"
    }
}

fn nobody_is_paid_twice(setup: &Setup) -> Result<(), ExitReason> {
    let payments = setup.repo.payments()?;
    for (job_id, times, amount) in &payments {
        setup
            .stage
            .say(format!("job {job_id}: paid {times} time, {amount} in all"));
    }
    if payments != [(1, 1, 120), (2, 1, 80), (3, 1, 200)] {
        return Err(ExitReason::msg(format!(
            "somebody was not paid as is due: {payments:?}"
        )));
    }
    setup.stage.say("nobody is paid twice");
    Ok(())
}
