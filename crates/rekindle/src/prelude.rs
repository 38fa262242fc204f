//! What most programs use: `use rekindle::prelude::*;`.
//!
//! It has the types of a callback's signature, the handles, the functions that a process calls
//! about itself, and the supervisors. What is used seldom is in the crate's root.

pub use std::time::Duration;

pub use crate::{
    Addr, Builder, CallError, Context, Down, Enter, Exit, ExitReason, GenServer, GenStatem, Handle,
    Info, Init, Mailbox, MailboxPolicy, MonitorRef, Name, Never, Next, Overflow, Pid, Recipient,
    ReplyTo, Runtime, Sender, StartError, StatemAddr, StatemContext, StatemEvent, StatemInit,
    StatemName, StatemStep, Step, Task, Transition, blocking, demonitor, exit, info, is_alive,
    link, monitor, register, self_pid, send_after, send_interval, sleep, spawn, spawn_link,
    spawn_monitor, trap_exit, unlink, whereis,
};
pub use crate::{
    Backoff, ChildSpec, DynamicSupervisor, Restart, ServerChild, Shutdown, StatemChild, Supervisor,
    TaskSupervisor,
};
