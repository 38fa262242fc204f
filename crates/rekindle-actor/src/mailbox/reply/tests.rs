//! What only foreign wakers show.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::{Lost, acknowledgement};

/// Makes wakers that are all the same one.
#[derive(Default)]
struct Touchy {
    woken: AtomicUsize,
    /// The next that is dropped panics.
    throws: AtomicBool,
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| RawWaker::new(data, &TABLE),
    wake,
    wake,
    |data| assert!(!of(data).throws.swap(false, Ordering::SeqCst), "dropped"),
);

fn wake(data: *const ()) {
    of(data).woken.fetch_add(1, Ordering::SeqCst);
}

fn of(data: *const ()) -> &'static Touchy {
    // SAFETY: these wakers are made below only, of such a reference.
    unsafe { &*data.cast() }
}

impl Touchy {
    fn waker(&'static self) -> Waker {
        // SAFETY: the table's functions do what they must with a reference of static life.
        unsafe { Waker::new(std::ptr::from_ref(self).cast(), &TABLE) }
    }
}

/// It was taken out and could not be dropped; that is no reason to believe that it is still in its place.
#[test]
fn a_waker_that_panicked_when_it_gave_way_is_registered_anew() {
    let touchy: &'static Touchy = Box::leak(Box::default());
    let waker = touchy.waker();
    let (reply, mut awaiting) = acknowledgement::<u8>(None);
    let mut poll = |waker: &Waker| -> Poll<Result<u8, Lost>> {
        awaiting.poll(&mut Context::from_waker(waker))
    };

    assert_eq!(poll(&waker), Poll::Pending);
    touchy.throws.store(true, Ordering::SeqCst);
    catch_unwind(AssertUnwindSafe(|| poll(Waker::noop()))).expect_err("the drop panics");
    assert_eq!(poll(&waker), Poll::Pending);
    reply.reply(7);
    assert_eq!(touchy.woken.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&waker), Poll::Ready(Ok(7)));
}
