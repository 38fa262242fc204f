//! What a connection does: its callbacks.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::{ExitReason, Info};

use crate::input::Input;
use crate::socket::Socket;

/// What a connection does after a callback.
///
/// ```
/// use rekindle_actor::ExitReason;
/// use rekindle_net::{Connection, Flow, Input, Socket};
///
/// struct Shout;
///
/// impl Connection for Shout {
/// #   type Args = ();
/// #   type Info = std::convert::Infallible;
/// #   async fn handle_connect(_: (), _: &mut Socket<Self>) -> Result<Self, ExitReason> { Ok(Shout) }
///     async fn handle_data(&mut self, input: &mut Input, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
///         while let Some(line) = input.take_line() {
///             if line == b"quit" {
///                 socket.send("BYE").await?;
///                 return Ok(Flow::Close); // once that is written
///             }
///             socket.send(line.to_ascii_uppercase()).await?;
///         }
///         Ok(Flow::Continue)
///     }
/// }
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// # let server = rekindle_net::TcpServer::<Shout>::new("127.0.0.1:0", ()).start_link().await.unwrap();
/// # let address = server.local_addr().await.unwrap();
/// # let talk = |address: std::net::SocketAddr, text: &'static str| async move {
/// #     let talking = rekindle_actor::blocking(move || {
/// #         use std::io::{Read, Write};
/// #         let mut client = std::net::TcpStream::connect(address)?;
/// #         client.write_all(text.as_bytes())?;
/// #         client.shutdown(std::net::Shutdown::Write)?;
/// #         let mut answer = String::new();
/// #         client.read_to_string(&mut answer)?;
/// #         std::io::Result::Ok(answer)
/// #     });
/// #     talking.await.unwrap().unwrap()
/// # };
/// assert_eq!(talk(address, "hello, \nquit\n").await, "HELLO, BYE");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Flow {
    /// Goes on.
    Continue,
    /// Writes what was sent, and closes.
    Close,
}

/// Why a connection has come to its end; what [`Connection::handle_close`] gets.
///
/// | reason                      | is what was sent still written? | the process ends with     | crash report? |
/// |-----------------------------|---------------------------------|---------------------------|---------------|
/// | [`Peer`](Self::Peer)                 | yes | `Normal`                  | no  |
/// | [`Local`](Self::Local)               | yes | `Normal`                  | no  |
/// | [`Drained`](Self::Drained)           | yes | `Shutdown`                | no  |
/// | [`Idle`](Self::Idle)                 | yes | `ShutdownWith`            | no  |
/// | [`InputFull`](Self::InputFull)       | yes | `ShutdownWith`            | no  |
/// | [`Failed`](Self::Failed)             | no  | `ShutdownWith`            | no  |
/// | [`OutputFull`](Self::OutputFull)     | no  | `ShutdownWith`            | no  |
/// | [`WriteTimeout`](Self::WriteTimeout) | no  | `ShutdownWith`            | no  |
/// | [`Exited`](Self::Exited)             | if the reason is a clean one | that reason | if it crashed |
///
/// A connection that is killed ends at once, without a word: its socket is closed.
///
/// ```
/// use rekindle_actor::ExitReason;
/// use rekindle_net::{Closed, Connection, Flow, Input, Socket};
/// # use std::sync::mpsc::{Sender, channel};
///
/// struct Line { log: Sender<String> }
///
/// impl Connection for Line {
/// #   type Args = Sender<String>;
/// #   type Info = std::convert::Infallible;
/// #   async fn handle_connect(log: Sender<String>, _: &mut Socket<Self>) -> Result<Self, ExitReason> { Ok(Line { log }) }
/// #   async fn handle_data(&mut self, input: &mut Input, _: &mut Socket<Self>) -> Result<Flow, ExitReason> {
/// #       input.take_all();
/// #       Ok(Flow::Continue)
/// #   }
///     async fn handle_close(&mut self, why: &Closed, _: &mut Socket<Self>) {
///         let line = match why {
///             Closed::Exited(reason) if !reason.is_clean() => format!("a bug: {reason}"),
///             other => format!("gone: {other}"),
///         };
///         self.log.send(line).unwrap();
///     }
/// }
/// # let (log, logged) = channel();
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// # let server = rekindle_net::TcpServer::<Line>::new("127.0.0.1:0", log).start_link().await.unwrap();
/// # let address = server.local_addr().await.unwrap();
/// # let talk = |address: std::net::SocketAddr, text: &'static str| async move {
/// #     let talking = rekindle_actor::blocking(move || {
/// #         use std::io::{Read, Write};
/// #         let mut client = std::net::TcpStream::connect(address)?;
/// #         client.write_all(text.as_bytes())?;
/// #         client.shutdown(std::net::Shutdown::Write)?;
/// #         let mut answer = String::new();
/// #         client.read_to_string(&mut answer)?;
/// #         std::io::Result::Ok(answer)
/// #     });
/// #     talking.await.unwrap().unwrap()
/// # };
/// talk(address, "hello").await;
/// let line = rekindle_actor::blocking(move || logged.recv()).await.unwrap();
/// assert_eq!(line.unwrap(), "gone: closed by the peer");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Closed {
    /// The peer sends no more.
    Peer,
    /// A callback has said [`Flow::Close`].
    Local,
    /// The server stops, and [`Connection::handle_drain`] has said so too, or a later callback.
    Drained,
    /// The peer was silent for this long.
    Idle(Duration),
    /// This many bytes came, and the connection consumed none of them.
    InputFull(usize),
    /// The socket failed: the peer has reset the connection, as a rule.
    Failed(Arc<io::Error>),
    /// More than this many bytes would have waited to be written, and the policy is
    /// [`Overflow::Close`](crate::Overflow::Close).
    OutputFull(usize),
    /// The peer took nothing for this long.
    WriteTimeout(Duration),
    /// A callback has failed, or the process was told to end: by `sys`, or by the end of its
    /// supervisor.
    Exited(ExitReason),
}

impl Closed {
    /// Whether what was sent is still to be written.
    pub(crate) fn writes_out(&self) -> bool {
        match self {
            Closed::Peer | Closed::Local | Closed::Drained | Closed::Idle(_) => true,
            Closed::InputFull(_) => true,
            Closed::Failed(_) | Closed::OutputFull(_) | Closed::WriteTimeout(_) => false,
            Closed::Exited(reason) => reason.is_clean(),
        }
    }

    /// With which reason the process ends.
    pub(crate) fn into_reason(self) -> ExitReason {
        match self {
            Closed::Peer | Closed::Local => ExitReason::Normal,
            Closed::Drained => ExitReason::Shutdown,
            Closed::Exited(reason) => reason,
            other => ExitReason::shutdown_with(other.to_string()),
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::Peer => f.write_str("closed by the peer"),
            Closed::Local => f.write_str("closed by the server"),
            Closed::Drained => f.write_str("the server stops"),
            Closed::Idle(time) => write!(f, "nothing came for {time:?}"),
            Closed::InputFull(limit) => write!(f, "{limit} bytes came that make no whole"),
            Closed::Failed(error) => write!(f, "the connection failed: {error}"),
            Closed::OutputFull(limit) => {
                write!(f, "more than {limit} bytes would wait for the peer")
            }
            Closed::WriteTimeout(time) => write!(f, "the peer took nothing for {time:?}"),
            Closed::Exited(reason) => write!(f, "{reason}"),
        }
    }
}

/// The callbacks of a connection. The implementing type is its state, and each connection is a
/// process of its own that handles one thing at a time.
///
/// `?` on any error in a callback means *crash with that reason*, as in every behaviour; with one
/// exception: a [`WriteError`](crate::WriteError) is no crash, for it is the peer's doing. To
/// close without a word of why, give [`Flow::Close`], or `Err(ExitReason::Normal)` where there is no
/// `Flow` to give.
///
/// A connection traps exits, to hear of the server's end. The end of another linked process still
/// ends it, unless its `handle_info` says otherwise.
///
/// `sys::get_state` and its neighbours work on connections too.
///
/// The least there is to say:
///
/// ```
/// use rekindle_actor::ExitReason;
/// use rekindle_net::{Connection, Flow, Input, Socket};
///
/// /// Adds up the numbers that come, one a line.
/// struct Sum(u64);
///
/// impl Connection for Sum {
///     type Args = u64; // where each connection begins
///     type Info = std::convert::Infallible; // nobody sends it messages
///
///     async fn handle_connect(from: u64, _: &mut Socket<Self>) -> Result<Self, ExitReason> {
///         Ok(Sum(from))
///     }
///     async fn handle_data(&mut self, input: &mut Input, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
///         while let Some(line) = input.take_line() {
///             self.0 += String::from_utf8(line)?.parse::<u64>()?; // else this connection crashes
///             socket.send(format!("{};", self.0)).await?;
///         }
///         Ok(Flow::Continue)
///     }
/// }
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// # let server = rekindle_net::TcpServer::<Sum>::new("127.0.0.1:0", 100).start_link().await.unwrap();
/// # let address = server.local_addr().await.unwrap();
/// # let talk = |address: std::net::SocketAddr, text: &'static str| async move {
/// #     let talking = rekindle_actor::blocking(move || {
/// #         use std::io::{Read, Write};
/// #         let mut client = std::net::TcpStream::connect(address)?;
/// #         client.write_all(text.as_bytes())?;
/// #         client.shutdown(std::net::Shutdown::Write)?;
/// #         let mut answer = String::new();
/// #         client.read_to_string(&mut answer)?;
/// #         std::io::Result::Ok(answer)
/// #     });
/// #     talking.await.unwrap().unwrap()
/// # };
/// assert_eq!(talk(address, "1\n20\n").await, "101;121;");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connection",
    note = "implement `Connection` for it: `handle_connect`, `handle_data`, and the two types"
)]
pub trait Connection: Sized + Send + 'static {
    /// What the server passes to each connection: a handle on a store, say.
    type Args: Clone + Send + Sync + 'static;
    /// Messages that other processes send to a connection, by [`Socket::sender`].
    type Info: Send + 'static;

    /// Makes the state, in the connection's process, before anything is read. A greeting can be
    /// sent here.
    ///
    /// # Errors
    ///
    /// The connection is closed. A clean reason (`Normal`, `Shutdown`) is no crash, and what was
    /// sent is still written.
    fn handle_connect(
        args: Self::Args,
        socket: &mut Socket<Self>,
    ) -> impl Future<Output = Result<Self, ExitReason>> + Send;

    /// Handles what came. `input` has all that was received and not consumed; consume what is
    /// complete, all of it, for this is called again only when more has come.
    ///
    /// # Errors
    ///
    /// The connection ends with the reason.
    fn handle_data(
        &mut self,
        input: &mut Input,
        socket: &mut Socket<Self>,
    ) -> impl Future<Output = Result<Flow, ExitReason>> + Send;

    /// Handles a message of another process, a `Down`, or the `Exit` of a linked process. By
    /// default messages and `Down`s are logged and ignored, and an `Exit` other than `Normal` ends
    /// the connection with its reason.
    ///
    /// # Errors
    ///
    /// The connection ends with the reason.
    fn handle_info(
        &mut self,
        info: Info<Self::Info>,
        socket: &mut Socket<Self>,
    ) -> impl Future<Output = Result<Flow, ExitReason>> + Send {
        let flow = match info {
            Info::Exit(exit) if !exit.reason.is_normal() => Err(exit.reason),
            other => {
                socket.unexpected(&other);
                Ok(Flow::Continue)
            }
        };
        async { flow }
    }

    /// The peer was silent for the idle timeout, which begins anew if the connection goes on. By
    /// default the connection is closed.
    ///
    /// # Errors
    ///
    /// The connection ends with the reason.
    fn handle_idle(
        &mut self,
        socket: &mut Socket<Self>,
    ) -> impl Future<Output = Result<Flow, ExitReason>> + Send {
        let _ = socket;
        async { Ok(Flow::Close) }
    }

    /// The server stops; nobody is accepted any more. By default the connection writes what was
    /// sent, and is closed. One that goes on is killed at the end of the drain timeout, unless a
    /// later callback closes it; [`Socket::is_draining`] reminds.
    ///
    /// # Errors
    ///
    /// The connection ends with the reason.
    fn handle_drain(
        &mut self,
        socket: &mut Socket<Self>,
    ) -> impl Future<Output = Result<Flow, ExitReason>> + Send {
        let _ = socket;
        async { Ok(Flow::Close) }
    }

    /// Cleans up at the end, whatever the reason, but not when the process is killed. What is sent
    /// here is written if [`Closed`] says so.
    fn handle_close(
        &mut self,
        why: &Closed,
        socket: &mut Socket<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (why, socket);
        async {}
    }

    /// The state as text, for crash reports and `sys::get_status`; nothing by default, for a state
    /// may hold secrets.
    fn format_status(&self) -> Option<String> {
        None
    }
}
