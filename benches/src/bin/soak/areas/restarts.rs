//! Small trees: who is restarted with whom, when the budget is used up, and that none outlives its
//! supervisor.

use std::sync::Arc;

use rekindle::prelude::*;
use rekindle::{Strategy, SupervisorHandle};

use crate::invariants::Invariant;
use crate::watcher::Watcher;
use crate::world::{Area, World};

const CHILDREN: u64 = 6;
const STRATEGIES: [Strategy; 3] = [
    Strategy::OneForOne,
    Strategy::RestForOne,
    Strategy::OneForAll,
];

pub(super) async fn run(world: Arc<World>) {
    let watcher = Watcher::start(&world);
    let mut dice = world.dice();
    while !world.is_stopping() {
        for strategy in STRATEGIES {
            let budget = dice.below(4) as u32;
            small_tree(&world, &watcher, strategy, budget).await;
        }
        dynamic(&world, &watcher).await;
        world.did(Area::Restarts, 4);
    }
    watcher.stop();
}

fn idle() -> ChildSpec {
    ChildSpec::task(std::future::pending::<()>).restart(Restart::Permanent)
}

/// The children that run, in start order.
async fn pids(tree: &SupervisorHandle) -> Vec<Pid> {
    let children = tree.which_children().await.unwrap_or_default();
    let running = children.iter().rev().filter_map(|child| child.state.pid());
    running.collect()
}

async fn small_tree(world: &Arc<World>, watcher: &Watcher, strategy: Strategy, budget: u32) {
    let mut dice = world.dice();
    let tree = Supervisor::new(strategy)
        .intensity(budget, Duration::from_secs(3_600))
        .children((0..CHILDREN).map(|n| idle().id(n.to_string())))
        .start()
        .await
        .expect("a small tree starts");
    let mut all = pids(&tree).await;
    for _ in 0..budget {
        let victim = dice.below(CHILDREN) as usize;
        watcher.watch(&all[victim..=victim]).await;
        exit(all[victim], ExitReason::Kill);
        // Whoever sees this may ask the supervisor: it has been told before.
        watcher.ends().await;
        let now = pids(&tree).await;
        let first = match strategy {
            Strategy::OneForAll => 0,
            _ => victim,
        };
        let last = match strategy {
            Strategy::OneForOne => victim,
            _ => CHILDREN as usize - 1,
        };
        let holds = now.len() == all.len()
            && (0..now.len()).all(|n| (now[n] != all[n]) == (first..=last).contains(&n))
            && all[first..=last].iter().all(|pid| !is_alive(*pid));
        world.check(Invariant::Restart, holds, || {
            format!("{strategy:?}, number {victim} was killed: {all:?} became {now:?}")
        });
        all = now;
    }
    let stops = dice.below(3) == 0;
    watcher.watch(&[tree.pid()]).await;
    if stops {
        let stopped = tree.stop().await;
        world.check(Invariant::Orphan, stopped.is_ok(), || {
            format!("a small tree does not stop: {stopped:?}")
        });
    } else {
        exit(all[dice.below(CHILDREN) as usize], ExitReason::Kill);
    }
    let ends = watcher.ends().await;
    let expected = if stops {
        ExitReason::Normal
    } else {
        ExitReason::Shutdown
    };
    world.check(Invariant::Budget, ends[0].1 == expected, || {
        format!(
            "{budget} restarts were allowed, and used; it ended {}",
            ends[0].1
        )
    });
    world.check(
        Invariant::Orphan,
        all.iter().all(|pid| !is_alive(*pid)),
        || format!("{strategy:?}: the supervisor has ended, a child of {all:?} has not"),
    );
}

async fn dynamic(world: &Arc<World>, watcher: &Watcher) {
    let mut dice = world.dice();
    let jobs = DynamicSupervisor::new()
        .intensity(100_000, Duration::from_secs(1))
        .start()
        .await
        .expect("it starts");
    let count = 1 + dice.below(60);
    let mut children = Vec::new();
    for n in 0..count {
        let restart = if n % 2 == 0 {
            Restart::Temporary
        } else {
            Restart::Permanent
        };
        let child = jobs.start_child(idle().restart(restart)).await;
        children.extend(child.map(|child| (child.pid(), restart)));
    }
    let mut left = children.len();
    for (pid, restart) in &children {
        match dice.below(4) {
            0 => {
                // Before the kill: a monitor of one that is gone already answers at once, while
                // the supervisor is still to be told.
                watcher.watch(&[*pid]).await;
                exit(*pid, ExitReason::Kill);
                left -= usize::from(*restart == Restart::Temporary);
            }
            1 => {
                let ended = jobs.terminate_child(*pid).await;
                world.check(Invariant::Restart, ended.is_ok(), || {
                    format!("a dynamic child is not terminated: {ended:?}")
                });
                left -= 1;
            }
            _ => {}
        }
    }
    watcher.ends().await;
    let active = jobs.count_children().await.map(|count| count.active);
    world.check(Invariant::Restart, active == Ok(left), || {
        format!("of {count} dynamic children {left} must run: {active:?}")
    });
    let running = jobs.which_children().await.unwrap_or_default();
    let stopped = jobs.stop().await;
    let outlived = running
        .iter()
        .filter_map(|child| child.state.pid())
        .find(|pid| is_alive(*pid));
    world.check(
        Invariant::Orphan,
        stopped.is_ok() && outlived.is_none(),
        || format!("the dynamic supervisor has ended ({stopped:?}), {outlived:?} lives"),
    );
}
