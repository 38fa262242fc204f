//! The supervised tree: servers in groups of every strategy, under a dynamic supervisor, and in
//! partitions, all of them reachable by name.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rekindle::prelude::*;
use rekindle::{
    CallError, DynamicSupervisorRef, PartitionSupervisor, Strategy, SupervisorError,
    SupervisorHandle,
};

use crate::invariants::Invariant;
use crate::ledger::Ticket;
use crate::world::World;

/// Servers of one group.
const GROUP: u64 = 25;
/// Restarts are not what is limited here, except in the area that looks at budgets.
const NO_LIMIT: u32 = 100_000_000;
const PERIOD: Duration = Duration::from_secs(1);

/// A server of the tree.
#[derive(Debug)]
pub(crate) struct Post {
    world: Arc<World>,
    /// The last letter of each sender.
    last: HashMap<u64, u64>,
}

/// Which server of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    world: Arc<World>,
}

/// What a server of the tree is told.
#[derive(Debug)]
pub(crate) enum Letter {
    Ticket(Ticket),
    Panic,
    Fail,
    Stop,
    /// Blocks its thread.
    Block(Duration),
    /// Waits in the handler.
    Wait(Duration),
}

/// A letter that is answered with its own number.
#[derive(Debug)]
pub(crate) struct Receipt(pub(crate) Ticket, pub(crate) ReplyTo<(u64, u64)>);

impl GenServer for Post {
    type Args = Place;
    type Call = Receipt;
    type Cast = Letter;
    type Info = Never;
    type Continue = Never;

    async fn init(place: Place, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        let world = place.world;
        let start = world.started.fetch_add(1, Ordering::Relaxed);
        if world.shaky.load(Ordering::Relaxed) {
            assert!(!start.is_multiple_of(301), "at its start");
            if start.is_multiple_of(211) {
                return Ok(Init::Fail(ExitReason::msg("at its start")));
            }
        }
        world.posts.fetch_add(1, Ordering::Relaxed);
        Ok(Init::Ready(Post {
            world,
            last: HashMap::new(),
        }))
    }

    async fn handle_call(&mut self, receipt: Receipt, _: &mut Context<Self>) -> Step<Self> {
        let Receipt(ticket, reply) = receipt;
        reply.reply((ticket.from, ticket.sequence));
        self.take(ticket);
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, letter: Letter, _: &mut Context<Self>) -> Step<Self> {
        match letter {
            Letter::Ticket(ticket) => self.take(ticket),
            Letter::Panic => panic!("as it was told"),
            Letter::Fail => return Err(ExitReason::msg("as it was told")),
            Letter::Stop => return Ok(Next::Stop(ExitReason::Normal)),
            Letter::Block(time) => std::thread::sleep(time),
            Letter::Wait(time) => sleep(time).await,
        }
        Ok(Next::Wait)
    }
}

impl Post {
    fn take(&mut self, ticket: Ticket) {
        let (from, sequence) = (ticket.from, ticket.sequence);
        if let Some(last) = self.last.insert(from, sequence) {
            self.world.check(Invariant::Order, sequence > last, || {
                format!("letter {sequence} of sender {from} came after {last}")
            });
            self.world.check(Invariant::Gap, sequence <= last + 1, || {
                format!("letter {sequence} of sender {from} came next after {last}")
            });
        }
        // Senders come and go, four at a time; what is known of those before them would only look
        // like a leak.
        if self.last.len() > 32 {
            self.last.clear();
        }
        ticket.handled();
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.world.posts.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The tree, and how to find what is in it.
#[derive(Debug)]
pub(crate) struct Forest {
    root: SupervisorHandle,
    pub(crate) names: Arc<[Name<Post>]>,
    /// Supervisors that may be killed.
    pub(crate) supervisors: Arc<[String]>,
}

impl Forest {
    /// Starts the tree, and waits until it stands.
    pub(crate) async fn plant(world: &Arc<World>) -> Result<Forest, SupervisorError> {
        let posts = world.options.processes;
        let (grouped, dynamic) = (posts * 3 / 4, posts / 5);
        let partitioned = posts - grouped - dynamic;
        let place = Place {
            world: world.clone(),
        };
        let post = |n: u64| Post::child(place.clone()).name(name_of(n));
        let mut supervisors = Vec::new();

        let strategies = [
            Strategy::OneForOne,
            Strategy::RestForOne,
            Strategy::OneForAll,
        ];
        let mut wings = strategies.map(|_| Supervisor::one_for_one().intensity(NO_LIMIT, PERIOD));
        for (group, first) in (0..grouped).step_by(GROUP as usize).enumerate() {
            let name = format!("group {group}");
            let wing = group % strategies.len();
            let members = (first..grouped.min(first + GROUP)).map(|n| post(n).id(name_of(n)));
            let group = Supervisor::new(strategies[wing])
                .intensity(NO_LIMIT, PERIOD)
                .name(name.as_str())
                .id(name.as_str())
                .children(members);
            wings[wing] = wings[wing].clone().child(group);
            supervisors.push(name);
        }
        let wings = wings
            .into_iter()
            .zip(["one_for_one", "rest_for_one", "one_for_all"])
            .map(|(wing, name)| wing.id(name));

        let jobs = DynamicSupervisor::child()
            .name("jobs")
            .intensity(NO_LIMIT, PERIOD);
        let first = grouped + dynamic;
        let parted = place.clone();
        let partitions = PartitionSupervisor::with("parts", move |n| {
            Post::child(parted.clone()).name(name_of(first + n as u64))
        });
        let partitions = partitions
            .partitions(partitioned as usize)
            .intensity(NO_LIMIT, PERIOD);

        let root = Supervisor::one_for_one()
            .intensity(NO_LIMIT, PERIOD)
            .children(wings)
            .child(jobs)
            .child(partitions)
            .start()
            .await?;
        let jobs = DynamicSupervisorRef::named("jobs");
        for n in grouped..first {
            let started = jobs.start_child(post(n)).await;
            world.check(Invariant::Spawned, started.is_ok(), || {
                format!("a dynamic child does not start: {started:?}")
            });
        }
        world.shaky.store(true, Ordering::Relaxed);
        Ok(Forest {
            root,
            names: (0..posts).map(|n| Name::new(name_of(n))).collect(),
            supervisors: supervisors.into(),
        })
    }

    /// Stops the tree in order. When that is done nothing of it may live.
    pub(crate) async fn fell(self, world: &World) {
        world.shaky.store(false, Ordering::Relaxed);
        let stopped = self.root.stop().await;
        let left = world.posts.load(Ordering::SeqCst);
        world.check(Invariant::Orphan, stopped.is_ok() && left == 0, || {
            format!("the tree has stopped ({stopped:?}), and {left} of its servers live")
        });
    }
}

fn name_of(n: u64) -> String {
    format!("post {n}")
}

/// Whether a call to a server that may crash, be killed or be gone may end so.
pub(crate) fn is_possible(error: &CallError) -> bool {
    matches!(
        error,
        CallError::NoProc | CallError::Exited(_) | CallError::Timeout(_)
    )
}
