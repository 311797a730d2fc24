//! Reading a tree out of what is stored of it: tiles of every width, roots of
//! every earlier size, proofs.
use std::{cell::RefCell, error::Error};

use rustc_hash::FxHashMap;

use super::{
    hash::{EMPTY_ROOT, Hash, node_hash, root_of},
    tile::{TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, hashes_at_level, tile_root},
};

/// What a store keeps of a tree: full tiles of every level, and the leaf hashes
/// behind the last full tile of level 0. Nothing else is needed, because a
/// partial tile is the beginning of a full one or the roots of full ones below.
///
/// One value answers from one snapshot, which may be ahead of the size that is
/// read: hashes are only ever added.
pub trait HashStore {
    /// The full tile at (`level`, `index`), or none if it is not (yet) full.
    ///
    /// # Errors
    /// [`HashStoreError`].
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Box<[u8; TILE_BYTES]>>, HashStoreError>;

    /// The leaf hashes `from..to`, in order. Asked only for ranges within one
    /// tile for which [`Self::full_tile`] has none.
    ///
    /// # Errors
    /// [`HashStoreError`].
    fn leaf_hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, HashStoreError>;

    /// The first hashes of a tile of level 1 or higher that is not full yet, as
    /// many as are at hand ([`super::RightEdge::pending`]). A shortcut: without
    /// it they are computed from up to 255 full tiles.
    ///
    /// # Errors
    /// [`HashStoreError`].
    fn partial_tile(&self, level: u8, index: u64) -> Result<Option<Vec<Hash>>, HashStoreError> {
        let _ = (level, index);
        Ok(None)
    }
}

/// Why hashes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum HashStoreError {
    #[error("hashes of tile {index} at level {level} are missing from the store")]
    Missing { level: u8, index: u64 },
    #[error("the hash store failed")]
    Backend(#[source] Box<dyn Error + Send + Sync>),
}

/// Why a root or proof could not be given.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("a tree of size {asked} was asked for, but the log has {size} entries")]
    BeyondTree { asked: u64, size: u64 },
    #[error("there is no entry {index} in a tree of size {size}")]
    BeyondSize { index: u64, size: u64 },
    #[error("a consistency proof goes from a smaller tree to a bigger one, not from {from} to {to}")]
    Reversed { from: u64, to: u64 },
    #[error(transparent)]
    Store(#[from] HashStoreError),
}

/// How many full tiles a reader keeps at hand: what one proof touches.
const TILES_KEPT_MAX: usize = 16;

/// Reads the tree of `size` leaves, and every earlier one, out of a [`HashStore`].
///
/// Made for one request: what it read is kept for its lifetime, so one proof
/// reads no tile twice.
pub struct TreeReader<'a> {
    store: &'a dyn HashStore,
    size: u64,
    /// Full tiles, by level and index.
    tiles: Kept<u8, Box<[u8; TILE_BYTES]>>,
    /// Roots of perfect subtrees, by height and index: proofs share most of them.
    roots: Kept<u32, Hash>,
}

type Kept<Row, T> = RefCell<FxHashMap<(Row, u64), T>>;

impl<'a> TreeReader<'a> {
    #[must_use]
    pub fn new(store: &'a dyn HashStore, size: u64) -> Self {
        Self { store, size, tiles: RefCell::default(), roots: RefCell::default() }
    }

    /// Leaves of the tree that is read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The first `width` (1–256) hashes of a tile: with 256 the full tile, with
    /// less the partial tile of any size that had it. None if this tree does not
    /// reach so far, or the width is not one.
    ///
    /// # Errors
    /// [`TreeError::Store`].
    pub fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, TreeError> {
        let width = u64::from(width);
        let Some(from) = index.checked_mul(TILE_WIDTH) else { return Ok(None) };
        let reaches = from.checked_add(width).is_some_and(|to| to <= hashes_at_level(self.size, level));
        if !reaches || !(1..=TILE_WIDTH).contains(&width) {
            return Ok(None);
        }
        Ok(Some(self.hashes(level, from, from + width)?.as_flattened().to_vec()))
    }

    /// The root of the tree when it had `size` leaves.
    ///
    /// # Errors
    /// [`TreeError::BeyondTree`], [`TreeError::Store`].
    pub fn root_at(&self, size: u64) -> Result<Hash, TreeError> {
        self.within(size)?;
        Ok(self.range(0, size)?)
    }

    /// The path of leaf `index` in the tree of `size` leaves, sibling first
    /// (RFC 6962 §2.1.1).
    ///
    /// # Errors
    /// [`TreeError::BeyondTree`], [`TreeError::BeyondSize`], [`TreeError::Store`].
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, TreeError> {
        self.within(size)?;
        if index >= size {
            return Err(TreeError::BeyondSize { index, size });
        }
        let (mut lo, mut hi) = (0, size);
        let mut path = Vec::new();
        while hi - lo > 1 {
            let middle = lo + split(hi - lo);
            if index < middle {
                path.push(self.range(middle, hi)?);
                hi = middle;
            } else {
                path.push(self.range(lo, middle)?);
                lo = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// Proof that the tree of `to` leaves begins with that of `from` leaves
    /// (RFC 6962 §2.1.2). Empty from size 0 and between equal sizes.
    ///
    /// # Errors
    /// [`TreeError::Reversed`], [`TreeError::BeyondTree`], [`TreeError::Store`].
    pub fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, TreeError> {
        if from > to {
            return Err(TreeError::Reversed { from, to });
        }
        self.within(to)?;
        let mut path = Vec::new();
        if from == 0 {
            return Ok(path);
        }
        let (mut lo, mut hi) = (0, to);
        while hi != from {
            let middle = lo + split(hi - lo);
            if from <= middle {
                path.push(self.range(middle, hi)?);
                hi = middle;
            } else {
                path.push(self.range(lo, middle)?);
                lo = middle;
            }
        }
        // The subtree that both trees end with at this place; the whole old tree
        // (lo = 0) the verifier has already.
        if lo > 0 {
            path.push(self.range(lo, hi)?);
        }
        path.reverse();
        Ok(path)
    }

    fn within(&self, asked: u64) -> Result<(), TreeError> {
        if asked > self.size {
            return Err(TreeError::BeyondTree { asked, size: self.size });
        }
        Ok(())
    }

    /// `MTH(D[lo:hi])`, where `lo` is a multiple of the largest power of two that
    /// fits into `hi - lo` (as in every range that splitting gives).
    fn range(&self, lo: u64, hi: u64) -> Result<Hash, HashStoreError> {
        let mut peaks = Vec::new();
        let mut at = lo;
        while at < hi {
            let height = (hi - at).ilog2();
            peaks.push(self.perfect(height, at >> height)?);
            at += 1 << height;
        }
        Ok(peaks.into_iter().rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT))
    }

    /// The root of the `index`-th perfect subtree of 2^`height` leaves.
    fn perfect(&self, height: u32, index: u64) -> Result<Hash, HashStoreError> {
        self.kept_root(height, index, || {
            let (level, within) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
            let from = index << within;
            Ok(root_of(&self.hashes(level as u8, from, from + (1 << within))?))
        })
    }

    fn kept_root(&self, height: u32, index: u64, compute: impl FnOnce() -> Result<Hash, HashStoreError>) -> Result<Hash, HashStoreError> {
        if let Some(root) = self.roots.borrow().get(&(height, index)) {
            return Ok(*root);
        }
        let root = compute()?;
        self.roots.borrow_mut().insert((height, index), root);
        Ok(root)
    }

    /// Hashes `from..to` of a tile level; the range is not empty, lies within one
    /// tile and within the tree.
    fn hashes(&self, level: u8, from: u64, to: u64) -> Result<Vec<Hash>, HashStoreError> {
        let index = from / TILE_WIDTH;
        let start = index * TILE_WIDTH;
        let (first, last) = ((from - start) as usize, (to - start) as usize);
        let missing = HashStoreError::Missing { level, index };
        let cut = |tile: &[Hash]| tile.get(first..last).map(<[Hash]>::to_vec);
        if start + TILE_WIDTH <= hashes_at_level(self.size, level) || last as u64 == TILE_WIDTH {
            return self.with_full_tile(level, index, cut)?.flatten().ok_or(missing);
        }
        if level == 0 {
            // The store may be ahead of this reader: then the tile has become full.
            if let Some(hashes) = self.with_full_tile(0, index, cut)?.flatten() {
                return Ok(hashes);
            }
            let hashes = self.store.leaf_hashes(from, to)?;
            return if hashes.len() as u64 == to - from { Ok(hashes) } else { Err(missing) };
        }
        if let Some(hashes) = self.store.partial_tile(level, index)?.as_deref().and_then(cut) {
            return Ok(hashes);
        }
        (from..to).map(|i| self.tile_root(level - 1, i)).collect()
    }

    fn tile_root(&self, level: u8, index: u64) -> Result<Hash, HashStoreError> {
        self.kept_root(TILE_HEIGHT * (u32::from(level) + 1), index, || {
            let tile = self.store.full_tile(level, index)?.ok_or(HashStoreError::Missing { level, index })?;
            Ok(tile_root(&tile))
        })
    }

    fn with_full_tile<T>(&self, level: u8, index: u64, read: impl Fn(&[Hash]) -> T) -> Result<Option<T>, HashStoreError> {
        if let Some(tile) = self.tiles.borrow().get(&(level, index)) {
            return Ok(Some(read(tile.as_chunks::<32>().0)));
        }
        let Some(tile) = self.store.full_tile(level, index)? else { return Ok(None) };
        let result = read(tile.as_chunks::<32>().0);
        let mut tiles = self.tiles.borrow_mut();
        if tiles.len() >= TILES_KEPT_MAX {
            tiles.clear();
        }
        tiles.insert((level, index), tile);
        Ok(Some(result))
    }
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}
