//! Maps by process.
//!
//! The runtime gives pids out, one after another; nobody can choose some that collide. So these maps
//! do without the standard hasher's guard against that, which costs several times what the look-up
//! itself does.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are pids, or made of a few numbers like them.
pub(crate) type PidMap<P, V> = HashMap<P, V, BuildHasherDefault<PidHasher>>;

/// Multiplies what comes, and folds the long product: each bit of it depends on each that came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PidHasher(u64);

/// Odd, and its bits are without a pattern.
const SPREAD: u64 = 0xd6e8_feb8_6659_fd93;

impl Hasher for PidHasher {
    #[inline]
    fn write_u64(&mut self, n: u64) {
        let product = u128::from(self.0.rotate_left(32) ^ n ^ SPREAD) * u128::from(SPREAD);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    use super::*;

    /// What a pid is made of.
    #[derive(Hash)]
    struct Parts(u32, (u32, u32));

    fn hash(parts: impl Hash) -> u64 {
        BuildHasherDefault::<PidHasher>::default().hash_one(parts)
    }

    #[test]
    fn pids_in_a_row_fill_the_buckets_evenly() {
        const BUCKETS: usize = 1 << 12;
        type Vary = fn(u32) -> Parts;
        let by_slot: Vary = |n| Parts(1, (n, 1));
        let by_life: Vary = |n| Parts(1, (7, n));
        let every_256th: Vary = |n| Parts(1, (n * 256, 3));
        for vary in [by_slot, by_life, every_256th] {
            let hashes: Vec<u64> = (0..BUCKETS as u32).map(|n| hash(vary(n))).collect();
            let buckets: HashSet<u64> = hashes.iter().map(|h| h % BUCKETS as u64).collect();
            // At random 63 in 100 would be hit.
            assert!(
                buckets.len() > BUCKETS / 2,
                "{} of {BUCKETS}",
                buckets.len()
            );
            // What the map compares before the keys themselves.
            let tags: HashSet<u64> = hashes.iter().map(|h| h >> 57).collect();
            assert_eq!(tags.len(), 128);
        }
    }

    #[test]
    fn the_order_of_the_parts_counts() {
        assert_ne!(hash(Parts(1, (2, 3))), hash(Parts(1, (3, 2))));
        assert_ne!(hash(Parts(1, (2, 3))), hash(Parts(2, (1, 3))));
    }
}
