//! What does a timer cost that is started and cancelled, alone and among many?

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rekindle::prelude::*;
use rekindle_benches::micro::{runtime, time};
use rekindle_benches::subject::timers;

const TIMERS: u64 = 1_000;

fn start_and_cancel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timers, 1 worker");
    group.throughput(Throughput::Elements(TIMERS));
    for armed in [0, 1_000, 100_000] {
        let runtime = runtime(1);
        runtime.block_on(async move {
            let nobody = spawn(|inbox: Mailbox<()>| async move {
                let _inbox = inbox;
                std::future::pending::<()>().await;
            });
            let nobody = nobody.recipient::<()>();
            for timer in 0..armed {
                send_after(Duration::from_secs(1_000 + timer % 1_000), &nobody, ());
            }
        });
        group.bench_function(
            BenchmarkId::new("start and cancel, others armed", armed),
            |bencher| {
                bencher.iter_custom(|passes| time(&runtime, passes, || timers::cancel(TIMERS)));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, start_and_cancel);
criterion_main!(benches);
