//! Free slots that no worker has, of one home.
//!
//! They come back in the order in which processes end, and are handed out in that of their numbers: neighbours share a
//! line, and what is used in order is fetched before it is asked for.

use std::collections::BTreeMap;

use super::BATCH;

const WORDS: usize = BATCH.div_ceil(64);

/// Numbers of slots, page by page: a bit for each.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: BTreeMap<u32, [u64; WORDS]>,
    len: usize,
}

/// The page of a slot, and its place there.
fn place(index: u32) -> (u32, u32) {
    (index / BATCH as u32, index % BATCH as u32)
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds slots, which are not here yet.
    pub(super) fn extend(&mut self, free: impl IntoIterator<Item = u32>) {
        let mut free = free.into_iter().peekable();
        while let Some(&first) = free.peek() {
            let (page, _) = place(first);
            // Most that come together are of one page.
            let bits = self.pages.entry(page).or_default();
            while let Some(index) = free.next_if(|index| place(*index).0 == page) {
                let (_, n) = place(index);
                let word = &mut bits[n as usize / 64];
                debug_assert_eq!(*word & 1 << (n % 64), 0, "a slot came back twice");
                *word |= 1 << (n % 64);
                self.len += 1;
            }
        }
    }

    /// Takes the lowest one.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let mut entry = self.pages.first_entry()?;
        let page = *entry.key();
        let bits = entry.get_mut();
        let at = bits.iter().position(|word| *word != 0)?;
        let n = at as u32 * 64 + bits[at].trailing_zeros();
        bits[at] &= bits[at] - 1;
        if bits[at..].iter().all(|word| *word == 0) {
            entry.remove();
        }
        self.len -= 1;
        Some(page * BATCH as u32 + n)
    }

    /// Takes those of the lowest pages: half a batch at least, if there are so many. The lowest is the last.
    pub(super) fn take_batch(&mut self) -> Vec<u32> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH.div_ceil(2)
            && let Some((page, bits)) = self.pages.pop_first()
        {
            for (at, mut word) in (0..).step_by(64).zip(bits) {
                while word != 0 {
                    batch.push(page * BATCH as u32 + at + word.trailing_zeros());
                    word &= word - 1;
                }
            }
        }
        self.len -= batch.len();
        batch.reverse();
        batch
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PAGE: u32 = BATCH as u32;

    #[test]
    fn whatever_the_order_in_which_they_come_they_go_by_their_numbers() {
        let mut pages = Pages::default();
        let some = [3 * PAGE, 7, PAGE - 1, 64, 3 * PAGE + 1, 0];
        pages.extend(some);
        assert_eq!(pages.len(), some.len());
        let taken: Vec<_> = std::iter::from_fn(|| pages.pop()).collect();
        assert_eq!(taken, [0, 7, 64, PAGE - 1, 3 * PAGE, 3 * PAGE + 1]);
        assert_eq!((pages.len(), pages.pop()), (0, None));
        pages.extend(some);
        let mut batch = pages.take_batch();
        batch.reverse();
        assert_eq!(batch, taken);
        assert_eq!(pages.len(), 0);
        assert!(pages.take_batch().is_empty());
    }

    #[test]
    fn a_batch_is_of_whole_pages() {
        let mut pages = Pages::default();
        pages.extend((0..3 * PAGE).filter(|index| index % 3 == 0));
        let batch = pages.take_batch();
        assert_eq!(batch.len() as u32, (2 * PAGE).div_ceil(3));
        assert!(batch.iter().rev().copied().eq((0..2 * PAGE).step_by(3)));
        assert_eq!(pages.len() as u32, PAGE - (2 * PAGE).div_ceil(3));
        assert_eq!(pages.pop(), Some((2 * PAGE).next_multiple_of(3)));
    }
}
