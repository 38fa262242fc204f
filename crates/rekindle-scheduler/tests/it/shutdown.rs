//! The end of a runtime: every thread joined, every task cancelled, nothing left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rekindle_scheduler::{Handle, JoinError, Runtime, TimerAction, sleep, spawn, yield_now};

use crate::support::{Alive, Flag, listen, logged, pool, wait_until};

/// Tasks of every kind, each with a witness that it is dropped.
fn populate(handle: &Handle, alive: &Alive) {
    for i in 0..20 {
        let alive = alive.clone();
        drop(handle.spawn(async move {
            let _alive = alive;
            match i % 5 {
                0 => std::future::pending().await,
                1 => loop {
                    yield_now().await;
                },
                2 => sleep(Duration::from_secs(3600)).await,
                3 => loop {
                    sleep(Duration::from_millis(1)).await;
                },
                _ => {
                    let child = _alive.clone();
                    let _done = spawn(async move {
                        let _child = child;
                        std::future::pending::<()>().await;
                    })
                    .await;
                }
            }
        }));
    }
}

#[test]
fn shutdown_from_outside_cancels_every_task_many_times() {
    for round in 0..150 {
        let (alive, count) = Alive::counter();
        let runtime = pool(1 + round % 3);
        populate(runtime.handle(), &alive);
        thread::sleep(Duration::from_micros(20 * (round as u64 % 50)));
        runtime.shutdown();
        assert_eq!(count.load(Ordering::SeqCst), 1, "round {round}");
    }
}

#[test]
fn shutdown_from_inside_cancels_every_task_many_times() {
    for round in 0..100 {
        let (alive, count) = Alive::counter();
        let runtime = pool(1 + round % 3);
        let handle = runtime.handle().clone();
        populate(&handle, &alive);
        drop(handle.spawn(async move {
            for _ in 0..round {
                yield_now().await;
            }
            drop(runtime);
        }));
        drop(alive);
        wait_until("every task is gone", || count.load(Ordering::SeqCst) == 0);
        assert!(handle.is_shut_down());
    }
}

#[test]
fn shutdown_against_spawns_and_wakes_from_foreign_threads() {
    for round in 0..100 {
        let (alive, count) = Alive::counter();
        let runtime = pool(2);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                let handle = runtime.handle().clone();
                let (alive, stop) = (&alive, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let alive = alive.clone();
                        let task = handle.spawn(async move {
                            let _alive = alive;
                            std::future::pending::<()>().await;
                        });
                        handle.start_timer(
                            handle.now(),
                            TimerAction::Task(handle.lookup(task.id()).unwrap_or_else(|| {
                                // Cancelled already: any task will do.
                                handle
                                    .tasks(0, 1)
                                    .0
                                    .pop()
                                    .unwrap_or_else(|| task_ref_of_nobody(&handle))
                            })),
                        );
                    }
                });
            }
            thread::sleep(Duration::from_micros(10 * round));
            runtime.shutdown();
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(count.load(Ordering::SeqCst), 1, "round {round}");
    }
}

/// A reference on a task that has ended.
fn task_ref_of_nobody(handle: &Handle) -> rekindle_scheduler::TaskRef {
    struct Nobody;
    impl rekindle_scheduler::Host for Nobody {
        type Output = ();
        fn poll<F: Future<Output = ()>>(
            &self,
            _: rekindle_scheduler::Body<'_, F>,
            _: &mut rekindle_scheduler::Turn<'_>,
        ) -> std::task::Poll<()> {
            std::task::Poll::Ready(())
        }
        fn cancel<F: Future<Output = ()>>(
            &self,
            _: rekindle_scheduler::Body<'_, F>,
            _: &mut rekindle_scheduler::Turn<'_>,
        ) {
        }
        fn undelivered(&self, _: rekindle_scheduler::NodePtr) {}
        fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("nobody")
        }
    }
    handle.spawn_with(Nobody, async {}, |view| view.to_ref())
}

#[test]
fn a_task_spawned_after_shutdown_is_cancelled_at_once() {
    for runtime in [pool(1), Runtime::simulated(1)] {
        let handle = runtime.handle().clone();
        runtime.shutdown();
        let (alive, count) = Alive::counter();
        let task = handle.spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        assert_eq!(count.load(Ordering::SeqCst), 0);
        assert!(task.is_finished());
        let joined = rekindle_scheduler::block_on(task);
        assert!(matches!(joined, Err(JoinError::Cancelled)));
    }
}

#[test]
fn a_timer_started_after_shutdown_is_dropped() {
    let runtime = pool(1);
    let handle = runtime.handle().clone();
    runtime.shutdown();
    let (alive, count) = Alive::counter();
    let key = handle.start_timer(
        handle.now(),
        TimerAction::Run(Box::new(move || drop(alive))),
    );
    assert_eq!(count.load(Ordering::SeqCst), 0);
    assert_eq!(handle.cancel_timer(key), None);
    assert_eq!(handle.read_timer(key), None);
}

#[test]
fn a_turn_in_progress_is_waited_for() {
    let runtime = pool(1);
    let begun = Flag::new();
    let ended = Arc::new(AtomicBool::new(false));
    let (their_begun, their_ended) = (Arc::clone(&begun), Arc::clone(&ended));
    drop(runtime.handle().spawn(async move {
        their_begun.raise();
        thread::sleep(Duration::from_millis(50));
        their_ended.store(true, Ordering::SeqCst);
    }));
    runtime.block_on(begun.raised());
    drop(runtime);
    assert!(ended.load(Ordering::SeqCst));
}

#[test]
fn a_turn_that_blocks_on_another_task_does_not_hold_shutdown_up() {
    // The blocked turn ends when the other task's future, and with it the sender, is dropped.
    for _ in 0..20 {
        let runtime = pool(1);
        let begun = Flag::new();
        let their_begun = Arc::clone(&begun);
        drop(runtime.handle().spawn(async move {
            let (sender, receiver) = std::sync::mpsc::channel::<()>();
            drop(spawn(async move {
                std::future::pending::<()>().await;
                drop(sender);
            }));
            their_begun.raise();
            let _disconnected = receiver.recv();
        }));
        runtime.block_on(begun.raised());
        drop(runtime);
    }
}

#[test]
fn cancelled_tasks_that_wake_each_other_are_cancelled_without_recursion() {
    struct WakesNext(Arc<Flag>);
    impl Drop for WakesNext {
        fn drop(&mut self) {
            self.0.raise();
        }
    }
    let runtime = pool(1);
    let flags: Vec<_> = (0..20_000).map(|_| Flag::new()).collect();
    let started = Arc::new(AtomicUsize::new(0));
    for pair in flags.windows(2) {
        let (own, next) = (Arc::clone(&pair[0]), WakesNext(Arc::clone(&pair[1])));
        let started = Arc::clone(&started);
        drop(runtime.handle().spawn(async move {
            let _next = next;
            started.fetch_add(1, Ordering::Relaxed);
            own.raised().await;
        }));
    }
    wait_until("all wait", || {
        started.load(Ordering::Relaxed) == flags.len() - 1
    });
    drop(runtime);
}

#[test]
fn two_runtimes_may_be_dropped_in_each_others_tasks() {
    let one = pool(1);
    let two = pool(1);
    let (one_handle, two_handle) = (one.handle().clone(), two.handle().clone());
    let done = Flag::new();
    let theirs = Arc::clone(&done);
    drop(two_handle.spawn(async move {
        drop(one);
        theirs.raise();
    }));
    rekindle_scheduler::block_on(done.raised());
    assert!(one_handle.is_shut_down());
    two.shutdown();
}

#[test]
fn handles_kept_inside_a_runtimes_own_tasks_do_not_keep_it() {
    let (alive, count) = Alive::counter();
    let runtime = pool(2);
    let handle = runtime.handle().clone();
    let slot = Arc::new(std::sync::Mutex::new(None));
    let theirs = Arc::clone(&slot);
    let first = runtime.handle().spawn(async move {
        let _alive = (alive, handle, theirs);
        std::future::pending::<()>().await;
    });
    // A cycle: the task owns the place that owns its own handle.
    *slot.lock().unwrap() = Some(first);
    drop(slot);
    drop(runtime);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn a_runtime_that_never_ran_anything_ends() {
    for _ in 0..200 {
        drop(pool(2));
        drop(Runtime::simulated(0));
    }
}

#[test]
fn a_spawn_after_shutdown_is_complained_of_once() {
    listen();
    let runtime = pool(1);
    let handle = runtime.handle().clone();
    drop(runtime);
    let here = format!("shutdown.rs:{}:", line!() + 2);
    for _ in 0..3 {
        drop(handle.spawn(async {}));
    }
    let lines = logged(&here);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_runtime_dropped_by_its_own_task_says_so() {
    listen();
    let runtime = pool(1);
    let handle = runtime.handle().clone();
    drop(handle.spawn(async move { drop(runtime) }));
    wait_until("the log says so", || {
        !logged("by one of its own tasks").is_empty()
    });
}
