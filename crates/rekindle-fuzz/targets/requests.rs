//! Bytes from anybody, in any pieces, as requests to the server of the tutorial.
//!
//! No panic; the requests do not depend on how the bytes were cut; memory in proportion to what has
//! come, whatever lengths are announced; and what was taken is the same when it is sent on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rekindle_fuzz::peak_of;
use resp::{Reply, take_request};

// A program of the tutorial, of which only a part is used here.
#[allow(dead_code)]
#[path = "../../../examples/kv/5_tcp/resp.rs"]
mod resp;

/// What a connection has understood so far.
#[derive(Debug, Default, PartialEq)]
struct Connection {
    requests: Vec<Vec<String>>,
    unread: Vec<u8>,
    error: Option<&'static str>,
}

impl Connection {
    /// A connection on which these have come, one after the other.
    fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Connection {
        let mut connection = Connection::default();
        pieces
            .into_iter()
            .for_each(|piece| connection.receive(piece));
        connection
    }

    fn receive(&mut self, piece: &[u8]) {
        self.unread.extend(piece);
        while self.error.is_none() {
            let mut rest = &self.unread[..];
            let (taken, peak) = peak_of(|| take_request(&mut rest));
            // A word of six bytes (`$0\r\n\r\n`) becomes a `String` in a list that doubles.
            assert!(peak <= 32 * self.unread.len() + 1024, "{peak} bytes");
            let left = rest.len();
            match taken {
                Ok(Some(words)) => self.requests.push(words),
                Ok(None) => return assert_eq!(left, self.unread.len()),
                Err(error) => self.error = Some(error),
            }
            if self.error.is_none() {
                self.unread.drain(..self.unread.len() - left);
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let whole = Connection::of([bytes]);
    let mut cut = Connection::of(bytes.chunks(1 + usize::from(size % 16)));
    if whole.error.is_some() {
        // After an error nobody reads on: the rest may lie here or not.
        cut.unread.clone_from(&whole.unread);
    }
    assert_eq!(cut, whole);

    let sent: String = whole
        .requests
        .iter()
        .map(|words| Reply::List(words.clone()).encode())
        .collect();
    let again = Connection::of([sent.as_bytes()]);
    assert_eq!(
        (again.requests, again.unread, again.error),
        (whole.requests, Vec::new(), None)
    );

    for text in whole.unread.utf8_chunks().map(|chunk| chunk.valid()) {
        let line = Reply::Error(text.to_owned()).encode();
        assert_eq!(
            line.find(['\r', '\n']),
            Some(line.len() - 2),
            "{line:?} is one line"
        );
    }
});
