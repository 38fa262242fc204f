//! A cast gives nothing, a `Next`, or a `Result` of either.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[cast]
    fn add(&mut self, k: i64) -> i64 {
        self.n += k;
        self.n
    }
    #[cast]
    fn parse(&mut self, text: String) -> Result<(), String> {
        self.n = text.parse().map_err(|_| "no number".to_owned())?;
        Ok(())
    }
}

fn main() {}
