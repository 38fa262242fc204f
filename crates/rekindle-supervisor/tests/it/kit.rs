//! Children that do as they are told, and ways to watch them.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rekindle_actor::{
    Addr, Builder, Context, ExitReason, GenServer, Info, Init, Mailbox, Never, Next, Pid, ReplyTo,
    Runtime, Sender, Step, monitor, raise, sleep, spawn, trap_exit,
};
use rekindle_supervisor::{ChildBuilder, ServerChild, SupervisorHandle};

use crate::record::passed_on;

/// The child of the tests.
pub(crate) type Probed = ChildBuilder<Probe>;

/// Says with which seed a test failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with seed {}", self.0);
        }
    }
}

/// A test's body. Boxed, so that what runs it is compiled once and not for each test.
type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a test under the simulator, with several seeds.
pub(crate) fn simulated<F>(test: impl Fn(Kit) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    simulate(&|kit| Box::pin(test(kit)));
}

/// Runs a test under the simulator, and on a pool of two workers.
pub(crate) fn everywhere<F>(test: impl Fn(Kit) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let test = |kit| -> Body { Box::pin(test(kit)) };
    simulate(&test);
    pool_up(&test);
}

fn simulate(test: &dyn Fn(Kit) -> Body) {
    for seed in 1..=8 {
        let _seed = Seed(seed);
        Runtime::simulated(seed).block_on(test(Kit::default()));
    }
    passed_on("simulator");
}

fn pool_up(test: &dyn Fn(Kit) -> Body) {
    Builder::new()
        .workers(2)
        .start()
        .unwrap()
        .block_on(test(Kit::default()));
    passed_on("pool");
}

/// What a test and its children share.
#[derive(Clone, Default)]
pub(crate) struct Kit {
    log: Arc<Mutex<Vec<String>>>,
}

impl Kit {
    /// A child that does as it is told.
    #[track_caller]
    pub(crate) fn child(&self, name: &'static str) -> ChildBuilder<Probe> {
        Probe::child(self.args(name)).id(name)
    }

    /// Its arguments.
    pub(crate) fn args(&self, name: &'static str) -> Args {
        let script = Script::default();
        Args {
            name,
            kit: self.clone(),
            script,
            traps: false,
            end: End::Plain,
        }
    }

    /// A child whose first starts go like this.
    pub(crate) fn scripted(&self, name: &'static str, openings: &[Opening]) -> ChildBuilder<Probe> {
        let args = self.args(name);
        args.script.push(openings.iter().cloned());
        Probe::child(args).id(name)
    }

    /// A child that traps exits, and ends in its own way.
    pub(crate) fn ending(&self, name: &'static str, end: End) -> ChildBuilder<Probe> {
        Probe::child(Args {
            traps: true,
            end,
            ..self.args(name)
        })
        .id(name)
    }

    pub(crate) fn note(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push(what.into());
    }

    /// What has been noted since the last look, without taking it.
    pub(crate) fn peek(&self) -> String {
        self.log.lock().unwrap().join(" ")
    }

    /// What has been noted since the last look, in one line: `+a` is a start of `a`, `-a` the end.
    pub(crate) fn log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(" ")
    }
}

/// What happens at the next starts of a child; when it is used up, they succeed.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<VecDeque<Opening>>>);

impl Script {
    pub(crate) fn push(&self, openings: impl IntoIterator<Item = Opening>) {
        self.0.lock().unwrap().extend(openings);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// How a start goes.
#[derive(Clone)]
pub(crate) enum Opening {
    Ready,
    Ignore,
    Fail,
    Panic,
    /// Takes this long.
    Slow(Duration),
}

/// What a trapping child does when it is told to stop.
#[derive(Clone)]
pub(crate) enum End {
    Plain,
    /// Takes this long.
    Slow(Duration),
    /// Ends with another reason.
    Raise(ExitReason),
}

#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) name: &'static str,
    pub(crate) kit: Kit,
    pub(crate) script: Script,
    pub(crate) traps: bool,
    pub(crate) end: End,
}

/// A child that does as it is told.
pub(crate) struct Probe(Args);

pub(crate) enum Do {
    Stop(ExitReason),
    Panic,
}

impl GenServer for Probe {
    type Args = Args;
    type Call = ReplyTo<Pid>;
    type Cast = Do;
    type Info = Never;
    type Continue = Never;

    async fn init(args: Args, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        let opening = args
            .script
            .0
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Opening::Ready);
        match opening {
            Opening::Ready => {}
            Opening::Ignore => return Ok(Init::Ignore),
            Opening::Fail => return Ok(Init::Fail(ExitReason::msg("told to fail"))),
            Opening::Panic => panic!("told to panic"),
            Opening::Slow(time) => sleep(time).await,
        }
        trap_exit(args.traps);
        args.kit.note(format!("+{}", args.name));
        Ok(Init::Ready(Probe(args)))
    }

    async fn handle_call(&mut self, from: ReplyTo<Pid>, cx: &mut Context<Self>) -> Step<Self> {
        from.reply(cx.pid());
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, what: Do, _cx: &mut Context<Self>) -> Step<Self> {
        match what {
            Do::Stop(reason) => Ok(Next::Stop(reason)),
            Do::Panic => panic!("told to panic"),
        }
    }

    async fn terminate(&mut self, _reason: &ExitReason, _cx: &mut Context<Self>) {
        match self.0.end.clone() {
            End::Plain => {}
            End::Slow(time) => sleep(time).await,
            End::Raise(reason) => raise(reason),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.kit.note(format!("-{}", self.0.name));
    }
}

/// Learns of the end of a process.
pub(crate) struct Watcher(Sender<Watched>);

pub(crate) enum Watched {
    Ready(ReplyTo<()>),
    End(ReplyTo<ExitReason>),
}

/// Watches a process from now on.
pub(crate) async fn watch(pid: Pid) -> Watcher {
    let watcher = spawn(move |mut inbox: Mailbox<Watched>| async move {
        let reference = monitor(pid);
        let mut end = None;
        let mut asked: Vec<ReplyTo<ExitReason>> = Vec::new();
        loop {
            match inbox.next().await {
                Info::Down(down) if down.reference == reference => end = Some(down.reason),
                Info::Message(Watched::Ready(from)) => from.reply(()),
                Info::Message(Watched::End(from)) => asked.push(from),
                _ => {}
            }
            if let Some(end) = &end {
                asked
                    .drain(..)
                    .for_each(|from: ReplyTo<ExitReason>| from.reply(end.clone()));
            }
        }
    });
    watcher.call(Watched::Ready).await.unwrap();
    Watcher(watcher)
}

impl Watcher {
    /// Waits for the end. By then those who were linked have got their exit signals, so whatever
    /// they are asked now they are asked after it.
    pub(crate) async fn end(&self) -> ExitReason {
        self.0.call(Watched::End).no_timeout().await.unwrap()
    }
}

/// Lets a child end with this reason, and waits until its supervisor must know.
pub(crate) async fn end(child: &Addr<Probe>, reason: ExitReason) {
    let watcher = watch(child.pid()).await;
    child.cast(Do::Stop(reason.clone()));
    assert_eq!(watcher.end().await, reason);
}

/// Kills a process, and waits until its supervisor must know.
pub(crate) async fn kill(pid: Pid) {
    let watcher = watch(pid).await;
    rekindle_actor::exit(pid, ExitReason::Kill);
    watcher.end().await;
}

/// The pid of a child, if it runs.
pub(crate) async fn pid_of(supervisor: &SupervisorHandle, id: &'static str) -> Option<Pid> {
    supervisor.which_child(id).await.unwrap().state.pid()
}

/// The handle on a child that runs.
pub(crate) async fn addr_of(supervisor: &SupervisorHandle, id: &'static str) -> Addr<Probe> {
    Addr::from_pid(pid_of(supervisor, id).await.unwrap()).unwrap()
}

/// The ids of the children that run, in start order.
pub(crate) async fn running(supervisor: &SupervisorHandle) -> String {
    let mut children = supervisor.which_children().await.unwrap();
    children.reverse();
    let running = children
        .into_iter()
        .filter(|child| child.state.pid().is_some());
    running.map(|child| child.id.to_string()).collect()
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
