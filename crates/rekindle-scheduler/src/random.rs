//! Random numbers: for the simulator's choices, for victims to steal from, for whoever asks the
//! runtime.
//!
//! Everything random in a runtime comes from one seed, which is what makes a simulated run
//! repeatable. The generator is SplitMix64 (Steele, Lea, Flood 2014): its state is a counter, so a
//! shared one needs a single `fetch_add`, and two generators with different seeds do not need to be
//! kept apart. It is not for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The odd number nearest to 2^64 divided by the golden ratio: the step of the counter.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A generator of one's own.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The generator whose numbers all follow from `seed`.
    pub(crate) fn new(seed: u64) -> SplitMix64 {
        SplitMix64 { state: seed }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number less than `bound`, or zero if `bound` is zero.
    ///
    /// The high half of a 128-bit product, without rejection: some results are likelier than others
    /// by one part in `2^64 / bound`, which no scheduler notices, and every choice takes exactly
    /// one number, which keeps the trace of a simulation readable.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// A generator for many threads. Each number is drawn by one atomic addition, so no two callers get
/// the same draw.
#[derive(Debug)]
pub(crate) struct SharedRandom {
    state: AtomicU64,
}

impl SharedRandom {
    /// The generator whose numbers, in the order in which they are drawn, all follow from `seed`.
    pub(crate) fn seeded(seed: u64) -> SharedRandom {
        SharedRandom {
            state: AtomicU64::new(seed),
        }
    }

    /// A generator that is different in every run.
    ///
    /// The standard library seeds its hash maps from the operating system; hashing nothing with
    /// such a seed yields it without another dependency.
    pub(crate) fn from_entropy() -> SharedRandom {
        SharedRandom::seeded(RandomState::new().build_hasher().finish())
    }

    /// The next number.
    pub(crate) fn next(&self) -> u64 {
        // Relaxed: the counter publishes nothing; that draws are distinct is the addition's
        // atomicity.
        let before = self.state.fetch_add(STEP, Relaxed);
        mix(before.wrapping_add(STEP))
    }

    /// A generator of one's own, seeded by the next number.
    pub(crate) fn fork(&self) -> SplitMix64 {
        SplitMix64::new(self.next())
    }
}

/// Spreads the counter over all bits; a bijection, so the period is 2^64.
fn mix(counter: u64) -> u64 {
    let mut z = counter;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The published test vector of the reference implementation.
    const OF_1234567: [u64; 5] = [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ];

    #[test]
    fn numbers_are_those_of_the_reference_implementation() {
        let mut own = SplitMix64::new(1_234_567);
        let shared = SharedRandom::seeded(1_234_567);
        for expected in OF_1234567 {
            assert_eq!(own.next(), expected);
            assert_eq!(shared.next(), expected);
        }
    }

    #[test]
    fn below_stays_below_and_reaches_every_number() {
        let mut random = SplitMix64::new(7);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
        let seen: HashSet<usize> = (0..1_000).map(|_| random.below(10)).collect();
        assert_eq!(seen, (0..10).collect());
        assert!(random.below(usize::MAX) < usize::MAX);
    }

    #[test]
    fn forks_differ_from_each_other() {
        let shared = SharedRandom::seeded(0);
        assert_ne!(shared.fork().next(), shared.fork().next());
    }

    #[test]
    fn entropy_differs_from_run_to_run_within_a_process() {
        assert_ne!(
            SharedRandom::from_entropy().next(),
            SharedRandom::from_entropy().next()
        );
    }

    #[test]
    fn threads_never_get_the_same_draw() {
        let shared = SharedRandom::seeded(3);
        let draw = || (0..1_000).map(|_| shared.next()).collect::<Vec<_>>();
        let drawn: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
    }
}
