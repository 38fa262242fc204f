//! Generic servers as children.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rekindle_actor::{Addr, GenServer, MailboxPolicy, Registration};

use crate::extras::{Extras, with_extras};
use crate::recipe::{Launch, Recipe, into_spec, recipe};
use crate::spec::{ChildOptions, ChildSpec, StartFuture, child_options, started};
use crate::started::{Child, ChildHandle};

/// Makes a generic server a child.
///
/// Implemented for every [`GenServer`]; [`child`](Self::child) needs arguments that can be cloned,
/// for they are needed again at each restart.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Addr, Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
/// use rekindle_supervisor::{Restart, ServerChild, Supervisor};
///
/// struct Counter(i64);
///
/// impl GenServer for Counter {
///     type Args = i64;
///     type Call = ReplyTo<i64>;
///     type Cast = i64;
///     type Info = Never;
///     type Continue = Never;
///
///     async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
///         Ok(Init::Ready(Counter(n)))
///     }
///     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> {
///         from.reply(self.0);
///         Ok(Next::Wait)
///     }
/// }
///
/// let supervisor = Supervisor::one_for_one()
///     .child(Counter::child(0).id("one").restart(Restart::Transient))
///     .start_link()
///     .await
///     .unwrap();
/// let counter: Addr<Counter> = supervisor.start_child(Counter::child(7)).await.unwrap();
/// assert_eq!(counter.call(|from| from).await, Ok(7));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a generic server, and so no child",
    note = "put `#[gen_server]` on its impl block, or implement `GenServer` for it"
)]
pub trait ServerChild: GenServer {
    /// A child that starts with a clone of `args` each time. Permanent, stopped within 5 s, and
    /// called like its type.
    #[track_caller]
    fn child(args: Self::Args) -> ChildBuilder<Self>
    where
        Self::Args: StartAgain,
    {
        // A mutex, so that arguments need not be `Sync`.
        let args = Mutex::new(args);
        Self::child_with(move || args.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// As [`child`](Self::child), for arguments that are made anew at each start.
    #[track_caller]
    fn child_with(args: impl Fn() -> Self::Args + Send + Sync + 'static) -> ChildBuilder<Self> {
        let options = ChildOptions::here();
        ChildBuilder {
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
impl<G: GenServer> ServerChild for G {}

/// Arguments that a child can be started with again and again: whatever is `Clone`.
///
/// ```
/// use rekindle_supervisor::StartAgain;
///
/// fn is_repeatable<A: StartAgain>(_: &A) -> bool { true }
/// assert!(is_repeatable(&"a connection string".to_owned()));
/// ```
#[diagnostic::on_unimplemented(
    message = "a child cannot be started again with `{Self}`",
    label = "this is gone after the first start",
    note = "a child's arguments are needed anew at each restart: derive `Clone` for `{Self}`, share it in an `Arc`, or make it anew with `child_with(|| ..)`"
)]
pub trait StartAgain: Clone {}

#[diagnostic::do_not_recommend]
impl<A: Clone> StartAgain for A {}

/// A generic server as a child: see [`ServerChild`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
/// # struct Counter(i64);
/// # impl GenServer for Counter {
/// #     type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Never; type Continue = Never;
/// #     async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter(n))) }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
/// # }
/// use rekindle_actor::{MailboxPolicy, Name, Overflow};
/// use rekindle_supervisor::{ChildSpec, Restart, ServerChild, Supervisor};
///
/// let counter = Counter::child(7)
///     .name("counter")
///     .mailbox(MailboxPolicy::bounded(1000).when_full(Overflow::Fail))
///     .restart(Restart::Transient);
/// assert_eq!(&*ChildSpec::from(counter.clone()).id, "counter"); // by its name, unless told otherwise
///
/// let tree = Supervisor::one_for_one().child(counter).start_link().await.unwrap();
/// assert_eq!(Name::<Counter>::new("counter").call(|from| from).await, Ok(7));
/// # });
/// ```
#[must_use = "a child is nothing without a supervisor"]
pub struct ChildBuilder<G: GenServer> {
    recipe: Arc<dyn Recipe<Server<G>>>,
    name: Option<Arc<str>>,
    via: Option<Registration<G>>,
    mailbox: MailboxPolicy,
    hibernate_after: Option<Duration>,
    options: ChildOptions,
}

impl<G: GenServer> ChildBuilder<G> {
    child_options!("the name of its type", "within 5 s");

    /// Registers the server under a key of a registry before its init runs: see
    /// [`Registry::via`](rekindle_actor::Registry::via).
    pub fn via(mut self, key: impl Into<Registration<G>>) -> Self {
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

/// How generic servers of a type are started.
struct Server<G>(PhantomData<fn(G)>);

impl<G: GenServer> Launch for Server<G> {
    type Args = G::Args;
    type Via = Registration<G>;

    fn launch(
        args: G::Args,
        at: &'static Location<'static>,
        extras: Option<&Extras<Registration<G>>>,
    ) -> StartFuture {
        let mut start = G::start_link(args).spawned_at(at);
        if let Some(extras) = extras {
            start = with_extras!(start, extras);
            if let Some(idle) = extras.hibernate_after {
                start = start.hibernate_after(idle);
            }
        }
        started(start.into_future())
    }
}

impl<G: GenServer> From<ChildBuilder<G>> for ChildSpec {
    fn from(builder: ChildBuilder<G>) -> ChildSpec {
        let extras = Extras {
            name: builder.name,
            via: builder.via,
            mailbox: builder.mailbox,
            start_timeout: builder.options.start_timeout,
            hibernate_after: builder.hibernate_after,
        };
        into_spec(builder.recipe, extras, builder.options, type_name::<G>())
    }
}

impl<G: GenServer> Child for ChildBuilder<G> {
    type Handle = Addr<G>;

    fn handle(started: ChildHandle) -> Option<Addr<G>> {
        started.into_info()
    }
}

impl<G: GenServer> Clone for ChildBuilder<G> {
    fn clone(&self) -> Self {
        ChildBuilder {
            recipe: self.recipe.clone(),
            name: self.name.clone(),
            via: self.via.clone(),
            mailbox: self.mailbox,
            hibernate_after: self.hibernate_after,
            options: self.options.clone(),
        }
    }
}

impl<G: GenServer> fmt::Debug for ChildBuilder<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildBuilder")
            .field("server", &type_name::<G>())
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
