//! The right edge: all of a growing tree that must be in memory to append to it.
use smallvec::SmallVec;

use super::{
    hash::{EMPTY_ROOT, Hash, node_hash, root_of},
    reader::{HashStore, HashStoreError},
    tile::{FullTile, TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, hashes_at_level, tile_root},
};

/// Tiles that one append completed: none for 255 of 256 leaves, then one, and
/// one more for every level that fills at the same leaf.
pub type FullTiles = SmallVec<[FullTile; 1]>;

/// The right edge of a tree: its perfect subtrees' roots (a *compact range*) and
/// the hashes of the tiles that are not full yet.
///
/// Every inner node is hashed once, when its last leaf arrives, so an append
/// costs one node hash on average; no store is read. A copy costs about 8 KB a
/// level: take one before a commit that may fail.
#[derive(Clone)]
pub struct RightEdge {
    size: u64,
    /// Roots of the perfect subtrees that the bits of `size` name, largest first.
    peaks: Vec<Hash>,
    /// The tile under construction at each level, 0 first.
    partial: Vec<PartialTile>,
}

impl RightEdge {
    /// A tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: 0, peaks: Vec::new(), partial: Vec::new() }
    }

    /// Reads the right edge of a tree of `size` leaves back from what is stored:
    /// the leaf hashes behind the last full tile, and for each level above the
    /// full tiles (at most 255) that its own last tile does not hold yet.
    ///
    /// The result is whatever the store says: compare [`Self::root`] with a root
    /// that was signed.
    ///
    /// # Errors
    /// [`HashStoreError`] when the store fails or lacks one of these.
    pub fn restore(size: u64, store: &dyn HashStore) -> Result<Self, HashStoreError> {
        let mut partial = Vec::new();
        let mut level = 0u8;
        while hashes_at_level(size, level) > 0 {
            let to = hashes_at_level(size, level);
            let from = to - to % TILE_WIDTH;
            let mut tile = PartialTile::empty();
            if level == 0 {
                let hashes = store.leaf_hashes(from, to)?;
                if hashes.len() as u64 != to - from {
                    return Err(HashStoreError::Missing { level, index: from / TILE_WIDTH });
                }
                hashes.iter().for_each(|h| tile.push(h));
            } else {
                for index in from..to {
                    let below = store.full_tile(level - 1, index)?.ok_or(HashStoreError::Missing { level: level - 1, index })?;
                    tile.push(&tile_root(&below));
                }
            }
            partial.push(tile);
            level += 1;
        }
        let mut peaks = Vec::new();
        for tile in partial.iter().rev() {
            let mut rest = tile.hashes();
            while !rest.is_empty() {
                let (perfect, after) = rest.split_at(1 << rest.len().ilog2());
                peaks.push(root_of(perfect));
                rest = after;
            }
        }
        Ok(Self { size, peaks, partial })
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root now, in at most log2(size) hashes.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT)
    }

    /// The hashes of the tile under construction at `level`: what a partial tile
    /// of the current size holds. Empty when there is none.
    #[must_use]
    pub fn pending(&self, level: u8) -> &[Hash] {
        self.partial.get(usize::from(level)).map_or(&[], PartialTile::hashes)
    }

    /// Appends a leaf hash; gives the tiles that became full by it.
    pub fn append(&mut self, leaf: Hash) -> FullTiles {
        self.append_perfect(leaf, 0)
    }

    /// Appends 256 leaves at once by the root of their tile, which the caller
    /// has; the size must be a multiple of 256. Gives full tiles of level 1 up.
    pub(super) fn append_tile(&mut self, root: Hash) -> FullTiles {
        debug_assert!(self.size.is_multiple_of(TILE_WIDTH), "only whole tiles in front of a tile");
        self.append_perfect(root, 1)
    }

    /// Appends the root of a perfect subtree that is one hash of tile level `level`.
    fn append_perfect(&mut self, root: Hash, level: u8) -> FullTiles {
        let mut completed = FullTiles::new();
        let mut hash = root;
        let mut height = TILE_HEIGHT * u32::from(level);
        let leaves = 1u64 << height;
        self.put(level, &hash, &mut completed);
        // As in binary addition: each trailing one of `size` is a subtree that
        // this one completes to a bigger one.
        while (self.size >> height) & 1 == 1 {
            // INVARIANT: there is one peak for every one bit of `size`.
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            height += 1;
            if height.is_multiple_of(TILE_HEIGHT) {
                self.put((height / TILE_HEIGHT) as u8, &hash, &mut completed);
            }
        }
        self.peaks.push(hash);
        self.size += leaves;
        completed
    }

    fn put(&mut self, level: u8, hash: &Hash, completed: &mut FullTiles) {
        let at = usize::from(level);
        if self.partial.len() <= at {
            self.partial.resize_with(at + 1, PartialTile::empty);
        }
        if let Some(tile) = self.partial.get_mut(at) {
            tile.push(hash);
            if tile.len as u64 == TILE_WIDTH {
                let full = std::mem::replace(tile, PartialTile::empty());
                completed.push(FullTile { level, index: self.size >> (TILE_HEIGHT * (u32::from(level) + 1)), hashes: full.bytes });
            }
        }
    }
}

impl std::fmt::Debug for RightEdge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RightEdge({} leaves)", self.size)
    }
}

/// A tile under construction, in the bytes that it will be stored as.
#[derive(Clone)]
struct PartialTile {
    bytes: Box<[u8; TILE_BYTES]>,
    len: usize,
}

impl PartialTile {
    fn empty() -> Self {
        Self { bytes: Box::new([0; TILE_BYTES]), len: 0 }
    }

    fn push(&mut self, hash: &Hash) {
        // INVARIANT: a tile is taken away when its 256th hash arrives.
        if let Some(slot) = self.bytes.as_chunks_mut::<32>().0.get_mut(self.len) {
            *slot = *hash;
            self.len += 1;
        }
    }

    fn hashes(&self) -> &[Hash] {
        self.bytes.as_chunks::<32>().0.get(..self.len).unwrap_or_default()
    }
}
