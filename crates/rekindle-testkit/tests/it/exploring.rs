//! Seeds and strategies: what they find, and that a find can be had again.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rekindle::prelude::*;
use rekindle::testkit::{Found, Strategy, Test, TestRun};
use rekindle::yield_now;

/// A counter that is read and written with an await between: an update may be lost.
async fn lost_update(mut t: Test) {
    let counter = Arc::new(AtomicU32::new(0));
    for _ in 0..2 {
        let counter = Arc::clone(&counter);
        spawn(async move {
            rekindle::set_label("updater");
            let n = counter.load(Ordering::Relaxed);
            yield_now().await;
            counter.store(n + 1, Ordering::Relaxed);
        });
    }
    t.settle().await;
    assert_eq!(counter.load(Ordering::Relaxed), 2, "an update is lost");
}

fn found(test: &TestRun) -> Found {
    test.explore(lost_update).found.expect("it is found")
}

#[test]
fn a_failure_names_its_seed_its_strategy_and_its_trace() {
    let test = TestRun::new("exploring::lost").seeds(50);
    let explored = test.explore(lost_update);
    let text = explored.to_string();
    let found = explored.found.unwrap();
    assert!(found.replays);
    for part in [
        "an update is lost",
        "exploring.rs",
        &format!("seed      {}", found.seed),
        "cargo test exploring::lost -- --exact",
        "of them distinct",
        "the last ",
        "\"updater\"",
        "spawns #",
        "ends: normal",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(found.among > 1 && found.trace.len() > 5);
}

#[test]
fn a_replay_is_exact() {
    let test = TestRun::new("it").seeds(50);
    let first = found(&test);
    let same = found(&test);
    assert_eq!((same.seed, same.hash), (first.seed, first.hash));
    assert_eq!(same.trace, first.trace);
    // By the seed and the strategy alone, as the printed command does it.
    let replay = TestRun::new("it")
        .seeds(1)
        .seed(first.seed)
        .strategy(first.strategy);
    let again = found(&replay);
    assert_eq!((again.hash, again.steps), (first.hash, first.steps));
    assert_eq!(again.trace, first.trace);
    assert_eq!(again.failure, first.failure);
}

#[test]
fn the_shortest_failing_run_is_shown() {
    /// Fails after a number of steps that depends on the order.
    async fn race(mut t: Test) {
        let over = Arc::new(AtomicBool::new(false));
        let (first, second) = (Arc::clone(&over), Arc::clone(&over));
        spawn(async move {
            for _ in 0..20 {
                yield_now().await;
            }
            first.store(true, Ordering::Relaxed);
        });
        spawn(async move {
            while !second.load(Ordering::Relaxed) {
                yield_now().await;
            }
        });
        t.settle().await;
        panic!("always");
    }
    let test = TestRun::new("it").seeds(50);
    let found = test.explore(race).found.unwrap();
    let first = TestRun::new("it").seeds(1).explore(race).found.unwrap();
    assert!(found.steps < first.steps, "{} {}", found.steps, first.steps);
    assert!(found.among > 10);
}

#[test]
fn distinct_schedules_are_counted() {
    let calm = TestRun::new("it").seeds(40).explore(|_t: Test| async {});
    let racy = TestRun::new("it")
        .seeds(40)
        .explore(|mut t: Test| async move {
            for _ in 0..10 {
                spawn(yield_now());
            }
            t.settle().await;
        });
    assert_eq!((calm.runs, racy.runs), (40, 40));
    assert!(calm.distinct < 5, "{calm}");
    assert_eq!(racy.distinct, 40, "{racy}");
}

/// Depth 2: one process must stop at one certain step while another runs from its begin to its
/// end. A coin for each step hardly ever does that.
async fn rare_order(mut t: Test) {
    let open = Arc::new(AtomicBool::new(false));
    let (writer, reader) = (Arc::clone(&open), open);
    spawn(async move {
        for step in 0..20 {
            writer.store(step == 5, Ordering::Relaxed);
            yield_now().await;
        }
    });
    spawn(async move {
        for _ in 0..60 {
            yield_now().await;
        }
        assert!(!reader.load(Ordering::Relaxed));
        // A crash of this process is no crash of the test: its end is the sign.
        rekindle::register("saw nothing", self_pid()).unwrap();
        std::future::pending::<()>().await;
    });
    t.settle().await;
    assert!(
        rekindle::whereis("saw nothing").is_some(),
        "the window was seen open"
    );
}

/// Depth 3: as above, and a third process must run in the window as well, after the second.
async fn rarer_order(mut t: Test) {
    let at = Arc::new(AtomicU32::new(0));
    let (first, second, third) = (Arc::clone(&at), Arc::clone(&at), at);
    let bad = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&bad);
    spawn(async move {
        for step in 0..12 {
            if step == 5 {
                let _ = first.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
            } else {
                first.store(0, Ordering::Relaxed);
            }
            yield_now().await;
        }
    });
    spawn(async move {
        for step in 0..24 {
            if step == 20 {
                let _ = second.compare_exchange(1, 2, Ordering::Relaxed, Ordering::Relaxed);
            } else {
                let _ = second.compare_exchange(2, 0, Ordering::Relaxed, Ordering::Relaxed);
            }
            yield_now().await;
        }
    });
    spawn(async move {
        for _ in 0..40 {
            yield_now().await;
        }
        if third.load(Ordering::Relaxed) == 2 {
            seen.store(true, Ordering::Relaxed);
        }
    });
    t.settle().await;
    assert!(!bad.load(Ordering::Relaxed), "the third saw it");
}

#[test]
fn priorities_find_a_rare_order_of_depth_2_in_far_fewer_runs() {
    let by = |strategy, seeds| {
        let test = TestRun::new("it").seeds(seeds).strategy(strategy);
        test.explore(rare_order).found.map(|found| found.first_at)
    };
    let random = by(Strategy::Random, 2_000);
    let pct = by(Strategy::pct(2), 2_000);
    println!("depth 2: random {random:?}, pct {pct:?}");
    assert_eq!(random, None);
    assert!(pct.is_some_and(|runs| runs < 500), "{pct:?}");
}

#[test]
fn priorities_find_a_rare_order_of_depth_3() {
    let by = |strategy, seeds| {
        let test = TestRun::new("it").seeds(seeds).strategy(strategy);
        test.explore(rarer_order).found.map(|found| found.first_at)
    };
    let random = by(Strategy::Random, 2_500);
    let pct = by(Strategy::pct(3), 2_500);
    println!("depth 3: random {random:?}, pct {pct:?}");
    assert_eq!(random, None);
    assert!(pct.is_some(), "{pct:?}");
}

#[test]
fn a_run_without_an_end_is_cut_off() {
    let test = TestRun::new("it").seeds(1).max_steps(10_000);
    let explored = test.explore(|_t: Test| async {
        loop {
            yield_now().await;
        }
    });
    let text = explored.found.unwrap().failure.text;
    assert!(text.contains("has taken 10000 steps"), "{text}");
}

#[test]
fn a_standstill_lists_who_waits() {
    let explored = TestRun::new("it").seeds(1).explore(|_t: Test| async {
        rekindle::set_label("patient");
        std::future::pending::<()>().await;
    });
    let text = explored.found.unwrap().failure.text;
    assert!(text.contains("stands still"), "{text}");
    assert!(text.contains("patient"), "{text}");
}

#[test]
fn a_test_that_does_not_follow_from_its_seed_is_told() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let explored = TestRun::new("it")
        .seeds(5)
        .explore(|mut t: Test| async move {
            for _ in 0..RUNS.fetch_add(1, Ordering::Relaxed) {
                spawn(yield_now());
            }
            t.settle().await;
            panic!("always");
        });
    assert!(explored.to_string().contains("WARNING"), "{explored}");
    assert!(!explored.found.unwrap().replays);
}

/// Fails when it is told to: the test below runs it in a process of its own.
#[rekindle::test(simulated, seeds = 100)]
async fn lost(t: &mut Test) {
    if std::env::var_os("REKINDLE_IT_FAIL").is_none() {
        return;
    }
    let counter = Arc::new(AtomicU32::new(0));
    for _ in 0..2 {
        let counter = Arc::clone(&counter);
        spawn(async move {
            let n = counter.load(Ordering::Relaxed);
            yield_now().await;
            counter.store(n + 1, Ordering::Relaxed);
        });
    }
    spawn(async { panic!("an expected crash") as () });
    t.settle().await;
    assert_eq!(counter.load(Ordering::Relaxed), 2, "an update is lost");
}

/// Runs `lost` as `cargo test` would, and gives what it prints.
fn fails(environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["exploring::lost", "--exact", "--nocapture"])
        .env("REKINDLE_IT_FAIL", "1")
        .env_remove("REKINDLE_SEED")
        .env_remove("REKINDLE_STRATEGY")
        .envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// What stands after a word in a line of its own.
fn after<'a>(text: &'a str, word: &str) -> &'a str {
    let lines = text.lines().map(str::trim);
    let line = lines.filter_map(|line| line.strip_prefix(word)).next();
    line.unwrap_or_else(|| panic!("no line begins with {word} in\n{text}"))
        .trim()
}

#[test]
fn the_printed_command_replays_the_same_trace() {
    let text = fails(&[]);
    let command = after(&text, "replay");
    assert!(command.starts_with("REKINDLE_SEED="), "{command}");
    assert!(
        command.ends_with("cargo test -p rekindle-testkit exploring::lost -- --exact"),
        "{command}"
    );
    // The crash that has nothing to do with it is shown once, however many runs there were.
    assert!(text.matches("an expected crash").count() <= 3, "{text}");

    let seed = command["REKINDLE_SEED=".len()..].split(' ').next().unwrap();
    let strategy = command.split('\'').nth(1).unwrap_or("random");
    let environment = [("REKINDLE_SEED", seed), ("REKINDLE_STRATEGY", strategy)];
    let again = fails(&environment);
    let trace = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| !line.contains("the last "));
        let lines = lines.skip(1).take_while(|line| line.starts_with("    "));
        lines.map(str::to_owned).collect()
    };
    assert!(trace(&text).len() > 5, "{text}");
    assert_eq!(trace(&text), trace(&again));
    assert!(again.contains("explored  1 schedules"), "{again}");
}

#[test]
fn an_environment_that_makes_no_sense_is_refused() {
    let text = fails(&[("REKINDLE_STRATEGY", "fifo")]);
    assert!(text.contains("there are `random` and `pct"), "{text}");
    let text = fails(&[("REKINDLE_SEED", "many")]);
    assert!(
        text.contains("REKINDLE_SEED=\"many\" makes no sense"),
        "{text}"
    );
}

#[test]
fn one_seed_is_one_run_over_many_seeds() {
    let hash = |seed| {
        let test = TestRun::new("it").seeds(1).seed(seed);
        let explored = test.explore(|mut t: Test| async move {
            for n in 0..6 {
                spawn(async move {
                    sleep(Duration::from_millis(n % 3)).await;
                    yield_now().await;
                });
            }
            t.advance(Duration::from_secs(1)).await;
            panic!("to see the hash");
        });
        explored.found.unwrap().hash
    };
    let once: Vec<u64> = (0..30).map(hash).collect();
    let twice: Vec<u64> = (0..30).map(hash).collect();
    assert_eq!(once, twice);
    assert!(once.iter().collect::<BTreeSet<_>>().len() > 25);
}
