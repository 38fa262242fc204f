//! What does it take to fill the memory with idle processes and to take them away again?
//!
//! Bytes are no time: `compare --only plain,server,supervised` measures them, each in a program of
//! its own. This is about the time that goes by for memory's sake.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rekindle::prelude::*;
use rekindle_benches::micro::runtime;
use rekindle_benches::subject::memory::spawn_plain;

fn filling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memory, 1 worker");
    group.sample_size(10);
    for processes in [1_000, 100_000] {
        group.throughput(Throughput::Elements(processes));
        let id = BenchmarkId::new("spawn and keep, in a fresh runtime", processes);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|passes| {
                (0..passes)
                    .map(|_| time_to_fill(processes))
                    .sum::<Duration>()
            });
        });
        let id = BenchmarkId::new("drop of a runtime with idle processes", processes);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|passes| {
                (0..passes)
                    .map(|_| time_to_drop(processes))
                    .sum::<Duration>()
            });
        });
    }
    group.finish();
}

fn time_to_fill(processes: u64) -> Duration {
    filled(processes).0
}

fn time_to_drop(processes: u64) -> Duration {
    let (_, runtime) = filled(processes);
    let begun = Instant::now();
    drop(runtime);
    begun.elapsed()
}

fn filled(processes: u64) -> (Duration, Runtime) {
    let runtime = runtime(1);
    let spent = runtime.block_on(async move {
        let begun = Instant::now();
        spawn_plain(processes).await;
        begun.elapsed()
    });
    (spent, runtime)
}

criterion_group!(benches, filling);
criterion_main!(benches);
