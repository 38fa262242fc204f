//! How many restarts in how long, and what happens after that.

use rekindle_actor::{ExitReason, is_alive, now, sleep, trap_exit};
use rekindle_supervisor::{
    ChildState, DeleteChildError, Restart, RestartChildError, Supervisor, SupervisorHandle,
};

use crate::kit::{
    Args, End, Opening, Probe, Script, addr_of, end, kill, pid_of, running, seconds, simulated,
    watch,
};
use rekindle_supervisor::ServerChild;

fn failing(args: &Args, starts: usize) {
    args.script.push(vec![Opening::Fail; starts]);
}

#[test]
fn sup_027_restarts_within_the_limit_go_on() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .intensity(1, seconds(1))
            .child(kit.child("a"))
            .start_link()
            .await
            .unwrap();
        for _ in 0..10 {
            kill(pid_of(&supervisor, "a").await.unwrap()).await;
            assert!(pid_of(&supervisor, "a").await.is_some());
            sleep(seconds(2)).await;
        }
    });
}

#[test]
fn sup_028_beyond_the_limit_the_supervisor_stops_all_and_ends_with_shutdown() {
    for strategy in [
        Supervisor::one_for_one(),
        Supervisor::one_for_all(),
        Supervisor::rest_for_one(),
    ] {
        simulated(|kit| {
            let strategy = strategy.clone();
            async move {
                trap_exit(true);
                let supervisor = strategy
                    .intensity(1, seconds(10))
                    .child(kit.child("a"))
                    .child(kit.child("b"))
                    .child(kit.child("c"))
                    .start_link()
                    .await
                    .unwrap();
                let watcher = watch(supervisor.pid()).await;
                kill(pid_of(&supervisor, "c").await.unwrap()).await;
                assert_eq!(running(&supervisor).await, "abc");
                kit.log();
                kill(pid_of(&supervisor, "c").await.unwrap()).await;
                assert_eq!(watcher.end().await, ExitReason::Shutdown);
                assert_eq!(kit.log(), "-c -b -a");
            }
        });
    }
}

#[test]
fn sup_029_a_child_that_cannot_start_again_drives_the_supervisor_over_the_limit() {
    for strategy in [
        Supervisor::one_for_one(),
        Supervisor::one_for_all(),
        Supervisor::rest_for_one(),
    ] {
        simulated(|kit| {
            let strategy = strategy.clone();
            async move {
                trap_exit(true);
                let args = kit.args("b");
                let supervisor = strategy
                    .intensity(4, seconds(3600))
                    .child(kit.child("a"))
                    .child(Probe::child(args.clone()).id("b"))
                    .child(kit.child("c"))
                    .start_link()
                    .await
                    .unwrap();
                let watcher = watch(supervisor.pid()).await;
                failing(&args, 100);
                kill(pid_of(&supervisor, "b").await.unwrap()).await;
                assert_eq!(watcher.end().await, ExitReason::Shutdown);
                // Four restarts were tried.
                assert_eq!(args.script.len(), 96);
            }
        });
    }
}

/// A supervisor whose child "b" is about to be restarted for as long as its script lasts.
async fn restarting(kit: &crate::kit::Kit, script: &Script, starts: usize) -> SupervisorHandle {
    let args = Args {
        script: script.clone(),
        ..kit.args("b")
    };
    let supervisor = Supervisor::one_for_one()
        .intensity(1000, seconds(5))
        .child(kit.child("a"))
        .child(Probe::child(args).id("b"))
        .start_link()
        .await
        .unwrap();
    script.push(vec![Opening::Fail; starts]);
    kill(pid_of(&supervisor, "b").await.unwrap()).await;
    supervisor
}

#[test]
fn sup_030_a_supervisor_answers_while_a_restart_keeps_failing() {
    simulated(|kit| async move {
        let script = Script::default();
        let supervisor = restarting(&kit, &script, 100).await;
        let b = supervisor.which_child("b").await.unwrap();
        assert_eq!(b.state, ChildState::Restarting);
        let left = script.len();
        let count = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active, count.workers), (2, 1, 2));
        assert!(
            left - script.len() < 10,
            "requests are served between the attempts"
        );
        let refused = supervisor.restart_child("b").await.unwrap_err();
        assert_eq!(refused, RestartChildError::Restarting);
        assert_eq!(
            supervisor.delete_child("b").await,
            Err(DeleteChildError::Restarting)
        );
        while script.len() > 0 {
            supervisor.count_children().await.unwrap();
        }
        while pid_of(&supervisor, "b").await.is_none() {}
        assert_eq!(running(&supervisor).await, "ab");
    });
}

#[test]
fn sup_030_a_restart_can_be_called_off() {
    simulated(|kit| async move {
        let script = Script::default();
        let supervisor = restarting(&kit, &script, 100).await;
        supervisor.terminate_child("b").await.unwrap();
        let left = script.len();
        sleep(seconds(1)).await;
        assert_eq!(script.len(), left);
        let b = supervisor.which_child("b").await.unwrap();
        assert_eq!(b.state, ChildState::Stopped);
        supervisor.delete_child("b").await.unwrap();
    });
}

#[test]
fn sup_031_a_group_restart_counts_once() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_all()
            .intensity(2, seconds(5))
            .child(kit.child("a"))
            .child(kit.child("b"))
            .child(kit.child("c"))
            .start_link()
            .await
            .unwrap();
        for _ in 0..2 {
            kill(pid_of(&supervisor, "b").await.unwrap()).await;
            assert_eq!(running(&supervisor).await, "abc");
        }
    });
}

#[test]
fn sup_032_an_inner_supervisor_that_gives_up_is_restarted_by_its_class() {
    for (restart, comes_back) in [
        (Restart::Permanent, true),
        (Restart::Transient, false),
        (Restart::Temporary, false),
    ] {
        simulated(|kit| async move {
            let inner = Supervisor::one_for_one()
                .name("inner")
                .intensity(0, seconds(5))
                .child(kit.child("a"))
                .restart(restart);
            let outer = Supervisor::one_for_one()
                .child(inner)
                .start_link()
                .await
                .unwrap();
            let before = SupervisorHandle::whereis("inner").unwrap();
            let watcher = watch(before.pid()).await;
            kill(pid_of(&before, "a").await.unwrap()).await;
            // `Shutdown` is a clean end.
            assert_eq!(watcher.end().await, ExitReason::Shutdown);
            let count = outer.count_children().await.unwrap();
            assert_eq!(count.active, usize::from(comes_back));
            assert_eq!(SupervisorHandle::whereis("inner").is_some(), comes_back);
        });
    }
}

#[test]
fn sup_033_children_added_later_do_not_come_back_with_their_supervisor() {
    simulated(|kit| async move {
        let inner = Supervisor::one_for_one().child(kit.child("a"));
        let outer = Supervisor::one_for_one().start_link().await.unwrap();
        let inner: SupervisorHandle = outer.start_child(inner.id("inner")).await.unwrap();
        inner.start_child(kit.child("b")).await.unwrap();
        assert_eq!(running(&inner).await, "ab");
        kill(inner.pid()).await;
        let again = SupervisorHandle::from_pid(pid_of(&outer, "inner").await.unwrap()).unwrap();
        assert_eq!(running(&again).await, "a");
        assert!(!is_alive(inner.pid()));
    });
}

#[test]
fn a_slow_init_holds_its_supervisor_up_and_nothing_is_lost() {
    simulated(|kit| async move {
        let args = kit.args("a");
        let supervisor = Supervisor::one_for_one()
            .child(Probe::child(args.clone()).id("a"))
            .child(kit.ending("b", End::Slow(seconds(1))))
            .start_link()
            .await
            .unwrap();
        args.script.push([Opening::Slow(seconds(30))]);
        let begun = now();
        end(&addr_of(&supervisor, "a").await, ExitReason::msg("no")).await;
        assert_eq!(running(&supervisor).await, "ab");
        assert_eq!(now().saturating_since(begun), seconds(30));
    });
}
