//! What several tests need.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use rekindle_scheduler::{Builder, Runtime};

/// Longer than anything here takes, even on a machine that does ten other things.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// A runtime with so many workers.
pub(crate) fn pool(workers: usize) -> Runtime {
    Builder::new()
        .workers(workers)
        .start()
        .expect("the system gives a few threads")
}

/// Waits until the condition holds.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < HANG, "still not: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Counts how many of its clones are alive.
#[derive(Debug)]
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Alive {
    pub(crate) fn counter() -> (Alive, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(1));
        (Alive(Arc::clone(&count)), count)
    }
}

impl Clone for Alive {
    fn clone(&self) -> Alive {
        self.0.fetch_add(1, Ordering::SeqCst);
        Alive(Arc::clone(&self.0))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A place where two sides can wait for each other.
#[derive(Debug, Default)]
pub(crate) struct Flag(std::sync::Mutex<State>);

#[derive(Debug, Default)]
struct State {
    raised: bool,
    waiting: Vec<std::task::Waker>,
}

impl Flag {
    pub(crate) fn new() -> Arc<Flag> {
        Arc::default()
    }

    pub(crate) fn raise(&self) {
        let waiting = {
            let mut state = self.0.lock().unwrap();
            state.raised = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(std::task::Waker::wake);
    }

    pub(crate) async fn raised(&self) {
        std::future::poll_fn(|context| {
            let mut state = self.0.lock().unwrap();
            if state.raised {
                return std::task::Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }
}

/// What was logged by anybody since the first call; the lines in which `part` occurs.
pub(crate) fn logged(part: &str) -> Vec<String> {
    listen();
    let lines = LINES.lock().unwrap();
    lines
        .iter()
        .filter(|line| line.contains(part))
        .cloned()
        .collect()
}

/// From now on keeps what is logged.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Listener).expect("nobody else sets a logger");
        log::set_max_level(log::LevelFilter::Warn);
    });
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES
            .lock()
            .unwrap()
            .push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}
