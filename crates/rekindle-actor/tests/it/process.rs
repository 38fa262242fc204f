//! PROC: what is to be seen of processes, and how messages are received.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekindle_actor::{
    ExitReason, GenServer as _, Info, Mailbox, ReplyTo, Starter, WaitKind, ancestors_of, exit,
    info, is_alive, link, list, monitor, parent, register, self_pid, send_after, set_label, sleep,
    spawn, spawn_link, spawn_monitor, trap_exit, tree, tree_text, try_self_pid, yield_now,
};

use crate::support::*;

#[test]
fn proc_005_a_process_is_alive_until_its_end_can_be_seen() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let target = mortal();
            assert!(is_alive(target.pid()));
            assert!(is_alive(self_pid()));
            monitor(target.pid());
            target.send(ExitReason::Normal);
            expect_down(&mut inbox).await;
            assert!(!is_alive(target.pid()));
        })
    });
}

#[test]
fn proc_006_info_shows_a_live_process_and_none_of_a_dead_one() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (target, partner) = (Puppet::trapping().await, idle());
            let (pid, me) = (target.pid(), self_pid());
            register("shown", pid).unwrap();
            target.run(move || link(partner)).await;
            target.run(move || monitor(me)).await;
            monitor(pid);
            until(|| info(pid).unwrap().monitored_by == [me]).await;
            let seen = info(pid).unwrap();
            assert_eq!(seen.pid, pid);
            assert_eq!(seen.name.as_deref(), Some("shown"));
            assert_eq!(seen.links, [partner]);
            assert_eq!(seen.monitors, [me]);
            assert!(seen.traps_exits);
            assert_eq!((seen.mailbox, seen.dropped), (0, 0));
            assert_eq!(seen.parent, Some(me));
            assert!(seen.spawned_at.file().ends_with("support.rs"));
            assert!(!seen.behaviour.is_empty());
            assert!(!seen.running, "it waits");
            assert_eq!(info(me).map(|own| own.running), Some(true));
            exit(pid, ExitReason::Kill);
            expect_down(&mut inbox).await;
            assert!(info(pid).is_none());
            // One that takes nothing shows what waits, and that it does not trap.
            let deaf = spawn(|_inbox: Mailbox<u8>| pending::<()>());
            deaf.send(1);
            deaf.send(2);
            let seen = info(deaf.pid()).unwrap();
            assert_eq!((seen.mailbox, seen.traps_exits), (2, false));
            assert_eq!((seen.name, seen.links), (None, vec![]));
        })
    });
}

/// The line of this file that ends with a marker.
fn line_of(marker: &str) -> u32 {
    let marker = format!("// {marker}");
    let at = include_str!("process.rs")
        .lines()
        .position(|line| line.ends_with(&marker));
    at.expect("the marker is there") as u32 + 1
}

#[test]
fn proc_006_info_says_what_a_process_waits_for_and_from_which_line() {
    on_both(|| async {
        let log = Log::new();
        let server = probe(&log).await;
        let callee = server.clone();
        let receives = spawn(|mut inbox: Mailbox<()>| async move {
            inbox.recv().await; // receives here
        });
        let sleeps = spawn(async {
            sleep(Duration::from_secs(3600)).await; // sleeps here
        });
        let calls = spawn(async move {
            let _ = callee.call(Ask::Hang).no_timeout().await; // calls here
        });
        let stops = spawn(async {
            let _ = rekindle_actor::Stop::new(idle()).await; // stops here
        });
        let awaits = spawn(async {
            let _ = rekindle_actor::Task::spawn(pending::<()>()).await; // awaits here
        });
        let starts = spawn(async {
            let start = Starter::new("");
            let start = start.start(|_: Mailbox<()>, _ack| pending()); // starts here
            let _ = start.await;
        });
        let waits = [
            (receives.pid(), WaitKind::Receive, "receives here"),
            (sleeps, WaitKind::Sleep, "sleeps here"),
            (calls, WaitKind::Call, "calls here"),
            (stops, WaitKind::Stop, "stops here"),
            (awaits, WaitKind::Task, "awaits here"),
            (starts, WaitKind::Start, "starts here"),
        ];
        for (pid, kind, marker) in waits {
            until(|| info(pid).unwrap().waits.is_some()).await;
            let wait = info(pid).unwrap().waits.unwrap();
            assert_eq!(
                (wait.kind, wait.at.line()),
                (kind, line_of(marker)),
                "{wait}"
            );
            assert!(wait.at.file().ends_with("process.rs"), "{wait}");
        }
        until(|| info(calls).unwrap().calls == Some(server.pid())).await;
        assert_eq!(info(receives.pid()).unwrap().calls, None);
    });
}

#[test]
fn proc_006_a_wait_that_is_over_is_no_longer_shown() {
    on_both(|| async {
        let puppet = Puppet::new();
        let waits = puppet.run(|| info(self_pid()).unwrap().waits).await;
        assert_eq!(waits, None, "it runs");
        sleep(Duration::from_millis(1)).await;
        assert_eq!(info(self_pid()).unwrap().waits, None);
        let _ = puppet.run(|| ()).await;
        let own = info(self_pid()).unwrap();
        assert_eq!((own.waits, own.calls), (None, None));
    });
}

#[test]
fn proc_007_the_mailbox_length_counts_what_was_sent_before_the_question() {
    on_both(|| async {
        // It never takes a message, and has turns all the time.
        let busy = spawn(|_inbox: Mailbox<u32>| async move {
            for _ in 0..100_000 {
                yield_now().await;
            }
            pending::<()>().await;
        });
        for n in 1..=300 {
            busy.send(n);
            assert_eq!(info(busy.pid()).unwrap().mailbox, n as usize);
            if n % 7 == 0 {
                yield_now().await;
            }
        }
    });
}

#[test]
fn proc_008_a_label_can_be_set_and_seen() {
    on_both(|| async {
        let puppet = Puppet::new();
        assert_eq!(info(puppet.pid()).unwrap().label, None);
        puppet.run(|| set_label("cart of Ada")).await;
        assert_eq!(
            info(puppet.pid()).unwrap().label.as_deref(),
            Some("cart of Ada")
        );
    });
}

#[test]
fn proc_009_a_process_knows_its_parent_and_ancestors() {
    on_both(|| async {
        let outer = Puppet::new();
        let inner = outer.run(Puppet::new).await;
        register("outer", outer.pid()).unwrap();
        assert_eq!(inner.run(parent).await, Some(outer.pid()));
        assert_eq!(outer.run(parent).await, Some(self_pid()));
        let ancestors = ancestors_of(inner.pid());
        assert_eq!(ancestors[0], (outer.pid(), Some("outer".into())));
        assert_eq!(ancestors[1].0, self_pid());
        exit(outer.pid(), ExitReason::Kill);
        until(|| !outer.is_alive()).await;
        assert_eq!(inner.run(parent).await, Some(outer.pid()), "it may be dead");
    });
}

#[test]
fn proc_010_pids_are_never_used_again() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let mut known = BTreeSet::new();
            for _ in 0..3_000 {
                let (pid, _) = spawn_monitor(async {});
                expect_down(&mut inbox).await;
                assert!(known.insert(pid), "{pid} was given out twice");
            }
            let alive: Vec<_> = (0..100).map(|_| idle()).collect();
            assert!(alive.iter().all(|pid| !known.contains(pid)));
            assert!(
                known
                    .iter()
                    .all(|dead| !is_alive(*dead) && info(*dead).is_none())
            );
        })
    });
}

#[test]
fn proc_016_a_selective_receive_keeps_the_order_of_what_it_skips() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let me = inbox.recipient();
            (1..=6).for_each(|n| me.send(n));
            assert_eq!(inbox.recv_match(|n| *n == 4).await, 4);
            assert_eq!(inbox.recv_match(|n| n % 2 == 0).await, 2);
            assert_eq!(
                inbox.recv_match_timeout(Duration::ZERO, |n| *n > 6).await,
                None
            );
            assert_eq!(
                inbox.recv_match_timeout(Duration::ZERO, |n| *n > 5).await,
                Some(6)
            );
            let mut rest = Vec::new();
            while let Some(n) = inbox.recv_timeout(Duration::ZERO).await {
                rest.push(n);
            }
            assert_eq!(rest, [1, 3, 5]);
        })
    });
}

#[test]
fn proc_016_a_selective_receive_waits_for_a_match() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let me = inbox.recipient();
            spawn(async move {
                for n in 1..=9 {
                    me.send(n);
                    yield_now().await;
                }
            });
            assert_eq!(inbox.recv_match(|n| *n == 9).await, 9);
            for n in 1..=8 {
                assert_eq!(inbox.recv().await, n);
            }
        })
    });
}

#[test]
fn proc_016_a_zero_timeout_takes_what_is_there() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            assert_eq!(inbox.recv_timeout(Duration::ZERO).await, None);
            let me = inbox.recipient();
            me.send(1);
            yield_now().await;
            assert_eq!(inbox.recv_timeout(Duration::ZERO).await, Some(1));
            assert_eq!(inbox.try_recv(), None);
            assert!(inbox.is_empty());
        })
    });
}

/// What comes in the middle of a turn is there, as it is in Erlang.
#[test]
fn proc_016_what_was_sent_a_moment_ago_is_there() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let me = inbox.recipient();
            me.send(1);
            assert_eq!((inbox.len(), inbox.try_recv()), (1, Some(1)));
            (2..=4).for_each(|n| me.send(n));
            assert_eq!(
                inbox.recv_match_timeout(Duration::ZERO, |n| *n == 3).await,
                Some(3)
            );
            me.send(5);
            assert_eq!(inbox.recv_timeout(Duration::ZERO).await, Some(2));
            assert_eq!(inbox.try_recv(), Some(4));
            assert_eq!(inbox.recv_timeout(Duration::ZERO).await, Some(5));
            assert_eq!(inbox.recv_timeout(Duration::ZERO).await, None);
            me.send(6);
            assert!(matches!(
                inbox.next_timeout(Duration::ZERO).await,
                rekindle_actor::Info::Message(6)
            ));
        })
    });
}

/// A body that never waits, and looks only: others' messages come to it from other threads.
#[test]
fn proc_016_who_only_looks_finds_what_others_send() {
    on_pool(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            const MESSAGES: u32 = 2_000;
            let me = inbox.recipient();
            spawn(async move {
                for n in 0..MESSAGES {
                    me.send(n);
                    if n % 100 == 0 {
                        yield_now().await;
                    }
                }
            });
            let mut next = 0;
            while next < MESSAGES {
                match inbox.try_recv() {
                    Some(n) => {
                        assert_eq!(n, next);
                        next += 1;
                    }
                    None => std::thread::yield_now(),
                }
            }
        })
    });
}

/// An exit signal that comes before the message ends the process before it takes that.
#[test]
fn proc_016_an_exit_that_came_a_moment_ago_is_there() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let seen = log.clone();
            spawn_monitor(with_inbox(move |mut inbox: Mailbox<u32>| async move {
                exit(self_pid(), oops("enough"));
                inbox.recipient().send(1);
                let got = inbox.recv_timeout(Duration::ZERO).await;
                seen.add(format!("{got:?}"));
            }));
            expect_down(&mut inbox).await;
            assert_eq!(log.all(), Vec::<String>::new());
        })
    });
}

/// A loop that only looks, and never waits, gives way to others all the same.
#[test]
fn a_loop_of_looks_lets_others_have_their_turns() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let looking = spawn(|mut inbox: Mailbox<u32>| async move {
                while inbox.recv_timeout(Duration::ZERO).await.is_none() {}
            });
            for _ in 0..3 {
                yield_now().await;
            }
            monitor(looking.pid());
            looking.send(1);
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Normal);
        })
    });
}

/// What has been looked at once is not looked at again, however many messages come.
#[test]
fn a_selective_receive_looks_at_each_message_once() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            const SKIPPED: u32 = 2_000;
            let (me, looks) = (inbox.recipient(), Arc::new(AtomicUsize::new(0)));
            spawn(async move {
                for n in 1..=SKIPPED {
                    me.send(n);
                    if n % 50 == 0 {
                        yield_now().await;
                    }
                }
                me.send(0);
            });
            let counter = looks.clone();
            let wanted = move |n: &u32| {
                counter.fetch_add(1, Ordering::SeqCst);
                *n == 0
            };
            assert_eq!(inbox.recv_match(wanted).await, 0);
            assert_eq!(looks.load(Ordering::SeqCst), SKIPPED as usize + 1);
            assert_eq!(inbox.len(), SKIPPED as usize);
        })
    });
}

#[test]
fn a_filter_that_panics_loses_no_message() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let noted = log.clone();
            let (target, _) = spawn_monitor(|mut inbox: Mailbox<u32>| async move {
                until(|| inbox.len() == 3).await;
                {
                    let wait = inbox.recv_match(|n| if *n == 2 { panic!("no two") } else { false });
                    let mut wait = std::pin::pin!(wait);
                    std::future::poll_fn(|cx| {
                        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                            wait.as_mut().poll(cx)
                        }));
                        assert!(polled.is_err());
                        std::task::Poll::Ready(())
                    })
                    .await;
                }
                while let Some(n) = inbox.try_recv() {
                    noted.add(n.to_string());
                }
            });
            (1..=3).for_each(|n| target.send(n));
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Normal);
            assert_eq!(log.all(), ["1", "2", "3"]);
        })
    });
}

/// Messages, a link's exit, and a `Down` of one process arrive in the order in which they were
/// sent.
#[test]
fn what_one_process_sends_arrives_in_order() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            trap_exit(true);
            for _ in 0..20 {
                let me = inbox.recipient();
                let linked = spawn_link(async move {
                    (0..10).for_each(|n| me.send(n));
                    oops("last")
                });
                for n in 0..10 {
                    assert!(matches!(inbox.next().await, Info::Message(m) if m == n));
                }
                assert_eq!(expect_exit(&mut inbox).await.from, linked);
                let me = inbox.recipient();
                let (watched, _) = spawn_monitor(async move {
                    (0..10).for_each(|n| me.send(n));
                });
                for n in 0..10 {
                    assert!(matches!(inbox.next().await, Info::Message(m) if m == n));
                }
                assert_eq!(expect_down(&mut inbox).await.pid, Some(watched));
            }
        })
    });
}

#[test]
fn many_senders_each_keep_their_order() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<(usize, u32)>| async move {
            for sender in 0..8 {
                let me = inbox.recipient();
                spawn(async move {
                    for n in 0..200 {
                        me.send((sender, n));
                        if n % 17 == sender as u32 {
                            yield_now().await;
                        }
                    }
                });
            }
            let mut next = [0; 8];
            for _ in 0..8 * 200 {
                let (sender, n) = inbox.recv().await;
                assert_eq!(n, next[sender]);
                next[sender] += 1;
            }
        })
    });
}

/// An exit signal acts before unread messages, however many there are.
#[test]
fn an_exit_signal_does_not_queue_behind_messages() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let handled = Arc::new(AtomicUsize::new(0));
            let counter = handled.clone();
            let (target, _) = spawn_monitor(|mut inbox: Mailbox<u32>| async move {
                loop {
                    if inbox.recv().await == u32::MAX {
                        break;
                    }
                    counter.fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            });
            (0..20_000).for_each(|n| target.send(n));
            exit(target.pid(), oops("now"));
            assert_eq!(expect_down(&mut inbox).await.reason, oops("now"));
            assert!(handled.load(Ordering::SeqCst) < 20_000);
        })
    });
}

#[test]
fn a_mailbox_with_a_million_messages_is_dropped() {
    const MESSAGES: usize = 1_000_000;
    async fn fill_and_kill() {
        let drops = Drops::new();
        let target = spawn(|_inbox: Mailbox<Counted>| pending::<()>());
        for _ in 0..MESSAGES {
            target.send(drops.counted());
        }
        exit(target.pid(), ExitReason::Kill);
        until(|| drops.count() == MESSAGES).await;
        until(|| !is_alive(target.pid())).await;
    }
    within_patience("pool", || pool(2).block_on(fill_and_kill()));
    within_patience("simulator", || {
        rekindle_actor::Runtime::simulated(1).block_on(fill_and_kill());
    });
}

#[test]
fn the_list_is_taken_in_windows() {
    on_both(|| async {
        let mine: BTreeSet<_> = (0..250).map(|_| idle()).collect();
        let (mut seen, mut from) = (BTreeSet::new(), Some(0));
        while let Some(place) = from {
            let window = list(place, 64);
            assert!(window.processes.len() <= 64);
            seen.extend(window.processes.iter().map(|info| info.pid));
            from = window.next;
        }
        assert!(mine.is_subset(&seen));
        assert!(seen.contains(&self_pid()));
        assert_eq!(seen.len(), 251);
    });
}

#[test]
fn the_tree_shows_who_spawned_whom() {
    on_both(|| async {
        let outer = Puppet::new();
        let inner: Vec<_> = {
            let first = outer.run(idle).await;
            let second = outer.run(idle).await;
            vec![first, second]
        };
        register("outer", outer.pid()).unwrap();
        let roots = tree();
        assert_eq!(roots.len(), 1);
        assert_eq!(roots[0].process.pid, self_pid());
        let outer_tree = &roots[0].children[0];
        assert_eq!(outer_tree.process.pid, outer.pid());
        let children: BTreeSet<_> = outer_tree.children.iter().map(|c| c.process.pid).collect();
        assert_eq!(children, inner.into_iter().collect());
        let text = tree_text();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.lines().nth(1).unwrap().contains("\"outer\""), "{text}");
    });
}

#[test]
fn the_tree_of_a_long_chain_of_parents_is_made_without_recursion() {
    within_patience("pool", || {
        pool(1).block_on(async {
            const DEPTH: usize = 5_000;
            fn nest(left: usize, done: ReplyTo<()>) {
                spawn(async move {
                    if left == 0 {
                        done.reply(());
                    } else {
                        nest(left - 1, done);
                    }
                    pending::<()>().await;
                });
            }
            let starter = spawn(|mut inbox: Mailbox<ReplyTo<()>>| async move {
                let done = inbox.recv().await;
                nest(DEPTH, done);
                pending::<()>().await;
            });
            starter.call(|done| done).await.unwrap();
            assert!(tree_text().lines().count() > DEPTH);
        });
    });
}

#[test]
fn self_pid_is_known_inside_only() {
    assert_eq!(try_self_pid(), None);
    on_both(|| async { assert_eq!(try_self_pid(), Some(self_pid())) });
}

/// A handler that blocks its thread holds up nobody else, not even on one worker.
#[test]
fn a_process_that_blocks_its_thread_stops_no_other() {
    on_pool(|| async {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let log = Log::new();
        let server = probe(&log).await;
        server.cast(tell(move |_, _| {
            // Until the others have made progress. Were they stopped, this would never end.
            gate.recv().unwrap();
            Ok(rekindle_actor::Next::Wait)
        }));
        let puppet = Puppet::new();
        for n in 0..100 {
            assert_eq!(puppet.run(move || n + 1).await, n + 1);
        }
        sleep(Duration::from_millis(1)).await;
        release.send(()).unwrap();
        assert_eq!(server.call(Ask::Get).await, Ok(0));
    });
}

/// A process that is never out of messages gives way to others on the same worker.
#[test]
fn a_process_with_endless_work_gives_way() {
    on_both(|| async {
        let endless = spawn(|mut inbox: Mailbox<u8>| async move {
            let me = inbox.recipient();
            me.send(0);
            while inbox.recv().await == 0 {
                me.send(0);
                me.send(0);
            }
        });
        let puppet = Puppet::new();
        for n in 0..20 {
            assert_eq!(puppet.run(move || n).await, n);
        }
        exit(endless.pid(), ExitReason::Kill);
        until(|| !is_alive(endless.pid())).await;
    });
}

#[test]
fn a_combinator_inside_a_body_is_woken() {
    // Two receives polled by hand with a waker of their own: what a `select!` does.
    struct Flag(std::sync::atomic::AtomicBool, std::task::Waker);
    impl std::task::Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
            self.1.wake_by_ref();
        }
    }
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u32>| async move {
            let me = inbox.recipient();
            send_after(Duration::from_millis(1), &me, 9);
            let got = {
                let mut receive = std::pin::pin!(inbox.recv());
                let mut flag: Option<Arc<Flag>> = None;
                std::future::poll_fn(move |cx| {
                    let ready = match &flag {
                        Some(flag) => flag.0.swap(false, Ordering::SeqCst),
                        None => true,
                    };
                    if !ready {
                        return std::task::Poll::Pending;
                    }
                    let own = flag
                        .get_or_insert_with(|| Arc::new(Flag(false.into(), cx.waker().clone())));
                    let waker = std::task::Waker::from(own.clone());
                    receive
                        .as_mut()
                        .poll(&mut std::task::Context::from_waker(&waker))
                })
                .await
            };
            assert_eq!(got, 9);
        })
    });
}

#[test]
fn a_server_is_shown_by_its_type() {
    on_both(|| async {
        let server = Probe::start(Probe::plain(&Log::new(), 0)).await.unwrap();
        let shown = info(server.pid()).unwrap();
        assert!(shown.behaviour.ends_with("Probe"), "{}", shown.behaviour);
        assert!(shown.spawned_at.file().ends_with("process.rs"));
        assert!(tree_text().contains("Probe"));
    });
}
