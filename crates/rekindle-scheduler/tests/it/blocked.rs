//! A task that blocks its worker holds nobody else up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rekindle_scheduler::{Runtime, TimerAction, sleep, spawn, yield_now};

use crate::support::{Flag, HANG, listen, logged, pool, wait_until};

/// Blocks until somebody sends, as a careless task would.
fn block(receiver: &mpsc::Receiver<()>) {
    receiver
        .recv_timeout(HANG)
        .expect("the others went on while this task blocked");
}

#[test]
fn a_blocked_worker_does_not_hold_back_the_others_on_one_worker() {
    let runtime = pool(1);
    let finished = Arc::new(AtomicBool::new(false));
    let counted = Arc::new(AtomicUsize::new(0));
    let (their_finished, their_counted) = (Arc::clone(&finished), Arc::clone(&counted));
    let (asleep, counts) = (Flag::new(), Arc::clone(&counted));
    let seen = runtime.block_on(async {
        let sleeper = spawn({
            let asleep = Arc::clone(&asleep);
            async move {
                asleep.raise();
                thread::sleep(Duration::from_millis(300));
                their_finished.store(true, Ordering::SeqCst);
                // What the others had got done by then.
                their_counted.load(Ordering::SeqCst)
            }
        });
        let counter = spawn(async move {
            while !finished.load(Ordering::SeqCst) {
                counts.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
            }
        });
        let seen = sleeper.await.unwrap();
        counter.await.unwrap();
        seen
    });
    assert!(seen > 0, "the counter did not run while the other slept");
}

/// A stuck worker does not know that its seat is gone: what its task spawns then is in a queue of
/// which nobody knows, until the worker gives it away.
#[test]
fn what_a_stuck_task_spawns_once_the_seat_is_lost_runs_elsewhere() {
    let runtime = pool(1);
    let stuck = runtime.handle().spawn(async {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..3 {
            let sender = sender.clone();
            drop(spawn(async move { sender.send(()).unwrap() }));
            // With the first one the seat went to another thread.
            block(&receiver);
        }
    });
    runtime.block_on(stuck).unwrap();
}

#[test]
fn a_task_that_waits_for_one_behind_it_gets_on() {
    // The one behind it lies in the queue, or in the slot, or comes from outside: each by itself.
    let runtime = pool(1);
    let (sender, receiver) = mpsc::channel();
    let queued = runtime.handle().spawn(async move {
        drop(spawn(async move { sender.send(()).unwrap() }));
        block(&receiver);
    });
    runtime.block_on(queued).unwrap();

    let (sender, receiver) = mpsc::channel();
    let flag = Flag::new();
    let theirs = Arc::clone(&flag);
    let woken = runtime.handle().spawn(async move {
        theirs.raised().await;
        sender.send(()).unwrap();
    });
    let slot = runtime.handle().spawn(async move {
        // Let the other get to its wait first.
        yield_now().await;
        flag.raise();
        block(&receiver);
    });
    runtime.block_on(slot).unwrap();
    runtime.block_on(woken).unwrap();

    let (sender, receiver) = mpsc::channel();
    let begun = Flag::new();
    let theirs = Arc::clone(&begun);
    let blocked = runtime.handle().spawn(async move {
        theirs.raise();
        block(&receiver);
    });
    runtime.block_on(begun.raised());
    drop(
        runtime
            .handle()
            .spawn(async move { sender.send(()).unwrap() }),
    );
    runtime.block_on(blocked).unwrap();
}

#[test]
fn a_blocked_task_may_go_on_waking_and_spawning() {
    // After the seat is lost the thread still pushes; nothing of it may be lost.
    let runtime = pool(1);
    let task = runtime.handle().spawn(async {
        for _ in 0..10 {
            let (sender, receiver) = mpsc::channel();
            let (flag, ready) = (Flag::new(), Flag::new());
            let (their_flag, their_ready) = (Arc::clone(&flag), Arc::clone(&ready));
            let back = sender.clone();
            drop(spawn(async move {
                their_ready.raise();
                back.send(()).unwrap();
                their_flag.raised().await;
                back.send(()).unwrap();
            }));
            block(&receiver);
            flag.raise();
            block(&receiver);
        }
    });
    runtime.block_on(task).unwrap();
}

#[test]
fn timers_of_a_blocked_worker_fire() {
    let runtime = pool(1);
    let handle = runtime.handle().clone();
    let task = runtime.handle().spawn(async move {
        let (sender, receiver) = mpsc::channel();
        let deadline = handle.now() + Duration::from_millis(1);
        let action = Box::new(move || sender.send(()).unwrap());
        handle.start_timer(deadline, TimerAction::Run(action));
        block(&receiver);
        // Started by a thread whose seat is another's by now.
        let (sender, receiver) = mpsc::channel();
        let deadline = handle.now() + Duration::from_millis(1);
        let action = Box::new(move || sender.send(()).unwrap());
        handle.start_timer(deadline, TimerAction::Run(action));
        block(&receiver);
    });
    runtime.block_on(task).unwrap();
}

#[test]
fn all_workers_blocked_at_once_hold_nobody_up() {
    for workers in [1, 2, 3] {
        let runtime = pool(workers);
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(std::sync::Mutex::new(receiver));
        let begun = Arc::new(AtomicUsize::new(0));
        let blocked: Vec<_> = (0..workers)
            .map(|_| {
                let (receiver, begun) = (Arc::clone(&receiver), Arc::clone(&begun));
                runtime.handle().spawn(async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    block(&receiver.lock().unwrap());
                })
            })
            .collect();
        wait_until("all block", || begun.load(Ordering::SeqCst) == workers);
        let helper = runtime.handle().spawn(async move {
            sleep(Duration::from_millis(1)).await;
            for _ in 0..workers {
                sender.send(()).unwrap();
            }
        });
        runtime.block_on(helper).unwrap();
        for task in blocked {
            runtime.block_on(task).unwrap();
        }
    }
}

#[test]
fn threads_without_a_seat_are_used_again() {
    let runtime = pool(1);
    for _ in 0..30 {
        let task = runtime.handle().spawn(async {
            let (sender, receiver) = mpsc::channel();
            drop(spawn(async move { sender.send(()).unwrap() }));
            block(&receiver);
        });
        runtime.block_on(task).unwrap();
    }
    let metrics = runtime.handle().metrics();
    assert!(metrics.retired >= 30, "{metrics:?}");
    assert!(metrics.worker_threads <= 4, "{metrics:?}");
}

#[test]
fn every_task_runs_once_though_workers_lose_their_seats_all_the_time() {
    // Turns as long as the limit, so that they end while the monitor is about to act.
    let runtime = rekindle_scheduler::Builder::new()
        .workers(2)
        .stuck_after(Duration::from_millis(1))
        .start()
        .unwrap();
    let ran: Arc<Vec<AtomicUsize>> = Arc::new((0..3_000).map(|_| AtomicUsize::new(0)).collect());
    let tasks: Vec<_> = (0..30)
        .map(|i| {
            let ran = Arc::clone(&ran);
            runtime.handle().spawn(async move {
                let children: Vec<_> = (0..100)
                    .map(|j| {
                        let ran = Arc::clone(&ran);
                        spawn(async move {
                            yield_now().await;
                            ran[i * 100 + j].fetch_add(1, Ordering::SeqCst);
                        })
                    })
                    .collect();
                thread::sleep(Duration::from_micros(1_500 + 100 * (i as u64 % 10)));
                for child in children {
                    child.await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    assert!(ran.iter().all(|runs| runs.load(Ordering::SeqCst) == 1));
}

#[test]
fn a_blocked_task_of_a_dropped_runtime_is_waited_for() {
    let runtime = Runtime::new().unwrap();
    let begun = Flag::new();
    let theirs = Arc::clone(&begun);
    let task = runtime.handle().spawn(async move {
        theirs.raise();
        thread::sleep(Duration::from_millis(40));
        7
    });
    runtime.block_on(begun.raised());
    drop(runtime);
    assert_eq!(rekindle_scheduler::block_on(task).unwrap(), 7);
}

#[test]
fn the_log_names_a_task_that_blocks_once_per_turn() {
    listen();
    let runtime = pool(1);
    let here = format!("blocked.rs:{}:", line!() + 1);
    let task = runtime.handle().spawn(async {
        thread::sleep(Duration::from_millis(150));
    });
    runtime.block_on(task).unwrap();
    let lines = logged(&here);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("WARN") && lines[0].contains("worker 0"),
        "{lines:?}"
    );
}
