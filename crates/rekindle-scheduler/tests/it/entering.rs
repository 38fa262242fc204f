//! Which runtime is current.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use rekindle_scheduler::{Builder, Handle, Runtime, running, spawn, with_handle};

use crate::support::pool;

#[test]
fn there_is_a_current_runtime_only_where_one_was_entered() {
    assert!(Handle::try_current().is_none());
    let (one, two) = (Runtime::simulated(1), Runtime::simulated(2));
    let first = one.handle().enter();
    assert!(Handle::current().is_same(one.handle()));
    {
        let _second = two.handle().enter();
        assert!(Handle::current().is_same(two.handle()));
    }
    assert!(Handle::current().is_same(one.handle()));
    drop(first);
    assert!(Handle::try_current().is_none());
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let (one, two) = (Runtime::simulated(1), Runtime::simulated(2));
    let first = one.handle().enter();
    let second = two.handle().enter();
    drop(first);
    assert!(Handle::current().is_same(two.handle()));
    drop(second);
    assert!(Handle::try_current().is_none());
}

#[test]
fn a_forgotten_guard_leaves_its_runtime_current_and_usable() {
    thread::spawn(|| {
        let runtime = pool(1);
        std::mem::forget(runtime.handle().enter());
        drop(runtime);
        with_handle(|handle| assert!(handle.unwrap().is_shut_down()));
    })
    .join()
    .unwrap();
}

#[test]
#[should_panic(expected = "there is no current runtime")]
fn spawning_outside_a_runtime_panics_and_says_so() {
    drop(spawn(async {}));
}

#[test]
fn a_task_sees_itself_and_its_runtime() {
    let runtime = pool(1);
    assert!(running(|task| task.is_none()));
    let task = runtime.handle().spawn(async {
        (
            running(|task| task.unwrap().id()),
            Handle::current().runtime_id(),
        )
    });
    let id = task.id();
    assert_eq!(
        runtime.block_on(task).unwrap(),
        (id, runtime.handle().runtime_id())
    );
}

/// A waker takes a task to the workers of its own runtime, whosever worker calls it, by reference or by value.
#[test]
fn a_task_that_another_runtime_wakes_stays_at_home() {
    let (home, elsewhere) = (pool(1), pool(1));
    let at = || (Handle::current().runtime_id(), thread::current().id());
    for by_value in [false, true] {
        let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
        let lent = slot.clone();
        let sleeper = home.handle().spawn(async move {
            let before = at();
            let mut waits = true;
            poll_fn(|cx| {
                if std::mem::take(&mut waits) {
                    *lent.lock().unwrap() = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            (before, at())
        });
        let waker = loop {
            match slot.lock().unwrap().take() {
                Some(waker) => break waker,
                None => thread::yield_now(),
            }
        };
        let waking = elsewhere.handle().spawn(async move {
            if by_value {
                waker.wake();
            } else {
                waker.wake_by_ref();
            }
            at()
        });
        let waking = elsewhere.block_on(waking).unwrap();
        let (before, after) = home.block_on(sleeper).unwrap();
        assert_eq!(before, after, "by value: {by_value}");
        assert_ne!(waking.0, after.0);
        assert_ne!(waking.1, after.1);
    }
}

#[test]
fn an_extension_is_found_by_its_type() {
    let runtime = Builder::new().extension(Arc::new(7_u8)).simulated(0);
    assert_eq!(runtime.handle().extension::<u8>(), Some(&7));
    assert_eq!(runtime.handle().extension::<u16>(), None);
}

#[test]
fn settings_that_make_no_sense_are_refused_with_a_text() {
    let error = Builder::new().workers(0).start().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("at least one worker"));
    let error = Builder::new()
        .workers(2)
        .max_threads(1)
        .start()
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn hooks_run_on_every_worker() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (up, down) = (Arc::clone(&counts), Arc::clone(&counts));
    let runtime = Builder::new()
        .workers(3)
        .on_worker_start(move || {
            assert!(Handle::try_current().is_some());
            up[0].fetch_add(1, Ordering::SeqCst);
        })
        .on_worker_stop(move || {
            down[1].fetch_add(1, Ordering::SeqCst);
        })
        .start()
        .unwrap();
    runtime.shutdown();
    assert_eq!(counts[0].load(Ordering::SeqCst), 3);
    assert_eq!(counts[1].load(Ordering::SeqCst), 3);
}

#[test]
fn every_thread_lives_inside_of_what_it_is_wrapped_in() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });
    let left = Arc::new(AtomicUsize::new(0));
    let leaving = Arc::clone(&left);
    let runtime = Builder::new()
        .workers(2)
        .on_worker_start(|| assert!(INSIDE.get()))
        .around_threads(move |life| {
            INSIDE.set(true);
            life();
            INSIDE.set(false);
            leaving.fetch_add(1, Ordering::SeqCst);
        })
        .start()
        .unwrap();
    let handle = runtime.handle().clone();
    let (own, task, call) = runtime.block_on(async move {
        let task = handle.spawn(async { INSIDE.get() }).await;
        let call = rekindle_scheduler::blocking(|| INSIDE.get()).await;
        (INSIDE.get(), task, call)
    });
    assert!(own);
    assert!(task.unwrap());
    assert_eq!(call, Ok(true));
    assert!(!INSIDE.get(), "this thread has its own life");
    runtime.shutdown();
    // Two workers, the blocking thread, and twice this one.
    assert_eq!(left.load(Ordering::SeqCst), 5);
}
