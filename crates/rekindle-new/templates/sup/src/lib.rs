//! What runs, and what is started again when it fails.

mod counter;

pub use counter::{Counter, CounterApi};

use rekindle::prelude::*;

/// The tree of the application.
///
/// Children are started in this order, and stopped in the reverse order. One that ends is started
/// again; with more than 3 restarts in 5 s the tree gives up, and the program ends with status 1.
pub fn tree() -> Supervisor {
    Supervisor::one_for_one()
        .intensity(3, Duration::from_secs(5))
        .child(Counter::child(0).name(Counter::NAME))
        .child(TaskSupervisor::child().name("tasks"))
}
