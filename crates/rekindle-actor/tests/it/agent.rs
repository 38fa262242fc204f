//! AGENT-001 to AGENT-007: agents. (AGENT-008 is in `rekindle-supervisor`.)

use std::time::Duration;

use rekindle_actor::{
    Agent, AgentServer, CallError, ExitReason, Mailbox, MailboxPolicy, Overflow, Registry,
    SendError, StartError, Stop, StopError, exit, raise, recent_crashes, self_pid, spawn_link, sys,
    trap_exit, whereis,
};

use crate::support::*;

async fn zero() -> Agent<i64> {
    Agent::start(|| 0).await.expect("it starts")
}

fn is_panic<T>(result: &Result<T, CallError>, text: &str) -> bool {
    let Err(CallError::Exited(reason)) = result else {
        return false;
    };
    reason.is_panic() && reason.to_string().contains(text)
}

#[test]
fn agent_001_the_state_is_what_the_function_gives() {
    on_both(|| async {
        let linked = Agent::start_link(|| vec![1, 2]).await.unwrap();
        assert_eq!(linked.get(Clone::clone).await, Ok(vec![1, 2]));
        let pid = linked.pid().unwrap();
        assert!(links_of(self_pid()).contains(&pid));
        let unlinked = Agent::start(String::new).await.unwrap();
        assert!(links_of(unlinked.pid().unwrap()).is_empty());
        linked.stop().await.unwrap();
        unlinked.stop().await.unwrap();
    });
}

#[test]
fn agent_001_a_panic_of_the_function_fails_the_start() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            trap_exit(true);
            let failed = Agent::<u8>::start_link(|| panic!("no state"))
                .name("agent")
                .await;
            let Err(StartError::Failed(reason)) = failed else {
                panic!("{failed:?}")
            };
            assert!(reason.is_panic() && reason.to_string().contains("no state"));
            assert_eq!(whereis("agent"), None);
            // The start's result is all that tells of it.
            expect_nothing(&mut inbox).await;
        })
    });
}

#[test]
fn agent_002_get_leaves_the_state_and_update_replaces_it() {
    on_both(|| async {
        let agent = zero().await;
        assert_eq!(agent.get(|n| n + 7).await, Ok(7));
        assert_eq!(agent.get(|n| *n).await, Ok(0));
        assert_eq!(agent.update(|n| *n = 5).await, Ok(()));
        // The change was made when `update` had answered: whoever asks next sees it.
        let other = Puppet::new();
        let asked = agent.clone();
        let seen = rekindle_actor::Task::spawn(async move { asked.get(|n| *n).await });
        assert_eq!(seen.await.unwrap(), Ok(5));
        drop(other);
    });
}

#[test]
fn agent_003_get_and_update_gives_one_part_and_keeps_the_other() {
    on_both(|| async {
        let agent = zero().await;
        let before = agent.get_and_update(|n| std::mem::replace(n, 3)).await;
        assert_eq!(before, Ok(0));
        assert_eq!(agent.get(|n| *n).await, Ok(3));
        // What is given need not be like the state.
        let text = agent.get_and_update(|n| {
            *n += 1;
            format!("{n}")
        });
        assert_eq!(text.await.as_deref(), Ok("4"));
    });
}

#[test]
fn agent_004_a_cast_returns_at_once_and_is_applied_before_later_calls() {
    on_both(|| async {
        let agent = zero().await;
        sys::suspend(agent.pid().unwrap()).await.unwrap();
        for k in 1..=100 {
            agent.cast(move |n| *n = *n * 3 % 1_000_003 + k);
        }
        sys::resume(agent.pid().unwrap()).await.unwrap();
        let expected = (1..=100).fold(0, |n, k| n * 3 % 1_000_003 + k);
        assert_eq!(agent.get(|n| *n).await, Ok(expected));
    });
}

#[test]
fn agent_005_concurrent_updates_lose_nothing() {
    on_both(|| async {
        let agent = zero().await;
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let agent = agent.clone();
                rekindle_actor::Task::spawn(async move {
                    for _ in 0..50 {
                        agent.update(|n| *n += 1).await.unwrap();
                        agent.cast(|n| *n += 1);
                    }
                    agent.get(|n| *n).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap() >= 100);
        }
        assert_eq!(agent.get(|n| *n).await, Ok(2000));
    });
}

#[test]
fn agent_006_a_panic_is_told_to_the_caller_and_ends_the_agent() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let fail = |_: &mut i64| panic!("bad function");
            for n in 0..3 {
                let agent = zero().await;
                let pid = agent.pid().unwrap();
                let watch = rekindle_actor::monitor(pid);
                let told = match n {
                    0 => agent.update(fail).await,
                    1 => agent.get(|_| panic!("bad function")).await,
                    _ => agent.get_and_update(move |n| fail(n)).await,
                };
                assert!(is_panic(&told, "bad function"), "{told:?}");
                let down = expect_down(&mut inbox).await;
                assert_eq!((down.reference, down.pid), (watch, Some(pid)));
                assert!(down.reason.is_panic());
                assert_eq!(agent.get(|n| *n).await, Err(CallError::NoProc));
            }
        })
    });
}

#[test]
fn agent_006_who_waits_behind_a_panic_hears_of_it_as_well() {
    on_both(|| async {
        let agent = zero().await;
        sys::suspend(agent.pid().unwrap()).await.unwrap();
        agent.cast(|_| panic!("first"));
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let agent = agent.clone();
                rekindle_actor::Task::spawn_nolink(async move { agent.get(|n| *n).await })
            })
            .collect();
        let pid = agent.pid().unwrap();
        until(|| rekindle_actor::info(pid).is_some_and(|info| info.mailbox >= 6)).await;
        sys::resume(pid).await.unwrap();
        for waiting in waiting {
            let told = waiting.await.unwrap();
            assert!(is_panic(&told, "first"), "{told:?}");
        }
    });
}

#[test]
fn agent_006_a_raise_is_the_reason() {
    on_both(|| async {
        let agent = zero().await;
        let told = agent.update(|_| raise(ExitReason::Shutdown)).await;
        assert_eq!(told, Err(CallError::Exited(ExitReason::Shutdown)));
    });
}

#[test]
fn agent_007_names() {
    on_both(|| async {
        let named = Agent::<i64>::named("counter");
        assert_eq!(named.get(|n| *n).await, Err(CallError::NoProc));
        assert_eq!(named.try_cast(|n| *n = 1), Err(SendError::NoProc(())));
        named.cast(|n| *n = 1);
        assert_eq!(named.stop().await, Err(StopError::NoProc));
        for life in 0..3 {
            let agent = Agent::start(move || life).name("counter").await.unwrap();
            let taken = Agent::start(|| 9).name("counter").await;
            assert_eq!(
                taken.unwrap_err(),
                StartError::AlreadyStarted(agent.pid().unwrap())
            );
            assert_eq!(named.clone().get(|n| *n).await, Ok(life));
            // A handle for another state does not take it for its own.
            assert!(Agent::<u8>::named("counter").pid().is_none());
            assert!(Agent::<u8>::from_pid(agent.pid().unwrap()).is_none());
            assert!(Agent::<i64>::from_pid(agent.pid().unwrap()).is_some());
            named.stop().await.unwrap();
            assert_eq!(whereis("counter"), None);
            assert!(!agent.is_alive());
        }
    });
}

#[test]
fn agent_007_via_names() {
    on_both(|| async {
        let registry = Registry::<u32, &str>::unique().start_link().await.unwrap();
        let via = registry.via(7_u32);
        let by_key = Agent::<i64>::via(via.clone());
        assert_eq!(by_key.get(|n| *n).await, Err(CallError::NoProc));
        let place = via.with_value("agent");
        let agent = Agent::start(|| 1).via(place.clone()).await.unwrap();
        let pid = agent.pid().unwrap();
        assert_eq!(registry.lookup(&7), Ok(vec![(pid, "agent")]));
        by_key.cast(|n| *n += 1);
        assert_eq!(by_key.get(|n| *n).await, Ok(2));
        let again = Agent::start(|| 2).via(place.clone()).await;
        assert_eq!(again.unwrap_err(), StartError::AlreadyStarted(pid));
        by_key.stop().await.unwrap();
        assert_eq!(registry.whereis(&7), Ok(None));
        Agent::start(|| 3).via(place).await.unwrap();
        assert_eq!(by_key.get(|n| *n).await, Ok(3));
    });
}

#[test]
fn agent_007_stop_and_its_reason() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<()>| async move {
            let agent = zero().await;
            let pid = agent.pid().unwrap();
            agent.cast(|n| *n = 1);
            let seen = agent.clone();
            let last = rekindle_actor::Task::spawn(async move { seen.get(|n| *n).await });
            until(|| rekindle_actor::info(pid).is_none_or(|info| info.mailbox == 0)).await;
            rekindle_actor::monitor(pid);
            Stop::new(pid).reason(ExitReason::Shutdown).await.unwrap();
            assert_eq!(expect_down(&mut inbox).await.reason, ExitReason::Shutdown);
            assert_eq!(agent.stop().await, Err(StopError::NoProc));
            let _ = last.await;
        })
    });
}

#[test]
fn a_timeout_leaves_the_function_to_be_run() {
    on_sim(|| async {
        let agent = zero().await;
        let pid = agent.pid().unwrap();
        sys::suspend(pid).await.unwrap();
        let limit = Duration::from_millis(10);
        let late = agent.update(|n| *n += 1).timeout(limit).await;
        assert_eq!(late, Err(CallError::Timeout(limit)));
        let late = agent.update(|n| *n += 1).await;
        assert_eq!(late, Err(CallError::Timeout(Duration::from_secs(5))));
        sys::resume(pid).await.unwrap();
        assert_eq!(agent.get(|n| *n).no_timeout().await, Ok(2));
    });
}

#[test]
fn a_call_that_is_not_awaited_does_nothing() {
    on_both(|| async {
        let agent = zero().await;
        drop(agent.update(|n| *n = 1));
        assert_eq!(agent.get(|n| *n).await, Ok(0));
    });
}

#[test]
fn what_a_function_takes_along_is_dropped_in_every_case() {
    on_both(|| async {
        let drops = Drops::new();
        let agent = zero().await;
        let keep = |agent: &Agent<i64>, counted: Counted| {
            agent.cast(move |_| drop(counted));
        };
        // Run; left unread by a killed agent; refused by a dead one.
        keep(&agent, drops.counted());
        agent.get(|_| ()).await.unwrap();
        assert_eq!(drops.count(), 1);
        let pid = agent.pid().unwrap();
        sys::suspend(pid).await.unwrap();
        keep(&agent, drops.counted());
        exit(pid, ExitReason::Kill);
        until(|| !agent.is_alive()).await;
        until(|| drops.count() == 2).await;
        keep(&agent, drops.counted());
        until(|| drops.count() == 3).await;
    });
}

#[test]
fn a_state_that_panics_in_its_drop_is_the_agents_end_only() {
    on_both(|| async {
        let agent = Agent::start(|| Bomb("state")).await.unwrap();
        let stopped = agent.stop().await;
        assert!(matches!(stopped, Err(StopError::Exited(reason)) if reason.is_panic()));
    });
}

#[test]
fn an_agents_mailbox_may_have_a_bound() {
    on_both(|| async {
        let agent = Agent::start(|| 0)
            .mailbox(MailboxPolicy::bounded(1).when_full(Overflow::Fail))
            .await
            .unwrap();
        let pid = agent.pid().unwrap();
        sys::suspend(pid).await.unwrap();
        assert_eq!(agent.try_cast(|n| *n += 1), Ok(()));
        assert_eq!(agent.try_cast(|n| *n += 10), Err(SendError::Full(())));
        assert_eq!(agent.get(|n| *n).await, Err(CallError::Full));
        sys::resume(pid).await.unwrap();
        until(|| rekindle_actor::info(pid).is_some_and(|info| info.mailbox == 0)).await;
        assert_eq!(agent.get(|n| *n).await, Ok(1));
    });
}

#[test]
fn a_linked_agent_ends_with_its_starter_and_takes_it_along() {
    on_both(|| {
        with_inbox(|mut inbox: Mailbox<Agent<i64>>| async move {
            trap_exit(true);
            let own = inbox.recipient();
            let starter = spawn_link(async move {
                own.send(Agent::start_link(|| 0).await.unwrap());
                std::future::pending::<()>().await;
            });
            let agent = inbox.recv().await;
            agent.cast(|_| panic!("both"));
            let exit = expect_exit(&mut inbox).await;
            assert_eq!(exit.from, starter);
            assert!(exit.reason.is_panic());
        })
    });
}

#[test]
fn sys_sees_the_state() {
    on_both(|| async {
        let agent = Agent::start(|| 3).await.unwrap();
        let pid = agent.pid().unwrap();
        let seen = sys::with_state(pid, |state: &mut AgentServer<i32>| {
            **state += 1;
            **state
        });
        assert_eq!(seen.await, Ok(4));
        let state = sys::get_state::<AgentServer<i32>>(pid).await.unwrap();
        assert_eq!((*state, agent.get(|n| *n).await), (4, Ok(4)));
    });
}

#[test]
fn a_crash_is_reported_once() {
    on_both(|| async {
        let agent = zero().await;
        let pid = agent.pid().unwrap();
        let told = agent.update(|_| panic!("reported")).await;
        assert!(is_panic(&told, "reported"));
        until(|| recent_crashes().iter().any(|report| report.pid == pid)).await;
        let reports: Vec<_> = recent_crashes()
            .into_iter()
            .filter(|r| r.pid == pid)
            .collect();
        assert_eq!(reports.len(), 1);
        assert!(reports[0].reason.to_string().contains("reported"));
    });
}
