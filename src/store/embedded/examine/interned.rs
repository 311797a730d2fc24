//! Opening what is sealed, and telling what is gone on purpose from what is lost.
use std::sync::Arc;

use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest as _, Sha256};

use super::{chain, unreadable};
use crate::{
    domain::{assertion::Digest, entry::PartClass},
    store::{
        codec,
        embedded::entries::EntryRow,
        examine::{Blobs, Check, Finding, StoredPartState},
    },
    vault::{
        DataKey, KeyId, Vault,
        envelope::{self, PartAddress},
    },
};

/// How many bytes of interned content are kept at hand by one reader.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// The sealed bytes of a facet; none where an entry says that it was redacted and they are overwritten.
const UNREDACTED: &str = "CASE WHEN sealed = zeroblob(length(sealed)) AND EXISTS (SELECT 1 FROM redacted_blob r WHERE r.blob = id) \
                          THEN NULL ELSE sealed END";

/// Opens parts and interned content through one connection.
pub struct Interned<'a> {
    db: &'a Connection,
    vault: &'a Vault,
    by_digest: Arc<HashMap<Digest, u32>>,
    blobs: HashMap<Digest, Option<Vec<u8>>>,
    prefixes: HashMap<(u32, bool), Option<Arc<Vec<u8>>>>,
    kept_bytes: usize,
}

impl<'a> Interned<'a> {
    pub fn new(db: &'a Connection, vault: &'a Vault, by_digest: Arc<HashMap<Digest, u32>>) -> Self {
        Self { db, vault, by_digest, blobs: HashMap::new(), prefixes: HashMap::new(), kept_bytes: 0 }
    }

    /// Opens a part.
    ///
    /// # Errors
    /// One that should open and does not.
    pub fn open(&mut self, row: &EntryRow, number: usize) -> Result<StoredPartState, Finding> {
        let Some((class, key, Some(sealed))) = row.parts.get(number) else { return Ok(StoredPartState::Destroyed) };
        let wrong = |check, problem: String| Finding::part(check, row.index, number, *class, problem);
        let Some(data_key) = key_of(self.vault, *key, || format!("part {number} ({}) of entry {}", class.word(), row.index))? else {
            return Ok(StoredPartState::Destroyed);
        };
        let address = PartAddress { entry: row.id, number: u32::try_from(number).unwrap_or(u32::MAX), class: class.word() };
        let opened = envelope::open(&data_key, &address, sealed)
            .map_err(|_| wrong(Check::Part, format!("does not open with key {key}: it was altered, or belongs to another place")))?;
        let prefix = match row.shape {
            Some(shape) if codec::needs_prefix(opened.bytes()) => match self.prefix(shape, row, *class)? {
                Some(prefix) => Some(prefix),
                None => return Ok(StoredPartState::Destroyed),
            },
            _ => None,
        };
        let bytes = codec::decode(opened.bytes(), prefix.as_deref().map(Vec::as_slice));
        let bytes = bytes.ok_or_else(|| wrong(Check::Part, "opens, but its shape does not unpack it".to_owned()))?;
        Ok(StoredPartState::Open { salt: *opened.salt(), bytes })
    }

    fn prefix(&mut self, shape: u32, row: &EntryRow, class: PartClass) -> Result<Option<Arc<Vec<u8>>>, Finding> {
        let of_rest = class != PartClass::Core;
        if let Some(kept) = self.prefixes.get(&(shape, of_rest)) {
            return Ok(kept.clone());
        }
        let found: Option<(Digest, u32, Option<Vec<u8>>)> = self
            .db
            .prepare_cached(if of_rest {
                "SELECT digest, key, rest FROM shape WHERE id = ?1"
            } else {
                "SELECT digest, key, sealed FROM shape WHERE id = ?1"
            })
            .and_then(|mut s| s.query_row([shape], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional())
            .map_err(unreadable)?;
        let Some(found) = found else {
            return Err(Finding::entry(
                Check::Blob,
                row.index,
                format!("its shape {shape} is not stored, so its {} cannot be unpacked", class.word()),
            ));
        };
        if of_rest && found.2.as_ref().is_some_and(|s| codec::is_overwritten(s)) {
            let problem = format!("is there, but the share of shape {shape} that it is packed against was overwritten");
            return Err(Finding::part(Check::Blob, row.index, 1, class, problem));
        }
        let prefix = open_sealed(self.vault, &format!("shape {shape}"), &share(found, of_rest))?.map(Arc::new);
        self.keep(prefix.as_ref().map_or(0, |p| p.len()));
        self.prefixes.insert((shape, of_rest), prefix.clone());
        Ok(prefix)
    }

    /// Makes room for `bytes` more.
    fn keep(&mut self, bytes: usize) {
        if self.kept_bytes + bytes > KEPT_BYTES_MAX {
            self.blobs.clear();
            self.prefixes.clear();
            self.kept_bytes = 0;
        }
        self.kept_bytes += bytes + 128;
    }
}

impl Blobs for Interned<'_> {
    fn blob(&mut self, digest: &Digest) -> Result<Option<Vec<u8>>, Finding> {
        if let Some(kept) = self.blobs.get(digest) {
            return Ok(kept.clone());
        }
        let Some(id) = self.by_digest.get(digest) else {
            return Err(Finding::new(Check::Blob, format!("facet {}", hex::encode(digest)), "an entry needs it, but it is not stored"));
        };
        let row = self
            .db
            .prepare_cached(&format!("SELECT digest, key, {UNREDACTED} FROM blob WHERE id = ?1"))
            .and_then(|mut s| s.query_row([id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))))
            .map_err(unreadable)?;
        let bytes = unseal(self.vault, &format!("blob {id}"), &row)?;
        self.keep(bytes.as_ref().map_or(0, Vec::len));
        self.blobs.insert(*digest, bytes.clone());
        Ok(bytes)
    }
}

/// Every interned facet and shape: opens, and is what its digest says. How many
/// there are, and how many are gone on purpose.
pub fn check_all(db: &Connection, vault: &Vault) -> Result<(u64, u64), Finding> {
    let (mut all, mut destroyed) = (0, 0);
    for (table, columns) in [("blob", UNREDACTED), ("shape", "sealed, rest")] {
        let mut s = db.prepare(&format!("SELECT id, digest, key, {columns} FROM {table} ORDER BY id")).map_err(unreadable)?;
        let mut rows = s.query([]).map_err(unreadable)?;
        while let Some(r) = rows.next().map_err(unreadable)? {
            let id: i64 = r.get(0).map_err(unreadable)?;
            let place = format!("{table} {id}");
            let of_rest = |r: &rusqlite::Row<'_>| if table == "shape" { r.get(4) } else { Ok(None) };
            let row = (|| Ok(((r.get(1)?, r.get(2)?, r.get(3)?), of_rest(r)?)))();
            let (row, rest): (Sealed, Option<Vec<u8>>) =
                row.map_err(|e: rusqlite::Error| Finding::new(Check::Blob, &*place, format!("its row cannot be read: {e}")))?;
            all += 1;
            let whole = match table {
                "shape" => whole_shape(vault, &place, row, rest)?,
                _ => unseal(vault, &place, &row)?.is_some(),
            };
            destroyed += u64::from(!whole);
        }
    }
    Ok((all, destroyed))
}

/// Digest, key and sealed bytes of a row.
type Sealed = (Digest, u32, Option<Vec<u8>>);

/// Both shares of a shape open and together have its digest; false where one of
/// them is gone on purpose.
fn whole_shape(vault: &Vault, place: &str, row: Sealed, rest: Option<Vec<u8>>) -> Result<bool, Finding> {
    // An entry that still needs an overwritten share is told by its part.
    let of_rest = share((row.0, row.1, rest.filter(|s| !codec::is_overwritten(s))), true);
    let (Some(core), Some(rest)) = (open_sealed(vault, place, &row)?, open_sealed(vault, place, &of_rest)?) else { return Ok(false) };
    let found: Digest = Sha256::new().chain_update(core).chain_update(rest).finalize().into();
    if found == row.0 { Ok(true) } else { Err(Finding::new(Check::Blob, place, "its bytes do not have its digest")) }
}

/// A shape's share as it is sealed.
fn share((digest, key, sealed): Sealed, of_rest: bool) -> Sealed {
    (if of_rest { codec::rest_of_shape(&digest) } else { digest }, key, sealed)
}

/// Opens interned content and compares it with its digest.
fn unseal(vault: &Vault, place: &str, row: &Sealed) -> Result<Option<Vec<u8>>, Finding> {
    let Some(bytes) = open_sealed(vault, place, row)? else { return Ok(None) };
    let found: Digest = Sha256::digest(&bytes).into();
    if found == row.0 { Ok(Some(bytes)) } else { Err(Finding::new(Check::Blob, place, "its bytes do not have its digest")) }
}

/// Opens interned content; `None` where it is gone on purpose.
fn open_sealed(vault: &Vault, place: &str, (digest, key, sealed): &Sealed) -> Result<Option<Vec<u8>>, Finding> {
    let Some(sealed) = sealed else { return Ok(None) };
    let Some(data_key) = key_of(vault, *key, || place.to_owned())? else { return Ok(None) };
    let wrong = |problem: String| Finding::new(Check::Blob, place, problem);
    let packed = envelope::open_blob(&data_key, digest, sealed)
        .map_err(|_| wrong(format!("does not open with key {key}: it was altered, or its digest was")))?;
    codec::decode(&packed, None).map(Some).ok_or_else(|| wrong("opens, but cannot be unpacked".to_owned()))
}

/// A key; `None` when it was destroyed on purpose.
fn key_of(vault: &Vault, key: u32, seals: impl FnOnce() -> String) -> Result<Option<Arc<DataKey>>, Finding> {
    let place = || format!("key {key}");
    let id = KeyId(key);
    let failed = |e: crate::vault::VaultError| Finding::new(Check::Key, place(), chain(&e));
    match vault.key(id).map_err(failed)? {
        Some(found) => Ok(Some(found)),
        None if vault.was_destroyed(id).map_err(failed)? => Ok(None),
        None => Err(Finding::new(Check::Key, place(), format!("seals {}, but it is not in the vault and was never destroyed", seals()))),
    }
}
