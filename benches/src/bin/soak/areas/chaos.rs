//! Kills servers and supervisors of the tree, makes them panic, stop, wait, and block threads.

use std::sync::Arc;

use rekindle::prelude::*;

use crate::tree::{Letter, Post};
use crate::world::{Area, World};

pub(super) async fn run(world: Arc<World>, names: Arc<[Name<Post>]>, supervisors: Arc<[String]>) {
    let mut dice = world.dice();
    while !world.is_stopping() {
        sleep(Duration::from_millis(dice.below(20))).await;
        let name = &names[dice.below(names.len() as u64) as usize];
        match dice.below(100) {
            0..40 => {
                if let Some(pid) = name.pid() {
                    exit(pid, ExitReason::Kill);
                }
            }
            40..60 => name.cast(Letter::Panic),
            60..70 => name.cast(Letter::Fail),
            70..80 => name.cast(Letter::Stop),
            80..85 => {
                if let Some(pid) = name.pid() {
                    exit(pid, ExitReason::msg("a signal from outside"));
                }
            }
            85..90 => name.cast(Letter::Block(Duration::from_millis(12 + dice.below(20)))),
            90..97 => name.cast(Letter::Wait(Duration::from_millis(dice.below(50)))),
            _ => {
                let name = &supervisors[dice.below(supervisors.len() as u64) as usize];
                if let Some(pid) = whereis(name) {
                    exit(pid, ExitReason::Kill);
                }
            }
        }
        world.did(Area::Chaos, 1);
    }
}
