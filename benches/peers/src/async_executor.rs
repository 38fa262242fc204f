//! async-executor, as its documentation has it: one `Executor`, run by a thread per worker; and
//! `async-channel`, from the same family, where processes talk. No timers, monitors or servers.

use std::sync::LazyLock;

use async_channel::{Sender, unbounded};
use async_executor::Executor;
use futures_lite::future::{block_on, pending, yield_now};
use rekindle_bench_protocol::measure::Clocks;
use rekindle_bench_protocol::measure::timed_passes;
use rekindle_bench_protocol::memory::resident_bytes;
use rekindle_bench_protocol::{Answer, Measured, Task, catalogue, passes, tally};

use crate::{NOT_HERE, bytes};

static EXECUTOR: LazyLock<Executor<'static>> = LazyLock::new(Executor::new);

fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> async_executor::Task<T> {
    EXECUTOR.spawn(future)
}

/// The workers run until the program ends; the driver is a task on them.
pub fn answer(task: Task) -> Answer {
    for _ in 0..task.workers {
        std::thread::spawn(|| block_on(EXECUTOR.run(pending::<()>())));
    }
    block_on(spawn(measure(task)))
}

async fn measure(task: Task) -> Answer {
    let (n, k, m) = (task.n, catalogue::groups(&task), task.m);
    macro_rules! repeat {
        ($pass:expr) => {
            passes(task.at_least(), || $pass).await
        };
    }
    let measured = match task.benchmark.as_str() {
        "spawn_exit_batch" => repeat!(spawn_batches(n, k)),
        "spawn_exit_burst" => repeat!(spawn_batches(1, n)),
        "spawn_chain" => repeat!(spawn_chain(n)),
        "spawn_par" | "spawn_par_one" => repeat!(spawn_parallel(n, k)),
        "spawn_monitor" => repeat!(spawn_join(n)),
        "skynet" => repeat!(skynet(n, k)),
        "ping_pong" | "ping_pong_pairs" => repeat!(ping_pongs(n, k)),
        "fan_in_2" | "fan_in_100" | "fan_in_1000" => repeat!(fan_in(n, k)),
        "ring" | "ring_100" | "ring_100k" | "ring_tokens" => {
            timed_passes(task.at_least(), || ring(n, k, m)).await
        }
        "plain" => return plain_bytes(n).await,
        _ => return Answer::unsupported(NOT_HERE),
    };
    measured.answer()
}

async fn counted_to(target: u64) {
    while tally::total() < target {
        yield_now().await;
    }
}

async fn spawn_batches(n: u64, k: u64) -> u64 {
    let before = tally::total();
    for batch in 1..=n {
        for _ in 0..k {
            spawn(async { tally::add(1) }).detach();
        }
        counted_to(before + batch * k).await;
    }
    tally::total() - before
}

async fn spawn_chain(n: u64) -> u64 {
    fn link(depth: u64, n: u64, done: Sender<u64>) {
        spawn(async move {
            if depth == n {
                let _ = done.try_send(depth);
            } else {
                link(depth + 1, n, done);
            }
        })
        .detach();
    }
    let (done, end) = unbounded();
    link(1, n, done);
    end.recv().await.expect("the last one tells")
}

async fn spawn_parallel(n: u64, k: u64) -> u64 {
    let before = tally::total();
    let spawner = || {
        spawn(async move {
            for spawned in 1..=n {
                spawn(async { tally::add(1) }).detach();
                if spawned % 100 == 0 {
                    yield_now().await;
                }
            }
        })
    };
    for spawner in (0..k).map(|_| spawner()).collect::<Vec<_>>() {
        spawner.await;
    }
    counted_to(before + n * k).await;
    tally::total() - before
}

async fn spawn_join(n: u64) -> u64 {
    let mut ended = 0;
    for _ in 0..n {
        spawn(async {}).await;
        ended += 1;
    }
    ended
}

async fn skynet(n: u64, k: u64) -> u64 {
    fn node(number: u64, leaves: u64, k: u64, parent: Sender<u64>) {
        if leaves == 1 {
            let leaf = spawn(async move {
                let _ = parent.try_send(number);
            });
            return leaf.detach();
        }
        spawn(async move {
            let below = leaves / k;
            let (me, inbox) = unbounded();
            for child in 0..k {
                node(number + child * below, below, k, me.clone());
            }
            let mut sum = 0;
            for _ in 0..k {
                sum += inbox.recv().await.unwrap_or(0);
            }
            let _ = parent.try_send(sum);
        })
        .detach();
    }
    let (me, inbox) = unbounded();
    node(0, n, k, me);
    inbox.recv().await.expect("the root tells")
}

async fn ping_pongs(n: u64, k: u64) -> u64 {
    let pair = || {
        spawn(async move {
            let (ping, pings) = unbounded::<u64>();
            let (pong, pongs) = unbounded::<u64>();
            spawn(async move {
                while let Ok(message) = pings.recv().await {
                    let _ = pong.try_send(message);
                }
            })
            .detach();
            let mut sum = 0;
            for _ in 0..n {
                let _ = ping.try_send(1);
                sum += pongs.recv().await.unwrap_or(0);
            }
            sum
        })
    };
    let mut sum = 0;
    for pair in (0..k).map(|_| pair()).collect::<Vec<_>>() {
        sum += pair.await;
    }
    sum
}

async fn fan_in(n: u64, k: u64) -> u64 {
    let (me, inbox) = unbounded::<u64>();
    for _ in 0..k {
        let receiver = me.clone();
        spawn(async move {
            for _ in 0..n / k {
                let _ = receiver.try_send(1);
            }
        })
        .detach();
    }
    drop(me);
    let mut sum = 0;
    while let Ok(message) = inbox.recv().await {
        sum += message;
    }
    sum
}

async fn ring(n: u64, k: u64, tokens: u64) -> Measured {
    let (done, finished) = unbounded::<()>();
    let (nodes, inboxes): (Vec<_>, Vec<_>) = (0..k).map(|_| unbounded::<u64>()).unzip();
    let mut tasks = Vec::with_capacity(k as usize);
    for (index, inbox) in inboxes.into_iter().enumerate() {
        let next = nodes[(index + 1) % nodes.len()].clone();
        let done = done.clone();
        tasks.push(spawn(async move {
            while let Ok(left) = inbox.recv().await {
                if left == 0 {
                    let _ = done.try_send(());
                } else {
                    let _ = next.try_send(left - 1);
                }
            }
        }));
    }
    let clocks = Clocks::now();
    for token in 0..tokens {
        let _ = nodes[(token * k / tokens) as usize].try_send(n / tokens);
    }
    for _ in 0..tokens {
        let _ = finished.recv().await;
    }
    let measured = clocks.measured(n / tokens * tokens);
    // A dropped task is cancelled.
    drop(tasks);
    measured
}

async fn plain_bytes(n: u64) -> Answer {
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        let counted = tally::total();
        for _ in 0..n {
            spawn(async {
                tally::add(1);
                pending::<()>().await;
            })
            .detach();
        }
        counted_to(counted + n).await;
        *reached = resident_bytes();
    }
    bytes(at, n)
}
