//! The gen_task story.
