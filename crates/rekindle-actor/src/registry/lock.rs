//! Locks by key: one holder at a time, in order of asking.

use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use super::errors::LockError;
use super::kept::Kept;
use super::keyed::{Closed, Content, Keyed, SlotId, hash_of};
use super::table::Table;
use crate::ambient::try_self_pid;
use crate::few::Few;
use crate::pid::Pid;

pub(super) struct Locks<K> {
    queues: Keyed<K, Queue>,
    tickets: AtomicU64,
}

/// Who holds a key's lock, and who waits for it. The slot is there while somebody does.
///
/// Invariant: nobody waits while nobody holds the lock; who gives it back passes it on.
#[derive(Default)]
struct Queue {
    holder: Option<Holder>,
    waiting: Few<u64, Waiter>,
}

struct Holder {
    pid: Option<Pid>,
}

struct Waiter {
    pid: Option<Pid>,
    waker: Waker,
}

impl Content for Queue {
    fn is_vacant(&self) -> bool {
        self.holder.is_none()
    }
}

/// Where a ticket stands.
enum Standing {
    Holds,
    Waits,
}

impl Queue {
    /// Takes the lock, or a place in the queue, for which it takes the waker.
    fn join(
        &mut self,
        ticket: u64,
        pid: Option<Pid>,
        waker: &mut Option<Waker>,
    ) -> Result<Standing, LockError> {
        match &self.holder {
            None => {
                self.holder = Some(Holder { pid });
                Ok(Standing::Holds)
            }
            Some(holder) if pid.is_some() && holder.pid == pid => Err(LockError::HeldBySelf),
            Some(_) => {
                if let Some(waker) = waker.take() {
                    self.waiting.insert(ticket, Waiter { pid, waker });
                }
                Ok(Standing::Waits)
            }
        }
    }

    /// Looks again; gives the waker that is not needed any more.
    fn ask(&mut self, ticket: u64, waker: Waker) -> (Standing, Option<Waker>) {
        match self.waiting.get_mut(ticket) {
            None => (Standing::Holds, Some(waker)),
            Some(waiter) => {
                let old = std::mem::replace(&mut waiter.waker, waker);
                (Standing::Waits, Some(old))
            }
        }
    }

    /// The ticket is given back, or its place in the queue. Whom to wake, and what to drop.
    fn leave(&mut self, ticket: u64) -> (Option<Waker>, Option<Waiter>) {
        if let Some(waiter) = self.waiting.remove(ticket) {
            return (None, Some(waiter));
        }
        let next = self.waiting.pop_first();
        let (holder, waker) = match next {
            Some((_, Waiter { pid, waker })) => (Some(Holder { pid }), Some(waker)),
            None => (None, None),
        };
        self.holder = holder;
        (waker, None)
    }
}

impl<K: Hash + Eq> Locks<K> {
    pub(super) fn new(shards: usize) -> Locks<K> {
        Locks {
            queues: Keyed::new(shards),
            tickets: AtomicU64::new(1),
        }
    }

    /// The registry ends: all who wait are woken, and find that out.
    pub(super) fn close(&self) {
        for slots in self.queues.close() {
            for slot in slots.into_values() {
                let mut queue = slot.content;
                while let Some((_, waiter)) = queue.waiting.pop_first() {
                    crate::unwind::discard(crate::unwind::catch(|| waiter.waker.wake()));
                }
            }
        }
    }
}

/// A place in the queue of a lock, or the lock itself; its drop gives either back.
pub(super) struct Place<K: Hash + Eq, V> {
    table: Arc<Table<K, V>>,
    slot: SlotId,
    ticket: u64,
}

impl<K: Hash + Eq, V> Drop for Place<K, V> {
    fn drop(&mut self) {
        let left = self
            .table
            .locks
            .queues
            .at(self.slot, |queue| queue.leave(self.ticket));
        if let Some((Some(next), _)) = left {
            next.wake();
        }
    }
}

/// The wait for a lock.
pub(super) struct Acquire<K: Hash + Eq, V> {
    table: Arc<Table<K, V>>,
    key: Kept<K>,
    place: Option<Place<K, V>>,
}

impl<K: Hash + Eq, V> Acquire<K, V> {
    pub(super) fn new(table: Arc<Table<K, V>>, key: K) -> Self {
        Acquire {
            table,
            key: Kept::new(key),
            place: None,
        }
    }

    fn join(&mut self, waker: &Waker) -> Result<Standing, LockError> {
        let locks = &self.table.locks;
        let ticket = locks.tickets.fetch_add(1, Ordering::Relaxed);
        let (pid, mut waker) = (try_self_pid(), Some(waker.clone()));
        let joined = locks
            .queues
            .enter(hash_of(&*self.key), &self.key, |slot, queue| {
                queue
                    .join(ticket, pid, &mut waker)
                    .map(|standing| (slot, standing))
            });
        let (slot, standing) = match joined {
            Ok(joined) => joined?,
            Err(Closed) => return Err(LockError::ended()),
        };
        self.place = Some(Place {
            table: self.table.clone(),
            slot,
            ticket,
        });
        Ok(standing)
    }
}

impl<K: Hash + Eq, V> Future for Acquire<K, V> {
    type Output = Result<Place<K, V>, LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let standing = match &this.place {
            None => match this.join(cx.waker()) {
                Ok(standing) => standing,
                Err(error) => return Poll::Ready(Err(error)),
            },
            Some(place) => {
                let (ticket, waker) = (place.ticket, cx.waker().clone());
                let asked = this
                    .table
                    .locks
                    .queues
                    .at(place.slot, |queue| queue.ask(ticket, waker));
                match asked {
                    Some((standing, _unneeded)) => standing,
                    None => return Poll::Ready(Err(LockError::ended())),
                }
            }
        };
        match (standing, this.place.take()) {
            (Standing::Holds, Some(place)) => Poll::Ready(Ok(place)),
            (_, place) => {
                this.place = place;
                Poll::Pending
            }
        }
    }
}

impl<K: Hash + Eq, V> Unpin for Acquire<K, V> {}
