//! A behaviour: a loop that is written once, and callbacks that its users write.
//!
//! This one does a piece of work again and again, with a pause between, and can be told to do it at
//! once.
//!
//! ```
//! use std::time::Duration;
//!
//! use rekindle::{ExitReason, Runtime, sleep};
//!
//! use {{name}}::{{Name}};
//!
//! struct Clock(u32);
//!
//! impl {{Name}} for Clock {
//!     type Args = u32;
//!     const PAUSE: Duration = Duration::from_secs(60);
//!
//!     async fn init(from: u32) -> Result<Self, ExitReason> {
//!         Ok(Clock(from))
//!     }
//!     async fn work(&mut self) -> Result<(), ExitReason> {
//!         self.0 += 1;
//!         Ok(())
//!     }
//! }
//!
//! Runtime::simulated(1).block_on(async {
//!     let clock = Clock::start_link(0).await.unwrap();
//!     sleep(Duration::from_secs(150)).await;
//!     clock.now();
//! });
//! ```

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use rekindle::sys::{SystemState, SystemVerdict};
use rekindle::{
    Ack, ChildHandle, ChildSpec, Event, ExitReason, IntoStarted, Mailbox, Pid, Sender, StartError,
    Starter, guarded, note_last_message, note_state, parent, trap_exit,
};

/// The callbacks. The implementing type is the state, and lives in the process.
pub trait {{Name}}: Sized + Send + 'static {
    /// What the start passes to `init`.
    type Args: Send + 'static;

    /// How long to wait between two pieces of work.
    const PAUSE: Duration;

    /// Makes the state. The starter waits meanwhile.
    ///
    /// # Errors
    ///
    /// The start fails with the reason.
    fn init(args: Self::Args) -> impl Future<Output = Result<Self, ExitReason>> + Send;

    /// Does the work once.
    ///
    /// # Errors
    ///
    /// The process crashes with the reason.
    fn work(&mut self) -> impl Future<Output = Result<(), ExitReason>> + Send;

    /// Cleans up, unless the process is killed.
    fn terminate(&mut self, reason: &ExitReason) -> impl Future<Output = ()> + Send {
        let _ = reason;
        async {}
    }

    /// What may be seen of the state; nothing by default, for it may hold secrets.
    fn format_status(&self) -> Option<String> {
        None
    }

    /// Starts a process, linked with the running one. Awaited, it says how `init` went.
    #[track_caller]
    fn start_link(args: Self::Args) -> impl Future<Output = Result<Handle, StartError>> + Send {
        start::<Self>(args, Location::caller())
    }

    /// The process as a child of any supervisor, started with a clone of `args` each time.
    #[track_caller]
    fn child(args: Self::Args) -> ChildSpec
    where
        Self::Args: Clone + Sync,
    {
        let at = Location::caller();
        ChildSpec::worker("{{name}}", move || start::<Self>(args.clone(), at))
    }
}

/// A handle on one life of such a process. It keeps nothing alive.
#[derive(Debug, Clone)]
pub struct Handle(Sender<Order>);

/// What the process is told.
enum Order {
    Now,
}

impl Handle {
    /// Has the work done at once. Nobody waits, and nobody is told if the process is gone.
    pub fn now(&self) {
        self.0.send(Order::Now);
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }
}

/// What `start_child` of a supervisor gives.
impl IntoStarted for Handle {
    fn into_started(self) -> Result<ChildHandle, StartError> {
        Ok(ChildHandle::with_info(self.pid(), self))
    }
}

/// Reports say that the process comes from `at`, which is its user's line.
async fn start<B: {{Name}}>(
    args: B::Args,
    at: &'static Location<'static>,
) -> Result<Handle, StartError> {
    let body = move |inbox: Mailbox<Order>, ack: Ack| serve::<B>(args, inbox, ack);
    let starter = Starter::new("").link().spawned_at(at);
    // The type stands for the behaviour in reports, instead of that of a closure.
    let starting = starter.start_behaviour::<B, _, _, _>(body);
    starting.await.map(Handle)
}

/// The life of the process. The reason that it gives is the one with which the process ends.
async fn serve<B: {{Name}}>(args: B::Args, mut inbox: Mailbox<Order>, ack: Ack) -> ExitReason {
    // A callback may panic: `guarded` makes that a reason. An `ack` that is dropped tells the
    // starter why.
    let mut state = match guarded(B::init(args)).await {
        Ok(Ok(state)) => state,
        Ok(Err(reason)) | Err(reason) => return reason,
    };
    // From here on the parent's end is an event, so that `terminate` runs.
    trap_exit(true);
    ack.ready();
    let reason = run(&mut state, &mut inbox).await;
    match guarded(state.terminate(&reason)).await {
        Ok(()) => reason,
        Err(panic) => panic,
    }
}

/// The loop: waits, works. Gives the reason to end with.
async fn run<B: {{Name}}>(state: &mut B, inbox: &mut Mailbox<Order>) -> ExitReason {
    let mut system = SystemState::new();
    loop {
        let event = if system.is_suspended() {
            inbox.next_system().await
        } else {
            inbox.next_event(Some(B::PAUSE)).await
        };
        let why = match event {
            Event::Timeout => "the pause is over",
            Event::Message(Order::Now) => "told to work now",
            Event::System(message) => match message.handle(&mut system, state, B::format_status) {
                SystemVerdict::Continue => continue,
                SystemVerdict::Stop(reason) => return reason,
            },
            // The parent's end is ours; another's only if it was no normal one.
            Event::Exit(exit) if Some(exit.from) == parent() || !exit.reason.is_normal() => {
                return exit.reason;
            }
            _ => continue,
        };
        let worked = guarded(state.work()).await;
        if let Ok(Err(reason)) | Err(reason) = worked {
            // For the crash report.
            note_last_message(why, inbox.caller());
            if let Some(text) = state.format_status() {
                note_state(text);
            }
            return reason;
        }
    }
}
