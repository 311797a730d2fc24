//! Which entries changed what is known of an artifact, and why.
use async_graphql::{
    ComplexObject, Context, Enum, SimpleObject,
    connection::{Connection, Edge},
};

use super::{
    super::{
        context::{reading, request},
        cursor::{Cursor, NotACursor, Position},
        error::{ApiError, Result},
        scalar::{DateTime, Long},
    },
    Actor,
    artifact::Artifact,
    event::LedgerEvent,
};
use crate::domain::{
    catalog::{EntryFacts, PartState},
    entry::part::PartClass,
    history,
    lineage::NodeKey,
};

/// What an entry changed of an artifact.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "history::ChangeKind")]
pub enum ArtifactChangeKind {
    /// It was named for the first time.
    Named,
    /// A facet began, changed or ended.
    Facet,
    /// A flow from or to it began, ended, or was stated over another stretch of time.
    Flow,
    /// It was dropped, renamed or retired.
    Ended,
    /// A name was joined to it, or set apart, by a symlink or a rename.
    Alias,
}

/// An entry that changed what is known of an artifact.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct ArtifactChange {
    /// The entry's index.
    pub index: Long,
    /// What it changed.
    pub kinds: Vec<ArtifactChangeKind>,
    /// The facets that it changed, sorted by name.
    pub facets: Vec<String>,
}

impl ArtifactChange {
    async fn entry(&self, ctx: &Context<'_>) -> Result<std::sync::Arc<EntryFacts>> {
        reading(ctx).await?.entry(self.index.0).await?.ok_or_else(ApiError::internal)
    }
}

#[ComplexObject]
impl ArtifactChange {
    /// Who recorded it, by handle.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<Actor>> {
        Ok(self.entry(ctx).await?.actor.map(Actor::from))
    }

    /// The event's own time.
    async fn time(&self, ctx: &Context<'_>) -> Result<DateTime> {
        Ok(DateTime(self.entry(ctx).await?.time))
    }

    /// When it was recorded.
    async fn recorded_at(&self, ctx: &Context<'_>) -> Result<DateTime> {
        Ok(DateTime(self.entry(ctx).await?.recorded_at))
    }

    /// Why, in the words of who did it; none for what an integration reported, and where the caller may not read it.
    async fn reason(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(reason(&*self.entry(ctx).await?))
    }

    /// The evidence.
    #[graphql(complexity = "3 + child_complexity")]
    async fn event(&self, ctx: &Context<'_>) -> Result<LedgerEvent> {
        Ok(LedgerEvent(self.entry(ctx).await?))
    }
}

/// The `reason` of an entry that somebody made on purpose, from the parts that the caller may read.
fn reason(entry: &EntryFacts) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Stated {
        reason: String,
    }
    if entry.event_type.starts_with("openlineage.") {
        return None;
    }
    let open = entry.parts.iter().filter(|p| matches!(p.class, PartClass::Core | PartClass::Rest));
    let mut stated = open.filter_map(|p| match &p.state {
        PartState::Open { bytes, .. } => serde_json::from_slice::<Stated>(bytes).ok(),
        PartState::Forbidden | PartState::Destroyed { .. } => None,
    });
    stated.next().map(|s| s.reason)
}

/// A page of an artifact's changes.
pub(super) async fn page(
    ctx: &Context<'_>,
    artifact: &Artifact,
    first: usize,
    after: Option<String>,
) -> Result<Connection<String, ArtifactChange>> {
    let key = &request(ctx)?.cursor_key;
    let foreign = || ApiError::input("after", NotACursor.to_string());
    let (before, as_of) = match after.map(|text| key.open(&text)).transpose().map_err(|_| foreign())? {
        Some(Cursor { as_of, position: Position::Change(index) }) => (Some(index), as_of),
        Some(_) => return Err(foreign()),
        None => (None, artifact.as_of),
    };
    let node = NodeKey::Artifact(artifact.facts.key.artifact());
    let found = reading(ctx).await?.changes(node, before, first + 1, as_of).await?;
    let mut connection = Connection::new(before.is_some(), found.len() > first);
    connection.edges.extend(found.iter().take(first).map(|change| {
        let cursor = key.seal(&Cursor { as_of, position: Position::Change(change.entry) });
        let node = ArtifactChange {
            index: Long(change.entry),
            kinds: change.kinds.iter().copied().map(Into::into).collect(),
            facets: change.facets.iter().map(|f| f.to_string()).collect(),
        };
        Edge::new(cursor, node)
    }));
    Ok(connection)
}
