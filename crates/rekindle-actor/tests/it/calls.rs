//! Calls: every way in which one can end.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use rekindle_actor::{
    Addr, CallError, ExitReason, Info, Mailbox, Next, Pid, ReplyTo, Runtime, Sender, Task,
    WaitKind, exit, info, monitor, now, self_pid, sleep, spawn, spawn_link, yield_now,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_late_reply_vanishes() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (server, drops) = (probe(&Log::new()).await, Drops::new());
            let held: ReplyTo<Counted>;
            let (send, receive) = std::sync::mpsc::channel();
            let late = server
                .call(|from: ReplyTo<Counted>| {
                    Ask::Run(Box::new(move |_, _| {
                        send.send(from).unwrap();
                        Ok(Next::Wait)
                    }))
                })
                .timeout(ms(5));
            assert_eq!(late.await.unwrap_err(), CallError::Timeout(ms(5)));
            held = receive.recv().unwrap();
            assert!(!held.is_awaited());
            held.reply(drops.counted());
            assert_eq!(drops.count(), 1, "an answer that nobody fetches is dropped");
            // The next call gets its own answer.
            assert_eq!(server.call(Ask::Get).await, Ok(0));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn a_dropped_reply_to_is_no_reply() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        assert_eq!(
            server.call(Ask::Forget).no_timeout().await,
            Err(CallError::NoReply)
        );
        assert_eq!(server.call(Ask::Get).await, Ok(0), "the server lives on");
    });
}

#[test]
fn a_reply_to_dropped_later_or_elsewhere_is_no_reply() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let server = probe(&Log::new()).await;
            for elsewhere in [false, true] {
                let (callee, me) = (server.clone(), inbox.recipient());
                spawn(async move { me.send(callee.call(Ask::Defer).no_timeout().await) });
                sleep(ms(2)).await;
                server.cast(tell(move |p, _| {
                    let owed = p.deferred.remove(0);
                    if elsewhere {
                        spawn(async move {
                            yield_now().await;
                            drop(owed);
                            std::future::pending::<()>().await;
                        });
                    }
                    Ok(Next::Wait)
                }));
                assert_eq!(inbox.recv().await, Err(CallError::NoReply));
            }
        })
    });
}

#[test]
fn a_reply_to_that_dies_with_another_process_is_no_reply() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let lost: Result<(), _> = server
            .call(ask(|_, _, from| {
                spawn(async move {
                    let _held: ReplyTo<()> = from;
                    panic!("with the answer")
                });
                Ok(Next::Wait)
            }))
            .no_timeout()
            .await;
        assert_eq!(lost, Err(CallError::NoReply));
        assert!(server.is_alive());
    });
}

#[test]
fn a_plain_process_that_drops_the_request_and_goes_on_tells_so_at_once() {
    on_both(|| async {
        let forgetful = spawn(|mut inbox: Mailbox<ReplyTo<()>>| async move {
            drop(inbox.recv().await);
            std::future::pending::<()>().await;
        });
        let outcome = forgetful.call(|from| from).no_timeout().await;
        assert_eq!(outcome, Err(CallError::NoReply));
    });
}

#[test]
fn another_process_may_answer() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        let me = self_pid();
        let answer = server.call(ask(move |_, _, from: ReplyTo<Pid>| {
            assert_eq!(from.caller(), Some(me));
            assert!(from.is_awaited());
            spawn(async move {
                sleep(ms(1)).await;
                from.reply(self_pid());
            });
            Ok(Next::Wait)
        }));
        assert_ne!(answer.await, Ok(server.pid()));
    });
}

#[test]
fn an_answer_survives_the_death_of_the_server_that_passed_the_request_on() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            // OTP's rule: the callee died, so the call fails with its reason, whoever has the
            // handle now.
            let server = probe(&Log::new()).await;
            let (send, receive) = std::sync::mpsc::channel();
            monitor(server.pid());
            let callee = server.clone();
            let task = Task::spawn_nolink(async move {
                callee
                    .call(ask(move |_, _, from: ReplyTo<u8>| {
                        send.send(from).unwrap();
                        Ok(Next::Wait)
                    }))
                    .no_timeout()
                    .await
            });
            sleep(ms(2)).await;
            server.exit(oops("passed on"));
            expect_down(&mut inbox).await;
            receive.recv().unwrap().reply(1);
            let outcome = task.await.unwrap();
            assert_eq!(outcome, Err(CallError::Exited(oops("passed on"))));
        })
    });
}

#[test]
fn a_server_that_dies_owing_answers_tells_its_true_reason() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            type Cause = fn(&Addr<Probe>);
            let causes: [(Cause, ExitReason); 4] = [
                (|s| s.exit(oops("signal")), oops("signal")),
                (|s| s.exit(ExitReason::Kill), ExitReason::Killed),
                (|s| s.cast(tell(|_, _| Err(oops("error")))), oops("error")),
                (
                    |s| s.cast(tell(|_, _| Ok(Next::Stop(ExitReason::Normal)))),
                    ExitReason::Normal,
                ),
            ];
            for (cause, reason) in causes {
                let server = probe(&Log::new()).await;
                for _ in 0..3 {
                    let (callee, me) = (server.clone(), inbox.recipient());
                    let caller =
                        spawn(async move { me.send(callee.call(Ask::Defer).no_timeout().await) });
                    let waits =
                        || rekindle_actor::info(caller).is_some_and(|info| info.waits.is_some());
                    until(waits).await;
                }
                sleep(ms(2)).await;
                cause(&server);
                for _ in 0..3 {
                    let lost = inbox.recv().await;
                    assert_eq!(lost, Err(CallError::Exited(reason.clone())));
                }
            }
        })
    });
}

#[test]
fn a_server_that_panics_owing_answers_tells_the_panic() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<i64, CallError>>| async move {
            let server = probe(&Log::new()).await;
            let (callee, me) = (server.clone(), inbox.recipient());
            spawn(async move { me.send(callee.call(Ask::Defer).no_timeout().await) });
            sleep(ms(2)).await;
            server.cast(tell(|p, _| {
                // On the stack while it unwinds.
                let _owed = p.deferred.remove(0);
                panic!("owing")
            }));
            match inbox.recv().await.unwrap_err() {
                CallError::Exited(ExitReason::Panic(panic)) => assert_eq!(panic.message, "owing"),
                other => panic!("{other:?}"),
            }
        })
    });
}

#[test]
fn a_plain_process_that_panics_over_a_request_tells_the_panic() {
    on_both(|| async {
        let fragile = spawn(|mut inbox: Mailbox<ReplyTo<()>>| async move {
            let _from = inbox.recv().await;
            panic!("over a request")
        });
        match fragile.call(|from| from).await.unwrap_err() {
            CallError::Exited(ExitReason::Panic(panic)) => {
                assert_eq!(panic.message, "over a request");
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_request_that_is_never_read_fails_with_the_reason() {
    on_both(|| async {
        let deaf = spawn(|mut inbox: Mailbox<ReplyTo<()>>| async move {
            let _never = inbox.recv_match(|_| false).await;
        });
        let killer = deaf.clone();
        spawn(async move {
            sleep(ms(2)).await;
            killer.exit(oops("unread"));
        });
        let outcome = deaf.call(|from| from).no_timeout().await;
        assert_eq!(outcome, Err(CallError::Exited(oops("unread"))));
    });
}

/// A process that, told whom to call, calls and tells what came of it.
enum Order {
    Call(Vec<Sender<Order>>, ReplyTo<Outcome>),
}
type Outcome = Result<Box<Reached>, CallError>;
#[derive(Debug, PartialEq)]
enum Reached {
    End(Pid),
    Next(Outcome),
}

fn relay() -> Sender<Order> {
    spawn(|mut inbox: Mailbox<Order>| async move {
        for _ in 0..usize::MAX {
            let Order::Call(mut route, from) = inbox.recv().await;
            if route.is_empty() {
                from.reply(Ok(Box::new(Reached::End(self_pid()))));
                continue;
            }
            let next = route.remove(0);
            let outcome = next
                .call(|from| Order::Call(route, from))
                .no_timeout()
                .await;
            from.reply(Ok(Box::new(Reached::Next(outcome.unwrap_or_else(Err)))));
        }
    })
}

fn innermost(mut outcome: Outcome) -> Result<Pid, CallError> {
    loop {
        match *outcome? {
            Reached::End(pid) => return Ok(pid),
            Reached::Next(next) => outcome = next,
        }
    }
}

async fn route(first: &Sender<Order>, rest: Vec<Sender<Order>>) -> Result<Pid, CallError> {
    innermost(
        first
            .call(|from| Order::Call(rest, from))
            .no_timeout()
            .await
            .unwrap_or_else(Err),
    )
}

#[test]
fn a_ring_of_calls_is_refused_instead_of_hanging() {
    on_both(|| async {
        let (a, b, c) = (relay(), relay(), relay());
        assert_eq!(route(&a, vec![b.clone(), c.clone()]).await, Ok(c.pid()));
        // Of one.
        assert_eq!(
            route(&a, vec![a.clone()]).await,
            Err(CallError::Cycle(vec![a.pid()]))
        );
        // Of two: `b` is the one that would close it.
        let ring = CallError::Cycle(vec![b.pid(), a.pid()]);
        assert_eq!(route(&a, vec![b.clone(), a.clone()]).await, Err(ring));
        // Of three.
        let ring = CallError::Cycle(vec![c.pid(), a.pid(), b.pid()]);
        let outcome = route(&a, vec![b.clone(), c.clone(), a.clone()]).await;
        assert_eq!(outcome, Err(ring.clone()));
        assert!(ring.to_string().contains("ring"));
        // All of them still work.
        assert_eq!(route(&c, vec![b.clone(), a.clone()]).await, Ok(a.pid()));
        assert_eq!(info(a.pid()).unwrap().calls, None);
    });
}

#[test]
fn two_that_call_each_other_at_once_do_not_hang() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<Pid, CallError>>| async move {
            for _ in 0..30 {
                let (a, b) = (relay(), relay());
                for (first, second) in [(a.clone(), b.clone()), (b.clone(), a.clone())] {
                    let me = inbox.recipient();
                    spawn(async move { me.send(route(&first, vec![second]).await) });
                }
                for _ in 0..2 {
                    match inbox.recv().await {
                        Ok(pid) => assert!([a.pid(), b.pid()].contains(&pid)),
                        Err(CallError::Cycle(ring)) => assert_eq!(ring.len(), 2),
                        other => panic!("{other:?}"),
                    }
                }
            }
        })
    });
}

#[test]
fn many_that_call_around_a_table_do_not_hang() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<Pid, CallError>>| async move {
            let table: Vec<_> = (0..8).map(|_| relay()).collect();
            for n in 0..8 {
                let rest: Vec<_> = (1..8).map(|k| table[(n + k) % 8].clone()).collect();
                let (first, me) = (table[n].clone(), inbox.recipient());
                spawn(async move { me.send(route(&first, rest).await) });
            }
            for _ in 0..8 {
                match inbox.recv().await {
                    Ok(_) | Err(CallError::Cycle(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        })
    });
}

#[test]
fn a_callee_may_call_back_once_it_has_put_the_request_off() {
    on_both(|| async {
        // It keeps the `ReplyTo` and takes the next message: no ring any more, though the caller
        // waits. It is refused no call, and is answered when the caller has given up.
        type Back = Option<Sender<ReplyTo<u8>>>;
        let polite = spawn(|mut inbox: Mailbox<(Back, ReplyTo<u8>)>| async move {
            let (_, first) = inbox.recv().await;
            let (back, second) = inbox.recv().await;
            let answer = back.unwrap().call(|from| from).no_timeout().await;
            drop(first);
            second.reply(answer.unwrap());
        });
        let to_polite = polite.clone();
        let server = spawn(|mut inbox: Mailbox<ReplyTo<u8>>| async move {
            let late = to_polite.call(|from| (None, from)).timeout(ms(20)).await;
            assert_eq!(late, Err(CallError::Timeout(ms(20))));
            inbox.recv().await.reply(5);
        });
        // It has the first request, and waits for the second.
        until(|| info(server.pid()).unwrap().waits.is_some()).await;
        sleep(ms(1)).await;
        let outcome = polite.call(|from| (Some(server), from)).no_timeout().await;
        assert_eq!(outcome, Ok(5));
    });
}

/// Who has its answer waits no more, though it has not had a turn since.
#[test]
fn a_callee_may_call_back_once_it_has_answered() {
    enum Word {
        Begin(Sender<(Sender<Word>, ReplyTo<u8>)>, Sender<Word>),
        Back(ReplyTo<u8>),
    }
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<u8, CallError>>| async move {
            let me = inbox.recipient();
            let hasty = spawn(
                |mut inbox: Mailbox<(Sender<Word>, ReplyTo<u8>)>| async move {
                    let (back, from) = inbox.recv().await;
                    from.reply(1);
                    me.send(back.call(Word::Back).no_timeout().await);
                },
            );
            let server = spawn(|mut inbox: Mailbox<Word>| async move {
                let Word::Begin(hasty, own) = inbox.recv().await else {
                    panic!("this comes first");
                };
                assert_eq!(hasty.call(|from| (own, from)).no_timeout().await, Ok(1));
                let Word::Back(from) = inbox.recv().await else {
                    panic!("this comes then");
                };
                from.reply(5);
            });
            server.send(Word::Begin(hasty, server.clone()));
            assert_eq!(inbox.recv().await, Ok(5));
        })
    });
}

/// Whoever makes the message may use the right to answer, or drop it, before the call is polled.
#[test]
fn an_answer_may_come_before_the_call_is_made() {
    on_both(|| {
        with_inbox(|_: Mailbox<()>| async move {
            let server = spawn(|mut inbox: Mailbox<()>| async move {
                for _ in 0..2 {
                    inbox.recv().await;
                }
            });
            let helper = spawn(|mut inbox: Mailbox<ReplyTo<u8>>| async move {
                inbox.recv().await.reply(7);
            });
            let answered = server.call(|from| helper.send(from)).no_timeout();
            let forgotten = server.call(|from: ReplyTo<u8>| drop(from)).no_timeout();
            until(|| !helper.is_alive()).await;
            for _ in 0..5 {
                yield_now().await;
            }
            assert_eq!(answered.await, Ok(7));
            assert_eq!(forgotten.await, Err(CallError::NoReply));
        })
    });
}

#[test]
fn a_call_that_is_dropped_is_given_up() {
    on_both(|| async {
        let server = probe(&Log::new()).await;
        {
            let mut call = std::pin::pin!(server.call(Ask::Defer).no_timeout());
            std::future::poll_fn(|cx| {
                assert!(call.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        }
        let awaited = server.call(ask(|p, _, from| {
            from.reply(p.deferred[0].is_awaited());
            Ok(Next::Wait)
        }));
        assert_eq!(awaited.await, Ok(false));
        assert_eq!(info(self_pid()).unwrap().calls, None);
        // Never polled, it is never sent.
        let log = Log::new();
        let other = probe(&log).await;
        drop(other.call(|from| Ask::Add(1, from)));
        assert_eq!(other.call(Ask::Get).await, Ok(0));
    });
}

#[test]
fn a_call_from_a_thread_that_is_no_process() {
    within_patience("outside", || {
        let runtime = pool(2);
        let server = runtime.block_on(async { probe(&Log::new()).await });
        let _entered = runtime.handle().enter();
        for n in 1..=100 {
            let answer = rekindle_scheduler::block_on(server.call(|from| Ask::Add(1, from)));
            assert_eq!(answer, Ok(n));
        }
        let caller = rekindle_scheduler::block_on(server.call(ask(|_, _, from| {
            let caller = from.caller();
            from.reply(caller);
            Ok(Next::Wait)
        })));
        assert_eq!(caller, Ok(None));
        let late = rekindle_scheduler::block_on(server.call(Ask::Defer).timeout(ms(10)));
        assert_eq!(late, Err(CallError::Timeout(ms(10))));
        let lost = rekindle_scheduler::block_on(server.call(Ask::Forget).no_timeout());
        assert_eq!(lost, Err(CallError::NoReply));
        let stopped = rekindle_scheduler::block_on(server.stop().into_future());
        assert_eq!(stopped, Ok(()));
        let dead = rekindle_scheduler::block_on(server.call(Ask::Get));
        assert_eq!(dead, Err(CallError::NoProc));
    });
}

#[test]
fn a_call_from_a_thread_that_has_entered_no_runtime() {
    within_patience("outside", || {
        let runtime = pool(1);
        let server = runtime.block_on(async { probe(&Log::new()).await });
        assert_eq!(rekindle_scheduler::block_on(server.call(Ask::Get)), Ok(0));
        let late = rekindle_scheduler::block_on(server.call(Ask::Defer).timeout(ms(10)));
        assert_eq!(late, Err(CallError::Timeout(ms(10))));
    });
}

#[test]
fn a_call_into_another_runtime() {
    within_patience("two runtimes", || {
        let (one, two) = (pool(1), pool(1));
        let server = one.block_on(async { probe(&Log::new()).await });
        two.block_on(async move {
            for n in 1..=50 {
                assert_eq!(server.call(|from| Ask::Add(1, from)).await, Ok(n));
            }
            let waits = info(self_pid()).unwrap().waits;
            assert!(waits.is_none(), "that wait is over: {waits:?}");
            monitor(server.pid());
            let lost = server.call(ask(|_, _, _: ReplyTo<()>| Err(oops("over there"))));
            assert_eq!(lost.await, Err(CallError::Exited(oops("over there"))));
        });
    });
}

/// What a process that receives requests says of who sent the last one: when it comes, when it is answered, and
/// when another receive has begun; and what its mailbox says elsewhere.
async fn told_of_callers(told: Log) {
    let told_elsewhere = told.clone();
    let server = spawn(move |mut inbox: Mailbox<ReplyTo<Pid>>| async move {
        let me = inbox.pid();
        for _ in 0..2 {
            let from = inbox.recv().await;
            let before = inbox.caller();
            from.reply(me);
            told.add(format!("{}", before.is_some() && inbox.caller() == before));
        }
        assert_eq!(inbox.recv_timeout(ms(1)).await.map(|_| ()), None);
        told.add(format!("{:?}", inbox.caller()));
        let elsewhere = Task::spawn(async move { inbox.caller() });
        told.add(format!("{:?}", elsewhere.await.unwrap()));
    });
    for _ in 0..2 {
        assert_eq!(server.call(|from| from).await, Ok(server.pid()));
    }
    while told_elsewhere.all().len() < 4 {
        sleep(ms(1)).await;
    }
}

#[test]
fn a_mailbox_tells_who_asked_until_the_next_receive() {
    on_both(|| async {
        let told = Log::new();
        told_of_callers(told.clone()).await;
        assert_eq!(told.all(), ["true", "true", "None", "None"]);
    });
}

#[test]
fn a_mailbox_tells_who_asked_from_another_runtime() {
    within_patience("two runtimes", || {
        let (one, two) = (pool(1), pool(1));
        let seen = Log::new();
        let note = seen.clone();
        let server = one.block_on(async move {
            spawn(move |mut inbox: Mailbox<ReplyTo<()>>| async move {
                let from = inbox.recv().await;
                let before = inbox.caller();
                from.reply(());
                note.add(format!("{before:?} {:?}", inbox.caller()));
                inbox.recv().await.reply(());
            })
        });
        let me = two.block_on(async move {
            for _ in 0..2 {
                assert_eq!(server.call(|from| from).await, Ok(()));
            }
            self_pid()
        });
        assert_eq!(seen.all(), [format!("Some({me}) Some({me})")]);
    });
}

/// Clocks of two runtimes have nothing to do with each other.
#[test]
fn a_deadline_goes_by_the_clock_of_ones_own_runtime_whatever_is_entered() {
    quiet();
    let other = Runtime::simulated(1);
    let entered = other.handle().clone();
    let ran = Runtime::simulated(2).run(async move {
        sleep(Duration::from_secs(3600)).await;
        let server = spawn(|mut inbox: Mailbox<ReplyTo<u8>>| async move {
            let from = inbox.recv().await;
            sleep(ms(500)).await;
            from.reply(7);
            sleep(Duration::from_secs(3600)).await;
        });
        for expected in [Ok(7), Err(CallError::Timeout(ms(1000)))] {
            let mut call = Box::pin(server.call(|from| from).timeout(ms(1000)));
            poll_fn(|cx| {
                let _entered = entered.enter();
                assert!(call.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            let begun = now();
            assert_eq!(call.await, expected);
            let waited = if expected.is_ok() { 500 } else { 1000 };
            assert_eq!(now().saturating_since(begun).as_millis(), waited);
        }
    });
    assert!(ran.is_ok(), "{ran:?}");
}

/// Whoever polls a call by hand may still change its mind: with a waker of its own the wait has a timer, and
/// with the process's it has the alarm.
#[test]
fn another_limit_begins_the_wait_anew() {
    for by_hand in [true, false] {
        let runtime = Runtime::simulated(1);
        runtime.block_on(async move {
            let deaf = spawn(|mut inbox: Mailbox<ReplyTo<()>>| async move {
                let _held = inbox.recv().await;
                sleep(ms(60_000)).await;
            });
            let mut call = deaf.call(|from| from).timeout(ms(10));
            poll_fn(|cx| {
                let mut other = std::task::Context::from_waker(std::task::Waker::noop());
                let cx = if by_hand { &mut other } else { cx };
                assert!(Pin::new(&mut call).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            sleep(ms(4)).await;
            let before = now();
            let outcome = call.timeout(ms(8)).await;
            assert_eq!(outcome, Err(CallError::Timeout(ms(8))));
            assert_eq!(now() - before, ms(8));
        });
    }
}

#[test]
fn a_killed_caller_leaves_the_server_alone() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let server = probe(&Log::new()).await;
            let callee = server.clone();
            let caller = spawn(async move {
                let _ = callee.call(Ask::Defer).no_timeout().await;
            });
            until(|| info(server.pid()).is_some_and(|i| i.mailbox == 0)).await;
            sleep(ms(1)).await;
            monitor(caller);
            exit(caller, ExitReason::Kill);
            expect_down(&mut inbox).await;
            server.cast(tell(|p, _| {
                p.deferred.remove(0).reply(1);
                Ok(Next::Wait)
            }));
            assert_eq!(server.call(Ask::Get).await, Ok(0));
        })
    });
}

/// Calls, timeouts, kills and restarts at random: each call ends, and never with another's answer.
#[test]
fn calls_under_random_kills_end_with_their_own_answer_or_an_error() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for round in 0..10_u64 {
                let echo = spawn(|mut inbox: Mailbox<(u64, ReplyTo<u64>)>| async move {
                    let mut kept = Vec::new();
                    for _ in 0..usize::MAX {
                        let (n, from) = inbox.recv().await;
                        match n % 5 {
                            0 => kept.push((n, from)),
                            1 => drop(from),
                            _ => from.reply(n),
                        }
                        if n % 7 == 0 {
                            kept.drain(..).for_each(|(n, from)| from.reply(n));
                        }
                    }
                });
                for client in 0..6_u64 {
                    let (echo, me) = (echo.clone(), inbox.recipient());
                    spawn_link(async move {
                        for k in 0..20 {
                            let n = round * 10_000 + client * 100 + k;
                            match echo.call(|from| (n, from)).timeout(ms(3)).await {
                                Ok(answer) => assert_eq!(answer, n),
                                Err(CallError::NoProc | CallError::Exited(_)) => break,
                                Err(CallError::Timeout(_)) => {}
                                Err(CallError::NoReply) => assert_eq!(n % 5, 1),
                                Err(other) => panic!("{other:?}"),
                            }
                        }
                        me.send(());
                    });
                }
                for _ in 0..round * 3 {
                    yield_now().await;
                }
                if round % 2 == 0 {
                    echo.exit(ExitReason::Kill);
                }
                for _ in 0..6 {
                    match inbox.next().await {
                        Info::Message(()) => {}
                        other => panic!("{other:?}"),
                    }
                }
                echo.exit(ExitReason::Kill);
            }
        })
    });
}

/// A request whose handler keeps its thread until it is told to go on, and then answers.
fn blocking(told: std::sync::mpsc::Receiver<()>) -> impl FnOnce(ReplyTo<()>) -> Ask {
    move |from| {
        Ask::Run(Box::new(move |_, _| {
            told.recv().expect("the test goes on");
            from.reply(());
            Ok(Next::Wait)
        }))
    }
}

#[test]
fn the_caller_of_a_server_that_blocks_its_thread_times_out() {
    // The caller is held while the server has its turn. If it stayed so, this would hang: the
    // server goes on only when the caller has given up.
    on_pool(|| async {
        let server = probe(&Log::new()).await;
        let (go_on, told) = std::sync::mpsc::channel();
        let call = server.call(blocking(told)).timeout(ms(20));
        assert_eq!(call.await, Err(CallError::Timeout(ms(20))));
        go_on.send(()).expect("the server waits for this");
        assert_eq!(server.call(Ask::Get).await, Ok(0), "the server lives on");
    });
}

#[test]
fn the_caller_of_a_server_that_blocks_its_thread_can_be_killed() {
    on_pool(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let server = probe(&Log::new()).await;
            let (go_on, told) = std::sync::mpsc::channel();
            let callee = server.clone();
            let caller = spawn(async move {
                let _ = callee.call(blocking(told)).no_timeout().await;
            });
            let watch = monitor(caller);
            let is_calling = |caller| {
                let wait = info(caller).and_then(|info| info.waits);
                wait.is_some_and(|wait| wait.kind == WaitKind::Call)
            };
            while !is_calling(caller) {
                yield_now().await;
            }
            exit(caller, ExitReason::Kill);
            let Info::Down(down) = inbox.next().await else {
                panic!("the caller is killed")
            };
            assert_eq!((down.reference, down.reason), (watch, ExitReason::Killed));
            go_on.send(()).expect("the server waits for this");
            assert_eq!(server.call(Ask::Get).await, Ok(0), "the server lives on");
        })
    });
}

#[test]
fn callers_and_callees_in_a_chain_get_their_answers() {
    // Each link calls the next; only one caller at a time can be held.
    on_both(|| async {
        let mut last: Option<Sender<ReplyTo<u32>>> = None;
        for _ in 0..10 {
            let next = last.take();
            last = Some(spawn(move |mut inbox: Mailbox<ReplyTo<u32>>| async move {
                loop {
                    let from = inbox.recv().await;
                    let below = match &next {
                        Some(next) => next.call(|from| from).await.expect("an answer"),
                        None => 0,
                    };
                    from.reply(below + 1);
                }
            }));
        }
        let first = last.expect("ten links");
        for _ in 0..100 {
            assert_eq!(first.call(|from| from).await, Ok(10));
        }
    });
}

#[test]
fn a_held_caller_hears_of_messages_as_well_as_of_its_answer() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let me = inbox.recipient();
            let echo = spawn(move |mut inbox: Mailbox<(u32, ReplyTo<u32>)>| async move {
                loop {
                    let (n, from) = inbox.recv().await;
                    // The same process, while it is held: first a message, then the answer.
                    me.send(n);
                    from.reply(n);
                }
            });
            for n in 0..200 {
                assert_eq!(echo.call(|from| (n, from)).await, Ok(n));
                assert_eq!(inbox.recv().await, n);
            }
        })
    });
}
