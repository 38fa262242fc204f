//! A server: one process, which keeps a number and handles one message at a time.

use rekindle::prelude::*;

/// The state of the server, in its process.
#[derive(Debug)]
pub struct Counter {
    n: i64,
}

impl Counter {
    /// The name of the counter in the tree. A name survives restarts; a pid does not.
    pub const NAME: &str = "counter";

    /// The counter that has the name, whichever life it is in.
    pub fn named() -> Name<Counter> {
        Name::new(Counter::NAME)
    }
}

/// What happens in the server's process. A `#[call]` is answered and a `#[cast]` is not; both are
/// methods of the server's handles as well, by the trait `CounterApi`, which is written here too.
#[gen_server]
impl Counter {
    /// A restart begins here again, with the same argument.
    fn init(n: i64) -> Self {
        Counter { n }
    }

    /// The number.
    #[call]
    pub fn get(&self) -> i64 {
        self.n
    }

    /// Sets the number, and gives the one before.
    #[call]
    pub fn swap(&mut self, n: i64) -> i64 {
        std::mem::replace(&mut self.n, n)
    }

    /// Adds to the number. Nobody waits, and nobody is told if there is no counter.
    #[cast]
    pub fn add(&mut self, k: i64) {
        self.n += k;
    }

    /// For crash reports and `sys::get_status`: what may be seen of the state.
    fn format_status(&self) -> String {
        format!("{self:?}")
    }
}
