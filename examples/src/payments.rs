//! The payments story.
