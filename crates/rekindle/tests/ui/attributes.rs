//! The attributes are `#[call]`, `#[cast]`, `#[info]` and `#[continues]`, and a method has one.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[handle_call]
    fn get(&self) -> i64 {
        self.n
    }
    #[call]
    #[cast]
    fn both(&mut self) {}
    #[info(timer)]
    fn idle(&mut self) {}
    #[call(timeout)]
    fn slow(&mut self) {}
}

fn main() {}
