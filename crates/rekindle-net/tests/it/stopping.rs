//! How a server ends, and begins again.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekindle_actor::{ExitReason, Task, exit, is_alive, yield_now};
use rekindle_net::TcpServerRef;
use rekindle_supervisor::Supervisor;

use crate::support::{Book, Obedient, Peer, only, run, server, started, until, watch};

#[test]
fn whoever_asks_while_it_stops_gets_a_whole_answer_or_none() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book)).await;
        let answers = Arc::new(AtomicUsize::new(0));
        let peers: Vec<_> = (0..20)
            .map(|_| {
                let answers = Arc::clone(&answers);
                Task::spawn(async move {
                    let mut peer = Peer::connect(address).await;
                    loop {
                        let line = "y".repeat(3000);
                        use futures_lite::AsyncWriteExt as _;
                        let asked = peer.0.write_all(format!("echo {line}\n").as_bytes()).await;
                        match (asked, peer.hear().await) {
                            (_, Ok(heard)) if heard == line => {
                                answers.fetch_add(1, Ordering::Relaxed);
                            }
                            (_, Ok(heard)) => {
                                assert!(heard == "farewell" || heard.is_empty(), "{heard}");
                                return;
                            }
                            (_, Err(_)) => return,
                        }
                    }
                })
            })
            .collect();
        while server.status().await.unwrap().connections < 20 {
            yield_now().await;
        }
        // In the middle of talking, and not before anybody has said a word.
        until(|| answers.load(Ordering::Relaxed) > 20).await;
        server.stop().await.unwrap();
        assert!(TcpStream::connect(address).is_err(), "nobody listens");
        for peer in peers {
            peer.await.unwrap();
        }
        let lines = book.lines();
        let drained = lines.iter().filter(|line| *line == "drain").count();
        assert_eq!(drained, 20);
    });
}

#[test]
fn a_connection_that_is_not_done_in_time_is_killed_and_one_that_is_done_goes() {
    run(async {
        let book = Book::default();
        let (server, address) =
            started(server(&book).drain_timeout(Duration::from_millis(500))).await;
        let mut lasting = Peer::connect(address).await;
        lasting.say("stay\n").await;
        assert_eq!(lasting.ask("echo a").await, "a");
        let end = watch(only(&server).await).await;
        let stop = Task::spawn({
            let server = server.clone();
            async move { server.stop().await }
        });
        book.has("drain").await;
        // While it drains, those who are there are served, and nobody else.
        assert_eq!(lasting.ask("echo b").await, "b");
        stop.await.unwrap().unwrap();
        assert_eq!(end.reason().await, ExitReason::Killed);
        assert_eq!(lasting.hear_out().await.0, b"");
    });
}

#[test]
fn one_that_drains_may_close_by_itself_later() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book)).await;
        let mut peer = Peer::connect(address).await;
        peer.say("stay\n").await;
        assert_eq!(peer.ask("echo a").await, "a");
        let end = watch(only(&server).await).await;
        let stop = Task::spawn(async move { server.stop().await });
        book.has("drain").await;
        assert_eq!(peer.ask("quit").await, "bye");
        drop(peer);
        assert_eq!(end.reason().await, ExitReason::Shutdown);
        stop.await.unwrap().unwrap();
    });
}

#[test]
fn under_a_supervisor_it_comes_back_on_its_port() {
    run(async {
        // A port that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = free.local_addr().unwrap();
        drop(free);
        let book = Book::default();
        let child = rekindle_net::TcpServer::<Obedient>::child(address, book.clone()).name("tcp");
        let tree = Supervisor::one_for_one()
            .child(child)
            .start_link()
            .await
            .unwrap();
        let server = TcpServerRef::<Obedient>::named("tcp");
        let mut first = Peer::connect(address).await;
        assert_eq!(first.ask("echo a").await, "a");
        let connection = only(&server).await;

        let end = watch(connection).await;
        let old = server.pid().unwrap();
        exit(old, ExitReason::Kill);
        // Its connections do not outlive it, and they end in good order.
        assert_eq!(first.hear().await.unwrap(), "farewell");
        drop(first);
        assert_eq!(end.reason().await, ExitReason::Shutdown);
        while server.status().await.is_err() {
            yield_now().await;
        }
        assert_ne!(server.pid(), Some(old));
        assert_eq!(Peer::connect(address).await.ask("echo b").await, "b");

        tree.stop().await.unwrap();
        assert!(server.pid().is_none_or(|pid| !is_alive(pid)));
        assert!(TcpStream::connect(address).is_err());
    });
}

#[test]
fn a_server_without_its_connections_supervisor_is_started_again() {
    run(async {
        let book = Book::default();
        let tree = Supervisor::one_for_one().start_link().await.unwrap();
        let child = rekindle_net::TcpServer::<Obedient>::child("127.0.0.1:0", book.clone());
        let life = tree.start_child(child.name("tcp")).await.unwrap();
        let pids = rekindle_actor::info(life.pid().unwrap()).unwrap().links;
        let end = watch(life.pid().unwrap()).await;
        // All parts die, one by one; the first is enough.
        for part in pids.into_iter().filter(|pid| *pid != tree.pid()) {
            exit(part, ExitReason::Kill);
        }
        assert_eq!(end.reason().await, ExitReason::Killed);
        let server = TcpServerRef::<Obedient>::named("tcp");
        let new = loop {
            match server.local_addr().await {
                Ok(address) => break address,
                Err(_) => yield_now().await,
            }
        };
        assert_eq!(Peer::connect(new).await.ask("echo a").await, "a");
        assert!(life.status().await.is_err(), "a life ends once");
    });
}
