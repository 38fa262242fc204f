//! Receiving in tests: nothing is lost, and what is there can be shown.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Write as _};
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rekindle_actor::{Down, Exit, Info, Mailbox, Pid, Recipient, now};
use rekindle_scheduler::Time;

/// How long the macros wait unless told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);
/// How many messages of a mailbox are shown.
const SHOWN: usize = 50;

/// What came in and was not asked for yet.
///
/// A test has one, and so has a probe. Whatever wraps one of those lends it, and can be received
/// from as well:
///
/// ```
/// use rekindle::testkit::{Inbox, Probe, Receives, Test, assert_receive};
///
/// struct Client { name: &'static str, mail: Probe<String> }
///
/// impl Receives<String> for Client {
///     fn inbox(&mut self) -> &mut Inbox<String> {
///         self.mail.inbox()
///     }
/// }
///
/// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
/// let mut client = Client { name: "Ada", mail: t.probe() };
/// client.mail.recipient().send(format!("hello {}", client.name));
/// assert_receive!(client, text if text == "hello Ada");
/// # });
/// ```
pub struct Inbox<M> {
    source: Source<M>,
    kept: VecDeque<Info<M>>,
}

enum Source<M> {
    Own(Mailbox<M>),
    Probe(Arc<Mutex<Collected<M>>>, Recipient<M>),
}

/// What a probe has received, and who waits for more.
pub(crate) struct Collected<M> {
    pub(crate) items: VecDeque<Info<M>>,
    pub(crate) waker: Option<std::task::Waker>,
}

impl<M: Send + 'static> Inbox<M> {
    pub(crate) fn own(mailbox: Mailbox<M>) -> Inbox<M> {
        Inbox {
            source: Source::Own(mailbox),
            kept: VecDeque::new(),
        }
    }

    pub(crate) fn of_probe(
        collected: Arc<Mutex<Collected<M>>>,
        recipient: Recipient<M>,
    ) -> Inbox<M> {
        Inbox {
            source: Source::Probe(collected, recipient),
            kept: VecDeque::new(),
        }
    }

    pub(crate) fn recipient(&self) -> Recipient<M> {
        match &self.source {
            Source::Own(mailbox) => mailbox.recipient(),
            Source::Probe(_, recipient) => recipient.clone(),
        }
    }

    /// Takes what has come in.
    async fn absorb(&mut self) {
        loop {
            let next = match &mut self.source {
                Source::Own(mailbox) => mailbox.next_timeout(Duration::ZERO).await,
                Source::Probe(collected, _) => match collected.lock().items.pop_front() {
                    Some(info) => info,
                    None => return,
                },
            };
            match next {
                Info::Timeout => return,
                info => self.kept.push_back(info),
            }
        }
    }

    /// Waits for one thing more; `false` if none comes until then.
    async fn wait_until(&mut self, end: Time) -> bool {
        let left = end.saturating_since(now());
        if left.is_zero() {
            return false;
        }
        match &mut self.source {
            Source::Own(mailbox) => match mailbox.next_timeout(left).await {
                Info::Timeout => false,
                info => {
                    self.kept.push_back(info);
                    true
                }
            },
            Source::Probe(collected, _) => {
                let arrived = std::future::poll_fn(|cx| {
                    let mut collected = collected.lock();
                    if collected.items.is_empty() {
                        collected.waker = Some(cx.waker().clone());
                        return std::task::Poll::Pending;
                    }
                    std::task::Poll::Ready(())
                });
                let mut arrived = std::pin::pin!(arrived);
                let mut sleep = std::pin::pin!(rekindle_actor::sleep(left));
                let came = std::future::poll_fn(|cx| {
                    if arrived.as_mut().poll(cx).is_ready() {
                        return std::task::Poll::Ready(true);
                    }
                    sleep.as_mut().poll(cx).map(|()| false)
                })
                .await;
                self.absorb().await;
                came
            }
        }
    }

    /// The first thing kept that `take` takes; the others keep their order.
    fn find<R>(&mut self, take: &mut impl FnMut(Info<M>) -> Result<R, Info<M>>) -> Option<R> {
        let mut passed = VecDeque::new();
        let mut found = None;
        while let Some(info) = self.kept.pop_front() {
            match take(info) {
                Ok(taken) => {
                    found = Some(taken);
                    break;
                }
                Err(info) => passed.push_back(info),
            }
        }
        passed.append(&mut self.kept);
        self.kept = passed;
        found
    }

    async fn receive<R>(
        &mut self,
        within: Duration,
        take: &mut (impl FnMut(Info<M>) -> Result<R, Info<M>> + Send),
    ) -> Option<R> {
        let end = now().saturating_add(within);
        self.absorb().await;
        loop {
            if let Some(found) = self.find(take) {
                return Some(found);
            }
            if !self.wait_until(end).await {
                return None;
            }
        }
    }

    fn show(&self) -> Vec<String>
    where
        M: Debug,
    {
        let shown = self.kept.iter().take(SHOWN).map(|info| match info {
            Info::Message(message) => format!("{message:?}"),
            other => format!("{other:?}"),
        });
        let mut shown: Vec<String> = shown.collect();
        if self.kept.len() > SHOWN {
            shown.push(format!("... and {} more", self.kept.len() - SHOWN));
        }
        shown
    }
}

/// What the macros receive from: a [`Test`](crate::Test), or a [`Probe`](crate::Probe).
///
/// In a function of one's own that is to work with either:
///
/// ```
/// use rekindle::testkit::{Receives, Test};
/// use rekindle::prelude::*;
///
/// /// Waits for the next even number, for a minute.
/// async fn next_even(from: &mut impl Receives<u32>) -> u32 {
///     let even = |n| if n % 2 == 0 { Ok(n) } else { Err(n) };
///     from.receive_map(Duration::from_secs(60), "an even number", even).await.unwrap()
/// }
///
/// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test<u32>| async move {
/// for n in [1, 2, 3, 4] { t.recipient().send(n) }
/// assert_eq!(next_even(&mut t).await, 2);
/// assert_eq!(next_even(&mut t).await, 4); // 1 and 3 are still there
/// # });
/// ```
pub trait Receives<M: Send + 'static>: Send {
    /// What came in.
    fn inbox(&mut self) -> &mut Inbox<M>;

    /// Waits for the first message that `take` takes; it gives back what it does not want. All
    /// else stays and keeps its order. [`assert_receive!`](crate::assert_receive) is this with a
    /// pattern.
    ///
    /// # Errors
    ///
    /// What is in the mailbox, if nothing fits in this time.
    #[track_caller]
    fn receive_map<R: Send>(
        &mut self,
        within: Duration,
        wanted: &'static str,
        mut take: impl FnMut(M) -> Result<R, M> + Send,
    ) -> impl Future<Output = Result<R, NotReceived>> + Send
    where
        M: Debug,
    {
        let at = Location::caller();
        async move {
            let inbox = self.inbox();
            let mut messages = |info| match info {
                Info::Message(message) => take(message).map_err(Info::Message),
                other => Err(other),
            };
            match inbox.receive(within, &mut messages).await {
                Some(found) => Ok(found),
                None => Err(NotReceived {
                    wanted: wanted.to_owned(),
                    within,
                    mailbox: inbox.show(),
                    at,
                }),
            }
        }
    }

    /// Sees that no message comes that `take` takes. [`refute_receive!`](crate::refute_receive) is
    /// this with a pattern.
    ///
    /// # Errors
    ///
    /// If one comes in this time.
    #[track_caller]
    fn refute_map(
        &mut self,
        within: Duration,
        unwanted: &'static str,
        mut fits: impl FnMut(M) -> Result<(), M> + Send,
    ) -> impl Future<Output = Result<(), Refuted>> + Send
    where
        M: Debug,
    {
        let at = Location::caller();
        async move {
            let inbox = self.inbox();
            let mut messages = |info| match info {
                Info::Message(message) => {
                    let text = format!("{message:?}");
                    fits(message).map(|()| text).map_err(Info::Message)
                }
                other => Err(other),
            };
            match inbox.receive(within, &mut messages).await {
                None => Ok(()),
                Some(message) => Err(Refuted {
                    unwanted: unwanted.to_owned(),
                    message,
                    mailbox: inbox.show(),
                    at,
                }),
            }
        }
    }

    /// Waits for the `Down` of a process that [`monitor`](fn@rekindle_actor::monitor) watches.
    ///
    /// # Errors
    ///
    /// What is in the mailbox, if none comes in this time.
    #[track_caller]
    fn receive_down(
        &mut self,
        within: Duration,
        pid: Pid,
    ) -> impl Future<Output = Result<Down, NotReceived>> + Send
    where
        M: Debug,
    {
        let at = Location::caller();
        async move {
            let inbox = self.inbox();
            let mut downs = |info| match info {
                Info::Down(down) if down.pid == Some(pid) => Ok(down),
                other => Err(other),
            };
            match inbox.receive(within, &mut downs).await {
                Some(down) => Ok(down),
                None => Err(NotReceived {
                    wanted: format!("the Down of {pid}"),
                    within,
                    mailbox: inbox.show(),
                    at,
                }),
            }
        }
    }

    /// Waits for the exit signal of a process, which comes as a message to those who
    /// [trap exits](fn@rekindle_actor::trap_exit).
    ///
    /// # Errors
    ///
    /// What is in the mailbox, if none comes in this time.
    #[track_caller]
    fn receive_exit(
        &mut self,
        within: Duration,
        pid: Pid,
    ) -> impl Future<Output = Result<Exit, NotReceived>> + Send
    where
        M: Debug,
    {
        let at = Location::caller();
        async move {
            let inbox = self.inbox();
            let mut exits = |info| match info {
                Info::Exit(exit) if exit.from == pid => Ok(exit),
                other => Err(other),
            };
            match inbox.receive(within, &mut exits).await {
                Some(exit) => Ok(exit),
                None => Err(NotReceived {
                    wanted: format!("the Exit of {pid}"),
                    within,
                    mailbox: inbox.show(),
                    at,
                }),
            }
        }
    }
}

/// What was waited for did not come.
///
/// ```
/// use rekindle::testkit::{Receives, Test};
/// use std::time::Duration;
///
/// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test<u32>| async move {
/// t.recipient().send(3);
/// let large = |n| if n > 100 { Ok(n) } else { Err(n) };
/// let limit = Duration::from_secs(1);
/// let missed = t.receive_map(limit, "a large number", large).await.unwrap_err();
/// assert_eq!((&*missed.wanted, missed.within), ("a large number", limit));
/// assert_eq!(missed.mailbox, ["3"]); // what came instead
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NotReceived {
    /// What was waited for.
    pub wanted: String,
    /// For how long.
    pub within: Duration,
    /// What is in the mailbox, oldest first.
    pub mailbox: Vec<String>,
    /// Where.
    pub at: &'static Location<'static>,
}

/// What should not have come did.
///
/// ```
/// use rekindle::testkit::{Receives, Test};
/// use std::time::Duration;
///
/// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test<u32>| async move {
/// t.recipient().send(3);
/// let any = |_| Ok(());
/// let came = t.refute_map(Duration::from_secs(1), "a message", any).await.unwrap_err();
/// assert_eq!(came.message, "3");
/// assert!(came.to_string().starts_with("a message was received, and should not have been: 3"));
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Refuted {
    /// What should not come.
    pub unwanted: String,
    /// What came.
    pub message: String,
    /// What else is in the mailbox, oldest first.
    pub mailbox: Vec<String>,
    /// Where.
    pub at: &'static Location<'static>,
}

fn mailbox_text(mailbox: &[String]) -> String {
    if mailbox.is_empty() {
        return "\n  the mailbox is empty".to_owned();
    }
    let mut text = "\n  the mailbox, oldest first:".to_owned();
    for message in mailbox {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n    {message}");
    }
    text
}

impl fmt::Display for NotReceived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotReceived { wanted, within, .. } = self;
        match within.is_zero() {
            true => write!(f, "{wanted} has not been received")?,
            false => write!(f, "{wanted} was not received within {within:?}")?,
        }
        f.write_str(&mailbox_text(&self.mailbox))
    }
}

impl std::error::Error for NotReceived {}

impl fmt::Display for Refuted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was received, and should not have been: {}{}",
            self.unwanted,
            self.message,
            mailbox_text(&self.mailbox)
        )
    }
}

impl std::error::Error for Refuted {}

impl<M> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("kept", &self.kept.len())
            .finish_non_exhaustive()
    }
}
