//! The gen_task story: a behaviour of one's own, supervised like any other child.
//!
//! - [`behaviour`] is `GenTask`: how to write your own behaviour.
//! - [`queue`] is the broker from which the jobs come.
//! - [`story`] is an application of both: `MyWorker`, `MyWorkerSupervisor`, the consumer.

pub mod behaviour;
pub mod queue;
pub mod story;

pub use story::{Summary, run};
