//! What is deep, long or large: nothing here may recurse, and nothing may grow faster than its
//! length.
//!
//! The pool's threads have the stack that `RUST_MIN_STACK` says, which is read once in a program.
//! So each test runs itself in a program of its own, where all stacks are small.

use std::future::pending;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rekindle_actor::{
    Context, ExitReason, GenServer, Init, Mailbox, Never, Next, Pid, ReplyTo, Runtime, Sender,
    Step, exit, info, is_alive, link, spawn,
};

use crate::alone;
use crate::record::passed_on;
use crate::support::*;

/// Large enough for a thread, and far too small for one frame per process.
const STACK: &str = "262144";

/// How long, deep or many: `REKINDLE_DEPTH` says it, where the time is there.
fn length() -> usize {
    let asked = std::env::var("REKINDLE_DEPTH").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

/// Runs `body` under the simulator and on the pool, on small stacks.
#[track_caller]
fn on_small_stacks<Fut: Future<Output = ()> + Send + 'static>(
    test: &str,
    body: impl Fn() -> Fut + Copy + Send + 'static,
) {
    if !alone::is_child() {
        alone::run(test, &[("RUST_MIN_STACK", STACK)], Stdio::inherit());
        passed_on("simulator");
        passed_on("pool");
        return;
    }
    within_patience("simulator", move || Runtime::simulated(1).block_on(body()));
    within_patience("pool", move || pool(2).block_on(body()));
}

/// The first of a row of processes, each linked to the one before.
async fn chain(drops: &Drops) -> Pid {
    let linked = Arc::new(AtomicUsize::new(0));
    let (mut first, mut previous) = (None, None);
    for _ in 0..length() {
        let (counter, held) = (linked.clone(), drops.counted());
        let pid = spawn(async move {
            let _held = held;
            previous.into_iter().for_each(link);
            counter.fetch_add(1, Ordering::SeqCst);
            pending::<()>().await;
        });
        first.get_or_insert(pid);
        previous = Some(pid);
    }
    until(|| linked.load(Ordering::SeqCst) == length()).await;
    first.unwrap()
}

#[test]
fn a_chain_of_links_dies_on_small_stacks() {
    on_small_stacks("depth::a_chain_of_links_dies_on_small_stacks", || async {
        let drops = Drops::new();
        exit(chain(&drops).await, ExitReason::Kill);
        until(|| drops.count() == length()).await;
    });
}

/// A message that owns the way to the next process, whose mailbox owns the next such message.
struct Owns {
    _next: Option<Sender<Owns>>,
    _counted: Counted,
}

/// A row of processes, each with an unread message that has the only handle on the next. The last
/// one comes first.
fn row(drops: &Drops) -> Vec<Pid> {
    let mut next = None;
    let mut process = |_| {
        let process = spawn(|_inbox: Mailbox<Owns>| pending::<()>());
        process.send(Owns {
            _next: next.replace(process.clone()),
            _counted: drops.counted(),
        });
        process.pid()
    };
    (0..length()).map(&mut process).collect()
}

#[test]
fn a_row_of_messages_that_own_the_next_process_dies_from_either_end() {
    let name = "depth::a_row_of_messages_that_own_the_next_process_dies_from_either_end";
    on_small_stacks(name, || async {
        for from_the_front in [false, true] {
            let drops = Drops::new();
            let mut pids = row(&drops);
            if from_the_front {
                pids.reverse();
            }
            for pid in pids {
                exit(pid, ExitReason::Kill);
            }
            until(|| drops.count() == length()).await;
        }
    });
}

#[test]
fn a_row_of_messages_that_own_the_next_process_ends_with_its_runtime() {
    let name = "depth::a_row_of_messages_that_own_the_next_process_ends_with_its_runtime";
    on_runtimes_that_end(name, |drops| async move {
        row(&drops);
    });
}

#[test]
fn a_chain_of_links_ends_with_its_runtime() {
    let name = "depth::a_chain_of_links_ends_with_its_runtime";
    on_runtimes_that_end(name, |drops| async move {
        chain(&drops).await;
    });
}

/// Runs `body`, which leaves `length()` counted values, and drops the runtime under them.
#[track_caller]
fn on_runtimes_that_end<Fut: Future<Output = ()> + Send + 'static>(
    test: &str,
    body: impl Fn(Drops) -> Fut + Copy + Send + 'static,
) {
    if !alone::is_child() {
        alone::run(test, &[("RUST_MIN_STACK", STACK)], Stdio::inherit());
        passed_on("simulator");
        passed_on("pool");
        return;
    }
    for simulated in [true, false] {
        within_patience("shutdown", move || {
            let runtime = match simulated {
                true => Runtime::simulated(1),
                false => pool(2),
            };
            let drops = Drops::new();
            runtime.block_on(body(drops.clone()));
            drop(runtime);
            assert_eq!(drops.count(), length());
        });
    }
}

/// A process that owns the mailbox's next message, an answer that somebody waits for: each asks the
/// next one, and nobody answers.
#[test]
fn a_row_of_callers_hears_that_the_last_one_died() {
    let name = "depth::a_row_of_callers_hears_that_the_last_one_died";
    on_small_stacks(name, || async {
        let heard = Arc::new(AtomicUsize::new(0));
        let last = spawn(|_inbox: Mailbox<ReplyTo<()>>| pending::<()>());
        let mut next = last.clone();
        for _ in 0..length() {
            let (asked, heard) = (next, heard.clone());
            next = spawn(|mut inbox: Mailbox<ReplyTo<()>>| async move {
                // Not before the one before has asked: so each holds an answer that it owes.
                let owed = inbox.recv().await;
                let answer = asked.call(|reply| reply).no_timeout().await;
                assert!(answer.is_err());
                heard.fetch_add(1, Ordering::SeqCst);
                drop(owed);
            });
        }
        let asker = spawn(async move {
            let _ = next.call(|reply| reply).no_timeout().await;
        });
        until(|| info(last.pid()).is_some_and(|info| info.mailbox > 0)).await;
        exit(last.pid(), ExitReason::Kill);
        until(|| heard.load(Ordering::SeqCst) == length() && !is_alive(asker)).await;
    });
}

/// On stacks of the usual 2 MiB. Without optimisation each move of a value has a place of its own
/// on the stack, so it is smaller there.
const LARGE: usize = if cfg!(debug_assertions) {
    1 << 14
} else {
    1 << 16
};

/// A server with a large state, large messages and large answers.
struct Large {
    state: [u8; LARGE],
}

impl GenServer for Large {
    type Args = u8;
    type Call = ([u8; LARGE], ReplyTo<[u8; LARGE]>);
    type Cast = [u8; LARGE];
    type Info = Never;
    type Continue = Never;

    async fn init(fill: u8, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Large {
            state: [fill; LARGE],
        }))
    }

    async fn handle_call(&mut self, call: Self::Call, _: &mut Context<Self>) -> Step<Self> {
        let (given, reply) = call;
        let before = std::mem::replace(&mut self.state, given);
        reply.reply(before);
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, given: Self::Cast, _: &mut Context<Self>) -> Step<Self> {
        self.state = given;
        Ok(Next::Wait)
    }
}

#[test]
fn states_messages_and_answers_may_be_large() {
    on_both(|| async {
        let server = Large::start(1).await.unwrap();
        server.cast([2; LARGE]);
        let answer = server.call(|reply| ([3; LARGE], reply)).no_timeout().await;
        assert!(answer.unwrap().iter().all(|byte| *byte == 2));
        let answer = server.call(|reply| ([4; LARGE], reply)).no_timeout().await;
        assert!(answer.unwrap().iter().all(|byte| *byte == 3));
        server.cast([5; LARGE]);
        server.stop().await.unwrap();
    });
}
