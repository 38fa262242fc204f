//! The database: what is due to drivers, and what they have got.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// A completed job that has not been paid yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub job_id: i64,
    /// Who did it.
    pub driver: String,
    /// What the driver is to get for it.
    pub to_be_paid: i64,
}

impl Job {
    /// A job that this driver has completed.
    #[must_use]
    pub fn completed(job_id: i64, driver: &str, to_be_paid: i64) -> Job {
        Job {
            job_id,
            driver: driver.to_owned(),
            to_be_paid,
        }
    }
}

/// What the payments of one job come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// The job.
    pub job_id: i64,
    /// How often it was paid.
    pub times: i64,
    /// How much in all.
    pub amount: i64,
}

/// Which code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Every driver gets what is due.
    Good,
    /// Somebody has made a mistake: job 2 is paid double.
    Doubled,
}

impl Release {
    fn amount(self, job: &Job) -> i64 {
        match self {
            Release::Doubled if job.job_id == 2 => 2 * job.to_be_paid,
            Release::Doubled | Release::Good => job.to_be_paid,
        }
    }
}

/// Why a round of payments failed. Nothing of it remains in the database.
#[derive(Debug)]
pub enum PaymentError {
    /// A driver would have got more than they should.
    Invalid {
        /// For this job.
        job_id: i64,
    },
    /// The database failed.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for PaymentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PaymentError::Invalid { job_id } => write!(f, "Invalid payment for job {job_id}"),
            PaymentError::Sqlite(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PaymentError {}

impl From<rusqlite::Error> for PaymentError {
    fn from(error: rusqlite::Error) -> PaymentError {
        PaymentError::Sqlite(error)
    }
}

/// An SQLite file. All of this blocks: processes call it by [`blocking`](rekindle::blocking).
#[derive(Debug, Clone)]
pub struct Repo {
    file: PathBuf,
}

impl Repo {
    /// Makes the tables, in a file that must not exist yet.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn create(folder: &Path) -> rusqlite::Result<Repo> {
        let file = folder.join("payments.sqlite");
        let repo = Repo { file };
        repo.connect()?.execute_batch(
            "CREATE TABLE completed_jobs
                 (job_id INTEGER PRIMARY KEY, driver TEXT NOT NULL, to_be_paid INTEGER NOT NULL);
             CREATE TABLE payments
                 (job_id INTEGER NOT NULL, amount INTEGER NOT NULL);",
        )?;
        Ok(repo)
    }

    /// A connection of one's own.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn connect(&self) -> rusqlite::Result<Connection> {
        Connection::open(&self.file)
    }

    /// Notes a completed job, to be paid in the next round.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn complete(&self, job: &Job) -> rusqlite::Result<()> {
        self.connect()?.execute(
            "INSERT INTO completed_jobs VALUES (?1, ?2, ?3)",
            (job.job_id, &job.driver, job.to_be_paid),
        )?;
        Ok(())
    }

    /// The jobs that are not paid yet.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn unpaid(&self) -> rusqlite::Result<Vec<Job>> {
        fetch_completed(&self.connect()?)
    }

    /// What has been paid, by job.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn payments(&self) -> rusqlite::Result<Vec<Paid>> {
        let connection = self.connect()?;
        let mut query = connection.prepare(
            "SELECT job_id, count(*), sum(amount) FROM payments GROUP BY job_id ORDER BY job_id",
        )?;
        let paid = query.query_map([], |row| {
            Ok(Paid {
                job_id: row.get(0)?,
                times: row.get(1)?,
                amount: row.get(2)?,
            })
        })?;
        paid.collect()
    }
}

/// A round: pays for all completed jobs, in one transaction. Gives their number.
pub(super) fn pay_the_drivers(
    connection: &mut Connection,
    release: Release,
) -> Result<usize, PaymentError> {
    // Immediate, so that no other round reads the completed jobs meanwhile. There may be one: a
    // worker that is killed leaves its round to end by itself, beside its successor's.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let jobs = fetch_completed(&transaction)?;
    for job in &jobs {
        // The transaction is dropped on the way out, which rolls it back.
        pay_the_driver(&transaction, job, release)?;
    }
    delete_paid(&transaction, &jobs)?;
    transaction.commit()?;
    Ok(jobs.len())
}

fn fetch_completed(connection: &Connection) -> rusqlite::Result<Vec<Job>> {
    let mut query = connection
        .prepare("SELECT job_id, driver, to_be_paid FROM completed_jobs ORDER BY job_id")?;
    let jobs = query.query_map([], |row| {
        Ok(Job {
            job_id: row.get(0)?,
            driver: row.get(1)?,
            to_be_paid: row.get(2)?,
        })
    })?;
    jobs.collect()
}

fn pay_the_driver(
    transaction: &Transaction<'_>,
    job: &Job,
    release: Release,
) -> Result<(), PaymentError> {
    transaction.execute(
        "INSERT INTO payments VALUES (?1, ?2)",
        [job.job_id, release.amount(job)],
    )?;
    verify_payment(transaction, job)
}

fn verify_payment(transaction: &Transaction<'_>, job: &Job) -> Result<(), PaymentError> {
    let sum = "SELECT sum(amount) FROM payments WHERE job_id = ?1";
    let already_paid: i64 = transaction.query_row(sum, [job.job_id], |row| row.get(0))?;
    let over_the_limit = already_paid > job.to_be_paid;
    if over_the_limit {
        return Err(PaymentError::Invalid { job_id: job.job_id });
    }
    Ok(())
}

fn delete_paid(transaction: &Transaction<'_>, jobs: &[Job]) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare("DELETE FROM completed_jobs WHERE job_id = ?1")?;
    for job in jobs {
        delete.execute([job.job_id])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::Folder;

    fn repo_with_two_jobs(folder: &Folder) -> rusqlite::Result<Repo> {
        let repo = Repo::create(folder.path())?;
        repo.complete(&Job::completed(1, "Ada", 120))?;
        repo.complete(&Job::completed(2, "Bert", 80))?;
        Ok(repo)
    }

    #[test]
    fn a_round_pays_each_job_once() {
        let folder = Folder::fresh().unwrap();
        let repo = repo_with_two_jobs(&folder).unwrap();
        let mut connection = repo.connect().unwrap();
        assert_eq!(pay_the_drivers(&mut connection, Release::Good).unwrap(), 2);
        assert_eq!(pay_the_drivers(&mut connection, Release::Good).unwrap(), 0);
        let paid = |job_id, amount| Paid {
            job_id,
            times: 1,
            amount,
        };
        assert_eq!(repo.payments().unwrap(), [paid(1, 120), paid(2, 80)]);
        assert_eq!(repo.unpaid().unwrap(), []);
    }

    #[test]
    fn an_invalid_payment_leaves_nothing_behind() {
        let folder = Folder::fresh().unwrap();
        let repo = repo_with_two_jobs(&folder).unwrap();
        let mut connection = repo.connect().unwrap();
        let error = pay_the_drivers(&mut connection, Release::Doubled).unwrap_err();
        assert_eq!(error.to_string(), "Invalid payment for job 2");
        assert_eq!(repo.payments().unwrap(), []);
        assert_eq!(repo.unpaid().unwrap().len(), 2);
    }

    #[test]
    fn a_folder_goes_with_its_value() {
        let folder = Folder::fresh().unwrap();
        let path = folder.path().to_owned();
        let _repo = Repo::create(&path).unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
