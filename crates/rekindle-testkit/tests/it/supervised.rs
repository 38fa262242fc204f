//! Children of the test: started, stopped in reverse, restarted, linked.

use std::sync::{Arc, Mutex};

use rekindle::prelude::*;
use rekindle::testkit::{Test, TestRun};
use rekindle::{StartChildError, raise};

type Log = Arc<Mutex<Vec<String>>>;

/// A child that notes its start and its end.
fn noted(name: &'static str, log: &Log) -> ChildSpec {
    let log = Arc::clone(log);
    ChildSpec::worker(name, move || {
        let log = Arc::clone(&log);
        async move {
            log.lock().unwrap().push(format!("{name} starts"));
            spawn_link(|mut inbox: Mailbox<ExitReason>| async move {
                trap_exit(true);
                loop {
                    match inbox.next().await {
                        Info::Exit(exit) => {
                            log.lock().unwrap().push(format!("{name} stops"));
                            raise(exit.reason)
                        }
                        Info::Message(reason) => raise(reason),
                        _ => {}
                    }
                }
            })
        }
    })
}

fn log() -> Log {
    Log::default()
}

#[test]
fn children_are_stopped_in_reverse_before_the_test_ends() {
    let noted_by_both = log();
    let log = Arc::clone(&noted_by_both);
    let explored = TestRun::new("it").seeds(5).explore(move |mut t: Test| {
        let log = Arc::clone(&log);
        async move {
            log.lock().unwrap().clear();
            t.start_supervised(noted("a", &log)).await;
            t.start_supervised(noted("b", &log)).await;
            log.lock().unwrap().push("the test ends".to_owned());
        }
    });
    assert_eq!(explored.found, None);
    let seen = noted_by_both.lock().unwrap().join(", ");
    assert_eq!(seen, "a starts, b starts, the test ends, b stops, a stops");
}

#[test]
fn children_are_stopped_when_the_test_panics() {
    let noted_by_both = log();
    let log = Arc::clone(&noted_by_both);
    let explored = TestRun::new("it").seeds(1).explore(move |mut t: Test| {
        let log = Arc::clone(&log);
        async move {
            t.start_supervised(noted("a", &log)).await;
            panic!("the test panics");
        }
    });
    assert!(explored.found.is_some());
    assert_eq!(noted_by_both.lock().unwrap().last().unwrap(), "a stops");
}

#[test]
fn a_child_that_does_not_stop_fails_the_test() {
    let explored = TestRun::new("it")
        .seeds(1)
        .explore(|mut t: Test| async move {
            let stubborn = ChildSpec::worker("stubborn", || async {
                spawn_link(|mut inbox: Mailbox<()>| async move {
                    trap_exit(true);
                    loop {
                        inbox.next().await;
                    }
                })
            });
            t.start_supervised(stubborn.shutdown(Shutdown::Infinite))
                .await;
        });
    let failure = explored.found.unwrap().failure;
    assert!(
        failure.text.contains("did not stop in order"),
        "{}",
        failure.text
    );
    assert!(failure.text.contains("within 30s") || failure.text.contains("30s"));
}

#[rekindle::test(simulated)]
async fn a_typed_handle_comes_back(t: &mut Test) {
    let agent = t.start_supervised(Agent::child(|| 5).id("five")).await;
    assert_eq!(agent.get(|n| *n).await, Ok(5));
    let same = t.try_start_supervised(Agent::child(|| 6).id("five")).await;
    assert!(
        matches!(same, Err(StartChildError::AlreadyStarted(_))),
        "{same:?}"
    );
    t.stop_supervised("five").await;
    let other = t.start_supervised(Agent::child(|| 6).id("five")).await;
    assert_eq!(other.get(|n| *n).await, Ok(6));
}

#[rekindle::test(simulated)]
#[should_panic(expected = "`start_supervised` at ")]
async fn a_child_that_does_not_start_fails_the_test(t: &mut Test) {
    let faults = t.faults();
    t.start_supervised(faults.fail_start(noted("a", &log()), 1))
        .await;
}

#[rekindle::test(simulated)]
async fn children_are_restarted(t: &mut Test) {
    let log = log();
    let child = t.start_supervised(noted("a", &log)).await;
    exit(child.pid(), ExitReason::Kill);
    t.settle().await;
    assert_eq!(log.lock().unwrap().len(), 2, "{:?}", log.lock().unwrap());
    let supervisor = t.supervisor().await;
    let now = supervisor.which_child("a").await.unwrap().state.pid();
    assert_ne!(now, Some(child.pid()));
    assert!(now.is_some());
}

#[rekindle::test(simulated)]
#[should_panic(expected = "the test's process was ended")]
async fn a_linked_child_takes_the_test_along(t: &mut Test) {
    let child = t.start_link_supervised(noted("a", &log())).await;
    exit(child.pid(), ExitReason::Kill);
    t.advance(Duration::from_secs(1)).await;
}
