//! All crash points.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rekindle::prelude::*;
use rekindle::testkit::{CrashPoints, Test, for_each_crash_point};
use rekindle::{registered, yield_now};

#[test]
fn a_victim_is_killed_at_each_of_its_turns() {
    let report = for_each_crash_point(|mut t: Test| async move {
        let worker = spawn(async {
            register("worker", self_pid()).unwrap();
            for _ in 0..9 {
                yield_now().await;
            }
        });
        t.victim(worker);
        t.settle().await;
        assert!(!is_alive(worker));
        assert_eq!(registered(), []);
    });
    // Its first turn, and one after each await; for three seeds.
    assert_eq!(report.scenarios, 3);
    assert_eq!(report.pairs, 30);
}

#[test]
fn several_victims_die_one_at_a_time() {
    let report = CrashPoints::new().seeds(1).run(|mut t: Test| async move {
        let both = [(); 2].map(|()| spawn(yield_now()));
        both.iter().for_each(|pid| t.victim(*pid));
        t.settle().await;
    });
    assert_eq!(report.pairs, 4);
}

#[test]
fn a_crash_point_that_breaks_something_is_named() {
    let broken = catch_unwind(AssertUnwindSafe(|| {
        for_each_crash_point(|mut t: Test<&'static str>| async move {
            let to = t.recipient();
            let worker = spawn(async move {
                to.send("begin");
                yield_now().await;
                to.send("end");
            });
            t.victim(worker);
            t.settle().await;
            let begun =
                rekindle::testkit::Receives::receive_map(&mut t, Duration::ZERO, "begin", |text| {
                    if text == "begin" { Ok(()) } else { Err(text) }
                });
            if begun.await.is_ok() {
                rekindle::testkit::assert_received!(t, "end");
            }
        })
    }));
    let text = *broken.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("\"end\" has not been received"), "{text}");
    assert!(text.contains("victim 1 killed at its turn 2"), "{text}");
    assert!(text.contains("fault: kills #"), "{text}");
}

#[test]
fn a_body_must_name_a_victim() {
    let none = catch_unwind(|| for_each_crash_point(|_t: Test| async {}));
    let payload = none.unwrap_err();
    let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    assert!(text.unwrap().contains("`t.victim(pid)`"));
}

#[test]
fn a_supervised_server_survives_a_crash_at_each_of_its_turns() {
    let report = for_each_crash_point(|mut t: Test| async move {
        let child = Agent::child(|| 0).name("books");
        let agent = t.start_supervised(child).await;
        t.victim(agent.pid().unwrap());
        let client = spawn(async move {
            for _ in 0..5 {
                let _ = agent.update(|n| *n += 1).await;
                sleep(Duration::from_millis(1)).await;
            }
        });
        monitor(client);
        t.advance(Duration::from_secs(60)).await;
        assert!(!is_alive(client), "the client is not stuck");
        let supervisor = t.supervisor().await;
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);
        assert!(rekindle::whereis("books").is_some());
        assert_eq!(
            rekindle::testkit::invariants::broken(),
            Vec::<String>::new()
        );
    });
    assert!(report.pairs >= 15, "{report}");
}
