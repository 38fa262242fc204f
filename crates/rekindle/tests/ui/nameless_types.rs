//! A message is a variant of an enum: its types have names, and are nobody's parameters.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[cast]
    fn add(&mut self, k: impl Into<i64>) {
        self.n += k.into();
    }
    #[call]
    fn describe(&self) -> impl std::fmt::Display {
        self.n
    }
    #[cast]
    fn add_any<K: Into<i64>>(&mut self, k: K) {
        self.n += k.into();
    }
}

fn main() {}
