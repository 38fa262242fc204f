//! Request and reply, and the ways in which a call can fail.
//!
//! A call never lies: it gives the answer, or says why there is none and what the caller may
//! conclude from that. Whatever comes after it has failed is thrown away: a late answer never
//! reaches a later call, for each call has a place of its own for its answer.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rekindle_scheduler::TaskRef;

use crate::deadline::Deadline;
use crate::edge::{Edge, Look};
use crate::exit::ExitReason;
use crate::mailbox::{Address, Awaiting, Lost, Refusal, ReplyTo, request};
use crate::pid::Pid;
use crate::process::{Owner, Process};

/// How long a call waits unless told otherwise: 5 s, as in OTP.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{CallError, DEFAULT_CALL_TIMEOUT, Mailbox, ReplyTo, spawn};
///
/// let silent = spawn(|inbox: Mailbox<ReplyTo<u32>>| async move {
///     let _kept = inbox;
///     std::future::pending::<()>().await;
/// });
/// let call = silent.call(|from| from).await;
/// assert_eq!(call, Err(CallError::Timeout(DEFAULT_CALL_TIMEOUT)));
/// assert!(silent.call(|from| from).timeout(2 * DEFAULT_CALL_TIMEOUT).await.is_err());
/// # });
/// ```
pub const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a call gave no answer.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Agent, CallError, ExitReason, exit};
///
/// let agent = Agent::start(|| 0).await.unwrap();
/// exit(agent.pid().unwrap(), ExitReason::Kill);
/// // Killed meanwhile, or gone already: which of the two, a caller can hear, and should not care.
/// let error = agent.get(|n| *n).await.unwrap_err();
/// assert!(matches!(error, CallError::Exited(ExitReason::Killed) | CallError::NoProc));
/// assert_eq!(agent.get(|n| *n).await, Err(CallError::NoProc));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such process. It has not acted.
    NoProc,
    /// The callee ended with this reason before it answered. It may have acted.
    Exited(ExitReason),
    /// No answer came in this time. The callee may still act; its answer will be thrown away.
    Timeout(Duration),
    /// The callee, or whoever it had passed the request to, dropped the
    /// [`ReplyTo`](crate::ReplyTo) without an answer.
    NoReply,
    /// The call would have closed a ring of calls, in which each waits for the next: this one,
    /// the callee, whom that calls, and so on. It was not made. A process that calls itself is a
    /// ring of one.
    Cycle(Vec<Pid>),
    /// The callee's mailbox is full, and its policy refuses what is too much. It has not acted.
    Full,
}

impl CallError {
    #[cold]
    fn from_loss(lost: Lost) -> CallError {
        match lost {
            Lost::Exited(reason) => CallError::Exited(reason),
            Lost::Gone => CallError::NoProc,
            Lost::NoReply => CallError::NoReply,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::NoProc => f.write_str("the process called does not exist"),
            CallError::Exited(reason) => {
                write!(f, "the process called ended before it answered: {reason}")
            }
            CallError::Timeout(limit) => write!(f, "no answer to the call within {limit:?}"),
            CallError::NoReply => f.write_str("the request was dropped without an answer"),
            CallError::Cycle(pids) => match pids.as_slice() {
                [own] => write!(f, "{own} called itself"),
                pids => {
                    f.write_str("the call would close a ring of calls: ")?;
                    for pid in pids {
                        write!(f, "{pid} -> ")?;
                    }
                    write!(f, "{}", pids[0])
                }
            },
            CallError::Full => f.write_str("the mailbox of the process called is full"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::Exited(ExitReason::Error(failure)) => Some(failure.error()),
            _ => None,
        }
    }
}

/// Whom a call goes to.
#[derive(Debug)]
enum Callee<'a> {
    Borrowed(&'a TaskRef),
    Owned(TaskRef),
    Nobody,
}

/// A call that waits for its answer.
///
/// Nothing is sent before it is first polled. It waits 5 s unless told otherwise; dropped, it
/// gives up the answer, and the callee may still act.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{CallError, Mailbox, ReplyTo, spawn};
/// use std::time::Duration;
///
/// let slow = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
///     let from = inbox.recv().await;
///     rekindle_actor::sleep(Duration::from_secs(60)).await;
///     from.reply(1);
///     inbox.recv().await.reply(2);
/// });
/// // 5 s by default; the answer of the first call comes too late and disturbs nobody.
/// let call = slow.call(|from| from).await;
/// assert_eq!(call, Err(CallError::Timeout(Duration::from_secs(5))));
/// assert_eq!(slow.call(|from| from).timeout(Duration::from_secs(120)).await, Ok(2));
/// # });
/// ```
#[must_use = "a call is made when it is awaited"]
pub struct Call<'a, T> {
    callee: Callee<'a>,
    awaiting: Awaiting<T>,
    deadline: Deadline,
    called_at: &'static Location<'static>,
    sent: bool,
    /// Marks the running process as waiting for the callee.
    edge: Edge,
}

impl<'a, T: Send + 'static> Call<'a, T> {
    #[inline]
    pub(crate) fn to<M: Send + 'static>(
        address: &'a Address<M>,
        make: impl FnOnce(ReplyTo<T>) -> M,
        called_at: &'static Location<'static>,
    ) -> Call<'a, T> {
        Call::new(Callee::Borrowed(address.task()), make, called_at)
    }

    pub(crate) fn to_resolved<M: Send + 'static>(
        address: Option<Address<M>>,
        make: impl FnOnce(ReplyTo<T>) -> M,
        called_at: &'static Location<'static>,
    ) -> Call<'a, T> {
        let callee = match address {
            Some(address) => Callee::Owned(address.task().clone()),
            None => Callee::Nobody,
        };
        Call::new(callee, make, called_at)
    }

    #[inline]
    fn new<M: Send + 'static>(
        callee: Callee<'a>,
        make: impl FnOnce(ReplyTo<T>) -> M,
        called_at: &'static Location<'static>,
    ) -> Call<'a, T> {
        let caller = Owner::current(|owner| owner.map(|o| (o.pid(), o.view().waker())));
        Call {
            callee,
            awaiting: request(caller, make),
            deadline: Deadline::after(Some(DEFAULT_CALL_TIMEOUT)),
            called_at,
            sent: false,
            edge: Edge::none(),
        }
    }

    /// Waits at most this long.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{CallError, Mailbox, ReplyTo, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let slow = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
    ///     let from = inbox.recv().await;
    ///     sleep(Duration::from_secs(2)).await;
    ///     from.reply(7); // to nobody
    /// });
    /// let limit = Duration::from_secs(1);
    /// let call = slow.call(|from| from).timeout(limit).await;
    /// assert_eq!(call, Err(CallError::Timeout(limit)));
    /// # });
    /// ```
    #[inline]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.deadline.set_limit(Some(limit));
        self
    }

    /// Waits as long as it takes.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, ReplyTo, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let slow = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
    ///     let from = inbox.recv().await;
    ///     sleep(Duration::from_secs(3600)).await;
    ///     from.reply(7);
    /// });
    /// assert_eq!(slow.call(|from| from).no_timeout().await, Ok(7));
    /// # });
    /// ```
    #[inline]
    pub fn no_timeout(mut self) -> Self {
        self.deadline.set_limit(None);
        self
    }

    /// Says where the call was made: what [`ProcessInfo::waits`](crate::ProcessInfo::waits) and
    /// crash reports show. By default that is the caller of `call`; a behaviour whose own functions
    /// call it passes its user's line on.
    #[inline]
    pub fn called_at(mut self, at: &'static Location<'static>) -> Self {
        self.called_at = at;
        self
    }

    fn callee(&self) -> Option<&TaskRef> {
        match &self.callee {
            Callee::Borrowed(task) => Some(task),
            Callee::Owned(task) => Some(task),
            Callee::Nobody => None,
        }
    }

    /// Sends the request; `owner` is the calling process. Says whether whatever becomes of it wakes
    /// us, so that there is no need to look now. `None` if it must be tried again in the next turn.
    #[inline]
    fn send(
        &mut self,
        owner: Option<Owner<'_>>,
        cx: &Context<'_>,
    ) -> Result<Option<bool>, CallError> {
        let task = match &self.callee {
            Callee::Borrowed(task) => *task,
            Callee::Owned(task) => task,
            Callee::Nobody => return Err(CallError::NoProc),
        };
        let view = task.view();
        let Some(callee) = view.host::<Process>() else {
            return Err(CallError::NoProc);
        };
        // Before the callee is claimed, for this may run foreign code. And who has put the `ReplyTo`
        // elsewhere may have been answered already: then nobody wakes us any more.
        let wakes = self.awaiting.register(cx.waker()) && !self.awaiting.is_resolved();
        let mut claimed = None;
        if let Some(owner) = owner {
            let look;
            (claimed, look) = self.edge.begin(owner, view, callee, self.called_at);
            if look {
                match self.edge.look(owner, view) {
                    Look::Clear => {}
                    Look::Ring(ring) => return Err(CallError::Cycle(ring)),
                    Look::Unsure => return Ok(None),
                }
            }
        }
        match Address::<T>::post_request(view, callee, claimed, &mut self.awaiting) {
            Ok(()) => Ok(Some(wakes)),
            Err(Refusal::Dead) => Err(CallError::NoProc),
            Err(Refusal::Full) => Err(CallError::Full),
        }
    }

    fn node(&self) -> u32 {
        self.callee().map_or(0, |task| task.view().runtime_id())
    }
}

impl<T: Send + 'static> Call<'_, T> {
    /// What is done while there is no answer: sends the request, and looks at all that may end the
    /// wait but the answer. `Ready(None)` if the answer has come meanwhile.
    #[inline(never)]
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Option<CallError>> {
        Owner::current(|owner| {
            let mut wakes = false;
            if !self.sent {
                if owner.is_some_and(|owner| owner.is_held_back(cx.waker())) {
                    return Poll::Pending;
                }
                self.sent = true;
                match self.send(owner, cx) {
                    Ok(Some(will)) => wakes = will,
                    Ok(None) => {
                        self.sent = false;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Err(error) => return Poll::Ready(Some(error)),
                }
            }
            if !wakes && let Poll::Ready(lost) = self.awaiting.poll_loss(cx) {
                return Poll::Ready(lost.map(CallError::from_loss));
            }
            let node = match owner {
                Some(owner) => owner.node(),
                None => self.node(),
            };
            if self.deadline.is_past_for(owner, cx, node) {
                return Poll::Ready(Some(CallError::Timeout(self.deadline.limit())));
            }
            Poll::Pending
        })
    }
}

impl<T: Send + 'static> Future for Call<'_, T> {
    type Output = Result<T, CallError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            // Here, and not in `advance`: what is inlined into the caller needs no memory of its
            // own to hand the answer over.
            if let Some(answer) = this.awaiting.answer() {
                this.edge.end();
                return Poll::Ready(Ok(answer));
            }
            match this.advance(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {}
                Poll::Ready(Some(error)) => {
                    this.edge.end();
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("callee", &self.callee)
            .finish_non_exhaustive()
    }
}
