//! What must hold in any state of any runtime, between two turns.
//!
//! | invariant                                                       | else                          |
//! |-----------------------------------------------------------------|-------------------------------|
//! | whoever has something in its inbox has, or waits for, its turn | a lost wake-up                |
//! | a name is held by a process that lives                          | a leaked name                 |
//! | a link is known at both ends, or to one whose signal is on its way | (not checked: needs the wire) |
//! | a monitor's watcher lives, or its `Demonitor` is on its way     | (not checked: needs the wire) |

use rekindle_actor::{Handle, is_alive, registered};

/// What does not hold in the running runtime, in words; empty if all is well. For a simulated test:
/// on real threads the state changes while it is looked at.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// use rekindle::testkit::{Test, invariants};
/// use rekindle::prelude::*;
///
/// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
/// let clerk = spawn(sleep(Duration::from_secs(1)));
/// register("clerk", clerk).unwrap();
/// exit(clerk, ExitReason::Kill);
/// t.settle().await;
/// assert!(invariants::broken().is_empty()); // the name went with its holder
/// # });
/// ```
#[must_use]
pub fn broken() -> Vec<String> {
    let handle = Handle::current();
    let mut broken = Vec::new();
    let mut from = Some(0);
    while let Some(place) = from {
        let (tasks, next) = handle.tasks(place, 1024);
        for task in &tasks {
            let view = task.view();
            if view.in_transit() > 0 && !view.is_scheduled() && !view.is_finished() {
                broken.push(format!(
                    "{} has {} messages in its inbox and no turn to come",
                    view.describe(),
                    view.in_transit()
                ));
            }
        }
        from = next;
    }
    for (name, pid) in registered() {
        if !is_alive(pid) {
            broken.push(format!("the name {name:?} is held by {pid}, which is dead"));
        }
    }
    broken
}
