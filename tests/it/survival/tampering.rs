//! What a start notices of a changed folder, and what it cannot: it reads the
//! right edge of the tree, not the log. Everything else is for `verify`, which
//! reads all of it.
use std::{path::Path, sync::Arc};

use rusqlite::Connection;

use super::{
    kills::copy,
    stream::{open, run_clients},
};

/// One full tile, so that both what a tile covers and what the edge covers can be changed.
const ENTRIES: u32 = 300;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let app = open(folder.path()).unwrap();
    run_clients(&app, 8, 0..ENTRIES, Arc::new(|_| {}));
    app.drain();
    folder
}

fn change(folder: &Path, sql: &str) {
    let file = if sql.contains("data_key") || sql.contains("identifier") { "vault.db" } else { "main.db" };
    let db = Connection::open(folder.join(file)).unwrap();
    db.execute_batch(sql).unwrap();
    assert!(db.query_row("SELECT total_changes()", [], |r| r.get::<_, i64>(0)).unwrap() > 0, "`{sql}` changed nothing");
}

/// Changes of the log near its end, or of what is signed.
const NOTICED: &[(&str, &str)] = &[
    ("UPDATE entry SET us = us + 1 WHERE ix = 299", "differs from the one its own checkpoint signed at size 300"),
    (
        "UPDATE entry SET id = (SELECT id FROM entry WHERE ix = 3) WHERE ix = 256",
        "differs from the one its own checkpoint signed at size 300",
    ),
    ("UPDATE entry SET commitments = randomblob(length(commitments)) WHERE ix = 280", "differs from the one its own checkpoint"),
    ("UPDATE entry SET refs = randomblob(16) WHERE ix = 290", "differs from the one its own checkpoint"),
    ("DELETE FROM entry WHERE ix = 299", "differs from the one its own checkpoint signed at size 300"),
    ("DELETE FROM entry WHERE ix >= 200", "differs from the one its own checkpoint signed at size 300"),
    ("DELETE FROM entry", "differs from the one its own checkpoint signed at size 300"),
    ("DELETE FROM entry WHERE ix = 270", "the data folder could not be read"),
    ("UPDATE tile SET hashes = randomblob(8192)", "differs from the one its own checkpoint signed at size 300"),
    ("DELETE FROM tile", "the data folder could not be read"),
    ("UPDATE checkpoint SET size = 299", "differs from the one its own checkpoint signed at size 299"),
    ("UPDATE checkpoint SET root = randomblob(32)", "differs from the one its own checkpoint signed at size 300"),
    ("UPDATE checkpoint SET note = replace(note, '300', '299')", "its last checkpoint does not verify"),
    ("DELETE FROM checkpoint", "its signed checkpoint is gone"),
    ("UPDATE log SET origin = 'example.org/other'", "the log's origin is `example.org/other`"),
];

/// Changes that only reading everything finds; a start goes through.
const LEFT_TO_VERIFY: &[&str] = &[
    // The log under a full tile: leaf hashes against the tile, `at` against the entries around.
    "UPDATE entry SET us = us + 1 WHERE ix = 17",
    "UPDATE entry SET commitments = randomblob(length(commitments)) WHERE ix = 17",
    "DELETE FROM entry WHERE ix = 17",
    // What an entry opens to: commitments against the opened parts, keys against the vault.
    "UPDATE entry SET core = randomblob(length(core)) WHERE ix = 299",
    "UPDATE entry SET rest = randomblob(length(rest)) WHERE ix = 299",
    "UPDATE part SET sealed = randomblob(length(sealed))",
    "DELETE FROM part",
    "UPDATE shape SET sealed = randomblob(length(sealed)) WHERE id = 1",
    "UPDATE blob SET sealed = randomblob(length(sealed)) WHERE id = 1",
    "DELETE FROM data_key WHERE id = 2",
    // What stands beside the leaf in its row: against `core`.
    "UPDATE entry SET type = type + 1 WHERE ix = 299",
    "UPDATE entry SET time = time + 1 WHERE ix = 299",
    // The duplicate index: against the received bytes.
    "DELETE FROM dup WHERE ix = 299",
    "UPDATE dup SET ix = 3 WHERE ix = 299",
    // Counters and rights: against the entries.
    "INSERT INTO person(handle, epoch, next_n) VALUES(randomblob(16), 0, 1)",
    // The projection: against a replay.
    "DELETE FROM flow",
    "UPDATE flow SET vu = 0",
    "DELETE FROM run",
];

/// What `verify` counts as destroyed: as long as the destruction of a part
/// leaves no receipt, one on purpose cannot be told from another.
const COUNTED_AS_DESTROYED: &[&str] = &["UPDATE entry SET core = NULL WHERE ix = 299", "UPDATE entry SET rest = NULL WHERE ix = 17"];

#[test]
fn a_start_notices_what_contradicts_the_last_checkpoint() {
    let folder = folder();
    for (sql, expected) in NOTICED {
        let changed = copy(folder.path());
        change(changed.path(), sql);
        let refusal = open(changed.path()).err().unwrap_or_else(|| panic!("`{sql}` is not noticed"));
        assert!(refusal.contains(expected), "`{sql}`: {refusal}");
    }
}

#[test]
fn a_start_goes_through_with_what_only_verify_can_find() {
    let folder = folder();
    for sql in LEFT_TO_VERIFY {
        let changed = copy(folder.path());
        change(changed.path(), sql);
        let app = open(changed.path()).unwrap_or_else(|e| panic!("`{sql}` is noticed, so it belongs to the other list: {e}"));
        app.drain();
        drop(app);
        assert!(crate::verify::verify(changed.path()).first_fault.is_some(), "`{sql}` passes `verify`");
    }
}

#[test]
fn what_is_destroyed_is_counted_by_verify() {
    let folder = folder();
    assert_eq!(crate::verify::verify(folder.path()).checked.destroyed, 0);
    for sql in COUNTED_AS_DESTROYED {
        let changed = copy(folder.path());
        change(changed.path(), sql);
        open(changed.path()).unwrap().drain();
        let report = crate::verify::verify(changed.path());
        assert!(report.first_fault.is_none() && report.checked.destroyed > 0, "`{sql}`: {report:?}");
    }
}

/// What nobody can tell from the folder alone: a rollback of all of it.
#[test]
fn a_log_that_was_rolled_back_whole_is_noticed_by_an_anchor_alone() {
    let folder = folder();
    let earlier = copy(folder.path());
    let app = open(folder.path()).unwrap();
    run_clients(&app, 8, ENTRIES..ENTRIES + 20, Arc::new(|_| {}));
    app.drain();
    drop(app);
    assert_eq!(crate::verify::verify(folder.path()).entries, crate::verify::verify(earlier.path()).entries + 20);
    open(earlier.path()).unwrap().drain();
    assert_eq!(crate::verify::verify(earlier.path()).first_fault, None);
}
