//! FSM: the state machine.
//!
//! Most tests use [`Fsm`]: a machine that logs every event and every enter call, and does what a
//! script says for it, or else keeps its state.

mod actions;
mod ending;
mod enter;
mod order;
mod start;
mod system;
mod timeouts;

use std::time::Duration;

use rekindle_actor::{
    Enter, ExitReason, GenStatem, ReplyTo, StatemAddr, StatemContext, StatemEvent, StatemInit,
    StatemStatus, StatemStep, Transition, When,
};

use crate::support::*;

pub(super) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum St {
    A,
    B,
    C,
    /// A state with something in it.
    Count(u32),
}

pub(super) type Event = StatemEvent<Fsm>;
pub(super) type Cx = StatemContext<Fsm>;
pub(super) type Go = Transition<Fsm>;

type Script = Box<dyn FnOnce(&mut Fsm, Event, &mut Cx) -> StatemStep<Fsm> + Send>;
type EnterScript = Box<dyn FnOnce(&mut Fsm, &mut Cx) -> Result<Enter<Fsm>, ExitReason> + Send>;
type InitScript = Box<dyn FnOnce(Fsm, &mut Cx) -> Result<StatemInit<Fsm>, ExitReason> + Send>;

/// The data of the machine, and before its start the plan for it.
pub(super) struct Fsm {
    pub(super) log: Log,
    pub(super) n: i64,
    /// What to do at an event, by its text; the first that fits is used up.
    scripts: Vec<(&'static str, Script)>,
    /// What to do at an enter call.
    enters: Vec<(St, EnterScript)>,
    /// Casts and calls that are postponed in a state, by their text.
    later: Vec<(St, &'static str)>,
    /// How long an event is being handled, before its script runs.
    pauses: Vec<(&'static str, Duration)>,
    pub(super) kept: Vec<ReplyTo<i64>>,
    pub(super) keeps: Vec<Box<dyn Send + Sync>>,
    init: Option<InitScript>,
    init_pause: Duration,
    /// Where enter calls never come to an end.
    pub(super) hangs_in: Option<St>,
    pub(super) hangs_at_the_end: bool,
    pub(super) on_terminate: Option<Box<dyn FnOnce() + Send>>,
    pub(super) on_hibernate: Option<Box<dyn FnMut() + Send>>,
    pub(super) format: fn(&Fsm, &St, &mut StatemStatus),
}

/// A request: its text, and the way back of a number.
pub(super) enum Ask {
    Get(ReplyTo<i64>),
    Named(&'static str, ReplyTo<i64>),
}

pub(super) fn named(text: &'static str) -> impl FnOnce(ReplyTo<i64>) -> Ask {
    move |from| Ask::Named(text, from)
}

/// The answer's way out of a request's event.
pub(super) fn from_of(event: Event) -> ReplyTo<i64> {
    match event {
        StatemEvent::Call(Ask::Get(from) | Ask::Named(_, from)) => from,
        other => panic!("{other:?} is no request"),
    }
}

/// What a test plans for its machine. It starts in state `A`.
pub(super) fn fsm(log: &Log) -> Fsm {
    Fsm {
        log: log.clone(),
        n: 0,
        scripts: Vec::new(),
        enters: Vec::new(),
        later: Vec::new(),
        pauses: Vec::new(),
        kept: Vec::new(),
        keeps: Vec::new(),
        init: None,
        init_pause: Duration::ZERO,
        hangs_in: None,
        hangs_at_the_end: false,
        on_terminate: None,
        on_hibernate: None,
        format: |_, _, _| {},
    }
}

impl Fsm {
    pub(super) fn on(
        mut self,
        event: &'static str,
        script: impl FnOnce(&mut Fsm, Event, &mut Cx) -> StatemStep<Fsm> + Send + 'static,
    ) -> Fsm {
        self.scripts.push((event, Box::new(script)));
        self
    }

    /// As `on`, for a script that needs nothing.
    pub(super) fn goes(self, event: &'static str, go: impl FnOnce() -> Go + Send + 'static) -> Fsm {
        self.on(event, |_, _, _| Ok(go()))
    }

    pub(super) fn on_enter(
        mut self,
        state: St,
        script: impl FnOnce(&mut Fsm, &mut Cx) -> Result<Enter<Fsm>, ExitReason> + Send + 'static,
    ) -> Fsm {
        self.enters.push((state, Box::new(script)));
        self
    }

    pub(super) fn later(mut self, state: St, event: &'static str) -> Fsm {
        self.later.push((state, event));
        self
    }

    pub(super) fn pause(mut self, event: &'static str, time: Duration) -> Fsm {
        self.pauses.push((event, time));
        self
    }

    pub(super) fn init(
        mut self,
        script: impl FnOnce(Fsm, &mut Cx) -> Result<StatemInit<Fsm>, ExitReason> + Send + 'static,
    ) -> Fsm {
        self.init = Some(Box::new(script));
        self
    }

    /// As `init`, with actions for the start in `A`.
    pub(super) fn begins(
        self,
        with: impl FnOnce(StatemInit<Fsm>) -> StatemInit<Fsm> + Send + 'static,
    ) -> Fsm {
        self.init(|fsm, _| Ok(with(StatemInit::ready(St::A, fsm))))
    }

    pub(super) fn init_pause(mut self, time: Duration) -> Fsm {
        self.init_pause = time;
        self
    }

    pub(super) async fn run(self) -> StatemAddr<Fsm> {
        Fsm::start(self).await.expect("it starts")
    }
}

pub(super) fn text_of(event: &Event) -> String {
    match event {
        StatemEvent::Call(Ask::Get(_)) => "call get".to_owned(),
        StatemEvent::Call(Ask::Named(text, _)) => format!("call {text}"),
        StatemEvent::Cast(text) => format!("cast {text}"),
        StatemEvent::Info(n) => format!("info {n}"),
        StatemEvent::Down(down) => format!("down {}", down.reason),
        StatemEvent::Exit(exit) => format!("exit {}", exit.reason),
        StatemEvent::Internal(text) => format!("internal {text}"),
        StatemEvent::EventTimeout(text) => format!("event timeout {text}"),
        StatemEvent::StateTimeout(text) => format!("state timeout {text}"),
        StatemEvent::Timeout(name, text) => format!("timeout {name} {text}"),
    }
}

impl GenStatem for Fsm {
    type Args = Fsm;
    type State = St;
    type Call = Ask;
    type Cast = &'static str;
    type Info = u32;
    type Internal = &'static str;
    type Timer = &'static str;
    type Content = &'static str;

    async fn init(mut plan: Fsm, cx: &mut Cx) -> Result<StatemInit<Self>, ExitReason> {
        plan.log.add("init");
        if plan.init_pause == Duration::MAX {
            std::future::pending::<()>().await;
        }
        if !plan.init_pause.is_zero() {
            rekindle_actor::sleep(plan.init_pause).await;
        }
        match plan.init.take() {
            Some(script) => script(plan, cx),
            None => Ok(StatemInit::ready(St::A, plan)),
        }
    }

    async fn handle_event(&mut self, state: &St, event: Event, cx: &mut Cx) -> StatemStep<Self> {
        let text = text_of(&event);
        self.log.add(format!("{state:?} {text}"));
        if let Some((_, time)) = self.pauses.iter().find(|(name, _)| *name == text) {
            rekindle_actor::sleep(*time).await;
        }
        if self
            .later
            .iter()
            .any(|(s, name)| s == state && *name == text)
        {
            return Ok(Transition::keep().postpone(event));
        }
        if let Some(at) = self.scripts.iter().position(|(name, _)| *name == text) {
            let (_, script) = self.scripts.remove(at);
            return script(self, event, cx);
        }
        Ok(match event {
            StatemEvent::Call(Ask::Get(from) | Ask::Named(_, from)) => {
                Transition::keep().reply(from, self.n)
            }
            StatemEvent::Cast("to A") => Transition::next(St::A),
            StatemEvent::Cast("to B") => Transition::next(St::B),
            StatemEvent::Cast("to C") => Transition::next(St::C),
            _ => Transition::keep(),
        })
    }

    async fn enter(
        &mut self,
        old: &St,
        state: &St,
        cx: &mut Cx,
    ) -> Result<Enter<Self>, ExitReason> {
        self.log.add(format!("{old:?} -> {state:?}"));
        if self.hangs_in == Some(*state) {
            std::future::pending::<()>().await;
        }
        let script = self.enters.iter().position(|(at, _)| at == state);
        match script {
            Some(at) => {
                let (_, script) = self.enters.remove(at);
                script(self, cx)
            }
            None => Ok(Enter::keep()),
        }
    }

    async fn terminate(&mut self, reason: &ExitReason, state: &St, _: &mut Cx) {
        self.log
            .add(format!("terminate {reason} in {state:?}, n = {}", self.n));
        if let Some(act) = self.on_terminate.take() {
            act();
        }
        if self.hangs_at_the_end {
            std::future::pending::<()>().await;
        }
    }

    fn hibernate(&mut self) {
        self.log.add("hibernate");
        if let Some(act) = &mut self.on_hibernate {
            act();
        }
    }

    fn format_status(&self, state: &St, status: &mut StatemStatus) {
        (self.format)(self, state, status);
    }
}

/// Sends something to the machine and waits until it was handled: everything before it was, too.
pub(super) async fn settled(machine: &StatemAddr<Fsm>) {
    machine.call(Ask::Get).await.expect("the machine lives");
}

/// Waits until `holds`, letting time pass: for what a timeout brings about.
pub(super) async fn in_time(mut holds: impl FnMut() -> bool) {
    while !holds() {
        rekindle_actor::sleep(Duration::from_micros(100)).await;
    }
}

/// The log without the parts that every run has: the start, and the calls by which tests wait.
pub(super) fn events(log: &Log) -> Vec<String> {
    let all = log.all();
    all.into_iter()
        .filter(|line| line != "init" && line != "A -> A" && !line.ends_with(" call get"))
        .collect()
}

/// A moment of the machine's own clock.
pub(super) fn at(after: Duration) -> When {
    When::At(rekindle_actor::now().saturating_add(after))
}
