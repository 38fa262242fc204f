//! The simulator: one thread, virtual time, and an order that follows from the seed.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rekindle_scheduler::{Builder, Handle, Runtime, Time, blocking, sleep, spawn, yield_now};

use crate::support::Alive;

/// A program with races in it: what comes out depends on the order of turns.
fn racy(seed: u64) -> (Vec<usize>, u64, u64) {
    let runtime = Runtime::simulated(seed);
    let order = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..5)
            .map(|i| {
                let order = Arc::clone(&order);
                spawn(async move {
                    yield_now().await;
                    order.lock().unwrap().push(i);
                    let length = Handle::current().random() % 10;
                    sleep(Duration::from_millis(length)).await;
                    blocking(move || ()).await.unwrap();
                    order.lock().unwrap().push(i + 10);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let simulation = runtime.simulation().unwrap();
    let order = order.lock().unwrap().clone();
    (order, simulation.steps(), simulation.trace_hash())
}

#[test]
fn the_same_seed_makes_the_same_run() {
    for seed in 0..20 {
        assert_eq!(racy(seed), racy(seed));
    }
}

#[test]
fn different_seeds_make_different_runs() {
    let runs: HashSet<_> = (0..50).map(racy).collect();
    assert!(runs.len() >= 45, "only {} of 50 differ", runs.len());
    let orders: HashSet<_> = runs.iter().map(|run| &run.0).collect();
    assert!(orders.len() >= 30, "only {} orders", orders.len());
}

#[test]
fn time_jumps_to_the_next_timer_and_stands_still_otherwise() {
    let runtime = Runtime::simulated(1);
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        assert_eq!(handle.now(), Time::ZERO);
        yield_now().await;
        assert_eq!(handle.now(), Time::ZERO);
        sleep(Duration::from_secs(86_400 * 365)).await;
        assert_eq!(handle.now(), Time::ZERO + Duration::from_secs(86_400 * 365));
    });
}

#[test]
fn timers_fire_in_order_of_their_deadlines() {
    let runtime = Runtime::simulated(5);
    let order = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        let tasks: Vec<_> = [30, 10, 20, 5_000, 1]
            .map(|length| {
                let order = Arc::clone(&order);
                spawn(async move {
                    sleep(Duration::from_millis(length)).await;
                    order.lock().unwrap().push(length);
                })
            })
            .into();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*order.lock().unwrap(), [1, 10, 20, 30, 5_000]);
}

#[test]
fn a_standstill_panics_and_names_who_waits() {
    let runtime = Runtime::simulated(1);
    let stuck = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            for _ in 0..25 {
                drop(spawn(std::future::pending::<()>()));
            }
            std::future::pending::<()>().await;
        });
    }));
    let text = *stuck.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("the simulation stands still"), "{text}");
    assert!(text.contains("and 5 others"), "{text}");
    assert_eq!(text.matches("simulation.rs").count(), 20, "{text}");
    // The panic broke nothing.
    assert_eq!(
        runtime.block_on(async { spawn(async { 3 }).await.unwrap() }),
        3
    );
}

#[test]
fn a_blocking_call_is_a_step_of_its_own_on_the_same_thread() {
    let runtime = Runtime::simulated(9);
    let here = std::thread::current().id();
    let there = runtime.block_on(blocking_in(&runtime, || std::thread::current().id()));
    assert_eq!(there, here);
}

async fn blocking_in<T: Send + 'static>(
    runtime: &Runtime,
    function: impl FnOnce() -> T + Send + 'static,
) -> T {
    runtime.handle().blocking(function).await.unwrap()
}

#[test]
fn a_simulation_can_be_moved_by_hand() {
    let runtime = Runtime::simulated(4);
    let simulation = runtime.simulation().unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&log);
    drop(runtime.handle().spawn(async move {
        for round in 0.. {
            theirs.lock().unwrap().push(round);
            sleep(Duration::from_millis(10)).await;
        }
    }));
    assert_eq!(simulation.run_until_idle(), 1);
    assert_eq!(*log.lock().unwrap(), [0]);
    simulation.advance(Duration::from_millis(35));
    assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3]);
    assert_eq!(simulation.now(), Time::ZERO + Duration::from_millis(35));
    // A jump to the next timer, then the turn.
    assert!(simulation.step());
    assert_eq!(simulation.now(), Time::ZERO + Duration::from_millis(40));
    assert!(simulation.step());
    assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_simulation_without_anything_left_says_so() {
    let runtime = Runtime::simulated(4);
    let simulation = runtime.simulation().unwrap();
    assert!(!simulation.step());
    assert_eq!(simulation.run_until_idle(), 0);
    assert!(crate::support::pool(1).simulation().is_none());
}

#[test]
fn a_simulation_cannot_be_driven_from_inside() {
    let runtime = Arc::new(Runtime::simulated(1));
    let theirs = Arc::clone(&runtime);
    let inside = runtime.block_on(async move {
        spawn(async move {
            let stepped = catch_unwind(AssertUnwindSafe(|| theirs.simulation().unwrap().step()));
            let blocked = catch_unwind(AssertUnwindSafe(|| theirs.block_on(async {})));
            (stepped.is_err(), blocked.is_err())
        })
        .await
        .unwrap()
    });
    assert_eq!(inside, (true, true));
}

#[test]
fn the_end_of_a_simulation_cancels_its_tasks() {
    let (alive, count) = Alive::counter();
    let runtime = Runtime::simulated(1);
    for _ in 0..10 {
        let alive = alive.clone();
        drop(runtime.handle().spawn(async move {
            let _alive = alive;
            sleep(Duration::from_secs(1)).await;
        }));
    }
    runtime.simulation().unwrap().run_until_idle();
    let queued = alive.clone();
    drop(runtime.handle().spawn(async move { drop(queued) }));
    let job = alive.clone();
    drop(runtime.handle().blocking(move || drop(job)));
    drop(runtime);
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn a_clock_that_starts_near_the_end_of_time_stops_there() {
    let late = Time::from_nanos(u64::MAX - 5_000_000_000);
    let runtime = Builder::new().epoch(late).simulated(1);
    runtime.block_on(async {
        sleep(Duration::from_secs(1)).await;
        sleep(Duration::from_secs(2)).await;
    });
    assert!(runtime.handle().now() - late >= Duration::from_secs(3));
}
