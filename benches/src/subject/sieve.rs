//! Primes by a chain of filters: the first half of 17.

use rekindle::prelude::*;

use super::support::{Letter, driven, message};

/// To a filter: a number, or the end of numbers with the primes counted so far.
#[derive(Debug)]
enum Mail {
    Number(u64),
    End(u64),
}

/// How many primes there are below `n`; each filter knows `k` of them.
pub async fn sieve(n: u64, k: u64) -> u64 {
    driven(move |mut inbox: Mailbox<Letter<u64>>| async move {
        let first = spawn_filter(k, inbox.recipient());
        (2..n).for_each(|number| first.send(Mail::Number(number)));
        first.send(Mail::End(0));
        message(&mut inbox).await
    })
    .await
}

fn spawn_filter(k: u64, done: Recipient<Letter<u64>>) -> Sender<Mail> {
    spawn(move |mut inbox: Mailbox<Mail>| async move {
        let mut primes: Vec<u64> = Vec::with_capacity(k as usize);
        let mut next: Option<Sender<Mail>> = None;
        loop {
            match inbox.recv().await {
                Mail::Number(number) if is_divided(number, &primes) => {}
                Mail::Number(number) if (primes.len() as u64) < k => primes.push(number),
                Mail::Number(number) => next
                    .get_or_insert_with(|| spawn_filter(k, done.clone()))
                    .send(Mail::Number(number)),
                Mail::End(count) => {
                    let count = count + primes.len() as u64;
                    match next {
                        Some(next) => next.send(Mail::End(count)),
                        None => done.send(Letter::Message(count)),
                    }
                    return;
                }
            }
        }
    })
}

/// Whether one of them divides the number.
#[must_use]
pub fn is_divided(number: u64, primes: &[u64]) -> bool {
    primes.iter().any(|prime| number.is_multiple_of(*prime))
}
