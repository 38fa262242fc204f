//! Streams that belong to a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_lite::{StreamExt as _, stream};
use rekindle_actor::{
    Attached, Context, ExitReason, GenServer, Info, Init, Mailbox, MailboxPolicy, Never, Next,
    ReplyTo, SpawnOptions, Step, Task, attach, exit, is_alive, sleep, spawn, spawn_with, sys,
    trap_exit,
};

use crate::support::{Drops, Log, on_sim, reason_of, until, with_inbox};

/// A number every millisecond, from 0 on, for ever.
fn ticks() -> impl rekindle_actor::Stream<Item = u32> + Send + 'static {
    stream::unfold(0, |n| async move {
        sleep(Duration::from_millis(1)).await;
        Some((n, n + 1))
    })
    .boxed()
}

#[test]
fn every_item_is_a_message_in_order_and_so_is_the_end() {
    on_sim(|| async {
        with_inbox(async |mut inbox: Mailbox<Option<u32>>| {
            let few = rekindle_actor::attach_until_end(ticks().take(5), Some, None);
            let mut seen = Vec::new();
            while let Some(n) = inbox.recv().await {
                assert!(few.is_attached());
                seen.push(n);
            }
            assert_eq!(seen, [0, 1, 2, 3, 4]);
            assert!(inbox.recv_timeout(Duration::from_secs(1)).await.is_none());
            assert!(!few.is_attached());
        })
        .await;
    });
}

#[test]
fn the_next_item_is_asked_for_when_the_last_was_handled_and_messages_come_first() {
    on_sim(|| async {
        with_inbox(async |mut inbox: Mailbox<u32>| {
            let made = Arc::new(AtomicUsize::new(0));
            let count = made.clone();
            let ready = stream::iter(100..).inspect(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            let _ = inbox.attach(ready, |n| n);
            let own = inbox.recipient();
            for handled in 0..300 {
                assert_eq!(made.load(Ordering::SeqCst), handled);
                assert_eq!(inbox.recv().await, 100 + handled as u32);
                own.send(7);
                sleep(Duration::from_millis(1)).await;
                assert_eq!(inbox.recv().await, 7);
            }
        })
        .await;
    });
}

#[test]
fn streams_take_turns() {
    on_sim(|| async {
        with_inbox(async |mut inbox: Mailbox<&'static str>| {
            for name in ["a", "b", "c"] {
                let _ = inbox.attach(stream::repeat(name), |name| name);
            }
            let mut seen = Vec::new();
            for _ in 0..9 {
                seen.push(inbox.recv().await);
            }
            assert_eq!(seen, ["a", "b", "c"].repeat(3));
        })
        .await;
    });
}

/// A stream that waits for ever and counts its drop.
fn silent(drops: &Drops) -> impl rekindle_actor::Stream<Item = u32> + Send + 'static {
    let counted = drops.counted();
    stream::poll_fn(move |_| {
        let _ = &counted;
        Poll::Pending
    })
}

#[test]
fn it_ends_with_its_process_before_anyone_hears_of_that() {
    on_sim(|| async {
        for end in [ExitReason::Kill, ExitReason::Shutdown] {
            let drops = Drops::new();
            let stream = silent(&drops);
            let process = spawn(|mut inbox: Mailbox<u32>| async move {
                let _ = inbox.attach(stream, |n| n);
                inbox.recv().await;
            });
            let seen = drops.clone();
            with_inbox(async move |mut inbox: Mailbox<()>| {
                until(|| rekindle_actor::info(process.pid()).is_some_and(|i| i.waits.is_some()))
                    .await;
                assert_eq!(seen.count(), 0);
                exit(process.pid(), end);
                reason_of(&mut inbox, process.pid()).await;
                assert_eq!(seen.count(), 1);
            })
            .await;
        }
    });
}

#[test]
fn detached_from_inside_it_is_gone_at_once_and_from_elsewhere_soon() {
    on_sim(|| async {
        with_inbox(async |mut inbox: Mailbox<u32>| {
            let drops = Drops::new();
            let attached = inbox.attach(silent(&drops), |n| n);
            attached.detach();
            assert_eq!(drops.count(), 1);
            assert!(!attached.is_attached());
            assert!(inbox.try_recv().is_none());
        })
        .await;

        let drops = Drops::new();
        let stream = silent(&drops);
        let process = spawn(|mut inbox: Mailbox<Request>| async move {
            let attached = inbox.attach(stream, |_| Request::Nothing);
            loop {
                if let Request::Handle(from) = inbox.recv().await {
                    from.reply(attached.clone());
                }
            }
        });
        let attached = process.call(Request::Handle).await.unwrap();
        attached.detach();
        assert!(process.call(Request::Handle).await.is_ok());
        until(|| drops.count() == 1).await;
    });
}

enum Request {
    Handle(ReplyTo<Attached>),
    Nothing,
}

#[test]
fn a_panic_in_a_stream_is_a_crash_of_its_process() {
    on_sim(|| async {
        let process = spawn(|mut inbox: Mailbox<u32>| async move {
            let broken = stream::poll_fn(|_| panic!("a broken stream"));
            let _ = inbox.attach(broken, |n: u32| n);
            inbox.recv().await;
        });
        with_inbox(async move |mut inbox: Mailbox<()>| {
            let reason = reason_of(&mut inbox, process.pid()).await;
            // It may have been gone before it was watched.
            assert!(
                reason.is_panic() || reason == ExitReason::NoProc,
                "{reason}"
            );
        })
        .await;
        let crash = rekindle_actor::recent_crashes().pop().unwrap();
        assert!(crash.reason.to_string().contains("a broken stream"));
    });
}

#[test]
fn a_receive_that_selects_and_one_that_is_full_leave_it_alone() {
    on_sim(|| async {
        let options = SpawnOptions::new().mailbox(MailboxPolicy::bounded(2));
        let process = spawn_with(options, |mut inbox: Mailbox<u32>| async move {
            let made = Arc::new(AtomicUsize::new(0));
            let count = made.clone();
            let ready = stream::iter(100..).inspect(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            let _ = inbox.attach(ready, |n| n);
            let none = inbox
                .recv_match_timeout(Duration::from_millis(1), |n| *n == 100)
                .await;
            assert_eq!((none, made.load(Ordering::SeqCst)), (None, 0));
            // Items are not counted: room for two is still there afterwards.
            for n in 0..10 {
                assert_eq!(inbox.recv().await, 100 + n);
            }
            let own = inbox.recipient();
            own.try_send(1).unwrap();
            own.try_send(2).unwrap();
        });
        with_inbox(async move |mut inbox: Mailbox<()>| {
            let reason = reason_of(&mut inbox, process.pid()).await;
            assert!(
                reason.is_normal() || reason == ExitReason::NoProc,
                "{reason}"
            );
        })
        .await;
        assert!(rekindle_actor::recent_crashes().is_empty());
    });
}

/// Logs the items of two streams.
struct Gauge(Log);

impl GenServer for Gauge {
    type Args = Log;
    type Call = ReplyTo<()>;
    type Cast = Never;
    type Info = u32;
    type Continue = Never;

    async fn init(log: Log, cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        let _ = cx.attach(ticks(), |n| n);
        let _ = cx.attach_until_end(stream::iter([100, 101]), |n| n, 102);
        Ok(Init::Ready(Gauge(log)))
    }

    async fn handle_call(&mut self, from: ReplyTo<()>, _: &mut Context<Self>) -> Step<Self> {
        from.reply(());
        Ok(Next::Wait)
    }

    async fn handle_info(&mut self, info: Info<u32>, cx: &mut Context<Self>) -> Step<Self> {
        match info {
            Info::Message(n) => self.0.add(n.to_string()),
            other => return cx.unexpected(other),
        }
        Ok(Next::Wait)
    }
}

#[test]
fn a_server_gets_items_as_infos_answers_calls_meanwhile_and_none_while_suspended() {
    on_sim(|| async {
        let log = Log::new();
        let gauge = Gauge::start(log.clone()).await.unwrap();
        sleep(Duration::from_millis(10)).await;
        assert!(gauge.call(|from| from).await.is_ok());
        assert_eq!(log.all()[..6], ["100", "101", "102", "0", "1", "2"]);
        sys::suspend(gauge.pid()).await.unwrap();
        let before = log.len();
        sleep(Duration::from_millis(10)).await;
        assert_eq!(log.len(), before);
        sys::resume(gauge.pid()).await.unwrap();
        sleep(Duration::from_millis(2)).await;
        assert!(log.len() > before);
        assert!(is_alive(gauge.pid()));
    });
}

#[test]
fn mailboxes_and_tasks_are_streams() {
    on_sim(|| async {
        with_inbox(async |inbox: Mailbox<u32>| {
            let own = inbox.recipient();
            (1..=4).for_each(|n| own.send(n));
            let first: Vec<u32> = inbox.take(4).map(|n| n * n).collect().await;
            assert_eq!(first, [1, 4, 9, 16]);
        })
        .await;
        let squares = Task::async_stream(1..=4, |n| async move { n * n });
        let all: Vec<u32> = squares
            .map(|square| square.unwrap())
            .take(3)
            .collect()
            .await;
        assert_eq!(all, [1, 4, 9]);
    });
}

#[test]
fn a_stream_of_another_message_is_refused_where_it_is_attached() {
    on_sim(|| async {
        let process = spawn(async {
            trap_exit(true);
            let _ = attach(stream::iter([1]), |n: u32| n);
        });
        until(|| !is_alive(process)).await;
        let crash = rekindle_actor::recent_crashes().pop().unwrap();
        let said = crash.reason.to_string();
        assert!(
            said.contains("the messages of this process are not `u32`"),
            "{said}"
        );
    });
}
