//! The counter story, simulated.
