//! What does a call and its answer cost, and what does the timeout add?

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rekindle_benches::micro::{runtime, time};
use rekindle_benches::subject::call;

const CALLS: u64 = 1_000;

fn calling(criterion: &mut Criterion) {
    let runtime = runtime(1);
    let mut group = criterion.benchmark_group("call, 1 worker");
    group.throughput(Throughput::Elements(CALLS));
    macro_rules! of_words {
        ($words:literal) => {
            let server = runtime.block_on(call::start::<$words>());
            group.bench_function(format!("{} bytes", 8 * $words), |bencher| {
                bencher.iter_custom(|passes| {
                    let server = server.clone();
                    time(&runtime, passes, move || {
                        let server = server.clone();
                        async move { call::calls(&server, CALLS).await }
                    })
                });
            });
        };
    }
    of_words!(1);
    of_words!(50);
    of_words!(1000);
    let server = runtime.block_on(call::start::<1>());
    group.bench_function("8 bytes, without the timeout", |bencher| {
        bencher.iter_custom(|passes| {
            let server = server.clone();
            time(&runtime, passes, move || {
                let server = server.clone();
                async move { call::calls_without_timeout(&server, CALLS).await }
            })
        });
    });
    group.finish();
}

fn side_by_side(criterion: &mut Criterion) {
    let runtime = runtime(2);
    let mut group = criterion.benchmark_group("call, 2 workers");
    group.throughput(Throughput::Elements(2 * CALLS));
    group.bench_function("2 clients with servers of their own", |bencher| {
        bencher.iter_custom(|passes| time(&runtime, passes, || call::pairs(CALLS, 2)));
    });
    let server = runtime.block_on(call::start::<1>());
    group.throughput(Throughput::Elements(400 * 10));
    group.bench_function("400 clients on one server", |bencher| {
        bencher.iter_custom(|passes| {
            let server = server.clone();
            time(&runtime, passes, move || {
                let server = server.clone();
                async move { call::many(&server, 10, 400).await }
            })
        });
    });
    group.finish();
}

criterion_group!(benches, calling, side_by_side);
criterion_main!(benches);
