//! The ordered set of children, and what each is doing now.
//!
//! A slab with a list through it: a child keeps its place in the order whatever happens to it, and
//! is found by its key, its pid or its id without a search. Adding, removing and looking up take
//! constant time, with one child as with a million.
//!
//! A child is one line of memory: see [`Slots`].

use std::collections::HashMap;
use std::hash::Hash;
use std::iter;
use std::sync::Arc;

use rekindle_actor::{Pid, Time};

pub(crate) use crate::slots::Key;
use crate::slots::{Slot, Slots};
use crate::spec::{ChildKind, ChildSpec, StartFn};
use crate::terms::{Terms, TermsBook, TermsKey};

/// What a child is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State<P = Pid> {
    /// It has ended, was stopped, or never ran.
    Stopped,
    /// It runs.
    Running(P),
    /// It is to be started again, by the retry that carries this number.
    Restarting(u32),
}

/// The same without what it comes with, which has its room in the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Stopped,
    Running,
    Restarting,
}

/// A child, in a line of memory.
#[repr(align(64))]
struct Entry<P> {
    terms: TermsKey,
    start: Option<StartFn>,
    /// The process that runs, or that ran last.
    process: Option<P>,
    phase: Phase,
    /// The number of the last retry.
    retry: u32,
    /// Restarts in a row, for back-off; 255 are as good as more.
    attempts: u8,
    /// When it was started last, for back-off.
    started_at: Time,
    before: Option<Key>,
    after: Option<Key>,
    /// The next one that is looked for in the same place.
    link: Option<Key>,
}

impl<P: Copy + Eq + Hash> Slot for Entry<P> {
    type By = P;

    /// It runs, or is about to have a successor.
    fn found_by(&self) -> Option<P> {
        self.process.filter(|_| self.phase != Phase::Stopped)
    }

    fn link(&self) -> Option<Key> {
        self.link
    }

    fn link_mut(&mut self) -> &mut Option<Key> {
        &mut self.link
    }
}

impl<P: Copy> Entry<P> {
    fn state(&self) -> State<P> {
        match (self.phase, self.process) {
            (Phase::Running, Some(process)) => State::Running(process),
            (Phase::Restarting, _) => State::Restarting(self.retry),
            _ => State::Stopped,
        }
    }
}

/// A child, as others see it.
pub(crate) struct Child<'a, P = Pid> {
    pub(crate) terms: &'a Terms,
    entry: &'a Entry<P>,
}

impl<P: Copy> Child<'_, P> {
    pub(crate) fn state(&self) -> State<P> {
        self.entry.state()
    }

    /// What it is started by.
    pub(crate) fn spec(&self) -> ChildSpec {
        self.terms.with_start(self.entry.start.clone())
    }
}

/// How many children there are, and of what kind.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_supervisor::{ChildSpec, Supervisor};
/// use std::time::Duration;
///
/// let work = ChildSpec::task(|| rekindle_actor::sleep(Duration::from_secs(60)));
/// let tree = Supervisor::one_for_one().child(work).start_link().await.unwrap();
/// let count = tree.count_children().await.unwrap();
/// assert_eq!((count.specs, count.active, count.workers, count.supervisors), (1, 1, 1, 0));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ChildCount {
    /// Children, running or not.
    pub specs: usize,
    /// Those that run.
    pub active: usize,
    /// Those that are supervisors, running or not.
    pub supervisors: usize,
    /// Those that are workers, running or not.
    pub workers: usize,
}

/// The children of one supervisor.
pub(crate) struct Children<P = Pid> {
    /// Those that run are found by their processes, those between two lives by the ones that have ended.
    slots: Slots<Entry<P>>,
    first: Option<Key>,
    last: Option<Key>,
    terms: TermsBook,
    by_id: HashMap<Arc<str>, Key>,
    count: ChildCount,
    /// Significant children that run, or are to be started again.
    significant: usize,
}

impl<P: Copy + Eq + Hash> Children<P> {
    pub(crate) fn new() -> Self {
        Children {
            slots: Slots::new(),
            first: None,
            last: None,
            terms: TermsBook::default(),
            by_id: HashMap::new(),
            count: ChildCount::default(),
            significant: 0,
        }
    }

    /// Adds a child at the end of the order, under its id. `process` is the one it runs as, if it does.
    pub(crate) fn push(&mut self, spec: ChildSpec, process: Option<P>) -> Key {
        let id = spec.id.clone();
        let key = self.push_nameless(spec, process);
        let before = self.by_id.insert(id, key);
        debug_assert!(before.is_none(), "ids are checked before a child is added");
        key
    }

    /// Adds a child that cannot be found by its id, which others may share.
    pub(crate) fn push_nameless(&mut self, spec: ChildSpec, process: Option<P>) -> Key {
        self.count.specs += 1;
        *self.kind_count(spec.kind) += 1;
        let mut phase = Phase::Stopped;
        if process.is_some() {
            phase = Phase::Running;
            self.count.active += 1;
            self.significant += usize::from(spec.significant);
        }
        let (terms, start) = self.terms.enter(spec);
        let entry = Entry {
            terms,
            start,
            process,
            phase,
            retry: 0,
            attempts: 0,
            started_at: Time::ZERO,
            before: self.last,
            after: None,
            link: None,
        };
        let key = self.slots.insert(entry);
        match self.last {
            Some(last) => self.entry(last).after = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
        self.slots.show(key);
        key
    }

    /// Takes a child out.
    pub(crate) fn remove(&mut self, key: Key) {
        self.slots.hide(key);
        let Some(entry) = self.slots.get_mut(key) else {
            return;
        };
        // Not the whole entry, for a copy of it would have to wait for what was just written. What it was started
        // with is the user's, and dropped when the books are in order.
        let Entry {
            terms: terms_key,
            phase,
            before,
            after,
            ..
        } = *entry;
        let _start = entry.start.take();
        self.slots.remove(key);
        match before {
            Some(before) => self.entry(before).after = after,
            None => self.first = after,
        }
        match after {
            Some(after) => self.entry(after).before = before,
            None => self.last = before,
        }
        let terms = self.terms.get(terms_key);
        if self.by_id.get(&terms.id) == Some(&key) {
            self.by_id.remove(&terms.id);
        }
        let (kind, significant) = (terms.kind, terms.significant);
        self.terms.leave(terms_key);
        self.significant -= usize::from(significant && phase != Phase::Stopped);
        self.count.active -= usize::from(phase == Phase::Running);
        self.count.specs -= 1;
        *self.kind_count(kind) -= 1;
    }

    pub(crate) fn get(&self, key: Key) -> Option<Child<'_, P>> {
        let entry = self.slots.get(key)?;
        let terms = self.terms.get(entry.terms);
        Some(Child { terms, entry })
    }

    /// When the child was started last, and how often it has been restarted in a row, to be changed.
    pub(crate) fn history(&mut self, key: Key) -> Option<(&mut Time, &mut u8)> {
        let entry = self.slots.get_mut(key)?;
        Some((&mut entry.started_at, &mut entry.attempts))
    }

    /// The child that runs as this process.
    pub(crate) fn by_pid(&self, process: P) -> Option<Key> {
        self.find(process, Phase::Running)
    }

    /// The child that is to be started again, and was this process before.
    pub(crate) fn by_former_pid(&self, process: P) -> Option<Key> {
        self.find(process, Phase::Restarting)
    }

    fn find(&self, process: P, phase: Phase) -> Option<Key> {
        let key = self.slots.find(process)?;
        (self.slots.get(key)?.phase == phase).then_some(key)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<Key> {
        self.by_id.get(id).copied()
    }

    /// Notes what a child is doing now.
    pub(crate) fn set_state(&mut self, key: Key, state: State<P>) {
        let Some(entry) = self.slots.get_mut(key) else {
            return;
        };
        let was = entry.phase;
        // The process with which it ended stays, and it is found by that if it is about to have a successor.
        let stays = was == Phase::Running && matches!(state, State::Restarting(_));
        if !stays {
            self.slots.hide(key);
        }
        let Some(entry) = self.slots.get_mut(key) else {
            return;
        };
        match state {
            State::Stopped => entry.phase = Phase::Stopped,
            State::Running(process) => {
                entry.phase = Phase::Running;
                entry.process = Some(process);
            }
            State::Restarting(number) => {
                entry.phase = Phase::Restarting;
                entry.retry = number;
            }
        }
        let now = entry.phase;
        if self.terms.get(entry.terms).significant {
            self.significant += usize::from(now != Phase::Stopped);
            self.significant -= usize::from(was != Phase::Stopped);
        }
        self.count.active += usize::from(now == Phase::Running);
        self.count.active -= usize::from(was == Phase::Running);
        if !stays {
            self.slots.show(key);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count.specs
    }

    pub(crate) fn count(&self) -> ChildCount {
        self.count
    }

    /// Significant children that run, or are to be started again.
    pub(crate) fn significant(&self) -> usize {
        self.significant
    }

    /// The children in start order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.keys_from(self.first)
    }

    /// A child and those after it, in start order.
    pub(crate) fn keys_from(&self, first: Option<Key>) -> impl Iterator<Item = Key> + '_ {
        iter::successors(first, |key| self.slots.get(*key)?.after)
    }

    /// The children, the last one first.
    pub(crate) fn keys_backwards(&self) -> impl Iterator<Item = Key> + '_ {
        iter::successors(self.last, |key| self.before(*key))
    }

    /// The last child.
    pub(crate) fn last(&self) -> Option<Key> {
        self.last
    }

    /// The child before that one.
    pub(crate) fn before(&self, key: Key) -> Option<Key> {
        self.slots.get(key)?.before
    }

    fn entry(&mut self, key: Key) -> &mut Entry<P> {
        self.slots
            .get_mut(key)
            .expect("the list names children only")
    }

    fn kind_count(&mut self, kind: ChildKind) -> &mut usize {
        match kind {
            ChildKind::Worker => &mut self.count.workers,
            ChildKind::Supervisor => &mut self.count.supervisors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(id: &str) -> ChildSpec {
        ChildSpec::task(|| async {}).id(id)
    }

    #[test]
    fn a_child_is_a_line() {
        assert_eq!(size_of::<Option<Entry<Pid>>>(), 64);
    }

    fn ids(children: &Children<u32>) -> Vec<String> {
        children
            .keys()
            .map(|key| children.get(key).unwrap().terms.id.to_string())
            .collect()
    }

    #[test]
    fn children_keep_their_order() {
        let mut children = Children::<u32>::new();
        let keys = ["a", "b", "c", "d"].map(|id| children.push(spec(id), None));
        children.remove(keys[1]);
        children.push(spec("e"), None);
        assert_eq!(ids(&children), ["a", "c", "d", "e"]);
        let backwards: Vec<Key> = children.keys_backwards().collect();
        let mut forwards: Vec<Key> = children.keys().collect();
        forwards.reverse();
        assert_eq!(backwards, forwards);
        for key in forwards {
            children.remove(key);
        }
        assert_eq!((children.len(), children.keys().count()), (0, 0));
        children.push(spec("a"), None);
        assert_eq!(ids(&children), ["a"]);
    }

    #[test]
    fn children_are_found_by_pid_and_by_id() {
        let mut children = Children::<u32>::new();
        let one = children.push(spec("one"), None);
        let two = children.push(spec("two"), None);
        children.set_state(one, State::Running(7));
        children.set_state(two, State::Running(8));
        assert_eq!(children.by_pid(8), Some(two));
        assert_eq!(children.by_id("one"), Some(one));
        children.set_state(one, State::Restarting(1));
        assert_eq!(children.by_pid(7), None);
        assert_eq!(children.by_former_pid(7), Some(one));
        let count = ChildCount {
            specs: 2,
            active: 1,
            supervisors: 0,
            workers: 2,
        };
        assert_eq!(children.count(), count);
        children.remove(two);
        assert_eq!((children.by_pid(8), children.by_id("two")), (None, None));
        children.set_state(one, State::Running(9));
        assert_eq!(children.by_former_pid(7), None);
        children.set_state(one, State::Restarting(2));
        children.remove(one);
        assert_eq!(children.by_former_pid(9), None);
    }

    #[test]
    fn nameless_children_may_share_an_id() {
        let mut children = Children::<u32>::new();
        let one = children.push_nameless(spec("same"), None);
        let two = children.push_nameless(spec("same"), None);
        assert_eq!(children.by_id("same"), None);
        children.remove(one);
        assert!(children.get(two).is_some());
    }

    #[test]
    fn significant_children_are_counted_while_they_may_go_on() {
        let mut children = Children::<u32>::new();
        let one = children.push(spec("one").significant(true), None);
        children.set_state(one, State::Running(1));
        assert_eq!(children.significant(), 1);
        children.set_state(one, State::Restarting(1));
        assert_eq!(children.significant(), 1);
        children.remove(one);
        assert_eq!(children.significant(), 0);
    }

    proptest::proptest! {
        /// Whatever is added, removed and changed: order, look-ups and counts are those of a list.
        #[test]
        fn a_set_of_children_is_as_a_list(
            steps in proptest::collection::vec((0..4_u8, 0..12_u32), 0..80),
        ) {
            let mut children = Children::<u32>::new();
            // Id, key, state, significant.
            let mut list: Vec<(String, Key, State<u32>, bool)> = Vec::new();
            for (n, (deed, pick)) in (0..).zip(steps) {
                let at = (pick as usize).checked_rem(list.len());
                match (deed, at) {
                    (0, _) | (_, None) => {
                        let (id, significant) = (n.to_string(), pick % 2 == 0);
                        let process = (pick % 3 == 0).then_some(n);
                        let key = children.push(spec(&id).significant(significant), process);
                        let state = process.map_or(State::Stopped, State::Running);
                        list.push((id, key, state, significant));
                    }
                    (1, Some(at)) => {
                        let (_, key, ..) = list.remove(at);
                        children.remove(key);
                        proptest::prop_assert!(children.get(key).is_none());
                    }
                    (deed, Some(at)) => {
                        let state = [State::Running(n), State::Restarting(7), State::Stopped]
                            [(deed as usize + pick as usize) % 3];
                        children.set_state(list[at].1, state);
                        list[at].2 = state;
                    }
                }
                let keys: Vec<Key> = list.iter().map(|(_, key, ..)| *key).collect();
                proptest::prop_assert_eq!(children.keys().collect::<Vec<_>>(), keys.clone());
                let mut backwards: Vec<Key> = children.keys_backwards().collect();
                backwards.reverse();
                proptest::prop_assert_eq!(backwards, keys);
                let is_active = |state: &State<u32>| matches!(state, State::Running(_));
                let active = list.iter().filter(|(_, _, state, _)| is_active(state)).count();
                let matters = |state: &State<u32>| *state != State::Stopped;
                let significant = list.iter().filter(|(_, _, s, sig)| *sig && matters(s)).count();
                proptest::prop_assert_eq!(children.count().active, active);
                proptest::prop_assert_eq!(children.count().workers, list.len());
                proptest::prop_assert_eq!(children.significant(), significant);
                for (id, key, state, _) in &list {
                    proptest::prop_assert_eq!(children.by_id(id), Some(*key));
                    if let State::Running(pid) = state {
                        proptest::prop_assert_eq!(children.by_pid(*pid), Some(*key));
                    }
                }
                proptest::prop_assert_eq!(children.by_pid(u32::MAX), None);
            }
        }
    }
}
