//! Many to one, one to many: 11 and 12 of the catalogue.

use rekindle::prelude::*;

use super::support::{Letter, driven, message};

/// `k` senders, `n` messages in all to one process.
pub async fn fan_in(n: u64, k: u64) -> u64 {
    let each = n / k;
    driven(move |mut inbox: Mailbox<Letter<u64>>| async move {
        let me = inbox.recipient();
        for _ in 0..k {
            let receiver = me.clone();
            spawn(async move {
                for _ in 0..each {
                    receiver.send(Letter::Message(1));
                }
            });
        }
        let mut sum = 0;
        for _ in 0..each * k {
            sum += message(&mut inbox).await;
        }
        sum
    })
    .await
}

/// `k` receivers, `n` messages each, round robin; each tells its sum at the end.
pub async fn fan_out(n: u64, k: u64) -> u64 {
    driven(move |mut inbox: Mailbox<Letter<u64>>| async move {
        let me = inbox.recipient();
        let receivers: Vec<Sender<u64>> = (0..k)
            .map(|_| {
                let parent = me.clone();
                spawn(move |mut inbox: Mailbox<u64>| async move {
                    let mut sum = 0;
                    for _ in 0..n {
                        sum += inbox.recv().await;
                    }
                    parent.send(Letter::Message(sum));
                })
            })
            .collect();
        for _ in 0..n {
            for receiver in &receivers {
                receiver.send(1);
            }
        }
        let mut sum = 0;
        for _ in 0..k {
            sum += message(&mut inbox).await;
        }
        sum
    })
    .await
}
