//! A user of the behaviour, in virtual time: nothing here waits for a real clock, and the same seed
//! is the same run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rekindle::{
    ExitReason, Runtime, StartError, Stop, Supervisor, exit, is_alive, recent_crashes, sleep, sys,
    trap_exit,
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

async fn millis(n: u64) {
    sleep(Duration::from_millis(n)).await;
}

#[test]
fn it_works_after_each_pause_and_when_it_is_told() {
    Runtime::simulated(1).block_on(async {
        let (counter, counted) = count();
        let handle = Counts::start_link(Some(counter)).await.unwrap();
        millis(1_500).await;
        assert_eq!(counted(), 1);
        handle.now();
        millis(1).await;
        assert_eq!(counted(), 2);
    });
}

#[test]
fn a_start_says_why_it_failed() {
    Runtime::simulated(1).block_on(async {
        let failed = Counts::start_link(None).await.unwrap_err();
        let reason = ExitReason::msg("nowhere to count");
        assert_eq!(failed, StartError::Failed(reason));
    });
}

#[test]
fn it_is_suspended_resumed_and_stopped() {
    Runtime::simulated(1).block_on(async {
        let (counter, counted) = count();
        let handle = Counts::start_link(Some(counter)).await.unwrap();
        sys::suspend(handle.pid()).await.unwrap();
        millis(10_000).await;
        assert_eq!(counted(), 0);
        sys::resume(handle.pid()).await.unwrap();
        millis(1_500).await;
        assert_eq!(counted(), 1);
        Stop::new(handle.pid()).await.unwrap();
        assert!(!is_alive(handle.pid()));
    });
}

#[test]
fn a_supervisor_starts_it_again() {
    Runtime::simulated(1).block_on(async {
        trap_exit(true);
        let (counter, counted) = count();
        let child = Counts::child(Some(counter));
        let tree = Supervisor::one_for_one().child(child).start_link().await;
        let tree = tree.unwrap();
        millis(4_500).await;
        assert_eq!(counted(), 4);
        let crash = recent_crashes().pop().expect("the fourth was too much");
        assert_eq!(crash.last_message.as_deref(), Some("the pause is over"));
        millis(1_000).await;
        assert_eq!(counted(), 5);

        let started = tree.start_child(Counts::child(None).id("two")).await;
        assert!(started.is_err());
        let (other, _) = count();
        let third = Counts::child(Some(other)).id("three");
        let started = tree.start_child(third).await.unwrap();
        let handle: &Handle = started.info().expect("what the start gave");
        exit(handle.pid(), ExitReason::Kill);
        tree.stop().await.unwrap();
    });
}
