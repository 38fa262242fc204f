//! Casts: 10 of the catalogue.

use std::time::Duration;

use rekindle::prelude::*;
use rekindle_bench_protocol::{Measured, Task as Order, passes};

use super::call::start;
use super::servers::{Adder, Request};
use super::support::in_process;

/// Repeats the benchmark of that name, if it is one of these.
pub async fn repeat(order: &Order) -> Option<Measured> {
    let (n, k, at_least) = (order.n, order.k, order.at_least());
    Some(match order.benchmark.as_str() {
        "cast" => in_process(one::<1>(n, n, at_least)).await,
        "cast_64" => in_process(one::<8>(n, n, at_least)).await,
        "cast_1024" => in_process(one::<128>(n, n, at_least)).await,
        "cast_bursts" => in_process(one::<1>(n, k, at_least)).await,
        _ => return None,
    })
}

async fn one<const WORDS: usize>(n: u64, burst: u64, at_least: Duration) -> Measured {
    let server = start::<WORDS>().await;
    passes(at_least, || bursts(&server, n, burst)).await
}

/// `n` casts, with a get after each `burst`; the get proves that all were handled.
pub async fn bursts<const WORDS: usize>(server: &Addr<Adder<WORDS>>, n: u64, burst: u64) -> u64 {
    let get = || server.call(Request::Get).no_timeout();
    let before = get().await.expect("an answer");
    let mut sum = before;
    for _ in 0..n / burst {
        for _ in 0..burst {
            server.cast([1; WORDS]);
        }
        sum = get().await.expect("an answer");
    }
    sum - before
}
