//! What is no throughput: fairness, blocked threads, latency under load, silence, crashes.

use std::time::Instant;

use rekindle::prelude::*;
use rekindle::yield_now;
use rekindle_bench_protocol::measure::{Clocks, cpu_time};
use rekindle_bench_protocol::{Answer, Dice, Latencies, Measured, Task as Order};

use super::call::start;
use super::memory::spawn_plain;
use super::servers::Request;
use super::support::{Letter, driven, message};
use super::timers::ticks;

/// Processes that yield endlessly, until this is dropped.
#[derive(Debug)]
pub struct Hogs(Vec<Pid>);

impl Hogs {
    /// Starts so many.
    #[must_use]
    pub fn start(hogs: usize) -> Hogs {
        Hogs((0..hogs).map(|_| spawn(hog())).collect())
    }
}

/// Ends only by being killed; the type is what a process may end with.
async fn hog() -> ExitReason {
    loop {
        yield_now().await;
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.0.iter().for_each(|hog| exit(*hog, ExitReason::Kill));
    }
}

/// `k` processes sleep 1 ms at a time for `n` ms, while every `m` ms one blocks its thread for
/// 100 ms.
pub async fn blocked(n: u64, k: u64, m: u64) -> Answer {
    let until = Instant::now() + Duration::from_millis(n);
    let blocker = spawn(async move {
        loop {
            sleep(Duration::from_millis(m)).await;
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let sleeper = || {
        Task::spawn(async move {
            let mut late = Latencies::default();
            while Instant::now() < until {
                late.extend(ticks(1, Duration::from_millis(1)).await);
            }
            late
        })
    };
    let sleepers: Vec<Task<Latencies>> = (0..k).map(|_| sleeper()).collect();
    let mut late = Latencies::default();
    for sleeper in sleepers {
        late.extend(sleeper.await.expect("a sleeper ends well"));
    }
    exit(blocker, ExitReason::Kill);
    Answer::ok(late.summary())
}

/// Calls at moments fixed before, for `n` ms, to random ones of `k` servers; `m` per cent of
/// 200,000 a second. Each call has a process of its own, so that a late one holds up no other.
pub async fn open_loop(n: u64, k: u64, m: u64) -> Answer {
    let mut servers = Vec::with_capacity(k as usize);
    for _ in 0..k {
        servers.push(start::<1>().await);
    }
    driven(
        move |mut inbox: Mailbox<Letter<Duration, Answer>>| async move {
            let me = inbox.recipient();
            let generator = Task::spawn(async move {
                let mut dice = Dice::new(7);
                let mean = 1e9 / (200_000.0 * m as f64 / 100.0);
                let (begun, mut at, mut sent) = (Instant::now(), 0.0, 0);
                while at < n as f64 * 1e6 {
                    let intended = begun + Duration::from_nanos(at as u64);
                    while Instant::now() < intended {
                        yield_now().await;
                    }
                    let server = servers[dice.below(k) as usize].clone();
                    let done = me.clone();
                    spawn(async move {
                        if server.call(|from| Request::Add([1], from)).await.is_ok() {
                            done.send(Letter::Message(intended.elapsed()));
                        }
                    });
                    sent += 1;
                    at -= mean * (1.0 - dice.share()).ln();
                }
                sent
            });
            let sent: u64 = generator.await.expect("the generator ends well");
            let mut latencies = Latencies::with_capacity(sent as usize);
            for _ in 0..sent {
                latencies.add(message(&mut inbox).await);
            }
            Answer::ok(latencies.summary())
        },
    )
    .await
}

/// `n` idle processes for `k` ms: what they cost, and how often a worker woke.
pub async fn idle(n: u64, k: u64) -> Answer {
    spawn_plain(n).await;
    let handle = Handle::current();
    // A moment for what the spawning has left behind.
    sleep(Duration::from_millis(100)).await;
    let (cpu, sleeps) = (cpu_time(), handle.metrics().sleeps);
    sleep(Duration::from_millis(k)).await;
    let cpu = cpu_time().saturating_sub(cpu);
    Answer::ok([
        ("cpu_ns", cpu.as_nanos() as u64),
        ("wakes", handle.metrics().sleeps - sleeps),
    ])
}

/// The area below 4 / (1 + x²) from 0 to 1, in `n` pieces by `k` processes; a thousand times it.
pub async fn compute(n: u64, k: u64) -> u64 {
    let parts: Vec<Task<f64>> = (0..k)
        .map(|part| Task::spawn(async move { area(part, n, k) }))
        .collect();
    let mut sum = 0.0;
    for part in parts {
        sum += part.await.expect("a part of the sum");
    }
    (sum * 1000.0) as u64
}

/// The same by plain threads, one per worker: what it costs without any runtime.
#[must_use]
pub fn compute_by_threads(order: &Order) -> Measured {
    let (n, k, threads) = (order.n, order.k, order.workers as u64);
    let pass = || {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let parts = (thread..k).step_by(threads as usize);
                std::thread::spawn(move || parts.map(|part| area(part, n, k)).sum::<f64>())
            })
            .collect();
        let parts = workers
            .into_iter()
            .map(|worker| worker.join().expect("a thread ends well"));
        (parts.sum::<f64>() * 1000.0) as u64
    };
    pass();
    let clocks = Clocks::now();
    let mut all = Measured::default();
    while all.passes == 0 || all.wall < order.at_least() {
        let sum = all.sum + pass();
        all = Measured {
            passes: all.passes + 1,
            ..clocks.measured(sum)
        };
    }
    all
}

fn area(part: u64, n: u64, k: u64) -> f64 {
    let width = 1.0 / n as f64;
    let pieces = part * (n / k)..(part + 1) * (n / k);
    let height = |piece: u64| {
        let x = (piece as f64 + 0.5) * width;
        4.0 / (1.0 + x * x)
    };
    pieces.map(height).sum::<f64>() * width
}

/// A server that panics when it is told to.
struct Fragile {
    sum: u64,
}

enum Ask {
    Add(ReplyTo<u64>),
    Break(ReplyTo<u64>),
}

impl GenServer for Fragile {
    type Args = ();
    type Call = Ask;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Fragile { sum: 0 }))
    }

    async fn handle_call(&mut self, ask: Ask, _: &mut Context<Self>) -> Step<Self> {
        match ask {
            Ask::Add(from) => {
                self.sum += 1;
                from.reply(self.sum);
            }
            Ask::Break(from) => panic!("as asked, {} waiting", u8::from(from.is_awaited())),
        }
        Ok(Next::Wait)
    }
}

/// `n` calls by 100 clients to 100 supervised servers; every `k`th makes its server panic. The
/// latency of those that are answered.
pub async fn crash_storm(n: u64, k: u64) -> Answer {
    const SERVERS: u64 = 100;
    let name = |server: u64| Name::<Fragile>::new(format!("fragile {server}"));
    let tree = (0..SERVERS).fold(
        Supervisor::one_for_one().intensity(1_000_000, Duration::from_secs(1)),
        |tree, server| tree.child(Fragile::child(()).name(name(server).as_str())),
    );
    let tree = tree.start_link().await.expect("the tree starts");
    let begun = Instant::now();
    let client = |client: u64| {
        let servers: Vec<_> = (0..SERVERS).map(name).collect();
        Task::spawn(async move {
            let (mut dice, mut late, mut lost) = (Dice::new(client), Latencies::default(), 0);
            for call in 1..=n / SERVERS {
                let server = &servers[dice.below(SERVERS) as usize];
                let asked = Instant::now();
                let answer = if (call * SERVERS + client).is_multiple_of(k) {
                    server.call(Ask::Break).await
                } else {
                    server.call(Ask::Add).await
                };
                match answer {
                    Ok(_) => late.add(asked.elapsed()),
                    Err(_) => lost += 1,
                }
            }
            (late, lost)
        })
    };
    let clients: Vec<_> = (0..SERVERS).map(client).collect();
    let (mut latencies, mut lost) = (Latencies::default(), 0);
    for client in clients {
        let (late, more) = client.await.expect("a client ends well");
        latencies.extend(late);
        lost += more;
    }
    let wall = begun.elapsed();
    drop(tree);
    let mut values = latencies.summary().to_vec();
    values.push(("lost", lost));
    values.push(("wall_ns", wall.as_nanos() as u64));
    Answer::ok(values)
}
