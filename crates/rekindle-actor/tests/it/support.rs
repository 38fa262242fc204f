//! What the tests share: runs on both kinds of runtime, and processes that do as they are told.
//!
//! | helper       | is                                                                        |
//! |--------------|---------------------------------------------------------------------------|
//! | `on_both`    | runs a body under the simulator (8 seeds) and on the pool (1, 2 workers)  |
//! | `with_inbox` | gives the body a mailbox of its own                                       |
//! | [`Puppet`]   | a process that runs the closures it is sent, and notes what it receives   |
//! | [`Probe`]    | a generic server whose callbacks are closures                             |

use std::future::{Future, pending};
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::{
    Ack, Addr, Builder, Context, Down, Exit, ExitReason, GenServer, Info, Init, Mailbox, Next, Pid,
    ReplyTo, Runtime, Sender, StartError, Starter, Step, StopError, info, is_alive, spawn, sys,
    yield_now,
};

use crate::record::passed_on;

/// Seeds of the simulator that every test runs with.
pub(crate) const SEEDS: u64 = 8;

/// Seeds of a longer hunt: `REKINDLE_SEEDS` says how many.
fn seeds() -> u64 {
    let asked = std::env::var("REKINDLE_SEEDS").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(SEEDS)
}
/// When a run counts as hung. A guard against hanging for ever, not a measure of anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A test's body. Boxed, so that what runs it is compiled once and not for each test.
type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs `body` under the simulator with each seed, and on the pool with one and two workers.
#[track_caller]
pub(crate) fn on_both<F, Fut>(body: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let body = || -> Body { Box::pin(body()) };
    simulate(&body);
    pool_up(&body);
}

/// Runs `body` under the simulator only: for what needs exact or very long times.
#[track_caller]
pub(crate) fn on_sim<F, Fut>(body: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    simulate(&|| Box::pin(body()));
}

/// Runs `body` on the pool only: for what needs real threads.
#[track_caller]
pub(crate) fn on_pool<F, Fut>(body: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    pool_up(&|| Box::pin(body()));
}

#[track_caller]
fn simulate(body: &dyn Fn() -> Body) {
    for seed in 0..seeds() {
        run(
            &format!("simulator, seed {seed}"),
            Box::new(move || Runtime::simulated(seed)),
            body(),
        );
    }
    passed_on("simulator");
}

#[track_caller]
fn pool_up(body: &dyn Fn() -> Body) {
    for workers in [1, 2] {
        run(
            &format!("pool of {workers}"),
            Box::new(move || pool(workers)),
            body(),
        );
    }
    passed_on("pool");
}

pub(crate) fn pool(workers: usize) -> Runtime {
    Builder::new()
        .workers(workers)
        .start()
        .expect("the system gives threads")
}

#[track_caller]
fn run(what: &str, runtime: Box<dyn FnOnce() -> Runtime + Send>, body: Body) {
    let outcome = within_patience(what, move || {
        let runtime = runtime();
        let outcome = runtime.run(body);
        drop(runtime);
        outcome
    });
    if let Err(reason) = outcome {
        panic!("{what}: {reason}");
    }
}

/// Runs `f` on a thread of its own, and panics if it does not come to an end.
#[track_caller]
pub(crate) fn within_patience<R: Send + 'static>(
    what: &str,
    f: impl FnOnce() -> R + Send + 'static,
) -> R {
    quiet();
    let (done, outcome) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(f());
    });
    match outcome.recv_timeout(PATIENCE) {
        Ok(outcome) => {
            thread.join().expect("nothing comes after the outcome");
            outcome
        }
        Err(RecvTimeoutError::Timeout) => panic!("{what}: hangs"),
        Err(RecvTimeoutError::Disconnected) => {
            let _ = writeln!(std::io::stderr(), "in: {what}");
            std::panic::resume_unwind(thread.join().expect_err("it ended without an outcome"))
        }
    }
}

/// Crash reports are expected here: a logger that says nothing keeps them off stderr.
pub(crate) fn quiet() {
    struct Silent;
    impl log::Log for Silent {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }
    if log::set_logger(&Silent).is_ok() && std::env::var_os("REKINDLE_TEST_LOG").is_none() {
        log::set_max_level(log::LevelFilter::Error);
    }
}

/// Runs `body` as a process with a mailbox of `M`, and waits for its end.
pub(crate) async fn with_inbox<M, F, Fut>(body: F)
where
    M: Send + 'static,
    F: FnOnce(Mailbox<M>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    start_with_inbox(Box::new(|inbox| Box::pin(body(inbox)))).await;
}

async fn start_with_inbox<M: Send + 'static>(body: Box<dyn FnOnce(Mailbox<M>) -> Body + Send>) {
    let started = Starter::new("test").start(|inbox: Mailbox<M>, ack: Ack| async move {
        body(inbox).await;
        ack.ready();
        ExitReason::Normal
    });
    if let Err(error) = started.await {
        match error {
            StartError::Failed(reason) => panic!("{reason}"),
            other => panic!("{other}"),
        }
    }
}

/// Gives way until `holds`: for what is only promised to happen at some time.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        yield_now().await;
    }
}

/// An abnormal reason.
pub(crate) fn oops(text: &str) -> ExitReason {
    ExitReason::msg(text)
}

/// The next thing in the mailbox, which must be a `Down`.
pub(crate) async fn expect_down<M: Send + 'static>(inbox: &mut Mailbox<M>) -> Down {
    match inbox.next().await {
        Info::Down(down) => down,
        other => panic!("expected a Down, got {}", name_of(&other)),
    }
}

/// The next thing in the mailbox, which must be an `Exit`.
pub(crate) async fn expect_exit<M: Send + 'static>(inbox: &mut Mailbox<M>) -> Exit {
    match inbox.next().await {
        Info::Exit(exit) => exit,
        other => panic!("expected an Exit, got {}", name_of(&other)),
    }
}

/// Nothing more comes into the mailbox.
pub(crate) async fn expect_nothing<M: Send + 'static>(inbox: &mut Mailbox<M>) {
    match inbox.next_timeout(Duration::from_millis(20)).await {
        Info::Timeout => {}
        other => panic!("expected nothing, got {}", name_of(&other)),
    }
}

fn name_of<M>(info: &Info<M>) -> String {
    match info {
        Info::Message(_) => "a message".to_owned(),
        Info::Down(down) => format!("{down:?}"),
        Info::Exit(exit) => format!("{exit:?}"),
        _ => "a timeout".to_owned(),
    }
}

/// Waits for the end of a process and gives its reason. Uses the running process's mailbox.
pub(crate) async fn reason_of<M: Send + 'static>(inbox: &mut Mailbox<M>, pid: Pid) -> ExitReason {
    let reference = rekindle_actor::monitor(pid);
    let down = expect_down(inbox).await;
    assert_eq!(down.reference, reference);
    down.reason
}

/// A process that does nothing for ever.
pub(crate) fn idle() -> Pid {
    spawn(pending::<()>())
}

/// A process that ends with the reason it is sent.
pub(crate) fn mortal() -> Sender<ExitReason> {
    spawn(|mut inbox: Mailbox<ExitReason>| async move { inbox.recv().await })
}

/// What a [`Puppet`] has received besides its work.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Down(Pid, ExitReason),
    Exit(Pid, ExitReason),
}

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A process that runs the closures it is sent, and notes every `Down` and `Exit`.
#[derive(Clone)]
pub(crate) struct Puppet {
    sender: Sender<Job>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Puppet {
    pub(crate) fn new() -> Puppet {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sender = spawn(puppet(seen.clone()));
        Puppet { sender, seen }
    }

    /// A puppet that traps exits.
    pub(crate) async fn trapping() -> Puppet {
        let puppet = Puppet::new();
        // A signal acts before unread messages: so this must have been handled.
        puppet.run(|| rekindle_actor::trap_exit(true)).await;
        puppet
    }

    pub(crate) fn pid(&self) -> Pid {
        self.sender.pid()
    }

    /// Has the puppet run `f`, and waits for what it gives.
    pub(crate) async fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        let done = self
            .sender
            .call(|from: ReplyTo<R>| Box::new(move || from.reply(f())) as Job);
        done.await.expect("the puppet lives")
    }

    /// Has the puppet run `f` at some time.
    pub(crate) fn tell(&self, f: impl FnOnce() + Send + 'static) {
        self.sender.send(Box::new(f));
    }

    /// Everything the puppet has noted, once it has handled what was sent to it so far.
    pub(crate) async fn seen(&self) -> Vec<Seen> {
        self.run(|| ()).await;
        self.noted()
    }

    /// What the puppet has noted until now; it may be dead.
    pub(crate) fn noted(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Waits until it has noted that many things.
    pub(crate) async fn has_seen(&self, count: usize) -> Vec<Seen> {
        until(|| self.seen.lock().len() >= count).await;
        self.noted()
    }

    pub(crate) fn is_alive(&self) -> bool {
        is_alive(self.pid())
    }

    pub(crate) fn die(&self, reason: ExitReason) {
        self.tell(move || rekindle_actor::raise(reason));
    }

    /// Waits until both ends know of their link.
    pub(crate) async fn is_linked_with(&self, other: Pid) {
        let own = self.pid();
        until(|| links_of(own).contains(&other) && links_of(other).contains(&own)).await;
    }
}

pub(crate) fn links_of(pid: Pid) -> Vec<Pid> {
    info(pid).map(|info| info.links).unwrap_or_default()
}

fn puppet(
    seen: Arc<Mutex<Vec<Seen>>>,
) -> impl FnOnce(Mailbox<Job>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    move |mut inbox| {
        Box::pin(async move {
            loop {
                match inbox.next().await {
                    Info::Message(job) => job(),
                    Info::Down(down) => {
                        let target = down.pid.expect("puppets monitor pids");
                        seen.lock().push(Seen::Down(target, down.reason));
                    }
                    Info::Exit(exit) => seen.lock().push(Seen::Exit(exit.from, exit.reason)),
                    _ => {}
                }
            }
        })
    }
}

/// Events in their order, from any process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn new() -> Log {
        Log::default()
    }

    pub(crate) fn add(&self, event: impl Into<String>) {
        self.0.lock().push(event.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    pub(crate) fn contains(&self, event: &str) -> bool {
        self.0.lock().iter().any(|known| known == event)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// Counts the values made by it that were dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn new() -> Drops {
        Drops::default()
    }

    pub(crate) fn counted(&self) -> Counted {
        Counted(self.0.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Panics when it is dropped.
#[derive(Debug)]
pub(crate) struct Bomb(pub(crate) &'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

/// What a callback of a [`Probe`] does.
pub(crate) type Script = Box<dyn FnOnce(&mut Probe, &mut Context<Probe>) -> Step<Probe> + Send>;
pub(crate) type InitScript =
    Box<dyn FnOnce(&mut Context<Probe>) -> Result<Init<Probe>, ExitReason> + Send>;

/// A server whose callbacks are closures, and which logs what it does.
pub(crate) struct Probe {
    pub(crate) log: Log,
    pub(crate) n: i64,
    pub(crate) deferred: Vec<ReplyTo<i64>>,
    pub(crate) on_terminate: Option<Box<dyn FnOnce() + Send>>,
    pub(crate) on_format: Option<fn() -> String>,
    pub(crate) keeps: Vec<Box<dyn Send>>,
}

pub(crate) struct Args {
    pub(crate) log: Log,
    /// What init waits for before it runs its script.
    pub(crate) delay: Duration,
    pub(crate) script: InitScript,
}

/// The requests of a [`Probe`].
pub(crate) enum Ask {
    Get(ReplyTo<i64>),
    Add(i64, ReplyTo<i64>),
    /// Keeps the `ReplyTo` in the state.
    Defer(ReplyTo<i64>),
    /// Drops it.
    Forget(ReplyTo<i64>),
    /// Never comes to an end.
    Hang(ReplyTo<i64>),
    /// Waits in the callback, then answers.
    Slow(Duration, ReplyTo<i64>),
    /// Calls another probe, and passes the result on.
    Through(Addr<Probe>, ReplyTo<Result<i64, rekindle_actor::CallError>>),
    /// Calls whoever holds a name.
    ThroughName(
        &'static str,
        ReplyTo<Result<i64, rekindle_actor::CallError>>,
    ),
    StopSelf(ReplyTo<Result<(), StopError>>),
    Run(Script),
}

pub(crate) enum Tell {
    Add(i64),
    Note(&'static str),
    Run(Script),
}

pub(crate) enum Plain {
    Note(u32),
    Run(Script),
}

impl From<u32> for Plain {
    fn from(n: u32) -> Plain {
        Plain::Note(n)
    }
}

pub(crate) enum Work {
    Note(&'static str),
    Hang,
    Run(Script),
}

impl Probe {
    pub(crate) fn with(log: &Log, n: i64) -> Probe {
        Probe {
            log: log.clone(),
            n,
            deferred: Vec::new(),
            on_terminate: None,
            on_format: None,
            keeps: Vec::new(),
        }
    }

    /// Arguments of a probe that starts with `n`.
    pub(crate) fn plain(log: &Log, n: i64) -> Args {
        let probe_log = log.clone();
        Probe::init_by(log, move |_| Ok(Init::Ready(Probe::with(&probe_log, n))))
    }

    /// As [`plain`](Self::plain); it traps exits.
    pub(crate) fn trapping(log: &Log) -> Args {
        let probe_log = log.clone();
        Probe::init_by(log, move |_| {
            rekindle_actor::trap_exit(true);
            Ok(Init::Ready(Probe::with(&probe_log, 0)))
        })
    }

    pub(crate) fn init_by(
        log: &Log,
        script: impl FnOnce(&mut Context<Probe>) -> Result<Init<Probe>, ExitReason> + Send + 'static,
    ) -> Args {
        Args {
            log: log.clone(),
            delay: Duration::ZERO,
            script: Box::new(script),
        }
    }
}

/// A probe that runs, for tests that are not about its start.
pub(crate) async fn probe(log: &Log) -> Addr<Probe> {
    Probe::start(Probe::plain(log, 0)).await.expect("it starts")
}

/// A request by closure.
pub(crate) fn ask<R: Send + 'static>(
    f: impl FnOnce(&mut Probe, &mut Context<Probe>, ReplyTo<R>) -> Step<Probe> + Send + 'static,
) -> impl FnOnce(ReplyTo<R>) -> Ask {
    move |from| Ask::Run(Box::new(move |probe, cx| f(probe, cx, from)))
}

/// A cast by closure.
pub(crate) fn tell(
    f: impl FnOnce(&mut Probe, &mut Context<Probe>) -> Step<Probe> + Send + 'static,
) -> Tell {
    Tell::Run(Box::new(f))
}

impl GenServer for Probe {
    type Args = Args;
    type Call = Ask;
    type Cast = Tell;
    type Info = Plain;
    type Continue = Work;

    async fn init(args: Args, cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        args.log.add("init");
        if args.delay == Duration::MAX {
            pending::<()>().await;
        }
        if !args.delay.is_zero() {
            rekindle_actor::sleep(args.delay).await;
        }
        (args.script)(cx)
    }

    async fn handle_call(&mut self, request: Ask, cx: &mut Context<Self>) -> Step<Self> {
        match request {
            Ask::Get(from) => from.reply(self.n),
            Ask::Add(k, from) => {
                self.n += k;
                from.reply(self.n);
            }
            Ask::Defer(from) => self.deferred.push(from),
            Ask::Forget(from) => drop(from),
            Ask::Hang(_from) => pending().await,
            Ask::Slow(time, from) => {
                rekindle_actor::sleep(time).await;
                from.reply(self.n);
            }
            Ask::Through(other, from) => from.reply(other.call(Ask::Get).await),
            Ask::ThroughName(name, from) => {
                from.reply(
                    rekindle_actor::Name::<Probe>::new(name)
                        .call(Ask::Get)
                        .await,
                );
            }
            Ask::StopSelf(from) => from.reply(sys::Stop::new(cx.pid()).await),
            Ask::Run(script) => return script(self, cx),
        }
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, message: Tell, cx: &mut Context<Self>) -> Step<Self> {
        match message {
            Tell::Add(k) => self.n += k,
            Tell::Note(text) => self.log.add(text),
            Tell::Run(script) => return script(self, cx),
        }
        Ok(Next::Wait)
    }

    async fn handle_info(&mut self, info: Info<Plain>, cx: &mut Context<Self>) -> Step<Self> {
        match info {
            Info::Message(Plain::Note(n)) => self.log.add(format!("info {n}")),
            Info::Message(Plain::Run(script)) => return script(self, cx),
            Info::Timeout => self.log.add("timeout"),
            Info::Down(down) => self.log.add(format!("down {}", down.reason)),
            Info::Exit(exit) => self.log.add(format!("exit {}", exit.reason)),
            _ => {}
        }
        Ok(Next::Wait)
    }

    async fn handle_continue(&mut self, work: Work, cx: &mut Context<Self>) -> Step<Self> {
        match work {
            Work::Note(text) => self.log.add(text),
            Work::Hang => pending().await,
            Work::Run(script) => return script(self, cx),
        }
        Ok(Next::Wait)
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        self.log.add(format!("terminate {reason}"));
        if let Some(act) = self.on_terminate.take() {
            act();
        }
    }

    fn format_status(&self) -> Option<String> {
        Some(match self.on_format {
            Some(format) => format(),
            None => format!("n = {}", self.n),
        })
    }

    fn show_message(message: rekindle_actor::Shown<'_, Self>) -> Option<String> {
        match message {
            rekindle_actor::Shown::Call(Ask::Add(k, _)) => Some(format!("Add({k})")),
            _ => None,
        }
    }
}
