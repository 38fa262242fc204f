//! What was received and not yet consumed.

use std::fmt;
use std::io::{self, Read as _};
use std::net::TcpStream;
use std::ops::Deref;
use std::task::{Context, Poll, ready};

use async_io::Async;

/// What a connection has received and not yet consumed: bytes, which it reads like a slice.
///
/// TCP is a stream, so a request may come in pieces, and several may come at once. Take what is
/// complete, and leave the rest: it is there again, with more behind it, when
/// [`handle_data`](crate::Connection::handle_data) is called the next time.
///
/// ```
/// use rekindle_net::Input;
///
/// let mut input = Input::from(&b"PING\r\nGET ke"[..]);
/// let mut lines = Vec::new();
/// while let Some(line) = input.take_line() {
///     lines.push(line);
/// }
/// assert_eq!(lines, [b"PING"]);
/// assert_eq!(&*input, b"GET ke"); // the other half is on its way
/// ```
#[derive(Clone, Default)]
pub struct Input {
    /// All of it is initialised; what counts is `start..end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The size to begin with, and to go back to.
    chunk: usize,
    limit: usize,
}

impl Input {
    pub(crate) fn new(chunk: usize, limit: usize) -> Input {
        Input {
            chunk,
            limit,
            ..Input::default()
        }
    }

    /// Consumes the first `count` bytes, or all if there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Consumes and gives the first `count` bytes, if there are so many.
    pub fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let taken = self.get(..count)?.to_vec();
        self.consume(count);
        Some(taken)
    }

    /// Consumes and gives all there is.
    pub fn take_all(&mut self) -> Vec<u8> {
        let all = self.to_vec();
        self.consume(all.len());
        all
    }

    /// Consumes a line and gives it without its end (`\n` or `\r\n`), if a whole one is there.
    pub fn take_line(&mut self) -> Option<Vec<u8>> {
        let length = self.iter().position(|byte| *byte == b'\n')?;
        let line = &self[..length];
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.consume(length + 1);
        Some(line)
    }

    /// Whether no more can be read before something is consumed.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    /// Reads once, as much as there is room for; 0 at the end of the stream.
    pub(crate) fn poll_fill(
        &mut self,
        from: &Async<TcpStream>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        loop {
            match from.get_ref().read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(from.poll_readable(cx))?;
        }
    }

    /// Makes sure that at least one byte can be read; within the limit.
    fn make_room(&mut self) {
        if self.end == 0 && self.buffer.len() > self.chunk {
            // A large request is over; most are small.
            self.buffer = Vec::new();
        }
        if self.end < self.buffer.len() {
            return;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let larger = (self.buffer.len() * 2).clamp(self.chunk, self.limit.max(self.chunk));
            self.buffer.resize(larger.max(self.end + 1), 0);
        }
    }
}

impl Deref for Input {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

/// An input with these bytes in it, for tests of what consumes it.
impl From<&[u8]> for Input {
    fn from(bytes: &[u8]) -> Input {
        Input {
            buffer: bytes.to_vec(),
            start: 0,
            end: bytes.len(),
            chunk: bytes.len().max(1),
            limit: usize::MAX,
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the bytes: they may be anybody's secret.
        write!(f, "Input({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// As [`Input::poll_fill`], from a slice.
    fn fill(input: &mut Input, from: &mut &[u8]) -> usize {
        input.make_room();
        let count = from.read(&mut input.buffer[input.end..]).unwrap();
        input.end += count;
        count
    }

    #[test]
    fn pieces_come_out_as_they_went_in_whatever_their_sizes() {
        let stream: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        for step in [1, 3, 7, 64, 1000] {
            let mut input = Input::new(16, 64);
            let (mut rest, mut out) = (&stream[..], Vec::new());
            loop {
                let count = if input.is_full() {
                    0
                } else {
                    fill(&mut input, &mut rest)
                };
                let take = if count == 0 { input.len() } else { step };
                if take == 0 {
                    break;
                }
                if let Some(taken) = input.take(take) {
                    out.extend(taken);
                }
            }
            assert!(out == stream, "step {step}");
        }
    }

    #[test]
    fn it_grows_to_its_limit_and_no_further_and_shrinks_when_empty() {
        let mut input = Input::new(16, 100);
        let mut endless = &[7u8; 1000][..];
        while !input.is_full() {
            assert!(fill(&mut input, &mut endless) > 0);
        }
        assert_eq!(input.len(), 100);
        assert_eq!(input.buffer.len(), 100);
        input.consume(usize::MAX);
        assert!(input.is_empty());
        assert_eq!(fill(&mut input, &mut endless), 16);
        assert_eq!(input.buffer.len(), 16);
    }

    #[test]
    fn lines_may_end_in_either_way() {
        let mut input = Input::from(&b"one\r\n\ntwo\nthr"[..]);
        assert_eq!(input.take_line().unwrap(), b"one");
        assert_eq!(input.take_line().unwrap(), b"");
        assert_eq!(input.take_line().unwrap(), b"two");
        assert_eq!(input.take_line(), None);
        assert_eq!(input.take(4), None);
        assert_eq!(&*input, b"thr");
        assert_eq!(format!("{input:?}"), "Input(3 bytes)");
    }

    /// What somebody does with an input.
    #[derive(Debug, Clone)]
    enum Do {
        Fill(Vec<u8>),
        Consume(usize),
        Take(usize),
        TakeAll,
        TakeLine,
    }

    fn anything() -> impl Strategy<Value = Do> {
        let byte = prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()];
        let count = prop_oneof![0..40usize, Just(usize::MAX)];
        prop_oneof![
            4 => vec(byte, 0..40).prop_map(Do::Fill),
            1 => count.clone().prop_map(Do::Consume),
            1 => count.prop_map(Do::Take),
            1 => Just(Do::TakeAll),
            4 => Just(Do::TakeLine),
        ]
    }

    proptest! {
        /// Whatever comes in whatever pieces, and is taken in whatever way: as from a plain list.
        #[test]
        fn an_input_is_a_list_of_bytes(
            chunk in 1..20usize,
            limit in 1..60usize,
            steps in vec(anything(), 0..60),
        ) {
            let mut input = Input::new(chunk, limit);
            let mut list: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Do::Fill(bytes) => {
                        let mut rest = &bytes[..];
                        while !rest.is_empty() && !input.is_full() {
                            let before = rest;
                            let count = fill(&mut input, &mut rest);
                            prop_assert!(count > 0);
                            list.extend(&before[..count]);
                        }
                    }
                    Do::Consume(count) => {
                        input.consume(count);
                        list.drain(..count.min(list.len()));
                    }
                    Do::Take(count) => {
                        let taken = (count <= list.len()).then(|| list.drain(..count).collect());
                        prop_assert_eq!(input.take(count), taken);
                    }
                    Do::TakeAll => prop_assert_eq!(input.take_all(), std::mem::take(&mut list)),
                    Do::TakeLine => {
                        let end = list.iter().position(|byte| *byte == b'\n');
                        let line = end.map(|end| {
                            let mut line: Vec<u8> = list.drain(..=end).collect();
                            line.pop();
                            line.pop_if(|last| *last == b'\r');
                            line
                        });
                        prop_assert_eq!(input.take_line(), line);
                    }
                }
                prop_assert_eq!(&*input, &list[..]);
                prop_assert!(input.buffer.len() <= chunk.max(limit));
            }
        }
    }
}
