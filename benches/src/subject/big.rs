//! Many that talk to many: 14 of the catalogue.

use rekindle::prelude::*;
use rekindle_bench_protocol::Dice;

use super::support::{Letter, driven, message};

/// What an actor receives.
#[derive(Debug)]
enum Mail {
    /// Comes first: everybody.
    Peers(std::sync::Arc<[Sender<Mail>]>),
    /// To be answered: who sent it.
    Ping(u64),
    /// An answer.
    Pong,
    /// Nobody pings any more.
    Stop,
}

/// `k` actors, `n` pings each to random others; each is answered before the next.
pub async fn big(n: u64, k: u64) -> u64 {
    driven(move |mut inbox: Mailbox<Letter<u64>>| async move {
        let peers: Vec<Sender<Mail>> = (0..k)
            .map(|index| {
                let parent = inbox.recipient();
                spawn(move |inbox| actor(index, n, inbox, parent))
            })
            .collect();
        let peers: std::sync::Arc<[_]> = peers.into();
        peers
            .iter()
            .for_each(|actor| actor.send(Mail::Peers(peers.clone())));
        let mut sum = 0;
        for _ in 0..k {
            sum += message(&mut inbox).await;
        }
        peers.iter().for_each(|actor| actor.send(Mail::Stop));
        sum
    })
    .await
}

async fn actor(index: u64, n: u64, mut inbox: Mailbox<Mail>, parent: Recipient<Letter<u64>>) {
    let Mail::Peers(peers) = inbox
        .recv_match(|mail| matches!(mail, Mail::Peers(_)))
        .await
    else {
        return;
    };
    let mut dice = Dice::new(index);
    let mut ping = || peers[dice.below(peers.len() as u64) as usize].send(Mail::Ping(index));
    let mut pongs = 0;
    ping();
    loop {
        match inbox.recv().await {
            Mail::Ping(from) => peers[from as usize].send(Mail::Pong),
            Mail::Pong => {
                pongs += 1;
                if pongs == n {
                    parent.send(Letter::Message(pongs));
                } else {
                    ping();
                }
            }
            Mail::Peers(_) | Mail::Stop => return,
        }
    }
}
