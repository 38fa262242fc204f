//! job_queue
fn main() {}
