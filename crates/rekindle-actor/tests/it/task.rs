//! TASK: work whose result is awaited.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use rekindle_actor::{
    ExitReason, Mailbox, Pid, Task, exit, info, is_alive, link, monitor, raise, self_pid, sleep,
    spawn, spawn_link, spawn_monitor, trap_exit,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn task_001_a_linked_task_gives_its_value() {
    on_both(|| async {
        let task = Task::spawn(async {
            sleep(ms(1)).await;
            6 * 7
        });
        let pid = task.pid().unwrap();
        assert_eq!(links_of(self_pid()), [pid]);
        assert_eq!(task.await, Ok(42));
        until(|| !is_alive(pid)).await;
        assert_eq!(links_of(self_pid()), []);
    });
}

#[test]
fn task_002_nothing_remains_but_the_exit_of_a_trapping_owner() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            assert_eq!(Task::spawn(async { 1 }).await, Ok(1));
            expect_nothing(&mut inbox).await;
            trap_exit(true);
            let task = Task::spawn(async { 2 });
            let pid = task.pid().unwrap();
            assert_eq!(task.await, Ok(2));
            let heard = expect_exit(&mut inbox).await;
            assert_eq!((heard.from, heard.reason), (pid, ExitReason::Normal));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_003_a_wait_without_result_in_time() {
    on_both(|| async {
        let mut task = Task::spawn(pending::<u8>());
        assert_eq!(task.yield_for(ms(5)).await, None);
        assert_eq!(info(self_pid()).unwrap().waits, None);
        assert_eq!(task.kill().await, None);
    });
}

#[test]
fn task_004_a_task_that_ends_without_a_value_is_an_error() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let panicked = Task::spawn_nolink(async { panic!("at work") as u8 }).await;
            match panicked.unwrap_err() {
                ExitReason::Panic(panic) => assert_eq!(panic.message, "at work"),
                other => panic!("{other:?}"),
            }
            let raised = Task::spawn_nolink(async { raise(oops("why")) as u8 }).await;
            assert_eq!(raised, Err(oops("why")));
            let normal = Task::spawn_nolink(async { raise(ExitReason::Normal) as u8 }).await;
            assert_eq!(normal, Err(ExitReason::Normal));
            let task = Task::spawn_nolink(pending::<u8>());
            exit(task.pid().unwrap(), ExitReason::Kill);
            assert_eq!(task.await, Err(ExitReason::Killed));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_004_a_panic_after_a_wait_is_told_as_well() {
    on_both(|| async {
        let late = Task::spawn_nolink(async {
            sleep(ms(1)).await;
            panic!("late") as u8
        });
        assert!(matches!(late.await, Err(ExitReason::Panic(p)) if p.message == "late"));
    });
}

#[test]
fn task_005_a_failed_task_takes_an_owner_along_that_does_not_trap() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            spawn_monitor(async {
                let task = Task::spawn(async { raise(oops("both")) as u8 });
                let _ = task.await;
                pending::<()>().await;
            });
            assert_eq!(expect_down(&mut inbox).await.reason, oops("both"));
        })
    });
}

/// The task ends on another thread, in the middle of the owner's turn.
#[test]
fn task_005_an_owner_never_sees_the_failure_that_ends_it() {
    on_pool(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (over, saw) = (Log::new(), Log::new());
            let (is_over, sees) = (over.clone(), saw.clone());
            spawn_monitor(async move {
                let mut task = Task::spawn(async { raise(oops("both")) as u8 });
                let pid = task.pid().unwrap();
                spawn(with_inbox(move |mut inbox: Mailbox<()>| async move {
                    monitor(pid);
                    expect_down(&mut inbox).await;
                    over.add("over");
                }));
                let mut looks = 0;
                while looks < 10_000 {
                    looks += u32::from(is_over.contains("over"));
                    let mut cx = Context::from_waker(Waker::noop());
                    if Pin::new(&mut task).poll(&mut cx).is_ready() {
                        sees.add("failure");
                    }
                }
                let _ = task.await;
                sees.add("failure");
            });
            assert_eq!(expect_down(&mut inbox).await.reason, oops("both"));
            assert_eq!(saw.all(), Vec::<String>::new());
        })
    });
}

/// It takes several turns to tell so many links of the end, those that are older than the owner and
/// those that are younger.
#[test]
fn task_005_nor_that_of_a_task_with_very_many_links() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let saw = Log::new();
            let sees = saw.clone();
            let older: Vec<Pid> = (0..3_000).map(|_| spawn(pending::<()>())).collect();
            spawn_monitor(async move {
                let task = Task::spawn(async move {
                    older.into_iter().for_each(link);
                    for _ in 0..3_000 {
                        spawn_link(pending::<()>());
                    }
                    raise(oops("all")) as u8
                });
                let _ = task.await;
                sees.add("failure");
            });
            assert_eq!(expect_down(&mut inbox).await.reason, oops("all"));
            assert_eq!(saw.all(), Vec::<String>::new());
        })
    });
}

#[test]
fn task_005_an_owner_that_dies_takes_its_task_along() {
    on_both(|| async {
        let drops = Drops::new();
        let held = drops.counted();
        spawn(async move {
            let _task = Task::spawn(async move {
                let _held = held;
                pending::<()>().await;
            });
            oops("gone")
        });
        until(|| drops.count() == 1).await;
    });
}

#[test]
fn task_007_fire_and_forget() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let log = Log::new();
            let (one, two) = (log.clone(), log.clone());
            spawn(async move { one.add("plain") });
            spawn_link(async move { two.add("linked") });
            until(|| log.len() == 2).await;
            drop(Task::spawn(async { 1 }));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_008_a_completed_task_needs_no_process() {
    on_both(|| async {
        assert_eq!(Task::completed(5).pid(), None);
        assert_eq!(Task::completed(5).await, Ok(5));
        assert_eq!(Task::completed(5).yield_for(ms(1)).await, Some(Ok(5)));
        assert_eq!(Task::completed(5).ignore(), Some(Ok(5)));
        assert_eq!(Task::completed(5).shutdown(ms(1)).await, Some(Ok(5)));
        assert_eq!(Task::completed(5).kill().await, Some(Ok(5)));
    });
}

#[test]
fn task_011_yield_gives_value_reason_or_none() {
    on_both(|| async {
        let mut task = Task::spawn_nolink(async {
            sleep(ms(20)).await;
            7
        });
        assert_eq!(task.yield_for(Duration::ZERO).await, None);
        assert_eq!(task.yield_for(Duration::from_secs(600)).await, Some(Ok(7)));
        // What was given out is gone.
        assert_eq!(task.yield_for(ms(1)).await, Some(Err(ExitReason::NoProc)));
        let mut failed = Task::spawn_nolink(async { raise(oops("no")) as u8 });
        let outcome = failed.yield_for(Duration::from_secs(600)).await;
        assert_eq!(outcome, Some(Err(oops("no"))));
    });
}

#[test]
fn task_012_a_result_that_came_with_the_end_leaves_nothing() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let mut task = Task::spawn_nolink(async { 3 });
            let pid = task.pid().unwrap();
            until(|| !is_alive(pid)).await;
            assert_eq!(task.yield_for(Duration::ZERO).await, Some(Ok(3)));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_016_an_ignored_task_goes_on_unlinked() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let target = mortal();
            let worker = target.clone();
            let task = Task::spawn(async move {
                monitor(worker.pid());
                pending::<u8>().await
            });
            let pid = task.pid().unwrap();
            assert_eq!(task.ignore(), None);
            assert!(is_alive(pid));
            assert_eq!(links_of(self_pid()), []);
            exit(pid, oops("nobody hears"));
            expect_nothing(&mut inbox).await;

            let done = Task::spawn_nolink(async { 1 });
            until(|| !is_alive(done.pid().unwrap())).await;
            assert_eq!(done.ignore(), Some(Ok(1)));
            // A failure is told after the pid is dead, on the pool a moment later.
            let told = async || {
                let failed = Task::spawn_nolink(async { raise(oops("no")) as u8 });
                until(|| !is_alive(failed.pid().unwrap())).await;
                failed.ignore()
            };
            let mut failure = told().await;
            while failure.is_none() {
                failure = told().await;
            }
            assert_eq!(failure, Some(Err(oops("no"))));
            drop(target);
        })
    });
}

/// `Task.Supervisor.async/2`: the work waits until its owner is linked with it.
#[test]
fn linked_work_begins_when_its_owner_takes_the_task() {
    on_both(|| async {
        let begun = Log::new();
        let work = |name: &'static str| {
            let begun = begun.clone();
            Task::prepare_linked(async move { begun.add(name) })
        };
        let (body, task) = work("taken");
        let pid = spawn(body);
        sleep(ms(1)).await;
        assert!(begun.all().is_empty() && is_alive(pid));
        let task = task(pid);
        assert!(links_of(self_pid()).contains(&pid));
        assert_eq!(task.await, Ok(()));

        let (body, task) = work("left");
        let pid = spawn(body);
        drop(task);
        until(|| !is_alive(pid)).await;
        assert_eq!(begun.all(), ["taken"]);
    });
}

#[test]
fn task_017_shutdown_ends_a_task_silently() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let task = Task::spawn(pending::<u8>());
            let pid = task.pid().unwrap();
            assert_eq!(task.shutdown(Duration::from_secs(600)).await, None);
            assert!(!is_alive(pid));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_018_a_task_that_does_not_stop_is_killed() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let stubborn = || async {
                trap_exit(true);
                pending::<u8>().await
            };
            let task = Task::spawn(stubborn());
            let pid = task.pid().unwrap();
            until(|| info(pid).is_some_and(|info| info.traps_exits)).await;
            assert_eq!(task.shutdown(ms(5)).await, Some(Err(ExitReason::Killed)));
            assert_eq!(Task::spawn(stubborn()).kill().await, None);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_019_shutdown_of_a_task_that_had_ended() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let task = Task::spawn_nolink(async { raise(oops("before")) as u8 });
            until(|| !is_alive(task.pid().unwrap())).await;
            assert_eq!(task.shutdown(ms(5)).await, Some(Err(oops("before"))));
            let task = Task::spawn_nolink(async { 4 });
            until(|| !is_alive(task.pid().unwrap())).await;
            assert_eq!(task.shutdown(ms(5)).await, Some(Ok(4)));
            let mut task = Task::spawn_nolink(async { 5 });
            assert_eq!((&mut task).await, Ok(5));
            assert_eq!(task.shutdown(ms(5)).await, Some(Err(ExitReason::NoProc)));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn many_tasks_give_their_values() {
    on_both(|| async {
        let tasks: Vec<Task<u64>> = (0..500)
            .map(|n| {
                Task::spawn(async move {
                    if n % 3 == 0 {
                        rekindle_actor::yield_now().await;
                    }
                    n * n
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await, Ok((n * n) as u64));
        }
    });
}

/// A prepared task is started by somebody else, as a task supervisor does.
#[test]
fn a_prepared_task_runs_where_it_is_spawned() {
    on_both(|| async {
        let (body, task) = Task::prepare(async { self_pid() });
        let worker = Puppet::new();
        let pid = worker.run(move || spawn(body)).await;
        assert_eq!(task(pid).await, Ok(pid));
        let (body, task) = Task::prepare(async { panic!("prepared") as u8 });
        let pid = worker.run(move || spawn(body)).await;
        assert!(matches!(task(pid).await, Err(ExitReason::Panic(p)) if p.message == "prepared"));
        let (body, task) = Task::<u8>::prepare(async { 1 });
        drop(body);
        assert!(task(pid).await.is_err(), "a body that never ran");
    });
}

#[test]
fn a_task_can_be_awaited_outside_of_processes() {
    within_patience("outside", || {
        let runtime = pool(1);
        let _entered = runtime.handle().enter();
        let task = Task::spawn(async { 9 });
        assert_eq!(rekindle_scheduler::block_on(task), Ok(9));
        let failed = Task::spawn(async { panic!("outside") as u8 });
        assert!(rekindle_scheduler::block_on(failed).unwrap_err().is_panic());
    });
}
