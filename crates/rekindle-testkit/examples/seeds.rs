//! Random trees of supervisors under random kills, panics and stalls, one for each seed.
//!
//! ```sh
//! cargo run --release -p rekindle-testkit --example seeds -- 10000
//! cargo run --release -p rekindle-testkit --example seeds -- 1000000 --from 10000 --strategy 'pct(depth = 3)'
//! ```
//!
//! Before each turn of any process: nobody has something in its inbox and no turn to come, and each
//! name is held by a process that lives. At the end of each run: the tree has stopped, nothing that
//! belonged to it lives, all names are free, each monitor has fired exactly once, and every call
//! has come back. The last line is for the scoreboard; a seed that fails is shown with its trace,
//! and the exit status is 1.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rekindle_actor::{
    Ack, ExitReason, Handle, Info, Mailbox, MonitorRef, Pid, ReplyTo, Sender, Starter, exit,
    is_alive, list, monitor, registered, sleep, spawn, yield_now,
};
use rekindle_supervisor::{ChildSpec, Restart, Shutdown, Strategy as Restarts, Supervisor};
use rekindle_testkit::{Strategy, Test, TestRun};

/// Kills, panics and stops of all runs: a run in which nothing happens shows nothing.
static BLOWS: AtomicU64 = AtomicU64::new(0);

struct Arguments {
    seeds: u64,
    from: u64,
    strategy: Strategy,
}

fn arguments() -> Result<Arguments, String> {
    let mut given = Arguments {
        seeds: 1_000,
        from: 0,
        strategy: Strategy::Random,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--from" => given.from = number(&value()?)?,
            "--strategy" => given.strategy = value()?.parse().map_err(|e| format!("{e}"))?,
            seeds => given.seeds = number(seeds)?,
        }
    }
    Ok(given)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

fn main() -> ExitCode {
    let Arguments {
        seeds,
        from,
        strategy,
    } = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!(
                "seeds: {error}\nusage: seeds [N] [--from SEED] [--strategy 'pct(depth = 3)']"
            );
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let test = TestRun::new("seeds")
        .seeds(seeds)
        .seed(from)
        .strategy(strategy);
    let explored = test.explore(scenario);
    let seconds = begun.elapsed().as_secs_f64();
    println!("{explored}");
    println!(
        "SCORE name=supervisor_seeds value={} unit=failures n={} distinct={} turns={} blows={} \
         from={from} strategy={:?} seconds={seconds:.1}",
        u8::from(explored.found.is_some()),
        explored.runs,
        explored.distinct,
        explored.steps,
        BLOWS.load(Ordering::Relaxed),
        strategy.to_string(),
    );
    match explored.found {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    }
}

/// What a worker is told.
enum Do {
    Answer(ReplyTo<u32>),
    AnswerLater(ReplyTo<u32>),
    Forget(ReplyTo<u32>),
    Panic,
    End(ExitReason),
    Sleep(Duration),
}

/// A number less than `bound`, drawn from the run's seed.
fn draw(bound: u64) -> u64 {
    Handle::current().random() % bound.max(1)
}

fn chance(percent: u64) -> bool {
    draw(100) < percent
}

/// A worker that registers itself and does as it is told. One in eight traps exits.
fn worker(name: String) -> ChildSpec {
    let restart = match draw(6) {
        0 => Restart::Transient,
        1 => Restart::Temporary,
        _ => Restart::Permanent,
    };
    let shutdown = match draw(4) {
        0 => Shutdown::Kill,
        1 => Shutdown::Within(Duration::from_millis(draw(50))),
        _ => Shutdown::Within(Duration::from_secs(5)),
    };
    let (traps, slow) = (chance(12), chance(20));
    let id = name.clone();
    let start = move || {
        let name = name.clone();
        async move {
            let body = move |inbox: Mailbox<Do>, ack: Ack| async move {
                rekindle_actor::trap_exit(traps);
                if slow {
                    sleep(Duration::from_millis(draw(20))).await;
                }
                if chance(2) {
                    return ack.fail(ExitReason::msg("init has no luck"));
                }
                ack.ready();
                work(inbox).await
            };
            Starter::new("worker").name(name).link().start(body).await
        }
    };
    ChildSpec::worker(id, start)
        .restart(restart)
        .shutdown(shutdown)
}

async fn work(mut inbox: Mailbox<Do>) -> ExitReason {
    let mut owed = Vec::new();
    loop {
        match inbox.next().await {
            Info::Message(Do::Answer(from)) => from.reply(1),
            Info::Message(Do::AnswerLater(from)) => owed.push(from),
            Info::Message(Do::Forget(from)) => drop(from),
            Info::Message(Do::Panic) => panic!("told to"),
            Info::Message(Do::End(reason)) => return reason,
            Info::Message(Do::Sleep(time)) => {
                sleep(time).await;
                owed.drain(..).for_each(|from: ReplyTo<u32>| from.reply(2));
            }
            Info::Exit(exit) => return exit.reason,
            _ => {}
        }
    }
}

/// A tree of random shape; `names` counts its workers.
fn tree(depth: u64, names: &mut u64) -> Supervisor {
    let strategy = match draw(3) {
        0 => Restarts::OneForAll,
        1 => Restarts::RestForOne,
        _ => Restarts::OneForOne,
    };
    let intensity = u32::try_from(draw(12)).unwrap_or(3);
    let period = Duration::from_millis(10 + draw(2_000));
    let mut supervisor = Supervisor::new(strategy).intensity(intensity, period);
    for place in 0..1 + draw(4) {
        supervisor = if depth > 0 && chance(35) {
            let below = tree(depth - 1, names).id(format!("tree {place}"));
            supervisor.child(below)
        } else {
            *names += 1;
            supervisor.child(worker(format!("worker {names}")))
        };
    }
    supervisor
}

/// A process that watches another one, and what it saw.
struct Watch {
    target: Pid,
    downs: Arc<AtomicU64>,
}

fn watch(target: Pid) -> Watch {
    let downs = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&downs);
    spawn(move |mut inbox: Mailbox<()>| async move {
        let reference: MonitorRef = monitor(target);
        loop {
            if let Info::Down(down) = inbox.next().await {
                assert_eq!(down.reference, reference);
                seen.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    Watch { target, downs }
}

async fn scenario(mut t: Test) {
    t.watch_invariants();
    let mut names = 0;
    let started = tree(2, &mut names).start().await;
    let Ok(root) = started else {
        // A worker had no luck with its init: then nothing of the tree is left.
        return at_rest(&mut t, &[], 0).await;
    };
    let (mut watches, mut asked) = (vec![watch(root.pid())], 0);
    let answered = Arc::new(AtomicU64::new(0));
    let faults = t.faults();
    if chance(50) {
        let rule = faults.kill_descendants_of(root.pid()).times(draw(6));
        rule.every(5 + draw(100));
    }
    if chance(30) {
        faults.stall_at_random(root.pid(), 5.0, Duration::from_millis(30));
    }
    for _ in 0..5 + draw(25) {
        if draw(3) == 0 {
            t.settle().await;
        }
        let holders = registered();
        let Some((_, pid)) = holders.get(draw(holders.len() as u64) as usize) else {
            sleep(Duration::from_millis(draw(100))).await;
            continue;
        };
        let pid = *pid;
        if chance(40) {
            watches.push(watch(pid));
        }
        let Some(worker) = Sender::<Do>::from_pid(pid) else {
            continue;
        };
        match draw(12) {
            0 => exit(pid, ExitReason::Kill),
            1 => exit(pid, ExitReason::msg("an exit signal")),
            2 => worker.send(Do::Panic),
            3 => worker.send(Do::End(ExitReason::Normal)),
            4 => worker.send(Do::End(ExitReason::Shutdown)),
            5 => worker.send(Do::Sleep(Duration::from_millis(draw(40)))),
            6 => yield_now().await,
            7 => sleep(Duration::from_millis(draw(300))).await,
            8 => drop(root.count_children().await),
            kind => {
                asked += 1;
                let answered = Arc::clone(&answered);
                spawn(async move {
                    let call = worker.call(|from| match kind {
                        9 => Do::AnswerLater(from),
                        10 => Do::Forget(from),
                        _ => Do::Answer(from),
                    });
                    drop(call.timeout(Duration::from_secs(1)).await);
                    answered.fetch_add(1, Ordering::Relaxed);
                });
            }
        }
        BLOWS.fetch_add(1, Ordering::Relaxed);
    }
    drop(root.stop().await);
    at_rest(&mut t, &watches, asked).await;
    assert_eq!(
        answered.load(Ordering::Relaxed),
        asked,
        "a call has not come back"
    );
}

/// What must hold when the tree has stopped.
async fn at_rest(t: &mut Test, watches: &[Watch], calls: u64) {
    t.advance(Duration::from_secs(10)).await;
    assert_eq!(registered(), [], "names are not free");
    for Watch { target, downs } in watches {
        assert!(!is_alive(*target), "{target} lives");
        let downs = downs.load(Ordering::Relaxed);
        assert_eq!(downs, 1, "the monitor of {target} has fired {downs} times");
    }
    // The guardian, the test, and who watches.
    let left = list(0, 1_000).processes;
    let orphans: Vec<_> = left
        .iter()
        .filter(|process| process.name.is_some() || process.behaviour.contains("Supervisor"))
        .collect();
    assert!(orphans.is_empty(), "orphans: {orphans:?}");
    assert_eq!(left.len(), 2 + watches.len(), "{calls} calls; {left:#?}");
}
