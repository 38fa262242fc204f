//! Timers fire, never early, whoever is busy or asleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rekindle_scheduler::{TimerAction, sleep, spawn, yield_now};

use crate::support::{HANG, pool};

#[test]
fn a_sleep_is_never_over_early() {
    let runtime = pool(2);
    runtime.block_on(async {
        let handle = rekindle_scheduler::Handle::current();
        let tasks: Vec<_> = (0..50)
            .map(|i| {
                let handle = handle.clone();
                spawn(async move {
                    let length = Duration::from_micros(300 * i);
                    let due = handle.now() + length;
                    sleep(length).await;
                    assert!(handle.now() >= due);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn timers_fire_while_all_workers_are_busy() {
    for workers in [1, 2] {
        let runtime = pool(workers);
        let stop = Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..2 * workers)
            .map(|_| {
                let stop = Arc::clone(&stop);
                runtime.handle().spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let timed = runtime.handle().spawn(async {
            for _ in 0..20 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        runtime.block_on(timed).unwrap();
        stop.store(true, Ordering::Relaxed);
        for task in busy {
            runtime.block_on(task).unwrap();
        }
    }
}

#[test]
fn a_timer_from_outside_wakes_a_runtime_that_sleeps() {
    let runtime = pool(2);
    let handle = runtime.handle();
    for length in [50, 1, 5, 1] {
        // Let everybody fall asleep first, with a later timer on every wheel.
        for _ in 0..8 {
            let far = handle.now() + Duration::from_secs(3600);
            handle.start_timer(far, TimerAction::Run(Box::new(|| {})));
        }
        thread::sleep(Duration::from_millis(20));
        let (sender, receiver) = mpsc::channel();
        let deadline = handle.now() + Duration::from_millis(length);
        let action = Box::new(move || sender.send(()).unwrap());
        handle.start_timer(deadline, TimerAction::Run(action));
        receiver.recv_timeout(HANG).expect("the timer fires");
    }
}

#[test]
fn a_cancelled_timer_does_not_fire_and_says_what_was_left() {
    let runtime = pool(1);
    let handle = runtime.handle();
    let hour = Duration::from_secs(3600);
    let never = Box::new(|| panic!("cancelled"));
    let key = handle.start_timer(handle.now() + hour, TimerAction::Run(never));
    let left = handle.read_timer(key).unwrap();
    assert!(left <= hour && left > hour / 2);
    assert!(handle.cancel_timer(key).unwrap() <= left);
    assert_eq!(handle.cancel_timer(key), None);
    assert_eq!(handle.metrics().timers, 0);
}

#[test]
fn a_timer_whose_function_panics_or_blocks_harms_no_other() {
    let runtime = pool(1);
    let handle = runtime.handle();
    let (sender, receiver) = mpsc::channel();
    let due = handle.now();
    handle.start_timer(due, TimerAction::Run(Box::new(|| panic!("on purpose"))));
    let (unblock, blocked) = mpsc::channel();
    handle.start_timer(
        due,
        TimerAction::Run(Box::new(move || blocked.recv_timeout(HANG).unwrap())),
    );
    handle.start_timer(
        due,
        TimerAction::Run(Box::new(move || {
            unblock.send(()).unwrap();
            sender.send(()).unwrap();
        })),
    );
    receiver.recv_timeout(HANG).expect("the others fire");
}

#[test]
fn a_thousand_timeouts_that_do_not_come_leave_nothing_behind() {
    let runtime = pool(1);
    let task = runtime.handle().spawn(async {
        for _ in 0..1_000 {
            let mut timeout = std::pin::pin!(sleep(Duration::from_secs(5)));
            std::future::poll_fn(|context| {
                assert!(timeout.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        }
    });
    runtime.block_on(task).unwrap();
    assert_eq!(runtime.handle().metrics().timers, 0);
}
