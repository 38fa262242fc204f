//! A handle on a process with a mailbox of its own message type.

use std::fmt;
use std::panic::Location;

use crate::call::Call;
use crate::exit::ExitReason;
use crate::mailbox::{Address, Refusal, ReplyTo};
use crate::pid::Pid;
use crate::recipient::Recipient;
use crate::runtimes;
use crate::signal::exit_signal;
use crate::sys::Stop;

/// A message was not taken, and here it is.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, SendError, sleep, spawn};
/// use std::time::Duration;
///
/// let once = spawn(|mut inbox: Mailbox<&'static str>| async move { drop(inbox.recv().await) });
/// assert_eq!(once.try_send("first"), Ok(()));
/// sleep(Duration::from_secs(1)).await;
/// // The message comes back.
/// assert_eq!(once.try_send("second"), Err(SendError::NoProc("second")));
/// # });
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<M> {
    /// There is no such process, or nobody holds the name.
    NoProc(M),
    /// The mailbox is full, and its policy refuses what is too much.
    Full(M),
}

impl<M> SendError<M> {
    pub(crate) fn new((message, refusal): (M, Refusal)) -> SendError<M> {
        match refusal {
            Refusal::Dead => SendError::NoProc(message),
            Refusal::Full => SendError::Full(message),
        }
    }

    /// The message.
    pub fn into_message(self) -> M {
        match self {
            SendError::NoProc(message) | SendError::Full(message) => message,
        }
    }

    /// The same error about another message.
    pub fn map<N>(self, f: impl FnOnce(M) -> N) -> SendError<N> {
        match self {
            SendError::NoProc(message) => SendError::NoProc(f(message)),
            SendError::Full(message) => SendError::Full(f(message)),
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::NoProc(_) => "NoProc(..)",
            SendError::Full(_) => "Full(..)",
        })
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::NoProc(_) => "the receiver does not exist",
            SendError::Full(_) => "the receiver's mailbox is full",
        })
    }
}

impl<M> std::error::Error for SendError<M> {}

/// A handle on one life of one process that receives `M`.
///
/// Given by [`spawn`](crate::spawn) for a body with a mailbox, and what own behaviours build
/// their handles from. It keeps the process's memory, but never the process alive.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, ReplyTo, Sender, spawn};
///
/// let doubler: Sender<(u32, ReplyTo<u32>)> = spawn(|mut inbox: Mailbox<_>| async move {
///     loop {
///         let (n, from): (u32, ReplyTo<u32>) = inbox.recv().await;
///         from.reply(2 * n);
///     }
/// });
/// assert_eq!(doubler.call(|from| (21, from)).await, Ok(42));
/// # });
/// ```
pub struct Sender<M>(Address<M>);

impl<M: Send + 'static> Sender<M> {
    pub(crate) fn new(address: Address<M>) -> Self {
        Sender(address)
    }

    pub(crate) fn into_address(self) -> Address<M> {
        self.0
    }

    pub(crate) fn address(&self) -> &Address<M> {
        &self.0
    }

    /// The handle on a process, if it lives and receives `M`.
    #[must_use]
    pub fn from_pid(pid: Pid) -> Option<Sender<M>> {
        runtimes::with(pid.node(), |handle| {
            let task = handle.lookup(pid.task())?;
            Address::of(task.view()).map(Sender)
        })
    }

    /// The handle on the process that holds a name now, if it receives `M`.
    #[must_use]
    pub fn whereis(name: &str) -> Option<Sender<M>> {
        Sender::from_pid(crate::names::whereis(name)?)
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// Whether the process lives: it may have ended by the time this returns.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        runtimes::with_process(self.pid(), |_, _| ()).is_some()
    }

    /// Sends a message.
    ///
    /// # Delivery
    ///
    /// In order with whatever the same process sent there before, at most once, and without a
    /// word if the receiver is dead or its mailbox drops what is too much. Never waits.
    #[inline]
    pub fn send(&self, message: M) {
        // A dead receiver is no error, as in OTP: whoever must know monitors it.
        let _ = self.0.post(message);
    }

    /// As [`send`](Self::send), and tells.
    ///
    /// # Errors
    ///
    /// Gives the message back if the receiver is dead, or its mailbox is full and refuses it.
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        self.0.post(message).map_err(SendError::new)
    }

    /// Sends a message that carries a [`ReplyTo`], and waits for the reply: see [`Call`].
    #[track_caller]
    #[inline]
    pub fn call<T: Send + 'static>(&self, make: impl FnOnce(ReplyTo<T>) -> M) -> Call<'_, T> {
        Call::to(&self.0, make, Location::caller())
    }

    /// Asks the process to stop with `Normal`, by a `sys` message; see [`Stop`]. A plain process
    /// that does not handle `sys` messages does not stop: send it an exit signal.
    pub fn stop(&self) -> Stop {
        Stop::new(self.pid())
    }

    /// Sends an exit signal.
    pub fn exit(&self, reason: ExitReason) {
        exit_signal(self.pid(), reason);
    }

    /// A handle for one kind of message that this process takes, whoever it is.
    #[must_use]
    pub fn recipient<N>(&self) -> Recipient<N>
    where
        N: Send + 'static,
        M: From<N>,
    {
        Recipient::plain(self.0.clone()).contramap()
    }
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<M> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({:?})", self.0)
    }
}
