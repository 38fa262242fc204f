#![forbid(unsafe_code)]
//! Supervisors: processes that start other processes, and start them again when they fail.
//!
//! A supervisor is an ordinary process; this crate uses nothing of `rekindle-actor` that is not
//! public. There are four:
//!
//! | supervisor            | children                                   | found by  | stopped          |
//! |-----------------------|--------------------------------------------|-----------|------------------|
//! | [`Supervisor`]        | a list, in an order, under a strategy      | id        | in reverse order |
//! | [`DynamicSupervisor`] | any number, started on demand              | pid       | side by side     |
//! | [`TaskSupervisor`]    | pieces of work, which run once             | pid       | side by side     |
//! | [`PartitionSupervisor`] | copies of one child                      | key       | in reverse order |
//!
//! Each is a value first: a builder, which can be started, or be the child of another supervisor.
//! A child is a [`ChildSpec`]; `MyServer::child(args)` makes one of a generic server, by the trait
//! [`ServerChild`], or of a state machine, by [`StatemChild`].
//!
//! # Strategies
//!
//! | strategy                     | when a child must be restarted, these are stopped and started with it |
//! |------------------------------|------------------------------------------------------------------------|
//! | [`Strategy::OneForOne`]      | none                                                                   |
//! | [`Strategy::OneForAll`]      | all                                                                    |
//! | [`Strategy::RestForOne`]     | those that were started after it                                       |
//!
//! # Restart classes
//!
//! | ended with                         | [`Permanent`](Restart::Permanent) | [`Transient`](Restart::Transient) | [`Temporary`](Restart::Temporary) |
//! |------------------------------------|-----------|-----------|-----------|
//! | `Normal`, `Shutdown`, `ShutdownWith` | restarted | kept, not running | forgotten |
//! | anything else                      | restarted | restarted | forgotten |
//!
//! # Stopping a child
//!
//! | [`Shutdown`]                      | signal     | and if it does not end            | default of  |
//! |-----------------------------------|------------|-----------------------------------|-------------|
//! | [`Kill`](Shutdown::Kill)          | `Kill`     | (it does)                         |             |
//! | [`Within(d)`](Shutdown::Within)   | `Shutdown` | it is killed after `d`            | workers, with 5 s |
//! | [`Infinite`](Shutdown::Infinite)  | `Shutdown` | the supervisor waits on           | supervisors |
//!
//! # Restart intensity
//!
//! A supervisor allows 3 restarts in 5 s unless told otherwise. With one more, it stops its
//! children and ends with `Shutdown`; what its own supervisor makes of that depends on its restart
//! class there. A group restart counts once. [`Backoff`] puts pauses between restarts.
//!
//! # Reading order
//!
//! `spec` (what a child is), `started`, `server_child`, `statem_child`, `events_child`; then the
//! parts that only decide:
//! `children`, `intensity`, `restart`, `backoff`; then `inbox` and `shutdown`, and `server`, the
//! process that carries it all out; last the four fronts: `supervisor`, `dynamic`,
//! `task_supervisor`, `partition`.

use std::time::Duration;

mod default_id;
mod extras;
mod slots;
mod spec;
mod started;

mod agent_child;
mod events_child;
mod recipe;
mod registry_child;
mod server_child;
mod statem_child;

mod children;
mod intensity;
mod pid_map;
mod restart;

mod backoff;

mod errors;
mod request;

mod inbox;
mod shutdown;

mod server;
mod telemetry;
mod terms;

mod supervisor;

mod dynamic;

mod task_supervisor;

mod partition;

pub use agent_child::{AgentChild, AgentChildBuilder};
pub use backoff::Backoff;
pub use children::ChildCount;
pub use dynamic::{
    DynamicSupervisor, DynamicSupervisorHandle, DynamicSupervisorRef, Template, TemplateHandle,
};
pub use errors::{
    DeleteChildError, FindChildError, RestartChildError, StartChildError, SupervisorError,
    TerminateChildError,
};
pub use events_child::{EventManagerChild, EventManagerChildBuilder, GroupsChild};
pub use partition::{
    ByHash, PartitionKey, PartitionSupervisor, PartitionsHandle, ResizeError, RouteError,
};
pub use request::{ChildEntry, ChildState, StopSupervisor};
pub use restart::Strategy;
pub use server_child::{ChildBuilder, ServerChild, StartAgain};
pub use spec::{
    AutoShutdown, ChildKind, ChildSpec, DEFAULT_SHUTDOWN, Restart, Shutdown, SpecError,
    check_child_specs,
};
pub use started::{Child, ChildHandle, IntoStartError, IntoStarted};
pub use statem_child::{StatemChild, StatemChildBuilder};
pub use supervisor::{Supervisor, SupervisorHandle, SupervisorRef};
pub use task_supervisor::{TaskSupervisor, TaskSupervisorHandle, TaskSupervisorRef};

/// How many restarts a supervisor allows within [`DEFAULT_PERIOD`] unless told otherwise: 3, as in
/// Elixir.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, exit, sleep};
/// use rekindle_supervisor::{ChildSpec, DEFAULT_INTENSITY, Restart, Supervisor};
/// use std::time::Duration;
///
/// let work = ChildSpec::task(|| sleep(Duration::MAX)).id("work").restart(Restart::Permanent);
/// let tree = Supervisor::one_for_one().child(work).start().await.unwrap();
/// for _ in 0..DEFAULT_INTENSITY + 1 {
///     assert!(tree.is_alive());
///     let work = tree.which_child("work").await.unwrap();
///     exit(work.state.pid().unwrap(), ExitReason::Kill);
///     sleep(Duration::from_millis(1)).await;
/// }
/// assert!(!tree.is_alive()); // one restart too many
/// # });
/// ```
pub const DEFAULT_INTENSITY: u32 = 3;

/// The period of [`DEFAULT_INTENSITY`]: 5 s.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, exit, sleep};
/// use rekindle_supervisor::{ChildSpec, DEFAULT_PERIOD, Restart, Supervisor};
/// use std::time::Duration;
///
/// let work = ChildSpec::task(|| sleep(Duration::MAX)).id("work").restart(Restart::Permanent);
/// let tree = Supervisor::one_for_one().child(work).start().await.unwrap();
/// // Once a period is nothing to worry about, however often.
/// for _ in 0..20 {
///     let work = tree.which_child("work").await.unwrap();
///     exit(work.state.pid().unwrap(), ExitReason::Kill);
///     sleep(DEFAULT_PERIOD).await;
/// }
/// assert!(tree.is_alive());
/// # });
/// ```
pub const DEFAULT_PERIOD: Duration = Duration::from_secs(5);
