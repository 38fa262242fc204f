//! payments
fn main() {}
