//! Paths between two nodes.
use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    super::{context::reading, error::Result, id::GlobalId, input::ArtifactKind},
    artifact::Artifact,
    lineage::{Answered, CompletenessStatus, IncompleteReason, LineageEdge, ResolvedAsOf, dataset_of},
};
use crate::domain::{
    lineage::{self as domain, WalkNode},
    paths::Path,
};

/// The most paths of one answer.
pub const PATHS_MAX: i32 = 100;
/// How many nodes a path is taken to have when its price is told.
pub const PATH_NODES: usize = 20;

/// Paths the way the data goes, the shortest first, of equal length in order of the ids of their nodes. None holds a node twice.
pub struct LineagePaths {
    pub all: Arc<Answered>,
    pub found: Vec<Path>,
    pub more: Option<bool>,
    pub status: domain::CompletenessStatus,
    pub reasons: Vec<domain::IncompleteReason>,
}

/// Paths the way the data goes, the shortest first, of equal length in order of the ids of their nodes. None holds a node twice.
#[Object]
impl LineagePaths {
    /// The paths.
    async fn paths(&self) -> Vec<LineagePath> {
        self.found.iter().map(|path| LineagePath { all: self.all.clone(), path: path.clone() }).collect()
    }

    /// Whether there are more than these; none where the search was cut before that was known.
    async fn more_exist(&self) -> Option<bool> {
        self.more
    }

    /// Whether all paths were looked at that could come first. If not, those found are paths, and others as short may be missing.
    async fn status(&self) -> CompletenessStatus {
        self.status.into()
    }

    /// Why not all was looked at, each reason once.
    async fn reasons(&self) -> Vec<IncompleteReason> {
        self.reasons.iter().map(|r| (*r).into()).collect()
    }

    /// The instant that the answer is about.
    async fn as_of(&self) -> ResolvedAsOf {
        ResolvedAsOf { as_of: self.all.as_of, root: self.all.root }
    }
}

/// One way from node to node.
pub struct LineagePath {
    all: Arc<Answered>,
    path: Path,
}

/// One way from node to node.
#[Object]
impl LineagePath {
    /// How many hops.
    async fn length(&self) -> usize {
        self.path.nodes.len().saturating_sub(1)
    }

    /// The nodes, from the first to the last.
    async fn nodes(&self) -> Vec<PathNode> {
        let node = |at: &u32| self.all.walk.nodes.get(*at as usize).cloned();
        self.path.nodes.iter().filter_map(node).map(|node| PathNode { node, all: self.all.clone() }).collect()
    }

    /// The edges, in order; between two columns one for each job.
    async fn edges(&self) -> Vec<LineageEdge> {
        self.path.edges.iter().map(|at| LineageEdge::new(self.all.clone(), *at as usize)).collect()
    }
}

/// A node on a path: an artifact, or one column of a dataset.
pub struct PathNode {
    node: WalkNode,
    all: Arc<Answered>,
}

/// A node on a path: an artifact, or one column of a dataset.
#[Object]
impl PathNode {
    /// The node's id; `node(id:)` and `ArtifactRef.id` take it.
    async fn id(&self) -> ID {
        GlobalId::of_node(&self.node.key).into()
    }

    /// What it is.
    async fn kind(&self) -> ArtifactKind {
        self.node.kind.into()
    }

    /// The namespace.
    async fn namespace(&self) -> &str {
        &self.node.namespace
    }

    /// The name inside the namespace; of a column the dataset's name, a dot and its path.
    async fn name(&self) -> &str {
        &self.node.name
    }

    /// Of a column: the id of the dataset that has it.
    async fn dataset(&self) -> Option<ID> {
        dataset_of(&self.node.key).map(ID::from)
    }

    /// The artifact with all its facts at the same instant.
    #[graphql(complexity = "20 + 3 * child_complexity")]
    async fn artifact(&self, ctx: &Context<'_>) -> Result<Option<Artifact>> {
        let facts = reading(ctx).await?.artifact(self.node.key.clone(), self.all.as_of).await?;
        Ok(facts.map(|facts| Artifact { facts, as_of: self.all.as_of }))
    }
}
