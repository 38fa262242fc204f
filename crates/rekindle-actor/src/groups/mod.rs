//! Process groups: names for any number of processes, in scopes.
//!
//! Reading order: [`table`] is what everybody reads, [`scope`] the process that alone writes it,
//! [`handle`] how one asks both.

mod table;

mod scope;

mod handle;

pub use handle::{Groups, JoinError, LeaveError, StartGroups, StartGroupsFuture};
pub use scope::{GroupChange, GroupEvent, GroupMonitor};
pub use table::Member;

pub(crate) use table::Tables;
