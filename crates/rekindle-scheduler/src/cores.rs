//! The cores that live, each by a number of two bytes: every task keeps one, and there are many tasks.
//!
//! Invariant: while a [`Place`] lives, the number in it is nobody else's, and leads to the core that was put there.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::core::Core;

/// As many cores as may live at a time.
const MOST: usize = 1 << u16::BITS;

/// By number. What was never in use takes no memory: it is a page of zeros, which nobody has looked at.
static CORES: [Entry; MOST] = [const { Entry::empty() }; MOST];

/// A core and its id, which is asked for more often than anything else of it.
struct Entry {
    core: AtomicPtr<Core>,
    id: AtomicU32,
}

impl Entry {
    const fn empty() -> Entry {
        Entry {
            core: AtomicPtr::new(ptr::null_mut()),
            id: AtomicU32::new(0),
        }
    }
}

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers {
    never_used: 0,
    given_back: Vec::new(),
});

/// The numbers that no core has.
struct Numbers {
    /// This one, and all above it.
    never_used: usize,
    given_back: Vec<u16>,
}

impl Numbers {
    fn take(&mut self) -> io::Result<u16> {
        if let Some(number) = self.given_back.pop() {
            return Ok(number);
        }
        let number = u16::try_from(self.never_used).map_err(|_| {
            io::Error::other(format!("{MOST} runtimes live in this program already"))
        })?;
        self.never_used += 1;
        Ok(number)
    }
}

/// The number of a core that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CoreNumber(u16);

impl CoreNumber {
    #[inline]
    fn entry(self) -> &'static Entry {
        &CORES[usize::from(self.0)]
    }

    /// Where the core is; null before it is [put](Place::put) there.
    #[inline]
    pub(crate) fn core(self) -> *mut Core {
        // Relaxed: whoever has the number has it from somebody who had the core.
        self.entry().core.load(Ordering::Relaxed)
    }

    /// The core's id, which no other has or will have.
    #[inline]
    pub(crate) fn id(self) -> u32 {
        // As above.
        self.entry().id.load(Ordering::Relaxed)
    }
}

/// The number of one core, until that is gone.
#[derive(Debug)]
pub(crate) struct Place(CoreNumber);

impl Place {
    /// A place for one core more.
    ///
    /// # Errors
    ///
    /// If there are as many cores as there are numbers.
    pub(crate) fn take() -> io::Result<Place> {
        Ok(Place(CoreNumber(NUMBERS.lock().take()?)))
    }

    #[inline]
    pub(crate) fn number(&self) -> CoreNumber {
        self.0
    }

    pub(crate) fn put(&self, core: *mut Core, id: u32) {
        let entry = self.0.entry();
        entry.core.store(core, Ordering::Relaxed);
        entry.id.store(id, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.put(ptr::null_mut(), 0);
        NUMBERS.lock().given_back.push(self.0.0);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_cores_until_that_is_gone() {
        let mut numbers = Numbers {
            never_used: MOST - 2,
            given_back: Vec::new(),
        };
        assert_eq!(numbers.take().unwrap(), u16::MAX - 1);
        assert_eq!(numbers.take().unwrap(), u16::MAX);
        let full = numbers.take().unwrap_err();
        assert_eq!(
            full.to_string(),
            "65536 runtimes live in this program already"
        );
        numbers.given_back.push(7);
        assert_eq!(numbers.take().unwrap(), 7);
        assert!(numbers.take().is_err());
    }

    #[test]
    fn a_core_is_found_by_its_number() {
        let runtimes = [1, 2].map(crate::Runtime::simulated);
        for runtime in &runtimes {
            let core: *const Core = &raw const **runtime.core();
            let number = runtime.core().number();
            assert!(ptr::eq(number.core(), core));
            assert_eq!(number.id(), runtime.handle().runtime_id());
        }
    }
}
