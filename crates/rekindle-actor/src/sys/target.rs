//! Whom one looks into.

use crate::behaviour::{Addr, GenServer, Name};
use crate::names;
use crate::pid::Pid;
use crate::sender::Sender;

/// What the functions of [`sys`](crate::sys) take for a process: its pid, its name, or a handle.
///
/// A name is looked up when the function is called, in the running runtime.
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
