//! One run of a test's body.
//!
//! ```text
//!   guardian ── body (a process with a mailbox; `Test` is its view)
//!                └── the test's supervisor, once something is started under it
//! ```
//!
//! The guardian outlives the body, whatever becomes of that; it learns how the body ended, stops
//! what was supervised, and hands the outcome to the thread that waits.

use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::{Ack, Builder, ExitReason, Info, Mailbox, Runtime, Starter, tree_text};
use rekindle_scheduler::{Exploration, TraceEvent};

use crate::capture::{LogRecord, Sink, sink_of};
use crate::kit::{Crash, Kit};
use crate::report::Failure;
use crate::test::Test;

/// What the body of a test may give: nothing, or a `Result` of that. Other types cannot be made one.
///
/// So `?` may be used in a body, and an error is a failure that is shown:
///
/// ```
/// use rekindle::testkit::{Test, TestRun};
/// use rekindle::prelude::*;
///
/// let body = |_t: Test| async {
///     let page: u32 = "7".parse()?;
///     let pages: u32 = "many".parse()?;
///     assert!(page < pages);
///     Ok::<(), std::num::ParseIntError>(())
/// };
/// let found = TestRun::new("pages").seeds(1).explore(body).found.unwrap();
/// assert!(found.failure.text.starts_with("the test returned an error: ParseIntError"));
/// ```
pub trait Verdict: Send + 'static {
    /// Why the test has failed, if it has.
    fn failure(self) -> Option<String>;
}

impl Verdict for () {
    fn failure(self) -> Option<String> {
        None
    }
}

/// Names the type of a body that never comes to an end, or only by a panic.
#[allow(unnameable_types, reason = "only a step to the name of a type")]
#[doc(hidden)]
pub trait Gives {
    #[doc(hidden)]
    type Value;
}

impl<T> Gives for fn() -> T {
    type Value = T;
}

impl Verdict for <fn() -> ! as Gives>::Value {
    fn failure(self) -> Option<String> {
        self
    }
}

impl<T: Verdict, E: Debug + Send + 'static> Verdict for Result<T, E> {
    fn failure(self) -> Option<String> {
        match self {
            Ok(value) => value.failure(),
            Err(error) => Some(format!("the test returned an error: {error:?}")),
        }
    }
}

/// How one run is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Once {
    pub(crate) seed: u64,
    pub(crate) exploration: Exploration,
    pub(crate) max_steps: u64,
    /// How many events are kept.
    pub(crate) record: Option<usize>,
    pub(crate) crash: Crash,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) failure: Option<Failure>,
    pub(crate) steps: u64,
    pub(crate) hash: u64,
    pub(crate) trace: Vec<TraceEvent>,
    pub(crate) log: Vec<LogRecord>,
    /// How many turns each victim had.
    pub(crate) victims: Vec<u64>,
}

/// Where the guardian leaves the outcome.
type Done = Arc<Mutex<(Option<Result<(), Failure>>, Option<Waker>)>>;

/// Runs the body under the simulator.
pub(crate) fn simulated<M, F, Fut>(once: Once, body: &Arc<F>) -> Outcome
where
    M: Send + 'static,
    F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Verdict,
{
    let runtime = Builder::new()
        .exploration(once.exploration)
        .simulated(once.seed);
    let sink = Arc::new(Sink::default());
    let sunk = sink_of(runtime.handle().runtime_id(), &sink);
    let kit = Kit::new(once.seed, true, once.crash);
    let simulation = runtime
        .simulation()
        .expect("the runtime was made as a simulated one");
    simulation.limit_steps(once.max_steps);
    if let Some(limit) = once.record {
        simulation.record(limit);
    }
    let done = Done::default();
    {
        let _entered = runtime.handle().enter();
        let left = Arc::clone(&done);
        watch(body, &kit, move |outcome| leave(&left, outcome));
    }
    let waits = poll_fn(|cx| {
        let mut done = done.lock();
        match done.0.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                done.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    });
    let ended = simulation.complete(waits);
    let failure = match ended {
        Ok(outcome) => outcome.err(),
        Err(stuck) => Some(Failure::new("stuck", stuck.to_string())),
    };
    let victims = kit.plan.lock().victims.iter().map(|(_, n)| *n).collect();
    let (steps, hash, trace) = (
        simulation.steps(),
        simulation.trace_hash(),
        simulation.trace(),
    );
    drop(runtime);
    let log = others_log(&sink, &kit);
    drop(sunk);
    Outcome {
        failure,
        steps,
        hash,
        trace,
        log,
        victims,
    }
}

/// Runs the body on real threads.
pub(crate) fn threaded<M, F, Fut>(workers: usize, patience: Duration, body: &Arc<F>) -> Outcome
where
    M: Send + 'static,
    F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Verdict,
{
    let started = Builder::new().workers(workers).start();
    let runtime = started.unwrap_or_else(|error| panic!("the test's runtime: {error}"));
    let sink = Arc::new(Sink::default());
    let sunk = sink_of(runtime.handle().runtime_id(), &sink);
    let kit = Kit::new(0, false, Crash::Off);
    let (tell, told) = mpsc::channel();
    {
        let _entered = runtime.handle().enter();
        watch(body, &kit, move |outcome| {
            let _ = tell.send(outcome);
        });
    }
    let failure = match told.recv_timeout(patience) {
        Ok(outcome) => outcome.err(),
        Err(RecvTimeoutError::Timeout) => Some(hangs(&runtime, patience)),
        Err(RecvTimeoutError::Disconnected) => Some(Failure::new(
            "guardian",
            "the process that watches over the test was killed",
        )),
    };
    drop(runtime);
    let log = others_log(&sink, &kit);
    drop(sunk);
    Outcome {
        failure,
        steps: 0,
        hash: 0,
        trace: Vec::new(),
        log,
        victims: Vec::new(),
    }
}

/// The log but for the test's own crash, which is the failure itself.
fn others_log(sink: &Sink, kit: &Kit) -> Vec<LogRecord> {
    let mut log = sink.tail();
    let body = *kit.body.lock();
    log.retain(|record| record.pid != body || record.target != "rekindle::crash");
    log
}

fn hangs(runtime: &Runtime, patience: Duration) -> Failure {
    let _entered = runtime.handle().enter();
    let mut text = format!("the test is not over after {patience:?}; its processes:\n");
    text.push_str(&tree_text());
    for process in rekindle_actor::list(0, 1024).processes {
        if let Some(wait) = process.waits {
            text.push_str(&format!("{} waits: {wait:?}\n", process.pid));
        }
    }
    Failure::new("hangs", text)
}

fn leave(done: &Done, outcome: Result<(), Failure>) {
    let mut done = done.lock();
    done.0 = Some(outcome);
    let waker = done.1.take();
    drop(done);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Starts the guardian, which starts the body.
fn watch<M, F, Fut>(
    body: &Arc<F>,
    kit: &Arc<Kit>,
    tell: impl FnOnce(Result<(), Failure>) + Send + 'static,
) where
    M: Send + 'static,
    F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Verdict,
{
    let (body, kit) = (Arc::clone(body), Arc::clone(kit));
    let guardian = |mut inbox: Mailbox<()>, ack: Ack| async move {
        ack.ready();
        let verdict = Arc::new(Mutex::new(None));
        let (theirs, own) = (Arc::clone(&verdict), Arc::clone(&kit));
        let starting = Starter::new("")
            .monitor()
            .start_behaviour::<Test<M>, M, _, _>(move |inbox, ack| async move {
                ack.ready();
                let given = body(Test::new(inbox, own)).await;
                *theirs.lock() = Some(given.failure());
                ExitReason::Normal
            });
        let reference = starting.monitor();
        drop(starting);
        let reason = loop {
            match inbox.next().await {
                Info::Down(down) if Some(down.reference) == reference => break down.reason,
                _ => {}
            }
        };
        let stopped = kit.stop_supervised().await;
        let given = verdict.lock().take();
        tell(judge(given, reason, stopped));
        ExitReason::Normal
    };
    // It goes on by itself.
    drop(Starter::new("").start_behaviour::<Guardian, (), _, _>(guardian));
}

/// The name under which the process appears that watches over a test.
struct Guardian;

/// What became of the body: what it gave, the reason of its end, and whether all did stop.
fn judge(
    given: Option<Option<String>>,
    reason: ExitReason,
    stopped: Result<(), String>,
) -> Result<(), Failure> {
    match (given, reason) {
        (Some(Some(error)), _) => Err(Failure::new("error", error)),
        // Whatever it gave, it has not come to its end.
        (_, ExitReason::Panic(panic)) => Err(Failure::panic(&panic)),
        (Some(None), ExitReason::Normal) => {
            stopped.map_err(|text| Failure::new("does not stop", text))
        }
        (_, reason) => Err(Failure::new(
            "exit",
            format!("the test's process was ended: {reason}"),
        )),
    }
}
