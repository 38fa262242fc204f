//! What a callback is handed.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use futures_core::Stream;

use super::gen_server::{GenServer, Next, ServerMessage, Step};
use super::handle::Addr;
use crate::ambient::{parent, self_pid};
use crate::attach::{Attached, attach, attach_until_end};
use crate::link::within;
use crate::mailbox::{Address, Info};
use crate::pid::Pid;
use crate::process::Owner;
use crate::recipient::Recipient;
use crate::report::short_type_name;
use crate::time::{Interval, TimerRef, ZeroPeriod, send_after, send_interval};

/// A server's view of itself, for its callbacks.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{Context, GenServer, Info, Init, Next, Step};
/// # use rekindle_actor::{ExitReason, Never, ReplyTo};
/// use std::time::Duration;
///
/// struct Clock { ticks: u32 }
/// struct Tick;
///
/// impl GenServer for Clock {
/// #     type Args = (); type Call = ReplyTo<u32>; type Cast = Never; type Info = Tick; type Continue = Never;
/// #     async fn handle_call(&mut self, from: ReplyTo<u32>, _: &mut Context<Self>) -> Step<Self> { from.reply(self.ticks); Ok(Next::Wait) }
///     // ...
///     async fn init(_: (), cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
///         cx.send_after(Duration::from_secs(1), Tick);
///         Ok(Init::Ready(Clock { ticks: 0 }))
///     }
///     async fn handle_info(&mut self, info: Info<Tick>, cx: &mut Context<Self>) -> Step<Self> {
///         let Info::Message(Tick) = info else { return cx.unexpected(info) };
///         cx.send_after(Duration::from_secs(1), Tick);
///         self.ticks += 1;
///         Ok(Next::Wait)
///     }
/// }
/// # let clock = Clock::start(()).await.unwrap();
/// # rekindle_actor::sleep(Duration::from_millis(3_500)).await;
/// # assert_eq!(clock.call(|from| from).await, Ok(3));
/// # });
/// ```
pub struct Context<G> {
    server: PhantomData<fn() -> G>,
}

impl<G: GenServer> Context<G> {
    pub(super) fn new() -> Self {
        Context {
            server: PhantomData,
        }
    }

    /// A context for callbacks that are called by hand in the running process: for test harnesses.
    /// The process must be one whose messages are [`ServerMessage<G>`](crate::ServerMessage), or
    /// [`addr`](Self::addr) panics.
    #[must_use]
    pub fn of_running() -> Self {
        Context::new()
    }

    /// The server's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self_pid()
    }

    /// The server's parent.
    #[must_use]
    pub fn parent(&self) -> Option<Pid> {
        parent()
    }

    /// A handle on the server itself, to be passed on.
    ///
    /// # Panics
    ///
    /// In another process than the server's own.
    #[must_use]
    pub fn addr(&self) -> Addr<G> {
        within("Context::addr", |owner| {
            let address = Address::<ServerMessage<G>>::of(owner.view());
            Addr::new(address.expect("a context is used by its own server"))
        })
    }

    /// A handle by which others send plain messages to the server.
    #[must_use]
    pub fn recipient(&self) -> Recipient<G::Info> {
        self.addr().recipient()
    }

    /// Sends a message to the server itself after `delay`; it arrives in `handle_info`.
    pub fn send_after(&self, delay: Duration, message: impl Into<G::Info>) -> TimerRef {
        send_after(delay, &self.recipient(), message.into())
    }

    /// Sends a clone of a message to the server itself every `period`.
    ///
    /// # Errors
    ///
    /// If the period is zero.
    pub fn send_interval<M>(&self, period: Duration, message: M) -> Result<Interval, ZeroPeriod>
    where
        M: Clone + Send + 'static,
        G::Info: From<M>,
    {
        send_interval(period, &self.addr().recipient(), message)
    }

    /// Attaches a stream to the server: each item arrives in `handle_info`, when there is no other
    /// message, and the next is asked for when it has been handled. The stream belongs to the server
    /// and is dropped with it; see [`attach`](crate::attach) for the details.
    ///
    /// ```
    /// # let runtime = rekindle_actor::Runtime::simulated(1);
    /// # runtime.block_on(async {
    /// use rekindle_actor::{Context, ExitReason, GenServer, Info, Init, Never, Next, Step, Task};
    ///
    /// struct Sum(u64);
    ///
    /// enum Item { Number(u64), End }
    ///
    /// impl GenServer for Sum {
    ///     type Args = ();
    ///     type Call = Never;
    ///     type Cast = Never;
    ///     type Info = Item;
    ///     type Continue = Never;
    ///
    ///     async fn init(_: (), cx: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
    ///         let squares = Task::async_stream(1..=3, |n| async move { n * n });
    ///         let _ = cx.attach_until_end(squares, |n| Item::Number(n.unwrap_or(0)), Item::End);
    ///         Ok(Init::Ready(Sum(0)))
    ///     }
    ///     async fn handle_info(&mut self, info: Info<Item>, cx: &mut Context<Self>) -> Step<Self> {
    ///         match info {
    ///             Info::Message(Item::Number(n)) => self.0 += n,
    ///             Info::Message(Item::End) => {
    ///                 assert_eq!(self.0, 14);
    ///                 return Ok(Next::Stop(ExitReason::Normal));
    ///             }
    ///             other => return cx.unexpected(other),
    ///         }
    ///         Ok(Next::Wait)
    ///     }
    /// }
    ///
    /// let sum = Sum::start(()).await.unwrap();
    /// # while sum.is_alive() { rekindle_actor::yield_now().await; }
    /// # assert!(rekindle_actor::recent_crashes().is_empty());
    /// # });
    /// ```
    pub fn attach<S: Stream + Send + 'static>(
        &self,
        stream: S,
        mut into_info: impl FnMut(S::Item) -> G::Info + Send + 'static,
    ) -> Attached {
        attach(stream, move |item| {
            ServerMessage::<G>::Info(into_info(item))
        })
    }

    /// As [`attach`](Self::attach); the end of the stream arrives in `handle_info` too.
    pub fn attach_until_end<S: Stream + Send + 'static>(
        &self,
        stream: S,
        mut into_info: impl FnMut(S::Item) -> G::Info + Send + 'static,
        at_end: G::Info,
    ) -> Attached {
        let into_message = move |item| ServerMessage::<G>::Info(into_info(item));
        attach_until_end(stream, into_message, ServerMessage::Info(at_end))
    }

    /// After how much idle time the server sheds memory, if it was asked to at its start.
    #[must_use]
    pub fn hibernate_after(&self) -> Option<Duration> {
        let nanos = Owner::current(|owner| owner?.private().hibernate_after());
        nanos.map(|nanos| Duration::from_nanos(nanos.get()))
    }

    /// For what `handle_info` does not expect: logs it, as OTP does, and goes on.
    ///
    /// # Errors
    ///
    /// Never; the type is that of a callback's result.
    pub fn unexpected(&self, info: Info<G::Info>) -> Step<G> {
        let what = match &info {
            Info::Message(_) => {
                format!(
                    "message {}",
                    short_type_name(std::any::type_name::<G::Info>())
                )
            }
            Info::Timeout => "timeout".to_owned(),
            Info::Down(down) => match down.pid {
                Some(pid) => format!("down of {pid}: {}", down.reason),
                None => format!("down: {}", down.reason),
            },
            Info::Exit(exit) => format!("exit of {}: {}", exit.from, exit.reason),
        };
        let server = short_type_name(std::any::type_name::<G>());
        rekindle_scheduler::log_guarded(
            || log::error!(target: "rekindle", "{server} ({}) received an unexpected {what}", self.pid()),
        );
        Ok(Next::Wait)
    }
}

impl<G> fmt::Debug for Context<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
