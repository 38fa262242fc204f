//! The task supervisor.

use rekindle_actor::{
    ExitReason, Mailbox, Pid, ReplyTo, is_alive, now, raise, self_pid, sleep, spawn, trap_exit,
};
use rekindle_supervisor::{
    ChildSpec, Restart, Shutdown, StartChildError, Supervisor, TaskSupervisor,
    TaskSupervisorHandle, TaskSupervisorRef, TerminateChildError,
};

use crate::kit::{everywhere, kill, seconds, simulated, watch};

async fn fails() {
    raise(ExitReason::msg("failed"))
}

async fn empty() -> TaskSupervisorHandle {
    TaskSupervisor::new().start_link().await.unwrap()
}

fn forever() -> std::future::Pending<()> {
    std::future::pending()
}

#[test]
fn task_009_a_task_as_a_child_is_temporary() {
    everywhere(|_| async {
        let supervisor = Supervisor::one_for_one()
            .child(ChildSpec::task(forever))
            .start_link()
            .await
            .unwrap();
        let task = supervisor.which_child("Task").await.unwrap();
        kill(task.state.pid().unwrap()).await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn task_020_async_is_a_child_and_linked_with_the_caller() {
    everywhere(|_| async {
        let tasks = empty().await;
        let task = tasks
            .async_(async { (self_pid(), rekindle_actor::parent()) })
            .await
            .unwrap();
        let pid = task.pid();
        let (own, parent) = task.await.unwrap();
        assert_eq!((Some(own), parent), (pid, Some(tasks.pid())));

        // The caller dies with the task, ...
        let on = tasks.clone();
        let caller = spawn(move |mut inbox: Mailbox<()>| async move {
            inbox.recv().await;
            let _task = on.async_(fails()).await;
            forever().await;
        });
        let watcher = watch(caller.pid()).await;
        caller.send(());
        assert_eq!(watcher.end().await, ExitReason::msg("failed"));

        // ... and the task with the caller.
        let on = tasks.clone();
        let caller = spawn(move |mut inbox: Mailbox<ReplyTo<Pid>>| async move {
            let task = on.async_(forever()).await.unwrap();
            inbox.recv().await.reply(task.pid().unwrap());
            forever().await;
        });
        let task = caller.call(|from| from).await.unwrap();
        let watcher = watch(task).await;
        caller.exit(ExitReason::msg("caller failed"));
        assert_eq!(watcher.end().await, ExitReason::msg("caller failed"));
        assert!(tasks.is_alive());
    });
}

#[test]
fn task_020_shutting_a_linked_task_down_harms_nobody() {
    everywhere(|_| async {
        let tasks = empty().await;
        let task = tasks.async_(forever()).await.unwrap();
        assert_eq!(task.shutdown(seconds(5)).await, None);
        assert_eq!(tasks.children().await.unwrap(), []);
    });
}

#[test]
fn task_021_async_nolink_crashes_as_a_result_only() {
    everywhere(|_| async {
        let tasks = empty().await;
        let bad = tasks
            .async_nolink(async { panic!("oh") as u32 })
            .await
            .unwrap();
        assert!(bad.await.unwrap_err().is_panic());
        let good = tasks.async_nolink(async { 7 }).await.unwrap();
        assert_eq!(good.await, Ok(7));
        assert!(tasks.is_alive());
    });
}

#[test]
fn task_022_start_child_with_restart_and_shutdown() {
    simulated(|kit| async move {
        let tasks = empty().await;
        let note = kit.clone();
        let once = tasks
            .start_child(async move { note.note("ran") })
            .await
            .unwrap();
        watch(once).await.end().await;
        assert_eq!(
            (kit.log().as_str(), tasks.children().await.unwrap().len()),
            ("ran", 0)
        );

        // Fails twice, then ends well.
        let note = kit.clone();
        let tries = std::sync::atomic::AtomicU32::new(0);
        let flaky = ChildSpec::task(move || {
            let n = tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            note.note(format!("try {n}"));
            async move {
                if n < 2 {
                    Err(ExitReason::msg("not yet"))
                } else {
                    Ok(())
                }
            }
        });
        tasks
            .start_child_with(flaky.restart(Restart::Transient))
            .await
            .unwrap();
        sleep(seconds(1)).await;
        assert_eq!(kit.log(), "try 0 try 1 try 2");
        assert_eq!(tasks.children().await.unwrap(), []);

        let stubborn = ChildSpec::task(|| async {
            trap_exit(true);
            forever().await;
        });
        let pid = tasks
            .start_child_with(stubborn.shutdown(Shutdown::Within(seconds(2))))
            .await
            .unwrap();
        sleep(seconds(1)).await;
        let (watcher, begun) = (watch(pid).await, now());
        tasks.terminate_child(pid).await.unwrap();
        assert_eq!(watcher.end().await, ExitReason::Killed);
        assert_eq!(now().saturating_since(begun), seconds(2));
    });
}

#[test]
fn task_023_children_and_terminate_child() {
    everywhere(|_| async {
        let tasks = empty().await;
        let one = tasks.start_child(forever()).await.unwrap();
        let two = tasks.async_nolink(forever()).await.unwrap();
        assert_eq!(tasks.children().await.unwrap(), [two.pid().unwrap(), one]);
        tasks.terminate_child(one).await.unwrap();
        assert!(!is_alive(one));
        assert_eq!(
            tasks.terminate_child(one).await,
            Err(TerminateChildError::NotFound)
        );
        kill(two.pid().unwrap()).await;
        assert_eq!(tasks.children().await.unwrap(), []);
        assert_eq!(tasks.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn task_024_max_children() {
    everywhere(|_| async {
        let tasks = TaskSupervisor::new()
            .max_children(1)
            .start_link()
            .await
            .unwrap();
        let first = tasks.start_child(forever()).await.unwrap();
        let full = Some(StartChildError::MaxChildren);
        assert_eq!(tasks.start_child(forever()).await.err(), full);
        assert_eq!(tasks.async_(forever()).await.err(), full);
        assert_eq!(tasks.async_nolink(forever()).await.err(), full);
        tasks.terminate_child(first).await.unwrap();
        tasks.start_child(forever()).await.unwrap();
    });
}

#[test]
fn task_025_stopping_the_supervisor_stops_its_tasks() {
    simulated(|_| async {
        let outer = Supervisor::one_for_one()
            .child(TaskSupervisor::child().name("tasks"))
            .start_link()
            .await
            .unwrap();
        let tasks = TaskSupervisorRef::named("tasks");
        let stubborn = || async {
            trap_exit(true);
            forever().await;
        };
        let plain = tasks.async_nolink(forever()).await.unwrap();
        let killed = tasks
            .async_nolink_with(Shutdown::Kill, stubborn())
            .await
            .unwrap();
        let within = Shutdown::Within(seconds(2));
        let late = tasks.async_nolink_with(within, stubborn()).await.unwrap();
        sleep(seconds(1)).await;
        let begun = now();
        outer.stop().await.unwrap();
        assert_eq!(now().saturating_since(begun), seconds(2));
        assert_eq!(plain.await, Err(ExitReason::Shutdown));
        assert_eq!(killed.await, Err(ExitReason::Killed));
        assert_eq!(late.await, Err(ExitReason::Killed));
    });
}

#[test]
fn start_008_a_task_of_a_supervisor_knows_who_asked_for_it() {
    use rekindle_actor::{Task, callers, parent, self_pid};
    everywhere(|_| async move {
        let tasks = TaskSupervisor::new().start().await.unwrap();
        let me = self_pid();
        let known = || async { (self_pid(), parent(), callers()) };
        let (_, parent, of_linked) = tasks.async_(known()).await.unwrap().await.unwrap();
        assert_eq!((parent, of_linked), (Some(tasks.pid()), vec![me]));
        let inner = tasks.clone();
        let nested = Task::spawn(async move {
            let task = inner.async_nolink(known()).await.unwrap();
            (self_pid(), task.await.unwrap().2)
        });
        let (middle, of_nested) = nested.await.unwrap();
        assert_eq!(of_nested, [middle, me]);
        let (tell, told) = std::sync::mpsc::channel();
        let unawaited = async move { tell.send(callers()).unwrap() };
        tasks.start_child(unawaited).await.unwrap();
        let heard = loop {
            if let Ok(heard) = told.try_recv() {
                break heard;
            }
            rekindle_actor::yield_now().await;
        };
        assert_eq!(heard, [me]);
        let stream = tasks.async_stream_nolink([1], |_| async { callers() });
        assert_eq!(stream.collect().await, [Ok(vec![me])]);
    });
}
