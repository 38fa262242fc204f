//! What a connection does while it lives.

use std::net::Shutdown;

use futures_lite::AsyncReadExt as _;
use futures_lite::AsyncWriteExt as _;
use rekindle_actor::{ExitReason, Sender, sys};

use crate::support::{Book, Obedient, Peer, only, run, server, started, until, watch};

#[test]
fn answers_come_in_the_order_of_their_questions_and_half_a_question_waits() {
    run(async {
        let (_server, address) = started(server(&Book::default())).await;
        let mut peer = Peer::connect(address).await;
        peer.say("echo one\necho two\nec").await;
        assert_eq!(peer.hear().await.unwrap(), "one");
        assert_eq!(peer.hear().await.unwrap(), "two");
        assert_eq!(peer.ask("ho three").await, "three");
    });
}

#[test]
fn a_long_stream_comes_back_whole_while_both_ends_hold_each_other_up() {
    run(async {
        // Small bounds, so that both are reached many times.
        let small = server(&Book::default())
            .write_limit(1000, rekindle_net::Overflow::Suspend)
            .read_buffer(64)
            .input_limit(70_000);
        let (_server, address) = started(small).await;
        let peer = Peer::connect(address).await;
        let line = "x".repeat(60_000);
        let count = 100;
        let text = format!("echo {line}\n").repeat(count);
        let writes = async {
            (&peer.0).write_all(text.as_bytes()).await.unwrap();
            peer.0.get_ref().shutdown(Shutdown::Write).unwrap();
        };
        let reads = async {
            let mut all = String::new();
            (&peer.0).read_to_string(&mut all).await.unwrap();
            all
        };
        let ((), all) = futures_lite::future::zip(writes, reads).await;
        assert!(all == format!("{line}\n").repeat(count));
    });
}

#[test]
fn who_sends_no_more_still_gets_its_answers() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book)).await;
        let mut peer = Peer::connect(address).await;
        let end = watch(only(&server).await).await;
        peer.say("echo last\n").await;
        peer.0.get_ref().shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.hear_out().await.0, b"last\n");
        assert_eq!(end.reason().await, ExitReason::Normal);
        assert_eq!(book.lines().last().unwrap(), "close closed by the peer");
    });
}

#[test]
fn a_closed_connection_says_all_it_had_to_say_though_its_peer_still_talks() {
    run(async {
        let (_server, address) = started(server(&Book::default())).await;
        let mut peer = Peer::connect(address).await;
        // What comes after `quit` is never read: without a wait the answer would be lost.
        peer.say(&format!("quit\n{}\n", "more ".repeat(10_000)))
            .await;
        let (all, ended) = peer.hear_out().await;
        assert_eq!((all, ended.is_ok()), (b"bye\n".to_vec(), true));
    });
}

#[test]
fn other_processes_talk_to_a_connection_and_through_it_to_its_peer() {
    run(async {
        let (server, address) = started(server(&Book::default())).await;
        let mut peer = Peer::connect(address).await;
        let connection = Sender::<String>::from_pid(only(&server).await).unwrap();
        connection.send("hello".to_owned());
        assert_eq!(peer.hear().await.unwrap(), "hello");
        connection.send("close".to_owned());
        assert!(peer.hear_out().await.1.is_ok());
    });
}

#[test]
fn a_paused_connection_leaves_what_comes_and_handles_it_when_it_resumes() {
    run(async {
        let (server, address) = started(server(&Book::default())).await;
        let mut peer = Peer::connect(address).await;
        // Both lines are in the buffer when the first pauses.
        peer.say("pause\necho later\n").await;
        assert_eq!(peer.hear().await.unwrap(), "paused");
        let pid = only(&server).await;
        let handled = |probe: &mut Obedient| probe.handled;
        assert_eq!(sys::with_state(pid, handled).await, Ok(1));
        let connection = Sender::<String>::from_pid(pid).unwrap();
        connection.send("first".to_owned());
        assert_eq!(peer.hear().await.unwrap(), "first");
        connection.send("resume".to_owned());
        assert_eq!(peer.hear().await.unwrap(), "later");
    });
}

#[test]
fn one_can_look_into_a_connection_suspend_it_and_stop_it() {
    run(async {
        let book = Book::default();
        let (server, address) = started(server(&book)).await;
        let mut peer = Peer::connect(address).await;
        assert_eq!(peer.ask("echo a").await, "a");
        let pid = only(&server).await;
        let status = sys::get_status(pid).await.unwrap();
        assert_eq!(status.state.as_deref(), Some("1 handled"));

        sys::suspend(pid).await.unwrap();
        peer.say("echo b\n").await;
        let handled = |probe: &mut Obedient| probe.handled;
        assert_eq!(sys::with_state(pid, handled).await, Ok(1));
        sys::resume(pid).await.unwrap();
        assert_eq!(peer.hear().await.unwrap(), "b");

        let end = watch(pid).await;
        rekindle_actor::Stop::new(pid).await.unwrap();
        assert_eq!(end.reason().await, ExitReason::Normal);
        assert_eq!(book.lines().last().unwrap(), "close normal");
        until(|| !rekindle_actor::is_alive(pid)).await;
    });
}
