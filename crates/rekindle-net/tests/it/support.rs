//! A connection that does what its peer says, and a peer.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_io::Async;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use rekindle_actor::{
    Ack, ExitReason, Info, Mailbox, Pid, ReplyTo, Runtime, Sender, Starter, monitor, yield_now,
};
use rekindle_net::{Closed, Connection, Flow, Input, Socket, TcpServer, TcpServerRef};

/// Runs a test on a runtime with real time. Its log stays quiet: crashes here are on purpose.
pub(crate) fn run(test: impl Future<Output = ()> + Send + 'static) {
    quiet();
    let runtime = Runtime::new().expect("the system gives threads");
    if let Err(reason) = runtime.run(test) {
        panic!("{reason}");
    }
}

fn quiet() {
    struct Silent;
    impl log::Log for Silent {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }
    if log::set_logger(&Silent).is_ok() {
        log::set_max_level(log::LevelFilter::Error);
    }
}

/// Gives way until `holds`.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        yield_now().await;
    }
}

/// What all connections of one server write down.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lines: Mutex<Vec<String>>,
    now: AtomicUsize,
    most: AtomicUsize,
    /// The most that ever waited to be written.
    queued: AtomicUsize,
}

impl Book {
    pub(crate) fn note(&self, line: impl Into<String>) {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.clone()
    }

    /// Waits for a line that begins so.
    pub(crate) async fn has(&self, begin: &str) -> String {
        loop {
            if let Some(line) = self
                .lines()
                .into_iter()
                .find(|line| line.starts_with(begin))
            {
                return line;
            }
            yield_now().await;
        }
    }

    pub(crate) fn most_at_a_time(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    pub(crate) fn most_queued(&self) -> usize {
        self.0.queued.load(Ordering::SeqCst)
    }

    fn enter(&self) -> Present {
        let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        Present(self.clone())
    }
}

/// A connection that is there.
struct Present(Book);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Does what its peer says, line by line.
pub(crate) struct Obedient {
    book: Book,
    pub(crate) handled: usize,
    stays: bool,
    _present: Present,
}

impl Connection for Obedient {
    type Args = Book;
    type Info = String;

    async fn handle_connect(book: Book, socket: &mut Socket<Self>) -> Result<Self, ExitReason> {
        let pid = socket.pid();
        book.note(format!("connect {pid}"));
        Ok(Obedient {
            _present: book.enter(),
            book,
            handled: 0,
            stays: false,
        })
    }

    async fn handle_data(
        &mut self,
        input: &mut Input,
        socket: &mut Socket<Self>,
    ) -> Result<Flow, ExitReason> {
        while let Some(line) = input.take_line() {
            self.handled += 1;
            let line = String::from_utf8(line)?;
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "echo" => socket.send(format!("{rest}\n")).await?,
                "crash" => panic!("as it was told"),
                "fail" => return Err(ExitReason::msg("as it was told")),
                "quit" => {
                    socket.send("bye\n").await?;
                    return Ok(Flow::Close);
                }
                "hang" => std::future::pending().await,
                "stay" => self.stays = true,
                "pause" => {
                    socket.pause_reading();
                    socket.send("paused\n").await?;
                    return Ok(Flow::Continue);
                }
                "flood" => loop {
                    let sent = socket.send([7; 10_000]).await;
                    self.book
                        .0
                        .queued
                        .fetch_max(socket.queued(), Ordering::SeqCst);
                    sent?;
                },
                // Sends and does not care whether that works.
                "shout" => {
                    while socket.send([7; 10_000]).await.is_ok() {}
                    self.book.note("shouted");
                }
                other => socket.send(format!("what is {other}?\n")).await?,
            }
        }
        Ok(Flow::Continue)
    }

    async fn handle_info(
        &mut self,
        info: Info<String>,
        socket: &mut Socket<Self>,
    ) -> Result<Flow, ExitReason> {
        match info {
            Info::Message(text) if text == "resume" => socket.resume_reading(),
            Info::Message(text) if text == "close" => return Ok(Flow::Close),
            Info::Message(text) => socket.send(format!("{text}\n")).await?,
            Info::Exit(exit) => return Err(exit.reason),
            _ => {}
        }
        Ok(Flow::Continue)
    }

    async fn handle_idle(&mut self, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
        self.book.note("idle");
        if self.stays {
            self.stays = false;
            socket.send("still there?\n").await?;
            return Ok(Flow::Continue);
        }
        Ok(Flow::Close)
    }

    async fn handle_drain(&mut self, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
        self.book.note("drain");
        if self.stays {
            assert!(socket.is_draining());
            return Ok(Flow::Continue);
        }
        socket.send("farewell\n").await?;
        Ok(Flow::Close)
    }

    async fn handle_close(&mut self, why: &Closed, _: &mut Socket<Self>) {
        self.book.note(format!("close {why}"));
    }

    fn format_status(&self) -> Option<String> {
        Some(format!("{} handled", self.handled))
    }
}

pub(crate) type Server = TcpServer<Obedient>;
pub(crate) type ServerRef = TcpServerRef<Obedient>;

/// A server on any port, not yet started.
pub(crate) fn server(book: &Book) -> Server {
    TcpServer::new("127.0.0.1:0", book.clone())
}

/// A server that runs, and where.
pub(crate) async fn started(server: Server) -> (ServerRef, SocketAddr) {
    let server = server.start_link().await.expect("it listens");
    let address = server.local_addr().await.expect("it answers");
    (server, address)
}

/// The other end.
pub(crate) struct Peer(pub(crate) Async<TcpStream>);

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Peer {
        Peer(
            Async::<TcpStream>::connect(address)
                .await
                .expect("somebody listens"),
        )
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0
            .write_all(text.as_bytes())
            .await
            .expect("it is taken");
    }

    /// The next line; empty at the end.
    pub(crate) async fn hear(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.0.read(&mut byte).await? == 1 {
            if byte[0] == b'\n' {
                break;
            }
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Says a line, and hears one.
    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.say(&format!("{text}\n")).await;
        self.hear().await.expect("there is an answer")
    }

    /// Everything until the end, or until it breaks off.
    pub(crate) async fn hear_out(&mut self) -> (Vec<u8>, io::Result<()>) {
        let mut all = Vec::new();
        let ended = self.0.read_to_end(&mut all).await;
        (all, ended.map(drop))
    }
}

/// Watches a process from now on, by a process of its own.
pub(crate) async fn watch(pid: Pid) -> Watch {
    let watcher = move |mut inbox: Mailbox<ReplyTo<ExitReason>>, ack: Ack| async move {
        monitor(pid);
        ack.ready();
        let from = inbox.recv().await;
        if let Info::Down(down) = inbox.next().await {
            from.reply(down.reason);
        }
        ExitReason::Normal
    };
    Watch(
        Starter::new("watch")
            .start(watcher)
            .await
            .expect("it starts"),
    )
}

pub(crate) struct Watch(Sender<ReplyTo<ExitReason>>);

impl Watch {
    /// Waits for the end, and gives the reason.
    pub(crate) async fn reason(self) -> ExitReason {
        let reason = self.0.call(|from| from).no_timeout().await;
        reason.expect("the watcher answers")
    }
}

/// The only connection of a server.
pub(crate) async fn only(server: &ServerRef) -> Pid {
    loop {
        match server.connections().await.expect("it answers")[..] {
            [pid] => return pid,
            _ => yield_now().await,
        }
    }
}
