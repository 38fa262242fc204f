//! The generic server: a process that serves requests one at a time.

use std::any::type_name;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::time::Duration;

use rekindle_scheduler::Time;

use super::builder::{Start, StartMonitor};
use super::context::Context;
use super::guarded::{ended_by, guard};
use super::parts::{begin_ending, give_back_memory, note_last_message, note_state};
use super::start::Ack;
use crate::exit::{Exit, ExitReason};
use crate::mailbox::{Heard, Inbox, Info, Mailbox};
use crate::names::NotRegistered;
use crate::pid::Pid;
use crate::process::Owner;
use crate::report::short_type_name;
use crate::signal::Signal;
use crate::sys::{SystemEvent, SystemMessage, SystemState, SystemVerdict};
use crate::{telemetry, unwind};

/// A type without values: for messages, or continuations, that a server does not have.
///
/// ```
/// use rekindle_actor::{GenServer, Never};
/// # use rekindle_actor::{Context, ExitReason, Info, Init, Next, Step};
///
/// struct Meter(u32);
///
/// // It takes readings by `cast`, and nothing else: no request to it can even be written.
/// impl GenServer for Meter {
///     type Args = ();
///     type Call = Never;
///     type Cast = u32;
///     type Info = Never;
///     type Continue = Never;
///     // ...
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Meter(0))) }
/// #     async fn handle_cast(&mut self, n: u32, _: &mut Context<Self>) -> Step<Self> { self.0 += n; Ok(Next::Wait) }
/// }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # use rekindle_actor::sys;
/// let meter = Meter::start(()).await.unwrap();
/// meter.cast(7);
/// assert_eq!(sys::with_state(&meter, |meter: &mut Meter| meter.0).await, Ok(7));
/// # });
/// ```
pub type Never = Infallible;

/// What a callback decides: what to do next, or to crash with a reason. `?` on any error is the
/// latter.
///
/// ```
/// use rekindle_actor::{Context, Next, Step};
/// # use rekindle_actor::{ExitReason, GenServer, Init, Never, ReplyTo};
/// # struct Total(i64);
/// # impl GenServer for Total {
/// #     type Args = (); type Call = ReplyTo<i64>; type Cast = String; type Info = Never; type Continue = Never;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Total(0))) }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0); Ok(Next::Wait) }
///
/// async fn handle_cast(&mut self, line: String, _: &mut Context<Self>) -> Step<Self> {
///     self.0 += line.trim().parse::<i64>()?; // a line that is no number crashes the server
///     Ok(Next::Wait)
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let total = Total::start(()).await.unwrap();
/// total.cast("7".to_owned());
/// assert_eq!(total.call(|from| from).await, Ok(7));
/// total.cast("seven".to_owned());
/// assert!(total.call(|from| from).await.is_err());
/// # });
/// ```
pub type Step<G> = Result<Next<G>, ExitReason>;

/// What a server does after a callback.
///
/// ```
/// use rekindle_actor::{Context, ExitReason, Info, Next, ReplyTo, Step};
/// # use rekindle_actor::{GenServer, Init, Never};
/// use std::time::Duration;
/// # struct Session;
/// # impl GenServer for Session {
/// #     type Args = (); type Call = ReplyTo<()>; type Cast = Never; type Info = Never; type Continue = Never;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Session)) }
///
/// /// Each request gives the session half a minute more; without one it ends.
/// async fn handle_call(&mut self, from: ReplyTo<()>, _: &mut Context<Self>) -> Step<Self> {
///     from.reply(());
///     Ok(Next::Timeout(Duration::from_secs(30)))
/// }
/// async fn handle_info(&mut self, info: Info<Never>, cx: &mut Context<Self>) -> Step<Self> {
///     match info {
///         Info::Timeout => Ok(Next::Stop(ExitReason::Normal)),
///         other => cx.unexpected(other),
///     }
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let session = Session::start(()).await.unwrap();
/// # for alive in [true, true, false] {
/// #     session.call(|from| from).await.unwrap();
/// #     rekindle_actor::sleep(Duration::from_secs(if alive { 20 } else { 40 })).await;
/// #     assert_eq!(session.is_alive(), alive);
/// # }
/// # });
/// ```
pub enum Next<G: GenServer> {
    /// Waits for the next message.
    Wait,
    /// Waits, and gets `Info::Timeout` if nothing comes in this time. Any request or message
    /// ends the wait for good; a `sys` message does not (GEN-033 to GEN-035).
    Timeout(Duration),
    /// Waits for long: [`GenServer::hibernate`] runs, and the process gives back what memory it
    /// can do without (GEN-036).
    Hibernate,
    /// Runs `handle_continue` as the very next callback, before any message (GEN-031).
    Continue(G::Continue),
    /// Runs `terminate` and ends with this reason.
    Stop(ExitReason),
}

impl<G: GenServer> Next<G> {
    /// [`Next::Continue`] with what the server's `Continue` can be made of.
    pub fn continue_with(work: impl Into<G::Continue>) -> Self {
        Next::Continue(work.into())
    }
}

/// How init ends.
///
/// ```
/// use rekindle_actor::{Context, ExitReason, GenServer, Init, StartError};
/// # use rekindle_actor::Never;
/// #[derive(Debug)]
/// struct Mailer { server: String }
/// # impl GenServer for Mailer {
/// #     type Args = Option<String>; type Call = Never; type Cast = Never; type Info = Never; type Continue = Never;
///
/// /// Without a server there is nothing to do, which is no error.
/// async fn init(server: Option<String>, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
///     Ok(match server {
///         Some(server) if server.is_empty() => Init::Fail(ExitReason::msg("an empty name")),
///         Some(server) => Init::Ready(Mailer { server }),
///         None => Init::Ignore,
///     })
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// assert_eq!(Mailer::start(None).await.unwrap_err(), StartError::Ignore);
/// let failed = Mailer::start(Some(String::new())).await.unwrap_err();
/// assert_eq!(failed, StartError::Failed(ExitReason::msg("an empty name")));
/// # });
/// ```
pub enum Init<G: GenServer> {
    /// With a state; the server waits for messages.
    Ready(G),
    /// With a state; the starter goes on, and `handle_continue` runs before any message.
    Continue(G, G::Continue),
    /// With a state, and an idle timeout as in [`Next::Timeout`].
    Timeout(G, Duration),
    /// With a state, as in [`Next::Hibernate`].
    Hibernate(G),
    /// The server does not start; its starter gets [`StartError::Ignore`](crate::StartError).
    Ignore,
    /// As an `Err`, but without a crash report (GEN-006).
    Fail(ExitReason),
}

impl<G: GenServer> Init<G> {
    /// [`Init::Continue`] with what the server's `Continue` can be made of.
    pub fn continue_with(state: G, work: impl Into<G::Continue>) -> Self {
        Init::Continue(state, work.into())
    }
}

/// A message about to be handled, shown to [`GenServer::show_message`] and
/// [`GenServer::message_kind`].
///
/// ```
/// use rekindle_actor::{GenServer, Shown, sys};
/// # use rekindle_actor::{Context, ExitReason, Init, Never, Next, ReplyTo, Step};
/// # struct Login;
/// # enum Request { Check { user: String, _password: String, from: ReplyTo<bool> } }
/// # impl GenServer for Login {
/// #     type Args = (); type Call = Request; type Cast = Never; type Info = Never; type Continue = Never;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Login)) }
/// #     async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
/// #         let Request::Check { from, .. } = request; from.reply(true); Ok(Next::Wait)
/// #     }
///
/// /// What is in no report and no trace: the password.
/// fn show_message(message: Shown<'_, Self>) -> Option<String> {
///     match message {
///         Shown::Call(Request::Check { user, .. }) => Some(format!("check of {user}")),
///         _ => None,
///     }
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let login = Login::start(()).await.unwrap();
/// sys::start_log(&login, 10).await.unwrap();
/// # let (user, _password) = ("ada".to_owned(), String::new());
/// login.call(|from| Request::Check { user, _password, from }).await.unwrap();
/// let log = sys::get_log(&login).await.unwrap();
/// assert!(log[0].to_string().contains("got call check of ada"));
/// # });
/// ```
pub enum Shown<'a, G: GenServer> {
    /// A request.
    Call(&'a G::Call),
    /// A cast.
    Cast(&'a G::Cast),
    /// A plain message.
    Info(&'a G::Info),
    /// What was put off by [`Next::Continue`] or [`Init::Continue`].
    Continue(&'a G::Continue),
}

impl<G: GenServer> Clone for Shown<'_, G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<G: GenServer> Copy for Shown<'_, G> {}

/// What lies in a server's mailbox: the message type of its process.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod counter {
/// #     use rekindle_actor::*;
/// #     pub struct Counter { pub n: i64 }
/// #     impl GenServer for Counter {
/// #         type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Never; type Continue = Never;
/// #         async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter { n })) }
/// #         async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.n); Ok(Next::Wait) }
/// #         async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> { self.n += k; Ok(Next::Wait) }
/// #     }
/// # }
/// # use counter::Counter; use rekindle_actor::GenServer as _;
/// use rekindle_actor::{Addr, Mailbox, ServerMessage, spawn};
///
/// // In the place of a `Counter`, for a test: a process that answers as the test needs it.
/// let stand_in = spawn(|mut inbox: Mailbox<ServerMessage<Counter>>| async move {
///     while let ServerMessage::Call(from) = inbox.recv().await {
///         from.reply(i64::MAX);
///     }
/// });
/// let counter: Addr<Counter> = Addr::from_pid(stand_in.pid()).unwrap();
/// assert_eq!(counter.call(|from| from).await, Ok(i64::MAX));
/// # });
/// ```
pub enum ServerMessage<G: GenServer> {
    /// A request.
    Call(G::Call),
    /// A cast.
    Cast(G::Cast),
    /// A plain message.
    Info(G::Info),
}

/// The callbacks of a generic server.
///
/// A server has a state (the implementing type) and handles one message at a time. *Calls* carry
/// a [`ReplyTo`](crate::ReplyTo) and are answered by it; *casts* are not answered; *infos* are
/// whatever else comes: plain messages, timer messages, `Down`s and `Exit`s.
///
/// ```
/// use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
///
/// struct Counter { n: i64 }
/// enum Request { Get(ReplyTo<i64>), Swap(i64, ReplyTo<i64>) }
///
/// impl GenServer for Counter {
///     type Args = i64;
///     type Call = Request;
///     type Cast = i64;
///     type Info = Never;
///     type Continue = Never;
///
///     async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
///         Ok(Init::Ready(Counter { n }))
///     }
///     async fn handle_call(&mut self, request: Request, _cx: &mut Context<Self>) -> Step<Self> {
///         match request {
///             Request::Get(from) => from.reply(self.n),
///             Request::Swap(n, from) => from.reply(std::mem::replace(&mut self.n, n)),
///         }
///         Ok(Next::Wait)
///     }
///     async fn handle_cast(&mut self, k: i64, _cx: &mut Context<Self>) -> Step<Self> {
///         self.n += k;
///         Ok(Next::Wait)
///     }
/// }
///
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// let counter = Counter::start_link(0).await?;
/// counter.cast(2);
/// assert_eq!(counter.call(Request::Get).await?, 2);
/// assert_eq!(counter.call(|from| Request::Swap(7, from)).await?, 2);
/// # Ok::<(), ExitReason>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Behind functions, under a name
///
/// Better, nobody but the server's own file knows of its requests. Others call functions that say what
/// they do, and the server is found by a name, which survives restarts:
///
/// ```
/// use std::time::Duration;
/// use rekindle_actor::{
///     CallError, Context, ExitReason, GenServer, Info, Init, Name, Never, Next, ReplyTo, Start, Step,
/// };
///
/// pub struct Uptime { seconds: u64 }
/// pub enum Request { Get(ReplyTo<u64>) }
/// pub struct Tick;
///
/// impl Uptime {
///     const NAME: &'static str = "uptime";
///
///     pub fn run() -> Start<Uptime> {
///         Uptime::start_link(()).name(Uptime::NAME)
///     }
///     pub async fn seconds() -> Result<u64, CallError> {
///         Name::<Uptime>::new(Uptime::NAME).call(Request::Get).await
///     }
/// }
///
/// impl GenServer for Uptime {
///     type Args = ();
///     type Call = Request;
///     type Cast = Never;
///     type Info = Tick;
///     type Continue = Never;
///
///     async fn init(_: (), cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
///         cx.send_after(Duration::from_secs(1), Tick);
///         Ok(Init::Ready(Uptime { seconds: 0 }))
///     }
///     async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
///         let Request::Get(from) = request;
///         from.reply(self.seconds);
///         Ok(Next::Wait)
///     }
///     async fn handle_info(&mut self, info: Info<Tick>, cx: &mut Context<Self>) -> Step<Self> {
///         let Info::Message(Tick) = info else { return cx.unexpected(info) };
///         cx.send_after(Duration::from_secs(1), Tick);
///         self.seconds += 1;
///         Ok(Next::Wait)
///     }
/// }
///
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// Uptime::run().await.unwrap();
/// rekindle_actor::sleep(Duration::from_millis(2_500)).await;
/// assert_eq!(Uptime::seconds().await, Ok(2));
/// # });
/// ```
///
/// # What callbacks give
///
/// | from                                                      | value                      | and then                                                     |
/// |-----------------------------------------------------------|----------------------------|--------------------------------------------------------------|
/// | [`init`](Self::init)                                      | [`Init::Ready`]            | the starter goes on, and the server waits                    |
/// |                                                           | [`Init::Continue`]         | the starter goes on, and `handle_continue` comes before any message |
/// |                                                           | [`Init::Timeout`], [`Init::Hibernate`] | as `Ready`, and then as the `Next` of that name  |
/// |                                                           | [`Init::Ignore`]           | the starter gets [`StartError::Ignore`](crate::StartError::Ignore), the process ends with `Normal` |
/// |                                                           | [`Init::Fail`], an `Err`   | the starter gets [`StartError::Failed`](crate::StartError::Failed); an `Err` makes a crash report |
/// | `handle_call`, `handle_cast`, `handle_info`, `handle_continue` | [`Next::Wait`]        | the next message                                             |
/// |                                                           | [`Next::Timeout`]          | the next message, or `Info::Timeout` if none comes in time   |
/// |                                                           | [`Next::Hibernate`]        | gives back memory, and waits                                 |
/// |                                                           | [`Next::Continue`]         | `handle_continue`, before any message                        |
/// |                                                           | [`Next::Stop`]             | `terminate`, and the end with that reason                    |
/// |                                                           | an `Err`                   | a crash: see below                                           |
///
/// A call is answered by its [`ReplyTo`](crate::ReplyTo), in the callback, later, or by another process.
/// Dropped, it fails the call at once with [`CallError::NoReply`](crate::CallError::NoReply).
///
/// # Timeouts
///
/// A call waits 5 s, unless told otherwise: `.call(..).timeout(limit)`, or `.no_timeout()`. After a
/// timeout the server may still act; its answer is thrown away. A start waits for as long as `init`
/// takes, unless [`Start::timeout`](crate::Start::timeout) limits it. [`Next::Timeout`] is for a server
/// that is idle: any message ends it. For something that must happen at its time whatever comes, send a
/// message to oneself: [`Context::send_after`](crate::Context::send_after).
///
/// # Names
///
/// A start can give the server a [name](crate::Start::name), or a [key of a registry](crate::Start::via);
/// if it is held, the start fails with `AlreadyStarted`. What the start gives, an
/// [`Addr`](crate::Addr), is a handle on that one life. A [`Name`](crate::Name) and a
/// [`Via`](crate::Via) are handles on whoever holds the name or the key, and survive restarts.
///
/// # Supervision
///
/// With `rekindle-supervisor`, `Counter::child(0)` is a child: permanent, stopped within 5 s, called like
/// its type. After a restart the state is what `init` makes anew, and what lay in the mailbox is gone;
/// its callers have heard the reason.
///
/// # Debugging
///
/// [`sys`](crate::sys) looks into a server that runs: `get_state`, `get_status`, `suspend`, `trace`,
/// `get_log`, `get_statistics`. [`info`](crate::info()) tells what it waits for, and since when, without a
/// message to it. A crash report has the type of the last message; its text only if
/// [`show_message`](Self::show_message) gives one, and the state only if
/// [`format_status`](Self::format_status) does: both may hold secrets.
///
/// # When a callback fails
/// | what happens             | `terminate` runs? | the process ends with        | callers that wait get        |
/// |--------------------------|-------------------|------------------------------|------------------------------|
/// | returns `Err(reason)`    | yes               | the reason                   | `CallError::Exited(reason)`  |
/// | panics                   | yes; the state is as the panic left it | `Panic` | `CallError::Exited(Panic)` |
/// | is killed                | no                | `Killed`                     | `CallError::Exited(Killed)`  |
///
/// # When not to use this
///
/// When there is no state to share and no order to keep, a function is better. When work takes
/// long and callers need not wait for each other, use a [`Task`](crate::Task) per piece of work.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a generic server",
    note = "put `#[gen_server]` on its impl block, or implement `GenServer` for it: the five associated types, `init`, and the callbacks it needs"
)]
pub trait GenServer: Sized + Send + 'static {
    /// What the start passes to `init`.
    type Args: Send + 'static;
    /// Requests. Each variant carries a [`ReplyTo`](crate::ReplyTo) for its answer.
    type Call: Send + 'static;
    /// Messages that are not answered.
    type Cast: Send + 'static;
    /// Plain messages: from timers, and by [`Addr::send`](crate::Addr::send).
    type Info: Send + 'static;
    /// What `handle_continue` gets.
    type Continue: Send + 'static;

    /// Makes the state, in the new process. The starter waits meanwhile.
    ///
    /// # Errors
    ///
    /// The start fails with the reason, and the process ends with it.
    fn init(
        args: Self::Args,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = Result<Init<Self>, ExitReason>> + Send;

    /// Handles a request. The answer is given through the request's `ReplyTo`, now or later, here
    /// or in another process.
    ///
    /// # Errors
    ///
    /// The server crashes with the reason.
    fn handle_call(
        &mut self,
        request: Self::Call,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = Step<Self>> + Send {
        let _ = cx;
        drop(request);
        async { Err(unhandled::<Self>("call")) }
    }

    /// Handles a cast.
    ///
    /// # Errors
    ///
    /// The server crashes with the reason.
    fn handle_cast(
        &mut self,
        message: Self::Cast,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = Step<Self>> + Send {
        let _ = cx;
        drop(message);
        async { Err(unhandled::<Self>("cast")) }
    }

    /// Handles whatever else comes. By default it is logged and ignored (GEN-028).
    ///
    /// # Errors
    ///
    /// The server crashes with the reason.
    ///
    /// ```
    /// use rekindle_actor::{Context, ExitReason, Info, Next, Pid, Step, monitor};
    /// # use rekindle_actor::{GenServer, Init, Never, ReplyTo};
    /// # struct Watcher { watched: Pid, down: Option<ExitReason> }
    /// # impl GenServer for Watcher {
    /// #     type Args = Pid; type Call = ReplyTo<Option<ExitReason>>; type Cast = Never; type Info = Never; type Continue = Never;
    /// #     async fn init(watched: Pid, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { monitor(watched); Ok(Init::Ready(Watcher { watched, down: None })) }
    /// #     async fn handle_call(&mut self, from: ReplyTo<Option<ExitReason>>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.down.clone()); Ok(Next::Wait) }
    ///
    /// // It has said `monitor(watched)` in its init.
    /// async fn handle_info(&mut self, info: Info<Never>, cx: &mut Context<Self>) -> Step<Self> {
    ///     match info {
    ///         Info::Down(down) if down.pid == Some(self.watched) => self.down = Some(down.reason),
    ///         other => return cx.unexpected(other),
    ///     }
    ///     Ok(Next::Wait)
    /// }
    /// # }
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let second = || rekindle_actor::sleep(std::time::Duration::from_secs(1));
    /// # let watcher = Watcher::start(rekindle_actor::spawn(async move { second().await; ExitReason::Shutdown })).await.unwrap();
    /// # second().await;
    /// # second().await;
    /// assert_eq!(watcher.call(|from| from).await, Ok(Some(ExitReason::Shutdown)));
    /// # });
    /// ```
    fn handle_info(
        &mut self,
        info: Info<Self::Info>,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = Step<Self>> + Send {
        let step = cx.unexpected(info);
        async { step }
    }

    /// Goes on with what a callback has put off.
    ///
    /// # Errors
    ///
    /// The server crashes with the reason.
    ///
    /// ```
    /// use rekindle_actor::{Context, ExitReason, Init, Next, Step};
    /// # use rekindle_actor::{GenServer, Never, ReplyTo};
    /// # struct Load;
    /// # struct Cache(Vec<u32>);
    /// # impl GenServer for Cache {
    /// #     type Args = (); type Call = ReplyTo<usize>; type Cast = Never; type Info = Never; type Continue = Load;
    /// #     async fn handle_call(&mut self, from: ReplyTo<usize>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.0.len()); Ok(Next::Wait) }
    ///
    /// /// Its starter does not wait for the loading, and nobody sees it empty.
    /// async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
    ///     Ok(Init::Continue(Cache(Vec::new()), Load))
    /// }
    /// async fn handle_continue(&mut self, _: Load, _: &mut Context<Self>) -> Step<Self> {
    ///     self.0 = vec![1, 2, 3];
    ///     Ok(Next::Wait)
    /// }
    /// # }
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// let cache = Cache::start(()).await.unwrap();
    /// assert_eq!(cache.call(|from| from).await, Ok(3));
    /// # });
    /// ```
    fn handle_continue(
        &mut self,
        work: Self::Continue,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = Step<Self>> + Send {
        let _ = cx;
        drop(work);
        async { Err(unhandled::<Self>("continue")) }
    }

    /// Cleans up at the end: after `Stop`, an error or a panic of a callback, a
    /// [`stop`](crate::Addr::stop), and the parent's exit if the server traps exits. Not when it
    /// is killed, nor at any exit signal that it does not trap.
    ///
    /// ```
    /// use rekindle_actor::{Context, ExitReason, Recipient};
    /// # use rekindle_actor::{GenServer, Init, Mailbox, Never, spawn};
    /// # struct Printer { tell: Recipient<String> }
    /// # impl GenServer for Printer {
    /// #     type Args = Recipient<String>; type Call = Never; type Cast = Never; type Info = Never; type Continue = Never;
    /// #     async fn init(tell: Recipient<String>, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Printer { tell })) }
    ///
    /// async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
    ///     self.tell.send(format!("out of order: {reason}"));
    /// }
    /// # }
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let done = spawn(|mut inbox: Mailbox<String>| async move {
    /// let printer = Printer::start(inbox.recipient()).await.unwrap();
    /// printer.stop().reason(ExitReason::Shutdown).await.unwrap();
    /// assert_eq!(inbox.recv().await, "out of order: shutdown");
    /// # });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !done.is_alive());
    /// # });
    /// ```
    fn terminate(
        &mut self,
        reason: &ExitReason,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (reason, cx);
        async {}
    }

    /// Sheds memory: called before a wait that is expected to be long, because a callback decided
    /// [`Next::Hibernate`], or nothing came for the time of
    /// [`Start::hibernate_after`](crate::Start::hibernate_after). This is the place to shrink
    /// buffers and drop caches.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, Step, sys};
    /// # struct Buffer(Vec<u8>);
    /// # impl GenServer for Buffer {
    /// #     type Args = (); type Call = Never; type Cast = u8; type Info = Never; type Continue = Never;
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Buffer(Vec::with_capacity(4096)))) }
    /// #     async fn handle_cast(&mut self, byte: u8, _: &mut Context<Self>) -> Step<Self> { self.0.push(byte); Ok(Next::Wait) }
    ///
    /// fn hibernate(&mut self) {
    ///     self.0.shrink_to_fit();
    /// }
    /// # }
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// let buffer = Buffer::start(()).hibernate_after(Duration::from_secs(60)).await.unwrap();
    /// # buffer.cast(7);
    /// # let room = || sys::with_state(&buffer, |buffer: &mut Buffer| buffer.0.capacity());
    /// # assert_eq!(room().await, Ok(4096));
    /// rekindle_actor::sleep(Duration::from_secs(61)).await;
    /// # assert!(room().await.unwrap() < 4096);
    /// # });
    /// ```
    fn hibernate(&mut self) {}

    /// The state as text, for crash reports and `sys::get_status`; nothing by default, for a
    /// state may hold secrets.
    ///
    /// ```
    /// use rekindle_actor::sys;
    /// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never};
    /// # struct Session { user: String, token: String }
    /// # impl GenServer for Session {
    /// #     type Args = (); type Call = Never; type Cast = Never; type Info = Never; type Continue = Never;
    /// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Session { user: "ada".into(), token: "4711".into() })) }
    ///
    /// /// The user, and not the token.
    /// fn format_status(&self) -> Option<String> {
    ///     Some(format!("session of {}", self.user))
    /// }
    /// # }
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let session = Session::start(()).await.unwrap();
    /// # let token = sys::with_state(&session, |session: &mut Session| session.token.len()).await;
    /// # assert_eq!(token, Ok(4));
    /// let status = sys::get_status(&session).await.unwrap();
    /// assert_eq!(status.state.as_deref(), Some("session of ada"));
    /// # });
    /// ```
    fn format_status(&self) -> Option<String> {
        None
    }

    /// A message as text, for crash reports; nothing by default. It is asked for before each
    /// message is handled, so this is for servers that have time.
    fn show_message(message: Shown<'_, Self>) -> Option<String> {
        let _ = message;
        None
    }

    /// Which kind of message this is, as a number of the server's own choice: for
    /// [`kind_name`](Self::kind_name). It is asked for before each message is handled, so a look
    /// at the enum's variant is all that it should cost.
    #[inline]
    fn message_kind(message: Shown<'_, Self>) -> u16 {
        let _ = message;
        0
    }

    /// What a kind of message is called in crash reports and `sys` traces; without it they say the
    /// message's type. `#[gen_server]` names each after its method.
    ///
    /// ```
    /// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Shown, Step};
    /// # struct Fragile;
    /// enum Request { Get(ReplyTo<i64>), Break(ReplyTo<i64>) }
    ///
    /// impl GenServer for Fragile {
    ///     # type Args = (); type Call = Request; type Cast = Never; type Info = Never; type Continue = Never;
    ///     # async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Fragile)) }
    ///     // ...
    ///     async fn handle_call(&mut self, request: Request, _: &mut Context<Self>) -> Step<Self> {
    ///         match request {
    ///             Request::Get(from) => from.reply(7),
    ///             Request::Break(_) => return Err(ExitReason::msg("broken")),
    ///         }
    ///         Ok(Next::Wait)
    ///     }
    ///     fn message_kind(message: Shown<'_, Self>) -> u16 {
    ///         match message {
    ///             Shown::Call(Request::Get(_)) => 1,
    ///             Shown::Call(Request::Break(_)) => 2,
    ///             _ => 0,
    ///         }
    ///     }
    ///     fn kind_name(kind: u16) -> Option<&'static str> {
    ///         [None, Some("Get"), Some("Break")][usize::from(kind)]
    ///     }
    /// }
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// let fragile = Fragile::start(()).await.unwrap();
    /// assert!(fragile.call(Request::Break).await.is_err());
    /// # while fragile.is_alive() { rekindle_actor::yield_now().await; }
    /// let report = rekindle_actor::recent_crashes().pop().unwrap();
    /// assert_eq!(report.last_message.as_deref(), Some("call Break"));
    /// # });
    /// ```
    #[must_use]
    fn kind_name(kind: u16) -> Option<&'static str> {
        let _ = kind;
        None
    }

    /// Starts the server without a link. Await it, or say more first: see [`Start`].
    #[track_caller]
    fn start(args: Self::Args) -> Start<Self> {
        Start::new(args, false)
    }

    /// Starts the server, linked with the running process.
    #[track_caller]
    fn start_link(args: Self::Args) -> Start<Self> {
        Start::new(args, true)
    }

    /// Starts the server, monitored by the running process (GEN-003).
    #[track_caller]
    fn start_monitor(args: Self::Args) -> StartMonitor<Self> {
        StartMonitor::new(Start::new(args, false))
    }
}

/// A message came for which the server has no callback.
fn unhandled<G>(what: &str) -> ExitReason {
    ExitReason::msg(format!(
        "{} has no `handle_{what}`",
        short_type_name(type_name::<G>())
    ))
}

/// What was handled last.
#[derive(Clone, Copy)]
struct Last {
    what: What,
    /// The server's own number for the kind of message: see [`GenServer::message_kind`].
    kind: u16,
}

#[derive(Clone, Copy)]
enum What {
    Call,
    Cast,
    Info,
    Continue,
    Timeout,
    Down,
    Exit,
}

impl Last {
    /// What carries nothing of the server's own types.
    const fn plain(what: What) -> Last {
        Last { what, kind: 0 }
    }

    #[inline]
    fn shown<G: GenServer>(message: Shown<'_, G>) -> Last {
        Last {
            what: What::of(message),
            kind: G::message_kind(message),
        }
    }

    fn describe<G: GenServer>(self) -> String {
        let word = self.what.word();
        match self.what {
            What::Timeout | What::Down | What::Exit => word.to_owned(),
            _ => format!("{word} {}", self.name::<G>()),
        }
    }

    /// The name of the kind, or else of the type.
    fn name<G: GenServer>(self) -> String {
        let name = match self.what {
            What::Call => type_name::<G::Call>(),
            What::Cast => type_name::<G::Cast>(),
            What::Info => type_name::<G::Info>(),
            What::Continue => type_name::<G::Continue>(),
            What::Timeout | What::Down | What::Exit => return self.what.word().to_owned(),
        };
        match G::kind_name(self.kind) {
            Some(name) => name.to_owned(),
            None => short_type_name(name),
        }
    }
}

impl What {
    fn of<G: GenServer>(message: Shown<'_, G>) -> What {
        match message {
            Shown::Call(_) => What::Call,
            Shown::Cast(_) => What::Cast,
            Shown::Info(_) => What::Info,
            Shown::Continue(_) => What::Continue,
        }
    }

    fn word(self) -> &'static str {
        match self {
            What::Call => "call",
            What::Cast => "cast",
            What::Info => "message",
            What::Continue => "continue",
            What::Timeout => "timeout",
            What::Down => "down",
            What::Exit => "exit",
        }
    }
}

/// The loop of every generic server, from a state on; gives the reason to end with.
///
/// A macro, because it stands in two futures, and one around another would keep its arguments twice.
macro_rules! serve_from {
    ($g:ident, $state:ident, $next:ident, $inbox:ident, $cx:ident) => {{
        // Whether there are books of the system's messages: they lie aside, for few servers have any.
        let mut books = false;
        // Whether it hibernates when it has waited for long enough.
        let patient = $cx.hibernate_after().is_some();
        let mut last = Last::plain(What::Continue);
        // Whether the last message was shown; its text is kept aside, for few servers show any.
        let mut showed = false;
        let reason = loop {
            let begun;
            // What was decided, and what comes, is moved out as a whole: what is left of a value that
            // was taken apart is kept, with its room, while a callback is awaited.
            let step = match $next {
                Next::Stop(_) => break $next.into_reason(),
                Next::Continue(_) => {
                    let work = shown_work::<$g>($next.into_work(), &mut last, &mut showed);
                    if books {
                        with_books(&mut books, |system| {
                            tell_handled(system, &$state);
                            system.note(|| SystemEvent::Inner(last.describe::<$g>()));
                        });
                    }
                    begun = telemetry::handling();
                    guard!($state.handle_continue(work, &mut $cx))
                }
                Next::Wait | Next::Timeout(_) | Next::Hibernate => {
                    let plain = matches!($next, Next::Wait) && !patient && !books;
                    let got = if plain {
                        // Nothing is in it, and what is dropped would be moved first.
                        std::mem::forget($next);
                        $inbox.next_heard().await
                    } else {
                        let patience = Patience::of($next, $cx.hibernate_after());
                        // Boxed, so that servers which never do this do not have room for it.
                        Box::pin(wait($inbox.mailbox(), &mut books, &mut $state, patience)).await
                    };
                    begun = telemetry::handling();
                    let (came, got) = seen(got, &mut last, &mut showed);
                    match came {
                        Came::Call => {
                            guard!($state.handle_call(got.into_call(), &mut $cx))
                        }
                        Came::Cast => {
                            guard!($state.handle_cast(got.into_cast(), &mut $cx))
                        }
                        Came::Info => {
                            guard!($state.handle_info(got.into_info(), &mut $cx))
                        }
                        Came::Other => {
                            let inner = inner_of(got, &mut last);
                            match inner {
                                Inner::Info(_) => {
                                    showed = false;
                                    let info = inner.into_info();
                                    guard!($state.handle_info(info, &mut $cx))
                                }
                                Inner::System(_) => {
                                    let mut system = SystemState::of_running();
                                    let verdict = inner.handle_system(&mut system, &mut $state);
                                    books = system.keep();
                                    match verdict {
                                        SystemVerdict::Continue => {
                                            $next = Next::Wait;
                                            continue;
                                        }
                                        SystemVerdict::Stop(reason) => break reason,
                                    }
                                }
                                Inner::Stop(reason) => break reason,
                            }
                        }
                    }
                }
            };
            telemetry::handled(begun, type_name::<$g>(), last.what.word());
            match step {
                Ok(Ok(decided)) => $next = decided,
                Ok(Err(reason)) | Err(reason) => {
                    remember::<$g>(&$state, last, showed);
                    break reason;
                }
            }
        };
        begin_ending();
        if books {
            with_books(&mut books, |system| {
                tell_handled(system, &$state);
                system.note(|| SystemEvent::Ending(reason.clone()));
            });
        }
        let reason = match guard!($state.terminate(&reason, &mut $cx)) {
            Ok(()) => reason,
            // A panic in terminate becomes the reason.
            Err(panic) => panic,
        };
        if books {
            with_books(&mut books, |system| system.handled(|| None));
        }
        // Here, where the reason is known: a panic on the way must not hide an abnormal one.
        let reason = ended_by(reason, $state);
        $inbox.settle();
        reason
    }};
}

/// The life of every generic server.
///
/// Not an `async fn`: that would keep its arguments twice, as what was passed and as what is used.
pub(super) fn serve<G: GenServer>(
    args: G::Args,
    inbox: Mailbox<ServerMessage<G>>,
    ack: Ack,
) -> impl Future<Output = ExitReason> + Send {
    let mut inbox = inbox.of_body();
    let mut cx = Context::<G>::new();
    async move {
        let (mut state, mut next) = match guard!(G::init(args, &mut cx)) {
            Ok(Ok(Init::Ready(state))) => (state, Next::Wait),
            Ok(Ok(Init::Continue(state, work))) => (state, Next::Continue(work)),
            Ok(Ok(Init::Timeout(state, after))) => (state, Next::Timeout(after)),
            Ok(Ok(Init::Hibernate(state))) => (state, Next::Hibernate),
            Ok(Ok(Init::Ignore)) => return ack.ignore(),
            Ok(Ok(Init::Fail(reason))) => return ack.fail(reason),
            // The acknowledgement is dropped, and tells the reason when the process is gone.
            Ok(Err(reason)) | Err(reason) => return reason,
        };
        ack.ready();
        serve_from!(G, state, next, inbox, cx)
    }
}

/// Turns the running process into a generic server: for a body that has to do more than `init` may
/// before it is one, and has acknowledged its own start (START-004). `init` does not run. The
/// process's parent is whoever started it, and the parent's end is the server's, as always.
///
/// The body gives back what this gives.
///
/// ```
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
/// # struct Counter { n: i64 }
/// # impl GenServer for Counter {
/// #     type Args = ();
/// #     type Call = ReplyTo<i64>;
/// #     type Cast = i64;
/// #     type Info = Never;
/// #     type Continue = Never;
/// #     async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         Ok(Init::Ready(Counter { n: 0 }))
/// #     }
/// #     async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> {
/// #         from.reply(self.n);
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{Ack, Addr, Mailbox, ServerMessage, Starter, enter_loop};
///
/// async fn body(inbox: Mailbox<ServerMessage<Counter>>, ack: Ack) -> ExitReason {
///     ack.ready();
///     let n = 7; // found out without anybody waiting for it
///     enter_loop(inbox, Counter { n }, Next::Wait).await
/// }
///
/// let started = Starter::default().start_behaviour::<Counter, _, _, _>(body).await.unwrap();
/// let counter: Addr<Counter> = Addr::from_pid(started.pid()).unwrap();
/// assert_eq!(counter.call(|from| from).await, Ok(7));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn enter_loop<G: GenServer>(
    mut inbox: Mailbox<ServerMessage<G>>,
    mut state: G,
    mut next: Next<G>,
) -> impl Future<Output = ExitReason> + Send {
    let mut cx = Context::<G>::new();
    async move { serve_from!(G, state, next, inbox, cx) }
}

/// As [`enter_loop`], for a process that others know by this name. If it does not hold the name,
/// it ends with [`NotRegistered`] at once (START-005).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # mod counter {
/// #     use rekindle_actor::*;
/// #     pub struct Counter { pub n: i64 }
/// #     impl GenServer for Counter {
/// #         type Args = i64; type Call = ReplyTo<i64>; type Cast = i64; type Info = Never; type Continue = Never;
/// #         async fn init(n: i64, _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> { Ok(Init::Ready(Counter { n })) }
/// #         async fn handle_call(&mut self, from: ReplyTo<i64>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.n); Ok(Next::Wait) }
/// #         async fn handle_cast(&mut self, k: i64, _: &mut Context<Self>) -> Step<Self> { self.n += k; Ok(Next::Wait) }
/// #     }
/// # }
/// # use counter::Counter; use rekindle_actor::GenServer as _;
/// use rekindle_actor::{Ack, ExitReason, Mailbox, Name, ServerMessage, Starter, enter_loop_as};
///
/// async fn body(inbox: Mailbox<ServerMessage<Counter>>, ack: Ack) -> ExitReason {
///     ack.ready();
///     enter_loop_as("counter", inbox, Counter { n: 7 }, Next::Wait).await
/// }
/// # use rekindle_actor::Next;
///
/// Starter::new("counter").name("counter").start(body).await.unwrap();
/// assert_eq!(Name::<Counter>::new("counter").call(|from| from).await, Ok(7));
/// # });
/// ```
pub async fn enter_loop_as<G: GenServer>(
    name: &str,
    inbox: Mailbox<ServerMessage<G>>,
    state: G,
    next: Next<G>,
) -> ExitReason {
    if crate::names::whereis(name) != crate::ambient::try_self_pid() {
        return ExitReason::error(NotRegistered);
    }
    enter_loop(inbox, state, next).await
}

/// What a wait ends with, besides a message.
#[derive(Clone, Copy)]
struct Patience {
    /// The time to `Info::Timeout`.
    idle: Option<Duration>,
    /// The time to `GenServer::hibernate`.
    hibernate: Option<Duration>,
}

impl Patience {
    fn of<G: GenServer>(next: Next<G>, hibernate_after: Option<Duration>) -> Patience {
        match next {
            Next::Timeout(after) => Patience {
                idle: Some(after),
                hibernate: hibernate_after,
            },
            Next::Hibernate => Patience {
                idle: None,
                hibernate: Some(Duration::ZERO),
            },
            _ => Patience {
                idle: None,
                hibernate: hibernate_after,
            },
        }
    }
}

/// Waits for the next event that the loop must see, or for the end of the idle time. `sys`
/// messages are handled here, so that they do not end the wait (GEN-035); one that stops the
/// server is left to the loop.
async fn wait<G: GenServer>(
    mut inbox: ManuallyDrop<Mailbox<ServerMessage<G>>>,
    books: &mut bool,
    state: &mut G,
    patience: Patience,
) -> Heard<ServerMessage<G>> {
    // Not those of another, should the mailbox be another's.
    let mut system = inbox.owned(|_| SystemState::of_running());
    tell_handled(&mut system, state);
    let heard = wait_untold(&mut inbox, &mut system, state, patience).await;
    if system.is_watched() {
        tell_heard::<G>(&mut system, &heard, inbox.caller());
    }
    *books = system.keep();
    heard
}

/// Does something with the books of the system's messages, and notes whether there are any.
fn with_books<R>(books: &mut bool, f: impl FnOnce(&mut SystemState) -> R) -> R {
    let mut system = SystemState::of_running();
    let result = f(&mut system);
    *books = system.keep();
    result
}

/// Tells those who watch that the last callback is over.
fn tell_handled<G: GenServer>(system: &mut SystemState, state: &G) {
    system.handled(|| state.format_status());
}

/// Tells those who watch what came in.
fn tell_heard<G: GenServer>(
    system: &mut SystemState,
    heard: &Heard<ServerMessage<G>>,
    caller: Option<Pid>,
) {
    match heard {
        Heard::Message(message) => match message.peek() {
            ServerMessage::Call(request) => {
                system.message_in("call", caller, || text(Shown::<G>::Call(request)));
            }
            ServerMessage::Cast(message) => {
                system.message_in("cast", None, || text(Shown::<G>::Cast(message)));
            }
            ServerMessage::Info(message) => {
                system.message_in("message", None, || text(Shown::<G>::Info(message)));
            }
        },
        Heard::Timeout => system.note(|| SystemEvent::Inner("timeout".to_owned())),
        Heard::Signal(signal) => match signal.peek() {
            Signal::Down(down) => {
                system.message_in("down", None, || match (&down.name, down.pid) {
                    (Some(name), _) => format!("of {name:?}: {}", down.reason),
                    (None, Some(pid)) => format!("of {pid}: {}", down.reason),
                    (None, None) => format!("of nobody: {}", down.reason),
                })
            }
            Signal::Exit { from, reason, .. } => {
                system.message_in("exit", None, || format!("of {from}: {reason}"));
            }
            _ => {}
        },
    }
}

/// A message's own text, or else its name.
fn text<G: GenServer>(message: Shown<'_, G>) -> String {
    G::show_message(message).unwrap_or_else(|| Last::shown(message).name::<G>())
}

/// As [`wait`], without a word to those who watch.
async fn wait_untold<G: GenServer>(
    inbox: &mut Mailbox<ServerMessage<G>>,
    system: &mut SystemState,
    state: &mut G,
    patience: Patience,
) -> Heard<ServerMessage<G>> {
    let begun = crate::time::now();
    let idle_at = patience.idle.map(|after| begun.saturating_add(after));
    let mut hibernate_at = patience.hibernate.map(|after| begun.saturating_add(after));
    loop {
        if system.is_suspended() {
            match inbox.next_heard_system().await.into_system() {
                Ok(message) => {
                    let _go_on = handle_system(message, system, state);
                    continue;
                }
                Err(heard) => return heard,
            }
        }
        let now = crate::time::now();
        if hibernate_at.is_some_and(|at| at <= now) {
            hibernate_at = None;
            hibernate(state);
        }
        let until = match (idle_at, hibernate_at) {
            (Some(idle), Some(hibernate)) => Some(idle.min(hibernate)),
            (idle, hibernate) => idle.or(hibernate),
        };
        let left = until.map(|at: Time| at.saturating_since(now));
        match inbox.next_heard_within(left).await.into_system() {
            Ok(message) => {
                let _go_on = handle_system(message, system, state);
            }
            Err(Heard::Timeout) if idle_at.is_none_or(|at| at > crate::time::now()) => {}
            Err(heard) => return heard,
        }
    }
}

/// Sheds what the server and its process can do without. A panic of the callback ends the process
/// as one in any other code of its body does.
fn hibernate<G: GenServer>(state: &mut G) {
    state.hibernate();
    give_back_memory();
}

fn handle_system<G: GenServer>(
    message: SystemMessage,
    system: &mut SystemState,
    state: &mut G,
) -> SystemVerdict {
    let shown = |state: &G| unwind::catch(|| state.format_status()).ok().flatten();
    message.handle(system, state, shown)
}

/// What the loop must do about an event that is no message.
enum Inner<G: GenServer> {
    Info(Info<G::Info>),
    System(SystemMessage),
    Stop(ExitReason),
}

impl<G: GenServer> Inner<G> {
    fn into_info(self) -> Info<G::Info> {
        match self {
            Inner::Info(info) => info,
            _ => unreachable!("it has been seen to be an info"),
        }
    }

    fn handle_system(self, system: &mut SystemState, state: &mut G) -> SystemVerdict {
        match self {
            Inner::System(message) => handle_system(message, system, state),
            _ => unreachable!("it has been seen to be a system message"),
        }
    }
}

fn inner_of<G: GenServer>(got: Heard<ServerMessage<G>>, last: &mut Last) -> Inner<G> {
    let mut other = |what, info| {
        *last = Last::plain(what);
        Inner::Info(info)
    };
    let Heard::Signal(signal) = got else {
        return other(What::Timeout, Info::Timeout);
    };
    signal.open_as(|signal| match signal {
        Signal::System(message) => Inner::System(message),
        // The parent's end is the server's, if it traps exits (GEN-042).
        Signal::Exit { from, reason, .. } if Some(from) == crate::ambient::guardian() => {
            Inner::Stop(reason)
        }
        Signal::Exit {
            from,
            reason,
            link,
            report,
        } => other(
            What::Exit,
            Info::Exit(Exit {
                from,
                reason,
                report,
                by_link: link.is_some(),
            }),
        ),
        Signal::Down(down) => other(What::Down, Info::Down(down)),
        Signal::Alarm(_) => other(What::Timeout, Info::Timeout),
        acting => unreachable!("{acting:?} acts when it is received, and is never queued"),
    })
}

/// Notes a message that is about to be handled, if the server shows it; gives what is to be
/// remembered of it in any case.
#[inline]
fn show<G: GenServer>(message: Shown<'_, G>, showed: &mut bool) -> Last {
    let shown = unwind::catch(|| (Last::shown(message), G::show_message(message)));
    let (last, text) = shown.unwrap_or((Last::plain(What::of(message)), None));
    *showed = text.is_some();
    if let Some(text) = text {
        note_last_message(format!("{} {text}", last.what.word()), last_caller());
    }
    last
}

/// As [`seen`], of what is to be continued with.
#[inline]
fn shown_work<G: GenServer>(work: G::Continue, last: &mut Last, showed: &mut bool) -> G::Continue {
    *last = show::<G>(Shown::Continue(&work), showed);
    work
}

impl<G: GenServer> Next<G> {
    fn into_reason(self) -> ExitReason {
        match self {
            Next::Stop(reason) => reason,
            _ => unreachable!("it has been seen to be a stop"),
        }
    }

    #[inline]
    fn into_work(self) -> G::Continue {
        match self {
            Next::Continue(work) => work,
            _ => unreachable!("it has been seen to be a continuation"),
        }
    }
}

impl<G: GenServer> Heard<ServerMessage<G>> {
    #[inline]
    fn into_call(self) -> G::Call {
        self.open_as(|message| match message {
            ServerMessage::Call(request) => request,
            _ => unreachable!("it has been seen to be a call"),
        })
    }

    #[inline]
    fn into_cast(self) -> G::Cast {
        self.open_as(|message| match message {
            ServerMessage::Cast(message) => message,
            _ => unreachable!("it has been seen to be a cast"),
        })
    }

    #[inline]
    fn into_info(self) -> Info<G::Info> {
        self.open_as(|message| match message {
            ServerMessage::Info(message) => Info::Message(message),
            _ => unreachable!("it has been seen to be a plain message"),
        })
    }

    #[inline]
    fn open_as<R>(self, make: impl FnOnce(ServerMessage<G>) -> R) -> R {
        match self {
            Heard::Message(message) => message.open_as(make),
            _ => unreachable!("it has been seen to be a message"),
        }
    }
}

/// What the loop hears, as far as it decides which callback is due.
#[derive(Clone, Copy)]
enum Came {
    Call,
    Cast,
    Info,
    Other,
}

/// Says what was heard, and notes a message that is about to be handled. It is given back, because the loop would
/// keep room for what it has lent, while the callback that it was given to is awaited.
#[inline]
fn seen<G: GenServer>(
    heard: Heard<ServerMessage<G>>,
    last: &mut Last,
    showed: &mut bool,
) -> (Came, Heard<ServerMessage<G>>) {
    let Heard::Message(message) = &heard else {
        return (Came::Other, heard);
    };
    // Where it lies: it is moved once, into the callback.
    let (came, shown) = match message.peek() {
        ServerMessage::Call(request) => (Came::Call, Shown::Call(request)),
        ServerMessage::Cast(message) => (Came::Cast, Shown::Cast(message)),
        ServerMessage::Info(message) => (Came::Info, Shown::Info(message)),
    };
    *last = show::<G>(shown, showed);
    (came, heard)
}

/// Who sent the request that was received last.
fn last_caller() -> Option<Pid> {
    Owner::current(|owner| owner?.last_caller())
}

/// Leaves for the crash report what was being done, and with what state.
fn remember<G: GenServer>(state: &G, last: Last, showed: bool) {
    if !showed {
        note_last_message(last.describe::<G>(), last_caller());
    }
    if let Some(text) = unwind::catch(|| state.format_status()).ok().flatten() {
        note_state(text);
    }
}

impl<G: GenServer> fmt::Debug for Next<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Next::Wait => f.write_str("Wait"),
            Next::Timeout(after) => f.debug_tuple("Timeout").field(after).finish(),
            Next::Hibernate => f.write_str("Hibernate"),
            Next::Continue(_) => f.write_str("Continue(..)"),
            Next::Stop(reason) => f.debug_tuple("Stop").field(reason).finish(),
        }
    }
}

impl<G: GenServer> fmt::Debug for Init<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Init::Ready(_) => "Ready(..)",
            Init::Continue(..) => "Continue(..)",
            Init::Timeout(..) => "Timeout(..)",
            Init::Hibernate(_) => "Hibernate(..)",
            Init::Ignore => "Ignore",
            Init::Fail(_) => "Fail(..)",
        })
    }
}

impl<G: GenServer> fmt::Debug for ServerMessage<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerMessage::Call(_) => "Call(..)",
            ServerMessage::Cast(_) => "Cast(..)",
            ServerMessage::Info(_) => "Info(..)",
        })
    }
}

impl<G: GenServer> fmt::Debug for Shown<'_, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shown::Call(_) => "Call(..)",
            Shown::Cast(_) => "Cast(..)",
            Shown::Info(_) => "Info(..)",
            Shown::Continue(_) => "Continue(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Never;
    use crate::mailbox::ReplyTo;

    /// A server with messages of so many words.
    struct Sum<const WORDS: usize>(u64);

    impl<const WORDS: usize> GenServer for Sum<WORDS> {
        type Args = ();
        type Call = ReplyTo<u64>;
        type Cast = [u64; WORDS];
        type Info = Never;
        type Continue = Never;

        async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(Sum(0)))
        }

        async fn handle_call(&mut self, from: ReplyTo<u64>, _: &mut Context<Self>) -> Step<Self> {
            from.reply(self.0);
            Ok(Next::Wait)
        }

        async fn handle_cast(&mut self, words: [u64; WORDS], _: &mut Context<Self>) -> Step<Self> {
            self.0 += words.iter().sum::<u64>();
            Ok(Next::Wait)
        }
    }

    /// The room that what `make` gives takes.
    fn room<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_loop_of_a_server_keeps_no_message_but_in_its_callback() {
        let small = room(serve::<Sum<1>>);
        // With Rust 1.95, of which the callback of a call is 32.
        assert!(small <= 72, "{small} bytes");
        let large = room(serve::<Sum<128>>);
        let callback = {
            let (mut sum, mut cx) = (Sum::<128>(0), Context::new());
            size_of_val(&sum.handle_cast([0; 128], &mut cx))
        };
        assert!(
            large <= small + callback,
            "{large} bytes, {callback} in the callback"
        );
    }
}
