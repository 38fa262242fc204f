//! The jobber story, simulated.

use rekindle::Runtime;
use rekindle_examples::jobber;
use rekindle_examples::stage::Stage;

use crate::{assert_in_order, masked};

fn told(seed: u64) -> Vec<String> {
    let stage = Stage::kept();
    Runtime::simulated(seed)
        .block_on(jobber::run(stage.clone()))
        .expect("the story ends well");
    stage.lines()
}

#[test]
fn a_permanent_job_is_requeued_and_a_transient_one_is_done_once() {
    for seed in 0..8 {
        assert_in_order(
            &told(seed),
            &[
                "--- A job is permanent",
                "Job completed good",
                "Job exiting good",
                "Jobber.JobRunner has requeued good as",
                "--- Transient jobs",
                "Job exiting good",
            ],
        );
    }
}

#[test]
fn a_bad_job_is_retried_three_times_and_then_given_up() {
    for seed in 0..8 {
        let retry = "Job retry failed bad";
        assert_in_order(
            &told(seed),
            &[
                "--- Transient jobs",
                "Job errored bad",
                retry,
                retry,
                retry,
                "Job exiting bad",
            ],
        );
    }
}

#[test]
fn a_doomed_job_takes_the_runner_along_until_it_has_a_supervisor_of_its_own() {
    for seed in 0..8 {
        assert_in_order(
            &told(seed),
            &[
                "--- More than 3 restarts in 30 seconds",
                "Jobber.JobRunner is",
                "Jobber.JobRunner #",
                "Jobber.JobRunner is",
                "--- The cure",
                "The supervisor of doomed has ended: shutdown",
                "Job exiting bad",
            ],
        );
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    assert_eq!(told(3), told(3));
}

/// All of it. The jobs are started a second apart, so that no two of them do anything at once, and
/// nothing is left to chance.
const STORY: &str = "
--- A job is permanent unless it says otherwise: it is requeued for ever.
Job completed good
Job exiting good
Jobber.JobRunner has requeued good as PID
Job completed good
Job exiting good
Jobber.JobRunner has requeued good as PID
--- Transient jobs: good is done once, bad is tried four times, doomed for ever.
Job completed good
Job exiting good
Job errored bad
Job retry failed bad
Job retry failed bad
Job retry failed bad
Job exiting bad
doomed has crashed 6 times, and Jobber.JobRunner is the same
--- More than 3 restarts in 30 seconds: the runner gives up on doomed, and on bad.
Jobber.JobRunner is PID and has 0 jobs
Job errored bad
Job retry failed bad
Jobber.JobRunner PID has ended: shutdown
Jobber.JobRunner is PID and has 0 jobs
--- The cure: one supervisor per job. It gives up on doomed, and bad goes on.
Job errored bad
Job retry failed bad
The supervisor of doomed has ended: shutdown
Jobber.JobRunner is PID and has 1 jobs
Job retry failed bad
Job exiting bad
Jobber.JobRunner is PID and has 0 jobs
";

#[test]
fn the_whole_story_is_told_alike_under_every_seed() {
    for seed in 0..16 {
        let lines: Vec<String> = told(seed).iter().map(|line| masked(line)).collect();
        assert_eq!(
            lines,
            STORY.trim().lines().collect::<Vec<_>>(),
            "seed {seed}"
        );
    }
}

#[test]
fn the_runner_that_was_restarted_is_another_process() {
    for seed in 0..8 {
        let lines = told(seed);
        let pids: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("Jobber.JobRunner is "))
            .filter_map(|rest| rest.split(' ').next())
            .collect();
        let [first, second, rest @ ..] = pids.as_slice() else {
            panic!("the runner is not shown: {lines:#?}");
        };
        assert_ne!(first, second, "seed {seed}");
        // Under the cure it stays the one it is.
        assert!(
            rest.iter().all(|pid| pid == second),
            "seed {seed}: {pids:?}"
        );
    }
}

#[test]
fn jobs_from_a_file_come_to_their_ends_whatever_the_others_do() {
    let orders = jobber::orders(include_str!("../../jobs.txt")).expect("the sample file is right");
    for seed in 0..8 {
        let stage = Stage::kept();
        let story = jobber::run_orders(stage.clone(), orders.clone());
        Runtime::simulated(seed)
            .block_on(story)
            .expect("the jobs come to their ends");
        let lines = stage.lines();
        for job in ["newsletter", "thumbnails", "invoice-17"] {
            let exit = format!("Job exiting {job}");
            assert_eq!(
                lines.iter().filter(|line| **line == exit).count(),
                1,
                "seed {seed}"
            );
        }
        assert_eq!(
            lines.last().map(String::as_str),
            Some("All jobs are over."),
            "seed {seed}"
        );
    }
}
