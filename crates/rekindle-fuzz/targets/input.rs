//! Bytes through a socket into the buffer of a connection, taken out in any way.
//!
//! What comes out is what a plain list of bytes gives, and no more is kept than the limit allows.

#![no_main]

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex};

use arbitrary::Arbitrary;
use async_io::Async;
use futures_lite::future::block_on;
use input::Input;
use libfuzzer_sys::fuzz_target;

// The buffer is filled by its own crate only, and from a socket.
#[allow(dead_code, unreachable_pub)]
#[path = "../../rekindle-net/src/input.rs"]
mod input;

#[derive(Debug, Arbitrary)]
struct Use<'a> {
    chunk: u8,
    limit: u8,
    steps: Vec<Do<'a>>,
}

#[derive(Debug, Arbitrary)]
enum Do<'a> {
    Fill(&'a [u8]),
    Consume(usize),
    ConsumeFew(u8),
    Take(usize),
    TakeFew(u8),
    TakeAll,
    TakeLine,
}

/// Both ends of one connection, which lasts as long as the program.
struct Wire {
    here: TcpStream,
    there: Async<TcpStream>,
}

static WIRE: LazyLock<Mutex<Wire>> = LazyLock::new(|| {
    let connected = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let here = TcpStream::connect(listener.local_addr()?)?;
        here.set_nodelay(true)?;
        let there = Async::new(listener.accept()?.0)?;
        std::io::Result::Ok(Wire { here, there })
    };
    Mutex::new(connected().expect("a connection with oneself"))
});

impl Wire {
    /// Sends the bytes and fills the input with them, until it is full; gives how many went in.
    fn carry(&mut self, bytes: &[u8], input: &mut Input) -> usize {
        self.here.write_all(bytes).expect("the kernel keeps so few");
        let mut filled = 0;
        while filled < bytes.len() && !input.is_full() {
            let count = block_on(poll_fn(|cx| input.poll_fill(&self.there, cx)));
            let count = count.expect("an open connection");
            assert!(count > 0, "there was room, and something to read");
            filled += count;
        }
        let mut lost = vec![0; bytes.len() - filled];
        let mut at = 0;
        while at < lost.len() {
            block_on(self.there.readable()).expect("an open connection");
            match self.there.get_ref().read(&mut lost[at..]) {
                Ok(count) => at += count,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(lost, bytes[filled..]);
        filled
    }
}

fuzz_target!(|given: Use<'_>| {
    let mut wire = WIRE.lock().expect("one thread");
    let (chunk, limit) = (
        1 + usize::from(given.chunk % 32),
        1 + usize::from(given.limit),
    );
    let mut input = Input::new(chunk, limit);
    let mut list: Vec<u8> = Vec::new();
    for step in given.steps {
        match step {
            Do::Fill(bytes) => {
                let filled = wire.carry(bytes, &mut input);
                list.extend(&bytes[..filled]);
            }
            Do::Consume(count) => consume(&mut input, &mut list, count),
            Do::ConsumeFew(count) => consume(&mut input, &mut list, count.into()),
            Do::Take(count) => take(&mut input, &mut list, count),
            Do::TakeFew(count) => take(&mut input, &mut list, count.into()),
            Do::TakeAll => assert_eq!(input.take_all(), std::mem::take(&mut list)),
            Do::TakeLine => {
                let end = list.iter().position(|byte| *byte == b'\n');
                let line = end.map(|end| {
                    let mut line: Vec<u8> = list.drain(..=end).collect();
                    line.pop();
                    line.pop_if(|last| *last == b'\r');
                    line
                });
                assert_eq!(input.take_line(), line);
            }
        }
        assert_eq!(&*input, &list[..]);
        assert!(input.len() <= chunk.max(limit));
    }
});

fn consume(input: &mut Input, list: &mut Vec<u8>, count: usize) {
    input.consume(count);
    list.drain(..count.min(list.len()));
}

fn take(input: &mut Input, list: &mut Vec<u8>, count: usize) {
    let taken = (count <= list.len()).then(|| list.drain(..count).collect());
    assert_eq!(input.take(count), taken);
}
