//! The one writer: takes acts in order, decides each on the state that the
//! earlier ones left, and commits them in one transaction.
use std::{collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    blocks::{Facts, OpenBlock},
    entries::{CoreDigests, leaf_of_row, part_key},
    project::{Projector, ShapeOf, State},
    redaction,
    schema::{backend, checkpoint_on_close},
    shared::Shared,
    tree::insert_tile,
};
use crate::{
    domain::{
        assertion::Digest,
        entry::{Leaf, PartClass, root_of_parts},
        id::{EntryId, EntryIndex, Handle},
        merkle::leaf_hash,
        time::Micros,
    },
    ledger::{Checkpoint, LogKey, RightEdge},
    store::{
        Head, PublishedCheckpoint, StoreError,
        write::{Act, Change, CommitError, Committed, Committer, DuplicateKey, LineageChange, NewShape, Shape, StoredBlob, TokenChange},
    },
    vault::{Position, Vault},
};

/// Frames of the WAL after which the writer moves them into the database
/// itself, so that the file starts over; a thread beside does most of it.
const WAL_FRAMES_MAX: i64 = 2_000;

/// The index counts positions in 32 bits.
const ENTRIES_MAX: u64 = u32::MAX as u64 - 1;

/// What is done with each checkpoint before it is shown to anybody.
pub type OnPublish = Box<dyn FnMut(&PublishedCheckpoint) -> std::io::Result<()> + Send>;

/// An act's source, its shape, and whom it concerns.
type Changed = (Option<u32>, Option<u32>, smallvec::SmallVec<[Handle; 1]>);

pub struct Writer {
    db: Connection,
    shared: Arc<Shared>,
    vault: Arc<Vault>,
    key: Arc<LogKey>,
    /// The current log's tree, and where the log begins.
    edge: RightEdge,
    first: EntryIndex,
    last_at: Micros,
    state: State,
    block: OpenBlock,
    event_types: HashMap<&'static str, i64>,
    people: HashMap<Handle, (u32, u64)>,
    shape_next: u32,
    blob_next: u32,
    on_publish: Option<OnPublish>,
    /// Something was destroyed in this transaction.
    purge_due: bool,
}

/// What the writer starts from.
pub struct WriterParts {
    pub db: Connection,
    pub shared: Arc<Shared>,
    pub vault: Arc<Vault>,
    pub key: Arc<LogKey>,
    pub edge: RightEdge,
    pub first: EntryIndex,
    pub last_at: Micros,
    pub state: State,
    /// Called with each checkpoint before it is shown to anybody: the anchor.
    pub on_publish: Option<OnPublish>,
}

impl Writer {
    /// # Errors
    /// The database's.
    pub fn new(p: WriterParts) -> Result<Self, StoreError> {
        let next = |sql: &str| p.db.query_row(sql, [], |r| r.get::<_, u32>(0)).map_err(backend);
        let (shape_next, blob_next) =
            (next("SELECT coalesce(max(id) + 1, 1) FROM shape")?, next("SELECT coalesce(max(id) + 1, 1) FROM blob")?);
        let block = OpenBlock::load(&p.db, p.first + p.edge.size())?;
        Ok(Self {
            block,
            db: p.db,
            shared: p.shared,
            vault: p.vault,
            key: p.key,
            edge: p.edge,
            first: p.first,
            last_at: p.last_at,
            state: p.state,
            event_types: HashMap::default(),
            people: HashMap::default(),
            shape_next,
            blob_next,
            on_publish: p.on_publish,
            purge_due: false,
        })
    }

    fn size(&self) -> EntryIndex {
        self.first + self.edge.size()
    }

    fn commit_all(&mut self, acts: Vec<Act>, now: Micros) -> Result<Vec<Committed>, StoreError> {
        self.db.execute_batch("BEGIN IMMEDIATE").map_err(backend)?;
        let mut done = Vec::with_capacity(acts.len());
        for act in acts {
            done.push(self.one(act, now)?);
        }
        self.db.execute_batch("COMMIT").map_err(backend)?;
        self.shared.publish_head(Head { size: self.size(), root: self.edge.root() });
        if std::mem::take(&mut self.purge_due) {
            redaction::purge(&self.db, &self.shared)?;
        }
        self.move_wal()?;
        Ok(done)
    }

    fn one(&mut self, act: Act, now: Micros) -> Result<Committed, StoreError> {
        let ix = self.size();
        if ix >= ENTRIES_MAX {
            return Err(StoreError::Inconsistent { place: "the log is as long as this version can index" });
        }
        if let Some(key) = act.duplicate
            && let Some(first) = self.claim(key, ix)?
        {
            return self.committed(first, true);
        }
        let at = now.max(self.last_at);
        let (source, shape, concerned) = self.change(ix, act.change)?;
        let mut concerns = act.concerns;
        concerns.extend(concerned);
        let mut refs = self.references(&concerns)?;
        refs.sort_unstable_by_key(|r| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, r));
        let commitments: Vec<Digest> = act.parts.iter().map(|p| p.commitment).collect();
        let leaf = Leaf { at, id: act.id, refs, root: root_of_parts(&commitments) };
        let bytes = leaf.to_bytes().map_err(|e| StoreError::Backend(Box::new(e)))?;
        let hash = leaf_hash(&bytes);

        let event_type = self.event_type(act.event_type)?;
        let mut parts = act.parts.iter();
        let Some(core) = parts.next().filter(|p| p.class == PartClass::Core) else {
            return Err(StoreError::Inconsistent { place: "act without a core part" });
        };
        let rest = act.parts.get(1).filter(|p| p.class == PartClass::Rest);
        let refs_blob = (!leaf.refs.is_empty()).then(|| leaf.refs.concat());
        self.db
            .prepare_cached(
                "INSERT INTO entry(ix, us, id, type, time, actor, source, shape, core_key, rest_key, commitments, refs, core, rest) \
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )
            .and_then(|mut s| {
                s.execute(params![
                    ix,
                    at.0,
                    &act.id.0[..],
                    event_type,
                    act.time.0,
                    act.actor.as_ref().map(|h| &h.0[..]),
                    source,
                    shape,
                    core.key,
                    rest.map(|r| r.key),
                    commitments.concat(),
                    refs_blob,
                    &core.sealed,
                    rest.map(|r| &r.sealed),
                ])
            })
            .map_err(backend)?;
        for (number, p) in act.parts.iter().enumerate().skip(1 + usize::from(rest.is_some())) {
            self.db
                .prepare_cached("INSERT INTO part(k, class, key, sealed) VALUES(?1, ?2, ?3, ?4)")
                .and_then(|mut s| s.execute((part_key(ix, number), p.class as u8, p.key, &p.sealed)))
                .map_err(backend)?;
        }
        let actor = act.actor.as_ref().map(|h| h.0);
        self.block.push(&self.db, ix, Facts { event_type, time: act.time, actor, source, shape })?;
        for tile in self.edge.append(hash) {
            insert_tile(&self.db, &tile).map_err(backend)?;
        }
        self.last_at = at;
        Ok(Committed { index: ix, id: act.id, recorded_at: at, leaf_hash: hash, duplicate: false })
    }

    /// Claims a duplicate key for an entry, or tells which entry has it.
    fn claim(&self, key: DuplicateKey, ix: EntryIndex) -> Result<Option<EntryIndex>, StoreError> {
        let fresh = self
            .db
            .prepare_cached("INSERT INTO dup(ms, h, ix) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING")
            .and_then(|mut s| s.execute((key.millis, &key.hmac[..], ix)))
            .map_err(backend)?;
        if fresh == 1 {
            return Ok(None);
        }
        self.db
            .prepare_cached("SELECT ix FROM dup WHERE ms = ?1 AND h = ?2")
            .and_then(|mut s| s.query_row((key.millis, &key.hmac[..]), |r| r.get(0)))
            .map(Some)
            .map_err(backend)
    }

    fn committed(&self, index: EntryIndex, duplicate: bool) -> Result<Committed, StoreError> {
        self.db
            .prepare_cached("SELECT us, id, commitments, refs FROM entry WHERE ix = ?1")
            .and_then(|mut s| {
                s.query_row([index], |r| {
                    Ok(Committed {
                        index,
                        id: EntryId(r.get(1)?),
                        recorded_at: Micros(r.get(0)?),
                        leaf_hash: leaf_hash(&leaf_of_row(r)?),
                        duplicate,
                    })
                })
            })
            .map_err(backend)
    }

    /// What the act does to the graph: its source, its shape, and whom it concerns.
    fn change(&mut self, ix: EntryIndex, change: Change) -> Result<Changed, StoreError> {
        match change {
            Change::Nothing => Ok((None, None, smallvec::SmallVec::new())),
            Change::Token(t) => {
                self.token(ix, &t)?;
                Ok((None, None, smallvec::SmallVec::new()))
            }
            Change::Redact(r) => {
                redaction::apply(&self.db, &self.shared, ix, &r)?;
                self.purge_due = true;
                Ok((None, None, smallvec::SmallVec::new()))
            }
            Change::Lineage(l) => {
                let LineageChange { assertion, ids, shape } = *l;
                let stored = match &shape {
                    Shape::Known(id) => (*id, None),
                    Shape::New(new) => match self.shared.intern.shape(&new.digest) {
                        Some(id) => (id, None),
                        None => {
                            let (id, blobs) = self.store_shape(new)?;
                            (id, Some((new, blobs)))
                        }
                    },
                };
                let shape_of = match &stored {
                    (id, None) => ShapeOf::Known(*id),
                    (id, Some((new, blobs))) => ShapeOf::Unplanned { shape: *id, details: &new.details, blobs },
                };
                let digests = CoreDigests { shared: &self.shared, vault: &self.vault };
                let applied = Projector {
                    db: &self.db,
                    topology: &self.shared.topology,
                    intern: &self.shared.intern,
                    state: &mut self.state,
                    digests: &digests,
                }
                .apply(ix, &assertion, &ids, shape_of)?;
                if let (id, Some((new, _))) = stored {
                    self.shared.intern.add_shape(new.digest, id);
                }
                Ok((Some(applied.source), Some(stored.0), applied.concerns))
            }
        }
    }

    fn store_shape(&mut self, new: &NewShape) -> Result<(u32, Vec<(Digest, u32)>), StoreError> {
        let mut blobs = Vec::with_capacity(new.blobs.len());
        for b in &new.blobs {
            let id = match (&b.stored, self.shared.intern.blob(&b.digest)) {
                (StoredBlob::Known(id), _) => *id,
                // Stored since the act was prepared.
                (StoredBlob::New { .. }, Some(id)) => id,
                (StoredBlob::New { key, sealed }, None) => {
                    let id = self.blob_next;
                    self.blob_next += 1;
                    self.db
                        .prepare_cached("INSERT INTO blob(id, digest, key, sealed) VALUES(?1, ?2, ?3, ?4)")
                        .and_then(|mut s| s.execute((id, &b.digest[..], key, sealed)))
                        .map_err(backend)?;
                    self.shared.intern.add_blob(b.digest, id);
                    id
                }
            };
            blobs.push((b.digest, id));
        }
        let id = self.shape_next;
        self.shape_next += 1;
        self.db
            .prepare_cached("INSERT INTO shape(id, digest, key, sealed, rest, plan) VALUES(?1, ?2, ?3, ?4, ?5, x'')")
            .and_then(|mut s| s.execute((id, &new.digest[..], new.key, &new.sealed, &new.rest)))
            .map_err(backend)?;
        Ok((id, blobs))
    }

    fn token(&self, ix: EntryIndex, change: &TokenChange) -> Result<(), StoreError> {
        match change {
            TokenChange::Create(row) => {
                let json = super::tokens::to_json(row);
                self.db
                    .prepare_cached("INSERT INTO token(id, hash, row, revoked_at, ix) VALUES(?1, ?2, ?3, NULL, ?4)")
                    .and_then(|mut s| s.execute((&row.id[..], &row.hash[..], json, ix)))
            }
            TokenChange::Revoke { id, at } => {
                self.db.prepare_cached("UPDATE token SET revoked_at = ?2 WHERE id = ?1").and_then(|mut s| s.execute((&id[..], at.0)))
            }
        }
        .map(|_| ())
        .map_err(backend)
    }

    /// The next references of the people concerned; each takes one number.
    fn references(&mut self, concerns: &[Handle]) -> Result<Vec<[u8; 16]>, StoreError> {
        if concerns.is_empty() {
            return Ok(Vec::new());
        }
        let mut positions: BTreeMap<Handle, Position> = BTreeMap::new();
        for person in concerns {
            for handle in self.vault.chains(*person).map_err(super::entries::vault)?.iter() {
                if positions.contains_key(handle) {
                    continue;
                }
                let (epoch, n) = match self.people.get(handle) {
                    Some(p) => *p,
                    None => self
                        .db
                        .prepare_cached("SELECT epoch, next_n FROM person WHERE handle = ?1")
                        .and_then(|mut s| s.query_row([&handle.0[..]], |r| Ok((r.get(0)?, r.get(1)?))).optional())
                        .map_err(backend)?
                        .unwrap_or((0, 0)),
                };
                positions.insert(*handle, Position { handle: *handle, epoch, n });
            }
        }
        let wanted: Vec<Position> = positions.into_values().collect();
        let refs = self.vault.references(&wanted).map_err(super::entries::vault)?;
        for p in &wanted {
            self.db
                .prepare_cached(
                    "INSERT INTO person(handle, epoch, next_n) VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET epoch = ?2, next_n = ?3",
                )
                .and_then(|mut s| s.execute((&p.handle.0[..], p.epoch, p.n + 1)))
                .map_err(backend)?;
            self.people.insert(p.handle, (p.epoch, p.n + 1));
        }
        Ok(refs.iter().map(|r| r.0).collect())
    }

    fn event_type(&mut self, word: &'static str) -> Result<i64, StoreError> {
        if let Some(id) = self.event_types.get(word) {
            return Ok(*id);
        }
        let id = (|| {
            self.db.prepare_cached("INSERT INTO event_type(word) VALUES(?1) ON CONFLICT DO NOTHING")?.execute([word])?;
            self.db.prepare_cached("SELECT id FROM event_type WHERE word = ?1")?.query_row([word], |r| r.get(0))
        })()
        .map_err(backend)?;
        self.event_types.insert(word, id);
        Ok(id)
    }

    /// Moves the WAL into the database when the thread beside fell behind.
    fn move_wal(&self) -> Result<(), StoreError> {
        let frames: i64 = self.db.query_row("PRAGMA wal_checkpoint(NOOP)", [], |r| r.get(1)).unwrap_or(0);
        if frames > WAL_FRAMES_MAX {
            self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(backend)?;
        }
        Ok(())
    }

    fn publish_now(&mut self) -> Result<Arc<PublishedCheckpoint>, StoreError> {
        let published = self.shared.checkpoint();
        let (size, root) = (self.edge.size(), self.edge.root());
        if published.size == size && !published.note.is_empty() {
            return Ok(published);
        }
        let checkpoint = Checkpoint { origin: self.key.name().to_owned(), size, root };
        let note = checkpoint.sign(&self.key).map_err(|e| StoreError::Backend(Box::new(e)))?;
        let next = Arc::new(PublishedCheckpoint { size, root, note });
        // Compare and set: what is stored must be what we last published, so that
        // a second writer (there must be none) can never fork the log.
        let changed = (|| {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            let stored: Option<u64> = self.db.query_row("SELECT size FROM checkpoint", [], |r| r.get(0)).optional()?;
            if stored.unwrap_or(0) != published.size {
                return Ok(false);
            }
            self.db.execute(
                "INSERT INTO checkpoint(one, size, root, note) VALUES(1, ?1, ?2, ?3) ON CONFLICT DO UPDATE SET size = ?1, root = ?2, note = ?3",
                params![next.size, &next.root[..], next.note],
            )?;
            self.db.execute_batch("COMMIT")?;
            Ok(true)
        })()
        .map_err(backend)?;
        if !changed {
            return Err(StoreError::Inconsistent { place: "checkpoint: another writer published" });
        }
        if let Some(anchor) = &mut self.on_publish {
            anchor(&next).map_err(|e| StoreError::Backend(Box::new(e)))?;
        }
        self.shared.publish_checkpoint(next.clone());
        Ok(next)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        close(&self.db, &self.shared);
    }
}

/// Lets the last close move the write-ahead log, unless the store has stopped.
pub fn close(db: &Connection, shared: &Shared) {
    if !shared.stopped()
        && let Err(e) = checkpoint_on_close(db, true)
    {
        tracing::warn!(error = %e, "the write-ahead log is left for the next start to move");
    }
}

impl Committer for Writer {
    fn commit(&mut self, acts: Vec<Act>, now: Micros) -> Result<Vec<Committed>, CommitError> {
        if self.shared.stopped() {
            return Err(CommitError::new(StoreError::Stopped));
        }
        self.commit_all(acts, now).map_err(|e| {
            self.shared.stop();
            CommitError::new(e)
        })
    }

    fn publish(&mut self) -> Result<Arc<PublishedCheckpoint>, CommitError> {
        if self.shared.stopped() {
            return Err(CommitError::new(StoreError::Stopped));
        }
        self.publish_now().map_err(|e| {
            self.shared.stop();
            CommitError::new(e)
        })
    }
}
