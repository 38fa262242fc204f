//! Letters to random servers of the tree, by name and by address: counted, and numbered per pair.

use std::sync::Arc;

use rekindle::prelude::*;

use crate::invariants::Invariant;
use crate::tree::{Letter, Post, Receipt, is_possible};
use crate::world::{Area, World};

/// Servers that one sender writes to.
const CIRCLE: u64 = 40;
/// Letters in one sender's life.
const LETTERS: u64 = 2_000;
/// Every so many letters one is a call, which is all the flow control there is.
const RECEIPT: u64 = 16;

enum Way {
    Name(Name<Post>),
    Addr(Addr<Post>),
}

pub(super) async fn run(world: Arc<World>, names: Arc<[Name<Post>]>) {
    let mut dice = world.dice();
    while !world.is_stopping() {
        let from = world.serial();
        // Different ones: a row of numbers belongs to one pair.
        let first = dice.below(names.len() as u64);
        let mut circle: Vec<(Way, u64)> = (0..CIRCLE)
            .map(|n| {
                let name = &names[((first + 2 * n) % names.len() as u64) as usize];
                let addr = (n % 3 == 0).then(|| name.resolve()).flatten();
                (addr.map_or_else(|| Way::Name(name.clone()), Way::Addr), 0)
            })
            .collect();
        for letter in 0..LETTERS {
            let (way, sequence) = &mut circle[dice.below(CIRCLE) as usize];
            *sequence += 1;
            let ticket = world.letters.ticket(from, *sequence);
            if letter % RECEIPT != 0 {
                match way {
                    Way::Name(name) => name.cast(Letter::Ticket(ticket)),
                    Way::Addr(addr) => addr.cast(Letter::Ticket(ticket)),
                }
                continue;
            }
            let make = |reply| Receipt(ticket, reply);
            let limit = Duration::from_millis(1 + dice.below(5_000));
            let answer = match way {
                Way::Name(name) => name.call(make).timeout(limit).await,
                Way::Addr(addr) => addr.call(make).timeout(limit).await,
            };
            let holds = match &answer {
                Ok(receipt) => *receipt == (from, *sequence),
                Err(error) => is_possible(error),
            };
            world.check(Invariant::Call, holds, || {
                format!("letter {sequence} of sender {from} was answered {answer:?}")
            });
        }
        world.did(Area::Letters, LETTERS);
    }
}
