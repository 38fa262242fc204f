//! The job queue story, simulated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rekindle::prelude::*;
use rekindle_examples::dice::Dice;
use rekindle_examples::job_queue::{self, Job, JobQueue, job};
use rekindle_examples::stage::Stage;

const HELLO: &str = "Hello from a task spawned dynamically under a supervisor";
const RUNNING: &str = "#PID: Running a job";
const RESULT: &str = "JobQueue.schedule_job gives \"Job result\"";

/// What is said under this seed, the pids left out.
fn told(seed: u64) -> Vec<String> {
    let stage = Stage::kept();
    let story = job_queue::run(stage.clone(), seed);
    Runtime::simulated(seed)
        .block_on(story)
        .expect("the story ends well");
    stage
        .lines()
        .iter()
        .map(|line| without_pids(line))
        .collect()
}

fn without_pids(line: &str) -> String {
    let is_pid = |c: char| c == '.' || c.is_ascii_digit();
    let mut parts = line.split('#');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| {
        line + "#PID" + part.trim_start_matches(is_pid)
    })
}

/// The runs of a job until its first failure, as the dice have it.
fn runs_until_failure(dice: &Dice) -> usize {
    1 + std::iter::repeat_with(|| dice.uniform())
        .take_while(|drawn| *drawn <= 0.7)
        .count()
}

/// What is said by the acts with the failing job, which follows from the dice alone.
fn failures(seed: u64) -> Vec<&'static str> {
    let dice = Dice::new(seed);
    let mut lines =
        vec!["--- A job that fails now and then. Its task is temporary: the caller gets an error."];
    for _ in 1..runs_until_failure(&dice) {
        lines.extend([RUNNING, RESULT]);
    }
    lines.extend([
        RUNNING,
        "JobQueue.schedule_job fails: the request was dropped without an answer",
        "The caller knows at once: no task is left that could answer, so no timeout is due.",
        "--- The same job as a transient task: the caller gets its answer from the retry.",
    ]);
    for _ in 1..runs_until_failure(&dice) {
        lines.extend([RUNNING, RESULT]);
    }
    // The run that failed, and the retries up to the one that did not.
    lines.push(RUNNING);
    while dice.uniform() > 0.7 {
        lines.push(RUNNING);
    }
    lines.extend([RUNNING, RESULT]);
    lines
}

#[test]
fn the_whole_story_is_told_alike_but_for_the_dice_under_every_seed() {
    for seed in 0..20 {
        let mut lines = told(seed);
        let tree = |line: &String| line.starts_with("Main ");
        let tree = lines.iter().position(tree).expect("a tree is printed");
        // Siblings are listed by their pids, which say nothing of who was started first.
        let branches = [
            "    DynamicSupervisor \"JobSupervisor\" (#PID)",
            "      closure in run_job (#PID)",
            "      closure in run_job (#PID)",
            "      closure in run_job (#PID)",
            "    JobQueue \"JobQueue\" (#PID)",
        ];
        let root = "  Supervisor \"my_app_supervisor\" (#PID)";
        assert_eq!(lines[tree + 1], root, "seed {seed}");
        let mut shown = lines[tree + 2..][..5].to_vec();
        if shown[0] == branches[4] {
            shown.rotate_left(1);
        }
        assert_eq!(shown, branches, "seed {seed}");
        let after = |line: &String| line == RESULT;
        let after = tree + lines[tree..].iter().position(after).expect("a result");
        lines.drain(tree..after);

        let mut expected = vec![
            "--- Tasks join an ordinary supervisor while it runs.",
            HELLO,
            HELLO,
            "--- They join a dynamic one, which is made for that.",
            HELLO,
            HELLO,
            "--- A job queue: the task that runs the job answers the caller.",
            RUNNING,
            RESULT,
            "--- Three jobs at once: the queue waits for none of them.",
            RUNNING,
            RUNNING,
            RUNNING,
            RESULT,
            RESULT,
            RESULT,
        ];
        expected.extend(failures(seed));
        assert_eq!(lines, expected, "seed {seed}");
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    assert_eq!(told(5), told(5));
}

/// A job that fails this often, and then takes a second.
fn fails_first(failures: u32) -> (Job, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let job = job(move || {
        let run = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(run >= failures, "Job failure");
            sleep(Duration::from_secs(1)).await;
            "Job result".to_owned()
        }
    });
    (job, runs)
}

/// Runs a body in the application, in virtual time.
fn in_the_application<F>(restart: Restart, body: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    Runtime::simulated(1).block_on(async move {
        let app = job_queue::tree(&Stage::kept(), restart);
        let app = app.start_link().await.expect("the tree starts");
        body().await;
        app.stop().await.expect("the tree stops");
    });
}

#[test]
fn the_caller_of_a_temporary_job_that_fails_hears_of_it_at_once() {
    in_the_application(Restart::Temporary, || async {
        let (job, runs) = fails_first(1);
        let asked = rekindle::now();
        let result = JobQueue::schedule_job(job).await;
        assert_eq!(result, Err(CallError::NoReply));
        assert_eq!(rekindle::now(), asked, "no time has passed");
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn the_caller_of_a_transient_job_that_fails_is_answered_by_a_retry() {
    in_the_application(Restart::Transient, || async {
        let (job, runs) = fails_first(3);
        let result = JobQueue::schedule_job(job).await;
        assert_eq!(result, Ok("Job result".to_owned()));
        assert_eq!(runs.load(Ordering::Relaxed), 4);
    });
}

#[test]
fn a_hundred_jobs_of_a_second_take_a_second() {
    in_the_application(Restart::Temporary, || async {
        let (job, _) = fails_first(0);
        let asked = rekindle::now();
        let callers: Vec<_> = (0..100)
            .map(|_| Task::spawn(JobQueue::schedule_job(job.clone())))
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), Ok("Job result".to_owned()));
        }
        let taken = rekindle::now() - asked;
        assert!(taken < Duration::from_millis(1_100), "{taken:?}");
    });
}
