//! The intrusive link of an inbox.
//!
//! A sender allocates one block whose first field is a [`Node`], and the inbox strings such
//! blocks together without knowing what follows the link. What a node *is* belongs to the layer
//! above; the scheduler can only pass it on or throw it away by its [`NodeVtable`].

use std::fmt;
use std::ptr::{self, NonNull};

use crate::sync::UnsafeCell;

/// A pointer that owns the block it points to.
///
/// It is for the layer above, which makes blocks, sends them ([`TaskView::push`](crate::TaskView::push))
/// and opens them again, all of which takes `unsafe`; [`Node`] shows how a block begins.
pub type NodePtr = NonNull<Node>;

/// What the scheduler must be able to do with a block that it knows nothing of.
///
/// The layer above may make this the first field of a larger table and cast.
///
/// A larger table, of a layer that knows texts only; its blocks live for ever, so there is nothing to
/// free. (To free one, as to send one, takes `unsafe`, and belongs to the layer above.)
///
/// ```
/// use rekindle_scheduler::{NodePtr, NodeVtable};
///
/// #[repr(C)]
/// struct Kind { table: NodeVtable, name: &'static str }
///
/// fn keep(_: NodePtr) {}
/// static NOTICE: Kind = Kind { table: NodeVtable { discard: keep, acts: false }, name: "notice" };
///
/// // The table comes first, so that a pointer to it is a pointer to the whole.
/// assert_eq!(std::mem::offset_of!(Kind, table), 0);
/// # assert_eq!(NOTICE.name, "notice");
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct NodeVtable {
    /// Frees the block with all that is in it.
    ///
    /// The function must not unwind and must accept a block that no list holds any more.
    pub discard: unsafe fn(NodePtr),
    /// Whether the receiver must look at the block when it receives it. Those that only wait to be
    /// handled can be received many at a time: see [`NodeList::take_plain`].
    pub acts: bool,
}

/// The link at the start of every block in an inbox.
///
/// Aligned to 16 so that the four low bits of a pointer to it are free for the task's state.
///
/// What a sender allocates begins with it:
///
/// ```
/// use rekindle_scheduler::{Node, NodeVtable};
///
/// #[repr(C)]
/// struct Letter { node: Node, text: String }
///
/// static LETTERS: NodeVtable = NodeVtable { discard: |_| { /* frees the letter */ }, acts: false };
///
/// let letter = Box::new(Letter { node: Node::new(&LETTERS), text: "hello".to_owned() });
/// assert_eq!(std::mem::offset_of!(Letter, node), 0);
/// assert_eq!(&raw const *letter as usize % 16, 0); // four bits to spare
/// // Whoever takes it out of an inbox knows by the table what it is.
/// assert!(std::ptr::eq(letter.node.vtable(), &LETTERS));
/// ```
#[repr(C, align(16))]
pub struct Node {
    /// The next older block while the inbox holds it, the next newer one in a [`NodeList`].
    next: UnsafeCell<*mut Node>,
    vtable: &'static NodeVtable,
}

impl Node {
    /// A link that is in no list.
    #[must_use]
    pub fn new(vtable: &'static NodeVtable) -> Node {
        Node {
            next: UnsafeCell::new(ptr::null_mut()),
            vtable,
        }
    }

    /// The table given at construction.
    #[inline]
    #[must_use]
    pub fn vtable(&self) -> &'static NodeVtable {
        self.vtable
    }

    /// The neighbour this link points to.
    ///
    /// # Safety
    ///
    /// The caller owns the list that holds this node.
    #[inline]
    pub unsafe fn next(&self) -> *mut Node {
        // SAFETY: the list has one owner, the caller, so nobody writes the field meanwhile.
        self.next.with(|next| unsafe { *next })
    }

    /// Points this link at a neighbour.
    ///
    /// # Safety
    ///
    /// The caller owns the node, or the list that holds it.
    #[inline]
    pub unsafe fn set_next(&self, to: *mut Node) {
        // SAFETY: as above: the node has one owner, the caller.
        self.next.with_mut(|next| unsafe { *next = to });
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

/// What one turn took out of an inbox, oldest first.
///
/// The list owns its blocks. Whatever is still in it when it is dropped is discarded.
///
/// A host gets one in each [`Turn`](crate::Turn); what it does not take out is discarded.
///
/// ```
/// use rekindle_scheduler::NodeList;
///
/// fn handle_all(inbox: &mut NodeList) -> usize {
///     let mut handled = 0;
///     while let Some(_node) = inbox.pop() {
///         handled += 1; // here the host turns the node into whatever it is
///     }
///     handled
/// }
/// assert_eq!(handle_all(&mut NodeList::new()), 0);
/// ```
#[derive(Debug)]
pub struct NodeList {
    head: *mut Node,
    len: usize,
    /// How many there are before the first that acts, and the last of these.
    plain: usize,
    plain_end: *mut Node,
}

/// Blocks one after another, which belong to whoever has this.
#[derive(Debug)]
pub struct NodeChain {
    /// The oldest.
    pub first: NodePtr,
    /// The newest, whose link leads nowhere.
    pub last: NodePtr,
    /// How many they are.
    pub len: usize,
}

// SAFETY: a node is only ever made of a payload that may cross threads (the contract of
// `TaskView::push`), and the list is its only owner.
unsafe impl Send for NodeList {}

impl NodeList {
    /// The list with nothing in it.
    #[must_use]
    pub const fn new() -> NodeList {
        NodeList {
            head: ptr::null_mut(),
            len: 0,
            plain: 0,
            plain_end: ptr::null_mut(),
        }
    }

    /// Reverses a chain that runs from the newest to the oldest.
    ///
    /// # Safety
    ///
    /// The caller owns the whole chain.
    pub(crate) unsafe fn from_newest(newest: *mut Node) -> NodeList {
        let mut list = NodeList::new();
        list.plain_end = newest;
        let mut at = newest;
        while let Some(node) = NonNull::new(at) {
            // SAFETY: the chain is the caller's, hence ours, and every node in it is alive.
            let node_ref = unsafe { node.as_ref() };
            // SAFETY: as above.
            unsafe {
                at = node_ref.next();
                node_ref.set_next(list.head);
            }
            list.head = node.as_ptr();
            list.plain += 1;
            if node_ref.vtable.acts {
                list.len += list.plain;
                (list.plain, list.plain_end) = (0, at);
            }
        }
        list.len += list.plain;
        list
    }

    /// Puts a block before all others.
    ///
    /// # Safety
    ///
    /// The caller owns the node, and gives it away.
    #[inline]
    pub(crate) unsafe fn push_front(&mut self, node: NodePtr) {
        // SAFETY: the caller's promise.
        unsafe { node.as_ref().set_next(self.head) };
        self.head = node.as_ptr();
        self.len += 1;
        // SAFETY: as above.
        if unsafe { node.as_ref() }.vtable.acts {
            self.plain = 0;
            return;
        }
        if self.plain == 0 {
            self.plain_end = node.as_ptr();
        }
        self.plain += 1;
    }

    /// Takes all that comes before the first block that acts, in one step however many they are; once
    /// that one was taken, nothing. They then belong to the caller.
    #[inline]
    #[must_use = "whoever forgets a chain leaks its blocks"]
    pub fn take_plain(&mut self) -> Option<NodeChain> {
        let first = NonNull::new(self.head)?;
        let last = NonNull::new(self.plain_end).filter(|_| self.plain > 0)?;
        let len = std::mem::take(&mut self.plain);
        // SAFETY: the list owns the node, and `&mut self` is the only way to it.
        unsafe {
            self.head = last.as_ref().next();
            last.as_ref().set_next(ptr::null_mut());
        }
        self.len -= len;
        Some(NodeChain { first, last, len })
    }

    /// How many blocks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Takes the oldest block; it then belongs to the caller.
    #[inline]
    pub fn pop(&mut self) -> Option<NodePtr> {
        let node = NonNull::new(self.head)?;
        // SAFETY: the list owns the node, and `&mut self` is the only way to it.
        self.head = unsafe { node.as_ref().next() };
        self.len -= 1;
        self.plain = self.plain.saturating_sub(1);
        Some(node)
    }
}

impl Default for NodeList {
    fn default() -> Self {
        NodeList::new()
    }
}

impl Drop for NodeList {
    #[inline]
    fn drop(&mut self) {
        while let Some(node) = self.pop() {
            // SAFETY: `pop` gave us the block, and no list holds it.
            unsafe { (node.as_ref().vtable().discard)(node) };
        }
    }
}
