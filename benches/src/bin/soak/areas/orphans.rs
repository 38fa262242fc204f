//! Looks at every process now and then: who has a parent that is dead, must soon be dead as well.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use rekindle::list;
use rekindle::prelude::*;

use crate::invariants::Invariant;
use crate::world::{Area, World};

/// How long a child may take to die with its supervisor. It is killed by the link, so a moment is
/// long; but its turn comes after those of thousands of others.
const GRACE: Duration = Duration::from_secs(5);

pub(super) async fn run(world: Arc<World>) {
    let mut suspects: HashSet<Pid> = HashSet::new();
    while !world.is_stopping() {
        let begun = Instant::now();
        while begun.elapsed() < GRACE && !world.is_stopping() {
            sleep(Duration::from_millis(100)).await;
        }
        let waited = begun.elapsed() >= GRACE;
        let mut orphans = HashSet::new();
        let (mut from, mut seen) = (Some(0), 0);
        while let Some(start) = from {
            let window = list(start, 500);
            from = window.next;
            seen += window.processes.len() as u64;
            let posts = window
                .processes
                .into_iter()
                .filter(|process| process.behaviour.ends_with("Post"));
            orphans.extend(
                posts
                    .filter(|post| post.parent.is_some_and(|parent| !is_alive(parent)))
                    .map(|post| post.pid),
            );
            rekindle::yield_now().await;
        }
        let left = waited.then(|| suspects.intersection(&orphans).next());
        let left = left.flatten().copied();
        world.check(
            Invariant::Orphan,
            left.is_none_or(|pid| !is_alive(pid)),
            || format!("{left:?} lives {GRACE:?} after its supervisor"),
        );
        suspects = orphans;
        world.did(Area::Orphans, seen);
    }
}
