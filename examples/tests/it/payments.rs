//! The payments story, simulated.
