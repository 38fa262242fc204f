//! Significant children and automatic shutdown.

use rekindle_actor::{ExitReason, trap_exit};
use rekindle_supervisor::{
    AutoShutdown, Restart, SpecError, Supervisor, SupervisorError, SupervisorHandle,
};

use crate::kit::{Kit, addr_of, end, everywhere, pid_of, running, watch};

async fn supervised(
    kit: &Kit,
    auto: AutoShutdown,
    children: &[(&'static str, Restart, bool)],
) -> Result<SupervisorHandle, SupervisorError> {
    let specs = children
        .iter()
        .map(|&(id, restart, significant)| kit.child(id).restart(restart).significant(significant));
    Supervisor::one_for_one()
        .auto_shutdown(auto)
        .children(specs)
        .start_link()
        .await
}

#[test]
fn sup_055_a_significant_child_needs_a_supervisor_that_cares() {
    use AutoShutdown::{AllSignificant, AnySignificant, Never};
    everywhere(|kit| async move {
        let refused = supervised(&kit, Never, &[("a", Restart::Transient, true)]).await;
        let expected = SpecError::SignificantInVain("a".into());
        assert_eq!(refused.unwrap_err(), SupervisorError::Invalid(expected));
        for auto in [AnySignificant, AllSignificant] {
            let refused = supervised(&kit, auto, &[("a", Restart::Permanent, true)]).await;
            let expected = SpecError::SignificantPermanent("a".into());
            assert_eq!(refused.unwrap_err(), SupervisorError::Invalid(expected));
            supervised(&kit, auto, &[("a", Restart::Transient, true)])
                .await
                .unwrap();
        }
    });
}

#[test]
fn sup_056_the_end_of_any_significant_child_ends_the_supervisor() {
    let rows = [
        (Restart::Temporary, ExitReason::Normal, true),
        (Restart::Temporary, ExitReason::msg("no"), true),
        (Restart::Transient, ExitReason::Normal, true),
        (Restart::Transient, ExitReason::msg("no"), false),
    ];
    for (restart, reason, ends) in rows {
        everywhere(|kit| {
            let reason = reason.clone();
            async move {
                trap_exit(true);
                let children = [("a", Restart::Permanent, false), ("b", restart, true)];
                let supervisor = supervised(&kit, AutoShutdown::AnySignificant, &children)
                    .await
                    .unwrap();
                let watcher = watch(supervisor.pid()).await;
                kit.log();
                end(&addr_of(&supervisor, "b").await, reason).await;
                if ends {
                    assert_eq!(watcher.end().await, ExitReason::Shutdown);
                    assert_eq!(kit.log(), "-b -a");
                } else {
                    assert_eq!(running(&supervisor).await, "ab");
                }
            }
        });
    }
}

#[test]
fn sup_057_the_end_of_another_child_does_not() {
    everywhere(|kit| async move {
        let children = [
            ("a", Restart::Temporary, true),
            ("b", Restart::Temporary, false),
            ("c", Restart::Transient, false),
        ];
        let supervisor = supervised(&kit, AutoShutdown::AnySignificant, &children)
            .await
            .unwrap();
        end(&addr_of(&supervisor, "b").await, ExitReason::Normal).await;
        end(&addr_of(&supervisor, "c").await, ExitReason::Normal).await;
        assert_eq!(running(&supervisor).await, "a");
    });
}

#[test]
fn sup_058_all_significant_waits_for_the_last() {
    everywhere(|kit| async move {
        trap_exit(true);
        let children = [
            ("a", Restart::Temporary, true),
            ("b", Restart::Transient, true),
            ("c", Restart::Permanent, false),
        ];
        let supervisor = supervised(&kit, AutoShutdown::AllSignificant, &children)
            .await
            .unwrap();
        let watcher = watch(supervisor.pid()).await;
        end(&addr_of(&supervisor, "b").await, ExitReason::Normal).await;
        assert_eq!(running(&supervisor).await, "ac");
        end(&addr_of(&supervisor, "a").await, ExitReason::msg("no")).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
    });
}

#[test]
fn sup_059_terminating_a_significant_child_does_not_end_the_supervisor() {
    everywhere(|kit| async move {
        let children = [
            ("a", Restart::Temporary, true),
            ("b", Restart::Permanent, false),
        ];
        let supervisor = supervised(&kit, AutoShutdown::AnySignificant, &children)
            .await
            .unwrap();
        supervisor.terminate_child("a").await.unwrap();
        assert_eq!(running(&supervisor).await, "b");
    });
}

#[test]
fn sup_060_automatic_shutdown_goes_up_through_significant_supervisors() {
    for significant in [true, false] {
        everywhere(|kit| async move {
            trap_exit(true);
            let inner = Supervisor::one_for_one()
                .name("inner")
                .auto_shutdown(AutoShutdown::AnySignificant)
                .child(kit.child("a").restart(Restart::Temporary).significant(true))
                .restart(Restart::Transient)
                .significant(significant);
            let outer = Supervisor::one_for_one()
                .auto_shutdown(AutoShutdown::AnySignificant)
                .child(kit.child("b"))
                .child(inner)
                .start_link()
                .await
                .unwrap();
            let watchers = [
                watch(outer.pid()).await,
                watch(pid_of(&outer, "inner").await.unwrap()).await,
            ];
            let inner = SupervisorHandle::whereis("inner").unwrap();
            end(&addr_of(&inner, "a").await, ExitReason::Normal).await;
            assert_eq!(watchers[1].end().await, ExitReason::Shutdown);
            if significant {
                assert_eq!(watchers[0].end().await, ExitReason::Shutdown);
            } else {
                assert_eq!(running(&outer).await, "b");
            }
        });
    }
}
