//! An empty projection in a database of its own, with the folder's file attached:
//! the projector runs on it unchanged, reads entries from the file and writes the
//! graph beside it.
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::Access;
use crate::store::embedded::schema::{PROJECTION_TABLES, harden};

/// The name of the attached file in SQL.
pub const STORED: &str = "stored";

/// What a shape's `plan` is to the projector is a row of `plan` here, so that the
/// stored plans neither help nor mislead.
const SHAPES: &str = "
-- Entries whose source has another number now, because destroyed ones are not replayed.
CREATE TABLE moved(ix INTEGER PRIMARY KEY, source INTEGER);
CREATE TABLE plan(id INTEGER PRIMARY KEY, plan BLOB NOT NULL);
CREATE TEMP VIEW shape AS SELECT s.id, s.digest, s.key, s.sealed, s.rest, coalesce(p.plan, x'') AS plan
  FROM stored.shape s LEFT JOIN main.plan p ON p.id = s.id;
CREATE TEMP TRIGGER shape_planned INSTEAD OF UPDATE ON shape
  BEGIN INSERT INTO plan(id, plan) VALUES(new.id, new.plan) ON CONFLICT DO UPDATE SET plan = new.plan; END;
";

/// Opens it. The new projection lies in a private temporary file, which SQLite
/// unlinks at once and writes to only beyond its cache.
///
/// # Errors
/// SQLite's.
pub fn open(file: &Path, access: Access) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags("", flags)?;
    db.pragma_update(None, "cache_size", -131_072)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    harden(&db)?;
    db.set_prepared_statement_cache_capacity(128);
    db.execute(&format!("ATTACH ?1 AS {STORED}"), [uri(file, access)])?;
    if access == Access::Rebuild {
        db.pragma_update(Some(STORED), "synchronous", "FULL")?;
        db.pragma_update(Some(STORED), "secure_delete", "ON")?;
        // The rebuilt tables are moved into the file once, at the end.
        db.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    }
    db.query_row("PRAGMA main.journal_mode = OFF", [], |_| Ok(()))?;
    db.execute_batch(PROJECTION_TABLES)?;
    db.execute_batch(SHAPES)?;
    Ok(db)
}

/// A file name as SQLite's URI, so that it is opened as `access` says.
fn uri(file: &Path, access: Access) -> String {
    let mode = match access {
        Access::Read => "ro",
        Access::Rebuild => "rw",
    };
    let mut uri = String::from("file:");
    for c in file.to_string_lossy().chars() {
        match c {
            '%' | '?' | '#' => uri.push_str(&format!("%{:02X}", u32::from(c))),
            c => uri.push(c),
        }
    }
    uri + "?mode=" + mode
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_may_hold_what_a_uri_uses() {
        assert_eq!(uri(Path::new("/d/50%?#/main.db"), Access::Read), "file:/d/50%25%3F%23/main.db?mode=ro");
    }
}
