//! What is bounded, and what happens at the bound.

use std::time::Duration;

use rekindle_actor::{ExitReason, StartError, yield_now};
use rekindle_net::{Overflow, TcpServer};

use crate::support::{Book, Obedient, Peer, only, run, server, started, watch};

fn why(reason: &ExitReason) -> String {
    match reason {
        ExitReason::ShutdownWith(why) => why.to_string(),
        other => panic!("not the peer's fault: {other}"),
    }
}

#[test]
fn a_peer_that_never_reads_holds_its_connection_up_within_the_limit_and_then_loses_it() {
    run(async {
        let book = Book::default();
        let limited = server(&book)
            .write_limit(100_000, Overflow::Suspend)
            .write_timeout(Duration::from_millis(50));
        let (server, address) = started(limited).await;
        let mut deaf = Peer::connect(address).await;
        let end = watch(only(&server).await).await;
        deaf.say("flood\n").await;
        assert_eq!(why(&end.reason().await), "the peer took nothing for 50ms");
        assert!(book.most_queued() <= 100_000, "{}", book.most_queued());
        assert!(book.most_queued() > 90_000, "{}", book.most_queued());
        // Nobody else is held up.
        assert_eq!(Peer::connect(address).await.ask("echo a").await, "a");
    });
}

#[test]
fn a_feed_is_closed_to_a_peer_that_does_not_keep_up() {
    run(async {
        let book = Book::default();
        let feed = server(&book).write_limit(100_000, Overflow::Close);
        let (server, address) = started(feed).await;
        let mut deaf = Peer::connect(address).await;
        let end = watch(only(&server).await).await;
        deaf.say("flood\n").await;
        let expected = "more than 100000 bytes would wait for the peer";
        assert_eq!(why(&end.reason().await), expected);
        assert!(book.most_queued() <= 100_000);
        assert_eq!(book.lines().last().unwrap(), &format!("close {expected}"));
    });
}

#[test]
fn a_failed_write_ends_the_connection_even_if_the_callback_does_not_care() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book).write_limit(100_000, Overflow::Close)).await;
        let mut deaf = Peer::connect(address).await;
        let end = watch(only(&server).await).await;
        deaf.say("shout\n").await;
        why(&end.reason().await);
        assert!(book.lines().contains(&"shouted".to_owned()));
    });
}

#[test]
fn what_makes_no_whole_is_read_up_to_the_limit() {
    run(async {
        let (server, address) = started(server(&Book::default()).input_limit(10_000)).await;
        let mut peer = Peer::connect(address).await;
        let end = watch(only(&server).await).await;
        peer.say(&"x".repeat(10_000)).await;
        assert_eq!(
            why(&end.reason().await),
            "10000 bytes came that make no whole"
        );
    });
}

#[test]
fn more_peers_than_may_be_wait_their_turn_and_all_are_served() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book).max_connections(3)).await;
        let peers: Vec<_> = (0..40)
            .map(|n| {
                rekindle_actor::Task::spawn(async move {
                    let mut peer = Peer::connect(address).await;
                    let answer = peer.ask(&format!("echo {n}")).await;
                    for _ in 0..20 {
                        yield_now().await;
                    }
                    assert_eq!(peer.ask("quit").await, "bye");
                    assert_eq!(answer, n.to_string());
                })
            })
            .collect();
        for peer in peers {
            peer.await.unwrap();
        }
        assert_eq!(book.most_at_a_time(), 3);
        loop {
            let status = server.status().await.unwrap();
            if status.connections == 0 {
                assert_eq!(status.accepted, 40);
                break;
            }
            yield_now().await;
        }
    });
}

#[test]
fn a_silent_peer_is_asked_and_then_left() {
    run(async {
        let book = Book::default();
        let (server, address) =
            started(server(&book).idle_timeout(Duration::from_millis(500))).await;
        let mut peer = Peer::connect(address).await;
        let end = watch(only(&server).await).await;
        assert_eq!(peer.ask("stay").await, "still there?");
        assert_eq!(why(&end.reason().await), "nothing came for 500ms");
        assert_eq!(peer.hear_out().await.0, b"");
        let idle = book.lines().iter().filter(|line| *line == "idle").count();
        assert_eq!(idle, 2);
    });
}

#[test]
fn suspended_it_accepts_nobody_and_loses_nobody() {
    run(async {
        let (server, address) = started(server(&Book::default())).await;
        let mut old = Peer::connect(address).await;
        assert_eq!(old.ask("echo old").await, "old");
        server.suspend().await.unwrap();
        let mut new = Peer::connect(address).await;
        new.say("echo new\n").await;
        // The old one goes on, for as many rounds as it would have taken to accept the new one.
        for n in 0..200 {
            assert_eq!(old.ask(&format!("echo {n}")).await, n.to_string());
        }
        let status = server.status().await.unwrap();
        assert_eq!((status.accepted, status.suspended), (1, true));
        server.resume().await.unwrap();
        assert_eq!(new.hear().await.unwrap(), "new");
    });
}

#[test]
fn what_cannot_be_is_said_at_the_start() {
    run(async {
        let (_server, address) = started(server(&Book::default())).await;
        let second = TcpServer::<Obedient>::new(address, Book::default())
            .bind_timeout(Duration::from_millis(20));
        let Err(StartError::Failed(reason)) = second.start_link().await else {
            panic!("the address is in use");
        };
        let said = reason.to_string();
        assert!(
            said.starts_with(&format!("cannot listen on {address}: ")),
            "{said}"
        );

        let none = server(&Book::default()).max_connections(0);
        let Err(StartError::Failed(reason)) = none.start_link().await else {
            panic!("it would serve nobody");
        };
        assert!(
            reason.to_string().starts_with("`max_connections`"),
            "{reason}"
        );
    });
}
