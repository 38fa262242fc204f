//! GEN: requests that are not waited for at once, collections of them, calls to many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekindle_actor::{
    Addr, CallError, ExitReason, GenServer, Info, Mailbox, Name, Next, NoAnswer, Overflow, Request,
    Requests, Task, abcast, exit, info, multi_call, self_pid, sleep, spawn, sys, whereis,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A probe that has the number `n`.
async fn numbered(n: i64) -> Addr<Probe> {
    Probe::start(Probe::plain(&Log::new(), n)).await.unwrap()
}

/// A request that is answered after a time.
fn slow(server: &Addr<Probe>, time: Duration) -> Request<i64> {
    server.send_request(move |from| Ask::Slow(time, from))
}

/// A pid that has been.
async fn dead() -> Addr<Probe> {
    let server = numbered(0).await;
    server.stop().await.unwrap();
    server
}

#[test]
fn gen_045_a_multi_call_gives_the_replies_and_who_failed() {
    on_both(|| async {
        let (one, two) = (numbered(1).await, numbered(2).await);
        let late = numbered(3).await;
        sys::suspend(&late).await.unwrap();
        let gone = dead().await;
        let servers = [&gone, &one, &late, &two];
        let all = multi_call(servers, Ask::Get, ms(20)).await;
        assert_eq!(all.replies, [(&one, 1), (&two, 2)]);
        assert_eq!(
            all.failed,
            [
                (&gone, CallError::NoProc),
                (&late, CallError::Timeout(ms(20)))
            ]
        );
        let nobody = multi_call(Vec::<Addr<Probe>>::new(), Ask::Get, ms(20)).await;
        assert!(nobody.replies.is_empty() && nobody.failed.is_empty());
    });
}

#[test]
fn gen_045_a_multi_call_to_names_and_to_one_that_dies_meanwhile() {
    on_both(|| async {
        let one = Probe::start(Probe::plain(&Log::new(), 1)).name("one").await;
        let two = Probe::start(Probe::plain(&Log::new(), 2)).name("two").await;
        let (one, two) = (one.unwrap(), two.unwrap());
        sys::suspend(&two).await.unwrap();
        let victim = two.pid();
        spawn(async move {
            sleep(ms(2)).await;
            exit(victim, oops("meanwhile"));
        });
        let names = ["one", "two", "nobody"].map(Name::<Probe>::from);
        let all = multi_call(&names, Ask::Get, Duration::from_secs(60)).await;
        assert_eq!(all.replies.len(), 1);
        assert_eq!((all.replies[0].0.as_str(), all.replies[0].1), ("one", 1));
        let failed: Vec<_> = all.failed.iter().map(|(n, e)| (n.as_str(), e)).collect();
        assert_eq!(
            failed,
            [
                ("two", &CallError::Exited(oops("meanwhile"))),
                ("nobody", &CallError::NoProc)
            ]
        );
        assert!(one.is_alive());
    });
}

#[test]
fn gen_046_late_answers_of_a_multi_call_reach_nobody() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<i64>| async move {
            let servers = [numbered(1).await, numbered(2).await];
            for server in &servers {
                sys::suspend(server).await.unwrap();
            }
            let all = multi_call(&servers, Ask::Get, ms(3)).await;
            assert_eq!(all.failed.len(), 2);
            for server in &servers {
                sys::resume(server).await.unwrap();
                // The late request was handled before this one, and its answer is nobody's.
                assert_eq!(
                    server.call(|from| Ask::Add(10, from)).await.unwrap() % 10,
                    { server.call(Ask::Get).await.unwrap() % 10 }
                );
            }
            assert!(inbox.is_empty());
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn gen_047_a_request_is_waited_for_later_and_often() {
    on_both(|| async {
        let server = numbered(7).await;
        let mut request = slow(&server, ms(5));
        assert_eq!(request.callee(), Some(server.pid()));
        assert_eq!(request.check(), None);
        let mut looks = 0;
        let answer = loop {
            match request.wait(Duration::ZERO).await {
                Some(answer) => break answer,
                None => sleep(ms(1)).await,
            }
            looks += 1;
        };
        assert_eq!(answer, Ok(7));
        assert!(looks > 0, "it was not there at once");
        // It is given once.
        assert_eq!(request.wait(ms(1)).await, None);
        assert_eq!(request.check(), None);
        assert_eq!(request.await, Err(CallError::NoReply));
        assert_eq!(server.send_request(Ask::Get).await, Ok(7));
    });
}

#[test]
fn gen_047_a_request_is_on_its_way_at_once() {
    on_both(|| async {
        let server = numbered(0).await;
        let request = server.send_request(|from| Ask::Add(1, from));
        server.cast(Tell::Add(10));
        // In the order sent, although nobody has waited yet.
        assert_eq!(server.call(Ask::Get).await, Ok(11));
        assert_eq!(request.await, Ok(1));
    });
}

#[test]
fn gen_048_a_request_to_the_dead_fails_when_it_is_waited_for() {
    on_both(|| async {
        let gone = dead().await;
        let mut request = gone.send_request(Ask::Get);
        assert_eq!(request.wait(ms(1)).await, Some(Err(CallError::NoProc)));
        let nobody = Name::<Probe>::new("nobody").send_request(Ask::Get);
        assert_eq!(nobody.callee(), None);
        assert_eq!(nobody.await, Err(CallError::NoProc));
        let mortal = numbered(1).await;
        let request = mortal.send_request(Ask::Hang);
        exit(mortal.pid(), oops("meanwhile"));
        assert_eq!(
            request.receive(Duration::from_secs(60)).await,
            Err(CallError::Exited(oops("meanwhile")))
        );
        let forgetful = numbered(1).await;
        let request = forgetful.send_request(Ask::Forget);
        assert_eq!(request.await, Err(CallError::NoReply));
        let clean = numbered(1).await;
        let request = clean.send_request(Ask::Defer);
        clean.stop().await.unwrap();
        assert_eq!(request.await, Err(CallError::Exited(ExitReason::Normal)));
    });
}

#[test]
fn gen_048_a_full_mailbox_is_told_when_it_is_waited_for() {
    on_both(|| async {
        let policy = rekindle_actor::MailboxPolicy::bounded(1).when_full(Overflow::Fail);
        let server = Probe::start(Probe::plain(&Log::new(), 0))
            .mailbox(policy)
            .await
            .unwrap();
        sys::suspend(&server).await.unwrap();
        let first = server.send_request(Ask::Get);
        let second = server.send_request(Ask::Get);
        assert_eq!(second.await, Err(CallError::Full));
        sys::resume(&server).await.unwrap();
        assert_eq!(first.await, Ok(0));
    });
}

#[test]
fn gen_049_wait_keeps_a_request_and_receive_abandons_it() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<i64>| async move {
            let server = numbered(5).await;
            sys::suspend(&server).await.unwrap();
            let mut kept = server.send_request(Ask::Get);
            assert_eq!(kept.wait(ms(2)).await, None);
            assert_eq!(kept.wait(ms(2)).await, None);
            let (tell, told) = (Log::new(), Drops::new());
            let (seen, held) = (tell.clone(), told.counted());
            let given_up =
                server.send_request(ask(move |_, _, from: rekindle_actor::ReplyTo<Counted>| {
                    seen.add(format!("awaited: {}", from.is_awaited()));
                    from.reply(held);
                    Ok(Next::Wait)
                }));
            let outcome = given_up.receive(ms(2)).await;
            assert!(matches!(outcome, Err(CallError::Timeout(limit)) if limit == ms(2)));
            sys::resume(&server).await.unwrap();
            assert_eq!(kept.wait(Duration::from_secs(60)).await, Some(Ok(5)));
            assert_eq!(server.call(Ask::Get).await, Ok(5));
            assert_eq!(tell.all(), ["awaited: false"]);
            assert_eq!(told.count(), 1, "the late answer was thrown away");
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn gen_050_a_collection_gives_answers_in_the_order_of_their_arrival() {
    on_both(|| async {
        let mut requests = Requests::new();
        assert_eq!(requests.wait(ms(1)).await, Err(NoAnswer::NoRequest));
        assert_eq!(requests.receive(ms(1)).await, Err(NoAnswer::NoRequest));
        assert_eq!(requests.next().await, None);
        assert_eq!(requests.check(), None);
        let servers = [numbered(0).await, numbered(1).await, numbered(2).await];
        for (n, server) in servers.iter().enumerate() {
            sys::suspend(server).await.unwrap();
            requests.add(server.send_request(Ask::Get), format!("label {n}"));
        }
        assert_eq!(requests.len(), 3);
        assert_eq!(requests.wait(ms(1)).await, Err(NoAnswer::Timeout(ms(1))));
        assert_eq!(requests.len(), 3, "wait keeps them");
        for (left, n) in [(2, 1), (1, 2), (0, 0)] {
            sys::resume(&servers[n]).await.unwrap();
            let got = requests.wait(Duration::from_secs(60)).await.unwrap();
            assert_eq!(got, (Ok(n as i64), format!("label {n}")));
            assert_eq!(requests.len(), left);
        }
        assert!(requests.is_empty());
    });
}

#[test]
fn gen_050_answers_that_were_there_before_come_in_their_order() {
    on_both(|| async {
        let servers = [numbered(0).await, numbered(1).await, numbered(2).await];
        let mut requests = Requests::new();
        for (n, server) in servers.iter().enumerate() {
            requests.add(server.send_request(Ask::Defer), n);
        }
        for n in [2, 0, 1] {
            let answered = servers[n].call(ask(move |probe, _, from| {
                if let Some(deferred) = probe.deferred.pop() {
                    deferred.reply(probe.n);
                }
                from.reply(());
                Ok(Next::Wait)
            }));
            answered.await.unwrap();
        }
        // One that fails when it is added comes after those that were there.
        requests.add(dead().await.send_request(Ask::Get), 3);
        assert_eq!(requests.labels().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        let mut order = Vec::new();
        while let Some((answer, label)) = requests.check() {
            order.push((label, answer));
        }
        assert_eq!(
            order,
            [
                (2, Ok(2)),
                (0, Ok(0)),
                (1, Ok(1)),
                (3, Err(CallError::NoProc))
            ]
        );
    });
}

#[test]
fn gen_050_receive_abandons_all_after_its_time() {
    on_both(|| async {
        let mut requests = Requests::new();
        let drops = Drops::new();
        for n in 0..3 {
            let server = numbered(n).await;
            sys::suspend(&server).await.unwrap();
            requests.add(server.send_request(Ask::Get), drops.counted());
        }
        let outcome = requests.receive(ms(2)).await;
        assert!(matches!(outcome, Err(NoAnswer::Timeout(_))));
        assert!(requests.is_empty());
        assert_eq!(drops.count(), 3);
        let outcome = requests.receive(ms(2)).await;
        assert!(matches!(outcome, Err(NoAnswer::NoRequest)));
    });
}

#[test]
fn gen_050_a_collection_of_many_with_all_kinds_of_ends() {
    on_both(|| async {
        const MANY: usize = 300;
        let mut requests = Requests::new();
        for n in 0..MANY {
            let server = numbered(n as i64).await;
            let request = match n % 4 {
                0 => server.send_request(Ask::Get),
                1 => slow(&server, ms(n as u64 % 7)),
                2 => server.send_request(Ask::Forget),
                _ => {
                    let request = server.send_request(Ask::Hang);
                    exit(server.pid(), oops("ended"));
                    request
                }
            };
            requests.add(request, n);
        }
        let mut seen = vec![false; MANY];
        while let Some((answer, n)) = requests.next().await {
            assert!(!std::mem::replace(&mut seen[n], true), "{n} came twice");
            match n % 4 {
                0 | 1 => assert_eq!(answer, Ok(n as i64)),
                2 => assert_eq!(answer, Err(CallError::NoReply)),
                _ => assert_eq!(answer, Err(CallError::Exited(oops("ended")))),
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    });
}

#[test]
fn gen_051_abcast_casts_to_each_and_never_fails() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let log = Log::new();
            let one = Probe::start(Probe::plain(&log, 0)).name("one").await;
            let two = Probe::start(Probe::plain(&log, 0)).name("two").await;
            abcast(["one", "nobody", "two"].map(NamedOnce), 5u32);
            for server in [one.unwrap(), two.unwrap()] {
                assert_eq!(server.call(Ask::Get).await, Ok(5));
            }
            // Plain processes as well.
            let me = inbox.recipient();
            let echo = spawn(|mut inbox: Mailbox<u32>| async move { me.send(inbox.recv().await) });
            abcast([&echo], 6);
            assert_eq!(inbox.recv().await, 6);
        })
    });
}

/// A callee of a test's own, with casts that can be cloned.
struct NamedOnce(&'static str);

impl rekindle_actor::Callee for NamedOnce {
    type Call = Ask;
    type Cast = u32;

    fn send_request<T: Send + 'static>(
        &self,
        make: impl FnOnce(rekindle_actor::ReplyTo<T>) -> Ask,
    ) -> Request<T> {
        Name::<Probe>::new(self.0).send_request(make)
    }

    fn cast(&self, k: u32) {
        Name::<Probe>::new(self.0).cast(Tell::Add(i64::from(k)));
    }
}

#[test]
fn a_request_may_be_waited_for_in_another_process() {
    on_both(|| async {
        let server = numbered(3).await;
        let request = slow(&server, ms(3));
        let other = Task::spawn(request);
        assert_eq!(other.await, Ok(Ok(3)));
        // A collection as well, with requests that were waited for before.
        let mut first = slow(&server, ms(3));
        assert_eq!(first.wait(ms(1)).await, None);
        let mut requests = Requests::new();
        requests.add(first, "first");
        assert_eq!(
            requests.wait(Duration::ZERO).await,
            Err(NoAnswer::Timeout(Duration::ZERO))
        );
        let other = Task::spawn(async move {
            let got = requests.next().await;
            (got, requests.len())
        });
        assert_eq!(other.await, Ok((Some((Ok(3), "first")), 0)));
    });
}

#[test]
fn a_request_that_is_dropped_is_served_all_the_same() {
    on_both(|| async {
        let server = numbered(0).await;
        drop(server.send_request(|from| Ask::Add(4, from)));
        assert_eq!(server.call(Ask::Get).await, Ok(4));
    });
}

#[test]
fn a_request_of_a_process_that_dies_disturbs_nobody() {
    on_both(|| async {
        let server = numbered(0).await;
        let callee = server.clone();
        let client = spawn(async move {
            let mut requests = Requests::new();
            for n in 0..10 {
                requests.add(callee.send_request(Ask::Defer), n);
            }
            requests.next().await;
        });
        while sys::with_state(&server, |probe: &mut Probe| probe.deferred.len())
            .await
            .unwrap()
            < 10
        {
            rekindle_actor::yield_now().await;
        }
        exit(client, ExitReason::Kill);
        until(|| !rekindle_actor::is_alive(client)).await;
        let answered = server.call(ask(|probe, _, from| {
            let awaited = probe.deferred.iter().filter(|from| from.is_awaited());
            from.reply(awaited.count());
            probe.deferred.drain(..).for_each(|from| from.reply(1));
            Ok(Next::Wait)
        }));
        assert_eq!(answered.await, Ok(0));
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}

#[test]
fn a_request_in_a_servers_callback_is_answered_while_it_serves_others() {
    // Asynchronous work inside one server: the answers come to its own waits, not to its mailbox.
    on_both(|| async {
        let (front, back) = (numbered(1).await, numbered(2).await);
        let backend = back.clone();
        let sum = front.call(ask(move |_, _, from| {
            let (first, second) = (
                backend.send_request(Ask::Get),
                backend.send_request(|from| Ask::Add(5, from)),
            );
            spawn(async move {
                from.reply(first.await.unwrap() + second.await.unwrap());
            });
            Ok(Next::Wait)
        }));
        assert_eq!(sum.await, Ok(2 + 7));
    });
}

#[test]
fn a_wait_for_a_request_is_seen_from_outside() {
    on_both(|| async {
        let server = numbered(0).await;
        sys::suspend(&server).await.unwrap();
        let callee = server.clone();
        let client = spawn(async move {
            let mut requests = Requests::new();
            requests.add(callee.send_request(Ask::Get), ());
            let _ = requests.next().await;
        });
        until(|| {
            let waits = info(client).and_then(|info| info.waits);
            waits.is_some_and(|wait| {
                wait.kind == rekindle_actor::WaitKind::Call
                    && wait.at.file().ends_with("requests.rs")
            })
        })
        .await;
    });
}

#[test]
fn a_panic_while_a_request_is_made_leaks_nothing() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let server = numbered(0).await;
            let count = Arc::new(AtomicUsize::new(0));
            let seen = count.clone();
            let callee = server.clone();
            let client = spawn(async move {
                let _request: Request<i64> = callee.send_request(|from| {
                    seen.fetch_add(1, Ordering::SeqCst);
                    let _held = from;
                    panic!("while making it")
                });
            });
            let reason = reason_of(&mut inbox, client).await;
            assert!(matches!(&reason, ExitReason::Panic(_) | ExitReason::NoProc));
            until(|| count.load(Ordering::SeqCst) == 1).await;
            assert_eq!(server.call(Ask::Get).await, Ok(0));
        })
    });
}

#[test]
fn a_name_that_changes_hands_between_two_requests() {
    on_both(|| async {
        let name = Name::<Probe>::new("passed on");
        let old = Probe::start(Probe::plain(&Log::new(), 1))
            .name("passed on")
            .await;
        let first = name.send_request(Ask::Get);
        name.stop().await.unwrap();
        assert_eq!(whereis("passed on"), None);
        let new = Probe::start(Probe::plain(&Log::new(), 2))
            .name("passed on")
            .await;
        let second = name.send_request(Ask::Get);
        // The first was asked before the stop, so it was answered.
        assert_eq!(first.await, Ok(1));
        assert_eq!(second.await, Ok(2));
        assert_ne!(old.unwrap(), new.unwrap());
        assert!(matches!(
            Name::<Probe>::new("nobody").stop().await,
            Err(rekindle_actor::StopError::NoProc)
        ));
    });
}

#[test]
fn answers_do_not_touch_the_mailbox_of_a_process_with_one() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let server = numbered(9).await;
            let me = inbox.recipient();
            for n in 0..3 {
                me.send(n);
            }
            let mut requests = Requests::new();
            for n in 0..20 {
                requests.add(server.send_request(Ask::Get), n);
            }
            while let Some((answer, _)) = requests.next().await {
                assert_eq!(answer, Ok(9));
            }
            for n in 0..3 {
                assert!(matches!(inbox.next().await, Info::Message(m) if m == n));
            }
            expect_nothing(&mut inbox).await;
            let _ = self_pid();
        })
    });
}
