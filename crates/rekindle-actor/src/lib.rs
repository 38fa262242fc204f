//! Processes in the manner of Erlang/OTP, on rekindle's own executor.
//!
//! A *process* is cheap, private and mortal. It has a [`Pid`], a mailbox, and links and monitors
//! to others; when it dies, those who depend on it are told. This crate has the processes and
//! what can be built of them without supervision: [`GenServer`], [`GenStatem`], [`GenEvent`],
//! [`Task`], names, process groups ([`Groups`]), timers, `sys` messages, crash reports, and the
//! parts to build a behaviour of one's own ([`Starter`], [`Mailbox::next_event`], [`sys::SystemMessage`]).
//! Supervisors are in `rekindle-supervisor`,
//! and the front door is the crate `rekindle`.
//!
//! The life of a process, and where to read it:
//!
//! 1. [`spawn`] makes a task with a `Process` beside the body (`spawn`, `process`).
//! 2. Others send it messages and signals through one inbox (`mailbox`, `signal`).
//! 3. At the start of each turn signals act and messages are received (`run`, `signal`).
//! 4. The body runs until it waits: for a message ([`Mailbox`]), an answer ([`Call`]), time.
//! 5. It ends: by its own word, by a panic, or by an exit signal (`exit` has the table).
//! 6. Teardown in a fixed order: state, names, pid, then links and watchers (`run`).
//!
//! Modules in reading order: `pid`, `exit`, `mailbox`, `process`, `signal`, `link`, `monitor`,
//! `run`, `spawn`, `names`, `call`, `time`, `behaviour`, `task`, `groups`, `sys`, `inspect`, `report`,
//! `system`.

mod pid;

mod exit;
mod sync;
mod unwind;

mod mailbox;

mod process;

mod attach;

mod signal;

mod few;
mod link;
mod monitor;

mod run;
mod runtimes;

mod spawn;

mod names;

mod deadline;
mod edge;
mod wait;

mod recipient;
mod sender;

mod call;
mod request;

mod alias;

mod time;

mod ambient;

mod behaviour;

mod task;

mod registry;

mod agent;

mod groups;

pub mod sys;

mod inspect;
mod interests;
mod life;
mod report;

#[cfg(feature = "metrics")]
mod gauges;
#[cfg(feature = "serde")]
mod serialize;
mod telemetry;

#[cfg(feature = "tokio")]
mod companion;

mod system;

// The one switch of the feature.
#[cfg(feature = "faults")]
pub mod faults;
#[cfg(not(feature = "faults"))]
#[path = "faults_off.rs"]
mod faults;

pub use agent::{Agent, AgentCall, AgentInit, AgentServer, StartAgent, StartingAgent};
pub use alias::{Alias, AliasMode, MonitorAlias, alias};
pub use ambient::{callers, parent, raise, self_pid, trap_exit, try_self_pid};
pub use attach::{Attached, attach, attach_until_end};
pub use behaviour::{
    Ack, Addr, Context, Enter, GenServer, GenStatem, Init, IntoInit, IntoStep, Name, Never, Next,
    ServerHandle, ServerMessage, Shown, Start, StartError, StartFuture, StartMonitor,
    StartMonitorFuture, Starter, Starting, StatemAddr, StatemContext, StatemEvent, StatemInit,
    StatemName, StatemStart, StatemStartFuture, StatemStartMonitor, StatemStartMonitorFuture,
    StatemStatus, StatemStep, Step, Transition, When, begin_ending, enter_loop, enter_loop_as,
    give_back_memory, guarded, note_last_message, note_state,
};
pub use behaviour::{
    AddHandler, AddHandlerError, CallHandlerError, DeleteHandler, DeleteHandlerError, EventHandler,
    EventManager, EventManagerName, GenEvent, HandlerCall, HandlerContext, HandlerEntry,
    HandlerExit, HandlerRef, HandlerStateError, HandlerStep, HandlerSwap, Handlers, Handover,
    HandoverError, ManagerByName, ManagerLife, ManagerTarget, Reaction, Removal, StartEvents,
    StartEventsFuture, StartEventsMonitor, StartEventsMonitorFuture, SwapHandler, SwapHandlerError,
};
pub use call::{Call, CallError, DEFAULT_CALL_TIMEOUT};
#[cfg(feature = "tokio")]
pub use companion::{TokioTask, TokioTaskError, tokio_task};
pub use exit::{Exit, ExitReason, Failure, IntoExitReason, Panic};
/// What [`attach`] takes: the trait of `futures-core`, which all streams have in common.
pub use futures_core::Stream;
#[cfg(feature = "metrics")]
pub use gauges::publish_metrics;
pub use groups::{
    GroupChange, GroupEvent, GroupMonitor, Groups, JoinError, LeaveError, Member, StartGroups,
    StartGroupsFuture,
};
pub use inspect::{
    ProcessInfo, Tree, Window, ancestors_of, callers_of, info, is_alive, list, set_label, tree,
    tree_text,
};
pub use link::{is_linked, link, unlink, unlink_flush};
pub use mailbox::{
    Arrival, Event, Info, Mailbox, MailboxOverflow, MailboxPolicy, NextArrival, Overflow, ReplyTo,
};
pub use monitor::{Down, Monitoring, Tag, demonitor, demonitor_flush, monitor, monitor_name};
pub use names::{NotRegistered, RegisterError, register, registered, unregister, whereis};
pub use pid::{MonitorRef, Pid};
pub use recipient::Recipient;
pub use registry::{
    DispatchError, Duplicate, LockError, MetaKey, NoRegistry, Registration, RegistrationError,
    Registry, RegistryEvent, RegistryKey, RegistryKind, RegistryValue, StartRegistry,
    StartingRegistry, StatemVia, StatemViaValue, Unique, UpdateError, Via, ViaValue,
};
/// For our other crates, which write to the same log.
#[doc(hidden)]
pub use rekindle_scheduler::log_guarded;
pub use rekindle_scheduler::{
    Blocking, BlockingError, Exploration, Handle, Simulation, Time, blocking, coarse_now, yield_now,
};
pub use report::{CrashOutcome, CrashReport, PendingReport, recent_crashes, report_for_children};
pub use request::{Answered, Callee, MultiCall, NoAnswer, Request, Requests, abcast, multi_call};
pub use sender::{SendError, Sender};
pub use signal::exit_signal as exit;
pub use spawn::{
    Body, Plain, SpawnOptions, WithMailbox, spawn, spawn_link, spawn_monitor, spawn_with,
};
pub use sys::{Stop, StopError, Stopping, SysError};
pub use system::{Builder, Runtime};
pub use task::{
    AwaitMany, AwaitManyError, ItemError, ItemFailure, ItemWork, Launching, OnTimeout, Origin,
    Task, TaskBody, TaskStream, YieldFor, YieldMany, ZeroConcurrency,
};
#[cfg(feature = "metrics")]
pub use telemetry::time_messages;
#[cfg(feature = "tracing")]
pub use telemetry::{enter_process_span, process_span};
pub use time::{
    Alarm, Interval, Sleep, TimerFired, TimerLeft, TimerRef, TimerTag, ZeroPeriod, apply_after,
    apply_interval, apply_repeatedly, exit_after, kill_after, now, send_after, send_at,
    send_interval, sleep, start_timer,
};
/// The crate `tokio`, in whose types [`Builder::tokio_handle`] speaks.
#[cfg(feature = "tokio")]
pub use tokio;
pub use wait::{Wait, WaitKind};
