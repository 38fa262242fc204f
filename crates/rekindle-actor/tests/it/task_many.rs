//! TASK: many tasks at once, and streams of them.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekindle_actor::{
    AwaitManyError, ExitReason, ItemError, ItemFailure, Mailbox, OnTimeout, Pid, Task, TaskStream,
    ZeroConcurrency, is_alive, raise, self_pid, sleep, spawn, spawn_monitor, trap_exit,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Gives its argument after so many milliseconds.
fn after(time: u64) -> Task<u64> {
    Task::spawn(async move {
        sleep(ms(time)).await;
        time
    })
}

async fn fails<T>() -> T {
    raise(ExitReason::msg("failed"))
}

fn failed<V>(input: Option<V>) -> ItemError<V> {
    ItemError {
        input,
        failure: ItemFailure::Exited(ExitReason::msg("failed")),
    }
}

#[test]
fn task_006_a_task_has_one_owner_at_a_time() {
    // The handle is no `Clone`: whoever has it is the owner, and passes that on with it.
    trait Once {
        const CLONES: bool = false;
    }
    impl<T> Once for T {}
    struct Of<T>(std::marker::PhantomData<T>);
    impl<T: Clone> Of<T> {
        #[allow(dead_code, reason = "only there if the type is `Clone`")]
        const CLONES: bool = true;
    }
    const { assert!(!<Of<Task<u8>>>::CLONES) };
    on_both(|| async {
        let task = after(1);
        let other = Task::spawn(task);
        assert_eq!(other.await, Ok(Ok(1)));
    });
}

#[test]
fn task_010_await_many_gives_values_in_the_order_of_the_tasks() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            inbox.recipient().send(7);
            assert_eq!(
                Task::await_many([3, 1, 2].map(after)).await,
                Ok(vec![3, 1, 2])
            );
            assert_eq!(Task::<u8>::await_many([]).await, Ok(vec![]));
            let done = [Task::completed(1), Task::completed(2)];
            assert_eq!(Task::await_many(done).await, Ok(vec![1, 2]));
            assert_eq!(inbox.recv().await, 7, "other messages are left alone");
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_010_await_many_fails_with_the_first_failure() {
    on_both(|| async {
        let slow = Task::spawn_nolink(pending());
        let pid = slow.pid().unwrap();
        let bad = Task::spawn_nolink(async {
            sleep(ms(1)).await;
            fails::<u8>().await
        });
        let result = Task::await_many([slow, bad]).no_timeout().await;
        assert_eq!(
            result,
            Err(AwaitManyError::Failed(1, ExitReason::msg("failed")))
        );
        assert!(is_alive(pid), "the others go on");
    });
}

#[test]
fn task_010_await_many_within_a_time() {
    on_both(|| async {
        let tasks = [Task::completed(1), Task::spawn_nolink(pending())];
        let result = Task::await_many(tasks).timeout(ms(10)).await;
        assert_eq!(result, Err(AwaitManyError::Timeout(ms(10))));
    });
}

#[test]
fn task_010_the_default_time_is_five_seconds() {
    on_sim(|| async {
        let begun = rekindle_actor::now();
        let result = Task::await_many([Task::spawn_nolink(pending::<u8>())]).await;
        let five = Duration::from_secs(5);
        assert_eq!(result, Err(AwaitManyError::Timeout(five)));
        assert_eq!(rekindle_actor::now().saturating_since(begun), five);
    });
}

#[test]
fn task_013_yield_many_gives_a_result_or_none_in_order() {
    on_sim(|| async {
        let mut tasks = vec![after(5), after(100), Task::spawn_nolink(fails()), after(20)];
        let begun = rekindle_actor::now();
        let results = Task::yield_many(&mut tasks).timeout(ms(50)).await;
        let failed = Some(Err(ExitReason::msg("failed")));
        assert_eq!(results, [Some(Ok(5)), None, failed, Some(Ok(20))]);
        assert_eq!(
            rekindle_actor::now().saturating_since(begun),
            ms(50),
            "one common time"
        );
        // What was not done may be asked again; what was given out is gone.
        let results = Task::yield_many(&mut tasks).no_timeout().await;
        assert_eq!(results[1], Some(Ok(100)));
        assert_eq!(results[0], Some(Err(ExitReason::NoProc)));
    });
}

#[test]
fn task_013_yield_many_of_none_is_done_at_once() {
    on_both(|| async {
        assert_eq!(Task::<u8>::yield_many(&mut []).no_timeout().await, []);
    });
}

#[test]
fn task_014_late_tasks_are_killed() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let mut tasks = vec![Task::spawn(pending::<u8>()), Task::spawn(pending())];
            let pids: Vec<_> = tasks.iter().filter_map(Task::pid).collect();
            let results = Task::yield_many(&mut tasks)
                .timeout(ms(5))
                .on_timeout(OnTimeout::Kill)
                .await;
            assert_eq!(results, [None, None]);
            assert!(!pids.into_iter().any(is_alive));
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_014_late_tasks_are_ignored() {
    on_both(|| async {
        let mut tasks = vec![Task::spawn(pending::<u8>())];
        let pid = tasks[0].pid().unwrap();
        let results = Task::yield_many(&mut tasks)
            .timeout(ms(5))
            .on_timeout(OnTimeout::Ignore)
            .await;
        assert_eq!(results, [None]);
        assert!(is_alive(pid), "it goes on");
        assert_eq!(links_of(self_pid()), [], "and is not linked any more");
        rekindle_actor::exit(pid, ExitReason::Kill);
    });
}

#[test]
fn task_015_yield_many_is_content_with_so_many() {
    on_sim(|| async {
        let mut tasks = vec![after(30), after(10), after(20)];
        let slow = tasks[0].pid().unwrap();
        let results = Task::yield_many(&mut tasks)
            .limit(2)
            .on_timeout(OnTimeout::Kill)
            .await;
        assert_eq!(results, [None, Some(Ok(10)), Some(Ok(20))]);
        assert!(is_alive(slow), "it is not late");
        assert_eq!(tasks.remove(0).await, Ok(30));
    });
}

#[test]
fn task_015_a_limit_that_is_not_reached_in_time() {
    on_sim(|| async {
        let mut tasks = vec![after(10), after(5_000), after(6_000)];
        let results = Task::yield_many(&mut tasks)
            .limit(2)
            .timeout(ms(50))
            .on_timeout(OnTimeout::Kill)
            .await;
        assert_eq!(results, [Some(Ok(10)), None, None]);
        assert_eq!(links_of(self_pid()), []);
    });
}

/// Waits as many milliseconds as it is told, and gives that back.
fn waits(
    items: impl IntoIterator<Item = u64> + Send + 'static,
) -> TaskStream<impl Iterator<Item = u64> + Send, u64> {
    let items: Vec<_> = items.into_iter().collect();
    Task::async_stream(items, |time| async move {
        sleep(ms(time)).await;
        time
    })
}

fn values<T, V: std::fmt::Debug>(results: Vec<Result<T, ItemError<V>>>) -> Vec<T> {
    results
        .into_iter()
        .map(|result| result.expect("a value"))
        .collect()
}

#[test]
fn task_026_a_result_per_item_in_order() {
    on_both(|| async {
        let results = waits([3, 1, 2]).max_concurrency(3).unwrap().collect().await;
        assert_eq!(values(results), [3, 1, 2]);
        assert_eq!(values(waits([]).collect().await), []);
        until(|| links_of(self_pid()).is_empty()).await;
    });
}

#[test]
fn task_026_a_failed_item_is_an_error_in_its_place() {
    on_both(|| async {
        let results = Task::async_stream_nolink([1, 2, 3], |n| async move {
            match n {
                2 => fails().await,
                n => n,
            }
        });
        let results = results.collect().await;
        assert_eq!(results, [Ok(1), Err(failed(None)), Ok(3)]);
    });
}

#[test]
fn task_027_unordered_results_come_as_they_are_done() {
    on_sim(|| async {
        let results = waits([30, 10, 20]).max_concurrency(3).unwrap().unordered();
        assert_eq!(values(results.collect().await), [10, 20, 30]);
    });
}

#[test]
fn task_028_so_many_at_a_time() {
    on_both(|| async {
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let (count, seen) = (running.clone(), most.clone());
        let stream = Task::async_stream(0..20, move |_| {
            let (count, seen) = (count.clone(), seen.clone());
            async move {
                seen.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(ms(1)).await;
                count.fetch_sub(1, Ordering::SeqCst);
            }
        });
        let results = stream.max_concurrency(3).unwrap().collect().await;
        assert_eq!(results.len(), 20);
        assert_eq!(most.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn task_028_none_at_a_time_is_refused() {
    on_both(|| async {
        assert_eq!(waits([1]).max_concurrency(0).err(), Some(ZeroConcurrency));
    });
}

#[test]
fn task_028_the_default_is_the_number_of_workers() {
    let workers = 2;
    within_patience("pool of 2", move || {
        pool(workers).block_on(async move {
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (count, seen) = (running.clone(), most.clone());
            let stream = Task::async_stream_nolink(0..10, move |_| {
                let (count, seen) = (count.clone(), seen.clone());
                async move {
                    seen.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    sleep(ms(1)).await;
                    count.fetch_sub(1, Ordering::SeqCst);
                }
            });
            assert_eq!(stream.collect().await.len(), 10);
            assert_eq!(most.load(Ordering::SeqCst), workers);
        });
    });
}

#[test]
fn task_029_a_failing_item_takes_a_consumer_along_that_does_not_trap() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let (_, watch) = spawn_monitor(async {
                let _ = Task::async_stream([1], |_| fails::<u8>()).collect().await;
                pending::<()>().await;
            });
            let down = expect_down(&mut inbox).await;
            assert_eq!(
                (down.reference, down.reason),
                (watch, ExitReason::msg("failed"))
            );
        })
    });
}

#[test]
fn task_029_for_a_consumer_that_traps_it_is_the_items_error() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let results = Task::async_stream([1, 2], |n| async move {
                match n {
                    1 => fails().await,
                    n => n,
                }
            });
            assert_eq!(results.collect().await, [Err(failed(None)), Ok(2)]);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_030_a_late_item_is_killed_and_the_others_go_on() {
    on_both(|| async {
        let results = Task::async_stream([1, 2, 3], |n| async move {
            if n == 2 {
                pending::<()>().await;
            }
            n
        });
        let results = results.timeout(ms(20)).kill_on_timeout().collect().await;
        let late = ItemError {
            input: None,
            failure: ItemFailure::Timeout(ms(20)),
        };
        assert_eq!(results, [Ok(1), Err(late), Ok(3)]);
        until(|| links_of(self_pid()).is_empty()).await;
    });
}

#[test]
fn task_030_without_that_a_late_item_ends_the_stream() {
    on_sim(|| async {
        let mut results = Task::async_stream([1, 2, 3, 4], |n| async move {
            match n {
                1 => 1,
                n => {
                    sleep(Duration::from_secs(10 * n)).await;
                    n
                }
            }
        })
        .max_concurrency(4)
        .unwrap();
        assert_eq!(results.next().await, Some(Ok(1)));
        let late = results.next().await.unwrap().unwrap_err();
        assert_eq!(late.failure, ItemFailure::Timeout(Duration::from_secs(5)));
        assert_eq!(results.next().await, None);
        assert_eq!(links_of(self_pid()), []);
    });
}

#[test]
fn task_031_errors_carry_the_item() {
    on_both(|| async {
        let results = Task::async_stream_nolink(["a", "b", "c"], |item| async move {
            match item {
                "b" => fails().await,
                "c" => pending().await,
                item => item,
            }
        });
        let results = results
            .zip_input_on_exit()
            .timeout(ms(20))
            .kill_on_timeout()
            .collect()
            .await;
        let late = ItemError {
            input: Some("c"),
            failure: ItemFailure::Timeout(ms(20)),
        };
        assert_eq!(results, [Ok("a"), Err(failed(Some("b"))), Err(late)]);
    });
}

#[test]
fn task_032_who_takes_the_first_results_only_stops_the_rest() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Pid>| async move {
            trap_exit(true);
            let me = inbox.recipient();
            let mut results = Task::async_stream([0, 1, 2], move |n| {
                let me = me.clone();
                async move {
                    if n > 0 {
                        me.send(self_pid());
                        pending::<()>().await;
                    }
                    n
                }
            })
            .max_concurrency(3)
            .unwrap();
            assert_eq!(results.next().await, Some(Ok(0)));
            let rest = [inbox.recv().await, inbox.recv().await];
            drop(results);
            until(|| !rest.into_iter().any(is_alive)).await;
            assert_eq!(links_of(self_pid()), []);
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn task_033_a_stream_is_consumed_by_another_process() {
    on_both(|| async {
        let stream = waits([2, 1]);
        let me = self_pid();
        let consumer = Task::spawn(async move {
            let mut stream = stream;
            let first = stream.next().await;
            (
                first,
                links_of(self_pid()).contains(&me),
                values(stream.collect().await),
            )
        });
        let (first, _, rest) = consumer.await.unwrap();
        assert_eq!((first, rest), (Some(Ok(2)), vec![1]));
    });
}

#[test]
fn task_034_items_are_taken_as_there_is_room() {
    on_sim(|| async {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let input = (0..100_u64).inspect(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let mut stream = Task::async_stream(input, |n| async move {
            sleep(ms(1)).await;
            n
        })
        .max_concurrency(2)
        .unwrap();
        assert_eq!(
            taken.load(Ordering::SeqCst),
            0,
            "nothing before somebody asks"
        );
        assert_eq!(stream.next().await, Some(Ok(0)));
        assert!(taken.load(Ordering::SeqCst) <= 4);
    });
}

#[test]
fn task_034_an_input_that_fails_ends_what_runs() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Pid>| async move {
            let me = inbox.recipient();
            let consumer = spawn(async move {
                let input = (0..2).inspect(|n| assert_ne!(*n, 1, "the input fails"));
                let stream = Task::async_stream_nolink(input, move |_| {
                    let me = me.clone();
                    async move {
                        me.send(self_pid());
                        pending::<()>().await;
                    }
                });
                let mut stream = stream.max_concurrency(2).unwrap();
                // The first poll begins with one item, and fails with the second.
                let _ = stream.next().await;
            });
            until(|| !is_alive(consumer)).await;
            if let Some(pid) = inbox.recv_timeout(ms(5)).await {
                until(|| !is_alive(pid)).await;
            }
        })
    });
}

#[test]
fn task_034_the_consumers_end_is_that_of_what_runs() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Pid>| async move {
            let me = inbox.recipient();
            let consumer = spawn(async move {
                let stream = Task::async_stream_nolink([1], move |_| {
                    let me = me.clone();
                    async move {
                        me.send(self_pid());
                        pending::<()>().await;
                    }
                });
                stream.collect().await;
            });
            let pid = inbox.recv().await;
            rekindle_actor::exit(consumer, ExitReason::Kill);
            until(|| !is_alive(pid)).await;
        })
    });
}
