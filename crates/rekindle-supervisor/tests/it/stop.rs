//! Stopping children, and the supervisor with them.

use rekindle_actor::{ExitReason, StopError, now, sys, trap_exit};
use rekindle_supervisor::{Restart, Shutdown, Supervisor, SupervisorHandle, SupervisorRef};

use crate::kit::{End, Kit, Probed, everywhere, pid_of, seconds, simulated, watch};

async fn with(child: Probed) -> SupervisorHandle {
    Supervisor::one_for_one()
        .child(child)
        .start_link()
        .await
        .unwrap()
}

/// Stops a supervisor of one child; the child's reason, and how many seconds it took.
async fn stopped(child: Probed) -> (ExitReason, u64) {
    trap_exit(true);
    let supervisor = with(child).await;
    let watcher = watch(pid_of(&supervisor, "a").await.unwrap()).await;
    let begun = now();
    supervisor
        .stop()
        .reason(ExitReason::Shutdown)
        .await
        .unwrap();
    (watcher.end().await, now().saturating_since(begun).as_secs())
}

#[test]
fn sup_034_children_are_stopped_in_reverse_order_one_after_the_other() {
    simulated(|kit| async move {
        let slow = |name| kit.ending(name, End::Slow(seconds(1)));
        let supervisor = Supervisor::one_for_one()
            .child(slow("a"))
            .child(slow("b"))
            .child(slow("c"))
            .start_link()
            .await
            .unwrap();
        kit.log();
        let begun = now();
        supervisor.stop().await.unwrap();
        assert_eq!(kit.log(), "-c -b -a");
        assert_eq!(now().saturating_since(begun), seconds(3));
    });
}

#[test]
fn sup_035_a_child_that_takes_too_long_is_killed() {
    simulated(|kit| async move {
        let quick = kit
            .ending("a", End::Slow(seconds(2)))
            .shutdown(Shutdown::Within(seconds(3)));
        assert_eq!(stopped(quick).await, (ExitReason::Shutdown, 2));
        let slow = kit
            .ending("a", End::Slow(seconds(60)))
            .shutdown(Shutdown::Within(seconds(3)));
        assert_eq!(stopped(slow).await, (ExitReason::Killed, 3));
        let default = kit.ending("a", End::Slow(seconds(60)));
        assert_eq!(stopped(default).await, (ExitReason::Killed, 5));
    });
}

#[test]
fn sup_036_infinite_waits_as_long_as_it_takes() {
    simulated(|kit| async move {
        let slow = kit
            .ending("a", End::Slow(seconds(3600)))
            .shutdown(Shutdown::Infinite);
        assert_eq!(stopped(slow).await, (ExitReason::Shutdown, 3600));
    });
}

#[test]
fn sup_037_kill_is_at_once() {
    simulated(|kit| async move {
        let slow = kit
            .ending("a", End::Slow(seconds(60)))
            .shutdown(Shutdown::Kill);
        assert_eq!(stopped(slow).await, (ExitReason::Killed, 0));
    });
}

#[test]
fn sup_038_an_odd_end_does_not_disturb_the_rest() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.ending("b", End::Raise(ExitReason::msg("odd"))))
            .child(
                kit.ending("c", End::Raise(ExitReason::Normal))
                    .restart(Restart::Transient),
            )
            .start_link()
            .await
            .unwrap();
        let watchers = [
            watch(pid_of(&supervisor, "a").await.unwrap()).await,
            watch(pid_of(&supervisor, "b").await.unwrap()).await,
            watch(pid_of(&supervisor, "c").await.unwrap()).await,
        ];
        kit.log();
        supervisor.stop().await.unwrap();
        assert_eq!(kit.log(), "-c -b -a");
        assert_eq!(watchers[0].end().await, ExitReason::Shutdown);
        assert_eq!(watchers[1].end().await, ExitReason::msg("odd"));
        assert_eq!(watchers[2].end().await, ExitReason::Normal);
    });
}

#[test]
fn sup_040_stop_returns_when_all_are_gone_and_gives_its_reason() {
    everywhere(|kit| async move {
        trap_exit(true);
        let supervisor = Supervisor::one_for_one()
            .name("tree")
            .child(Supervisor::one_for_one().child(kit.child("a")))
            .child(kit.child("b"))
            .start_link()
            .await
            .unwrap();
        kit.log();
        let watcher = watch(supervisor.pid()).await;
        let reason = ExitReason::msg("maintenance");
        SupervisorRef::named("tree")
            .stop()
            .reason(reason.clone())
            .await
            .unwrap();
        assert_eq!(kit.log(), "-b -a");
        assert_eq!(watcher.end().await, reason);
        assert!(!supervisor.is_alive());
        let again = SupervisorRef::named("tree").stop().await;
        assert_eq!(again, Err(StopError::NoProc));
    });
}

#[test]
fn sup_040_a_stop_with_a_limit_gives_up_waiting() {
    simulated(|kit| async move {
        let supervisor = with(kit.ending("a", End::Slow(seconds(4)))).await;
        let watcher = watch(supervisor.pid()).await;
        let stopped = supervisor.stop().timeout(seconds(1)).await;
        assert_eq!(stopped, Err(StopError::Timeout(seconds(1))));
        assert_eq!(watcher.end().await, ExitReason::Normal);
    });
}

#[test]
fn a_child_that_has_unlinked_itself_is_waited_for_as_well() {
    simulated(|_| async {
        use rekindle_actor::{parent, sleep, spawn_link, unlink};
        use rekindle_supervisor::ChildSpec;
        let spec = ChildSpec::worker("a", || async {
            spawn_link(async {
                // The supervisor links it once more; after that it leaves.
                sleep(seconds(1)).await;
                unlink(parent().unwrap());
                std::future::pending::<()>().await;
            })
        });
        let supervisor = Supervisor::one_for_one()
            .child(spec)
            .start_link()
            .await
            .unwrap();
        sleep(seconds(2)).await;
        let watcher = watch(pid_of(&supervisor, "a").await.unwrap()).await;
        supervisor.stop().await.unwrap();
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
    });
}

#[test]
fn requests_that_come_while_a_child_is_stopped_are_served_afterwards() {
    simulated(|kit: Kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.ending("a", End::Slow(seconds(2))))
            .child(kit.child("b"))
            .start_link()
            .await
            .unwrap();
        let (one, two, b) = (
            supervisor.clone(),
            supervisor.clone(),
            pid_of(&supervisor, "b").await.unwrap(),
        );
        let stopping = rekindle_actor::Task::spawn(async move { one.terminate_child("a").await });
        rekindle_actor::sleep(seconds(1)).await;
        let asked = rekindle_actor::Task::spawn(async move { two.count_children().await });
        crate::kit::kill(b).await;
        assert_eq!(stopping.await, Ok(Ok(())));
        assert_eq!(asked.await.unwrap().unwrap().specs, 2);
        // And the death of the other was not lost.
        assert_ne!(pid_of(&supervisor, "b").await.unwrap(), b);
    });
}

#[test]
fn a_suspended_supervisor_waits_with_everything_but_its_end() {
    everywhere(|kit| async move {
        let supervisor = with(kit.child("a")).await;
        let pid = pid_of(&supervisor, "a").await.unwrap();
        sys::suspend(supervisor.pid()).await.unwrap();
        crate::kit::kill(pid).await;
        let status = sys::get_status(supervisor.pid()).await.unwrap();
        assert!(status.suspended);
        assert!(status.state.unwrap().contains("1 active"));
        sys::resume(supervisor.pid()).await.unwrap();
        assert_ne!(pid_of(&supervisor, "a").await.unwrap(), pid);
    });
}
