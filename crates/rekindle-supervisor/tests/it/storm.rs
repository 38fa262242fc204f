//! Crash storms: very many restarts, and the rule of the budget kept to the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rekindle_actor::{ExitReason, Runtime, now, sleep, yield_now};
use rekindle_supervisor::{ChildSpec, Restart, Supervisor};

use crate::kit::watch;
use crate::record::passed_on;

/// Restarts in a storm: `REKINDLE_DEPTH` says how many, where the time is there.
fn restarts() -> u64 {
    let asked = std::env::var("REKINDLE_DEPTH").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

/// A supervisor of one child that ends after its number's pause. Gives how often the child was
/// started when the supervisor has given up.
async fn starts_until_it_gives_up(
    allowed: u64,
    period: Duration,
    pause: impl Fn(u64) -> Duration + Clone + Send + Sync + 'static,
    end: ExitReason,
) -> u64 {
    let starts = Arc::new(AtomicU64::new(0));
    let watched = Arc::new(AtomicBool::new(false));
    let (counter, released) = (starts.clone(), watched.clone());
    let child = ChildSpec::task(move || {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let (released, pause, end) = (released.clone(), pause(number), end.clone());
        async move {
            while !released.load(Ordering::Relaxed) {
                yield_now().await;
            }
            if pause > Duration::ZERO {
                sleep(pause).await;
            }
            end
        }
    });
    let supervisor = Supervisor::one_for_one()
        .intensity(allowed as u32, period)
        .child(child.restart(Restart::Permanent))
        .start()
        .await
        .unwrap();
    let watcher = watch(supervisor.pid()).await;
    watched.store(true, Ordering::Relaxed);
    assert_eq!(watcher.end().await, ExitReason::Shutdown);
    starts.load(Ordering::Relaxed)
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_storm_is_stopped_after_exactly_as_many_restarts_as_are_allowed() {
    let at_once = |_| Duration::ZERO;
    let storm = || ExitReason::msg("a storm");
    Runtime::simulated(1).block_on(async move {
        for allowed in [0, 1, 1_000, restarts()] {
            let starts = starts_until_it_gives_up(allowed, HOUR, at_once, storm()).await;
            assert_eq!(starts, allowed + 1);
        }
    });
    passed_on("simulator");
    Runtime::new().unwrap().block_on(async move {
        let starts = starts_until_it_gives_up(1_000, HOUR, at_once, storm()).await;
        assert_eq!(starts, 1_001);
    });
    passed_on("pool");
}

/// Five crashes in 10 s are allowed. One each 2.001 s goes on for ever; one each 2 s does not, for
/// then the sixth comes when the period is just over.
#[test]
fn a_storm_just_within_the_budget_goes_on_until_it_is_just_beyond() {
    let starts = Runtime::simulated(1).block_on(async {
        let edge = restarts();
        let pause = move |number| match number < edge {
            true => Duration::from_millis(2_001),
            false => Duration::from_millis(2_000),
        };
        // A permanent child is restarted after any end, and this one needs no report.
        let period = Duration::from_secs(10);
        starts_until_it_gives_up(5, period, pause, ExitReason::Normal).await
    });
    assert_eq!(starts, restarts() + 5);
    passed_on("simulator");
}

/// Children that crash after pauses of random length, until more of them crash within the period
/// than are allowed: a list of all crashes tells beforehand which one that must be.
#[test]
fn the_restart_that_is_one_too_many_is_the_one_that_a_list_of_all_crashes_says() {
    const ALLOWED: usize = 5;
    const PERIOD: Duration = Duration::from_secs(10);
    let mut longest = 0;
    for seed in 0..if cfg!(debug_assertions) { 200 } else { 2_000 } {
        let runtime = Runtime::simulated(seed);
        let (lived, must) = runtime.block_on(async move {
            let mut bits = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let pauses: Vec<Duration> = (0..4_000)
                .map(|_| {
                    bits ^= bits >> 12;
                    bits ^= bits << 25;
                    bits ^= bits >> 27;
                    // The mean is near the edge, so that runs differ in length.
                    Duration::from_millis(bits.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 52)
                })
                .collect();
            let crashes = Arc::new(std::sync::Mutex::new(Vec::new()));
            let (noted, left) = (crashes.clone(), Arc::new(pauses));
            let child = ChildSpec::task(move || {
                let (noted, left) = (noted.clone(), left.clone());
                async move {
                    let number = noted.lock().unwrap().len();
                    sleep(left[number]).await;
                    noted.lock().unwrap().push(now());
                    ExitReason::msg("a crash")
                }
            });
            let supervisor = Supervisor::one_for_one()
                .intensity(ALLOWED as u32, PERIOD)
                .child(child.restart(Restart::Permanent))
                .start()
                .await
                .unwrap();
            let watcher = watch(supervisor.pid()).await;
            assert_eq!(watcher.end().await, ExitReason::Shutdown);
            let crashes = crashes.lock().unwrap().clone();
            let one_too_many = crashes
                .windows(ALLOWED + 1)
                .position(|row| row[ALLOWED].saturating_since(row[0]) <= PERIOD)
                .map(|first| first + ALLOWED + 1);
            (crashes.len(), one_too_many)
        });
        assert_eq!(Some(lived), must, "seed {seed}");
        longest = longest.max(lived);
    }
    assert!(longest > 2 * ALLOWED, "no run was long: {longest}");
    passed_on("simulator");
}
