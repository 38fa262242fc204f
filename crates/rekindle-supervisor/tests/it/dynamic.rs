//! The dynamic supervisor.

use rekindle_actor::{Addr, ExitReason, is_alive, now, raise, spawn_link, trap_exit, whereis};
use rekindle_supervisor::{
    ChildHandle, ChildKind, ChildSpec, ChildState, DynamicSupervisor, DynamicSupervisorHandle,
    DynamicSupervisorRef, Restart, ServerChild, Shutdown, SpecError, StartChildError, Supervisor,
    SupervisorError, TerminateChildError,
};

use crate::kit::{
    End, Opening, Probe, addr_of, end, everywhere, kill, pid_of, seconds, simulated, watch,
};

async fn empty() -> DynamicSupervisorHandle {
    DynamicSupervisor::new().start_link().await.unwrap()
}

/// The only child.
async fn only(supervisor: &DynamicSupervisorHandle) -> ChildState {
    let children = supervisor.which_children().await.unwrap();
    assert_eq!(children.len(), 1);
    children[0].state
}

#[test]
fn dyn_001_starts_empty_and_can_be_a_child() {
    everywhere(|kit| async move {
        let outer = Supervisor::one_for_one()
            .child(DynamicSupervisor::child().name("jobs"))
            .start_link()
            .await
            .unwrap();
        let jobs = DynamicSupervisorRef::named("jobs");
        assert_eq!(jobs.count_children().await.unwrap().specs, 0);
        assert_eq!(
            outer.which_child("jobs").await.unwrap().kind,
            ChildKind::Supervisor
        );
        jobs.start_child(kit.child("a")).await.unwrap();
        // The name follows the restart; the child does not come back.
        kill(whereis("jobs").unwrap()).await;
        assert!(pid_of(&outer, "jobs").await.is_some());
        assert_eq!(jobs.count_children().await.unwrap().specs, 0);
        jobs.start_child(kit.child("a")).await.unwrap();
    });
}

#[test]
fn dyn_002_defaults_and_bad_options() {
    everywhere(|_| async {
        trap_exit(true);
        let refused = DynamicSupervisor::new()
            .intensity(3, seconds(0))
            .start_link()
            .await;
        assert_eq!(
            refused.unwrap_err(),
            SupervisorError::Invalid(SpecError::ZeroPeriod)
        );
        let supervisor = empty().await;
        let watcher = watch(supervisor.pid()).await;
        let pending = || ChildSpec::task(std::future::pending::<()>).restart(Restart::Permanent);
        for _ in 0..4 {
            let child = supervisor.start_child(pending()).await.unwrap();
            kill(child.pid()).await;
        }
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
    });
}

#[test]
fn dyn_003_significant_children_are_refused() {
    everywhere(|kit| async move {
        let refused = empty()
            .await
            .start_child(kit.child("a").significant(true))
            .await;
        let expected = SpecError::SignificantInVain("a".into());
        assert_eq!(refused.unwrap_err(), StartChildError::Invalid(expected));
    });
}

#[test]
fn dyn_004_ids_need_not_be_unique() {
    everywhere(|kit| async move {
        let supervisor = empty().await;
        let one: Addr<Probe> = supervisor.start_child(kit.child("a")).await.unwrap();
        let two: Addr<Probe> = supervisor.start_child(kit.child("a")).await.unwrap();
        let children = supervisor.which_children().await.unwrap();
        let pids: Vec<_> = children
            .iter()
            .filter_map(|child| child.state.pid())
            .collect();
        assert_eq!(pids, [two.pid(), one.pid()]);
    });
}

#[test]
fn dyn_005_ignore_and_errors_leave_nothing_behind() {
    everywhere(|kit| async move {
        let supervisor = empty().await;
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            let ignored = kit.scripted("a", &[Opening::Ignore]).restart(restart);
            let ignored = supervisor.start_child(ignored).await;
            assert_eq!(ignored.unwrap_err(), StartChildError::Ignore);
        }
        let failed = supervisor
            .start_child(kit.scripted("a", &[Opening::Fail]))
            .await;
        let expected = StartChildError::Failed(ExitReason::msg("told to fail"));
        assert_eq!(failed.unwrap_err(), expected);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        let spec = ChildSpec::worker("w", || async {
            let pid = spawn_link(std::future::pending::<()>());
            ChildHandle::with_info(pid, "more")
        });
        let started = supervisor.start_child(spec).await.unwrap();
        assert_eq!(started.info::<&str>(), Some(&"more"));
    });
}

#[test]
fn dyn_006_a_start_function_that_panics_or_exits_is_an_error() {
    everywhere(|_| async {
        let supervisor = empty().await;
        let panics = ChildSpec::worker("w", || -> std::future::Ready<ChildHandle> {
            panic!("before the future")
        });
        let panics_later =
            ChildSpec::worker("w", || async { panic!("in the future") as ChildHandle });
        let exits = ChildSpec::worker("w", || async {
            raise(ExitReason::msg("enough")) as ChildHandle
        });
        for spec in [panics, panics_later] {
            match supervisor.start_child(spec).await.unwrap_err() {
                StartChildError::Failed(reason) => assert!(reason.is_panic()),
                other => panic!("{other:?}"),
            }
        }
        let error = supervisor.start_child(exits).await.unwrap_err();
        assert_eq!(error, StartChildError::Failed(ExitReason::msg("enough")));
        assert!(supervisor.is_alive());
    });
}

#[test]
fn dyn_007_max_children() {
    everywhere(|kit| async move {
        let none = DynamicSupervisor::new()
            .max_children(0)
            .start_link()
            .await
            .unwrap();
        let refused = none.start_child(kit.child("a")).await.unwrap_err();
        assert_eq!(refused, StartChildError::MaxChildren);
        let one = DynamicSupervisor::new()
            .max_children(1)
            .start_link()
            .await
            .unwrap();
        let a = one.start_child(kit.child("a")).await.unwrap();
        let refused = one.start_child(kit.child("b")).await.unwrap_err();
        assert_eq!(refused, StartChildError::MaxChildren);
        one.terminate_child(a.pid()).await.unwrap();
        one.start_child(kit.child("b")).await.unwrap();
    });
}

#[test]
fn dyn_009_restart_classes_and_what_is_forgotten() {
    let rows = [
        (Restart::Temporary, ExitReason::msg("no"), false),
        (Restart::Temporary, ExitReason::Normal, false),
        (Restart::Transient, ExitReason::Normal, false),
        (Restart::Transient, ExitReason::shutdown_with("x"), false),
        (Restart::Transient, ExitReason::msg("no"), true),
        (Restart::Permanent, ExitReason::Normal, true),
        (Restart::Permanent, ExitReason::msg("no"), true),
    ];
    for (restart, reason, restarted) in rows {
        everywhere(|kit| {
            let reason = reason.clone();
            async move {
                let supervisor = empty().await;
                let child = supervisor
                    .start_child(kit.child("a").restart(restart))
                    .await
                    .unwrap();
                end(&child, reason).await;
                let children = supervisor.which_children().await.unwrap();
                assert_eq!(children.len(), usize::from(restarted));
                assert!(
                    children
                        .iter()
                        .all(|c| c.state.pid().is_some_and(|p| p != child.pid()))
                );
            }
        });
    }
}

#[test]
fn sup_026_only_the_failed_child_is_replaced_with_the_same_arguments() {
    everywhere(|kit| async move {
        let supervisor = empty().await;
        let a = supervisor.start_child(kit.child("a")).await.unwrap();
        let b = supervisor.start_child(kit.child("b")).await.unwrap();
        kit.log();
        kill(a.pid()).await;
        assert_eq!(supervisor.count_children().await.unwrap().active, 2);
        assert_eq!(kit.log(), "-a +a");
        assert!(b.is_alive() && !a.is_alive());
    });
}

#[test]
fn dyn_010_a_restart_that_fails_once_is_tried_again() {
    everywhere(|kit| async move {
        let args = kit.args("a");
        let script = args.script.clone();
        let supervisor = empty().await;
        let child = supervisor.start_child(Probe::child(args)).await.unwrap();
        script.push([Opening::Fail]);
        kill(child.pid()).await;
        while only(&supervisor).await.pid().is_none() {}
        let count = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active), (1, 1));
    });
}

#[test]
fn dyn_011_a_child_whose_restart_keeps_failing_is_restarting() {
    simulated(|kit| async move {
        let args = kit.args("a");
        let script = args.script.clone();
        let supervisor = DynamicSupervisor::new()
            .intensity(1000, seconds(5))
            .start_link()
            .await
            .unwrap();
        let child = supervisor.start_child(Probe::child(args)).await.unwrap();
        script.push(vec![Opening::Fail; 50]);
        kill(child.pid()).await;
        assert_eq!(only(&supervisor).await, ChildState::Restarting);
        let count = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active, count.workers), (1, 0, 1));
        // The pid of the life that ended still finds the child, as in Elixir.
        supervisor.terminate_child(child.pid()).await.unwrap();
        assert_eq!(supervisor.which_children().await.unwrap(), []);
    });
}

#[test]
fn dyn_012_too_many_restarts_end_the_supervisor() {
    simulated(|kit| async move {
        trap_exit(true);
        let args = kit.args("a");
        let script = args.script.clone();
        let supervisor = empty().await;
        let watcher = watch(supervisor.pid()).await;
        let bystander = supervisor.start_child(kit.child("b")).await.unwrap();
        let child = supervisor.start_child(Probe::child(args)).await.unwrap();
        script.push(vec![Opening::Fail; 50]);
        kill(child.pid()).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
        assert_eq!(script.len(), 47);
        assert!(!bystander.is_alive());
    });
}

#[test]
fn dyn_013_terminate_child_by_pid() {
    everywhere(|kit| async move {
        let supervisor = empty().await;
        let child = supervisor.start_child(kit.child("a")).await.unwrap();
        let watcher = watch(child.pid()).await;
        supervisor.terminate_child(child.pid()).await.unwrap();
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
        let gone = supervisor.terminate_child(child.pid()).await;
        assert_eq!(gone, Err(TerminateChildError::NotFound));
        // SUP-052: a stranger is unharmed.
        let stranger = rekindle_actor::spawn(std::future::pending::<()>());
        let unknown = supervisor.terminate_child(stranger).await;
        assert_eq!(unknown, Err(TerminateChildError::NotFound));
        assert!(is_alive(stranger));
    });
}

#[test]
fn dyn_014_each_child_is_stopped_in_its_own_way_side_by_side() {
    simulated(|kit| async move {
        let supervisor = empty().await;
        let slow = |n| End::Slow(seconds(n));
        let within = |n| Shutdown::Within(seconds(n));
        let odd = ExitReason::shutdown_with("mine");
        let rows = [
            (
                kit.ending("kill", slow(60)).shutdown(Shutdown::Kill),
                ExitReason::Killed,
            ),
            (
                kit.ending("timed", slow(2)).shutdown(within(3)),
                ExitReason::Shutdown,
            ),
            (
                kit.ending("expired", slow(60)).shutdown(within(4)),
                ExitReason::Killed,
            ),
            (
                kit.ending("late", slow(60)).shutdown(within(3)),
                ExitReason::Killed,
            ),
            (
                kit.ending("infinite", slow(5)).shutdown(Shutdown::Infinite),
                ExitReason::Shutdown,
            ),
            (kit.ending("odd", End::Raise(odd.clone())), odd),
            (
                kit.ending("normal", End::Raise(ExitReason::Normal)),
                ExitReason::Normal,
            ),
            (kit.child("plain"), ExitReason::Shutdown),
        ];
        let mut watchers = Vec::new();
        for (child, reason) in rows {
            let child = supervisor.start_child(child).await.unwrap();
            watchers.push((watch(child.pid()).await, reason));
        }
        let begun = now();
        supervisor.stop().await.unwrap();
        // Not the sum of the times, but the longest (SUP-039).
        assert_eq!(now().saturating_since(begun), seconds(5));
        for (watcher, reason) in watchers {
            assert_eq!(watcher.end().await, reason);
        }
    });
}

#[test]
fn dyn_015_count_and_stop() {
    everywhere(|kit| async move {
        trap_exit(true);
        let supervisor = DynamicSupervisor::new()
            .name("d")
            .start_link()
            .await
            .unwrap();
        let a = supervisor.start_child(kit.child("a")).await.unwrap();
        let inner = supervisor
            .start_child(Supervisor::one_for_one())
            .await
            .unwrap();
        let count = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active), (2, 2));
        assert_eq!((count.supervisors, count.workers), (1, 1));
        let watcher = watch(supervisor.pid()).await;
        supervisor
            .stop()
            .reason(ExitReason::msg("over"))
            .await
            .unwrap();
        assert_eq!(watcher.end().await, ExitReason::msg("over"));
        assert!(!a.is_alive() && !inner.is_alive());
        assert_eq!(whereis("d"), None);
    });
}

#[test]
fn sup_054_a_restarted_child_that_ignores_is_dropped() {
    everywhere(|kit| async move {
        let args = kit.args("a");
        let script = args.script.clone();
        let supervisor = empty().await;
        let child = supervisor.start_child(Probe::child(args)).await.unwrap();
        script.push([Opening::Ignore]);
        kill(child.pid()).await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        // An ordinary supervisor keeps it (SUP-005).
        let args = kit.args("a");
        let script = args.script.clone();
        let ordinary = Supervisor::one_for_one().child(Probe::child(args).id("a"));
        let ordinary = ordinary.start_link().await.unwrap();
        script.push([Opening::Ignore]);
        kill(addr_of(&ordinary, "a").await.pid()).await;
        assert_eq!(
            ordinary.which_child("a").await.unwrap().state,
            ChildState::Stopped
        );
    });
}

#[test]
fn dyn_008_extra_arguments_are_there_at_start_and_at_restart() {
    everywhere(|kit| async move {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (extra, notes) = ("extra", seen.clone());
        let jobs = DynamicSupervisor::new().template(move |own: u32| {
            let notes = notes.clone();
            ChildSpec::worker("job", move || {
                notes.lock().unwrap().push((extra, own));
                async { spawn_link(std::future::pending::<()>()) }
            })
        });
        let jobs = jobs.start_link().await.unwrap();
        let first = jobs.start_child(1).await.unwrap();
        jobs.start_child(2).await.unwrap();
        kill(first.pid()).await;
        assert_eq!(jobs.count_children().await.unwrap().active, 2);
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen, [("extra", 1), ("extra", 2), ("extra", 1)]);
        drop(kit);
    });
}

#[test]
fn sup_025_a_template_makes_every_child() {
    // Exactly one template, by type: `template` takes one, and without it there is no `start_child`
    // that takes arguments alone.
    everywhere(|kit| async move {
        let outer = Supervisor::one_for_one().start_link().await.unwrap();
        let children = kit.clone();
        let template = DynamicSupervisor::new()
            .name("simple")
            .template(move |first: bool| children.child(if first { "a" } else { "b" }));
        let simple = outer.start_child(template).await.unwrap();
        let a: Addr<Probe> = simple.start_child(true).await.unwrap();
        let b = simple.start_child(false).await.unwrap();
        assert_eq!(a.call(|from| from).await, Ok(a.pid()));
        assert_eq!(kit.log(), "+a +b");
        assert!(is_alive(b.pid()));
        assert_eq!(whereis("simple"), Some(simple.pid()));
        simple.stop().await.unwrap();
    });
}

#[test]
fn sup_052_a_child_of_a_template_is_known_by_its_pid() {
    // Ids mean nothing, and there is nothing to restart or delete by them: by type.
    everywhere(|kit| async move {
        let template = DynamicSupervisor::new().template(move |name| kit.child(name));
        let simple = template.start_link().await.unwrap();
        let child = simple.start_child("a").await.unwrap();
        simple.terminate_child(child.pid()).await.unwrap();
        assert!(!is_alive(child.pid()));
        assert_eq!(
            simple.terminate_child(child.pid()).await,
            Ok(()),
            "it is gone"
        );
        let stranger = rekindle_actor::spawn(std::future::pending::<()>());
        let refused = simple.terminate_child(stranger).await;
        assert_eq!(refused, Err(TerminateChildError::NotFound));
        assert!(is_alive(stranger), "and unharmed");
        assert_eq!(simple.which_children().await.unwrap().len(), 0);
    });
}

#[test]
fn sup_053_a_start_that_ignores_or_fails_leaves_nothing() {
    everywhere(|kit| async move {
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            let kit = kit.clone();
            let template = DynamicSupervisor::new()
                .template(move |opening: Opening| kit.scripted("a", &[opening]).restart(restart));
            let simple = template.start_link().await.unwrap();
            let ignored = simple.start_child(Opening::Ignore).await.unwrap_err();
            assert_eq!(ignored, StartChildError::Ignore);
            let failed = simple.start_child(Opening::Fail).await.unwrap_err();
            assert_eq!(
                failed,
                StartChildError::Failed(ExitReason::msg("told to fail"))
            );
            assert_eq!(simple.count_children().await.unwrap().specs, 0);
            simple.start_child(Opening::Ready).await.unwrap();
            simple.stop().await.unwrap();
        }
    });
}
