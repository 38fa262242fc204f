//! A server: one process, which keeps a state and handles one message at a time.
//!
//! This one gives out a number of permits, and takes them back.
//!
//! ```
//! use rekindle::prelude::*;
//!
//! use {{name}}::{{{Name}}, {{Name}}Api};
//!
//! Runtime::simulated(1).block_on(async {
//!     let server = {{Name}}::start_link(1).await.unwrap();
//!     assert_eq!(server.take().await, Ok(true));
//!     assert_eq!(server.take().await, Ok(false));
//!     server.give_back();
//!     assert_eq!(server.take().await, Ok(true));
//! });
//! ```

use rekindle::prelude::*;

/// The state of the server, in its process.
#[derive(Debug)]
pub struct {{Name}} {
    permits: u32,
}

/// What happens in the server's process. A `#[call]` is answered and a `#[cast]` is not; both are
/// methods of the server's handles as well, by the trait [`{{Name}}Api`].
#[gen_server]
impl {{Name}} {
    /// The start waits for this. An `Err` would be the reason why it failed.
    fn init(permits: u32) -> Self {
        Self { permits }
    }

    /// Takes a permit: `false` if there is none.
    #[call]
    pub fn take(&mut self) -> bool {
        let left = self.permits.checked_sub(1);
        self.permits = left.unwrap_or(0);
        left.is_some()
    }

    /// Gives a permit back. Nobody waits, and nobody is told if the server is gone.
    #[cast]
    pub fn give_back(&mut self) {
        self.permits += 1;
    }

    /// For crash reports and `sys::get_status`: what may be seen of the state.
    fn format_status(&self) -> String {
        format!("{self:?}")
    }
}
