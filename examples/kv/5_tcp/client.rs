// A connected client: a process.

use rekindle::net::{Connection, Flow, Input, Socket};
use rekindle::prelude::*;

use crate::commands;
use crate::resp::{Reply, take_request};

pub struct Client;

impl Connection for Client {
    type Args = ();
    type Info = Never;

    async fn handle_connect(_: (), _socket: &mut Socket<Self>) -> Result<Self, ExitReason> {
        Ok(Client)
    }

    async fn handle_data(
        &mut self,
        input: &mut Input,
        socket: &mut Socket<Self>,
    ) -> Result<Flow, ExitReason> {
        loop {
            let mut rest = &**input;
            let before = rest.len();
            let request = take_request(&mut rest);
            let taken = before - rest.len();
            input.consume(taken);
            match request {
                Ok(Some(words)) => socket.send(commands::run(&words).await.encode()).await?,
                // The rest is on its way.
                Ok(None) => return Ok(Flow::Continue),
                Err(what) => {
                    socket
                        .send(Reply::Error(format!("ERR {what}")).encode())
                        .await?;
                    return Ok(Flow::Close);
                }
            }
        }
    }
}
