//! Names become nodes, and shapes become plans.
use std::sync::Arc;

use smallvec::SmallVec;

use sha2::{Digest as _, Sha256};

use super::{Projector, facets::OWNERSHIP};
use crate::{
    domain::{
        assertion::{Assertion, Digest, Entity, LifecycleChange, RunState, Subject},
        id::{EntryIndex, NodeId},
        kind::ArtifactKind,
        name::Name,
        time::Micros,
    },
    store::{
        StoreError,
        embedded::{
            plan::{Plan, PlanFacet, owner_of_pair, owner_of_source},
            schema::backend,
            topology::{NodeNo, PairNo, SourceNo, position},
        },
        write::{EntityDetail, EntityIds},
    },
};

/// Facets kept per (job, source, output), not per source.
const PER_JOB: &str = "columnLineage";

impl Projector<'_> {
    /// The node's number; makes it if no entry named it yet.
    pub(super) fn node(&mut self, ix: EntryIndex, kind: ArtifactKind, id: NodeId, name: &Name) -> Result<NodeNo, StoreError> {
        if let Some(no) = self.topology.find_any(id) {
            return Ok(no);
        }
        let no = self
            .topology
            .add_node(id, kind, &name.namespace, &name.name, position(ix))
            .ok_or(StoreError::Inconsistent { place: "memory of nodes is full" })?;
        self.db
            .prepare_cached("INSERT INTO node(no, id, kind, namespace, name, ix) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
            .and_then(|mut s| s.execute((no, &id.0[..], kind as u8, &*name.namespace, &*name.name, ix)))
            .map_err(backend)?;
        Ok(no)
    }

    fn source(&mut self, a: &Assertion) -> Result<SourceNo, StoreError> {
        if let Some(no) = self.state.sources.get(&a.source) {
            return Ok(*no);
        }
        let no = SourceNo::try_from(self.state.sources.len()).map_err(|_| StoreError::Inconsistent { place: "source" })?;
        self.db
            .prepare_cached("INSERT INTO source(id, integration, producer) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((no, &*a.source.integration, &*a.source.producer)))
            .map_err(backend)?;
        self.state.sources.insert(a.source.clone(), no);
        Ok(no)
    }

    /// The source names something in the namespace.
    fn speak(&mut self, ix: EntryIndex, namespace: &str, source: SourceNo) -> Result<(), StoreError> {
        if self.state.speakers.get(namespace).is_some_and(|s| s.contains(&source)) {
            return Ok(());
        }
        self.db
            .prepare_cached("INSERT INTO speaker(namespace, source, ix) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((namespace, source, ix)))
            .map_err(backend)?;
        self.state.speakers.entry(namespace.into()).or_default().push(source);
        Ok(())
    }

    fn pair(&mut self, job: NodeNo, source: SourceNo) -> Result<PairNo, StoreError> {
        if let Some(no) = self.state.pairs.get(&(job, source)) {
            return Ok(*no);
        }
        let no = self.topology.add_pair(job, source).ok_or(StoreError::Inconsistent { place: "memory of pairs is full" })?;
        self.db
            .prepare_cached("INSERT INTO pair(no, job, source, span_max) VALUES(?1, ?2, ?3, 0)")
            .and_then(|mut s| s.execute((no, job, source)))
            .map_err(backend)?;
        self.state.pairs.insert((job, source), no);
        self.state.spans.push(0);
        self.state.begin_pair(no);
        Ok(no)
    }

    pub(super) fn facet_name(&mut self, word: &str) -> Result<u32, StoreError> {
        if let Some(no) = self.state.facet_names.get(word) {
            return Ok(*no);
        }
        let no = u32::try_from(self.state.facet_names.len()).map_err(|_| StoreError::Inconsistent { place: "facet_name" })?;
        self.db
            .prepare_cached("INSERT INTO facet_name(id, word) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((no, word)))
            .map_err(backend)?;
        self.state.facet_names.insert(word.into(), no);
        Ok(no)
    }

    /// Parent and root jobs are named too. They vary by run, so they stand in no plan.
    pub(super) fn name_parents(
        &mut self,
        ix: EntryIndex,
        a: &Assertion,
        ids: &EntityIds,
        source: SourceNo,
        start: Micros,
    ) -> Result<(), StoreError> {
        for (of, id) in [(&a.parent, ids.parent_job), (&a.root, ids.root_job)] {
            if let (Some(run), Some(id)) = (of, id) {
                let no = self.node(ix, ArtifactKind::Job, id, &run.job)?;
                self.speak(ix, &run.job.namespace, source)?;
                self.witness(ix, no, start, a.time)?;
                self.state.seen(no, a.time);
            }
        }
        Ok(())
    }

    /// Resolves everything that events of a shape have in common, and stores it
    /// in the shape's row.
    pub(super) fn make_plan(
        &mut self,
        ix: EntryIndex,
        shape: u32,
        a: &Assertion,
        ids: &EntityIds,
        details: &[EntityDetail],
        blobs: &[(Digest, u32)],
    ) -> Result<Arc<Plan>, StoreError> {
        let source = self.source(a)?;
        let mut plan = Plan { source, rank: a.rank(), blobs: blobs.into(), ..Plan::default() };
        let mut named: Vec<NodeNo> = Vec::new();
        let mut beside: Vec<NodeNo> = Vec::new();
        let mut drops: Vec<NodeNo> = Vec::new();
        let mut ends: Vec<NodeNo> = Vec::new();
        let mut renames: Vec<(NodeNo, NodeNo)> = Vec::new();
        let mut facets: Vec<PlanFacet> = Vec::new();
        let ending = !matches!(a.subject, Subject::Run { state: RunState::Fail | RunState::Abort, .. });

        if let (Some(job), Some(id)) = (&a.job, ids.job) {
            let no = self.node(ix, ArtifactKind::Job, id, &job.name)?;
            plan.job = Some(no);
            plan.pair = Some(self.pair(no, source)?);
            named.push(no);
            self.plan_facets(ix, &plan, no, job, details.first(), &mut facets, &mut beside)?;
        }
        let mut details = details.iter().skip(usize::from(a.job.is_some()));
        let mut sides: [Option<Vec<NodeNo>>; 2] = [a.inputs.as_ref().map(|_| Vec::new()), a.outputs.as_ref().map(|_| Vec::new())];
        let datasets = a
            .inputs
            .iter()
            .flatten()
            .zip(&ids.inputs)
            .map(|(e, id)| (Some(0), e, id))
            .chain(a.outputs.iter().flatten().zip(&ids.outputs).map(|(e, id)| (Some(1), e, id)))
            .chain(a.dataset.iter().zip(ids.dataset.iter()).map(|(e, id)| (None, e, id)));
        for (side, entity, id) in datasets {
            let kind = if side.is_some() { ArtifactKind::Dataset } else { a.dataset_kind() };
            let no = self.node(ix, kind, *id, &entity.name)?;
            match side {
                Some(i) => {
                    if let Some(Some(side)) = sides.get_mut(i) {
                        side.push(no);
                    }
                }
                None => plan.dataset = Some(no),
            }
            let detail = details.next();
            self.plan_facets(ix, &plan, no, entity, detail, &mut facets, &mut beside)?;
            match entity.lifecycle.as_ref().filter(|_| ending) {
                Some(l) if l.change == LifecycleChange::Drop => drops.push(no),
                Some(l) if l.change == LifecycleChange::Rename => {
                    named.push(no);
                    if let (Some(previous), Some(id)) = (&l.previous, detail.and_then(|d| d.previous)) {
                        let old = self.node(ix, ArtifactKind::Dataset, id, previous)?;
                        if old != no {
                            ends.push(old);
                            renames.push((old, no));
                        }
                    }
                }
                _ => named.push(no),
            }
        }
        let [inputs, outputs] = sides.map(|s| {
            s.map(|mut s| {
                s.sort_unstable();
                s.dedup();
                s.into_boxed_slice()
            })
        });
        (plan.inputs, plan.outputs) = (inputs, outputs);
        for node in &beside {
            self.record_naming(*node, plan.pair, plan.dataset)?;
        }
        drops.sort_unstable();
        drops.dedup();
        ends.extend(&drops);
        named.extend(beside);
        named.retain(|n| !ends.contains(n));
        named.sort_unstable();
        named.dedup();
        ends.sort_unstable();
        ends.dedup();
        (plan.named, plan.ends, plan.drops) = (named.into(), ends.into(), drops.into());
        (plan.renames, plan.facets) = (renames.into(), facets.into());
        let plan = Arc::new(plan);
        for node in plan.named.iter().chain(&plan.ends) {
            let namespace = self.topology.node(*node).map(|n| n.namespace.clone());
            self.speak(ix, &namespace.unwrap_or_default(), source)?;
            self.db
                .prepare_cached("INSERT INTO named_by(node, shape) VALUES(?1, ?2)")
                .and_then(|mut s| s.execute((node, shape)))
                .map_err(backend)?;
        }
        self.db
            .prepare_cached("UPDATE shape SET plan = ?2 WHERE id = ?1")
            .and_then(|mut s| s.execute((shape, plan.encode())))
            .map_err(backend)?;
        self.intern.add_plan(shape, plan.clone());
        Ok(plan)
    }

    /// Events of a job and source, or of a dataset, name a node beside.
    pub(super) fn record_naming(&self, node: NodeNo, pair: Option<PairNo>, dataset: Option<NodeNo>) -> Result<(), StoreError> {
        let Some(by) = pair.map(|p| u64::from(p) * 2).or(dataset.map(|d| u64::from(d) * 2 + 1)) else { return Ok(()) };
        self.db
            .prepare_cached("INSERT INTO naming(node, by) VALUES(?1, ?2) ON CONFLICT DO NOTHING")
            .and_then(|mut s| s.execute((node, by)))
            .map(|_| ())
            .map_err(backend)
    }

    #[expect(clippy::too_many_arguments, reason = "two of them are where the results go")]
    fn plan_facets(
        &mut self,
        ix: EntryIndex,
        plan: &Plan,
        node: NodeNo,
        entity: &Entity,
        detail: Option<&EntityDetail>,
        facets: &mut Vec<PlanFacet>,
        beside: &mut Vec<NodeNo>,
    ) -> Result<(), StoreError> {
        let mut symlinks: SmallVec<[(NodeNo, bool); 1]> = SmallVec::new();
        if let Some(detail) = detail {
            for (id, link) in &detail.symlinks {
                let other = self.node(ix, ArtifactKind::Dataset, *id, &link.name)?;
                beside.push(other);
                // Listed twice, as a table and as a place: a table.
                match symlinks.iter_mut().find(|(n, _)| *n == other) {
                    Some(known) => known.1 &= link.location,
                    None if other != node => symlinks.push((other, link.location)),
                    None => {}
                }
            }
            for (id, name) in &detail.column_sources {
                beside.push(self.node(ix, ArtifactKind::Dataset, *id, name)?);
            }
        }
        for f in entity.facets.iter().filter(|f| f.interned || &*f.name == OWNERSHIP) {
            let owner = match (&*f.name, plan.pair) {
                (PER_JOB, Some(pair)) => owner_of_pair(pair),
                _ => owner_of_source(plan.source),
            };
            let planned = PlanFacet {
                node,
                name: self.facet_name(&f.name)?,
                owner,
                digest: if &*f.name == OWNERSHIP { digest_of_owners(entity) } else { f.digest },
                deleted: f.deleted,
                blob: plan.blob(&f.digest),
                symlinks: if &*f.name == "symlinks" && !f.deleted { symlinks.clone() } else { SmallVec::new() },
            };
            // A dataset on both sides asserts each facet once.
            match facets.iter_mut().find(|p| (p.node, p.name, p.owner) == (planned.node, planned.name, planned.owner)) {
                Some(p) => *p = planned,
                None => facets.push(planned),
            }
        }
        Ok(())
    }
}

/// Two `ownership` facets say the same when they name the same people in the
/// same roles.
fn digest_of_owners(entity: &Entity) -> Digest {
    let mut hash = Sha256::new();
    for owner in entity.owners.iter().flatten() {
        hash.update(owner.handle.0);
        let role = owner.role.as_deref().unwrap_or_default();
        hash.update((role.len() as u64).to_be_bytes());
        hash.update(role);
    }
    hash.finalize().into()
}
