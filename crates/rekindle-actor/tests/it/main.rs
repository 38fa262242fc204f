//! The catalogue of behaviour, case by case, and what breaks by wrong use.
//!
//! A test is named after its case in the catalogue (`exit_001_..` is EXIT-001). Nearly every one
//! runs under the simulator with several seeds and on the real pool with one and two workers: see
//! `support`. No test measures time: what must not happen is looked for in virtual time, or after
//! a message that must have overtaken nothing.

mod alone;
mod record;
mod support;

mod exit;
mod link;
mod monitor;
mod trap;

mod alias;
mod attach;
mod names;
mod process;
mod timers;

mod gen_event;
mod gen_server;
mod gen_statem;
mod groups;
mod start;
mod sys;
mod sys_watch;
mod task;
mod task_many;

mod agent;
mod registry;
mod registry_edges;
mod registry_model;

mod bounded;
mod calls;
mod depth;
mod edges;
mod memory;
mod outlet;
mod panics;
mod reports;
mod requests;
mod wrong_use;

mod hard_calls;
mod hard_ends;
mod hard_signals;
mod hard_start;
mod hard_statem;
mod hard_tasks;

mod simulator;
