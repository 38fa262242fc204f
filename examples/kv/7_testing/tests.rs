// Tests in virtual time: no socket, no waiting, and under each seed another order of events.

use rekindle::prelude::*;
use rekindle::testkit::{Test, capture_log};

use crate::resp::take_request;
use crate::{commands, store};

/// What a client is sent for this line.
async fn say(line: &str) -> String {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    commands::run(&words).await.encode()
}

#[rekindle::test(simulated)]
async fn what_is_put_is_found(t: &mut Test) {
    t.start_supervised(store::tree()).await;
    assert_eq!(say("HGET shopping milk").await, "$-1\r\n");
    assert_eq!(say("HSET shopping milk 2").await, ":1\r\n");
    assert_eq!(say("HGET shopping milk").await, "$1\r\n2\r\n");
}

#[rekindle::test(simulated)]
async fn a_text_is_no_number_and_no_crash(t: &mut Test) {
    t.start_supervised(store::tree()).await;
    say("HSET party cake large").await;
    let answer = say("HINCRBY party cake 1").await;
    assert_eq!(answer, "-ERR hash value is not an integer\r\n");
    assert_eq!(say("HGET party cake").await, "$5\r\nlarge\r\n");
    assert!(rekindle::recent_crashes().is_empty());
}

#[rekindle::test(simulated, seeds = 100)]
async fn clients_that_add_at_the_same_time_lose_nothing(t: &mut Test) {
    t.start_supervised(store::tree()).await;
    // The first of them starts the bucket, whoever that is.
    let clients = (0..50).map(|_| Task::spawn(say("HINCRBY visits today 1")));
    Task::await_many(clients.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(say("HGET visits today").await, "$2\r\n50\r\n");
}

#[rekindle::test(simulated)]
async fn a_bucket_lives_until_it_expires(t: &mut Test) {
    t.start_supervised(store::tree()).await;
    say("HSET party cake large").await;
    say("PEXPIRE party 3600000").await;
    t.advance(Duration::from_secs(3599)).await;
    assert_eq!(say("KEYS *").await, "*1\r\n$5\r\nparty\r\n");
    t.advance(Duration::from_secs(1)).await;
    assert_eq!(say("KEYS *").await, "*0\r\n");
}

#[rekindle::test(simulated)]
async fn a_crash_leaves_an_empty_bucket_and_a_report(t: &mut Test) {
    t.start_supervised(store::tree()).await;
    say(&format!("HSET visits today {}", i64::MAX)).await;
    let (answer, log) = capture_log(async {
        let answer = say("HINCRBY visits today 1").await;
        t.settle().await;
        answer
    })
    .await;
    assert!(answer.contains("the sum is too large"));
    assert!(log.contains("last message   call add"), "{log}");
    assert_eq!(say("HGETALL visits").await, "*0\r\n");
    assert_eq!(rekindle::recent_crashes().len(), 1);
}

#[test]
fn a_request_may_come_in_pieces() {
    let whole = b"*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n";
    for end in 0..whole.len() {
        assert_eq!(take_request(&mut &whole[..end]), Ok(None), "{end} bytes");
    }
    let words = take_request(&mut &whole[..]).unwrap().unwrap();
    assert_eq!(words, ["PING", "hi"]);
    assert!(take_request(&mut &b"GET / HTTP/1.1\r\n"[..]).is_err());
}
