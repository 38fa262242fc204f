//! Tasks start, are woken, and give their output.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

use rekindle_scheduler::{JoinError, Runtime, block_on, spawn, yield_now};

use crate::support::{Flag, pool, wait_until};

#[test]
fn smoke() {
    let runtime = Runtime::new().unwrap();
    assert_eq!(
        runtime.block_on(async { spawn(async { 41 }).await.unwrap() + 1 }),
        42
    );
}

#[test]
fn a_task_runs_though_its_handle_was_dropped() {
    let runtime = pool(1);
    let flag = Flag::new();
    let theirs = Arc::clone(&flag);
    drop(runtime.handle().spawn(async move { theirs.raise() }));
    runtime.block_on(flag.raised());
}

#[test]
fn a_panic_reaches_the_join_handle_and_nobody_else() {
    let runtime = pool(1);
    let bad = runtime.handle().spawn(async { panic!("on purpose") });
    let good = runtime.handle().spawn(async { 1 });
    let error = runtime.block_on(bad).unwrap_err();
    assert_eq!(error.message(), Some("on purpose"));
    assert_eq!(runtime.block_on(good).unwrap(), 1);
}

#[test]
fn an_aborted_task_says_cancelled() {
    let runtime = pool(1);
    let task = runtime.handle().spawn(std::future::pending::<()>());
    task.abort();
    assert!(matches!(runtime.block_on(task), Err(JoinError::Cancelled)));
}

#[test]
fn tasks_spawned_by_tasks_all_run() {
    for workers in [1, 2, 4] {
        let runtime = pool(workers);
        let sum = runtime.block_on(async {
            let outer: Vec<_> = (0..100_u64)
                .map(|i| {
                    spawn(async move {
                        let inner: Vec<_> = (0..100)
                            .map(|j| spawn(async move { i * 100 + j }))
                            .collect();
                        let mut sum = 0;
                        for task in inner {
                            sum += task.await.unwrap();
                        }
                        sum
                    })
                })
                .collect();
            let mut sum = 0;
            for task in outer {
                sum += task.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, (0..10_000).sum());
    }
}

#[test]
fn stampede_of_wakes_from_foreign_threads_loses_none() {
    // The task is idle in between, so each round needs its own wake; the next round starts only
    // when the last has been seen. A lost wake-up is a hang.
    for workers in [1, 2] {
        let runtime = pool(workers);
        let tasks = 4;
        let rounds = 2_000;
        let seen: Arc<Vec<AtomicUsize>> =
            Arc::new((0..tasks).map(|_| AtomicUsize::new(0)).collect());
        let asked: Arc<Vec<AtomicUsize>> =
            Arc::new((0..tasks).map(|_| AtomicUsize::new(0)).collect());
        let wakers: Arc<Vec<std::sync::Mutex<Option<std::task::Waker>>>> =
            Arc::new((0..tasks).map(|_| std::sync::Mutex::new(None)).collect());
        let handles: Vec<_> = (0..tasks)
            .map(|i| {
                let (seen, asked, wakers) =
                    (Arc::clone(&seen), Arc::clone(&asked), Arc::clone(&wakers));
                runtime.handle().spawn(std::future::poll_fn(move |context| {
                    *wakers[i].lock().unwrap() = Some(context.waker().clone());
                    let now = asked[i].load(Ordering::SeqCst);
                    seen[i].store(now, Ordering::SeqCst);
                    if now == rounds {
                        std::task::Poll::Ready(())
                    } else {
                        std::task::Poll::Pending
                    }
                }))
            })
            .collect();
        wait_until("every task has left its waker", || {
            wakers.iter().all(|waker| waker.lock().unwrap().is_some())
        });
        thread::scope(|scope| {
            for i in 0..tasks {
                let (seen, asked, wakers) = (&seen, &asked, &wakers);
                scope.spawn(move || {
                    for round in 1..=rounds {
                        asked[i].store(round, Ordering::SeqCst);
                        let waker = wakers[i].lock().unwrap().clone();
                        waker.unwrap().wake();
                        while seen[i].load(Ordering::SeqCst) < round {
                            thread::yield_now();
                        }
                    }
                });
            }
        });
        for handle in handles {
            runtime.block_on(handle).unwrap();
        }
    }
}

#[test]
fn spawns_from_many_foreign_threads_all_run() {
    let runtime = pool(2);
    let ran = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let ran = Arc::clone(&ran);
                    drop(runtime.handle().spawn(async move {
                        yield_now().await;
                        ran.fetch_add(1, Ordering::Relaxed);
                    }));
                }
            });
        }
    });
    wait_until("all ran", || ran.load(Ordering::Relaxed) == 4_000);
}

#[test]
fn a_waker_may_outlive_its_runtime() {
    let runtime = pool(2);
    let slot = Arc::new(std::sync::Mutex::new(None));
    let theirs = Arc::clone(&slot);
    drop(runtime.handle().spawn(std::future::poll_fn(move |context| {
        *theirs.lock().unwrap() = Some(context.waker().clone());
        std::task::Poll::<()>::Pending
    })));
    wait_until("the waker is there", || slot.lock().unwrap().is_some());
    drop(runtime);
    let waker = slot.lock().unwrap().take().unwrap();
    waker.wake_by_ref();
    drop(waker.clone());
    thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn block_on_needs_no_runtime() {
    let flag = Flag::new();
    let theirs = Arc::clone(&flag);
    let thread = thread::spawn(move || theirs.raise());
    block_on(flag.raised());
    thread.join().unwrap();
    // Also inside another, as a future's destructor might.
    assert_eq!(block_on(async { block_on(async { 1 }) + 1 }), 2);
}

#[test]
fn block_on_works_from_many_threads_at_once() {
    let runtime = pool(2);
    thread::scope(|scope| {
        for i in 0..8 {
            let runtime = &runtime;
            scope.spawn(move || {
                let double = runtime.block_on(async move { spawn(async move { 2 * i }).await });
                assert_eq!(double.unwrap(), 2 * i);
            });
        }
    });
}

#[test]
fn block_on_inside_a_task_panics_and_says_why() {
    let runtime = pool(1);
    let error = runtime
        .block_on(async { spawn(async { block_on(async {}) }).await })
        .unwrap_err();
    assert!(
        error
            .message()
            .unwrap()
            .contains("Await the future instead"),
        "{error}"
    );
    let other = Arc::new(pool(1));
    let theirs = Arc::clone(&other);
    let task = runtime
        .handle()
        .spawn(async move { theirs.block_on(async {}) });
    let error = runtime.block_on(task).unwrap_err();
    assert!(
        error
            .message()
            .unwrap()
            .contains("Await the future instead"),
        "{error}"
    );
}

#[test]
fn an_idle_runtime_makes_no_turns() {
    let runtime = pool(2);
    let waiting = runtime.handle().spawn(std::future::pending::<()>());
    wait_until("the task has had its turn", || {
        runtime.handle().metrics().polls > 0
    });
    wait_until("everybody sleeps", || {
        let before = runtime.handle().metrics();
        thread::sleep(std::time::Duration::from_millis(20));
        before == runtime.handle().metrics()
    });
    let before = runtime.handle().metrics();
    thread::sleep(std::time::Duration::from_millis(200));
    // Neither turns nor sleeps that ended and began again.
    assert_eq!(runtime.handle().metrics(), before);
    drop(waiting);
}

#[test]
fn metrics_count_what_began_and_ended() {
    let runtime = pool(2);
    runtime.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|_| spawn(async { yield_now().await }))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    wait_until("all have ended", || {
        runtime.handle().metrics().finished == 100
    });
    let metrics = runtime.handle().metrics();
    assert_eq!(
        (metrics.spawned, metrics.alive(), metrics.workers),
        (100, 0, 2)
    );
    assert!(metrics.polls >= 200);
}

#[test]
fn a_claim_that_fails_leaves_no_trace_and_one_that_is_dropped_costs_a_turn() {
    let runtime = Runtime::simulated(1);
    let turns = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&turns);
    let task = runtime.handle().spawn(std::future::poll_fn(move |_| {
        theirs.fetch_add(1, Ordering::Relaxed);
        Poll::<()>::Pending
    }));
    let task = runtime.handle().lookup(task.id()).unwrap();
    let simulation = runtime.simulation().unwrap();
    assert!(task.view().claim().is_none(), "it is queued");
    assert_eq!(simulation.run_until_idle(), 1);
    let claimed = task.view().claim().unwrap();
    assert!(task.view().claim().is_none(), "it is claimed");
    task.view().wake();
    assert_eq!(simulation.run_until_idle(), 0, "whoever claimed it has it");
    drop(claimed);
    assert_eq!(simulation.run_until_idle(), 1);
    assert_eq!(turns.load(Ordering::Relaxed), 2);
}
