//! Bytes per idle process.

use rekindle::prelude::*;
use rekindle_bench_protocol::memory::resident_bytes;
use rekindle_bench_protocol::{Answer, tally};

use super::servers::Adder;
use super::support::counted_to;

/// What an answer about memory is made of: the growth by the first `n`, and by another `n`.
fn bytes(at: [Option<u64>; 3], n: u64) -> Answer {
    let [Some(before), Some(first), Some(second)] = at else {
        return Answer::unsupported("this system does not tell the resident memory");
    };
    Answer::ok([
        ("bytes", first.saturating_sub(before) / n),
        ("more", second.saturating_sub(first) / n),
    ])
}

/// Plain processes that wait for nothing.
pub async fn plain(n: u64) -> Answer {
    let before = resident_bytes();
    spawn_plain(n).await;
    let first = resident_bytes();
    spawn_plain(n).await;
    bytes([before, first, resident_bytes()], n)
}

/// `n` processes that have had their first turn and wait for ever.
pub async fn spawn_plain(n: u64) {
    let counted = tally::total();
    for _ in 0..n {
        spawn(async {
            tally::add(1);
            std::future::pending::<()>().await;
        });
    }
    counted_to(counted + n).await;
}

/// Servers, with the handle of each.
pub async fn servers(n: u64) -> Answer {
    let mut handles: Vec<Addr<Adder>> = Vec::with_capacity(2 * n as usize);
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        for _ in 0..n {
            handles.push(Adder::start(()).await.expect("it starts"));
        }
        *reached = resident_bytes();
    }
    bytes(at, n)
}

/// Servers under a dynamic supervisor; it has the handles.
pub async fn supervised(n: u64) -> Answer {
    let jobs = DynamicSupervisor::new()
        .start_link()
        .await
        .expect("it starts");
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        for _ in 0..n {
            jobs.start_child(Adder::<1>::child(()))
                .await
                .expect("it starts");
        }
        *reached = resident_bytes();
    }
    bytes(at, n)
}
