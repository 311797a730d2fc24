//! The rows of `vault.db`, one function a question, on any connection.
use std::error::Error;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Transaction, params};

use super::vault_scrub::Traces;
use crate::{
    domain::id::Handle,
    vault::{
        KekId, KeyId, KeyScope, Lookup, RetentionClass, VaultError,
        store::{Erased, KeyWant, MakeKey, MakePerson, SealedIdentifier, StoredKey, VaultIdentity, Wrapped},
    },
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE identity(one INTEGER PRIMARY KEY CHECK(one = 1), kek BLOB NOT NULL, pepper BLOB NOT NULL, installation BLOB NOT NULL);
    -- `scope` is KeyScope::to_bytes; ids are never used again.
    CREATE TABLE data_key(
        id INTEGER PRIMARY KEY AUTOINCREMENT, scope BLOB NOT NULL, kek BLOB NOT NULL, wrapped BLOB NOT NULL, reserved INTEGER NOT NULL);
    CREATE INDEX data_key_scope ON data_key(scope);
    -- Keys that were destroyed on purpose: a key that is merely missing is another thing.
    CREATE TABLE destroyed_key(id INTEGER PRIMARY KEY);
    CREATE TABLE person(id INTEGER PRIMARY KEY AUTOINCREMENT, handle BLOB NOT NULL UNIQUE, merged_into INTEGER REFERENCES person(id));
    CREATE INDEX person_merged ON person(merged_into) WHERE merged_into IS NOT NULL;
    CREATE TABLE secret(
        person INTEGER NOT NULL REFERENCES person(id), epoch INTEGER NOT NULL, kek BLOB NOT NULL, wrapped BLOB NOT NULL,
        UNIQUE(person, epoch));
    CREATE TABLE identifier(
        id INTEGER PRIMARY KEY AUTOINCREMENT, lookup BLOB NOT NULL UNIQUE, person INTEGER NOT NULL REFERENCES person(id),
        key INTEGER NOT NULL, sealed BLOB NOT NULL);
    CREATE INDEX identifier_person ON identifier(person);
    -- Has a row from a destruction until the file is known to be scrubbed.
    CREATE TABLE purge_due(one INTEGER PRIMARY KEY CHECK(one = 1));
";

pub(super) fn identity(db: &Connection) -> Result<Option<VaultIdentity>, VaultError> {
    let row = statement(db, "SELECT kek, pepper, installation FROM identity")?
        .query_row([], |row| Ok(VaultIdentity { kek: KekId(row.get(0)?), pepper: row.get(1)?, installation: row.get(2)? }))
        .optional();
    shaped(row, "identity")
}

pub(super) fn bind(tx: &Transaction<'_>, identity: &VaultIdentity) -> Result<(), VaultError> {
    statement(tx, "INSERT INTO identity(one, kek, pepper, installation) VALUES (1, ?1, ?2, ?3)")?
        .execute(params![identity.kek.0, identity.pepper, identity.installation])
        .map(drop)
        .map_err(storage)
}

/// Whether a data key was ever made (ids are never used again, so this outlives the keys).
pub(super) fn has_keys(db: &Connection) -> Result<bool, VaultError> {
    statement(db, "SELECT 1 FROM sqlite_sequence WHERE name = 'data_key'")?.exists([]).map_err(storage)
}

/// Whether a destruction was not followed by a scrub.
pub(super) fn purge_due(db: &Connection) -> Result<bool, VaultError> {
    statement(db, "SELECT 1 FROM purge_due")?.exists([]).map_err(storage)
}

pub(super) fn set_purge_due(tx: &Transaction<'_>, due: bool) -> Result<(), VaultError> {
    let sql = if due { "INSERT OR IGNORE INTO purge_due(one) VALUES (1)" } else { "DELETE FROM purge_due" };
    statement(tx, sql)?.execute([]).map(drop).map_err(storage)
}

pub(super) fn keys(db: &Connection, ids: &[KeyId]) -> Result<Vec<Option<StoredKey>>, VaultError> {
    let mut select = statement(db, "SELECT id, scope, kek, wrapped FROM data_key WHERE id = ?1")?;
    ids.iter().map(|id| shaped(select.query_row([id.0], stored_key).optional(), "data_key")).collect()
}

pub(super) fn destroy_keys(tx: &Transaction<'_>, ids: &[KeyId], traces: &mut Traces) -> Result<usize, VaultError> {
    let mut delete = statement(tx, "DELETE FROM data_key WHERE id = ?1 RETURNING wrapped")?;
    let mut destroyed = 0;
    for id in ids {
        let there = traces_of(&mut delete, [id.0], traces, "data_key")?;
        if there > 0 {
            note_destroyed(tx, *id)?;
        }
        destroyed += there;
    }
    Ok(destroyed)
}

fn note_destroyed(tx: &Transaction<'_>, id: KeyId) -> Result<(), VaultError> {
    statement(tx, "INSERT OR IGNORE INTO destroyed_key(id) VALUES (?1)")?.execute([id.0]).map(drop).map_err(storage)
}

pub(super) fn destroyed(db: &Connection, ids: &[KeyId]) -> Result<Vec<bool>, VaultError> {
    let mut select = statement(db, "SELECT 1 FROM destroyed_key WHERE id = ?1")?;
    ids.iter().map(|id| select.exists([id.0]).map_err(storage)).collect()
}

pub(super) fn people_after(db: &Connection, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, VaultError> {
    // Every handle is above the empty blob.
    let after = after.as_ref().map_or(&[][..], |handle| &handle.0);
    let mut select = statement(db, "SELECT handle FROM person WHERE handle > ?1 ORDER BY handle LIMIT ?2")?;
    let rows = select.query_map(params![after, count(limit as u64)], |row| row.get(0).map(Handle)).map_err(storage)?;
    rows.map(|row| shaped(row, "person")).collect()
}

pub(super) fn identifiers_of(db: &Connection, handles: &[Handle]) -> Result<Vec<SealedIdentifier>, VaultError> {
    let mut select = statement(
        db,
        "SELECT i.lookup, i.key, i.sealed FROM person p JOIN identifier i ON i.person = p.id WHERE p.handle = ?1 ORDER BY i.id",
    )?;
    let mut out = Vec::new();
    for handle in handles {
        let rows = select.query_map([handle.0], |row| {
            Ok(SealedIdentifier { handle: *handle, lookup: Lookup(row.get(0)?), key: KeyId(row.get(1)?), sealed: row.get(2)? })
        });
        for row in rows.map_err(storage)? {
            out.push(shaped(row, "identifier")?);
        }
    }
    Ok(out)
}

pub(super) fn take_secret(tx: &Transaction<'_>, handle: Handle, epoch: u32, fresh: &Wrapped) -> Result<Wrapped, VaultError> {
    if let Some(kept) = secret(tx, handle, epoch)? {
        return Ok(kept);
    }
    let person = person(tx, handle)?.ok_or(VaultError::UnknownHandle(handle))?;
    insert_secret(tx, person.id, epoch, fresh)?;
    Ok(fresh.clone())
}

pub(super) fn merge(tx: &Transaction<'_>, survivor: Handle, other: Handle) -> Result<(), VaultError> {
    let survivor = person(tx, survivor)?.ok_or(VaultError::UnknownHandle(survivor))?.survivor();
    let other = person(tx, other)?.ok_or(VaultError::UnknownHandle(other))?.survivor();
    if survivor == other {
        return Ok(());
    }
    statement(tx, "UPDATE person SET merged_into = ?1 WHERE id = ?2 OR merged_into = ?2")?
        .execute([survivor, other])
        .map(drop)
        .map_err(storage)
}

/// Removes a person and all merged into it, noting what to look for afterwards.
pub(super) fn erase_person(tx: &Transaction<'_>, handle: Handle, erased: &mut Erased, traces: &mut Traces) -> Result<(), VaultError> {
    let Some(found) = person(tx, handle)? else { return Ok(()) };
    // The survivor is first in its chain and the others point at it, so it goes last.
    let chain = chain(tx, found.survivor())?;
    for (id, handle) in chain.iter().rev() {
        let mut delete = statement(tx, "DELETE FROM identifier WHERE person = ?1 RETURNING lookup, sealed")?;
        erased.identifiers += traces_of(&mut delete, [id], traces, "identifier")?;
        let mut delete = statement(tx, "DELETE FROM secret WHERE person = ?1 RETURNING wrapped")?;
        traces_of(&mut delete, [id], traces, "secret")?;
        delete_keys_of(tx, *handle, erased, traces)?;
        statement(tx, "DELETE FROM person WHERE id = ?1")?.execute([id]).map_err(storage)?;
        traces.add(&handle.0);
    }
    erased.handles.extend(chain.into_iter().map(|(_, handle)| handle));
    Ok(())
}

/// Runs a deletion that returns blobs and notes them; how many rows there were.
fn traces_of(
    delete: &mut CachedStatement<'_>,
    params: impl rusqlite::Params,
    traces: &mut Traces,
    table: &'static str,
) -> Result<usize, VaultError> {
    let columns = delete.column_count();
    let mut rows = delete.query(params).map_err(storage)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(storage)? {
        for column in 0..columns {
            traces.add(&shaped(row.get::<_, Vec<u8>>(column), table)?);
        }
        count += 1;
    }
    Ok(count)
}

/// A person's row.
pub(super) struct PersonRow {
    id: i64,
    merged_into: Option<i64>,
}

impl PersonRow {
    /// The row that answers for it; merges are one step deep.
    pub(super) fn survivor(&self) -> i64 {
        self.merged_into.unwrap_or(self.id)
    }
}

pub(super) fn person(db: &Connection, handle: Handle) -> Result<Option<PersonRow>, VaultError> {
    let row = statement(db, "SELECT id, merged_into FROM person WHERE handle = ?1")?
        .query_row([handle.0], |row| Ok(PersonRow { id: row.get(0)?, merged_into: row.get(1)? }))
        .optional();
    shaped(row, "person")
}

/// A survivor and all merged into it, survivor first.
pub(super) fn chain(db: &Connection, survivor: i64) -> Result<Vec<(i64, Handle)>, VaultError> {
    let mut select = statement(db, "SELECT id, handle FROM person WHERE id = ?1 OR merged_into = ?1 ORDER BY id <> ?1, id")?;
    let rows = select.query_map([survivor], |row| Ok((row.get(0)?, Handle(row.get(1)?)))).map_err(storage)?;
    rows.map(|row| shaped(row, "person")).collect()
}

pub(super) fn find_handle(db: &Connection, lookup: Lookup) -> Result<Option<Handle>, VaultError> {
    let row = statement(
        db,
        "SELECT coalesce(s.handle, p.handle) FROM identifier i JOIN person p ON p.id = i.person
         LEFT JOIN person s ON s.id = p.merged_into WHERE i.lookup = ?1",
    )?
    .query_row([lookup.0], |row| row.get(0).map(Handle))
    .optional();
    shaped(row, "identifier")
}

pub(super) fn insert_person(tx: &Transaction<'_>, lookup: Lookup, i: usize, make: MakePerson<'_>) -> Result<Handle, VaultError> {
    let key = next_key_id(tx)?;
    let new = make(i, key)?;
    statement(tx, "INSERT INTO person(handle) VALUES (?1)")?.execute([new.handle.0]).map_err(storage)?;
    let id = tx.last_insert_rowid();
    let scope = KeyScope::Person { handle: new.handle, retention: RetentionClass::IDENTITY };
    insert_key(tx, key, &scope, &new.identity_key, new.reserved)?;
    insert_secret(tx, id, 0, &new.secret)?;
    statement(tx, "INSERT INTO identifier(lookup, person, key, sealed) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![lookup.0, id, key.0, new.sealed])
        .map_err(storage)?;
    Ok(new.handle)
}

pub(super) fn take_key(tx: &Transaction<'_>, want: &KeyWant, make: MakeKey<'_>) -> Result<StoredKey, VaultError> {
    if let KeyScope::Person { handle, .. } = want.scope {
        person(tx, handle)?.ok_or(VaultError::UnknownHandle(handle))?;
    }
    let newest = statement(tx, "SELECT id, scope, kek, wrapped, reserved FROM data_key WHERE scope = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([want.scope.to_bytes().as_slice()], |row| Ok((stored_key(row)?, row.get::<_, i64>(4)?)))
        .optional();
    if let Some((key, reserved)) = shaped(newest, "data_key")?
        && let Some(total) = reserved.checked_add(count(want.nonces)).filter(|total| *total <= count(want.limit))
    {
        statement(tx, "UPDATE data_key SET reserved = ?2 WHERE id = ?1")?.execute(params![key.id.0, total]).map_err(storage)?;
        return Ok(key);
    }
    let id = next_key_id(tx)?;
    let wrapped = make(id, &want.scope)?;
    insert_key(tx, id, &want.scope, &wrapped, want.nonces)?;
    Ok(StoredKey { id, scope: want.scope, wrapped })
}

/// One above every id that ever was, which AUTOINCREMENT remembers.
fn next_key_id(tx: &Transaction<'_>) -> Result<KeyId, VaultError> {
    let last =
        statement(tx, "SELECT seq FROM sqlite_sequence WHERE name = 'data_key'")?.query_row([], |row| row.get::<_, u32>(0)).optional();
    let last = shaped(last, "data_key")?.unwrap_or(0);
    last.checked_add(1).map(KeyId).ok_or(VaultError::NoKeyIdsLeft)
}

fn insert_key(tx: &Transaction<'_>, id: KeyId, scope: &KeyScope, key: &Wrapped, reserved: u64) -> Result<(), VaultError> {
    statement(tx, "INSERT INTO data_key(id, scope, kek, wrapped, reserved) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id.0, scope.to_bytes().as_slice(), key.kek.0, key.bytes, count(reserved)])
        .map(drop)
        .map_err(storage)
}

/// SQLite's integers are signed; no key seals 2^63 messages.
fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Deletes all data keys of one handle, of whatever retention class.
fn delete_keys_of(tx: &Transaction<'_>, handle: Handle, erased: &mut Erased, traces: &mut Traces) -> Result<(), VaultError> {
    let scope = |retention| KeyScope::Person { handle, retention: RetentionClass(retention) }.to_bytes();
    let (first, last) = (scope(0), scope(u32::MAX));
    let mut delete = statement(tx, "DELETE FROM data_key WHERE scope BETWEEN ?1 AND ?2 RETURNING id, wrapped")?;
    let rows = delete
        .query_map([first.as_slice(), last.as_slice()], |row| Ok((KeyId(row.get(0)?), row.get::<_, Vec<u8>>(1)?)))
        .map_err(storage)?;
    for row in rows {
        let (id, wrapped) = shaped(row, "data_key")?;
        note_destroyed(tx, id)?;
        erased.keys.push(id);
        traces.add(&wrapped);
    }
    Ok(())
}

pub(super) fn secret(db: &Connection, handle: Handle, epoch: u32) -> Result<Option<Wrapped>, VaultError> {
    let row = statement(db, "SELECT s.kek, s.wrapped FROM person p JOIN secret s ON s.person = p.id WHERE p.handle = ?1 AND s.epoch = ?2")?
        .query_row(params![handle.0, epoch], |row| Ok(Wrapped { kek: KekId(row.get(0)?), bytes: row.get(1)? }))
        .optional();
    shaped(row, "secret")
}

fn insert_secret(tx: &Transaction<'_>, person: i64, epoch: u32, secret: &Wrapped) -> Result<(), VaultError> {
    statement(tx, "INSERT INTO secret(person, epoch, kek, wrapped) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![person, epoch, secret.kek.0, secret.bytes])
        .map(drop)
        .map_err(storage)
}

/// Reads the columns id, scope, kek, wrapped.
fn stored_key(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    let scope: Vec<u8> = row.get(1)?;
    let scope = KeyScope::from_bytes(&scope).ok_or(rusqlite::Error::InvalidColumnType(1, "scope".into(), rusqlite::types::Type::Blob))?;
    Ok(StoredKey { id: KeyId(row.get(0)?), scope, wrapped: Wrapped { kek: KekId(row.get(2)?), bytes: row.get(3)? } })
}

fn statement<'a>(db: &'a Connection, sql: &str) -> Result<CachedStatement<'a>, VaultError> {
    db.prepare_cached(sql).map_err(storage)
}

pub(super) fn storage(e: impl Error + Send + Sync + 'static) -> VaultError {
    VaultError::Storage(Box::new(e))
}

/// Tells a row that we would not have written from a store that failed.
fn shaped<T>(row: rusqlite::Result<T>, table: &'static str) -> Result<T, VaultError> {
    row.map_err(|e| match e {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => VaultError::Corrupt { table },
        e => storage(e),
    })
}
