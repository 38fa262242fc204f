//! The loop of every state machine.
//!
//! One round: make the enter call, if the state was entered; carry the transition out; take the
//! next event (what is ready, then timeouts of zero time, then the mailbox); handle it. What comes
//! next is decided in `agenda`; this only does it.

use std::future::Future;
use std::time::Duration;

use rekindle_scheduler::{Time, yield_now};

use super::GenStatem;
use super::agenda::{Agenda, Clock};
use super::context::StatemContext;
use super::event::{Envelope, Kind, StatemEvent};
use super::status::StatemStatus;
use super::transition::{Actions, Begin, Enter, StatemInit, To, Transition};
use crate::behaviour::guarded::{ended_by, guard};
use crate::behaviour::parts::{begin_ending, give_back_memory, note_last_message, note_state};
use crate::behaviour::start::Ack;
use crate::exit::ExitReason;
use crate::mailbox::{Event, Heard, Inbox, Mailbox};
use crate::pid::Pid;
use crate::sys::{SystemEvent, SystemMessage, SystemState, SystemVerdict};
use crate::time::{Alarm, now};
use crate::unwind;

/// How many events a machine handles in a row without looking into its mailbox before it gives
/// way to others: a machine that inserts events for ever must stay killable. As many as a process
/// takes messages in one turn.
const IN_A_ROW: u32 = 64;

impl<M: GenStatem> Clock for Mailbox<Envelope<M>> {
    type Armed = Alarm;

    fn now(&self) -> Time {
        now()
    }

    fn arm(&self, moment: Time, tag: u64) -> Alarm {
        self.alarm_at(moment, tag)
    }
}

/// Which enter call is to be made.
enum Entering<S> {
    No,
    /// With the current state as the old one: at the start, or because it was asked for.
    Again,
    From(S),
}

/// Not an `async fn`: that would keep its arguments twice, as what was passed and as what is used.
pub(super) fn run<M: GenStatem>(
    args: M::Args,
    mut inbox: Mailbox<Envelope<M>>,
    ack: Ack,
    hibernate_after: Option<Duration>,
) -> impl Future<Output = ExitReason> + Send {
    let mut cx = StatemContext::<M>::new(hibernate_after);
    async move {
        let StatemInit { begin, mut actions } = match guard!(M::init(args, &mut cx)) {
            Ok(Ok(init)) => init,
            // The acknowledgement is dropped, and tells the reason when the process is gone.
            Ok(Err(reason)) | Err(reason) => return reason,
        };
        // What `sys::get_state` looks at: the state and the data.
        let mut held = match begin {
            Begin::Ready(state, data) => (state, data),
            Begin::Ignore => return ack.ignore(),
            Begin::Fail(reason) => return ack.fail(reason),
        };
        ack.ready();
        let mut system = SystemState::new();
        let mut agenda = Agenda::new();
        let mut entering = Entering::Again;
        let mut changed = false;
        let mut in_a_row = 0;
        let reason = 'life: loop {
            actions.reply();
            while let Some(old) = entering.old(&held.0) {
                in_a_row = u32::wrapping_add(in_a_row, 1);
                if in_a_row % IN_A_ROW == 0 {
                    yield_now().await;
                }
                match guard!(held.1.enter(old, &held.0, &mut cx)) {
                    Ok(Ok(Enter {
                        to,
                        actions: mut more,
                    })) => {
                        more.reply();
                        actions.extend(more);
                        entering = match to {
                            To::Next(never) => match never {},
                            To::Keep => Entering::No,
                            To::Repeat => Entering::Again,
                            To::Stop(reason) => break 'life reason,
                        };
                    }
                    Ok(Err(reason)) | Err(reason) => {
                        remember(&held, &agenda, Some((Kind::Enter, None)));
                        break 'life reason;
                    }
                }
            }
            // Taken apart, so that no room is kept for it while the next event is handled.
            let Actions {
                rest,
                hibernate: hibernates,
                ..
            } = actions;
            agenda.transition(changed, rest, &inbox);

            let event = match agenda.next() {
                Some(event) => {
                    in_a_row = u32::wrapping_add(in_a_row, 1);
                    if in_a_row % IN_A_ROW == 0 {
                        yield_now().await;
                    }
                    event
                }
                None => loop {
                    in_a_row = 0;
                    let plain =
                        !hibernates && cx.hibernate_after().is_none() && !system.is_suspended();
                    let heard = if plain {
                        inbox.next_heard().await
                    } else {
                        let after = if hibernates {
                            Some(Duration::ZERO)
                        } else {
                            cx.hibernate_after()
                        };
                        // Boxed, so that machines which never do this do not have room for it.
                        Box::pin(wait(&mut inbox, &mut system, &mut held, &mut agenda, after)).await
                    };
                    match sort(heard, &mut agenda) {
                        Sorted::Event(event) => break event,
                        Sorted::Nothing => {}
                        Sorted::Stop(reason) => break 'life reason,
                        Sorted::System(message) => {
                            match handle_system(*message, &mut system, &mut held, &agenda) {
                                SystemVerdict::Continue => {}
                                SystemVerdict::Stop(reason) => break 'life reason,
                            }
                        }
                    }
                },
            };
            agenda.cancel_event_timeout();
            // Who waits for the answer is known of an event just received only.
            let received = in_a_row == 0;
            let caller = if received { inbox.caller() } else { None };
            let (event, kind, showed) = shown(event, caller);
            if system.is_watched() {
                tell_event::<M>(&mut system, kind, received, caller);
            }
            match guard!(held.1.handle_event(&held.0, event, &mut cx)) {
                Ok(Ok(Transition {
                    to,
                    actions: decided,
                })) => {
                    actions = decided;
                    match unwind::catch(|| go(to, &mut held.0)) {
                        Ok(Ok((is_other, enter))) => {
                            (changed, entering) = (is_other, enter);
                            system.handled(|| status(&held, &agenda).text());
                        }
                        Ok(Err(reason)) => {
                            actions.reply();
                            break reason;
                        }
                        Err(panic) => break ExitReason::from_panic(panic),
                    }
                }
                Ok(Err(reason)) | Err(reason) => {
                    let caller = if received { inbox.caller() } else { None };
                    remember(&held, &agenda, (!showed).then_some((kind, caller)));
                    break reason;
                }
            }
        };
        begin_ending();
        system.note(|| SystemEvent::Ending(reason.clone()));
        let reason = match guard!(held.1.terminate(&reason, &held.0, &mut cx)) {
            Ok(()) => reason,
            // A panic in terminate becomes the reason (FSM-026).
            Err(panic) => panic,
        };
        // Here, where the reason is known: a panic on the way must not hide an abnormal one.
        ended_by(reason, (held, agenda))
    }
}

impl<S> Entering<S> {
    /// The old state of the call, if one is to be made.
    fn old<'a>(&'a self, current: &'a S) -> Option<&'a S> {
        match self {
            Entering::No => None,
            Entering::Again => Some(current),
            Entering::From(old) => Some(old),
        }
    }
}

/// Goes where a transition goes: whether that is another state, and which enter call is due. An
/// error is the reason to stop with.
fn go<S: PartialEq>(to: To<S>, state: &mut S) -> Result<(bool, Entering<S>), ExitReason> {
    match to {
        To::Keep => Ok((false, Entering::No)),
        To::Repeat => Ok((false, Entering::Again)),
        To::Stop(reason) => Err(reason),
        To::Next(next) => {
            let is_other = next != *state;
            let old = std::mem::replace(state, next);
            Ok(match is_other {
                true => (true, Entering::From(old)),
                false => (false, Entering::No),
            })
        }
    }
}

/// What the loop must do about what it hears.
enum Sorted<M: GenStatem> {
    Event(StatemEvent<M>),
    /// An alarm of a timeout that is no more.
    Nothing,
    /// Boxed, for the loop keeps room for it.
    System(Box<SystemMessage>),
    Stop(ExitReason),
}

fn sort<M: GenStatem, A>(heard: Heard<Envelope<M>>, agenda: &mut Agenda<M, A>) -> Sorted<M> {
    let other = match heard {
        Heard::Message(message) => {
            return message.open_as(|message| {
                Sorted::Event(match message {
                    Envelope::Call(request) => StatemEvent::Call(request),
                    Envelope::Cast(message) => StatemEvent::Cast(message),
                    Envelope::Info(message) => StatemEvent::Info(message),
                })
            });
        }
        Heard::Signal(signal) => signal.into_event::<Envelope<M>>(),
        Heard::Timeout => return Sorted::Nothing,
    };
    match other {
        Event::Alarm(tag) => agenda.alarm(tag).map_or(Sorted::Nothing, Sorted::Event),
        Event::System(message) => Sorted::System(Box::new(message)),
        // The parent's end is the machine's, if it traps exits.
        Event::Exit(exit) if Some(exit.from) == crate::ambient::guardian() => {
            Sorted::Stop(exit.reason)
        }
        Event::Exit(exit) => Sorted::Event(StatemEvent::Exit(Box::new(exit))),
        Event::Down(down) => Sorted::Event(StatemEvent::Down(Box::new(down))),
        Event::Timeout | Event::Unlinked(_) | Event::Message(_) => Sorted::Nothing,
    }
}

/// Waits for what the loop must see, hibernating after this much time, or while
/// suspended. `sys` messages that do not stop the machine are handled here.
async fn wait<M: GenStatem>(
    inbox: &mut Mailbox<Envelope<M>>,
    system: &mut SystemState,
    held: &mut (M::State, M),
    agenda: &mut Agenda<M, Alarm>,
    hibernate_after: Option<Duration>,
) -> Heard<Envelope<M>> {
    let mut hibernate_at = hibernate_after.map(|after| now().saturating_add(after));
    loop {
        let heard = if system.is_suspended() {
            inbox.next_heard_system().await
        } else {
            let now = now();
            if hibernate_at.is_some_and(|at| at <= now) {
                hibernate_at = None;
                // A panic of the callback ends the process as one in any other code of its body.
                held.1.hibernate();
                agenda.shrink();
                give_back_memory();
            }
            let left = hibernate_at.map(|at: Time| at.saturating_since(now));
            inbox.next_heard_within(left).await
        };
        match heard.into_system() {
            Ok(message) => {
                let _go_on = handle_system(message, system, held, agenda);
            }
            Err(Heard::Timeout) => {}
            Err(heard) => return heard,
        }
    }
}

/// Tells those who watch what is about to be handled. What was postponed came in once, and is not
/// counted again.
fn tell_event<M: GenStatem>(
    system: &mut SystemState,
    kind: Kind,
    received: bool,
    caller: Option<Pid>,
) {
    match kind.of_message().filter(|_| received) {
        Some(word) => system.message_in(word, caller, || kind.describe::<M>()),
        None => system.note(|| SystemEvent::Inner(kind.describe::<M>())),
    }
}

fn handle_system<M: GenStatem, A>(
    message: SystemMessage,
    system: &mut SystemState,
    held: &mut (M::State, M),
    agenda: &Agenda<M, A>,
) -> SystemVerdict {
    message.handle(system, held, |held| status(held, agenda).text())
}

/// What is to be seen of the machine; what a panicking callback would have shown is left out.
fn status<M: GenStatem, A>((state, data): &(M::State, M), agenda: &Agenda<M, A>) -> StatemStatus {
    let listed = unwind::catch(|| {
        let timeouts = agenda.timeouts(now());
        StatemStatus {
            timeouts: timeouts
                .map(|(what, left)| format!("{what} in {left:?}"))
                .collect(),
            postponed: agenda.postponed().iter().map(StatemEvent::text).collect(),
            ..StatemStatus::default()
        }
    });
    let listed = listed.unwrap_or_default();
    let shown = unwind::catch(|| {
        let mut status = listed.clone();
        data.format_status(state, &mut status);
        status
    });
    shown.unwrap_or(listed)
}

/// Notes an event that is about to be handled, if the machine shows it; gives what kind it is, and
/// whether it was shown. The event goes through here because the loop would keep room for one that it
/// has lent, while the callback that it was given to is awaited.
fn shown<M: GenStatem>(event: StatemEvent<M>, caller: Option<Pid>) -> (StatemEvent<M>, Kind, bool) {
    let kind = event.kind();
    let text = unwind::catch(|| M::show_event(&event)).ok().flatten();
    let shows = text.is_some();
    if let Some(text) = text {
        note_last_message(text, caller);
    }
    (event, kind, shows)
}

/// Leaves for the crash report what was being done, unless that is noted already, and with what
/// state.
fn remember<M: GenStatem, A>(
    held: &(M::State, M),
    agenda: &Agenda<M, A>,
    doing: Option<(Kind, Option<Pid>)>,
) {
    if let Some((kind, caller)) = doing {
        note_last_message(kind.describe::<M>(), caller);
    }
    if let Some(text) = status(held, agenda).text() {
        note_state(text);
    }
}
