//! The loop of an event manager.

use std::any::type_name;
use std::time::Duration;

use rekindle_scheduler::Time;

use super::handlers::Handlers;
use super::id::HandlerEntry;
use super::order::Order;
use super::slot::Newcomer;
use crate::ambient::{guardian, trap_exit};
use crate::behaviour::{Ack, begin_ending, give_back_memory};
use crate::exit::{Exit, ExitReason};
use crate::mailbox::{Event, Info, Mailbox, ReplyTo};
use crate::monitor::Down;
use crate::report::short_type_name;
use crate::sys::{SystemEvent, SystemMessage, SystemState, SystemVerdict};
use crate::unwind;

/// What lies in a manager's mailbox.
pub(crate) enum Message<E> {
    Notify(E),
    SyncNotify(E, ReplyTo<()>),
    Info(E),
    Order(Box<dyn Order<E>>),
}

impl<E> Message<E> {
    /// What kind of message it is, for those who watch.
    fn kind(&self) -> &'static str {
        match self {
            Message::Notify(_) => "notify",
            Message::SyncNotify(..) => "sync_notify",
            Message::Info(_) => "message",
            Message::Order(_) => "call",
        }
    }

    /// The event of a message that was sent with one.
    pub(super) fn into_event(self) -> E {
        match self {
            Message::Notify(event) | Message::SyncNotify(event, _) | Message::Info(event) => event,
            Message::Order(_) => unreachable!("what comes back is what was sent"),
        }
    }
}

pub(super) async fn serve<E: Send + Sync + 'static>(
    first: Vec<Box<dyn Newcomer<E>>>,
    mut inbox: Mailbox<Message<E>>,
    ack: Ack,
    hibernate_after: Option<Duration>,
) -> ExitReason {
    // As in OTP: an exit signal is for the handlers to see, unless it is the parent's.
    trap_exit(true);
    let mut handlers = Handlers::new();
    let mut hibernate = false;
    for newcomer in first {
        match handlers.install(newcomer, None, None).await {
            Ok((_, asked)) => hibernate |= asked,
            Err(turned) => {
                let reason = turned.reason();
                handlers.retire_all(&reason).await;
                return reason;
            }
        }
    }
    ack.ready();
    let mut system = SystemState::new();
    let reason = loop {
        let idle = match hibernate {
            true => Some(Duration::ZERO),
            false => hibernate_after,
        };
        hibernate = match wait(&mut inbox, &mut system, &mut handlers, idle).await {
            Woken::Message(message) => {
                let caller = inbox.caller();
                system.message_in(message.kind(), caller, || short_type_name(type_name::<E>()));
                let hibernate = handle(message, &mut handlers).await;
                system.handled(|| Some(describe(&handlers)));
                hibernate
            }
            Woken::Down(down) if handlers.is_of_adder(down.reference) => {
                handlers.adder_ended(down.reference, down.reason).await;
                false
            }
            Woken::Down(down) => handlers.handle_info(&Info::Down(down)).await,
            Woken::Exit(exit) => handlers.handle_info(&Info::Exit(exit)).await,
            Woken::Stop(reason) => break reason,
        };
    };
    begin_ending();
    system.note(|| SystemEvent::Ending(reason.clone()));
    handlers.retire_all(&reason).await;
    reason
}

/// Handles one message. Whether a handler asks for hibernation.
async fn handle<E: Send + Sync + 'static>(message: Message<E>, handlers: &mut Handlers<E>) -> bool {
    match message {
        Message::Notify(event) => {
            let hibernate = handlers.handle_event(&event).await;
            unwind::discard(event);
            hibernate
        }
        Message::SyncNotify(event, from) => {
            let hibernate = handlers.handle_event(&event).await;
            unwind::discard(event);
            from.reply(());
            hibernate
        }
        Message::Info(message) => {
            let info = Info::Message(message);
            let hibernate = handlers.handle_info(&info).await;
            unwind::discard(info);
            hibernate
        }
        Message::Order(order) => order.carry_out(handlers).await,
    }
}

/// What a wait ends with.
enum Woken<E> {
    Message(Message<E>),
    Down(Down),
    /// Not the parent's.
    Exit(Exit),
    /// The parent has ended, or somebody stops the manager.
    Stop(ExitReason),
}

/// Waits for what the loop must see; sheds memory if nothing comes for `idle`. `sys` messages do
/// not end the wait, and are all that is handled in a suspension, besides the parent's exit.
async fn wait<E: Send + Sync + 'static>(
    inbox: &mut Mailbox<Message<E>>,
    system: &mut SystemState,
    handlers: &mut Handlers<E>,
    idle: Option<Duration>,
) -> Woken<E> {
    let begun = crate::time::now();
    let mut hibernate_at = idle.map(|after| begun.saturating_add(after));
    loop {
        let event = if system.is_suspended() {
            inbox.next_system().await
        } else {
            let now = crate::time::now();
            if hibernate_at.is_some_and(|at| at <= now) {
                hibernate_at = None;
                handlers.hibernate().await;
                give_back_memory();
            }
            let left = hibernate_at.map(|at: Time| at.saturating_since(now));
            inbox.next_event(left).await
        };
        match event {
            Event::System(message) => match handle_system(message, system, handlers) {
                SystemVerdict::Continue => {}
                SystemVerdict::Stop(reason) => return Woken::Stop(reason),
            },
            // No alarm is ever asked for here.
            Event::Timeout | Event::Alarm(_) | Event::Unlinked(_) => {}
            Event::Message(message) => return Woken::Message(message),
            Event::Down(down) => return Woken::Down(down),
            Event::Exit(exit) if Some(exit.from) == guardian() => return Woken::Stop(exit.reason),
            Event::Exit(exit) => return Woken::Exit(exit),
        }
    }
}

/// A function that panics over the state ends the manager, which stops in order all the same.
fn handle_system<E: Send + Sync + 'static>(
    message: SystemMessage,
    system: &mut SystemState,
    handlers: &mut Handlers<E>,
) -> SystemVerdict {
    let shown = |handlers: &Handlers<E>| Some(describe(handlers));
    match unwind::catch(|| message.handle(system, handlers, shown)) {
        Ok(verdict) => verdict,
        Err(payload) => SystemVerdict::Stop(ExitReason::from_panic(payload)),
    }
}

/// The handlers and their states, for `sys::get_status`.
fn describe<E: Send + Sync + 'static>(handlers: &Handlers<E>) -> String {
    let one = |(entry, state): (HandlerEntry, Option<String>)| match state {
        Some(state) => format!("{entry}: {state}"),
        None => entry.to_string(),
    };
    let all: Vec<String> = handlers.states().into_iter().map(one).collect();
    all.join("; ")
}
