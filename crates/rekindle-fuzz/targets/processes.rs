//! A program of processes: it spawns, sends, links, monitors, names, traps and kills in any order.
//!
//! Step by step, it is compared with a model of what `docs/SEMANTICS.md` says: who lives, what each
//! operation gives, what each process receives. All at once, under a seed, only what every order must
//! keep is checked, and that the same seed is the same run. At the end nothing is left.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rekindle_actor::Runtime;
use rekindle_fuzz::quiet;

mod processes {
    pub mod model;
    pub mod program;
    pub mod puppet;
}

use processes::program::{self, Order};

const MOST_ORDERS: usize = 60;
/// A run takes some thousand turns; one that takes so many goes round in circles.
const MOST_TURNS: u64 = 1_000_000;

#[derive(Debug, Arbitrary)]
struct Program {
    seed: u64,
    /// Whether each order waits until all that the one before has led to is over.
    step_by_step: bool,
    orders: Vec<Order>,
}

fuzz_target!(init: quiet(), |program: Program| {
    let Program { seed, step_by_step, mut orders } = program;
    orders.truncate(MOST_ORDERS);
    if step_by_step {
        in_simulator(seed, program::step_by_step(orders));
    } else {
        let once = in_simulator(seed, program::all_at_once(orders.clone()));
        let again = in_simulator(seed, program::all_at_once(orders));
        assert_eq!(once, again, "the same seed is the same run");
    }
});

/// What the future gives, and a number that stands for the way it took.
fn in_simulator<T: Send + 'static>(
    seed: u64,
    future: impl Future<Output = T> + Send + 'static,
) -> (T, u64) {
    let runtime = Runtime::simulated(seed);
    let simulation = runtime.simulation().expect("it is simulated");
    simulation.limit_steps(MOST_TURNS);
    let value = runtime.block_on(future);
    (value, simulation.trace_hash())
}
