//! An acceptor: a process that accepts, and hands over.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_io::Async;
use rekindle_actor::{ExitReason, StartError, Starter, log_guarded, sleep};
use rekindle_supervisor::{ChildSpec, DynamicSupervisorHandle, Restart, Shutdown};

use crate::connection::Connection;
use crate::gate::{Gate, Permit, Post};
use crate::serve::{Opening, serve};
use crate::settings::Settings;

/// The first pause after the system would not accept, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What acceptors of one server share.
pub(crate) struct Reception<C: Connection> {
    pub(crate) listener: Arc<Async<TcpListener>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) connections: DynamicSupervisorHandle,
    pub(crate) settings: Arc<Settings>,
    pub(crate) args: C::Args,
}

/// The body of an acceptor: accepts until the gate is closed.
pub(crate) async fn accept_all<C: Connection>(reception: Arc<Reception<C>>, post: Post) {
    let mut pause = PAUSES.0;
    while let Some(permit) = reception.gate.enter().await {
        match reception.accept().await {
            Some(Ok((io, peer))) => {
                pause = PAUSES.0;
                reception.hand_over(io, peer, permit.serve()).await;
            }
            Some(Err(error)) if is_the_peers(&error) => {}
            Some(Err(error)) => {
                // Too many open files, as a rule: it goes away when others are closed.
                if pause == PAUSES.0 {
                    log_guarded(
                        || log::warn!(target: "rekindle", "nobody can be accepted for now: {error}"),
                    );
                }
                drop(permit);
                sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            None => {}
        }
    }
    // The socket first: whoever waits for the post finds it closed.
    drop(reception);
    drop(post);
}

/// Whether somebody has gone before being accepted; the next may stay.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

impl<C: Connection> Reception<C> {
    /// Waits for somebody; `None` if nobody may be accepted any more, for now or for ever.
    async fn accept(&self) -> Option<io::Result<(Async<TcpStream>, SocketAddr)>> {
        let mut accepting = pin!(self.listener.accept());
        poll_fn(|cx| {
            if self.gate.poll_shut(cx).is_ready() {
                return Poll::Ready(None);
            }
            accepting.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Starts the connection's process.
    async fn hand_over(&self, io: Async<TcpStream>, peer: SocketAddr, permit: Permit) {
        if self.settings.nodelay
            && let Err(error) = io.get_ref().set_nodelay(true)
        {
            log_guarded(|| log::debug!(target: "rekindle", "{peer} has gone at once: {error}"));
            return;
        }
        let opening = Opening::<C> {
            io,
            peer,
            args: self.args.clone(),
            settings: self.settings.clone(),
            permit,
        };
        let child = child(opening, peer, self.settings.drain_timeout);
        if let Err(error) = self.connections.start_child(child).await {
            log_guarded(|| log::debug!(target: "rekindle", "{peer} was turned away: {error}"));
        }
    }
}

/// A connection as a child. It can start once, and is temporary.
fn child<C: Connection>(opening: Opening<C>, peer: SocketAddr, drain: Duration) -> ChildSpec {
    let mailbox = opening.settings.mailbox;
    let opening = Mutex::new(Some(opening));
    ChildSpec::worker("connection", move || {
        let opening = opening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        async move {
            let Some(opening) = opening else {
                return Err(StartError::Failed(ExitReason::Normal));
            };
            Starter::new(peer.to_string())
                .link()
                .mailbox(mailbox)
                .start_behaviour::<C, C::Info, _, _>(move |inbox, ack| serve(opening, inbox, ack))
                .await
        }
    })
    .restart(Restart::Temporary)
    .shutdown(Shutdown::Within(drain))
}
