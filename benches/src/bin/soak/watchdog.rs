//! A thread of the system's that looks at the run from outside: takes samples, and ends the program
//! with what can be seen of it if some area makes no progress.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rekindle::prelude::*;
use rekindle::{WaitKind, list};

use crate::invariants::Invariant;
use crate::report;
use crate::vitals::Vitals;
use crate::world::{Area, World};

/// Between two samples.
const PERIOD: Duration = Duration::from_secs(10);

/// The thread that watches.
#[derive(Debug)]
pub(crate) struct Watchdog {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Vitals>>,
}

impl Watchdog {
    pub(crate) fn start(world: &Arc<World>, handle: Handle) -> Watchdog {
        let (stop, stopped) = mpsc::channel();
        let world = world.clone();
        let thread = thread::spawn(move || {
            let mut samples = Vec::new();
            let mut last: Vec<(u64, Instant)> =
                Area::ALL.iter().map(|_| (0, Instant::now())).collect();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PERIOD) {
                samples.push(Vitals {
                    processes: handle.metrics().alive(),
                    ..Vitals::now()
                });
                report::print_sample(&world, &samples);
                for (area, (done, since)) in Area::ALL.iter().zip(&mut last) {
                    let now = world.done(*area);
                    // After the end of the drivers nothing goes on that could be counted; the
                    // end itself must come in the same time.
                    if now != *done {
                        (*done, *since) = (now, Instant::now());
                        world.check(Invariant::Progress, true, String::new);
                    } else if since.elapsed() > world.options.patience {
                        world.check(Invariant::Progress, false, || {
                            format!("{area} stands at {now} for {:?}", since.elapsed())
                        });
                        show(&handle);
                        report::give_up(&world);
                    }
                }
            }
            samples
        });
        Watchdog { stop, thread }
    }

    /// Ends the watch; gives the samples.
    pub(crate) fn stop(self) -> Vec<Vitals> {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

/// What can be seen of a run that stands still, without a word to any process.
fn show(handle: &Handle) {
    let _runtime = handle.enter();
    eprintln!("{:#?}", handle.metrics());
    let mut from = Some(0);
    let mut shown = 0;
    while let Some(start) = from {
        let window = list(start, 1_000);
        from = window.next;
        for process in window.processes {
            // Thousands wait for a message, as they should: only who has one, or waits for
            // something else, tells anything.
            let idle = process.mailbox == 0
                && !process.running
                && process
                    .waits
                    .as_ref()
                    .is_some_and(|wait| matches!(wait.kind, WaitKind::Receive));
            if !idle && shown < 200 {
                shown += 1;
                eprintln!("{process:?}");
            }
        }
    }
}
