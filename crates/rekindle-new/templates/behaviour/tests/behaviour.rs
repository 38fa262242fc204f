//! A user of the behaviour, in virtual time: nothing here waits for a real clock. Each test runs in
//! ten orders, each of which follows from a seed; a failure says which seed it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rekindle::testkit::Test;
use rekindle::{
    ExitReason, StartError, Stop, Supervisor, exit, is_alive, recent_crashes, sys,
};

use {{name}}::{Handle, {{Name}}};

/// Counts how often it worked, and fails at the fourth time.
struct Counts(Arc<AtomicU32>);

impl {{Name}} for Counts {
    type Args = Option<Arc<AtomicU32>>;
    const PAUSE: Duration = Duration::from_secs(1);

    async fn init(count: Self::Args) -> Result<Self, ExitReason> {
        count
            .map(Counts)
            .ok_or_else(|| ExitReason::msg("nowhere to count"))
    }

    async fn work(&mut self) -> Result<(), ExitReason> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            3 => Err(ExitReason::msg("four is too much")),
            _ => Ok(()),
        }
    }
}

fn count() -> (Arc<AtomicU32>, impl Fn() -> u32) {
    let count = Arc::new(AtomicU32::new(0));
    let seen = count.clone();
    (count, move || seen.load(Ordering::Relaxed))
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[rekindle::test(simulated)]
async fn it_works_after_each_pause_and_when_it_is_told(t: &mut Test) {
    let (counter, counted) = count();
    let handle = Counts::start_link(Some(counter)).await.unwrap();
    t.advance(millis(1_500)).await;
    assert_eq!(counted(), 1);
    handle.now();
    t.settle().await;
    assert_eq!(counted(), 2);
}

#[rekindle::test(simulated)]
async fn a_start_says_why_it_failed() {
    let failed = Counts::start_link(None).await.unwrap_err();
    let reason = ExitReason::msg("nowhere to count");
    assert_eq!(failed, StartError::Failed(reason));
}

#[rekindle::test(simulated)]
async fn it_is_suspended_resumed_and_stopped(t: &mut Test) {
    let (counter, counted) = count();
    let handle = Counts::start_link(Some(counter)).await.unwrap();
    sys::suspend(handle.pid()).await.unwrap();
    t.advance(millis(10_000)).await;
    assert_eq!(counted(), 0);
    sys::resume(handle.pid()).await.unwrap();
    t.advance(millis(1_500)).await;
    assert_eq!(counted(), 1);
    Stop::new(handle.pid()).await.unwrap();
    assert!(!is_alive(handle.pid()));
}

#[rekindle::test(simulated)]
async fn a_supervisor_starts_it_again(t: &mut Test) {
    let (counter, counted) = count();
    let child = Counts::child(Some(counter));
    let tree = Supervisor::one_for_one().child(child);
    let tree = t.start_supervised(tree).await;
    t.advance(millis(4_500)).await;
    assert_eq!(counted(), 4);
    let crash = recent_crashes().pop().expect("the fourth was too much");
    assert_eq!(crash.last_message.as_deref(), Some("the pause is over"));
    t.advance(millis(1_000)).await;
    assert_eq!(counted(), 5);

    let started = tree.start_child(Counts::child(None).id("two")).await;
    assert!(started.is_err());
    let (other, _) = count();
    let third = Counts::child(Some(other)).id("three");
    let started = tree.start_child(third).await.unwrap();
    let handle: &Handle = started.info().expect("what the start gave");
    exit(handle.pid(), ExitReason::Kill);
    tree.stop().await.unwrap();
}
