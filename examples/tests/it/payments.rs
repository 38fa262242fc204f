//! The payments story, simulated, over a real file.

use std::sync::Arc;

use rekindle::prelude::*;
use rekindle_examples::payments::{self, Folder, Job, Release, Repo, Setup};
use rekindle_examples::stage::Stage;

fn told(seed: u64) -> Vec<String> {
    let folder = Arc::new(Folder::fresh().expect("a folder for the test"));
    let stage = Stage::kept();
    let story = payments::run(stage.clone(), folder.clone());
    Runtime::simulated(seed)
        .block_on(story)
        .expect("the story comes to its end");
    stage.lines()
}

/// What is said, from the start of the first worker to that of the last, if this many fail.
fn failing_workers(count: usize) -> impl Iterator<Item = &'static str> {
    [
        "Payment.Worker starts: Doubled",
        "Payment.Worker: Invalid payment for job 2",
    ]
    .into_iter()
    .cycle()
    .take(2 * count)
}

#[test]
fn the_whole_story_is_told_alike_under_every_seed() {
    let mut expected =
        vec!["--- A wrong release, and all defaults: 3 restarts in 5 seconds for the application."];
    // The fourth crash in five seconds is one too many.
    expected.extend(failing_workers(4));
    expected.extend([
        "Application has ended: shutdown",
        "Application is down",
        "Dispatcher, the rest of the application, is down",
        "The database has no payment: each round that failed was rolled back.",
        "--- The worker gets its own supervisor: 6 restarts in 5 seconds.",
    ]);
    expected.extend(failing_workers(8));
    expected.extend([
        "Payment.Worker starts: Doubled",
        "Application is up",
        "Dispatcher, the rest of the application, is up",
        "--- The corrected release is deployed; the next restart takes it up.",
        "Payment.Worker: Invalid payment for job 2",
        "Payment.Worker starts: Good",
        "Payment.Worker: paid 3 jobs",
        "Payment.Worker: paid 0 jobs",
        "--- What the database says.",
        "job 1: paid 1 time, 120 in all",
        "job 2: paid 1 time, 80 in all",
        "job 3: paid 1 time, 200 in all",
        "Nobody is paid twice, and everybody once.",
    ]);
    for seed in 0..20 {
        assert_eq!(told(seed), expected, "seed {seed}");
    }
}

/// Completes a job every second, and kills the worker just when its round is due: before it,
/// during it, or after it, as the seed has it.
async fn kill_the_worker_at_its_rounds(setup: Setup, repo: Repo, jobs: Vec<Job>) {
    let application = payments::application_with_own_supervisor(&setup);
    let application = application.start_link().await.expect("the tree starts");
    for job in &jobs {
        repo.complete(job).expect("the database works");
        sleep(Duration::from_secs_f64(payments::INTERVAL)).await;
        if let Some(worker) = whereis("Payment.Worker") {
            exit(worker, ExitReason::Kill);
        }
    }
    // Undisturbed, the worker makes up for what it was kept from.
    sleep(Duration::from_secs_f64(2.5 * payments::INTERVAL)).await;
    application.stop().await.expect("the tree has stood it");
}

#[test]
fn nobody_is_paid_twice_however_workers_are_killed() {
    let mut killed_during_a_round = 0;
    for seed in 0..20 {
        let folder = Folder::fresh().expect("a folder for the test");
        let repo = Repo::create(folder.path()).expect("a database for the test");
        let stage = Stage::kept();
        let setup = Setup::new(stage.clone(), repo.clone(), Release::Good);
        let jobs: Vec<_> = (1..=10).map(|n| Job::completed(n, "Ada", 10 * n)).collect();
        let story = kill_the_worker_at_its_rounds(setup, repo.clone(), jobs.clone());
        Runtime::simulated(seed).block_on(story);

        let once: Vec<_> = jobs.iter().map(payments::paid_once).collect();
        assert_eq!(repo.payments().unwrap(), once, "seed {seed}");
        killed_during_a_round += paid_in_silence(&stage.lines(), jobs.len());
    }
    assert!(killed_during_a_round > 0, "the test has missed its point");
}

/// How many jobs were paid by rounds whose worker did not live to say so.
fn paid_in_silence(lines: &[String], jobs: usize) -> usize {
    let said = lines.iter().filter_map(|line| {
        let paid = line.strip_prefix("Payment.Worker: paid ")?;
        paid.strip_suffix(" jobs")?.parse::<usize>().ok()
    });
    jobs - said.sum::<usize>()
}
