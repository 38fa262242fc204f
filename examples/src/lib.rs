#![forbid(unsafe_code)]
//! What the programs beside this folder are made of.
//!
//! Each story is a module here, so that its tree can run in two ways: in real time by the program
//! of the same name, and in virtual time, from a seed, by the tests.

pub mod cli;
pub mod dice;
pub mod screen;
pub mod stage;
pub mod watch;

pub mod counter;
pub mod gen_task;
pub mod job_queue;
pub mod jobber;
#[cfg(feature = "neighbours")]
pub mod links;
pub mod payments;
pub mod tcp_chat;
#[cfg(feature = "tokio")]
pub mod web;

#[cfg(doctest)]
mod guide;
