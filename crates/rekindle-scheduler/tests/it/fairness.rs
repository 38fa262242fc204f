//! Nobody starves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rekindle_scheduler::{Builder, spawn, yield_now};

use crate::support::{Flag, HANG, pool};

/// Two tasks that do nothing but wake each other, through the next-task slot.
async fn ping_pong(stop: Arc<AtomicBool>, turns: Arc<AtomicUsize>) {
    let sides: Arc<[std::sync::Mutex<Option<std::task::Waker>>; 2]> = Arc::default();
    let players: Vec<_> = [0, 1]
        .map(|side: usize| {
            let (sides, stop, turns) = (Arc::clone(&sides), Arc::clone(&stop), Arc::clone(&turns));
            spawn(std::future::poll_fn(move |context| {
                *sides[side].lock().unwrap() = Some(context.waker().clone());
                turns.fetch_add(1, Ordering::Relaxed);
                let other = sides[1 - side].lock().unwrap().clone();
                match other {
                    Some(other) => other.wake(),
                    None => context.waker().wake_by_ref(),
                }
                if stop.load(Ordering::Relaxed) {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            }))
        })
        .into();
    for player in players {
        player.await.unwrap();
    }
}

#[test]
fn no_starvation_by_a_ping_pong_through_the_slot() {
    for workers in [1, 2] {
        let runtime = seated(workers);
        let stop = Arc::new(AtomicBool::new(false));
        let turns = Arc::new(AtomicUsize::new(0));
        let pair = runtime
            .handle()
            .spawn(ping_pong(Arc::clone(&stop), Arc::clone(&turns)));
        let most_between = runtime.block_on({
            let turns = Arc::clone(&turns);
            spawn_in(&runtime, async move {
                let mut most = 0;
                for _ in 0..1_000 {
                    let before = turns.load(Ordering::Relaxed);
                    yield_now().await;
                    most = most.max(turns.load(Ordering::Relaxed) - before);
                }
                most
            })
        });
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(pair).unwrap();
        if workers == 1 {
            assert!(
                most_between <= 100,
                "{most_between} turns of the pair between two of ours"
            );
        }
    }
}

/// A pool whose workers keep their seats, though the system may not run them for a while: for tests that
/// count turns, or look at their order.
fn seated(workers: usize) -> rekindle_scheduler::Runtime {
    Builder::new()
        .workers(workers)
        .stuck_after(HANG)
        .start()
        .unwrap()
}

async fn spawn_in<T: Send + 'static>(
    runtime: &rekindle_scheduler::Runtime,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    runtime.handle().spawn(future).await.unwrap()
}

#[test]
fn no_starvation_of_work_from_outside_by_tasks_that_never_wait() {
    // No rescue: a worker that the system keeps off the processor would be taken for a stuck one,
    // and its successor begins with the common queue.
    let runtime = Builder::new()
        .workers(1)
        .stuck_after(HANG * 60)
        .start()
        .expect("the system gives a few threads");
    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..3)
        .map(|_| {
            let stop = Arc::clone(&stop);
            runtime.handle().spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..100 {
        runtime.block_on(runtime.handle().spawn(async {})).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for task in busy {
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn a_second_worker_takes_part_in_long_work() {
    // Each task waits for the other to be polled too, without giving its worker back.
    let runtime = pool(2);
    let met = Arc::new(AtomicUsize::new(0));
    let done = Flag::new();
    let theirs = Arc::clone(&done);
    drop(runtime.handle().spawn(async move {
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let met = Arc::clone(&met);
                spawn(async move {
                    met.fetch_add(1, Ordering::SeqCst);
                    while met.load(Ordering::SeqCst) < 2 {
                        std::thread::yield_now();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        theirs.raise();
    }));
    runtime.block_on(done.raised());
}

/// More than any part of a queue has room for; and what is queued meanwhile comes behind it.
#[test]
fn tasks_run_in_the_order_of_their_spawns_however_many() {
    const TASKS: usize = 1000;
    let runtime = seated(1);
    let order = runtime.block_on(spawn_in(&runtime, async {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..TASKS)
            .map(|i| {
                let order = Arc::clone(&order);
                spawn(async move {
                    order.lock().unwrap().push(i);
                    let late = Arc::clone(&order);
                    let late = spawn(async move { late.lock().unwrap().push(TASKS + i) });
                    late.await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    }));
    let first_astray = (0..2 * TASKS).find(|n| order.get(*n) != Some(n));
    assert_eq!(first_astray, None);
}

#[test]
fn tasks_woken_by_one_another_run_in_the_order_in_which_they_were_queued() {
    let runtime = pool(1);
    let order = runtime.block_on(spawn_in(&runtime, async {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..10)
            .map(|i| {
                let order = Arc::clone(&order);
                spawn(async move { order.lock().unwrap().push(i) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    }));
    assert_eq!(order, (0..10).collect::<Vec<_>>());
}

/// Bursts larger than a ring, from inside and from outside, of tasks that are worth a thief's while: each runs
/// once, and in the end nothing is left anywhere.
#[test]
fn every_task_of_many_bursts_runs_once_whoever_takes_it() {
    const BURSTS: usize = 20;
    const TASKS: usize = 600;
    let runtime = pool(4);
    let ran: Arc<Vec<AtomicUsize>> = Arc::new(
        (0..2 * BURSTS * TASKS)
            .map(|_| AtomicUsize::new(0))
            .collect(),
    );
    let work = |ran: &Arc<Vec<AtomicUsize>>, n: usize| {
        let ran = Arc::clone(ran);
        async move {
            // Long enough to be offered to others.
            (0..200).for_each(|_| std::hint::spin_loop());
            yield_now().await;
            ran[n].fetch_add(1, Ordering::SeqCst);
        }
    };
    let outside: Vec<_> = (0..BURSTS * TASKS)
        .map(|n| runtime.handle().spawn(work(&ran, n)))
        .collect();
    let inside = Arc::clone(&ran);
    runtime.block_on(spawn_in(&runtime, async move {
        for burst in BURSTS..2 * BURSTS {
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| spawn(work(&inside, burst * TASKS + n)))
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
    }));
    for task in outside {
        runtime.block_on(task).unwrap();
    }
    assert!(ran.iter().all(|runs| runs.load(Ordering::SeqCst) == 1));
}
