//! How far apart two processors are: how long a line of memory takes from one to the other.
//!
//! A host may run two virtual processors side by side or on distant cores, and move them while a benchmark
//! runs. What two workers do together takes several times as long then, and what each does alone takes as long
//! as ever; so what was measured meanwhile compares nothing.

use std::fmt;
use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::Machine;

/// So many times the least distance of a run is far.
const FAR: u32 = 3;
/// The least of so many tries counts, so that an interrupt is not taken for distance.
const TRIES: usize = 8;
/// Ways there and back in a try: some 50 us on one chip.
const WAYS: u32 = 1_000;
/// How long the least distance is looked for before the start.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// Two processors, and how near they have been.
#[derive(Debug)]
pub(crate) struct Distance {
    cpus: [usize; 2],
    least: Duration,
}

impl Distance {
    /// Of the processors that two workers get; `None` if there are no two.
    pub(crate) fn between_workers(machine: &Machine) -> Option<Distance> {
        let cpus = [*machine.cpus.first()?, *machine.cpus.get(1)?];
        let begun = Instant::now();
        let mut least = one_way(cpus);
        while begun.elapsed() < FIRST_LOOK {
            least = least.min(one_way(cpus));
        }
        Some(Distance { cpus, least })
    }

    /// Whether they are as near now as they can be, about.
    pub(crate) fn is_near(&mut self) -> bool {
        let now = one_way(self.cpus);
        self.least = self.least.min(now);
        now <= self.least * FAR
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line goes from one to the other in {:?}", self.least)
    }
}

/// How long a line takes.
fn one_way(cpus: [usize; 2]) -> Duration {
    let ball = AtomicU32::new(0);
    thread::scope(|scope| {
        let partner = scope.spawn(|| {
            bind(cpus[1]);
            (0..TRIES as u32 * WAYS).for_each(|way| pass(&ball, 2 * way + 1));
        });
        let server = scope.spawn(|| {
            bind(cpus[0]);
            let one_try = |n: u32| {
                let begun = Instant::now();
                (n * WAYS..(n + 1) * WAYS).for_each(|way| pass(&ball, 2 * way));
                begun.elapsed() / (2 * WAYS)
            };
            (0..TRIES as u32).map(one_try).min()
        });
        partner.join().expect("it only counts");
        server.join().expect("it only counts")
    })
    .expect("there are some tries")
}

/// Waits until the ball is at `mine` and passes it on.
fn pass(ball: &AtomicU32, mine: u32) {
    let mut looks = 0_u32;
    while ball.load(Ordering::Acquire) != mine {
        looks += 1;
        match looks.is_multiple_of(1_000) {
            // The other one may wait for this processor.
            true => thread::yield_now(),
            false => hint::spin_loop(),
        }
    }
    ball.store(mine + 1, Ordering::Release);
}

/// Has this thread run on that processor, where threads can be bound.
fn bind(cpu: usize) {
    #[cfg(target_os = "linux")]
    {
        let mut cpus = rustix::thread::CpuSet::new();
        cpus.set(cpu);
        // Where it is not allowed, the two will hardly share a processor anyway.
        let _ = rustix::thread::sched_setaffinity(None, &cpus);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cpu;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_some_time_each_way() {
        let cpus = crate::machine::look().cpus;
        let there = cpus[0];
        // One processor with itself will do: then it is the time of two switches.
        let back = *cpus.get(1).unwrap_or(&there);
        assert!(one_way([there, back]) > Duration::ZERO);
    }

    #[test]
    fn far_is_some_times_the_least_of_the_run() {
        let machine = crate::machine::look();
        let Some(mut distance) = Distance::between_workers(&machine) else {
            return;
        };
        distance.least = Duration::from_secs(1);
        assert!(distance.is_near());
        assert!(
            distance.least < Duration::from_secs(1),
            "it is the least now"
        );
        distance.least = Duration::ZERO;
        assert!(!distance.is_near());
    }
}
