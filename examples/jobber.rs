//! jobber
fn main() {}
