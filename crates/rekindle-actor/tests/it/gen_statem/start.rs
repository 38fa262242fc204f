//! FSM-001 and FSM-002: starting and stopping as a generic server; the two styles.

use rekindle_actor::{
    CallError, ExitReason, GenStatem, Mailbox, MailboxPolicy, Never, Overflow, Pid, RegisterError,
    Registry, ReplyTo, SendError, StartError, StatemAddr, StatemContext, StatemEvent, StatemInit,
    StatemName, StatemStep, StopError, Transition, exit, info, is_alive, link, recent_crashes,
    self_pid, spawn, sys, trap_exit, whereis,
};

use super::*;

#[test]
fn fsm_001_gen_001_the_starter_goes_on_after_init() {
    on_both(|| async {
        let log = Log::new();
        let machine = Fsm::start(fsm(&log).init_pause(ms(5))).await.unwrap();
        log.add("started");
        assert_eq!(log.all()[0], "init");
        assert_eq!(machine.call(Ask::Get).await, Ok(0));
        assert!(is_alive(machine.pid()) && machine.is_alive());
    });
}

#[test]
fn fsm_001_gen_002_start_link_links_and_start_does_not() {
    on_both(|| async {
        let log = Log::new();
        let (linked, free) = (
            Fsm::start_link(fsm(&log)).await.unwrap(),
            Fsm::start(fsm(&log)).await.unwrap(),
        );
        assert_eq!(links_of(self_pid()), [linked.pid()]);
        assert_eq!(links_of(linked.pid()), [self_pid()]);
        assert!(links_of(free.pid()).is_empty());
    });
}

#[test]
fn fsm_001_gen_003_start_monitor_gives_the_down() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (machine, reference) = Fsm::start_monitor(fsm(&Log::new())).await.unwrap();
            machine.stop().reason(oops("over")).await.unwrap();
            let down = expect_down(&mut inbox).await;
            assert_eq!((down.reference, down.reason), (reference, oops("over")));
        })
    });
}

#[test]
fn fsm_001_gen_004_ignore() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let plan = fsm(&Log::new()).init(|_, _| Ok(StatemInit::ignore()));
            let outcome = Fsm::start_link(plan).name("machine").await;
            assert_eq!(outcome.unwrap_err(), StartError::Ignore);
            assert_eq!(whereis("machine"), None);
            assert_eq!(recent_crashes().len(), 0);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn fsm_001_gen_005_an_error_in_init() {
    on_both(|| async {
        for _ in 0..3 {
            let plan = fsm(&Log::new()).init(|_, _| Err(oops("no")));
            let outcome = Fsm::start(plan).name("machine").await;
            assert_eq!(outcome.unwrap_err(), StartError::Failed(oops("no")));
            assert_eq!(whereis("machine"), None);
        }
        Fsm::start(fsm(&Log::new())).name("machine").await.unwrap();
    });
}

#[test]
fn fsm_001_gen_006_a_failed_init_without_a_crash_report() {
    on_both(|| async {
        let plan = fsm(&Log::new()).init(|_, _| Ok(StatemInit::fail(oops("quietly"))));
        let outcome = Fsm::start(plan).await;
        assert_eq!(outcome.unwrap_err(), StartError::Failed(oops("quietly")));
        assert_eq!(recent_crashes().len(), 0);
    });
}

#[test]
fn fsm_001_gen_007_008_a_panic_in_init() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let plan = || fsm(&Log::new()).init(|_, _| panic!("at the start"));
            for outcome in [
                Fsm::start(plan()).await,
                Fsm::start_link(plan()).await,
                Fsm::start_monitor(plan()).await.map(|(machine, _)| machine),
            ] {
                let error = outcome.unwrap_err();
                assert!(
                    matches!(&error, StartError::Failed(ExitReason::Panic(p)) if p.message == "at the start"),
                    "{error:?}"
                );
            }
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn fsm_001_gen_009_a_name_that_is_taken() {
    on_both(|| async {
        let (first, second) = (Log::new(), Log::new());
        let holder = Fsm::start(fsm(&first)).name("machine").await.unwrap();
        let outcome = Fsm::start_link(fsm(&second)).name("machine").await;
        assert_eq!(
            outcome.unwrap_err(),
            StartError::AlreadyStarted(holder.pid())
        );
        assert_eq!(second.len(), 0);
        settled(&holder).await;
    });
}

#[test]
fn fsm_001_gen_010_init_can_look_itself_up() {
    on_both(|| async {
        let plan = fsm(&Log::new()).init(|fsm, cx| {
            assert_eq!(whereis("early"), Some(cx.pid()));
            assert_eq!(StatemAddr::<Fsm>::whereis("early"), Some(cx.addr()));
            Ok(StatemInit::ready(St::A, fsm))
        });
        Fsm::start(plan).name("early").await.unwrap();
    });
}

#[test]
fn fsm_001_gen_011_a_name_as_handle() {
    on_both(|| async {
        let name = StatemName::<Fsm>::new("machine");
        assert!(name.call(Ask::Get).await.is_err());
        assert_eq!(name.try_cast("lost"), Err(SendError::NoProc("lost")));
        assert_eq!(name.try_send(7_u32), Err(SendError::NoProc(7)));
        name.cast("lost");
        for n in 1..=3 {
            let log = Log::new();
            let plan = fsm(&log).init(move |mut fsm, _| {
                fsm.n = n;
                Ok(StatemInit::ready(St::A, fsm))
            });
            let machine = Fsm::start(plan).name("machine").await.unwrap();
            name.cast("hello");
            name.send(4_u32);
            name.recipient().send(5_u32);
            assert_eq!(name.call(Ask::Get).await, Ok(n));
            assert_eq!(events(&log), ["A cast hello", "A info 4", "A info 5"]);
            assert_eq!(name.pid(), Some(machine.pid()));
            machine.stop().await.unwrap();
            assert!(name.resolve().is_none());
        }
    });
}

#[test]
fn fsm_001_gen_012_a_bad_name_and_an_init_that_takes_too_long() {
    on_both(|| async {
        let log = Log::new();
        let outcome = Fsm::start(fsm(&log)).name("").await;
        assert_eq!(
            outcome.unwrap_err(),
            StartError::BadName(RegisterError::Empty)
        );
        assert_eq!(log.len(), 0);
        let slow = fsm(&log).init_pause(Duration::MAX);
        let outcome = Fsm::start_link(slow).name("slow").timeout(ms(5)).await;
        assert_eq!(outcome.unwrap_err(), StartError::Timeout(ms(5)));
        assert_eq!(whereis("slow"), None);
    });
}

#[test]
fn fsm_001_gen_013_a_handle_from_a_pid_or_a_name() {
    on_both(|| async {
        let machine = Fsm::start(fsm(&Log::new())).name("machine").await.unwrap();
        assert_eq!(
            StatemAddr::<Fsm>::from_pid(machine.pid()),
            Some(machine.clone())
        );
        assert!(StatemAddr::<Lock<true>>::from_pid(machine.pid()).is_none());
        assert!(StatemAddr::<Lock<true>>::whereis("machine").is_none());
        assert!(format!("{machine:?}").starts_with("StatemAddr<Fsm>("));
    });
}

#[test]
fn fsm_001_gen_037_038_039_stop() {
    on_both(|| async {
        let log = Log::new();
        let machine = Fsm::start(fsm(&log)).name("machine").await.unwrap();
        machine.cast("before");
        machine.stop().await.unwrap();
        assert_eq!(
            events(&log),
            ["A cast before", "terminate normal in A, n = 0"]
        );
        assert_eq!(whereis("machine"), None);
        assert_eq!(machine.stop().await, Err(StopError::NoProc));

        let machine = fsm(&log).run().await;
        let stop = machine.stop().reason(ExitReason::Shutdown);
        stop.timeout(Duration::from_secs(60)).await.unwrap();
        assert!(log.contains("terminate shutdown in A, n = 0"));

        let stuck = fsm(&log)
            .pause("cast stick", Duration::from_secs(60))
            .run()
            .await;
        stuck.cast("stick");
        assert_eq!(
            stuck.stop().timeout(ms(5)).await,
            Err(StopError::Timeout(ms(5)))
        );
        stuck.exit(ExitReason::Kill);
    });
}

#[test]
fn a_machine_that_is_linked_dies_with_its_link_and_a_trapping_one_hears_of_it() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let plain = fsm(&log).run().await;
            let puppet = Puppet::new();
            let pid = plain.pid();
            puppet.run(move || link(pid)).await;
            puppet.is_linked_with(pid).await;
            puppet.die(oops("linked"));
            assert_eq!(reason_of(&mut inbox, pid).await, oops("linked"));
            assert!(!log.all().iter().any(|line| line.starts_with("terminate")));

            let log = Log::new();
            let trapping = fsm(&log).init(|fsm, _| {
                trap_exit(true);
                Ok(StatemInit::ready(St::A, fsm))
            });
            let trapping = trapping.run().await;
            let (puppet, pid) = (Puppet::new(), trapping.pid());
            puppet.run(move || link(pid)).await;
            puppet.is_linked_with(pid).await;
            puppet.die(oops("linked"));
            until(|| log.contains("A exit linked")).await;
            settled(&trapping).await;
        })
    });
}

#[test]
fn fsm_001_gen_042_the_parents_end_stops_a_trapping_machine() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<StatemAddr<Fsm>>| async move {
            let (log, me) = (Log::new(), inbox.recipient());
            let plan = fsm(&log).init(|fsm, _| {
                trap_exit(true);
                Ok(StatemInit::ready(St::B, fsm))
            });
            let parent = spawn(|mut inbox: Mailbox<ExitReason>| async move {
                me.send(Fsm::start_link(plan).await.unwrap());
                inbox.recv().await
            });
            let machine = inbox.recv().await;
            rekindle_actor::monitor(machine.pid());
            parent.send(ExitReason::Shutdown);
            let down = expect_down(&mut inbox).await;
            assert_eq!(down.reason, ExitReason::Shutdown);
            assert_eq!(
                log.all(),
                ["init", "B -> B", "terminate shutdown in B, n = 0"]
            );
        })
    });
}

#[test]
fn a_killed_machine_runs_no_terminate() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let machine = fsm(&log).run().await;
            exit(machine.pid(), ExitReason::Kill);
            assert_eq!(
                reason_of(&mut inbox, machine.pid()).await,
                ExitReason::Killed
            );
            assert!(!log.all().iter().any(|line| line.starts_with("terminate")));
        })
    });
}

#[test]
fn a_machine_with_a_bounded_mailbox_refuses_what_is_too_much() {
    on_both(|| async {
        let plan = fsm(&Log::new()).pause("cast stick", Duration::from_secs(600));
        let machine = Fsm::start(plan)
            .mailbox(MailboxPolicy::bounded(2).when_full(Overflow::Fail))
            .await
            .unwrap();
        settled(&machine).await;
        machine.cast("stick");
        until(|| info(machine.pid()).unwrap().mailbox == 0).await;
        machine.try_cast("one").unwrap();
        machine.try_cast("two").unwrap();
        assert_eq!(machine.try_cast("three"), Err(SendError::Full("three")));
        assert_eq!(machine.try_send(3_u32), Err(SendError::Full(3)));
    });
}

/// A lock, in both styles: with a function per state, or with one handler.
pub(super) struct Lock<const FUNCTIONS: bool> {
    log: Log,
    typed: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Position {
    Locked,
    Open,
}

pub(super) enum Button {
    Press(u8),
    Lock,
}

impl<const FUNCTIONS: bool> GenStatem for Lock<FUNCTIONS> {
    type Args = Log;
    type State = Position;
    type Call = ReplyTo<Position>;
    type Cast = Button;
    type Info = Never;
    type Internal = Never;
    type Timer = Never;
    type Content = ();

    async fn init(log: Log, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        let lock = Lock {
            log,
            typed: Vec::new(),
        };
        Ok(StatemInit::ready(Position::Locked, lock))
    }

    async fn handle_event(
        &mut self,
        state: &Position,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        self.log.add(format!("{state:?} {event:?}"));
        if FUNCTIONS {
            return match state {
                Position::Locked => self.locked(event, cx),
                Position::Open => self.open(event, cx).await,
            };
        }
        Ok(match (state, event) {
            (Position::Locked, StatemEvent::Cast(Button::Press(digit))) => {
                self.typed.push(digit);
                if self.typed == [1, 2] {
                    Transition::next(Position::Open).state_timeout(ms(10))
                } else {
                    Transition::keep()
                }
            }
            (Position::Locked, event @ StatemEvent::Cast(Button::Lock)) => {
                Transition::keep().postpone(event)
            }
            (Position::Open, StatemEvent::Cast(Button::Lock) | StatemEvent::StateTimeout(())) => {
                self.typed.clear();
                Transition::next(Position::Locked)
            }
            (state, StatemEvent::Call(from)) => Transition::keep().reply(from, *state),
            (_, other) => return cx.unexpected(other),
        })
    }

    async fn terminate(
        &mut self,
        reason: &ExitReason,
        state: &Position,
        _: &mut StatemContext<Self>,
    ) {
        self.log.add(format!("terminate {reason} in {state:?}"));
    }
}

impl<const FUNCTIONS: bool> Lock<FUNCTIONS> {
    fn locked(
        &mut self,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        Ok(match event {
            StatemEvent::Cast(Button::Press(digit)) => {
                self.typed.push(digit);
                if self.typed == [1, 2] {
                    Transition::next(Position::Open).state_timeout(ms(10))
                } else {
                    Transition::keep()
                }
            }
            lock @ StatemEvent::Cast(Button::Lock) => Transition::keep().postpone(lock),
            StatemEvent::Call(from) => Transition::keep().reply(from, Position::Locked),
            other => return cx.unexpected(other),
        })
    }

    /// A state's function may await as well.
    async fn open(
        &mut self,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        rekindle_actor::yield_now().await;
        Ok(match event {
            StatemEvent::Cast(Button::Lock) | StatemEvent::StateTimeout(()) => {
                self.typed.clear();
                Transition::next(Position::Locked)
            }
            StatemEvent::Call(from) => Transition::keep().reply(from, Position::Open),
            other => return cx.unexpected(other),
        })
    }
}

async fn story<const FUNCTIONS: bool>() -> Vec<String> {
    let log = Log::new();
    let lock = Lock::<FUNCTIONS>::start(log.clone()).await.unwrap();
    assert_eq!(lock.call(|from| from).await, Ok(Position::Locked));
    lock.cast(Button::Press(1));
    // Postponed, and done when the lock is open.
    lock.cast(Button::Lock);
    lock.cast(Button::Press(2));
    assert_eq!(lock.call(|from| from).await, Ok(Position::Locked));
    // Suspended, so that the time limit does not begin before all of them are there.
    sys::suspend(lock.pid()).await.unwrap();
    lock.cast(Button::Press(1));
    lock.cast(Button::Press(2));
    // Unexpected there.
    lock.cast(Button::Press(3));
    sys::resume(lock.pid()).await.unwrap();
    in_time(|| log.len() == 10).await;
    assert_eq!(lock.call(|from| from).await, Ok(Position::Locked));
    lock.stop().await.unwrap();
    log.all()
}

#[test]
fn fsm_002_both_styles_behave_alike() {
    on_both(|| async {
        let (functions, handler) = (story::<true>().await, story::<false>().await);
        assert_eq!(functions, handler);
        assert_eq!(
            handler,
            [
                "Locked Call(..)",
                "Locked Cast(..)",
                "Locked Cast(..)",
                "Locked Cast(..)",
                "Open Cast(..)",
                "Locked Call(..)",
                "Locked Cast(..)",
                "Locked Cast(..)",
                "Open Cast(..)",
                "Open StateTimeout(..)",
                "Locked Call(..)",
                "terminate normal in Locked",
            ]
        );
    });
}

#[test]
fn a_machine_under_a_key_is_as_one_under_a_name() {
    on_both(|| async {
        let log = Log::new();
        let registry = Registry::<u32, StatemAddr<Fsm>>::unique();
        let machines = registry.name("machines").start_link().await.unwrap();
        let seventh = machines.statem_via::<Fsm>(7);
        assert_eq!(seventh.call(Ask::Get).await, Err(CallError::NoProc));
        assert_eq!((seventh.key(), seventh.whereis()), (&7, None));

        let machine = Fsm::start(fsm(&log)).via(&seventh).await.unwrap();
        assert_eq!(seventh.call(Ask::Get).await, Ok(0));
        assert_eq!(seventh.resolve(), Some(machine.clone()));
        assert_eq!(machines.get(&7), Ok(Some(machine.clone())));
        let (also, _) = Fsm::start_monitor(fsm(&log))
            .via(machines.statem_via(8))
            .await
            .unwrap();
        assert_eq!(machines.whereis(&8), Ok(Some(also.pid())));

        let again = Fsm::start(fsm(&log)).via(&seventh).await;
        assert_eq!(again, Err(StartError::AlreadyStarted(machine.pid())));
        seventh.stop().await.unwrap();
        assert_eq!(seventh.whereis(), None);
        assert_eq!(seventh.stop().await, Err(StopError::NoProc));

        // The key is free; a value of one's own, and the handle finds the next life.
        let pids = Registry::<u32, Pid>::unique().start_link().await.unwrap();
        let eighth = pids.statem_via::<Fsm>(8);
        let own = self_pid();
        let valued = Fsm::start(fsm(&log)).via(eighth.with_value(own)).await;
        assert_eq!(pids.get(&8), Ok(Some(own)));
        assert_eq!(eighth.pid(), Some(valued.unwrap().pid()));
        let next = Fsm::start(fsm(&log)).via(&seventh).await.unwrap();
        assert_eq!(seventh.pid(), Some(next.pid()));
    });
}

#[test]
fn a_key_held_by_another_kind_of_process_is_no_machine() {
    on_both(|| async {
        let pids = Registry::<u32, ()>::unique().start_link().await.unwrap();
        pids.register(1, ()).unwrap();
        let first = pids.statem_via::<Fsm>(1);
        assert_eq!((first.whereis(), first.pid()), (Some(self_pid()), None));
        assert_eq!(first.call(Ask::Get).await, Err(CallError::NoProc));
    });
}
