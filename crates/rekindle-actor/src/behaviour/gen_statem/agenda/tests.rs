//! What is handled when: no process, no clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rekindle_scheduler::Time;

use super::*;
use crate::behaviour::gen_server::Never;
use crate::behaviour::gen_statem::{StatemContext, StatemInit, StatemStep, Transition};
use crate::exit::ExitReason;

/// Only its types are of interest.
struct Paper;

impl GenStatem for Paper {
    type Args = ();
    type State = u8;
    type Call = Never;
    type Cast = u32;
    type Info = Never;
    type Internal = u32;
    type Timer = &'static str;
    type Content = u32;

    async fn init((): (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        Ok(StatemInit::ignore())
    }

    async fn handle_event(
        &mut self,
        _: &u8,
        _: StatemEvent<Self>,
        _: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        Ok(Transition::keep())
    }
}

/// Stands still, and knows which alarms are set.
#[derive(Default)]
struct Still {
    now: Cell<u64>,
    armed: Rc<RefCell<Vec<(u64, u64)>>>,
}

struct Armed(Rc<RefCell<Vec<(u64, u64)>>>, u64);

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.borrow_mut().retain(|(_, tag)| *tag != self.1);
    }
}

impl Clock for Still {
    type Armed = Armed;

    fn now(&self) -> Time {
        Time::from_nanos(self.now.get())
    }

    fn arm(&self, moment: Time, tag: u64) -> Armed {
        self.armed.borrow_mut().push((moment.as_nanos(), tag));
        Armed(self.armed.clone(), tag)
    }
}

impl Still {
    fn armed_at(&self) -> Vec<u64> {
        self.armed.borrow().iter().map(|(at, _)| *at).collect()
    }
}

type Test = Agenda<Paper, Armed>;

fn text(event: &StatemEvent<Paper>) -> String {
    match event {
        StatemEvent::Cast(n) => format!("cast {n}"),
        StatemEvent::Internal(n) => format!("internal {n}"),
        StatemEvent::EventTimeout(n) => format!("event timeout {n}"),
        StatemEvent::StateTimeout(n) => format!("state timeout {n}"),
        StatemEvent::Timeout(name, n) => format!("{name} {n}"),
        _ => "other".to_owned(),
    }
}

fn postpone(n: u32) -> Action<Paper> {
    Action::Postpone(StatemEvent::Cast(n))
}

fn insert(n: u32) -> Action<Paper> {
    Action::Next(StatemEvent::Internal(n))
}

fn set(kind: TimeoutKind<&'static str>, nanos: u64, content: u32) -> Action<Paper> {
    let when = When::After(Duration::from_nanos(nanos));
    Action::Timeout(kind, Change::Set(when, content))
}

fn drain(agenda: &mut Test) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(event) = agenda.next() {
        all.push(text(&event));
    }
    all
}

use TimeoutKind::{Event, Named, State};

#[test]
fn a_machine_that_waits_for_messages_only_has_no_book() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(false, Vec::new(), &clock);
    agenda.transition(true, Vec::new(), &clock);
    agenda.cancel_event_timeout();
    assert!(agenda.next().is_none() && agenda.0.is_none());
    assert_eq!(size_of::<Test>(), size_of::<usize>());
    agenda.transition(false, vec![insert(1)], &clock);
    assert_eq!(drain(&mut agenda), ["internal 1"]);
    agenda.shrink();
    assert!(agenda.0.is_none());
}

#[test]
fn postponed_events_come_back_in_order_after_a_change() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    for n in 1..=3 {
        agenda.transition(false, vec![postpone(n)], &clock);
    }
    assert!(drain(&mut agenda).is_empty());
    assert_eq!(agenda.postponed().len(), 3);
    agenda.transition(true, Vec::new(), &clock);
    assert_eq!(drain(&mut agenda), ["cast 1", "cast 2", "cast 3"]);
    assert!(agenda.postponed().is_empty());
}

#[test]
fn the_event_of_the_change_itself_may_be_postponed_and_comes_last() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(false, vec![postpone(1)], &clock);
    agenda.transition(true, vec![postpone(2)], &clock);
    assert_eq!(drain(&mut agenda), ["cast 1", "cast 2"]);
}

#[test]
fn inserted_then_come_back_then_the_rest() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(false, vec![postpone(1), insert(8), insert(9)], &clock);
    assert_eq!(text(&agenda.next().unwrap()), "internal 8");
    agenda.transition(true, vec![insert(5), postpone(2), insert(6)], &clock);
    assert_eq!(
        drain(&mut agenda),
        ["internal 5", "internal 6", "cast 1", "cast 2", "internal 9"]
    );
}

#[test]
fn what_came_back_and_is_postponed_again_keeps_its_place() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(false, vec![postpone(1)], &clock);
    agenda.transition(false, vec![postpone(2)], &clock);
    agenda.transition(true, Vec::new(), &clock);
    assert_eq!(text(&agenda.next().unwrap()), "cast 1");
    agenda.transition(false, vec![postpone(1)], &clock);
    assert_eq!(text(&agenda.next().unwrap()), "cast 2");
    // It changes the state while 1 is put off again.
    agenda.transition(true, vec![postpone(2)], &clock);
    assert_eq!(drain(&mut agenda), ["cast 1", "cast 2"]);
}

#[test]
fn zero_timeouts_come_when_nothing_is_ready_in_the_order_they_were_set() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(
        false,
        vec![
            set(Named("b"), 0, 1),
            set(State, 0, 2),
            insert(3),
            set(Named("a"), 0, 4),
        ],
        &clock,
    );
    assert!(clock.armed_at().is_empty(), "no alarm for zero time");
    assert_eq!(
        drain(&mut agenda),
        ["internal 3", "b 1", "state timeout 2", "a 4"]
    );
}

#[test]
fn a_zero_timeout_that_is_set_again_goes_to_the_end() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(
        false,
        vec![set(Named("a"), 0, 1), set(Named("b"), 0, 2)],
        &clock,
    );
    agenda.transition(false, vec![set(Named("a"), 0, 3)], &clock);
    assert_eq!(drain(&mut agenda), ["b 2", "a 3"]);
}

#[test]
fn the_last_change_to_a_timeout_counts() {
    let rows: Vec<(Vec<Action<Paper>>, Vec<u64>)> = vec![
        (vec![set(State, 5, 1), set(State, 7, 2)], vec![7]),
        (
            vec![set(State, 5, 1), Action::Timeout(State, Change::Cancel)],
            vec![],
        ),
        (
            vec![Action::Timeout(State, Change::Cancel), set(State, 5, 1)],
            vec![5],
        ),
        (
            vec![set(State, 5, 1), set(Event, 6, 2), set(State, 7, 2)],
            vec![6, 7],
        ),
    ];
    for (actions, armed) in rows {
        let what = format!("{actions:?}");
        let (mut agenda, clock) = (Test::new(), Still::default());
        agenda.transition(false, actions, &clock);
        assert_eq!(clock.armed_at(), armed, "{what}");
    }
}

#[test]
fn what_ends_a_timeout() {
    let all = || vec![set(Event, 5, 1), set(State, 6, 2), set(Named("n"), 7, 3)];
    let clock = Still::default();
    let mut agenda = Test::new();
    agenda.transition(false, all(), &clock);
    agenda.cancel_event_timeout();
    assert_eq!(clock.armed_at(), [6, 7]);
    agenda.transition(false, Vec::new(), &clock);
    assert_eq!(clock.armed_at(), [6, 7]);
    agenda.transition(true, Vec::new(), &clock);
    assert_eq!(clock.armed_at(), [7]);
    agenda.transition(
        true,
        vec![Action::Timeout(Named("n"), Change::Set(When::Never, 0))],
        &clock,
    );
    assert!(clock.armed_at().is_empty());
    agenda.transition(false, all(), &clock);
    drop(agenda);
    assert!(clock.armed_at().is_empty());
}

#[test]
fn a_state_timeout_of_a_change_belongs_to_the_new_state() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(true, vec![set(State, 5, 1)], &clock);
    agenda.transition(true, vec![set(State, 9, 2)], &clock);
    assert_eq!(clock.armed_at(), [9]);
}

#[test]
fn an_alarm_of_a_timeout_that_is_no_more_is_nothing() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(false, vec![set(Named("n"), 5, 1)], &clock);
    let old = clock.armed.borrow()[0].1;
    agenda.transition(false, vec![set(Named("n"), 5, 2)], &clock);
    let new = clock.armed.borrow()[0].1;
    assert!(agenda.alarm(old).is_none());
    assert_eq!(agenda.alarm(new).as_ref().map(text).as_deref(), Some("n 2"));
    assert!(agenda.alarm(new).is_none());
    // Nor does shrinking bring old tags back.
    agenda.shrink();
    agenda.transition(false, vec![set(Named("n"), 5, 3)], &clock);
    assert!(agenda.alarm(old).is_none() && agenda.alarm(new).is_none());
}

#[test]
fn an_update_changes_what_is_carried_and_not_when() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(false, vec![set(State, 5, 1), set(Named("n"), 6, 1)], &clock);
    clock.now.set(3);
    agenda.transition(
        false,
        vec![
            Action::Timeout(State, Change::Update(2)),
            Action::Timeout(Named("none"), Change::Update(3)),
        ],
        &clock,
    );
    assert_eq!(clock.armed_at(), [5, 6]);
    assert_eq!(drain(&mut agenda), ["none 3"], "of zero time");
    let tag = clock.armed.borrow()[0].1;
    assert_eq!(text(&agenda.alarm(tag).unwrap()), "state timeout 2");
}

#[test]
fn an_update_after_a_change_of_state_finds_no_state_timeout() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    agenda.transition(false, vec![set(State, 5, 1)], &clock);
    agenda.transition(
        true,
        vec![Action::Timeout(State, Change::Update(2))],
        &clock,
    );
    assert!(clock.armed_at().is_empty());
    assert_eq!(drain(&mut agenda), ["state timeout 2"]);
}

#[test]
fn moments_and_never() {
    let (mut agenda, clock) = (Test::new(), Still::default());
    clock.now.set(10);
    let at = |name, when| Action::Timeout(Named(name), Change::Set(when, 0));
    agenda.transition(
        false,
        vec![
            at("future", When::At(Time::from_nanos(40))),
            at("past", When::At(Time::from_nanos(3))),
            at("after", When::After(Duration::from_nanos(3))),
            at("never", When::Never),
            at("infinite", When::After(Duration::MAX)),
        ],
        &clock,
    );
    assert_eq!(clock.armed_at(), [40, 3, 13]);
    let left: Vec<_> = agenda.timeouts(clock.now()).collect();
    let nanos = Duration::from_nanos;
    assert_eq!(
        left,
        [
            ("\"future\"".to_owned(), nanos(30)),
            ("\"past\"".to_owned(), nanos(0)),
            ("\"after\"".to_owned(), nanos(3)),
        ]
    );
}

/// The size of what a function gives.
fn room_of<A, B, C, D, R>(_: fn(A, B, C, D) -> R) -> usize {
    size_of::<R>()
}

#[test]
fn a_machine_that_waits_takes_little_room() {
    let room = room_of(crate::behaviour::gen_statem::run::run::<Paper>);
    assert!(room <= 320, "{room}");
    let event = size_of::<StatemEvent<Paper>>();
    assert!(event <= 32, "{event}");
}
