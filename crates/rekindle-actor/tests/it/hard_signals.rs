//! Exit signals, links and monitors where several things happen at once. Each test says what
//! Erlang does and where that is written: RM is the reference manual's chapter on processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rekindle_actor::{
    ExitReason, GenServer, Info, Mailbox, demonitor, demonitor_flush, exit, info, is_alive, link,
    monitor, monitor_name, raise, register, self_pid, sleep, spawn, spawn_link, trap_exit, unlink,
    unregister, whereis, yield_now,
};

use crate::support::*;

/// `erlang:link/1`: links do not count. Two calls make one link, and one `unlink` takes it away.
#[test]
fn a_link_made_twice_is_gone_after_one_unlink() {
    on_both(|| async {
        let (one, two) = (Puppet::new(), Puppet::new());
        let (a, b) = (one.pid(), two.pid());
        one.run(move || link(b)).await;
        two.run(move || link(a)).await;
        one.is_linked_with(b).await;
        one.run(move || link(b)).await;
        two.run(move || unlink(a)).await;
        two.die(oops("alone"));
        until(|| !is_alive(b)).await;
        one.run(|| ()).await;
        assert!(one.is_alive());
        assert_eq!(links_of(a), []);
    });
}

/// `erlang:unlink/1`: once it has returned, no exit signal over that link has an effect, also one
/// that had been sent and not received.
#[test]
fn unlink_beats_an_exit_signal_that_is_on_its_way() {
    on_pool(|| async {
        let one = Puppet::new();
        let fate = one
            .run(|| {
                let other = spawn_link(async { raise(oops("at once")) });
                // It dies on another thread, while this turn goes on: its signal lies unreceived.
                while is_alive(other) {
                    std::thread::yield_now();
                }
                std::thread::sleep(Duration::from_millis(5));
                unlink(other);
            })
            .await;
        assert_eq!(fate, ());
        sleep(Duration::from_millis(5)).await;
        one.run(|| ()).await;
        assert!(one.is_alive());
    });
}

/// `erlang:process_flag(trap_exit, ..)`: what has become a message stays one, whatever the flag
/// says later; what comes later meets the flag as it is then.
#[test]
fn an_exit_that_is_a_message_already_does_not_kill_when_trapping_ends() {
    on_both(|| async {
        let target = spawn(|mut inbox: Mailbox<u8>| async move {
            trap_exit(true);
            assert_eq!(inbox.recv().await, 1);
            // The exit was received in the turn of this message or before.
            trap_exit(false);
            assert_eq!(inbox.recv().await, 2);
            let exit = expect_exit(&mut inbox).await;
            assert_eq!(exit.reason, oops("first"));
            inbox.recv().await;
        });
        with_inbox(|mut own: Mailbox<()>| async move {
            let pid = target.pid();
            let reference = monitor(pid);
            until(|| info(pid).is_some_and(|info| info.traps_exits)).await;
            exit(pid, oops("first"));
            target.send(1);
            target.send(2);
            until(|| info(pid).is_none_or(|info| !info.traps_exits && info.mailbox == 0)).await;
            exit(pid, oops("second"));
            let down = expect_down(&mut own).await;
            assert_eq!((down.reference, down.reason), (reference, oops("second")));
        })
        .await;
    });
}

/// RM Receiving Exit Signals: `kill` from `exit/2` cannot be trapped, and what goes on from there
/// is `killed`, which can.
#[test]
fn a_kill_goes_on_as_killed_through_who_does_not_trap_to_who_does() {
    on_both(|| async {
        let last = Puppet::trapping().await;
        let (first, middle) = (Puppet::trapping().await, Puppet::new());
        let (a, b, c) = (first.pid(), middle.pid(), last.pid());
        middle.run(move || (link(a), link(c))).await;
        middle.is_linked_with(a).await;
        middle.is_linked_with(c).await;
        exit(a, ExitReason::Kill);
        assert_eq!(last.has_seen(1).await, [Seen::Exit(b, ExitReason::Killed)]);
        assert!(!is_alive(a) && !is_alive(b));
        assert_eq!(first.noted(), []);
    });
}

/// RM: a process that *ends* with `kill` sends `kill` over its links, and there it is a reason like
/// any other: one that traps gets it as a message, one that does not dies with `kill` itself.
#[test]
fn kill_over_a_link_can_be_trapped_and_is_not_turned_into_killed() {
    on_both(|| async {
        let watcher = Puppet::trapping().await;
        let (suicide, victim) = (Puppet::new(), Puppet::new());
        let (s, v) = (suicide.pid(), victim.pid());
        watcher.run(move || link(s)).await;
        watcher.is_linked_with(s).await;
        watcher.run(move || monitor(v)).await;
        victim.run(move || link(s)).await;
        victim.is_linked_with(s).await;
        suicide.die(ExitReason::Kill);
        let mut seen = watcher.has_seen(2).await;
        seen.sort_by_key(|seen| matches!(seen, Seen::Down(..)));
        let expected = [
            Seen::Exit(s, ExitReason::Kill),
            Seen::Down(v, ExitReason::Kill),
        ];
        assert_eq!(seen, expected);
    });
}

/// RM Sending Exit Signals: `exit(Pid, normal)` to others does nothing if they do not trap, is a
/// message if they do, and ends a process that sends it to itself without trapping.
#[test]
fn a_normal_exit_signal_depends_on_who_sends_it_to_whom() {
    on_both(|| async {
        let (plain, trapping) = (Puppet::new(), Puppet::trapping().await);
        let (p, t) = (plain.pid(), trapping.pid());
        let sender = Puppet::new();
        sender
            .run(move || {
                exit(p, ExitReason::Normal);
                exit(t, ExitReason::Normal);
            })
            .await;
        let expected = [Seen::Exit(sender.pid(), ExitReason::Normal)];
        assert_eq!(trapping.has_seen(1).await, expected);
        plain.run(|| ()).await;
        trapping.tell(move || exit(t, ExitReason::Normal));
        let seen = trapping.has_seen(2).await;
        assert_eq!(seen[1], Seen::Exit(t, ExitReason::Normal));
        plain.tell(move || exit(p, ExitReason::Normal));
        until(|| !plain.is_alive()).await;
    });
}

/// RM Delivery of Signals: a message, a link and the end of one process reach another in the
/// order in which they were made.
#[test]
fn what_a_process_says_before_it_dies_is_heard_before_its_death() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<&'static str>| async move {
            trap_exit(true);
            let (to, me) = (own.recipient(), self_pid());
            let speaker = spawn(|mut inbox: Mailbox<()>| async move {
                inbox.recv().await;
                to.send("one");
                link(me);
                to.send("two");
                raise(oops("end"))
            });
            let reference = monitor(speaker.pid());
            speaker.send(());
            let (mut said, mut ends) = (Vec::new(), 0);
            while ends < 2 {
                match own.next().await {
                    Info::Message(word) => {
                        assert_eq!(ends, 0, "{word} after the death");
                        said.push(word);
                    }
                    Info::Down(down) => {
                        assert_eq!((down.reference, down.reason), (reference, oops("end")));
                        ends += 1;
                    }
                    Info::Exit(exit) => {
                        assert_eq!((exit.from, exit.reason), (speaker.pid(), oops("end")));
                        ends += 1;
                    }
                    _ => unreachable!(),
                }
            }
            assert_eq!(said, ["one", "two"]);
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// RM Receiving Signals: a message behind a fatal signal of the same sender is never handled,
/// however long the mailbox was before.
#[test]
fn nothing_behind_a_fatal_signal_is_handled() {
    on_both(|| async {
        let handled = Log::new();
        let log = handled.clone();
        let target = spawn(|mut inbox: Mailbox<&'static str>| async move {
            loop {
                log.add(inbox.recv().await);
            }
        });
        for _ in 0..100 {
            target.send("before");
        }
        exit(target.pid(), oops("end"));
        target.send("after");
        until(|| !target.is_alive()).await;
        assert!(!handled.contains("after"));
    });
}

/// `erlang:demonitor/2`, option `flush`: nothing of the monitor is left, whether it had fired or
/// not, and the second call finds nothing.
#[test]
fn demonitor_with_flush_leaves_nothing_whenever_it_is_called() {
    on_both(|| async {
        for fired_before in [true, false] {
            with_inbox(move |mut own: Mailbox<()>| async move {
                let victim = mortal();
                let reference = monitor(victim.pid());
                let kept = monitor(victim.pid());
                victim.send(oops("end"));
                if fired_before {
                    until(|| own.len() == 2).await;
                }
                demonitor_flush(reference);
                assert!(!demonitor_flush(reference));
                let down = expect_down(&mut own).await;
                assert_eq!((down.reference, down.reason), (kept, oops("end")));
                expect_nothing(&mut own).await;
            })
            .await;
        }
    });
}

/// `erlang:demonitor/1` without `flush`: a `Down` that lies in the mailbox stays there.
#[test]
fn demonitor_without_flush_leaves_a_down_that_has_come() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let victim = mortal();
            let reference = monitor(victim.pid());
            victim.send(ExitReason::Normal);
            until(|| own.len() == 1).await;
            assert!(!demonitor(reference));
            assert_eq!(expect_down(&mut own).await.reference, reference);
        })
        .await;
    });
}

/// `erlang:monitor(process, Name)`: it watches the process that held the name at that moment. What
/// becomes of the name later is another matter.
#[test]
fn a_monitor_by_name_stays_with_the_process_when_the_name_moves_on() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let (one, two) = (mortal(), mortal());
            register("crown", one.pid()).unwrap();
            let reference = monitor_name("crown");
            unregister("crown").unwrap();
            register("crown", two.pid()).unwrap();
            two.send(oops("two"));
            until(|| !is_alive(two.pid())).await;
            expect_nothing(&mut own).await;
            one.send(oops("one"));
            let down = expect_down(&mut own).await;
            assert_eq!(down.reference, reference);
            assert_eq!(down.name.as_deref(), Some("crown"));
            assert_eq!(down.reason, oops("one"));
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `erlang:monitor/2` on a process that is gone: one `Down` with `noproc`, and no more.
#[test]
fn a_monitor_on_the_dead_fires_once_and_is_used_up() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let dead = mortal();
            dead.send(oops("before"));
            until(|| info(dead.pid()).is_none()).await;
            sleep(Duration::from_millis(1)).await;
            let reference = monitor(dead.pid());
            let down = expect_down(&mut own).await;
            assert_eq!(
                (down.reference, down.reason),
                (reference, ExitReason::NoProc)
            );
            assert_eq!(down.pid, Some(dead.pid()));
            assert!(!demonitor(reference));
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// `erlang:link/1` to a process that is gone: an exit signal with `noproc`, which kills who does
/// not trap.
#[test]
fn a_link_to_the_dead_is_an_exit_signal() {
    on_both(|| async {
        let dead = mortal();
        dead.send(ExitReason::Normal);
        until(|| info(dead.pid()).is_none()).await;
        sleep(Duration::from_millis(1)).await;
        let pid = dead.pid();
        let trapping = Puppet::trapping().await;
        trapping.run(move || link(pid)).await;
        let expected = [Seen::Exit(pid, ExitReason::NoProc)];
        assert_eq!(trapping.has_seen(1).await, expected);
        let plain = Puppet::new();
        let watcher = Puppet::new();
        let p = plain.pid();
        watcher.run(move || monitor(p)).await;
        plain.tell(move || link(pid));
        let expected = [Seen::Down(p, ExitReason::NoProc)];
        assert_eq!(watcher.has_seen(1).await, expected);
    });
}

/// RM Links: whoever links with a process in the moment of its death is not left alone with a link
/// to nobody: it hears of the end, by the true reason or by `noproc`.
#[test]
fn a_link_that_races_with_the_death_of_its_other_end_is_heard_of() {
    on_both(|| async {
        for _ in 0..10 {
            let trapping = Puppet::trapping().await;
            let victim = mortal();
            let pid = victim.pid();
            victim.send(oops("end"));
            trapping.tell(move || link(pid));
            let seen = trapping.has_seen(1).await;
            let either = [
                [Seen::Exit(pid, oops("end"))],
                [Seen::Exit(pid, ExitReason::NoProc)],
            ];
            assert!(either.iter().any(|one| *one == *seen), "{seen:?}");
            assert_eq!(trapping.seen().await.len(), 1);
            assert_eq!(links_of(trapping.pid()), []);
        }
    });
}

/// RM: a process hears of one death at most once over one link, also if both ends die.
#[test]
fn a_ring_of_links_falls_with_one_reason_and_each_is_heard_of_once() {
    on_both(|| async {
        let watcher = Puppet::new();
        let ring: Vec<Puppet> = (0..5).map(|_| Puppet::new()).collect();
        for (n, puppet) in ring.iter().enumerate() {
            let next = ring[(n + 1) % 5].pid();
            puppet.run(move || link(next)).await;
            puppet.is_linked_with(next).await;
            let pid = puppet.pid();
            watcher.run(move || monitor(pid)).await;
        }
        ring[2].die(oops("ring"));
        let seen = watcher.has_seen(5).await;
        for puppet in &ring {
            let end = Seen::Down(puppet.pid(), oops("ring"));
            assert_eq!(seen.iter().filter(|one| **one == end).count(), 1);
        }
        assert_eq!(watcher.seen().await.len(), 5);
    });
}

/// RM Registered Processes: who sees a `Down` finds the name free, also in the same turn.
#[test]
fn who_sees_a_down_can_take_the_name() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            for reason in [ExitReason::Kill, oops("end"), ExitReason::Normal] {
                let holder = idle();
                register("throne", holder).unwrap();
                monitor(holder);
                exit(holder, reason.clone());
                if reason.is_normal() {
                    exit(holder, ExitReason::Shutdown);
                }
                expect_down(&mut own).await;
                assert_eq!(whereis("throne"), None);
                let heir = mortal();
                register("throne", heir.pid()).unwrap();
                heir.send(ExitReason::Normal);
                until(|| whereis("throne").is_none()).await;
            }
        })
        .await;
    });
}

/// `erlang:unregister/1` and `register/2` while the old holder goes on: its death does not take
/// the name from the new holder.
#[test]
fn the_death_of_a_former_holder_does_not_free_the_name() {
    on_both(|| async {
        let log = Log::new();
        let server = Probe::start(Probe::trapping(&log))
            .name("seat")
            .await
            .unwrap();
        let heir = idle();
        server
            .call(ask(move |probe, _, from| {
                probe.on_terminate = Some(Box::new(move || {
                    unregister("seat").unwrap();
                    register("seat", heir).unwrap();
                }));
                from.reply(());
                Ok(rekindle_actor::Next::Wait)
            }))
            .await
            .unwrap();
        server.stop().await.unwrap();
        assert!(!server.is_alive());
        assert_eq!(whereis("seat"), Some(heir));
    });
}

/// `exit/1` in Erlang is not an exception that a `catch` of another process sees: a raise inside
/// `catch_unwind` is caught by it, and the signal to oneself is not.
#[test]
fn a_signal_to_oneself_is_no_panic_that_could_be_caught() {
    on_both(|| async {
        let caught = Arc::new(AtomicBool::new(false));
        let flag = caught.clone();
        let suicide = spawn(|mut inbox: Mailbox<()>| async move {
            inbox.recv().await;
            let result = std::panic::catch_unwind(|| exit(self_pid(), oops("self")));
            flag.store(result.is_ok(), Ordering::SeqCst);
            loop {
                yield_now().await;
            }
        });
        with_inbox(|mut own: Mailbox<()>| async move {
            monitor(suicide.pid());
            suicide.send(());
            assert_eq!(expect_down(&mut own).await.reason, oops("self"));
        })
        .await;
        assert!(caught.load(Ordering::SeqCst));
    });
}

/// RM Monitors: two monitors of one watcher are two, and taking one away leaves the other.
#[test]
fn taking_one_of_two_monitors_away_leaves_the_other() {
    on_both(|| async {
        with_inbox(|mut own: Mailbox<()>| async move {
            let victim = mortal();
            let (one, two) = (monitor(victim.pid()), monitor(victim.pid()));
            assert!(demonitor(one));
            victim.send(oops("end"));
            assert_eq!(expect_down(&mut own).await.reference, two);
            expect_nothing(&mut own).await;
        })
        .await;
    });
}

/// RM Receiving Exit Signals: an exit signal that comes over a link with the reason `normal` is
/// nothing to who does not trap, and the link is gone all the same.
#[test]
fn a_normal_end_takes_the_link_with_it() {
    on_both(|| async {
        let (one, two) = (Puppet::new(), Puppet::new());
        let b = two.pid();
        one.run(move || link(b)).await;
        one.is_linked_with(b).await;
        two.die(ExitReason::Normal);
        let a = one.pid();
        until(|| links_of(a).is_empty()).await;
        assert!(one.is_alive());
    });
}
