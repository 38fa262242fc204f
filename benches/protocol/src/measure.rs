//! Passes, and the two clocks.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::Answer;

/// What some passes took together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// How many were counted; the one to warm up is not.
    pub passes: u64,
    /// Time on the wall.
    pub wall: Duration,
    /// Time of all threads of the program on processors; zero where the system does not tell.
    pub cpu: Duration,
    /// The sum of what the passes gave.
    pub sum: u64,
}

impl Measured {
    /// The answer that says so.
    #[must_use]
    pub fn answer(self) -> Answer {
        Answer::ok([
            ("passes", self.passes),
            ("wall_ns", self.wall.as_nanos() as u64),
            ("cpu_ns", self.cpu.as_nanos() as u64),
            ("sum", self.sum),
        ])
    }
}

/// Repeats a pass: once to warm up, then until the time has gone by, at least once.
pub async fn passes<P>(at_least: Duration, mut pass: impl FnMut() -> P) -> Measured
where
    P: Future<Output = u64>,
{
    pass().await;
    let (cpu, begun) = (cpu_time(), Instant::now());
    let mut measured = Measured::default();
    while measured.passes == 0 || begun.elapsed() < at_least {
        measured.sum += pass().await;
        measured.passes += 1;
    }
    measured.wall = begun.elapsed();
    measured.cpu = cpu_time().saturating_sub(cpu);
    measured
}

/// As [`passes`], for a pass that has parts outside of the clock: it gives what it timed itself.
pub async fn timed_passes<P>(at_least: Duration, mut pass: impl FnMut() -> P) -> Measured
where
    P: Future<Output = Measured>,
{
    pass().await;
    let mut all = Measured::default();
    let begun = Instant::now();
    while all.passes == 0 || begun.elapsed() < at_least {
        let one = pass().await;
        all.passes += 1;
        all.wall += one.wall;
        all.cpu += one.cpu;
        all.sum += one.sum;
    }
    all
}

/// Both clocks at a moment, for [`timed_passes`].
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    wall: Instant,
    cpu: Duration,
}

impl Clocks {
    /// Reads both.
    #[must_use]
    pub fn now() -> Clocks {
        Clocks {
            wall: Instant::now(),
            cpu: cpu_time(),
        }
    }

    /// What has gone by since, with the sum that was reached.
    #[must_use]
    pub fn measured(self, sum: u64) -> Measured {
        Measured {
            passes: 1,
            wall: self.wall.elapsed(),
            cpu: cpu_time().saturating_sub(self.cpu),
            sum,
        }
    }
}

/// The processor time of all threads of this program so far.
#[must_use]
pub fn cpu_time() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(unix))]
    Duration::ZERO
}
