//! The connection as its callbacks see it: whom they talk to, and the bounded way to talk.

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io::{self, Write as _};
use std::marker::PhantomData;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use rekindle_actor::{Info, Pid, Sender, Time, now, self_pid, sleep};

use crate::connection::{Closed, Connection};
use crate::input::Input;
use crate::settings::{Overflow, Settings};

/// Why nothing more can be sent. The connection is closed after the callback, whatever it gives,
/// and without a crash.
///
/// As a rule it goes up by `?`. Who has something to put right first looks at it:
///
/// ```
/// # use rekindle_actor::ExitReason;
/// use rekindle_net::{Connection, Flow, Input, Overflow, Socket, TcpServer, WriteError};
/// # use std::sync::mpsc::{Sender, channel};
///
/// struct Feed { lost: Sender<usize> }
///
/// impl Connection for Feed {
/// #   type Args = Sender<usize>;
/// #   type Info = std::convert::Infallible;
/// #   async fn handle_connect(lost: Sender<usize>, _: &mut Socket<Self>) -> Result<Self, ExitReason> { Ok(Feed { lost }) }
///     async fn handle_data(&mut self, _: &mut Input, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
///         loop {
///             match socket.send([b'x'; 4096]).await {
///                 Ok(()) => {}
///                 Err(WriteError::Full(_)) => {
///                     self.lost.send(4096)?; // somebody keeps the books
///                     return Ok(Flow::Close);
///                 }
///                 Err(other) => return Err(other.into()),
///             }
///         }
///     }
/// }
/// # let (lost, losses) = channel();
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// # let feed = TcpServer::<Feed>::new("127.0.0.1:0", lost).write_limit(65536, Overflow::Close);
/// # let feed = feed.start_link().await.unwrap();
/// # let address = feed.local_addr().await.unwrap();
/// # let loss = rekindle_actor::blocking(move || {
/// #     use std::io::Write;
/// #     let mut client = std::net::TcpStream::connect(address).unwrap();
/// #     client.write_all(b"go").unwrap();
/// #     losses.recv().unwrap() // meanwhile it reads nothing
/// # });
/// # let loss = loss.await.unwrap();
/// assert_eq!(loss, 4096);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WriteError {
    /// The socket failed, now or earlier: the peer has reset the connection, as a rule.
    Failed(Arc<io::Error>),
    /// More than this many bytes would wait, and the policy is [`Overflow::Close`].
    Full(usize),
    /// The peer took nothing for this long.
    Timeout(Duration),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Closed::from(self.clone()).fmt(f)
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WriteError::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Failed(Arc::new(error))
    }
}

impl From<WriteError> for Closed {
    fn from(error: WriteError) -> Closed {
        match error {
            WriteError::Failed(error) => Closed::Failed(error),
            WriteError::Full(limit) => Closed::OutputFull(limit),
            WriteError::Timeout(time) => Closed::WriteTimeout(time),
        }
    }
}

/// One connection, handed to its callbacks. It belongs to the connection's process, and is closed
/// with it.
///
/// What is sent goes into a buffer, which is written when the callback is over, so that many small
/// answers travel together. The buffer is bounded by
/// [`TcpServer::write_limit`](crate::TcpServer::write_limit).
///
/// ```
/// # use rekindle_actor::ExitReason;
/// # use rekindle_net::{Connection, Flow, Input, Socket};
/// struct Greeter;
///
/// impl Connection for Greeter {
/// #   type Args = ();
/// #   type Info = std::convert::Infallible;
///     async fn handle_connect(_: (), socket: &mut Socket<Self>) -> Result<Self, ExitReason> {
///         socket.send("hello ").await?;
///         socket.send(socket.peer_addr().ip().to_string()).await?;
///         assert_eq!(socket.queued(), 15); // it travels as one, after the callback
///         Ok(Greeter)
///     }
/// #   async fn handle_data(&mut self, input: &mut Input, _: &mut Socket<Self>) -> Result<Flow, ExitReason> {
/// #       input.take_all();
/// #       Ok(Flow::Continue)
/// #   }
/// }
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// # let server = rekindle_net::TcpServer::<Greeter>::new("127.0.0.1:0", ()).start_link().await.unwrap();
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
/// assert_eq!(talk(address, "").await, "hello 127.0.0.1");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Socket<C> {
    io: Async<TcpStream>,
    peer: SocketAddr,
    settings: Arc<Settings>,
    /// Sent, and not yet written; what counts begins at `written`.
    out: Vec<u8>,
    written: usize,
    /// Since when the peer has taken nothing, if anything waits.
    stalled: Option<Time>,
    broken: Option<WriteError>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) draining: bool,
    pub(crate) reading: Reading,
    connection: PhantomData<fn() -> C>,
}

/// Whether input is read and handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    On,
    Off,
    /// On again; what is there already is to be handled first.
    Resumed,
}

impl<C: Connection> Socket<C> {
    pub(crate) fn new(io: Async<TcpStream>, peer: SocketAddr, settings: Arc<Settings>) -> Self {
        Socket {
            io,
            peer,
            idle_timeout: settings.idle_timeout,
            settings,
            out: Vec::new(),
            written: 0,
            stalled: None,
            broken: None,
            draining: false,
            reading: Reading::On,
            connection: PhantomData,
        }
    }

    /// The other end.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// This end.
    ///
    /// # Errors
    ///
    /// What the system says, if the socket is broken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// The connection's process.
    ///
    /// # Panics
    ///
    /// Outside of a process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self_pid()
    }

    /// A handle by which other processes send to this connection; what they send arrives in
    /// [`Connection::handle_info`].
    ///
    /// # Panics
    ///
    /// In another process than the connection's own.
    #[must_use]
    pub fn sender(&self) -> Sender<C::Info> {
        Sender::from_pid(self_pid()).expect("a socket is used by its own connection")
    }

    /// The socket itself, for its options. Reading or writing past this type mixes up the stream.
    #[must_use]
    pub fn get_ref(&self) -> &TcpStream {
        self.io.get_ref()
    }

    /// Sends bytes, all of them or, if this fails, perhaps some.
    ///
    /// Returns at once as long as what waits stays within the write limit. Beyond it this waits
    /// until the peer has taken enough, or the connection is closed, as [`Overflow`] says. To have
    /// been sent is not to have been received.
    ///
    /// # Errors
    ///
    /// See [`WriteError`]. By `?` in a callback it closes the connection without a crash report.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]> + Send) -> Result<(), WriteError> {
        let bytes = bytes.as_ref();
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if self.fits(bytes) {
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = self.send_much(bytes).await;
        if let Err(error) = &sent {
            self.broken = Some(error.clone());
        }
        sent
    }

    /// Waits until all that was sent is written, into the kernel's buffers at least.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn flush(&mut self) -> Result<(), WriteError> {
        while self.queued() > 0 {
            let progress = self.write_more(&[]).await.map(drop);
            if let Err(error) = progress {
                self.broken = Some(error.clone());
                return Err(error);
            }
        }
        match &self.broken {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// How many bytes were sent and are not yet written.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.out.len() - self.written
    }

    /// Reads no more, until [`resume_reading`](Self::resume_reading): the peer is held up once the
    /// kernel's buffers are full. Meanwhile nobody notices that the peer has gone, and the idle
    /// timeout rests.
    pub fn pause_reading(&mut self) {
        self.reading = Reading::Off;
    }

    /// Reads again. What was there already and not consumed is handled at once.
    pub fn resume_reading(&mut self) {
        if self.reading == Reading::Off {
            self.reading = Reading::Resumed;
        }
    }

    /// Changes this connection's idle timeout; `None` for no limit.
    pub fn set_idle_timeout(&mut self, limit: Option<Duration>) {
        self.idle_timeout = limit;
    }

    /// Whether the server is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    pub(crate) fn unexpected(&self, info: &Info<C::Info>) {
        let what = match info {
            Info::Message(_) => "message",
            Info::Timeout => "timeout",
            Info::Down(_) => "down",
            Info::Exit(_) => return,
            _ => "event",
        };
        rekindle_actor::log_guarded(|| {
            log::error!(
                target: "rekindle",
                "{} of {} ({}) received an unexpected {what}",
                std::any::type_name::<C>(),
                self.peer,
                self_pid(),
            )
        });
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        self.queued() + bytes.len() <= self.settings.write_limit
    }

    /// Sends what does not fit.
    async fn send_much(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        loop {
            if self.fits(bytes) {
                self.out.extend_from_slice(bytes);
                return Ok(());
            }
            let direct = match self.settings.overflow {
                Overflow::Suspend => self.write_more(bytes).await?,
                Overflow::Close => {
                    let limit = self.settings.write_limit;
                    self.write_now(bytes)?.ok_or(WriteError::Full(limit))?
                }
            };
            bytes = &bytes[direct..];
        }
    }

    /// Writes once: from the buffer, or if it is empty, from `bytes`; gives how many of `bytes`
    /// were written. `None` if the peer takes nothing now.
    fn write_now(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let queued = self.queued() > 0;
        let source = if queued {
            &self.out[self.written..]
        } else {
            bytes
        };
        if source.is_empty() {
            return Ok(Some(0));
        }
        loop {
            match self.io.get_ref().write(source) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.stalled = None;
                    if !queued {
                        return Ok(Some(count));
                    }
                    self.written += count;
                    self.tidy();
                    return Ok(Some(0));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled.get_or_insert_with(now);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn poll_write(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            if let Some(direct) = self.write_now(bytes)? {
                return Poll::Ready(Ok(direct));
            }
            std::task::ready!(self.io.poll_writable(cx))?;
        }
    }

    /// As [`write_now`](Self::write_now), and waits for the peer, but not for ever.
    async fn write_more(&mut self, bytes: &[u8]) -> Result<usize, WriteError> {
        let Some(limit) = self.settings.write_timeout else {
            return Ok(poll_fn(|cx| self.poll_write(bytes, cx)).await?);
        };
        let mut over = None;
        poll_fn(|cx| {
            if let Poll::Ready(written) = self.poll_write(bytes, cx) {
                return Poll::Ready(written.map_err(WriteError::from));
            }
            let over = over
                .get_or_insert_with(|| Box::pin(sleep(limit.saturating_sub(self.stalled_for()))));
            match pin!(over).poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(WriteError::Timeout(limit))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn stalled_for(&self) -> Duration {
        self.stalled
            .map_or(Duration::ZERO, |since| now().saturating_since(since))
    }

    /// For the loop: writes what it can, without ever being ready but for a failure.
    pub(crate) fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        while self.queued() > 0 {
            match self.poll_write(&[], cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(WriteError::from(error).into()),
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }

    /// For the loop: how long the peer may still take nothing, if anything waits for it.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.stalled?;
        Some(
            self.settings
                .write_timeout?
                .saturating_sub(self.stalled_for()),
        )
    }

    /// For the loop: that time is over.
    pub(crate) fn gave_up(&self) -> Option<Closed> {
        (self.patience()? == Duration::ZERO)
            .then(|| Closed::WriteTimeout(self.settings.write_timeout.unwrap_or_default()))
    }

    pub(crate) fn broken(&self) -> Option<Closed> {
        self.broken.clone().map(Closed::from)
    }

    pub(crate) fn poll_read(
        &mut self,
        input: &mut Input,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        input.poll_fill(&self.io, cx)
    }

    /// Says that nothing more is written, and, if the peer may still be talking, hears it out for
    /// a while: whoever closes a socket with unread input in it resets the connection, and the
    /// reset takes the last answers with it.
    pub(crate) async fn hang_up(&mut self, linger: Option<Duration>) {
        if self.flush().await.is_err() {
            return;
        }
        let said = self.io.get_ref().shutdown(Shutdown::Write);
        let (Ok(()), Some(linger)) = (said, linger) else {
            return;
        };
        let mut over = pin!(sleep(linger));
        let mut bin = Input::new(4 << 10, usize::MAX);
        poll_fn(|cx| {
            if over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            loop {
                match bin.poll_fill(&self.io, cx) {
                    Poll::Ready(Ok(1..)) => bin.consume(usize::MAX),
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    fn tidy(&mut self) {
        if self.written < self.out.len() {
            // Moves the rest only when as much again has been written, so that each byte is moved
            // about once.
            if self.written >= self.out.len() / 2 {
                self.out.drain(..self.written);
                self.written = 0;
            }
            return;
        }
        self.written = 0;
        self.out.clear();
        // An idle connection has no room for answers it gave long ago.
        if self.out.capacity() > self.settings.read_buffer {
            self.out = Vec::new();
        }
    }
}

impl<C> fmt::Debug for Socket<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("peer", &self.peer)
            .field("queued", &(self.out.len() - self.written))
            .field("reading", &self.reading)
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}
