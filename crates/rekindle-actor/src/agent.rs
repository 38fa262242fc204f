//! Agents: a state in a process of its own, and functions that are run on it.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use crate::behaviour::{
    Addr, Context, GenServer, Init, Name, Never, Next, Start, StartError, StartFuture, Step,
};
use crate::call::Call;
use crate::exit::ExitReason;
use crate::mailbox::{MailboxPolicy, ReplyTo};
use crate::pid::Pid;
use crate::registry::{Registration, RegistryKey, RegistryValue, Via};
use crate::sender::SendError;
use crate::sys::{Stop, StopError};

/// A handle on an agent: a process that keeps a state of type `S`, and runs the functions it is
/// sent on it, one after another.
///
/// An agent is the shortest way to share a state between processes. It is a
/// [`GenServer`] whose requests are closures: what they give is typed by what they return.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::Agent;
///
/// let counter = Agent::start_link(|| 0).await?;
/// counter.update(|n| *n += 2).await?;
/// counter.cast(|n| *n *= 10);
/// assert_eq!(counter.get(|n| *n).await?, 20);
/// assert_eq!(counter.get_and_update(|n| std::mem::replace(n, 7)).await?, 20);
/// # Ok::<(), rekindle_actor::ExitReason>(())
/// # }).unwrap();
/// ```
///
/// Better, the closures are in one place, behind functions that say what they do, and the agent has
/// a name that survives restarts:
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use std::collections::BTreeMap;
/// use rekindle_actor::{Agent, CallError, StartError};
///
/// type State = BTreeMap<String, u32>;
///
/// #[derive(Clone)]
/// struct Scores(Agent<State>);
///
/// impl Scores {
///     async fn start_link() -> Result<Scores, StartError> {
///         Agent::start_link(State::new).name("scores").await?;
///         Ok(Scores(Agent::named("scores")))
///     }
///     async fn add(&self, player: &str, points: u32) -> Result<u32, CallError> {
///         let player = player.to_owned();
///         self.0
///             .get_and_update(move |scores| {
///                 let score = scores.entry(player).or_default();
///                 *score += points;
///                 *score
///             })
///             .await
///     }
/// }
///
/// let scores = Scores::start_link().await.unwrap();
/// scores.add("ada", 3).await.unwrap();
/// assert_eq!(scores.add("ada", 4).await, Ok(7));
/// # });
/// ```
///
/// # Where the work is done
///
/// A closure runs in the agent, and while it runs everybody else waits. So what takes long belongs
/// behind the answer, in the caller: `counter.get(Clone::clone)` and then the work. What is done in
/// the closure is seen by nobody before it is complete.
///
/// # What the functions give
///
/// | function         | answers                     | if the closure panics                         |
/// |------------------|-----------------------------|-----------------------------------------------|
/// | `get`            | what the closure gives      | [`CallError::Exited`] with the `Panic`; the agent ends with it (AGENT-006) |
/// | `update`         | when the change is made     | the same                                      |
/// | `get_and_update` | what the closure gives      | the same                                      |
/// | `cast`           | not, and returns at once    | the agent ends with the `Panic`               |
///
/// The others are as for any [`Call`]: they say why there is no answer. Functions of one process
/// are run in the order in which they were sent (AGENT-004); whatever is `cast` comes before a later
/// `get`. What a closure takes along is moved to the agent, and dropped there.
///
/// # Timeouts
///
/// A call waits 5 s, unless told otherwise: `counter.get(|n| *n).timeout(limit)`, or `.no_timeout()`.
/// After a timeout the closure is run all the same, when its turn comes.
///
/// # Names
///
/// What a start gives is a handle on that one life. [`Agent::named`] is one on whoever holds a name,
/// and [`Agent::via`] on whoever holds a key of a registry; both survive restarts.
///
/// # Supervision
///
/// With `rekindle-supervisor`, `Agent::child(|| 0)` is a child: permanent by default (AGENT-008),
/// called `Agent`. After a restart the state is what the function gives anew.
///
/// # Debugging
///
/// [`sys`](crate::sys) works as for any server; the state is an [`AgentServer<S>`], which is the
/// `S` by `*`: `sys::with_state(agent.pid()?, |state: &mut AgentServer<i32>| **state)`.
///
/// # When not to use this
///
/// When the state must do something by itself: be told of a death, keep a timer, answer later, clean
/// up at its end. Or when what may be done with it is a protocol of its own, with names for its
/// requests. Then write a [`GenServer`].
///
/// [`CallError::Exited`]: crate::CallError::Exited
pub struct Agent<S: Send + 'static> {
    target: Target<S>,
}

/// Whom a handle is on.
enum Target<S: Send + 'static> {
    Life(Addr<AgentServer<S>>),
    Named(Name<AgentServer<S>>),
    Via(Arc<dyn Resolve<S>>),
}

/// A handle that finds its agent when it is used.
trait Resolve<S: Send + 'static>: Send + Sync {
    fn resolve(&self) -> Option<Addr<AgentServer<S>>>;
}

impl<K, V, S> Resolve<S> for Via<K, V, AgentServer<S>>
where
    K: RegistryKey,
    V: RegistryValue,
    S: Send + 'static,
{
    fn resolve(&self) -> Option<Addr<AgentServer<S>>> {
        Via::resolve(self)
    }
}

impl<S: Send + 'static> Agent<S> {
    /// Starts an agent whose state is what `init` gives, linked with the running process. Await it,
    /// or say more first: see [`StartAgent`].
    ///
    /// `init` runs in the agent. A panic in it fails the start (AGENT-001).
    #[track_caller]
    pub fn start_link(init: impl FnOnce() -> S + Send + 'static) -> StartAgent<S> {
        StartAgent(AgentServer::start_link(AgentInit(Box::new(init))))
    }

    /// As [`start_link`](Self::start_link), without a link.
    #[track_caller]
    pub fn start(init: impl FnOnce() -> S + Send + 'static) -> StartAgent<S> {
        StartAgent(AgentServer::start(AgentInit(Box::new(init))))
    }

    /// A handle on whichever agent with such a state holds a name. Nobody needs to hold it yet.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    ///
    /// let visits = Agent::<u32>::named("visits");
    /// assert_eq!(visits.pid(), None);
    /// for life in 0..2 {
    ///     let started = Agent::start(move || life).name("visits").await.unwrap();
    ///     assert_eq!(visits.get(|n| *n).await, Ok(life));
    ///     started.stop().await.unwrap();
    /// }
    /// # });
    /// ```
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Agent<S> {
        Agent {
            target: Target::Named(Name::new(name)),
        }
    }

    /// A handle on whichever agent with such a state holds a key of a registry.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::{Agent, Registry};
    ///
    /// let counters = Registry::<String, ()>::unique().start_link().await.unwrap();
    /// let visits = counters.via("visits".to_owned());
    /// Agent::start_link(|| 0).via(&visits).await.unwrap();
    ///
    /// let visits = Agent::via(visits);
    /// visits.update(|n| *n += 1).await.unwrap();
    /// assert_eq!(visits.get(|n| *n).await, Ok(1));
    /// # });
    /// ```
    #[must_use]
    pub fn via<K: RegistryKey, V: RegistryValue>(key: Via<K, V, AgentServer<S>>) -> Agent<S> {
        Agent {
            target: Target::Via(Arc::new(key)),
        }
    }

    /// The handle on a process, if it lives and is such an agent.
    #[must_use]
    pub fn from_pid(pid: Pid) -> Option<Agent<S>> {
        Addr::from_pid(pid).map(Agent::from)
    }

    /// The agent's process as a server, if there is one now.
    #[must_use]
    pub fn resolve(&self) -> Option<Addr<AgentServer<S>>> {
        match &self.target {
            Target::Life(addr) => Some(addr.clone()),
            Target::Named(name) => name.resolve(),
            Target::Via(via) => via.resolve(),
        }
    }

    /// The agent's pid. `None` if this is a handle by name, or by key, and nobody holds that.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.resolve().map(|addr| addr.pid())
    }

    /// Whether the agent lives: it may have ended by the time this returns.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.resolve().is_some_and(|addr| addr.is_alive())
    }

    /// What `f` makes of the state, which stays as it is (AGENT-002).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    ///
    /// let names = Agent::start_link(|| vec!["ada", "grace"]).await.unwrap();
    /// assert_eq!(names.get(|names| names.len()).await, Ok(2));
    /// assert_eq!(names.get(Clone::clone).await, Ok(vec!["ada", "grace"]));
    /// # });
    /// ```
    #[track_caller]
    pub fn get<T: Send + 'static>(&self, f: impl FnOnce(&S) -> T + Send + 'static) -> Call<'_, T> {
        self.run(|state| f(state))
    }

    /// Changes the state, and waits until that is done (AGENT-002).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    ///
    /// let names = Agent::start_link(Vec::new).await.unwrap();
    /// names.update(|names| names.push("ada")).await.unwrap();
    /// assert_eq!(names.get(Vec::len).await, Ok(1));
    /// # });
    /// ```
    #[track_caller]
    pub fn update(&self, f: impl FnOnce(&mut S) + Send + 'static) -> Call<'_, ()> {
        self.run(f)
    }

    /// Changes the state, and gives what `f` gives (AGENT-003).
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    ///
    /// /// A number that nobody else gets.
    /// let numbers = Agent::start_link(|| 0_u64).await.unwrap();
    /// let next = |n: &mut u64| { *n += 1; *n };
    /// assert_eq!(numbers.get_and_update(next).await, Ok(1));
    /// assert_eq!(numbers.get_and_update(next).await, Ok(2));
    /// # });
    /// ```
    #[track_caller]
    pub fn get_and_update<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Call<'_, T> {
        self.run(f)
    }

    #[track_caller]
    fn run<T: Send + 'static>(&self, f: impl FnOnce(&mut S) -> T + Send + 'static) -> Call<'_, T> {
        let request = |from: ReplyTo<T>| AgentCall(Box::new(move |state| from.reply(f(state))));
        match &self.target {
            Target::Life(addr) => addr.call(request),
            _ => Addr::call_resolved(self.resolve(), request, Location::caller()),
        }
    }

    /// Changes the state at some time, in order with what this process has asked before (AGENT-004).
    ///
    /// # Delivery
    ///
    /// As for [`Addr::cast`]: at most once, and without a word if there is no such agent. Never waits.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::Agent;
    ///
    /// let visits = Agent::start_link(|| 0).await.unwrap();
    /// visits.cast(|n| *n += 1);
    /// // What is asked later comes later.
    /// assert_eq!(visits.get(|n| *n).await, Ok(1));
    /// # });
    /// ```
    pub fn cast(&self, f: impl FnOnce(&mut S) + Send + 'static) {
        let _ = self.try_cast(f);
    }

    /// As [`cast`](Self::cast), and tells.
    ///
    /// # Errors
    ///
    /// If there is no such agent, or its mailbox is full and refuses it. The function is dropped.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Agent, SendError};
    ///
    /// let nobody = Agent::<u32>::named("nobody");
    /// nobody.cast(|n| *n += 1); // without a word
    /// assert_eq!(nobody.try_cast(|n| *n += 1), Err(SendError::NoProc(())));
    /// # });
    /// ```
    pub fn try_cast(&self, f: impl FnOnce(&mut S) + Send + 'static) -> Result<(), SendError<()>> {
        let cast = AgentCall(Box::new(f));
        let sent = match &self.target {
            Target::Life(addr) => addr.try_cast(cast),
            _ => match self.resolve() {
                Some(addr) => addr.try_cast(cast),
                None => Err(SendError::NoProc(cast)),
            },
        };
        sent.map_err(|error| error.map(drop))
    }

    /// Stops the agent with `Normal`, and waits until it and its name are gone. For another reason, or
    /// a limit of time, use [`Stop`] with the agent's pid.
    ///
    /// # Errors
    ///
    /// As for any [`Stop`]; `NoProc` if nobody holds the name or key of this handle.
    pub async fn stop(&self) -> Result<(), StopError> {
        match self.pid() {
            Some(pid) => Stop::new(pid).await,
            None => Err(StopError::NoProc),
        }
    }
}

impl<S: Send + 'static> From<Addr<AgentServer<S>>> for Agent<S> {
    fn from(addr: Addr<AgentServer<S>>) -> Self {
        Agent {
            target: Target::Life(addr),
        }
    }
}

impl<S: Send + 'static> Clone for Agent<S> {
    fn clone(&self) -> Self {
        Agent {
            target: match &self.target {
                Target::Life(addr) => Target::Life(addr.clone()),
                Target::Named(name) => Target::Named(name.clone()),
                Target::Via(via) => Target::Via(via.clone()),
            },
        }
    }
}

impl<S: Send + 'static> fmt::Debug for Agent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = crate::report::short_type_name(std::any::type_name::<S>());
        match &self.target {
            Target::Life(addr) => write!(f, "Agent<{state}>({})", addr.pid()),
            Target::Named(name) => write!(f, "Agent<{state}>({:?})", name.as_str()),
            Target::Via(_) => write!(f, "Agent<{state}>(via)"),
        }
    }
}

/// The start of an agent: await it, or say more first.
///
/// Nothing happens before it is awaited. Defaults: no name, no time limit, an unbounded mailbox.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, MailboxPolicy, Overflow, SendError};
///
/// let policy = MailboxPolicy::bounded(1).when_full(Overflow::Fail);
/// let gauge = Agent::start_link(|| 0).name("gauge").mailbox(policy).await.unwrap();
/// gauge.cast(|n| *n += 1);
/// assert_eq!(gauge.try_cast(|n| *n += 1), Err(SendError::Full(())));
/// assert_eq!(Agent::<i32>::named("gauge").pid(), gauge.pid());
/// # });
/// ```
#[must_use = "nothing is started until this is awaited"]
pub struct StartAgent<S: Send + 'static>(Start<AgentServer<S>>);

impl<S: Send + 'static> StartAgent<S> {
    /// As [`Start::name`].
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        StartAgent(self.0.name(name))
    }

    /// As [`Start::via`].
    pub fn via(self, key: impl Into<Registration<AgentServer<S>>>) -> Self {
        StartAgent(self.0.via(key))
    }

    /// As [`Start::timeout`].
    pub fn timeout(self, limit: Duration) -> Self {
        StartAgent(self.0.timeout(limit))
    }

    /// As [`Start::mailbox`].
    pub fn mailbox(self, policy: MailboxPolicy) -> Self {
        StartAgent(self.0.mailbox(policy))
    }

    /// As [`Start::spawned_at`].
    pub fn spawned_at(self, at: &'static Location<'static>) -> Self {
        StartAgent(self.0.spawned_at(at))
    }
}

impl<S: Send + 'static> IntoFuture for StartAgent<S> {
    type Output = Result<Agent<S>, StartError>;
    type IntoFuture = StartingAgent<S>;

    fn into_future(self) -> StartingAgent<S> {
        StartingAgent(self.0.into_future())
    }
}

impl<S: Send + 'static> fmt::Debug for StartAgent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartAgent").field(&self.0).finish()
    }
}

/// The wait for a [`StartAgent`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, StartingAgent};
///
/// // Both begin here, and are waited for one after the other.
/// let start = |n| -> StartingAgent<u32> { Agent::start_link(move || n).into_future() };
/// let mut sum = 0;
/// for starting in [start(1), start(2)] {
///     sum += starting.await.unwrap().get(|n| *n).await.unwrap();
/// }
/// assert_eq!(sum, 3);
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct StartingAgent<S: Send + 'static>(StartFuture<AgentServer<S>>);

impl<S: Send + 'static> Future for StartingAgent<S> {
    type Output = Result<Agent<S>, StartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.0).poll(cx);
        polled.map(|started| started.map(Agent::from))
    }
}

impl<S: Send + 'static> fmt::Debug for StartingAgent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartingAgent").field(&self.0).finish()
    }
}

/// The server behind an agent, and for [`sys`](crate::sys) its state: a `S` by `*`.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, AgentServer, sys};
///
/// let queue = Agent::start_link(|| vec!["bread", "milk"]).name("queue").await.unwrap();
/// // By `*`, or by a method of what is inside.
/// let length = sys::with_state("queue", |state: &mut AgentServer<Vec<&str>>| state.len()).await;
/// assert_eq!(length, Ok(2));
/// # });
/// ```
#[derive(Clone)]
pub struct AgentServer<S>(S);

impl<S> Deref for AgentServer<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S> DerefMut for AgentServer<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.0
    }
}

impl<S> fmt::Debug for AgentServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentServer").finish_non_exhaustive()
    }
}

/// What an agent starts with. Made by [`Agent::start`] and [`Agent::start_link`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Addr, Agent, AgentInit, GenServer, Pid};
///
/// /// For servers that are agents of a number, and for no others.
/// fn counter_pid<G: GenServer<Args = AgentInit<u32>>>(server: &Addr<G>) -> Pid {
///     server.pid()
/// }
///
/// let agent = Agent::start_link(|| 7_u32).await.unwrap();
/// assert_eq!(Some(counter_pid(&agent.resolve().unwrap())), agent.pid());
/// # });
/// ```
pub struct AgentInit<S>(Box<dyn FnOnce() -> S + Send>);

/// A function on its way to an agent. Made by the functions of [`Agent`].
///
/// It is what a trace, or a crash report, says of a request to an agent:
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, sys};
///
/// let agent = Agent::start_link(|| 7).name("agent").await.unwrap();
/// sys::start_log("agent", 10).await.unwrap();
/// agent.get(|n| *n).await.unwrap();
/// let log = sys::get_log("agent").await.unwrap();
/// assert!(log[0].to_string().contains("got call AgentCall<i32>"));
/// # });
/// ```
pub struct AgentCall<S>(Box<dyn FnOnce(&mut S) + Send>);

impl<S: Send + 'static> GenServer for AgentServer<S> {
    type Args = AgentInit<S>;
    type Call = AgentCall<S>;
    type Cast = AgentCall<S>;
    type Info = Never;
    type Continue = Never;

    async fn init(args: AgentInit<S>, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
        Ok(Init::Ready(AgentServer((args.0)())))
    }

    async fn handle_call(&mut self, call: AgentCall<S>, _cx: &mut Context<Self>) -> Step<Self> {
        (call.0)(&mut self.0);
        Ok(Next::Wait)
    }

    async fn handle_cast(&mut self, cast: AgentCall<S>, _cx: &mut Context<Self>) -> Step<Self> {
        (cast.0)(&mut self.0);
        Ok(Next::Wait)
    }
}

impl<S> fmt::Debug for AgentInit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentInit")
    }
}

impl<S> fmt::Debug for AgentCall<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentCall")
    }
}
