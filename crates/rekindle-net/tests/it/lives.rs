//! One connection's end is nobody else's.

use rekindle_actor::{ExitReason, exit, recent_crashes, yield_now};

use crate::support::{Book, Peer, only, run, server, started, until, watch};

#[test]
fn a_crash_closes_one_socket_and_is_reported() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book)).await;
        let mut unlucky = Peer::connect(address).await;
        let pid = only(&server).await;
        let end = watch(pid).await;
        let mut lucky = Peer::connect(address).await;
        assert_eq!(lucky.ask("echo a").await, "a");
        unlucky.say("crash\n").await;
        let reason = end.reason().await;
        assert!(reason.is_panic(), "{reason}");
        assert_eq!(unlucky.hear_out().await.0, b"");
        assert_eq!(lucky.ask("echo b").await, "b");

        until(|| recent_crashes().iter().any(|report| report.pid == pid)).await;
        let reports = recent_crashes();
        let report = reports.iter().find(|report| report.pid == pid).unwrap();
        assert_eq!(report.last_message.as_deref(), Some("data (6 bytes)"));
        assert_eq!(report.state.as_deref(), Some("1 handled"));
        let own = unlucky.0.get_ref().local_addr().unwrap().to_string();
        assert_eq!(report.label.as_deref(), Some(&*own));
        assert!(
            book.lines()
                .iter()
                .any(|line| line.contains("as it was told"))
        );
    });
}

#[test]
fn an_error_ends_a_connection_as_a_panic_does() {
    run(async {
        let (server, address) = started(server(&Book::default())).await;
        let mut peer = Peer::connect(address).await;
        let end = watch(only(&server).await).await;
        peer.say("fail\n").await;
        assert_eq!(end.reason().await, ExitReason::msg("as it was told"));
    });
}

#[test]
fn a_killed_connection_is_closed_and_makes_room() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book).max_connections(1)).await;
        let mut first = Peer::connect(address).await;
        // A callback that never ends can be killed as well.
        first.say("hang\n").await;
        let pid = only(&server).await;
        let mut second = Peer::connect(address).await;
        exit(pid, ExitReason::Kill);
        let (heard, _) = first.hear_out().await;
        assert_eq!(heard, b"");
        assert_eq!(second.ask("echo my turn").await, "my turn");
        assert!(!book.lines().iter().any(|line| line.starts_with("close")));
    });
}

#[test]
fn a_peer_that_resets_is_no_crash() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book)).await;
        let mut rude = Peer::connect(address).await;
        let pid = only(&server).await;
        let end = watch(pid).await;
        rude.say("echo you never read this\n").await;
        // Whoever closes a socket with unread input in it resets the connection.
        rude.0.peek(&mut [0]).await.unwrap();
        drop(rude);
        let reason = end.reason().await;
        assert!(matches!(reason, ExitReason::ShutdownWith(_)), "{reason}");
        assert!(
            book.has("close")
                .await
                .starts_with("close the connection failed")
        );
        assert!(recent_crashes().iter().all(|report| report.pid != pid));
    });
}

#[test]
fn connections_come_and_go_by_the_hundred_and_none_remains() {
    run(async {
        let (server, address) = started(server(&Book::default())).await;
        for round in 0..10 {
            let mut peers = Vec::new();
            for _ in 0..30 {
                peers.push(Peer::connect(address).await);
            }
            for peer in &mut peers {
                assert_eq!(peer.ask("echo x").await, "x");
            }
            // Half of them crash, half go.
            for peer in peers.iter_mut().step_by(2) {
                peer.say("crash\n").await;
            }
            drop(peers);
            while server.status().await.unwrap().connections > 0 {
                yield_now().await;
            }
            assert_eq!(server.status().await.unwrap().accepted, 30 * (round + 1));
        }
        while !server.connections().await.unwrap().is_empty() {
            yield_now().await;
        }
    });
}
