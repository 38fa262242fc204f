//! "The running process waits for that one", as others see it: how rings of calls are found before
//! they close.
//!
//! Who calls sets its edge, then looks at the edges from its callee on; if they lead back to it,
//! the call is not made. Two processes that call each other at the same moment must not both miss
//! the other, and a fence between the two steps sees to that. Most calls do without: a callee that
//! is idle is *claimed* first, and has no turn then until it has the request. If it waits for
//! nobody, it will not before it has our edge to see.
//!
//! Invariants
//! 1. A process that runs sets its own edge; others only take it away.
//! 2. Between its edge and its look a caller has a full fence (*fenced*); or it has claimed the
//!    callee, and found it without an edge (*early*).
//!
//! Why a ring is never closed unseen. Take the processes of a ring, each with its edge set. If a call
//! of it was early, its edge was set before the callee got its turn, and so *happened before* the
//! callee set its own. Were all of them early, each edge would have happened before itself; so some
//! are fenced. Of these, take the one whose fence is last in the order of all fences, and any edge of
//! the ring. If that edge is of a fenced call, its fence was earlier, and by the rule of fences the
//! last one sees it. If it is of an early call, it happened before the next edge on the ring, and
//! so on up to that of a fenced call, which is seen, and what happened before it too. So the last
//! one sees all edges, and does not make its call. (A claim acquires what the callee did in its last
//! turn, and whoever gives the callee its turn releases what the caller did.)

#[cfg(all(loom, test))]
mod loom_tests;

use std::panic::Location;

use rekindle_scheduler::{Claimed, TaskId, TaskView};

use crate::pid::Pid;
use crate::process::{Owner, Process, pack, unpack};
use crate::run::pid_of;
use crate::runtimes;
use crate::sync::atomic::{AtomicU64, Ordering, fence};
use crate::wait::WaitKind;

/// Processes in a ring of calls that are looked at before the search gives up.
const LONGEST_RING: usize = 1024;
/// Turns for which a call waits until it is sure of a ring.
const LOOKS: u8 = 100;

/// The process whose answer a process waits for, packed; 0 if it waits for none.
#[derive(Debug)]
pub(crate) struct Calling(AtomicU64);

impl Calling {
    pub(crate) fn nobody() -> Calling {
        Calling(AtomicU64::new(0))
    }

    /// The running process, whose record this is, waits for `to` from now on. `claim` tries to claim
    /// that one, whose record is `theirs`. Says whether the edges from there on are to be looked at.
    #[inline]
    fn begin<C>(
        &self,
        to: u64,
        theirs: &Calling,
        claim: impl FnOnce() -> Option<C>,
    ) -> (Option<C>, bool) {
        // Release: invariant 2, for an early call, by way of whoever gives the callee its turn.
        self.0.store(to, Ordering::Release);
        let claimed = claim();
        if claimed.is_some() && theirs.get() == 0 {
            return (claimed, false);
        }
        fence(Ordering::SeqCst);
        (claimed, theirs.get() != 0)
    }

    /// Whom it waits for.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // Acquire: who sees an edge sees those that happened before it.
        self.0.load(Ordering::Acquire)
    }

    /// It no longer waits for `to`; said by the process itself.
    #[inline]
    fn end(&self, to: u64) {
        if self.0.load(Ordering::Relaxed) == to {
            self.0.store(0, Ordering::Release);
        }
    }

    /// It no longer waits for `to`; said by another.
    fn take_away(&self, to: u64) {
        // Whoever changed it meanwhile knows better.
        let _ = self
            .0
            .compare_exchange(to, 0, Ordering::SeqCst, Ordering::Relaxed);
    }
}

/// What the edges say of a call that is about to be made.
#[derive(Debug)]
pub(crate) enum Look {
    /// It closes no ring.
    Clear,
    /// It closes this one.
    Ring(Vec<Pid>),
    /// It seems to close one, whose last process waits for the caller: but its request is not here. It
    /// has its answer and has not had a turn since, or is about to send: the next turn tells.
    Unsure,
}

/// The mark of a call: nobody's before it is made and when it is over.
#[derive(Debug)]
pub(crate) struct Edge {
    /// The waiting process.
    caller: Pid,
    /// For whom; 0 for nobody.
    to: u64,
    /// How often a ring was found that may be none.
    looks: u8,
}

impl Edge {
    #[inline]
    pub(crate) fn none() -> Edge {
        Edge {
            caller: Pid::new(0, TaskId::from_parts(0, 0)),
            to: 0,
            looks: 0,
        }
    }

    /// Marks the running process as waiting for `callee`; gives that if it could be claimed, and says
    /// whether [`look`](Self::look) must be asked.
    #[inline]
    pub(crate) fn begin<'a>(
        &mut self,
        owner: Owner<'_>,
        callee: TaskView<'a>,
        target: &Process,
        called_at: &'static Location<'static>,
    ) -> (Option<Claimed<'a>>, bool) {
        let process = owner.process();
        process.waiting.begin(WaitKind::Call, called_at);
        self.caller = owner.pid();
        self.to = pack(callee.id());
        if !callee.is_beside(owner.view()) {
            // A ring through another runtime is not looked for.
            return (None, false);
        }
        let claim = || callee.claim();
        let (claimed, look) = process.calling.begin(self.to, &target.calling, claim);
        (claimed, look || owner.view().is_same(callee))
    }

    /// Looks at the edges from `callee` on; `owner` is the process that is marked. If they leave it unsure,
    /// the mark is taken away again.
    #[cold]
    pub(crate) fn look(&mut self, owner: Owner<'_>, callee: TaskView<'_>) -> Look {
        let Some(ring) = find_ring(self.caller, callee) else {
            return Look::Clear;
        };
        let is_real = match ring[..] {
            [_, .., last] => owner.has_request_of(last),
            _ => true,
        };
        if is_real || self.looks == LOOKS {
            return Look::Ring(ring);
        }
        self.looks += 1;
        self.end();
        Look::Unsure
    }

    /// The wait is over, if there was one.
    #[inline]
    pub(crate) fn end(&mut self) {
        let to = std::mem::take(&mut self.to);
        if to == 0 {
            return;
        }
        let end = |process: &Process| {
            process.waiting.end();
            process.calling.end(to);
        };
        Owner::current(|owner| match owner {
            Some(owner) if owner.pid() == self.caller => end(owner.process()),
            // The call was moved out of the process that made it, which may wait for another by now.
            _ => {
                runtimes::with_process(self.caller, |_, process| process.calling.take_away(to));
            }
        });
    }

    #[cold]
    fn end_unanswered(&mut self) {
        self.end();
    }

    /// The callee has passed the request on, or keeps it for later: its caller no longer waits
    /// for that process to come to it.
    pub(crate) fn redirect(caller: Pid, callee: Pid) {
        let to = pack(callee.task());
        runtimes::with_process(caller, |_, process| process.calling.take_away(to));
    }
}

impl Drop for Edge {
    #[inline]
    fn drop(&mut self) {
        if self.to != 0 {
            self.end_unanswered();
        }
    }
}

/// Follows the edges from `callee`; the ring, if they lead back to `own`.
fn find_ring(own: Pid, callee: TaskView<'_>) -> Option<Vec<Pid>> {
    let mut ring = vec![own];
    let mut at = pid_of(callee)?;
    while at != own {
        ring.push(at);
        if ring.len() > LONGEST_RING {
            return None;
        }
        let next = runtimes::with_process(at, |_, process| process.calling.get())?;
        at = Pid::new(own.node(), unpack(next)?);
    }
    Some(ring)
}
