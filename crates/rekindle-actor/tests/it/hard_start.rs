//! Starts that go wrong, and parents. Each test says what OTP does and where that is written.

use std::future::pending;
use std::time::Duration;

use rekindle_actor::{
    Ack, Addr, ExitReason, GenServer, Info, Init, Mailbox, Next, ServerMessage, StartError,
    Starter, StopError, enter_loop, exit, is_alive, link, monitor, raise, self_pid, sleep, spawn,
    spawn_link, sys, trap_exit, whereis,
};

use crate::support::*;

/// `gen_server:start/3` (`gen:init_it` with `self`): a server started without a link has no
/// parent, so an exit signal of its starter is one like any other and goes to `handle_info`.
#[test]
fn a_server_started_without_a_link_does_not_end_with_its_starter() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::trapping(&log)).await.unwrap();
        exit(server.pid(), oops("word"));
        server.call(Ask::Get).await.unwrap();
        assert_eq!(log.all(), ["init", "exit word"]);
        server.stop().await.unwrap();
    });
}

/// `gen_server:start_link/3`: an exit signal of the parent is the end of a server that traps
/// exits, also while the parent lives, and also if the reason is `normal`.
#[test]
fn a_linked_server_ends_by_a_word_of_its_parent() {
    on_both(|| async {
        for reason in [oops("word"), ExitReason::Normal] {
            with_inbox(|mut own: Mailbox<()>| async move {
                let log = Log::new();
                trap_exit(true);
                let server = Probe::start_link(Probe::trapping(&log)).await.unwrap();
                exit(server.pid(), reason.clone());
                let exit = expect_exit(&mut own).await;
                assert_eq!((exit.from, &exit.reason), (server.pid(), &reason));
                assert_eq!(log.all(), ["init".into(), format!("terminate {reason}")]);
            })
            .await;
        }
    });
}

/// A parent that links later makes up for a start without: this is how a supervisor adopts a child
/// whose start function forgot the link.
#[test]
fn a_starter_that_links_later_is_a_parent_again() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            trap_exit(true);
            let log = Log::new();
            let server = Probe::start(Probe::trapping(&log)).await.unwrap();
            link(server.pid());
            exit(server.pid(), ExitReason::Shutdown);
            assert_eq!(expect_exit(&mut own).await.reason, ExitReason::Shutdown);
            assert_eq!(log.all(), ["init", "terminate shutdown"]);
        })
        .await;
    });
}

/// `gen_server:start_link/3`: a parent that dies while a trapping child is in its init is heard of
/// when init is done, and then the child ends in order.
#[test]
fn a_parent_that_dies_during_init_ends_a_trapping_child_after_it() {
    on_sim(|| async {
        let log = Log::new();
        let child_log = log.clone();
        let parent = spawn(async move {
            let child = Starter::new("child").link().start(
                move |inbox: Mailbox<ServerMessage<Probe>>, ack: Ack| async move {
                    trap_exit(true);
                    sleep(Duration::from_secs(10)).await;
                    child_log.add("init done");
                    ack.ready();
                    enter_loop(inbox, Probe::with(&child_log, 0), Next::Wait).await
                },
            );
            let _ = child.await;
        });
        sleep(Duration::from_secs(1)).await;
        exit(parent, oops("orphan"));
        sleep(Duration::from_secs(20)).await;
        assert_eq!(log.all(), ["init done", "terminate orphan"]);
    });
}

/// The same for a child that does not trap: it dies in its init with the parent's reason.
#[test]
fn a_parent_that_dies_during_init_takes_a_child_along_that_does_not_trap() {
    on_sim(|| async {
        let log = Log::new();
        let mut args = Probe::plain(&log, 0);
        args.delay = Duration::from_secs(10);
        let parent = spawn(async move {
            let _ = Probe::start_link(args).name("young").await;
        });
        sleep(Duration::from_secs(1)).await;
        let child = whereis("young").unwrap();
        with_inbox(move |mut own: Mailbox<()>| async move {
            monitor(child);
            exit(parent, oops("orphan"));
            assert_eq!(expect_down(&mut own).await.reason, oops("orphan"));
        })
        .await;
        assert_eq!(
            (whereis("young"), log.all()),
            (None, vec!["init".to_owned()])
        );
    });
}

/// `proc_lib:start/3`: a child that is killed in its init makes the start fail with `killed`; its
/// name is free, and a starter that traps finds nothing in its mailbox.
#[test]
fn a_child_killed_in_its_init_is_a_failed_start_and_nothing_else() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            trap_exit(true);
            for linked in [true, false] {
                let log = Log::new();
                let mut args = Probe::plain(&log, 0);
                args.delay = Duration::MAX;
                spawn(async {
                    until(|| whereis("young").is_some()).await;
                    exit(whereis("young").unwrap(), ExitReason::Kill);
                });
                let start = match linked {
                    true => Probe::start_link(args).name("young"),
                    false => Probe::start(args).name("young"),
                };
                let failed = start.await.unwrap_err();
                assert_eq!(failed, StartError::Failed(ExitReason::Killed));
                assert_eq!(whereis("young"), None);
                expect_nothing(&mut own).await;
            }
        })
        .await;
    });
}

/// `proc_lib:start_link/3`: a process that its init has linked to itself takes init along; the
/// starter hears the reason.
#[test]
fn an_init_that_falls_with_a_helper_fails_with_the_helpers_reason() {
    on_both(|| async {
        let log = Log::new();
        let mut args = Probe::init_by(&log, |_| unreachable!("it never gets there"));
        args.delay = Duration::MAX;
        let helper = mortal();
        let pid = helper.pid();
        // Somebody links the helper with the server in its init.
        spawn(async move {
            until(|| whereis("young").is_some()).await;
            let young = whereis("young").unwrap();
            let bridge = Puppet::new();
            bridge.run(move || (link(young), link(pid))).await;
            bridge.is_linked_with(young).await;
            bridge.is_linked_with(pid).await;
            helper.send(oops("helper"));
        });
        let failed = Probe::start(args).name("young").await.unwrap_err();
        assert_eq!(failed, StartError::Failed(oops("helper")));
    });
}

/// `gen_server`, `init/1` returning `ignore`: the process ends with `normal`, so who was linked by
/// init lives on; with `{stop, R}` it is taken along.
#[test]
fn what_init_has_linked_lives_by_the_reason_of_the_failed_start() {
    on_both(|| async {
        for (fails, survives) in [(false, true), (true, false)] {
            let log = Log::new();
            let (tell, told) = std::sync::mpsc::channel();
            let args = Probe::init_by(&log, move |_| {
                tell.send(spawn_link(pending::<()>())).unwrap();
                match fails {
                    false => Ok(Init::Ignore),
                    true => Err(oops("no")),
                }
            });
            let failed = Probe::start(args).await.unwrap_err();
            let expected = match fails {
                false => StartError::Ignore,
                true => StartError::Failed(oops("no")),
            };
            assert_eq!(failed, expected);
            let helper = told.recv().unwrap();
            if survives {
                sleep(Duration::from_millis(1)).await;
                assert!(is_alive(helper));
            } else {
                until(|| !is_alive(helper)).await;
            }
        }
    });
}

/// `gen:start/6`: of two starts that race for a name one wins, and the other gets its pid; init
/// runs once.
#[test]
fn of_two_starts_that_race_for_a_name_one_wins() {
    on_both(|| async {
        let log = Log::new();
        let racers: Vec<_> = (0..4)
            .map(|_| {
                let log = log.clone();
                rekindle_actor::Task::spawn(async move {
                    Probe::start(Probe::plain(&log, 0)).name("prize").await
                })
            })
            .collect();
        let mut winner = None;
        let mut losers = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(addr) => assert!(winner.replace(addr).is_none()),
                Err(StartError::AlreadyStarted(pid)) => losers.push(pid),
                Err(other) => panic!("{other}"),
            }
        }
        let winner: Addr<Probe> = winner.unwrap();
        assert_eq!(losers, [winner.pid(); 3]);
        assert_eq!(log.all(), ["init"]);
        assert_eq!(whereis("prize"), Some(winner.pid()));
    });
}

/// `gen_server`: a server in its `terminate` still holds its name; it is free when `stop` has
/// returned.
#[test]
fn the_name_of_a_server_in_its_terminate_is_taken() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::plain(&log, 0))
            .name("seat")
            .await
            .unwrap();
        let seen = log.clone();
        server
            .call(ask(move |probe, _, from| {
                probe.on_terminate = Some(Box::new(move || {
                    seen.add(format!("held {}", whereis("seat") == Some(self_pid())));
                }));
                from.reply(());
                Ok(Next::Wait)
            }))
            .await
            .unwrap();
        server.stop().await.unwrap();
        assert_eq!(log.all(), ["init", "terminate normal", "held true"]);
        Probe::start(Probe::plain(&log, 0))
            .name("seat")
            .await
            .unwrap();
    });
}

/// `proc_lib:start/4`: an init that is done in the very moment of the time limit is either in time
/// or killed: never both, never neither.
#[test]
fn a_start_at_the_very_end_of_its_time_is_one_thing_or_the_other() {
    on_both(|| async {
        let log = Log::new();
        let time = Duration::from_millis(20);
        let mut args = Probe::plain(&log, 7);
        args.delay = time;
        match Probe::start(args).name("last minute").timeout(time).await {
            Ok(server) => {
                assert_eq!(server.call(Ask::Get).await, Ok(7));
                assert_eq!(whereis("last minute"), Some(server.pid()));
            }
            Err(error) => {
                assert_eq!(error, StartError::Timeout(time));
                assert_eq!(whereis("last minute"), None);
            }
        }
    });
}

/// `proc_lib:init_ack/1` never called: the starter gets the reason of the end, be it `normal`.
#[test]
fn a_behaviour_that_ends_without_a_word_fails_its_start_with_its_reason() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            trap_exit(true);
            for reason in [ExitReason::Normal, ExitReason::Shutdown, oops("crash")] {
                let ends = reason.clone();
                let start = Starter::new("mute").link().name("mute").start(
                    move |_: Mailbox<()>, ack: Ack| async move {
                        let _kept = ack;
                        ends
                    },
                );
                let failed = start.await.unwrap_err();
                assert_eq!(failed, StartError::Failed(reason));
                assert_eq!(whereis("mute"), None);
            }
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `proc_lib:init_ack/1` given and then an early end: the start has succeeded, and the end comes
/// over the link like any other.
#[test]
fn a_behaviour_that_ends_right_after_its_word_has_started() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            trap_exit(true);
            let start = Starter::new("brief")
                .link()
                .start(|_: Mailbox<()>, ack: Ack| async move {
                    ack.ready();
                    oops("brief")
                });
            let started = start.await.unwrap();
            let exit = expect_exit(&mut own).await;
            assert_eq!((exit.from, exit.reason), (started.pid(), oops("brief")));
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `proc_lib:init_fail/2`: what a failed child still does before it ends is done, and the starter
/// goes on only after it, with the error given.
#[test]
fn a_start_that_was_refused_is_heard_of_when_the_process_is_gone() {
    on_both(|| async {
        let drops = Drops::new();
        let counted = drops.counted();
        let start = Starter::new("refuser").name("refuser").start(
            move |_: Mailbox<()>, ack: Ack| async move {
                let _state = counted;
                let reason = ack.fail(oops("no"));
                rekindle_actor::yield_now().await;
                sleep(Duration::from_millis(1)).await;
                reason
            },
        );
        assert_eq!(start.await.unwrap_err(), StartError::Failed(oops("no")));
        assert_eq!((drops.count(), whereis("refuser")), (1, None));
    });
}

/// `proc_lib:stop/3`: the reason asked for is success, and any other end an error with the reason.
#[test]
fn stop_tells_an_end_on_order_from_any_other() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        server
            .call(ask(|probe, _, from| {
                probe.on_terminate = Some(Box::new(|| raise(oops("in terminate"))));
                from.reply(());
                Ok(Next::Wait)
            }))
            .await
            .unwrap();
        let stopped = server.stop().await;
        assert_eq!(stopped, Err(StopError::Exited(oops("in terminate"))));
        let server = probe(&log).await;
        let why = ExitReason::shutdown_with("asked");
        server.stop().reason(why).await.unwrap();
        assert_eq!(server.stop().await, Err(StopError::NoProc));
    });
}

/// `gen_server`, `{continue, _}` from init: it comes before any message, also before those that
/// init has sent to the server itself.
#[test]
fn a_continuation_of_init_comes_before_messages_that_were_there() {
    on_both(|| async {
        let log = Log::new();
        let own = log.clone();
        let args = Probe::init_by(&log, move |cx| {
            cx.addr().cast(Tell::Note("cast"));
            cx.addr().send(1);
            Ok(Init::Continue(Probe::with(&own, 0), Work::Note("continue")))
        });
        let server = Probe::start(args).await.unwrap();
        server.call(Ask::Get).await.unwrap();
        assert_eq!(log.all(), ["init", "continue", "cast", "info 1"]);
    });
}

/// `gen_server` with `{'EXIT', Parent, Reason}` while suspended (`sys:suspend_loop`): the parent's
/// end is heard of all the same, and `terminate` runs.
#[test]
fn a_suspended_server_ends_with_its_parent() {
    on_both(|| async {
        let log = Log::new();
        let args = Probe::trapping(&log);
        let parent = spawn(|mut inbox: Mailbox<ExitReason>| async move {
            let _server = Probe::start_link(args).name("asleep").await.unwrap();
            raise(inbox.recv().await)
        });
        until(|| whereis("asleep").is_some()).await;
        sys::suspend("asleep").await.unwrap();
        let server = Addr::<Probe>::whereis("asleep").unwrap();
        server.cast(Tell::Note("not handled"));
        parent.send(oops("parent"));
        until(|| !server.is_alive()).await;
        assert_eq!(log.all(), ["init", "terminate parent"]);
    });
}

/// `proc_lib` behaviours are processes like any other: links and monitors of a started process
/// see its own reason, not that of its start.
#[test]
fn a_failed_start_monitor_leaves_nothing_and_a_good_one_tells_the_end() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let log = Log::new();
            let args = Probe::init_by(&log, |_| panic!("no"));
            assert!(Probe::start_monitor(args).await.is_err());
            expect_nothing(&mut own).await;
            let (server, reference) = Probe::start_monitor(Probe::plain(&log, 0)).await.unwrap();
            let second = monitor(server.pid());
            exit(server.pid(), ExitReason::Kill);
            let mut seen = Vec::new();
            for _ in 0..2 {
                match own.next().await {
                    Info::Down(down) => {
                        assert_eq!(down.reason, ExitReason::Killed);
                        seen.push(down.reference);
                    }
                    _ => unreachable!(),
                }
            }
            assert!(seen.contains(&reference) && seen.contains(&second));
            expect_nothing(&mut own).await;
        })
        .await;
    });
}
