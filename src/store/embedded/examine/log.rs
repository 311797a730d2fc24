//! The log part: leaves made again from rows, tiles compared with what they give.
//! Two connections' worth of threads read rows a tile at a time; nothing is
//! allocated for a row.
use std::num::NonZeroUsize;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Examiner, chain, unreadable};
use crate::{
    domain::{
        entry::{Leaf, root_of_parts},
        id::{EntryId, EntryIndex},
        time::{DAWN, Micros},
    },
    ledger::{EMPTY_ROOT, Expected, Fault, HashStoreError, LogSource, RightEdge, TILE_WIDTH, TreeError, TreeReader, check_log},
    store::{
        embedded::tree::{StoredTree, tile_key},
        examine::{Check, Examined, Finding, Heads, LogFault, Progress},
    },
};

/// Checks the current log. Gives the number of full tiles.
///
/// # Errors
/// The first thing wrong.
pub fn check(examiner: &Examiner, heads: &Heads, threads: NonZeroUsize, progress: Progress<'_>) -> Result<u64, LogFault> {
    let extent = examiner.extent()?;
    let (first, size) = (extent.first, extent.size);
    if let Some(head) = heads.iter().filter(|h| h.size > size).max_by_key(|h| h.size) {
        let problem = format!("has {} entries, but the log has {size}: those from {} on are missing", head.size, first + size);
        return Err(Finding::new(head.check, head.who, problem).into());
    }
    let source = Rows { examiner, first, size, disorder: Mutex::new(None) };
    let root = examiner.with(|db| Ok(RightEdge::restore(size, &StoredTree { db, first }).map_or(EMPTY_ROOT, |edge| edge.root())))?;
    let expected = Expected { size, root, earlier: heads.iter().map(|h| (h.size, h.root)).collect() };
    let checked = check_log(&source, &expected, threads, progress).map_err(|fault| told(&source, heads, fault));
    let disorder =
        (*source.disorder.lock()).map(|ix| LogFault::from(Finding::entry(Check::Log, ix, "was recorded before the entry in front of it")));
    match (checked, disorder) {
        (Ok(()), None) => {}
        // A leaf whose hash is known to differ says more than its time.
        (Err(fault), None) | (Err(fault @ LogFault { among: None, .. }), Some(_)) => return Err(fault),
        (_, Some(disorder)) => return Err(disorder),
    }
    examiner.with(|db| stray_tiles(db, size)).map_err(LogFault::from)
}

/// A fault in words, with positions over all logs.
fn told(log: &Rows<'_>, heads: &Heads, fault: Fault<Finding>) -> LogFault {
    let at = |path: crate::ledger::TilePath, problem: String| LogFault::from(Finding::new(Check::Log, path.to_string(), problem));
    match fault {
        Fault::Source { source, .. } => source.into(),
        Fault::Missing { path } => at(path, "is missing".to_owned()),
        Fault::Bundle { path, source } => at(path, source.to_string()),
        Fault::TileLength { path, found, expected } => at(path, format!("has {found} bytes, not {expected}")),
        Fault::Entry { index, path } => {
            Finding::entry(Check::Log, log.first + index, format!("its leaf does not hash to what `{path}` says")).into()
        }
        Fault::Node { path, position } => at(path, format!("hash {position} is not what the entries below it give")),
        Fault::Root { size } => in_tail(log, size, Check::Log, "the root", "is not what the entries give".to_owned()),
        Fault::Inconsistent { size } => {
            let given = log.examiner.with(|db| {
                let tree = StoredTree { db, first: log.first };
                TreeReader::new(&tree, log.size).root_at(size).map_err(unreadable)
            });
            let head = heads.iter().find(|h| h.size == size && given.as_ref().is_ok_and(|root| *root != h.root));
            let (check, who) = head.map_or((Check::Checkpoint, "the checkpoint"), |h| (h.check, h.who));
            in_tail(log, size, check, who, format!("has another root at {size} entries than these entries give"))
        }
        Fault::Behind { size, earlier } => {
            Finding::new(Check::Checkpoint, "the checkpoint", format!("has {earlier} entries, but the log has {size}")).into()
        }
    }
}

/// Full tiles were in order, so it is an entry behind the last of them.
fn in_tail(log: &Rows<'_>, size: u64, check: Check, who: &str, problem: String) -> LogFault {
    let from = log.first + size - size % TILE_WIDTH;
    let to = log.first + size;
    let place = if from < to { format!("{who}, over entries {from} to {}", to - 1) } else { who.to_owned() };
    LogFault { finding: Finding::new(check, place, problem), among: (from < to).then_some(from..to) }
}

/// The rows of one log as its resources.
struct Rows<'a> {
    examiner: &'a Examiner,
    first: EntryIndex,
    size: u64,
    /// The first entry that seems older than the one in front of it.
    disorder: Mutex<Option<EntryIndex>>,
}

impl LogSource for Rows<'_> {
    type Error = Finding;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Finding> {
        self.examiner.with(|db| {
            if u64::from(width) == TILE_WIDTH {
                return db
                    .prepare_cached("SELECT hashes FROM tile WHERE k = ?1")
                    .and_then(|mut s| s.query_row([tile_key(level, index)], |r| r.get(0)).optional())
                    .map_err(|e| Finding::new(Check::Log, format!("tile {index} of level {level}"), format!("cannot be read: {e}")));
            }
            // Partial tiles are not stored: they come from the tiles below, which were compared.
            let tree = StoredTree { db, first: self.first };
            TreeReader::new(&tree, self.size).tile(level, index, width).map_err(|e| match e {
                TreeError::Store(HashStoreError::Missing { level, index }) => {
                    Finding::new(Check::Log, format!("tile {index} of level {level}"), "is missing")
                }
                e => Finding::new(Check::Log, format!("tile {index} of level {level}"), chain(&e)),
            })
        })
    }

    fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, Finding> {
        let from = self.first + index * TILE_WIDTH;
        let (bundle, disorder) = self.examiner.with(|db| leaves(db, self.first, from, from + u64::from(width)))?;
        if let Some(ix) = disorder {
            let mut first = self.disorder.lock();
            *first = Some(first.map_or(ix, |f| f.min(ix)));
        }
        Ok(Some(bundle))
    }
}

/// The bundle of the entries `from..to`, and the first of them that is older than
/// the one in front of it.
fn leaves(db: &Connection, first: EntryIndex, from: EntryIndex, to: EntryIndex) -> Result<(Vec<u8>, Option<EntryIndex>), Finding> {
    let mut bundle = Vec::with_capacity(256 * 192);
    let mut statement =
        db.prepare_cached("SELECT ix, us, id, commitments, refs FROM entry WHERE ix >= ?1 AND ix < ?2 ORDER BY ix").map_err(unreadable)?;
    let mut rows = statement.query((from.saturating_sub(1).max(first), to)).map_err(unreadable)?;
    let (mut next, mut last, mut disorder) = (from, DAWN, None);
    while let Some(row) = rows.next().map_err(unreadable)? {
        let (ix, us): (EntryIndex, i64) = (|| Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?)))().map_err(unreadable)?;
        if ix >= from {
            if ix != next {
                return Err(Finding::entry(Check::Log, next, "is missing"));
            }
            next += 1;
            if Micros(us) < last {
                disorder.get_or_insert(ix);
            }
            push_leaf(&mut bundle, row, Micros(us)).map_err(|problem| Finding::entry(Check::Log, ix, problem))?;
        }
        last = Micros(us);
    }
    if next < to { Err(Finding::entry(Check::Log, next, "is missing")) } else { Ok((bundle, disorder)) }
}

/// Appends a leaf behind its length, straight from the row.
fn push_leaf(bundle: &mut Vec<u8>, row: &Row<'_>, at: Micros) -> Result<(), String> {
    let read = |e: rusqlite::Error| format!("its row cannot be read: {e}");
    let blob = |i: usize| row.get_ref(i).map_err(read);
    let (commitments, odd) = blob(3)?.as_blob().map_err(|e| read(e.into()))?.as_chunks::<32>();
    if commitments.is_empty() || !odd.is_empty() {
        return Err("its commitments are not whole hashes".to_owned());
    }
    let (refs, odd) = blob(4)?.as_blob_or_null().map_err(|e| read(e.into()))?.unwrap_or_default().as_chunks::<16>();
    if !odd.is_empty() {
        return Err("its references are not whole".to_owned());
    }
    let leaf = Leaf { at, id: EntryId(row.get(2).map_err(read)?), refs: refs.to_vec(), root: root_of_parts(commitments) };
    let start = bundle.len();
    bundle.extend_from_slice(&[0, 0]);
    leaf.write(bundle).map_err(|e| e.to_string())?;
    let length = u16::try_from(bundle.len() - start - 2).map_err(|_| "its leaf is too long".to_owned())?;
    if let Some(place) = bundle.get_mut(start..start + 2) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// Tiles that no tree of this size has; gives how many there are.
fn stray_tiles(db: &Connection, size: u64) -> Result<u64, Finding> {
    let full_at = |level: u32| size.checked_shr(8 * (level + 1)).unwrap_or(0);
    let expected: u64 = (0..8).map(full_at).sum();
    let stored: u64 = db.query_row("SELECT count(*) FROM tile", [], |r| r.get(0)).map_err(unreadable)?;
    if stored == expected {
        return Ok(stored);
    }
    let mut s = db.prepare("SELECT k FROM tile ORDER BY k").map_err(unreadable)?;
    let mut rows = s.query([]).map_err(unreadable)?;
    while let Some(r) = rows.next().map_err(unreadable)? {
        let k: i64 = r.get(0).map_err(unreadable)?;
        let (level, index) = ((k >> 56) as u32, (k & 0x00FF_FFFF_FFFF_FFFF).unsigned_abs());
        if k < 0 || index >= full_at(level) {
            return Err(Finding::new(Check::Log, format!("tile {index} of level {level}"), "is stored, but no full tile of this log"));
        }
    }
    Err(Finding::new(Check::Log, "table `tile`", format!("holds {stored} tiles, not {expected}")))
}
