//! `blocking`, through a runtime.

use std::thread;

use rekindle_scheduler::{BlockingError, Handle, Runtime, blocking, spawn};

use crate::support::pool;

#[test]
fn a_blocking_call_runs_elsewhere_with_its_runtime_current() {
    let runtime = pool(1);
    let here = runtime.handle().runtime_id();
    let (thread, id) = runtime.block_on(async {
        let worker = spawn(async { thread::current().id() }).await.unwrap();
        let call = blocking(|| (thread::current().id(), Handle::current().runtime_id()));
        let (thread, id) = call.await.unwrap();
        (thread != worker, id)
    });
    assert!(thread);
    assert_eq!(id, here);
}

#[test]
fn a_blocking_call_that_panics_says_so() {
    let runtime = pool(1);
    let result = runtime.block_on(runtime.handle().blocking(|| panic!("on purpose")));
    assert_eq!(
        result,
        Err::<(), _>(BlockingError::Panicked("on purpose".to_owned()))
    );
}

#[test]
fn a_blocking_call_after_shutdown_is_not_begun() {
    for runtime in [pool(1), Runtime::simulated(3)] {
        let handle = runtime.handle().clone();
        drop(runtime);
        let call = handle.blocking(|| unreachable!("the runtime is gone"));
        assert_eq!(
            rekindle_scheduler::block_on(call),
            Err::<(), _>(BlockingError::Shutdown)
        );
    }
}

#[test]
fn a_runtime_may_be_dropped_by_a_blocking_call() {
    let runtime = pool(1);
    let handle = runtime.handle().clone();
    let call = handle.blocking(move || drop(runtime));
    rekindle_scheduler::block_on(call).unwrap();
    assert!(handle.is_shut_down());
}

#[test]
fn a_blocking_call_may_wait_for_tasks() {
    let runtime = pool(1);
    let sum = runtime.block_on(async {
        blocking(|| rekindle_scheduler::block_on(spawn(async { 5 })).unwrap() + 1).await
    });
    assert_eq!(sum, Ok(6));
}
