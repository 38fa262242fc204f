//! FSM-010 to FSM-013: enter calls.

use rekindle_actor::{CallError, Enter, ExitReason, Mailbox, StatemInit, monitor, recent_crashes};

use super::*;

#[test]
fn fsm_010_on_start_the_first_state_is_entered_before_any_event() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).begins(|init| init.internal("first"));
        let machine = plan.run().await;
        settled(&machine).await;
        assert_eq!(
            log.all(),
            ["init", "A -> A", "A internal first", "A call get"]
        );
    });
}

#[test]
fn fsm_010_the_start_is_acknowledged_before_the_enter_call() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let plan = fsm(&log).on_enter(St::A, |_, _| Err(oops("enter")));
            let machine = Fsm::start(plan)
                .name("machine")
                .await
                .expect("init is done");
            let outcome = machine.call(Ask::Get).await;
            assert!(matches!(
                outcome,
                Err(CallError::Exited(_) | CallError::NoProc)
            ));
            let reason = reason_of(&mut inbox, machine.pid()).await;
            assert!(reason == oops("enter") || reason == ExitReason::NoProc);
            assert!(log.contains("terminate enter in A, n = 0"));
        })
    });
}

#[test]
fn fsm_011_a_change_enters_and_keep_does_not() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast go", || Go::next(St::B).internal("inserted"))
            .goes("cast same", || Go::next(St::B));
        let machine = plan.run().await;
        for cast in ["stay", "go", "same", "to C"] {
            machine.cast(cast);
        }
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast stay",
                "A cast go",
                "A -> B",
                "B internal inserted",
                "B cast same",
                "B cast to C",
                "B -> C",
            ]
        );
    });
}

#[test]
fn fsm_012_repeat_enters_again_with_the_current_state_as_the_old_one() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::B, "cast later")
            .goes("cast repeat", Go::repeat);
        let machine = plan.run().await;
        for cast in ["to B", "later", "repeat", "to C"] {
            machine.cast(cast);
        }
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast to B",
                "A -> B",
                "B cast later",
                "B cast repeat",
                "B -> B",
                // A repeated state brings nothing back.
                "B cast to C",
                "B -> C",
                "C cast later",
            ]
        );
    });
}

#[test]
fn a_repeated_state_keeps_its_state_timeout() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast set", || Go::keep().state_timeout_with(ms(10), "set"))
            .goes("cast repeat", Go::repeat);
        let machine = plan.run().await;
        machine.cast("set");
        rekindle_actor::sleep(ms(5)).await;
        machine.cast("repeat");
        rekindle_actor::sleep(ms(6)).await;
        assert_eq!(log.all().last().unwrap(), "A state timeout set");
    });
}

#[test]
fn fsm_012_an_enter_call_may_ask_to_be_repeated() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .on_enter(St::B, |_, _| Ok(Enter::repeat()))
            .on_enter(St::B, |_, _| Ok(Enter::repeat()));
        let machine = plan.run().await;
        machine.cast("to B");
        settled(&machine).await;
        assert_eq!(events(&log), ["A cast to B", "A -> B", "B -> B", "B -> B"]);
    });
}

#[test]
fn fsm_013_enter_sets_timeouts_replies_and_changes_data() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .on("call ask", |fsm, event, _| {
                fsm.kept.push(from_of(event));
                Ok(Go::next(St::B))
            })
            .on_enter(St::B, |fsm, _| {
                fsm.n = 8;
                let from = fsm.kept.pop().unwrap();
                Ok(Enter::keep()
                    .reply(from, 7)
                    .state_timeout_with(ms(1), "state")
                    .timeout_with("name", ms(2), "named"))
            });
        let machine = plan.run().await;
        assert_eq!(machine.call(named("ask")).await, Ok(7));
        in_time(|| log.contains("B timeout name named")).await;
        in_time(|| log.contains("B state timeout state")).await;
        assert_eq!(machine.call(Ask::Get).await, Ok(8));
    });
}

#[test]
fn the_replies_of_a_transition_go_out_before_its_enter_call() {
    on_both(|| async {
        let log = Log::new();
        let mut plan = fsm(&log).on("call go", |_, event, _| {
            Ok(Go::next(St::B).reply(from_of(event), 1))
        });
        plan.hangs_in = Some(St::B);
        let machine = plan.run().await;
        assert_eq!(machine.call(named("go")).no_timeout().await, Ok(1));
        until(|| log.contains("A -> B")).await;
        machine.exit(ExitReason::Kill);
    });
}

#[test]
fn the_last_word_on_a_timeout_is_that_of_the_enter_call() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast go", || {
                Go::next(St::B)
                    .state_timeout_with(ms(1), "of the transition")
                    .timeout_with("kept", ms(2), "kept")
                    .timeout_with("cancelled", ms(3), "cancelled")
            })
            .on_enter(St::B, |_, _| {
                Ok(Enter::keep()
                    .state_timeout_with(ms(4), "of the enter call")
                    .cancel_timeout("cancelled"))
            });
        let machine = plan.run().await;
        machine.cast("go");
        rekindle_actor::sleep(ms(10)).await;
        assert_eq!(
            events(&log),
            [
                "A cast go",
                "A -> B",
                "B timeout kept kept",
                "B state timeout of the enter call",
            ]
        );
    });
}

#[test]
fn postponed_events_come_back_after_the_enter_call() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).later(St::A, "cast later");
        let machine = plan.run().await;
        machine.cast("later");
        machine.cast("to B");
        settled(&machine).await;
        assert_eq!(
            events(&log),
            ["A cast later", "A cast to B", "A -> B", "B cast later"]
        );
    });
}

#[test]
fn an_enter_call_may_stop_with_replies() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let plan = fsm(&log)
                .on("call ask", |fsm, event, _| {
                    fsm.kept.push(from_of(event));
                    Ok(Go::next(St::B).internal("never handled"))
                })
                .on_enter(St::B, |fsm, _| {
                    let from = fsm.kept.pop().unwrap();
                    Ok(Enter::stop(oops("over")).reply(from, 3))
                });
            let machine = plan.run().await;
            monitor(machine.pid());
            assert_eq!(machine.call(named("ask")).await, Ok(3));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("over"));
            assert_eq!(
                events(&log),
                ["A call ask", "A -> B", "terminate over in B, n = 0"]
            );
        })
    });
}

#[test]
fn a_crash_in_an_enter_call_is_told_to_all_who_wait() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let log = Log::new();
            let plan = fsm(&log)
                .later(St::A, "call postponed")
                .on("call go", |fsm, event, _| {
                    fsm.kept.push(from_of(event));
                    Ok(Go::next(St::B))
                })
                .on_enter(St::B, |_, _| panic!("at the door"));
            let machine = plan.run().await;
            for text in ["postponed", "go"] {
                let (callee, me) = (machine.clone(), inbox.recipient());
                spawn_call(callee, text, me);
                until(|| log.contains(&format!("A call {text}"))).await;
            }
            for _ in 0..2 {
                let outcome = inbox.recv().await;
                assert!(
                    matches!(&outcome, Err(CallError::Exited(ExitReason::Panic(p))) if p.message == "at the door"),
                    "{outcome:?}"
                );
            }
            let end = log.all().pop().unwrap();
            assert!(end.ends_with("in B, n = 0"), "{end}");
            until(|| recent_crashes().len() == 1).await;
            let report = recent_crashes().remove(0);
            assert_eq!(report.last_message.as_deref(), Some("enter call"));
        })
    });
}

fn spawn_call(
    callee: StatemAddr<Fsm>,
    text: &'static str,
    me: rekindle_actor::Recipient<Result<i64, CallError>>,
) {
    rekindle_actor::spawn(async move { me.send(callee.call(named(text)).await) });
}

#[test]
fn a_machine_that_enters_for_ever_can_be_killed() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let machine = Restless::start(()).await.unwrap();
            machine.exit(ExitReason::Kill);
            let reason = reason_of(&mut inbox, machine.pid()).await;
            assert!(reason == ExitReason::Killed || reason == ExitReason::NoProc);
        })
    });
}

/// Never gets past its first enter call.
struct Restless;

impl GenStatem for Restless {
    type Args = ();
    type State = ();
    type Call = ();
    type Cast = ();
    type Info = ();
    type Internal = ();
    type Timer = ();
    type Content = ();

    async fn init((): (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        Ok(StatemInit::ready((), Restless))
    }

    async fn enter(
        &mut self,
        (): &(),
        (): &(),
        _: &mut StatemContext<Self>,
    ) -> Result<Enter<Self>, ExitReason> {
        Ok(Enter::repeat())
    }

    async fn handle_event(
        &mut self,
        (): &(),
        _: StatemEvent<Self>,
        _: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        Ok(Transition::keep())
    }
}
