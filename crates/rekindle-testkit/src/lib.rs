#![forbid(unsafe_code)]
//! Comfort for tests of programs built on rekindle.
//!
//! Reach it through the front door: in `Cargo.toml`
//!
//! ```toml
//! [dev-dependencies]
//! rekindle = { version = "0.1", features = ["testkit"] }
//! ```
//!
//! and then `#[rekindle::test]` and `rekindle::testkit`. The guide's page `docs/guide/testing.md`
//! shows all of it at work.
//!
//! | you want                                             | look at                                         |
//! |------------------------------------------------------|-------------------------------------------------|
//! | a test whose body is a process, with its own runtime | `#[rekindle::test]`, [`Test`]                   |
//! | the same under many orders, in virtual time          | `#[rekindle::test(simulated, seeds = 500)]`, [`TestRun`] |
//! | a tree that is stopped before the test ends          | [`Test::start_supervised`]                      |
//! | to wait for a message, or see that none comes        | [`assert_receive!`], [`refute_receive!`], [`assert_received!`] |
//! | to receive in somebody else's place                  | [`Probe`]                                       |
//! | to let time pass, and all come to rest               | [`Test::advance`], [`Test::settle`]             |
//! | what was logged, and crash reports out of sight      | [`capture_log`]                                 |
//! | to kill, stall, delay, fail a start, jump the clock  | [`Faults`]                                      |
//! | to kill a process at each of its steps               | [`for_each_crash_point`]                        |
//! | one server, called by hand, without a runtime        | [`unit::Subject`]                               |
//! | what must hold in any state of any runtime           | [`invariants`]                                  |
//!
//! Reading order: `inbox` and `test` (what a body is handed), `kit` (what it shares with the run),
//! `once` (one run), `strategy`, `run` (many runs) and `report` (what is said of them), then
//! `faults`, `crash_points`, `capture`, `invariants`, `unit`.

mod inbox;
mod macros;
mod probe;
mod test;

mod kit;

mod once;
mod report;
mod run;
mod strategy;

mod crash_points;
mod faults;
mod random;

mod capture;
pub mod invariants;

pub mod unit;

pub use capture::{CapturedLog, LogRecord, capture_log};
pub use crash_points::{CrashPoints, CrashPointsReport, for_each_crash_point};
pub use faults::{Faults, KillDescendants};
pub use inbox::{Inbox, NotReceived, Receives, Refuted};
pub use once::Verdict;
pub use probe::Probe;
pub use report::{Explored, Failure, Found};
pub use run::TestRun;
pub use strategy::{ParseStrategyError, Strategy};
pub use test::Test;

#[doc(no_inline)]
pub use log::Level;

#[doc(hidden)]
pub use macros::__private;
