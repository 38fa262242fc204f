//! The key of a registry can be hashed and compared.
use rekindle::prelude::*;

struct Room(u32);

async fn rooms() {
    let _ = Registry::<Room, ()>::unique().start_link().await;
}

fn main() {}
