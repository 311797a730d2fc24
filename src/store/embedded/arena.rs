//! Append-only memory that readers walk while the one writer appends: segments
//! that never move, every field atomic, so no lock is needed and none is held.
use std::sync::OnceLock;

const SEGMENT: usize = 1 << 15;
const SEGMENTS_MAX: usize = 1 << 15;

/// A growing sequence of `T` with stable addresses.
pub struct Arena<T> {
    segments: Box<[OnceLock<Box<[T]>>]>,
}

impl<T: Default> Arena<T> {
    pub fn new() -> Self {
        Self { segments: (0..SEGMENTS_MAX).map(|_| OnceLock::new()).collect() }
    }

    /// The slot, if its segment exists.
    pub fn get(&self, index: u32) -> Option<&T> {
        self.segments.get(index as usize / SEGMENT)?.get()?.get(index as usize % SEGMENT)
    }

    /// The slot, making its segment if need be. Called by the writer alone;
    /// `None` beyond the arena's size (2^30 slots).
    pub fn slot(&self, index: u32) -> Option<&T> {
        let segment = self.segments.get(index as usize / SEGMENT)?;
        segment.get_or_init(|| (0..SEGMENT).map(|_| T::default()).collect()).get(index as usize % SEGMENT)
    }
}
