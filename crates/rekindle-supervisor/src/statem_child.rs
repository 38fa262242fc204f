//! State machines as children.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rekindle_actor::{GenStatem, MailboxPolicy, Registration, StatemAddr};

use crate::extras::{Extras, with_extras};
use crate::recipe::{Launch, Recipe, into_spec, recipe};
use crate::server_child::StartAgain;
use crate::spec::{ChildOptions, ChildSpec, StartFuture, child_options, started};
use crate::started::{Child, ChildHandle};

/// Makes a state machine a child, as [`ServerChild`](crate::ServerChild) does for a server.
///
/// Implemented for every [`GenStatem`]; [`child`](Self::child) needs arguments that can be cloned,
/// for they are needed again at each restart.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{
///     ExitReason, GenStatem, Never, ReplyTo, StatemAddr, StatemContext, StatemEvent, StatemInit, StatemStep,
///     Transition,
/// };
/// use rekindle_supervisor::{Restart, StatemChild, Supervisor};
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Switch { Off, On }
///
/// struct Lamp;
///
/// impl GenStatem for Lamp {
///     type Args = Switch;
///     type State = Switch;
///     type Call = ReplyTo<Switch>;
///     type Cast = ();
///     type Info = Never;
///     type Internal = Never;
///     type Timer = Never;
///     type Content = ();
///
///     async fn init(first: Switch, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
///         Ok(StatemInit::ready(first, Lamp))
///     }
///     async fn handle_event(&mut self, state: &Switch, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
///         Ok(match (state, event) {
///             (state, StatemEvent::Call(from)) => Transition::keep().reply(from, *state),
///             (Switch::Off, StatemEvent::Cast(())) => Transition::next(Switch::On),
///             (Switch::On, StatemEvent::Cast(())) => Transition::next(Switch::Off),
///             (_, other) => return cx.unexpected(other),
///         })
///     }
/// }
///
/// let supervisor = Supervisor::one_for_one()
///     .child(Lamp::child(Switch::Off).id("hall").restart(Restart::Transient))
///     .start_link()
///     .await
///     .unwrap();
/// let lamp: StatemAddr<Lamp> = supervisor.start_child(Lamp::child(Switch::On)).await.unwrap();
/// lamp.cast(());
/// assert_eq!(lamp.call(|from| from).await, Ok(Switch::Off));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state machine, and so no child",
    note = "implement `GenStatem` for it"
)]
pub trait StatemChild: GenStatem {
    /// A child that starts with a clone of `args` each time. Permanent, stopped within 5 s, and
    /// called like its type.
    #[track_caller]
    fn child(args: Self::Args) -> StatemChildBuilder<Self>
    where
        Self::Args: StartAgain,
    {
        // A mutex, so that arguments need not be `Sync`.
        let args = Mutex::new(args);
        Self::child_with(move || args.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// As [`child`](Self::child), for arguments that are made anew at each start.
    #[track_caller]
    fn child_with(
        args: impl Fn() -> Self::Args + Send + Sync + 'static,
    ) -> StatemChildBuilder<Self> {
        let options = ChildOptions::here();
        StatemChildBuilder {
            recipe: recipe(options.made_at(), args),
            name: None,
            via: None,
            mailbox: MailboxPolicy::unbounded(),
            hibernate_after: None,
            options,
        }
    }
}

#[diagnostic::do_not_recommend]
impl<M: GenStatem> StatemChild for M {}

/// A state machine as a child: see [`StatemChild`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # use rekindle_actor::{ExitReason, GenStatem, Never, ReplyTo, StatemContext, StatemEvent, StatemInit, StatemStep, Transition};
/// # struct Lamp;
/// # impl GenStatem for Lamp {
/// #     type Args = bool; type State = bool; type Call = ReplyTo<bool>; type Cast = ();
/// #     type Info = Never; type Internal = Never; type Timer = Never; type Content = ();
/// #     async fn init(on: bool, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(on, Lamp)) }
/// #     async fn handle_event(&mut self, on: &bool, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #         Ok(match event {
/// #             StatemEvent::Call(from) => Transition::keep().reply(from, *on),
/// #             StatemEvent::Cast(()) => Transition::next(!on),
/// #             other => return cx.unexpected(other),
/// #         })
/// #     }
/// # }
/// use rekindle_actor::{Registry, StatemAddr};
/// use rekindle_supervisor::{StatemChild, Supervisor};
///
/// let lamps = Registry::<&str, StatemAddr<Lamp>>::unique().start_link().await.unwrap();
/// let hall = lamps.statem_via::<Lamp>("hall");
/// let tree = Supervisor::one_for_one()
///     .child(Lamp::child(false).via(&hall).id("hall")) // under this key, in each of its lives
///     .start_link()
///     .await
///     .unwrap();
/// hall.cast(());
/// assert_eq!(hall.call(|from| from).await, Ok(true));
/// # });
/// ```
#[must_use = "a child is nothing without a supervisor"]
pub struct StatemChildBuilder<M: GenStatem> {
    recipe: Arc<dyn Recipe<Machine<M>>>,
    name: Option<Arc<str>>,
    via: Option<Registration<M>>,
    mailbox: MailboxPolicy,
    hibernate_after: Option<Duration>,
    options: ChildOptions,
}

impl<M: GenStatem> StatemChildBuilder<M> {
    child_options!("the name of its type", "within 5 s");

    /// Registers the machine under a key of a registry before its init runs: see
    /// [`Registry::statem_via`](rekindle_actor::Registry::statem_via).
    pub fn via(mut self, key: impl Into<Registration<M>>) -> Self {
        self.via = Some(key.into());
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

/// How state machines of a type are started.
struct Machine<M>(PhantomData<fn(M)>);

impl<M: GenStatem> Launch for Machine<M> {
    type Args = M::Args;
    type Via = Registration<M>;

    fn launch(
        args: M::Args,
        at: &'static Location<'static>,
        extras: Option<&Extras<Registration<M>>>,
    ) -> StartFuture {
        let mut start = M::start_link(args).spawned_at(at);
        if let Some(extras) = extras {
            start = with_extras!(start, extras);
            if let Some(idle) = extras.hibernate_after {
                start = start.hibernate_after(idle);
            }
        }
        started(start.into_future())
    }
}

impl<M: GenStatem> From<StatemChildBuilder<M>> for ChildSpec {
    fn from(builder: StatemChildBuilder<M>) -> ChildSpec {
        let extras = Extras {
            name: builder.name,
            via: builder.via,
            mailbox: builder.mailbox,
            start_timeout: builder.options.start_timeout,
            hibernate_after: builder.hibernate_after,
        };
        into_spec(builder.recipe, extras, builder.options, type_name::<M>())
    }
}

impl<M: GenStatem> Child for StatemChildBuilder<M> {
    type Handle = StatemAddr<M>;

    fn handle(started: ChildHandle) -> Option<StatemAddr<M>> {
        started.into_info()
    }
}

impl<M: GenStatem> Clone for StatemChildBuilder<M> {
    fn clone(&self) -> Self {
        StatemChildBuilder {
            recipe: self.recipe.clone(),
            name: self.name.clone(),
            via: self.via.clone(),
            mailbox: self.mailbox,
            hibernate_after: self.hibernate_after,
            options: self.options.clone(),
        }
    }
}

impl<M: GenStatem> fmt::Debug for StatemChildBuilder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatemChildBuilder")
            .field("machine", &type_name::<M>())
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
