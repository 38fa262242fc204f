//! Where two things meet: late replies, kills at the wrong moment, names that change hands.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::{
    Ack, CallError, Exit, ExitReason, GenServer, Info, Init, Mailbox, Name, Next, Pid, ReplyTo,
    StartError, Starter, StopError, SysError, Task, begin_ending, exit, is_alive, link, monitor,
    self_pid, sleep, spawn, spawn_link, sys, trap_exit, unlink, whereis, yield_now,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Keeps what `call` is given until somebody else takes it.
type Place<T> = Arc<Mutex<Option<T>>>;

/// A call whose `ReplyTo` lies in the place when this returns.
async fn held(
    server: &rekindle_actor::Addr<Probe>,
) -> (Task<Result<i64, CallError>>, Place<ReplyTo<i64>>) {
    let place: Place<ReplyTo<i64>> = Place::default();
    let (callee, filled) = (server.clone(), place.clone());
    let call = Task::spawn(async move {
        let keep = ask(move |_, _, from| {
            *filled.lock() = Some(from);
            Ok(Next::Wait)
        });
        callee.call(keep).no_timeout().await
    });
    until(|| place.lock().is_some()).await;
    // The callback is over, too.
    server.call(Ask::Get).await.unwrap();
    (call, place)
}

#[test]
fn a_reply_dropped_in_another_process_says_that_there_is_none() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let (call, place) = held(&server).await;
        let other = place.lock().take();
        spawn(async move { drop(other) });
        assert_eq!(call.await, Ok(Err(CallError::NoReply)));
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}

#[test]
fn a_reply_held_by_another_process_that_is_killed_or_crashes() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        for crash in [false, true] {
            let (call, place) = held(&server).await;
            let from = place.lock().take();
            let holder = spawn(async move {
                let _from = from;
                match crash {
                    true => panic!("with the reply in hand"),
                    false => pending::<()>().await,
                }
            });
            exit(holder, ExitReason::Kill);
            assert_eq!(call.await, Ok(Err(CallError::NoReply)));
        }
    });
}

#[test]
fn a_reply_held_outside_of_all_processes() {
    on_pool(|| async {
        let server = probe(&Log::new()).await;
        for answers in [false, true] {
            let (call, place) = held(&server).await;
            let from = place.lock().take().unwrap();
            let outside = std::thread::spawn(move || match answers {
                true => from.reply(8),
                false => drop(from),
            });
            let expected = if answers {
                Ok(8)
            } else {
                Err(CallError::NoReply)
            };
            assert_eq!(call.await, Ok(expected));
            outside.join().unwrap();
        }
    });
}

#[test]
fn the_callees_end_decides_although_another_process_could_still_answer() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let (call, place) = held(&server).await;
        server.stop().reason(oops("ended first")).await.unwrap();
        assert_eq!(call.await, Ok(Err(CallError::Exited(oops("ended first")))));
        let from = place.lock().take().unwrap();
        assert!(!from.is_awaited());
        from.reply(1);
    });
}

#[test]
fn late_replies_never_reach_later_calls_of_the_same_caller() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        for n in 1..=50 {
            let late = server
                .call(Ask::Defer)
                .timeout(Duration::from_micros(1))
                .await;
            assert!(matches!(late, Err(CallError::Timeout(_))));
            // Its answer is given while the next call waits for its own.
            let own = server.call(ask(move |probe, _, from| {
                probe.deferred.drain(..).for_each(|late| late.reply(-1));
                from.reply(n);
                Ok(Next::Wait)
            }));
            assert_eq!(own.await, Ok(n));
        }
    });
}

#[test]
fn a_caller_killed_while_it_is_served_harms_nobody() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let place: Place<ReplyTo<i64>> = Place::default();
        let (callee, filled) = (server.clone(), place.clone());
        let caller = spawn(async move {
            let keep = ask(move |_, _, from| {
                *filled.lock() = Some(from);
                Ok(Next::Wait)
            });
            let _ = callee.call(keep).no_timeout().await;
        });
        until(|| place.lock().is_some()).await;
        exit(caller, ExitReason::Kill);
        until(|| !is_alive(caller)).await;
        let from = place.lock().take().unwrap();
        assert_eq!(from.caller(), Some(caller));
        assert!(!from.is_awaited());
        from.reply(3);
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}

#[test]
fn a_kill_during_init_fails_the_start_and_frees_the_name() {
    on_both(|| async {
        for linked in [false, true] {
            let log = Log::new();
            let mut args = Probe::plain(&log, 0);
            args.delay = Duration::MAX;
            let start = if linked {
                Probe::start_link(args)
            } else {
                Probe::start(args)
            };
            let killer = log.clone();
            spawn(async move {
                until(|| killer.contains("init")).await;
                exit(whereis("killed early").unwrap(), ExitReason::Kill);
            });
            let outcome = start.name("killed early").await;
            assert_eq!(outcome.unwrap_err(), StartError::Failed(ExitReason::Killed));
            assert_eq!(whereis("killed early"), None);
        }
    });
}

#[test]
fn an_exit_signal_during_init_is_the_reason_of_the_start() {
    on_both(|| async {
        let log = Log::new();
        let mut args = Probe::plain(&log, 0);
        args.delay = Duration::MAX;
        let told = log.clone();
        spawn(async move {
            until(|| told.contains("init")).await;
            exit(whereis("ended early").unwrap(), oops("not now"));
        });
        let outcome = Probe::start(args).name("ended early").await;
        assert_eq!(outcome.unwrap_err(), StartError::Failed(oops("not now")));
    });
}

#[test]
fn a_starter_that_dies_takes_the_half_started_with_it() {
    on_both(|| async {
        let log = Log::new();
        let told = log.clone();
        let starter = spawn(async move {
            let mut args = Probe::plain(&told, 0);
            args.delay = Duration::MAX;
            let _ = Probe::start_link(args).name("orphan").await;
        });
        until(|| log.contains("init")).await;
        let child = whereis("orphan").unwrap();
        exit(starter, oops("gone"));
        until(|| !is_alive(child)).await;
        assert_eq!(whereis("orphan"), None);
        assert_eq!(log.all(), ["init"], "no terminate without a state");
    });
}

#[test]
fn what_is_sent_during_init_is_handled_after_it() {
    on_both(|| async {
        let log = Log::new();
        let mut args = Probe::plain(&log, 0);
        args.delay = ms(3);
        let early = log.clone();
        let sender = Task::spawn(async move {
            until(|| early.contains("init")).await;
            let name = Name::<Probe>::new("slow start");
            name.cast(Tell::Add(1));
            let state = sys::with_state(&name, |probe: &mut Probe| probe.n).await;
            (state, name.call(|from| Ask::Add(1, from)).await)
        });
        let server = Probe::start(args).name("slow start").await.unwrap();
        assert_eq!(sender.await, Ok((Ok(1), Ok(2))));
        assert_eq!(server.call(Ask::Get).await, Ok(2));
    });
}

#[test]
fn gen_001_the_start_returns_when_init_is_done_and_not_before() {
    on_both(|| async {
        let log = Log::new();
        let told = log.clone();
        let mut args = Probe::init_by(&log, move |_| {
            told.add("done");
            Ok(Init::Ready(Probe::with(&told, 1)))
        });
        args.delay = ms(3);
        let server = Probe::start(args).await.unwrap();
        assert_eq!(log.all(), ["init", "done"]);
        assert_eq!(server.call(Ask::Get).await, Ok(1));
    });
}

#[test]
fn a_stop_while_suspended() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::plain(&log, 0))
            .name("held")
            .await
            .unwrap();
        sys::suspend("held").await.unwrap();
        server.cast(Tell::Note("queued"));
        let waiting = server.send_request(Ask::Get);
        sys::Stop::new("held").reason(oops("enough")).await.unwrap();
        assert_eq!(waiting.await, Err(CallError::Exited(oops("enough"))));
        assert_eq!(log.all(), ["init", "terminate enough"]);
        assert_eq!(whereis("held"), None);
    });
}

#[test]
fn a_kill_while_suspended_is_heard_by_those_who_wait() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::trapping(&log)).await.unwrap();
        sys::suspend(&server).await.unwrap();
        let waiting = [server.send_request(Ask::Get), server.send_request(Ask::Get)];
        exit(server.pid(), ExitReason::Kill);
        for request in waiting {
            assert_eq!(request.await, Err(CallError::Exited(ExitReason::Killed)));
        }
        assert_eq!(log.all(), ["init"]);
    });
}

#[test]
fn two_stops_at_once_with_two_reasons() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.cast(tell(|probe, _| {
            probe.n = 1;
            Ok(Next::Continue(Work::Run(Box::new(|_, _| Ok(Next::Wait)))))
        }));
        let (one, two) = (server.clone(), server.clone());
        let first = Task::spawn(async move { one.stop().reason(oops("one")).await });
        let second = Task::spawn(async move { two.stop().reason(oops("two")).await });
        let outcomes = (first.await.unwrap(), second.await.unwrap());
        match outcomes {
            // The other one came too late, or hears which reason it was.
            (Ok(()), Err(StopError::Exited(reason))) => assert_eq!(reason, oops("one")),
            (Err(StopError::Exited(reason)), Ok(())) => assert_eq!(reason, oops("two")),
            (Ok(()), Err(StopError::NoProc)) | (Err(StopError::NoProc), Ok(())) => {}
            other => panic!("{other:?}"),
        }
    });
}

/// A probe whose terminate lasts until the place is emptied.
async fn ending_slowly(log: &Log) -> rekindle_actor::Addr<Slow> {
    Slow::start(log.clone()).await.unwrap()
}

struct Slow(Log);

impl GenServer for Slow {
    type Args = Log;
    type Call = ReplyTo<()>;
    type Cast = ExitReason;
    type Info = u8;
    type Continue = rekindle_actor::Never;

    async fn init(
        log: Log,
        _: &mut rekindle_actor::Context<Self>,
    ) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Slow(log)))
    }

    async fn handle_cast(
        &mut self,
        reason: ExitReason,
        _: &mut rekindle_actor::Context<Self>,
    ) -> rekindle_actor::Step<Self> {
        Ok(Next::Stop(reason))
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut rekindle_actor::Context<Self>) {
        self.0.add(format!("terminate {reason}"));
        pending().await
    }
}

#[test]
fn exit_signals_to_a_server_in_its_terminate() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for (signal, outcome) in [
                (oops("hurry"), oops("hurry")),
                (ExitReason::Kill, ExitReason::Killed),
            ] {
                let log = Log::new();
                let server = ending_slowly(&log).await;
                monitor(server.pid());
                server.cast(oops("first"));
                until(|| log.len() == 1).await;
                let late = server.send_request(|from| from);
                exit(server.pid(), ExitReason::Normal);
                yield_now().await;
                assert!(server.is_alive(), "a normal signal of another does nothing");
                exit(server.pid(), signal);
                assert_eq!(expect_down(&mut inbox).await.reason, outcome);
                assert_eq!(late.await, Err(CallError::Exited(outcome)));
            }
        })
    });
}

#[test]
fn sys_requests_to_a_server_in_its_terminate() {
    on_sim(|| async {
        let log = Log::new();
        let server = ending_slowly(&log).await;
        server.cast(oops("first"));
        until(|| log.len() == 1).await;
        let status = sys::get_status(&server).timeout(ms(5)).await;
        assert!(matches!(status, Err(SysError::Timeout(_))), "{status:?}");
        let late = sys::get_statistics(&server);
        exit(server.pid(), ExitReason::Kill);
        assert_eq!(late.await, Err(SysError::Exited(ExitReason::Killed)));
        let stop = server.stop().await;
        assert_eq!(stop, Err(StopError::NoProc));
    });
}

#[test]
fn a_call_to_a_server_that_ends_hears_the_reason_and_then_no_proc() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        server.cast(tell(|_, _| Ok(Next::Stop(oops("done")))));
        // Sent after what ends it, in order.
        assert_eq!(
            server.call(Ask::Get).await,
            Err(CallError::Exited(oops("done")))
        );
        until(|| !server.is_alive()).await;
        assert_eq!(server.call(Ask::Get).await, Err(CallError::NoProc));
    });
}

#[test]
fn a_deferred_reply_given_in_terminate_still_counts() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let (call, place) = held(&server).await;
        server.cast(tell(move |probe, _| {
            probe.on_terminate = Some(Box::new(move || {
                if let Some(from) = place.lock().take() {
                    from.reply(77);
                }
            }));
            Ok(Next::Stop(oops("after the answer")))
        }));
        assert_eq!(call.await, Ok(Ok(77)));
    });
}

#[test]
fn unlink_against_a_death_kills_or_does_not_and_leaves_nothing() {
    on_both(|| async {
        for round in 0..30 {
            let (puppet, target) = (Puppet::trapping().await, mortal());
            let pid = target.pid();
            puppet.run(move || link(pid)).await;
            let victim = target.clone();
            spawn(async move {
                if round % 2 == 0 {
                    yield_now().await;
                }
                victim.send(oops("race"));
            });
            puppet.run(move || unlink(pid)).await;
            let at_unlink = puppet.seen().await;
            until(|| !target.is_alive()).await;
            yield_now().await;
            // Nothing comes once `unlink` has returned; what came before is there.
            assert_eq!(puppet.seen().await, at_unlink);
            assert!(links_of(puppet.pid()).is_empty());
        }
    });
}

#[test]
fn a_link_made_again_after_an_unlink_stands() {
    on_both(|| async {
        let (puppet, target) = (Puppet::trapping().await, mortal());
        let pid = target.pid();
        puppet
            .run(move || {
                for _ in 0..10 {
                    link(pid);
                    unlink(pid);
                }
                link(pid);
            })
            .await;
        target.send(oops("heard"));
        assert_eq!(puppet.has_seen(1).await, [Seen::Exit(pid, oops("heard"))]);
    });
}

#[test]
fn a_link_to_one_that_is_ending_is_heard() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let log = Log::new();
            let server = ending_slowly(&log).await;
            server.cast(oops("first"));
            until(|| log.len() == 1).await;
            link(server.pid());
            monitor(server.pid());
            exit(server.pid(), ExitReason::Kill);
            for _ in 0..2 {
                match inbox.next().await {
                    Info::Exit(Exit { from, reason, .. }) => {
                        assert_eq!((from, reason), (server.pid(), ExitReason::Killed));
                    }
                    Info::Down(down) => assert_eq!(down.reason, ExitReason::Killed),
                    other => panic!("{other:?}"),
                }
            }
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn a_parent_that_ends_while_its_server_stops() {
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
            // Both at once: whichever comes first is the reason, and terminate runs once.
            parent.send(oops("parent"));
            let stopped = sys::Stop::new(server).reason(ExitReason::Shutdown).await;
            let reason = expect_down(&mut inbox).await.reason;
            match &reason {
                ExitReason::Shutdown => assert_eq!(stopped, Ok(())),
                other => {
                    assert_eq!(*other, oops("parent"));
                    assert!(stopped.is_err());
                }
            }
            assert_eq!(log.all(), ["init", &format!("terminate {reason}")]);
        })
    });
}

#[test]
fn who_is_told_of_an_end_can_start_anew_under_the_name() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            for life in 0..20 {
                let server = Probe::start_link(Probe::plain(&Log::new(), life)).name("phoenix");
                let server = server.await.unwrap();
                assert_eq!(server.call(Ask::Get).await, Ok(life));
                exit(
                    server.pid(),
                    if life % 2 == 0 {
                        oops("again")
                    } else {
                        ExitReason::Kill
                    },
                );
                expect_exit(&mut inbox).await;
                assert_eq!(whereis("phoenix"), None);
            }
        })
    });
}

#[test]
fn an_own_loop_that_ends_and_a_request_that_it_drops() {
    async fn ends(mut inbox: Mailbox<ReplyTo<()>>, ack: Ack) -> ExitReason {
        ack.ready();
        let from = inbox.recv().await;
        begin_ending();
        drop(from);
        sleep(ms(2)).await;
        oops("in the end")
    }
    on_both(|| async {
        let server = Starter::new("ends").start(ends).await.unwrap();
        assert_eq!(
            server.call(|from| from).await,
            Err(CallError::Exited(oops("in the end")))
        );
    });
}

#[test]
fn a_child_that_dies_before_its_spawner_has_another_turn() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let mut dead = Vec::new();
            for _ in 0..10 {
                dead.push(spawn_link(async { rekindle_actor::raise(oops("at once")) }));
            }
            let kept = spawn_link(async { rekindle_actor::raise(oops("unheard")) });
            unlink(kept);
            for _ in 0..10 {
                let gone = expect_exit(&mut inbox).await;
                assert!(dead.contains(&gone.from));
                assert_eq!(gone.reason, oops("at once"));
            }
            until(|| !is_alive(kept)).await;
            expect_nothing(&mut inbox).await;
            assert!(links_of(self_pid()).is_empty());
        })
    });
}

#[test]
fn suspend_and_a_death_of_those_who_asked() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let pid = server.pid();
        let asker = spawn(async move {
            let _unheard = sys::suspend(pid);
            rekindle_actor::raise(oops("before the answer"))
        });
        until(|| !is_alive(asker)).await;
        // It was suspended all the same, and somebody else may end that.
        assert!(sys::get_status(pid).await.unwrap().suspended);
        sys::resume(pid).await.unwrap();
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}
