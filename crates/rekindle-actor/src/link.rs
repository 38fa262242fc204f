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

use rekindle_scheduler::TaskId;

use crate::exit::{self, ExitReason};
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
///
/// Where a process is asked for, `home` is the runtime of the one whose links these are.
#[derive(Debug, Default)]
pub(crate) enum Links {
    #[default]
    None,
    /// The only one, if it is like nearly all.
    One(Near),
    /// All others; never empty.
    More(Box<Few<Pid, LinkIds>>),
    /// The process has ended, for a reason that is but a word (its place in `exit::WORDS`): it has no links, and
    /// makes none. (Here, because it has one or the other, and there are many processes.)
    Over(u8),
    /// The same, where the reason is more.
    OverFor(Box<ExitReason>),
}

/// A link with a process of the same runtime, which one end has made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near {
    other: TaskId,
    id: LinkId,
    is_mine: bool,
}

impl Near {
    fn of(home: u32, other: Pid, ids: LinkIds) -> Option<Near> {
        let (id, is_mine) = match (ids.mine, ids.theirs) {
            (Some(id), None) => (id, true),
            (None, Some(id)) => (id, false),
            _ => return None,
        };
        let other = (other.node() == home).then(|| other.task())?;
        Some(Near { other, id, is_mine })
    }

    fn pid(self, home: u32) -> Pid {
        Pid::new(home, self.other)
    }

    fn ids(self) -> LinkIds {
        match self.is_mine {
            true => LinkIds::mine(self.id),
            false => LinkIds::theirs(self.id),
        }
    }
}

impl Links {
    /// Of a process that has ended.
    pub(crate) fn over(reason: ExitReason) -> Links {
        match reason.word() {
            Some(word) => Links::Over(word),
            None => Links::OverFor(Box::new(reason)),
        }
    }

    /// How the process ended, once it has.
    pub(crate) fn ended(&self) -> Option<&ExitReason> {
        match self {
            Links::Over(word) => Some(&exit::WORDS[usize::from(*word)]),
            Links::OverFor(reason) => Some(reason),
            Links::None | Links::One(_) | Links::More(_) => None,
        }
    }

    /// Whether to drop it would do nothing.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        !matches!(self, Links::More(_) | Links::OverFor(_))
    }

    /// The links of a child that was spawned linked; `id` is the spawner's.
    pub(crate) fn to_parent(home: u32, parent: Pid, id: LinkId) -> Links {
        let mut links = Links::None;
        links.put(home, parent, LinkIds::theirs(id));
        links
    }

    fn get(&self, home: u32, other: Pid) -> Option<LinkIds> {
        match self {
            Links::One(near) => (near.pid(home) == other).then(|| near.ids()),
            Links::More(links) => links.get(other).copied(),
            Links::None | Links::Over(_) | Links::OverFor(_) => None,
        }
    }

    /// Notes a link, or what has become of one. Without effect once the process has ended.
    fn put(&mut self, home: u32, other: Pid, ids: LinkIds) {
        if let Links::More(links) = self {
            return links.insert(other, ids);
        }
        if self.ended().is_some() {
            return;
        }
        let before = match self {
            Links::One(near) if near.pid(home) != other => Some(*near),
            _ => None,
        };
        *self = match (before, Near::of(home, other, ids)) {
            (None, Some(near)) => Links::One(near),
            (before, _) => {
                let mut links = Few::default();
                if let Some(near) = before {
                    links.insert(near.pid(home), near.ids());
                }
                links.insert(other, ids);
                Links::More(Box::new(links))
            }
        };
    }

    /// Notes a link of our own making; `false` if there is one already.
    ///
    /// # Errors
    ///
    /// The reason of the process's end, if it has ended: whoever would be linked is to hear of it.
    pub(crate) fn add_mine(
        &mut self,
        home: u32,
        other: Pid,
        id: LinkId,
    ) -> Result<bool, ExitReason> {
        if let Some(reason) = self.ended() {
            return Err(reason.clone());
        }
        let is_new = self.get(home, other).is_none();
        if is_new {
            self.put(home, other, LinkIds::mine(id));
        }
        Ok(is_new)
    }

    pub(crate) fn add_theirs(&mut self, home: u32, other: Pid, id: LinkId) {
        let mut ids = self.get(home, other).unwrap_or_default();
        ids.theirs = Some(id);
        self.put(home, other, ids);
    }

    /// Takes the ids away that `ids` knows; `true` if that ended the link.
    pub(crate) fn remove_ids(&mut self, home: u32, other: Pid, ids: LinkIds) -> bool {
        let Some(mut record) = self.get(home, other) else {
            return false;
        };
        if record.mine == ids.mine {
            record.mine = None;
        }
        if record.theirs == ids.theirs {
            record.theirs = None;
        }
        let ended = record.is_none();
        match ended {
            true => drop(self.remove(home, other)),
            false => self.put(home, other, record),
        }
        ended
    }

    pub(crate) fn remove(&mut self, home: u32, other: Pid) -> Option<LinkIds> {
        let ids = self.get(home, other)?;
        match self {
            Links::More(links) => {
                links.remove(other);
                if links.is_empty() {
                    *self = Links::None;
                }
            }
            _ => *self = Links::None,
        }
        Some(ids)
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Links::None)
    }

    pub(crate) fn pids(&self, home: u32) -> Vec<Pid> {
        match self {
            Links::One(near) => vec![near.pid(home)],
            Links::More(links) => links.after(None).map(|(pid, _)| pid).collect(),
            Links::None | Links::Over(_) | Links::OverFor(_) => Vec::new(),
        }
    }

    /// Takes one link out.
    pub(crate) fn pop(&mut self, home: u32) -> Option<(Pid, LinkIds)> {
        let first = match self {
            Links::One(near) => near.pid(home),
            Links::More(links) => links.first()?.0,
            Links::None | Links::Over(_) | Links::OverFor(_) => return None,
        };
        Some((first, self.remove(home, first)?))
    }
}

/// A link that the running process makes at its end, when it can have none any more: the other hears of the end at
/// once, as it would have a moment later.
#[cold]
pub(crate) fn link_at_the_end(owner: Owner<'_>, other: Pid, id: LinkId, reason: ExitReason) {
    let signal = Signal::Exit {
        from: owner.pid(),
        reason,
        link: Some(LinkIds::theirs(id)),
        report: None,
    };
    signal::send(other, signal);
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
        let from = owner.pid();
        let noted = owner
            .process()
            .shared()
            .links
            .add_mine(from.node(), other, id);
        if let Ok(false) = noted {
            return;
        }
        owner.linked_with(other);
        let is_there = signal::try_send(other, Signal::Link { from, id }).is_ok();
        match noted {
            Err(reason) => link_at_the_end(owner, other, id, reason),
            Ok(_) if is_there => {}
            Ok(_) => {
                let exit = Signal::Exit {
                    from: other,
                    reason: ExitReason::NoProc,
                    link: Some(LinkIds::mine(id)),
                    report: None,
                };
                signal::send(from, exit);
            }
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
        let shared = owner.process().shared();
        shared.links.get(owner.node(), other).is_some()
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
        let Some(ids) = owner.process().shared().links.remove(owner.node(), other) else {
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

    const HOME: u32 = 5;

    fn pid(n: u32) -> Pid {
        Pid::new(HOME, TaskId::from_parts(n, 1))
    }

    fn id(serial: u64) -> LinkId {
        LinkId::of_serial(serial)
    }

    #[test]
    fn an_old_unlink_does_not_take_a_new_link_away() {
        let (mut links, other) = (Links::None, pid(2));
        assert!(links.add_mine(HOME, other, id(1)).unwrap());
        let old = links.remove(HOME, other).unwrap();
        assert!(links.add_mine(HOME, other, id(2)).unwrap());
        assert!(!links.remove_ids(HOME, other, old));
        assert_eq!(links.pids(HOME), [other]);
    }

    #[test]
    fn two_links_made_at_once_from_both_ends_are_one_link() {
        let (mut links, other) = (Links::None, pid(2));
        assert!(links.add_mine(HOME, other, id(1)).unwrap());
        links.add_theirs(HOME, other, id(9));
        assert!(!links.add_mine(HOME, other, id(3)).unwrap());
        // The other end unlinks, knowing its own id only: ours survives.
        assert!(!links.remove_ids(HOME, other, LinkIds::theirs(id(9))));
        assert!(links.remove_ids(HOME, other, LinkIds::mine(id(1))));
        assert!(links.pids(HOME).is_empty());
    }

    #[test]
    fn every_process_keeps_two_words_for_its_links() {
        assert_eq!(size_of::<Links>(), 2 * size_of::<u64>());
    }

    #[test]
    fn a_process_of_another_runtime_is_not_taken_for_its_double() {
        let (near, far) = (pid(2), Pid::new(HOME + 1, pid(2).task()));
        for (first, second) in [(near, far), (far, near)] {
            let mut links = Links::None;
            links.add_theirs(HOME, first, id(1));
            assert_eq!(links.get(HOME, second), None);
            assert_eq!(links.remove(HOME, second), None);
            assert!(links.add_mine(HOME, second, id(2)).unwrap());
            assert_eq!(links.pids(HOME), [near, far]);
            assert_eq!(links.remove(HOME, first), Some(LinkIds::theirs(id(1))));
            assert_eq!(links.pop(HOME), Some((second, LinkIds::mine(id(2)))));
            assert!(links.is_empty() && links.pop(HOME).is_none());
        }
    }

    #[test]
    fn who_has_ended_makes_no_links_and_says_why() {
        for reason in [ExitReason::Killed, ExitReason::msg("a long story")] {
            let mut links = Links::over(reason.clone());
            let refused = links.add_mine(HOME, pid(2), id(1)).unwrap_err();
            assert_eq!(refused.to_string(), reason.to_string());
            links.add_theirs(HOME, pid(2), id(1));
            assert!(links.pids(HOME).is_empty() && links.pop(HOME).is_none());
            assert_eq!(
                links.ended().map(ToString::to_string),
                Some(reason.to_string())
            );
        }
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
        let mut links = Links::None;
        for n in 0..10 {
            assert!(links.add_mine(HOME, pid(n), id(1)).unwrap());
        }
        assert_eq!(links.pids(HOME).len(), 10);
        for n in 0..10 {
            assert!(links.remove(HOME, pid(n)).is_some());
        }
        assert!(links.is_empty());
    }
}
