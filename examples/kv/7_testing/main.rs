//! A key-value store, step 7: tests.

mod bucket;
mod client;
mod commands;
mod find;
mod resp;
mod store;
#[cfg(test)]
mod tests;

use client::Client;
use rekindle::net::{TcpServer, TcpServerRef};
use rekindle::prelude::*;

#[rekindle::main]
async fn main() -> Result<(), ExitReason> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:6380".to_owned());

    Supervisor::rest_for_one()
        .child(store::tree())
        .child(
            TcpServer::<Client>::child(address, ())
                .name("server")
                .max_connections(10_000),
        )
        .start_link()
        .await?;

    let server = TcpServerRef::<Client>::named("server");
    println!("listening on {}", server.local_addr().await?);
    std::future::pending().await
}
