//! gen_task
fn main() {}
