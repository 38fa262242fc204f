//! The server as its users see it: a value to be started, or made a child, and a reference.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::sys::Target;
use rekindle_actor::{Addr, CallError, GenServer as _, MailboxPolicy, Name, Pid, StartError};
use rekindle_supervisor::{Child, ChildHandle, ChildSpec, Restart, Shutdown};

use crate::connection::Connection;
use crate::listener::{Ask, Listener, ListenerArgs, Resolve, pids};
use crate::settings::{Overflow, Settings};

/// A TCP server: the value from which one is started, or becomes the child of a supervisor.
///
/// | option                                   | default                              |
/// |------------------------------------------|--------------------------------------|
/// | [`acceptors`](Self::acceptors)           | 4                                    |
/// | [`max_connections`](Self::max_connections) | no limit                           |
/// | [`drain_timeout`](Self::drain_timeout)   | 10 s                                 |
/// | [`write_limit`](Self::write_limit)       | 1 MiB, then [`Overflow::Suspend`]    |
/// | [`write_timeout`](Self::write_timeout)   | 30 s                                 |
/// | [`read_buffer`](Self::read_buffer)       | 4 KiB                                |
/// | [`input_limit`](Self::input_limit)       | 1 MiB                                |
/// | [`idle_timeout`](Self::idle_timeout)     | none                                 |
/// | [`nodelay`](Self::nodelay)               | yes                                  |
/// | [`mailbox`](Self::mailbox)               | unbounded                            |
/// | [`bind_timeout`](Self::bind_timeout)     | 1 s                                  |
///
/// # How it stops
///
/// 1. Nobody is accepted any more, and the port is free.
/// 2. Every connection hears of it by [`Connection::handle_drain`], all at once.
/// 3. Those that remain after the drain timeout are killed.
///
/// As a child it is given all the time it needs for that. If it is killed, nobody is accepted any
/// more, and the connections it had drain by themselves, beside the server that takes its place.
///
/// # Restarts
///
/// Connections are temporary: what crashes is gone, and the peer may come again. The server itself
/// ends when one of its own parts fails, and its supervisor starts another. With port 0 that one
/// has another port; ask [`TcpServerRef::local_addr`].
///
/// ```
/// # use rekindle_actor::ExitReason;
/// # use rekindle_net::{Connection, Flow, Input, Socket};
/// # struct Echo;
/// # impl Connection for Echo {
/// #     type Args = ();
/// #     type Info = std::convert::Infallible;
/// #     async fn handle_connect(_: (), _: &mut Socket<Self>) -> Result<Self, ExitReason> { Ok(Echo) }
/// #     async fn handle_data(&mut self, input: &mut Input, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
/// #         socket.send(input.take_all()).await?;
/// #         Ok(Flow::Continue)
/// #     }
/// # }
/// use rekindle_actor::CallError;
/// use rekindle_net::TcpServer;
/// use rekindle_supervisor::Supervisor;
/// use std::time::Duration;
///
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// let echo = TcpServer::<Echo>::child("127.0.0.1:0", ())
///     .max_connections(1000)
///     .input_limit(64 << 10)
///     .idle_timeout(Duration::from_secs(300))
///     .drain_timeout(Duration::from_secs(1));
/// let tree = Supervisor::one_for_one().start_link().await.unwrap();
/// let echo = tree.start_child(echo).await.unwrap(); // listens by now
/// let address = echo.local_addr().await.unwrap();
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
/// assert_eq!(talk(address, "hello").await, "hello");
/// tree.terminate_child("TcpServer").await.unwrap();
/// assert_eq!(echo.status().await, Err(CallError::NoProc)); // gone, with all its connections
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a server is nothing until it is started, or made a child"]
pub struct TcpServer<C: Connection> {
    resolve: Resolve,
    args: C::Args,
    settings: Settings,
    name: Option<Arc<str>>,
    id: Option<Arc<str>>,
    restart: Restart,
    shutdown: Shutdown,
    significant: bool,
}

impl<C: Connection> TcpServer<C> {
    /// A server that will listen on `address`, such as `"127.0.0.1:6379"`; port 0 takes any that is
    /// free. A name is looked up at each start, and the first of its addresses that can be had is
    /// taken. Each connection is given a clone of `args`.
    pub fn new(address: impl ToSocketAddrs + Send + Sync + 'static, args: C::Args) -> TcpServer<C> {
        let resolve = move || -> io::Result<_> { Ok(address.to_socket_addrs()?.collect()) };
        TcpServer {
            resolve: Arc::new(resolve),
            args,
            settings: Settings::default(),
            name: None,
            id: None,
            restart: Restart::Permanent,
            shutdown: Shutdown::Infinite,
            significant: false,
        }
    }

    /// The same as [`new`](Self::new), to be read as the child of a supervisor.
    pub fn child(
        address: impl ToSocketAddrs + Send + Sync + 'static,
        args: C::Args,
    ) -> TcpServer<C> {
        TcpServer::new(address, args)
    }

    /// How many processes accept side by side. They do nothing else, so few are enough.
    pub fn acceptors(mut self, acceptors: usize) -> Self {
        self.settings.acceptors = acceptors;
        self
    }

    /// Serves at most this many at a time. At the limit nobody is accepted: whoever connects waits
    /// in the kernel's backlog, is served when another leaves, and is refused by the kernel when
    /// the backlog is full.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.max_connections = connections;
        self
    }

    /// How long connections may go on when the server stops.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.settings.drain_timeout = limit;
        self
    }

    /// How many bytes may wait for a peer that does not take them, for each connection, and what
    /// happens then.
    pub fn write_limit(mut self, bytes: usize, then: Overflow) -> Self {
        self.settings.write_limit = bytes;
        self.settings.overflow = then;
        self
    }

    /// Closes a connection whose peer has taken nothing for this long, while something waits for
    /// it.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.settings.write_timeout = Some(limit);
        self
    }

    /// Waits for peers as long as they like.
    pub fn no_write_timeout(mut self) -> Self {
        self.settings.write_timeout = None;
        self
    }

    /// How many bytes each connection has room for, to begin with. It grows as needed, up to the
    /// input limit, and shrinks again.
    pub fn read_buffer(mut self, bytes: usize) -> Self {
        self.settings.read_buffer = bytes;
        self
    }

    /// Closes a connection that has received this many bytes and consumed none of them: so this is
    /// the longest request.
    pub fn input_limit(mut self, bytes: usize) -> Self {
        self.settings.input_limit = bytes;
        self
    }

    /// How long a peer may be silent before [`Connection::handle_idle`] is asked.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings.idle_timeout = Some(limit);
        self
    }

    /// Whether small answers are sent at once (`TCP_NODELAY`), rather than gathered by the kernel.
    /// What one callback sends travels together in any case.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.settings.nodelay = nodelay;
        self
    }

    /// Bounds the mailbox of each connection, for servers whose processes send much to
    /// connections: what is sent while a connection waits for its peer gathers there.
    pub fn mailbox(mut self, policy: MailboxPolicy) -> Self {
        self.settings.mailbox = policy;
        self
    }

    /// How long to try again when the address is in use, before the start fails: a server that
    /// was killed a moment ago may not have let go of it yet.
    pub fn bind_timeout(mut self, limit: Duration) -> Self {
        self.settings.bind_timeout = limit;
        self
    }

    /// Registers the server under this name before it listens.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// As a child: calls it this. The default is the name, if there is one, else `TcpServer`.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// As a child: says when it is started again; the default is always.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// As a child: says how it is stopped; the default is as long as it takes, which the drain
    /// timeout limits.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// As a child: says whether its end may end the supervisor above.
    pub fn significant(mut self, significant: bool) -> Self {
        self.significant = significant;
        self
    }

    /// Starts the server, linked with the running process. It listens when this returns.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, the address cannot be had, or the name is taken.
    pub async fn start_link(self) -> Result<TcpServerRef<C>, StartError> {
        self.launch(true).await
    }

    /// As [`start_link`](Self::start_link), without the link: it lives until it is stopped.
    ///
    /// # Errors
    ///
    /// As [`start_link`](Self::start_link).
    pub async fn start(self) -> Result<TcpServerRef<C>, StartError> {
        self.launch(false).await
    }

    async fn launch(self, linked: bool) -> Result<TcpServerRef<C>, StartError> {
        let args = ListenerArgs {
            resolve: self.resolve,
            args: self.args,
            settings: Arc::new(self.settings),
        };
        let start = match linked {
            true => Listener::<C>::start_link(args),
            false => Listener::<C>::start(args),
        };
        let address = match self.name {
            Some(name) => start.name(name).await?,
            None => start.await?,
        };
        Ok(TcpServerRef(Whom::Life(address)))
    }
}

impl<C: Connection> From<TcpServer<C>> for ChildSpec {
    fn from(server: TcpServer<C>) -> ChildSpec {
        let id = server.id.clone().or_else(|| server.name.clone());
        let (restart, shutdown) = (server.restart, server.shutdown);
        let significant = server.significant;
        let start = move || {
            let starting = server.clone().start_link();
            async move {
                let reference = starting.await?;
                let pid = reference
                    .pid()
                    .ok_or(StartError::Failed(rekindle_actor::ExitReason::NoProc))?;
                Ok::<_, StartError>(ChildHandle::with_info(pid, reference))
            }
        };
        ChildSpec::supervisor(id.unwrap_or_else(|| "TcpServer".into()), start)
            .restart(restart)
            .shutdown(shutdown)
            .significant(significant)
    }
}

impl<C: Connection> Child for TcpServer<C> {
    type Handle = TcpServerRef<C>;

    fn handle(started: ChildHandle) -> Option<TcpServerRef<C>> {
        started.info().cloned()
    }
}

impl<C: Connection> Clone for TcpServer<C> {
    fn clone(&self) -> Self {
        TcpServer {
            resolve: self.resolve.clone(),
            args: self.args.clone(),
            settings: self.settings.clone(),
            name: self.name.clone(),
            id: self.id.clone(),
            restart: self.restart,
            shutdown: self.shutdown,
            significant: self.significant,
        }
    }
}

impl<C: Connection> fmt::Debug for TcpServer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServer")
            .field("connection", &std::any::type_name::<C>())
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What a server tells of itself.
///
/// ```
/// # use rekindle_actor::ExitReason;
/// # use rekindle_net::{Connection, Flow, Input, Socket};
/// # struct Echo;
/// # impl Connection for Echo {
/// #     type Args = ();
/// #     type Info = std::convert::Infallible;
/// #     async fn handle_connect(_: (), _: &mut Socket<Self>) -> Result<Self, ExitReason> { Ok(Echo) }
/// #     async fn handle_data(&mut self, input: &mut Input, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
/// #         socket.send(input.take_all()).await?;
/// #         Ok(Flow::Continue)
/// #     }
/// # }
/// use rekindle_net::TcpServer;
///
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// let echo = TcpServer::<Echo>::new("127.0.0.1:0", ()).start_link().await.unwrap();
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
/// let address = echo.local_addr().await.unwrap();
/// talk(address, "hello").await;
/// talk(address, "hello again").await;
/// let status = echo.status().await.unwrap();
/// assert_eq!((status.local_addr, status.accepted), (address, 2));
/// assert!(!status.suspended);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Where it listens.
    pub local_addr: SocketAddr,
    /// How many connections there are.
    pub connections: usize,
    /// How many there were since the start.
    pub accepted: u64,
    /// Whether accepting is suspended.
    pub suspended: bool,
}

/// A way to a server: to one life of it, given by its start, or to whoever holds its name, which
/// survives restarts.
///
/// Every question is a call with the default timeout of 5 s. While a server stops it answers
/// nothing.
///
/// ```
/// # use rekindle_actor::ExitReason;
/// # use rekindle_net::{Connection, Flow, Input, Socket};
/// # struct Echo;
/// # impl Connection for Echo {
/// #     type Args = ();
/// #     type Info = std::convert::Infallible;
/// #     async fn handle_connect(_: (), _: &mut Socket<Self>) -> Result<Self, ExitReason> { Ok(Echo) }
/// #     async fn handle_data(&mut self, input: &mut Input, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
/// #         socket.send(input.take_all()).await?;
/// #         Ok(Flow::Continue)
/// #     }
/// # }
/// use rekindle_actor::CallError;
/// use rekindle_net::{TcpServer, TcpServerRef};
///
/// # rekindle_actor::Runtime::new()?.block_on(async {
/// let echo = TcpServerRef::<Echo>::named("echo");
/// assert_eq!(echo.status().await, Err(CallError::NoProc)); // nobody has the name yet
///
/// TcpServer::<Echo>::new("127.0.0.1:0", ()).name("echo").start_link().await.unwrap();
/// echo.suspend().await.unwrap(); // while something behind it is not there
/// assert!(echo.status().await.unwrap().suspended);
/// echo.resume().await.unwrap();
/// assert!(echo.connections().await.unwrap().is_empty());
/// echo.stop().await.unwrap();
/// assert_eq!(echo.pid(), None);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpServerRef<C: Connection>(Whom<C>);

enum Whom<C: Connection> {
    Life(Addr<Listener<C>>),
    Name(Name<Listener<C>>),
}

impl<C: Connection> TcpServerRef<C> {
    /// The server that holds this name, each time it is asked.
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> TcpServerRef<C> {
        TcpServerRef(Whom::Name(Name::new(name)))
    }

    /// The server's process, if it lives, as far as its name tells.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        match &self.0 {
            Whom::Life(address) => Some(address.pid()),
            Whom::Name(name) => name.pid(),
        }
    }

    /// Where the server listens: the way to learn which port it has.
    ///
    /// # Errors
    ///
    /// If there is no such server, or it does not answer.
    pub async fn local_addr(&self) -> Result<SocketAddr, CallError> {
        Ok(self.status().await?.local_addr)
    }

    /// Where it listens, and how many it serves.
    ///
    /// # Errors
    ///
    /// If there is no such server, or it does not answer.
    pub async fn status(&self) -> Result<ServerStatus, CallError> {
        self.ask(Ask::Status).await
    }

    /// The processes of all connections, the newest first.
    ///
    /// # Errors
    ///
    /// If there is no such server, or it does not answer.
    pub async fn connections(&self) -> Result<Vec<Pid>, CallError> {
        Ok(pids(&self.ask(Ask::Connections).await?).await)
    }

    /// Accepts nobody until [`resume`](Self::resume). The server keeps its port and its
    /// connections; whoever connects waits in the kernel's backlog. An acceptor may be in the
    /// middle of accepting somebody, who is then served.
    ///
    /// # Errors
    ///
    /// If there is no such server, or it does not answer.
    pub async fn suspend(&self) -> Result<(), CallError> {
        self.ask(Ask::Suspend).await
    }

    /// Accepts again.
    ///
    /// # Errors
    ///
    /// If there is no such server, or it does not answer.
    pub async fn resume(&self) -> Result<(), CallError> {
        self.ask(Ask::Resume).await
    }

    /// Stops the server as [`TcpServer`] says, with `Normal`, and waits for it. For one under a
    /// supervisor use the supervisor's `terminate_child`.
    ///
    /// # Errors
    ///
    /// If there is no such server.
    pub async fn stop(&self) -> Result<(), rekindle_actor::StopError> {
        rekindle_actor::Stop::new(self).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        make: impl FnOnce(rekindle_actor::ReplyTo<T>) -> Ask,
    ) -> Result<T, CallError> {
        match &self.0 {
            Whom::Life(address) => address.call(make).await,
            Whom::Name(name) => name.call(make).await,
        }
    }
}

impl<C: Connection> Target for TcpServerRef<C> {
    fn target_pid(&self) -> Option<Pid> {
        self.pid()
    }
}

impl<C: Connection> Clone for TcpServerRef<C> {
    fn clone(&self) -> Self {
        TcpServerRef(match &self.0 {
            Whom::Life(address) => Whom::Life(address.clone()),
            Whom::Name(name) => Whom::Name(name.clone()),
        })
    }
}

impl<C: Connection> fmt::Debug for TcpServerRef<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Whom::Life(address) => write!(f, "TcpServerRef({})", address.pid()),
            Whom::Name(name) => write!(f, "TcpServerRef({name:?})"),
        }
    }
}
