//! Whose memory it is: where a block or a slot goes back to when it is free.
//!
//! A worker cuts its blocks from slabs of its own, and takes its slots from pages of its own. What another
//! worker frees, it sends home, many at a time. Were it to keep them, the two would have neighbours in the
//! end, and each would wait for memory that the other has just written, or that its processor has fetched
//! ahead: `docs/design/blocks.md` has what that costs.
//!
//! A home is a number. Two threads may have the same, and a worker may keep what is another's: that is slower, and
//! no more. But what goes back to the store goes to the heap of its own home, whose lock guards it.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// One thread's memory, or [`NOBODY`](Home::NOBODY)'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Home(u16);

impl Home {
    /// What threads use that are no workers.
    pub(crate) const NOBODY: Home = Home(0);

    /// How many there are, with nobody's.
    pub(crate) const COUNT: usize = 1 << 10;

    pub(crate) const fn from_number(number: u16) -> Home {
        Home(number)
    }

    pub(crate) const fn number(self) -> u16 {
        self.0
    }
}

/// A home that is this one's alone while it lives. Whoever comes next inherits what is left in it.
#[derive(Debug)]
pub(crate) struct OwnHome(Home);

/// The numbers that are not in use.
struct Vacant {
    /// Were in use before.
    left: BTreeSet<u16>,
    /// This one and all above have never been.
    fresh: u16,
}

static VACANT: Mutex<Vacant> = Mutex::new(Vacant::new());

impl Vacant {
    const fn new() -> Vacant {
        Vacant {
            left: BTreeSet::new(),
            fresh: 1,
        }
    }

    /// The lowest number; nobody's, if all are in use.
    fn take(&mut self) -> Home {
        let number = self.left.pop_first().or_else(|| {
            let fresh = Some(self.fresh).filter(|fresh| usize::from(*fresh) < Home::COUNT);
            self.fresh += u16::from(fresh.is_some());
            fresh
        });
        number.map_or(Home::NOBODY, Home)
    }

    fn give_back(&mut self, home: Home) {
        if home != Home::NOBODY {
            self.left.insert(home.0);
        }
    }
}

impl OwnHome {
    pub(crate) fn take() -> OwnHome {
        OwnHome(VACANT.lock().take())
    }

    pub(crate) fn get(&self) -> Home {
        self.0
    }
}

impl Drop for OwnHome {
    fn drop(&mut self) {
        VACANT.lock().give_back(self.0);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_one_threads_alone_and_the_next_one_inherits_it() {
        let mut vacant = Vacant::new();
        let homes = [vacant.take(), vacant.take(), vacant.take()];
        assert_eq!(homes, [1, 2, 3].map(Home));
        vacant.give_back(homes[1]);
        vacant.give_back(homes[0]);
        assert_eq!(
            [vacant.take(), vacant.take(), vacant.take()],
            [1, 2, 4].map(Home)
        );
    }

    #[test]
    fn where_there_are_more_threads_than_homes_the_rest_have_nobodys() {
        let mut vacant = Vacant::new();
        let taken: Vec<_> = (1..Home::COUNT).map(|_| vacant.take()).collect();
        assert!(taken.is_sorted() && !taken.contains(&Home::NOBODY));
        assert_eq!([vacant.take(), vacant.take()], [Home::NOBODY; 2]);
        vacant.give_back(Home::NOBODY);
        assert_eq!(vacant.take(), Home::NOBODY);
        vacant.give_back(Home(77));
        assert_eq!(vacant.take(), Home(77));
    }
}
