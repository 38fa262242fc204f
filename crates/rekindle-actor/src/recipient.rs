//! A handle for one message type, whoever receives it.

use std::fmt;
use std::sync::Arc;

use crate::mailbox::Address;
use crate::pid::Pid;
use crate::run::pid_of;
use crate::sender::SendError;

/// A way to send `M` to some process, whatever else that process receives.
///
/// Timers, registries, groups and event managers deliver through it. Made from an
/// [`Addr`](crate::Addr) whose `Info` or `Cast` can be built from `M`, from a
/// [`Sender`](crate::Sender), a [`Name`](crate::Name), or a [`Mailbox`](crate::Mailbox).
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Mailbox, Recipient, spawn};
///
/// enum Order { Coffee(u32) }
///
/// impl From<u32> for Order {
///     fn from(cups: u32) -> Order { Order::Coffee(cups) }
/// }
///
/// let bar = spawn(|mut inbox: Mailbox<Order>| async move {
///     let Order::Coffee(cups) = inbox.recv().await;
///     assert_eq!(cups, 2);
/// });
/// // Who holds this knows of numbers, and not of the bar's orders.
/// let cups: Recipient<u32> = bar.recipient();
/// cups.send(2);
/// # rekindle_actor::sleep(std::time::Duration::from_secs(1)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub struct Recipient<M> {
    target: Arc<dyn Deliver<M>>,
}

/// Somebody who takes `M`.
pub(crate) trait Deliver<M>: Send + Sync + 'static {
    fn deliver(&self, message: M) -> Result<(), SendError<()>>;
    fn pid(&self) -> Option<Pid>;
}

impl<M: Send + 'static> Deliver<M> for Address<M> {
    fn deliver(&self, message: M) -> Result<(), SendError<()>> {
        self.post(message)
            .map_err(|refused| SendError::new(refused).map(drop))
    }

    fn pid(&self) -> Option<Pid> {
        pid_of(self.task().view())
    }
}

/// A target behind a conversion of its own.
pub(crate) struct Via<D, M> {
    pub(crate) target: D,
    pub(crate) send: fn(&D, M) -> Result<(), SendError<()>>,
    pub(crate) pid: fn(&D) -> Option<Pid>,
}

impl<D: Send + Sync + 'static, M: 'static> Deliver<M> for Via<D, M> {
    fn deliver(&self, message: M) -> Result<(), SendError<()>> {
        (self.send)(&self.target, message)
    }

    fn pid(&self) -> Option<Pid> {
        (self.pid)(&self.target)
    }
}

impl<M: Send + 'static> Recipient<M> {
    pub(crate) fn plain(address: Address<M>) -> Self {
        Recipient {
            target: Arc::new(address),
        }
    }

    pub(crate) fn new(target: impl Deliver<M>) -> Self {
        Recipient {
            target: Arc::new(target),
        }
    }

    /// The recipient of what `M` can be built from.
    pub(crate) fn contramap<N>(self) -> Recipient<N>
    where
        N: Send + 'static,
        M: From<N>,
    {
        Recipient::new(Converted { target: self })
    }

    /// Sends a message; without a word if nobody takes it. Never waits.
    pub fn send(&self, message: M) {
        let _ = self.target.deliver(message);
    }

    /// As [`send`](Self::send), and tells.
    ///
    /// # Errors
    ///
    /// If the receiver is dead, or its mailbox is full and refuses the message. The message does
    /// not come back: it may have been converted on its way.
    pub fn try_send(&self, message: M) -> Result<(), SendError<()>> {
        self.target.deliver(message)
    }

    /// Who receives, if anybody does now.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.target.pid()
    }
}

/// A recipient of what another recipient's message can be built from.
struct Converted<M> {
    target: Recipient<M>,
}

impl<N: Send + 'static, M: From<N> + Send + 'static> Deliver<N> for Converted<M> {
    fn deliver(&self, message: N) -> Result<(), SendError<()>> {
        self.target.target.deliver(M::from(message))
    }

    fn pid(&self) -> Option<Pid> {
        self.target.pid()
    }
}

impl<M> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Recipient {
            target: self.target.clone(),
        }
    }
}

impl<M: 'static> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({:?})", self.target.pid())
    }
}
