//! `vault.db`: the vault's rows in an SQLite file of their own, so that erasing
//! is real: `secure_delete`, a WAL truncated after every destruction, and a search of
//! the file for what was destroyed.
//!
//! One connection under a mutex. What is hot is cached above, writes are rare,
//! and with no second connection of ours a truncating checkpoint never waits.
use std::{fs::File, io, path::Path, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};

use super::{
    schema::{checkpoint_on_close, make_durable, pragma_obeyed},
    vault_rows::{self as rows, storage},
    vault_scrub::Traces,
};
use crate::{
    domain::id::Handle,
    vault::{
        KeyId, Lookup, VaultError, VaultStore,
        store::{Erased, KeyWant, MakeKey, MakePerson, SealedIdentifier, StoredKey, VaultIdentity, Wrapped},
    },
};

/// "LLvt": marks the file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x4C4C_7674;
/// The schema this program writes (`PRAGMA user_version`).
const VERSION: i64 = 1;
/// How long a checkpoint waits for readers from outside, and how often.
const PURGE_WAIT: Duration = Duration::from_millis(100);
const PURGE_ATTEMPTS: u32 = 10;
/// SQLite's own checkpoints swallow a failed sync, so they are off and ours are made.
const COMMITS_PER_CHECKPOINT: u64 = 256;

/// The vault's file, open for reading and writing.
pub struct VaultDb {
    state: Mutex<State>,
}

struct State {
    db: Connection,
    /// The same file, to search. Opened before and closed after the connection:
    /// closing any descriptor of a file drops the process's POSIX locks on it.
    file: File,
    due: Due,
    commits: u64,
    /// A storage error was seen: what is on disk is unknown, nothing more is done.
    failed: bool,
}

/// What scrubbing has to look for.
enum Due {
    Nothing,
    Traces(Traces),
    /// A process before this one destroyed rows and did not get to scrub.
    Unknown,
}

impl VaultDb {
    /// Opens an existing vault.
    ///
    /// # Errors
    /// [`VaultError::Missing`], [`VaultError::NotAVault`], [`VaultError::Newer`], [`VaultError::Storage`].
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        if !path.exists() {
            return Err(VaultError::Missing { path: path.display().to_string() });
        }
        Self::connect(path, false)
    }

    /// For the first start of a new data folder: makes the vault, or finishes the
    /// making that a crash cut short. The file and its name are durable.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn create(path: &Path) -> Result<Self, VaultError> {
        create_private(path).map_err(storage)?;
        Self::connect(path, true)
    }

    fn connect(path: &Path, create: bool) -> Result<Self, VaultError> {
        let file = File::open(path).map_err(storage)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags).map_err(storage)?;
        let name = || path.display().to_string();
        db.busy_timeout(PURGE_WAIT).map_err(storage)?;
        checkpoint_on_close(&db, false).map_err(storage)?;
        db.set_prepared_statement_cache_capacity(64);
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(storage)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(storage)?;

        let empty = match db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)) {
            Ok(tables) => tables == 0,
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
                return Err(VaultError::NotAVault { path: name() });
            }
            Err(e) => return Err(storage(e)),
        };
        if !empty || !create {
            if pragma(&db, "application_id")? != APPLICATION_ID {
                return Err(VaultError::NotAVault { path: name() });
            }
            let found = pragma(&db, "user_version")?;
            if found > VERSION {
                return Err(VaultError::Newer { found, known: VERSION });
            }
        }

        // `secure_delete` belongs to the connection, and a pragma that is not
        // obeyed is no error: so each answer is read.
        demand(&db, "journal_mode", "WAL", "wal")?;
        demand(&db, "secure_delete", "ON", "1")?;
        demand(&db, "wal_autocheckpoint", "0", "0")?;
        for (pragma, value) in [("synchronous", "FULL"), ("foreign_keys", "ON"), ("temp_store", "MEMORY")] {
            db.pragma_update(None, pragma, value).map_err(storage)?;
        }
        for (name, expected) in [("synchronous", 2), ("foreign_keys", 1), ("temp_store", 2)] {
            if pragma(&db, name)? != expected {
                return Err(storage(io::Error::other(format!("pragma {name} was not obeyed"))));
            }
        }
        if empty && create {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage)?;
            tx.execute_batch(rows::SCHEMA).map_err(storage)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(storage)?;
            tx.pragma_update(None, "user_version", VERSION).map_err(storage)?;
            tx.commit().map_err(storage)?;
        }
        let due = if rows::purge_due(&db)? { Due::Unknown } else { Due::Nothing };
        make_durable(&db).map_err(storage)?;
        let mut state = State { db, file, due, commits: 0, failed: false };
        state.scrub()?;
        Ok(Self { state: Mutex::new(state) })
    }

    /// Whether a key was ever made, so that something may be sealed under it.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    pub fn has_sealed(&self) -> Result<bool, VaultError> {
        self.read(rows::has_keys)
    }

    fn usable(&self) -> Result<MutexGuard<'_, State>, VaultError> {
        let state = self.state.lock();
        if state.failed { Err(storage(io::Error::other("stopped by an earlier failure"))) } else { Ok(state) }
    }

    fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut state = self.usable()?;
        let out = f(&state.db);
        state.note(out)
    }

    /// One transaction, durable when this returns `Ok`. After a storage error
    /// nothing is tried again: a sync that failed once may seem to succeed later
    /// although the data never reached the disk.
    fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut state = self.usable()?;
        let out = state.commit(f);
        state.note(out)
    }

    /// A transaction that removes rows and notes what they held. That scrubbing
    /// is due is as durable as the removal.
    fn destroy<T>(&self, f: impl FnOnce(&Transaction<'_>, &mut Traces) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut state = self.usable()?;
        let mut traces = Traces::default();
        let out = state.commit(|tx| {
            let out = f(tx, &mut traces)?;
            if !traces.is_empty() {
                rows::set_purge_due(tx, true)?;
            }
            Ok(out)
        });
        let out = state.note(out)?;
        match &mut state.due {
            Due::Nothing if traces.is_empty() => {}
            Due::Nothing => state.due = Due::Traces(traces),
            Due::Traces(due) => due.append(traces),
            Due::Unknown => {}
        }
        Ok(out)
    }
}

impl Drop for State {
    /// Lets the close move the write-ahead log where all went well.
    fn drop(&mut self) {
        if !self.failed
            && let Err(e) = checkpoint_on_close(&self.db, true)
        {
            tracing::warn!(error = %e, "the vault's write-ahead log is left for the next start to move");
        }
    }
}

impl State {
    fn note<T>(&mut self, out: Result<T, VaultError>) -> Result<T, VaultError> {
        self.failed |= out.as_ref().is_err_and(VaultError::is_fatal);
        out
    }

    fn commit<T>(&mut self, f: impl FnOnce(&Transaction<'_>) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage)?;
        let out = f(&tx)?;
        tx.commit().map_err(storage)?;
        self.commits += 1;
        if self.commits.is_multiple_of(COMMITS_PER_CHECKPOINT) {
            self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(storage)?;
        }
        Ok(out)
    }

    /// `secure_delete` zeroes a deleted cell, but not the copies that moving the
    /// cell between pages left behind earlier (tried: five of 12,000 traces in a
    /// vault of 4,000 people of whom half were erased). So the file is searched,
    /// and rewritten from its live rows if anything is found, or if what to look
    /// for was lost in a crash. The rewrite is held in memory, not in a temporary file.
    fn scrub(&mut self) -> Result<(), VaultError> {
        if matches!(self.due, Due::Nothing) {
            return Ok(());
        }
        self.truncate_wal()?;
        let clean = match &self.due {
            Due::Nothing => true,
            Due::Unknown => false,
            Due::Traces(traces) => !traces.occur_in(&mut self.file).map_err(storage)?,
        };
        if !clean {
            self.db.execute_batch("VACUUM").map_err(storage)?;
            self.truncate_wal()?;
        }
        self.commit(|tx| rows::set_purge_due(tx, false))?;
        self.due = Due::Nothing;
        self.truncate_wal()
    }

    fn truncate_wal(&self) -> Result<(), VaultError> {
        for _ in 0..PURGE_ATTEMPTS {
            let busy: i64 = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(storage)?;
            if busy == 0 {
                return Ok(());
            }
        }
        Err(VaultError::PurgeBlocked)
    }
}

impl VaultStore for VaultDb {
    fn identity(&self) -> Result<Option<VaultIdentity>, VaultError> {
        self.read(rows::identity)
    }

    fn bind(&self, identity: &VaultIdentity) -> Result<(), VaultError> {
        self.write(|tx| rows::bind(tx, identity))
    }

    fn take_keys(&self, wants: &[KeyWant], make: MakeKey<'_>) -> Result<Vec<StoredKey>, VaultError> {
        self.write(|tx| wants.iter().map(|want| rows::take_key(tx, want, make)).collect())
    }

    fn keys(&self, ids: &[KeyId]) -> Result<Vec<Option<StoredKey>>, VaultError> {
        self.read(|db| rows::keys(db, ids))
    }

    fn destroy_keys(&self, ids: &[KeyId]) -> Result<usize, VaultError> {
        self.destroy(|tx, traces| rows::destroy_keys(tx, ids, traces))
    }

    fn destroyed(&self, ids: &[KeyId]) -> Result<Vec<bool>, VaultError> {
        self.read(|db| rows::destroyed(db, ids))
    }

    fn find_handles(&self, lookups: &[Lookup]) -> Result<Vec<Option<Handle>>, VaultError> {
        self.read(|db| lookups.iter().map(|lookup| rows::find_handle(db, *lookup)).collect())
    }

    fn take_handles(&self, lookups: &[Lookup], make: MakePerson<'_>) -> Result<Vec<Handle>, VaultError> {
        let found = self.find_handles(lookups)?;
        if let Some(all) = found.into_iter().collect() {
            return Ok(all); // nothing to write, nothing to sync
        }
        self.write(|tx| {
            let each = lookups.iter().enumerate().map(|(i, lookup)| match rows::find_handle(tx, *lookup)? {
                Some(handle) => Ok(handle),
                None => rows::insert_person(tx, *lookup, i, make),
            });
            each.collect()
        })
    }

    fn people_after(&self, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, VaultError> {
        self.read(|db| rows::people_after(db, after, limit))
    }

    fn identifiers_of(&self, handles: &[Handle]) -> Result<Vec<SealedIdentifier>, VaultError> {
        self.read(|db| rows::identifiers_of(db, handles))
    }

    fn chains(&self, handles: &[Handle]) -> Result<Vec<Option<Vec<Handle>>>, VaultError> {
        self.read(|db| {
            let each = handles.iter().map(|handle| match rows::person(db, *handle)? {
                Some(found) => Ok(Some(rows::chain(db, found.survivor())?.into_iter().map(|(_, handle)| handle).collect())),
                None => Ok(None),
            });
            each.collect()
        })
    }

    fn secrets(&self, of: &[(Handle, u32)]) -> Result<Vec<Option<Wrapped>>, VaultError> {
        self.read(|db| of.iter().map(|(handle, epoch)| rows::secret(db, *handle, *epoch)).collect())
    }

    fn take_secret(&self, handle: Handle, epoch: u32, fresh: &Wrapped) -> Result<Wrapped, VaultError> {
        self.write(|tx| rows::take_secret(tx, handle, epoch, fresh))
    }

    fn merge(&self, survivor: Handle, other: Handle) -> Result<(), VaultError> {
        self.write(|tx| rows::merge(tx, survivor, other))
    }

    fn erase_people(&self, handles: &[Handle]) -> Result<Erased, VaultError> {
        self.destroy(|tx, traces| {
            let mut erased = Erased::default();
            for handle in handles {
                rows::erase_person(tx, *handle, &mut erased, traces)?;
            }
            Ok(erased)
        })
    }

    fn purge(&self) -> Result<(), VaultError> {
        let mut state = self.usable()?;
        let out = state.scrub();
        state.note(out)
    }
}

fn pragma(db: &Connection, name: &str) -> Result<i64, VaultError> {
    db.pragma_query_value(None, name, |row| row.get(0)).map_err(storage)
}

/// Sets a pragma; one that is not obeyed is an error.
fn demand(db: &Connection, name: &str, value: &str, expected: &str) -> Result<(), VaultError> {
    if pragma_obeyed(db, name, value, expected).map_err(storage)? {
        Ok(())
    } else {
        Err(storage(io::Error::other(format!("pragma {name} was not obeyed"))))
    }
}

/// Makes an empty file of mode 0600 unless there is one; SQLite gives its
/// companions the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => file.sync_all()?,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    match path.parent() {
        Some(dir) if cfg!(unix) => File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all(),
        _ => Ok(()),
    }
}
