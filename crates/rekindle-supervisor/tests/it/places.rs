//! Where processes come from, and what they are called: the user's line and the user's type, though
//! a supervisor spawns them.

use std::panic::Location;
use std::time::Duration;

use rekindle_actor::{
    Agent, ExitReason, GenEvent, Groups, Pid, Registry, info, recent_crashes, sleep, spawn,
    trap_exit, yield_now,
};
use rekindle_supervisor::{
    AgentChild, ChildSpec, DynamicSupervisor, EventManagerChild, GroupsChild, PartitionSupervisor,
    Restart, Supervisor, TaskSupervisor,
};

use crate::kit::{addr_of, end, pid_of, running, simulated};

/// A value, and the line on which it was made.
#[track_caller]
fn at<T>(value: T) -> (T, u32) {
    (value, Location::caller().line())
}

#[track_caller]
fn made_on(pid: Pid, line: u32) {
    let place = info(pid).expect("it lives").spawned_at;
    assert_eq!((place.file(), place.line()), (file!(), line));
}

async fn work() {
    sleep(Duration::from_secs(60)).await;
}

#[test]
fn supervisors_and_children_come_from_where_they_were_described() {
    simulated(|kit| async move {
        let (supervisor, line) = at(Supervisor::one_for_one());
        let supervisor = supervisor.start_link().await.unwrap();
        made_on(supervisor.pid(), line);

        let (nested, line) = at(Supervisor::rest_for_one());
        made_on(
            supervisor
                .start_child(nested.id("nested"))
                .await
                .unwrap()
                .pid(),
            line,
        );
        let (dynamic, line) = at(DynamicSupervisor::child());
        made_on(supervisor.start_child(dynamic).await.unwrap().pid(), line);
        let (tasks, line) = at(TaskSupervisor::child());
        made_on(supervisor.start_child(tasks).await.unwrap().pid(), line);
        let (server, line) = at(kit.child("server"));
        let server = supervisor.start_child(server).await.unwrap();
        made_on(server.pid(), line);
        let (agent, line) = at(Agent::child(|| 0));
        let agent = supervisor.start_child(agent).await.unwrap();
        made_on(agent.pid().unwrap(), line);
        let (events, line) = at(GenEvent::<u32>::child());
        made_on(supervisor.start_child(events).await.unwrap().pid(), line);
        let (groups, line) = at(Groups::<u32, ()>::child("groups"));
        made_on(supervisor.start_child(groups).await.unwrap().pid(), line);
        let (registry, line) = at(Registry::<u32, ()>::unique());
        let registry = supervisor
            .start_child(registry.name("registry"))
            .await
            .unwrap();
        made_on(registry.pid().unwrap(), line);
        let (task, line) = at(ChildSpec::task(work));
        let task = supervisor.start_child(task).await.unwrap();
        made_on(task.pid(), line);
        let (partitions, line) = at(PartitionSupervisor::new(
            "parts",
            DynamicSupervisor::child(),
        ));
        let partitions = supervisor
            .start_child(partitions.partitions(2))
            .await
            .unwrap();
        made_on(partitions.pid(), line);
    });
}

#[test]
fn a_restarted_child_comes_from_where_it_was_described() {
    simulated(|kit| async move {
        let (child, line) = at(kit.child("a"));
        let supervisor = Supervisor::one_for_one()
            .child(child)
            .start_link()
            .await
            .unwrap();
        end(&addr_of(&supervisor, "a").await, ExitReason::msg("once")).await;
        made_on(pid_of(&supervisor, "a").await.unwrap(), line);
    });
}

#[test]
fn tasks_are_called_like_their_work_and_come_from_where_it_was_given() {
    simulated(|_| async {
        trap_exit(true);
        let tasks = TaskSupervisor::new().start_link().await.unwrap();
        let called = |pid: Pid| info(pid).unwrap().behaviour;
        let (task, line) = (tasks.async_(work()).await.unwrap(), line!());
        made_on(task.pid().unwrap(), line);
        assert!(called(task.pid().unwrap()).contains("places::work"));
        let (task, line) = (tasks.async_nolink(work()).await.unwrap(), line!());
        made_on(task.pid().unwrap(), line);
        assert!(called(task.pid().unwrap()).contains("places::work"));
        let (pid, line) = (tasks.start_child(work()).await.unwrap(), line!());
        made_on(pid, line);
        assert!(called(pid).contains("places::work"));

        // The work of a stream.
        async fn fails(n: u32) {
            panic!("{n}")
        }
        let (mut stream, line) = (tasks.async_stream_nolink([1], fails), line!());
        assert!(stream.next().await.unwrap().is_err());
        while recent_crashes().is_empty() {
            yield_now().await;
        }
        let crash = recent_crashes().remove(0);
        assert_eq!(crash.spawned_at.line(), line);
        let first = crash.to_string().lines().next().unwrap().to_owned();
        assert!(
            first.starts_with("Task of ") && first.contains("::fails ("),
            "{first}"
        );
        assert!(
            crash
                .to_string()
                .contains("(tasks) -> not restarted (temporary)")
        );
    });
}

#[test]
fn who_waits_for_a_supervisor_waits_on_his_own_line() {
    simulated(|_| async {
        let slow = || async {
            sleep(Duration::from_secs(1)).await;
            spawn(work())
        };
        let supervisor = DynamicSupervisor::new().start_link().await.unwrap();
        let (target, line) = (supervisor.clone(), line!() + 2);
        let asks = spawn(async move {
            let _ = target.start_child(ChildSpec::worker("slow", slow)).await;
        });
        sleep(Duration::from_millis(1)).await;
        let wait = info(asks).unwrap().waits.expect("it waits");
        assert_eq!((wait.at.file(), wait.at.line()), (file!(), line));
    });
}

#[test]
fn a_report_names_the_kind_of_its_supervisor() {
    simulated(|kit| async move {
        trap_exit(true);
        let supervisor = Supervisor::rest_for_one()
            .name("top")
            .child(kit.child("a").restart(Restart::Transient))
            .start_link()
            .await
            .unwrap();
        end(&addr_of(&supervisor, "a").await, ExitReason::msg("one")).await;
        running(&supervisor).await;
        let again = pid_of(&supervisor, "a").await.unwrap();
        let crash = recent_crashes().remove(0);
        assert_eq!(crash.outcome, Some("restarted"));
        assert_eq!(crash.supervisor.as_deref(), Some("rest_for_one"));
        let line =
            format!("parent         top (rest_for_one) -> restarted as {again}, 1 of 3 in 5s");
        assert!(crash.to_string().contains(&line), "{crash}");
    });
}
