//! How an artifact's columns came to be what they are.
use async_graphql::{ComplexObject, Context, Enum, SimpleObject};

use super::{
    super::{
        context::reading,
        error::Result,
        scalar::{DateTime, Long},
    },
    artifact::{Artifact, SchemaField},
    event::LedgerEvent,
};
use crate::{
    domain::{
        assertion::{self, Schema},
        history::{Before, FacetVersion, FieldChange, schema_diff},
        lineage::NodeKey,
    },
    interop::openlineage::facets as read,
};

/// The most versions in one answer.
pub const VERSIONS_MAX: i32 = 100;
/// How far back one column's changes are looked for.
pub const LOOKED_AT_MAX: usize = 1000;

/// What became of a column.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldChangeKind {
    /// The source lists it, and did not before.
    Added,
    /// The source lists it no longer.
    Removed,
    /// It has another type.
    Retyped,
}

/// What became of one column from one version of a schema to the next.
#[derive(SimpleObject, Clone, Debug)]
pub struct SchemaChange {
    /// What became of it.
    pub kind: FieldChangeKind,
    /// The dotted path from the top.
    pub path: String,
    /// The type before; none where it was not listed, or without a type.
    pub type_before: Option<String>,
    /// The type since; none where it is not listed, or without a type.
    pub type_after: Option<String>,
}

impl From<FieldChange> for SchemaChange {
    fn from(change: FieldChange) -> Self {
        let path = change.path().to_owned();
        let (kind, before, after) = match change {
            FieldChange::Added(f) => (FieldChangeKind::Added, None, f.data_type),
            FieldChange::Removed(f) => (FieldChangeKind::Removed, f.data_type, None),
            FieldChange::Retyped(old, new) => (FieldChangeKind::Retyped, old.data_type, new.data_type),
        };
        Self { kind, path, type_before: before.map(Into::into), type_after: after.map(Into::into) }
    }
}

/// The columns as one source listed them in one stretch of time.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct SchemaVersion {
    /// The columns in the source's order, nested ones as dotted paths. None where the source took its list back.
    pub fields: Vec<SchemaField>,
    /// What became of the columns since the same source's version before, sorted by path; all are added in its first.
    /// None where one of the two contents is destroyed.
    pub changes: Option<Vec<SchemaChange>>,
    /// Whether the source took its list back here.
    pub deleted: bool,
    /// SHA-256 of the content as received, hexadecimal.
    pub hash: String,
    /// Who says so.
    pub source: String,
    /// Since when.
    pub valid_from: DateTime,
    /// Until when; none where it is open-ended.
    pub valid_until: Option<DateTime>,
    /// The entry that says so.
    pub recorded_from: Long,
}

#[ComplexObject]
impl SchemaVersion {
    /// The evidence: the entry that says so.
    #[graphql(complexity = "3 + child_complexity")]
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<LedgerEvent>> {
        Ok(reading(ctx).await?.entry(self.recorded_from.0).await?.map(LedgerEvent))
    }
}

/// The columns of a version and of the one before it; `None` where destroyed.
fn columns(version: &FacetVersion) -> (Option<Schema>, Option<Schema>) {
    let before = match &version.before {
        Before::Nothing | Before::Deleted => Some(Schema::default()),
        Before::Said(bytes) => bytes.as_deref().and_then(read::schema),
    };
    let after = if version.deleted { Some(Schema::default()) } else { version.facts.bytes.as_deref().and_then(read::schema) };
    (before, after)
}

impl From<&FacetVersion> for SchemaVersion {
    fn from(version: &FacetVersion) -> Self {
        let (before, after) = columns(version);
        let changes = before.zip(after.as_ref()).map(|(before, after)| schema_diff(&before, after));
        let field = |f: assertion::SchemaField| SchemaField {
            path: f.path.into(),
            data_type: f.data_type.map(Into::into),
            description: f.description.map(Into::into),
        };
        let f = &version.facts;
        Self {
            fields: after.unwrap_or_default().fields.into_iter().map(field).collect(),
            changes: changes.map(|c| c.into_iter().map(Into::into).collect()),
            deleted: version.deleted,
            hash: hex::encode(f.digest),
            source: f.source.label(),
            valid_from: DateTime(f.valid_from),
            valid_until: DateTime::end(f.valid_until),
            recorded_from: Long(version.entry),
        }
    }
}

/// What became of one column at one instant, by one source.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct FieldHistoryItem {
    /// What became of it.
    pub kind: FieldChangeKind,
    /// The type before; none where it was not listed, or without a type.
    pub type_before: Option<String>,
    /// The type since; none where it is not listed, or without a type.
    pub type_after: Option<String>,
    /// Who says so.
    pub source: String,
    /// When.
    pub valid_from: DateTime,
    /// The entry that says so.
    pub recorded_from: Long,
}

#[ComplexObject]
impl FieldHistoryItem {
    /// The evidence: the entry that says so.
    #[graphql(complexity = "3 + child_complexity")]
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<LedgerEvent>> {
        Ok(reading(ctx).await?.entry(self.recorded_from.0).await?.map(LedgerEvent))
    }
}

impl Artifact {
    pub(super) async fn schema_versions(&self, ctx: &Context<'_>, first: usize) -> Result<Vec<SchemaVersion>> {
        let key = NodeKey::Artifact(self.facts.key.artifact());
        let versions = reading(ctx).await?.facet_versions(key, "schema", first, self.as_of).await?;
        Ok(versions.iter().map(SchemaVersion::from).collect())
    }

    pub(super) async fn field_changes(&self, ctx: &Context<'_>, path: Option<&str>, first: usize) -> Result<Vec<FieldHistoryItem>> {
        let path = match (path, &self.facts.key) {
            (Some(path), _) => path,
            (None, NodeKey::Field(_, path)) => path,
            (None, NodeKey::Artifact(_) | NodeKey::Run(..)) => return Ok(Vec::new()),
        };
        let key = NodeKey::Artifact(self.facts.key.artifact());
        let versions = reading(ctx).await?.facet_versions(key, "schema", LOOKED_AT_MAX, self.as_of).await?;
        let changes = versions.iter().filter_map(|version| {
            let (before, after) = columns(version);
            let change = schema_diff(&before?, &after?).into_iter().find(|c| c.path() == path)?;
            let SchemaChange { kind, type_before, type_after, .. } = change.into();
            let f = &version.facts;
            let (valid_from, recorded_from) = (DateTime(f.valid_from), Long(version.entry));
            Some(FieldHistoryItem { kind, type_before, type_after, source: f.source.label(), valid_from, recorded_from })
        });
        Ok(changes.take(first).collect())
    }
}
