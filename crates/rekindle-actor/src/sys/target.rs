//! Whom one looks into.

use crate::behaviour::{Addr, GenServer, Name};
use crate::names;
use crate::pid::Pid;
use crate::sender::Sender;

/// What the functions of [`sys`](crate::sys) take for a process: its pid, its name, or a handle.
///
/// A name is looked up when the function is called, in the running runtime.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::sys::{self, Target};
/// use rekindle_actor::{Agent, Pid};
///
/// /// A handle of one's own, for whatever takes a process.
/// struct Cache(Agent<u32>);
///
/// impl Target for Cache {
///     fn target_pid(&self) -> Option<Pid> {
///         self.0.pid()
///     }
/// }
///
/// let cache = Cache(Agent::start(|| 0).name("cache").await.unwrap());
/// let by_handle = sys::get_status(&cache).await.unwrap().pid;
/// let by_name = sys::get_status("cache").await.unwrap().pid;
/// assert_eq!(by_handle, by_name);
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which process is meant",
    note = "give a `Pid`, a name, or a handle such as `&Addr<G>`"
)]
pub trait Target {
    /// The process, if there is one now.
    fn target_pid(&self) -> Option<Pid>;
}

impl Target for Pid {
    fn target_pid(&self) -> Option<Pid> {
        Some(*self)
    }
}

impl Target for str {
    fn target_pid(&self) -> Option<Pid> {
        names::whereis(self)
    }
}

impl Target for String {
    fn target_pid(&self) -> Option<Pid> {
        names::whereis(self)
    }
}

impl<G: GenServer> Target for Addr<G> {
    fn target_pid(&self) -> Option<Pid> {
        Some(self.pid())
    }
}

impl<G: GenServer> Target for Name<G> {
    fn target_pid(&self) -> Option<Pid> {
        self.pid()
    }
}

impl<M: Send + 'static> Target for Sender<M> {
    fn target_pid(&self) -> Option<Pid> {
        Some(self.pid())
    }
}

impl<T: Target + ?Sized> Target for &T {
    fn target_pid(&self) -> Option<Pid> {
        (**self).target_pid()
    }
}
