//! Entries as rows: leaves rebuilt, parts opened.
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    project::{Digests, plan_of},
    redaction::{REST, of_part},
    schema::backend,
    shared::Shared,
};
use crate::{
    domain::{
        assertion::Digest,
        catalog::{EntryFacts, PartFacts, PartState},
        entry::{Leaf, PartClass, root_of_parts},
        id::{EntryId, EntryIndex, Handle},
        merkle::leaf_hash,
        source::Source,
        time::Micros,
    },
    interop::openlineage::{read_core, reassemble, reassemble_readable},
    store::{Readable, StoreError, codec},
    vault::{
        KeyId, Vault,
        envelope::{self, PartAddress},
    },
};

/// Commitments or references as they lie one behind the other.
fn chunks<const N: usize>(bytes: &[u8]) -> Option<Vec<[u8; N]>> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then(|| chunks.to_vec())
}

/// The leaf's bytes, from columns `us, id, commitments, refs`.
///
/// # Errors
/// Columns that no leaf has.
pub fn leaf_of_row(r: &Row<'_>) -> rusqlite::Result<Vec<u8>> {
    let bad = |i: usize| rusqlite::Error::InvalidColumnType(i, "leaf".into(), rusqlite::types::Type::Blob);
    let commitments = chunks::<32>(r.get_ref(2)?.as_blob()?).ok_or_else(|| bad(2))?;
    let refs = match r.get_ref(3)?.as_blob_or_null()? {
        None => Vec::new(),
        Some(b) => chunks::<16>(b).ok_or_else(|| bad(3))?,
    };
    let leaf = Leaf { at: Micros(r.get(0)?), id: EntryId(r.get(1)?), refs, root: root_of_parts(&commitments) };
    leaf.to_bytes().map_err(|_| bad(0))
}

/// What an entry's row holds beside its leaf.
pub struct EntryRow {
    pub index: EntryIndex,
    pub leaf: Vec<u8>,
    pub id: EntryId,
    pub recorded_at: Micros,
    pub commitments: Vec<Digest>,
    pub event_type: i64,
    pub time: Micros,
    pub actor: Option<Handle>,
    pub source: Option<u32>,
    pub shape: Option<u32>,
    pub refs: Vec<[u8; 16]>,
    /// (class, key, sealed), in part order.
    pub parts: Vec<(PartClass, u32, Option<Vec<u8>>)>,
}

/// An entry's row with the parts that lie beside it.
///
/// # Errors
/// The database's, and rows that do not fit together.
pub fn entry_row(db: &Connection, index: EntryIndex) -> Result<Option<EntryRow>, StoreError> {
    let row = db
        .prepare_cached(
            "SELECT us, id, commitments, refs, type, time, actor, source, shape, core_key, rest_key, core, rest FROM entry WHERE ix = ?1",
        )
        .and_then(|mut s| {
            s.query_row([index], |r| {
                let mut parts = vec![(PartClass::Core, r.get(9)?, r.get(11)?)];
                if let Some(key) = r.get(10)? {
                    parts.push((PartClass::Rest, key, r.get(12)?));
                }
                Ok(EntryRow {
                    index,
                    leaf: leaf_of_row(r)?,
                    id: EntryId(r.get(1)?),
                    recorded_at: Micros(r.get(0)?),
                    commitments: chunks(r.get_ref(2)?.as_blob()?).unwrap_or_default(),
                    refs: r.get_ref(3)?.as_blob_or_null()?.and_then(chunks).unwrap_or_default(),
                    event_type: r.get(4)?,
                    time: Micros(r.get(5)?),
                    actor: r.get::<_, Option<[u8; 16]>>(6)?.map(Handle),
                    source: r.get(7)?,
                    shape: r.get(8)?,
                    parts,
                })
            })
            .optional()
        })
        .map_err(backend)?;
    let Some(mut row) = row else { return Ok(None) };
    // Overwritten on purpose only where an entry says so.
    if let Some((PartClass::Rest, _, sealed)) = row.parts.get_mut(REST)
        && sealed.as_ref().is_some_and(|s| codec::is_overwritten(s))
        && of_part(db, index, REST)?.is_some()
    {
        *sealed = None;
    }
    if row.commitments.len() > row.parts.len() {
        let mut s = db.prepare_cached("SELECT class, key, sealed FROM part WHERE k >= ?1 AND k < ?2 ORDER BY k").map_err(backend)?;
        let mut rows = s.query((part_key(index, 0), part_key(index + 1, 0))).map_err(backend)?;
        while let Some(r) = rows.next().map_err(backend)? {
            let class = PartClass::from_u8(r.get(0).map_err(backend)?).ok_or(INCONSISTENT)?;
            row.parts.push((class, r.get(1).map_err(backend)?, r.get(2).map_err(backend)?));
        }
    }
    if row.commitments.len() == row.parts.len() { Ok(Some(row)) } else { Err(INCONSISTENT) }
}

/// A part's salt and bytes.
type Opened = ([u8; 32], Vec<u8>);

/// Reads entries through one connection.
pub struct EntryReader<'a> {
    pub db: &'a Connection,
    pub shared: &'a Shared,
    pub vault: &'a Vault,
}

const INCONSISTENT: StoreError = StoreError::Inconsistent { place: "entry" };

impl EntryReader<'_> {
    fn row(&self, index: EntryIndex) -> Result<Option<EntryRow>, StoreError> {
        entry_row(self.db, index)
    }

    /// Opens a part; `None` when it or its key is gone.
    fn open(&self, row: &EntryRow, number: usize) -> Result<Option<Opened>, StoreError> {
        let Some((class, key, Some(sealed))) = row.parts.get(number) else { return Ok(None) };
        let Some(key) = self.vault.key(KeyId(*key)).map_err(vault)? else { return Ok(None) };
        let address = PartAddress { entry: row.id, number: u32::try_from(number).map_err(|_| INCONSISTENT)?, class: class.word() };
        let opened = envelope::open(&key, &address, sealed).map_err(vault)?;
        let prefix = match row.shape {
            Some(shape) if codec::needs_prefix(opened.bytes()) => self.prefix(shape, *class)?,
            _ => None,
        };
        let Some(bytes) = codec::decode(opened.bytes(), prefix.as_deref()) else { return Ok(None) };
        Ok(Some((*opened.salt(), bytes)))
    }

    /// The shape's prefix for parts of a class; `None` when it or its key is gone.
    fn prefix(&self, shape: u32, class: PartClass) -> Result<Option<Vec<u8>>, StoreError> {
        let (sql, of_rest) = match class {
            PartClass::Core => ("SELECT digest, key, sealed FROM shape WHERE id = ?1", false),
            _ => ("SELECT digest, key, rest FROM shape WHERE id = ?1", true),
        };
        let (mut digest, key, sealed): (Digest, u32, Option<Vec<u8>>) = self
            .db
            .prepare_cached(sql)
            .and_then(|mut s| s.query_row([shape], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))))
            .map_err(backend)?;
        if of_rest {
            digest = codec::rest_of_shape(&digest);
        }
        let sealed = sealed.filter(|s| !(of_rest && codec::is_overwritten(s)));
        self.unseal_blob(&digest, key, sealed)
    }

    /// An interned facet's bytes; `None` when they are destroyed.
    ///
    /// # Errors
    /// The database's; bytes that do not open.
    pub fn blob(&self, blob: u32) -> Result<Option<Vec<u8>>, StoreError> {
        if self.shared.intern.is_redacted_blob(blob) {
            return Ok(None);
        }
        let row: Option<(Digest, u32, Option<Vec<u8>>)> = self
            .db
            .prepare_cached("SELECT digest, key, sealed FROM blob WHERE id = ?1")
            .and_then(|mut s| s.query_row([blob], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional())
            .map_err(backend)?;
        let Some((digest, key, sealed)) = row else { return Ok(None) };
        self.unseal_blob(&digest, key, sealed)
    }

    fn unseal_blob(&self, digest: &Digest, key: u32, sealed: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(sealed) = sealed else { return Ok(None) };
        let Some(key) = self.vault.key(KeyId(key)).map_err(vault)? else { return Ok(None) };
        let bytes = envelope::open_blob(&key, digest, &sealed).map_err(vault)?;
        Ok(codec::decode(&bytes, None))
    }

    /// An entry with those parts open that may be read.
    ///
    /// # Errors
    /// The database's; a part that should open and does not.
    pub fn entry(&self, index: EntryIndex, readable: Readable) -> Result<Option<EntryFacts>, StoreError> {
        let Some(row) = self.row(index)? else { return Ok(None) };
        let mut parts = Vec::with_capacity(row.parts.len());
        for (number, ((class, ..), commitment)) in row.parts.iter().zip(&row.commitments).enumerate() {
            let state = if readable.class(*class) {
                match self.open(&row, number)? {
                    Some((salt, bytes)) => PartState::Open { salt, bytes: bytes.into() },
                    None => PartState::Destroyed { by: of_part(self.db, index, number)? },
                }
            } else {
                PartState::Forbidden
            };
            parts.push(PartFacts { class: *class, commitment: *commitment, state });
        }
        let event_type: String = self
            .db
            .prepare_cached("SELECT word FROM event_type WHERE id = ?1")
            .and_then(|mut s| s.query_row([row.event_type], |r| r.get(0)))
            .map_err(backend)?;
        let source = row.source.map(|s| source_of(self.db, s)).transpose()?;
        Ok(Some(EntryFacts {
            index: row.index,
            id: row.id,
            recorded_at: row.recorded_at,
            event_type: event_type.into(),
            time: row.time,
            actor: row.actor,
            source,
            leaf_hash: leaf_hash(&row.leaf),
            leaf: row.leaf,
            parts,
        }))
    }

    /// The `core` part; `None` when it is destroyed.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn core(&self, index: EntryIndex) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(row) = self.row(index)? else { return Ok(None) };
        Ok(self.open(&row, 0)?.map(|(_, bytes)| bytes))
    }

    /// What was received, with people's values as their handles: what may be shown
    /// to whoever reads the catalog. `None` when `rest` is destroyed.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn shown(&self, index: EntryIndex) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(row) = self.row(index)? else { return Ok(None) };
        let Some(shape) = row.shape else { return Ok(None) };
        let Some((_, rest)) = self.open(&row, 1)? else { return Ok(None) };
        let plan = plan_of(self.db, &self.shared.intern, shape)?;
        let mut failed = None;
        let cell = std::cell::RefCell::new(&mut failed);
        let keep = |result: Result<Option<Vec<u8>>, StoreError>| {
            result.unwrap_or_else(|e| {
                **cell.borrow_mut() = Some(e);
                None
            })
        };
        let whole = reassemble_readable(&rest, &mut |digest| plan.blob(digest).and_then(|blob| keep(self.blob(blob))), &mut |part| {
            keep(self.as_handles(&row, 2 + usize::from(part)))
        });
        match failed {
            Some(e) => Err(e),
            None => Ok(whole.ok().map(|w| w.bytes)),
        }
    }

    /// A person part with the handle in place of each value.
    fn as_handles(&self, row: &EntryRow, number: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((PartClass::Person, key, _)) = row.parts.get(number) else { return Ok(None) };
        let Some(key) = self.vault.key(KeyId(*key)).map_err(vault)? else { return Ok(None) };
        let crate::vault::KeyScope::Person { handle, .. } = key.scope() else { return Ok(None) };
        let Some((_, bytes)) = self.open(row, number)? else { return Ok(None) };
        let values: Vec<serde_json::Value> = serde_json::from_slice(&bytes).map_err(|_| INCONSISTENT)?;
        let handles = vec![serde_json::Value::String(handle.text()); values.len()];
        Ok(Some(serde_json::Value::Array(handles).to_string().into_bytes()))
    }

    /// What was received, byte for byte; `None` when a piece is destroyed or
    /// may not be read.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn received(&self, index: EntryIndex, readable: Readable) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(row) = self.row(index)? else { return Ok(None) };
        if !readable.rest {
            return Ok(None);
        }
        let Some(shape) = row.shape else { return Ok(None) };
        let Some((_, rest)) = self.open(&row, 1)? else { return Ok(None) };
        let plan = plan_of(self.db, &self.shared.intern, shape)?;
        let mut failed = None;
        let mut note = |result: Result<Option<Vec<u8>>, StoreError>| match result {
            Ok(found) => found,
            Err(e) => {
                failed = Some(e);
                None
            }
        };
        let cell = std::cell::RefCell::new(&mut note);
        let whole = reassemble(
            &rest,
            &mut |digest| {
                let blob = plan.blob(digest)?;
                (*cell.borrow_mut())(self.blob(blob))
            },
            &mut |part| {
                // `rest` counts people; their parts come after `core` and `rest`.
                let number = 2 + usize::from(part);
                let is_person = row.parts.get(number).is_some_and(|(class, ..)| *class == PartClass::Person);
                if !is_person || !readable.person {
                    return None;
                }
                (*cell.borrow_mut())(self.open(&row, number).map(|o| o.map(|(_, bytes)| bytes)))
            },
        );
        match failed {
            Some(e) => Err(e),
            None => Ok(whole.ok()),
        }
    }
}

/// More parts than an entry can have: a person each, of at most 4,096 values.
pub const PARTS_MAX: i64 = 8192;

/// The key of a part beyond `core` and `rest`.
pub fn part_key(index: EntryIndex, number: usize) -> i64 {
    let number = i64::try_from(number).unwrap_or(PARTS_MAX - 1);
    i64::try_from(index).unwrap_or(i64::MAX / PARTS_MAX).saturating_mul(PARTS_MAX).saturating_add(number)
}

/// A source by its number.
///
/// # Errors
/// The database's.
pub fn source_of(db: &Connection, source: u32) -> Result<Arc<Source>, StoreError> {
    db.prepare_cached("SELECT integration, producer FROM source WHERE id = ?1")
        .and_then(|mut s| {
            s.query_row([source], |r| {
                Ok(Arc::new(Source { integration: r.get::<_, String>(0)?.into(), producer: r.get::<_, String>(1)?.into() }))
            })
        })
        .map_err(backend)
}

pub fn vault(e: crate::vault::VaultError) -> StoreError {
    StoreError::Backend(Box::new(e))
}

/// Digests out of `core` parts, for the projector.
pub struct CoreDigests<'a> {
    pub shared: &'a Shared,
    pub vault: &'a Vault,
}

impl Digests for CoreDigests<'_> {
    fn digest_of(&self, db: &Connection, index: EntryIndex) -> Result<Digest, StoreError> {
        let core = EntryReader { db, shared: self.shared, vault: self.vault }.core(index)?;
        // Destroyed: the order among equal times is then by rank alone.
        let Some(core) = core else { return Ok([0; 32]) };
        read_core(&core).map(|a| a.digest).map_err(|e| StoreError::Backend(Box::new(e)))
    }
}
