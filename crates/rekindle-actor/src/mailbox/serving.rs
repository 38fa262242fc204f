//! What a process keeps of the request that it received last: one word.
//!
//! | word                   | meaning                                                                  |
//! |------------------------|--------------------------------------------------------------------------|
//! | 0                      | it was no request, or nobody's that is a process, or it is handled       |
//! | a block's address      | the request, which has no answer yet of this process                     |
//! | odd                    | it has been answered: who sent it, packed                                |
//! | 1                      | the same, and who sent it is written with what is rare                   |
//!
//! Who sent a request is asked for when it has been answered, too: by the crash report of a process that
//! answers, and fails then.

use std::mem::ManuallyDrop;
use std::ptr;

use rekindle_scheduler::TaskId;

use super::reply::{Head, Served};
use crate::pid::Pid;

/// See the head of the file.
pub(crate) struct Serving(*mut Head);

// SAFETY: it is a `Served`, which goes from thread to thread, or a number.
unsafe impl Send for Serving {}

/// No process is packed like this: lives are counted from one.
const ELSEWHERE: usize = 1;

/// Who sent the request that was received last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Nobody,
    Process(Pid),
    /// It is written with what is rare.
    Elsewhere,
}

impl Serving {
    pub(crate) const NOTHING: Serving = Serving(ptr::null_mut());

    #[inline]
    fn is_request(&self) -> bool {
        !self.is_nothing() && self.0.addr() & 1 == 0
    }

    /// A request has been received. The one before is settled.
    #[inline]
    pub(super) fn begin(&mut self, served: Served) {
        debug_assert!(!self.is_request(), "the request before was not settled");
        self.0 = served.into_raw().as_ptr();
    }

    /// The request, if it is to be answered.
    #[inline]
    pub(crate) fn request(&self) -> Option<ManuallyDrop<Served>> {
        let head = ptr::NonNull::new(self.0).filter(|_| self.is_request())?;
        // SAFETY: it came out of a `Served`, of which we are the only one; it is lent, and not dropped.
        Some(ManuallyDrop::new(unsafe { Served::from_raw(head) }))
    }

    /// Forgets all, and gives the request, if it is to be answered.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Served> {
        let served = self.request();
        self.0 = ptr::null_mut();
        served.map(ManuallyDrop::into_inner)
    }

    /// Takes the request, if `is_it`, to be answered by a process of the runtime `node`; keeps who sent it, or
    /// says who it is that must be written elsewhere.
    #[inline]
    pub(crate) fn answer(
        &mut self,
        is_it: impl FnOnce(&Served) -> bool,
        node: u32,
    ) -> Option<(Served, Option<Pid>)> {
        let served = self.request().filter(|served| is_it(served))?;
        let (word, elsewhere) = match served.caller() {
            None => (0, None),
            Some(caller) => match pack(caller, node) {
                Some(word) => (word, None),
                None => (ELSEWHERE, Some(caller)),
            },
        };
        self.0 = ptr::without_provenance_mut(word);
        Some((ManuallyDrop::into_inner(served), elsewhere))
    }

    /// Who sent it; `node` is the runtime of the process whose word this is.
    pub(crate) fn sender(&self, node: u32) -> Sender {
        if let Some(served) = self.request() {
            return served.caller().map_or(Sender::Nobody, Sender::Process);
        }
        match self.0.addr() {
            0 => Sender::Nobody,
            ELSEWHERE => Sender::Elsewhere,
            word => Sender::Process(unpack(word, node)),
        }
    }

    /// Whether the word says nothing. Then there is no request that is to be answered.
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_null()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// A process of the runtime `node` as an odd number, unless its slot has had more lives than 31 bits count.
#[inline]
fn pack(pid: Pid, node: u32) -> Option<usize> {
    let (index, generation) = (pid.task().index(), pid.task().generation());
    let fits = pid.node() == node && generation < 1 << 31;
    let word = u64::from(index) << 32 | u64::from(generation) << 1 | 1;
    usize::try_from(word).ok().filter(|_| fits)
}

fn unpack(word: usize, node: u32) -> Pid {
    let word = word as u64;
    let task = TaskId::from_parts((word >> 32) as u32, word as u32 >> 1);
    Pid::new(node, task)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pid(node: u32, index: u32, generation: u32) -> Pid {
        Pid::new(node, TaskId::from_parts(index, generation))
    }

    #[test]
    fn who_is_packed_is_unpacked_and_who_is_not_is_told() {
        let most = (1 << 31) - 1;
        for (index, generation) in [(0, 1), (7, 3), (u32::MAX, most), (1 << 31, 1 << 30)] {
            let pid = pid(4, index, generation);
            let word = pack(pid, 4).unwrap();
            assert_eq!((word & 1, unpack(word, 4)), (1, pid));
            assert_eq!(pack(pid, 5), None, "of another runtime");
        }
        assert_eq!(pack(pid(4, 7, most + 1), 4), None);
    }

    #[test]
    fn an_empty_word_has_nobody() {
        let mut serving = Serving::NOTHING;
        assert!(serving.is_nothing() && serving.request().is_none());
        assert_eq!(serving.sender(1), Sender::Nobody);
        assert!(serving.take().is_none() && serving.answer(|_| true, 1).is_none());
    }
}
