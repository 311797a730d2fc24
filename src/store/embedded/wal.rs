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
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("wal".into()).spawn(move || {
            run(&db, &shared, &stopped);
            close(&db, &shared);
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

fn run(db: &Connection, shared: &Shared, stopped: &Receiver<()>) {
    let mut seen = 0;
    loop {
        match stopped.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let size = shared.head().size;
        if size == seen || shared.stopped() {
            continue;
        }
        seen = size;
        // A failed sync here means that pages may be lost that the log no longer holds.
        match db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Ok(()) => {}
            Err(rusqlite::Error::SqliteFailure(e, _))
                if e.code == rusqlite::ErrorCode::DatabaseBusy || e.code == rusqlite::ErrorCode::DatabaseLocked => {}
            Err(e) => {
                tracing::error!(error = %e, "the write-ahead log could not be moved into the database; nothing more is written");
                shared.stop();
                return;
            }
        }
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
