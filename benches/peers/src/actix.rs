//! actix, as its book has it: actors in an `Arbiter`, `Message` and `Handler` implementations,
//! `send` and `do_send`. An arbiter is one thread, and its actors never leave it: benchmarks with
//! one client run on one arbiter whatever the workers, pairs on one arbiter per pair.
//!
//! `do_send` is the unbounded way; `call` has `Request::timeout` of 5 s, `call_no_timeout` none.

use std::time::Duration;

use actix::{Actor, ActorContext, Addr, Arbiter, Context, Handler, Message};
use rekindle_bench_protocol::memory::resident_bytes;
use rekindle_bench_protocol::{Answer, Measured, Task, catalogue, passes};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{NOT_HERE, bytes};

struct Adder {
    sum: u64,
    /// Dropped when the actor has ended, by which `stop` learns of it.
    _ended: Option<oneshot::Sender<()>>,
}

impl Actor for Adder {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Add<const WORDS: usize>([u64; WORDS]);

#[derive(Message)]
#[rtype(result = "()")]
struct Cast<const WORDS: usize>([u64; WORDS]);

#[derive(Message)]
#[rtype(result = "u64")]
struct Get;

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl<const WORDS: usize> Handler<Add<WORDS>> for Adder {
    type Result = u64;

    fn handle(&mut self, add: Add<WORDS>, _: &mut Context<Self>) -> u64 {
        self.sum += add.0[0];
        add.0[0]
    }
}

impl<const WORDS: usize> Handler<Cast<WORDS>> for Adder {
    type Result = ();

    fn handle(&mut self, cast: Cast<WORDS>, _: &mut Context<Self>) {
        self.sum += cast.0[0];
    }
}

impl Handler<Get> for Adder {
    type Result = u64;

    fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.sum
    }
}

impl Handler<Stop> for Adder {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop();
    }
}

fn start() -> Addr<Adder> {
    let adder = Adder {
        sum: 0,
        _ended: None,
    };
    adder.start()
}

/// The driver runs in an arbiter; the system's own thread only waits for it.
pub fn answer(task: Task) -> Answer {
    let system = actix::System::new();
    let (done, answered) = oneshot::channel();
    system.block_on(async move {
        let arbiter = Arbiter::new();
        arbiter.spawn(async move {
            let _ = done.send(measure(task).await);
        });
        answered
            .await
            .unwrap_or_else(|_| Answer::Failed("the arbiter has died".to_owned()))
    })
}

async fn measure(task: Task) -> Answer {
    let (n, k) = (task.n, catalogue::groups(&task));
    macro_rules! repeat {
        ($pass:expr) => {
            passes(task.at_least(), || $pass).await
        };
    }
    let measured = match task.benchmark.as_str() {
        "server_start_stop" => repeat!(start_stop(n)),
        "call" => repeat!(calls::<1>(n)),
        "call_400" => repeat!(calls::<50>(n)),
        "call_8000" => repeat!(calls::<1000>(n)),
        "call_no_timeout" => repeat!(calls_without_timeout(n)),
        "call_pairs" => {
            let arbiters: Vec<Arbiter> = (0..k).map(|_| Arbiter::new()).collect();
            let measured: Measured = repeat!(pairs(&arbiters, n));
            measured
        }
        "call_many" => repeat!(many(n, k)),
        "cast" => repeat!(casts::<1>(n, n)),
        "cast_64" => repeat!(casts::<8>(n, n)),
        "cast_1024" => repeat!(casts::<128>(n, n)),
        "cast_bursts" => repeat!(casts::<1>(n, k)),
        "fan_in_2" | "fan_in_100" | "fan_in_1000" => repeat!(fan_in(n, k)),
        "estone_server" => repeat!(servers(n, k)),
        "server" => return server_bytes(n).await,
        _ => return Answer::unsupported(NOT_HERE),
    };
    measured.answer()
}

async fn add<const WORDS: usize>(server: &Addr<Adder>) -> u64 {
    let request = server.send(Add([1; WORDS]));
    request
        .timeout(Duration::from_secs(5))
        .await
        .expect("an answer")
}

async fn all(tasks: Vec<JoinHandle<u64>>) -> u64 {
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("a helper of a benchmark ends well");
    }
    sum
}

/// An actix actor is started when `start` returns; its end is seen by what it drops.
async fn start_stop(n: u64) -> u64 {
    let mut done = 0;
    for _ in 0..n {
        let (ended, end) = oneshot::channel();
        let adder = Adder {
            sum: 0,
            _ended: Some(ended),
        };
        let server = adder.start();
        server.do_send(Stop);
        done += u64::from(end.await.is_err());
    }
    done
}

async fn calls<const WORDS: usize>(n: u64) -> u64 {
    let server = start();
    let mut sum = 0;
    for _ in 0..n {
        sum += add::<WORDS>(&server).await;
    }
    sum
}

async fn calls_without_timeout(n: u64) -> u64 {
    let server = start();
    let mut sum = 0;
    for _ in 0..n {
        sum += server.send(Add([1])).await.expect("an answer");
    }
    sum
}

async fn pairs(arbiters: &[Arbiter], n: u64) -> u64 {
    let mut ends = Vec::new();
    for arbiter in arbiters {
        let (done, end) = oneshot::channel();
        arbiter.spawn(async move {
            let _ = done.send(calls::<1>(n).await);
        });
        ends.push(end);
    }
    let mut sum = 0;
    for end in ends {
        sum += end.await.expect("the arbiter lives");
    }
    sum
}

async fn many(n: u64, k: u64) -> u64 {
    let server = start();
    let client = |server: Addr<Adder>| {
        actix::spawn(async move {
            let mut sum = 0;
            for _ in 0..n {
                sum += add::<1>(&server).await;
            }
            sum
        })
    };
    all((0..k).map(|_| client(server.clone())).collect()).await
}

async fn casts<const WORDS: usize>(n: u64, burst: u64) -> u64 {
    let server = start();
    let mut sum = 0;
    for _ in 0..n / burst {
        for _ in 0..burst {
            server.do_send(Cast([1; WORDS]));
        }
        sum = server.send(Get).await.expect("an answer");
    }
    sum
}

async fn fan_in(n: u64, k: u64) -> u64 {
    let server = start();
    let sender = |server: Addr<Adder>| {
        actix::spawn(async move {
            for _ in 0..n / k {
                server.do_send(Cast([1]));
            }
            0
        })
    };
    all((0..k).map(|_| sender(server.clone())).collect()).await;
    server.send(Get).await.expect("an answer")
}

async fn servers(n: u64, k: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        let (ended, end) = oneshot::channel();
        let adder = Adder {
            sum: 0,
            _ended: Some(ended),
        };
        let server = adder.start();
        for _ in 0..k {
            sum += add::<1>(&server).await;
        }
        server.do_send(Stop);
        let _ = end.await;
    }
    sum
}

async fn server_bytes(n: u64) -> Answer {
    let mut servers = Vec::with_capacity(2 * n as usize);
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        servers.extend((0..n).map(|_| start()));
        for server in servers.iter().rev().take(n as usize) {
            let _ = server.send(Get).await;
        }
        *reached = resident_bytes();
    }
    bytes(at, n)
}
