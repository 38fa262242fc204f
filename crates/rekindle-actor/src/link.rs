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

use std::mem;
use std::num::NonZeroU32;

use rekindle_scheduler::block::InBlock;

use crate::exit::{self, ExitReason};
use crate::few::{self, Few};
use crate::mailbox;
use crate::pid::Pid;
use crate::process::{Owner, SharedAside};
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
    pub(crate) fn theirs(id: LinkId) -> LinkIds {
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

    /// But for those that `ids` knows.
    fn without(self, ids: LinkIds) -> LinkIds {
        LinkIds {
            mine: self.mine.filter(|_| self.mine != ids.mine),
            theirs: self.theirs.filter(|_| self.theirs != ids.theirs),
        }
    }

    fn is_none(self) -> bool {
        self.mine.is_none() && self.theirs.is_none()
    }
}

/// What every process keeps of its links: as much as nearly all have. The rest lies aside, and what
/// both say together is a [`LinkBook`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Links {
    #[default]
    None,
    /// With its parent alone.
    Parent(OneSided),
    /// As what lies aside says: there is one at least.
    Aside,
    /// The process has ended, for a reason that is but a word (its place in `exit::WORDS`): it has no links, and
    /// makes none. (Here, because it has one or the other, and there are many processes.)
    Over(u8),
    /// The same, for a reason that lies aside.
    OverAside,
}

/// A link that one of its ends has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OneSided {
    id: LinkId,
    is_mine: bool,
}

impl OneSided {
    fn of(ids: LinkIds) -> Option<OneSided> {
        match (ids.mine, ids.theirs) {
            (Some(id), None) => Some(OneSided { id, is_mine: true }),
            (None, Some(id)) => Some(OneSided { id, is_mine: false }),
            _ => None,
        }
    }

    fn ids(self) -> LinkIds {
        match self.is_mine {
            true => LinkIds::mine(self.id),
            false => LinkIds::theirs(self.id),
        }
    }
}

/// The links of one process.
pub(crate) struct LinkBook<'a> {
    pub(crate) links: &'a mut Links,
    pub(crate) aside: &'a mut Option<InBlock<SharedAside>>,
    /// The parent, if that is of the same runtime.
    pub(crate) parent: Option<Pid>,
}

impl Links {
    /// Of a process that is about to begin, and is linked with its parent by the parent's id.
    #[inline]
    pub(crate) fn with_parent(id: LinkId) -> Links {
        Links::Parent(OneSided { id, is_mine: false })
    }
}

impl LinkBook<'_> {
    /// How the process ended, once it has.
    fn ended(&self) -> Option<&ExitReason> {
        ended(*self.links, self.aside.as_deref())
    }

    fn others(&self) -> Option<&Few<Pid, LinkIds>> {
        self.aside.as_deref().map(|aside| &aside.links)
    }

    #[inline]
    fn get(&self, other: Pid) -> Option<LinkIds> {
        match *self.links {
            Links::Parent(link) if self.parent == Some(other) => Some(link.ids()),
            Links::Aside => self.others()?.get(other).copied(),
            _ => None,
        }
    }

    pub(crate) fn contains(&self, other: Pid) -> bool {
        self.get(other).is_some()
    }

    /// Notes a link, or what has become of one. Without effect once the process has ended.
    fn put(&mut self, other: Pid, ids: LinkIds) {
        let is_parents = self.parent == Some(other);
        let before = match *self.links {
            Links::Over(_) | Links::OverAside => return,
            Links::Parent(link) if !is_parents => self.parent.map(|parent| (parent, link.ids())),
            Links::Parent(_) | Links::None => None,
            Links::Aside => {
                self.aside.get_or_insert_default().links.insert(other, ids);
                return;
            }
        };
        if let Some(link) = OneSided::of(ids)
            && is_parents
        {
            *self.links = Links::Parent(link);
            return;
        }
        *self.links = Links::Aside;
        let others = &mut self.aside.get_or_insert_default().links;
        for (pid, ids) in before.into_iter().chain([(other, ids)]) {
            others.insert(pid, ids);
        }
    }

    /// Notes a link of our own making; `false` if there is one already.
    ///
    /// # Errors
    ///
    /// The reason of the process's end, if it has ended: whoever would be linked is to hear of it.
    pub(crate) fn add_mine(&mut self, other: Pid, id: LinkId) -> Result<bool, ExitReason> {
        if let Some(reason) = self.ended() {
            return Err(reason.clone());
        }
        if let Links::Aside = self.links {
            let others = &mut self.aside.get_or_insert_default().links;
            return Ok(others.add(other, LinkIds::mine(id)));
        }
        let is_new = !self.contains(other);
        if is_new {
            self.put(other, LinkIds::mine(id));
        }
        Ok(is_new)
    }

    pub(crate) fn add_theirs(&mut self, other: Pid, id: LinkId) {
        let mut ids = self.get(other).unwrap_or_default();
        ids.theirs = Some(id);
        self.put(other, ids);
    }

    /// Takes the ids away that `ids` knows; `true` if that ended the link.
    pub(crate) fn remove_ids(&mut self, other: Pid, ids: LinkIds) -> bool {
        let Some(record) = self.get(other) else {
            return false;
        };
        let left = record.without(ids);
        let is_over = left.is_none();
        if is_over {
            self.remove(other);
        } else if left != record {
            self.put(other, left);
        }
        is_over
    }

    pub(crate) fn remove(&mut self, other: Pid) -> Option<LinkIds> {
        match *self.links {
            Links::Parent(link) if self.parent == Some(other) => {
                *self.links = Links::None;
                Some(link.ids())
            }
            Links::Aside => {
                let others = &mut self.aside.as_deref_mut()?.links;
                let ids = others.remove(other);
                if others.is_empty() {
                    *self.links = Links::None;
                }
                ids
            }
            _ => None,
        }
    }

    pub(crate) fn pids(&self) -> Vec<Pid> {
        match *self.links {
            Links::Parent(_) => self.parent.into_iter().collect(),
            Links::Aside => {
                let others = self.others().into_iter();
                others
                    .flat_map(|others| others.after(None))
                    .map(|(pid, _)| pid)
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// The process has ended; leaves its links in `left`, which is empty. (There, because what is given back is
    /// moved as a whole, and would wait for its parts.)
    pub(crate) fn end(self, reason: ExitReason, left: &mut few::IntoIter<Pid, LinkIds>) {
        match (*self.links, self.parent) {
            (Links::Parent(link), Some(parent)) => {
                *left = few::IntoIter::One(Some((parent, link.ids())));
            }
            (Links::Aside, _) => {
                if let Some(aside) = self.aside.as_deref_mut() {
                    *left = mem::take(&mut aside.links).into_iter();
                }
            }
            _ => {}
        }
        *self.links = match reason.word() {
            Some(word) => Links::Over(word),
            None => {
                self.aside.get_or_insert_default().ended = Some(reason);
                Links::OverAside
            }
        };
    }
}

/// How a process ended that keeps this of its links, once it has.
pub(crate) fn ended(links: Links, aside: Option<&SharedAside>) -> Option<&ExitReason> {
    match links {
        Links::Over(word) => Some(&exit::WORDS[usize::from(word)]),
        Links::OverAside => aside?.ended.as_ref(),
        Links::None | Links::Parent(_) | Links::Aside => None,
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
        let noted = owner.with_links(|mut links| links.add_mine(other, id));
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
        owner.with_links(|links| links.contains(other))
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
        let Some(ids) = owner.with_links(|mut links| links.remove(other)) else {
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
    use rekindle_scheduler::TaskId;

    use super::*;
    use crate::process::Shared;

    const HOME: u32 = 5;

    fn pid(n: u32) -> Pid {
        Pid::new(HOME, TaskId::from_parts(n, 1))
    }

    fn id(serial: u64) -> LinkId {
        LinkId::of_serial(serial)
    }

    const PARENT: u32 = 1;

    fn of(shared: &mut Shared) -> LinkBook<'_> {
        shared.links_of(Some(pid(PARENT)))
    }

    #[test]
    fn an_old_unlink_does_not_take_a_new_link_away() {
        for other in [pid(PARENT), pid(2)] {
            let mut shared = Shared::default();
            assert!(of(&mut shared).add_mine(other, id(1)).unwrap());
            let old = of(&mut shared).remove(other).unwrap();
            assert!(of(&mut shared).add_mine(other, id(2)).unwrap());
            assert!(!of(&mut shared).remove_ids(other, old));
            assert_eq!(of(&mut shared).pids(), [other]);
        }
    }

    #[test]
    fn two_links_made_at_once_from_both_ends_are_one_link() {
        for other in [pid(PARENT), pid(2)] {
            let mut shared = Shared::default();
            assert!(of(&mut shared).add_mine(other, id(1)).unwrap());
            of(&mut shared).add_theirs(other, id(9));
            assert!(!of(&mut shared).add_mine(other, id(3)).unwrap());
            // The other end unlinks, knowing its own id only: ours survives.
            assert!(!of(&mut shared).remove_ids(other, LinkIds::theirs(id(9))));
            assert!(of(&mut shared).remove_ids(other, LinkIds::mine(id(1))));
            assert!(of(&mut shared).pids().is_empty());
            assert_eq!(shared.links, Links::None);
        }
    }

    /// The process ends; with whom it was linked.
    fn ends(shared: &mut Shared, reason: ExitReason) -> Vec<(Pid, LinkIds)> {
        let mut left = few::IntoIter::default();
        of(shared).end(reason, &mut left);
        left.collect()
    }

    #[test]
    fn every_process_keeps_a_word_for_its_links() {
        assert_eq!(size_of::<Links>(), size_of::<u64>());
    }

    #[test]
    fn a_link_with_the_parent_needs_nothing_aside() {
        let mut shared = Shared::default();
        of(&mut shared).add_theirs(pid(PARENT), id(7));
        assert!(shared.has_nothing_aside() && of(&mut shared).contains(pid(PARENT)));
        // Of another link it is told apart, and both are found.
        of(&mut shared).add_theirs(pid(2), id(8));
        assert_eq!(of(&mut shared).pids(), [pid(PARENT), pid(2)]);
        let linked = ends(&mut shared, ExitReason::Normal);
        let theirs = |n, serial| (pid(n), LinkIds::theirs(id(serial)));
        assert_eq!(linked, [theirs(PARENT, 7), theirs(2, 8)]);
        // Alone it is told as well.
        let mut shared = Shared::default();
        of(&mut shared).add_theirs(pid(PARENT), id(7));
        let linked = ends(&mut shared, ExitReason::Normal);
        assert_eq!(linked, [theirs(PARENT, 7)]);
    }

    #[test]
    fn a_process_of_another_runtime_is_not_taken_for_its_double() {
        let far = Pid::new(HOME + 1, pid(PARENT).task());
        let mut shared = Shared::default();
        of(&mut shared).add_theirs(pid(PARENT), id(1));
        assert!(!of(&mut shared).contains(far));
        assert_eq!(of(&mut shared).remove(far), None);
        assert!(of(&mut shared).add_mine(far, id(2)).unwrap());
        let ids = of(&mut shared).remove(pid(PARENT));
        assert_eq!(ids, Some(LinkIds::theirs(id(1))));
        assert_eq!(of(&mut shared).pids(), [far]);
    }

    #[test]
    fn who_has_ended_makes_no_links_and_says_why() {
        for reason in [ExitReason::Killed, ExitReason::msg("a long story")] {
            let mut shared = Shared::default();
            assert!(ends(&mut shared, reason.clone()).is_empty());
            let refused = of(&mut shared).add_mine(pid(2), id(1)).unwrap_err();
            assert_eq!(refused, reason);
            of(&mut shared).add_theirs(pid(2), id(1));
            of(&mut shared).add_theirs(pid(PARENT), id(1));
            assert!(of(&mut shared).pids().is_empty());
            assert_eq!(shared.ended(), Some(&reason));
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
        let mut shared = Shared::default();
        for n in 0..10 {
            assert!(of(&mut shared).add_mine(pid(n), id(1)).unwrap());
        }
        assert_eq!(of(&mut shared).pids().len(), 10);
        for n in 0..10 {
            assert!(of(&mut shared).remove(pid(n)).is_some());
        }
        assert_eq!(shared.links, Links::None);
    }
}
