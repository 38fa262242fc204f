//! Where a story is told: on stdout for people, in a list for tests.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

/// Takes the lines of a story, in the order in which they are said. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// `None` prints.
    kept: Option<Arc<Mutex<Vec<String>>>>,
}

impl Screen {
    /// Prints every line at once.
    #[must_use]
    pub fn stdout() -> Screen {
        Screen { kept: None }
    }

    /// Keeps every line, for a test.
    #[must_use]
    pub fn kept() -> Screen {
        Screen {
            kept: Some(Arc::default()),
        }
    }

    /// Says a line.
    pub fn say(&self, line: impl Into<String>) {
        let line = line.into();
        match &self.kept {
            Some(kept) => kept
                .lock()
                .unwrap_or_else(|broken| broken.into_inner())
                .push(line),
            // A closed stdout is no reason to crash.
            None => drop(writeln!(std::io::stdout(), "{line}")),
        }
    }

    /// What was said so far, if it was kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match &self.kept {
            Some(kept) => kept
                .lock()
                .unwrap_or_else(|broken| broken.into_inner())
                .clone(),
            None => Vec::new(),
        }
    }
}
