//! Asking for memory before it is needed.

use crate::block::LINE;

/// Asks for some lines from `address` on. It is a hint: the address may be anything, and what lies there is
/// not touched. Does nothing where no such instruction is at hand.
#[inline]
pub(crate) fn prefetch<T, const LINES: usize>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in 0..LINES {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = address.cast::<i8>().wrapping_add(LINE * line);
        // SAFETY: the instruction is in every such processor, and has no effect but on caches: an
        // address at which nothing can be read is ignored.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (address, LINE);
}
