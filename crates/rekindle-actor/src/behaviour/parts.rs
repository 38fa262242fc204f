//! What a behaviour's loop says of its process: for the crash report, at the end, in a long wait.

use crate::pid::Pid;
use crate::process::{LastMessage, Owner};

/// Notes what the running process is handling, for its crash report; it stays noted until the next
/// note. `from` is who asked, if anybody waits for an answer:
/// [`Mailbox::caller`](crate::Mailbox::caller) tells.
///
/// A text may show a secret, and it costs time: [`GenServer`](crate::GenServer) notes the type of
/// a message, at the crash, and its text only where the server shows it. Outside of a process
/// nothing happens.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::new()?;
/// # let report = runtime.block_on(async {
/// use rekindle_actor::{
///     Ack, Event, ExitReason, Mailbox, Starter, monitor, note_last_message, note_state, recent_crashes,
/// };
///
/// /// Adds up, and does not like thirteen.
/// async fn adder(mut inbox: Mailbox<u32>, ack: Ack) -> ExitReason {
///     ack.ready();
///     let mut sum = 0;
///     loop {
///         let Event::Message(n) = inbox.next_event(None).await else { continue };
///         if n == 13 {
///             note_last_message(format!("number {n}"), inbox.caller());
///             note_state(sum.to_string());
///             return ExitReason::msg("thirteen");
///         }
///         sum += n;
///     }
/// }
///
/// let adder = Starter::new("adder").start(adder).await.unwrap();
/// let watch = monitor(adder.pid());
/// adder.send(7);
/// adder.send(13);
/// # let _ = watch;
/// # while rekindle_actor::is_alive(adder.pid()) { rekindle_actor::yield_now().await; }
/// # recent_crashes().pop()
/// # });
/// let report = report.expect("the adder has crashed");
/// assert_eq!(report.last_message.as_deref(), Some("number 13"));
/// assert_eq!(report.state.as_deref(), Some("7"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn note_last_message(what: impl Into<String>, from: Option<Pid>) {
    let what = what.into();
    Owner::current(|owner| {
        if let Some(owner) = owner {
            owner.private().make_rare().last_message = Some(LastMessage { what, from });
        }
    });
}

/// Notes the state of the running process, for its crash report; it stays noted until the next
/// note. Outside of a process nothing happens. See [`note_last_message`].
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, note_state, recent_crashes, sleep, spawn};
/// use std::time::Duration;
///
/// spawn(async {
///     for page in 1.. {
///         note_state(format!("at page {page} of 5"));
///         if page == 3 {
///             return ExitReason::msg("no paper");
///         }
///     }
///     ExitReason::Normal
/// });
/// sleep(Duration::from_secs(1)).await;
/// assert_eq!(recent_crashes()[0].state.as_deref(), Some("at page 3 of 5"));
/// # });
/// ```
pub fn note_state(text: impl Into<String>) {
    let text = text.into();
    Owner::current(|owner| {
        if let Some(owner) = owner {
            owner.private().make_rare().state_text = Some(text);
        }
    });
}

/// To be said by a loop that has decided to end, before it cleans up: whoever's request is thrown
/// away from now on hears with which reason the process ended, and not that there is no answer.
/// Outside of a process nothing happens.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{CallError, ExitReason, Mailbox, ReplyTo, begin_ending, spawn};
///
/// let closing = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
///     let unanswered = inbox.recv().await;
///     begin_ending();
///     drop(unanswered);
///     ExitReason::Shutdown
/// });
/// // And not `NoReply`, which would say that the request was forgotten.
/// let call = closing.call(|from| from).await;
/// assert_eq!(call, Err(CallError::Exited(ExitReason::Shutdown)));
/// # });
/// ```
pub fn begin_ending() {
    Owner::current(|owner| {
        if let Some(owner) = owner {
            owner.private().life.set_ending();
        }
    });
}

/// Gives back what memory the running process can do without, before a long wait: buffers of its
/// own books, and what was noted for a crash report. The state is the behaviour's to shrink.
/// Outside of a process nothing happens.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, give_back_memory, note_state, recent_crashes, sleep, spawn};
/// use std::time::Duration;
///
/// spawn(async {
///     note_state("a long text, noted for a crash report");
///     give_back_memory();
///     sleep(Duration::from_secs(3600)).await;
///     ExitReason::msg("broken all the same")
/// });
/// sleep(Duration::from_secs(3601)).await;
/// assert_eq!(recent_crashes()[0].state, None);
/// # });
/// ```
pub fn give_back_memory() {
    Owner::current(|owner| {
        let Some(owner) = owner else { return };
        let mut private = owner.private();
        if !private.has_nothing_aside() {
            private.at_exit().shrink_to_fit();
        }
        if let Some(rare) = private.rare_mut() {
            rare.last_message = None;
            rare.state_text = None;
            rare.deferred.shrink_to_fit();
            rare.wakers.shrink_to_fit();
        }
    });
}
