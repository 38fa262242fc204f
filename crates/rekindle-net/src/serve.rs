//! The process of one connection: a loop between a socket, a mailbox and two clocks.

use std::future::{Future as _, poll_fn};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_io::Async;
use rekindle_actor::sys::{SystemEvent, SystemState, SystemVerdict};
use rekindle_actor::{
    Ack, Event, ExitReason, Info, Mailbox, Time, begin_ending, guarded, note_last_message,
    note_state, now, parent, trap_exit, yield_now,
};

use crate::connection::{Closed, Connection, Flow};
use crate::gate::Permit;
use crate::input::Input;
use crate::settings::Settings;
use crate::socket::{Reading, Socket, WriteError};

/// How long a peer that still talks is heard out after the connection was closed from this side.
const LINGER: Duration = Duration::from_secs(1);

/// Reads in a row that found something, before the process gives way to others.
const READS_IN_A_ROW: u32 = 16;

/// What a connection begins with.
pub(crate) struct Opening<C: Connection> {
    pub(crate) io: Async<TcpStream>,
    pub(crate) peer: SocketAddr,
    pub(crate) args: C::Args,
    pub(crate) settings: Arc<Settings>,
    pub(crate) permit: Permit,
}

/// The body of a connection's process.
pub(crate) async fn serve<C: Connection>(
    opening: Opening<C>,
    inbox: Mailbox<C::Info>,
    ack: Ack,
) -> ExitReason {
    trap_exit(true);
    // The acceptor need not wait for a greeting.
    ack.ready();
    let Opening {
        io,
        peer,
        args,
        settings,
        permit,
    } = opening;
    let input = Input::new(settings.read_buffer, settings.input_limit);
    let linger = LINGER.min(settings.drain_timeout / 2);
    let mut socket = Socket::new(io, peer, settings);
    let closed = match guarded(C::handle_connect(args, &mut socket)).await {
        Ok(Ok(state)) => {
            let mut serving = Serving {
                state,
                socket,
                input,
                inbox,
                system: SystemState::new(),
                heard: now(),
                in_a_row: 0,
            };
            let closed = serving.run().await;
            begin_ending();
            serving
                .system
                .note(|| SystemEvent::Ending(closed.clone().into_reason()));
            let farewell = serving.state.handle_close(&closed, &mut serving.socket);
            let closed = match guarded(farewell).await {
                Ok(()) => closed,
                Err(panic) => Closed::Exited(panic),
            };
            socket = serving.socket;
            closed
        }
        Ok(Err(reason)) | Err(reason) => blame(reason, &socket),
    };
    if closed.writes_out() {
        let peer_talks = !matches!(closed, Closed::Peer);
        socket.hang_up(peer_talks.then_some(linger)).await;
    }
    drop(socket);
    drop(permit);
    closed.into_reason()
}

/// Whose fault it is that a callback has failed: a failure to write is the peer's.
fn blame<C: Connection>(reason: ExitReason, socket: &Socket<C>) -> Closed {
    match reason.downcast_ref::<WriteError>() {
        Some(error) => socket.broken().unwrap_or_else(|| error.clone().into()),
        None => Closed::Exited(reason),
    }
}

/// A connection between its first and its last callback.
struct Serving<C: Connection> {
    state: C,
    socket: Socket<C>,
    input: Input,
    inbox: Mailbox<C::Info>,
    system: SystemState,
    /// When the peer was last heard, or the idle time began anew.
    heard: Time,
    in_a_row: u32,
}

/// What a connection has waited for.
enum Happened<M> {
    Event(Event<M>),
    /// This many bytes came.
    Data(usize),
    Closed(Closed),
}

/// What is handled, for reports and traces.
enum Matter {
    Data(usize),
    Info(&'static str),
    Idle,
    Drain,
}

impl Matter {
    fn describe(&self) -> String {
        match self {
            Matter::Data(count) => format!("data ({count} bytes)"),
            Matter::Info(kind) => (*kind).to_owned(),
            Matter::Idle => "idle timeout".to_owned(),
            Matter::Drain => "drain".to_owned(),
        }
    }
}

impl<C: Connection> Serving<C> {
    /// Serves until there is a reason to end.
    async fn run(&mut self) -> Closed {
        // `handle_connect` may have broken it already.
        if let Some(closed) = self.socket.broken() {
            return closed;
        }
        loop {
            let step = match self.wait().await {
                Happened::Data(0) => Err(Closed::Peer),
                Happened::Data(count) => self.data(count).await,
                Happened::Event(event) => self.event(event).await,
                Happened::Closed(closed) => Err(closed),
            };
            if let Err(closed) = step {
                return closed;
            }
        }
    }

    /// Waits, and writes meanwhile.
    async fn wait(&mut self) -> Happened<C::Info> {
        if self.system.is_suspended() {
            return Happened::Event(self.inbox.next_system().await);
        }
        if self.socket.reading == Reading::Resumed {
            self.socket.reading = Reading::On;
            self.heard = now();
            if !self.input.is_empty() {
                return Happened::Data(self.input.len());
            }
        }
        if self.in_a_row >= READS_IN_A_ROW {
            self.in_a_row = 0;
            yield_now().await;
        }
        let reading = self.socket.reading == Reading::On;
        let patience = match (self.socket.patience(), self.idle_left()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let Serving {
            socket,
            input,
            inbox,
            ..
        } = self;
        let mut event = pin!(inbox.next_event(patience));
        poll_fn(|cx| {
            if let Poll::Ready(closed) = socket.poll_write_out(cx) {
                return Poll::Ready(Happened::Closed(closed));
            }
            if let Poll::Ready(event) = event.as_mut().poll(cx) {
                return Poll::Ready(Happened::Event(event));
            }
            if !reading {
                return Poll::Pending;
            }
            socket.poll_read(input, cx).map(|read| match read {
                Ok(count) => Happened::Data(count),
                Err(error) => Happened::Closed(Closed::Failed(Arc::new(error))),
            })
        })
        .await
    }

    /// How long the peer may still be silent.
    fn idle_left(&self) -> Option<Duration> {
        let limit = self.socket.idle_timeout?;
        let listens = self.socket.reading == Reading::On;
        listens.then(|| limit.saturating_sub(now().saturating_since(self.heard)))
    }

    async fn data(&mut self, count: usize) -> Result<(), Closed> {
        self.in_a_row += 1;
        if self.socket.idle_timeout.is_some() {
            self.heard = now();
        }
        self.begin("data", || format!("{count} bytes"));
        let handling = self.state.handle_data(&mut self.input, &mut self.socket);
        let result = guarded(handling).await;
        self.end(Matter::Data(count), Closed::Local, result)?;
        match self.input.is_full() && self.socket.reading == Reading::On {
            true => Err(Closed::InputFull(self.input.len())),
            false => Ok(()),
        }
    }

    async fn event(&mut self, event: Event<C::Info>) -> Result<(), Closed> {
        self.in_a_row = 0;
        match event {
            Event::Message(message) => self.info("message", Info::Message(message)).await,
            Event::Down(down) => self.info("down", Info::Down(down)).await,
            Event::Exit(exit) if Some(exit.from) == parent() => {
                if exit.reason.is_clean() {
                    self.drain().await
                } else {
                    Err(Closed::Exited(exit.reason))
                }
            }
            Event::Exit(exit) => self.info("exit", Info::Exit(exit)).await,
            Event::System(message) => {
                let verdict = message.handle(&mut self.system, &mut self.state, C::format_status);
                match verdict {
                    SystemVerdict::Continue => Ok(()),
                    SystemVerdict::Stop(reason) => Err(Closed::Exited(reason)),
                }
            }
            Event::Timeout => self.timeout().await,
            // Nobody here sets an alarm.
            _ => Ok(()),
        }
    }

    async fn info(&mut self, kind: &'static str, info: Info<C::Info>) -> Result<(), Closed> {
        self.begin(kind, String::new);
        let result = guarded(self.state.handle_info(info, &mut self.socket)).await;
        self.end(Matter::Info(kind), Closed::Local, result)
    }

    async fn drain(&mut self) -> Result<(), Closed> {
        self.socket.draining = true;
        let result = guarded(self.state.handle_drain(&mut self.socket)).await;
        self.end(Matter::Drain, Closed::Drained, result)
    }

    async fn timeout(&mut self) -> Result<(), Closed> {
        if let Some(closed) = self.socket.gave_up() {
            return Err(closed);
        }
        let (Some(Duration::ZERO), Some(limit)) = (self.idle_left(), self.socket.idle_timeout)
        else {
            return Ok(());
        };
        self.heard = now();
        let result = guarded(self.state.handle_idle(&mut self.socket)).await;
        self.end(Matter::Idle, Closed::Idle(limit), result)
    }

    fn begin(&mut self, kind: &'static str, what: impl FnOnce() -> String) {
        self.system.message_in(kind, None, what);
    }

    /// What a callback has decided; `on_close` is what its `Flow::Close` means.
    fn end(
        &mut self,
        matter: Matter,
        on_close: Closed,
        result: Result<Result<Flow, ExitReason>, ExitReason>,
    ) -> Result<(), Closed> {
        let state = &self.state;
        self.system.handled(|| state.format_status());
        match result {
            Ok(Ok(Flow::Close)) if self.socket.draining => Err(Closed::Drained),
            Ok(Ok(Flow::Close)) => Err(on_close),
            // A failure to write ends the connection, whether the callback cared or not.
            Ok(Ok(Flow::Continue)) => self.socket.broken().map_or(Ok(()), Err),
            Ok(Err(reason)) | Err(reason) => {
                let closed = blame(reason, &self.socket);
                if let Closed::Exited(reason) = &closed
                    && !reason.is_clean()
                {
                    note_last_message(matter.describe(), None);
                    if let Some(text) = self.state.format_status() {
                        note_state(text);
                    }
                }
                Err(closed)
            }
        }
    }
}
