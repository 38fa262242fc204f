//! A chat: one process per guest, and a group that is the room.

use std::net::SocketAddr;

use async_net::TcpStream;
use futures_lite::StreamExt as _;
use futures_lite::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use rekindle::net::{Closed, Connection, Flow, Input, Overflow, Socket, TcpServer, TcpServerRef};
use rekindle::prelude::*;

use crate::stage::Stage;

/// How much may wait for a guest that does not read.
const PATIENCE_IN_BYTES: usize = 64 << 10;

/// What one guest says and all others hear. Cheap to clone: all hear the same text.
type Said = std::sync::Arc<str>;

/// The scope that the room is a group of.
fn rooms() -> Groups<&'static str, Said> {
    Groups::named("rooms")
}

/// One guest's connection.
struct Guest {
    /// What the guest is called, once that was said.
    name: Option<String>,
}

impl Guest {
    fn tell_others(text: String) {
        rooms().broadcast_from(&"lobby", rekindle::self_pid(), text.into());
    }

    async fn enter(&mut self, name: String, socket: &mut Socket<Self>) -> Result<(), ExitReason> {
        Guest::tell_others(format!("* {name} is here"));
        // A member leaves by itself when its process ends, however it ends.
        rooms().join("lobby", &socket.sender().recipient()).await?;
        socket.send(format!("* welcome, {name}\n")).await?;
        self.name = Some(name);
        Ok(())
    }
}

impl Connection for Guest {
    type Args = ();
    type Info = Said;

    async fn handle_connect(_: (), socket: &mut Socket<Self>) -> Result<Self, ExitReason> {
        socket.send("* who are you?\n").await?;
        Ok(Guest { name: None })
    }

    async fn handle_data(
        &mut self,
        input: &mut Input,
        socket: &mut Socket<Self>,
    ) -> Result<Flow, ExitReason> {
        while let Some(line) = input.take_line() {
            let line = String::from_utf8_lossy(&line).into_owned();
            match (&self.name, line.as_str()) {
                (None, _) => self.enter(line, socket).await?,
                (Some(_), "/quit") => return Ok(Flow::Close),
                (Some(name), "/crash") => panic!("{name} wanted it so"),
                (Some(name), text) => Guest::tell_others(format!("{name}: {text}")),
            }
        }
        Ok(Flow::Continue)
    }

    async fn handle_info(
        &mut self,
        info: Info<Said>,
        socket: &mut Socket<Self>,
    ) -> Result<Flow, ExitReason> {
        if let Info::Message(said) = info {
            socket.send(format!("{said}\n")).await?;
        }
        Ok(Flow::Continue)
    }

    async fn handle_drain(&mut self, socket: &mut Socket<Self>) -> Result<Flow, ExitReason> {
        socket.send("* we close\n").await?;
        Ok(Flow::Close)
    }

    async fn handle_close(&mut self, why: &Closed, _: &mut Socket<Self>) {
        if let Some(name) = &self.name {
            let why = match why {
                Closed::Exited(_) => "in a crash".to_owned(),
                other => other.to_string(),
            };
            Guest::tell_others(format!("* {name} has left: {why}"));
        }
    }
}

/// The tree: the room first, for guests need it.
pub fn tree(address: &'static str) -> Supervisor {
    Supervisor::rest_for_one()
        .child(Groups::<&'static str, Said>::child("rooms"))
        .child(
            TcpServer::<Guest>::child(address, ())
                .name("chat")
                .max_connections(100)
                .write_limit(PATIENCE_IN_BYTES, Overflow::Close),
        )
}

/// Somebody at the other end: nothing but `async-net` in a plain process.
struct Visitor {
    name: &'static str,
    stage: Stage,
    lines: Lines<BufReader<TcpStream>>,
    stream: TcpStream,
}

impl Visitor {
    async fn enter(
        name: &'static str,
        address: SocketAddr,
        stage: &Stage,
    ) -> Result<Visitor, ExitReason> {
        let stream = TcpStream::connect(address).await?;
        let mut visitor = Visitor {
            name,
            stage: stage.clone(),
            lines: BufReader::new(stream.clone()).lines(),
            stream,
        };
        visitor.hears("* who are you?").await?;
        visitor.says(name).await?;
        visitor.hears("* welcome").await?;
        Ok(visitor)
    }

    async fn says(&mut self, text: &str) -> Result<(), ExitReason> {
        self.stream
            .write_all(format!("{text}\n").as_bytes())
            .await?;
        Ok(())
    }

    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        // A connection that breaks off is an end like another.
        self.lines.next().await?.ok()
    }

    /// Waits for a line that begins so, and says that it was heard; what comes before is passed
    /// over.
    async fn hears(&mut self, begin: &str) -> Result<(), ExitReason> {
        loop {
            let Some(line) = self.next().await else {
                let missed = format!("{} has not heard {begin:?}", self.name);
                return Err(ExitReason::msg(missed));
            };
            if line.starts_with(begin) {
                self.tells(&line);
                return Ok(());
            }
        }
    }

    /// Says what was heard.
    fn tells(&self, line: &str) {
        self.stage.say(format!("{:>5} hears  {line}", self.name));
    }

    /// Waits for the end.
    async fn leaves(mut self) {
        while self.next().await.is_some() {}
        self.stage.say(format!("{:>5} is out", self.name));
    }
}

/// The story.
///
/// # Errors
///
/// If the tree does not start, or a socket fails that should not.
pub async fn run(stage: Stage) -> Result<(), ExitReason> {
    let tree = tree("127.0.0.1:0").start_link().await?;
    let chat = TcpServerRef::<Guest>::named("chat");
    let address = chat.local_addr().await?;

    stage.act("Three guests, each a process of their own.");
    let mut ann = Visitor::enter("ann", address, &stage).await?;
    let mut bob = Visitor::enter("bob", address, &stage).await?;
    ann.hears("* bob is here").await?;
    let deaf = Visitor::enter("deaf", address, &stage).await?;
    ann.hears("* deaf is here").await?;
    bob.hears("* deaf is here").await?;
    ann.says("hello, everybody").await?;
    bob.hears("ann: hello").await?;

    stage.act("Bob's process crashes. His socket is closed, and nobody else minds.");
    bob.says("/crash").await?;
    bob.leaves().await;
    ann.hears("* bob has left").await?;

    stage.act("The deaf guest does not read. What waits for it is bounded, and then it has to go.");
    let mut cat = Visitor::enter("cat", address, &stage).await?;
    ann.hears("* cat is here").await?;
    flood(&mut ann, &mut cat).await?;
    deaf.leaves().await;

    stage.act("The server stops: it says so, and lets everybody out.");
    tree.stop().await?;
    ann.hears("* we close").await?;
    ann.leaves().await;
    cat.hears("* we close").await?;
    cat.leaves().await;
    let refused = TcpStream::connect(address).await.is_err();
    stage.say(format!("nobody listens any more: {refused}"));
    Ok(())
}

/// Ann talks until the deaf guest has left. She waits until cat has heard each line: of a guest
/// that listens, nothing waits for long, however slow the machine is.
async fn flood(ann: &mut Visitor, cat: &mut Visitor) -> Result<(), ExitReason> {
    let much = "blah ".repeat(2000);
    loop {
        ann.says(&much).await?;
        let Some(heard) = cat.next().await else {
            return Err(ExitReason::msg("cat was let go, who has listened"));
        };
        if heard.starts_with("* deaf has left") {
            cat.tells(&heard);
            return ann.hears("* deaf has left").await;
        }
    }
}
