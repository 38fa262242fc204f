//! The job queue story, simulated.

use rekindle::Runtime;
use rekindle_examples::job_queue;
use rekindle_examples::stage::Stage;

use crate::assert_in_order;

fn told(seed: u64) -> Vec<String> {
    let stage = Stage::kept();
    let story = job_queue::run(stage.clone(), seed);
    Runtime::simulated(seed)
        .block_on(story)
        .expect("the story ends well");
    stage.lines()
}

#[test]
fn the_story_is_told_under_every_seed() {
    for seed in 0..20 {
        let result = "JobQueue.schedule_job gives \"Job result\"";
        assert_in_order(
            &told(seed),
            &[
                "Hello from a task spawned dynamically under a supervisor",
                "Hello from a task spawned dynamically under a dynamic supervisor",
                "--- A job queue",
                result,
                "--- Three jobs at once",
                result,
                result,
                result,
                "--- A job that fails now and then",
                "JobQueue.schedule_job fails: the request was dropped without an answer",
                "--- The same job as a transient task",
                result,
            ],
        );
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    assert_eq!(told(5), told(5));
}
