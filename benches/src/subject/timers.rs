//! Timers: 20 of the catalogue.

use std::time::Instant;

use rekindle::prelude::*;
use rekindle_bench_protocol::{Answer, Dice, Latencies};

use super::support::{Letter, driven, message};

/// `n` timers of 5 s, each cancelled at once.
pub async fn cancel(n: u64) -> u64 {
    driven(move |inbox: Mailbox<Letter<()>>| async move {
        let me = inbox.recipient();
        let mut cancelled = 0;
        for _ in 0..n {
            let timer = send_after(Duration::from_secs(5), &me, Letter::Message(()));
            cancelled += u64::from(timer.cancel().is_some());
        }
        cancelled
    })
    .await
}

/// `n` timers spread over one second: how late their messages come.
pub async fn fire(n: u64) -> Answer {
    driven(
        move |mut inbox: Mailbox<Letter<Instant, Answer>>| async move {
            let me = inbox.recipient();
            let mut dice = Dice::new(1);
            // Time to start them all before the first fires.
            let lead = Duration::from_millis(50 + n / 500);
            let begun = Instant::now();
            for _ in 0..n {
                let due = begun + lead + Duration::from_micros(dice.below(1_000_000));
                let delay = due.saturating_duration_since(Instant::now());
                send_after(delay, &me, Letter::Message(due));
            }
            let mut late = Latencies::with_capacity(n as usize);
            for _ in 0..n {
                let due = message(&mut inbox).await;
                late.add(due.elapsed());
            }
            Answer::ok(late.summary())
        },
    )
    .await
}

/// `k` processes that sleep from millisecond to millisecond, `n` times: how late they wake.
pub async fn interval(n: u64, k: u64) -> Answer {
    let sleepers: Vec<Task<Latencies>> = (0..k)
        .map(|_| Task::spawn(ticks(n, Duration::from_millis(1))))
        .collect();
    let mut late = Latencies::default();
    for sleeper in sleepers {
        late.extend(sleeper.await.expect("a sleeper ends well"));
    }
    Answer::ok(late.summary())
}

/// Sleeps `n` times for one period, and tells how late each time ended.
pub async fn ticks(n: u64, period: Duration) -> Latencies {
    let mut late = Latencies::with_capacity(n as usize);
    for _ in 0..n {
        let due = Instant::now() + period;
        sleep(period).await;
        late.add(Instant::now().saturating_duration_since(due));
    }
    late
}
