//! GEN: the generic server.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekindle_actor::{
    Addr, CallError, Context, ExitReason, GenServer, Info, Init, Mailbox, Name, Never, Next, Pid,
    RegisterError, ReplyTo, SendError, StartError, Step, Stop, StopError, exit, info, is_alive,
    list, monitor, recent_crashes, register, self_pid, send_after, sleep, spawn, sys, trap_exit,
    whereis,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

// Start and names.

#[test]
fn gen_001_start_returns_after_init() {
    on_both(|| async {
        let log = Log::new();
        let mut args = Probe::plain(&log, 7);
        args.delay = ms(2);
        let server = Probe::start(args).await.unwrap();
        assert_eq!(log.all(), ["init"]);
        assert_eq!(server.call(Ask::Get).await, Ok(7));
    });
}

#[test]
fn gen_002_start_link_links_and_start_does_not() {
    on_both(|| async {
        let log = Log::new();
        let plain = Probe::start(Probe::plain(&log, 0)).await.unwrap();
        assert_eq!(
            (links_of(plain.pid()), links_of(self_pid())),
            (vec![], vec![])
        );
        let linked = Probe::start_link(Probe::plain(&log, 0)).await.unwrap();
        assert_eq!(links_of(linked.pid()), [self_pid()]);
        assert_eq!(links_of(self_pid()), [linked.pid()]);
        trap_exit(true);
    });
}

#[test]
fn gen_003_start_monitor_tells_of_the_stop() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let start = Probe::start_monitor(Probe::plain(&Log::new(), 0));
            let (server, reference) = start.await.unwrap();
            server.stop().reason(ExitReason::Shutdown).await.unwrap();
            let down = expect_down(&mut inbox).await;
            assert_eq!((down.reference, down.pid), (reference, Some(server.pid())));
            assert_eq!(down.reason, ExitReason::Shutdown);
        })
    });
}

#[test]
fn gen_004_init_may_ignore() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Pid>| async move {
            let (log, me) = (Log::new(), inbox.recipient());
            let args = Probe::init_by(&log, move |cx| {
                me.send(cx.pid());
                Ok(Init::Ignore)
            });
            let outcome = Probe::start(args).name("ignored").await;
            assert_eq!(outcome.unwrap_err(), StartError::Ignore);
            let pid = inbox.recv().await;
            assert!(!is_alive(pid));
            assert_eq!(whereis("ignored"), None);
            assert_eq!(recent_crashes().len(), 0);
        })
    });
}

#[test]
fn gen_004_an_ignored_start_ends_with_normal() {
    on_both(|| async {
        // Watched while its init waits, so that the reason is heard for certain.
        let watcher = Puppet::new();
        let mut args = Probe::init_by(&Log::new(), |_| Ok(Init::Ignore));
        args.delay = ms(500);
        let starting = rekindle_actor::Task::spawn(async move {
            let outcome = Probe::start(args).name("ignoring").await;
            assert_eq!(outcome.unwrap_err(), StartError::Ignore);
        });
        until(|| whereis("ignoring").is_some()).await;
        let pid = whereis("ignoring").unwrap();
        watcher.run(move || monitor(pid)).await;
        starting.await.unwrap();
        let expected = [Seen::Down(pid, ExitReason::Normal)];
        assert_eq!(watcher.has_seen(1).await, expected);
    });
}

#[test]
fn gen_005_a_failed_init_leaves_nothing_behind() {
    on_both(|| async {
        let log = Log::new();
        for n in 0..10 {
            let (tell, told) = std::sync::mpsc::channel();
            let args = Probe::init_by(&log, move |cx| {
                tell.send(cx.pid()).unwrap();
                Err(oops("no disk"))
            });
            let outcome = Probe::start(args).name("server").await;
            assert_eq!(outcome.unwrap_err(), StartError::Failed(oops("no disk")));
            assert!(!is_alive(told.try_recv().unwrap()), "gone by then");
            assert_eq!(
                whereis("server"),
                None,
                "free when the caller sees the error"
            );
            let again = Probe::start(Probe::plain(&log, n))
                .name("server")
                .await
                .unwrap();
            again.stop().await.unwrap();
        }
        until(|| recent_crashes().len() == 10).await;
    });
}

#[test]
fn gen_006_a_failed_init_without_a_crash_report() {
    on_both(|| async {
        let log = Log::new();
        for _ in 0..10 {
            let args = Probe::init_by(&log, |_| Ok(Init::Fail(oops("not today"))));
            let outcome = Probe::start(args).name("server").await;
            assert_eq!(outcome.unwrap_err(), StartError::Failed(oops("not today")));
            assert_eq!(whereis("server"), None);
        }
        sleep(ms(5)).await;
        assert_eq!(recent_crashes().len(), 0);
    });
}

#[test]
fn gen_007_a_panic_in_init_fails_the_start() {
    on_both(|| async {
        let log = Log::new();
        let failed = |outcome: Result<Addr<Probe>, StartError>| match outcome.unwrap_err() {
            StartError::Failed(ExitReason::Panic(panic)) => assert_eq!(panic.message, "init!"),
            other => panic!("{other:?}"),
        };
        failed(Probe::start(Probe::init_by(&log, |_| panic!("init!"))).await);
        failed(Probe::start_link(Probe::init_by(&log, |_| panic!("init!"))).await);
    });
}

#[test]
fn gen_008_a_failed_start_is_told_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let log = Log::new();
            type Make = fn(&Log) -> Args;
            let makers: [Make; 4] = [
                |log| Probe::init_by(log, |_| Err(oops("error"))),
                |log| Probe::init_by(log, |_| Ok(Init::Fail(oops("fail")))),
                |log| Probe::init_by(log, |_| Ok(Init::Ignore)),
                |log| Probe::init_by(log, |_| panic!("panic")),
            ];
            for make in makers {
                assert!(Probe::start_link(make(&log)).await.is_err());
                assert!(Probe::start_monitor(make(&log)).await.is_err());
            }
            expect_nothing(&mut inbox).await;
            let own = info(self_pid()).unwrap();
            assert_eq!((own.links, own.monitors), (vec![], vec![]));
        })
    });
}

#[test]
fn gen_008_a_failed_start_link_does_not_kill_a_caller_that_does_not_trap() {
    on_both(|| async {
        let log = Log::new();
        let failed = Probe::start_link(Probe::init_by(&log, |_| Err(oops("error")))).await;
        assert_eq!(failed.unwrap_err(), StartError::Failed(oops("error")));
        let failed = Probe::start_link(Probe::init_by(&log, |_| panic!("at the start"))).await;
        assert!(failed.is_err());
        sleep(ms(5)).await;
    });
}

#[test]
fn gen_009_a_name_that_is_taken() {
    on_both(|| async {
        let (first, second) = (Log::new(), Log::new());
        let holder = Probe::start(Probe::plain(&first, 1))
            .name("server")
            .await
            .unwrap();
        let outcome = Probe::start_link(Probe::plain(&second, 2))
            .name("server")
            .await;
        assert_eq!(
            outcome.unwrap_err(),
            StartError::AlreadyStarted(holder.pid())
        );
        assert_eq!(second.len(), 0, "init was not run");
        assert_eq!(holder.call(Ask::Get).await, Ok(1));
        assert_eq!(recent_crashes().len(), 0);
    });
}

#[test]
fn gen_009_of_many_starts_under_one_name_one_succeeds() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<Pid, StartError>>| async move {
            for _ in 0..10 {
                let me = inbox.recipient();
                spawn(async move {
                    let started = Probe::start(Probe::plain(&Log::new(), 0)).name("one").await;
                    me.send(started.map(|server| server.pid()));
                });
            }
            let mut outcomes = Vec::new();
            for _ in 0..10 {
                outcomes.push(inbox.recv().await);
            }
            let holder = whereis("one").unwrap();
            assert_eq!(outcomes.iter().filter(|o| **o == Ok(holder)).count(), 1);
            let refused = Err(StartError::AlreadyStarted(holder));
            assert_eq!(outcomes.iter().filter(|o| **o == refused).count(), 9);
        })
    });
}

#[test]
fn gen_010_init_can_look_itself_up() {
    on_both(|| async {
        let log = Log::new();
        let probe_log = log.clone();
        let args = Probe::init_by(&log, move |cx| {
            assert_eq!(whereis("early"), Some(cx.pid()));
            assert_eq!(info(cx.pid()).unwrap().name.as_deref(), Some("early"));
            Ok(Init::Ready(Probe::with(&probe_log, 0)))
        });
        Probe::start(args).name("early").await.unwrap();
    });
}

#[test]
fn gen_012_an_ill_formed_name_is_refused_before_anything_is_spawned() {
    on_both(|| async {
        let refused = StartError::BadName(RegisterError::Empty);
        let log = Log::new();
        let processes = || list(0, 100).processes.len();
        let before = processes();
        let starting = Probe::start(Probe::plain(&log, 0)).name("").into_future();
        assert_eq!(processes(), before);
        assert_eq!(starting.await.unwrap_err(), refused);
        let starting = Probe::start_monitor(Probe::plain(&log, 0))
            .name("")
            .into_future();
        assert_eq!(processes(), before);
        assert_eq!(starting.await.unwrap_err(), refused);
        // The starter is linked with nobody, and hears of no end.
        let linked = Probe::start_link(Probe::plain(&log, 0)).name("").await;
        assert_eq!(linked.unwrap_err(), refused);
        assert_eq!(info(self_pid()).unwrap().links, []);
        assert_eq!(log.len(), 0);

        // The same start is taken with a name that is one, so the look at the processes does see.
        let starting = Probe::start(Probe::plain(&log, 0)).name("a").into_future();
        assert_eq!(processes(), before + 1);
        starting.await.unwrap();
    });
}

#[test]
fn gen_012_an_init_that_takes_too_long_is_killed() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let (log, drops) = (Log::new(), Drops::new());
            let held = drops.counted();
            let mut args = Probe::init_by(&log, move |_| {
                drop(held);
                Ok(Init::Ignore)
            });
            args.delay = Duration::MAX;
            let outcome = Probe::start_link(args).name("slow").timeout(ms(10)).await;
            assert_eq!(outcome.unwrap_err(), StartError::Timeout(ms(10)));
            assert_eq!((drops.count(), whereis("slow")), (1, None));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn gen_013_a_name_resolves_to_a_pid_or_to_none() {
    on_both(|| async {
        assert!(Addr::<Probe>::whereis("server").is_none());
        let server = Probe::start(Probe::plain(&Log::new(), 0))
            .name("server")
            .await
            .unwrap();
        assert_eq!(Addr::<Probe>::whereis("server"), Some(server.clone()));
        assert_eq!(Addr::<Probe>::from_pid(server.pid()), Some(server.clone()));
        assert!(
            Addr::<Other>::from_pid(server.pid()).is_none(),
            "of another type"
        );
        server.stop().await.unwrap();
        assert!(Addr::<Probe>::from_pid(server.pid()).is_none());
    });
}

// Calls.

#[test]
fn gen_014_a_call_gives_the_reply_and_the_state_goes_on() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        for n in 1..=100 {
            assert_eq!(server.call(|from| Ask::Add(1, from)).await, Ok(n));
        }
    });
}

#[test]
fn gen_015_a_deferred_reply_completes_the_call() {
    on_both(|| {
        with_inbox(
            |mut inbox: Mailbox<(u8, Result<i64, CallError>)>| async move {
                let server = probe(&Log::new()).await;
                for n in 0..3 {
                    let (callee, me) = (server.clone(), inbox.recipient());
                    spawn(async move { me.send((n, callee.call(Ask::Defer).no_timeout().await)) });
                    // One after the other, so that the order of the requests is known.
                    while server
                        .call(ask(|p, _, from| {
                            from.reply(p.deferred.len());
                            Ok(Next::Wait)
                        }))
                        .await
                        != Ok(usize::from(n) + 1)
                    {
                        rekindle_actor::yield_now().await;
                    }
                }
                // Other requests are served meanwhile.
                assert_eq!(server.call(Ask::Get).await, Ok(0));
                // From the server itself, in another order; the last from another process.
                server.cast(tell(|p, _| {
                    p.deferred.remove(1).reply(11);
                    p.deferred.remove(0).reply(10);
                    let last = p.deferred.remove(0);
                    spawn(async move { last.reply(12) });
                    Ok(Next::Wait)
                }));
                let mut replies = Vec::new();
                for _ in 0..3 {
                    replies.push(inbox.recv().await);
                }
                replies.sort_by_key(|(n, _)| *n);
                assert_eq!(replies, [(0, Ok(10)), (1, Ok(11)), (2, Ok(12))]);
            },
        )
    });
}

#[test]
fn gen_016_a_call_without_an_answer_in_time_leaves_the_server_alone() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let outcome = server.call(Ask::Defer).timeout(ms(5)).await;
        assert_eq!(outcome, Err(CallError::Timeout(ms(5))));
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}

#[test]
fn gen_017_a_call_to_the_dead_or_to_a_free_name_fails_at_once() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.stop().await.unwrap();
        assert_eq!(
            server.call(Ask::Get).no_timeout().await,
            Err(CallError::NoProc)
        );
        let nobody = Name::<Probe>::new("nobody");
        assert_eq!(
            nobody.call(Ask::Get).no_timeout().await,
            Err(CallError::NoProc)
        );
    });
}

#[test]
fn gen_018_a_call_to_oneself_is_refused() {
    on_both(|| async {
        let server = Probe::start(Probe::plain(&Log::new(), 0))
            .name("self")
            .await
            .unwrap();
        let own = CallError::Cycle(vec![server.pid()]);
        let target = server.clone();
        let outcome = server
            .call(|from| Ask::Through(target, from))
            .await
            .unwrap();
        assert_eq!(outcome, Err(own.clone()));
        let outcome = server
            .call(|from| Ask::ThroughName("self", from))
            .await
            .unwrap();
        assert_eq!(outcome, Err(own));
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}

#[test]
fn gen_019_a_panic_in_a_call_reaches_the_caller_links_and_monitors() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let log = Log::new();
            let server = Probe::start_link(Probe::plain(&log, 0)).await.unwrap();
            monitor(server.pid());
            let outcome: Result<(), _> = server.call(ask(|_, _, _from| panic!("in a call"))).await;
            let expected = match outcome.unwrap_err() {
                CallError::Exited(reason) => reason,
                other => panic!("{other:?}"),
            };
            assert!(matches!(&expected, ExitReason::Panic(p) if p.message == "in a call"));
            for _ in 0..2 {
                match inbox.next().await {
                    Info::Down(down) => assert_eq!(down.reason, expected),
                    Info::Exit(exit) => assert_eq!(exit.reason, expected),
                    other => panic!("{other:?}"),
                }
            }
            assert!(log.all()[1].starts_with("terminate panicked"));
        })
    });
}

#[test]
fn gen_019_a_panic_after_the_callback_has_waited() {
    on_both(|| async {
        let server = Waits::start(()).await.unwrap();
        let outcome = server.call(|from| from).await;
        match outcome.unwrap_err() {
            CallError::Exited(ExitReason::Panic(panic)) => assert_eq!(panic.message, "later"),
            other => panic!("{other:?}"),
        }
    });

    struct Waits;
    impl GenServer for Waits {
        type Args = ();
        type Call = ReplyTo<()>;
        type Cast = Never;
        type Info = Never;
        type Continue = Never;
        async fn init((): (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(Waits))
        }
        async fn handle_call(&mut self, from: ReplyTo<()>, _: &mut Context<Self>) -> Step<Self> {
            sleep(ms(1)).await;
            let _from = from;
            panic!("later")
        }
        async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
            // The caller must not be told anything else meanwhile.
            sleep(ms(1)).await;
        }
    }
}

#[test]
fn gen_020_a_kill_while_a_call_is_served() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let (server, me) = (probe(&Log::new()).await, inbox.recipient());
            let callee = server.clone();
            spawn(async move { me.send(callee.call(Ask::Hang).no_timeout().await) });
            sleep(ms(2)).await;
            let (callee, me) = (server.clone(), inbox.recipient());
            spawn(async move { me.send(callee.call(Ask::Get).no_timeout().await) });
            sleep(ms(2)).await;
            server.exit(ExitReason::Kill);
            // The one that was served and the one that waited its turn.
            for _ in 0..2 {
                assert_eq!(
                    inbox.recv().await,
                    Err(CallError::Exited(ExitReason::Killed))
                );
            }
        })
    });
}

#[test]
fn gen_021_a_reply_and_then_stop_is_a_success() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let server = probe(&Log::new()).await;
            monitor(server.pid());
            let outcome = server.call(ask(|_, _, from: ReplyTo<u8>| {
                from.reply(9);
                Ok(Next::Stop(ExitReason::shutdown_with("served")))
            }));
            assert_eq!(outcome.await, Ok(9));
            let down = expect_down(&mut inbox).await;
            assert_eq!(down.reason, ExitReason::shutdown_with("served"));
        })
    });
}

#[test]
fn gen_022_a_stop_without_a_reply_gives_the_reason() {
    on_both(|| async {
        for reason in [oops("failed"), ExitReason::Shutdown, ExitReason::Normal] {
            let server = probe(&Log::new()).await;
            let why = reason.clone();
            let outcome: Result<(), _> = server
                .call(ask(move |_, _, _from| Ok(Next::Stop(why))))
                .await;
            assert_eq!(outcome, Err(CallError::Exited(reason)));
        }
        let server = probe(&Log::new()).await;
        let outcome: Result<(), _> = server.call(ask(|_, _, _from| Err(oops("error")))).await;
        assert_eq!(outcome, Err(CallError::Exited(oops("error"))));
    });
}

#[test]
fn gen_023_a_reply_by_handle_and_then_stop_is_a_success() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let (server, me) = (probe(&Log::new()).await, inbox.recipient());
            let callee = server.clone();
            spawn(async move { me.send(callee.call(Ask::Defer).await) });
            sleep(ms(2)).await;
            server.cast(tell(|p, _| {
                p.deferred.remove(0).reply(3);
                Ok(Next::Stop(oops("and out")))
            }));
            assert_eq!(inbox.recv().await, Ok(3));
        })
    });
}

#[test]
fn gen_024_a_call_leaves_the_callers_mailbox_alone() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let (server, me) = (probe(&Log::new()).await, inbox.recipient());
            (0..5_000).for_each(|n| me.send(n));
            for n in 1..=10 {
                assert_eq!(server.call(|from| Ask::Add(1, from)).await, Ok(n));
            }
            assert_eq!(inbox.len(), 5_000);
            for n in 0..5_000 {
                assert_eq!(inbox.recv().await, n);
            }
        })
    });
}

#[test]
fn gen_025_calls_are_served_one_at_a_time() {
    struct OneAtATime {
        inside: Arc<AtomicUsize>,
        served: Vec<u32>,
    }
    enum Request {
        Work(u32, ReplyTo<()>),
        Served(ReplyTo<Vec<u32>>),
    }
    impl GenServer for OneAtATime {
        type Args = Arc<AtomicUsize>;
        type Call = Request;
        type Cast = Never;
        type Info = Never;
        type Continue = Never;
        async fn init(
            inside: Arc<AtomicUsize>,
            _: &mut Context<Self>,
        ) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(OneAtATime {
                inside,
                served: Vec::new(),
            }))
        }
        async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
            match request {
                Request::Work(n, from) => {
                    assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0);
                    rekindle_actor::yield_now().await;
                    self.served.push(n);
                    assert_eq!(self.inside.fetch_sub(1, Ordering::SeqCst), 1);
                    from.reply(());
                }
                Request::Served(from) => from.reply(self.served.clone()),
            }
            Ok(Next::Wait)
        }
    }
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let server = OneAtATime::start(Arc::default()).await.unwrap();
            for client in 0..20 {
                let (server, me) = (server.clone(), inbox.recipient());
                spawn(async move {
                    for n in 0..5 {
                        server
                            .call(|from| Request::Work(client * 5 + n, from))
                            .await
                            .unwrap();
                    }
                    me.send(());
                });
            }
            for _ in 0..20 {
                inbox.recv().await;
            }
            let served = server.call(Request::Served).await.unwrap();
            assert_eq!(served.len(), 100);
            for client in 0..20 {
                let own: Vec<_> = served.iter().filter(|n| **n / 5 == client).collect();
                assert!(own.is_sorted(), "each client's requests keep their order");
            }
        })
    });
}

// Casts and infos.

#[test]
fn gen_026_a_cast_never_fails() {
    on_both(|| async {
        let server = Probe::start(Probe::plain(&Log::new(), 0))
            .name("server")
            .await
            .unwrap();
        let name = Name::<Probe>::new("server");
        server.cast(Tell::Add(1));
        name.cast(Tell::Add(1));
        assert_eq!(server.call(Ask::Get).await, Ok(2));
        server.stop().await.unwrap();
        server.cast(Tell::Add(1));
        name.cast(Tell::Add(1));
        Name::<Probe>::new("nobody").cast(Tell::Add(1));
        // Whoever wants to know can ask, and has the message back.
        match server.try_cast(Tell::Add(5)) {
            Err(SendError::NoProc(Tell::Add(5))) => {}
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            name.try_cast(Tell::Add(5)),
            Err(SendError::NoProc(Tell::Add(5)))
        ));
    });
}

#[test]
fn gen_027_plain_messages_go_to_handle_info() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        server.send(1);
        server.recipient::<u32>().send(2);
        send_after(Duration::ZERO, &server.recipient::<u32>(), 3);
        until(|| log.len() == 4).await;
        assert_eq!(log.all(), ["init", "info 1", "info 2", "info 3"]);
    });
}

/// A server with nothing but `init`.
struct Other;

impl GenServer for Other {
    type Args = ();
    type Call = ReplyTo<()>;
    type Cast = ();
    type Info = u8;
    type Continue = Never;

    async fn init((): (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        trap_exit(true);
        Ok(Init::Ready(Other))
    }
}

#[test]
fn gen_028_an_unexpected_message_is_ignored() {
    on_both(|| async {
        let server = Other::start(()).await.unwrap();
        server.send(1);
        // Not of its parent: that one's would be its end.
        let (stranger, pid) = (Puppet::new(), server.pid());
        stranger
            .run(move || exit(pid, oops("ignored as well")))
            .await;
        let status = sys::get_status(server.pid()).await.unwrap();
        assert_eq!((status.mailbox, status.state), (0, None));
        assert!(server.is_alive());
    });
}

#[test]
fn a_call_or_cast_without_a_callback_crashes_the_server_with_a_clear_text() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let server = Other::start(()).await.unwrap();
            let lost = server.call(|from| from).await.unwrap_err();
            assert_eq!(lost, CallError::Exited(oops("Other has no `handle_call`")));
            let (server, _) = Other::start_monitor(()).await.unwrap();
            server.cast(());
            assert_eq!(
                expect_down(&mut inbox).await.reason,
                oops("Other has no `handle_cast`")
            );
        })
    });
}

#[test]
fn gen_029_a_panic_in_a_cast_or_info_runs_terminate_first() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for in_cast in [true, false] {
                let log = Log::new();
                let server = probe(&log).await;
                monitor(server.pid());
                let seen = log.clone();
                let script: Script = Box::new(move |p, _| {
                    // What the panic leaves in the state is what terminate sees.
                    p.on_terminate = Some(Box::new(move || seen.add("as the panic left it")));
                    panic!("halfway")
                });
                if in_cast {
                    server.cast(Tell::Run(script));
                } else {
                    server.send(Plain::Run(script));
                }
                let reason = expect_down(&mut inbox).await.reason;
                assert!(matches!(&reason, ExitReason::Panic(p) if p.message == "halfway"));
                let terminated = format!("terminate {reason}");
                assert_eq!(log.all(), ["init", &terminated, "as the panic left it"]);
            }
        })
    });
}

#[test]
fn gen_030_one_sender_is_served_in_order() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        for n in 0..20 {
            server.send(n);
            server.cast(Tell::Note("cast"));
            let noted = ask(|p: &mut Probe, _, from: ReplyTo<()>| {
                p.log.add("call");
                from.reply(());
                Ok(Next::Wait)
            });
            server.call(noted).await.unwrap();
            server.cast(Tell::Note("cast"));
        }
        assert_eq!(server.call(Ask::Get).await, Ok(0));
        let all = log.all();
        for n in 0..20 {
            assert_eq!(
                all[1 + 4 * n..][..4],
                [&format!("info {n}"), "cast", "call", "cast"]
            );
        }
    });
}

// Continue, timeout, hibernate.

#[test]
fn gen_031_continue_is_the_very_next_callback() {
    on_both(|| async {
        let log = Log::new();
        let probe_log = log.clone();
        let args = Probe::init_by(&log, move |cx| {
            // Already in the mailbox when init returns.
            cx.addr().cast(Tell::Note("cast"));
            Ok(Init::Continue(
                Probe::with(&probe_log, 0),
                Work::Note("continue 1"),
            ))
        });
        let server = Probe::start(args).await.unwrap();
        server.cast(tell(|p, cx| {
            cx.addr().cast(Tell::Note("cast 2"));
            p.log.add("tell");
            Ok(Next::Continue(Work::Run(Box::new(|p, _| {
                p.log.add("continue 2");
                Ok(Next::Continue(Work::Note("continue 3")))
            }))))
        }));
        until(|| log.contains("cast 2")).await;
        let expected = [
            "init",
            "continue 1",
            "cast",
            "tell",
            "continue 2",
            "continue 3",
            "cast 2",
        ];
        assert_eq!(log.all(), expected);
    });
}

#[test]
fn gen_032_a_caller_does_not_wait_for_the_continuation() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let outcome = server.call(ask(|_, _, from: ReplyTo<u8>| {
            from.reply(1);
            Ok(Next::Continue(Work::Hang))
        }));
        assert_eq!(outcome.await, Ok(1));
        let log = Log::new();
        let probe_log = log.clone();
        let args = Probe::init_by(&log, move |_| {
            Ok(Init::Continue(Probe::with(&probe_log, 0), Work::Hang))
        });
        assert!(Probe::start(args).await.is_ok(), "nor does a starter");
    });
}

#[test]
fn gen_033_an_idle_server_gets_one_timeout() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        server.cast(tell(|_, _| Ok(Next::Timeout(ms(5)))));
        sleep(ms(30)).await;
        // On a slow machine it may still be on its way.
        while !log.contains("timeout") {
            sleep(ms(5)).await;
        }
        sleep(ms(20)).await;
        assert_eq!(log.all(), ["init", "timeout"]);
    });
}

#[test]
fn gen_033_init_may_ask_for_a_timeout() {
    on_both(|| async {
        let log = Log::new();
        let probe_log = log.clone();
        let args = Probe::init_by(&log, move |_| {
            Ok(Init::Timeout(Probe::with(&probe_log, 0), Duration::ZERO))
        });
        Probe::start(args).await.unwrap();
        while !log.contains("timeout") {
            sleep(ms(1)).await;
        }
    });
}

#[test]
fn gen_034_any_message_ends_the_idle_timeout() {
    on_sim(|| async {
        for kind in 0..3 {
            let log = Log::new();
            let server = probe(&log).await;
            server.cast(tell(|_, _| Ok(Next::Timeout(ms(10)))));
            sleep(ms(5)).await;
            match kind {
                0 => assert_eq!(server.call(Ask::Get).await, Ok(0)),
                1 => server.cast(Tell::Add(1)),
                _ => server.send(1),
            }
            sleep(ms(60)).await;
            assert!(!log.contains("timeout"), "{:?}", log.all());
            server.cast(tell(|_, _| Ok(Next::Timeout(ms(10)))));
            sleep(ms(11)).await;
            assert!(log.contains("timeout"), "asked for again");
        }
    });
}

#[test]
fn gen_035_a_system_message_does_not_end_the_idle_timeout() {
    on_sim(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        server.cast(tell(|_, _| Ok(Next::Timeout(ms(10)))));
        sleep(ms(5)).await;
        let status = sys::get_status(server.pid()).await.unwrap();
        assert_eq!(status.state.as_deref(), Some("n = 0"));
        sleep(ms(4)).await;
        assert!(!log.contains("timeout"));
        sleep(ms(3)).await;
        assert!(log.contains("timeout"), "the wait was not begun anew");
    });
}

#[test]
fn gen_036_a_hibernating_server_goes_on_as_before() {
    on_both(|| async {
        let log = Log::new();
        let probe_log = log.clone();
        let args = Probe::init_by(&log, move |_| {
            Ok(Init::Hibernate(Probe::with(&probe_log, 4)))
        });
        let server = Probe::start(args).hibernate_after(ms(1)).await.unwrap();
        assert_eq!(server.call(Ask::Get).await, Ok(4));
        server.cast(tell(|_, _| Ok(Next::Hibernate)));
        sleep(ms(5)).await;
        assert_eq!(server.call(Ask::Get).await, Ok(4));
    });
}

#[test]
fn gen_036_a_server_that_hibernates_at_once_does_so_when_nothing_is_there() {
    struct Drowsy(Log);
    impl GenServer for Drowsy {
        type Args = Log;
        type Call = Never;
        type Cast = u32;
        type Info = Never;
        type Continue = Never;

        async fn init(log: Log, cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            assert!(cx.hibernate_after().is_some_and(|after| after < ms(1)));
            Ok(Init::Ready(Drowsy(log)))
        }

        async fn handle_cast(&mut self, n: u32, _: &mut Context<Self>) -> Step<Self> {
            self.0.add(n.to_string());
            Ok(Next::Wait)
        }

        fn hibernate(&mut self) {
            self.0.add("hibernates".to_owned());
        }
    }
    for seed in 0..8 {
        let log = Log::new();
        let args = log.clone();
        rekindle_actor::Runtime::simulated(seed).block_on(async move {
            let server = Drowsy::start(args)
                .hibernate_after(Duration::ZERO)
                .await
                .unwrap();
            sleep(ms(5)).await;
            (1..=3).for_each(|n| server.cast(n));
            sleep(ms(5)).await;
        });
        assert_eq!(log.all(), ["hibernates", "1", "2", "3", "hibernates"]);
    }
}

#[test]
fn gen_036_hibernate_is_called_on_request_and_after_each_idle_time() {
    struct Sleepy(Log);
    impl GenServer for Sleepy {
        type Args = Log;
        type Call = ReplyTo<()>;
        type Cast = ();
        type Info = Never;
        type Continue = Never;
        async fn init(log: Log, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(Sleepy(log)))
        }
        async fn handle_call(&mut self, from: ReplyTo<()>, _: &mut Context<Self>) -> Step<Self> {
            from.reply(());
            Ok(Next::Wait)
        }
        async fn handle_cast(&mut self, _: (), _: &mut Context<Self>) -> Step<Self> {
            Ok(Next::Hibernate)
        }
        fn hibernate(&mut self) {
            self.0.add("hibernate");
        }
    }
    on_sim(|| async {
        let log = Log::new();
        let server = Sleepy::start(log.clone()).await.unwrap();
        server.call(|from| from).await.unwrap();
        sleep(ms(100)).await;
        assert_eq!(log.len(), 0, "nobody has asked for it");
        server.cast(());
        server.call(|from| from).await.unwrap();
        sleep(ms(100)).await;
        assert!(log.len() <= 1, "once, unless the call came first");
        server.cast(());
        sleep(ms(100)).await;
        let asked = log.len();
        assert!(asked >= 1);
        let log = Log::new();
        let server = Sleepy::start(log.clone())
            .hibernate_after(ms(10))
            .await
            .unwrap();
        for rounds in 1..=3 {
            server.call(|from| from).await.unwrap();
            sleep(ms(9)).await;
            assert_eq!(log.len(), rounds - 1);
            sleep(ms(50)).await;
            assert_eq!(log.len(), rounds, "once for each time without messages");
        }
    });
}

// Stop and terminate.

#[test]
fn gen_037_stop_waits_until_server_and_name_are_gone() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for reason in [ExitReason::Normal, ExitReason::Shutdown, oops("on purpose")] {
                let log = Log::new();
                let server = Probe::start(Probe::plain(&log, 0))
                    .name("server")
                    .await
                    .unwrap();
                monitor(server.pid());
                let stop = server
                    .stop()
                    .reason(reason.clone())
                    .timeout(Duration::from_secs(60));
                assert_eq!(stop.await, Ok(()));
                assert!(!server.is_alive());
                assert_eq!(whereis("server"), None);
                assert_eq!(
                    log.all(),
                    ["init".to_owned(), format!("terminate {reason}")]
                );
                assert_eq!(expect_down(&mut inbox).await.reason, reason);
            }
        })
    });
}

#[test]
fn gen_037_stop_gives_up_after_its_time() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.cast(tell(|_, _| Ok(Next::Continue(Work::Hang))));
        let outcome = server.stop().timeout(ms(5)).await;
        assert_eq!(outcome, Err(StopError::Timeout(ms(5))));
        assert!(server.is_alive());
        server.exit(ExitReason::Kill);
    });
}

#[test]
fn gen_037_stop_says_if_the_server_ended_otherwise() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.cast(tell(|p, _| {
            p.on_terminate = Some(Box::new(|| panic!("in terminate")));
            Ok(Next::Wait)
        }));
        match server.stop().await.unwrap_err() {
            StopError::Exited(ExitReason::Panic(panic)) => {
                assert_eq!(panic.message, "in terminate");
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn gen_038_stop_of_the_dead() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        assert_eq!(server.stop().await, Ok(()));
        assert_eq!(server.stop().await, Err(StopError::NoProc));
        assert_eq!(Stop::new(server.pid()).await, Err(StopError::NoProc));
        let nobody = Name::<Probe>::new("nobody");
        assert_eq!(nobody.stop().await, Err(StopError::NoProc));
    });
}

#[test]
fn gen_039_a_server_cannot_wait_for_its_own_end() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        assert_eq!(
            server.call(Ask::StopSelf).await,
            Ok(Err(StopError::CallingSelf))
        );
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}

#[test]
fn gen_040_terminate_runs_for_stops_errors_and_panics() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            type Cause = fn(&Addr<Probe>);
            let causes: [(Cause, &str); 3] = [
                (
                    |s| s.cast(tell(|_, _| Ok(Next::Stop(ExitReason::Normal)))),
                    "normal",
                ),
                (|s| s.cast(tell(|_, _| Err(oops("error")))), "error"),
                (|s| s.cast(tell(|_, _| panic!("panic"))), "panicked"),
            ];
            for (cause, starts) in causes {
                let log = Log::new();
                let server = probe(&log).await;
                monitor(server.pid());
                cause(&server);
                expect_down(&mut inbox).await;
                let all = log.all();
                assert_eq!(all.len(), 2, "{all:?}");
                assert!(
                    all[1].starts_with(&format!("terminate {starts}")),
                    "{all:?}"
                );
            }
        })
    });
}

#[test]
fn gen_041_terminate_is_not_run_for_signals_that_are_not_trapped() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for (traps, signal) in [
                (false, ExitReason::Shutdown),
                (false, oops("signal")),
                (false, ExitReason::Kill),
                (true, ExitReason::Kill),
            ] {
                let log = Log::new();
                let args = if traps {
                    Probe::trapping(&log)
                } else {
                    Probe::plain(&log, 0)
                };
                let server = Probe::start(args).await.unwrap();
                monitor(server.pid());
                server.exit(signal);
                expect_down(&mut inbox).await;
                assert_eq!(log.all(), ["init"]);
            }
        })
    });
}

#[test]
fn gen_042_a_trapping_server_ends_with_its_parent() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Pid>| async move {
            let (log, me) = (Log::new(), inbox.recipient());
            let args = Probe::trapping(&log);
            let parent = spawn(|mut inbox: Mailbox<ExitReason>| async move {
                let server = Probe::start_link(args).await.unwrap();
                me.send(server.pid());
                inbox.recv().await
            });
            let server = inbox.recv().await;
            monitor(server);
            parent.send(oops("the parent's"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("the parent's"));
            assert_eq!(log.all(), ["init", "terminate the parent's"]);
        })
    });
}

#[test]
fn gen_043_one_crash_report_for_an_abnormal_end_and_none_for_a_clean_one() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for reason in [
                ExitReason::Normal,
                ExitReason::Shutdown,
                ExitReason::shutdown_with("x"),
            ] {
                let server = probe(&Log::new()).await;
                assert_eq!(server.stop().reason(reason).await, Ok(()));
            }
            sleep(ms(2)).await;
            assert_eq!(recent_crashes().len(), 0);

            let server = Probe::start(Probe::plain(&Log::new(), 41))
                .name("crasher")
                .await
                .unwrap();
            monitor(server.pid());
            let me = self_pid();
            server.call(|from| Ask::Add(1, from)).await.unwrap();
            let lost: Result<(), _> = server.call(ask(|_, _, _| Err(oops("no more")))).await;
            assert_eq!(lost, Err(CallError::Exited(oops("no more"))));
            expect_down(&mut inbox).await;
            until(|| recent_crashes().len() == 1).await;
            let report = recent_crashes().remove(0);
            assert_eq!(
                (report.pid, report.reason.clone()),
                (server.pid(), oops("no more"))
            );
            assert_eq!(report.name.as_deref(), Some("crasher"));
            assert_eq!(report.state.as_deref(), Some("n = 42"));
            assert_eq!(report.last_message.as_deref(), Some("call Ask"));
            assert_eq!(report.last_sender, Some(me));
            assert!(report.behaviour.ends_with("Probe"));
            let text = report.to_string();
            for part in ["Probe", "\"crasher\"", "no more", "n = 42", "call Ask"] {
                assert!(text.contains(part), "{part} in {text}");
            }
            sleep(ms(2)).await;
            assert_eq!(recent_crashes().len(), 1);
        })
    });
}

#[test]
fn gen_043_a_message_is_shown_where_the_server_says_so() {
    on_both(|| async {
        let server = Probe::start(Probe::plain(&Log::new(), i64::MAX))
            .await
            .unwrap();
        // Overflows.
        let _ = server.call(|from| Ask::Add(1, from)).await;
        if cfg!(debug_assertions) {
            until(|| recent_crashes().len() == 1).await;
            let report = recent_crashes().remove(0);
            assert_eq!(report.last_message.as_deref(), Some("call Add(1)"));
        }
    });
}

#[test]
fn gen_044_a_formatting_hook_that_panics_costs_only_the_state() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.cast(tell(|p, _| {
            p.on_format = Some(|| panic!("in format_status"));
            Ok(Next::Wait)
        }));
        let status = sys::get_status(server.pid()).await.unwrap();
        assert_eq!(status.state, None);
        server.cast(tell(|_, _| Err(oops("down"))));
        until(|| recent_crashes().len() == 1).await;
        let report = recent_crashes().remove(0);
        assert_eq!((report.state, report.reason), (None, oops("down")));
    });
}

#[test]
fn gen_044_a_formatting_hook_decides_what_is_shown() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.cast(tell(|p, _| {
            p.on_format = Some(|| "secret".replace("secret", "***"));
            Ok(Next::Wait)
        }));
        let status = sys::get_status(server.pid()).await.unwrap();
        assert_eq!(status.state.as_deref(), Some("***"));
        server.cast(tell(|_, _| Err(oops("down"))));
        until(|| recent_crashes().len() == 1).await;
        let report = recent_crashes().remove(0);
        assert_eq!(report.state.as_deref(), Some("***"), "nor in a report");
    });
}

#[test]
fn a_start_that_is_not_awaited_goes_on_by_itself() {
    on_both(|| async {
        let log = Log::new();
        let starting = Probe::start(Probe::plain(&log, 3))
            .name("alone")
            .into_future();
        drop(starting);
        until(|| whereis("alone").is_some()).await;
        let server = Name::<Probe>::new("alone");
        assert_eq!(server.call(Ask::Get).await, Ok(3));
        // And without `await` nothing is started at all.
        drop(Probe::start(Probe::plain(&log, 0)).name("never"));
        sleep(ms(1)).await;
        assert_eq!(whereis("never"), None);
    });
}

#[test]
fn a_server_can_send_to_itself() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        server.cast(tell(|p, cx| {
            cx.send_after(ms(1), 1);
            cx.recipient().send(2.into());
            assert_eq!(cx.parent(), rekindle_actor::parent());
            assert!(p.keeps.is_empty());
            Ok(Next::Wait)
        }));
        while log.len() < 3 {
            sleep(ms(1)).await;
        }
        assert_eq!(log.all(), ["init", "info 2", "info 1"]);
    });
}

#[test]
fn a_registered_server_is_listed_until_it_ends() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        register("late", server.pid()).unwrap();
        assert_eq!(Name::<Probe>::new("late").call(Ask::Get).await, Ok(0));
        server.stop().await.unwrap();
        assert!(rekindle_actor::registered().is_empty());
    });
}
