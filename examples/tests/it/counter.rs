//! The counter story, simulated.

use rekindle::{Runtime, Strategy, recent_crashes};
use rekindle_examples::counter;
use rekindle_examples::stage::Stage;

fn told(strategy: Strategy, seed: u64) -> Vec<String> {
    let stage = Stage::kept();
    let story = counter::run(stage.clone(), strategy);
    Runtime::simulated(seed)
        .block_on(story)
        .expect("the story comes to its end");
    stage.lines()
}

/// What one counter says.
fn of(label: &str, lines: &[String]) -> Vec<String> {
    let prefix = format!("Counter.{label}: ");
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect()
}

/// What a counter says in a life: its start, and its work up to a state.
fn life(up_to: u32) -> Vec<String> {
    let start = ["starting", "working and my state is 0", "started"];
    let work = (0..=up_to).map(|n| format!("working and my state is {n}"));
    start.into_iter().map(str::to_owned).chain(work).collect()
}

#[test]
fn the_children_start_in_order() {
    for seed in 0..8 {
        let lines = told(Strategy::OneForOne, seed);
        let start: Vec<String> = ["One", "Two", "Three"]
            .iter()
            .flat_map(|label| {
                life(0)[..3]
                    .to_vec()
                    .into_iter()
                    .map(move |line| format!("Counter.{label}: {line}"))
            })
            .collect();
        assert_eq!(lines[..9], start, "seed {seed}");
    }
}

#[test]
fn one_for_one_restarts_only_the_one_that_failed() {
    for seed in 0..8 {
        let lines = told(Strategy::OneForOne, seed);
        let one = of("One", &lines);
        assert_eq!(one[..life(21).len()], life(21), "seed {seed}");
        assert_eq!(
            one[life(21).len()..][..4],
            life(0)[..4],
            "seed {seed}: One starts again"
        );
        // Two never fails and is left alone.
        assert_eq!(
            of("Two", &lines)
                .iter()
                .filter(|line| *line == "starting")
                .count(),
            1
        );
        let three = of("Three", &lines);
        assert_eq!(
            three[..2 * life(4).len()],
            [life(4), life(4)].concat(),
            "seed {seed}"
        );
    }
}

#[test]
fn rest_for_one_restarts_those_after_the_one_that_failed() {
    for seed in 0..8 {
        let lines = told(Strategy::RestForOne, seed);
        // Three is the last: its failures are its own.
        assert_eq!(of("One", &lines)[..life(21).len()], life(21), "seed {seed}");
        assert_eq!(of("Two", &lines)[..life(20).len()], life(20), "seed {seed}");
        // One is the first: its failure is everybody's.
        let again = of("Two", &lines)
            .iter()
            .filter(|line| *line == "starting")
            .count();
        assert_eq!(again, 2, "seed {seed}");
    }
}

#[test]
fn one_for_all_restarts_everyone() {
    for seed in 0..8 {
        let lines = told(Strategy::OneForAll, seed);
        assert!(
            !lines.iter().any(|line| line.contains("my state is 6")),
            "nobody gets that far"
        );
        for label in ["One", "Two", "Three"] {
            let said = of(label, &lines);
            assert!(
                said.iter().filter(|line| *line == "starting").count() >= 2,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for strategy in [
        Strategy::OneForOne,
        Strategy::RestForOne,
        Strategy::OneForAll,
    ] {
        assert_eq!(told(strategy, 7), told(strategy, 7));
    }
}

#[test]
fn crash_reports_say_who_failed_at_which_message_in_which_state() {
    for seed in 0..8 {
        let crashes = Runtime::simulated(seed).block_on(async {
            let told = counter::run(Stage::kept(), Strategy::OneForOne).await;
            told.expect("the story comes to its end");
            recent_crashes()
        });
        let mut shown: Vec<(String, Option<String>)> = Vec::new();
        for crash in crashes {
            assert_eq!(
                crash.last_message.as_deref(),
                Some("message Work"),
                "seed {seed}"
            );
            let reason = crash.reason.to_string();
            let said = reason.split_once("I'm ").map(|(_, said)| said.to_owned());
            shown.push((said.unwrap_or(reason), crash.state));
        }
        let fails = |name: &str, state: &str| {
            (
                format!("{name} and I'm gonna error now"),
                Some(state.to_owned()),
            )
        };
        // Every six seconds; and in the second 23, between the third and the fourth of them.
        let mut expected = vec![fails("Counter.Three", "5"); 4];
        expected.insert(3, fails("Counter.One", "22"));
        assert_eq!(shown, expected, "seed {seed}");
    }
}
