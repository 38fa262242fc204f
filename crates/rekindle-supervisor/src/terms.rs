//! What is said of children: everything of a specification but the start.
//!
//! A dynamic supervisor's children are of few kinds, and there may be a million of them. What all of one kind
//! have in common is kept once.

use std::sync::Arc;

use slab::Slab;

use crate::spec::{ChildKind, ChildSpec, Restart, Shutdown, StartFn};

/// A specification without its start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) id: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) kind: ChildKind,
    pub(crate) significant: bool,
}

impl Terms {
    pub(crate) fn of(spec: ChildSpec) -> (Terms, Option<StartFn>) {
        let ChildSpec {
            id,
            restart,
            shutdown,
            kind,
            significant,
            start,
        } = spec;
        let terms = Terms {
            id,
            restart,
            shutdown,
            kind,
            significant,
        };
        (terms, start)
    }

    /// The specification that these are of.
    pub(crate) fn with_start(&self, start: Option<StartFn>) -> ChildSpec {
        ChildSpec {
            id: self.id.clone(),
            restart: self.restart,
            shutdown: self.shutdown,
            kind: self.kind,
            significant: self.significant,
            start,
        }
    }
}

/// Where terms are in their book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TermsKey(u32);

/// Terms, and how many children each are of.
///
/// Those that are looked through stay when their last child has gone, until others need their place: where
/// children come and go, the next one is often of the same kind.
#[derive(Debug, Default)]
pub(crate) struct TermsBook(Slab<(Terms, u32)>);

/// How many terms are looked through for some that are the same. Of others each child has its own.
const MOST: usize = 8;

impl TermsBook {
    /// Enters a child.
    pub(crate) fn enter(&mut self, spec: ChildSpec) -> (TermsKey, Option<StartFn>) {
        let (terms, start) = Terms::of(spec);
        let at = if let Some(same) = self.among_first(|(known, _)| *known == terms) {
            self.0[same].1 += 1;
            same
        } else if let Some(free) = self.among_first(|(_, children)| *children == 0) {
            self.0[free] = (terms, 1);
            free
        } else {
            self.0.insert((terms, 1))
        };
        // As many as children at most, and they have 32 bits.
        (TermsKey(at as u32), start)
    }

    /// The first of those that are looked through for which this is so.
    fn among_first(&self, is_so: impl Fn(&(Terms, u32)) -> bool) -> Option<usize> {
        (0..MOST).find(|&at| self.0.get(at).is_some_and(&is_so))
    }

    /// Takes one of the children out that these are of.
    pub(crate) fn leave(&mut self, key: TermsKey) {
        let at = key.0 as usize;
        let (_, children) = &mut self.0[at];
        *children -= 1;
        if *children == 0 && at >= MOST {
            self.0.remove(at);
        }
    }

    pub(crate) fn get(&self, key: TermsKey) -> &Terms {
        &self.0[key.0 as usize].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(id: &str) -> ChildSpec {
        ChildSpec::task(|| async {}).id(id)
    }

    #[test]
    fn children_of_one_kind_share_their_terms() {
        let mut book = TermsBook::default();
        let keys = ["a", "b", "a"].map(|id| book.enter(spec(id)).0);
        assert_eq!((keys[0], book.0.len()), (keys[2], 2));
        book.leave(keys[0]);
        assert_eq!(&*book.get(keys[2]).id, "a");
        book.leave(keys[2]);
        assert_eq!(&*book.get(keys[1]).id, "b");
    }

    #[test]
    fn terms_that_are_of_nobody_wait_for_the_next_child_of_theirs() {
        let mut book = TermsBook::default();
        let keys = ["a", "b"].map(|id| book.enter(spec(id)).0);
        book.leave(keys[0]);
        assert_eq!(book.enter(spec("a")).0, keys[0]);
        // Once they are of nobody again, others take their place.
        book.leave(keys[0]);
        assert_eq!(book.enter(spec("c")).0, keys[0]);
        let ids = keys.map(|key| book.get(key).id.to_string());
        assert_eq!((ids, book.0.len()), (["c".into(), "b".into()], 2));
    }

    #[test]
    fn as_many_terms_are_of_nobody_as_are_looked_through() {
        let mut book = TermsBook::default();
        let ids = (0..3 * MOST).map(|n| n.to_string());
        let keys: Vec<_> = ids.map(|id| book.enter(spec(&id)).0).collect();
        assert_eq!(book.0.len(), keys.len());
        keys.into_iter().for_each(|key| book.leave(key));
        assert_eq!(book.0.len(), MOST);
    }

    #[test]
    fn whatever_differs_is_kept_apart() {
        let mut book = TermsBook::default();
        let rows = [
            spec("a"),
            spec("b"),
            spec("a").restart(Restart::Transient),
            spec("a").shutdown(Shutdown::Kill),
            spec("a").significant(true),
            ChildSpec {
                kind: ChildKind::Supervisor,
                ..spec("a")
            },
        ];
        let keys = rows.clone().map(|spec| book.enter(spec).0);
        assert_eq!(book.0.len(), rows.len());
        for (key, row) in keys.into_iter().zip(rows) {
            let (terms, start) = Terms::of(row);
            assert_eq!(*book.get(key), terms);
            assert_eq!(format!("{:?}", terms.with_start(start.clone())), {
                let again = book.get(key).with_start(start);
                format!("{again:?}")
            });
        }
    }

    #[test]
    fn very_many_kinds_are_not_looked_through() {
        let mut book = TermsBook::default();
        let kinds = 2 * MOST;
        for _ in 0..2 {
            (0..kinds).for_each(|n| drop(book.enter(spec(&n.to_string()))));
        }
        assert_eq!(book.0.len(), kinds + MOST);
    }
}
