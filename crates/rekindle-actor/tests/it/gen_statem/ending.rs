//! FSM-026: the end.

use rekindle_actor::{
    CallError, ExitReason, Mailbox, Never, StatemContext, StatemEvent, monitor, now,
    recent_crashes, sleep,
};

use super::*;

/// A machine without `terminate`, and without `enter`.
struct Plain;

impl GenStatem for Plain {
    type Args = ();
    type State = bool;
    type Call = (ReplyTo<bool>, bool);
    type Cast = ExitReason;
    type Info = Never;
    type Internal = Never;
    type Timer = Never;
    type Content = ();

    async fn init((): (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        Ok(StatemInit::ready(false, Plain))
    }

    async fn handle_event(
        &mut self,
        state: &bool,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        Ok(match event {
            StatemEvent::Cast(reason) => Transition::stop(reason),
            StatemEvent::Call((from, to)) => Transition::next(to).reply(from, *state),
            other => return cx.unexpected(other),
        })
    }

    fn show_event(event: &StatemEvent<Self>) -> Option<String> {
        match event {
            StatemEvent::Cast(reason) => Some(format!("cast of {reason}")),
            StatemEvent::Call(_) => panic!("in the hook"),
            _ => None,
        }
    }
}

#[test]
fn fsm_026_without_terminate_the_reason_passes_through() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for reason in [ExitReason::Normal, ExitReason::Shutdown, oops("over")] {
                let machine = Plain::start(()).await.unwrap();
                monitor(machine.pid());
                machine.cast(reason.clone());
                assert_eq!(expect_down(&mut inbox).await.reason, reason);
            }
        })
    });
}

#[test]
fn fsm_010_a_machine_without_enter_goes_from_state_to_state() {
    on_both(|| async {
        let machine = Plain::start(()).await.unwrap();
        assert_eq!(machine.call(|from| (from, true)).await, Ok(false));
        assert_eq!(machine.call(|from| (from, true)).await, Ok(true));
        assert_eq!(machine.call(|from| (from, false)).await, Ok(true));
    });
}

#[test]
fn fsm_026_a_panic_in_terminate_becomes_the_reason() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let mut plan = fsm(&Log::new()).on("call stop", |fsm, event, _| {
                fsm.kept.push(from_of(event));
                Ok(Go::stop(ExitReason::Normal))
            });
            plan.on_terminate = Some(Box::new(|| panic!("at the end")));
            let machine = plan.run().await;
            monitor(machine.pid());
            let outcome = machine.call(named("stop")).await;
            let reason = expect_down(&mut inbox).await.reason;
            assert!(
                matches!(&reason, ExitReason::Panic(p) if p.message == "at the end"),
                "{reason}"
            );
            assert_eq!(outcome, Err(CallError::Exited(reason)));
        })
    });
}

#[test]
fn a_crash_report_says_what_was_being_done_and_in_which_state() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let mut plan = fsm(&Log::new())
                .goes("cast set", || Go::next(St::B).internal("break"))
                .on("internal break", |_, _, _| Err(oops("broken")));
            plan.format = |_, state, status| status.state = Some(format!("{state:?}"));
            let machine = Fsm::start(plan).name("breaker").await.unwrap();
            machine.cast("set");
            monitor(machine.pid());
            expect_down(&mut inbox).await;
            until(|| recent_crashes().len() == 1).await;
            let report = recent_crashes().remove(0);
            assert_eq!(report.reason, oops("broken"));
            assert_eq!(report.name.as_deref(), Some("breaker"));
            assert_eq!(report.state.as_deref(), Some("state B"));
            assert_eq!(report.last_message.as_deref(), Some("internal event &str"));
            let text = report.to_string();
            for part in ["Fsm", "breaker", "broken", "state B", "internal event"] {
                assert!(text.contains(part), "{part} in {text}");
            }
        })
    });
}

#[test]
fn a_crash_report_shows_an_event_that_may_be_shown() {
    on_both(|| async {
        let machine = Plain::start(()).await.unwrap();
        // The hook panics at this one, and the machine goes on.
        assert_eq!(machine.call(|from| (from, true)).await, Ok(false));
        machine.cast(oops("over"));
        until(|| recent_crashes().len() == 1).await;
        let report = recent_crashes().remove(0);
        assert_eq!(report.last_message.as_deref(), Some("cast of over"));
        assert_eq!(report.state, None);
    });
}

#[test]
fn what_a_machine_holds_is_gone_when_its_end_is_known() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for kill in [true, false] {
                let drops = Drops::new();
                let mut plan = fsm(&Log::new())
                    .later(St::A, "cast later")
                    .goes("cast set", || Go::keep().timeout_with("n", ms(60_000), ""));
                plan.keeps.push(Box::new(drops.counted()));
                let machine = Fsm::start(plan).name("machine").await.unwrap();
                monitor(machine.pid());
                machine.cast("later");
                machine.cast("set");
                settled(&machine).await;
                if kill {
                    machine.exit(ExitReason::Kill);
                } else {
                    machine.stop().await.unwrap();
                }
                expect_down(&mut inbox).await;
                assert_eq!(drops.count(), 1);
                assert_eq!(rekindle_actor::whereis("machine"), None);
            }
        })
    });
}

#[test]
fn a_kill_in_the_middle_of_a_callback() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let log = Log::new();
            let machine = fsm(&log)
                .pause("call hang", Duration::from_secs(3600))
                .run()
                .await;
            let (callee, me) = (machine.clone(), inbox.recipient());
            rekindle_actor::spawn(async move { me.send(callee.call(named("hang")).await) });
            until(|| log.contains("A call hang")).await;
            machine.exit(ExitReason::Kill);
            assert_eq!(
                inbox.recv().await,
                Err(CallError::Exited(ExitReason::Killed))
            );
            assert!(!log.all().iter().any(|line| line.starts_with("terminate")));
        })
    });
}

/// Two of its states cannot be compared.
struct Picky;

#[derive(Debug)]
struct Odd(u8);

impl PartialEq for Odd {
    fn eq(&self, other: &Odd) -> bool {
        assert!(self.0 != 13 && other.0 != 13, "not with thirteen");
        self.0 == other.0
    }
}

impl GenStatem for Picky {
    type Args = Log;
    type State = Odd;
    type Call = Never;
    type Cast = u8;
    type Info = Never;
    type Internal = Never;
    type Timer = Never;
    type Content = ();

    async fn init(log: Log, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        log.add("init");
        Ok(StatemInit::ready(Odd(1), Picky))
    }

    async fn handle_event(
        &mut self,
        _: &Odd,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        match event {
            StatemEvent::Cast(n) => Ok(Transition::next(Odd(n))),
            other => cx.unexpected(other),
        }
    }
}

#[test]
fn a_comparison_of_states_that_panics_is_the_machines_crash() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let machine = Picky::start(Log::new()).await.unwrap();
            monitor(machine.pid());
            machine.cast(2);
            machine.cast(13);
            let reason = expect_down(&mut inbox).await.reason;
            assert!(
                matches!(&reason, ExitReason::Panic(p) if p.message.contains("thirteen")),
                "{reason}"
            );
        })
    });
}

#[test]
fn a_million_seconds_of_an_idle_machine_cost_nothing() {
    on_sim(|| async {
        let log = Log::new();
        let machine = fsm(&log).run().await;
        sleep(Duration::from_secs(1_000_000)).await;
        settled(&machine).await;
        assert_eq!(now().as_duration(), Duration::from_secs(1_000_000));
    });
}
