//! A web service of axum's, in rekindle's processes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rekindle::prelude::*;
use rekindle::{DynamicSupervisorRef, set_label};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::Stage;

/// What is in stock.
struct Stock {
    pieces: u32,
}

enum Order {
    Count(ReplyTo<u32>),
    Take(u32, ReplyTo<Result<u32, Short>>),
    /// A request that Stock has a mistake in.
    Audit(ReplyTo<u32>),
}

/// There are only so many.
struct Short(u32);

impl GenServer for Stock {
    type Args = u32;
    type Call = Order;
    type Cast = Never;
    type Info = Never;
    type Continue = Never;

    async fn init(pieces: u32, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Stock { pieces }))
    }

    async fn handle_call(&mut self, order: Order, _: &mut Context<Self>) -> Step<Self> {
        match order {
            Order::Count(from) => from.reply(self.pieces),
            Order::Take(wanted, from) => from.reply(match self.pieces.checked_sub(wanted) {
                Some(rest) => {
                    self.pieces = rest;
                    Ok(rest)
                }
                None => Err(Short(self.pieces)),
            }),
            Order::Audit(_from) => panic!("the books do not agree"),
        }
        Ok(Next::Wait)
    }
}

type Answer = Result<String, (StatusCode, String)>;

/// The server behind the name, whichever life it is in.
fn stock() -> Name<Stock> {
    Name::new("stock")
}

/// A server that is not there, or broke while it was asked, is the service's trouble and not the
/// client's.
fn unavailable(error: CallError) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

/// Handlers are ordinary axum. They run in the process of their connection, so that calls, names
/// and `self_pid` work as anywhere.
fn router() -> Router {
    Router::new()
        .route("/stock", get(count))
        .route("/take/{pieces}", post(take))
        .route("/audit", post(audit))
        .route("/bug", get(bug))
}

async fn count() -> Answer {
    let pieces = stock().call(Order::Count).await.map_err(unavailable)?;
    Ok(format!("{pieces} in stock"))
}

async fn take(Path(pieces): Path<u32>) -> Answer {
    let taken = stock().call(|from| Order::Take(pieces, from)).await;
    match taken.map_err(unavailable)? {
        Ok(rest) => Ok(format!("{rest} left")),
        Err(Short(there)) => Err((StatusCode::CONFLICT, format!("only {there} in stock"))),
    }
}

async fn audit() -> Answer {
    let pieces = stock().call(Order::Audit).await.map_err(unavailable)?;
    Ok(format!("{pieces} by the books"))
}

async fn bug() -> Answer {
    panic!("a handler with a mistake in it")
}

/// Accepts, and starts a process for each connection.
pub(crate) async fn accept_all(
    listener: Arc<TcpListener>,
    connections: DynamicSupervisorRef,
    router: Router,
) -> Result<(), std::io::Error> {
    loop {
        let (stream, peer) = listener.accept().await?;
        let stream = Arc::new(std::sync::Mutex::new(Some(stream)));
        // `axum::serve` would spawn on tokio, beyond the reach of links and supervisors. This is
        // all it takes to have each connection in a process.
        let router = router.clone();
        let connection = ChildSpec::task(move || {
            let router = router.clone();
            let stream = stream.lock().ok().and_then(|mut stream| stream.take());
            async move {
                set_label(format!("http {peer}"));
                match stream {
                    Some(stream) => serve(stream, router).await,
                    None => Ok(()),
                }
            }
        });
        if let Err(error) = connections.start_child(connection).await {
            log::warn!("{peer} was turned away: {error}");
        }
    }
}

async fn serve(stream: TcpStream, router: Router) -> Result<(), hyper::Error> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}

/// A client's request, and what came back: the status and the text.
async fn ask(address: SocketAddr, method: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{method} {path} HTTP/1.0\r\nhost: here\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let Some((head, text)) = answer.split_once("\r\n\r\n") else {
        return Ok("no answer".to_owned());
    };
    let status = head.split_whitespace().nth(1).unwrap_or("?");
    Ok(format!("{status} {text}"))
}

/// The story; it needs a runtime with tokio beside it.
///
/// # Errors
///
/// If the tree does not start, or a socket fails that should not.
pub async fn run(stage: Stage) -> Result<(), ExitReason> {
    // Bound here, and shared: a listener that is started again has the same port.
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await?);
    let address = listener.local_addr()?;
    // One for one: who asks while Stock breaks is told so, and must not be restarted with it.
    let tree = Supervisor::one_for_one()
        .child(Stock::child(10).name("stock"))
        .child(DynamicSupervisor::child().name("connections"))
        .child(ChildSpec::worker("listener", move || {
            let connections = DynamicSupervisorRef::named("connections");
            let accepting = accept_all(listener.clone(), connections, router());
            async move { spawn_link(accepting) }
        }))
        .start_link()
        .await?;
    let show = async |method: &str, path: &str| -> Result<(), ExitReason> {
        let answer = ask(address, method, path).await?;
        stage.say(format!("{method:>4} {path:<8} {answer}"));
        Ok(())
    };

    stage.act("A handler calls a server.");
    show("GET", "/stock").await?;
    show("POST", "/take/3").await?;
    show("POST", "/take/8").await?;

    stage.act("A handler has a mistake: its connection's process crashes, and no other.");
    show("GET", "/bug").await?;
    show("GET", "/stock").await?;

    stage.act("The server has a mistake: the client is told, and the server starts again.");
    let before = stock().pid();
    show("POST", "/audit").await?;
    while stock().pid().is_none_or(|pid| Some(pid) == before) {
        rekindle::yield_now().await;
    }
    show("GET", "/stock").await?;

    tree.stop().await?;
    Ok(())
}
