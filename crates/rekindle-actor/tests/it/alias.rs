//! Aliases, and monitors with a tag or an alias.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::{
    Alias, AliasMode, ExitReason, GenServer, Info, Mailbox, MailboxPolicy, MonitorAlias,
    Monitoring, Name, Next, Overflow, SendError, Starter, Tag, alias, demonitor, demonitor_flush,
    exit, info, monitor, register, send_after, sleep, spawn, unregister, yield_now,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Lets another process do something, and waits until it has.
async fn elsewhere<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    Puppet::new().run(f).await
}

#[test]
fn mon_011_a_down_carries_the_tag_of_its_monitor() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = mortal();
            let first = Monitoring::of(target.pid()).tag("first").start();
            let second = Monitoring::of(target.pid()).tag(2).start();
            let plain = monitor(target.pid());
            target.send(oops("gone"));
            let mut seen = Vec::new();
            for _ in 0..3 {
                let down = expect_down(&mut inbox).await;
                assert_eq!((down.pid, down.reason), (Some(target.pid()), oops("gone")));
                seen.push((down.reference, down.tag));
            }
            seen.sort();
            let wanted = [
                (first, Some(Tag::from("first"))),
                (second, Some(Tag::from(2))),
                (plain, None),
            ];
            assert_eq!(seen, wanted);
        })
    });
}

#[test]
fn mon_011_the_tag_comes_with_every_kind_of_down() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let dead = spawn(async {});
            reason_of(&mut inbox, dead).await;
            Monitoring::of(dead).tag("dead").start();
            let down = expect_down(&mut inbox).await;
            assert_eq!(down.reason, ExitReason::NoProc);
            assert_eq!(down.tag.as_ref().and_then(Tag::as_str), Some("dead"));
            Monitoring::of_name("nobody").tag(1).start();
            let down = expect_down(&mut inbox).await;
            assert_eq!((down.name.as_deref(), down.pid), (Some("nobody"), None));
            assert_eq!(down.tag.as_ref().and_then(Tag::as_number), Some(1));
            let named = mortal();
            register("somebody", named.pid()).unwrap();
            let taken_away = Monitoring::of_name("somebody").tag("never").start();
            Monitoring::of_name("somebody").tag("by name").start();
            assert!(demonitor(taken_away));
            named.send(ExitReason::Normal);
            let down = expect_down(&mut inbox).await;
            assert_eq!(down.name.as_deref(), Some("somebody"));
            assert_eq!(down.tag, Some(Tag::from("by name")));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn proc_011_a_message_to_an_alias_arrives_until_unalias() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let mine = inbox.alias(AliasMode::Explicit);
            assert_eq!(mine.owner(), inbox.pid());
            let theirs = mine.clone();
            elsewhere(move || {
                theirs.send(1);
                theirs.send(2);
                assert!(theirs.is_active());
            })
            .await;
            assert_eq!((inbox.recv().await, inbox.recv().await), (1, 2));
            assert!(mine.unalias());
            let theirs = mine.clone();
            let told = elsewhere(move || {
                theirs.send(3);
                assert!(!theirs.is_active());
                theirs.try_send(4)
            });
            assert_eq!(told.await, Err(SendError::NoProc(())));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn proc_011_an_alias_of_a_server_brings_infos() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        let made = server.call(ask(|_, cx, from| {
            from.reply(cx.alias::<u32>(AliasMode::Explicit));
            Ok(Next::Wait)
        }));
        let alias = made.await.unwrap();
        alias.send(5);
        assert_eq!(server.call(Ask::Get).await, Ok(0));
        assert_eq!(log.all(), ["init", "info 5"]);
        let (ended, again) = (alias.clone(), alias.clone());
        let over = server.call(ask(move |_, _, from| {
            from.reply((ended.unalias(), again.unalias()));
            Ok(Next::Wait)
        }));
        assert_eq!(over.await, Ok((true, false)));
        alias.send(6);
        assert_eq!(server.call(Ask::Get).await, Ok(0));
        assert_eq!(log.len(), 2);
    });
}

#[test]
fn proc_012_a_reply_alias_takes_one_message() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let mine = inbox.alias(AliasMode::Reply);
            for n in 0..5 {
                let theirs = mine.clone();
                spawn(async move { theirs.send(n) });
            }
            let first = inbox.recv().await;
            assert!(first < 5);
            assert!(!mine.is_active());
            assert!(!mine.unalias());
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn proc_012_a_reply_that_is_refused_does_not_use_the_alias_up() {
    on_both(|| async {
        let alias = Arc::new(Mutex::new(None));
        let place = alias.clone();
        let policy = MailboxPolicy::bounded(1).when_full(Overflow::Fail);
        let started = Starter::new("full").mailbox(policy).start(
            |mut inbox: Mailbox<u32>, ack: rekindle_actor::Ack| async move {
                *place.lock() = Some(inbox.alias(AliasMode::Reply));
                ack.ready();
                // Takes what it is sent only when the word has come.
                loop {
                    inbox.recv_match(|n| *n >= 10).await;
                    assert_eq!(inbox.recv().await, 7);
                }
            },
        );
        let full = started.await.unwrap();
        let alias: Alias<u32> = alias.lock().take().unwrap();
        full.send(1);
        assert_eq!(alias.try_send(10), Err(SendError::Full(())));
        assert!(alias.is_active());
        exit(full.pid(), ExitReason::Kill);
        until(|| !full.is_alive()).await;
        assert!(!alias.is_active());
        assert_eq!(alias.try_send(10), Err(SendError::NoProc(())));
    });
}

#[test]
fn proc_013_the_alias_of_a_monitor_ends_with_it() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let own = inbox.recipient();
            // By demonitor.
            let target = mortal();
            let (reference, mine) =
                Monitoring::of(target.pid()).start_with_alias(MonitorAlias::Demonitor, &own);
            mine.send(1);
            mine.send(2);
            assert!(mine.is_active());
            assert!(demonitor(reference));
            assert!(!mine.is_active() && !mine.unalias());
            mine.send(3);
            // By `Down`.
            let (_, mine) = Monitoring::of(target.pid())
                .tag("tagged")
                .start_with_alias(MonitorAlias::Demonitor, &own);
            mine.send(4);
            target.send(oops("gone"));
            for n in [1, 2, 4] {
                assert_eq!(inbox.recv().await, n);
            }
            let down = expect_down(&mut inbox).await;
            assert_eq!(down.tag, Some(Tag::from("tagged")));
            assert!(!mine.is_active());
            mine.send(5);
            // At once, if there is nobody.
            let (_, mine) =
                Monitoring::of(target.pid()).start_with_alias(MonitorAlias::Demonitor, &own);
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::NoProc);
            mine.send(6);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn proc_013_an_explicit_alias_outlives_its_monitor() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let target = mortal();
            let (_, mine) = Monitoring::of(target.pid())
                .start_with_alias(MonitorAlias::Explicit, &inbox.recipient());
            target.send(oops("gone"));
            expect_down(&mut inbox).await;
            mine.send(1);
            assert_eq!(inbox.recv().await, 1);
            assert!(mine.unalias());
        })
    });
}

#[test]
fn proc_013_unalias_leaves_the_monitor() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            for mode in [MonitorAlias::Demonitor, MonitorAlias::ReplyDemonitor] {
                let target = mortal();
                let (reference, mine) =
                    Monitoring::of(target.pid()).start_with_alias(mode, &inbox.recipient());
                assert!(mine.unalias());
                mine.send(1);
                target.send(oops("gone"));
                assert_eq!(expect_down(&mut inbox).await.reference, reference);
                expect_nothing(&mut inbox).await;
            }
        })
    });
}

#[test]
fn proc_013_a_reply_takes_the_monitor_away() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let own = inbox.recipient();
            let target = mortal();
            let (reference, mine) =
                Monitoring::of(target.pid()).start_with_alias(MonitorAlias::ReplyDemonitor, &own);
            let theirs = mine.clone();
            elsewhere(move || {
                theirs.send(1);
                theirs.send(2);
            })
            .await;
            assert_eq!(inbox.recv().await, 1);
            assert!(!demonitor(reference), "it is gone");
            until(|| info(target.pid()).unwrap().monitored_by.is_empty()).await;
            target.send(oops("gone"));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn proc_013_the_reply_or_the_down_and_never_both() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            for round in 0..40 {
                let target = mortal();
                let (_, mine) = Monitoring::of(target.pid())
                    .start_with_alias(MonitorAlias::ReplyDemonitor, &inbox.recipient());
                // Two who answer, and the end of the target, in any order.
                for n in 0..2 {
                    let theirs = mine.clone();
                    spawn(async move {
                        if round % 3 == 0 {
                            yield_now().await;
                        }
                        theirs.send(n);
                    });
                }
                target.send(oops("gone"));
                match inbox.next().await {
                    Info::Message(_) => {}
                    Info::Down(down) => assert_eq!(down.reason, oops("gone")),
                    _ => panic!("neither"),
                }
                until(|| !target.is_alive()).await;
                expect_nothing(&mut inbox).await;
            }
        })
    });
}

#[test]
fn proc_013_whoever_replies_and_then_dies_is_heard_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            for _ in 0..20 {
                let target = spawn(|mut inbox: Mailbox<Alias<u32>>| async move {
                    inbox.recv().await.send(1);
                });
                let (_, mine) = Monitoring::of(target.pid())
                    .start_with_alias(MonitorAlias::ReplyDemonitor, &inbox.recipient());
                target.send(mine);
                assert!(matches!(inbox.next().await, Info::Message(1)));
                until(|| !target.is_alive()).await;
            }
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn proc_013_a_refused_reply_leaves_alias_and_monitor() {
    on_both(|| async {
        let place = Arc::new(Mutex::new(None));
        let (given, log) = (place.clone(), Log::new());
        let (seen, target) = (log.clone(), mortal());
        let watched = target.pid();
        let policy = MailboxPolicy::bounded(1).when_full(Overflow::Fail);
        let started = Starter::new("full").mailbox(policy).start(
            move |mut inbox: Mailbox<u32>, ack: rekindle_actor::Ack| async move {
                let (_, alias) = Monitoring::of(watched)
                    .tag("kept")
                    .start_with_alias(MonitorAlias::ReplyDemonitor, &inbox.recipient());
                *given.lock() = Some(alias);
                ack.ready();
                loop {
                    match inbox.next().await {
                        Info::Message(0) => sleep(ms(3)).await,
                        Info::Down(down) => seen.add(format!("{:?} {}", down.tag, down.reason)),
                        _ => {}
                    }
                }
            },
        );
        let full = started.await.unwrap();
        let alias: Alias<u32> = place.lock().take().unwrap();
        // Busy with the first, full with the second.
        full.send(0);
        until(|| info(full.pid()).unwrap().mailbox == 0).await;
        full.send(1);
        assert_eq!(alias.try_send(2), Err(SendError::Full(())));
        assert!(alias.is_active());
        target.send(oops("gone"));
        while log.len() == 0 {
            sleep(ms(1)).await;
        }
        assert!(
            log.all()[0].starts_with("Some(Tag(\"kept\"))"),
            "{:?}",
            log.all()
        );
        assert!(!alias.is_active());
    });
}

#[test]
fn proc_014_only_the_creator_ends_its_alias_and_what_has_come_stays() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let mine = inbox.alias(AliasMode::Explicit);
            let theirs = mine.clone();
            let ended = elsewhere(move || {
                theirs.send(1);
                let ended = theirs.unalias();
                theirs.send(2);
                ended
            });
            assert!(!ended.await);
            assert!(mine.is_active());
            assert!(mine.unalias());
            // Both were sent before the end.
            assert_eq!(inbox.try_recv(), Some(1));
            assert_eq!(inbox.try_recv(), Some(2));
            let at_hand = mine.clone();
            std::thread::spawn(move || assert!(!at_hand.unalias()))
                .join()
                .unwrap();
        })
    });
}

#[test]
fn proc_014_once_unalias_has_returned_nothing_comes_any_more() {
    on_pool(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            for _ in 0..50 {
                let mine = inbox.alias(AliasMode::Explicit);
                let theirs = mine.clone();
                let sender = spawn(async move {
                    for n in 0..200 {
                        theirs.send(n);
                    }
                });
                inbox.recv().await;
                assert!(mine.unalias());
                // What was sent is received by the next turn; after that, nothing is.
                yield_now().await;
                while inbox.try_recv().is_some() {}
                until(|| !rekindle_actor::is_alive(sender)).await;
                yield_now().await;
                assert_eq!(inbox.try_recv(), None);
            }
        })
    });
}

#[test]
fn proc_015_unalias_tells_whether_the_alias_lived() {
    on_both(|| {
        with_inbox(|inbox: Mailbox<u32>| async move {
            let mine = inbox.alias(AliasMode::Explicit);
            let other = inbox.alias(AliasMode::Explicit);
            assert_ne!(mine, other);
            assert_eq!(mine, mine.clone());
            assert!(mine.unalias());
            assert!(!mine.unalias());
            assert!(!mine.clone().unalias());
            assert!(other.is_active(), "each alias is one of its own");
            assert!(other.unalias());
        })
    });
}

#[test]
fn an_alias_of_another_process_is_refused() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let other = spawn(|mut inbox: Mailbox<u32>| async move {
                inbox.recv().await;
            });
            let to = other.recipient::<u32>();
            let culprit = spawn(async move { drop(alias(AliasMode::Explicit, &to)) });
            monitor(culprit);
            match expect_down(&mut inbox).await.reason {
                ExitReason::Panic(panic) => {
                    assert!(panic.message.contains("alias of another process"));
                    assert!(panic.location.as_ref().unwrap().contains("alias.rs"));
                }
                ExitReason::NoProc => {}
                other => panic!("{other:?}"),
            }
        })
    });
}

#[test]
fn a_timer_to_an_alias_dies_with_it() {
    // Under the simulator, for on a machine with much to do both timers may have fired.
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let mine = inbox.alias(AliasMode::Explicit);
            send_after(ms(1), &mine.recipient(), 1);
            send_after(ms(10), &mine.recipient(), 2);
            assert_eq!(inbox.recv().await, 1);
            mine.unalias();
            let nothing = inbox.recv_timeout(ms(30)).await;
            assert_eq!(nothing, None);
        })
    });
}

#[test]
fn an_alias_keeps_nothing_alive_and_outlives_its_process_in_peace() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Alias<u32>>| async move {
            let (me, drops) = (inbox.recipient(), Drops::new());
            let held = drops.counted();
            let target = idle();
            let owner = spawn(move |inbox: Mailbox<u32>| async move {
                let _held = held;
                let (_, alias) = Monitoring::of(target)
                    .start_with_alias(MonitorAlias::Demonitor, &inbox.recipient());
                me.send(alias);
            });
            let alias = inbox.recv().await;
            until(|| !owner.is_alive()).await;
            assert_eq!(drops.count(), 1);
            assert!(!alias.is_active());
            assert_eq!(alias.try_send(1), Err(SendError::NoProc(())));
            exit(target, ExitReason::Kill);
        })
    });
}

/// A message that sends another one to an alias when it is dropped.
struct Echo(Option<Alias<Echo>>);

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(alias) = self.0.take() {
            let _ = alias.try_send(Echo(None));
            alias.unalias();
        }
    }
}

#[test]
fn a_message_whose_drop_uses_the_same_alias_hangs_nobody() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Alias<Echo>>| async move {
            for mode in [AliasMode::Explicit, AliasMode::Reply] {
                let me = inbox.recipient();
                let owner = spawn(move |mut inbox: Mailbox<Echo>| async move {
                    me.send(inbox.alias(mode));
                    inbox.recv().await;
                });
                let alias = inbox.recv().await;
                exit(owner.pid(), ExitReason::Kill);
                let refused = || alias.try_send(Echo(Some(alias.clone())));
                until(|| refused() == Err(SendError::NoProc(()))).await;
            }
        })
    });
}

#[test]
fn a_monitor_by_name_stays_with_whom_it_found() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (old, new) = (mortal(), mortal());
            register("office", old.pid()).unwrap();
            let reference = Monitoring::of_name("office").tag("old").start();
            unregister("office").unwrap();
            register("office", new.pid()).unwrap();
            new.send(oops("new"));
            until(|| !new.is_alive()).await;
            expect_nothing(&mut inbox).await;
            old.send(oops("old"));
            let down = expect_down(&mut inbox).await;
            assert_eq!((down.reference, down.reason), (reference, oops("old")));
            assert_eq!(
                (down.name.as_deref(), down.pid),
                (Some("office"), Some(old.pid()))
            );
        })
    });
}

#[test]
fn flushing_a_monitor_with_an_alias_ends_both() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let target = mortal();
            let (reference, mine) = Monitoring::of(target.pid())
                .start_with_alias(MonitorAlias::Demonitor, &inbox.recipient());
            target.send(oops("gone"));
            until(|| !target.is_alive()).await;
            yield_now().await;
            let _ = demonitor_flush(reference);
            assert!(!mine.is_active());
            mine.send(1);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn the_alias_of_a_server_dies_with_its_life_and_not_with_its_name() {
    on_both(|| async {
        let (log, name) = (Log::new(), Name::<Probe>::new("reborn"));
        let start = || Probe::start(Probe::plain(&log, 0)).name("reborn");
        start().await.unwrap();
        let made = name.call(ask(|_, cx, from| {
            from.reply(cx.alias::<u32>(AliasMode::Explicit));
            Ok(Next::Wait)
        }));
        let alias = made.await.unwrap();
        name.stop().await.unwrap();
        start().await.unwrap();
        alias.send(1);
        assert_eq!(name.call(Ask::Get).await, Ok(0));
        assert!(!log.contains("info 1"));
        assert!(!alias.is_active());
    });
}
