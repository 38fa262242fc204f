//! What the body of a test is handed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rekindle_actor::{Handle, Mailbox, Never, Pid, Recipient, Time, self_pid};
use rekindle_supervisor::{Child, ChildSpec, StartChildError, SupervisorHandle};

use crate::faults::Faults;
use crate::inbox::{Inbox, Receives};
use crate::kit::{Crash, Kit};
use crate::probe::Probe;

/// How often a test on real threads looks whether all wait.
const LOOK: Duration = Duration::from_millis(1);
/// How many looks in a row must find that all wait.
const LOOKS: u32 = 5;

/// A test from inside: its body is a process, which receives messages of type `M`.
///
/// ```test_harness
/// use rekindle::testkit::{Test, assert_receive};
/// use rekindle::prelude::*;
///
/// #[rekindle::test(simulated, seeds = 20)]
/// async fn a_message_comes_late(t: &mut Test<&'static str>) {
///     send_after(Duration::from_secs(3600), &t.recipient(), "late");
///     t.advance(Duration::from_secs(3600)).await;
///     assert_receive!(t, "late");
/// }
/// ```
pub struct Test<M = Never> {
    inbox: Inbox<M>,
    kit: Arc<Kit>,
    pid: Pid,
    children: usize,
}

impl<M: Send + 'static> Test<M> {
    pub(crate) fn new(mailbox: Mailbox<M>, kit: Arc<Kit>) -> Test<M> {
        let pid = mailbox.pid();
        *kit.body.lock() = Some(pid);
        Test {
            inbox: Inbox::own(mailbox),
            kit,
            pid,
            children: 0,
        }
    }

    /// The test's own process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// A handle by which others send to the test.
    ///
    /// # Panics
    ///
    /// In another process than the test's own.
    #[must_use]
    pub fn recipient(&self) -> Recipient<M> {
        self.inbox.recipient()
    }

    /// The seed of this run; 0 on real threads.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.kit.seed
    }

    /// Whether time and order are simulated.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.kit.simulated
    }

    /// The time: virtual under the simulator.
    #[must_use]
    pub fn now(&self) -> Time {
        rekindle_actor::now()
    }

    /// Starts a child under the test's supervisor, and gives the handle that is usual for its type.
    /// Before the test ends, what was started is stopped in reverse order; the test fails if
    /// something will not stop in 30 s.
    ///
    /// The supervisor restarts children by their restart class, a million times in a second if it
    /// must. Children of the same type need ids of their own.
    ///
    /// # Panics
    ///
    /// If the child does not start. See [`try_start_supervised`](Self::try_start_supervised) for a
    /// version that gives the error.
    ///
    /// ```
    /// use rekindle::testkit::Test;
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let tally: Agent<u32> = t.start_supervised(Agent::child(|| 7)).await;
    /// assert_eq!(tally.get(|n| *n).await, Ok(7));
    /// // It is restarted as it would be in the program.
    /// exit(tally.pid().unwrap(), ExitReason::Kill);
    /// t.settle().await;
    /// assert_eq!(t.supervisor().await.count_children().await.unwrap().active, 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn start_supervised<C: Child + Send>(
        &mut self,
        child: C,
    ) -> impl Future<Output = C::Handle> + Send + use<C, M>
    where
        C::Handle: Send,
    {
        let at = std::panic::Location::caller();
        let starting = self.try_start_supervised(child);
        async move {
            match starting.await {
                Ok(handle) => handle,
                Err(error) => panic!("`start_supervised` at {at}: {error}"),
            }
        }
    }

    /// As [`start_supervised`](Self::start_supervised).
    ///
    /// # Errors
    ///
    /// If the child does not start.
    ///
    /// ```
    /// use rekindle::testkit::Test;
    /// use rekindle::StartChildError;
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let broken = t.faults().fail_start(Agent::child(|| 0), 1);
    /// let refused = t.try_start_supervised(broken).await.unwrap_err();
    /// assert!(matches!(refused, StartChildError::Failed(_)), "{refused}");
    /// # });
    /// ```
    pub fn try_start_supervised<C: Child + Send>(
        &mut self,
        child: C,
    ) -> impl Future<Output = Result<C::Handle, StartChildError>> + Send + use<C, M>
    where
        C::Handle: Send,
    {
        self.children += 1;
        let spec: ChildSpec = child.into();
        let kit = Arc::clone(&self.kit);
        async move {
            let started = kit.supervisor().await.start_child(spec).await?;
            let pid = started.pid();
            C::handle(started).ok_or_else(|| {
                StartChildError::Failed(rekindle_actor::ExitReason::msg(format!(
                    "the start of {pid} gave no handle of the usual type"
                )))
            })
        }
    }

    /// As [`start_supervised`](Self::start_supervised), and links the child with the test: if it
    /// crashes, so does the test.
    ///
    /// # Panics
    ///
    /// If the child does not start.
    #[track_caller]
    pub fn start_link_supervised<C>(
        &mut self,
        child: C,
    ) -> impl Future<Output = C::Handle> + Send + use<C, M>
    where
        C: Child + Send,
        C::Handle: Send,
    {
        let at = std::panic::Location::caller();
        let spec: ChildSpec = child.into();
        let starting = self.try_start_supervised(spec);
        async move {
            let started = match starting.await {
                Ok(started) => started,
                Err(error) => panic!("`start_link_supervised` at {at}: {error}"),
            };
            rekindle_actor::link(started.pid());
            match C::handle(started) {
                Some(handle) => handle,
                None => panic!("`start_link_supervised` at {at}: no handle of the usual type"),
            }
        }
    }

    /// Stops a child that the test has started, and forgets it.
    ///
    /// # Panics
    ///
    /// If there is no child of this id.
    ///
    /// ```
    /// use rekindle::testkit::Test;
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// t.start_supervised(Agent::child(|| 0).name("cache")).await;
    /// assert!(whereis("cache").is_some());
    /// t.stop_supervised("cache").await; // how does the rest get along without it?
    /// assert!(whereis("cache").is_none());
    /// # });
    /// ```
    pub async fn stop_supervised(&mut self, id: &str) {
        let supervisor = self.supervisor().await;
        if let Err(error) = supervisor.terminate_child(id).await {
            panic!("`stop_supervised({id:?})`: {error}");
        }
        // A temporary child is forgotten already.
        let _ = supervisor.delete_child(id).await;
    }

    /// The test's supervisor.
    pub async fn supervisor(&self) -> SupervisorHandle {
        self.kit.supervisor().await
    }

    /// A process that receives messages of another type for the test.
    #[track_caller]
    pub fn probe<N: Send + 'static>(&self) -> Probe<N> {
        Probe::start()
    }

    /// Lets this much time pass, with all that happens in it, until all processes wait. Under the
    /// simulator that takes no time.
    ///
    /// ```
    /// use rekindle::testkit::{Test, assert_received, refute_receive};
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test<&'static str>| async move {
    /// send_after(Duration::from_secs(60), &t.recipient(), "a minute is over");
    /// t.advance(Duration::from_secs(59)).await;
    /// refute_receive!(t, _, within = Duration::ZERO);
    /// t.advance(Duration::from_secs(1)).await;
    /// assert_received!(t, "a minute is over");
    /// # });
    /// ```
    pub async fn advance(&mut self, time: Duration) {
        rekindle_actor::sleep(time).await;
        self.settle().await;
    }

    /// Runs until all other processes wait: for a message, or for time to pass. The clock does not
    /// move meanwhile under the simulator.
    ///
    /// On real threads this is an approximation: until all have been seen waiting, several times in
    /// a row, a millisecond apart.
    ///
    /// ```
    /// use rekindle::testkit::Test;
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let tally = t.start_supervised(Agent::child(|| 0)).await;
    /// for _ in 0..10 {
    ///     let tally = tally.clone();
    ///     spawn(async move { tally.cast(|n| *n += 1) });
    /// }
    /// t.settle().await; // all have sent, and all of it has been handled
    /// assert_eq!(tally.get(|n| *n).await, Ok(10));
    /// assert_eq!(t.now().as_nanos(), 0);
    /// # });
    /// ```
    pub async fn settle(&mut self) {
        let settled = with_handle(|handle| handle.simulation().map(|sim| sim.settled()));
        if let Some(settled) = settled {
            return settled.await;
        }
        let mut quiet = 0;
        while quiet < LOOKS {
            rekindle_actor::sleep(LOOK).await;
            quiet = match all_wait(self.pid) {
                true => quiet + 1,
                false => 0,
            };
        }
    }

    /// Moves the clock forward at once, as when a machine sleeps: what was due meanwhile comes
    /// late. To let it happen on the way, [`advance`](Self::advance).
    ///
    /// # Panics
    ///
    /// On real threads.
    ///
    /// ```
    /// use rekindle::testkit::Test;
    /// use rekindle::prelude::*;
    ///
    /// # rekindle::testkit::TestRun::new("example").simulated().run(|mut t: Test| async move {
    /// let nap = spawn(sleep(Duration::from_secs(1)));
    /// t.settle().await;
    /// t.jump_clock(Duration::from_secs(8 * 3600)); // the lid of the laptop was closed
    /// assert!(is_alive(nap)); // nothing has happened on the way
    /// t.settle().await;
    /// assert!(!is_alive(nap));
    /// # });
    /// ```
    #[track_caller]
    pub fn jump_clock(&mut self, time: Duration) {
        self.faults().jump_clock(time);
    }

    /// Faults for this run.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::of(&self.kit)
    }

    /// Has all [`invariants`](crate::invariants) looked at before each turn of any process from now
    /// on; the first that does not hold ends the test. It costs a look at every process each time.
    ///
    /// # Panics
    ///
    /// On real threads, where the state changes while it is looked at.
    #[track_caller]
    pub fn watch_invariants(&mut self) {
        self.faults().watch_invariants();
    }

    /// Says something in the trace that a failure prints.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        rekindle_scheduler::trace(|| text);
    }

    /// Has a process killed at each of its turns from now on, each time in a run of its own: see
    /// [`for_each_crash_point`](crate::for_each_crash_point). Elsewhere this does nothing.
    pub fn victim(&mut self, pid: Pid) {
        if self.kit.crash != Crash::Off {
            self.faults().add_victim(pid);
        }
    }
}

fn with_handle<R>(f: impl FnOnce(&Handle) -> R) -> R {
    rekindle_scheduler::with_handle(|handle| {
        f(handle.expect("a test's body runs in the test's runtime"))
    })
}

/// Whether every process but this one waits.
fn all_wait(but: Pid) -> bool {
    let mut from = Some(0);
    while let Some(place) = from {
        let window = rekindle_actor::list(place, 1024);
        let busy = window
            .processes
            .iter()
            .any(|process| process.pid != but && process.running);
        if busy {
            return false;
        }
        from = window.next;
    }
    true
}

impl<M: Send + 'static> Receives<M> for Test<M> {
    fn inbox(&mut self) -> &mut Inbox<M> {
        debug_assert_eq!(self_pid(), self.pid);
        &mut self.inbox
    }
}

impl<M> fmt::Debug for Test<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Test")
            .field("pid", &self.pid)
            .field("seed", &self.kit.seed)
            .field("simulated", &self.kit.simulated)
            .field("started", &self.children)
            .finish_non_exhaustive()
    }
}
