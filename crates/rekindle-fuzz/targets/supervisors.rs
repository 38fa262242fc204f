//! A supervisor as anybody may specify it, and whatever is then asked of it and happens to it.
//!
//! Under the simulator, beside a model of a hundred lines: the same answers, the same children in the
//! same order, started and stopped in the same order, the same end; and nothing is left alive.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rekindle_actor::{ExitReason, Pid, Runtime, Sender, exit, is_alive, list, now, sleep};
use rekindle_fuzz::{no_other_panics, quiet, settle};
use rekindle_supervisor::{
    AutoShutdown, DeleteChildError, RestartChildError, SpecError, StartChildError, Strategy,
    Supervisor, SupervisorError, SupervisorHandle, TerminateChildError,
};

mod supervisors {
    pub mod child;
    pub mod model;
}

use supervisors::child::{Among, Given, IDS, Log, Why, taken};
use supervisors::model::Model;

const MOST_CHILDREN: usize = 6;
const MOST_STEPS: usize = 40;
/// A run takes some thousand turns; one that takes so many goes round in circles.
const MOST_TURNS: u64 = 1_000_000;

#[derive(Debug, Arbitrary)]
struct Story {
    seed: u64,
    strategy: Among<3>,
    auto_shutdown: Among<3>,
    intensity: Among<6>,
    period_ms: u16,
    children: Vec<Given>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Step {
    Start(Given),
    Terminate(Among<8>),
    Restart(Among<8>),
    Delete(Among<8>),
    End(Among<8>, Why),
    /// A stranger's exit signal, which a supervisor ignores.
    Disturb,
    Sleep(u16),
}

fuzz_target!(init: quiet(), |story: Story| {
    let runtime = Runtime::simulated(story.seed);
    let simulation = runtime.simulation().expect("it is simulated");
    simulation.limit_steps(MOST_TURNS);
    runtime.block_on(tell(story));
});

async fn tell(story: Story) {
    let log = Log::default();
    let strategies = [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ];
    let autos = [
        AutoShutdown::Never,
        AutoShutdown::AnySignificant,
        AutoShutdown::AllSignificant,
    ];
    let mut model = Model {
        strategy: strategies[story.strategy.0],
        auto_shutdown: autos[story.auto_shutdown.0],
        intensity: story.intensity.0,
        period: Duration::from_millis(story.period_ms.into()),
        children: Vec::new(),
        lives: 0,
        restarts: Vec::new(),
        log: Vec::new(),
        over: false,
    };
    let children = &story.children[..story.children.len().min(MOST_CHILDREN)];
    let started = Supervisor::new(model.strategy)
        .auto_shutdown(model.auto_shutdown)
        .intensity(story.intensity.0 as u32, model.period)
        .children(children.iter().map(|given| given.spec(&log)))
        .start()
        .await;
    if let Some(fault) = fault(children, &model) {
        assert_eq!(started.err(), Some(SupervisorError::Invalid(fault)));
        assert_eq!(taken(&log), [""; 0], "something was started");
        return nothing_is_left().await;
    }
    let supervisor = started.expect("nothing is wrong with it");
    children.iter().for_each(|given| model.add(*given));
    let mut pids = BTreeMap::new();
    agree(&supervisor, &mut model, &log, &mut pids).await;
    for step in story.steps.iter().take(MOST_STEPS) {
        if model.over {
            break;
        }
        take_step(*step, &supervisor, &mut model, &log).await;
        agree(&supervisor, &mut model, &log, &mut pids).await;
    }
    if !model.over {
        supervisor.stop().await.expect("it lives");
        model.stop_all();
        assert_eq!(taken(&log), model.log);
    }
    nothing_is_left().await;
}

/// The first thing that is wrong with the whole specification.
fn fault(children: &[Given], model: &Model) -> Option<SpecError> {
    if model.period.is_zero() {
        return Some(SpecError::ZeroPeriod);
    }
    children.iter().enumerate().find_map(|(at, given)| {
        let twice = || {
            let mut before = children[..at].iter();
            let id = given.id();
            before
                .any(|other| other.id() == id)
                .then(|| SpecError::DuplicateId(id.into()))
        };
        given.fault(model.auto_shutdown).or_else(twice)
    })
}

async fn take_step(step: Step, supervisor: &SupervisorHandle, model: &mut Model, log: &Log) {
    match step {
        Step::Start(given) => start(given, supervisor, model, log).await,
        Step::Terminate(Among(id)) => {
            let answer = supervisor.terminate_child(IDS[id]).await;
            let Some(at) = model.find(IDS[id]) else {
                return assert_eq!(answer, Err(TerminateChildError::NotFound));
            };
            assert_eq!(answer, Ok(()));
            model.end(at);
            model.forget_if_temporary(at);
        }
        Step::Restart(Among(id)) => {
            let answer = supervisor.restart_child(IDS[id]).await.map(drop);
            match model.find(IDS[id]) {
                None => assert_eq!(answer, Err(RestartChildError::NotFound)),
                Some(at) if model.children[at].1.is_some() => {
                    assert_eq!(answer, Err(RestartChildError::Running));
                }
                Some(at) => {
                    assert_eq!(answer, Ok(()));
                    model.begin(at);
                }
            }
        }
        Step::Delete(Among(id)) => {
            let answer = supervisor.delete_child(IDS[id]).await;
            match model.find(IDS[id]) {
                None => assert_eq!(answer, Err(DeleteChildError::NotFound)),
                Some(at) if model.children[at].1.is_some() => {
                    assert_eq!(answer, Err(DeleteChildError::Running));
                }
                Some(at) => {
                    assert_eq!(answer, Ok(()));
                    model.children.remove(at);
                }
            }
        }
        Step::End(Among(id), why) => {
            let child = supervisor.which_child(IDS[id]).await;
            let Some(pid) = child.ok().and_then(|child| child.state.pid()) else {
                return;
            };
            match why {
                Why::Kill => exit(pid, ExitReason::Kill),
                why => Sender::from_pid(pid).expect("it takes these").send(why),
            }
            let at = model.find(IDS[id]).expect("a child that runs");
            model.ended(at, why, now());
        }
        Step::Disturb => exit(supervisor.pid(), ExitReason::msg("by a stranger")),
        Step::Sleep(ms) => sleep(Duration::from_millis(ms.into())).await,
    }
}

async fn start(given: Given, supervisor: &SupervisorHandle, model: &mut Model, log: &Log) {
    if model.children.len() >= MOST_CHILDREN {
        return;
    }
    let running = supervisor.which_child(given.id()).await;
    let answer = supervisor.start_child(given.spec(log)).await.map(drop);
    if let Some(fault) = given.fault(model.auto_shutdown) {
        return assert_eq!(answer, Err(StartChildError::Invalid(fault)));
    }
    match running {
        Err(_) => {
            assert_eq!(answer, Ok(()));
            model.add(given);
        }
        Ok(child) => {
            let there = match child.state.pid() {
                Some(pid) => StartChildError::AlreadyStarted(pid),
                None => StartChildError::AlreadyPresent,
            };
            assert_eq!(answer, Err(there));
        }
    }
}

/// Waits until the supervisor is done, and compares.
async fn agree(
    supervisor: &SupervisorHandle,
    model: &mut Model,
    log: &Log,
    pids: &mut BTreeMap<usize, Pid>,
) {
    settle().await;
    // It is answered when all stops are over, which may take time.
    let children = supervisor.which_children().await;
    settle().await;
    assert_eq!(taken(log), std::mem::take(&mut model.log));
    if model.over {
        assert!(children.is_err() && !is_alive(supervisor.pid()));
        return;
    }
    let children = children.expect("the supervisor lives");
    let books = children
        .iter()
        .rev()
        .map(|child| (&*child.id, child.state.pid()));
    let expected: Vec<_> = model
        .children
        .iter()
        .map(|(given, life)| (given.id(), *life))
        .collect();
    assert_eq!(
        books.clone().map(|(id, _)| id).collect::<Vec<_>>(),
        ids(&expected)
    );
    for ((id, pid), (_, life)) in books.zip(&expected) {
        assert_eq!(pid.is_some(), life.is_some(), "{id:?}");
        let (Some(pid), Some(life)) = (pid, life) else {
            continue;
        };
        assert!(is_alive(pid), "{id:?}");
        if let Some(before) = pids.insert(*life, pid) {
            assert_eq!(before, pid, "{id:?} was restarted");
        }
    }
    let distinct: BTreeSet<_> = pids.values().collect();
    assert_eq!(distinct.len(), pids.len(), "a pid was used twice");
    let count = supervisor
        .count_children()
        .await
        .expect("the supervisor lives");
    let active = expected.iter().filter(|(_, life)| life.is_some()).count();
    assert_eq!((count.specs, count.active), (expected.len(), active));
}

fn ids<'a>(children: &[(&'a str, Option<usize>)]) -> Vec<&'a str> {
    children.iter().map(|(id, _)| *id).collect()
}

/// But for this process.
async fn nothing_is_left() {
    settle().await;
    let left = list(0, 100).processes;
    assert_eq!(left.len(), 1, "{left:#?}");
    no_other_panics();
}
