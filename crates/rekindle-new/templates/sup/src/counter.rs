//! A server: one process, which keeps a number and handles one message at a time.

use rekindle::prelude::*;

/// The state of the server, in its process.
#[derive(Debug)]
pub struct Counter {
    n: i64,
}

/// What the server is asked. Each request carries the way back of its answer.
#[derive(Debug)]
pub enum Request {
    /// The number.
    Get(ReplyTo<i64>),
    /// The number, which is this one from now on.
    Swap(i64, ReplyTo<i64>),
}

/// What others call, so that nobody else knows of requests.
impl Counter {
    /// The name of the counter in the tree. A name survives restarts; a pid does not.
    pub const NAME: &str = "counter";

    /// The number.
    pub async fn get() -> Result<i64, CallError> {
        let counter: Name<Counter> = Name::new(Counter::NAME);
        counter.call(Request::Get).await
    }

    /// Sets the number, and gives the one before.
    pub async fn swap(n: i64) -> Result<i64, CallError> {
        let counter: Name<Counter> = Name::new(Counter::NAME);
        counter.call(|from| Request::Swap(n, from)).await
    }

    /// Adds to the number. Nobody waits, and nobody is told if there is no counter.
    pub fn add(k: i64) {
        let counter: Name<Counter> = Name::new(Counter::NAME);
        counter.cast(k);
    }
}

/// What happens in the server's process. `?` on an error means: crash with that reason, and start
/// anew.
impl GenServer for Counter {
    type Args = i64;
    type Call = Request;
    type Cast = i64;
    type Info = Never;
    type Continue = Never;

    async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Counter { n }))
    }

    async fn handle_call(&mut self, request: Request, _cx: &mut Context<Self>) -> Step<Self> {
        match request {
            Request::Get(from) => from.reply(self.n),
            Request::Swap(n, from) => from.reply(std::mem::replace(&mut self.n, n)),
        }
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, k: i64, _cx: &mut Context<Self>) -> Step<Self> {
        self.n += k;
        Ok(Next::Wait)
    }
}
