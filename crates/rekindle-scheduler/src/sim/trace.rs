//! What a simulation has done, for people to read.

use std::collections::VecDeque;
use std::fmt;

use crate::task::TaskId;
use crate::time::Time;

/// One event of a recorded simulation: see [`Simulation::record`](crate::Simulation::record).
///
/// ```
/// use rekindle_scheduler::{Runtime, TraceWhat, sleep};
/// use std::time::Duration;
///
/// let runtime = Runtime::simulated(1);
/// let simulation = runtime.simulation().unwrap();
/// simulation.record(100);
/// runtime.block_on(sleep(Duration::from_secs(5)));
/// let events = simulation.trace();
/// let clock = events.iter().find(|event| event.what == TraceWhat::Clock).unwrap();
/// assert_eq!((clock.step, clock.at.as_duration()), (2, Duration::from_secs(5)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// The step, counted from 1. What a turn does has the number of that turn.
    pub step: u64,
    /// The simulated time.
    pub at: Time,
    /// What happened.
    pub what: TraceWhat,
}

/// What happened in a step.
///
/// ```
/// use rekindle_scheduler::{Runtime, TraceWhat, trace};
///
/// let runtime = Runtime::simulated(1);
/// let simulation = runtime.simulation().unwrap();
/// simulation.record(100);
/// let task = runtime.handle().spawn(async { trace(|| "half way".to_owned()) });
/// simulation.run_until_idle();
/// // A turn, and what was said in it.
/// match &simulation.trace()[..] {
///     [turn, note] => {
///         assert!(matches!(&turn.what, TraceWhat::Turn { task: who, .. } if *who == task.id()));
///         let said = TraceWhat::Note { task: Some(task.id()), text: "half way".to_owned() };
///         assert_eq!(note.what, said);
///     }
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceWhat {
    /// A task had a turn.
    Turn {
        /// Which.
        task: TaskId,
        /// In the words of its host.
        who: String,
    },
    /// A blocking call was made.
    Blocking,
    /// The future given to `block_on` was polled.
    Main,
    /// The clock moved to the next timer.
    Clock,
    /// Something that a task, or a layer above, has said by [`trace`](crate::trace).
    Note {
        /// Whose turn it was, if it was one.
        task: Option<TaskId>,
        /// What was said.
        text: String,
    },
}

impl fmt::Display for TraceWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TraceWhat::Turn { task, who } => write!(f, "{task:?} {who}"),
            TraceWhat::Blocking => f.write_str("a blocking call"),
            TraceWhat::Main => f.write_str("the main future"),
            TraceWhat::Clock => f.write_str("the clock moves on"),
            TraceWhat::Note { text, .. } => f.write_str(text),
        }
    }
}

/// Keeps the last events.
#[derive(Debug)]
pub(super) struct Recorder {
    limit: usize,
    events: VecDeque<TraceEvent>,
}

impl Recorder {
    pub(super) fn new(limit: usize) -> Recorder {
        Recorder {
            limit,
            events: VecDeque::new(),
        }
    }

    pub(super) fn add(&mut self, event: TraceEvent) {
        if self.limit == 0 {
            return;
        }
        if self.events.len() == self.limit {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(super) fn events(&self) -> Vec<TraceEvent> {
        self.events.iter().cloned().collect()
    }
}
