//! Restart classes.

use rekindle_actor::{ExitReason, trap_exit};
use rekindle_supervisor::{ChildState, FindChildError, Restart, Supervisor, SupervisorHandle};

use crate::kit::{Do, Kit, addr_of, end, everywhere, kill, pid_of, watch};

fn clean() -> [ExitReason; 3] {
    [
        ExitReason::Normal,
        ExitReason::Shutdown,
        ExitReason::shutdown_with("enough"),
    ]
}

async fn supervised(kit: &Kit, restart: Restart) -> SupervisorHandle {
    Supervisor::one_for_one()
        .intensity(100, std::time::Duration::from_secs(5))
        .child(kit.child("a").restart(restart))
        .start_link()
        .await
        .unwrap()
}

/// Lets the child end by a panic.
async fn crash(supervisor: &SupervisorHandle) {
    let child = addr_of(supervisor, "a").await;
    let watcher = watch(child.pid()).await;
    child.cast(Do::Panic);
    assert!(watcher.end().await.is_panic());
}

#[test]
fn sup_013_permanent_is_always_restarted() {
    everywhere(|kit| async move {
        let supervisor = supervised(&kit, Restart::Permanent).await;
        for reason in clean().into_iter().chain([ExitReason::msg("no")]) {
            let child = addr_of(&supervisor, "a").await;
            end(&child, reason).await;
            assert_ne!(pid_of(&supervisor, "a").await.unwrap(), child.pid());
        }
        crash(&supervisor).await;
        assert!(pid_of(&supervisor, "a").await.is_some());
    });
}

#[test]
fn sup_014_transient_is_not_restarted_after_a_clean_end() {
    everywhere(|kit| async move {
        let supervisor = supervised(&kit, Restart::Transient).await;
        for reason in clean() {
            end(&addr_of(&supervisor, "a").await, reason).await;
            let child = supervisor.which_child("a").await.unwrap();
            assert_eq!(child.state, ChildState::Stopped);
            supervisor.restart_child("a").await.unwrap();
        }
    });
}

#[test]
fn sup_015_transient_is_restarted_after_an_abnormal_end() {
    everywhere(|kit| async move {
        let supervisor = supervised(&kit, Restart::Transient).await;
        let first = pid_of(&supervisor, "a").await.unwrap();
        kill(first).await;
        let second = pid_of(&supervisor, "a").await.unwrap();
        assert_ne!(first, second);
        crash(&supervisor).await;
        assert_ne!(pid_of(&supervisor, "a").await.unwrap(), second);
    });
}

#[test]
fn sup_016_temporary_is_never_restarted_and_forgotten() {
    everywhere(|kit| async move {
        let supervisor = supervised(&kit, Restart::Temporary).await;
        for reason in clean().into_iter().chain([ExitReason::msg("no")]) {
            end(&addr_of(&supervisor, "a").await, reason).await;
            assert_eq!(
                supervisor.which_child("a").await,
                Err(FindChildError::NotFound)
            );
            assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
            supervisor
                .start_child(kit.child("a").restart(Restart::Temporary))
                .await
                .unwrap();
        }
    });
}

#[test]
fn sup_017_a_temporary_child_can_be_started_again_under_its_id() {
    everywhere(|kit| async move {
        let supervisor = supervised(&kit, Restart::Temporary).await;
        kill(pid_of(&supervisor, "a").await.unwrap()).await;
        let again = kit.child("a").restart(Restart::Temporary);
        let addr = supervisor.start_child(again).await.unwrap();
        assert_eq!(pid_of(&supervisor, "a").await, Some(addr.pid()));
    });
}

#[test]
fn sup_018_the_start_of_a_temporary_child_is_not_kept() {
    everywhere(|kit| async move {
        let supervisor = supervised(&kit, Restart::Temporary).await;
        let spec = supervisor.get_childspec("a").await.unwrap();
        let other = Supervisor::one_for_one().child(spec).start_link().await;
        assert!(other.is_err());
        // What it was started with is gone as well: the last one who knows it is its state.
        let token = std::sync::Arc::new(());
        let held = token.clone();
        let spec = rekindle_supervisor::ChildSpec::task(move || {
            let _held = held.clone();
            std::future::pending::<()>()
        });
        supervisor.start_child(spec).await.unwrap();
        assert_eq!(std::sync::Arc::strong_count(&token), 1);
    });
}

#[test]
fn sup_019_a_temporary_bystander_is_not_brought_back() {
    for (strategy, with) in [
        (Supervisor::one_for_all(), "ac"),
        (Supervisor::rest_for_one(), "ac"),
    ] {
        everywhere(|kit| {
            let strategy = strategy.clone();
            async move {
                trap_exit(true);
                let supervisor = strategy
                    .child(kit.child("a"))
                    .child(kit.child("b").restart(Restart::Temporary))
                    .child(kit.child("c"))
                    .start_link()
                    .await
                    .unwrap();
                kill(pid_of(&supervisor, "a").await.unwrap()).await;
                assert_eq!(crate::kit::running(&supervisor).await, with);
                assert_eq!(supervisor.count_children().await.unwrap().specs, 2);
                kill(pid_of(&supervisor, "a").await.unwrap()).await;
                assert_eq!(crate::kit::running(&supervisor).await, with);
            }
        });
    }
}
