//! How fast processes start, end, and talk, and how many bytes an idle one takes.
//!
//! `cargo run --release -p rekindle-benches --bin spawn -- [--seconds S] [--workers N]`
//!
//! Prints a table with one worker and with all of them (or with `--workers` alone). Each figure is
//! the best, the median and the worst of several rounds, in nanoseconds per operation; the bytes
//! are the growth of the resident memory over a million idle processes. The driver is itself a
//! process, bodies share no counter, and sums are checked.

use std::time::{Duration, Instant};

use rekindle::prelude::*;

/// A server that adds.
struct Adder {
    sum: u64,
}

enum Request {
    Get(ReplyTo<u64>),
}

impl GenServer for Adder {
    type Args = ();
    type Call = Request;
    type Cast = u64;
    type Info = Never;
    type Continue = Never;

    async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(Adder { sum: 0 }))
    }

    async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
        let Request::Get(from) = request;
        from.reply(self.sum);
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, n: u64, _: &mut Context<Self>) -> Step<Self> {
        self.sum += n;
        Ok(Next::Wait)
    }
}

/// The command line.
struct Options {
    /// For all rounds of all figures of one worker count, about.
    seconds: f64,
    workers: Vec<usize>,
    /// Only this: how the program measures memory, in a process of its own per figure.
    memory: Option<String>,
}

fn options() -> Result<Options, String> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        seconds: 10.0,
        workers: vec![1, all],
        memory: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--seconds" => {
                options.seconds = value()?.parse().map_err(|e| format!("--seconds: {e}"))?;
            }
            "--workers" => {
                options.workers = vec![value()?.parse().map_err(|e| format!("--workers: {e}"))?];
            }
            "--memory" => options.memory = Some(value()?),
            "--help" | "-h" => return Err("usage: spawn [--seconds S] [--workers N]".to_owned()),
            other => return Err(format!("unknown option {other}; try --help")),
        }
    }
    options.workers.dedup();
    Ok(options)
}

fn main() -> std::process::ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return std::process::ExitCode::from(2);
        }
    };
    let quick = options.seconds < 5.0;
    let processes = if quick { 100_000 } else { 1_000_000 };
    if let Some(what) = &options.memory {
        memory(what, options.workers[0], processes);
        return std::process::ExitCode::SUCCESS;
    }
    let share = Duration::from_secs_f64(options.seconds.max(0.2) / 7.0);
    for workers in options.workers {
        println!("{workers} worker{}", if workers == 1 { "" } else { "s" });
        println!(
            "{:<44}{:>10}{:>10}{:>10}{:>14}",
            "", "best", "median", "worst", "per second"
        );
        let runtime = match Builder::new().workers(workers).start() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("no runtime: {error}");
                return std::process::ExitCode::FAILURE;
            }
        };
        let handle = runtime.handle().clone();
        runtime.block_on(async move {
            let burst = if quick { 100_000 } else { 1_000_000 };
            figures(workers, share, burst, &handle).await;
        });
        drop(runtime);
        for what in ["plain", "servers"] {
            memory_in_a_fresh_process(what, workers, options.seconds);
        }
        println!();
    }
    std::process::ExitCode::SUCCESS
}

async fn figures(workers: usize, share: Duration, burst: u64, handle: &Handle) {
    let mut table = Table { share };
    table
        .row("spawn, run, exit: batches of 100", 100_000, |n| {
            spawn_batches(n, handle.clone())
        })
        .await;
    let name = format!("spawn, run, exit: burst of {burst}");
    table
        .row(&name, burst, |n| spawn_burst(n, handle.clone()))
        .await;
    table
        .row("server start (acknowledged) and stop", 20_000, start_stop)
        .await;
    table.row("call round trip, one pair", 200_000, calls).await;
    let pairs = format!("call round trip, {workers} pairs, per call");
    table
        .row(&pairs, 200_000 * workers as u64, |n| call_pairs(n, workers))
        .await;
    table
        .row("cast, bursts of 100 and a call", 200_000, cast_bursts)
        .await;
    table
        .row("cast, a million and a call", 1_000_000, casts)
        .await;
}

/// Prints a row for each figure.
struct Table {
    /// How long one figure may take, about.
    share: Duration,
}

impl Table {
    async fn row<F, R>(&mut self, name: &str, n: u64, mut round: F)
    where
        F: FnMut(u64) -> R + Send,
        R: Future<Output = ()> + Send,
    {
        // One round to warm up; then as many as fit.
        round(n.min(20_000)).await;
        let begun = Instant::now();
        let mut rounds = Vec::new();
        while rounds.len() < 3 || (begun.elapsed() < self.share && rounds.len() < 50) {
            let start = Instant::now();
            round(n).await;
            rounds.push(start.elapsed().as_nanos() as f64 / n as f64);
        }
        rounds.sort_by(f64::total_cmp);
        let (best, median) = (rounds[0], rounds[rounds.len() / 2]);
        let worst = rounds[rounds.len() - 1];
        let rate = 1e9 / median;
        println!("{name:<44}{best:>7.0} ns{median:>7.0} ns{worst:>7.0} ns{rate:>14.0}");
    }
}

async fn spawn_batches(n: u64, handle: Handle) {
    let before = handle.metrics().finished;
    for _ in 0..n / 100 {
        for _ in 0..100 {
            spawn(async {});
        }
        rekindle::yield_now().await;
    }
    all_finished(before + n / 100 * 100, &handle).await;
}

async fn spawn_burst(n: u64, handle: Handle) {
    let before = handle.metrics().finished;
    for _ in 0..n {
        spawn(async {});
    }
    all_finished(before + n, &handle).await;
}

/// Waits until that many tasks have ended; the runtime counts them worker by worker.
async fn all_finished(count: u64, handle: &Handle) {
    while handle.metrics().finished < count {
        rekindle::yield_now().await;
    }
}

async fn start_stop(n: u64) {
    for _ in 0..n {
        let server = Adder::start(()).await.expect("it starts");
        server.stop().await.expect("it stops");
    }
}

async fn calls(n: u64) {
    let server = Adder::start(()).await.expect("it starts");
    for _ in 0..n {
        assert_eq!(server.call(Request::Get).await, Ok(0));
    }
    server.stop().await.expect("it stops");
}

async fn call_pairs(n: u64, pairs: usize) {
    let each = n / pairs as u64;
    let drivers: Vec<_> = (0..pairs).map(|_| Task::spawn(calls(each))).collect();
    for driver in drivers {
        driver.await.expect("the driver ends well");
    }
}

async fn cast_bursts(n: u64) {
    let server = Adder::start(()).await.expect("it starts");
    for burst in 1..=n / 100 {
        for _ in 0..100 {
            server.cast(1);
        }
        assert_eq!(server.call(Request::Get).await, Ok(burst * 100));
    }
    server.stop().await.expect("it stops");
}

async fn casts(n: u64) {
    let server = Adder::start(()).await.expect("it starts");
    for _ in 0..n {
        server.cast(1);
    }
    assert_eq!(server.call(Request::Get).no_timeout().await, Ok(n));
    server.stop().await.expect("it stops");
}

/// Memory that was used before, and given back to the allocator, would be used again: so each
/// figure has a process of its own.
fn memory_in_a_fresh_process(what: &str, workers: usize, seconds: f64) {
    let measured = std::env::current_exe().and_then(|program| {
        std::process::Command::new(program)
            .args(["--memory", what, "--workers", &workers.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .status()
    });
    if !measured.is_ok_and(|status| status.success()) {
        eprintln!("the memory of {what} could not be measured");
    }
}

/// Bytes for each of `n` idle processes; for servers, also what it takes to have all of them
/// answer and stop.
fn memory(what: &str, workers: usize, n: usize) {
    let runtime = Builder::new().workers(workers).start().expect("a runtime");
    match what {
        "plain" => runtime.block_on(async move {
            let mut plain = Vec::with_capacity(n);
            let before = resident_bytes();
            plain.extend((0..n).map(|_| spawn(std::future::pending::<()>())));
            settle(&plain).await;
            per_process("bytes per idle plain process", before, n);
        }),
        _ => runtime.block_on(servers(n)),
    }
}

async fn servers(n: usize) {
    let mut servers = Vec::with_capacity(n);
    let before = resident_bytes();
    let begun = Instant::now();
    for _ in 0..n {
        servers.push(Adder::start(()).await.expect("it starts"));
    }
    let started = begun.elapsed();
    per_process("bytes per idle server, with its handle", before, n);
    let begun = Instant::now();
    for server in &servers {
        assert_eq!(server.call(Request::Get).await, Ok(0));
    }
    let called = begun.elapsed();
    let begun = Instant::now();
    for server in &servers {
        server.stop().await.expect("it stops");
    }
    let stopped = begun.elapsed();
    println!(
        "{n} live servers: started in {started:.2?}, called in {called:.2?}, stopped in \
         {stopped:.2?}"
    );
}

/// Waits until every one of them has had its first turn.
async fn settle(pids: &[Pid]) {
    let running = |pid: &Pid| info(*pid).is_some_and(|info| info.running);
    while pids.last().is_some_and(running) || pids.first().is_some_and(running) {
        sleep(Duration::from_millis(5)).await;
    }
}

fn per_process(what: &str, before: Option<u64>, n: usize) {
    match (before, resident_bytes()) {
        (Some(before), Some(after)) => {
            println!("{what:<44}{:>7} B", after.saturating_sub(before) / n as u64);
        }
        _ => println!("{what:<44}{:>7}", "(not known on this system)"),
    }
}

/// The resident memory of this program, where the system tells.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
