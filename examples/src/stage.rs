//! Where and how fast a story is told.

use std::time::Duration;

use rekindle::sleep;

use crate::cli::Pace;
use crate::screen::Screen;

/// What every process of a story needs to take part in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stage {
    screen: Screen,
    pace: Pace,
}

impl Stage {
    /// For people: everything is printed at once.
    #[must_use]
    pub fn stdout(pace: Pace) -> Stage {
        Stage {
            screen: Screen::stdout(),
            pace,
        }
    }

    /// For tests: everything is kept, and a second is a second, for virtual ones cost nothing.
    #[must_use]
    pub fn kept() -> Stage {
        Stage {
            screen: Screen::kept(),
            pace: Pace::REAL,
        }
    }

    /// Says a line.
    pub fn say(&self, line: impl Into<String>) {
        self.screen.say(line);
    }

    /// Announces what is to be seen next.
    pub fn act(&self, title: &str) {
        self.say(format!("--- {title}"));
    }

    /// This many seconds of the story.
    #[must_use]
    pub fn seconds(&self, seconds: f64) -> Duration {
        self.pace.seconds(seconds)
    }

    /// Lets this many seconds of the story go by.
    pub async fn pause(&self, seconds: f64) {
        sleep(self.seconds(seconds)).await;
    }

    /// What was said so far, if it was kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.screen.lines()
    }
}
