//! What a machine decides: where to go, and what to do on the way.

use std::fmt;
use std::time::Duration;

use rekindle_scheduler::Time;

use super::GenStatem;
use super::event::StatemEvent;
use crate::exit::ExitReason;
use crate::mailbox::ReplyTo;

/// When a timeout runs out. A [`Duration`] and a [`Time`] convert into it.
///
/// ```
/// use rekindle_actor::{Transition, When};
/// # use rekindle_actor::{ExitReason, GenStatem, Never, ReplyTo, StatemContext, StatemEvent, StatemInit, StatemStep, now};
/// use std::time::Duration;
/// # enum Ask { For(When), Times(ReplyTo<u32>) }
/// # struct Timer(u32);
/// # impl GenStatem for Timer {
/// #     type Args = (); type State = (); type Call = Ask; type Cast = Never; type Info = Never;
/// #     type Internal = Never; type Timer = &'static str; type Content = ();
/// #     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready((), Timer(0))) }
/// #     async fn handle_event(&mut self, _: &(), event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #         Ok(match event {
/// #             StatemEvent::Call(Ask::For(when)) => Timer::ring(when),
/// #             StatemEvent::Call(Ask::Times(from)) => Transition::keep().reply(from, self.0),
/// #             StatemEvent::Timeout("ring", ()) => { self.0 += 1; Transition::keep() }
/// #             other => return cx.unexpected(other),
/// #         })
/// #     }
/// # }
/// # impl Timer {
///
/// /// A time from now on, a moment, or neither: `When::Never` takes the last order back.
/// fn ring(when: impl Into<When>) -> Transition<Self> {
///     Transition::keep().timeout("ring", when)
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// assert_eq!(When::from(Duration::from_secs(5)), When::After(Duration::from_secs(5)));
/// let noon = now() + Duration::from_secs(60);
/// assert_eq!(When::from(noon), When::At(noon));
/// # let timer = Timer::start(()).await.unwrap();
/// # for (when, rung) in [(When::from(noon), 1), (When::from(Duration::from_secs(5)), 2)] {
/// #     let _ = timer.call::<()>(|_| Ask::For(when)).await;
/// #     rekindle_actor::sleep(Duration::from_secs(61)).await;
/// #     assert_eq!(timer.call(Ask::Times).await, Ok(rung));
/// # }
/// # let _ = timer.call::<()>(|_| Ask::For(When::After(Duration::from_secs(5)))).await;
/// # let _ = timer.call::<()>(|_| Ask::For(When::Never)).await;
/// # rekindle_actor::sleep(Duration::from_secs(61)).await;
/// # assert_eq!(timer.call(Ask::Times).await, Ok(2));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// After this time. A time of zero is as soon as the events that the machine has already taken
    /// in are handled, and before anything that lies in its mailbox; [`Duration::MAX`] is never.
    After(Duration),
    /// At this moment; at once if it has passed, in its turn among the messages.
    At(Time),
    /// Never: a timeout of this name that is running is cancelled.
    Never,
}

impl From<Duration> for When {
    fn from(after: Duration) -> When {
        When::After(after)
    }
}

impl From<Time> for When {
    fn from(moment: Time) -> When {
        When::At(moment)
    }
}

/// Which timeout: there is one of each kind, and of each name.
#[derive(Debug, PartialEq)]
pub(super) enum TimeoutKind<N> {
    Event,
    State,
    Named(N),
}

/// What to do about a timeout.
#[derive(Debug)]
pub(super) enum Change<C> {
    Set(When, C),
    Update(C),
    Cancel,
}

/// What a transition does besides going to a state, in the order given.
pub(super) enum Action<M: GenStatem> {
    Postpone(StatemEvent<M>),
    Next(StatemEvent<M>),
    Timeout(TimeoutKind<M::Timer>, Change<M::Content>),
}

type Reply = Box<dyn FnOnce() + Send>;

/// Everything a transition does besides going to a state.
pub(super) struct Actions<M: GenStatem> {
    /// Apart from the rest, for they go out first: before the enter call of the next state.
    replies: Vec<Reply>,
    pub(super) rest: Vec<Action<M>>,
    pub(super) hibernate: bool,
}

impl<M: GenStatem> Actions<M> {
    pub(super) fn new() -> Self {
        Actions {
            replies: Vec::new(),
            rest: Vec::new(),
            hibernate: false,
        }
    }

    /// Lets the replies go out.
    pub(super) fn reply(&mut self) {
        for reply in std::mem::take(&mut self.replies) {
            reply();
        }
    }

    /// Adds what an enter call has decided; its replies have gone out.
    pub(super) fn extend(&mut self, more: Actions<M>) {
        self.rest.extend(more.rest);
        self.hibernate |= more.hibernate;
    }

    fn change(&mut self, kind: TimeoutKind<M::Timer>, change: Change<M::Content>) {
        self.rest.push(Action::Timeout(kind, change));
    }
}

/// Where a transition goes.
pub(super) enum To<S> {
    Next(S),
    Keep,
    Repeat,
    Stop(ExitReason),
}

/// What a state machine does after an event: where it goes, and what it does on the way.
///
/// | made by               | in OTP           | state changes?                   | enter call?           |
/// |-----------------------|------------------|----------------------------------|-----------------------|
/// | [`next`](Self::next)  | `next_state`     | if the state is another (`!=`)   | if the state changes  |
/// | [`keep`](Self::keep)  | `keep_state`, `keep_state_and_data` | no            | no                    |
/// | [`repeat`](Self::repeat) | `repeat_state` | no                              | yes                   |
/// | [`stop`](Self::stop)  | `stop`, `stop_and_reply` | the machine ends         | no                    |
///
/// A change of the state cancels the state timeout, and brings the postponed events back, in their
/// order. The replies go out before the enter call, and everything else is done after it, together
/// with what that has decided. Of several changes to the same timeout only the last one counts.
///
/// ```
/// use std::time::Duration;
/// # use rekindle_actor::{ExitReason, GenStatem, Never, ReplyTo, StatemContext, StatemEvent, StatemInit, StatemStep};
/// use rekindle_actor::Transition;
/// # #[derive(PartialEq)] enum State { Closed, Open }
/// # struct Door;
/// # impl GenStatem for Door {
/// #     type Args = (); type State = State; type Call = ReplyTo<bool>; type Cast = Never;
/// #     type Info = Never; type Internal = Never; type Timer = Never; type Content = ();
/// #     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
/// #         Ok(StatemInit::ready(State::Closed, Door))
/// #     }
/// #     async fn handle_event(&mut self, _: &State, event: StatemEvent<Self>, _: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #         let StatemEvent::Call(from) = event else { return Ok(Transition::keep()) };
/// Ok(Transition::next(State::Open)
///     .reply(from, true)
///     .state_timeout(Duration::from_secs(10)))
/// #     }
/// # }
/// ```
#[must_use = "a transition is made by returning it"]
pub struct Transition<M: GenStatem> {
    pub(super) to: To<M::State>,
    pub(super) actions: Actions<M>,
}

impl<M: GenStatem> Transition<M> {
    fn to(to: To<M::State>) -> Self {
        Transition {
            to,
            actions: Actions::new(),
        }
    }

    /// Goes to this state. If it equals the current one, this is as [`keep`](Self::keep).
    #[doc(alias = "next_state")]
    pub fn next(state: M::State) -> Self {
        Transition::to(To::Next(state))
    }

    /// Stays in the current state: postponed events stay postponed (FSM-015), and a state timeout
    /// goes on.
    #[doc(alias = "keep_state")]
    #[doc(alias = "keep_state_and_data")]
    pub fn keep() -> Self {
        Transition::to(To::Keep)
    }

    /// As [`keep`](Self::keep), but [`GenStatem::enter`] is called again, with the current state as
    /// the old one (FSM-012). Postponed events stay postponed.
    #[doc(alias = "repeat_state")]
    pub fn repeat() -> Self {
        Transition::to(To::Repeat)
    }

    /// Ends the machine with this reason, after [`GenStatem::terminate`]. Replies go out before
    /// that; other actions have no effect, and callers whose requests are still postponed hear the
    /// reason.
    #[doc(alias = "stop_and_reply")]
    pub fn stop(reason: ExitReason) -> Self {
        Transition::to(To::Stop(reason))
    }

    /// Keeps an event for later: it is handled again when the state has changed to another one
    /// (FSM-014), before anything that has not been handled yet.
    ///
    /// This is for the event that is being handled. It must be given back, because it was given
    /// away: a request carries the right to its answer, of which there is only one.
    ///
    /// ```
    /// use rekindle_actor::{StatemContext, StatemEvent, StatemStep, Transition};
    /// # use rekindle_actor::{ExitReason, GenStatem, Never, ReplyTo, StatemInit};
    /// # #[derive(PartialEq)] enum State { Closed, Open }
    /// # struct Shop;
    /// # impl GenStatem for Shop {
    /// #     type Args = (); type State = State; type Call = ReplyTo<&'static str>; type Cast = (); type Info = Never;
    /// #     type Internal = Never; type Timer = Never; type Content = ();
    /// #     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready(State::Closed, Shop)) }
    /// #     async fn handle_event(&mut self, state: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
    ///
    /// // A cast opens the shop; who calls before that waits at the door.
    /// Ok(match (state, event) {
    ///     (State::Closed, StatemEvent::Cast(())) => Transition::next(State::Open),
    ///     (State::Closed, early @ StatemEvent::Call(_)) => Transition::keep().postpone(early),
    ///     (State::Open, StatemEvent::Call(from)) => Transition::keep().reply(from, "welcome"),
    ///     (_, other) => return cx.unexpected(other),
    /// })
    /// #     }
    /// # }
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let shop = Shop::start(()).await.unwrap();
    /// let early = rekindle_actor::Task::spawn({
    ///     let shop = shop.clone();
    ///     async move { shop.call(|from| from).await }
    /// });
    /// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
    /// shop.cast(());
    /// assert_eq!(early.await, Ok(Ok("welcome")));
    /// # });
    /// ```
    pub fn postpone(mut self, event: StatemEvent<M>) -> Self {
        self.actions.rest.push(Action::Postpone(event));
        self
    }

    /// Handles this event next: before anything that waits, postponed events that have just come
    /// back included; several of them in the order given (FSM-016).
    pub fn next_event(mut self, event: StatemEvent<M>) -> Self {
        self.actions.rest.push(Action::Next(event));
        self
    }

    /// As [`next_event`](Self::next_event), with an event that can come from the machine itself
    /// only.
    ///
    /// ```
    /// use rekindle_actor::{StatemContext, StatemEvent, StatemStep, Transition};
    /// # use rekindle_actor::{ExitReason, GenStatem, Never, ReplyTo, StatemInit};
    /// # struct Lines(Vec<String>);
    /// # impl GenStatem for Lines {
    /// #     type Args = (); type State = (); type Call = ReplyTo<usize>; type Cast = String; type Info = Never;
    /// #     type Internal = String; type Timer = Never; type Content = ();
    /// #     async fn init(_: (), _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> { Ok(StatemInit::ready((), Lines(Vec::new()))) }
    /// #     async fn handle_event(&mut self, _: &(), event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
    ///
    /// // A text may hold many lines; each is an event of its own, before anything that waits.
    /// Ok(match event {
    ///     StatemEvent::Cast(text) => text
    ///         .lines()
    ///         .fold(Transition::keep(), |all, line| all.internal(line.to_owned())),
    ///     StatemEvent::Internal(line) => {
    ///         self.0.push(line);
    ///         Transition::keep()
    ///     }
    ///     StatemEvent::Call(from) => Transition::keep().reply(from, self.0.len()),
    ///     other => return cx.unexpected(other),
    /// })
    /// #     }
    /// # }
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// # let lines = Lines::start(()).await.unwrap();
    /// lines.cast("one\ntwo\nthree".to_owned());
    /// assert_eq!(lines.call(|from| from).await, Ok(3));
    /// # });
    /// ```
    pub fn internal(self, content: M::Internal) -> Self {
        self.next_event(StatemEvent::Internal(content))
    }
}

/// What a state machine does after an enter call.
///
/// It may reply, set timeouts and change its data, repeat the call, or stop. It cannot go to
/// another state, postpone anything, or insert events (FSM-013): there are no such functions.
///
/// ```compile_fail,E0599
/// # use rekindle_actor::{Enter, GenStatem, StatemEvent};
/// fn postpone<M: GenStatem>(event: StatemEvent<M>) -> Enter<M> {
///     Enter::keep().postpone(event)
/// }
/// ```
/// ```compile_fail,E0599
/// # use rekindle_actor::{Enter, GenStatem, StatemEvent};
/// fn insert<M: GenStatem>(event: StatemEvent<M>) -> Enter<M> {
///     Enter::keep().next_event(event)
/// }
/// ```
/// ```compile_fail,E0599
/// # use rekindle_actor::{Enter, GenStatem};
/// fn go_on<M: GenStatem>(state: M::State) -> Enter<M> {
///     Enter::next(state)
/// }
/// ```
#[must_use = "this has an effect by returning it only"]
pub struct Enter<M: GenStatem> {
    pub(super) to: To<std::convert::Infallible>,
    pub(super) actions: Actions<M>,
}

impl<M: GenStatem> Enter<M> {
    fn to(to: To<std::convert::Infallible>) -> Self {
        Enter {
            to,
            actions: Actions::new(),
        }
    }

    /// The state is entered.
    pub fn keep() -> Self {
        Enter::to(To::Keep)
    }

    /// Makes the enter call again, with the current state as the old one. A machine that always
    /// says this never gets on.
    pub fn repeat() -> Self {
        Enter::to(To::Repeat)
    }

    /// As [`Transition::stop`].
    pub fn stop(reason: ExitReason) -> Self {
        Enter::to(To::Stop(reason))
    }
}

/// How init ends.
///
/// ```
/// use rekindle_actor::{ExitReason, StatemContext, StatemInit};
/// # use rekindle_actor::{GenStatem, Never, ReplyTo, StartError, StatemEvent, StatemStep, Transition};
/// use std::time::Duration;
/// # #[derive(Debug)] struct Offer;
/// # #[derive(Debug, PartialEq)] enum State { Open, Closed }
/// # impl GenStatem for Offer {
/// #     type Args = u64; type State = State; type Call = ReplyTo<bool>; type Cast = Never; type Info = Never;
/// #     type Internal = Never; type Timer = Never; type Content = ();
/// #     async fn handle_event(&mut self, state: &State, event: StatemEvent<Self>, cx: &mut StatemContext<Self>) -> StatemStep<Self> {
/// #         Ok(match event {
/// #             StatemEvent::Call(from) => Transition::keep().reply(from, *state == State::Open),
/// #             StatemEvent::StateTimeout(()) => Transition::next(State::Closed),
/// #             other => return cx.unexpected(other),
/// #         })
/// #     }
///
/// /// Open for so many days; none at all is no offer.
/// async fn init(days: u64, _: &mut StatemContext<Self>) -> Result<StatemInit<Self>, ExitReason> {
///     if days == 0 {
///         return Ok(StatemInit::ignore());
///     }
///     let open_for = Duration::from_secs(days * 24 * 3600);
///     Ok(StatemInit::ready(State::Open, Offer).state_timeout(open_for))
/// }
/// # }
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// assert_eq!(Offer::start(0).await.unwrap_err(), StartError::Ignore);
/// let offer = Offer::start(2).await.unwrap();
/// assert_eq!(offer.call(|from| from).await, Ok(true));
/// # rekindle_actor::sleep(Duration::from_secs(3 * 24 * 3600)).await;
/// # assert_eq!(offer.call(|from| from).await, Ok(false));
/// # });
/// ```
#[must_use = "this has an effect by returning it only"]
pub struct StatemInit<M: GenStatem> {
    pub(super) begin: Begin<M>,
    pub(super) actions: Actions<M>,
}

/// What init has decided.
pub(super) enum Begin<M: GenStatem> {
    Ready(M::State, M),
    Ignore,
    Fail(ExitReason),
}

impl<M: GenStatem> StatemInit<M> {
    fn with(begin: Begin<M>) -> Self {
        StatemInit {
            begin,
            actions: Actions::new(),
        }
    }

    /// With a state, and data. The starter goes on, the enter call of the first state is made, and
    /// then the actions are carried out.
    pub fn ready(state: M::State, data: M) -> Self {
        StatemInit::with(Begin::Ready(state, data))
    }

    /// The machine does not start; its starter gets
    /// [`StartError::Ignore`](crate::StartError::Ignore).
    pub fn ignore() -> Self {
        StatemInit::with(Begin::Ignore)
    }

    /// As an `Err`, but without a crash report.
    pub fn fail(reason: ExitReason) -> Self {
        StatemInit::with(Begin::Fail(reason))
    }

    /// As [`Transition::next_event`].
    pub fn next_event(mut self, event: StatemEvent<M>) -> Self {
        self.actions.rest.push(Action::Next(event));
        self
    }

    /// As [`Transition::internal`].
    pub fn internal(self, content: M::Internal) -> Self {
        self.next_event(StatemEvent::Internal(content))
    }
}

/// The actions that every kind of result may have: written once for the three of them.
macro_rules! common_actions {
    ($result:ident) => {
        impl<M: GenStatem> $result<M> {
            /// Answers a request: this one, or another that was kept. Any number of replies may be
            /// given (FSM-005). They go out in the order given, before the enter call of the next
            /// state; `from.reply(answer)` in the callback does so at once, for one allocation
            /// less.
            pub fn reply<T: Send + 'static>(mut self, from: ReplyTo<T>, answer: T) -> Self {
                let reply = Box::new(move || from.reply(answer));
                self.actions.replies.push(reply);
                self
            }

            /// Sheds memory before the next wait for a message: see [`GenStatem::hibernate`]. With
            /// events still to be handled at once, there is no such wait.
            pub fn hibernate(mut self) -> Self {
                self.actions.hibernate = true;
                self
            }

            /// Gives [`StatemEvent::StateTimeout`] if the state has not changed by then (FSM-017).
            /// A state timeout that runs already is replaced.
            pub fn state_timeout(self, when: impl Into<When>) -> Self
            where
                M::Content: Default,
            {
                self.state_timeout_with(when, M::Content::default())
            }

            /// As [`state_timeout`](Self::state_timeout), with something for the event to carry.
            pub fn state_timeout_with(
                mut self,
                when: impl Into<When>,
                content: M::Content,
            ) -> Self {
                let change = Change::Set(when.into(), content);
                self.actions.change(TimeoutKind::State, change);
                self
            }

            /// Changes what the state timeout will carry, and not when it comes. If none is
            /// running, it comes as one of zero time, as in OTP.
            pub fn update_state_timeout(mut self, content: M::Content) -> Self {
                self.actions
                    .change(TimeoutKind::State, Change::Update(content));
                self
            }

            /// Cancels the state timeout; one that has run out and was not handled yet included
            /// (FSM-022).
            pub fn cancel_state_timeout(mut self) -> Self {
                self.actions.change(TimeoutKind::State, Change::Cancel);
                self
            }

            /// Gives [`StatemEvent::EventTimeout`] if no event at all has come by then (FSM-018):
            /// any event cancels it, also one that was postponed or inserted. Handling a `sys`
            /// message does not.
            pub fn event_timeout(self, when: impl Into<When>) -> Self
            where
                M::Content: Default,
            {
                self.event_timeout_with(when, M::Content::default())
            }

            /// As [`event_timeout`](Self::event_timeout), with something for the event to carry.
            pub fn event_timeout_with(
                mut self,
                when: impl Into<When>,
                content: M::Content,
            ) -> Self {
                let change = Change::Set(when.into(), content);
                self.actions.change(TimeoutKind::Event, change);
                self
            }

            /// As [`update_state_timeout`](Self::update_state_timeout). Whatever event is being
            /// handled has cancelled the event timeout, so this is one of zero time.
            pub fn update_event_timeout(mut self, content: M::Content) -> Self {
                self.actions
                    .change(TimeoutKind::Event, Change::Update(content));
                self
            }

            /// Takes back an event timeout that the same transition has set: an enter call may, for
            /// the last change to a timeout counts.
            pub fn cancel_event_timeout(mut self) -> Self {
                self.actions.change(TimeoutKind::Event, Change::Cancel);
                self
            }

            /// Gives [`StatemEvent::Timeout`] with this name then, whatever happens meanwhile
            /// (FSM-019). A timeout of that name that runs already is replaced (FSM-020); any
            /// number of names may run at once.
            pub fn timeout(self, name: M::Timer, when: impl Into<When>) -> Self
            where
                M::Content: Default,
            {
                self.timeout_with(name, when, M::Content::default())
            }

            /// As [`timeout`](Self::timeout), with something for the event to carry (FSM-021).
            pub fn timeout_with(
                mut self,
                name: M::Timer,
                when: impl Into<When>,
                content: M::Content,
            ) -> Self {
                let change = Change::Set(when.into(), content);
                self.actions.change(TimeoutKind::Named(name), change);
                self
            }

            /// As [`update_state_timeout`](Self::update_state_timeout), by name.
            pub fn update_timeout(mut self, name: M::Timer, content: M::Content) -> Self {
                self.actions
                    .change(TimeoutKind::Named(name), Change::Update(content));
                self
            }

            /// As [`cancel_state_timeout`](Self::cancel_state_timeout), by name.
            pub fn cancel_timeout(mut self, name: M::Timer) -> Self {
                self.actions
                    .change(TimeoutKind::Named(name), Change::Cancel);
                self
            }
        }
    };
}

common_actions!(Transition);
common_actions!(Enter);
common_actions!(StatemInit);

impl<M: GenStatem> fmt::Debug for Action<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Postpone(event) => f.debug_tuple("Postpone").field(event).finish(),
            Action::Next(event) => f.debug_tuple("NextEvent").field(event).finish(),
            Action::Timeout(kind, change) => {
                let what = match change {
                    Change::Set(when, _) => format!("{when:?}"),
                    Change::Update(_) => "update".to_owned(),
                    Change::Cancel => "cancel".to_owned(),
                };
                write!(f, "Timeout({kind:?}, {what})")
            }
        }
    }
}

impl<M: GenStatem> fmt::Debug for Actions<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actions")
            .field("replies", &self.replies.len())
            .field("rest", &self.rest)
            .field("hibernate", &self.hibernate)
            .finish()
    }
}

impl<S> To<S> {
    fn word(&self) -> &'static str {
        match self {
            To::Next(_) => "next",
            To::Keep => "keep",
            To::Repeat => "repeat",
            To::Stop(_) => "stop",
        }
    }
}

impl<M: GenStatem> fmt::Debug for Transition<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transition")
            .field("to", &self.to.word())
            .field("actions", &self.actions)
            .finish()
    }
}

impl<M: GenStatem> fmt::Debug for Enter<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter")
            .field("to", &self.to.word())
            .field("actions", &self.actions)
            .finish()
    }
}

impl<M: GenStatem> fmt::Debug for StatemInit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = match self.begin {
            Begin::Ready(..) => "ready",
            Begin::Ignore => "ignore",
            Begin::Fail(_) => "fail",
        };
        f.debug_struct("StatemInit")
            .field("begin", &begin)
            .field("actions", &self.actions)
            .finish()
    }
}
