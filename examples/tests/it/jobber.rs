//! The jobber story, simulated.
