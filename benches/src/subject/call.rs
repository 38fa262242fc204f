//! Calls: 9 of the catalogue.

use std::time::Duration;

use rekindle::prelude::*;
use rekindle_bench_protocol::{Measured, Task as Order, catalogue, passes};

use super::servers::{Adder, Request};
use super::support::{all, in_process};

/// Repeats the benchmark of that name, if it is one of these.
pub async fn repeat(order: &Order) -> Option<Measured> {
    let (n, clients, at_least) = (order.n, catalogue::groups(order), order.at_least());
    Some(match order.benchmark.as_str() {
        "call" => in_process(one::<1>(n, at_least)).await,
        "call_400" => in_process(one::<50>(n, at_least)).await,
        "call_8000" => in_process(one::<1000>(n, at_least)).await,
        "call_no_timeout" => {
            let passes = async move {
                let server = start::<1>().await;
                passes(at_least, || calls_without_timeout(&server, n)).await
            };
            in_process(passes).await
        }
        "call_pairs" => passes(at_least, || pairs(n, clients)).await,
        "call_many" => {
            let server = start::<1>().await;
            passes(at_least, || many(&server, n, clients)).await
        }
        _ => return None,
    })
}

async fn one<const WORDS: usize>(n: u64, at_least: Duration) -> Measured {
    let server = start::<WORDS>().await;
    passes(at_least, || calls(&server, n)).await
}

/// A server to be called.
pub async fn start<const WORDS: usize>() -> Addr<Adder<WORDS>> {
    Adder::start(()).await.expect("it starts")
}

/// `n` calls in sequence, with the default timeout of 5 s.
pub async fn calls<const WORDS: usize>(server: &Addr<Adder<WORDS>>, n: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        let answer = server.call(|from| Request::Add([1; WORDS], from)).await;
        sum += answer.expect("an answer");
    }
    sum
}

/// As [`calls`], without a timeout.
pub async fn calls_without_timeout(server: &Addr<Adder>, n: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        let call = server.call(|from| Request::Add([1], from));
        sum += call.no_timeout().await.expect("an answer");
    }
    sum
}

/// `k` clients with servers of their own, `n` calls each.
pub async fn pairs(n: u64, k: u64) -> u64 {
    let client = || {
        Task::spawn(async move {
            let server = start::<1>().await;
            let sum = calls(&server, n).await;
            server.stop().await.expect("it stops");
            sum
        })
    };
    all((0..k).map(|_| client()).collect()).await
}

/// `k` clients on one server, `n` calls each.
pub async fn many(server: &Addr<Adder>, n: u64, k: u64) -> u64 {
    let client = |server: Addr<Adder>| Task::spawn(async move { calls(&server, n).await });
    all((0..k).map(|_| client(server.clone())).collect()).await
}
