//! How far the life of a process has come, in one word of which every process has one.

use std::fmt;

/// The stages of a process's life, as it sees them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Lives,
    /// A fatal signal has been received.
    Doomed,
    /// The end has begun.
    Exiting,
    /// Name and pid are gone; what is to be done at exit is done at once from now on.
    Gone,
}

impl Stage {
    const ALL: [Stage; 4] = [Stage::Lives, Stage::Doomed, Stage::Exiting, Stage::Gone];
}

/// The stage, why it ends if that is but a word, and how many serials it has given.
///
/// ```text
///   63                    8 7         3    2     1    0
///  +-----------------------+-----------+--------+------+
///  |      last serial      |  reason   | ending | stage|
///  +-----------------------+-----------+--------+------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(u64);

const STAGE: u64 = 0b11;
const ENDING: u64 = 0b100;
const REASON_SHIFT: u32 = 3;
const REASON: u64 = 0b1_1111 << REASON_SHIFT;
const SERIAL_SHIFT: u32 = 8;

impl Life {
    /// Of a process that is about to begin.
    #[inline]
    pub(crate) const fn new() -> Life {
        Life(Stage::Lives as u64)
    }

    #[inline]
    pub(crate) fn stage(self) -> Stage {
        Stage::ALL[(self.0 & STAGE) as usize]
    }

    #[inline]
    pub(crate) fn set_stage(&mut self, stage: Stage) {
        self.0 = self.0 & !STAGE | stage as u64;
    }

    /// The behaviour has decided to end, and cleans up.
    #[inline]
    pub(crate) fn is_ending(self) -> bool {
        self.0 & ENDING != 0
    }

    #[inline]
    pub(crate) fn set_ending(&mut self) {
        self.0 |= ENDING;
    }

    /// Why it ends, once it is doomed, by its place in `exit::WORDS`.
    #[inline]
    pub(crate) fn word(self) -> usize {
        ((self.0 & REASON) >> REASON_SHIFT) as usize
    }

    #[inline]
    pub(crate) fn set_word(&mut self, place: u8) {
        let place = u64::from(place) << REASON_SHIFT;
        debug_assert!(place <= REASON, "there are few words");
        self.0 = self.0 & !REASON | place;
    }

    /// A number for a link, a monitor or a timer, which this process has not given before: there are enough for
    /// a billion in each second of two years.
    #[inline]
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.0 += 1 << SERIAL_SHIFT;
        self.0 >> SERIAL_SHIFT
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life")
            .field("stage", &self.stage())
            .field("ending", &self.is_ending())
            .field("serial", &(self.0 >> SERIAL_SHIFT))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    #[test]
    fn what_is_noted_changes_nothing_else() {
        let mut life = Life::new();
        assert_eq!(
            (life.stage(), life.is_ending(), life.word()),
            (Stage::Lives, false, 0)
        );
        let mut serial = 0;
        for stage in Stage::ALL {
            for word in 0..exit::WORDS.len() as u8 {
                serial += 1;
                assert_eq!(life.next_serial(), serial);
                life.set_word(word);
                life.set_stage(stage);
                assert_eq!((life.stage(), life.word()), (stage, usize::from(word)));
                assert!(!life.is_ending());
            }
        }
        life.set_ending();
        assert_eq!(life.next_serial(), serial + 1);
        assert_eq!(
            (life.stage(), life.is_ending(), life.word()),
            (Stage::Gone, true, exit::WORDS.len() - 1)
        );
    }

    #[test]
    fn all_words_have_room() {
        assert!(exit::WORDS.len() as u64 <= REASON >> REASON_SHIFT);
    }
}
