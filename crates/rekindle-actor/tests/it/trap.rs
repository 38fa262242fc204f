//! TRAP: exit signals as messages.

use rekindle_actor::{
    ExitReason, Info, Mailbox, exit, info, link, monitor, self_pid, spawn, spawn_link,
    spawn_monitor, trap_exit, yield_now,
};

use crate::support::*;

#[test]
fn trap_001_off_by_default_and_the_setter_gives_the_old_value() {
    on_both(|| async {
        assert!(!info(self_pid()).unwrap().traps_exits);
        assert!(!trap_exit(true));
        assert!(trap_exit(true));
        assert!(info(self_pid()).unwrap().traps_exits);
        assert!(trap_exit(false));
        assert!(!trap_exit(false));
    });
}

#[test]
fn trap_002_a_normal_end_of_a_linked_process_is_heard() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let child = spawn_link(async {});
            let heard = expect_exit(&mut inbox).await;
            assert_eq!((heard.from, heard.reason), (child, ExitReason::Normal));
        })
    });
}

#[test]
fn trap_003_the_flag_counts_when_the_signal_is_received() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            // Sent while not trapping, received while trapping.
            let (_, _) = spawn_monitor(|mut inbox: Mailbox<()>| async move {
                exit(self_pid(), oops("mine"));
                trap_exit(true);
                assert_eq!(expect_exit(&mut inbox).await.reason, oops("mine"));
            });
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Normal);
            // And the other way round.
            let (_, _) = spawn_monitor(async {
                trap_exit(true);
                exit(self_pid(), oops("mine"));
                trap_exit(false);
                yield_now().await;
                unreachable!("the signal was fatal when it was received")
            });
            assert_eq!(expect_down(&mut inbox).await.reason, oops("mine"));
        })
    });
}

#[test]
fn trap_004_exits_keep_their_place_among_messages() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let log = Log::new();
            let noted = log.clone();
            let (target, _) = spawn_monitor(|mut inbox: Mailbox<u8>| async move {
                trap_exit(true);
                for _ in 0..5 {
                    match inbox.next().await {
                        Info::Message(n) => noted.add(n.to_string()),
                        Info::Exit(exit) => noted.add(exit.reason.to_string()),
                        _ => noted.add("?"),
                    }
                }
            });
            until(|| info(target.pid()).is_some_and(|info| info.traps_exits)).await;
            target.send(1);
            exit(target.pid(), oops("first"));
            target.send(2);
            exit(target.pid(), oops("second"));
            target.send(3);
            expect_down(&mut inbox).await;
            assert_eq!(log.all(), ["1", "first", "2", "second", "3"]);
        })
    });
}

#[test]
fn trap_005_children_do_not_inherit_the_flag() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<bool>| async move {
            trap_exit(true);
            let me = inbox.recipient();
            spawn(async move { me.send(trap_exit(false)) });
            assert!(!inbox.recv().await);
        })
    });
}

#[test]
fn trap_006_a_server_sees_exits_of_others_than_its_parent_in_handle_info() {
    use rekindle_actor::GenServer as _;
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let server = Probe::start(Probe::trapping(&log)).await.unwrap();
            let (stranger, pid) = (Puppet::new(), server.pid());
            stranger.run(move || link(pid)).await;
            stranger.die(oops("by a link"));
            until(|| log.contains("exit by a link")).await;
            let (_, _) = spawn_monitor(async move { exit(pid, oops("by hand")) });
            expect_down(&mut inbox).await;
            assert_eq!(server.call(Ask::Get).await, Ok(0));
            assert_eq!(log.all(), ["init", "exit by a link", "exit by hand"]);
            monitor(pid);
        })
    });
}
