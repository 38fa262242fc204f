//! Memory after many lives: processes are spawned and end, and what the program takes after all of
//! them is held against what it took after the first tenth.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rekindle::prelude::*;
use rekindle::{link, yield_now};

use crate::options::Options;
use crate::report::{count_reports, score};
use crate::vitals::Vitals;

/// One life in so many blocks its thread, for so long: another takes its seat. So the threads that a
/// loaded machine makes necessary are there, and warm, before the first look, and not after it.
const BLOCKS: u64 = 100_000;
const BLOCKED: Duration = Duration::from_millis(30);
/// Processes that are alive at the same time.
const BATCH: u64 = 1_000;
/// Live bytes may grow by this much: they go up and down with the number of worker threads, and with
/// what the queues have freed and give back later. Half a MiB was seen on a loaded machine, and a size
/// used for the first time may need one more chunk of two MiB. One allocation lost in each fifth life would be more, of a million lives.
const SLACK: usize = 3 * 1024 * 1024;
/// Resident memory may grow by one part in so many, 5 %,
const PART: u64 = 20;
/// or by this much, where 5 % of a small program are less than what the allocator's arenas vary by.
const PLAY: u64 = 8 * 1024 * 1024;
/// Looks at the memory, of which the lowest counts; a batch of lives lies between them.
const LOOKS: u64 = 8;

/// Runs the check.
pub(crate) fn check(options: &Options) -> ExitCode {
    count_reports();
    let runtime = match crate::runtime(options) {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("soak: no runtime: {error}");
            return ExitCode::from(2);
        }
    };
    let (tenth, rest) = (options.count / 10, options.count - options.count / 10);
    let begun = Instant::now();
    let sample = |count: u64| {
        runtime.block_on(lives(count.saturating_sub(LOOKS * BATCH)));
        let look = || {
            runtime.block_on(lives(BATCH));
            Vitals::now()
        };
        let looks = (0..LOOKS).map(|_| look());
        looks.min_by_key(|look| look.live).unwrap_or_else(look)
    };
    let early = sample(tenth);
    println!("after {tenth:>11}: {early:?}");
    let late = sample(rest);
    println!("after {:>11}: {late:?}", options.count);
    let spawned = runtime.handle().metrics().spawned;
    println!("{spawned} spawned in {:.1?}", begun.elapsed());

    score(
        "memory_live_growth",
        late.live as f64 - early.live as f64,
        "bytes",
        options.count,
    );
    let live_holds = late.live <= early.live + SLACK;
    let resident_holds = match (early.resident, late.resident) {
        (Some(early), Some(late)) => {
            let growth = (late as f64 / early as f64 - 1.0) * 100.0;
            score("memory_resident_growth", growth, "percent", options.count);
            late <= early + PLAY.max(early / PART)
        }
        _ => true,
    };
    if live_holds && resident_holds {
        println!("ok: memory does not grow with the number of lives");
        ExitCode::SUCCESS
    } else {
        println!("FAILED: memory grows with the number of lives");
        ExitCode::FAILURE
    }
}

/// So many processes, a batch at a time, of which some have a mailbox, a name, a link, a timer or
/// a monitor, and some crash or block.
async fn lives(count: u64) {
    let ended = Arc::new(AtomicU64::new(0));
    let mut spawned = 0;
    while spawned < count {
        let batch = BATCH.min(count - spawned);
        for n in 0..batch {
            let end = End(ended.clone());
            match n % 10 {
                0 => {
                    let process = spawn(|mut inbox: Mailbox<u64>| async move {
                        let _end = end;
                        inbox.recv().await;
                    });
                    process.send(n);
                }
                1 => {
                    spawn(async move {
                        let _end = end;
                        // Names of a batch are free again before the next one takes them.
                        let _ = register(format!("life {n}"), self_pid());
                        yield_now().await;
                    });
                }
                2 => {
                    let other = self_pid();
                    spawn(async move {
                        let _end = end;
                        link(other);
                        monitor(other);
                    });
                }
                3 => {
                    spawn(|mut inbox: Mailbox<u64>| async move {
                        let _end = end;
                        let me = inbox.recipient();
                        let long = send_after(Duration::from_secs(3_600), &me, 1);
                        let _ = send_after(Duration::ZERO, &me, 2);
                        inbox.recv().await;
                        long.cancel_quietly();
                    });
                }
                5 if (spawned + n) % BLOCKS == 5 => {
                    spawn(async move {
                        let _end = end;
                        std::thread::sleep(BLOCKED);
                    });
                }
                4 if n % 100 == 4 => {
                    spawn(async move {
                        let _end = end;
                        panic!("as it was meant to");
                    });
                }
                _ => {
                    spawn(async move { drop(end) });
                }
            }
        }
        spawned += batch;
        while ended.load(Ordering::Acquire) < spawned {
            yield_now().await;
        }
    }
}

struct End(Arc<AtomicU64>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}
