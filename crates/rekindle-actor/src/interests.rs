//! What a process wants to hear of those it is linked with, beside their exits.

use std::sync::atomic::{AtomicU8, Ordering};

/// One thing to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Interest {
    /// The crash reports of its children: see [`report_for_children`](crate::report_for_children).
    Reports = 1,
    /// Links that the other end takes away: see [`Mailbox::hear_unlinks`](crate::Mailbox::hear_unlinks).
    Unlinks = 2,
}

/// A set of them, in a byte: every process has one. Written by the process itself only.
#[derive(Debug, Default)]
pub(crate) struct Interests(AtomicU8);

impl Interests {
    pub(crate) fn set(&self, interest: Interest, on: bool) {
        let others = self.0.load(Ordering::Relaxed) & !(interest as u8);
        let this = if on { interest as u8 } else { 0 };
        self.0.store(others | this, Ordering::Relaxed);
    }

    pub(crate) fn has(&self, interest: Interest) -> bool {
        self.0.load(Ordering::Relaxed) & interest as u8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interest_is_set_by_itself() {
        let interests = Interests::default();
        let all = [Interest::Reports, Interest::Unlinks];
        assert!(!all.iter().any(|one| interests.has(*one)));
        for one in all {
            interests.set(one, true);
            assert!(interests.has(one));
        }
        interests.set(Interest::Reports, false);
        assert_eq!(all.map(|one| interests.has(one)), [false, true]);
    }
}
