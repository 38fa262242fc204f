//! What goes on at the same time: each area has drivers, which go round until the run stops.

mod blocked;
mod bounded;
mod calls;
mod chaos;
mod letters;
mod links;
mod monitors;
mod names;
mod orphans;
mod restarts;
mod storms;
mod tasks;
mod timers;

use std::sync::Arc;

use rekindle::prelude::*;

use crate::tree::Forest;
use crate::world::{Area, World};

/// Starts the drivers of all areas.
pub(crate) fn start(world: &Arc<World>, forest: &Forest) -> Vec<(Area, Task<()>)> {
    let names = || forest.names.clone();
    let mut drivers = vec![
        (
            Area::Chaos,
            Task::spawn_nolink(chaos::run(
                world.clone(),
                names(),
                forest.supervisors.clone(),
            )),
        ),
        (
            Area::Monitors,
            Task::spawn_nolink(monitors::run(world.clone())),
        ),
        (Area::Links, Task::spawn_nolink(links::run(world.clone()))),
        (Area::Calls, Task::spawn_nolink(calls::run(world.clone()))),
        (Area::Names, Task::spawn_nolink(names::run(world.clone()))),
        (Area::Storms, Task::spawn_nolink(storms::run(world.clone()))),
        (
            Area::Bounded,
            Task::spawn_nolink(bounded::run(world.clone())),
        ),
        (Area::Timers, Task::spawn_nolink(timers::run(world.clone()))),
        (Area::Tasks, Task::spawn_nolink(tasks::run(world.clone()))),
        (
            Area::Blocked,
            Task::spawn_nolink(blocked::run(world.clone())),
        ),
        (
            Area::Restarts,
            Task::spawn_nolink(restarts::run(world.clone())),
        ),
        (
            Area::Orphans,
            Task::spawn_nolink(orphans::run(world.clone())),
        ),
    ];
    for _ in 0..4 {
        let letters = letters::run(world.clone(), names());
        drivers.push((Area::Letters, Task::spawn_nolink(letters)));
    }
    drivers
}
