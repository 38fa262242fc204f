//! Who may be accepted, and when: the limit, suspension, and the end.
//!
//! Acceptors take a [`Permit`] before they accept; it goes into the connection's process and is
//! dropped with it, however that ends. So the count cannot leak, and at the limit nobody is
//! accepted: whoever connects waits in the kernel's backlog.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What the acceptors, the connections and the listener of one server share.
#[derive(Debug)]
pub(crate) struct Gate {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Permits that are out: connections, and acceptors about to accept.
    permits: usize,
    /// Those of them that are connections.
    connections: usize,
    /// Connections since the start.
    accepted: u64,
    suspended: bool,
    closed: bool,
    acceptors: usize,
    /// Acceptors at the gate, and the listener waiting for their end; few.
    waiting: Vec<Waker>,
}

/// What a gate says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) connections: usize,
    pub(crate) accepted: u64,
    pub(crate) suspended: bool,
}

impl Gate {
    pub(crate) fn new(limit: usize) -> Arc<Gate> {
        Arc::new(Gate {
            limit,
            inner: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and tells all who wait. Their wakers run outside of the lock.
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let woken = std::mem::take(&mut inner.waiting);
        drop(inner);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits until one more may be accepted; `None` when nobody ever will be.
    pub(crate) async fn enter(self: &Arc<Gate>) -> Option<Permit> {
        poll_fn(|cx| {
            let mut inner = self.lock();
            if inner.closed {
                return Poll::Ready(None);
            }
            if inner.suspended || inner.permits >= self.limit {
                inner.wait(cx);
                return Poll::Pending;
            }
            inner.permits += 1;
            Poll::Ready(Some(Permit {
                gate: self.clone(),
                serving: false,
            }))
        })
        .await
    }

    /// Ready as soon as nobody may be accepted for now, permit or not.
    pub(crate) fn poll_shut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.closed || inner.suspended {
            return Poll::Ready(());
        }
        inner.wait(cx);
        Poll::Pending
    }

    pub(crate) fn suspend(&self) {
        self.change(|inner| inner.suspended = true);
    }

    pub(crate) fn resume(&self) {
        self.change(|inner| inner.suspended = false);
    }

    /// Nobody is accepted any more.
    pub(crate) fn close(&self) {
        self.change(|inner| inner.closed = true);
    }

    /// An acceptor's place, until it is dropped.
    pub(crate) fn post(self: &Arc<Gate>) -> Post {
        self.lock().acceptors += 1;
        Post(self.clone())
    }

    /// Waits until no acceptor is left.
    pub(crate) async fn deserted(&self) {
        poll_fn(|cx| {
            let mut inner = self.lock();
            if inner.acceptors == 0 {
                return Poll::Ready(());
            }
            inner.wait(cx);
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn counts(&self) -> Counts {
        let inner = self.lock();
        Counts {
            connections: inner.connections,
            accepted: inner.accepted,
            suspended: inner.suspended,
        }
    }
}

impl Inner {
    fn wait(&mut self, cx: &mut Context<'_>) {
        if !self.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}

/// The right to be a connection.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    serving: bool,
}

impl Permit {
    /// Somebody was accepted.
    pub(crate) fn serve(mut self) -> Permit {
        self.serving = true;
        let mut inner = self.gate.lock();
        inner.connections += 1;
        inner.accepted += 1;
        drop(inner);
        self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let serving = self.serving;
        self.gate.change(|inner| {
            inner.permits -= 1;
            inner.connections -= usize::from(serving);
        });
    }
}

/// An acceptor's place.
#[derive(Debug)]
pub(crate) struct Post(Arc<Gate>);

impl Drop for Post {
    fn drop(&mut self) {
        self.0.change(|inner| inner.acceptors -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(future: impl Future<Output = T>, count: &Arc<Count>) -> Poll<T> {
        let waker = Waker::from(count.clone());
        pin!(future).poll(&mut Context::from_waker(&waker))
    }

    fn enter(gate: &Arc<Gate>, count: &Arc<Count>) -> Poll<Option<Permit>> {
        poll(gate.enter(), count)
    }

    #[test]
    fn no_more_permits_than_the_limit_and_each_comes_back() {
        let (gate, count) = (Gate::new(2), Arc::new(Count::default()));
        let Poll::Ready(Some(first)) = enter(&gate, &count) else {
            panic!()
        };
        let Poll::Ready(Some(second)) = enter(&gate, &count) else {
            panic!()
        };
        assert!(enter(&gate, &count).is_pending());
        let first = first.serve();
        assert_eq!(gate.counts().connections, 1);
        drop(first);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!((gate.counts().connections, gate.counts().accepted), (0, 1));
        assert!(enter(&gate, &count).is_ready());
        drop(second);
    }

    #[test]
    fn suspended_it_lets_nobody_in_and_closed_it_never_will() {
        let (gate, count) = (Gate::new(9), Arc::new(Count::default()));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(gate.poll_shut(&mut cx).is_pending());
        gate.suspend();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(gate.poll_shut(&mut cx).is_ready());
        assert!(enter(&gate, &count).is_pending());
        gate.resume();
        assert!(matches!(enter(&gate, &count), Poll::Ready(Some(_))));
        gate.close();
        assert!(matches!(enter(&gate, &count), Poll::Ready(None)));
    }

    #[test]
    fn it_is_deserted_when_the_last_post_is() {
        let (gate, count) = (Gate::new(9), Arc::new(Count::default()));
        let (one, other) = (gate.post(), gate.post());
        drop(one);
        assert!(poll(gate.deserted(), &count).is_pending());
        drop(other);
        assert!(poll(gate.deserted(), &count).is_ready());
    }
}
