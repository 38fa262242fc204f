//! The answer has the type that the call says.
use rekindle::prelude::*;

struct Counter {
    n: i64,
}

#[gen_server]
impl Counter {
    #[call]
    fn get(&self) -> String {
        self.n
    }
    #[call]
    fn later(&mut self, from: ReplyTo<String>) {
        from.reply(self.n);
    }
}

async fn wrong_use(counter: Addr<Counter>) -> Result<i64, CallError> {
    counter.get().await
}

fn main() {}
