//! The job_queue story, simulated.
