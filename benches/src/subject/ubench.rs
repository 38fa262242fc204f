//! Pings at random: 19 of the catalogue.

use std::sync::Arc;

use rekindle::prelude::*;
use rekindle_bench_protocol::Dice;

use super::support::{Letter, driven, message};

/// What a pinger receives.
#[derive(Debug)]
enum Mail {
    /// Comes first: all pingers.
    Peers(Arc<[Sender<Mail>]>),
    /// Goes on to a random pinger until no hops are left.
    Ping(u64),
    /// No ping is under way any more.
    Stop,
}

/// `k` pingers with `m` pings each under way, `n` hops in all.
pub async fn ubench(n: u64, k: u64, m: u64) -> u64 {
    let hops = n / (k * m);
    driven(move |mut inbox: Mailbox<Letter<u64>>| async move {
        let pingers: Vec<Sender<Mail>> = (0..k)
            .map(|index| {
                let done = inbox.recipient();
                spawn(move |inbox| pinger(index, hops, inbox, done))
            })
            .collect();
        let pingers: Arc<[_]> = pingers.into();
        pingers
            .iter()
            .for_each(|pinger| pinger.send(Mail::Peers(pingers.clone())));
        for pinger in pingers.iter() {
            (0..m).for_each(|_| pinger.send(Mail::Ping(hops)));
        }
        let mut sum = 0;
        for _ in 0..k * m {
            sum += message(&mut inbox).await;
        }
        pingers.iter().for_each(|pinger| pinger.send(Mail::Stop));
        sum
    })
    .await
}

async fn pinger(index: u64, hops: u64, mut inbox: Mailbox<Mail>, done: Recipient<Letter<u64>>) {
    let Mail::Peers(peers) = inbox
        .recv_match(|mail| matches!(mail, Mail::Peers(_)))
        .await
    else {
        return;
    };
    let mut dice = Dice::new(index);
    loop {
        match inbox.recv().await {
            Mail::Ping(0) => done.send(Letter::Message(hops)),
            Mail::Ping(left) => {
                let neighbour = &peers[dice.below(peers.len() as u64) as usize];
                neighbour.send(Mail::Ping(left - 1));
            }
            Mail::Peers(_) | Mail::Stop => return,
        }
    }
}
