//! What several benchmarks need.

use std::future::Future;

use rekindle::prelude::*;
use rekindle::yield_now;
use rekindle_bench_protocol::tally;

/// What a process receives that is asked for a sum by its parent and has messages besides.
#[derive(Debug)]
pub enum Letter<M, T = u64> {
    /// Goes first: whom to tell the sum, or what else comes out.
    Begin(ReplyTo<T>),
    /// What the benchmark sends.
    Message(M),
}

/// Runs a body as a process with a mailbox, and waits for what comes out.
pub async fn driven<M, T, F, Fut>(body: F) -> T
where
    M: Send + 'static,
    T: Send + 'static,
    F: FnOnce(Mailbox<Letter<M, T>>) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let driver = spawn(|mut inbox: Mailbox<Letter<M, T>>| async move {
        // Nobody knows this process yet, so nothing but `Begin` can come first.
        if let Letter::Begin(parent) = inbox.recv().await {
            parent.reply(body(inbox).await);
        }
    });
    let outcome = driver.call(Letter::Begin).no_timeout().await;
    outcome.expect("a driver ends with an outcome")
}

/// The next message of a driven process.
pub async fn message<M, T>(inbox: &mut Mailbox<Letter<M, T>>) -> M
where
    M: Send + 'static,
    T: Send + 'static,
{
    loop {
        if let Letter::Message(message) = inbox.recv().await {
            return message;
        }
    }
}

/// Does the work as a process: how deep in this program it was asked for is then no part of a turn.
pub async fn in_process<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    Task::spawn(work).await.expect("a driver ends well")
}

/// Lets others run until the bodies have counted that far.
pub async fn counted_to(target: u64) {
    while tally::total() < target {
        yield_now().await;
    }
}

/// Waits for all of them and adds up what they give.
pub async fn all(tasks: Vec<Task<u64>>) -> u64 {
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("a helper of a benchmark ends well");
    }
    sum
}
