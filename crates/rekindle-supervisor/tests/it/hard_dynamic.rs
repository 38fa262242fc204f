//! Dynamic and task supervisors at awkward moments. Each test says what Elixir or OTP does and
//! where that is written.

use rekindle_actor::{ExitReason, Mailbox, Task, exit, sleep, spawn, trap_exit};
use rekindle_supervisor::{
    Backoff, ChildState, DynamicSupervisor, Restart, StartChildError, TaskSupervisor,
    TerminateChildError,
};

use crate::kit::*;

fn oops() -> ExitReason {
    ExitReason::msg("oops")
}

/// `DynamicSupervisor.handle_call({:terminate_child, pid}, ..)`, and `find_child/2` of
/// `supervisor` for `simple_one_for_one`: a child between two lives is found by the pid of the
/// life that ended, and is not started again.
#[test]
fn terminate_child_by_the_old_pid_ends_a_restart_that_is_under_way() {
    simulated(|kit| async move {
        let pause = seconds(60);
        let supervisor = DynamicSupervisor::new()
            .backoff(Backoff::exponential(pause, pause).without_jitter())
            .start()
            .await
            .unwrap();
        let child = supervisor.start_child(kit.child("a")).await.unwrap();
        end(&child, oops()).await;
        let children = supervisor.which_children().await.unwrap();
        assert_eq!(children[0].state, ChildState::Restarting);
        supervisor.terminate_child(child.pid()).await.unwrap();
        assert_eq!(supervisor.which_children().await.unwrap(), []);
        let again = supervisor.terminate_child(child.pid()).await.unwrap_err();
        assert_eq!(again, TerminateChildError::NotFound);
        sleep(seconds(200)).await;
        assert_eq!(kit.log(), "+a -a");
    });
}

/// `DynamicSupervisor` keys a child by its pid: once it runs again, the old pid is nobody's.
#[test]
fn terminate_child_by_the_old_pid_does_not_find_the_new_life() {
    everywhere(|kit| async move {
        let supervisor = DynamicSupervisor::new().start().await.unwrap();
        let child = supervisor.start_child(kit.child("a")).await.unwrap();
        end(&child, oops()).await;
        let old = supervisor.terminate_child(child.pid()).await.unwrap_err();
        assert_eq!(old, TerminateChildError::NotFound);
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);
    });
}

/// `max_children` of `DynamicSupervisor`: a child that is to be restarted has its place.
#[test]
fn a_child_between_two_lives_keeps_its_place_under_the_limit() {
    simulated(|kit| async move {
        let pause = seconds(60);
        let supervisor = DynamicSupervisor::new()
            .max_children(1)
            .backoff(Backoff::exponential(pause, pause).without_jitter())
            .start()
            .await
            .unwrap();
        let child = supervisor.start_child(kit.child("a")).await.unwrap();
        end(&child, oops()).await;
        let refused = supervisor.start_child(kit.child("b")).await.unwrap_err();
        assert_eq!(refused, StartChildError::MaxChildren);
        sleep(seconds(61)).await;
        let running = supervisor.which_children().await.unwrap();
        let pid = running[0].state.pid().unwrap();
        supervisor.terminate_child(pid).await.unwrap();
        supervisor.start_child(kit.child("b")).await.unwrap();
    });
}

/// `max_children` once more: a child whose init fails or ignores takes no place.
#[test]
fn a_start_that_came_to_nothing_takes_no_place_under_the_limit() {
    everywhere(|kit| async move {
        let supervisor = DynamicSupervisor::new()
            .max_children(1)
            .start()
            .await
            .unwrap();
        for opening in [Opening::Fail, Opening::Ignore, Opening::Panic] {
            let child = kit.scripted("a", &[opening]);
            assert!(supervisor.start_child(child).await.is_err());
        }
        supervisor.start_child(kit.child("a")).await.unwrap();
        let refused = supervisor.start_child(kit.child("a")).await.unwrap_err();
        assert_eq!(refused, StartChildError::MaxChildren);
    });
}

/// `DynamicSupervisor.restart_child/3`: the limit is for all children together, temporary ones and
/// clean ends of transient ones aside.
#[test]
fn all_children_share_one_limit_and_only_restarts_count() {
    everywhere(|kit| async move {
        let supervisor = DynamicSupervisor::new()
            .intensity(2, seconds(5))
            .start()
            .await
            .unwrap();
        let watcher = watch(supervisor.pid()).await;
        let start = |id, restart| supervisor.start_child(kit.child(id).restart(restart));
        for _ in 0..4 {
            let temporary = start("t", Restart::Temporary).await.unwrap();
            end(&temporary, oops()).await;
            let transient = start("u", Restart::Transient).await.unwrap();
            end(&transient, ExitReason::Shutdown).await;
        }
        let one = start("a", Restart::Permanent).await.unwrap();
        let two = start("b", Restart::Transient).await.unwrap();
        let three = start("c", Restart::Permanent).await.unwrap();
        end(&one, ExitReason::Normal).await;
        end(&two, oops()).await;
        assert_eq!(supervisor.count_children().await.unwrap().active, 3);
        end(&three, oops()).await;
        assert_eq!(watcher.end().await, ExitReason::Shutdown);
    });
}

/// `DynamicSupervisor`, `:ignore` at a restart: the child is forgotten.
#[test]
fn a_child_that_ignores_its_restart_is_forgotten() {
    everywhere(|kit| async move {
        let supervisor = DynamicSupervisor::new().start().await.unwrap();
        let child = kit.scripted("a", &[Opening::Ready, Opening::Ignore]);
        let addr = supervisor.start_child(child).await.unwrap();
        end(&addr, oops()).await;
        assert_eq!(supervisor.which_children().await.unwrap(), []);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// `DynamicSupervisor.terminate_child/2` takes children only; and a child of another supervisor
/// is none.
#[test]
fn terminate_child_does_not_harm_a_child_of_another_supervisor() {
    everywhere(|kit| async move {
        let one = DynamicSupervisor::new().start().await.unwrap();
        let two = DynamicSupervisor::new().start().await.unwrap();
        let child = two.start_child(kit.child("a")).await.unwrap();
        let refused = one.terminate_child(child.pid()).await.unwrap_err();
        assert_eq!(refused, TerminateChildError::NotFound);
        assert_eq!(child.call(|from| from).await.unwrap(), child.pid());
    });
}

/// `Task.Supervisor.async/3`: linked with the caller, so a crash takes the caller along, and the
/// supervisor has one temporary child less.
#[test]
fn a_linked_task_of_a_supervisor_takes_its_caller_along_and_not_the_supervisor() {
    everywhere(|_| async move {
        let tasks = TaskSupervisor::new()
            .intensity(0, seconds(5))
            .start()
            .await
            .unwrap();
        let own = tasks.clone();
        let caller = spawn(|mut inbox: Mailbox<()>| async move {
            inbox.recv().await;
            let task = own.async_(async { rekindle_actor::raise(oops()) });
            let task: Task<()> = task.await.unwrap();
            let _ = task.await;
            std::future::pending::<()>().await
        });
        let watcher = watch(caller.pid()).await;
        caller.send(());
        assert_eq!(watcher.end().await, oops());
        while !tasks.children().await.unwrap().is_empty() {
            rekindle_actor::yield_now().await;
        }
        assert!(tasks.is_alive());
    });
}

/// `Task.Supervisor.async/3`: the link works in the other direction too, and `async_nolink/3` has
/// none.
#[test]
fn a_caller_that_dies_takes_its_linked_task_along_and_no_other() {
    everywhere(|_| async move {
        let tasks = TaskSupervisor::new().start().await.unwrap();
        let own = tasks.clone();
        let caller = spawn(|mut inbox: Mailbox<ExitReason>| async move {
            let work = std::future::pending::<()>;
            let _linked = own.async_(work()).await.unwrap();
            let _nolink = own.async_nolink(work()).await.unwrap();
            rekindle_actor::raise(inbox.recv().await)
        });
        while tasks.children().await.unwrap().len() < 2 {
            rekindle_actor::yield_now().await;
        }
        caller.send(oops());
        while tasks.children().await.unwrap().len() > 1 {
            rekindle_actor::yield_now().await;
        }
        // The one that is left goes on.
        let left = tasks.children().await.unwrap()[0];
        assert!(rekindle_actor::is_alive(left));
        tasks.terminate_child(left).await.unwrap();
    });
}

/// `Task.Supervisor`: who waits for a task whose supervisor stops hears the reason of the task,
/// and a caller that traps exits lives.
#[test]
fn who_waits_for_a_task_hears_of_its_supervisors_end() {
    everywhere(|_| async move {
        let tasks = TaskSupervisor::new().start().await.unwrap();
        let own = tasks.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let caller = spawn(async move {
            trap_exit(true);
            let linked = own.async_(std::future::pending::<()>()).await.unwrap();
            let nolink = own
                .async_nolink(std::future::pending::<()>())
                .await
                .unwrap();
            tell.send((linked.await, nolink.await)).unwrap();
        });
        let watcher = watch(caller).await;
        while tasks.children().await.unwrap().len() < 2 {
            rekindle_actor::yield_now().await;
        }
        tasks.stop().await.unwrap();
        assert_eq!(watcher.end().await, ExitReason::Normal);
        let down = Err(ExitReason::Shutdown);
        assert_eq!(told.recv().unwrap(), (down.clone(), down));
    });
}

/// `Task.Supervisor` with a dead supervisor: the caller is told, and nothing runs.
#[test]
fn a_task_of_a_dead_supervisor_is_refused_and_its_work_dropped() {
    everywhere(|_| async move {
        let tasks = TaskSupervisor::new().start().await.unwrap();
        exit(tasks.pid(), ExitReason::Kill);
        watch(tasks.pid()).await.end().await;
        let held = std::sync::Arc::new(());
        let seen = std::sync::Arc::downgrade(&held);
        let refused = tasks
            .async_nolink(async move {
                let _held = held;
            })
            .await;
        assert!(matches!(refused, Err(StartChildError::Supervisor(_))));
        drop(refused);
        assert!(seen.upgrade().is_none());
        assert_eq!(Task::completed(1).await, Ok(1));
    });
}
