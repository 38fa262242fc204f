//! Bytes from anybody, as requests: see `resp.rs`.

// A program of the tutorial, of which only a part is used here.
#[allow(dead_code)]
#[path = "../5_tcp/resp.rs"]
mod resp;

use proptest::collection::vec;
use proptest::prelude::*;
use resp::{Reply, take_request};

/// All requests that are whole, until a piece is missing or one is wrong.
fn all(mut bytes: &[u8]) -> (Vec<Vec<String>>, usize, Result<(), &'static str>) {
    let mut requests = Vec::new();
    loop {
        match take_request(&mut bytes) {
            Ok(Some(words)) => requests.push(words),
            Ok(None) => return (requests, bytes.len(), Ok(())),
            Err(error) => return (requests, bytes.len(), Err(error)),
        }
    }
}

/// Bytes that look like requests, and often are none.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        2 => (0..4u8).prop_map(|n| format!("*{n}\r\n").into_bytes()),
        3 => (0..4u8).prop_map(|n| format!("${n}\r\n").into_bytes()),
        1 => prop_oneof![Just("*"), Just("$"), Just("-1"), Just("+"), Just("18446744073709551615")]
            .prop_map(|text| text.as_bytes().to_vec()),
        3 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn words() -> impl Strategy<Value = Vec<String>> {
    vec("\\PC{0,6}|[\r\n$*]{0,4}", 0..6)
}

proptest! {
    #[test]
    fn any_bytes_are_requests_or_wrong_or_wait_for_more(bytes in likely()) {
        let (requests, left, _) = all(&bytes);
        let taken: usize = requests.iter().flatten().map(|_| "$0\r\n\r\n".len()).sum();
        prop_assert!(left + taken <= bytes.len());
    }

    /// What has come cannot be undone by what comes after it.
    #[test]
    fn the_requests_of_the_beginning_are_the_first_requests_of_the_whole(
        bytes in likely(),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(bytes.len() + 1);
        let (whole, _, _) = all(&bytes);
        let (first, left, outcome) = all(&bytes[..cut]);
        prop_assert_eq!(&first[..], &whole[..first.len()]);
        if outcome.is_ok() {
            let rest = all(&bytes[cut - left..]);
            prop_assert_eq!([first, rest.0].concat(), whole);
        }
    }

    #[test]
    fn requests_come_out_as_they_were_sent(requests in vec(words(), 0..5)) {
        let sent: String = requests.iter().map(|words| Reply::List(words.clone()).encode()).collect();
        let (taken, left, outcome) = all(sent.as_bytes());
        prop_assert_eq!((taken, left, outcome), (requests, 0, Ok(())));
    }
}
