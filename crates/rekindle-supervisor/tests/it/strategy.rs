//! Who is restarted with whom.

use rekindle_actor::{ExitReason, Pid};
use rekindle_supervisor::{Restart, Supervisor, SupervisorHandle};

use crate::kit::{Kit, addr_of, end, everywhere, kill, pid_of, running};

async fn three(strategy: Supervisor, kit: &Kit) -> SupervisorHandle {
    let supervisor = strategy
        .child(kit.child("a"))
        .child(kit.child("b"))
        .child(kit.child("c"))
        .start_link()
        .await
        .unwrap();
    assert_eq!(kit.log(), "+a +b +c");
    supervisor
}

async fn pids(supervisor: &SupervisorHandle) -> [Pid; 3] {
    let mut pids = Vec::new();
    for id in ["a", "b", "c"] {
        pids.push(pid_of(supervisor, id).await.unwrap());
    }
    pids.try_into().unwrap()
}

#[test]
fn sup_020_one_for_one_replaces_the_failed_child_only() {
    everywhere(|kit| async move {
        let supervisor = three(Supervisor::one_for_one(), &kit).await;
        let before = pids(&supervisor).await;
        kill(before[1]).await;
        let after = pids(&supervisor).await;
        assert_eq!((before[0], before[2]), (after[0], after[2]));
        assert_ne!(before[1], after[1]);
        assert_eq!(kit.log(), "-b +b");
    });
}

#[test]
fn sup_021_one_for_all_replaces_all() {
    everywhere(|kit| async move {
        let supervisor = three(Supervisor::one_for_all(), &kit).await;
        let before = pids(&supervisor).await;
        kill(before[1]).await;
        let after = pids(&supervisor).await;
        assert!(before.iter().all(|pid| !after.contains(pid)));
        assert_eq!(kit.log(), "-b -c -a +a +b +c");
    });
}

#[test]
fn sup_022_rest_for_one_replaces_those_after_it() {
    everywhere(|kit| async move {
        let supervisor = three(Supervisor::rest_for_one(), &kit).await;
        let before = pids(&supervisor).await;
        kill(before[1]).await;
        let after = pids(&supervisor).await;
        assert_eq!(before[0], after[0]);
        assert!(before[1] != after[1] && before[2] != after[2]);
        assert_eq!(kit.log(), "-b -c +b +c");
        kill(after[2]).await;
        assert_eq!(pids(&supervisor).await[..2], after[..2]);
    });
}

#[test]
fn sup_023_a_group_keeps_its_order() {
    everywhere(|kit| async move {
        let supervisor = three(Supervisor::one_for_all(), &kit).await;
        for (n, id) in ["c", "a", "b"].into_iter().enumerate() {
            kill(pid_of(&supervisor, id).await.unwrap()).await;
            assert_eq!(running(&supervisor).await, "abc", "{n}");
            assert!(kit.log().ends_with("+a +b +c"));
        }
    });
}

#[test]
fn sup_023_a_stopped_child_comes_back_with_its_group() {
    everywhere(|kit| async move {
        let supervisor = three(Supervisor::one_for_all(), &kit).await;
        supervisor.terminate_child("c").await.unwrap();
        assert_eq!(running(&supervisor).await, "ab");
        kill(pid_of(&supervisor, "a").await.unwrap()).await;
        assert_eq!(running(&supervisor).await, "abc");
    });
}

#[test]
fn sup_024_a_clean_end_restarts_no_group() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_all()
            .child(kit.child("a").restart(Restart::Transient))
            .child(kit.child("b").restart(Restart::Temporary))
            .child(kit.child("c"))
            .start_link()
            .await
            .unwrap();
        let c = pid_of(&supervisor, "c").await;
        end(&addr_of(&supervisor, "a").await, ExitReason::Normal).await;
        end(&addr_of(&supervisor, "b").await, ExitReason::Shutdown).await;
        assert_eq!(running(&supervisor).await, "c");
        assert_eq!(pid_of(&supervisor, "c").await, c);
    });
}

#[test]
fn a_sibling_that_dies_during_a_group_restart_is_restarted_once() {
    everywhere(|kit| async move {
        let supervisor = three(Supervisor::one_for_all(), &kit).await;
        let before = pids(&supervisor).await;
        let watchers = [
            crate::kit::watch(before[0]).await,
            crate::kit::watch(before[2]).await,
        ];
        rekindle_actor::exit(before[0], ExitReason::Kill);
        rekindle_actor::exit(before[2], ExitReason::Kill);
        for watcher in watchers {
            watcher.end().await;
        }
        assert_eq!(running(&supervisor).await, "abc");
        let after = pids(&supervisor).await;
        assert!(before.iter().all(|pid| !after.contains(pid)));
        // At most twice: once for each, if the second died after the first restart.
        assert!(kit.log().matches("+b").count() <= 2);
    });
}
