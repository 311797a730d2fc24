//! How much a lineage would show, by numbers alone.
use async_graphql::{Object, SimpleObject};

use super::{
    super::input::ArtifactKind,
    lineage::{CompletenessStatus, IncompleteReason, ResolvedAsOf},
};
use crate::{
    app::view::Counts,
    domain::{counts::WalkCounts, lineage::AsOf},
};

/// How much lies around some nodes at one instant, each way by itself: what `lineage` would show that way with the same options, the starts apart, and without its caps where artifacts are counted without `collapse` for who may see everything.
pub struct LineageCounts {
    pub counts: Counts,
    pub as_of: AsOf,
}

/// How much lies around some nodes at one instant, each way by itself: what `lineage` would show that way with the same options, the starts apart, and without its caps where artifacts are counted without `collapse` for who may see everything.
#[Object]
impl LineageCounts {
    /// Where the data comes from; none where only `DOWNSTREAM` was asked for.
    async fn upstream(&self) -> Option<DirectionCounts> {
        self.counts.upstream.as_ref().map(DirectionCounts::from)
    }

    /// Where the data goes; none where only `UPSTREAM` was asked for.
    async fn downstream(&self) -> Option<DirectionCounts> {
        self.counts.downstream.as_ref().map(DirectionCounts::from)
    }

    /// The instant that the answer is about.
    async fn as_of(&self) -> ResolvedAsOf {
        ResolvedAsOf { as_of: self.as_of, root: None }
    }
}

/// How much lies one way of the starts. What the caller may not see is not counted, nor what lies behind it; the status then says `RESTRICTED`.
#[derive(SimpleObject, Clone, Debug)]
pub struct DirectionCounts {
    /// How many nodes, each once; the starts are not counted.
    pub nodes: u32,
    /// How many edges between them and the starts.
    pub edges: u32,
    /// The nodes by what they are.
    pub by_kind: Vec<NodesOfKind>,
    /// The nodes by how many hops they are away, from 1 on.
    pub by_depth: Vec<NodesAtDepth>,
    /// Whether all within the asked depth was counted; if not, there are at least so many.
    pub status: CompletenessStatus,
    /// Why not all was counted, each reason once.
    pub reasons: Vec<IncompleteReason>,
}

impl From<&WalkCounts> for DirectionCounts {
    fn from(c: &WalkCounts) -> Self {
        Self {
            nodes: c.nodes,
            edges: c.edges,
            by_kind: c.by_kind.iter().map(|(kind, nodes)| NodesOfKind { kind: (*kind).into(), nodes: *nodes }).collect(),
            by_depth: c.by_depth.iter().map(|(depth, nodes)| NodesAtDepth { depth: *depth, nodes: *nodes }).collect(),
            status: c.status.into(),
            reasons: c.reasons.iter().map(|r| (*r).into()).collect(),
        }
    }
}

/// How many nodes of a kind.
#[derive(SimpleObject, Clone, Debug)]
pub struct NodesOfKind {
    /// What they are.
    pub kind: ArtifactKind,
    /// How many.
    pub nodes: u32,
}

/// How many nodes at a depth.
#[derive(SimpleObject, Clone, Debug)]
pub struct NodesAtDepth {
    /// How many hops they are away from the nearest start.
    pub depth: u32,
    /// How many.
    pub nodes: u32,
}
