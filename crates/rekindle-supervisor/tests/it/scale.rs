//! Large numbers, in steps and messages rather than in seconds.

use rekindle_actor::{ExitReason, Runtime, exit, now, trap_exit};
use rekindle_supervisor::{
    ChildSpec, DynamicSupervisor, Restart, Shutdown, Supervisor, TaskSupervisor,
};

use crate::kit::watch;
use crate::record::passed_on;

/// How many steps it takes to start and stop this many children.
fn steps(children: usize, kill: bool) -> u64 {
    let runtime = Runtime::simulated(1);
    runtime.block_on(async move {
        let supervisor = DynamicSupervisor::new().start_link().await.unwrap();
        let shutdown = if kill {
            Shutdown::Kill
        } else {
            Shutdown::Within(std::time::Duration::from_secs(5))
        };
        let spec = ChildSpec::task(std::future::pending::<()>).shutdown(shutdown);
        for _ in 0..children {
            supervisor.start_child(spec.clone()).await.unwrap();
        }
        assert_eq!(supervisor.count_children().await.unwrap().active, children);
        supervisor.stop().await.unwrap();
    });
    runtime.simulation().unwrap().steps()
}

#[test]
fn sup_062_a_hundred_thousand_dynamic_children_start_and_stop_in_linear_time() {
    for (kill, many) in [(false, 100), (true, 10)] {
        let (small, large) = (steps(1_000, kill), steps(1_000 * many, kill));
        assert!(
            large <= small * (many as u64 + 1),
            "{small} steps for 1,000, {large} for all"
        );
    }
    passed_on("simulator");
}

#[test]
fn sup_062_a_hundred_thousand_tasks_end_by_themselves() {
    Runtime::simulated(1).block_on(async {
        let tasks = TaskSupervisor::new().start_link().await.unwrap();
        for _ in 0..100_000 {
            tasks.start_child(async {}).await.unwrap();
        }
        while tasks.count_children().await.unwrap().active > 0 {}
        assert_eq!(tasks.count_children().await.unwrap().specs, 0);
    });
    passed_on("simulator");
}

#[test]
fn sup_062_ten_thousand_ordinary_children_start_restart_and_stop() {
    Runtime::simulated(1).block_on(async {
        let spec = ChildSpec::task(std::future::pending::<()>).restart(Restart::Permanent);
        let specs = (0..10_000).map(|n| spec.clone().id(format!("{n}")));
        let supervisor = Supervisor::one_for_all()
            .children(specs)
            .start_link()
            .await
            .unwrap();
        let pids = |children: Vec<rekindle_supervisor::ChildEntry>| {
            children
                .into_iter()
                .filter_map(|child| child.state.pid())
                .collect::<Vec<_>>()
        };
        let before = pids(supervisor.which_children().await.unwrap());
        // All die at once: that is one restart of the group, or two at the most.
        let watcher = watch(before[0]).await;
        for pid in &before {
            exit(*pid, ExitReason::Kill);
        }
        watcher.end().await;
        let after = pids(supervisor.which_children().await.unwrap());
        assert_eq!(after.len(), 10_000);
        supervisor.stop().await.unwrap();
    });
    passed_on("simulator");
}

#[test]
fn sup_039_all_are_told_before_any_is_awaited() {
    Runtime::simulated(1).block_on(async {
        let supervisor = DynamicSupervisor::new().start_link().await.unwrap();
        let limit = std::time::Duration::from_secs(5);
        let stubborn = ChildSpec::task(|| async {
            trap_exit(true);
            std::future::pending::<()>().await;
        });
        for _ in 0..1_000 {
            supervisor
                .start_child(stubborn.clone().shutdown(Shutdown::Within(limit)))
                .await
                .unwrap();
        }
        let begun = now();
        supervisor.stop().await.unwrap();
        assert!(now().saturating_since(begun) <= limit);
    });
    passed_on("simulator");
}
