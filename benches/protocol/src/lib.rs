#![forbid(unsafe_code)]
//! What every measured program has in common, so that all systems are treated alike.
//!
//! A *subject* is a program that knows one or several systems. `compare` starts it anew for each
//! figure, as `PROGRAM SYSTEM BENCHMARK WORKERS MILLIS N K M`, and it answers with one line:
//!
//! | line                          | meaning                                                     |
//! |-------------------------------|-------------------------------------------------------------|
//! | `ok key=value key=value ...`  | measured; all values are whole numbers                       |
//! | `unsupported why`             | the system has no such thing, or not in its own words        |
//! | `failed why`                  | it went wrong; a wrong sum is found by `compare` itself      |
//!
//! Every throughput benchmark is a *pass* of fixed size (`N`, `K`, `M` as the [`catalogue`] says):
//! one pass to warm up, then passes until `MILLIS` have gone by. The answer has `passes`,
//! `wall_ns`, `cpu_ns` and `sum`, the sum of the sums of the counted passes. What a pass is worth
//! ([`Benchmark::operations`], [`Benchmark::sum`]) is defined here, once for all systems.
//!
//! Modules in reading order: [`catalogue`], [`task`], [`measure`], [`tally`], [`latency`],
//! [`memory`], [`dice`].

pub mod catalogue;
pub mod dice;
pub mod latency;
pub mod measure;
pub mod memory;
pub mod tally;
pub mod task;

pub use catalogue::{Benchmark, CATALOGUE, Kind, find};
pub use dice::Dice;
pub use latency::Latencies;
pub use measure::{Measured, passes};
pub use task::{Answer, Task};
