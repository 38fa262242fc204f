//! Creatures that meet and change their colours: 15 of the catalogue.

use rekindle::prelude::*;

use super::support::{Letter, driven};

/// To a creature.
#[derive(Debug)]
enum Meeting {
    /// Whom it met: the colour.
    With(u64),
    /// There are no more meetings.
    Over,
}

/// To the place where they meet.
#[derive(Debug)]
enum Visit {
    /// A creature of this colour wants to meet somebody.
    Come(u64, Sender<Meeting>),
    /// A creature tells at the end how often it met.
    Told(u64),
}

/// `k` creatures, `n` meetings at one place, which is the driver.
pub async fn chameneos(n: u64, k: u64) -> u64 {
    driven(move |mut inbox: Mailbox<Letter<Visit>>| async move {
        for colour in 0..k {
            let place = inbox.recipient();
            spawn(move |inbox| creature(colour % 3, inbox, place));
        }
        let (mut met, mut told, mut sum) = (0, 0, 0);
        let mut waiting: Option<(u64, Sender<Meeting>)> = None;
        while told < k {
            match super::support::message(&mut inbox).await {
                Visit::Come(_, creature) if met == n => creature.send(Meeting::Over),
                Visit::Come(colour, creature) => match waiting.take() {
                    None => waiting = Some((colour, creature)),
                    Some((other_colour, other)) => {
                        other.send(Meeting::With(colour));
                        creature.send(Meeting::With(other_colour));
                        met += 1;
                    }
                },
                Visit::Told(meetings) => {
                    told += 1;
                    sum += meetings;
                }
            }
            if met == n
                && let Some((_, creature)) = waiting.take()
            {
                creature.send(Meeting::Over);
            }
        }
        sum
    })
    .await
}

async fn creature(mut colour: u64, mut inbox: Mailbox<Meeting>, place: Recipient<Letter<Visit>>) {
    let Some(me) = Sender::from_pid(self_pid()) else {
        return;
    };
    let mut meetings = 0;
    loop {
        place.send(Letter::Message(Visit::Come(colour, me.clone())));
        match inbox.recv().await {
            Meeting::With(other) => {
                meetings += 1;
                colour = complement(colour, other);
            }
            Meeting::Over => break,
        }
    }
    place.send(Letter::Message(Visit::Told(meetings)));
}

/// The same stays; of two that differ comes the third.
fn complement(one: u64, other: u64) -> u64 {
    if one == other { one } else { 3 - one - other }
}
