//! ractor, as its README has it: a message enum, `RpcReplyPort` for answers, state apart from the
//! actor. Unbounded mailboxes; it has no default timeout of calls, so `call` passes 5 s and
//! `call_no_timeout` passes none.

use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use rekindle_bench_protocol::memory::resident_bytes;
use rekindle_bench_protocol::{Answer, Task, catalogue, passes};
use tokio::task::JoinHandle;

use crate::{NOT_HERE, bytes};

struct Adder<const WORDS: usize>;

enum Request<const WORDS: usize> {
    Add([u64; WORDS], RpcReplyPort<u64>),
    Cast([u64; WORDS]),
    Get(RpcReplyPort<u64>),
}

// Without its feature `cluster`, ractor makes every `Send + 'static` type a message.

impl<const WORDS: usize> Actor for Adder<WORDS> {
    type Msg = Request<WORDS>;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, _: ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        sum: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Request::Add(words, from) => {
                *sum += words[0];
                from.send(words[0])?;
            }
            Request::Cast(words) => *sum += words[0],
            Request::Get(from) => from.send(*sum)?,
        }
        Ok(())
    }
}

type Server<const WORDS: usize> = ActorRef<Request<WORDS>>;

async fn start<const WORDS: usize>() -> Server<WORDS> {
    let (server, _) = Actor::spawn(None, Adder::<WORDS>, ())
        .await
        .expect("it starts");
    server
}

async fn ask<const WORDS: usize>(
    server: &Server<WORDS>,
    make: impl FnOnce(RpcReplyPort<u64>) -> Request<WORDS>,
    limit: Option<Duration>,
) -> u64 {
    match server.call(make, limit).await {
        Ok(CallResult::Success(answer)) => answer,
        other => panic!("no answer: {}", other.is_ok()),
    }
}

const LIMIT: Option<Duration> = Some(Duration::from_secs(5));

pub async fn answer(task: Task) -> Answer {
    let (n, k) = (task.n, catalogue::groups(&task));
    macro_rules! repeat {
        ($pass:expr) => {
            passes(task.at_least(), || $pass).await
        };
    }
    let measured = match task.benchmark.as_str() {
        "server_start_stop" => repeat!(start_stop(n)),
        "call" => repeat!(calls::<1>(n, LIMIT)),
        "call_400" => repeat!(calls::<50>(n, LIMIT)),
        "call_8000" => repeat!(calls::<1000>(n, LIMIT)),
        "call_no_timeout" => repeat!(calls::<1>(n, None)),
        "call_pairs" => repeat!(all((0..k)
            .map(|_| tokio::spawn(calls::<1>(n, LIMIT)))
            .collect())),
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
        let server = start::<1>().await;
        done += u64::from(server.stop_and_wait(None, None).await.is_ok());
    }
    done
}

async fn calls<const WORDS: usize>(n: u64, limit: Option<Duration>) -> u64 {
    let server = start::<WORDS>().await;
    let mut sum = 0;
    for _ in 0..n {
        sum += ask(&server, |from| Request::Add([1; WORDS], from), limit).await;
    }
    server.stop(None);
    sum
}

async fn many(n: u64, k: u64) -> u64 {
    let server = start::<1>().await;
    let client = |server: Server<1>| {
        tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..n {
                sum += ask(&server, |from| Request::Add([1], from), LIMIT).await;
            }
            sum
        })
    };
    let sum = all((0..k).map(|_| client(server.clone())).collect()).await;
    server.stop(None);
    sum
}

async fn casts<const WORDS: usize>(n: u64, burst: u64) -> u64 {
    let server = start::<WORDS>().await;
    let mut sum = 0;
    for _ in 0..n / burst {
        for _ in 0..burst {
            let _ = server.cast(Request::Cast([1; WORDS]));
        }
        sum = ask(&server, Request::Get, None).await;
    }
    server.stop(None);
    sum
}

async fn fan_in(n: u64, k: u64) -> u64 {
    let server = start::<1>().await;
    let sender = |server: Server<1>| {
        tokio::spawn(async move {
            for _ in 0..n / k {
                let _ = server.cast(Request::Cast([1]));
            }
            0
        })
    };
    all((0..k).map(|_| sender(server.clone())).collect()).await;
    let sum = ask(&server, Request::Get, None).await;
    server.stop(None);
    sum
}

async fn servers(n: u64, k: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        let server = start::<1>().await;
        for _ in 0..k {
            sum += ask(&server, |from| Request::Add([1], from), LIMIT).await;
        }
        let _ = server.stop_and_wait(None, None).await;
    }
    sum
}

async fn server_bytes(n: u64) -> Answer {
    let mut servers = Vec::with_capacity(2 * n as usize);
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        for _ in 0..n {
            servers.push(start::<1>().await);
        }
        *reached = resident_bytes();
    }
    bytes(at, n)
}
