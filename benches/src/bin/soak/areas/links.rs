//! Chains and rings of linked processes: killed at one place they all end, with the reason; beyond
//! a link that was taken away they live.

use std::collections::HashSet;
use std::sync::Arc;

use rekindle::prelude::*;

use crate::invariants::Invariant;
use crate::watcher::Watcher;
use crate::world::{Area, World};

enum Order {
    Link(Pid, ReplyTo<()>),
    Unlink(Pid, ReplyTo<()>),
}

fn member() -> Sender<Order> {
    spawn(|mut inbox: Mailbox<Order>| async move {
        loop {
            match inbox.recv().await {
                Order::Link(other, reply) => {
                    link(other);
                    reply.reply(());
                }
                Order::Unlink(other, reply) => {
                    unlink(other);
                    reply.reply(());
                }
            }
        }
    })
}

/// Traps exits, links with each of those it is given, and collects their exits.
enum Trap {
    Link(Vec<Pid>, ReplyTo<()>),
    Exits(ReplyTo<Vec<Exit>>),
}

async fn trap(mut inbox: Mailbox<Trap>) {
    trap_exit(true);
    let (mut open, mut exits, mut asked) = (0, Vec::new(), None);
    loop {
        match inbox.next().await {
            Info::Message(Trap::Link(pids, reply)) => {
                open += pids.len();
                pids.into_iter().for_each(link);
                reply.reply(());
            }
            Info::Message(Trap::Exits(reply)) => asked = Some(reply),
            Info::Exit(exit) => exits.push(exit),
            _ => {}
        }
        if exits.len() >= open
            && let Some(reply) = asked.take()
        {
            open = 0;
            reply.reply(std::mem::take(&mut exits));
        }
    }
}

pub(super) async fn run(world: Arc<World>) {
    let watcher = Watcher::start(&world);
    let trapper = spawn(trap);
    let mut dice = world.dice();
    while !world.is_stopping() {
        let longest = if dice.below(20) == 0 { 5_000 } else { 200 };
        let length = 3 + dice.below(longest) as usize;
        let members: Vec<Sender<Order>> = (0..length).map(|_| member()).collect();
        let pids: Vec<Pid> = members.iter().map(Sender::pid).collect();
        let ring = dice.below(2) == 0;
        for n in 0..if ring { length } else { length - 1 } {
            let next = pids[(n + 1) % length];
            let linked = members[n]
                .call(|reply| Order::Link(next, reply))
                .no_timeout();
            linked.await.expect("a member lives until it is killed");
        }
        // A chain is cut at one place; a ring is not.
        let cut = if ring {
            length
        } else {
            1 + dice.below(length as u64 - 1) as usize
        };
        if cut < length {
            let other = pids[cut];
            let unlinked = members[cut - 1].call(|reply| Order::Unlink(other, reply));
            unlinked
                .no_timeout()
                .await
                .expect("a member lives until it is killed");
        }
        // The last of each part is linked with one that traps exits.
        let watched: HashSet<Pid> = [pids[cut - 1], pids[length - 1]].into();
        let linked = trapper.call(|reply| Trap::Link(watched.iter().copied().collect(), reply));
        linked.no_timeout().await.expect("the trap lives");

        let reason = ExitReason::msg("the first one fell");
        let kills = dice.below(2) == 0;
        watcher.watch(&pids[..cut]).await;
        exit(
            pids[0],
            if kills {
                ExitReason::Kill
            } else {
                reason.clone()
            },
        );
        let expected = if kills { ExitReason::Killed } else { reason };
        let ends = watcher.ends().await;
        world.check(
            Invariant::Link,
            ends.iter().all(|end| end.1 == expected),
            || format!("of {cut} linked processes one ended {expected}, others: {ends:?}"),
        );
        world.check(
            Invariant::Link,
            pids[cut..].iter().all(|pid| is_alive(*pid)),
            || format!("of {length} in a chain, cut after {cut}, one beyond the cut has died"),
        );
        if cut < length {
            watcher.watch(&pids[cut..]).await;
            exit(pids[length - 1], ExitReason::Kill);
            watcher.ends().await;
        }
        let exits = trapper.call(Trap::Exits).no_timeout().await;
        let exits = exits.expect("the trap lives");
        let from: HashSet<Pid> = exits.iter().map(|exit| exit.from).collect();
        world.check(
            Invariant::Link,
            from == watched && exits.len() == watched.len(),
            || format!("linked with {watched:?}, told of {exits:?}"),
        );
        world.did(Area::Links, length as u64);
    }
    watcher.stop();
    trapper.exit(ExitReason::Kill);
}
