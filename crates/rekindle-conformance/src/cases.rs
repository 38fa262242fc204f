//! Which cases there are.

use std::fmt;

/// The areas, with how many cases each has: they are numbered from 1.
pub(crate) const AREAS: [(&str, &str, u16); 18] = [
    ("EXIT", "exit reasons and exit signals", 14),
    ("LINK", "links", 11),
    ("MON", "monitors", 12),
    ("TRAP", "trapping exits", 6),
    ("PROC", "processes, names, aliases", 16),
    ("TIME", "timers", 14),
    ("GEN", "generic server", 51),
    ("SYS", "system messages", 12),
    ("START", "synchronous start and crash reports", 10),
    ("SUP", "supervisor", 63),
    ("DYN", "dynamic supervisor", 15),
    ("TASK", "tasks and task supervisor", 34),
    ("REG", "registry", 20),
    ("PART", "partition supervisor", 8),
    ("AGENT", "agent", 8),
    ("FSM", "state machine", 26),
    ("EVT", "event manager", 16),
    ("PG", "process groups", 11),
];

/// Cases that mean nothing here, and why.
pub(crate) const DO_NOT_APPLY: &[(Case, &str)] = &[];

/// One case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    /// The place in [`AREAS`].
    area: usize,
    number: u16,
}

impl Case {
    /// The case that a test is named after; `name` is the last part of the test's path.
    pub(crate) fn of_test(name: &str) -> Option<Case> {
        let mut parts = name.splitn(3, '_');
        let (prefix, number) = (parts.next()?, parts.next()?);
        let area = AREAS
            .iter()
            .position(|(area, ..)| area.eq_ignore_ascii_case(prefix))?;
        let number = Some(number)
            .filter(|number| number.len() == 3)?
            .parse()
            .ok()?;
        (1..=AREAS[area].2)
            .contains(&number)
            .then_some(Case { area, number })
    }

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Case> {
        AREAS
            .iter()
            .enumerate()
            .flat_map(|(area, (.., count))| (1..=*count).map(move |number| Case { area, number }))
    }

    pub(crate) fn area(self) -> usize {
        self.area
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:03}", AREAS[self.area].0, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_347() {
        assert_eq!(Case::all().count(), 347);
    }

    #[test]
    fn a_test_is_a_cases_by_its_name() {
        let case = |name| Case::of_test(name).map(|case| case.to_string());
        assert_eq!(case("sup_017_a_child_ends").as_deref(), Some("SUP-017"));
        assert_eq!(case("gen_001"), Some("GEN-001".to_owned()));
        assert_eq!(case("sup_17_a_child_ends"), None);
        assert_eq!(case("sup_999_a_child_ends"), None);
        assert_eq!(case("a_child_ends"), None);
    }
}
