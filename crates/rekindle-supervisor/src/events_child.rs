//! Event managers and scopes of process groups as children.

use std::any::type_name;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rekindle_actor::{
    EventHandler, EventManager, GenEvent, Groups, MailboxPolicy, StartError, StartEvents,
};

use crate::spec::{ChildKind, ChildOptions, ChildSpec, child_options, start_fn};
use crate::started::{Child, ChildHandle, IntoStarted};

/// Makes an event manager a child: `GenEvent::<E>::child()`.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{EventManager, EventManagerName, GenEvent};
/// use rekindle_supervisor::{EventManagerChild, Supervisor};
///
/// let tree = Supervisor::one_for_one()
///     .child(GenEvent::<String>::child().name("alarms"))
///     .start_link()
///     .await
///     .unwrap();
/// let alarms = EventManagerName::<String>::new("alarms");
/// assert_eq!(alarms.sync_notify("fire".to_owned()).await, Ok(()));
///
/// let more: EventManager<u8> = tree.start_child(GenEvent::<u8>::child()).await.unwrap();
/// assert!(more.is_alive());
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event manager, and so no child",
    note = "write `GenEvent::<MyEvent>::child()`"
)]
pub trait EventManagerChild {
    /// The type of the events.
    type Event: Send + Sync + 'static;

    /// A manager that starts with the handlers it is given here, and none of those that were
    /// added later. Permanent, stopped within 5 s, and called `GenEvent` unless it has a name.
    #[track_caller]
    fn child() -> EventManagerChildBuilder<Self::Event>;
}

impl<E: Send + Sync + 'static> EventManagerChild for GenEvent<E> {
    type Event = E;

    #[track_caller]
    fn child() -> EventManagerChildBuilder<E> {
        EventManagerChildBuilder {
            handlers: Vec::new(),
            name: None,
            mailbox: MailboxPolicy::unbounded(),
            hibernate_after: None,
            options: ChildOptions::here(),
        }
    }
}

/// Adds a handler to a start; again at each restart.
type AddTo<E> = Arc<dyn Fn(StartEvents<E>) -> StartEvents<E> + Send + Sync>;

/// An event manager as a child: see [`EventManagerChild`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # use rekindle_actor::{EventHandler, HandlerContext, HandlerStep, Never, Reaction};
/// # struct Printer;
/// # impl EventHandler for Printer {
/// #     type Event = String; type Args = &'static str; type Call = Never; type DeleteArgs = (); type Output = ();
/// #     async fn init(_: &'static str, _: &mut HandlerContext<Self>) -> Result<Self, ExitReason> { Ok(Printer) }
/// #     async fn handle_event(&mut self, _: &String, _: &mut HandlerContext<Self>) -> HandlerStep<Self> { Ok(Reaction::Keep) }
/// #     async fn terminate(self, _: rekindle_actor::Removal<Self>, _: &mut HandlerContext<Self>) {}
/// # }
/// use rekindle_actor::{EventManagerName, ExitReason, GenEvent, exit, sleep};
/// use rekindle_supervisor::{EventManagerChild, Supervisor};
/// use std::time::Duration;
///
/// let alarms = GenEvent::<String>::child().name("alarms").handler::<Printer>("ALARM");
/// let tree = Supervisor::one_for_one().child(alarms).start_link().await.unwrap();
/// let alarms = EventManagerName::<String>::new("alarms");
/// exit(alarms.pid().unwrap(), ExitReason::Kill);
/// sleep(Duration::from_millis(1)).await;
/// // The handlers that are given here are there again after a restart.
/// assert_eq!(alarms.which_handlers().await.unwrap().len(), 1);
/// # });
/// ```
#[must_use = "a child is nothing without a supervisor"]
pub struct EventManagerChildBuilder<E> {
    handlers: Vec<AddTo<E>>,
    name: Option<Arc<str>>,
    mailbox: MailboxPolicy,
    hibernate_after: Option<Duration>,
    options: ChildOptions,
}

impl<E: Send + Sync + 'static> EventManagerChildBuilder<E> {
    child_options!("`GenEvent`", "within 5 s");

    /// Starts it with this handler, and a clone of `args`, each time. If its init fails, so does
    /// the start of the manager. The first that is given is the oldest.
    pub fn handler<H>(mut self, args: H::Args) -> Self
    where
        H: EventHandler<Event = E>,
        H::Args: Clone,
    {
        let args = repeated(args);
        self.handlers
            .push(Arc::new(move |start| start.handler::<H>(args())));
        self
    }

    /// As [`handler`](Self::handler), under an id.
    pub fn handler_with_id<H>(mut self, id: impl Into<Arc<str>>, args: H::Args) -> Self
    where
        H: EventHandler<Event = E>,
        H::Args: Clone,
    {
        let (id, args) = (id.into(), repeated(args));
        let add = move |start: StartEvents<E>| start.handler_with_id::<H>(id.clone(), args());
        self.handlers.push(Arc::new(add));
        self
    }

    /// Bounds the mailbox.
    pub fn mailbox(mut self, policy: MailboxPolicy) -> Self {
        self.mailbox = policy;
        self
    }

    /// Sheds memory after this much time without a message.
    pub fn hibernate_after(mut self, idle: Duration) -> Self {
        self.hibernate_after = Some(idle);
        self
    }
}

/// Clones of one value. A mutex, so that it need not be `Sync`.
fn repeated<T: Clone + Send + 'static>(value: T) -> impl Fn() -> T + Send + Sync + 'static {
    let value = Mutex::new(value);
    move || value.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl<E: Send + Sync + 'static> From<EventManagerChildBuilder<E>> for ChildSpec {
    fn from(builder: EventManagerChildBuilder<E>) -> ChildSpec {
        let EventManagerChildBuilder {
            handlers,
            name,
            mailbox,
            hibernate_after,
            options,
        } = builder;
        let (own_name, limit) = (name.clone(), options.start_timeout);
        let at = options.made_at();
        let start = start_fn(move || {
            let mut start = GenEvent::<E>::start_link().spawned_at(at).mailbox(mailbox);
            if let Some(name) = &own_name {
                start = start.name(name.clone());
            }
            if let Some(limit) = limit {
                start = start.timeout(limit);
            }
            if let Some(idle) = hibernate_after {
                start = start.hibernate_after(idle);
            }
            for add_to in &handlers {
                start = add_to(start);
            }
            start.into_future()
        });
        options.into_spec(ChildKind::Worker, name, "GenEvent", start)
    }
}

impl<E: Send + Sync + 'static> Child for EventManagerChildBuilder<E> {
    type Handle = EventManager<E>;

    fn handle(started: ChildHandle) -> Option<EventManager<E>> {
        started.into_info()
    }
}

impl<E: Send + Sync + 'static> IntoStarted for EventManager<E> {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        Ok(ChildHandle::with_info(self.pid(), self))
    }
}

impl<E> Clone for EventManagerChildBuilder<E> {
    fn clone(&self) -> Self {
        EventManagerChildBuilder {
            handlers: self.handlers.clone(),
            name: self.name.clone(),
            mailbox: self.mailbox,
            hibernate_after: self.hibernate_after,
            options: self.options.clone(),
        }
    }
}

impl<E> fmt::Debug for EventManagerChildBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventManagerChildBuilder")
            .field("events", &type_name::<E>())
            .field("handlers", &self.handlers.len())
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Makes the scope of process groups a child: `Groups::<K, M>::child("rooms")`.
///
/// A restarted scope has no groups: members must join again.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::Groups;
/// use rekindle_supervisor::{GroupsChild, Supervisor};
///
/// let tree = Supervisor::one_for_one()
///     .child(Groups::<u32, String>::child("rooms"))
///     .start_link()
///     .await
///     .unwrap();
/// assert!(Groups::<u32, String>::named("rooms").pid().is_some());
/// # drop(tree);
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a scope of groups, and so no child",
    note = "write `Groups::<MyKey, MyMessage>::child(name)`"
)]
pub trait GroupsChild: Sized {
    /// A scope of this name. Permanent, stopped within 5 s, and called like its name.
    #[track_caller]
    fn child(name: impl Into<Arc<str>>) -> ChildSpec;
}

impl<K, M> GroupsChild for Groups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    #[track_caller]
    fn child(name: impl Into<Arc<str>>) -> ChildSpec {
        let (name, at) = (name.into(), Location::caller());
        ChildSpec::worker(name.clone(), move || {
            Groups::<K, M>::start_link(name.clone())
                .spawned_at(at)
                .into_future()
        })
    }
}

impl<K, M> IntoStarted for Groups<K, M>
where
    K: Ord + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    fn into_started(self) -> Result<ChildHandle, StartError> {
        match self.pid() {
            Some(pid) => Ok(ChildHandle::with_info(pid, self)),
            // It has ended since.
            None => Err(StartError::Failed(rekindle_actor::ExitReason::NoProc)),
        }
    }
}
