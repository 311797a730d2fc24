//! What an artifact's page asks beyond its facts.
use super::View;
use crate::{
    access::Action,
    app::AppError,
    domain::{
        catalog::RunFacts,
        history::{ArtifactChange, FacetVersion},
        id::{EntryIndex, NodeId},
        lineage::{AsOf, Collapse, Direction, Level, NodeKey, Walk, WalkAnswer},
    },
};

impl View {
    /// Versions of one facet of each artifact, newest first.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`.
    pub async fn facet_versions(
        &self,
        keys: &[NodeKey],
        name: &str,
        limit: usize,
        as_of: AsOf,
    ) -> Result<Vec<Vec<FacetVersion>>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.facet_versions(keys, name, limit, as_of).await?)
    }

    /// The entries that changed something of each artifact, newest first.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`.
    pub async fn changes(
        &self,
        keys: &[NodeKey],
        before: Option<EntryIndex>,
        limit: usize,
        as_of: AsOf,
    ) -> Result<Vec<Vec<ArtifactChange>>, AppError> {
        self.require(Action::ReadCore)?;
        Ok(self.snapshot.changes(keys, before, limit, as_of).await?)
    }

    /// The latest runs that read or wrote each dataset, newest first.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`.
    pub async fn runs_of_datasets(&self, datasets: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.runs_of_datasets(datasets, limit, as_of).await?)
    }

    /// What is next to each node, at most `limit` neighbours of each; the rest is counted.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`, `DEADLINE_EXCEEDED`.
    pub async fn neighbours(&self, keys: &[NodeKey], direction: Direction, limit: usize, as_of: AsOf) -> Result<Vec<WalkAnswer>, AppError> {
        self.require(Action::ReadLineage)?;
        let walk = |key: &NodeKey| Walk {
            from: vec![key.clone()],
            direction,
            level: if matches!(key, NodeKey::Field(..)) { Level::Field } else { Level::Artifact },
            depth: 1,
            nodes_max: limit + 1,
            per_node_max: limit,
            collapse: Collapse::None,
            include_deleted: false,
            include_self_loops: false,
            leave_out_hidden: true,
            as_of,
            since: as_of.valid_at,
            deadline: self.deadline,
        };
        Ok(self.snapshot.walks(keys.iter().map(walk).collect()).await?)
    }
}
