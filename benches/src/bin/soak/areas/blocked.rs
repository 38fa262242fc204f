//! Processes that block their thread for longer than a worker may be stuck, and calls of blocking
//! code whose caller is killed.

use std::sync::Arc;
use std::thread;

use rekindle::prelude::*;

use crate::invariants::Invariant;
use crate::watcher::Watcher;
use crate::world::{Area, World};

const BLOCKERS: u64 = 3;

pub(super) async fn run(world: Arc<World>) {
    let watcher = Watcher::start(&world);
    let mut dice = world.dice();
    while !world.is_stopping() {
        let blockers: Vec<Task<u64>> = (0..BLOCKERS)
            .map(|n| {
                let time = Duration::from_millis(11 + dice.below(30));
                Task::spawn_nolink(async move {
                    thread::sleep(time);
                    n
                })
            })
            .collect();
        let waiting: Vec<Pid> = (0..BLOCKERS)
            .map(|_| {
                let time = Duration::from_millis(dice.below(30));
                spawn(async move {
                    // Nobody looks at what it gives: the caller is killed meanwhile.
                    let _ = blocking(move || thread::sleep(time)).await;
                })
            })
            .collect();
        watcher.watch(&waiting).await;
        sleep(Duration::from_millis(dice.below(20))).await;
        for pid in waiting {
            exit(pid, ExitReason::Kill);
        }
        watcher.ends().await;
        for (n, blocker) in (0..).zip(blockers) {
            let result = blocker.await;
            world.check(Invariant::Task, result == Ok(n), || {
                format!("a task that blocked its thread gave {result:?}")
            });
        }
        world.did(Area::Blocked, 2 * BLOCKERS);
        sleep(Duration::from_millis(50 + dice.below(200))).await;
    }
    watcher.stop();
}
