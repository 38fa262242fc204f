//! The job_queue story.
