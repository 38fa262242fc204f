//! Messages that are counted from their making to their end, however they end.
//!
//! Each [`Ticket`] has a number, and ends in one of three ways: it is handled, it comes back to its
//! sender, or it is dropped (with the mailbox of a process that died, or by a mailbox's policy). The
//! ledger counts the tickets of each fate, and adds up a hash of their numbers: if a ticket is lost,
//! or ends twice, the sums differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count, and the sum of the hashes of what was counted.
#[derive(Debug, Default)]
struct Column {
    count: AtomicU64,
    hashes: AtomicU64,
}

impl Column {
    fn add(&self, number: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.hashes.fetch_add(mixed(number), Ordering::Relaxed);
    }

    fn read(&self) -> (u64, u64) {
        (
            self.count.load(Ordering::Relaxed),
            self.hashes.load(Ordering::Relaxed),
        )
    }
}

/// What became of the tickets made with it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sent: Column,
    handled: Column,
    refused: Column,
    dropped: Column,
}

/// The counts of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) sent: u64,
    pub(crate) handled: u64,
    pub(crate) refused: u64,
    pub(crate) dropped: u64,
    /// Whether the sums of the hashes agree as well.
    pub(crate) same: bool,
}

impl Balance {
    pub(crate) fn holds(self) -> bool {
        self.same && self.sent == self.handled + self.refused + self.dropped
    }
}

impl Ledger {
    pub(crate) fn ticket(self: &Arc<Self>, from: u64, sequence: u64) -> Ticket {
        let number = self.sent.count.fetch_add(1, Ordering::Relaxed);
        self.sent.hashes.fetch_add(mixed(number), Ordering::Relaxed);
        Ticket {
            ledger: self.clone(),
            number,
            from,
            sequence,
            fate: Fate::Dropped,
        }
    }

    /// Meaningful once nobody sends.
    pub(crate) fn balance(&self) -> Balance {
        let (sent, all) = self.sent.read();
        let (handled, first) = self.handled.read();
        let (refused, second) = self.refused.read();
        let (dropped, third) = self.dropped.read();
        Balance {
            sent,
            handled,
            refused,
            dropped,
            same: all == first.wrapping_add(second).wrapping_add(third),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Handled,
    Refused,
    Dropped,
}

/// One message's entry in a ledger. Its end is noted when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    ledger: Arc<Ledger>,
    number: u64,
    /// Who sent it, among all senders there ever were.
    pub(crate) from: u64,
    /// Its place in the row from this sender to this receiver.
    pub(crate) sequence: u64,
    fate: Fate,
}

impl Ticket {
    pub(crate) fn handled(mut self) {
        self.fate = Fate::Handled;
    }

    pub(crate) fn refused(mut self) {
        self.fate = Fate::Refused;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match self.fate {
            Fate::Handled => self.ledger.handled.add(self.number),
            Fate::Refused => self.ledger.refused.add(self.number),
            Fate::Dropped => self.ledger.dropped.add(self.number),
        }
    }
}

/// Spreads numbers over all 64 bits (the finisher of SplitMix64), so that no two small sets of
/// numbers are likely to have one sum.
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
