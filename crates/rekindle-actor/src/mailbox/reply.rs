//! A request and the way back of its reply, in one block.
//!
//! The block travels in the callee's inbox like a letter, and the reply is written into it; a
//! separate one-shot channel would be a second allocation per call.
//!
//! ```text
//!   [ head: node, state, waker, failure, caller | answer: T | message: M ]
//! ```
//!
//! Three parties hold the block, each by a bit of the state; the last one to let go frees it.
//!
//! | bit      | party                                                                       |
//! |----------|-----------------------------------------------------------------------------|
//! | CALLER   | the [`Awaiting`]: whoever waits for the answer                              |
//! | REPLY    | the [`ReplyTo`]: whoever may answer, in whatever process                    |
//! | SERVER   | before the push the sender; then the inbox; then the callee's [`Served`]    |
//!
//! | bit      | meaning                                                                     |
//! |----------|-----------------------------------------------------------------------------|
//! | ANSWERED | the answer is there                                                         |
//! | EXITED   | the callee ended first; its reason is in `failure`                          |
//! | NO_REPLY | the `ReplyTo` was dropped                                                   |
//! | WAKER    | the waker's place is filled                                                 |
//! | FIRST    | with the waker that it was made with                                        |
//!
//! Invariants
//! 1. At most one of ANSWERED, EXITED, NO_REPLY is ever set (together: *resolved*), by one
//!    compare-and-swap that also demands CALLER: an answer without a caller never comes to be.
//! 2. `answer` belongs to the `ReplyTo` before ANSWERED, to the caller after it.
//! 3. `failure` belongs to the SERVER party before EXITED, to the caller after it.
//! 4. `waker` belongs to the caller while WAKER is clear and nothing is resolved; the one who
//!    resolves a state with WAKER takes the waker out. Nobody but the caller ever writes its place,
//!    and while nothing is resolved there is a waker in it exactly if WAKER is set: so the caller sees
//!    there which one will be woken.
//! 5. `message` belongs to the SERVER party, until `open` moves it out.
//! 6. The block lives while one of the three parties' bits is set.
//! 7. FIRST is set when the block is made, with WAKER, or never; whoever clears WAKER clears it too. So
//!    a change of a state with FIRST finds in `waker` what was there from the start, and may have
//!    read it before. Then it is no matter that the block may be gone right after.
//!
//! Orderings. Every change of the state is a read-modify-write with acquire and release, so what
//! a party wrote before its change is seen by whoever finds the change.

#[cfg(all(loom, test))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, RawWakerVTable, Waker};

use rekindle_scheduler::{Node, NodePtr};

use super::node::{self, Class, Kind};
use crate::exit::ExitReason;
use crate::faults;
use crate::pid::{MaybePid, Pid};
use crate::process::{AtExit, NotedReply, Owner};
use crate::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use crate::sync::{self, UnsafeCell, block};
use crate::unwind;

const ANSWERED: u32 = 1;
const EXITED: u32 = 2;
const NO_REPLY: u32 = 4;
const WAKER: u32 = 8;
const CALLER: u32 = 16;
const REPLY: u32 = 32;
const SERVER: u32 = 64;
/// The reply was promised by a start: its loss is told by the one who holds it, when it ends.
const STARTING: u32 = 128;
const FIRST: u32 = 256;

const RESOLVED: u32 = ANSWERED | EXITED | NO_REPLY;
const HOLDERS: u32 = CALLER | REPLY | SERVER;

/// The part that does not depend on the types.
#[repr(C)]
pub(crate) struct Head {
    node: Node,
    state: AtomicU32,
    caller: MaybePid,
    waker: WakerPlace,
    failure: UnsafeCell<Option<ExitReason>>,
}

/// Room for a waker, in two parts that may be read by anyone at any time: who has read both may use
/// them as a waker if, by invariants 4 and 7, that was theirs.
struct WakerPlace {
    data: AtomicPtr<()>,
    vtable: AtomicPtr<()>,
}

impl WakerPlace {
    fn empty() -> WakerPlace {
        WakerPlace {
            data: AtomicPtr::new(ptr::null_mut()),
            vtable: AtomicPtr::new(ptr::null_mut()),
        }
    }

    #[inline]
    fn filled(waker: Waker) -> WakerPlace {
        let waker = ManuallyDrop::new(waker);
        let (data, vtable) = identity(&waker);
        WakerPlace {
            data: AtomicPtr::new(data.cast_mut()),
            vtable: AtomicPtr::new(vtable.cast_mut()),
        }
    }

    // Relaxed, all of them: the changes of the state order them.

    fn put(&self, waker: Waker) {
        let waker = ManuallyDrop::new(waker);
        let (data, vtable) = identity(&waker);
        self.data.store(data.cast_mut(), Ordering::Relaxed);
        self.vtable.store(vtable.cast_mut(), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.data.store(ptr::null_mut(), Ordering::Relaxed);
        self.vtable.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Whether it is this waker that was put here last, whoever has taken it since.
    #[inline]
    fn has_had(&self, waker: &Waker) -> bool {
        let seen = self.look();
        (seen.data.cast_const(), seen.vtable.cast_const()) == identity(waker)
    }

    #[inline]
    fn look(&self) -> SeenWaker {
        SeenWaker {
            data: self.data.load(Ordering::Relaxed),
            vtable: self.vtable.load(Ordering::Relaxed),
        }
    }
}

/// What lay in the waker's place.
struct SeenWaker {
    data: *mut (),
    vtable: *mut (),
}

impl SeenWaker {
    /// # Safety
    ///
    /// It is a waker, and the caller's, who takes it once.
    #[inline]
    unsafe fn take(self) -> Waker {
        // SAFETY: by the caller's promise both are parts of a waker that was `put` or `filled`: then
        // the table is one of static life.
        unsafe {
            let vtable = &*self.vtable.cast::<RawWakerVTable>();
            Waker::new(self.data, vtable)
        }
    }
}

/// The table of a request.
#[repr(C)]
struct RequestKind {
    kind: Kind,
    free: unsafe fn(NonNull<Head>),
    drop_message: unsafe fn(NonNull<Head>),
    message_offset: usize,
}

#[repr(C)]
struct Request<M, T> {
    head: Head,
    answer: UnsafeCell<MaybeUninit<T>>,
    message: UnsafeCell<MaybeUninit<M>>,
}

impl<M, T> Request<M, T> {
    const KIND: RequestKind = RequestKind {
        kind: Kind::new(Class::Request, discard_request),
        free: free::<M, T>,
        drop_message: drop_message::<M, T>,
        message_offset: offset_of!(Request<M, T>, message),
    };
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lost {
    /// The callee ended with this reason.
    Exited(ExitReason),
    /// The callee had ended before the request came; it never saw it.
    Gone,
    /// The right to answer was dropped.
    NoReply,
}

/// The right to answer one request, once.
///
/// It may go to another process and be used there, at any time. Dropped unused, it fails the call
/// with [`CallError::NoReply`](crate::CallError::NoReply): at the start of the next turn of the
/// process that dropped it. So if that is the one that was called, and ends in the same turn, the
/// caller hears its reason instead.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{CallError, Mailbox, ReplyTo, spawn};
///
/// let clerk = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
///     // An answer may be given by somebody else ..
///     let from = inbox.recv().await;
///     spawn(async move { from.reply(7) });
///     // .. or by nobody, which the caller hears as well.
///     drop(inbox.recv().await);
///     inbox.recv().await.reply(9);
/// });
/// assert_eq!(clerk.call(|from| from).await, Ok(7));
/// assert_eq!(clerk.call(|from| from).await, Err(CallError::NoReply));
/// assert_eq!(clerk.call(|from| from).await, Ok(9));
/// # });
/// ```
#[must_use = "dropping this fails the call with `NoReply`"]
pub struct ReplyTo<T> {
    head: NonNull<Head>,
    answer: PhantomData<fn(T)>,
}

// SAFETY: the block is shared by the protocol above; the answer crosses threads, hence `T: Send`.
unsafe impl<T: Send> Send for ReplyTo<T> {}
// SAFETY: `&ReplyTo` offers reads of atomic state only.
unsafe impl<T: Send> Sync for ReplyTo<T> {}

/// The caller's side.
pub(crate) struct Awaiting<T> {
    head: NonNull<Head>,
    stage: Stage,
    answer: PhantomData<fn() -> T>,
}

// SAFETY: as `ReplyTo`; before the push the message is ours too, and it is `Send` (see `request`).
unsafe impl<T: Send> Send for Awaiting<T> {}
// SAFETY: `&Awaiting` offers nothing.
unsafe impl<T: Send> Sync for Awaiting<T> {}

/// How far a request is, as its caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The message is here, and SERVER is ours as well.
    Unsent,
    /// The message went into an inbox, or there is none.
    Sent,
    /// The answer has been fetched: we are CALLER no more.
    Over,
}

/// The callee's side: held while the request is handled.
pub(crate) struct Served(NonNull<Head>);

// SAFETY: as `ReplyTo`.
unsafe impl Send for Served {}
// SAFETY: `&Served` offers reads of atomic or constant state only. (A body may hold `&Mailbox`
// across an await.)
unsafe impl Sync for Served {}

/// Makes a request; `make` builds the message around the right to answer it.
#[inline]
pub(crate) fn request<M, T>(
    caller: Option<(Pid, Waker)>,
    make: impl FnOnce(ReplyTo<T>) -> M,
) -> Awaiting<T>
where
    M: Send + 'static,
    T: Send + 'static,
{
    // A process's own waker is in its place from the start, before anyone else has the block.
    let (caller, waker) = caller.unzip();
    let head = allocate::<M, T>(caller, waker, CALLER | REPLY | SERVER);
    // Sent, until the message is there: if `make` panics, this lets go of CALLER and no more,
    // and the guard lets go of SERVER.
    let mut awaiting = Awaiting {
        head,
        stage: Stage::Sent,
        answer: PhantomData,
    };
    struct Unmade(NonNull<Head>);
    impl Drop for Unmade {
        fn drop(&mut self) {
            // SAFETY: SERVER is ours until the push, and no message was written.
            unsafe { release(self.0, SERVER) };
        }
    }
    let unmade = Unmade(head);
    let message = make(ReplyTo {
        head,
        answer: PhantomData,
    });
    std::mem::forget(unmade);
    let block = head.cast::<Request<M, T>>();
    // SAFETY: the block is a live one of these types.
    let place = unsafe { &block.as_ref().message };
    // SAFETY: by invariant 5 the place is ours (SERVER).
    place.with_mut(|place| unsafe { (*place).write(message) });
    awaiting.stage = Stage::Unsent;
    awaiting
}

/// A reply's way without a request: for acknowledgements. `waker` is that of the process that will
/// wait, as a rule.
pub(crate) fn acknowledgement<T: Send + 'static>(
    waker: Option<Waker>,
) -> (ReplyTo<T>, Awaiting<T>) {
    let head = allocate::<(), T>(None, waker, CALLER | REPLY | STARTING);
    let reply = ReplyTo {
        head,
        answer: PhantomData,
    };
    // Sent: there is no message of which we would be the server.
    (
        reply,
        Awaiting {
            head,
            stage: Stage::Sent,
            answer: PhantomData,
        },
    )
}

fn allocate<M, T>(caller: Option<Pid>, waker: Option<Waker>, state: u32) -> NonNull<Head> {
    let (state, waker) = match waker {
        Some(waker) => (state | WAKER | FIRST, WakerPlace::filled(waker)),
        None => (state, WakerPlace::empty()),
    };
    let block = block::allocate::<Request<M, T>>().cast::<Request<M, T>>();
    let at = block.as_ptr();
    // SAFETY: the block is ours. Only the head is filled; the places of answer and message are
    // laid out, and filled later, if at all.
    unsafe {
        (&raw mut (*at).head).write(Head {
            node: Node::new(const { &Request::<M, T>::KIND.kind.base }),
            state: AtomicU32::new(state),
            caller: caller.into(),
            waker,
            failure: UnsafeCell::new(None),
        });
        (&raw mut (*at).answer).write(UnsafeCell::new(MaybeUninit::uninit()));
        (&raw mut (*at).message).write(UnsafeCell::new(MaybeUninit::uninit()));
    }
    block.cast()
}

/// # Safety
///
/// The block lives.
#[inline]
unsafe fn table(head: NonNull<Head>) -> &'static RequestKind {
    // SAFETY: every request's table is the first field of a `RequestKind` of static life.
    unsafe {
        NonNull::from(head.as_ref().node.vtable())
            .cast::<RequestKind>()
            .as_ref()
    }
}

/// # Safety
///
/// `head` is that of a `Request<M, T>` that nobody holds any more.
unsafe fn free<M, T>(head: NonNull<Head>) {
    // SAFETY: the caller's promise. Message, answer and waker have been moved out or never were
    // there; what is left is the failure, which goes with the head.
    unsafe {
        sync::last_use(&mut (*head.as_ptr()).state);
        head.as_ref().failure.with_mut(|failure| {
            if (*failure).is_some() {
                unwind::discard((*failure).take());
            }
        });
        block::deallocate(head.cast::<Request<M, T>>());
    }
}

/// # Safety
///
/// `head` is that of a live `Request<M, T>` whose message is the caller's (invariant 5).
unsafe fn drop_message<M, T>(head: NonNull<Head>) {
    // SAFETY: the caller's promise.
    let place = unsafe { &head.cast::<Request<M, T>>().as_ref().message };
    // SAFETY: the caller's promise; it is not touched again.
    unwind::discard(place.with_mut(|message| unsafe { (*message).assume_init_read() }));
}

/// Throws a request away that the callee never saw.
///
/// # Safety
///
/// As `NodeVtable::discard`.
unsafe fn discard_request(node: NodePtr) {
    let served = Served(node.cast());
    // SAFETY: SERVER came to us with the node.
    unsafe { (table(served.0).drop_message)(served.0) };
    served.let_go();
}

/// Takes the message out of a request, whose block stays the party SERVER's.
///
/// # Safety
///
/// `node` is that of a `Request<M, _>` whose SERVER party is the caller, or is kept by it meanwhile.
#[inline]
pub(super) unsafe fn open<M>(node: NodePtr) -> M {
    let head = node.cast::<Head>();
    // SAFETY: the caller's promise.
    let place = unsafe { message_of::<M>(head) };
    // SAFETY: the caller's promise, and invariant 5.
    place.with_mut(|message| unsafe { (*message).assume_init_read() })
}

/// # Safety
///
/// As [`open`], but the message stays.
#[inline]
pub(super) unsafe fn peek<'a, M>(node: NodePtr) -> &'a M {
    // SAFETY: the caller's promise.
    let place = unsafe { message_of::<M>(node.cast()) };
    // SAFETY: the caller's promise.
    place.with(|message| unsafe { (*message).assume_init_ref() })
}

/// # Safety
///
/// `head` is that of a live `Request<M, _>`.
#[inline]
unsafe fn message_of<'a, M>(head: NonNull<Head>) -> &'a UnsafeCell<MaybeUninit<M>> {
    // SAFETY: the table says where the message lies in this very type of block.
    unsafe { head.byte_add(table(head).message_offset).cast().as_ref() }
}

/// # Safety
///
/// `head` is that of a live `Request<_, T>`.
#[inline]
unsafe fn answer_of<'a, T>(head: NonNull<Head>) -> &'a UnsafeCell<MaybeUninit<T>> {
    // The answer's place depends on `T` alone: in a `repr(C)` struct it follows the head.
    let offset = offset_of!(Request<(), T>, answer);
    // SAFETY: inside the block.
    unsafe { head.byte_add(offset).cast().as_ref() }
}

/// Writes why there will be no answer.
///
/// # Safety
///
/// The block lives, and the place is the caller's (invariant 3).
unsafe fn set_failure(head: NonNull<Head>, reason: Option<ExitReason>) {
    // SAFETY: the caller's promise.
    let place = unsafe { &head.as_ref().failure };
    // SAFETY: the caller's promise.
    place.with_mut(|failure| unsafe { *failure = reason });
}

/// Lets go of one party's hold, and frees the block with the last.
///
/// # Safety
///
/// The caller is that party, and does not use the block afterwards.
#[inline]
unsafe fn release(head: NonNull<Head>, party: u32) {
    // SAFETY: by invariant 6 the block lives until our bit is cleared.
    let state = unsafe { &head.as_ref().state };
    // A sole holder needs no read-modify-write: nobody else is left to change the state.
    // Acquire pairs with the release half of the others' last change.
    if state.load(Ordering::Acquire) & HOLDERS != party {
        let before = state.fetch_and(!party, Ordering::AcqRel);
        if before & HOLDERS != party {
            return;
        }
    }
    // SAFETY: nobody holds the block any more.
    unsafe { (table(head).free)(head) };
}

/// Whether the request may still be resolved, and somebody waits for that.
#[inline]
fn is_open(state: u32) -> bool {
    state & RESOLVED == 0 && state & CALLER != 0
}

/// Resolves the request, if nobody has and the caller still waits. `true` on success.
///
/// # Safety
///
/// The caller of this function is the party REPLY or SERVER, and has written what `bit` publishes.
#[inline]
unsafe fn resolve(head: NonNull<Head>, bit: u32) -> bool {
    // SAFETY: our hold keeps the block.
    let block = unsafe { head.as_ref() };
    let resolved = |state| is_open(state).then_some(state | bit);
    let change = block
        .state
        .fetch_update(Ordering::AcqRel, Ordering::Relaxed, resolved);
    let Ok(before) = change else {
        return false;
    };
    if before & WAKER != 0 {
        // SAFETY: by invariant 4 the waker is now ours, and nobody puts another one in its place.
        wake(unsafe { block.waker.look().take() });
    }
    true
}

/// What became of a [`resolve_and_leave`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Resolved; the party keeps the block no longer.
    Resolved,
    /// Not resolved: the party still keeps the block.
    TooLate,
    /// Nothing has been done: this is not possible here.
    Stays,
}

/// Resolves the request by `bit`, if nobody has and the caller still waits, and lets go of `party`
/// in the same step.
///
/// # Safety
///
/// The caller of this function is that party, REPLY among it, and has written what `bit` speaks of: the answer, or
/// the failure.
#[inline]
unsafe fn resolve_and_leave(head: NonNull<Head>, bit: u32, party: u32) -> Left {
    // SAFETY: our hold keeps the block.
    let block = unsafe { head.as_ref() };
    // Before the exchange, after which the block may be gone.
    let waker = block.waker.look();
    let left = |state| {
        let knows_waker = state & (WAKER | FIRST) != WAKER;
        (is_open(state) && knows_waker).then_some((state | bit) & !party)
    };
    let change = block
        .state
        .fetch_update(Ordering::AcqRel, Ordering::Relaxed, left);
    match change {
        Ok(before) if before & WAKER != 0 => {
            // SAFETY: by invariant 7 this is the waker that the state spoke of, and by 4 it is ours.
            wake(unsafe { waker.take() });
            Left::Resolved
        }
        Ok(_) => Left::Resolved,
        Err(state) if is_open(state) => Left::Stays,
        Err(_) => Left::TooLate,
    }
}

/// The caller's code, if it is not a process: its panic is no affair of who answers, and that one has
/// holds to give up.
#[inline]
fn wake(waker: Waker) {
    if let Err(payload) = unwind::catch(move || waker.wake()) {
        unwind::discard(payload);
    }
}

impl<T: Send + 'static> ReplyTo<T> {
    /// Answers. A caller that has given up, or whose callee has ended, never learns of it.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, ReplyTo, spawn};
    ///
    /// // Answered by another process than the one that was asked.
    /// let front = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
    ///     loop {
    ///         let from = inbox.recv().await;
    ///         spawn(async move { from.reply(7) });
    ///     }
    /// });
    /// assert_eq!(front.call(|from| from).await, Ok(7));
    /// # });
    /// ```
    #[inline]
    pub fn reply(self, answer: T) {
        if let Some(to) = faults::detour(|| self.caller(), || "reply".to_owned()) {
            return faults::put(to, Box::new(move || self.reply_now(answer)));
        }
        self.reply_now(answer);
    }

    #[inline]
    fn reply_now(self, answer: T) {
        let served = Owner::answers(|served| served.0 == self.head, || self.noted());
        self.reply_with(served, answer);
    }

    /// Answers; `served` is the hold of the process that was asked, if that is at hand.
    #[inline]
    fn reply_with(self, served: Option<Served>, answer: T) {
        let this = ManuallyDrop::new(self);
        // SAFETY: our hold keeps the block.
        let place = unsafe { answer_of::<T>(this.head) };
        // SAFETY: by invariant 2 the place is ours until ANSWERED.
        place.with_mut(|place| unsafe { (*place).write(answer) });
        let party = match &served {
            Some(_) => REPLY | SERVER,
            None => REPLY,
        };
        std::mem::forget(served);
        // SAFETY: REPLY is ours, and so is SERVER, if it is among them; the answer is written.
        let mut left = unsafe { resolve_and_leave(this.head, ANSWERED, party) };
        if left == Left::Resolved {
            return;
        }
        // SAFETY: as above.
        if left == Left::Stays && !unsafe { resolve(this.head, ANSWERED) } {
            left = Left::TooLate;
        }
        if left == Left::TooLate {
            // Nobody will fetch it.
            // SAFETY: still ours, and written above.
            unwind::discard(place.with_mut(|place| unsafe { (*place).assume_init_read() }));
        }
        // SAFETY: we are that party still; `this` is not dropped.
        unsafe { release(this.head, party) };
    }
}

impl<T> ReplyTo<T> {
    /// Who asked, if it was a process.
    #[must_use]
    pub fn caller(&self) -> Option<Pid> {
        // SAFETY: our hold keeps the block; the field is never written after construction.
        unsafe { self.head.as_ref() }.caller.get()
    }

    /// What is told to whoever watches the process that replies; nothing of what acknowledges a
    /// start or a `sys` message.
    #[cold]
    fn noted(&self) -> Option<NotedReply> {
        // SAFETY: our hold keeps the block.
        let state = unsafe { &self.head.as_ref().state }.load(Ordering::Relaxed);
        (state & STARTING == 0).then(|| NotedReply {
            what: std::any::type_name::<T>(),
            to: self.caller(),
        })
    }

    /// Says that there will be no answer, for what should have made it was thrown away before it
    /// began; the reason of the running process, if that is ending.
    pub(crate) fn never_began(self) {
        if !Owner::current(|owner| owner.is_some_and(|owner| owner.private().exiting().is_some())) {
            let this = ManuallyDrop::new(self);
            drop(GivenUp(this.head));
        }
    }

    /// Whether somebody still waits for the answer.
    ///
    /// ```
    /// # rekindle_actor::Runtime::simulated(1).block_on(async {
    /// use rekindle_actor::{Mailbox, ReplyTo, sleep, spawn};
    /// use std::time::Duration;
    ///
    /// let slow = spawn(|mut inbox: Mailbox<ReplyTo<u32>>| async move {
    ///     let from = inbox.recv().await;
    ///     assert!(from.is_awaited());
    ///     sleep(Duration::from_secs(60)).await;
    ///     assert!(!from.is_awaited(), "so there is no need to go on");
    /// });
    /// let call = slow.call(|from| from).timeout(Duration::from_secs(1)).await;
    /// assert!(call.is_err());
    /// # sleep(Duration::from_secs(99)).await;
    /// # assert!(rekindle_actor::recent_crashes().is_empty() && !slow.is_alive());
    /// # });
    /// ```
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        // SAFETY: our hold keeps the block.
        let state = unsafe { &self.head.as_ref().state }.load(Ordering::Relaxed);
        is_open(state)
    }
}

/// The right to answer a start, without the type of the answer.
pub(crate) struct Owed(NonNull<Head>);

// SAFETY: as `ReplyTo`; without the type there is no answer to cross threads.
unsafe impl Send for Owed {}

impl Owed {
    /// Ends the wait with the reason of the process that should have answered.
    pub(crate) fn fail(self, reason: ExitReason) {
        // SAFETY: we are REPLY. Acknowledgements have no SERVER party, so by invariant 3 the
        // failure's place is ours.
        unsafe {
            debug_assert!(self.0.as_ref().state.load(Ordering::Relaxed) & SERVER == 0);
            set_failure(self.0, Some(reason));
            match resolve_and_leave(self.0, EXITED, REPLY) {
                Left::Resolved => return,
                Left::Stays => {
                    resolve(self.0, EXITED);
                }
                Left::TooLate => {}
            }
            release(self.0, REPLY);
        }
    }
}

impl<T> Drop for ReplyTo<T> {
    fn drop(&mut self) {
        // SAFETY: our hold keeps the block.
        let state = unsafe { &self.head.as_ref().state }.load(Ordering::Relaxed);
        if state & STARTING != 0 && is_open(state) {
            // A start that was never acknowledged fails with the reason of the one who starts,
            // but not before the process and its name are gone (START-003, GEN-005).
            let owed = Owed(self.head);
            return Owner::at_exit(AtExit::Owed(owed));
        }
        let given_up = GivenUp(self.head);
        if is_open(state) {
            // The process that drops this may be about to crash for the very same cause: then the
            // caller is told that. So the word is given at the start of its next turn, or when it
            // has ended.
            Owner::give_up(given_up);
        }
    }
}

/// The right to answer a request, without the type of the answer; its drop says that there will
/// be none.
pub(crate) struct GivenUp(NonNull<Head>);

// SAFETY: as `Owed`.
unsafe impl Send for GivenUp {}

impl Drop for GivenUp {
    fn drop(&mut self) {
        // SAFETY: we are REPLY.
        unsafe {
            resolve(self.0, NO_REPLY);
            release(self.0, REPLY);
        }
    }
}

impl<T> fmt::Debug for ReplyTo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyTo")
            .field("caller", &self.caller())
            .finish()
    }
}

impl<T> Awaiting<T> {
    /// The node to push. The caller of this must say [`mark_sent`](Self::mark_sent) if, and only
    /// if, the push succeeded.
    pub(crate) fn node(&self) -> NodePtr {
        debug_assert_eq!(self.stage, Stage::Unsent);
        self.head.cast()
    }

    /// The other side never got its right to answer: to drop that means nothing.
    pub(crate) fn never_promised(&self) {
        // SAFETY: we are CALLER.
        unsafe { self.head.as_ref() }
            .state
            .fetch_and(!STARTING, Ordering::AcqRel);
    }

    /// Whether it is decided already what becomes of the request.
    #[inline]
    pub(crate) fn is_resolved(&self) -> bool {
        // SAFETY: we are CALLER.
        unsafe { self.head.as_ref() }.state.load(Ordering::Acquire) & RESOLVED != 0
    }

    /// The inbox has the node: the party SERVER is the callee's from now on.
    pub(crate) fn mark_sent(&mut self) {
        self.stage = Stage::Sent;
    }

    /// Sees to it that this waker, and no other, is in its place. `true` if it was there already, so
    /// that whatever comes wakes it, or has woken it before.
    #[inline]
    pub(crate) fn register(&mut self, waker: &Waker) -> bool {
        // SAFETY: we are CALLER; nobody else ever writes the place.
        if unsafe { self.head.as_ref() }.waker.has_had(waker) {
            return true;
        }
        self.register_another(waker);
        false
    }

    #[cold]
    fn register_another(&mut self, waker: &Waker) {
        self.unregister();
        if !self.is_resolved() {
            self.register_first(waker);
        }
    }

    /// Puts the waker in its place, where none is.
    #[inline]
    fn register_first(&mut self, waker: &Waker) {
        // SAFETY: we are CALLER.
        let head = unsafe { self.head.as_ref() };
        let waker = waker.clone();
        // By invariant 4 the place is ours.
        head.waker.put(waker);
        // An acknowledgement may be on its way already, and so may the answer to a request whose
        // `ReplyTo` was put elsewhere before the push.
        let before = head.state.fetch_or(WAKER, Ordering::AcqRel);
        if before & RESOLVED != 0 {
            // It came too early to see the waker, and will not look again.
            // SAFETY: the place is still ours, with what we have just put there.
            drop(unsafe { head.waker.look().take() });
            head.state.fetch_and(!WAKER, Ordering::AcqRel);
        }
    }

    /// The answer, if it is there and has not been fetched; the message must have been sent.
    #[inline]
    pub(crate) fn answer(&mut self) -> Option<T> {
        if self.stage != Stage::Sent {
            return None;
        }
        // SAFETY: we are CALLER.
        let state = unsafe { &self.head.as_ref().state };
        if state.load(Ordering::Acquire) & ANSWERED == 0 {
            return None;
        }
        // SAFETY: as above.
        let place = unsafe { answer_of::<T>(self.head) };
        // SAFETY: by invariant 2 the answer is ours, and by its stage fetched once.
        let answer = place.with_mut(|answer| unsafe { (*answer).assume_init_read() });
        self.stage = Stage::Over;
        // SAFETY: we are CALLER, and say that we are not from now on.
        unsafe { release(self.head, CALLER) };
        Some(answer)
    }

    /// Looks for anything but an answer; registers the waker if there is nothing. `Ready(None)` if
    /// the answer is there.
    #[inline]
    pub(crate) fn poll_loss(&mut self, cx: &mut Context<'_>) -> Poll<Option<Lost>> {
        if self.stage == Stage::Over {
            return Poll::Ready(Some(Lost::NoReply));
        }
        // SAFETY: we are CALLER.
        let state = unsafe { &self.head.as_ref().state };
        let mut seen = state.load(Ordering::Acquire);
        if seen & RESOLVED == 0 {
            if self.register(cx.waker()) {
                return Poll::Pending;
            }
            // The answer may have come in between.
            seen = state.load(Ordering::Acquire);
        }
        if seen & RESOLVED == 0 {
            Poll::Pending
        } else if seen & ANSWERED != 0 {
            Poll::Ready(None)
        } else {
            Poll::Ready(Some(self.take_loss(seen)))
        }
    }

    /// Looks for the answer; registers the waker if there is none.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Lost>> {
        match self.poll_loss(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(lost)) => Poll::Ready(Err(lost)),
            Poll::Ready(None) => Poll::Ready(self.answer().ok_or(Lost::NoReply)),
        }
    }

    /// Gives the wait up.
    #[cold]
    fn abandon(&mut self) {
        self.unregister();
        // SAFETY: we are CALLER.
        let state = unsafe { &self.head.as_ref().state };
        let mut seen = state.load(Ordering::Acquire);
        while seen & RESOLVED == 0 {
            // The waker is out already, so one exchange gives up the wait and the hold.
            let change = state.compare_exchange_weak(
                seen,
                seen & !CALLER,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match change {
                Ok(_) if seen & HOLDERS == CALLER => {
                    // SAFETY: we were the last to hold the block.
                    return unsafe { (table(self.head).free)(self.head) };
                }
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        if seen & ANSWERED != 0 {
            // SAFETY: we are CALLER.
            let place = unsafe { answer_of::<T>(self.head) };
            // SAFETY: by invariant 2 the answer is ours; nobody looks at it again.
            unwind::discard(place.with_mut(|answer| unsafe { (*answer).assume_init_read() }));
        }
        // SAFETY: we are CALLER, and used no more.
        unsafe { release(self.head, CALLER) };
    }

    /// Takes our waker out again, unless the one who resolves has it.
    fn unregister(&mut self) {
        // SAFETY: we are CALLER.
        let head = unsafe { self.head.as_ref() };
        let mut seen = head.state.load(Ordering::Acquire);
        while seen & RESOLVED == 0 && seen & WAKER != 0 {
            let change = head.state.compare_exchange_weak(
                seen,
                seen & !(WAKER | FIRST),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match change {
                Ok(_) => {
                    // Before foreign code runs, for that may panic (invariant 4).
                    let had = head.waker.look();
                    head.waker.clear();
                    // SAFETY: by invariant 4 the place was ours again, and the waker in it.
                    return drop(unsafe { had.take() });
                }
                Err(now) => seen = now,
            }
        }
    }

    /// What a state says that is resolved, but not answered.
    fn take_loss(&mut self, state: u32) -> Lost {
        if state & EXITED == 0 {
            return Lost::NoReply;
        }
        // SAFETY: we are CALLER.
        let place = unsafe { &self.head.as_ref().failure };
        // SAFETY: by invariant 3 the failure is ours.
        let reason = place.with_mut(|failure| unsafe { (*failure).take() });
        reason.map_or(Lost::Gone, Lost::Exited)
    }
}

#[inline]
fn identity(waker: &Waker) -> (*const (), *const ()) {
    (waker.data(), ptr::from_ref(waker.vtable()).cast())
}

impl<T> Drop for Awaiting<T> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Over => return,
            Stage::Sent => {}
            // The message never left: it is ours, and so is SERVER.
            // SAFETY: invariant 5; not touched again.
            Stage::Unsent => unsafe {
                (table(self.head).drop_message)(self.head);
                release(self.head, SERVER);
            },
        }
        self.abandon();
    }
}

/// Whether the block in one's queue is a request by `caller`, who still waits for the answer.
pub(crate) fn is_awaited_by(node: NodePtr, caller: Pid) -> bool {
    if node::class(node) != Class::Request {
        return false;
    }
    // SAFETY: by invariant 1 of `node.rs` this is a request, and its SERVER party is who has the node;
    // that one keeps it.
    ManuallyDrop::new(unsafe { Served::of(node) }).is_for(caller)
}

impl Served {
    /// The party SERVER of a request that came in.
    ///
    /// # Safety
    ///
    /// The node is that of a request, whose SERVER party is the caller; it is that no more.
    #[inline]
    pub(super) unsafe fn of(node: NodePtr) -> Served {
        Served(node.cast())
    }

    /// For a place that holds a bare pointer.
    #[inline]
    pub(super) fn into_raw(self) -> NonNull<Head> {
        ManuallyDrop::new(self).0
    }

    /// # Safety
    ///
    /// `head` came from [`into_raw`](Self::into_raw), and of what comes of it but one is used up.
    #[inline]
    pub(super) unsafe fn from_raw(head: NonNull<Head>) -> Served {
        Served(head)
    }

    /// Who asked, if it was a process.
    #[inline]
    pub(crate) fn caller(&self) -> Option<Pid> {
        // SAFETY: SERVER keeps the block.
        unsafe { self.0.as_ref() }.caller.get()
    }

    /// Whether `caller` asked, and waits for the answer still.
    pub(crate) fn is_for(&self, caller: Pid) -> bool {
        self.caller() == Some(caller) && !self.is_settled()
    }

    /// Whether the request has its answer, or nobody waits for one.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        // SAFETY: SERVER keeps the block.
        let state = unsafe { &self.0.as_ref().state }.load(Ordering::Relaxed);
        !is_open(state)
    }

    /// The callee ends with this reason before the request was answered.
    pub(crate) fn fail(self, reason: &ExitReason) {
        if !self.is_settled() {
            // SAFETY: by invariant 3 the place is ours until EXITED. Should the `ReplyTo` resolve
            // first, then nobody reads it, and it drops with the block.
            unsafe {
                set_failure(self.0, Some(reason.clone()));
                resolve(self.0, EXITED);
            }
        }
        self.let_go();
    }

    /// Lets go without a word.
    pub(crate) fn let_go(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: we are SERVER, and `this` is not dropped.
        unsafe { release(this.0, SERVER) };
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let served = Served(self.0);
        // An answer still owed is remembered by the process, which may end before it is given.
        Owner::settle(served);
    }
}

/// Fails a request to a process that has ended; without a reason if it came after that end.
pub(crate) fn refuse(node: NodePtr, reason: Option<&ExitReason>) {
    let head = node.cast::<Head>();
    let served = Served(head);
    if !served.is_settled() {
        // SAFETY: SERVER came with the node: invariant 3.
        unsafe {
            set_failure(head, reason.cloned());
            resolve(head, EXITED);
        }
    }
    // SAFETY: SERVER came with the node; the `ReplyTo` inside finds the request resolved.
    unsafe { (table(head).drop_message)(head) };
    served.let_go();
}
