//! Agents and registries as children (AGENT-008), and children that are known by keys.

use rekindle_actor::{Addr, Agent, ExitReason, NoRegistry, Registry, sleep};
use rekindle_supervisor::{
    AgentChild, ChildKind, ChildSpec, DynamicSupervisor, Restart, Shutdown, StartChildError,
    Supervisor,
};

use crate::kit::{Probe, everywhere, kill, seconds};

type Rooms = Registry<u32, Addr<Probe>>;

/// Waits until `holds`: for what a supervisor does at some time.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[test]
fn agent_008_a_child_agent_is_permanent() {
    everywhere(|_| async {
        let spec = ChildSpec::from(Agent::child(|| 0));
        assert_eq!((&*spec.id, spec.restart), ("Agent", Restart::Permanent));
        assert_eq!(
            (spec.kind, spec.shutdown),
            (ChildKind::Worker, Shutdown::Within(seconds(5)))
        );
        let supervisor = Supervisor::one_for_one()
            .child(Agent::child(|| 3).name("agent"))
            .start_link()
            .await
            .unwrap();
        let agent = Agent::<i32>::named("agent");
        agent.update(|n| *n += 1).await.unwrap();
        assert_eq!(agent.get(|n| *n).await, Ok(4));
        // However it ends, it is there again, with the state of its start.
        let first = agent.pid();
        agent.cast(|_| panic!("restart me"));
        until(|| agent.pid().is_some() && agent.pid() != first).await;
        assert_eq!(agent.get(|n| *n).await, Ok(3));
        let second = agent.pid();
        agent.stop().await.unwrap();
        until(|| agent.pid().is_some() && agent.pid() != second).await;
        assert_eq!(agent.get(|n| *n).await, Ok(3));

        let transient = Agent::child(|| 7_u8)
            .id("other")
            .restart(Restart::Transient);
        let other: Agent<u8> = supervisor.start_child(transient).await.unwrap();
        assert_eq!(other.get(|n| *n).await, Ok(7));
        other.stop().await.unwrap();
        until(|| !other.is_alive()).await;
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);
    });
}

#[test]
fn a_registry_is_a_child_and_its_holders_follow_it() {
    everywhere(|_| async {
        let registry = Registry::<u32, ()>::unique().name("rooms").partitions(2);
        let spec = ChildSpec::from(registry.clone());
        assert_eq!((&*spec.id, spec.kind), ("rooms", ChildKind::Supervisor));
        let rooms = Registry::<u32, ()>::named("rooms");
        let _supervisor = Supervisor::one_for_one()
            .child(registry)
            .child(Agent::child(|| 1).id("one").via(rooms.via(1)))
            .child(Agent::child(|| 2).id("two").via(rooms.via(2)))
            .intensity(10, seconds(5))
            .start_link()
            .await
            .unwrap();
        let (one, two) = (
            Agent::<i32>::via(rooms.via(1)),
            Agent::<i32>::via(rooms.via(2)),
        );
        assert_eq!(
            (one.get(|n| *n).await, two.get(|n| *n).await),
            (Ok(1), Ok(2))
        );
        // A holder that is restarted takes its key again.
        let first = one.pid().unwrap();
        kill(first).await;
        until(|| one.pid().is_some_and(|pid| pid != first)).await;
        assert_eq!(one.get(|n| *n).await, Ok(1));
        // When the registry dies, its holders do, and register with the next one.
        let before = (rooms.pid().unwrap(), one.pid(), two.pid());
        rekindle_actor::exit(before.0, ExitReason::Kill);
        until(|| rooms.count() == Ok(2) && one.pid() != before.1 && two.pid() != before.2).await;
        assert_ne!(rooms.pid(), Ok(before.0));
        assert_eq!(
            (one.get(|n| *n).await, two.get(|n| *n).await),
            (Ok(1), Ok(2))
        );
    });
}

#[test]
fn dynamic_children_start_under_keys() {
    everywhere(|kit| async move {
        let supervisor = Supervisor::one_for_one().start_link().await.unwrap();
        let rooms: Rooms = supervisor.start_child(Rooms::unique()).await.unwrap();
        let dynamic = DynamicSupervisor::new().start_link().await.unwrap();
        let seventh = kit.child("seven").via(rooms.via(7));
        let started = dynamic.start_child(seventh.clone()).await.unwrap();
        assert_eq!(rooms.get(&7), Ok(Some(started.clone())));
        let again = dynamic.start_child(seventh).await.unwrap_err();
        assert_eq!(again, StartChildError::AlreadyStarted(started.pid()));
        dynamic.terminate_child(started.pid()).await.unwrap();
        assert_eq!(rooms.count(), Ok(0));
        rooms.stop().await.unwrap();
        assert_eq!(rooms.count(), Err(NoRegistry::Ended));
    });
}
