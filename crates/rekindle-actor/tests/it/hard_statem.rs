//! State machines where events, timeouts and changes of state meet. Each test says what OTP does;
//! the place is always `gen_statem`'s reference page, at the type or function named.

use std::time::Duration;

use rekindle_actor::{
    CallError, Enter, ExitReason, GenStatem, Never, ReplyTo, StatemAddr, StatemContext,
    StatemEvent, StatemInit, StatemStep, Transition, raise, sleep, sys,
};

use crate::support::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Hall,
    Yard,
}

type Go = Transition<Machine>;
type Deed = Box<dyn FnOnce(&mut Machine) -> Go + Send>;
type Answer = Box<dyn FnOnce(&mut Machine, ReplyTo<u32>) -> Go + Send>;

enum Said {
    /// Logged and done.
    Do(&'static str, Deed),
    /// Postponed, unless the machine is there.
    Only(At, &'static str),
}

enum Asked {
    /// Answered there, else postponed.
    There(At, ReplyTo<At>),
    Do(Answer, ReplyTo<u32>),
}

struct Machine {
    log: Log,
    entered: u32,
    on_enter: Vec<fn() -> Enter<Machine>>,
    waiting: Vec<ReplyTo<u32>>,
}

impl GenStatem for Machine {
    type Args = Log;
    type State = At;
    type Call = Asked;
    type Cast = Said;
    type Info = Never;
    type Internal = &'static str;
    type Timer = &'static str;
    type Content = &'static str;

    async fn init(log: Log, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
        let machine = Machine {
            log,
            entered: 0,
            on_enter: Vec::new(),
            waiting: Vec::new(),
        };
        Ok(StatemInit::ready(At::Hall, machine))
    }

    async fn enter(
        &mut self,
        old: &At,
        state: &At,
        _: &mut StatemContext<Self>,
    ) -> Result<Enter<Self>, ExitReason> {
        self.entered += 1;
        if self.entered > 1 {
            self.log.add(format!("{old:?}>{state:?}"));
        }
        Ok(self.on_enter.pop().map_or_else(Enter::keep, |make| make()))
    }

    async fn handle_event(
        &mut self,
        state: &At,
        event: StatemEvent<Self>,
        _: &mut StatemContext<Self>,
    ) -> StatemStep<Self> {
        use StatemEvent as E;
        Ok(match event {
            E::Cast(Said::Do(name, deed)) => {
                self.log.add(name);
                deed(self)
            }
            E::Cast(Said::Only(place, name)) if *state == place => {
                self.log.add(name);
                Go::keep()
            }
            E::Call(Asked::There(place, from)) if *state == place => Go::keep().reply(from, *state),
            E::Call(Asked::Do(deed, from)) => deed(self, from),
            E::Internal(what) => self.noted("internal", what),
            E::EventTimeout(what) => self.noted("event timeout", what),
            E::StateTimeout(what) => self.noted("state timeout", what),
            E::Timeout(name, what) => self.noted(name, what),
            later => Go::keep().postpone(later),
        })
    }

    async fn terminate(&mut self, reason: &ExitReason, state: &At, _: &mut StatemContext<Self>) {
        self.log.add(format!("end in {state:?}: {reason}"));
    }
}

impl Machine {
    fn noted(&self, what: &str, content: &str) -> Go {
        self.log.add(format!("{what} {content}"));
        Go::keep()
    }
}

fn go(name: &'static str, deed: impl FnOnce(&mut Machine) -> Go + Send + 'static) -> Said {
    Said::Do(name, Box::new(deed))
}

fn note(name: &'static str) -> Said {
    go(name, |_| Go::keep())
}

async fn start(log: &Log) -> StatemAddr<Machine> {
    Machine::start(log.clone()).await.unwrap()
}

/// All that was sent before has been handled.
async fn settled(machine: &StatemAddr<Machine>) {
    let done = |_: &mut Machine, from: ReplyTo<u32>| Go::keep().reply(from, 0);
    machine
        .call(|from| Asked::Do(Box::new(done), from))
        .await
        .unwrap();
}

async fn check(expected: &[&str], events: impl FnOnce(&StatemAddr<Machine>)) {
    let log = Log::new();
    let machine = start(&log).await;
    events(&machine);
    settled(&machine).await;
    sleep(ms(1000)).await;
    assert_eq!(log.all(), expected);
}

/// `next_event`: inserted events come before postponed ones that return, and both before what is
/// in the mailbox; the enter call before all of them.
#[test]
fn after_a_change_of_state_enter_then_inserted_then_postponed_then_new() {
    on_both(|| async {
        let expected = [
            "change",
            "Hall>Yard",
            "internal i",
            "inserted",
            "first",
            "second",
            "new",
        ];
        check(&expected, |machine| {
            machine.cast(Said::Only(At::Yard, "first"));
            machine.cast(Said::Only(At::Yard, "second"));
            machine.cast(go("change", |_| {
                Go::next(At::Yard)
                    .internal("i")
                    .next_event(StatemEvent::Cast(note("inserted")))
            }));
            machine.cast(note("new"));
        })
        .await;
    });
}

/// `postpone`: an event that is postponed again keeps its place, also if the state changes twice
/// while it waits.
#[test]
fn events_postponed_again_and_again_keep_their_order() {
    on_both(|| async {
        let expected = [
            "out",
            "Hall>Yard",
            "y1",
            "y2",
            "in",
            "Yard>Hall",
            "h1",
            "h2",
        ];
        check(&expected, |machine| {
            machine.cast(Said::Only(At::Yard, "y1"));
            machine.cast(go("out", |_| {
                let event = |name| StatemEvent::Cast(Said::Only(At::Hall, name));
                // Inserted in the hall's order, handled in the yard: both must wait.
                Go::next(At::Yard)
                    .next_event(event("h1"))
                    .next_event(event("h2"))
            }));
            machine.cast(Said::Only(At::Yard, "y2"));
            machine.cast(go("in", |_| Go::next(At::Hall)));
        })
        .await;
    });
}

/// `state_enter` and `repeat_state`: repeating makes the enter call again and nothing else: no
/// postponed event returns, and the state timeout runs on.
#[test]
fn repeating_a_state_is_no_change_of_state() {
    on_sim(|| async {
        let expected = ["set", "again", "Hall>Hall", "state timeout t"];
        check(&expected, |machine| {
            machine.cast(Said::Only(At::Yard, "never"));
            machine.cast(go("set", |_| Go::keep().state_timeout_with(ms(50), "t")));
            machine.cast(go("again", |_| Go::repeat()));
        })
        .await;
    });
}

/// `state_timeout`: a change of state cancels it, to the same state does not; the one that is set
/// on the way belongs to the new state.
#[test]
fn a_state_timeout_ends_with_its_state_only() {
    on_sim(|| async {
        let expected = ["set", "same", "out", "Hall>Yard", "state timeout new"];
        check(&expected, |machine| {
            machine.cast(go("set", |_| Go::keep().state_timeout_with(ms(50), "old")));
            machine.cast(go("same", |_| Go::next(At::Hall)));
            machine.cast(go("out", |_| {
                Go::next(At::Yard).state_timeout_with(ms(80), "new")
            }));
        })
        .await;
    });
}

/// `event_timeout`: any event cancels it, also an inserted one, a returning one, and the end of
/// another timeout. Not a `sys` message.
#[test]
fn any_event_cancels_the_event_timeout_and_a_look_does_not() {
    on_sim(|| async {
        let log = Log::new();
        let machine = start(&log).await;
        machine.cast(go("inserts", |_| {
            Go::keep().event_timeout_with(ms(50), "one").internal("i")
        }));
        machine.cast(go("named", |_| {
            Go::keep()
                .event_timeout_with(ms(50), "two")
                .timeout_with("timer", ms(20), "t")
        }));
        sleep(ms(200)).await;
        machine.cast(go("looked at", |_| {
            Go::keep().event_timeout_with(ms(50), "three")
        }));
        sleep(ms(20)).await;
        sys::get_status(machine.pid()).await.unwrap();
        sleep(ms(200)).await;
        let expected = [
            "inserts",
            "internal i",
            "named",
            "timer t",
            "looked at",
            "event timeout three",
        ];
        assert_eq!(log.all(), expected);
    });
}

/// `timeout_action`: a timeout of zero time comes after what is inserted, and before what is in
/// the mailbox; an event timeout of zero only if there is no other event.
#[test]
fn timeouts_of_zero_time_come_between_inserted_and_new_events() {
    on_both(|| async {
        let expected = ["zero", "internal i", "state timeout s", "timer t", "new"];
        check(&expected, |machine| {
            machine.cast(go("zero", |_| {
                Go::keep()
                    .event_timeout_with(ms(0), "never")
                    .state_timeout_with(ms(0), "s")
                    .timeout_with("timer", ms(0), "t")
                    .internal("i")
            }));
            machine.cast(note("new"));
        })
        .await;
    });
}

/// `timeout_cancel_action`: a timeout that ran out while the machine was busy is void when it is
/// cancelled or replaced before it was handled.
#[test]
fn a_timeout_that_ran_out_unhandled_can_still_be_cancelled_and_replaced() {
    on_sim(|| async {
        let log = Log::new();
        let machine = start(&log).await;
        machine.cast(go("set", |_| {
            Go::keep()
                .timeout_with("a", ms(10), "old")
                .timeout_with("b", ms(10), "old")
                .state_timeout_with(ms(10), "old")
        }));
        settled(&machine).await;
        // Suspended, it handles nothing: all three run out.
        sys::suspend(machine.pid()).await.unwrap();
        machine.cast(go("late", |_| {
            Go::keep()
                .cancel_timeout("a")
                .timeout_with("b", ms(10), "new")
                .cancel_state_timeout()
        }));
        sleep(ms(5)).await;
        sys::resume(machine.pid()).await.unwrap();
        sleep(ms(100)).await;
        assert_eq!(log.all(), ["set", "late", "b new"]);
    });
}

/// `timeout_update_action`: an update changes what a running timeout carries, not when it comes;
/// one that is not running starts with zero time.
#[test]
fn an_update_keeps_the_time_of_a_timeout_and_starts_one_that_is_not_there() {
    on_sim(|| async {
        let log = Log::new();
        let machine = start(&log).await;
        machine.cast(go("set", |_| Go::keep().timeout_with("a", ms(50), "old")));
        sleep(ms(30)).await;
        machine.cast(go("update", |_| {
            Go::keep()
                .update_timeout("a", "new")
                .update_timeout("b", "at once")
        }));
        sleep(ms(10)).await;
        assert_eq!(log.all(), ["set", "update", "b at once"]);
        sleep(ms(11)).await;
        assert_eq!(log.all(), ["set", "update", "b at once", "a new"]);
    });
}

/// `timeout_action`: of several changes to one timeout in one transition the last counts, those
/// of the enter call included, which come after.
#[test]
fn the_enter_call_has_the_last_word_on_a_timeout() {
    on_sim(|| async {
        let expected = ["out", "Hall>Yard", "state timeout of the enter call"];
        check(&expected, |machine| {
            machine.cast(go("out", |machine| {
                machine
                    .on_enter
                    .push(|| Enter::keep().state_timeout_with(ms(20), "of the enter call"));
                Go::next(At::Yard).state_timeout_with(ms(10), "of the transition")
            }));
        })
        .await;
    });
}

/// `reply_action` with `stop_and_reply`: the replies go out and the machine ends; who waits and is
/// not among them hears the reason, the postponed too.
#[test]
fn an_end_with_replies_answers_those_and_tells_the_others_why() {
    on_both(|| async {
        let log = Log::new();
        let machine = start(&log).await;
        let mut kept = machine.send_request_do(|machine, from| {
            machine.waiting.push(from);
            Go::keep()
        });
        let mut postponed = machine.send_request_there(At::Yard);
        let pid = machine.pid();
        loop {
            let waiting = |held: &mut (At, Machine)| held.1.waiting.len();
            let kept = sys::with_state(pid, waiting).await.unwrap();
            let shown = sys::get_status(pid).await.unwrap().state;
            if kept == 1 && shown.is_some_and(|shown| shown.contains("postponed")) {
                break;
            }
            rekindle_actor::yield_now().await;
        }
        let stopped = machine
            .call(|from| {
                let deed = |machine: &mut Machine, from: ReplyTo<u32>| {
                    let first = machine.waiting.pop().unwrap();
                    Go::stop(oops("that is all")).reply(first, 1).reply(from, 2)
                };
                Asked::Do(Box::new(deed), from)
            })
            .await;
        assert_eq!(stopped, Ok(2));
        assert_eq!(kept.take().await, Ok(1));
        let why = Err(CallError::Exited(oops("that is all")));
        assert_eq!(postponed.take().await, why);
        assert_eq!(log.all(), ["end in Hall: that is all"]);
    });
}

/// `state_enter`: a stop in the enter call ends the machine in the new state, after the replies of
/// the transition went out.
#[test]
fn a_stop_in_the_enter_call_comes_after_the_replies_of_the_transition() {
    on_both(|| async {
        let log = Log::new();
        let machine = start(&log).await;
        let answer = machine
            .call(|from| {
                let deed = |machine: &mut Machine, from: ReplyTo<u32>| {
                    machine.on_enter.push(|| Enter::stop(oops("no entry")));
                    Go::next(At::Yard).reply(from, 5)
                };
                Asked::Do(Box::new(deed), from)
            })
            .await;
        assert_eq!(answer, Ok(5));
        until(|| !rekindle_actor::is_alive(machine.pid())).await;
        assert_eq!(log.all(), ["Hall>Yard", "end in Yard: no entry"]);
    });
}

/// A callback that fails ends the machine with the data as they are then (`gen_statem`, "the
/// state and data in `terminate`"), in the old state, and the timers with it.
#[test]
fn a_failing_event_ends_the_machine_in_the_state_it_was_in() {
    on_both(|| async {
        let log = Log::new();
        let machine = start(&log).await;
        machine.cast(go("set", |_| Go::keep().timeout_with("a", ms(5), "late")));
        machine.cast(go("crash", |machine| {
            machine.log.add("halfway");
            raise(oops("crash"))
        }));
        until(|| !rekindle_actor::is_alive(machine.pid())).await;
        sleep(ms(20)).await;
        assert_eq!(log.all(), ["set", "crash", "halfway", "end in Hall: crash"]);
    });
}

/// `sys:replace_state/2` on a machine: no enter call, no return of what is postponed, and the
/// state timeout runs on; the next event meets the new state.
#[test]
fn a_state_replaced_from_outside_is_no_change_of_state() {
    on_sim(|| async {
        let log = Log::new();
        let machine = start(&log).await;
        machine.cast(Said::Only(At::Yard, "waits"));
        machine.cast(go("set", |_| Go::keep().state_timeout_with(ms(50), "t")));
        settled(&machine).await;
        sys::with_state(machine.pid(), |held: &mut (At, Machine)| held.0 = At::Yard)
            .await
            .unwrap();
        assert_eq!(
            machine.call(|from| Asked::There(At::Yard, from)).await,
            Ok(At::Yard)
        );
        sleep(ms(100)).await;
        assert_eq!(log.all(), ["set", "state timeout t"]);
        // A real change brings the postponed one back.
        machine.cast(go("in", |_| Go::next(At::Hall)));
        machine.cast(go("out", |_| Go::next(At::Yard)));
        settled(&machine).await;
        assert_eq!(
            log.all()[2..],
            ["in", "Yard>Hall", "out", "Hall>Yard", "waits"]
        );
    });
}

/// `hibernate` as an action does not delay what is there to be handled.
#[test]
fn a_machine_told_to_hibernate_handles_what_is_inserted_first() {
    on_both(|| async {
        let expected = ["sleepy", "internal i", "new"];
        check(&expected, |machine| {
            machine.cast(go("sleepy", |_| Go::keep().hibernate().internal("i")));
            machine.cast(note("new"));
        })
        .await;
    });
}

/// Requests that are waited for later, by a task each.
trait Later {
    fn send_request_do(
        &self,
        deed: impl FnOnce(&mut Machine, ReplyTo<u32>) -> Go + Send + 'static,
    ) -> Pending<u32>;
    fn send_request_there(&self, at: At) -> Pending<At>;
}

struct Pending<T>(Option<rekindle_actor::Task<Result<T, CallError>>>);

impl<T: Send + 'static> Pending<T> {
    async fn take(&mut self) -> Result<T, CallError> {
        self.0.take().unwrap().await.unwrap()
    }
}

impl Later for StatemAddr<Machine> {
    fn send_request_do(
        &self,
        deed: impl FnOnce(&mut Machine, ReplyTo<u32>) -> Go + Send + 'static,
    ) -> Pending<u32> {
        let machine = self.clone();
        let deed = Box::new(deed);
        Pending(Some(rekindle_actor::Task::spawn(async move {
            machine.call(|from| Asked::Do(deed, from)).await
        })))
    }

    fn send_request_there(&self, at: At) -> Pending<At> {
        let machine = self.clone();
        Pending(Some(rekindle_actor::Task::spawn(async move {
            machine.call(|from| Asked::There(at, from)).await
        })))
    }
}
