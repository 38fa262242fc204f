//! The payments story, simulated, over a real file.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rekindle::Runtime;
use rekindle_examples::payments;
use rekindle_examples::stage::Stage;

/// A folder of the test's own, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn fresh() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rekindle-payments-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn told(seed: u64) -> Vec<String> {
    let folder = Folder::fresh();
    let stage = Stage::kept();
    let story = payments::run(stage.clone(), folder.0.clone());
    Runtime::simulated(seed)
        .block_on(story)
        .expect("the story comes to its end");
    stage.lines()
}

#[test]
fn the_whole_story_is_told_alike_under_every_seed() {
    let wrong = || "Payment.Worker: Invalid payment for job 1".to_owned();
    let say = |line: &str| line.to_owned();
    let mut expected = vec![say(
        "--- A wrong release, and all defaults: 3 restarts in 5 seconds for the application.",
    )];
    // The fourth crash in five seconds is one too many.
    expected.extend((0..4).map(|_| wrong()));
    expected.push(say("Application has ended: shutdown"));
    expected.push(say("Dispatcher is down"));
    expected.push(say(
        "--- The worker gets its own supervisor, with 6 restarts in 5 seconds.",
    ));
    expected.extend((0..8).map(|_| wrong()));
    expected.push(say("Application is up"));
    expected.push(say("Dispatcher is up"));
    expected.push(say("--- The corrected release is deployed."));
    expected.push(say("Payment.Worker: paid 3 jobs"));
    for seed in 0..20 {
        let lines = told(seed);
        assert_eq!(lines[..expected.len()], expected, "seed {seed}");
        assert_eq!(lines.last().unwrap(), "nobody is paid twice", "seed {seed}");
    }
}
