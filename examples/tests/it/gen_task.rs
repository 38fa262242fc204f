//! The gen_task story, simulated.
