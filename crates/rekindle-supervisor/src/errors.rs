//! Why an operation failed: one enum each.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::{CallError, ExitReason, Pid, RegisterError, StartError};

use crate::spec::SpecError;
use crate::started::IntoStartError;

/// Why a supervisor did not start. Nothing of it is left.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, StartError};
/// use rekindle_supervisor::{ChildSpec, Supervisor, SupervisorError};
///
/// let failing = ChildSpec::worker("db", || async {
///     Err::<rekindle_actor::Pid, _>(StartError::Failed(ExitReason::msg("no such file")))
/// });
/// let error = Supervisor::one_for_one().child(failing).start_link().await.unwrap_err();
/// assert!(matches!(&error, SupervisorError::Child { id, .. } if &**id == "db"));
/// assert!(error.to_string().contains("no such file"));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SupervisorError {
    /// A setting or a child's specification makes no sense. Nothing was started.
    Invalid(SpecError),
    /// A child did not start. Those that had been started before it were stopped again.
    Child {
        /// Which child.
        id: Arc<str>,
        /// Why.
        error: StartError,
    },
    /// The supervisor's own process did not start: its name is taken, its init chose not to, or
    /// failed.
    Start(StartError),
}

impl SupervisorError {
    /// Finds the error again that went through the start of a process.
    pub(crate) fn from_start(error: StartError) -> SupervisorError {
        if let StartError::Failed(reason) = &error
            && let Some(known) = reason.downcast_ref::<SupervisorError>()
        {
            return known.clone();
        }
        SupervisorError::Start(error)
    }
}

impl fmt::Display for SupervisorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SupervisorError::Invalid(error) => write!(f, "the supervisor was not started: {error}"),
            SupervisorError::Child { id, error } => {
                write!(f, "the child {id:?} did not start: {error}")
            }
            SupervisorError::Start(error) => write!(f, "the supervisor did not start: {error}"),
        }
    }
}

impl std::error::Error for SupervisorError {}

impl IntoStartError for SupervisorError {
    fn into_start_error(self) -> StartError {
        match self {
            SupervisorError::Start(error) => error,
            error => StartError::Failed(ExitReason::error(error)),
        }
    }
}

/// Why `start_child` gave no child.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{ChildSpec, SpecError, StartChildError, Supervisor};
///
/// let tree = Supervisor::one_for_one().start_link().await.unwrap();
/// let nameless = ChildSpec::task(|| async {}).id("");
/// let refused = tree.start_child(nameless).await.unwrap_err();
/// assert_eq!(refused, StartChildError::Invalid(SpecError::EmptyId));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StartChildError {
    /// The id is that of this running child (SUP-042), or the child's name is held by this
    /// process, which stays what it was (SUP-045).
    AlreadyStarted(Pid),
    /// The id is that of a child that does not run now: `restart_child` starts it (SUP-042).
    AlreadyPresent,
    /// The child's init chose not to start.
    Ignore,
    /// The child's init failed, panicked, or was killed, with this reason.
    Failed(ExitReason),
    /// The child's init was not done in this time, and was killed.
    Timeout(Duration),
    /// The child's name cannot be given.
    BadName(RegisterError),
    /// The specification makes no sense. Nothing was started.
    Invalid(SpecError),
    /// There are as many children as there may be. Nothing was started.
    MaxChildren,
    /// The supervisor did not answer.
    Supervisor(CallError),
}

impl From<StartError> for StartChildError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::AlreadyStarted(pid) => StartChildError::AlreadyStarted(pid),
            StartError::Ignore => StartChildError::Ignore,
            StartError::Failed(reason) => StartChildError::Failed(reason),
            StartError::Timeout(limit) => StartChildError::Timeout(limit),
            StartError::BadName(error) => StartChildError::BadName(error),
            error => StartChildError::Failed(ExitReason::error(error)),
        }
    }
}

impl fmt::Display for StartChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartChildError::AlreadyStarted(pid) => write!(f, "already started as {pid}"),
            StartChildError::AlreadyPresent => {
                f.write_str("a child with this id is there, and does not run")
            }
            StartChildError::Ignore => f.write_str("the child's init chose not to start"),
            StartChildError::Failed(reason) => write!(f, "the child's init failed: {reason}"),
            StartChildError::Timeout(limit) => {
                write!(f, "the child's init was not done within {limit:?}")
            }
            StartChildError::BadName(error) => {
                write!(f, "the child's name cannot be given: {error}")
            }
            StartChildError::Invalid(error) => write!(f, "the specification is wrong: {error}"),
            StartChildError::MaxChildren => {
                f.write_str("the supervisor has as many children as it may")
            }
            StartChildError::Supervisor(error) => write_unanswered(f, error),
        }
    }
}

impl std::error::Error for StartChildError {}

/// Why `terminate_child` did nothing.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{Supervisor, TerminateChildError};
///
/// let tree = Supervisor::one_for_one().start_link().await.unwrap();
/// assert_eq!(tree.terminate_child("who").await, Err(TerminateChildError::NotFound));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TerminateChildError {
    /// There is no such child. A process that is no child is unharmed.
    NotFound,
    /// The supervisor did not answer.
    Supervisor(CallError),
}

impl fmt::Display for TerminateChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TerminateChildError::NotFound => f.write_str("there is no such child"),
            TerminateChildError::Supervisor(error) => write_unanswered(f, error),
        }
    }
}

impl std::error::Error for TerminateChildError {}

/// Why `restart_child` gave no child.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{RestartChildError, Supervisor};
///
/// let tree = Supervisor::one_for_one().start_link().await.unwrap();
/// let error = tree.restart_child("who").await.unwrap_err();
/// assert_eq!(error, RestartChildError::NotFound);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RestartChildError {
    /// There is no such child.
    NotFound,
    /// It runs.
    Running,
    /// The supervisor is about to start it again.
    Restarting,
    /// It did not start, and stays in the books without running.
    Start(StartError),
    /// The supervisor did not answer.
    Supervisor(CallError),
}

impl fmt::Display for RestartChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestartChildError::NotFound => f.write_str("there is no such child"),
            RestartChildError::Running => f.write_str("the child runs"),
            RestartChildError::Restarting => f.write_str("the child is being restarted"),
            RestartChildError::Start(error) => write!(f, "the child did not start: {error}"),
            RestartChildError::Supervisor(error) => write_unanswered(f, error),
        }
    }
}

impl std::error::Error for RestartChildError {}

/// Why `delete_child` did nothing.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{ChildSpec, DeleteChildError, Supervisor};
/// use std::time::Duration;
///
/// let work = ChildSpec::task(|| rekindle_actor::sleep(Duration::from_secs(60))).id("nap");
/// let tree = Supervisor::one_for_one().child(work).start_link().await.unwrap();
/// assert_eq!(tree.delete_child("nap").await, Err(DeleteChildError::Running));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DeleteChildError {
    /// There is no such child.
    NotFound,
    /// It runs: it must be terminated first.
    Running,
    /// The supervisor is about to start it again.
    Restarting,
    /// The supervisor did not answer.
    Supervisor(CallError),
}

impl fmt::Display for DeleteChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeleteChildError::NotFound => f.write_str("there is no such child"),
            DeleteChildError::Running => f.write_str("the child runs"),
            DeleteChildError::Restarting => f.write_str("the child is being restarted"),
            DeleteChildError::Supervisor(error) => write_unanswered(f, error),
        }
    }
}

impl std::error::Error for DeleteChildError {}

/// Why there is nothing to tell of a child.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{FindChildError, Supervisor};
///
/// let tree = Supervisor::one_for_one().start_link().await.unwrap();
/// assert_eq!(tree.get_childspec("who").await.err(), Some(FindChildError::NotFound));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FindChildError {
    /// There is no such child.
    NotFound,
    /// The supervisor did not answer.
    Supervisor(CallError),
}

impl fmt::Display for FindChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FindChildError::NotFound => f.write_str("there is no such child"),
            FindChildError::Supervisor(error) => write_unanswered(f, error),
        }
    }
}

impl std::error::Error for FindChildError {}

fn write_unanswered(f: &mut fmt::Formatter<'_>, error: &CallError) -> fmt::Result {
    write!(f, "the supervisor did not answer: {error}")
}
