//! Casts: 10 of the catalogue.

use rekindle::prelude::*;
use rekindle_bench_protocol::{Measured, Task as Order, passes};

use super::call::start;
use super::servers::{Adder, Request};

/// Repeats the benchmark of that name, if it is one of these.
pub async fn repeat(order: &Order) -> Option<Measured> {
    Some(match order.benchmark.as_str() {
        "cast" => one::<1>(order, order.n).await,
        "cast_64" => one::<8>(order, order.n).await,
        "cast_1024" => one::<128>(order, order.n).await,
        "cast_bursts" => one::<1>(order, order.k).await,
        _ => return None,
    })
}

async fn one<const WORDS: usize>(order: &Order, burst: u64) -> Measured {
    let (n, server) = (order.n, start::<WORDS>().await);
    passes(order.at_least(), || bursts(&server, n, burst)).await
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
