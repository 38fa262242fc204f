//! The behaviour of the scheduler through its public items.
//!
//! No test here asserts on how long something took. Where time matters a test asks for an order,
//! or waits for a condition under a limit so generous that only a hang can reach it.

mod blocked;
mod blocking_call;
mod entering;
mod fairness;
mod hosts;
mod memory;
mod shutdown;
mod simulation;
mod spawning;
mod support;
mod timers;
