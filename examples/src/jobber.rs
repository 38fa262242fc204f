//! The jobber story.
