//! Readers: a few connections, and views that stand on one ledger size.
//!
//! A view holds no transaction between questions: what lies below its size is
//! never changed, so every question reads the same. A question holds one while
//! it is answered.
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    entries::leaf_of_row,
    read::{Reader, Seen, Understood, coverage, declared, totals},
    schema::backend,
    shared::Shared,
    tree::StoredTree,
};
use crate::{
    domain::{
        catalog::{ArtifactFacts, ArtifactPage, ArtifactRef, DeclaredFlows, EntryFacts, EntryPage, RunFacts, VersionFacts},
        counts::WalkCounts,
        coverage::SourceCoverage,
        history::{ArtifactChange, FacetVersion},
        id::{EntryIndex, InstallationSecret, NodeId},
        lineage::{AsOf, FlowAssertion, FlowVersion, NodeKey, Walk, WalkAnswer},
        redaction::{Redactable, RedactionQuestion},
        search::Searchable,
        source::Source,
        time::Micros,
    },
    ledger::{Hash, TreeError, TreeReader, push_entry},
    store::{Head, Readable, Snapshot, StoreError, write::DuplicateKey},
    vault::Vault,
};

/// The connections, and what all readers share.
pub struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    shared: Arc<Shared>,
    vault: Arc<Vault>,
    secret: InstallationSecret,
    understood: Understood,
}

impl Readers {
    pub fn new(connections: Vec<Connection>, shared: Arc<Shared>, vault: Arc<Vault>, secret: InstallationSecret) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self { idle: Mutex::new(connections), permits, shared, vault, secret, understood: Understood::new() }
    }

    /// Runs a question on a connection of its own, off the async threads.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        head: EntryIndex,
        seen: Option<Arc<Seen>>,
        question: impl FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The permit goes with the connection: a caller that gives up does not
        // make room for another one while its question is still being answered.
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let readers = self.clone();
        tokio::task::spawn_blocking(move || {
            let Some(db) = readers.idle.lock().pop() else { return Err(StoreError::Stopped) };
            let lent = Lent { db: Some(db), readers, _permit: permit };
            let (Some(db), readers) = (&lent.db, &lent.readers) else { return Err(StoreError::Stopped) };
            db.execute_batch("BEGIN").map_err(backend)?;
            question(&Reader {
                db,
                shared: &readers.shared,
                vault: &readers.vault,
                secret: &readers.secret,
                understood: &readers.understood,
                head,
                seen: seen.as_deref(),
            })
        })
        .await
        .map_err(|e| StoreError::Backend(Box::new(e)))?
    }
}

/// A connection on loan: given back whatever happens, also after a panic.
struct Lent {
    db: Option<Connection>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            // Ends the read transaction; a connection that cannot is not lent again.
            match db.execute_batch("ROLLBACK") {
                Ok(()) => self.readers.idle.lock().push(db),
                Err(_) if db.is_autocommit() => self.readers.idle.lock().push(db),
                Err(e) => tracing::error!(error = %e, "a reader's connection was lost"),
            }
        }
    }
}

/// A view at one size.
pub struct EmbeddedSnapshot {
    pub readers: Arc<Readers>,
    pub head: Head,
    /// What the asker may see; `None`: everything.
    pub seen: Option<Arc<Seen>>,
}

fn tree(e: TreeError) -> StoreError {
    StoreError::Backend(Box::new(e))
}

impl EmbeddedSnapshot {
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.ask(self.head.size, self.seen.clone(), question).await
    }

    async fn tree<T: Send + 'static>(
        &self,
        question: impl FnOnce(&TreeReader<'_>) -> Result<T, TreeError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let first = self.readers.shared.logs.current().first;
        let size = self.head.size - first;
        self.ask(move |r| question(&TreeReader::new(&StoredTree { db: r.db, first }, size)).map_err(tree)).await
    }
}

#[async_trait]
impl Snapshot for EmbeddedSnapshot {
    fn head(&self) -> Head {
        self.head
    }

    async fn recorded_at(&self, index: EntryIndex) -> Result<Option<Micros>, StoreError> {
        use rusqlite::OptionalExtension;
        self.ask(move |r| {
            r.db.prepare_cached("SELECT us FROM entry WHERE ix = ?1")
                .and_then(|mut s| s.query_row([index], |r| r.get(0).map(Micros)).optional())
                .map_err(backend)
        })
        .await
    }

    async fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        self.tree(move |t| t.root_at(size)).await
    }

    async fn resolve(&self, refs: &[ArtifactRef], size: EntryIndex) -> Result<Vec<Option<NodeKey>>, StoreError> {
        let refs = refs.to_vec();
        self.ask(move |r| r.resolve(&refs, size)).await
    }

    async fn artifacts(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<Option<ArtifactFacts>>, StoreError> {
        let keys = keys.to_vec();
        self.ask(move |r| r.artifacts(&keys, as_of)).await
    }

    async fn artifact_page(&self, page: &ArtifactPage, as_of: AsOf) -> Result<Vec<ArtifactFacts>, StoreError> {
        let page = page.clone();
        self.ask(move |r| r.page(&page, as_of)).await
    }

    async fn searchables(&self, keys: &[NodeKey]) -> Result<Vec<Option<Searchable>>, StoreError> {
        let keys = keys.to_vec();
        self.ask(move |r| r.searchables(&keys)).await
    }

    async fn facet_versions(&self, keys: &[NodeKey], name: &str, limit: usize, as_of: AsOf) -> Result<Vec<Vec<FacetVersion>>, StoreError> {
        let (keys, name) = (keys.to_vec(), name.to_owned());
        self.ask(move |r| r.facet_versions(&keys, &name, limit, as_of)).await
    }

    async fn changes(
        &self,
        keys: &[NodeKey],
        before: Option<EntryIndex>,
        limit: usize,
        as_of: AsOf,
    ) -> Result<Vec<Vec<ArtifactChange>>, StoreError> {
        let keys = keys.to_vec();
        self.ask(move |r| r.changes(&keys, before, limit, as_of)).await
    }

    async fn runs(&self, run_ids: &[Box<str>], as_of: AsOf) -> Result<Vec<Option<RunFacts>>, StoreError> {
        let run_ids = run_ids.to_vec();
        self.ask(move |r| r.runs(&run_ids, as_of)).await
    }

    async fn runs_of_jobs(&self, jobs: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError> {
        let jobs = jobs.to_vec();
        self.ask(move |r| r.runs_of_jobs(&jobs, limit, as_of)).await
    }

    async fn runs_of_datasets(&self, datasets: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError> {
        let datasets = datasets.to_vec();
        self.ask(move |r| r.runs_of_datasets(&datasets, limit, as_of)).await
    }

    async fn versions(&self, artifacts: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<VersionFacts>>, StoreError> {
        let artifacts = artifacts.to_vec();
        self.ask(move |r| artifacts.iter().map(|id| declared::versions(r, *id, limit, as_of)).collect()).await
    }

    async fn declared_flows(&self, job: NodeId) -> Result<DeclaredFlows, StoreError> {
        self.ask(move |r| declared::flows(r, job)).await
    }

    async fn redactable(&self, question: RedactionQuestion) -> Result<Option<Redactable>, StoreError> {
        self.ask(move |r| r.redactable(&question)).await
    }

    async fn hidden(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<bool>, StoreError> {
        let keys = keys.to_vec();
        self.ask(move |r| r.hidden(&keys, as_of)).await
    }

    fn above_clearance(&self) -> Vec<NodeId> {
        self.seen.as_ref().map(|seen| self.readers.shared.topology.above(seen.sight.clearance())).unwrap_or_default()
    }

    async fn duplicate(&self, key: DuplicateKey) -> Result<Option<EntryIndex>, StoreError> {
        self.ask(move |r| declared::duplicate(r, key)).await
    }

    async fn walk(&self, walk: Walk) -> Result<WalkAnswer, StoreError> {
        self.ask(move |r| r.walk(&walk)).await
    }

    async fn walks(&self, walks: Vec<Walk>) -> Result<Vec<WalkAnswer>, StoreError> {
        self.ask(move |r| walks.iter().map(|w| r.walk(w)).collect()).await
    }

    async fn walk_counts(&self, walks: Vec<Walk>) -> Result<Vec<WalkCounts>, StoreError> {
        self.ask(move |r| walks.iter().map(|walk| r.walk_counts(walk)).collect()).await
    }

    async fn flow_assertions(&self, flows: &[FlowVersion], size: EntryIndex) -> Result<Vec<FlowAssertion>, StoreError> {
        let flows = flows.to_vec();
        self.ask(move |r| r.flow_assertions(&flows, size)).await
    }

    async fn artifact_count(&self, page: &ArtifactPage, as_of: AsOf) -> Result<u64, StoreError> {
        let page = page.clone();
        self.ask(move |r| totals::count(r, &page, as_of)).await
    }

    async fn entry_count(&self, page: &EntryPage) -> Result<u64, StoreError> {
        let page = page.clone();
        self.ask(move |r| super::read::entry_count(r, &page)).await
    }

    async fn coverage(&self, flows: &[FlowVersion], namespaces: &[Box<str>], as_of: AsOf) -> Result<Vec<SourceCoverage>, StoreError> {
        let (flows, namespaces) = (flows.to_vec(), namespaces.to_vec());
        self.ask(move |r| coverage::coverage(r, &flows, &namespaces, as_of)).await
    }

    async fn source_page(&self, after: Option<Source>, limit: usize, as_of: AsOf) -> Result<Vec<SourceCoverage>, StoreError> {
        self.ask(move |r| coverage::page(r, after.as_ref(), limit, as_of)).await
    }

    async fn entries(&self, indexes: &[EntryIndex], readable: Readable) -> Result<Vec<Option<EntryFacts>>, StoreError> {
        let indexes = indexes.to_vec();
        let one = move |r: &Reader<'_>, ix| if ix < r.head { r.entries().entry(ix, r.readable(ix, readable)?) } else { Ok(None) };
        self.ask(move |r| indexes.iter().map(|ix| one(r, *ix)).collect()).await
    }

    async fn entry_page(&self, page: &EntryPage, readable: Readable) -> Result<Vec<EntryFacts>, StoreError> {
        let page = page.clone();
        self.ask(move |r| super::read::ledger_page(r, &page, readable)).await
    }

    async fn received(&self, indexes: &[EntryIndex], readable: Readable) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let indexes = indexes.to_vec();
        let one = move |r: &Reader<'_>, ix| if ix < r.head { r.entries().received(ix, r.readable(ix, readable)?) } else { Ok(None) };
        self.ask(move |r| indexes.iter().map(|ix| one(r, *ix)).collect()).await
    }

    async fn shown(&self, indexes: &[EntryIndex]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let indexes = indexes.to_vec();
        let one = |r: &Reader<'_>, ix| if ix < r.head && !r.names_hidden(ix)? { r.entries().shown(ix) } else { Ok(None) };
        self.ask(move |r| indexes.iter().map(|ix| one(r, *ix)).collect()).await
    }

    async fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, StoreError> {
        self.tree(move |t| t.tile(level, index, width)).await
    }

    async fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, StoreError> {
        let first = self.readers.shared.logs.current().first;
        self.ask(move |r| {
            let (from, width) = (first.saturating_add(index.saturating_mul(256)), u64::from(width));
            if from.saturating_add(width) > r.head {
                return Ok(None);
            }
            let mut s =
                r.db.prepare_cached("SELECT us, id, commitments, refs FROM entry WHERE ix >= ?1 AND ix < ?2 ORDER BY ix")
                    .map_err(backend)?;
            let mut rows = s.query((from, from + width)).map_err(backend)?;
            let mut bundle = Vec::new();
            while let Some(row) = rows.next().map_err(backend)? {
                push_entry(&mut bundle, &leaf_of_row(row).map_err(backend)?).map_err(|e| StoreError::Backend(Box::new(e)))?;
            }
            Ok(Some(bundle))
        })
        .await
    }

    async fn inclusions(&self, indexes: &[u64], size: u64) -> Result<Vec<Vec<Hash>>, StoreError> {
        let indexes = indexes.to_vec();
        self.tree(move |t| indexes.iter().map(|index| t.inclusion(*index, size)).collect()).await
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        self.tree(move |t| t.consistency(from, to)).await
    }
}
