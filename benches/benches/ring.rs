//! What does a hop cost from one process to the next?

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rekindle::Runtime;
use rekindle_benches::micro::runtime;
use rekindle_benches::subject::ring;

const HOPS: u64 = 10_000;

fn hopping(criterion: &mut Criterion) {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let mut group = criterion.benchmark_group(format!("ring, {workers} workers"));
        group.throughput(Throughput::Elements(HOPS));
        for (nodes, tokens) in [(100, 1), (1_000, 1), (1_000, 100)] {
            let id = BenchmarkId::new(format!("{nodes} nodes, tokens"), tokens);
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|passes| time_of_hops(&runtime, passes, nodes, tokens));
            });
        }
        group.finish();
    }
}

/// The ring times its hops itself: that its nodes are made is no part of it.
fn time_of_hops(runtime: &Runtime, passes: u64, nodes: u64, tokens: u64) -> Duration {
    runtime.block_on(async move {
        let mut wall = Duration::ZERO;
        for _ in 0..passes {
            wall += ring::ring(HOPS, nodes, tokens).await.wall;
        }
        wall
    })
}

criterion_group!(benches, hopping);
criterion_main!(benches);
