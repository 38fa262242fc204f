//! The private queue: what has been received and not yet handled.
//!
//! Owned by location, as in BEAM: a node in the inbox is *in transit*, and anyone may append to
//! it; at the start of a turn the process takes all of that, signals act, and messages come here,
//! where only the process itself reaches them. The links are the nodes' own, so an empty queue
//! costs two words, and a waiting process has nothing allocated.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rekindle_scheduler::{Node, NodeChain, NodePtr};

/// An intrusive list of owned blocks, oldest first.
#[derive(Debug)]
pub(crate) struct Queue {
    head: *mut Node,
    tail: *mut Node,
}

/// What others may know of a queue: how many are there, in the lower half, and how many were removed, so that a
/// position can tell whether it still stands: that may wrap, for a place is not kept over four billion
/// removals. Both change at once, and are one word for that: the processor passes a load no two
/// stores. Written by the process whose queue it is.
#[derive(Debug)]
pub(crate) struct Counts(AtomicU64);

impl Counts {
    const PUSHED: u64 = 1;
    const REMOVED: u64 = 1 << u32::BITS;

    /// Of an empty queue.
    pub(crate) const fn new() -> Counts {
        Counts(AtomicU64::new(0))
    }

    #[inline]
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.get() as u32 as usize
    }

    #[inline]
    fn removals(&self) -> u32 {
        (self.get() >> u32::BITS) as u32
    }

    #[inline]
    fn push(&self, how_many: usize) {
        let more = Self::PUSHED * how_many as u64;
        self.0.store(self.get() + more, Ordering::Relaxed);
    }

    #[inline]
    fn remove(&self) {
        let less = self.get().wrapping_add(Self::REMOVED - Self::PUSHED);
        self.0.store(less, Ordering::Relaxed);
    }
}

// SAFETY: the queue is the only owner of its blocks, whose contents are `Send`.
unsafe impl Send for Queue {}

/// A place between two nodes of the queue, valid while nothing is removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    last_seen: *mut Node,
    removals: u32,
}

// SAFETY: a position is compared and followed only by the owner of the queue.
unsafe impl Send for Position {}
// SAFETY: as above.
unsafe impl Sync for Position {}

impl Queue {
    pub(crate) const fn new() -> Queue {
        Queue {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Appends a block, which becomes the queue's.
    #[inline]
    pub(crate) fn push(&mut self, counts: &Counts, node: NodePtr) {
        // SAFETY: the block is ours by the call.
        unsafe { node.as_ref().set_next(ptr::null_mut()) };
        self.append(
            counts,
            NodeChain {
                first: node,
                last: node,
                len: 1,
            },
        );
    }

    /// Appends blocks, which become the queue's.
    #[inline]
    pub(crate) fn append(&mut self, counts: &Counts, chain: NodeChain) {
        match NonNull::new(self.tail) {
            // SAFETY: the tail is ours.
            Some(tail) => unsafe { tail.as_ref().set_next(chain.first.as_ptr()) },
            None => self.head = chain.first.as_ptr(),
        }
        self.tail = chain.last.as_ptr();
        counts.push(chain.len);
    }

    /// Takes the oldest block.
    #[inline]
    pub(crate) fn pop(&mut self, counts: &Counts) -> Option<NodePtr> {
        let oldest = self.shift()?;
        counts.remove();
        Some(oldest)
    }

    #[inline]
    fn shift(&mut self) -> Option<NodePtr> {
        let node = NonNull::new(self.head)?;
        // SAFETY: the queue owns its nodes.
        self.head = unsafe { node.as_ref().next() };
        if self.head.is_null() {
            self.tail = ptr::null_mut();
        }
        Some(node)
    }

    /// Takes the first block that `wanted` accepts, looking from `from` on if that place still
    /// stands, and else from the front. On failure the place is moved to the end, so that the
    /// next look sees only what is new: a receive that matches nothing costs one look at each
    /// message, once.
    pub(crate) fn take(
        &mut self,
        counts: &Counts,
        from: &mut Option<Position>,
        mut wanted: impl FnMut(NodePtr) -> bool,
    ) -> Option<NodePtr> {
        let mut before = match from {
            Some(place) if place.removals == counts.removals() => place.last_seen,
            _ => ptr::null_mut(),
        };
        loop {
            // SAFETY: `before` is a node of ours, or null for the place before the first.
            let at = unsafe { before.as_ref().map_or(self.head, |node| node.next()) };
            let Some(node) = NonNull::new(at) else { break };
            if wanted(node) {
                self.unlink(before, node);
                counts.remove();
                return Some(node);
            }
            before = at;
        }
        *from = Some(Position {
            last_seen: before,
            removals: counts.removals(),
        });
        None
    }

    fn unlink(&mut self, before: *mut Node, node: NodePtr) {
        // SAFETY: both are nodes of ours, `before` the one in front of `node`, or null.
        unsafe {
            let after = node.as_ref().next();
            match NonNull::new(before) {
                Some(before) => before.as_ref().set_next(after),
                None => self.head = after,
            }
            if self.tail == node.as_ptr() {
                self.tail = before;
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while let Some(node) = self.shift() {
            super::node::discard(node);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::node;
    use super::*;

    /// A queue with its counts.
    struct Counted(Queue, Counts);

    impl Counted {
        fn with(nodes: &[NodePtr]) -> Counted {
            let mut counted = Counted(Queue::new(), Counts::new());
            nodes.iter().for_each(|node| counted.push(*node));
            counted
        }

        fn push(&mut self, node: NodePtr) {
            self.0.push(&self.1, node);
        }

        fn take(
            &mut self,
            place: &mut Option<Position>,
            wanted: impl FnMut(NodePtr) -> bool,
        ) -> Option<NodePtr> {
            self.0.take(&self.1, place, wanted)
        }

        fn rest(&mut self) -> Vec<NodePtr> {
            assert_eq!(self.1.len() == 0, self.0.is_empty());
            std::iter::from_fn(|| self.0.pop(&self.1)).collect()
        }
    }

    fn letters<const N: usize>() -> [NodePtr; N] {
        std::array::from_fn(|n| node::letter(n as u32))
    }

    /// A place that the queue has forgotten is not looked from: it may be anything by now.
    #[test]
    fn a_place_does_not_stand_once_anything_was_removed() {
        let [a, b, c] = letters();
        let mut queue = Counted::with(&[a, b]);
        let mut place = None;
        assert_eq!(queue.take(&mut place, |_| false), None);
        assert_eq!(queue.take(&mut None, |at| at == b), Some(b));
        queue.push(c);
        assert_eq!(queue.take(&mut place, |at| at == c), Some(c));
        assert_eq!((queue.rest(), queue.1.len()), (vec![a], 0));
        [a, b, c].into_iter().for_each(node::discard);
    }

    #[test]
    fn a_place_stands_while_nothing_is_removed() {
        let [a, b] = letters();
        let mut queue = Counted::with(&[a]);
        let mut place = None;
        assert_eq!(queue.take(&mut place, |_| false), None);
        queue.push(b);
        let mut seen = Vec::new();
        let none = queue.take(&mut place, |at| {
            seen.push(at);
            false
        });
        assert_eq!((none, seen), (None, vec![b]));
    }

    #[test]
    fn the_order_stays_wherever_a_block_is_taken_out() {
        let nodes: [NodePtr; 4] = letters();
        for how_many in 1..=nodes.len() {
            for taken in 0..how_many {
                let mut queue = Counted::with(&nodes[..how_many]);
                let found = queue.take(&mut None, |node| node == nodes[taken]);
                assert_eq!(found, Some(nodes[taken]));
                assert_eq!(queue.1.len(), how_many - 1);
                // And the list is whole.
                queue.push(nodes[taken]);
                let mut expected = nodes[..how_many].to_vec();
                expected.remove(taken);
                expected.push(nodes[taken]);
                assert_eq!(queue.rest(), expected);
            }
        }
        nodes.into_iter().for_each(node::discard);
    }
}
