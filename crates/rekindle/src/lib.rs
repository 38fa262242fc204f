#![forbid(unsafe_code)]
//! The actor framework for Rust in the manner of Erlang/OTP, on an executor of its own.
//!
//! A *process* is cheap, private and mortal. It has a mailbox and handles one message at a time;
//! nobody else touches its state. When it dies, those who depend on it are told, and a
//! *supervisor* starts it again. So the normal code stays small, and what to do about failure is
//! said in one place: the tree of supervisors.
//!
//! # In three steps
//!
//! **1. A server** has a state, and a method for each message. [`#[gen_server]`](macro@gen_server)
//! makes the messages of them, and a typed handle: what is a `#[call]` here is a method there.
//!
//! ```
//! # #[cfg(feature = "macros")] {
//! use rekindle::prelude::*;
//!
//! struct Counter { n: i64 }
//!
//! #[gen_server]
//! impl Counter {
//!     fn init(n: i64) -> Self { Counter { n } }
//!     #[call] fn get(&self) -> i64 { self.n }
//!     #[cast] fn add(&mut self, k: i64) { self.n += k }
//! }
//!
//! // **2. A tree.** Each child says when it is restarted; the supervisor says how often.
//! let runtime = Runtime::new()?;
//! runtime.block_on(async {
//!     let tree = Supervisor::one_for_one()
//!         .intensity(3, Duration::from_secs(5))
//!         .child(Counter::child(0).name("counter").restart(Restart::Permanent))
//!         .start_link()
//!         .await
//!         .expect("the tree starts");
//!
//! // **3. Use it.** A name survives restarts; a call never lies about what went wrong.
//!     let counter = Name::<Counter>::new("counter");
//!     counter.add(2);
//!     assert_eq!(counter.get().await, Ok(2));
//!
//!     exit(counter.pid().unwrap(), ExitReason::Kill);
//!     # while counter.get().await != Ok(0) { sleep(Duration::from_millis(1)).await; }
//!     // ... a moment later there is a new counter under the same name.
//!     assert_eq!(counter.get().timeout(Duration::from_secs(1)).await, Ok(0));
//!     # drop(tree);
//! });
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The attribute writes nothing that could not be written by hand. By hand, a server implements
//! [`GenServer`]: its messages are types of its own, and each request carries the way back for its
//! answer.
//!
//! ```
//! use rekindle::prelude::*;
//!
//! struct Counter { n: i64 }
//! enum Request { Get(ReplyTo<i64>) }
//!
//! impl GenServer for Counter {
//!     type Args = i64;  type Call = Request;  type Cast = i64;  type Info = Never;  type Continue = Never;
//!
//!     async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
//!         Ok(Init::Ready(Counter { n }))
//!     }
//!     async fn handle_call(&mut self, request: Request, _cx: &mut Context<Self>) -> Step<Self> {
//!         let Request::Get(from) = request;
//!         from.reply(self.n);
//!         Ok(Next::Wait)
//!     }
//!     async fn handle_cast(&mut self, k: i64, _cx: &mut Context<Self>) -> Step<Self> {
//!         self.n += k;
//!         Ok(Next::Wait)
//!     }
//! }
//!
//! # Runtime::new()?.block_on(async {
//! let counter = Counter::start_link(0).await?;
//! counter.cast(2);
//! assert_eq!(counter.call(Request::Get).await?, 2);
//! # Ok::<(), ExitReason>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A program is usually one call: [`app::run`] starts the tree, stops it in reverse order when
//! the system asks, and gives the exit status.
//!
//! # What is where
//!
//! | you want                                   | look at                                                     |
//! |--------------------------------------------|-------------------------------------------------------------|
//! | a process without a behaviour              | [`spawn`], [`Mailbox`]                                       |
//! | a server                                   | [`#[gen_server]`](macro@gen_server), [`GenServer`], [`Addr`], [`Name`], [`CallError`] |
//! | a state machine                            | [`GenStatem`], [`Transition`], [`StatemAddr`]                |
//! | a state that several share                 | [`Agent`]                                                    |
//! | processes found by keys; publish, subscribe | [`Registry`], [`Via`]                                       |
//! | a piece of work with a result              | [`Task`], [`TaskSupervisor`]                                 |
//! | events with many handlers                 | [`GenEvent`], [`EventHandler`]                               |
//! | many processes under one key               | [`Groups`]                                                   |
//! | a fixed set of children                    | [`Supervisor`]                                               |
//! | children started on demand                 | [`DynamicSupervisor`]                                        |
//! | to be told of a death                      | [`monitor`](fn@monitor), [`link`], [`trap_exit`]             |
//! | messages in the future                     | [`send_after`], [`send_interval`], [`Context::send_after`]   |
//! | to call code that blocks                   | [`blocking`]                                                 |
//! | to ask now and wait later, or many         | [`Request`], [`Requests`], [`multi_call`]                    |
//! | an answer that may come too late           | [`Alias`], [`Monitoring`]                                    |
//! | to receive the items of a stream           | [`attach`], [`Context::attach`]                              |
//! | to look inside                             | [`info`](fn@info), [`list`], [`tree`], [`sys`], [`recent_crashes`] |
//! | a behaviour of your own                    | [`Starter`], [`Mailbox::next_event`], [`sys::SystemMessage`] |
//! | tests in virtual time, from a seed         | [`Runtime::simulated`]; `testkit` and `#[rekindle::test]`, with the feature `testkit` |
//!
//! # Features
//!
//! All add, and none changes what is there without it. What is off costs nothing and brings nothing.
//!
//! | feature   | default | gives                                                            | brings              |
//! |-----------|---------|------------------------------------------------------------------|---------------------|
//! | `macros`  | yes     | the attributes: `#[rekindle::main]`, `#[gen_server]`              | `syn`, at build time |
//! | `net`     |         | the module `net`: TCP servers with a process per connection       | `async-io`          |
//! | `tokio`   |         | tokio's types in every process: `Builder::tokio`, `tokio_task`     | `tokio`             |
//! | `tracing` |         | events of crashes, restarts and stuck workers beside the log; `enter_process_span` | `tracing` |
//! | `metrics` |         | counters, gauges and times by behaviour; `publish_metrics`, `time_messages` | `metrics`           |
//! | `serde`   |         | `Serialize` for pids, exit reasons, reports and introspection     | `serde`             |
//! | `testkit` |         | `rekindle::testkit`, and with `macros` `#[rekindle::test]`: for `[dev-dependencies]` | |
//!
//! Sockets of `async-net` and whatever else needs no runtime work without any feature.
//!
//! Crash reports and everything else go through the `log` crate. Without a logger, crash reports
//! go to stderr.

pub mod app;
pub mod prelude;

#[doc(inline)]
pub use rekindle_actor::*;
#[cfg(all(feature = "macros", feature = "testkit"))]
#[doc(inline)]
pub use rekindle_macros::test;
#[cfg(feature = "macros")]
#[doc(inline)]
pub use rekindle_macros::{gen_server, main};
#[cfg(feature = "net")]
#[doc(inline)]
pub use rekindle_net as net;
#[doc(inline)]
pub use rekindle_supervisor::*;
#[cfg(feature = "testkit")]
#[doc(inline)]
pub use rekindle_testkit as testkit;

/// The examples of the project's front page, compiled and run with the other doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeDocTests;

/// The tests of the guide's page.
#[cfg(all(doctest, feature = "testkit", feature = "macros"))]
#[doc = include_str!("../../../docs/guide/testing.md")]
struct TestingDocTests;

/// The examples of the attributes' pages, whose crate cannot use this one.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../rekindle-macros/src/gen_server/page.md")]
struct GenServerAttributeDocTests;

#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../../rekindle-macros/src/main_attribute.md")]
struct MainAttributeDocTests;

#[cfg(all(doctest, feature = "testkit", feature = "macros"))]
#[doc = include_str!("../../rekindle-macros/src/test_attribute.md")]
struct TestAttributeDocTests;

/// The programs of the guide's page; they need these features.
#[cfg(all(doctest, feature = "net", feature = "tokio"))]
#[doc = include_str!("../../../docs/guide/neighbours.md")]
struct NeighboursDocTests;
