//! Wrong use: each mistake has a defined outcome, and none takes anybody else along.

use std::future::pending;
use std::time::Duration;

use rekindle_actor::{
    CallError, ExitReason, GenServer as _, Mailbox, Runtime, SendError, StartError, Starter, Task,
    exit, info, is_alive, link, monitor, register, self_pid, sleep, spawn, spawn_monitor,
    trap_exit, whereis,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn starting_twice_under_one_name() {
    on_both(|| async {
        let log = Log::new();
        let first = Probe::start(Probe::plain(&log, 0))
            .name("one")
            .await
            .unwrap();
        let second = Probe::start(Probe::plain(&log, 0)).name("one").await;
        assert_eq!(second.unwrap_err(), StartError::AlreadyStarted(first.pid()));
        assert_eq!(log.all(), ["init"]);
    });
}

#[test]
fn calling_a_dead_pid() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.exit(ExitReason::Kill);
        until(|| !server.is_alive()).await;
        assert_eq!(server.call(Ask::Get).await, Err(CallError::NoProc));
        assert!(matches!(server.try_send(1), Err(SendError::NoProc(_))));
    });
}

#[test]
fn an_init_that_never_returns() {
    on_both(|| async {
        let mut args = Probe::plain(&Log::new(), 0);
        args.delay = Duration::MAX;
        let outcome = Probe::start(args).name("stuck").timeout(ms(10)).await;
        assert_eq!(outcome.unwrap_err(), StartError::Timeout(ms(10)));
        assert_eq!(whereis("stuck"), None);
    });
}

#[test]
fn an_init_that_blocks_its_thread_for_a_while() {
    on_pool(|| async {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let args = Probe::init_by(&Log::new(), move |_| {
            let _ = gate.recv();
            Err(oops("too late"))
        });
        let starting = Task::spawn(async move { Probe::start(args).timeout(ms(10)).await });
        // It can be killed at its next await only; so the start goes on until then.
        sleep(ms(30)).await;
        release.send(()).unwrap();
        let outcome = starting.await.unwrap();
        assert!(matches!(outcome.unwrap_err(), StartError::Timeout(_)));
    });
}

#[test]
fn a_mailbox_used_in_another_process() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Mailbox<u8>>| async move {
            let me = inbox.recipient();
            let owner = spawn(|inbox: Mailbox<u8>| async move {
                me.send(inbox);
                pending::<()>().await;
            });
            let mut foreign = inbox.recv().await;
            owner.send(7);
            assert_eq!(foreign.pid(), owner.pid());
            let (_, _) = spawn_monitor(async move {
                foreign.recv().await;
            });
            match expect_down(&mut inbox).await.reason {
                ExitReason::Panic(panic) => {
                    assert!(
                        panic.message.contains("outside of that process"),
                        "{panic:?}"
                    );
                }
                other => panic!("{other:?}"),
            }
            assert!(is_alive(owner.pid()));
            assert_eq!(
                info(owner.pid()).unwrap().mailbox,
                1,
                "its message is still there"
            );
        })
    });
}

#[test]
fn a_mailbox_dropped_in_another_process_owing_an_answer() {
    on_both(|| async {
        // The request was received and is owed an answer when its mailbox goes elsewhere.
        let elsewhere = spawn(
            |mut inbox: Mailbox<Mailbox<rekindle_actor::ReplyTo<u8>>>| async move {
                drop(inbox.recv().await);
                pending::<()>().await;
            },
        );
        let callee = spawn(
            |mut inbox: Mailbox<rekindle_actor::ReplyTo<u8>>| async move {
                let from = inbox.recv().await;
                elsewhere.send(inbox);
                sleep(ms(3)).await;
                from.reply(4);
            },
        );
        assert_eq!(callee.call(|from| from).no_timeout().await, Ok(4));
    });
}

#[test]
fn calls_of_processes_outside_of_a_process_panic_with_a_clear_text() {
    within_patience("outside", || {
        let runtime = pool(1);
        let pid = runtime.block_on(async { idle() });
        let _entered = runtime.handle().enter();
        type Wrong = fn(rekindle_actor::Pid);
        let wrong: [(&str, Wrong); 5] = [
            ("link", |pid| link(pid)),
            ("monitor", |pid| {
                monitor(pid);
            }),
            ("trap_exit", |_| {
                trap_exit(true);
            }),
            ("self_pid", |_| {
                let _ = self_pid();
            }),
            ("spawn_monitor", |_| {
                spawn_monitor(async {});
            }),
        ];
        for (what, act) in wrong {
            let payload = std::panic::catch_unwind(|| act(pid)).unwrap_err();
            let text = payload.downcast_ref::<String>().unwrap();
            assert!(text.contains("outside of a process"), "{what}: {text}");
            assert!(text.contains(what), "{what}: {text}");
            if !["link", "monitor", "trap_exit"].contains(&what) {
                assert!(text.contains("wrong_use.rs"), "{what} says where: {text}");
            }
        }
        // Plain sends and signals work from anywhere.
        exit(pid, ExitReason::Kill);
    });
}

#[test]
fn spawning_outside_of_a_runtime_panics_with_a_clear_text() {
    let payload = std::panic::catch_unwind(|| {
        spawn(async {});
    })
    .unwrap_err();
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("outside of a runtime") && text.contains("wrong_use.rs"),
        "{text}"
    );
    assert_eq!(whereis("anything"), None);
}

#[test]
fn block_on_inside_a_process_panics_instead_of_hanging() {
    within_patience("inside", || {
        let (outer, inner) = (pool(1), pool(1));
        let (outcome, inner) = outer.block_on(async move {
            let outcome =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| inner.block_on(async {})));
            (outcome.is_err(), inner)
        });
        assert!(outcome);
        drop(inner);
    });
}

#[test]
fn a_runtime_dropped_inside_a_process_of_another() {
    within_patience("inside", || {
        let (outer, inner) = (pool(1), pool(1));
        let drops = Drops::new();
        let held = drops.counted();
        inner.block_on(async move {
            spawn(async move {
                let _held = held;
                pending::<()>().await;
            });
        });
        outer.block_on(async move {
            drop(inner);
            sleep(ms(1)).await;
        });
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_runtime_dropped_inside_one_of_its_own_processes() {
    within_patience("inside", || {
        for workers in [1, 2] {
            let runtime = pool(workers);
            let handle = runtime.handle().clone();
            let drops = Drops::new();
            let (others, own) = (drops.counted(), drops.counted());
            let (done, told) = std::sync::mpsc::channel();
            {
                let _entered = handle.enter();
                spawn(async move {
                    let _held = others;
                    pending::<()>().await;
                });
                spawn(async move {
                    let _held = own;
                    drop(runtime);
                    done.send(()).unwrap();
                    pending::<()>().await;
                });
            }
            told.recv().unwrap();
            // Both are cancelled, though the one who dropped it was inside.
            while drops.count() < 2 {
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn a_simulated_runtime_dropped_inside_a_process_of_another() {
    within_patience("inside", || {
        let (outer, inner) = (Runtime::simulated(1), Runtime::simulated(2));
        let pid = inner.block_on(async { idle() });
        outer.block_on(async move {
            drop(inner);
            assert!(!is_alive(pid));
        });
    });
}

#[test]
fn a_runtime_used_after_its_end() {
    within_patience("after", || {
        let runtime = pool(1);
        let handle = runtime.handle().clone();
        let (server, sender, held) = runtime.block_on(async {
            let server = Probe::start(Probe::plain(&Log::new(), 0))
                .name("server")
                .await
                .unwrap();
            let sender = spawn(|_inbox: Mailbox<u8>| pending::<()>());
            let held = idle();
            (server, sender, held)
        });
        runtime.shutdown();
        // By handles that were kept.
        assert!(!server.is_alive() && !is_alive(held));
        assert!(info(sender.pid()).is_none());
        sender.send(1);
        assert!(matches!(sender.try_send(1), Err(SendError::NoProc(1))));
        server.cast(Tell::Add(1));
        exit(held, ExitReason::Kill);
        let call = rekindle_scheduler::block_on(server.call(Ask::Get));
        assert_eq!(call, Err(CallError::NoProc));
        let stop = rekindle_scheduler::block_on(server.stop().into_future());
        assert_eq!(stop, Err(rekindle_actor::StopError::NoProc));
        assert!(register("late", held).is_err());
        // And by the handle itself.
        let _entered = handle.enter();
        let drops = Drops::new();
        let counted = drops.counted();
        let born_dead = spawn(async move {
            let _held = counted;
            pending::<()>().await;
        });
        assert!(!is_alive(born_dead));
        assert_eq!(drops.count(), 1, "its body was dropped");
        let failed =
            rekindle_scheduler::block_on(Probe::start(Probe::plain(&Log::new(), 0)).into_future());
        assert!(matches!(failed.unwrap_err(), StartError::Failed(_)));
        let failed = rekindle_scheduler::block_on(Task::spawn(async { 1 }));
        assert!(failed.is_err());
        assert_eq!(whereis("server"), None);
    });
}

#[test]
fn calls_that_wait_when_the_runtime_ends_are_told() {
    within_patience("shutdown", || {
        let (one, two) = (pool(1), pool(1));
        let server = one.block_on(async { probe(&Log::new()).await });
        let pid = server.pid();
        let waiting = std::thread::spawn(move || {
            let _ = two.block_on(async { 1 });
            rekindle_scheduler::block_on(server.call(Ask::Hang).no_timeout())
        });
        // Until it is in the handler that never ends.
        while one.block_on(async move { info(pid).is_some_and(|i| i.waits.is_some()) }) {
            std::thread::yield_now();
        }
        drop(one);
        let outcome = waiting.join().unwrap();
        assert_eq!(outcome, Err(CallError::Exited(ExitReason::Killed)));
    });
}

#[test]
fn an_ack_kept_beyond_the_start_is_told_at_the_end() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            // The child keeps its acknowledgement and works on; the starter waits until it ends.
            let starting = Starter::new("").start(|mut inbox: Mailbox<()>, ack| async move {
                let _kept = ack;
                inbox.recv().await;
                oops("never ready")
            });
            let child = rekindle_actor::Sender::<()>::from_pid(starting.pid()).unwrap();
            monitor(child.pid());
            child.send(());
            assert_eq!(
                starting.await.unwrap_err(),
                StartError::Failed(oops("never ready"))
            );
            assert_eq!(expect_down(&mut inbox).await.reason, oops("never ready"));
        })
    });
}

#[test]
fn an_ack_dropped_by_a_child_that_lives_on_is_told_at_its_end() {
    on_both(|| async {
        let starting = Starter::new("").start(|mut inbox: Mailbox<()>, ack| async move {
            drop(ack);
            inbox.recv().await;
            oops("later")
        });
        let child = rekindle_actor::Sender::<()>::from_pid(starting.pid()).unwrap();
        spawn(async move {
            sleep(ms(3)).await;
            child.send(());
        });
        let outcome = starting.await;
        assert_eq!(outcome.unwrap_err(), StartError::Failed(oops("later")));
    });
}

#[test]
fn the_main_process_that_ends_without_a_value() {
    within_patience("main", || {
        let runtime = pool(1);
        let raised = runtime.run(async { rekindle_actor::raise(oops("main")) as u8 });
        assert_eq!(raised, Err(oops("main")));
        let panicked = runtime.run(async { panic!("main") as u8 });
        assert!(matches!(panicked, Err(ExitReason::Panic(p)) if p.message == "main"));
        let killed = runtime.run(async {
            exit(self_pid(), ExitReason::Kill);
            pending::<u8>().await
        });
        assert_eq!(killed, Err(ExitReason::Killed));
        assert_eq!(runtime.run(async { 1 }), Ok(1));
    });
}

#[test]
fn zero_workers_are_refused() {
    let error = rekindle_actor::Builder::new()
        .workers(0)
        .start()
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_name_of_any_text_is_fine() {
    on_both(|| async {
        let long = "long ".repeat(10_000);
        for name in ["ünïcödé", "with space", "\u{1f980}", long.as_str()] {
            let pid = idle();
            register(name, pid).unwrap();
            assert_eq!(whereis(name), Some(pid));
        }
    });
}
