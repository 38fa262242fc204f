//! Two plain processes that send to each other: 8 of the catalogue.

use rekindle::prelude::*;

use super::support::{Letter, all, driven, message};

/// `k` pairs with `n` round trips each.
pub async fn pairs(n: u64, k: u64) -> u64 {
    if k == 1 {
        return pair(n).await;
    }
    all((0..k).map(|_| Task::spawn(pair(n))).collect()).await
}

async fn pair(n: u64) -> u64 {
    driven(move |mut inbox: Mailbox<Letter<u64>>| async move {
        let me = inbox.recipient();
        let other = spawn(|mut inbox: Mailbox<u64>| async move {
            for _ in 0..n {
                me.send(Letter::Message(inbox.recv().await));
            }
        });
        let mut sum = 0;
        for _ in 0..n {
            other.send(1);
            sum += message(&mut inbox).await;
        }
        sum
    })
    .await
}
