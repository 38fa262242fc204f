//! Three of OTP's estone set: 18 of the catalogue.

use rekindle::prelude::*;

use super::call;
use super::support::{Letter, driven, message};

/// `k` relays, 100 messages of so many words on their way, `n` rounds of 100: each message hops
/// `n` times.
pub async fn relays<const WORDS: usize>(n: u64, k: u64) -> u64 {
    /// A message, with the hops that are left.
    enum Parcel<const WORDS: usize> {
        Carry(u64, [u64; WORDS]),
        Next(Sender<Parcel<WORDS>>),
        Stop,
    }
    driven(move |mut inbox: Mailbox<Letter<u64>>| async move {
        let relays: Vec<Sender<Parcel<WORDS>>> = (0..k)
            .map(|_| {
                let done = inbox.recipient();
                spawn(move |mut inbox: Mailbox<Parcel<WORDS>>| async move {
                    let Parcel::Next(next) = inbox.recv().await else {
                        return;
                    };
                    loop {
                        match inbox.recv().await {
                            Parcel::Carry(0, words) => done.send(Letter::Message(words[0])),
                            Parcel::Carry(left, mut words) => {
                                words[0] += 1;
                                next.send(Parcel::Carry(left - 1, words));
                            }
                            Parcel::Next(_) | Parcel::Stop => return,
                        }
                    }
                })
            })
            .collect();
        for (index, relay) in relays.iter().enumerate() {
            let next = &relays[(index + 1) % relays.len()];
            relay.send(Parcel::Next(next.clone()));
        }
        for parcel in 0..100 {
            relays[parcel % relays.len()].send(Parcel::Carry(n, [0; WORDS]));
        }
        let mut sum = 0;
        for _ in 0..100 {
            sum += message(&mut inbox).await;
        }
        relays.iter().for_each(|relay| relay.send(Parcel::Stop));
        sum
    })
    .await
}

/// `n` generic servers in sequence with `k` calls each.
pub async fn server(n: u64, k: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        let server = call::start::<1>().await;
        sum += call::calls(&server, k).await;
        server.stop().await.expect("it stops");
    }
    sum
}

/// `n` times `k` linked processes that end, while their parent traps exits.
pub async fn links(n: u64, k: u64) -> u64 {
    driven(move |mut inbox: Mailbox<Letter<()>>| async move {
        rekindle::trap_exit(true);
        let mut exits = 0;
        for _ in 0..n {
            (0..k).for_each(|_| {
                spawn_link(async {});
            });
            for _ in 0..k {
                if let Info::Exit(_) = inbox.next().await {
                    exits += 1;
                }
            }
        }
        exits
    })
    .await
}
