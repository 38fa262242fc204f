//! The simulator: one thread, virtual time, and an order that follows from the seed.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rekindle_scheduler::{
    Builder, Exploration, Fate, Handle, Runtime, Stuck, Time, TraceWhat, blocking, sleep, spawn,
    trace, yield_now,
};

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

/// A worker of another runtime that starts between two drives takes what they might have used: a home.
#[test]
fn what_else_the_program_does_changes_nothing() {
    let run = |is_alone: bool| {
        let runtime = Runtime::simulated(7);
        let (mut ids, mut others) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let spawned = runtime.block_on(async {
                let tasks = (0..300).map(|_| spawn(async {}).id());
                tasks.collect::<Vec<_>>()
            });
            ids.extend(spawned);
            if !is_alone {
                others.push(Builder::new().workers(2).start().unwrap());
            }
        }
        (ids, runtime.simulation().unwrap().trace_hash())
    };
    assert_eq!(run(true), run(false));
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

/// The order in which tasks that always can run have their turns.
fn order_of(exploration: Exploration, seed: u64) -> Vec<usize> {
    let runtime = Builder::new().exploration(exploration).simulated(seed);
    let order = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..4)
            .map(|i| {
                let order = Arc::clone(&order);
                spawn(async move {
                    for _ in 0..3 {
                        order.lock().unwrap().push(i);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    order.lock().unwrap().clone()
}

#[test]
fn priorities_run_one_task_to_its_end_before_the_next() {
    for seed in 0..20 {
        let calm = Exploration::Priorities {
            changes: 0,
            steps: 20,
        };
        let order = order_of(calm, seed);
        assert_eq!(order, order_of(calm, seed));
        let switches = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(switches, 3, "{order:?}");
    }
}

#[test]
fn each_change_of_priority_makes_a_switch_or_two() {
    let changes = |changes| {
        let exploration = Exploration::Priorities { changes, steps: 14 };
        let orders = (0..200).map(|seed| order_of(exploration, seed));
        orders
            .map(|order| order.windows(2).filter(|pair| pair[0] != pair[1]).count())
            .max()
    };
    assert_eq!(changes(1), Some(4));
    assert!(changes(3) > Some(4));
}

#[test]
fn the_future_given_is_told_why_it_never_ends() {
    let runtime = Runtime::simulated(1);
    let simulation = runtime.simulation().unwrap();
    assert_eq!(simulation.complete(async { 7 }), Ok(7));
    let stuck = simulation.complete(std::future::pending::<()>());
    assert!(matches!(stuck, Err(Stuck::Standstill(_))), "{stuck:?}");
    simulation.limit_steps(simulation.steps() + 100);
    let endless = simulation.complete(async {
        loop {
            yield_now().await;
        }
    });
    assert!(matches!(endless, Err::<(), _>(Stuck::Steps(_))));
}

#[test]
fn settled_waits_for_all_but_time() {
    let runtime = Runtime::simulated(3);
    let turns = Arc::new(Mutex::new(0));
    let theirs = Arc::clone(&turns);
    runtime.block_on(async {
        drop(spawn(async move {
            for _ in 0..50 {
                yield_now().await;
                *theirs.lock().unwrap() += 1;
            }
            sleep(Duration::from_secs(1)).await;
            *theirs.lock().unwrap() += 1;
        }));
        let settled = Handle::current().simulation().unwrap().settled();
        settled.await;
        assert_eq!(*turns.lock().unwrap(), 50);
        assert_eq!(Handle::current().now(), Time::ZERO);
    });
}

#[test]
fn a_turn_can_be_stalled() {
    let runtime = Runtime::simulated(3);
    let simulation = runtime.simulation().unwrap();
    let mut asked = 0;
    simulation.on_turn(move |ahead| {
        asked += 1;
        assert_eq!(
            ahead.at,
            Time::ZERO + Duration::from_secs(if asked == 1 { 0 } else { 5 })
        );
        match asked {
            1 => Fate::Stall(Duration::from_secs(5)),
            _ => Fate::Run,
        }
    });
    let at = runtime.block_on(async { spawn(async { Handle::current().now() }).await.unwrap() });
    assert_eq!(at, Time::ZERO + Duration::from_secs(5));
}

#[test]
fn a_stalled_task_is_cancelled_with_the_others() {
    let (alive, count) = Alive::counter();
    let runtime = Runtime::simulated(3);
    let simulation = runtime.simulation().unwrap();
    simulation.on_turn(|_| Fate::Stall(Duration::from_secs(5)));
    drop(runtime.handle().spawn(async move { drop(alive) }));
    simulation.run_until_idle();
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
    drop(runtime);
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[test]
fn a_trace_says_what_happened_and_keeps_the_last() {
    let runtime = Runtime::simulated(3);
    let simulation = runtime.simulation().unwrap();
    trace(|| unreachable!("nothing is recorded"));
    simulation.record(4);
    runtime.block_on(async {
        spawn(async {
            trace(|| "one".to_owned());
            sleep(Duration::from_secs(1)).await;
            trace(|| "two".to_owned());
        })
        .await
        .unwrap();
    });
    let events = simulation.trace();
    assert_eq!(events.len(), 4);
    assert_eq!(events[0].what, TraceWhat::Clock);
    assert!(matches!(events[1].what, TraceWhat::Turn { .. }));
    assert!(matches!(&events[2].what, TraceWhat::Note { text, .. } if text == "two"));
    assert_eq!(events[3].what, TraceWhat::Main);
    assert_eq!(events[2].at, Time::ZERO + Duration::from_secs(1));
}

#[test]
fn a_clock_that_jumps_fires_what_was_due_late_and_in_order() {
    let runtime = Runtime::simulated(3);
    let order = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        let tasks = [3, 1, 2].map(|n| {
            let order = Arc::clone(&order);
            spawn(async move {
                sleep(Duration::from_secs(n)).await;
                order.lock().unwrap().push((n, Handle::current().now()));
            })
        });
        let handle = Handle::current();
        handle.simulation().unwrap().settled().await;
        handle
            .simulation()
            .unwrap()
            .jump_clock(Duration::from_secs(10));
        for task in tasks {
            task.await.unwrap();
        }
    });
    let late = Time::ZERO + Duration::from_secs(10);
    let mut order = order.lock().unwrap().clone();
    assert!(order.iter().all(|(_, at)| *at == late));
    order.sort_unstable();
    assert_eq!(order.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3]);
}
