//! FSM-023 to FSM-025: hibernation, status, state.

use rekindle_actor::{
    CallError, ExitReason, Mailbox, StatemInit, SysError, recent_crashes, sleep, spawn, sys,
};

use super::*;

#[test]
fn fsm_023_hibernate_as_an_action() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .goes("cast rest", || Go::keep().hibernate())
            .goes("cast busy", || Go::keep().hibernate().internal("i"))
            .on_enter(St::B, |_, _| Ok(Enter::keep().hibernate()));
        let machine = plan.run().await;
        machine.cast("rest");
        settled(&machine).await;
        machine.cast("busy");
        settled(&machine).await;
        machine.cast("to B");
        settled(&machine).await;
        assert_eq!(
            events(&log),
            [
                "A cast rest",
                "hibernate",
                "A cast busy",
                // With something to do at once there is no rest.
                "A internal i",
                "A cast to B",
                "A -> B",
                "hibernate",
            ]
        );
    });
}

#[test]
fn fsm_023_init_may_hibernate() {
    on_both(|| async {
        let log = Log::new();
        let machine = fsm(&log).begins(StatemInit::hibernate).run().await;
        settled(&machine).await;
        assert_eq!(events(&log), ["hibernate"]);
    });
}

#[test]
fn fsm_023_hibernate_after_an_idle_time() {
    on_sim(|| async {
        let log = Log::new();
        let machine = Fsm::start(fsm(&log)).hibernate_after(ms(10)).await.unwrap();
        sleep(ms(9)).await;
        machine.cast("x");
        sleep(ms(9)).await;
        assert_eq!(events(&log), ["A cast x"]);
        sleep(ms(100)).await;
        assert_eq!(events(&log), ["A cast x", "hibernate"], "once per wait");
        machine.cast("y");
        sleep(ms(11)).await;
        assert_eq!(
            events(&log),
            ["A cast x", "hibernate", "A cast y", "hibernate"]
        );
    });
}

#[test]
fn a_hibernating_machine_keeps_its_timeouts_and_what_is_postponed() {
    on_sim(|| async {
        let log = Log::new();
        let plan = fsm(&log)
            .later(St::A, "cast later")
            .goes("cast set", || {
                Go::keep().state_timeout_with(ms(10), "up").hibernate()
            })
            .goes("state timeout up", || Go::next(St::B));
        let machine = plan.run().await;
        machine.cast("later");
        machine.cast("set");
        sleep(ms(11)).await;
        assert_eq!(
            events(&log),
            [
                "A cast later",
                "A cast set",
                "hibernate",
                "A state timeout up",
                "A -> B",
                "B cast later",
            ]
        );
    });
}

#[test]
fn an_alarm_of_a_cancelled_timeout_is_no_event() {
    on_sim(|| async {
        let log = Log::new();
        // The named timeout has run out when it is cancelled: its alarm lies in the mailbox.
        let plan = fsm(&log)
            .goes("cast set", || Go::keep().timeout_with("n", ms(5), ""))
            .pause("cast busy", ms(10))
            .goes("cast busy", || {
                Go::keep()
                    .cancel_timeout("n")
                    .event_timeout_with(ms(5), "quiet")
            });
        let machine = plan.run().await;
        machine.cast("set");
        machine.cast("busy");
        sleep(ms(16)).await;
        assert_eq!(
            events(&log),
            ["A cast set", "A cast busy", "A event timeout quiet"]
        );
    });
}

fn shows_all(fsm: &Fsm, state: &St, status: &mut StatemStatus) {
    status.state = Some(format!("{state:?}"));
    status.data = Some(format!("n = {}", fsm.n));
}

#[test]
fn fsm_024_get_status_lists_everything() {
    on_sim(|| async {
        let log = Log::new();
        let mut plan = fsm(&log)
            .later(St::B, "cast later")
            .later(St::B, "info 3")
            .goes("cast set", || {
                Go::next(St::B)
                    .state_timeout_with(ms(10), "secret")
                    .timeout_with("name", ms(20), "secret")
            });
        plan.format = shows_all;
        let machine = Fsm::start(plan).name("machine").await.unwrap();
        machine.cast("set");
        machine.cast("later");
        machine.send(3_u32);
        sleep(ms(4)).await;
        let status = sys::get_status(machine.pid()).await.unwrap();
        assert_eq!(
            status.state.as_deref(),
            Some(
                "state B; data n = 0; timeouts state in 6ms, \"name\" in 16ms; \
                 postponed cast &str, message u32"
            )
        );
        assert_eq!(status.name.as_deref(), Some("machine"));
        assert!(!status.suspended && status.behaviour.ends_with("Fsm"));
        sys::suspend(machine.pid()).await.unwrap();
        assert!(sys::get_status(machine.pid()).await.unwrap().suspended);
    });
}

#[test]
fn fsm_024_the_hook_hides_and_its_panic_hides_all_it_would_have_shown() {
    on_both(|| async {
        let log = Log::new();
        let machine = fsm(&log).later(St::A, "cast later").run().await;
        machine.cast("later");
        let status = sys::get_status(machine.pid()).await.unwrap();
        assert_eq!(status.state.as_deref(), Some("postponed cast &str"));

        let mut plan = fsm(&log).later(St::A, "cast later");
        plan.format = |_, _, status| {
            status.state = Some("shown".to_owned());
            status.postponed.clear();
        };
        let machine = plan.run().await;
        machine.cast("later");
        let status = sys::get_status(machine.pid()).await.unwrap();
        assert_eq!(status.state.as_deref(), Some("state shown"));

        let mut plan = fsm(&log).later(St::A, "cast later");
        plan.format = |_, _, status| {
            status.state = Some("half".to_owned());
            panic!("in the hook")
        };
        let machine = plan.run().await;
        machine.cast("later");
        let status = sys::get_status(machine.pid()).await.unwrap();
        assert_eq!(status.state.as_deref(), Some("postponed cast &str"));

        let quiet = fsm(&log).run().await;
        assert_eq!(sys::get_status(quiet.pid()).await.unwrap().state, None);
    });
}

/// State and data that can be cloned, and a log beside them.
#[derive(Clone)]
struct Dial {
    n: i64,
    log: Log,
}

impl GenStatem for Dial {
    type Args = Log;
    type State = u32;
    type Call = ReplyTo<(u32, i64)>;
    type Cast = u32;
    type Info = ();
    type Internal = ();
    type Timer = ();
    type Content = ();

    async fn init(log: Log, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        Ok(StatemInit::ready(1, Dial { n: 10, log }))
    }

    async fn handle_event(
        &mut self,
        state: &u32,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        Ok(match event {
            StatemEvent::Call(from) => Transition::keep().reply(from, (*state, self.n)),
            StatemEvent::Cast(100) if *state != 100 => {
                self.log.add("postponed");
                Transition::keep().postpone(event)
            }
            StatemEvent::Cast(100) => {
                self.log.add("back");
                Transition::keep()
            }
            StatemEvent::Cast(to) => Transition::next(to),
            other => return cx.unexpected(other),
        })
    }

    async fn enter(
        &mut self,
        old: &u32,
        state: &u32,
        _: &mut StatemContext<Self>,
    ) -> Result<Enter<Self>, ExitReason> {
        self.log.add(format!("{old} -> {state}"));
        Ok(Enter::keep())
    }
}

#[test]
fn fsm_025_replace_state_changes_both_without_an_enter_call() {
    on_both(|| async {
        let log = Log::new();
        let dial = Dial::start(log.clone()).await.unwrap();
        dial.cast(100);
        let replaced = sys::replace_state(dial.pid(), |(state, data): &mut (u32, Dial)| {
            *state = 100;
            data.n = 20;
        });
        let (state, data) = replaced.await.unwrap();
        assert_eq!((state, data.n), (100, 20));
        assert_eq!(dial.call(|from| from).await, Ok((100, 20)));
        // Nothing came back either: no transition was made.
        assert_eq!(log.all(), ["1 -> 1", "postponed"]);
        dial.cast(2);
        assert_eq!(dial.call(|from| from).await, Ok((2, 20)));
        assert_eq!(log.all()[2..], ["100 -> 2", "postponed"]);
    });
}

#[test]
fn fsm_025_replace_state_works_while_suspended() {
    on_both(|| async {
        let dial = Dial::start(Log::new()).await.unwrap();
        sys::suspend(dial.pid()).await.unwrap();
        let (state, data) = sys::get_state::<(u32, Dial)>(dial.pid()).await.unwrap();
        assert_eq!((state, data.n), (1, 10));
        let change = |held: &mut (u32, Dial)| held.0 = 7;
        sys::replace_state(dial.pid(), change).await.unwrap();
        sys::resume(dial.pid()).await.unwrap();
        assert_eq!(dial.call(|from| from).await, Ok((7, 10)));
    });
}

#[test]
fn fsm_025_a_panicking_function_changes_nothing() {
    on_both(|| async {
        let dial = Dial::start(Log::new()).await.unwrap();
        let outcome = sys::replace_state(dial.pid(), |(state, data): &mut (u32, Dial)| {
            *state = 5;
            data.n = 6;
            panic!("too late")
        });
        let outcome = outcome.await.map(|(state, data)| (state, data.n));
        assert!(
            matches!(&outcome, Err(SysError::Panicked(ExitReason::Panic(p))) if p.message == "too late"),
            "{outcome:?}"
        );
        assert_eq!(dial.call(|from| from).await, Ok((1, 10)));
        assert_eq!(recent_crashes().len(), 0);
    });
}

#[test]
fn a_suspended_machine_handles_nothing_and_can_be_stopped() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let log = Log::new();
            let machine = fsm(&log).run().await;
            settled(&machine).await;
            sys::suspend(machine.pid()).await.unwrap();
            machine.cast("x");
            let (callee, me) = (machine.clone(), inbox.recipient());
            spawn(async move { me.send(callee.call(Ask::Get).no_timeout().await) });
            let outcome = machine.call(Ask::Get).timeout(ms(5)).await;
            assert_eq!(outcome, Err(CallError::Timeout(ms(5))));
            assert!(events(&log).is_empty());
            machine.stop().await.unwrap();
            assert_eq!(
                inbox.recv().await,
                Err(CallError::Exited(ExitReason::Normal))
            );
            assert_eq!(events(&log), ["terminate normal in A, n = 0"]);
        })
    });
}

#[test]
fn sys_messages_are_handled_between_events_in_mailbox_order() {
    on_both(|| async {
        let log = Log::new();
        let machine = fsm(&log).run().await;
        for n in 0..20 {
            machine.cast("x");
            sys::with_state(machine.pid(), move |(_, fsm): &mut (St, Fsm)| {
                fsm.log.add(format!("looked {n}"));
            })
            .await
            .unwrap();
        }
        let lines = events(&log);
        for (n, pair) in lines.chunks(2).enumerate() {
            assert_eq!(pair, ["A cast x".to_owned(), format!("looked {n}")]);
        }
    });
}

#[test]
fn what_a_machine_does_is_counted_and_traced() {
    on_both(|| async {
        let log = Log::new();
        let plan = fsm(&log).goes("cast inner", || Go::keep().internal("i"));
        let machine = plan.run().await;
        sys::start_statistics(machine.pid()).await.unwrap();
        sys::start_log(machine.pid(), 100).await.unwrap();
        machine.cast("inner");
        machine.cast("other");
        settled(&machine).await;
        let counted = sys::get_statistics(machine.pid()).await.unwrap().unwrap();
        // The two casts, and whatever `settled` asks.
        assert!(counted.messages_in >= 2, "{counted:?}");
        let log: Vec<_> = sys::get_log(machine.pid())
            .await
            .unwrap()
            .into_iter()
            .map(|traced| traced.to_string())
            .collect();
        assert!(log.iter().any(|line| line.contains("cast")), "{log:?}");
        assert!(log.iter().any(|line| line.contains("internal")), "{log:?}");
    });
}
