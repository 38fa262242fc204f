//! One generic server, called by hand: no runtime to start, no process to wait for.
//!
//! A [`Subject`] is a server whose callbacks run when the test says so, one input at a time, on the
//! test's own thread. Time is virtual and moves only by [`Subject::advance`] (or while a callback
//! itself sleeps). What each callback decided is to be had as data, and so is what it sent.
//!
//! ```
//! use rekindle::prelude::*;
//! use rekindle::testkit::unit::{NextStep, Subject};
//!
//! struct Counter { n: i64 }
//!
//! impl GenServer for Counter {
//!     type Args = i64;
//!     type Call = ReplyTo<i64>;
//!     type Cast = i64;
//!     type Info = Recipient<i64>;
//!     type Continue = Never;
//!
//!     async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
//!         Ok(Init::Ready(Counter { n }))
//!     }
//!     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> {
//!         from.reply(self.n);
//!         Ok(Next::Wait)
//!     }
//!     async fn handle_cast(&mut self, k: i64, _cx: &mut Context<Self>) -> Step<Self> {
//!         self.n += k;
//!         if self.n < 0 { Ok(Next::Stop(ExitReason::Shutdown)) } else { Ok(Next::Wait) }
//!     }
//!     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
//!         match info {
//!             Info::Message(to) => { to.send(self.n); Ok(Next::Wait) }
//!             other => cx.unexpected(other),
//!         }
//!     }
//! }
//!
//! let mut counter = Subject::<Counter>::start(1).unwrap();
//! assert_eq!(counter.cast(2).next(), Some(&NextStep::Wait));
//! assert_eq!(counter.call(|from| from).reply(), Some(Ok(3)));
//!
//! let outbox = counter.outbox::<i64>();
//! counter.info(outbox.recipient());
//! assert_eq!(outbox.take(), [3]);
//!
//! assert_eq!(counter.cast(-10).next(), Some(&NextStep::Stop(ExitReason::Shutdown)));
//! assert_eq!(counter.ended(), Some(ExitReason::Shutdown));
//! ```
//!
//! # What is behind it
//!
//! Links, timers, `self_pid()` and the handles of a [`Context`] only mean something in a process.
//! So the subject is one, in a simulated runtime of its own, which nobody sees and which stands
//! still between two inputs. The other ends of links and monitors are [peers](Subject::peer) in the
//! same runtime, and their `Down`s and `Exit`s are real ones.
//!
//! # When not to use this
//!
//! When a test is about several processes: that is `#[rekindle::test(simulated)]`. Nor inside one:
//! a `Subject` is for a plain `#[test]`. `sys` messages are not for it either.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::{
    CallError, Context, Event, ExitReason, GenServer, Info, Init, Mailbox, Next, Pid, ProcessInfo,
    Recipient, ReplyTo, Runtime, Sender, ServerMessage, Time, guarded, monitor, raise, spawn,
};

use crate::capture::{LogRecord, Sink, Sunk, sink_of};

/// What a callback has decided: [`Next`], as data.
///
/// ```
/// # use rekindle::prelude::*;
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
/// #         Ok(Init::Ready(Counter(n)))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         self.0 += k;
/// #         Ok(match self.0 {
/// #             ..0 => Next::Stop(ExitReason::Shutdown),
/// #             0..=100 => Next::Wait,
/// #             _ => Next::Timeout(Duration::from_secs(1)),
/// #         })
/// #     }
/// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
/// #         match info {
/// #             Info::Message(to) => to.send(self.0),
/// #             Info::Timeout => self.0 = 0,
/// #             other => return cx.unexpected(other),
/// #         }
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// use rekindle::testkit::unit::{NextStep, Subject};
///
/// let mut counter = Subject::<Counter>::start(90).unwrap();
/// assert_eq!(counter.cast(5).next(), Some(&NextStep::Wait));
/// // Above 100 it wants to hear of a second of silence,
/// assert_eq!(counter.cast(10).next(), Some(&NextStep::Timeout(Duration::from_secs(1))));
/// // and below 0 it has come to its end.
/// assert_eq!(counter.cast(-200).next(), Some(&NextStep::Stop(ExitReason::Shutdown)));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NextStep {
    /// `Next::Wait`.
    Wait,
    /// `Next::Timeout`.
    Timeout(Duration),
    /// `Next::Hibernate`.
    Hibernate,
    /// `Next::Continue`: the next step is that of `handle_continue`.
    Continue,
    /// `Next::Stop`, an error, or a panic: `terminate` has run, and this is why.
    Stop(ExitReason),
}

/// Which callback ran.
///
/// ```
/// # use rekindle::prelude::*;
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
/// #         Ok(Init::Ready(Counter(n)))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         self.0 += k;
/// #         Ok(match self.0 {
/// #             ..0 => Next::Stop(ExitReason::Shutdown),
/// #             0..=100 => Next::Wait,
/// #             _ => Next::Timeout(Duration::from_secs(1)),
/// #         })
/// #     }
/// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
/// #         match info {
/// #             Info::Message(to) => to.send(self.0),
/// #             Info::Timeout => self.0 = 0,
/// #             other => return cx.unexpected(other),
/// #         }
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// use rekindle::testkit::unit::{Callback, Subject};
///
/// let mut counter = Subject::<Counter>::start(101).unwrap();
/// assert_eq!(counter.started().callbacks(), [Callback::Init]);
/// assert_eq!(counter.cast(1).callbacks(), [Callback::Cast]); // sets an idle timeout
/// assert_eq!(counter.advance(Duration::from_secs(1)).callbacks(), [Callback::Timeout]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Callback {
    /// `init`.
    Init,
    /// `handle_call`.
    Call,
    /// `handle_cast`.
    Cast,
    /// `handle_info` with a message.
    Message,
    /// `handle_info` with `Info::Timeout`.
    Timeout,
    /// `handle_info` with `Info::Down`.
    Down,
    /// `handle_info` with `Info::Exit`.
    Exit,
    /// `handle_continue`.
    Continue,
}

/// One callback that ran, and what it decided.
///
/// ```
/// # use rekindle::prelude::*;
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
/// #         Ok(Init::Ready(Counter(n)))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         self.0 += k;
/// #         Ok(match self.0 {
/// #             ..0 => Next::Stop(ExitReason::Shutdown),
/// #             0..=100 => Next::Wait,
/// #             _ => Next::Timeout(Duration::from_secs(1)),
/// #         })
/// #     }
/// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
/// #         match info {
/// #             Info::Message(to) => to.send(self.0),
/// #             Info::Timeout => self.0 = 0,
/// #             other => return cx.unexpected(other),
/// #         }
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// use rekindle::testkit::unit::{Callback, NextStep, Subject};
///
/// let mut counter = Subject::<Counter>::start(101).unwrap();
/// counter.cast(1);
/// let steps = counter.advance(Duration::from_secs(60));
/// let silence = &steps.all()[0];
/// assert_eq!((silence.callback, &silence.next), (Callback::Timeout, &NextStep::Wait));
/// assert_eq!(silence.at.as_secs(), 1); // not at the end of the minute
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Handled {
    /// Which.
    pub callback: Callback,
    /// What it decided.
    pub next: NextStep,
    /// When it began: since the subject's start.
    pub at: Duration,
}

/// The callbacks that an input has set off, in order.
///
/// ```
/// # use rekindle::prelude::*;
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
/// #         Ok(Init::Ready(Counter(n)))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         self.0 += k;
/// #         Ok(match self.0 {
/// #             ..0 => Next::Stop(ExitReason::Shutdown),
/// #             0..=100 => Next::Wait,
/// #             _ => Next::Timeout(Duration::from_secs(1)),
/// #         })
/// #     }
/// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
/// #         match info {
/// #             Info::Message(to) => to.send(self.0),
/// #             Info::Timeout => self.0 = 0,
/// #             other => return cx.unexpected(other),
/// #         }
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// use rekindle::testkit::unit::{Callback, NextStep, Subject};
///
/// let mut counter = Subject::<Counter>::start(0).unwrap();
/// let steps = counter.cast(7);
/// assert_eq!(steps.callbacks(), [Callback::Cast]);
/// assert_eq!(steps.next(), Some(&NextStep::Wait));
/// // Time alone sets off nothing here.
/// assert!(counter.advance(Duration::from_secs(60)).all().is_empty());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Steps(Vec<Handled>);

impl Steps {
    /// All of them. One input may set off several: `handle_continue` runs by itself, and what lay
    /// in the mailbox before the input is handled before it.
    #[must_use]
    pub fn all(&self) -> &[Handled] {
        &self.0
    }

    /// What the last of them decided; `None` if none ran.
    #[must_use]
    pub fn next(&self) -> Option<&NextStep> {
        self.0.last().map(|step| &step.next)
    }

    /// Which callbacks ran.
    #[must_use]
    pub fn callbacks(&self) -> Vec<Callback> {
        self.0.iter().map(|step| step.callback).collect()
    }
}

/// A request that was made of the subject.
///
/// ```
/// # use rekindle::prelude::*;
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
/// #         Ok(Init::Ready(Counter(n)))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         self.0 += k;
/// #         Ok(match self.0 {
/// #             ..0 => Next::Stop(ExitReason::Shutdown),
/// #             0..=100 => Next::Wait,
/// #             _ => Next::Timeout(Duration::from_secs(1)),
/// #         })
/// #     }
/// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
/// #         match info {
/// #             Info::Message(to) => to.send(self.0),
/// #             Info::Timeout => self.0 = 0,
/// #             other => return cx.unexpected(other),
/// #         }
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// use rekindle::testkit::unit::{NextStep, Subject};
///
/// let mut counter = Subject::<Counter>::start(7).unwrap();
/// let called = counter.call(|from| from);
/// assert_eq!(called.next(), Some(&NextStep::Wait));
/// assert_eq!(called.reply(), Some(Ok(7)));
/// assert_eq!(called.reply(), None); // there is no second one
/// ```
#[must_use = "ask it for the reply"]
pub struct Called<R> {
    steps: Steps,
    reply: Reply<R>,
}

/// Where the reply is left.
type Reply<R> = Arc<Mutex<Option<Result<R, CallError>>>>;

impl<R> Called<R> {
    /// The reply, or why there is none; `None` as long as the subject owes it. It is given once.
    #[must_use]
    pub fn reply(&self) -> Option<Result<R, CallError>> {
        self.reply.lock().take()
    }

    /// The callbacks that the request has set off.
    #[must_use]
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// What the last of them decided.
    #[must_use]
    pub fn next(&self) -> Option<&NextStep> {
        self.steps.next()
    }
}

impl<R> fmt::Debug for Called<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called")
            .field("steps", &self.steps)
            .field("replied", &self.reply.lock().is_some())
            .finish()
    }
}

/// Receives what the subject sends, and keeps it.
///
/// ```
/// # use rekindle::prelude::*;
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
/// #         Ok(Init::Ready(Counter(n)))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         self.0 += k;
/// #         Ok(match self.0 {
/// #             ..0 => Next::Stop(ExitReason::Shutdown),
/// #             0..=100 => Next::Wait,
/// #             _ => Next::Timeout(Duration::from_secs(1)),
/// #         })
/// #     }
/// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
/// #         match info {
/// #             Info::Message(to) => to.send(self.0),
/// #             Info::Timeout => self.0 = 0,
/// #             other => return cx.unexpected(other),
/// #         }
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// use rekindle::testkit::unit::Subject;
///
/// let mut counter = Subject::<Counter>::start(7).unwrap();
/// let outbox = counter.outbox::<i64>();
/// counter.info(outbox.recipient()); // it sends its count to whoever asks like this
/// counter.cast(1);
/// counter.info(outbox.recipient());
/// assert_eq!(outbox.take(), [7, 8]);
/// assert!(outbox.take().is_empty());
/// ```
pub struct Outbox<T> {
    recipient: Recipient<T>,
    got: Arc<Mutex<Vec<T>>>,
}

impl<T: Send + 'static> Outbox<T> {
    /// A handle to give to the subject.
    #[must_use]
    pub fn recipient(&self) -> Recipient<T> {
        self.recipient.clone()
    }

    /// What was sent since the last time, oldest first.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.got.lock())
    }
}

impl<T> fmt::Debug for Outbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("got", &self.got.lock().len())
            .finish_non_exhaustive()
    }
}

/// Why there is no subject.
///
/// ```
/// # use rekindle::prelude::*;
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
/// #         Ok(Init::Ready(Counter(n)))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         self.0 += k;
/// #         Ok(match self.0 {
/// #             ..0 => Next::Stop(ExitReason::Shutdown),
/// #             0..=100 => Next::Wait,
/// #             _ => Next::Timeout(Duration::from_secs(1)),
/// #         })
/// #     }
/// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
/// #         match info {
/// #             Info::Message(to) => to.send(self.0),
/// #             Info::Timeout => self.0 = 0,
/// #             other => return cx.unexpected(other),
/// #         }
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// use rekindle::testkit::unit::{NotStarted, Subject};
///
/// match Subject::<Counter>::start(-1) {
///     Err(NotStarted::Fail(reason)) => assert_eq!(reason.to_string(), "less than nothing"),
///     other => panic!("{other:?} of a count below zero"),
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NotStarted {
    /// `init` gave `Init::Ignore`.
    Ignore,
    /// `init` gave `Init::Fail` with this reason.
    Fail(ExitReason),
    /// `init` gave an error, or panicked.
    Crashed(ExitReason),
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotStarted::Ignore => f.write_str("init chose not to start"),
            NotStarted::Fail(reason) => write!(f, "init failed: {reason}"),
            NotStarted::Crashed(reason) => write!(f, "init crashed: {reason}"),
        }
    }
}

impl std::error::Error for NotStarted {}

/// What the subject's process is told to do.
enum Order<G: GenServer> {
    /// Handle whatever is there, or comes by then.
    Run { until: Time },
    /// Show the state.
    Look(Box<dyn FnOnce(&mut G) + Send>),
    /// Run `terminate` and end.
    Stop(ExitReason),
}

/// Shared by the subject and its process.
struct Desk<G: GenServer> {
    order: Option<Order<G>>,
    /// The process waits for an order.
    waker: Option<Waker>,
    steps: Vec<Handled>,
    /// The order has been carried out, or init.
    done: bool,
    not_started: Option<NotStarted>,
    ended: Option<ExitReason>,
    /// The test waits for `done` or `ended`.
    test: Option<Waker>,
}

type Shared<G> = Arc<Mutex<Desk<G>>>;

/// A generic server under test: see the [module](self).
///
/// ```
/// # use rekindle::prelude::*;
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
/// #         Ok(Init::Ready(Counter(n)))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
/// #         self.0 += k;
/// #         Ok(match self.0 {
/// #             ..0 => Next::Stop(ExitReason::Shutdown),
/// #             0..=100 => Next::Wait,
/// #             _ => Next::Timeout(Duration::from_secs(1)),
/// #         })
/// #     }
/// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
/// #         match info {
/// #             Info::Message(to) => to.send(self.0),
/// #             Info::Timeout => self.0 = 0,
/// #             other => return cx.unexpected(other),
/// #         }
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// use rekindle::testkit::unit::Subject;
///
/// let mut counter = Subject::<Counter>::start(1).unwrap();
/// counter.cast(2);
/// assert_eq!(counter.state(|counter| counter.0), 3);
/// counter.state(|counter| counter.0 = 50); // where it would take long to get to
/// assert_eq!(counter.call(|from| from).reply(), Some(Ok(50)));
/// assert_eq!(counter.stop(ExitReason::Normal), ExitReason::Normal);
/// assert_eq!(counter.ended(), Some(ExitReason::Normal));
/// ```
pub struct Subject<G: GenServer> {
    desk: Shared<G>,
    sender: Sender<ServerMessage<G>>,
    runtime: Option<Runtime>,
    sink: Arc<Sink>,
    /// After the runtime.
    _sunk: Sunk,
    started: Steps,
    /// Stays on its thread.
    thread: PhantomData<*const ()>,
}

impl<G: GenServer> Subject<G> {
    /// Runs `init`, and what it asks for: a `handle_continue`.
    ///
    /// # Errors
    ///
    /// If `init` gives no state.
    ///
    /// # Panics
    ///
    /// If `init` waits for something that never comes.
    pub fn start(args: G::Args) -> Result<Subject<G>, NotStarted> {
        Subject::start_seeded(args, 0)
    }

    /// As [`start`](Self::start), with a seed for what the server draws at random.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_seeded(args: G::Args, seed: u64) -> Result<Subject<G>, NotStarted> {
        let runtime = Runtime::simulated(seed);
        let sink = Arc::new(Sink::default());
        let sunk = sink_of(runtime.handle().runtime_id(), &sink);
        let desk: Shared<G> = Arc::new(Mutex::new(Desk {
            order: None,
            waker: None,
            steps: Vec::new(),
            done: false,
            not_started: None,
            ended: None,
            test: None,
        }));
        let sender = {
            let _entered = runtime.handle().enter();
            let theirs = Arc::clone(&desk);
            let sender = spawn(move |inbox: Mailbox<ServerMessage<G>>| async move {
                let reason = Life::live(args, inbox, theirs).await;
                raise(reason)
            });
            let (pid, theirs) = (sender.pid(), Arc::clone(&desk));
            spawn(move |mut inbox: Mailbox<()>| async move {
                monitor(pid);
                if let Info::Down(down) = inbox.next().await {
                    let mut desk = theirs.lock();
                    desk.ended = Some(down.reason);
                    wake(&mut desk.test);
                }
            });
            sender
        };
        let mut subject = Subject {
            desk,
            sender,
            runtime: Some(runtime),
            sink,
            _sunk: sunk,
            started: Steps(Vec::new()),
            thread: PhantomData,
        };
        subject.started = subject.wait("init");
        let not_started = subject.desk.lock().not_started.take();
        match not_started {
            Some(why) => Err(why),
            None => Ok(subject),
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it goes with the subject")
    }

    /// Steps until the order is carried out, or the subject has ended.
    #[track_caller]
    fn wait(&self, what: &str) -> Steps {
        let waits = poll_fn(|cx| {
            let mut desk = self.desk.lock();
            if desk.done || desk.ended.is_some() {
                return Poll::Ready(std::mem::take(&mut desk.steps));
            }
            desk.test = Some(cx.waker().clone());
            Poll::Pending
        });
        let simulation = self.runtime().simulation().expect("it is simulated");
        match simulation.complete(waits) {
            Ok(steps) => Steps(steps),
            Err(stuck) => panic!(
                "a callback of the subject waits for what never comes, during {what}: {stuck}"
            ),
        }
    }

    #[track_caller]
    fn order(&mut self, what: &str, order: Order<G>) -> Steps {
        // What has arrived must be in the mailbox, and signals must have acted, before.
        self.settle();
        let mut desk = self.desk.lock();
        if let Some(reason) = &desk.ended {
            // An exit signal is no callback: it has no step.
            let _ = reason;
            return Steps(std::mem::take(&mut desk.steps));
        }
        desk.done = false;
        desk.order = Some(order);
        wake(&mut desk.waker);
        drop(desk);
        let steps = self.wait(what);
        self.settle();
        steps
    }

    /// Lets everybody go on who can without time passing.
    fn settle(&self) {
        let simulation = self.runtime().simulation().expect("it is simulated");
        simulation.run_until_idle();
    }

    #[track_caller]
    fn run(&mut self, what: &str) -> Steps {
        let until = self.runtime().handle().now();
        self.order(what, Order::Run { until })
    }

    /// The callbacks that ran at the start: `init`, and `handle_continue` if it asked for that.
    #[must_use]
    pub fn started(&self) -> &Steps {
        &self.started
    }

    /// The subject's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.sender.pid()
    }

    /// Makes a request, and handles it.
    ///
    /// # Panics
    ///
    /// If a callback waits for what never comes; so do the other methods that run callbacks.
    #[track_caller]
    pub fn call<R: Send + 'static>(
        &mut self,
        make: impl FnOnce(ReplyTo<R>) -> G::Call + Send + 'static,
    ) -> Called<R> {
        let reply: Reply<R> = Arc::default();
        let (sender, theirs) = (self.sender.clone(), Arc::clone(&reply));
        self.enter(|| {
            spawn(async move {
                let call = sender.call(|from| ServerMessage::Call(make(from)));
                let got = call.no_timeout().await;
                *theirs.lock() = Some(got);
            })
        });
        let steps = self.run("a call");
        Called { steps, reply }
    }

    /// Sends a cast, and handles it.
    #[track_caller]
    pub fn cast(&mut self, message: G::Cast) -> Steps {
        self.sender.send(ServerMessage::Cast(message));
        self.run("a cast")
    }

    /// Sends a plain message, and handles it.
    #[track_caller]
    pub fn info(&mut self, message: impl Into<G::Info>) -> Steps {
        self.sender.send(ServerMessage::Info(message.into()));
        self.run("a message")
    }

    /// Lets time pass, with all that comes meanwhile: timers, an idle timeout, messages the subject
    /// has sent itself.
    ///
    /// ```
    /// # use rekindle::prelude::*;
    /// # struct Counter(i64);
    /// # impl GenServer for Counter {
    /// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
    /// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
    /// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
    /// #         Ok(Init::Ready(Counter(n)))
    /// #     }
    /// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
    /// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
    /// #         self.0 += k;
    /// #         Ok(match self.0 {
    /// #             ..0 => Next::Stop(ExitReason::Shutdown),
    /// #             0..=100 => Next::Wait,
    /// #             _ => Next::Timeout(Duration::from_secs(1)),
    /// #         })
    /// #     }
    /// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
    /// #         match info {
    /// #             Info::Message(to) => to.send(self.0),
    /// #             Info::Timeout => self.0 = 0,
    /// #             other => return cx.unexpected(other),
    /// #         }
    /// #         Ok(Next::Wait)
    /// #     }
    /// # }
    /// use rekindle::testkit::unit::{Callback, Subject};
    ///
    /// let mut counter = Subject::<Counter>::start(100).unwrap();
    /// counter.cast(1); // above 100: it forgets its count after a second of silence
    /// assert!(counter.advance(Duration::from_millis(999)).all().is_empty());
    /// assert_eq!(counter.advance(Duration::from_millis(1)).callbacks(), [Callback::Timeout]);
    /// assert_eq!(counter.call(|from| from).reply(), Some(Ok(0)));
    /// ```
    #[track_caller]
    pub fn advance(&mut self, time: Duration) -> Steps {
        let until = self.runtime().handle().now().saturating_add(time);
        self.order("the passing of time", Order::Run { until })
    }

    /// A process that does nothing: for the subject to link with, to monitor, to hold as a child or
    /// a client.
    #[must_use]
    pub fn peer(&mut self) -> Pid {
        self.enter(|| {
            let peer = spawn(|mut inbox: Mailbox<ExitReason>| async move { inbox.recv().await });
            peer.pid()
        })
    }

    /// Ends a [`peer`](Self::peer) with a reason, and handles what the subject hears of it: a
    /// `Down` if it monitors the peer, an `Exit` (or its own end) if it is linked with it.
    ///
    /// # Panics
    ///
    /// If `peer` is none of this subject's peers, or has ended.
    ///
    /// ```
    /// # use rekindle::prelude::*;
    /// # struct Counter(i64);
    /// # impl GenServer for Counter {
    /// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Recipient<i64>; type Continue = Never;
    /// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
    /// #         if n < 0 { return Ok(Init::Fail(ExitReason::msg("less than nothing"))) }
    /// #         Ok(Init::Ready(Counter(n)))
    /// #     }
    /// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
    /// #     async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> {
    /// #         self.0 += k;
    /// #         Ok(match self.0 {
    /// #             ..0 => Next::Stop(ExitReason::Shutdown),
    /// #             0..=100 => Next::Wait,
    /// #             _ => Next::Timeout(Duration::from_secs(1)),
    /// #         })
    /// #     }
    /// #     async fn handle_info(&mut self, info: Info<Recipient<i64>>, cx: &mut Context<Self>) -> Step<Self> {
    /// #         match info {
    /// #             Info::Message(to) => to.send(self.0),
    /// #             Info::Timeout => self.0 = 0,
    /// #             other => return cx.unexpected(other),
    /// #         }
    /// #         Ok(Next::Wait)
    /// #     }
    /// # }
    /// use rekindle::testkit::unit::Subject;
    ///
    /// let mut counter = Subject::<Counter>::start(7).unwrap();
    /// let client = counter.peer();
    /// counter.state(move |_| link(client));
    /// counter.end_peer(client, ExitReason::msg("lost"));
    /// assert_eq!(counter.ended().unwrap().to_string(), "lost"); // it does not trap exits
    /// ```
    #[track_caller]
    pub fn end_peer(&mut self, peer: Pid, reason: ExitReason) -> Steps {
        self.enter(|| {
            // A signal with `Normal` would be ignored; the peer itself ends by whatever it is told.
            match Sender::<ExitReason>::from_pid(peer) {
                Some(peer) => peer.send(reason),
                None => panic!("{peer} is no peer of this subject, or has ended"),
            }
        });
        self.run("the end of a peer")
    }

    /// Sends the subject an exit signal, as if from a process it is not linked with. Unless it
    /// traps exits, it ends without `terminate`: see [`ended`](Self::ended).
    #[track_caller]
    pub fn exit(&mut self, reason: ExitReason) -> Steps {
        let pid = self.pid();
        self.enter(|| rekindle_actor::exit(pid, reason));
        self.run("an exit signal")
    }

    /// Stops the subject: runs `terminate`, and ends it. Gives the reason it ended with, which is
    /// another one if `terminate` panics.
    #[track_caller]
    pub fn stop(&mut self, reason: ExitReason) -> ExitReason {
        self.order("a stop", Order::Stop(reason.clone()));
        self.ended().unwrap_or(reason)
    }

    /// Why the subject has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<ExitReason> {
        self.desk.lock().ended.clone()
    }

    /// Looks at the state, or changes it.
    ///
    /// # Panics
    ///
    /// If the subject has ended, or `look` panics.
    #[track_caller]
    pub fn state<R: Send + 'static>(
        &mut self,
        look: impl FnOnce(&mut G) -> R + Send + 'static,
    ) -> R {
        let seen = Arc::new(Mutex::new(None));
        let theirs = Arc::clone(&seen);
        let order = Order::Look(Box::new(move |state| *theirs.lock() = Some(look(state))));
        self.order("a look at the state", order);
        let seen = seen.lock().take();
        seen.unwrap_or_else(|| panic!("there is no state to look at: {:?}", self.ended()))
    }

    /// A place for the subject to send messages of this type to.
    pub fn outbox<T: Send + 'static>(&mut self) -> Outbox<T> {
        let got = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&got);
        let sender = self.enter(|| {
            spawn(move |mut inbox: Mailbox<T>| async move {
                loop {
                    let message = inbox.recv().await;
                    theirs.lock().push(message);
                }
            })
        });
        Outbox {
            recipient: sender.recipient::<T>(),
            got,
        }
    }

    /// Runs a future as a process beside the subject, and gives its value: to start another server
    /// that the subject calls, say.
    ///
    /// # Panics
    ///
    /// If the process ends without a value.
    #[track_caller]
    pub fn beside<T: Send + 'static>(
        &mut self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.runtime().block_on(future)
    }

    /// What is to be seen of the subject's process: its links, monitors, name, mailbox. `None` when
    /// it has ended.
    #[must_use]
    pub fn process(&self) -> Option<ProcessInfo> {
        rekindle_actor::info(self.pid())
    }

    /// The processes that the subject has spawned, and that live.
    #[must_use]
    pub fn children(&self) -> Vec<ProcessInfo> {
        let own = self.pid();
        let mut children = Vec::new();
        self.enter(|| {
            let mut from = Some(0);
            while let Some(place) = from {
                let window = rekindle_actor::list(place, 1024);
                let processes = window.processes.into_iter();
                children.extend(processes.filter(|process| process.parent == Some(own)));
                from = window.next;
            }
        });
        children
    }

    /// The last warnings and errors that were logged, crash reports among them.
    #[must_use]
    pub fn log(&self) -> Vec<LogRecord> {
        self.sink.tail()
    }

    /// The time since the subject's start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        since_start(self.runtime().handle().now())
    }

    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.runtime().handle().enter();
        f()
    }
}

impl<G: GenServer> Drop for Subject<G> {
    fn drop(&mut self) {
        // The process holds the desk, and may hold a handle on itself.
        drop(self.runtime.take());
    }
}

impl<G: GenServer> fmt::Debug for Subject<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("pid", &self.pid())
            .field("elapsed", &self.elapsed())
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn since_start(now: Time) -> Duration {
    now.saturating_since(Time::ZERO)
}

/// Waits for an order.
fn next_order<G: GenServer>(desk: &Shared<G>) -> impl Future<Output = Order<G>> + Send + use<G> {
    let desk = Arc::clone(desk);
    poll_fn(move |cx| {
        let mut desk = desk.lock();
        if let Some(order) = desk.order.take() {
            return Poll::Ready(order);
        }
        desk.waker = Some(cx.waker().clone());
        Poll::Pending
    })
}

/// The subject's process from inside.
struct Life<G: GenServer> {
    state: G,
    cx: Context<G>,
    inbox: Mailbox<ServerMessage<G>>,
    desk: Shared<G>,
    /// When `Info::Timeout` is due, if nothing comes.
    idle_at: Option<Time>,
}

impl<G: GenServer> Life<G> {
    /// From init to the end; gives the reason.
    async fn live(args: G::Args, inbox: Mailbox<ServerMessage<G>>, desk: Shared<G>) -> ExitReason {
        let mut cx = Context::of_running();
        let at = since_start(rekindle_actor::now());
        let made = guarded(G::init(args, &mut cx)).await;
        let refuse = |why: NotStarted, reason: ExitReason| {
            desk.lock().not_started = Some(why);
            reason
        };
        let (state, next) = match made.unwrap_or_else(Err) {
            Ok(Init::Ready(state)) => (state, Next::Wait),
            Ok(Init::Continue(state, work)) => (state, Next::Continue(work)),
            Ok(Init::Timeout(state, after)) => (state, Next::Timeout(after)),
            Ok(Init::Hibernate(state)) => (state, Next::Hibernate),
            Ok(Init::Ignore) => return refuse(NotStarted::Ignore, ExitReason::Normal),
            Ok(Init::Fail(reason)) => {
                return refuse(NotStarted::Fail(reason), ExitReason::Normal);
            }
            Err(reason) => return refuse(NotStarted::Crashed(reason.clone()), reason),
        };
        let mut life = Life {
            state,
            cx,
            inbox,
            desk,
            idle_at: None,
        };
        if let Some(reason) = life.note(Callback::Init, at, Ok(next)).await {
            return reason;
        }
        life.done();
        loop {
            match next_order(&life.desk).await {
                Order::Run { until } => {
                    if let Some(reason) = life.run(until).await {
                        return reason;
                    }
                }
                Order::Look(look) => look(&mut life.state),
                Order::Stop(reason) => return life.terminate(reason).await,
            }
            life.done();
        }
    }

    fn done(&self) {
        let mut desk = self.desk.lock();
        desk.done = true;
        wake(&mut desk.test);
    }

    /// Handles what is there and what comes until then. The reason, if that is the end.
    async fn run(&mut self, until: Time) -> Option<ExitReason> {
        loop {
            let now = rekindle_actor::now();
            let idle = self.idle_at.filter(|at| *at <= until);
            let end = idle.unwrap_or(until);
            let event = self.inbox.next_event(Some(end.saturating_since(now))).await;
            let at = since_start(rekindle_actor::now());
            let (callback, step) = match event {
                Event::Message(ServerMessage::Call(request)) => {
                    let step = guarded(self.state.handle_call(request, &mut self.cx)).await;
                    (Callback::Call, step)
                }
                Event::Message(ServerMessage::Cast(message)) => {
                    let step = guarded(self.state.handle_cast(message, &mut self.cx)).await;
                    (Callback::Cast, step)
                }
                Event::Message(ServerMessage::Info(message)) => {
                    self.info(Callback::Message, Info::Message(message)).await
                }
                Event::Down(down) => self.info(Callback::Down, Info::Down(down)).await,
                Event::Exit(exit) => self.info(Callback::Exit, Info::Exit(exit)).await,
                Event::Timeout if idle.is_some() => {
                    self.info(Callback::Timeout, Info::Timeout).await
                }
                Event::Timeout => return None,
                // Nobody sends these to a subject, but one who knows its pid by chance.
                _ => continue,
            };
            let step = step.unwrap_or_else(Err);
            if let Some(reason) = self.note(callback, at, step).await {
                return Some(reason);
            }
        }
    }

    async fn info(
        &mut self,
        callback: Callback,
        info: Info<G::Info>,
    ) -> (Callback, Result<Result<Next<G>, ExitReason>, ExitReason>) {
        let step = guarded(self.state.handle_info(info, &mut self.cx)).await;
        (callback, step)
    }

    /// Notes a step, and carries out what it asks for. The reason, if that is the end.
    async fn note(
        &mut self,
        callback: Callback,
        at: Duration,
        step: Result<Next<G>, ExitReason>,
    ) -> Option<ExitReason> {
        let (mut callback, mut at, mut step) = (callback, at, step);
        loop {
            self.idle_at = None;
            let (next, work) = match step {
                Ok(Next::Wait) => (NextStep::Wait, None),
                Ok(Next::Hibernate) => {
                    self.state.hibernate();
                    (NextStep::Hibernate, None)
                }
                Ok(Next::Timeout(after)) => {
                    self.idle_at = Some(rekindle_actor::now().saturating_add(after));
                    (NextStep::Timeout(after), None)
                }
                Ok(Next::Continue(work)) => (NextStep::Continue, Some(work)),
                Ok(Next::Stop(reason)) | Err(reason) => (NextStep::Stop(reason), None),
            };
            let ends = match &next {
                NextStep::Stop(reason) => Some(reason.clone()),
                _ => None,
            };
            self.desk.lock().steps.push(Handled { callback, next, at });
            if let Some(reason) = ends {
                return Some(self.terminate(reason).await);
            }
            let work = work?;
            callback = Callback::Continue;
            at = since_start(rekindle_actor::now());
            let done = guarded(self.state.handle_continue(work, &mut self.cx)).await;
            step = done.unwrap_or_else(Err);
        }
    }

    async fn terminate(&mut self, reason: ExitReason) -> ExitReason {
        match guarded(self.state.terminate(&reason, &mut self.cx)).await {
            Ok(()) => reason,
            // A panic in terminate becomes the reason.
            Err(panic) => panic,
        }
    }
}
