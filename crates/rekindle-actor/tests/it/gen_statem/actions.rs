//! FSM-003 to FSM-009: kinds of events, where a transition goes, replies.

use rekindle_actor::{
    CallError, ExitReason, GenStatem, Mailbox, StatemEvent, StatemInit, Transition, link, monitor,
    recent_crashes, send_after, spawn, sys, trap_exit,
};

use super::*;

#[test]
fn fsm_003_kinds_of_events_are_told_apart() {
    on_both(|| async {
        let log = Log::new();
        let (puppet, watched) = (Puppet::new(), mortal());
        let target = watched.pid();
        let plan = fsm(&log)
            .init(move |fsm, _| {
                trap_exit(true);
                monitor(target);
                Ok(StatemInit::ready(St::A, fsm))
            })
            .goes("cast internal", || Go::keep().internal("content"))
            .goes("cast event timeout", || {
                Go::keep().event_timeout_with(ms(1), "e")
            })
            .goes("cast state timeout", || {
                Go::keep().state_timeout_with(ms(1), "s")
            })
            .goes("cast timeout", || {
                Go::keep().timeout_with("name", ms(1), "t")
            });
        let machine = plan.run().await;
        let mut seen = 1;
        let mut expect = async |event: &str| {
            in_time(|| events(&log).contains(&format!("A {event}"))).await;
            seen += 1;
        };
        machine.send(3_u32);
        expect("info 3").await;
        for (cast, event) in [
            ("internal", "internal content"),
            ("event timeout", "event timeout e"),
            ("state timeout", "state timeout s"),
            ("timeout", "timeout name t"),
        ] {
            machine.cast(cast);
            expect(event).await;
        }
        watched.send(oops("watched"));
        expect("down watched").await;
        let pid = machine.pid();
        puppet.run(move || link(pid)).await;
        puppet.is_linked_with(pid).await;
        puppet.die(oops("linked"));
        expect("exit linked").await;
        machine.call(named("ask")).await.unwrap();
        expect("call ask").await;
        assert_eq!(events(&log).len(), 12, "{:?}", events(&log));
    });
}

#[test]
fn fsm_003_inserted_events_may_be_of_any_kind() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).goes("cast go", || {
            Go::keep()
                .next_event(StatemEvent::Cast("inserted"))
                .next_event(StatemEvent::Info(7))
                .next_event(StatemEvent::StateTimeout("made up"))
                .next_event(StatemEvent::Timeout("name", "made up"))
        });
        let machine = plan.run().await;
        machine.cast("go");
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast go",
                "A cast inserted",
                "A info 7",
                "A state timeout made up",
                "A timeout name made up",
            ]
        );
    });
}

/// A machine whose state and data can be cloned: what `get_state` needs.
#[derive(Debug, Clone, PartialEq)]
struct Tally {
    sum: i64,
}

#[derive(Debug, Clone, PartialEq)]
enum Mode {
    Up,
    Down(String),
}

enum Move {
    Next(Mode),
    Keep,
    Repeat,
}

impl GenStatem for Tally {
    type Args = i64;
    type State = Mode;
    type Call = ReplyTo<(Mode, i64)>;
    type Cast = (Move, i64);
    type Info = ();
    type Internal = ();
    type Timer = u8;
    type Content = ();

    async fn init(sum: i64, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        Ok(StatemInit::ready(Mode::Up, Tally { sum }))
    }

    async fn handle_event(
        &mut self,
        state: &Mode,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        match event {
            StatemEvent::Cast((to, sum)) => {
                self.sum = sum;
                Ok(match to {
                    Move::Next(state) => Transition::next(state),
                    Move::Keep => Transition::keep(),
                    Move::Repeat => Transition::repeat(),
                })
            }
            StatemEvent::Call(from) => {
                Ok(Transition::keep().reply(from, (state.clone(), self.sum)))
            }
            other => cx.unexpected(other),
        }
    }
}

#[test]
fn fsm_004_next_keep_and_what_get_state_shows() {
    on_both(|| async {
        let tally = Tally::start(1).name("tally").await.unwrap();
        let state = || sys::get_state::<(Mode, Tally)>(tally.pid());
        let down = || Mode::Down("hill".to_owned());
        assert_eq!(state().await, Ok((Mode::Up, Tally { sum: 1 })));
        tally.cast((Move::Keep, 2));
        assert_eq!(state().await, Ok((Mode::Up, Tally { sum: 2 })));
        tally.cast((Move::Next(down()), 3));
        assert_eq!(state().await, Ok((down(), Tally { sum: 3 })));
        tally.cast((Move::Repeat, 4));
        assert_eq!(tally.call(|from| from).await, Ok((down(), 4)));
        tally.cast((Move::Next(down()), 5));
        assert_eq!(state().await, Ok((down(), Tally { sum: 5 })));
    });
}

#[test]
fn a_state_with_something_in_it_changes_with_that() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast one", || Go::next(St::Count(1)))
            .goes("cast again", || Go::next(St::Count(1)))
            .goes("cast two", || Go::next(St::Count(2)));
        let machine = plan.run().await;
        for cast in ["one", "again", "two"] {
            machine.cast(cast);
        }
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast one",
                "A -> Count(1)",
                "Count(1) cast again",
                "Count(1) cast two",
                "Count(1) -> Count(2)",
            ]
        );
    });
}

#[test]
fn fsm_005_a_callback_replies_to_a_call_that_was_kept() {
    on_both(|| {
        with_inbox(
            |mut inbox: Mailbox<(&'static str, Result<i64, CallError>)>| async move {
                let log = Log::new();
                let keep = |fsm: &mut Fsm, event, _: &mut Cx| {
                    fsm.kept.push(from_of(event));
                    Ok(Go::keep())
                };
                let plan = fsm(&log)
                    .on("call first", keep)
                    .on("call second", keep)
                    .on("call third", keep)
                    .on("cast answer", |fsm, _, _| {
                        let third = fsm.kept.pop().unwrap();
                        let second = fsm.kept.pop().unwrap();
                        let first = fsm.kept.pop().unwrap();
                        // From another process, which may take its time.
                        spawn(async move { second.reply(2) });
                        Ok(Go::next(St::B).reply(third, 3).reply(first, 1))
                    });
                let machine = plan.run().await;
                for text in ["first", "second", "third"] {
                    let (callee, me) = (machine.clone(), inbox.recipient());
                    spawn(async move { me.send((text, callee.call(named(text)).await)) });
                    until(|| log.contains(&format!("A call {text}"))).await;
                }
                machine.cast("answer");
                let mut got = Vec::new();
                for _ in 0..3 {
                    got.push(inbox.recv().await);
                }
                got.sort_by_key(|(text, _)| *text);
                assert_eq!(got, [("first", Ok(1)), ("second", Ok(2)), ("third", Ok(3))]);
            },
        )
    });
}

#[test]
fn a_dropped_request_fails_at_once() {
    on_both(|| async {
        let plan = fsm(&Log::new()).on("call drop", |_, event, cx| cx.unexpected(event));
        let machine = plan.run().await;
        assert_eq!(machine.call(named("drop")).await, Err(CallError::NoReply));
        settled(&machine).await;
    });
}

#[test]
fn fsm_006_call_timeouts() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "call postponed")
            .on("call kept", |fsm, event, _| {
                fsm.kept.push(from_of(event));
                Ok(Go::keep())
            });
        let machine = plan.run().await;
        for text in ["kept", "postponed"] {
            let outcome = machine.call(named(text)).timeout(ms(5)).await;
            assert_eq!(outcome, Err(CallError::Timeout(ms(5))));
        }
        // Late answers hurt nobody.
        machine.cast("to B");
        settled(&machine).await;
        assert_eq!(log.all().last().unwrap(), "B call get");
    });
}

#[test]
fn fsm_007_an_error_ends_the_machine_and_its_callers_get_it() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let log = Log::new();
            let plan = fsm(&log)
                .later(St::A, "call postponed")
                .on("call fail", |_, event, _| {
                    let _from = from_of(event);
                    Err(oops("bad"))
                });
            let machine = plan.run().await;
            let (callee, me) = (machine.clone(), inbox.recipient());
            spawn(async move { me.send(callee.call(named("postponed")).await) });
            until(|| log.contains("A call postponed")).await;
            let failed = machine.call(named("fail")).await;
            assert_eq!(failed, Err(CallError::Exited(oops("bad"))));
            assert_eq!(inbox.recv().await, Err(CallError::Exited(oops("bad"))));
            assert!(log.contains("terminate bad in A, n = 0"));
            until(|| recent_crashes().len() == 1).await;
            let report = recent_crashes().remove(0);
            assert_eq!(report.reason, oops("bad"));
            assert_eq!(report.last_message.as_deref(), Some("call Ask"));
            assert_eq!(report.state.as_deref(), Some("postponed call Ask"));
            assert!(report.behaviour.ends_with("Fsm"));
        })
    });
}

#[test]
fn fsm_007_a_panic_ends_the_machine_and_its_callers_get_it() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).on("call fail", |fsm, _, _| {
            fsm.n = 9;
            panic!("in the middle")
        });
        let machine = plan.run().await;
        machine.cast("to B");
        let failed = machine.call(named("fail")).await;
        assert!(
            matches!(&failed, Err(CallError::Exited(ExitReason::Panic(p))) if p.message == "in the middle"),
            "{failed:?}"
        );
        let end = log.all().pop().unwrap();
        assert!(
            end.starts_with("terminate") && end.ends_with("in B, n = 9"),
            "{end}"
        );
    });
}

#[test]
fn fsm_008_stop_with_and_without_new_data() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for (reason, crashes) in [
                (ExitReason::Normal, false),
                (ExitReason::Shutdown, false),
                (oops("over"), true),
            ] {
                let (log, before) = (Log::new(), recent_crashes().len());
                let why = reason.clone();
                let plan = fsm(&log).on("cast stop", |fsm, _, _| {
                    fsm.n = 4;
                    Ok(Go::stop(why))
                });
                let machine = plan.run().await;
                monitor(machine.pid());
                machine.cast("to B");
                machine.cast("stop");
                machine.cast("never handled");
                assert_eq!(expect_down(&mut inbox).await.reason, reason);
                assert_eq!(
                    events(&log),
                    [
                        "A cast to B".to_owned(),
                        "A -> B".to_owned(),
                        "B cast stop".to_owned(),
                        format!("terminate {reason} in B, n = 4"),
                    ]
                );
                until(|| recent_crashes().len() == before + usize::from(crashes)).await;
            }
        })
    });
}

#[test]
fn fsm_009_stop_and_reply() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let log = Log::new();
            let plan = fsm(&log)
                .later(St::A, "call postponed")
                .on("call keep", |fsm, event, _| {
                    fsm.kept.push(from_of(event));
                    Ok(Go::keep())
                })
                .on("call stop", |fsm, event, _| {
                    let kept = fsm.kept.pop().unwrap();
                    Ok(Go::stop(oops("over"))
                        .reply(kept, 1)
                        .reply(from_of(event), 2))
                });
            let machine = plan.run().await;
            let ask = |text: &'static str| {
                let (callee, me) = (machine.clone(), inbox.recipient());
                spawn(async move { me.send(callee.call(named(text)).await) });
            };
            ask("keep");
            until(|| log.contains("A call keep")).await;
            ask("postponed");
            until(|| log.contains("A call postponed")).await;
            assert_eq!(machine.call(named("stop")).await, Ok(2));
            let mut others = [inbox.recv().await, inbox.recv().await];
            others.sort_by_key(|outcome| outcome.is_ok());
            assert_eq!(others, [Err(CallError::Exited(oops("over"))), Ok(1)]);
            assert_eq!(log.all().last().unwrap(), "terminate over in A, n = 0");
        })
    });
}

#[test]
fn replies_of_a_stop_go_out_before_terminate() {
    on_both(|| async {
        let log = Log::new();
        let mut plan = fsm(&log).on("call stop", |_, event, _| {
            Ok(Go::stop(ExitReason::Normal).reply(from_of(event), 5))
        });
        plan.hangs_at_the_end = true;
        let machine = plan.run().await;
        assert_eq!(machine.call(named("stop")).no_timeout().await, Ok(5));
        until(|| log.contains("terminate normal in A, n = 0")).await;
        machine.exit(ExitReason::Kill);
    });
}

#[test]
fn a_reply_in_the_callback_itself_goes_out_at_once() {
    on_both(|| async {
        let plan = fsm(&Log::new()).on("call now", |_, event, _| {
            from_of(event).reply(6);
            Err(oops("afterwards"))
        });
        let machine = plan.run().await;
        assert_eq!(machine.call(named("now")).await, Ok(6));
    });
}

#[test]
fn a_reply_as_action_is_not_given_if_the_callback_fails() {
    on_both(|| async {
        let plan = fsm(&Log::new()).on("call now", |_, event, _| {
            let _never_returned = Go::keep().reply(from_of(event), 6);
            Err(oops("before"))
        });
        let machine = plan.run().await;
        let outcome = machine.call(named("now")).await;
        assert_eq!(outcome, Err(CallError::Exited(oops("before"))));
    });
}

#[test]
fn a_machine_sends_itself_plain_messages() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).on("cast tick", |_, _, cx| {
            cx.send_after(ms(1), 7_u32);
            send_after(ms(1), &cx.recipient(), 8);
            Ok(Go::keep())
        });
        let machine = plan.run().await;
        machine.cast("tick");
        in_time(|| log.contains("A info 7") && log.contains("A info 8")).await;
        machine.cast_recipient().send("by handle");
        settled(&machine).await;
        assert!(log.contains("A cast by handle"));
    });
}
