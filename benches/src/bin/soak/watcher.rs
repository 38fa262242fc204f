//! A process that watches others, and holds monitors to their promise: each fires exactly once, and
//! never after it was taken away.

use std::collections::HashMap;
use std::sync::Arc;

use rekindle::prelude::*;
use rekindle::{demonitor_flush, spawn};
use rekindle_bench_protocol::Dice;

use crate::invariants::Invariant;
use crate::world::World;

enum Order {
    Watch(Vec<Pid>, ReplyTo<()>),
    TakeAway(u64, ReplyTo<u64>),
    Ends(ReplyTo<Vec<(Pid, ExitReason)>>),
}

/// Watches processes, over as many rounds as one likes.
#[derive(Debug, Clone)]
pub(crate) struct Watcher(Sender<Order>);

impl Watcher {
    /// Starts it; it lives until it is stopped.
    pub(crate) fn start(world: &Arc<World>) -> Watcher {
        let world = world.clone();
        Watcher(spawn(|inbox| watch(world, inbox)))
    }

    /// Monitors each of them. A pid may be given several times.
    pub(crate) async fn watch(&self, pids: &[Pid]) {
        let pids = pids.to_vec();
        let watching = self.0.call(|reply| Order::Watch(pids, reply));
        watching.no_timeout().await.expect("the watcher lives");
    }

    /// Takes one in `share` of the monitors away; gives how many were there to be taken.
    pub(crate) async fn take_away(&self, share: u64) -> u64 {
        let taking = self.0.call(|reply| Order::TakeAway(share, reply));
        taking.no_timeout().await.expect("the watcher lives")
    }

    /// Waits until each monitor has fired; gives who ended, and why.
    pub(crate) async fn ends(&self) -> Vec<(Pid, ExitReason)> {
        let ending = self.0.call(Order::Ends).no_timeout();
        ending.await.expect("the watcher lives")
    }

    pub(crate) fn stop(self) {
        self.0.exit(ExitReason::Kill);
    }
}

async fn watch(world: Arc<World>, mut inbox: Mailbox<Order>) {
    let mut dice: Dice = world.dice();
    let mut open: HashMap<MonitorRef, Pid> = HashMap::new();
    let mut ended = Vec::new();
    let mut asked: Option<ReplyTo<Vec<(Pid, ExitReason)>>> = None;
    loop {
        match inbox.next().await {
            Info::Message(Order::Watch(pids, reply)) => {
                open.extend(pids.into_iter().map(|pid| (monitor(pid), pid)));
                reply.reply(());
            }
            Info::Message(Order::TakeAway(share, reply)) => {
                let mut taken = 0;
                open.retain(|reference, _| {
                    let takes = dice.below(share) == 0;
                    taken += u64::from(takes && demonitor_flush(*reference));
                    !takes
                });
                reply.reply(taken);
            }
            Info::Message(Order::Ends(reply)) => asked = Some(reply),
            Info::Down(down) => {
                let known = open.remove(&down.reference);
                world.check(
                    Invariant::Monitor,
                    known.is_some() && known == down.pid,
                    || format!("a Down that nobody waits for: {down:?}; known: {known:?}"),
                );
                ended.extend(known.map(|pid| (pid, down.reason)));
            }
            _ => {}
        }
        if open.is_empty()
            && let Some(reply) = asked.take()
        {
            reply.reply(std::mem::take(&mut ended));
        }
    }
}
