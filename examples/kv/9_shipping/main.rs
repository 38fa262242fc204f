//! A key-value store, step 9: an application that stops in good order.

mod bucket;
mod client;
mod commands;
mod find;
mod inside;
mod resp;
mod store;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use client::Client;
use rekindle::ChildSpec;
use rekindle::net::{TcpServer, TcpServerRef};
use rekindle::prelude::*;

/// Everything there is, in the order in which it starts.
fn application(address: String) -> Supervisor {
    let server = TcpServer::<Client>::child(address, ())
        .name("server")
        .max_connections(10_000)
        .idle_timeout(Duration::from_secs(300))
        .drain_timeout(Duration::from_secs(5));
    Supervisor::rest_for_one()
        .intensity(10, Duration::from_secs(60))
        .child(store::tree())
        .child(server)
        .child(ChildSpec::task(announce).id("announce"))
}

/// The last child: when it starts, everything before it has started.
async fn announce() -> Result<(), ExitReason> {
    let server = TcpServerRef::<Client>::named("server");
    println!("listening on {}", server.local_addr().await?);
    Ok(())
}

fn main() -> ExitCode {
    let env = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(env)
        .format_timestamp(None)
        .init();

    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:6380".to_owned());
    rekindle::app::run(move || application(address))
}
