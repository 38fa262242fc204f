//! Bounded mailboxes that overflow, under every policy, with exact accounts.

use std::sync::Arc;

use rekindle::prelude::*;
use rekindle::{MailboxOverflow, SendError, SpawnOptions, spawn_with, yield_now};

use crate::invariants::Invariant;
use crate::ledger::{Ledger, Ticket};
use crate::watcher::Watcher;
use crate::world::{Area, World};

const POLICIES: [Overflow; 5] = [
    Overflow::Slow,
    Overflow::Fail,
    Overflow::DropOldest,
    Overflow::DropNewest,
    Overflow::Stop,
];
const SENDERS: usize = 8;
const MESSAGES: u64 = 300;

pub(super) async fn run(world: Arc<World>) {
    let watcher = Watcher::start(&world);
    let mut dice = world.dice();
    while !world.is_stopping() {
        for policy in POLICIES {
            let limit = 1 + dice.below(64) as usize;
            overflow(&world, &watcher, policy, limit).await;
            world.did(Area::Bounded, SENDERS as u64 * MESSAGES);
        }
    }
    watcher.stop();
}

async fn overflow(world: &Arc<World>, watcher: &Watcher, policy: Overflow, limit: usize) {
    let ledger = Arc::<Ledger>::default();
    let options = SpawnOptions::new().mailbox(MailboxPolicy::bounded(limit).when_full(policy));
    let mut dice = world.dice();
    let receiver = spawn_with(options, move |mut inbox: Mailbox<Ticket>| async move {
        let mut last = [None; SENDERS];
        let mut disorder = None::<(Ticket, u64)>;
        while disorder.is_none() {
            let ticket = inbox.recv().await;
            let last = &mut last[ticket.from as usize];
            match last.replace(ticket.sequence) {
                Some(before) if before >= ticket.sequence => disorder = Some((ticket, before)),
                _ => ticket.handled(),
            }
            if dice.below(8) == 0 {
                yield_now().await;
            }
        }
        ExitReason::msg(format!("out of order: {disorder:?}"))
    });
    let pid = receiver.pid();
    watcher.watch(&[pid]).await;

    let senders: Vec<Task<u64>> = (0..SENDERS as u64)
        .map(|from| {
            let (ledger, receiver) = (ledger.clone(), receiver.clone());
            Task::spawn_nolink(async move {
                let mut full = 0;
                for sequence in 0..MESSAGES {
                    if let Err(error) = receiver.try_send(ledger.ticket(from, sequence)) {
                        full += u64::from(matches!(error, SendError::Full(_)));
                        error.into_message().refused();
                    }
                    if sequence % 4 == 0 {
                        yield_now().await;
                    }
                }
                full
            })
        })
        .collect();
    let (mut full, mut longest) = (0, 0);
    for sender in senders {
        longest = longest.max(info(pid).map_or(0, |info| info.mailbox));
        match sender.await {
            Ok(refused) => full += refused,
            Err(reason) => world.check(Invariant::Policy, false, || {
                format!("a sender under {policy:?} died: {reason}")
            }),
        }
    }
    // What waits is handled; what was dropped by then, the policy has dropped.
    let mut by_policy = None;
    while let Some(info) = info(pid) {
        if info.mailbox == 0 {
            by_policy = Some(info.dropped);
            break;
        }
        yield_now().await;
    }
    exit(pid, ExitReason::Kill);
    let ends = watcher.ends().await;
    let balance = ledger.balance();
    world.check(Invariant::Ledger, balance.holds(), || {
        format!("under {policy:?} with {limit}: {balance:?}")
    });
    let reason = &ends[0].1;
    // A sender may be one batch ahead when it is held back: four messages.
    let bound = limit + 5 * SENDERS;
    let holds = match policy {
        Overflow::Slow => {
            by_policy == Some(0) && balance.handled == balance.sent && longest <= bound
        }
        Overflow::Stop => match reason.downcast_ref::<MailboxOverflow>() {
            Some(overflow) => overflow.limit == limit && by_policy.is_none(),
            None => *reason == ExitReason::Killed && balance.handled == balance.sent,
        },
        Overflow::DropOldest => {
            by_policy == Some(balance.dropped + balance.refused) && longest <= 2 * limit + SENDERS
        }
        _ => {
            by_policy == Some(balance.refused)
                && full == balance.refused
                && balance.dropped == 0
                && longest <= limit + SENDERS
        }
    };
    world.check(Invariant::Policy, holds, || {
        format!(
            "{policy:?} with {limit}: {balance:?}, told to be full {full}, dropped by its own \
             count {by_policy:?}, longest {longest}, ended {reason}"
        )
    });
    world.check(
        Invariant::Order,
        *reason == ExitReason::Killed || policy == Overflow::Stop,
        || format!("under {policy:?}: {reason}"),
    );
}
