//! What does a message cost that nobody answers?

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rekindle_benches::micro::{runtime, time};
use rekindle_benches::subject::{call, cast};

const CASTS: u64 = 10_000;

fn casting(criterion: &mut Criterion) {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let mut group = criterion.benchmark_group(format!("cast, {workers} workers"));
        group.throughput(Throughput::Elements(CASTS));
        macro_rules! of_words {
            ($words:literal, $burst:expr) => {
                let server = runtime.block_on(call::start::<$words>());
                group.bench_function(
                    format!("{} bytes, bursts of {}", 8 * $words, $burst),
                    |bencher| {
                        bencher.iter_custom(|passes| {
                            let server = server.clone();
                            time(&runtime, passes, move || {
                                let server = server.clone();
                                async move { cast::bursts(&server, CASTS, $burst).await }
                            })
                        });
                    },
                );
            };
        }
        of_words!(1, 100);
        of_words!(1, CASTS);
        of_words!(8, CASTS);
        of_words!(128, CASTS);
        group.finish();
    }
}

criterion_group!(benches, casting);
criterion_main!(benches);
