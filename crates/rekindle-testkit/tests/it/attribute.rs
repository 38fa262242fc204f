//! `#[rekindle::test]`: bodies, values, options.

use std::time::Duration;

use rekindle::prelude::*;
use rekindle::testkit::{Test, assert_receive};

#[rekindle::test]
async fn a_body_is_a_process() {
    assert!(is_alive(self_pid()));
}

#[rekindle::test(workers = 1)]
async fn a_body_may_take_the_test_by_reference(t: &mut Test) {
    assert_eq!(t.pid(), self_pid());
    assert!(!t.is_simulated());
}

#[rekindle::test(simulated)]
async fn a_body_may_take_the_test_by_value(mut t: Test<u32>) -> Result<(), String> {
    let to = t.recipient();
    spawn(async move { to.send(7) });
    let n = assert_receive!(t, n if n > 6 => n);
    if n == 7 { Ok(()) } else { Err(format!("{n}")) }
}

#[rekindle::test(simulated, seeds = 3, seed = 40)]
async fn seeds_begin_where_they_are_told(t: &mut Test) {
    assert!((40..43).contains(&t.seed()));
}

#[rekindle::test(simulated, strategy = pct(depth = 2, steps = 100))]
async fn time_is_virtual(t: &mut Test) {
    let before = t.now();
    t.advance(Duration::from_secs(365 * 86_400)).await;
    assert_eq!(t.now() - before, Duration::from_secs(365 * 86_400));
}

#[rekindle::test(simulated)]
#[should_panic(expected = "on purpose")]
async fn a_failing_body_fails_the_test() {
    panic!("on purpose");
}

#[rekindle::test]
#[should_panic(expected = "the test returned an error: \"no luck\"")]
async fn an_error_fails_the_test() -> Result<(), String> {
    Err("no luck".to_owned())
}

#[rekindle::test]
#[ignore = "it would fail"]
async fn an_ignored_test_does_not_run() {
    panic!("it ran");
}

#[rekindle::test]
#[should_panic(expected = "the test's process was ended: killed")]
async fn a_body_that_is_killed_fails_the_test() {
    exit(self_pid(), ExitReason::Kill);
    std::future::pending::<()>().await;
}
