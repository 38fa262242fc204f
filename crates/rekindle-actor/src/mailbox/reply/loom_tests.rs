//! Every interleaving of the parties of a request, for the caller and one or two others.
//!
//! The models run the shipped block. No process runs in them, so a dropped `ReplyTo` and a dropped
//! `Served` act at once. What counts tokens and wakers are plain thread-locals: all threads of a
//! model are one thread of the system, and the counting adds no ordering of its own.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use loom::thread;

use super::*;

thread_local! {
    /// Tokens that were made and not dropped.
    static TOKENS: Cell<isize> = const { Cell::new(0) };
    static WAKERS: RefCell<[Tally; 2]> = RefCell::default();
}

/// A value whose drops are counted, as a message and as an answer.
struct Token;

impl Token {
    fn new() -> Token {
        TOKENS.set(TOKENS.get() + 1);
        Token
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        TOKENS.set(TOKENS.get() - 1);
    }
}

/// What became of the clones of one waker.
#[derive(Default)]
struct Tally {
    live: isize,
    woken: usize,
}

fn tally<R>(waker: *const (), f: impl FnOnce(&mut Tally) -> R) -> R {
    WAKERS.with_borrow_mut(|all| f(&mut all[waker.addr()]))
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |waker| {
        tally(waker, |tally| tally.live += 1);
        RawWaker::new(waker, &VTABLE)
    },
    |waker| {
        tally(waker, |tally| {
            tally.woken += 1;
            tally.live -= 1;
        });
    },
    |waker| tally(waker, |tally| tally.woken += 1),
    |waker| tally(waker, |tally| tally.live -= 1),
);

fn waker(number: usize) -> Waker {
    let number = ptr::without_provenance(number);
    tally(number, |tally| tally.live += 1);
    // SAFETY: the table's functions only count.
    unsafe { Waker::from_raw(RawWaker::new(number, &VTABLE)) }
}

fn woken(number: usize) -> usize {
    WAKERS.with_borrow(|all| all[number].woken)
}

/// Runs a model, and looks whether everything that was made is gone, once.
fn check(model: impl Fn() + Send + Sync + 'static) {
    rekindle_scheduler::model::explore(move || {
        TOKENS.set(0);
        WAKERS.take();
        model();
        assert_eq!(sync::block::live(), 0, "each block is freed");
        assert_eq!(TOKENS.get(), 0, "each token is dropped once");
        WAKERS.with_borrow(|all| {
            for tally in all {
                assert_eq!(tally.live, 0, "each waker is used up or dropped, once");
            }
        });
    });
}

/// A message with the right to answer in it.
struct Message {
    reply: ReplyTo<Token>,
    _token: Token,
}

/// A request on its way.
struct Letter(NodePtr);

// SAFETY: the node is the party SERVER's alone.
unsafe impl Send for Letter {}

impl Letter {
    fn open(self) -> (ReplyTo<Token>, Served) {
        // SAFETY: every letter comes out of `sent_by`.
        let message = unsafe { open::<Message>(self.0) };
        // SAFETY: as above; SERVER came with it.
        (message.reply, unsafe { Served::of(self.0) })
    }

    fn discard(self) {
        // SAFETY: as above; SERVER is ours.
        unsafe { discard_request(self.0) };
    }

    fn refuse(self, reason: &ExitReason) {
        refuse(self.0, Some(reason));
    }
}

/// By nobody in particular.
fn sent() -> (Awaiting<Token>, Letter) {
    sent_by(None)
}

/// By a process, whose waker, number 0, is in its place from the start.
fn sent_by_a_process() -> (Awaiting<Token>, Letter) {
    let pid = Pid::new(1, rekindle_scheduler::TaskId::from_parts(1, 1));
    sent_by(Some((pid, waker(0))))
}

fn sent_by(caller: Option<(Pid, Waker)>) -> (Awaiting<Token>, Letter) {
    let mut awaiting = request(caller, |reply| Message {
        reply,
        _token: Token::new(),
    });
    let letter = Letter(awaiting.node());
    awaiting.mark_sent();
    (awaiting, letter)
}

fn poll(awaiting: &mut Awaiting<Token>, number: usize) -> Poll<Result<Token, Lost>> {
    let waker = waker(number);
    awaiting.poll(&mut Context::from_waker(&waker))
}

fn join(others: Vec<thread::JoinHandle<()>>) {
    for other in others {
        other.join().unwrap();
    }
}

/// Polls with each of the wakers, while the others are at work; then waits to be woken.
fn wait(
    mut awaiting: Awaiting<Token>,
    wakers: &[usize],
    others: Vec<thread::JoinHandle<()>>,
) -> Result<(), Lost> {
    for &number in wakers {
        if let Poll::Ready(result) = poll(&mut awaiting, number) {
            // The block may end here and now, while the others still let go of it.
            drop(awaiting);
            join(others);
            return result.map(drop);
        }
    }
    join(others);
    let last = *wakers.last().unwrap();
    assert_eq!(woken(last), 1, "the waker that was left is woken");
    match poll(&mut awaiting, last) {
        Poll::Ready(result) => result.map(drop),
        Poll::Pending => panic!("woken, and nothing is there"),
    }
}

/// An answer from elsewhere.
fn answer(reply: ReplyTo<Token>) {
    reply.reply_with(None, Token::new());
}

/// How the process that was asked answers.
#[derive(Clone, Copy)]
enum How {
    /// And keeps its hold for a while.
    Staying,
    /// And lets go in the same step.
    Leaving,
}

const WAYS: [How; 2] = [How::Staying, How::Leaving];

impl How {
    fn answer(self, (reply, served): (ReplyTo<Token>, Served)) {
        match self {
            How::Staying => {
                answer(reply);
                served.let_go();
            }
            How::Leaving => reply.reply_with(Some(served), Token::new()),
        }
    }
}

#[test]
fn loom_an_answer_against_a_caller_that_gives_up() {
    for how in WAYS {
        for registered in [false, true] {
            check(move || {
                let (mut awaiting, letter) = sent();
                if registered {
                    assert!(poll(&mut awaiting, 0).is_pending());
                }
                let callee = thread::spawn(move || how.answer(letter.open()));
                drop(awaiting);
                callee.join().unwrap();
            });
        }
    }
}

#[test]
fn loom_an_answer_against_a_process_that_gives_up() {
    for how in WAYS {
        check(move || {
            let (awaiting, letter) = sent_by_a_process();
            let callee = thread::spawn(move || how.answer(letter.open()));
            drop(awaiting);
            callee.join().unwrap();
        });
    }
}

#[test]
fn loom_a_caller_that_polls_sees_the_answer_or_is_woken() {
    for how in WAYS {
        check(move || {
            let (awaiting, letter) = sent();
            let callee = thread::spawn(move || how.answer(letter.open()));
            assert_eq!(wait(awaiting, &[0], vec![callee]), Ok(()));
        });
    }
}

#[test]
fn loom_a_process_that_polls_sees_the_answer_or_is_woken() {
    for how in WAYS {
        check(move || {
            let (mut awaiting, letter) = sent_by_a_process();
            // Loom compares an access with the last one before it only. So the answer, which looks
            // before it changes anything, is given here, and the caller is the other thread.
            let caller = thread::spawn(move || match poll(&mut awaiting, 0) {
                Poll::Ready(result) => {
                    drop((result, awaiting));
                    None
                }
                Poll::Pending => Some(awaiting),
            });
            how.answer(letter.open());
            if let Some(mut awaiting) = caller.join().unwrap() {
                assert_eq!(woken(0), 1);
                assert!(matches!(poll(&mut awaiting, 0), Poll::Ready(Ok(_))));
            }
        });
    }
}

/// The waker that was there from the start is read before it is known whose it is.
#[test]
fn loom_the_first_waker_gives_way_to_another_against_the_answer() {
    for how in WAYS {
        check(move || {
            let (awaiting, letter) = sent_by_a_process();
            let callee = thread::spawn(move || how.answer(letter.open()));
            assert_eq!(wait(awaiting, &[1], vec![callee]), Ok(()));
        });
    }
}

#[test]
fn loom_a_caller_that_polls_and_then_gives_up() {
    check(|| {
        let (mut awaiting, letter) = sent();
        let callee = thread::spawn(move || {
            let (reply, served) = letter.open();
            answer(reply);
            served.let_go();
        });
        drop(poll(&mut awaiting, 0));
        drop(awaiting);
        callee.join().unwrap();
    });
}

#[test]
fn loom_another_waker_against_the_answer() {
    for how in WAYS {
        check(move || {
            let (awaiting, letter) = sent();
            let callee = thread::spawn(move || how.answer(letter.open()));
            assert_eq!(wait(awaiting, &[0, 1], vec![callee]), Ok(()));
        });
    }
}

#[test]
fn loom_an_answer_against_the_end_of_the_callee() {
    for registered in [false, true] {
        check(move || {
            let (mut awaiting, letter) = sent();
            if registered {
                assert!(poll(&mut awaiting, 0).is_pending());
            }
            let (reply, served) = letter.open();
            let others = vec![
                thread::spawn(move || answer(reply)),
                thread::spawn(move || served.fail(&ExitReason::Killed)),
            ];
            let result = wait(awaiting, &[0], others);
            let dead = Err(Lost::Exited(ExitReason::Killed));
            assert!(result == Ok(()) || result == dead, "{result:?}");
        });
    }
}

#[test]
fn loom_an_answer_a_failure_and_a_caller_that_gives_up() {
    check(|| {
        let (awaiting, letter) = sent();
        let (reply, served) = letter.open();
        let others = vec![
            thread::spawn(move || answer(reply)),
            thread::spawn(move || served.fail(&ExitReason::Killed)),
        ];
        drop(awaiting);
        join(others);
    });
}

/// The last of three frees the block, whoever it is.
#[test]
fn loom_an_answer_from_elsewhere_while_the_callee_lets_go() {
    check(|| {
        let (awaiting, letter) = sent();
        let (reply, served) = letter.open();
        let others = vec![
            thread::spawn(move || answer(reply)),
            thread::spawn(move || served.let_go()),
        ];
        assert_eq!(wait(awaiting, &[0], others), Ok(()));
    });
}

#[test]
fn loom_a_dropped_right_to_answer_against_a_caller_that_gives_up() {
    check(|| {
        let (awaiting, letter) = sent();
        let callee = thread::spawn(move || {
            let (reply, served) = letter.open();
            drop(reply);
            drop(served);
        });
        drop(awaiting);
        callee.join().unwrap();
    });
}

#[test]
fn loom_a_dropped_right_to_answer_is_heard() {
    check(|| {
        let (awaiting, letter) = sent();
        let (reply, served) = letter.open();
        let others = vec![
            thread::spawn(move || drop(reply)),
            thread::spawn(move || served.let_go()),
        ];
        assert_eq!(wait(awaiting, &[0], others), Err(Lost::NoReply));
    });
}

#[test]
fn loom_a_dropped_right_to_answer_against_the_end_of_the_callee() {
    check(|| {
        let (awaiting, letter) = sent();
        let (reply, served) = letter.open();
        let others = vec![
            thread::spawn(move || drop(reply)),
            thread::spawn(move || served.fail(&ExitReason::Killed)),
        ];
        let result = wait(awaiting, &[0], others);
        let dead = Err(Lost::Exited(ExitReason::Killed));
        assert!(result == Err(Lost::NoReply) || result == dead, "{result:?}");
    });
}

/// A start that is waited for; by a process, whose waker, number 0, is in its place from the start, or by nobody in
/// particular.
fn starting(by_a_process: bool) -> (Awaiting<Token>, Owed) {
    let (reply, awaiting) = acknowledgement::<Token>(by_a_process.then(|| waker(0)));
    // What its drop does in a process that is about to end.
    let reply = ManuallyDrop::new(reply);
    (awaiting, Owed(reply.head))
}

#[test]
fn loom_a_start_that_fails_tells_its_reason() {
    // A process that polls with its own waker alone is a model of its own, below.
    let rows = [
        (false, &[0][..]),
        (false, &[0, 1]),
        (true, &[1]),
        (true, &[0, 1]),
    ];
    for (by_a_process, wakers) in rows {
        check(move || {
            let (awaiting, owed) = starting(by_a_process);
            let child = thread::spawn(move || owed.fail(ExitReason::Killed));
            let dead = Err(Lost::Exited(ExitReason::Killed));
            assert_eq!(wait(awaiting, wakers, vec![child]), dead);
        });
    }
}

/// As [`loom_a_process_that_polls_sees_the_answer_or_is_woken`], and for the same reason from this side.
#[test]
fn loom_a_process_that_starts_another_sees_it_fail_or_is_woken() {
    check(|| {
        let (mut awaiting, owed) = starting(true);
        let starter = thread::spawn(move || match poll(&mut awaiting, 0) {
            Poll::Ready(result) => {
                assert!(matches!(result, Err(Lost::Exited(ExitReason::Killed))));
                None
            }
            Poll::Pending => Some(awaiting),
        });
        owed.fail(ExitReason::Killed);
        if let Some(mut awaiting) = starter.join().unwrap() {
            assert_eq!(woken(0), 1);
            assert!(matches!(poll(&mut awaiting, 0), Poll::Ready(Err(_))));
        }
    });
}

#[test]
fn loom_a_start_that_fails_against_a_starter_that_gives_up() {
    for by_a_process in [false, true] {
        for polled in [false, true] {
            check(move || {
                let (mut awaiting, owed) = starting(by_a_process);
                if polled {
                    assert!(poll(&mut awaiting, 0).is_pending());
                }
                let child = thread::spawn(move || owed.fail(ExitReason::Killed));
                drop(awaiting);
                child.join().unwrap();
            });
        }
    }
}

#[test]
fn loom_a_request_that_is_refused_or_thrown_away_unread() {
    check(|| {
        let (awaiting, letter) = sent();
        let callee = thread::spawn(move || letter.refuse(&ExitReason::Killed));
        let dead = Err(Lost::Exited(ExitReason::Killed));
        assert_eq!(wait(awaiting, &[0], vec![callee]), dead);
    });
    check(|| {
        let (awaiting, letter) = sent();
        let callee = thread::spawn(move || letter.discard());
        assert_eq!(wait(awaiting, &[0], vec![callee]), Err(Lost::NoReply));
    });
    for refuse in [false, true] {
        check(move || {
            let (awaiting, letter) = sent();
            let callee = thread::spawn(move || match refuse {
                true => letter.refuse(&ExitReason::Killed),
                false => letter.discard(),
            });
            drop(awaiting);
            callee.join().unwrap();
        });
    }
}

#[test]
fn loom_an_acknowledgement_that_comes_or_never_comes() {
    check(|| {
        let (reply, awaiting) = acknowledgement(None);
        let starter = thread::spawn(move || reply.reply(Token::new()));
        assert_eq!(wait(awaiting, &[0], vec![starter]), Ok(()));
    });
    check(|| {
        let (reply, awaiting) = acknowledgement(None);
        let starter = thread::spawn(move || drop(reply));
        let none = Err(Lost::Exited(ExitReason::NoProc));
        assert_eq!(wait(awaiting, &[0], vec![starter]), none);
    });
    for answered in [false, true] {
        check(move || {
            let (reply, awaiting) = acknowledgement(None);
            let starter = thread::spawn(move || match answered {
                true => reply.reply(Token::new()),
                false => drop(reply),
            });
            drop(awaiting);
            starter.join().unwrap();
        });
    }
}
