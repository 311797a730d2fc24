//! Tiles and their paths (C2SP tlog-tiles): the tree cut into pieces of height 8
//! that never change once they are full.
use std::{fmt, str::FromStr};

use super::hash::{Hash, root_of};

/// Hashes (or, in a bundle, entries) in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = 8192;
/// log2 of [`TILE_WIDTH`]: the tree levels that one tile level spans.
pub(super) const TILE_HEIGHT: u32 = 8;
/// The highest tile level that a path may name.
const LEVEL_MAX: u8 = 63;

/// A tile with all its 256 hashes: final, and stored for ever.
#[derive(Clone, PartialEq, Eq)]
pub struct FullTile {
    /// 0 for leaf hashes; a hash of level `l` spans 256^l leaves.
    pub level: u8,
    /// Position within the level.
    pub index: u64,
    pub hashes: Box<[u8; TILE_BYTES]>,
}

impl FullTile {
    /// The hash that stands for this tile one level up.
    #[must_use]
    pub fn root(&self) -> Hash {
        tile_root(&self.hashes)
    }
}

impl fmt::Debug for FullTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FullTile({})", TilePath::Tile { level: self.level, index: self.index, width: 256 })
    }
}

/// The hash of the perfect subtree whose 256 lowest hashes are `tile`.
#[must_use]
pub(super) fn tile_root(tile: &[u8; TILE_BYTES]) -> Hash {
    root_of(tile.as_chunks::<32>().0)
}

/// How many hashes tile level `level` has in a tree of `size` leaves.
#[must_use]
pub(super) fn hashes_at_level(size: u64, level: u8) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// Every tile, full and partial, of a tree of `size` leaves at one level, as
/// (index, width): full ones first, then the partial one if there is any.
pub(super) fn tiles_at_level(size: u64, level: u8) -> impl Iterator<Item = (u64, u16)> {
    let hashes = hashes_at_level(size, level);
    let (full, rest) = (hashes / TILE_WIDTH, (hashes % TILE_WIDTH) as u16);
    (0..full).map(|i| (i, TILE_WIDTH as u16)).chain((rest > 0).then_some((full, rest)))
}

/// A resource of a tiled log, relative to the log's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TilePath {
    /// `tile/<L>/<N>[.p/<W>]`: hashes.
    Tile {
        /// 0–63.
        level: u8,
        index: u64,
        /// 1–255 for a partial tile, 256 for a full one.
        width: u16,
    },
    /// `tile/entries/<N>[.p/<W>]`: the entries under a tile of level 0.
    Entries {
        index: u64,
        /// 1–255 for a partial bundle, 256 for a full one.
        width: u16,
    },
}

/// What is wrong with a tile path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TilePathError {
    #[error("not a tile path")]
    Shape,
    #[error("tile level is not a number from 0 to 63 without leading zeros")]
    Level,
    #[error("tile index is not in groups of three digits, all but the last with an `x`")]
    Index,
    #[error("partial tile width is not a number from 1 to 255 without leading zeros")]
    Width,
}

impl TilePath {
    /// Reads a path. Every resource has one spelling; any other is refused.
    ///
    /// # Errors
    /// [`TilePathError`] names the part that is wrong.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        let rest = path.strip_prefix("tile/").ok_or(TilePathError::Shape)?;
        let (kind, rest) = rest.split_once('/').ok_or(TilePathError::Shape)?;
        let level = match kind {
            "entries" => None,
            digits => Some(decimal(digits).and_then(|n| u8::try_from(n).ok()).filter(|l| *l <= LEVEL_MAX).ok_or(TilePathError::Level)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, 256),
            Some((index, w)) => (index, decimal(w).filter(|w| (1..=255).contains(w)).ok_or(TilePathError::Width)? as u16),
        };
        let index = parse_index(index).ok_or(TilePathError::Index)?;
        Ok(match level {
            Some(level) => Self::Tile { level, index, width },
            None => Self::Entries { index, width },
        })
    }

    /// Whether the path names a full tile or bundle.
    #[must_use]
    pub fn is_full(self) -> bool {
        let (Self::Tile { width, .. } | Self::Entries { width, .. }) = self;
        u64::from(width) == TILE_WIDTH
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        Self::parse(path)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match *self {
            Self::Tile { level, index, width } => {
                write!(f, "tile/{level}/")?;
                (index, width)
            }
            Self::Entries { index, width } => {
                f.write_str("tile/entries/")?;
                (index, width)
            }
        };
        // The highest group that is not all zeros decides how many there are.
        let mut divisor = 1u64;
        while index / divisor >= 1000 {
            divisor *= 1000;
        }
        while divisor > 1 {
            write!(f, "x{:03}/", index / divisor % 1000)?;
            divisor /= 1000;
        }
        write!(f, "{:03}", index % 1000)?;
        if u64::from(width) != TILE_WIDTH {
            write!(f, ".p/{width}")?;
        }
        Ok(())
    }
}

/// A decimal number without sign or leading zeros, of at most 20 digits.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    text.parse().ok()
}

/// `x001/x234/067` → 1234067.
fn parse_index(text: &str) -> Option<u64> {
    let mut index = 0u64;
    let mut groups = text.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let last = groups.peek().is_none();
        let digits = if last { group } else { group.strip_prefix('x')? };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let n: u64 = digits.parse().ok()?;
        if first && !last && n == 0 {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(n)?;
        first = false;
    }
    Some(index)
}
