//! What the fuzz targets share. Each target says in its first lines what comes in, and what must hold.

/// The allocator of every target, by which one can bound what an input may cost.
#[global_allocator]
pub static ALLOCATED: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// How many bytes more than before were allocated at the same time while `work` ran.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let value = work();
    (value, ALLOCATED.peak_usage().saturating_sub(before))
}

/// Keeps crash reports, of which there are thousands a second, from stderr.
pub fn quiet() {
    struct Silent;
    impl log::Log for Silent {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }
    if log::set_logger(&Silent).is_ok() {
        log::set_max_level(log::LevelFilter::Error);
    }
}

/// Waits until all that was begun in the simulation waits for something.
///
/// # Panics
///
/// Outside of one.
pub async fn settle() {
    let handle = rekindle_actor::Handle::current();
    let simulation = handle.simulation().expect("it is simulated");
    simulation.settled().await;
}

/// What a planned panic says; any other panic in a process is a bug.
pub const PLANNED: &str = "planned";

/// Fails if a process has panicked that was not told to.
pub fn no_other_panics() {
    for report in rekindle_actor::recent_crashes() {
        if let rekindle_actor::ExitReason::Panic(panic) = &report.reason {
            assert_eq!(panic.message, PLANNED, "at {:?}", panic.location);
        }
    }
}
