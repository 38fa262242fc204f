//! Two megabytes of the global allocator's, cut into slabs for blocks of one size each.
//!
//! | offset                | what lies there                                                       |
//! |-----------------------|-----------------------------------------------------------------------|
//! | 0                     | the [`Chunk`]: a [`Slab`] for each part, whose it is, and which are free |
//! | behind that           | the blocks of the first slab                                          |
//! | `n` times [`SLAB`]    | the blocks of slab `n`                                                |
//!
//! A chunk is as large as what processors map at once where they can (a *huge page*): a million blocks
//! are then some dozens of page faults, not some ten thousands. Only the first chunk of a program
//! does without, lest a small program be two megabytes larger than it must.
//!
//! Invariants
//! 1. A chunk lies at a multiple of its size. So the address of a block says which slab it is of.
//! 2. Which slabs of a chunk are free is changed under the lock of all chunks alone; what else a slab
//!    knows of itself, by its owner alone: the chunk while it is free, and then whom it was given to.
//! 3. Whose a slab is changes only while it is free. So who has a block of it may read that.
//! 4. A slab hands a block out whose bit is set, and clears it; who has the block puts it back once.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::{self, ManuallyDrop};
use std::ptr::{self, NonNull};

use super::{GRAIN, Link, size_of_class};
use crate::home::Home;

/// The size of a huge page.
const CHUNK: usize = 2 << 20;
/// Room for hundreds of messages, and for fifteen of the largest blocks. Each worker has one of each size that it
/// uses, and all of them should find room in one chunk.
const SLAB: usize = 32 << 10;
pub(super) const SLABS: usize = CHUNK / SLAB;
/// For as many blocks as a slab can have.
const WORDS: usize = SLAB / GRAIN / 64;
/// What the chunk itself takes of its first slab.
const HEAD: usize = size_of::<Chunk>().next_multiple_of(64);

const LAYOUT: Layout = match Layout::from_size_align(CHUNK, CHUNK) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

/// What a chunk begins with.
#[repr(C)]
pub(super) struct Chunk {
    /// Whose the slabs are. Together, for each block that is freed is asked.
    homes: [Home; SLABS],
    slabs: [Slab; SLABS],
    /// A bit for each slab that nobody has.
    free: u64,
}

/// The part of a chunk that blocks of one size are cut from.
pub(super) struct Slab {
    /// The first block.
    start: NonNull<u8>,
    /// Of one of them.
    size: u32,
    /// 2^32 divided by that, rounded up: to tell the place of a block without a division.
    inverse: u32,
    /// How many there are.
    capacity: u32,
    /// How many of them are with others.
    out: u32,
    /// No word below has a bit.
    lowest: u32,
    /// A bit for each block that is here. (A free block itself is not looked at, nor written to.)
    here: [u64; WORDS],
}

/// A chunk of which all slabs are free, and that nobody else knows.
pub(super) struct WholeChunk(NonNull<Chunk>);

// SAFETY: it is plain memory that we own.
unsafe impl Send for WholeChunk {}

impl WholeChunk {
    /// A fresh one.
    #[cold]
    #[inline(never)]
    pub(super) fn allocate(huge: bool) -> WholeChunk {
        // SAFETY: the layout's size is not zero.
        let Some(memory) = NonNull::new(unsafe { alloc(LAYOUT) }) else {
            handle_alloc_error(LAYOUT)
        };
        if huge {
            advise_huge_page(memory);
        }
        // Blocks name their slabs by addresses alone (`place`).
        let _ = memory.as_ptr().expose_provenance();
        let chunk = memory.cast::<Chunk>();
        // SAFETY: the memory is ours, and large enough and aligned for it. What a slab knows of itself is
        // written when it is given out.
        unsafe { (&raw mut (*chunk.as_ptr()).free).write(u64::MAX) };
        WholeChunk(chunk)
    }

    pub(super) fn into_inner(self) -> NonNull<Chunk> {
        ManuallyDrop::new(self).0
    }

    /// # Safety
    ///
    /// It came from [`into_inner`](Self::into_inner), all of it is free, and the caller alone knows it.
    pub(super) unsafe fn from_inner(chunk: NonNull<Chunk>) -> WholeChunk {
        WholeChunk(chunk)
    }
}

impl Drop for WholeChunk {
    fn drop(&mut self) {
        // SAFETY: it came from `alloc` with this layout, and nobody uses it.
        unsafe { dealloc(self.0.as_ptr().cast(), LAYOUT) };
    }
}

impl Chunk {
    /// Gives a free slab out, for blocks of a class. Says how many are left.
    ///
    /// # Safety
    ///
    /// The chunk is alive, has a free slab, and the caller has the lock of all chunks.
    pub(super) unsafe fn give(
        chunk: NonNull<Chunk>,
        class: usize,
        home: Home,
    ) -> (NonNull<Slab>, usize) {
        // SAFETY: by invariant 2, and the caller's promise. (The whole chunk is never borrowed: others
        // use slabs of it meanwhile.)
        let free = unsafe { &mut (*chunk.as_ptr()).free };
        debug_assert_ne!(*free, 0, "a chunk without a free slab was asked for one");
        let n = free.trailing_zeros() as usize;
        *free &= !(1 << n);
        let (offset, room) = if n == 0 {
            (HEAD, SLAB - HEAD)
        } else {
            (n * SLAB, SLAB)
        };
        // SAFETY: `n` is below the number of slabs, so both are within the chunk.
        let (slab, start) = unsafe { (Chunk::slab(chunk, n), chunk.cast::<u8>().add(offset)) };
        // SAFETY: by invariant 2 it has no owner but us.
        unsafe {
            slab.write(Slab::new(start, room, size_of_class(class)));
            // By invariant 3 nobody reads it now.
            (&raw mut (*chunk.as_ptr()).homes[n]).write(home);
        }
        (slab, free.count_ones() as usize)
    }

    /// Takes a slab back of which no block is out. Says how many are free now.
    ///
    /// # Safety
    ///
    /// As [`give`](Self::give); and the slab is of this chunk and the caller's, who does not use it any
    /// more.
    pub(super) unsafe fn take_back(chunk: NonNull<Chunk>, slab: NonNull<Slab>) -> usize {
        // SAFETY: the caller's promise.
        debug_assert_eq!(unsafe { slab.as_ref() }.out, 0);
        let offset = place(slab.cast()).1 - mem::offset_of!(Chunk, slabs);
        let n = offset / size_of::<Slab>();
        // SAFETY: by invariant 2, and the caller's promise.
        let free = unsafe { &mut (*chunk.as_ptr()).free };
        *free |= 1 << n;
        free.count_ones() as usize
    }

    /// The chunk of a slab.
    pub(super) fn of(slab: NonNull<Slab>) -> NonNull<Chunk> {
        place(slab.cast()).0
    }

    /// # Safety
    ///
    /// The chunk is alive, and has so many.
    unsafe fn slab(chunk: NonNull<Chunk>, n: usize) -> NonNull<Slab> {
        // SAFETY: the caller's promise.
        unsafe { NonNull::new_unchecked(&raw mut (*chunk.as_ptr()).slabs[n]) }
    }
}

impl Slab {
    /// With all that there is room for.
    fn new(start: NonNull<u8>, room: usize, size: usize) -> Slab {
        let capacity = room / size;
        Slab {
            start,
            size: size as u32,
            inverse: (1_u64 << 32).div_ceil(size as u64) as u32,
            capacity: capacity as u32,
            out: 0,
            lowest: 0,
            here: std::array::from_fn(|word| match capacity.saturating_sub(word * 64) {
                left @ 0..64 => (1 << left) - 1,
                _ => u64::MAX,
            }),
        }
    }

    /// The slab that a block was taken from.
    ///
    /// # Safety
    ///
    /// It was taken from one.
    pub(super) unsafe fn of(block: NonNull<Link>) -> NonNull<Slab> {
        let (chunk, offset) = place(block.cast());
        // SAFETY: by invariant 1 it lies in that part of that chunk.
        unsafe { Chunk::slab(chunk, offset / SLAB) }
    }

    /// Takes the lowest blocks that are here, at most so many: `each` gets them in the order of their addresses.
    /// Says how many.
    #[inline]
    pub(super) fn take(&mut self, most: u32, mut each: impl FnMut(NonNull<Link>)) -> u32 {
        let count = most.min(self.capacity - self.out);
        self.out += count;
        let mut missing = count;
        while missing > 0 {
            let mut here = self.here[self.lowest as usize];
            while here != 0 && missing > 0 {
                let n = self.lowest * 64 + here.trailing_zeros();
                here &= here - 1;
                missing -= 1;
                // SAFETY: bits are set below the capacity only, so this is within our part of the chunk.
                each(unsafe { self.start.add((n * self.size) as usize) }.cast());
            }
            self.here[self.lowest as usize] = here;
            // Then that word has no more.
            self.lowest += u32::from(missing > 0);
        }
        count
    }

    /// Takes blocks back, each linked to the next, as long as they are this slab's. Gives the first that is not.
    ///
    /// # Safety
    ///
    /// They are the caller's, and were taken from slabs; the first one from this.
    #[inline]
    pub(super) unsafe fn put(&mut self, first: NonNull<Link>) -> *mut Link {
        let (start, room) = (self.start.addr().get(), self.capacity * self.size);
        let inverse = u64::from(self.inverse);
        let mut next = first.as_ptr();
        let (mut lowest, mut count) = (self.lowest, 0);
        while let Some(block) = NonNull::new(next) {
            let offset = block.addr().get().wrapping_sub(start) as u64;
            if offset >= u64::from(room) {
                break;
            }
            // SAFETY: the block is the caller's and begins with a link.
            next = unsafe { block.as_ref() }.next;
            // Exact, for `offset` is a multiple of the size, and both are far below 2^32.
            let n = ((offset * inverse) >> 32) as u32;
            let (word, bit) = (&mut self.here[n as usize / 64], 1 << (n % 64));
            debug_assert!(
                n < self.capacity && *word & bit == 0,
                "a block came back twice"
            );
            *word |= bit;
            lowest = lowest.min(n / 64);
            count += 1;
        }
        self.lowest = lowest;
        self.out -= count;
        next
    }

    /// Whether a block can be taken.
    pub(super) fn has_room(&self) -> bool {
        self.out < self.capacity
    }

    /// Whether all blocks are here.
    pub(super) fn is_whole(&self) -> bool {
        self.out == 0
    }
}

/// Whose slab a block was taken from.
///
/// # Safety
///
/// It was taken from one, and nobody has put it back.
#[inline]
pub(super) unsafe fn home_of(block: NonNull<u8>) -> Home {
    let (chunk, offset) = place(block);
    // SAFETY: by invariant 1 the chunk is alive and has so many slabs, and by invariant 3 nobody writes
    // this one's home while one of its blocks is out.
    unsafe { (&raw const (*chunk.as_ptr()).homes[offset / SLAB]).read() }
}

/// In which chunk an address lies, and where in it.
#[inline]
fn place(at: NonNull<u8>) -> (NonNull<Chunk>, usize) {
    let offset = at.addr().get() % CHUNK;
    let chunk = ptr::with_exposed_provenance_mut(at.addr().get() - offset);
    // SAFETY: by invariant 1 the chunk begins there, and no chunk begins at address 0.
    (unsafe { NonNull::new_unchecked(chunk) }, offset)
}

/// Asks for pages that are mapped at once. If the system has none, they are small ones, as ever.
fn advise_huge_page(memory: NonNull<u8>) {
    #[cfg(all(target_os = "linux", not(miri)))]
    // SAFETY: the pages are ours, all of them, and what is in them stays as it is.
    unsafe {
        libc::madvise(memory.as_ptr().cast(), CHUNK, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = memory;
}
