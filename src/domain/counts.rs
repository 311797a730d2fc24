//! How much a walk finds, told by numbers alone.
use std::collections::BTreeMap;

use super::{
    kind::ArtifactKind,
    lineage::{CompletenessStatus, IncompleteReason, WalkAnswer},
};

/// What lies one way of the starts, which are not counted themselves.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WalkCounts {
    /// Each node once, whatever leads to it.
    pub nodes: u32,
    /// Edges between the nodes counted and the starts.
    pub edges: u32,
    /// Kinds that occur, in order of [`ArtifactKind`].
    pub by_kind: Vec<(ArtifactKind, u32)>,
    /// Depths from 1 on, each node at its least one.
    pub by_depth: Vec<(u32, u32)>,
    pub status: CompletenessStatus,
    pub reasons: Vec<IncompleteReason>,
}

impl WalkCounts {
    /// Counts what a walk found. Its edges are counted by `edges_visited`, so that
    /// a walk that only counts need not keep them.
    #[must_use]
    pub fn of(walk: &WalkAnswer) -> Self {
        let (mut kinds, mut depths) = (BTreeMap::new(), BTreeMap::new());
        let mut nodes = 0;
        for node in walk.nodes.iter().filter(|n| n.depth > 0) {
            nodes += 1;
            *kinds.entry(node.kind).or_insert(0) += 1;
            *depths.entry(node.depth).or_insert(0) += 1;
        }
        Self {
            nodes,
            edges: walk.completeness.edges_visited,
            by_kind: kinds.into_iter().collect(),
            by_depth: depths.into_iter().collect(),
            status: walk.completeness.status,
            reasons: walk.completeness.reasons.clone(),
        }
    }
}
