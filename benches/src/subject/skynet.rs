//! The tree of a million leaves: 7 of the catalogue.

use rekindle::prelude::*;

use super::support::{Letter, driven, message};

type Inbox = Mailbox<Letter<u64>>;

/// The sum of the numbers of `n` leaves, `k` below each node.
pub async fn skynet(n: u64, k: u64) -> u64 {
    driven(move |mut inbox: Inbox| async move {
        spawn_node(0, n, k, inbox.recipient());
        message(&mut inbox).await
    })
    .await
}

/// A leaf tells its number; any other node has children and tells the sum of what they tell.
fn spawn_node(number: u64, leaves: u64, k: u64, parent: Recipient<Letter<u64>>) {
    if leaves == 1 {
        spawn(async move { parent.send(Letter::Message(number)) });
        return;
    }
    spawn(move |mut inbox: Inbox| async move {
        let below = leaves / k;
        let me = inbox.recipient();
        for child in 0..k {
            spawn_node(number + child * below, below, k, me.clone());
        }
        let mut sum = 0;
        for _ in 0..k {
            sum += message(&mut inbox).await;
        }
        parent.send(Letter::Message(sum));
    });
}
