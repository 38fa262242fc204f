//! A process that receives in a test's name.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rekindle_actor::{Info, Mailbox, Pid, Recipient, ReplyTo, Sender, spawn, trap_exit};

use crate::inbox::{Collected, Inbox, Receives};

/// What a probe's process is sent: what others send, and orders of the test.
enum ToProbe<M> {
    Message(M),
    Order(Box<dyn FnOnce() + Send>, ReplyTo<()>),
}

/// A process that receives messages of one type and keeps them for the test. It traps exits.
///
/// A test may have any number of probes; each is a process of its own, with its own pid, so it can
/// stand in for a server's client, a subscriber, or a parent.
///
/// ```test_harness
/// use rekindle::testkit::{Probe, Test, assert_receive, assert_down};
/// use rekindle::prelude::*;
///
/// #[rekindle::test(simulated)]
/// async fn body(t: &mut Test) {
///     let mut probe: Probe<String> = t.probe();
///     let to = probe.recipient();
///     let worker = spawn(async move { to.send("done".to_owned()) });
///     probe.monitor(worker).await;
///     assert_receive!(probe, text if text == "done");
///     assert_down!(probe, worker);
/// }
/// ```
#[must_use = "a probe that nobody asks shows nothing"]
pub struct Probe<M> {
    process: Sender<ToProbe<M>>,
    inbox: Inbox<M>,
}

impl<M: Send + 'static> Probe<M> {
    #[track_caller]
    pub(crate) fn start() -> Probe<M> {
        let collected = Arc::new(Mutex::new(Collected {
            items: VecDeque::new(),
            waker: None,
        }));
        let theirs = Arc::clone(&collected);
        let process = spawn(move |inbox: Mailbox<ToProbe<M>>| collect(inbox, theirs));
        let recipient = process.recipient::<M>();
        Probe {
            inbox: Inbox::of_probe(collected, recipient),
            process,
        }
    }

    /// The probe's process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// A handle by which others send to the probe.
    #[must_use]
    pub fn recipient(&self) -> Recipient<M> {
        self.inbox.recipient()
    }

    /// Has the probe's process run a function, and waits until it has: whatever a process can do,
    /// such as linking itself.
    ///
    /// # Panics
    ///
    /// If the probe was killed, or `f` panics.
    ///
    /// ```
    /// use rekindle::testkit::{Probe, Test};
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let clerk: Probe<String> = t.probe();
    /// let name = clerk.run(|| register("clerk", self_pid())).await;
    /// assert_eq!((name, whereis("clerk")), (Ok(()), Some(clerk.pid())));
    /// # });
    /// ```
    pub async fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        let result = Arc::new(Mutex::new(None));
        let theirs = Arc::clone(&result);
        let order = Box::new(move || *theirs.lock() = Some(f()));
        let done = self.process.call(|from| ToProbe::Order(order, from));
        let done = done.no_timeout().await;
        let result = result.lock().take();
        result.unwrap_or_else(|| panic!("the probe {} has no result: {done:?}", self.pid()))
    }

    /// Has the probe monitor a process.
    pub async fn monitor(&self, pid: Pid) -> rekindle_actor::MonitorRef {
        self.run(move || rekindle_actor::monitor(pid)).await
    }

    /// Has the probe link itself with a process; as it traps exits, it gets the end as an
    /// [`Exit`](rekindle_actor::Exit).
    ///
    /// ```
    /// use rekindle::testkit::{Probe, Receives, Test};
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let worker = spawn(sleep(Duration::from_secs(1)));
    /// let mut parent: Probe<()> = t.probe();
    /// parent.link(worker).await;
    /// exit(worker, ExitReason::msg("no paper"));
    /// let heard = parent.receive_exit(Duration::from_secs(1), worker).await.unwrap();
    /// assert_eq!(heard.reason.to_string(), "no paper");
    /// # });
    /// ```
    pub async fn link(&self, pid: Pid) {
        self.run(move || rekindle_actor::link(pid)).await;
    }
}

async fn collect<M: Send + 'static>(
    mut inbox: Mailbox<ToProbe<M>>,
    collected: Arc<Mutex<Collected<M>>>,
) {
    trap_exit(true);
    loop {
        let info = match inbox.next().await {
            Info::Message(ToProbe::Message(message)) => Info::Message(message),
            Info::Message(ToProbe::Order(order, from)) => {
                order();
                from.reply(());
                continue;
            }
            Info::Down(down) => Info::Down(down),
            Info::Exit(exit) => Info::Exit(exit),
            _ => continue,
        };
        let mut collected = collected.lock();
        collected.items.push_back(info);
        let waker = collected.waker.take();
        drop(collected);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<M> From<M> for ToProbe<M> {
    fn from(message: M) -> ToProbe<M> {
        ToProbe::Message(message)
    }
}

impl<M: Send + 'static> Receives<M> for Probe<M> {
    fn inbox(&mut self) -> &mut Inbox<M> {
        &mut self.inbox
    }
}

impl<M> fmt::Debug for Probe<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}
