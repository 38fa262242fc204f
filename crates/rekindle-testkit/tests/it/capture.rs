//! The log of one test, and of nobody else.

use rekindle::prelude::*;
use rekindle::testkit::{Test, TestRun, capture_log};

async fn crashes(t: &mut Test, text: &'static str) {
    let (value, log) = capture_log(async {
        spawn(async move { panic!("{text}") as () });
        spawn(async move { log_in_a_process(text) });
        t.settle().await;
        7
    })
    .await;
    assert_eq!(value, 7);
    assert_eq!(log.count(rekindle::testkit::Level::Error), 1, "{log}");
    assert!(log.contains(text), "{log}");
    assert!(log.contains(&format!("hello from {text}")), "{log}");
    let others = ["eins!", "zwei!", "drei!"];
    let others = others.iter().filter(|other| **other != text);
    others.for_each(|other| assert!(!log.contains(other), "{log}"));
}

fn log_in_a_process(text: &str) {
    log::debug!("hello from {text}");
}

// These run side by side.
#[rekindle::test]
async fn the_log_of_one_test_is_not_that_of_another_1(t: &mut Test) {
    crashes(t, "eins!").await;
}

#[rekindle::test]
async fn the_log_of_one_test_is_not_that_of_another_2(t: &mut Test) {
    crashes(t, "zwei!").await;
}

#[rekindle::test(simulated)]
async fn the_log_of_one_test_is_not_that_of_another_3(t: &mut Test) {
    crashes(t, "drei!").await;
}

#[rekindle::test(simulated)]
async fn a_capture_is_of_a_process_and_its_descendants(t: &mut Test<String>) {
    let to = t.recipient();
    let outside = spawn(|mut inbox: Mailbox<()>| async move {
        inbox.recv().await;
        log::warn!("outside");
        to.send("logged".to_owned());
    });
    let mut probe = t.probe::<String>();
    let to = probe.recipient();
    // A sibling of `outside` captures: what that logs is not its own.
    spawn(async move {
        let (_, log) = capture_log(async {
            outside.send(());
            let (_, inner) = capture_log(async {
                spawn(async { log::warn!("inside") });
                sleep(Duration::from_millis(1)).await;
            })
            .await;
            assert!(inner.contains("inside"));
        })
        .await;
        to.send(log.to_string());
    });
    rekindle::testkit::assert_receive!(t, text if text == "logged");
    let log = rekindle::testkit::assert_receive!(probe, log => log);
    assert!(log.contains("inside") && !log.contains("outside"), "{log}");
}

#[test]
fn what_nobody_captures_is_shown_with_a_failure() {
    let explored = TestRun::new("it")
        .seeds(1)
        .explore(|mut t: Test| async move {
            spawn(async { panic!("the cause") as () });
            t.settle().await;
            panic!("the symptom");
        });
    let text = explored.to_string();
    assert!(text.contains("the symptom"), "{text}");
    assert!(text.contains("logged meanwhile"), "{text}");
    assert!(text.contains("the cause"), "{text}");
}
