//! Latencies: all of them are kept, so that no bucket rounds the tail.

use std::time::Duration;

/// Measured latencies.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// None yet, with room for that many.
    #[must_use]
    pub fn with_capacity(n: usize) -> Latencies {
        Latencies(Vec::with_capacity(n))
    }

    /// One more.
    pub fn add(&mut self, latency: Duration) {
        self.0.push(latency.as_nanos() as u64);
    }

    /// All of another's.
    pub fn extend(&mut self, other: Latencies) {
        self.0.extend(other.0);
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// `count`, `p50`, `p99`, `p999` and `max`, in nanoseconds; zeros if there are none.
    #[must_use]
    pub fn summary(mut self) -> [(&'static str, u64); 5] {
        self.0.sort_unstable();
        let at = |share: f64| {
            let last = self.0.len().saturating_sub(1);
            let index = (self.0.len() as f64 * share) as usize;
            self.0.get(index.min(last)).copied().unwrap_or(0)
        };
        [
            ("count", self.0.len() as u64),
            ("p50", at(0.5)),
            ("p99", at(0.99)),
            ("p999", at(0.999)),
            ("max", at(1.0)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_known_row() {
        let mut latencies = Latencies::default();
        (1..=1000)
            .rev()
            .for_each(|n| latencies.add(Duration::from_nanos(n)));
        let summary = latencies.summary();
        let expected = [
            ("count", 1000),
            ("p50", 501),
            ("p99", 991),
            ("p999", 1000),
            ("max", 1000),
        ];
        assert_eq!(summary, expected);
        assert_eq!(Latencies::default().summary()[4], ("max", 0));
    }
}
