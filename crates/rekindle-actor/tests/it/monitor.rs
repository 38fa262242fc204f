//! MON: one process is told when another ends.

use std::future::pending;
use std::sync::Arc;

use parking_lot::Mutex;
use rekindle_actor::{
    CallError, ExitReason, Info, Mailbox, ReplyTo, demonitor, demonitor_flush, exit, info,
    is_alive, link, monitor, monitor_name, raise, register, self_pid, spawn, spawn_monitor,
    trap_exit, whereis, yield_now,
};

use crate::support::*;

#[test]
fn mon_001_one_down_with_reference_pid_and_reason() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = mortal();
            let reference = monitor(target.pid());
            assert_eq!(reference.watcher(), self_pid());
            target.send(oops("why"));
            let down = expect_down(&mut inbox).await;
            assert_eq!((down.reference, down.pid), (reference, Some(target.pid())));
            assert_eq!((down.reason, down.name), (oops("why"), None));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn mon_002_the_watchers_death_is_nothing_to_the_target() {
    on_both(|| async {
        let (watcher, target) = (Puppet::new(), Puppet::new());
        let pid = target.pid();
        watcher.run(move || monitor(pid)).await;
        until(|| info(pid).unwrap().monitored_by.len() == 1).await;
        exit(watcher.pid(), ExitReason::Kill);
        until(|| !watcher.is_alive()).await;
        assert_eq!(target.run(|| 1).await, 1);
    });
}

#[test]
fn mon_003_the_dead_and_free_names_are_down_at_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let dead = spawn(async {});
            reason_of(&mut inbox, dead).await;
            let reference = monitor(dead);
            let down = expect_down(&mut inbox).await;
            assert_eq!((down.reference, down.pid), (reference, Some(dead)));
            assert_eq!(down.reason, ExitReason::NoProc);
            let reference = monitor_name("nobody");
            let down = expect_down(&mut inbox).await;
            assert_eq!((down.reference, down.pid), (reference, None));
            assert_eq!(
                (down.name.as_deref(), down.reason),
                (Some("nobody"), ExitReason::NoProc)
            );
        })
    });
}

#[test]
fn mon_004_a_monitor_by_name_tells_the_name() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = mortal();
            register("target", target.pid()).unwrap();
            monitor_name("target");
            target.send(oops("why"));
            let down = expect_down(&mut inbox).await;
            assert_eq!(
                (down.name.as_deref(), down.reason),
                (Some("target"), oops("why"))
            );
        })
    });
}

#[test]
fn mon_005_two_monitors_are_two_downs() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = mortal();
            let mut references = [monitor(target.pid()), monitor(target.pid())];
            assert_ne!(references[0], references[1]);
            target.send(oops("both"));
            let mut heard = [
                expect_down(&mut inbox).await.reference,
                expect_down(&mut inbox).await.reference,
            ];
            references.sort();
            heard.sort();
            assert_eq!(references, heard);
        })
    });
}

#[test]
fn mon_006_demonitor_before_the_death_means_no_down() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = mortal();
            let reference = monitor(target.pid());
            let kept = monitor(target.pid());
            assert!(demonitor(reference));
            target.send(oops("later"));
            assert_eq!(expect_down(&mut inbox).await.reference, kept);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn mon_006_demonitor_flush_takes_back_a_down_that_has_arrived() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let target = mortal();
            let reference = monitor(target.pid());
            let me = inbox.recipient();
            me.send(1);
            target.send(oops("arrived"));
            until(|| inbox.len() == 2).await;
            me.send(2);
            assert!(!demonitor_flush(reference), "it was used up");
            assert_eq!((inbox.recv().await, inbox.recv().await), (1, 2));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn mon_007_demonitor_of_what_is_not_there_does_nothing() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = mortal();
            let reference = monitor(target.pid());
            assert!(demonitor(reference));
            assert!(!demonitor(reference), "taken away before");
            let reference = monitor(target.pid());
            target.send(ExitReason::Normal);
            expect_down(&mut inbox).await;
            assert!(!demonitor(reference), "used up");
            assert!(!demonitor_flush(reference));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn mon_008_only_the_watcher_can_demonitor() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, stranger) = (mortal(), Puppet::new());
            let reference = monitor(target.pid());
            assert!(!stranger.run(move || demonitor(reference)).await);
            assert!(!stranger.run(move || demonitor_flush(reference)).await);
            target.send(oops("heard"));
            assert_eq!(expect_down(&mut inbox).await.reference, reference);
        })
    });
}

/// Not its own either, though each process numbers its monitors from one.
#[test]
fn mon_008_a_foreign_reference_does_nothing() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            const MANY: usize = 20;
            let (target, stranger) = (mortal(), Puppet::new());
            let pid = target.pid();
            let references: Vec<_> = (0..MANY).map(|_| monitor(pid)).collect();
            let taken = stranger
                .run(move || {
                    for _ in 0..MANY {
                        monitor(pid);
                    }
                    references.into_iter().filter(|r| demonitor(*r)).count()
                })
                .await;
            assert_eq!(taken, 0);
            target.send(oops("heard"));
            for _ in 0..MANY {
                expect_down(&mut inbox).await;
            }
            assert_eq!(stranger.has_seen(MANY).await.len(), MANY);
        })
    });
}

/// A process with much unread mail has an end of several turns; who asks for its `Down` or links
/// with it meanwhile hears the reason, as anybody does.
#[test]
fn who_comes_in_the_middle_of_an_end_hears_its_reason() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            const LETTERS: usize = 20_000;
            // On a pool the end may be over before this one is heard: then once more.
            for _ in 0..100 {
                let drops = Drops::new();
                let target = spawn(|mut inbox: Mailbox<Counted>| async move {
                    inbox.recv_match(|_| false).await;
                });
                for _ in 0..LETTERS {
                    target.send(drops.counted());
                }
                exit(target.pid(), oops("x"));
                until(|| drops.count() > 0).await;
                let reference = monitor(target.pid());
                link(target.pid());
                let in_the_middle = drops.count() < LETTERS;
                let (mut down, mut exited) = (None, None);
                for _ in 0..2 {
                    match inbox.next().await {
                        Info::Down(heard) => down = Some((heard.reference, heard.reason)),
                        Info::Exit(heard) => exited = Some((heard.from, heard.reason)),
                        _ => panic!("neither"),
                    }
                }
                if in_the_middle {
                    assert_eq!(down, Some((reference, oops("x"))));
                    assert_eq!(exited, Some((target.pid(), oops("x"))));
                    return;
                }
            }
            panic!("an end of twenty turns was over before each look");
        })
    });
}

/// Very much unread mail does not hold the news back: what is left of it is dropped afterwards, and a
/// request among it hears the reason still.
#[test]
fn the_news_of_an_end_does_not_wait_for_very_much_unread_mail() {
    // In a simulation, for on a pool the rest may be gone before we have looked.
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            const LETTERS: usize = 200_000;
            enum Mail {
                Letter { _counted: Counted },
                Question { _from: ReplyTo<()> },
            }
            let (drops, answer) = (Drops::new(), Arc::new(Mutex::new(None)));
            let target = spawn(|mut inbox: Mailbox<Mail>| async move {
                inbox.recv_match(|_| false).await;
            });
            for _ in 0..LETTERS {
                let _counted = drops.counted();
                target.send(Mail::Letter { _counted });
            }
            let (asked, noted) = (target.clone(), answer.clone());
            spawn(async move {
                let outcome = asked.call(|_from| Mail::Question { _from }).await;
                *noted.lock() = Some(outcome);
            });
            until(|| info(target.pid()).is_some_and(|info| info.mailbox > LETTERS)).await;
            monitor(target.pid());
            exit(target.pid(), oops("x"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("x"));
            let before = drops.count();
            assert!(
                (1 << 16..LETTERS).contains(&before),
                "{before} dropped before the news"
            );
            until(|| answer.lock().is_some()).await;
            assert_eq!(
                answer.lock().take(),
                Some(Err(CallError::Exited(oops("x"))))
            );
            assert_eq!(drops.count(), LETTERS, "the question was the last");
        })
    });
}

/// An end that tells very many takes several turns; in none of them is the name still taken.
#[test]
fn the_first_of_very_many_watchers_finds_the_name_free() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            const MANY: usize = 5_000;
            let target = mortal();
            register("name", target.pid()).unwrap();
            for _ in 0..MANY {
                monitor(target.pid());
            }
            target.send(oops("x"));
            for _ in 0..MANY {
                expect_down(&mut inbox).await;
                assert_eq!(whereis("name"), None);
            }
        })
    });
}

#[test]
fn mon_009_a_monitor_on_oneself_never_fires() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let own = monitor(self_pid());
            expect_nothing(&mut inbox).await;
            assert!(demonitor(own));
            let (_, reference) = spawn_monitor(async {
                monitor(self_pid());
                yield_now().await;
            });
            let down = expect_down(&mut inbox).await;
            assert_eq!(
                (down.reference, down.reason),
                (reference, ExitReason::Normal)
            );
        })
    });
}

#[test]
fn mon_010_a_child_spawned_with_a_monitor_is_never_no_proc() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for n in 0..200 {
                let (child, reference) =
                    spawn_monitor(async move { raise(oops(&n.to_string())) as () });
                let down = expect_down(&mut inbox).await;
                assert_eq!((down.pid, down.reference), (Some(child), reference));
                assert_eq!(down.reason, oops(&n.to_string()));
            }
        })
    });
}

#[test]
fn mon_012_every_kind_of_end_is_told() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let reasons = [
                ExitReason::Normal,
                ExitReason::Shutdown,
                ExitReason::shutdown_with("done"),
                oops("failed"),
            ];
            for reason in reasons {
                let target = mortal();
                monitor(target.pid());
                target.send(reason.clone());
                assert_eq!(expect_down(&mut inbox).await.reason, reason);
            }
            let target = spawn(pending::<()>());
            monitor(target);
            exit(target, ExitReason::Kill);
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Killed);
        })
    });
}

/// Whatever the moment of the death, a monitor that is then taken away gives one `Down` or none.
#[test]
fn a_monitor_against_a_death_gives_one_down_or_none() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            for n in 0..100 {
                let target = spawn(async {});
                let reference = monitor(target);
                for _ in 0..n % 4 {
                    yield_now().await;
                }
                demonitor_flush(reference);
            }
            expect_nothing(&mut inbox).await;
            assert!(info(self_pid()).unwrap().monitors.is_empty());
        })
    });
}

/// In OTP the end of a process takes its monitors along (`erlang:monitor/2`): whom it watched keeps no
/// book of the dead.
#[test]
fn a_watcher_that_ends_takes_its_monitors_along() {
    on_both(|| async {
        let target = spawn(pending::<()>());
        for reason in [ExitReason::Normal, oops("failed"), ExitReason::Kill] {
            let watcher = spawn(async move {
                monitor(target);
                monitor(target);
                until(|| info(target).unwrap().monitored_by.len() == 2).await;
                if reason == ExitReason::Kill {
                    exit(self_pid(), ExitReason::Kill);
                    pending::<()>().await;
                }
                reason
            });
            until(|| !is_alive(watcher)).await;
            until(|| info(target).unwrap().monitored_by.is_empty()).await;
        }
        assert!(is_alive(target));
    });
}
