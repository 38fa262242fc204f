//! Starting a process: plain, linked, monitored, with a mailbox or without.

use std::any::{TypeId, type_name};
use std::convert::Infallible;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use rekindle_scheduler::{self as scheduler, Handle, TaskView, map_output};

use crate::exit::{ExitReason, IntoExitReason};
use crate::faults;
use crate::link::{LinkId, link_at_the_end};
use crate::mailbox::{self, Address, Awaiting, Lost, Mailbox, MailboxPolicy};
use crate::monitor;
use crate::pid::{MonitorRef, Pid};
use crate::process::{Birth, Owner, Process, ProcessKind};
use crate::sender::Sender;

/// What [`spawn`] can run: a future, or a function from a [`Mailbox`] to a future.
///
/// The future may end with `()`, with a `Result<(), E>`, or with an [`ExitReason`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Body, is_alive, sleep, spawn_link};
/// use std::time::Duration;
///
/// /// A spawn of one's own, for whatever `spawn` takes.
/// fn spawn_logged<K, B: Body<K>>(what: &str, body: B) -> B::Handle {
///     println!("{what} begins");
///     spawn_link(body)
/// }
///
/// let pid = spawn_logged("a nap", sleep(Duration::from_secs(1)));
/// assert!(is_alive(pid));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run as a process",
    label = "not a body of a process",
    note = "a body is `async move {{ .. }}`, or `|mut inbox: Mailbox<M>| async move {{ .. }}`",
    note = "it ends with `()`, with an `ExitReason`, or with a `Result<(), E>` whose error is the reason: put `;` behind its last value, or use `Task::spawn` for work with a result",
    note = "everything that is held across an `.await` in it must be `Send`"
)]
pub trait Body<Kind>: Sized {
    /// The messages of the process.
    type Message: Send + 'static;
    /// What the spawner gets: a [`Pid`], or a [`Sender`].
    type Handle;

    /// The body as a future.
    fn into_future(
        self,
        inbox: Mailbox<Self::Message>,
    ) -> impl Future<Output = ExitReason> + Send + 'static;

    /// The handle on the new process.
    fn handle(pid: Pid, sender: impl FnOnce() -> Sender<Self::Message>) -> Self::Handle;
}

/// Marks bodies without a mailbox.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Body, Pid, Plain, is_alive, sleep, spawn};
/// use std::time::Duration;
///
/// /// For bodies without a mailbox alone: the handle is a [`Pid`].
/// fn spawn_all<B: Body<Plain, Handle = Pid>>(bodies: Vec<B>) -> Vec<Pid> {
///     bodies.into_iter().map(spawn).collect()
/// }
///
/// let naps = spawn_all(vec![sleep(Duration::from_secs(1)), sleep(Duration::from_secs(3))]);
/// sleep(Duration::from_secs(2)).await;
/// assert_eq!(naps.into_iter().map(is_alive).collect::<Vec<_>>(), [false, true]);
/// # });
/// ```
#[derive(Debug)]
pub struct Plain(Infallible);

/// Marks bodies with a mailbox of `M`.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Body, Mailbox, ReplyTo, Sender, WithMailbox, spawn};
///
/// type Ask = ReplyTo<u32>;
///
/// /// For bodies with a mailbox of this type alone: the handle is a [`Sender`].
/// fn spawn_source<B: Body<WithMailbox<Ask>, Handle = Sender<Ask>>>(body: B) -> Sender<Ask> {
///     spawn(body)
/// }
///
/// let seven = spawn_source(|mut inbox: Mailbox<Ask>| async move { inbox.recv().await.reply(7) });
/// assert_eq!(seven.call(|from| from).await, Ok(7));
/// # });
/// ```
#[derive(Debug)]
pub struct WithMailbox<M>(Infallible, std::marker::PhantomData<fn(M)>);

impl<F> Body<Plain> for F
where
    F: Future + Send + 'static,
    F::Output: IntoExitReason,
{
    type Message = Infallible;
    type Handle = Pid;

    fn into_future(
        self,
        _: Mailbox<Infallible>,
    ) -> impl Future<Output = ExitReason> + Send + 'static {
        map_output(self, IntoExitReason::into_exit_reason)
    }

    fn handle(pid: Pid, _: impl FnOnce() -> Sender<Infallible>) -> Pid {
        pid
    }
}

impl<M, F, Fut> Body<WithMailbox<M>> for F
where
    M: Send + 'static,
    F: FnOnce(Mailbox<M>) -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: IntoExitReason,
{
    type Message = M;
    type Handle = Sender<M>;

    fn into_future(self, inbox: Mailbox<M>) -> impl Future<Output = ExitReason> + Send + 'static {
        map_output(self(inbox), IntoExitReason::into_exit_reason)
    }

    fn handle(_: Pid, sender: impl FnOnce() -> Sender<M>) -> Sender<M> {
        sender()
    }
}

/// The kind of a process that runs a `B` and receives `M`.
pub(crate) fn kind_of<B: ?Sized, M: 'static>() -> &'static ProcessKind {
    const {
        &ProcessKind {
            behaviour: type_name::<B>,
            protocol: TypeId::of::<M>,
            is_task: false,
        }
    }
}

/// The kind of a task, whose reports name a `B`.
pub(crate) fn kind_of_task<B: ?Sized>() -> &'static ProcessKind {
    const {
        &ProcessKind {
            behaviour: type_name::<B>,
            protocol: TypeId::of::<Infallible>,
            is_task: true,
        }
    }
}

/// How the new process is tied to its spawner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    None,
    Link,
    Monitor,
}

/// Options of a process, for [`spawn_with`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{SpawnOptions, info, sleep, spawn_with};
/// use std::time::Duration;
///
/// let pid = spawn_with(SpawnOptions::new().link(), sleep(Duration::from_secs(1)));
/// assert_eq!(info(pid).unwrap().links, [rekindle_actor::self_pid()]);
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SpawnOptions {
    /// Link the process with its spawner.
    pub link: bool,
    /// How many messages the mailbox takes.
    pub mailbox: MailboxPolicy,
    /// Where the process was asked for, if not where it is spawned: what reports and
    /// [`ProcessInfo`](crate::ProcessInfo) show.
    pub spawned_at: Option<&'static Location<'static>>,
}

impl SpawnOptions {
    /// The defaults: no link, an unbounded mailbox.
    #[must_use]
    pub const fn new() -> Self {
        SpawnOptions {
            link: false,
            mailbox: MailboxPolicy::unbounded(),
            spawned_at: None,
        }
    }

    /// Links the process with its spawner.
    #[must_use]
    pub const fn link(mut self) -> Self {
        self.link = true;
        self
    }

    /// Sets the bound of the mailbox.
    #[must_use]
    pub const fn mailbox(mut self, policy: MailboxPolicy) -> Self {
        self.mailbox = policy;
        self
    }

    /// Says where the process was asked for: a library that spawns for its user passes the user's
    /// line on.
    #[must_use]
    pub const fn spawned_at(mut self, at: &'static Location<'static>) -> Self {
        self.spawned_at = Some(at);
        self
    }
}

/// Starts a process and returns at once.
///
/// A body without a mailbox gives a [`Pid`]; one with a mailbox gives a [`Sender`]. In a runtime
/// that has been shut down, the process is dead from the start.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # runtime.block_on(async {
/// use rekindle_actor::{Mailbox, spawn};
/// let pid = spawn(async { println!("hello from a process") });
/// let adder = spawn(|mut inbox: Mailbox<i32>| async move {
///     let sum = inbox.recv().await + inbox.recv().await;
///     assert_eq!(sum, 3);
/// });
/// adder.send(1);
/// adder.send(2);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn spawn<K, B: Body<K>>(body: B) -> B::Handle {
    spawn_tied(body, Tie::None, None, Location::caller()).0
}

/// As [`spawn`], and links the new process with the running one in the same step: no death of
/// either can be missed (LINK-009).
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, is_alive, sleep, spawn, spawn_link};
/// use std::time::Duration;
///
/// let parent = spawn(async {
///     spawn_link(async { ExitReason::msg("it takes its parent along") });
///     sleep(Duration::from_secs(60)).await;
/// });
/// sleep(Duration::from_secs(1)).await;
/// assert!(!is_alive(parent));
/// # });
/// ```
#[track_caller]
pub fn spawn_link<K, B: Body<K>>(body: B) -> B::Handle {
    spawn_tied(body, Tie::Link, None, Location::caller()).0
}

/// As [`spawn`], and monitors the new process in the same step: its `Down` never says `NoProc`
/// (MON-010).
///
/// # Panics
///
/// Outside of a process: there would be nobody to tell.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Info, Mailbox, spawn, spawn_monitor};
///
/// spawn(|mut inbox: Mailbox<()>| async move {
///     let (pid, reference) = spawn_monitor(async { println!("a short life") });
///     let Info::Down(down) = inbox.next().await else { panic!("nobody else sends") };
///     assert_eq!((down.pid, down.reference), (Some(pid), reference));
///     assert!(down.reason.is_normal());
/// });
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
pub fn spawn_monitor<K, B: Body<K>>(body: B) -> (B::Handle, MonitorRef) {
    let at = Location::caller();
    let (handle, reference) = spawn_tied(body, Tie::Monitor, None, at);
    (
        handle,
        reference.unwrap_or_else(|| panic!("`spawn_monitor` outside of a process, at {at}")),
    )
}

/// As [`spawn`], with options.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{Mailbox, MailboxPolicy, Overflow, SendError, SpawnOptions, spawn_with};
///
/// let options = SpawnOptions::new().mailbox(MailboxPolicy::bounded(1).when_full(Overflow::Fail));
/// let slow = spawn_with(options, |mut inbox: Mailbox<u32>| async move {
///     inbox.recv().await;
/// });
/// slow.send(1);
/// assert_eq!(slow.try_send(2), Err(SendError::Full(2)));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
#[track_caller]
pub fn spawn_with<K, B: Body<K>>(options: SpawnOptions, body: B) -> B::Handle {
    let tie = if options.link { Tie::Link } else { Tie::None };
    let at = options.spawned_at.unwrap_or(Location::caller());
    spawn_tied(body, tie, Some(options.mailbox), at).0
}

/// As [`spawn`], for a spawn that was asked for elsewhere.
pub(crate) fn spawn_at<K, B: Body<K>>(body: B, at: &'static Location<'static>) -> B::Handle {
    spawn_tied(body, Tie::None, None, at).0
}

fn spawn_tied<K, B: Body<K>>(
    body: B,
    tie: Tie,
    policy: Option<MailboxPolicy>,
    at: &'static Location<'static>,
) -> (B::Handle, Option<MonitorRef>) {
    let order = Order {
        kind: kind_of::<B, B::Message>(),
        tie,
        policy: policy.unwrap_or_default(),
        at,
    };
    order.spawn(
        |inbox| body.into_future(inbox),
        |view, pid, reference| {
            let handle = B::handle(pid, || {
                Sender::new(Address::of(view).expect("the process was made for this message"))
            });
            (handle, reference)
        },
    )
}

/// Everything about a process to be, but its body.
pub(crate) struct Order {
    pub(crate) kind: &'static ProcessKind,
    pub(crate) tie: Tie,
    pub(crate) policy: MailboxPolicy,
    pub(crate) at: &'static Location<'static>,
}

impl Order {
    /// Spawns in the running runtime. `M` must be the message type of `kind`. `handle` is called once. (It can be
    /// called again so that it need not be moved.)
    pub(crate) fn spawn<M, F, R>(
        self,
        body: impl FnOnce(Mailbox<M>) -> F,
        handle: impl FnMut(TaskView<'_>, Pid, Option<MonitorRef>) -> R,
    ) -> R
    where
        M: Send + 'static,
        F: Future<Output = ExitReason> + Send + 'static,
    {
        let at = self.at;
        scheduler::with_handle(|runtime| match runtime {
            Some(runtime) => self.spawn_in(runtime, body, handle),
            None => panic!("a process was spawned outside of a runtime, at {at}"),
        })
    }

    pub(crate) fn spawn_in<M, F, R>(
        self,
        runtime: &Handle,
        body: impl FnOnce(Mailbox<M>) -> F,
        mut handle: impl FnMut(TaskView<'_>, Pid, Option<MonitorRef>) -> R,
    ) -> R
    where
        M: Send + 'static,
        F: Future<Output = ExitReason> + Send + 'static,
    {
        assert_eq!(
            (self.kind.protocol)(),
            TypeId::of::<M>(),
            "the kind is that of the messages"
        );
        let node = runtime.runtime_id();
        let now = runtime.coarse_now();
        let (parent, tie, id) = Owner::current(|owner| match (owner, self.tie) {
            (None, _) => (None, Tie::None, 0),
            (Some(owner), Tie::None) => (Some(owner.pid()), Tie::None, 0),
            (Some(owner), tie) => (Some(owner.pid()), tie, owner.private().next_serial()),
        });
        let birth = Birth {
            kind: self.kind,
            spawned_at: self.at,
            bound: self.policy.bound(),
            linked: matches!(tie, Tie::Link).then(|| LinkId::of_serial(id)),
        };
        runtime.spawn_with_id(
            |task| body(Mailbox::of(Pid::new(node, task))),
            |_| Process::new(node, now, parent, birth),
            |view| {
                let pid = Pid::new(node, view.id());
                let reference = match tie {
                    Tie::None => None,
                    tie => tie_to_parent(tie, id, view, pid),
                };
                faults::note(|| format!("spawns {pid} {}", view.describe()));
                handle(view, pid, reference)
            },
        )
    }
}

/// The spawner's half of a link or a monitor.
fn tie_to_parent(tie: Tie, id: u64, child: TaskView<'_>, pid: Pid) -> Option<MonitorRef> {
    match tie {
        Tie::None => None,
        Tie::Link => Owner::current(|owner| {
            let owner = owner?;
            let id = LinkId::of_serial(id);
            let noted = owner.with_links(|mut links| links.add_mine(pid, id));
            if let Err(reason) = noted {
                link_at_the_end(owner, pid, id, reason);
            }
            None
        }),
        Tie::Monitor => Owner::current(|owner| {
            let reference = monitor::expect_down(owner?, monitor::Watched::plain(Some(pid)));
            let process: &Process = child.host()?;
            process
                .shared()
                .make_watches()
                .watchers
                .insert(reference, None);
            Some(reference)
        }),
    }
}

/// Runs `future` as a process; the result waits for its value.
#[track_caller]
pub(crate) fn main_process<T: Send + 'static>(
    runtime: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> MainProcess<T> {
    let (reply, awaiting) = mailbox::acknowledgement::<T>(None);
    let order = Order {
        kind: kind_of::<Main, Infallible>(),
        tie: Tie::None,
        policy: MailboxPolicy::unbounded(),
        at: Location::caller(),
    };
    let body = |_: Mailbox<Infallible>| async move {
        reply.reply(future.await);
        ExitReason::Normal
    };
    order.spawn_in(runtime, body, |_, _, _| ());
    MainProcess(awaiting)
}

/// The name under which a main process appears.
struct Main;

/// Waits for the value of a main process.
pub(crate) struct MainProcess<T>(Awaiting<T>);

impl<T> Future for MainProcess<T> {
    type Output = Result<T, ExitReason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|result| {
            result.map_err(|lost| match lost {
                Lost::Exited(reason) => reason,
                Lost::Gone | Lost::NoReply => ExitReason::Killed,
            })
        })
    }
}
