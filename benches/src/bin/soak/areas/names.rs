//! Names and keys that mortals take from each other.

use std::collections::HashSet;
use std::sync::Arc;

use rekindle::prelude::*;
use rekindle::{Duplicate, RegisterError, unregister};

use crate::invariants::Invariant;
use crate::watcher::Watcher;
use crate::world::{Area, World};

const NAMES: u64 = 24;
const HOLDERS: usize = 60;

type Rooms = Registry<u64, u64>;
type Topics = Registry<u64, u64, Duplicate>;

pub(super) async fn run(world: Arc<World>) {
    let rooms: Rooms = Registry::unique().start().await.expect("a registry starts");
    let topics: Topics = Registry::duplicate()
        .start()
        .await
        .expect("a registry starts");
    let watcher = Watcher::start(&world);
    while !world.is_stopping() {
        let holders: Vec<Sender<ExitReason>> = (0..HOLDERS)
            .map(|_| {
                let (world, rooms, topics) = (world.clone(), rooms.clone(), topics.clone());
                spawn(move |inbox| hold(world, rooms, topics, inbox))
            })
            .collect();
        let pids: Vec<Pid> = holders.iter().map(Sender::pid).collect();
        watcher.watch(&pids).await;
        let mut dice = world.dice();
        for holder in &holders {
            match dice.below(3) {
                0 => holder.exit(ExitReason::Kill),
                1 => holder.send(ExitReason::Normal),
                _ => holder.send(ExitReason::msg("as it was told")),
            }
        }
        watcher.ends().await;
        let dead: HashSet<Pid> = pids.into_iter().collect();
        for n in 0..NAMES {
            let holder = whereis(&format!("name {n}"));
            world.check(
                Invariant::Name,
                holder.is_none_or(|pid| !dead.contains(&pid)),
                || format!("name {n} is held by {holder:?}, whose end was told"),
            );
            let in_room = rooms.whereis(&n);
            world.check(Invariant::Registry, in_room == Ok(None), || {
                format!("the unique key {n} leads to {in_room:?}, whose end was told")
            });
            let on_topic = topics.lookup(&n);
            world.check(Invariant::Registry, on_topic == Ok(Vec::new()), || {
                format!("the key {n} has the entries {on_topic:?}, whose ends were told")
            });
        }
        world.did(Area::Names, HOLDERS as u64);
    }
    watcher.stop();
    let stopped = (rooms.stop().await, topics.stop().await);
    world.check(Invariant::Registry, stopped == (Ok(()), Ok(())), || {
        format!("the registries do not stop: {stopped:?}")
    });
}

async fn hold(
    world: Arc<World>,
    rooms: Rooms,
    topics: Topics,
    mut inbox: Mailbox<ExitReason>,
) -> ExitReason {
    let (mut dice, me) = (world.dice(), self_pid());
    for _ in 0..4 {
        let n = dice.below(NAMES);
        let name = format!("name {n}");
        match register(name.as_str(), me) {
            Ok(()) if dice.below(2) == 0 => {
                let gone = unregister(&name);
                world.check(Invariant::Name, gone.is_ok(), || {
                    format!("{name} was registered, and cannot be given back")
                });
            }
            Ok(()) | Err(RegisterError::Taken(_)) | Err(_) => {}
        }
        // Taken or not: both are right.
        let _ = rooms.register(n, dice.below(100));
        let added = topics.register(n, dice.below(100));
        world.check(Invariant::Registry, added.is_ok(), || {
            format!("a key for many was refused: {added:?}")
        });
        if dice.below(3) == 0 {
            let gone = (rooms.unregister(&n), topics.unregister(&n));
            world.check(Invariant::Registry, gone == (Ok(()), Ok(())), || {
                format!("a key is not given back: {gone:?}")
            });
        }
    }
    inbox.recv().await
}
