//! Requests that are not waited for at once, many of them together, and calls to many servers.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use crate::behaviour::{Addr, GenServer, Name, ServerMessage};
use crate::call::CallError;
use crate::deadline::Deadline;
use crate::mailbox::{Address, Awaiting, Lost, Refusal, ReplyTo, request};
use crate::pid::Pid;
use crate::process::Owner;
use crate::sender::Sender;
use crate::wait::WaitKind;

/// A request that was sent, and whose answer is not yet there: made by
/// [`Addr::send_request`](crate::Addr::send_request) and its like.
///
/// A request never fails when it is sent; what is wrong is told when it is waited for (GEN-048).
/// Awaited, it waits as long as it takes. Dropped, it is abandoned: the callee may still act, and
/// its answer is thrown away. Whatever becomes of it, an answer never lies in the mailbox.
///
/// | method                   | at the end of the time                                            |
/// |--------------------------|-------------------------------------------------------------------|
/// | `.await`                 | there is none                                                     |
/// | [`wait`](Self::wait)       | gives `None`; the request lives, and may be waited for again      |
/// | [`receive`](Self::receive) | gives `CallError::Timeout`; the request is abandoned              |
/// | [`check`](Self::check)     | does not wait                                                     |
///
/// ```
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
/// # struct Counter { n: i64 }
/// # enum Ask { Get(ReplyTo<i64>) }
/// # impl GenServer for Counter {
/// #     type Args = i64;
/// #     type Call = Ask;
/// #     type Cast = i64;
/// #     type Info = Never;
/// #     type Continue = Never;
/// #     async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         Ok(Init::Ready(Counter { n }))
/// #     }
/// #     async fn handle_call(&mut self, request: Ask, _cx: &mut Context<Self>) -> Step<Self> {
/// #         let Ask::Get(from) = request;
/// #         from.reply(self.n);
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use std::time::Duration;
///
/// let (one, two) = (Counter::start(1).await.unwrap(), Counter::start(2).await.unwrap());
/// let mut first = one.send_request(Ask::Get);
/// let second = two.send_request(Ask::Get);
/// // Both work at the same time.
/// while first.wait(Duration::from_millis(1)).await.is_none() {
///     println!("not yet");
/// }
/// assert_eq!(second.receive(Duration::from_secs(1)).await, Ok(2));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # When not to use this
///
/// When the answer is needed at once: that is a [`Call`](crate::Call), which also finds rings of
/// calls that wait for each other. A request is not part of such a ring, and one that is awaited
/// by a server which it needs for its answer waits for ever.
#[must_use = "a request that is dropped is abandoned"]
pub struct Request<T> {
    callee: Option<Pid>,
    state: State<T>,
    called_at: &'static Location<'static>,
    /// Whether the running process is marked as waiting.
    waits: bool,
}

enum State<T> {
    Sent(Awaiting<T>),
    Failed(CallError),
    /// The answer has been given.
    Over,
}

impl<T: Send + 'static> Request<T> {
    /// Sends a request; without an address, to nobody.
    pub(crate) fn send<M: Send + 'static>(
        address: Option<&Address<M>>,
        make: impl FnOnce(ReplyTo<T>) -> M,
        called_at: &'static Location<'static>,
    ) -> Request<T> {
        let caller = Owner::current(|owner| owner.map(|o| (o.pid(), o.view().waker())));
        let mut awaiting = request(caller, make);
        let sent = match address {
            Some(address) => {
                let (view, process) = (address.task().view(), address.process());
                Address::<T>::post_request(view, process, None, &mut awaiting)
            }
            None => Err(Refusal::Dead),
        };
        Request {
            callee: address.map(Address::pid),
            state: match sent {
                Ok(()) => State::Sent(awaiting),
                Err(Refusal::Dead) => State::Failed(CallError::NoProc),
                Err(Refusal::Full) => State::Failed(CallError::Full),
            },
            called_at,
            waits: false,
        }
    }

    /// Whom the request went to; `None` if nobody held the name.
    #[must_use]
    pub fn callee(&self) -> Option<Pid> {
        self.callee
    }

    /// The answer, if it is there; after that, `None`.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, ReplyTo, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let seven = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move { inbox.recv().await.reply(7) });
    /// let mut request = seven.send_request(|from| from);
    /// assert_eq!(request.check(), None, "it has not run yet");
    /// sleep(Duration::from_secs(1)).await;
    /// assert_eq!(request.check(), Some(Ok(7)));
    /// assert_eq!(request.check(), None, "it was given");
    /// # });
    /// ```
    pub fn check(&mut self) -> Option<Result<T, CallError>> {
        // The waker that is registered while somebody waits is theirs; without one, a waker that
        // does nothing will do.
        match self.poll_answer(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => None,
        }
    }

    /// Waits for the answer, at most this long; zero looks whether it is there. After a timeout
    /// the request lives on (GEN-047, GEN-049). Once the answer was given, `None` comes at once.
    #[track_caller]
    pub fn wait(
        &mut self,
        timeout: Duration,
    ) -> impl Future<Output = Option<Result<T, CallError>>> + Send + '_ {
        let mut deadline = Deadline::after(Some(timeout));
        self.called_at = Location::caller();
        poll_fn(move |cx| match self.poll_marked(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending if timeout.is_zero() || deadline.is_past(cx, self.node()) => {
                self.mark(false);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        })
    }

    /// Waits for the answer, at most this long, and then abandons the request: an answer that
    /// comes later is thrown away (GEN-049).
    ///
    /// # Errors
    ///
    /// As a call.
    #[track_caller]
    pub fn receive(
        mut self,
        timeout: Duration,
    ) -> impl Future<Output = Result<T, CallError>> + Send {
        self.called_at = Location::caller();
        async move {
            let answer = self.wait(timeout).await;
            answer.unwrap_or(Err(match self.state {
                State::Over => CallError::NoReply,
                _ => CallError::Timeout(timeout),
            }))
        }
    }

    fn node(&self) -> u32 {
        self.callee.map_or(0, Pid::node)
    }

    /// The answer; `None` if it was given before.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        let answer = match &mut self.state {
            State::Sent(awaiting) => match awaiting.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(answer)) => Ok(answer),
                Poll::Ready(Err(Lost::Exited(reason))) => Err(CallError::Exited(reason)),
                Poll::Ready(Err(Lost::Gone)) => Err(CallError::NoProc),
                Poll::Ready(Err(Lost::NoReply)) => Err(CallError::NoReply),
            },
            State::Failed(error) => Err(error.clone()),
            State::Over => return Poll::Ready(None),
        };
        self.state = State::Over;
        Poll::Ready(Some(answer))
    }

    /// As above, for a process that does nothing else meanwhile.
    fn poll_marked(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        let polled = self.poll_answer(cx);
        self.mark(polled.is_pending());
        polled
    }

    fn mark(&mut self, waits: bool) {
        if self.waits != waits {
            self.waits = waits;
            mark(waits.then_some(self.called_at));
        }
    }
}

/// Marks the running process as waiting for an answer, or as no longer waiting.
fn mark(waits: Option<&'static Location<'static>>) {
    Owner::current(|owner| match (owner, waits) {
        (Some(owner), Some(at)) => owner.process().waiting.begin(WaitKind::Call, at),
        (Some(owner), None) => owner.process().waiting.end(),
        (None, _) => {}
    });
}

impl<T: Send + 'static> Future for Request<T> {
    type Output = Result<T, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // An answer that `check` or `wait` has given cannot be given again.
        self.get_mut()
            .poll_marked(cx)
            .map(|answer| answer.unwrap_or(Err(CallError::NoReply)))
    }
}

// Nothing in it is ever pinned.
impl<T> Unpin for Request<T> {}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("callee", &self.callee)
            .finish_non_exhaustive()
    }
}

/// Why a collection gave no answer.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, NoAnswer, ReplyTo, Requests, spawn};
/// use std::time::Duration;
///
/// let silent = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
///     let _kept = inbox.recv().await;
///     std::future::pending::<()>().await;
/// });
/// let mut requests = Requests::new();
/// let limit = Duration::from_secs(1);
/// assert_eq!(requests.receive(limit).await, Err(NoAnswer::NoRequest));
/// requests.add(silent.send_request(|from| from), "silent");
/// assert_eq!(requests.receive(limit).await, Err(NoAnswer::Timeout(limit)));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoAnswer {
    /// There is no request in the collection.
    NoRequest,
    /// None of them was answered in this time.
    Timeout(Duration),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::NoRequest => f.write_str("there is no request to wait for"),
            NoAnswer::Timeout(limit) => write!(f, "no request was answered within {limit:?}"),
        }
    }
}

impl std::error::Error for NoAnswer {}

/// What a collection gives: a request's result, and the label it was added with.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Answered, Mailbox, ReplyTo, Requests, spawn};
///
/// /// A line for a table.
/// fn line((answer, city): Answered<i32, &str>) -> String {
///     match answer {
///         Ok(degrees) => format!("{city}: {degrees} degrees"),
///         Err(error) => format!("{city}: {error}"),
///     }
/// }
///
/// let rome = spawn(|mut inbox: Mailbox<ReplyTo<i32>>| async move {
///     inbox.recv().await.reply(31);
/// });
/// let mut requests = Requests::new();
/// requests.add(rome.send_request(|from| from), "Rome");
/// assert_eq!(line(requests.next().await.unwrap()), "Rome: 31 degrees");
/// # });
/// ```
pub type Answered<T, L> = (Result<T, CallError>, L);

/// Requests that are waited for together: whichever is answered first comes first, with the label
/// that it was added with (GEN-050).
///
/// A wait costs no more when there are many requests: each knows its place by itself.
///
/// ```
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
/// # struct Counter { n: i64 }
/// # enum Ask { Get(ReplyTo<i64>) }
/// # impl GenServer for Counter {
/// #     type Args = i64;
/// #     type Call = Ask;
/// #     type Cast = i64;
/// #     type Info = Never;
/// #     type Continue = Never;
/// #     async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         Ok(Init::Ready(Counter { n }))
/// #     }
/// #     async fn handle_call(&mut self, request: Ask, _cx: &mut Context<Self>) -> Step<Self> {
/// #         let Ask::Get(from) = request;
/// #         from.reply(self.n);
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::Requests;
///
/// let mut requests = Requests::new();
/// for n in 1..=3 {
///     let counter = Counter::start(n).await.unwrap();
///     requests.add(counter.send_request(Ask::Get), format!("counter {n}"));
/// }
/// let mut sum = 0;
/// while let Some((answer, label)) = requests.next().await {
///     println!("{label}: {answer:?}");
///     sum += answer.unwrap_or(0);
/// }
/// assert_eq!(sum, 6);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Requests<T, L> {
    waiting: BTreeMap<u64, Entry<T, L>>,
    /// The number of the next request.
    next: u64,
    arrivals: Arc<Mutex<Arrivals>>,
}

struct Entry<T, L> {
    request: Request<T>,
    label: L,
    waker: Waker,
    /// The answer, if it was there when the request was added.
    early: Option<Result<T, CallError>>,
}

/// Which requests were answered, in this order, and who is to be told.
#[derive(Default)]
struct Arrivals {
    order: VecDeque<u64>,
    waker: Option<Waker>,
}

/// Woken when its request is answered.
struct Arrival {
    number: u64,
    arrivals: Arc<Mutex<Arrivals>>,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        let mut arrivals = self.arrivals.lock();
        arrivals.order.push_back(self.number);
        let waker = arrivals.waker.take();
        drop(arrivals);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Send + 'static, L> Requests<T, L> {
    /// An empty collection.
    #[must_use]
    pub fn new() -> Self {
        Requests {
            waiting: BTreeMap::new(),
            next: 0,
            arrivals: Arc::default(),
        }
    }

    /// Adds a request. One whose answer was given already is left out.
    pub fn add(&mut self, mut request: Request<T>, label: L) {
        let number = self.next;
        self.next += 1;
        let arrival = Arc::new(Arrival {
            number,
            arrivals: self.arrivals.clone(),
        });
        let waker = Waker::from(arrival.clone());
        let early = match request.poll_answer(&mut Context::from_waker(&waker)) {
            Poll::Ready(None) => return,
            Poll::Ready(Some(answer)) => {
                arrival.wake();
                Some(answer)
            }
            Poll::Pending => None,
        };
        let entry = Entry {
            request,
            label,
            waker,
            early,
        };
        self.waiting.insert(number, entry);
    }

    /// How many requests were not given back yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether there is no request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The labels of the requests, in the order in which they were added.
    pub fn labels(&self) -> impl Iterator<Item = &L> {
        self.waiting.values().map(|entry| &entry.label)
    }

    /// The first answer that is there, if one is.
    pub fn check(&mut self) -> Option<Answered<T, L>> {
        loop {
            let number = self.arrivals.lock().order.pop_front()?;
            // Not there any more, if it was woken twice.
            let Some(mut entry) = self.waiting.remove(&number) else {
                continue;
            };
            if let Some(answer) = entry.early.take() {
                return Some((answer, entry.label));
            }
            let mut cx = Context::from_waker(&entry.waker);
            match entry.request.poll_answer(&mut cx) {
                Poll::Ready(Some(answer)) => return Some((answer, entry.label)),
                Poll::Ready(None) => {}
                Poll::Pending => {
                    self.waiting.insert(number, entry);
                }
            }
        }
    }

    /// Waits for the next answer, as long as it takes; `None` if there is no request.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot wait")]
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Option<Answered<T, L>>> + Send + '_
    where
        L: Send,
    {
        let next = self.next_within(None, Location::caller());
        async move { next.await.ok() }
    }

    /// Waits for the next answer, at most this long; zero looks whether one is there. After a
    /// timeout the requests live on.
    ///
    /// # Errors
    ///
    /// See [`NoAnswer`].
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, ReplyTo, Requests, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let mut requests = Requests::new();
    /// for seconds in [5, 1] {
    ///     let slow = spawn(move |mut inbox: Mailbox<ReplyTo<u64>>| async move {
    ///         let from = inbox.recv().await;
    ///         sleep(Duration::from_secs(seconds)).await;
    ///         from.reply(seconds);
    ///     });
    ///     requests.add(slow.send_request(|from| from), slow.pid());
    /// }
    /// let limit = Duration::from_secs(2);
    /// assert!(matches!(requests.wait(limit).await, Ok((Ok(1), _))));
    /// assert!(requests.wait(limit).await.is_err(), "not yet");
    /// assert_eq!(requests.len(), 1, "it lives on");
    /// # });
    /// ```
    #[track_caller]
    pub fn wait(
        &mut self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Answered<T, L>, NoAnswer>> + Send + '_
    where
        L: Send,
    {
        self.next_within(Some(timeout), Location::caller())
    }

    /// As [`wait`](Self::wait), but after a timeout all requests are abandoned, and the collection
    /// is empty: answers that come later are thrown away.
    ///
    /// # Errors
    ///
    /// See [`NoAnswer`].
    #[track_caller]
    pub fn receive(
        &mut self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Answered<T, L>, NoAnswer>> + Send + '_
    where
        L: Send,
    {
        let called_at = Location::caller();
        async move {
            let answer = self.next_within(Some(timeout), called_at).await;
            if let Err(NoAnswer::Timeout(_)) = answer {
                self.waiting.clear();
            }
            answer
        }
    }

    fn next_within(
        &mut self,
        timeout: Option<Duration>,
        called_at: &'static Location<'static>,
    ) -> impl Future<Output = Result<Answered<T, L>, NoAnswer>> + Send + '_
    where
        L: Send,
    {
        let mut deadline = Deadline::after(timeout);
        let mut waits = false;
        poll_fn(move |cx| {
            let mut polled = self.poll_next(cx);
            if let (Poll::Pending, Some(limit)) = (&polled, timeout)
                && (limit.is_zero() || deadline.is_past(cx, self.node()))
            {
                polled = Poll::Ready(Err(NoAnswer::Timeout(limit)));
            }
            if polled.is_pending() != waits {
                waits = polled.is_pending();
                mark(waits.then_some(called_at));
            }
            polled
        })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answered<T, L>, NoAnswer>> {
        if let Some(answered) = self.check() {
            return Poll::Ready(Ok(answered));
        }
        if self.is_empty() {
            return Poll::Ready(Err(NoAnswer::NoRequest));
        }
        let mut arrivals = self.arrivals.lock();
        if !arrivals
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            arrivals.waker = Some(cx.waker().clone());
        }
        let came_meanwhile = !arrivals.order.is_empty();
        drop(arrivals);
        if came_meanwhile && let Some(answered) = self.check() {
            return Poll::Ready(Ok(answered));
        }
        Poll::Pending
    }

    fn node(&self) -> u32 {
        let first = self.waiting.values().next();
        first.map_or(0, |entry| entry.request.node())
    }
}

impl<T: Send + 'static, L> Default for Requests<T, L> {
    fn default() -> Self {
        Requests::new()
    }
}

impl<T, L: fmt::Debug> fmt::Debug for Requests<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.waiting.values().map(|entry| &entry.label))
            .finish()
    }
}

/// Somebody who answers requests: what [`multi_call`] and [`abcast`] take.
///
/// Implemented for [`Addr`], [`Name`] and [`Sender`], and for references to them. The handle of an
/// own behaviour implements it by passing on to its [`Sender`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Callee, Mailbox, ReplyTo, Request, Sender, multi_call, spawn};
/// use std::time::Duration;
///
/// type Ask = ReplyTo<u32>;
///
/// /// The handle of a behaviour of one's own.
/// struct Sensor(Sender<Ask>);
///
/// impl Callee for Sensor {
///     type Call = Ask;
///     type Cast = Ask;
///
///     fn send_request<T: Send + 'static>(&self, make: impl FnOnce(ReplyTo<T>) -> Ask) -> Request<T> {
///         self.0.send_request(make)
///     }
///     fn cast(&self, message: Ask) {
///         self.0.send(message);
///     }
/// }
///
/// # let start = |n| spawn(move |mut inbox: Mailbox<Ask>| async move { inbox.recv().await.reply(n) });
/// let sensors = [1, 2].map(|n| Sensor(start(n)));
/// let all = multi_call(sensors, |from| from, Duration::from_secs(1)).await;
/// assert_eq!(all.replies.iter().map(|(_, n)| n).sum::<u32>(), 3);
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer requests",
    note = "pass an `Addr<G>`, a `Name<G>` or a `Sender<M>`; the handle of a behaviour of your own implements `Callee` by its `Sender`"
)]
pub trait Callee {
    /// The requests.
    type Call: Send + 'static;
    /// The messages that are not answered.
    type Cast: Send + 'static;

    /// Sends a request without waiting for the answer: see [`Request`].
    fn send_request<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> Self::Call,
    ) -> Request<T>;

    /// Sends a message that is not answered; it vanishes if there is nobody.
    fn cast(&self, message: Self::Cast);
}

impl<G: GenServer> Callee for Addr<G> {
    type Call = G::Call;
    type Cast = G::Cast;

    #[track_caller]
    fn send_request<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> G::Call,
    ) -> Request<T> {
        Addr::send_request(self, make)
    }

    fn cast(&self, message: G::Cast) {
        Addr::cast(self, message);
    }
}

impl<G: GenServer> Callee for Name<G> {
    type Call = G::Call;
    type Cast = G::Cast;

    #[track_caller]
    fn send_request<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> G::Call,
    ) -> Request<T> {
        Name::send_request(self, make)
    }

    fn cast(&self, message: G::Cast) {
        Name::cast(self, message);
    }
}

impl<M: Send + 'static> Callee for Sender<M> {
    type Call = M;
    type Cast = M;

    #[track_caller]
    fn send_request<T: Send + 'static>(&self, make: impl FnOnce(ReplyTo<T>) -> M) -> Request<T> {
        Sender::send_request(self, make)
    }

    fn cast(&self, message: M) {
        self.send(message);
    }
}

impl<C: Callee> Callee for &C {
    type Call = C::Call;
    type Cast = C::Cast;

    #[track_caller]
    fn send_request<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> C::Call,
    ) -> Request<T> {
        C::send_request(self, make)
    }

    fn cast(&self, message: C::Cast) {
        C::cast(self, message);
    }
}

impl<G: GenServer> Addr<G> {
    /// Sends a request at once, and does not wait for its answer: see [`Request`].
    #[track_caller]
    pub fn send_request<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> G::Call,
    ) -> Request<T> {
        let make = |from| ServerMessage::<G>::Call(make(from));
        Request::send(Some(self.address()), make, Location::caller())
    }
}

impl<G: GenServer> Name<G> {
    /// As [`Addr::send_request`], to whoever holds the name now.
    #[track_caller]
    pub fn send_request<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> G::Call,
    ) -> Request<T> {
        let make = |from| ServerMessage::<G>::Call(make(from));
        let addr = self.resolve();
        Request::send(addr.as_ref().map(Addr::address), make, Location::caller())
    }
}

impl<M: Send + 'static> Sender<M> {
    /// Sends a request at once, and does not wait for its answer: see [`Request`].
    #[track_caller]
    pub fn send_request<T: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> M,
    ) -> Request<T> {
        Request::send(Some(self.address()), make, Location::caller())
    }
}

/// What a [`multi_call`] gives: each server is in one of the two lists, in the order given.
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
/// use rekindle_actor::{CallError, MultiCall, Name, multi_call};
/// use std::time::Duration;
///
/// Counter::start(7).name("here").await.unwrap();
/// let names = ["here", "gone"].map(Name::<Counter>::from);
/// let all: MultiCall<_, i64> = multi_call(names, |from| from, Duration::from_secs(1)).await;
/// for (counter, n) in &all.replies {
///     assert_eq!((counter.as_str(), *n), ("here", 7));
/// }
/// for (counter, error) in &all.failed {
///     assert_eq!((counter.as_str(), error), ("gone", &CallError::NoProc));
/// }
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MultiCall<S, T> {
    /// The answers, and whose they are.
    pub replies: Vec<(S, T)>,
    /// Those who gave none, and why: dead, missing, or late.
    pub failed: Vec<(S, CallError)>,
}

/// Sends the same request to many servers at once, and waits until all have answered or failed, at
/// most for `timeout` altogether (GEN-045). What comes later is thrown away (GEN-046).
///
/// ```
/// # use rekindle_actor::{Context, ExitReason, GenServer, Init, Never, Next, ReplyTo, Step};
/// # struct Counter { n: i64 }
/// # enum Ask { Get(ReplyTo<i64>) }
/// # impl GenServer for Counter {
/// #     type Args = i64;
/// #     type Call = Ask;
/// #     type Cast = i64;
/// #     type Info = Never;
/// #     type Continue = Never;
/// #     async fn init(n: i64, _cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
/// #         Ok(Init::Ready(Counter { n }))
/// #     }
/// #     async fn handle_call(&mut self, request: Ask, _cx: &mut Context<Self>) -> Step<Self> {
/// #         let Ask::Get(from) = request;
/// #         from.reply(self.n);
/// #         Ok(Next::Wait)
/// #     }
/// # }
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use std::time::Duration;
/// use rekindle_actor::{CallError, Name, multi_call};
///
/// Counter::start(7).name("one").await.unwrap();
/// let names = ["one", "two"].map(Name::<Counter>::from);
/// let all = multi_call(&names, Ask::Get, Duration::from_secs(1)).await;
/// assert_eq!(all.replies[0].1, 7);
/// assert_eq!(all.failed[0].0.as_str(), "two");
/// assert_eq!(all.failed[0].1, CallError::NoProc);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn multi_call<S, T>(
    servers: impl IntoIterator<Item = S>,
    mut make: impl FnMut(ReplyTo<T>) -> S::Call,
    timeout: Duration,
) -> impl Future<Output = MultiCall<S, T>> + Send
where
    S: Callee + Send,
    T: Send + 'static,
{
    let mut requests = Requests::new();
    let servers: Vec<S> = servers.into_iter().collect();
    for (place, server) in servers.iter().enumerate() {
        requests.add(server.send_request(&mut make), place);
    }
    let called_at = Location::caller();
    let mut deadline = Deadline::after(Some(timeout));
    async move {
        let mut results: Vec<Option<Result<T, CallError>>> = Vec::new();
        results.resize_with(servers.len(), || None);
        mark(Some(called_at));
        poll_fn(|cx| {
            loop {
                match requests.poll_next(cx) {
                    Poll::Ready(Ok((result, place))) => results[place] = Some(result),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending if deadline.is_past(cx, requests.node()) => {
                        return Poll::Ready(());
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        mark(None);
        let mut all = MultiCall {
            replies: Vec::new(),
            failed: Vec::new(),
        };
        for (server, result) in servers.into_iter().zip(results) {
            match result.unwrap_or(Err(CallError::Timeout(timeout))) {
                Ok(answer) => all.replies.push((server, answer)),
                Err(error) => all.failed.push((server, error)),
            }
        }
        all
    }
}

/// Sends the same message to many servers; never fails, whoever of them there is (GEN-051).
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
/// use rekindle_actor::{Name, abcast};
///
/// let counter = Counter::start(0).name("here").await.unwrap();
/// // What is for nobody vanishes.
/// abcast(["here", "gone", "here"].map(Name::<Counter>::from), 7);
/// assert_eq!(counter.call(|from| from).await, Ok(14));
/// # });
/// ```
pub fn abcast<S: Callee>(servers: impl IntoIterator<Item = S>, message: S::Cast)
where
    S::Cast: Clone,
{
    for server in servers {
        server.cast(message.clone());
    }
}
