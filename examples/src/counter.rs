//! The counter story.
