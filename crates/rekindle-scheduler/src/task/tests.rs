//! The word without a runtime. Tests of whole tasks are in `tests/it`.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::node::{Node, NodeChain, NodeList, NodePtr, NodeVtable};
use super::state::{Ended, Given, Pushed, Spares, Woken, Word};

#[repr(C)]
struct Block {
    node: Node,
    value: usize,
}

static DISCARDED: AtomicUsize = AtomicUsize::new(0);
static VTABLE: NodeVtable = NodeVtable {
    discard,
    acts: false,
};

static ACTING: NodeVtable = NodeVtable {
    discard,
    acts: true,
};

unsafe fn discard(node: NodePtr) {
    DISCARDED.fetch_add(1, Ordering::Relaxed);
    drop(open(node));
}

fn block(value: usize) -> NodePtr {
    block_of(&VTABLE, value)
}

fn block_of(vtable: &'static NodeVtable, value: usize) -> NodePtr {
    let block = Box::new(Block {
        node: Node::new(vtable),
        value,
    });
    NonNull::from(Box::leak(block)).cast()
}

fn open(node: NodePtr) -> Box<Block> {
    // SAFETY: every node of these tests comes out of `block`, and is opened once.
    unsafe { Box::from_raw(node.cast::<Block>().as_ptr()) }
}

/// A word with the spares of its task.
struct Toy {
    word: Word,
    spares: Spares,
}

impl Toy {
    fn scheduled() -> Toy {
        Toy {
            word: Word::scheduled(),
            spares: Spares::new(),
        }
    }

    fn begin_turn(&self) -> NodeList {
        self.word.begin_turn(&self.spares).inbox
    }

    fn end_turn(&self) -> Ended {
        self.word.end_turn(&self.spares)
    }

    fn finish(&self) -> NodeList {
        self.word.finish(&self.spares).inbox
    }
}

impl std::ops::Deref for Toy {
    type Target = Word;

    fn deref(&self) -> &Word {
        &self.word
    }
}

fn idle() -> Toy {
    let word = Toy::scheduled();
    assert_eq!(word.end_turn(), Ended::Idle);
    word
}

fn push(word: &Word, value: usize) -> Pushed {
    // SAFETY: `block` makes a fresh node.
    unsafe { word.push(block(value)) }
}

#[test]
fn the_first_push_to_an_idle_task_schedules_it_and_later_ones_do_not() {
    let word = idle();
    assert_eq!(push(&word, 1), Pushed::Schedule);
    assert_eq!(push(&word, 2), Pushed::Delivered);
    assert_eq!(
        word.in_transit(),
        if cfg!(target_pointer_width = "64") {
            2
        } else {
            1
        }
    );
    let mut taken = word.begin_turn();
    assert_eq!(open(taken.pop().unwrap()).value, 1);
    assert_eq!(open(taken.pop().unwrap()).value, 2);
    assert!(taken.is_empty());
    assert_eq!(word.in_transit(), 0);
    assert_eq!(word.end_turn(), Ended::Idle);
}

#[test]
fn what_set_an_idle_task_going_comes_before_all_else_and_needs_no_take() {
    let word = idle();
    for round in 0..3 {
        assert_eq!(push(&word, round), Pushed::Schedule);
        assert_eq!(word.wake(), Woken::Nothing);
        assert_eq!(push(&word, round + 10), Pushed::Delivered);
        let mut taken = word.begin_turn();
        assert_eq!(taken.len(), 2);
        assert_eq!(open(taken.pop().unwrap()).value, round);
        assert_eq!(open(taken.pop().unwrap()).value, round + 10);
        assert!(word.begin_turn().is_empty(), "it is taken once");
        assert_eq!(word.end_turn(), Ended::Idle);
    }
}

#[test]
fn a_push_during_a_turn_asks_for_another_turn() {
    let word = Toy::scheduled();
    drop(word.begin_turn());
    assert_eq!(push(&word, 1), Pushed::Delivered);
    assert_eq!(word.end_turn(), Ended::Again);
    assert_eq!(open(word.begin_turn().pop().unwrap()).value, 1);
    assert_eq!(word.end_turn(), Ended::Idle);
}

#[test]
fn a_wake_during_a_turn_asks_for_another_turn_and_one_before_it_does_not() {
    let word = Toy::scheduled();
    assert_eq!(word.wake(), Woken::Nothing);
    drop(word.begin_turn());
    assert_eq!(word.end_turn(), Ended::Idle);
    assert_eq!(word.wake(), Woken::Schedule);
    drop(word.begin_turn());
    assert_eq!(word.wake(), Woken::Nothing);
    assert_eq!(word.end_turn(), Ended::Again);
}

#[test]
fn a_dead_task_gives_the_node_back_and_ignores_wakes() {
    let word = Toy::scheduled();
    assert_eq!(push(&word, 1), Pushed::Delivered);
    let mut rest = word.finish();
    assert_eq!(open(rest.pop().unwrap()).value, 1);
    let node = block(2);
    // SAFETY: a fresh node.
    assert_eq!(unsafe { word.push(node) }, Pushed::Dead);
    assert_eq!(open(node).value, 2);
    assert_eq!(word.wake(), Woken::Nothing);
    assert!(word.is_dead());
    assert!(!word.claim());
}

#[test]
fn the_in_transit_count_saturates_and_no_node_is_lost() {
    let word = idle();
    for value in 0..70_000 {
        let _ = push(&word, value);
    }
    if cfg!(target_pointer_width = "64") {
        assert_eq!(word.in_transit(), 65_536);
    }
    let mut taken = word.begin_turn();
    assert_eq!(taken.len(), 70_000);
    for value in 0..70_000 {
        assert_eq!(open(taken.pop().unwrap()).value, value);
    }
}

#[test]
fn a_list_of_a_million_is_dropped_without_recursion() {
    let word = Toy::scheduled();
    for value in 0..1_000_000 {
        let _ = push(&word, value);
    }
    let before = DISCARDED.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        let small = std::thread::Builder::new().stack_size(64 << 10);
        small.spawn_scoped(scope, || drop(word.finish())).unwrap();
    });
    assert!(DISCARDED.load(Ordering::Relaxed) - before >= 1_000_000);
}

#[test]
fn a_reference_that_comes_with_a_wake_is_lent_again() {
    let word = idle();
    assert!(!word.spares.lend());
    for _ in 0..3 {
        assert_eq!(word.wake_giving(), Given::Accepted(Woken::Schedule));
        assert!(word.begin_turn().is_empty());
        assert_eq!(word.spares.count(), 1);
        assert!(word.spares.lend());
        assert_eq!(word.end_turn(), Ended::Idle);
    }
    assert_eq!(word.spares.count(), 0);
}

#[test]
fn one_reference_is_given_per_turn_and_collected_once() {
    let word = idle();
    assert_eq!(word.wake_giving(), Given::Accepted(Woken::Schedule));
    assert_eq!(word.wake_giving(), Given::Refused(Woken::Nothing));
    drop(word.begin_turn());
    assert_eq!(word.spares.count(), 1);
    assert_eq!(word.end_turn(), Ended::Idle);
    // The same with a push between, and with one during the turn, in which GIVEN is stale.
    assert_eq!(word.wake_giving(), Given::Accepted(Woken::Schedule));
    assert_eq!(push(&word, 1), Pushed::Delivered);
    assert_eq!(word.begin_turn().len(), 1);
    assert_eq!(word.spares.count(), 2);
    assert_eq!(word.end_turn(), Ended::Idle);
    assert_eq!(word.wake_giving(), Given::Accepted(Woken::Schedule));
    drop(word.begin_turn());
    assert_eq!(push(&word, 2), Pushed::Delivered);
    assert_eq!(word.wake_giving(), Given::Refused(Woken::Nothing));
    assert_eq!(word.end_turn(), Ended::Again);
    assert_eq!(word.begin_turn().len(), 1);
    assert_eq!(word.spares.count(), 3);
    assert_eq!(word.wake_giving(), Given::Accepted(Woken::Nothing));
    assert_eq!(word.end_turn(), Ended::Again);
    drop(word.begin_turn());
    assert_eq!((word.spares.count(), word.end_turn()), (4, Ended::Idle));
}

#[test]
fn what_there_is_no_room_for_is_surplus() {
    let word = idle();
    let surplus = (0..10).filter(|_| {
        assert_eq!(word.wake_giving(), Given::Accepted(Woken::Schedule));
        let begun = word.word.begin_turn(&word.spares);
        assert_eq!(word.end_turn(), Ended::Idle);
        begun.surplus
    });
    assert_eq!(surplus.count(), 2);
    assert_eq!(word.spares.count(), 8);
    assert_eq!(word.wake_giving(), Given::Accepted(Woken::Schedule));
    assert!(word.word.finish(&word.spares).surplus);
    assert_eq!(word.wake_giving(), Given::Refused(Woken::Nothing));
}

/// What comes out of a chain by links, each block opened.
fn values(chain: NodeChain) -> Vec<usize> {
    let mut values = Vec::new();
    let mut at = Some(chain.first);
    while let Some(node) = at {
        // SAFETY: the chain is ours.
        at = NonNull::new(unsafe { node.as_ref().next() });
        values.push(open(node).value);
    }
    assert_eq!(values.len(), chain.len);
    values
}

proptest::proptest! {
    /// Whatever acts, and whether there is a first block: what is plain comes out at once, up to what
    /// acts, and all of it in order.
    #[test]
    fn a_list_gives_what_is_plain_at_once(
        acts in proptest::collection::vec(proptest::bool::weighted(0.2), 0..20),
        idle in proptest::bool::ANY,
        pops_first in proptest::bool::ANY,
    ) {
        let vtable = |acts| if acts { &ACTING } else { &VTABLE };
        let toy = Toy::scheduled();
        if idle {
            proptest::prop_assert_eq!(toy.end_turn(), Ended::Idle);
        }
        for (value, acts) in acts.iter().enumerate() {
            // SAFETY: the block has just been made, and is given away.
            let _ = unsafe { toy.word.push(block_of(vtable(*acts), value)) };
        }
        let mut inbox = toy.begin_turn();
        let mut seen = Vec::new();
        if pops_first && acts.first() == Some(&false) && let Some(node) = inbox.pop() {
            seen.push(open(node).value);
        }
        let at = seen.len();
        let plain = acts[at..].iter().take_while(|acts| !**acts).count();
        match inbox.take_plain() {
            Some(chain) => {
                proptest::prop_assert_eq!(chain.len, plain);
                seen.extend(values(chain));
            }
            None => proptest::prop_assert_eq!(plain, 0),
        }
        proptest::prop_assert!(inbox.take_plain().is_none());
        proptest::prop_assert_eq!(inbox.len(), acts.len() - seen.len());
        while let Some(node) = inbox.pop() {
            seen.push(open(node).value);
        }
        proptest::prop_assert_eq!(seen, (0..acts.len()).collect::<Vec<_>>());
    }
}
