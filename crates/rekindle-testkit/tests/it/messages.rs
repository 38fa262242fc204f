//! Messages: waiting for them, refusing them, and what a failure shows.

use rekindle::prelude::*;
use rekindle::testkit::{
    Probe, Test, TestRun, assert_down, assert_receive, assert_received, refute_receive,
};
use rekindle::{link, now};

#[derive(Debug, PartialEq)]
enum Msg {
    Started,
    Done { id: u32, text: String },
}

fn done(id: u32) -> Msg {
    Msg::Done {
        id,
        text: format!("job {id}"),
    }
}

#[rekindle::test(simulated)]
async fn what_does_not_fit_stays_in_its_order(t: &mut Test<Msg>) {
    let to = t.recipient();
    for message in [done(1), Msg::Started, done(2), done(3)] {
        to.send(message);
    }
    let text = assert_receive!(t, Msg::Done { id, text } if id == 2 => text);
    assert_eq!(text, "job 2");
    let first = assert_receive!(t, message => message);
    assert_eq!(first, done(1));
    assert_received!(t, Msg::Started);
    let last = assert_received!(t, Msg::Done { id, .. } => id);
    assert_eq!(last, 3);
    refute_receive!(t, _);
}

#[rekindle::test(simulated)]
async fn a_message_may_come_until_the_last_moment(t: &mut Test<u8>) {
    send_after(Duration::from_millis(100), &t.recipient(), 1);
    send_after(Duration::from_secs(10), &t.recipient(), 2);
    let before = now();
    assert_receive!(t, 1);
    refute_receive!(t, 2, within = Duration::from_secs(9));
    assert_receive!(t, 2, within = Duration::from_secs(2));
    assert_eq!(now() - before, Duration::from_secs(10));
}

#[rekindle::test]
async fn messages_come_on_real_threads(t: &mut Test<u8>) {
    let to = t.recipient();
    spawn(async move { to.send(1) });
    assert_receive!(t, 1, within = Duration::from_secs(60));
}

/// The text of the failure of a body.
fn failure<M, F, Fut>(body: F) -> String
where
    M: Send + 'static,
    F: Fn(Test<M>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let explored = TestRun::new("it").seeds(1).explore(body);
    explored.found.expect("the body fails").failure.text
}

#[test]
fn a_failure_shows_what_was_expected_and_the_mailbox() {
    let text = failure(|mut t: Test<Msg>| async move {
        t.recipient().send(Msg::Started);
        t.recipient().send(done(7));
        assert_receive!(t, Msg::Done { id, .. } if id == 8);
    });
    assert!(text.contains("messages.rs"), "the user's line: {text}");
    for part in [
        "Msg::Done { id, .. } if id == 8 was not received within 100ms",
        "the mailbox, oldest first:",
        "Started\n    Done { id: 7, text: \"job 7\" }",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn an_empty_mailbox_is_said_to_be_empty() {
    let text = failure(|mut t: Test<u8>| async move { assert_received!(t, 3) });
    assert!(text.contains("3 has not been received"), "{text}");
    assert!(text.contains("the mailbox is empty"), "{text}");
}

#[test]
fn a_refuted_message_is_shown() {
    let text = failure(|mut t: Test<Msg>| async move {
        send_after(Duration::from_millis(50), &t.recipient(), done(3));
        refute_receive!(t, Msg::Done { .. });
    });
    assert!(
        text.contains("should not have been: Done { id: 3"),
        "{text}"
    );
}

#[rekindle::test(simulated)]
async fn a_probe_is_a_process_that_keeps_what_it_gets(t: &mut Test) {
    let mut one: Probe<u32> = t.probe();
    let mut other: Probe<&'static str> = t.probe();
    let (to_one, to_other) = (one.recipient(), other.recipient());
    let sender = spawn(async move {
        to_one.send(1);
        to_other.send("two");
        sleep(Duration::from_millis(5)).await;
        to_one.send(3);
    });
    one.monitor(sender).await;
    other.link(sender).await;
    assert_receive!(one, 3);
    assert_received!(one, 1);
    assert_receive!(other, "two");
    assert_eq!(assert_down!(one, sender).reason, ExitReason::Normal);
    let exit =
        rekindle::testkit::Receives::receive_exit(&mut other, Duration::from_millis(1), sender);
    assert_eq!(exit.await.unwrap().reason, ExitReason::Normal);
    assert_ne!(one.run(self_pid).await, self_pid());
}

#[rekindle::test(simulated)]
async fn downs_and_messages_do_not_get_in_each_others_way(t: &mut Test<u8>) {
    let worker = spawn(async {});
    monitor(worker);
    t.recipient().send(4);
    assert_down!(t, worker);
    assert_received!(t, 4);
}

#[test]
fn a_down_that_does_not_come_is_missed() {
    let text = failure(|mut t: Test| async move {
        let idle = spawn(std::future::pending::<()>());
        monitor(idle);
        assert_down!(t, idle);
    });
    assert!(text.contains("the Down of #"), "{text}");
}

#[rekindle::test(simulated)]
async fn settle_runs_until_all_wait_and_moves_no_clock(t: &mut Test<u32>) {
    let to = t.recipient();
    spawn(async move {
        for n in 0..50 {
            rekindle::yield_now().await;
            to.send(n);
        }
        sleep(Duration::from_secs(1)).await;
        to.send(99);
    });
    let before = now();
    t.settle().await;
    assert_received!(t, 49);
    refute_receive!(t, 99, within = Duration::ZERO);
    assert_eq!(now(), before);
    t.advance(Duration::from_secs(1)).await;
    assert_received!(t, 99);
}

#[rekindle::test]
async fn settle_works_on_real_threads(t: &mut Test<u32>) {
    let to = t.recipient();
    spawn(async move {
        for n in 0..1000 {
            rekindle::yield_now().await;
            to.send(n);
        }
    });
    t.settle().await;
    assert_received!(t, 999);
}

#[rekindle::test(simulated)]
#[should_panic(expected = "the test's process was ended")]
async fn a_linked_crash_takes_the_test_along(t: &mut Test) {
    let worker = spawn(async {
        sleep(Duration::from_millis(1)).await;
        rekindle::raise(ExitReason::msg("bad luck"))
    });
    link(worker);
    t.advance(Duration::from_secs(1)).await;
}
