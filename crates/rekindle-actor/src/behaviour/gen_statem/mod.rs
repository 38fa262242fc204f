//! The state machine: a process whose answer to an event depends on the state it is in.
//!
//! Reading order: `event` (what happens), `transition` (what is decided), `agenda` (what is still
//! to be done: pure), `run` (the loop that does it); then `status`, `context`, and the two ways
//! from outside: `builder`, `handle`.

use std::fmt::Debug;
use std::future::Future;

use crate::exit::ExitReason;

mod event;
mod transition;

mod agenda;

mod run;

mod status;

mod context;

mod builder;
mod handle;

pub use builder::{StatemStart, StatemStartFuture, StatemStartMonitor, StatemStartMonitorFuture};
pub use context::StatemContext;
pub use event::StatemEvent;
pub use handle::{StatemAddr, StatemName};
pub use status::StatemStatus;
pub use transition::{Enter, StatemInit, Transition, When};

/// What a machine decides about an event: a transition, or to crash with a reason. `?` on any
/// error is the latter.
///
/// ```
/// use rekindle_actor::{StatemStep, Transition};
/// # use rekindle_actor::{ExitReason, GenStatem, Never, ReplyTo, StatemContext, StatemEvent, StatemInit};
/// # #[derive(Debug, PartialEq)] enum State { Empty, Full }
/// # struct Tank { litres: u32 }
/// # impl GenStatem for Tank {
/// #     type Args = (); type State = State; type Call = ReplyTo<u32>; type Cast = String; type Info = Never;
/// #     type Internal = Never; type Timer = Never; type Content = ();
/// #     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Empty, Tank { litres: 0 })) }
/// #     async fn handle_event(&mut self, _: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #         match event {
/// #             StatemEvent::Cast(text) => self.fill(&text),
/// #             StatemEvent::Call(from) => Ok(Transition::keep().reply(from, self.litres)),
/// #             other => cx.unexpected(other),
/// #         }
/// #     }
/// # }
///
/// impl Tank {
///     fn fill(&mut self, litres: &str) -> StatemStep<Self> {
///         self.litres += litres.parse::<u32>()?; // what is no number crashes the machine
///         Ok(match self.litres < 50 {
///             true => Transition::keep(),
///             false => Transition::next(State::Full),
///         })
///     }
/// }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// # let tank = Tank::start(()).await.unwrap();
/// tank.cast("30".to_owned());
/// assert_eq!(tank.call(|from| from).await, Ok(30));
/// tank.cast("all of it".to_owned());
/// assert!(tank.call(|from| from).await.is_err());
/// # });
/// ```
pub type StatemStep<M> = Result<Transition<M>, ExitReason>;

/// The callbacks of a state machine (`gen_statem` in OTP).
///
/// A machine has a *state*, which decides how it answers to an event, and *data*, which it keeps in
/// every state: the implementing type. It handles one [event](StatemEvent) at a time and answers
/// with a [`Transition`]: which state comes next, and what is to be done on the way. Beyond what a
/// [`GenServer`](crate::GenServer) can do, it can
///
/// - put an event off until the state has changed: [`Transition::postpone`];
/// - give itself events: [`Transition::internal`];
/// - do something whenever a state is entered: [`enter`](Self::enter);
/// - limit the time in a state, the time without an event, or anything else: timeouts.
///
/// # A door with a code lock
///
/// It opens for ten seconds when the last digits typed are the code. What is handled in which state
/// is one `match`; each state has a method of its own, which is what OTP calls *state functions*.
///
/// ```
/// use std::time::Duration;
/// use rekindle_actor::{
///     ExitReason, GenStatem, Never, ReplyTo, StatemContext, StatemEvent, StatemInit, StatemStep,
///     Transition,
/// };
///
/// struct Door { code: Vec<u8>, typed: Vec<u8> }
///
/// #[derive(Debug, PartialEq)]
/// enum State { Locked, Open }
///
/// enum Request { IsOpen(ReplyTo<bool>), ChangeCode(Vec<u8>, ReplyTo<()>) }
///
/// impl GenStatem for Door {
///     type Args = Vec<u8>;
///     type State = State;
///     type Call = Request;
///     type Cast = u8;          // a button
///     type Info = Never;
///     type Internal = Never;
///     type Timer = Never;      // no timeouts with names,
///     type Content = ();       // and the others carry nothing
///
///     async fn init(code: Vec<u8>, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
///         Ok(StatemInit::ready(State::Locked, Door { code, typed: Vec::new() }))
///     }
///
///     async fn handle_event(
///         &mut self,
///         state: &State,
///         event: StatemEvent<Self>,
///         cx: &mut StatemContext<Self>,
///     ) -> StatemStep<Self> {
///         match state {
///             State::Locked => self.locked(event, cx),
///             State::Open => self.open(event, cx),
///         }
///     }
/// }
///
/// impl Door {
///     fn locked(&mut self, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
///         Ok(match event {
///             StatemEvent::Cast(button) => {
///                 self.typed.push(button);
///                 match self.typed.ends_with(&self.code) {
///                     true => Transition::next(State::Open).state_timeout(Duration::from_secs(10)),
///                     false => Transition::keep(),
///                 }
///             }
///             StatemEvent::Call(Request::IsOpen(from)) => Transition::keep().reply(from, false),
///             // The code can be changed at an open door only: this can wait until it is.
///             later @ StatemEvent::Call(Request::ChangeCode(..)) => Transition::keep().postpone(later),
///             other => return cx.unexpected(other),
///         })
///     }
///
///     fn open(&mut self, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
///         Ok(match event {
///             StatemEvent::StateTimeout(()) => {
///                 self.typed.clear();
///                 Transition::next(State::Locked)
///             }
///             StatemEvent::Cast(_) => Transition::keep(),
///             StatemEvent::Call(Request::IsOpen(from)) => Transition::keep().reply(from, true),
///             StatemEvent::Call(Request::ChangeCode(code, from)) => {
///                 self.code = code;
///                 Transition::keep().reply(from, ())
///             }
///             other => return cx.unexpected(other),
///         })
///     }
/// }
///
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.run(async {
/// let door = Door::start_link(vec![1, 2, 3]).await?;
/// for button in [9, 1, 2, 3] {
///     door.cast(button);
/// }
/// assert_eq!(door.call(Request::IsOpen).await?, true);
/// door.call(|from| Request::ChangeCode(vec![7], from)).await?;
/// rekindle_actor::sleep(Duration::from_secs(11)).await;
/// assert_eq!(door.call(Request::IsOpen).await?, false);
/// # Ok::<(), ExitReason>(())
/// # }).unwrap().unwrap();
/// ```
///
/// # A traffic light
///
/// The other style: one handler for all states, and what belongs to a state however it was reached
/// in the enter call. A pedestrian's request is kept, and answered two states later.
///
/// ```
/// use std::time::Duration;
/// use rekindle_actor::{
///     Enter, ExitReason, GenStatem, Never, ReplyTo, StatemContext, StatemEvent, StatemInit, StatemStatus,
///     StatemStep, Transition, sys,
/// };
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Light { Red, Green, Yellow }
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Crossing { cars: u32 }
///
/// enum Ask { Light(ReplyTo<Light>), Walk(ReplyTo<()>) }
///
/// impl GenStatem for Crossing {
///     type Args = ();
///     type State = Light;
///     type Call = Ask;
///     type Cast = Never;
///     type Info = Never;
///     type Internal = Never;
///     type Timer = &'static str;
///     type Content = ();
///
///     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
///         Ok(StatemInit::ready(Light::Red, Crossing { cars: 0 }).timeout("inspection", Duration::from_secs(3600)))
///     }
///
///     async fn enter(&mut self, _: &Light, light: &Light, _: &mut StatemContext<Self>) -> Result<Enter<Self>, ExitReason> {
///         let seconds = match light { Light::Red => 30, Light::Green => 60, Light::Yellow => 3 };
///         Ok(Enter::keep().state_timeout(Duration::from_secs(seconds)))
///     }
///
///     async fn handle_event(&mut self, light: &Light, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
///         use StatemEvent::{Call, StateTimeout, Timeout};
///         Ok(match (light, event) {
///             (Light::Red, StateTimeout(())) => Transition::next(Light::Green),
///             (Light::Green, StateTimeout(())) => Transition::next(Light::Yellow),
///             (Light::Yellow, StateTimeout(())) => Transition::next(Light::Red),
///             (Light::Red, Call(Ask::Walk(from))) => Transition::keep().reply(from, ()),
///             (_, walk @ Call(Ask::Walk(_))) => Transition::keep().postpone(walk),
///             (light, Call(Ask::Light(from))) => Transition::keep().reply(from, *light),
///             (_, Timeout("inspection", ())) => Transition::stop(ExitReason::Shutdown),
///             (_, other) => return cx.unexpected(other),
///         })
///     }
///
///     fn format_status(&self, light: &Light, status: &mut StatemStatus) {
///         status.state = Some(format!("{light:?}"));
///     }
/// }
///
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.run(async {
/// let light = Crossing::start_link(()).name("crossing").await?;
/// rekindle_actor::sleep(Duration::from_secs(31)).await;
/// assert_eq!(light.call(Ask::Light).await?, Light::Green);
/// assert_eq!(sys::get_state(light.pid()).await, Ok((Light::Green, Crossing { cars: 0 })));
/// let status = sys::get_status(light.pid()).await.unwrap().state.unwrap();
/// assert!(status.starts_with("state Green; timeouts \"inspection\" in "), "{status}");
/// light.call(Ask::Walk).no_timeout().await?;
/// assert_eq!(light.call(Ask::Light).await?, Light::Red);
/// # Ok::<(), ExitReason>(())
/// # }).unwrap().unwrap();
/// ```
///
/// # What happens to an event
///
/// 1. It cancels the event timeout.
/// 2. `handle_event` is called, and says which transition is to be made.
/// 3. The replies of the transition go out.
/// 4. If the state is another one than before (`!=`), or is to be repeated, `enter` is called in
///    the new state; its replies go out.
/// 5. A postponed event is put aside. If the state has changed, all that were put aside come back
///    in their order, and the state timeout is cancelled.
/// 6. Timeouts are set, updated and cancelled. A state timeout that is set here is one of the new
///    state.
/// 7. The next event is taken: first those that were inserted, then those that came back, then
///    timeouts of zero time in the order in which they were set, then the mailbox.
///
/// # Timeouts
///
/// | timeout                                  | how many | ends without its event when                         |
/// |------------------------------------------|----------|-----------------------------------------------------|
/// | [state timeout](Transition::state_timeout) | one    | the state changes, or it is cancelled or set again  |
/// | [event timeout](Transition::event_timeout) | one    | any event comes                                     |
/// | [named timeout](Transition::timeout)     | one of each name | it is cancelled or set again                |
///
/// They are given a [`Duration`](std::time::Duration), or a [`Time`](crate::Time) as an absolute
/// moment ([`When`]), and may carry a value. A timeout that runs out takes its turn among the
/// messages: what came before it is handled before it, also while the machine is busy or suspended.
/// One that was cancelled or replaced never comes, even if it had run out and was not yet handled
/// (FSM-022). All end with the machine. Names are found by comparing, so this is for dozens of
/// names, not for ten thousands.
///
/// # Names, supervision, looking in
///
/// A machine can be given a name at its [start](StatemStart), and found by [`StatemName`]; or a key of
/// a registry, and found by [`StatemVia`](crate::StatemVia). Both survive restarts. It is
/// a child of a supervisor as a server is: by `StatemChild` of `rekindle-supervisor`.
/// [`sys::get_state`](crate::sys::get_state) gives state and data as a pair `(State, Self)`;
/// [`sys::replace_state`](crate::sys::replace_state) changes them without an enter call (FSM-025).
/// What is shown in a status and in a crash report is decided by
/// [`format_status`](Self::format_status) and [`show_event`](Self::show_event).
///
/// # When a callback fails
///
/// | what happens             | `terminate` runs? | the process ends with        | callers that wait get        |
/// |--------------------------|-------------------|------------------------------|------------------------------|
/// | returns `Err(reason)`    | yes               | the reason                   | `CallError::Exited(reason)`  |
/// | panics                   | yes; the data are as the panic left them | `Panic` | `CallError::Exited(Panic)` |
/// | is killed                | no                | `Killed`                     | `CallError::Exited(Killed)`  |
///
/// The callers that wait are also those whose requests are postponed. After a failed enter call the
/// state is the one that was being entered. A start is acknowledged before the first enter call:
/// what may fail, and shall be heard of by the starter, belongs into `init`.
///
/// # When not to use this
///
/// When every event is handled alike in every state, a [`GenServer`](crate::GenServer) is simpler;
/// also when the states are two and differ by a flag. When a protocol is a sequence of steps with
/// one partner, straight code in a [`Task`](crate::Task) that awaits each step says more.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state machine",
    note = "implement `GenStatem` for it: `init`, `handle_event`, and the eight associated types"
)]
pub trait GenStatem: Sized + Send + 'static {
    /// What the start passes to `init`.
    type Args: Send + 'static;
    /// The states. Two that are equal are the same state: going from one to the other is no change.
    type State: PartialEq + Send + Sync + 'static;
    /// Requests. Each variant carries a [`ReplyTo`](crate::ReplyTo) for its answer.
    type Call: Send + 'static;
    /// Messages that are not answered.
    type Cast: Send + 'static;
    /// Plain messages: from timers, and by [`StatemAddr::send`].
    type Info: Send + 'static;
    /// Events that the machine gives itself; [`Never`](crate::Never) if it does not.
    type Internal: Send + 'static;
    /// Names of timeouts; [`Never`](crate::Never) if none has a name.
    type Timer: PartialEq + Debug + Send + 'static;
    /// What a timeout carries; `()` if nothing.
    type Content: Send + 'static;

    /// Makes the first state and the data, in the new process. The starter waits meanwhile.
    ///
    /// # Errors
    ///
    /// The start fails with the reason, and the process ends with it.
    fn init(
        args: Self::Args,
        cx: &mut StatemContext<Self>,
    ) -> impl Future<Output = Result<StatemInit<Self>, ExitReason>> + Send;

    /// Handles an event in a state.
    ///
    /// # Errors
    ///
    /// The machine crashes with the reason.
    fn handle_event(
        &mut self,
        state: &Self::State,
        event: StatemEvent<Self>,
        cx: &mut StatemContext<Self>,
    ) -> impl Future<Output = StatemStep<Self>> + Send;

    /// Called when a state has been entered, before anything else happens in it (FSM-011): at the
    /// start, with the first state as the old one too (FSM-010); after a change from `old` to
    /// `state`; and when it is to be repeated. By default it does nothing: implementing it is what
    /// `state_enter` is in OTP.
    ///
    /// # Errors
    ///
    /// The machine crashes with the reason.
    ///
    /// ```
    /// use rekindle_actor::{Enter, ExitReason, StatemContext};
    /// # use rekindle_actor::{GenStatem, Never, ReplyTo, StatemEvent, StatemInit, StatemStep, Transition};
    /// use std::time::Duration;
    /// # #[derive(PartialEq)] enum State { Free, Rented }
    /// # struct Bike { rents: u32 }
    /// # impl GenStatem for Bike {
    /// #     type Args = (); type State = State; type Call = ReplyTo<u32>; type Cast = (); type Info = Never;
    /// #     type Internal = Never; type Timer = Never; type Content = ();
    /// #     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Free, Bike { rents: 0 })) }
    /// #     async fn handle_event(&mut self, _: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
    /// #         Ok(match event {
    /// #             StatemEvent::Cast(()) => Transition::next(State::Rented),
    /// #             StatemEvent::StateTimeout(()) => Transition::next(State::Free),
    /// #             StatemEvent::Call(from) => Transition::keep().reply(from, self.rents),
    /// #             other => return cx.unexpected(other),
    /// #         })
    /// #     }
    ///
    /// /// Whatever way it was rented: it is counted, and for a day at most.
    /// async fn enter(
    ///     &mut self,
    ///     _old: &State,
    ///     state: &State,
    ///     _: &mut StatemContext<Self>,
    /// ) -> Result<Enter<Self>, ExitReason> {
    ///     if *state == State::Free {
    ///         return Ok(Enter::keep());
    ///     }
    ///     self.rents += 1;
    ///     Ok(Enter::keep().state_timeout(Duration::from_secs(24 * 3600)))
    /// }
    /// # }
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let bike = Bike::start(()).await.unwrap();
    /// # for rents in 1..=2 {
    /// #     bike.cast(());
    /// #     bike.cast(());
    /// #     assert_eq!(bike.call(|from| from).await, Ok(rents));
    /// #     rekindle_actor::sleep(Duration::from_secs(25 * 3600)).await;
    /// # }
    /// # });
    /// ```
    fn enter(
        &mut self,
        old: &Self::State,
        state: &Self::State,
        cx: &mut StatemContext<Self>,
    ) -> impl Future<Output = Result<Enter<Self>, ExitReason>> + Send {
        let _ = (old, state, cx);
        async { Ok(Enter::keep()) }
    }

    /// Cleans up at the end: after a stop, an error or a panic of a callback, a
    /// [`stop`](StatemAddr::stop), and the parent's exit if the machine traps exits. Not when it
    /// is killed, nor at any exit signal that it does not trap.
    fn terminate(
        &mut self,
        reason: &ExitReason,
        state: &Self::State,
        cx: &mut StatemContext<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (reason, state, cx);
        async {}
    }

    /// Sheds memory: called before a wait that is expected to be long, because a transition said
    /// [`hibernate`](Transition::hibernate), or nothing came for the time of
    /// [`StatemStart::hibernate_after`]. This is the place to shrink buffers and drop caches.
    fn hibernate(&mut self) {}

    /// Fills in what is shown of the machine in crash reports and `sys::get_status`, and hides what
    /// is not. `status` lists timeouts and postponed events already; state and data are left out by
    /// default, for they may hold secrets. A panic leaves it as it was (FSM-024).
    fn format_status(&self, state: &Self::State, status: &mut StatemStatus) {
        let _ = (state, status);
    }

    /// An event as text, for crash reports, and for postponed events in a status; by default its
    /// kind and type are shown. It is asked for before each event is handled, so this is for
    /// machines that have time.
    fn show_event(event: &StatemEvent<Self>) -> Option<String> {
        let _ = event;
        None
    }

    /// Starts the machine without a link. Await it, or say more first: see [`StatemStart`].
    #[track_caller]
    fn start(args: Self::Args) -> StatemStart<Self> {
        StatemStart::new(args, false)
    }

    /// Starts the machine, linked with the running process.
    #[track_caller]
    fn start_link(args: Self::Args) -> StatemStart<Self> {
        StatemStart::new(args, true)
    }

    /// Starts the machine, monitored by the running process.
    #[track_caller]
    fn start_monitor(args: Self::Args) -> StatemStartMonitor<Self> {
        StatemStartMonitor::new(StatemStart::new(args, false))
    }
}
