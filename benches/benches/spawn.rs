//! What does a process cost from its spawn to its end?

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rekindle_benches::micro::{runtime, time};
use rekindle_benches::subject::{skynet, spawn};

fn spawning(criterion: &mut Criterion) {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let mut group = criterion.benchmark_group(format!("spawn, {workers} workers"));
        group.throughput(Throughput::Elements(10_000));
        group.bench_function("100 batches of 100", |bencher| {
            bencher.iter_custom(|passes| time(&runtime, passes, || spawn::batches(100, 100)));
        });
        group.bench_function("burst of 10,000", |bencher| {
            bencher.iter_custom(|passes| time(&runtime, passes, || spawn::burst(10_000)));
        });
        group.bench_function("chain of 10,000", |bencher| {
            bencher.iter_custom(|passes| time(&runtime, passes, || spawn::chain(10_000)));
        });
        group.bench_function("10,000 with a monitor, in sequence", |bencher| {
            bencher.iter_custom(|passes| time(&runtime, passes, || spawn::monitored(10_000)));
        });
        group.throughput(Throughput::Elements(11_111));
        group.bench_function("skynet of 10,000 leaves", |bencher| {
            bencher.iter_custom(|passes| time(&runtime, passes, || skynet::skynet(10_000, 10)));
        });
        group.finish();
    }
}

criterion_group!(benches, spawning);
criterion_main!(benches);
