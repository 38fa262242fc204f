//! A server: one process, which keeps a state and handles one message at a time.
//!
//! This one gives out a number of permits, and takes them back.
//!
//! ```
//! use rekindle::prelude::*;
//!
//! use {{name}}::{{Name}};
//!
//! Runtime::simulated(1).block_on(async {
//!     let server = {{Name}}::start_link(1).await.unwrap();
//!     assert_eq!({{Name}}::take(&server).await, Ok(true));
//!     assert_eq!({{Name}}::take(&server).await, Ok(false));
//!     {{Name}}::give_back(&server);
//!     assert_eq!({{Name}}::take(&server).await, Ok(true));
//! });
//! ```

use rekindle::prelude::*;

/// The state of the server, in its process.
#[derive(Debug)]
pub struct {{Name}} {
    permits: u32,
}

/// What the server is asked. Each request carries the way back of its answer.
#[derive(Debug)]
pub enum Request {
    /// A permit, if there is one.
    Take(ReplyTo<bool>),
}

/// What the server is told, by whoever does not wait for an answer.
#[derive(Debug)]
pub enum Order {
    /// A permit comes back.
    GiveBack,
}

/// What others call, so that nobody else knows of requests.
impl {{Name}} {
    /// Takes a permit: `false` if there is none.
    ///
    /// # Errors
    ///
    /// If the server does not answer within 5 s, or ends before it does.
    pub async fn take(server: &Addr<Self>) -> Result<bool, CallError> {
        server.call(Request::Take).await
    }

    /// Gives a permit back. Nobody waits, and nobody is told if the server is gone.
    pub fn give_back(server: &Addr<Self>) {
        server.cast(Order::GiveBack);
    }
}

/// What happens in the server's process. `?` on an error means: crash with that reason.
impl GenServer for {{Name}} {
    type Args = u32;
    type Call = Request;
    type Cast = Order;
    type Info = Never;
    type Continue = Never;

    async fn init(permits: u32, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Self { permits }))
    }

    async fn handle_call(&mut self, request: Request, _cx: &mut Context<Self>) -> Step<Self> {
        match request {
            Request::Take(from) => {
                let left = self.permits.checked_sub(1);
                self.permits = left.unwrap_or(0);
                from.reply(left.is_some());
            }
        }
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, order: Order, _cx: &mut Context<Self>) -> Step<Self> {
        match order {
            Order::GiveBack => self.permits += 1,
        }
        Ok(Next::Wait)
    }

    /// For crash reports and `sys::get_status`: what may be seen of the state.
    fn format_status(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}
