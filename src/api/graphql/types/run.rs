//! One execution of a job, over all its events.
use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::{
    super::{
        context::reading,
        error::Result,
        id::GlobalId,
        input::{price, size},
        scalar::{self, DateTime, Json, Long},
    },
    Name,
    artifact::Artifact,
    event::LedgerEvent,
};
use crate::{
    domain::{
        assertion,
        catalog::RunFacts,
        lineage::{AsOf, NodeKey},
    },
    interop::openlineage::{Place, facets_of},
};

/// The most events of one run in one answer.
const EVENTS_MAX: i32 = 200;

/// OpenLineage's run states.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "assertion::RunState")]
pub enum RunState {
    /// It began.
    Start,
    /// It is going on.
    Running,
    /// Something else was reported of it.
    Other,
    /// It was stopped.
    Abort,
    /// It failed.
    Fail,
    /// It ended as it should.
    Complete,
}

/// One execution of a job, as one instant saw it.
#[derive(Clone)]
pub struct Run {
    pub facts: Arc<RunFacts>,
    pub as_of: AsOf,
}

impl Run {
    async fn other(&self, ctx: &Context<'_>, run_id: Option<&str>) -> Result<Option<Self>> {
        let Some(run_id) = run_id else { return Ok(None) };
        let facts = reading(ctx).await?.run(run_id.into(), self.as_of).await?;
        Ok(facts.map(|facts| Self { facts, as_of: self.as_of }))
    }

    async fn artifacts(&self, ctx: &Context<'_>, ids: &[crate::domain::id::NodeId]) -> Result<Vec<Artifact>> {
        let keys = ids.iter().map(|id| NodeKey::Artifact(*id));
        let facts = reading(ctx).await?.artifacts(keys, self.as_of).await?;
        Ok(facts.into_iter().map(|facts| Artifact { facts, as_of: self.as_of }).collect())
    }

    /// The facets at some places over the run's latest events, each as last sent.
    async fn latest_facets(&self, ctx: &Context<'_>, wanted: impl Fn(Place) -> bool) -> Result<BTreeMap<FacetKey, (Long, Json)>> {
        let older = self.facts.entries.len().saturating_sub(EVENTS_MAX as usize);
        let entries = self.facts.entries.get(older..).unwrap_or_default();
        let mut latest = BTreeMap::new();
        for (index, body) in reading(ctx).await?.shown(entries).await? {
            // Received events were read once already; one that cannot be read again has nothing to show.
            for facet in facets_of(&body).unwrap_or_default().into_iter().filter(|f| wanted(f.place)) {
                if let Some(json) = scalar::json(facet.raw.as_bytes()) {
                    let dataset = facet.dataset.map(|(namespace, name)| (namespace.into_owned(), name.into_owned()));
                    latest.insert((dataset, facet.name.into_owned()), (Long(index), json));
                }
            }
        }
        Ok(latest)
    }
}

/// One execution of a job, as one instant saw it.
#[Object]
impl Run {
    /// The run's id.
    pub async fn id(&self) -> ID {
        GlobalId::of_run(&self.facts.run_id).into()
    }

    /// OpenLineage's runId.
    async fn run_id(&self) -> ID {
        (&*self.facts.run_id).into()
    }

    /// The state of its latest event.
    async fn state(&self) -> RunState {
        self.facts.state.into()
    }

    /// Its earliest event time.
    async fn started_at(&self) -> DateTime {
        DateTime(self.facts.started_at)
    }

    /// How long it took, in milliseconds: from its earliest event to its latest `COMPLETE`, `FAIL` or `ABORT`.
    async fn duration_ms(&self) -> Option<Long> {
        duration_ms(&self.facts).map(Long)
    }

    /// The time of its latest `COMPLETE`, `FAIL` or `ABORT`.
    async fn ended_at(&self) -> Option<DateTime> {
        self.facts.ended_at.map(DateTime)
    }

    /// The beginning of the time that it was run for.
    async fn nominal_start_time(&self) -> Option<DateTime> {
        self.facts.nominal_start.map(DateTime)
    }

    /// The end of the time that it was run for.
    async fn nominal_end_time(&self) -> Option<DateTime> {
        self.facts.nominal_end.map(DateTime)
    }

    /// OpenLineage's runId of the run that started this one, also where that run itself is unknown.
    async fn parent_run_id(&self) -> Option<ID> {
        self.facts.parent.as_deref().map(Into::into)
    }

    /// The run that started this one.
    #[graphql(complexity = "3 + child_complexity")]
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        self.other(ctx, self.facts.parent.as_deref()).await
    }

    /// The run that everything around this one began with.
    #[graphql(complexity = "3 + child_complexity")]
    async fn root(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        self.other(ctx, self.facts.root.as_deref()).await
    }

    /// The job that was run.
    #[graphql(complexity = "3 + child_complexity")]
    async fn job(&self, ctx: &Context<'_>) -> Result<Option<Artifact>> {
        let Some(job) = self.facts.job else { return Ok(None) };
        let facts = reading(ctx).await?.artifact(NodeKey::Artifact(job), self.as_of).await?;
        Ok(facts.map(|facts| Artifact { facts, as_of: self.as_of }))
    }

    /// What it read, over all its events.
    #[graphql(complexity = "5 + 5 * child_complexity")]
    async fn inputs(&self, ctx: &Context<'_>) -> Result<Vec<Artifact>> {
        self.artifacts(ctx, &self.facts.inputs).await
    }

    /// What it wrote, over all its events.
    #[graphql(complexity = "5 + 5 * child_complexity")]
    async fn outputs(&self, ctx: &Context<'_>) -> Result<Vec<Artifact>> {
        self.artifacts(ctx, &self.facts.outputs).await
    }

    /// Its events, in the ledger's order.
    #[graphql(complexity = "5 + price(Some(first), 20, EVENTS_MAX, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20, desc = "How many at most; at most 200.")] first: i32,
    ) -> Result<Vec<LedgerEvent>> {
        let first = size("first", first, EVENTS_MAX)?;
        let indexes = self.facts.entries.get(..first).unwrap_or(&self.facts.entries);
        let entries = reading(ctx).await?.entries(indexes).await?;
        Ok(entries.into_iter().map(LedgerEvent).collect())
    }

    /// The run's own facets over its events, each as last sent, sorted by name. Needs operational rights.
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn facets(&self, ctx: &Context<'_>) -> Result<Vec<RunFacet>> {
        let found = self.latest_facets(ctx, |place| place == Place::Run).await?;
        Ok(found.into_iter().map(|((_, name), (recorded_from, json))| RunFacet { name, recorded_from, json }).collect())
    }

    /// What the run told of its inputs as it saw them, such as `dataQualityAssertions`: each facet as last sent, sorted by
    /// dataset and name. Needs operational rights.
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn input_facets(&self, ctx: &Context<'_>) -> Result<Vec<RunDatasetFacet>> {
        let found = self.latest_facets(ctx, |place| matches!(place, Place::InputSide(_))).await?;
        Ok(found.into_iter().filter_map(RunDatasetFacet::of).collect())
    }

    /// What the run told of its outputs as it made them, such as `outputStatistics`: each facet as last sent, sorted by
    /// dataset and name. Needs operational rights.
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn output_facets(&self, ctx: &Context<'_>) -> Result<Vec<RunDatasetFacet>> {
        let found = self.latest_facets(ctx, |place| matches!(place, Place::OutputSide(_))).await?;
        Ok(found.into_iter().filter_map(RunDatasetFacet::of).collect())
    }
}

/// From a run's earliest event to its end, in milliseconds.
pub fn duration_ms(run: &RunFacts) -> Option<u64> {
    run.ended_at.map(|end| end.0.saturating_sub(run.started_at.0).max(0).unsigned_abs() / 1000)
}

/// A facet of a run.
#[derive(SimpleObject, Clone)]
pub struct RunFacet {
    /// The facet's name.
    pub name: String,
    /// The entry that holds it.
    pub recorded_from: Long,
    /// The content as received, people's values as their handles.
    pub json: Json,
}

/// A facet of a dataset that is true of one run.
#[derive(SimpleObject, Clone)]
pub struct RunDatasetFacet {
    /// The dataset, as the event names it.
    pub dataset: Name,
    /// The facet's name.
    pub name: String,
    /// The entry that holds it.
    pub recorded_from: Long,
    /// The content as received, people's values as their handles.
    pub json: Json,
}

impl RunDatasetFacet {
    fn of(((dataset, name), (recorded_from, json)): (FacetKey, (Long, Json))) -> Option<Self> {
        let (namespace, of) = dataset?;
        Some(Self { dataset: Name { namespace, name: of }, name, recorded_from, json })
    }
}

/// The dataset that a facet is about, where there is one, and the facet's name.
type FacetKey = (Option<(String, String)>, String);
