//! Tokens in a ring: 13 of the catalogue.

use rekindle::prelude::*;
use rekindle_bench_protocol::Measured;
use rekindle_bench_protocol::measure::Clocks;

use super::support::{Letter, driven, message};

/// What a node receives.
#[derive(Debug)]
enum Token {
    /// How many hops are left; at 0 the node tells the driver.
    Hop(u64),
    /// Comes first: the next node.
    Next(Sender<Token>),
    /// Comes last.
    Stop,
}

/// `tokens` that hop `n` times in all, round `k` nodes. The ring is made outside of the clocks.
pub async fn ring(n: u64, k: u64, tokens: u64) -> Measured {
    driven(move |mut inbox: Mailbox<Letter<(), Measured>>| async move {
        let nodes: Vec<Sender<Token>> = (0..k)
            .map(|_| {
                let done = inbox.recipient();
                spawn(|inbox| node(inbox, done))
            })
            .collect();
        for (index, node) in nodes.iter().enumerate() {
            let next = &nodes[(index + 1) % nodes.len()];
            node.send(Token::Next(next.clone()));
        }

        let clocks = Clocks::now();
        for token in 0..tokens {
            nodes[(token * k / tokens) as usize].send(Token::Hop(n / tokens));
        }
        for _ in 0..tokens {
            message(&mut inbox).await;
        }
        let measured = clocks.measured(n / tokens * tokens);
        nodes.iter().for_each(|node| node.send(Token::Stop));
        measured
    })
    .await
}

async fn node(mut inbox: Mailbox<Token>, done: Recipient<Letter<(), Measured>>) {
    let Token::Next(next) = inbox.recv().await else {
        return;
    };
    loop {
        match inbox.recv().await {
            Token::Hop(0) => done.send(Letter::Message(())),
            Token::Hop(left) => next.send(Token::Hop(left - 1)),
            Token::Next(_) | Token::Stop => return,
        }
    }
}
