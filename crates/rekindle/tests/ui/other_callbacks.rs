//! The callbacks that are known by their names.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[cast]
    fn add(&mut self, k: i64) {
        self.n += k;
    }
    fn handle_cast(&mut self, n: i64, _cx: &mut Context<Self>) {
        self.n = n;
    }
    fn terminate(&mut self, _why: String) {}
    async fn format_status(&self) -> String {
        self.n.to_string()
    }
    fn hibernate(&mut self, _cx: &mut Context<Self>) {}
}

fn main() {}
