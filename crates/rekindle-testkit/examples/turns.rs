//! How many turns of processes the simulator runs in a second.
//!
//! ```sh
//! cargo run --release -p rekindle-testkit --example turns
//! cargo run --release -p rekindle-testkit --example turns -- 10      # seconds per row
//! ```
//!
//! Each row is another kind of work; a turn is one poll of a process, as `Metrics::polls` counts
//! them. The rate is by the thread's own time on a processor, so that a busy machine does not make
//! it worse; on systems that do not tell that, by the clock.

use std::time::{Duration, Instant};

use rekindle_actor::{
    Builder, Exploration, Mailbox, ReplyTo, Runtime, sleep, spawn, spawn_monitor, yield_now,
};

/// Processes of the first row, and of the second.
const MANY: u64 = 100;

fn main() {
    let seconds = std::env::args().nth(1).map(|text| text.parse());
    let seconds: u64 = match seconds {
        None => 2,
        Some(Ok(seconds)) => seconds,
        Some(Err(error)) => {
            eprintln!("turns: the argument is a number of seconds: {error}");
            std::process::exit(2);
        }
    };
    let time = Duration::from_secs(seconds);
    let random = Exploration::Random;
    let priorities = Exploration::Priorities {
        changes: 2,
        steps: 10_000,
    };
    row("100 processes that yield", random, time, |runtime| {
        runtime.block_on(yields())
    });
    row("the same, by priorities", priorities, time, |runtime| {
        runtime.block_on(yields())
    });
    row("call and reply", random, time, |runtime| {
        runtime.block_on(calls())
    });
    row("spawn, monitor, end", random, time, |runtime| {
        runtime.block_on(spawns())
    });
    row("sleep", random, time, |runtime| runtime.block_on(sleeps()));
}

/// Runs `work` in new runtimes until the time is over.
fn row(name: &str, exploration: Exploration, time: Duration, work: impl Fn(&Runtime)) {
    let (begun, cpu) = (Instant::now(), cpu_time());
    let (mut turns, mut runs) = (0, 0);
    while begun.elapsed() < time {
        let runtime = Builder::new().exploration(exploration).simulated(runs);
        work(&runtime);
        turns += runtime.handle().metrics().polls;
        runs += 1;
    }
    let by_clock = begun.elapsed();
    let own = cpu_time().zip(cpu).map(|(after, before)| after - before);
    let rate = turns as f64 / own.unwrap_or(by_clock).as_secs_f64();
    println!(
        "SCORE name=sim_turns work={name:?} value={rate:.0} unit=turns/s n={turns} runs={runs}"
    );
}

/// How long this thread has had a processor.
#[cfg(unix)]
fn cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(unix))]
fn cpu_time() -> Option<Duration> {
    None
}

async fn yields() {
    for _ in 0..MANY {
        spawn(async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
    }
    sleep(Duration::from_millis(1)).await;
}

async fn calls() {
    let server = spawn(|mut inbox: Mailbox<ReplyTo<()>>| async move {
        loop {
            inbox.recv().await.reply(());
        }
    });
    for _ in 0..10 {
        let server = server.clone();
        spawn(async move {
            for _ in 0..200 {
                let _ = server.call(|from| from).await;
            }
        });
    }
    sleep(Duration::from_millis(1)).await;
}

async fn spawns() {
    for _ in 0..5_000 {
        spawn_monitor(async {});
    }
    sleep(Duration::from_millis(1)).await;
}

async fn sleeps() {
    for n in 0..MANY {
        spawn(async move {
            for _ in 0..50 {
                sleep(Duration::from_micros(n + 1)).await;
            }
        });
    }
    sleep(Duration::from_secs(1)).await;
}
