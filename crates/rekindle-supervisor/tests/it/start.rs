//! Starting supervisors.

use rekindle_actor::{
    ExitReason, Mailbox, Pid, ReplyTo, StartError, is_alive, list, spawn, trap_exit, whereis,
};
use rekindle_supervisor::{
    AutoShutdown, ChildKind, ChildSpec, ChildState, Restart, Shutdown, SpecError, Supervisor,
    SupervisorError, SupervisorHandle, SupervisorRef, check_child_specs,
};

use crate::kit::{Opening, everywhere, kill, pid_of, running, seconds, simulated, watch};

fn processes() -> usize {
    list(0, 1000).processes.len()
}

#[test]
fn sup_001_a_supervisor_without_children_starts_and_stops() {
    everywhere(|_| async {
        let supervisor = Supervisor::one_for_one()
            .name("empty")
            .start()
            .await
            .unwrap();
        assert_eq!(whereis("empty"), Some(supervisor.pid()));
        let by_name = SupervisorRef::named("empty");
        assert_eq!(by_name.count_children().await.unwrap().specs, 0);
        assert_eq!(
            SupervisorHandle::whereis("empty").unwrap().pid(),
            supervisor.pid()
        );
        let watcher = watch(supervisor.pid()).await;
        supervisor
            .stop()
            .reason(ExitReason::Shutdown)
            .await
            .unwrap();
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
        assert_eq!(whereis("empty"), None);
        assert!(by_name.resolve().is_none());
        let taken = Supervisor::one_for_one()
            .name("empty")
            .start()
            .await
            .unwrap();
        let again = Supervisor::one_for_one().name("empty").start_link().await;
        let expected = SupervisorError::Start(StartError::AlreadyStarted(taken.pid()));
        assert_eq!(again.unwrap_err(), expected);
    });
}

#[test]
fn sup_002_an_init_that_ignores_leaves_nothing_behind() {
    everywhere(|_| async {
        trap_exit(true);
        let before = processes();
        let ignored = Supervisor::init(|| async { Ok(None) }).start_link().await;
        assert_eq!(
            ignored.unwrap_err(),
            SupervisorError::Start(StartError::Ignore)
        );
        assert_eq!(processes(), before);
    });
}

#[test]
fn sup_003_an_init_that_panics_is_an_error() {
    everywhere(|_| async {
        // Not trapping: a start that fails kills nobody.
        let failed = Supervisor::init(|| async { panic!("no") })
            .start_link()
            .await;
        match failed.unwrap_err() {
            SupervisorError::Start(StartError::Failed(reason)) => assert!(reason.is_panic()),
            other => panic!("{other:?}"),
        }
        let failed = Supervisor::init(|| async { Err(ExitReason::msg("no")) })
            .start_link()
            .await;
        let expected = SupervisorError::Start(StartError::Failed(ExitReason::msg("no")));
        assert_eq!(failed.unwrap_err(), expected);
    });
}

#[test]
fn sup_004_children_start_in_order_one_after_the_other() {
    simulated(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.scripted("b", &[Opening::Slow(seconds(1))]))
            .child(kit.child("c"))
            .start_link()
            .await
            .unwrap();
        assert_eq!(kit.log(), "+a +b +c");
        assert_eq!(running(&supervisor).await, "abc");
    });
}

#[test]
fn sup_004_a_child_that_fails_stops_those_before_it() {
    everywhere(|kit| async move {
        let failed = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.child("b"))
            .child(kit.scripted("c", &[Opening::Fail]))
            .child(kit.child("d"))
            .start_link()
            .await;
        let error = StartError::Failed(ExitReason::msg("told to fail"));
        assert_eq!(
            failed.unwrap_err(),
            SupervisorError::Child {
                id: "c".into(),
                error
            }
        );
        assert_eq!(kit.log(), "+a +b -b -a");
    });
}

#[test]
fn sup_005_a_child_that_ignores_is_kept_unless_it_is_temporary() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.scripted("a", &[Opening::Ignore]))
            .child(
                kit.scripted("b", &[Opening::Ignore])
                    .restart(Restart::Temporary),
            )
            .child(kit.child("c"))
            .start_link()
            .await
            .unwrap();
        let count = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active, count.workers), (2, 1, 2));
        let a = supervisor.which_child("a").await.unwrap();
        assert_eq!(a.state, ChildState::Stopped);
        assert!(supervisor.which_child("b").await.is_err());
        assert!(supervisor.restart_child("a").await.is_ok());
    });
}

#[test]
fn sup_006_a_period_of_zero_is_refused() {
    everywhere(|kit| async move {
        let refused = Supervisor::one_for_one()
            .intensity(1, seconds(0))
            .child(kit.child("a"))
            .start()
            .await;
        assert_eq!(
            refused.unwrap_err(),
            SupervisorError::Invalid(SpecError::ZeroPeriod)
        );
        assert_eq!(kit.log(), "");
    });
}

#[test]
fn sup_007_a_wrong_child_is_refused_before_anything_starts() {
    everywhere(|kit| async move {
        let refused = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.child("b").id(""))
            .start_link()
            .await;
        assert_eq!(
            refused.unwrap_err(),
            SupervisorError::Invalid(SpecError::EmptyId)
        );
        // Also where it is found out in the supervisor's process.
        let inner = kit.clone();
        let refused = Supervisor::init(move || {
            let kit = inner.clone();
            async move {
                Ok(Some(
                    Supervisor::one_for_one()
                        .child(kit.child("a"))
                        .child(kit.child("a")),
                ))
            }
        });
        let expected = SupervisorError::Invalid(SpecError::DuplicateId("a".into()));
        assert_eq!(refused.start_link().await.unwrap_err(), expected);
        assert_eq!(kit.log(), "");
    });
}

#[test]
fn sup_008_two_children_with_one_id_are_refused() {
    everywhere(|kit| async move {
        let expected = SpecError::DuplicateId("a".into());
        let specs: Vec<ChildSpec> = vec![kit.child("a").into(), kit.child("a").into()];
        assert_eq!(check_child_specs(&specs), Err(expected.clone()));
        let refused = Supervisor::one_for_one().children(specs).start_link().await;
        assert_eq!(refused.unwrap_err(), SupervisorError::Invalid(expected));
    });
}

#[test]
fn sup_009_the_defaults_of_a_child() {
    everywhere(|kit| async move {
        let worker: ChildSpec = kit.child("a").into();
        assert_eq!(worker.restart, Restart::Permanent);
        assert_eq!(worker.shutdown, Shutdown::Within(seconds(5)));
        assert_eq!(
            (worker.kind, worker.significant),
            (ChildKind::Worker, false)
        );
        let supervisor: ChildSpec = Supervisor::one_for_one().into();
        assert_eq!(supervisor.shutdown, Shutdown::Infinite);
        assert_eq!(supervisor.kind, ChildKind::Supervisor);
        assert_eq!(AutoShutdown::default(), AutoShutdown::Never);
        assert_eq!(&*supervisor.id, "Supervisor");
        let named: ChildSpec = Supervisor::one_for_one().name("inner").into();
        assert_eq!(&*named.id, "inner");
    });
}

#[test]
fn sup_010_three_restarts_in_five_seconds_unless_told_otherwise() {
    simulated(|kit| async move {
        trap_exit(true);
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .start_link()
            .await
            .unwrap();
        for _ in 0..3 {
            kill(pid_of(&supervisor, "a").await.unwrap()).await;
        }
        let watcher = watch(supervisor.pid()).await;
        let last = pid_of(&supervisor, "a").await.unwrap();
        assert!(is_alive(last));
        kill(last).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
        assert_eq!(rekindle_supervisor::DEFAULT_INTENSITY, 3);
        assert_eq!(rekindle_supervisor::DEFAULT_PERIOD, seconds(5));
    });
}

#[test]
fn sup_011_a_child_spec_is_told_with_its_defaults() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a").shutdown(Shutdown::Kill))
            .start_link()
            .await
            .unwrap();
        let spec = supervisor.get_childspec("a").await.unwrap();
        assert_eq!((&*spec.id, spec.restart), ("a", Restart::Permanent));
        assert_eq!(
            (spec.shutdown, spec.kind),
            (Shutdown::Kill, ChildKind::Worker)
        );
        let unknown = supervisor.get_childspec("b").await.unwrap_err();
        assert_eq!(unknown, rekindle_supervisor::FindChildError::NotFound);
        // It is a value: another supervisor takes it.
        let other = Supervisor::one_for_one()
            .child(spec)
            .start_link()
            .await
            .unwrap();
        assert_eq!(running(&other).await, "a");
    });
}

#[test]
fn sup_012_a_start_may_give_more_than_a_pid() {
    everywhere(|_| async {
        use rekindle_actor::{Pid, spawn_link};
        use rekindle_supervisor::ChildHandle;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};

        let starts = Arc::new(AtomicU32::new(0));
        let spec = ChildSpec::worker("w", move || {
            let n = starts.fetch_add(1, Ordering::Relaxed);
            async move {
                let pid: Pid = spawn_link(std::future::pending::<()>());
                ChildHandle::with_info(pid, n)
            }
        });
        let supervisor = Supervisor::one_for_one().start_link().await.unwrap();
        let started = supervisor.start_child(spec).await.unwrap();
        assert_eq!(started.info::<u32>(), Some(&0));
        assert_eq!(started.info::<i8>(), None);
        supervisor.terminate_child("w").await.unwrap();
        let again = supervisor.restart_child("w").await.unwrap();
        assert_eq!(again.info::<u32>(), Some(&1));
        kill(again.pid()).await;
        assert!(pid_of(&supervisor, "w").await.is_some());
    });
}

#[test]
fn a_process_that_was_started_without_a_link_is_linked_by_its_supervisor() {
    everywhere(|_| async {
        let spec = ChildSpec::worker("w", || async {
            rekindle_actor::spawn(std::future::pending::<()>())
        });
        let supervisor = Supervisor::one_for_one()
            .child(spec)
            .start_link()
            .await
            .unwrap();
        let pid = pid_of(&supervisor, "w").await.unwrap();
        kill(pid).await;
        let again = pid_of(&supervisor, "w").await.unwrap();
        assert_ne!(pid, again);
    });
}

#[test]
fn a_start_that_takes_too_long_fails() {
    simulated(|kit| async move {
        let slow = kit
            .scripted("a", &[Opening::Slow(seconds(10))])
            .start_timeout(seconds(1));
        let failed = Supervisor::one_for_one().child(slow).start_link().await;
        let error = StartError::Timeout(seconds(1));
        assert_eq!(
            failed.unwrap_err(),
            SupervisorError::Child {
                id: "a".into(),
                error
            }
        );
    });
}

#[test]
fn a_supervisor_ends_with_its_parent() {
    everywhere(|kit| async move {
        let inner = kit.clone();
        let parent = spawn(move |mut inbox: Mailbox<ReplyTo<Pid>>| async move {
            let supervisor = Supervisor::one_for_one()
                .child(inner.child("a"))
                .child(inner.child("b"))
                .start_link()
                .await
                .unwrap();
            inbox.recv().await.reply(supervisor.pid());
            std::future::pending::<()>().await;
        });
        let supervisor = parent.call(|from| from).await.unwrap();
        let watcher = watch(supervisor).await;
        parent.exit(ExitReason::msg("over"));
        assert_eq!(watcher.end().await, ExitReason::msg("over"));
        assert_eq!(kit.log(), "+a +b -b -a");
    });
}

#[test]
fn proc_009_the_parent_of_a_child_is_its_supervisor() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .start()
            .await
            .unwrap();
        let parent_of = |pid| rekindle_actor::info(pid).unwrap().parent;
        let a = pid_of(&supervisor, "a").await.unwrap();
        assert_eq!(parent_of(a), Some(supervisor.pid()));
        let b = supervisor.start_child(kit.child("b")).await.unwrap();
        assert_eq!(
            parent_of(b.pid()),
            Some(supervisor.pid()),
            "whoever asked for it"
        );
        kill(a).await;
        let again = pid_of(&supervisor, "a").await.unwrap();
        assert_eq!(parent_of(again), Some(supervisor.pid()));
    });
}
