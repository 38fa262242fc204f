//! The subject: takes a task, does it, answers.
//!
//! One module per question; each `pub async fn` in it is one pass and gives its sum. The driver
//! is a process on a worker, bodies share no counter, and handlers do one addition.

use std::process::ExitCode;

use rekindle::{Builder, Handle};
use rekindle_bench_protocol::measure::timed_passes;
use rekindle_bench_protocol::{Answer, Measured, Task, catalogue, passes};

pub mod bank;
pub mod big;
pub mod call;
pub mod cast;
pub mod chameneos;
pub mod estone;
pub mod fan;
pub mod ladders;
pub mod memory;
pub mod philosophers;
pub mod ping_pong;
pub mod quality;
pub mod ring;
pub mod servers;
pub mod sieve;
pub mod skynet;
pub mod spawn;
pub mod support;
pub mod timers;
pub mod ubench;

/// The program: reads its task from the arguments and prints its answer.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let answer = match Task::parse(&arguments) {
        Ok(task) => answer(&task),
        Err(error) => Answer::Failed(error),
    };
    println!("{answer}");
    match answer {
        Answer::Failed(_) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// Does the task on a runtime of its own.
#[must_use]
pub fn answer(task: &Task) -> Answer {
    if task.benchmark == "compute" && task.system == "threads" {
        return quality::compute_by_threads(task).answer();
    }
    let runtime = match Builder::new().workers(task.workers).start() {
        Ok(runtime) => runtime,
        Err(error) => return Answer::Failed(format!("no runtime: {error}")),
    };
    let handle = runtime.handle().clone();
    let task = task.clone();
    let done = runtime.run(async move {
        let before = sleeps_and_steals(&handle);
        let answer = dispatch(&task, &handle).await;
        with_metrics(answer, before, sleeps_and_steals(&handle))
    });
    done.unwrap_or_else(|reason| Answer::Failed(reason.to_string().replace('\n', " ")))
}

fn sleeps_and_steals(handle: &Handle) -> [u64; 2] {
    let metrics = handle.metrics();
    [metrics.sleeps, metrics.steals]
}

/// How often workers slept and stole meanwhile, the pass to warm up included.
fn with_metrics(answer: Answer, before: [u64; 2], after: [u64; 2]) -> Answer {
    match answer {
        Answer::Ok(mut values) => {
            values.push(("sleeps".to_owned(), after[0] - before[0]));
            values.push(("steals".to_owned(), after[1] - before[1]));
            Answer::Ok(values)
        }
        other => other,
    }
}

async fn dispatch(task: &Task, handle: &Handle) -> Answer {
    if let Some(property) = task.benchmark.strip_prefix("ladder_") {
        return ladders::answer(property, task).await;
    }
    match task.benchmark.as_str() {
        "plain" => memory::plain(task.n).await,
        "server" => memory::servers(task.n).await,
        "supervised" => memory::supervised(task.n).await,
        "timer_fire" => timers::fire(task.n).await,
        "timer_interval" => timers::interval(task.n, task.k).await,
        "blocked" => quality::blocked(task.n, task.k, task.m).await,
        "open_loop_20" | "open_loop_50" | "open_loop_80" => {
            quality::open_loop(task.n, task.k, task.m).await
        }
        "idle" => quality::idle(task.n, task.k).await,
        "crash_storm" => quality::crash_storm(task.n, task.k).await,
        _ => match throughput(task, handle).await {
            Some(measured) => measured.answer(),
            None => Answer::unsupported("not known to this program"),
        },
    }
}

async fn throughput(task: &Task, handle: &Handle) -> Option<Measured> {
    let handle = handle.clone();
    let (n, k, m) = (task.n, catalogue::groups(task), task.m);
    let at_least = task.at_least();
    macro_rules! repeat {
        ($pass:expr) => {
            support::in_process(async move { passes(at_least, || $pass).await }).await
        };
    }
    Some(match task.benchmark.as_str() {
        "spawn_exit_batch" => repeat!(spawn::batches(n, k)),
        "spawn_exit_burst" => repeat!(spawn::burst(n)),
        "spawn_chain" => repeat!(spawn::chain(n)),
        "spawn_par" | "spawn_par_one" => repeat!(spawn::parallel(n, k)),
        "spawn_remote_idle" => repeat!(spawn::remote(n, handle.clone())),
        "spawn_remote_busy" => {
            let hogs = quality::Hogs::start(task.workers);
            let measured = repeat!(spawn::remote(n, handle.clone()));
            drop(hogs);
            measured
        }
        "spawn_monitor" => repeat!(spawn::monitored(n)),
        "server_start_stop" => repeat!(servers::start_stop(n)),
        "dynamic_child" => {
            let jobs = servers::Jobs::start().await;
            repeat!(jobs.start_stop(n))
        }
        "skynet" => repeat!(skynet::skynet(n, k)),
        "ping_pong" | "ping_pong_pairs" => repeat!(ping_pong::pairs(n, k)),
        "call" | "call_400" | "call_8000" | "call_pairs" | "call_many" | "call_no_timeout" => {
            call::repeat(task).await?
        }
        "cast" | "cast_64" | "cast_1024" | "cast_bursts" => cast::repeat(task).await?,
        "fan_in_2" | "fan_in_100" | "fan_in_1000" => repeat!(fan::fan_in(n, k)),
        "fan_out" => repeat!(fan::fan_out(n, k)),
        "ring" | "ring_100" | "ring_100k" | "ring_tokens" => {
            support::in_process(timed_passes(at_least, move || ring::ring(n, k, m))).await
        }
        "big" => repeat!(big::big(n, k)),
        "chameneos" => repeat!(chameneos::chameneos(n, k)),
        "bank" => repeat!(bank::bank(n, k, m)),
        "sieve" => repeat!(sieve::sieve(n, k)),
        "philosophers" => repeat!(philosophers::philosophers(n, k)),
        "estone_small" => repeat!(estone::relays::<1>(n, k)),
        "estone_medium" => repeat!(estone::relays::<8>(n, k)),
        "estone_huge" => repeat!(estone::relays::<128>(n, k)),
        "estone_server" => repeat!(estone::server(n, k)),
        "estone_links" => repeat!(estone::links(n, k)),
        "ubench" => repeat!(ubench::ubench(n, k, m)),
        "timer_cancel" => repeat!(timers::cancel(n)),
        "hog" => {
            let hogs = quality::Hogs::start(task.workers);
            let measured = repeat!(ping_pong::pairs(n, 1));
            drop(hogs);
            measured
        }
        "compute" => repeat!(quality::compute(n, k)),
        _ => return None,
    })
}
