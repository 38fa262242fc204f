//! FSM-017 to FSM-022: timeouts.

use rekindle_actor::{ExitReason, MailboxPolicy, Overflow, now, sleep, sys};

use super::*;

#[test]
fn fsm_017_a_state_timeout_fires_if_the_state_does_not_change() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).goes("cast go", || {
            Go::next(St::B).state_timeout_with(ms(2), "up")
        });
        let machine = plan.run().await;
        sys::suspend(machine.pid()).await.unwrap();
        machine.cast("go");
        machine.cast("does not matter");
        sys::resume(machine.pid()).await.unwrap();
        in_time(|| log.contains("B state timeout up")).await;
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast go",
                "A -> B",
                "B cast does not matter",
                "B state timeout up",
            ]
        );
    });
}

#[test]
fn fsm_017_a_change_of_state_cancels_the_state_timeout() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).goes("cast set", || {
            Go::keep()
                .state_timeout_with(ms(1), "of A")
                .timeout_with("after", ms(2), "")
        });
        let machine = plan.run().await;
        // The changes are in the mailbox before the time begins, and so come before its end.
        sys::suspend(machine.pid()).await.unwrap();
        for cast in ["set", "to B", "to A"] {
            machine.cast(cast);
        }
        sys::resume(machine.pid()).await.unwrap();
        in_time(|| log.contains("A timeout after ")).await;
        assert!(!log.all().iter().any(|line| line.contains("state timeout")));
    });
}

#[test]
fn a_state_timeout_survives_whatever_does_not_change_the_state() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast set", || Go::keep().state_timeout_with(ms(10), "up"))
            .goes("cast same", || Go::next(St::A))
            .goes("cast repeat", Go::repeat);
        let machine = plan.run().await;
        machine.cast("set");
        for cast in ["same", "repeat", "x"] {
            sleep(ms(3)).await;
            machine.cast(cast);
        }
        sleep(ms(2)).await;
        assert_eq!(events(&log).last().unwrap(), "A state timeout up");
    });
}

#[test]
fn fsm_018_an_event_timeout_fires_if_nothing_comes() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).goes("cast set", || Go::keep().event_timeout_with(ms(2), "quiet"));
        let machine = plan.run().await;
        machine.cast("set");
        in_time(|| log.contains("A event timeout quiet")).await;
        assert_eq!(events(&log), ["A cast set", "A event timeout quiet"]);
        settled(&machine).await;
    });
}

#[test]
fn fsm_018_any_event_cancels_an_event_timeout() {
    on_sim(|| async {
        for event in ["cast", "info", "call", "named"] {
            let log = Log::new();
            let plan = fsm(&log).goes("cast set", || {
                Go::keep()
                    .event_timeout_with(ms(10), "quiet")
                    .timeout_with("named", ms(9), "")
            });
            let machine = plan.run().await;
            machine.cast("set");
            sleep(ms(5)).await;
            match event {
                "cast" => machine.cast("x"),
                "info" => machine.send(1_u32),
                "call" => settled(&machine).await,
                _ => {}
            }
            sleep(ms(20)).await;
            let lines = events(&log);
            assert!(
                !lines.iter().any(|line| line.contains("event timeout")),
                "{lines:?}"
            );
        }
    });
}

#[test]
fn fsm_018_a_sys_message_does_not_cancel_an_event_timeout() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log).goes("cast set", || {
            Go::keep().event_timeout_with(ms(10), "quiet")
        });
        let machine = plan.run().await;
        machine.cast("set");
        sleep(ms(5)).await;
        sys::get_status(machine.pid()).await.unwrap();
        sleep(ms(4)).await;
        assert_eq!(events(&log), ["A cast set"]);
        sleep(ms(1)).await;
        settled(&machine).await;
        assert_eq!(events(&log), ["A cast set", "A event timeout quiet"]);
    });
}

#[test]
fn fsm_018_inserted_and_returning_events_cancel_an_event_timeout_too() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast later")
            .goes("cast insert", || {
                Go::keep().event_timeout_with(ms(1), "never").internal("i")
            })
            .goes("cast back", || {
                Go::next(St::B).event_timeout_with(ms(1), "never")
            });
        let machine = plan.run().await;
        machine.cast("insert");
        sleep(ms(5)).await;
        machine.cast("later");
        machine.cast("back");
        sleep(ms(5)).await;
        let lines = events(&log);
        assert!(
            !lines.iter().any(|line| line.contains("timeout")),
            "{lines:?}"
        );
        assert_eq!(lines.last().unwrap(), "B cast later");
    });
}

#[test]
fn an_event_timeout_of_zero() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast alone", || {
                Go::keep().event_timeout_with(Duration::ZERO, "at once")
            })
            .goes("cast insert", || {
                Go::keep()
                    .event_timeout_with(Duration::ZERO, "never")
                    .internal("i")
            })
            .goes("cast before", || {
                Go::keep()
                    .state_timeout_with(Duration::ZERO, "first")
                    .event_timeout_with(Duration::ZERO, "never")
            })
            .goes("cast after", || {
                Go::keep()
                    .event_timeout_with(Duration::ZERO, "first")
                    .state_timeout_with(Duration::ZERO, "second")
            });
        let machine = plan.run().await;
        // What lies in the mailbox has not come yet, as far as the machine knows.
        sys::suspend(machine.pid()).await.unwrap();
        for cast in ["alone", "insert", "before", "after", "waits"] {
            machine.cast(cast);
        }
        sys::resume(machine.pid()).await.unwrap();
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast alone",
                "A event timeout at once",
                "A cast insert",
                "A internal i",
                "A cast before",
                "A state timeout first",
                "A cast after",
                "A event timeout first",
                "A state timeout second",
                "A cast waits",
            ]
        );
    });
}

#[test]
fn a_state_timeout_of_zero_comes_before_the_mailbox_and_is_cancelled_as_any() {
    on_both(|| async {
        let log = Log::new();
        let zero = || Duration::ZERO;
        let plan = fsm(&log)
            .goes("cast go", move || {
                Go::next(St::B).state_timeout_with(zero(), "of B")
            })
            .goes("cast lost", move || {
                Go::keep()
                    .state_timeout_with(zero(), "lost")
                    .internal("change")
            })
            .goes("internal change", || Go::next(St::C))
            .goes("cast cancelled", move || {
                Go::keep()
                    .timeout_with("n", zero(), "lost")
                    .internal("cancel")
            })
            .goes("internal cancel", || Go::keep().cancel_timeout("n"));
        let machine = plan.run().await;
        sys::suspend(machine.pid()).await.unwrap();
        for cast in ["go", "lost", "cancelled", "waits"] {
            machine.cast(cast);
        }
        sys::resume(machine.pid()).await.unwrap();
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast go",
                "A -> B",
                "B state timeout of B",
                "B cast lost",
                "B internal change",
                "B -> C",
                "C cast cancelled",
                "C internal cancel",
                "C cast waits",
            ]
        );
    });
}

#[test]
fn fsm_019_named_timeouts_run_side_by_side_whatever_happens() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).goes("cast set", || {
            Go::keep()
                .timeout_with("a", ms(1), "1")
                .timeout_with("b", ms(2), "2")
                .timeout_with("c", ms(1), "3")
        });
        let machine = plan.run().await;
        sys::suspend(machine.pid()).await.unwrap();
        for cast in ["set", "to B", "x", "to C"] {
            machine.cast(cast);
        }
        sys::resume(machine.pid()).await.unwrap();
        in_time(|| {
            events(&log)
                .iter()
                .filter(|line| line.contains("timeout"))
                .count()
                == 3
        })
        .await;
        for name in ["a 1", "b 2", "c 3"] {
            assert!(events(&log).iter().any(|line| line.ends_with(name)));
        }
        assert!(machine.is_alive());
    });
}

#[test]
fn fsm_019_a_thousand_names() {
    on_sim(|| async {
        let log = Log::new();
        let names: Vec<&'static str> = (0..1000).map(|n| &*format!("{n}").leak()).collect();
        let plan = fsm(&log).on("cast set", move |_, _, _| {
            let mut go = Go::keep();
            for (n, name) in names.iter().enumerate() {
                go = go.timeout_with(name, ms(1 + n as u64), "");
            }
            for name in names.iter().step_by(2) {
                go = go.cancel_timeout(name);
            }
            Ok(go)
        });
        let machine = plan.run().await;
        machine.cast("set");
        sleep(ms(1001)).await;
        settled(&machine).await;
        let expected: Vec<_> = (1..1000)
            .step_by(2)
            .map(|n| format!("A timeout {n} "))
            .collect();
        assert_eq!(events(&log)[1..], expected);
    });
}

#[test]
fn fsm_020_setting_again_replaces_and_infinity_or_cancel_stops() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast 1", || {
                Go::keep()
                    .timeout_with("replaced", ms(10), "old")
                    .timeout_with("cancelled", ms(10), "")
                    .timeout_with("infinite", ms(10), "")
                    .timeout_with("never", ms(10), "")
                    .state_timeout_with(ms(10), "old")
            })
            .goes("cast 2", || {
                Go::keep()
                    .timeout_with("replaced", ms(10), "new")
                    .cancel_timeout("cancelled")
                    .timeout_with("infinite", Duration::MAX, "")
                    .timeout_with("never", When::Never, "")
                    .state_timeout_with(ms(12), "new")
                    .cancel_timeout("unknown")
            });
        let machine = plan.run().await;
        machine.cast("1");
        sleep(ms(5)).await;
        machine.cast("2");
        sleep(ms(9)).await;
        assert_eq!(events(&log).len(), 2);
        sleep(ms(50)).await;
        assert_eq!(
            events(&log)[2..],
            ["A timeout replaced new", "A state timeout new"]
        );
    });
}

#[test]
fn fsm_021_timeouts_carry_what_they_were_given_and_may_be_absolute() {
    on_sim(|| async {
        let log = Log::new();
        let (at_12, at_7) = (at(ms(12)), at(ms(7)));
        let plan = fsm(&log).goes("cast set", move || {
            Go::keep()
                .timeout_with("relative", ms(10), "10")
                .timeout_with("absolute", at_12, "12")
                .state_timeout_with(at_7, "7")
                .timeout("plain", ms(13))
        });
        let machine = plan.run().await;
        sleep(ms(4)).await;
        machine.cast("set");
        for (time, line) in [
            (7, "A state timeout 7"),
            (12, "A timeout absolute 12"),
            (14, "A timeout relative 10"),
            (17, "A timeout plain "),
        ] {
            let left = ms(time) - now().as_duration();
            sleep(left - ms(1)).await;
            assert!(!log.contains(line), "{line}");
            sleep(Duration::from_micros(1500)).await;
            assert!(log.contains(line), "{line}");
        }
    });
}

#[test]
fn a_moment_that_has_passed_is_at_once_and_in_turn() {
    on_both(|| async {
        let log = Log::new();
        let past = now();
        let plan = fsm(&log).goes("cast set", move || {
            Go::keep().state_timeout_with(past, "past").internal("i")
        });
        let machine = plan.run().await;
        sys::suspend(machine.pid()).await.unwrap();
        machine.cast("set");
        machine.cast("waits");
        sys::resume(machine.pid()).await.unwrap();
        in_time(|| log.contains("A state timeout past")).await;
        assert_eq!(
            events(&log),
            [
                "A cast set",
                "A internal i",
                "A cast waits",
                "A state timeout past"
            ]
        );
    });
}

#[test]
fn fsm_022_what_has_run_out_and_was_not_handled_can_still_be_cancelled() {
    on_sim(|| async {
        for how in ["cancel", "replace", "to B", "update"] {
            let log = Log::new();
            let set = || {
                Go::keep()
                    .state_timeout_with(ms(5), "old")
                    .timeout_with("n", ms(5), "old")
            };
            let plan = fsm(&log)
                .goes("cast set", set)
                .pause("cast busy", ms(50))
                .goes("cast busy", move || match how {
                    "cancel" => Go::keep().cancel_state_timeout().cancel_timeout("n"),
                    "replace" => {
                        Go::keep()
                            .state_timeout_with(ms(5), "new")
                            .timeout_with("n", ms(5), "new")
                    }
                    "update" => Go::keep()
                        .update_state_timeout("new")
                        .update_timeout("n", "new"),
                    _ => Go::next(St::B).cancel_timeout("n"),
                });
            let machine = plan.run().await;
            machine.cast("set");
            machine.cast("busy");
            sleep(ms(100)).await;
            let lines = events(&log);
            assert!(
                !lines.iter().any(|line| line.ends_with("old")),
                "{how}: {lines:?}"
            );
            let new = lines.iter().filter(|line| line.ends_with("new")).count();
            let expected = if matches!(how, "replace" | "update") {
                2
            } else {
                0
            };
            assert_eq!(new, expected, "{how}: {lines:?}");
        }
    });
}

/// Has the machine take these in before the time of the first begins.
async fn at_once(machine: &StatemAddr<Fsm>, casts: &[&'static str]) {
    sys::suspend(machine.pid()).await.unwrap();
    for cast in casts {
        machine.cast(cast);
    }
    sys::resume(machine.pid()).await.unwrap();
}

#[test]
fn fsm_020_replaced_and_cancelled_timeouts_on_real_threads_too() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast 1", || {
                Go::keep()
                    .timeout_with("replaced", ms(1), "old")
                    .timeout_with("cancelled", ms(1), "old")
                    .state_timeout_with(ms(1), "old")
            })
            .goes("cast 2", || {
                Go::keep()
                    .timeout_with("replaced", ms(2), "new")
                    .cancel_timeout("cancelled")
                    .state_timeout_with(When::Never, "new")
                    .timeout_with("after", ms(4), "new")
            });
        let machine = plan.run().await;
        at_once(&machine, &["1", "2"]).await;
        in_time(|| log.contains("A timeout replaced new")).await;
        in_time(|| log.contains("A timeout after new")).await;
        assert_eq!(events(&log).len(), 4, "{:?}", events(&log));
    });
}

#[test]
fn fsm_021_contents_and_absolute_times_on_real_threads_too() {
    on_both(|| async {
        let log = Log::new();
        let moment = at(ms(3));
        let plan = fsm(&log).goes("cast set", move || {
            Go::keep()
                .timeout_with("absolute", moment, "first")
                .timeout_with("relative", ms(1), "second")
                .state_timeout(ms(2))
        });
        let machine = plan.run().await;
        let begin = now();
        machine.cast("set");
        for line in [
            "A timeout absolute first",
            "A timeout relative second",
            "A state timeout ",
        ] {
            in_time(|| log.contains(line)).await;
        }
        // Not early; how late they may be is for the simulator to say.
        assert!(now().saturating_since(begin) >= ms(2));
        assert_eq!(events(&log).len(), 4);
    });
}

#[test]
fn fsm_022_what_has_run_out_stays_away_on_real_threads_too() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast set", || {
                Go::keep()
                    .state_timeout_with(ms(1), "old")
                    .timeout_with("cancelled", ms(1), "old")
                    .timeout_with("replaced", ms(1), "old")
            })
            .pause("cast busy", ms(5))
            .goes("cast busy", || {
                Go::next(St::B)
                    .cancel_timeout("cancelled")
                    .timeout_with("replaced", ms(1), "new")
            });
        let machine = plan.run().await;
        at_once(&machine, &["set", "busy"]).await;
        in_time(|| log.contains("B timeout replaced new")).await;
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast set",
                "A cast busy",
                "A -> B",
                "B timeout replaced new",
            ]
        );
    });
}

#[test]
fn a_timeout_takes_its_turn_among_the_messages() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast set", || {
                Go::keep()
                    .timeout_with("n", ms(10), "")
                    .state_timeout_with(ms(10), "never")
            })
            .pause("cast busy", ms(50));
        let machine = plan.run().await;
        machine.cast("set");
        machine.cast("busy");
        sleep(ms(5)).await;
        // Came before the timeouts, so it may still cancel one of them.
        machine.cast("to B");
        sleep(ms(10)).await;
        machine.cast("after");
        sleep(ms(50)).await;
        assert_eq!(
            events(&log),
            [
                "A cast set",
                "A cast busy",
                "A cast to B",
                "A -> B",
                "B timeout n ",
                "B cast after",
            ]
        );
    });
}

#[test]
fn a_suspended_machine_handles_its_timeouts_in_turn_when_it_is_resumed() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log).goes("cast set", || {
            Go::keep()
                .event_timeout_with(ms(10), "never: x came first")
                .timeout_with("n", ms(10), "")
                .timeout_with("long", ms(30), "")
        });
        let machine = plan.run().await;
        machine.cast("set");
        settled_by_sys(&machine).await;
        sys::suspend(machine.pid()).await.unwrap();
        machine.cast("x");
        sleep(ms(20)).await;
        machine.cast("y");
        assert_eq!(events(&log), ["A cast set"]);
        sys::resume(machine.pid()).await.unwrap();
        sleep(ms(1)).await;
        assert_eq!(
            events(&log),
            ["A cast set", "A cast x", "A timeout n ", "A cast y"]
        );
        sleep(ms(10)).await;
        assert_eq!(events(&log).last().unwrap(), "A timeout long ");
    });
}

/// Waits without an event of the machine's.
async fn settled_by_sys(machine: &StatemAddr<Fsm>) {
    sys::get_status(machine.pid()).await.unwrap();
}

#[test]
fn set_cancel_and_update_in_one_transition() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast begin", || {
                Go::keep().timeout_with("running", ms(10), "old")
            })
            .goes("cast go", || {
                Go::keep()
                    .timeout_with("set then cancelled", ms(1), "")
                    .cancel_timeout("set then cancelled")
                    .cancel_timeout("cancelled then set")
                    .timeout_with("cancelled then set", ms(2), "")
                    .timeout_with("set twice", ms(3), "first")
                    .timeout_with("set twice", ms(4), "second")
                    .update_timeout("running", "updated")
                    .update_timeout("idle", "of zero time")
            });
        let machine = plan.run().await;
        machine.cast("begin");
        sleep(ms(5)).await;
        machine.cast("go");
        sleep(ms(50)).await;
        assert_eq!(
            events(&log)[2..],
            [
                "A timeout idle of zero time",
                "A timeout cancelled then set ",
                "A timeout set twice second",
                "A timeout running updated",
            ]
        );
    });
}

#[test]
fn an_event_timeout_cannot_be_updated_by_the_event_that_cancelled_it() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast set", || Go::keep().event_timeout_with(ms(10), "old"))
            .goes("cast update", || Go::keep().update_event_timeout("at once"));
        let machine = plan.run().await;
        machine.cast("set");
        machine.cast("update");
        settled(&machine).await;
        assert_eq!(events(&log)[2..], ["A event timeout at once"]);
        sleep(ms(20)).await;
        assert_eq!(events(&log).len(), 3);
    });
}

#[test]
fn a_timeout_that_sets_itself_again() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast tick", || Go::keep().timeout_with("tick", ms(1), "1"))
            .goes("timeout tick 1", || {
                Go::keep().timeout_with("tick", ms(1), "2")
            })
            .goes("timeout tick 2", || {
                Go::keep().timeout_with("tick", ms(1), "3")
            });
        let machine = plan.run().await;
        machine.cast("tick");
        in_time(|| log.contains("A timeout tick 3")).await;
        assert_eq!(events(&log).len(), 4);
        settled(&machine).await;
    });
}

#[test]
fn timeouts_are_not_held_up_by_a_full_mailbox() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast set", || Go::keep().timeout_with("n", ms(1), ""))
            .pause("cast busy", ms(20));
        let machine = Fsm::start(plan)
            .mailbox(MailboxPolicy::bounded(1).when_full(Overflow::DropNewest))
            .await
            .unwrap();
        machine.cast("set");
        until(|| log.contains("A cast set")).await;
        machine.cast("busy");
        until(|| log.contains("A cast busy")).await;
        for _ in 0..10 {
            machine.cast("fill");
        }
        in_time(|| log.contains("A timeout n ")).await;
        assert!(machine.is_alive());
    });
}

#[test]
fn the_timeouts_of_a_machine_end_with_it() {
    on_sim(|| async {
        for end in ["stop", "kill"] {
            let log = Log::new();
            let plan = fsm(&log).goes("cast set", || {
                Go::keep().timeout_with("n", Duration::from_secs(1000), "")
            });
            let machine = plan.run().await;
            machine.cast("set");
            settled(&machine).await;
            match end {
                "stop" => machine.stop().await.unwrap(),
                _ => machine.exit(ExitReason::Kill),
            }
            until(|| !machine.is_alive()).await;
        }
        // The clock goes on to this sleep, and not to a timeout.
        sleep(ms(1)).await;
        assert_eq!(now().as_duration(), ms(1));
    });
}

#[test]
fn very_long_timeouts() {
    on_sim(|| async {
        let log = Log::new();
        let long = Duration::from_secs(1 << 33);
        let plan = fsm(&log).goes("cast set", move || {
            Go::keep().state_timeout_with(long, "long").timeout_with(
                "longest",
                Duration::MAX - ms(1),
                "",
            )
        });
        let machine = plan.run().await;
        machine.cast("set");
        settled(&machine).await;
        assert_eq!(events(&log), ["A cast set"]);
        sleep(long).await;
        settled(&machine).await;
        assert_eq!(events(&log)[1..], ["A state timeout long"]);
    });
}
