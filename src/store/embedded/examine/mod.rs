//! A data folder at rest, under examination: opened under its lock, read and (but
//! for a rebuild) not written.
mod compare;
mod interned;
mod log;
mod overlay;
mod replay;
mod tables;

use std::{num::NonZeroUsize, ops::Range, sync::Arc};

use hashbrown::HashMap;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};

use self::interned::Interned;
use super::{
    entries::entry_row,
    open::{Folder, OpenFolderError},
    redaction,
    schema::{OpenError, is_empty, open_reader},
    tokens,
};
use crate::{
    domain::{
        assertion::Digest,
        id::{EntryIndex, Handle},
        position::{LogNumber, LogSpan, Logs},
    },
    store::{
        PublishedCheckpoint, Readable, StoreError,
        examine::{
            Check, Examined, Extent, Finding, Heads, LogFault, Meaning, PersonRow, Progress, RedactedRows, Replay, StoredEntry, StoredPart,
            StoredPartState, Visit,
        },
        write::{DuplicateKey, TokenRow},
    },
    vault::Vault,
};

/// What may be done to the folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read,
    /// The projection may be replaced.
    Rebuild,
}

/// A locked folder and what reading it takes.
pub struct Examiner {
    folder: Folder,
    access: Access,
    vault: Arc<Vault>,
    idle: Mutex<Vec<Connection>>,
    /// Interned facets by digest, once somebody asks for one.
    blobs: Mutex<Option<Arc<HashMap<Digest, u32>>>>,
}

impl Examiner {
    /// Opens a locked folder.
    ///
    /// # Errors
    /// A file that is not ours, or newer than this program.
    pub fn open(folder: Folder, vault: Arc<Vault>, access: Access) -> Result<Self, OpenFolderError> {
        let path = folder.path().join("main.db");
        let db = open_reader(&path).map_err(OpenError::from)?;
        if is_empty(&db, &path)? {
            return Err(OpenError::NotOurs { path: path.display().to_string() }.into());
        }
        Ok(Self { folder, access, vault, idle: Mutex::new(vec![db]), blobs: Mutex::new(None) })
    }

    /// Reads on a connection of the caller's own.
    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Finding>) -> Result<T, Finding> {
        let idle = self.idle.lock().pop();
        let db = match idle {
            Some(db) => db,
            None => open_reader(&self.folder.path().join("main.db")).map_err(unreadable)?,
        };
        let answer = read(&db);
        self.idle.lock().push(db);
        answer
    }

    fn spans(&self, db: &Connection) -> Result<Logs, Finding> {
        let spans = db
            .prepare("SELECT number, origin, first, closed_size FROM log ORDER BY number")
            .and_then(|mut s| {
                s.query_map([], |r| {
                    let (log, origin, first, closed_size) = (LogNumber(r.get(0)?), r.get::<_, String>(1)?.into(), r.get(2)?, r.get(3)?);
                    Ok(LogSpan { log, origin, first, closed_size })
                })?
                .collect()
            })
            .map_err(unreadable)?;
        Logs::new(spans).ok_or_else(|| Finding::new(Check::Log, "table `log`", "its rows are not one open log behind closed ones"))
    }

    fn blobs(&self, db: &Connection) -> Result<Arc<HashMap<Digest, u32>>, Finding> {
        let mut known = self.blobs.lock();
        if let Some(blobs) = &*known {
            return Ok(blobs.clone());
        }
        let mut blobs = HashMap::new();
        db.prepare("SELECT id, digest FROM blob ORDER BY id")
            .and_then(|mut s| {
                let mut rows = s.query([])?;
                while let Some(r) = rows.next()? {
                    blobs.insert(r.get(1)?, r.get(0)?);
                }
                Ok(())
            })
            .map_err(unreadable)?;
        let blobs = Arc::new(blobs);
        *known = Some(blobs.clone());
        Ok(blobs)
    }
}

/// The database could not be read: that is what is wrong then.
fn unreadable(e: impl std::error::Error) -> Finding {
    Finding::new(Check::File, "main.db", format!("cannot be read: {}", chain(&e)))
}

/// An error with its causes.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(s) = source {
        text.push_str(": ");
        text.push_str(&s.to_string());
        source = s.source();
    }
    text
}

/// The words of event types by number.
fn event_types(db: &Connection) -> Result<HashMap<i64, Arc<str>>, Finding> {
    db.prepare("SELECT id, word FROM event_type")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get::<_, String>(1)?.into())))?.collect())
        .map_err(unreadable)
}

impl Examined for Examiner {
    fn extent(&self) -> Result<Extent, Finding> {
        self.with(|db| {
            let logs = self.spans(db)?;
            let span = logs.current();
            let (least, greatest): (Option<i64>, Option<i64>) =
                db.query_row("SELECT min(ix), max(ix) FROM entry", [], |r| Ok((r.get(0)?, r.get(1)?))).map_err(unreadable)?;
            if let Some(stray) = least.filter(|ix| *ix < 0) {
                return Err(Finding::new(Check::Log, format!("entry {stray}"), "no log has such a position"));
            }
            let after = greatest.map_or(0, |ix| ix.unsigned_abs() + 1);
            let path = self.folder.path();
            let length = |file: &str| std::fs::metadata(path.join(file)).map_or(0, |m| m.len());
            let bytes = length("main.db") + length("main.db-wal") + length("vault.db");
            Ok(Extent { origin: span.origin.to_string(), first: span.first, size: after.saturating_sub(span.first), bytes })
        })
    }

    fn check_file(&self) -> Result<(), Finding> {
        self.with(|db| {
            let said: String = db.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0)).map_err(unreadable)?;
            if said == "ok" { Ok(()) } else { Err(Finding::new(Check::File, "main.db", said)) }
        })
    }

    fn checkpoint(&self) -> Result<Option<PublishedCheckpoint>, Finding> {
        self.with(|db| {
            db.query_row("SELECT size, root, note FROM checkpoint", [], |r| {
                Ok(PublishedCheckpoint { size: r.get(0)?, root: r.get(1)?, note: r.get(2)? })
            })
            .optional()
            .map_err(|e| Finding::new(Check::Checkpoint, "table `checkpoint`", format!("cannot be read: {e}")))
        })
    }

    fn check_log(&self, heads: &Heads, threads: NonZeroUsize, progress: Progress<'_>) -> Result<u64, LogFault> {
        log::check(self, heads, threads, progress)
    }

    fn entries(&self, range: Range<EntryIndex>, wanted: Readable, visit: Visit<'_>) -> Result<(), Finding> {
        self.with(|db| {
            let types = event_types(db)?;
            let mut interned = Interned::new(db, &self.vault, self.blobs(db)?);
            for index in range {
                let entry = read_entry(db, &types, &mut interned, index, wanted)?;
                visit(entry, &mut interned)?;
            }
            Ok(())
        })
    }

    fn check_interned(&self) -> Result<(u64, u64), Finding> {
        self.with(|db| interned::check_all(db, &self.vault))
    }

    fn stray_part(&self) -> Result<Option<Finding>, Finding> {
        self.with(|db| {
            let sql = format!(
                "SELECT p.k / {n}, p.k % {n} FROM part p LEFT JOIN entry e ON e.ix = p.k / {n} WHERE e.ix IS NULL \
                 OR p.k % {n} >= length(e.commitments) / 32 OR p.k % {n} < 1 + (e.rest_key IS NOT NULL) LIMIT 1",
                n = super::entries::PARTS_MAX
            );
            let stray: Option<(i64, i64)> = db.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?))).optional().map_err(unreadable)?;
            Ok(stray.map(|(ix, n)| Finding::new(Check::Part, format!("entry {ix}, part {n}"), "is stored, but no leaf commits to it")))
        })
    }

    fn duplicates(&self, keys: &[DuplicateKey]) -> Result<Vec<Option<EntryIndex>>, Finding> {
        self.with(|db| {
            let mut s = db.prepare_cached("SELECT ix FROM dup WHERE ms = ?1 AND h = ?2").map_err(unreadable)?;
            keys.iter().map(|k| s.query_row((k.millis, &k.hmac[..]), |r| r.get(0)).optional().map_err(unreadable)).collect()
        })
    }

    fn count_duplicates(&self) -> Result<u64, Finding> {
        self.with(|db| db.query_row("SELECT count(*) FROM dup", [], |r| r.get(0)).map_err(unreadable))
    }

    fn stray_duplicate(&self) -> Result<Option<i64>, Finding> {
        self.with(|db| {
            db.query_row(
                "SELECT ix FROM (SELECT ix, count(*) AS n, max(ms) AS ms FROM dup GROUP BY ix) d \
                 WHERE n > 1 OR NOT EXISTS (SELECT 1 FROM entry e WHERE e.ix = d.ix AND (e.shape IS NOT NULL OR d.ms = ?1)) LIMIT 1",
                [DuplicateKey::of_retry(&[0; 32]).millis],
                |r| r.get(0),
            )
            .optional()
            .map_err(unreadable)
        })
    }

    fn people(&self) -> Result<Vec<PersonRow>, Finding> {
        self.with(|db| {
            db.prepare("SELECT handle, epoch, next_n FROM person ORDER BY handle")
                .and_then(|mut s| {
                    s.query_map([], |r| Ok(PersonRow { handle: Handle(r.get(0)?), epoch: r.get(1)?, next_n: r.get(2)? }))?.collect()
                })
                .map_err(|e| Finding::new(Check::Reference, "table `person`", format!("cannot be read: {e}")))
        })
    }

    fn tokens(&self) -> Result<Vec<(TokenRow, EntryIndex)>, Finding> {
        self.with(|db| {
            tokens::all_with_entries(db).map_err(|e| Finding::new(Check::Token, "table `token`", format!("cannot be read: {}", chain(&e))))
        })
    }

    fn redactions(&self) -> Result<RedactedRows, Finding> {
        self.with(|db| {
            redaction::rows(db)
                .map_err(|e| Finding::new(Check::Part, "the tables of what was redacted", format!("cannot be read: {}", chain(&e))))
        })
    }

    fn replay<'a>(&'a self, meaning: &'a dyn Meaning) -> Result<Box<dyn Replay + 'a>, Finding> {
        Ok(Box::new(replay::Replayed::begin(self, meaning)?))
    }
}

fn read_entry(
    db: &Connection,
    types: &HashMap<i64, Arc<str>>,
    interned: &mut Interned<'_>,
    index: EntryIndex,
    wanted: Readable,
) -> Result<StoredEntry, Finding> {
    let row = entry_row(db, index).map_err(|e| match e {
        StoreError::Inconsistent { .. } => Finding::entry(Check::Part, index, "it does not have the parts that its leaf commits to"),
        e => Finding::entry(Check::Log, index, format!("its row cannot be read: {}", chain(&e))),
    })?;
    let row = row.ok_or_else(|| Finding::entry(Check::Log, index, "is missing"))?;
    let event_type = types.get(&row.event_type).cloned();
    let event_type =
        event_type.ok_or_else(|| Finding::entry(Check::Log, index, format!("its event type {} has no word", row.event_type)))?;
    let refs = row.refs.clone();
    let mut parts = Vec::with_capacity(row.parts.len());
    for (number, ((class, ..), commitment)) in row.parts.iter().zip(&row.commitments).enumerate() {
        let state = if wanted.class(*class) { interned.open(&row, number)? } else { StoredPartState::Unread };
        parts.push(StoredPart { class: *class, commitment: *commitment, state });
    }
    Ok(StoredEntry { index, id: row.id, event_type, time: row.time, actor: row.actor, refs, source: row.source, shape: row.shape, parts })
}
