//! Chance that can be repeated.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far one draw moves the state: the golden ratio, of which every bit matters.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Draws numbers from a seed: the same seed, the same numbers. (The generator is `SplitMix64`.)
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    /// Dice that draw from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(AtomicU64::new(seed))
    }

    /// A number from 0 to 1, each as likely as any other.
    pub fn uniform(&self) -> f64 {
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        // As many bits as a float has room for.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let draw = |seed| {
            let dice = Dice::new(seed);
            [dice.uniform(), dice.uniform()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_numbers_are_spread_evenly() {
        let dice = Dice::new(1);
        let high = (0..10_000).filter(|_| dice.uniform() > 0.7).count();
        assert!((2_800..3_200).contains(&high), "{high} of 10000");
    }
}
