//! The handlers of one manager, and everything that happens to all of them alike.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;

use super::errors::AddHandlerError;
use super::handler::EventHandler;
use super::id::{HandlerEntry, HandlerRef, Kind};
use super::slot::{Installed, Newcomer, Outcome, Retirement, Slot, Supervision, Typed};
use crate::ambient::self_pid;
use crate::exit::ExitReason;
use crate::mailbox::Info;
use crate::pid::MonitorRef;
use crate::report::short_type_name;
use crate::unwind;

/// The handlers of a manager: the state that [`sys::with_state`](crate::sys::with_state) shows of
/// it (EVT-016). [`EventManager`](crate::EventManager) has shorter ways to the same.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{GenEvent, Handlers, sys};
///
/// let manager = GenEvent::<u32>::start().await.unwrap();
/// let count = sys::with_state(manager.pid(), |handlers: &mut Handlers<u32>| handlers.len()).await;
/// assert_eq!(count, Ok(0));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Handlers<E> {
    /// The newest is the last.
    slots: Vec<Slot<E>>,
    last_serial: u64,
}

/// What was being handled, for the log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    Succession,
    Event,
    Info,
    Call,
    Hibernation,
    Terminate,
}

impl Doing {
    fn text(self) -> &'static str {
        match self {
            Doing::Succession => "to be succeeded",
            Doing::Event => "over an event",
            Doing::Info => "over a plain message",
            Doing::Call => "over a call",
            Doing::Hibernation => "in its hibernate",
            Doing::Terminate => "in its terminate",
        }
    }
}

/// Why a newcomer found no place.
pub(super) enum Turned {
    AlreadyAdded(HandlerEntry),
    Failed(ExitReason),
}

impl<E: 'static> Handlers<E> {
    pub(super) fn new() -> Self {
        Handlers {
            slots: Vec::new(),
            last_serial: 0,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Which there are, newest first.
    #[must_use]
    pub fn entries(&self) -> Vec<HandlerEntry> {
        self.slots.iter().rev().map(|s| s.entry.clone()).collect()
    }

    /// Which there are, newest first, each with its state as far as it shows it.
    #[must_use]
    pub fn states(&self) -> Vec<(HandlerEntry, Option<String>)> {
        let shown = |slot: &Slot<E>| (slot.entry.clone(), slot.handler.status());
        self.slots.iter().rev().map(shown).collect()
    }

    /// The state of a handler.
    #[must_use]
    pub fn get<H: EventHandler<Event = E>>(&self, handler: &HandlerRef<H>) -> Option<&H> {
        let slot = &self.slots[self.find(handler)?];
        let handler: &dyn Any = &*slot.handler;
        handler.downcast_ref::<Typed<H>>().map(Typed::state)
    }

    /// The state of a handler, to be changed.
    #[must_use]
    pub fn get_mut<H: EventHandler<Event = E>>(
        &mut self,
        handler: &HandlerRef<H>,
    ) -> Option<&mut H> {
        self.typed(handler).map(|(_, typed)| typed.state_mut())
    }

    /// The states of all handlers of one type, newest first, to be changed.
    pub fn iter_mut<H: EventHandler<Event = E>>(
        &mut self,
    ) -> impl Iterator<Item = (&HandlerEntry, &mut H)> {
        self.slots.iter_mut().rev().filter_map(|slot| {
            let handler: &mut dyn Any = &mut *slot.handler;
            let typed = handler.downcast_mut::<Typed<H>>()?;
            Some((&slot.entry, typed.state_mut()))
        })
    }

    /// Where a handler is: the newest that fits.
    pub(super) fn find<H: EventHandler<Event = E>>(&self, wanted: &HandlerRef<H>) -> Option<usize> {
        self.slots.iter().rposition(|slot| wanted.is(&slot.entry))
    }

    /// A handler with its type, and where it is.
    pub(super) fn typed<H: EventHandler<Event = E>>(
        &mut self,
        wanted: &HandlerRef<H>,
    ) -> Option<(usize, &mut Typed<H>)> {
        let at = self.find(wanted)?;
        let handler: &mut dyn Any = &mut *self.slots[at].handler;
        Some((at, handler.downcast_mut()?))
    }

    /// Takes a handler out of the list.
    pub(super) fn take<H: EventHandler<Event = E>>(
        &mut self,
        wanted: &HandlerRef<H>,
    ) -> Option<(Box<Typed<H>>, HandlerEntry, Option<Supervision>)> {
        let slot = self.slots.remove(self.find(wanted)?);
        let handler: Box<dyn Any> = slot.handler;
        Some((handler.downcast().ok()?, slot.entry, slot.supervision))
    }

    /// The handler, other than the one at `but`, that has this type and this id.
    pub(super) fn rival(
        &self,
        kind: Kind,
        id: Option<&Arc<str>>,
        but: Option<usize>,
    ) -> Option<&HandlerEntry> {
        let id = id?;
        let taken = self.slots.iter().enumerate().find(|(at, slot)| {
            let entry = &slot.entry;
            but != Some(*at) && entry.kind == kind && entry.id.as_ref() == Some(id)
        });
        taken.map(|(_, slot)| &slot.entry)
    }

    /// Runs the init of a newcomer and puts it into the list: at the end, as the newest, or `at`
    /// the place of the one it succeeds. Gives its entry, and whether it asks for hibernation.
    /// A supervision of its predecessor passes to it; if it finds no place, the adder is told.
    pub(super) async fn install(
        &mut self,
        newcomer: Box<dyn Newcomer<E>>,
        supervision: Option<Supervision>,
        at: Option<usize>,
    ) -> Result<(HandlerEntry, bool), Turned> {
        let installed = self.init(newcomer, supervision.as_ref()).await;
        let (handler, entry, hibernate) = match installed {
            Ok(born) => born,
            Err(turned) => {
                if let Some(supervision) = supervision {
                    supervision.end(turned.reason());
                }
                return Err(turned);
            }
        };
        let slot = Slot {
            handler,
            entry: entry.clone(),
            supervision: supervision.map(|supervision| supervision.pass_to(entry.clone())),
        };
        let at = at.unwrap_or(self.slots.len());
        self.slots.insert(at, slot);
        Ok((entry, hibernate))
    }

    async fn init(
        &mut self,
        newcomer: Box<dyn Newcomer<E>>,
        supervision: Option<&Supervision>,
    ) -> Result<(Box<dyn Installed<E>>, HandlerEntry, bool), Turned> {
        if let Some(rival) = self.rival(newcomer.kind(), newcomer.id(), None) {
            let rival = rival.clone();
            unwind::discard(newcomer);
            return Err(Turned::AlreadyAdded(rival));
        }
        self.last_serial += 1;
        let entry = HandlerEntry {
            kind: newcomer.kind(),
            id: newcomer.id().cloned(),
            serial: self.last_serial,
            adder: supervision.map(|supervision| supervision.adder),
        };
        let born = newcomer.init(entry.serial).await;
        let (handler, hibernate) = born.map_err(Turned::Failed)?;
        Ok((handler, entry, hibernate))
    }

    /// Shows an event to every handler, newest first. Whether one asks for hibernation.
    pub(super) async fn handle_event(&mut self, event: &E) -> bool {
        let mut hibernate = false;
        for at in (0..self.slots.len()).rev() {
            let outcome = self.slots[at].handler.handle_event(event).await;
            hibernate |= self.follow(at, outcome, Doing::Event).await;
        }
        hibernate
    }

    /// Shows what else came to every handler, newest first. Whether one asks for hibernation.
    pub(super) async fn handle_info(&mut self, info: &Info<E>) -> bool {
        let mut hibernate = false;
        for at in (0..self.slots.len()).rev() {
            let outcome = self.slots[at].handler.handle_info(info).await;
            hibernate |= self.follow(at, outcome, Doing::Info).await;
        }
        hibernate
    }

    /// Does what the callback of the handler at this place asks for. Whether that is hibernation.
    /// The places before it stay as they are.
    pub(super) async fn follow(&mut self, at: usize, outcome: Outcome, doing: Doing) -> bool {
        match outcome {
            Outcome::Keep => false,
            Outcome::Hibernate => true,
            Outcome::Remove => {
                self.remove(at, Retirement::Asked).await;
                false
            }
            Outcome::Failed(reason) => {
                self.fail(at, reason, doing).await;
                false
            }
            Outcome::Swap => self.swap(at).await,
        }
    }

    /// The handler at this place has failed.
    async fn fail(&mut self, at: usize, reason: ExitReason, doing: Doing) {
        let slot = &self.slots[at];
        log_failure(&slot.entry, doing, &reason, slot.handler.status());
        self.remove(at, Retirement::Failed(reason)).await;
    }

    /// Removes the handler at this place, and tells its adder.
    async fn remove(&mut self, at: usize, why: Retirement) {
        let Slot {
            handler,
            entry,
            supervision,
        } = self.slots.remove(at);
        retire(handler, &entry, why.clone()).await;
        let Some(supervision) = supervision else {
            return;
        };
        match why {
            Retirement::Asked => supervision.end(ExitReason::Normal),
            Retirement::Failed(reason) => supervision.end(reason),
            Retirement::ManagerStops(_) => supervision.end(ExitReason::Shutdown),
            Retirement::AdderExited(_) => supervision.forget(),
        }
    }

    /// Puts the successor that the handler at this place wished for there.
    async fn swap(&mut self, at: usize) -> bool {
        let Slot {
            handler,
            entry,
            supervision,
        } = self.slots.remove(at);
        let Some(newcomer) = handler.swap_out().await else {
            return false;
        };
        match self.install(newcomer, supervision, Some(at)).await {
            Ok((_, hibernate)) => hibernate,
            Err(turned) => {
                log_failure(&entry, Doing::Succession, &turned.reason(), None);
                false
            }
        }
    }

    /// Whether this is the monitor of an adder.
    pub(super) fn is_of_adder(&self, monitor: MonitorRef) -> bool {
        self.supervised_by(monitor).is_some()
    }

    fn supervised_by(&self, monitor: MonitorRef) -> Option<usize> {
        let watches = |slot: &Slot<E>| slot.supervision.as_ref().map(|s| s.monitor);
        self.slots
            .iter()
            .rposition(|slot| watches(slot) == Some(monitor))
    }

    /// An adder has ended: removes its handler.
    pub(super) async fn adder_ended(&mut self, monitor: MonitorRef, reason: ExitReason) {
        if let Some(at) = self.supervised_by(monitor) {
            self.remove(at, Retirement::AdderExited(reason)).await;
        }
    }

    /// Lets every handler shed memory; one that fails over it is removed.
    pub(super) async fn hibernate(&mut self) {
        for at in (0..self.slots.len()).rev() {
            if let Err(reason) = self.slots[at].handler.hibernate() {
                self.fail(at, reason, Doing::Hibernation).await;
            }
        }
    }

    /// The manager stops: removes every handler, newest first (EVT-014).
    pub(super) async fn retire_all(&mut self, reason: &ExitReason) {
        while let Some(at) = self.slots.len().checked_sub(1) {
            let why = Retirement::ManagerStops(reason.clone());
            self.remove(at, why).await;
        }
    }
}

impl Turned {
    /// As the reason of a failure that nobody waits for.
    pub(super) fn reason(&self) -> ExitReason {
        match self {
            Turned::Failed(reason) => reason.clone(),
            Turned::AlreadyAdded(rival) => {
                ExitReason::error(AddHandlerError::AlreadyAdded(rival.clone()))
            }
        }
    }
}

/// Runs the terminate of a handler that is in the list no more.
async fn retire<E: 'static>(handler: Box<dyn Installed<E>>, entry: &HandlerEntry, why: Retirement) {
    if let Err(reason) = handler.retire(why).await {
        log_failure(entry, Doing::Terminate, &reason, None);
    }
}

/// The one line about a handler that failed.
pub(super) fn log_failure(
    entry: &HandlerEntry,
    doing: Doing,
    reason: &ExitReason,
    state: Option<String>,
) {
    let manager = self_pid();
    let doing = doing.text();
    match state {
        None => rekindle_scheduler::log_guarded(|| {
            log::error!(
                target: "rekindle",
                "event handler {entry} in {manager} failed {doing} and is removed: {reason}"
            )
        }),
        Some(state) => rekindle_scheduler::log_guarded(|| {
            log::error!(
                target: "rekindle",
                "event handler {entry} in {manager} failed {doing} and is removed: {reason}; its state: {state}"
            )
        }),
    }
}

/// Runs a function of the user's on a copy of a state, which takes the state's place if the
/// function does not panic.
pub(super) fn replace<H: Clone>(state: &mut H, f: impl FnOnce(&mut H)) -> Result<H, ExitReason> {
    let changed = unwind::catch(|| {
        let mut copy = state.clone();
        f(&mut copy);
        (copy.clone(), copy)
    });
    let (shown, copy) = changed.map_err(ExitReason::from_panic)?;
    unwind::discard(std::mem::replace(state, copy));
    Ok(shown)
}

impl<E: 'static> fmt::Debug for Handlers<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handlers<{}>", short_type_name(type_name::<E>()))?;
        f.debug_list().entries(self.entries()).finish()
    }
}
