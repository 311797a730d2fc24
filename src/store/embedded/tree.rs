//! The log's hashes as `main.db` keeps them: full tiles, and for the rest the
//! entries themselves.
use rusqlite::{Connection, OptionalExtension};

use super::entries::leaf_of_row;
use crate::{
    domain::merkle::leaf_hash,
    ledger::{FullTile, Hash, HashStore, HashStoreError},
};

/// A tile's key: level in the top byte.
pub fn tile_key(level: u8, index: u64) -> i64 {
    (i64::from(level) << 56) | i64::try_from(index & 0x00FF_FFFF_FFFF_FFFF).unwrap_or(0)
}

/// Stores a tile that has become full.
///
/// # Errors
/// SQLite's.
pub fn insert_tile(db: &Connection, tile: &FullTile) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO tile(k, hashes) VALUES(?1, ?2)")?.execute((tile_key(tile.level, tile.index), &tile.hashes[..]))?;
    Ok(())
}

/// The tree of the current log, read from one connection.
pub struct StoredTree<'a> {
    pub db: &'a Connection,
    /// The position of the log's entry 0.
    pub first: u64,
}

fn failed(e: impl std::error::Error + Send + Sync + 'static) -> HashStoreError {
    HashStoreError::Backend(Box::new(e))
}

impl HashStore for StoredTree<'_> {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Box<[u8; 8192]>>, HashStoreError> {
        let bytes: Option<Vec<u8>> = self
            .db
            .prepare_cached("SELECT hashes FROM tile WHERE k = ?1")
            .and_then(|mut s| s.query_row([tile_key(level, index)], |r| r.get(0)).optional())
            .map_err(failed)?;
        bytes.map(|b| Box::<[u8; 8192]>::try_from(b.into_boxed_slice()).map_err(|_| HashStoreError::Missing { level, index })).transpose()
    }

    fn leaf_hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, HashStoreError> {
        let mut s =
            self.db.prepare_cached("SELECT us, id, commitments, refs FROM entry WHERE ix >= ?1 AND ix < ?2 ORDER BY ix").map_err(failed)?;
        let mut rows = s.query((self.first + from, self.first + to)).map_err(failed)?;
        let mut hashes = Vec::with_capacity(usize::try_from(to - from).unwrap_or(0));
        while let Some(r) = rows.next().map_err(failed)? {
            hashes.push(leaf_hash(&leaf_of_row(r).map_err(failed)?));
        }
        if hashes.len() as u64 == to - from { Ok(hashes) } else { Err(HashStoreError::Missing { level: 0, index: from / 256 }) }
    }
}
