//! The stories in virtual time.

mod counter;
mod gen_task;
mod job_queue;
mod jobber;
mod payments;
