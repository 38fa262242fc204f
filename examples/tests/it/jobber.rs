//! The jobber story, simulated.

use rekindle::Runtime;
use rekindle_examples::jobber;
use rekindle_examples::stage::Stage;

use crate::assert_in_order;

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
