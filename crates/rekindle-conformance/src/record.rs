//! What the tests have left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use crate::cases::Case;

/// A kind of runtime on which a test's body came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The work-stealing pool.
    Pool,
    /// The simulator.
    Simulator,
}

/// By case and by test, the kinds of runtime.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) tests: BTreeMap<Case, BTreeMap<String, BTreeSet<Kind>>>,
}

impl Record {
    /// Reads all files of the folder.
    pub(crate) fn read(folder: &Path) -> io::Result<Record> {
        let mut record = Record::default();
        for file in fs::read_dir(folder)? {
            let text = fs::read_to_string(file?.path())?;
            text.lines().for_each(|line| record.add(line));
        }
        Ok(record)
    }

    /// A line is the test's path, a tab, and the kind. Others are not for us.
    fn add(&mut self, line: &str) {
        let Some((test, kind)) = line.split_once('\t') else {
            return;
        };
        let kind = match kind {
            "pool" => Kind::Pool,
            "simulator" => Kind::Simulator,
            _ => return,
        };
        let name = test.rsplit("::").next().unwrap_or(test);
        let Some(case) = Case::of_test(name) else {
            return;
        };
        let tests = self.tests.entry(case).or_default();
        tests.entry(name.to_owned()).or_default().insert(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_test_come_together() {
        let mut record = Record::default();
        record.add("gen_server::gen_001_it_starts\tpool");
        record.add("gen_server::gen_001_it_starts\tsimulator");
        record.add("gen_server::something_else\tpool");
        record.add("nonsense");
        let tests: Vec<_> = record.tests.values().flatten().collect();
        let [(name, kinds)] = tests.as_slice() else {
            panic!("one test: {tests:?}");
        };
        assert_eq!(name.as_str(), "gen_001_it_starts");
        assert_eq!(kinds.len(), 2);
    }
}
