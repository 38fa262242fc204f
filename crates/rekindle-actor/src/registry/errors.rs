//! Why an operation on a registry failed.

use std::fmt;
use std::sync::Arc;

use crate::exit::ExitReason;
use crate::pid::Pid;

/// There is no such registry: what was asked has not been done.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{NoRegistry, Registry};
///
/// let nobody = Registry::<u32, String>::named("nobody");
/// assert_eq!(nobody.count(), Err(NoRegistry::Unknown("nobody".into())));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoRegistry {
    /// The registry that this handle is on has ended. A handle by name would follow a restart:
    /// see [`Registry::named`](crate::Registry::named).
    Ended,
    /// Nobody holds the name in the running runtime: the registry has not been started there, or
    /// is just being restarted.
    Unknown(Arc<str>),
    /// Somebody holds the name, but it is no registry with these types of keys and values, and of
    /// this kind.
    OtherType(Arc<str>, Pid),
}

impl fmt::Display for NoRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoRegistry::Ended => f.write_str("the registry has ended"),
            NoRegistry::Unknown(name) => {
                write!(
                    f,
                    "no registry named {name:?} is running; has it been started?"
                )
            }
            NoRegistry::OtherType(name, pid) => write!(
                f,
                "{pid}, named {name:?}, is not a registry of the kind, keys and values asked for"
            ),
        }
    }
}

impl std::error::Error for NoRegistry {}

/// Why a process was not registered. Nothing is left of the attempt.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Registry, RegistrationError, self_pid};
///
/// let desks = Registry::<u32, &str>::unique().name("desks").start().await.unwrap();
/// desks.register(1, "window").unwrap();
/// let taken = desks.register(1, "door").unwrap_err();
/// assert_eq!(taken, RegistrationError::AlreadyRegistered(self_pid()));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The key is unique, and this process holds it: perhaps the running one itself (REG-001).
    AlreadyRegistered(Pid),
    /// There is no such registry.
    NoRegistry(NoRegistry),
    /// The process is ending: its code is the drop of its state, which must not register anew.
    Ending,
}

impl RegistrationError {
    pub(super) fn ended() -> Self {
        RegistrationError::NoRegistry(NoRegistry::Ended)
    }
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistrationError::AlreadyRegistered(pid) => write!(f, "the key is held by {pid}"),
            RegistrationError::NoRegistry(error) => error.fmt(f),
            RegistrationError::Ending => f.write_str("a process that ends cannot register"),
        }
    }
}

impl std::error::Error for RegistrationError {}

impl From<NoRegistry> for RegistrationError {
    fn from(error: NoRegistry) -> Self {
        RegistrationError::NoRegistry(error)
    }
}

/// Why a value was not updated. The function was not run, or has itself unregistered the key.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Registry, UpdateError};
///
/// let scores = Registry::<&str, u32>::unique().start().await.unwrap();
/// let missing = scores.update_value(&"ann", |score| score + 1);
/// assert_eq!(missing, Err(UpdateError::NotRegistered(None)));
/// scores.register("ann", 1).unwrap();
/// assert_eq!(scores.update_value(&"ann", |score| score + 1), Ok((2, 1)));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateError {
    /// The running process does not hold the key; here is who does.
    NotRegistered(Option<Pid>),
    /// There is no such registry.
    NoRegistry(NoRegistry),
}

/// The running process does not hold a key.
pub(super) enum NotHeld {
    Nobody,
    By(Pid),
}

impl From<NotHeld> for UpdateError {
    fn from(error: NotHeld) -> Self {
        UpdateError::NotRegistered(match error {
            NotHeld::Nobody => None,
            NotHeld::By(pid) => Some(pid),
        })
    }
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpdateError::NotRegistered(None) => f.write_str("nobody holds the key"),
            UpdateError::NotRegistered(Some(pid)) => {
                write!(
                    f,
                    "the key is held by {pid}, and not by the running process"
                )
            }
            UpdateError::NoRegistry(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UpdateError {}

impl From<NoRegistry> for UpdateError {
    fn from(error: NoRegistry) -> Self {
        UpdateError::NoRegistry(error)
    }
}

/// Why a lock was not got. The work was not run.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{LockError, Registry};
///
/// let locks = Registry::<&str, ()>::unique().name("locks").start().await.unwrap();
/// let inner = locks.lock("door", || locks.lock("door", || async {})).await.unwrap();
/// assert_eq!(inner, Err(LockError::HeldBySelf));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockError {
    /// The running process holds the lock already: it would wait for itself.
    HeldBySelf,
    /// There is no such registry, or it has ended during the wait.
    NoRegistry(NoRegistry),
}

impl LockError {
    pub(super) fn ended() -> Self {
        LockError::NoRegistry(NoRegistry::Ended)
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::HeldBySelf => f.write_str("the running process holds this lock already"),
            LockError::NoRegistry(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LockError {}

impl From<NoRegistry> for LockError {
    fn from(error: NoRegistry) -> Self {
        LockError::NoRegistry(error)
    }
}

/// Why a parallel dispatch failed.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{DispatchError, Duplicate, NoRegistry, Registry};
///
/// let topics = Registry::<&str, u32, Duplicate>::duplicate().start().await.unwrap();
/// topics.register("news", 7).unwrap();
/// let told = topics.dispatch_parallel("news", |readers| assert_eq!(readers.len(), 1)).await;
/// assert_eq!(told, Ok(()));
///
/// let nobody = Registry::<&str, u32, Duplicate>::named("nobody");
/// let told = nobody.dispatch_parallel("news", |_| unreachable!("there are no readers")).await;
/// let unknown = NoRegistry::Unknown("nobody".into());
/// assert_eq!(told, Err(DispatchError::NoRegistry(unknown)));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DispatchError {
    /// There is no such registry. The function was not run.
    NoRegistry(NoRegistry),
    /// The function failed for some partition, with this reason; it was run for the others.
    Failed(ExitReason),
}

impl fmt::Display for DispatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DispatchError::NoRegistry(error) => error.fmt(f),
            DispatchError::Failed(reason) => write!(f, "a part of the dispatch failed: {reason}"),
        }
    }
}

impl std::error::Error for DispatchError {}

impl From<NoRegistry> for DispatchError {
    fn from(error: NoRegistry) -> Self {
        DispatchError::NoRegistry(error)
    }
}
