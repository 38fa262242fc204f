//! Administration of an ordinary supervisor.

use rekindle_actor::{Addr, CallError, ExitReason, GenServer, StartError};
use rekindle_supervisor::{
    ChildCount, ChildKind, ChildSpec, ChildState, DeleteChildError, FindChildError, Restart,
    RestartChildError, SpecError, StartChildError, Supervisor, SupervisorHandle, SupervisorRef,
    TerminateChildError,
};

use crate::kit::{Kit, Opening, Probe, everywhere, kill, pid_of, running};

async fn empty() -> SupervisorHandle {
    Supervisor::one_for_one().start_link().await.unwrap()
}

async fn with_a(kit: &Kit) -> SupervisorHandle {
    Supervisor::one_for_one()
        .child(kit.child("a"))
        .start_link()
        .await
        .unwrap()
}

#[test]
fn sup_041_start_child_joins_the_end_of_the_order() {
    everywhere(|kit| async move {
        let supervisor = with_a(&kit).await;
        let b: Addr<Probe> = supervisor.start_child(kit.child("b")).await.unwrap();
        assert_eq!(b.call(|from| from).await, Ok(b.pid()));
        supervisor.start_child(kit.child("c")).await.unwrap();
        assert_eq!(running(&supervisor).await, "abc");
        assert_eq!(pid_of(&supervisor, "b").await, Some(b.pid()));
        kit.log();
        supervisor.stop().await.unwrap();
        assert_eq!(kit.log(), "-c -b -a");
    });
}

#[test]
fn sup_042_an_id_is_there_once() {
    everywhere(|kit| async move {
        let supervisor = with_a(&kit).await;
        let a = pid_of(&supervisor, "a").await.unwrap();
        let again = supervisor.start_child(kit.child("a")).await.unwrap_err();
        assert_eq!(again, StartChildError::AlreadyStarted(a));
        supervisor.terminate_child("a").await.unwrap();
        let again = supervisor.start_child(kit.child("a")).await.unwrap_err();
        assert_eq!(again, StartChildError::AlreadyPresent);
    });
}

#[test]
fn sup_043_a_child_that_fails_to_start_is_not_kept() {
    everywhere(|kit| async move {
        let supervisor = empty().await;
        let failed = supervisor
            .start_child(kit.scripted("a", &[Opening::Fail]))
            .await;
        let expected = StartChildError::Failed(ExitReason::msg("told to fail"));
        assert_eq!(failed.unwrap_err(), expected);
        let failed = supervisor
            .start_child(kit.scripted("a", &[Opening::Panic]))
            .await;
        match failed.unwrap_err() {
            StartChildError::Failed(reason) => assert!(reason.is_panic()),
            other => panic!("{other:?}"),
        }
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        // One that ignores is kept (SUP-005), and can be started later.
        let ignored = supervisor
            .start_child(kit.scripted("a", &[Opening::Ignore]))
            .await;
        assert_eq!(ignored.unwrap_err(), StartChildError::Ignore);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);
        supervisor.restart_child("a").await.unwrap();
    });
}

#[test]
fn sup_044_a_wrong_specification_changes_nothing() {
    everywhere(|kit| async move {
        let supervisor = empty().await;
        let refused = supervisor.start_child(kit.child("")).await.unwrap_err();
        assert_eq!(refused, StartChildError::Invalid(SpecError::EmptyId));
        let refused = supervisor
            .start_child(kit.child("a").significant(true))
            .await
            .unwrap_err();
        let expected = SpecError::SignificantInVain("a".into());
        assert_eq!(refused, StartChildError::Invalid(expected));
        assert_eq!(kit.log(), "");
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn sup_045_an_outsider_with_the_name_is_not_adopted() {
    everywhere(|kit| async move {
        let outsider = Probe::start(kit.args("outsider"))
            .name("taken")
            .await
            .unwrap();
        let supervisor = empty().await;
        let refused = supervisor
            .start_child(kit.child("a").name("taken"))
            .await
            .unwrap_err();
        assert_eq!(refused, StartChildError::AlreadyStarted(outsider.pid()));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        supervisor.stop().await.unwrap();
        assert!(outsider.is_alive());
    });
}

#[test]
fn sup_046_a_terminated_child_stays_in_the_books() {
    everywhere(|kit| async move {
        let supervisor = with_a(&kit).await;
        let a = pid_of(&supervisor, "a").await.unwrap();
        supervisor.terminate_child("a").await.unwrap();
        assert!(!rekindle_actor::is_alive(a));
        let child = supervisor.which_child("a").await.unwrap();
        assert_eq!(
            (child.state, child.kind),
            (ChildState::Stopped, ChildKind::Worker)
        );
        supervisor
            .start_child(kit.child("t").restart(Restart::Temporary))
            .await
            .unwrap();
        supervisor.terminate_child("t").await.unwrap();
        assert_eq!(
            supervisor.which_child("t").await,
            Err(FindChildError::NotFound)
        );
    });
}

#[test]
fn sup_047_terminating_twice_is_fine_and_a_stranger_is_not_found() {
    everywhere(|kit| async move {
        let supervisor = with_a(&kit).await;
        supervisor.terminate_child("a").await.unwrap();
        supervisor.terminate_child("a").await.unwrap();
        let unknown = supervisor.terminate_child("b").await;
        assert_eq!(unknown, Err(TerminateChildError::NotFound));
    });
}

#[test]
fn sup_048_restart_child() {
    everywhere(|kit| async move {
        let args = kit.args("a");
        let script = args.script.clone();
        let child = rekindle_supervisor::ServerChild::child(args);
        let child: crate::kit::Probed = child;
        let supervisor = Supervisor::one_for_one()
            .child(child.id("a"))
            .start_link()
            .await
            .unwrap();
        let running = supervisor.restart_child("a").await.unwrap_err();
        assert_eq!(running, RestartChildError::Running);
        let unknown = supervisor.restart_child("b").await.unwrap_err();
        assert_eq!(unknown, RestartChildError::NotFound);
        supervisor.terminate_child("a").await.unwrap();
        script.push([Opening::Fail]);
        let failed = supervisor.restart_child("a").await.unwrap_err();
        let error = StartError::Failed(ExitReason::msg("told to fail"));
        assert_eq!(failed, RestartChildError::Start(error));
        let child = supervisor.which_child("a").await.unwrap();
        assert_eq!(child.state, ChildState::Stopped);
        let started = supervisor.restart_child("a").await.unwrap();
        assert_eq!(pid_of(&supervisor, "a").await, Some(started.pid()));
        let addr: &Addr<Probe> = started.info().unwrap();
        assert_eq!(addr.call(|from| from).await, Ok(started.pid()));
    });
}

#[test]
fn sup_049_delete_child() {
    everywhere(|kit| async move {
        let supervisor = with_a(&kit).await;
        assert_eq!(
            supervisor.delete_child("a").await,
            Err(DeleteChildError::Running)
        );
        assert_eq!(
            supervisor.delete_child("b").await,
            Err(DeleteChildError::NotFound)
        );
        supervisor.terminate_child("a").await.unwrap();
        supervisor.delete_child("a").await.unwrap();
        assert_eq!(
            supervisor.delete_child("a").await,
            Err(DeleteChildError::NotFound)
        );
        supervisor.start_child(kit.child("a")).await.unwrap();
    });
}

#[test]
fn sup_050_which_children_newest_first() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(Supervisor::one_for_one().name("inner"))
            .child(kit.child("c"))
            .start_link()
            .await
            .unwrap();
        supervisor.terminate_child("a").await.unwrap();
        let children = supervisor.which_children().await.unwrap();
        let seen: Vec<_> = children
            .iter()
            .map(|c| (&*c.id, c.state.pid().is_some(), c.kind))
            .collect();
        let expected = [
            ("c", true, ChildKind::Worker),
            ("inner", true, ChildKind::Supervisor),
            ("a", false, ChildKind::Worker),
        ];
        assert_eq!(seen, expected);
        assert_eq!(supervisor.which_child("c").await.unwrap(), children[0]);
        assert_eq!(
            supervisor.which_child("x").await,
            Err(FindChildError::NotFound)
        );
    });
}

#[test]
fn sup_051_count_children() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one()
            .child(kit.child("a"))
            .child(kit.child("b"))
            .child(Supervisor::one_for_one())
            .start_link()
            .await
            .unwrap();
        supervisor.terminate_child("b").await.unwrap();
        let count: ChildCount = supervisor.count_children().await.unwrap();
        assert_eq!((count.specs, count.active), (3, 2));
        assert_eq!((count.supervisors, count.workers), (1, 2));
    });
}

#[test]
fn sup_061_what_a_supervisor_does_not_know_is_ignored() {
    everywhere(|kit| async move {
        let supervisor = with_a(&kit).await;
        let a = pid_of(&supervisor, "a").await.unwrap();
        // Neither an exit signal of a stranger, nor one that seems to be a death, does any harm.
        let pid = supervisor.pid();
        let stranger = rekindle_actor::spawn(async move {
            rekindle_actor::exit(pid, ExitReason::Shutdown);
        });
        kill(stranger).await;
        assert_eq!(pid_of(&supervisor, "a").await, Some(a));
    });
}

#[test]
fn a_signal_of_a_living_child_is_not_its_death() {
    everywhere(|_| async {
        use rekindle_actor::{Mailbox, parent, spawn_link};
        let spec = ChildSpec::worker("a", || async {
            spawn_link(
                |mut inbox: Mailbox<rekindle_actor::ReplyTo<()>>| async move {
                    let from = inbox.recv().await;
                    rekindle_actor::exit(parent().unwrap(), ExitReason::msg("not dead"));
                    from.reply(());
                    std::future::pending::<()>().await;
                },
            )
        });
        let supervisor = empty().await;
        let started = supervisor.start_child(spec).await.unwrap();
        let child: &rekindle_actor::Sender<rekindle_actor::ReplyTo<()>> = started.info().unwrap();
        child.call(|from| from).await.unwrap();
        assert_eq!(pid_of(&supervisor, "a").await, Some(started.pid()));
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn a_dead_supervisor_says_so() {
    everywhere(|kit| async move {
        let supervisor = empty().await;
        supervisor.stop().await.unwrap();
        let dead = supervisor.start_child(kit.child("a")).await.unwrap_err();
        assert_eq!(dead, StartChildError::Supervisor(CallError::NoProc));
        let nobody = SupervisorRef::named("nobody").which_children().await;
        assert_eq!(nobody.unwrap_err(), CallError::NoProc);
    });
}

#[test]
fn a_handle_is_never_on_another_kind_of_supervisor() {
    everywhere(|_| async {
        use rekindle_supervisor::{DynamicSupervisor, DynamicSupervisorHandle};
        let dynamic = DynamicSupervisor::new()
            .name("dynamic")
            .start_link()
            .await
            .unwrap();
        assert!(SupervisorHandle::from_pid(dynamic.pid()).is_none());
        assert!(SupervisorHandle::whereis("dynamic").is_none());
        assert!(DynamicSupervisorHandle::whereis("dynamic").is_some());
    });
}
