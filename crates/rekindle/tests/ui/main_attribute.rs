//! `#[rekindle::main]` runs an `async fn` without arguments.

#[rekindle::main]
fn main() {}
