//! Three counters under a strategy: one never fails, one fails at 5, one at 22.

use rekindle::prelude::*;
use rekindle::{Shown, StartError, Strategy, SupervisorHandle};

use crate::stage::Stage;
use crate::watch::ended;

/// What a counter is told at each start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is called, by people and by its supervisor.
    pub name: &'static str,
    /// The state at which it fails, if it does.
    pub fails_at: Option<u64>,
    /// Where it works.
    pub stage: Stage,
}

/// Counts the seconds, and says so.
#[derive(Debug)]
pub struct Counter {
    plan: Plan,
    state: u64,
}

/// What a counter sends itself every second.
#[derive(Debug)]
pub struct Work;

impl GenServer for Counter {
    type Args = Plan;
    type Call = Never;
    type Cast = Never;
    type Info = Work;
    type Continue = Never;

    async fn init(plan: Plan, cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        let counter = Counter { plan, state: 0 };
        counter.work();
        counter.schedule_work(cx);
        Ok(Init::Ready(counter))
    }

    async fn handle_info(&mut self, info: Info<Work>, cx: &mut Context<Self>) -> Step<Self> {
        let Info::Message(Work) = info else {
            return cx.unexpected(info);
        };
        self.work();
        self.schedule_work(cx);
        self.state += 1;
        Ok(Next::Wait)
    }

    // The two below are for the crash report, which then has the last message and the state.

    fn format_status(&self) -> Option<String> {
        Some(self.state.to_string())
    }

    fn show_message(message: Shown<'_, Self>) -> Option<String> {
        match message {
            Shown::Info(work) => Some(format!("{work:?}")),
            _ => None,
        }
    }
}

impl Counter {
    /// A child that says when it is started: its start function is our own.
    pub fn child(plan: Plan) -> ChildSpec {
        ChildSpec::worker(plan.name, move || Counter::start(plan.clone()))
    }

    async fn start(plan: Plan) -> Result<Addr<Counter>, StartError> {
        let Plan { name, stage, .. } = plan.clone();
        stage.say(format!("{name}: starting"));
        let started = Counter::start_link(plan).await;
        stage.say(format!("{name}: started"));
        started
    }

    fn work(&self) {
        let Plan {
            name,
            fails_at,
            stage,
        } = &self.plan;
        if *fails_at == Some(self.state) {
            panic!("I'm {name} and I'm gonna error now");
        }
        stage.say(format!("{name}: working and my state is {}", self.state));
    }

    fn schedule_work(&self, cx: &Context<Self>) {
        cx.send_after(self.plan.stage.seconds(1.0), Work);
    }
}

/// The three counters under a strategy, with the default intensity, in seconds of the story.
pub fn tree(stage: &Stage, strategy: Strategy) -> Supervisor {
    let plan = |name, fails_at| Plan {
        name,
        fails_at,
        stage: stage.clone(),
    };
    Supervisor::new(strategy)
        .name("Counter.Supervisor")
        .intensity(3, stage.seconds(5.0))
        .child(Counter::child(plan("Counter.One", Some(22))))
        .child(Counter::child(plan("Counter.Two", None)))
        .child(Counter::child(plan("Counter.Three", Some(5))))
}

/// Runs the tree until `Counter.One` has been restarted, and two seconds more.
///
/// # Errors
///
/// If the tree does not do as it should.
pub async fn run(stage: Stage, strategy: Strategy) -> Result<(), ExitReason> {
    let tree = tree(&stage, strategy).start_link().await?;
    for _ in 0..lives_of_one(strategy) {
        ended(pid_of(&tree, "Counter.One").await?).await;
    }
    stage.pause(2.5).await;
    tree.stop().await?;
    Ok(())
}

/// How often `Counter.One` must end for the story to be over.
fn lives_of_one(strategy: Strategy) -> usize {
    match strategy {
        // Every failure of `Counter.Three` ends it, long before it comes to 22: four do for us.
        Strategy::OneForAll => 4,
        _ => 1,
    }
}

async fn pid_of(tree: &SupervisorHandle, child: &str) -> Result<Pid, ExitReason> {
    let entry = tree.which_child(child).await?;
    entry
        .state
        .pid()
        .ok_or_else(|| ExitReason::msg(format!("{child} does not run")))
}
