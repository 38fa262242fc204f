//! Every interleaving of the word's operations, for a few threads.
//!
//! The models run the shipped `Word` and `Node`. A queue is a counter: how many `Runnable`s exist.

use std::ptr::NonNull;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::node::{Node, NodePtr, NodeVtable};
use super::state::{Ended, Given, Pushed, Spares, Woken, Word};
use crate::model::explore;
use crate::sync::UnsafeCell;

#[repr(C)]
struct Block {
    node: Node,
    /// Written through the cell after construction: loom then sees a missing ordering.
    value: UnsafeCell<usize>,
}

static VTABLE: NodeVtable = NodeVtable {
    discard,
    acts: false,
};

unsafe fn discard(node: NodePtr) {
    open(node);
}

fn block(value: usize) -> NodePtr {
    let block = Box::new(Block {
        node: Node::new(&VTABLE),
        value: UnsafeCell::new(0),
    });
    // SAFETY: nobody else has the block yet.
    block.value.with_mut(|at| unsafe { *at = value });
    NonNull::from(Box::leak(block)).cast()
}

fn open(node: NodePtr) -> usize {
    // SAFETY: every node comes out of `block`, and is opened once.
    let block = unsafe { Box::from_raw(node.cast::<Block>().as_ptr()) };
    // SAFETY: we are its only owner; loom checks that.
    block.value.with(|at| unsafe { *at })
}

/// A task whose future is a plain cell: touched only by the owner of SCHEDULED.
struct Task {
    word: Word,
    spares: Spares,
    runnables: AtomicUsize,
    polls: UnsafeCell<Vec<usize>>,
}

// SAFETY: `polls` is touched by the owner of SCHEDULED only; loom checks that.
unsafe impl Sync for Task {}
// SAFETY: as above.
unsafe impl Send for Task {}

impl Task {
    fn idle() -> Arc<Task> {
        let (word, spares) = (Word::scheduled(), Spares::new());
        assert_eq!(word.end_turn(&spares), Ended::Idle);
        Arc::new(Task {
            word,
            spares,
            runnables: AtomicUsize::new(0),
            polls: UnsafeCell::new(Vec::new()),
        })
    }

    fn schedule(&self) {
        let before = self.runnables.fetch_add(1, Ordering::AcqRel);
        assert_eq!(before, 0, "at most one runnable exists");
    }

    fn push(&self, value: usize) -> bool {
        // SAFETY: a fresh node.
        let node = block(value);
        match unsafe { self.word.push(node) } {
            Pushed::Schedule => self.schedule(),
            Pushed::Delivered => {}
            Pushed::Dead => {
                open(node);
                return false;
            }
        }
        true
    }

    fn wake(&self) {
        if self.word.wake() == Woken::Schedule {
            self.schedule();
        }
    }

    /// A worker's look: polls while there is a runnable; `true` if it polled at all.
    fn run(&self) -> bool {
        if self.runnables.load(Ordering::Acquire) == 0 {
            return false;
        }
        self.runnables.fetch_sub(1, Ordering::AcqRel);
        self.turns();
        true
    }

    /// Turns until the task rests. The caller owns SCHEDULED.
    fn turns(&self) {
        loop {
            let mut inbox = self.word.begin_turn(&self.spares).inbox;
            // SAFETY: we own SCHEDULED; loom checks that nobody else is here.
            self.polls.with_mut(|polls| unsafe {
                (*polls).push(usize::MAX);
                while let Some(node) = inbox.pop() {
                    (*polls).push(open(node));
                }
            });
            if self.word.end_turn(&self.spares) == Ended::Idle {
                return;
            }
        }
    }

    fn handled(&self) -> Vec<usize> {
        // SAFETY: called after every other thread was joined.
        self.polls.with(|polls| unsafe { (*polls).clone() })
    }
}

fn messages(handled: &[usize]) -> Vec<usize> {
    handled
        .iter()
        .copied()
        .filter(|value| *value != usize::MAX)
        .collect()
}

#[test]
fn loom_two_senders_and_a_runner_lose_nothing_and_keep_order() {
    explore(|| {
        let task = Task::idle();
        let senders: Vec<_> = [10, 20]
            .into_iter()
            .map(|base| {
                let task = task.clone();
                thread::spawn(move || {
                    task.push(base);
                    if base == 10 {
                        task.push(base + 1);
                    }
                })
            })
            .collect();
        task.run();
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
        task.run();
        let mut all = messages(&task.handled());
        let ten = all.iter().position(|v| *v == 10);
        let eleven = all.iter().position(|v| *v == 11);
        assert!(ten < eleven, "the order of one sender is kept");
        all.sort_unstable();
        assert_eq!(all, [10, 11, 20]);
    });
}

#[test]
fn loom_news_taken_in_the_middle_of_a_turn_are_lost_no_more_than_a_wake() {
    explore(|| {
        let task = Task::idle();
        task.push(10);
        let woken = Arc::new(AtomicUsize::new(0));
        let sender = {
            let task = task.clone();
            thread::spawn(move || {
                task.push(11);
            })
        };
        let waker = {
            let (task, woken) = (task.clone(), woken.clone());
            thread::spawn(move || {
                woken.store(1, Ordering::Relaxed);
                task.wake();
            })
        };
        let turn = || {
            if task.runnables.load(Ordering::Acquire) == 0 {
                return;
            }
            task.runnables.fetch_sub(1, Ordering::AcqRel);
            loop {
                let begun = task.word.begin_turn(&task.spares).inbox;
                // The poll, which looks once more before it waits.
                let saw = woken.load(Ordering::Relaxed);
                let news = task.word.take_news();
                // SAFETY: we own SCHEDULED; loom checks that nobody else is here.
                task.polls.with_mut(|polls| unsafe {
                    for mut list in [begun, news] {
                        while let Some(node) = list.pop() {
                            (*polls).push(open(node));
                        }
                    }
                    if saw == 1 {
                        (*polls).push(usize::MAX);
                    }
                });
                if task.word.end_turn(&task.spares) == Ended::Idle {
                    return;
                }
            }
        };
        turn();
        sender.join().unwrap();
        waker.join().unwrap();
        turn();
        let handled = task.handled();
        assert_eq!(messages(&handled), [10, 11]);
        assert!(
            handled.contains(&usize::MAX),
            "a poll has seen what the waker did"
        );
    });
}

#[test]
fn loom_a_wake_is_followed_by_a_poll_that_sees_what_the_waker_did() {
    explore(|| {
        let task = Task::idle();
        let flag = Arc::new(AtomicUsize::new(0));
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (task, flag) = (task.clone(), flag.clone());
                thread::spawn(move || {
                    flag.fetch_add(1, Ordering::Relaxed);
                    task.wake();
                })
            })
            .collect();
        task.run();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        task.run();
        assert!(!task.handled().is_empty());
        assert_eq!(task.runnables.load(Ordering::Relaxed), 0);
        assert!(!task.word.is_scheduled(), "nothing is left behind");
    });
}

/// The right to poll goes from thread to thread through the word alone: no queue and no join comes
/// between that would order the one's turn before the other's.
#[test]
fn loom_who_takes_a_task_over_sees_what_was_done_to_it() {
    let ways: [fn(&Task) -> bool; 4] = [
        |task| task.word.wake() == Woken::Schedule,
        |task| task.word.wake_giving() == Given::Accepted(Woken::Schedule),
        // SAFETY: a fresh node.
        |task| unsafe { task.word.push(block(1)) } == Pushed::Schedule,
        |task| task.word.claim(),
    ];
    for takes_over in ways {
        explore(move || {
            let task = Task::idle();
            assert!(task.word.claim());
            let other = {
                let task = task.clone();
                thread::spawn(move || {
                    if takes_over(&task) {
                        task.turns();
                    }
                })
            };
            task.turns();
            other.join().unwrap();
            assert!(!task.word.is_scheduled());
        });
    }
}

#[test]
fn loom_a_finish_against_pushes_loses_no_node() {
    explore(|| {
        let task = Task::idle();
        assert!(task.word.claim());
        let sender = {
            let task = task.clone();
            thread::spawn(move || usize::from(task.push(1)) + usize::from(task.push(2)))
        };
        let mut left = task.word.finish(&task.spares).inbox;
        let mut found = 0;
        while let Some(node) = left.pop() {
            open(node);
            found += 1;
        }
        assert_eq!(
            sender.join().unwrap(),
            found,
            "delivered is exactly what the finish found"
        );
        assert_eq!(task.runnables.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn loom_a_claim_against_a_wake_gives_the_task_to_one_of_them() {
    explore(|| {
        let task = Task::idle();
        let waker = {
            let task = task.clone();
            thread::spawn(move || task.wake())
        };
        let claimed = task.word.claim();
        if claimed {
            drop(task.word.finish(&task.spares).inbox);
        }
        waker.join().unwrap();
        assert_ne!(claimed, task.runnables.load(Ordering::Relaxed) == 1);
    });
}

/// References are counted as the cell counts them: what is given is the task's, what is refused
/// is given up by the one who woke, and none is lost or given up twice.
#[test]
fn loom_what_comes_with_a_wake_is_kept_once() {
    explore(|| {
        let task = Task::idle();
        // Two wakers that own a reference each.
        let count = Arc::new(AtomicUsize::new(2));
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (task, count) = (task.clone(), count.clone());
                thread::spawn(move || match task.word.wake_giving() {
                    Given::Accepted(Woken::Schedule) => task.schedule(),
                    Given::Accepted(Woken::Nothing) => {}
                    Given::Refused(_) => {
                        count.fetch_sub(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        task.run();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        task.run();
        assert!(task.word.claim(), "nothing is left behind");
        let surplus = usize::from(task.word.finish(&task.spares).surplus);
        let kept = usize::from(task.spares.count());
        assert_eq!(kept + surplus, count.load(Ordering::Relaxed));
        assert!(kept > 0);
    });
}

#[test]
fn loom_a_gift_and_a_message_at_once() {
    explore(|| {
        let task = Task::idle();
        let giver = {
            let task = task.clone();
            thread::spawn(move || match task.word.wake_giving() {
                Given::Accepted(Woken::Schedule) => task.schedule(),
                Given::Accepted(Woken::Nothing) => {}
                Given::Refused(_) => panic!("nobody else gives"),
            })
        };
        let sender = {
            let task = task.clone();
            thread::spawn(move || task.push(1))
        };
        task.run();
        giver.join().unwrap();
        assert!(sender.join().unwrap());
        task.run();
        assert_eq!(messages(&task.handled()), [1]);
        assert_eq!(task.spares.count(), 1);
        assert!(task.spares.lend());
        assert!(!task.spares.lend());
    });
}

/// A task's end as the cell does it, against somebody who found it by its id: the slot's lock, the
/// count, and the short way of a task that is alone.
struct Ending {
    word: Word,
    spares: Spares,
    count: AtomicUsize,
    /// Whether the slot still has the task.
    slot: loom::sync::Mutex<bool>,
    /// Stands for the cell: read by every use of it, written when it is freed.
    cell: UnsafeCell<usize>,
    /// Nodes that were pushed, and nodes that the end found or that came too late.
    pushed: AtomicUsize,
    found: AtomicUsize,
}

// SAFETY: `cell` is what loom watches; the rest is shared by design.
unsafe impl Sync for Ending {}
// SAFETY: as above.
unsafe impl Send for Ending {}

impl Ending {
    /// A task in its last turn.
    fn new() -> Arc<Ending> {
        Arc::new(Ending {
            word: Word::scheduled(),
            spares: Spares::new(),
            count: AtomicUsize::new(1),
            slot: loom::sync::Mutex::new(true),
            cell: UnsafeCell::new(0),
            pushed: AtomicUsize::new(0),
            found: AtomicUsize::new(0),
        })
    }

    fn push(&self) {
        // SAFETY: nobody frees a cell that is in use: that is what the model checks.
        self.cell.with(|cell| unsafe { *cell });
        let node = block(1);
        self.pushed.fetch_add(1, Ordering::Relaxed);
        // SAFETY: a fresh node.
        match unsafe { self.word.push(node) } {
            Pushed::Delivered => {}
            Pushed::Schedule => panic!("the end owns the right to poll"),
            Pushed::Dead => {
                open(node);
                self.found.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn empty(&self, mut inbox: super::NodeList) {
        while let Some(node) = inbox.pop() {
            open(node);
            self.found.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn free(&self) {
        // SAFETY: nobody uses the cell any more: that is what the model checks.
        self.cell.with_mut(|cell| unsafe { *cell += 1 });
    }

    fn release(&self) {
        if self.count.fetch_sub(1, Ordering::Release) == 1 {
            loom::sync::atomic::fence(Ordering::Acquire);
            self.free();
        }
    }

    /// Looks the task up, and does something with it if it is found: with a counted reference, which is given up
    /// later, or with a view, under the lock.
    fn find(&self, keeps: bool, act: impl FnOnce()) {
        let slot = self.slot.lock().unwrap();
        if !*slot {
            return;
        }
        if keeps {
            self.count.fetch_add(1, Ordering::Relaxed);
            drop(slot);
            act();
            self.release();
        } else {
            act();
        }
    }

    /// As `Cell::finish`.
    fn finish(&self) {
        *self.slot.lock().unwrap() = false;
        let alone = self.count.load(Ordering::Acquire) == 1 && self.word.is_quiet();
        if alone {
            return self.free();
        }
        self.empty(self.word.finish(&self.spares).inbox);
        self.release();
    }
}

#[test]
fn loom_a_task_that_is_alone_ends_without_a_word() {
    explore(|| {
        let task = Ending::new();
        let others: Vec<_> = [false, true]
            .into_iter()
            .map(|keeps| {
                let task = task.clone();
                thread::spawn(move || task.find(keeps, || task.push()))
            })
            .collect();
        task.finish();
        others.into_iter().for_each(|other| other.join().unwrap());
        // SAFETY: every other thread was joined.
        let freed = task.cell.with(|cell| unsafe { *cell });
        assert_eq!(freed, 1);
        let pushed = task.pushed.load(Ordering::Relaxed);
        assert_eq!(
            pushed,
            task.found.load(Ordering::Relaxed),
            "no node is lost"
        );
    });
}

/// The id goes at once if nobody knows the task (`Header::vacate_if_alone`): who has found it, and is about to leave
/// something with it, has time to.
#[test]
fn loom_an_id_that_somebody_has_found_is_not_given_up_in_passing() {
    explore(|| {
        let task = Ending::new();
        let touched = Arc::new(AtomicBool::new(false));
        let others: Vec<_> = [false, true]
            .into_iter()
            .map(|keeps| {
                let (task, touched) = (task.clone(), touched.clone());
                thread::spawn(move || {
                    task.find(keeps, || touched.store(true, Ordering::Relaxed));
                })
            })
            .collect();
        let is_alone = || {
            task.count.load(Ordering::Acquire) == 1
                && task.word.is_quiet()
                && !touched.load(Ordering::Relaxed)
        };
        let mut slot = task.slot.lock().unwrap();
        let in_passing = is_alone();
        *slot = !in_passing;
        drop(slot);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(
            !in_passing || !touched.load(Ordering::Relaxed),
            "what was left with the task would be forgotten"
        );
    });
}

/// Turns without a rest between them (`Turn::again`), then the end, against wakers that give: a bit
/// that was collected and stays in the word is not collected again.
#[test]
fn loom_what_is_given_over_turns_without_a_rest_and_an_end_is_kept_once() {
    explore(|| {
        let task = Task::idle();
        assert!(task.word.claim());
        let count = Arc::new(AtomicUsize::new(2));
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (task, count) = (task.clone(), count.clone());
                thread::spawn(move || match task.word.wake_giving() {
                    Given::Accepted(Woken::Schedule) => panic!("it is scheduled until it is dead"),
                    Given::Accepted(Woken::Nothing) => {}
                    Given::Refused(_) => {
                        count.fetch_sub(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let mut surplus = 0;
        for _ in 0..3 {
            surplus += usize::from(task.word.begin_turn(&task.spares).surplus);
        }
        surplus += usize::from(task.word.finish(&task.spares).surplus);
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        let kept = usize::from(task.spares.count());
        assert_eq!(kept + surplus, count.load(Ordering::Relaxed));
    });
}

/// The same with a rest that fails, and a lent reference that comes back as a gift.
#[test]
fn loom_what_is_lent_comes_back_once_over_rests() {
    explore(|| {
        let task = Task::idle();
        assert!(task.word.claim());
        assert!(task.spares.collect());
        drop(task.word.begin_turn(&task.spares));
        assert!(task.spares.lend());
        let waker = {
            let task = task.clone();
            thread::spawn(move || match task.word.wake_giving() {
                Given::Accepted(Woken::Schedule) => task.schedule(),
                Given::Accepted(Woken::Nothing) => {}
                Given::Refused(_) => panic!("nobody else gives"),
            })
        };
        let mut ended = task.word.end_turn(&task.spares);
        while ended == Ended::Again {
            drop(task.word.begin_turn(&task.spares));
            ended = task.word.end_turn(&task.spares);
        }
        waker.join().unwrap();
        task.run();
        task.run();
        assert_eq!(task.spares.count(), 1);
        assert!(task.word.claim(), "nothing is left behind");
    });
}
