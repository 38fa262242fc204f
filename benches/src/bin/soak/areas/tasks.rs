//! Tasks that are awaited, crash, are killed, and come as a stream.

use std::sync::Arc;

use rekindle::prelude::*;
use rekindle::yield_now;

use crate::invariants::Invariant;
use crate::world::{Area, World};

const TASKS: u64 = 60;

pub(super) async fn run(world: Arc<World>) {
    let tasks = TaskSupervisor::new().start().await.expect("it starts");
    let mut dice = world.dice();
    while !world.is_stopping() {
        let mut running = Vec::new();
        for n in 0..TASKS {
            let (turns, crashes) = (dice.below(10), dice.below(4) == 0);
            let work = async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                assert!(!crashes, "as it was meant to");
                n
            };
            let task = if dice.below(2) == 0 {
                Task::spawn_nolink(work)
            } else {
                tasks.async_nolink(work).await.expect("it starts")
            };
            running.push((n, crashes, task));
        }
        for (n, crashes, mut task) in running {
            let (result, killed) = match dice.below(4) {
                0 => (task.kill().await, true),
                1 => match task.yield_for(Duration::from_micros(dice.below(50))).await {
                    None => (Some(task.await), false),
                    early => (early, false),
                },
                _ => (Some(task.await), false),
            };
            let holds = match &result {
                Some(Ok(value)) => !crashes && *value == n,
                Some(Err(reason)) => crashes && reason.is_panic(),
                None => killed,
            };
            world.check(Invariant::Task, holds, || {
                format!("task {n} (crashes: {crashes}, killed: {killed}) gave {result:?}")
            });
        }
        let slow = 1 + dice.below(10);
        let stream = tasks
            .async_stream_nolink(0..TASKS, move |n| async move {
                if n % slow == 0 {
                    sleep(Duration::from_secs(3_600)).await;
                }
                n
            })
            .timeout(Duration::from_millis(20))
            .kill_on_timeout();
        let results = stream
            .max_concurrency(TASKS as usize)
            .expect("more than none")
            .collect()
            .await;
        let own = |(n, result): (u64, &Result<u64, _>)| match result {
            Ok(value) => *value == n && n % slow != 0,
            // On a loaded machine a quick one may be late as well.
            Err(_) => true,
        };
        let holds = results.len() as u64 == TASKS && (0..).zip(&results).all(own);
        world.check(Invariant::Task, holds, || {
            format!("a stream of {TASKS}, each {slow}th slow, gave {results:?}")
        });
        world.did(Area::Tasks, 2 * TASKS);
    }
    let stopped = tasks.stop().await;
    world.check(Invariant::Orphan, stopped.is_ok(), || {
        format!("the supervisor of tasks does not stop: {stopped:?}")
    });
}
