//! The simulator: the same seed is the same run.

use std::collections::BTreeSet;
use std::time::Duration;

use rekindle_actor::{
    ExitReason, GenServer as _, Mailbox, Runtime, exit, info, link, monitor, now, send_after,
    sleep, spawn, spawn_monitor, yield_now,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Processes that send, sleep, link and die; each notes what it does.
async fn scenario(log: Log) {
    let puppets: Vec<Puppet> = (0..6).map(|_| Puppet::new()).collect();
    for puppet in &puppets {
        puppet.run(|| rekindle_actor::trap_exit(true)).await;
    }
    for (n, puppet) in puppets.iter().enumerate() {
        let other = puppets[(n + 1) % 6].pid();
        let noted = log.clone();
        puppet.tell(move || {
            link(other);
            noted.add(format!("{n} links {other}"));
        });
    }
    for n in 0..20_u64 {
        let noted = log.clone();
        spawn(async move {
            for k in 0..5 {
                noted.add(format!("{n}.{k} at {:?}", now()));
                if (n + k) % 3 == 0 {
                    sleep(ms(n % 4)).await;
                } else {
                    yield_now().await;
                }
            }
        });
    }
    sleep(ms(1)).await;
    exit(puppets[3].pid(), ExitReason::Kill);
    sleep(ms(10)).await;
    for puppet in &puppets {
        log.add(format!("{:?}", puppet.noted()));
    }
}

/// Events, steps and trace of one run.
fn run(seed: u64) -> (Vec<String>, u64, u64) {
    quiet();
    let (runtime, log) = (Runtime::simulated(seed), Log::new());
    runtime.block_on(scenario(log.clone()));
    let simulation = runtime.simulation().unwrap();
    (log.all(), simulation.steps(), simulation.trace_hash())
}

/// Pids name their runtime's number nowhere in their text, so runs can be compared as text.
#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..SEEDS {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

#[test]
fn different_seeds_are_different_orders() {
    let runs: Vec<_> = (0..SEEDS).map(run).collect();
    let orders: BTreeSet<_> = runs.iter().map(|(events, _, _)| events).collect();
    assert!(orders.len() >= 6, "{} orders", orders.len());
    let hashes: BTreeSet<_> = runs.iter().map(|(_, _, hash)| hash).collect();
    assert!(hashes.len() >= 6);
    // The same events, in whatever order, but for what was seen of the kill.
    assert!(
        runs.iter()
            .all(|(events, _, _)| events.len() == runs[0].0.len())
    );
}

#[test]
fn a_run_can_be_driven_step_by_step() {
    quiet();
    let (runtime, log) = (Runtime::simulated(5), Log::new());
    let noted = log.clone();
    {
        let _entered = runtime.handle().enter();
        spawn(async move {
            noted.add("begun");
            sleep(ms(10)).await;
            noted.add("slept");
        });
    }
    let simulation = runtime.simulation().unwrap();
    assert!(log.all().is_empty(), "nothing runs by itself");
    assert!(simulation.step());
    assert_eq!(log.all(), ["begun"]);
    simulation.advance(ms(5));
    assert_eq!(log.all(), ["begun"]);
    simulation.advance(ms(6));
    simulation.run_until_idle();
    assert_eq!(log.all(), ["begun", "slept"]);
    assert!(!simulation.step());
}

#[test]
fn a_simulation_that_can_never_go_on_says_so() {
    quiet();
    let stuck = std::panic::catch_unwind(|| {
        Runtime::simulated(0).block_on(async {
            rekindle_actor::set_label("the one that waits");
            std::future::pending::<()>().await;
        });
    });
    let payload = stuck.unwrap_err();
    let text = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        })
        .unwrap();
    assert!(text.contains("the one that waits"), "{text}");
}

#[test]
fn virtual_years_pass_at_once() {
    on_sim(|| {
        with_inbox(|mut inbox: Mailbox<u8>| async move {
            let year = Duration::from_secs(365 * 86_400);
            let start = now();
            for n in 1..=100 {
                send_after(year, &inbox.recipient(), 1);
                inbox.recv().await;
                assert!(now().saturating_since(start) >= year * n);
            }
        })
    });
}

#[test]
fn a_server_under_load_runs_the_same_twice() {
    fn once(seed: u64) -> (u64, Vec<i64>) {
        quiet();
        let runtime = Runtime::simulated(seed);
        let answers = runtime.block_on(async {
            let server = Probe::start(Probe::plain(&Log::new(), 0)).await.unwrap();
            let mut answers = Vec::new();
            for n in 0..10 {
                let server = server.clone();
                spawn(async move {
                    for _ in 0..5 {
                        server.call(|from| Ask::Add(n, from)).await.unwrap();
                    }
                });
            }
            for _ in 0..20 {
                answers.push(server.call(Ask::Get).await.unwrap());
            }
            answers
        });
        (runtime.simulation().unwrap().trace_hash(), answers)
    }
    let mut different = BTreeSet::new();
    for seed in 0..SEEDS {
        let first = once(seed);
        assert_eq!(first, once(seed));
        different.insert(first.1);
    }
    assert!(different.len() > 1, "the seed decides the order");
}

#[test]
fn crashes_do_not_make_a_run_less_deterministic() {
    fn once(seed: u64) -> (u64, Vec<String>) {
        quiet();
        let (runtime, log) = (Runtime::simulated(seed), Log::new());
        let noted = log.clone();
        runtime.block_on(with_inbox(move |mut inbox: Mailbox<()>| async move {
            for n in 0..30 {
                spawn_monitor(async move {
                    sleep(ms(n % 5)).await;
                    panic!("{n}") as ()
                });
            }
            for _ in 0..30 {
                noted.add(expect_down(&mut inbox).await.reason.to_string());
            }
            let target = idle();
            monitor(target);
            assert!(info(target).is_some());
        }));
        (runtime.simulation().unwrap().trace_hash(), log.all())
    }
    for seed in 0..SEEDS {
        assert_eq!(once(seed), once(seed));
    }
}
