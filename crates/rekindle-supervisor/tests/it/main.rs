//! What supervisors promise, through their public API. Test functions are named after the cases.
//!
//! Most tests run under the simulator with several seeds, and on a pool of two workers; those
//! that need time run under the simulator only, whose time is virtual.

mod kit;
#[path = "../../../rekindle-actor/tests/it/record.rs"]
mod record;

mod start;

mod restart;
mod strategy;

mod intensity;

mod stop;

mod admin;

mod significant;

mod hard_restarts;
mod hard_stops;

mod dynamic;
mod events;
mod hard_dynamic;

mod partition;
mod registry;
mod task;

mod backoff;
mod places;
mod report;
mod scale;
mod specs;
mod statem;
mod storm;
