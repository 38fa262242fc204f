//! The partition supervisor.

use rekindle_actor::{Addr, Builder, Handle, Pid, Runtime, StartError, is_alive, whereis};
use rekindle_supervisor::{
    ByHash, ChildBuilder, ChildSpec, DynamicSupervisor, PartitionSupervisor, PartitionsHandle,
    ResizeError, RouteError, SpecError, Supervisor, SupervisorError,
};

use crate::kit::{Kit, Probe, Probed, everywhere, kill, simulated};
use crate::record::passed_on;

fn of(kit: &Kit, count: usize) -> PartitionSupervisor<Probed> {
    PartitionSupervisor::new("parts", kit.child("p")).partitions(count)
}

async fn started(kit: &Kit, count: usize) -> PartitionsHandle<ChildBuilder<Probe>> {
    of(kit, count).start_link().await.unwrap()
}

fn pids(parts: &PartitionsHandle<Probed>, count: u32) -> Vec<Pid> {
    (0..count)
        .map(|key| parts.get(&key).unwrap().pid())
        .collect()
}

#[test]
fn part_001_so_many_copies_of_a_child() {
    everywhere(|kit| async move {
        let parts = started(&kit, 4).await;
        let mut pids = pids(&parts, 4);
        assert!(pids.iter().all(|pid| is_alive(*pid)));
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), 4);
    });
}

#[test]
fn part_001_the_default_is_the_number_of_workers() {
    let test = |workers: usize| async move {
        assert_eq!(Handle::current().worker_count(), workers);
        let parts = PartitionSupervisor::new("parts", DynamicSupervisor::child());
        let parts = parts.start_link().await.unwrap();
        assert_eq!(parts.partitions(), Ok(workers));
        assert_eq!(parts.count_children().await.unwrap().active, workers);
    };
    Runtime::simulated(1).block_on(test(1));
    passed_on("simulator");
    Builder::new().workers(3).start().unwrap().block_on(test(3));
    passed_on("pool");
}

#[test]
fn part_002_a_number_of_zero_is_refused() {
    // A name and a child are required by type, and there is no automatic shutdown to ask for.
    everywhere(|kit| async move {
        let error = of(&kit, 0).start_link().await.unwrap_err();
        assert_eq!(error, SupervisorError::Invalid(SpecError::ZeroPartitions));
        assert_eq!(whereis("parts"), None);
    });
}

#[test]
fn part_002_a_taken_name_is_an_error() {
    everywhere(|kit| async move {
        let parts = started(&kit, 2).await;
        let error = of(&kit, 2).start_link().await.unwrap_err();
        let expected = SupervisorError::Start(StartError::AlreadyStarted(parts.pid()));
        assert_eq!(error, expected);
    });
}

#[test]
fn part_003_keys_route_to_partitions() {
    everywhere(|kit| async move {
        let parts = started(&kit, 3).await;
        let of = |key: i64| parts.get(&key).unwrap().pid();
        assert_eq!((of(0), of(1), of(2)), (of(3), of(-4), of(302)));
        assert_ne!(of(1), of(2));
        let named = |key: &str| parts.get(key).unwrap().pid();
        assert_eq!(
            named("a key"),
            parts.get(&String::from("a key")).unwrap().pid()
        );
        assert_eq!(named("a key"), parts.get("a key").unwrap().pid());
        let by_hash = |key| parts.get(&ByHash(key)).unwrap().pid();
        assert_eq!(by_hash(("user", 17)), by_hash(("user", 17)));
    });
}

#[test]
fn part_004_each_partition_has_its_own_arguments() {
    everywhere(|kit| async move {
        let names = ["zero", "one", "two"];
        let with = kit.clone();
        let parts = PartitionSupervisor::with("parts", move |n| with.child(names[n]));
        let parts = parts.partitions(3).start_link().await.unwrap();
        let log = kit.log();
        assert_eq!(log, "+zero +one +two");
        kill(parts.get(&1).unwrap().pid()).await;
        parts.count_children().await.unwrap();
        assert_eq!(kit.log(), "-one +one", "also when it is started again");
    });
}

#[test]
fn part_005_what_there_is() {
    everywhere(|kit| async move {
        let parts = started(&kit, 2).await;
        assert_eq!(parts.partitions(), Ok(2));
        let mut ids: Vec<_> = parts.which_children().await.unwrap();
        ids.reverse();
        let ids: Vec<_> = ids.iter().map(|child| child.id.to_string()).collect();
        assert_eq!(ids, ["0", "1"]);
        let count = parts.count_children().await.unwrap();
        assert_eq!((count.specs, count.active, count.workers), (2, 2, 2));

        let found = PartitionsHandle::<Probed>::whereis("parts").unwrap();
        assert_eq!(found.get(&1).unwrap().pid(), parts.get(&1).unwrap().pid());
        assert!(PartitionsHandle::<Probed>::whereis("nobody").is_none());
        let other = PartitionsHandle::<DynamicSupervisor>::whereis("parts");
        assert!(other.is_none(), "of another type");
        parts.stop().await.unwrap();
        assert_eq!(found.partitions(), Err(RouteError::NoProc));
        assert_eq!(found.get(&1).unwrap_err(), RouteError::NoProc);
        assert!(PartitionsHandle::<Probed>::whereis("parts").is_none());
    });
}

#[test]
fn part_006_a_partition_is_restarted_in_its_place() {
    everywhere(|kit| async move {
        let parts = started(&kit, 3).await;
        let before = pids(&parts, 3);
        kill(before[1]).await;
        parts.count_children().await.unwrap();
        let after = pids(&parts, 3);
        assert_ne!(after[1], before[1]);
        assert_eq!((after[0], after[2]), (before[0], before[2]));
        let addr: Addr<Probe> = parts.get(&1).unwrap();
        assert_eq!(addr.call(|from| from).await, Ok(after[1]));
    });
}

#[test]
fn part_007_resize_changes_how_many_run_and_how_keys_route() {
    everywhere(|kit| async move {
        let parts = started(&kit, 4).await;
        let before = pids(&parts, 4);
        parts.resize(2).await.unwrap();
        assert_eq!(parts.partitions(), Ok(2));
        assert_eq!(parts.count_children().await.unwrap().active, 2);
        assert_eq!(
            pids(&parts, 4),
            [before[0], before[1], before[0], before[1]]
        );
        parts.resize(3).await.unwrap();
        assert_eq!(parts.count_children().await.unwrap().active, 3);
        assert_ne!(parts.get(&2).unwrap().pid(), before[2]);
        let refused = parts.resize(5).await;
        assert_eq!(refused, Err(ResizeError::TooMany { asked: 5, most: 4 }));
        parts.resize(0).await.unwrap();
        assert_eq!(parts.get(&7).unwrap_err(), RouteError::NoPartitions);
        assert_eq!(parts.partitions(), Ok(0));
        parts.resize(4).await.unwrap();
        assert_eq!(parts.count_children().await.unwrap().active, 4);
    });
}

#[test]
fn part_007_two_resizes_at_once() {
    simulated(|kit| async move {
        let parts = started(&kit, 8).await;
        let others = parts.clone();
        let other = rekindle_actor::Task::spawn(async move { others.resize(1).await });
        let own = parts.resize(5).await;
        let other = other.await.unwrap();
        let in_progress = Err(ResizeError::InProgress);
        assert!(own == Ok(()) || other == Ok(()));
        for result in [own, other] {
            assert!(result == Ok(()) || result == in_progress);
        }
        let active = parts.count_children().await.unwrap().active;
        assert_eq!(parts.partitions(), Ok(active));
    });
}

#[test]
fn part_008_stop_is_synchronous() {
    everywhere(|kit| async move {
        let parts = started(&kit, 3).await;
        let pids = pids(&parts, 3);
        parts.stop().await.unwrap();
        assert!(!pids.into_iter().any(is_alive));
        assert_eq!(whereis("parts"), None);
        assert_eq!(kit.log(), "+p +p +p -p -p -p");
    });
}

#[test]
fn partitions_are_a_child_of_a_supervisor() {
    everywhere(|kit| async move {
        let spec: ChildSpec = of(&kit, 2).into();
        assert_eq!(&*spec.id, "parts");
        let above = Supervisor::one_for_one().start_link().await.unwrap();
        let parts = above.start_child(of(&kit, 2)).await.unwrap();
        parts.get(&0).unwrap();
        kill(parts.pid()).await;
        above.count_children().await.unwrap();
        let again = PartitionsHandle::<Probed>::whereis("parts").unwrap();
        assert_ne!(again.pid(), parts.pid());
        assert!(is_alive(again.get(&0).unwrap().pid()));
        assert_eq!(parts.get(&0).unwrap_err(), RouteError::NoProc);
    });
}
