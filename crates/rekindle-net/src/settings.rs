//! What all connections of one server have in common.

use std::time::Duration;

use rekindle_actor::MailboxPolicy;

/// What happens when a connection sends more than its peer takes: when what waits to be written
/// would exceed [`TcpServer::write_limit`](crate::TcpServer::write_limit).
///
/// A feed that would rather lose a reader than keep what it does not read:
///
/// ```
/// # use rekindle_actor::ExitReason;
/// use rekindle_net::{Closed, Connection, Flow, Input, Overflow, Socket, TcpServer};
/// # use std::sync::mpsc::{Sender, channel};
///
/// struct Feed { log: Sender<String> }
///
/// impl Connection for Feed {
/// #   type Args = Sender<String>;
/// #   type Info = std::convert::Infallible;
/// #   async fn handle_connect(log: Sender<String>, _: &mut Socket<Self>) -> Result<Self, ExitReason> { Ok(Feed { log }) }
///     async fn handle_data(&mut self, _: &mut Input, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
///         loop { socket.send([b'x'; 4096]).await? } // and the peer takes nothing
///     }
///     async fn handle_close(&mut self, why: &Closed, _: &mut Socket<Self>) {
///         assert!(matches!(why, Closed::OutputFull(65536)));
///         self.log.send(why.to_string()).unwrap();
///     }
/// }
/// # let (log, logged) = channel();
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// let feed = TcpServer::<Feed>::new("127.0.0.1:0", log).write_limit(65536, Overflow::Close);
/// # let feed = feed.start_link().await.unwrap();
/// # let address = feed.local_addr().await.unwrap();
/// # let line = rekindle_actor::blocking(move || {
/// #     use std::io::Write;
/// #     let mut client = std::net::TcpStream::connect(address).unwrap();
/// #     client.write_all(b"go").unwrap();
/// #     logged.recv().unwrap() // meanwhile it reads nothing
/// # });
/// # let line = line.await.unwrap();
/// assert_eq!(line, "more than 65536 bytes would wait for the peer");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
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
