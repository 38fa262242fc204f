//! The standard waker over a cell: one counted reference, the same as a [`TaskRef`](super::TaskRef).

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::{Header, TaskView};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker that takes over one count.
///
/// # Safety
///
/// The caller owns the count, and the cell lives.
#[inline]
pub(super) unsafe fn owning(header: NonNull<Header>) -> Waker {
    let raw = RawWaker::new(header.as_ptr() as *const (), &VTABLE);
    // SAFETY: as in `borrowed`; the count is the caller's by its promise.
    unsafe { Waker::from_raw(raw) }
}

/// A waker that owns no count.
///
/// # Safety
///
/// The cell outlives the returned value. (Clones of it are counted and may live on.)
#[inline]
pub(super) unsafe fn borrowed(header: NonNull<Header>) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(header.as_ptr() as *const (), &VTABLE);
    // SAFETY: the table keeps the contract of `RawWaker`: it is thread-safe, `clone` counts,
    // `wake` and `drop` give a count up. This value owns none and is never dropped.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

#[inline]
fn header(data: *const ()) -> NonNull<Header> {
    // SAFETY: the data of our wakers is the address of a header, never null.
    unsafe { NonNull::new_unchecked(data as *mut Header) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned keeps the cell.
    unsafe { header(data).as_ref() }.retain();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker owns one count and gives it up.
    unsafe { Header::wake_giving(header(data)) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker keeps the cell during the call.
    unsafe { TaskView::from_raw(header(data)) }.wake();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker owns one count and gives it up.
    unsafe { Header::release(header(data)) };
}
