//! Answering: one connection, one ledger size, no locks.
mod changes;
pub(super) mod classes;
pub(super) mod coverage;
mod dataset_runs;
pub(super) mod declared;
mod facts;
mod fields;
mod history;
mod ledger_page;
mod lives;
mod pages;
mod redactable;
mod run_walk;
mod runs;
mod searched;
mod seen;
mod starts;
pub(super) mod totals;
mod walk;

use std::sync::Arc;

pub use ledger_page::{count as entry_count, page as ledger_page};
use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension};
pub use searched::SEARCHED;
pub use seen::Seen;

use super::{entries::EntryReader, intern::Generations, schema::backend, shared::Shared};
use crate::{
    domain::{
        catalog::{ArtifactFacts, ArtifactPage, ArtifactRef, RunFacts},
        counts::WalkCounts,
        history::{ArtifactChange, FacetVersion},
        id::{EntryIndex, InstallationSecret, NodeId},
        kind::ArtifactKind,
        lineage::{AsOf, FlowAssertion, FlowVersion, Level, NodeKey, Walk, WalkAnswer},
        redaction::{Redactable, RedactionQuestion},
        search::Searchable,
        time::{FOREVER, Micros},
    },
    store::StoreError,
    vault::Vault,
};

/// Facets that were read, understood once for all readers.
pub struct Understood {
    schemas: RwLock<Generations<u32, Arc<fields::FieldSet>>>,
    columns: RwLock<Generations<u32, Arc<fields::FieldMap>>>,
}

impl Understood {
    pub fn new() -> Self {
        Self { schemas: RwLock::new(Generations::new(1 << 13)), columns: RwLock::new(Generations::new(1 << 13)) }
    }
}

/// One question's reading.
pub struct Reader<'a> {
    pub db: &'a Connection,
    pub shared: &'a Arc<Shared>,
    pub vault: &'a Vault,
    pub secret: &'a InstallationSecret,
    pub understood: &'a Understood,
    /// The size this view stands on.
    pub head: EntryIndex,
    /// What the asker may see; `None`: everything.
    pub seen: Option<&'a Seen>,
}

impl Reader<'_> {
    pub fn entries(&self) -> EntryReader<'_> {
        EntryReader { db: self.db, shared: self.shared, vault: self.vault }
    }

    pub fn resolve(&self, refs: &[ArtifactRef], size: EntryIndex) -> Result<Vec<Option<NodeKey>>, StoreError> {
        refs.iter().map(|r| self.resolve_one(r, size)).collect()
    }

    fn resolve_one(&self, r: &ArtifactRef, size: EntryIndex) -> Result<Option<NodeKey>, StoreError> {
        Ok(match r {
            ArtifactRef::Key(NodeKey::Artifact(id)) => self.find(*id, size).map(|_| NodeKey::Artifact(*id)),
            ArtifactRef::Key(NodeKey::Field(id, field)) => self.field(*id, field, size)?,
            ArtifactRef::Key(NodeKey::Run(_, run_id)) => self.resolve_one(&ArtifactRef::Run((**run_id).into()), size)?,
            ArtifactRef::Named(kind, name) => {
                let id = self.secret.node_id(*kind, name);
                self.find(id, size).map(|_| NodeKey::Artifact(id))
            }
            ArtifactRef::Run(run_id) => {
                let known = self
                    .db
                    .prepare_cached("SELECT min(r.first_ix) FROM run_id i JOIN run r ON r.pair = i.pair AND r.start = i.start AND r.rid = i.rid WHERE i.rid = ?1")
                    .and_then(|mut s| s.query_row([run_id.as_bytes()], |r| r.get::<_, Option<u64>>(0)).optional())
                    .map_err(backend)?
                    .flatten();
                match known.filter(|ix| *ix < size) {
                    Some(_) if self.sees_run(run_id)? => Some(NodeKey::Run(self.secret.run_node_id(run_id), (**run_id).into())),
                    _ => None,
                }
            }
            ArtifactRef::Field { dataset, field } => {
                let id = self.secret.node_id(ArtifactKind::Dataset, dataset);
                self.field(id, field, size)?
            }
            ArtifactRef::OneOf(splits) => {
                for split in splits {
                    if let Some(found) = self.resolve_one(split, size)? {
                        return Ok(Some(found));
                    }
                }
                None
            }
        })
    }

    fn field(&self, dataset: NodeId, field: &str, size: EntryIndex) -> Result<Option<NodeKey>, StoreError> {
        let Some(no) = self.find(dataset, size) else { return Ok(None) };
        Ok(self.field_is_named(no, field, size)?.then(|| NodeKey::Field(dataset, field.into())))
    }

    pub fn walk(&self, question: &Walk) -> Result<WalkAnswer, StoreError> {
        match question.level {
            Level::Artifact => walk::walk(self, question),
            Level::Field => fields::walk(self, question),
            Level::Run => run_walk::walk(self, question, true),
        }
    }

    /// Columns have no lighter walk: most of its cost is reading what made them.
    pub fn walk_counts(&self, question: &Walk) -> Result<WalkCounts, StoreError> {
        match question.level {
            Level::Artifact => walk::count(self, question),
            Level::Field => Ok(WalkCounts::of(&fields::walk(self, question)?)),
            Level::Run => Ok(WalkCounts::of(&run_walk::walk(self, question, false)?)),
        }
    }

    pub fn flow_assertions(&self, flows: &[FlowVersion], size: EntryIndex) -> Result<Vec<FlowAssertion>, StoreError> {
        let mut out = Vec::with_capacity(flows.len());
        for f in flows {
            if let Some(entry) = f.entry() {
                out.extend(self.said_by(entry)?);
                continue;
            }
            let slot = u32::try_from(f.0).ok();
            let Some(fact) = slot.and_then(|s| self.shared.topology.flow(s)) else { continue };
            let Some((_, source)) = self.shared.topology.pair(fact.pair) else { continue };
            let superseded = EntryIndex::from(fact.recorded_until);
            out.push(FlowAssertion {
                source: super::entries::source_of(self.db, source)?,
                valid_from: fact.valid_from,
                valid_until: fact.valid_until,
                recorded_from: fact.recorded_from.into(),
                recorded_until: (superseded < size).then_some(superseded),
                entry: fact.by.into(),
            });
        }
        Ok(out)
    }

    /// What a run's event says is said since it was recorded, for good.
    fn said_by(&self, entry: EntryIndex) -> Result<Option<FlowAssertion>, StoreError> {
        let found: Option<(i64, Option<u32>)> = self
            .db
            .prepare_cached("SELECT time, source FROM entry WHERE ix = ?1")
            .and_then(|mut s| s.query_row([entry], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(backend)?;
        let Some((time, Some(source))) = found else { return Ok(None) };
        Ok(Some(FlowAssertion {
            source: super::entries::source_of(self.db, source)?,
            valid_from: Micros(time),
            valid_until: FOREVER,
            recorded_from: entry,
            recorded_until: None,
            entry,
        }))
    }

    pub fn artifacts(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<Option<ArtifactFacts>>, StoreError> {
        facts::artifacts(self, keys, as_of)
    }

    pub fn searchables(&self, keys: &[NodeKey]) -> Result<Vec<Option<Searchable>>, StoreError> {
        searched::searchables(self, keys)
    }

    pub fn facet_versions(&self, keys: &[NodeKey], name: &str, limit: usize, as_of: AsOf) -> Result<Vec<Vec<FacetVersion>>, StoreError> {
        history::facet_versions(self, keys, name, limit, as_of)
    }

    pub fn changes(
        &self,
        keys: &[NodeKey],
        before: Option<EntryIndex>,
        limit: usize,
        as_of: AsOf,
    ) -> Result<Vec<Vec<ArtifactChange>>, StoreError> {
        changes::changes(self, keys, before, limit, as_of)
    }

    pub fn redactable(&self, question: &RedactionQuestion) -> Result<Option<Redactable>, StoreError> {
        redactable::redactable(self, question)
    }

    pub fn runs_of_datasets(&self, datasets: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError> {
        dataset_runs::runs_of_datasets(self, datasets, limit, as_of)
    }

    pub fn page(&self, page: &ArtifactPage, as_of: AsOf) -> Result<Vec<ArtifactFacts>, StoreError> {
        pages::page(self, page, as_of)
    }

    pub fn runs(&self, run_ids: &[Box<str>], as_of: AsOf) -> Result<Vec<Option<RunFacts>>, StoreError> {
        run_ids.iter().map(|id| runs::run(self, id, as_of)).collect()
    }

    pub fn runs_of_jobs(&self, jobs: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError> {
        jobs.iter().map(|job| runs::runs_of_job(self, *job, limit, as_of)).collect()
    }
}
