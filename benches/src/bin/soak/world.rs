//! What all parts of one run share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use rekindle_bench_protocol::Dice;

use crate::invariants::{Findings, Invariant};
use crate::ledger::Ledger;
use crate::options::Options;

/// What goes on at the same time, each with drivers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Letters,
    Chaos,
    Monitors,
    Links,
    Calls,
    Names,
    Storms,
    Bounded,
    Timers,
    Tasks,
    Blocked,
    Restarts,
    Orphans,
}

impl Area {
    pub(crate) const ALL: &[Area] = &[
        Area::Letters,
        Area::Chaos,
        Area::Monitors,
        Area::Links,
        Area::Calls,
        Area::Names,
        Area::Storms,
        Area::Bounded,
        Area::Timers,
        Area::Tasks,
        Area::Blocked,
        Area::Restarts,
        Area::Orphans,
    ];

    /// What one operation of this area is.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Area::Letters => "letters to random processes of the tree",
            Area::Chaos => "kills, panics, stops, blocks, dead supervisors",
            Area::Monitors => "monitors of processes that die",
            Area::Links => "processes in chains and rings that die",
            Area::Calls => "calls: answered, late, forgotten, crashed",
            Area::Names => "names and keys taken by mortals",
            Area::Storms => "processes in bursts",
            Area::Bounded => "messages into full mailboxes, all policies",
            Area::Timers => "timers set, half of them cancelled",
            Area::Tasks => "tasks: awaited, crashed, killed, streamed",
            Area::Blocked => "handlers that block their thread",
            Area::Restarts => "small trees crashed, counted, stopped",
            Area::Orphans => "processes looked at for their supervisor",
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}").to_lowercase())
    }
}

/// What all parts of one run share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) findings: Findings,
    pub(crate) letters: Arc<Ledger>,
    /// Servers of the tree that are alive: their states.
    pub(crate) posts: AtomicI64,
    /// Servers of the tree that have started.
    pub(crate) started: AtomicU64,
    /// Whether starts may fail: not before the tree stands.
    pub(crate) shaky: AtomicBool,
    operations: Vec<AtomicU64>,
    stopping: AtomicBool,
    serial: AtomicU64,
}

impl World {
    pub(crate) fn new(options: Options) -> Arc<World> {
        Arc::new(World {
            options,
            findings: Findings::new(),
            letters: Arc::default(),
            posts: AtomicI64::new(0),
            started: AtomicU64::new(0),
            shaky: AtomicBool::new(false),
            operations: Area::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            stopping: AtomicBool::new(false),
            serial: AtomicU64::new(0),
        })
    }

    pub(crate) fn check(&self, invariant: Invariant, holds: bool, text: impl FnOnce() -> String) {
        self.findings.check(invariant, holds, text);
    }

    /// Counts operations of an area, which is its progress.
    pub(crate) fn did(&self, area: Area, operations: u64) {
        self.operations[area as usize].fetch_add(operations, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, area: Area) -> u64 {
        self.operations[area as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A number that nobody else has.
    pub(crate) fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Dice of one's own, which follow from the run's seed.
    pub(crate) fn dice(&self) -> Dice {
        Dice::new(self.options.seed.wrapping_add(self.serial() << 20) >> 1)
    }
}
