//! Calls, casts and requests that race with answers, deaths and moves. Each test says what OTP does
//! and where that is written.

use std::time::Duration;

use rekindle_actor::{
    Addr, CallError, ExitReason, GenServer, Info, Mailbox, Name, Next, ReplyTo, Request, Requests,
    Step, Task, exit, is_alive, multi_call, raise, register, self_pid, sleep, spawn, sys,
    unregister, yield_now,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `gen_server:call/3`, on timeouts (aliases, since OTP 24): a late answer is dropped; the next
/// call gets its own, and the mailbox nothing.
#[test]
fn a_late_answer_reaches_neither_a_later_call_nor_the_mailbox() {
    on_sim(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let log = Log::new();
            let server = Probe::start(Probe::plain(&log, 1)).await.unwrap();
            let late = server
                .call(|from| Ask::Slow(ms(50), from))
                .timeout(ms(10))
                .await;
            assert_eq!(late, Err(CallError::Timeout(ms(10))));
            // Its own answer comes after the late one.
            assert_eq!(server.call(|from| Ask::Add(10, from)).await, Ok(11));
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `gen_server:reply/2` in the last moment: what was answered before the server died is an answer,
/// whatever the server does next.
#[test]
fn an_answer_given_just_before_the_death_counts() {
    on_both(|| async {
        let ends: [fn() -> Step<Probe>; 3] = [
            || Ok(Next::Stop(oops("stop"))),
            || Err(oops("error")),
            || raise(oops("raise")),
        ];
        for end in ends {
            let server = probe(&Log::new()).await;
            let answer = server.call(ask(move |_, _, from: ReplyTo<u8>| {
                from.reply(7);
                end()
            }));
            assert_eq!(answer.await, Ok(7));
        }
    });
}

/// `gen_server:call/2` monitors the server that was called: its death is the call's failure, also
/// if somebody else was to answer, and his answer comes too late.
#[test]
fn the_death_of_the_server_ends_a_call_that_another_was_to_answer() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let keeper = spawn(|mut inbox: Mailbox<ReplyTo<i64>>| async move {
            let from = inbox.recv().await;
            while from.is_awaited() {
                yield_now().await;
            }
            from.reply(1);
            std::future::pending::<()>().await
        });
        let pass = ask(move |_, _, from: ReplyTo<i64>| {
            keeper.send(from);
            Ok(Next::Stop(oops("gone")))
        });
        let failed = server.call(pass).await;
        assert_eq!(failed, Err(CallError::Exited(oops("gone"))));
    });
}

/// `gen_server`: whoever waits in the queue of a server that ends hears its true reason, each, and
/// who comes later that there is nobody.
#[test]
fn all_who_wait_in_the_queue_hear_the_true_reason() {
    on_both(|| async {
        for killed in [false, true] {
            let server = probe(&Log::new()).await;
            sys::suspend(server.pid()).await.unwrap();
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let server = server.clone();
                    Task::spawn(async move { server.call(Ask::Get).await })
                })
                .collect();
            let pid = server.pid();
            until(|| rekindle_actor::info(pid).is_some_and(|info| info.mailbox == 3)).await;
            let reason = match killed {
                true => {
                    exit(pid, ExitReason::Kill);
                    ExitReason::Killed
                }
                false => {
                    server.stop().reason(ExitReason::Shutdown).await.unwrap();
                    ExitReason::Shutdown
                }
            };
            for task in waiting {
                let result = task.await.unwrap();
                assert_eq!(result, Err(CallError::Exited(reason.clone())));
            }
            until(|| !is_alive(pid)).await;
            assert_eq!(server.call(Ask::Get).await, Err(CallError::NoProc));
        }
    });
}

/// `gen_server:call/2` with `Stop` and reason `normal` and no answer: the caller is told, for it
/// has no answer.
#[test]
fn a_normal_end_without_an_answer_is_a_failed_call() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let keep = ask(|probe, _, from: ReplyTo<i64>| {
            probe.deferred.push(from);
            Ok(Next::Stop(ExitReason::Normal))
        });
        let failed = server.call(keep).await;
        assert_eq!(failed, Err(CallError::Exited(ExitReason::Normal)));
    });
}

/// `gen_server:call/2` by name finds the process when it calls: a name that moves while the call
/// is served changes nothing for it, and the next call goes to the new holder.
#[test]
fn a_call_stays_with_the_process_it_found_when_the_name_moves() {
    on_sim(|| async {
        let log = Log::new();
        let one = Probe::start(Probe::plain(&log, 1))
            .name("door")
            .await
            .unwrap();
        let two = Probe::start(Probe::plain(&log, 2)).await.unwrap();
        let name = Name::<Probe>::new("door");
        let caller = name.clone();
        let pending = Task::spawn(async move { caller.call(|from| Ask::Slow(ms(50), from)).await });
        sleep(ms(10)).await;
        unregister("door").unwrap();
        register("door", two.pid()).unwrap();
        assert_eq!(name.call(Ask::Get).await, Ok(2));
        assert_eq!(pending.await.unwrap(), Ok(1));
        unregister("door").unwrap();
        assert_eq!(name.call(Ask::Get).await, Err(CallError::NoProc));
        assert!(one.is_alive());
    });
}

/// `gen_server:call/3` with a timeout of zero: nobody can answer in no time; the request is made
/// all the same.
#[test]
fn a_call_without_time_fails_and_is_still_handled() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let failed = server
            .call(|from| Ask::Add(5, from))
            .timeout(Duration::ZERO)
            .await;
        assert_eq!(failed, Err(CallError::Timeout(Duration::ZERO)));
        assert_eq!(server.call(Ask::Get).await, Ok(5));
    });
}

/// `gen_server`: `terminate` may call others, while somebody waits in `stop` for it.
#[test]
fn a_server_may_call_others_while_it_terminates() {
    struct Leaving(Addr<Probe>, Log);
    impl GenServer for Leaving {
        type Args = (Addr<Probe>, Log);
        type Call = ReplyTo<()>;
        type Cast = rekindle_actor::Never;
        type Info = rekindle_actor::Never;
        type Continue = rekindle_actor::Never;
        async fn init(
            (other, log): Self::Args,
            _: &mut rekindle_actor::Context<Self>,
        ) -> Result<rekindle_actor::Init<Self>, ExitReason> {
            Ok(rekindle_actor::Init::Ready(Leaving(other, log)))
        }
        async fn terminate(&mut self, _: &ExitReason, cx: &mut rekindle_actor::Context<Self>) {
            let n = self.0.call(Ask::Get).await;
            let own = cx.addr().call(|from| from).await;
            self.1
                .add(format!("{n:?} {}", matches!(own, Err(CallError::Cycle(_)))));
        }
    }
    on_both(|| async {
        let log = Log::new();
        let other = probe(&Log::new()).await;
        let leaving = Leaving::start((other, log.clone())).await.unwrap();
        leaving.stop().await.unwrap();
        assert_eq!(log.all(), ["Ok(0) true"]);
    });
}

/// RM Delivery of Signals, for servers: casts, calls and plain messages of one process are handled
/// in the order sent, also through a handle by name and one by pid.
#[test]
fn one_sender_is_heard_in_order_by_whatever_way_it_speaks() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::plain(&log, 0))
            .name("ear")
            .await
            .unwrap();
        let name = Name::<Probe>::new("ear");
        server.cast(Tell::Note("1"));
        name.cast(Tell::Note("2"));
        server.send(3);
        name.recipient::<u32>().send(4);
        let mut request = server.send_request(ask(|probe, _, from: ReplyTo<()>| {
            probe.log.add("5");
            from.reply(());
            Ok(Next::Wait)
        }));
        name.cast(Tell::Note("6"));
        assert_eq!(request.wait(Duration::from_secs(5)).await, Some(Ok(())));
        server.call(Ask::Get).await.unwrap();
        assert_eq!(log.all(), ["init", "1", "2", "info 3", "info 4", "5", "6"]);
    });
}

/// `gen_server`, return with a timeout of zero: a message that is there comes first and cancels it.
#[test]
fn an_idle_timeout_of_zero_yields_to_a_message_that_is_there() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        server.cast(tell(|probe, cx| {
            cx.addr().cast(Tell::Note("there"));
            probe.log.add("zero");
            Ok(Next::Timeout(Duration::ZERO))
        }));
        until(|| log.contains("there")).await;
        server.call(Ask::Get).await.unwrap();
        assert_eq!(log.all(), ["init", "zero", "there"]);
        server.cast(tell(|_, _| Ok(Next::Timeout(Duration::ZERO))));
        until(|| log.contains("timeout")).await;
    });
}

/// `gen_server:send_request/2` and `wait_response/2`: an answer that comes between two waits is
/// kept; one that was given out is not given again.
#[test]
fn a_request_may_be_waited_for_again_and_answers_once() {
    on_sim(|| async {
        let server = probe(&Log::new()).await;
        let mut request = server.send_request(|from| Ask::Slow(ms(50), from));
        assert_eq!(request.wait(ms(10)).await, None);
        assert_eq!(request.wait(Duration::ZERO).await, None);
        sleep(ms(100)).await;
        assert_eq!(request.wait(Duration::ZERO).await, Some(Ok(0)));
        assert_eq!(request.wait(ms(10)).await, None);
        let given_up: Request<i64> = server.send_request(|from| Ask::Slow(ms(50), from));
        assert_eq!(
            given_up.receive(ms(10)).await,
            Err(CallError::Timeout(ms(10)))
        );
    });
}

/// `gen_server:receive_response/3` on a collection: in the order of arrival, the dead and the
/// missing among them, each with its label, once.
#[test]
fn a_collection_gives_deaths_and_answers_as_they_come() {
    on_sim(|| async {
        let (slow, quick, doomed) = (
            probe(&Log::new()).await,
            probe(&Log::new()).await,
            probe(&Log::new()).await,
        );
        let mut requests = Requests::new();
        requests.add(slow.send_request(|from| Ask::Slow(ms(50), from)), "slow");
        requests.add(doomed.send_request(Ask::Hang), "doomed");
        requests.add(quick.send_request(|from| Ask::Slow(ms(10), from)), "quick");
        let nobody = Name::<Probe>::new("nobody");
        requests.add(nobody.send_request(Ask::Get), "nobody");
        let victim = doomed.pid();
        spawn(async move {
            sleep(ms(20)).await;
            exit(victim, ExitReason::Kill);
        });
        let mut got = Vec::new();
        while let Some((result, label)) = requests.next().await {
            got.push((label, result));
        }
        let expected = [
            ("nobody", Err(CallError::NoProc)),
            ("quick", Ok(0)),
            ("doomed", Err(CallError::Exited(ExitReason::Killed))),
            ("slow", Ok(0)),
        ];
        assert_eq!(got, expected);
        assert!(requests.is_empty());
    });
}

/// `gen_server:multi_call/4`: one time for all; the dead and the slow are named, and nothing comes
/// later.
#[test]
fn a_call_to_many_takes_no_longer_than_its_time_and_leaves_nothing() {
    on_sim(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let (good, slow) = (probe(&Log::new()).await, probe(&Log::new()).await);
            let dead = probe(&Log::new()).await;
            exit(dead.pid(), ExitReason::Kill);
            until(|| !dead.is_alive()).await;
            sys::suspend(slow.pid()).await.unwrap();
            let begun = rekindle_actor::now();
            let all = multi_call(
                [good.clone(), slow.clone(), dead.clone()],
                Ask::Get,
                ms(500),
            )
            .await;
            assert_eq!(rekindle_actor::now().saturating_since(begun), ms(500));
            assert_eq!(all.replies, [(good, 0)]);
            let failed = [
                (slow.clone(), CallError::Timeout(ms(500))),
                (dead, CallError::NoProc),
            ];
            assert_eq!(all.failed, failed);
            sys::resume(slow.pid()).await.unwrap();
            slow.call(Ask::Get).await.unwrap();
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `proc_lib:stop/3` by two at once: the first ends the server, and the second hears of an end that
/// was not the one it asked for.
#[test]
fn of_two_who_stop_a_server_with_different_reasons_one_is_obeyed() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        sys::suspend(server.pid()).await.unwrap();
        let reasons = [ExitReason::Shutdown, ExitReason::shutdown_with("mine")];
        let stops = reasons.clone().map(|reason| {
            let server = server.clone();
            Task::spawn(async move { server.stop().reason(reason).await })
        });
        let mut obeyed = 0;
        for stop in stops {
            match stop.await.unwrap() {
                Ok(()) => obeyed += 1,
                Err(rekindle_actor::StopError::Exited(other)) => assert!(reasons.contains(&other)),
                Err(rekindle_actor::StopError::NoProc) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(obeyed, 1);
    });
}

/// `gen_server:cast/2` and plain sends to whoever is not there any more: nothing happens to the
/// sender, whatever the handle.
#[test]
fn speaking_to_the_dead_is_silent_by_every_handle() {
    on_both(|| async {
        let server = Probe::start(Probe::plain(&Log::new(), 0))
            .name("late")
            .await
            .unwrap();
        let (name, plain) = (Name::<Probe>::new("late"), server.recipient::<u32>());
        let by_name = name.recipient::<u32>();
        exit(server.pid(), ExitReason::Kill);
        until(|| !server.is_alive()).await;
        server.cast(Tell::Add(1));
        server.send(1);
        name.cast(Tell::Add(1));
        plain.send(1);
        by_name.send(1);
        // On the pool, what holds its address may reach it for a moment after its pid is dead.
        until(|| server.try_cast(Tell::Add(1)).is_err()).await;
        assert!(by_name.try_send(1).is_err());
    });
}

/// `sys:suspend/1`: a suspended server hears nothing, and after `resume` everything in the order
/// in which it came, exits and downs among the rest.
#[test]
fn a_resumed_server_handles_what_waited_in_its_order() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::trapping(&log)).await.unwrap();
        sys::suspend(server.pid()).await.unwrap();
        sys::suspend(server.pid()).await.unwrap();
        server.cast(Tell::Note("one"));
        exit(server.pid(), oops("two"));
        server.send(3);
        assert_eq!(
            sys::with_state(server.pid(), |probe: &mut Probe| probe.n).await,
            Ok(0)
        );
        sys::resume(server.pid()).await.unwrap();
        server.call(Ask::Get).await.unwrap();
        assert_eq!(log.all(), ["init", "one", "exit two", "info 3"]);
    });
}

/// `sys:terminate/2` (`proc_lib:stop`) reaches a suspended server; what waited is not handled.
#[test]
fn a_suspended_server_can_be_stopped() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        sys::suspend(server.pid()).await.unwrap();
        server.cast(Tell::Note("never"));
        server.stop().await.unwrap();
        assert_eq!(log.all(), ["init", "terminate normal"]);
    });
}

/// RM: `kill` ends a server in the middle of its `terminate`, and the true reason is `killed`.
#[test]
fn a_kill_cuts_a_terminate_short() {
    struct Slow;
    impl GenServer for Slow {
        type Args = ();
        type Call = ReplyTo<()>;
        type Cast = ();
        type Info = rekindle_actor::Never;
        type Continue = rekindle_actor::Never;
        async fn init(
            _: (),
            _: &mut rekindle_actor::Context<Self>,
        ) -> Result<rekindle_actor::Init<Self>, ExitReason> {
            Ok(rekindle_actor::Init::Ready(Slow))
        }
        async fn handle_cast(
            &mut self,
            _: (),
            _: &mut rekindle_actor::Context<Self>,
        ) -> rekindle_actor::Step<Self> {
            Ok(Next::Stop(ExitReason::Normal))
        }
        async fn terminate(&mut self, _: &ExitReason, _: &mut rekindle_actor::Context<Self>) {
            rekindle_actor::set_label("ending");
            std::future::pending::<()>().await;
        }
    }
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let server = Slow::start(()).await.unwrap();
            let pid = server.pid();
            rekindle_actor::monitor(pid);
            server.cast(());
            until(|| rekindle_actor::info(pid).is_some_and(|info| info.label.is_some())).await;
            exit(pid, ExitReason::Kill);
            assert_eq!(expect_down(&mut own).await.reason, ExitReason::Killed);
        })
        .await;
    });
}

/// A caller that dies while it waits leaves the server alone, and its request is handled.
#[test]
fn the_death_of_a_caller_is_nothing_to_the_server() {
    on_sim(|| async {
        let server = probe(&Log::new()).await;
        let callee = server.clone();
        let caller = spawn(async move {
            let _ = callee.call(|from| Ask::Slow(ms(50), from)).await;
        });
        sleep(ms(10)).await;
        exit(caller, ExitReason::Kill);
        assert_eq!(server.call(|from| Ask::Add(1, from)).await, Ok(1));
    });
}

/// `receive` (RM): an answer is not a message: a selective receive that runs beside it is not
/// disturbed, nor are `Down`s swallowed by a call.
#[test]
fn a_call_leaves_downs_and_messages_where_they_are() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<u8>| async move {
            let server = probe(&Log::new()).await;
            let victim = mortal();
            let reference = rekindle_actor::monitor(victim.pid());
            let to = own.recipient();
            to.send(1);
            victim.send(oops("end"));
            to.send(2);
            until(|| own.len() == 3).await;
            assert_eq!(server.call(Ask::Get).await, Ok(0));
            let mut seen = Vec::new();
            for _ in 0..3 {
                match own.next().await {
                    Info::Message(n) => seen.push(n),
                    Info::Down(down) => {
                        assert_eq!((down.reference, down.reason), (reference, oops("end")));
                    }
                    _ => unreachable!(),
                }
            }
            assert_eq!(seen, [1, 2]);
            assert_eq!(self_pid(), own.pid());
        })
        .await;
    });
}
