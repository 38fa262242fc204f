//! Links: two processes that die together.
//!
//! Each end keeps its own record of the link, and the ends agree by signals. What makes that hard
//! is an unlink on its way while the other end links anew: were a link only "there or not", the
//! old unlink would take the new link away at one end and not at the other. So each call of
//! [`link`] that makes a link has an id, unique at the end that made it; an unlink, and the exit
//! signal at the death, name the ids that they know, and an id that they do not know survives.
//!
//! | record at one end    | meaning                                       |
//! |----------------------|-----------------------------------------------|
//! | `mine`               | the id of the link that this end made         |
//! | `theirs`             | the id of the link that the other end made    |
//!
//! Invariants
//! 1. An end is linked while its record has an id.
//! 2. Signals between two processes keep their order, so when all of them have arrived the two
//!    records hold the same ids, with `mine` and `theirs` exchanged.
//! 3. A death sends one exit signal for one record, and the receiver's record goes with it: so
//!    one death is heard once (LINK-010).

use std::num::NonZeroU32;

use crate::exit::ExitReason;
use crate::few::Few;
use crate::mailbox;
use crate::pid::Pid;
use crate::process::Owner;
use crate::signal::{self, Signal};

/// The id of a link, of the process that made it: the serial, in half as many bits. After four billion they
/// come again; a signal is not on its way for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkId(NonZeroU32);

impl LinkId {
    /// No link's.
    const DOOM: LinkId = LinkId(NonZeroU32::MAX);

    #[inline]
    pub(crate) fn of_serial(serial: u64) -> LinkId {
        let folded = serial % u64::from(u32::MAX - 1);
        LinkId(NonZeroU32::MIN.saturating_add(folded as u32))
    }
}

/// The ids of a link, as the end that keeps the record sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LinkIds {
    pub(crate) mine: Option<LinkId>,
    pub(crate) theirs: Option<LinkId>,
}

impl LinkIds {
    /// No link at all: an exit signal that nothing stops. See `Signal::doom`.
    pub(crate) const DOOM: LinkIds = LinkIds {
        mine: Some(LinkId::DOOM),
        theirs: Some(LinkId::DOOM),
    };

    /// Of a link that this end has made.
    fn mine(id: LinkId) -> LinkIds {
        LinkIds {
            mine: Some(id),
            theirs: None,
        }
    }

    /// Of a link that the other end has made.
    fn theirs(id: LinkId) -> LinkIds {
        LinkIds {
            mine: None,
            theirs: Some(id),
        }
    }

    /// As the other end sees them.
    pub(crate) fn flipped(self) -> LinkIds {
        LinkIds {
            mine: self.theirs,
            theirs: self.mine,
        }
    }

    fn is_none(self) -> bool {
        self.mine.is_none() && self.theirs.is_none()
    }
}

/// The links of one process. Most have one: to their supervisor.
#[derive(Debug)]
pub(crate) enum Links {
    With(Few<Pid, LinkIds>),
    /// The process has ended, for this reason: it has no links, and makes none. (Here, because it
    /// has one or the other, and there are many processes.)
    Ended(ExitReason),
}

impl Default for Links {
    fn default() -> Self {
        Links::NONE
    }
}

impl Links {
    pub(crate) const NONE: Links = Links::With(Few::None);

    /// Whether to drop it would do nothing.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        match self {
            Links::With(links) => links.is_in_place(),
            Links::Ended(reason) => reason.is_bare(),
        }
    }

    /// The links of a child that was spawned linked; `id` is the spawner's.
    pub(crate) fn to_parent(parent: Pid, id: LinkId) -> Links {
        Links::With(Few::One(parent, LinkIds::theirs(id)))
    }

    fn get_mut(&mut self, other: Pid) -> Option<&mut LinkIds> {
        match self {
            Links::With(links) => links.get_mut(other),
            Links::Ended(_) => None,
        }
    }

    fn contains(&self, other: Pid) -> bool {
        match self {
            Links::With(links) => links.get(other).is_some(),
            Links::Ended(_) => false,
        }
    }

    /// Notes a link of our own making; `false` if there is one already.
    pub(crate) fn add_mine(&mut self, other: Pid, id: LinkId) -> bool {
        match self {
            Links::With(links) if links.get(other).is_none() => {
                links.insert(other, LinkIds::mine(id));
                true
            }
            _ => false,
        }
    }

    pub(crate) fn add_theirs(&mut self, other: Pid, id: LinkId) {
        let Links::With(links) = self else { return };
        match links.get_mut(other) {
            Some(record) => record.theirs = Some(id),
            None => links.insert(other, LinkIds::theirs(id)),
        }
    }

    /// Takes the ids away that `ids` knows; `true` if that ended the link.
    pub(crate) fn remove_ids(&mut self, other: Pid, ids: LinkIds) -> bool {
        let Some(record) = self.get_mut(other) else {
            return false;
        };
        if record.mine == ids.mine {
            record.mine = None;
        }
        if record.theirs == ids.theirs {
            record.theirs = None;
        }
        let ended = record.is_none();
        if ended {
            self.remove(other);
        }
        ended
    }

    pub(crate) fn remove(&mut self, other: Pid) -> Option<LinkIds> {
        match self {
            Links::With(links) => links.remove(other),
            Links::Ended(_) => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Links::With(Few::None))
    }

    pub(crate) fn pids(&self) -> Vec<Pid> {
        match self {
            Links::With(links) => links.after(None).map(|(pid, _)| pid).collect(),
            Links::Ended(_) => Vec::new(),
        }
    }

    /// Takes one link out.
    pub(crate) fn pop(&mut self) -> Option<(Pid, LinkIds)> {
        match self {
            Links::With(links) => links.pop_first(),
            Links::Ended(_) => None,
        }
    }
}

/// Links the running process with another: when either ends, the other gets an exit signal.
///
/// To link twice, or with oneself, has no effect. If the other is dead, the running process gets
/// an exit signal with [`ExitReason::NoProc`].
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, exit, is_alive, link, sleep, spawn};
/// use std::time::Duration;
///
/// let worker = spawn(sleep(Duration::from_secs(60)));
/// let owner = spawn(async move {
///     link(worker);
///     sleep(Duration::from_secs(60)).await;
/// });
/// sleep(Duration::from_secs(1)).await;
/// exit(owner, ExitReason::Kill);
/// sleep(Duration::from_secs(1)).await;
/// assert!(!is_alive(worker), "they die together");
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn link(other: Pid) {
    within("link", |owner| {
        if other == owner.pid() {
            return;
        }
        let id = LinkId::of_serial(owner.private().next_serial());
        if !owner.process().shared().links.add_mine(other, id) {
            return;
        }
        owner.linked_with(other);
        let from = owner.pid();
        if signal::try_send(other, Signal::Link { from, id }).is_err() {
            let link = Some(LinkIds::mine(id));
            let reason = ExitReason::NoProc;
            signal::send(
                from,
                Signal::Exit {
                    from: other,
                    reason,
                    link,
                    report: None,
                },
            );
        }
    });
}

/// Whether the running process is linked with another. It is so from [`link`] on, or from the moment when
/// it receives the other's, and until it unlinks, or receives that the other has, or that the other
/// has ended.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{is_linked, sleep, spawn, spawn_link, unlink};
/// use std::time::Duration;
///
/// let worker = spawn_link(sleep(Duration::from_secs(60)));
/// assert!(is_linked(worker));
/// unlink(worker);
/// assert!(!is_linked(worker));
/// # });
/// ```
#[must_use]
pub fn is_linked(other: Pid) -> bool {
    within("is_linked", |owner| {
        owner.process().shared().links.contains(other)
    })
}

/// Takes a link away. When this has returned, the death of either has no effect on the other any
/// more, even if its exit signal was on the way. Without a link this does nothing.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # let runtime = rekindle_actor::Runtime::simulated(1);
/// # runtime.block_on(async {
/// use rekindle_actor::{ExitReason, exit, is_alive, self_pid, sleep, spawn_link, unlink};
/// use std::time::Duration;
///
/// let worker = spawn_link(sleep(Duration::from_secs(60)));
/// unlink(worker);
/// exit(worker, ExitReason::msg("no longer needed"));
/// sleep(Duration::from_secs(1)).await;
/// assert!(!is_alive(worker) && is_alive(self_pid()));
/// # rekindle_actor::sleep(std::time::Duration::from_secs(99)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty());
/// # });
/// ```
pub fn unlink(other: Pid) {
    within("unlink", |owner| {
        let Some(ids) = owner.process().shared().links.remove(other) else {
            return;
        };
        signal::send(
            other,
            Signal::Unlink {
                from: owner.pid(),
                ids: ids.flipped(),
            },
        );
    });
}

/// As [`unlink`], and takes an [`Exit`](crate::Exit) of that process out of the mailbox that came
/// before: the `unlink` and flush of OTP's manual, for a process that traps exits.
///
/// # Panics
///
/// Outside of a process.
///
/// ```
/// # rekindle_actor::Runtime::simulated(1).block_on(async {
/// use rekindle_actor::{ExitReason, Info, Mailbox, exit, link, sleep, spawn, trap_exit, unlink_flush};
/// use std::time::Duration;
///
/// let host = spawn(|mut inbox: Mailbox<()>| async move {
///     trap_exit(true);
///     let guest = spawn(sleep(Duration::from_secs(60)));
///     link(guest);
///     exit(guest, ExitReason::Kill);
///     sleep(Duration::from_secs(1)).await;
///     unlink_flush(guest);
///     // The news of its end is gone with the link.
///     assert!(matches!(inbox.next_timeout(Duration::ZERO).await, Info::Timeout));
/// });
/// # sleep(Duration::from_secs(2)).await;
/// # assert!(rekindle_actor::recent_crashes().is_empty() && !host.is_alive());
/// # });
/// ```
pub fn unlink_flush(other: Pid) {
    unlink(other);
    within("unlink_flush", |owner| {
        let found = mailbox::take_exit(owner, other);
        found.into_iter().for_each(mailbox::discard);
    });
}

/// Answers a link request that came too late.
pub(crate) fn refuse(dead: Pid, from: Pid, id: LinkId, reason: &ExitReason) {
    let link = Some(LinkIds::mine(id));
    signal::send(
        from,
        Signal::Exit {
            from: dead,
            reason: reason.clone(),
            link,
            report: None,
        },
    );
}

/// Runs `f` with the running process.
#[track_caller]
pub(crate) fn within<R>(what: &str, f: impl FnOnce(Owner<'_>) -> R) -> R {
    let at = std::panic::Location::caller();
    Owner::current(|owner| match owner {
        Some(owner) => f(owner),
        None => panic!("`{what}` was called outside of a process, at {at}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_scheduler::TaskId;

    fn pid(n: u32) -> Pid {
        Pid::new(0, TaskId::from_parts(n, 1))
    }

    fn id(serial: u64) -> LinkId {
        LinkId::of_serial(serial)
    }

    #[test]
    fn an_old_unlink_does_not_take_a_new_link_away() {
        let (mut links, other) = (Links::NONE, pid(2));
        assert!(links.add_mine(other, id(1)));
        let old = links.remove(other).unwrap();
        assert!(links.add_mine(other, id(2)));
        assert!(!links.remove_ids(other, old));
        assert_eq!(links.pids(), [other]);
    }

    #[test]
    fn two_links_made_at_once_from_both_ends_are_one_link() {
        let (mut links, other) = (Links::NONE, pid(2));
        assert!(links.add_mine(other, id(1)));
        links.add_theirs(other, id(9));
        assert!(!links.add_mine(other, id(3)));
        // The other end unlinks, knowing its own id only: ours survives.
        assert!(!links.remove_ids(other, LinkIds::theirs(id(9))));
        assert!(links.remove_ids(other, LinkIds::mine(id(1))));
        assert!(links.pids().is_empty());
    }

    #[test]
    fn every_process_keeps_three_words_for_its_links() {
        assert_eq!(size_of::<Links>(), 3 * size_of::<u64>());
    }

    #[test]
    fn serials_beyond_32_bits_are_ids_again() {
        let ids = [0, 1, u64::from(u32::MAX) - 2, u64::from(u32::MAX) - 1].map(id);
        assert_eq!(ids.map(|id| id.0.get()), [1, 2, u32::MAX - 1, 1]);
        assert!(!ids.contains(&LinkId::DOOM));
        assert_ne!(id(u64::MAX), LinkId::DOOM);
    }

    #[test]
    fn links_grow_from_none_to_many_and_back() {
        let mut links = Links::NONE;
        for n in 0..10 {
            assert!(links.add_mine(pid(n), id(1)));
        }
        assert_eq!(links.pids().len(), 10);
        for n in 0..10 {
            assert!(links.remove(pid(n)).is_some());
        }
        assert!(links.is_empty());
    }
}
