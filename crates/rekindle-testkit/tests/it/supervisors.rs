//! Scenarios of supervision, as a user of the kit would write them.

use std::sync::{Arc, Mutex};

use rekindle::SupervisorHandle;
use rekindle::prelude::*;
use rekindle::testkit::{Test, assert_down, assert_receive, invariants, refute_receive};

/// Tells each start, with its name and pid, and ends when it is told to.
fn reporter(name: &'static str, to: &Recipient<(&'static str, Pid)>) -> ChildSpec {
    let to = to.clone();
    ChildSpec::worker(name, move || {
        let to = to.clone();
        async move {
            spawn_link(move |mut inbox: Mailbox<ExitReason>| async move {
                to.send((name, self_pid()));
                inbox.recv().await
            })
        }
    })
}

async fn started(t: &mut Test<(&'static str, Pid)>, names: &[&'static str]) -> Vec<Pid> {
    let mut pids = Vec::new();
    for name in names {
        pids.push(assert_receive!(t, (who, pid) if who == *name => pid));
    }
    pids
}

async fn tree(t: &mut Test<(&'static str, Pid)>, supervisor: Supervisor) -> SupervisorHandle {
    let to = t.recipient();
    let supervisor = supervisor
        .child(reporter("a", &to))
        .child(reporter("b", &to))
        .child(reporter("c", &to));
    t.start_supervised(supervisor.id("tree").restart(Restart::Temporary))
        .await
}

#[rekindle::test(simulated, seeds = 50)]
async fn one_for_one_restarts_the_one(t: &mut Test<(&'static str, Pid)>) {
    tree(t, Supervisor::one_for_one()).await;
    let pids = started(t, &["a", "b", "c"]).await;
    exit(pids[1], ExitReason::msg("bad luck"));
    started(t, &["b"]).await;
    refute_receive!(t, _);
    assert!(is_alive(pids[0]) && is_alive(pids[2]));
}

#[rekindle::test(simulated, seeds = 50)]
async fn rest_for_one_restarts_those_after_it(t: &mut Test<(&'static str, Pid)>) {
    tree(t, Supervisor::rest_for_one()).await;
    let pids = started(t, &["a", "b", "c"]).await;
    exit(pids[1], ExitReason::Kill);
    started(t, &["b", "c"]).await;
    refute_receive!(t, _);
    assert!(is_alive(pids[0]) && !is_alive(pids[2]));
}

#[rekindle::test(simulated, seeds = 50)]
async fn one_for_all_restarts_all(t: &mut Test<(&'static str, Pid)>) {
    tree(t, Supervisor::one_for_all()).await;
    let pids = started(t, &["a", "b", "c"]).await;
    exit(pids[2], ExitReason::Kill);
    started(t, &["a", "b", "c"]).await;
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
}

#[rekindle::test(simulated, seeds = 50)]
async fn too_many_restarts_end_the_tree(t: &mut Test<(&'static str, Pid)>) {
    let limit = Supervisor::one_for_one().intensity(2, Duration::from_secs(10));
    let tree = tree(t, limit).await;
    let root = tree.pid();
    monitor(root);
    let mut pids = started(t, &["a", "b", "c"]).await;
    for _ in 0..2 {
        exit(pids[0], ExitReason::Kill);
        pids[0] = started(t, &["a"]).await[0];
        t.advance(Duration::from_secs(4)).await;
    }
    exit(pids[0], ExitReason::Kill);
    assert_eq!(assert_down!(t, root).reason, ExitReason::Shutdown);
    assert!(pids.iter().all(|pid| !is_alive(*pid)), "no orphan");
}

#[rekindle::test(simulated, seeds = 50)]
async fn restarts_that_lie_apart_are_allowed(t: &mut Test<(&'static str, Pid)>) {
    let limit = Supervisor::one_for_one().intensity(1, Duration::from_secs(10));
    let tree = tree(t, limit).await;
    let mut pids = started(t, &["a", "b", "c"]).await;
    for _ in 0..20 {
        exit(pids[0], ExitReason::Kill);
        pids[0] = started(t, &["a"]).await[0];
        t.advance(Duration::from_secs(11)).await;
    }
    assert!(is_alive(tree.pid()));
}

#[rekindle::test(simulated, seeds = 20)]
async fn a_transient_child_is_not_restarted_after_its_end(t: &mut Test<(&'static str, Pid)>) {
    let to = t.recipient();
    t.start_supervised(reporter("a", &to).restart(Restart::Transient))
        .await;
    let first = started(t, &["a"]).await[0];
    exit(first, ExitReason::msg("crash"));
    let second = started(t, &["a"]).await[0];
    exit(second, ExitReason::Shutdown);
    refute_receive!(t, _, within = Duration::from_secs(60));
}

#[rekindle::test(simulated, seeds = 20)]
async fn a_stubborn_child_is_killed_after_its_time(t: &mut Test<(&'static str, Pid)>) {
    let stubborn = ChildSpec::worker("stubborn", || async {
        spawn_link(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            loop {
                inbox.next().await;
            }
        })
    });
    let child = t
        .start_supervised(stubborn.shutdown(Shutdown::Within(Duration::from_secs(7))))
        .await;
    t.settle().await;
    monitor(child.pid());
    let begun = t.now();
    t.stop_supervised("stubborn").await;
    assert_eq!(assert_down!(t, child.pid()).reason, ExitReason::Killed);
    assert_eq!(t.now() - begun, Duration::from_secs(7));
}

/// A tree under random kills, with all invariants looked at while it works.
#[rekindle::test(simulated, seeds = 100, strategy = pct(depth = 3))]
async fn a_tree_survives_random_kills(t: &mut Test<(&'static str, Pid)>) {
    let tree = tree(
        t,
        Supervisor::rest_for_one().intensity(10_000, Duration::from_secs(1)),
    )
    .await;
    t.faults()
        .kill_descendants_of(tree.pid())
        .times(10)
        .every(25);
    let downs = Arc::new(Mutex::new(0));
    for _ in 0..60 {
        let counted = Arc::clone(&downs);
        let children = tree.which_children().await.unwrap();
        let pids = children.into_iter().filter_map(|child| child.state.pid());
        for pid in pids {
            let counted = Arc::clone(&counted);
            spawn(move |mut inbox: Mailbox<()>| async move {
                monitor(pid);
                inbox.next_timeout(Duration::from_secs(1)).await;
                *counted.lock().unwrap() += 1;
            });
        }
        t.settle().await;
        assert_eq!(invariants::broken(), Vec::<String>::new());
    }
    let children = tree.which_children().await.unwrap();
    assert_eq!(children.len(), 3);
    assert!(children.iter().all(|child| child.state.pid().is_some()));
    assert!(t.faults().kills() == 10);
}
