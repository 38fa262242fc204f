//! tokio: a task per process, an unbounded mpsc channel as its mailbox, a oneshot per answer, as
//! in tokio's own tutorial on channels. A call's timeout is `tokio::time::timeout`.
//!
//! tokio has no monitors, links and supervisors; `JoinHandle` is the nearest thing to a `Down`.

use std::time::{Duration, Instant};

use rekindle_bench_protocol::measure::{Clocks, cpu_time, timed_passes};
use rekindle_bench_protocol::memory::resident_bytes;
use rekindle_bench_protocol::{Answer, Dice, Latencies, Measured, Task, catalogue, passes, tally};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};

use crate::{NOT_HERE, bytes};

pub async fn answer(task: Task) -> Answer {
    let (n, k, m) = (task.n, catalogue::groups(&task), task.m);
    let at_least = task.at_least();
    macro_rules! repeat {
        ($pass:expr) => {
            passes(at_least, || $pass).await
        };
    }
    let measured = match task.benchmark.as_str() {
        "spawn_exit_batch" => repeat!(spawn_batches(n, k)),
        "spawn_exit_burst" => repeat!(spawn_burst(n)),
        "spawn_chain" => repeat!(spawn_chain(n)),
        "spawn_par" | "spawn_par_one" => repeat!(spawn_parallel(n, k)),
        "spawn_remote_idle" => repeat!(spawn_remote(n)),
        "spawn_remote_busy" => {
            let hogs = hogs(task.workers);
            let measured = repeat!(spawn_remote(n));
            hogs.iter().for_each(JoinHandle::abort);
            measured
        }
        "spawn_monitor" => repeat!(spawn_join(n)),
        "skynet" => repeat!(skynet(n, k)),
        "ping_pong" | "ping_pong_pairs" => repeat!(ping_pongs(n, k)),
        "call" => repeat!(call::<1>(n)),
        "call_400" => repeat!(call::<50>(n)),
        "call_8000" => repeat!(call::<1000>(n)),
        "call_no_timeout" => repeat!(call_no_timeout(n)),
        "call_pairs" => repeat!(call_pairs(n, k)),
        "call_many" => repeat!(call_many(n, k)),
        "cast" => repeat!(casts::<1>(n, n)),
        "cast_64" => repeat!(casts::<8>(n, n)),
        "cast_1024" => repeat!(casts::<128>(n, n)),
        "cast_bursts" => repeat!(casts::<1>(n, k)),
        "fan_in_2" | "fan_in_100" | "fan_in_1000" => repeat!(fan_in(n, k)),
        "fan_out" => repeat!(fan_out(n, k)),
        "ring" | "ring_100" | "ring_100k" | "ring_tokens" => {
            timed_passes(at_least, || ring(n, k, m)).await
        }
        "big" => repeat!(big(n, k)),
        "chameneos" => repeat!(chameneos(n, k)),
        "bank" => repeat!(bank(n, k, m)),
        "sieve" => repeat!(sieve(n, k)),
        "philosophers" => repeat!(philosophers(n, k)),
        "estone_small" => repeat!(relays::<1>(n, k)),
        "estone_medium" => repeat!(relays::<8>(n, k)),
        "estone_huge" => repeat!(relays::<128>(n, k)),
        "estone_server" => repeat!(servers(n, k)),
        "ubench" => repeat!(ubench(n, k, m)),
        "timer_cancel" => repeat!(timer_cancel(n)),
        "hog" => {
            let hogs = hogs(task.workers);
            let measured = repeat!(ping_pongs(n, 1));
            hogs.iter().for_each(JoinHandle::abort);
            measured
        }
        "compute" => repeat!(compute(n, k)),
        "plain" => return plain_bytes(n).await,
        "server" => return server_bytes(n).await,
        "timer_fire" => return timer_fire(n).await,
        "timer_interval" => return timer_interval(n, k).await,
        "blocked" => return blocked(n, k, m).await,
        "open_loop_20" | "open_loop_50" | "open_loop_80" => return open_loop(n, k, m).await,
        "idle" => return idle(n, k).await,
        _ => return Answer::unsupported(NOT_HERE),
    };
    measured.answer()
}

async fn counted_to(target: u64) {
    while tally::total() < target {
        yield_now().await;
    }
}

async fn all(tasks: Vec<JoinHandle<u64>>) -> u64 {
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("a helper of a benchmark ends well");
    }
    sum
}

async fn spawn_batches(n: u64, k: u64) -> u64 {
    let before = tally::total();
    for batch in 1..=n {
        for _ in 0..k {
            tokio::spawn(async { tally::add(1) });
        }
        counted_to(before + batch * k).await;
    }
    tally::total() - before
}

async fn spawn_burst(n: u64) -> u64 {
    let before = tally::total();
    for _ in 0..n {
        tokio::spawn(async { tally::add(1) });
    }
    counted_to(before + n).await;
    tally::total() - before
}

async fn spawn_chain(n: u64) -> u64 {
    fn link(depth: u64, n: u64, done: oneshot::Sender<u64>) {
        tokio::spawn(async move {
            if depth == n {
                let _ = done.send(depth);
            } else {
                link(depth + 1, n, done);
            }
        });
    }
    let (done, end) = oneshot::channel();
    link(1, n, done);
    end.await.expect("the last one tells")
}

async fn spawn_parallel(n: u64, k: u64) -> u64 {
    let before = tally::total();
    let spawner = || {
        tokio::spawn(async move {
            for spawned in 1..=n {
                tokio::spawn(async { tally::add(1) });
                if spawned % 100 == 0 {
                    yield_now().await;
                }
            }
            0
        })
    };
    all((0..k).map(|_| spawner()).collect()).await;
    counted_to(before + n * k).await;
    tally::total() - before
}

async fn spawn_remote(n: u64) -> u64 {
    let before = tally::total();
    let handle = tokio::runtime::Handle::current();
    let outside = std::thread::spawn(move || {
        for _ in 0..n {
            handle.spawn(async { tally::add(1) });
        }
    });
    while tally::total() < before + n {
        sleep(Duration::from_micros(100)).await;
    }
    outside.join().expect("the thread outside ends well");
    tally::total() - before
}

async fn spawn_join(n: u64) -> u64 {
    let mut ended = 0;
    for _ in 0..n {
        ended += u64::from(tokio::spawn(async {}).await.is_ok());
    }
    ended
}

async fn skynet(n: u64, k: u64) -> u64 {
    fn node(number: u64, leaves: u64, k: u64, parent: UnboundedSender<u64>) {
        if leaves == 1 {
            tokio::spawn(async move {
                let _ = parent.send(number);
            });
            return;
        }
        tokio::spawn(async move {
            let below = leaves / k;
            let (me, mut inbox) = unbounded_channel();
            for child in 0..k {
                node(number + child * below, below, k, me.clone());
            }
            let mut sum = 0;
            for _ in 0..k {
                sum += inbox.recv().await.unwrap_or(0);
            }
            let _ = parent.send(sum);
        });
    }
    let (me, mut inbox) = unbounded_channel();
    node(0, n, k, me);
    inbox.recv().await.expect("the root tells")
}

async fn ping_pongs(n: u64, k: u64) -> u64 {
    async fn pair(n: u64) -> u64 {
        let (ping, mut pings) = unbounded_channel::<u64>();
        let (pong, mut pongs) = unbounded_channel::<u64>();
        tokio::spawn(async move {
            while let Some(message) = pings.recv().await {
                let _ = pong.send(message);
            }
        });
        let mut sum = 0;
        for _ in 0..n {
            let _ = ping.send(1);
            sum += pongs.recv().await.unwrap_or(0);
        }
        sum
    }
    all((0..k).map(|_| tokio::spawn(pair(n))).collect()).await
}

/// To a server that adds.
enum Request<const WORDS: usize> {
    Add([u64; WORDS], oneshot::Sender<u64>),
    Cast([u64; WORDS]),
    Get(oneshot::Sender<u64>),
}

type Server<const WORDS: usize> = UnboundedSender<Request<WORDS>>;

fn start<const WORDS: usize>() -> Server<WORDS> {
    let (server, mut inbox) = unbounded_channel();
    tokio::spawn(async move {
        let mut sum = 0;
        while let Some(request) = inbox.recv().await {
            match request {
                Request::Add(words, from) => {
                    let words: [u64; WORDS] = words;
                    sum += words[0];
                    let _ = from.send(words[0]);
                }
                Request::Cast(words) => sum += words[0],
                Request::Get(from) => {
                    let _ = from.send(sum);
                }
            }
        }
    });
    server
}

async fn add<const WORDS: usize>(server: &Server<WORDS>) -> u64 {
    let (from, answer) = oneshot::channel();
    let _ = server.send(Request::Add([1; WORDS], from));
    let answer = timeout(Duration::from_secs(5), answer).await;
    answer.expect("in time").expect("an answer")
}

async fn get<const WORDS: usize>(server: &Server<WORDS>) -> u64 {
    let (from, answer) = oneshot::channel();
    let _ = server.send(Request::Get(from));
    answer.await.expect("an answer")
}

async fn call<const WORDS: usize>(n: u64) -> u64 {
    let server = start::<WORDS>();
    let mut sum = 0;
    for _ in 0..n {
        sum += add(&server).await;
    }
    sum
}

async fn call_no_timeout(n: u64) -> u64 {
    let server = start::<1>();
    let mut sum = 0;
    for _ in 0..n {
        let (from, answer) = oneshot::channel();
        let _ = server.send(Request::Add([1], from));
        sum += answer.await.expect("an answer");
    }
    sum
}

async fn call_pairs(n: u64, k: u64) -> u64 {
    all((0..k).map(|_| tokio::spawn(call::<1>(n))).collect()).await
}

async fn call_many(n: u64, k: u64) -> u64 {
    let server = start::<1>();
    let client = |server: Server<1>| {
        tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..n {
                sum += add(&server).await;
            }
            sum
        })
    };
    all((0..k).map(|_| client(server.clone())).collect()).await
}

async fn casts<const WORDS: usize>(n: u64, burst: u64) -> u64 {
    let server = start::<WORDS>();
    let mut sum = 0;
    for _ in 0..n / burst {
        for _ in 0..burst {
            let _ = server.send(Request::Cast([1; WORDS]));
        }
        sum = get(&server).await;
    }
    sum
}

async fn fan_in(n: u64, k: u64) -> u64 {
    let (me, mut inbox) = unbounded_channel::<u64>();
    for _ in 0..k {
        let receiver = me.clone();
        tokio::spawn(async move {
            for _ in 0..n / k {
                let _ = receiver.send(1);
            }
        });
    }
    drop(me);
    let mut sum = 0;
    while let Some(message) = inbox.recv().await {
        sum += message;
    }
    sum
}

async fn fan_out(n: u64, k: u64) -> u64 {
    let mut tasks = Vec::new();
    let mut receivers = Vec::new();
    for _ in 0..k {
        let (receiver, mut inbox) = unbounded_channel::<u64>();
        receivers.push(receiver);
        tasks.push(tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..n {
                sum += inbox.recv().await.unwrap_or(0);
            }
            sum
        }));
    }
    for _ in 0..n {
        for receiver in &receivers {
            let _ = receiver.send(1);
        }
    }
    all(tasks).await
}

async fn ring(n: u64, k: u64, tokens: u64) -> Measured {
    let (done, mut finished) = unbounded_channel::<()>();
    let (nodes, mut inboxes): (Vec<_>, Vec<_>) = (0..k).map(|_| unbounded_channel::<u64>()).unzip();
    let tasks: Vec<_> = inboxes
        .drain(..)
        .enumerate()
        .map(|(index, mut inbox)| {
            let next = nodes[(index + 1) % nodes.len()].clone();
            let done = done.clone();
            tokio::spawn(async move {
                while let Some(left) = inbox.recv().await {
                    if left == 0 {
                        let _ = done.send(());
                    } else {
                        let _ = next.send(left - 1);
                    }
                }
            })
        })
        .collect();
    let clocks = Clocks::now();
    for token in 0..tokens {
        let _ = nodes[(token * k / tokens) as usize].send(n / tokens);
    }
    for _ in 0..tokens {
        finished.recv().await;
    }
    let measured = clocks.measured(n / tokens * tokens);
    // Each holds the next one's channel: they end only so.
    tasks.iter().for_each(JoinHandle::abort);
    measured
}

async fn relays<const WORDS: usize>(n: u64, k: u64) -> u64 {
    type Parcel<const WORDS: usize> = (u64, [u64; WORDS]);
    let (done, mut finished) = unbounded_channel::<u64>();
    let (relays, inboxes): (Vec<_>, Vec<_>) =
        (0..k).map(|_| unbounded_channel::<Parcel<WORDS>>()).unzip();
    let mut tasks = Vec::new();
    for (index, mut inbox) in inboxes.into_iter().enumerate() {
        let next = relays[(index + 1) % relays.len()].clone();
        let done = done.clone();
        tasks.push(tokio::spawn(async move {
            while let Some((left, mut words)) = inbox.recv().await {
                if left == 0 {
                    let _ = done.send(words[0]);
                } else {
                    words[0] += 1;
                    let _ = next.send((left - 1, words));
                }
            }
        }));
    }
    for parcel in 0..100 {
        let _ = relays[parcel % relays.len()].send((n, [0; WORDS]));
    }
    let mut sum = 0;
    for _ in 0..100 {
        sum += finished.recv().await.unwrap_or(0);
    }
    tasks.iter().for_each(JoinHandle::abort);
    sum
}

async fn big(n: u64, k: u64) -> u64 {
    enum Mail {
        Ping(usize),
        Pong,
        Stop,
    }
    let (peers, inboxes): (Vec<_>, Vec<_>) = (0..k).map(|_| unbounded_channel::<Mail>()).unzip();
    let peers: std::sync::Arc<[UnboundedSender<Mail>]> = peers.into();
    let (done, mut finished) = unbounded_channel::<u64>();
    for (index, mut inbox) in inboxes.into_iter().enumerate() {
        let (peers, done) = (peers.clone(), done.clone());
        tokio::spawn(async move {
            let mut dice = Dice::new(index as u64);
            let mut pongs = 0;
            let mut ping = || {
                let _ = peers[dice.below(k) as usize].send(Mail::Ping(index));
            };
            ping();
            while let Some(mail) = inbox.recv().await {
                match mail {
                    Mail::Ping(from) => {
                        let _ = peers[from].send(Mail::Pong);
                    }
                    Mail::Pong => {
                        pongs += 1;
                        if pongs == n {
                            let _ = done.send(pongs);
                        } else {
                            ping();
                        }
                    }
                    Mail::Stop => return,
                }
            }
        });
    }
    let mut sum = 0;
    for _ in 0..k {
        sum += finished.recv().await.unwrap_or(0);
    }
    for peer in peers.iter() {
        let _ = peer.send(Mail::Stop);
    }
    sum
}

async fn ubench(n: u64, k: u64, m: u64) -> u64 {
    let hops = n / (k * m);
    let (peers, inboxes): (Vec<_>, Vec<_>) =
        (0..k).map(|_| unbounded_channel::<Option<u64>>()).unzip();
    let peers: std::sync::Arc<[UnboundedSender<Option<u64>>]> = peers.into();
    let (done, mut finished) = unbounded_channel::<u64>();
    for (index, mut inbox) in inboxes.into_iter().enumerate() {
        let (peers, done) = (peers.clone(), done.clone());
        tokio::spawn(async move {
            let mut dice = Dice::new(index as u64);
            while let Some(Some(left)) = inbox.recv().await {
                if left == 0 {
                    let _ = done.send(hops);
                } else {
                    let _ = peers[dice.below(k) as usize].send(Some(left - 1));
                }
            }
        });
    }
    for peer in peers.iter() {
        for _ in 0..m {
            let _ = peer.send(Some(hops));
        }
    }
    let mut sum = 0;
    for _ in 0..k * m {
        sum += finished.recv().await.unwrap_or(0);
    }
    for peer in peers.iter() {
        let _ = peer.send(None);
    }
    sum
}

async fn chameneos(n: u64, k: u64) -> u64 {
    enum Visit {
        Come(u64, UnboundedSender<Option<u64>>),
        Told(u64),
    }
    let (place, mut visits) = unbounded_channel::<Visit>();
    for creature in 0..k {
        let place = place.clone();
        let (me, mut inbox) = unbounded_channel::<Option<u64>>();
        tokio::spawn(async move {
            let (mut colour, mut meetings) = (creature % 3, 0);
            loop {
                let _ = place.send(Visit::Come(colour, me.clone()));
                let Some(Some(other)) = inbox.recv().await else {
                    break;
                };
                meetings += 1;
                colour = if colour == other {
                    colour
                } else {
                    3 - colour - other
                };
            }
            let _ = place.send(Visit::Told(meetings));
        });
    }
    let (mut met, mut told, mut sum) = (0, 0, 0);
    let mut waiting: Option<(u64, UnboundedSender<Option<u64>>)> = None;
    while told < k {
        match visits.recv().await.expect("the place holds a sender") {
            Visit::Come(_, creature) if met == n => {
                let _ = creature.send(None);
            }
            Visit::Come(colour, creature) => match waiting.take() {
                None => waiting = Some((colour, creature)),
                Some((other_colour, other)) => {
                    let _ = other.send(Some(colour));
                    let _ = creature.send(Some(other_colour));
                    met += 1;
                }
            },
            Visit::Told(meetings) => {
                told += 1;
                sum += meetings;
            }
        }
        if met == n
            && let Some((_, creature)) = waiting.take()
        {
            let _ = creature.send(None);
        }
    }
    sum
}

async fn bank(n: u64, k: u64, tellers: u64) -> u64 {
    enum Order {
        Transfer(UnboundedSender<Order>, oneshot::Sender<u64>),
        Credit(u64, oneshot::Sender<u64>),
    }
    let account = || {
        let (account, mut inbox) = unbounded_channel::<Order>();
        tokio::spawn(async move {
            let mut balance = n;
            while let Some(order) = inbox.recv().await {
                match order {
                    Order::Credit(amount, from) => {
                        balance += amount;
                        let _ = from.send(amount);
                    }
                    Order::Transfer(target, from) => {
                        balance -= 1;
                        let (to_us, answer) = oneshot::channel();
                        let _ = target.send(Order::Credit(1, to_us));
                        let answer = timeout(Duration::from_secs(5), answer).await;
                        let _ = from.send(answer.expect("in time").expect("an answer"));
                    }
                }
            }
            balance
        });
        account
    };
    let accounts: std::sync::Arc<[_]> = (0..k).map(|_| account()).collect();
    let teller = |number: u64| {
        let accounts = accounts.clone();
        tokio::spawn(async move {
            let (mut dice, mut moved) = (Dice::new(number), 0);
            for _ in 0..n / tellers {
                let source = dice.below(k - 1);
                let target = source + 1 + dice.below(k - 1 - source);
                let (from, answer) = oneshot::channel();
                let order = Order::Transfer(accounts[target as usize].clone(), from);
                let _ = accounts[source as usize].send(order);
                let answer = timeout(Duration::from_secs(5), answer).await;
                moved += answer.expect("in time").expect("an answer");
            }
            moved
        })
    };
    all((0..tellers).map(teller).collect()).await
}

async fn sieve(n: u64, k: u64) -> u64 {
    enum Mail {
        Number(u64),
        End(u64),
    }
    fn filter(k: u64, done: UnboundedSender<u64>) -> UnboundedSender<Mail> {
        let (filter_, mut inbox) = unbounded_channel();
        tokio::spawn(async move {
            let mut primes: Vec<u64> = Vec::with_capacity(k as usize);
            let mut next: Option<UnboundedSender<Mail>> = None;
            while let Some(mail) = inbox.recv().await {
                match mail {
                    Mail::Number(number) if primes.iter().any(|prime| number % prime == 0) => {}
                    Mail::Number(number) if (primes.len() as u64) < k => primes.push(number),
                    Mail::Number(number) => {
                        let next = next.get_or_insert_with(|| filter(k, done.clone()));
                        let _ = next.send(Mail::Number(number));
                    }
                    Mail::End(count) => {
                        let count = count + primes.len() as u64;
                        match &next {
                            Some(next) => drop(next.send(Mail::End(count))),
                            None => drop(done.send(count)),
                        }
                        return;
                    }
                }
            }
        });
        filter_
    }
    let (done, mut finished) = unbounded_channel();
    let first = filter(k, done);
    for number in 2..n {
        let _ = first.send(Mail::Number(number));
    }
    let _ = first.send(Mail::End(0));
    finished.recv().await.expect("the last filter tells")
}

async fn philosophers(n: u64, k: u64) -> u64 {
    enum Request {
        Hungry(usize, oneshot::Sender<bool>),
        Full(usize),
    }
    let (waiter, mut inbox) = unbounded_channel::<Request>();
    tokio::spawn(async move {
        let seats = k as usize;
        let mut taken = vec![false; seats];
        while let Some(request) = inbox.recv().await {
            match request {
                Request::Hungry(seat, from) => {
                    let right = (seat + 1) % seats;
                    let both = !taken[seat] && !taken[right];
                    if both {
                        taken[seat] = true;
                        taken[right] = true;
                    }
                    let _ = from.send(both);
                }
                Request::Full(seat) => {
                    taken[seat] = false;
                    taken[(seat + 1) % seats] = false;
                }
            }
        }
    });
    let philosopher = |seat: usize| {
        let waiter = waiter.clone();
        tokio::spawn(async move {
            let mut meals = 0;
            while meals < n {
                let (from, answer) = oneshot::channel();
                let _ = waiter.send(Request::Hungry(seat, from));
                let answer = timeout(Duration::from_secs(5), answer).await;
                if answer.expect("in time").expect("an answer") {
                    meals += 1;
                    let _ = waiter.send(Request::Full(seat));
                } else {
                    yield_now().await;
                }
            }
            meals
        })
    };
    all((0..k as usize).map(philosopher).collect()).await
}

async fn servers(n: u64, k: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        sum += call::<1>(k).await;
    }
    sum
}

/// A sleep that is polled once, so that it is in the wheel, and then dropped.
async fn timer_cancel(n: u64) -> u64 {
    let mut cancelled = 0;
    for _ in 0..n {
        let mut timer = Box::pin(sleep(Duration::from_secs(5)));
        let armed = std::future::poll_fn(|context| {
            std::task::Poll::Ready(timer.as_mut().poll(context).is_pending())
        });
        cancelled += u64::from(armed.await);
    }
    cancelled
}

async fn timer_fire(n: u64) -> Answer {
    let (me, mut inbox) = unbounded_channel::<Instant>();
    let mut dice = Dice::new(1);
    let lead = Duration::from_millis(50 + n / 500);
    let begun = Instant::now();
    for _ in 0..n {
        let due = begun + lead + Duration::from_micros(dice.below(1_000_000));
        let target = me.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(due.into()).await;
            let _ = target.send(due);
        });
    }
    let mut late = Latencies::with_capacity(n as usize);
    for _ in 0..n {
        let due = inbox.recv().await.expect("we hold a sender");
        late.add(due.elapsed());
    }
    Answer::ok(late.summary())
}

async fn ticks(n: u64, period: Duration) -> Latencies {
    let mut late = Latencies::with_capacity(n as usize);
    for _ in 0..n {
        let due = Instant::now() + period;
        sleep(period).await;
        late.add(Instant::now().saturating_duration_since(due));
    }
    late
}

async fn timer_interval(n: u64, k: u64) -> Answer {
    let sleepers: Vec<_> = (0..k)
        .map(|_| tokio::spawn(ticks(n, Duration::from_millis(1))))
        .collect();
    let mut late = Latencies::default();
    for sleeper in sleepers {
        late.extend(sleeper.await.expect("a sleeper ends well"));
    }
    Answer::ok(late.summary())
}

fn hogs(hogs: usize) -> Vec<JoinHandle<()>> {
    let hog = || {
        tokio::spawn(async {
            loop {
                yield_now().await;
            }
        })
    };
    (0..hogs).map(|_| hog()).collect()
}

async fn blocked(n: u64, k: u64, m: u64) -> Answer {
    let until = Instant::now() + Duration::from_millis(n);
    let blocker = tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(m)).await;
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let sleeper = || {
        tokio::spawn(async move {
            let mut late = Latencies::default();
            while Instant::now() < until {
                late.extend(ticks(1, Duration::from_millis(1)).await);
            }
            late
        })
    };
    let sleepers: Vec<_> = (0..k).map(|_| sleeper()).collect();
    let mut late = Latencies::default();
    for sleeper in sleepers {
        late.extend(sleeper.await.expect("a sleeper ends well"));
    }
    blocker.abort();
    Answer::ok(late.summary())
}

async fn open_loop(n: u64, k: u64, m: u64) -> Answer {
    let servers: Vec<Server<1>> = (0..k).map(|_| start()).collect();
    let (me, mut inbox) = unbounded_channel::<Duration>();
    let generator = tokio::spawn(async move {
        let mut dice = Dice::new(7);
        let mean = 1e9 / (200_000.0 * m as f64 / 100.0);
        let (begun, mut at, mut sent) = (Instant::now(), 0.0, 0);
        while at < n as f64 * 1e6 {
            let intended = begun + Duration::from_nanos(at as u64);
            while Instant::now() < intended {
                yield_now().await;
            }
            let server = servers[dice.below(k) as usize].clone();
            let done = me.clone();
            tokio::spawn(async move {
                add(&server).await;
                let _ = done.send(intended.elapsed());
            });
            sent += 1;
            at -= mean * (1.0 - dice.share()).ln();
        }
        sent
    });
    let sent: u64 = generator.await.expect("the generator ends well");
    let mut latencies = Latencies::with_capacity(sent as usize);
    for _ in 0..sent {
        latencies.add(inbox.recv().await.expect("an answer"));
    }
    Answer::ok(latencies.summary())
}

/// Tasks that have had their first turn and wait for ever.
async fn idle_tasks(n: u64) {
    let counted = tally::total();
    for _ in 0..n {
        tokio::spawn(async {
            tally::add(1);
            std::future::pending::<()>().await;
        });
    }
    counted_to(counted + n).await;
}

async fn idle(n: u64, k: u64) -> Answer {
    idle_tasks(n).await;
    sleep(Duration::from_millis(100)).await;
    let cpu = cpu_time();
    sleep(Duration::from_millis(k)).await;
    let cpu = cpu_time().saturating_sub(cpu);
    Answer::ok([("cpu_ns", cpu.as_nanos() as u64)])
}

/// A plain task has no mailbox here, as a plain process has none there.
async fn plain_bytes(n: u64) -> Answer {
    let before = resident_bytes();
    idle_tasks(n).await;
    let first = resident_bytes();
    idle_tasks(n).await;
    bytes([before, first, resident_bytes()], n)
}

async fn server_bytes(n: u64) -> Answer {
    let mut servers: Vec<Server<1>> = Vec::with_capacity(2 * n as usize);
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        servers.extend((0..n).map(|_| start::<1>()));
        // Each has run, and waits.
        for server in servers.iter().rev().take(n as usize) {
            get(server).await;
        }
        *reached = resident_bytes();
    }
    bytes(at, n)
}

async fn compute(n: u64, k: u64) -> u64 {
    let part = |part: u64| {
        tokio::spawn(async move {
            let width = 1.0 / n as f64;
            let height = |piece: u64| {
                let x = (piece as f64 + 0.5) * width;
                4.0 / (1.0 + x * x)
            };
            let pieces = part * (n / k)..(part + 1) * (n / k);
            pieces.map(height).sum::<f64>() * width
        })
    };
    let parts: Vec<JoinHandle<f64>> = (0..k).map(part).collect();
    let mut sum = 0.0;
    for part in parts {
        sum += part.await.expect("a part of the sum");
    }
    (sum * 1000.0) as u64
}
