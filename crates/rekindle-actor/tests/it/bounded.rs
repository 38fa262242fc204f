//! Bounded mailboxes: what each policy does when the mailbox is full.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::{
    CallError, ExitReason, GenServer as _, Mailbox, MailboxOverflow, MailboxPolicy, Overflow,
    ReplyTo, SendError, Sender, SpawnOptions, exit, info, is_alive, monitor, sleep, spawn,
    spawn_with, sys,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A process that takes nothing before it is told to by `open`, then everything.
fn gated(policy: MailboxPolicy) -> (Sender<u32>, Arc<AtomicBool>, Log) {
    let (open, log) = (Arc::new(AtomicBool::new(false)), Log::new());
    let (gate, noted) = (open.clone(), log.clone());
    let options = SpawnOptions::new().mailbox(policy);
    let sender = spawn_with(options, |mut inbox: Mailbox<u32>| async move {
        while !gate.load(Ordering::SeqCst) {
            sleep(ms(1)).await;
        }
        for _ in 0..usize::MAX {
            noted.add(inbox.recv().await.to_string());
        }
    });
    (sender, open, log)
}

#[test]
fn slow_suspends_the_sender_at_its_next_await_and_both_finish() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, open, log) = gated(MailboxPolicy::bounded(10));
            let (to, me, passed) = (
                target.clone(),
                inbox.recipient(),
                Arc::new(AtomicBool::new(false)),
            );
            let flag = passed.clone();
            spawn(async move {
                for n in 0..15 {
                    to.send(n);
                }
                // Not suspended in the middle of its code, but here.
                sleep(Duration::ZERO).await;
                rekindle_actor::yield_now().await;
                flag.store(true, Ordering::SeqCst);
                for n in 15..100 {
                    to.send(n);
                    rekindle_actor::yield_now().await;
                }
                me.send(());
            });
            sleep(ms(20)).await;
            assert!(!passed.load(Ordering::SeqCst), "the sender is held back");
            assert_eq!(info(target.pid()).unwrap().mailbox, 15, "nothing is lost");
            open.store(true, Ordering::SeqCst);
            inbox.recv().await;
            while log.len() < 100 {
                sleep(ms(1)).await;
            }
            let expected: Vec<_> = (0..100).map(|n| n.to_string()).collect();
            assert_eq!(log.all(), expected);
        })
    });
}

#[test]
fn slow_holds_back_many_senders_and_releases_them_all() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, open, log) = gated(MailboxPolicy::bounded(5));
            for n in 0..20 {
                let (to, me) = (target.clone(), inbox.recipient());
                spawn(async move {
                    for k in 0..20 {
                        to.send(n * 20 + k);
                        rekindle_actor::yield_now().await;
                    }
                    me.send(());
                });
            }
            open.store(true, Ordering::SeqCst);
            for _ in 0..20 {
                inbox.recv().await;
            }
            while log.len() < 400 {
                sleep(ms(1)).await;
            }
        })
    });
}

#[test]
fn slow_releases_its_senders_when_the_receiver_dies() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, _, _) = gated(MailboxPolicy::bounded(1));
            for _ in 0..5 {
                let (to, me) = (target.clone(), inbox.recipient());
                spawn(async move {
                    (0..5).for_each(|n| to.send(n));
                    rekindle_actor::yield_now().await;
                    me.send(());
                });
            }
            sleep(ms(3)).await;
            target.exit(ExitReason::Kill);
            for _ in 0..5 {
                inbox.recv().await;
            }
        })
    });
}

#[test]
fn slow_does_not_hold_back_who_sends_to_the_dead() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, _, _) = gated(MailboxPolicy::bounded(1));
            (0..5).for_each(|n| target.send(n));
            monitor(target.pid());
            target.exit(ExitReason::Kill);
            expect_down(&mut inbox).await;
            let (to, me) = (target.clone(), inbox.recipient());
            spawn(async move {
                for n in 0..10 {
                    to.send(n);
                    rekindle_actor::yield_now().await;
                }
                me.send(());
            });
            inbox.recv().await;
        })
    });
}

#[test]
fn slow_never_holds_back_a_process_for_its_own_mailbox() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let me = inbox.recipient();
            let options = SpawnOptions::new().mailbox(MailboxPolicy::bounded(2));
            spawn_with(options, |mut inbox: Mailbox<u32>| async move {
                let own = inbox.recipient();
                (0..50).for_each(|n| own.send(n));
                for n in 0..50 {
                    assert_eq!(inbox.recv().await, n);
                }
                me.send(());
            });
            inbox.recv().await;
        })
    });
}

#[test]
fn slow_keeps_a_held_back_sender_killable() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, _, _) = gated(MailboxPolicy::bounded(1));
            let sender = spawn(async move {
                (0..5).for_each(|n| target.send(n));
                pending::<()>().await;
            });
            sleep(ms(3)).await;
            monitor(sender);
            exit(sender, oops("enough"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("enough"));
        })
    });
}

/// Nor in the middle of an end that takes many turns.
#[test]
fn slow_does_not_hold_up_the_end_of_a_sender() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, _, _) = gated(MailboxPolicy::bounded(1));
            let sender = spawn(move |mut inbox: Mailbox<u32>| async move {
                (0..5).for_each(|n| target.send(n));
                inbox.recv_match(|_| false).await;
            });
            (0..5_000).for_each(|n| sender.send(n));
            sleep(ms(3)).await;
            monitor(sender.pid());
            exit(sender.pid(), oops("enough"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("enough"));
        })
    });
}

/// Polls what is inside of it only when that has been woken, as combinators of many futures do.
struct WhenWoken<F> {
    inside: F,
    signal: Arc<WakeSignal>,
}

struct WakeSignal {
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for WakeSignal {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        let outer = self.outer.lock().clone();
        outer.into_iter().for_each(Waker::wake);
    }
}

impl<F: Future + Unpin> WhenWoken<F> {
    fn new(inside: F) -> Self {
        let (woken, outer) = (AtomicBool::new(true), Mutex::new(None));
        let signal = Arc::new(WakeSignal { woken, outer });
        WhenWoken { inside, signal }
    }
}

impl<F: Future + Unpin> Future for WhenWoken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.signal.outer.lock() = Some(cx.waker().clone());
        if !self.signal.woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(self.signal.clone());
        Pin::new(&mut self.inside).poll(&mut Context::from_waker(&waker))
    }
}

#[test]
fn slow_lets_calls_and_receives_inside_of_combinators_go_on() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Result<u8, CallError>>| async move {
            let (target, open, _) = gated(MailboxPolicy::bounded(1));
            let me = inbox.recipient();
            let server = spawn(|mut inbox: Mailbox<ReplyTo<u8>>| async move {
                inbox.recv().await.reply(7);
            });
            let to = target.clone();
            spawn(async move {
                (0..5).for_each(|n| to.send(n));
                me.send(WhenWoken::new(server.call(|from| from)).await);
            });
            let me = inbox.recipient();
            let receiver = spawn(|mut inbox: Mailbox<u8>| async move {
                (0..5).for_each(|n| target.send(n));
                let received = WhenWoken::new(Box::pin(inbox.recv())).await;
                me.send(Ok(received));
            });
            receiver.send(8);
            sleep(ms(3)).await;
            open.store(true, Ordering::SeqCst);
            let mut heard = [inbox.recv().await, inbox.recv().await];
            heard.sort_by_key(|heard| heard.clone().ok());
            assert_eq!(heard, [Ok(7), Ok(8)]);
        })
    });
}

#[test]
fn slow_takes_what_comes_from_outside_of_processes() {
    within_patience("outside", || {
        let runtime = pool(1);
        let (target, open, log) = runtime.block_on(async { gated(MailboxPolicy::bounded(2)) });
        (0..50).for_each(|n| target.send(n));
        open.store(true, Ordering::SeqCst);
        runtime.block_on(async move {
            while log.len() < 50 {
                sleep(ms(1)).await;
            }
        });
    });
}

#[test]
fn slow_lets_two_bounded_processes_talk_without_deadlock() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            // A process that is held back still has to be able to drain its own mailbox later.
            let options = SpawnOptions::new().mailbox(MailboxPolicy::bounded(3));
            let me = inbox.recipient();
            let sink = spawn_with(options, |mut inbox: Mailbox<u32>| async move {
                for _ in 0..200 {
                    inbox.recv().await;
                }
                me.send(());
            });
            let forward = spawn_with(options, move |mut inbox: Mailbox<u32>| async move {
                for _ in 0..200 {
                    sink.send(inbox.recv().await);
                }
            });
            spawn(async move {
                for n in 0..200 {
                    forward.send(n);
                    rekindle_actor::yield_now().await;
                }
            });
            inbox.recv().await;
        })
    });
}

#[test]
fn fail_refuses_what_is_too_much_and_says_so() {
    on_both(|| async {
        let (target, open, log) = gated(MailboxPolicy::bounded(3).when_full(Overflow::Fail));
        for n in 0..3 {
            assert_eq!(target.try_send(n), Ok(()));
        }
        for n in 3..6 {
            assert_eq!(target.try_send(n), Err(SendError::Full(n)));
            target.send(n);
        }
        let seen = info(target.pid()).unwrap();
        assert_eq!((seen.mailbox, seen.dropped), (3, 6));
        open.store(true, Ordering::SeqCst);
        while log.len() < 3 {
            sleep(ms(1)).await;
        }
        // There is room again.
        while target.try_send(9).is_err() {
            sleep(ms(1)).await;
        }
        while log.len() < 4 {
            sleep(ms(1)).await;
        }
        assert_eq!(log.all(), ["0", "1", "2", "9"]);
    });
}

#[test]
fn fail_says_full_to_a_call() {
    on_both(|| async {
        let options =
            SpawnOptions::new().mailbox(MailboxPolicy::bounded(1).when_full(Overflow::Fail));
        let target = spawn_with(options, |_inbox: Mailbox<Option<ReplyTo<()>>>| {
            pending::<()>()
        });
        target.send(None);
        assert_eq!(target.call(Some).no_timeout().await, Err(CallError::Full));
        assert_eq!(info(rekindle_actor::self_pid()).unwrap().calls, None);
        let server = Probe::start(Probe::plain(&Log::new(), 0))
            .mailbox(MailboxPolicy::bounded(1).when_full(Overflow::Fail))
            .await
            .unwrap();
        sys::suspend(server.pid()).await.unwrap();
        assert!(server.try_cast(Tell::Add(1)).is_ok());
        assert!(matches!(
            server.try_cast(Tell::Add(2)),
            Err(SendError::Full(Tell::Add(2)))
        ));
        assert!(matches!(server.try_send(1), Err(SendError::Full(_))));
        // What belongs to the runtime is not held up by the bound.
        sys::resume(server.pid()).await.unwrap();
        until(|| info(server.pid()).unwrap().mailbox == 0).await;
        assert_eq!(server.call(Ask::Get).await, Ok(1));
    });
}

#[test]
fn drop_oldest_keeps_the_newest() {
    on_both(|| async {
        let (target, open, log) = gated(MailboxPolicy::bounded(4).when_full(Overflow::DropOldest));
        for n in 0..20 {
            target.send(n);
            // It has turns meanwhile, in which it makes room.
            sleep(ms(2)).await;
        }
        until(|| info(target.pid()).unwrap().mailbox == 4).await;
        assert_eq!(info(target.pid()).unwrap().dropped, 16);
        open.store(true, Ordering::SeqCst);
        while log.len() < 4 {
            sleep(ms(1)).await;
        }
        assert_eq!(log.all(), ["16", "17", "18", "19"]);
    });
}

#[test]
fn drop_oldest_takes_at_most_twice_the_bound_from_one_burst() {
    on_sim(|| async {
        let (target, _, _) = gated(MailboxPolicy::bounded(4).when_full(Overflow::DropOldest));
        sleep(ms(1)).await;
        (0..100).for_each(|n| target.send(n));
        let seen = info(target.pid()).unwrap();
        assert!(seen.mailbox <= 8, "{}", seen.mailbox);
    });
}

#[test]
fn a_request_that_is_dropped_for_room_is_answered() {
    on_both(|| async {
        let options =
            SpawnOptions::new().mailbox(MailboxPolicy::bounded(1).when_full(Overflow::DropOldest));
        let target = spawn_with(options, |_inbox: Mailbox<Option<ReplyTo<()>>>| {
            pending::<()>()
        });
        let crowd = target.clone();
        spawn(async move {
            for _ in 0..20 {
                sleep(ms(1)).await;
                crowd.send(None);
            }
        });
        let outcome = target.call(Some).no_timeout().await;
        assert_eq!(outcome, Err(CallError::NoReply));
    });
}

#[test]
fn drop_newest_keeps_the_oldest() {
    on_both(|| async {
        let (target, open, log) = gated(MailboxPolicy::bounded(4).when_full(Overflow::DropNewest));
        (0..20).for_each(|n| target.send(n));
        let seen = info(target.pid()).unwrap();
        assert_eq!((seen.mailbox, seen.dropped), (4, 16));
        open.store(true, Ordering::SeqCst);
        while log.len() < 4 {
            sleep(ms(1)).await;
        }
        assert_eq!(log.all(), ["0", "1", "2", "3"]);
    });
}

#[test]
fn stop_ends_the_receiver_with_the_overflow_as_its_reason() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, _, _) = gated(MailboxPolicy::bounded(4).when_full(Overflow::Stop));
            monitor(target.pid());
            (0..4).for_each(|n| target.send(n));
            assert!(is_alive(target.pid()));
            assert_eq!(target.try_send(4), Err(SendError::Full(4)));
            let reason = expect_down(&mut inbox).await.reason;
            assert_eq!(reason.downcast_ref(), Some(&MailboxOverflow { limit: 4 }));
            // Nobody else has a report of this.
            until(|| rekindle_actor::recent_crashes().len() == 1).await;
        })
    });
}

#[test]
fn stop_cannot_be_trapped() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let options =
                SpawnOptions::new().mailbox(MailboxPolicy::bounded(2).when_full(Overflow::Stop));
            let target = spawn_with(options, |_inbox: Mailbox<u8>| async {
                rekindle_actor::trap_exit(true);
                pending::<()>().await;
            });
            until(|| info(target.pid()).is_some_and(|i| i.traps_exits)).await;
            monitor(target.pid());
            (0..3).for_each(|n| target.send(n));
            let reason = expect_down(&mut inbox).await.reason;
            assert!(reason.downcast_ref::<MailboxOverflow>().is_some());
        })
    });
}

#[test]
fn no_policy_holds_up_signals() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for overflow in [
                Overflow::Slow,
                Overflow::Fail,
                Overflow::DropOldest,
                Overflow::DropNewest,
            ] {
                let (target, _, _) = gated(MailboxPolicy::bounded(1).when_full(overflow));
                let to = target.clone();
                spawn(async move { (0..10).for_each(|n| to.send(n)) });
                sleep(ms(2)).await;
                monitor(target.pid());
                exit(target.pid(), oops("through"));
                assert_eq!(expect_down(&mut inbox).await.reason, oops("through"));
            }
        })
    });
}

#[test]
fn a_bound_of_zero_is_a_bound_of_one() {
    assert_eq!(MailboxPolicy::bounded(0), MailboxPolicy::bounded(1));
    assert_eq!(
        MailboxPolicy::unbounded().when_full(Overflow::Stop),
        MailboxPolicy::unbounded()
    );
}

#[test]
fn a_dead_process_is_dead_and_not_full() {
    on_both(|| async {
        for overflow in [Overflow::Fail, Overflow::DropNewest, Overflow::Stop] {
            let policy = MailboxPolicy::bounded(2).when_full(overflow);
            let server = Probe::start(Probe::plain(&Log::new(), 0)).mailbox(policy);
            let server = server.await.unwrap();
            rekindle_actor::sys::suspend(server.pid()).await.unwrap();
            server.cast(Tell::Add(1));
            server.cast(Tell::Add(1));
            exit(server.pid(), ExitReason::Kill);
            until(|| !server.is_alive()).await;
            for _ in 0..5 {
                assert_eq!(server.call(Ask::Get).await, Err(CallError::NoProc));
                let refused = server.try_cast(Tell::Add(1));
                assert!(matches!(refused, Err(SendError::NoProc(_))), "{refused:?}");
            }
        }
    });
}
