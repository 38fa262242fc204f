//! The arguments of a child are needed again at each restart.
use std::net::TcpListener;

use rekindle::prelude::*;

struct Acceptor {
    listener: TcpListener,
}

#[gen_server]
impl Acceptor {
    fn init(listener: TcpListener) -> Self {
        Acceptor { listener }
    }
    #[call]
    fn port(&self) -> u16 {
        self.listener.local_addr().map_or(0, |address| address.port())
    }
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _ = Supervisor::one_for_one().child(Acceptor::child(listener));
}
