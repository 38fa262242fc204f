//! Panics in every place where user code can run: the reason is told once, the worker lives, and
//! nothing is lost.

use std::future::pending;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use rekindle_actor::{
    CallError, ExitReason, GenServer as _, Info, Init, Mailbox, Next, ReplyTo, exit, is_alive,
    monitor, recent_crashes, register, spawn, spawn_monitor, sys, whereis, yield_now,
};

use crate::support::*;

/// The runtime still works.
async fn all_is_well() {
    let puppet = Puppet::new();
    assert_eq!(puppet.run(|| 1).await, 1);
}

#[track_caller]
fn assert_panic(reason: &ExitReason, text: &str) {
    match reason {
        ExitReason::Panic(panic) => assert_eq!(panic.message, text),
        other => panic!("{other:?} instead of the panic {text:?}"),
    }
}

#[test]
fn a_payload_that_is_not_text() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            spawn_monitor(async { panic_any(42_u64) as () });
            let reason = expect_down(&mut inbox).await.reason;
            assert!(
                reason.is_panic() && reason.to_string().contains("not text"),
                "{reason}"
            );
            spawn_monitor(async { panic_any(String::from("owned")) as () });
            assert_panic(&expect_down(&mut inbox).await.reason, "owned");
        })
    });
}

#[test]
fn a_payload_that_panics_when_it_is_dropped() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            /// Explodes twice: the second panic's payload is another of these.
            struct Nested(u8);
            impl Drop for Nested {
                fn drop(&mut self) {
                    if self.0 > 0 {
                        panic_any(Nested(self.0 - 1));
                    }
                }
            }
            spawn_monitor(async { panic_any(Bomb("in the payload")) as () });
            assert!(expect_down(&mut inbox).await.reason.is_panic());
            spawn_monitor(async { panic_any(Nested(3)) as () });
            assert!(expect_down(&mut inbox).await.reason.is_panic());
            all_is_well().await;
        })
    });
}

#[test]
fn in_the_drop_of_the_state_at_a_normal_end() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = spawn(|mut inbox: Mailbox<()>| async move {
                inbox.recv().await;
                let _state = Bomb("in the state");
            });
            monitor(target.pid());
            target.send(());
            assert_panic(&expect_down(&mut inbox).await.reason, "in the state");
            all_is_well().await;
        })
    });
}

/// A body that is no async block keeps its state until it is dropped itself, after its last poll.
#[test]
fn in_the_drop_of_a_body_that_has_ended_well() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for reason in [ExitReason::Normal, ExitReason::Shutdown] {
                let state = Bomb("in the body");
                let body = std::future::poll_fn(move |_| {
                    let _kept = &state;
                    std::task::Poll::Ready(reason.clone())
                });
                let (_, _) = spawn_monitor(body);
                assert_panic(&expect_down(&mut inbox).await.reason, "in the body");
            }
            all_is_well().await;
        })
    });
}

#[test]
fn in_the_drop_of_the_state_of_a_killed_process() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for (signal, told) in [
                (ExitReason::Kill, ExitReason::Killed),
                (oops("signal"), oops("signal")),
            ] {
                let (drops, name) = (Drops::new(), "bomb");
                let held = drops.counted();
                let target = spawn(|_inbox: Mailbox<()>| async move {
                    let _after = held;
                    let _state = Bomb("in the state");
                    pending::<()>().await;
                });
                rekindle_actor::register(name, target.pid()).unwrap();
                // So that the body has begun.
                until(|| rekindle_actor::info(target.pid()).is_some_and(|i| !i.running)).await;
                monitor(target.pid());
                exit(target.pid(), signal);
                // An abnormal reason is kept; the panic adds nothing to it.
                assert_eq!(expect_down(&mut inbox).await.reason, told);
                assert_eq!((whereis(name), drops.count()), (None, 1));
            }
            all_is_well().await;
        })
    });
}

#[test]
fn in_the_drop_of_a_servers_state() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let probe_log = log.clone();
            let args = Probe::init_by(&log, move |_| {
                let mut probe = Probe::with(&probe_log, 0);
                probe.keeps.push(Box::new(Bomb("in the state")));
                Ok(Init::Ready(probe))
            });
            let server = Probe::start(args).await.unwrap();
            monitor(server.pid());
            let outcome = server.stop().await;
            let reason = expect_down(&mut inbox).await.reason;
            assert_panic(&reason, "in the state");
            assert_eq!(outcome, Err(rekindle_actor::StopError::Exited(reason)));
            all_is_well().await;
        })
    });
}

#[test]
fn in_terminate() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let server = probe(&Log::new()).await;
            monitor(server.pid());
            server.cast(tell(|p, _| {
                p.on_terminate = Some(Box::new(|| panic!("in terminate")));
                Ok(Next::Stop(ExitReason::Shutdown))
            }));
            assert_panic(&expect_down(&mut inbox).await.reason, "in terminate");
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn in_the_drop_of_a_message_that_lies_unread() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let drops = Drops::new();
            let target = spawn(|_inbox: Mailbox<(Bomb, Counted)>| pending::<()>());
            for _ in 0..10 {
                target.send((Bomb("in a message"), drops.counted()));
            }
            yield_now().await;
            for _ in 0..10 {
                target.send((Bomb("in a message"), drops.counted()));
            }
            monitor(target.pid());
            target.exit(oops("signal"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("signal"));
            assert_eq!(drops.count(), 20);
            expect_nothing(&mut inbox).await;
            all_is_well().await;
        })
    });
}

#[test]
fn in_the_drop_of_a_sys_message_that_lies_unread() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            // It is no behaviour, and handles none.
            let target = spawn(|_inbox: Mailbox<()>| pending::<()>());
            register("full of bombs", target.pid()).unwrap();
            let bomb = Bomb("in a sys message");
            let asking = sys::with_state(target.pid(), move |(): &mut ()| {
                let _armed = &bomb;
            });
            yield_now().await;
            monitor(target.pid());
            target.exit(oops("signal"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("signal"));
            assert_eq!(whereis("full of bombs"), None);
            assert!(asking.await.is_err());
            expect_nothing(&mut inbox).await;
            all_is_well().await;
        })
    });
}

#[test]
fn in_the_drop_of_a_message_to_the_dead() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = spawn(|_inbox: Mailbox<Bomb>| async {});
            reason_of(&mut inbox, target.pid()).await;
            // The message comes back to the sender, whose own code it is that drops it.
            let refused = target.try_send(Bomb("given back")).unwrap_err();
            std::mem::forget(refused.into_message());
        })
    });
}

#[test]
fn in_the_drop_of_an_answer_that_nobody_fetches() {
    on_both(|| async {
        let (send, receive) = std::sync::mpsc::channel::<ReplyTo<Bomb>>();
        let server = spawn(move |mut inbox: Mailbox<ReplyTo<Bomb>>| async move {
            for _ in 0..2 {
                send.send(inbox.recv().await).unwrap();
            }
            pending::<()>().await;
        });
        let limit = std::time::Duration::from_millis(5);
        // Given up before the answer.
        assert!(server.call(|from| from).timeout(limit).await.is_err());
        receive.recv().unwrap().reply(Bomb("late"));
        // Answered, then given up.
        {
            let mut call = std::pin::pin!(Some(server.call(|from| from)));
            std::future::poll_fn(|cx| {
                let pinned = call.as_mut().as_pin_mut().unwrap();
                assert!(Future::poll(pinned, cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            let from = loop {
                match receive.try_recv() {
                    Ok(from) => break from,
                    Err(_) => yield_now().await,
                }
            };
            from.reply(Bomb("unfetched"));
            call.set(None);
        }
        all_is_well().await;
    });
}

/// Whoever waits outside of a process has a waker of its own kind; what it throws hits neither the
/// one who answers nor the answer.
#[test]
fn in_the_waker_of_whoever_waits_for_an_answer() {
    struct Angry;
    impl Wake for Angry {
        fn wake(self: Arc<Self>) {
            panic!("in the waker");
        }
    }
    on_both(|| async {
        let answered = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&answered);
        let server = spawn(|mut inbox: Mailbox<ReplyTo<u8>>| async move {
            loop {
                inbox.recv().await.reply(7);
                theirs.fetch_add(1, Ordering::SeqCst);
            }
        });
        let waker = Waker::from(Arc::new(Angry));
        let mut call = Box::pin(server.call(|from| from));
        let polled = call
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&waker));
        assert!(polled.is_pending());
        until(|| answered.load(Ordering::SeqCst) == 1 || !server.is_alive()).await;
        assert!(server.is_alive(), "it has done nothing wrong");
        assert_eq!(call.await, Ok(7));
        assert_eq!(server.call(|from| from).await, Ok(7));
    });
}

#[test]
fn in_the_drop_of_a_request_that_lies_unread() {
    on_both(|| async {
        let target = spawn(|_inbox: Mailbox<(Bomb, ReplyTo<()>)>| pending::<()>());
        let killer = target.clone();
        spawn(async move {
            rekindle_actor::sleep(std::time::Duration::from_millis(2)).await;
            killer.exit(oops("signal"));
        });
        let lost = target.call(|from| (Bomb("in a request"), from)).await;
        assert_eq!(lost, Err(CallError::Exited(oops("signal"))));
        all_is_well().await;
    });
}

#[test]
fn in_the_code_that_makes_a_request() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            drop(server.call::<()>(|_from| panic!("while making it")));
        }));
        assert!(made.is_err());
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            drop(server.call::<()>(|from| {
                std::mem::forget(from);
                panic!("while making it")
            }));
        }));
        assert!(made.is_err());
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}

#[test]
fn in_a_spawned_closure_before_its_first_await() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            spawn_monitor(|_inbox: Mailbox<()>| async { panic!("at once") as () });
            assert_panic(&expect_down(&mut inbox).await.reason, "at once");
        })
    });
}

#[test]
fn in_the_function_that_makes_the_body() {
    on_both(|| async {
        // That function runs in the spawner: the panic is the spawner's, and nobody else's.
        let made = std::panic::catch_unwind(|| {
            spawn(|inbox: Mailbox<()>| {
                if inbox.pid().node() < u32::MAX {
                    panic!("no body");
                }
                pending::<()>()
            });
        });
        assert!(made.is_err());
        all_is_well().await;
        assert_eq!(
            rekindle_actor::list(0, 100)
                .processes
                .iter()
                .filter(|p| p.running)
                .count(),
            1
        );
    });
}

#[test]
fn in_a_timers_conversion_or_clone() {
    #[derive(Debug)]
    struct Grumpy;
    impl Clone for Grumpy {
        fn clone(&self) -> Grumpy {
            panic!("in clone")
        }
    }
    struct Converted;
    impl From<u8> for Converted {
        fn from(_: u8) -> Converted {
            panic!("in from")
        }
    }
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let ms = std::time::Duration::from_millis;
            let grumpy = spawn(|_inbox: Mailbox<Grumpy>| pending::<()>());
            let interval =
                rekindle_actor::send_interval(ms(1), &grumpy.recipient::<Grumpy>(), Grumpy);
            let converted = spawn(|_inbox: Mailbox<Converted>| pending::<()>());
            rekindle_actor::send_after(ms(1), &converted.recipient::<u8>(), 1);
            rekindle_actor::send_after(ms(5), &inbox.recipient(), 7);
            assert_eq!(inbox.recv().await, 7, "other timers still fire");
            drop(interval);
            all_is_well().await;
        })
    });
}

#[test]
fn a_panic_in_one_of_many_harms_no_other() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let puppets: Vec<Puppet> = (0..200).map(|_| Puppet::new()).collect();
            for (n, puppet) in puppets.iter().enumerate() {
                if n % 10 == 0 {
                    monitor(puppet.pid());
                    puppet.tell(|| panic!("one of many"));
                }
            }
            for _ in 0..20 {
                assert_panic(&expect_down(&mut inbox).await.reason, "one of many");
            }
            for (n, puppet) in puppets.iter().enumerate() {
                assert_eq!(puppet.is_alive(), n % 10 != 0);
                if n % 10 != 0 {
                    assert_eq!(puppet.run(move || n).await, n);
                }
            }
            until(|| recent_crashes().len() == 20).await;
        })
    });
}

#[test]
fn every_value_is_dropped_once_whatever_the_end() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for end in 0..4 {
                let drops = Drops::new();
                let held = drops.counted();
                let target = spawn(move |mut inbox: Mailbox<(Counted, bool)>| async move {
                    let _state = held;
                    loop {
                        let (_message, panics) = inbox.recv().await;
                        if panics {
                            panic!("told to");
                        }
                        if end == 3 {
                            return;
                        }
                    }
                });
                monitor(target.pid());
                for n in 0..10 {
                    target.send((drops.counted(), end == 2 && n == 5));
                }
                match end {
                    0 => target.exit(ExitReason::Kill),
                    1 => target.exit(oops("signal")),
                    _ => {}
                }
                assert!(matches!(inbox.next().await, Info::Down(_)));
                assert!(!is_alive(target.pid()));
                assert_eq!(drops.count(), 11, "end {end}");
            }
        })
    });
}

#[test]
fn a_shutdown_of_the_runtime_drops_everything_once() {
    for workers in [0, 1, 2] {
        within_patience("shutdown", move || {
            let (drops, made) = (Drops::new(), 300);
            let runtime = match workers {
                0 => rekindle_actor::Runtime::simulated(3),
                n => pool(n),
            };
            let counted = drops.clone();
            runtime.block_on(async move {
                for n in 0..100 {
                    let (state, bomb) = (counted.counted(), Bomb("at the shutdown"));
                    let target = spawn(|_inbox: Mailbox<Counted>| async move {
                        let _state = state;
                        let _bomb = (n % 10 == 0).then_some(bomb);
                        pending::<()>().await;
                    });
                    target.send(counted.counted());
                    let _ = rekindle_actor::send_after(
                        std::time::Duration::from_secs(3600),
                        &target.recipient(),
                        counted.counted(),
                    )
                    .read();
                    if n % 3 == 0 {
                        yield_now().await;
                    }
                }
            });
            drop(runtime);
            assert_eq!(drops.count(), made);
        });
    }
}
