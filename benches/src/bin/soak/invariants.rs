//! What must hold, how often it was looked at, and where it did not hold.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the invariants, each with the sentence that the report prints.
macro_rules! invariants {
    ($($name:ident = $sentence:literal,)*) => {
        /// Something that holds all the time, or at the end.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Invariant {
            $($name,)*
        }

        impl Invariant {
            /// All of them, in the order of the report.
            pub(crate) const ALL: &[Invariant] = &[$(Invariant::$name,)*];
        }

        impl fmt::Display for Invariant {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Invariant::$name => $sentence,)*
                })
            }
        }
    };
}

invariants! {
    Ledger = "sent = handled + refused + dropped, each once",
    Order = "order per pair is kept",
    Gap = "no gap within one life",
    Monitor = "every monitor fires exactly once",
    Link = "an exit goes through links, once each",
    Call = "a call tells the truth",
    Name = "a dead process holds no name",
    Registry = "a dead process holds no key",
    Policy = "a bound does what its policy says",
    Timer = "a timer fires once, or was cancelled",
    Task = "a task gives its own result",
    Restart = "a strategy restarts exactly its own",
    Budget = "the restart budget's rule is kept",
    Orphan = "no process outlives its supervisor",
    Spawned = "every spawned process runs and ends",
    Driver = "no driver of the soak dies",
    Progress = "every area makes progress",
    Gone = "no process is left at the end",
    NamesFree = "no name is held at the end",
    Threads = "threads are back at the start's number",
    Files = "file descriptors are back at the start's",
    Memory = "live bytes are back at the start's level",
}

/// How one invariant fared.
#[derive(Debug, Default)]
struct Tally {
    checked: AtomicU64,
    failed: AtomicU64,
}

/// How all of them fared.
#[derive(Debug)]
pub(crate) struct Findings {
    tallies: Vec<Tally>,
    /// The first failures, in words.
    texts: Mutex<Vec<String>>,
}

/// More texts than this are not kept: one broken invariant breaks again and again.
const KEPT: usize = 40;

impl Findings {
    pub(crate) fn new() -> Findings {
        Findings {
            tallies: Invariant::ALL.iter().map(|_| Tally::default()).collect(),
            texts: Mutex::default(),
        }
    }

    /// Notes that the invariant was looked at, and what was found if it did not hold.
    pub(crate) fn check(&self, invariant: Invariant, holds: bool, text: impl FnOnce() -> String) {
        let tally = &self.tallies[invariant as usize];
        tally.checked.fetch_add(1, Ordering::Relaxed);
        if holds {
            return;
        }
        tally.failed.fetch_add(1, Ordering::Relaxed);
        let mut texts = self.texts.lock().unwrap_or_else(|held| held.into_inner());
        if texts.len() < KEPT {
            let text = format!("{invariant}: {}", text());
            eprintln!("VIOLATED {text}");
            texts.push(text);
        }
    }

    /// How often it was looked at, and how often it did not hold.
    pub(crate) fn of(&self, invariant: Invariant) -> (u64, u64) {
        let tally = &self.tallies[invariant as usize];
        (
            tally.checked.load(Ordering::Relaxed),
            tally.failed.load(Ordering::Relaxed),
        )
    }

    pub(crate) fn failures(&self) -> u64 {
        let failed = Invariant::ALL.iter().map(|which| self.of(*which).1);
        failed.sum()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self.texts.lock().unwrap_or_else(|held| held.into_inner());
        texts.clone()
    }
}
