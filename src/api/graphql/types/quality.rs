//! What runs found of a dataset: checks with their results, and measures.
use std::collections::BTreeMap;

use async_graphql::{Context, SimpleObject};

use super::{
    super::{
        context::reading,
        error::Result,
        scalar::{self, Json, Long},
    },
    artifact::Artifact,
    run::Run,
};
use crate::{
    access::Action,
    domain::kind::ArtifactKind,
    interop::openlineage::{Place, facets as read, facets_of},
};

/// The most runs of one dataset in one answer.
pub const QUALITY_RUNS_MAX: i32 = 50;
/// The latest events of one run that are looked at.
const EVENTS_MAX: usize = 200;

/// One check of a dataset and how it went.
#[derive(SimpleObject, Clone, Debug)]
pub struct QualityAssertion {
    /// What was checked, such as `not_null`.
    pub assertion: String,
    /// The column that was checked; none: the whole dataset.
    pub column: Option<String>,
    /// Whether it held.
    pub success: bool,
    /// How bad it is where it does not hold, in the producer's words.
    pub severity: Option<String>,
}

/// What one run found of a dataset, and how much it read or wrote of it.
#[derive(SimpleObject, Clone)]
pub struct RunQuality {
    /// The run.
    pub run: Run,
    /// Its checks, as last sent.
    pub assertions: Vec<QualityAssertion>,
    /// How many of them did not hold.
    pub failed: i32,
    /// Its `dataQualityMetrics`, as last sent.
    pub metrics: Option<Json>,
    /// Rows that it wrote; of a run that only read, rows that it read or counted.
    pub rows: Option<Long>,
    /// The same in bytes.
    pub bytes: Option<Long>,
    /// The same in files.
    pub files: Option<Long>,
    /// The entries that say so, in the ledger's order.
    pub recorded_in: Vec<Long>,
}

/// Facets of which each is told as last sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    /// The best counts come first.
    Written,
    Read,
    Metrics,
    Assertions,
}

impl Told {
    fn of(place: Place, name: &str) -> Option<Self> {
        let dataset = !matches!(place, Place::Run | Place::Job);
        match name {
            "outputStatistics" if matches!(place, Place::OutputSide(_)) => Some(Self::Written),
            "inputStatistics" if matches!(place, Place::InputSide(_)) => Some(Self::Read),
            "dataQualityMetrics" if dataset => Some(Self::Metrics),
            "dataQualityAssertions" if dataset => Some(Self::Assertions),
            _ => None,
        }
    }
}

/// What the latest runs found of a dataset, newest first; `None` without operational rights.
pub(super) async fn of_runs(ctx: &Context<'_>, artifact: &Artifact, limit: usize) -> Result<Option<Vec<RunQuality>>> {
    let reading = reading(ctx).await?;
    if !reading.view.may(Action::ReadOperational) {
        return Ok(None);
    }
    if artifact.facts.kind != ArtifactKind::Dataset {
        return Ok(Some(Vec::new()));
    }
    let runs = reading.runs_of_dataset(artifact.facts.key.artifact(), limit, artifact.as_of).await?;
    let latest = |entries: &[u64]| entries.get(entries.len().saturating_sub(EVENTS_MAX)..).unwrap_or_default().to_vec();
    let wanted: Vec<u64> = runs.iter().flat_map(|r| latest(&r.entries)).collect();
    let bodies: BTreeMap<u64, _> = reading.shown(&wanted).await?.into_iter().collect();
    let is_it = |namespace: &str, name: &str| {
        let names = std::iter::once(&artifact.facts.name).chain(&artifact.facts.aliases);
        names.into_iter().any(|n| *n.namespace == *namespace && *n.name == *name)
    };
    let mut found = Vec::with_capacity(runs.len());
    for run in runs {
        let mut told: BTreeMap<Told, (u64, Box<str>)> = BTreeMap::new();
        for index in latest(&run.entries) {
            let Some(body) = bodies.get(&index) else { continue };
            // Received events were read once already; one that cannot be read again has nothing to show.
            for facet in facets_of(body).unwrap_or_default() {
                let about_it = facet.dataset.as_ref().is_some_and(|(namespace, name)| is_it(namespace, name));
                if let Some(what) = Told::of(facet.place, &facet.name).filter(|_| about_it) {
                    told.insert(what, (index, facet.raw.into()));
                }
            }
        }
        found.push(RunQuality::of(Run { facts: run, as_of: artifact.as_of }, &told));
    }
    Ok(Some(found))
}

impl RunQuality {
    fn of(run: Run, told: &BTreeMap<Told, (u64, Box<str>)>) -> Self {
        let raw = |what| told.get(&what).map(|(_, raw)| raw.as_bytes());
        let assertions: Vec<QualityAssertion> = raw(Told::Assertions)
            .map(read::data_quality_assertions)
            .unwrap_or_default()
            .into_iter()
            .map(|a| QualityAssertion {
                assertion: a.assertion.into(),
                column: a.column.map(Into::into),
                success: a.success,
                severity: a.severity.map(Into::into),
            })
            .collect();
        let counted: Vec<read::Statistics> =
            [Told::Written, Told::Read, Told::Metrics].into_iter().filter_map(|what| read::statistics(raw(what)?)).collect();
        let first =
            |member: fn(&read::Statistics) -> Option<i64>| counted.iter().find_map(member).and_then(|n| u64::try_from(n).ok()).map(Long);
        let mut recorded_in: Vec<u64> = told.values().map(|(index, _)| *index).collect();
        recorded_in.sort_unstable();
        recorded_in.dedup();
        Self {
            run,
            failed: i32::try_from(assertions.iter().filter(|a| !a.success).count()).unwrap_or(i32::MAX),
            assertions,
            metrics: raw(Told::Metrics).and_then(scalar::json),
            rows: first(|s| s.rows),
            bytes: first(|s| s.bytes),
            files: first(|s| s.files),
            recorded_in: recorded_in.into_iter().map(Long).collect(),
        }
    }
}
