//! Which of the things that can happen next does.
//!
//! | [`Exploration`] | picks                                                    | finds                    |
//! |-----------------|----------------------------------------------------------|--------------------------|
//! | `Random`        | any entry, each as likely as the others                  | what many orders show    |
//! | `Priorities`    | the entry of the highest priority; a few changes on the way | what few orders show  |
//!
//! `Priorities` is PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte 2010). Each task has a random
//! priority, and at `changes` random steps the task that would run next is put behind. A bug that
//! needs `d` turns in a certain order is found in one run with a probability of at least
//! `1 / (n * k^(d-1))` for `n` tasks and `k` steps, with `d - 1` changes: however unlikely it is
//! that a coin for each step hits that order.
//!
//! The published scheduler lets a task that never waits starve all others, which here would be a
//! run without an end. So a task that comes [`IN_A_ROW`] times in a row while others could run is
//! put behind, and each [`PATIENCE`]th step takes the entry that has waited longest.

use std::collections::BTreeMap;

use crate::random::SplitMix64;

/// Turns in a row after which a task is put behind.
const IN_A_ROW: u32 = 256;
/// Each so many steps the oldest entry comes.
const PATIENCE: u64 = 4096;

/// Priorities at the start are at least this; those who are put behind have less.
const HIGH: u64 = 1 << 63;
/// Changes give a random priority between this and `HIGH`; who hogs gets less.
const LOW: u64 = 1 << 32;

/// How a simulation picks what happens next. Whatever it is, the picks follow from the seed.
///
/// ```
/// use rekindle_scheduler::{Builder, Exploration, spawn};
/// use std::collections::BTreeSet;
///
/// // For what goes wrong when two turns come in a certain order, in runs of about 20 steps.
/// let rare = Exploration::Priorities { changes: 1, steps: 20 };
/// let first_word = |seed| {
///     Builder::new().exploration(rare).simulated(seed).block_on(async {
///         let (say, said) = std::sync::mpsc::channel();
///         let tasks = ["ping", "pong"].map(|word| {
///             let say = say.clone();
///             spawn(async move { say.send(word).unwrap() })
///         });
///         for task in tasks { task.await.unwrap() }
///         said.recv().unwrap()
///     })
/// };
/// let seen: BTreeSet<&str> = (0..20).map(first_word).collect();
/// assert_eq!(seen.len(), 2); // either was first under some seed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Exploration {
    /// Each of the things that can happen is as likely as the others. The default.
    #[default]
    Random,
    /// By random priorities of the tasks, which change at a few random steps: it finds orders that
    /// are rare under `Random`. Known as PCT.
    Priorities {
        /// How often a priority changes: one less than the number of turns whose order matters.
        changes: u32,
        /// Among how many steps, from the start, the changes are spread: about as many as the run
        /// has.
        steps: u64,
    },
}

/// Who an entry is, from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Main,
    /// By id, in one number.
    Task(u64),
    /// By the number of the entry: each call comes once.
    Job(u64),
}

/// What a chooser knows of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) who: Who,
    /// Counts up: the smaller, the longer the entry has waited.
    pub(super) number: u64,
    /// The higher, the sooner; unused by `Random`.
    pub(super) priority: u64,
}

/// The state behind an [`Exploration`].
#[derive(Debug)]
pub(super) enum Chooser {
    Random,
    Priorities(Priorities),
}

#[derive(Debug)]
pub(super) struct Priorities {
    known: BTreeMap<Who, u64>,
    /// The steps at which a priority changes, the next one last.
    changes: Vec<u64>,
    step: u64,
    last: Option<Who>,
    in_a_row: u32,
    /// The priority of whoever is put behind next for hogging.
    behind: u64,
}

impl Chooser {
    pub(super) fn new(exploration: Exploration, random: &mut SplitMix64) -> Chooser {
        match exploration {
            Exploration::Random => Chooser::Random,
            Exploration::Priorities { changes, steps } => {
                let within = usize::try_from(steps.max(1)).unwrap_or(usize::MAX);
                let mut changes: Vec<u64> = (0..changes)
                    .map(|_| random.below(within) as u64 + 1)
                    .collect();
                changes.sort_unstable_by(|a, b| b.cmp(a));
                Chooser::Priorities(Priorities {
                    known: BTreeMap::new(),
                    changes,
                    step: 0,
                    last: None,
                    in_a_row: 0,
                    behind: LOW,
                })
            }
        }
    }

    /// The priority of a new entry.
    pub(super) fn priority(&mut self, who: Who, random: &mut SplitMix64) -> u64 {
        match self {
            Chooser::Random => 0,
            Chooser::Priorities(by) => match who {
                Who::Job(_) => random.next() | HIGH,
                who => *by.known.entry(who).or_insert_with(|| random.next() | HIGH),
            },
        }
    }

    /// The place of the entry that comes next. There is at least one.
    pub(super) fn pick<E>(
        &mut self,
        entries: &mut [(Ticket, E)],
        random: &mut SplitMix64,
    ) -> usize {
        match self {
            Chooser::Random => random.below(entries.len()),
            Chooser::Priorities(by) => by.pick(entries, random),
        }
    }

    /// Draws the order of all entries anew.
    pub(super) fn shuffle<E>(&mut self, entries: &mut [(Ticket, E)], random: &mut SplitMix64) {
        match self {
            Chooser::Random => {
                for at in (1..entries.len()).rev() {
                    entries.swap(at, random.below(at + 1));
                }
            }
            Chooser::Priorities(by) => {
                for (ticket, _) in entries {
                    by.give(ticket, random.next() | HIGH);
                }
            }
        }
    }
}

impl Priorities {
    fn pick<E>(&mut self, entries: &mut [(Ticket, E)], random: &mut SplitMix64) -> usize {
        self.step += 1;
        let mut choice = match self.step.is_multiple_of(PATIENCE) {
            true => best(entries, |ticket| u64::MAX - ticket.number),
            false => best(entries, |ticket| ticket.priority),
        };
        while self.changes.last().is_some_and(|step| *step <= self.step) {
            self.changes.pop();
            let lower = LOW + (random.next() >> 2);
            self.give(&mut entries[choice].0, lower);
            choice = best(entries, |ticket| ticket.priority);
        }
        let who = entries[choice].0.who;
        self.in_a_row = match self.last == Some(who) {
            true => self.in_a_row + 1,
            false => 1,
        };
        self.last = Some(who);
        if self.in_a_row > IN_A_ROW && entries.len() > 1 {
            self.behind = self.behind.saturating_sub(1);
            let behind = self.behind;
            self.give(&mut entries[choice].0, behind);
            choice = best(entries, |ticket| ticket.priority);
            self.last = Some(entries[choice].0.who);
            self.in_a_row = 1;
        }
        choice
    }

    fn give(&mut self, ticket: &mut Ticket, priority: u64) {
        ticket.priority = priority;
        if !matches!(ticket.who, Who::Job(_)) {
            self.known.insert(ticket.who, priority);
        }
    }
}

/// The place of the entry with the highest value; of the oldest among equals.
fn best<E>(entries: &[(Ticket, E)], value: impl Fn(&Ticket) -> u64) -> usize {
    let key = |at: &usize| {
        let ticket = &entries[*at].0;
        (value(ticket), u64::MAX - ticket.number)
    };
    (0..entries.len()).max_by_key(key).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(chooser: &mut Chooser, random: &mut SplitMix64, tasks: u64) -> Vec<(Ticket, u64)> {
        let entry = |n| {
            let who = Who::Task(n);
            let priority = chooser.priority(who, random);
            let ticket = Ticket {
                who,
                number: n,
                priority,
            };
            (ticket, n)
        };
        (0..tasks).map(entry).collect()
    }

    fn by_priorities(changes: u32, steps: u64, random: &mut SplitMix64) -> Chooser {
        Chooser::new(Exploration::Priorities { changes, steps }, random)
    }

    #[test]
    fn without_changes_the_highest_priority_comes_first() {
        let mut random = SplitMix64::new(7);
        let mut chooser = by_priorities(0, 100, &mut random);
        let mut list = entries(&mut chooser, &mut random, 5);
        let mut expected: Vec<_> = list.iter().map(|(t, n)| (t.priority, *n)).collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        let mut order = Vec::new();
        while !list.is_empty() {
            let at = chooser.pick(&mut list, &mut random);
            order.push((list[at].0.priority, list.remove(at).1));
        }
        assert_eq!(order, expected);
    }

    #[test]
    fn a_task_keeps_its_priority_until_a_change() {
        let mut random = SplitMix64::new(1);
        let mut chooser = by_priorities(1, 1, &mut random);
        let mut list = entries(&mut chooser, &mut random, 3);
        let highest = best(&list, |ticket| ticket.priority);
        let who = list[highest].0.who;
        // The one change is at the first step: the highest is put behind.
        assert_ne!(chooser.pick(&mut list, &mut random), highest);
        assert!(chooser.priority(who, &mut random) < HIGH);
        assert_eq!(
            chooser.priority(who, &mut random),
            chooser.priority(who, &mut random)
        );
    }

    #[test]
    fn nobody_starves() {
        let mut random = SplitMix64::new(3);
        let mut chooser = by_priorities(0, 10, &mut random);
        // All of them can always run.
        let mut list = entries(&mut chooser, &mut random, 4);
        let mut seen = [0; 4];
        for _ in 0..20_000 {
            let at = chooser.pick(&mut list, &mut random);
            seen[list[at].1 as usize] += 1;
        }
        assert!(seen.iter().all(|times| *times > 1000), "{seen:?}");
    }

    #[test]
    fn a_shuffle_gives_new_priorities() {
        let mut random = SplitMix64::new(3);
        let mut chooser = by_priorities(0, 10, &mut random);
        let mut list = entries(&mut chooser, &mut random, 4);
        let before: Vec<_> = list.iter().map(|(t, _)| t.priority).collect();
        chooser.shuffle(&mut list, &mut random);
        let after: Vec<_> = list.iter().map(|(t, _)| t.priority).collect();
        assert!(before.iter().zip(&after).all(|(a, b)| a != b));
        assert_eq!(chooser.priority(list[2].0.who, &mut random), after[2]);
    }
}
