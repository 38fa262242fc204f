//! The executor under rekindle.
//!
//! It runs any `Future + Send`, on a pool of work-stealing workers or, step by step and
//! reproducibly, in a seeded simulator. It knows nothing of processes, messages or restarts; what
//! it offers the layer above is a task with an *intrusive inbox* ([`Host`], [`Node`]).
//!
//! The life of a task in eight lines:
//!
//! 1. [`spawn`] puts future and header into one heap cell, and the cell into the table.
//! 2. The word of the cell says SCHEDULED: one `Runnable` exists, in some queue.
//! 3. A worker takes it: next-task slot, own queue, injector, then from another worker.
//! 4. One poll. `Pending` with nothing new: the word goes idle, and nobody holds the task.
//! 5. A wake, or a node pushed into the inbox, sets SCHEDULED again and queues it: step 3.
//! 6. `Ready`, a panic or an abort: the future is dropped, the slot in the table is freed.
//! 7. The word is DEAD: pushes give the node back, wakes do nothing.
//! 8. The last reference frees the cell.
//!
//! ```
//! let runtime = rekindle_scheduler::Runtime::new()?;
//! let sum = runtime.block_on(async {
//!     let halves = [1..=50, 51..=100].map(|half| rekindle_scheduler::spawn(async { half.sum::<u64>() }));
//!     let mut sum = 0;
//!     for half in halves {
//!         sum += half.await.unwrap();
//!     }
//!     sum
//! });
//! assert_eq!(sum, 5050);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The modules, in the order in which to read them: `task` (what is run), `table` (how it is
//! found), `block` (where its memory comes from), `budget` (how long it may run), `collision` (what two do that
//! send to it at once), `pool` (who runs it; `pool/SLEEP.md` and `pool/HANDOVER.md` are its protocols), `time`,
//! `blocking`, and `sim`, the other way to run it.

mod sync;

mod byte_lock;

#[cfg(loom)]
#[doc(hidden)]
pub mod model;

mod around;

pub mod block;

mod task;

mod home;

mod table;

pub mod budget;

mod collision;

mod life;

mod core;

mod context;

mod pool;

mod time;

mod timers;

mod blocking;

mod prefetch;
mod random;

mod static_cell;

mod sim;

mod block_on;

mod config;
mod cores;
mod metrics;
mod outlet;
mod runtime;

pub use block_on::block_on;
pub use blocking::{Blocking, BlockingError};
#[doc(hidden)]
pub use byte_lock::{ByteGuard, ByteLock};
pub use config::Builder;
pub use context::{EnterGuard, coarse_now, running, take_news, with_handle};
pub use metrics::Metrics;
pub use outlet::log_guarded;
pub use runtime::{Handle, Runtime, YieldNow, blocking, spawn, yield_now};
pub use sim::{
    Exploration, Fate, Settled, Simulation, Stuck, TraceEvent, TraceWhat, TurnAhead, trace,
};
pub use static_cell::StaticCell;
pub use task::{
    AbortHandle, Body, Claimed, Host, JoinError, JoinHandle, MapOutput, Node, NodeChain, NodeList,
    NodePtr, NodeVtable, TaskId, TaskRef, TaskView, Turn, map_output,
};
pub use time::{Sleep, Time, TimerAction, TimerKey, sleep, sleep_until};
