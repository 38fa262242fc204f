//! EXIT: exit reasons and exit signals.

use std::fmt;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rekindle_actor::{
    ExitReason, Mailbox, Name, SendError, exit, is_alive, link, monitor, raise, self_pid,
    send_after, sleep, spawn, spawn_link, spawn_monitor, trap_exit, yield_now,
};

use crate::support::*;

#[derive(Debug, PartialEq)]
struct OutOfPaper {
    tray: u8,
}

impl fmt::Display for OutOfPaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tray {} is empty", self.tray)
    }
}

impl std::error::Error for OutOfPaper {}

#[test]
fn exit_001_a_body_that_returns_ends_normally() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let linked = spawn_link(async {});
            let heard = expect_exit(&mut inbox).await;
            assert_eq!((heard.from, heard.reason), (linked, ExitReason::Normal));
            let (watched, reference) = spawn_monitor(async {});
            let down = expect_down(&mut inbox).await;
            assert_eq!((down.reference, down.pid), (reference, Some(watched)));
            assert_eq!(down.reason, ExitReason::Normal);
            expect_nothing(&mut inbox).await;
        })
    });
}

/// Of two fatal signals that lie in the inbox the first is the reason.
#[test]
fn the_first_fatal_signal_counts() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = idle();
            monitor(target);
            exit(target, oops("first"));
            exit(target, oops("second"));
            exit(target, ExitReason::Kill);
            assert_eq!(expect_down(&mut inbox).await.reason, oops("first"));
        })
    });
}

#[test]
fn exit_002_a_raised_reason_arrives_unchanged() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            spawn_link(async { raise(ExitReason::error(OutOfPaper { tray: 3 })) as () });
            let heard = expect_exit(&mut inbox).await.reason;
            assert_eq!(heard.downcast_ref(), Some(&OutOfPaper { tray: 3 }));
            let (_, _) = spawn_monitor(async { Err::<(), _>(OutOfPaper { tray: 4 }) });
            let heard = expect_down(&mut inbox).await.reason;
            assert_eq!(heard.downcast_ref(), Some(&OutOfPaper { tray: 4 }));
            assert_eq!(heard.to_string(), "tray 4 is empty");
        })
    });
}

#[test]
fn exit_002_a_raise_from_deep_inside_drops_what_is_on_the_way() {
    fn deep(levels: u32, drops: &Drops) {
        let _held = drops.counted();
        if levels == 0 {
            raise(ExitReason::shutdown_with("far down"));
        }
        deep(levels - 1, drops);
    }
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let drops = Drops::new();
            let counted = drops.clone();
            spawn_monitor(async move { deep(9, &counted) });
            let reason = expect_down(&mut inbox).await.reason;
            assert_eq!(reason, ExitReason::shutdown_with("far down"));
            assert_eq!(drops.count(), 10);
        })
    });
}

#[test]
fn exit_003_a_panic_becomes_a_reason_and_stays_inside() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let bystander = Puppet::new();
            let number = 7;
            spawn_monitor(async move { panic!("boom {number}") as () });
            match expect_down(&mut inbox).await.reason {
                ExitReason::Panic(panic) => {
                    assert_eq!(panic.message, "boom 7");
                    let place = panic.location.as_deref().unwrap_or_default();
                    assert!(
                        place.contains("exit.rs"),
                        "where it happened is kept: {place:?}"
                    );
                }
                other => panic!("a panic, not {other:?}"),
            }
            assert_eq!(bystander.run(|| 1 + 1).await, 2);
        })
    });
}

#[test]
fn exit_004_an_abnormal_signal_ends_its_receiver_with_that_reason() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = idle();
            exit(target, oops("because"));
            // It may be dead by now, so what is told is NoProc or the reason; a linked one is not.
            let (watched, _) = spawn_monitor(std::future::pending::<()>());
            exit(watched, oops("because"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("because"));
            until(|| !is_alive(target)).await;
        })
    });
}

#[test]
fn exit_005_a_normal_signal_from_another_process_does_nothing() {
    on_both(|| async {
        let target = Puppet::new();
        exit(target.pid(), ExitReason::Normal);
        assert_eq!(target.run(|| 5).await, 5);
        assert_eq!(target.noted(), []);
    });
}

#[test]
fn exit_006_a_trapped_signal_is_a_message_even_without_a_link() {
    on_both(|| async {
        let target = Puppet::trapping().await;
        let reasons = [
            oops("a"),
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::Killed,
        ];
        for reason in &reasons {
            exit(target.pid(), reason.clone());
        }
        let expected = reasons.map(|reason| Seen::Exit(self_pid(), reason));
        assert_eq!(target.seen().await, expected);
    });
}

#[test]
fn exit_007_kill_cannot_be_trapped_and_reads_killed() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = Puppet::trapping().await;
            monitor(target.pid());
            exit(target.pid(), ExitReason::Kill);
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Killed);
            assert_eq!(target.noted(), []);
        })
    });
}

#[test]
fn exit_007_a_process_that_raises_kill_ends_with_kill_which_its_links_can_trap() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            spawn_link(async { raise(ExitReason::Kill) as () });
            assert_eq!(expect_exit(&mut inbox).await.reason, ExitReason::Kill);
        })
    });
}

#[test]
fn exit_008_the_links_of_a_killed_process_hear_killed() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (victim, plain, trapping) = (idle(), Puppet::new(), Puppet::trapping().await);
            plain.run(move || link(victim)).await;
            trapping.run(move || link(victim)).await;
            monitor(plain.pid());
            exit(victim, ExitReason::Kill);
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Killed);
            assert_eq!(
                trapping.has_seen(1).await,
                [Seen::Exit(victim, ExitReason::Killed)]
            );
            assert!(trapping.is_alive());
        })
    });
}

#[test]
fn exit_009_a_signal_to_oneself_cannot_be_caught() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let reached = Arc::new(AtomicBool::new(false));
            let flag = reached.clone();
            spawn_monitor(async move {
                let caught = catch_unwind(|| exit(self_pid(), oops("own")));
                assert!(caught.is_ok(), "a signal does not unwind");
                yield_now().await;
                flag.store(true, Ordering::SeqCst);
            });
            assert_eq!(expect_down(&mut inbox).await.reason, oops("own"));
            assert!(!reached.load(Ordering::SeqCst));
        })
    });
}

#[test]
fn exit_009_a_normal_signal_to_oneself_ends_the_process() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            spawn_monitor(async {
                exit(self_pid(), ExitReason::Normal);
                std::future::pending::<()>().await;
            });
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Normal);
        })
    });
}

#[test]
fn exit_010_a_trapping_process_hears_its_own_signal() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            exit(self_pid(), oops("own"));
            let heard = expect_exit(&mut inbox).await;
            assert_eq!((heard.from, heard.reason), (self_pid(), oops("own")));
        })
    });
}

#[test]
fn exit_011_a_signal_to_the_dead_does_nothing() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (dead, _) = spawn_monitor(async {});
            expect_down(&mut inbox).await;
            exit(dead, oops("late"));
            exit(dead, ExitReason::Kill);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn exit_012_what_follows_a_fatal_signal_is_never_handled() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let noted = log.clone();
            let target = spawn(|mut inbox: Mailbox<&'static str>| async move {
                loop {
                    let message = inbox.recv().await;
                    if message == "end" {
                        break;
                    }
                    noted.add(message);
                }
            });
            monitor(target.pid());
            target.send("1");
            target.send("2");
            exit(target.pid(), oops("fatal"));
            target.send("3");
            send_after(Duration::from_millis(1), &target.recipient(), "4");
            assert_eq!(expect_down(&mut inbox).await.reason, oops("fatal"));
            sleep(Duration::from_millis(5)).await;
            let handled = log.all();
            assert!(
                ["1", "2"].starts_with(&handled.iter().map(String::as_str).collect::<Vec<_>>())
            );
        })
    });
}

#[test]
fn exit_013_a_very_large_reason_arrives_whole() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let text = "0123456789".repeat(40_000);
            let (target, partner) = (mortal(), Puppet::trapping().await);
            let pid = target.pid();
            partner.run(move || link(pid)).await;
            monitor(pid);
            target.send(oops(&text));
            assert_eq!(expect_down(&mut inbox).await.reason.to_string(), text);
            assert_eq!(partner.has_seen(1).await, [Seen::Exit(pid, oops(&text))]);
        })
    });
}

#[test]
fn exit_014_a_message_to_the_dead_vanishes_and_to_a_free_name_is_an_error() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = mortal();
            target.send(ExitReason::Normal);
            assert!(reason_of(&mut inbox, target.pid()).await != ExitReason::Killed);
            target.send(oops("late"));
            match target.try_send(oops("late")) {
                Err(SendError::NoProc(message)) => assert_eq!(message, oops("late")),
                other => panic!("{other:?}"),
            }
            let nobody = Name::<Probe>::new("nobody");
            assert!(matches!(nobody.try_send(7), Err(SendError::NoProc(_))));
        })
    });
}

#[test]
fn the_reasons_are_three_classes() {
    let clean = [
        ExitReason::Normal,
        ExitReason::Shutdown,
        ExitReason::shutdown_with("tea"),
    ];
    assert!(clean.iter().all(ExitReason::is_clean));
    let abnormal = [
        ExitReason::Kill,
        ExitReason::Killed,
        ExitReason::NoProc,
        oops("x"),
    ];
    assert!(!abnormal.iter().any(ExitReason::is_clean));
    assert_ne!(
        ExitReason::shutdown_with("tea"),
        ExitReason::shutdown_with("time")
    );
    assert_ne!(oops("a"), oops("b"));
    assert_eq!(oops("a"), oops("a"));
}
