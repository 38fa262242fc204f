//! What most programs use: `use rekindle::prelude::*;`.
//!
//! It has the types of a callback's signature, the handles, the functions that a process calls
//! about itself, and the supervisors. What is used seldom is in the crate's root.

pub use std::time::Duration;

#[cfg(feature = "macros")]
pub use crate::gen_server;
pub use crate::{
    Addr, Agent, Builder, CallError, Context, Down, Duplicate, Enter, EventHandler, EventManager,
    Exit, ExitReason, GenEvent, GenServer, GenStatem, Groups, Handle, HandlerContext, HandlerStep,
    Info, Init, Mailbox, MailboxPolicy, MonitorRef, Name, Never, Next, Overflow, Pid, Reaction,
    Recipient, Registry, Removal, ReplyTo, Runtime, Sender, StartError, StatemAddr, StatemContext,
    StatemEvent, StatemInit, StatemName, StatemStep, Step, Task, Transition, blocking, demonitor,
    exit, info, is_alive, link, monitor, register, self_pid, send_after, send_interval, sleep,
    spawn, spawn_link, spawn_monitor, trap_exit, unlink, whereis,
};
pub use crate::{
    AgentChild, Backoff, ChildSpec, DynamicSupervisor, EventManagerChild, GroupsChild, Restart,
    ServerChild, Shutdown, StatemChild, Supervisor, TaskSupervisor,
};
