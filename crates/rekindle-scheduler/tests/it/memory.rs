//! Uses of memory at the very end of a task or a runtime. Those that are races fail for certain
//! only under AddressSanitizer (`.ci/sanitize address`); here they run a few hundred times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use rekindle_scheduler::{Builder, TaskRef, running, yield_now};

/// A wake by value gives the task its last reference; the task ends on a worker, and the runtime
/// with it, before the wake has returned.
#[test]
fn a_wake_of_the_last_task_outlives_its_runtime() {
    for _ in 0..200 {
        let runtime = Builder::new().workers(1).start().expect("a runtime");
        // Keeps the worker awake, so that the task is run as soon as it is queued.
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        drop(runtime.handle().spawn(async move {
            while !theirs.load(Ordering::Relaxed) {
                yield_now().await;
            }
        }));
        let (give, take) = mpsc::channel::<Waker>();
        let mut first = true;
        let task = runtime.handle().spawn(std::future::poll_fn(move |cx| {
            if std::mem::take(&mut first) {
                give.send(cx.waker().clone()).expect("the thread waits");
                return Poll::Pending;
            }
            Poll::Ready(())
        }));
        let waker = thread::spawn(move || take.recv().expect("a waker").wake());
        runtime.block_on(task).expect("it ends");
        stop.store(true, Ordering::Relaxed);
        drop(runtime);
        waker.join().expect("a wake harms nobody");
    }
}

/// An output that nobody wants is dropped with its cell. By then the task is nobody's running one.
#[test]
fn an_output_that_is_dropped_with_its_task_finds_no_running_task() {
    struct Output(mpsc::Sender<bool>, Arc<Mutex<Option<TaskRef>>>);
    impl Drop for Output {
        fn drop(&mut self) {
            let found = running(|task| task.map(|task| task.to_ref()));
            let _ = self.0.send(found.is_some());
            *self.1.lock().expect("a lock") = found;
        }
    }
    let runtime = Builder::new().workers(1).start().expect("a runtime");
    let (said, heard) = mpsc::channel();
    let kept = Arc::default();
    let output = Output(said, Arc::clone(&kept));
    drop(runtime.handle().spawn(async move {
        // The handle is gone when the output comes to be.
        yield_now().await;
        output
    }));
    assert_eq!(heard.recv(), Ok(false), "the task is gone");
    drop(runtime);
    assert!(kept.lock().expect("a lock").is_none());
}
