//! What readers ask. A [`View`] is one request's: one principal, one snapshot,
//! one deadline; every answer of it is dated by the same ledger size.
mod coverage;
mod page;
mod walks;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use walks::Counts;

use super::{App, AppError, Code};
use crate::{
    access::{Action, Attributes, Principal, decide},
    domain::{
        catalog::{ArtifactFacts, ArtifactPage, ArtifactRef, EntryFacts, EntryPage, RunFacts, VersionFacts},
        id::{EntryIndex, NodeId},
        lineage::{AsOf, Collapse, Direction, FlowAssertion, FlowVersion, Level, NodeKey},
        sight::Sight,
        time::Micros,
    },
    ledger::Hash,
    store::{Head, Readable, Snapshot},
};

/// An instant as asked: either axis may be left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskedAsOf {
    pub valid_at: Option<Micros>,
    pub ledger_size: Option<EntryIndex>,
}

/// Options of a walk as asked.
#[derive(Clone, Copy, Debug)]
pub struct LineageOptions {
    pub direction: Direction,
    pub level: Level,
    pub collapse: Collapse,
    pub depth: u32,
    pub nodes_max: usize,
    pub per_node_max: usize,
    pub include_deleted: bool,
    pub include_self_loops: bool,
    /// What was walkable at any time from then on, up to the instant; without it at the instant.
    pub since: Option<Micros>,
}

/// One request's reading of the store.
pub struct View {
    pub(super) app: Arc<App>,
    pub(super) principal: Arc<Principal>,
    pub(super) snapshot: Arc<dyn Snapshot>,
    /// What the principal may see; the snapshot answers within it.
    sight: Sight,
    /// What the request asked the answer to stand on at least.
    pub(super) min_size: Option<EntryIndex>,
    /// "Now", once for the request.
    pub(super) now: Micros,
    pub(super) deadline: Instant,
}

impl View {
    pub(super) fn new(
        app: Arc<App>,
        principal: Arc<Principal>,
        (snapshot, sight): (Arc<dyn Snapshot>, Sight),
        min_size: Option<EntryIndex>,
    ) -> Self {
        let now = app.ambient.clock.now();
        let deadline = Instant::now() + Duration::from_millis(app.limits.lineage_deadline_ms);
        Self { app, principal, snapshot, sight, min_size, now, deadline }
    }

    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The ledger size and root this view stands on.
    #[must_use]
    pub fn head(&self) -> Head {
        self.snapshot.head()
    }

    /// Whether the caller may.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        decide(&self.principal, action, Attributes { at: self.now, namespaces: &[] }).permits()
    }

    /// The same where namespaces are touched.
    #[must_use]
    pub fn may_with(&self, action: Action, namespaces: &[&str]) -> bool {
        decide(&self.principal, action, Attributes { at: self.now, namespaces }).permits()
    }

    pub(super) fn require(&self, action: Action) -> Result<(), AppError> {
        self.app.permit(&self.principal, action, self.now, &[])
    }

    /// Which parts the caller may read.
    #[must_use]
    pub fn readable(&self) -> Readable {
        readable(&self.principal, self.now)
    }

    /// Fills in what was left out: no axis means now and the head; a size alone
    /// means the time its last entry was recorded.
    ///
    /// # Errors
    /// `STALE` beyond the head, `BAD_USER_INPUT` for size 0 with no instant.
    pub async fn resolve_as_of(&self, asked: Option<AskedAsOf>) -> Result<AsOf, AppError> {
        let head = self.head();
        let asked = asked.unwrap_or_default();
        let size = asked.ledger_size.unwrap_or(head.size);
        if size > head.size {
            return Err(
                AppError::new(Code::Stale, format!("the ledger has {} entries, {size} were asked for", head.size)).at("asOf.ledgerSize")
            );
        }
        let valid_at = match (asked.valid_at, asked.ledger_size) {
            (Some(t), _) => t,
            (None, None) => self.now,
            (None, Some(0)) => return Err(AppError::bad_input("an empty ledger has no instant; give `validAt` too").at("asOf.ledgerSize")),
            (None, Some(n)) => {
                let at = self.snapshot.recorded_at(n - 1).await?;
                at.ok_or_else(|| AppError::new(Code::Internal, "the entry before that size is missing"))?
            }
        };
        Ok(AsOf { valid_at, size })
    }

    /// The root of the current log at a size.
    pub async fn root_at(&self, size: u64) -> Result<Hash, AppError> {
        Ok(self.snapshot.root_at(size).await?)
    }

    /// Nodes by reference, as the ledger of that size names them.
    pub async fn resolve(&self, refs: &[ArtifactRef], size: EntryIndex) -> Result<Vec<Option<NodeKey>>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.resolve(refs, size).await?)
    }

    pub async fn artifacts(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<Option<ArtifactFacts>>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.artifacts(keys, as_of).await?)
    }

    pub async fn artifact_page(&self, page: &ArtifactPage, as_of: AsOf) -> Result<Vec<ArtifactFacts>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.artifact_page(page, as_of).await?)
    }

    pub async fn runs(&self, run_ids: &[Box<str>], as_of: AsOf) -> Result<Vec<Option<RunFacts>>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.runs(run_ids, as_of).await?)
    }

    pub async fn runs_of_jobs(&self, jobs: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.runs_of_jobs(jobs, limit, as_of).await?)
    }

    /// The latest versions of artifacts' definitions, newest first.
    pub async fn versions(&self, artifacts: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<VersionFacts>>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.versions(artifacts, limit, as_of).await?)
    }

    pub async fn flow_assertions(&self, flows: &[FlowVersion], size: EntryIndex) -> Result<Vec<FlowAssertion>, AppError> {
        self.require(Action::ReadLineage)?;
        Ok(self.snapshot.flow_assertions(flows, size).await?)
    }

    /// Entries; parts beyond the caller's rights are marked, not refused.
    pub async fn entries(&self, indexes: &[EntryIndex]) -> Result<Vec<Option<EntryFacts>>, AppError> {
        self.require(Action::ReadCore)?;
        Ok(self.snapshot.entries(indexes, self.readable()).await?)
    }

    pub async fn entry_page(&self, page: &EntryPage) -> Result<Vec<EntryFacts>, AppError> {
        self.require(Action::ReadCore)?;
        let page = EntryPage { deadline: Some(self.deadline), ..page.clone() };
        Ok(self.snapshot.entry_page(&page, self.readable()).await?)
    }

    /// The received bytes of entries, for readers with operational rights.
    pub async fn received(&self, indexes: &[EntryIndex]) -> Result<Vec<Option<Vec<u8>>>, AppError> {
        self.require(Action::ReadOperational)?;
        Ok(self.snapshot.received(indexes, self.readable()).await?)
    }

    /// The same with people's handles in place of their values.
    pub async fn shown(&self, indexes: &[EntryIndex]) -> Result<Vec<Option<Vec<u8>>>, AppError> {
        self.require(Action::ReadOperational)?;
        Ok(self.snapshot.shown(indexes).await?)
    }

    pub async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, AppError> {
        self.require(Action::ReadLedger)?;
        Ok(self.snapshot.consistency(from, to).await?)
    }
}

/// Which parts a caller may read.
pub(super) fn readable(by: &Principal, at: Micros) -> Readable {
    let may = |action| decide(by, action, Attributes { at, namespaces: &[] }).permits();
    Readable {
        core: may(Action::ReadCore),
        rest: may(Action::ReadRest),
        person: may(Action::ReadPerson),
        context: may(Action::ReadContext),
    }
}
