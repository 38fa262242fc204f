//! Timers that are set and, half of them, cancelled: each fires once, or was cancelled in time.

use std::collections::HashSet;
use std::sync::Arc;

use rekindle::prelude::*;
use rekindle::{TimerRef, yield_now};

use crate::invariants::Invariant;
use crate::world::{Area, World};

const TIMERS: u64 = 300;

enum Told {
    Fired(u64),
    Round(ReplyTo<()>),
}

pub(super) async fn run(world: Arc<World>) {
    let shared = world.clone();
    let process = spawn(move |inbox: Mailbox<Told>| keep(shared, inbox));
    while !world.is_stopping() {
        let round = process.call(Told::Round).no_timeout().await;
        world.check(Invariant::Timer, round.is_ok(), || {
            format!("the process with the timers has died: {round:?}")
        });
        world.did(Area::Timers, TIMERS);
    }
    process.exit(ExitReason::Kill);
}

async fn keep(world: Arc<World>, mut inbox: Mailbox<Told>) {
    let mut dice = world.dice();
    let me = inbox.recipient();
    let mut open: HashSet<u64> = HashSet::new();
    let mut asked: Option<ReplyTo<()>> = None;
    loop {
        match inbox.recv().await {
            Told::Fired(number) => {
                world.check(Invariant::Timer, open.remove(&number), || {
                    format!("timer {number} fired twice, or after it was cancelled")
                });
            }
            Told::Round(reply) => {
                let timers: Vec<(u64, TimerRef)> = (0..TIMERS)
                    .map(|_| {
                        let number = world.serial();
                        let delay = Duration::from_micros(dice.below(8_000));
                        (number, send_after(delay, &me, Told::Fired(number)))
                    })
                    .collect();
                open.extend(timers.iter().map(|(number, _)| *number));
                for (number, timer) in timers {
                    if dice.below(2) == 0 && timer.cancel().is_some() {
                        open.remove(&number);
                    }
                    if dice.below(50) == 0 {
                        yield_now().await;
                    }
                }
                asked = Some(reply);
            }
        }
        if open.is_empty()
            && let Some(reply) = asked.take()
        {
            reply.reply(());
        }
    }
}
