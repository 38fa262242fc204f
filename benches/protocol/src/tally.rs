//! Counting to the end without a shared line.
//!
//! A counter that all bodies share costs three contended operations per body, which is more than
//! spawning one. So each thread has a padded counter of its own, which it alone writes, and who
//! waits sums them up. All Rust systems count like this.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

/// More threads than any measured program starts; beyond that they would share.
const THREADS: usize = 256;

static COUNTS: [CachePadded<AtomicU64>; THREADS] =
    [const { CachePadded::new(AtomicU64::new(0)) }; THREADS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Adds to this thread's counter.
///
/// # Panics
///
/// If the program has had more threads that count than there are counters.
#[inline]
pub fn add(more: u64) {
    let mut mine = MINE.get();
    if mine == usize::MAX {
        mine = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(mine < THREADS, "too many threads count");
        MINE.set(mine);
    }
    // A load and a store: nobody else writes here. Release pairs with the Acquire in `total`.
    let count = &COUNTS[mine];
    count.store(count.load(Ordering::Relaxed) + more, Ordering::Release);
}

/// The sum over all threads.
#[inline]
#[must_use]
pub fn total() -> u64 {
    let threads = NEXT.load(Ordering::Relaxed).min(THREADS);
    COUNTS[..threads]
        .iter()
        .map(|count| count.load(Ordering::Acquire))
        .sum()
}
