//! The tree in virtual time: nothing here waits for a real clock, and the same seed is the same run.

use rekindle::prelude::*;

use {{name}}::{Counter, tree};

#[test]
fn the_counter_counts() {
    Runtime::simulated(1).block_on(async {
        let root = tree().start_link().await.unwrap();
        Counter::add(2);
        assert_eq!(Counter::get().await, Ok(2));
        assert_eq!(Counter::swap(7).await, Ok(2));
        assert_eq!(Counter::get().await, Ok(7));
        root.stop().await.unwrap();
        assert_eq!(Counter::get().await, Err(CallError::NoProc));
    });
}

#[test]
fn a_counter_that_dies_is_started_again_at_zero() {
    Runtime::simulated(1).block_on(async {
        let root = tree().start_link().await.unwrap();
        Counter::add(2);
        assert_eq!(Counter::get().await, Ok(2));

        let first = whereis(Counter::NAME).expect("the tree has a counter");
        exit(first, ExitReason::Kill);
        // The name is free when the first is gone, and taken again by the second.
        while whereis(Counter::NAME).is_none_or(|holder| holder == first) {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(Counter::get().await, Ok(0));
        root.stop().await.unwrap();
    });
}
