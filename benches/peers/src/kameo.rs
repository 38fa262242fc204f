//! kameo, as its README has it: `#[derive(Actor)]`, a `Message` implementation per message, `ask`
//! and `tell`. Its default mailbox is bounded (64); as others are unbounded, this one is as well,
//! which its documentation offers. `call` has `reply_timeout` of 5 s, `call_no_timeout` none.

use std::time::Duration;

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::mailbox;
use kameo::message::{Context, Message};
use rekindle_bench_protocol::memory::resident_bytes;
use rekindle_bench_protocol::{Answer, Task, catalogue, passes};
use tokio::task::JoinHandle;

use crate::{NOT_HERE, bytes};

#[derive(Actor)]
struct Adder {
    sum: u64,
}

struct Add<const WORDS: usize>([u64; WORDS]);
struct Cast<const WORDS: usize>([u64; WORDS]);
struct Get;

impl<const WORDS: usize> Message<Add<WORDS>> for Adder {
    type Reply = u64;

    async fn handle(&mut self, add: Add<WORDS>, _: &mut Context<Self, u64>) -> u64 {
        self.sum += add.0[0];
        add.0[0]
    }
}

impl<const WORDS: usize> Message<Cast<WORDS>> for Adder {
    type Reply = ();

    async fn handle(&mut self, cast: Cast<WORDS>, _: &mut Context<Self, ()>) {
        self.sum += cast.0[0];
    }
}

impl Message<Get> for Adder {
    type Reply = u64;

    async fn handle(&mut self, _: Get, _: &mut Context<Self, u64>) -> u64 {
        self.sum
    }
}

fn start() -> ActorRef<Adder> {
    Adder::spawn_with_mailbox(Adder { sum: 0 }, mailbox::unbounded())
}

async fn stop(server: &ActorRef<Adder>) -> bool {
    let asked = server.stop_gracefully().await.is_ok();
    server.wait_for_shutdown().await;
    asked
}

async fn add<const WORDS: usize>(server: &ActorRef<Adder>) -> u64 {
    let ask = server.ask(Add([1; WORDS]));
    ask.reply_timeout(Duration::from_secs(5))
        .await
        .expect("an answer")
}

async fn get(server: &ActorRef<Adder>) -> u64 {
    server.ask(Get).await.expect("an answer")
}

pub async fn answer(task: Task) -> Answer {
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
        "call_pairs" => repeat!(all((0..k).map(|_| tokio::spawn(calls::<1>(n))).collect())),
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

async fn all(tasks: Vec<JoinHandle<u64>>) -> u64 {
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("a helper of a benchmark ends well");
    }
    sum
}

async fn start_stop(n: u64) -> u64 {
    let mut done = 0;
    for _ in 0..n {
        let server = start();
        server.wait_for_startup().await;
        done += u64::from(stop(&server).await);
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
        sum += server.ask(Add([1])).await.expect("an answer");
    }
    sum
}

async fn many(n: u64, k: u64) -> u64 {
    let server = start();
    let client = |server: ActorRef<Adder>| {
        tokio::spawn(async move {
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
            let _ = server.tell(Cast([1; WORDS])).await;
        }
        sum = get(&server).await;
    }
    sum
}

async fn fan_in(n: u64, k: u64) -> u64 {
    let server = start();
    let sender = |server: ActorRef<Adder>| {
        tokio::spawn(async move {
            for _ in 0..n / k {
                let _ = server.tell(Cast([1])).await;
            }
            0
        })
    };
    all((0..k).map(|_| sender(server.clone())).collect()).await;
    get(&server).await
}

async fn servers(n: u64, k: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        let server = start();
        server.wait_for_startup().await;
        for _ in 0..k {
            sum += add::<1>(&server).await;
        }
        stop(&server).await;
    }
    sum
}

async fn server_bytes(n: u64) -> Answer {
    let mut servers = Vec::with_capacity(2 * n as usize);
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        for _ in 0..n {
            let server = start();
            server.wait_for_startup().await;
            servers.push(server);
        }
        *reached = resident_bytes();
    }
    bytes(at, n)
}
