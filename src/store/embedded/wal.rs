//! Moving the write-ahead log into the database beside the writer, so that no
//! commit waits for it.
use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;

use super::{schema::checkpoint_on_close, shared::Shared, writer::close};

/// How often the thread looks whether there is something to move.
const EVERY: Duration = Duration::from_millis(20);

/// The thread; stops when dropped.
pub struct WalMover {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WalMover {
    /// # Errors
    /// The database's, or no thread could be had.
    pub fn start(path: &Path, shared: Arc<Shared>) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let db = Connection::open(path)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        checkpoint_on_close(&db, false)?;
        // Whoever empties the log holds up the writer while it waits for readers.
        db.busy_timeout(EVERY)?;
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("wal".into()).spawn(move || {
            run(&db, &shared, &stopped);
            close(&db, &shared);
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

fn run(db: &Connection, shared: &Shared, stopped: &Receiver<()>) {
    let mut seen = (0, 0);
    loop {
        match stopped.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        // Both, for a checkpoint is a commit too: one that comes while the log is
        // moved keeps the database unsynced, and no entry may follow it for long.
        let committed = (shared.head().size, shared.checkpoint().size);
        if shared.stopped() || (committed == seen && !shared.purge_due()) {
            continue;
        }
        if shared.purge_due() {
            match empty(db) {
                Ok(true) => shared.set_purge_due(false),
                Ok(false) => {}
                Err(e) => {
                    tracing::error!(error = %e, "what was redacted could not be removed from the write-ahead log; nothing more is written");
                    shared.stop();
                    return;
                }
            }
        }
        // A failed sync here means that pages may be lost that the log no longer holds.
        match move_all(db) {
            Ok(true) => seen = committed,
            // Somebody was in the way; the next look tries again.
            Ok(false) => {}
            Err(e) => {
                tracing::error!(error = %e, "the write-ahead log could not be moved into the database; nothing more is written");
                shared.stop();
                return;
            }
        }
    }
}

/// Moves everything and cuts the log to nothing, so that no page of before is left
/// in it; false where somebody still reads an older state.
///
/// # Errors
/// SQLite's.
pub fn empty(db: &Connection) -> rusqlite::Result<bool> {
    match db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, bool>(0)) {
        Ok(busy) => Ok(!busy),
        Err(rusqlite::Error::SqliteFailure(e, _))
            if e.code == rusqlite::ErrorCode::DatabaseBusy || e.code == rusqlite::ErrorCode::DatabaseLocked =>
        {
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// Moves what can be moved without waiting, and says whether that was all: a
/// reader of an older state keeps the rest in the log.
fn move_all(db: &Connection) -> rusqlite::Result<bool> {
    let moved = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |r| {
        let (busy, frames, moved): (bool, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
        Ok(!busy && frames == moved)
    });
    match moved {
        Err(rusqlite::Error::SqliteFailure(e, _))
            if e.code == rusqlite::ErrorCode::DatabaseBusy || e.code == rusqlite::ErrorCode::DatabaseLocked =>
        {
            Ok(false)
        }
        moved => moved,
    }
}

impl Drop for WalMover {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that moves the write-ahead log panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_keeps_in_the_log_is_left_to_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Connection::open(folder.path().join("main.db")).unwrap();
        let (writer, reader, mover) = (open(), open(), open());
        writer
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(a); INSERT INTO t VALUES (1)")
            .unwrap();
        assert!(move_all(&mover).unwrap());
        reader.execute_batch("BEGIN; SELECT a FROM t").unwrap();
        writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        assert!(!move_all(&mover).unwrap(), "the reader still needs what the database holds");
        reader.execute_batch("COMMIT").unwrap();
        assert!(move_all(&mover).unwrap());
    }
}
