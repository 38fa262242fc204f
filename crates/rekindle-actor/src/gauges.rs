//! Feature `metrics`: what is counted by looking.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{counter, gauge};

use crate::inspect::list;
use crate::time::sleep;
use rekindle_scheduler::{self as scheduler, yield_now};

/// Processes that are looked at in one go.
const WINDOW: usize = 1000;

/// Tells the recorder of the crate `metrics`, every `period`, how the running runtime is; for ever.
/// It is the body of a process:
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use std::time::Duration;
/// use rekindle_actor::{publish_metrics, spawn_link};
///
/// spawn_link(publish_metrics(Duration::from_secs(10)));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// | series                              | kind    | labels      | is                               |
/// |-------------------------------------|---------|-------------|----------------------------------|
/// | `rekindle_running`                  | gauge   | `behaviour` | processes that live              |
/// | `rekindle_mailbox_size`             | gauge   | `behaviour` | unread messages, of all of them  |
/// | `rekindle_mailbox_size_max`         | gauge   | `behaviour` | the same, of the fullest         |
/// | `rekindle_mailbox_dropped`          | gauge   | `behaviour` | messages that bounds have dropped, of those who live |
/// | `rekindle_spawned_total`            | counter |             | processes and tasks ever started |
/// | `rekindle_polls_total`, `rekindle_steals_total` | counter | | turns, and how many on another worker than meant |
/// | `rekindle_stuck_workers_total`      | counter |             | workers replaced because they were stuck |
/// | `rekindle_timers`, `rekindle_run_queue` | gauge |           | timers set; tasks in the common queue |
/// | `rekindle_workers`, `rekindle_blocking_threads` | gauge | | threads                          |
///
/// These are told as they happen, whether or not this runs:
///
/// | series                    | kind    | labels                  | is                               |
/// |---------------------------|---------|-------------------------|----------------------------------|
/// | `rekindle_crashes_total`  | counter | `behaviour`             | crashes, also those whose report was not printed |
/// | `rekindle_restarts_total` | counter | `behaviour`             | restarts by supervisors          |
/// | `rekindle_give_ups_total` | counter |                         | supervisors that gave up         |
/// | `rekindle_processing_seconds` | histogram | `behaviour`, `kind` | how long a server took for a message, if [`time_messages`](crate::time_messages) asks for it |
///
/// A label is never a pid or a name, of which there is no end. A look costs what
/// [`list`](crate::list) costs, a thousand processes at a time with a yield between.
pub async fn publish_metrics(period: Duration) {
    let mut known = BTreeMap::new();
    loop {
        look(&mut known).await;
        publish(&mut known);
        sleep(period).await;
    }
}

/// What is known of one behaviour.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    running: usize,
    mailbox: usize,
    fullest: usize,
    dropped: u64,
}

type Sums = BTreeMap<&'static str, Sum>;

async fn look(sums: &mut Sums) {
    // What was seen before and is not there now is told as zero, once.
    sums.retain(|_, sum| sum.running > 0);
    sums.values_mut().for_each(|sum| *sum = Sum::default());
    let mut from = Some(0);
    while let Some(start) = from {
        let window = list(start, WINDOW);
        for process in &window.processes {
            let sum = sums.entry(process.behaviour).or_default();
            sum.running += 1;
            sum.mailbox += process.mailbox;
            sum.fullest = sum.fullest.max(process.mailbox);
            sum.dropped += process.dropped;
        }
        from = window.next;
        yield_now().await;
    }
}

// Gauges are floating-point numbers by their crate's choice.
#[allow(clippy::cast_precision_loss)]
fn publish(sums: &mut Sums) {
    for (behaviour, sum) in sums {
        gauge!("rekindle_running", "behaviour" => *behaviour).set(sum.running as f64);
        gauge!("rekindle_mailbox_size", "behaviour" => *behaviour).set(sum.mailbox as f64);
        gauge!("rekindle_mailbox_size_max", "behaviour" => *behaviour).set(sum.fullest as f64);
        gauge!("rekindle_mailbox_dropped", "behaviour" => *behaviour).set(sum.dropped as f64);
    }
    let Some(now) = scheduler::with_handle(|handle| Some(handle?.metrics())) else {
        return;
    };
    counter!("rekindle_spawned_total").absolute(now.spawned);
    counter!("rekindle_polls_total").absolute(now.polls);
    counter!("rekindle_steals_total").absolute(now.steals);
    counter!("rekindle_stuck_workers_total").absolute(now.retired);
    gauge!("rekindle_timers").set(now.timers as f64);
    gauge!("rekindle_run_queue").set(now.injected as f64);
    gauge!("rekindle_workers").set(now.workers as f64);
    gauge!("rekindle_blocking_threads").set(now.blocking_threads as f64);
}
