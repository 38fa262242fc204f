//! A future with another output, without the second copy that an `async` block would keep.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose output goes through a function. See [`map_output`].
///
/// Unlike that of an `async` block, its type can be written down:
///
/// ```
/// use rekindle_scheduler::{MapOutput, block_on, map_output};
/// use std::future::{Ready, ready};
///
/// struct Price { cents: MapOutput<Ready<u32>, fn(u32) -> String> }
///
/// let in_full: fn(u32) -> String = |cents| format!("{}.{}", cents / 100, cents % 100);
/// let price = Price { cents: map_output(ready(1250), in_full) };
/// assert_eq!(block_on(price.cents), "12.50");
/// ```
pub struct MapOutput<F, M> {
    future: F,
    map: M,
}

/// Passes the output of `future` through `map`.
///
/// It is as large as the future and the function, which takes no room if it has caught nothing;
/// `async { map(future.await) }` would be twice as large as the future.
///
/// ```
/// use rekindle_scheduler::{Runtime, map_output, yield_now};
///
/// let page = async {
///     let buffer = [7_u8; 4096];
///     yield_now().await;
///     buffer.len()
/// };
/// let size = size_of_val(&page);
/// let kib = map_output(page, |bytes| bytes / 1024);
/// assert_eq!(size_of_val(&kib), size);
/// assert_eq!(Runtime::simulated(1).block_on(kib), 4);
/// ```
pub fn map_output<F, M, T>(future: F, map: M) -> MapOutput<F, M>
where
    F: Future,
    M: FnMut(F::Output) -> T,
{
    MapOutput { future, map }
}

impl<F, M, T> Future for MapOutput<F, M>
where
    F: Future,
    M: FnMut(F::Output) -> T,
{
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: `future` is pinned whenever the whole is: nothing ever moves it out, the struct
        // has no `Drop` and is `Unpin` only if the future is; the function is never pinned.
        let (future, map) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.map)
        };
        future.poll(cx).map(map)
    }
}

impl<F, M> fmt::Debug for MapOutput<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOutput").finish_non_exhaustive()
    }
}
