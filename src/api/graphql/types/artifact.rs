//! An artifact's page.
use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject, connection::Connection};

use super::{
    super::{
        context::{reading, request},
        error::Result,
        id::GlobalId,
        input::{ArtifactKind, PAGE_DEFAULT, PAGE_MAX, price, size},
        scalar::{self, DateTime, Json, Long},
    },
    Actor, Name,
    change::{self, ArtifactChange},
    facets,
    history::{FieldHistoryItem, SchemaVersion, VERSIONS_MAX},
    lineage::Direction,
    neighbours::{NEIGHBOURS_MAX, Neighbours},
    quality::{self, QUALITY_RUNS_MAX, RunQuality},
    run::Run,
    run_statistics::RunStatistics,
    versions::ArtifactVersion,
    viewer::{Permission, permitted},
};
use crate::{
    access::Action,
    domain::{
        catalog::{ArtifactFacts, FacetFacts, OwnerFacts},
        kind,
        lineage::{AsOf, NodeKey},
    },
    interop::openlineage::{facets as read, readable_sql},
};

/// The most runs of one job in one answer.
const RUNS_MAX: i32 = 100;

/// Anything that has provenance, as one instant saw it.
#[derive(Clone)]
pub struct Artifact {
    pub facts: Arc<ArtifactFacts>,
    pub as_of: AsOf,
}

impl Artifact {
    fn named(&self, name: &'static str) -> impl Iterator<Item = (&FacetFacts, &[u8])> {
        self.facts.facets.iter().filter(move |f| &*f.name == name).filter_map(|f| Some((f, f.bytes.as_deref()?)))
    }

    /// The facet of that name that was asserted last.
    fn latest(&self, name: &'static str) -> Option<&[u8]> {
        self.named(name).max_by_key(|(f, _)| f.valid_from).map(|(_, bytes)| bytes)
    }
}

/// Anything that has provenance, as one instant saw it.
#[Object]
impl Artifact {
    /// The artifact's id.
    pub async fn id(&self) -> ID {
        GlobalId::of_node(&self.facts.key).into()
    }

    /// What it is.
    async fn kind(&self) -> ArtifactKind {
        self.facts.kind.into()
    }

    /// The namespace.
    async fn namespace(&self) -> &str {
        &self.facts.name.namespace
    }

    /// The name inside the namespace.
    async fn name(&self) -> &str {
        &self.facts.name.name
    }

    /// The other names that were this artifact at that instant, by symlinks and renames.
    async fn aliases(&self) -> Vec<Name> {
        self.facts.aliases.iter().map(Name::from).collect()
    }

    /// The id as Marquez writes it; none for kinds that Marquez does not have.
    async fn node_id(&self) -> Option<String> {
        let Name { namespace, name } = Name::from(&self.facts.name);
        match (&self.facts.key, self.facts.kind) {
            (NodeKey::Field(_, path), _) => {
                let dataset = name.strip_suffix(&**path).and_then(|n| n.strip_suffix('.')).unwrap_or(&name);
                Some(format!("datasetField:{namespace}:{dataset}:{path}"))
            }
            (_, kind::ArtifactKind::Dataset) => Some(format!("dataset:{namespace}:{name}")),
            (_, kind::ArtifactKind::Job) => Some(format!("job:{namespace}:{name}")),
            (_, kind::ArtifactKind::Run) => Some(format!("run:{name}")),
            _ => None,
        }
    }

    /// The earliest event time that names it.
    async fn valid_from(&self) -> DateTime {
        DateTime(self.facts.valid_from)
    }

    /// When its life ended, where it is not alive at that instant.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.facts.deleted_at.map(DateTime)
    }

    /// The entry that first named it.
    async fn recorded_from(&self) -> Long {
        Long(self.facts.recorded_from)
    }

    /// What it is for, in words: the latest documentation.
    async fn description(&self) -> Option<String> {
        self.latest("documentation").and_then(read::documentation).map(|d| d.description.into())
    }

    /// What each source says that it is for.
    async fn documentation(&self) -> Vec<Documentation> {
        let one = |(f, bytes): (&FacetFacts, &[u8])| {
            let read = read::documentation(bytes)?;
            Some(Documentation {
                text: read.description.into(),
                content_type: read.content_type.map(Into::into),
                source: f.source.label(),
                valid_from: DateTime(f.valid_from),
            })
        };
        self.named("documentation").filter_map(one).collect()
    }

    /// Its columns, as each source lists them.
    #[graphql(complexity = "10 + 20 * child_complexity")]
    async fn schema(&self) -> Vec<ArtifactSchema> {
        let one = |(f, bytes): (&FacetFacts, &[u8])| {
            let read = read::schema(bytes)?;
            let field = |f: crate::domain::assertion::SchemaField| SchemaField {
                path: f.path.into(),
                data_type: f.data_type.map(Into::into),
                description: f.description.map(Into::into),
            };
            Some(ArtifactSchema {
                fields: read.fields.into_iter().map(field).collect(),
                source: f.source.label(),
                valid_from: DateTime(f.valid_from),
            })
        };
        self.named("schema").filter_map(one).collect()
    }

    /// How its columns changed: the versions of each source in valid time, newest first, each with what became of the
    /// columns since the same source's version before.
    #[graphql(complexity = "10 + price(Some(first), 10, VERSIONS_MAX, child_complexity)")]
    async fn schema_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 10, desc = "How many versions at most; at most 100.")] first: i32,
    ) -> Result<Vec<SchemaVersion>> {
        self.schema_versions(ctx, size("first", first, VERSIONS_MAX)?).await
    }

    /// What became of one column: when each source listed it, changed its type, listed it no longer; newest first. The
    /// latest 1,000 versions of the schema are looked at. A column that was renamed is one removed and one added.
    #[graphql(complexity = "50 + price(Some(first), 20, VERSIONS_MAX, child_complexity)")]
    async fn field_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The column's dotted path; of a `FIELD` its own without it, of anything else then nothing.")] path: Option<String>,
        #[graphql(default = 20, desc = "How many changes at most; at most 100.")] first: i32,
    ) -> Result<Vec<FieldHistoryItem>> {
        self.field_changes(ctx, path.as_deref(), size("first", first, VERSIONS_MAX)?).await
    }

    /// The facets in force, each by source, sorted by name.
    #[graphql(complexity = "10 + 10 * child_complexity")]
    async fn facets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only facets with these names.")] names: Option<Vec<String>>,
    ) -> Result<Vec<Facet>> {
        let principal = &request(ctx)?.principal;
        let wanted = |f: &FacetFacts| names.as_ref().is_none_or(|names| names.iter().any(|n| **n == *f.name));
        let one = |f: &FacetFacts| {
            let state = match (&f.bytes, !f.withheld && principal.may(facets::needed(&f.name))) {
                (_, false) => FacetState::Forbidden,
                (None, true) => FacetState::Elsewhere,
                (Some(_), true) => FacetState::Open,
            };
            Facet {
                name: f.name.to_string(),
                source: f.source.label(),
                job: f.job.map(|job| GlobalId::of_artifact(job).into()),
                valid_from: DateTime(f.valid_from),
                valid_until: DateTime::end(f.valid_until),
                recorded_from: Long(f.recorded_from),
                digest: (state == FacetState::Open).then(|| hex::encode(f.digest)),
                state,
                json: facets::readable(f, principal).and_then(scalar::json),
            }
        };
        Ok(self.facts.facets.iter().filter(|f| wanted(f)).map(one).collect())
    }

    /// What the caller may do with it: what changes it is bounded by the namespaces of the caller's token.
    async fn viewer_can(&self, ctx: &Context<'_>) -> Result<Vec<Permission>> {
        let view = &reading(ctx).await?.view;
        let touched = [&*self.facts.name.namespace];
        Ok(permitted(|action, writes| view.may_with(action, touched.get(..usize::from(writes)).unwrap_or_default())))
    }

    /// Who is responsible, by handle.
    async fn owners(&self) -> Vec<Owner> {
        self.facts.owners.iter().map(Owner::from).collect()
    }

    /// Tags, as each source sets them.
    async fn tags(&self) -> Vec<Tag> {
        self.named("tags")
            .flat_map(|(f, bytes)| {
                read::tags(bytes).into_iter().map(|t| Tag {
                    key: t.key.into(),
                    value: t.value.into(),
                    field: t.field.map(Into::into),
                    assigned_by: t.source.map(Into::into),
                    source: f.source.label(),
                })
            })
            .collect()
    }

    /// The job's SQL, its literals replaced.
    async fn sql(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = false, desc = "With its literals; needs operational rights.")] raw: bool,
    ) -> Result<Option<String>> {
        if raw {
            let request = request(ctx)?;
            request.app.require(&request.principal, Action::ReadOperational)?;
        }
        let sql = self.latest("sql").and_then(read::sql).map(|s| s.query);
        Ok(sql.map(|query| if raw { query.into() } else { readable_sql(&query) }))
    }

    /// What kind of job it is.
    async fn job_type(&self) -> Option<JobType> {
        let read = self.latest("jobType").and_then(read::job_type)?;
        Some(JobType {
            processing_type: read.processing_type.map(Into::into),
            integration: read.integration.map(Into::into),
            job_type: read.job_type.map(Into::into),
        })
    }

    /// The versions of its definition that were recorded, newest first. Empty where nobody registered it.
    #[graphql(complexity = "5 + price(Some(first), 10, RUNS_MAX, child_complexity)")]
    async fn versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 10, desc = "How many at most; at most 100.")] first: i32,
    ) -> Result<Vec<ArtifactVersion>> {
        let first = size("first", first, RUNS_MAX)?;
        let versions = reading(ctx).await?.versions(self.facts.key.artifact(), first + 1, self.as_of).await?;
        Ok(ArtifactVersion::list(&versions, first))
    }

    /// The latest runs of a job, or of any job that read or wrote a dataset, newest first; of anything else none.
    #[graphql(complexity = "5 + price(Some(first), 10, RUNS_MAX, child_complexity)")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 10, desc = "How many at most; at most 100.")] first: i32,
    ) -> Result<Vec<Run>> {
        let first = size("first", first, RUNS_MAX)?;
        let (reading, id) = (reading(ctx).await?, self.facts.key.artifact());
        let runs = match self.facts.kind {
            kind::ArtifactKind::Job => reading.runs_of(id, first, self.as_of).await?,
            kind::ArtifactKind::Dataset => reading.runs_of_dataset(id, first, self.as_of).await?,
            _ => return Ok(Vec::new()),
        };
        Ok(runs.into_iter().map(|facts| Run { facts, as_of: self.as_of }).collect())
    }

    /// How the latest runs of a job went; of anything else none.
    #[graphql(complexity = "5 + price(Some(last), 20, RUNS_MAX, 1) + child_complexity")]
    async fn run_statistics(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20, desc = "Over how many runs at most; at most 100.")] last: i32,
    ) -> Result<Option<RunStatistics>> {
        let last = size("last", last, RUNS_MAX)?;
        if self.facts.kind != kind::ArtifactKind::Job {
            return Ok(None);
        }
        let runs = reading(ctx).await?.runs_of(self.facts.key.artifact(), last, self.as_of).await?;
        Ok(Some(RunStatistics::over(&runs)))
    }

    /// What the latest runs that read or wrote a dataset found of it, newest first: checks with their results, and measures.
    /// Of anything else nothing; none where the caller has no operational rights.
    #[graphql(complexity = "10 + price(Some(runs), 5, QUALITY_RUNS_MAX, child_complexity + 10)")]
    async fn quality(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 5, desc = "Over how many runs at most; at most 50.")] runs: i32,
    ) -> Result<Option<Vec<RunQuality>>> {
        quality::of_runs(ctx, self, size("runs", runs, QUALITY_RUNS_MAX)?).await
    }

    /// What is next to it: of a dataset jobs, of a job datasets, of a column columns.
    #[graphql(complexity = "10 + price(Some(first), 10, NEIGHBOURS_MAX, child_complexity)")]
    async fn neighbours(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which way.")] direction: Direction,
        #[graphql(default = 10, desc = "How many to show at most; at most 200. All are counted.")] first: i32,
    ) -> Result<Neighbours> {
        Neighbours::of(ctx, self, direction.into(), size("first", first, NEIGHBOURS_MAX)?).await
    }

    /// The entries that changed what is known of it, newest first; of a column those of its dataset. A later page stands on
    /// the instant of the first one.
    #[graphql(complexity = "10 + price(first, PAGE_DEFAULT, PAGE_MAX, child_complexity)")]
    async fn changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many; 20 without it, at most 200.")] first: Option<i32>,
        #[graphql(desc = "After this cursor of an earlier page.")] after: Option<String>,
    ) -> Result<Connection<String, ArtifactChange>> {
        change::page(ctx, self, size("first", first.unwrap_or(PAGE_DEFAULT), PAGE_MAX)?, after).await
    }
}

/// A text about an artifact.
#[derive(SimpleObject, Clone, Debug)]
pub struct Documentation {
    /// The text.
    pub text: String,
    /// Its media type, where told.
    pub content_type: Option<String>,
    /// Who says so.
    pub source: String,
    /// Since when.
    pub valid_from: DateTime,
}

/// The columns of an artifact, as one source lists them.
#[derive(SimpleObject, Clone, Debug)]
pub struct ArtifactSchema {
    /// The columns in the source's order, nested ones as dotted paths.
    pub fields: Vec<SchemaField>,
    /// Who says so.
    pub source: String,
    /// Since when.
    pub valid_from: DateTime,
}

/// A column.
#[derive(SimpleObject, Clone, Debug)]
pub struct SchemaField {
    /// The dotted path from the top.
    pub path: String,
    /// The type in the source's words.
    #[graphql(name = "type")]
    pub data_type: Option<String>,
    /// What it holds, in words.
    pub description: Option<String>,
}

/// Whether a facet's content is shown.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum FacetState {
    /// It is.
    Open,
    /// The caller's rights do not reach it, or it names something that they do not reach.
    Forbidden,
    /// It is not kept beside the graph: it holds a person, varies by run, or is destroyed. The entry `recordedFrom` tells.
    Elsewhere,
}

/// A facet in force, as one source asserts it.
#[derive(SimpleObject, Clone)]
pub struct Facet {
    /// The facet's name.
    pub name: String,
    /// Who says so.
    pub source: String,
    /// The job that said so, for facets kept by job.
    pub job: Option<ID>,
    /// Since when.
    pub valid_from: DateTime,
    /// Until when; none where it is open-ended.
    pub valid_until: Option<DateTime>,
    /// The entry that holds it.
    pub recorded_from: Long,
    /// SHA-256 of the received bytes, hexadecimal; none where the content is not
    /// shown, since short content could be guessed from it.
    pub digest: Option<String>,
    /// Whether the content is shown.
    pub state: FacetState,
    /// The content as received, people's values as their handles.
    pub json: Option<Json>,
}

/// Somebody responsible for an artifact.
#[derive(SimpleObject, Clone, Debug)]
pub struct Owner {
    /// Who, by handle.
    pub actor: Actor,
    /// As what, such as `MAINTAINER`.
    pub role: Option<String>,
    /// Who says so.
    pub source: String,
    /// Since when.
    pub since: DateTime,
    /// The entry that says so.
    pub recorded_from: Long,
}

impl From<&OwnerFacts> for Owner {
    fn from(o: &OwnerFacts) -> Self {
        Self {
            actor: o.handle.into(),
            role: o.role.as_deref().map(str::to_owned),
            source: o.source.label(),
            since: DateTime(o.since),
            recorded_from: Long(o.recorded_from),
        }
    }
}

/// A tag on an artifact or on one of its columns.
#[derive(SimpleObject, Clone, Debug)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// The column that it is on; none: the whole artifact.
    pub field: Option<String>,
    /// Where the tag comes from, in the producer's words.
    pub assigned_by: Option<String>,
    /// Who says so.
    pub source: String,
}

/// What kind of job it is, in OpenLineage's words.
#[derive(SimpleObject, Clone, Debug)]
pub struct JobType {
    /// `BATCH` or `STREAMING`.
    pub processing_type: Option<String>,
    /// `SPARK`, `DBT`, `AIRFLOW` and so on.
    pub integration: Option<String>,
    /// `QUERY`, `DAG`, `TASK`, `MODEL` and so on.
    pub job_type: Option<String>,
}
