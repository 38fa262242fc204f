//! What does a message cost when many send to one?

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rekindle_benches::micro::{runtime, time};
use rekindle_benches::subject::fan;

const MESSAGES: u64 = 10_000;

fn many_to_one(criterion: &mut Criterion) {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let mut group = criterion.benchmark_group(format!("fan-in, {workers} workers"));
        group.throughput(Throughput::Elements(MESSAGES));
        for senders in [2, 10, 100, 1_000] {
            let id = BenchmarkId::new("senders", senders);
            group.bench_with_input(id, &senders, |bencher, &senders| {
                bencher.iter_custom(|passes| {
                    time(&runtime, passes, move || fan::fan_in(MESSAGES, senders))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, many_to_one);
criterion_main!(benches);
