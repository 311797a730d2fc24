//! What is asked of storage: small traits in the words of the domain, batches
//! first. A backend answers natively; it is done when it passes the behaviour
//! suite. Backends are named in the composition root and in tests only.
pub mod codec;
pub mod embedded;
pub mod examine;
pub mod write;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use self::write::DuplicateKey;

use crate::{
    domain::{
        assertion::Digest,
        catalog::{ArtifactFacts, ArtifactPage, ArtifactRef, DeclaredFlows, EntryFacts, EntryPage, RunFacts, VersionFacts},
        counts::WalkCounts,
        coverage::SourceCoverage,
        entry::part::PartClass,
        history::{ArtifactChange, FacetVersion},
        id::{EntryIndex, NodeId},
        lineage::{AsOf, FlowAssertion, FlowVersion, NodeKey, Walk, WalkAnswer},
        position::Logs,
        redaction::{Redactable, RedactionQuestion},
        search::Searchable,
        sight::Sight,
        source::Source,
        time::Micros,
    },
    ledger::Hash,
};

/// Why a store could not answer. Never shown to clients as it is.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something stored contradicts itself; says where, never what.
    #[error("stored data is inconsistent in {place}")]
    Inconsistent { place: &'static str },
    /// The backend failed (the source says how; for logs).
    #[error("the store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request's time is over.
    #[error("the deadline passed")]
    Deadline,
    /// The store stopped after a failed write; a restart recovers.
    #[error("the store has stopped")]
    Stopped,
}

/// How far the ledger is: what dates an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Entries over all logs.
    pub size: EntryIndex,
    /// Root of the current log's tree at that size.
    pub root: Hash,
}

/// The handle on a store: what is committed, and views of it.
#[async_trait]
pub trait Store: Send + Sync {
    /// The committed head.
    fn head(&self) -> Head;
    /// Its size, and when it grows: seen here, it is in every later snapshot.
    fn watch_head(&self) -> watch::Receiver<EntryIndex>;
    /// The latest signed checkpoint (a signed note), as published.
    fn checkpoint(&self) -> Arc<PublishedCheckpoint>;
    /// The logs of this installation.
    fn logs(&self) -> Logs;
    /// The store's number of an interned shape, if it remembers one: then its
    /// content need not be handed over again. Forgetting costs a second copy.
    fn shape(&self, digest: &Digest) -> Option<u32>;
    /// The same for an interned facet.
    fn blob(&self, digest: &Digest) -> Option<u32>;
    /// Whether an interned facet was redacted: its content is never stored again.
    fn is_redacted(&self, digest: &Digest) -> bool;
    /// A write failed, so nothing more is written by this process.
    fn stopped(&self) -> bool;
    /// Tells when that happens.
    fn watch_stopped(&self) -> watch::Receiver<bool>;
    /// What an index derived from artifacts has to read again, at a view's size:
    /// artifacts in order of first naming from place `from` on, at most `limit`,
    /// and when those are all read, each that changed since the last call. For one
    /// asker: what is told once is told again only when it changes again.
    fn changed(&self, from: u32, limit: usize, size: EntryIndex) -> Changed;
    /// A consistent view of the committed state.
    ///
    /// # Errors
    /// [`StoreError::Stopped`], [`StoreError::Backend`].
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError>;
    /// The same as one reader may see it: what is hidden is answered as what is
    /// unknown, and stands in walks under ids that say nothing. The parts `core`
    /// and `rest` of entries that name something hidden are `Forbidden`.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    async fn snapshot_for(&self, sight: Sight) -> Result<Arc<dyn Snapshot>, StoreError>;
}

/// What a derived index has to read again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    pub keys: Vec<NodeKey>,
    /// The place to go on from.
    pub next: u32,
}

/// A signed checkpoint of the current log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishedCheckpoint {
    /// Leaves of the current log.
    pub size: u64,
    pub root: Hash,
    /// The signed note, whole.
    pub note: String,
}

/// Whose bytes a caller may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readable {
    pub core: bool,
    pub rest: bool,
    pub person: bool,
    pub context: bool,
}

impl Readable {
    #[must_use]
    pub const fn class(self, class: PartClass) -> bool {
        match class {
            PartClass::Core => self.core,
            PartClass::Rest => self.rest,
            PartClass::Person => self.person,
            PartClass::Context => self.context,
        }
    }
}

/// One consistent view: everything that one request answers stands on it.
/// All questions are batches; answers come in the order asked, `None` for what
/// no entry below `as_of.size` names.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// The head this view stands on.
    fn head(&self) -> Head;
    /// When the entry was recorded (`at` of its leaf).
    async fn recorded_at(&self, index: EntryIndex) -> Result<Option<Micros>, StoreError>;
    /// Root of the current log's tree when it had `size` leaves.
    async fn root_at(&self, size: u64) -> Result<Hash, StoreError>;

    /// Finds nodes by reference.
    async fn resolve(&self, refs: &[ArtifactRef], size: EntryIndex) -> Result<Vec<Option<NodeKey>>, StoreError>;
    /// Which of these nodes are hidden from the asker at an instant, though their own
    /// names are not: by what they are joined with then.
    async fn hidden(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<bool>, StoreError>;
    /// The names that are too sensitive for the asker, whatever their namespace.
    fn above_clearance(&self) -> Vec<NodeId>;
    /// Facts of artifacts, whole.
    async fn artifacts(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<Option<ArtifactFacts>>, StoreError>;
    /// A page of artifacts alive at the instant, in order of (namespace, name, kind).
    async fn artifact_page(&self, page: &ArtifactPage, as_of: AsOf) -> Result<Vec<ArtifactFacts>, StoreError>;
    /// What artifacts can be found by, as everything below this view's size says
    /// last, whatever time it is about.
    async fn searchables(&self, keys: &[NodeKey]) -> Result<Vec<Option<Searchable>>, StoreError>;
    /// The versions of one facet of each artifact that began by the instant, newest first, at most `limit` of each.
    async fn facet_versions(&self, keys: &[NodeKey], name: &str, limit: usize, as_of: AsOf) -> Result<Vec<Vec<FacetVersion>>, StoreError>;
    /// The entries below `before` that changed something of each artifact, newest first, at most `limit` of each.
    async fn changes(
        &self,
        keys: &[NodeKey],
        before: Option<EntryIndex>,
        limit: usize,
        as_of: AsOf,
    ) -> Result<Vec<Vec<ArtifactChange>>, StoreError>;
    /// Runs by OpenLineage's runId (lower-case).
    async fn runs(&self, run_ids: &[Box<str>], as_of: AsOf) -> Result<Vec<Option<RunFacts>>, StoreError>;
    /// The latest runs of each job, newest start first.
    async fn runs_of_jobs(&self, jobs: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError>;
    /// The latest runs that read or wrote each dataset, newest start first.
    async fn runs_of_datasets(&self, datasets: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError>;
    /// The latest versions of artifacts' declared definitions that began by the instant, newest first.
    async fn versions(&self, artifacts: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<VersionFacts>>, StoreError>;
    /// The datasets that a job is declared to read and to write, as they stand.
    async fn declared_flows(&self, job: NodeId) -> Result<DeclaredFlows, StoreError>;
    /// What redacting an entry would destroy; `None` for an entry that is not there.
    async fn redactable(&self, question: RedactionQuestion) -> Result<Option<Redactable>, StoreError>;
    /// The entry that has a row in the duplicate index.
    async fn duplicate(&self, key: DuplicateKey) -> Result<Option<EntryIndex>, StoreError>;
    /// The walk, natively.
    async fn walk(&self, walk: Walk) -> Result<WalkAnswer, StoreError>;
    /// Several walks, each by itself.
    async fn walks(&self, walks: Vec<Walk>) -> Result<Vec<WalkAnswer>, StoreError>;
    /// How much walks would find. Of artifacts, one way, without `collapse`: all of
    /// it, whatever the caps on what is shown.
    async fn walk_counts(&self, walks: Vec<Walk>) -> Result<Vec<WalkCounts>, StoreError>;
    /// The claims behind edges, as a ledger of `size` entries knows them.
    async fn flow_assertions(&self, flows: &[FlowVersion], size: EntryIndex) -> Result<Vec<FlowAssertion>, StoreError>;

    /// How many artifacts the filter of a page lets through, of those that the asker sees.
    async fn artifact_count(&self, page: &ArtifactPage, as_of: AsOf) -> Result<u64, StoreError>;
    /// How many entries the filter of a page lets through, wherever the page begins.
    async fn entry_count(&self, page: &EntryPage) -> Result<u64, StoreError>;
    /// How well sources cover what they speak of: those behind flows, and those that speak of namespaces, in order of source.
    async fn coverage(&self, flows: &[FlowVersion], namespaces: &[Box<str>], as_of: AsOf) -> Result<Vec<SourceCoverage>, StoreError>;
    /// A page of all sources heard by the instant that speak of a namespace which the asker sees, in order of source.
    async fn source_page(&self, after: Option<Source>, limit: usize, as_of: AsOf) -> Result<Vec<SourceCoverage>, StoreError>;

    /// Entries with their parts; what the caller may not read is `Forbidden`.
    async fn entries(&self, indexes: &[EntryIndex], readable: Readable) -> Result<Vec<Option<EntryFacts>>, StoreError>;
    /// A page of entries in order of index.
    async fn entry_page(&self, page: &EntryPage, readable: Readable) -> Result<Vec<EntryFacts>, StoreError>;
    /// The received bytes of entries, put together again; `None` where a part is destroyed or not readable.
    async fn received(&self, indexes: &[EntryIndex], readable: Readable) -> Result<Vec<Option<Vec<u8>>>, StoreError>;
    /// The same with people's handles in place of their values, for whoever may not read those; `None` where it is destroyed.
    async fn shown(&self, indexes: &[EntryIndex]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// A tile of hashes of the current log as `tlog-tiles` publishes it; `None` when no such tile exists at this size.
    async fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, StoreError>;
    /// An entry bundle (u16 length ‖ leaf)*.
    async fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, StoreError>;
    /// Inclusion proofs of leaves in the tree of `size` leaves.
    async fn inclusions(&self, indexes: &[u64], size: u64) -> Result<Vec<Vec<Hash>>, StoreError>;
    /// Consistency proof between two sizes.
    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, StoreError>;
}
