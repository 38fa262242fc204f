//! What a start gives back.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use rekindle_actor::{Addr, ExitReason, GenServer, GenStatem, Pid, Sender, StartError, StatemAddr};

use crate::spec::ChildSpec;

/// A child that has been started: its pid, and what the start gave besides (SUP-012).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{info, sleep};
/// use rekindle_supervisor::{ChildSpec, Supervisor};
/// use std::time::Duration;
///
/// let tree = Supervisor::one_for_one().start_link().await.unwrap();
/// let work = ChildSpec::task(|| sleep(Duration::from_secs(60)));
/// let child = tree.start_child(work).await.unwrap();
/// assert_eq!(info(child.pid()).unwrap().parent, Some(tree.pid()));
/// # });
/// ```
#[derive(Clone)]
pub struct ChildHandle {
    pid: Pid,
    info: Option<Arc<dyn Any + Send + Sync>>,
}

impl ChildHandle {
    /// A child without more.
    #[must_use]
    pub fn new(pid: Pid) -> ChildHandle {
        ChildHandle { pid, info: None }
    }

    /// A child with something for whoever started it: a typed handle on it, as a rule.
    /// `start_child` and `restart_child` give it; automatic restarts drop it.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, spawn_link};
    /// use rekindle_supervisor::{ChildHandle, ChildSpec, Supervisor};
    ///
    /// let listener = ChildSpec::worker("listener", || async {
    ///     let process = spawn_link(|mut inbox: Mailbox<()>| async move { inbox.recv().await });
    ///     let port = 8080_u16; // that the system has given it, say
    ///     ChildHandle::with_info(process.pid(), port)
    /// });
    /// let tree = Supervisor::one_for_one().start_link().await.unwrap();
    /// let listener = tree.start_child(listener).await.unwrap();
    /// assert_eq!(listener.info::<u16>(), Some(&8080));
    /// # });
    /// ```
    #[must_use]
    pub fn with_info(pid: Pid, info: impl Send + Sync + 'static) -> ChildHandle {
        ChildHandle {
            pid,
            info: Some(Arc::new(info)),
        }
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// What the start gave besides, if it is a `T`.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::{Mailbox, Sender, spawn_link};
    /// use rekindle_supervisor::{ChildSpec, Supervisor};
    ///
    /// let supervisor = Supervisor::one_for_one().start_link().await.unwrap();
    /// let adder = ChildSpec::worker("adder", || async {
    ///     spawn_link(|mut inbox: Mailbox<i32>| async move {
    ///         inbox.recv().await;
    ///     })
    /// });
    /// let started = supervisor.start_child(adder).await.unwrap();
    /// let adder: &Sender<i32> = started.info().unwrap();
    /// adder.send(1);
    /// # });
    /// ```
    #[must_use]
    pub fn info<T: 'static>(&self) -> Option<&T> {
        self.info.as_ref()?.downcast_ref()
    }

    /// As [`info`](Self::info), to keep: a clone only if somebody else has this handle as well.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{sleep, spawn};
    /// use rekindle_supervisor::ChildHandle;
    /// use std::time::Duration;
    ///
    /// let started = ChildHandle::with_info(spawn(sleep(Duration::from_secs(1))), "port 4000".to_owned());
    /// assert_eq!(started.clone().into_info::<u16>(), None);
    /// assert_eq!(started.into_info::<String>().as_deref(), Some("port 4000"));
    /// # });
    /// ```
    #[must_use]
    pub fn into_info<T: Clone + Send + Sync + 'static>(self) -> Option<T> {
        let info = self.info?.downcast().ok()?;
        Some(Arc::unwrap_or_clone(info))
    }
}

impl fmt::Debug for ChildHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildHandle({})", self.pid)
    }
}

/// What the start function of a child may give: a handle on the process, or a `Result` of one.
///
/// Implement it for the handle of an own behaviour:
///
/// ```
/// use rekindle_actor::{Sender, StartError};
/// use rekindle_supervisor::{ChildHandle, IntoStarted};
///
/// #[derive(Clone)]
/// struct Echo(Sender<String>);
///
/// impl IntoStarted for Echo {
///     fn into_started(self) -> Result<ChildHandle, StartError> {
///         Ok(ChildHandle::with_info(self.0.pid(), self))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a child's start function cannot give `{Self}`",
    note = "give a `Pid`, an `Addr<G>`, a `StatemAddr<M>`, a `Sender<M>`, or a `Result` of one"
)]
pub trait IntoStarted {
    /// The child, or why there is none.
    ///
    /// # Errors
    ///
    /// Why the child was not started.
    fn into_started(self) -> Result<ChildHandle, StartError>;
}

impl IntoStarted for ChildHandle {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        Ok(self)
    }
}

impl IntoStarted for Pid {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        Ok(ChildHandle::new(self))
    }
}

impl<M: Send + 'static> IntoStarted for Sender<M> {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        Ok(ChildHandle::with_info(self.pid(), self))
    }
}

impl<G: GenServer> IntoStarted for Addr<G> {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        Ok(ChildHandle::with_info(self.pid(), self))
    }
}

impl<M: GenStatem> IntoStarted for StatemAddr<M> {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        Ok(ChildHandle::with_info(self.pid(), self))
    }
}

impl<T: IntoStarted, E: IntoStartError> IntoStarted for Result<T, E> {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        self.map_err(IntoStartError::into_start_error)?
            .into_started()
    }
}

/// Why a start function failed.
///
/// Implement it for an error of one's own, and a start function may fail with that:
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, Pid, StartError};
/// use rekindle_supervisor::{ChildSpec, IntoStartError, Supervisor};
///
/// #[derive(Debug)]
/// struct NoDevice(&'static str);
///
/// impl IntoStartError for NoDevice {
///     fn into_start_error(self) -> StartError {
///         StartError::Failed(ExitReason::msg(format!("{} is not there", self.0)))
///     }
/// }
///
/// let printer = ChildSpec::worker("printer", || async { Err::<Pid, _>(NoDevice("/dev/lp0")) });
/// let error = Supervisor::one_for_one().child(printer).start().await.unwrap_err();
/// assert!(error.to_string().ends_with("/dev/lp0 is not there"));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "a child's start cannot fail with `{Self}`",
    note = "fail with a `StartError` or an `ExitReason`: `.map_err(ExitReason::error)` makes one of any error"
)]
pub trait IntoStartError {
    /// The error as a supervisor knows it.
    fn into_start_error(self) -> StartError;
}

impl IntoStartError for StartError {
    fn into_start_error(self) -> StartError {
        self
    }
}

impl IntoStartError for ExitReason {
    fn into_start_error(self) -> StartError {
        StartError::Failed(self)
    }
}

/// A child's specification that knows the type of the child's handle: what `start_child` takes.
///
/// A builder of one's own becomes a child like those of this crate by two short impls:
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, Sender, spawn_link};
/// use rekindle_supervisor::{Child, ChildHandle, ChildSpec, Supervisor};
///
/// struct Echo;
///
/// impl From<Echo> for ChildSpec {
///     fn from(_: Echo) -> ChildSpec {
///         ChildSpec::worker("echo", || async {
///             spawn_link(|mut inbox: Mailbox<String>| async move {
///                 loop { println!("{}", inbox.recv().await) }
///             })
///         })
///     }
/// }
///
/// impl Child for Echo {
///     type Handle = Sender<String>;
///
///     fn handle(started: ChildHandle) -> Option<Sender<String>> {
///         started.into_info()
///     }
/// }
///
/// let tree = Supervisor::one_for_one().start_link().await.unwrap();
/// let echo = tree.start_child(Echo).await.unwrap(); // a `Sender<String>`, and no bare `ChildHandle`
/// assert!(echo.try_send("hello".to_owned()).is_ok());
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a child",
    note = "pass `MyServer::child(args)`, a supervisor's builder, or a `ChildSpec`"
)]
pub trait Child: Into<ChildSpec> {
    /// What `start_child` gives.
    type Handle;

    /// The handle, from what the start gave.
    fn handle(started: ChildHandle) -> Option<Self::Handle>;
}
