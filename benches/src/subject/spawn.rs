//! Spawning processes: 1 to 5 of the catalogue.

use rekindle::prelude::*;
use rekindle::yield_now;
use rekindle_bench_protocol::tally;

use super::support::{Letter, all, counted_to, driven, message};

/// `n` batches of `k`; each has ended before the next.
pub async fn batches(n: u64, k: u64) -> u64 {
    let before = tally::total();
    for batch in 1..=n {
        for _ in 0..k {
            spawn(async { tally::add(1) });
        }
        counted_to(before + batch * k).await;
    }
    tally::total() - before
}

/// `n` at once.
pub async fn burst(n: u64) -> u64 {
    let before = tally::total();
    for _ in 0..n {
        spawn(async { tally::add(1) });
    }
    counted_to(before + n).await;
    tally::total() - before
}

/// Each spawns the next; the last one tells how deep it is.
pub async fn chain(n: u64) -> u64 {
    driven(move |mut inbox: Mailbox<Letter<u64>>| async move {
        spawn_link_of_chain(1, n, inbox.recipient());
        message(&mut inbox).await
    })
    .await
}

fn spawn_link_of_chain(depth: u64, n: u64, parent: Recipient<Letter<u64>>) {
    spawn(async move {
        if depth == n {
            parent.send(Letter::Message(depth));
        } else {
            spawn_link_of_chain(depth + 1, n, parent);
        }
    });
}

/// `k` spawners with `n` each, in batches of 100.
pub async fn parallel(n: u64, k: u64) -> u64 {
    let before = tally::total();
    let spawners = (0..k).map(|_| {
        Task::spawn(async move {
            for spawned in 1..=n {
                spawn(async { tally::add(1) });
                if spawned % 100 == 0 {
                    yield_now().await;
                }
            }
            0
        })
    });
    all(spawners.collect()).await;
    counted_to(before + n * k).await;
    tally::total() - before
}

/// `n`, spawned by a thread that is no worker.
pub async fn remote(n: u64, handle: Handle) -> u64 {
    let before = tally::total();
    let outside = std::thread::spawn(move || {
        let _entered = handle.enter();
        for _ in 0..n {
            spawn(async { tally::add(1) });
        }
    });
    while tally::total() < before + n {
        // Not by yielding: the workers shall be as idle as they can be.
        sleep(Duration::from_micros(100)).await;
    }
    outside.join().expect("the thread outside ends well");
    tally::total() - before
}

/// `n` in sequence, each awaited by its `Down`.
pub async fn monitored(n: u64) -> u64 {
    driven(move |mut inbox: Mailbox<Letter<()>>| async move {
        let mut downs = 0;
        for _ in 0..n {
            let (_, reference) = spawn_monitor(async {});
            if let Info::Down(down) = inbox.next().await {
                downs += u64::from(down.reference == reference);
            }
        }
        downs
    })
    .await
}
