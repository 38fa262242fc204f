//! Agents as children.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use rekindle_actor::{Agent, AgentServer, MailboxPolicy, Registration};

use crate::extras::{Extras, with_extras};
use crate::recipe::{Launch, Recipe, into_spec, recipe};
use crate::spec::{ChildOptions, ChildSpec, StartFuture, child_options, started};
use crate::started::{Child, ChildHandle, IntoStarted};

/// Makes an agent a child.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::Agent;
/// use rekindle_supervisor::{AgentChild, Supervisor};
///
/// let supervisor = Supervisor::one_for_one()
///     .child(Agent::child(|| 0).name("visits"))
///     .start_link()
///     .await
///     .unwrap();
/// let visits = Agent::named("visits");
/// visits.update(|n| *n += 1).await.unwrap();
/// assert_eq!(visits.get(|n: &i32| *n).await, Ok(1));
///
/// let other: Agent<String> = supervisor.start_child(Agent::child(String::new)).await.unwrap();
/// assert_eq!(other.get(|text| text.len()).await, Ok(0));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an agent, and so no child",
    note = "write `Agent::child(|| state)`"
)]
pub trait AgentChild {
    /// What the agent keeps.
    type State: Send + 'static;

    /// A child whose state is what `init` gives at each start. Permanent (AGENT-008), stopped within
    /// 5 s, called `Agent`.
    #[track_caller]
    fn child(
        init: impl Fn() -> Self::State + Send + Sync + 'static,
    ) -> AgentChildBuilder<Self::State>;
}

impl<S: Send + 'static> AgentChild for Agent<S> {
    type State = S;

    #[track_caller]
    fn child(init: impl Fn() -> S + Send + Sync + 'static) -> AgentChildBuilder<S> {
        let options = ChildOptions::here();
        let init: InitFn<S> = Arc::new(init);
        AgentChildBuilder {
            recipe: recipe(options.made_at(), move || init.clone()),
            name: None,
            via: None,
            mailbox: MailboxPolicy::unbounded(),
            options,
        }
    }
}

/// An agent as a child: see [`AgentChild`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, ExitReason, exit, sleep};
/// use rekindle_supervisor::{AgentChild, Restart, Supervisor};
/// use std::time::Duration;
///
/// let scores = Agent::child(Vec::<u32>::new).name("scores").restart(Restart::Transient);
/// let tree = Supervisor::one_for_one().child(scores).start_link().await.unwrap();
/// let scores = Agent::<Vec<u32>>::named("scores");
/// scores.update(|all| all.push(17)).await.unwrap();
///
/// exit(scores.pid().unwrap(), ExitReason::Kill);
/// sleep(Duration::from_millis(1)).await;
/// // The name leads to the next life, which begins with a new state.
/// assert_eq!(scores.get(|all| all.len()).await, Ok(0));
/// # });
/// ```
#[must_use = "a child is nothing without a supervisor"]
pub struct AgentChildBuilder<S> {
    recipe: Arc<dyn Recipe<AgentOf<S>>>,
    name: Option<Arc<str>>,
    via: Option<Registration<AgentServer<S>>>,
    mailbox: MailboxPolicy,
    options: ChildOptions,
}

impl<S: Send + 'static> AgentChildBuilder<S> {
    child_options!("`Agent`", "within 5 s");

    /// Registers the agent under a key of a registry before its function runs: see
    /// [`Registry::via`](rekindle_actor::Registry::via).
    pub fn via(mut self, key: impl Into<Registration<AgentServer<S>>>) -> Self {
        self.via = Some(key.into());
        self
    }

    /// Bounds the mailbox.
    pub fn mailbox(mut self, policy: MailboxPolicy) -> Self {
        self.mailbox = policy;
        self
    }
}

/// What makes an agent's state. It runs in the agent's process.
type InitFn<S> = Arc<dyn Fn() -> S + Send + Sync>;

/// How agents with a state of that type are started.
struct AgentOf<S>(PhantomData<fn(S)>);

impl<S: Send + 'static> Launch for AgentOf<S> {
    type Args = InitFn<S>;
    type Via = Registration<AgentServer<S>>;

    fn launch(
        init: InitFn<S>,
        at: &'static Location<'static>,
        extras: Option<&Extras<Self::Via>>,
    ) -> StartFuture {
        let mut start = Agent::start_link(move || init()).spawned_at(at);
        if let Some(extras) = extras {
            start = with_extras!(start, extras);
        }
        started(start.into_future())
    }
}

impl<S: Send + 'static> From<AgentChildBuilder<S>> for ChildSpec {
    fn from(builder: AgentChildBuilder<S>) -> ChildSpec {
        let extras = Extras {
            name: builder.name,
            via: builder.via,
            mailbox: builder.mailbox,
            start_timeout: builder.options.start_timeout,
            hibernate_after: None,
        };
        into_spec(builder.recipe, extras, builder.options, "Agent")
    }
}

impl<S: Send + 'static> Child for AgentChildBuilder<S> {
    type Handle = Agent<S>;

    fn handle(started: ChildHandle) -> Option<Agent<S>> {
        started.into_info()
    }
}

impl<S: Send + 'static> IntoStarted for Agent<S> {
    fn into_started(self) -> Result<ChildHandle, rekindle_actor::StartError> {
        use rekindle_actor::{ExitReason, StartError};
        let gone = StartError::Failed(ExitReason::NoProc);
        Ok(ChildHandle::with_info(self.pid().ok_or(gone)?, self))
    }
}

impl<S> Clone for AgentChildBuilder<S> {
    fn clone(&self) -> Self {
        AgentChildBuilder {
            recipe: self.recipe.clone(),
            name: self.name.clone(),
            via: self.via.clone(),
            mailbox: self.mailbox,
            options: self.options.clone(),
        }
    }
}

impl<S> fmt::Debug for AgentChildBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentChildBuilder")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
