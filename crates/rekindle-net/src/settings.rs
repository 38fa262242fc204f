//! What all connections of one server have in common.

use std::time::Duration;

use rekindle_actor::MailboxPolicy;

/// What happens when a connection sends more than its peer takes: when what waits to be written
/// would exceed [`TcpServer::write_limit`](crate::TcpServer::write_limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// [`Socket::send`](crate::Socket::send) waits for the peer. The connection's process handles
    /// nothing meanwhile, and reads nothing, so that a peer which does not listen is not listened
    /// to. The default.
    #[default]
    Suspend,
    /// The connection is closed: for feeds, where a slow reader is worth less than its memory.
    Close,
}

/// What all connections of one server have in common; each default is said where it is set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) acceptors: usize,
    pub(crate) max_connections: usize,
    pub(crate) drain_timeout: Duration,
    pub(crate) bind_timeout: Duration,
    pub(crate) write_limit: usize,
    pub(crate) overflow: Overflow,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) read_buffer: usize,
    pub(crate) input_limit: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) nodelay: bool,
    pub(crate) mailbox: MailboxPolicy,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            acceptors: 4,
            max_connections: usize::MAX,
            drain_timeout: Duration::from_secs(10),
            bind_timeout: Duration::from_secs(1),
            write_limit: 1 << 20,
            overflow: Overflow::Suspend,
            write_timeout: Some(Duration::from_secs(30)),
            read_buffer: 4 << 10,
            input_limit: 1 << 20,
            idle_timeout: None,
            nodelay: true,
            mailbox: MailboxPolicy::unbounded(),
        }
    }
}

/// Why a server's settings make no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadSetting(&'static str);

impl std::fmt::Display for BadSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadSetting {}

impl Settings {
    /// What makes no sense, if anything does not.
    pub(crate) fn check(&self) -> Result<(), BadSetting> {
        let wrong = if self.acceptors == 0 {
            "`acceptors`: with none, nobody is ever accepted"
        } else if self.max_connections == 0 {
            "`max_connections`: with none, nobody is ever accepted"
        } else if self.write_limit == 0 {
            "`write_limit`: nothing could ever be sent"
        } else if self.read_buffer == 0 {
            "`read_buffer`: nothing could ever be read"
        } else if self.input_limit < self.read_buffer {
            "`input_limit`: less than one `read_buffer`"
        } else {
            return Ok(());
        };
        Err(BadSetting(wrong))
    }
}
