//! Destroying what was redacted, in the transaction of the entry that says so.
//!
//! Sealed bytes are overwritten by as many zeros. A cell of the same size is
//! written in place (SQLite's `btreeOverwriteCell`), and rows of these tables are
//! only ever appended, so no page keeps a copy that moving a cell left behind;
//! what the write-ahead log holds of before is cut off right after the commit.
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::{
    entries::{PARTS_MAX, part_key},
    schema::backend,
    shared::Shared,
    wal,
};
use crate::{
    domain::{assertion::Digest, id::EntryIndex},
    store::{StoreError, examine::RedactedRows, write::Redaction},
};

/// How long the writer waits for readers of an older state before it leaves the
/// log to the thread that moves it.
const WAIT: Duration = Duration::from_millis(200);
/// How long a connection waits for another one, as it is opened.
const BUSY: Duration = Duration::from_secs(5);
/// `rest` is the second part of an entry.
pub const REST: usize = 1;

/// # Errors
/// The database's.
pub fn apply(db: &Connection, shared: &Shared, ix: EntryIndex, r: &Redaction) -> Result<(), StoreError> {
    (|| {
        for entry in &r.entries {
            db.prepare_cached("UPDATE entry SET rest = zeroblob(length(rest)) WHERE ix = ?1 AND rest IS NOT NULL")?.execute([entry])?;
            note(db, "redacted_part", part_key(*entry, REST), ix)?;
        }
        for (digest, numbers) in &r.blobs {
            // An event on its way when this was decided may have stored it once more.
            let stored = shared.intern.blob(digest);
            for blob in numbers.iter().copied().chain(stored.filter(|b| !numbers.contains(b))) {
                db.prepare_cached("UPDATE blob SET sealed = zeroblob(length(sealed)) WHERE id = ?1")?.execute([blob])?;
                note(db, "redacted_blob", blob.into(), ix)?;
                shared.intern.redact(*digest, blob);
            }
        }
        if let Some((digest, shape)) = &r.shape {
            let used: bool =
                db.prepare_cached("SELECT 1 FROM entry WHERE ix >= ?1 AND ix < ?2 AND shape = ?3")?.exists((r.decided_at, ix, shape))?;
            if !used {
                db.prepare_cached("UPDATE shape SET rest = zeroblob(length(rest)) WHERE id = ?1")?.execute([shape])?;
                shared.intern.forget_shape(digest);
            }
        }
        Ok(())
    })()
    .map_err(backend)?;
    for id in &r.changed {
        if let Some(node) = shared.topology.find_any(*id) {
            shared.topology.mark(node, ix);
        }
    }
    Ok(())
}

/// The first redaction of a thing counts.
fn note(db: &Connection, table: &'static str, key: i64, by: EntryIndex) -> rusqlite::Result<()> {
    let column = if table == "redacted_part" { "k" } else { "blob" };
    db.prepare_cached(&format!("INSERT INTO {table}({column}, by) VALUES(?1, ?2) ON CONFLICT DO NOTHING"))?.execute((key, by)).map(drop)
}

/// Empties the write-ahead log after the commit. A reader of an older state may
/// keep it for as long as its question lasts; then the thread beside goes on.
///
/// # Errors
/// A failed sync: nothing more may be written.
pub fn purge(db: &Connection, shared: &Shared) -> Result<(), StoreError> {
    db.busy_timeout(WAIT).map_err(backend)?;
    let emptied = wal::empty(db).map_err(backend)?;
    db.busy_timeout(BUSY).map_err(backend)?;
    if !emptied {
        shared.set_purge_due(true);
    }
    Ok(())
}

/// The entry that redacted a part.
///
/// # Errors
/// The database's.
pub fn of_part(db: &Connection, index: EntryIndex, number: usize) -> Result<Option<EntryIndex>, StoreError> {
    db.prepare_cached("SELECT by FROM redacted_part WHERE k = ?1")
        .and_then(|mut s| s.query_row([part_key(index, number)], |r| r.get(0)).optional())
        .map_err(backend)
}

/// Every redacted facet, under each number that it is stored under.
///
/// # Errors
/// The database's.
pub fn blobs(db: &Connection) -> Result<Vec<(Digest, u32)>, StoreError> {
    db.prepare("SELECT b.digest, b.id FROM redacted_blob r JOIN blob b ON b.id = r.blob")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(backend)
}

/// What the rows say, for those who check them.
///
/// # Errors
/// The database's; a part that is not a `rest`.
pub fn rows(db: &Connection) -> Result<RedactedRows, StoreError> {
    let parts: Vec<(i64, EntryIndex)> = db
        .prepare("SELECT k, by FROM redacted_part ORDER BY k")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(backend)?;
    let entries = parts.into_iter().map(|(k, by)| (k % PARTS_MAX == REST as i64).then_some(((k / PARTS_MAX).unsigned_abs(), by)));
    let facets = db
        .prepare("SELECT b.digest, r.by FROM redacted_blob r LEFT JOIN blob b ON b.id = r.blob ORDER BY r.blob")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(backend)?;
    let entries = entries.collect::<Option<_>>().ok_or(StoreError::Inconsistent { place: "redacted_part" })?;
    Ok(RedactedRows { entries, facets })
}
