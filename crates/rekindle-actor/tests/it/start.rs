//! START: synchronous start and crash reports.

use std::future::pending;
use std::time::Duration;

use rekindle_actor::{
    Ack, Addr, Builder, Event, ExitReason, GenServer as _, Info, Mailbox, MailboxPolicy, Name,
    Next, NotRegistered, Overflow, SendError, ServerMessage, StartError, Starter, StopError, Task,
    ancestors_of, callers, callers_of, enter_loop, enter_loop_as, exit, info, is_alive, link,
    monitor, note_last_message, note_state, raise, recent_crashes, register, report_for_children,
    self_pid, set_label, sleep, spawn, spawn_link, spawn_monitor, sys, trap_exit, whereis,
};

use crate::record::passed_on;
use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A behaviour of one's own: acknowledges after `delay`.
fn acknowledges(
    delay: Duration,
) -> impl FnOnce(Mailbox<u32>, Ack) -> std::pin::Pin<Box<dyn Future<Output = ExitReason> + Send>> {
    move |mut inbox, ack| {
        Box::pin(async move {
            sleep(delay).await;
            ack.ready();
            while inbox.recv().await != 0 {}
            ExitReason::Normal
        })
    }
}

#[test]
fn start_001_the_starter_waits_for_the_acknowledgement() {
    on_both(|| async {
        let log = Log::new();
        let noted = log.clone();
        let starting = Starter::new("own").start(move |_: Mailbox<u32>, ack: Ack| async move {
            sleep(ms(3)).await;
            noted.add("ready");
            ack.ready();
            pending::<()>().await;
            ExitReason::Normal
        });
        let pid = starting.pid();
        let sender = starting.await.unwrap();
        assert_eq!(log.all(), ["ready"]);
        assert_eq!(sender.pid(), pid);
        assert_eq!(info(pid).unwrap().label.as_deref(), Some("own"));
    });
}

#[test]
fn start_002_a_child_that_dies_unacknowledged_fails_the_start() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            for linked in [false, true] {
                let starter = || {
                    if linked {
                        Starter::new("").link()
                    } else {
                        Starter::new("")
                    }
                };
                let outcome = starter()
                    .start(|_: Mailbox<u32>, _ack| async { oops("before it was ready") })
                    .await;
                let reason = oops("before it was ready");
                assert_eq!(outcome.unwrap_err(), StartError::Failed(reason));
                let outcome = starter()
                    .start(|_: Mailbox<u32>, _ack| async { panic!("before it was ready") })
                    .await;
                assert!(matches!(outcome.unwrap_err(), StartError::Failed(r) if r.is_panic()));
                let outcome = starter()
                    .start(|_: Mailbox<u32>, ack: Ack| async {
                        let _ack = ack;
                        rekindle_actor::raise(oops("raised"))
                    })
                    .await;
                assert_eq!(outcome.unwrap_err(), StartError::Failed(oops("raised")));
                // Killed from outside, while it waits.
                let starting = starter().start(|_: Mailbox<u32>, _ack| pending());
                exit(starting.pid(), ExitReason::Kill);
                let outcome = starting.await;
                assert_eq!(outcome.unwrap_err(), StartError::Failed(ExitReason::Killed));
            }
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn start_003_an_acknowledged_error_is_told_when_the_child_is_gone() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for _ in 0..10 {
                let drops = Drops::new();
                let held = drops.counted();
                let starter = Starter::new("").name("child").monitor();
                let starting = starter.start(|_: Mailbox<u32>, ack: Ack| async {
                    let _held = held;
                    ack.fail(oops("cannot"))
                });
                let pid = starting.pid();
                let outcome = starting.await;
                assert_eq!(outcome.unwrap_err(), StartError::Failed(oops("cannot")));
                assert_eq!(
                    (is_alive(pid), whereis("child"), drops.count()),
                    (false, None, 1)
                );
            }
            expect_nothing(&mut inbox).await;
            assert_eq!(recent_crashes().len(), 0);
        })
    });
}

#[test]
fn start_003_a_child_that_acknowledges_and_then_crashes_was_started() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let starter = Starter::new("").link();
            let started = starter
                .start(|_: Mailbox<u32>, ack: Ack| async {
                    ack.ready();
                    oops("after")
                })
                .await;
            let sender = started.unwrap();
            let heard = expect_exit(&mut inbox).await;
            assert_eq!((heard.from, heard.reason), (sender.pid(), oops("after")));
        })
    });
}

#[test]
fn start_options_reach_the_process() {
    on_both(|| async {
        let starter = Starter::new("label")
            .name("name")
            .timeout(Duration::from_secs(60))
            .mailbox(MailboxPolicy::bounded(1).when_full(Overflow::Fail));
        let sender = starter.start(acknowledges(ms(1))).await.unwrap();
        let seen = info(sender.pid()).unwrap();
        assert_eq!(seen.name.as_deref(), Some("name"));
        assert_eq!(seen.label.as_deref(), Some("label"));
        assert_eq!(whereis("name"), Some(sender.pid()));
        let mut refused = 0;
        for _ in 0..10 {
            refused += usize::from(matches!(sender.try_send(1), Err(SendError::Full(1))));
        }
        assert!(refused >= 1);
    });
}

#[test]
fn start_006_a_crash_report_tells_who_why_and_with_whom() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let partner = Puppet::trapping().await;
            let other = partner.pid();
            let (target, _) = spawn_monitor(move |mut inbox: Mailbox<u32>| async move {
                register("victim", self_pid()).unwrap();
                set_label("the label");
                trap_exit(true);
                link(other);
                inbox.recv_match(|n| *n == 9).await;
                panic!("it happened")
            });
            (0..3).for_each(|n| target.send(n));
            target.send(9);
            let down = expect_down(&mut inbox).await;
            until(|| !recent_crashes().is_empty()).await;
            let crashes = recent_crashes();
            assert_eq!(crashes.len(), 1);
            let report = &crashes[0];
            assert_eq!((Some(report.pid), &report.reason), (down.pid, &down.reason));
            assert_eq!(report.name.as_deref(), Some("victim"));
            assert_eq!(report.label.as_deref(), Some("the label"));
            assert_eq!(report.links, [other]);
            assert_eq!(report.mailbox, 3);
            assert!(report.traps_exits);
            assert_eq!(report.ancestors[0].0, self_pid());
            assert!(report.spawned_at.file().ends_with("start.rs"));
            assert!(report.behaviour.contains("start_006"));
            let text = report.to_string();
            for part in [
                "victim",
                "it happened",
                "start.rs",
                "the label",
                "3 waiting",
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
        })
    });
}

#[test]
fn start_007_clean_ends_are_not_reported() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for reason in [
                ExitReason::Normal,
                ExitReason::Shutdown,
                ExitReason::shutdown_with("done"),
            ] {
                let target = mortal();
                monitor(target.pid());
                target.send(reason);
                expect_down(&mut inbox).await;
            }
            sleep(ms(2)).await;
            assert!(recent_crashes().is_empty());
        })
    });
}

/// A crash takes its linked processes along. That is one crash, and one report.
#[test]
fn one_crash_is_one_report_whatever_it_takes_along() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let group: Vec<Puppet> = (0..5).map(|_| Puppet::new()).collect();
            for pair in group.windows(2) {
                let next = pair[1].pid();
                pair[0].run(move || link(next)).await;
                pair[0].is_linked_with(next).await;
            }
            for puppet in &group {
                monitor(puppet.pid());
            }
            group[2].die(oops("the one"));
            for _ in &group {
                assert_eq!(expect_down(&mut inbox).await.reason, oops("the one"));
            }
            sleep(ms(5)).await;
            let crashes = recent_crashes();
            let who: Vec<_> = crashes.iter().map(|report| report.pid).collect();
            assert_eq!(who, [group[2].pid()]);
        })
    });
}

#[test]
fn each_of_many_crashes_is_reported_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let mut pids = Vec::new();
            for n in 0..40 {
                let (pid, _) = spawn_monitor(async move { panic!("storm {}", n % 2) as () });
                pids.push(pid);
                expect_down(&mut inbox).await;
            }
            until(|| recent_crashes().len() == 40).await;
            let mut reported: Vec<_> = recent_crashes().iter().map(|r| r.pid).collect();
            reported.sort();
            pids.sort();
            assert_eq!(reported, pids);
            // At most 64 are remembered, the last ones.
            for _ in 0..40 {
                spawn_monitor(async { panic!("more") as () });
                expect_down(&mut inbox).await;
            }
            until(|| {
                recent_crashes()
                    .iter()
                    .filter(|r| r.reason.to_string().contains("more"))
                    .count()
                    == 40
            })
            .await;
            assert_eq!(recent_crashes().len(), 64);
        })
    });
}

#[test]
fn a_parent_that_asks_for_it_gets_the_report_with_the_exit() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            report_for_children(true);
            let child = spawn_link(async { oops("mine") });
            let heard = expect_exit(&mut inbox).await;
            let pending = heard.report.expect("the report comes with the exit");
            assert_eq!(pending.report().map(|report| report.pid), Some(child));
            assert!(recent_crashes().is_empty(), "not yet printed");
            pending.print("restarted");
            pending.print("twice");
            let crashes = recent_crashes();
            assert_eq!(crashes.len(), 1);
            assert_eq!(crashes[0].action.as_deref(), Some("restarted"));
            assert!(crashes[0].to_string().contains("-> restarted"));

            // Dropped unprinted, it prints itself.
            spawn_link(async { oops("forgotten") });
            drop(expect_exit(&mut inbox).await);
            until(|| recent_crashes().len() == 2).await;
            // A clean end brings none.
            spawn_link(async { ExitReason::Shutdown });
            assert!(expect_exit(&mut inbox).await.report.is_none());
        })
    });
}

#[test]
fn start_008_ancestors_are_listed_parent_first() {
    on_both(|| async {
        let outer = Puppet::new();
        register("outer", outer.pid()).unwrap();
        let inner = outer.run(Puppet::new).await;
        let pid = inner.run(idle).await;
        let ancestors = ancestors_of(pid);
        let pids: Vec<_> = ancestors.iter().map(|(pid, _)| *pid).collect();
        assert_eq!(pids, [inner.pid(), outer.pid(), self_pid()]);
        assert_eq!(ancestors[1].1.as_deref(), Some("outer"));
        inner.die(oops("for the report"));
        until(|| recent_crashes().len() == 1).await;
        let report = recent_crashes().remove(0);
        let pids: Vec<_> = report.ancestors.iter().map(|(pid, _)| *pid).collect();
        assert_eq!(pids, [outer.pid(), self_pid()]);
    });
}

#[test]
fn start_008_callers_are_who_asked_for_the_work() {
    on_both(|| async {
        let me = self_pid();
        assert_eq!(callers(), [], "no task");
        let (middle, inner) = Task::spawn(async {
            let own = (self_pid(), callers());
            (own, Task::spawn_nolink(async { callers() }).await.unwrap())
        })
        .await
        .unwrap();
        assert_eq!(middle.1, [me]);
        assert_eq!(inner, [middle.0, me]);
        // Whoever is spawned by a task, and is none itself, works for nobody.
        let spawned = Task::spawn(async {
            let (tell, told) = std::sync::mpsc::channel();
            spawn(async move { tell.send(callers()).unwrap() });
            loop {
                if let Ok(callers) = told.try_recv() {
                    return callers;
                }
                rekindle_actor::yield_now().await;
            }
        });
        assert_eq!(spawned.await.unwrap(), []);
        // Seen from outside, and in the report of a crash.
        let crash = Task::spawn_nolink(async {
            let inner: Task<()> = Task::spawn_nolink(async { raise(oops("asked for")) });
            let pid = inner.pid().unwrap();
            let _ = inner.await;
            (self_pid(), pid, callers_of(self_pid()))
        });
        let (outer, inner, seen) = crash.await.unwrap();
        assert_eq!(seen, [me]);
        until(|| recent_crashes().len() == 1).await;
        let report = recent_crashes().remove(0);
        assert_eq!(
            (report.pid, report.callers.clone()),
            (inner, vec![outer, me])
        );
        assert!(report.to_string().contains("callers"), "{report}");
    });
}

/// A plain process that handles `sys` messages as a behaviour does.
async fn stoppable(mut inbox: Mailbox<u32>, ack: Ack, ends_with: Option<ExitReason>) -> ExitReason {
    ack.ready();
    let (mut system, mut state) = (sys::SystemState::new(), 7_u32);
    loop {
        if let Event::System(message) = inbox.next_event(None).await
            && let sys::SystemVerdict::Stop(reason) =
                message.handle(&mut system, &mut state, |n| Some(n.to_string()))
        {
            return ends_with.unwrap_or(reason);
        }
    }
}

#[test]
fn start_010_a_plain_process_that_handles_sys_messages_can_be_stopped() {
    on_both(|| async {
        let start = |ends_with: Option<ExitReason>| {
            Starter::new("").start(move |inbox, ack| stoppable(inbox, ack, ends_with))
        };
        let as_asked = start(None).await.unwrap();
        assert_eq!(sys::get_state::<u32>(as_asked.pid()).await, Ok(7));
        assert_eq!(as_asked.stop().reason(ExitReason::Shutdown).await, Ok(()));
        assert!(!is_alive(as_asked.pid()));
        let otherwise = start(Some(oops("my own way"))).await.unwrap();
        let outcome = otherwise.stop().await;
        assert_eq!(outcome, Err(StopError::Exited(oops("my own way"))));
        let silent = spawn(|mut inbox: Mailbox<u32>| async move {
            inbox.recv().await;
        });
        let outcome = silent.stop().timeout(ms(5)).await;
        assert_eq!(outcome, Err(StopError::Timeout(ms(5))));
        assert!(is_alive(silent.pid()));
    });
}

#[test]
fn an_unread_stop_of_a_process_that_dies_is_answered() {
    on_both(|| async {
        let silent = spawn(|mut inbox: Mailbox<u32>| async move {
            inbox.recv().await;
        });
        let killer = silent.clone();
        spawn(async move {
            sleep(ms(3)).await;
            killer.exit(oops("meanwhile"));
        });
        assert_eq!(
            silent.stop().await,
            Err(StopError::Exited(oops("meanwhile")))
        );
    });
}

#[test]
fn a_started_process_receives_what_was_sent_before_it_was_ready() {
    on_both(|| async {
        let log = Log::new();
        let noted = log.clone();
        let starter = Starter::new("").name("early");
        let starting = starter.start(move |mut inbox: Mailbox<u32>, ack: Ack| async move {
            sleep(ms(2)).await;
            ack.ready();
            loop {
                match inbox.next().await {
                    Info::Message(0) => return ExitReason::Normal,
                    Info::Message(n) => noted.add(n.to_string()),
                    _ => {}
                }
            }
        });
        let early = rekindle_actor::Sender::<u32>::from_pid(starting.pid()).unwrap();
        early.send(1);
        let sender = starting.await.unwrap();
        sender.send(2);
        sender.send(0);
        until(|| !is_alive(sender.pid())).await;
        assert_eq!(log.all(), ["1", "2"]);
        let again = Probe::start(Probe::plain(&log, 0)).name("early").await;
        assert!(again.is_ok());
    });
}

/// Acknowledges as a plain process, and is a server from then on.
async fn entered(
    name: Option<&'static str>,
    log: Log,
) -> Result<rekindle_actor::Sender<ServerMessage<Probe>>, StartError> {
    let starter = Starter::new("").link();
    let body = move |inbox: Mailbox<ServerMessage<Probe>>, ack: Ack| async move {
        trap_exit(true);
        ack.ready();
        let state = Probe::with(&log, 7);
        match name {
            None => enter_loop(inbox, state, Next::Wait).await,
            Some(name) => enter_loop_as(name, inbox, state, Next::Wait).await,
        }
    };
    starter.start_behaviour::<Probe, _, _, _>(body).await
}

#[test]
fn start_004_a_process_becomes_a_server_after_its_own_acknowledgement() {
    on_both(|| async {
        let log = Log::new();
        let started = entered(None, log.clone()).await.unwrap();
        let server: Addr<Probe> = Addr::from_pid(started.pid()).unwrap();
        assert_eq!(server.call(Ask::Get).await, Ok(7));
        server.cast(Tell::Add(1));
        assert_eq!(server.call(Ask::Get).await, Ok(8));
        assert!(!log.contains("init"), "init does not run");
        assert_eq!(
            sys::get_status(server.pid()).await.unwrap().parent,
            Some(self_pid())
        );
        server.stop().await.unwrap();
        assert!(log.contains("terminate normal"));
    });
}

#[test]
fn start_004_the_starters_end_is_the_servers() {
    on_both(|| async {
        let log = Log::new();
        let noted = log.clone();
        let (send, receive) = std::sync::mpsc::channel();
        let starter = spawn(async move {
            let started = entered(None, noted).await.unwrap();
            send.send(started.pid()).unwrap();
            raise(ExitReason::msg("the starter ends"))
        });
        until(|| !is_alive(starter)).await;
        let server = receive.recv().unwrap();
        until(|| !is_alive(server)).await;
        // It traps exits, and so it has cleaned up; its info callback has not seen the exit.
        assert_eq!(log.all(), ["terminate the starter ends"]);
    });
}

#[test]
fn start_005_a_name_that_is_not_held_is_refused() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            for holder in [None, Some(self_pid())] {
                if let Some(holder) = holder {
                    register("entered", holder).unwrap();
                }
                let started = entered(Some("entered"), Log::new()).await.unwrap();
                let heard = expect_exit(&mut inbox).await;
                assert_eq!(heard.from, started.pid());
                assert!(heard.reason.downcast_ref::<NotRegistered>().is_some());
            }
        })
    });
}

#[test]
fn start_005_a_name_that_is_held_is_fine() {
    on_both(|| async {
        let log = Log::new();
        let starter = Starter::new("").name("entered");
        let noted = log.clone();
        let body = move |inbox: Mailbox<ServerMessage<Probe>>, ack: Ack| async move {
            ack.ready();
            enter_loop_as("entered", inbox, Probe::with(&noted, 1), Next::Wait).await
        };
        starter
            .start_behaviour::<Probe, _, _, _>(body)
            .await
            .unwrap();
        let server: Name<Probe> = Name::new("entered");
        assert_eq!(server.call(Ask::Get).await, Ok(1));
    });
}

/// Crashes with a large state and a large message, and gives its report.
async fn large_crash() -> rekindle_actor::CrashReport {
    let pid = spawn(async {
        note_last_message("m".repeat(1_000), None);
        note_state("\u{e9}".repeat(1_000));
        raise(oops("large"))
    });
    until(|| !is_alive(pid)).await;
    let report = recent_crashes().pop().expect("it has crashed");
    assert_eq!((report.pid, &report.reason), (pid, &oops("large")));
    report
}

#[test]
fn start_009_a_limit_shortens_what_is_large_in_a_report() {
    let limited = || Builder::new().workers(1).report_limit(10);
    let check = |report: rekindle_actor::CrashReport| {
        let short = |c: &str| format!("{}... (990 more)", c.repeat(10));
        assert_eq!(report.last_message, Some(short("m")));
        assert_eq!(report.state, Some(short("\u{e9}")));
    };
    for seed in 0..SEEDS {
        check(limited().simulated(seed).block_on(large_crash()));
    }
    passed_on("simulator");
    check(limited().start().unwrap().block_on(large_crash()));
    passed_on("pool");
}

#[test]
fn start_009_a_report_is_edited_but_for_pid_and_reason() {
    let edited = || {
        Builder::new().workers(1).edit_reports(|report| {
            report.state = None;
            report.last_message = Some("left out".to_owned());
            report.reason = ExitReason::Normal;
            report.pid = self_pid();
        })
    };
    let check = |report: rekindle_actor::CrashReport| {
        assert_eq!(report.state, None);
        assert_eq!(report.last_message.as_deref(), Some("left out"));
    };
    for seed in 0..SEEDS {
        check(edited().simulated(seed).block_on(large_crash()));
    }
    passed_on("simulator");
    check(edited().start().unwrap().block_on(large_crash()));
    passed_on("pool");
}

#[test]
fn start_009_an_editor_that_panics_changes_nothing() {
    let bad = Builder::new().edit_reports(|report| {
        report.state = None;
        panic!("the editor panics");
    });
    let report = bad.simulated(1).block_on(large_crash());
    assert_eq!(report.state.map(|state| state.chars().count()), Some(1_000));
    passed_on("simulator");
}
