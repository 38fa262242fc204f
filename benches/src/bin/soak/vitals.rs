//! What the program has taken of the machine.

use std::fs;
use std::thread;
use std::time::Duration;

use rekindle_bench_protocol::memory::resident_bytes;

use crate::ALLOCATOR;
use crate::invariants::Invariant;
use crate::world::World;

/// Live bytes may differ by this much at the end: what the standard library and the kernel's
/// threads keep (thread-local buffers, the report's own strings), none of which grows.
const SLACK: usize = 64 * 1024;

/// Memory, threads and files at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vitals {
    /// Asked of the allocator and not given back.
    pub(crate) live: usize,
    /// As the system sees it, where it tells.
    pub(crate) resident: Option<u64>,
    pub(crate) threads: Option<usize>,
    pub(crate) files: Option<usize>,
    /// Processes of ours, while a runtime runs.
    pub(crate) processes: u64,
}

impl Vitals {
    pub(crate) fn now() -> Vitals {
        let entries = |folder| fs::read_dir(folder).ok().map(Iterator::count);
        Vitals {
            live: ALLOCATOR.current_usage(),
            resident: resident_bytes(),
            threads: entries("/proc/self/task"),
            files: entries("/proc/self/fd"),
            processes: 0,
        }
    }

    /// As [`now`](Self::now), once the system has taken the joined threads out of its list.
    pub(crate) fn settled(before: Vitals) -> Vitals {
        for _ in 0..100 {
            let now = Vitals::now();
            if now.threads <= before.threads {
                return now;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Vitals::now()
    }

    /// Whether so much is live after it all as before, as far as that can be told.
    pub(crate) fn is_back_at(&self, after: &Vitals) -> bool {
        after.live <= self.live + SLACK
    }

    /// Holds the end against the start.
    pub(crate) fn compare(&self, after: &Vitals, world: &World) {
        world.check(Invariant::Threads, after.threads <= self.threads, || {
            format!(
                "{:?} threads before, {:?} after",
                self.threads, after.threads
            )
        });
        world.check(Invariant::Files, after.files <= self.files, || {
            format!(
                "{:?} open files before, {:?} after",
                self.files, after.files
            )
        });
        world.check(Invariant::Memory, self.is_back_at(after), || {
            format!("{} bytes were live before, {} after", self.live, after.live)
        });
    }
}
