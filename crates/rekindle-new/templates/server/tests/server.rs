//! The server in virtual time: nothing here waits for a real clock. Each test runs in ten orders,
//! each of which follows from a seed; a failure says which seed it was.

use rekindle::prelude::*;
use rekindle::testkit::Test;

use {{name}}::{{{Name}}, {{Name}}Api};

#[rekindle::test(simulated)]
async fn permits_come_to_an_end_and_back(t: &mut Test) {
    let server = t.start_supervised({{Name}}::child(2)).await;
    assert_eq!(server.take().await, Ok(true));
    assert_eq!(server.take().await, Ok(true));
    assert_eq!(server.take().await, Ok(false));
    server.give_back();
    assert_eq!(server.take().await, Ok(true));
}

#[rekindle::test(simulated)]
async fn a_supervisor_starts_it_again_with_all_permits(t: &mut Test) {
    let first = t.start_supervised({{Name}}::child(1).name("permits")).await;
    assert_eq!(first.take().await, Ok(true));
    assert_eq!(first.take().await, Ok(false));

    exit(first.pid(), ExitReason::Kill);
    // Until all processes wait: then the supervisor has started it again.
    t.settle().await;
    assert_eq!(first.take().await, Err(CallError::NoProc));
    let named: Name<{{Name}}> = Name::new("permits");
    assert_eq!(named.take().await, Ok(true));
}
