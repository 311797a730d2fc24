//! The tables of `main.db` and how its connections are opened.
//!
//! Ledger, graph and sealed parts move in one transaction. Keys are ordered so
//! that the commit path appends: no random B-tree but the two that a run needs.
use std::path::Path;

use rusqlite::{Connection, OpenFlags, config::DbConfig, types::ValueRef};

use crate::store::StoreError;

/// `PRAGMA application_id`: "LDGL".
pub const APPLICATION_ID: i32 = 0x4C44_474C;
/// `PRAGMA user_version`: bumped with every change of the tables.
pub const SCHEMA_VERSION: i32 = 4;

const LEDGER_TABLES: &str = "
CREATE TABLE meta(k TEXT PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE log(number INTEGER PRIMARY KEY, origin TEXT NOT NULL, first INTEGER NOT NULL, closed_size INTEGER);
-- The leaf is rebuilt from us, id, refs and commitments. core and rest are sealed; further parts lie in `part`.
CREATE TABLE entry(ix INTEGER PRIMARY KEY, us INTEGER NOT NULL, id BLOB NOT NULL, type INTEGER NOT NULL, time INTEGER NOT NULL,
  actor BLOB, source INTEGER, shape INTEGER, core_key INTEGER NOT NULL, rest_key INTEGER, commitments BLOB NOT NULL, refs BLOB,
  core BLOB, rest BLOB);
CREATE TABLE part(k INTEGER PRIMARY KEY, class INTEGER NOT NULL, key INTEGER NOT NULL, sealed BLOB);
CREATE TABLE tile(k INTEGER PRIMARY KEY, hashes BLOB NOT NULL);
CREATE TABLE dup(ms INTEGER NOT NULL, h BLOB NOT NULL, ix INTEGER NOT NULL, PRIMARY KEY(ms, h)) WITHOUT ROWID;
CREATE TABLE checkpoint(one INTEGER PRIMARY KEY CHECK(one = 1), size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL);
CREATE TABLE event_type(id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
-- Interned content. Of a shape `sealed` is what `core` parts are packed against, `rest` what `rest` parts are. `plan` is what the projection needs of a shape, in numbers and digests.
CREATE TABLE blob(id INTEGER PRIMARY KEY, digest BLOB NOT NULL, key INTEGER NOT NULL, sealed BLOB);
CREATE TABLE shape(id INTEGER PRIMARY KEY, digest BLOB NOT NULL, key INTEGER NOT NULL, sealed BLOB, rest BLOB, plan BLOB NOT NULL);
-- What was redacted, and by which entry: parts (`k` as in `part`) and interned facets. Their bytes are overwritten in place, by zeros.
CREATE TABLE redacted_part(k INTEGER PRIMARY KEY, by INTEGER NOT NULL);
CREATE TABLE redacted_blob(blob INTEGER PRIMARY KEY, by INTEGER NOT NULL);
-- People and actors: how many references each has used.
CREATE TABLE person(handle BLOB PRIMARY KEY, epoch INTEGER NOT NULL, next_n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE token(id BLOB PRIMARY KEY, hash BLOB NOT NULL, row TEXT NOT NULL, revoked_at INTEGER, ix INTEGER NOT NULL) WITHOUT ROWID;
";

/// The projection: all of it can be dropped and rebuilt from `core` parts.
pub const PROJECTION_TABLES: &str = "
CREATE TABLE source(id INTEGER PRIMARY KEY, integration TEXT NOT NULL, producer TEXT NOT NULL);
CREATE TABLE facet_name(id INTEGER PRIMARY KEY, word TEXT NOT NULL);
-- Which sources name anything in a namespace, since which entry.
CREATE TABLE speaker(namespace TEXT NOT NULL, source INTEGER NOT NULL, ix INTEGER NOT NULL, PRIMARY KEY(namespace, source)) WITHOUT ROWID;
-- Which shapes name a node.
CREATE TABLE named_by(node INTEGER NOT NULL, shape INTEGER NOT NULL, PRIMARY KEY(node, shape)) WITHOUT ROWID;
-- Of each full block of 1,024 entries: which of them have a type, a source, an actor, a shape (see blocks.rs), and their events' first and last time.
CREATE TABLE entry_block(block INTEGER PRIMARY KEY, time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, types BLOB NOT NULL, sources BLOB NOT NULL, actors BLOB NOT NULL, shapes BLOB NOT NULL);
-- The events of a source by the hour of their own time, over all full blocks and in each. `ix`: of those with the time `us_max` the last.
CREATE TABLE source_hour(source INTEGER NOT NULL, hour INTEGER NOT NULL, first_ix INTEGER NOT NULL, last_ix INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY(source, hour)) WITHOUT ROWID;
CREATE TABLE source_block(source INTEGER NOT NULL, hour INTEGER NOT NULL, block INTEGER NOT NULL, count INTEGER NOT NULL, us_min INTEGER NOT NULL, us_max INTEGER NOT NULL, ix INTEGER NOT NULL, PRIMARY KEY(source, hour, block)) WITHOUT ROWID;
CREATE TABLE node(no INTEGER PRIMARY KEY, id BLOB NOT NULL, kind INTEGER NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, ix INTEGER NOT NULL);
CREATE INDEX node_by_name ON node(namespace, name, kind);
CREATE TABLE pair(no INTEGER PRIMARY KEY, job INTEGER NOT NULL, source INTEGER NOT NULL, span_max INTEGER NOT NULL);
CREATE INDEX pair_by_job ON pair(job);
CREATE TABLE life(node INTEGER NOT NULL, vf INTEGER NOT NULL, rf INTEGER NOT NULL, vu INTEGER NOT NULL, ru INTEGER, PRIMARY KEY(node, vf, rf, vu)) WITHOUT ROWID;
CREATE TABLE life_end(node INTEGER NOT NULL, at INTEGER NOT NULL, ix INTEGER NOT NULL, dropped INTEGER NOT NULL, PRIMARY KEY(node, at, ix)) WITHOUT ROWID;
-- Drops by the incarnations that they reach: a name's own, and those of names joined with it then. `until`: the incarnation's end.
CREATE TABLE life_drop(node INTEGER NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL, rf INTEGER NOT NULL, ru INTEGER, PRIMARY KEY(node, at, until, rf)) WITHOUT ROWID;
-- Which events name a dataset beside those that its flows and its own events tell: of a job and source (`by` = pair * 2), of a dataset (`by` = node * 2 + 1). Of a job: the outputs (`by` = node * 2 + 1) whose flow was never open.
CREATE TABLE naming(node INTEGER NOT NULL, by INTEGER NOT NULL, PRIMARY KEY(node, by)) WITHOUT ROWID;
-- A run of one job and source. `shapes`: which shapes its events had, since when.
CREATE TABLE run(pair INTEGER NOT NULL, start INTEGER NOT NULL, rid BLOB NOT NULL, rn INTEGER NOT NULL, complete INTEGER,
  first_ix INTEGER NOT NULL, shapes BLOB NOT NULL, PRIMARY KEY(pair, start, rid)) WITHOUT ROWID;
CREATE TABLE run_id(rid BLOB NOT NULL, pair INTEGER NOT NULL, start INTEGER NOT NULL, PRIMARY KEY(rid, pair)) WITHOUT ROWID;
-- The run's entries after its first.
CREATE TABLE run_event(rn INTEGER NOT NULL, ix INTEGER NOT NULL, PRIMARY KEY(rn, ix)) WITHOUT ROWID;
-- Job events by job and source, dataset events by dataset and source.
CREATE TABLE design(pair INTEGER NOT NULL, us INTEGER NOT NULL, digest BLOB NOT NULL, ix INTEGER NOT NULL, shape INTEGER NOT NULL, PRIMARY KEY(pair, us, digest)) WITHOUT ROWID;
CREATE TABLE dataset_event(node INTEGER NOT NULL, us INTEGER NOT NULL, digest BLOB NOT NULL, ix INTEGER NOT NULL, shape INTEGER NOT NULL, source INTEGER NOT NULL, PRIMARY KEY(node, us, digest, source)) WITHOUT ROWID;
CREATE TABLE flow(pair INTEGER NOT NULL, side INTEGER NOT NULL, dataset INTEGER NOT NULL, vf INTEGER NOT NULL, rf INTEGER NOT NULL, vu INTEGER NOT NULL, ru INTEGER, by INTEGER NOT NULL,
  PRIMARY KEY(pair, side, dataset, vf, rf)) WITHOUT ROWID;
CREATE TABLE alias(a INTEGER NOT NULL, b INTEGER NOT NULL, kind INTEGER NOT NULL, owner INTEGER NOT NULL, vf INTEGER NOT NULL, rf INTEGER NOT NULL, vu INTEGER NOT NULL, ru INTEGER,
  PRIMARY KEY(a, b, kind, owner, vf, rf)) WITHOUT ROWID;
-- A facet in force: per node, name and owner (source * 2, or pair * 2 + 1 for facets kept per job). `tie`: rank and digest of the first assertion.
CREATE TABLE facet(node INTEGER NOT NULL, name INTEGER NOT NULL, owner INTEGER NOT NULL, vf INTEGER NOT NULL, tie BLOB NOT NULL, rf INTEGER NOT NULL, vu INTEGER NOT NULL, ru INTEGER,
  digest BLOB NOT NULL, deleted INTEGER NOT NULL, blob INTEGER, by INTEGER NOT NULL, PRIMARY KEY(node, name, owner, vf, tie, rf)) WITHOUT ROWID;
-- What the latest tags of an owner say of a name, where they call it more than public.
CREATE TABLE sensitivity(node INTEGER NOT NULL, owner INTEGER NOT NULL, level INTEGER NOT NULL, PRIMARY KEY(node, owner)) WITHOUT ROWID;
";

/// How hard a commit is: `Full` unless a test proves that less is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Synchronous {
    Full,
    /// For the crash test only: it must fail with this.
    Off,
}

pub fn backend(e: rusqlite::Error) -> StoreError {
    StoreError::Backend(Box::new(e))
}

/// Opens the writer's connection; makes the tables of a new file.
///
/// # Errors
/// A file of another program, or of a newer version of this one.
pub fn open_writer(path: &Path, synchronous: Synchronous) -> Result<Connection, OpenError> {
    make_private(path)?;
    // One thread at a time uses the connection, so SQLite need not lock it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    // Looked at before anything is changed: the file may be somebody else's.
    let new = is_empty(&db, path)?;
    checkpoint_on_close(&db, false)?;
    pragma(&db, "journal_mode", "WAL", "wal")?;
    db.pragma_update(None, "synchronous", if synchronous == Synchronous::Full { "FULL" } else { "OFF" })?;
    pragma(&db, "secure_delete", "ON", "1")?;
    pragma(&db, "wal_autocheckpoint", "0", "0")?;
    db.pragma_update(None, "cache_size", -16_384)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    harden(&db)?;
    db.set_prepared_statement_cache_capacity(128);
    if new {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE;{LEDGER_TABLES}{PROJECTION_TABLES}PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
        ))?;
    } else {
        make_durable(&db)?;
    }
    Ok(db)
}

/// Whether a file holds nothing yet; otherwise it holds our tables.
///
/// # Errors
/// A file of another program (most have neither an application id nor a version), or of a newer version of this one.
pub fn is_empty(db: &Connection, path: &Path) -> Result<bool, OpenError> {
    let ask = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i32>(0));
    let foreign = || OpenError::NotOurs { path: path.display().to_string() };
    let tables = match ask("SELECT count(*) FROM sqlite_schema") {
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => return Err(foreign()),
        other => other?,
    };
    match (ask("PRAGMA application_id")?, ask("PRAGMA user_version")?) {
        (0, 0) if tables == 0 => Ok(true),
        (APPLICATION_ID, SCHEMA_VERSION) => Ok(false),
        (APPLICATION_ID, found) if found > 0 && found < SCHEMA_VERSION => Err(OpenError::Older { found, known: SCHEMA_VERSION }),
        (APPLICATION_ID, found) if found > SCHEMA_VERSION => Err(OpenError::Newer { found, known: SCHEMA_VERSION }),
        _ => Err(foreign()),
    }
}

/// A new database belongs to its owner alone; SQLite gives its side files the same mode.
fn make_private(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(OpenError::Create(e)),
    }
}

/// Moves what an earlier process left in the write-ahead log into the database.
///
/// That process may have died before its last sync, or because of a failed one:
/// then what is read back here comes from the page cache alone, and Linux will
/// not write it again. Copying it makes it durable before anybody is told of it.
///
/// # Errors
/// SQLite's; `SQLITE_BUSY` when another program reads the database for seconds.
pub fn make_durable(db: &Connection) -> rusqlite::Result<()> {
    let (frames, moved): (i64, i64) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| Ok((r.get(1)?, r.get(2)?)))?;
    if frames == moved {
        Ok(())
    } else {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        Err(rusqlite::Error::SqliteFailure(busy, Some("another program reads the database; close it".to_owned())))
    }
}

/// Whether the last close moves the write-ahead log into the database. Off from
/// the start: after a failed sync that would be the same sync, tried again, and
/// the next start moves it anyway. Turned on where all went well to the end.
///
/// # Errors
/// SQLite's.
pub fn checkpoint_on_close(db: &Connection, on: bool) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !on).map(drop)
}

/// Opens a reader's connection.
///
/// # Errors
/// SQLite's.
pub fn open_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.pragma_update(None, "cache_size", -16_384)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    harden(&db)?;
    db.set_prepared_statement_cache_capacity(128);
    Ok(db)
}

/// Settings that every connection of ours has.
///
/// # Errors
/// SQLite's.
pub fn harden(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Plans that do not depend on bound values: otherwise every new value of a
    // range makes SQLite prepare the statement anew, a third of a commit's time.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn pragma(db: &Connection, name: &'static str, value: &str, expected: &str) -> Result<(), OpenError> {
    if pragma_obeyed(db, name, value, expected)? { Ok(()) } else { Err(OpenError::Pragma { name }) }
}

/// Sets a pragma and asks for it again: one that is not obeyed is no error. Its
/// own answer counts for nothing: `journal_mode` answers `wal` before it commits
/// the change, and a commit that fails is only told by the step after the answer.
///
/// # Errors
/// SQLite's.
pub fn pragma_obeyed(db: &Connection, name: &str, value: &str, expected: &str) -> rusqlite::Result<bool> {
    let mut set = db.prepare(&format!("PRAGMA {name} = {value}"))?;
    let mut answers = set.query([])?;
    while answers.next()?.is_some() {}
    db.pragma_query_value(None, name, |r| {
        Ok(match r.get_ref(0)? {
            ValueRef::Integer(i) => i.to_string() == expected,
            v => v.as_str().is_ok_and(|v| v == expected),
        })
    })
}

/// Why a data folder's database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database is of schema version {found}, this program knows up to {known}; use a newer ledgerline")]
    Newer { found: i32, known: i32 },
    #[error(
        "the database is of schema version {found}, from before the first release, this program needs {known}; \
         start a new data folder and send the events again"
    )]
    Older { found: i32, known: i32 },
    #[error("`{path}` is not a ledgerline database; set `data` to another folder")]
    NotOurs { path: String },
    #[error("the database refused the setting `{name}`")]
    Pragma { name: &'static str },
    #[error("the database could not be created")]
    Create(#[source] std::io::Error),
    #[error("the database could not be opened")]
    Sqlite(#[from] rusqlite::Error),
}
