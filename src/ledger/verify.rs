//! Checking a whole log: every tile and the root are computed again from the
//! entries and compared with what is stored or published.
//!
//! The work is two SHA-256 runs an entry (its leaf hash, its inner node). Bundles
//! are hashed in parallel, a tile at a time; joining the tiles, 1/256 of the
//! work, is sequential, so that what is reported is the *first* thing wrong.
use std::{error::Error, iter::Peekable, num::NonZeroUsize};

use super::{
    bundle::{BundleError, split_exactly},
    edge::RightEdge,
    hash::{Hash, leaf_hash, root_of},
    tile::{FullTile, TILE_WIDTH, TilePath, hashes_at_level, tiles_at_level},
};

/// Where the log under examination is read: a store, a folder, a server. Called
/// from several threads.
pub trait LogSource: Sync {
    type Error: Error + Send + 'static;

    /// The bytes of a tile, or none if there is no such resource.
    ///
    /// # Errors
    /// When it cannot be told whether there is one.
    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The bytes of an entry bundle, or none if there is no such resource.
    ///
    /// # Errors
    /// When it cannot be told whether there is one.
    fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// What the log should be, from a checkpoint whose signature was checked.
#[derive(Debug, Clone)]
pub struct Expected {
    pub size: u64,
    pub root: Hash,
    /// Earlier tree heads that the log must have gone through.
    pub earlier: Vec<(u64, Hash)>,
}

/// The first thing that is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum Fault<E: Error + 'static> {
    #[error("`{path}` cannot be read")]
    Source { path: TilePath, source: E },
    #[error("`{path}` is missing")]
    Missing { path: TilePath },
    #[error("`{path}` is malformed: {source}")]
    Bundle { path: TilePath, source: BundleError },
    #[error("`{path}` has {found} bytes, not {expected}")]
    TileLength { path: TilePath, found: usize, expected: usize },
    #[error("entry {index} does not hash to what `{path}` states")]
    Entry { index: u64, path: TilePath },
    #[error("hash {position} of `{path}` is not what the entries below it give")]
    Node { path: TilePath, position: usize },
    #[error("the root at size {size} is not the checkpoint's")]
    Root { size: u64 },
    #[error("the log's first {size} entries do not give the root of the earlier checkpoint of that size")]
    Inconsistent { size: u64 },
    #[error("an earlier checkpoint has {earlier} entries, but this one only {size}")]
    Behind { size: u64, earlier: u64 },
}

/// Tiles that one thread checks before results are joined: enough to make
/// starting threads cheap, few enough to stop soon after a fault.
const TILES_PER_THREAD: usize = 16;

/// Reads every bundle and every tile of a log once and compares. `progress` is
/// told how many entries have been checked.
///
/// # Errors
/// [`Fault`] is the first thing wrong, in the order of entries.
pub fn check_log<S: LogSource>(
    source: &S,
    expected: &Expected,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault<S::Error>> {
    let mut earlier = expected.earlier.clone();
    earlier.sort_unstable_by_key(|(size, _)| *size);
    if let Some((beyond, _)) = earlier.last().filter(|(size, _)| *size > expected.size) {
        return Err(Fault::Behind { size: expected.size, earlier: *beyond });
    }
    let mut joiner = Joiner { source, edge: RightEdge::empty(), earlier: earlier.into_iter().peekable() };
    joiner.compare_earlier()?;
    let mut tiles = tiles_at_level(expected.size, 0);
    loop {
        let round: Vec<_> = tiles.by_ref().take(threads.get() * TILES_PER_THREAD).collect();
        if round.is_empty() {
            break;
        }
        for tile in check_round(source, &round, threads) {
            joiner.join(&tile?)?;
        }
        progress(joiner.edge.size());
    }
    joiner.compare_partial_tiles()?;
    if joiner.edge.root() != expected.root {
        return Err(Fault::Root { size: expected.size });
    }
    Ok(())
}

/// Checks `tiles` (index, width) of level 0, spread over threads; results in
/// their order.
fn check_round<S: LogSource>(source: &S, tiles: &[(u64, u16)], threads: NonZeroUsize) -> Vec<Result<LeafTile, Fault<S::Error>>> {
    let share = tiles.len().div_ceil(threads.get());
    let check = move |part: &[(u64, u16)]| part.iter().map(|tile| check_leaves(source, *tile)).collect::<Vec<_>>();
    if threads.get() == 1 {
        return check(tiles);
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = tiles.chunks(share).map(|part| scope.spawn(move || check(part))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// A tile of level 0 whose hashes are those of the entries.
struct LeafTile {
    hashes: Vec<Hash>,
    /// The root over `hashes`: of a full tile, what its parent holds.
    root: Hash,
}

fn check_leaves<S: LogSource>(source: &S, (index, width): (u64, u16)) -> Result<LeafTile, Fault<S::Error>> {
    let path = TilePath::Entries { index, width };
    let (bundle, got) = or_full(path, width, |w| source.bundle(index, w))?;
    let entries = split_exactly(&bundle, got).map_err(|source| Fault::Bundle { path, source })?;
    let hashes: Vec<Hash> = entries.iter().take(usize::from(width)).map(|entry| leaf_hash(entry)).collect();
    if let Some((path, position)) = first_difference(source, 0, index, &hashes)? {
        return Err(Fault::Entry { index: index * TILE_WIDTH + position as u64, path });
    }
    Ok(LeafTile { root: root_of(&hashes), hashes })
}

/// Joins tiles of level 0 in order and checks what lies above them.
struct Joiner<'a, S: LogSource> {
    source: &'a S,
    edge: RightEdge,
    /// Tree heads not reached yet, smallest first.
    earlier: Peekable<std::vec::IntoIter<(u64, Hash)>>,
}

impl<S: LogSource> Joiner<'_, S> {
    fn join(&mut self, tile: &LeafTile) -> Result<(), Fault<S::Error>> {
        let after = self.edge.size() + tile.hashes.len() as u64;
        let head_inside = self.earlier.peek().is_some_and(|(size, _)| *size < after);
        if tile.hashes.len() as u64 == TILE_WIDTH && !head_inside {
            let completed = self.edge.append_tile(tile.root);
            self.compare_full_tiles(&completed)?;
            return self.compare_earlier();
        }
        for hash in &tile.hashes {
            let completed = self.edge.append(*hash);
            self.compare_full_tiles(&completed)?;
            self.compare_earlier()?;
        }
        Ok(())
    }

    fn compare_full_tiles(&self, completed: &[FullTile]) -> Result<(), Fault<S::Error>> {
        // Level 0 was compared when its entries were hashed.
        completed.iter().filter(|t| t.level > 0).try_for_each(|t| self.compare(t.level, t.index, t.hashes.as_chunks::<32>().0))
    }

    fn compare_partial_tiles(&self) -> Result<(), Fault<S::Error>> {
        (1..).take_while(|level| hashes_at_level(self.edge.size(), *level) > 0).try_for_each(|level| {
            let pending = self.edge.pending(level);
            if pending.is_empty() { Ok(()) } else { self.compare(level, hashes_at_level(self.edge.size(), level) / TILE_WIDTH, pending) }
        })
    }

    fn compare(&self, level: u8, index: u64, hashes: &[Hash]) -> Result<(), Fault<S::Error>> {
        first_difference(self.source, level, index, hashes)?.map_or(Ok(()), |(path, position)| Err(Fault::Node { path, position }))
    }

    fn compare_earlier(&mut self) -> Result<(), Fault<S::Error>> {
        let size = self.edge.size();
        while let Some((_, root)) = self.earlier.next_if(|(s, _)| *s == size) {
            if root != self.edge.root() {
                return Err(Fault::Inconsistent { size });
            }
        }
        Ok(())
    }
}

/// Compares a tile with what it should be; gives its path and the position of the
/// first hash that differs.
fn first_difference<S: LogSource>(
    source: &S,
    level: u8,
    index: u64,
    hashes: &[Hash],
) -> Result<Option<(TilePath, usize)>, Fault<S::Error>> {
    let width = hashes.len() as u16;
    let path = TilePath::Tile { level, index, width };
    let (tile, got) = or_full(path, width, |w| source.tile(level, index, w))?;
    let (found, rest) = tile.as_chunks::<32>();
    if found.len() != usize::from(got) || !rest.is_empty() {
        return Err(Fault::TileLength { path, found: tile.len(), expected: 32 * usize::from(got) });
    }
    Ok(found.iter().zip(hashes).position(|(f, h)| f != h).map(|position| (path, position)))
}

/// Reads a resource of some width, or the full one where a log has dropped the
/// partial one; gives the bytes and the width that they have.
fn or_full<E: Error>(path: TilePath, width: u16, read: impl Fn(u16) -> Result<Option<Vec<u8>>, E>) -> Result<(Vec<u8>, u16), Fault<E>> {
    let full = TILE_WIDTH as u16;
    let failed = |source| Fault::Source { path, source };
    if let Some(bytes) = read(width).map_err(failed)? {
        return Ok((bytes, width));
    }
    let bytes = if width == full { None } else { read(full).map_err(failed)? };
    bytes.map(|bytes| (bytes, full)).ok_or(Fault::Missing { path })
}
