//! What is handed to a store to be committed: acts, cut and sealed before the
//! queue, decided inside the one transaction.
use std::sync::Arc;

use smallvec::SmallVec;

use super::PublishedCheckpoint;
use crate::domain::{
    assertion::{Assertion, Digest, Symlink},
    entry::part::PartClass,
    id::{EntryId, EntryIndex, Handle, NodeId},
    name::Name,
    time::Micros,
};

/// One act: an entry and what it changes.
#[derive(Debug)]
pub struct Act {
    pub id: EntryId,
    /// Dotted event type with version.
    pub event_type: &'static str,
    /// The event's own time.
    pub time: Micros,
    pub actor: Option<Handle>,
    /// Parts in order; `core` first and always there.
    pub parts: SmallVec<[SealedPart; 3]>,
    /// People whom the entry concerns individually; each takes a reference.
    pub concerns: SmallVec<[Handle; 1]>,
    /// The same act again gets the first one's receipt and appends nothing.
    pub duplicate: Option<DuplicateKey>,
    pub change: Change,
}

/// A part, sealed before the queue.
#[derive(Debug)]
pub struct SealedPart {
    pub class: PartClass,
    pub commitment: Digest,
    /// The data key's number in the vault.
    pub key: u32,
    pub sealed: Vec<u8>,
}

/// Equal events have equal times, so (time, HMAC) is exact and keeps the index local.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DuplicateKey {
    pub millis: i64,
    pub hmac: [u8; 16],
}

impl DuplicateKey {
    /// The row of an `Idempotency-Key`: it has no time, a retry comes when it comes.
    #[must_use]
    pub fn of_retry(key: &Digest) -> Self {
        let mut hmac = [0; 16];
        hmac.iter_mut().zip(key).for_each(|(h, k)| *h = *k);
        Self { millis: i64::MIN, hmac }
    }
}

/// What an act does to the graph.
#[derive(Debug)]
pub enum Change {
    /// Nothing but its entry.
    Nothing,
    Lineage(Box<LineageChange>),
    Token(TokenChange),
    Redact(Box<Redaction>),
}

/// What is destroyed: decided on a state of `decided_at` entries, with nothing
/// prepared meanwhile.
#[derive(Debug, Default)]
pub struct Redaction {
    pub decided_at: EntryIndex,
    /// Entries whose `rest` goes.
    pub entries: Vec<EntryIndex>,
    /// Interned facets, with every number that each is stored under.
    pub blobs: Vec<(Digest, Vec<u32>)>,
    /// Of this shape no entry with a `rest` is left, so its share goes too.
    pub shape: Option<(Digest, u32)>,
    /// Artifacts to be searched by something else from now on.
    pub changed: Vec<NodeId>,
}

/// What a lineage event needs to be decided.
#[derive(Debug)]
pub struct LineageChange {
    pub assertion: Assertion,
    pub ids: EntityIds,
    pub shape: Shape,
}

/// Node ids in the order of the assertion.
#[derive(Debug, Default)]
pub struct EntityIds {
    pub job: Option<NodeId>,
    pub inputs: Vec<NodeId>,
    pub outputs: Vec<NodeId>,
    pub dataset: Option<NodeId>,
    pub parent_job: Option<NodeId>,
    pub root_job: Option<NodeId>,
}

/// What many events of one job have in common, stored once.
#[derive(Debug)]
pub enum Shape {
    /// Stored already, by the store's own number.
    Known(u32),
    New(Box<NewShape>),
}

/// A shape that the caller did not find in the store's memory.
#[derive(Debug)]
pub struct NewShape {
    pub digest: Digest,
    pub key: u32,
    /// The prefix for the entries' `core` parts, sealed.
    pub sealed: Vec<u8>,
    /// That for their `rest` parts: apart, so that it can be destroyed by itself.
    pub rest: Vec<u8>,
    /// The interned facets it names.
    pub blobs: Vec<BlobRef>,
    /// What its facets say that joins or names nodes, per entity in the order
    /// job, inputs, outputs, dataset.
    pub details: Vec<EntityDetail>,
}

/// An interned facet: its content is sealed, or the store has it.
#[derive(Debug)]
pub struct BlobRef {
    pub digest: Digest,
    pub stored: StoredBlob,
}

/// Where a blob is.
#[derive(Debug)]
pub enum StoredBlob {
    Known(u32),
    New { key: u32, sealed: Vec<u8> },
}

/// What the facets of one entity name beyond itself.
#[derive(Debug, Default, Clone)]
pub struct EntityDetail {
    pub symlinks: Vec<(NodeId, Symlink)>,
    /// Datasets that `columnLineage` reads from.
    pub column_sources: Vec<(NodeId, Name)>,
    /// The old name of a `RENAME`.
    pub previous: Option<NodeId>,
}

/// Tokens are made and revoked by entries too.
#[derive(Debug)]
pub enum TokenChange {
    Create(TokenRow),
    Revoke { id: [u8; 16], at: Micros },
}

/// A token as stored: never its text, only SHA-256 of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    pub id: [u8; 16],
    pub hash: [u8; 32],
    pub actor: Handle,
    pub actor_label: String,
    pub person: bool,
    pub roles: Vec<String>,
    pub integration: String,
    pub namespaces: Vec<String>,
    pub created_at: Micros,
    pub expires_at: Option<Micros>,
    pub revoked_at: Option<Micros>,
}

/// What became of an act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    pub index: EntryIndex,
    pub id: EntryId,
    pub recorded_at: Micros,
    pub leaf_hash: Digest,
    /// The entry was there already.
    pub duplicate: bool,
}

/// The write path of a store: one caller, one thread.
pub trait Committer: Send {
    /// Commits acts in order, in one transaction; durable when it returns.
    ///
    /// # Errors
    /// Whatever happened, the outcome is unknown and the store must not be
    /// written to again by this process: a failed sync is never retried.
    fn commit(&mut self, acts: Vec<Act>, now: Micros) -> Result<Vec<Committed>, CommitError>;

    /// Signs and stores a checkpoint of everything committed, unless the
    /// published one covers it already.
    ///
    /// # Errors
    /// As `commit`.
    fn publish(&mut self) -> Result<Arc<PublishedCheckpoint>, CommitError>;
}

/// The store stopped; what happened is for the log.
#[derive(Debug, thiserror::Error)]
#[error("a commit failed, so nothing more is written")]
pub struct CommitError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl CommitError {
    pub fn new(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(e.into())
    }
}
