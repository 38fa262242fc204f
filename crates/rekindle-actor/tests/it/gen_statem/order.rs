//! FSM-014 to FSM-016: postponed and inserted events, and the order of everything.

use rekindle_actor::{CallError, ExitReason, Mailbox, StatemEvent, spawn, sys};

use super::*;

#[test]
fn fsm_014_postponed_events_come_back_in_order_before_what_waits() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast 1")
            .later(St::A, "cast 2")
            .later(St::A, "cast 3");
        let machine = plan.run().await;
        // All of them are in the mailbox before the first is handled.
        sys::suspend(machine.pid()).await.unwrap();
        for cast in ["1", "2", "x", "3", "to B", "4"] {
            machine.cast(cast);
        }
        sys::resume(machine.pid()).await.unwrap();
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast 1",
                "A cast 2",
                "A cast x",
                "A cast 3",
                "A cast to B",
                "A -> B",
                "B cast 1",
                "B cast 2",
                "B cast 3",
                "B cast 4",
            ]
        );
    });
}

#[test]
fn fsm_014_requests_messages_and_timeouts_are_postponed_alike() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let log = Log::new();
            let plan = fsm(&log)
                .later(St::A, "call ask")
                .later(St::A, "info 5")
                .later(St::A, "timeout name t")
                .later(St::A, "internal i")
                .goes("cast set", || {
                    Go::keep()
                        .timeout_with("name", Duration::ZERO, "t")
                        .internal("i")
                })
                .on("call answer", |fsm, event, _| {
                    fsm.n = 4;
                    Ok(Go::next(St::B).reply(from_of(event), 0))
                });
            let machine = plan.run().await;
            let (callee, me) = (machine.clone(), inbox.recipient());
            spawn(async move { me.send(callee.call(named("ask")).await) });
            until(|| log.contains("A call ask")).await;
            machine.send(5_u32);
            machine.cast("set");
            machine.call(named("answer")).await.unwrap();
            assert_eq!(inbox.recv().await, Ok(4), "answered in the second state");
            settled(&machine).await;
            assert_eq!(
                events(&log),
                [
                    "A call ask",
                    "A info 5",
                    "A cast set",
                    "A internal i",
                    "A timeout name t",
                    "A call answer",
                    "A -> B",
                    "B call ask",
                    "B info 5",
                    "B internal i",
                    "B timeout name t",
                ]
            );
        })
    });
}

#[test]
fn fsm_015_keep_and_repeat_and_the_same_state_bring_nothing_back() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast later")
            .goes("cast keep", Go::keep)
            .goes("cast repeat", Go::repeat)
            .goes("cast same", || Go::next(St::A));
        let machine = plan.run().await;
        for cast in ["later", "keep", "repeat", "same", "to B"] {
            machine.cast(cast);
        }
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast later",
                "A cast keep",
                "A cast repeat",
                "A cast same",
                "A cast to B",
                "A -> B",
                "B cast later",
            ]
        );
    });
}

#[test]
fn what_comes_back_may_be_postponed_again_and_keeps_its_place() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast 1")
            .later(St::B, "cast 1")
            .later(St::A, "cast 2")
            .later(St::A, "cast 3");
        let machine = plan.run().await;
        for cast in ["1", "2", "3", "to B", "to C"] {
            machine.cast(cast);
        }
        settled(&machine).await;
        let back: Vec<_> = events(&log)
            .into_iter()
            .filter(|line| !line.starts_with('A'))
            .collect();
        assert_eq!(
            back,
            [
                "B cast 1",
                "B cast 2",
                "B cast 3",
                "B cast to C",
                "B -> C",
                "C cast 1"
            ]
        );
    });
}

#[test]
fn an_event_that_changes_the_state_may_itself_be_postponed() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast early")
            .on("cast both", |_, event, _| {
                Ok(Go::next(St::B).postpone(event))
            });
        let machine = plan.run().await;
        for cast in ["early", "both", "after"] {
            machine.cast(cast);
        }
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast early",
                "A cast both",
                "A -> B",
                "B cast early",
                "B cast both",
                "B cast after",
            ]
        );
    });
}

#[test]
fn a_change_in_the_middle_of_what_came_back() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast 1")
            .later(St::A, "cast on")
            .later(St::A, "cast 3")
            .later(St::B, "cast 1")
            .goes("cast on", || Go::next(St::C));
        let machine = plan.run().await;
        for cast in ["1", "on", "3", "to B"] {
            machine.cast(cast);
        }
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast 1",
                "A cast on",
                "A cast 3",
                "A cast to B",
                "A -> B",
                "B cast 1",
                "B cast on",
                "B -> C",
                "C cast 1",
                "C cast 3",
            ]
        );
    });
}

#[test]
fn fsm_016_inserted_events_come_first_in_the_order_given() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast later")
            .goes("cast go", || {
                Go::next(St::B)
                    .internal("1")
                    .next_event(StatemEvent::Cast("2"))
                    .internal("3")
            })
            .goes("internal 1", || Go::keep().internal("1a").internal("1b"));
        let machine = plan.run().await;
        sys::suspend(machine.pid()).await.unwrap();
        for cast in ["later", "go", "waits"] {
            machine.cast(cast);
        }
        sys::resume(machine.pid()).await.unwrap();
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast later",
                "A cast go",
                "A -> B",
                "B internal 1",
                "B internal 1a",
                "B internal 1b",
                "B cast 2",
                "B internal 3",
                "B cast later",
                "B cast waits",
            ]
        );
    });
}

#[test]
fn the_order_of_everything_at_once() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast later")
            .on("cast go", |_, event, _| {
                Ok(Go::next(St::B)
                    .timeout_with("z1", Duration::ZERO, "")
                    .postpone(event)
                    .state_timeout_with(Duration::ZERO, "z2")
                    .internal("inserted"))
            })
            .on_enter(St::B, |_, _| {
                Ok(Enter::keep().timeout_with("z3", Duration::ZERO, ""))
            });
        let machine = plan.run().await;
        sys::suspend(machine.pid()).await.unwrap();
        for cast in ["later", "go", "waits"] {
            machine.cast(cast);
        }
        sys::resume(machine.pid()).await.unwrap();
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast later",
                "A cast go",
                "A -> B",
                "B internal inserted",
                "B cast later",
                "B cast go",
                "B timeout z1 ",
                "B state timeout z2",
                "B timeout z3 ",
                "B cast waits",
            ]
        );
    });
}

#[test]
fn init_may_insert_events_and_set_timeouts() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).begins(|init| {
            init.state_timeout_with(Duration::ZERO, "zero")
                .internal("1")
                .next_event(StatemEvent::Cast("2"))
                .timeout_with("later", ms(1), "t")
        });
        let machine = plan.run().await;
        in_time(|| log.contains("A timeout later t")).await;
        assert_eq!(
            events(&log),
            [
                "A internal 1",
                "A cast 2",
                "A state timeout zero",
                "A timeout later t",
            ]
        );
        settled(&machine).await;
    });
}

#[test]
fn a_machine_that_gives_itself_events_for_ever_can_be_killed_and_lets_others_run() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let machine = Spinner::start(()).await.unwrap();
            // Somebody else gets on meanwhile.
            let other = fsm(&Log::new()).run().await;
            settled(&other).await;
            machine.exit(ExitReason::Kill);
            let reason = reason_of(&mut inbox, machine.pid()).await;
            assert!(reason == ExitReason::Killed || reason == ExitReason::NoProc);
        })
    });
}

/// Each of its events is followed by another one.
struct Spinner;

impl GenStatem for Spinner {
    type Args = ();
    type State = ();
    type Call = ();
    type Cast = ();
    type Info = ();
    type Internal = ();
    type Timer = ();
    type Content = ();

    async fn init((): (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        Ok(StatemInit::ready((), Spinner).internal(()))
    }

    async fn handle_event(
        &mut self,
        (): &(),
        _: StatemEvent<Self>,
        _: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        Ok(Transition::keep().internal(()))
    }
}

#[test]
fn many_postponed_events_come_back_in_linear_time() {
    on_both(|| async {
        let many = 20_000;
        let collector = Collector::start(()).await.unwrap();
        for n in 0..many {
            collector.cast(n);
        }
        collector.cast(u32::MAX);
        let got = collector.call(|from| from).no_timeout().await.unwrap();
        assert!(got.into_iter().eq(0..many));
    });
}

/// Collects numbers, but only when it is open.
struct Collector(Vec<u32>);

impl GenStatem for Collector {
    type Args = ();
    type State = bool;
    type Call = ReplyTo<Vec<u32>>;
    type Cast = u32;
    type Info = ();
    type Internal = ();
    type Timer = ();
    type Content = ();

    async fn init((): (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        Ok(StatemInit::ready(false, Collector(Vec::new())))
    }

    async fn handle_event(
        &mut self,
        open: &bool,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        Ok(match (open, event) {
            (_, StatemEvent::Cast(u32::MAX)) => Transition::next(true),
            (true, StatemEvent::Cast(n)) => {
                self.0.push(n);
                Transition::keep()
            }
            (true, StatemEvent::Call(from)) => {
                Transition::keep().reply(from, std::mem::take(&mut self.0))
            }
            (false, other) => Transition::keep().postpone(other),
            (_, other) => return cx.unexpected(other),
        })
    }
}

#[test]
fn postponed_requests_hear_how_the_machine_ended() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            for kill in [true, false] {
                let log = Log::new();
                let machine = fsm(&log).later(St::A, "call ask").run().await;
                let (callee, me) = (machine.clone(), inbox.recipient());
                spawn(async move { me.send(callee.call(named("ask")).await) });
                until(|| log.contains("A call ask")).await;
                let expected = if kill {
                    machine.exit(ExitReason::Kill);
                    ExitReason::Killed
                } else {
                    machine.stop().await.unwrap();
                    ExitReason::Normal
                };
                assert_eq!(inbox.recv().await, Err(CallError::Exited(expected)));
            }
        })
    });
}

#[test]
fn what_a_stop_was_to_postpone_or_insert_is_dropped() {
    on_both(|| async {
        let log = Log::new();
        let drops = Drops::new();
        let plan = fsm(&log).on("call stop", |_, event, _| {
            Ok(Go::stop(ExitReason::Shutdown)
                .internal("never")
                .postpone(event)
                .state_timeout_with(Duration::ZERO, "never"))
        });
        let mut plan = plan;
        plan.keeps.push(Box::new(drops.counted()));
        let machine = plan.run().await;
        let outcome = machine.call(named("stop")).await;
        assert_eq!(outcome, Err(CallError::Exited(ExitReason::Shutdown)));
        assert_eq!(drops.count(), 1);
        assert_eq!(
            events(&log),
            ["A call stop", "terminate shutdown in A, n = 0"]
        );
    });
}
