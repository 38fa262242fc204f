//! Bursts of processes, some of which start another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rekindle::prelude::*;

use crate::invariants::Invariant;
use crate::world::{Area, World};

/// How often bodies of one burst began, and were dropped.
#[derive(Debug, Default)]
struct Burst {
    begun: AtomicU64,
    dropped: AtomicU64,
}

struct Body(Arc<Burst>);

impl Drop for Body {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Release);
    }
}

pub(super) async fn run(world: Arc<World>) {
    let mut dice = world.dice();
    while !world.is_stopping() {
        let most = if dice.below(10) == 0 { 50_000 } else { 2_000 };
        let count = 100 + dice.below(most);
        let burst = Arc::new(Burst::default());
        let mut all = count;
        for _ in 0..count {
            let body = Body(burst.clone());
            let bears = dice.below(4) == 0;
            all += u64::from(bears);
            spawn(async move {
                body.0.begun.fetch_add(1, Ordering::Relaxed);
                if bears {
                    let child = Body(body.0.clone());
                    spawn(async move {
                        child.0.begun.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
        }
        while burst.dropped.load(Ordering::Acquire) < all {
            sleep(Duration::from_millis(1)).await;
        }
        let begun = burst.begun.load(Ordering::Relaxed);
        let dropped = burst.dropped.load(Ordering::Acquire);
        world.check(Invariant::Spawned, begun == all && dropped == all, || {
            format!("{all} were spawned, {begun} began, {dropped} were dropped")
        });
        world.did(Area::Storms, all);
    }
}
