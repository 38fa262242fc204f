//! The tree in virtual time: nothing here waits for a real clock. Each test runs in ten orders, each
//! of which follows from a seed; a failure says which seed it was.

use rekindle::prelude::*;
use rekindle::testkit::Test;

use {{name}}::{Counter, CounterApi, tree};

#[rekindle::test(simulated)]
async fn the_counter_counts(t: &mut Test) {
    t.start_supervised(tree()).await;
    let counter = Counter::named();
    counter.add(2);
    assert_eq!(counter.get().await, Ok(2));
    assert_eq!(counter.swap(7).await, Ok(2));
    assert_eq!(counter.get().await, Ok(7));
}

#[rekindle::test(simulated)]
async fn a_counter_that_dies_is_started_again_at_zero(t: &mut Test) {
    t.start_supervised(tree()).await;
    let counter = Counter::named();
    counter.add(2);
    assert_eq!(counter.get().await, Ok(2));

    exit(counter.pid().unwrap(), ExitReason::Kill);
    // Until all processes wait: then the supervisor has started it again.
    t.settle().await;
    assert_eq!(counter.get().await, Ok(0));
}
