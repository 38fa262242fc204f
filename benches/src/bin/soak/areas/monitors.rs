//! Processes that end in every way, each watched several times; some monitors are taken away in
//! the meantime.

use std::sync::Arc;

use rekindle::prelude::*;
use rekindle::yield_now;

use crate::watcher::Watcher;
use crate::world::{Area, World};

const MORTALS: usize = 100;

pub(super) async fn run(world: Arc<World>) {
    let watchers: Vec<Watcher> = (0..4).map(|_| Watcher::start(&world)).collect();
    let mut dice = world.dice();
    while !world.is_stopping() {
        let mut pids = Vec::with_capacity(MORTALS);
        let mut told = Vec::new();
        for _ in 0..MORTALS {
            let turns = dice.below(20);
            match dice.below(4) {
                0 => pids.push(spawn(async move {
                    for _ in 0..turns {
                        yield_now().await;
                    }
                })),
                1 => pids.push(spawn(async move {
                    for _ in 0..turns {
                        yield_now().await;
                    }
                    panic!("as it was meant to");
                })),
                _ => {
                    let mortal =
                        spawn(|mut inbox: Mailbox<ExitReason>| async move { inbox.recv().await });
                    pids.push(mortal.pid());
                    told.push(mortal);
                }
            }
        }
        for watcher in &watchers {
            watcher.watch(&pids).await;
            watcher.watch(&pids[..MORTALS / 2]).await;
        }
        for mortal in told {
            match dice.below(3) {
                0 => mortal.exit(ExitReason::Kill),
                1 => mortal.send(ExitReason::Normal),
                _ => mortal.send(ExitReason::msg("as it was told")),
            }
        }
        for watcher in &watchers {
            watcher.take_away(4).await;
        }
        let mut fired = 0;
        for watcher in &watchers {
            fired += watcher.ends().await.len();
        }
        world.did(Area::Monitors, fired as u64);
    }
    watchers.into_iter().for_each(Watcher::stop);
}
