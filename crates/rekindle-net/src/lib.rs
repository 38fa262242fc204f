#![forbid(unsafe_code)]
//! TCP servers in the manner of OTP: one supervised process per connection.
//!
//! A [`TcpServer`] listens, and starts a process for each connection. What a connection does is
//! said by callbacks: implement [`Connection`], much as one implements a generic server. If one
//! crashes, its socket is closed, there is a crash report, and no other connection notices.
//!
//! ```
//! use rekindle_net::{Connection, Flow, Input, Socket, TcpServer};
//! use rekindle_actor::ExitReason;
//!
//! /// Sends back what it gets.
//! struct Echo;
//!
//! impl Connection for Echo {
//!     type Args = ();
//!     type Info = std::convert::Infallible;
//!
//!     async fn handle_connect(_: (), _: &mut Socket<Self>) -> Result<Self, ExitReason> {
//!         Ok(Echo)
//!     }
//!
//!     async fn handle_data(&mut self, input: &mut Input, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
//!         socket.send(input.take_all()).await?;
//!         Ok(Flow::Continue)
//!     }
//! }
//!
//! # let runtime = rekindle_actor::Runtime::new()?;
//! # runtime.block_on(async {
//! use rekindle_supervisor::Supervisor;
//!
//! let tree = Supervisor::one_for_one()
//!     .child(TcpServer::<Echo>::child("127.0.0.1:0", ()).name("echo").max_connections(1000))
//!     .start_link()
//!     .await
//!     .unwrap();
//! let echo = rekindle_net::TcpServerRef::<Echo>::named("echo");
//! let address = echo.local_addr().await.unwrap();
//!
//! let answer = rekindle_actor::blocking(move || -> std::io::Result<String> {
//!     use std::io::{Read, Write};
//!     let mut client = std::net::TcpStream::connect(address)?;
//!     client.write_all(b"hello")?;
//!     client.shutdown(std::net::Shutdown::Write)?;
//!     let mut answer = String::new();
//!     client.read_to_string(&mut answer)?;
//!     Ok(answer)
//! }).await.unwrap().unwrap();
//! assert_eq!(answer, "hello");
//! # drop(tree);
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The tree
//!
//! ```text
//! TcpServer<Echo>        listens; has the name; answers `TcpServerRef`
//! ├─ connections         a dynamic supervisor
//! │   ├─ Echo            one temporary process per connection, labelled with the peer's address
//! │   └─ Echo
//! ├─ acceptor
//! └─ acceptor
//! ```
//!
//! # What is bounded
//!
//! | what                                     | by                                            | at the bound |
//! |------------------------------------------|-----------------------------------------------|--------------|
//! | connections                              | [`TcpServer::max_connections`]                | nobody is accepted; the kernel's backlog holds those who wait |
//! | what was sent and the peer did not take  | [`TcpServer::write_limit`]                    | [`Overflow`]: the sender waits, or the connection is closed |
//! | how long the peer may take nothing       | [`TcpServer::write_timeout`]                  | the connection is closed |
//! | what was received and not consumed       | [`TcpServer::input_limit`]                    | the connection is closed |
//! | how long a peer may be silent            | [`TcpServer::idle_timeout`], off by default   | [`Connection::handle_idle`] decides |
//! | messages of other processes              | [`TcpServer::mailbox`], off by default        | the policy decides |
//! | the end of the server                    | [`TcpServer::drain_timeout`]                  | connections that remain are killed |
//!
//! # How a connection ends
//!
//! [`Closed`] has the table: what the process's exit reason is, and whether what was sent is still
//! written.
//!
//! # Where it runs
//!
//! On any rekindle runtime with real time. Sockets are watched by the reactor of `async-io`, which
//! has one thread of its own for the whole program. The simulator knows nothing of it: while all
//! wait for a socket, virtual time jumps to the next timeout, or it is said that nothing will ever
//! happen. Test what stands behind the connections there, and connections on a real runtime;
//! [`Input`] can be made of bytes, so that what parses it needs neither.
//!
//! # When not to use this
//!
//! For HTTP take an HTTP library, and let its handlers call your processes. For TLS put a proxy in
//! front, or write the loop with a TLS stream of the `futures` family in a plain process. A client
//! is a plain process as well, with an `async_net::TcpStream` in it.

mod settings;

mod input;
mod socket;

mod connection;

mod serve;

mod gate;

mod acceptor;
mod listener;

mod server;

pub use connection::{Closed, Connection, Flow};
pub use input::Input;
pub use server::{ServerStatus, TcpServer, TcpServerRef};
pub use settings::Overflow;
pub use socket::{Socket, WriteError};
