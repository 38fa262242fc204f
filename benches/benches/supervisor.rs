//! What does a supervised child cost: its start and stop, and its restart?

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rekindle::prelude::*;
use rekindle_bench_protocol::{Answer, Task as Order};
use rekindle_benches::micro::{runtime, time};
use rekindle_benches::subject::{ladders, servers};

const CHILDREN: u64 = 1_000;

fn starting(criterion: &mut Criterion) {
    let runtime = runtime(1);
    let mut group = criterion.benchmark_group("supervisor, 1 worker");
    group.throughput(Throughput::Elements(CHILDREN));
    group.bench_function("server start and stop, without a supervisor", |bencher| {
        bencher.iter_custom(|passes| time(&runtime, passes, || servers::start_stop(CHILDREN)));
    });
    let jobs = Arc::new(runtime.block_on(servers::Jobs::start()));
    group.bench_function("dynamic child start and stop", |bencher| {
        bencher.iter_custom(|passes| {
            let jobs = jobs.clone();
            time(&runtime, passes, move || {
                let jobs = jobs.clone();
                async move { jobs.start_stop(CHILDREN).await }
            })
        });
    });
    group.finish();
}

fn restarting(criterion: &mut Criterion) {
    let runtime = runtime(1);
    let mut group = criterion.benchmark_group("supervisor with 1,000 children, 1 worker");
    let properties = [
        ("dynamic_restart", "one dies and is restarted"),
        ("one_for_all_restart", "one_for_all, per child"),
        ("tree_stop", "stop, per child"),
    ];
    for (property, what) in properties {
        group.bench_function(what, |bencher| {
            bencher.iter_custom(|operations| rung(&runtime, property, operations));
        });
    }
    group.finish();
}

/// The time of so many operations, from the ladder of that property.
fn rung(runtime: &Runtime, property: &'static str, operations: u64) -> Duration {
    let order = Order {
        system: String::new(),
        benchmark: String::new(),
        workers: 1,
        millis: 20,
        n: CHILDREN,
        k: 200,
        m: 0,
    };
    let answer: Answer = runtime.block_on(async move { ladders::answer(property, &order).await });
    let per_operation = match (answer.get("wall_ns"), answer.get("ops")) {
        (Some(wall), Some(ops)) if ops > 0 => wall as f64 / ops as f64,
        _ => panic!("the ladder {property} gave {answer}"),
    };
    Duration::from_nanos((per_operation * operations as f64) as u64)
}

criterion_group!(benches, starting, restarting);
criterion_main!(benches);
