//! How costs grow: one rung of each ladder.
//!
//! A rung gives the time of some operations; its sum is how many they were.

use rekindle::prelude::*;
use rekindle::{Sender, SupervisorHandle};
use rekindle_bench_protocol::measure::{Clocks, timed_passes};
use rekindle_bench_protocol::{Answer, Dice, Measured, Task as Order, passes, tally};

use super::memory::spawn_plain;
use super::support::{Letter, counted_to, driven, message};
use super::{fan, spawn as spawning};

/// The rung `order.n` of the ladder with this property.
pub async fn answer(property: &str, order: &Order) -> Answer {
    let (n, probes, at_least) = (order.n, order.k, order.at_least());
    macro_rules! timed {
        ($pass:expr) => {
            timed_passes(at_least, || $pass).await
        };
    }
    let measured = match property {
        "spawn_alive" => {
            spawn_plain(n).await;
            passes(at_least, || spawning::batches(probes / 100, 100)).await
        }
        "send_random" => send_random(n, probes, at_least).await,
        "dynamic_start" => timed!(dynamic_start(n, probes)),
        "ordinary_start" => timed!(ordinary_start(n, probes)),
        "dynamic_restart" => timed!(dynamic_restart(n, probes)),
        "tree_stop" => timed!(tree_stop(n)),
        "one_for_all_restart" => timed!(one_for_all_restart(n)),
        "registry" => registry(n, probes, at_least).await,
        "timers_start_cancel" => timers_start_cancel(n, probes, at_least).await,
        "mailbox_push_pop" => timed!(mailbox_push_pop(n)),
        "mailbox_kill" => timed!(mailbox_kill(n)),
        "selective_receive" => timed!(selective_receive(n)),
        "fan_in" => passes(at_least, || fan::fan_in(probes, n)).await,
        "link_chain" => timed!(link_chain(n)),
        "link_star" => timed!(link_star(n)),
        "monitors" => timed!(monitors(n)),
        "group_publish" => group_publish(n, at_least).await,
        other => return Answer::Failed(format!("no ladder {other}")),
    };
    Answer::ok([
        ("wall_ns", measured.wall.as_nanos() as u64),
        ("cpu_ns", measured.cpu.as_nanos() as u64),
        ("ops", measured.sum),
    ])
}

async fn send_random(n: u64, probes: u64, at_least: Duration) -> Measured {
    let receivers: Vec<Sender<u64>> = (0..n)
        .map(|_| {
            spawn(|mut inbox: Mailbox<u64>| async move {
                loop {
                    tally::add(inbox.recv().await);
                }
                #[allow(unreachable_code, reason = "says what the process could end with")]
                ()
            })
        })
        .collect();
    let mut dice = Dice::new(3);
    passes(at_least, || {
        let before = tally::total();
        for _ in 0..probes {
            receivers[dice.below(n) as usize].send(1);
        }
        async move {
            counted_to(before + probes).await;
            probes
        }
    })
    .await
}

/// A child that counts its starts.
#[derive(Debug)]
struct Counted;

impl GenServer for Counted {
    type Args = ();
    type Call = Never;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        tally::add(1);
        Ok(Init::Ready(Counted))
    }
}

/// More restarts than any rung needs.
const NO_LIMIT: (u32, Duration) = (10_000_000, Duration::from_secs(1));

async fn dynamic_start(n: u64, probes: u64) -> Measured {
    let jobs = DynamicSupervisor::new()
        .start_link()
        .await
        .expect("it starts");
    for _ in 0..n - probes {
        jobs.start_child(Counted::child(()))
            .await
            .expect("it starts");
    }
    let clocks = Clocks::now();
    for _ in 0..probes {
        jobs.start_child(Counted::child(()))
            .await
            .expect("it starts");
    }
    let measured = clocks.measured(probes);
    jobs.stop().await.expect("it stops");
    measured
}

async fn ordinary_start(n: u64, probes: u64) -> Measured {
    let tree = Supervisor::one_for_one()
        .start_link()
        .await
        .expect("it starts");
    start_children(&tree, 0..n - probes).await;
    let clocks = Clocks::now();
    start_children(&tree, n - probes..n).await;
    let measured = clocks.measured(probes);
    tree.stop().await.expect("it stops");
    measured
}

async fn start_children(tree: &SupervisorHandle, ids: std::ops::Range<u64>) {
    for id in ids {
        let child = Counted::child(()).id(id.to_string());
        tree.start_child(child).await.expect("it starts");
    }
}

async fn dynamic_restart(n: u64, probes: u64) -> Measured {
    let (restarts, period) = NO_LIMIT;
    let jobs = DynamicSupervisor::new().intensity(restarts, period);
    let jobs = jobs.start_link().await.expect("it starts");
    let mut children = Vec::with_capacity(n as usize);
    for _ in 0..n {
        children.push(
            jobs.start_child(Counted::child(()))
                .await
                .expect("it starts"),
        );
    }
    let before = tally::total();
    let clocks = Clocks::now();
    for (started, child) in (1..=probes).zip(children.iter().rev()) {
        exit(child.pid(), ExitReason::Kill);
        counted_to(before + started).await;
    }
    let measured = clocks.measured(probes);
    jobs.stop().await.expect("it stops");
    measured
}

async fn tree_stop(n: u64) -> Measured {
    let jobs = DynamicSupervisor::new()
        .start_link()
        .await
        .expect("it starts");
    for _ in 0..n {
        jobs.start_child(Counted::child(()))
            .await
            .expect("it starts");
    }
    let clocks = Clocks::now();
    jobs.stop().await.expect("it stops");
    clocks.measured(n)
}

async fn one_for_all_restart(n: u64) -> Measured {
    let (restarts, period) = NO_LIMIT;
    let tree = Supervisor::one_for_all().intensity(restarts, period);
    let tree = tree.start_link().await.expect("it starts");
    start_children(&tree, 0..n - 1).await;
    let last = tree
        .start_child(Counted::child(()).id("last"))
        .await
        .expect("it starts");
    let before = tally::total();
    let clocks = Clocks::now();
    exit(last.pid(), ExitReason::Kill);
    counted_to(before + n).await;
    let measured = clocks.measured(n);
    tree.stop().await.expect("it stops");
    measured
}

async fn registry(n: u64, probes: u64, at_least: Duration) -> Measured {
    let idle = || spawn(std::future::pending::<()>());
    for name in 0..n {
        register(name.to_string(), idle()).expect("the name is free");
    }
    let guest = idle();
    let names: Vec<String> = (0..probes).map(|name| format!("guest {name}")).collect();
    passes(at_least, || async {
        let mut found = 0;
        for name in &names {
            register(name.as_str(), guest).expect("the name is free");
            found += u64::from(whereis(name) == Some(guest));
            rekindle::unregister(name).expect("the name is taken");
        }
        found
    })
    .await
}

async fn timers_start_cancel(n: u64, probes: u64, at_least: Duration) -> Measured {
    let target = spawn(|inbox: Mailbox<()>| async move {
        let _inbox = inbox;
        std::future::pending::<()>().await;
    });
    let target = target.recipient::<()>();
    let mut dice = Dice::new(5);
    let mut far = move || Duration::from_millis(100_000 + dice.below(1_000_000));
    for _ in 0..n {
        send_after(far(), &target, ());
    }
    passes(at_least, || {
        let mut cancelled = 0;
        for _ in 0..probes {
            cancelled += u64::from(send_after(far(), &target, ()).cancel().is_some());
        }
        async move { cancelled }
    })
    .await
}

async fn mailbox_push_pop(n: u64) -> Measured {
    driven(
        move |mut inbox: Mailbox<Letter<u64, Measured>>| async move {
            let me = inbox.recipient();
            let clocks = Clocks::now();
            (0..n).for_each(|_| me.send(Letter::Message(1)));
            let mut sum = 0;
            for _ in 0..n {
                sum += message(&mut inbox).await;
            }
            clocks.measured(sum)
        },
    )
    .await
}

async fn mailbox_kill(n: u64) -> Measured {
    driven(move |mut inbox: Mailbox<Letter<(), Measured>>| async move {
        let (victim, _) = spawn_monitor(|inbox: Mailbox<u64>| async move {
            let _inbox = inbox;
            std::future::pending::<()>().await;
        });
        (0..n).for_each(|_| victim.send(1));
        let clocks = Clocks::now();
        victim.exit(ExitReason::Kill);
        let down = u64::from(matches!(inbox.next().await, Info::Down(_)));
        clocks.measured(down)
    })
    .await
}

async fn selective_receive(n: u64) -> Measured {
    driven(
        move |mut inbox: Mailbox<Letter<u64, Measured>>| async move {
            let me = inbox.recipient();
            (0..n).for_each(|_| me.send(Letter::Message(0)));
            let clocks = Clocks::now();
            for _ in 0..2 {
                me.send(Letter::Message(1));
                inbox
                    .recv_match(|letter| matches!(letter, Letter::Message(1)))
                    .await;
            }
            clocks.measured(n)
        },
    )
    .await
}

/// Counts its own end.
struct Counting;

impl Drop for Counting {
    fn drop(&mut self) {
        tally::add(1);
    }
}

async fn link_chain(n: u64) -> Measured {
    let (before, first) = (tally::total(), spawn_chained(n));
    counted_to(before + n).await;
    let clocks = Clocks::now();
    exit(first, ExitReason::Kill);
    counted_to(before + 2 * n).await;
    clocks.measured(n)
}

/// A process that links itself with the next one, and so on; it counts its start and its end.
fn spawn_chained(left: u64) -> Pid {
    spawn(async move {
        let _counting = Counting;
        if left > 1 {
            link(spawn_chained(left - 1));
        }
        tally::add(1);
        std::future::pending::<()>().await;
    })
}

async fn link_star(n: u64) -> Measured {
    let before = tally::total();
    let hub = spawn(async move {
        for _ in 0..n {
            spawn_link(async {
                let _counting = Counting;
                tally::add(1);
                std::future::pending::<()>().await;
            });
        }
        std::future::pending::<()>().await;
    });
    counted_to(before + n).await;
    let clocks = Clocks::now();
    exit(hub, ExitReason::Kill);
    counted_to(before + 2 * n).await;
    clocks.measured(n)
}

async fn monitors(n: u64) -> Measured {
    let before = tally::total();
    let target = spawn(std::future::pending::<()>());
    for _ in 0..n {
        spawn(move |mut inbox: Mailbox<()>| async move {
            monitor(target);
            tally::add(1);
            if let Info::Down(_) = inbox.next().await {
                tally::add(1);
            }
        });
    }
    counted_to(before + n).await;
    let clocks = Clocks::now();
    exit(target, ExitReason::Kill);
    counted_to(before + 2 * n).await;
    clocks.measured(n)
}

async fn group_publish(n: u64, at_least: Duration) -> Measured {
    let groups = Groups::<&'static str, u64>::start("publish")
        .await
        .expect("the name is free");
    let members = (0..n).map(|_| {
        spawn(|mut inbox: Mailbox<u64>| async move {
            loop {
                tally::add(inbox.recv().await);
            }
            #[allow(unreachable_code, reason = "says what the process could end with")]
            ()
        })
        .recipient()
    });
    groups
        .join_all("all", members)
        .await
        .expect("all of them live");
    passes(at_least, || {
        let before = tally::total();
        let sent = groups.broadcast(&"all", 1) as u64;
        async move {
            counted_to(before + sent).await;
            sent
        }
    })
    .await
}
