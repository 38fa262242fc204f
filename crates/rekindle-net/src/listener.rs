//! The process that has the name: it listens, starts the parts, and ends them in order.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use async_io::Async;
use rekindle_actor::{
    Context, ExitReason, GenServer, Info, Init, Never, Next, Pid, ReplyTo, Step, blocking, now,
    set_label, sleep, spawn_link, trap_exit,
};
use rekindle_supervisor::{ChildState, DynamicSupervisor, DynamicSupervisorHandle};

use crate::acceptor::{Reception, accept_all};
use crate::connection::Connection;
use crate::gate::Gate;
use crate::server::ServerStatus;
use crate::settings::Settings;

/// Finds the addresses to listen on, anew at each start.
pub(crate) type Resolve = Arc<dyn Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// How long to wait before an address that is in use is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(10);

/// The server's own process.
pub(crate) struct Listener<C> {
    address: SocketAddr,
    gate: Arc<Gate>,
    connections: DynamicSupervisorHandle,
    connection: PhantomData<fn() -> C>,
}

/// What a listener starts with.
pub(crate) struct ListenerArgs<C: Connection> {
    pub(crate) resolve: Resolve,
    pub(crate) args: C::Args,
    pub(crate) settings: Arc<Settings>,
}

/// What a listener is asked.
pub(crate) enum Ask {
    Status(ReplyTo<ServerStatus>),
    Suspend(ReplyTo<()>),
    Resume(ReplyTo<()>),
    Connections(ReplyTo<DynamicSupervisorHandle>),
}

/// An address could not be had.
#[derive(Debug)]
struct BindError {
    addresses: Vec<SocketAddr>,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot listen on ")?;
        match &self.addresses[..] {
            [] => f.write_str("no address at all")?,
            [first, others @ ..] => {
                write!(f, "{first}")?;
                others.iter().try_for_each(|other| write!(f, ", {other}"))?;
            }
        }
        write!(f, ": {}", self.error)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}

impl<C: Connection> GenServer for Listener<C> {
    type Args = ListenerArgs<C>;
    type Call = Ask;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(start: ListenerArgs<C>, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        // The end of a part is this process's business, and so is its parent's.
        trap_exit(true);
        let ListenerArgs {
            resolve,
            args,
            settings,
        } = start;
        if let Err(wrong) = settings.check() {
            return Ok(Init::Fail(wrong.into()));
        }
        let listener = match bind(resolve, &settings).await {
            Ok(listener) => Arc::new(listener),
            Err(error) => return Ok(Init::Fail(error)),
        };
        let address = listener.get_ref().local_addr()?;
        let gate = Gate::new(settings.max_connections);
        let connections = DynamicSupervisor::new().start_link().await?;
        let acceptors = settings.acceptors;
        let reception = Arc::new(Reception::<C> {
            listener,
            gate: gate.clone(),
            connections: connections.clone(),
            settings,
            args,
        });
        for _ in 0..acceptors {
            let (reception, post) = (reception.clone(), gate.post());
            spawn_link(async move {
                set_label("acceptor");
                accept_all(reception, post).await;
            });
        }
        set_label(format!("tcp {address}"));
        Ok(Init::Ready(Listener {
            address,
            gate,
            connections,
            connection: PhantomData,
        }))
    }

    async fn handle_call(&mut self, ask: Ask, _: &mut Context<Self>) -> Step<Self> {
        match ask {
            Ask::Status(from) => {
                let counts = self.gate.counts();
                from.reply(ServerStatus {
                    local_addr: self.address,
                    connections: counts.connections,
                    accepted: counts.accepted,
                    suspended: counts.suspended,
                });
            }
            Ask::Suspend(from) => {
                self.gate.suspend();
                from.reply(());
            }
            Ask::Resume(from) => {
                self.gate.resume();
                from.reply(());
            }
            Ask::Connections(from) => from.reply(self.connections.clone()),
        }
        Ok(Next::Wait)
    }

    async fn handle_info(&mut self, info: Info<Never>, cx: &mut Context<Self>) -> Step<Self> {
        match info {
            // A part has failed, and without it this is no server. Whoever supervises it starts
            // another.
            Info::Exit(exit) => Ok(Next::Stop(exit.reason)),
            other => cx.unexpected(other),
        }
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.gate.close();
        self.gate.deserted().await;
        // Each connection has the drain timeout; one after it, all have ended.
        if let Err(error) = self.connections.stop().reason(ExitReason::Shutdown).await {
            rekindle_actor::log_guarded(
                || log::debug!(target: "rekindle", "the connections have ended already: {error}"),
            );
        }
    }

    fn format_status(&self) -> Option<String> {
        let counts = self.gate.counts();
        Some(format!(
            "listens on {}, {} connections{}",
            self.address,
            counts.connections,
            if counts.suspended { ", suspended" } else { "" }
        ))
    }
}

/// Listens, and is patient with an address in use: a server that was killed a moment ago may not
/// have let go of it.
async fn bind(resolve: Resolve, settings: &Settings) -> Result<Async<TcpListener>, ExitReason> {
    // A name is looked up by the system, which blocks.
    let addresses = blocking(move || resolve()).await??;
    let until = now().saturating_add(settings.bind_timeout);
    loop {
        match TcpListener::bind(&addresses[..]).and_then(Async::new) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && now() < until => {
                sleep(AGAIN).await;
            }
            Err(error) => return Err(BindError { addresses, error }.into()),
        }
    }
}

/// The connections of a server, by their supervisor.
pub(crate) async fn pids(connections: &DynamicSupervisorHandle) -> Vec<Pid> {
    let children = connections.which_children().await.unwrap_or_default();
    let running = children.into_iter().filter_map(|child| match child.state {
        ChildState::Running(pid) => Some(pid),
        _ => None,
    });
    running.collect()
}
