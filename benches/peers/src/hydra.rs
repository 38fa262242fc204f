//! hydra, as its documentation has it: one message enum per `GenServer` for requests and answers,
//! processes with `Process::spawn`, calls with their default timeout of 5 s. It runs on tokio;
//! its messages must be serialisable, but are not serialised for local processes.

use std::time::Duration;

use hydra::{
    ExitReason, From, GenServer, GenServerOptions, Message, Pid, Process, ProcessFlags,
    SystemMessage,
};
use rekindle_bench_protocol::memory::resident_bytes;
use rekindle_bench_protocol::{Answer, Task, catalogue, passes, tally};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{NOT_HERE, bytes};

#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Add(u64),
    Get,
    Is(u64),
}

struct Adder {
    sum: u64,
}

impl GenServer for Adder {
    type Message = Request;

    async fn init(&mut self) -> Result<(), ExitReason> {
        Ok(())
    }

    async fn handle_call(
        &mut self,
        message: Request,
        _: From,
    ) -> Result<Option<Request>, ExitReason> {
        Ok(Some(match message {
            Request::Add(amount) => {
                self.sum += amount;
                Request::Is(amount)
            }
            Request::Get | Request::Is(_) => Request::Is(self.sum),
        }))
    }

    async fn handle_cast(&mut self, message: Request) -> Result<(), ExitReason> {
        if let Request::Add(amount) = message {
            self.sum += amount;
        }
        Ok(())
    }
}

async fn start() -> Pid {
    Adder { sum: 0 }
        .start(GenServerOptions::new())
        .await
        .expect("it starts")
}

async fn ask(server: Pid, request: Request, limit: Option<Duration>) -> u64 {
    match Adder::call(server, request, limit).await {
        Ok(Request::Is(number)) => number,
        other => panic!("no answer: {other:?}"),
    }
}

/// Runs the driver as a hydra process: calls and monitors work in processes only.
pub async fn answer(task: Task) -> Answer {
    let (done, answered) = oneshot::channel();
    Process::spawn(async move {
        let _ = done.send(measure(task).await);
    });
    answered
        .await
        .unwrap_or_else(|_| Answer::Failed("the driver has died".to_owned()))
}

async fn measure(task: Task) -> Answer {
    let (n, k) = (task.n, catalogue::groups(&task));
    macro_rules! repeat {
        ($pass:expr) => {
            passes(task.at_least(), || $pass).await
        };
    }
    let measured = match task.benchmark.as_str() {
        "spawn_exit_batch" => repeat!(spawn_batches(n, k)),
        "spawn_exit_burst" => repeat!(spawn_batches(1, n)),
        "spawn_monitor" => repeat!(spawn_monitored(n)),
        "estone_links" => repeat!(links(n, k)),
        "server_start_stop" => repeat!(start_stop(n)),
        "ping_pong" | "ping_pong_pairs" => repeat!(ping_pongs(n, k)),
        "call" => repeat!(calls(n)),
        "call_pairs" => repeat!(side_by_side(k, move || calls(n))),
        "call_many" => {
            let server = start().await;
            repeat!(side_by_side(k, move || calls_to(server, n)))
        }
        "cast" => repeat!(casts(n, n)),
        "cast_bursts" => repeat!(casts(n, k)),
        "fan_in_2" | "fan_in_100" | "fan_in_1000" => repeat!(fan_in(n, k)),
        "estone_server" => repeat!(servers(n, k)),
        "plain" => return plain_bytes(n).await,
        "server" => return server_bytes(n).await,
        _ => return Answer::unsupported(NOT_HERE),
    };
    measured.answer()
}

async fn counted_to(target: u64) {
    while tally::total() < target {
        tokio::task::yield_now().await;
    }
}

/// Runs `k` processes with that body and adds up what they give.
async fn side_by_side<P>(k: u64, body: impl Fn() -> P) -> u64
where
    P: Future<Output = u64> + Send + 'static,
{
    let ends: Vec<_> = (0..k)
        .map(|_| {
            let (done, end) = oneshot::channel();
            let body = body();
            Process::spawn(async move {
                let _ = done.send(body.await);
            });
            end
        })
        .collect();
    let mut sum = 0;
    for end in ends {
        sum += end.await.expect("a helper of a benchmark ends well");
    }
    sum
}

async fn spawn_batches(n: u64, k: u64) -> u64 {
    let before = tally::total();
    for batch in 1..=n {
        for _ in 0..k {
            Process::spawn(async { tally::add(1) });
        }
        counted_to(before + batch * k).await;
    }
    tally::total() - before
}

async fn spawn_monitored(n: u64) -> u64 {
    let mut downs = 0;
    for _ in 0..n {
        let _ = Process::spawn_monitor(async {});
        let message = Process::receive::<()>().await;
        downs += u64::from(matches!(
            message,
            Message::System(SystemMessage::ProcessDown(..))
        ));
    }
    downs
}

async fn links(n: u64, k: u64) -> u64 {
    Process::set_flags(ProcessFlags::TRAP_EXIT);
    let mut exits = 0;
    for _ in 0..n {
        for _ in 0..k {
            Process::spawn_link(async {});
        }
        for _ in 0..k {
            let message = Process::receive::<()>().await;
            exits += u64::from(matches!(message, Message::System(SystemMessage::Exit(..))));
        }
    }
    exits
}

async fn start_stop(n: u64) -> u64 {
    let mut done = 0;
    for _ in 0..n {
        let server = start().await;
        done += u64::from(Adder::stop(server, ExitReason::Normal, None).await.is_ok());
    }
    done
}

async fn ping_pongs(n: u64, k: u64) -> u64 {
    side_by_side(k, move || async move {
        let pong = Process::spawn(async move {
            for _ in 0..n {
                if let Message::User(from) = Process::receive::<Pid>().await {
                    Process::send(from, ());
                }
            }
        });
        let (me, mut sum) = (Process::current(), 0);
        for _ in 0..n {
            Process::send(pong, me);
            sum += u64::from(matches!(Process::receive::<()>().await, Message::User(())));
        }
        sum
    })
    .await
}

async fn calls(n: u64) -> u64 {
    let server = start().await;
    let sum = calls_to(server, n).await;
    let _ = Adder::stop(server, ExitReason::Normal, None).await;
    sum
}

async fn calls_to(server: Pid, n: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        sum += ask(server, Request::Add(1), None).await;
    }
    sum
}

const LONG: Option<Duration> = Some(Duration::from_secs(600));

async fn casts(n: u64, burst: u64) -> u64 {
    let server = start().await;
    let mut sum = 0;
    for _ in 0..n / burst {
        for _ in 0..burst {
            Adder::cast(server, Request::Add(1));
        }
        sum = ask(server, Request::Get, LONG).await;
    }
    let _ = Adder::stop(server, ExitReason::Normal, None).await;
    sum
}

async fn fan_in(n: u64, k: u64) -> u64 {
    let server = start().await;
    side_by_side(k, move || async move {
        for _ in 0..n / k {
            Adder::cast(server, Request::Add(1));
        }
        0
    })
    .await;
    let sum = ask(server, Request::Get, LONG).await;
    let _ = Adder::stop(server, ExitReason::Normal, None).await;
    sum
}

async fn servers(n: u64, k: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        sum += calls(k).await;
    }
    sum
}

async fn plain_bytes(n: u64) -> Answer {
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        let counted = tally::total();
        for _ in 0..n {
            Process::spawn(async {
                tally::add(1);
                std::future::pending::<()>().await;
            });
        }
        counted_to(counted + n).await;
        *reached = resident_bytes();
    }
    bytes(at, n)
}

async fn server_bytes(n: u64) -> Answer {
    let mut servers = Vec::with_capacity(2 * n as usize);
    let mut at = [resident_bytes(), None, None];
    for reached in &mut at[1..] {
        for _ in 0..n {
            servers.push(start().await);
        }
        *reached = resident_bytes();
    }
    bytes(at, n)
}
